//! Fragments: `moof` and `mdat` (ISO/IEC 14496-12 section 8.8), with the capture time in front
//! (`prft`, section 8.16.5), and the index at the end (`mfra`, section 8.8.9).

use super::boxes::{Put, put_box, put_full_box, put_over};
use super::times::ticks;
use crate::wire::rtcp::NtpTime;
use std::time::Duration;

/// Sample flags (section 8.8.3.1): depends on no other; depends on others and is no sync sample.
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;

/// A sample with all that the file says of it; times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) dts: i64,
    pub(super) pts: i64,
    /// Decoding time of the next one.
    pub(super) end: i64,
    pub(super) len: u32,
    pub(super) key: bool,
    /// When it was captured, since the Unix epoch.
    pub(super) wall_clock: Option<Duration>,
}

/// The samples of one track that the next fragment is made of.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) samples: Vec<Sample>,
    pub(super) data: Vec<u8>,
}

impl Run {
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.data.clear();
    }

    /// Memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.data.len() + self.samples.len() * size_of::<Sample>()
    }

    /// Takes out what is decoded at `time` and later.
    pub(super) fn split_off(&mut self, time: i64) -> Self {
        let at = self.samples.partition_point(|sample| sample.dts < time);
        let samples = self.samples.split_off(at);
        let bytes: usize = samples.iter().map(|sample| sample.len as usize).sum();
        let data = self.data.split_off(self.data.len().saturating_sub(bytes));
        Self { samples, data }
    }
}

/// A track's part of a fragment.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) id: u32,
    pub(super) timescale: u32,
    pub(super) is_video: bool,
    pub(super) run: &'a Run,
}

impl Part<'_> {
    /// Ticks from the file's `zero` to `time`; nothing lies before it.
    fn tick(&self, time: i64, zero: i64) -> u64 {
        u64::try_from(ticks(time.saturating_sub(zero), self.timescale)).unwrap_or(0)
    }

    /// The track and when its first sample is presented, in ticks, if playing can begin there.
    pub(super) fn key_time(&self, zero: i64) -> Option<(u32, u64)> {
        let first = self.run.samples.first().filter(|first| first.key)?;
        Some((self.id, self.presented(first, zero)))
    }

    /// When the file has a sample be presented: audio has no composition offsets.
    fn presented(&self, sample: &Sample, zero: i64) -> u64 {
        self.tick(if self.is_video { sample.pts } else { sample.dts }, zero)
    }
}

