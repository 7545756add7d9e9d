//! [`Resolution`]: the addresses of a host name, found without stopping the loop.
//!
//! The operating system has no look-up that does not block, so each runs on a thread of its own,
//! which ends with it; how many there are is limited. An address in digits needs none. In a
//! simulated world names are those of
//! [`Simulation::set_name`](crate::env::Simulation::set_name).

use crate::env::{EventKey, EventTrigger, MediumHandle, UsageEnvironment};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// Look-ups that may run at a time in a process. One to a name server that does not answer takes
/// half a minute.
const MAX_LOOKUPS: usize = 32;

/// Look-ups that run.
static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// A look-up that is under way, or its result.
#[derive(Debug)]
pub(crate) enum Resolution {
    Found(Vec<SocketAddr>),
    Pending {
        answer: Receiver<io::Result<Vec<SocketAddr>>>,
        trigger: EventTrigger,
    },
    /// No answer will come; in a simulated world.
    #[cfg(any(test, feature = "simulation"))]
    Unanswered,
}

/// Counts a look-up for as long as it runs.
struct Lookup;

impl Lookup {
    fn begin() -> io::Result<Self> {
        let begun = LOOKUPS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            (n < MAX_LOOKUPS).then_some(n + 1)
        });
        match begun {
            Ok(_) => Ok(Self),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "too many host names are being looked up",
            )),
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Resolution {
    /// Begins to look up `host`, a name or an address in digits. When
    /// [`poll`](Self::poll) has no answer yet, `owner` gets a trigger event with `key` later.
    ///
    /// # Errors
    /// Too many look-ups are under way, or there can be no thread for it.
    pub(crate) fn begin(
        env: &mut UsageEnvironment,
        host: &str,
        port: u16,
        owner: MediumHandle,
        key: EventKey,
    ) -> io::Result<Self> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Self::Found(vec![SocketAddr::new(address, port)]));
        }
        #[cfg(any(test, feature = "simulation"))]
        if env.is_simulated() {
            return Ok(match env.network()?.addresses_of(host)? {
                Some(found) => {
                    Self::Found(found.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
                }
                None => Self::Unanswered,
            });
        }
        let lookup = Lookup::begin()?;
        let trigger = env.create_medium_trigger(owner, key);
        let (sender, answer) = sync_channel(1);
        let (host, done) = (host.to_owned(), trigger.clone());
        let thread = std::thread::Builder::new().name("riverrun-resolver".to_owned());
        let spawned = thread.spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            drop(lookup);
            // Nobody may be interested any more.
            let _ = sender.send(found);
            done.trigger();
        });
        match spawned {
            Ok(_) => Ok(Self::Pending { answer, trigger }),
            Err(e) => {
                env.delete_event_trigger(&trigger);
                Err(e)
            }
        }
    }

    /// Returns the addresses, in the system's order of preference, once they are known.
    pub(crate) fn poll(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        match self {
            Self::Found(addresses) => Some(Ok(std::mem::take(addresses))),
            Self::Pending { answer, .. } => match answer.try_recv() {
                Ok(result) => Some(result),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err(io::Error::other("no answer"))),
            },
            #[cfg(any(test, feature = "simulation"))]
            Self::Unanswered => None,
        }
    }

    /// Takes no more interest in the answer.
    pub(crate) fn end(self, env: &mut UsageEnvironment) {
        if let Self::Pending { trigger, .. } = self {
            env.delete_event_trigger(&trigger);
        }
    }
}
