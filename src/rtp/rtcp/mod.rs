//! [`RtcpInstance`]: the control side of a stream. Read RFC 3550 section 6 and appendix A.7
//! before changing it; RFC 4585 for the feedback messages.

mod cname;
mod incoming;
mod instance;
mod interval;
mod reception;
#[cfg(test)]
mod tests;

pub use cname::Cname;
pub use instance::RtcpInstance;
pub use interval::{IntervalFacts, MINIMUM_INTERVAL, reduced_minimum};
pub use reception::ReceptionStatistics;

pub use crate::wire::rtcp::{Nack, NtpTime, ReportBlock, SenderInfo};

use std::time::Duration;

/// How an [`RtcpInstance`] behaves.
#[derive(Clone, Debug)]
pub struct RtcpConfig {
    /// Canonical name, the same for all streams of an endpoint (RFC 3550 section 6.5.1, RFC 7022).
    /// At most 255 bytes of it are sent.
    pub cname: String,
    /// Bandwidth of the session, bits a second; RTCP gets 5 % of it.
    pub session_bandwidth_bps: u64,
    /// Whether the stream is ours (sender reports), or we receive it.
    pub is_sender: bool,
    /// Least interval between reports, halved before the first; 5 s by RFC 3550. Use
    /// [`reduced_minimum`] where shorter ones are allowed.
    pub minimum_interval: Duration,
    /// Most receivers whose reports are remembered.
    pub max_destinations: usize,
    /// Take feedback that comes without a report in front (RFC 5506).
    pub reduced_size: bool,
}

impl Default for RtcpConfig {
    fn default() -> Self {
        Self {
            cname: String::new(),
            session_bandwidth_bps: 1_000_000,
            is_sender: true,
            minimum_interval: MINIMUM_INTERVAL,
            max_destinations: 16_384,
            reduced_size: false,
        }
    }
}

/// What a sender report says of our stream at the instant when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub struct SenderReport {
    /// The sender.
    pub ssrc: u32,
    /// What it says of itself.
    pub info: SenderInfo,
}

/// An APP packet that arrived (RFC 3550 section 6.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Who sent it.
    pub ssrc: u32,
    /// 0–31, its meaning is the application's.
    pub subtype: u8,
    /// Four ASCII characters.
    pub name: [u8; 4],
    /// Application-dependent data.
    pub data: Vec<u8>,
}

/// A feedback message about our stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feedback {
    /// The receiver has lost a picture and asks for a key frame (RFC 4585 section 6.3.1).
    PictureLoss,
    /// A decoder refresh point is asked for (RFC 5104 section 4.3.1). The same command number
    /// again is a repetition.
    FullIntraRequest {
        /// Command sequence number.
        sequence: u8,
    },
    /// Packets are missing (RFC 4585 section 6.2.1).
    Nack(Nack),
}

/// What a packet that arrived meant for the owner of an [`RtcpInstance`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtcpOutcome {
    /// False: garbage, counted and dropped; nothing else is set then.
    pub valid: bool,
    /// A receiver reported, if only that it has received nothing: it is alive.
    pub is_receiver_report: bool,
    /// The participant at that destination leaves.
    pub bye: bool,
    /// A sender's report, for the [`RtpSource`](super::RtpSource) of that SSRC.
    pub sender_report: Option<SenderReport>,
    /// CNAME of the participant that reports, where it is not ours.
    pub cname: Option<Cname>,
    /// The first APP packet.
    pub app: Option<App>,
    /// Feedback about our stream, in order; bounded.
    pub feedback: Vec<Feedback>,
    /// Someone else uses our SSRC (RFC 3550 section 8.2), unless it is our own report that came
    /// back.
    pub collision: bool,
}

/// Counts of an [`RtcpInstance`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtcpCounters {
    /// Compound packets written.
    pub written: u64,
    /// Valid compound packets that arrived.
    pub received: u64,
    /// Packets dropped because they were not valid RTCP.
    pub invalid: u64,
    /// Reports of receivers for whom the table had no room.
    pub not_remembered: u64,
}
