//! [`SessionProvider`]: makes media sessions for names that are not in the server's table.

use super::media_session::ServerMediaSession;

/// What a provider has for a name.
#[derive(Debug)]
pub enum SessionPoll {
    /// A session. The server keeps it in its table under the name that was asked for, and asks
    /// [`SessionProvider::identity`] before it uses it again.
    Found(Box<ServerMediaSession>),
    /// Nothing of that name (404).
    NotFound,
    /// Something that cannot be streamed (415), and why.
    Unusable(String),
    /// Not known yet: ask again next turn.
    Pending,
}

/// The application's way to create sessions on demand, from a file's name for example.
pub trait SessionProvider {
    /// Looks for `name` (percent-decoded, without leading slash), doing a bounded amount of
    /// work: at most about `budget` bytes are read, and what was used is taken off it.
    fn poll_session(&mut self, name: &str, budget: &mut usize) -> SessionPoll;

    /// What stands behind `name` now, as a number that changes when it does; `None` if it is
    /// gone. A session made from another identity is replaced, and its clients stream on.
    fn identity(&mut self, name: &str) -> Option<u64>;
}
