//! The RTSP server and media session management.
//!
//! [`RtspServer`] is a [`Medium`](crate::env::Medium) that owns tables: connections, client
//! sessions (the [`SessionPool`](pool::SessionPool)), server media sessions, streams, sockets.
//! What stands in a table names others by id; nobody holds a pointer to a peer.

mod closing;
pub(crate) mod config;
mod connections;
mod endings;
mod hooks;
mod inputs;
pub(crate) mod method;
mod multicast;
pub(crate) mod requests;
mod resuming;
mod rtsp_server;
pub(crate) mod streams;
#[cfg(test)]
mod tests;
pub(crate) mod waiting;

pub use crate::ids::{ClientSessionId, InputId, MediaSessionId, StreamId};
pub use crate::provide::served_folder;
pub use crate::provide::{
    FileSessionOptions, FileTrack, FolderProvider, LiveTrack, file_media_session,
};
pub use crate::session::pool;
pub use crate::session::{
    Delivery, Lifecycle, MulticastGroup, OnDemandServerMediaSubsession,
    PassiveServerMediaSubsession, ServerMediaSession, ServerMediaSubsession, SessionMedia,
    SessionPoll, SessionProvider, StreamFactory, StreamRequest,
};
pub use crate::stream::{FastStart, StreamState};
pub use config::{ServerConfig, UdpPorts};
pub use hooks::{Admission, NoHooks, ServerHooks};
pub use multicast::MulticastTrack;
pub use rtsp_server::RtspServer;
