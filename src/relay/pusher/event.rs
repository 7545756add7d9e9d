//! [`PushEvent`]: the life of a stream that is pushed.

use crate::client::attempt::write_retry;
use crate::client::{AttemptError, MediaTransport};
use crate::wire::rtsp::StatusCode;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// An event of a [`Pusher`](super::Pusher). Its [`Display`](fmt::Display) form is a line for a log,
/// without credentials.
#[derive(Debug)]
#[non_exhaustive]
pub enum PushEvent<'a> {
    /// The server is being connected to.
    Connecting,
    /// There is a connection to the server.
    Connected {
        /// Address of the server.
        peer: SocketAddr,
    },
    /// The server takes the stream: media follow.
    Recording {
        /// Number of tracks.
        tracks: usize,
        /// How media go.
        transport: MediaTransport,
        /// Time since the server was lost; `None` if it was not.
        after: Option<Duration>,
    },
    /// The server was lost after it had taken the stream.
    Lost(&'a AttemptError),
    /// An attempt to push has failed.
    Failed(&'a AttemptError),
    /// The server is connected to again.
    Retrying {
        /// In that time.
        delay: Duration,
        /// Failures in succession.
        failures: u32,
    },
    /// As many attempts have failed in succession as the
    /// [policy](super::PushConfig::reconnect) allows. The pusher does nothing more.
    GaveUp,
    /// The stream cannot be watched at present, for this status that a client would get: its source
    /// is away (503), or there is no such stream (404). The pusher waits for it, and does not keep
    /// the server waiting meanwhile.
    Unavailable(StatusCode),
    /// The stream has come to its end, or goes on with other codecs. What follows is announced anew.
    Ended,
}

impl fmt::Display for PushEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Connected { peer } => write!(f, "connected to {peer}"),
            Self::Recording { tracks, transport, after } => {
                let plural = if *tracks == 1 { "track" } else { "tracks" };
                write!(f, "pushing {tracks} {plural} over {transport}")?;
                match after {
                    Some(after) => write!(f, ", back after {:.1} s", after.as_secs_f64()),
                    None => Ok(()),
                }
            }
            Self::Lost(why) => write!(f, "the server is lost: {why}"),
            Self::Failed(why) => write!(f, "cannot push: {why}"),
            Self::Retrying { delay, failures } => write_retry(f, *delay, *failures),
            Self::GaveUp => f.write_str("given up"),
            Self::Unavailable(status) => write!(f, "waiting for the stream: {status}"),
            Self::Ended => f.write_str("the stream has ended, or has other codecs"),
        }
    }
}
