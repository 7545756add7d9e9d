//! [`Registrations`]: the sockets and descriptors that are registered with the poll, their owners,
//! and their readiness.
//!
//! The poll is edge-triggered: it reports a change of readiness once. Readiness is therefore cached
//! here until an operation finds it used up. An event carries index *and* generation: with the
//! index only, an event of a closed connection would reach the one that took its slot in the same
//! batch.

use super::id::{EventKey, MediumHandle};
use super::readiness::{Interest, Readiness};
use crate::arena::{Arena, Id, RawId};
use std::os::fd::OwnedFd;

/// The receiver of a registration's readiness events; `H` is the type of an application's handler.
pub(super) enum Target<H> {
    /// A library socket of a medium, with its key.
    Medium { owner: MediumHandle, key: EventKey },
    /// An application's descriptor (a duplicate, so that its number cannot be reused while it is
    /// registered). The handler is moved out while it runs.
    Handler { fd: OwnedFd, handler: Option<H> },
}

pub(super) struct Registration<H> {
    pub(super) target: Target<H>,
    pub(super) interest: Interest,
    pub(super) ready: Readiness,
    /// Whether the peer has ended its direction: a short read does not imply that nothing more
    /// follows.
    pub(super) read_closed: bool,
    /// Whether the poll watches for room to write too.
    pub(super) polls_writable: bool,
    queued: bool,
}

/// Half of the bits of a token: index below, generation above.
const HALF: u32 = usize::BITS / 2;
const HALF_MASK: usize = (1 << HALF) - 1;

/// Permanent capacity of a queue: a poll returns no more events.
const QUEUE_CAPACITY: usize = 1024;

/// Token of the waker: an index that no registration has.
pub(super) const WAKE: usize = usize::MAX;

pub(super) const fn token(id: RawId) -> usize {
    (id.index as usize & HALF_MASK) | ((id.generation as usize & HALF_MASK) << HALF)
}

/// The table of registrations, and the queue of those with an event for their owner.
pub(super) struct Registrations<H> {
    slots: Arena<Registration<H>>,
    pub(super) queue: Vec<RawId>,
    /// The emptied queue of the previous turn, whose memory the next one reuses.
    pub(super) spare: Vec<RawId>,
}

impl<H> Default for Registrations<H> {
    fn default() -> Self {
        let queue = || Vec::with_capacity(QUEUE_CAPACITY);
        Self { slots: Arena::new(), queue: queue(), spare: queue() }
    }
}

impl<H> Registrations<H> {
    /// Inserts a registration; `None` if there are more than a token can distinguish (65,535 with
    /// 32-bit pointers).
    pub(super) fn insert(&mut self, target: Target<H>, interest: Interest) -> Option<RawId> {
        // A slot is used again before a new one is made: numbers are below the count.
        if self.slots.len() >= HALF_MASK {
            return None;
        }
        let ready = Readiness::NONE;
        let registration = Registration {
            target,
            interest,
            ready,
            read_closed: false,
            polls_writable: true,
            queued: false,
        };
        Some(self.slots.insert(registration).raw())
    }

    pub(super) fn remove(&mut self, id: RawId) -> Option<Registration<H>> {
        self.slots.remove(Id::from_raw(id))
    }

    pub(super) fn get_mut(&mut self, id: RawId) -> Option<&mut Registration<H>> {
        self.slots.get_mut(Id::from_raw(id))
    }

    /// The id that belongs to an event's token, if the registration still exists.
    pub(super) fn resolve(&self, token: usize) -> Option<RawId> {
        let index = token & HALF_MASK;
        let id = self.slots.id_at(index)?.raw();
        (id.generation as usize & HALF_MASK == token >> HALF).then_some(id)
    }

    /// Number of registrations.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Adds to the cached readiness, and queues an event if the owner is interested.
    pub(super) fn add_readiness(&mut self, id: RawId, ready: Readiness) {
        let Some(registration) = self.get_mut(id) else { return };
        registration.ready = registration.ready | ready;
        self.enqueue_if_ready(id);
    }

    pub(super) fn set_interest(&mut self, id: RawId, interest: Interest) -> bool {
        let Some(registration) = self.get_mut(id) else { return false };
        registration.interest = interest;
        self.enqueue_if_ready(id);
        true
    }

    /// Removes readiness that an operation has found used up.
    pub(super) fn clear_readiness(&mut self, id: RawId, used_up: Readiness) {
        if let Some(registration) = self.get_mut(id) {
            registration.ready = registration.ready.without(used_up);
        }
    }

    /// Handles a read that returned fewer bytes than requested: unless the peer has ended, nothing
    /// is left, and the next arrival is a new edge.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn short_read(&mut self, id: RawId) {
        if let Some(registration) = self.get_mut(id) {
            if !registration.read_closed {
                registration.ready.readable = false;
            }
        }
    }

    /// Queues the registration for the next turn if it has an event for its owner.
    pub(super) fn enqueue_if_ready(&mut self, id: RawId) {
        let Some(registration) = self.get_mut(id) else { return };
        if !registration.queued && !(registration.ready & registration.interest).is_none() {
            registration.queued = true;
            self.queue.push(id);
        }
    }

    /// Takes the queue of this turn. Registrations queued from now on belong to the next turn.
    pub(super) fn take_queue(&mut self) -> Vec<RawId> {
        std::mem::replace(&mut self.queue, std::mem::take(&mut self.spare))
    }

    /// Keeps the memory of a queue for the next turn, unless it is unusually large.
    pub(super) fn keep_queue(&mut self, emptied: Vec<RawId>) {
        let is_usual = emptied.capacity() <= QUEUE_CAPACITY;
        self.spare = if is_usual { emptied } else { Vec::with_capacity(QUEUE_CAPACITY) };
    }

    /// Takes the event of a queued registration: its readiness at this moment.
    pub(super) fn take_event(&mut self, id: RawId) -> Option<(Readiness, &mut Registration<H>)> {
        let registration = self.get_mut(id)?;
        registration.queued = false;
        let readiness = registration.ready & registration.interest;
        (!readiness.is_none()).then_some((readiness, registration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target<()> {
        Target::Medium { owner: MediumHandle::default(), key: EventKey::default() }
    }

    #[test]
    fn a_stale_token_does_not_reach_the_next_tenant() {
        let mut table = Registrations::default();
        let first = table.insert(target(), Interest::BOTH).unwrap();
        let stale = token(first);
        assert!(table.remove(first).is_some());
        let second = table.insert(target(), Interest::BOTH).unwrap();
        assert_eq!(first.index, second.index);
        assert_eq!(table.resolve(stale), None);
        assert_eq!(table.resolve(token(second)), Some(second));
        table.add_readiness(first, Readiness::BOTH);
        assert!(table.queue.is_empty());
        assert_eq!(table.resolve(WAKE), None);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn queued_once_and_only_for_what_is_wanted() {
        let mut table = Registrations::default();
        let id = table.insert(target(), Interest::READABLE).unwrap();
        table.add_readiness(id, Readiness::WRITABLE);
        assert!(table.queue.is_empty());
        table.add_readiness(id, Readiness::READABLE);
        table.add_readiness(id, Readiness::READABLE);
        assert_eq!(table.queue, [id]);
        assert_eq!(table.take_event(id).unwrap().0, Readiness::READABLE);
        table.clear_readiness(id, Readiness::READABLE);
        table.queue.clear();
        // The writability that was cached unasked is told when asked for.
        assert!(table.set_interest(id, Interest::BOTH));
        assert_eq!(table.take_event(id).unwrap().0, Readiness::WRITABLE);
    }
}
