//! [`Publication`]: a stream that a client announces, and then records.

use crate::description::MediaSession;
use crate::env::Timer;
use crate::ids::{ClientSessionId, ConnectionId, RelayedStreamId};
use crate::server::publish::track::PublishedTrack;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Least time between two extensions of a publisher's session by its packets.
const TOUCH_INTERVAL: Duration = Duration::from_secs(1);

/// How far a publication has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Described by ANNOUNCE; tracks may be set up.
    Announced,
    /// RECORD was answered: packets are passed on.
    Recording,
    /// PAUSE was answered: packets are dropped.
    Paused,
}

/// A stream that a client announces, and then records.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) session: ClientSessionId,
    /// Name of the stream.
    pub(crate) name: Arc<str>,
    pub(crate) description: MediaSession,
    pub(crate) phase: Phase,
    /// The stream that viewers watch, once it has been recorded.
    pub(crate) stream: Option<RelayedStreamId>,
    /// The connection that announced it; `None` once it has ended.
    pub(crate) connection: Option<ConnectionId>,
    /// A track for each of the description; `None`: not set up.
    pub(crate) tracks: Vec<Option<Box<PublishedTrack>>>,
    /// When a packet or a request of the publisher came last.
    pub(crate) heard_at: Instant,
    touched_at: Instant,
    pub(crate) timer: Timer,
}

impl Publication {
    pub(crate) fn new(
        session: ClientSessionId,
        name: &str,
        connection: ConnectionId,
        description: MediaSession,
        now: Instant,
    ) -> Self {
        Self {
            session,
            name: name.into(),
            tracks: description.subsessions.iter().map(|_| None).collect(),
            description,
            phase: Phase::Announced,
            stream: None,
            connection: Some(connection),
            heard_at: now,
            touched_at: now,
            timer: Timer::default(),
        }
    }

    /// Replaces the description; tracks that were set up must have been taken out.
    pub(crate) fn describe(&mut self, description: MediaSession) {
        self.tracks = description.subsessions.iter().map(|_| None).collect();
        self.description = description;
    }

    /// Iterates over the tracks that are set up, with their numbers in the description, from 0.
    pub(crate) fn set_up(&self) -> impl Iterator<Item = (usize, &PublishedTrack)> {
        let tracks = self.tracks.iter().enumerate();
        tracks.filter_map(|(n, track)| Some((n, &**track.as_ref()?)))
    }

    /// Number of the tracks that are set up.
    pub(crate) fn set_up_count(&self) -> usize {
        self.set_up().count()
    }

    /// Whether the publication ends with a connection: packets come over it, or it has announced what
    /// is not recorded yet.
    pub(crate) fn is_lost_with(&self, connection: ConnectionId) -> bool {
        let is_announcer = self.connection == Some(connection);
        let is_over = |t: &PublishedTrack| t.connection() == Some(connection);
        is_announcer && self.phase == Phase::Announced || self.set_up().any(|(_, t)| is_over(t))
    }

    /// Whether another publisher may take the place of this one, whose connection has ended.
    pub(crate) const fn gives_way(&self) -> bool {
        self.connection.is_none()
    }

    /// Notes that the connection has ended that announced it. A publisher that pauses is silent from
    /// now on; before, the connection told that it was there.
    pub(crate) fn note_connection_lost(&mut self, now: Instant) {
        self.connection = None;
        if self.phase == Phase::Paused {
            self.heard_at = now;
        }
    }

    /// When the publication is over unless its publisher is heard before.
    pub(crate) fn silent_at(&self, timeout: Duration) -> Option<Instant> {
        match self.phase {
            Phase::Paused if self.connection.is_some() => None,
            _ => self.heard_at.checked_add(timeout),
        }
    }

    /// Notes a packet of the publisher. Returns whether its session is to be extended.
    pub(crate) fn note_packet(&mut self, now: Instant) -> bool {
        self.heard_at = now;
        let due = now.saturating_duration_since(self.touched_at) >= TOUCH_INTERVAL;
        if due {
            self.touched_at = now;
        }
        due
    }

    /// The next time at which the publication wants to be run.
    pub(crate) fn poll_timeout(&self, timeout: Duration) -> Option<Instant> {
        let tracks = self.set_up().filter_map(|(_, track)| track.receiver.poll_timeout());
        tracks.chain(self.silent_at(timeout)).min()
    }
}
