//! [`SessionProvider`]: makes media sessions for names that are not in the server's table.

use crate::media::Wake;
use crate::session::media_session::ServerMediaSession;

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
    /// Not known yet, and there is more to do on the loop's thread: the server asks again in the
    /// next turn, without waiting.
    Pending,
    /// Not known yet, and somebody else finds it out, another thread for example: the server asks
    /// again when the provider's [waker](SessionProvider::set_waker) is called, and may sleep
    /// until then.
    Waiting,
}

/// The application's way to create sessions on demand, from a file's name for example.
///
/// # Example
///
/// A provider that has a thread find out what there is:
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
    /// Takes what wakes the server, from any thread, when requests that wait
    /// ([`SessionPoll::Waiting`]) may have their answer. The server calls this once, when it gets
    /// the provider, and asks for all names that requests wait for when it is woken.
    fn set_waker(&mut self, wake: Wake) {
        let _ = wake;
    }

    /// Looks for `name` (percent-decoded, without leading slash), doing a bounded amount of
    /// work: at most about `budget` bytes are read, and what was used is taken off it. A request
    /// that has waited for [`ServerConfig::lookup_timeout`](crate::server::ServerConfig) is answered 503.
    fn poll_session(&mut self, name: &str, budget: &mut usize) -> SessionPoll;

    /// What stands behind `name` now, as a number that changes when it does; `None` if it is
    /// gone. A session made from another identity is replaced, and its clients stream on.
    fn identity(&mut self, name: &str) -> Option<u64>;
}
