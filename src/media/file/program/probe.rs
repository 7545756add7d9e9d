//! [`TracksProbe`]: which elementary streams a multiplex has, what they are, and when they begin and
//! end.

use super::carrier::{Cursor, Packet, SUBSTREAM_HEADER, Sink, StreamId};
use super::kind::{Kind, MAX_STREAMS};
use super::stream::{ElementaryStream, Start};
use super::{ProgramFile, ProgramTrack};
use crate::framer::mpeg_ps::{Element, element, find_pack};
use crate::framer::pes::{PRIVATE_1, Parsed, PesHeader};
use crate::media::FrameMemory;
use crate::media::file::mpeg_ts::layout::{Layout, OVERLAP, WINDOW};
use crate::media::file::mpeg_ts::timeline::Timeline;
use crate::media::file::shared::{SharedFile, read_window};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Windows at the start in which a program stream shows its streams.
const DISCOVERY_WINDOWS: u64 = 16;
/// Windows at the start in which the streams show what they are.
const START_WINDOWS: u64 = 48;
/// Windows at the end in which it is looked for when they end.
const END_WINDOWS: u64 = 16;

/// Looks at the elementary streams of a file whose clock is known.
#[derive(Debug)]
pub(in crate::media::file) struct TracksProbe {
    layout: Layout,
    found: Vec<Found>,
    cursor: Cursor,
    stage: Stage,
    /// Where to read next, and where the multiplex begins.
    offset: u64,
    first: u64,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Discovery { windows: u64 },
    Start { windows: u64 },
    End,
}

/// A stream, and when its first frame is decoded and its last frame ends, if that is known.
#[derive(Debug)]
struct Found {
    id: StreamId,
    stream: Box<dyn ElementaryStream>,
    begins: Option<Duration>,
    ends: Duration,
}

impl Found {
    /// Takes the frames that are there.
    fn take_frames(&mut self, memory: &mut FrameMemory) {
        while let Some(frame) = self.stream.poll_frame(memory) {
            self.begins.get_or_insert(frame.dts);
            self.ends = self.ends.max(frame.pts.saturating_add(frame.duration));
            memory.give_back(frame.data);
        }
    }

    fn is_known(&self) -> bool {
        self.begins.is_some() && self.stream.parameters().is_some()
    }

    fn is_served(&self) -> bool {
        match self.stream.parameters() {
            Some(Err(why)) => log::warn!("{:?} is left out: {why}", self.id),
            Some(Ok(_)) if self.begins.is_some() => return true,
            _ => log::debug!("{:?} is left out: nothing of it was found", self.id),
        }
        false
    }
}

/// Hands the payload to the streams.
struct Feeder<'a> {
    found: &'a mut [Found],
    timeline: &'a Timeline,
    memory: FrameMemory,
}

impl Sink for Feeder<'_> {
    fn begin(&mut self, stream: usize, packet: &Packet) {
        if let Some(found) = self.found.get_mut(stream) {
            found.stream.handle_packet(packet.times(self.timeline));
        }
    }

    fn payload(&mut self, stream: usize, bytes: &[u8]) {
        if let Some(found) = self.found.get_mut(stream) {
            found.stream.handle_payload(bytes);
            found.take_frames(&mut self.memory);
        }
    }

    fn gap(&mut self, stream: usize) {
        self.found.get_mut(stream).into_iter().for_each(|found| found.stream.handle_gap());
    }
}

impl TracksProbe {
    /// `streams`: as far as tables name them. `first`: where the multiplex begins.
    pub(in crate::media::file) fn new(
        layout: Layout,
        streams: Vec<(StreamId, Kind)>,
        first: u64,
    ) -> Self {
        let stage = match layout {
            Layout::Transport { .. } => Stage::Start { windows: 0 },
            Layout::Program => Stage::Discovery { windows: 0 },
        };
        // Before the first clock reference there may be something, too.
        let first = if layout == Layout::Program { first } else { 0 };
        let cursor = Cursor::new(layout, streams.iter().map(|(id, _)| *id));
        let mut this = Self { layout, found: Vec::new(), cursor, stage, offset: first, first };
        streams.into_iter().for_each(|(id, kind)| this.add(id, kind));
        this
    }

    fn add(&mut self, id: StreamId, kind: Kind) {
        if self.found.len() < MAX_STREAMS && self.found.iter().all(|found| found.id != id) {
            let stream = kind.stream();
            self.found.push(Found { id, stream, begins: None, ends: Duration::ZERO });
        }
    }

