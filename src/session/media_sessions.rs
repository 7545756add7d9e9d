//! [`MediaSessions`]: the media sessions of a server, by id and by name.

use crate::arena::Arena;
use crate::ids::{MediaSessionId, OfMediaSession};
use crate::session::ServerMediaSession;
use std::collections::HashMap;

/// The media sessions of a server: those that clients can find by name, and those that were
/// removed and are still in use.
#[derive(Debug, Default)]
pub(crate) struct MediaSessions {
    pub(crate) table: Arena<ServerMediaSession, OfMediaSession>,
    pub(crate) names: HashMap<String, MediaSessionId>,
    pub(crate) lookups: u64,
    /// Media sessions that a provider made, in the table or in use.
    pub(crate) provided: usize,
}
