//! What each RTSP method does (RFC 2326 section 10).

pub(crate) mod answer;
mod pause;
mod play;
mod setup;
pub(crate) mod targets;
pub(crate) mod transport;
