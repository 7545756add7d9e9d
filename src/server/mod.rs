//! The RTSP server and media session management.
//!
//! [`RtspServer`] is a [`Medium`](crate::env::Medium) that owns tables: connections, client
//! sessions (the [`SessionPool`](pool::SessionPool)), server media sessions, streams, sockets.
//! What stands in a table names others by id; nobody holds a pointer to a peer.
//!
//! # The way of a request
//!
//! The event loop tells the server that a connection's socket can be read: `handle_event` calls
//! `handle_connection`, and that `process_input` with what was read, which asks the connection's
//! message machine for one message after another (`Connection::poll_message`). A request goes to
//! `handle_request`, where the application [admits](ServerHooks::admit) it, and on to
//! `answer_request`. `serve` finds the request's method in the table `METHODS` and calls the one
//! function in `src/server/method` that implements it, with a `Context` of the parts of the server
//! that it needs. That function writes the answer and returns what follows it, or it says that the
//! request is refused, or has to wait. `let_wait` keeps a request that waits, for the application's
//! decision too, and `resume_requests` goes on with it. `send_answer` hands the answer to the
//! connection, which sends it ahead of queued media, and then starts what a PLAY has asked for. A
//! new method is one more file in `src/server/method` and one more line in `METHODS`.

mod accepting;
mod client_requests;
mod client_sessions;
mod closing;
pub(crate) mod config;
mod connections;
mod endings;
mod events;
mod hooks;
mod incoming;
mod inputs;
mod live_streams;
mod media_sessions;
pub(crate) mod method;
mod multicast;
pub(crate) mod requests;
mod resuming;
mod rtsp_server;
pub(crate) mod streams;
#[cfg(test)]
mod tests;
pub(crate) mod waiting;

pub use crate::ids::{ClientSessionId, ConnectionId, InputId, MediaSessionId, StreamId};
pub use crate::provide::served_folder;
pub use crate::provide::{
    FileSessionOptions, FileTrack, FolderProvider, LiveStreamOptions, LiveTrack, LiveTrackOptions,
    file_media_session,
};
pub use crate::session::pool;
pub use crate::session::{
    Distribution, Lifecycle, MulticastGroup, OnDemandServerMediaSubsession,
    PassiveServerMediaSubsession, ServerMediaSession, ServerMediaSubsession, SessionMedia,
    SessionPoll, SessionProvider, StreamFactory, StreamRequest,
};
pub use crate::stream::{DeliveryStatistics, FastStart, IncomingPacket, StreamState};
pub use client_requests::RequestOutcome;
pub use client_sessions::ClientSessionMut;
pub use config::{ServerConfig, UdpPorts};
pub use hooks::{
    Admission, DecideLater, Decision, DecisionSender, NoHooks, RequestInfo, ServerHooks,
};
pub use multicast::MulticastTrack;
pub use rtsp_server::RtspServer;
pub use streams::TrackStatistics;
