//! [`ReceiveOffload`]: datagrams of one sender that the system has put together on their way
//! (`UDP_GRO`, udp(7)), taken in few calls and cut up again.

use super::inbox::{Inbox, Received, address};
use super::system::uninterrupted;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, recvmsg,
    setsockopt, sockopt,
};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// Most bytes that the system puts together.
const MESSAGE: usize = 1 << 16;
/// Most messages that come in one call of `recvmmsg`.
const SLOTS: usize = 4;
/// Room for what one call gives. Single datagrams lie close together, so that many have room in it.
const ROOM: usize = SLOTS * MESSAGE;
/// Datagrams for whose places there is memory from the beginning.
const DATAGRAMS: usize = 256;
/// Datagrams that came by themselves, one behind the other, after which the socket does without: they
/// come cheaper in one call of `recvmmsg` without control messages.
const SINGLES: u32 = 1024;
/// Calls without headers after which they are made anew.
const RENEWAL: u32 = 32;

/// What a socket knows of receive offload.
#[derive(Debug, Default)]
pub(super) struct ReceiveOffload {
    on: bool,
    singles: u32,
    /// Messages up to the last single datagram among those that came last: so many are taken one by
    /// one, because a single datagram takes the [headers](Headers) away.
    alone: usize,
    /// Room for the control message of one message.
    control: Vec<u8>,
}

/// Headers of `recvmmsg` with room for the control message that tells the length of the datagrams.
///
/// The system writes the length of the control message where it has read how much room there is, and
/// the wrapper does not set that back. After a single datagram, which comes without a control message,
/// a header has no room any more, and a message that is put together could not be cut up. Such headers
/// are made anew. That allocates memory, so it is done once in a while, and the calls between take
/// messages one by one.
#[derive(Default)]
pub(super) struct Headers {
    headers: Option<MultiHeaders<SockaddrStorage>>,
    /// Calls since they were spent that could have used them.
    missed: u32,
    /// How often they were made.
    #[cfg(test)]
    made: u32,
}

impl Headers {
    /// The headers, if they have room for control messages.
    fn usable(&mut self) -> Option<&mut MultiHeaders<SockaddrStorage>> {
        if self.headers.is_none() {
            if self.missed > 0 && self.missed < RENEWAL {
                self.missed += 1;
                return None;
            }
            self.missed = 0;
            #[cfg(test)]
            {
                self.made += 1;
            }
            let control = Some(nix::cmsg_space!(i32));
            self.headers = Some(MultiHeaders::preallocate(SLOTS, control));
        }
        self.headers.as_mut()
    }

    /// A message came without control message.
    fn spend(&mut self) {
        (self.headers, self.missed) = (None, 1);
    }
}

/// What one message is made of.
#[derive(Clone, Copy, Debug)]
struct Message {
    len: usize,
    /// Length of the datagrams, if there are several.
    segment: Option<usize>,
    from: SocketAddr,
}

impl Message {
    fn of(message: &RecvMsg<'_, '_, SockaddrStorage>) -> io::Result<Self> {
        let segment = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(len) => usize::try_from(len).ok(),
            _ => None,
        });
        Ok(Self { len: message.bytes, segment, from: address(message.address) })
    }
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Where the next message has its place.
    at: usize,
    messages: usize,
    /// Messages up to the last one that is a single datagram.
    alone: usize,
}

impl ReceiveOffload {
    /// Asks the system for it; whether it does so.
    pub(super) fn set(&mut self, socket: &UdpSocket, on: bool) -> bool {
        let result = setsockopt(socket, sockopt::UdpGroSegment, &on);
        self.on = on && result.is_ok();
        (self.singles, self.alone) = (0, 0);
        if self.on && self.control.is_empty() {
            self.control = nix::cmsg_space!(i32);
        }
        self.on
    }

    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    /// Fills the inbox as long as it has room for one of the largest messages. Returns the number of
    /// datagrams.
    pub(super) fn fill(
        &mut self,
        inbox: &mut Inbox,
        socket: &UdpSocket,
        is_ipv6: bool,
    ) -> io::Result<usize> {
        inbox.make_room(ROOM, DATAGRAMS);
        inbox.drained = false;
        let mut progress = Progress::default();
        let error = loop {
            if inbox.bytes.len() - progress.at < MESSAGE || progress.messages >= Inbox::SLOTS {
                break None;
            }
            let result = if progress.messages < self.alone {
                self.take_one(inbox, socket, &mut progress)
            } else {
                self.take_several(inbox, socket, is_ipv6, &mut progress)
            };
            match result {
                Ok(false) => {}
                Ok(true) => break None,
                Err(e) => break Some(e),
            }
        };
        if let Some(e) = error {
            if progress.messages == 0 {
                return Err(e);
            }
            // Another error that lasts comes again at the next call.
            inbox.drained |= e.kind() == io::ErrorKind::WouldBlock;
        }
        self.alone = progress.alone;
        if inbox.drained && self.singles >= SINGLES {
            log::debug!("nothing is coalesced: the socket receives without offload");
            self.set(socket, false);
        }
        Ok(inbox.received.len())
    }

