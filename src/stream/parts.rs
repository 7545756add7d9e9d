//! [`StreamParts`], which a stream is made of, and [`SendPolicy`], how it sends.

use crate::ids::{InputId, MediaSessionId};
use crate::media::FramedSource;
use crate::rtp::rtcp::RtcpInstance;
use crate::rtp::sink::RtpSink;
use crate::stream::fast_start::FastStart;
use crate::stream::key_frames::KeyFrameWatch;
use crate::stream::relay::RelayParts;
use std::time::Duration;

/// The parts that a stream is made of.
pub(crate) struct StreamParts {
    pub(crate) source: Box<dyn FramedSource>,
    pub(crate) sink: RtpSink,
    pub(crate) rtcp: RtcpInstance,
    /// Media session and number of the subsession; `None` for a multicast stream.
    pub(crate) origin: Option<(MediaSessionId, usize)>,
    /// Whether all clients of the subsession share it.
    pub(crate) shared: bool,
    /// Whether its packets are to be protected (SRTP).
    pub(crate) is_secure: bool,
    /// The live input that wakes it. Frames of a stream without one are sent when they are due.
    pub(crate) input: Option<InputId>,
    pub(crate) is_video: bool,
    /// How a newcomer begins, if the stream is shared and of video.
    pub(crate) fast_start: FastStart,
    /// The source begins anew this long after its start.
    pub(crate) repeat_period: Option<Duration>,
    pub(crate) key_frames: KeyFrameWatch,
    /// The format of the packets that it passes on, if it makes none of its own.
    pub(crate) relay: Option<RelayParts>,
}

/// How a stream sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendPolicy {
    /// How a newcomer begins.
    pub(crate) fast_start: FastStart,
    /// Most packets that go out over UDP at once.
    pub(crate) max_burst: usize,
    /// Most destinations that a frame goes to in one turn of the loop.
    pub(crate) destinations_per_turn: usize,
}

impl Default for SendPolicy {
    /// Sends all packets to all destinations at once.
    fn default() -> Self {
        Self {
            fast_start: FastStart::Off,
            max_burst: usize::MAX,
            destinations_per_turn: usize::MAX,
        }
    }
}
