//! [`BackChannelSink`]: where the audio goes that a client sends.

use crate::payload::PayloadFormat;
use crate::rtp::{ReceivedFrame, ReceivedPacket};
use crate::session::pool::SessionInfo;

/// Takes the audio that clients send over a back channel, one client at a time.
///
/// It is called in the middle of the server's work and has no access to the server. What takes
/// time, such as writing files, belongs on another thread. It is dropped with its back channel.
///
/// ```
/// use riverrun::payload::PayloadFormat;
/// use riverrun::rtp::ReceivedFrame;
/// use riverrun::server::BackChannelSink;
/// use riverrun::server::pool::SessionInfo;
///
/// /// Says how long clients have talked.
/// #[derive(Default)]
/// struct Counter {
///     format: Option<PayloadFormat>,
///     bytes: usize,
/// }
///
/// impl BackChannelSink for Counter {
///     fn format_chosen(&mut self, format: &PayloadFormat) {
///         self.format = Some(format.clone());
///     }
///
///     fn frame(&mut self, frame: ReceivedFrame) {
///         self.bytes += frame.data.len();
///     }
///
///     fn talker_left(&mut self, talker: &SessionInfo) {
///         println!("{} has sent {} bytes", talker.peer, self.bytes);
///     }
/// }
/// ```
pub trait BackChannelSink {
    /// A client wants to talk to a channel that is
    /// [opened on demand](crate::server::BackChannelOptions::opened_on_demand) and is closed. It
    /// waits. Not called again before the channel has been opened or refused.
    fn wanted(&mut self) {}

    /// A client has set up the channel: nobody else may until it has left.
    fn talker_came(&mut self, talker: &SessionInfo) {
        let _ = talker;
    }

    /// The audio that follows has this format. Called before the first frame of a client, and when
    /// the client goes on in another format.
    fn format_chosen(&mut self, format: &PayloadFormat) {
        let _ = format;
    }

    /// The next frame. Where packets were lost before it, it says so. If the client is silent, no
    /// frames come.
    fn frame(&mut self, frame: ReceivedFrame) {
        let _ = frame;
    }

    /// The next packet, in order, of a channel that hands out
    /// [packets](crate::server::BackChannelOptions::with_packets).
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        let _ = packet;
    }

    /// The client has left: by TEARDOWN, or because its session has ended.
    fn talker_left(&mut self, talker: &SessionInfo) {
        let _ = talker;
    }
}
