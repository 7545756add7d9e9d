//! [`TlsStream`]: a TCP connection with TLS on it, for either end.

use crate::env::{EventKey, Interest, MediumHandle, Readiness, UsageEnvironment};
use crate::net::tcp::TcpStream;
use crate::net::wants::Wants;
use rustls::{ClientConnection, Connection, ServerConnection};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};

/// Bytes that are read from the socket at a time.
const READ_SIZE: usize = 64 * 1024;
/// Bytes that are read at a time in a handshake: what follows it has room in rustls, which holds one
/// record of plaintext.
const HANDSHAKE_READ_SIZE: usize = 16 * 1024;
/// Bytes of input that are encrypted and written at once: most frames are one write.
const MAX_OUTPUT: usize = 128 * 1024;
/// The type of a record of a handshake (RFC 8446 section 5.1), with which TLS begins.
const HANDSHAKE: u8 = 22;

/// Memory for what is read from sockets, shared by the streams of an environment.
#[derive(Default)]
struct Ciphertext(Vec<u8>);

/// A TCP connection with TLS on it.
///
/// It is in its handshake at first, which [`handle_readiness`](Self::handle_readiness) advances.
/// What is written is encrypted at once, in records as long as they may be, and goes out in one
/// call. While some of that has not gone, nothing more is taken, so what waits here is bounded, and
/// what is sent late or not at all is decided above, frame by frame.
pub(crate) struct TlsStream {
    tcp: TcpStream,
    /// The interest last registered with the poll.
    interest: Interest,
    tls: Connection,
    /// What a peer is sent that speaks no TLS; `None` once it has spoken.
    answer_to_plain: Option<&'static [u8]>,
    /// The peer sends no more.
    is_at_end: bool,
    /// Bytes that are decrypted and not read.
    plaintext: usize,
    /// Bytes that the socket has taken, all in all.
    sent: u64,
    /// SHA-256 of the certificate that a client has presented, once the handshake is over.
    client_certificate: Option<[u8; 32]>,
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("tcp", &self.tcp)
            .field("is_established", &self.is_established())
            .finish_non_exhaustive()
    }
}

