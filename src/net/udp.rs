//! UDP: [`UdpSocket`].

#![cfg_attr(
    not(any(test, feature = "simulation")),
    allow(
        unused_variables,
        clippy::needless_pass_by_ref_mut,
        reason = "the operating system's sockets do most without the environment"
    )
)]

use super::batch::{self, Backlog, Batch, Datagrams, Offload, Report};
use super::endpoint::{Endpoint, Io};
use super::inbox::Inbox;
use super::multicast_interface::{Membership, MulticastInterface};
#[cfg(any(target_os = "linux", target_os = "android"))]
use super::receive_offload::ReceiveOffload;
use super::system::{new_socket, uninterrupted};
use crate::env::{EventKey, Interest, MediumHandle, Readiness, UsageEnvironment};
use socket2::{Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{self, IpAddr, SocketAddr};

/// A UDP socket.
#[derive(Debug)]
pub struct UdpSocket {
    endpoint: Endpoint<net::UdpSocket>,
    /// Its local address.
    local: SocketAddr,
    offload: Offload,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    receive_offload: ReceiveOffload,
    backlog: Backlog,
    /// The registered interest: the owner's, and room to write while datagrams wait.
    asked: Interest,
    widened: bool,
}

impl UdpSocket {
    /// Binds to `addr`; with port 0 the operating system chooses the port.
    ///
    /// # Errors
    /// The address is in use or is not one of this host's, and other errors of the operating
    /// system or the simulated network.
    pub fn bind(env: &mut UsageEnvironment, addr: SocketAddr) -> io::Result<Self> {
        Self::bind_with(env, addr, false)
    }

    /// Binds to `addr`, and allows other sockets to do so with this method: for receiving
    /// multicast.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_shared(env: &mut UsageEnvironment, addr: SocketAddr) -> io::Result<Self> {
        Self::bind_with(env, addr, true)
    }

    fn bind_with(env: &mut UsageEnvironment, addr: SocketAddr, shared: bool) -> io::Result<Self> {
        #[cfg(any(test, feature = "simulation"))]
        if env.is_simulated() {
            let (id, local) = env.network()?.udp_bind(addr, shared)?;
            return Ok(Self::of(Endpoint::simulated(env, id, local), local));
        }
        let socket = new_socket(addr, Type::DGRAM, Protocol::UDP)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if shared {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&addr.into())?;
        let io: net::UdpSocket = socket.into();
        // Asked for only where the system chose the port.
        let local = if addr.port() == 0 { io.local_addr()? } else { addr };
        Ok(Self::of(Endpoint::system(io), local))
    }

    fn of(endpoint: Endpoint<net::UdpSocket>, local: SocketAddr) -> Self {
        Self {
            endpoint,
            local,
            offload: Offload::default(),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            receive_offload: ReceiveOffload::default(),
            backlog: Backlog::default(),
            asked: Interest::NONE,
            widened: false,
        }
    }

    /// Returns the local address. The result type is that of the standard library's sockets.
    ///
    /// # Errors
    /// None: the address is known since the socket was bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// Receives a datagram; bytes that do not fit into `buf` are lost. Waiting datagrams of a batch
    /// are sent first.
    ///
    /// # Errors
    /// `WouldBlock` if no datagram has arrived.
    pub fn recv_from(
        &mut self,
        env: &mut UsageEnvironment,
        buf: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        self.flush(env);
        let result = match &self.endpoint.io {
            Io::System(io) => uninterrupted(|| io.recv_from(buf)),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => socket.network(env).and_then(|(n, id)| n.udp_recv(id, buf)),
        };
        self.endpoint.note(env, Readiness::READABLE, result)
    }

    /// Receives as many datagrams as are available and fit into the inbox, in one system call where
    /// possible; returns their number. Waiting datagrams of a batch are sent first.
    ///
    /// # Errors
    /// `WouldBlock` if no datagram has arrived; an error caused by a datagram sent earlier.
    pub fn recv_batch(
        &mut self,
        env: &mut UsageEnvironment,
        inbox: &mut Inbox,
    ) -> io::Result<usize> {
        self.flush(env);
        let result = match &self.endpoint.io {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Io::System(io) if self.receive_offload.is_on() => {
                self.receive_offload.fill(inbox, io, self.local.is_ipv6())
            }
            Io::System(io) => uninterrupted(|| inbox.fill_from(io, self.local.is_ipv6())),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => {
                let network = socket.network(env);
                network.and_then(|(n, id)| inbox.fill(|slot| n.udp_recv(id, slot)))
            }
        };
        // The system looked for more and found none.
        if let (Ok(_), true, Some(registered)) =
            (&result, inbox.is_drained(), &self.endpoint.registered)
        {
            env.clear_readiness(registered.id, Readiness::READABLE);
        }
        self.endpoint.note(env, Readiness::READABLE, result)
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// `WouldBlock` if the socket's buffer is full; the datagram is not sent.
    pub fn send_to(
        &mut self,
        env: &mut UsageEnvironment,
        datagram: &[u8],
        to: SocketAddr,
    ) -> io::Result<usize> {
        let result = match &self.endpoint.io {
            Io::System(io) => uninterrupted(|| io.send_to(datagram, to)),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => {
                socket.network(env).and_then(|(n, id)| n.udp_send(id, datagram, to))
            }
        };
        self.endpoint.note(env, Readiness::WRITABLE, result)
    }

    /// Sends every datagram to every destination, in order for each destination, with as few system
    /// calls as the system allows. Returns the number of datagrams that the system accepted, over
    /// all destinations. A destination that fails is added once to `failed`, by its index, and the
    /// others continue.
    ///
    /// This never waits. Datagrams for which the socket's buffer has no room are kept, up to 4 MiB.
    /// They are sent before the next batch, or by [`flush`](Self::flush) or
    /// [`recv_from`](Self::recv_from); the owner of a watched socket is notified when there is
    /// room, as with [`Interest::WRITABLE`]. Datagrams beyond the 4 MiB are dropped, and counted by
    /// [`dropped`](Self::dropped).
    pub fn send_batch(
        &mut self,
        env: &mut UsageEnvironment,
        datagrams: &Datagrams<'_>,
        destinations: &[SocketAddr],
        failed: &mut Vec<(usize, io::Error)>,
    ) -> usize {
        if !self.flush(env) {
            // No datagram overtakes those that wait.
            let all = (0..destinations.len()).map(|index| (index, 0));
            self.backlog.push(datagrams, destinations, all);
            return 0;
        }
        let mut late = Vec::new();
        let mut report = Report { sent: 0, failed, late: &mut late };
        let (endpoint, offload) = (&self.endpoint, &mut self.offload);
        send_now(env, endpoint, offload, datagrams, destinations, &mut report);
        let sent = report.sent;
        if !late.is_empty() {
            self.backlog.push(datagrams, destinations, late.into_iter());
            self.ask(env);
        }
        sent
    }

    /// Returns whether datagrams of a batch wait for room in the socket's buffer.
    pub fn is_behind(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Sends waiting datagrams; returns whether none is left. For a destination that fails, its
    /// waiting datagrams are dropped.
    pub fn flush(&mut self, env: &mut UsageEnvironment) -> bool {
        if self.backlog.is_empty() {
            return true;
        }
        let (endpoint, offload) = (&self.endpoint, &mut self.offload);
        let (mut failed, mut late) = (Vec::new(), Vec::new());
        self.backlog.flush(|datagrams, to| {
            late.clear();
            let mut report = Report { sent: 0, failed: &mut failed, late: &mut late };
            send_now(env, endpoint, offload, datagrams, &[to], &mut report);
            late.first().map_or(datagrams.spans.len(), |(_, number)| *number)
        });
        for (_, e) in failed {
            log::debug!("a late datagram: {e}");
        }
        self.ask(env);
        self.backlog.is_empty()
    }

    /// The interest to register: the owner's, and room to write while datagrams wait. An owner
    /// without any interest is not notified.
    fn interest(&self) -> Interest {
        let waits = self.is_behind() && !self.asked.is_none();
        Interest { writable: self.asked.writable || waits, ..self.asked }
    }

    fn ask(&mut self, env: &mut UsageEnvironment) {
        if let Some(registered) = &self.endpoint.registered {
            if self.widened || self.is_behind() {
                let (interest, source) = (self.interest(), self.endpoint.source());
                match env.set_socket_interest(registered.id, source, interest) {
                    Ok(()) => self.widened = interest != self.asked,
                    // The datagrams that wait go out before the next batch.
                    Err(e) => log::warn!("a UDP socket cannot wait for room: {e}"),
                }
            }
        }
    }

    /// Returns the number of datagrams of batches that were dropped because too many were waiting.
    pub fn dropped(&self) -> u64 {
        self.backlog.dropped()
    }

    /// Sets whether the socket uses receive offload (`UDP_GRO`, Linux): the system coalesces datagrams
    /// of one sender and one length, and [`recv_batch`](Self::recv_batch) separates them again. It
    /// suits sockets that receive media. With it only `recv_batch` may be used:
    /// [`recv_from`](Self::recv_from) would return coalesced datagrams as one. Off by default; a socket
    /// that receives nothing coalesced for long turns it off by itself.
    ///
    /// Returns whether the socket uses it.
    pub fn set_gro(&mut self, on: bool) -> bool {
        match &self.endpoint.io {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Io::System(io) => self.receive_offload.set(io, on),
            #[cfg(any(
                test,
                feature = "simulation",
                not(any(target_os = "linux", target_os = "android"))
            ))]
            _ => false,
        }
    }

    /// Returns whether the socket uses receive offload.
    pub const fn gro(&self) -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return self.receive_offload.is_on();
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        false
    }

    /// Sets whether batches use segmentation offload (`UDP_SEGMENT`, Linux). On by default; a
    /// socket on which the kernel refuses it turns it off by itself.
    pub fn set_gso(&mut self, on: bool) {
        self.offload.set(on);
    }

    /// Returns whether batches use segmentation offload where available.
    pub fn gso(&self) -> bool {
        self.offload.is_on()
    }

    /// Joins `group`: datagrams to it are received, only from `source` if one is given.
    ///
    /// # Errors
    /// Errors of the operating system; `Unsupported` for a source with IPv6.
    pub fn join_multicast(
        &mut self,
        env: &mut UsageEnvironment,
        group: IpAddr,
        interface: MulticastInterface,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        self.change_membership(env, Membership::Join, group, interface, source)
    }

    /// Leaves a group joined with [`join_multicast`](Self::join_multicast).
    ///
    /// # Errors
    /// The group was not joined; other errors of the operating system.
    pub fn leave_multicast(
        &mut self,
        env: &mut UsageEnvironment,
        group: IpAddr,
        interface: MulticastInterface,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        self.change_membership(env, Membership::Leave, group, interface, source)
    }

    fn change_membership(
        &self,
        env: &mut UsageEnvironment,
        membership: Membership,
        group: IpAddr,
        interface: MulticastInterface,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        match &self.endpoint.io {
            Io::System(io) => interface.change(membership, &SockRef::from(io), group, source),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => {
                let (network, id) = socket.network(env)?;
                match membership {
                    Membership::Join => network.udp_join(id, group, source),
                    Membership::Leave => network.udp_leave(id, group, source),
                }
            }
        }
    }

    /// Sets the number of routers that a multicast datagram may pass (0: it stays on the host).
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn set_multicast_ttl(&self, ttl: u8) -> io::Result<()> {
        self.option(|socket, v6| {
            if v6 {
                socket.set_multicast_hops_v6(ttl.into())
            } else {
                socket.set_multicast_ttl_v4(ttl.into())
            }
        })
    }

    /// Sets the interface through which multicast is sent.
    ///
    /// # Errors
    /// `InvalidInput` for an IPv4 address and an IPv6 socket, because IPv6 identifies interfaces by
    /// index; errors of the operating system.
    pub fn set_multicast_interface(&self, interface: MulticastInterface) -> io::Result<()> {
        self.option(|socket, v6| interface.select(socket, v6))
    }

    /// Sets whether members of the group on this host receive the datagrams (on by default).
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn set_multicast_loop(&self, on: bool) -> io::Result<()> {
        self.option(|socket, v6| {
            if v6 { socket.set_multicast_loop_v6(on) } else { socket.set_multicast_loop_v4(on) }
        })
    }

    /// Suppresses datagrams to groups that other sockets on this host have joined and this one has
    /// not; Linux delivers them by default.
    pub(super) fn ignore_groups_of_others(&self) {
        #[cfg(target_os = "linux")]
        // A kernel that does not know the option delivers too much, as it always did.
        let _ = self.option(|socket, v6| {
            if v6 { socket.set_multicast_all_v6(false) } else { socket.set_multicast_all_v4(false) }
        });
    }

    /// Requests a send buffer of `size` bytes; the operating system may grant less.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn set_send_buffer_size(&self, size: usize) -> io::Result<()> {
        self.option(|socket, _| socket.set_send_buffer_size(size))
    }

    /// Requests a receive buffer of `size` bytes; the operating system may grant less.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn set_receive_buffer_size(&self, size: usize) -> io::Result<()> {
        self.option(|socket, _| socket.set_recv_buffer_size(size))
    }

    /// Sets an option of the operating system's socket; simulated sockets have none.
    fn option(&self, set: impl FnOnce(&Socket, bool) -> io::Result<()>) -> io::Result<()> {
        match &self.endpoint.io {
            Io::System(io) => set(&SockRef::from(io), self.local.is_ipv6()),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(_) => Ok(()),
        }
    }

    /// Delivers the readiness of the socket to `owner`, as events with `key`. A further call
    /// changes owner, key and interest.
    ///
    /// # Errors
    /// The socket cannot be registered with the poll, or does not belong to `env`; `Unsupported`
    /// for [`Interest::PRIORITY`].
    pub fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<()> {
        self.asked = interest;
        let interest = self.interest();
        self.widened = interest != self.asked;
        self.endpoint.watch(env, owner, key, interest)
    }

    /// Closes the socket.
    pub fn close(self, env: &mut UsageEnvironment) {
        self.endpoint.close(env);
    }
}

/// Sends a batch, as far as the socket accepts it.
fn send_now(
    env: &mut UsageEnvironment,
    endpoint: &Endpoint<net::UdpSocket>,
    offload: &mut Offload,
    datagrams: &Datagrams<'_>,
    destinations: &[SocketAddr],
    report: &mut Report<'_>,
) {
    match &endpoint.io {
        Io::System(io) => {
            if !batch::lone(io, datagrams, destinations, report) {
                let batch = env.extension::<Batch>();
                batch.send(io, offload, datagrams, destinations, report);
            }
        }
        #[cfg(any(test, feature = "simulation"))]
        Io::Simulated(socket) => {
            batch::one_by_one(datagrams, destinations, report, |datagram, to| {
                socket.network(env).and_then(|(network, id)| network.udp_send(id, datagram, to))
            });
        }
    }
    if !report.late.is_empty() {
        let full: io::Result<()> = Err(io::ErrorKind::WouldBlock.into());
        // The result is the one handed in: the call is for the cached readiness.
        let _ = endpoint.note(env, Readiness::WRITABLE, full);
    }
}
