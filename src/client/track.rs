//! [`Track`]: one track that a client receives: its sockets or channels, and its
//! [`StreamReceiver`].

use crate::arena::RawId;
use crate::client::keys::{KEY_RTCP, KEY_RTP, KEY_TRACK};
use crate::client::rtsp_client::{InterleavedPacket, RtspClient};
use crate::client::sender_check::SenderCheck;
use crate::client::transport::{Chosen, MediaTransport, SetupTransport};
use crate::description::PlayStart;
use crate::env::{EventKey, MediumHandle, Timer, UsageEnvironment};
use crate::receive::Sockets;
use crate::rtp::rtcp::NtpTime;
use crate::rtp::transform::{PacketTransform, Refusal};
use crate::rtp::{ReceivedFrame, ReceivedPacket, SourceEvent, StreamReceiver};
use crate::wire::rtp::{PacketKind, RtpPacket};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes of a datagram; longer ones are cut off, and dropped.
const MAX_DATAGRAM: usize = 2048;
/// Silence after which RTP may come from another port of the server.
const PORT_SILENCE: Duration = Duration::from_millis(500);

/// Called with each packet that a track passes on, and its number.
pub(crate) type PacketTaker<'a> = dyn FnMut(&mut UsageEnvironment, usize, &ReceivedPacket<'_>) + 'a;

/// One track that a client receives.
#[derive(Debug)]
pub(crate) struct Track {
    /// Its number in the media session.
    number: usize,
    receiver: StreamReceiver,
    /// Units of RTP timestamps a second.
    clock_rate: u32,
    way: Way,
    owner: MediumHandle,
    timer: Timer,
    /// When an RTP packet came first, when one came last, and when a packet of any kind did.
    first_heard_at: Option<Instant>,
    heard_at: Option<Instant>,
    any_packet_at: Option<Instant>,
    frames: u64,
    /// The time of the last packet that was passed on, until it is asked for.
    passed: Option<Duration>,
    counters: TrackCounters,
    report: Vec<u8>,
    /// SRTP, if the track has it.
    transform: Option<Box<dyn PacketTransform>>,
    /// Memory for a packet without its protection.
    unprotected: Vec<u8>,
    /// What was announced of this PLAY, until the first packet tells whether it holds.
    announced: Option<Announced>,
    is_announced: bool,
}

/// What a track has counted beside its receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackCounters {
    /// Datagrams dropped because they did not come from the server, or came from another of its
    /// ports while RTP came from the one that is known.
    pub foreign: u64,
    /// Datagrams dropped because they were too long.
    pub oversized: u64,
    /// RTCP packets that could not be sent.
    pub send_errors: u64,
    /// Packets dropped because they are not authentic (SRTP): they were altered, protected with a key
    /// that is not known, or not at all.
    pub not_authentic: u64,
    /// Packets dropped because they have come before, or come too late to tell (SRTP).
    pub replayed: u64,
}

/// Where a track begins.
#[derive(Clone, Copy, Debug)]
struct Announced {
    packet: PlayStart,
    /// The start of the range.
    at: Duration,
    /// It begins there whatever the first packet is.
    begins_there: bool,
}

/// A track that a player receives.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PlayedTrack<'a> {
    /// Its [number](super::MediaSubsession::number) in the description.
    pub number: usize,
    /// How it comes.
    pub transport: MediaTransport,
    /// Frames that were put together since the track was set up; none if the player passes
    /// [packets](super::PlayerOutput::Packets) on.
    pub frames: u64,
    /// When its first packet came.
    pub first_packet_at: Option<Instant>,
    /// Counts of its sockets.
    pub counters: TrackCounters,
    /// Counts and statistics of its packets: loss, jitter, sender reports.
    pub receiver: &'a StreamReceiver,
}

#[derive(Debug)]
enum Way {
    Udp {
        sockets: Box<Sockets>,
        /// Where RTP comes from, as was announced.
        source: SocketAddr,
        /// `None` for a group, of which the system knows the sources.
        senders: Option<SenderCheck>,
        rtcp_to: Option<SocketAddr>,
    },
    Tcp {
        channels: (u8, u8),
    },
}

fn key(kind: u32, number: usize) -> EventKey {
    EventKey { kind, id: RawId { index: u32::try_from(number).unwrap_or(u32::MAX), generation: 0 } }
}

