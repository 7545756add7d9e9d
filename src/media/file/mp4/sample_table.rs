//! [`SampleTable`]: where the tables of a track are (ISO/IEC 14496-12 sections 8.6 and 8.7), and
//! what a scan found out about them. The tables themselves stay in the file.

use super::table::{Covered, Marks, Table, TableReader, word};
use crate::media::file::container::window::Input;
use std::io;

/// Runs without a sample that are passed over in one go. Sound files have none.
const MAX_EMPTY_RUNS: usize = 4096;
/// Key frames that are looked at in front of the place that is sought.
const MAX_BACK: usize = 64;

/// Sizes of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sizes {
    Same(u32),
    /// Bits of an entry, of which two may be in a byte.
    Each(Table, u8),
}

/// A table of runs: each entry begins with the number of samples that it is of, and ends with
/// what it says of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    pub(super) table: Table,
    pub(super) marks: Marks,
}

/// The tables of a track.
#[derive(Clone, Debug)]
pub(super) struct SampleTable {
    /// Number of samples.
    pub(super) count: u64,
    /// Decoding time to sample (`stts`).
    pub(super) durations: Runs,
    /// Composition time to sample (`ctts`); without, pictures are presented when they are decoded.
    pub(super) offsets: Option<Runs>,
    /// Sample to chunk (`stsc`).
    pub(super) chunk_runs: Runs,
    pub(super) sizes: Sizes,
    /// Chunk offsets (`stco`, `co64`).
    pub(super) chunks: Table,
    /// Sync samples (`stss`); without, all samples are.
    pub(super) sync: Option<Table>,
    /// Ticks of all samples together.
    pub(super) ticks: i64,
    /// The least composition offset.
    pub(super) least_offset: i64,
}

impl Default for SampleTable {
    fn default() -> Self {
        Self {
            count: 0,
            durations: Runs::default(),
            offsets: None,
            chunk_runs: Runs::default(),
            sizes: Sizes::Same(0),
            chunks: Table::default(),
            sync: None,
            ticks: 0,
            least_offset: 0,
        }
    }
}

/// The duration in an entry of a sample: some writers have put negative corrections there, which
/// nothing can follow.
pub(super) const fn duration_of(value: u32) -> u32 {
    if value > i32::MAX as u32 { 1 } else { value }
}

/// A place in a table of runs.
#[derive(Debug, Default)]
pub(super) struct RunReader {
    reader: TableReader,
    /// The entry behind the current one.
    next: u64,
    /// Samples of the current entry from here on.
    left: u64,
    value: u32,
}

impl RunReader {
    /// At `sample`. Returns what the runs before it cover.
    pub(super) fn seek(&mut self, runs: &Runs, sample: u64, input: &Input) -> io::Result<i64> {
        let (entry, covered) = runs.marks.of_sample(sample);
        let Covered { mut samples, mut ticks } = covered;
        (self.next, self.left) = (entry, 0);
        loop {
            if !self.load(runs, input)? {
                // Behind the last entry its value holds on.
                let beyond = sample.saturating_sub(samples);
                return Ok(ticks.saturating_add(times(beyond, self.value)));
            }
            if let Some(inside) = sample.checked_sub(samples).filter(|&n| n < self.left) {
                self.left -= inside;
                return Ok(ticks.saturating_add(times(inside, self.value)));
            }
            samples = samples.saturating_add(self.left);
            ticks = ticks.saturating_add(times(self.left, self.value));
            self.left = 0;
        }
    }

    /// The sample that is decoded at `ticks`.
    fn find(&mut self, runs: &Runs, at: i64, input: &Input) -> io::Result<u64> {
        let (entry, covered) = runs.marks.of_ticks(at);
        let Covered { mut samples, mut ticks } = covered;
        (self.next, self.left) = (entry, 0);
        while self.load(runs, input)? {
            let each = i64::from(duration_of(self.value));
            let end = ticks.saturating_add(times(self.left, self.value));
            if at < end && each > 0 {
                let inside = at.saturating_sub(ticks).max(0) / each;
                return Ok(samples.saturating_add(u64::try_from(inside).unwrap_or(0)));
            }
            (samples, ticks) = (samples.saturating_add(self.left), end);
            self.left = 0;
        }
        Ok(samples.saturating_sub(1))
    }

