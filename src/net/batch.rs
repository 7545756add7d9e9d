//! Many datagrams to many destinations with few system calls.
//!
//! Linux: a run of datagrams of one length (the last may be shorter) goes out as one message with
//! a `UDP_SEGMENT` control message, which the kernel cuts up again late; many messages go in one
//! `sendmmsg`. What the kernel refuses to segment is sent one datagram a message. See udp(7) and
//! `net/ipv4/udp.c` for who may refuse what. Elsewhere: one call a datagram.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::Batch;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use portable::Batch;

/// Datagrams as they lie in one buffer, perhaps with gaps: the packets of one frame.
#[derive(Clone, Copy, Debug)]
pub struct Datagrams<'a> {
    /// What the spans are of.
    pub buffer: &'a [u8],
    /// Where each datagram lies in the buffer; one that reaches beyond it is left out.
    pub spans: &'a [Range<usize>],
}

impl<'a> Datagrams<'a> {
    /// The datagrams.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let buffer = self.buffer;
        self.spans.iter().filter_map(move |span| buffer.get(span.clone()))
    }
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sent {
    /// Datagrams that the system took.
    pub(super) sent: usize,
    /// Datagrams that found the socket's buffer full.
    pub(super) dropped: usize,
}

/// How many destinations may refuse segmentation before the socket does without.
const REFUSALS: usize = 64;

/// A socket's dealings with segmentation offload.
#[derive(Debug)]
pub(super) struct Offload {
    on: bool,
    /// Destinations that only plain datagrams reach: the path's MTU is smaller than a datagram,
    /// say. One such client must not make the others expensive.
    refusing: Vec<SocketAddr>,
}

impl Default for Offload {
    fn default() -> Self {
        Self { on: true, refusing: Vec::new() }
    }
}

impl Offload {
    pub(super) fn set(&mut self, on: bool) {
        self.on = on;
        self.refusing.clear();
    }

    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    /// Notes that a destination, or (`all`) the socket's every one, refuses.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn refuse(&mut self, destination: SocketAddr, all: bool) {
        log::debug!("no segmentation offload towards {destination}");
        if all || self.refusing.len() >= REFUSALS {
            self.set(false);
        } else {
            self.refusing.push(destination);
        }
    }
}

/// Whether an error says that the socket's buffer is full, for now.
fn is_full(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::WouldBlock
        || e.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32)
}

