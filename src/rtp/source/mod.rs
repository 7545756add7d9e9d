//! [`RtpSource`]: assembles frames from RTP packets. Maintainers should know RFC 3550 sections 5.1,
//! 6.4 and 8, and appendix A.

mod config;
mod reorder;
mod statistics;
#[cfg(test)]
mod tests;
mod timeline;

use super::rtcp::{NtpTime, ReportBlock, SenderReport};
use crate::error::Error;
use crate::frame::Frame;
use crate::payload::{DepacketizedFrames, Depacketizer, RtpPayload};
use crate::wire::rtp::RtpPacket;
use bytes::Bytes;
pub use config::RtpSourceConfig;
use reorder::{Place, ReorderBuffer};
use statistics::{Placed, Statistics};
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};
use timeline::Timeline;

/// A frame assembled from packets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedFrame {
    /// Data, as in [`Frame::data`](crate::Frame::data).
    pub data: Bytes,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Presentation time, on a time line that starts with the first frame (or as set by
    /// [`RtpSource::set_reference`]) and continues when the sender starts over.
    pub pts: Duration,
    /// Presentation time on the sender's wall clock, once it has sent a report: tracks with the
    /// same CNAME are synchronized by it.
    pub wall_clock: Option<NtpTime>,
    /// Whether decoding can start with the frame.
    pub key: bool,
    /// Whether the frame ends its access unit; see
    /// [`DepacketizedFrame::ends_access_unit`](crate::payload::DepacketizedFrame::ends_access_unit).
    pub ends_access_unit: bool,
    /// Whether something was lost before or in this frame.
    pub discontinuity: bool,
    /// Whether the frame is, or may be, incomplete; see
    /// [`DepacketizedFrame::damaged`](crate::payload::DepacketizedFrame::damaged).
    pub damaged: bool,
}

impl ReceivedFrame {
    /// Converts to a frame that can be sent, due at `dts` on the time line of [`pts`](Self::pts).
    /// RTP does not state when a frame is due: for a stream that is forwarded as it arrives, pass
    /// the time of arrival, and the frame's `pts` if no pictures are reordered.
    pub fn into_frame(self, dts: Duration) -> Frame {
        let mut frame = Frame::new(self.data, self.pts, Duration::ZERO);
        frame.dts = dts;
        frame.wall_clock = self.wall_clock.map(NtpTime::to_unix);
        frame.flags.key = self.key;
        frame.flags.ends_access_unit = self.ends_access_unit;
        frame.flags.discontinuity = self.discontinuity;
        frame
    }
}

/// The reason for which a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// The bytes are not an RTP packet.
    Malformed,
    /// The packet has another payload type than the stream.
    PayloadType,
    /// The packet has another SSRC than the one in use.
    Ssrc,
    /// The source, or a jump of its sequence number, is not confirmed yet.
    Unconfirmed,
    /// A packet with that sequence number has arrived before.
    Duplicate,
    /// The packet arrived after its position in the sequence was given up, or twice.
    Late,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "no RTP packet",
            Self::PayloadType => "payload type is not the stream's",
            Self::Ssrc => "SSRC is not the one in use",
            Self::Unconfirmed => "source or sequence number is not confirmed yet",
            Self::Duplicate => "duplicate",
            Self::Late => "too late, or duplicate",
        })
    }
}

impl std::error::Error for Rejected {}

/// Counters of an [`RtpSource`], over all its SSRCs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceCounters {
    /// Packets accepted.
    pub packets: u64,
    /// Octets of their payload.
    pub octets: u64,
    /// Packets dropped, except late and duplicate ones.
    pub rejected: u64,
    /// Packets that arrived after their position was given up, or twice.
    pub late: u64,
    /// Packets given up because they did not arrive in time.
    pub missing: u64,
    /// Payloads that were malformed.
    pub malformed_payloads: u64,
    /// Payloads that violate the RFC of their format and were accepted nevertheless.
    pub deviant_payloads: u64,
    /// Frames assembled.
    pub frames: u64,
    /// Frames dropped because the queue of frames was full.
    pub dropped_frames: u64,
    /// Number of times that the sender changed its SSRC, or started over under the same one.
    pub restarts: u64,
}

/// Another SSRC that may replace the present one.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    ssrc: u32,
    next: u16,
}

