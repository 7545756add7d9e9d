//! Makes the parts of a live stream: its media session, and the sender of each track.

use crate::codec::CodecParameters;
use crate::ids::{BackChannelId, InputId};
use crate::media::Wake;
use crate::media::live::{LiveSender, live_stream, share_clock};
use crate::media::queue::QueueLimits;
use crate::payload::FormatRegistry;
use crate::provide::live_track::LiveTrack;
use crate::provide::presentation::Presentation;
use crate::session::media_session::ServerMediaSession;
use crate::session::subsession::OnDemandServerMediaSubsession;
use crate::stream::fast_start::FastStart;
use bytes::Bytes;

/// The name of a live stream and its options; see
/// [`RtspServer::add_live_stream`](crate::server::RtspServer::add_live_stream).
///
/// By default all clients share one stream per track, the queues have the limits of
/// [`QueueLimits::default`], and the tracks' times come from one clock. A newcomer to a stream with
/// one track receives the data since the last key frame ([`FastStart::KeyFrameCache`]); with
/// several tracks, which are to begin together, it starts with the next key frame
/// ([`FastStart::WaitForKeyFrame`]).
#[derive(Clone, Debug)]
pub struct LiveStreamOptions {
    presentation: Presentation,
    limits: QueueLimits,
    is_shared: bool,
    has_one_clock: bool,
    back_channel: Option<BackChannelId>,
}

impl LiveStreamOptions {
    /// Creates options with the defaults for a stream whose URL has the path `name`, not
    /// percent-encoded.
    pub fn new(name: &str) -> Self {
        Self {
            presentation: Presentation::new(name, "Live stream"),
            limits: QueueLimits::default(),
            is_shared: true,
            has_one_clock: true,
            back_channel: None,
        }
    }

    /// Sets the information (SDP `i=`) and the title (SDP `s=`), one line each.
    pub fn with_description(mut self, info: &str, description: &str) -> Self {
        self.presentation.describe(info, description);
        self
    }

    /// Sets how many frames and bytes of each track may wait for the loop before frames are
    /// dropped.
    pub const fn with_queue_limits(mut self, limits: QueueLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how a newcomer to the running stream begins.
    pub const fn with_fast_start(mut self, fast_start: FastStart) -> Self {
        self.presentation.fast_start = Some(fast_start);
        self
    }

    /// Sets whether all clients share one stream per track, whose frames are packetized once.
    /// Otherwise each client has streams of its own, with their own SSRCs and timestamps.
    pub const fn with_shared_streams(mut self, shared: bool) -> Self {
        self.is_shared = shared;
        self
    }

    /// Sets whether [`LiveSender::set_clock`] on the sender of one track applies to all tracks.
    /// Otherwise each sender sets the clock of its own track.
    pub const fn with_one_clock(mut self, one_clock: bool) -> Self {
        self.has_one_clock = one_clock;
        self
    }

    /// Lets viewers talk to a [back channel](crate::server::RtspServer::add_back_channel) of the
    /// server.
    pub const fn with_back_channel(mut self, channel: BackChannelId) -> Self {
        self.back_channel = Some(channel);
        self
    }
}

impl From<&str> for LiveStreamOptions {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for LiveStreamOptions {
    fn from(name: String) -> Self {
        Self::new(&name)
    }
}

/// One track of a live stream: its codec, and its description for clients.
///
/// ```
/// use riverrun::server::LiveTrackOptions;
///
/// let video = LiveTrackOptions::h264().with_bandwidth_kbps(4000);
/// # drop(video);
/// ```
#[derive(Clone, Debug)]
pub struct LiveTrackOptions {
    parameters: CodecParameters,
    bandwidth_kbps: Option<u32>,
    formats: Option<FormatRegistry>,
}

impl LiveTrackOptions {
    /// Creates a track with these codec parameters. Parameter sets of H.264 and H.265 may be empty;
    /// they are then taken from the stream.
    pub const fn new(parameters: CodecParameters) -> Self {
        Self { parameters, bandwidth_kbps: None, formats: None }
    }

