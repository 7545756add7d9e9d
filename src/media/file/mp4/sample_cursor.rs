//! [`SampleCursor`]: goes through the samples of a track by its tables, a window of each at a
//! time.

use super::sample::Sample;
use super::sample_table::{RunReader, SampleTable, Sizes, duration_of, offset_of};
use super::table::{TableReader, long, word};
use crate::media::file::container::window::Input;
use std::io;

/// Sizes that are added up in one step, on the way to a sample within a chunk.
const SIZES_A_STEP: u64 = 2048;
/// Runs of chunks, or chunks, without samples that are passed over in one go.
const MAX_EMPTY: usize = 4096;

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Sample(Sample),
    /// Nothing yet: go on.
    Work,
    /// The file has no more fragments, at present.
    OutOfFile,
    End,
}

/// A place among the samples of a track.
#[derive(Debug)]
pub(super) struct SampleCursor {
    /// The next sample.
    sample: u64,
    dts: i64,
    durations: RunReader,
    offsets: RunReader,
    chunks: ChunkReader,
    sizes: TableReader,
    sync: TableReader,
    /// The next entry of the sync samples, and the sample that it names.
    sync_entry: u64,
    next_sync: Option<u64>,
}

/// The places of chunks.
#[derive(Debug, Default)]
struct ChunkReader {
    runs: TableReader,
    offsets: TableReader,
    /// The run behind the current one, and the chunk with which it begins.
    next_run: u64,
    run_end: u64,
    /// The current chunk, from 0.
    chunk: u64,
    /// Samples of a chunk, and those of the current one that are left.
    of_chunk: u64,
    left: u64,
    /// Samples of the current chunk in front of the next one whose sizes were not added up yet.
    behind: u64,
    description: u32,
    /// Position of the next sample.
    at: u64,
}

impl ChunkReader {
    /// At `sample`; false if no chunk has it.
    fn seek(&mut self, table: &SampleTable, sample: u64, input: &Input) -> io::Result<bool> {
        let (entry, covered) = table.chunk_runs.marks.of_sample(sample);
        (self.next_run, self.left, self.behind) = (entry, 0, 0);
        let mut before = covered.samples;
        while self.load_run(table, input)? {
            let samples = (self.run_end - self.chunk).saturating_mul(self.of_chunk);
            if let Some(inside) = sample.checked_sub(before).filter(|&n| n < samples) {
                // A run that has samples has some in each chunk.
                self.chunk += inside / self.of_chunk;
                self.behind = inside % self.of_chunk;
                self.left = self.of_chunk - self.behind;
                return self.load_offset(table, input);
            }
            before = before.saturating_add(samples);
        }
        Ok(false)
    }

    /// Goes on to the next run of chunks with samples.
    fn load_run(&mut self, table: &SampleTable, input: &Input) -> io::Result<bool> {
        let runs = &table.chunk_runs.table;
        for _ in 0..MAX_EMPTY {
            let Some(entry) = self.runs.get(runs, self.next_run, input)? else { return Ok(false) };
            self.chunk = u64::from(word(entry, 0)).saturating_sub(1);
            self.of_chunk = word(entry, 4).into();
            self.description = word(entry, 8).saturating_sub(1);
            self.next_run += 1;
            let next = self.runs.get(runs, self.next_run, input)?;
            let end = next.map_or(u64::MAX, |e| u64::from(word(e, 0)).saturating_sub(1));
            self.run_end = end.min(table.chunks.count);
            if self.of_chunk > 0 && self.chunk < self.run_end {
                return Ok(true);
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "chunks without samples"))
    }

    fn load_offset(&mut self, table: &SampleTable, input: &Input) -> io::Result<bool> {
        let entry = self.offsets.get(&table.chunks, self.chunk, input)?;
        let Some(entry) = entry else { return Ok(false) };
        self.at = if table.chunks.entry == 8 { long(entry, 0) } else { word(entry, 0).into() };
        Ok(true)
    }

    /// Passes over `n` samples of the current chunk, which have so many bytes; false if there are
    /// no more.
    fn advance(
        &mut self,
        n: u64,
        bytes: u64,
        table: &SampleTable,
        input: &Input,
    ) -> io::Result<bool> {
        self.at = self.at.saturating_add(bytes);
        self.left = self.left.saturating_sub(n);
        if self.left > 0 {
            return Ok(true);
        }
        self.chunk += 1;
        if self.chunk >= self.run_end && !self.load_run(table, input)? {
            return Ok(false);
        }
        self.left = self.of_chunk;
        self.load_offset(table, input)
    }
}

impl SampleCursor {
    /// Goes to `sample`.
    pub(super) fn new(table: &SampleTable, sample: u64, input: &Input) -> io::Result<Self> {
        let mut cursor = Self {
            sample,
            dts: 0,
            durations: RunReader::default(),
            offsets: RunReader::default(),
            chunks: ChunkReader::default(),
            sizes: TableReader::default(),
            sync: TableReader::default(),
            sync_entry: 0,
            next_sync: None,
        };
        cursor.seek(table, sample, input)?;
        Ok(cursor)
    }

