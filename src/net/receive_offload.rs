//! [`ReceiveOffload`]: datagrams of one sender that the system has put together on their way
//! (`UDP_GRO`, udp(7)), taken in one call and cut up again.

use super::inbox::{Inbox, Received, address};
use super::system::uninterrupted;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// Most bytes that the system puts together.
const MESSAGE: usize = 1 << 16;
/// Room for what one call gives, so that single datagrams too come many at a time.
const ROOM: usize = 2 * MESSAGE;
/// Datagrams for whose places there is memory from the beginning.
const DATAGRAMS: usize = 256;
/// Datagrams that came by themselves, one behind the other, after which the socket does without: they
/// come cheaper in one call of `recvmmsg`, whose control messages cannot be told from one another.
const SINGLES: u32 = 1024;

/// What a socket knows of receive offload.
#[derive(Debug, Default)]
pub(super) struct ReceiveOffload {
    on: bool,
    singles: u32,
    /// Room for the control message of one message.
    control: Vec<u8>,
}

impl ReceiveOffload {
    /// Asks the system for it; whether it does so.
    pub(super) fn set(&mut self, socket: &UdpSocket, on: bool) -> bool {
        let result = setsockopt(socket, sockopt::UdpGroSegment, &on);
        self.on = on && result.is_ok();
        self.singles = 0;
        if self.on && self.control.is_empty() {
            self.control = nix::cmsg_space!(i32);
        }
        self.on
    }

    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    /// Fills the inbox, message by message, as long as one of the largest has room. Returns the number
    /// of datagrams.
    pub(super) fn fill(&mut self, inbox: &mut Inbox, socket: &UdpSocket) -> io::Result<usize> {
        inbox.make_room(ROOM, DATAGRAMS);
        inbox.drained = false;
        let (mut at, mut messages) = (0, 0);
        while inbox.bytes.len() - at >= MESSAGE && messages < Inbox::SLOTS {
            let Some(room) = inbox.bytes.get_mut(at..at + MESSAGE) else { break };
            let (len, segment, from) =
                match uninterrupted(|| receive(socket, room, &mut self.control)) {
                    Ok(message) => message,
                    Err(e) if messages == 0 => return Err(e),
                    // An error that lasts comes again at the next call.
                    Err(e) => {
                        inbox.drained = e.kind() == io::ErrorKind::WouldBlock;
                        break;
                    }
                };
            messages += 1;
            self.note(len, segment);
            let (most, segment) = (inbox.slot_len(), segment.unwrap_or(len).max(1));
            let end = at + len;
            let datagram = |start: usize| {
                let len = segment.min(end - start).min(most);
                Received { start, len, from }
            };
            if len == 0 {
                inbox.received.push(Received { start: at, len, from });
            }
            inbox.received.extend((at..end).step_by(segment).map(datagram));
            at = end;
        }
        if inbox.drained && self.singles >= SINGLES {
            log::debug!("nothing is coalesced: the socket receives without offload");
            self.set(socket, false);
        }
        Ok(inbox.received.len())
    }

    const fn note(&mut self, len: usize, segment: Option<usize>) {
        self.singles = match segment {
            Some(segment) if segment < len => 0,
            _ => self.singles.saturating_add(1),
        };
    }
}

