//! [`Playback`]: what a stream sends next, and when.

use crate::frame::Frame;
use crate::media::demux::DemuxTable;
use crate::media::trick_play::TrickPlay;
use crate::media::{Ending, FramePoll, FrameTimes, FramedSource, SeekError, SourceContext, Wait};
use crate::stream::live_clocks::{LiveClockId, LiveClocks};
use crate::stream::pace::Pace;
use crate::stream::play_range::{Boundary, PlayRange};
use crate::stream::time_line::TimeLine;
use std::time::{Duration, Instant};

/// Bounded steps of a demultiplexer that are made at once to find the first frame of a track.
const STEPS_TO_FIRST_FRAME: usize = 64;

/// The source of a stream and the position in it.
pub(crate) struct Playback {
    source: TrickPlay,
    time_line: TimeLine,
    range: PlayRange,
    is_video: bool,
    /// The presentation is played at a scale that the track does not support.
    is_silent: bool,
    /// The source begins anew this long after its start.
    repeat_period: Option<Duration>,
    /// A frame that is not due yet.
    pending: Option<Frame>,
    /// Decoding time of the frame sent last, or the position after a seek.
    position: Duration,
    /// Where the frame sent last ends.
    source_end: Duration,
    /// The source gave a frame since it began anew.
    gave_frame: bool,
    /// The source counts as ended, wherever it stands.
    at_end: bool,
    /// No frame was sent since the last seek: the next one is the first.
    at_seek_point: bool,
}

/// What a stream has to do next.
#[derive(Debug)]
pub(crate) enum NextFrame {
    /// Send this frame. `jumped`: the time line is another than before; what was held back of
    /// earlier frames does not belong to it.
    Due { frame: Frame, running_time: Duration, jumped: bool },
    /// Ask again at that time.
    NotBefore(Instant),
    /// Ask again when the source has input.
    AwaitsInput,
    /// Ask again: the source has done a part of its work.
    AskAgain,
    /// Ask again: the source has begun anew, and its next frame follows on none before.
    BeganAnew,
    /// Pause: the pause point is reached.
    PausePoint,
    /// End: no frame follows. The last one ends at this normal play time.
    End(Duration),
}

impl Playback {
    /// The start of a source. A live stream is on the line `live_clock` of its presentation.
    pub(crate) fn new(
        source: Box<dyn FramedSource>,
        live_clock: Option<LiveClockId>,
        is_video: bool,
        repeat_period: Option<Duration>,
        now: Instant,
    ) -> Self {
        Self {
            source: TrickPlay::new(source, is_video),
            time_line: TimeLine::new(live_clock, now),
            range: PlayRange::default(),
            is_video,
            is_silent: false,
            repeat_period,
            pending: None,
            position: Duration::ZERO,
            source_end: Duration::ZERO,
            gave_frame: false,
            at_end: false,
            at_seek_point: true,
        }
    }

    pub(crate) const fn is_video(&self) -> bool {
        self.is_video
    }

    pub(crate) const fn time_line(&self) -> &TimeLine {
        &self.time_line
    }

    pub(crate) fn source(&self) -> &dyn FramedSource {
        &self.source
    }

    pub(crate) fn source_mut(&mut self) -> &mut dyn FramedSource {
        &mut self.source
    }

    /// The range that the client plays.
    pub(crate) const fn range(&self) -> &PlayRange {
        &self.range
    }

    pub(crate) const fn range_mut(&mut self) -> &mut PlayRange {
        &mut self.range
    }

    /// Decoding time of the frame sent last, or the position after a seek.
    pub(crate) const fn position(&self) -> Duration {
        self.position
    }

