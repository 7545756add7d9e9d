//! Where a stream is on its time line: seeking, what goes out next and when, beginning anew.

use crate::frame::Frame;
use crate::media::demux::DemuxTable;
use crate::media::{Ending, FramePoll, FrameTimes, FramedSource, SeekError, SourceContext, Wait};
use crate::stream::base::Base;
use crate::stream::fast_start::FastStart;
use crate::stream::key_frame_cache::KeyFrameCache;
use crate::stream::send_context::SendContext;
use crate::stream::state::{Phase, StreamState};
use std::time::{Duration, Instant};

impl StreamState {
    /// Normal play time that is presented next. Behind a seek that is the key frame's presentation
    /// time; later the decoding time of the next frame, before which none of those that follow is
    /// presented.
    ///
    /// Of a live stream it is the time of the presentation, which its tracks share; 0 before the
    /// first frame.
    pub fn npt(&self) -> Duration {
        if self.live {
            let latest = self.next_times().map_or(self.position, |next| next.dts);
            return self.live_place.map_or(Duration::ZERO, |place| place.npt_of(latest));
        }
        let of = |next: FrameTimes| if self.at_seek_point { next.pts } else { next.dts };
        self.next_times().map_or(self.position, of)
    }

    /// Decoding time of the frame that goes out next, or went out last.
    pub(crate) fn next_dts(&self) -> Duration {
        self.next_times().map_or(self.position, |next| next.dts)
    }

    /// Normal play time of the first packet that a destination gets. One that joins others may get
    /// what was sent since the last key frame, or audio that waits in the packetizer.
    pub(crate) fn first_npt(&self, joins: bool) -> Duration {
        let before = self.cached_packet(joins).map(|(_, timestamp)| timestamp);
        let before = before.or_else(|| self.sink.held_timestamp());
        let before = before.and_then(|timestamp| self.npt_of(timestamp));
        before.into_iter().fold(self.npt(), Duration::min)
    }

    /// Normal play time of a timestamp not far from the present, if it is of this time line.
    fn npt_of(&self, timestamp: u32) -> Option<Duration> {
        let now = if self.live { None } else { self.next_times() };
        let now = now.map_or_else(|| self.npt(), |next| next.pts);
        let at_now = self.timestamp_of(self.base, now)?;
        let units = i64::from(timestamp.wrapping_sub(at_now) as i32);
        let nanos = units.unsigned_abs() * 1_000_000_000 / u64::from(self.sink.clock_rate().max(1));
        let distance = Duration::from_nanos(nanos);
        if units < 0 { now.checked_sub(distance) } else { now.checked_add(distance) }
    }

    /// RTP timestamp of a normal play time; of a live stream not before its first frame.
    fn timestamp_of(&self, base: Option<Base>, npt: Duration) -> Option<u32> {
        if self.live {
            let place = self.live_place.as_ref()?;
            return Some(self.sink.timestamp_at(place.running_time_of(npt)));
        }
        Some(self.sink.timestamp_of(npt, base?.running_time(self.epoch, npt)))
    }

    /// Sequence number and timestamp of the first packet that a newcomer gets of the cache.
    fn cached_packet(&self, joins: bool) -> Option<(u16, u32)> {
        let is_used = joins
            && self.phase == Phase::Playing
            && self.policy.fast_start == FastStart::KeyFrameCache;
        self.cache.as_ref().filter(|_| is_used).and_then(KeyFrameCache::first_packet)
    }

    /// Times of the frame that goes out next, if it is at hand or the source knows them.
    fn next_times(&self) -> Option<FrameTimes> {
        let of = |frame: &Frame| FrameTimes { pts: frame.pts, dts: frame.dts };
        let of_source = || self.source.next_times().filter(|_| !self.at_end);
        self.pending.as_ref().map(of).or_else(of_source)
    }

    /// Whether it is known when the next frame is to go out.
    pub(crate) fn has_frame(&self) -> bool {
        self.next_times().is_some()
    }

    /// The next frame of the source, unless it was told to be at its end.
    pub(crate) fn poll_source(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        if self.at_end {
            return FramePoll::Ended(Ending::EndOfStream);
        }
        self.source.poll_frame(cx)
    }

