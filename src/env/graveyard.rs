//! [`Graveyard`]: the list of dropped sockets, by which the loop clears up after them.

use crate::arena::RawId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Sockets and registrations that were dropped without the environment at hand.
#[derive(Debug, Default)]
pub(crate) struct Graveyard {
    used: AtomicBool,
    dead: Mutex<Vec<Dead>>,
}

/// An entry of the environment that a dropped socket leaves behind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dead {
    Registration(RawId),
    #[cfg(any(test, feature = "simulation"))]
    SimulatedSocket(RawId),
}

impl Graveyard {
    pub(crate) fn bury(&self, dead: Dead) {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner).push(dead);
        self.used.store(true, Ordering::Release);
    }

    pub(super) fn take(&self) -> Vec<Dead> {
        if !self.used.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.dead.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
