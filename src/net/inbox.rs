//! [`Inbox`]: memory for received datagrams, many in one system call (recvmmsg(2), or `UDP_GRO`,
//! udp(7)).

use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::receive_offload::Headers;
#[cfg(any(target_os = "linux", target_os = "android"))]
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::io::IoSliceMut;

/// Most bytes of memory for datagrams that are not coalesced, unless one alone needs more.
const MAX_ROOM: usize = 256 << 10;

/// The position of a datagram in the memory of the inbox, and its sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) from: SocketAddr,
}

/// Reusable memory for received datagrams. Nothing is allocated before the first datagram, and
/// nothing after it, unless a later socket needs more memory.
pub struct Inbox {
    pub(super) slot_len: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) received: Vec<Received>,
    /// The system had no more datagrams.
    pub(super) drained: bool,
    /// Headers for IPv4 and for IPv6: a header keeps the length of the last address as the capacity
    /// for the next.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    headers: [Option<MultiHeaders<SockaddrStorage>>; 2],
    /// The same for sockets with receive offload.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) coalesced: [Headers; 2],
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("slot_len", &self.slot_len)
            .field("received", &self.received.len())
            .finish_non_exhaustive()
    }
}

impl Default for Inbox {
    /// Returns an inbox without capacity.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Inbox {
    /// Largest number of datagrams that it takes at once from a socket without receive offload
    /// ([`UdpSocket::set_gro`](super::UdpSocket::set_gro)). It takes fewer if their slots need more
    /// than 256 KiB.
    pub const SLOTS: usize = 32;

    /// Creates an inbox for datagrams of at most `slot_len` bytes; longer ones are truncated.
    pub fn new(slot_len: usize) -> Self {
        Self {
            slot_len,
            bytes: Vec::new(),
            received: Vec::new(),
            drained: false,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            headers: [None, None],
            #[cfg(any(target_os = "linux", target_os = "android"))]
            coalesced: Default::default(),
        }
    }

    /// Sets the largest length of a datagram, in bytes; longer ones are cut off. Removes the datagrams
    /// received last.
    pub fn set_slot_len(&mut self, slot_len: usize) {
        self.slot_len = slot_len;
        self.received.clear();
    }

    /// Iterates over the datagrams received last, in order, each with its sender.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        self.received.iter().filter_map(|datagram| {
            let bytes = self.bytes.get(datagram.start..)?.get(..datagram.len)?;
            Some((bytes, datagram.from))
        })
    }

    /// Number of slots.
    fn slots(&self) -> usize {
        (MAX_ROOM / self.slot_len.max(1)).clamp(1, Self::SLOTS)
    }

    /// Whether the system had no more when it was filled last.
    pub(super) const fn is_drained(&self) -> bool {
        self.drained
    }

    /// Empties the inbox and provides so many bytes of memory, and places for so many datagrams.
    pub(super) fn make_room(&mut self, bytes: usize, datagrams: usize) {
        self.received.clear();
        self.received.reserve_exact(datagrams);
        if self.bytes.len() < bytes {
            // Pages that nothing is received into take no memory.
            self.bytes = vec![0; bytes];
        }
    }

    /// Empties the inbox and provides memory for its slots.
    fn make_slots(&mut self) {
        let slots = self.slots();
        self.make_room(slots.saturating_mul(self.slot_len), slots);
    }

    /// Fills the inbox one datagram at a time; returns the error of the first if there is none.
    #[cfg(any(test, feature = "simulation", not(any(target_os = "linux", target_os = "android"))))]
    pub(super) fn fill(
        &mut self,
        mut receive: impl FnMut(&mut [u8]) -> io::Result<(usize, SocketAddr)>,
    ) -> io::Result<usize> {
        self.make_slots();
        let slots = self.slots();
        let slices = self.bytes.chunks_exact_mut(self.slot_len.max(1)).take(slots);
        for (i, slot) in slices.enumerate() {
            match receive(slot) {
                Ok((len, from)) => {
                    self.received.push(Received { start: i * self.slot_len, len, from });
                }
                Err(e) if self.received.is_empty() => return Err(e),
                // An error that lasts comes again at the next call.
                Err(_) => break,
            }
        }
        self.drained = self.received.len() < slots;
        Ok(self.received.len())
    }

    /// Fills the inbox in one call.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn fill_from(&mut self, socket: &UdpSocket, is_ipv6: bool) -> io::Result<usize> {
        use std::os::fd::AsRawFd;
        self.make_slots();
        let (count, slot_len) = (self.slots(), self.slot_len);
        let mut slots = self.bytes.chunks_exact_mut(slot_len.max(1));
        let mut slices: [_; Self::SLOTS] =
            std::array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
        let slices = slices.get_mut(..count).unwrap_or_default();
        let [v4, v6] = &mut self.headers;
        let headers = (if is_ipv6 { v6 } else { v4 })
            .get_or_insert_with(|| MultiHeaders::preallocate(Self::SLOTS, None));
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = recvmmsg(socket.as_raw_fd(), headers, slices, flags, None)?;
        self.received.extend(messages.enumerate().map(|(i, message)| Received {
            start: i * slot_len,
            len: message.bytes,
            from: address(message.address),
        }));
        self.drained = self.received.len() < count;
        Ok(self.received.len())
    }

    /// Fills the inbox.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn fill_from(&mut self, socket: &UdpSocket, _: bool) -> io::Result<usize> {
        self.fill(|slot| socket.recv_from(slot))
    }
}

