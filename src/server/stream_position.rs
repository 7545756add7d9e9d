//! Where a stream is on its time line: seeking, what goes out next and when, beginning anew.

use super::key_frame_cache::KeyFrameCache;
use super::stream_state::{Phase, StreamState, Wiring};
use super::subsession::FastStart;
use crate::frame::Frame;
use crate::media::demux::DemuxTable;
use crate::media::{Ending, FramePoll, FrameTimes, FramedSource, SeekError, SourceContext, Wait};
use std::time::{Duration, Instant};

/// Where a source's time line lies on the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub(super) at: Instant,
    pub(super) npt: Duration,
}

impl Base {
    /// When what is decoded at `dts` is due.
    pub(super) fn due_at(self, dts: Duration) -> Instant {
        match dts.checked_sub(self.npt) {
            Some(after) => self.at.checked_add(after).unwrap_or(self.at),
            None => self.at,
        }
    }

    /// Running time of a presentation time. What lies before the base (a key frame before the
    /// position that was asked for) comes out before it, down to 0.
    pub(super) fn running_time(self, epoch: Instant, pts: Duration) -> Duration {
        let at = self.at.saturating_duration_since(epoch);
        match pts.checked_sub(self.npt) {
            Some(after) => at.saturating_add(after),
            None => at.saturating_sub(self.npt - pts),
        }
    }
}

impl StreamState {
    /// Normal play time of the frame that goes out next, or went out last.
    pub fn npt(&self) -> Duration {
        self.next_times().map_or(self.position, |next| next.dts)
    }

    /// Times of the frame that goes out next, if it is at hand or the source knows them.
    fn next_times(&self) -> Option<FrameTimes> {
        let of = |frame: &Frame| FrameTimes { pts: frame.pts, dts: frame.dts };
        self.pending.as_ref().map(of).or_else(|| self.source.next_times())
    }

    /// Whether it is known when the next frame is to go out.
    pub(super) fn has_frame(&self) -> bool {
        self.next_times().is_some()
    }

    /// Goes to `npt`; returns where it goes on. Shared streams are not moved.
    pub(super) fn seek_with(
        &mut self,
        demuxers: &mut DemuxTable,
        now: Instant,
        seek: impl FnOnce(&mut dyn FramedSource, &mut SourceContext<'_>) -> Result<Duration, SeekError>,
    ) -> Result<Duration, SeekError> {
        let mut cx = SourceContext { now, demuxers };
        let start = seek(&mut *self.source, &mut cx)?;
        self.pending = None;
        self.sink.reset();
        self.key_frames.reset();
        self.position = start;
        self.base = None;
        if self.phase == Phase::Ended {
            self.phase = Phase::Idle;
        }
        Ok(start)
    }

    pub(super) fn set_stop(&mut self, stop_at: Option<Duration>) {
        self.stop_at = stop_at;
    }

    /// Makes the time of the first frame known, by fetching it if need be.
    pub(super) fn prepare(&mut self, wiring: &mut Wiring<'_>, now: Instant) {
        if self.phase == Phase::Playing {
            return;
        }
        // A demultiplexer may need several bounded steps to find the track's first frame.
        for _ in 0..64 {
            if self.has_frame() {
                return;
            }
            let mut cx = SourceContext { now, demuxers: wiring.demuxers };
            match self.source.poll_frame(&mut cx) {
                FramePoll::Ready(frame) => self.pending = Some(frame),
                FramePoll::Pending(Wait::Work) => {}
                FramePoll::Pending(_) | FramePoll::Ended(_) => return,
            }
        }
    }

    /// Sequence number and, where the next frame is at hand, RTP timestamp of the packet that
    /// goes out next (for RTP-Info). `npt` as for [`start`](Self::start).
    ///
    /// A newcomer to a running stream may get older packets first, or none for a while.
    pub(super) fn next_packet(&self, now: Instant, npt: Duration) -> (Option<u16>, Option<u32>) {
        if self.phase == Phase::Playing {
            let cached = self.cache.as_ref().and_then(KeyFrameCache::first_packet);
            match (self.policy.fast_start, cached) {
                (FastStart::Off, _) => {}
                (FastStart::KeyFrameCache, Some((seq, time))) => return (Some(seq), Some(time)),
                (FastStart::KeyFrameCache, None) | (FastStart::WaitForKeyFrame, _) => {
                    return (None, None);
                }
            }
        }
        let base = self.base.unwrap_or(Base { at: now, npt });
        let of_next = || {
            let next = self.next_times()?;
            Some(self.sink.timestamp_of(next.pts, base.running_time(self.epoch, next.pts)))
        };
        let timestamp = self.sink.held_timestamp().or_else(of_next);
        (Some(self.sink.next_sequence()), timestamp)
    }

    /// When there is something to do again, if that is known without fetching the next frame: a
    /// frame of a thousand streams each that waits to be due is much memory.
    pub(super) fn not_before(&self, now: Instant) -> Option<Instant> {
        let base = self.base.filter(|_| !self.live)?;
        let dts = self.source.next_times()?.dts;
        let due = base.due_at(dts);
        (due > now && self.stop_at.is_none_or(|stop| dts < stop)).then_some(due)
    }

    /// At the end of a repeating stream: lets it begin again one period after its start.
    pub(super) fn begin_anew(
        &mut self,
        wiring: &mut Wiring<'_>,
        now: Instant,
        ending: &Ending,
    ) -> Option<()> {
        if let Ending::Failed(why) = ending {
            log::warn!("stream {:08x}: {why}", self.sink.ssrc());
            return None;
        }
        // A source that has nothing (any more) would begin anew all the time.
        let period = self.repeat_period.filter(|p| !p.is_zero() && self.gave_frame)?;
        let base = self.base?;
        let mut cx = SourceContext { now, demuxers: wiring.demuxers };
        self.source.begin_anew(period, &mut cx).ok()?;
        self.gave_frame = false;
        self.key_frames.reset();
        let left = period.saturating_sub(base.npt);
        self.base = Some(Base { at: base.at.checked_add(left)?, npt: Duration::ZERO });
        Some(())
    }
}
