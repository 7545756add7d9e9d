//! The probe: where the clock of a transport stream file is, from its start to its end.

use super::TsFile;
use super::extent::Extent;
use super::layout::{Layout, OVERLAP, WINDOW};
use super::tables::Tables;
use super::timeline::{Anchor, Timeline};
use crate::codec::CodecParameters;
use crate::framer::mpeg_ts::{
    Clock, MAX_PCR_STEP, PACKET_LEN, PCR_MODULUS, Pcr, STRIDES, TICKS, find_sync, ticks_to_duration,
};
#[cfg(feature = "more-files")]
use crate::media::file::program::TracksProbe;
use crate::media::file::shared::{SharedFile, read_window};
use crate::media::file::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Windows at the start and at the end in which there must be a PCR.
pub(super) const MAX_WINDOWS: u64 = 64;
/// Places between start and end at which the clock is looked at.
const SAMPLES: u64 = 16;
/// Windows without a PCR after which its PID is believed to have gone.
const SILENCE: u64 = 8;
/// Other clocks, or jumps of a clock, that are followed.
const MAX_SEAMS: u32 = 32;
/// PIDs with PCRs of which one may go on where another ends.
const MAX_PIDS: usize = 32;
/// A clock that goes back looks like one that goes forward by most of a day.
const BACKWARDS: u64 = PCR_MODULUS / 4;

#[derive(Debug)]
pub(in crate::media::file) struct TsProbe {
    file: Arc<File>,
    shared: Option<SharedFile>,
    len: u64,
    step: Step,
    layout: Layout,
    tables: Tables,
    timeline: Timeline,
    seams: u32,
    extent: Extent,
    /// The elementary streams are looked at.
    #[cfg(feature = "more-files")]
    wants_tracks: bool,
    #[cfg(feature = "more-files")]
    tracks: Option<TracksProbe>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Looks for packets, tables and the first PCR. `fallback`: of a PID that the tables do not
    /// name.
    Head {
        window: u64,
        fallback: Option<Anchor>,
    },
    /// Looks at the clock between start and end.
    Between {
        sample: u64,
    },
    /// Looks for the last PCR, from the end backwards.
    Tail {
        window: u64,
    },
    /// Looks for the place between the last anchor and `high` where the clock jumps or another
    /// takes over. `low`: up to here it does not. `seen`: the PCR that gave rise to the search.
    Seam {
        low: Anchor,
        high: u64,
        seen: Option<Anchor>,
        then: Then,
    },
    /// Looks at when the elementary streams begin and end.
    Extent {
        window: u64,
    },
    #[cfg(feature = "more-files")]
    /// Looks at what they are.
    Tracks,
    Done,
}

/// What a search for a seam interrupted.
#[derive(Clone, Copy, Debug)]
enum Then {
    Between { sample: u64 },
    Tail,
}

type Found = Option<Arc<dyn MediaFile>>;

impl TsProbe {
    pub(in crate::media::file) fn new(path: &Path) -> Result<Self, ProbeError> {
        let (shared, file) = SharedFile::open_first(path)?;
        Ok(Self {
            file,
            len: shared.len(),
            shared: Some(shared),
            step: Step::Head { window: 0, fallback: None },
            layout: Layout::Transport { stride: 0 },
            tables: Tables::default(),
            timeline: Timeline::default(),
            seams: 0,
            extent: Extent::default(),
            #[cfg(feature = "more-files")]
            wants_tracks: false,
            #[cfg(feature = "more-files")]
            tracks: None,
        })
    }

    /// Finds the elementary streams, too.
    #[cfg(feature = "more-files")]
    pub(in crate::media::file) fn with_tracks(self) -> Self {
        Self { wants_tracks: true, ..self }
    }

    /// Looks at a program stream, which is not sent as a whole.
    #[cfg(feature = "more-files")]
    pub(in crate::media::file) fn of_program_stream(path: &Path) -> Result<Self, ProbeError> {
        Ok(Self { layout: Layout::Program, ..Self::new(path)?.with_tracks() })
    }

    /// One step, reading some windows at the most. Returns the bytes read.
    fn step(&mut self) -> Result<(usize, Found), ProbeError> {
        match std::mem::replace(&mut self.step, Step::Done) {
            Step::Head { window, fallback } => self.head(window, fallback).map(|n| (n, None)),
            Step::Between { sample } => self.between(sample).map(|n| (n, None)),
            Step::Tail { window } => self.tail(window).map(|n| (n, None)),
            Step::Seam { low, high, seen, then } => {
                self.seam(low, high, seen, then).map(|n| (n, None))
            }
            Step::Extent { window } => self.extent(window),
            #[cfg(feature = "more-files")]
            Step::Tracks => self.tracks(),
            Step::Done => Err(ProbeError::Content("the probe has ended".into())),
        }
    }

