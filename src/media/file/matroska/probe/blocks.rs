//! The blocks' part of a probe: what the first of each track show, where decoding can start, and
//! where the end is.

use super::super::ebml::{Lacing, children, id, laced_frames, number, number_or_zero};
use super::super::headers::TrackInfo;
use super::super::media::{TimeLine, TrackStart};
use super::super::timing::reorder_depth;
use super::super::walker::{Block, Step, Walker};
use super::{MatroskaProbe, Phase, no_track};
use crate::media::file::ProbeError;
use crate::media::file::container::MAX_FRAME;
use crate::media::file::container::coding::learn;
use crate::media::file::container::index::{Entry, Index};
use bytes::BytesMut;
use std::time::Duration;

/// Most bytes of a cue point that is read.
const MAX_CUE_POINT: u64 = 16 << 10;
/// Video frames whose order is looked at, and bytes in which they and the first frame of every
/// track must lie.
const PEEK_FRAMES: usize = 64;
const PEEK_BYTES: u64 = 8 << 20;
/// The same where parameter sets are still missing: without them a track cannot be played.
const PEEK_FOR_SETS: u64 = 64 << 20;
/// A Duration that is longer than this compared with what is there is not believed.
const TOO_LONG: Duration = Duration::from_secs(1);
/// A cue whose frame is not within this of its time is wrong.
const CUE_TOLERANCE: Duration = Duration::from_millis(100);
/// Longer than anybody plays; keeps arithmetic in range.
const MAX_DURATION: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

#[derive(Clone, Debug, Default)]
pub(super) struct Peeked {
    pub(super) first: Option<i64>,
    /// In decoding order; of video only.
    pub(super) times: Vec<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) walker: Walker,
    /// Position of the last cluster in the index.
    pub(super) cluster: u64,
    /// Where the walk began, until its frame is found.
    pub(super) cue: Option<Entry>,
}

impl MatroskaProbe {
    pub(super) fn peek(&mut self, mut walker: Walker) -> Result<Phase, ProbeError> {
        let first = self.first_cluster.unwrap_or_default();
        let step = walker.step(&mut self.window)?;
        if let Step::Block(block) = step {
            self.peek_block(&block)?;
        }
        let mut both = self.tracks.iter().zip(&self.peeked);
        let all = both.all(|(track, peeked)| {
            peeked.first.is_some() && (!track.is_video() || peeked.times.len() >= PEEK_FRAMES)
        });
        let incomplete = self.tracks.iter().any(|t| !t.is_known);
        let far = if incomplete { PEEK_FOR_SETS } else { PEEK_BYTES };
        let far = walker.position().saturating_sub(first) > far;
        if !((all && !incomplete) || far || step == Step::End) {
            return Ok(Phase::Peek(walker));
        }
        if incomplete {
            self.leave_out_incomplete()?;
        }
        let scale = i128::from(self.time_line.scale);
        let starts = self.tracks.iter().zip(&self.peeked).filter_map(|(track, peeked)| {
            let delay = i128::try_from(track.codec_delay.as_nanos()).ok()?;
            Some((i128::from(peeked.first?) * scale).saturating_sub(delay))
        });
        self.time_line.origin = starts.min().unwrap_or(0);
        if let Some(at) = self.cues_at {
            if let Some((header, data)) = self.header(at)?.filter(|(h, _)| h.id == id::CUES) {
                let size = header.size.unwrap_or(u64::MAX);
                let end = data.saturating_add(size).min(self.window.len());
                return Ok(Phase::Cues(data, end));
            }
            log::debug!("{}: no Cues where they should be", self.name);
        }
        Ok(self.after_cues())
    }

    /// Leaves out the tracks whose parameters are nowhere to be found.
    fn leave_out_incomplete(&mut self) -> Result<(), ProbeError> {
        for track in self.tracks.iter().filter(|t| !t.is_known) {
            log::info!(
                "{}: track {} is left out: no frame tells its parameters",
                self.name,
                track.number
            );
        }
        self.keep(|track| track.is_known)
    }

