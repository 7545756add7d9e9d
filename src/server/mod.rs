//! The RTSP server and media session management.
//!
//! [`RtspServer`] is a [`Medium`](crate::env::Medium) that owns tables: connections, client
//! sessions (the [`SessionPool`](pool::SessionPool)), server media sessions, streams, sockets.
//! What stands in a table names others by id; nobody holds a pointer to a peer.
//!
//! The front page of the crate tells [the way of a request](crate#the-way-of-a-request-in). A new
//! method is one more file in `src/server/method` and one more line in the table `METHODS` of
//! `requests.rs`.

mod accepting;
pub mod access;
mod client_requests;
mod client_sessions;
mod closing;
pub(crate) mod config;
mod connections;
mod endings;
mod events;
pub(crate) mod hooks;
mod http;
mod incoming;
mod inputs;
mod listener;
mod live_streams;
mod media_sessions;
pub(crate) mod method;
mod multicast;
mod outlets;
pub(crate) mod publish;
mod publishing;
mod relayed_streams;
mod relayed_table;
mod relayed_tap;
pub(crate) mod requests;
mod resuming;
mod rtsp_server;
mod statistics;
pub(crate) mod streams;
pub(crate) mod talk;
mod talking;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
mod tunnels;
pub(crate) mod waiting;

pub use crate::ids::{
    BackChannelId, ClientSessionId, ConnectionId, InputId, MediaSessionId, RelayedStreamId,
    StreamId,
};
pub use crate::provide::served_folder;
pub use crate::provide::{
    FileSessionOptions, FileTrack, FolderProvider, LiveStreamOptions, LiveTrack, LiveTrackOptions,
    RelayedStreamOptions, RelayedTrack, file_media_session,
};
#[cfg(feature = "srtp")]
pub use crate::session::SrtpConfig;
pub use crate::session::pool;
pub use crate::session::{
    Distribution, Lifecycle, MulticastGroup, OnDemandServerMediaSubsession,
    PassiveServerMediaSubsession, RelayedEvent, ServerMediaSession, ServerMediaSubsession,
    SessionMedia, SessionPoll, SessionProvider, StreamFactory, StreamRequest,
};
pub use crate::stream::{DeliveryStatistics, FastStart, IncomingPacket, StreamState};
pub use client_requests::RequestOutcome;
pub use client_sessions::ClientSessionMut;
pub use config::{PublishConfig, PublishPolicy, SecondPublisher, ServerConfig, UdpPorts};
pub use hooks::{
    Admission, DecideLater, Decision, DecisionSender, NoHooks, RequestInfo, ServerHooks,
};
pub use multicast::MulticastTrack;
pub(crate) use outlets::OutletState;
pub use relayed_streams::SourceChange;
pub use relayed_table::{RelayedSource, RelayedStream};
pub use relayed_tap::RelayTap;
pub use rtsp_server::RtspServer;
pub use statistics::ServerStatistics;
pub use streams::TrackStatistics;
pub use talk::options::BackChannelOptions;
pub use talk::sink::BackChannelSink;
