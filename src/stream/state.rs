//! [`StreamState`]: one running stream: source → sink → destinations, with its RTCP.
//!
//! Its users are its destinations. Frames go out when they are due on the stream's own time line:
//! the *running time*, which is locked to the monotonic clock, so that sender reports give every
//! track the same relation between RTP time and wall clock (RFC 3550 section 6.4.1).

use crate::env::UsageEnvironment;
use crate::frame::Frame;
use crate::ids::{ClientSessionId, DestinationId, InputId, MediaSessionId};
use crate::media::demux::DemuxTable;
use crate::media::{FramePoll, FramedSource, SourceContext, Wait};
use crate::rtp::rtcp::RtcpInstance;
use crate::rtp::sink::RtpSink;
use crate::rtp::transform::PacketTransform;
use crate::stream::base::Base;
use crate::stream::destination::{Destination, DestinationTransport, Goodbye, destination_key};
use crate::stream::destinations::Destinations;
use crate::stream::fan_out::Outgoing;
use crate::stream::fast_start::FastStart;
use crate::stream::key_frame_cache::KeyFrameCache;
use crate::stream::key_frame_requests::KeyFrameRequests;
use crate::stream::key_frames::KeyFrameWatch;
use crate::stream::live_clock::LivePlace;
use crate::stream::live_clocks::LiveClockId;
use crate::stream::parts::{SendPolicy, StreamParts};
use crate::stream::report_run::{Identity, ReportRun};
use crate::stream::send_context::SendContext;
use crate::stream::sockets::SocketsId;
use crate::stream::timers::StreamTimers;
use std::fmt;
use std::time::{Duration, Instant};

/// The end is told this long after the last packet at the earliest: a receiver that finds both
/// at once may look at RTCP first, and drop what it has not read.
const END_DELAY: Duration = Duration::from_millis(100);

/// How long the end is put off for newcomers who are still being sent what came before.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(2);

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunOutcome {
    Running,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    Playing,
    /// All is sent; the end is told at that time.
    Ending(Instant),
    Ended,
}

/// One running stream.
pub struct StreamState {
    pub(crate) source: Box<dyn FramedSource>,
    pub(crate) sink: RtpSink,
    pub(crate) rtcp: RtcpInstance,
    /// What is done to all packets before they are sent or kept, once for all destinations.
    pub(crate) transform: Option<Box<dyn PacketTransform>>,
    pub(crate) origin: Option<(MediaSessionId, usize)>,
    /// What wakes it, if it is live.
    pub(crate) input: Option<InputId>,
    pub(crate) shared: bool,
    pub(crate) live: bool,
    pub(crate) is_video: bool,
    /// The time line of a live presentation, and where this stream is on it.
    pub(crate) live_clock: Option<LiveClockId>,
    pub(crate) live_place: Option<LivePlace>,
    pub(crate) repeat_period: Option<Duration>,
    pub(crate) destinations: Destinations,
    pub(crate) policy: SendPolicy,
    pub(crate) cache: Option<KeyFrameCache>,
    pub(crate) key_frames: KeyFrameWatch,
    pub(crate) key_frame_requests: KeyFrameRequests,
    pub(crate) outgoing: Option<Outgoing>,
    pub(crate) timers: StreamTimers,
    pub(crate) phase: Phase,
    /// Running time 0.
    pub(crate) epoch: Instant,
    pub(crate) base: Option<Base>,
    /// A frame that is not due yet.
    pub(crate) pending: Option<Frame>,
    /// Decoding time of the frame sent last.
    pub(crate) position: Duration,
    /// Where the frame sent last ends.
    source_end: Duration,
    /// The source gave a frame since it began anew.
    pub(crate) gave_frame: bool,
    /// The source counts as ended, wherever it stands.
    pub(crate) at_end: bool,
    /// Nothing was sent since the last seek: the next frame is the one to begin with.
    pub(crate) at_seek_point: bool,
    /// Where the range of the last PLAY starts.
    pub(crate) range_start: Duration,
    /// Where a client asked it to stop.
    pub(crate) stop_at: Option<Duration>,
    /// Where it is to pause (RFC 2326 section 10.6).
    pub(crate) pause_at: Option<Duration>,
    /// Where it was paused, if that is before what was sent.
    pub(crate) resume_at: Option<Duration>,
    /// What its SSRC means to receivers.
    pub(crate) identity: Identity,
    pub(crate) report: Vec<u8>,
    /// A report is due that goes out with the next frame.
    pub(crate) report_waits: bool,
    pub(crate) report_run: ReportRun,
}

