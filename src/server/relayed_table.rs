//! [`RelayedStreams`]: the streams of a server that outlive their sources.

use crate::arena::Arena;
use crate::env::{Timer, UsageEnvironment};
use crate::ids::{InputId, MediaSessionId, OfRelayedStream, RelayedStreamId};
use crate::provide::{RelayedStreamOptions, RelayedTrack};
use crate::server::relayed_tap::Tap;
use crate::session::RelayedEvent;
use std::time::{Duration, Instant};

/// For how long a stream stays wanted after a DESCRIBE without a viewer.
const WISH_TIME: Duration = Duration::from_secs(10);
/// Tracks of which requests for key frames are kept.
const MAX_TRACKS: usize = 64;

/// The source of a relayed stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayedSource {
    /// There has been none yet, or it has been away for longer than viewers are kept.
    Absent,
    /// It has been described, and its packets are passed on.
    Present,
    /// It is away; viewers wait for it.
    Lost,
}

/// A stream that outlives its source; see
/// [`RtspServer::add_relayed_stream`](super::RtspServer::add_relayed_stream).
#[derive(Debug)]
pub struct RelayedStream {
    pub(super) options: RelayedStreamOptions,
    pub(super) media_session: MediaSessionId,
    /// Session id in the `o=` lines of all its descriptions.
    pub(super) origin_id: u64,
    pub(super) tracks: Vec<(RelayedTrack, InputId)>,
    pub(super) source: RelayedSource,
    /// Until when viewers are kept without a source.
    pub(super) kept_until: Option<Instant>,
    /// Until when it is wanted without a viewer.
    pub(super) wish_until: Option<Instant>,
    pub(super) is_wanted: bool,
    pub(super) packets: u64,
    pub(super) timer: Timer,
    /// The listener beside the viewers, if the application has set one.
    pub(super) tap: Tap,
    /// Events that whoever feeds it has not polled yet.
    wanted_changed: bool,
    key_frames: u64,
}

impl RelayedStream {
    pub(super) fn new(
        options: RelayedStreamOptions,
        media_session: MediaSessionId,
        origin_id: u64,
    ) -> Self {
        Self {
            options,
            media_session,
            origin_id,
            tracks: Vec::new(),
            source: RelayedSource::Absent,
            kept_until: None,
            wish_until: None,
            is_wanted: false,
            packets: 0,
            timer: Timer::default(),
            tap: Tap::default(),
            wanted_changed: false,
            key_frames: 0,
        }
    }

    /// Returns the name under which clients find the stream.
    pub fn name(&self) -> &str {
        &self.options.presentation.name
    }

    /// Returns the media session that clients receive. It is another one after the source has come
    /// back with other codecs.
    pub const fn media_session(&self) -> MediaSessionId {
        self.media_session
    }

    /// Iterates over the tracks as the source has described them last.
    pub fn tracks(&self) -> impl Iterator<Item = &RelayedTrack> {
        self.tracks.iter().map(|(track, _)| track)
    }

    /// Returns the state of the source.
    pub const fn source(&self) -> RelayedSource {
        self.source
    }

    /// Returns whether there are viewers, or a client has asked for the description a moment ago.
    pub const fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Returns the number of packets that the source has delivered.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Tells the tap what the source has described.
    pub(super) fn tell_tap(&mut self) {
        self.tap.describe(self.tracks.iter().map(|(track, _)| track));
    }

    /// Whether the packets of a source with these tracks can go on to present viewers.
    pub(super) fn has_codecs_of(&self, tracks: &[RelayedTrack]) -> bool {
        self.tracks.len() == tracks.len()
            && self.tracks.iter().zip(tracks).all(|((own, _), other)| own.has_codec_of(other))
    }

    /// Limits how long viewers are kept who come while there is no source: `least` at least, within
    /// which one may be opened for them.
    pub(super) fn keep_viewers(&mut self, now: Instant, least: Duration) {
        if self.source != RelayedSource::Present && self.kept_until.is_none() {
            self.kept_until = now.checked_add(self.options.kept_for.max(least));
        }
    }

    /// Notes that a client asks for the description.
    pub(super) fn note_wish(&mut self, now: Instant) {
        self.wish_until = now.checked_add(WISH_TIME);
    }

    /// Notes whether the stream has viewers. Returns the event that follows from it.
    pub(super) fn update_demand(
        &mut self,
        has_viewers: bool,
        now: Instant,
    ) -> Option<RelayedEvent> {
        if has_viewers || self.wish_until.is_some_and(|until| until <= now) {
            self.wish_until = None;
        }
        let is_wanted = has_viewers || self.wish_until.is_some();
        let changed = std::mem::replace(&mut self.is_wanted, is_wanted) != is_wanted;
        changed.then_some(if is_wanted { RelayedEvent::Wanted } else { RelayedEvent::Unwanted })
    }

    /// When the timer is to expire.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.kept_until.into_iter().chain(self.wish_until).min()
    }

    /// Keeps an event until it is polled, and wakes whoever feeds the stream.
    pub(super) fn push_event(&mut self, event: RelayedEvent) {
        let Some(wake) = &self.options.wake else { return };
        match event {
            RelayedEvent::Wanted | RelayedEvent::Unwanted => self.wanted_changed = true,
            RelayedEvent::KeyFrameWanted { track } if track < MAX_TRACKS => {
                self.key_frames |= 1 << track;
            }
            RelayedEvent::KeyFrameWanted { .. } => {}
        }
        wake();
    }

    /// The next event that was not polled yet.
    pub(super) fn poll_event(&mut self) -> Option<RelayedEvent> {
        if std::mem::take(&mut self.wanted_changed) {
            let is_wanted = self.is_wanted;
            return Some(if is_wanted { RelayedEvent::Wanted } else { RelayedEvent::Unwanted });
        }
        let track = self.key_frames.trailing_zeros() as usize;
        if track == MAX_TRACKS {
            return None;
        }
        self.key_frames &= !(1 << track);
        Some(RelayedEvent::KeyFrameWanted { track })
    }
}

/// A track with packets that have not been sent yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsent {
    pub(super) input: InputId,
    /// When the first of them came.
    pub(super) since: Instant,
    pub(super) due: Instant,
}

/// The relayed streams of a server.
#[derive(Debug, Default)]
pub(crate) struct RelayedStreams {
    pub(super) table: Arena<RelayedStream, OfRelayedStream>,
    /// Tracks with packets that have not been sent yet.
    pub(super) unsent: Vec<Unsent>,
    /// Expires when the first of them are due.
    pub(super) timer: Timer,
}

impl RelayedStreams {
    pub(super) fn by_name(&self, name: &str) -> Option<RelayedStreamId> {
        self.table.iter().find(|(_, stream)| stream.name() == name).map(|(id, _)| id)
    }

    pub(super) fn close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        for (_, stream) in self.table.iter_mut() {
            env.disarm_timer(&mut stream.timer);
        }
    }
}
