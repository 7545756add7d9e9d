//! [`Timer`]: a deadline of a medium, which can be moved.

use super::delay_queue::TaskToken;
use std::time::Instant;

/// A timer of a medium, which [`arm_timer`](super::UsageEnvironment::arm_timer) can arm any number
/// of times. It has at most one deadline. Dropping it does not disarm it.
#[derive(Debug, Default)]
pub struct Timer {
    pub(super) token: Option<TaskToken>,
    pub(super) at: Option<Instant>,
}

impl Timer {
    /// Creates a timer that is not armed.
    pub const fn new() -> Self {
        Self { token: None, at: None }
    }

    /// Returns the deadline for which the timer was last armed, unless it was disarmed since; it
    /// may have passed.
    pub fn armed_at(&self) -> Option<Instant> {
        self.at
    }
}