    /// Whether the stream stands at its start and was not started yet.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.position.is_zero() && !self.time_line.is_anchored()
    }

    // What comes next

    /// Times of the frame that goes out next, if it is at hand or the source knows them.
    fn next_times(&self) -> Option<FrameTimes> {
        if self.is_silent {
            return None;
        }
        let of = |frame: &Frame| FrameTimes { pts: frame.pts, dts: frame.dts };
        let of_source = || self.source.next_times().filter(|_| !self.at_end);
        self.pending.as_ref().map(of).or_else(of_source)
    }

    /// Whether it is known when the next frame is to go out.
    pub(crate) fn has_frame(&self) -> bool {
        self.next_times().is_some()
    }

    /// Decoding time of the frame that goes out next, or went out last.
    pub(crate) fn next_dts(&self) -> Duration {
        self.next_times().map_or(self.position, |next| next.dts)
    }

    /// Presentation time, as normal play time, of the frame that goes out next.
    pub(crate) fn next_npt(&self) -> Duration {
        match self.next_times() {
            Some(next) if !self.time_line.is_live() => next.pts,
            _ => self.npt(),
        }
    }

    /// Normal play time that is presented next. Behind a seek that is the key frame's presentation
    /// time; later the decoding time of the next frame, before which none of those that follow is
    /// presented.
    ///
    /// Of a live stream it is the time of the presentation, which its tracks share; 0 before the
    /// first frame.
    pub(crate) fn npt(&self) -> Duration {
        let is_first = self.at_seek_point && !self.time_line.is_live();
        let of = |next: FrameTimes| if is_first { next.pts } else { next.dts };
        if self.source.gives_key_frames_only() && !is_first {
            // The picture that is seen; the next one may be far away.
            return self.position;
        }
        self.time_line.npt_of(self.next_times().map_or(self.position, of))
    }

    /// Makes the time of the first frame known, by reading the frame if need be.
    pub(crate) fn prepare(&mut self, now: Instant, demuxers: &mut DemuxTable) {
        for _ in 0..STEPS_TO_FIRST_FRAME {
            if self.has_frame() || self.is_silent {
                return;
            }
            match self.poll_source(now, demuxers) {
                FramePoll::Ready(frame) => self.pending = Some(frame),
                FramePoll::Pending(Wait::Work) => {}
                FramePoll::Pending(_) | FramePoll::Ended(_) => return,
            }
        }
    }

    /// The next frame if it is due, or else what to do next. `ssrc` names the stream in the log.
    pub(crate) fn poll_frame(
        &mut self,
        now: Instant,
        demuxers: &mut DemuxTable,
        live_clocks: &mut LiveClocks,
        ssrc: u32,
    ) -> NextFrame {
        if self.is_silent {
            return self.poll_silent(now);
        }
        let frame = match self.pending.take() {
            Some(frame) => frame,
            None => match self.read_frame(now, demuxers, ssrc) {
                Ok(frame) => frame,
                Err(next) => return next,
            },
        };
        if let Some(boundary) = self.range.boundary_at(frame.dts) {
            self.pending = Some(frame);
            return match boundary {
                Boundary::PausePoint => NextFrame::PausePoint,
                Boundary::End(at) => NextFrame::End(at),
            };
        }
        if self.time_line.is_live() {
            let (running_time, jumped) =
                self.time_line.place_live_frame(live_clocks, &frame, now, self.is_video, ssrc);
            return NextFrame::Due { frame, running_time, jumped };
        }
        if !self.time_line.is_anchored() {
            self.time_line.anchor_at(now, frame.dts);
        }
        if let Some(due) = self.time_line.due_at(frame.dts).filter(|due| *due > now) {
            self.pending = Some(frame);
            return NextFrame::NotBefore(due);
        }
        let running_time = self.time_line.running_time_of(frame.pts).unwrap_or_default();
        NextFrame::Due { frame, running_time, jumped: false }
    }

    /// Finds the place of a packet that is passed on, which is sent at once. `frame` has its times,
    /// and no data. Returns its running time.
    pub(crate) fn place_relayed(
        &mut self,
        live_clocks: &mut LiveClocks,
        frame: &Frame,
        arrived: Instant,
    ) -> Duration {
        let placed = self.time_line.place(live_clocks, frame, arrived, self.is_video);
        self.note_sent(frame);
        placed.at
    }

    fn read_frame(
        &mut self,
        now: Instant,
        demuxers: &mut DemuxTable,
        ssrc: u32,
    ) -> Result<Frame, NextFrame> {
        if let Some(due) = self.due_unread(now) {
            return Err(NextFrame::NotBefore(due));
        }
        Err(match self.poll_source(now, demuxers) {
            FramePoll::Ready(frame) => return Ok(frame),
            FramePoll::Pending(Wait::Until(at)) => NextFrame::NotBefore(at),
            FramePoll::Pending(Wait::Input) => NextFrame::AwaitsInput,
            FramePoll::Pending(Wait::Work) => NextFrame::AskAgain,
            FramePoll::Ended(Ending::Failed(why)) => {
                log::warn!("stream {ssrc:08x}: {why}");
                NextFrame::End(self.source_end)
            }
            FramePoll::Ended(_) => match self.begin_anew(now, demuxers) {
                Some(()) => NextFrame::BeganAnew,
                None => NextFrame::End(self.end()),
            },
        })
    }

    /// Where a source ends that has no more frames.
    fn end(&self) -> Duration {
        if !self.source.gives_key_frames_only() {
            return self.source_end;
        }
        // The last key frame is followed by others that are not played.
        self.natural_end().unwrap_or(self.source_end)
    }

    /// Where what is played comes to its end, if nothing ends it before.
    fn natural_end(&self) -> Option<Duration> {
        let is_backwards = self.pace().is_backwards();
        if is_backwards { Some(Duration::ZERO) } else { self.source.duration() }
    }

    /// What a track does that is silent: it comes to its end when it would if it were played.
    fn poll_silent(&self, now: Instant) -> NextFrame {
        let is_endless = self.repeat_period.is_some();
        let natural = self.natural_end().filter(|_| !is_endless).map(|at| (at, Boundary::End(at)));
        let pace = self.pace();
        let is_before = |at: Duration, end: Duration| pace.distance(at, end).is_ok();
        let first = match (self.range.boundary(), natural) {
            (Some(boundary), Some(end)) if is_before(end.0, boundary.0) => Some(end),
            (boundary, end) => boundary.or(end),
        };
        let Some((at, boundary)) = first else { return NextFrame::AwaitsInput };
        match (self.time_line.due_at(at), boundary) {
            (Some(due), _) if due > now => NextFrame::NotBefore(due),
            (_, Boundary::PausePoint) => NextFrame::PausePoint,
            (_, Boundary::End(at)) => NextFrame::End(at),
        }
    }

    /// When the next frame is due, if that is known without reading it and is still to come: a
    /// frame of a thousand streams each that waits to be due is much memory.
    fn due_unread(&self, now: Instant) -> Option<Instant> {
        let dts = self.next_times()?.dts;
        let due = self.time_line.due_at(dts)?;
        (due > now && self.range.boundary_at(dts).is_none()).then_some(due)
    }

    /// The next frame of the source, unless it counts as ended.
    fn poll_source(&mut self, now: Instant, demuxers: &mut DemuxTable) -> FramePoll {
        if self.at_end {
            return FramePoll::Ended(Ending::EndOfStream);
        }
        self.source.poll_frame(&mut SourceContext { now, demuxers })
    }

    /// At the end of a repeating source: lets it begin again one period after its start.
    fn begin_anew(&mut self, now: Instant, demuxers: &mut DemuxTable) -> Option<()> {
        // A source that has nothing (any more) would begin anew all the time.
        let goes_on = !self.at_end && !self.pace().is_backwards();
        let may_repeat = self.gave_frame && goes_on && self.time_line.is_anchored();
        let period = self.repeat_period.filter(|p| !p.is_zero() && may_repeat)?;
        self.source.begin_anew(period, &mut SourceContext { now, demuxers }).ok()?;
        self.gave_frame = false;
        self.time_line.begin_anew_after(period)
    }

    /// The stream sends this frame.
    pub(crate) fn note_sent(&mut self, frame: &Frame) {
        self.position = frame.dts;
        self.source_end = self.pace().advance(frame.dts, frame.duration);
        self.at_seek_point = false;
        self.gave_frame = true;
    }

    // Playing

    /// The stream begins to play: the frame that is decoded at `npt` is due `now`.
    pub(crate) const fn begin(&mut self, now: Instant, npt: Duration) {
        self.time_line.anchor_at(now, npt);
    }

    /// The stream does not play any more.
    pub(crate) fn halt(&mut self, now: Instant) {
        self.time_line.lift_anchor(now);
    }

    /// How the stream is played.
    pub(crate) const fn pace(&self) -> Pace {
        self.time_line.pace()
    }

    /// Changes how the stream is played from `now` on. A track that does not support the scale
    /// `is_silent` meanwhile.
    pub(crate) fn set_pace(&mut self, pace: Pace, is_silent: bool, now: Instant) {
        self.time_line.set_pace(pace, now);
        self.is_silent = is_silent;
    }

    /// Whether the track sends nothing because it does not support the scale of its presentation.
    pub(crate) const fn is_silent(&self) -> bool {
        self.is_silent
    }

    // Moving

    /// Calls `seek` with the source, and goes on at the position that it returns.
    ///
    /// # Errors
    /// Those of `seek`; the position stays what it is.
    pub(crate) fn seek(
        &mut self,
        now: Instant,
        demuxers: &mut DemuxTable,
        seek: impl FnOnce(&mut dyn FramedSource, &mut SourceContext<'_>) -> Result<Duration, SeekError>,
    ) -> Result<(), SeekError> {
        let start = seek(&mut self.source, &mut SourceContext { now, demuxers })?;
        self.leave_position(start, now);
        self.at_end = false;
        Ok(())
    }

    /// Goes behind the last frame: to `npt`, which only other tracks have.
    pub(crate) fn go_to_end(&mut self, npt: Duration, now: Instant) {
        self.leave_position(npt, now);
        self.at_end = true;
    }

    fn leave_position(&mut self, to: Duration, now: Instant) {
        self.pending = None;
        self.position = to;
        self.at_seek_point = true;
        self.time_line.lift_anchor(now);
    }
}

#[cfg(test)]
mod tests;
