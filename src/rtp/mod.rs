//! RTP and RTCP machines: time and bytes in, packets and reports out. No sockets, no clock.

pub mod rtcp;
pub mod sink;
pub mod source;