    /// Goes on to the next run that has samples.
    fn load(&mut self, runs: &Runs, input: &Input) -> io::Result<bool> {
        for _ in 0..MAX_EMPTY_RUNS {
            let Some(entry) = self.reader.get(&runs.table, self.next, input)? else {
                return Ok(false);
            };
            (self.left, self.value) = (word(entry, 0).into(), word(entry, 4));
            self.next += 1;
            if self.left > 0 {
                return Ok(true);
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "a sample table of empty runs"))
    }

    /// What is said of the current sample.
    pub(super) const fn value(&self) -> u32 {
        self.value
    }

    /// Samples of which the same is said, from the current one on.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// Passes over `n` samples of the current run.
    pub(super) fn advance(&mut self, n: u64, runs: &Runs, input: &Input) -> io::Result<()> {
        self.left = self.left.saturating_sub(n);
        if self.left == 0 {
            self.load(runs, input)?;
        }
        Ok(())
    }
}

fn times(samples: u64, value: u32) -> i64 {
    let samples = i64::try_from(samples).unwrap_or(i64::MAX);
    samples.saturating_mul(duration_of(value).into())
}

/// A composition offset; some writers have negative ones in version 0 too.
pub(super) const fn offset_of(value: u32) -> i64 {
    value as i32 as i64
}

impl SampleTable {
    /// When `sample` is decoded and presented.
    pub(super) fn times_of(&self, sample: u64, input: &Input) -> io::Result<(i64, i64)> {
        let dts = RunReader::default().seek(&self.durations, sample, input)?;
        let offset = match &self.offsets {
            Some(offsets) => {
                let mut reader = RunReader::default();
                reader.seek(offsets, sample, input)?;
                offset_of(reader.value())
            }
            None => 0,
        };
        Ok((dts, dts.saturating_add(offset)))
    }

    /// The sample that is being decoded at `ticks`.
    pub(super) fn sample_at(&self, ticks: i64, input: &Input) -> io::Result<u64> {
        let found = RunReader::default().find(&self.durations, ticks.max(0), input)?;
        Ok(found.min(self.count.saturating_sub(1)))
    }

    /// The sync sample so far in the table; counted from 0.
    fn sync_sample(
        table: &Table,
        entry: u64,
        reader: &mut TableReader,
        input: &Input,
    ) -> io::Result<Option<u64>> {
        let number = reader.get(table, entry, input)?.map(|e| word(e, 0));
        Ok(number.map(|n| u64::from(n).saturating_sub(1)))
    }

    /// The first entry of the sync samples that is not in front of `sample`.
    pub(super) fn sync_entry(
        &self,
        table: &Table,
        sample: u64,
        reader: &mut TableReader,
        input: &Input,
    ) -> io::Result<u64> {
        let (mut low, mut high) = (0, table.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match Self::sync_sample(table, middle, reader, input)? {
                Some(sync) if sync < sample => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The last sync sample that is presented at or before `ticks`, or the first one, and when it
    /// is presented.
    pub(super) fn key_at(&self, ticks: i64, input: &Input) -> io::Result<(u64, i64)> {
        // No sample is presented earlier than this after it is decoded.
        let latest = self.sample_at(ticks.saturating_sub(self.least_offset), input)?;
        let mut reader = TableReader::default();
        let mut entry = match &self.sync {
            Some(table) => self.sync_entry(table, latest + 1, &mut reader, input)?,
            None => latest + 1,
        };
        let mut found = (0, self.times_of(0, input)?.1);
        for _ in 0..MAX_BACK {
            let Some(before) = entry.checked_sub(1) else { break };
            entry = before;
            let sample = match &self.sync {
                Some(table) => Self::sync_sample(table, entry, &mut reader, input)?,
                None => Some(entry),
            };
            let Some(sample) = sample.filter(|&sample| sample < self.count) else { continue };
            found = (sample, self.times_of(sample, input)?.1);
            if found.1 <= ticks {
                break;
            }
        }
        Ok(found)
    }
}
