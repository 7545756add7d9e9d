//! The writer that this module's tests and fuzz bodies use.

use crate::rtsp::out_queue::Write;
use std::io;

/// A writer that accepts `room` bytes and then returns `WouldBlock`.
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
