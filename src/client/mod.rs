//! The RTSP client: from a URL to frames.
//!
//! Start with [`Player`], which plays a URL: it calls its handler with each frame and each event,
//! and connects again after every failure. Below it, [`RtspClient`] sends requests over one
//! connection, and [`MediaSession`] reads what a server describes.

mod authenticator;
mod config;
mod dialer;
mod event;
mod keys;
mod media_session;
mod player;
mod rtsp_client;
mod server_address;
mod track;
mod transport;

pub use authenticator::AuthSchemes;
pub use config::RtspClientConfig;
pub use event::{ClientEvent, Disconnection, RequestFailure, RequestId};
pub use media_session::{
    ContentFacts, KeyAttributes, MediaKind, MediaSession, MediaSessionError, MediaSubsession,
    MulticastGroup, PlayStart, RtpProfile, TrackChoice,
};
pub use player::{
    PlayedTrack, Player, PlayerConfig, PlayerEnd, PlayerError, PlayerEvent, ReconnectPolicy,
};
pub use rtsp_client::{InterleavedPacket, PacketHandler, RtspClient};
pub use track::TrackCounters;
pub use transport::{MediaTransport, TransportPolicy};
