//! [`Bearers`]: the tokens that have been shown on connections. Many clients leave the query out of
//! the URLs that they derive from that of the presentation, so a token that was shown once on a
//! connection counts for the later requests there about the same stream.

use super::rights::Actions;
use crate::ids::ConnectionId;
use crate::server::access::action::Action;
use std::collections::HashMap;
use std::time::Duration;

/// Streams for which a connection may have shown tokens; the first is forgotten first.
const MAX_STREAMS: usize = 8;

#[derive(Debug)]
struct Shown {
    stream: String,
    actions: Actions,
    expires: Duration,
    bearer: String,
}

/// The tokens that were shown, by connection.
#[derive(Debug, Default)]
pub(super) struct Bearers(HashMap<ConnectionId, Vec<Shown>>);

impl Bearers {
    /// Records that a good token was shown.
    pub(super) fn note(
        &mut self,
        connection: ConnectionId,
        stream: &str,
        (actions, expires, bearer): (Actions, Duration, &str),
    ) {
        let shown = self.0.entry(connection).or_default();
        shown.retain(|other| other.stream != stream);
        if shown.len() >= MAX_STREAMS {
            shown.remove(0);
        }
        let (stream, bearer) = (stream.to_owned(), bearer.to_owned());
        shown.push(Shown { stream, actions, expires, bearer });
    }

    /// Stream and bearer of a token that was shown on a connection, for one of the streams `names`
    /// or, if a URL names none, for the session that belongs to `owner`. A token whose time is over
    /// still serves the session that it has opened.
    pub(super) fn find(
        &self,
        connection: ConnectionId,
        names: &[String],
        (action, owner): (Option<Action>, Option<&str>),
        wall_clock: Duration,
    ) -> Option<(String, String)> {
        let found = self.0.get(&connection)?.iter().find(|shown| {
            let owns = owner == Some(&*shown.bearer);
            let is_meant = names.contains(&shown.stream) || names.is_empty() && owns;
            let is_permitted = action.is_none_or(|action| shown.actions.contains(action));
            is_meant && is_permitted && (wall_clock < shown.expires || owns)
        })?;
        Some((found.stream.clone(), found.bearer.clone()))
    }

    /// Whether a bearer has shown a token for the back channel of a stream.
    pub(super) fn may_talk(&self, bearer: Option<&str>, stream: &str) -> bool {
        let Some(bearer) = bearer else { return false };
        self.0.values().flatten().any(|shown| {
            shown.bearer == bearer && shown.stream == stream && shown.actions.contains(Action::Talk)
        })
    }

    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.0.remove(&connection);
    }
}
