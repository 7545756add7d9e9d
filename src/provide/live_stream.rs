//! A live presentation made in one piece: its media session, and the sending end of each track.

use crate::codec::CodecParameters;
use crate::ids::InputId;
use crate::media::Wake;
use crate::media::live::{LiveSender, live_stream, share_clock};
use crate::media::queue::QueueLimits;
use crate::payload::FormatRegistry;
use crate::provide::live_track::LiveTrack;
use crate::session::media_session::ServerMediaSession;
use crate::session::subsession::OnDemandServerMediaSubsession;
use crate::stream::fast_start::FastStart;

/// The name of a live stream, and how it is served; see
/// [`RtspServer::add_live_stream`](crate::server::RtspServer::add_live_stream).
///
/// By default all clients share one stream a track, the queues have the limits of
/// [`QueueLimits::default`], and the tracks' times are of one clock. A newcomer to a stream of one
/// track gets what was sent since the last key frame ([`FastStart::KeyFrameCache`]); of several
/// tracks, which are to begin together, nothing before the next
/// ([`FastStart::WaitForKeyFrame`]).
#[derive(Clone, Debug)]
pub struct LiveStreamOptions {
    name: String,
    info: String,
    description: String,
    limits: QueueLimits,
    fast_start: Option<FastStart>,
    is_shared: bool,
    has_one_clock: bool,
}

impl LiveStreamOptions {
    /// A stream whose URL has the path `name`, not percent-encoded, with the defaults.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            info: name.to_owned(),
            description: "Live stream".to_owned(),
            limits: QueueLimits::default(),
            fast_start: None,
            is_shared: true,
            has_one_clock: true,
        }
    }

    /// Sets the information (SDP `i=`) and the title (SDP `s=`), a line each.
    pub fn with_description(mut self, info: &str, description: &str) -> Self {
        self.info = info.to_owned();
        self.description = description.to_owned();
        self
    }

    /// Sets how many frames and bytes of each track wait for the loop before frames are dropped.
    pub const fn with_queue_limits(mut self, limits: QueueLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Chooses how a newcomer to the running stream begins.
    pub const fn with_fast_start(mut self, fast_start: FastStart) -> Self {
        self.fast_start = Some(fast_start);
        self
    }

    /// Chooses whether all clients share one stream a track, whose frames are packetized once. If
    /// not, each client has streams of its own, with SSRCs and timestamps of their own.
    pub const fn with_shared_streams(mut self, shared: bool) -> Self {
        self.is_shared = shared;
        self
    }

    /// Chooses whether [`LiveSender::set_clock`] on the sender of one track counts for all tracks.
    /// Without it each sender states the clock of its own track.
    pub const fn with_one_clock(mut self, one_clock: bool) -> Self {
        self.has_one_clock = one_clock;
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

/// One track of a live stream: its codec, and what clients are told of it.
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
    /// A track of the codec with these parameters. Parameter sets of H.264 and H.265 may be empty:
    /// they are picked up from the stream.
    pub const fn new(parameters: CodecParameters) -> Self {
        Self { parameters, bandwidth_kbps: None, formats: None }
    }

    /// A track of H.264 whose parameter sets are picked up from the stream.
    pub const fn h264() -> Self {
        Self::new(CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() })
    }

    /// A track of H.265 whose parameter sets are picked up from the stream.
    pub const fn h265() -> Self {
        Self::new(CodecParameters::H265 { vps: Vec::new(), sps: Vec::new(), pps: Vec::new() })
    }

    /// Tells clients the bandwidth, in kbit/s (SDP `b=AS`); RTCP intervals follow it.
    pub const fn with_bandwidth_kbps(mut self, kbps: u32) -> Self {
        self.bandwidth_kbps = Some(kbps);
        self
    }

    /// Sets the payload formats of the application's own codec.
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

/// The media session of a live stream and the senders of its tracks, in their order. Each track
/// comes with the input that wakes the loop for it, which goes with the session.
pub(crate) fn live_session(
    options: &LiveStreamOptions,
    tracks: Vec<(LiveTrackOptions, (InputId, Wake))>,
) -> (ServerMediaSession, Vec<LiveSender>) {
    let LiveStreamOptions { name, info, description, limits, .. } = options;
    let fast_start = options.fast_start.unwrap_or(if tracks.len() == 1 {
        FastStart::KeyFrameCache
    } else {
        FastStart::WaitForKeyFrame
    });
    let mut session = ServerMediaSession::new(name, info, description);
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
