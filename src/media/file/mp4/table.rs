//! [`Table`]: a table of a file, however long, and [`TableReader`], which reads it in windows.

use crate::media::file::container::window::Input;
use byteorder::{BigEndian, ByteOrder};
use std::io;

/// Bytes of a table that a reader holds.
const WINDOW: usize = 512;
/// Places of a long table that are remembered; when there are as many, every second one goes.
const MAX_MARKS: usize = 512;

/// Entries of one size, one behind the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// Position of the first in the file.
    pub(super) at: u64,
    pub(super) count: u64,
    /// Bytes of one.
    pub(super) entry: u64,
}

/// Reads entries, as a rule one after the other.
#[derive(Debug, Default)]
pub(super) struct TableReader {
    /// Position of the bytes in the file.
    at: u64,
    bytes: Vec<u8>,
}

impl TableReader {
    /// An entry; `None` behind the last one.
    pub(super) fn get(
        &mut self,
        table: &Table,
        index: u64,
        input: &Input,
    ) -> io::Result<Option<&[u8]>> {
        if index >= table.count {
            return Ok(None);
        }
        let at = table.at.saturating_add(index.saturating_mul(table.entry));
        let len = usize::try_from(table.entry).unwrap_or(usize::MAX).min(WINDOW);
        if self.held(at, len).is_none() {
            let left = (table.count - index).saturating_mul(table.entry);
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(WINDOW);
            self.bytes.resize(want, 0);
            let got = input.read_at(at, &mut self.bytes)?;
            self.bytes.truncate(got);
            self.at = at;
        }
        self.held(at, len).map(Some).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn held(&self, at: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.at)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }
}

/// The 32 bits at `at` of an entry.
pub(super) fn word(entry: &[u8], at: usize) -> u32 {
    entry.get(at..at.saturating_add(4)).map_or(0, BigEndian::read_u32)
}

/// The 64 bits at `at` of an entry.
pub(super) fn long(entry: &[u8], at: usize) -> u64 {
    entry.get(at..at.saturating_add(8)).map_or(0, BigEndian::read_u64)
}

/// Marks in a table of runs: every so many entries, what the entries before it cover.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    /// Entries from one mark to the next.
    step: u64,
    marks: Vec<Covered>,
}

/// Samples and ticks that the entries in front of a place of a table cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Covered {
    pub(super) samples: u64,
    pub(super) ticks: i64,
}

impl Default for Marks {
    fn default() -> Self {
        Self { step: 1, marks: Vec::new() }
    }
}

impl Marks {
    /// Takes note of what the entries in front of `entry` cover; to be called for each entry.
    pub(super) fn note(&mut self, entry: u64, covered: Covered) {
        if entry % self.step != 0 {
            return;
        }
        if self.marks.len() >= MAX_MARKS {
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
            self.step *= 2;
            if entry % self.step != 0 {
                return;
            }
        }
        self.marks.push(covered);
    }

    /// The last entry that is remembered of those before which at most `sample` samples are.
    pub(super) fn of_sample(&self, sample: u64) -> (u64, Covered) {
        self.before(self.marks.partition_point(|mark| mark.samples <= sample))
    }

    /// The last entry that is remembered of those before which at most `ticks` pass.
    pub(super) fn of_ticks(&self, ticks: i64) -> (u64, Covered) {
        self.before(self.marks.partition_point(|mark| mark.ticks <= ticks))
    }

    fn before(&self, after: usize) -> (u64, Covered) {
        let index = after.saturating_sub(1);
        let mark = self.marks.get(index).copied().unwrap_or_default();
        (index as u64 * self.step, mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_in_any_order_and_never_past_the_end() {
        let bytes: Vec<u8> = (0..10_000_u32).flat_map(u32::to_be_bytes).collect();
        let input = Input::Memory(bytes.into());
        let table = Table { at: 4, count: 9_999, entry: 4 };
        let mut reader = TableReader::default();
        let mut get = |index| reader.get(&table, index, &input).unwrap().map(|e| word(e, 0));
        for index in [0, 1, 2, 500, 499, 9_998, 0] {
            assert_eq!(get(index), Some(index as u32 + 1));
        }
        assert_eq!(get(9_999), None);
        assert_eq!(get(u64::MAX), None);
        let lying = Table { count: u64::MAX, entry: 4, at: 39_996 };
        let mut reader = TableReader::default();
        assert!(reader.get(&lying, 0, &input).unwrap().is_some());
        assert!(reader.get(&lying, 1, &input).is_err());
        assert!(reader.get(&lying, u64::MAX - 1, &input).is_err());
    }

    #[test]
    fn marks_stay_few_and_lead_close_to_each_place() {
        let mut marks = Marks::default();
        for entry in 0..100_000_u64 {
            marks.note(entry, Covered { samples: entry * 3, ticks: entry as i64 * 7 });
        }
        assert!(marks.marks.len() <= MAX_MARKS);
        for entry in [0, 1, 5, 777, 50_001, 99_999] {
            let (found, covered) = marks.of_sample(entry * 3 + 2);
            assert!(found <= entry && entry - found < marks.step, "{found} of {entry}");
            assert_eq!(covered.samples, found * 3);
            assert_eq!(marks.of_ticks(entry as i64 * 7 + 6).0, found);
        }
        assert_eq!(marks.of_ticks(-1).0, 0);
        assert_eq!(Marks::default().of_sample(9), (0, Covered::default()));
    }
}
