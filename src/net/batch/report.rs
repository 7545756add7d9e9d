//! [`Report`]: the outcome of a batch.

use std::io;

/// The outcome of a batch.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// The number of datagrams that the system took.
    pub(crate) sent: usize,
    /// Destinations that failed, each once.
    pub(crate) failed: &'a mut Vec<(usize, io::Error)>,
    /// The socket's buffer is full: which destinations did not get all, and from which datagram
    /// on.
    pub(crate) late: &'a mut Vec<(usize, usize)>,
}

/// Whether an error says that the socket's buffer is full, for now.
pub(super) fn is_full(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::WouldBlock
        || e.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32)
}
