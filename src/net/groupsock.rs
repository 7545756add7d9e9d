//! [`Groupsock`]: a multicast destination and the socket that serves it (RFC 1112 for IPv4,
//! RFC 2710 for IPv6; source-specific groups: RFC 4607).

use super::batch::Datagrams;
use super::multicast_interface::MulticastInterface;
use super::udp::UdpSocket;
use crate::env::{EventKey, Interest, MediumHandle, UsageEnvironment};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A multicast destination (group, port, TTL, interface, and for source-specific multicast the
/// source), with the socket that sends to it and, once joined, receives from it.
#[derive(Debug)]
pub struct Groupsock {
    socket: UdpSocket,
    destination: SocketAddr,
    ttl: u8,
    interface: MulticastInterface,
    source: Option<IpAddr>,
    joined: bool,
}

impl Groupsock {
    /// Opens a socket bound to the port of `destination`, ready to send. Members of the group on
    /// this host receive its datagrams too.
    ///
    /// # Errors
    /// `InvalidInput` if the destination is not a multicast address; errors of the operating
    /// system.
    pub fn open(
        env: &mut UsageEnvironment,
        destination: SocketAddr,
        ttl: u8,
        interface: MulticastInterface,
        source: Option<IpAddr>,
    ) -> io::Result<Self> {
        if !destination.ip().is_multicast() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a multicast address"));
        }
        let any: IpAddr = match destination {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind_shared(env, SocketAddr::new(any, destination.port()))?;
        socket.set_multicast_ttl(ttl)?;
        if interface != MulticastInterface::Any {
            socket.set_multicast_interface(interface)?;
        }
        socket.set_multicast_loop(true)?;
        socket.ignore_groups_of_others();
        Ok(Self { socket, destination, ttl, interface, source, joined: false })
    }

    /// Joins the group, so that datagrams of other hosts to it are received (RTCP). A second call
    /// has no effect.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn join(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        if !self.joined {
            let group = self.destination.ip();
            self.socket.join_multicast(env, group, self.interface, self.source)?;
            self.joined = true;
        }
        Ok(())
    }

    /// Returns the group and port.
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// Returns the number of routers that datagrams may pass.
    pub fn ttl(&self) -> u8 {
        self.ttl
    }

    /// Returns the source of a source-specific group.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Returns the socket, for all operations of [`UdpSocket`].
    pub fn socket(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Sends one datagram to the group.
    ///
    /// # Errors
    /// As [`UdpSocket::send_to`].
    pub fn send(&mut self, env: &mut UsageEnvironment, datagram: &[u8]) -> io::Result<usize> {
        self.socket.send_to(env, datagram, self.destination)
    }

    /// Sends the datagrams to the group, as [`UdpSocket::send_batch`] does.
    pub fn send_batch(
        &mut self,
        env: &mut UsageEnvironment,
        datagrams: &Datagrams<'_>,
        failed: &mut Vec<(usize, io::Error)>,
    ) -> usize {
        self.socket.send_batch(env, datagrams, &[self.destination], failed)
    }

    /// Receives a datagram, as [`UdpSocket::recv_from`] does.
    ///
    /// # Errors
    /// `WouldBlock` if no datagram has arrived.
    pub fn recv_from(
        &mut self,
        env: &mut UsageEnvironment,
        buf: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(env, buf)
    }

    /// Delivers the readiness of the socket to `owner`, like [`UdpSocket::watch`].
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
        self.socket.watch(env, owner, key, interest)
    }

    /// Returns the socket only; the group stays joined if it was.
    pub fn into_socket(self) -> UdpSocket {
        self.socket
    }

    /// Leaves the group and closes the socket.
    pub fn close(self, env: &mut UsageEnvironment) {
        // The membership ends with the socket.
        self.socket.close(env);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tests::or_no_multicast;
    use std::time::{Duration, Instant};

    fn receive(env: &mut UsageEnvironment, socket: &mut Groupsock, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if socket.recv_from(env, &mut [0; 16]).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    #[test]
    fn who_has_not_joined_receives_nothing() {
        let mut env = UsageEnvironment::new().unwrap();
        let interface = MulticastInterface::Address(Ipv4Addr::LOCALHOST);
        let group = SocketAddr::from((Ipv4Addr::new(239, 255, 91, 7), 46_002));
        let Some(mut sender) =
            or_no_multicast(Groupsock::open(&mut env, group, 0, interface, None))
        else {
            return;
        };
        let mut member = Groupsock::open(&mut env, group, 0, interface, None).unwrap();
        member.join(&mut env).unwrap();
        sender.send(&mut env, b"?").unwrap();
        assert!(receive(&mut env, &mut member, Duration::from_secs(5)));
        assert!(!receive(&mut env, &mut sender, Duration::from_millis(50)));
    }
}
