//! [`Connections`]: the RTSP connections of a server, their number for each address, and the list of
//! those that were found broken.

use crate::arena::{Arena, shrink_map};
use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, ConnectionId, OfConnection, PacketOwner};
use crate::net::site;
use crate::rtsp::connection::Connection;
use std::collections::HashMap;
use std::net::IpAddr;

/// A client's connection to a server.
pub(crate) type ClientConnection = Connection<PacketOwner>;

/// The RTSP connections of a server.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    table: Arena<ClientConnection, OfConnection>,
    of_host: HashMap<IpAddr, usize>,
    broken: Vec<ConnectionId>,
}

impl Connections {
    /// Inserts the connection that `make` returns; `make` is called with the id of the new
    /// connection.
    pub(crate) fn insert_with(
        &mut self,
        make: impl FnOnce(ConnectionId) -> ClientConnection,
    ) -> ConnectionId {
        let id = self.table.insert_with(make);
        if let Some(connection) = self.table.get(id) {
            *self.of_host.entry(site(connection.peer.ip())).or_insert(0) += 1;
        }
        id
    }

    /// Removes a connection and returns it.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<ClientConnection> {
        let connection = self.table.remove(id)?;
        let host = site(connection.peer.ip());
        if let Some(n) = self.of_host.get_mut(&host) {
            *n -= 1;
            if *n == 0 {
                self.of_host.remove(&host);
                shrink_map(&mut self.of_host);
            }
        }
        Some(connection)
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<&ClientConnection> {
        self.table.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut ClientConnection> {
        self.table.get_mut(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Number of connections from an address.
    pub(crate) fn count_of(&self, peer: IpAddr) -> usize {
        self.of_host.get(&site(peer)).copied().unwrap_or(0)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.table.ids()
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &ClientConnection)> {
        self.table.iter()
    }

    /// Removes a client session from a connection, which the idle time-out may close afterwards.
    pub(crate) fn unbind(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        session: ClientSessionId,
    ) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.unbind(session, env.now());
            connection.update(env);
            connection.wake_reader(env);
        }
    }

    /// Records that a connection cannot be written to. The server ends it at the end of the event.
    pub(crate) fn note_broken(&mut self, id: ConnectionId) {
        self.broken.push(id);
    }

    /// Returns a connection recorded as broken, each once.
    pub(crate) fn poll_broken(&mut self) -> Option<ConnectionId> {
        self.broken.pop()
    }
}
