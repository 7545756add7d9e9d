//! [`UsageEnvironment`] and [`Medium`], which name each other: the loop's state, its clock and its
//! randomness. What an environment does stands in the files beside this one: delayed tasks in
//! `tasks`, media in `medium`, an application's descriptors in `handlers`, triggers in `triggers`,
//! the library's sockets in `sockets`, the turn in `turn`.

use super::clock::Clock;
use super::delay_queue::DelayQueue;
use super::event::Event;
use super::extensions::Extensions;
use super::graveyard::Graveyard;
use super::id::{EnvironmentId, EventKey, MediumHandle};
use super::media::Media;
use super::random::Random;
use super::readiness::Readiness;
use super::registration::Registrations;
#[cfg(any(test, feature = "simulation"))]
use super::sim::Simulation;
use super::system::System;
use super::trigger::{Hub, Triggers};
use std::any::Any;
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The way from `dyn Medium` to its type. Every type implements it.
pub trait AsAny: Any {
    /// The object as `Any`.
    fn as_any(&self) -> &dyn Any;
    /// The object as `Any`.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<T: Any> AsAny for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// An object that lives in the environment: a server, a client, a proxy.
pub trait Medium: Any + AsAny {
    /// What kind of object it is, for logs.
    fn kind(&self) -> &'static str;

    /// The name that the medium asks for when it is added; by default it gets a unique one. See
    /// [`UsageEnvironment::add`] for a name that is taken.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Handles an event of a socket, timer or trigger that the medium registered.
    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event);

    /// The medium is in the table: the time to register sockets and arm timers.
    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        let _ = (env, me);
    }

    /// The medium has left the table: the time to take leave of peers and to close sockets. It is
    /// dropped afterwards.
    fn on_close(&mut self, env: &mut UsageEnvironment) {
        let _ = env;
    }
}

/// The action at a deadline.
pub(super) enum Due {
    Task(Box<dyn FnOnce(&mut UsageEnvironment)>),
    Timer { owner: MediumHandle, key: EventKey },
}

/// An application's descriptor with its handler.
pub(super) trait DescriptorHandler {
    /// False if it is not to be called again.
    fn handle(&mut self, env: &mut UsageEnvironment, readiness: Readiness) -> bool;
    fn descriptor(&self) -> BorrowedFd<'_>;
    /// The value that was handed in as the descriptor.
    fn source(&mut self) -> &mut dyn Any;
}

pub(super) type TriggerHandler = Box<dyn FnMut(&mut UsageEnvironment, u64)>;

pub(super) enum World {
    System(System),
    #[cfg(any(test, feature = "simulation"))]
    Simulated(Box<Simulation>),
}

impl World {
    /// The operating system, if this is its world.
    pub(super) fn system(&self) -> Option<&System> {
        match self {
            Self::System(system) => Some(system),
            #[cfg(any(test, feature = "simulation"))]
            Self::Simulated(_) => None,
        }
    }
}

/// A wake-up costs as much as sending several packets (measured: fifty streams of 25 frames a
/// second take a quarter less CPU with 1 ms, and a tenth less again with 2 ms), and no receiver's
/// jitter buffer is so small.
const DEFAULT_TIMER_SLACK: Duration = Duration::from_millis(2);

/// The event loop with all that lives in it. See the [module](super).
///
/// Every id that an environment gives out ([`MediumId`](super::MediumId),
/// [`TaskToken`](super::TaskToken), [`HandlerId`](super::HandlerId)) is of this environment: in
/// another one, it names nothing.
///
/// # Example
///
/// A delayed task, and a trigger that another thread uses:
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
    pub(super) identity: EnvironmentId,
    pub(super) world: World,
    pub(super) clock: Clock,
    random: Random,
    pub(super) tasks: DelayQueue<Due>,
    pub(super) registrations: Registrations<Box<dyn DescriptorHandler>>,
    pub(super) media: Media<dyn Medium>,
    pub(super) triggers: Triggers<TriggerHandler>,
    pub(super) statistics: LoopStatistics,
    pub(super) graveyard: Arc<Graveyard>,
    pub(super) in_turn: bool,
    pub(super) timer_slack: Duration,
    extensions: Extensions,
}

/// Counts of what the loop has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
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

impl fmt::Debug for UsageEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageEnvironment")
            .field("simulated", &self.world.system().is_none())
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
    /// When the operating system grants no poll or no randomness.
    pub fn new() -> io::Result<Self> {
        let (system, waker) = System::new()?;
        let (clock, random) = (Clock::system(), Random::system()?);
        Ok(Self::of(World::System(system), clock, random, Some(waker)))
    }

    /// An environment of its own world: a virtual clock, seeded randomness and an in-memory
    /// network. What happens in it depends on nothing but the calls made and `seed`.
    ///
    /// It is meant for tests, and is compiled only with the feature `simulation`. An application
    /// that names the feature for its tests alone ships without the simulated network:
    ///
    /// ```toml
    /// [dependencies]
    /// riverrun = "0.2"
    ///
    /// [dev-dependencies]
    /// riverrun = { version = "0.2", features = ["simulation"] }
    /// ```
    #[cfg(any(test, feature = "simulation"))]
    pub fn simulated(seed: u64) -> Self {
        let clock = Clock::simulated();
        let simulation = Simulation::new(seed, clock.now());
        // The network draws from a stream of its own: the draws of the code under test do not
        // change which packets are lost.
        let random = Random::seeded(seed ^ 0x005e_ed0f_c0de);
        Self::of(World::Simulated(Box::new(simulation)), clock, random, None)
    }

    fn of(world: World, clock: Clock, random: Random, waker: Option<mio::Waker>) -> Self {
        let identity = EnvironmentId::unique();
        Self {
            identity,
            world,
            clock,
            random,
            tasks: DelayQueue::new(identity),
            registrations: Registrations::default(),
            media: Media::new(identity),
            triggers: Triggers::new(Hub::new(waker)),
            statistics: LoopStatistics::default(),
            graveyard: Arc::default(),
            in_turn: false,
            timer_slack: DEFAULT_TIMER_SLACK,
            extensions: Extensions::default(),
        }
    }

    /// Whether this is a simulated world (feature `simulation`).
    #[cfg(any(test, feature = "simulation"))]
    pub fn is_simulated(&self) -> bool {
        matches!(self.world, World::Simulated(_))
    }

    /// The controls of the simulated world: link qualities, faults (feature `simulation`). `None` in
    /// an environment of the operating system.
    #[cfg(any(test, feature = "simulation"))]
    pub fn simulation(&mut self) -> Option<&mut Simulation> {
        match &mut self.world {
            World::System(_) => None,
            #[cfg(any(test, feature = "simulation"))]
            World::Simulated(simulation) => Some(simulation),
        }
    }

    /// Makes the wall clock of a simulated world jump by `seconds` (feature `simulation`). In an
    /// environment of the operating system it does nothing.
    #[cfg(any(test, feature = "simulation"))]
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

    /// Fills `buf` with random bytes: from the operating system, fit for secrets; in a simulated
    /// world, from its seeded generator.
    pub fn fill_random(&mut self, buf: &mut [u8]) {
        self.random.fill(buf);
    }

    /// A random number of the same origin as the bytes of [`fill_random`](Self::fill_random).
    pub fn random_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Counts of what the loop has done so far.
    pub fn statistics(&self) -> LoopStatistics {
        self.statistics
    }

    /// A value that a room above keeps in this environment; it is made at the first call.
    pub(crate) fn extension<T: Any + Default>(&mut self) -> &mut T {
        self.extensions.entry()
    }
}
