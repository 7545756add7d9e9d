//! Readiness handlers for an application's own descriptors.
//!
//! The poll is edge-triggered, handlers are level-triggered: the descriptor is registered anew
//! after each call, so the handler is called again while the descriptor is ready. The
//! environment watches a duplicate of the descriptor, so a number that the application closed and
//! the system gave to another is never mistaken for the old one.

use super::environment::{DescriptorHandler, UsageEnvironment};
use super::id::EnvironmentId;
use super::readiness::{Interest, Readiness};
use super::registration::{Registration, Target};
use super::system::System;
use crate::arena::RawId;
use std::any::Any;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Names the handler of an application's descriptor. In another environment than its own it names
/// nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HandlerId {
    environment: EnvironmentId,
    raw: RawId,
}

/// A descriptor of the application, and the handler that is called when it is ready.
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
    /// Has `handler` called again and again while `source` is ready in a way that `interest` asks
    /// for. The environment keeps `source` and hands it to the handler, which needs no copy of its
    /// own; it is dropped with the handler. Hand in a `try_clone` or an [`Rc`](std::rc::Rc) to keep
    /// a share of it.
    ///
    /// A handler that blocks stops the loop: make the descriptor non-blocking, or read no more
    /// than once a call. A handler may put another descriptor in the place of its own (when it
    /// connects again, say); from then on that one is watched.
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
    /// The operating system's, for a descriptor that cannot be watched (a regular file, say);
    /// `Unsupported` in a simulated world, which has no descriptors, and for
    /// [`Interest::PRIORITY`] where there is no such thing.
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

    /// Changes the interest of a handler; [`Interest::NONE`] rests it. False if it has been
    /// removed or is not of this environment.
    ///
    /// # Errors
    /// Those of [`set_background_handling`](Self::set_background_handling); the handler then
    /// rests.
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

    /// Gives a handler another descriptor, and drops the one that it had. False if the handler has
    /// been removed or is not of this environment. (In its own call a handler changes what it was
    /// handed instead.)
    ///
    /// # Errors
    /// The operating system's, for a descriptor that cannot be watched; `InvalidInput` for one of
    /// another type than the handler is called with; `WouldBlock` while the handler is being
    /// called. The handler then keeps the old descriptor.
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

    /// Removes a handler, which drops its descriptor. It may be called from anywhere, also from
    /// the handler itself. False if it has been removed before or is not of this environment.
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

    /// Runs a handler outside of its slot; afterwards the poll is asked anew.
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

/// Watches a duplicate of `to` instead of the present descriptor. On an error all stays as it was.
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