    /// A window that ends with whole packets of the one behind.
    fn window(&self, offset: u64) -> io::Result<Vec<u8>> {
        read_window(&self.file, WINDOW + OVERLAP, offset)
    }

    fn head(&mut self, window: u64, fallback: Option<Anchor>) -> Result<usize, ProbeError> {
        let offset = window * WINDOW as u64;
        let bytes = if window < MAX_WINDOWS { self.window(offset)? } else { Vec::new() };
        if bytes.is_empty() {
            return match fallback {
                Some(first) => {
                    self.timeline.push(first);
                    self.step = Step::Between { sample: 1 };
                    Ok(0)
                }
                None if self.layout == (Layout::Transport { stride: 0 }) => {
                    Err(ProbeError::Content("no transport stream packets found".into()))
                }
                None if self.layout.is_transport() => {
                    Err(ProbeError::Content("no PCR found in the transport stream".into()))
                }
                None => Err(ProbeError::Content("no pack of a program stream found".into())),
            };
        }
        if self.layout == (Layout::Transport { stride: 0 }) {
            let ended = offset + bytes.len() as u64 >= self.len;
            if let Ok((_, stride)) = find_sync(&bytes, &STRIDES, ended) {
                self.layout = Layout::Transport { stride };
            }
        }
        let mut first = fallback;
        let mut named = false;
        self.layout.packets(&bytes).for_each(|(_, packet)| self.tables.handle_packet(packet));
        for (at, pcr) in self.layout.clocks(&bytes) {
            let is_named = |pid| {
                !self.layout.is_transport() || self.tables.pcr_pids().any(|named| named == pid)
            };
            if first.is_none_or(|first| is_named(pcr.pid) && !is_named(first.pcr.pid)) {
                first = Some(Anchor { offset: offset + at as u64, pcr, ticks: 0 });
            }
            named = first.is_some_and(|first| is_named(first.pcr.pid));
        }
        self.step = match first {
            Some(first) if named => {
                self.timeline.push(first);
                Step::Between { sample: 1 }
            }
            fallback => Step::Head { window: window + 1, fallback },
        };
        Ok(bytes.len())
    }

    /// Whether a PCR is further from an anchor than the bytes between let expect: it is worth to
    /// look for a jump.
    fn is_suspicious(&self, from: &Anchor, here: &Anchor) -> bool {
        let step = here.ticks - from.ticks;
        let (bytes, ticks) = self.timeline.span();
        let expected =
            u128::from(ticks) * u128::from(here.offset - from.offset) / u128::from(bytes.max(1));
        step > MAX_PCR_STEP && (u128::from(step) > 4 * expected || step > BACKWARDS)
    }

    /// The first PCR in a range that is of the same PID as `from`.
    fn pcr_in(
        &self,
        from: &Anchor,
        range: std::ops::Range<u64>,
        read: &mut usize,
    ) -> io::Result<Option<Anchor>> {
        let found = self.layout.first_clock(&self.file, from.pcr.pid, range, read)?;
        Ok(found.map(|(offset, pcr)| Anchor { offset, pcr, ticks: from.ticks_of(pcr) }))
    }

    fn between(&mut self, sample: u64) -> Result<usize, ProbeError> {
        let (Some(first), Some(last)) = (self.timeline.first(), self.timeline.last()) else {
            return Ok(0);
        };
        if sample >= SAMPLES {
            self.step = Step::Tail { window: 0 };
            return Ok(0);
        }
        let span = u128::from(self.len.saturating_sub(first.offset));
        let from = first.offset + (span * u128::from(sample) / u128::from(SAMPLES)) as u64;
        let mut read = 0;
        let then = Then::Between { sample: sample + 1 };
        self.step = Step::Between { sample: sample + 1 };
        if from <= last.offset {
            return Ok(0);
        }
        let seen = self.pcr_in(&last, from..self.len, &mut read)?;
        match seen {
            Some(here) if !self.is_suspicious(&last, &here) => self.timeline.push(here),
            _ => {
                // Where none is, the silence may begin before.
                let high = seen.map_or(from, |here| here.offset);
                self.step = Step::Seam { low: last, high, seen, then };
            }
        }
        Ok(read)
    }

