//! [`Event`]: the news that the environment brings a medium.

use super::id::EventKey;
use super::readiness::Readiness;

/// The news of a socket, timer or trigger that a medium registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A socket is ready. The event comes again each turn until an operation on the socket returns
    /// `WouldBlock` or the interest is withdrawn.
    Readiness {
        /// The key that was given to the socket's `watch`.
        key: EventKey,
        /// The readiness, of the kinds that were asked for.
        readiness: Readiness,
    },
    /// A timer is due.
    Timer {
        /// The key that was given to
        /// [`arm_timer`](super::UsageEnvironment::arm_timer).
        key: EventKey,
    },
    /// A trigger was triggered.
    Trigger {
        /// The key that was given to
        /// [`create_medium_trigger`](super::UsageEnvironment::create_medium_trigger).
        key: EventKey,
        /// How often, since the last event of this trigger.
        count: u64,
    },
}
