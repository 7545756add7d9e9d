//! [`AttemptError`]: why an attempt to play or to push has ended, and what is told of the next.

use crate::client::event::{Disconnection, RequestFailure};
use crate::client::transport::MediaTransport;
use crate::wire::rtsp::{Method, StatusCode};
use std::fmt;
use std::time::Duration;

/// Why a [`Player`](super::Player) has lost its presentation, or a track, or a
/// [`Pusher`](crate::relay::Pusher) the server that it pushes to.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttemptError {
    /// The connection was not made, or has ended.
    Disconnected(Disconnection),
    /// A request was not answered.
    Request(Method, RequestFailure),
    /// A request was refused.
    Status(Method, StatusCode),
    /// The response to a request cannot be used; says why.
    Response(Method, String),
    /// The description has no track that could be played.
    NoTracks,
    /// The description of the stream has no track that could be pushed; says why.
    Description(String),
    /// No packet has come.
    NoPackets(MediaTransport),
    /// A track has stopped.
    Stalled {
        /// The track.
        track: usize,
    },
    /// The server has ended the session of a presentation that has no end of its own (BYE, TEARDOWN),
    /// or of one that is pushed.
    EndedByServer,
    /// A socket cannot be opened or used.
    Io(std::io::Error),
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(why) => why.fmt(f),
            Self::Request(method, why) => write!(f, "{method}: {why}"),
            Self::Status(method, status) => write!(f, "{method}: the server says {status}"),
            Self::Response(method, why) => write!(f, "{method}: {why}"),
            Self::NoTracks => f.write_str("there is no track to play"),
            Self::Description(why) => write!(f, "the description of the stream: {why}"),
            Self::NoPackets(transport) => write!(f, "no packet has come over {transport}"),
            Self::Stalled { track } => write!(f, "track {track} has stopped"),
            Self::EndedByServer => f.write_str("the server has ended the session"),
            Self::Io(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for AttemptError {}

/// Writes that another attempt follows, as events tell it.
pub(crate) fn write_retry(
    f: &mut fmt::Formatter<'_>,
    delay: Duration,
    failures: u32,
) -> fmt::Result {
    write!(f, "trying again in {:.1} s", delay.as_secs_f64())?;
    if failures > 1 {
        write!(f, ", after {failures} failures")?;
    }
    Ok(())
}
