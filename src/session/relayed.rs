//! [`RelayedMedia`]: what a media session knows of the source whose packets it passes on.

use crate::ids::RelayedStreamId;
use crate::payload::{FormatRegistry, PayloadFormat};
use crate::stream::relay::RelayParts;

/// The source of a relayed media session.
#[derive(Debug)]
pub(crate) struct RelayedMedia {
    pub(crate) id: RelayedStreamId,
    /// Whether there is a source. Otherwise a DESCRIBE waits for one.
    pub(crate) has_source: bool,
    /// Whether clients may publish it.
    pub(crate) takes_publishers: bool,
    /// The formats of the tracks, as the source describes them.
    pub(crate) tracks: Vec<PayloadFormat>,
    pub(crate) formats: FormatRegistry,
    /// Size of the largest packet that is passed on, if it is larger than those that are made.
    pub(crate) max_packet: usize,
    /// The canonical name (RFC 3550 section 6.5.1) of all its streams, which are made for viewers at
    /// different addresses of the server, or before there are any.
    pub(crate) cname: String,
}

impl RelayedMedia {
    /// What the stream of a track needs to pass packets on.
    pub(crate) fn parts(&self, track: usize) -> Option<RelayParts> {
        let format = self.tracks.get(track)?.clone();
        Some(RelayParts { format, formats: self.formats.clone() })
    }
}

/// Why a relayed stream may be wanted, or not be wanted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// A client asks for its description.
    Described,
    /// The first viewer has come, or the last has gone.
    Viewers,
}

/// An event of a relayed stream, for whoever feeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayedEvent {
    /// The first viewer asks for the stream: by a DESCRIBE, which waits for the source if there is
    /// none, or by a SETUP.
    Wanted,
    /// The last viewer has gone, or nobody has come after the DESCRIBE that asked for the stream.
    Unwanted,
    /// A viewer of a track cannot continue without a key frame. For each track this is reported at
    /// most twice a second.
    #[non_exhaustive]
    KeyFrameWanted {
        /// Number of the track, from 0.
        track: usize,
    },
}