    /// Goes to `sample`.
    pub(super) fn seek(
        &mut self,
        table: &SampleTable,
        sample: u64,
        input: &Input,
    ) -> io::Result<()> {
        self.sample = sample;
        self.dts = self.durations.seek(&table.durations, sample, input)?;
        if let Some(offsets) = &table.offsets {
            self.offsets.seek(offsets, sample, input)?;
        }
        if let Some(sync) = &table.sync {
            self.sync_entry = table.sync_entry(sync, sample, &mut self.sync, input)?;
            self.load_sync(table, input)?;
        }
        if !self.chunks.seek(table, sample, input)? {
            self.sample = table.count;
        }
        Ok(())
    }

    fn load_sync(&mut self, table: &SampleTable, input: &Input) -> io::Result<()> {
        let Some(sync) = &table.sync else { return Ok(()) };
        let entry = self.sync.get(sync, self.sync_entry, input)?;
        self.next_sync = entry.map(|e| u64::from(word(e, 0)).saturating_sub(1));
        Ok(())
    }

    fn size(&mut self, table: &SampleTable, sample: u64, input: &Input) -> io::Result<u32> {
        let (sizes, bits) = match table.sizes {
            Sizes::Same(size) => return Ok(size),
            Sizes::Each(sizes, bits) => (sizes, bits),
        };
        let index = if bits == 4 { sample / 2 } else { sample };
        let Some(entry) = self.sizes.get(&sizes, index, input)? else { return Ok(0) };
        let value = entry.iter().fold(0_u32, |n, &byte| (n << 8) | u32::from(byte));
        Ok(match (bits, sample % 2) {
            (4, 0) => value >> 4,
            (4, _) => value & 0xf,
            _ => value,
        })
    }

    /// The next sample, or as many as lie side by side and may be taken together: `together` of
    /// audio whose samples are as small as one sample of each channel.
    pub(super) fn next(
        &mut self,
        table: &SampleTable,
        together: u64,
        input: &Input,
    ) -> io::Result<Next> {
        if self.sample >= table.count {
            return Ok(Next::End);
        }
        if self.chunks.behind > 0 {
            self.add_up(table, input)?;
            return Ok(Next::Work);
        }
        let each = self.size(table, self.sample, input)?;
        let n = match table.sizes {
            Sizes::Same(_) => {
                let alike = self.durations.left().max(1).min(self.chunks.left);
                alike.min(table.count - self.sample).min(together).max(1)
            }
            Sizes::Each(..) => 1,
        };
        let duration = duration_of(self.durations.value());
        let offset = table.offsets.as_ref().map_or(0, |_| offset_of(self.offsets.value()));
        let key = table.sync.is_none() || self.next_sync == Some(self.sample);
        let bytes = n.saturating_mul(each.into());
        let found = Sample {
            at: self.chunks.at,
            len: bytes,
            dts: self.dts,
            pts: self.dts.saturating_add(offset),
            duration: u64::from(duration).saturating_mul(n),
            key,
            description: self.chunks.description,
        };
        self.dts = self.dts.saturating_add(i64::try_from(found.duration).unwrap_or(i64::MAX));
        self.sample += n;
        self.durations.advance(n, &table.durations, input)?;
        if let Some(offsets) = &table.offsets {
            self.offsets.advance(n, offsets, input)?;
        }
        if self.next_sync.is_some_and(|sync| sync < self.sample) {
            self.sync_entry += 1;
            self.load_sync(table, input)?;
        }
        if self.sample < table.count && !self.chunks.advance(n, bytes, table, input)? {
            log::debug!("mp4: a track with fewer chunks than samples");
            self.sample = table.count;
        }
        Ok(Next::Sample(found))
    }

    /// Adds up the sizes of samples in front of the next one in its chunk.
    fn add_up(&mut self, table: &SampleTable, input: &Input) -> io::Result<()> {
        let n = match table.sizes {
            Sizes::Same(_) => self.chunks.behind,
            Sizes::Each(..) => self.chunks.behind.min(SIZES_A_STEP),
        };
        let from = self.sample.saturating_sub(self.chunks.behind);
        let bytes = match table.sizes {
            Sizes::Same(size) => n.saturating_mul(size.into()),
            Sizes::Each(..) => {
                let mut sum = 0_u64;
                for sample in from..from.saturating_add(n) {
                    sum = sum.saturating_add(self.size(table, sample, input)?.into());
                }
                sum
            }
        };
        self.chunks.at = self.chunks.at.saturating_add(bytes);
        self.chunks.behind -= n;
        Ok(())
    }
}
