//! [`Page`]: the structure of an Ogg file (RFC 3533 section 6).

use crate::media::file::container::window::Window;
use crate::wire::{ParseError, Reader};
use memchr::memmem;
use std::io;
use std::ops::Range;

/// Bytes of a page's header without the lengths of its segments.
const HEADER: usize = 27;
/// Most bytes of a page.
pub(super) const MAX_PAGE: u64 = (HEADER + 255 + 255 * 255) as u64;
/// Bytes searched in one step.
const SEARCH: usize = 4 << 10;
/// Places that looked like a page and were none, after which there is none.
const MAX_FALSE: u32 = 1 << 10;
const CAPTURE: &[u8] = b"OggS";

/// A page of a logical stream.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) at: u64,
    /// Position of its content.
    pub(super) data: u64,
    pub(super) end: u64,
    /// It begins with the rest of a packet of the page before.
    pub(super) is_continued: bool,
    pub(super) begins_stream: bool,
    pub(super) ends_stream: bool,
    /// The position of the stream at the end of the last packet that ends on the page; `None` if
    /// no packet does.
    pub(super) granule: Option<i64>,
    pub(super) serial: u32,
    pub(super) sequence: u32,
    segments: [u8; 255],
    count: u8,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            at: 0,
            data: 0,
            end: 0,
            is_continued: false,
            begins_stream: false,
            ends_stream: false,
            granule: None,
            serial: 0,
            sequence: 0,
            segments: [0; 255],
            count: 0,
        }
    }
}

/// A part of a packet in the content of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    /// The packet began on the page before.
    pub(super) goes_on: bool,
    /// The packet ends with it.
    pub(super) is_last: bool,
}

/// A place among the pieces of a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PieceCursor {
    segment: usize,
    at: usize,
}

impl Page {
    /// Reads the page at `at`. `None` if there is no sound one.
    pub(super) fn read(window: &mut Window, at: u64) -> io::Result<Option<Self>> {
        let head = window.peek(at, HEADER)?;
        let count = head.get(HEADER - 1).copied().unwrap_or(0);
        let head = window.peek(at, HEADER + usize::from(count))?;
        let Ok(page) = Self::parse(head, at) else { return Ok(None) };
        let len = usize::try_from(page.end - at).unwrap_or(0);
        let whole = window.peek(at, len)?;
        Ok(Some(page).filter(|_| whole.len() == len && is_sound(whole)))
    }

    fn parse(head: &[u8], at: u64) -> Result<Self, ParseError> {
        const WHAT: &str = "page";
        let mut r = Reader::new(head);
        if r.take(CAPTURE.len(), WHAT)? != CAPTURE || r.u8(WHAT)? != 0 {
            return Err(r.invalid(WHAT));
        }
        let flags = r.u8(WHAT)?;
        let granule = r.u64(WHAT)?.swap_bytes() as i64;
        let serial = r.u32(WHAT)?.swap_bytes();
        let sequence = r.u32(WHAT)?.swap_bytes();
        r.take(4, WHAT)?; // checksum
        let count = r.u8(WHAT)?;
        let lens = r.take(count.into(), WHAT)?;
        let mut segments = [0; 255];
        segments.iter_mut().zip(lens).for_each(|(to, from)| *to = *from);
        let content: u64 = lens.iter().map(|&len| u64::from(len)).sum();
        let data = at.saturating_add(r.position() as u64);
        Ok(Self {
            at,
            data,
            end: data.saturating_add(content),
            is_continued: flags & 1 != 0,
            begins_stream: flags & 2 != 0,
            ends_stream: flags & 4 != 0,
            granule: (granule != -1).then_some(granule),
            serial,
            sequence,
            segments,
            count,
        })
    }

    /// The piece of a packet at `cursor`, which moves behind it.
    pub(super) fn next_piece(&self, cursor: &mut PieceCursor) -> Option<Piece> {
        let segments = self.segments.get(cursor.segment..usize::from(self.count))?;
        let full = segments.iter().take_while(|&&len| len == 255).count();
        let last = segments.get(full);
        let goes_on = cursor.segment == 0 && self.is_continued;
        let start = cursor.at;
        cursor.at += full * 255 + last.map_or(0, |&len| usize::from(len));
        cursor.segment += full + usize::from(last.is_some());
        let piece = Piece { range: start..cursor.at, goes_on, is_last: last.is_some() };
        (!segments.is_empty()).then_some(piece)
    }

    /// The content of a page that was just read.
    pub(super) fn content<'w>(&self, window: &'w mut Window) -> io::Result<&'w [u8]> {
        window.peek(self.data, usize::try_from(self.end - self.data).unwrap_or(0))
    }
}

/// Whether the checksum of a page is right.
fn is_sound(page: &[u8]) -> bool {
    const AT: usize = 22;
    let stated = page.get(AT..).and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes);
    let (before, after) = page.split_at_checked(AT).unwrap_or_default();
    let crc = checksum(checksum(0, before), &[0; 4]);
    stated == Some(checksum(crc, after.get(4..).unwrap_or_default()))
}

/// The checksum of further bytes (RFC 3533 section 6, number 7: polynomial 0x04c11db7, no
/// reflection).
pub(super) fn checksum(before: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0_u32; 256];
        let mut i = 0;
        while i < 256 {
            let mut value = (i as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                let over = value & 0x8000_0000 != 0;
                value <<= 1;
                if over {
                    value ^= 0x04c1_1db7;
                }
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    bytes.iter().fold(before, |crc, &byte| {
        let index = (crc >> 24) as u8 ^ byte;
        crc << 8 ^ TABLE.get(usize::from(index)).copied().unwrap_or(0)
    })
}

/// The result of a step of [`PageReader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Page,
    /// None yet.
    Work,
    End,
}

/// Goes from page to page.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageReader {
    /// The next page, or a place in front of it.
    pub(super) at: u64,
    end: u64,
    false_pages: u32,
}

impl PageReader {
    /// Reads the pages that begin from `at` on and in front of `end`.
    pub(super) const fn new(at: u64, end: u64) -> Self {
        Self { at, end, false_pages: 0 }
    }

    /// Goes on by a page, which is put in `page`, or by some bytes where there is none.
    pub(super) fn step(&mut self, window: &mut Window, page: &mut Page) -> io::Result<Step> {
        if self.at >= self.end || self.false_pages > MAX_FALSE {
            return Ok(Step::End);
        }
        if window.peek(self.at, CAPTURE.len())? == CAPTURE {
            if let Some(found) = Page::read(window, self.at)? {
                *page = found;
                (self.at, self.false_pages) = (page.end, 0);
                return Ok(Step::Page);
            }
            self.false_pages += 1;
            self.at += 1;
        }
        let bytes = window.peek(self.at, SEARCH)?;
        match memmem::find(bytes, CAPTURE) {
            Some(found) => self.at = self.at.saturating_add(found as u64),
            None if bytes.len() < SEARCH => self.at = self.end,
            None => self.at = self.at.saturating_add((SEARCH + 1 - CAPTURE.len()) as u64),
        }
        Ok(Step::Work)
    }
}
