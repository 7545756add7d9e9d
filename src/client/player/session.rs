//! [`ServerSessions`]: the server's side of an attempt to play (RFC 2326 section 12.37).

use crate::client::keep_alive::keep_alive_interval;
use crate::description::MediaSession;
use crate::wire::Oddities;
use crate::wire::rtsp::{SessionHeader, StatusCode};
use std::time::Duration;

/// The sessions of an attempt: one for all tracks, or one for each where the server has no
/// aggregate control (RFC 2326 section 1.3).
#[derive(Debug, Default)]
pub(super) struct ServerSessions {
    /// The tracks that were set up, with the id of their session.
    tracks: Vec<(usize, String)>,
    timeout: Option<Duration>,
    /// Requests go to each track, and not to the presentation.
    is_per_track: bool,
    /// The server has refused requests for all tracks, and for one.
    refuses_aggregate: bool,
    refuses_tracks: bool,
}

impl ServerSessions {
    /// The id that a SETUP repeats.
    pub(super) fn id_for_setup(&self) -> Option<&str> {
        self.tracks.last().map(|(_, id)| &**id).filter(|_| !self.is_per_track)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Takes the `Session` header of the response to the SETUP of a track. Returns false if there
    /// is no session.
    pub(super) fn note_setup(
        &mut self,
        track: usize,
        header: Option<&str>,
        odd: &mut Oddities,
    ) -> bool {
        let id = match header.and_then(|value| SessionHeader::of_answer(value, odd)) {
            Some(session) => {
                self.note_timeout(session.timeout);
                session.id.to_owned()
            }
            None => match self.tracks.last() {
                Some((_, id)) => id.clone(),
                None => return false,
            },
        };
        self.tracks.push((track, id));
        true
    }

    /// A track was not set up after all; its session goes on.
    pub(super) fn forget_track(&mut self, track: usize) {
        // Tracks are numbered from 1.
        self.tracks.iter_mut().filter(|(of, _)| *of == track).for_each(|(of, _)| *of = 0);
    }

    /// Takes the `Session` header of another response. Returns whether the time-out has changed.
    pub(super) fn note_response(&mut self, header: &str) -> bool {
        let Some(session) = SessionHeader::of_answer(header, &mut Oddities::new()) else {
            return false;
        };
        let is_ours = self.tracks.iter().any(|(_, id)| id == session.id);
        let before = self.keep_alive_interval();
        if is_ours {
            self.note_timeout(session.timeout);
        }
        before != self.keep_alive_interval()
    }

    fn note_timeout(&mut self, seconds: Option<u32>) {
        if let Some(seconds) = seconds {
            self.timeout = Some(Duration::from_secs(seconds.into()));
        }
    }

    /// When the session has to be kept alive, after something was heard of the server.
    pub(super) fn keep_alive_interval(&self) -> Duration {
        keep_alive_interval(self.timeout)
    }

    /// What a request for everything is sent for: URL and session id.
    pub(super) fn targets<'a>(&'a self, media: &'a MediaSession) -> Vec<(&'a str, &'a str)> {
        if self.is_per_track {
            let url = |track| media.subsession(track).map(|s| &*s.control_url);
            let target = |(track, id): &'a (usize, String)| Some((url(*track)?, &**id));
            return self.tracks.iter().filter_map(target).collect();
        }
        self.tracks.last().map(|(_, id)| (&*media.control_url, &**id)).into_iter().collect()
    }

    /// The same, once for each session.
    pub(super) fn sessions<'a>(&'a self, media: &'a MediaSession) -> Vec<(&'a str, &'a str)> {
        let mut sessions = self.targets(media);
        sessions.dedup_by(|a, b| a.1 == b.1);
        sessions
    }

    /// Each track has a session of its own, since the server takes no second one into the first.
    /// Returns whether that was not known.
    pub(super) const fn separate(&mut self) -> bool {
        let was_known = self.is_per_track;
        (self.is_per_track, self.refuses_aggregate) = (true, true);
        !was_known
    }

    /// Follows a refusal of aggregate control, or of the contrary (RFC 2326 sections 11.3.10 and
    /// 11.3.11). Returns whether a request is to be sent again.
    pub(super) fn follow_refusal(&mut self, status: StatusCode) -> bool {
        match (status, self.is_per_track) {
            (StatusCode::AGGREGATE_OPERATION_NOT_ALLOWED, false) if !self.refuses_aggregate => {
                (self.is_per_track, self.refuses_aggregate) = (true, true);
            }
            (StatusCode::ONLY_AGGREGATE_OPERATION_ALLOWED, true) if !self.refuses_tracks => {
                (self.is_per_track, self.refuses_tracks) = (false, true);
            }
            _ => return false,
        }
        true
    }
}
