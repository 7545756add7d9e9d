//! [`TableScan`]: goes once through the tables of runs, so that places in them are found later, and
//! looks at the first and last samples.

use super::super::media::TrackInfo;
use super::super::sample_cursor::{Next, SampleCursor};
use super::super::sample_table::{RunReader, Runs, SampleTable, duration_of, offset_of};
use super::super::table::{Covered, word};
use super::movie::RawTrack;
use crate::media::file::container::coding::learn;
use crate::media::file::container::window::{Input, Window};
use bytes::BytesMut;
use std::io;

/// Entries looked at in one step.
const ENTRIES_A_STEP: u64 = 1024;
/// Runs without samples in one table; sound ones have none.
const MAX_EMPTY_RUNS: u64 = 1024;
/// Samples at the front and at the end that show when the track begins and ends.
const EDGE: u64 = 32;
/// Samples that are looked at where parameters are missing, and bytes of the largest of them.
const MAX_LOOKS: usize = 64;
const MAX_LOOKED_AT: u64 = 4 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Which {
    #[default]
    Durations,
    Offsets,
    Chunks,
    /// The first and the last samples.
    Edges,
}

/// The place of the scan.
#[derive(Debug, Default)]
pub(super) struct TableScan {
    track: usize,
    which: Which,
    entry: u64,
    /// What the entries so far cover.
    covered: Covered,
    empty: u64,
    /// The last entry of the chunk runs: first chunk and samples of each.
    last_run: (u64, u64),
}

impl TableScan {
    /// Goes on by some entries. Returns whether all tables were gone through.
    pub(super) fn step(
        &mut self,
        tracks: &mut [RawTrack],
        window: &mut Window,
    ) -> io::Result<bool> {
        let Some(track) = tracks.get_mut(self.track) else { return Ok(true) };
        let info = &mut track.info;
        if self.which == Which::Edges {
            if info.samples.count > 0 {
                look_at_edges(track, window)?;
            }
            *self = Self { track: self.track + 1, ..Self::default() };
            return Ok(false);
        }
        let runs = match self.which {
            Which::Durations => Some(&mut info.samples.durations),
            Which::Offsets => info.samples.offsets.as_mut(),
            _ => Some(&mut info.samples.chunk_runs),
        };
        let Some(runs) = runs else {
            self.end_table(info);
            return Ok(false);
        };
        let n = runs.table.count.saturating_sub(self.entry).min(ENTRIES_A_STEP);
        if n == 0 {
            self.end_table(info);
            return Ok(false);
        }
        let len = runs.table.entry;
        let at = runs.table.at.saturating_add(self.entry.saturating_mul(len));
        let bytes = window.peek(at, usize::try_from(n * len).unwrap_or(0))?;
        let mut least = i64::from(i32::MAX);
        let mut is_sound = true;
        for entry in bytes.chunks_exact(usize::try_from(len).unwrap_or(8)) {
            is_sound &= self.take_entry(runs, entry);
            if self.which == Which::Offsets {
                least = least.min(offset_of(word(entry, 4)));
            }
        }
        if self.which == Which::Offsets {
            info.samples.least_offset = info.samples.least_offset.min(least);
        }
        if !is_sound || self.empty > MAX_EMPTY_RUNS {
            track.unsound = Some("its sample tables contradict themselves".into());
            *self = Self { track: self.track + 1, ..Self::default() };
        } else if bytes.is_empty() {
            track.unsound = Some("its sample tables are cut off".into());
            *self = Self { track: self.track + 1, ..Self::default() };
        }
        Ok(false)
    }

