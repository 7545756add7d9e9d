//! [`RtpSource`]: puts RTP packets in order, and assembles frames from them. Maintainers should know RFC 3550 sections 5.1,
//! 6.4 and 8, and appendix A.

mod candidates;
mod capture;
mod config;
mod counters;
mod delivery;
mod event;
mod frame;
mod packet;
mod rate;
mod reorder;
mod sender_clock;
mod statistics;
#[cfg(test)]
mod tests;
mod timeline;

use super::rtcp::{NtpTime, ReportBlock, SenderReport};
use crate::error::Error;
use crate::payload::{DepacketizedFrames, Depacketizer};
use crate::wire::rtp::RtpPacket;
use candidates::{Candidate, Candidates};
use capture::CaptureTimes;
pub use config::RtpSourceConfig;
pub use counters::{PacketGaps, Reception, Rejected, SourceCounters};
use event::Events;
pub use event::SourceEvent;
pub use frame::ReceivedFrame;
use packet::Gap;
pub use packet::ReceivedPacket;
use rate::RateMeter;
pub use rate::ReceiveRate;
use reorder::{Place, ReorderBuffer};
use sender_clock::{SenderClock, Verdict};
use statistics::{Placed, Statistics};
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};
pub(super) use timeline::Line;
use timeline::Timeline;

/// Receives one stream.
///
/// Pass received packets to [`handle_packet`](Self::handle_packet), then call
/// [`poll_frame`](Self::poll_frame) until it returns `None`; call
/// [`handle_timeout`](Self::handle_timeout) at [`poll_timeout`](Self::poll_timeout). Pass sender
/// reports that an [`RtcpInstance`](super::RtcpInstance) has read to
/// [`handle_sender_report`](Self::handle_sender_report), and put
/// [`report_block`](Self::report_block)s into its own reports.
///
/// A source that is made by [`pass_through`](Self::pass_through) assembles no frames, and passes each
/// packet on as it is, in order: see [`handle_packet_with`](Self::handle_packet_with).
///
/// ```
/// use riverrun::payload::mp2t::Mp2tDepacketizer;
/// use riverrun::rtp::{RtpSource, RtpSourceConfig};
/// use std::time::Instant;
///
/// let config = RtpSourceConfig::new(33, 90_000);
/// let mut source = RtpSource::new(config, Box::new(Mp2tDepacketizer::new()))?;
/// let mut packet = vec![0x80, 33, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
/// packet.extend([0x47; 188]);
/// source.handle_packet(&packet, Instant::now()).expect("it is one of the stream's");
/// let frame = source.poll_frame().expect("a transport packet needs no other");
/// assert_eq!(frame.data.len(), 188);
/// # Ok::<(), riverrun::Error>(())
/// ```
pub struct RtpSource {
    config: RtpSourceConfig,
    /// `None`: packets are passed on.
    depacketizer: Option<Box<dyn Depacketizer>>,
    /// Frames of the depacketizer that have no time yet.
    depacketized: DepacketizedFrames,
    ssrc: Option<u32>,
    /// The SSRC that is to follow the one in use.
    expected: Option<u32>,
    candidates: Candidates,
    statistics: Statistics,
    rate: RateMeter,
    reorder: ReorderBuffer,
    timeline: Timeline,
    sender_clock: SenderClock,
    capture: CaptureTimes,
    frames: VecDeque<ReceivedFrame>,
    frame_bytes: usize,
    /// What is before the next packet in order.
    gap: Gap,
    /// Whether a frame was dropped from the queue before its present first one.
    dropped: bool,
    last_packet_at: Option<Instant>,
    /// The last report of the sender and its time of arrival.
    report: Option<(NtpTime, Instant)>,
    /// Round-trip time to the sender, as measured last.
    round_trip: Option<Duration>,
    /// Set when the sender has said BYE: until then, late packets are awaited.
    ends_at: Option<Instant>,
    ended: bool,
    counters: SourceCounters,
    events: Events,
}

