//! [`ServedTunnel`]: the server's end of a tunnel through HTTP.

use super::base64_input::Base64Input;
use super::words::CONTENT_TYPE;
use crate::env::{EventKey, MediumHandle, Readiness, UsageEnvironment};
use crate::net::byte_stream::carrier::Carrier;
use crate::net::wants::Wants;
use std::io::{self, ErrorKind, IoSlice};

/// Bytes of base64 that are read at a time.
const CHUNK: usize = 4096;
/// Reads of white space alone, at most, before others have their turn.
const EMPTY_READS: usize = 4;

/// A tunnel through HTTP, as a server sees it.
///
/// It writes to the connection of the GET as it is. It reads from that of the POST, which the client
/// may close and replace by another at any time: bytes of the new one come behind all of the old.
#[derive(Debug)]
pub(crate) struct ServedTunnel {
    get: Carrier,
    /// What is left to send of the response to the GET.
    unsent: Vec<u8>,
    post: Option<Post>,
    /// The next POST, which has arrived before the end of the present one was seen.
    next: Option<Post>,
    had_post: bool,
}

/// The connection of a POST.
#[derive(Debug)]
pub(crate) struct Post {
    carrier: Carrier,
    /// What came with the head of the request.
    received: Vec<u8>,
    decoder: Base64Input,
}

impl Post {
    /// `received` is what has arrived behind the head.
    pub(crate) fn new(carrier: Carrier, received: Vec<u8>) -> Self {
        Self { carrier, received, decoder: Base64Input::default() }
    }

    fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        let wrong = || io::Error::new(ErrorKind::InvalidData, "a POST that is not base64");
        if !self.received.is_empty() {
            let len = self.received.len().min(buf.len());
            let text = self.received.get(..len).unwrap_or_default();
            let n = self.decoder.decode(text, buf).ok_or_else(wrong)?;
            self.received.drain(..len);
            if n > 0 {
                return Ok(n);
            }
        }
        let mut text = [0; CHUNK];
        let size = CHUNK.min(buf.len());
        for _ in 0..EMPTY_READS {
            let len = self.carrier.read(env, text.get_mut(..size).unwrap_or_default())?;
            if len == 0 {
                return Ok(0);
            }
            let text = text.get(..len).unwrap_or_default();
            let n = self.decoder.decode(text, buf).ok_or_else(wrong)?;
            if n > 0 {
                return Ok(n);
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }

    /// Closes the connection.
    pub(crate) fn close(self, env: &mut UsageEnvironment) {
        self.carrier.close(env);
    }
}

impl ServedTunnel {
    /// Opens a tunnel over the connection of the GET, and answers the GET.
    pub(crate) fn new(get: Carrier) -> Self {
        let answer = format!(
            "HTTP/1.0 200 OK\r\nConnection: close\r\nDate: Thu, 19 Aug 1982 18:30:00 GMT\r\n\
             Cache-Control: no-store\r\nPragma: no-cache\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n"
        );
        Self { get, unsent: answer.into_bytes(), post: None, next: None, had_post: false }
    }

    /// Adds the connection of a POST, behind the one that is there. Of three the client has one too
    /// many: it is given back.
    #[allow(clippy::result_large_err, reason = "the error gives the connection back")]
    pub(crate) fn add_post(&mut self, post: Post) -> Result<(), Post> {
        self.had_post = true;
        match (&self.post, &self.next) {
            (None, _) => self.post = Some(post),
            (Some(_), None) => self.next = Some(post),
            (Some(_), Some(_)) => return Err(post),
        }
        Ok(())
    }

    pub(crate) const fn is_established(&self) -> bool {
        self.had_post
    }

    pub(crate) const fn is_encrypted(&self) -> bool {
        self.get.is_encrypted()
    }

    /// That of the GET's connection; the POST's has the same.
    pub(crate) const fn client_certificate(&self) -> Option<[u8; 32]> {
        self.get.client_certificate()
    }

    pub(crate) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        wants: Wants,
    ) -> io::Result<()> {
        // Nothing comes over the GET but its end.
        let write = wants.write || !self.unsent.is_empty();
        self.get.watch(env, owner, key, Wants { read: wants.read, write })?;
        match &mut self.post {
            Some(post) => post.carrier.watch(env, owner, key, Wants { write: false, ..wants }),
            None => Ok(()),
        }
    }

    pub(crate) fn unwatch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
    ) -> io::Result<()> {
        self.get.unwatch(env, owner, key)?;
        match &mut self.post {
            Some(post) => post.carrier.unwatch(env, owner, key),
            None => Ok(()),
        }
    }

    pub(crate) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        // Which of them is ready is not known.
        let mut may = self.get.handle_readiness(env, ready)?;
        if let Some(post) = &mut self.post {
            may.readable |= post.carrier.handle_readiness(env, ready)?.readable;
        }
        may.writable &= self.flush(env)?;
        may.readable |= self.has_buffered_input();
        Ok(may)
    }

    pub(crate) fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        match self.get.read(env, &mut [0; 512]) {
            Ok(0) => return Ok(0),
            Err(e) if e.kind() != ErrorKind::WouldBlock => return Err(e),
            // What a client sends there means nothing.
            Ok(_) | Err(_) => {}
        }
        loop {
            let Some(post) = &mut self.post else { return Err(ErrorKind::WouldBlock.into()) };
            match post.read(env, buf) {
                Ok(n) if n > 0 => return Ok(n),
                Err(e) if e.kind() == ErrorKind::InvalidData => return Err(e),
                // Until the client sends another, in which case this one is at its end too.
                Err(e) if e.kind() == ErrorKind::WouldBlock && self.next.is_none() => {
                    return Err(e);
                }
                Ok(_) | Err(_) => {
                    if let Some(post) = std::mem::replace(&mut self.post, self.next.take()) {
                        post.close(env);
                    }
                }
            }
        }
    }

    pub(crate) fn write_vectored(
        &mut self,
        env: &mut UsageEnvironment,
        bufs: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        if self.flush(env)? {
            self.get.write_vectored(env, bufs)
        } else {
            Err(ErrorKind::WouldBlock.into())
        }
    }

    /// Sends what is left of the response to the GET; returns whether all of it has been taken.
    pub(crate) fn flush(&mut self, env: &mut UsageEnvironment) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match self.get.write(env, &self.unsent) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.unsent.drain(..n.min(self.unsent.len()))),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    pub(crate) fn has_buffered_input(&self) -> bool {
        let has_some = |post: &Post| !post.received.is_empty() || post.carrier.has_buffered_input();
        self.next.is_some() || self.post.as_ref().is_some_and(has_some)
    }

    pub(crate) const fn sent(&self) -> u64 {
        self.get.sent()
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.unsent.is_empty() && self.get.is_flushed()
    }

    pub(crate) fn close(mut self, env: &mut UsageEnvironment) {
        if let Err(e) = self.flush(env) {
            log::trace!("an HTTP tunnel: {e}");
        }
        for post in [self.post, self.next].into_iter().flatten() {
            post.close(env);
        }
        self.get.close(env);
    }
}
