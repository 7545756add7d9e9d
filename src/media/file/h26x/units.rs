//! [`Units`]: how long each access unit of a file is, and where it stands in output order. With
//! it, whoever plays the file reads access units and nothing else, and looks at none.

/// Most access units that are kept: almost six hours of 25 a second, in 2 MiB.
pub(super) const MAX_UNITS: usize = 1 << 19;
/// Of the length, in the low bits of an entry; above it one bit for key pictures, and eight for
/// the distance in output order, signed.
const LEN_BITS: u32 = 23;
const LEN_MASK: u32 = (1 << LEN_BITS) - 1;
const KEY: u32 = 1 << LEN_BITS;
const DISTANCE_SHIFT: u32 = LEN_BITS + 1;

/// An access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Bytes in the file; the next one begins just behind them.
    pub(super) len: usize,
    /// Decoding can start here.
    pub(super) key: bool,
    /// Pictures before it in output order.
    pub(super) output_index: u64,
}

/// All access units of a file in decoding order.
#[derive(Debug, Default)]
pub(super) struct Units {
    entries: Vec<u32>,
    /// Where in the file the first begins.
    first_offset: u64,
    /// One did not fit, so none are kept.
    incomplete: bool,
}

impl Units {
    /// Takes note of the next access unit. `offset` is where it begins.
    pub(super) fn push(&mut self, offset: u64, unit: Unit) {
        if self.incomplete {
            return;
        }
        let decode_index = self.entries.len() as u64;
        let entry = if self.entries.len() < MAX_UNITS { pack(decode_index, unit) } else { None };
        let Some(entry) = entry else {
            *self = Self { incomplete: true, ..Self::default() };
            return;
        };
        if self.entries.is_empty() {
            self.first_offset = offset;
        }
        self.entries.push(entry);
    }

    /// Makes the access unit with `decode_index` others before it one to start at.
    pub(super) fn mark_key(&mut self, decode_index: u64) {
        let index = usize::try_from(decode_index).unwrap_or(usize::MAX);
        if let Some(entry) = self.entries.get_mut(index) {
            *entry |= KEY;
        }
    }

    /// The table if it has all access units, in no more memory than it takes.
    pub(super) fn finish(mut self) -> Option<Self> {
        self.entries.shrink_to_fit();
        (!self.incomplete).then_some(self)
    }

    pub(super) const fn first_offset(&self) -> u64 {
        self.first_offset
    }

    /// The access unit with `decode_index` others before it.
    pub(super) fn get(&self, decode_index: u64) -> Option<Unit> {
        let entry = *self.entries.get(usize::try_from(decode_index).ok()?)?;
        let distance = i64::from((entry >> DISTANCE_SHIFT) as u8 as i8);
        Some(Unit {
            len: (entry & LEN_MASK) as usize,
            key: entry & KEY != 0,
            output_index: decode_index.saturating_add_signed(distance),
        })
    }
}

/// `None` if it does not fit.
fn pack(decode_index: u64, unit: Unit) -> Option<u32> {
    let len = u32::try_from(unit.len).ok().filter(|&len| len <= LEN_MASK)?;
    // Both count pictures of one file, far from the limits of either type.
    let distance = unit.output_index.wrapping_sub(decode_index) as i64;
    let distance = i8::try_from(distance).ok()? as u8;
    let key = if unit.key { KEY } else { 0 };
    Some(len | key | u32::from(distance) << DISTANCE_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(len: usize, output_index: u64) -> Unit {
        Unit { len, key: len % 3 == 0, output_index }
    }

    #[test]
    fn gives_back_what_it_was_told() {
        let mut random = crate::payload::testing::XorShift::new(1);
        let mut units = Units::default();
        let told: Vec<_> = (0..1000_u64)
            .map(|n| {
                let far = random.below(256) + n;
                unit(random.below(1 << 23) as usize, far.saturating_sub(128))
            })
            .collect();
        for &unit in &told {
            units.push(77, unit);
        }
        let units = units.finish().unwrap();
        assert_eq!(units.first_offset(), 77);
        for (n, &unit) in told.iter().enumerate() {
            assert_eq!(units.get(n as u64), Some(unit));
        }
        assert_eq!(units.get(1000), None);
        assert_eq!(units.get(u64::MAX), None);
    }

    #[test]
    fn keeps_all_or_nothing() {
        for odd in [unit(1 << 23, 3), unit(5, 3 + 128), unit(usize::MAX, 3)] {
            let mut units = Units::default();
            for n in 0..3 {
                units.push(0, unit(5, n));
            }
            units.push(0, odd);
            units.push(0, unit(5, 4));
            assert!(units.entries.capacity() == 0, "no memory for nothing");
            assert!(units.finish().is_none());
        }
        let mut units = Units::default();
        for n in 0..MAX_UNITS as u64 {
            units.push(0, unit(5, n));
        }
        assert_eq!(units.get(MAX_UNITS as u64 - 1), Some(unit(5, MAX_UNITS as u64 - 1)));
        units.push(0, unit(5, MAX_UNITS as u64));
        assert!(units.finish().is_none());
    }
}
