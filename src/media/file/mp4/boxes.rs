//! Boxes: the structure of the file (ISO/IEC 14496-12 section 4.2; QuickTime calls them atoms).
//! Large ones are walked through in the file, small ones are read whole.

use crate::media::file::container::window::Window;
use crate::wire::{ParseError, Reader};
use std::io;

/// Bytes of the longest header of a box.
const MAX_HEADER: usize = 16;
/// Children of a box that are looked at.
pub(super) const MAX_CHILDREN: usize = 256;

/// The type of a box.
pub(super) type Kind = [u8; 4];

/// A box in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BoxAt {
    pub(super) kind: Kind,
    pub(super) at: u64,
    /// Position of its content.
    pub(super) data: u64,
    pub(super) end: u64,
}

impl BoxAt {
    /// Reads the header at `at`. `None` if there is none that leads on before `end`, the end of
    /// what holds the box. The box itself may claim to be longer than that.
    pub(super) fn read(window: &mut Window, at: u64, end: u64) -> io::Result<Option<Self>> {
        if at >= end {
            return Ok(None);
        }
        let there = usize::try_from(end - at).unwrap_or(usize::MAX).min(MAX_HEADER);
        let bytes = window.peek(at, there)?;
        Ok(Self::parse(bytes, at, end).ok().flatten())
    }

    fn parse(bytes: &[u8], at: u64, end: u64) -> Result<Option<Self>, ParseError> {
        let mut r = Reader::new(bytes);
        let short = r.u32("box length")?;
        let kind = *r.take(4, "box type")?.first_chunk().ok_or_else(|| r.invalid("box type"))?;
        let len = match short {
            // To the end of what holds it.
            0 => end - at,
            1 => r.u64("long box length")?,
            len => len.into(),
        };
        let header = r.position() as u64;
        let whole = len >= header;
        let (data, end) = (at.saturating_add(header), at.saturating_add(len));
        Ok(whole.then_some(Self { kind, at, data, end }))
    }

    /// The content of a small box; `None` if it is larger than `limit` or cut off.
    pub(super) fn content(&self, window: &mut Window, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let Ok(len) = usize::try_from(self.end - self.data) else { return Ok(None) };
        if len > limit || self.end > window.len() {
            return Ok(None);
        }
        let mut content = vec![0; len];
        window.read(self.data, &mut content)?;
        Ok(Some(content))
    }

    /// The boxes in this one, as far as there are headers that make sense.
    pub(super) fn children(&self, window: &mut Window) -> io::Result<Vec<Self>> {
        let mut children = Vec::new();
        let (mut at, end) = (self.data, self.end.min(window.len()));
        while let Some(child) = Self::read(window, at, end)? {
            // The last may be cut off, or say that it is longer than what holds it.
            at = child.end;
            children.push(Self { end: child.end.min(end), ..child });
            if children.len() >= MAX_CHILDREN {
                log::debug!("mp4: a box with too many boxes in it");
                break;
            }
        }
        Ok(children)
    }
}

/// The box of this kind among `boxes`.
pub(super) fn of_kind(boxes: &[BoxAt], kind: &Kind) -> Option<BoxAt> {
    boxes.iter().find(|b| b.kind == *kind).copied()
}

/// The boxes in `bytes`, as far as there are whole ones.
pub(super) fn boxes_in(bytes: &[u8]) -> impl Iterator<Item = (Kind, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let found = BoxAt::parse(rest, 0, rest.len() as u64).ok().flatten()?;
        let (data, end) = (usize::try_from(found.data).ok()?, usize::try_from(found.end).ok()?);
        let content = rest.get(data..end)?;
        rest = rest.get(end..)?;
        Some((found.kind, content))
    })
    .take(MAX_CHILDREN)
}

/// Reads the version and the flags that a "full box" begins with.
pub(super) fn version_and_flags(r: &mut Reader<'_>) -> Result<(u8, u32), ParseError> {
    let word = r.u32("version and flags")?;
    Ok(((word >> 24) as u8, word & 0xff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::file::container::window::{Input, SEARCH_CHUNK};

    #[test]
    fn lengths_of_all_forms_are_read_and_lies_lead_nowhere() {
        let mut window = Window::new(Input::Memory(vec![0; 100].into()), SEARCH_CHUNK).unwrap();
        assert_eq!(BoxAt::read(&mut window, 100, 100).unwrap(), None);
        let header = |bytes: &[u8]| BoxAt::parse(bytes, 10, 100).ok().flatten();
        let of = |data, end| Some(BoxAt { kind: *b"mdat", at: 10, data, end });
        assert_eq!(header(b"\0\0\0\x09mdat"), of(18, 19));
        assert_eq!(header(b"\0\0\0\0mdat"), of(18, 100), "to the end");
        assert_eq!(header(b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\0"), of(26, 10 + (1 << 32)));
        assert_eq!(header(b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"), of(26, u64::MAX));
        for shorter_than_its_header in [
            &b"\0\0\0\x07mdat"[..],
            b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f",
            b"\0\0\0",
            b"\0\0\0\x01mdat",
        ] {
            assert_eq!(header(shorter_than_its_header), None);
        }
        let kinds: Vec<_> = boxes_in(b"\0\0\0\x08aaaa\0\0\0\x09bbbbx\0\0\0\x99cccc")
            .map(|(kind, _)| kind)
            .collect();
        assert_eq!(kinds, [*b"aaaa", *b"bbbb"]);
    }
}
