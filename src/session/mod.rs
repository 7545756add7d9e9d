//! Media sessions and client sessions.
//!
//! [`MediaSessions`](media_sessions::MediaSessions) owns the media sessions, their names and
//! references; [`SessionPool`](pool::SessionPool) owns the client sessions and their expiry. A
//! client session refers to media sessions, streams and connections by [id](crate::ids);
//! [`release`] releases all of them when the session ends.

pub(crate) mod client_media;
pub(crate) mod holdings;
pub(crate) mod media_session;
pub(crate) mod media_sessions;
pub(crate) mod names;
pub(crate) mod new_stream;
pub(crate) mod payload_types;
pub mod pool;
pub(crate) mod provider;
pub(crate) mod relayed;
pub(crate) mod release;
mod sdp_cache;
#[cfg(feature = "srtp")]
pub(crate) mod srtp;
pub(crate) mod subsession;

pub use client_media::SessionMedia;
pub use media_session::{Lifecycle, ServerMediaSession};
pub use provider::{SessionPoll, SessionProvider};
pub use relayed::RelayedEvent;
#[cfg(feature = "srtp")]
pub use srtp::SrtpConfig;
pub use subsession::{
    Distribution, MulticastGroup, OnDemandServerMediaSubsession, PassiveServerMediaSubsession,
    ServerMediaSubsession, StreamFactory, StreamRequest,
};
