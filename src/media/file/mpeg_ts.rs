//! MPEG-2 transport streams (.ts, .m2ts). Length and positions come from the PCRs, found by
//! looking at a bounded number of places; there is no index file.
//!
//! Read ISO/IEC 13818-1 sections 2.4.4.3 (program association), 2.4.4.8 (program map) and 2.4.3.4
//! (adaptation field).

use super::shared::{CUT_SHORT, SharedFile, read_at, read_window};
use super::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::framer::mpeg_ts::{
    M2TS_STRIDE, PACKET_LEN, PCR_MODULUS, Pcr, TsFramer, duration_to_ticks, find_sync, packets,
    ticks_to_duration,
};
use crate::media::{Ending, FrameMemory, FramePoll, FramedSource, SeekError, SourceContext, Wait};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod tables;
use tables::Tables;

/// Bytes that a source reads at once, and what it holds unless more waits for the next PCR.
const READ_LEN: usize = 16_000;
/// Bytes looked at at once, in search of a place.
const WINDOW: usize = 64 * 1024;
/// Windows at the start and at the end in which there must be a PCR.
const MAX_WINDOWS: u64 = 64;
/// Windows in which a position must have a PCR behind it.
const WINDOWS_PER_POSITION: u64 = 8;
/// Places between start and end at which the clock is looked at.
const SAMPLES: u64 = 16;
/// Windows before a position in which a point of random access is looked for.
const WINDOWS_BACK: u64 = 32;
/// How far before a position playing may begin, to begin at a point of random access.
const MAX_BACK: u64 = 15 * 27_000_000;
const READS_PER_POLL: usize = 16;

/// Starts to look at a transport stream file.
pub fn probe_mpeg_ts(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    let (shared, file) = SharedFile::open_first(path)?;
    let len = shared.len();
    Ok(Box::new(TsProbe {
        file,
        shared: Some(shared),
        len,
        step: Step::Head { window: 0, fallback: None },
        stride: 0,
        tables: Tables::default(),
    }))
}

#[derive(Debug)]
struct TsProbe {
    file: Arc<File>,
    shared: Option<SharedFile>,
    len: u64,
    step: Step,
    /// Bytes from packet to packet; 0 until known.
    stride: usize,
    tables: Tables,
}

/// A PCR and the offset of its packet.
#[derive(Clone, Copy, Debug)]
struct At {
    offset: u64,
    pcr: Pcr,
}

#[derive(Debug)]
enum Step {
    /// Looks for packets, tables and the first PCR. `fallback`: of a PID that the tables do not
    /// name.
    Head {
        window: u64,
        fallback: Option<At>,
    },
    /// Looks for the last PCR, from the end backwards.
    Tail {
        window: u64,
        first: At,
    },
    /// Looks at the clock between: checks that it only goes forward, and keeps what it saw.
    Between {
        sample: u64,
        first: At,
        last: At,
        index: Vec<(u64, u64)>,
    },
    Done,
}

impl TsProbe {
    /// One step, reading a window or so. Returns the bytes read.
    fn step(&mut self) -> Result<(usize, Option<Arc<dyn MediaFile>>), ProbeError> {
        match std::mem::replace(&mut self.step, Step::Done) {
            Step::Head { window, fallback } => self.head(window, fallback).map(|n| (n, None)),
            Step::Tail { window, first } => self.tail(window, first),
            Step::Between { sample, first, last, index } => {
                self.between(sample, first, last, index)
            }
            Step::Done => Err(ProbeError::Content("the probe has ended".into())),
        }
    }

    /// A window that begins with whole packets of the one before.
    fn window(&self, offset: u64) -> io::Result<Vec<u8>> {
        read_window(&self.file, WINDOW + M2TS_STRIDE, offset)
    }

    fn head(&mut self, window: u64, fallback: Option<At>) -> Result<usize, ProbeError> {
        let offset = window * WINDOW as u64;
        let bytes = if window < MAX_WINDOWS { self.window(offset)? } else { Vec::new() };
        if bytes.is_empty() {
            return match fallback {
                Some(first) => {
                    self.step = Step::Tail { window: 0, first };
                    Ok(0)
                }
                None if self.stride == 0 => {
                    Err(ProbeError::Content("no transport stream packets found".into()))
                }
                None => Err(ProbeError::Content("no PCR found in the transport stream".into())),
            };
        }
        if self.stride == 0 {
            let ended = offset + bytes.len() as u64 >= self.len;
            if let Ok((_, stride)) = find_sync(&bytes, &[PACKET_LEN, M2TS_STRIDE], ended) {
                self.stride = stride;
            }
        }
        let mut first = fallback;
        for (at, packet) in packets(&bytes, self.stride) {
            self.tables.handle_packet(packet);
            let Some(pcr) = Pcr::parse(packet) else { continue };
            let named = self.tables.pcr_pid();
            if first.is_none_or(|first| Some(pcr.pid) == named && Some(first.pcr.pid) != named) {
                first = Some(At { offset: offset + at as u64, pcr });
            }
        }
        self.step = match first {
            Some(first) if self.tables.pcr_pid() == Some(first.pcr.pid) => {
                Step::Tail { window: 0, first }
            }
            fallback => Step::Head { window: window + 1, fallback },
        };
        Ok(bytes.len())
    }

