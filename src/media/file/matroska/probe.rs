//! [`MatroskaProbe`]: finds out what there is to know of a file, a bounded step at a time.

use super::ebml::{ElementHeader, children, id, number, number_or_zero, positive, positive_real};
use super::headers::{self, TrackInfo};
use super::media::{MatroskaMedia, TimeLine};
use super::walker::Walker;
use crate::media::file::container::coding::bitrate;
use crate::media::file::container::index::Index;
use crate::media::file::container::steps::{Steps, poll_steps};
use crate::media::file::container::window::{Input, SEARCH_CHUNK, Window};
use crate::media::file::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use blocks::{Peeked, Scan, start};
use bytes::BytesMut;
use std::sync::Arc;
use std::time::Duration;

mod blocks;

/// Most bytes of an element that is read whole.
const MAX_SEEK_HEAD: u64 = 64 << 10;
const MAX_INFO: u64 = 1 << 20;
const MAX_TRACKS_ELEMENT: u64 = 1 << 20;
/// Children of an element of unknown size that are looked at to find its end.
const MAX_CHILDREN: usize = 1000;
/// Bytes searched in one step for an element.
const SEARCH: usize = 16 << 10;
/// Track entries that are looked at.
const MAX_TRACK_ENTRIES: usize = 64;

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
    tracks: Vec<TrackInfo>,
    peeked: Vec<Peeked>,
    index: Index,
    /// Normal play time of the end, by the blocks.
    scanned_end: Duration,
}

#[derive(Clone, Debug)]
enum Phase {
    EbmlHeader,
    /// Looks for the segment at this position.
    Segment(u64),
    /// At a child of the segment.
    TopLevel(u64),
    /// Looks for a child of the segment from this position on: before it is nonsense.
    Lost(u64),
    /// Reads what the SeekHead names and the walk did not come upon.
    Named,
    /// Looks at the first frames of each track.
    Peek(Walker),
    /// At a child of the Cues, which end there.
    Cues(u64, u64),
    /// Walks through all blocks, or those from the last cue on.
    Scan(Scan),
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
            tracks: Vec::new(),
            peeked: Vec::new(),
            index: Index::default(),
            scanned_end: Duration::ZERO,
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

    /// What the header says is not needed: the segment shows whether this is Matroska.
    fn ebml_header(&mut self) -> Result<Phase, ProbeError> {
        let not_matroska = || ProbeError::Content("not a Matroska file".into());
        let header = self.header(0)?.filter(|(h, _)| h.id == id::EBML);
        let (header, data) = header.ok_or_else(not_matroska)?;
        let end = data.saturating_add(header.size.unwrap_or(0));
        // Where the size is wrong, its children are passed over one by one.
        Ok(Phase::Segment(if end < self.window.len() { end } else { data }))
    }

    fn segment(&mut self, at: u64) -> Result<Phase, ProbeError> {
        let none = || ProbeError::Content("a Matroska file without a segment".into());
        let (header, data) = self.header(at)?.ok_or_else(none)?;
        // A size of zero was never filled in.
        let size = header.size.filter(|&size| size > 0);
        if header.id != id::SEGMENT {
            return Ok(Phase::Segment(data.saturating_add(size.unwrap_or(0))));
        }
        self.segment_data = data;
        if let Some(size) = size {
            self.segment_end = self.segment_end.min(data.saturating_add(size));
        }
        Ok(Phase::TopLevel(data))
    }

    fn top_level(&mut self, at: u64) -> Result<Phase, ProbeError> {
        if at >= self.segment_end {
            return Ok(Phase::Named);
        }
        let Some((header, data)) = self.header(at)? else { return Ok(Phase::Lost(at + 1)) };
        if header.id == id::CLUSTER {
            self.first_cluster = Some(at);
            return Ok(Phase::Named);
        }
        let end = match header.size {
            Some(size) => data.saturating_add(size),
            None => self.unknown_end(data)?,
        };
        if end > self.segment_end {
            log::debug!("{}: the element at {at} is longer than the file", self.name);
            return Ok(Phase::Lost(data));
        }
        let mut content = |limit| self.content(data, Some(end.saturating_sub(data)), limit);
        let read = match header.id {
            id::SEEK_HEAD => content(MAX_SEEK_HEAD).map(|content| self.seek_head(&content)),
            id::INFO => content(MAX_INFO).map(|content| self.info(&content)),
            id::TRACKS => content(MAX_TRACKS_ELEMENT).map(|content| self.tracks(&content)),
            id::CUES => {
                self.cues_at = Some(at);
                Ok(())
            }
            _ => Ok(()),
        };
        match read {
            Err(ProbeError::Content(why)) => log::debug!("{}: {why}", self.name),
            other => other?,
        }
        Ok(Phase::TopLevel(end))
    }

    /// The end of an element of unknown size whose data is at `data`: before the next that cannot
    /// be its child (RFC 8794 section 6.2).
    fn unknown_end(&mut self, data: u64) -> Result<u64, ProbeError> {
        let mut at = data;
        for _ in 0..MAX_CHILDREN {
            match self.header(at)? {
                Some((header, _)) if id::is_top_level(header.id) => break,
                Some((header, data)) => at = data.saturating_add(header.size.unwrap_or(0)),
                None => break,
            }
        }
        Ok(at.min(self.segment_end))
    }

