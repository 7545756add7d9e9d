//! [`RtpReceiver`]: the sockets and the timer of a [`StreamReceiver`].

use super::config::RtpReceiverConfig;
use super::sockets::{SocketConfig, Sockets};
use crate::env::{Event, EventKey, Medium, MediumHandle, MediumId, Timer, UsageEnvironment};
use crate::error::Error;
use crate::net::{Inbox, with_port};
use crate::payload::Depacketizer;
use crate::rtp::StreamReceiver;
use crate::rtp::rtcp::NtpTime;
use crate::wire::rtp::PacketKind;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Called when data have arrived or a timer has expired.
type Handler = Box<dyn FnMut(&mut StreamReceiver, &mut UsageEnvironment)>;

/// Counters of an [`RtpReceiver`], in addition to those of its stream's
/// [`source`](StreamReceiver::source) and [`rtcp`](StreamReceiver::rtcp).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverCounters {
    /// Packets dropped because they came from another host than the peer.
    pub foreign: u64,
    /// Packets dropped because they were longer than
    /// [`max_packet`](RtpReceiverConfig::max_packet).
    pub oversized: u64,
    /// RTCP packets that the system has not accepted.
    pub send_errors: u64,
    /// Errors on reading the sockets, such as those caused by a report sent earlier.
    pub receive_errors: u64,
}

/// Receives one stream over UDP and assembles its frames. It sends receiver reports, requests key
/// frames if configured, and sends a BYE when it is closed.
///
/// Frames are queued within the limits of its [`RtpSourceConfig`](crate::rtp::RtpSourceConfig),
/// until the handler or a caller of [`with_stream`](Self::with_stream) takes them.
pub struct RtpReceiver {
    stream: StreamReceiver,
    sockets: Option<Sockets>,
    handler: Handler,
    me: Option<MediumHandle>,
    timer: Timer,
    peer: Option<IpAddr>,
    max_packet: usize,
    rtcp_destination: Option<SocketAddr>,
    /// Whether the destination is the address from which the sender's RTCP comes.
    learns_destination: bool,
    report: Vec<u8>,
    counters: ReceiverCounters,
}

