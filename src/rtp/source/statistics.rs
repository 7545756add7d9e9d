//! Sequence numbers, loss and jitter of one SSRC (RFC 3550 sections 6.4.1, A.1, A.3 and A.8), with
//! the RFC's names of variables.

use super::counters::{PacketGaps, Reception};
use crate::rtp::rtcp::ReportBlock;
use std::time::{Duration, Instant};

/// Largest forward jump that is taken for loss.
const MAX_DROPOUT: u16 = 3000;
/// Largest backward jump that is taken for reordering.
const MAX_MISORDER: u16 = 100;
/// Number of sequence numbers.
const SEQ_MOD: u64 = 1 << 16;

/// The classification of a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// Not accepted yet: the source is on probation, or the number is a jump that no second packet
    /// has confirmed.
    Unconfirmed,
    /// A packet with this extended sequence number, which never wraps.
    At(u64),
    /// Like `At`, and the sender has started over: earlier packets are unrelated.
    Restarted(u64),
}

/// Reception statistics of one SSRC.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    clock_rate: u32,
    min_sequential: u16,
    probation: u16,
    /// Whether a first sequence number has been seen.
    begun: bool,
    max_seq: u16,
    /// Starts at one cycle, so that a late packet from before the first one has a number too.
    cycles: u64,
    base: u64,
    bad_seq: Option<u16>,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    /// What the last report told of the time before it, in 256ths.
    fraction_lost: u8,
    origin: Option<Instant>,
    /// When the last packet came, and that time in timestamp units since `origin`.
    arrival: Option<(Instant, u32)>,
    transit: Option<u32>,
    gaps: PacketGaps,
    /// Jitter, scaled by 16.
    jitter: u32,
}

impl Statistics {
    pub(super) const fn new(clock_rate: u32, min_sequential: u16) -> Self {
        Self {
            clock_rate,
            min_sequential,
            probation: min_sequential,
            begun: false,
            max_seq: 0,
            cycles: SEQ_MOD,
            base: 0,
            bad_seq: None,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            fraction_lost: 0,
            origin: None,
            arrival: None,
            transit: None,
            gaps: PacketGaps {
                count: 0,
                shortest: Duration::ZERO,
                longest: Duration::ZERO,
                total: Duration::ZERO,
            },
            jitter: 0,
        }
    }

    /// Creates the statistics of the SSRC that follows this one; it is accepted at once. Extended
    /// sequence numbers go on rising.
    pub(super) const fn following(&self) -> Self {
        Self { cycles: self.cycles, ..Self::new(self.clock_rate, 0) }
    }

    /// Processes the sequence number of a received packet (A.1).
    pub(super) fn handle_sequence(&mut self, seq: u16) -> Placed {
        if !self.begun {
            self.begun = true;
            self.max_seq = seq.wrapping_sub(1);
            if self.probation == 0 {
                self.init(seq);
                self.received = 1;
                return Placed::At(self.extended_highest());
            }
        }
        if self.probation > 0 {
            if seq == self.max_seq.wrapping_add(1) {
                self.probation -= 1;
                self.max_seq = seq;
                if self.probation == 0 {
                    self.init(seq);
                    self.received = 1;
                    return Placed::At(self.extended_highest());
                }
            } else {
                self.probation = self.min_sequential.saturating_sub(1).max(1);
                self.max_seq = seq;
            }
            return Placed::Unconfirmed;
        }
        let ahead = seq.wrapping_sub(self.max_seq);
        let placed = if ahead < MAX_DROPOUT {
            if seq < self.max_seq {
                self.cycles += SEQ_MOD;
            }
            self.max_seq = seq;
            Placed::At(self.extended_highest())
        } else if ahead <= u16::MAX - MAX_MISORDER + 1 {
            if self.bad_seq != Some(seq) {
                self.bad_seq = Some(seq.wrapping_add(1));
                return Placed::Unconfirmed;
            }
            // Two in a row: the sender has restarted without telling.
            self.init(seq);
            Placed::Restarted(self.extended_highest())
        } else if seq > self.max_seq {
            Placed::At(self.cycles - SEQ_MOD + u64::from(seq))
        } else {
            Placed::At(self.cycles + u64::from(seq))
        };
        self.received += 1;
        placed
    }