    /// Takes one message. Returns whether that is all: it is not known.
    fn take_one(
        &mut self,
        inbox: &mut Inbox,
        socket: &UdpSocket,
        progress: &mut Progress,
    ) -> io::Result<bool> {
        let at = progress.at;
        let room = inbox.bytes.get_mut(at..at + MESSAGE).unwrap_or_default();
        let message = uninterrupted(|| receive(socket, room, &mut self.control))?;
        self.keep(message, at, &mut inbox.received, inbox.slot_len, progress);
        progress.at = at + message.len;
        Ok(false)
    }

    /// Takes as many messages as one system call gives, if there are headers for it, else one. Returns
    /// whether that is all for now.
    fn take_several(
        &mut self,
        inbox: &mut Inbox,
        socket: &UdpSocket,
        is_ipv6: bool,
        progress: &mut Progress,
    ) -> io::Result<bool> {
        let Inbox { bytes, received, coalesced: [v4, v6], slot_len, drained, .. } = inbox;
        let kept = if is_ipv6 { v6 } else { v4 };
        let Some(headers) = kept.usable() else { return self.take_one(inbox, socket, progress) };
        let begin = progress.at;
        let mut slots = bytes.get_mut(begin..).unwrap_or_default().chunks_exact_mut(MESSAGE);
        let count = slots.len().min(SLOTS);
        let mut slices: [_; SLOTS] =
            std::array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
        let slices = slices.get_mut(..count).unwrap_or_default();
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let messages = recvmmsg(fd, headers, slices, flags, None)?;
        let mut taken = 0;
        let alone_before = progress.alone;
        for (i, message) in messages.enumerate() {
            taken += 1;
            match Message::of(&message) {
                Ok(message) => {
                    self.keep(message, begin + i * MESSAGE, received, *slot_len, progress);
                }
                // It cannot be cut up. The headers had room for what is told of it.
                Err(e) => log::debug!("a message is lost: {e}"),
            }
        }
        if progress.alone > alone_before {
            kept.spend();
        }
        *drained = taken < count;
        Ok(true)
    }

    /// Notes the datagrams of a message.
    fn keep(
        &mut self,
        message: Message,
        at: usize,
        received: &mut Vec<Received>,
        slot_len: usize,
        progress: &mut Progress,
    ) {
        let Message { len, segment, from } = message;
        progress.messages += 1;
        self.singles = match segment {
            Some(segment) if segment < len => 0,
            _ => self.singles.saturating_add(1),
        };
        if segment.is_none() {
            progress.alone = progress.messages;
        }
        let (segment, end) = (segment.unwrap_or(len).max(1), at + len);
        let datagram = |start: usize| {
            let len = segment.min(end - start).min(slot_len);
            Received { start, len, from }
        };
        if len == 0 {
            received.push(Received { start: at, len, from });
        }
        received.extend((at..end).step_by(segment).map(datagram));
    }
}

/// Receives one message.
fn receive(socket: &UdpSocket, room: &mut [u8], control: &mut [u8]) -> io::Result<Message> {
    let (fd, mut slices) = (socket.as_raw_fd(), [IoSliceMut::new(room)]);
    let flags = MsgFlags::MSG_DONTWAIT;
    Message::of(&recvmsg::<SockaddrStorage>(fd, &mut slices, Some(control), flags)?)
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

    /// Whatever comes in whatever order, each message is cut up where it was put together: headers
    /// that a single datagram has spent are not used for another message.
    #[test]
    fn single_datagrams_between_do_not_matter() {
        let Some(mut ends) = Ends::new() else { return };
        let batches: [&[usize]; 6] =
            [&[1400; 9], &[40, 1300, 1300], &[900, 900, 900, 20, 20], &[7], &[1200; 3], &[3, 2, 1]];
        let mut random: u32 = 7;
        for round in 0..600 {
            let mut expected = Vec::new();
            // Each pattern for a while, then in any order.
            let several = if round < 300 { 1 } else { 1 + round % 3 };
            for _ in 0..several {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let number = if round < 300 { round / 50 } else { random as usize >> 16 };
                let lengths = batches[number % batches.len()];
                ends.send(lengths);
                expected.extend(lengths.iter().enumerate().map(|(i, len)| (*len, i as u8)));
            }
            assert_eq!(ends.receive().0, expected, "round {round}");
        }
    }

    /// A pattern that repeats itself makes no headers, and so allocates nothing.
    #[test]
    fn headers_last_where_frames_are_alike() {
        let patterns: [&[usize]; 3] = [&[1400; 9], &[40, 1300, 1300], &[1300, 1300, 1400, 1400, 9]];
        for pattern in patterns {
            let Some(mut ends) = Ends::new() else { return };
            for _ in 0..10 {
                ends.send(pattern);
                assert_eq!(ends.receive().0.len(), pattern.len());
            }
            let made = ends.inbox.coalesced[0].made;
            for _ in 0..200 {
                ends.send(pattern);
                assert_eq!(ends.receive().0.len(), pattern.len());
            }
            assert!(ends.inbox.coalesced[0].made - made <= 1, "{pattern:?}");
        }
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
