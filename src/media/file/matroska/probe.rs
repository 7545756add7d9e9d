//! [`MatroskaProbe`]: finds out what there is to know of a file, a bounded step at a time.

use super::ebml::{ElementHeader, Lacing, child, children, float, id, unsigned};
use super::headers::{self, Coding, TrackInfo};
use super::index::{Entry, Index};
use super::timing::reorder_depth;
use super::walker::{Block, Step, Walker};
use super::window::{Input, SEARCH_CHUNK, Window};
use super::{MAX_BLOCK, MatroskaMedia, TimeLine, TrackStart};
use crate::codec::CodecParameters;
use crate::media::access_unit::{self, SetsInForce};
use crate::media::file::{Probe, ProbeError, ProbePoll, Track};
use bytes::BytesMut;
use std::sync::Arc;
use std::time::Duration;

/// Most bytes of an element that is read whole.
const MAX_EBML_HEADER: u64 = 4 << 10;
const MAX_SEEK_HEAD: u64 = 64 << 10;
const MAX_INFO: u64 = 1 << 20;
const MAX_TRACKS_ELEMENT: u64 = 1 << 20;
const MAX_CUE_POINT: u64 = 16 << 10;
/// Track entries that are looked at.
const MAX_TRACK_ENTRIES: usize = 64;
/// Video frames whose order is looked at, and bytes in which they and the first frame of every
/// track must lie.
const PEEK_FRAMES: usize = 64;
const PEEK_BYTES: u64 = 8 << 20;
/// Longer than anybody plays; keeps arithmetic in range.
const MAX_DURATION: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// A probe under way.
#[derive(Debug)]
pub(super) struct MatroskaProbe {
    /// For the log.
    name: String,
    window: Window,
    phase: Phase,
    segment_data: u64,
    segment_end: u64,
    /// Positions that the SeekHead names.
    info_at: Option<u64>,
    tracks_at: Option<u64>,
    cues_at: Option<u64>,
    first_cluster: Option<u64>,
    time_line: TimeLine,
    /// In units of the timestamp scale.
    info_duration: Option<f64>,
    tracks: Option<Vec<TrackInfo>>,
    peeked: Vec<Peeked>,
    index: Index,
    /// Normal play time of the end, by the blocks; set by a walk through all of them.
    scanned_end: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
struct Peeked {
    first: Option<i64>,
    /// In decoding order; of video only.
    times: Vec<i64>,
}

#[derive(Clone, Debug)]
enum Phase {
    EbmlHeader,
    /// Looks for the segment at this position.
    Segment(u64),
    /// At a child of the segment.
    TopLevel(u64),
    /// Reads what the SeekHead names and the walk did not come upon.
    Named,
    /// Looks at the first frames of each track.
    Peek(Walker),
    /// At a child of the Cues, which end there.
    Cues(u64, u64),
    /// Walks through all blocks.
    Scan(Walker, u64),
    Done,
}

impl MatroskaProbe {
    pub(super) fn new(input: Input, name: String) -> Result<Self, ProbeError> {
        let window = Window::new(input, SEARCH_CHUNK)?;
        let segment_end = window.len();
        Ok(Self {
            name,
            window,
            phase: Phase::EbmlHeader,
            segment_data: 0,
            segment_end,
            info_at: None,
            tracks_at: None,
            cues_at: None,
            first_cluster: None,
            time_line: TimeLine { scale: 1_000_000, origin: 0 },
            info_duration: None,
            tracks: None,
            peeked: Vec::new(),
            index: Index::default(),
            scanned_end: None,
        })
    }

    fn header(&mut self, at: u64) -> Result<Option<(ElementHeader, u64)>, ProbeError> {
        let bytes = self.window.peek(at, ElementHeader::MAX_LEN)?;
        let header = ElementHeader::parse(bytes).ok();
        Ok(header.map(|h| (h, at.saturating_add(h.len))))
    }

    /// Reads the data of an element whole, if it is there and not larger than `limit`.
    fn content(&mut self, at: u64, size: Option<u64>, limit: u64) -> Result<BytesMut, ProbeError> {
        let too_large = || ProbeError::Content("an element of a Matroska file is too large".into());
        let size = size.filter(|&size| size <= limit).ok_or_else(too_large)?;
        if at.saturating_add(size) > self.window.len() {
            return Err(ProbeError::Content("the Matroska file is cut off".into()));
        }
        let len = usize::try_from(size).map_err(|_| too_large())?;
        let mut data = BytesMut::zeroed(len);
        self.window.read(at, &mut data)?;
        Ok(data)
    }

