//! [`TrickPlay`]: plays a source at another scale (RFC 2326 section 12.34), if need be by its key frames
//! alone.
//!
//! Frames keep their normal play times, which go on faster or slower than those of the clock, or
//! backwards; the stream's time line turns them into times of the clock. Between two key frames the
//! source is moved, so that what lies between them is neither read nor decoded.

use super::scale::{LEAST_INTERVAL, nearest, scaled};
use super::{
    Ending, FramePoll, FrameTimes, FramedFilter, FramedSource, SeekError, SourceContext, Wait,
};
use std::time::Duration;

/// Frames that are passed over in one poll, on the way to a key frame.
const FRAMES_A_POLL: usize = 16;
/// The time of a key frame as an index has it may be off by this.
const TOLERANCE: Duration = Duration::from_millis(1);

/// A source that can be played at another scale.
pub(crate) struct TrickPlay {
    source: Box<dyn FramedSource>,
    is_video: bool,
    scale: f32,
    /// Only key frames are played.
    keys: Option<KeyFrames>,
}

/// Where a source that is played by its key frames is.
#[derive(Debug)]
struct KeyFrames {
    /// Least normal play time between two.
    step: Duration,
    is_backwards: bool,
    /// The key frame that was given last.
    last: Option<Duration>,
    /// Where the source was moved last.
    sought: Duration,
    next: Next,
}

#[derive(Clone, Debug)]
enum Next {
    /// The source stands in front of it.
    Here,
    /// The source is to be moved there.
    At(Duration),
    /// There is none.
    None(Ending),
}

impl TrickPlay {
    pub(crate) fn new(source: Box<dyn FramedSource>, is_video: bool) -> Self {
        Self { source, is_video, scale: 1.0, keys: None }
    }

    /// Whether only key frames are given, by the source itself or of what it gives.
    pub(crate) fn gives_key_frames_only(&self) -> bool {
        self.is_video && !(0.0..=1.0).contains(&self.scale)
    }

    fn poll_key_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        let Some(keys) = &mut self.keys else { return FramePoll::Pending(Wait::Work) };
        match keys.next.clone() {
            Next::None(ending) => return FramePoll::Ended(ending),
            Next::Here => {}
            Next::At(npt) => {
                let end = self.source.duration().unwrap_or(Duration::MAX);
                let target = Some(npt + TOLERANCE).filter(|at| *at < end && !keys.is_backwards);
                if let Err(e) = self.source.seek(target.unwrap_or(npt), cx) {
                    return end_of(keys, Err(e));
                }
                (keys.next, keys.sought) = (Next::Here, npt);
            }
        }
        for _ in 0..FRAMES_A_POLL {
            let mut frame = match self.source.poll_frame(cx) {
                FramePoll::Ready(frame) => frame,
                FramePoll::Ended(ending) => {
                    keys.next = Next::None(ending.clone());
                    return FramePoll::Ended(ending);
                }
                FramePoll::Pending(wait) => return FramePoll::Pending(wait),
            };
            if !frame.flags.key {
                cx.frame_memory().give_back(frame.data);
                continue;
            }
            let is_new = match keys.last {
                Some(last) if keys.is_backwards => frame.pts < last,
                Some(last) => frame.pts > last,
                None => true,
            };
            if !is_new {
                cx.frame_memory().give_back(frame.data);
                if keys.is_backwards {
                    return end_of(keys, Ok(()));
                }
                self.find_next(cx);
                return FramePoll::Pending(Wait::Work);
            }
            frame.dts = frame.pts;
            frame.flags.discontinuity = true;
            keys.last = Some(frame.pts);
            self.find_next(cx);
            return FramePoll::Ready(frame);
        }
        FramePoll::Pending(Wait::Work)
    }

    /// Finds where the key frame is that follows on the last one.
    fn find_next(&mut self, cx: &mut SourceContext<'_>) {
        let Some(keys) = &mut self.keys else { return };
        let Some(last) = keys.last else { return };
        let step = keys.step.max(Duration::from_nanos(1));
        keys.next = if keys.is_backwards {
            match last {
                Duration::ZERO => Next::None(Ending::EndOfStream),
                // The last at or before it; the first picture is shown in any case.
                _ => Next::At(last.saturating_sub(step)),
            }
        } else {
            // A source whose index is wrong gives the same one again; it is asked for the next.
            let after = last.saturating_add(step - Duration::from_nanos(1)).max(keys.sought);
            match self.source.key_frame_after(after, cx) {
                Ok(Some(at)) => Next::At(at),
                Ok(None) => Next::None(Ending::EndOfStream),
                Err(e) => Next::None(ending_of(&e)),
            }
        };
    }

    /// The source was moved, and stands in front of what is given next.
    fn note_moved(&mut self) {
        if let Some(keys) = &mut self.keys {
            (keys.last, keys.sought, keys.next) = (None, Duration::ZERO, Next::Here);
        }
    }
}

