//! [`Event`]: an event that the environment delivers to a medium.

use super::id::EventKey;
use super::readiness::Readiness;

/// An event of a socket, timer or trigger that a medium registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A socket is ready. The event is repeated each turn until an operation on the socket returns
    /// `WouldBlock`, or the interest is withdrawn.
    Readiness {
        /// The key passed to the socket's `watch`.
        key: EventKey,
        /// The readiness, limited to the requested kinds.
        readiness: Readiness,
    },
    /// A timer is due.
    Timer {
        /// The key passed to [`arm_timer`](super::UsageEnvironment::arm_timer).
        key: EventKey,
    },
    /// A trigger was triggered.
    Trigger {
        /// The key passed to
        /// [`create_medium_trigger`](super::UsageEnvironment::create_medium_trigger).
        key: EventKey,
        /// Number of calls since the last event of this trigger.
        count: u64,
    },
}
