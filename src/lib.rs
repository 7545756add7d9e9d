//! riverrun: media streaming on one thread, one event loop, no async and no unsafe code.
//!
//! # Layers, from the bottom
//!
//! * [`wire`]: bytes ↔ values. No state, no time, no I/O.
//! * [`codec`]: facts read from bitstreams (parameter sets, frame headers).
//! * [`framer`]: byte stream → [`Frame`]s.
//! * [`payload`]: RTP payload formats, packetizer and depacketizer.
//! * [`rtp`]: RTP and RTCP machines; time and bytes in, actions out.
//! * [`media`]: sources, filters, sinks, queues, files.
//! * [`env`]: the event loop, the only place that names mio; [`net`]: sockets.
//! * [`server`]: RTSP server and media session management.
//!
//! A layer uses those above it in this list, never those below.
#![forbid(unsafe_code)]

pub mod arena;
pub mod codec;
pub mod env;
pub mod error;
pub mod frame;
pub mod framer;
#[doc(hidden)]
pub mod fuzzing;
pub mod media;
pub mod net;
pub mod payload;
pub mod rtp;
pub mod server;
pub mod wire;

pub use error::Error;
pub use frame::{Frame, FrameFlags};
