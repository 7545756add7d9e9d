//! [`Input`]: the bytes that a machine parses, those that it has kept and those just read.

use super::InputDecoder;
use crate::wire::rtsp::{HeadError, Incoming, Limits};

/// Input that is being parsed. The machine lends it out, so that its methods can be called between
/// messages.
///
/// What was read is parsed where it lies. Only what completes the message or packet that begins in
/// the kept input is copied behind it.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    /// Input that was kept, and what has been appended to it.
    kept: Vec<u8>,
    /// Bytes of it that are parsed.
    taken: usize,
    /// What follows and is not parsed.
    fresh: &'a [u8],
    /// Messages and packets that were asked for.
    pub(super) messages: usize,
}

impl<'a> Input<'a> {
    pub(super) const fn new(kept: Vec<u8>, fresh: &'a [u8]) -> Self {
        Self { kept, taken: 0, fresh, messages: 0 }
    }

    /// The next message or packet, and whether input is left behind it. A message that begins in the
    /// kept input is copied; a packet is not.
    ///
    /// # Errors
    /// As those of the decoder; nothing is left of the input.
    pub(super) fn decode<'i>(
        &'i mut self,
        decoder: &mut InputDecoder,
        limits: &Limits,
    ) -> Result<(Incoming<'i>, bool), HeadError> {
        while let Some(rest) = self.kept.get(self.taken..).filter(|rest| !rest.is_empty()) {
            let (incoming, n) = match decoder.decode(rest, limits) {
                Ok(decoded) => decoded,
                Err(e) => return self.fail(e),
            };
            self.taken += n;
            let incoming = match incoming {
                Incoming::NeedMore => {
                    if self.append(decoder) {
                        continue;
                    }
                    Incoming::NeedMore
                }
                Incoming::Interleaved { channel, data } => {
                    let start = self.taken.saturating_sub(data.len());
                    let data = self.kept.get(start..self.taken).unwrap_or_default();
                    Incoming::Interleaved { channel, data }
                }
                Incoming::Request(request) => Incoming::Request(request.into_owned()),
                Incoming::Response(response) => Incoming::Response(response.into_owned()),
            };
            return Ok((incoming, self.has_rest()));
        }
        match decoder.decode(self.fresh, limits) {
            Ok((incoming, n)) => {
                self.fresh = self.fresh.get(n..).unwrap_or_default();
                Ok((incoming, self.has_rest()))
            }
            Err(e) => self.fail(e),
        }
    }

    fn fail<T>(&mut self, e: HeadError) -> Result<T, HeadError> {
        (self.taken, self.fresh) = (self.kept.len(), &[]);
        Err(e)
    }

    /// Appends to the kept input what the decoder misses of it; returns false if there is no more.
    fn append(&mut self, decoder: &InputDecoder) -> bool {
        let rest = self.kept.get(self.taken..).unwrap_or_default();
        let n = if rest.is_empty() { 0 } else { decoder.missing(rest, self.fresh) };
        let (piece, fresh) = self.fresh.split_at_checked(n).unwrap_or((self.fresh, &[]));
        let has_more = rest.is_empty() || !piece.is_empty();
        self.kept.extend_from_slice(piece);
        self.fresh = fresh;
        has_more
    }

    fn has_rest(&self) -> bool {
        self.taken < self.kept.len() || !self.fresh.is_empty()
    }

    /// What is not parsed. Of the memory for it so many bytes are kept if there is none.
    pub(super) fn into_rest(self, spare: usize) -> Vec<u8> {
        let Self { mut kept, taken, fresh, .. } = self;
        kept.drain(..taken.min(kept.len()));
        kept.extend_from_slice(fresh);
        if kept.is_empty() && kept.capacity() > spare { Vec::new() } else { kept }
    }
}
