//! What an [`RtpSource`](super::RtpSource) counts, and why it drops packets.

use std::fmt;
use std::time::Duration;

/// Why a packet was dropped.
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

/// Counts of an [`RtpSource`](super::RtpSource), over all its SSRCs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceCounters {
    /// Packets that were taken.
    pub packets: u64,
    /// Octets of their payload.
    pub octets: u64,
    /// Packets that were dropped, late and duplicate ones not counted, nor
    /// [`other_types`](Self::other_types).
    pub rejected: u64,
    /// Of the rejected: packets with another SSRC than the one in use.
    pub other_ssrcs: u64,
    /// Packets of the stream that were dropped for their payload type: comfort noise or telephone
    /// events beside the audio, say. They are not missing.
    pub other_types: u64,
    /// Packets that came after their place was given up, or twice.
    pub late: u64,
    /// Packets that were given up because they did not arrive in time.
    pub missing: u64,
    /// Payloads that were malformed.
    pub malformed_payloads: u64,
    /// Payloads that broke their format's RFC and were taken all the same.
    pub deviant_payloads: u64,
    /// Frames put together.
    pub frames: u64,
    /// Frames dropped because the queue of frames was full.
    pub dropped_frames: u64,
    /// Times that the sender has taken another SSRC, or started anew under the same.
    pub restarts: u64,
    /// Sender reports that were not believed: without a wall-clock time, or in contradiction to the
    /// packets or to the report before.
    pub doubted_reports: u64,
    /// Events that nobody has polled in time.
    pub dropped_events: u64,
}

/// What is known of the reception of the SSRC in use (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reception {
    /// Packets from the first one to the highest sequence number.
    pub expected: u64,
    /// Packets that have come, duplicates and late ones included.
    pub received: u64,
    /// Packets lost; negative if duplicates outnumber losses.
    pub lost: i64,
    /// Share of packets that were lost in the time that the last report block is about, from 0 to 1.
    pub lost_share: f64,
    /// Highest sequence number that has come; the upper 16 bits count how often it has wrapped.
    pub highest_sequence: u32,
    /// Interarrival jitter: by how much the time that packets need varies, on average.
    pub jitter: Duration,
}