    fn keep(&mut self, stays: impl Fn(&TrackInfo) -> bool) -> Result<(), ProbeError> {
        let both =
            std::mem::take(&mut self.tracks).into_iter().zip(std::mem::take(&mut self.peeked));
        (self.tracks, self.peeked) = both.filter(|(track, _)| stays(track)).unzip();
        if self.tracks.is_empty() { Err(no_track()) } else { Ok(()) }
    }

    fn peek_block(&mut self, block: &Block) -> Result<(), ProbeError> {
        let mut both = self.tracks.iter_mut().zip(&mut self.peeked);
        let Some((track, peeked)) = both.find(|(t, _)| t.number == block.track) else {
            return Ok(());
        };
        peeked.first = Some(peeked.first.map_or(block.time, |t| t.min(block.time)));
        if track.is_video() && peeked.times.len() < PEEK_FRAMES {
            peeked.times.push(block.time);
        }
        // Of some codecs only the frames tell what a receiver must know.
        if track.is_known || block.len > MAX_FRAME {
            return Ok(());
        }
        let mut data = BytesMut::zeroed(usize::try_from(block.len).unwrap_or(0));
        self.window.read(block.data, &mut data)?;
        let mut laces = Vec::new();
        if block.lacing != Lacing::None && laced_frames(&data, block.lacing, &mut laces).is_ok() {
            let first = laces.first().and_then(|range| data.get(range.clone()));
            data = BytesMut::from(first.unwrap_or_default());
        }
        if !track.stripped.is_empty() {
            data = BytesMut::from(&[&track.stripped[..], &data].concat()[..]);
        }
        match learn(&mut track.parameters, track.coding, data) {
            Ok(is_known) => track.is_known = is_known,
            Err(why) => {
                let number = track.number;
                log::info!("{}: track {number} is left out: {why}", self.name);
                return self.keep(|track| track.number != number);
            }
        }
        Ok(())
    }

    /// The track whose key frames are sought: the first of video, or else the first.
    fn seek_track(&self) -> Option<&TrackInfo> {
        self.tracks.iter().find(|t| t.is_video()).or_else(|| self.tracks.first())
    }

    pub(super) fn cues(&mut self, at: u64, end: u64) -> Result<Phase, ProbeError> {
        let Some((header, data)) = self.header(at)?.filter(|_| at < end) else {
            return Ok(self.after_cues());
        };
        let Some(size) = header.size else { return Ok(self.after_cues()) };
        if id::is_top_level(header.id) {
            return Ok(self.after_cues());
        }
        let next = data.saturating_add(size);
        if header.id == id::CUE_POINT && size <= MAX_CUE_POINT && next <= end {
            // Not larger than MAX_CUE_POINT.
            let sought = self.seek_track().map_or(0, |t| t.number);
            let point = self.window.peek(data, size as usize)?;
            let time = number_or_zero(point, id::CUE_TIME);
            let position = children(point)
                .filter(|(id, _)| *id == id::CUE_TRACK_POSITIONS)
                .find(|(_, positions)| number(positions, id::CUE_TRACK) == Some(sought))
                .and_then(|(_, positions)| number_or_zero(positions, id::CUE_CLUSTER_POSITION));
            if let (Some(time), Some(position)) = (time, position) {
                let cluster = self.segment_data.saturating_add(position);
                if cluster < self.segment_end {
                    let time = i64::try_from(time).unwrap_or(i64::MAX);
                    self.index_entry(time, cluster);
                }
            }
        }
        Ok(Phase::Cues(next, end))
    }

    fn index_entry(&mut self, time: i64, cluster: u64) {
        let delay = self.seek_track().map_or(Duration::ZERO, |t| t.codec_delay);
        self.index.insert(Entry { npt: self.time_line.npt(time, delay), at: cluster });
    }

