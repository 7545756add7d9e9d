//! Live input: an encoder's thread sends frames with a [`LiveSender`], and the event loop's thread
//! reads them from a [`LiveSource`].
//!
//! Each source has a bounded [`FrameQueue`](crate::media::queue::FrameQueue). When the loop is
//! behind, arriving frames are dropped up to the next key frame that fits: the encoder learns of it
//! from each call ([`Sent::Dropped`]) and can lower its bit rate or make a key frame; the dropped
//! frames are counted. Parameter sets are taken from the stream (H.264: ITU-T H.264 section
//! 7.4.1.2.1, H.265: ITU-T H.265 section 7.4.2.4) and inserted before key frames without them, so
//! that a viewer can start at any key frame.

mod clock;
mod forms;
mod input;
mod sender;
mod shared;
mod source;
#[cfg(test)]
mod tests;
mod text_pauses;

pub use input::InputError;
pub use sender::LiveSender;
pub(crate) use sender::share_clock;
pub use shared::{LiveStats, Sent};
pub use source::{LiveSource, LiveStream};

pub use text_pauses::TextPauses;

use super::Wake;
use super::queue::QueueLimits;
use crate::codec::CodecParameters;
use shared::Shared;
use std::sync::Arc;

/// Creates a live stream: the sender for the encoder's thread and the receiving end for the loop's
/// thread. `parameters` state the codec, with the parameter sets if they are known already. `wake`
/// is called on the sender's thread when a waiting source gets a frame or the end of the stream.
///
/// ```
/// use riverrun::codec::CodecParameters;
/// use riverrun::media::live::{Sent, live_stream};
/// use riverrun::media::queue::QueueLimits;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// // The parameter sets will be seen in the stream.
/// let h264 = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
/// let wake = Arc::new(|| { /* an event trigger's trigger() */ });
/// let (sender, stream) = live_stream(h264, QueueLimits::default(), wake);
/// let encoder = std::thread::spawn(move || {
///     let access_unit = vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0x88];
///     sender.send_access_unit(access_unit, Duration::ZERO)
/// });
/// assert_eq!(encoder.join().unwrap(), Sent::NoReceiver);
/// assert!(stream.is_described());
/// let source = stream.create_source(); // Starts at a key frame.
/// ```
pub fn live_stream(
    parameters: CodecParameters,
    limits: QueueLimits,
    wake: Wake,
) -> (LiveSender, LiveStream) {
    let shared = Arc::new(Shared::new(parameters, limits, wake));
    (LiveSender::new(Arc::clone(&shared)), LiveStream::new(shared))
}
