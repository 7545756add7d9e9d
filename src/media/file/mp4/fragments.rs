//! [`FragmentCursor`]: goes through the samples of movie fragments (ISO/IEC 14496-12 section 8.8),
//! box by box and entry by entry.

use super::boxes::{BoxAt, version_and_flags};
use super::sample::Sample;
use super::sample_table::{duration_of, offset_of};
use crate::media::file::container::window::{Input, Window};
use crate::wire::{ParseError, Reader};
use std::io;

/// Bytes read at once of the boxes that describe fragments.
const CHUNK: usize = 2 << 10;
/// Most bytes of the fields of `tfhd`, `tfdt` and `trun` in front of its entries.
const MAX_FIELDS: usize = 40;
/// The sample is no sync sample (section 8.8.3.1).
const NON_SYNC: u32 = 0x1_0000;

/// Defaults of samples, for fragments that do not state them (`trex`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    pub(super) track_id: u32,
    /// From 1.
    pub(super) description: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

impl Defaults {
    /// Reads a `trex` box.
    pub(super) fn parse(content: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(content);
        version_and_flags(&mut r)?;
        Ok(Self {
            track_id: r.u32("track_ID")?,
            description: r.u32("default_sample_description_index")?,
            duration: r.u32("default_sample_duration")?,
            size: r.u32("default_sample_size")?,
            flags: r.u32("default_sample_flags")?,
        })
    }
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A sample, or several, of this track.
    Sample(usize, Sample),
    /// Something else.
    Other,
    End,
}

/// A place in the fragments of a file.
#[derive(Debug)]
pub(super) struct FragmentCursor {
    window: Window,
    /// Reads the samples of this track only.
    only: Option<usize>,
    /// The next box of the file.
    at: u64,
    moof: Option<Moof>,
    traf: Option<Traf>,
    run: Option<Run>,
    /// A fragment has said when its samples are decoded.
    is_timed: bool,
    /// For each track, when its next sample is decoded.
    dts: Vec<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Moof {
    at: u64,
    next: u64,
    end: u64,
    /// Where the data of the track fragment before ends.
    data: u64,
}

#[derive(Clone, Copy, Debug)]
struct Traf {
    track: Option<usize>,
    next: u64,
    end: u64,
    base: u64,
    /// Where the data of the run before ends.
    data: u64,
    defaults: Defaults,
}

/// A run of samples (`trun`).
#[derive(Clone, Copy, Debug)]
struct Run {
    left: u64,
    flags: u32,
    first_flags: Option<u32>,
    /// Position of the next entry, and bytes of one.
    entry: u64,
    entry_len: usize,
    /// Position of the next sample.
    data: u64,
}

impl FragmentCursor {
    /// At the box at `at`. Samples of fragments that do not say when they are decoded follow on
    /// `dts`.
    pub(super) fn new(
        input: Input,
        only: Option<usize>,
        at: u64,
        dts: Vec<i64>,
    ) -> io::Result<Self> {
        let window = Window::new(input, CHUNK)?;
        Ok(Self { window, only, at, moof: None, traf: None, run: None, is_timed: false, dts })
    }

    /// Goes to the box at `at`, where `track` goes on at `dts`.
    pub(super) fn seek(&mut self, at: u64, track: usize, dts: i64) {
        (self.at, self.moof, self.traf, self.run) = (at, None, None, None);
        self.dts.get_mut(track).into_iter().for_each(|known| *known = dts);
    }

    /// Position of the fragment that it is in, or of the next box.
    pub(super) fn position(&self) -> u64 {
        self.moof.map_or(self.at, |moof| moof.at)
    }

    /// Whether fragments say when their samples are decoded, so that one can start at any.
    pub(super) const fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// All bytes read so far.
    pub(super) const fn bytes_read(&self) -> u64 {
        self.window.bytes_read()
    }

    /// Takes note of how long the file has become. Returns whether it has grown.
    pub(super) fn look_for_more(&mut self) -> io::Result<bool> {
        self.window.look_for_more()
    }

