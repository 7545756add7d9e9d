//! Batches on Linux: `sendmmsg` with `UDP_SEGMENT` (udp(7)).

use super::super::uninterrupted;
use super::runs::first_run;
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

/// From how many destinations on a run is copied together.
const GATHER_FROM: usize = 4;

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
    /// A run without its gaps.
    gathered: Vec<u8>,
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
        if let (Some(datagram), None, [destination]) = (lone.next(), lone.next(), destinations) {
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
        // The kernel walks the list of slices for every destination: for many of them one copy
        // is cheaper (measured: 6 % at 50 destinations and 14 datagrams).
        self.gathered.clear();
        if self.indices.len() >= GATHER_FROM {
            run.iter().for_each(|datagram| self.gathered.extend_from_slice(datagram));
            slices.push(IoSlice::new(&self.gathered));
        } else {
            slices.extend(run.iter().map(IoSlice::new));
        }
        let count = run.spans.len();
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
            self.message_addresses
                .extend(chunk.clone().map(|m| self.addresses.get(m / count).copied().flatten()));
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
            Errno::EINVAL | Errno::EMSGSIZE | Errno::EIO | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP
        )
    })
}

/// Whether a refusal is about the length of the segments on one path, not about the socket.
fn is_about_size(e: &io::Error) -> bool {
    e.raw_os_error()
        .map(Errno::from_raw)
        .is_some_and(|e| matches!(e, Errno::EINVAL | Errno::EMSGSIZE))
}
