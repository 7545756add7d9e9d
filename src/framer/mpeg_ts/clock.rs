//! [`Clock`]: derives the times of packets from the PCRs of a transport stream (ISO/IEC 13818-1
//! section 2.4.2.2).

use super::packet::{Pcr, ticks_to_duration};
use std::time::Duration;

/// Largest step between PCRs that is not taken for a jump; ISO/IEC 13818-1 requires 0.1 s.
pub(crate) const MAX_PCR_STEP: u64 = 10 * 27_000_000;
/// Packets without a PCR of the chosen PID after which another PID may replace it: 0.2 s at 60
/// Mbit/s.
const PCR_PID_PATIENCE: u64 = 8192;
/// Least tolerance within which a PCR of another PID is taken as one of the same clock: 0.5 s.
const SAME_CLOCK: u64 = 27_000_000 / 2;
/// Ticks per number of packets that are assumed before the second PCR: 10 Mbit/s.
const ASSUMED_RATE: (u64, u64) = (4061, 1);

/// Derives time from the PCRs of one PID.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    pub(super) pid: Option<u16>,
    /// The last PCR: its value, the corresponding time, the number of its packet.
    anchor: Option<(u64, u64, u64)>,
    /// Ticks per number of packets, between the last two PCRs.
    rate: Option<(u64, u64)>,
    /// The last time returned; it never decreases.
    pub(super) last: u64,
    /// Packet number from which on the PCRs of another PID are used, and that PID.
    next: Option<(u64, u16)>,
    /// Whether the last PCR came from another PID.
    moved: bool,
    /// Whether the last PCR began another time base.
    pub(crate) jumped: bool,
}

impl Clock {
    /// Creates a clock with a PCR of `pid` in packet number 0, of this value, that corresponds to
    /// `time`.
    pub(crate) fn at(pid: u16, value: u64, time: u64) -> Self {
        Self { pid: Some(pid), anchor: Some((value, time, 0)), last: time, ..Self::default() }
    }

    /// Uses the PCRs of `pid` from packet number `index` on.
    pub(crate) fn change_pid(&mut self, index: u64, pid: u16) {
        self.next = Some((index, pid));
    }

    /// The time that corresponds to the last PCR.
    pub(crate) fn time(&self) -> u64 {
        self.anchor.map_or(self.last, |(_, time, _)| time)
    }

    /// Processes the PCR of packet number `index`; returns whether the times of the packets before
    /// it are known now.
    pub(crate) fn handle_pcr(&mut self, pcr: Pcr, index: u64) -> bool {
        if let Some((_, pid)) = self.next.take_if(|&mut (from, _)| index >= from) {
            self.moved = self.anchor.is_some() && self.pid != Some(pid);
            self.pid = Some(pid);
        }
        let Some((value, time, at)) = self.anchor else {
            if *self.pid.get_or_insert(pcr.pid) != pcr.pid && index < PCR_PID_PATIENCE {
                return false;
            }
            self.pid = Some(pcr.pid);
            self.anchor = Some((pcr.value, self.last, index));
            return true;
        };
        let packets = index.saturating_sub(at);
        let mut jump = pcr.discontinuity;
        if self.pid != Some(pcr.pid) {
            if packets < PCR_PID_PATIENCE {
                return false;
            }
            self.pid = Some(pcr.pid);
            self.moved = true;
        }
        let step = pcr.since(value);
        jump |= std::mem::take(&mut self.moved) && !self.is_due(step, packets);
        if step == 0 && !jump {
            // A clock that stands says nothing; taken at its word, all would be sent at once.
            return false;
        }
        self.jumped = jump || step > MAX_PCR_STEP;
        let time = if self.jumped {
            time.saturating_add(self.ticks(packets))
        } else {
            // The packets between lie on the line from the last PCR to this; `time_of` counts
            // backwards from here, on the same line.
            self.rate = (packets > 0).then_some((step, packets)).or(self.rate);
            time.saturating_add(step)
        };
        self.anchor = Some((pcr.value, time, index));
        true
    }

    /// Whether a step of the clock is roughly the duration of that many packets.
    fn is_due(&self, step: u64, packets: u64) -> bool {
        let expected = self.ticks(packets);
        step > 0
            && step <= expected.saturating_mul(4).saturating_add(SAME_CLOCK)
            && expected <= step.saturating_mul(4).saturating_add(SAME_CLOCK)
    }

    /// Duration of `packets` packets in ticks, at the rate so far.
    fn ticks(&self, packets: u64) -> u64 {
        let (ticks, per) = self.rate.unwrap_or(ASSUMED_RATE);
        let ticks = u128::from(ticks) * u128::from(packets) / u128::from(per.max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    pub(super) fn time_of(&mut self, index: u64) -> Duration {
        if let Some((_, time, at)) = self.anchor {
            let ticks = if index >= at {
                time.saturating_add(self.ticks(index - at))
            } else {
                time.saturating_sub(self.ticks(at - index))
            };
            self.last = self.last.max(ticks);
        }
        ticks_to_duration(self.last)
    }

    pub(super) fn span_of(&self, packets: u64) -> Duration {
        ticks_to_duration(self.ticks(packets))
    }
}
