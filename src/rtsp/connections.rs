//! [`Connections`]: the RTSP connections of a server, and how many there are of each host.

use crate::arena::Arena;
use crate::ids::OfConnection;
use crate::rtsp::connection::Connection;
use std::collections::HashMap;
use std::net::IpAddr;

/// The RTSP connections of a server.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    pub(crate) table: Arena<Connection, OfConnection>,
    pub(crate) of_host: HashMap<IpAddr, usize>,
}
