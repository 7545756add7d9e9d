//! [`ProxyEvent`]: the life of a pulled source.

use crate::client::attempt::write_retry;
use crate::client::{AttemptError, MediaSession, MediaTransport, PlayerEnd};
use crate::error::Error;
use crate::server::SourceChange;
use crate::wire::rtsp::StatusCode;
use std::fmt;
use std::time::Duration;

/// An event of a [`ProxyServerMediaSession`](super::ProxyServerMediaSession). Its [`Display`](fmt::Display) form is
/// a line for a log, without credentials.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyEvent<'a> {
    /// The source is being opened: the first attempt, or the first one after it was closed.
    Opening,
    /// The source has been described.
    Described(&'a MediaSession),
    /// The tracks of the source have been set up, and the stream has been described to viewers.
    Ready {
        /// Number of tracks.
        tracks: usize,
        /// What that means for the viewers who are there.
        change: SourceChange,
    },
    /// The first packet has arrived, since the source was opened or lost.
    Up {
        /// How media come.
        transport: Option<MediaTransport>,
        /// Time since the source was lost; `None` if it was not.
        after: Option<Duration>,
    },
    /// The source was lost after packets had arrived. Viewers stay for as long as the stream's
    /// options say.
    Lost(&'a AttemptError),
    /// An attempt to open the source has failed.
    Failed(&'a AttemptError),
    /// The source is opened again.
    Retrying {
        /// In that time.
        delay: Duration,
        /// Failures in succession.
        failures: u32,
    },
    /// The source has come to its end. It is opened again while it is to be pulled.
    Ended(&'a PlayerEnd),
    /// The server cannot serve what the source describes.
    Unusable(&'a Error),
    /// The source has been closed, because nobody watches.
    Closed,
    /// The first viewer has come, or asks for the description.
    Watched,
    /// The last viewer has gone.
    Unwatched,
    /// The back channel of the source was opened, because a viewer wants to talk.
    TalkOpened,
    /// A viewer wants to talk and cannot: it was answered with this status.
    TalkRefused(StatusCode),
    /// The back channel was closed, because nobody talks.
    TalkClosed,
}

impl fmt::Display for ProxyEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening => f.write_str("opening the source"),
            Self::Described(media) => {
                write!(f, "source described:")?;
                for (i, track) in media.subsessions.iter().enumerate() {
                    let separator = if i == 0 { " " } else { ", " };
                    let format = &track.format;
                    write!(f, "{separator}{} {}", track.kind, format.encoding_name)?;
                }
                Ok(())
            }
            Self::Ready { tracks, change } => {
                write!(
                    f,
                    "source set up: {tracks} {}",
                    if *tracks == 1 { "track" } else { "tracks" }
                )?;
                match change {
                    SourceChange::OtherCodecs => f.write_str(", of other codecs than before"),
                    _ => Ok(()),
                }
            }
            Self::Up { transport, after } => {
                f.write_str(if after.is_some() { "source back" } else { "source up" })?;
                if let Some(transport) = transport {
                    write!(f, " over {transport}")?;
                }
                match after {
                    Some(after) => write!(f, " after {:.1} s", after.as_secs_f64()),
                    None => Ok(()),
                }
            }
            Self::Lost(why) => write!(f, "source lost: {why}"),
            Self::Failed(why) => write!(f, "source cannot be opened: {why}"),
            Self::Retrying { delay, failures } => write_retry(f, *delay, *failures),
            Self::Ended(why) => write!(f, "source ended: {why}"),
            Self::Unusable(why) => write!(f, "source cannot be served: {why}"),
            Self::Closed => f.write_str("source closed: nobody watches"),
            Self::Watched => f.write_str("somebody watches"),
            Self::Unwatched => f.write_str("nobody watches any more"),
            Self::TalkOpened => f.write_str("back channel opened: somebody talks"),
            Self::TalkRefused(status) => write!(f, "back channel cannot be opened: {status}"),
            Self::TalkClosed => f.write_str("back channel closed: nobody talks"),
        }
    }
}
