//! Batches on Linux: `sendmmsg` with `UDP_SEGMENT` (udp(7)).

use super::datagrams::Datagrams;
use super::offload::Offload;
use super::report::{Report, is_full};
use super::runs::first_run;
use super::single::plain;
use crate::net::system::uninterrupted;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, sockopt,
};
use std::cmp::Ordering;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

/// Messages per call. More bring no gain, because the call itself is a small part of the cost.
const MESSAGES: usize = 64;

/// Number of destinations from which on a run is copied into contiguous memory.
const GATHER_FROM: usize = 4;

/// Memory for batches, which is reused, so that nothing is allocated in the steady state.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Whether the kernel supports segmentation: an old one ignores the control message and would
    /// send the run as one datagram.
    offload: Option<bool>,
    headers: Option<Headers>,
    /// Destinations that remain in the batch, and their addresses for the system.
    indices: Vec<usize>,
    addresses: Vec<Option<SockaddrStorage>>,
    message_addresses: Vec<Option<SockaddrStorage>>,
    slices: Vec<IoSlice<'static>>,
    messages: Vec<[IoSlice<'static>; 1]>,
    /// A run without its gaps.
    gathered: Vec<u8>,
    /// Number of calls of `sendmmsg`.
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

/// Like [`recycle`], for messages of one slice.
fn recycle_messages<'b>(mut old: Vec<[IoSlice<'_>; 1]>) -> Vec<[IoSlice<'b>; 1]> {
    old.clear();
    old.into_iter().map(|_| [IoSlice::new(&[])]).collect()
}

