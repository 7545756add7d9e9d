//! Who may use a session whose id it names. RFC 2326 section 1.1 says that a session is in no way
//! tied to a connection, so an id alone would be a key that anyone can use who has seen it.

use super::session::Session;
use crate::arena::RawId;
use std::net::SocketAddr;

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// The peer of the connection.
    pub peer: SocketAddr,
    /// The connection.
    pub connection: Option<RawId>,
    /// The user whose credentials were accepted, if any.
    pub user: Option<&'a str>,
}

/// Whose requests with a session's id are taken for the session's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entitlement {
    /// Those on the connection that the session belongs to.
    Connection,
    /// Those from the address that the session was made from, on any connection and port.
    #[default]
    Address,
    /// Those of the user who made the session. Where no user was asked for, as `Address`.
    User,
    /// Anyone's who knows the id.
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