    fn tail(
        &mut self,
        window: u64,
        first: At,
    ) -> Result<(usize, Option<Arc<dyn MediaFile>>), ProbeError> {
        let back = (window + 1) * WINDOW as u64;
        let offset = self.len.saturating_sub(back).max(first.offset);
        let bytes = self.window(offset)?;
        let last = packets(&bytes, self.stride)
            .filter_map(|(at, packet)| {
                let pcr = Pcr::parse(packet).filter(|pcr| pcr.pid == first.pcr.pid)?;
                Some(At { offset: offset + at as u64, pcr })
            })
            .last();
        let last = match last {
            None if window + 1 < MAX_WINDOWS && offset > first.offset => {
                self.step = Step::Tail { window: window + 1, first };
                return Ok((bytes.len(), None));
            }
            found => found.filter(|last| last.offset > first.offset),
        };
        match last {
            Some(last) => {
                let index = vec![(first.offset, 0)];
                self.step = Step::Between { sample: 1, first, last, index };
                Ok((bytes.len(), None))
            }
            None => Ok((bytes.len(), Some(self.finish(first, None)?))),
        }
    }

    fn between(
        &mut self,
        sample: u64,
        first: At,
        last: At,
        mut index: Vec<(u64, u64)>,
    ) -> Result<(usize, Option<Arc<dyn MediaFile>>), ProbeError> {
        let pid = first.pcr.pid;
        let mut read = 0;
        let here = if sample < SAMPLES {
            let span = last.offset - first.offset;
            let from =
                first.offset + (u128::from(span) * u128::from(sample) / u128::from(SAMPLES)) as u64;
            first_pcr(&self.file, self.stride, pid, from..last.offset, &mut read)?
        } else {
            Some(last)
        };
        if let Some(here) = here {
            let &(offset, ticks) = index.last().unwrap_or(&(first.offset, 0));
            let step = here.pcr.since((first.pcr.value + ticks) % PCR_MODULUS);
            let bytes = here.offset.saturating_sub(offset);
            if bytes > 0 {
                index.push((here.offset, ticks + step));
            }
        }
        if sample < SAMPLES {
            self.step = Step::Between { sample: sample + 1, first, last, index };
            return Ok((read, None));
        }
        if !is_steady(&index) {
            log::debug!("the clock of a transport stream jumps: its length is not known");
            return Ok((read, Some(self.finish(first, None)?)));
        }
        Ok((read, Some(self.finish(first, Some(index))?)))
    }

