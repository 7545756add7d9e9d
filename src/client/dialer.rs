//! [`Dialer`]: from a host name to a connection, over whichever of its addresses answers first
//! (RFC 8305, without its caching and its sorting of addresses by history).

use crate::arena::RawId;
use crate::client::keys::{KEY_ATTEMPT, KEY_DIALER, KEY_RESOLVER};
use crate::env::{EventKey, Interest, MediumHandle, Timer, UsageEnvironment};
use crate::net::{Resolution, TcpStream};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long one address has for itself before the next is tried too (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Where and how to connect.
#[derive(Clone, Debug)]
pub(crate) struct DialConfig {
    /// Address that connections come from.
    pub(crate) local: Option<IpAddr>,
    pub(crate) resolve_timeout: Duration,
    pub(crate) connect_timeout: Duration,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum DialError {
    /// The host name has no address.
    Name(io::Error),
    /// The look-up of the name took too long.
    NameTimeout,
    /// No address accepted a connection; what the last one said.
    Connect(io::Error),
    /// No address answered in time.
    ConnectTimeout,
}

/// A connection in the making.
///
/// [`poll`](Self::poll) after [`new`](Self::new) and after each event with one of its keys.
#[derive(Debug)]
pub(crate) struct Dialer {
    config: DialConfig,
    owner: MediumHandle,
    timer: Timer,
    state: State,
}

#[derive(Debug)]
enum State {
    Resolving { resolution: Resolution, until: Option<Instant> },
    Connecting(Connecting),
    Over,
}

#[derive(Debug)]
struct Connecting {
    /// Addresses that were not tried yet.
    waiting: VecDeque<SocketAddr>,
    attempts: Vec<Attempt>,
    /// When the next address is tried.
    next_at: Instant,
    until: Option<Instant>,
    tried: u32,
    last_error: Option<io::Error>,
}

#[derive(Debug)]
struct Attempt {
    number: u32,
    stream: TcpStream,
}

impl Dialer {
    /// Begins to connect to a host. Its events go to `owner`.
    pub(crate) fn new(
        env: &mut UsageEnvironment,
        config: DialConfig,
        (host, port): (&str, u16),
        owner: MediumHandle,
    ) -> Result<Self, DialError> {
        let key = EventKey { kind: KEY_RESOLVER, id: RawId::default() };
        let resolution = Resolution::begin(env, host, port, owner, key).map_err(DialError::Name)?;
        let until = env.now().checked_add(config.resolve_timeout);
        let state = State::Resolving { resolution, until };
        Ok(Self { config, owner, timer: Timer::new(), state })
    }

    /// Goes on. `attempt` is the connection that has become writable, from the id of an event with
    /// [`KEY_ATTEMPT`]. Returns the connection once there is one; the dialer is then at its end.
    pub(crate) fn poll(
        &mut self,
        env: &mut UsageEnvironment,
        attempt: Option<RawId>,
    ) -> Result<Option<TcpStream>, DialError> {
        let result = self.advance(env, attempt);
        match result {
            Ok(None) => self.arm(env),
            _ => self.end(env),
        }
        result
    }

    fn advance(
        &mut self,
        env: &mut UsageEnvironment,
        attempt: Option<RawId>,
    ) -> Result<Option<TcpStream>, DialError> {
        let now = env.now();
        if let State::Resolving { resolution, until } = &mut self.state {
            let Some(found) = resolution.poll() else {
                let is_over = until.is_some_and(|until| now >= until);
                return if is_over { Err(DialError::NameTimeout) } else { Ok(None) };
            };
            let addresses = found.map_err(DialError::Name)?;
            let fitting = addresses.into_iter().filter(|address| {
                self.config.local.is_none_or(|local| local.is_ipv4() == address.is_ipv4())
            });
            let waiting = interleave_families(fitting.take(MAX_ADDRESSES).collect());
            if waiting.is_empty() {
                let none = io::Error::new(io::ErrorKind::NotFound, "it has no fitting address");
                return Err(DialError::Name(none));
            }
            let until = now.checked_add(self.config.connect_timeout);
            let connecting = Connecting {
                waiting,
                attempts: Vec::new(),
                next_at: now,
                until,
                tried: 0,
                last_error: None,
            };
            let before = std::mem::replace(&mut self.state, State::Connecting(connecting));
            if let State::Resolving { resolution, .. } = before {
                resolution.end(env);
            }
        }
        let State::Connecting(connecting) = &mut self.state else { return Ok(None) };
        if let Some(stream) = attempt.and_then(|id| connecting.finish(env, id)) {
            return Ok(Some(stream));
        }
        while now >= connecting.next_at || connecting.attempts.is_empty() {
            let Some(address) = connecting.waiting.pop_front() else { break };
            connecting.next_at = now + ATTEMPT_DELAY;
            connecting.try_address(env, self.config.local, address, self.owner);
        }
        if connecting.attempts.is_empty() {
            let last = connecting.last_error.take();
            return Err(DialError::Connect(
                last.unwrap_or_else(|| io::ErrorKind::NotConnected.into()),
            ));
        }
        if connecting.until.is_some_and(|until| now >= until) {
            return Err(DialError::ConnectTimeout);
        }
        Ok(None)
    }

    fn arm(&mut self, env: &mut UsageEnvironment) {
        let at = match &self.state {
            State::Resolving { until, .. } => *until,
            State::Connecting(connecting) => {
                let next = (!connecting.waiting.is_empty()).then_some(connecting.next_at);
                next.into_iter().chain(connecting.until).min()
            }
            State::Over => None,
        };
        let key = EventKey { kind: KEY_DIALER, id: RawId::default() };
        match at {
            Some(at) => env.arm_timer(&mut self.timer, self.owner, key, at),
            None => env.disarm_timer(&mut self.timer),
        }
    }

    /// Gives up what is under way.
    pub(crate) fn end(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Resolving { resolution, .. } => resolution.end(env),
            State::Connecting(connecting) => {
                connecting.attempts.into_iter().for_each(|attempt| attempt.stream.close(env));
            }
            State::Over => {}
        }
    }
}

impl Connecting {
    fn try_address(
        &mut self,
        env: &mut UsageEnvironment,
        local: Option<IpAddr>,
        address: SocketAddr,
        owner: MediumHandle,
    ) {
        self.tried += 1;
        let number = self.tried;
        let key = EventKey { kind: KEY_ATTEMPT, id: RawId { index: number, generation: 0 } };
        let local = local.map(|ip| SocketAddr::new(ip, 0));
        let stream =
            TcpStream::connect_from(env, local, address).and_then(|mut stream| {
                match stream.watch(env, owner, key, Interest::WRITABLE) {
                    Ok(()) => Ok(stream),
                    Err(e) => {
                        stream.close(env);
                        Err(e)
                    }
                }
            });
        match stream {
            Ok(stream) => self.attempts.push(Attempt { number, stream }),
            Err(e) => {
                log::debug!("{address}: {e}");
                self.last_error = Some(e);
            }
        }
    }

    /// Looks at an attempt of which there is news; returns its connection if that was made.
    fn finish(&mut self, env: &mut UsageEnvironment, id: RawId) -> Option<TcpStream> {
        let at = self.attempts.iter().position(|attempt| attempt.number == id.index)?;
        let Attempt { mut stream, .. } = self.attempts.swap_remove(at);
        match stream.take_error(env) {
            Ok(None) => return Some(stream),
            Ok(Some(e)) | Err(e) => {
                log::debug!("{}: {e}", stream.peer_addr());
                self.last_error = Some(e);
                stream.close(env);
            }
        }
        None
    }
}

/// Lets the address families take turns, beginning with that of the first address (RFC 8305
/// section 4).
fn interleave_families(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut sorted = VecDeque::new();
    loop {
        let (a, b) = (first.next(), second.next());
        if a.is_none() && b.is_none() {
            return sorted;
        }
        sorted.extend(a.into_iter().chain(b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let of = |text: &str| text.split(' ').map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let sorted = interleave_families(of("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1"));
        assert_eq!(sorted, of("[::1]:1 1.1.1.1:1 [::2]:1 [::3]:1"));
        assert!(interleave_families(Vec::new()).is_empty());
    }
}
