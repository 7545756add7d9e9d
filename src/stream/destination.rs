//! [`Destination`]: one client, or multicast group, that a stream is sent to.

use crate::ids::{ClientSessionId, ConnectionId, DestinationId};
use crate::rtp::rtcp::ReferenceTime;
use crate::rtp::transform::PacketTransform;
use crate::stream::sockets::SocketsId;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Whether a destination that leaves is sent a BYE (RFC 3550 section 6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goodbye {
    None,
    /// It is sent one. Over a connection the BYE goes behind the media that wait to be sent.
    BehindMedia,
    /// It is sent one. Over a connection the BYE goes before the answer to TEARDOWN, because nothing
    /// may follow the answer on the channels of the track; media that wait are dropped.
    BeforeAnswer,
}

/// What a destination is still to be sent of the end of its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Farewell {
    #[default]
    Nothing,
    Goodbye,
    /// It has not been sent a report, and a BYE may not be a participant's only packet (RFC 3550
    /// section 6.3.7).
    ReportAndGoodbye,
}

/// Receivers report at intervals of seconds (RFC 3550 section 6.2). One that states its time more
/// often is not answered each time, so that nobody can multiply what it sends.
const ANSWER_INTERVAL: Duration = Duration::from_secs(1);

/// How long a destination that has lost frames waits for a key frame until the source is asked for one
/// again.
const KEY_FRAME_PATIENCE: Duration = Duration::from_secs(1);

/// The reference times of a destination's receiver, and our answers (RFC 3611 sections 4.4 and 4.5).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    /// The last one that is not answered, and when it came.
    owed: Option<(ReferenceTime, Instant)>,
    answered_at: Option<Instant>,
}

impl RoundTrip {
    /// Takes a reference time. Returns whether it is to be answered.
    pub(super) fn note(&mut self, reference: ReferenceTime, now: Instant) -> bool {
        let since = self.answered_at.map(|at| now.saturating_duration_since(at));
        let is_due = since.is_none_or(|since| since >= ANSWER_INTERVAL);
        if is_due {
            self.owed = Some((reference, now));
        }
        is_due
    }

    /// Returns what is to be answered now, and how long ago it came.
    pub(super) fn take(&mut self, now: Instant) -> Option<(ReferenceTime, Duration)> {
        let (reference, at) = self.owed.take()?;
        self.answered_at = Some(now);
        Some((reference, now.saturating_duration_since(at)))
    }
}

/// A destination that was taken out of its stream.
#[derive(Debug)]
pub(crate) struct ReleasedDestination {
    pub(crate) destination: Destination,
    /// What its connection is sent before the answer: a BYE with its interleaving prefix. Empty if
    /// there is none.
    pub(crate) last_words: Vec<u8>,
}

/// Where a stream's packets go.
#[derive(Debug)]
pub(crate) struct Destination {
    /// The client session; `None` for a multicast group.
    pub(super) session: Option<ClientSessionId>,
    pub(super) transport: DestinationTransport,
    /// The transform that protects its packets alone, if it has one.
    pub(super) transform: Option<Box<dyn PacketTransform>>,
    /// The transform that unprotects what its receiver sends, if it is another one.
    pub(super) incoming: Option<Box<dyn PacketTransform>>,
    pub(super) playing: bool,
    /// Frames are dropped until the next key frame.
    pub(super) skipping: bool,
    /// Frames are dropped because its connection does not keep up, not because it has just joined.
    pub(super) behind: bool,
    /// Since when its connection has room again for the key frame that it waits for.
    pub(super) room_since: Option<Instant>,
    /// Number of the next packet that it gets from the cache, while it catches up.
    pub(super) catching_up: Option<u64>,
    /// Its index among the UDP addresses of its sockets, as they were listed last.
    pub(super) place: Option<usize>,
    /// It joined while a batch was on its way, and gets nothing of that batch.
    pub(super) joined_late: bool,
    /// It was started, and gets a report after its first packet.
    pub(super) report_owed: bool,
    /// It has got a report, and no BYE since.
    pub(super) has_heard: bool,
    /// What it is still to be sent of the end of the stream.
    pub(super) farewell: Farewell,
    /// How its receiver measures the round-trip time.
    pub(super) round_trip: RoundTrip,
    /// When its session was last kept alive because its connection takes what it is sent.
    pub(super) drained_at: Option<Instant>,
    /// What it was sent. Packets over TCP, and those of a transform of its own, are counted when
    /// they are sent; others over UDP are added from the stream's totals.
    pub(super) totals: Totals,
    /// The stream's totals up to which UDP packets are in `totals`.
    pub(super) since: Totals,
    /// The part of its count that was taken out of `totals` so far.
    taken: Totals,
}

