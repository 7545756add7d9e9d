//! [`StreamReceiver`]: the receiver of a stream, without sockets. Maintainers should know RFC 3550
//! sections 6 and 8, and RFC 4585 section 3 on when feedback may be sent.

mod config;
mod key_frames;
mod missing;
#[cfg(test)]
mod tests;

pub use config::{KeyFrameMessage, StreamReceiverConfig};

use super::rtcp::{Cname, NtpTime, RtcpInstance, RtcpOutcome, SenderReport};
use super::source::{ReceivedFrame, ReceivedPacket, Rejected, RtpSource, SourceEvent};
use crate::error::Error;
use crate::payload::Depacketizer;
use crate::wire::rtp::{PacketKind, RtpPacket};
use byteorder::{BigEndian, ByteOrder};
use key_frames::KeyFrameNeed;
use missing::PacketRequests;
use std::time::{Duration, Instant};

/// The single key under which the RTCP instance knows those who report to us; we send no stream on
/// which they could report.
const NOBODY: u64 = 0;

/// Receives one stream: an [`RtpSource`], the [`RtcpInstance`] that reports on it, and requests for
/// key frames and for lost packets. The caller passes the time and the bytes, whether they arrive over UDP
/// ([`RtpReceiver`](crate::receive::RtpReceiver) adds the sockets), interleaved in an RTSP
/// connection, or from a file.
///
/// Packets go to [`handle_rtp`](Self::handle_rtp) and [`handle_rtcp`](Self::handle_rtcp), or to
/// [`handle_packet`](Self::handle_packet) if both arrive on the same socket. After each of these
/// calls, and after [`handle_timeout`](Self::handle_timeout), which is due at
/// [`poll_timeout`](Self::poll_timeout), call [`poll_frame`](Self::poll_frame) and then
/// [`poll_rtcp`](Self::poll_rtcp), each until it returns nothing. At the end, call
/// [`bye`](Self::bye).
///
/// A receiver that is made by [`pass_through`](Self::pass_through) returns no frames. It passes the
/// packets on, in order, to the functions that [`handle_rtp_with`](Self::handle_rtp_with) and
/// [`handle_timeout_with`](Self::handle_timeout_with) are called with.
///
/// ```
/// use riverrun::payload::mp2t::Mp2tDepacketizer;
/// use riverrun::rtp::rtcp::NtpTime;
/// use riverrun::rtp::{StreamReceiver, StreamReceiverConfig};
/// use std::time::Instant;
///
/// let config = StreamReceiverConfig::new(33, 90_000, "viewer@example.org");
/// let (random, mut now) = ([7; 12], Instant::now()); // of the operating system
/// let depacketizer = Box::new(Mp2tDepacketizer::new());
/// let mut receiver = StreamReceiver::new(config, depacketizer, now, random)?;
///
/// let mut packet = vec![0x80, 33, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
/// packet.extend([0x47; 188]);
/// receiver.handle_rtp(&packet, now).expect("it is one of the stream's");
/// assert_eq!(receiver.poll_frame().expect("a transport packet is a frame").data.len(), 188);
///
/// let mut report = Vec::new();
/// while report.is_empty() {
///     now = receiver.poll_timeout().expect("it has not said BYE"); // sleep until then
///     receiver.handle_timeout(now);
///     receiver.poll_rtcp(now, NtpTime::default(), &mut report);
/// }
/// assert_eq!(report[1], 201); // a receiver report
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Debug)]
pub struct StreamReceiver {
    source: RtpSource,
    rtcp: RtcpInstance,
    key_frames: KeyFrameNeed,
    packets: PacketRequests,
    /// Time passed with the last call.
    now: Instant,
    early_report: Option<EarlyReport>,
    sender_cname: Option<Cname>,
    collision: bool,
}

/// A report of an SSRC that is not in use; it may have overtaken the first packet.
#[derive(Debug)]
struct EarlyReport {
    report: SenderReport,
    at: Instant,
    cname: Option<Cname>,
}