/// One call a datagram.
pub(super) fn one_by_one(
    datagrams: &Datagrams<'_>,
    destinations: &[SocketAddr],
    failed: &mut Vec<(usize, io::Error)>,
    mut send: impl FnMut(&[u8], SocketAddr) -> io::Result<usize>,
) -> Sent {
    let mut total = Sent::default();
    for (index, destination) in destinations.iter().enumerate() {
        for datagram in datagrams.iter() {
            match send(datagram, *destination) {
                Ok(_) => total.sent += 1,
                Err(e) if is_full(&e) => total.dropped += 1,
                Err(e) => {
                    failed.push((index, e));
                    break;
                }
            }
        }
    }
    total
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable {
    use super::{Datagrams, Offload, Sent, one_by_one};
    use std::io;
    use std::net::{SocketAddr, UdpSocket};

    #[derive(Debug, Default)]
    pub(crate) struct Batch;

    impl Batch {
        pub(crate) fn send(
            &mut self,
            socket: &UdpSocket,
            _: &mut Offload,
            datagrams: &Datagrams<'_>,
            destinations: &[SocketAddr],
            failed: &mut Vec<(usize, io::Error)>,
        ) -> Sent {
            one_by_one(datagrams, destinations, failed, |datagram, to| {
                super::super::uninterrupted(|| socket.send_to(datagram, to))
            })
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use super::super::uninterrupted;
    use super::{Datagrams, Offload, Sent, is_full};
    use nix::errno::Errno;
    use nix::sys::socket::{
        ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, sockopt,
    };
    use std::io::{self, IoSlice};
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::{AsRawFd, RawFd};

    /// Messages a call. More gain nothing: the call itself is spread thin long before.
    const MESSAGES: usize = 64;

    /// Segments a message (UDP_MAX_SEGMENTS of older kernels).
    const SEGMENTS: usize = 64;

    /// Bytes a message: an IP packet's 65,535 less generous headers.
    const BYTES: usize = 65_000;

    /// Full-buffer answers in a row after which the rest of the batch is given up.
    const FULL_IN_A_ROW: usize = 8;

    /// Room for batches, kept from one to the next: in the steady state nothing is allocated.
    #[derive(Debug, Default)]
    pub(crate) struct Batch {
        /// Whether the kernel knows segmentation: an old one ignores the control message and
        /// would send the run as one datagram.
        offload: Option<bool>,
        headers: Option<Headers>,
        /// Destinations of the batch that are still in it, and their addresses for the system.
        indices: Vec<usize>,
        addresses: Vec<Option<SockaddrStorage>>,
        message_addresses: Vec<Option<SockaddrStorage>>,
        slices: Vec<IoSlice<'static>>,
        messages: Vec<[IoSlice<'static>; 1]>,
        /// Calls of `sendmmsg`.
        #[cfg(test)]
        pub(crate) calls: usize,
    }

    #[derive(Debug)]
    struct Headers {
        plain: MultiHeaders<SockaddrStorage>,
        segmented: MultiHeaders<SockaddrStorage>,
    }

    impl Headers {
        fn new() -> Self {
            let control = nix::cmsg_space!(u16);
            Self {
                plain: MultiHeaders::preallocate(MESSAGES, None),
                segmented: MultiHeaders::preallocate(MESSAGES, Some(control)),
            }
        }
    }

    /// Neighbouring datagrams that go out in the same way.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(super) struct Run {
        /// How many of them there are.
        pub(super) count: usize,
        /// The length of the segments if they are one message; 0 if they are one each.
        pub(super) segment: u16,
    }

    /// The run at the beginning of `lengths`; there is at least one.
    pub(super) fn first_run(lengths: impl Iterator<Item = usize> + Clone, offload: bool) -> Run {
        if !offload {
            return Run { count: lengths.count(), segment: 0 };
        }
        let (count, segment) = segmented(lengths.clone());
        if count > 1 {
            return Run { count, segment };
        }
        // Singles, up to where a run begins that is worth a message of its own.
        let mut rest = lengths;
        let mut count = 0;
        while rest.clone().next().is_some() && segmented(rest.clone()).0 <= 1 {
            rest.next();
            count += 1;
        }
        Run { count, segment: 0 }
    }

    /// How many datagrams from the beginning make one message, and the length of its segments.
    fn segmented(mut lengths: impl Iterator<Item = usize>) -> (usize, u16) {
        let Some(first) = lengths.next() else { return (0, 0) };
        let Ok(segment) = u16::try_from(first) else { return (1, 0) };
        if segment == 0 {
            return (1, 0);
        }
        let (mut count, mut bytes) = (1, first);
        for length in lengths {
            bytes += length;
            if length == 0 || length > first || count == SEGMENTS || bytes > BYTES {
                break;
            }
            count += 1;
            if length < first {
                break;
            }
        }
        (count, segment)
    }

    /// An empty vector for slices of another lifetime in the memory of `old`.
    fn recycle<'b>(mut old: Vec<IoSlice<'_>>) -> Vec<IoSlice<'b>> {
        old.clear();
        // Collecting from a vector of the same layout keeps its allocation.
        old.into_iter().map(|_| IoSlice::new(&[])).collect()
    }

    /// The same for messages of one slice.
    fn recycle_messages<'b>(mut old: Vec<[IoSlice<'_>; 1]>) -> Vec<[IoSlice<'b>; 1]> {
        old.clear();
        old.into_iter().map(|_| [IoSlice::new(&[])]).collect()
    }

    /// Sends messages in one call; how many the system took, or why it did not take the first.
    fn send_messages<'a, I: AsRef<[IoSlice<'a>]> + 'a>(
        fd: RawFd,
        headers: &'a mut MultiHeaders<SockaddrStorage>,
        messages: impl Iterator<Item = &'a I>,
        addresses: &'a [Option<SockaddrStorage>],
        control: &'a [ControlMessage<'a>],
    ) -> io::Result<usize> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        Ok(sendmmsg(fd, headers, messages, addresses, control, flags)?.count())
    }

    impl Batch {
        pub(crate) fn send(
            &mut self,
            socket: &UdpSocket,
            offload: &mut Offload,
            datagrams: &Datagrams<'_>,
            destinations: &[SocketAddr],
            failed: &mut Vec<(usize, io::Error)>,
        ) -> Sent {
            let mut total = Sent::default();
            let mut lone = datagrams.iter();
            if let (Some(datagram), None, [destination]) = (lone.next(), lone.next(), destinations)
            {
                plain(socket, datagram, *destination, 0, failed, &mut total);
                return total;
            }
            self.indices.clear();
            self.indices.extend(0..destinations.len());
            let known = *self.offload.get_or_insert_with(|| {
                nix::sys::socket::getsockopt(socket, sockopt::UdpGsoSegment).is_ok()
            });
            let mut rest = datagrams.spans;
            while !rest.is_empty() && !self.indices.is_empty() {
                let lengths = rest.iter().map(|span| span.len());
                let run = first_run(lengths, known && offload.on);
                let (now, later) = rest.split_at(run.count.clamp(1, rest.len()));
                rest = later;
                let part = Datagrams { buffer: datagrams.buffer, spans: now };
                let failures = failed.len();
                if run.segment > 0 {
                    self.send_segmented(
                        socket,
                        offload,
                        &part,
                        run.segment,
                        destinations,
                        failed,
                        &mut total,
                    );
                } else {
                    self.send_plain(socket, &part, destinations, failed, &mut total);
                }
                // Who failed is out for the rest of the batch.
                for (gone, _) in failed.get(failures..).unwrap_or_default() {
                    self.indices.retain(|index| index != gone);
                }
            }
            total
        }

        /// Sends one run to every destination, a message each.
        #[allow(clippy::too_many_arguments)]
        fn send_segmented(
            &mut self,
            socket: &UdpSocket,
            offload: &mut Offload,
            run: &Datagrams<'_>,
            segment: u16,
            destinations: &[SocketAddr],
            failed: &mut Vec<(usize, io::Error)>,
            total: &mut Sent,
        ) {
            let mut slices = recycle(std::mem::take(&mut self.slices));
            slices.extend(run.iter().map(IoSlice::new));
            let count = slices.len();
            let headers = self.headers.get_or_insert_with(Headers::new);
            let control = [ControlMessage::UdpGsoSegments(&segment)];

            self.addresses.clear();
            self.message_addresses.clear();
            let mut next = 0;
            let mut full = 0;
            while let Some(waiting) = self.indices.get(next..).filter(|w| !w.is_empty()) {
                let address = |index: &usize| destinations.get(*index).copied();
                let refused = |to: &SocketAddr| !offload.on || offload.refusing.contains(to);
                self.addresses.clear();
                self.addresses.extend(
                    waiting
                        .iter()
                        .take(MESSAGES)
                        .map_while(|index| address(index).filter(|to| !refused(to)))
                        .map(|to| Some(SockaddrStorage::from(to))),
                );
                #[cfg(test)]
                {
                    self.calls += 1;
                }
                let result = if self.addresses.is_empty() {
                    Err(io::ErrorKind::Unsupported.into())
                } else {
                    uninterrupted(|| {
                        send_messages(
                            socket.as_raw_fd(),
                            &mut headers.segmented,
                            std::iter::repeat(&slices),
                            &self.addresses,
                            &control,
                        )
                    })
                };
                match result {
                    Ok(taken) => {
                        full = 0;
                        next += taken.max(1);
                        total.sent += taken * count;
                    }
                    Err(e) if is_full(&e) => {
                        next += 1;
                        full += 1;
                        total.dropped += count;
                        if full == FULL_IN_A_ROW {
                            let given_up = self.indices.len().saturating_sub(next);
                            total.dropped += given_up * count;
                            break;
                        }
                    }
                    Err(e) => {
                        // A refusal of the segmentation or a destination that is wrong in itself:
                        // plain datagrams tell.
                        let Some(&index) = waiting.first() else { break };
                        next += 1;
                        let Some(to) = address(&index) else { continue };
                        let known = e.kind() == io::ErrorKind::Unsupported && refused(&to);
                        if !known && !is_refusal(&e) {
                            failed.push((index, e));
                            continue;
                        }
                        let before = total.sent;
                        for datagram in run.iter() {
                            if !plain(socket, datagram, to, index, failed, total) {
                                break;
                            }
                        }
                        if !known && total.sent > before {
                            offload.refuse(to, !is_about_size(&e));
                        }
                    }
                }
            }
            self.slices = recycle(slices);
        }

        /// Sends every datagram to every destination, a message each.
        fn send_plain(
            &mut self,
            socket: &UdpSocket,
            datagrams: &Datagrams<'_>,
            destinations: &[SocketAddr],
            failed: &mut Vec<(usize, io::Error)>,
            total: &mut Sent,
        ) {
            let mut messages = recycle_messages(std::mem::take(&mut self.messages));
            messages.extend(datagrams.iter().map(|datagram| [IoSlice::new(datagram)]));
            let count = messages.len();
            let headers = self.headers.get_or_insert_with(Headers::new);
            self.addresses.clear();
            self.addresses.extend(
                self.indices
                    .iter()
                    .map(|index| destinations.get(*index).map(|to| SockaddrStorage::from(*to))),
            );
            // Message `m` is datagram `m % count` for destination `m / count`.
            let end = count.saturating_mul(self.indices.len());
            let mut next = 0;
            let mut full = 0;
            while next < end {
                let chunk = next..end.min(next + MESSAGES);
                self.message_addresses.clear();
                self.message_addresses.extend(
                    chunk.clone().map(|m| self.addresses.get(m / count).copied().flatten()),
                );
                #[cfg(test)]
                {
                    self.calls += 1;
                }
                let result = uninterrupted(|| {
                    send_messages(
                        socket.as_raw_fd(),
                        &mut headers.plain,
                        messages.iter().cycle().skip(next % count),
                        &self.message_addresses,
                        &[],
                    )
                });
                match result {
                    Ok(taken) => {
                        full = 0;
                        next += taken.max(1);
                        total.sent += taken;
                    }
                    Err(e) if is_full(&e) => {
                        next += 1;
                        full += 1;
                        total.dropped += 1;
                        if full == FULL_IN_A_ROW {
                            total.dropped += end.saturating_sub(next);
                            break;
                        }
                    }
                    Err(e) => {
                        let destination = next / count;
                        if let Some(index) = self.indices.get(destination) {
                            failed.push((*index, e));
                        }
                        next = (destination + 1).saturating_mul(count);
                    }
                }
            }
            self.messages = recycle_messages(messages);
        }
    }

    /// Sends one datagram; false if the destination has failed.
    fn plain(
        socket: &UdpSocket,
        datagram: &[u8],
        to: SocketAddr,
        index: usize,
        failed: &mut Vec<(usize, io::Error)>,
        total: &mut Sent,
    ) -> bool {
        match uninterrupted(|| socket.send_to(datagram, to)) {
            Ok(_) => total.sent += 1,
            Err(e) if is_full(&e) => total.dropped += 1,
            Err(e) => {
                failed.push((index, e));
                return false;
            }
        }
        true
    }

    /// Whether an error may mean that the kernel does not segment this message.
    fn is_refusal(e: &io::Error) -> bool {
        e.raw_os_error().map(Errno::from_raw).is_some_and(|e| {
            matches!(
                e,
                Errno::EINVAL
                    | Errno::EMSGSIZE
                    | Errno::EIO
                    | Errno::ENOPROTOOPT
                    | Errno::EOPNOTSUPP
            )
        })
    }

    /// Whether a refusal is about the length of the segments on one path, not about the socket.
    fn is_about_size(e: &io::Error) -> bool {
        e.raw_os_error()
            .map(Errno::from_raw)
            .is_some_and(|e| matches!(e, Errno::EINVAL | Errno::EMSGSIZE))
    }
}
