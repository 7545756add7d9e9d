//! The event loop: [`UsageEnvironment`], the only place that names mio.
//!
//! One thread, one environment, passed down as `&mut`. It owns the poll and what is registered
//! with it, the delayed tasks, the [`Medium`] objects, the event triggers, the clock and the
//! randomness. [`UsageEnvironment::new`] is the operating system; [`UsageEnvironment::simulated`]
//! is a virtual clock with an in-memory network, in which the same code runs unchanged.
//!
//! What happens to the sockets, timers and triggers of a [`Medium`] comes to it as an [`Event`]
//! with the [`EventKey`] that it chose:
//!
//! ```
//! use riverrun::env::{
//!     Event, EventKey, Interest, Medium, MediumHandle, UsageEnvironment,
//! };
//! use riverrun::net::UdpSocket;
//! use std::time::Duration;
//!
//! /// Sends back what it receives.
//! struct Echo {
//!     socket: UdpSocket,
//! }
//!
//! impl Medium for Echo {
//!     fn kind(&self) -> &'static str {
//!         "echo"
//!     }
//!
//!     fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
//!         self.socket.watch(env, me, EventKey::default(), Interest::READABLE).unwrap();
//!     }
//!
//!     fn handle_event(&mut self, env: &mut UsageEnvironment, _: Event) {
//!         let mut datagram = [0; 1500];
//!         if let Ok((n, from)) = self.socket.recv_from(env, &mut datagram) {
//!             let _ = self.socket.send_to(env, &datagram[..n], from);
//!         }
//!     }
//! }
//!
//! let mut env = UsageEnvironment::simulated(1);
//! let echo = "10.0.0.1:7".parse().unwrap();
//! let socket = UdpSocket::bind(&mut env, echo).unwrap();
//! env.add(Echo { socket });
//!
//! // A client on another host of the simulated network.
//! let mut client = UdpSocket::bind(&mut env, "10.0.0.7:0".parse().unwrap()).unwrap();
//! client.send_to(&mut env, b"hello", echo).unwrap();
//! for _ in 0..4 {
//!     env.turn(Some(Duration::from_millis(10))).unwrap();
//! }
//! let mut answer = [0; 1500];
//! assert_eq!(client.recv_from(&mut env, &mut answer).unwrap(), (5, echo));
//! ```

mod clock;
mod delay_queue;
mod graveyard;
mod handlers;
mod medium;
mod random;
mod reactor;
mod registration;
mod sim;
mod system;
#[cfg(test)]
mod tests;
mod trigger;
pub(crate) mod turn_budget;

pub use delay_queue::TaskToken;
pub use handlers::HandlerId;
pub use medium::{AsAny, EventKey, Medium, MediumHandle, MediumId};
pub use reactor::{Event, LoopStatistics};
pub use registration::{Interest, Readiness};
pub use sim::{LinkProfile, NetworkStatistics, Simulation};
pub use trigger::EventTrigger;

pub(crate) use graveyard::{Dead, Graveyard};
pub(crate) use reactor::{Source, other_world};
pub(crate) use registration::Registrations;

use clock::Clock;
use delay_queue::DelayQueue;
use medium::Media;
use random::Random;
use reactor::World;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use system::System;
use trigger::{Hub, Triggers};

/// What is done when a deadline comes.
enum Due {
    Task(Box<dyn FnOnce(&mut UsageEnvironment)>),
    Timer { owner: MediumHandle, key: EventKey },
}

/// A timer of a medium, to be armed any number of times. It holds at most one deadline.
/// Dropping it leaves a deadline that is still armed in place; disarm it before.
#[derive(Debug, Default)]
pub struct Timer {
    token: Option<TaskToken>,
    at: Option<Instant>,
}

impl Timer {
    /// A timer that is not armed.
    pub const fn new() -> Self {
        Self { token: None, at: None }
    }

    /// The deadline that it was last armed for, unless it was disarmed since; it may have passed.
    pub const fn armed_at(&self) -> Option<Instant> {
        self.at
    }
}

