//! [`RtcpInstance`]: writes and reads the reports of a stream.

use super::compound::ArrivedCompound;
use super::interval::{IntervalFacts, MINIMUM_INTERVAL, ReportTimer};
use super::reception::Receptions;
use super::requests::FullIntraRequests;
use super::round_trip::StatedTimes;
use super::{
    KeyFrameRequest, Nack, NtpTime, ReceptionStatistics, ReferenceTime, ReportBlock, RtcpConfig,
    RtcpCounters, RtcpEvent, RtcpOutcome, SenderFacts,
};
use crate::error::Error;
use crate::rtp::LOWER_LAYER_OVERHEAD;
use crate::wire::rtcp::{
    Dlrr, Fir, MAX_COUNT, SenderInfo, write_app, write_bye, write_fir, write_nack, write_pli,
    write_rr, write_sdes_cname, write_sr, write_xr_dlrr, write_xr_rrtr,
};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Most octets of a packet that count in the average: otherwise huge packets of one peer would
/// lengthen the interval for all.
const MAX_COUNTED: usize = 1500;
/// Most octets of data in an APP packet, so that the compound packet fits into a packet of any
/// network.
const MAX_APP_DATA: usize = 1024;
/// Most events kept from one packet.
const MAX_EVENTS: usize = 64;

/// RTCP for one stream, with all its destinations.
///
/// At [`poll_timeout`](Self::poll_timeout), call [`handle_timeout`](Self::handle_timeout) and then
/// [`poll_report`](Self::poll_report), and send what it wrote to every destination. Pass received
/// packets to [`handle_packet`](Self::handle_packet), and then call
/// [`poll_event`](Self::poll_event) until it returns `None`. At the end, call [`bye`](Self::bye).
///
/// ```
/// use riverrun::rtp::rtcp::NtpTime;
/// use riverrun::rtp::{RtcpConfig, RtcpInstance, SenderFacts};
/// use std::time::{Duration, Instant};
///
/// let mut now = Instant::now();
/// let mut config = RtcpConfig::default();
/// config.cname = "camera@example.org".into();
/// let mut rtcp = RtcpInstance::new(config, 0x1234_5678, now, 42);
/// let mut report = Vec::new();
/// loop {
///     now = rtcp.poll_timeout().expect("it has not ended"); // sleep until then
///     rtcp.handle_timeout(now, 3);
///     let ntp = NtpTime::from_unix(Duration::from_secs(1_767_225_600));
///     let facts = SenderFacts { rtp_timestamp_now: 90_000, packet_count: 9, octet_count: 9_000 };
///     if rtcp.poll_report(now, ntp, Some(facts), &mut report) {
///         break; // `report` goes to all three
///     }
/// }
/// assert_eq!(report[1], 200);
/// ```
#[derive(Debug)]
pub struct RtcpInstance {
    config: RtcpConfig,
    ssrc: u32,
    timer: ReportTimer,
    /// Whether the timer has expired and reconsideration agreed.
    due: bool,
    ended: bool,
    /// Number of other members known to the owner.
    others: usize,
    /// The sender whose stream we receive, and when it last reported.
    remote_sender: Option<(u32, Instant)>,
    receptions: Receptions,
    /// As a receiver: the other participants that have reported, and when each last did.
    heard: HashMap<u32, Instant>,
    full_intra_requests: FullIntraRequests,
    /// As a receiver: the reference times in our reports.
    stated_times: StatedTimes,
    /// Events of the last packet that were not polled.
    events: VecDeque<RtcpEvent>,
    blocks: Vec<ReportBlock>,
    average_size: f64,
    /// Packet counts stated in the last report and in the one before it.
    told: [Option<u32>; 2],
    counters: RtcpCounters,
}

