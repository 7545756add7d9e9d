//! [`HttpFront`]: a connection of a server whose first bytes look like HTTP, until its request has
//! arrived.

use super::words::HttpRequest;
use crate::env::{EventKey, MediumHandle, Readiness, UsageEnvironment};
use crate::net::byte_stream::carrier::Carrier;
use crate::net::wants::Wants;
use std::io;

/// Most bytes of the head of a request.
const MAX_HEAD: usize = 8 * 1024;

/// A connection whose HTTP request arrives.
#[derive(Debug)]
pub(crate) struct HttpFront {
    carrier: Carrier,
    /// What has arrived; of a request with a body, the beginning of that too.
    received: Vec<u8>,
    /// The peer sends no more.
    is_at_end: bool,
}

/// What is known of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HttpHead {
    /// It has not arrived whole.
    Incomplete,
    /// It is whole.
    Whole(HttpRequest),
    /// It is longer than it may be, or its end will not come.
    Malformed,
    /// It is not HTTP.
    NotHttp,
}

impl HttpFront {
    /// Takes over a connection of which `received` was read.
    pub(crate) fn new(carrier: Carrier, received: Vec<u8>) -> Self {
        Self { carrier, received, is_at_end: false }
    }

    pub(crate) const fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    pub(crate) const fn carrier_mut(&mut self) -> &mut Carrier {
        &mut self.carrier
    }

    pub(crate) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        wants: Wants,
    ) -> io::Result<()> {
        let read = wants.read && self.wants_more();
        self.carrier.watch(env, owner, key, Wants { read, ..wants })
    }

    /// Whether more bytes would help: of a whole request the body is left to who continues.
    fn wants_more(&self) -> bool {
        !self.is_at_end && self.head_len().is_none() && self.received.len() <= MAX_HEAD
    }

    pub(crate) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        let mut may = self.carrier.handle_readiness(env, ready)?;
        if may.readable && self.wants_more() {
            let mut buf = [0; 2048];
            match self.carrier.read(env, &mut buf) {
                Ok(0) => self.is_at_end = true,
                Ok(n) => self.received.extend_from_slice(buf.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        // None of it is for the owner of the stream.
        may.readable = false;
        Ok(may)
    }

    /// Length of the head, with the empty line, if that has arrived.
    fn head_len(&self) -> Option<usize> {
        let head = self.received.get(..MAX_HEAD).unwrap_or(&self.received);
        let end = |end: &[u8]| memchr::memmem::find(head, end).map(|at| at + end.len());
        end(b"\r\n\r\n").into_iter().chain(end(b"\n\n")).min()
    }

    /// What is known of the request.
    pub(crate) fn head(&self) -> HttpHead {
        if !HttpRequest::may_begin(&self.received) {
            return HttpHead::NotHttp;
        }
        match self.head_len() {
            Some(len) => match HttpRequest::parse(self.received.get(..len).unwrap_or_default()) {
                Some(request) => HttpHead::Whole(request),
                None => HttpHead::NotHttp,
            },
            None if self.wants_more() => HttpHead::Incomplete,
            None => HttpHead::Malformed,
        }
    }

    /// Gives back the connection, with the bytes that have arrived behind the head.
    pub(crate) fn into_body(mut self) -> (Carrier, Vec<u8>) {
        let len = self.head_len().unwrap_or_default();
        self.received.drain(..len.min(self.received.len()));
        (self.carrier, self.received)
    }

    /// Gives back the connection, with all bytes that have arrived.
    pub(crate) fn into_parts(self) -> (Carrier, Vec<u8>) {
        (self.carrier, self.received)
    }
}
