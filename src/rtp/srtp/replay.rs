//! [`ReplayWindow`]: which packets of a stream have come (RFC 3711 section 3.3.2), and the index of
//! the next by its sequence number (section 3.3.1).

/// Packets behind the newest that are told apart; older ones are refused. At 40 Mbit/s a packet that
/// is sent again 200 ms later is still within.
pub(super) const WINDOW: u64 = 1024;
/// Indices are numbers of 48 bits.
const END: u64 = 1 << 48;

/// The last packets of a stream, by index.
#[derive(Clone, Debug)]
pub(super) struct ReplayWindow {
    highest: u64,
    /// A bit for each index, at its place modulo the size.
    seen: [u64; (WINDOW / 64) as usize],
}

impl ReplayWindow {
    /// A window of a stream of which this packet is the first.
    pub(super) fn new(first: u64) -> Self {
        let mut new = Self { highest: first, seen: [0; (WINDOW / 64) as usize] };
        new.mark(first, true);
        new
    }

    /// The index of the newest packet.
    pub(super) const fn highest(&self) -> u64 {
        self.highest
    }

    fn mark(&mut self, index: u64, seen: bool) {
        let bit = 1u64 << (index % 64);
        if let Some(word) = self.seen.get_mut((index % WINDOW / 64) as usize) {
            *word = if seen { *word | bit } else { *word & !bit };
        }
    }

    /// Whether a packet has not come yet, and is not too old to tell.
    pub(super) fn is_new(&self, index: u64) -> bool {
        let Some(age) = self.highest.checked_sub(index) else { return true };
        let word = self.seen.get((index % WINDOW / 64) as usize).copied().unwrap_or(u64::MAX);
        age < WINDOW && word >> (index % 64) & 1 == 0
    }

    /// Notes a packet that has come, and is authentic.
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            // Those between have not come.
            let from = (self.highest + 1).max(index.saturating_sub(WINDOW - 1));
            (from..index).for_each(|skipped| self.mark(skipped, false));
            self.highest = index;
        }
        self.mark(index, true);
    }

    /// The index of a packet with that sequence number: the one that is nearest to the newest.
    /// `None` if there is none so early, or none left.
    pub(super) fn index_of(&self, seq: u16) -> Option<u64> {
        nearest(self.highest, seq)
    }
}

/// The index with a sequence number that is nearest to another index.
pub(super) fn nearest(to: u64, seq: u16) -> Option<u64> {
    let distance = seq.wrapping_sub(to as u16) as i16;
    to.checked_add_signed(distance.into()).filter(|index| *index < END)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;
    use std::collections::HashSet;

    #[test]
    fn each_packet_is_new_once() {
        for seed in 1..20 {
            let mut random = Random::new(seed);
            let start = (random.u64() >> 20) + 5000;
            let mut window = ReplayWindow::new(start);
            let mut seen = HashSet::from([start]);
            let mut highest = start;
            for _ in 0..20_000 {
                let jump = if random.chance(500) { 3000 } else { 40 };
                let index =
                    (highest + random.below(jump) as u64).saturating_sub(random.below(1200) as u64);
                let is_new = !seen.contains(&index) && index + WINDOW > highest;
                assert_eq!(window.is_new(index), is_new, "{index} behind {highest}");
                if is_new && random.chance(2) {
                    window.accept(index);
                    seen.insert(index);
                    highest = highest.max(index);
                }
                assert_eq!(window.highest(), highest);
            }
        }
    }

    #[test]
    fn indices_follow_the_sequence_numbers_across_a_roll_over() {
        let window = ReplayWindow::new(0x1_FFFE);
        assert_eq!(window.index_of(0xFFFF), Some(0x1_FFFF));
        assert_eq!(window.index_of(3), Some(0x2_0003), "behind the roll-over");
        let window = ReplayWindow::new(0x2_0003);
        assert_eq!(window.index_of(0xFFF0), Some(0x1_FFF0), "before it, reordered");
        assert_eq!(ReplayWindow::new(3).index_of(0xFFF0), None, "nothing is so early");
        let last = END - 1;
        assert_eq!(ReplayWindow::new(last - 1).index_of(0xFFFF), Some(last));
        assert_eq!(ReplayWindow::new(last).index_of(0), None, "the counter is used up");
    }
}