impl fmt::Debug for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamState")
            .field("sink", &self.sink)
            .field("phase", &self.phase)
            .field("destinations", &self.destinations.table.len())
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl StreamState {
    /// A stream that has yet to be started. `live_clock` is the time line of its presentation, if
    /// it is live; `max_cached` bounds what is kept for newcomers.
    pub(crate) fn new(
        parts: StreamParts,
        policy: SendPolicy,
        max_cached: usize,
        live_clock: Option<LiveClockId>,
        timers: StreamTimers,
        now: Instant,
    ) -> Self {
        let is_cached = policy.fast_start == FastStart::KeyFrameCache;
        Self {
            source: parts.source,
            sink: parts.sink,
            rtcp: parts.rtcp,
            transform: None,
            origin: parts.origin,
            input: parts.input,
            shared: parts.shared,
            live: parts.input.is_some(),
            is_video: parts.is_video,
            live_clock,
            live_place: None,
            repeat_period: parts.repeat_period,
            destinations: Destinations::default(),
            policy,
            cache: is_cached.then(|| KeyFrameCache::new(max_cached)),
            key_frames: parts.key_frames,
            key_frame_requests: KeyFrameRequests::default(),
            outgoing: None,
            timers,
            phase: Phase::Idle,
            epoch: now,
            base: None,
            pending: None,
            position: Duration::ZERO,
            source_end: Duration::ZERO,
            gave_frame: false,
            at_end: false,
            at_seek_point: true,
            range_start: Duration::ZERO,
            stop_at: None,
            pause_at: None,
            resume_at: None,
            identity: Identity::default(),
            report: Vec::new(),
            report_waits: false,
            report_run: ReportRun::default(),
        }
    }

    /// Synchronization source of its packets.
    pub const fn ssrc(&self) -> u32 {
        self.sink.ssrc()
    }

    /// Whether frames are being sent.
    pub fn is_playing(&self) -> bool {
        matches!(self.phase, Phase::Playing | Phase::Ending(_))
    }

    /// Whether nothing was asked of the source yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.phase == Phase::Idle
            && !self.destinations.has_sent()
            && self.position.is_zero()
            && self.base.is_none()
    }

    /// Whether the source has given all.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Number of destinations.
    pub fn users(&self) -> usize {
        self.destinations.table.len()
    }

    /// Packets that the operating system refused to send.
    pub const fn send_errors(&self) -> u64 {
        self.destinations.send_errors
    }

    pub(crate) fn add_destination(
        &mut self,
        session: Option<ClientSessionId>,
        transport: DestinationTransport,
    ) -> DestinationId {
        self.destinations.add(session, transport)
    }

    /// Stops sending to a destination and takes it out. `goodbye` says whether it is told; with
    /// [`Goodbye::BeforeAnswer`] what a connection is told is left in [`report`](Self::report).
    pub(crate) fn release(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        id: DestinationId,
        goodbye: Goodbye,
    ) -> Option<Destination> {
        let leaving = self.destinations.table.get(id)?;
        let (is_udp, is_playing, has_heard) =
            (leaving.is_udp(), leaving.playing, leaving.has_heard);
        if is_udp && is_playing {
            self.finish_outgoing_for(env, context, id);
        }
        self.report.clear();
        match goodbye {
            _ if !has_heard => {}
            Goodbye::None => {}
            Goodbye::BeforeAnswer if !is_udp => {
                self.write_goodbye(env);
                self.destinations.protect_report_for(id, &mut self.report);
            }
            _ => self.say_goodbye(env, context, Some(id)),
        }
        self.pause(env, id);
        self.rtcp.remove_destination(destination_key(id));
        self.destinations.remove(id)
    }

    pub(crate) fn source_mut(&mut self) -> &mut dyn FramedSource {
        &mut *self.source
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
        self.begin_packet(env, context, id);
        let is_new = self.destinations.table.get(id).is_some_and(|d| !d.playing);
        if is_new && self.phase == Phase::Playing {
            self.begin_newcomer(id);
        }
        self.destinations.set_playing(id, true);
        // One that played had it all by now.
        if self.outgoing.is_some() {
            self.destinations.wait_for_next_batch(id);
        }
        if self.phase == Phase::Idle {
            self.phase = Phase::Playing;
            self.base = (!self.live).then_some(Base { at: env.now(), npt });
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
        if self.destinations.table.get(except).is_some_and(|d| d.playing) {
            self.finish_outgoing_for(env, context, except);
        }
        if self.sink.holds_back() && !self.destinations.is_anyone_else_playing(except) {
            self.flush_to_all(env, context);
        }
    }

    /// Stops sending to `id`; the source stops with the last destination.
    pub(crate) fn pause(&mut self, env: &mut UsageEnvironment, id: DestinationId) {
        self.destinations.set_playing(id, false);
        if !self.live && !self.destinations.is_anyone_playing() {
            self.halt(env);
        }
    }

    fn halt(&mut self, env: &mut UsageEnvironment) {
        self.timers.halt(env);
        self.outgoing = None;
        if let Some(cache) = &mut self.cache {
            cache.clear();
        }
        if self.is_playing() {
            self.phase = Phase::Idle;
            self.base = None;
        }
    }

    /// Arms the stream's timers for `at`.
    pub(crate) fn wake(&mut self, env: &mut UsageEnvironment, at: Instant) {
        self.timers.run_at(env, at);
        // Newcomers do not put off the next part of a report.
        if !self.report_run.is_under_way() {
            self.wake_for_rtcp(env);
        }
        if self.destinations.is_anyone_catching_up() {
            self.timers.catch_up_at(env, at);
        }
    }

    /// Sends what is due, at most `budget` frames, and arms the timer for what is not.
    pub(crate) fn run(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        budget: usize,
    ) -> RunOutcome {
        let now = env.now();
        if !self.is_playing() {
            return RunOutcome::Running;
        }
        let reports = self.report_run.is_under_way();
        let mut sent = self.outgoing.is_some();
        if let Some(next) = self.go_on_with_outgoing(env, context) {
            self.timers.run_at(env, next);
            return RunOutcome::Running;
        }
        if let Phase::Ending(at) = self.phase {
            if now >= at && !self.waits_for_newcomers(at, now) {
                return self.end(env, context);
            }
            let at = if now < at { at } else { now + END_DELAY };
            self.timers.run_at(env, at);
            return RunOutcome::Running;
        }
        let mut wake_at = now;
        for _ in 0..budget {
            if let Some(outgoing) = &self.outgoing {
                wake_at = outgoing.next;
                break;
            }
            let frame = match self.pending.take() {
                Some(frame) => frame,
                None => {
                    if let Some(due) = self.not_before(now) {
                        wake_at = due;
                        break;
                    }
                    let mut cx = SourceContext { now, demuxers: context.demuxers };
                    match self.poll_source(&mut cx) {
                        FramePoll::Ready(frame) => frame,
                        FramePoll::Pending(Wait::Until(at)) => {
                            wake_at = at;
                            break;
                        }
                        FramePoll::Pending(Wait::Input) => {
                            self.greet_newcomers(env, context, sent);
                            return RunOutcome::Running;
                        }
                        FramePoll::Pending(Wait::Work) => continue,
                        FramePoll::Ended(ending) => match self.begin_anew(context, now, &ending) {
                            Some(()) => continue,
                            None => {
                                let over = self.source_end;
                                wake_at = self.begin_end(env, context, over);
                                break;
                            }
                        },
                    }
                }
            };
            if let Some(limit) = self.limit().filter(|limit| frame.dts >= *limit) {
                self.pending = Some(frame);
                if self.pause_at == Some(limit) {
                    self.pause_all(env, context);
                    return RunOutcome::Running;
                }
                wake_at = self.begin_end(env, context, limit);
                break;
            }
            let running_time = if self.live {
                self.place_live_frame(env, context, &frame)
            } else {
                let base = *self.base.get_or_insert(Base { at: now, npt: frame.dts });
                let due = base.due_at(frame.dts);
                if due > now {
                    self.pending = Some(frame);
                    wake_at = due;
                    break;
                }
                base.running_time(self.epoch, frame.pts)
            };
            sent |= self.send_frame(env, context, &frame, running_time);
            context.demuxers.frame_memory().give_back(frame.data);
        }
        if let Some(outgoing) = &self.outgoing {
            wake_at = outgoing.next;
        }
        self.greet_newcomers(env, context, sent);
        self.timers.run_at(env, wake_at);
        if self.report_run.is_under_way() && !reports {
            self.wake_for_rtcp(env);
        }
        RunOutcome::Running
    }

    /// Returns whether there were packets to send.
    fn send_frame(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        frame: &Frame,
        running_time: Duration,
    ) -> bool {
        self.position = frame.dts;
        self.at_seek_point = false;
        self.source_end = frame.dts.saturating_add(frame.duration);
        self.gave_frame = true;
        // Of a flush, where the time line jumps.
        self.finish_outgoing(env, context);
        let part = self.key_frames.handle_frame(frame);
        if part.key {
            self.key_frame_requests.handle_key_frame();
        }
        let mut batch = context.memory.take();
        self.sink.handle_frame(frame, running_time, &mut batch);
        let batch = self.protect(context, batch);
        let has_packets = !batch.is_empty();
        let report = self.take_waiting_report(env, has_packets);
        self.send_batch(env, context, batch, part, &report, frame.duration);
        self.begin_report(report, false);
        has_packets
    }

    /// Sends what the packetizer holds back; returns when the end is to be told.
    fn begin_end(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        npt: Duration,
    ) -> Instant {
        self.flush_to_all(env, context);
        let now = env.now();
        let over = self.base.filter(|_| !self.live).map_or(now, |base| base.due_at(npt));
        let at = over.max(now + END_DELAY);
        self.phase = Phase::Ending(at);
        at
    }

    /// Sends what the packetizer holds back, in parts where there is a crowd. Nobody waits for
    /// more of the frame before it.
    pub(crate) fn flush_to_all(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        self.drop_outgoing(context);
        if !self.sink.holds_back() {
            return;
        }
        let mut batch = context.memory.take();
        self.sink.flush(&mut batch);
        let batch = self.protect(context, batch);
        let part = self.key_frames.of_what_was_held_back();
        self.send_batch(env, context, batch, part, &[], Duration::ZERO);
    }

    /// Whether the end is put off for newcomers who have not had all yet; not for long.
    fn waits_for_newcomers(&self, end: Instant, now: Instant) -> bool {
        self.destinations.is_anyone_catching_up()
            && now.saturating_duration_since(end) < CATCH_UP_PATIENCE
    }

    /// The pause point is reached.
    fn pause_all(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) {
        self.flush_to_all(env, context);
        self.pause_at = None;
        for id in self.destinations.table.ids().collect::<Vec<_>>() {
            self.destinations.set_playing(id, false);
        }
        self.halt(env);
    }

    /// The client that named the end of the range knows that it is reached; all others are told.
    fn end(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) -> RunOutcome {
        if self.stop_at.is_none() {
            self.end_with_goodbye(env, context);
        }
        self.timers.halt(env);
        self.phase = Phase::Ended;
        for id in self.destinations.table.ids().collect::<Vec<_>>() {
            self.destinations.set_playing(id, false);
        }
        RunOutcome::Ended
    }

    /// Asks the source for a key frame if somebody cannot go on without one, and none was asked for
    /// a moment ago. Returns whether it was asked.
    pub(crate) fn poll_key_frame_request(&mut self, now: Instant) -> bool {
        if self.destinations.take_key_frame_wish() {
            self.key_frame_requests.want();
        }
        let is_due = self.is_video && self.key_frame_requests.poll(now);
        if is_due {
            self.source.request_key_frame();
        }
        is_due
    }

    /// The sockets that it sends through.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = SocketsId> + '_ {
        self.destinations.udp_targets.iter().map(|targets| targets.sockets)
    }

    /// Releases timers and what the source holds in tables.
    pub(crate) fn close(mut self, env: &mut UsageEnvironment, demuxers: &mut DemuxTable) {
        self.timers.disarm(env);
        self.source.close(&mut SourceContext { now: env.now(), demuxers });
    }
}