fn ending_of(error: &SeekError) -> Ending {
    match error {
        SeekError::OutOfRange => Ending::EndOfStream,
        SeekError::NotSeekable => Ending::Failed("the source cannot be moved".into()),
        SeekError::Failed(why) => Ending::Failed(why.clone()),
    }
}

fn end_of(keys: &mut KeyFrames, moved: Result<(), SeekError>) -> FramePoll {
    let ending = moved.map_or_else(|e| ending_of(&e), |()| Ending::EndOfStream);
    keys.next = Next::None(ending.clone());
    FramePoll::Ended(ending)
}

impl FramedFilter for TrickPlay {
    fn input(&self) -> &dyn FramedSource {
        &*self.source
    }
}

impl FramedSource for TrickPlay {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        if self.keys.is_some() {
            return self.poll_key_frame(cx);
        }
        self.source.poll_frame(cx)
    }

    fn next_times(&self) -> Option<FrameTimes> {
        match &self.keys {
            None => self.source.next_times(),
            // Of the first frame only itself tells exactly.
            Some(KeyFrames { next: Next::At(npt), is_backwards: false, .. }) => {
                Some(FrameTimes { pts: *npt, dts: *npt })
            }
            Some(_) => None,
        }
    }

    fn seek(&mut self, npt: Duration, cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let landed = self.source.seek(npt, cx)?;
        self.note_moved();
        Ok(landed)
    }

    fn begin_anew(
        &mut self,
        period: Duration,
        cx: &mut SourceContext<'_>,
    ) -> Result<(), SeekError> {
        self.source.begin_anew(period, cx)?;
        self.note_moved();
        Ok(())
    }

    fn check_seek(&self, npt: Duration, cx: &mut SourceContext<'_>) -> Result<(), SeekError> {
        self.source.check_seek(npt, cx)
    }

    fn key_frame_after(
        &mut self,
        npt: Duration,
        cx: &mut SourceContext<'_>,
    ) -> Result<Option<Duration>, SeekError> {
        self.source.key_frame_after(npt, cx)
    }

    fn test_scale_factor(&self, scale: f32) -> Option<f32> {
        let by_stream = || {
            let is_sought = self.is_video && self.source.duration().is_some();
            if is_sought { nearest(scale) } else { 1.0 }
        };
        Some(self.source.test_scale_factor(scale).unwrap_or_else(by_stream))
    }

    fn set_scale(&mut self, scale: f32) {
        if scale == self.scale {
            return;
        }
        let is_own = self.source.test_scale_factor(scale) == Some(scale);
        self.source.set_scale(if is_own { scale } else { 1.0 });
        self.scale = scale;
        self.keys = (!is_own && self.gives_key_frames_only()).then(|| KeyFrames {
            step: scaled(LEAST_INTERVAL, scale),
            is_backwards: scale < 0.0,
            last: None,
            sought: Duration::ZERO,
            next: Next::Here,
        });
    }

    fn request_key_frame(&mut self) {
        self.source.request_key_frame();
    }

    fn duration(&self) -> Option<Duration> {
        self.source.duration()
    }

    fn close(&mut self, cx: &mut SourceContext<'_>) {
        self.source.close(cx);
    }
}

impl std::fmt::Debug for TrickPlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrickPlay")
            .field("scale", &self.scale)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