/// A wake-up costs as much as sending several packets (measured: fifty streams of 25 frames a
/// second take a quarter less CPU with 1 ms, and a tenth less again with 2 ms), and no receiver's
/// jitter buffer is so small.
const DEFAULT_TIMER_SLACK: Duration = Duration::from_millis(2);

/// The event loop with all that lives in it. See the [module](self).
///
/// # Example
///
/// Delayed tasks, and a trigger that another thread pulls:
///
/// ```
/// use riverrun::env::UsageEnvironment;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::time::Duration;
///
/// let mut env = UsageEnvironment::new()?;
/// let stop = Arc::new(AtomicBool::new(false));
/// let told = Arc::clone(&stop);
/// let trigger = env.create_event_trigger(move |_, _| told.store(true, Ordering::Relaxed));
/// env.schedule_delayed_task(Duration::from_millis(2), move |_| {
///     std::thread::spawn(move || trigger.trigger());
/// });
/// env.do_event_loop(&stop)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UsageEnvironment {
    world: World,
    clock: Clock,
    random: Random,
    tasks: DelayQueue<Due>,
    registrations: Registrations,
    media: Media,
    triggers: Triggers,
    statistics: LoopStatistics,
    graveyard: Arc<Graveyard>,
    in_turn: bool,
    timer_slack: Duration,
    /// Room that all sockets share, and what is known of the system's network.
    pub(crate) net: crate::net::Shared,
}

impl fmt::Debug for UsageEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageEnvironment")
            .field("simulated", &self.is_simulated())
            .field("delayed_tasks", &self.tasks.len())
            .field("media", &self.media.len())
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

impl UsageEnvironment {
    /// An environment of the operating system.
    ///
    /// # Errors
    /// When the system grants no poll or no randomness.
    pub fn new() -> io::Result<Self> {
        let (system, waker) = System::new()?;
        let (clock, random) = (Clock::system(), Random::system()?);
        Ok(Self::of(World::System(system), clock, random, Some(waker)))
    }

    /// A world of its own: a virtual clock, seeded randomness and an in-memory network. Nothing
    /// in it depends on anything but what is done to it and `seed`.
    pub fn simulated(seed: u64) -> Self {
        let clock = Clock::simulated();
        let simulation = Simulation::new(seed, clock.now());
        // The network draws from a stream of its own: what the code under test draws does not
        // change which packets are lost.
        let random = Random::seeded(seed ^ 0x005e_ed0f_c0de);
        Self::of(World::Simulated(Box::new(simulation)), clock, random, None)
    }

    fn of(world: World, clock: Clock, random: Random, waker: Option<mio::Waker>) -> Self {
        Self {
            world,
            clock,
            random,
            tasks: DelayQueue::new(),
            registrations: Registrations::default(),
            media: Media::default(),
            triggers: Triggers::new(Hub::new(waker)),
            statistics: LoopStatistics::default(),
            graveyard: Arc::default(),
            in_turn: false,
            timer_slack: DEFAULT_TIMER_SLACK,
            net: crate::net::Shared::default(),
        }
    }

    /// Whether this is a simulated world.
    pub fn is_simulated(&self) -> bool {
        matches!(self.world, World::Simulated(_))
    }

    /// The simulated world's controls: link qualities, faults. `None` in the operating system's.
    pub fn simulation(&mut self) -> Option<&mut Simulation> {
        match &mut self.world {
            World::System(_) => None,
            World::Simulated(simulation) => Some(simulation),
        }
    }

    /// The simulated network, for a socket that lives in it.
    pub(crate) fn network(&mut self) -> io::Result<&mut Simulation> {
        self.simulation().ok_or_else(other_world)
    }

    /// Makes the wall clock of a simulated world jump by `seconds`; nothing in the system's.
    pub fn jump_wall_clock(&mut self, seconds: i64) {
        if self.is_simulated() {
            self.clock.jump_wall(seconds);
        }
    }

    /// The time of this turn: monotonic, read once a turn after the wait. Between turns, the time
    /// of the call.
    pub fn now(&self) -> Instant {
        if self.in_turn { self.clock.now() } else { self.clock.fresh() }
    }

