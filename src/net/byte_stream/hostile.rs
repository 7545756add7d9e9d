//! [`Hostile`]: a stream with all the behaviour that TLS and tunnels may show.

use crate::env::{EventKey, Interest, MediumHandle, Readiness, UsageEnvironment};
use crate::net::tcp::TcpStream;
use crate::net::wants::Wants;
use std::io;

/// The ways in which a stream is hostile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hostility {
    /// One in this number of reads has to wait until the stream is writable. 0: none.
    pub(crate) read_wants_write: u32,
    /// One in this number of writes has to wait until input has arrived. 0: none.
    pub(crate) write_wants_read: u32,
    /// Bytes that are read from the socket at once, of which each read returns one.
    pub(crate) buffered: usize,
}

/// Reads from one socket and writes to another, a byte at a time.
#[derive(Debug)]
pub(crate) struct Hostile {
    incoming: TcpStream,
    outgoing: TcpStream,
    how: Hostility,
    reads: u32,
    writes: u32,
    read_waits_for_write: bool,
    write_waits_for_read: bool,
    plaintext: Vec<u8>,
    /// Number of them that were read.
    read: usize,
    has_plaintext: bool,
    unsent: Option<u8>,
}

impl Hostile {
    pub(crate) fn new(incoming: TcpStream, outgoing: TcpStream, how: Hostility) -> Self {
        Self {
            incoming,
            outgoing,
            how,
            reads: 0,
            writes: 0,
            read_waits_for_write: false,
            write_waits_for_read: false,
            plaintext: Vec::new(),
            read: 0,
            has_plaintext: false,
            unsent: None,
        }
    }

    pub(super) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        wants: Wants,
    ) -> io::Result<()> {
        let reads =
            wants.read && !self.read_waits_for_write || wants.write && self.write_waits_for_read;
        let writes = wants.write && !self.write_waits_for_read
            || wants.read && self.read_waits_for_write
            || self.unsent.is_some();
        let incoming = if reads { Interest::READABLE } else { Interest::NONE };
        let outgoing = if writes { Interest::WRITABLE } else { Interest::NONE };
        self.incoming.watch(env, owner, key, incoming)?;
        self.outgoing.watch(env, owner, key, outgoing)
    }

    pub(super) fn unwatch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
    ) -> io::Result<()> {
        self.incoming.watch(env, owner, key, Interest::NONE)?;
        self.outgoing.watch(env, owner, key, Interest::NONE)
    }

    pub(super) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        let mut may = Readiness::NONE;
        if ready.readable {
            may.readable = !self.read_waits_for_write;
            may.writable |= std::mem::take(&mut self.write_waits_for_read);
        }
        if ready.writable {
            self.flush(env)?;
            may.readable |= std::mem::take(&mut self.read_waits_for_write);
            may.writable |= !self.write_waits_for_read;
        }
        Ok(may)
    }

    pub(super) fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        if self.read_waits_for_write {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.reads += 1;
        if self.how.read_wants_write != 0 && self.reads % self.how.read_wants_write == 0 {
            self.read_waits_for_write = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.read == self.plaintext.len() {
            let mut record = vec![0; self.how.buffered.max(1)];
            let n = self.incoming.read(env, &mut record)?;
            record.truncate(n);
            (self.plaintext, self.read) = (record, 0);
        }
        match (self.plaintext.get(self.read), buf.first_mut()) {
            (Some(byte), Some(to)) => {
                *to = *byte;
                self.read += 1;
                self.has_plaintext = self.read < self.plaintext.len();
                Ok(1)
            }
            _ => Ok(0),
        }
    }

    pub(super) fn write(&mut self, env: &mut UsageEnvironment, buf: &[u8]) -> io::Result<usize> {
        self.flush(env)?;
        let Some(&byte) = buf.first() else { return Ok(0) };
        if self.write_waits_for_read || self.unsent.is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.writes += 1;
        if self.how.write_wants_read != 0 && self.writes % self.how.write_wants_read == 0 {
            self.write_waits_for_read = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // Taken, and sent with a later call.
        self.unsent = Some(byte);
        Ok(1)
    }

    fn flush(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        let Some(byte) = self.unsent else { return Ok(()) };
        match self.outgoing.write(env, &[byte]) {
            Ok(_) => self.unsent = None,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    pub(super) const fn has_buffered_input(&self) -> bool {
        self.has_plaintext && !self.read_waits_for_write
    }

    pub(super) const fn is_flushed(&self) -> bool {
        self.unsent.is_none()
    }

    pub(super) fn close(mut self, env: &mut UsageEnvironment) {
        let _ = self.flush(env);
        self.incoming.close(env);
        self.outgoing.close(env);
    }
}
