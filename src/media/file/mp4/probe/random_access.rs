//! Indices of fragments: `mfra` at the end of a file and `sidx` in front of its fragments (ISO/IEC
//! 14496-12 sections 8.8.9 to 8.8.11 and 8.16.3). They only save going through the file: what they
//! say is checked.

use super::super::boxes::{BoxAt, version_and_flags};
use super::super::fragment_index::Entry;
use super::super::table::{Table, TableReader, long, word};
use crate::media::file::container::window::Window;
use crate::wire::{ParseError, Reader};
use std::io;

/// Most entries that are read.
const MAX_ENTRIES: u64 = 1 << 12;
/// Most bytes of a `sidx` box.
const MAX_SIDX: usize = 1 << 20;

/// Reads the entries of a track in the `mfra` box, which the last bytes of the file find. `None`
/// without one.
pub(super) fn of_mfra(track_id: u32, window: &mut Window) -> io::Result<Option<Vec<Entry>>> {
    let len = window.len();
    let Some(mfro) = len.checked_sub(16) else { return Ok(None) };
    let last = window.peek(mfro, 16)?;
    if last.get(4..8) != Some(b"mfro") {
        return Ok(None);
    }
    let at = len.saturating_sub(word(last, 12).into());
    let mfra = BoxAt::read(window, at, len)?.filter(|found| found.kind == *b"mfra");
    let Some(mfra) = mfra else { return Ok(None) };
    for tfra in mfra.children(window)?.iter().filter(|found| found.kind == *b"tfra") {
        let head = window.peek(tfra.data, 16)?;
        if word(head, 4) != track_id {
            continue;
        }
        let is_long = head.first() == Some(&1);
        // Bytes of the three numbers behind time and offset.
        let lengths = u64::from(word(head, 8));
        let numbers = 3 + (lengths >> 4 & 3) + (lengths >> 2 & 3) + (lengths & 3);
        let entry = if is_long { 16 } else { 8 } + numbers;
        let data = tfra.data.saturating_add(16);
        let there = tfra.end.saturating_sub(data) / entry;
        let table = Table { at: data, count: u64::from(word(head, 12)).min(there), entry };
        return entries(&table, is_long, window).map(Some);
    }
    Ok(None)
}

fn entries(table: &Table, is_long: bool, window: &Window) -> io::Result<Vec<Entry>> {
    let mut reader = TableReader::default();
    let step = table.count.div_ceil(MAX_ENTRIES).max(1);
    let mut found = Vec::new();
    let mut index = 0;
    while let Some(entry) = reader.get(table, index, window.input())? {
        let (time, at) = match is_long {
            true => (long(entry, 0), long(entry, 8)),
            false => (word(entry, 0).into(), word(entry, 4).into()),
        };
        found.push(Entry { pts: i64::try_from(time).unwrap_or(i64::MAX), at, dts: 0 });
        index += step;
    }
    Ok(found)
}

/// Reads the entries of a `sidx` box that is about this track. `None` if it is not, or leads to
/// other indices.
pub(super) fn of_sidx(
    sidx: &BoxAt,
    track_id: u32,
    timescale: u32,
    window: &mut Window,
) -> io::Result<Option<Vec<Entry>>> {
    let content = sidx.content(window, MAX_SIDX)?.unwrap_or_default();
    let entries = parse_sidx(&content, sidx.end, track_id, timescale);
    Ok(entries.unwrap_or_else(|e| {
        log::debug!("mp4: {e}");
        None
    }))
}

fn parse_sidx(
    content: &[u8],
    end: u64,
    track_id: u32,
    timescale: u32,
) -> Result<Option<Vec<Entry>>, ParseError> {
    let mut r = Reader::new(content);
    let (version, _) = version_and_flags(&mut r)?;
    let id = r.u32("reference_ID")?;
    let scale = r.u32("timescale of sidx")?.max(1);
    let (mut time, mut at) = match version {
        0 => (u64::from(r.u32("sidx")?), u64::from(r.u32("sidx")?)),
        _ => (r.u64("sidx")?, r.u64("sidx")?),
    };
    at = at.saturating_add(end);
    r.u16("sidx")?;
    let count = r.u16("reference_count")?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let size = r.u32("reference")?;
        let duration = r.u32("subsegment_duration")?;
        r.u32("SAP")?;
        if size >> 31 == 1 {
            return Ok(None);
        }
        let ticks = u128::from(time) * u128::from(timescale) / u128::from(scale);
        let pts = i64::try_from(ticks).unwrap_or(i64::MAX);
        entries.push(Entry { pts, at, dts: 0 });
        time = time.saturating_add(duration.into());
        at = at.saturating_add((size & 0x7fff_ffff).into());
    }
    Ok((id == track_id).then_some(entries))
}
