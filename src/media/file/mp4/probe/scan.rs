//! [`Scan`]: goes through the fragments of a file, or, where an index tells where they are,
//! through the first few and those behind the last that it knows.

use super::super::boxes::BoxAt;
use super::super::fragment_index::{Entry, FragmentIndex};
use super::super::fragments::{Defaults, FragmentCursor, Step};
use super::super::sample::Sample;
use super::movie::RawTrack;
use super::{random_access, tables};
use crate::media::file::container::window::{Input, Window};
use std::io;

/// Boxes and samples looked at in one step.
const STEPS: usize = 256;
/// Fragments that are gone through before an index is used, so that the beginning of each track is
/// known.
const FIRST_FRAGMENTS: u64 = 4;
/// The tolerance for an index, as a part of a second.
const TOLERANCE: i64 = 10;

/// A scan under way.
#[derive(Debug)]
pub(super) struct Scan {
    cursor: FragmentCursor,
    defaults: Vec<Defaults>,
    /// The first fragment, and when each track goes on there.
    begin: (u64, Vec<i64>),
    sidx: Option<BoxAt>,
    /// What the walk through this fragment has shown of each track: when its first sample is
    /// decoded.
    fragment: u64,
    in_fragment: Vec<Option<i64>>,
    fragments: u64,
    index: UseOfIndex,
}

/// The state of the index that the file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UseOfIndex {
    /// It has not been looked at.
    Untried,
    /// The walk went on at its last place, where this track is to have a sample at this tick.
    Unproven(usize, i64),
    /// It was right, or there is none, or it was wrong.
    Decided,
}

impl Scan {
    pub(super) fn new(
        input: Input,
        at: u64,
        sidx: Option<BoxAt>,
        tracks: &[RawTrack],
        defaults: Vec<Defaults>,
    ) -> io::Result<Self> {
        let dts: Vec<_> = tracks.iter().map(|track| track.info.samples.ticks).collect();
        Ok(Self {
            cursor: FragmentCursor::new(input, None, at, dts.clone())?,
            defaults,
            begin: (at, dts),
            sidx,
            fragment: u64::MAX,
            in_fragment: vec![None; tracks.len()],
            fragments: 0,
            index: UseOfIndex::Untried,
        })
    }

    pub(super) const fn bytes_read(&self) -> u64 {
        self.cursor.bytes_read()
    }

    /// Goes on by some boxes and samples. Returns whether that was all.
    pub(super) fn step(
        &mut self,
        tracks: &mut [RawTrack],
        window: &mut Window,
    ) -> io::Result<bool> {
        for _ in 0..STEPS {
            match self.cursor.step(&self.defaults, u64::MAX)? {
                Step::Sample(track, sample) => self.sample(track, &sample, tracks, window)?,
                Step::Other => {}
                Step::End => {
                    if matches!(self.index, UseOfIndex::Unproven(..)) {
                        self.distrust(tracks)?;
                        return Ok(false);
                    }
                    return Ok(true);
                }
            }
            if self.index == UseOfIndex::Untried && self.fragments > FIRST_FRAGMENTS {
                self.index = self.jump(tracks, window)?;
            }
        }
        Ok(false)
    }

    fn sample(
        &mut self,
        track: usize,
        sample: &Sample,
        tracks: &mut [RawTrack],
        window: &mut Window,
    ) -> io::Result<()> {
        if self.cursor.position() != self.fragment {
            self.fragment = self.cursor.position();
            self.fragments += 1;
            self.in_fragment.fill(None);
        }
        if let UseOfIndex::Unproven(of, pts) = self.index {
            let timescale = tracks.get(of).map_or(1, |t| t.info.time.timescale);
            if of == track {
                let is_right = sample.pts.abs_diff(pts) <= u64::from(timescale) / TOLERANCE as u64;
                if !is_right {
                    return self.distrust(tracks);
                }
                self.index = UseOfIndex::Decided;
            }
        }
        let known = tracks.get_mut(track).zip(self.in_fragment.get_mut(track));
        let Some((raw, first)) = known else { return Ok(()) };
        if sample.at.saturating_add(sample.len) > window.len() {
            // The file is cut off, or still being written.
            return Ok(());
        }
        let is_first = first.is_none();
        let dts = *first.get_or_insert(sample.dts);
        let end = sample.pts.saturating_add_unsigned(sample.duration);
        raw.note(sample.pts, end);
        let info = &mut raw.info;
        let offset = sample.pts.saturating_sub(sample.dts);
        info.samples.least_offset = info.samples.least_offset.min(offset);
        let is_place = if info.is_video() { sample.key } else { is_first };
        if is_place {
            info.index.push(Entry { pts: sample.pts, at: self.fragment, dts });
        }
        if sample.key && !info.is_known {
            tables::look_at(raw, sample.at, sample.len, window)?;
        }
        Ok(())
    }

    /// Uses the index of the file, if it has one.
    fn jump(&mut self, tracks: &mut [RawTrack], window: &mut Window) -> io::Result<UseOfIndex> {
        let sought = tracks.iter().position(|track| track.info.is_video()).unwrap_or(0);
        let Some(track) = tracks.get(sought) else { return Ok(UseOfIndex::Decided) };
        if !self.cursor.is_timed() || track.what_is_missing().is_some() {
            return Ok(UseOfIndex::Decided);
        }
        let (id, timescale) = (track.info.id, track.info.time.timescale);
        let mut entries = random_access::of_mfra(id, window)?;
        if let (None, Some(sidx)) = (&entries, &self.sidx) {
            entries = random_access::of_sidx(sidx, id, timescale, window)?;
        }
        let entries = entries.unwrap_or_default();
        let Some(last) = entries.last().copied() else { return Ok(UseOfIndex::Decided) };
        if last.at <= self.fragment || last.at >= window.len() {
            return Ok(UseOfIndex::Decided);
        }
        let time = track.info.time;
        for (n, track) in tracks.iter_mut().enumerate() {
            let info = &mut track.info;
            let own = match n == sought {
                true => Some(entries.clone()),
                false => random_access::of_mfra(info.id, window)?,
            };
            // A track that has none is looked for where this one is, from the place before.
            let own = own.unwrap_or_else(|| {
                let before = entries.iter().map(|entry| entry.at);
                let places = entries.iter().skip(1).zip(before);
                let moved = |(entry, at): (&Entry, u64)| Entry {
                    pts: info.time.tick(time.npt(entry.pts)),
                    at,
                    dts: 0,
                };
                places.map(moved).collect()
            });
            for entry in own.into_iter().filter(|entry| entry.at > self.fragment) {
                info.index.push(entry);
            }
        }
        self.cursor.seek(last.at, sought, last.pts);
        Ok(UseOfIndex::Unproven(sought, last.pts))
    }

    /// Begins again, without the index.
    fn distrust(&mut self, tracks: &mut [RawTrack]) -> io::Result<()> {
        log::debug!("mp4: the index of the fragments is wrong, so they are gone through");
        let (at, dts) = &self.begin;
        for (n, track) in tracks.iter_mut().enumerate() {
            track.info.index = FragmentIndex::default();
            self.cursor.seek(*at, n, dts.get(n).copied().unwrap_or(0));
        }
        self.index = UseOfIndex::Decided;
        Ok(())
    }
}
