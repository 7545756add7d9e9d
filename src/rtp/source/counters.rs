//! What an [`RtpSource`](super::RtpSource) counts, and why it drops packets.

use std::fmt;
use std::time::Duration;

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
    /// The packet arrived after its place in the sequence was given up, or twice.
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

/// Counters of an [`RtpSource`](super::RtpSource), over all its SSRCs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceCounters {
    /// Packets accepted.
    pub packets: u64,
    /// Octets of their payload.
    pub octets: u64,
    /// Packets dropped, except late and duplicate ones and [`other_types`](Self::other_types).
    pub rejected: u64,
    /// Those of the rejected packets that had another SSRC than the one in use.
    pub other_ssrcs: u64,
    /// Packets with the stream's SSRC that were dropped because of their payload type: comfort noise
    /// or telephone events beside the audio, for example. They do not count as missing.
    pub other_types: u64,
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
    /// Sender reports that were not used: without a wall-clock time, or in contradiction to the packets
    /// or to the previous report.
    pub doubted_reports: u64,
    /// Events dropped because the queue of events was full.
    pub dropped_events: u64,
}

/// Reception statistics of the SSRC in use (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reception {
    /// Number of packets from the first one to the highest sequence number.
    pub expected: u64,
    /// Number of packets that arrived, including duplicates and late ones.
    pub received: u64,
    /// Number of packets lost; negative if duplicates outnumber losses.
    pub lost: i64,
    /// Share of packets lost in the interval of the last report block, from 0 to 1.
    pub lost_share: f64,
    /// Highest sequence number that arrived; the upper 16 bits count how often it has wrapped.
    pub highest_sequence: u32,
    /// Interarrival jitter: the average variation of the transit time.
    pub jitter: Duration,
    /// The time between the arrivals of successive packets.
    pub gaps: PacketGaps,
    /// Round-trip time to the sender. A participant that only receives measures it with extended
    /// reports (RFC 3611 sections 4.4 and 4.5); `None` until the sender has answered one. Few senders
    /// do: their SDP has `a=rtcp-xr:rcvr-rtt=all`.
    pub round_trip: Option<Duration>,
}

/// The time between the arrivals of successive packets. Packets that are read in one turn of the
/// loop have arrived at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketGaps {
    /// Number of gaps: one less than that of packets.
    pub count: u64,
    /// The shortest one; zero if there is none.
    pub shortest: Duration,
    /// The longest one; zero if there is none.
    pub longest: Duration,
    /// All together.
    pub total: Duration,
}

impl PacketGaps {
    /// Adds one.
    pub(super) fn add(&mut self, gap: Duration) {
        self.shortest = if self.count == 0 { gap } else { self.shortest.min(gap) };
        self.longest = self.longest.max(gap);
        self.total = self.total.saturating_add(gap);
        self.count += 1;
    }

    /// Adds one between packets that have come at the same time.
    pub(super) const fn add_zero(&mut self) {
        self.shortest = Duration::ZERO;
        self.count += 1;
    }

    /// Returns the average; `None` if there is none.
    pub fn average(&self) -> Option<Duration> {
        let nanos = self.total.as_nanos().checked_div(u128::from(self.count))?;
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }

    /// Returns these and those of another reception.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let shortest = match (self.count, other.count) {
            (0, _) => other.shortest,
            (_, 0) => self.shortest,
            _ => self.shortest.min(other.shortest),
        };
        Self {
            count: self.count.saturating_add(other.count),
            shortest,
            longest: self.longest.max(other.longest),
            total: self.total.saturating_add(other.total),
        }
    }
}
