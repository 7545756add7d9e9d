//! MPEG-2 transport streams (.ts, .m2ts; packets of 188, 192 or 204 bytes). Duration and positions
//! are derived from the PCRs at a bounded number of places; there is no index file.
//!
//! References: ISO/IEC 13818-1 sections 2.4.4.3 (program association), 2.4.4.8 (program map) and
//! 2.4.3.4 (adaptation field).

use super::shared::{CUT_SHORT, SharedFile, read_at, read_window};
use super::{MediaFile, Probe, ProbeError, Track};
use crate::frame::Frame;
use crate::framer::mpeg_ts::{
    PACKET_LEN, PCR_MODULUS, TICKS, TsFramer, duration_to_ticks, ticks_to_duration,
};
use crate::media::scale::nearest;
use crate::media::{Ending, FrameMemory, FramePoll, FramedSource, SeekError, SourceContext, Wait};
use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod extent;
mod key_pictures;
pub(super) mod layout;
mod probe;
mod tables;
pub(super) mod timeline;

use key_pictures::{KeyPictures, Multiplex};
use layout::{Layout, OVERLAP, WINDOW};
pub(super) use probe::TsProbe;
use tables::{Tables, Video};
use timeline::{Anchor, Timeline};

/// Bytes that a source reads at once, and what it holds unless more waits for the next PCR.
const READ_LEN: usize = 16_000;
/// Windows before a position in which a point of random access is looked for.
const WINDOWS_BACK: u64 = 32;
/// Windows before a position in which the tables that are valid there are looked for: so many at
/// first, then twice as many.
const WINDOWS_OF_TABLES: [u64; 3] = [2, 4, 16];
/// How far before a position playing may begin, to begin at a point of random access.
const MAX_BACK: u64 = 15 * 27_000_000;
const READS_PER_POLL: usize = 16;

/// Starts a probe of a transport stream file.
pub fn probe_mpeg_ts(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(TsProbe::new(path)?))
}

/// Starts a probe of the elementary streams of a transport stream file, which become its tracks. Of
/// several programs the first is taken. A file without a stream of a known codec is one track, as it
/// is for [`probe_mpeg_ts`]. It reads up to 5 MB more than that.
#[cfg(feature = "more-files")]
pub fn probe_mpeg_ts_tracks(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(TsProbe::new(path)?.with_tracks()))
}

#[derive(Debug)]
struct TsFile {
    file: Arc<SharedFile>,
    tracks: [Track; 1],
    layout: Layout,
    first: Anchor,
    timeline: Arc<Timeline>,
    /// Packets of program association and program maps at the start.
    tables: Bytes,
    /// The video, as these say.
    video: Option<Video>,
}