impl Track {
    /// A track that was set up. `sockets` are those that were opened for it, if it may come over
    /// UDP.
    ///
    /// # Errors
    /// The sockets cannot be watched, or there are none for what the server chose.
    pub(crate) fn new(
        env: &mut UsageEnvironment,
        (number, clock_rate): (usize, u32),
        receiver: StreamReceiver,
        setup: &SetupTransport,
        sockets: Option<Sockets>,
        server: SocketAddr,
        owner: MediumHandle,
    ) -> io::Result<Self> {
        let way = match (setup.chosen, sockets) {
            (Chosen::Tcp { channels }, sockets) => {
                if let Some(sockets) = sockets {
                    sockets.close(env);
                }
                Way::Tcp { channels }
            }
            (Chosen::Udp { rtp, rtcp }, Some(sockets)) => Way::Udp {
                sockets: Box::new(sockets),
                source: rtp,
                senders: Some(SenderCheck::new(server.ip(), rtp)),
                rtcp_to: (rtcp.port() > 0).then_some(rtcp),
            },
            (Chosen::Multicast { group, rtcp_port, source, .. }, Some(sockets)) => Way::Udp {
                sockets: Box::new(sockets),
                source: SocketAddr::new(source.unwrap_or_else(|| server.ip()), 0),
                senders: None,
                rtcp_to: Some(SocketAddr::new(group.ip(), rtcp_port)),
            },
            (_, None) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let mut track = Self {
            number,
            receiver,
            clock_rate,
            way,
            owner,
            timer: Timer::new(),
            first_heard_at: None,
            heard_at: None,
            any_packet_at: None,
            frames: 0,
            passed: None,
            counters: TrackCounters::default(),
            report: Vec::new(),
            transform: None,
            unprotected: Vec::new(),
            announced: None,
            is_announced: false,
        };
        if let Way::Udp { sockets, .. } = &mut track.way {
            let keys = [key(KEY_RTP, number), key(KEY_RTCP, number)];
            if let Err(e) = sockets.watch(env, owner, keys) {
                track.close(env, None);
                return Err(e);
            }
        }
        if let (Some(ssrc), false) = (setup.ssrc, track.is_multicast()) {
            track.receiver.expect_ssrc(ssrc);
        }
        Ok(track)
    }

    /// Lets a transform unprotect what comes, and protect what is sent.
    #[cfg(feature = "srtp")]
    pub(crate) fn set_transform(&mut self, transform: Box<dyn PacketTransform>) {
        self.transform = Some(transform);
    }

    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// Whether it has this number, as in the key of an event.
    pub(crate) fn is_numbered(&self, number: u32) -> bool {
        u32::try_from(self.number) == Ok(number)
    }

    pub(crate) const fn receiver(&self) -> &StreamReceiver {
        &self.receiver
    }

    pub(crate) const fn receiver_mut(&mut self) -> &mut StreamReceiver {
        &mut self.receiver
    }

    /// Number of frames that were put together.
    pub(crate) const fn frames(&self) -> u64 {
        self.frames
    }

    pub(crate) const fn played(&self) -> PlayedTrack<'_> {
        PlayedTrack {
            number: self.number,
            transport: self.transport(),
            frames: self.frames,
            first_packet_at: self.first_heard_at,
            counters: self.counters,
            receiver: &self.receiver,
        }
    }

    /// PLAY is about to be sent.
    pub(crate) fn begin(&mut self, env: &mut UsageEnvironment) {
        (self.announced, self.is_announced) = (None, false);
        self.punch(env);
    }

    /// Takes the packet with which the track begins, for a range that starts at `at`.
    /// `begins_there`: it does, even where that packet is not known or does not come.
    pub(crate) const fn announce(&mut self, packet: PlayStart, at: Duration, begins_there: bool) {
        self.announced = Some(Announced { packet, at, begins_there });
        self.is_announced = true;
    }

    /// Whether that was told of this PLAY.
    pub(crate) const fn is_announced(&self) -> bool {
        self.is_announced
    }

    /// Compares the first packet with what was announced, which is of use only where both agree.
    fn check_announcement(&mut self, packet: &[u8]) {
        let Ok(packet) = RtpPacket::parse(packet) else { return };
        let Some(Announced { packet: told, at, begins_there }) = self.announced.take() else {
            return;
        };
        let (seq, timestamp) = (packet.sequence_number, packet.timestamp);
        let is_plausible = told.is_plausible(seq, timestamp, self.clock_rate);
        match told.rtptime.filter(|_| is_plausible) {
            Some(timestamp) => self.receiver.set_reference(timestamp, at),
            None if begins_there => self.receiver.set_reference(timestamp, at),
            None => {}
        }
        if !is_plausible {
            return log::debug!("track {}: RTP-Info is of another stream", self.number);
        }
        if told.ssrc == Some(packet.ssrc) {
            self.receiver.expect_ssrc(packet.ssrc);
        }
    }

