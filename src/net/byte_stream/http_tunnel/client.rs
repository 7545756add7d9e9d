//! [`HttpTunnel`]: the client's end of a tunnel through HTTP.

use super::words::{CONTENT_TYPE, COOKIE};
use crate::env::{EventKey, MediumHandle, Readiness, UsageEnvironment};
use crate::net::byte_stream::carrier::Carrier;
use crate::net::byte_stream::opener::{Connect, Opener};
use crate::net::wants::Wants;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;

/// Most bytes of the head of the response.
const MAX_HEAD: usize = 8 * 1024;
/// Bytes that are encoded at a time.
const CHUNK: usize = 48 * 1024;

/// A tunnel through HTTP.
#[derive(Debug)]
pub(crate) struct HttpTunnel {
    /// The connection of the GET.
    incoming: Carrier,
    /// The connection of the POST, once the GET is answered.
    outgoing: Option<Carrier>,
    /// Makes the connection of the POST.
    opener: Box<dyn Connect>,
    state: State,
    /// Bytes for `incoming` while the GET is sent, later for `outgoing`.
    unsent: Vec<u8>,
    /// The head of the response; when that is whole, what came behind it.
    received: Vec<u8>,
    post_head: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The GET is being sent.
    Asking,
    /// The response is awaited.
    Awaiting,
    Open,
}

impl HttpTunnel {
    /// Begins a tunnel over a connection to the server. `host` and `path` are those of the URL, and
    /// `cookie` is a random text.
    pub(crate) fn new(
        incoming: Carrier,
        opener: Opener,
        (host, path): (&str, &str),
        cookie: &str,
    ) -> Self {
        let path = if path.is_empty() { "/" } else { path };
        let common = format!(
            "Host: {host}\r\n{COOKIE}: {cookie}\r\nPragma: no-cache\r\n\
             Cache-Control: no-cache\r\n"
        );
        let get = format!("GET {path} HTTP/1.0\r\n{common}Accept: {CONTENT_TYPE}\r\n\r\n");
        // The length says nothing: the request does not end.
        let post_head = format!(
            "POST {path} HTTP/1.0\r\n{common}Content-Type: {CONTENT_TYPE}\r\n\
             Content-Length: 32767\r\nExpires: Sun, 9 Jan 1972 00:00:00 GMT\r\n\r\n"
        );
        Self {
            incoming,
            outgoing: None,
            opener: Box::new(opener),
            state: State::Asking,
            unsent: get.into_bytes(),
            received: Vec::new(),
            post_head: post_head.into_bytes(),
        }
    }

    pub(crate) fn is_established(&self) -> bool {
        self.state == State::Open
    }

    pub(crate) const fn is_encrypted(&self) -> bool {
        self.incoming.is_encrypted()
    }

    pub(crate) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        wants: Wants,
    ) -> io::Result<()> {
        let is_asking = self.state == State::Asking;
        let reads = self.state == State::Awaiting || wants.read;
        self.incoming.watch(env, owner, key, Wants { read: reads, write: is_asking })?;
        let writes = !self.unsent.is_empty() || wants.write;
        match &mut self.outgoing {
            Some(outgoing) => outgoing.watch(env, owner, key, Wants { read: false, write: writes }),
            None => Ok(()),
        }
    }

    pub(crate) fn unwatch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
    ) -> io::Result<()> {
        self.incoming.unwatch(env, owner, key)?;
        match &mut self.outgoing {
            Some(outgoing) => outgoing.unwatch(env, owner, key),
            None => Ok(()),
        }
    }

    pub(crate) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        // Which of the two is ready is not known: both are asked.
        let mut may = self.incoming.handle_readiness(env, ready)?;
        if let Some(outgoing) = &mut self.outgoing {
            may.writable = outgoing.handle_readiness(env, ready)?.writable;
        }
        if may.writable {
            self.flush(env)?;
        }
        if may.readable && self.state == State::Awaiting {
            self.read_head(env)?;
        }
        let is_open = self.state == State::Open;
        may.readable = is_open && (may.readable || self.has_buffered_input());
        may.writable = is_open && self.is_flushed();
        Ok(may)
    }

    /// Reads the response to the GET, and begins the POST when it is whole.
    fn read_head(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        let mut buf = [0; 4096];
        let n = match self.incoming.read(env, &mut buf) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e),
        };
        self.received.extend_from_slice(buf.get(..n).unwrap_or_default());
        let Some(end) = memchr::memmem::find(&self.received, b"\r\n\r\n") else {
            if self.received.len() > MAX_HEAD {
                return Err(io::Error::other("the HTTP response is too long"));
            }
            return Ok(());
        };
        let head = String::from_utf8_lossy(self.received.get(..end).unwrap_or_default());
        let status = head.lines().next().unwrap_or_default();
        if !status.starts_with("HTTP/") || status.split(' ').nth(1) != Some("200") {
            let status: String = status.chars().take(80).filter(|c| !c.is_control()).collect();
            return Err(io::Error::other(format!("the server opens no HTTP tunnel: {status}")));
        }
        self.received.drain(..end + 4);
        self.outgoing = Some(self.opener.connect(env, self.incoming.peer_addr())?);
        self.unsent = std::mem::take(&mut self.post_head);
        self.state = State::Open;
        Ok(())
    }

    /// Sends bytes that were taken.
    fn flush(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        let out = match (self.state, &mut self.outgoing) {
            (State::Open, Some(outgoing)) => outgoing,
            (State::Asking, _) => &mut self.incoming,
            _ => return Ok(()),
        };
        while !self.unsent.is_empty() {
            match out.write(env, &self.unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.unsent.drain(..n.min(self.unsent.len()))),
                Err(e) if is_not_yet(&e) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        if self.state == State::Asking {
            self.state = State::Awaiting;
        }
        Ok(())
    }

    pub(crate) fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        if self.state != State::Open {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.received.is_empty() {
            return self.incoming.read(env, buf);
        }
        let n = buf.len().min(self.received.len());
        for (to, from) in buf.iter_mut().zip(self.received.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }

    /// Takes bytes, all or a large part of them, if none are on their way.
    pub(crate) fn write(&mut self, env: &mut UsageEnvironment, buf: &[u8]) -> io::Result<usize> {
        if self.state != State::Open || !self.unsent.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = buf.get(..CHUNK).unwrap_or(buf);
        self.unsent = STANDARD.encode(taken).into_bytes();
        self.flush(env)?;
        Ok(taken.len())
    }

    pub(crate) fn has_buffered_input(&self) -> bool {
        let is_open = matches!(self.state, State::Open);
        is_open && (!self.received.is_empty() || self.incoming.has_buffered_input())
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.unsent.is_empty() && self.outgoing.as_ref().is_none_or(Carrier::is_flushed)
    }

    pub(crate) fn close(mut self, env: &mut UsageEnvironment) {
        if let Err(e) = self.flush(env) {
            log::trace!("an HTTP tunnel: {e}");
        }
        self.incoming.close(env);
        if let Some(outgoing) = self.outgoing {
            outgoing.close(env);
        }
    }
}

/// Whether a write may succeed later: the connection may still be in the making.
fn is_not_yet(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
