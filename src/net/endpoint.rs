//! [`Endpoint`]: a socket of the operating system or of a simulation, with its registration.

#[cfg(any(test, feature = "simulation"))]
use crate::arena::RawId;
use crate::env::{
    Dead, EventKey, Graveyard, Interest, MediumHandle, Readiness, RegistrationId, Source,
    UsageEnvironment,
};
#[cfg(any(test, feature = "simulation"))]
use crate::env::{SimulatedId, Simulation};
use std::io;
use std::net;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// A socket of the operating system or of a simulation, with its registration once it is watched.
#[derive(Debug)]
pub(super) struct Endpoint<T> {
    pub(super) io: Io<T>,
    pub(super) registered: Option<Registered>,
}

#[derive(Debug)]
pub(super) enum Io<T> {
    System(T),
    #[cfg(any(test, feature = "simulation"))]
    Simulated(Simulated),
}

/// A socket of the simulated network; closed when dropped.
#[cfg(any(test, feature = "simulation"))]
#[derive(Debug)]
pub(super) struct Simulated {
    pub(super) id: SimulatedId,
    pub(super) local: net::SocketAddr,
    graveyard: Arc<Graveyard>,
}

#[cfg(any(test, feature = "simulation"))]
impl Drop for Simulated {
    fn drop(&mut self) {
        self.graveyard.bury(Dead::SimulatedSocket(self.id.raw()));
    }
}

/// A registration with the poll; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) id: RegistrationId,
    graveyard: Arc<Graveyard>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.graveyard.bury(Dead::Registration(self.id.raw()));
    }
}

#[cfg(any(test, feature = "simulation"))]
impl Simulated {
    /// The network of the socket, and the socket's id in it.
    pub(super) fn network<'a>(
        &self,
        env: &'a mut UsageEnvironment,
    ) -> io::Result<(&'a mut Simulation, RawId)> {
        Ok((env.network_of(self.id)?, self.id.raw()))
    }
}

/// The loop's interface to a socket of the operating system.
pub(super) trait SystemSocket {
    fn source(&self) -> Source;
}

impl SystemSocket for net::TcpListener {
    fn source(&self) -> Source {
        Source::Stream(self.as_raw_fd())
    }
}

impl SystemSocket for net::TcpStream {
    fn source(&self) -> Source {
        Source::Stream(self.as_raw_fd())
    }
}

impl SystemSocket for net::UdpSocket {
    fn source(&self) -> Source {
        Source::Datagram(self.as_raw_fd())
    }
}

impl<T: SystemSocket> Endpoint<T> {
    pub(super) fn system(io: T) -> Self {
        Self { io: Io::System(io), registered: None }
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn simulated(env: &UsageEnvironment, id: RawId, local: net::SocketAddr) -> Self {
        let socket = Simulated { id: env.simulated_id(id), local, graveyard: env.graveyard() };
        Self { io: Io::Simulated(socket), registered: None }
    }

    pub(super) fn source(&self) -> Source {
        match &self.io {
            Io::System(io) => io.source(),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => Source::Simulated(socket.id),
        }
    }

    pub(super) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<()> {
        if let Some(registered) = &self.registered {
            return env.change_registration(registered.id, self.source(), owner, key, interest);
        }
        let id = env.register_socket(self.source(), owner, key, interest)?;
        self.registered = Some(Registered { id, graveyard: env.graveyard() });
        Ok(())
    }

    pub(super) fn close(self, env: &mut UsageEnvironment) {
        if let Some(registered) = &self.registered {
            env.deregister_socket(registered.id, self.source());
        }
        #[cfg(any(test, feature = "simulation"))]
        if let Io::Simulated(socket) = &self.io {
            // In another environment, the drop of the socket closes it in its own.
            if let Ok((network, id)) = socket.network(env) {
                network.close(id);
            }
        }
    }

    /// Returns an operation's result, and records `WouldBlock` as readiness used up.
    pub(super) fn note<R>(
        &self,
        env: &mut UsageEnvironment,
        used: Readiness,
        result: io::Result<R>,
    ) -> io::Result<R> {
        if let (Err(e), Some(registered)) = (&result, &self.registered) {
            if e.kind() == io::ErrorKind::WouldBlock {
                env.clear_readiness(registered.id, used);
            }
        }
        result
    }
}
