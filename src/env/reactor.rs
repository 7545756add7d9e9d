//! The turn: wait, copy the readiness of the batch, then hand out one event at a time.
//!
//! What a turn does is bounded: triggers and ready registrations that were there when it began,
//! each once, and timers that were armed before it began.

use super::graveyard::{Dead, Graveyard};
use super::registration::{Interest, Readiness, Target};
use super::sim::Simulation;
use super::system::{Sleep, System};
use super::{EventKey, MediumHandle, UsageEnvironment};
use crate::arena::RawId;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many timers fire in one turn at most; the rest fires in the next, which does not wait.
const TIMERS_A_TURN: usize = 65_536;

/// What has happened to something that a medium registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A socket is ready. Told again each turn until an operation on it says `WouldBlock` or the
    /// interest is withdrawn.
    Readiness {
        /// As given to the socket's `watch`.
        key: EventKey,
        /// What it is ready for, of what was asked.
        readiness: Readiness,
    },
    /// A timer is due.
    Timer {
        /// As given to `arm_timer`.
        key: EventKey,
    },
    /// Another thread has triggered.
    Trigger {
        /// As given to `create_medium_trigger`.
        key: EventKey,
        /// How often, since the last event of this trigger.
        count: u64,
    },
}

/// What the loop has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LoopStatistics {
    /// Turns.
    pub turns: u64,
    /// Waits that ended because something had happened or a timer was due.
    pub wakeups: u64,
    /// Timers and delayed tasks that fired.
    pub timers_fired: u64,
    /// Readiness and trigger events handed out.
    pub events: u64,
}

pub(super) enum World {
    System(System),
    Simulated(Box<Simulation>),
}

impl UsageEnvironment {
    /// Takes turns until `watch` is true, which is looked at before each turn. Who sets it from
    /// another thread wakes the loop with an [`EventTrigger`](super::EventTrigger); a signal
    /// caught on this thread wakes it by itself.
    ///
    /// # Errors
    /// A failure of the poll itself; `Deadlock` in a simulated world where nothing is left that
    /// could ever happen.
    pub fn do_event_loop(&mut self, watch: &AtomicBool) -> io::Result<()> {
        while !watch.load(Ordering::Acquire) {
            if self.is_simulated() && !self.anything_to_come() {
                return Err(io::ErrorKind::Deadlock.into());
            }
            self.turn(None)?;
        }
        Ok(())
    }

    /// One bounded step: waits for something to happen, at most `max_wait` (`None`: for ever)
    /// and at most until the next timer, then deals with it. In a simulated world the virtual
    /// clock moves instead, and a turn in which nothing can happen returns at once.
    ///
    /// # Errors
    /// A failure of the poll itself; `WouldBlock` when called from inside a handler: loops do
    /// not nest.
    pub fn turn(&mut self, max_wait: Option<Duration>) -> io::Result<()> {
        if self.in_turn || self.media.depth > 0 {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the event loop does not nest"));
        }
        self.in_turn = true;
        let result = self.step(max_wait);
        self.in_turn = false;
        result
    }

    fn step(&mut self, max_wait: Option<Duration>) -> io::Result<()> {
        self.statistics.turns += 1;
        self.reap();
        let armed = self.tasks.mark();
        self.wait(max_wait)?;
        self.dispatch_triggers();
        self.dispatch_readiness();
        self.dispatch_timers(armed);
        Ok(())
    }