impl fmt::Debug for RtpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpReceiver")
            .field("stream", &self.stream)
            .field("rtcp_destination", &self.rtcp_destination)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl RtpReceiver {
    /// Opens the sockets and adds the receiver to the environment. `depacketizer` must match the
    /// stream's payload format. `handler` is called after each event of the sockets and the timer,
    /// when frames may be available and the stream may have ended; it is given the stream and the
    /// environment, but not the receiver itself.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`RtpReceiverConfig::check`]. [`Error::Io`]: the sockets cannot be
    /// opened, or the group cannot be joined.
    pub fn open(
        env: &mut UsageEnvironment,
        config: RtpReceiverConfig,
        depacketizer: Box<dyn Depacketizer>,
        handler: impl FnMut(&mut StreamReceiver, &mut UsageEnvironment) + 'static,
    ) -> Result<MediumId<Self>, Error> {
        config.check()?;
        let mut random = [0; 12];
        env.fill_random(&mut random);
        let destination = config.rtcp_destination.or_else(|| destination_of(&config));
        let sockets = Sockets::open(env, &socket_config(&config))?;
        let stream = StreamReceiver::new(config.stream, depacketizer, env.now(), random)?;
        let id = env.add(Self {
            stream,
            sockets: Some(sockets),
            handler: Box::new(handler),
            me: None,
            timer: Timer::new(),
            peer: config.peer,
            max_packet: config.max_packet,
            rtcp_destination: destination,
            learns_destination: destination.is_none(),
            report: Vec::new(),
            counters: ReceiverCounters::default(),
        });
        let begun = env.with(id, Self::begin).map_err(Error::from);
        match begun.and_then(|result| result.map_err(Error::from)) {
            Ok(()) => Ok(id),
            Err(e) => {
                env.close(id);
                Err(e)
            }
        }
    }

    fn begin(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        if let (Some(sockets), Some(me)) = (&mut self.sockets, self.me) {
            sockets.watch(env, me, [PacketKind::Rtp, PacketKind::Rtcp].map(key_of))?;
        }
        self.wake(env);
        Ok(())
    }

    /// Returns the stream, for its counters and statistics.
    pub const fn stream(&self) -> &StreamReceiver {
        &self.stream
    }

    /// Calls `f` with the stream outside of the handler, to take frames or to request a key frame,
    /// and then sends pending RTCP.
    pub fn with_stream<R>(
        &mut self,
        env: &mut UsageEnvironment,
        f: impl FnOnce(&mut StreamReceiver, &mut UsageEnvironment) -> R,
    ) -> R {
        let result = f(&mut self.stream, env);
        self.send_rtcp(env);
        self.wake(env);
        result
    }

    /// Returns the counters.
    pub const fn counters(&self) -> ReceiverCounters {
        self.counters
    }

    /// Returns the address at which RTP is received; `None` once the receiver is closed.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.sockets.as_ref()?.rtp_address().ok()
    }

    /// Returns the destination of reports; `None` while it is unknown.
    pub const fn rtcp_destination(&self) -> Option<SocketAddr> {
        self.rtcp_destination
    }

    /// Receives the datagrams of a socket, as many as one call returns.
    fn receive(&mut self, env: &mut UsageEnvironment, key: EventKey) {
        let Some(sockets) = &mut self.sockets else { return };
        let kinds = [PacketKind::Rtp, PacketKind::Rtcp];
        let Some(kind) = kinds.into_iter().find(|kind| key_of(*kind) == key) else { return };
        // What was agreed to arrive there, if not both.
        let agreed = (!sockets.is_multiplexed()).then_some(kind);
        match sockets.receive(env, kind, self.max_packet) {
            Ok(inbox) => {
                self.take_all(env, &inbox, agreed);
                Sockets::give_back(env, inbox);
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => {
                log::debug!("a receiver's socket: {e}");
                self.counters.receive_errors += 1;
            }
        }
    }

    fn take_all(&mut self, env: &UsageEnvironment, inbox: &Inbox, agreed: Option<PacketKind>) {
        let (now, ntp) = (env.now(), ntp_now(env));
        for (packet, from) in inbox.iter() {
            if self.peer.is_some_and(|peer| peer != from.ip().to_canonical()) {
                self.counters.foreign += 1;
            } else if packet.len() > self.max_packet {
                self.counters.oversized += 1;
            } else {
                self.take(packet, from, agreed, now, ntp);
            }
        }
    }

    fn take(
        &mut self,
        packet: &[u8],
        from: SocketAddr,
        agreed: Option<PacketKind>,
        now: Instant,
        ntp: NtpTime,
    ) {
        match PacketKind::of(packet, agreed) {
            PacketKind::Rtcp => {
                let outcome = self.stream.handle_rtcp(packet, now, ntp);
                let ssrc = self.stream.source().ssrc();
                let is_senders = |ssrc_of_report| ssrc.is_none_or(|ssrc| ssrc == ssrc_of_report);
                if outcome.sender_report.is_some_and(|report| is_senders(report.ssrc)) {
                    self.learn_destination(from);
                }
            }
            PacketKind::Rtp => {
                if self.stream.handle_rtp(packet, now).is_ok() && agreed.is_none() {
                    self.learn_destination(from);
                }
            }
        }
    }

    fn learn_destination(&mut self, from: SocketAddr) {
        if self.learns_destination {
            self.rtcp_destination = Some(from);
        }
    }

    /// Sends the RTCP packets that are due.
    fn send_rtcp(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        if self.rtcp_destination.is_none() || !self.stream.has_rtcp(now) {
            return;
        }
        let ntp = ntp_now(env);
        if self.stream.has_collision() {
            let ssrc = env.random_u32().max(1);
            self.report.clear();
            self.stream.change_ssrc(ssrc, ntp, &mut self.report);
            self.send_report(env);
        }
        loop {
            self.report.clear();
            if !self.stream.poll_rtcp(now, ntp, &mut self.report) {
                return;
            }
            self.send_report(env);
        }
    }

    fn send_report(&mut self, env: &mut UsageEnvironment) {
        let (Some(to), Some(sockets)) = (self.rtcp_destination, &mut self.sockets) else { return };
        if self.report.is_empty() {
            return;
        }
        if let Err(e) = sockets.of(PacketKind::Rtcp).send_to(env, &self.report, to) {
            log::debug!("RTCP to {to}: {e}");
            self.counters.send_errors += 1;
        }
    }

    /// Arms the timer. While there is no destination for reports, none is due.
    fn wake(&mut self, env: &mut UsageEnvironment) {
        let Some(me) = self.me else { return };
        let at = match self.rtcp_destination {
            Some(_) => self.stream.poll_timeout(),
            None => self.stream.source().poll_timeout(),
        };
        match at {
            // It is armed: had it expired, that would be over.
            Some(at) if self.timer.armed_at() == Some(at) && at > env.now() => {}
            Some(at) => env.arm_timer(&mut self.timer, me, EventKey::default(), at),
            None => env.disarm_timer(&mut self.timer),
        }
    }
}

impl Medium for RtpReceiver {
    fn kind(&self) -> &'static str {
        "RtpReceiver"
    }

    fn on_added(&mut self, _: &mut UsageEnvironment, me: MediumHandle) {
        self.me = Some(me);
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        match event {
            Event::Readiness { key, .. } => self.receive(env, key),
            Event::Timer { .. } => self.stream.handle_timeout(env.now()),
            Event::Trigger { .. } => return,
        }
        (self.handler)(&mut self.stream, env);
        self.send_rtcp(env);
        self.wake(env);
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        self.report.clear();
        if self.stream.bye(ntp_now(env), &mut self.report) {
            self.send_report(env);
        }
        if let Some(sockets) = self.sockets.take() {
            sockets.close(env);
        }
    }
}

fn key_of(kind: PacketKind) -> EventKey {
    EventKey { kind: kind as u32, ..EventKey::default() }
}

fn socket_config(config: &RtpReceiverConfig) -> SocketConfig {
    SocketConfig {
        address: config.address,
        source: config.peer,
        interface: config.interface,
        ttl: config.ttl,
        multiplexed: config.multiplexed,
        receive_buffer: config.receive_buffer,
    }
}

/// The destination of reports to a group. Reports of a source-specific group are sent to its source
/// only (RFC 5760 section 5).
fn destination_of(config: &RtpReceiverConfig) -> Option<SocketAddr> {
    let RtpReceiverConfig { address, peer, .. } = *config;
    if !address.ip().is_multicast() {
        return None;
    }
    let port = if config.multiplexed { address.port() } else { address.port().saturating_add(1) };
    Some(with_port(peer.map_or(address, |peer| SocketAddr::new(peer, port)), port))
}

fn ntp_now(env: &UsageEnvironment) -> NtpTime {
    NtpTime::from_unix(env.wall_clock())
}
