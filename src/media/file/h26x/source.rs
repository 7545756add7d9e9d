//! [`ParsingSource`]: reads a byte stream file from one end to the other and finds its access
//! units anew. For files with more of them than a table may hold.

use super::file::{CHUNK, H26xFile};
use crate::frame::Frame;
use crate::framer::video::{AnyVideoFramer, DEFAULT_MAX_ACCESS_UNIT};
use crate::media::file::shared::read_at;
use crate::media::{Ending, FrameMemory, FramePoll, FramedSource, SeekError, SourceContext, Wait};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(super) const BECAME_SHORTER: &str = "the file has become shorter";

pub(super) fn cannot_be_read(e: io::Error) -> Ending {
    Ending::Failed(format!("the file cannot be read: {e}"))
}

/// Reads that one call may do before it gives way to others.
const READS_PER_POLL: usize = 16;

/// One reader of a file.
#[derive(Debug)]
pub(super) struct ParsingSource {
    of: Arc<H26xFile>,
    file: Arc<File>,
    framer: Box<AnyVideoFramer>,
    /// Where to read next.
    offset: u64,
    /// The framer knows that the file has ended.
    input_ended: bool,
    ended: Option<Ending>,
    after_seek: Option<AfterSeek>,
}

/// What is to be done with the first frames after a seek.
#[derive(Debug)]
struct AfterSeek {
    /// In front of the key picture, if it does not bring its own.
    parameter_sets: Option<Vec<Bytes>>,
    /// Presentation time of the key picture: what is presented earlier refers to pictures that
    /// nobody got.
    from: Duration,
}

impl ParsingSource {
    pub(super) fn open(of: Arc<H26xFile>) -> io::Result<Self> {
        let file = of.file.open()?;
        let framer = new_framer(&of);
        Ok(Self { of, file, framer, offset: 0, input_ended: false, ended: None, after_seek: None })
    }

    /// Reads the next chunk, or tells the framer that there is none.
    fn read(&mut self) -> Result<(), Ending> {
        let left = self.of.len.saturating_sub(self.offset);
        let want = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        if want == 0 {
            self.framer.handle_end();
            self.input_ended = true;
            return Ok(());
        }
        let (file, offset) = (&self.file, self.offset);
        match self.framer.handle_input_with(want, |into| read_at(file, into, offset)) {
            Ok(0) => Err(Ending::Failed(BECAME_SHORTER.into())),
            Ok(got) => {
                self.offset += got as u64;
                Ok(())
            }
            Err(e) => Err(cannot_be_read(e)),
        }
    }

    /// The frame as it is to be given out, unless it is to be left out.
    fn admit(&mut self, mut frame: Frame, memory: &mut FrameMemory) -> Option<Frame> {
        let Some(after) = &mut self.after_seek else { return Some(frame) };
        if let Some(sets) = after.parameter_sets.take() {
            frame.data = self.of.codec.after_seek(frame.data, &sets, memory);
            return Some(frame);
        }
        if frame.pts < after.from {
            log::trace!("leading picture left out after a seek");
            return None;
        }
        // Leading pictures precede all trailing ones in decoding order.
        self.after_seek = None;
        Some(frame)
    }
}

fn new_framer(file: &H26xFile) -> Box<AnyVideoFramer> {
    let mut framer = file.codec.framer(DEFAULT_MAX_ACCESS_UNIT);
    framer.set_time_unit(file.time_unit);
    if file.intra_is_key {
        framer.count_intra_pictures_as_key();
    }
    framer.set_reorder_delay(file.reorder_delay);
    framer
}

impl FramedSource for ParsingSource {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        if let Some(ending) = &self.ended {
            return FramePoll::Ended(ending.clone());
        }
        let mut reads = 0;
        let ending = loop {
            match self.framer.poll_frame() {
                Ok(Some(frame)) => {
                    if let Some(frame) = self.admit(frame, cx.frame_memory()) {
                        return FramePoll::Ready(frame);
                    }
                    continue;
                }
                Ok(None) if self.input_ended => break Ending::EndOfStream,
                Ok(None) => {}
                Err(e) => break Ending::Failed(e.to_string()),
            }
            if reads == READS_PER_POLL {
                return FramePoll::Pending(Wait::Work);
            }
            reads += 1;
            if let Err(ending) = self.read() {
                break ending;
            }
        };
        self.ended = Some(ending.clone());
        FramePoll::Ended(ending)
    }

    fn check_seek(&self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<(), SeekError> {
        self.of.point_for(npt).map(drop)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let point = self.of.point_for(npt)?;
        let sets = self.of.index.version(point.version).to_vec();
        // Anew, so that no parameter set from behind the point is in force.
        self.framer = new_framer(&self.of);
        self.framer.handle_parameter_sets(sets.iter().map(|set| &set[..]));
        self.framer.handle_seek_to(point.offset, point.decode_index, point.time);
        self.offset = point.offset;
        self.input_ended = false;
        self.ended = None;
        let from = self.of.time_of(&point);
        self.after_seek = Some(AfterSeek { parameter_sets: Some(sets), from });
        Ok(from)
    }

    fn key_frame_after(
        &mut self,
        npt: Duration,
        _cx: &mut SourceContext<'_>,
    ) -> Result<Option<Duration>, SeekError> {
        Ok(self.of.key_frame_after(npt))
    }

    fn duration(&self) -> Option<Duration> {
        Some(self.of.duration())
    }
}
