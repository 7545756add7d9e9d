//! [`Graveyard`]: the list of dropped sockets whose registrations the loop removes.

use crate::arena::RawId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Sockets and registrations that were dropped without access to the environment.
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
