//! [`ProgramSource`]: reads one track of a multiplex.

use super::carrier::{Cursor, Packet, Sink};
use super::stream::{ElementaryStream, Start};
use super::{ProgramFile, SOUND_AHEAD};
use crate::media::file::mpeg_ts::timeline::Timeline;
use crate::media::file::shared::{CUT_SHORT, fill_at};
use crate::media::{Ending, FramePoll, FramedSource, SeekError, SourceContext, Wait};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Bytes read at once, and what a source holds beside a frame.
const READ_LEN: usize = 16_000;
const READS_PER_POLL: usize = 32;
/// A frame whose time lies further behind the end of the file is left out: waiting for it would stop
/// the stream.
const BEYOND_THE_END: Duration = Duration::from_secs(10);

/// Reads a track for one consumer.
#[derive(Debug)]
pub(super) struct ProgramSource {
    of: Arc<ProgramFile>,
    track: usize,
    file: Arc<File>,
    cursor: Cursor,
    stream: Box<dyn ElementaryStream>,
    /// Where the next read begins, and memory for it.
    offset: u64,
    buffer: Vec<u8>,
    drained: bool,
    ended: Option<Ending>,
}

/// Hands the payload to the stream.
pub(super) struct Feeder<'a> {
    pub(super) stream: &'a mut dyn ElementaryStream,
    pub(super) timeline: &'a Timeline,
}

impl Sink for Feeder<'_> {
    fn begin(&mut self, _stream: usize, packet: &Packet) {
        self.stream.handle_packet(packet.times(self.timeline));
    }

    fn payload(&mut self, _stream: usize, bytes: &[u8]) {
        self.stream.handle_payload(bytes);
    }

    fn gap(&mut self, _stream: usize) {
        self.stream.handle_gap();
    }
}

impl ProgramSource {
    /// Reads from the start. `None` if there is no such track.
    pub(super) fn new(of: Arc<ProgramFile>, track: usize, file: Arc<File>) -> Option<Self> {
        let stored = of.streams.get(track)?;
        let cursor = Cursor::new(of.layout, std::iter::once(stored.id));
        let stream = stored.stream.begin();
        Some(Self {
            of,
            track,
            file,
            cursor,
            stream,
            offset: 0,
            buffer: Vec::new(),
            drained: false,
            ended: None,
        })
    }

    fn go_to(&mut self, offset: u64, start: Start) {
        self.stream.restart(start);
        self.cursor.restart();
        self.offset = offset;
        self.drained = false;
        self.ended = None;
    }

    fn read(&mut self) -> io::Result<()> {
        let left = self.of.file.len().saturating_sub(self.offset);
        let want = usize::try_from(left).unwrap_or(READ_LEN).min(READ_LEN);
        self.buffer.resize(READ_LEN, 0);
        let into = self.buffer.get_mut(..want).unwrap_or_default();
        let got = fill_at(&self.file, into, self.offset)?;
        if got < want {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, CUT_SHORT));
        }
        let mut feeder = Feeder { stream: &mut *self.stream, timeline: &self.of.timeline };
        let bytes = self.buffer.get(..got).unwrap_or_default();
        let consumed = self.cursor.handle_bytes(bytes, self.offset, &mut feeder);
        self.offset += consumed as u64;
        if consumed == 0 {
            self.stream.handle_end();
            self.drained = true;
        }
        Ok(())
    }
}

impl FramedSource for ProgramSource {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        if let Some(ending) = &self.ended {
            return FramePoll::Ended(ending.clone());
        }
        let end = self.of.duration.map_or(Duration::MAX, |end| end.saturating_add(BEYOND_THE_END));
        for _ in 0..READS_PER_POLL {
            if let Some(mut frame) = self.stream.poll_frame(cx.frame_memory()) {
                frame.pts = frame.pts.saturating_sub(self.of.begins);
                frame.dts = frame.dts.saturating_sub(self.of.begins);
                if frame.dts <= end {
                    return FramePoll::Ready(frame);
                }
                self.stream.handle_gap();
                continue;
            }
            let ending = match self.drained {
                true => Some(Ending::EndOfStream),
                false => self.read().err().map(|e| Ending::Failed(e.to_string())),
            };
            if let Some(ending) = ending {
                self.ended = Some(ending.clone());
                return FramePoll::Ended(ending);
            }
        }
        FramePoll::Pending(Wait::Work)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        if npt.is_zero() {
            // Back to the start is always possible.
            self.go_to(0, Start::Key);
            return Ok(Duration::ZERO);
        }
        let place = self.of.place(&self.file, npt)?;
        let offset = match self.of.video() {
            Some(video) if video != self.track => {
                let from = place.time.saturating_sub(SOUND_AHEAD);
                let offset = self.of.offset_before(&self.file, from);
                offset.map_err(|e| SeekError::Failed(e.to_string()))?
            }
            _ => place.offset,
        };
        self.go_to(offset, Start::At(place.time));
        Ok(place.time.saturating_sub(self.of.begins))
    }

    fn duration(&self) -> Option<Duration> {
        self.of.duration
    }
}
