//! [`Connections`]: the RTSP connections of a server, and how many there are of each host.

use crate::arena::Arena;
use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, ConnectionId, OfConnection};
use crate::rtsp::connection::Connection;
use std::collections::HashMap;
use std::net::IpAddr;

/// The RTSP connections of a server.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    pub(crate) table: Arena<Connection, OfConnection>,
    pub(crate) of_host: HashMap<IpAddr, usize>,
}

impl Connections {
    /// A client session has nothing to do with a connection any more, which may go its own way.
    pub(crate) fn unbind(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        session: ClientSessionId,
    ) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.sessions.remove(&session);
            connection.heard_at = env.now();
            connection.settle(env);
        }
    }
}
