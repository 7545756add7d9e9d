//! [`BufferBudget`]: the memory that all connections of an owner may use together for what they
//! hold: input that is no whole message yet, and queued output.

use std::cell::Cell;
use std::rc::Rc;

/// A number of bytes that connections share.
///
/// Media may use no more than is left afterwards, so that a connection that reads nothing leaves
/// room for others: with one of them it gets half of all, with two a third.
#[derive(Clone, Debug)]
pub(crate) struct BufferBudget(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    used: Cell<usize>,
    /// Frames that were dropped, and connections that were closed, for want of room.
    refused: Cell<u64>,
}

impl BufferBudget {
    pub(crate) fn new(max: usize) -> Self {
        Self(Rc::new(Shared { max, used: Cell::new(0), refused: Cell::new(0) }))
    }

    /// A budget without a limit, as of a client, whose connection has limits of its own.
    pub(crate) fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Bytes that are in use.
    pub(crate) fn used(&self) -> usize {
        self.0.used.get()
    }

    /// How often there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.get()
    }

    pub(crate) fn note_refused(&self) {
        self.0.refused.set(self.0.refused.get().saturating_add(1));
    }

    /// Whether a queue that holds `held` bytes may hold `more`.
    fn has_room(&self, held: usize, more: usize) -> bool {
        let free = self.0.max.saturating_sub(self.used());
        held.saturating_add(more) <= free.saturating_sub(more)
    }

    fn is_exceeded(&self) -> bool {
        self.used() > self.0.max
    }

    fn change(&self, from: usize, to: usize) {
        self.0.used.set(self.used().saturating_sub(from).saturating_add(to));
    }
}

/// What one connection uses of a budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct BufferShare {
    budget: BufferBudget,
    held: usize,
}

impl BufferShare {
    pub(crate) const fn new(budget: BufferBudget) -> Self {
        Self { budget, held: 0 }
    }

    /// States how many bytes the connection holds now.
    pub(crate) fn set(&mut self, held: usize) {
        if held != self.held {
            self.budget.change(self.held, held);
            self.held = held;
        }
    }

    /// Whether the connection may hold `more` bytes of media; counts a refusal.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        let has = self.budget.has_room(self.held, more);
        if !has {
            self.budget.note_refused();
        }
        has
    }

    /// Counts that something was given up for want of room.
    pub(crate) fn note_refused(&self) {
        self.budget.note_refused();
    }

    /// Whether all connections together hold too much, and this one more than a little.
    pub(crate) fn is_too_much(&self, little: usize) -> bool {
        self.held > little && self.budget.is_exceeded()
    }
}

impl Drop for BufferShare {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_nothing_leaves_room_for_others() {
        let budget = BufferBudget::new(1200);
        let mut shares: Vec<_> = (0..3).map(|_| BufferShare::new(budget.clone())).collect();
        let fill = |share: &mut BufferShare| {
            while share.has_room(10) {
                share.set(share.held + 10);
            }
            share.held
        };
        let held: Vec<_> = shares.iter_mut().map(fill).collect();
        assert!((550..=600).contains(&held[0]), "{held:?}");
        assert!(held[1] >= 200 && held[2] >= 100 && budget.used() < 1200, "{held:?}");
        assert_eq!(budget.refused(), 3);
        shares.clear();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_cannot_be_refused_may_exceed_it_and_is_noticed() {
        let budget = BufferBudget::new(100);
        let (mut a, mut b) = (BufferShare::new(budget.clone()), BufferShare::new(budget.clone()));
        a.set(90);
        assert!(!a.is_too_much(20) && !b.is_too_much(20));
        b.set(15);
        assert!(a.is_too_much(20) && !b.is_too_much(20));
        a.set(80);
        assert!(!a.is_too_much(20));
    }
}
