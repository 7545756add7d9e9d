//! The RTSP client: from a URL to frames.
//!
//! Start with [`Player`], which plays a URL: it calls its handler with each frame and each event,
//! and connects again after every failure. Below it, [`RtspClient`] sends requests over one
//! connection, and [`MediaSession`] reads what a server describes.
//!
//! # Recording
//!
//! A [`Recorder`](crate::media::sinks::Recorder) takes the frames of all tracks of a player:
//!
//! ```no_run
//! use riverrun::client::{Player, PlayerConfig, PlayerEvent};
//! use riverrun::env::UsageEnvironment;
//! use riverrun::media::sinks::{Mp4Config, Mp4Recorder, Recorder};
//! use std::collections::BTreeMap;
//! use std::sync::atomic::AtomicBool;
//!
//! let mut recorder = Mp4Recorder::create("door.mp4".as_ref(), Mp4Config::default())?;
//! let mut tracks = BTreeMap::new();
//! let mut env = UsageEnvironment::new()?;
//! Player::open(&mut env, "rtsp://192.0.2.9/live", PlayerConfig::default(), move |_, event| {
//!     let result = match event {
//!         PlayerEvent::Described(media) => media.subsessions.iter().try_for_each(|described| {
//!             match tracks.get(&described.number) {
//!                 // A description after a reconnection.
//!                 Some(track) => recorder.handle_parameters(*track, &described.parameters),
//!                 None => {
//!                     let track = recorder.add_track(&described.parameters)?;
//!                     tracks.insert(described.number, track);
//!                     Ok(())
//!                 }
//!             }
//!         }),
//!         PlayerEvent::Frame { track, frame } => match tracks.get(&track) {
//!             Some(track) => {
//!                 let time = frame.pts;
//!                 recorder.handle_frame(*track, &frame.into_frame(time))
//!             }
//!             None => Ok(()),
//!         },
//!         PlayerEvent::Ended(_) => recorder.finish(),
//!         _ => Ok(()),
//!     };
//!     if let Err(e) = result {
//!         println!("{e}"); // such as a full disk: told once
//!     }
//! })?;
//! env.do_event_loop(&AtomicBool::new(false))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod attempt;
mod authenticator;
mod back_channel;
mod config;
mod dialer;
mod event;
pub(crate) mod keep_alive;
mod keys;
mod player;
pub mod requests;
mod rtsp_client;
#[cfg(feature = "srtp")]
mod secure;
mod sender_check;
mod server_address;
mod track;
pub(crate) mod transport;

pub use crate::description::{
    ContentFacts, KeyAttributes, MediaKind, MediaSession, MediaSessionError, MediaSubsession,
    MulticastGroup, PlayStart, RtpProfile, TrackChoice,
};
pub use attempt::AttemptError;
pub use authenticator::AuthSchemes;
pub use config::RtspClientConfig;
pub use event::{ClientEvent, Disconnection, RequestFailure, RequestId};
pub use player::{
    Player, PlayerConfig, PlayerEnd, PlayerEvent, PlayerOutput, ReconnectPolicy, ServerFacts,
};
pub use rtsp_client::{InterleavedPacket, PacketHandler, RtspClient};
#[cfg(feature = "srtp")]
pub use secure::SrtpClientConfig;
pub use track::{PlayedTrack, TrackCounters};
pub use transport::{MediaTransport, TransportPolicy};
