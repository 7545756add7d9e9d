//! A running stream that sends: its source and sink, its position, its destinations, RTCP.
//!
//! A stream reaches connections through the room below it, [`rtsp`](crate::rtsp), and names client
//! sessions and media sessions by [id](crate::ids) only.

pub(crate) mod destinations;
pub(crate) mod fast_start;
pub(crate) mod input;
pub(crate) mod key_frame_cache;
pub(crate) mod key_frames;
mod live;
pub(crate) mod live_clock;
pub(crate) mod members;
mod newcomers;
pub(crate) mod outgoing;
mod position;
pub(crate) mod rtcp;
pub(crate) mod sockets;
pub(crate) mod state;
pub(crate) mod streams;

pub use fast_start::FastStart;
pub use state::StreamState;