/// The operating system supplies an address for every datagram of a UDP socket; anything else
/// becomes the unspecified address.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn address(address: Option<SockaddrStorage>) -> SocketAddr {
    let v4 = address.as_ref().and_then(SockaddrStorage::as_sockaddr_in);
    let v6 = address.as_ref().and_then(SockaddrStorage::as_sockaddr_in6);
    match (v4, v6) {
        (Some(v4), _) => SocketAddr::V4((*v4).into()),
        (None, Some(v6)) => SocketAddr::V6((*v6).into()),
        (None, None) => SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{EventKey, Interest, UsageEnvironment};
    use crate::net;

    fn receive(
        env: &mut UsageEnvironment,
        socket: &mut net::UdpSocket,
        inbox: &mut Inbox,
    ) -> Vec<(Vec<u8>, SocketAddr)> {
        match socket.recv_batch(env, inbox) {
            Ok(n) => {
                let all: Vec<_> = inbox.iter().map(|(d, from)| (d.to_vec(), from)).collect();
                assert_eq!(all.len(), n);
                all
            }
            Err(e) => {
                assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
                Vec::new()
            }
        }
    }

    /// One inbox for sockets of both families, in both worlds.
    #[test]
    fn what_has_come_is_taken_at_once_with_its_senders() {
        let mut env = UsageEnvironment::new().unwrap();
        let mut inbox = Inbox::new(8);
        let open = |env: &mut UsageEnvironment, ip: &str| {
            net::UdpSocket::bind(env, SocketAddr::new(ip.parse().unwrap(), 0)).ok()
        };
        for ip in ["127.0.0.1", "::1", "127.0.0.1", "::1"] {
            let Some(mut socket) = open(&mut env, ip) else { continue };
            let to = socket.local_addr().unwrap();
            let mut senders: Vec<_> =
                (0..Inbox::SLOTS + 1).map(|_| open(&mut env, ip).unwrap()).collect();
            let addresses: Vec<_> = senders.iter().map(|s| s.local_addr().unwrap()).collect();
            assert!(receive(&mut env, &mut socket, &mut inbox).is_empty());
            for (i, sender) in senders.iter_mut().enumerate() {
                sender.send_to(&mut env, &[i as u8; 12][..i % 12], to).unwrap();
            }
            let expected: Vec<_> = addresses
                .iter()
                .enumerate()
                .map(|(i, from)| (vec![i as u8; (i % 12).min(8)], *from))
                .collect();
            assert_eq!(receive(&mut env, &mut socket, &mut inbox), expected[..Inbox::SLOTS]);
            assert_eq!(receive(&mut env, &mut socket, &mut inbox), expected[Inbox::SLOTS..]);
            assert!(receive(&mut env, &mut socket, &mut inbox).is_empty());
            assert_eq!(inbox.iter().count(), 0);
        }
    }

    #[test]
    fn slots_that_are_large_are_few() {
        let mut env = UsageEnvironment::new().unwrap();
        let mut inbox = Inbox::new(8);
        let localhost: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut socket = net::UdpSocket::bind(&mut env, localhost).unwrap();
        let to = socket.local_addr().unwrap();
        let sender = UdpSocket::bind(localhost).unwrap();
        let send = |len: usize, count: usize| {
            (0..count).for_each(|_| drop(sender.send_to(&vec![7; len], to)));
        };
        send(9, 3);
        assert_eq!(receive(&mut env, &mut socket, &mut inbox).len(), 3);
        inbox.set_slot_len(60_000);
        assert_eq!(inbox.iter().count(), 0);
        send(50_000, 2);
        send(9, 5);
        let lengths = |all: Vec<(Vec<u8>, SocketAddr)>| -> Vec<usize> {
            all.iter().map(|(datagram, _)| datagram.len()).collect()
        };
        let first = receive(&mut env, &mut socket, &mut inbox);
        assert_eq!(lengths(first), [50_000, 50_000, 9, 9]);
        assert_eq!(lengths(receive(&mut env, &mut socket, &mut inbox)), [9, 9, 9]);
    }

    #[test]
    fn a_batch_that_is_not_full_was_all() {
        let mut env = UsageEnvironment::new().unwrap();
        let mut inbox = Inbox::new(8);
        let localhost: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut socket = net::UdpSocket::bind(&mut env, localhost).unwrap();
        let to = socket.local_addr().unwrap();
        let owner = env.add(net::Counted::default());
        socket.watch(&mut env, owner.handle(), EventKey::default(), Interest::READABLE).unwrap();
        let told = |env: &mut UsageEnvironment| {
            env.turn(Some(std::time::Duration::from_millis(20))).unwrap();
            std::mem::take(&mut env.medium_mut(owner).unwrap().0)
        };
        let sender = UdpSocket::bind(localhost).unwrap();
        for _ in 0..Inbox::SLOTS + 1 {
            sender.send_to(b"x", to).unwrap();
        }
        assert_eq!(told(&mut env), 1);
        assert_eq!(socket.recv_batch(&mut env, &mut inbox).unwrap(), Inbox::SLOTS);
        assert_eq!(told(&mut env), 1, "it was full: there may be more");
        assert_eq!(socket.recv_batch(&mut env, &mut inbox).unwrap(), 1);
        assert_eq!(told(&mut env), 0);
        sender.send_to(b"x", to).unwrap();
        assert_eq!(told(&mut env), 1);
    }
}