    /// A step, reading a window at the most. Returns the bytes read; `None` at the end.
    pub(in crate::media::file) fn step(
        &mut self,
        file: &File,
        len: u64,
        timeline: &Timeline,
    ) -> io::Result<Option<usize>> {
        let bytes = read_window(file, WINDOW + OVERLAP, self.offset)?;
        let at_end = bytes.len() < WINDOW + OVERLAP;
        match self.stage {
            Stage::Discovery { windows } => {
                self.discover(&bytes);
                self.offset += WINDOW as u64;
                self.stage = Stage::Discovery { windows: windows + 1 };
                if at_end || windows + 1 >= DISCOVERY_WINDOWS {
                    // Video comes first, in the order in which it was found, and sound behind it.
                    let found = std::mem::take(&mut self.found).into_iter();
                    let (mut found, sound): (Vec<_>, Vec<_>) =
                        found.partition(|found| found.stream.is_video());
                    found.extend(sound);
                    self.found = found;
                    self.cursor = Cursor::new(self.layout, self.found.iter().map(|found| found.id));
                    self.stage = Stage::Start { windows: 0 };
                    self.offset = self.first;
                }
            }
            Stage::Start { windows } => {
                let consumed = self.feed(&bytes, timeline);
                self.stage = Stage::Start { windows: windows + 1 };
                if consumed == 0 || at_end {
                    self.finish_streams();
                    return Ok(None);
                }
                if self.found.iter().all(Found::is_known) || windows + 1 >= START_WINDOWS {
                    self.go_to_end(len);
                }
            }
            Stage::End => {
                let consumed = self.feed(&bytes, timeline);
                if consumed == 0 || at_end {
                    self.finish_streams();
                    return Ok(None);
                }
            }
        }
        Ok(Some(bytes.len()))
    }

    /// Hands a window to the streams; returns the bytes that are done with.
    fn feed(&mut self, bytes: &[u8], timeline: &Timeline) -> usize {
        let memory = FrameMemory::default();
        let mut feeder = Feeder { found: &mut self.found, timeline, memory };
        let consumed = self.cursor.handle_bytes(bytes, self.offset, &mut feeder);
        self.offset += consumed as u64;
        consumed
    }

    /// Goes on to the ends of the streams that can be served, unless they are near.
    fn go_to_end(&mut self, len: u64) {
        self.stage = Stage::End;
        let tail = len.saturating_sub(END_WINDOWS * WINDOW as u64);
        if tail > self.offset {
            self.offset = tail;
            self.cursor.restart();
            for found in &mut self.found {
                found.stream.restart(Start::Anywhere);
            }
        }
    }

    fn finish_streams(&mut self) {
        let mut memory = FrameMemory::default();
        for found in &mut self.found {
            found.stream.handle_end();
            found.take_frames(&mut memory);
        }
    }

    /// Notes the streams that a piece of a program stream has.
    fn discover(&mut self, bytes: &[u8]) {
        let mut at = 0;
        let mut lost = true;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if lost {
                let Some(found) = find_pack(rest, 0) else { return };
                at += found;
                lost = false;
                continue;
            }
            match element(rest) {
                Parsed::Done(Element::Pack { len, .. }) => at += len,
                Parsed::Done(Element::End) => at += 4,
                Parsed::Done(Element::Packet { stream_id, len }) => {
                    let packet = rest.get(..len).unwrap_or(rest);
                    if let Parsed::Done(header) = PesHeader::parse(packet) {
                        let payload = packet.get(header.len..).unwrap_or_default();
                        self.note_stream(stream_id, payload);
                    }
                    at += len;
                }
                Parsed::NeedMore => return,
                Parsed::Invalid => {
                    at += 1;
                    lost = true;
                }
            }
        }
    }

    fn note_stream(&mut self, stream_id: u8, payload: &[u8]) {
        let (id, kind) = match stream_id {
            0xc0..=0xdf => (StreamId::Stream(stream_id), Kind::of_audio(payload)),
            0xe0..=0xef => (StreamId::Stream(stream_id), Kind::of_video(payload)),
            PRIVATE_1 => match Kind::of_private(payload, SUBSTREAM_HEADER) {
                Some((Some(number), kind)) => (StreamId::Substream(number), Some(kind)),
                Some((None, kind)) => (StreamId::Stream(stream_id), Some(kind)),
                None => return,
            },
            _ => return,
        };
        if let Some(kind) = kind {
            self.add(id, kind);
        }
    }

    /// The file with the streams that were found; `None` if there are none. `clock`: how long it is
    /// by its clock.
    pub(in crate::media::file) fn finish(
        self,
        file: &Arc<SharedFile>,
        timeline: &Arc<Timeline>,
        clock: Option<Duration>,
    ) -> Option<Arc<ProgramFile>> {
        let served: Vec<Found> = self.found.into_iter().filter(Found::is_served).collect();
        let begins = served.iter().filter_map(|found| found.begins).min()?;
        let ends = served.iter().map(|found| found.ends).max()?;
        // Time stamps that have nothing to do with the clock tell nothing.
        let plausible = |duration: &Duration| {
            clock.is_none_or(|clock| duration.abs_diff(clock) < ProgramFile::MAX_DIFFERENCE)
        };
        let duration = Some(ends.saturating_sub(begins)).filter(|d| !d.is_zero());
        let duration = duration.filter(plausible).or(clock);
        let tracks = served.into_iter().filter_map(|found| {
            let parameters = found.stream.parameters()?.ok()?;
            Some((parameters, ProgramTrack { id: found.id, stream: found.stream.begin() }))
        });
        let tracks = tracks.collect();
        let (file, timeline) = (Arc::clone(file), Arc::clone(timeline));
        Some(Arc::new(ProgramFile::new(file, self.layout, timeline, tracks, begins, duration)))
    }
}
