//! The time of the next RTCP packet (RFC 3550 sections 6.2 and 6.3, appendix A.7).

use std::time::{Duration, Instant};

/// Least interval between reports, on average (RFC 3550 section 6.2).
pub const MINIMUM_INTERVAL: Duration = Duration::from_secs(5);

/// RTCP's share of the session bandwidth.
const RTCP_SHARE: f64 = 0.05;
/// The senders' share of the RTCP bandwidth.
const SENDER_SHARE: f64 = 0.25;
/// e − 3/2: compensates for reconsideration, which lengthens intervals.
const COMPENSATION: f64 = std::f64::consts::E - 1.5;
/// Longest interval in seconds, however small the bandwidth.
const LONGEST: f64 = 86_400.0;

/// The variables that determine an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct IntervalFacts {
    /// Number of members of the session, including ourselves.
    pub(super) members: usize,
    /// Number of members that send.
    pub(super) senders: usize,
    /// Whether we are a sender.
    pub(super) we_sent: bool,
    /// Session bandwidth in bit/s.
    pub(super) session_bandwidth_bps: u64,
    /// Average size of an RTCP packet in octets, with lower-layer headers.
    pub(super) average_size: f64,
    /// Least interval; halved before the first packet.
    pub(super) minimum: Duration,
    /// Whether nothing has been sent yet.
    pub(super) initial: bool,
}

impl IntervalFacts {
    /// The deterministic calculated interval, Td.
    pub(super) fn deterministic(&self) -> Duration {
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
    pub(super) fn randomized(&self, random: f64) -> Duration {
        self.deterministic().mul_f64((random.clamp(0.0, 1.0) + 0.5) / COMPENSATION)
    }
}

/// Returns the least interval for a session bandwidth if the reduced minimum is allowed: 360
/// seconds divided by the bandwidth in kbit/s (RFC 3550 section 6.2).
pub fn reduced_minimum(session_bandwidth_bps: u64) -> Duration {
    let kilobits = session_bandwidth_bps as f64 / 1000.0;
    if kilobits <= 72.0 {
        return MINIMUM_INTERVAL;
    }
    Duration::from_secs_f64(360.0 / kilobits)
}

/// The transmission timer with reconsideration (RFC 3550 section 6.3, with the RFC's names of
/// variables).
#[derive(Clone, Debug)]
pub(super) struct ReportTimer {
    /// When the last packet was sent.
    tp: Instant,
    /// When the next one is due.
    tn: Instant,
    /// Number of members when `tn` was computed.
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

    /// Handles expiry: returns true if a packet is to be sent; otherwise the timer has been set
    /// anew (6.3.6).
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

    /// Sets the timer after a packet was sent.
    pub(super) fn on_sent(&mut self, now: Instant, facts: &IntervalFacts) {
        self.tp = now;
        self.initial = false;
        self.tn = now + self.draw(facts);
        self.pmembers = facts.members;
    }

    /// Adjusts the timer after members have left: reverse reconsideration (6.3.4).
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::some_instant;

    /// 1 Mbit/s, of which RTCP has 6,250 octets per second.
    const FACTS: IntervalFacts = IntervalFacts {
        members: 2,
        senders: 1,
        we_sent: true,
        session_bandwidth_bps: 1_000_000,
        average_size: 100.0,
        minimum: MINIMUM_INTERVAL,
        initial: false,
    };

    fn seconds(facts: IntervalFacts) -> f64 {
        facts.deterministic().as_secs_f64()
    }

    #[test]
    fn small_sessions_have_the_minimum() {
        assert_eq!(seconds(FACTS), 5.0);
        assert_eq!(seconds(IntervalFacts { initial: true, ..FACTS }), 2.5);
        let minimum = reduced_minimum(1_000_000);
        assert_eq!(minimum, Duration::from_millis(360));
        assert_eq!(seconds(IntervalFacts { minimum, ..FACTS }), 0.36);
        assert_eq!(reduced_minimum(64_000), MINIMUM_INTERVAL);
    }

    #[test]
    fn receivers_share_three_quarters() {
        // 100 octets × 999 receivers / (6,250 × 0.75) = 21.312 s.
        let facts = IntervalFacts { members: 1000, we_sent: false, ..FACTS };
        assert!((seconds(facts) - 21.312).abs() < 1e-9);
        // 100 × 9,999 / 4,687.5 = 213.312 s.
        let facts = IntervalFacts { members: 10_000, ..facts };
        assert!((seconds(facts) - 213.312).abs() < 1e-9);
    }

