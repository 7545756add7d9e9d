//! The loop's interface for the library's sockets: `net` registers them here, and reports when an
//! operation has used up their readiness.

use super::environment::{UsageEnvironment, World};
use super::graveyard::Graveyard;
use super::id::{EnvironmentId, EventKey, MediumHandle};
use super::readiness::{Interest, Readiness};
use super::registration::Target;
#[cfg(any(test, feature = "simulation"))]
use super::sim::Simulation;
use crate::arena::RawId;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

/// The id of the registration of a library socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegistrationId {
    environment: EnvironmentId,
    raw: RawId,
}

impl RegistrationId {
    /// The untyped id in its environment.
    pub(crate) fn raw(self) -> RawId {
        self.raw
    }
}

/// The id of a socket of a simulated network.
#[cfg(any(test, feature = "simulation"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulatedId {
    environment: EnvironmentId,
    raw: RawId,
}

#[cfg(any(test, feature = "simulation"))]
impl SimulatedId {
    /// The untyped id in its network.
    pub(crate) fn raw(self) -> RawId {
        self.raw
    }
}

/// The loop's view of a library socket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// A stream is reported writable once after it was full, so the notification costs nothing.
    Stream(RawFd),
    /// A datagram socket is reported writable whenever a datagram has left, which would wake the
    /// loop after each send. The poll therefore watches for room only while the owner is
    /// interested.
    Datagram(RawFd),
    #[cfg(any(test, feature = "simulation"))]
    Simulated(SimulatedId),
}

impl UsageEnvironment {
    /// Registers a library socket. Its descriptor must stay open until it is deregistered.
    pub(crate) fn register_socket(
        &mut self,
        source: Source,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<RegistrationId> {
        no_priority(interest)?;
        let target = Target::Medium { owner, key };
        let id = self.registrations.insert(target, interest).ok_or(io::ErrorKind::OutOfMemory)?;
        let result = match (&mut self.world, source) {
            (World::System(system), Source::Stream(fd)) => {
                system.watch_socket(id, fd, Interest::BOTH)
            }
            (World::System(system), Source::Datagram(fd)) => {
                if let Some(registration) = self.registrations.get_mut(id) {
                    registration.polls_writable = interest.writable;
                }
                system.watch_socket(id, fd, datagram_interest(interest))
            }
            #[cfg(any(test, feature = "simulation"))]
            (World::Simulated(simulation), Source::Simulated(socket)) => {
                if socket.environment == self.identity {
                    simulation.watch(socket.raw, id)
                } else {
                    Err(other_world())
                }
            }
            #[cfg(any(test, feature = "simulation"))]
            _ => Err(other_world()),
        };
        match result {
            Ok(()) => Ok(RegistrationId { environment: self.identity, raw: id }),
            Err(e) => {
                self.registrations.remove(id);
                Err(e)
            }
        }
    }

    /// Changes the owner of a registered socket, and the owner's interest.
    pub(crate) fn change_registration(
        &mut self,
        id: RegistrationId,
        source: Source,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<()> {
        let raw = self.registration(id).ok_or_else(other_world)?;
        let Some(registration) = self.registrations.get_mut(raw) else { return Ok(()) };
        registration.target = Target::Medium { owner, key };
        self.set_socket_interest(id, source, interest)
    }

    /// Changes the interest of the owner of a registered socket.
    pub(crate) fn set_socket_interest(
        &mut self,
        id: RegistrationId,
        source: Source,
        interest: Interest,
    ) -> io::Result<()> {
        no_priority(interest)?;
        let id = self.registration(id).ok_or_else(other_world)?;
        if !self.registrations.set_interest(id, interest) {
            return Ok(());
        }
        match (&mut self.world, source, self.registrations.get_mut(id)) {
            (World::System(system), Source::Datagram(fd), Some(registration))
                if registration.polls_writable != interest.writable =>
            {
                // The present readiness is reported anew.
                system.rewatch_socket(id, fd, datagram_interest(interest))?;
                registration.polls_writable = interest.writable;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Removes a registration before its socket is closed.
    pub(crate) fn deregister_socket(&mut self, id: RegistrationId, source: Source) {
        if self.registration(id).and_then(|id| self.registrations.remove(id)).is_some() {
            match (&self.world, source) {
                (World::System(system), Source::Stream(fd) | Source::Datagram(fd)) => {
                    system.forget(&fd);
                }
                #[cfg(any(test, feature = "simulation"))]
                _ => {}
            }
        }
    }

    /// Removes readiness that an operation on a socket has found used up.
    pub(crate) fn clear_readiness(&mut self, id: RegistrationId, used_up: Readiness) {
        if let Some(id) = self.registration(id) {
            self.registrations.clear_readiness(id, used_up);
        }
    }

    /// Handles a read that returned fewer bytes than requested; see `Registrations::short_read`.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn short_read(&mut self, id: RegistrationId) {
        if let Some(id) = self.registration(id) {
            self.registrations.short_read(id);
        }
    }

    /// The id in the table of registrations, if it belongs to this environment.
    fn registration(&self, id: RegistrationId) -> Option<RawId> {
        (id.environment == self.identity).then_some(id.raw)
    }

    /// The simulated network, for a new socket in it.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn network(&mut self) -> io::Result<&mut Simulation> {
        self.simulation().ok_or_else(other_world)
    }

    /// The simulated network of a socket.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn network_of(&mut self, socket: SimulatedId) -> io::Result<&mut Simulation> {
        if socket.environment != self.identity {
            return Err(other_world());
        }
        self.network()
    }

    /// The id of a socket of this environment's simulated network.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn simulated_id(&self, raw: RawId) -> SimulatedId {
        SimulatedId { environment: self.identity, raw }
    }

    /// The list to which a dropped socket adds itself.
    pub(crate) fn graveyard(&self) -> Arc<Graveyard> {
        self.graveyard.clone()
    }
}

/// The interest with which a datagram socket is registered. The poll accepts no registration
/// without one.
fn datagram_interest(interest: Interest) -> Interest {
    Interest { readable: true, ..interest }
}

/// Refuses `PRIORITY`: exceptional conditions of the library's sockets are not supported.
fn no_priority(interest: Interest) -> io::Result<()> {
    if interest.priority { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}

/// The error for a socket that is used with another environment than its own.
fn other_world() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "socket and environment are of different worlds")
}
