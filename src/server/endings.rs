//! [`Endings`]: what is over and has yet to be taken apart.
//!
//! The end of a connection ends the sessions that stream over it, and the end of a session may
//! leave other connections nothing to wait for. Done where it is noticed, one end would lead to the
//! next inside of it, as deep as clients like. So whatever is over is only noted here, and
//! the notes are worked off at the end of the event, a bounded number in each turn.

use crate::env::turn_budget::TurnBudget;
use crate::env::{Timer, UsageEnvironment};
use crate::ids::{ClientSessionId, ConnectionId};
use crate::session::pool::RemovalReason;
use std::collections::VecDeque;

/// Sessions and connections that are taken apart in one turn.
const ENDINGS_PER_TURN: usize = 256;

/// Something that is over.
#[derive(Debug)]
pub(crate) enum Ending {
    Session(ClientSessionId, RemovalReason),
    /// It stays in the queue until it is [closed](Endings::connection_is_closed): its sessions end
    /// one by one before it.
    Connection(ConnectionId),
}

/// Connections and client sessions that are over and still in their tables.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    connections: VecDeque<ConnectionId>,
    sessions: VecDeque<(ClientSessionId, RemovalReason)>,
    budget: TurnBudget,
    /// Expires when there is something left to take apart.
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

    /// Takes from this turn's share of work, if something is left of it.
    pub(crate) fn spend(&mut self, env: &UsageEnvironment) -> bool {
        self.budget.spend(env, ENDINGS_PER_TURN)
    }

    /// What is to be taken apart next: sessions first.
    pub(crate) fn next(&mut self) -> Option<Ending> {
        let session = self.sessions.pop_front().map(|(id, reason)| Ending::Session(id, reason));
        session.or_else(|| self.connections.front().copied().map(Ending::Connection))
    }

    /// The first connection has no sessions any more.
    pub(crate) fn connection_is_closed(&mut self) {
        self.connections.pop_front();
    }
}
