//! Who may use a session by naming its id. RFC 2326 section 1.1 says that a session is in no way
//! tied to a connection, so an id alone would be a key that anyone can use who has seen it.

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

/// Which requests that name a session may use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entitlement {
    /// Requests on the connection that the session belongs to.
    Connection,
    /// Requests from the address that the session was made from, on any connection and port.
    #[default]
    Address,
    /// Requests of the user who made the session. If the application asked for no credentials, as
    /// `Address`.
    User,
    /// Requests of anyone who knows the session id.
    Anyone,
}

impl Entitlement {
    /// Whether `requester` may use `session`.
    pub fn admits<M>(self, session: &Session<M>, requester: &Requester<'_>) -> bool {
        let same_address =
            || session.peer().ip().to_canonical() == requester.peer.ip().to_canonical();
        match self {
            Self::Connection => {
                session.connection().is_some() && session.connection() == requester.connection
            }
            Self::Address => same_address(),
            Self::User => match session.user() {
                Some(user) => requester.user == Some(user),
                None => same_address(),
            },
            Self::Anyone => true,
        }
    }
}