impl RtcpInstance {
    /// Creates the RTCP side of a stream. `ssrc` is that of our stream, or as a receiver the SSRC
    /// of our reports. `seed` randomizes the intervals.
    pub fn new(config: RtcpConfig, ssrc: u32, now: Instant, seed: u64) -> Self {
        // The first packet, as far as can be told: SR and SDES with the CNAME.
        let average_size = (LOWER_LAYER_OVERHEAD + 28 + 12 + config.cname.len().min(255)) as f64;
        let facts = IntervalFacts {
            members: 1,
            senders: usize::from(config.is_sender),
            we_sent: config.is_sender,
            session_bandwidth_bps: config.session_bandwidth_bps,
            average_size,
            minimum: config.minimum_interval,
            initial: true,
        };
        Self {
            timer: ReportTimer::new(now, seed, &facts),
            receptions: Receptions::new(config.max_destinations, config.clock_rate),
            heard: HashMap::new(),
            full_intra_requests: FullIntraRequests::new(config.max_destinations),
            stated_times: StatedTimes::default(),
            events: VecDeque::new(),
            config,
            ssrc,
            due: false,
            ended: false,
            others: 0,
            remote_sender: None,
            blocks: Vec::new(),
            average_size,
            told: [None; 2],
            counters: RtcpCounters::default(),
        }
    }

    /// Returns the SSRC of our reports.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Changes the SSRC, after a collision (RFC 3550 section 8.2).
    pub fn change_ssrc(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
        self.told = [None; 2];
        self.stated_times = StatedTimes::default();
    }

    /// Returns the canonical name in our reports.
    pub fn cname(&self) -> &str {
        &self.config.cname
    }

    /// Returns whether feedback without a preceding report is accepted (RFC 5506).
    pub const fn takes_reduced_size(&self) -> bool {
        self.config.reduced_size
    }

    /// Sets the session's bandwidth in bit/s.
    pub fn set_session_bandwidth(&mut self, bps: u64) {
        self.config.session_bandwidth_bps = bps;
    }

    /// Returns the counters.
    pub const fn counters(&self) -> RtcpCounters {
        self.counters
    }

    /// Returns the number of known members of the session, including ourselves.
    pub fn members(&self) -> usize {
        let reported = self.receptions.len() + usize::from(self.remote_sender.is_some());
        1 + self.others.max(reported).max(self.heard.len())
    }