impl Destination {
    pub(crate) fn new(session: Option<ClientSessionId>, transport: DestinationTransport) -> Self {
        Self {
            session,
            transport,
            transform: None,
            incoming: None,
            playing: false,
            skipping: false,
            behind: false,
            room_since: None,
            catching_up: None,
            place: None,
            joined_late: false,
            report_owed: false,
            has_heard: false,
            farewell: Farewell::Nothing,
            round_trip: RoundTrip::default(),
            drained_at: None,
            totals: Totals::default(),
            since: Totals::default(),
            taken: Totals::default(),
        }
    }

    /// The client session; `None` for a multicast group.
    pub(crate) const fn session(&self) -> Option<ClientSessionId> {
        self.session
    }

    pub(crate) const fn transport(&self) -> DestinationTransport {
        self.transport
    }

    /// Whether the stream is sent to it.
    pub(crate) const fn is_playing(&self) -> bool {
        self.playing
    }

    pub(crate) const fn is_udp(&self) -> bool {
        matches!(self.transport, DestinationTransport::Udp { .. })
    }

    /// Whether it gets the same datagrams as the other destinations over UDP, and is counted with
    /// them.
    const fn shares_datagrams(&self) -> bool {
        self.takes_batches() && self.is_udp() && self.transform.is_none()
    }

    /// Whether it is sent batches as they are made.
    pub(crate) const fn takes_batches(&self) -> bool {
        self.playing && !self.skipping && self.catching_up.is_none()
    }

    /// Counts a frame that it is not sent: its connection had no room, or the frame comes before
    /// the key frame that it waits for. Returns whether the frame is the first that is dropped.
    pub(crate) fn note_drop(&mut self, peer: SocketAddr) -> bool {
        let is_first = !self.skipping;
        if is_first {
            log::debug!("{peer}: does not keep up, frames are dropped");
            (self.skipping, self.behind) = (true, true);
        }
        // What a newcomer waits for has not been dropped.
        self.totals.dropped_frames += u64::from(self.behind);
        is_first
    }

    /// Notes that its connection has room for a key frame. Returns whether it has had for long: the
    /// key frame that was asked for came when there was none, and was dropped, too.
    pub(crate) fn has_waited(&mut self, now: Instant) -> bool {
        let since = *self.room_since.get_or_insert(now);
        let has_waited = now.saturating_duration_since(since) >= KEY_FRAME_PATIENCE;
        if has_waited {
            self.room_since = None;
        }
        has_waited
    }

    /// Returns what was sent to it since the last call.
    pub(crate) fn take_totals(&mut self) -> Totals {
        let totals = std::mem::take(&mut self.totals);
        self.taken = self.taken.plus(totals);
        totals
    }

    /// Returns what was sent to it since it was added. `shared` is the stream's total of packets
    /// that UDP destinations share.
    pub(crate) fn all(&self, shared: Totals) -> Totals {
        let mut all = self.taken.plus(self.totals);
        if self.shares_datagrams() {
            all.packets += shared.packets - self.since.packets;
            all.octets += shared.octets - self.since.octets;
        }
        all
    }

    /// Adds to its own count the packets that UDP destinations share, of which `sent` is the
    /// stream's total.
    pub(crate) const fn count_shared(&mut self, sent: Totals) {
        if self.shares_datagrams() {
            self.totals.packets += sent.packets - self.since.packets;
            self.totals.octets += sent.octets - self.since.octets;
            self.since = sent;
        }
    }
}

/// Counts of packets, of their bytes from the RTP header on, and of frames that a connection had
/// no room for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    pub(crate) dropped_frames: u64,
}

impl Totals {
    const fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            octets: self.octets + other.octets,
            dropped_frames: self.dropped_frames + other.dropped_frames,
        }
    }
}

/// How packets reach a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DestinationTransport {
    Udp { sockets: SocketsId, rtp: SocketAddr, rtcp: SocketAddr },
    Tcp { connection: ConnectionId, rtp_channel: u8, rtcp_channel: u8 },
}

/// The key under which a destination's reception statistics are kept.
pub(crate) fn destination_key(id: DestinationId) -> u64 {
    let raw = id.raw();
    u64::from(raw.generation) << 32 | u64::from(raw.index)
}