impl StreamReceiver {
    /// Creates a receiver for the payload format of `depacketizer`. `random` provides the SSRC of
    /// the reports and the seed of their intervals.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`StreamReceiverConfig::check`].
    pub fn new(
        config: StreamReceiverConfig,
        depacketizer: Box<dyn Depacketizer>,
        now: Instant,
        random: [u8; 12],
    ) -> Result<Self, Error> {
        Self::create(config, Some(depacketizer), now, random)
    }

    /// Creates a receiver that passes packets on in order and assembles no frames; see
    /// [`RtpSource::pass_through`]. It does not recognize key frames: it requests one when packets are
    /// lost, and each time that [`want_key_frame`](Self::want_key_frame) is called, but not more often
    /// than the configuration says.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`StreamReceiverConfig::check`].
    pub fn pass_through(
        config: StreamReceiverConfig,
        now: Instant,
        random: [u8; 12],
    ) -> Result<Self, Error> {
        Self::create(config, None, now, random)
    }

    fn create(
        mut config: StreamReceiverConfig,
        depacketizer: Option<Box<dyn Depacketizer>>,
        now: Instant,
        random: [u8; 12],
    ) -> Result<Self, Error> {
        config.check()?;
        config.rtcp.is_sender = false;
        let (ssrc, seed) = random.split_at(4);
        let (ssrc, seed) = (BigEndian::read_u32(ssrc).max(1), BigEndian::read_u64(seed));
        let is_blind = depacketizer.is_none();
        Ok(Self {
            source: match depacketizer {
                Some(depacketizer) => RtpSource::new(config.source, depacketizer)?,
                None => RtpSource::pass_through(config.source)?,
            },
            rtcp: RtcpInstance::new(config.rtcp, ssrc, now, seed),
            key_frames: KeyFrameNeed::new(
                config.key_frame_message,
                config.key_frame_interval,
                is_blind,
            ),
            packets: PacketRequests::new(config.nack, config.nack_delay, config.nack_interval),
            now,
            early_report: None,
            sender_cname: None,
            collision: false,
        })
    }

    /// Returns the RTP side: SSRC, loss, jitter, counters.
    pub const fn source(&self) -> &RtpSource {
        &self.source
    }

    /// Returns the RTCP side: the SSRC of the reports, members, counters.
    pub const fn rtcp(&self) -> &RtcpInstance {
        &self.rtcp
    }

    /// Returns the canonical name of the sender, once it is known: streams with the same name share
    /// a clock (RFC 3550 section 6.5.1).
    pub fn sender_cname(&self) -> Option<&str> {
        self.sender_cname.as_deref()
    }

    /// See [`RtpSource::expect_ssrc`].
    pub fn expect_ssrc(&mut self, ssrc: u32) {
        self.source.expect_ssrc(ssrc);
    }

    /// See [`RtpSource::set_reference`].
    pub fn set_reference(&mut self, timestamp: u32, at: Duration) {
        self.source.set_reference(timestamp, at);
    }

    /// Sets the session's bandwidth in bit/s, of which RTCP gets 5 %.
    pub fn set_session_bandwidth(&mut self, bps: u64) {
        self.rtcp.set_session_bandwidth(bps);
    }

    /// Processes an RTP packet.
    ///
    /// # Errors
    /// The reason for which the packet was dropped; the caller need not act on it.
    pub fn handle_rtp(&mut self, data: &[u8], now: Instant) -> Result<(), Rejected> {
        self.handle_rtp_with(data, now, |_| {})
    }

