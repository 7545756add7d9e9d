//! Makes the media session of a relayed stream.

use crate::ids::{BackChannelId, InputId, RelayedStreamId};
use crate::media::Wake;
use crate::payload::FormatRegistry;
use crate::provide::presentation::Presentation;
use crate::provide::relayed_track::{RelayedFactory, RelayedTrack};
use crate::session::media_session::ServerMediaSession;
use crate::session::relayed::RelayedMedia;
use crate::session::subsession::OnDemandServerMediaSubsession;
use crate::stream::fast_start::FastStart;
use std::fmt;
use std::time::Duration;

/// Default size of the largest packet that is passed on: the payload of an Ethernet frame of 1,500
/// bytes below IPv4 and UDP, which many encoders fill.
const MAX_PACKET: usize = 1472;

/// The name of a relayed stream and its options; see
/// [`RtspServer::add_relayed_stream`](crate::server::RtspServer::add_relayed_stream).
#[derive(Clone)]
pub struct RelayedStreamOptions {
    pub(crate) presentation: Presentation,
    pub(crate) kept_for: Duration,
    max_packet: usize,
    formats: FormatRegistry,
    pub(crate) wake: Option<Wake>,
    pub(crate) takes_publishers: bool,
    back_channel: Option<BackChannelId>,
}

impl fmt::Debug for RelayedStreamOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayedStreamOptions")
            .field("name", &self.presentation.name)
            .field("kept_for", &self.kept_for)
            .finish_non_exhaustive()
    }
}

impl RelayedStreamOptions {
    /// Creates options with the defaults for a stream whose URL has the path `name`, not
    /// percent-encoded. Viewers are kept for a minute without a source. A newcomer to a stream with
    /// one track receives the packets since the last key frame ([`FastStart::KeyFrameCache`]); with
    /// several tracks, which are to begin together, it starts with the next key frame
    /// ([`FastStart::WaitForKeyFrame`]). The first viewer is a newcomer, too: packets since the last key
    /// frame are kept for as long as the source is there, up to
    /// [`ServerConfig::max_cached`](crate::server::ServerConfig::max_cached) for each track of video.
    pub fn new(name: &str) -> Self {
        Self {
            presentation: Presentation::new(name, "Relayed stream"),
            kept_for: Duration::from_secs(60),
            max_packet: MAX_PACKET,
            formats: FormatRegistry::new(),
            wake: None,
            takes_publishers: false,
            back_channel: None,
        }
    }

    /// Sets the information (SDP `i=`) and the title (SDP `s=`), one line each.
    pub fn with_description(mut self, info: &str, description: &str) -> Self {
        self.presentation.describe(info, description);
        self
    }

    /// Sets for how long viewers stay connected while the source is away. During this time they get
    /// RTCP and no media; after it they get a BYE. Zero: they get it at once.
    pub const fn with_kept_for(mut self, time: Duration) -> Self {
        self.kept_for = time;
        self
    }

    /// Sets how a newcomer to the running stream begins.
    pub const fn with_fast_start(mut self, fast_start: FastStart) -> Self {
        self.presentation.fast_start = Some(fast_start);
        self
    }

    /// Sets the size in bytes of the largest RTP packet that is passed on, header included: 1472 by
    /// default, or [`ServerConfig::max_packet`](crate::server::ServerConfig::max_packet) if that is
    /// larger. If the source sends larger packets, frames are assembled and packetized anew, for which
    /// the registry must have the format; otherwise these packets are dropped.
    pub const fn with_max_packet(mut self, bytes: usize) -> Self {
        self.max_packet = bytes;
        self
    }

    /// Sets the registry, instead of the [standard one](FormatRegistry::standard), in which key frames
    /// are recognized, and in which frames are packetized anew if the source's packets are too large
    /// for viewers. Packets of a format that it does not have are passed on as they are.
    pub fn with_formats(mut self, formats: FormatRegistry) -> Self {
        self.formats = formats;
        self
    }

    /// Sets a function that is called when there is an event for
    /// [`RtspServer::poll_relayed_event`](crate::server::RtspServer::poll_relayed_event). It is
    /// called while the server works, and usually triggers an
    /// [`EventTrigger`](crate::env::EventTrigger).
    pub fn with_wake(mut self, wake: Wake) -> Self {
        self.wake = Some(wake);
        self
    }

    /// Lets clients publish the stream with ANNOUNCE and RECORD while it has no other source, as far
    /// as [`PublishConfig`](crate::server::PublishConfig) and their rights allow. Default: they may
    /// not.
    pub const fn with_publishers(mut self) -> Self {
        self.takes_publishers = true;
        self
    }

    /// Lets viewers talk to a [back channel](crate::server::RtspServer::add_back_channel) of the
    /// server.
    pub const fn with_back_channel(mut self, channel: BackChannelId) -> Self {
        self.back_channel = Some(channel);
        self
    }
}

impl From<&str> for RelayedStreamOptions {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for RelayedStreamOptions {
    fn from(name: String) -> Self {
        Self::new(&name)
    }
}

/// Makes the media session of a relayed stream, with the live input of each track, which is deleted
/// with the session. Without tracks, it is found by name and not described.
pub(crate) fn relayed_session(
    options: &RelayedStreamOptions,
    id: RelayedStreamId,
    origin_id: u64,
    tracks: &[(RelayedTrack, InputId)],
) -> ServerMediaSession {
    let mut session = options.presentation.session().with_origin_id(origin_id);
    session.back_channel = options.back_channel;
    session.relayed = Some(RelayedMedia {
        id,
        has_source: !tracks.is_empty(),
        takes_publishers: options.takes_publishers,
        tracks: tracks.iter().map(|(track, _)| track.format().clone()).collect(),
        formats: options.formats.clone(),
        max_packet: options.max_packet,
        cname: format!("riverrun@{origin_id:016x}"),
    });
    session.inputs = tracks.iter().map(|(_, input)| *input).collect();
    if tracks.is_empty() {
        return session.with_subsession(relayed_subsession(options, 0, 1, None));
    }
    for (index, track) in tracks.iter().enumerate() {
        let of = (index, tracks.len());
        session = session.with_subsession(relayed_subsession(options, of.0, of.1, Some(track)));
    }
    session
}

/// Makes one of so many tracks.
pub(crate) fn relayed_subsession(
    options: &RelayedStreamOptions,
    index: usize,
    tracks: usize,
    track: Option<&(RelayedTrack, InputId)>,
) -> OnDemandServerMediaSubsession {
    let fast_start = options.presentation.fast_start_of(tracks);
    let payload_type = u8::try_from(96 + index).map_or(127, |number| number.min(127));
    let factory = RelayedFactory { track: track.cloned(), payload_type };
    OnDemandServerMediaSubsession::new(factory)
        .with_reuse_first_source(true)
        .with_fast_start(fast_start)
}
