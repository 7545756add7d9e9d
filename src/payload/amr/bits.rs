//! Bit fields, the most significant bit first, of payloads in which frames do not begin at bytes.

/// Appends bits to a buffer.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are used, 1 to 8.
    used: usize,
}

impl BitWriter {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), used: 8 }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.used = 8;
    }

    /// The bytes so far, padded with zero bits.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends the first `count` bits of `bytes`.
    pub(super) fn put(&mut self, bytes: &[u8], count: usize) {
        for (i, byte) in bytes.iter().take(count.div_ceil(8)).enumerate() {
            let count = (count - i * 8).min(8);
            let bits = byte & !(0xff_u8.checked_shr(count as u32).unwrap_or(0));
            let free = 8 - self.used;
            if let Some(last) = self.bytes.last_mut().filter(|_| free > 0) {
                *last |= bits >> self.used;
            }
            if count > free {
                self.bytes.push(bits << free);
                self.used = count - free;
            } else {
                self.used += count;
            }
        }
    }
}

/// Reads bits from a buffer.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The number of bits that are left.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len() * 8 - self.position
    }

    /// Moves on to the start of a byte.
    pub(super) const fn align(&mut self) {
        self.position = self.position.div_ceil(8) * 8;
    }

    /// Reads at most 8 bits, to the left of a byte; fewer at the end.
    pub(super) fn take(&mut self, count: usize) -> u8 {
        let at = |byte| u16::from(self.bytes.get(byte).copied().unwrap_or_default());
        let (byte, bit) = (self.position / 8, self.position % 8);
        let both = (at(byte) << 8 | at(byte + 1)) << bit;
        let [first, _] = both.to_be_bytes();
        self.position = (self.position + count).min(self.bytes.len() * 8);
        first & !(0xff_u8.checked_shr(count as u32).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::XorShift;

    #[test]
    fn what_is_written_is_read() {
        let mut random = XorShift::new(3);
        for _ in 0..300 {
            let fields: Vec<(Vec<u8>, usize)> = (0..random.below(9))
                .map(|_| {
                    let count = random.below(41) as usize;
                    (random.bytes(count.div_ceil(8)), count)
                })
                .collect();
            let mut writer = BitWriter::new();
            fields.iter().for_each(|(bytes, count)| writer.put(bytes, *count));
            let bits: usize = fields.iter().map(|(_, count)| count).sum();
            assert_eq!(writer.bytes().len(), bits.div_ceil(8));
            let mut reader = BitReader::new(writer.bytes());
            for (bytes, count) in fields {
                let mut left = count;
                for byte in bytes {
                    let some = left.min(8);
                    let expected = if some == 8 { byte } else { byte & !(0xff >> some) };
                    assert_eq!(reader.take(some), expected);
                    left -= some;
                }
            }
            assert!(reader.left() < 8);
        }
    }
}