    fn finish(
        &mut self,
        first: At,
        index: Option<Vec<(u64, u64)>>,
    ) -> Result<Arc<dyn MediaFile>, ProbeError> {
        let Some(file) = self.shared.take() else {
            return Err(ProbeError::Content("the probe has ended".into()));
        };
        let span = index.as_ref().and_then(|index| index.last()).map(|&(offset, ticks)| {
            // What follows the last PCR takes as long as it does on average.
            let (bytes, rest) = (offset - first.offset, self.len.saturating_sub(offset));
            let rest = u128::from(ticks) * u128::from(rest) / u128::from(bytes.max(1));
            ticks.saturating_add(u64::try_from(rest).unwrap_or(0))
        });
        let duration = span.filter(|&ticks| ticks > 0).map(ticks_to_duration);
        let bitrate = duration.and_then(|duration| {
            let packets = u128::from(self.len - first.offset) / self.stride.max(1) as u128;
            let bits = packets * PACKET_LEN as u128 * 8;
            u32::try_from(bits * 1_000_000_000 / duration.as_nanos().max(1)).ok()
        });
        let track = Track {
            parameters: CodecParameters::Mp2t,
            duration,
            seekable: duration.is_some(),
            bitrate,
        };
        Ok(Arc::new(TsFile {
            file,
            tracks: [track],
            stride: self.stride,
            first,
            index: index.unwrap_or_default(),
            tables: self.tables.packets(),
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

/// Whether the clock goes forward at about one pace between the entries of an index: a recording
/// joined from several jumps somewhere, and its length is not the difference of its ends.
fn is_steady(index: &[(u64, u64)]) -> bool {
    /// A clock that goes back looks like one that goes forward by most of a day.
    const LONGEST: u64 = PCR_MODULUS / 4;
    const SHORT: u64 = 60 * 27_000_000;
    const SLOWER: u128 = 30;
    let mut steps: Vec<(u64, u64)> = index
        .iter()
        .zip(index.get(1..).unwrap_or_default())
        .map(|(from, to)| (to.0.saturating_sub(from.0).max(1), to.1.saturating_sub(from.1)))
        .collect();
    steps.sort_by_key(|&(bytes, ticks)| ticks / bytes);
    let Some(&(bytes, ticks)) = steps.get(steps.len() / 2) else { return true };
    // Every step's ticks a byte are at most so many times the median's.
    let limit = |of: u64| u128::from(ticks.max(1)) * SLOWER * u128::from(of) / u128::from(bytes);
    steps.iter().all(|&(of, took)| took < SHORT || took < LONGEST && u128::from(took) <= limit(of))
}

/// The first PCR of `pid` in a range of the file, if it comes soon.
fn first_pcr(
    file: &File,
    stride: usize,
    pid: u16,
    range: std::ops::Range<u64>,
    read: &mut usize,
) -> io::Result<Option<At>> {
    for window in 0..WINDOWS_PER_POSITION {
        let offset = range.start.saturating_add(window * WINDOW as u64);
        if offset >= range.end {
            break;
        }
        let bytes = read_window(file, WINDOW + M2TS_STRIDE, offset)?;
        *read += bytes.len();
        let found = packets(&bytes, stride)
            .filter_map(|(at, packet)| Some((at, Pcr::parse(packet)?)))
            .find(|(_, pcr)| pcr.pid == pid);
        if let Some((at, pcr)) = found {
            let offset = offset + at as u64;
            return Ok((offset < range.end).then_some(At { offset, pcr }));
        }
        if bytes.len() < WINDOW {
            break;
        }
    }
    Ok(None)
}

#[derive(Debug)]
struct TsFile {
    file: SharedFile,
    tracks: [Track; 1],
    stride: usize,
    first: At,
    /// Offsets of PCRs and the ticks from the first to them; empty if the clock jumps.
    index: Vec<(u64, u64)>,
    /// Packets of program association and program map.
    tables: Bytes,
}

impl TsFile {
    fn ticks(&self, pcr: Pcr) -> u64 {
        pcr.since(self.first.pcr.value)
    }

    /// Where to begin so as to play from `target` on: offset and time of a packet with a PCR, one
    /// that says that decoding can start there if there is one not far before. Bounded: a
    /// bisection between two entries of the index, and some windows before what it finds.
    fn find(&self, file: &File, target: u64) -> io::Result<(u64, u64)> {
        let i = self.index.partition_point(|&(_, ticks)| ticks <= target);
        let mut low = i.checked_sub(1).and_then(|i| self.index.get(i)).copied().unwrap_or_default();
        let mut high = self.index.get(i).map_or(self.file.len(), |&(offset, _)| offset);
        let mut read = 0;
        while high.saturating_sub(low.0) > WINDOW as u64 {
            let middle = low.0 + (high - low.0) / 2;
            let pid = self.first.pcr.pid;
            match first_pcr(file, self.stride, pid, middle..high, &mut read)? {
                Some(at) if self.ticks(at.pcr) <= target => low = (at.offset, self.ticks(at.pcr)),
                _ => high = middle,
            }
        }
        let earliest = target.saturating_sub(MAX_BACK);
        let mut best = low;
        for window in 0..WINDOWS_BACK {
            let step = window * WINDOW as u64;
            let Some(offset) = low.0.checked_sub(step).filter(|&at| at >= self.first.offset) else {
                break;
            };
            let bytes = read_window(file, WINDOW + M2TS_STRIDE, offset)?;
            let mut random_access = None;
            let mut too_early = false;
            for (at, packet) in packets(&bytes, self.stride) {
                let Some(pcr) = Pcr::parse(packet).filter(|p| p.pid == self.first.pcr.pid) else {
                    continue;
                };
                let here = (offset + at as u64, self.ticks(pcr));
                // The last before the position, in the first window that is looked at.
                if window == 0 && here.1 <= target && here.1 >= best.1 {
                    best = here;
                }
                too_early |= here.1 < earliest;
                if pcr.random_access && (earliest..=target).contains(&here.1) {
                    random_access = Some(here);
                }
            }
            if let Some(here) = random_access {
                return Ok(here);
            }
            if too_early {
                break;
            }
        }
        Ok(best)
    }
}

impl MediaFile for TsFile {
    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn open_track(
        self: Arc<Self>,
        _track: usize,
        _consumer: u64,
        _cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        let file = self.file.open()?;
        let mut framer = TsFramer::new();
        framer.set_pcr_pid(self.first.pcr.pid);
        Ok(Box::new(TsSource {
            of: self,
            file,
            framer,
            offset: 0,
            prelude: None,
            drained: false,
            ended: None,
        }))
    }
}

/// Reads the packets of a file.
struct TsSource {
    of: Arc<TsFile>,
    file: Arc<File>,
    framer: TsFramer,
    offset: u64,
    /// The tables, to be sent again after a seek.
    prelude: Option<Frame>,
    drained: bool,
    ended: Option<Ending>,
}

impl TsSource {
    /// Makes room for `more` bytes, in memory that is no larger for long than what waits: it comes
    /// and goes with the PCRs of streams of high rates.
    fn make_room(&mut self, more: usize, memory: &mut FrameMemory) {
        let (room, waits) = (self.framer.room(), self.framer.buffered());
        let size = if room < waits + more {
            (waits + more).max(waits + waits / 2).max(READ_LEN)
        } else if waits + more <= READ_LEN && room > 2 * READ_LEN {
            READ_LEN
        } else {
            return;
        };
        let before = self.framer.move_to(memory.take_room(size));
        memory.give_back(before.freeze());
    }

    fn read(&mut self, memory: &mut FrameMemory) -> io::Result<()> {
        let left = self.of.file.len().saturating_sub(self.offset);
        // With what waits no more than that, if that is not too little.
        let most = READ_LEN.saturating_sub(self.framer.buffered()).max(READ_LEN / 2);
        let want = usize::try_from(left).unwrap_or(most).min(most);
        if want == 0 {
            self.framer.handle_end();
            self.drained = true;
            return Ok(());
        }
        self.make_room(want, memory);
        let (file, offset) = (&self.file, self.offset);
        let got = self.framer.handle_read(want, |bytes| read_at(file, bytes, offset))?;
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, CUT_SHORT));
        }
        self.offset += got as u64;
        Ok(())
    }
}

impl FramedSource for TsSource {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        if let Some(prelude) = self.prelude.take() {
            return FramePoll::Ready(prelude);
        }
        if let Some(ending) = &self.ended {
            return FramePoll::Ended(ending.clone());
        }
        for _ in 0..READS_PER_POLL {
            if let Some(frame) = self.framer.poll_frame() {
                return FramePoll::Ready(frame);
            }
            let ending = match self.drained {
                true => Some(Ending::EndOfStream),
                false => self.read(cx.frame_memory()).err().map(|e| Ending::Failed(e.to_string())),
            };
            if let Some(ending) = ending {
                self.ended = Some(ending.clone());
                return FramePoll::Ended(ending);
            }
        }
        FramePoll::Pending(Wait::Work)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let (offset, ticks) = match self.duration() {
            // Back to the start is always possible.
            _ if npt.is_zero() => (0, 0),
            None => return Err(SeekError::NotSeekable),
            Some(duration) if npt >= duration => return Err(SeekError::OutOfRange),
            Some(_) => self
                .of
                .find(&self.file, duration_to_ticks(npt))
                .map_err(|e| SeekError::Failed(e.to_string()))?,
        };
        let time = ticks_to_duration(ticks);
        self.framer.resume_at(time);
        self.framer.set_pcr_pid(self.of.first.pcr.pid);
        self.offset = offset;
        self.drained = false;
        self.ended = None;
        let mut prelude = Frame::new(self.of.tables.clone(), time, Duration::ZERO);
        prelude.flags.discontinuity = true;
        // At the start the tables are where the file has them, or missing as they are there.
        self.prelude = (offset > 0 && !prelude.data.is_empty()).then_some(prelude);
        if self.prelude.is_none() {
            self.framer.mark_gap();
        }
        Ok(time)
    }

    fn duration(&self) -> Option<Duration> {
        self.of.tracks.first().and_then(|track| track.duration)
    }
}

#[cfg(test)]
mod tests;
