//! Readiness handlers for an application's own descriptors.
//!
//! The poll is edge-triggered, handlers are level-triggered: the descriptor is registered anew
//! after each call, so that the handler is called again while the descriptor is ready. The
//! environment watches a duplicate of the descriptor, so that a number which the application closed
//! and the system reused is never mistaken for the old one.

use super::environment::{DescriptorHandler, UsageEnvironment};
use super::id::EnvironmentId;
use super::readiness::{Interest, Readiness};
use super::registration::{Registration, Target};
use super::system::System;
use crate::arena::RawId;
use std::any::Any;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// The id of a handler of an application's descriptor. It is invalid in any other environment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HandlerId {
    environment: EnvironmentId,
    raw: RawId,
}

/// A descriptor of the application with its handler.
struct Handling<S, F> {
    source: S,
    handler: F,
}

impl<S, F> DescriptorHandler for Handling<S, F>
where
    S: AsFd + 'static,
    F: FnMut(&mut UsageEnvironment, &mut S, Readiness),
{
    fn handle(&mut self, env: &mut UsageEnvironment, readiness: Readiness) -> bool {
        (self.handler)(env, &mut self.source, readiness);
        true
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }

    fn source(&mut self) -> &mut dyn Any {
        &mut self.source
    }
}

type Descriptor<'a> = (&'a System, &'a mut Registration<Box<dyn DescriptorHandler>>);

