//! [`Connections`]: the RTSP connections of a server, how many there are of each host, and which
//! of them were found broken.

use crate::arena::{Arena, shrink_map};
use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, ConnectionId, OfConnection};
use crate::rtsp::connection::Connection;
use std::collections::HashMap;
use std::net::IpAddr;

/// The RTSP connections of a server.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    table: Arena<Connection, OfConnection>,
    of_host: HashMap<IpAddr, usize>,
    broken: Vec<ConnectionId>,
}

impl Connections {
    /// Adds the connection that `make` returns, which is told its id.
    pub(crate) fn insert_with(
        &mut self,
        make: impl FnOnce(ConnectionId) -> Connection,
    ) -> ConnectionId {
        let id = self.table.insert_with(make);
        if let Some(connection) = self.table.get(id) {
            *self.of_host.entry(host(connection.peer.ip())).or_insert(0) += 1;
        }
        id
    }

    /// Takes a connection out.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.table.remove(id)?;
        let host = host(connection.peer.ip());
        if let Some(n) = self.of_host.get_mut(&host) {
            *n -= 1;
            if *n == 0 {
                self.of_host.remove(&host);
                shrink_map(&mut self.of_host);
            }
        }
        Some(connection)
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.table.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.table.get_mut(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many connections there are from an address.
    pub(crate) fn count_of(&self, peer: IpAddr) -> usize {
        self.of_host.get(&host(peer)).copied().unwrap_or(0)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.table.ids()
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.table.iter()
    }

    /// A client session has nothing to do with a connection any more, which may go its own way.
    pub(crate) fn unbind(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        session: ClientSessionId,
    ) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.unbind(session, env.now());
            connection.update(env);
        }
    }

    /// Notes that a connection cannot be written to. The server ends it at the end of the event.
    pub(crate) fn note_broken(&mut self, id: ConnectionId) {
        self.broken.push(id);
    }

    /// A connection that was noted as broken and has not been told of yet.
    pub(crate) fn poll_broken(&mut self) -> Option<ConnectionId> {
        self.broken.pop()
    }
}

/// One host has one address, however its family writes it.
const fn host(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