    fn tail(&mut self, window: u64) -> Result<usize, ProbeError> {
        let Some(last) = self.timeline.last() else { return Ok(0) };
        let back = (window + 1) * WINDOW as u64;
        let offset = self.len.saturating_sub(back).max(last.offset);
        let bytes = self.window(offset)?;
        let found = self
            .layout
            .clocks(&bytes)
            .filter(|(_, pcr)| pcr.pid == last.pcr.pid)
            .map(|(at, pcr)| {
                let (offset, ticks) = (offset + at as u64, last.ticks_of(pcr));
                Anchor { offset, pcr, ticks }
            })
            .filter(|found| found.offset > last.offset)
            .last();
        let silent = |from: u64| self.len.saturating_sub(from) > SILENCE * WINDOW as u64;
        self.step = match found {
            Some(found) if self.is_suspicious(&last, &found) => {
                Step::Seam { low: last, high: found.offset, seen: Some(found), then: Then::Tail }
            }
            Some(found) => {
                self.timeline.push(found);
                match silent(found.offset) {
                    true => Step::Seam { low: found, high: self.len, seen: None, then: Then::Tail },
                    false => Step::Extent { window: 0 },
                }
            }
            None if window + 1 < MAX_WINDOWS && offset > last.offset => {
                Step::Tail { window: window + 1 }
            }
            None if silent(last.offset) => {
                Step::Seam { low: last, high: self.len, seen: None, then: Then::Tail }
            }
            None => Step::Extent { window: 0 },
        };
        Ok(bytes.len())
    }

    /// Halves the way, and looks closely when it is short.
    fn seam(
        &mut self,
        low: Anchor,
        high: u64,
        seen: Option<Anchor>,
        then: Then,
    ) -> Result<usize, ProbeError> {
        let mut read = 0;
        if self.seams >= MAX_SEAMS {
            // What follows is taken to be like what was seen.
            self.step = Step::Extent { window: 0 };
            return Ok(0);
        }
        if high.saturating_sub(low.offset) > WINDOW as u64 {
            let middle = low.offset + (high - low.offset) / 2;
            let here = self.pcr_in(&low, middle..high, &mut read)?;
            let here = here.filter(|here| !self.is_suspicious(&low, here));
            let (low, high) = match here {
                Some(here) => (here, high),
                None => (low, middle),
            };
            self.step = Step::Seam { low, high, seen, then };
            return Ok(read);
        }
        let found = self.look_closely(low, high, &mut read)?;
        let goes_on = |seen: &Anchor| seen.ticks - low.ticks < BACKWARDS;
        self.step = match (found, then) {
            (Some(seam), then) => {
                self.seams += 1;
                self.timeline.push(low);
                self.timeline.push(seam);
                match then {
                    // Here again: the clock is another now.
                    Then::Between { sample } => Step::Between { sample: sample - 1 },
                    Then::Tail => Step::Tail { window: 0 },
                }
            }
            // Slow, but no jump, or no clock at all.
            (None, then) => {
                seen.filter(goes_on).into_iter().for_each(|seen| self.timeline.push(seen));
                match then {
                    Then::Between { sample } => Step::Between { sample },
                    Then::Tail => Step::Extent { window: 0 },
                }
            }
        };
        Ok(read)
    }

    /// Follows the clock packet by packet from `low` to some way behind `high`. Gives the first PCR
    /// behind a jump, or of the PID that goes on where that of `low` ends.
    fn look_closely(&self, low: Anchor, high: u64, read: &mut usize) -> io::Result<Option<Anchor>> {
        let mut clock = Clock::at(low.pcr.pid, low.pcr.value, low.ticks);
        let mut tables = Tables::default();
        // The first PCR of each other PID since the last of this one.
        let mut others: Vec<(u64, Pcr)> = Vec::new();
        let mut heard = low.offset;
        let number = |offset: u64| (offset - low.offset) / self.layout.unit();
        let end = high.saturating_add(SILENCE * WINDOW as u64).min(self.len);
        let mut offset = low.offset;
        while offset < end {
            let bytes = self.window(offset)?;
            *read += bytes.len();
            let whole = self.layout.packets(&bytes).take_while(|&(at, _)| at < WINDOW);
            whole.for_each(|(_, packet)| tables.handle_packet(packet));
            for (at, pcr) in self.layout.clocks(&bytes).take_while(|&(at, _)| at < WINDOW) {
                let at = offset + at as u64;
                if at <= low.offset {
                    continue;
                }
                if pcr.pid == low.pcr.pid {
                    heard = at;
                    others.clear();
                    if clock.handle_pcr(pcr, number(at)) && clock.jumped {
                        return Ok(Some(Anchor { offset: at, pcr, ticks: clock.time() }));
                    }
                } else if others.len() < MAX_PIDS
                    && others.iter().all(|(_, other)| other.pid != pcr.pid)
                {
                    others.push((at, pcr));
                }
            }
            if bytes.len() < WINDOW {
                break;
            }
            offset += WINDOW as u64;
        }
        if end.saturating_sub(heard) < SILENCE / 2 * WINDOW as u64 {
            return Ok(None);
        }
        let named = tables
            .pcr_pids()
            .find_map(|pid| others.iter().find(|(_, pcr)| pcr.pid == pid))
            .or_else(|| others.first());
        Ok(named.map(|&(offset, pcr)| {
            clock.change_pid(number(offset), pcr.pid);
            clock.handle_pcr(pcr, number(offset));
            Anchor { offset, pcr, ticks: clock.time() }
        }))
    }

