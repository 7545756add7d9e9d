//! When the next RTCP packet is due: RFC 3550 sections 6.2 and 6.3, appendix A.7.

use std::time::{Duration, Instant};

/// Least interval between reports, on average (RFC 3550 section 6.2).
pub const MINIMUM_INTERVAL: Duration = Duration::from_secs(5);

/// Share of the session's bandwidth that is RTCP's.
const RTCP_SHARE: f64 = 0.05;
/// Share of RTCP's bandwidth that is the senders'.
const SENDER_SHARE: f64 = 0.25;
/// e − 3/2: makes up for reconsideration, which by itself would wait too long.
const COMPENSATION: f64 = std::f64::consts::E - 1.5;
/// No interval is longer, whatever a bandwidth of next to nothing would ask for.
const LONGEST: f64 = 86_400.0;

/// What an interval depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntervalFacts {
    /// Members of the session, ourselves included.
    pub members: usize,
    /// Those of them that send.
    pub senders: usize,
    /// Whether we are one of these.
    pub we_sent: bool,
    /// Bandwidth of the session, bits a second.
    pub session_bandwidth_bps: u64,
    /// Average size of an RTCP packet, octets, with its lower-layer headers.
    pub average_size: f64,
    /// Least interval; halved before the first packet.
    pub minimum: Duration,
    /// Nothing has been sent yet.
    pub initial: bool,
}

impl IntervalFacts {
    /// The deterministic calculated interval, Td.
    pub fn deterministic(&self) -> Duration {
        let mut bandwidth = self.session_bandwidth_bps as f64 / 8.0 * RTCP_SHARE;
        let members = self.members.max(1) as f64;
        let senders = self.senders as f64;
        let mut n = members;
        if senders <= members * SENDER_SHARE {
            if self.we_sent {
                bandwidth *= SENDER_SHARE;
                n = senders.max(1.0);
            } else {
                bandwidth *= 1.0 - SENDER_SHARE;
                n = (members - senders).max(1.0);
            }
        }
        let minimum = self.minimum.as_secs_f64() * if self.initial { 0.5 } else { 1.0 };
        let interval = if bandwidth > 0.0 { self.average_size * n / bandwidth } else { LONGEST };
        Duration::from_secs_f64(interval.max(minimum).min(LONGEST))
    }

    /// The calculated interval, T, for a random number from 0 to 1.
    pub fn randomized(&self, random: f64) -> Duration {
        self.deterministic().mul_f64((random.clamp(0.0, 1.0) + 0.5) / COMPENSATION)
    }
}

/// Least interval for a session of that bandwidth where the reduced minimum is allowed: 360
/// seconds divided by the bandwidth in kilobits a second (RFC 3550 section 6.2).
pub fn reduced_minimum(session_bandwidth_bps: u64) -> Duration {
    let kilobits = session_bandwidth_bps as f64 / 1000.0;
    if kilobits <= 72.0 {
        return MINIMUM_INTERVAL;
    }
    Duration::from_secs_f64(360.0 / kilobits)
}

/// The transmission timer with its reconsideration (RFC 3550 section 6.3, variables by the names
/// that the RFC gives them).
#[derive(Clone, Debug)]
pub(super) struct ReportTimer {
    /// When the last packet was sent.
    tp: Instant,
    /// When the next one is due.
    tn: Instant,
    /// Members when `tn` was computed.
    pmembers: usize,
    initial: bool,
    random: u64,
}

impl ReportTimer {
    pub(super) fn new(now: Instant, seed: u64, facts: &IntervalFacts) -> Self {
        let mut timer =
            Self { tp: now, tn: now, pmembers: facts.members, initial: true, random: seed };
        timer.tn = now + timer.draw(facts);
        timer
    }

    pub(super) const fn due_at(&self) -> Instant {
        self.tn
    }

    pub(super) const fn is_initial(&self) -> bool {
        self.initial
    }

    /// The timer has expired: true if a packet is to be sent, else it has been set anew (6.3.6).
    pub(super) fn handle_expiry(&mut self, now: Instant, facts: &IntervalFacts) -> bool {
        if now < self.tn {
            return false;
        }
        let tn = self.tp + self.draw(facts);
        self.pmembers = facts.members;
        if tn <= now {
            return true;
        }
        self.tn = tn;
        false
    }

    /// A packet has been sent.
    pub(super) fn on_sent(&mut self, now: Instant, facts: &IntervalFacts) {
        self.tp = now;
        self.initial = false;
        self.tn = now + self.draw(facts);
        self.pmembers = facts.members;
    }

    /// Members have left: reverse reconsideration (6.3.4).
    pub(super) fn on_members_left(&mut self, now: Instant, members: usize) {
        if members >= self.pmembers || self.pmembers == 0 {
            return;
        }
        let ratio = members as f64 / self.pmembers as f64;
        self.tn = now + self.tn.saturating_duration_since(now).mul_f64(ratio);
        let since = now.saturating_duration_since(self.tp).mul_f64(ratio);
        self.tp = now.checked_sub(since).unwrap_or(self.tp);
        self.pmembers = members;
    }

    fn draw(&mut self, facts: &IntervalFacts) -> Duration {
        // SplitMix64: any seed will do, zero too.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let random = (z >> 11) as f64 / (1u64 << 53) as f64;
        IntervalFacts { initial: self.initial, ..*facts }.randomized(random)
    }
}
