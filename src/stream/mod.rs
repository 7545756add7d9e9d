//! A running stream that sends: its source and sink, its position, its destinations, RTCP.
//!
//! A stream reaches connections through the room below it, [`rtsp`](crate::rtsp), and names client
//! sessions and media sessions by [id](crate::ids) only.

mod catching_up;
pub(crate) mod destination;
mod destinations;
mod distribution;
mod fan_out;
pub(crate) mod fast_start;
pub(crate) mod incoming;
mod input;
mod key_frame_cache;
mod key_frame_requests;
pub(crate) mod key_frames;
mod live_clock;
pub(crate) mod live_clocks;
mod members;
pub(crate) mod pace;
mod packet_memory;
mod packet_watch;
pub(crate) mod parts;
mod play_range;
mod playback;
pub(crate) mod relay;
mod repacketizer;
mod reports;
mod send_context;
pub(crate) mod sockets;
mod source_clock;
pub(crate) mod state;
pub(crate) mod statistics;
pub(crate) mod streams;
mod time_line;
mod timers;

pub use fast_start::FastStart;
pub use incoming::IncomingPacket;
pub use sockets::UdpPorts;
pub use state::StreamState;
pub use statistics::DeliveryStatistics;