    /// Goes on by a box or a sample, or by up to `together` samples of which nothing is said one
    /// by one.
    pub(super) fn step(&mut self, tracks: &[Defaults], together: u64) -> io::Result<Step> {
        if let (Some(traf), Some(run)) = (self.traf, self.run) {
            return self.sample(traf, run, together);
        }
        if let Some(traf) = self.traf {
            return self.in_traf(traf, tracks);
        }
        if let Some(moof) = self.moof {
            return self.in_moof(moof);
        }
        let len = self.window.len();
        let Some(found) = BoxAt::read(&mut self.window, self.at, len)? else {
            return Ok(Step::End);
        };
        if found.kind == *b"free" && self.is_being_written(found.end)? {
            return Ok(Step::End);
        }
        if found.kind == *b"moof" {
            if found.end > len {
                // It may be on its way into the file.
                return Ok(Step::End);
            }
            let BoxAt { at, data, end, .. } = found;
            self.moof = Some(Moof { at, next: data, end, data: at });
        }
        self.at = found.end;
        Ok(Step::Other)
    }

    /// Whether a fragment may be on its way into the file, whose head is hidden until it is whole:
    /// behind it, at `end`, there is the last data of the file, or nothing.
    fn is_being_written(&mut self, end: u64) -> io::Result<bool> {
        let len = self.window.len();
        let data = BoxAt::read(&mut self.window, end, len)?;
        Ok(data.is_none_or(|data| data.kind == *b"mdat" && data.end >= len))
    }

    fn in_moof(&mut self, moof: Moof) -> io::Result<Step> {
        let found = BoxAt::read(&mut self.window, moof.next, moof.end)?;
        let Some(found) = found else {
            self.moof = None;
            return Ok(Step::Other);
        };
        let end = found.end.min(moof.end);
        self.moof = Some(Moof { next: end, ..moof });
        if found.kind == *b"traf" {
            self.traf = Some(Traf {
                track: None,
                next: found.data,
                end,
                base: moof.data,
                data: moof.data,
                defaults: Defaults::default(),
            });
        }
        Ok(Step::Other)
    }

    fn in_traf(&mut self, traf: Traf, tracks: &[Defaults]) -> io::Result<Step> {
        let Some(found) = BoxAt::read(&mut self.window, traf.next, traf.end)? else {
            self.traf = None;
            self.moof.iter_mut().for_each(|moof| moof.data = traf.data);
            return Ok(Step::Other);
        };
        let end = found.end.min(traf.end);
        let len = usize::try_from(end - found.data).unwrap_or(usize::MAX).min(MAX_FIELDS);
        let mut traf = Traf { next: end, ..traf };
        let moof_at = self.position();
        let fields = Reader::new(self.window.peek(found.data, len)?);
        let (mut run, mut is_other) = (None, false);
        let read = match &found.kind {
            b"tfhd" => {
                let read = header(&mut traf, fields, tracks, moof_at);
                let wanted = traf.track.is_some_and(|t| self.only.is_none_or(|only| only == t));
                if !wanted {
                    traf.track = None;
                }
                // Where the data of the next one is may depend on where that of this one ends.
                is_other = read.as_ref().is_ok_and(|says_where| *says_where && !wanted);
                read.map(drop)
            }
            b"tfdt" => decode_time(fields).map(|time| {
                self.is_timed = true;
                let known = traf.track.and_then(|track| self.dts.get_mut(track));
                known.into_iter().for_each(|dts| *dts = time);
            }),
            b"trun" => Run::parse(fields, &traf, (found.data, end)).map(|parsed| run = parsed),
            _ => Ok(()),
        };
        if let Err(e) = read {
            log::debug!("mp4: in the fragment at {moof_at}: {e}");
        }
        self.run = run;
        self.traf = (!is_other).then_some(traf);
        Ok(Step::Other)
    }

