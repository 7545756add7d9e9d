//! [`MediaSessions`]: the media sessions of a server, by id and by name.
//!
//! A media session is here as long as clients can find it by name or one of them uses it. Each
//! client session that has media of it holds one reference, taken with
//! [`reference`](MediaSessions::reference) and given back with
//! [`unreference`](MediaSessions::unreference).

use crate::arena::Arena;
use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{MediaSessionId, OfMediaSession};
#[cfg(debug_assertions)]
use crate::session::client_media::SessionMedia;
use crate::session::media_session::ServerMediaSession;
#[cfg(debug_assertions)]
use crate::session::pool::SessionPool;
use crate::stream::streams::Streams;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Media sessions made by a provider that are kept while nobody uses them.
const MAX_IDLE_PROVIDED: usize = 256;
/// How long a provider's word that nothing has changed holds.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The media sessions of a server: those that clients can find by name, and those that were
/// removed and are still in use.
#[derive(Debug, Default)]
pub(crate) struct MediaSessions {
    table: Arena<ServerMediaSession, OfMediaSession>,
    names: HashMap<String, MediaSessionId>,
    lookups: u64,
    /// Media sessions that a provider made, by name or in use.
    provided: usize,
    /// Memory of the check of references.
    #[cfg(debug_assertions)]
    counted: HashMap<MediaSessionId, usize>,
}

impl MediaSessions {
    /// Adds a media session under its name. One of the same name is removed first: its clients
    /// stream on, and newcomers find the new one.
    ///
    /// # Errors
    /// The session cannot be served ([`ServerMediaSession::check`]).
    pub(crate) fn add(
        &mut self,
        env: &mut UsageEnvironment,
        streams: &mut Streams,
        mut session: ServerMediaSession,
    ) -> Result<MediaSessionId, Error> {
        session.check()?;
        let name = session.stream_name().to_owned();
        if let Some(old) = self.by_name(&name) {
            if let Some(old) = self.table.get(old) {
                session.follow(old);
            }
            self.remove(env, streams, old);
        }
        let origin = u64::from(env.random_u32()) << 32 | u64::from(env.random_u32());
        session.enter_table(origin, env.wall_clock());
        self.provided += usize::from(session.provided.is_some());
        let id = self.table.insert(session);
        self.names.insert(name, id);
        Ok(id)
    }

