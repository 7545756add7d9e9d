//! [`read_behind`]: appends input to a buffer without copying it.

use bytes::BytesMut;
use std::io;

/// Lets `read` write up to `len` bytes directly behind the content of `buffer`, and returns their
/// number.
pub(super) fn read_behind(
    buffer: &mut BytesMut,
    len: usize,
    read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let before = buffer.len();
    buffer.resize(before + len, 0);
    let got = read(buffer.get_mut(before..).unwrap_or_default());
    buffer.truncate(before + got.as_ref().map_or(0, |&n| n.min(len)));
    got
}
