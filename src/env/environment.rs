//! [`UsageEnvironment`] and [`Medium`]: the state of the event loop, its clock and its randomness.
//! The environment's functions are in the files beside this one: delayed tasks in `tasks`, media in
//! `medium`, an application's descriptors in `handlers`, triggers in `triggers`, the library's
//! sockets in `sockets`, the turn in `turn`.

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

/// Conversion from `dyn Medium` to a concrete type. Implemented for every type.
pub trait AsAny: Any {
    /// Returns the object as `Any`.
    fn as_any(&self) -> &dyn Any;
    /// Returns the object as mutable `Any`.
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
    /// Returns the kind of the object, for logging.
    fn kind(&self) -> &'static str;

    /// Returns the name that the medium should have; by default it gets a unique one. If the name
    /// is in use, see [`UsageEnvironment::add`].
    fn name(&self) -> Option<&str> {
        None
    }

    /// Handles an event of a socket, timer or trigger that the medium registered.
    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event);

    /// Called when the medium has been added to the environment: the place to register sockets and
    /// arm timers.
    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        let _ = (env, me);
    }

    /// Called when the medium has been removed from the environment: the place to notify peers and
    /// close sockets. The medium is dropped afterwards.
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
    /// Calls the handler; returns false if it is to be removed.
    fn handle(&mut self, env: &mut UsageEnvironment, readiness: Readiness) -> bool;
    fn descriptor(&self) -> BorrowedFd<'_>;
    /// The value that was passed as the descriptor.
    fn source(&mut self) -> &mut dyn Any;
}

pub(super) type TriggerHandler = Box<dyn FnMut(&mut UsageEnvironment, u64)>;

pub(super) enum World {
    System(System),
    #[cfg(any(test, feature = "simulation"))]
    Simulated(Box<Simulation>),
}

impl World {
    /// The operating system's poll; `None` in a simulation.
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

/// The event loop and all objects that live in it. See the [module documentation](super).
///
/// All ids that an environment issues ([`MediumId`](super::MediumId),
/// [`TaskToken`](super::TaskToken), [`HandlerId`](super::HandlerId)) are valid in this environment
/// only.
///
/// # Example
///
/// A delayed task, and a trigger that another thread calls:
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
    /// When the wait is to end to the microsecond, whatever the slack.
    pub(super) wake_by: Option<Instant>,
    extensions: Extensions,
}

/// Counters of an event loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct LoopStatistics {
    /// Number of turns.
    pub turns: u64,
    /// Number of waits that ended because of an event or a due timer.
    pub wakeups: u64,
    /// Number of expired timers and delayed tasks.
    pub timers_fired: u64,
    /// Number of readiness and trigger events delivered.
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
    /// Creates an environment on the operating system.
    ///
    /// # Errors
    /// The operating system refuses to create a poll or to supply random numbers.
    pub fn new() -> io::Result<Self> {
        let (system, waker) = System::new()?;
        let (clock, random) = (Clock::system(), Random::system()?);
        Ok(Self::of(World::System(system), clock, random, Some(waker)))
    }

    /// Creates a simulated environment: a virtual clock, seeded randomness and an in-memory
    /// network. Its behaviour depends only on the calls made and on `seed`.
    ///
    /// It is meant for tests, and compiled only with the feature `simulation`. An application that
    /// enables the feature for its tests only ships without the simulated network:
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
            wake_by: None,
            extensions: Extensions::default(),
        }
    }

    /// Returns whether this is a simulated environment (feature `simulation`).
    #[cfg(any(test, feature = "simulation"))]
    pub fn is_simulated(&self) -> bool {
        matches!(self.world, World::Simulated(_))
    }

    /// Returns the controls of the simulated network: link properties, faults (feature
    /// `simulation`). `None` in an environment on the operating system.
    #[cfg(any(test, feature = "simulation"))]
    pub fn simulation(&mut self) -> Option<&mut Simulation> {
        match &mut self.world {
            World::System(_) => None,
            #[cfg(any(test, feature = "simulation"))]
            World::Simulated(simulation) => Some(simulation),
        }
    }

    /// Makes the wall clock of a simulated environment jump by `seconds` (feature `simulation`). No
    /// effect in an environment on the operating system.
    #[cfg(any(test, feature = "simulation"))]
    pub fn jump_wall_clock(&mut self, seconds: i64) {
        if self.is_simulated() {
            self.clock.jump_wall(seconds);
        }
    }

    /// Returns the monotonic time of this turn, which is read once per turn, after the wait.
    /// Between turns, returns the present time.
    pub fn now(&self) -> Instant {
        if self.in_turn { self.clock.now() } else { self.clock.fresh() }
    }

    /// Returns the wall-clock time that corresponds to [`now`](Self::now), since the Unix epoch. It
    /// may jump.
    pub fn wall_clock(&self) -> Duration {
        self.clock.wall(self.now())
    }

    /// Fills `buf` with random bytes from the operating system, suitable for secrets; in a
    /// simulation, from its seeded generator.
    pub fn fill_random(&mut self, buf: &mut [u8]) {
        self.random.fill(buf);
    }

    /// Returns a random number from the same source as [`fill_random`](Self::fill_random).
    pub fn random_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Returns the counters of the loop.
    pub fn statistics(&self) -> LoopStatistics {
        self.statistics
    }

    /// A value of type `T` that a higher layer keeps in this environment; created by the first
    /// call.
    pub(crate) fn extension<T: Any + Default>(&mut self) -> &mut T {
        self.extensions.entry()
    }
}
