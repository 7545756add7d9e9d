//! Readiness handlers for an application's own descriptors.
//!
//! An application knows nothing of edges: its handler is called again for as long as the
//! descriptor is ready, because the descriptor is registered anew after each call. The
//! environment keeps a duplicate of the descriptor, so a number that the application closed and
//! the system gave to another is never mistaken for the old one.

use super::UsageEnvironment;
use super::reactor::World;
use super::registration::{Interest, Readiness, Registration, Target};
use super::system::System;
use crate::arena::RawId;
use std::io;
use std::os::fd::AsFd;

pub(super) type Handler = Box<dyn FnMut(&mut UsageEnvironment, Readiness)>;

/// Names the handler of an application's descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HandlerId(RawId);

impl UsageEnvironment {
    /// Has `handler` called for as long as `fd` is ready for what `interest` says. The descriptor
    /// is duplicated: it stays open until the handler is removed, whatever becomes of `fd`.
    ///
    /// # Errors
    /// What the system says of the descriptor; `Unsupported` in the simulated world, which has
    /// none.
    pub fn set_background_handling(
        &mut self,
        fd: impl AsFd,
        interest: Interest,
        handler: impl FnMut(&mut Self, Readiness) + 'static,
    ) -> io::Result<HandlerId> {
        let World::System(system) = &self.world else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let fd = fd.as_fd().try_clone_to_owned()?;
        let target = Target::Handler { fd, handler: Some(Box::new(handler)) };
        let id = self.registrations.insert(target, interest).ok_or(io::ErrorKind::OutOfMemory)?;
        let registration = self.registrations.get_mut(id).ok_or(io::ErrorKind::NotFound)?;
        if let Err(e) = system.watch_descriptor(id, registration) {
            self.registrations.remove(id);
            return Err(e);
        }
        Ok(HandlerId(id))
    }

    /// Changes what a handler wants to hear of; [`Interest::NONE`] rests it. False if it has been
    /// removed.
    pub fn change_background_handling(&mut self, id: HandlerId, interest: Interest) -> bool {
        let Some((system, registration)) = self.descriptor(id) else { return false };
        system.forget_descriptor(registration);
        registration.interest = interest;
        registration.ready = Readiness::NONE;
        if let Err(e) = system.watch_descriptor(id.0, registration) {
            log::warn!("a descriptor cannot be watched any more: {e}");
        }
        true
    }

    /// Lets a handler serve another descriptor. False if it has been removed.
    ///
    /// # Errors
    /// What the system says of the new descriptor; the handler then keeps the old one.
    pub fn move_background_handling(&mut self, id: HandlerId, fd: impl AsFd) -> io::Result<bool> {
        let Some((system, registration)) = self.descriptor(id) else { return Ok(false) };
        let Target::Handler { fd: current, .. } = &mut registration.target else {
            return Ok(false);
        };
        let old = std::mem::replace(current, fd.as_fd().try_clone_to_owned()?);
        let result = system.watch_descriptor(id.0, registration);
        match (&result, &mut registration.target) {
            (Ok(()), _) => {
                registration.ready = Readiness::NONE;
                if !registration.interest.is_none() {
                    system.forget(&old);
                }
            }
            (Err(_), Target::Handler { fd, .. }) => *fd = old,
            (Err(_), Target::Medium { .. }) => {}
        }
        result.map(|()| true)
    }

    /// Removes a handler, from wherever, its own call too. False if it had been removed before.
    pub fn remove_background_handling(&mut self, id: HandlerId) -> bool {
        let Some((system, registration)) = self.descriptor(id) else { return false };
        system.forget_descriptor(registration);
        self.registrations.remove(id.0).is_some()
    }

    fn descriptor(&mut self, id: HandlerId) -> Option<(&System, &mut Registration)> {
        let World::System(system) = &self.world else { return None };
        let registration = self.registrations.get_mut(id.0)?;
        matches!(registration.target, Target::Handler { .. }).then_some((system, registration))
    }

    /// Runs a handler outside of its slot; afterwards the poll is asked anew.
    pub(super) fn run_handler(&mut self, id: RawId, mut handler: Handler, readiness: Readiness) {
        handler(self, readiness);
        let Some((system, registration)) = self.descriptor(HandlerId(id)) else { return };
        if let Target::Handler { handler: slot, .. } = &mut registration.target {
            *slot = Some(handler);
        }
        // What it was told of is stale now, whatever it did; the registration says what is true.
        registration.ready = Readiness::NONE;
        if let Err(e) = system.rewatch_descriptor(id, registration) {
            log::warn!("a descriptor cannot be watched any more: {e}");
        }
    }
}