/// Appends a fragment. `zero` is where the file's time begins. Returns where in it the `moof` box
/// begins.
pub(super) fn put_fragment(out: &mut Vec<u8>, number: u32, parts: &[Part<'_>], zero: i64) -> usize {
    let begin = out.len();
    for part in parts {
        put_capture_time(out, part, zero);
    }
    let moof = out.len();
    let mut offsets = Vec::with_capacity(parts.len());
    put_box(out, b"moof", |out| {
        put_full_box(out, b"mfhd", 0, 0, |out| out.u32(number));
        for part in parts {
            put_box(out, b"traf", |out| offsets.push(put_run(out, part, zero)));
        }
    });
    // The data stands in the order of the runs, behind the header of `mdat`.
    let mut offset = out.len() - moof + 8;
    for (at, part) in offsets.into_iter().zip(parts) {
        put_over(out, at, offset as u32);
        offset += part.run.data.len();
    }
    put_box(out, b"mdat", |out| parts.iter().for_each(|part| out.bytes(&part.run.data)));
    moof - begin
}

/// The time of capture of the part's first sample, as the producer's time at the encoder's input.
fn put_capture_time(out: &mut Vec<u8>, part: &Part<'_>, zero: i64) {
    let Some(first) = part.run.samples.first() else { return };
    let Some(at) = first.wall_clock else { return };
    put_full_box(out, b"prft", 1, 0, |out| {
        out.u32(part.id);
        out.u64(NtpTime::from_unix(at).0);
        out.u64(part.presented(first, zero));
    });
}

/// Appends a track's part. Returns where the offset of its data belongs.
fn put_run(out: &mut Vec<u8>, part: &Part<'_>, zero: i64) -> usize {
    const BASE_IS_MOOF: u32 = 0x02_0000;
    const DATA_OFFSET: u32 = 1;
    const DURATION: u32 = 0x100;
    const SIZE: u32 = 0x200;
    const FLAGS: u32 = 0x400;
    const COMPOSITION: u32 = 0x800;
    let samples = &part.run.samples;
    put_full_box(out, b"tfhd", 0, BASE_IS_MOOF, |out| out.u32(part.id));
    let first = samples.first().map_or(0, |first| part.tick(first.dts, zero));
    put_full_box(out, b"tfdt", 1, 0, |out| out.u64(first));
    let video = if part.is_video { COMPOSITION } else { 0 };
    let flags = DATA_OFFSET | DURATION | SIZE | FLAGS | video;
    let mut offset_at = 0;
    put_full_box(out, b"trun", 1, flags, |out| {
        out.u32(samples.len() as u32);
        offset_at = out.len();
        out.u32(0);
        for sample in samples {
            let dts = part.tick(sample.dts, zero);
            let lasts = part.tick(sample.end, zero).saturating_sub(dts);
            out.u32(u32::try_from(lasts).unwrap_or(u32::MAX));
            out.u32(sample.len);
            out.u32(if sample.key { SYNC } else { NOT_SYNC });
            if part.is_video {
                let pts = ticks(sample.pts.saturating_sub(zero), part.timescale);
                let offset = pts.saturating_sub_unsigned(dts);
                let offset = offset.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
                out.u32(offset as u32);
            }
        }
    });
    offset_at
}

/// Where playing can begin: the fragments that start with a key frame of one track.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Time in ticks, and offset of the `moof` box in the file.
    entries: Vec<(u64, u64)>,
    /// One of so many is kept, less one.
    skipped: u32,
    skip: u32,
}

impl Index {
    /// Most entries. When there are more, every second is dropped.
    const MAX: usize = 8192;

    pub(super) fn push(&mut self, time: u64, offset: u64) {
        if self.skipped < self.skip {
            self.skipped += 1;
            return;
        }
        self.skipped = 0;
        self.entries.push((time, offset));
        if self.entries.len() >= Self::MAX {
            let mut n = 0_usize;
            self.entries.retain(|_| {
                n += 1;
                n % 2 == 1
            });
            // The last one was dropped: the next that is due would have come after it.
            let before = self.skip;
            self.skip = self.skip.saturating_mul(2).saturating_add(1);
            self.skipped = self.skip - before;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends the index of the track `id`, which is the first of each fragment.
    pub(super) fn put(&self, out: &mut Vec<u8>, id: u32) {
        let begin = out.len();
        put_box(out, b"mfra", |out| {
            put_full_box(out, b"tfra", 1, 0, |out| {
                out.u32(id);
                out.u32(0); // numbers of one byte
                out.u32(self.entries.len() as u32);
                for &(time, offset) in &self.entries {
                    out.u64(time);
                    out.u64(offset);
                    out.bytes(&[1, 1, 1]); // traf, trun, sample
                }
            });
            put_full_box(out, b"mfro", 0, 0, |out| {
                let len = out.len() - begin + 4;
                out.u32(len as u32);
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_stays_small_and_even() {
        let mut index = Index::default();
        for i in 0..100_000 {
            index.push(i, i);
        }
        assert!(index.entries.len() < Index::MAX && index.entries.len() > Index::MAX / 4);
        let steps: Vec<_> = index.entries.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert_eq!(index.entries[0], (0, 0));
        assert!(steps.iter().all(|step| *step == steps[0]), "{:?}", &steps[..9]);
    }
}
