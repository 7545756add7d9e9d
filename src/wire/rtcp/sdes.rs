//! Source descriptions (RFC 3550 section 6.5).

use super::header::{MAX_COUNT, count_of, packet_type, short_text, write_packet};
use crate::wire::{ParseError, Reader};

/// SDES item types.
pub mod item {
    /// End of the items of a chunk.
    pub const END: u8 = 0;
    /// Canonical name.
    pub const CNAME: u8 = 1;
    /// User name.
    pub const NAME: u8 = 2;
    /// Electronic mail address.
    pub const EMAIL: u8 = 3;
    /// Telephone number.
    pub const PHONE: u8 = 4;
    /// Geographic location.
    pub const LOC: u8 = 5;
    /// Application or tool.
    pub const TOOL: u8 = 6;
    /// Notice or status.
    pub const NOTE: u8 = 7;
    /// Private extension.
    pub const PRIV: u8 = 8;
}

/// A source description packet whose chunks have been validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sdes<'a> {
    count: u8,
    body: &'a [u8],
}

/// A chunk: the items of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesChunk<'a> {
    /// SSRC of the source.
    pub ssrc: u32,
    items: &'a [u8],
}

/// One item of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3550 section 6.5")]
pub struct SdesItem<'a> {
    /// Item type; see [`item`].
    pub kind: u8,
    /// Text of the item; RFC 3550 asks for UTF-8.
    pub text: &'a [u8],
}

impl<'a> Sdes<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        for _ in 0..count {
            read_chunk(&mut r)?;
        }
        Ok(Self { count, body })
    }

    /// Iterates over the chunks, in order; at most 31.
    pub fn chunks(self) -> impl Iterator<Item = SdesChunk<'a>> + use<'a> {
        let mut r = Reader::new(self.body);
        (0..self.count).map_while(move |_| read_chunk(&mut r).ok())
    }

    /// The canonical name of `ssrc`; `None` if the packet has none.
    pub fn cname(self, ssrc: u32) -> Option<&'a [u8]> {
        let chunk = self.chunks().find(|chunk| chunk.ssrc == ssrc)?;
        chunk.items().find(|i| i.kind == item::CNAME).map(|i| i.text)
    }
}

impl<'a> SdesChunk<'a> {
    /// Iterates over the items, in order.
    pub fn items(self) -> impl Iterator<Item = SdesItem<'a>> + use<'a> {
        let mut r = Reader::new(self.items);
        std::iter::from_fn(move || read_item(&mut r).ok().flatten())
    }
}

/// Reads the next item; `None` at the end of the chunk.
fn read_item<'a>(r: &mut Reader<'a>) -> Result<Option<SdesItem<'a>>, ParseError> {
    let kind = r.u8("RTCP SDES item")?;
    if kind == item::END {
        return Ok(None);
    }
    let len = usize::from(r.u8("RTCP SDES item")?);
    Ok(Some(SdesItem { kind, text: r.take(len, "RTCP SDES item")? }))
}

fn read_chunk<'a>(r: &mut Reader<'a>) -> Result<SdesChunk<'a>, ParseError> {
    let ssrc = r.u32("RTCP SDES chunk")?;
    let items = r.remaining();
    let start = r.position();
    while read_item(r)?.is_some() {}
    let items = items.get(..r.position() - start).unwrap_or_default();
    // The body begins on a word's boundary, so its positions tell where the next word begins.
    let padding = r.position().next_multiple_of(4) - r.position();
    r.take(padding, "RTCP SDES chunk")?;
    Ok(SdesChunk { ssrc, items })
}

/// Appends a source description of at most 31 sources, each with its items (type and text; at most
/// 255 bytes of a text are written).
pub fn write_sdes(out: &mut Vec<u8>, chunks: &[(u32, &[(u8, &str)])]) {
    let chunks = chunks.get(..MAX_COUNT).unwrap_or(chunks);
    write_packet(count_of(chunks.len()), packet_type::SDES, out, |out| {
        let start = out.len();
        for (ssrc, items) in chunks {
            out.extend_from_slice(&ssrc.to_be_bytes());
            for (kind, text) in items.iter().filter(|(kind, _)| *kind != item::END) {
                let text = short_text(text).as_bytes();
                out.extend([*kind, u8::try_from(text.len()).unwrap_or(u8::MAX)]);
                out.extend_from_slice(text);
            }
            out.push(item::END);
            while (out.len() - start) % 4 != 0 {
                out.push(item::END);
            }
        }
    });
}

/// Appends a source description with the canonical name of one source.
pub fn write_sdes_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    write_sdes(out, &[(ssrc, &[(item::CNAME, cname)])]);
}
