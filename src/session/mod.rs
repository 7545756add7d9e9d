//! Media sessions and client sessions: what can be streamed, and to whom it is.

pub(crate) mod client_media;
pub(crate) mod media_session;
pub(crate) mod media_sessions;
pub(crate) mod names;
pub(crate) mod new_stream;
pub(crate) mod payload_types;
pub mod pool;
pub(crate) mod provider;
pub(crate) mod release;
mod sdp_cache;
pub(crate) mod subsession;

pub use client_media::SessionMedia;
pub use media_session::{Lifecycle, ServerMediaSession};
pub use provider::{SessionPoll, SessionProvider};
pub use subsession::{
    Delivery, MulticastGroup, OnDemandServerMediaSubsession, PassiveServerMediaSubsession,
    ServerMediaSubsession, StreamFactory, StreamRequest,
};
