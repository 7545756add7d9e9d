//! Bytes ↔ values: RTSP, SDP, RTP, RTCP. No state, no time, no I/O.
//!
//! Every parser reads through [`Reader`], which cannot index and so cannot panic, and tells
//! "not enough bytes yet" ([`ParseError::Incomplete`]) from "will never be valid"
//! ([`ParseError::Invalid`]).

pub mod interleaved;
mod reader;
pub mod rtcp;
pub mod rtp;
pub mod rtsp;
pub mod sdp;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod text;
pub mod url;

pub use reader::{ParseError, Reader};