    /// When the next turn has something to do by itself: the time to sleep for one who nests the
    /// loop in another. In the past if there is something to do now; `None` if only an event of
    /// [`as_fd`](Self::as_fd) can bring it.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.busy() {
            return Some(self.now());
        }
        self.tasks.next_deadline()
    }

    /// The descriptor that is readable when [`turn`](Self::turn) has events to deal with: what
    /// to wait for when the loop is nested in another, together with
    /// [`next_deadline`](Self::next_deadline).
    ///
    /// # Errors
    /// `Unsupported` in the simulated world.
    pub fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.world {
            World::System(system) => Ok(system.descriptor()),
            World::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn busy(&self) -> bool {
        !self.registrations.queue.is_empty() || self.triggers.any_ready()
    }

    fn anything_to_come(&self) -> bool {
        let simulated = match &self.world {
            World::System(_) => true,
            World::Simulated(simulation) => simulation.next_event().is_some(),
        };
        simulated || self.busy() || self.tasks.len() > 0
    }

    /// Waits, reads the clock, and copies the batch's readiness into the registrations.
    fn wait(&mut self, max_wait: Option<Duration>) -> io::Result<()> {
        let busy = self.busy();
        let next_timer = self.tasks.next_deadline();
        match &mut self.world {
            World::System(system) => {
                let sleep = if busy {
                    Some(Sleep::exactly(Duration::ZERO))
                } else {
                    let slack = self.timer_slack;
                    let timer = next_timer.map(|at| {
                        let least = at.saturating_duration_since(Instant::now());
                        // What is late already waits no longer.
                        let slack = if least.is_zero() { Duration::ZERO } else { slack };
                        Sleep { least, most: least.saturating_add(slack) }
                    });
                    match (timer, max_wait) {
                        (Some(timer), Some(wait)) => Some(timer.at_most(wait)),
                        (timer, wait) => timer.or_else(|| wait.map(Sleep::exactly)),
                    }
                };
                system.wait(sleep)?;
                self.clock.read();
                let timer_due = next_timer.is_some_and(|at| at <= self.clock.now());
                if !busy && (timer_due || system.any_event()) {
                    self.statistics.wakeups += 1;
                }
                system.copy_readiness(&mut self.registrations);
            }
            World::Simulated(simulation) => {
                let now = self.clock.now();
                let limit = max_wait.and_then(|wait| now.checked_add(wait));
                let to = if busy {
                    Some(now)
                } else {
                    [limit, next_timer, simulation.next_event()].into_iter().flatten().min()
                };
                if let Some(to) = to {
                    // A turn takes time, as in the world outside: an owner that asks to be run
                    // again at once does not stop the clock.
                    let least = now + Simulation::TURN;
                    let least = limit.map_or(least, |limit| least.min(limit));
                    self.clock.advance(to.max(least));
                    self.statistics.wakeups += u64::from(!busy);
                }
                simulation.run_until(self.clock.now());
            }
        }
        self.copy_simulated_readiness();
        Ok(())
    }

    /// What happened to simulated sockets since the last turn, into their registrations.
    fn copy_simulated_readiness(&mut self) {
        let World::Simulated(simulation) = &mut self.world else { return };
        for (id, ready) in simulation.edges.drain(..) {
            self.registrations.add_readiness(id, ready);
        }
    }

    fn reap(&mut self) {
        for dead in self.graveyard.take() {
            match (dead, &mut self.world) {
                (Dead::Registration(id), _) => {
                    self.registrations.remove(id);
                }
                (Dead::SimulatedSocket(id), World::Simulated(simulation)) => simulation.close(id),
                (Dead::SimulatedSocket(_), World::System(_)) => {}
            }
        }
    }

    fn dispatch_readiness(&mut self) {
        let mut queue = self.registrations.take_queue();
        for id in queue.drain(..) {
            // The generation is checked here, at the moment of the dispatch, and not before: a
            // handler that ran earlier in this turn may have closed it and opened another.
            let Some((readiness, registration)) = self.registrations.take_event(id) else {
                continue;
            };
            match &mut registration.target {
                Target::Handler { handler, .. } => {
                    let Some(handler) = handler.take() else { continue };
                    self.statistics.events += 1;
                    self.run_handler(id, handler, readiness);
                }
                Target::Medium { owner, key } => {
                    let (owner, key) = (*owner, *key);
                    self.statistics.events += 1;
                    if !self.deliver(owner, Event::Readiness { key, readiness }) {
                        // Nobody will ever use the readiness up: do not come back with it.
                        self.registrations.set_interest(id, Interest::NONE);
                    }
                }
            }
            // What the owner did not use up it is told again, after everybody else's turn.
            self.registrations.enqueue_if_ready(id);
        }
        self.registrations.keep_queue(queue);
    }

    fn dispatch_timers(&mut self, armed: u64) {
        let now = self.clock.now();
        for _ in 0..TIMERS_A_TURN {
            let Some(due) = self.tasks.pop_due(now, armed) else { break };
            self.statistics.timers_fired += 1;
            match due {
                super::Due::Task(task) => task(self),
                super::Due::Timer { owner, key } => {
                    self.deliver(owner, Event::Timer { key });
                }
            }
        }
    }

    /// False if the medium has ended.
    pub(super) fn deliver(&mut self, owner: MediumHandle, event: Event) -> bool {
        self.call(owner, |medium, env| medium.handle_event(env, event)).is_some()
    }

    /// Registers a library socket. Its descriptor must stay open until it is deregistered.
    pub(crate) fn register_socket(
        &mut self,
        source: Source,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<RawId> {
        let target = Target::Medium { owner, key };
        let id = self.registrations.insert(target, interest).ok_or(io::ErrorKind::OutOfMemory)?;
        let result = match (&mut self.world, source) {
            (World::System(system), Source::Stream(fd)) => {
                system.watch_socket(id, fd, Interest::BOTH)
            }
            (World::System(system), Source::Datagram(fd)) => {
                if let Some(registration) = self.registrations.get_mut(id) {
                    registration.polls_writable = interest.writable;
                }
                system.watch_socket(id, fd, datagram_interest(interest))
            }
            (World::Simulated(simulation), Source::Simulated(socket)) => {
                simulation.watch(socket, id)
            }
            _ => Err(other_world()),
        };
        match result {
            Ok(()) => Ok(id),
            Err(e) => {
                self.registrations.remove(id);
                Err(e)
            }
        }
    }

    /// Changes whose a registered socket is, and what the owner wants to hear of.
    pub(crate) fn change_registration(
        &mut self,
        id: RawId,
        source: Source,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<()> {
        let Some(registration) = self.registrations.get_mut(id) else { return Ok(()) };
        registration.target = Target::Medium { owner, key };
        self.set_socket_interest(id, source, interest)
    }

    /// Changes what the owner of a registered socket wants to hear of.
    pub(crate) fn set_socket_interest(
        &mut self,
        id: RawId,
        source: Source,
        interest: Interest,
    ) -> io::Result<()> {
        if !self.registrations.set_interest(id, interest) {
            return Ok(());
        }
        match (&mut self.world, source, self.registrations.get_mut(id)) {
            (World::System(system), Source::Datagram(fd), Some(registration))
                if registration.polls_writable != interest.writable =>
            {
                // What is ready now is told anew.
                system.rewatch_socket(id, fd, datagram_interest(interest))?;
                registration.polls_writable = interest.writable;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends a registration before its socket is closed.
    pub(crate) fn deregister_socket(&mut self, id: RawId, source: Source) {
        if self.registrations.remove(id).is_some() {
            if let (World::System(system), Source::Stream(fd) | Source::Datagram(fd)) =
                (&self.world, source)
            {
                system.forget(&fd);
            }
        }
    }

    pub(crate) fn graveyard(&self) -> Arc<Graveyard> {
        self.graveyard.clone()
    }
}

/// A library socket as the loop sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// A stream tells that there is room once after it was full: it costs nothing to be told.
    Stream(RawFd),
    /// A datagram socket tells it whenever a datagram has left, which would wake the loop after
    /// each send. So the poll is asked for it only while somebody wants to know.
    Datagram(RawFd),
    Simulated(RawId),
}

/// What the poll is asked for a datagram socket. It must be asked for something.
const fn datagram_interest(interest: Interest) -> Interest {
    Interest { readable: true, ..interest }
}

/// A socket of one world was used with an environment of the other.
pub(crate) fn other_world() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "socket and environment are of different worlds")
}
