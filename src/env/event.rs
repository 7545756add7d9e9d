//! [`Event`]: what a medium is told.

use super::id::EventKey;
use super::readiness::Readiness;

/// What has happened to something that a medium registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A socket is ready. The event comes again each turn until an operation on the socket returns
    /// `WouldBlock` or the interest is withdrawn.
    Readiness {
        /// The key that was given to the socket's `watch`.
        key: EventKey,
        /// What it is ready for, of what was asked.
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
