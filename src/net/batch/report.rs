//! [`Report`]: the outcome of a batch.

use std::io;

/// The outcome of a batch.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// Number of datagrams that the system accepted.
    pub(crate) sent: usize,
    /// Destinations that failed, each once.
    pub(crate) failed: &'a mut Vec<(usize, io::Error)>,
    /// Destinations that did not receive all datagrams because the socket's buffer is full, each
    /// with its first missing datagram.
    pub(crate) late: &'a mut Vec<(usize, usize)>,
}

/// Whether an error means that the socket's buffer is full at present.
pub(super) fn is_full(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::WouldBlock
        || e.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32)
}
