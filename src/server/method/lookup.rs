//! [`Lookups`]: finds media sessions by name, in the table and then with the application's
//! provider.

use crate::env::UsageEnvironment;
use crate::env::turn_budget::TurnBudget;
use crate::ids::MediaSessionId;
use crate::media::Wake;
use crate::server::method::outcome::Until;
use crate::session::media_sessions::MediaSessions;
use crate::session::provider::{SessionPoll, SessionProvider};
use crate::stream::streams::Streams;
use crate::warned::Warned;

/// The result of looking up a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lookup {
    Found(MediaSessionId),
    NotFound,
    /// There is something of that name that cannot be streamed.
    Unusable,
    /// The result is not known yet.
    Pending(Until),
}

/// Finds media sessions by name.
pub(crate) struct Lookups {
    provider: Option<Box<dyn SessionProvider>>,
    /// Names that have been logged as unusable.
    unusable: Warned<Box<str>>,
    /// Bytes that the provider may read in one turn.
    bytes_per_turn: usize,
    read: TurnBudget,
}

impl Lookups {
    pub(crate) fn new(bytes_per_turn: usize) -> Self {
        Self {
            provider: None,
            unusable: Warned::new(),
            bytes_per_turn,
            read: TurnBudget::default(),
        }
    }

    /// Sets the provider, and passes it the server's waker if that exists.
    pub(crate) fn set_provider(
        &mut self,
        mut provider: Box<dyn SessionProvider>,
        wake: Option<Wake>,
    ) {
        if let Some(wake) = wake {
            provider.set_waker(wake);
        }
        self.provider = Some(provider);
    }

    /// Whether there is a provider to ask.
    pub(crate) const fn has_provider(&self) -> bool {
        self.provider.is_some()
    }

    /// Bytes that the provider may still read in this turn.
    pub(crate) fn bytes_left(&mut self, env: &UsageEnvironment) -> usize {
        self.read.left(env, self.bytes_per_turn)
    }

    /// Looks a name up in the table, then asks the provider, which may read `share` bytes. If
    /// `share` is `None`, the request has to queue for a share.
    pub(crate) fn look_up(
        &mut self,
        env: &mut UsageEnvironment,
        (media_sessions, streams): (&mut MediaSessions, &mut Streams),
        name: &str,
        share: Option<usize>,
    ) -> Lookup {
        if let Some(id) = media_sessions.by_name(name) {
            let made_from = media_sessions.identity_to_check(id, env.now());
            if made_from.is_none_or(|made_from| self.identity(name) == Some(made_from)) {
                media_sessions.note_use(env, streams, id);
                return Lookup::Found(id);
            }
            log::info!("what stands behind {name:?} has changed; present clients watch the old on");
            media_sessions.remove(env, streams, id);
        }
        let Some(provider) = self.provider.as_mut().filter(|_| !name.is_empty()) else {
            return Lookup::NotFound;
        };
        let Some(share) = share else { return Lookup::Pending(Until::NextTurn) };
        let mut left = share;
        let poll = provider.poll_session(name, &mut left);
        self.read.take(share.saturating_sub(left));
        match poll {
            SessionPoll::Found(session) => {
                let identity = self.identity(name);
                match media_sessions.add_provided(env, streams, *session, identity) {
                    Ok(id) if media_sessions.by_name(name) == Some(id) => {
                        media_sessions.note_use(env, streams, id);
                        Lookup::Found(id)
                    }
                    Ok(_) => Lookup::NotFound,
                    Err(e) => {
                        log::error!("{name:?}: {e}");
                        Lookup::Unusable
                    }
                }
            }
            SessionPoll::NotFound => Lookup::NotFound,
            SessionPoll::Unusable(why) => {
                let level = self.unusable.level(name.into());
                log::log!(level, "{name:?} cannot be streamed: {why}");
                Lookup::Unusable
            }
            SessionPoll::Pending => Lookup::Pending(Until::NextTurn),
            SessionPoll::Waiting => Lookup::Pending(Until::ProviderWakes),
        }
    }

    /// The provider's present identity number for a name.
    fn identity(&mut self, name: &str) -> Option<u64> {
        self.provider.as_mut()?.identity(name)
    }
}
