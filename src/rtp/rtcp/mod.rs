//! [`RtcpInstance`]: the control side of a stream. Read RFC 3550 section 6 and appendix A.7
//! before changing it; RFC 4585 for the feedback messages.

mod cname;
mod compound;
mod event;
mod instance;
mod interval;
mod reception;
mod requests;
#[cfg(test)]
mod tests;

pub use cname::Cname;
pub use event::{KeyFrameRequest, RtcpEvent};
pub use instance::RtcpInstance;
pub use interval::{MINIMUM_INTERVAL, reduced_minimum};
pub use reception::ReceptionStatistics;

pub use crate::wire::rtcp::{Nack, NtpTime, ReportBlock, SenderInfo};

use std::time::Duration;

/// How an [`RtcpInstance`] behaves. [`default`](Self::default) makes one, whose fields can then be
/// set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RtcpConfig {
    /// Canonical name, the same for all streams of an endpoint (RFC 3550 section 6.5.1, RFC 7022).
    /// At most 255 bytes of it are sent. Empty by default.
    pub cname: String,
    /// Bandwidth of the session, bits a second, of which RTCP gets 5 %. 1 Mbit/s by default.
    pub session_bandwidth_bps: u64,
    /// RTP timestamp units a second of our stream, in which receivers report its jitter. 90,000 by
    /// default.
    pub clock_rate: u32,
    /// Whether the stream is ours (sender reports), or we receive it. True by default.
    pub is_sender: bool,
    /// Least interval between reports, halved before the first; 5 s by RFC 3550 and by default.
    /// Use [`reduced_minimum`] where shorter ones are allowed.
    pub minimum_interval: Duration,
    /// Most other participants that are remembered: receivers by their last report and their last
    /// full intra request, or, where we receive, all others that report. 16,384 by default.
    pub max_destinations: usize,
    /// Whether packets are taken that do not begin with a report (RFC 5506), as feedback may. False
    /// by default.
    pub reduced_size: bool,
}

impl Default for RtcpConfig {
    fn default() -> Self {
        Self {
            cname: String::new(),
            session_bandwidth_bps: 1_000_000,
            clock_rate: 90_000,
            is_sender: true,
            minimum_interval: MINIMUM_INTERVAL,
            max_destinations: 16_384,
            reduced_size: false,
        }
    }
}

/// What a sender report says of our stream at the instant when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3550 section 6.4.1")]
pub struct SenderFacts {
    /// RTP timestamp of that same instant ([`RtpSink::timestamp_at`](super::RtpSink::timestamp_at)
    /// the stream's running time now), whether or not a packet carries it.
    pub rtp_timestamp_now: u32,
    /// Packets sent so far.
    pub packet_count: u32,
    /// Octets of payload sent so far.
    pub octet_count: u32,
}

/// A sender report that arrived (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderReport {
    /// SSRC of the sender.
    pub ssrc: u32,
    /// What it reports about its stream.
    pub info: SenderInfo,
}

/// An APP packet that arrived (RFC 3550 section 6.7).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct App {
    /// SSRC of the participant that sent it.
    pub ssrc: u32,
    /// 0–31, its meaning is the application's.
    pub subtype: u8,
    /// Four ASCII characters.
    pub name: [u8; 4],
    /// Application-dependent data.
    pub data: Vec<u8>,
}

/// What a packet that arrived meant for the owner of an [`RtcpInstance`], as far as it can be said
/// once a packet. What receivers say of our stream is in the [`RtcpEvent`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtcpOutcome {
    /// Whether it was RTCP. If not, it has been counted and dropped, and nothing else is set.
    pub valid: bool,
    /// A receiver reported, if only that it has received nothing: it is alive.
    pub is_receiver_report: bool,
    /// SSRC of the participant that has sent the packet, if it says that it leaves (RFC 3550
    /// section 6.6). If we receive its stream, this goes to
    /// [`RtpSource::handle_bye`](super::RtpSource::handle_bye).
    pub bye: Option<u32>,
    /// A sender's report, for the [`RtpSource`](super::RtpSource) of that SSRC.
    pub sender_report: Option<SenderReport>,
    /// CNAME of the participant that reports, where it is not ours.
    pub cname: Option<Cname>,
    /// The first APP packet.
    pub app: Option<App>,
    /// Another participant uses our SSRC (RFC 3550 section 8.2). Our own report that came back is
    /// no collision.
    pub collision: bool,
}

/// Counts of an [`RtcpInstance`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtcpCounters {
    /// Compound packets written.
    pub written: u64,
    /// Valid compound packets that arrived.
    pub received: u64,
    /// Packets dropped because they were not valid RTCP.
    pub invalid: u64,
    /// Reports of receivers for whom the table had no room.
    pub not_remembered: u64,
    /// Key frames that were asked for. Repetitions of a full intra request do not count.
    pub key_frame_requests: u64,
    /// Events dropped because one packet held too many.
    pub dropped_events: u64,
}
