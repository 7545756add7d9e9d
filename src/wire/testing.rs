//! Seeded randomness for the property tests of this layer.

/// Marsaglia's xorshift64* generator, so that a failing seed can be repeated.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) const fn u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) const fn u32(&mut self) -> u32 {
        (self.u64() >> 32) as u32
    }

    pub(crate) const fn u16(&mut self) -> u16 {
        (self.u64() >> 48) as u16
    }

    pub(crate) const fn u8(&mut self) -> u8 {
        (self.u64() >> 56) as u8
    }

    /// A number below `n`, which must not be 0.
    pub(crate) const fn below(&mut self, n: usize) -> usize {
        (self.u64() >> 1) as usize % n
    }

    pub(crate) const fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.chance(2) { Some(value(self)) } else { None }
    }

    /// A word of one to `max` letters and digits.
    pub(crate) fn word(&mut self, max: usize) -> String {
        let len = 1 + self.below(max);
        (0..len).map(|_| *self.pick(b"abcdefghijklmnopqrstuvwxyz0123456789") as char).collect()
    }

    pub(crate) fn bytes(&mut self, max: usize) -> Vec<u8> {
        let len = self.below(max + 1);
        (0..len).map(|_| self.u8()).collect()
    }

    /// Flips, inserts, removes or repeats some bytes.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                bytes.push(self.u8());
                continue;
            }
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = *self.pick(b"\r\n :;,=-/.$\0\xFF%\"0"),
                2 => bytes.insert(at, self.u8()),
                3 => drop(bytes.remove(at)),
                4 => bytes.truncate(at),
                _ => {
                    let end = at + self.below(bytes.len() - at + 1).min(64);
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
    }
}