    /// Searches for what streaming needs of the segment's children.
    fn lost(&mut self, at: u64) -> Result<Phase, ProbeError> {
        if at >= self.segment_end {
            return Ok(Phase::Named);
        }
        let bytes = self.window.peek(at, SEARCH)?;
        let begins = |at: &usize| bytes.get(*at..).is_some_and(looks_like_an_element);
        // The first bytes of Info, Tracks and Cluster.
        if let Some(found) = memchr::memchr3_iter(0x15, 0x16, 0x1f, bytes).find(begins) {
            return Ok(Phase::TopLevel(at.saturating_add(found as u64)));
        }
        if bytes.len() < SEARCH {
            return Ok(Phase::Named);
        }
        Ok(Phase::Lost(at.saturating_add((SEARCH - 2 * ElementHeader::MAX_LEN) as u64)))
    }

    /// Takes note of the positions in a SeekHead. It is looked at once and not followed to
    /// others, so it cannot lead in circles.
    fn seek_head(&mut self, content: &[u8]) {
        for (_, seek) in children(content).filter(|(id, _)| *id == id::SEEK) {
            let what = number(seek, id::SEEK_ID);
            let position = number_or_zero(seek, id::SEEK_POSITION);
            let (Some(what), Some(position)) = (what, position) else { continue };
            let at = self.segment_data.checked_add(position).filter(|&at| at < self.segment_end);
            match u32::try_from(what) {
                Ok(id::INFO) => self.info_at = at,
                Ok(id::TRACKS) => self.tracks_at = at,
                Ok(id::CUES) => self.cues_at = at,
                _ => {}
            }
        }
    }

    /// Of several, each says what those before it did not.
    fn info(&mut self, content: &[u8]) {
        self.info_at = None;
        if let Some(scale) = positive(content, id::TIMESTAMP_SCALE) {
            self.time_line.scale = scale;
        }
        self.info_duration = self.info_duration.or_else(|| positive_real(content, id::DURATION));
    }

    /// The first element with a track that can be streamed counts.
    fn tracks(&mut self, content: &[u8]) {
        if !self.tracks.is_empty() {
            return;
        }
        let entries = children(content).filter(|(id, _)| *id == id::TRACK_ENTRY);
        for (i, (_, entry)) in entries.take(MAX_TRACK_ENTRIES).enumerate() {
            match headers::track(entry) {
                Ok(info) if self.tracks.iter().any(|t| t.number == info.number) => {
                    log::info!("{}: track {} is left out: its number is taken", self.name, i + 1);
                }
                Ok(info) => self.tracks.push(info),
                Err(why) => log::info!("{}: track {} is left out: {why}", self.name, i + 1),
            }
        }
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
        if let (true, Some(at)) = (self.tracks.is_empty(), self.tracks_at) {
            match self.named_element(at, id::TRACKS, MAX_TRACKS_ELEMENT) {
                Ok(content) => self.tracks(&content),
                Err(e) => log::debug!("{}: no Tracks where they should be: {e}", self.name),
            }
        }
        if self.tracks.is_empty() {
            return Err(no_track());
        }
        let first = self.first_cluster.ok_or_else(|| ProbeError::Content("no frames".into()))?;
        self.peeked = vec![Peeked::default(); self.tracks.len()];
        Ok(Phase::Peek(Walker::new(first, self.segment_end)))
    }

    fn finish(&mut self) -> Result<Arc<MatroskaMedia>, ProbeError> {
        self.index.finish();
        let duration = self.duration();
        let infos = std::mem::take(&mut self.tracks);
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

fn no_track() -> ProbeError {
    ProbeError::Content("no track that can be streamed".into())
}

/// Whether `bytes` begin with an Info, Tracks or Cluster element and its first child. The ids
/// alone also stand in a SeekHead.
fn looks_like_an_element(bytes: &[u8]) -> bool {
    let Ok(header) = ElementHeader::parse(bytes) else { return false };
    let child = usize::try_from(header.len).ok().and_then(|len| bytes.get(len..));
    let Some(Ok(child)) = child.map(ElementHeader::parse) else { return false };
    // CRC-32 and Void can be anywhere.
    matches!(
        (header.id, child.id),
        (id::INFO | id::TRACKS | id::CLUSTER, 0xbf | 0xec)
            | (id::INFO, 0x2a_d7b1 | 0x4461 | 0x4489 | 0x4d80 | 0x5741 | 0x73a4 | 0x7384 | 0x7ba9)
            | (id::TRACKS, id::TRACK_ENTRY)
            | (id::CLUSTER, id::TIMESTAMP | id::SIMPLE_BLOCK | id::BLOCK_GROUP)
    )
}

impl Steps for MatroskaProbe {
    fn bytes_read(&self) -> u64 {
        self.window.bytes_read()
    }

    fn step(&mut self) -> Result<Option<Arc<dyn MediaFile>>, ProbeError> {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::EbmlHeader => self.phase = self.ebml_header()?,
            Phase::Segment(at) => self.phase = self.segment(at)?,
            Phase::TopLevel(at) => self.phase = self.top_level(at)?,
            Phase::Lost(at) => self.phase = self.lost(at)?,
            Phase::Named => self.phase = self.named()?,
            Phase::Peek(walker) => self.phase = self.peek(walker)?,
            Phase::Cues(at, end) => self.phase = self.cues(at, end)?,
            Phase::Scan(scan) => self.phase = self.scan(scan)?,
            Phase::Done => return Ok(Some(self.finish()?)),
        }
        Ok(None)
    }
}

impl Probe for MatroskaProbe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        poll_steps(self, budget)
    }
}