    /// Goes to `npt`; returns where it goes on. Shared streams are not moved.
    pub(crate) fn seek_with(
        &mut self,
        demuxers: &mut DemuxTable,
        now: Instant,
        seek: impl FnOnce(&mut dyn FramedSource, &mut SourceContext<'_>) -> Result<Duration, SeekError>,
    ) -> Result<Duration, SeekError> {
        let mut cx = SourceContext { now, demuxers };
        let start = seek(&mut *self.source, &mut cx)?;
        self.leave_position(start);
        self.at_end = false;
        Ok(start)
    }

    /// Goes behind the last frame: to `npt`, which only other tracks have.
    pub(crate) fn go_to_end(&mut self, npt: Duration) {
        self.leave_position(npt);
        self.at_end = true;
    }

    fn leave_position(&mut self, to: Duration) {
        self.pending = None;
        self.sink.reset();
        self.key_frames.reset();
        self.position = to;
        self.at_seek_point = true;
        self.base = None;
        if self.phase == Phase::Ended {
            self.phase = Phase::Idle;
        }
    }

    /// Takes the range of a PLAY: where it starts, and where the client asked it to stop. A pause
    /// point of before does not hold any more.
    pub(crate) fn set_range(&mut self, start: Duration, stop_at: Option<Duration>) {
        self.range_start = start;
        self.stop_at = stop_at;
        self.pause_at = None;
        self.resume_at = None;
    }

    /// Where it is to stop, for the end of the range or a pause.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.stop_at.into_iter().chain(self.pause_at).min()
    }

    /// Makes the time of the first frame known, by fetching it if need be.
    pub(crate) fn prepare(&mut self, context: &mut SendContext<'_>, now: Instant) {
        if self.phase == Phase::Playing {
            return;
        }
        // A demultiplexer may need several bounded steps to find the track's first frame.
        for _ in 0..64 {
            if self.has_frame() {
                return;
            }
            let mut cx = SourceContext { now, demuxers: context.demuxers };
            match self.poll_source(&mut cx) {
                FramePoll::Ready(frame) => self.pending = Some(frame),
                FramePoll::Pending(Wait::Work) => {}
                FramePoll::Pending(_) | FramePoll::Ended(_) => return,
            }
        }
    }

    /// What RTP-Info says (RFC 2326 section 12.33): sequence number of the first packet that a
    /// destination gets, and the RTP timestamp of `start`, the start of the range. `due` is the
    /// decoding time that a stream which begins now begins with, as for [`start`](Self::start);
    /// `joins` tells whether the destination does not play yet.
    ///
    /// The number is not known where a newcomer waits for a key frame, the timestamp not before a
    /// live stream's first frame.
    pub(crate) fn rtp_info(
        &self,
        now: Instant,
        start: Duration,
        due: Duration,
        joins: bool,
    ) -> (Option<u16>, Option<u32>) {
        let joins = joins && self.phase == Phase::Playing;
        let sequence = match self.cached_packet(joins) {
            Some((sequence, _)) => Some(sequence),
            None if joins && self.policy.fast_start != FastStart::Off => None,
            None => Some(self.sink.next_sequence()),
        };
        let base = self.base.unwrap_or(Base { at: now, npt: due });
        let timestamp = self.timestamp_of(Some(base), start);
        (sequence, timestamp)
    }

    /// When there is something to do again, if that is known without fetching the next frame: a
    /// frame of a thousand streams each that waits to be due is much memory.
    pub(crate) fn not_before(&self, now: Instant) -> Option<Instant> {
        let base = self.base.filter(|_| !self.live)?;
        let dts = self.source.next_times()?.dts;
        let due = base.due_at(dts);
        (due > now && self.limit().is_none_or(|limit| dts < limit)).then_some(due)
    }

    /// At the end of a repeating stream: lets it begin again one period after its start.
    pub(crate) fn begin_anew(
        &mut self,
        context: &mut SendContext<'_>,
        now: Instant,
        ending: &Ending,
    ) -> Option<()> {
        if let Ending::Failed(why) = ending {
            log::warn!("stream {:08x}: {why}", self.sink.ssrc());
            return None;
        }
        // A source that has nothing (any more) would begin anew all the time.
        let may_repeat = self.gave_frame && !self.at_end;
        let period = self.repeat_period.filter(|p| !p.is_zero() && may_repeat)?;
        let base = self.base?;
        let mut cx = SourceContext { now, demuxers: context.demuxers };
        self.source.begin_anew(period, &mut cx).ok()?;
        self.gave_frame = false;
        self.key_frames.reset();
        let left = period.saturating_sub(base.npt);
        self.base = Some(Base { at: base.at.checked_add(left)?, npt: Duration::ZERO });
        Some(())
    }
}