    const fn is_multicast(&self) -> bool {
        matches!(self.way, Way::Udp { senders: None, .. })
    }

    pub(crate) const fn transport(&self) -> MediaTransport {
        match self.way {
            Way::Udp { senders: Some(_), .. } => MediaTransport::Udp,
            Way::Udp { senders: None, .. } => MediaTransport::Multicast,
            Way::Tcp { .. } => MediaTransport::Tcp,
        }
    }

    /// When a packet came last.
    pub(crate) const fn heard_at(&self) -> Option<Instant> {
        self.heard_at
    }

    /// When a packet of any kind came last, RTCP too.
    pub(crate) const fn any_packet_at(&self) -> Option<Instant> {
        self.any_packet_at
    }

    /// Sends something to the server's ports, so that a firewall or address translator on the way
    /// lets through what comes back.
    fn punch(&mut self, env: &mut UsageEnvironment) {
        let Way::Udp { sockets, source, rtcp_to: Some(rtcp), senders: Some(_) } = &mut self.way
        else {
            return;
        };
        // A header without payload, of a payload type that is never used (RFC 3551 section 6).
        let empty_packet = [0x80, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (kind, to) in [(PacketKind::Rtp, *source), (PacketKind::Rtcp, *rtcp)] {
            if let Err(e) = sockets.of(kind).send_to(env, &empty_packet, to) {
                log::debug!("to {to}: {e}");
            }
        }
    }

    /// Takes what has come to a socket, as much as one call gives.
    pub(crate) fn receive(
        &mut self,
        env: &mut UsageEnvironment,
        kind: PacketKind,
        taker: &mut PacketTaker<'_>,
    ) {
        let Way::Udp { sockets, senders, .. } = &mut self.way else { return };
        let mut senders = *senders;
        let agreed = (!sockets.is_multiplexed()).then_some(kind);
        let inbox = match sockets.receive(env, kind, MAX_DATAGRAM) {
            Ok(inbox) => inbox,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP message that a report has led to.
            Err(e) => return log::debug!("track {}: {e}", self.number),
        };
        let (now, is_rtp) = (env.now(), kind == PacketKind::Rtp);
        // What was put together on its way has one sender.
        let mut admitted = None;
        for (packet, from) in inbox.iter() {
            if admitted != Some(from) {
                let is_silent = self.heard_at.is_none_or(|at| now >= at + PORT_SILENCE);
                if senders.as_mut().is_some_and(|s| !s.admits(from, is_rtp, is_silent)) {
                    self.counters.foreign += 1;
                    continue;
                }
                admitted = Some(from);
            }
            if packet.len() > MAX_DATAGRAM {
                self.counters.oversized += 1;
            } else {
                self.take(env, packet, agreed, Some(from), taker);
            }
        }
        Sockets::give_back(env, inbox);
        if let Way::Udp { senders: known, .. } = &mut self.way {
            *known = senders;
        }
    }

    /// Takes an interleaved packet.
    pub(crate) fn take_interleaved(
        &mut self,
        env: &mut UsageEnvironment,
        packet: &InterleavedPacket<'_>,
        taker: &mut PacketTaker<'_>,
    ) {
        self.take(env, packet.data, Some(packet.kind), None, taker);
    }

    fn take(
        &mut self,
        env: &mut UsageEnvironment,
        packet: &[u8],
        agreed: Option<PacketKind>,
        from: Option<SocketAddr>,
        taker: &mut PacketTaker<'_>,
    ) {
        let kind = PacketKind::of(packet, agreed);
        let Some(transform) = &mut self.transform else {
            return self.take_plain(env, packet, kind, from, taker);
        };
        let mut memory = std::mem::take(&mut self.unprotected);
        match transform.unprotect(kind, packet, &mut memory) {
            Ok(packet) => self.take_plain(env, packet, kind, from, taker),
            Err(Refusal::NotAuthentic) => self.counters.not_authentic += 1,
            Err(Refusal::Replayed) => self.counters.replayed += 1,
        }
        self.unprotected = memory;
    }

    /// Takes a packet without protection.
    fn take_plain(
        &mut self,
        env: &mut UsageEnvironment,
        packet: &[u8],
        kind: PacketKind,
        from: Option<SocketAddr>,
        taker: &mut PacketTaker<'_>,
    ) {
        let now = env.now();
        self.any_packet_at = Some(now);
        if kind == PacketKind::Rtcp {
            self.receiver.handle_rtcp(packet, now, ntp_now(env));
            if let (Some(from), Way::Udp { rtcp_to: to @ None, .. }) = (from, &mut self.way) {
                *to = Some(from);
            }
        } else {
            if self.announced.is_some() {
                self.check_announcement(packet);
            }
            let Self { receiver, passed, number, .. } = self;
            let taken = receiver.handle_rtp_with(packet, now, |packet| {
                *passed = Some(packet.pts);
                taker(env, *number, packet);
            });
            if taken.is_ok() {
                self.first_heard_at.get_or_insert(now);
                self.heard_at = Some(now);
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<SourceEvent> {
        self.receiver.poll_event()
    }

    pub(crate) fn poll_frame(&mut self) -> Option<ReceivedFrame> {
        let frame = self.receiver.poll_frame()?;
        self.frames += 1;
        Some(frame)
    }

    /// The time of the last packet that was passed on, if any was since the last call.
    pub(crate) const fn take_passed(&mut self) -> Option<Duration> {
        self.passed.take()
    }

    /// The timer of the track has fired.
    pub(crate) fn handle_timeout(
        &mut self,
        env: &mut UsageEnvironment,
        taker: &mut PacketTaker<'_>,
    ) {
        let Self { receiver, passed, number, .. } = self;
        receiver.handle_timeout_with(env.now(), |packet| {
            *passed = Some(packet.pts);
            taker(env, *number, packet);
        });
    }

    /// Sends the RTCP that is due, and arms the timer. To be called after anything that happened to
    /// the track.
    pub(crate) fn update(&mut self, env: &mut UsageEnvironment, client: &mut RtspClient) {
        let now = env.now();
        let can_send = match &self.way {
            Way::Udp { rtcp_to, .. } => rtcp_to.is_some(),
            Way::Tcp { .. } => true,
        };
        if can_send && self.receiver.has_rtcp(now) {
            self.send_rtcp(env, client, now);
        }
        let at = if can_send {
            self.receiver.poll_timeout()
        } else {
            self.receiver.source().poll_timeout()
        };
        match at {
            // It is armed: had it expired, that would be over.
            Some(at) if self.timer.armed_at() == Some(at) && at > now => {}
            Some(at) => env.arm_timer(&mut self.timer, self.owner, key(KEY_TRACK, self.number), at),
            None => env.disarm_timer(&mut self.timer),
        }
    }

    fn send_rtcp(&mut self, env: &mut UsageEnvironment, client: &mut RtspClient, now: Instant) {
        let ntp = ntp_now(env);
        if self.receiver.has_collision() {
            let ssrc = env.random_u32().max(1);
            self.report.clear();
            self.receiver.change_ssrc(ssrc, ntp, &mut self.report);
            self.send_report(env, Some(&mut *client));
        }
        loop {
            self.report.clear();
            if !self.receiver.poll_rtcp(now, ntp, &mut self.report) {
                break;
            }
            self.send_report(env, Some(&mut *client));
        }
    }

    fn send_report(&mut self, env: &mut UsageEnvironment, client: Option<&mut RtspClient>) {
        if let Some(transform) = &mut self.transform {
            transform.protect_report(&mut self.report);
        }
        if self.report.is_empty() {
            return;
        }
        match (&mut self.way, client) {
            (Way::Tcp { channels: (_, rtcp) }, Some(client)) => {
                client.send_packet(env, *rtcp, &self.report);
            }
            (Way::Udp { sockets, rtcp_to: Some(to), .. }, _) => {
                if let Err(e) = sockets.of(PacketKind::Rtcp).send_to(env, &self.report, *to) {
                    log::debug!("RTCP to {to}: {e}");
                    self.counters.send_errors += 1;
                }
            }
            _ => {}
        }
    }

    /// Says BYE, where somebody hears it, and closes the sockets.
    pub(crate) fn close(mut self, env: &mut UsageEnvironment, client: Option<&mut RtspClient>) {
        env.disarm_timer(&mut self.timer);
        self.report.clear();
        if self.receiver.bye(ntp_now(env), &mut self.report) {
            self.send_report(env, client);
        }
        if let Way::Udp { sockets, .. } = self.way {
            sockets.close(env);
        }
    }
}

fn ntp_now(env: &UsageEnvironment) -> NtpTime {
    NtpTime::from_unix(env.wall_clock())
}
