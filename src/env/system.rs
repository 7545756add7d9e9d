//! [`System`]: the operating system's poll. The only file that uses mio's registry.

use super::readiness::{Interest, Readiness};
use super::registration::{self, Registration, Registrations, Target};
use crate::arena::RawId;
use mio::unix::SourceFd;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// Most events that one call of the poll returns.
const EVENTS_A_POLL: usize = 1024;

/// The operating system's poll.
pub(super) struct System {
    poll: mio::Poll,
    events: mio::Events,
}

impl System {
    pub(super) fn new() -> io::Result<(Self, mio::Waker)> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), mio::Token(registration::WAKE))?;
        Ok((Self { poll, events: mio::Events::with_capacity(EVENTS_A_POLL) }, waker))
    }

    /// Registers a library socket.
    pub(super) fn watch_socket(&self, id: RawId, fd: RawFd, interest: Interest) -> io::Result<()> {
        let interest = mio_interest(interest)?.ok_or(io::ErrorKind::InvalidInput)?;
        let token = mio::Token(registration::token(id));
        self.poll.registry().register(&mut SourceFd(&fd), token, interest)
    }

    /// Changes the interest with which a library socket is registered.
    pub(super) fn rewatch_socket(
        &self,
        id: RawId,
        fd: RawFd,
        interest: Interest,
    ) -> io::Result<()> {
        let interest = mio_interest(interest)?.ok_or(io::ErrorKind::InvalidInput)?;
        let token = mio::Token(registration::token(id));
        self.poll.registry().reregister(&mut SourceFd(&fd), token, interest)
    }

    pub(super) fn forget(&self, fd: &impl AsRawFd) {
        // It fails only if the descriptor is not registered, which is the wanted state.
        let _ = self.poll.registry().deregister(&mut SourceFd(&fd.as_raw_fd()));
    }

    /// Registers an application's descriptor for its interest only: each call of its handler
    /// registers it anew, which would otherwise report the other direction each time.
    pub(super) fn watch_descriptor<H>(&self, id: RawId, r: &Registration<H>) -> io::Result<()> {
        self.with_descriptor(r, |registry, mut source, interest| {
            registry.register(&mut source, mio::Token(registration::token(id)), interest)
        })
    }

    pub(super) fn rewatch_descriptor<H>(&self, id: RawId, r: &Registration<H>) -> io::Result<()> {
        self.with_descriptor(r, |registry, mut source, interest| {
            registry.reregister(&mut source, mio::Token(registration::token(id)), interest)
        })
    }

    pub(super) fn forget_descriptor<H>(&self, r: &Registration<H>) {
        if let Target::Handler { fd, .. } = &r.target {
            if !r.interest.is_none() {
                self.forget(fd);
            }
        }
    }

    fn with_descriptor<H>(
        &self,
        registration: &Registration<H>,
        f: impl FnOnce(&mio::Registry, SourceFd<'_>, mio::Interest) -> io::Result<()>,
    ) -> io::Result<()> {
        let Target::Handler { fd, .. } = &registration.target else { return Ok(()) };
        match mio_interest(registration.interest)? {
            Some(interest) => {
                let fd: &OwnedFd = fd;
                f(self.poll.registry(), SourceFd(&fd.as_raw_fd()), interest)
            }
            None => Ok(()),
        }
    }

    /// Returns the actual readiness of a descriptor for which the poll reported an exceptional
    /// condition, because the poll reports that as readable too.
    pub(super) fn look(fd: BorrowedFd<'_>, said: Readiness) -> Readiness {
        use nix::poll::{PollFd, PollFlags, PollTimeout};
        let failed = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        let mut asked = PollFlags::POLLIN | PollFlags::POLLPRI;
        asked.set(PollFlags::POLLOUT, said.writable);
        let mut fds = [PollFd::new(fd, asked)];
        let looked = nix::poll::poll(&mut fds, PollTimeout::ZERO);
        match (looked, fds[0].revents()) {
            (Ok(_), Some(found)) if !found.intersects(failed) => Readiness {
                readable: found.contains(PollFlags::POLLIN),
                writable: found.contains(PollFlags::POLLOUT),
                priority: found.contains(PollFlags::POLLPRI),
            },
            _ => said,
        }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }

    pub(super) fn any_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// Copies the events of the last wait into the registrations that still exist.
    pub(super) fn copy_readiness<H>(&self, registrations: &mut Registrations<H>) {
        for event in &self.events {
            let Some(id) = registrations.resolve(event.token().0) else { continue };
            // An error shows as all: the next operation of the owner reports it.
            let error = event.is_error();
            let ready = Readiness {
                readable: event.is_readable() || event.is_read_closed() || error,
                writable: event.is_writable() || event.is_write_closed() || error,
                priority: event.is_priority() || event.is_read_closed() || error,
            };
            if event.is_read_closed() || error {
                if let Some(registration) = registrations.get_mut(id) {
                    registration.read_closed = true;
                }
            }
            registrations.add_readiness(id, ready);
        }
    }

    /// Waits for events or the end of `sleep` (`None`: without limit). A signal ends the wait
    /// without events.
    pub(super) fn wait(&mut self, sleep: Option<Sleep>) -> io::Result<()> {
        let wait = match sleep.map(|sleep| (sleep, sleep.whole_millis())) {
            None => None,
            Some((_, Some(wait))) => Some(wait),
            // The poll counts milliseconds, timers count finer: sleep on the poll's own
            // descriptor, which can be done to the microsecond, then look without sleeping.
            Some((sleep, None)) => match sleep_on(self.poll.registry().as_fd(), sleep.most)? {
                Some(true) => Some(Duration::ZERO),
                Some(false) => {
                    self.events.clear();
                    return Ok(());
                }
                None => Some(sleep.most),
            },
        };
        match self.poll.poll(&mut self.events, wait) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }
}

