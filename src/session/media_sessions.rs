//! [`MediaSessions`]: the media sessions of a server, by id and by name.
//!
//! A media session stays in the table as long as clients can find it by name or one of them uses
//! it. Each client session with media of it holds one reference, taken with
//! [`reference`](MediaSessions::reference) and returned with
//! [`unreference`](MediaSessions::unreference).

use crate::arena::Arena;
use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{MediaSessionId, OfMediaSession, RelayedStreamId};
#[cfg(debug_assertions)]
use crate::session::client_media::SessionMedia;
use crate::session::media_session::ServerMediaSession;
#[cfg(debug_assertions)]
use crate::session::pool::SessionPool;
use crate::session::relayed::Demand;
use crate::stream::streams::Streams;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Most unused media sessions of a provider that are kept.
const MAX_IDLE_PROVIDED: usize = 256;
/// Time for which a provider's confirmation that nothing has changed is valid.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The media sessions of a server: those that clients can find by name, and those that were removed
/// and are still in use.
#[derive(Debug, Default)]
pub(crate) struct MediaSessions {
    table: Arena<ServerMediaSession, OfMediaSession>,
    names: HashMap<String, MediaSessionId>,
    lookups: u64,
    /// Number of media sessions that a provider made.
    provided: usize,
    /// Relayed streams whose viewers have come or gone, or that were asked for.
    demanded: Vec<(RelayedStreamId, Demand)>,
    /// Scratch memory of the reference check.
    #[cfg(debug_assertions)]
    counted: HashMap<MediaSessionId, usize>,
}

impl MediaSessions {
    /// Adds a media session under its name. An existing session of that name is removed first: its
    /// clients continue to receive it, and newcomers find the new one.
    ///
    /// # Errors
    /// The session cannot be served (see [`ServerMediaSession::check`]).
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

    /// Adds a media session that a provider made from a resource with the number `identity`.
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

    /// Returns the media session that clients find under a name.
    pub(crate) fn by_name(&self, name: &str) -> Option<MediaSessionId> {
        self.names.get(name).copied()
    }

    /// Returns a media session that is found by name or in use.
    pub(crate) fn get(&self, id: MediaSessionId) -> Option<&ServerMediaSession> {
        self.table.get(id)
    }

    /// Returns a media session for changes that do not affect its name or references.
    pub(crate) fn get_mut(&mut self, id: MediaSessionId) -> Option<&mut ServerMediaSession> {
        self.table.get_mut(id)
    }

    /// Returns whether a media session is found by name or in use.
    pub(crate) fn contains(&self, id: MediaSessionId) -> bool {
        self.table.contains(id)
    }

    /// Number of media sessions that are found by name or in use.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Iterates over the media sessions that clients can find by name.
    pub(crate) fn findable(&self) -> impl Iterator<Item = (MediaSessionId, &ServerMediaSession)> {
        self.names.values().filter_map(|&id| Some((id, self.table.get(id)?)))
    }

    /// Iterates over all media sessions, found by name or in use.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (MediaSessionId, &ServerMediaSession)> {
        self.table.iter()
    }

    /// Records that one more client session uses a media session.
    pub(crate) fn reference(&mut self, id: MediaSessionId) {
        if let Some(session) = self.table.get_mut(id) {
            session.reference();
            if session.reference_count() == 1 {
                self.note_demand(id, Demand::Viewers);
            }
        }
    }

    /// Notes that a media session was asked for, or that its first viewer has come or its last has
    /// gone. If it is relayed, its source may have to be opened or closed.
    pub(crate) fn note_demand(&mut self, id: MediaSessionId, demand: Demand) {
        let relayed = self.table.get(id).and_then(|session| session.relayed.as_ref());
        self.demanded.extend(relayed.map(|relayed| (relayed.id, demand)));
    }

    /// Returns a relayed stream whose demand may have changed.
    pub(crate) fn poll_demand(&mut self) -> Option<(RelayedStreamId, Demand)> {
        self.demanded.pop()
    }

    /// Records that a client session no longer uses a media session. With the last reference, a
    /// media session is dropped if it was removed or is not kept without clients.
    pub(crate) fn unreference(
        &mut self,
        env: &mut UsageEnvironment,
        streams: &mut Streams,
        id: MediaSessionId,
    ) {
        let Some(session) = self.table.get_mut(id) else { return };
        let is_over = session.unreference();
        if session.reference_count() == 0 {
            self.note_demand(id, Demand::Viewers);
        }
        if is_over {
            self.remove(env, streams, id);
        }
    }

    /// Removes the name of a media session: newcomers do not find it, existing clients continue to
    /// receive it, and it is dropped with the last of them. Returns false if it had no name.
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
            !streams.iter().any(|(_, s)| s.origin().is_some_and(|(of, _)| of == id)),
            "a stream has users, and users hold references"
        );
        let Some(session) = self.table.remove(id) else { return };
        for &input in &session.inputs {
            streams.delete_input(env, input);
        }
        self.provided -= usize::from(session.provided.is_some());
    }

    /// Records a look-up of a media session, and evicts the least recently used one of a provider
    /// if too many of them are unused.
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

    /// Returns the identity number of the resource of a media session, if it is time to ask the
    /// provider whether it has changed; the answer is then valid for a while. Asking may cost
    /// several system calls, and every DESCRIBE and SETUP needs the answer.
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

    /// Requests a check of the resource of a media session before its next use, because no stream
    /// could be made from it.
    pub(crate) fn distrust(&mut self, id: MediaSessionId) {
        if let Some(session) = self.table.get_mut(id) {
            session.checked_at = None;
        }
    }

    /// Asserts that each name is that of its session.
    #[cfg(test)]
    pub(crate) fn check_names(&self) {
        for (name, id) in &self.names {
            let session = self.get(*id).expect("a name has its session");
            assert_eq!(session.stream_name(), name);
        }
    }

    /// Asserts that the reference counts equal the references of client sessions.
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