/// Sends messages in one call; returns how many the system accepted, or the error of the first.
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
        report: &mut Report<'_>,
    ) {
        self.indices.clear();
        self.indices.extend(0..destinations.len());
        let known = *self.offload.get_or_insert_with(|| {
            nix::sys::socket::getsockopt(socket, sockopt::UdpGsoSegment).is_ok()
        });
        let mut start = 0;
        while let Some(rest) = datagrams.spans.get(start..).filter(|rest| !rest.is_empty()) {
            let run = first_run(rest.iter().map(|span| span.len()), known && offload.on);
            let (now, later) = rest.split_at(run.count.clamp(1, rest.len()));
            let part = Part {
                datagrams: Datagrams { buffer: datagrams.buffer, spans: now },
                start,
                segment: run.segment,
            };
            start += now.len();
            let failures = report.failed.len();
            let served = if run.segment > 0 {
                self.send_segmented(socket, offload, &part, destinations, report)
            } else {
                self.send_plain(socket, &part, destinations, report)
            };
            // A failed destination is out for the rest of the batch. Both lists have the same
            // order.
            let failed = report.failed.get(failures..).unwrap_or_default();
            let mut gone = failed.iter().map(|(index, _)| *index).peekable();
            if gone.peek().is_some() {
                self.indices.retain(|index| gone.next_if_eq(index).is_none());
            }
            if let Err(Full { index, datagram }) = served {
                // The socket takes no more: for those before this one the rest of the batch is
                // late, for those after it this part too.
                for other in &self.indices {
                    match other.cmp(&index) {
                        Ordering::Less if later.is_empty() => {}
                        Ordering::Less => report.late.push((*other, start)),
                        Ordering::Equal => report.late.push((*other, datagram)),
                        Ordering::Greater => report.late.push((*other, part.start)),
                    }
                }
                return;
            }
        }
    }

    /// Sends one run to every destination, a message each.
    fn send_segmented(
        &mut self,
        socket: &UdpSocket,
        offload: &mut Offload,
        run: &Part<'_>,
        destinations: &[SocketAddr],
        report: &mut Report<'_>,
    ) -> Result<(), Full> {
        let mut slices = recycle(std::mem::take(&mut self.slices));
        // The kernel walks the list of slices for every destination: for many of them one copy
        // is cheaper (measured: 6 % at 50 destinations and 14 datagrams).
        self.gathered.clear();
        if self.indices.len() >= GATHER_FROM {
            run.datagrams.iter().for_each(|datagram| self.gathered.extend_from_slice(datagram));
            slices.push(IoSlice::new(&self.gathered));
        } else {
            slices.extend(run.datagrams.iter().map(IoSlice::new));
        }
        let headers = self.headers.get_or_insert_with(Headers::new);
        let control = [ControlMessage::UdpGsoSegments(&run.segment)];
        let mut outcome = Ok(());
        let mut next = 0;
        while let Some(waiting) = self.indices.get(next..) {
            let Some(&index) = waiting.first() else { break };
            let Some(&to) = destinations.get(index) else { break };
            let refused = |to: &SocketAddr| !offload.on || offload.refusing.contains(to);
            let mut refusal = None;
            if !refused(&to) {
                self.addresses.clear();
                self.addresses.extend(
                    waiting
                        .iter()
                        .take(MESSAGES)
                        .map_while(|index| destinations.get(*index).filter(|to| !refused(to)))
                        .map(|to| Some(SockaddrStorage::from(*to))),
                );
                #[cfg(test)]
                {
                    self.calls += 1;
                }
                let result = uninterrupted(|| {
                    send_messages(
                        socket.as_raw_fd(),
                        &mut headers.segmented,
                        std::iter::repeat(&slices),
                        &self.addresses,
                        &control,
                    )
                });
                match result {
                    Ok(taken) => {
                        next += taken.max(1);
                        report.sent += taken * run.datagrams.spans.len();
                        continue;
                    }
                    Err(e) if is_full(&e) => {
                        outcome = Err(Full { index, datagram: run.start });
                        break;
                    }
                    Err(e) if !is_refusal(&e) => {
                        report.failed.push((index, e));
                        next += 1;
                        continue;
                    }
                    Err(e) => refusal = Some(e),
                }
            }
            // Segmentation is refused, or the destination is wrong in itself: plain datagrams
            // show which.
            next += 1;
            let before = report.sent;
            let late = report.late.len();
            for (k, datagram) in run.datagrams.iter().enumerate() {
                if !plain(socket, datagram, to, index, run.start + k, report) {
                    break;
                }
            }
            if let (Some(e), true) = (refusal, report.sent > before) {
                offload.refuse(to, !is_about_size(&e));
            }
            if let Some((index, datagram)) = report.late.get(late).copied() {
                report.late.truncate(late);
                outcome = Err(Full { index, datagram });
                break;
            }
        }
        self.slices = recycle(slices);
        outcome
    }

    /// Sends every datagram to every destination, a message each.
    fn send_plain(
        &mut self,
        socket: &UdpSocket,
        part: &Part<'_>,
        destinations: &[SocketAddr],
        report: &mut Report<'_>,
    ) -> Result<(), Full> {
        let mut messages = recycle_messages(std::mem::take(&mut self.messages));
        messages.extend(part.datagrams.iter().map(|datagram| [IoSlice::new(datagram)]));
        let count = messages.len();
        let headers = self.headers.get_or_insert_with(Headers::new);
        self.addresses.clear();
        self.addresses.extend(
            self.indices
                .iter()
                .map(|index| destinations.get(*index).map(|to| SockaddrStorage::from(*to))),
        );
        let mut outcome = Ok(());
        // Message `m` is datagram `m % count` for destination `m / count`.
        let end = count.saturating_mul(self.indices.len());
        let mut next = 0;
        while next < end {
            let chunk = next..end.min(next + MESSAGES);
            self.message_addresses.clear();
            self.message_addresses
                .extend(chunk.map(|m| self.addresses.get(m / count).copied().flatten()));
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
            let index = self.indices.get(next / count).copied().unwrap_or_default();
            match result {
                Ok(taken) => {
                    next += taken.max(1);
                    report.sent += taken;
                }
                Err(e) if is_full(&e) => {
                    outcome = Err(Full { index, datagram: part.start + next % count });
                    break;
                }
                Err(e) => {
                    report.failed.push((index, e));
                    next = (next / count + 1).saturating_mul(count);
                }
            }
        }
        self.messages = recycle_messages(messages);
        outcome
    }
}

/// Consecutive datagrams that are sent in the same way, and their start in the batch.
struct Part<'a> {
    datagrams: Datagrams<'a>,
    start: usize,
    segment: u16,
}

/// A full socket buffer: the destination and the datagram that did not fit.
struct Full {
    index: usize,
    datagram: usize,
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

/// Whether a refusal concerns the length of the segments on one path rather than the socket.
fn is_about_size(e: &io::Error) -> bool {
    e.raw_os_error()
        .map(Errno::from_raw)
        .is_some_and(|e| matches!(e, Errno::EINVAL | Errno::EMSGSIZE))
}
