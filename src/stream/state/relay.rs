//! What a stream does with the packets that it passes on.

use super::{Phase, StreamState};
use crate::env::UsageEnvironment;
use crate::frame::Frame;
use crate::payload::{PacketBuffer, PayloadFormat};
use crate::rtp::ReceivedPacket;
use crate::rtp::rtcp::NtpTime;
use crate::stream::key_frames::FramePart;
use crate::stream::relay::Placed;
use crate::stream::send_context::SendContext;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Bytes of packets that wait for the end of the turn; more go out at once.
const MAX_PENDING: usize = 256 << 10;

/// The packet or frame whose time is looked up.
#[derive(Clone, Copy)]
struct Moment {
    timestamp: u32,
    capture_time: Option<NtpTime>,
    arrived_at: Instant,
    key: bool,
}

impl StreamState {
    /// Takes the next packet of the source. It goes out with the others of this turn: see
    /// [`send_relayed`](Self::send_relayed).
    pub(crate) fn relay(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        packet: &ReceivedPacket<'_>,
    ) {
        if self.phase != Phase::Playing {
            return;
        }
        let Some(relay) = &mut self.relay else { return };
        let Some(part) = relay.admit(packet) else {
            self.key_frame_requests.want();
            return;
        };
        let has_nobody = self.distribution.destinations().len() == 0;
        let moment = Moment {
            timestamp: packet.timestamp,
            capture_time: packet.capture_time,
            arrived_at: packet.arrived_at,
            key: part.key,
        };
        if part.key {
            self.key_frame_requests.handle_key_frame();
            if relay.has_sets() {
                self.put_sets(env, context, moment);
            }
        }
        let Some(relay) = &mut self.relay else { return };
        if relay.repacketizer().is_some() || !self.sink.fits(packet.content_len()) {
            return self.relay_anew(env, context, packet);
        }
        if relay.ends_batch(part) || has_nobody {
            self.send_pending(env, context);
        }
        self.set_time(env, context, moment);
        let Some(relay) = &mut self.relay else { return };
        let gap = relay.take_gap();
        self.sink.skip_numbers(gap);
        if has_nobody {
            return self.keep_packet(packet, part);
        }
        if !relay.has_pending() {
            let mut batch = context.memory.take();
            self.sink.begin_relay(&mut batch);
            relay.set_pending(batch, part);
        }
        let Some((batch, first)) = relay.pending_mut() else { return };
        first.key |= part.key;
        self.sink.relay(packet, batch);
        if batch.bytes().len() >= MAX_PENDING {
            self.send_pending(env, context);
        }
    }

    /// Puts the parameter sets of the source's new description before a key frame.
    fn put_sets(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        moment: Moment,
    ) {
        self.send_pending(env, context);
        self.set_time(env, context, moment);
        let Some(relay) = &mut self.relay else { return };
        let gap = relay.take_gap();
        self.sink.skip_numbers(gap);
        let mut batch = context.memory.take();
        self.sink.begin_relay(&mut batch);
        while let Some(set) = relay.next_set() {
            if self.sink.fits(set.len()) {
                let set = ReceivedPacket::new(&set, moment.timestamp, moment.arrived_at);
                self.sink.relay(&set, &mut batch);
            }
        }
        relay.set_pending(batch, FramePart { starts_unit: true, key: true });
    }

    /// Gives the sink the time of a packet or frame of the source, and returns it.
    fn set_time(
        &mut self,
        env: &UsageEnvironment,
        context: &mut SendContext<'_>,
        moment: Moment,
    ) -> Option<Placed> {
        let Moment { timestamp, capture_time, arrived_at, key } = moment;
        let relay = self.relay.as_mut()?;
        if let Some(known) = relay.known_place(timestamp) {
            return Some(known);
        }
        let (pts, arrived) = relay.time_of(timestamp, arrived_at.min(env.now()));
        let mut frame = Frame::new(Bytes::new(), pts, Duration::ZERO);
        frame.wall_clock = capture_time.map(NtpTime::to_unix);
        frame.flags.key = key;
        let running_time = self.playback.place_relayed(context.live_clocks, &frame, arrived);
        let own = self.sink.set_time(pts, running_time);
        let placed = Placed { pts, running_time };
        relay.note_place(timestamp, placed);
        if let Some(time) = capture_time {
            relay.note_captured(time, own, arrived);
        }
        Some(placed)
    }

