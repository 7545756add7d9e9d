//! The chain: source → filter → sink. Frames are pulled from the sink's end, without callbacks.

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

/// Called when somebody who was told to wait for input ([`Wait::Input`]) has some. It may be
/// called from any thread and must not call back into the source; an event trigger is what it is
/// for.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// What a source is told when it is asked for a frame.
#[derive(Debug)]
pub struct SourceContext<'a> {
    /// Monotonic time of this turn of the loop.
    pub now: Instant,
    /// Demultiplexers that several sources feed from, and what else sources share.
    pub demuxers: &'a mut demux::DemuxTable,
}

impl SourceContext<'_> {
    /// Memory for the frames that a source reads: where many sources send one after the other,
    /// they read into the same memory. It comes back when the frame is sent.
    pub const fn frame_memory(&mut self) -> &mut FrameMemory {
        self.demuxers.frame_memory()
    }
}

/// What a source has to give.
#[derive(Debug)]
pub enum FramePoll {
    /// The next frame.
    Ready(Frame),
    /// None yet.
    Pending(Wait),
    /// None ever again (until a seek).
    Ended(Ending),
}

/// What a source waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A moment.
    Until(Instant),
    /// Input: whoever brings it (an event trigger, a socket) makes the owner ask again.
    Input,
    /// Nothing: there is more work to do than one call may take; ask again next turn.
    Work,
}

/// Why a source ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All was delivered.
    EndOfStream,
    /// The input broke; what it was, for the log.
    Failed(String),
}

/// Why a source did not seek.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekError {
    /// The source has no positions (live input).
    NotSeekable,
    /// The position lies beyond the end.
    OutOfRange,
    /// The input broke.
    Failed(String),
}

/// When a frame is presented and when it is due, as in the [`Frame`] itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTimes {
    /// Presentation time.
    pub pts: Duration,
    /// When it is due to be sent.
    pub dts: Duration,
}

/// Gives frames to whoever asks.
pub trait FramedSource {
    /// The next frame. Asking again while pending or after the end is harmless. One call does a
    /// bounded amount of work.
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll;

    /// Times of the frame that comes next, where they are known without fetching it. Whoever sends
    /// frames when they are due need not fetch the next one, and hold it, before it is. Where this
    /// is `None`, only [`poll_frame`](Self::poll_frame) can tell.
    fn next_times(&self) -> Option<FrameTimes> {
        None
    }

    /// Goes to the last point at or before `npt` at which decoding can start, and returns where
    /// that is. Frames that follow have presentation times counted from the start of the media.
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

    /// Whether [`seek`](Self::seek) to `npt` can be done, without doing it: the tracks of a
    /// presentation are moved together or not at all. The default goes by the
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

    /// Length of the media, if it has one that is known.
    fn duration(&self) -> Option<Duration> {
        None
    }

    /// The owner is done with the source: releases what it holds in tables of `cx`.
    fn close(&mut self, cx: &mut SourceContext<'_>) {
        let _ = cx;
    }
}

/// A source that changes what another gives; it owns its input, so dropping it drops the chain.
pub trait FramedFilter: FramedSource {
    /// The source behind the filter.
    fn input(&self) -> &dyn FramedSource;
}