    /// Creates an H.264 track whose parameter sets are taken from the stream.
    pub const fn h264() -> Self {
        Self::new(CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() })
    }

    /// Creates an H.265 track whose parameter sets are taken from the stream.
    pub const fn h265() -> Self {
        Self::new(CodecParameters::H265 { vps: Vec::new(), sps: Vec::new(), pps: Vec::new() })
    }

    /// Creates a VP8 track.
    pub const fn vp8() -> Self {
        Self::new(CodecParameters::Vp8)
    }

    /// Creates a VP9 track.
    pub const fn vp9() -> Self {
        Self::new(CodecParameters::Vp9 { profile: None })
    }

    /// Creates an AV1 track, whose sequence header is taken from the stream.
    pub const fn av1() -> Self {
        Self::new(CodecParameters::Av1 { sequence_header: Bytes::new() })
    }

    /// Creates a track of JPEG pictures (Motion JPEG).
    pub const fn jpeg() -> Self {
        Self::new(CodecParameters::Jpeg)
    }

    /// Creates an Opus track of one or two channels.
    pub const fn opus(channels: u8) -> Self {
        Self::new(CodecParameters::Opus { channels, mapping: None })
    }

    /// Creates a track of ONVIF metadata: each frame is an XML document.
    pub const fn onvif_metadata() -> Self {
        Self::new(CodecParameters::OnvifMetadata)
    }

    /// Creates a track of KLV metadata (SMPTE ST 336): each frame is a KLV unit.
    pub const fn klv() -> Self {
        Self::new(CodecParameters::Klv { clock_rate: 90_000 })
    }

    /// Creates a track of text, such as subtitles or a conversation (ITU-T T.140).
    pub const fn text() -> Self {
        Self::new(CodecParameters::Text)
    }

    /// Sets the bandwidth in kbit/s that clients are told (SDP `b=AS`); RTCP intervals depend on
    /// it.
    pub const fn with_bandwidth_kbps(mut self, kbps: u32) -> Self {
        self.bandwidth_kbps = Some(kbps);
        self
    }

    /// Sets the registry with the payload format of the application's own codec.
    pub fn with_formats(mut self, formats: FormatRegistry) -> Self {
        self.formats = Some(formats);
        self
    }
}

impl From<CodecParameters> for LiveTrackOptions {
    fn from(parameters: CodecParameters) -> Self {
        Self::new(parameters)
    }
}

/// Makes the media session of a live stream and the senders of its tracks, in order. Each track is
/// given with the input that wakes the loop for it, which is deleted with the session.
pub(crate) fn live_session(
    options: &LiveStreamOptions,
    tracks: Vec<(LiveTrackOptions, (InputId, Wake))>,
) -> (ServerMediaSession, Vec<LiveSender>) {
    let LiveStreamOptions { presentation, limits, .. } = options;
    let fast_start = presentation.fast_start_of(tracks.len());
    let mut session = presentation.session();
    session.back_channel = options.back_channel;
    let mut senders = Vec::with_capacity(tracks.len());
    for (LiveTrackOptions { parameters, bandwidth_kbps, formats }, (input, wake)) in tracks {
        let (sender, stream) = live_stream(parameters, *limits, wake);
        let mut track = LiveTrack::new(stream, input);
        if let Some(kbps) = bandwidth_kbps {
            track = track.with_bandwidth_kbps(kbps);
        }
        if let Some(formats) = formats {
            track = track.with_formats(formats);
        }
        session = session.with_subsession(
            OnDemandServerMediaSubsession::new(track)
                .with_reuse_first_source(options.is_shared)
                .with_fast_start(fast_start),
        );
        session.inputs.push(input);
        senders.push(sender);
    }
    if options.has_one_clock {
        share_clock(&senders);
    }
    (session, senders)
}
