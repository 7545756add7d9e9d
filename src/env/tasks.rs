//! Delayed tasks of an application, and timers of media.

use super::delay_queue::TaskToken;
use super::environment::{Due, UsageEnvironment};
use super::id::{EventKey, MediumHandle};
use super::timer::Timer;
use std::time::{Duration, Instant};

/// Most deadlines that expire in one turn; the rest follows in the next, without a wait.
const FIRED_A_TURN: usize = 65_536;

impl UsageEnvironment {
    /// Calls `task` once, when `delay` has elapsed since [`now`](Self::now), and not within this
    /// turn.
    ///
    /// ```
    /// use riverrun::env::UsageEnvironment;
    /// use std::time::Duration;
    ///
    /// let mut env = UsageEnvironment::new()?;
    /// let (start, delay) = (env.now(), Duration::from_millis(20));
    /// env.schedule_delayed_task(delay, move |env| {
    ///     assert!(env.now() - start >= delay);
    /// });
    /// while env.delayed_tasks() > 0 {
    ///     env.turn(None)?;
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn schedule_delayed_task(
        &mut self,
        delay: Duration,
        task: impl FnOnce(&mut Self) + 'static,
    ) -> TaskToken {
        let at = self.deadline(delay);
        self.tasks.insert(at, Due::Task(Box::new(task)))
    }

    /// Cancels a task. Returns false if it has run, has been cancelled before, or belongs to
    /// another environment.
    pub fn unschedule_delayed_task(&mut self, token: TaskToken) -> bool {
        self.tasks.remove(token).is_some()
    }

    /// Gives a task a new delay from [`now`](Self::now). Returns false if it has run, has been
    /// cancelled, or belongs to another environment.
    pub fn reschedule_delayed_task(&mut self, token: TaskToken, delay: Duration) -> bool {
        let at = self.deadline(delay);
        self.tasks.rearm(token, at)
    }

    /// Allows tasks and timers to be late by up to `slack`, so that one wake-up serves several that
    /// are due in short succession: many streams cost fewer wake-ups, and each frame may be late by
    /// that time. The default is two milliseconds. No effect in a simulated environment.
    pub fn set_timer_slack(&mut self, slack: Duration) {
        self.timer_slack = slack;
    }

    /// Returns the greatest lateness of tasks and timers; see
    /// [`set_timer_slack`](Self::set_timer_slack).
    pub fn timer_slack(&self) -> Duration {
        self.timer_slack
    }

    /// Ends the next wait at `at` to the microsecond, for a timer that is too short for the slack.
    pub(crate) fn wake_by(&mut self, at: Instant) {
        self.wake_by = Some(self.wake_by.map_or(at, |earlier| earlier.min(at)));
    }

    /// Returns the number of delayed tasks and armed timers.
    pub fn delayed_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Arms `timer`, or re-arms it: `owner` receives [`Event::Timer`](super::Event::Timer) with
    /// `key` at `at`, but not before the next turn. Arm it for [`now`](Self::now) to be called
    /// again in the next turn.
    pub fn arm_timer(
        &mut self,
        timer: &mut Timer,
        owner: MediumHandle,
        key: EventKey,
        at: Instant,
    ) {
        // Not before now: a timer armed during a turn has to come behind all that were due in it.
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

    /// Disarms `timer`. No effect if it is not armed, or was armed in another environment.
    pub fn disarm_timer(&mut self, timer: &mut Timer) {
        if let Some(token) = timer.token {
            if !self.tasks.is_of(token) {
                return;
            }
            self.tasks.remove(token);
        }
        *timer = Timer::new();
    }

    /// Returns whether the timer has a deadline that has not expired.
    pub fn is_armed(&self, timer: &Timer) -> bool {
        timer.token.is_some_and(|token| self.tasks.contains(token))
    }

    fn deadline(&self, delay: Duration) -> Instant {
        let now = self.now();
        // A delay longer than the clock can count is "never" all the same.
        now.checked_add(delay).unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 86_400))
    }

    /// Dispatches the deadlines that are due and were armed before the mark.
    pub(super) fn dispatch_timers(&mut self, armed: u64) {
        let now = self.clock.now();
        for _ in 0..FIRED_A_TURN {
            let Some(due) = self.tasks.pop_due(now, armed) else { break };
            self.statistics.timers_fired += 1;
            match due {
                Due::Task(task) => task(self),
                Due::Timer { owner, key } => {
                    self.deliver(owner, super::event::Event::Timer { key });
                }
            }
        }
    }
}