    /// Processes an RTP packet, and calls `take` with each packet that is next in order now, if the
    /// receiver [passes packets on](Self::pass_through); see [`RtpSource::handle_packet_with`].
    ///
    /// # Errors
    /// As [`handle_rtp`](Self::handle_rtp).
    pub fn handle_rtp_with(
        &mut self,
        data: &[u8],
        now: Instant,
        mut take: impl FnMut(&ReceivedPacket<'_>),
    ) -> Result<(), Rejected> {
        self.now = now;
        if let (Some(early), None) = (&self.early_report, self.source.ssrc()) {
            let is_of = |p: RtpPacket<'_>| p.ssrc == early.report.ssrc;
            if RtpPacket::parse(data).is_ok_and(is_of) {
                self.source.expect_ssrc(early.report.ssrc);
                self.take_early_report();
            }
        }
        let Self { source, key_frames, .. } = self;
        let result = source.handle_packet_with(data, now, |packet| {
            key_frames.on_packet(packet, now);
            take(packet);
        });
        self.take_early_report();
        self.collision |= self.source.ssrc() == Some(self.rtcp.ssrc());
        result
    }

    fn take_early_report(&mut self) {
        let ssrc = self.source.ssrc();
        if let Some(early) = self.early_report.take_if(|early| Some(early.report.ssrc) == ssrc) {
            self.source.handle_sender_report(&early.report, early.at);
            self.sender_cname = early.cname.or(self.sender_cname);
        }
    }

    /// Processes an RTCP packet; `ntp_now` is the wall-clock time at `now`. Everything in it that
    /// concerns the stream has been handled when this returns; the outcome is for the caller's
    /// information.
    pub fn handle_rtcp(&mut self, data: &[u8], now: Instant, ntp_now: NtpTime) -> RtcpOutcome {
        self.now = now;
        let outcome = self.rtcp.handle_packet(data, NOBODY, now, ntp_now);
        if let Some(report) = outcome.sender_report {
            if self.source.ssrc() == Some(report.ssrc) {
                self.source.handle_sender_report(&report, now);
                self.sender_cname = outcome.cname.or(self.sender_cname);
            } else {
                self.early_report = Some(EarlyReport { report, at: now, cname: outcome.cname });
            }
        }
        if let Some(round_trip) = outcome.round_trip {
            self.source.handle_round_trip(round_trip);
        }
        if let Some(ssrc) = outcome.bye {
            self.source.handle_bye(ssrc, now);
        }
        self.collision |= outcome.collision;
        outcome
    }

    /// Processes a packet of either kind, for RTP and RTCP on the same socket; [`PacketKind::of`]
    /// distinguishes them.
    pub fn handle_packet(&mut self, data: &[u8], now: Instant, ntp_now: NtpTime) {
        if PacketKind::of(data, None) == PacketKind::Rtcp {
            self.handle_rtcp(data, now, ntp_now);
        } else if let Err(why) = self.handle_rtp(data, now) {
            // The source has counted it.
            log::trace!("{:08x}: {why}", self.rtcp.ssrc());
        }
    }

    /// Returns the next frame.
    pub fn poll_frame(&mut self) -> Option<ReceivedFrame> {
        let frame = self.source.poll_frame()?;
        self.key_frames.on_frame(&frame, self.now);
        Some(frame)
    }

    /// As [`RtpSource::poll_event`].
    pub fn poll_event(&mut self) -> Option<SourceEvent> {
        self.source.poll_event()
    }

    /// Returns whether the sender has said BYE and all earlier frames have been returned. The
    /// result is false again if that sender continues, or another one takes its place.
    pub fn is_ended(&self) -> bool {
        self.source.is_ended()
    }

    /// Returns whether the last frames cannot be decoded: something was lost, or no key frame
    /// preceded them. The next complete key frame ends this state; in a receiver that
    /// [passes packets on](Self::pass_through), the request does.
    pub const fn is_key_frame_wanted(&self) -> bool {
        self.key_frames.is_wanted()
    }

    /// Requests a key frame, as the loss of a packet does, because a decoder needs one.
    pub fn want_key_frame(&mut self) {
        self.key_frames.want(self.now);
    }

    /// Returns the number of requests for a key frame sent.
    pub const fn key_frame_requests(&self) -> u64 {
        self.key_frames.requests()
    }

    /// Returns the number of requests for missing packets that were sent.
    pub const fn packet_requests(&self) -> u64 {
        self.packets.requests()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let requests = [self.key_frames.due_at(), self.packets.due_at(&self.source)];
        let request = requests.into_iter().flatten().min().filter(|_| self.may_ask_at_once());
        [self.source.poll_timeout(), self.rtcp.poll_timeout(), request].into_iter().flatten().min()
    }

    /// Processes the passage of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout_with(now, |_| {});
    }

