//! [`Segment`]: one file of a recording while it is written.

use super::super::output::Output;
use super::fragment::{Index, Part, put_fragment};
use super::header::{HeaderTrack, MOVIE_TIMESCALE, duration_box, put_header};
use super::sample_entry::Description;
use super::segments::SegmentFiles;
use super::times::ticks;
use crate::error::Error;
use std::io::{Seek, Write};
use std::time::Duration;

/// Memory that is kept from one fragment to the next.
const MEMORY_KEPT: usize = 1 << 20;

/// A file of the recording.
#[derive(Debug)]
pub(super) struct Segment<W> {
    output: Output<W>,
    number: u32,
    fragments: u32,
    /// Where its time begins, in nanoseconds, once there is a header.
    zero: Option<i64>,
    /// Where the box for the duration stands.
    duration_at: u64,
    /// When the last sample's presentation ends.
    end: i64,
    index: Index,
    /// Whose key frames are in the index.
    index_of: Option<u32>,
    /// What is written next: a header and a fragment, or a fragment.
    memory: Vec<u8>,
}

impl<W: Write + Seek> Segment<W> {
    pub(super) fn open(
        files: &mut impl SegmentFiles<File = W>,
        number: u32,
    ) -> Result<Self, Error> {
        let (writer, name) = files.open_segment(number)?;
        Ok(Self {
            output: Output::new(writer, name),
            number,
            fragments: 0,
            zero: None,
            duration_at: 0,
            end: i64::MIN,
            index: Index::default(),
            index_of: None,
            memory: Vec::new(),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.output.name()
    }

    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    /// Bytes written.
    pub(super) const fn len(&self) -> u64 {
        self.output.len()
    }

    /// Whether there is a header.
    pub(super) const fn is_begun(&self) -> bool {
        self.zero.is_some()
    }

    pub(super) const fn zero(&self) -> Option<i64> {
        self.zero
    }

    pub(super) fn into_writer(self) -> W {
        self.output.into_writer()
    }

    /// Puts the header together, which is written with the first fragment.
    pub(super) fn begin(
        &mut self,
        tracks: &[(u32, &Description)],
        zero: i64,
        created: Option<Duration>,
    ) {
        let header = |&(id, description): &(u32, _)| HeaderTrack { id, description };
        let tracks: Vec<_> = tracks.iter().map(header).collect();
        self.duration_at = put_header(&mut self.memory, &tracks, created) as u64;
        self.zero = Some(zero);
    }

    /// Writes a fragment, and has it passed on.
    ///
    /// Until all of it is there its `moof` box is called `free`: FFmpeg opens no file whose last
    /// `moof` is cut short, and skips what is free.
    pub(super) fn write_fragment(&mut self, parts: &[Part<'_>]) -> Result<(), Error> {
        let Some(zero) = self.zero else { return Ok(()) };
        self.fragments = self.fragments.wrapping_add(1);
        let at = self.output.len().saturating_add(self.memory.len() as u64);
        let moof = put_fragment(&mut self.memory, self.fragments, parts, zero) as u64;
        if let Some((id, time)) = parts.first().and_then(|part| part.key_time(zero)) {
            if *self.index_of.get_or_insert(id) == id {
                self.index.push(time, at.saturating_add(moof));
            }
        }
        let samples = parts.iter().flat_map(|part| &part.run.samples);
        let ends = samples.map(|sample| sample.pts.saturating_add(sample.end - sample.dts));
        self.end = self.end.max(ends.max().unwrap_or(i64::MIN));
        // The type stands behind the length.
        let kind_at = at.saturating_add(moof + 4);
        let kind = (kind_at - self.output.len()) as usize;
        if let (Some(kind), true) = (self.memory.get_mut(kind..kind + 4), self.output.is_seekable())
        {
            kind.copy_from_slice(b"free");
        }
        self.output.write(&self.memory)?;
        self.output.flush()?;
        self.output.write_over(kind_at, b"moof")?;
        self.output.flush()?;
        self.memory.clear();
        self.memory.shrink_to(MEMORY_KEPT);
        Ok(())
    }

    /// Writes the index, and the duration into the header.
    pub(super) fn complete(&mut self) -> Result<(), Error> {
        let Some(zero) = self.zero else { return Ok(()) };
        if let (Some(id), false) = (self.index_of, self.index.is_empty()) {
            self.index.put(&mut self.memory, id);
            self.output.write(&self.memory)?;
        }
        let duration = ticks(self.end.saturating_sub(zero), MOVIE_TIMESCALE);
        let duration = duration_box(u64::try_from(duration).unwrap_or(0));
        self.output.write_over(self.duration_at, &duration)?;
        self.output.flush()
    }
}
