//! The RTSP client: what a server describes, as a client reads it.

mod media_session;

pub use media_session::{
    ContentFacts, KeyAttributes, MediaKind, MediaSession, MediaSessionError, MediaSubsession,
    MulticastGroup, PlayStart, RtpProfile, TrackChoice,
};