    fn step(&mut self) -> Result<Option<Arc<MatroskaMedia>>, ProbeError> {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::EbmlHeader => self.phase = self.ebml_header()?,
            Phase::Segment(at) => self.phase = self.segment(at)?,
            Phase::TopLevel(at) => self.phase = self.top_level(at)?,
            Phase::Named => self.phase = self.named()?,
            Phase::Peek(walker) => self.phase = self.peek(walker)?,
            Phase::Cues(at, end) => self.phase = self.cues(at, end)?,
            Phase::Scan(walker, cluster) => self.phase = self.scan(walker, cluster)?,
            Phase::Done => return self.finish().map(Some),
        }
        Ok(None)
    }

    fn ebml_header(&mut self) -> Result<Phase, ProbeError> {
        let not_matroska = || ProbeError::Content("not a Matroska file".into());
        let (header, data) =
            self.header(0)?.filter(|(h, _)| h.id == id::EBML).ok_or_else(not_matroska)?;
        let content = self.content(data, header.size, MAX_EBML_HEADER)?;
        let doc_type = child(&content, id::DOC_TYPE).unwrap_or_default();
        let len = doc_type.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        match doc_type.get(..len) {
            Some(b"matroska" | b"webm") => Ok(Phase::Segment(data + content.len() as u64)),
            _ => Err(not_matroska()),
        }
    }

    fn segment(&mut self, at: u64) -> Result<Phase, ProbeError> {
        let none = || ProbeError::Content("a Matroska file without a segment".into());
        let (header, data) = self.header(at)?.ok_or_else(none)?;
        if header.id != id::SEGMENT {
            let size = header.size.ok_or_else(none)?;
            return Ok(Phase::Segment(data.saturating_add(size)));
        }
        self.segment_data = data;
        if let Some(size) = header.size {
            self.segment_end = self.segment_end.min(data.saturating_add(size));
        }
        Ok(Phase::TopLevel(data))
    }

    fn top_level(&mut self, at: u64) -> Result<Phase, ProbeError> {
        if at >= self.segment_end {
            return Ok(Phase::Named);
        }
        let Some((header, data)) = self.header(at)? else { return Ok(Phase::Named) };
        match header.id {
            id::CLUSTER => {
                self.first_cluster = Some(at);
                return Ok(Phase::Named);
            }
            id::SEEK_HEAD => {
                let content = self.content(data, header.size, MAX_SEEK_HEAD)?;
                self.seek_head(&content);
            }
            id::INFO => {
                let content = self.content(data, header.size, MAX_INFO)?;
                self.info(&content);
                self.info_at = None;
            }
            id::TRACKS => {
                let content = self.content(data, header.size, MAX_TRACKS_ELEMENT)?;
                self.tracks(&content);
            }
            id::CUES => self.cues_at = Some(at),
            _ => {}
        }
        let Some(size) = header.size else { return Ok(Phase::Named) };
        Ok(Phase::TopLevel(data.saturating_add(size)))
    }

    /// Takes note of the positions in a SeekHead. It is looked at once and not followed to
    /// others, so it cannot lead in circles.
    fn seek_head(&mut self, content: &[u8]) {
        for (_, seek) in children(content).filter(|(id, _)| *id == id::SEEK) {
            let number = |wanted| child(seek, wanted).and_then(|data| unsigned(data).ok());
            let (Some(what), Some(position)) = (number(id::SEEK_ID), number(id::SEEK_POSITION))
            else {
                continue;
            };
            let at = self.segment_data.checked_add(position).filter(|&at| at < self.segment_end);
            match u32::try_from(what) {
                Ok(id::INFO) => self.info_at = at,
                Ok(id::TRACKS) => self.tracks_at = at,
                Ok(id::CUES) => self.cues_at = at,
                _ => {}
            }
        }
    }

    fn info(&mut self, content: &[u8]) {
        let scale = child(content, id::TIMESTAMP_SCALE).and_then(|data| unsigned(data).ok());
        if let Some(scale) = scale.filter(|&scale| scale > 0) {
            self.time_line.scale = scale;
        }
        self.info_duration = child(content, id::DURATION)
            .and_then(|data| float(data).ok())
            .filter(|d| d.is_finite() && *d > 0.0);
    }

    fn tracks(&mut self, content: &[u8]) {
        let mut tracks: Vec<TrackInfo> = Vec::new();
        let entries = children(content).filter(|(id, _)| *id == id::TRACK_ENTRY);
        for (i, (_, entry)) in entries.take(MAX_TRACK_ENTRIES).enumerate() {
            match headers::track(entry) {
                Ok(info) if tracks.iter().any(|t| t.number == info.number) => {
                    log::info!("{}: track {} is left out: its number is taken", self.name, i + 1);
                }
                Ok(info) => tracks.push(info),
                Err(why) => log::info!("{}: track {} is left out: {why}", self.name, i + 1),
            }
        }
        self.tracks = Some(tracks);
    }

