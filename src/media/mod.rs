//! Sources, filters and queues of media. Frames are pulled from the consuming end, without
//! callbacks.
//!
//! Start with [`FramedSource`], the interface of everything that produces [`Frame`]s.
//! [`file`](mod@file) reads media files, [`live`] takes frames from an encoder, [`sinks`] write
//! frames to files, [`replicator`] and [`demux`] serve several consumers.

use crate::frame::Frame;
pub use frame_memory::FrameMemory;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) mod access_unit;
pub mod demux;
pub mod file;
mod frame_memory;
pub mod live;
mod parameter_sets;
pub mod queue;
pub mod replicator;
mod scale;
pub mod sinks;
pub(crate) mod trick_play;

/// A function that is called when a source that waits for input ([`Wait::Input`]) has some. It may
/// be called from any thread and must not call back into the source. It usually calls `trigger` of
/// an [`EventTrigger`](crate::env::EventTrigger).
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The context in which a source is called.
#[derive(Debug)]
#[non_exhaustive]
pub struct SourceContext<'a> {
    /// Monotonic time of this turn of the loop.
    pub now: Instant,
    /// The demultiplexers and the memory that the sources of a server share.
    pub demuxers: &'a mut demux::DemuxTable,
}

impl<'a> SourceContext<'a> {
    /// Creates a context for the time `now`, which must be monotonic.
    pub const fn new(now: Instant, demuxers: &'a mut demux::DemuxTable) -> Self {
        Self { now, demuxers }
    }

    /// Returns the memory that the sources share for frames. It is given back when a frame has been
    /// sent.
    pub const fn frame_memory(&mut self) -> &mut FrameMemory {
        self.demuxers.frame_memory()
    }
}

/// The result of polling a source for a frame.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "callers handle every outcome")]
pub enum FramePoll {
    /// The next frame.
    Ready(Frame),
    /// There is no frame yet.
    Pending(Wait),
    /// There are no more frames (until a seek).
    Ended(Ending),
}

/// The reason for which a source has no frame now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers handle every kind of wait")]
pub enum Wait {
    /// The time of the next frame.
    Until(Instant),
    /// Input: its provider (an event trigger, a socket) makes the owner poll again.
    Input,
    /// The remaining work, which exceeds what one call may do: poll again in the next turn.
    Work,
}

/// The reason for which a source ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All frames were delivered.
    EndOfStream,
    /// The input failed; the text is for logging.
    Failed(String),
}

/// The reason for which a source cannot seek.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekError {
    /// The source has no positions (live input).
    NotSeekable,
    /// The position lies beyond the end.
    OutOfRange,
    /// The input failed.
    Failed(String),
}

/// Where a seek leads; `None` behind the end.
fn within(landed: Result<Duration, SeekError>) -> Result<Option<Duration>, SeekError> {
    match landed {
        Err(SeekError::OutOfRange) => Ok(None),
        landed => landed.map(Some),
    }
}

/// The times of a frame, as in the [`Frame`] itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementors of sources make it, and a frame has two times"
)]
pub struct FrameTimes {
    /// Presentation time.
    pub pts: Duration,
    /// Decoding time: when the frame is due to be sent.
    pub dts: Duration,
}

/// A source of frames, which are pulled from it one by one.
pub trait FramedSource {
    /// Returns the next frame, or the reason for which there is none. Further calls while the
    /// source is pending or has ended are harmless. One call does a bounded amount of work.
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll;

    /// Returns the times of the next frame, if they are known without reading it. A stream can then
    /// wait until the frame is due before it reads it. `None` means that only
    /// [`poll_frame`](Self::poll_frame) can determine them.
    fn next_times(&self) -> Option<FrameTimes> {
        None
    }

    /// Moves to the last point at or before `npt` at which decoding can start, and returns its
    /// presentation time. The frames that follow have presentation times counted from the start of
    /// the media.
    fn seek(&mut self, npt: Duration, cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let _ = (npt, cx);
        Err(SeekError::NotSeekable)
    }

    /// At the end: begins again at the start, as a continuation. What comes next is due `period`
    /// after the start, and counts its times from the start of the media as before. A source whose
    /// frames carry a clock of their own (a transport stream) lets that go on as well; for all
    /// others this is a seek to the start.
    fn begin_anew(
        &mut self,
        period: Duration,
        cx: &mut SourceContext<'_>,
    ) -> Result<(), SeekError> {
        let _ = period;
        self.seek(Duration::ZERO, cx).map(drop)
    }

    /// Checks whether [`seek`](Self::seek) to `npt` is possible, without moving: the tracks of a
    /// presentation move together or not at all. The default compares `npt` with the
    /// [`duration`](Self::duration).
    ///
    /// # Errors
    /// Those of [`seek`](Self::seek), as far as they can be foreseen.
    fn check_seek(&self, npt: Duration, cx: &mut SourceContext<'_>) -> Result<(), SeekError> {
        let _ = cx;
        match self.duration() {
            None => Err(SeekError::NotSeekable),
            Some(duration) if npt >= duration && !npt.is_zero() => Err(SeekError::OutOfRange),
            Some(_) => Ok(()),
        }
    }

    /// Returns the presentation time of the first point after `npt` at which decoding can start;
    /// `None` if there is none. It may move the source: a [`seek`](Self::seek) follows. Fast forward
    /// plays these points alone. The default finds it by seeking.
    ///
    /// # Errors
    /// Those of [`seek`](Self::seek).
    fn key_frame_after(
        &mut self,
        npt: Duration,
        cx: &mut SourceContext<'_>,
    ) -> Result<Option<Duration>, SeekError> {
        let end = self.duration().ok_or(SeekError::NotSeekable)?;
        scale::find_key_frame_after(npt, end, |npt| within(self.seek(npt, cx)))
    }

    /// Returns the scale (RFC 2326 section 12.34) nearest to `scale` at which the source itself can
    /// play. `None`, the default: it plays as it is recorded, and knows of no other scale. A stream
    /// then plays video that can be sought by its key frames, which needs no support of the source.
    fn test_scale_factor(&self, scale: f32) -> Option<f32> {
        let _ = scale;
        None
    }

    /// Sets the scale, to one that [`test_scale_factor`](Self::test_scale_factor) returns. The times
    /// of the frames that follow remain normal play times: from one frame to the next they differ by
    /// `scale` times what the frame lasts when it is played, and decrease if `scale` is negative.
    fn set_scale(&mut self, scale: f32) {
        let _ = scale;
    }

    /// Requests a key frame, because a viewer needs one to continue; a source with an encoder makes
    /// it produce one. A stream calls this at most twice a second. The default has no effect.
    fn request_key_frame(&mut self) {}

    /// Returns the duration of the media, if it is known.
    fn duration(&self) -> Option<Duration> {
        None
    }

    /// Releases what the source holds in tables of `cx`. The owner calls it before it drops the
    /// source.
    fn close(&mut self, cx: &mut SourceContext<'_>) {
        let _ = cx;
    }
}

/// A source that changes the frames of another source. It owns its input, so that dropping the
/// filter drops the chain.
pub trait FramedFilter: FramedSource {
    /// Returns the source that the filter reads.
    fn input(&self) -> &dyn FramedSource;
}
