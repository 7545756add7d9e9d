//! [`Pipe`]: one direction of a connection to an object of this process: what is written is kept in
//! memory until the reader takes it, without a system call.

use crate::env::{EventKey, MediumHandle, Timer, UsageEnvironment};
use std::io::{self, IoSlice};

/// The written bytes of a connection whose peer is a medium of the same environment.
///
/// A write is taken whole or not at all, so that what the reader finds ends with a whole message or
/// packet. The reader is woken by a timer of its own, in the turn after the write.
#[derive(Debug)]
pub(crate) struct Pipe {
    reader: MediumHandle,
    key: EventKey,
    timer: Timer,
    written: Vec<u8>,
    capacity: usize,
}

impl Pipe {
    /// Creates a pipe that wakes `reader` with a timer event of this key. It keeps at most `capacity`
    /// bytes, or one write that is longer.
    pub(crate) const fn new((reader, key): (MediumHandle, EventKey), capacity: usize) -> Self {
        Self { reader, key, timer: Timer::new(), written: Vec::new(), capacity }
    }

    pub(super) fn write_vectored(
        &mut self,
        env: &mut UsageEnvironment,
        bufs: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let mut taken = 0;
        for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
            if !self.written.is_empty() && self.written.len() + buf.len() > self.capacity {
                break;
            }
            self.written.extend_from_slice(buf);
            taken += buf.len();
        }
        if taken == 0 && bufs.iter().any(|buf| !buf.is_empty()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.wake(env);
        Ok(taken)
    }

    /// Swaps what was written with the memory of the reader, which is emptied.
    pub(crate) fn take(&mut self, into: &mut Vec<u8>) {
        into.clear();
        std::mem::swap(&mut self.written, into);
    }

    /// Has the reader look at the pipe, and at the connection, in the next turn.
    pub(crate) fn wake(&mut self, env: &mut UsageEnvironment) {
        if !env.is_armed(&self.timer) {
            let now = env.now();
            env.arm_timer(&mut self.timer, self.reader, self.key, now);
        }
    }

    /// Tells the reader that this is the end.
    pub(super) fn close(mut self, env: &mut UsageEnvironment) {
        self.wake(env);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Event, Medium};
    use crate::net::ByteStream;
    use std::time::Duration;

    #[derive(Default)]
    struct Reader(usize);

    impl Medium for Reader {
        fn kind(&self) -> &'static str {
            "Reader"
        }
        fn handle_event(&mut self, _: &mut UsageEnvironment, event: Event) {
            assert!(matches!(event, Event::Timer { key } if key.kind == 7));
            self.0 += 1;
        }
    }

    #[test]
    fn a_write_is_taken_whole_or_not_and_the_reader_is_woken_once_a_turn() {
        let mut env = UsageEnvironment::simulated(1);
        let reader = env.add(Reader::default());
        let key = EventKey { kind: 7, ..EventKey::default() };
        let mut stream = ByteStream::from(Pipe::new((reader.handle(), key), 8));
        assert!(stream.is_established() && stream.is_flushed() && stream.is_inside());
        let would_block = |result: io::Result<usize>| {
            result.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
        };
        assert!(would_block(stream.read(&mut env, &mut [0; 4])));
        assert_eq!(stream.write(&mut env, b"123456").unwrap(), 6);
        assert!(would_block(stream.write(&mut env, b"789")), "not a part of it");
        let pieces = [IoSlice::new(b"78"), IoSlice::new(b"9")];
        assert_eq!(stream.write_vectored(&mut env, &pieces).unwrap(), 2, "a piece is whole, too");
        env.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(env.medium(reader).unwrap().0, 1);
        let mut memory = b"old".to_vec();
        stream.pipe_mut().unwrap().take(&mut memory);
        assert_eq!(memory, b"12345678");
        // However long it is, it goes where nothing waits.
        assert_eq!(stream.write(&mut env, b"0123456789").unwrap(), 10);
        stream.close(&mut env);
        env.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(env.medium(reader).unwrap().0, 2);
        assert_eq!(env.delayed_tasks(), 0);
    }
}
