//! [`Clock`]: from the PCRs of a transport stream to the times of its packets (ISO/IEC 13818-1
//! section 2.4.2.2).

use super::packet::{Pcr, ticks_to_duration};
use std::time::Duration;

/// A longer way from one PCR to the next is no way but a jump; ISO/IEC 13818-1 demands 0.1 s.
pub(crate) const MAX_PCR_STEP: u64 = 10 * 27_000_000;
/// Packets without a PCR of the chosen PID after which another PID may replace it: 0.2 s of
/// 60 Mbit/s, when there must have been some.
const PCR_PID_PATIENCE: u64 = 8192;
/// What a PCR of another PID may lie beside where one of the old PID was due, at least, to be of
/// the same clock: 0.5 s.
const SAME_CLOCK: u64 = 27_000_000 / 2;
/// Ticks in so many packets until two PCRs tell better: 10 Mbit/s.
const ASSUMED_RATE: (u64, u64) = (4061, 1);

/// Counts time along the PCRs of one PID.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    pub(super) pid: Option<u16>,
    /// The last PCR: its value, the time it stands for, the number of its packet.
    anchor: Option<(u64, u64, u64)>,
    /// Ticks that passed in so many packets, between the last two PCRs.
    rate: Option<(u64, u64)>,
    /// Time given out last; it never decreases.
    pub(super) last: u64,
    /// From this packet on the PCRs of this PID count.
    next: Option<(u64, u16)>,
    /// The last PCR was of another PID.
    moved: bool,
    /// The last PCR that was taken began another time base.
    pub(crate) jumped: bool,
}

impl Clock {
    /// Packet number 0 has a PCR of `pid` with this value, which stands for `time`.
    pub(crate) fn at(pid: u16, value: u64, time: u64) -> Self {
        Self { pid: Some(pid), anchor: Some((value, time, 0)), last: time, ..Self::default() }
    }

    /// From packet number `index` on the PCRs of `pid` count.
    pub(crate) fn change_pid(&mut self, index: u64, pid: u16) {
        self.next = Some((index, pid));
    }

    /// The time that the last PCR stands for.
    pub(crate) fn time(&self) -> u64 {
        self.anchor.map_or(self.last, |(_, time, _)| time)
    }

    /// Takes the PCR of packet number `index`; says whether the times of the packets before it
    /// are now known.
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

    /// Whether a step of the clock is about what so many packets take.
    fn is_due(&self, step: u64, packets: u64) -> bool {
        let expected = self.ticks(packets);
        step > 0
            && step <= expected.saturating_mul(4).saturating_add(SAME_CLOCK)
            && expected <= step.saturating_mul(4).saturating_add(SAME_CLOCK)
    }

    /// Ticks of `packets` packets at the rate so far.
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