impl fmt::Debug for RtpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpSource")
            .field("ssrc", &self.ssrc)
            .field("frames", &self.frames.len())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl RtpSource {
    /// Creates a source for the payload format of `depacketizer`.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`RtpSourceConfig::check`].
    pub fn new(
        config: RtpSourceConfig,
        depacketizer: Box<dyn Depacketizer>,
    ) -> Result<Self, Error> {
        Self::create(config, Some(depacketizer))
    }

    /// Creates a source that passes packets on in order and assembles no frames, for a payload format
    /// that need not be known. The limits for frames in the configuration have no effect.
    ///
    /// ```
    /// use riverrun::rtp::{RtpSource, RtpSourceConfig};
    /// use std::time::Instant;
    ///
    /// let mut source = RtpSource::pass_through(RtpSourceConfig::new(96, 90_000))?;
    /// let packet = |number: u8| [0x80, 96, 0, number, 0, 0, 0, 0, 0, 0, 0, 9, 10 + number];
    /// let mut payloads = Vec::new();
    /// for number in [1, 3, 2] {
    ///     source
    ///         .handle_packet_with(&packet(number), Instant::now(), |packet| {
    ///             payloads.extend_from_slice(packet.payload);
    ///         })
    ///         .expect("it is one of the stream's");
    /// }
    /// assert_eq!(payloads, [11, 12, 13]);
    /// # Ok::<(), riverrun::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`RtpSourceConfig::check`].
    pub fn pass_through(config: RtpSourceConfig) -> Result<Self, Error> {
        Self::create(config, None)
    }

    fn create(
        config: RtpSourceConfig,
        depacketizer: Option<Box<dyn Depacketizer>>,
    ) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            statistics: Statistics::new(config.clock_rate, config.min_sequential),
            reorder: ReorderBuffer::new(config.max_packets, config.max_bytes, config.max_delay),
            timeline: Timeline::new(config.clock_rate),
            sender_clock: SenderClock::new(config.clock_rate),
            capture: CaptureTimes::default(),
            rate: RateMeter::default(),
            config,
            depacketizer,
            depacketized: DepacketizedFrames::new(),
            ssrc: None,
            expected: None,
            candidates: Candidates::default(),
            frames: VecDeque::new(),
            frame_bytes: 0,
            gap: Gap::default(),
            dropped: false,
            last_packet_at: None,
            report: None,
            round_trip: None,
            ends_at: None,
            ended: false,
            counters: SourceCounters::default(),
            events: Events::default(),
        })
    }

    /// Returns the SSRC in use; `None` before the first packet, unless
    /// [`expect_ssrc`](Self::expect_ssrc) has set it.
    pub const fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Announces the SSRC of the packets to come (RTSP's `Transport` states it). If another one is in
    /// use, the new one replaces it with its first packet.
    pub fn expect_ssrc(&mut self, ssrc: u32) {
        match self.ssrc {
            Some(current) if self.last_packet_at.is_some() => {
                self.expected = Some(ssrc).filter(|ssrc| *ssrc != current);
            }
            _ => self.ssrc = Some(ssrc),
        }
    }

    /// Makes `timestamp` correspond to `at` on the time line of the frames' `pts` (RTSP's
    /// `RTP-Info` and `Range` state them), from the next frame on. It applies to frames from ten
    /// seconds before it to a minute after it. If none of them arrives within half a second, the
    /// timestamp was wrong, and the next frame is put at `at`.
    pub fn set_reference(&mut self, timestamp: u32, at: Duration) {
        self.timeline.set_reference(timestamp, at);
    }

    /// Returns the counters.
    pub fn counters(&self) -> SourceCounters {
        let deviant_payloads = self.depacketizer.as_ref().map_or(0, |d| d.deviations());
        SourceCounters { deviant_payloads, ..self.counters }
    }

    /// Returns the number of packets lost of the present SSRC; negative if duplicates outnumber
    /// losses.
    pub const fn cumulative_lost(&self) -> i64 {
        self.statistics.lost()
    }

    /// Returns the interarrival jitter of the present SSRC in RTP timestamp units.
    pub const fn jitter(&self) -> u32 {
        self.statistics.jitter()
    }

    /// Returns the reception statistics of the SSRC in use.
    pub fn reception(&self) -> Reception {
        Reception { round_trip: self.round_trip, ..self.statistics.reception() }
    }

    /// Returns the rate at which packets arrived in the last second before `now`.
    pub fn rate(&self, now: Instant) -> ReceiveRate {
        self.rate.rate(now)
    }

    /// Returns whether the sender has said BYE and all earlier frames have been returned.
    pub fn is_ended(&self) -> bool {
        self.ended && self.frames.is_empty()
    }

    /// Processes a packet.
    ///
    /// # Errors
    /// The reason for which the packet was dropped; the caller need not act on it.
    pub fn handle_packet(&mut self, data: &[u8], now: Instant) -> Result<(), Rejected> {
        self.handle_packet_with(data, now, |_| {})
    }

    /// Processes a packet, and calls `take` with each packet that is next in order now: with this one,
    /// which is not copied then; with those that have waited for it; or with none. Only a
    /// [pass-through](Self::pass_through) source calls it.
    ///
    /// # Errors
    /// As [`handle_packet`](Self::handle_packet).
    pub fn handle_packet_with(
        &mut self,
        data: &[u8],
        now: Instant,
        mut take: impl FnMut(&ReceivedPacket<'_>),
    ) -> Result<(), Rejected> {
        let result = self.take_packet(data, now, &mut take);
        match result {
            Ok(()) => self.counters.packets += 1,
            Err(Rejected::Late | Rejected::Duplicate) => self.counters.late += 1,
            // It has been counted.
            Err(Rejected::PayloadType) => {}
            Err(why) => {
                self.counters.rejected += 1;
                self.counters.other_ssrcs += u64::from(why == Rejected::Ssrc);
                log::trace!("packet dropped: {why}");
            }
        }
        self.release(now, &mut take);
        result
    }

    fn take_packet(
        &mut self,
        data: &[u8],
        now: Instant,
        take: &mut impl FnMut(&ReceivedPacket<'_>),
    ) -> Result<(), Rejected> {
        let packet = RtpPacket::parse(data).map_err(|_| Rejected::Malformed)?;
        if packet.payload_type != self.config.payload_type {
            self.pass_over(&packet, data, now);
            return Err(Rejected::PayloadType);
        }
        self.check_ssrc(&packet, data, now, take)?;
        let sequence = match self.statistics.handle_sequence(packet.sequence_number) {
            Placed::Unconfirmed => return Err(Rejected::Unconfirmed),
            Placed::At(sequence) => sequence,
            Placed::Restarted(sequence) => {
                log::debug!(
                    "{:08x}: sequence number jumps to {}",
                    packet.ssrc,
                    packet.sequence_number
                );
                self.restart(take);
                self.note(SourceEvent::Restarted);
                self.timeline.doubt();
                sequence
            }
        };
        self.statistics.handle_arrival(now, packet.timestamp);
        self.last_packet_at = Some(now);
        match self.reorder.offer(sequence, data, now) {
            Place::Next => self.deliver(&packet, sequence, now, take),
            Place::Kept => {}
            Place::Duplicate => return Err(Rejected::Duplicate),
            Place::Late => return Err(Rejected::Late),
        }
        self.rate.count(data.len(), now);
        self.counters.octets += packet.payload.len() as u64;
        Ok(())
    }

    /// A packet of another payload type is none of the stream's, but if it has the stream's SSRC it
    /// has its place in the sequence, and is not missing there.
    fn pass_over(&mut self, packet: &RtpPacket<'_>, data: &[u8], now: Instant) {
        let belongs = self.ssrc == Some(packet.ssrc) && self.last_packet_at.is_some();
        if !belongs || self.ended || !self.statistics.is_near(packet.sequence_number) {
            self.counters.rejected += 1;
            return;
        }
        if let Placed::At(sequence) = self.statistics.handle_sequence(packet.sequence_number) {
            self.reorder.offer(sequence, data, now);
        }
        self.last_packet_at = Some(now);
        self.counters.other_types += 1;
    }

    /// Takes another SSRC if it was announced, if the one in use has said BYE, or if that is silent
    /// and two packets in sequence speak for the new one; RFC 3550 leaves the choice to the receiver
    /// (section 8.2). A sender that goes on under its SSRC after its BYE begins anew, too.
    fn check_ssrc(
        &mut self,
        packet: &RtpPacket<'_>,
        data: &[u8],
        now: Instant,
        take: &mut impl FnMut(&ReceivedPacket<'_>),
    ) -> Result<(), Rejected> {
        let current = *self.ssrc.get_or_insert(packet.ssrc);
        if packet.ssrc == current && !self.ended {
            self.candidates.clear();
            return Ok(());
        }
        let is_announced = self.expected == Some(packet.ssrc);
        let follows = self.ends_at.is_some() && packet.ssrc != current;
        if is_announced || follows {
            self.change_ssrc(current, packet.ssrc, take);
            return Ok(());
        }
        let (sequence, next) = (packet.sequence_number, packet.sequence_number.wrapping_add(1));
        // While nothing has come, the one announced may be wrong: then no packet is to be lost.
        let first = self.last_packet_at.is_none().then(|| data.to_vec());
        let before = self.candidates.replace(Candidate { ssrc: packet.ssrc, next, first });
        let before = before.filter(|before| before.next == sequence);
        let silence = self.last_packet_at.map(|at| now.saturating_duration_since(at));
        let silent = silence.is_none_or(|silence| silence >= self.config.ssrc_silence);
        let Some(before) = before.filter(|_| silent || self.ends_at.is_some()) else {
            return Err(Rejected::Ssrc);
        };
        self.change_ssrc(current, packet.ssrc, take);
        if let Some(first) = before.first {
            if self.take_packet(&first, now, take).is_ok() {
                self.counters.packets += 1;
                self.counters.rejected -= 1;
                self.counters.other_ssrcs -= 1;
            }
        }
        Ok(())
    }

    fn change_ssrc(&mut self, from: u32, to: u32, take: &mut impl FnMut(&ReceivedPacket<'_>)) {
        log::debug!("{from:08x} is followed by {to:08x}");
        if self.last_packet_at.is_some() {
            self.restart(take);
            self.note(if from == to {
                SourceEvent::Restarted
            } else {
                SourceEvent::SsrcChanged { from, to }
            });
            self.timeline.restart();
        }
        self.ssrc = Some(to);
        self.expected = None;
        self.candidates.clear();
        self.statistics = self.statistics.following();
        self.sender_clock = SenderClock::new(self.config.clock_rate);
        self.report = None;
        self.round_trip = None;
        self.ends_at = None;
        self.ended = false;
    }

    fn note(&mut self, event: SourceEvent) {
        self.counters.dropped_events += u64::from(!self.events.push(event));
    }

    /// Releases all kept packets; the next packet is unrelated to them.
    fn restart(&mut self, take: &mut impl FnMut(&ReceivedPacket<'_>)) {
        self.drain(take);
        self.reorder.reset();
        self.gap.restarted = true;
        self.counters.restarts += 1;
    }

    fn drain(&mut self, take: &mut impl FnMut(&ReceivedPacket<'_>)) {
        while let Some(released) = self.reorder.pop() {
            self.deliver_released(&released, take);
        }
    }

    fn release(&mut self, now: Instant, take: &mut impl FnMut(&ReceivedPacket<'_>)) {
        if self.reorder.is_empty() {
            return;
        }
        while let Some(released) = self.reorder.release(now) {
            self.deliver_released(&released, take);
        }
    }

    /// Iterates over the sequence numbers of the missing packets that may still arrive, in order. They
    /// can be requested again (RFC 4585 section 6.2.1).
    pub fn missing(&self) -> impl Iterator<Item = u16> + '_ {
        self.reorder.missing().map(|sequence| sequence as u16)
    }

    /// Returns since when the first of them has been known to be missing.
    pub(super) const fn missing_since(&self) -> Option<Instant> {
        self.reorder.gap_since()
    }

    /// Returns when a missing packet is given up, or the end after BYE becomes final.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ends_at = self.ends_at.filter(|_| !self.ended);
        [self.reorder.deadline(), ends_at].into_iter().flatten().min()
    }

    /// Processes the passage of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout_with(now, |_| {});
    }

    /// Processes the passage of time, and calls `take` as
    /// [`handle_packet_with`](Self::handle_packet_with) does: with packets behind one that is given
    /// up.
    pub fn handle_timeout_with(&mut self, now: Instant, mut take: impl FnMut(&ReceivedPacket<'_>)) {
        self.release(now, &mut take);
        if !self.ended && self.ends_at.is_some_and(|at| at <= now) {
            self.drain(&mut take);
            if let Some(depacketizer) = &mut self.depacketizer {
                depacketizer.handle_end(&mut self.depacketized);
                self.take_frames(None, now);
            }
            self.ended = true;
        }
    }

    /// Returns the next event, the oldest first. At most 64 events are kept; more are counted
    /// ([`SourceCounters::dropped_events`]) and dropped.
    pub fn poll_event(&mut self) -> Option<SourceEvent> {
        self.events.pop()
    }

    /// Processes a sender report, which relates timestamps to wall-clock time. Reports of other
    /// SSRCs are ignored. A report that contradicts the packets, or the previous report, is not used
    /// until a second one confirms it.
    pub fn handle_sender_report(&mut self, report: &SenderReport, now: Instant) {
        if self.ssrc != Some(report.ssrc) {
            return;
        }
        let expected = self.timeline.expected(now);
        match self.sender_clock.handle_report(report.info, expected, now) {
            Verdict::Believed => {}
            Verdict::Stepped => self.timeline.note_clock_step(),
            // The block is to tell of the last one.
            Verdict::Late => return,
            Verdict::Doubted => self.counters.doubted_reports += 1,
        }
        self.report = Some((report.info.ntp, now));
    }

    /// Processes the round-trip time to the sender, which is then among the
    /// [reception statistics](Self::reception).
    pub const fn handle_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = Some(round_trip);
    }

    /// Processes the BYE of `ssrc`, which may have overtaken its last packets: the stream ends
    /// after the time for late packets.
    pub fn handle_bye(&mut self, ssrc: u32, now: Instant) {
        if self.ssrc == Some(ssrc) && self.ends_at.is_none() {
            self.ends_at = Some(now + self.config.max_delay);
        }
    }

    /// Returns the block of a receiver report for the time since the last one (RFC 3550 section
    /// 6.4.1); `None` if nothing has been received since, or the sender has said BYE (sections 6.4
    /// and 6.3.4). Each call begins a new interval, so call it when the report is written: in the
    /// `blocks` of [`RtcpInstance::poll_report_with`](super::RtcpInstance::poll_report_with).
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        if self.ends_at.is_some() {
            return None;
        }
        let mut block = self.statistics.take_report(self.ssrc?)?;
        if let Some((ntp, at)) = self.report {
            block.last_sr = ntp.middle();
            block.delay_since_last_sr = NtpTime::short_delay(now.saturating_duration_since(at));
        }
        Some(block)
    }
}