impl UsageEnvironment {
    /// Calls `handler` repeatedly while `source` is ready as `interest` requests. The environment
    /// owns `source` and passes it to the handler, which needs no copy; both are dropped together.
    /// Pass a `try_clone` or an [`Rc`](std::rc::Rc) to keep access to it.
    ///
    /// A handler that blocks stops the loop: make the descriptor non-blocking, or read at most once
    /// per call. A handler may replace its descriptor by another one (to reconnect, for example);
    /// the new one is watched from then on.
    ///
    /// ```
    /// use riverrun::env::{Interest, UsageEnvironment};
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use std::time::Duration;
    ///
    /// let mut env = UsageEnvironment::new()?;
    /// let (mut button, line) = UnixStream::pair()?;
    /// line.set_nonblocking(true)?;
    /// env.set_background_handling(line, Interest::READABLE, |env, line, readiness| {
    ///     assert!(readiness.readable);
    ///     let mut pressed = [0; 16];
    ///     if let Ok(times @ 1..) = line.read(&mut pressed) {
    ///         env.schedule_delayed_task(Duration::ZERO, move |_| println!("{times} times"));
    ///     }
    /// })?;
    /// button.write_all(b"!")?;
    /// env.turn(None)?;
    /// assert_eq!(env.delayed_tasks(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The operating system's error for a descriptor that cannot be watched (such as a regular
    /// file); `Unsupported` in a simulated environment, which has no descriptors, and for
    /// [`Interest::PRIORITY`] where the system does not support it.
    pub fn set_background_handling<S: AsFd + 'static>(
        &mut self,
        source: S,
        interest: Interest,
        handler: impl FnMut(&mut Self, &mut S, Readiness) + 'static,
    ) -> io::Result<HandlerId> {
        self.add_handler(Box::new(Handling { source, handler }), interest)
    }

    pub(super) fn add_handler(
        &mut self,
        handler: Box<dyn DescriptorHandler>,
        interest: Interest,
    ) -> io::Result<HandlerId> {
        let Some(system) = self.world.system() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let fd = handler.descriptor().try_clone_to_owned()?;
        let target = Target::Handler { fd, handler: Some(handler) };
        let raw = self.registrations.insert(target, interest).ok_or(io::ErrorKind::OutOfMemory)?;
        let registration = self.registrations.get_mut(raw).ok_or(io::ErrorKind::NotFound)?;
        if let Err(e) = system.watch_descriptor(raw, registration) {
            self.registrations.remove(raw);
            return Err(e);
        }
        Ok(HandlerId { environment: self.identity, raw })
    }

    /// Changes the interest of a handler; [`Interest::NONE`] suspends it. Returns false if the
    /// handler has been removed or belongs to another environment.
    ///
    /// # Errors
    /// Those of [`set_background_handling`](Self::set_background_handling); the handler is
    /// suspended in that case.
    pub fn change_background_handling(
        &mut self,
        id: HandlerId,
        interest: Interest,
    ) -> io::Result<bool> {
        let Some((system, registration)) = self.descriptor(id) else { return Ok(false) };
        system.forget_descriptor(registration);
        registration.interest = interest;
        registration.ready = Readiness::NONE;
        let result = system.watch_descriptor(id.raw, registration);
        if result.is_err() {
            registration.interest = Interest::NONE;
        }
        result.map(|()| true)
    }

    /// Gives a handler another descriptor, and drops its present one. Returns false if the handler
    /// has been removed or belongs to another environment. (A handler that is being called should
    /// replace its argument instead.)
    ///
    /// # Errors
    /// The operating system's error for a descriptor that cannot be watched; `InvalidInput` for a
    /// type other than that of the handler's descriptor; `WouldBlock` while the handler is being
    /// called. The handler keeps its descriptor in these cases.
    pub fn move_background_handling<S: AsFd + 'static>(
        &mut self,
        id: HandlerId,
        source: S,
    ) -> io::Result<bool> {
        let Some((system, registration)) = self.descriptor(id) else { return Ok(false) };
        let Target::Handler { handler, .. } = &mut registration.target else { return Ok(false) };
        let Some(mut handling) = handler.take() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let result = match handling.source().downcast_mut::<S>() {
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "another type of descriptor")),
            Some(place) => {
                let moved = move_to(system, id.raw, registration, source.as_fd());
                moved.map(|()| *place = source)
            }
        };
        put_back(registration, handling);
        result.map(|()| true)
    }

    /// Removes a handler and drops its descriptor. May be called from anywhere, including the
    /// handler itself. Returns false if it has been removed before or belongs to another
    /// environment.
    pub fn remove_background_handling(&mut self, id: HandlerId) -> bool {
        let Some((system, registration)) = self.descriptor(id) else { return false };
        system.forget_descriptor(registration);
        self.registrations.remove(id.raw).is_some()
    }

    fn descriptor(&mut self, id: HandlerId) -> Option<Descriptor<'_>> {
        let system = self.world.system()?;
        if id.environment != self.identity {
            return None;
        }
        let registration = self.registrations.get_mut(id.raw)?;
        matches!(registration.target, Target::Handler { .. }).then_some((system, registration))
    }

    /// Calls a handler that has been moved out of its slot; registers the descriptor anew
    /// afterwards.
    pub(super) fn run_handler(
        &mut self,
        raw: RawId,
        mut handler: Box<dyn DescriptorHandler>,
        mut readiness: Readiness,
    ) {
        if readiness.readable && readiness.priority {
            // The poll reports an exceptional condition as both.
            readiness = System::look(handler.descriptor(), readiness);
        }
        let watched = handler.descriptor().as_raw_fd();
        let goes_on = readiness.is_none() || handler.handle(self, readiness);
        let id = HandlerId { environment: self.identity, raw };
        let Some((system, registration)) = self.descriptor(id) else { return };
        // The cached readiness is stale now, whatever the handler did; to register anew reports
        // the present one.
        registration.ready = Readiness::NONE;
        let fd = handler.descriptor();
        let result = if !goes_on {
            self.remove_background_handling(id);
            return;
        } else if fd.as_raw_fd() == watched {
            system.rewatch_descriptor(raw, registration)
        } else {
            move_to(system, raw, registration, fd)
        };
        put_back(registration, handler);
        if let Err(e) = result {
            log::warn!("a descriptor cannot be watched any more: {e}");
        }
    }
}

fn put_back<H>(registration: &mut Registration<H>, handler: H) {
    if let Target::Handler { handler: place, .. } = &mut registration.target {
        *place = Some(handler);
    }
}

/// Watches a duplicate of `to` instead of the present descriptor. On an error nothing changes.
fn move_to<H>(
    system: &System,
    raw: RawId,
    registration: &mut Registration<H>,
    to: BorrowedFd<'_>,
) -> io::Result<()> {
    let to = to.try_clone_to_owned()?;
    let old = match &mut registration.target {
        Target::Handler { fd, .. } => std::mem::replace(fd, to),
        Target::Medium { .. } => return Ok(()),
    };
    match (system.watch_descriptor(raw, registration), &mut registration.target) {
        (Err(e), Target::Handler { fd, .. }) => {
            *fd = old;
            Err(e)
        }
        (result, _) => {
            registration.ready = Readiness::NONE;
            if !registration.interest.is_none() {
                system.forget(&old);
            }
            result
        }
    }
}
