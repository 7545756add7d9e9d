//! [`SessionProvider`]: makes media sessions for names that the application has not added.

use crate::media::Wake;
use crate::session::media_session::ServerMediaSession;

/// The result of [`SessionProvider::poll_session`].
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionPoll {
    /// The media session of that name. The server keeps it, and calls [`SessionProvider::identity`]
    /// before it uses it again.
    Found(Box<ServerMediaSession>),
    /// Nothing has that name; the server answers 404.
    NotFound,
    /// Something of that name exists but cannot be streamed, for the given reason; the server
    /// answers 415.
    Unusable(String),
    /// The result is not known yet, and takes more work on the loop's thread: the server polls
    /// again in the next turn.
    Pending,
    /// The result is not known yet, and comes from elsewhere, such as another thread: the server
    /// polls again when the provider's [waker](SessionProvider::set_waker) is called, and may sleep
    /// until then.
    Waiting,
}

/// Makes media sessions on demand, for names that the application has not added to the server.
///
/// # Example
///
/// A provider that looks names up on another thread:
///
/// ```
/// use riverrun::media::Wake;
/// use riverrun::server::{ServerMediaSession, SessionPoll, SessionProvider};
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
///
/// /// Whether there is something, for each name that was asked for; `None` while it is looked up.
/// type Answers = Arc<Mutex<HashMap<String, Option<bool>>>>;
///
/// struct Catalogue {
///     answers: Answers,
///     wake: Option<Wake>,
/// }
///
/// impl SessionProvider for Catalogue {
///     fn set_waker(&mut self, wake: Wake) {
///         self.wake = Some(wake);
///     }
///
///     fn poll_session(&mut self, name: &str, _: &mut usize) -> SessionPoll {
///         let mut answers = self.answers.lock().unwrap();
///         match answers.get(name) {
///             Some(None) => SessionPoll::Waiting,
///             Some(Some(false)) => SessionPoll::NotFound,
///             Some(Some(true)) => {
///                 // A real one has subsessions.
///                 SessionPoll::Found(Box::new(ServerMediaSession::new(name, "", "")))
///             }
///             None => {
///                 answers.insert(name.to_owned(), None);
///                 let (answers, name) = (Arc::clone(&self.answers), name.to_owned());
///                 let wake = self.wake.clone();
///                 std::thread::spawn(move || {
///                     let is_there = name.ends_with(".mkv"); // asks a database, say
///                     answers.lock().unwrap().insert(name, Some(is_there));
///                     wake.inspect(|wake| wake());
///                 });
///                 SessionPoll::Waiting
///             }
///         }
///     }
///
///     fn identity(&mut self, _: &str) -> Option<u64> {
///         Some(0)
///     }
/// }
/// ```
pub trait SessionProvider {
    /// Receives the waker. It may be called from any thread when a name that was
    /// [`Waiting`](SessionPoll::Waiting) may have a result; the server then polls all names that
    /// requests wait for. The server calls this method once, when the provider is set.
    fn set_waker(&mut self, wake: Wake) {
        let _ = wake;
    }

    /// Looks up `name`, the percent-decoded path without its leading slash. An implementation reads
    /// at most about `budget` bytes, and subtracts the number that it has read. A request that has
    /// waited for [`ServerConfig::lookup_timeout`](crate::server::ServerConfig::lookup_timeout) is
    /// answered 503.
    fn poll_session(&mut self, name: &str, budget: &mut usize) -> SessionPoll;

    /// Returns a number that identifies the present content behind `name`, such as a version of a
    /// file; `None` if it is gone. When the number has changed, the server polls a new session for
    /// newcomers; clients of the old session continue to receive it.
    fn identity(&mut self, name: &str) -> Option<u64>;
}
