//! Many datagrams to many destinations with few system calls.
//!
//! Linux: a run of datagrams of one length (the last may be shorter) goes out as one message with
//! a `UDP_SEGMENT` control message, which the kernel cuts up again late; many messages go in one
//! `sendmmsg`. What the kernel refuses to segment is sent one datagram a message. See udp(7) and
//! `net/ipv4/udp.c` for who may refuse what. Elsewhere: one call a datagram.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

mod backlog;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod runs;

pub(super) use backlog::Backlog;
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

/// What becomes of a batch.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// Datagrams that the system took.
    pub(super) sent: usize,
    /// Destinations that failed, each once.
    pub(super) failed: &'a mut Vec<(usize, io::Error)>,
    /// The socket's buffer is full: which destinations did not get all, and from which datagram
    /// on.
    pub(super) late: &'a mut Vec<(usize, usize)>,
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
    report: &mut Report<'_>,
    mut send: impl FnMut(&[u8], SocketAddr) -> io::Result<usize>,
) {
    for (index, destination) in destinations.iter().enumerate() {
        for (number, datagram) in datagrams.iter().enumerate() {
            match send(datagram, *destination) {
                Ok(_) => report.sent += 1,
                Err(e) if is_full(&e) => {
                    report.late.push((index, number));
                    report.late.extend((index + 1..destinations.len()).map(|other| (other, 0)));
                    return;
                }
                Err(e) => {
                    report.failed.push((index, e));
                    break;
                }
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable {
    use super::{Datagrams, Offload, Report, one_by_one};
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
            report: &mut Report<'_>,
        ) {
            one_by_one(datagrams, destinations, report, |datagram, to| {
                super::super::uninterrupted(|| socket.send_to(datagram, to))
            });
        }
    }
}
