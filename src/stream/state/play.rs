//! What PLAY and PAUSE do to a stream.

use super::{Phase, StreamState};
use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::media::demux::DemuxTable;
use crate::media::{FramedSource, SeekError, SourceContext};
use crate::stream::pace::Pace;
use crate::stream::play_range::PlayRange;
use crate::stream::send_context::SendContext;
use std::time::{Duration, Instant};

/// Where a destination begins if it is started now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartPoint {
    /// Normal play time of the first frame.
    pub(crate) npt: Duration,
    /// When that frame is decoded.
    pub(crate) due: Duration,
    /// Whether there is such a frame; otherwise the stream is over, or has none yet.
    pub(crate) is_known: bool,
}

impl StreamState {
    /// The source, for those who ask it whether it can be moved.
    pub(crate) fn source(&self) -> &dyn FramedSource {
        self.playback.source()
    }

    pub(crate) fn source_mut(&mut self) -> &mut dyn FramedSource {
        self.playback.source_mut()
    }

    /// Normal play time that is presented next.
    pub(crate) fn npt(&self) -> Duration {
        self.playback.npt()
    }

    /// Goes where `seek`, which is called with the source, says.
    ///
    /// # Errors
    /// Those of `seek`; the position stays what it is.
    pub(crate) fn seek(
        &mut self,
        demuxers: &mut DemuxTable,
        now: Instant,
        seek: impl FnOnce(&mut dyn FramedSource, &mut SourceContext<'_>) -> Result<Duration, SeekError>,
    ) -> Result<(), SeekError> {
        self.playback.seek(now, demuxers, seek)?;
        self.note_moved();
        Ok(())
    }

    /// Goes behind the last frame: to `npt`, which only other tracks have.
    pub(crate) fn go_to_end(&mut self, npt: Duration, now: Instant) {
        self.playback.go_to_end(npt, now);
        self.note_moved();
    }

    fn note_moved(&mut self) {
        self.sink.reset();
        self.key_frames.reset();
        if self.phase == Phase::Ended {
            self.phase = Phase::Idle;
        }
    }

    /// Takes the range of a PLAY: where it starts, and where the client asked it to stop.
    pub(crate) fn set_range(&mut self, start: Duration, stop_at: Option<Duration>) {
        *self.playback.range_mut() = if self.pace().is_backwards() {
            PlayRange::backwards(start, stop_at)
        } else {
            PlayRange::new(start, stop_at)
        };
    }

    /// Whether the track is video.
    pub(crate) const fn is_video(&self) -> bool {
        self.playback.is_video()
    }

    /// How the stream is played.
    pub(crate) const fn pace(&self) -> Pace {
        self.playback.pace()
    }

    /// Changes how the stream is played from `now` on. A track that does not support the scale
    /// `is_silent` meanwhile.
    pub(crate) fn set_pace(&mut self, pace: Pace, is_silent: bool, now: Instant) {
        self.playback.set_pace(pace, is_silent, now);
    }

    /// Whether the stream sends nothing because it does not support the scale of its presentation.
    pub(crate) const fn is_silent(&self) -> bool {
        self.playback.is_silent()
    }

    /// Sets the time at which the stream is to pause.
    pub(crate) const fn set_pause_point(&mut self, point: Option<Duration>) {
        self.playback.range_mut().set_pause_point(point);
    }

    /// Makes known where a destination begins if it is started now. `joins` tells whether the
    /// destination does not play yet.
    pub(crate) fn prepare(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        id: DestinationId,
        joins: bool,
    ) -> StartPoint {
        self.renew_ssrc(env);
        if self.phase != Phase::Playing {
            self.playback.prepare(env.now(), context.demuxers);
        }
        self.begin_packet(env, context, id);
        StartPoint {
            npt: self.first_npt(joins),
            due: self.playback.next_dts(),
            is_known: self.playback.has_frame() || self.shared && self.is_playing(),
        }
    }

    /// Takes another SSRC if the present one has said BYE and the stream is to go on.
    fn renew_ssrc(&mut self, env: &mut UsageEnvironment) {
        if self.reports.has_left() && self.phase != Phase::Ended {
            let ssrc = env.random_u32().max(1);
            self.sink.change_ssrc(ssrc);
            self.reports.change_ssrc(ssrc);
        }
    }

    /// Normal play time of the first packet that a destination gets. One that joins others may get
    /// what was sent since the last key frame, or audio that waits in the packetizer.
    fn first_npt(&self, joins: bool) -> Duration {
        if !self.pace().is_unscaled() {
            return self.npt();
        }
        let before = self.cached_packet(joins).map(|(_, timestamp)| timestamp);
        let before = before.or_else(|| self.sink.held_timestamp());
        let before = before.and_then(|timestamp| self.npt_of(timestamp));
        before.into_iter().fold(self.npt(), Duration::min)
    }

    /// Normal play time of a timestamp not far from the present, if it is of this time line.
    fn npt_of(&self, timestamp: u32) -> Option<Duration> {
        let now = self.playback.next_npt();
        let at_now = self.timestamp_of(now, self.playback.time_line().running_time_of(now)?);
        let units = i64::from(timestamp.wrapping_sub(at_now) as i32);
        let nanos = units.unsigned_abs() * 1_000_000_000 / u64::from(self.sink.clock_rate().max(1));
        let distance = Duration::from_nanos(nanos);
        if units < 0 { now.checked_sub(distance) } else { now.checked_add(distance) }
    }

    /// RTP timestamp of a normal play time and the running time that belongs to it.
    fn timestamp_of(&self, npt: Duration, running_time: Duration) -> u32 {
        if self.is_live() || !self.pace().is_unscaled() {
            return self.sink.timestamp_at(running_time);
        }
        self.sink.timestamp_of(npt, running_time)
    }

    /// Sequence number and timestamp of the first packet that a newcomer gets from the cache.
    fn cached_packet(&self, joins: bool) -> Option<(u16, u32)> {
        let is_used = joins && self.phase == Phase::Playing;
        self.distribution.first_cached_packet().filter(|_| is_used)
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
            None if joins && self.distribution.newcomers_wait() => None,
            None => Some(self.sink.next_sequence()),
        };
        let running_time = self.playback.time_line().running_time_if_begun(now, due, start);
        (sequence, running_time.map(|running_time| self.timestamp_of(start, running_time)))
    }

