//! [`Clock`]: from the PCRs of a transport stream to the times of its packets (ISO/IEC 13818-1
//! section 2.4.2.2).

use super::{Pcr, ticks_to_duration};
use std::time::Duration;

/// A longer way from one PCR to the next is no way but a jump; ISO/IEC 13818-1 demands 0.1 s.
const MAX_PCR_STEP: u64 = 10 * 27_000_000;
/// Packets without a PCR of the chosen PID after which another PID may replace it.
const PCR_PID_PATIENCE: u64 = 50_000;
/// Ticks in so many packets until two PCRs tell better: 10 Mbit/s.
const ASSUMED_RATE: (u64, u64) = (4061, 1);

/// Counts time along the PCRs of one PID.
#[derive(Debug, Default)]
pub(super) struct Clock {
    pub(super) pid: Option<u16>,
    /// The last PCR: its value, the time it stands for, the number of its packet.
    anchor: Option<(u64, u64, u64)>,
    /// Ticks that passed in so many packets, between the last two PCRs.
    rate: Option<(u64, u64)>,
    /// Time given out last; it never decreases.
    pub(super) last: u64,
}

impl Clock {
    /// Takes the PCR of packet number `index`; says whether the times of the packets before it
    /// are now known.
    pub(super) fn handle_pcr(&mut self, pcr: Pcr, index: u64) -> bool {
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
            jump = true;
        }
        let step = pcr.since(value);
        if step == 0 && !jump {
            // A clock that stands says nothing; taken at its word, all would be sent at once.
            return false;
        }
        let time = if jump || step > MAX_PCR_STEP {
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