    /// Returns when the next report is due, or its time must be reconsidered; `None` after BYE.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.ended).then(|| self.timer.due_at())
    }

    /// Whether a report is to be sent.
    pub(crate) const fn has_report(&self) -> bool {
        self.due && !self.ended
    }

    /// Processes the passage of time. `others` is the number of other members known to the caller
    /// (destinations; 1 for a receiver).
    pub fn handle_timeout(&mut self, now: Instant, others: usize) {
        if self.ended {
            return;
        }
        self.others = others;
        self.forget_silent_members(now);
        self.timer.on_members_left(now, self.members());
        let facts = self.facts();
        self.due |= self.timer.handle_expiry(now, &facts);
    }

    /// Appends the report to `out`, if one is due: a compound of SR, or RR if we have not sent
    /// lately, and SDES with the CNAME. `ntp` is the wall-clock time at `now`, to which
    /// `sender.rtp_timestamp_now` must correspond.
    pub fn poll_report(
        &mut self,
        now: Instant,
        ntp: NtpTime,
        sender: Option<SenderFacts>,
        out: &mut Vec<u8>,
    ) -> bool {
        self.poll_report_with(now, ntp, sender, |_| None, out)
    }

    /// Like [`poll_report`](Self::poll_report), with blocks for the streams that we receive and
    /// that were heard since the last report. `blocks` is called only when a report is written: for
    /// one stream, pass `|now| source.report_block(now)`
    /// ([`RtpSource::report_block`](crate::rtp::RtpSource::report_block)). At most 31 blocks are
    /// used.
    pub fn poll_report_with<B: IntoIterator<Item = ReportBlock>>(
        &mut self,
        now: Instant,
        ntp: NtpTime,
        sender: Option<SenderFacts>,
        blocks: impl FnOnce(Instant) -> B,
        out: &mut Vec<u8>,
    ) -> bool {
        if !self.due || self.ended {
            return false;
        }
        self.due = false;
        // A report of a sender that has been silent for two intervals is a receiver's (6.4).
        let sender = sender.filter(|s| self.has_sent_lately(s.packet_count));
        self.blocks.extend(blocks(now).into_iter().take(MAX_COUNT));
        self.write(out, |this, out| {
            this.put_head(ntp, sender, out);
            if this.config.reference_times && !this.config.is_sender {
                write_xr_rrtr(out, this.ssrc, ntp);
                this.stated_times.note(ntp, now);
            }
        });
        self.told = [sender.map(|s| s.packet_count).or(self.told[0]), self.told[0]];
        let facts = self.facts();
        self.timer.on_sent(now, &facts);
        true
    }

    /// Appends an additional report to `out`, for a new destination that needs the relation of RTP
    /// to wall-clock time with its first packets. It has no report blocks, since their intervals
    /// belong to the regular reports, and does not affect the timer.
    pub fn report_now(&mut self, ntp: NtpTime, sender: Option<SenderFacts>, out: &mut Vec<u8>) {
        if !self.ended {
            self.write(out, |this, out| this.put_head(ntp, sender, out));
        }
    }

    /// Appends the last packet to `out`: report, SDES and BYE with a reason (at most 255 bytes).
    /// Returns false, and appends nothing, if a BYE was written before or nothing has ever been
    /// sent (6.3.7).
    ///
    /// The packet is written at once: the back-off of 6.3.7 is meant for many members that leave
    /// together, while the end of a stream concerns one sender.
    pub fn bye(
        &mut self,
        ntp: NtpTime,
        sender: Option<SenderFacts>,
        reason: Option<&str>,
        out: &mut Vec<u8>,
    ) -> bool {
        if !self.may_say_bye(sender) {
            return false;
        }
        self.put_last(ntp, sender, reason, out);
        self.ended = true;
        true
    }

    /// Appends a packet with BYE, like [`bye`](Self::bye), but continues: for one of several
    /// destinations that leaves a stream, and for a client that may still seek back.
    pub fn bye_for_now(&mut self, ntp: NtpTime, sender: Option<SenderFacts>, out: &mut Vec<u8>) {
        if self.may_say_bye(sender) {
            self.put_last(ntp, sender, None, out);
        }
    }

    /// Appends a report with an APP packet (RFC 3550 section 6.7) to `out`. `subtype` is below 32;
    /// `data` has at most 1,024 bytes, in a multiple of four.
    ///
    /// # Errors
    /// [`Error::Usage`]: `subtype` or the length of `data` is out of its range.
    pub fn app(
        &mut self,
        ntp: NtpTime,
        sender: Option<SenderFacts>,
        subtype: u8,
        name: [u8; 4],
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if subtype > 31 || data.len() > MAX_APP_DATA || data.len() % 4 != 0 {
            return Err(Error::Usage("RTCP APP: subtype, or length of data"));
        }
        self.write(out, |this, out| {
            this.put_head(ntp, sender, out);
            write_app(out, subtype, this.ssrc, name, data);
        });
        Ok(())
    }

    /// Appends a report that requests a key frame from the sender of `media` to `out`. Does not
    /// affect the timer; the caller must limit the rate.
    pub fn request_key_frame(
        &mut self,
        ntp: NtpTime,
        sender: Option<SenderFacts>,
        media: u32,
        request: KeyFrameRequest,
        out: &mut Vec<u8>,
    ) {
        if self.ended {
            return;
        }
        self.write(out, |this, out| {
            this.put_head(ntp, sender, out);
            match request {
                KeyFrameRequest::PictureLoss => write_pli(out, this.ssrc, media),
                KeyFrameRequest::FullIntra { sequence } => {
                    write_fir(out, this.ssrc, &[Fir { ssrc: media, sequence }]);
                }
            }
        });
    }

    /// Appends a report to `out` that requests lost packets from the sender of `media` (generic NACK,
    /// RFC 4585 section 6.2.1). Does not change the report timer; the caller limits the rate.
    pub fn request_packets(
        &mut self,
        ntp: NtpTime,
        sender: Option<SenderFacts>,
        media: u32,
        lost: &[Nack],
        out: &mut Vec<u8>,
    ) {
        if self.ended || lost.is_empty() {
            return;
        }
        self.write(out, |this, out| {
            this.put_head(ntp, sender, out);
            write_nack(out, this.ssrc, media, lost);
        });
    }

    /// Appends a report to `out` that answers the reference time of a receiver, which arrived
    /// `delay` ago: the receiver then knows the round-trip time (RFC 3611 section 4.5). The report is
    /// for that receiver; it has no report blocks and does not affect the timer. The caller limits the
    /// rate.
    pub fn answer_reference_time(
        &mut self,
        ntp: NtpTime,
        sender: Option<SenderFacts>,
        reference: ReferenceTime,
        delay: Duration,
        out: &mut Vec<u8>,
    ) {
        if self.ended {
            return;
        }
        let answer = Dlrr {
            ssrc: reference.ssrc,
            last_rr: reference.time.middle(),
            delay_since_last_rr: NtpTime::short_delay(delay),
        };
        self.write(out, |this, out| {
            this.put_head(ntp, sender, out);
            write_xr_dlrr(out, this.ssrc, &[answer]);
        });
    }

    /// Processes a packet that arrived from `from`, a key that the caller has chosen for the
    /// destination. `ntp_now` is the wall-clock time at `now`, by the same clock as in our reports.
    /// Packets that fail the checks of RFC 3550 appendix A.2 are counted and dropped.
    ///
    /// Messages about our stream are available from [`poll_event`](Self::poll_event) until the next
    /// packet is processed.
    pub fn handle_packet(
        &mut self,
        data: &[u8],
        from: u64,
        now: Instant,
        ntp_now: NtpTime,
    ) -> RtcpOutcome {
        self.events.clear();
        let Some(outcome) = ArrivedCompound::read(self, data, from, now, ntp_now) else {
            self.counters.invalid += 1;
            return RtcpOutcome::default();
        };
        self.counters.received += 1;
        self.count_size(data.len());
        if let Some(leaver) = outcome.bye {
            self.remove_destination(from);
            self.heard.remove(&leaver);
            self.remote_sender.take_if(|(ssrc, _)| *ssrc == leaver);
            let members = self.members();
            self.timer.on_members_left(now, members);
        }
        outcome
    }

    /// Returns the next event of the last packet. At most 64 are kept; further ones are counted
    /// ([`RtcpCounters::dropped_events`]) and dropped.
    pub fn poll_event(&mut self) -> Option<RtcpEvent> {
        self.events.pop_front()
    }

    /// Returns the last report of the receiver at a destination; if there are several, of the one
    /// that reported last.
    pub fn statistics(&self, from: u64) -> Option<&ReceptionStatistics> {
        self.receptions.of(from)
    }

    /// Iterates over the last reports of all receivers, in no particular order.
    pub fn all_statistics(&self) -> impl Iterator<Item = (u64, &ReceptionStatistics)> {
        self.receptions.iter()
    }

    /// Drops what is known of a destination.
    pub fn remove_destination(&mut self, from: u64) {
        self.receptions.remove(from);
        self.full_intra_requests.remove(from);
    }

    /// Records another participant. A sender's owner knows their number; a receiver in a group has
    /// to count them (6.2.1).
    pub(super) fn on_participant(&mut self, ssrc: u32, now: Instant) {
        let has_room = self.heard.len() < self.config.max_destinations;
        if !self.config.is_sender && (has_room || self.heard.contains_key(&ssrc)) {
            self.heard.insert(ssrc, now);
        }
    }

    /// Processes a receiver's report on our stream.
    pub(super) fn on_report_block(
        &mut self,
        from: u64,
        reporter: u32,
        block: &ReportBlock,
        now: Instant,
        ntp_now: NtpTime,
    ) {
        match self.receptions.handle_block(from, reporter, block, now, ntp_now) {
            Some(statistics) => self.push(RtcpEvent::ReceptionReport { from, statistics }),
            None => self.counters.not_remembered += 1,
        }
    }

    /// Processes a request for a key frame of our stream.
    pub(super) fn on_key_frame_request(
        &mut self,
        from: u64,
        requester: u32,
        request: KeyFrameRequest,
        now: Instant,
    ) {
        if let KeyFrameRequest::FullIntra { sequence } = request {
            if !self.full_intra_requests.is_new(from, requester, sequence, now) {
                return;
            }
        }
        self.counters.key_frame_requests += 1;
        self.push(RtcpEvent::KeyFrameWanted { from, requester, request });
    }

    /// Processes a report of missing packets of our stream.
    pub(super) fn on_nack(&mut self, from: u64, requester: u32, nack: Nack) {
        self.push(RtcpEvent::PacketsLost { from, requester, nack });
    }

    fn push(&mut self, event: RtcpEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.counters.dropped_events += 1;
        }
    }

    /// Whether we send the stream.
    pub(super) const fn is_sender(&self) -> bool {
        self.config.is_sender
    }

    /// The round-trip time that an answer to one of our reference times tells.
    pub(super) fn round_trip(&self, answer: &Dlrr, now: Instant) -> Option<Duration> {
        self.stated_times.round_trip(answer, now)
    }

    /// SSRC of the other sender that was heard last.
    pub(super) fn remote_sender(&self) -> Option<u32> {
        self.remote_sender.map(|(ssrc, _)| ssrc)
    }

    /// Records another sender.
    pub(super) const fn on_remote_sender(&mut self, ssrc: u32, now: Instant) {
        self.remote_sender = Some((ssrc, now));
    }

    fn facts(&self) -> IntervalFacts {
        let we_sent = self.config.is_sender
            && (self.told == [None; 2] || self.told[0].is_some() && self.told[0] != self.told[1]);
        IntervalFacts {
            members: self.members(),
            senders: usize::from(we_sent) + usize::from(self.remote_sender.is_some()),
            we_sent,
            session_bandwidth_bps: self.config.session_bandwidth_bps,
            average_size: self.average_size,
            minimum: self.config.minimum_interval,
            initial: self.timer.is_initial(),
        }
    }

    /// Removes members that have been silent for five intervals (6.3.5).
    fn forget_silent_members(&mut self, now: Instant) {
        let facts = IntervalFacts { we_sent: false, initial: false, ..self.facts() };
        let longest = facts.deterministic().max(MINIMUM_INTERVAL) * 5;
        self.receptions.forget_silent(now, longest);
        self.full_intra_requests.forget_silent(now, longest);
        let silent = |at: Instant| now.saturating_duration_since(at) > longest;
        self.heard.retain(|_, at| !silent(*at));
        self.remote_sender.take_if(|(_, at)| silent(*at));
    }

    /// Whether packets have been sent since the last report or since the one before it.
    fn has_sent_lately(&self, packet_count: u32) -> bool {
        !self.told.iter().all(|told| *told == Some(packet_count))
    }

    /// Whether a BYE may be sent: only if something was sent before (6.3.7).
    fn may_say_bye(&self, sender: Option<SenderFacts>) -> bool {
        !self.ended && (self.counters.written > 0 || sender.is_some_and(|s| s.packet_count != 0))
    }

    fn put_last(
        &mut self,
        ntp: NtpTime,
        sender: Option<SenderFacts>,
        reason: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        self.write(out, |this, out| {
            this.put_head(ntp, sender, out);
            write_bye(out, &[this.ssrc], reason);
        });
    }

    fn put_head(&mut self, ntp: NtpTime, sender: Option<SenderFacts>, out: &mut Vec<u8>) {
        // Who has sent nothing yet is no sender (6.4).
        match sender.filter(|s| s.packet_count != 0) {
            Some(s) => {
                let info = SenderInfo {
                    ntp,
                    rtp_timestamp: s.rtp_timestamp_now,
                    packet_count: s.packet_count,
                    octet_count: s.octet_count,
                };
                write_sr(out, self.ssrc, &info, &self.blocks);
            }
            None => write_rr(out, self.ssrc, &self.blocks),
        }
        self.blocks.clear();
        write_sdes_cname(out, self.ssrc, &self.config.cname);
    }

    fn write(&mut self, out: &mut Vec<u8>, put: impl FnOnce(&mut Self, &mut Vec<u8>)) {
        let before = out.len();
        put(self, out);
        self.counters.written += 1;
        self.count_size(out.len() - before);
    }

    /// Updates the running average of packet sizes (6.3.3).
    fn count_size(&mut self, len: usize) {
        let size = (len + LOWER_LAYER_OVERHEAD).min(MAX_COUNTED) as f64;
        self.average_size += (size - self.average_size) / 16.0;
    }
}
