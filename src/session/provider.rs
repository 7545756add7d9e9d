//! [`SessionProvider`]: makes media sessions for names that the application has not added.

use crate::media::Wake;
use crate::session::media_session::ServerMediaSession;

/// The answer of a [`SessionProvider`] for a name.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionPoll {
    /// The media session of that name. The server keeps it, and calls
    /// [`SessionProvider::identity`] before it uses it again.
    Found(Box<ServerMediaSession>),
    /// There is nothing of that name; the server answers 404.
    NotFound,
    /// There is something that cannot be streamed, and why; the server answers 415.
    Unusable(String),
    /// The answer is not known yet, and takes more work on the loop's thread: the server asks again
    /// in the next turn, without waiting.
    Pending,
    /// The answer is not known yet, and comes from elsewhere, another thread for example: the
    /// server asks again when the provider's [waker](SessionProvider::set_waker) is called, and may
    /// sleep until then.
    Waiting,
}

/// Makes media sessions on demand, for names that the application has not added to the server.
///
/// # Example
///
/// A provider that looks a name up on another thread:
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
    /// Takes the waker, to be called from any thread when a name that was
    /// [`Waiting`](SessionPoll::Waiting) may have its answer. The server calls this once, when the
    /// provider is set. When it is woken, it asks for all names that requests wait for.
    fn set_waker(&mut self, wake: Wake) {
        let _ = wake;
    }

    /// Looks for `name`, the percent-decoded path without its leading slash. It reads at most about
    /// `budget` bytes, and subtracts what it has read. A request that has waited for
    /// [`ServerConfig::lookup_timeout`](crate::server::ServerConfig::lookup_timeout) is answered
    /// with 503.
    fn poll_session(&mut self, name: &str, budget: &mut usize) -> SessionPoll;

    /// A number that identifies what `name` stands for at present, a file's content for example;
    /// `None` if it is gone. When it has changed, the server makes a new session for newcomers; the
    /// clients of the old one stream on.
    fn identity(&mut self, name: &str) -> Option<u64>;
}