/// Receives one message: its length, the length of the datagrams in it if there are several, and where
/// they came from.
fn receive(
    socket: &UdpSocket,
    room: &mut [u8],
    control: &mut [u8],
) -> io::Result<(usize, Option<usize>, SocketAddr)> {
    let (fd, mut slices) = (socket.as_raw_fd(), [IoSliceMut::new(room)]);
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(control), flags)?;
    let segment = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::UdpGroSegments(len) => usize::try_from(len).ok(),
        _ => None,
    });
    Ok((message.bytes, segment, address(message.address)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{EventKey, Interest, UsageEnvironment};
    use crate::net;

    struct Ends {
        env: UsageEnvironment,
        inbox: Inbox,
        sender: net::UdpSocket,
        receiver: net::UdpSocket,
    }

    impl Ends {
        /// `None` where the system has no receive offload.
        fn new() -> Option<Self> {
            let mut env = UsageEnvironment::new().unwrap();
            let localhost: SocketAddr = "127.0.0.1:0".parse().unwrap();
            let sender = net::UdpSocket::bind(&mut env, localhost).unwrap();
            let mut receiver = net::UdpSocket::bind(&mut env, localhost).unwrap();
            let on = receiver.set_gro(true);
            assert_eq!(receiver.gro(), on);
            on.then_some(Self { env, inbox: Inbox::new(2000), sender, receiver })
        }

        /// Sends datagrams of those lengths as one batch, each of its number.
        fn send(&mut self, lengths: &[usize]) {
            let (mut buffer, mut spans) = (Vec::new(), Vec::new());
            for (i, len) in lengths.iter().enumerate() {
                spans.push(buffer.len()..buffer.len() + len);
                buffer.resize(buffer.len() + len, i as u8);
            }
            let datagrams = net::Datagrams { buffer: &buffer, spans: &spans };
            let to = [self.receiver.local_addr().unwrap()];
            let mut failed = Vec::new();
            let sent = self.sender.send_batch(&mut self.env, &datagrams, &to, &mut failed);
            assert_eq!((sent, failed.len()), (lengths.len(), 0));
        }

        /// Lengths and numbers of what has come, and how many calls it took.
        fn receive(&mut self) -> (Vec<(usize, u8)>, usize) {
            let (mut all, mut calls) = (Vec::new(), 0);
            let from = self.sender.local_addr().unwrap();
            while let Ok(count) = self.receiver.recv_batch(&mut self.env, &mut self.inbox) {
                assert_eq!(self.inbox.iter().count(), count);
                for (datagram, by) in self.inbox.iter() {
                    assert_eq!(by, from);
                    assert!(datagram.iter().all(|byte| Some(byte) == datagram.first()));
                    all.push((datagram.len(), datagram.first().copied().unwrap_or(99)));
                }
                calls += 1;
            }
            (all, calls)
        }
    }

    #[test]
    fn what_was_put_together_is_cut_up_again() {
        let Some(mut ends) = Ends::new() else { return };
        for lengths in [&[1400; 40][..], &[1400, 1400, 3], &[3], &[700, 900, 900, 20, 20], &[0, 5]]
        {
            ends.send(lengths);
            let numbers: Vec<_> = (0..lengths.len() as u8).collect();
            let expected: Vec<_> = lengths.iter().copied().zip(numbers).collect();
            let expected: Vec<_> =
                expected.into_iter().map(|(n, i)| (n, if n == 0 { 99 } else { i })).collect();
            assert_eq!(ends.receive().0, expected);
        }
        assert!(ends.receiver.gro());
    }

    #[test]
    fn datagrams_that_are_too_long_are_cut_off() {
        let Some(mut ends) = Ends::new() else { return };
        ends.inbox.set_slot_len(100);
        ends.send(&[150, 150, 40]);
        assert_eq!(ends.receive().0, [(100, 0), (100, 1), (40, 2)]);
    }

    #[test]
    fn a_socket_that_gets_nothing_but_singles_does_without() {
        let Some(mut ends) = Ends::new() else { return };
        for _ in 0..SINGLES {
            ends.send(&[10]);
            assert_eq!(ends.receive().0, [(10, 0)]);
        }
        assert!(!ends.receiver.gro());
        ends.send(&[1400; 40]);
        assert_eq!(ends.receive().0.len(), 40);
    }

    #[test]
    fn readiness_lasts_until_all_has_come() {
        let Some(mut ends) = Ends::new() else { return };
        let Ends { env, receiver, .. } = &mut ends;
        let owner = env.add(net::Counted::default());
        receiver.watch(env, owner.handle(), EventKey::default(), Interest::READABLE).unwrap();
        ends.send(&[1400; 40]);
        ends.send(&[1400; 40]);
        ends.send(&[1400; 40]);
        let mut taken = 0;
        for _ in 0..10 {
            ends.env.turn(Some(std::time::Duration::from_millis(20))).unwrap();
            let told = std::mem::take(&mut ends.env.medium_mut(owner).unwrap().0);
            assert_eq!(told > 0, taken < 120, "after {taken}");
            if told == 0 {
                break;
            }
            let result = ends.receiver.recv_batch(&mut ends.env, &mut ends.inbox);
            taken += result.unwrap_or_default();
        }
        assert_eq!(taken, 120);
    }
}