impl TsFile {
    /// Where to begin so as to play from `target` on: offset and time of a packet with a PCR, one
    /// that says that decoding can start there if there is one not far before. Bounded: a
    /// bisection between two places of the timeline, and some windows before what it finds.
    fn find(&self, file: &File, target: u64) -> io::Result<(u64, u64)> {
        let low = self.layout.clock_before(file, &self.timeline, self.file.len(), target)?;
        let earliest = target.saturating_sub(MAX_BACK);
        let mut best = low;
        for window in 0..WINDOWS_BACK {
            let step = window * WINDOW as u64;
            let Some(offset) = low.0.checked_sub(step).filter(|&at| at >= self.first.offset) else {
                break;
            };
            let bytes = read_window(file, WINDOW + OVERLAP, offset)?;
            let mut random_access = None;
            let mut too_early = false;
            for (at, pcr) in self.layout.clocks(&bytes) {
                let offset = offset + at as u64;
                let Some(ticks) = self.timeline.ticks(offset, pcr) else { continue };
                let here = (offset, ticks);
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

    /// The tables that are valid at an offset: they may not be those of the start.
    fn tables_at(&self, file: &File, offset: u64) -> io::Result<Bytes> {
        for windows in WINDOWS_OF_TABLES {
            let mut tables = Tables::default();
            let mut at = offset.saturating_sub(windows * WINDOW as u64);
            while at < offset {
                let bytes = read_window(file, WINDOW + OVERLAP, at)?;
                self.layout
                    .packets(&bytes)
                    .take_while(|&(i, _)| i < WINDOW && at + (i as u64) < offset)
                    .for_each(|(_, packet)| tables.handle_packet(packet));
                at += WINDOW as u64;
            }
            if tables.are_complete() {
                return Ok(tables.packets());
            }
        }
        Ok(self.tables.clone())
    }
}

impl TsFile {
    fn duration(&self) -> Option<Duration> {
        self.tracks.first().and_then(|track| track.duration)
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
        let mut source = TsSource {
            of: self,
            file,
            framer: TsFramer::new(),
            offset: 0,
            next_clock: None,
            prelude: None,
            drained: false,
            ended: None,
            keys: None,
            last: Duration::ZERO,
        };
        source.go_to(0, 0);
        Ok(Box::new(source))
    }
}

/// Reads the packets of a file.
struct TsSource {
    of: Arc<TsFile>,
    file: Arc<File>,
    framer: TsFramer,
    offset: u64,
    /// Where another PID takes over the clock.
    next_clock: Option<Anchor>,
    /// The tables, to be sent again after a seek.
    prelude: Option<Frame>,
    drained: bool,
    ended: Option<Ending>,
    /// Only key pictures are played.
    keys: Option<Box<KeyPictures>>,
    /// Time of the last frame: a broken file may go back in time.
    last: Duration,
}

impl TsSource {
    /// Reads on from `offset`, whose time is `ticks`.
    fn go_to(&mut self, offset: u64, ticks: u64) {
        let timeline = &self.of.timeline;
        let pid = timeline.before(offset).unwrap_or(self.of.first).pcr.pid;
        self.framer.resume_at(ticks_to_duration(ticks));
        self.framer.set_pcr_pid(pid);
        self.next_clock = timeline.next_change(offset, pid);
        self.offset = offset;
        self.drained = false;
        self.ended = None;
        self.last = Duration::ZERO;
        if let Some(keys) = &mut self.keys {
            keys.begin(offset, ticks);
        }
    }

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
        // Another PID takes over the clock exactly where it does.
        if let Some(next) = self.next_clock.take_if(|next| next.offset <= self.offset) {
            self.framer.change_pcr_pid(next.pcr.pid);
            self.next_clock = self.of.timeline.next_change(next.offset, next.pcr.pid);
        }
        let end = self.next_clock.map_or(u64::MAX, |next| next.offset).min(self.of.file.len());
        let left = end.saturating_sub(self.offset);
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
            self.last = prelude.dts;
            return FramePoll::Ready(prelude);
        }
        if let Some(ending) = &self.ended {
            return FramePoll::Ended(ending.clone());
        }
        if let Some(keys) = &mut self.keys {
            let TsFile { layout, first, ref timeline, ref file, .. } = *self.of;
            let (file, len) = (&*self.file, file.len());
            let of = Multiplex { file, len, layout, first, timeline };
            let poll = keys.poll_picture(&of, self.framer.stamps());
            return poll.unwrap_or_else(|e| FramePoll::Ended(Ending::Failed(e.to_string())));
        }
        for _ in 0..READS_PER_POLL {
            if let Some(mut frame) = self.framer.poll_frame() {
                // What is guessed of the packets behind the last PCR must not go beyond the end,
                // where the stream may begin anew.
                let end = self.of.duration().unwrap_or(Duration::MAX);
                self.last = frame.pts.min(end).max(self.last);
                (frame.pts, frame.dts) = (self.last, self.last);
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
        let tables = match offset {
            // At the start the tables are where the file has them, or missing as they are there.
            0 => Bytes::new(),
            _ => self
                .of
                .tables_at(&self.file, offset)
                .map_err(|e| SeekError::Failed(e.to_string()))?,
        };
        let time = ticks_to_duration(ticks);
        self.go_to(offset, ticks);
        self.framer.stamps().jump();
        self.prelude = None;
        if let Some(keys) = &mut self.keys {
            keys.set_tables(if tables.is_empty() { self.of.tables.clone() } else { tables });
        } else if tables.is_empty() {
            self.framer.mark_gap();
        } else {
            let mut tables = BytesMut::from(&tables[..]);
            let stamps = self.framer.stamps();
            tables.chunks_exact_mut(PACKET_LEN).for_each(|packet| stamps.handle_packet(packet));
            stamps.break_counters();
            let mut prelude = Frame::new(tables.freeze(), time, Duration::ZERO);
            prelude.flags.discontinuity = true;
            self.prelude = Some(prelude);
        }
        Ok(time)
    }

    /// The clock of the stream and all time stamps go on over the end as if the file were longer,
    /// and so do the continuity counters.
    fn begin_anew(
        &mut self,
        period: Duration,
        _cx: &mut SourceContext<'_>,
    ) -> Result<(), SeekError> {
        let (first, last) = (self.of.first, self.of.timeline.last().unwrap_or(self.of.first));
        // What the clock at the end would have said at the start, and what it does say there. These
        // differ only where several clocks follow each other.
        let difference = last.pcr.since((first.pcr.value + last.ticks) % PCR_MODULUS);
        let period = (period.as_nanos() * 90_000 + 500_000_000) / 1_000_000_000;
        let period = u64::try_from(period).unwrap_or(0) % PCR_MODULUS * TICKS % PCR_MODULUS;
        self.go_to(0, 0);
        self.framer.stamps().go_on((difference + period) % PCR_MODULUS);
        self.prelude = None;
        Ok(())
    }

    /// Key pictures alone, forwards or backwards. It is not played more slowly: what it says of its own
    /// time would have to be changed in all its streams.
    fn test_scale_factor(&self, scale: f32) -> Option<f32> {
        let is_possible = self.of.video.is_some() && self.of.duration().is_some();
        let scale = if is_possible { nearest(scale) } else { 1.0 };
        Some(if (0.0..1.0).contains(&scale) { 1.0 } else { scale })
    }

    fn set_scale(&mut self, scale: f32) {
        let video = self.of.video.filter(|_| scale != 1.0);
        self.keys =
            video.map(|video| Box::new(KeyPictures::new(video, scale, self.of.tables.clone())));
        if let Some(keys) = &mut self.keys {
            keys.begin(self.offset, 0);
        }
    }

    fn duration(&self) -> Option<Duration> {
        self.of.duration()
    }
}

#[cfg(test)]
mod tests;
