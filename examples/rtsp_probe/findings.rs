//! [`Findings`]: what a probe has found out.

use crate::status::Status;
use crate::track::TrackFindings;
use riverrun::client::{
    AttemptError, MediaKind, MediaSession, MediaTransport, Player, PlayerEvent, ServerFacts,
};
use riverrun::wire::Oddities;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a probe has found out of a presentation.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Without credentials.
    pub(crate) url: String,
    started: Instant,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) server: ServerFacts,
    pub(crate) media: Option<MediaSession>,
    pub(crate) odd: Oddities,
    /// Bytes that were neither messages nor packets.
    pub(crate) skipped: u64,
    /// Since the start of the probe.
    pub(crate) connected: Option<Duration>,
    pub(crate) described: Option<Duration>,
    pub(crate) playing: Option<Duration>,
    pub(crate) tracks: Vec<TrackFindings>,
    /// Attempts that were given up for another way.
    pub(crate) attempts: Vec<String>,
    /// The presentation came to its end.
    pub(crate) has_ended: bool,
    /// Why it does not play.
    pub(crate) failure: Option<(Status, String)>,
}

impl Findings {
    pub(crate) fn new(url: String, started: Instant) -> Self {
        Self {
            url,
            started,
            peer: None,
            server: ServerFacts::default(),
            media: None,
            odd: Oddities::new(),
            skipped: 0,
            connected: None,
            described: None,
            playing: None,
            tracks: Vec::new(),
            attempts: Vec::new(),
            has_ended: false,
            failure: None,
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.failure.as_ref().map_or(Status::Plays, |(status, _)| *status)
    }

    /// When the first frame of any track came.
    pub(crate) fn first_frame(&self) -> Option<Duration> {
        self.tracks.iter().filter_map(|track| track.first_frame).min()
    }

    /// The same of key frames of video, or of any frame where there is no video.
    pub(crate) fn first_key_frame(&self) -> Option<Duration> {
        let of_video = |track: &&TrackFindings| track.described.kind == MediaKind::Video;
        self.tracks.iter().filter(of_video).filter_map(|track| track.first_key_frame).min()
    }

    /// How media come.
    pub(crate) fn transport(&self) -> Option<MediaTransport> {
        self.tracks.iter().find_map(|track| track.transport)
    }

    /// Takes an event of the player, but those of its end.
    pub(crate) fn take(&mut self, now: Instant, event: PlayerEvent<'_>) {
        let since = now.saturating_duration_since(self.started);
        match event {
            PlayerEvent::Connected { peer } => {
                self.peer = Some(peer);
                self.connected.get_or_insert(since);
            }
            PlayerEvent::Described(media) => {
                self.described.get_or_insert(since);
                self.tracks = media.subsessions.iter().map(TrackFindings::new).collect();
                self.media = Some(media.clone());
            }
            PlayerEvent::TrackFailed { track, why } => {
                if let Some(track) = self.track(track) {
                    track.failure = Some((Status::of_player(&why, true), why.to_string()));
                }
            }
            PlayerEvent::Playing { .. } => self.playing = Some(since),
            PlayerEvent::Frame { track, frame } => {
                if let Some(track) = self.track(track) {
                    track.take(since, &frame);
                }
            }
            PlayerEvent::Lost(why) => self.attempts.push(why.to_string()),
            _ => {}
        }
    }

    fn track(&mut self, number: usize) -> Option<&mut TrackFindings> {
        self.tracks.iter_mut().find(|track| track.described.number == number)
    }

    /// When it was listened to for long enough: `duration` from the first frame on. Where none
    /// comes, `patience` is the time that the player has to find out why.
    pub(crate) fn ends_at(&self, duration: Duration, patience: Duration) -> Option<Instant> {
        let silent = || self.playing?.checked_add(2 * patience);
        let since = self.first_frame().or_else(silent)?;
        self.started.checked_add(since)?.checked_add(duration)
    }

    /// Takes what the player knows.
    pub(crate) fn look_at(&mut self, player: &Player) {
        self.server = player.server().clone();
        self.odd = player.odd().clone();
        self.skipped = self.skipped.max(player.skipped().bytes);
        for played in player.tracks() {
            if let Some(track) = self.track(played.number) {
                track.look_at(&played);
            }
        }
    }

    /// The player has ended; `why` unless it was stopped, or at its end.
    pub(crate) fn end(&mut self, why: Option<AttemptError>) {
        let has_frames = self.tracks.iter().any(|track| track.frames > 0);
        self.failure = match why {
            // Where the description tells no end, this is how it comes.
            None | Some(AttemptError::EndedByServer) if has_frames => self.silent_video(),
            None => Some((Status::NoMedia, "no frame came".to_owned())),
            Some(why) => {
                let of_tracks = || self.tracks.iter().find_map(|track| track.failure.clone());
                let status = Status::of_player(&why, self.connected.is_some());
                let failure = (status, why.to_string());
                // What a track's SETUP was answered tells more.
                Some(of_tracks().filter(|_| self.playing.is_none()).unwrap_or(failure))
            }
        };
    }

    /// Sound may be described and not sent; video that is not sent is missed.
    fn silent_video(&self) -> Option<(Status, String)> {
        let is_silent = |track: &&TrackFindings| {
            track.described.kind == MediaKind::Video
                && track.frames == 0
                && track.transport.is_some()
        };
        let silent = self.tracks.iter().find(is_silent)?;
        let why = format!("track {}: no frame came", silent.described.number);
        Some((Status::NoMedia, why))
    }
}