    /// Starts sending to `id`. `npt` is what the presentation starts with at `now`; all tracks
    /// that start together are given the same.
    pub(crate) fn start(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        id: DestinationId,
        npt: Duration,
    ) {
        // The BYE of an earlier end comes before what is sent from here on.
        self.reports.settle_farewell(id, &mut self.distribution, |destinations, packet| {
            destinations.send_rtcp_to(id, packet, env, context);
        });
        self.begin_packet(env, context, id);
        let is_new = self.destination(id).is_some_and(|d| !d.is_playing());
        if is_new && self.phase == Phase::Playing {
            self.distribution.begin_newcomer(id);
        }
        self.distribution.destinations_mut().set_playing(id, true);
        // One that played had it all by now.
        if self.distribution.next_part_at().is_some() {
            self.distribution.destinations_mut().wait_for_next_batch(id);
        }
        if self.relay.as_ref().is_some_and(|relay| relay.awaits_key_frame()) {
            self.key_frame_requests.want();
        }
        if self.phase == Phase::Idle {
            self.phase = Phase::Playing;
            self.playback.begin(env.now(), npt);
        }
    }

    /// Sends what waits in the packetizer, so that what follows begins with a packet of its own,
    /// and because what is held back does not outlast a pause. Not while others than `except`
    /// play: a packet more for all of them is a high price for what one joins or leaves, and the
    /// newcomer's first packet begins a tenth of a second early at most. A frame that is on its
    /// way to `except` arrives first.
    pub(crate) fn begin_packet(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        except: DestinationId,
    ) {
        if self.destination(except).is_some_and(|d| d.is_playing()) {
            self.distribution.finish_for(env, context, except);
        }
        self.send_pending(env, context);
        let destinations = self.distribution.destinations();
        if self.sink.holds_back() && !destinations.is_anyone_else_playing(except) {
            self.flush_to_all(env, context);
        }
    }

    /// Stops sending to `id`, which has been told where the packets that it is sent end.
    /// `resume_at` is where its client says that it has come to, if it says so.
    pub(crate) fn pause_at_once(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        id: DestinationId,
        resume_at: Option<Duration>,
    ) {
        self.begin_packet(env, context, id);
        self.pause(env, id);
        self.playback.range_mut().pause(resume_at);
    }

    /// Stops sending to `id`; the source stops with the last destination.
    pub(crate) fn pause(&mut self, env: &mut UsageEnvironment, id: DestinationId) {
        self.distribution.destinations_mut().set_playing(id, false);
        if !self.is_live() && !self.distribution.destinations().is_anyone_playing() {
            self.halt(env);
        }
    }
}