    /// Processes the passage of time, and calls `take` as
    /// [`handle_rtp_with`](Self::handle_rtp_with) does.
    pub fn handle_timeout_with(&mut self, now: Instant, mut take: impl FnMut(&ReceivedPacket<'_>)) {
        self.now = now;
        let Self { source, key_frames, .. } = self;
        source.handle_timeout_with(now, |packet| {
            key_frames.on_packet(packet, now);
            take(packet);
        });
        if self.rtcp.poll_timeout().is_some_and(|at| at <= now) {
            self.rtcp.handle_timeout(now, 1);
        }
    }

    /// Appends the next packet for the sender to `out`: a report that is due, or a request for
    /// missing packets or for a key frame. Returns false if there is none. `ntp` is the wall-clock time
    /// at `now`.
    pub fn poll_rtcp(&mut self, now: Instant, ntp: NtpTime, out: &mut Vec<u8>) -> bool {
        self.now = now;
        let Self { source, rtcp, .. } = self;
        if rtcp.poll_report_with(now, ntp, None, |now| source.report_block(now), out) {
            // In a group a request goes with a report (RFC 4585 section 3.5.2, for a receiver that
            // sends no early packets).
            if !self.may_ask_at_once() {
                self.ask_for_packets(now, ntp, out);
                self.ask_for_key_frame(now, ntp, out);
            }
            return true;
        }
        self.may_ask_at_once()
            && (self.ask_for_packets(now, ntp, out) || self.ask_for_key_frame(now, ntp, out))
    }

    /// Returns whether [`poll_rtcp`](Self::poll_rtcp) may have something to send at `now`, or the SSRC
    /// is to be changed.
    pub(crate) fn has_rtcp(&self, now: Instant) -> bool {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        self.collision
            || self.rtcp.has_report()
            || is_due(self.key_frames.due_at())
            || is_due(self.packets.due_at(&self.source))
    }

    /// Whether feedback may be sent at once: with two participants, no other one can be disturbed
    /// (RFC 4585 section 3.4 b: T_dither_max is 0).
    fn may_ask_at_once(&self) -> bool {
        self.source.ssrc().is_some()
            && self.rtcp.poll_timeout().is_some()
            && self.rtcp.members() <= 2
    }

    fn ask_for_packets(&mut self, now: Instant, ntp: NtpTime, out: &mut Vec<u8>) -> bool {
        let Some(media) = self.source.ssrc() else { return false };
        let Some(lost) = self.packets.poll_request(&self.source, now) else { return false };
        self.rtcp.request_packets(ntp, None, media, lost.entries(), out);
        true
    }

    fn ask_for_key_frame(&mut self, now: Instant, ntp: NtpTime, out: &mut Vec<u8>) -> bool {
        let Some(media) = self.source.ssrc() else { return false };
        let Some(request) = self.key_frames.poll_request(now) else { return false };
        self.rtcp.request_key_frame(ntp, None, media, request, out);
        true
    }

    /// Returns whether another participant uses the SSRC of our reports (RFC 3550 section 8.2),
    /// until [`change_ssrc`](Self::change_ssrc) is called.
    pub const fn has_collision(&self) -> bool {
        self.collision
    }

    /// Reports under another SSRC from now on, and appends the BYE of the previous one to `out` if
    /// any packet was sent under it.
    pub fn change_ssrc(&mut self, ssrc: u32, ntp: NtpTime, out: &mut Vec<u8>) {
        self.rtcp.bye_for_now(ntp, None, out);
        self.rtcp.change_ssrc(ssrc);
        self.collision = false;
    }

    /// Appends the last packet to `out`: a report with BYE (RFC 3550 section 6.6). Returns false,
    /// and appends nothing, if it was written before or no report was ever sent. Frames can still
    /// be received.
    pub fn bye(&mut self, ntp: NtpTime, out: &mut Vec<u8>) -> bool {
        self.rtcp.bye(ntp, None, None, out)
    }
}