/// The longest wait if nothing happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sleep {
    pub(super) least: Duration,
    pub(super) most: Duration,
}

impl Sleep {
    pub(super) const fn exactly(wait: Duration) -> Self {
        Self { least: wait, most: wait }
    }

    pub(super) fn at_most(self, wait: Duration) -> Self {
        Self { least: self.least.min(wait), most: self.most.min(wait) }
    }

    /// The longest sufficient wait in whole milliseconds, which the poll supports by itself: one
    /// system call instead of two.
    fn whole_millis(self) -> Option<Duration> {
        let fraction = self.most.subsec_nanos() % 1_000_000;
        let whole = self.most - Duration::from_nanos(fraction.into());
        (whole >= self.least).then_some(whole)
    }
}

/// Waits until the descriptor is readable, a signal arrives, or `wait` has elapsed; returns whether
/// it is readable. `None` where the system has no such call.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn sleep_on(fd: BorrowedFd<'_>, wait: Duration) -> io::Result<Option<bool>> {
    use nix::poll::{PollFd, PollFlags};
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    // A wait of many years is cut to one; the turn then ends early, as it may.
    let wait = wait.min(Duration::from_secs(365 * 86_400));
    match nix::poll::ppoll(&mut fds, Some(wait.into()), None) {
        Ok(ready) => Ok(Some(ready > 0)),
        Err(nix::errno::Errno::EINTR) => Ok(Some(false)),
        Err(e) => Err(e.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn sleep_on(_: BorrowedFd<'_>, _: Duration) -> io::Result<Option<bool>> {
    Ok(None)
}

/// Converts to mio's type; `None` for no interest.
fn mio_interest(interest: Interest) -> io::Result<Option<mio::Interest>> {
    let mut asked: Option<mio::Interest> = None;
    let mut ask = |wanted, one| {
        if wanted {
            asked = Some(asked.map_or(one, |others| others | one));
        }
    };
    ask(interest.readable, mio::Interest::READABLE);
    ask(interest.writable, mio::Interest::WRITABLE);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    ask(interest.priority, mio::Interest::PRIORITY);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    if interest.priority {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_poll_sleeps_by_itself_where_whole_milliseconds_will_do() {
        let micros = Duration::from_micros;
        let sleep = |least, most| Sleep { least: micros(least), most: micros(most) };
        assert_eq!(sleep(39_300, 40_300).whole_millis(), Some(micros(40_000)));
        assert_eq!(sleep(39_000, 40_000).whole_millis(), Some(micros(40_000)));
        assert_eq!(sleep(0, 0).whole_millis(), Some(micros(0)));
        // Not a timer's time too early, nor more than its slack too late.
        assert_eq!(sleep(39_300, 39_900).whole_millis(), None);
        assert_eq!(sleep(200, 700).whole_millis(), None);
        assert_eq!(Sleep::exactly(micros(1_500)).whole_millis(), None);
        let cut = sleep(39_300, 40_300).at_most(micros(5_000));
        assert_eq!(cut, Sleep::exactly(micros(5_000)));
    }
}
