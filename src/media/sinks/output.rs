//! [`Output`]: where a sink writes, until it fails, and what its errors name.

use crate::error::Error;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// A writer without positions, such as standard output, where a sink wants one that seeks. Headers
/// of files that are written to it stay as they were at the beginning.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a writer and nothing else")]
pub struct Pipe<W>(
    /// The writer.
    pub W,
);

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W> Seek for Pipe<W> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::NotSeekable.into())
    }
}

/// A writer with a name. After the first error nothing is written to it.
#[derive(Debug)]
pub(super) struct Output<W> {
    writer: W,
    name: String,
    /// Bytes written.
    len: u64,
    is_seekable: bool,
    ended: bool,
}

impl Output<File> {
    /// A new file at `path`, in the place of one that is there.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        match File::create(path) {
            Ok(file) => Ok(Self::new(file, name)),
            Err(e) => Err(named(&name, &e)),
        }
    }
}

impl<W: Write + Seek> Output<W> {
    pub(super) fn new(mut writer: W, name: String) -> Self {
        let is_seekable = writer.stream_position().is_ok();
        Self { writer, name, len: 0, is_seekable, ended: false }
    }

    /// Whether [`write_over`](Self::write_over) can change what has been written.
    pub(super) const fn is_seekable(&self) -> bool {
        self.is_seekable
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// It has failed, or was closed.
    pub(super) const fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn into_writer(self) -> W {
        self.writer
    }

    #[cfg(test)]
    pub(super) const fn writer(&self) -> &W {
        &self.writer
    }

    /// Ends with an error that names the file.
    pub(super) fn fail(&mut self, e: &io::Error) -> Error {
        self.ended = true;
        named(&self.name, e)
    }

    /// Ends because of what a frame or the parameters say.
    pub(super) fn refuse(&mut self, why: &str) -> Error {
        self.ended = true;
        Error::Media(format!("{}: {why}", self.name))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        match self.writer.write_all(bytes) {
            Ok(()) => {
                self.len = self.len.saturating_add(bytes.len() as u64);
                Ok(())
            }
            Err(e) => Err(self.fail(&e)),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        self.writer.flush().map_err(|e| self.fail(&e))
    }

    /// Writes over what was written at `at`, and goes on at the end. Where the writer has no
    /// positions this does nothing.
    pub(super) fn write_over(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        if self.ended || !self.is_seekable {
            return Ok(());
        }
        let begun = self.writer.seek(SeekFrom::Start(at));
        let written = begun.and_then(|_| self.writer.write_all(bytes));
        let end = self.writer.seek(SeekFrom::End(0));
        written.and_then(|()| end.map(drop)).map_err(|e| self.fail(&e))
    }
}

fn named(name: &str, e: &io::Error) -> Error {
    Error::Io(io::Error::new(e.kind(), format!("{name}: {e}")))
}