/// A TCP stream as rustls writes to it.
struct Socket<'a>(&'a mut TcpStream, &'a mut UsageEnvironment);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(self.1, bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(self.1, pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsStream {
    pub(super) fn of_server(
        tcp: TcpStream,
        tls: ServerConnection,
        answer_to_plain: &'static [u8],
    ) -> Self {
        Self::new(tcp, tls.into(), Some(answer_to_plain))
    }

    pub(super) fn of_client(tcp: TcpStream, tls: ClientConnection) -> Self {
        Self::new(tcp, tls.into(), None)
    }

    fn new(tcp: TcpStream, mut tls: Connection, answer_to_plain: Option<&'static [u8]>) -> Self {
        tls.set_buffer_limit(Some(MAX_OUTPUT));
        let interest = Interest::NONE;
        Self {
            tcp,
            interest,
            tls,
            answer_to_plain,
            is_at_end: false,
            plaintext: 0,
            sent: 0,
            client_certificate: None,
        }
    }

    /// Whether the handshake is over.
    pub(crate) fn is_established(&self) -> bool {
        !self.tls.is_handshaking()
    }

    /// SHA-256 of the certificate, in DER, that the client has presented to this server.
    pub(crate) const fn client_certificate(&self) -> Option<[u8; 32]> {
        self.client_certificate
    }

    /// The TCP connection.
    pub(crate) const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    pub(crate) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        wants: Wants,
    ) -> io::Result<()> {
        let is_handshaking = !self.is_established();
        let read = if is_handshaking { self.tls.wants_read() } else { wants.read };
        let write = self.tls.wants_write() || wants.write && !is_handshaking;
        self.register(env, owner, key, Wants { read, write }.into())
    }

    pub(crate) fn unwatch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
    ) -> io::Result<()> {
        self.register(env, owner, key, Interest::NONE)
    }

    fn register(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<()> {
        if interest != self.interest {
            self.interest = interest;
            self.tcp.watch(env, owner, key, interest)?;
        }
        Ok(())
    }

    pub(crate) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        if !self.is_established() {
            if ready.readable {
                self.receive(env, &mut [])?;
                if self.is_at_end && !self.is_established() {
                    let what = "closed in the TLS handshake";
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, what));
                }
            }
            // Its own part of the handshake.
            self.flush(env)?;
            if let (Connection::Server(tls), true) = (&self.tls, self.is_established()) {
                let own = tls.peer_certificates().and_then(<[_]>::first);
                self.client_certificate = own.map(|own| Sha256::digest(own).into());
            }
        } else if ready.writable {
            self.flush(env)?;
        }
        let is_established = self.is_established();
        let mut may = Readiness::NONE;
        may.readable = is_established && (ready.readable || self.has_buffered_input());
        may.writable = is_established && self.is_flushed();
        Ok(may)
    }

    pub(crate) fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        if !self.is_established() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut n = self.take_plaintext(buf);
        if n == 0 && !self.is_at_end {
            n = self.receive(env, buf)?;
            // An answer of TLS's own, as to an update of keys.
            self.flush(env)?;
        }
        match n {
            0 if self.is_at_end || buf.is_empty() => Ok(0),
            0 => Err(ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }

    /// Reads from the socket once. Returns the number of bytes of plaintext that are in `buf`; what
    /// does not fit is kept.
    fn receive(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        let mut ciphertext = std::mem::take(&mut env.extension::<Ciphertext>().0);
        // No more than the plaintext of which has room, but for a record that was begun before.
        let size = if buf.is_empty() { HANDSHAKE_READ_SIZE } else { READ_SIZE.min(buf.len()) };
        ciphertext.resize(ciphertext.len().max(READ_SIZE), 0);
        let room = ciphertext.get_mut(..size).unwrap_or_default();
        let result = match self.tcp.read(env, room) {
            Ok(0) => {
                self.is_at_end = true;
                Ok(0)
            }
            Ok(n) => self.decrypt(env, ciphertext.get(..n).unwrap_or_default(), buf),
            Err(e) if is_not_yet(&e) => Ok(0),
            Err(e) => Err(e),
        };
        env.extension::<Ciphertext>().0 = ciphertext;
        result
    }

    fn decrypt(
        &mut self,
        env: &mut UsageEnvironment,
        mut fresh: &[u8],
        buf: &mut [u8],
    ) -> io::Result<usize> {
        if let (Some(answer), Some(&first)) = (self.answer_to_plain.take(), fresh.first()) {
            if first != HANDSHAKE {
                if first.is_ascii_graphic() {
                    // Best effort: the connection ends whether the peer hears why or not.
                    let _ = self.tcp.write(env, answer);
                }
                return Err(io::Error::new(ErrorKind::InvalidData, "the peer does not speak TLS"));
            }
        }
        let mut filled = 0;
        while !fresh.is_empty() {
            if self.tls.read_tls(&mut fresh)? == 0 {
                // The peer has said that it sends no more; anything behind that is nothing.
                self.is_at_end = true;
                break;
            }
            match self.tls.process_new_packets() {
                Ok(state) => self.plaintext = state.plaintext_bytes_to_read(),
                Err(e) => {
                    // The peer is told why, if the socket takes it.
                    let _ = self.flush(env);
                    return Err(io::Error::new(ErrorKind::InvalidData, e));
                }
            }
            filled += self.take_plaintext(buf.get_mut(filled..).unwrap_or_default());
        }
        Ok(filled)
    }

    /// Moves decrypted bytes to `buf`.
    fn take_plaintext(&mut self, buf: &mut [u8]) -> usize {
        let mut filled = 0;
        while self.plaintext > 0 {
            let Some(room) = buf.get_mut(filled..).filter(|room| !room.is_empty()) else { break };
            match self.tls.reader().read(room) {
                Ok(n) if n > 0 => {
                    filled += n;
                    self.plaintext = self.plaintext.saturating_sub(n);
                }
                _ => self.plaintext = 0,
            }
        }
        filled
    }

    pub(crate) fn write_vectored(
        &mut self,
        env: &mut UsageEnvironment,
        bufs: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        if !self.is_established() || !self.flush(env)? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = self.tls.writer().write_vectored(bufs)?;
        self.flush(env)?;
        Ok(n)
    }

    pub(crate) fn write(&mut self, env: &mut UsageEnvironment, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(env, &[IoSlice::new(buf)])
    }

    /// Writes what is encrypted; returns whether all of it has gone.
    fn flush(&mut self, env: &mut UsageEnvironment) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Socket(&mut self.tcp, env)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.sent += n as u64,
                Err(e) if is_not_yet(&e) => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    pub(crate) const fn has_buffered_input(&self) -> bool {
        self.plaintext > 0
    }

    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn is_flushed(&self) -> bool {
        !self.tls.wants_write()
    }

    pub(crate) fn close(mut self, env: &mut UsageEnvironment) {
        if self.is_established() {
            self.tls.send_close_notify();
        }
        if let Err(e) = self.flush(env) {
            log::trace!("{}: {e}", self.tcp.peer_addr());
        }
        self.tcp.close(env);
    }
}

/// Whether an operation may succeed later: the connection may still be in the making.
fn is_not_yet(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
