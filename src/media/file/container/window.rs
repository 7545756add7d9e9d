//! [`Window`]: reads a file at any position through a small buffer, one system call for many
//! elements, and counts what it reads.

use crate::media::file::media_file::{ProbeError, open_regular};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Bytes read at once while positions follow each other, where all of them are looked at.
pub(crate) const SEARCH_CHUNK: usize = 32 << 10;
/// The same for playing, where it is what each player holds. Most of a large picture is read past
/// the buffer.
pub(crate) const PLAY_CHUNK: usize = 8 << 10;
/// Bytes read at once where a walk jumps from element to element.
const SMALL_CHUNK: usize = 4 << 10;

/// The source of the bytes; one open file serves all who read it.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    File(Arc<File>),
    Memory(Bytes),
}

impl Input {
    /// Opens a regular file.
    pub(crate) fn open(path: &Path) -> Result<Self, ProbeError> {
        open_regular(path).map(|file| Self::File(Arc::new(file)))
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => file.metadata().map(|m| m.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Fills `out` from `at` on; returns how much there was.
    pub(crate) fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => read_file_at(file, at, out),
            Self::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let source = bytes.get(from..).unwrap_or_default();
                let n = source.len().min(out.len());
                for (to, from) in out.iter_mut().zip(source) {
                    *to = *from;
                }
                Ok(n)
            }
        }
    }
}

#[cfg(unix)]
fn read_file_at(file: &File, at: u64, out: &mut [u8]) -> io::Result<usize> {
    use std::os::unix::fs::FileExt;
    let mut done = 0;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

#[cfg(not(unix))]
fn read_file_at(mut file: &File, at: u64, out: &mut [u8]) -> io::Result<usize> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(at))?;
    file.take(out.len() as u64).read(out)
}

/// A buffer over part of an input.
#[derive(Debug)]
pub(crate) struct Window {
    input: Input,
    chunk: usize,
    len: u64,
    buffer: Vec<u8>,
    /// Position of the buffer's first byte.
    start: u64,
    bytes_read: u64,
}

impl Window {
    /// `chunk`: bytes read at once while positions follow each other.
    pub(crate) fn new(input: Input, chunk: usize) -> io::Result<Self> {
        let len = input.len()?;
        Ok(Self { input, chunk, len, buffer: Vec::new(), start: 0, bytes_read: 0 })
    }

    /// Length of the input when it was opened.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Takes note of how long the input has become. Returns whether it has grown.
    #[cfg(feature = "mp4")]
    pub(crate) fn look_for_more(&mut self) -> io::Result<bool> {
        let len = self.input.len()?;
        let has_grown = len > self.len;
        self.len = len;
        // What is held may have been written over.
        self.buffer.clear();
        Ok(has_grown)
    }

    pub(crate) const fn input(&self) -> &Input {
        &self.input
    }

    /// All bytes read so far: the measure of work done.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// `want` bytes from `at` on, fewer only where the input ends.
    pub(crate) fn peek(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        if self.buffered(at).len() < want {
            self.fill(at, want)?;
        }
        let bytes = self.buffered(at);
        Ok(bytes.get(..want).unwrap_or(bytes))
    }

    /// Fills `out` from `at` on. The caller has checked its length against the length of the
    /// input and a limit of its own.
    pub(crate) fn read(&mut self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let ready = self.buffered(at);
        let ready = ready.get(..out.len()).unwrap_or(ready);
        let done = ready.len();
        let Some((front, rest)) = out.split_at_mut_checked(done) else { return Ok(()) };
        front.copy_from_slice(ready);
        let at = at.saturating_add(done as u64);
        if rest.is_empty() {
            return Ok(());
        }
        if rest.len() < self.chunk {
            let more = self.peek(at, rest.len())?;
            if more.len() < rest.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            rest.copy_from_slice(more);
            return Ok(());
        }
        let n = self.input.read_at(at, rest)?;
        self.bytes_read += n as u64;
        // What follows is read next, so the window moves there.
        self.buffer.clear();
        self.start = at.saturating_add(n as u64);
        if n < rest.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn buffered(&self, at: u64) -> &[u8] {
        at.checked_sub(self.start)
            .and_then(|offset| self.buffer.get(usize::try_from(offset).ok()?..))
            .unwrap_or_default()
    }

    fn fill(&mut self, at: u64, want: usize) -> io::Result<()> {
        let end = self.start.saturating_add(self.buffer.len() as u64);
        let near = at >= self.start && at <= end.saturating_add(SMALL_CHUNK as u64);
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let n = want.max(if near { self.chunk } else { SMALL_CHUNK }).min(left);
        self.buffer.resize(n, 0);
        self.start = at;
        let n = self.input.read_at(at, &mut self.buffer)?;
        self.buffer.truncate(n);
        // Even a read of nothing costs something; a budget must run out some day.
        self.bytes_read += n.max(1) as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_same_through_the_buffer_and_around_it() {
        let data: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let input = Input::Memory(data.clone().into());
        let mut window = Window::new(input, PLAY_CHUNK).unwrap();
        let mut seed = 7_u64;
        for _ in 0..2000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (seed >> 33) as usize % data.len();
            let len = ((seed >> 13) as usize % 50_000).min(data.len() - at);
            let mut out = vec![0; len];
            window.read(at as u64, &mut out).unwrap();
            assert_eq!(out, data[at..at + len]);
            assert_eq!(window.peek(at as u64, len.min(20)).unwrap(), &data[at..at + len.min(20)]);
        }
        assert_eq!(window.peek(199_999, 10).unwrap().len(), 1);
        assert_eq!(window.peek(u64::MAX, 10).unwrap().len(), 0);
        assert!(window.read(199_990, &mut [0; 11]).is_err());
    }
}
