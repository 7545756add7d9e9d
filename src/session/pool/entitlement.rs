//! Entitlement to use a session by naming its id. A session is not tied to a connection (RFC 2326
//! section 1.1), so without further checks anyone who has seen an id could use the session.

use super::session::Session;
use crate::arena::RawId;
use std::net::SocketAddr;

/// The sender of a request that names a session.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Requester<'a> {
    /// The peer address of the connection.
    pub peer: SocketAddr,
    /// The connection that the request came over, if known.
    pub connection: Option<RawId>,
    /// The user whose credentials the application accepted, if it asked for any.
    pub user: Option<&'a str>,
}

impl<'a> Requester<'a> {
    /// A requester at `peer`, of whom nothing else is known.
    pub const fn new(peer: SocketAddr) -> Self {
        Self { peer, connection: None, user: None }
    }

    /// Sets the connection that the request came over.
    pub const fn with_connection(mut self, connection: RawId) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Sets the user whose credentials the application accepted.
    pub const fn with_user(mut self, user: &'a str) -> Self {
        self.user = Some(user);
        self
    }
}

/// A rule for which requests may use the session that they name.
///
/// Under each rule but [`Anyone`](Self::Anyone), a session that was made on behalf of a user belongs
/// to that user: requests on behalf of others, or of nobody, may not use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entitlement {
    /// Requests on the connection that the session belongs to.
    Connection,
    /// Requests from the address that the session was made from, on any connection and port. The
    /// default.
    #[default]
    Address,
    /// Requests of the user who made the session; like `Address` if the application asked for no
    /// credentials.
    User,
    /// Requests of anyone who knows the session id.
    Anyone,
}

impl Entitlement {
    /// Returns whether `requester` may use `session`.
    pub fn admits<M>(self, session: &Session<M>, requester: &Requester<'_>) -> bool {
        let same_address =
            || session.peer().ip().to_canonical() == requester.peer.ip().to_canonical();
        let same_user = session.user().is_none_or(|user| requester.user == Some(user));
        match self {
            Self::Connection => {
                let same = session.connection() == requester.connection;
                session.connection().is_some() && same && same_user
            }
            Self::Address => same_address() && same_user,
            Self::User if session.user().is_some() => same_user,
            Self::User => same_address(),
            Self::Anyone => true,
        }
    }
}