    /// Takes a packet of a stream whose packets are too large for its viewers: what frames it
    /// completes are packetized anew, and sent at once.
    fn relay_anew(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        packet: &ReceivedPacket<'_>,
    ) {
        self.send_pending(env, context);
        let ssrc = self.sink.ssrc();
        let Some(relay) = &mut self.relay else { return };
        if relay.repacketizer().is_none() {
            let Some(packetizer) = relay.begin_repacketizing(packet.content_len(), ssrc) else {
                return relay.note_dropped();
            };
            self.sink.set_packetizer(packetizer);
        }
        let gap = relay.take_gap();
        self.sink.skip_numbers(gap);
        let Some(repacketizer) = relay.repacketizer() else { return };
        repacketizer.handle_packet(packet, gap > 0);
        while let Some(done) =
            self.relay.as_mut().and_then(|relay| relay.repacketizer()?.poll_frame())
        {
            // A frame may be complete only when a packet of the next one comes.
            let is_own = done.timestamp == packet.timestamp;
            let moment = Moment {
                timestamp: done.timestamp,
                capture_time: packet.capture_time.filter(|_| is_own),
                arrived_at: packet.arrived_at,
                key: done.key,
            };
            let Some(placed) = self.set_time(env, context, moment) else { return };
            let mut frame = Frame::new(done.data, placed.pts, Duration::ZERO);
            frame.flags.key = done.key;
            frame.flags.ends_access_unit = done.ends_access_unit;
            let mut batch = context.memory.take();
            self.sink.handle_frame(&frame, placed.running_time, &mut batch);
            self.send_relayed_batch(
                env,
                context,
                batch,
                FramePart { starts_unit: true, key: done.key },
            );
        }
    }

    /// Sends the packets that wait, at once.
    pub(super) fn send_pending(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let pending = self.relay.as_mut().and_then(|relay| relay.take_pending());
        if let Some((batch, part)) = pending {
            self.send_relayed_batch(env, context, batch, part);
        }
    }

    fn send_relayed_batch(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        batch: PacketBuffer,
        part: FramePart,
    ) {
        let reports = self.reports.is_under_way();
        self.distribution.finish(env, context);
        let sent = self.send_packets(env, context, batch, part, Duration::ZERO);
        self.greet_newcomers(env, context, sent);
        if let Some(at) = self.distribution.next_part_at() {
            self.timers.run_at(env, at);
        }
        if self.reports.is_under_way() && !reports {
            self.wake_for_rtcp(env);
        }
    }

    /// Sends the packets that have come in this turn. While earlier ones are on their way to a crowd,
    /// they wait, and those of the next turn go out with them.
    pub(crate) fn send_relayed(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        if self.distribution.next_part_at().is_none() {
            self.send_pending(env, context);
        }
    }

    /// The source is away, begins anew, or is another one, which is described by `format`: viewers go
    /// on with its next key frame, and newcomers get nothing of what was before.
    pub(crate) fn begin_source_anew(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        format: Option<&PayloadFormat>,
    ) {
        self.send_pending(env, context);
        if let Some(relay) = &mut self.relay {
            relay.begin_anew();
            if let Some(format) = format {
                relay.set_format(format.clone());
            }
            self.distribution.forget_cached();
        }
    }

    /// Whether packets of the source wait for the end of the turn.
    pub(crate) fn has_pending_packets(&self) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.has_pending())
    }

    /// Whether it passes packets on whose source tells when they were captured.
    pub(crate) fn tells_capture_time(&self) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.captured().is_some())
    }

    /// When what has a timestamp was captured, if the source tells. The timestamp must not be far from
    /// the present.
    pub(crate) fn capture_time_of(&self, timestamp: u32) -> Option<Duration> {
        let captured = self.relay.as_ref()?.captured()?;
        Some(captured.time_of(timestamp, self.sink.clock_rate()))
    }

    /// The timestamp of what was captured at a time, if the source tells.
    pub(crate) fn timestamp_of_capture(&self, time: Duration) -> Option<u32> {
        let captured = self.relay.as_ref()?.captured()?;
        Some(captured.timestamp_of(time, self.sink.clock_rate()))
    }
}
