//! [`RtcpInstance`]: the control side of a stream. Maintainers should know RFC 3550 section 6 and
//! appendix A.7, and RFC 4585 for feedback messages.

mod cname;
mod compound;
mod event;
mod instance;
mod interval;
mod reception;
mod requests;
mod round_trip;
#[cfg(test)]
mod tests;

pub use cname::Cname;
pub use event::{KeyFrameRequest, RtcpEvent};
pub use instance::RtcpInstance;
pub use interval::{MINIMUM_INTERVAL, reduced_minimum};
pub use reception::ReceptionStatistics;
pub use round_trip::ReferenceTime;

pub use crate::wire::rtcp::{Nack, NtpTime, ReportBlock, SenderInfo};

use std::time::Duration;

/// The configuration of an [`RtcpInstance`]. [`default`](Self::default) sets the defaults; each
/// field can then be changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RtcpConfig {
    /// Canonical name, the same for all streams of an endpoint (RFC 3550 section 6.5.1, RFC 7022).
    /// At most 255 bytes of it are sent. Default: empty.
    pub cname: String,
    /// Session bandwidth in bit/s, of which RTCP gets 5 %. Default: 1 Mbit/s.
    pub session_bandwidth_bps: u64,
    /// RTP clock rate of our stream in Hz, in which receivers report its jitter. Default: 90,000.
    pub clock_rate: u32,
    /// Whether we send the stream (sender reports) or receive it. Default: true.
    pub is_sender: bool,
    /// Least interval between reports, halved before the first. Default: the 5 s of RFC 3550. Use
    /// [`reduced_minimum`] where shorter ones are allowed.
    pub minimum_interval: Duration,
    /// Most other participants that are remembered: receivers with their last report and their last
    /// full intra request, or, as a receiver, all others that report. Default: 16,384.
    pub max_destinations: usize,
    /// Whether packets that do not begin with a report are accepted, as for feedback (RFC 5506).
    /// Default: false.
    pub reduced_size: bool,
    /// Whether our reports as a receiver state a reference time, with whose answer we measure the
    /// round-trip time (RFC 3611 section 4.4). The SDP states whether a receiver may send it:
    /// `a=rtcp-xr:rcvr-rtt=all` (section 5). Default: false.
    pub reference_times: bool,
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
            reference_times: false,
        }
    }
}

/// The state of our stream that a sender report states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3550 section 6.4.1")]
pub struct SenderFacts {
    /// RTP timestamp at the time of the report
    /// ([`RtpSink::timestamp_at`](super::RtpSink::timestamp_at) the present running time of the
    /// stream), whether or not a packet has it.
    pub rtp_timestamp_now: u32,
    /// Packets sent so far.
    pub packet_count: u32,
    /// Octets of payload sent so far.
    pub octet_count: u32,
}

/// A received sender report (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderReport {
    /// SSRC of the sender.
    pub ssrc: u32,
    /// Statistics of the sender's stream.
    pub info: SenderInfo,
}

/// A received APP packet (RFC 3550 section 6.7).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct App {
    /// SSRC of the participant that sent it.
    pub ssrc: u32,
    /// Subtype, 0–31, defined by the application.
    pub subtype: u8,
    /// Name: four ASCII characters.
    pub name: [u8; 4],
    /// Application-dependent data.
    pub data: Vec<u8>,
}

/// The result of [`RtcpInstance::handle_packet`], as far as it concerns a packet as a whole.
/// Messages of receivers about our stream are [`RtcpEvent`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtcpOutcome {
    /// Whether the packet was valid RTCP. Otherwise it has been counted and dropped, and no other
    /// field is set.
    pub valid: bool,
    /// Whether a receiver reported, even if it has received nothing: it is alive.
    pub is_receiver_report: bool,
    /// SSRC of the participant that sent the packet, if it leaves the session (RFC 3550 section
    /// 6.6). If we receive its stream, pass this to
    /// [`RtpSource::handle_bye`](super::RtpSource::handle_bye).
    pub bye: Option<u32>,
    /// A sender report, for the [`RtpSource`](super::RtpSource) of its SSRC.
    pub sender_report: Option<SenderReport>,
    /// CNAME of the reporting participant, unless it is ours.
    pub cname: Option<Cname>,
    /// The first APP packet.
    pub app: Option<App>,
    /// The reference time of a receiver that wants to measure the round-trip time (RFC 3611 section
    /// 4.4), if we are a sender.
    pub reference_time: Option<ReferenceTime>,
    /// The round-trip time to the sender, if it has answered our reference time (RFC 3611 section
    /// 4.5). Pass this to
    /// [`RtpSource::handle_round_trip`](super::RtpSource::handle_round_trip).
    pub round_trip: Option<Duration>,
    /// Whether another participant uses our SSRC (RFC 3550 section 8.2). Our own report that
    /// returns to us is not a collision.
    pub collision: bool,
}

/// Counters of an [`RtcpInstance`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtcpCounters {
    /// Compound packets written.
    pub written: u64,
    /// Valid compound packets received.
    pub received: u64,
    /// Packets dropped because they were not valid RTCP.
    pub invalid: u64,
    /// Reports of receivers for which the table had no room.
    pub not_remembered: u64,
    /// Requests for a key frame, without repetitions of a full intra request.
    pub key_frame_requests: u64,
    /// Events dropped because one packet contained too many.
    pub dropped_events: u64,
}
