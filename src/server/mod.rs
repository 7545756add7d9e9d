//! The RTSP server and media session management.
//!
//! [`RtspServer`] is a [`Medium`](crate::env::Medium) that owns tables: connections, client
//! sessions (the [`SessionPool`](pool::SessionPool)), server media sessions, streams, sockets.
//! What stands in a table names others by id; nobody holds a pointer to a peer.

mod answer;
mod catch_up;
mod config;
mod connection;
mod connections;
mod endings;
mod file_subsession;
mod hooks;
mod inputs;
mod key_frame_cache;
mod key_frames;
mod live_clock;
mod live_subsession;
mod media_session;
mod members;
mod multicast;
mod out_queue;
mod outgoing;
mod outlets;
mod pause;
mod payload_types;
mod play;
pub mod pool;
mod provider;
mod requests;
mod rtsp_server;
mod sdp_cache;
pub mod served_folder;
mod setup;
mod sockets;
mod stream_live;
mod stream_position;
mod stream_rtcp;
mod stream_state;
mod streams;
mod subsession;
mod targets;
#[cfg(test)]
mod tests;
mod transport;
mod turn_budget;
mod waiting;
mod warned;

pub use config::{ServerConfig, UdpPorts};
pub use file_subsession::{FileSessionOptions, FileTrack, FolderProvider, file_media_session};
pub use hooks::{Admission, NoHooks, ServerHooks};
pub use inputs::InputId;
pub use live_subsession::LiveTrack;
pub use media_session::{Lifecycle, MediaSessionId, ServerMediaSession};
pub use multicast::MulticastTrack;
pub use provider::{SessionPoll, SessionProvider};
pub use rtsp_server::RtspServer;
pub use setup::SessionMedia;
pub use stream_state::{StreamId, StreamState};
pub use subsession::{
    Delivery, FastStart, MulticastGroup, OnDemandServerMediaSubsession,
    PassiveServerMediaSubsession, ServerMediaSubsession, StreamFactory, StreamRequest,
};

pub(crate) use pool::SessionId as ClientSessionId;

const KEY_LISTENER: u32 = 1;
const KEY_CONNECTION: u32 = 2;
const KEY_STREAM: u32 = 3;
const KEY_STREAM_RTCP: u32 = 4;
const KEY_RTP_SOCKET: u32 = 5;
const KEY_RTCP_SOCKET: u32 = 6;
const KEY_POOL: u32 = 7;
const KEY_WORK: u32 = 8;
const KEY_INPUT: u32 = 9;
const KEY_ACCEPT: u32 = 10;
const KEY_CATCH_UP: u32 = 11;
const KEY_ENDINGS: u32 = 12;