    /// Takes note of an entry; false if it cannot be.
    fn take_entry(&mut self, runs: &mut Runs, entry: &[u8]) -> bool {
        let (first, second) = (u64::from(word(entry, 0)), word(entry, 4));
        if self.which == Which::Chunks {
            let (last, of_chunk) = self.last_run;
            if first <= last {
                return false;
            }
            let chunks = if self.entry == 0 { 0 } else { first - last };
            let samples = chunks.saturating_mul(of_chunk);
            self.covered.samples = self.covered.samples.saturating_add(samples);
            runs.marks.note(self.entry, self.covered);
            self.last_run = (first, second.into());
            self.empty += u64::from(second == 0);
        } else {
            runs.marks.note(self.entry, self.covered);
            self.covered.samples = self.covered.samples.saturating_add(first);
            let ticks = (first as i64).saturating_mul(duration_of(second).into());
            self.covered.ticks = self.covered.ticks.saturating_add(ticks);
            self.empty += u64::from(first == 0);
        }
        self.entry += 1;
        true
    }

    fn end_table(&mut self, info: &mut TrackInfo) {
        let which = match self.which {
            Which::Durations => {
                info.samples.ticks = self.covered.ticks;
                Which::Offsets
            }
            Which::Offsets => Which::Chunks,
            Which::Chunks | Which::Edges => Which::Edges,
        };
        *self = Self { track: self.track, which, ..Self::default() };
    }
}

/// Finds when the track begins and ends, and parameter sets that only its samples have.
fn look_at_edges(track: &mut RawTrack, window: &mut Window) -> io::Result<()> {
    let input = window.input().clone();
    let table = &track.info.samples;
    let last = table.count.saturating_sub(EDGE);
    let (first, _) = edge(table, 0, &input)?;
    let (_, end) = edge(table, last, &input)?;
    track.note(first, end);
    if !track.info.is_known {
        look_at_samples(track, window, &input)?;
    }
    Ok(())
}

/// The first tick that one of the few samples from `from` on is presented at, and the last at
/// which one is.
fn edge(table: &SampleTable, from: u64, input: &Input) -> io::Result<(i64, i64)> {
    let (mut durations, mut offsets) = (RunReader::default(), RunReader::default());
    let mut dts = durations.seek(&table.durations, from, input)?;
    if let Some(runs) = &table.offsets {
        offsets.seek(runs, from, input)?;
    }
    let (mut first, mut end) = (i64::MAX, i64::MIN);
    for _ in from..table.count.min(from.saturating_add(EDGE)) {
        let offset = table.offsets.as_ref().map_or(0, |_| offset_of(offsets.value()));
        let pts = dts.saturating_add(offset);
        dts = dts.saturating_add(duration_of(durations.value()).into());
        first = first.min(pts);
        end = end.max(dts.saturating_add(offset));
        durations.advance(1, &table.durations, input)?;
        if let Some(runs) = &table.offsets {
            offsets.advance(1, runs, input)?;
        }
    }
    Ok((first, end))
}

fn look_at_samples(track: &mut RawTrack, window: &mut Window, input: &Input) -> io::Result<()> {
    let mut cursor = SampleCursor::new(&track.info.samples, 0, input)?;
    for _ in 0..MAX_LOOKS {
        match cursor.next(&track.info.samples, 1, input)? {
            Next::Sample(sample) => look_at(track, sample.at, sample.len, window)?,
            Next::Work => {}
            Next::OutOfFile | Next::End => break,
        }
        if track.info.is_known || track.unsound.is_some() {
            break;
        }
    }
    Ok(())
}

/// Completes the parameters of a track by a sample.
pub(super) fn look_at(
    track: &mut RawTrack,
    at: u64,
    len: u64,
    window: &mut Window,
) -> io::Result<()> {
    if len > MAX_LOOKED_AT || at.saturating_add(len) > window.len() {
        return Ok(());
    }
    let mut data = BytesMut::zeroed(usize::try_from(len).unwrap_or(0));
    window.read(at, &mut data)?;
    match learn(&mut track.info.parameters, track.info.coding, data) {
        Ok(is_known) => track.info.is_known = is_known,
        Err(why) => track.unsound = Some(why),
    }
    Ok(())
}
