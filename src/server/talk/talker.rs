//! [`Talker`]: the client that has set up a back channel, and the receiver of its audio.

use super::allowance::Allowance;
use super::options::BackChannelOptions;
use super::sink::BackChannelSink;
use crate::env::Timer;
use crate::ids::{ClientSessionId, ConnectionId};
use crate::payload::PayloadFormat;
use crate::rtp::rtcp::NtpTime;
use crate::rtp::transform::PacketTransform;
use crate::rtp::{StreamReceiver, StreamReceiverConfig};
use crate::session::pool::SessionInfo;
use crate::stream::destination::DestinationTransport;
use crate::wire::rtp::{PacketKind, RtpPacket};
use std::time::{Duration, Instant};

/// Least time between two extensions of a talker's session by its packets.
const TOUCH_INTERVAL: Duration = Duration::from_secs(1);
/// Least time between two changes of the format.
const CHANGE_INTERVAL: Duration = Duration::from_secs(1);

/// The client that has set up a back channel.
#[derive(Debug)]
pub(crate) struct Talker {
    pub(crate) session: ClientSessionId,
    /// How packets arrive; reports go back the same way.
    pub(crate) transport: DestinationTransport,
    /// PLAY was answered: packets are taken.
    pub(crate) is_playing: bool,
    /// What the application is told of it.
    pub(super) info: SessionInfo,
    pub(super) transform: Option<Box<dyn PacketTransform>>,
    /// The canonical name in reports.
    cname: String,
    /// The receiver of the format that the client has chosen, once it sends.
    pub(super) hearing: Option<Hearing>,
    /// Memory for a packet without its protection.
    plain: Vec<u8>,
    allowance: Allowance,
    touched_at: Option<Instant>,
    pub(super) timer: Timer,
}

/// The receiver of a format.
#[derive(Debug)]
pub(super) struct Hearing {
    pub(super) receiver: StreamReceiver,
    payload_type: u8,
    since: Instant,
}

impl Talker {
    pub(crate) fn new(
        info: SessionInfo,
        transport: DestinationTransport,
        cname: String,
        options: &BackChannelOptions,
        now: Instant,
    ) -> Self {
        Self {
            session: info.session,
            transport,
            is_playing: false,
            info,
            transform: None,
            cname,
            hearing: None,
            plain: Vec::new(),
            allowance: Allowance::new(options.max_bitrate / 8, now),
            touched_at: None,
            timer: Timer::default(),
        }
    }

    /// Has packets unprotected, and reports protected.
    #[cfg(feature = "srtp")]
    pub(crate) fn set_transform(&mut self, transform: Box<dyn PacketTransform>) {
        self.transform = Some(transform);
    }

    /// The RTSP connection over which packets arrive.
    pub(crate) const fn connection(&self) -> Option<ConnectionId> {
        match self.transport {
            DestinationTransport::Tcp { connection, .. } => Some(connection),
            DestinationTransport::Udp { .. } => None,
        }
    }

    /// The receiver of the format that the client has chosen, once it sends.
    pub(crate) fn receiver_in_use(&self) -> Option<&StreamReceiver> {
        self.hearing.as_ref().map(|hearing| &hearing.receiver)
    }

    /// Takes a packet. Returns whether it is a valid one of the client's.
    pub(super) fn handle_packet(
        &mut self,
        with: (&BackChannelOptions, &mut dyn BackChannelSink),
        (kind, data): (PacketKind, &[u8]),
        times: (Instant, NtpTime),
        random: impl FnOnce() -> [u8; 12],
    ) -> bool {
        if !self.allowance.spend(data.len(), times.0) {
            return false;
        }
        let Some(transform) = &mut self.transform else {
            return self.handle_plain(with, (kind, data), times, random);
        };
        let mut memory = std::mem::take(&mut self.plain);
        let is_taken = match transform.unprotect(kind, data, &mut memory) {
            Ok(plain) => self.handle_plain(with, (kind, plain), times, random),
            Err(_) => false,
        };
        self.plain = memory;
        is_taken
    }

