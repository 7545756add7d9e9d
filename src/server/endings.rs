//! [`Endings`]: connections and sessions that have ended and are still to be released.
//!
//! The end of a connection ends the sessions that stream over it, and the end of a session may
//! leave other connections unused. If each end were carried out where it is noticed, the calls
//! would nest as deep as clients choose. Ends are therefore recorded here, and carried out at the
//! end of the event, a bounded number in each turn.

use crate::env::turn_budget::TurnBudget;
use crate::env::{Timer, UsageEnvironment};
use crate::ids::{ClientSessionId, ConnectionId};
use crate::session::pool::RemovalReason;
use std::collections::VecDeque;

/// Sessions and connections that are released in one turn.
const ENDINGS_PER_TURN: usize = 256;

/// A connection or session that has ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Session(ClientSessionId, RemovalReason),
    /// The connection stays in the queue until it is [closed](Endings::connection_is_closed); its
    /// sessions end one by one before it.
    Connection(ConnectionId),
}

/// Connections and client sessions that have ended and are still in their tables.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    connections: VecDeque<ConnectionId>,
    sessions: VecDeque<(ClientSessionId, RemovalReason)>,
    budget: TurnBudget,
    /// Expires when there is something left to release.
    pub(crate) timer: Timer,
}

impl Endings {
    pub(crate) fn add_connection(&mut self, id: ConnectionId) {
        self.connections.push_back(id);
    }

    pub(crate) fn add_session(&mut self, id: ClientSessionId, reason: RemovalReason) {
        self.sessions.push_back((id, reason));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.sessions.is_empty()
    }

    /// Consumes one unit of this turn's budget; returns false if none is left.
    pub(crate) fn spend(&mut self, env: &UsageEnvironment) -> bool {
        self.budget.spend(env, ENDINGS_PER_TURN)
    }

    /// The next session or connection to release; sessions come first.
    pub(crate) fn next(&mut self) -> Option<Ending> {
        let session = self.sessions.pop_front().map(|(id, reason)| Ending::Session(id, reason));
        session.or_else(|| self.connections.front().copied().map(Ending::Connection))
    }

    /// Removes the first connection, which has no sessions left.
    pub(crate) fn connection_is_closed(&mut self) {
        self.connections.pop_front();
    }
}