    /// A window at the start, and then those at the end.
    fn extent(&mut self, window: u64) -> Result<(usize, Found), ProbeError> {
        let Some(first) = self.timeline.first() else { return self.tracks() };
        let window_at = |n: u64| n * WINDOW as u64;
        let tail = self.len.saturating_sub(window_at(Extent::WINDOWS)).max(first.offset);
        // Over a seam the time stamps tell nothing.
        let offset = match window.checked_sub(Extent::WINDOWS) {
            None => first.offset + window_at(window),
            Some(n) => tail + window_at(n),
        };
        if self.seams > 0 || window >= 2 * Extent::WINDOWS || !self.layout.is_transport() {
            return self.tracks();
        }
        self.step = Step::Extent { window: window + 1 };
        if offset >= self.len {
            return Ok((0, None));
        }
        let bytes = self.window(offset)?;
        for (at, packet) in self.layout.packets(&bytes).take_while(|&(at, _)| at < WINDOW) {
            match window < Extent::WINDOWS {
                true => self.extent.handle_first(packet),
                false => self.extent.handle_last(offset + at as u64, packet),
            }
        }
        Ok((bytes.len(), None))
    }

    #[cfg(feature = "more-files")]
    fn tracks(&mut self) -> Result<(usize, Found), ProbeError> {
        if !self.wants_tracks {
            return self.finish().map(|file| (0, Some(file)));
        }
        let tracks = self.tracks.get_or_insert_with(|| {
            let first = self.timeline.first().map_or(0, |first| first.offset);
            TracksProbe::new(self.layout, self.tables.streams(), first)
        });
        let read = tracks.step(&self.file, self.len, &self.timeline)?;
        match read {
            Some(read) => {
                self.step = Step::Tracks;
                Ok((read, None))
            }
            None => self.finish().map(|file| (0, Some(file))),
        }
    }

    #[cfg(not(feature = "more-files"))]
    fn tracks(&mut self) -> Result<(usize, Found), ProbeError> {
        self.finish().map(|file| (0, Some(file)))
    }

    fn finish(&mut self) -> Result<Arc<dyn MediaFile>, ProbeError> {
        let (Some(file), Some(first)) = (self.shared.take(), self.timeline.first()) else {
            return Err(ProbeError::Content("the probe has ended".into()));
        };
        let file = Arc::new(file);
        let (bytes, ticks) = self.timeline.span();
        // What follows the last PCR takes as long as it does on average.
        let rest = self.len.saturating_sub(first.offset + bytes);
        let rest = u128::from(ticks) * u128::from(rest) / u128::from(bytes.max(1));
        let whole = ticks.saturating_add(u64::try_from(rest).unwrap_or(0));
        // Where it repeats, no stream may begin again before it has ended.
        let whole = self.extent.ticks(whole).map_or(whole, |extent| extent.max(ticks + 1));
        let whole = whole.div_ceil(TICKS) * TICKS;
        let duration = (ticks > 0).then(|| ticks_to_duration(whole));
        let bitrate = duration.and_then(|duration| {
            let packets = self.len.saturating_sub(first.offset) / self.layout.unit();
            let bits = u128::from(packets) * PACKET_LEN as u128 * 8;
            u32::try_from(bits * 1_000_000_000 / duration.as_nanos().max(1)).ok()
        });
        let timeline = Arc::new(std::mem::take(&mut self.timeline));
        #[cfg(feature = "more-files")]
        if let Some(tracks) = self.tracks.take() {
            match tracks.finish(&file, &timeline, duration) {
                Some(streams) => return Ok(streams),
                None if self.layout.is_transport() => {}
                None => {
                    let what = "no stream that is known in the program stream";
                    return Err(ProbeError::Content(what.into()));
                }
            }
        }
        let track = Track {
            parameters: CodecParameters::Mp2t,
            duration,
            seekable: duration.is_some(),
            bitrate,
        };
        Ok(Arc::new(TsFile {
            file,
            tracks: [track],
            layout: self.layout,
            first,
            timeline,
            tables: self.tables.packets(),
            video: self.tables.video(),
        }))
    }
}

impl Probe for TsProbe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        let mut left = budget.max(1);
        loop {
            match self.step() {
                Ok((_, Some(file))) => return ProbePoll::Ready(file),
                Ok((read, None)) => left = left.saturating_sub(read.max(1)),
                Err(e) => return ProbePoll::Failed(e),
            }
            if left == 0 {
                return ProbePoll::Pending;
            }
        }
    }
}
