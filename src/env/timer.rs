//! [`Timer`]: a deadline of a medium, which may be moved at will.

use super::delay_queue::TaskToken;
use std::time::Instant;

/// A timer of a medium, to be armed any number of times by
/// [`arm_timer`](super::UsageEnvironment::arm_timer). It holds at most one deadline. To drop it
/// leaves a deadline that is still armed in place; disarm it before.
#[derive(Debug, Default)]
pub struct Timer {
    pub(super) token: Option<TaskToken>,
    pub(super) at: Option<Instant>,
}

impl Timer {
    /// A timer that is not armed.
    pub const fn new() -> Self {
        Self { token: None, at: None }
    }

    /// The deadline that it was last armed for, unless it was disarmed since; it may have passed.
    pub fn armed_at(&self) -> Option<Instant> {
        self.at
    }
}
