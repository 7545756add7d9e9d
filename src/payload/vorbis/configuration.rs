//! The packed configuration (RFC 5215 section 3.2.1): headers with the ident by which payloads name
//! them.

use crate::wire::{ParseError, Reader};
use bytes::Bytes;

const WHAT: &str = "Vorbis packed configuration";
/// Longest comment header that is sent; comments, and pictures among them, are no concern of a decoder.
const MAX_COMMENT: usize = 1024;
/// A comment header without comments (Vorbis I section 5.2): neither vendor nor list, the framing bit.
const NO_COMMENT: &[u8] = b"\x03vorbis\0\0\0\0\0\0\0\0\x01";

/// Headers and their ident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) ident: u32,
    pub(super) headers: [Bytes; 3],
}

impl Configuration {
    /// The configuration of a stream that is sent; the ident is derived from the headers.
    pub(super) fn new(headers: &[Bytes; 3]) -> Self {
        let mut headers = headers.clone();
        let [_, comment, _] = &mut headers;
        if comment.len() > MAX_COMMENT {
            *comment = Bytes::from_static(NO_COMMENT);
        }
        // FNV-1a, folded to 24 bits.
        let hash = headers.iter().flatten().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        });
        Self { ident: (hash >> 24 ^ hash) & 0xff_ffff, headers }
    }

    /// Parses the value of the format parameter, decoded. If there are several configurations, it is
    /// the first.
    pub(super) fn parse(packed: &Bytes) -> Result<Self, ParseError> {
        let mut r = Reader::new(packed);
        let count = r.u32(WHAT)?;
        let ident = r.u24(WHAT)?;
        let length = usize::from(r.u16(WHAT)?);
        if count == 0 {
            return Err(r.invalid(WHAT));
        }
        let packed = packed.slice(r.position()..);
        let length = if count > 1 { Some(length) } else { None };
        Ok(Self { ident, headers: split(&packed, length)? })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let [identification, comment, setup] = &self.headers;
        let length = identification.len() + comment.len() + setup.len();
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        let mut packed = vec![0, 0, 0, 1];
        packed.extend_from_slice(self.ident.to_be_bytes().get(1..).unwrap_or_default());
        packed.extend_from_slice(&length.to_be_bytes());
        packed.push(2);
        put_length(&mut packed, identification.len());
        put_length(&mut packed, comment.len());
        for header in &self.headers {
            packed.extend_from_slice(header);
        }
        packed
    }
}

/// Splits packed headers: their number less one, the lengths of all but the last, the headers. The
/// sum of their lengths is `length`, or all that follows belongs to them.
pub(super) fn split(packed: &Bytes, length: Option<usize>) -> Result<[Bytes; 3], ParseError> {
    let mut r = Reader::new(packed);
    let lengths = match r.u8(WHAT)? {
        2 => [take_length(&mut r)?, take_length(&mut r)?],
        // Without a comment header, which tells a decoder nothing.
        1 => [take_length(&mut r)?, 0],
        _ => return Err(r.invalid(WHAT)),
    };
    let mut rest = packed.slice(r.position()..);
    if let Some(length) = length {
        rest.truncate(length);
    }
    let [identification, comment] = lengths;
    if identification + comment > rest.len() {
        return Err(ParseError::Incomplete { what: WHAT });
    }
    let identification = rest.split_to(identification);
    let mut comment = rest.split_to(comment);
    if comment.is_empty() {
        comment = Bytes::from_static(NO_COMMENT);
    }
    Ok([identification, comment, rest])
}

/// Reads a length: seven bits a byte, the most significant ones first; all bytes but the last have
/// their highest bit set.
fn take_length(r: &mut Reader<'_>) -> Result<usize, ParseError> {
    let mut length = 0;
    for _ in 0..4 {
        let byte = r.u8(WHAT)?;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(r.invalid(WHAT))
}

fn put_length(packed: &mut Vec<u8>, length: usize) {
    let high = [21, 14, 7].into_iter().filter(|shift| length >> shift > 0);
    packed.extend(high.map(|shift| (length >> shift) as u8 & 0x7f | 0x80));
    packed.push(length as u8 & 0x7f);
}