    /// The content of the element at `at`, if it has that id.
    fn named_element(&mut self, at: u64, id: u32, limit: u64) -> Result<BytesMut, ProbeError> {
        match self.header(at)? {
            Some((header, data)) if header.id == id => self.content(data, header.size, limit),
            _ => Err(ProbeError::Content("the SeekHead of a Matroska file lies".into())),
        }
    }

    fn named(&mut self) -> Result<Phase, ProbeError> {
        if let Some(at) = self.info_at {
            match self.named_element(at, id::INFO, MAX_INFO) {
                Ok(content) => self.info(&content),
                Err(e) => log::debug!("{}: goes on without Info: {e}", self.name),
            }
        }
        if let (None, Some(at)) = (&self.tracks, self.tracks_at) {
            let content = self.named_element(at, id::TRACKS, MAX_TRACKS_ELEMENT)?;
            self.tracks(&content);
        }
        let tracks = self.tracks.as_deref().unwrap_or_default();
        if tracks.is_empty() {
            return Err(ProbeError::Content("no track that can be streamed".into()));
        }
        let first = self.first_cluster.ok_or_else(|| ProbeError::Content("no frames".into()))?;
        self.peeked = vec![Peeked::default(); tracks.len()];
        Ok(Phase::Peek(Walker::new(first, self.segment_end)))
    }