    fn handle_plain(
        &mut self,
        (options, sink): (&BackChannelOptions, &mut dyn BackChannelSink),
        (kind, data): (PacketKind, &[u8]),
        (now, ntp): (Instant, NtpTime),
        random: impl FnOnce() -> [u8; 12],
    ) -> bool {
        if kind == PacketKind::Rtcp {
            let hearing = self.hearing.as_mut();
            return hearing
                .is_some_and(|hearing| hearing.receiver.handle_rtcp(data, now, ntp).valid);
        }
        // Before PLAY it opens a path through an address translator; in a pause it is late.
        if !self.is_playing || !self.hears(options, sink, data, now, random) {
            return false;
        }
        let Some(Hearing { receiver, .. }) = &mut self.hearing else { return false };
        let taken = receiver.handle_rtp_with(data, now, |packet| sink.packet(packet));
        pass_frames(receiver, sink);
        taken.is_ok()
    }

    /// Whether there is a receiver for a packet. The first packet chooses the format, and each
    /// other one may change it, once a second at most.
    fn hears(
        &mut self,
        options: &BackChannelOptions,
        sink: &mut dyn BackChannelSink,
        data: &[u8],
        now: Instant,
        random: impl FnOnce() -> [u8; 12],
    ) -> bool {
        let Ok(packet) = RtpPacket::parse(data) else { return false };
        let payload_type = packet.payload_type;
        if let Some(hearing) = &self.hearing {
            if hearing.payload_type == payload_type {
                return true;
            }
            if now.saturating_duration_since(hearing.since) < CHANGE_INTERVAL {
                return false;
            }
        }
        let format = options.formats().iter().find(|format| format.payload_type == payload_type);
        let Some(format) = format else { return false };
        match self.receiver(options, format, now, random()) {
            Ok(receiver) => {
                self.hearing = Some(Hearing { receiver, payload_type, since: now });
                sink.format_chosen(format);
                true
            }
            Err(e) => {
                log::debug!("{}: the back channel: {e}", self.info.peer);
                false
            }
        }
    }

    fn receiver(
        &self,
        options: &BackChannelOptions,
        format: &PayloadFormat,
        now: Instant,
        random: [u8; 12],
    ) -> Result<StreamReceiver, crate::error::Error> {
        let cname = self.cname.clone();
        let mut config = StreamReceiverConfig::new(format.payload_type, format.clock_rate, cname);
        let is_udp = self.connection().is_none();
        config.source.max_delay = if is_udp { options.max_delay } else { Duration::ZERO };
        config.rtcp.session_bandwidth_bps = options.max_bitrate.min(64_000);
        if options.passes_packets {
            return StreamReceiver::pass_through(config, now, random);
        }
        StreamReceiver::new(config, options.depacketizer(format), now, random)
    }

    /// Takes note that time has passed.
    pub(super) fn handle_timeout(&mut self, sink: &mut dyn BackChannelSink, now: Instant) {
        if let Some(Hearing { receiver, .. }) = &mut self.hearing {
            receiver.handle_timeout_with(now, |packet| sink.packet(packet));
            pass_frames(receiver, sink);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.hearing.as_ref()?.receiver.poll_timeout()
    }

    /// Whether the client's session is to be extended after a packet.
    pub(super) fn touches(&mut self, now: Instant) -> bool {
        let since = self.touched_at.map(|at| now.saturating_duration_since(at));
        let is_due = since.is_none_or(|since| since >= TOUCH_INTERVAL);
        if is_due {
            self.touched_at = Some(now);
        }
        is_due
    }
}

fn pass_frames(receiver: &mut StreamReceiver, sink: &mut dyn BackChannelSink) {
    while let Some(frame) = receiver.poll_frame() {
        sink.frame(frame);
    }
}
