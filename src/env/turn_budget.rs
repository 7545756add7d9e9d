//! [`TurnBudget`]: a limit on the work of one kind in a turn of the loop.

use super::environment::UsageEnvironment;

/// An amount of work for each turn of the loop. It is restored when the next turn begins, whatever
/// was consumed in the previous one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TurnBudget {
    turn: Option<u64>,
    spent: usize,
}

impl TurnBudget {
    /// The amount that is left of `whole` in this turn.
    pub(crate) fn left(&mut self, env: &UsageEnvironment, whole: usize) -> usize {
        let turn = Some(env.statistics().turns);
        if self.turn != turn {
            *self = Self { turn, spent: 0 };
        }
        whole.saturating_sub(self.spent)
    }

    /// Consumes `amount` of this turn's rest.
    pub(crate) fn take(&mut self, amount: usize) {
        self.spent = self.spent.saturating_add(amount);
    }

    /// Consumes one unit of `whole`; returns false if none is left in this turn.
    pub(crate) fn spend(&mut self, env: &UsageEnvironment, whole: usize) -> bool {
        let has_one = self.left(env, whole) > 0;
        if has_one {
            self.take(1);
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_turn_has_its_own() {
        let mut env = UsageEnvironment::simulated(1);
        let mut budget = TurnBudget::default();
        for _ in 0..3 {
            assert!(budget.spend(&env, 2) && budget.spend(&env, 2));
            assert!(!budget.spend(&env, 2));
            assert_eq!(budget.left(&env, 5), 3);
            budget.take(9);
            assert_eq!(budget.left(&env, 5), 0);
            env.turn(Some(Duration::ZERO)).unwrap();
        }
    }
}