    fn peek(&mut self, mut walker: Walker) -> Result<Phase, ProbeError> {
        let first = self.first_cluster.unwrap_or_default();
        let step = walker.step(&mut self.window)?;
        if let Step::Block(block) = step {
            self.peek_block(&block)?;
        }
        let tracks = self.tracks.as_deref().unwrap_or_default();
        let mut both = tracks.iter().zip(&self.peeked);
        let all = both.all(|(track, peeked)| {
            peeked.first.is_some() && (!track.is_video() || peeked.times.len() >= PEEK_FRAMES)
        });
        let far = walker.position().saturating_sub(first) > PEEK_BYTES;
        if !(all || far || step == Step::End) {
            return Ok(Phase::Peek(walker));
        }
        let scale = i128::from(self.time_line.scale);
        let starts = tracks.iter().zip(&self.peeked).filter_map(|(track, peeked)| {
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

    fn peek_block(&mut self, block: &Block) -> Result<(), ProbeError> {
        let tracks = self.tracks.as_deref_mut().unwrap_or_default();
        let mut both = tracks.iter_mut().zip(&mut self.peeked);
        let Some((track, peeked)) = both.find(|(t, _)| t.number == block.track) else {
            return Ok(());
        };
        peeked.first = Some(peeked.first.map_or(block.time, |t| t.min(block.time)));
        let Coding::Nal { codec, length_size } = track.coding else { return Ok(()) };
        if peeked.times.len() < PEEK_FRAMES {
            peeked.times.push(block.time);
        }
        // Some files have their parameter sets only in the stream.
        if block.key
            && block.lacing == Lacing::None
            && block.len <= MAX_BLOCK
            && !access_unit::is_complete(&track.parameters)
        {
            let mut data = BytesMut::from(&track.stripped[..]);
            let head = data.len();
            data.resize(head + usize::try_from(block.len).unwrap_or(0), 0);
            self.window.read(block.data, data.get_mut(head..).unwrap_or_default())?;
            if let Some((data, _)) = super::demuxer::annexb_in_place(data, 0, length_size) {
                let found = access_unit::leading_units(codec, &data);
                if let Some(mut sets) = SetsInForce::new(&track.parameters) {
                    sets.note(&data, &found, false);
                    track.parameters = sets.parameters();
                }
            }
        }
        Ok(())
    }

    /// The track whose key frames are sought: the first of video, or else the first.
    fn seek_track(&self) -> Option<&TrackInfo> {
        let tracks = self.tracks.as_deref().unwrap_or_default();
        tracks.iter().find(|t| t.is_video()).or_else(|| tracks.first())
    }

    fn cues(&mut self, at: u64, end: u64) -> Result<Phase, ProbeError> {
        let Some((header, data)) = self.header(at)?.filter(|_| at < end) else {
            return Ok(self.after_cues());
        };
        let Some(size) = header.size else { return Ok(self.after_cues()) };
        let next = data.saturating_add(size);
        if header.id == id::CUE_POINT && size <= MAX_CUE_POINT && next <= end {
            // Not larger than MAX_CUE_POINT.
            let point = self.window.peek(data, size as usize)?;
            let time = child(point, id::CUE_TIME).and_then(|data| unsigned(data).ok());
            let number = self.seek_track().map_or(0, |t| t.number);
            let point = self.window.peek(data, size as usize)?;
            let position = children(point)
                .filter(|(id, _)| *id == id::CUE_TRACK_POSITIONS)
                .find(|(_, positions)| {
                    child(positions, id::CUE_TRACK).and_then(|d| unsigned(d).ok()) == Some(number)
                })
                .and_then(|(_, positions)| child(positions, id::CUE_CLUSTER_POSITION))
                .and_then(|data| unsigned(data).ok());
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
        self.index.insert(Entry { npt: self.time_line.npt(time, delay), cluster });
    }

    fn after_cues(&mut self) -> Phase {
        self.index.finish();
        if !self.index.is_empty() && self.info_duration.is_some() {
            return Phase::Done;
        }
        log::debug!("{}: no Cues or no duration, so it is walked through", self.name);
        self.index = Index::default();
        self.scanned_end = Some(Duration::ZERO);
        Phase::Scan(Walker::new(self.first_cluster.unwrap_or(0), self.segment_end), u64::MAX)
    }

    /// `cluster`: the last that is in the index.
    fn scan(&mut self, mut walker: Walker, mut cluster: u64) -> Result<Phase, ProbeError> {
        match walker.step(&mut self.window)? {
            Step::End => return Ok(Phase::Done),
            Step::Other => {}
            Step::Block(block) => {
                let tracks = self.tracks.as_deref().unwrap_or_default();
                if let Some(track) = tracks.iter().find(|t| t.number == block.track) {
                    let length = match block.duration {
                        Some(units) => self.time_line.span(units),
                        None => track.default_duration.unwrap_or_default(),
                    };
                    let start = self.time_line.npt(block.time, track.codec_delay);
                    let end = start.saturating_add(length);
                    self.scanned_end = self.scanned_end.max(Some(end));
                    let sought = self.seek_track().map(|t| (t.number, t.is_video()));
                    let starts = match sought {
                        Some((number, true)) => number == block.track && block.key,
                        Some((number, false)) => number == block.track && cluster != block.cluster,
                        None => false,
                    };
                    if starts {
                        cluster = block.cluster;
                        self.index_entry(block.time, block.cluster);
                    }
                }
            }
        }
        Ok(Phase::Scan(walker, cluster))
    }

    fn duration(&self) -> Option<Duration> {
        let claimed = self.info_duration.map(|units| {
            let nanos = units * self.time_line.scale as f64 - self.time_line.origin as f64;
            Duration::from_nanos(nanos as u64)
        });
        match (claimed, self.scanned_end) {
            // A file that was cut off ends earlier than it says.
            (Some(claimed), Some(end)) if claimed > end + Duration::from_secs(1) => Some(end),
            (None, end) => end,
            (claimed, _) => claimed,
        }
        .filter(|d| !d.is_zero() && *d <= MAX_DURATION)
    }

    fn finish(&mut self) -> Result<Arc<MatroskaMedia>, ProbeError> {
        self.index.finish();
        let duration = self.duration();
        let infos = self.tracks.take().unwrap_or_default();
        let first_cluster =
            self.first_cluster.ok_or_else(|| ProbeError::Content("no frames".into()))?;
        let starts = infos.iter().zip(&self.peeked).map(|(t, p)| start(t, p, self.time_line));
        let track = |info: &TrackInfo| Track {
            parameters: info.parameters.clone(),
            duration,
            seekable: true,
            bitrate: bitrate(&info.parameters),
        };
        Ok(Arc::new(MatroskaMedia {
            identity: MatroskaMedia::new_identity(),
            input: self.window.input().clone(),
            segment_end: self.segment_end,
            first_cluster,
            time_line: self.time_line,
            tracks: infos.iter().map(track).collect(),
            starts: starts.collect(),
            infos,
            index: std::mem::take(&mut self.index),
            duration,
        }))
    }
}

fn start(info: &TrackInfo, peeked: &Peeked, time_line: TimeLine) -> TrackStart {
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

fn bitrate(parameters: &CodecParameters) -> Option<u32> {
    let CodecParameters::Pcm { encoding, sampling_rate, channels } = parameters else {
        return None;
    };
    let sample = u32::try_from(encoding.bytes_per_sample()).ok()?.checked_mul(8)?;
    sampling_rate.checked_mul(u32::from(*channels))?.checked_mul(sample)
}

impl Probe for MatroskaProbe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        let until = self.window.bytes_read().saturating_add(budget.max(1) as u64);
        loop {
            match self.step() {
                Ok(Some(media)) => return ProbePoll::Ready(media),
                Ok(None) => {}
                Err(e) => return ProbePoll::Failed(e),
            }
            if self.window.bytes_read() >= until {
                return ProbePoll::Pending;
            }
        }
    }
}
