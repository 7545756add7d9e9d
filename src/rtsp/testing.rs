//! What the tests and fuzz bodies of this room write to.

use crate::rtsp::out_queue::Write;
use std::io;

/// Takes `room` bytes and then would block.
#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) room: usize,
    pub(crate) got: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.room);
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room -= n;
        self.got.extend_from_slice(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }
}
