//! [`IndexedSource`]: gives a byte stream file's access units as the probe found them. A frame is
//! one read of just its bytes; between two frames the source holds none.

use super::file::H26xFile;
use super::source::{BECAME_SHORTER, cannot_be_read};
use super::units::{Unit, Units};
use crate::frame::{Frame, FrameFlags};
use crate::media::file::shared::fill_at;
use crate::media::{
    Ending, FrameMemory, FramePoll, FrameTimes, FramedSource, SeekError, SourceContext,
};
use bytes::Bytes;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// One reader of a file whose access units are all known.
#[derive(Debug)]
pub(super) struct IndexedSource {
    of: Arc<H26xFile>,
    units: Arc<Units>,
    file: Arc<File>,
    /// Number of the next access unit in decoding order, and where it begins.
    next: u64,
    offset: u64,
    after_seek: Option<AfterSeek>,
    ended: Option<Ending>,
}

/// The next access unit is one that somebody has sought.
#[derive(Clone, Copy, Debug)]
struct AfterSeek {
    /// Which parameter sets are in force there.
    version: usize,
    /// Its place in output order: what is presented earlier refers to pictures that nobody got.
    from: u64,
}

impl IndexedSource {
    pub(super) fn new(of: Arc<H26xFile>, units: Arc<Units>, file: Arc<File>) -> Self {
        let offset = units.first_offset();
        Self { of, units, file, next: 0, offset, after_seek: None, ended: None }
    }

    fn pass(&mut self, unit: Unit) {
        self.next += 1;
        self.offset += unit.len as u64;
    }

    fn read(&self, unit: Unit, memory: &mut FrameMemory) -> Result<Bytes, Ending> {
        let mut data = memory.take(unit.len);
        let got = fill_at(&self.file, &mut data, self.offset).map_err(cannot_be_read)?;
        if got < unit.len {
            return Err(Ending::Failed(BECAME_SHORTER.into()));
        }
        if !(data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1])) {
            return Err(Ending::Failed("the file has changed since it was probed".into()));
        }
        Ok(data.freeze())
    }

    /// Times of the next access unit.
    fn times(&self, unit: Unit) -> FrameTimes {
        let delay = u64::from(self.of.reorder_delay);
        let dts = self.next.checked_sub(delay).map_or(Duration::ZERO, |n| self.of.times.at(n));
        let pts = self.of.times.at(unit.output_index);
        // Not even in a broken stream is a picture presented before it is decoded.
        FrameTimes { pts: pts.max(dts), dts }
    }

    fn frame(&mut self, unit: Unit, memory: &mut FrameMemory) -> Result<Frame, Ending> {
        let mut data = self.read(unit, memory)?;
        let FrameTimes { pts, dts } = self.times(unit);
        self.pass(unit);
        let after_seek = self.after_seek.take();
        if let Some(after) = after_seek {
            let sets = self.of.index.version(after.version);
            data = self.of.codec.after_seek(data, sets, memory);
            // Leading pictures precede all trailing ones in decoding order.
            while let Some(unit) = self.units.get(self.next).filter(|u| u.output_index < after.from)
            {
                log::trace!("leading picture left out after a seek");
                self.pass(unit);
            }
        }
        let begin = |n| self.of.times.at(n);
        Ok(Frame {
            data,
            pts,
            dts,
            duration: begin(unit.output_index + 1).saturating_sub(begin(unit.output_index)),
            wall_clock: None,
            flags: FrameFlags {
                key: unit.key,
                ends_access_unit: true,
                discontinuity: after_seek.is_some(),
            },
        })
    }
}

impl FramedSource for IndexedSource {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        if let Some(ending) = &self.ended {
            return FramePoll::Ended(ending.clone());
        }
        let frame = match self.units.get(self.next) {
            Some(unit) => self.frame(unit, cx.frame_memory()),
            None => Err(Ending::EndOfStream),
        };
        frame.map_or_else(
            |ending| {
                self.ended = Some(ending.clone());
                FramePoll::Ended(ending)
            },
            FramePoll::Ready,
        )
    }

    fn next_times(&self) -> Option<FrameTimes> {
        if self.ended.is_some() {
            return None;
        }
        self.units.get(self.next).map(|unit| self.times(unit))
    }

    fn check_seek(&self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<(), SeekError> {
        self.of.point_for(npt).map(drop)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let point = self.of.point_for(npt)?;
        self.next = point.decode_index;
        self.offset = point.offset;
        self.after_seek = Some(AfterSeek { version: point.version, from: point.output_index });
        self.ended = None;
        Ok(self.of.time_of(&point))
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