    /// Adds a media session that a provider made of what had `identity` just now.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(crate) fn add_provided(
        &mut self,
        env: &mut UsageEnvironment,
        streams: &mut Streams,
        mut session: ServerMediaSession,
        identity: Option<u64>,
    ) -> Result<MediaSessionId, Error> {
        session.provided = identity;
        session.checked_at = Some(env.now());
        self.add(env, streams, session)
    }

    /// The media session that clients find under a name.
    pub(crate) fn by_name(&self, name: &str) -> Option<MediaSessionId> {
        self.names.get(name).copied()
    }

    /// A media session, by name or in use.
    pub(crate) fn get(&self, id: MediaSessionId) -> Option<&ServerMediaSession> {
        self.table.get(id)
    }

    /// A media session, by name or in use, for a change that leaves its name and its references
    /// alone.
    pub(crate) fn get_mut(&mut self, id: MediaSessionId) -> Option<&mut ServerMediaSession> {
        self.table.get_mut(id)
    }

    /// Whether there is such a media session, by name or in use.
    pub(crate) fn contains(&self, id: MediaSessionId) -> bool {
        self.table.contains(id)
    }

    /// Number of media sessions, by name or in use.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The media sessions that clients can find.
    pub(crate) fn findable(&self) -> impl Iterator<Item = (MediaSessionId, &ServerMediaSession)> {
        self.names.values().filter_map(|&id| Some((id, self.table.get(id)?)))
    }

    /// All media sessions, by name or in use.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (MediaSessionId, &ServerMediaSession)> {
        self.table.iter()
    }

    /// Notes that one client session more uses a media session.
    pub(crate) fn reference(&mut self, id: MediaSessionId) {
        if let Some(session) = self.table.get_mut(id) {
            session.reference();
        }
    }

    /// Notes that a client session uses a media session no more. The last one takes a media
    /// session with it that was removed, or that is not kept without clients.
    pub(crate) fn unreference(
        &mut self,
        env: &mut UsageEnvironment,
        streams: &mut Streams,
        id: MediaSessionId,
    ) {
        let Some(session) = self.table.get_mut(id) else { return };
        if session.unreference() {
            self.remove(env, streams, id);
        }
    }

    /// Takes the name from a media session: newcomers do not find it, present clients stream on,
    /// and it goes with the last of them. Returns whether it had its name.
    pub(crate) fn remove(
        &mut self,
        env: &mut UsageEnvironment,
        streams: &mut Streams,
        id: MediaSessionId,
    ) -> bool {
        let Some(session) = self.table.get_mut(id) else { return false };
        let was_findable = self.names.get(session.stream_name()) == Some(&id);
        if was_findable {
            self.names.remove(session.stream_name());
        }
        session.leave_table();
        if session.reference_count() == 0 {
            self.drop_session(env, streams, id);
        }
        was_findable
    }

    fn drop_session(
        &mut self,
        env: &mut UsageEnvironment,
        streams: &mut Streams,
        id: MediaSessionId,
    ) {
        debug_assert!(
            !streams.iter().any(|(_, s)| s.origin.is_some_and(|(of, _)| of == id)),
            "a stream has users, and users hold references"
        );
        let Some(session) = self.table.remove(id) else { return };
        for &input in &session.inputs {
            streams.delete_input(env, input);
        }
        self.provided -= usize::from(session.provided.is_some());
    }

    /// Notes that a media session was looked up, and drops the one that was not for longest when a
    /// provider has made too many that nobody uses.
    pub(crate) fn note_use(
        &mut self,
        env: &mut UsageEnvironment,
        streams: &mut Streams,
        id: MediaSessionId,
    ) {
        self.lookups += 1;
        if let Some(session) = self.table.get_mut(id) {
            session.last_used = self.lookups;
        }
        if self.provided <= MAX_IDLE_PROVIDED {
            return;
        }
        let idle = || {
            self.table.iter().filter(|&(other, s)| {
                other != id && s.provided.is_some() && s.reference_count() == 0
            })
        };
        if idle().count() >= MAX_IDLE_PROVIDED {
            let oldest = idle().min_by_key(|(_, s)| s.last_used).map(|(oldest, _)| oldest);
            if let Some(oldest) = oldest {
                self.remove(env, streams, oldest);
            }
        }
    }

    /// The identity of what a media session was made from, if it is time to ask its provider
    /// whether it still is the same; the answer then holds for a while. It may cost several system
    /// calls, and every DESCRIBE and SETUP wants it.
    pub(crate) fn identity_to_check(&mut self, id: MediaSessionId, now: Instant) -> Option<u64> {
        let session = self.table.get_mut(id)?;
        let made_from = session.provided?;
        let checked = session.checked_at.map(|at| now.saturating_duration_since(at));
        if checked.is_some_and(|ago| ago < CHECK_INTERVAL) {
            return None;
        }
        session.checked_at = Some(now);
        Some(made_from)
    }

    /// Has what a media session was made from be looked at before it is used again: no stream
    /// could be made of it.
    pub(crate) fn distrust(&mut self, id: MediaSessionId) {
        if let Some(session) = self.table.get_mut(id) {
            session.checked_at = None;
        }
    }

    /// Checks that each name is that of its session.
    #[cfg(test)]
    pub(crate) fn check_names(&self) {
        for (name, id) in &self.names {
            let session = self.get(*id).expect("a name has its session");
            assert_eq!(session.stream_name(), name);
        }
    }

    /// Checks the reference counts against what client sessions have.
    #[cfg(debug_assertions)]
    pub(crate) fn check_references(&mut self, pool: &SessionPool<SessionMedia>) {
        for (_, session) in pool.iter() {
            for (_, media) in session.media() {
                *self.counted.entry(media.media_session()).or_insert(0) += 1;
            }
        }
        for (id, session) in self.table.iter() {
            let expected = self.counted.remove(&id).unwrap_or(0);
            debug_assert_eq!(session.reference_count(), expected, "references of {id}");
        }
        debug_assert!(self.counted.is_empty(), "a client session refers to what is gone");
    }
}