    #[test]
    fn senders_share_one_quarter() {
        // One sender of a thousand: 100 / 1,562.5 = 0.064 s, below the minimum.
        assert_eq!(seconds(IntervalFacts { members: 1000, ..FACTS }), 5.0);
        // 250 of a thousand are a quarter, not more: 100 × 250 / 1,562.5 = 16 s.
        let facts = IntervalFacts { members: 1000, senders: 250, ..FACTS };
        assert!((seconds(facts) - 16.0).abs() < 1e-9);
        // 251 are more, and all share all: 100 × 1,000 / 6,250 = 16 s, for receivers too.
        let facts = IntervalFacts { senders: 251, ..facts };
        assert!((seconds(facts) - 16.0).abs() < 1e-9);
        assert!((seconds(IntervalFacts { we_sent: false, ..facts }) - 16.0).abs() < 1e-9);
    }

    #[test]
    fn odd_facts_give_an_interval_all_the_same() {
        for bandwidth in [0, 1, u64::MAX] {
            for members in [0, usize::MAX] {
                let facts = IntervalFacts { members, session_bandwidth_bps: bandwidth, ..FACTS };
                let interval = IntervalFacts { we_sent: false, ..facts }.deterministic();
                assert!(interval >= MINIMUM_INTERVAL && interval <= Duration::from_secs(86_400));
            }
        }
    }

    #[test]
    fn randomized_from_half_to_one_and_a_half_compensated() {
        // 5 s × 0.5 / 1.21828 = 2.0521 s; 5 × 1.5 / 1.21828 = 6.1562 s.
        assert!((FACTS.randomized(0.0).as_secs_f64() - 2.0521).abs() < 1e-4);
        assert!((FACTS.randomized(1.0).as_secs_f64() - 6.1562).abs() < 1e-4);
    }

    /// Runs a timer until `count` packets are sent; returns the times between them.
    fn intervals(seed: u64, facts: &IntervalFacts, count: usize) -> Vec<f64> {
        let start = some_instant();
        let mut timer = ReportTimer::new(start, seed, facts);
        let (mut last, mut intervals) = (start, Vec::new());
        while intervals.len() < count {
            let now = timer.due_at();
            if timer.handle_expiry(now, facts) {
                intervals.push((now - last).as_secs_f64());
                last = now;
                timer.on_sent(now, facts);
            } else {
                assert!(timer.due_at() > now, "reconsideration moves the timer");
            }
        }
        intervals
    }

    #[test]
    fn reconsidered_intervals_average_the_deterministic_one() {
        let intervals = intervals(1, &FACTS, 20_000);
        let rest = &intervals[1..];
        let mean = rest.iter().sum::<f64>() / rest.len() as f64;
        assert!((mean - 5.0).abs() < 0.1, "mean {mean}");
        assert!(rest.iter().all(|&t| t > 2.05 && t < 6.16));
        let varied = rest.iter().filter(|&&t| !(4.0..6.0).contains(&t)).count();
        assert!(varied > rest.len() / 20, "they do not fall in step");
    }

    #[test]
    fn first_interval_is_halved() {
        let firsts: Vec<f64> = (0..2000).map(|seed| intervals(seed, &FACTS, 1)[0]).collect();
        let mean = firsts.iter().sum::<f64>() / firsts.len() as f64;
        assert!((mean - 2.5).abs() < 0.1, "mean {mean}");
    }

    #[test]
    fn members_that_arrive_meanwhile_delay_the_packet() {
        let start = some_instant();
        let alone = IntervalFacts { members: 1, we_sent: false, senders: 0, ..FACTS };
        let mut timer = ReportTimer::new(start, 3, &alone);
        // 10,000 members: 100 × 10,000 / 4,687.5 = 213 s at least × 0.41.
        let crowd = IntervalFacts { members: 10_000, ..alone };
        let now = timer.due_at();
        assert!(!timer.handle_expiry(now, &crowd));
        assert!(timer.due_at() - start > Duration::from_secs(87));
    }

    #[test]
    fn members_that_leave_bring_the_packet_forward() {
        let start = some_instant();
        let crowd = IntervalFacts { members: 10_000, we_sent: false, ..FACTS };
        let mut timer = ReportTimer::new(start, 3, &crowd);
        let wait = timer.due_at() - start;
        timer.on_members_left(start, 100);
        let left = (timer.due_at() - start).as_secs_f64();
        assert!((left - wait.as_secs_f64() / 100.0).abs() < 1e-3);
        let due = timer.due_at();
        timer.on_members_left(start, 100);
        timer.on_members_left(start, 5000);
        assert_eq!(timer.due_at(), due, "only those that leave count");
    }

    #[test]
    fn the_timer_does_not_fire_early() {
        let start = some_instant();
        let mut timer = ReportTimer::new(start, 3, &FACTS);
        let due = timer.due_at();
        assert!(!timer.handle_expiry(start, &FACTS));
        assert_eq!(timer.due_at(), due);
    }
}
