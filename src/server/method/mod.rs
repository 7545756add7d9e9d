//! What each RTSP method does (RFC 2326 section 10), one file a method.

pub(crate) mod address;
pub(crate) mod answer;
pub(crate) mod context;
pub(crate) mod options;
pub(crate) mod outcome;
pub(crate) mod parameters;
pub(crate) mod pause;
pub(crate) mod play;
pub(crate) mod refusal;
mod seek;
pub(crate) mod selection;
mod setup;
pub(crate) mod targets;
pub(crate) mod transport;
