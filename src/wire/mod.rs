//! Bytes ↔ values: RTSP, SDP, RTP, RTCP. No state, no time, no I/O.
//!
//! Every parser reads through [`Reader`], which cannot index and so cannot panic, and tells
//! "not enough bytes yet" ([`ParseError::Incomplete`]) from "will never be valid"
//! ([`ParseError::Invalid`]).

mod reader;

pub use reader::{ParseError, Reader};
