//! Tracks of media files as subsessions, and media sessions of whole files.

use crate::codec::CodecParameters;
use crate::error::Error;
use crate::media::file::{MediaFile, Track};
use crate::media::{FramedSource, SourceContext};
use crate::payload::FormatRegistry;
use crate::session::media_session::ServerMediaSession;
use crate::session::subsession::{OnDemandServerMediaSubsession, StreamFactory, StreamRequest};
use crate::stream::fast_start::FastStart;
use std::sync::Arc;
use std::time::Duration;

/// First dynamic payload type (RFC 3551 section 6).
const FIRST_DYNAMIC: u8 = 96;
const LAST_DYNAMIC: u8 = 127;
/// Overhead of RTP and the layers below on top of the media's bit rate, in percent.
const OVERHEAD_PERCENT: u64 = 4;

/// The [`StreamFactory`] of a track of a media file.
#[derive(Clone, Debug)]
pub struct FileTrack {
    file: Arc<dyn MediaFile>,
    track: usize,
    repeat: bool,
    follow: Option<Duration>,
}

impl FileTrack {
    /// Creates the factory of track `track` of `file`, counted from 0.
    pub fn new(file: Arc<dyn MediaFile>, track: usize) -> Self {
        Self { file, track, repeat: false, follow: None }
    }

    /// Sets whether the track starts over at its end.
    pub const fn with_repeat(mut self, repeat: bool) -> Self {
        self.repeat = repeat;
        self
    }

    /// Sets for how long the track waits at its end for what the file gets yet, as
    /// [`FileSessionOptions::follow`] says; `None`: it ends with the file as it is. Files that cannot
    /// be followed are not.
    pub fn with_follow(mut self, follow: Option<Duration>) -> Self {
        self.follow = follow.filter(|_| self.file.can_be_followed());
        self
    }

    fn facts(&self) -> Option<&Track> {
        self.file.tracks().get(self.track)
    }
}

impl StreamFactory for FileTrack {
    fn parameters(&self) -> Option<CodecParameters> {
        Some(self.facts()?.parameters.clone())
    }

    fn dynamic_payload_type(&self) -> u8 {
        let offset = u8::try_from(self.track).unwrap_or(u8::MAX);
        FIRST_DYNAMIC.saturating_add(offset).min(LAST_DYNAMIC)
    }

    fn create_new_stream_source(
        &mut self,
        request: &StreamRequest,
        cx: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error> {
        let (file, consumer) = (Arc::clone(&self.file), request.client_session);
        Ok(match self.follow {
            Some(patience) => file.follow_track(self.track, consumer, patience, cx)?,
            None => file.open_track(self.track, consumer, cx)?,
        })
    }

    fn duration(&self) -> Option<Duration> {
        // Repeated, it has no end; followed, it has none yet.
        if self.repeat || self.follow.is_some() { None } else { self.facts()?.duration }
    }

    fn bandwidth_kbps(&self) -> Option<u32> {
        let bits = u64::from(self.facts()?.bitrate?);
        let with_headers = bits + bits * OVERHEAD_PERCENT / 100;
        u32::try_from(with_headers.div_ceil(1000)).ok()
    }

    /// Constant, because the track never changes: another file at the same path is another track.
    fn revision(&self) -> Option<u64> {
        Some(0)
    }

    fn repeat_period(&self) -> Option<Duration> {
        // How long a file will be that is followed is not known.
        if !self.repeat || self.follow.is_some() {
            return None;
        }
        self.file.tracks().iter().filter_map(|t| t.duration).max()
    }
}

/// Options for serving files. By default each client has streams of its own, which end with the
/// file.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct FileSessionOptions {
    /// Whether all clients share one stream per track.
    pub reuse_first_source: bool,
    /// Whether streams start over at the end of the file.
    pub repeat: bool,
    /// How a newcomer to a shared video stream begins.
    pub fast_start: FastStart,
    /// Whether the elementary streams of transport streams in a folder are offered, each as a track,
    /// instead of the transport stream itself. Of several programs the first is taken; files
    /// without a stream of a known codec are sent as transport streams. Of a file that the
    /// application probes itself its probe decides, see
    /// [`probe_tracks`](crate::media::file::probe_tracks).
    pub ts_tracks: bool,
    /// For how long streams wait at the end of a file that is still being written (a fragmented MP4
    /// recording) for more of it, before they end. Such a file is described without an end, can be
    /// sought in as far as it reached when it was looked at, and does not
    /// [start over](Self::repeat). `None`, the default: streams end with the file.
    pub follow: Option<Duration>,
}

impl FileSessionOptions {
    /// Sets whether all clients share one stream per track.
    pub const fn with_reuse_first_source(mut self, reuse: bool) -> Self {
        self.reuse_first_source = reuse;
        self
    }

    /// Sets whether streams start over at the end of the file.
    pub const fn with_repeat(mut self, repeat: bool) -> Self {
        self.repeat = repeat;
        self
    }

    /// Sets for how long streams wait at the end of a file that is still being written.
    pub const fn with_follow(mut self, patience: Option<Duration>) -> Self {
        self.follow = patience;
        self
    }

    /// Sets how a newcomer to a shared video stream begins.
    pub const fn with_fast_start(mut self, fast_start: FastStart) -> Self {
        self.fast_start = fast_start;
        self
    }

    /// Sets whether the elementary streams of transport streams are offered instead of these.
    pub const fn with_ts_tracks(mut self, ts_tracks: bool) -> Self {
        self.ts_tracks = ts_tracks;
        self
    }
}

/// Whether there is a payload format for a track: some are left out by a cargo feature.
pub(super) fn can_be_sent(track: &Track) -> bool {
    FormatRegistry::standard().format(&track.parameters, FIRST_DYNAMIC).is_ok()
}

/// Creates the media session of a file, with all its tracks that have a payload format.
pub fn file_media_session(
    stream_name: &str,
    file: &Arc<dyn MediaFile>,
    options: FileSessionOptions,
) -> ServerMediaSession {
    let mut session =
        ServerMediaSession::new(stream_name, stream_name, "Session streamed by riverrun");
    let tracks = file.tracks().iter().enumerate();
    let sent: Vec<_> = tracks.filter(|(_, track)| can_be_sent(track)).map(|(n, _)| n).collect();
    if sent.len() < file.tracks().len() {
        log::info!("{stream_name}: a track is left out: no payload format for it here");
    }
    if sent.len() > 1 {
        session = session.with_aggregate_control_only();
    }
    for track in sent {
        let factory = FileTrack::new(Arc::clone(file), track)
            .with_repeat(options.repeat)
            .with_follow(options.follow);
        session = session.with_subsession(
            OnDemandServerMediaSubsession::new(factory)
                .with_reuse_first_source(options.reuse_first_source)
                .with_fast_start(options.fast_start),
        );
    }
    session
}