    /// Whether a sequence number is that of a packet that is lost, reordered or next, rather than one
    /// of a sender that begins anew.
    pub(super) const fn is_near(&self, seq: u16) -> bool {
        let ahead = seq.wrapping_sub(self.max_seq);
        self.begun
            && self.probation == 0
            && (ahead < MAX_DROPOUT || ahead > u16::MAX - MAX_MISORDER + 1)
    }

    fn init(&mut self, seq: u16) {
        self.max_seq = seq;
        // A cycle on, so that extended numbers rise through a restart.
        self.cycles += SEQ_MOD;
        self.base = self.cycles + u64::from(seq);
        self.bad_seq = None;
        self.received = 0;
        self.expected_prior = 0;
        self.received_prior = 0;
        self.transit = None;
    }

    const fn extended_highest(&self) -> u64 {
        self.cycles + self.max_seq as u64
    }

    /// Processes the arrival of a packet with a timestamp (A.8).
    pub(super) fn handle_arrival(&mut self, now: Instant, timestamp: u32) {
        let arrival = match self.arrival {
            // Many packets come at a time.
            Some((at, arrival)) if at == now => {
                self.gaps.add_zero();
                arrival
            }
            before => {
                if let Some((at, _)) = before {
                    self.gaps.add(now.saturating_duration_since(at));
                }
                let origin = *self.origin.get_or_insert(now);
                ticks(now.saturating_duration_since(origin), self.clock_rate) as u32
            }
        };
        self.arrival = Some((now, arrival));
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let d = (transit.wrapping_sub(before) as i32).unsigned_abs();
            let decay = self.jitter.wrapping_add(8) >> 4;
            self.jitter = self.jitter.saturating_add(d).saturating_sub(decay);
        }
    }

    /// Number of packets from the first to the highest sequence number.
    pub(super) const fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.extended_highest() + 1 - self.base }
    }

    /// Number of packets lost; negative if duplicates outnumber losses.
    pub(super) const fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Interarrival jitter in timestamp units.
    pub(super) const fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// The highest sequence number, with the number of its wraps above.
    const fn highest_sequence(&self) -> u32 {
        (self.extended_highest() - (self.base - self.base % SEQ_MOD)) as u32
    }

    pub(super) fn reception(&self) -> Reception {
        let jitter = u64::from(self.jitter()) * 1_000_000_000 / u64::from(self.clock_rate.max(1));
        let has_begun = self.received > 0;
        Reception {
            expected: self.expected(),
            received: self.received,
            lost: self.lost(),
            lost_share: f64::from(self.fraction_lost) / 256.0,
            highest_sequence: if has_begun { self.highest_sequence() } else { 0 },
            jitter: Duration::from_nanos(jitter),
            gaps: self.gaps,
            round_trip: None,
        }
    }

    /// Returns the report block for the time since the last one (A.3), without LSR and DLSR; `None`
    /// if no packet has arrived since.
    pub(super) fn take_report(&mut self, ssrc: u32) -> Option<ReportBlock> {
        if self.received == self.received_prior {
            return None;
        }
        let expected_interval = self.expected() - self.expected_prior;
        let received_interval = self.received - self.received_prior;
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        let lost_interval = expected_interval.saturating_sub(received_interval);
        // All lost would be 256/256, which does not fit.
        let fraction = (lost_interval << 8).checked_div(expected_interval).unwrap_or(0).min(255);
        self.fraction_lost = fraction as u8;
        Some(ReportBlock {
            ssrc,
            fraction_lost: self.fraction_lost,
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: self.highest_sequence(),
            jitter: self.jitter(),
            last_sr: 0,
            delay_since_last_sr: 0,
        })
    }
}

/// Converts a duration to clock units, rounded down.
pub(super) fn ticks(duration: Duration, clock_rate: u32) -> u64 {
    let rate = u64::from(clock_rate);
    let part = u64::from(duration.subsec_nanos()) * rate / 1_000_000_000;
    duration.as_secs().wrapping_mul(rate).wrapping_add(part)
}