    fn sample(&mut self, traf: Traf, run: Run, together: u64) -> io::Result<Step> {
        let entry = self.window.peek(run.entry, run.entry_len)?;
        let mut r = Reader::new(entry);
        let mut field = |flag: u32, default: u32| match run.flags & flag {
            0 => Ok(default),
            _ => r.u32("trun"),
        };
        let usual = run.first_flags.unwrap_or(traf.defaults.flags);
        let fields = [
            field(0x100, traf.defaults.duration),
            field(0x200, traf.defaults.size),
            field(0x400, usual),
            field(0x800, 0),
        ];
        let [Ok(duration), Ok(size), Ok(flags), Ok(offset)] = fields else {
            self.run = None;
            return Ok(Step::Other);
        };
        // Of another track only the end of its data matters.
        let together = if traf.track.is_some() { together } else { u64::MAX };
        let alone = run.entry_len > 0 || run.first_flags.is_some();
        let n = if alone { 1 } else { run.left.min(together).max(1) };
        let len = n.saturating_mul(size.into());
        let next = Run {
            left: run.left.saturating_sub(n),
            first_flags: None,
            entry: run.entry.saturating_add(run.entry_len as u64),
            data: run.data.saturating_add(len),
            ..run
        };
        self.traf = Some(Traf { data: next.data, ..traf });
        self.run = (next.left > 0).then_some(next);
        let known = traf.track.and_then(|t| Some((t, self.dts.get_mut(t)?)));
        let Some((track, dts)) = known else { return Ok(Step::Other) };
        let duration = n.saturating_mul(duration_of(duration).into());
        let sample = Sample {
            at: run.data,
            len,
            dts: *dts,
            pts: dts.saturating_add(offset_of(offset)),
            duration,
            key: flags & NON_SYNC == 0,
            description: traf.defaults.description.saturating_sub(1),
        };
        *dts = dts.saturating_add(i64::try_from(duration).unwrap_or(i64::MAX));
        Ok(Step::Sample(track, sample))
    }
}

/// Reads a `tfhd` box. Returns whether it says where the data is.
fn header(
    traf: &mut Traf,
    mut r: Reader<'_>,
    tracks: &[Defaults],
    moof_at: u64,
) -> Result<bool, ParseError> {
    let (_, flags) = version_and_flags(&mut r)?;
    let id = r.u32("track_ID")?;
    traf.track = tracks.iter().position(|track| track.track_id == id);
    let usual = traf.track.and_then(|track| tracks.get(track)).copied().unwrap_or_default();
    let (explicit, is_moof) = (flags & 1 != 0, flags & 0x2_0000 != 0);
    if explicit {
        traf.base = r.u64("base_data_offset")?;
    } else if is_moof {
        traf.base = moof_at;
    }
    traf.data = traf.base;
    let mut field = |flag: u32, default: u32| match flags & flag {
        0 => Ok(default),
        _ => r.u32("tfhd"),
    };
    traf.defaults = Defaults {
        track_id: id,
        description: field(0x2, usual.description)?,
        duration: field(0x8, usual.duration)?,
        size: field(0x10, usual.size)?,
        flags: field(0x20, usual.flags)?,
    };
    Ok(explicit || is_moof)
}

/// Reads a `tfdt` box.
fn decode_time(mut r: Reader<'_>) -> Result<i64, ParseError> {
    let (version, _) = version_and_flags(&mut r)?;
    let time = match version {
        0 => r.u32("baseMediaDecodeTime")?.into(),
        _ => r.u64("baseMediaDecodeTime")?,
    };
    Ok(i64::try_from(time).unwrap_or(i64::MAX))
}

impl Run {
    /// Reads the fields of a `trun` box whose content is there; `None` if it has no sample.
    fn parse(
        mut r: Reader<'_>,
        traf: &Traf,
        (data, end): (u64, u64),
    ) -> Result<Option<Self>, ParseError> {
        let (_, flags) = version_and_flags(&mut r)?;
        let count = u64::from(r.u32("sample_count")?);
        let mut start = traf.data;
        if flags & 1 != 0 {
            let offset = r.u32("data_offset")? as i32;
            start = traf.base.saturating_add_signed(offset.into());
        }
        let first_flags = if flags & 4 != 0 { Some(r.u32("first_sample_flags")?) } else { None };
        let entry_len = 4 * (flags & 0xf00).count_ones() as usize;
        let entry = data.saturating_add(r.position() as u64);
        let left = match end.saturating_sub(entry).checked_div(entry_len as u64) {
            Some(there) => count.min(there),
            // Nothing would ever come of such samples.
            None if traf.defaults.size == 0 => 0,
            None => count,
        };
        let run = Self { left, flags, first_flags, entry, entry_len, data: start };
        Ok((left > 0).then_some(run))
    }
}