    /// The wall clock at [`now`](Self::now), since the Unix epoch. It may jump.
    pub fn wall_clock(&self) -> Duration {
        self.clock.wall(self.now())
    }

    /// Fills `buf` with random bytes: of the operating system, fit for secrets; seeded ones in
    /// the simulated world.
    pub fn fill_random(&mut self, buf: &mut [u8]) {
        self.random.fill(buf);
    }

    /// A random number, as [`fill_random`](Self::fill_random) gives it.
    pub fn random_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// What the loop has done so far.
    pub fn statistics(&self) -> LoopStatistics {
        self.statistics
    }

    /// Has `task` called once, when `delay` has passed since [`now`](Self::now), and not in this
    /// turn.
    ///
    /// ```
    /// use riverrun::env::UsageEnvironment;
    /// use std::time::Duration;
    ///
    /// let mut env = UsageEnvironment::simulated(1);
    /// let start = env.now();
    /// env.schedule_delayed_task(Duration::from_secs(60), move |env| {
    ///     assert_eq!(env.now() - start, Duration::from_secs(60));
    /// });
    /// env.turn(None).unwrap();
    /// assert_eq!(env.delayed_tasks(), 0);
    /// ```
    pub fn schedule_delayed_task(
        &mut self,
        delay: Duration,
        task: impl FnOnce(&mut Self) + 'static,
    ) -> TaskToken {
        let at = self.deadline(delay);
        self.tasks.insert(at, Due::Task(Box::new(task)))
    }

    /// Cancels a task. False if it has run or been cancelled before.
    pub fn unschedule_delayed_task(&mut self, token: TaskToken) -> bool {
        self.tasks.remove(token).is_some()
    }

    /// Gives a task a new delay from [`now`](Self::now). False if it has run or been cancelled.
    pub fn reschedule_delayed_task(&mut self, token: TaskToken, delay: Duration) -> bool {
        let at = self.deadline(delay);
        self.tasks.rearm(token, at)
    }

    /// Lets tasks and timers be late by up to `slack`, so that one wake-up serves those that are
    /// due soon after one another: many streams cost fewer wake-ups, each frame waits that much
    /// longer. Two milliseconds at first. The simulated world takes no notice of it.
    pub const fn set_timer_slack(&mut self, slack: Duration) {
        self.timer_slack = slack;
    }

    /// See [`set_timer_slack`](Self::set_timer_slack).
    pub const fn timer_slack(&self) -> Duration {
        self.timer_slack
    }

    /// Number of delayed tasks and armed timers.
    pub fn delayed_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Arms `timer`, anew if it was armed: `owner` gets [`Event::Timer`] with `key` at `at`, at
    /// the earliest in the next turn. To be run again in the next turn, arm for
    /// [`now`](Self::now).
    pub fn arm_timer(
        &mut self,
        timer: &mut Timer,
        owner: MediumHandle,
        key: EventKey,
        at: Instant,
    ) {
        // Not before now: what is armed during a turn has to come behind all that was due in it.
        let due = at.max(self.now());
        timer.at = Some(at);
        if let Some(token) = timer.token {
            if let Some(value) = self.tasks.value_mut(token) {
                *value = Due::Timer { owner, key };
                self.tasks.rearm(token, due);
                return;
            }
        }
        timer.token = Some(self.tasks.insert(due, Due::Timer { owner, key }));
    }

    /// Disarms `timer`; nothing happens if it was not armed.
    pub fn disarm_timer(&mut self, timer: &mut Timer) {
        timer.at = None;
        if let Some(token) = timer.token.take() {
            self.tasks.remove(token);
        }
    }

    /// Whether the timer has a deadline that has not fired.
    pub fn is_armed(&self, timer: &Timer) -> bool {
        timer.token.is_some_and(|token| self.tasks.contains(token))
    }

    pub(crate) fn registrations(&mut self) -> &mut Registrations {
        &mut self.registrations
    }

    fn deadline(&self, delay: Duration) -> Instant {
        let now = self.now();
        // Longer than the clock can count is "never" all the same.
        now.checked_add(delay).unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 86_400))
    }
}
