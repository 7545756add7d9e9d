//! Parsers and writers for RTSP, SDP, RTP and RTCP: bytes to values and back, without state, time
//! or I/O.
//!
//! Start with [`rtsp`] for messages and headers, [`sdp`] for session descriptions, [`rtp`] and
//! [`rtcp`] for packets, [`url`] for RTSP URLs. Every binary parser reads through [`Reader`], which
//! cannot index and so cannot panic, and which distinguishes "not enough bytes yet"
//! ([`ParseError::Incomplete`]) from "will never be valid" ([`ParseError::Invalid`]).

pub mod auth;
pub mod interleaved;
#[cfg(feature = "srtp")]
pub mod mikey;
mod oddities;
mod reader;
pub mod rtcp;
pub mod rtp;
pub mod rtsp;
pub mod sdp;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod text;
pub mod url;

pub use oddities::Oddities;
pub use reader::{ParseError, Reader};
