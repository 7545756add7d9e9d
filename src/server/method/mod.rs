//! The RTSP methods (RFC 2326 section 10), one file for each method.

pub(crate) mod address;
pub(crate) mod announce;
pub(crate) mod answer;
pub(crate) mod context;
pub(crate) mod describe;
mod find;
pub(crate) mod lookup;
mod new_session;
pub(crate) mod options;
pub(crate) mod outcome;
mod pace;
pub(crate) mod parameters;
pub(crate) mod pause;
pub(crate) mod play;
mod predecessor;
mod publisher;
pub(crate) mod record;
pub(crate) mod refusal;
mod scarcity;
#[cfg(feature = "srtp")]
mod secure;
mod seek;
mod selection;
mod server_part;
pub(crate) mod setup;
pub(crate) mod talk;
pub(crate) mod teardown;
mod track;
mod transport;
