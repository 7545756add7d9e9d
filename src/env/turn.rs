//! The turn: wait, copy the readiness of the batch, then deliver one event at a time.
//!
//! The work of a turn is bounded: triggers and ready registrations that were present when it began,
//! each once, and timers that were armed before it began.

use super::environment::{UsageEnvironment, World};
use super::event::Event;
use super::graveyard::Dead;
use super::readiness::Interest;
use super::registration::Target;
#[cfg(any(test, feature = "simulation"))]
use super::sim::Simulation;
use super::system::Sleep;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

impl UsageEnvironment {
    /// Takes turns until `watch` is true. It is checked before each turn, so a thread that sets it
    /// must wake the loop afterwards with an [`EventTrigger`](super::EventTrigger), and a signal
    /// handler with an [event pipe](Self::create_event_pipe).
    ///
    /// # Errors
    /// A failure of the poll itself; `Deadlock` in a simulated environment in which no event can
    /// occur any more.
    pub fn do_event_loop(&mut self, watch: &AtomicBool) -> io::Result<()> {
        while !watch.load(Ordering::Acquire) {
            #[cfg(any(test, feature = "simulation"))]
            if self.is_simulated() && !self.anything_to_come() {
                return Err(io::ErrorKind::Deadlock.into());
            }
            self.turn(None)?;
        }
        Ok(())
    }

    /// Takes one bounded step: waits for an event, at most `max_wait` (`None`: without limit) and
    /// at most until the next timer, then processes it. In a simulated environment the virtual
    /// clock advances instead, and a turn in which nothing can happen returns at once.
    ///
    /// # Errors
    /// A failure of the poll itself; `WouldBlock` if called from a handler: the loop cannot be
    /// nested in itself.
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

    /// Returns when the next turn has work without an event: a timer, or remaining readiness. An
    /// outer loop must not wait longer. The instant is not in the future if there is work now;
    /// `None` if only an event of [`as_fd`](Self::as_fd) can cause work.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.busy() {
            return Some(self.now());
        }
        self.tasks.next_deadline()
    }

    /// Returns the descriptor that is readable when [`turn`](Self::turn) has events to process. An
    /// outer loop waits for it, at most until [`next_deadline`](Self::next_deadline), and then
    /// calls `turn(Some(Duration::ZERO))`: see the example `nested_loop`.
    ///
    /// # Errors
    /// `Unsupported` in a simulated environment.
    pub fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.world {
            World::System(system) => Ok(system.descriptor()),
            #[cfg(any(test, feature = "simulation"))]
            World::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn busy(&self) -> bool {
        !self.registrations.queue.is_empty() || self.triggers.any_ready()
    }

    #[cfg(any(test, feature = "simulation"))]
    fn anything_to_come(&self) -> bool {
        let simulated = match &self.world {
            World::System(_) => true,
            #[cfg(any(test, feature = "simulation"))]
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
                    let (slack, now) = (self.timer_slack, Instant::now());
                    let timer = next_timer.map(|at| {
                        let least = at.saturating_duration_since(now);
                        // A timer that is late already waits no longer.
                        let slack = if least.is_zero() { Duration::ZERO } else { slack };
                        Sleep { least, most: least.saturating_add(slack) }
                    });
                    let exact = self.wake_by.map(|at| at.saturating_duration_since(now));
                    let max_wait = max_wait.into_iter().chain(exact).min();
                    match (timer, max_wait) {
                        (Some(timer), Some(wait)) => Some(timer.at_most(wait)),
                        (timer, wait) => timer.or_else(|| wait.map(Sleep::exactly)),
                    }
                };
                system.wait(sleep)?;
                self.clock.read();
                self.wake_by = self.wake_by.filter(|at| *at > self.clock.now());
                let timer_due = next_timer.is_some_and(|at| at <= self.clock.now());
                if !busy && (timer_due || system.any_event()) {
                    self.statistics.wakeups += 1;
                }
                system.copy_readiness(&mut self.registrations);
            }
            #[cfg(any(test, feature = "simulation"))]
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
        #[cfg(any(test, feature = "simulation"))]
        self.copy_simulated_readiness();
        Ok(())
    }

    /// Copies the readiness of simulated sockets since the last turn into their registrations.
    #[cfg(any(test, feature = "simulation"))]
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
                #[cfg(any(test, feature = "simulation"))]
                (Dead::SimulatedSocket(id), World::Simulated(simulation)) => simulation.close(id),
                #[cfg(any(test, feature = "simulation"))]
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
                        // The owner has ended: nothing will ever use the readiness up.
                        self.registrations.set_interest(id, Interest::NONE);
                    }
                }
            }
            // Readiness that the owner did not use up is told again, after all others had
            // theirs.
            self.registrations.enqueue_if_ready(id);
        }
        self.registrations.keep_queue(queue);
    }
}