/// Receives one stream.
///
/// Pass received packets to [`handle_packet`](Self::handle_packet), then call
/// [`poll_frame`](Self::poll_frame) until it returns `None`; call
/// [`handle_timeout`](Self::handle_timeout) at [`poll_timeout`](Self::poll_timeout). Pass sender
/// reports that an [`RtcpInstance`](super::RtcpInstance) has read to
/// [`handle_sender_report`](Self::handle_sender_report), and put
/// [`report_block`](Self::report_block)s into its own reports.
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
    depacketizer: Box<dyn Depacketizer>,
    /// Frames of the depacketizer that have no time yet.
    depacketized: DepacketizedFrames,
    ssrc: Option<u32>,
    candidate: Option<Candidate>,
    statistics: Statistics,
    reorder: ReorderBuffer,
    timeline: Timeline,
    frames: VecDeque<ReceivedFrame>,
    frame_bytes: usize,
    /// Whether the depacketizer has not been notified of a loss yet.
    lost: bool,
    /// Whether a frame was dropped from the queue before its present first one.
    dropped: bool,
    last_packet_at: Option<Instant>,
    /// The last report of the sender and its time of arrival.
    report: Option<(NtpTime, Instant)>,
    /// Set when the sender has said BYE: until then, late packets are awaited.
    ends_at: Option<Instant>,
    ended: bool,
    counters: SourceCounters,
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
        config.check()?;
        Ok(Self {
            statistics: Statistics::new(config.clock_rate, config.min_sequential),
            reorder: ReorderBuffer::new(config.max_packets, config.max_bytes, config.max_delay),
            timeline: Timeline::new(config.clock_rate),
            config,
            depacketizer,
            depacketized: DepacketizedFrames::new(),
            ssrc: None,
            candidate: None,
            frames: VecDeque::new(),
            frame_bytes: 0,
            lost: false,
            dropped: false,
            last_packet_at: None,
            report: None,
            ends_at: None,
            ended: false,
            counters: SourceCounters::default(),
        })
    }

    /// Returns the SSRC in use; `None` before the first packet, unless
    /// [`expect_ssrc`](Self::expect_ssrc) has set it.
    pub const fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Sets the SSRC before the first packet (RTSP's `Transport` states it).
    pub fn expect_ssrc(&mut self, ssrc: u32) {
        self.ssrc.get_or_insert(ssrc);
    }

    /// Makes `timestamp` correspond to `at` on the time line of the frames' `pts` (RTSP's
    /// `RTP-Info` and `Range` state them).
    pub fn set_reference(&mut self, timestamp: u32, at: Duration) {
        self.timeline.set_reference(timestamp, at);
    }

    /// Returns the counters.
    pub fn counters(&self) -> SourceCounters {
        SourceCounters { deviant_payloads: self.depacketizer.deviations(), ..self.counters }
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

    /// Returns whether the sender has said BYE and all earlier frames have been returned.
    pub fn is_ended(&self) -> bool {
        self.ended && self.frames.is_empty()
    }

    /// Processes a packet.
    ///
    /// # Errors
    /// The reason for which the packet was dropped; the caller need not act on it.
    pub fn handle_packet(&mut self, data: &[u8], now: Instant) -> Result<(), Rejected> {
        let result = self.take_packet(data, now);
        match result {
            Ok(()) => self.counters.packets += 1,
            Err(Rejected::Late | Rejected::Duplicate) => self.counters.late += 1,
            Err(why) => {
                self.counters.rejected += 1;
                log::trace!("packet dropped: {why}");
            }
        }
        self.release(now);
        result
    }

    fn take_packet(&mut self, data: &[u8], now: Instant) -> Result<(), Rejected> {
        let packet = RtpPacket::parse(data).map_err(|_| Rejected::Malformed)?;
        if packet.payload_type != self.config.payload_type {
            return Err(Rejected::PayloadType);
        }
        self.check_ssrc(&packet, now)?;
        let sequence = match self.statistics.handle_sequence(packet.sequence_number) {
            Placed::Unconfirmed => return Err(Rejected::Unconfirmed),
            Placed::At(sequence) => sequence,
            Placed::Restarted(sequence) => {
                log::debug!(
                    "{:08x}: sequence number jumps to {}",
                    packet.ssrc,
                    packet.sequence_number
                );
                self.restart();
                let silence = self.last_packet_at.map(|at| now.saturating_duration_since(at));
                self.timeline.follow_jump(packet.timestamp, silence.unwrap_or_default());
                sequence
            }
        };
        self.statistics.handle_arrival(now, packet.timestamp);
        self.last_packet_at = Some(now);
        match self.reorder.offer(sequence, data, now) {
            Place::Next => self.deliver(&packet),
            Place::Kept => {}
            Place::Duplicate => return Err(Rejected::Duplicate),
            Place::Late => return Err(Rejected::Late),
        }
        self.counters.octets += packet.payload.len() as u64;
        Ok(())
    }

    /// Switches to another SSRC if the present one is silent and two packets in sequence have the
    /// new one; RFC 3550 leaves the choice to the receiver (section 8.2). A sender that continues
    /// under its SSRC after its BYE starts over too.
    fn check_ssrc(&mut self, packet: &RtpPacket<'_>, now: Instant) -> Result<(), Rejected> {
        let current = *self.ssrc.get_or_insert(packet.ssrc);
        if packet.ssrc == current && !self.ended {
            self.candidate = None;
            return Ok(());
        }
        let next = packet.sequence_number.wrapping_add(1);
        let before = self.candidate.replace(Candidate { ssrc: packet.ssrc, next });
        let confirmed =
            before.is_some_and(|b| b.ssrc == packet.ssrc && b.next == packet.sequence_number);
        let silence = self.last_packet_at.map(|at| now.saturating_duration_since(at));
        let silent = silence.is_none_or(|silence| silence >= self.config.ssrc_silence);
        if !confirmed || !(silent || self.ends_at.is_some()) {
            return Err(Rejected::Ssrc);
        }
        log::debug!("{current:08x} is followed by {:08x}", packet.ssrc);
        self.restart();
        self.ssrc = Some(packet.ssrc);
        self.candidate = None;
        self.statistics = Statistics::new(self.config.clock_rate, 0);
        self.timeline.restart(silence.unwrap_or_default());
        self.report = None;
        self.ends_at = None;
        self.ended = false;
        Ok(())
    }

    /// Releases all kept packets; the next packet is unrelated to them.
    fn restart(&mut self) {
        self.drain();
        self.reorder.reset();
        self.lost = true;
        self.counters.restarts += 1;
    }

    fn drain(&mut self) {
        while let Some(released) = self.reorder.pop() {
            self.deliver_released(&released.packet, released.missing);
        }
    }

    fn release(&mut self, now: Instant) {
        while let Some(released) = self.reorder.release(now) {
            self.deliver_released(&released.packet, released.missing);
        }
    }

    fn deliver_released(&mut self, data: &[u8], missing: u64) {
        if missing > 0 {
            self.lost = true;
            self.counters.missing += missing;
        }
        // It was parsed when it came.
        if let Ok(packet) = RtpPacket::parse(data) {
            self.deliver(&packet);
        }
    }

    fn deliver(&mut self, packet: &RtpPacket<'_>) {
        let lost = std::mem::take(&mut self.lost);
        let payload = RtpPayload::new(packet.payload, packet.timestamp)
            .with_marker(packet.marker)
            .after_loss(lost);
        if let Err(e) = self.depacketizer.handle_payload(&payload, &mut self.depacketized) {
            log::trace!("{:08x} packet {}: {e}", packet.ssrc, packet.sequence_number);
            self.counters.malformed_payloads += 1;
        }
        self.take_frames();
    }

    /// Takes the depacketizer's frames into the bounded queue.
    fn take_frames(&mut self) {
        while let Some(frame) = self.depacketized.pop() {
            self.counters.frames += 1;
            self.frame_bytes += frame.data.len();
            self.frames.push_back(ReceivedFrame {
                pts: self.timeline.presentation(frame.timestamp),
                wall_clock: self.timeline.wall_clock(frame.timestamp),
                data: frame.data,
                timestamp: frame.timestamp,
                key: frame.key,
                ends_access_unit: frame.ends_access_unit,
                discontinuity: frame.discontinuity,
                damaged: frame.damaged,
            });
            while self.frames.len() > self.config.max_frames
                || self.frame_bytes > self.config.max_frame_bytes
            {
                let Some(dropped) = self.frames.pop_front() else { break };
                self.frame_bytes -= dropped.data.len();
                self.counters.dropped_frames += 1;
                self.dropped = true;
            }
        }
    }

    /// Returns the next frame.
    pub fn poll_frame(&mut self) -> Option<ReceivedFrame> {
        let mut frame = self.frames.pop_front()?;
        self.frame_bytes -= frame.data.len();
        frame.discontinuity |= std::mem::take(&mut self.dropped);
        Some(frame)
    }

    /// Returns when a missing packet is given up, or the end after BYE becomes final.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ends_at = self.ends_at.filter(|_| !self.ended);
        [self.reorder.deadline(), ends_at].into_iter().flatten().min()
    }

    /// Processes the passage of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.release(now);
        if !self.ended && self.ends_at.is_some_and(|at| at <= now) {
            self.drain();
            self.depacketizer.handle_end(&mut self.depacketized);
            self.take_frames();
            self.ended = true;
        }
    }

    /// Processes a sender report, which relates timestamps to wall-clock time. Reports of other
    /// SSRCs are ignored.
    pub fn handle_sender_report(&mut self, report: &SenderReport, now: Instant) {
        if self.ssrc == Some(report.ssrc) {
            self.timeline.handle_report(report.info);
            self.report = Some((report.info.ntp, now));
        }
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