    /// From the last cue on the blocks are looked at one by one: they show where the end is, and
    /// whether the Cues are to be trusted.
    fn after_cues(&mut self) -> Phase {
        self.index.finish();
        let cue = self.index.last_in_file();
        if cue.is_none() {
            log::debug!("{}: no Cues, so it is walked through", self.name);
        }
        let first = self.first_cluster.unwrap_or(0);
        let walker = Walker::new(cue.map_or(first, |cue| cue.at), self.segment_end);
        Phase::Scan(Scan { walker, cluster: cue.map_or(u64::MAX, |cue| cue.at), cue })
    }

    pub(super) fn scan(&mut self, mut scan: Scan) -> Result<Phase, ProbeError> {
        let step = scan.walker.step(&mut self.window)?;
        let block = match step {
            Step::End => None,
            Step::Other => return Ok(Phase::Scan(scan)),
            Step::Block(block) => Some(block),
        };
        if scan.cue.is_some_and(|cue| block.is_none_or(|b| b.cluster != cue.at)) {
            log::debug!("{}: wrong Cues, so it is walked through", self.name);
            self.index = Index::default();
            self.scanned_end = Duration::ZERO;
            return Ok(self.after_cues());
        }
        let Some(block) = block else { return Ok(Phase::Done) };
        let Some(track) = self.tracks.iter().find(|t| t.number == block.track) else {
            return Ok(Phase::Scan(scan));
        };
        let length = match block.duration {
            Some(units) => self.time_line.span(units),
            None => track.default_duration.unwrap_or_default(),
        };
        let start = self.time_line.npt(block.time, track.codec_delay);
        self.scanned_end = self.scanned_end.max(start.saturating_add(length));
        let Some(sought) = self.seek_track().filter(|t| t.number == block.track) else {
            return Ok(Phase::Scan(scan));
        };
        scan.cue = scan.cue.filter(|cue| cue.npt.abs_diff(start) > CUE_TOLERANCE);
        let starts = if sought.is_video() { block.key } else { scan.cluster != block.cluster };
        if starts {
            scan.cluster = block.cluster;
            self.index_entry(block.time, block.cluster);
        }
        Ok(Phase::Scan(scan))
    }

    /// The Duration is a length (RFC 9559 section 5.1.2.10), but FFmpeg writes the timestamp at
    /// the end. Neither is believed against the blocks: a file may have been cut off, or gone on.
    pub(super) fn duration(&self) -> Option<Duration> {
        let end = self.scanned_end;
        let scale = self.time_line.scale as f64;
        // Casts saturate.
        let claimed = |units: f64| {
            let nanos = units * scale;
            let from_origin = nanos - self.time_line.origin as f64;
            [from_origin, nanos].map(|nanos| Duration::from_nanos(nanos as u64))
        };
        let claimed = self.info_duration.map(claimed).into_iter().flatten();
        let claimed = claimed.filter(|c| (end..=end.saturating_add(TOO_LONG)).contains(c)).min();
        Some(claimed.unwrap_or(end)).filter(|d| !d.is_zero() && *d <= MAX_DURATION)
    }
}

pub(super) fn start(info: &TrackInfo, peeked: &Peeked, time_line: TimeLine) -> TrackStart {
    let mut times = peeked.times.clone();
    let reorder = reorder_depth(&times);
    times.sort_unstable();
    let mut steps: Vec<i64> = times
        .iter()
        .zip(times.iter().skip(1))
        .map(|(a, b)| b.saturating_sub(*a))
        .filter(|&step| step > 0)
        .collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).and_then(|&step| u64::try_from(step).ok());
    let frame_duration = info
        .default_duration
        .or_else(|| usual.map(|units| time_line.span(units)))
        .unwrap_or_default();
    let first = peeked.first.map_or(Duration::ZERO, |t| time_line.npt(t, info.codec_delay));
    TrackStart { first, reorder, frame_duration }
}
