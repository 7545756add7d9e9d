//! Receiving RTP over UDP: [`RtpReceiver`], a [`Medium`](crate::env::Medium) that adds sockets to a
//! [`StreamReceiver`](crate::rtp::StreamReceiver). For packets that arrive in another way
//! (interleaved in an RTSP connection, from a file), use a `StreamReceiver` directly.
//!
//! ```no_run
//! use riverrun::env::UsageEnvironment;
//! use riverrun::payload::mp2t::Mp2tDepacketizer;
//! use riverrun::receive::{RtpReceiver, RtpReceiverConfig};
//! use riverrun::rtp::StreamReceiverConfig;
//!
//! let mut env = UsageEnvironment::new()?;
//! let stream = StreamReceiverConfig::new(33, 90_000, "viewer@example.org");
//! let config = RtpReceiverConfig::new(stream, "0.0.0.0:5004".parse().unwrap());
//! let depacketizer = Box::new(Mp2tDepacketizer::new());
//! let receiver = RtpReceiver::open(&mut env, config, depacketizer, |stream, _| {
//!     while let Some(frame) = stream.poll_frame() {
//!         println!("{} bytes at {:?}", frame.data.len(), frame.pts);
//!     }
//! })?;
//! // Run the loop; then:
//! env.close(receiver); // says BYE
//! # Ok::<(), riverrun::Error>(())
//! ```

mod config;
mod receiver;
mod sockets;
#[cfg(test)]
mod tests;

pub use config::RtpReceiverConfig;
pub use receiver::{ReceiverCounters, RtpReceiver};
pub(crate) use sockets::{SocketConfig, Sockets};
