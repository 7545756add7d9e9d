//! [`VorbisDepacketizer`]: RFC 5215 sections 2.2 to 2.4, 3.1.1, 3.1.2 and 5.

use super::configuration::{self, Configuration};
use super::{AUDIO, CONFIGURATION, FIRST, LAST, WHOLE};
use crate::codec::vorbis::Headers;
use crate::payload::depacketizer::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload,
};
use crate::wire::{ParseError, Reader};
use bytes::Bytes;

const WHAT: &str = "Vorbis payload";
/// Size of the largest packet that is assembled from fragments.
const MAX_PACKET: usize = 256 << 10;
/// Most idents that may stand for the headers of a stream.
const MAX_IDENTS: usize = 8;

/// A packet of which fragments have come.
#[derive(Debug)]
struct Partial {
    ident: u32,
    kind: u8,
    timestamp: u32,
    bytes: Vec<u8>,
}

/// Takes Vorbis packets from RTP payloads.
///
/// Audio packets belong to the headers that SDP states; those of other headers, whose ident is not
/// theirs, are refused. A configuration that is sent in the stream may give the same headers another
/// ident. Comments are ignored.
#[derive(Debug)]
pub struct VorbisDepacketizer {
    headers: Headers,
    identification: Bytes,
    setup: Bytes,
    /// The idents that stand for these headers.
    idents: Vec<u32>,
    /// Block size of the audio packet before the next; `None` after a loss.
    previous: Option<u32>,
    partial: Option<Partial>,
}

impl VorbisDepacketizer {
    /// Creates a depacketizer for a stream with these headers, for which payloads have `ident`.
    ///
    /// # Errors
    /// They are no headers of Vorbis.
    pub fn new(ident: u32, headers: [Bytes; 3]) -> Result<Self, ParseError> {
        Self::with(Configuration { ident, headers })
    }

    pub(super) fn with(configuration: Configuration) -> Result<Self, ParseError> {
        let headers = Headers::parse(&configuration.headers)?;
        let [identification, _, setup] = configuration.headers;
        let idents = vec![configuration.ident];
        Ok(Self { headers, identification, setup, idents, previous: None, partial: None })
    }

    /// Handles a whole packet. Returns the number of samples from it to the next.
    fn handle_packet(
        &mut self,
        ident: u32,
        kind: u8,
        packet: Bytes,
        timestamp: u32,
        out: &mut DepacketizedFrames,
    ) -> Result<u32, ParseError> {
        match kind {
            AUDIO => {}
            CONFIGURATION => return self.handle_configuration(ident, &packet).map(|()| 0),
            // Comments (section 3.1.2), or data types of the future.
            _ => return Ok(0),
        }
        let invalid = ParseError::Invalid { what: WHAT, at: 0 };
        let block = self.headers.block_size(&packet).filter(|_| self.idents.contains(&ident));
        let block = block.ok_or(invalid)?;
        let previous = self.previous.or_else(|| self.headers.previous_block_size(&packet));
        let samples = self.headers.packet_samples(previous.or(Some(block)), &packet);
        self.previous = Some(block);
        out.push(DepacketizedFrame::new(packet, timestamp));
        Ok(samples.unwrap_or(0))
    }

    /// Notes whether an ident stands for the headers of the stream.
    fn handle_configuration(&mut self, ident: u32, packed: &Bytes) -> Result<(), ParseError> {
        let [identification, _, setup] = configuration::split(packed, None)?;
        let is_same = identification == self.identification && setup == self.setup;
        if !is_same {
            // What is sent under this ident from now on cannot be decoded with the headers that were
            // described.
            self.idents.retain(|known| *known != ident);
        } else if !self.idents.contains(&ident) && self.idents.len() < MAX_IDENTS {
            self.idents.push(ident);
        }
        Ok(())
    }

    fn handle_fragment(
        &mut self,
        fragment: u8,
        part: Partial,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if fragment == FIRST {
            if self.partial.replace(part).is_some() {
                out.note_loss();
            }
            return Ok(());
        }
        let continued = self.partial.take().filter(|partial| {
            (partial.ident, partial.kind, partial.timestamp)
                == (part.ident, part.kind, part.timestamp)
                && partial.bytes.len() + part.bytes.len() <= MAX_PACKET
        });
        let mut partial = continued.ok_or(ParseError::Invalid { what: WHAT, at: 3 })?;
        partial.bytes.extend_from_slice(&part.bytes);
        if fragment == LAST {
            let Partial { ident, kind, timestamp, bytes } = partial;
            self.handle_packet(ident, kind, bytes.into(), timestamp, out)?;
        } else {
            self.partial = Some(partial);
        }
        Ok(())
    }

    fn handle(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let mut r = Reader::new(payload.data);
        let ident = r.u24(WHAT)?;
        let flags = r.u8(WHAT)?;
        let (fragment, kind, packets) = (flags >> 6, flags >> 4 & 3, flags & 0xf);
        let mut timestamp = payload.timestamp;
        if fragment != WHOLE {
            let len = r.u16(WHAT)?.into();
            let bytes = r.take(len, WHAT)?.to_vec();
            return self.handle_fragment(fragment, Partial { ident, kind, timestamp, bytes }, out);
        }
        if self.partial.take().is_some() {
            out.note_loss();
        }
        if packets == 0 {
            return Err(r.invalid(WHAT));
        }
        // All or nothing: a length that is wrong makes those before it doubtful too.
        let mut check = r.clone();
        for _ in 0..packets {
            let len = check.u16(WHAT)?.into();
            check.take(len, WHAT)?;
        }
        for _ in 0..packets {
            let len = r.u16(WHAT)?.into();
            let packet = Bytes::copy_from_slice(r.take(len, WHAT)?);
            let samples = self.handle_packet(ident, kind, packet, timestamp, out)?;
            timestamp = timestamp.wrapping_add(samples);
        }
        Ok(())
    }
}

impl Depacketizer for VorbisDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if payload.lost {
            self.partial = None;
            self.previous = None;
            out.note_loss();
        }
        self.handle(payload, out).inspect_err(|_| {
            self.partial = None;
            self.previous = None;
            out.note_loss();
        })
    }

    fn handle_end(&mut self, _: &mut DepacketizedFrames) {
        self.partial = None;
    }
}
