//! [`BitReader`]: bit fields and Exp-Golomb codes of H.264 (ISO/IEC 14496-10) and H.265 (ISO/IEC
//! 23008-2) NAL units. References: clauses 7.2, 7.4.1 and 9.1 (9.2 in H.265).

use crate::wire::ParseError;

/// Reads a NAL unit bit field by bit field, and skips `emulation_prevention_three_byte`s, so that
/// the NAL unit need not be copied.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    input: &'a [u8],
    /// The next byte to load.
    position: usize,
    current: u8,
    /// Bits of `current` that are not yet read.
    left: u32,
    /// Number of consecutive zero bytes just loaded.
    zeros: u8,
}

impl<'a> BitReader<'a> {
    /// Creates a reader at the first bit of `input`, a NAL unit without its header.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, position: 0, current: 0, left: 0, zeros: 0 }
    }

    fn load(&mut self, what: &'static str) -> Result<(), ParseError> {
        let incomplete = ParseError::Incomplete { what };
        let mut byte = *self.input.get(self.position).ok_or(incomplete)?;
        self.position += 1;
        if self.zeros >= 2 && byte == 3 {
            byte = *self.input.get(self.position).ok_or(incomplete)?;
            self.position += 1;
            self.zeros = 0;
        }
        self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        self.current = byte;
        self.left = 8;
        Ok(())
    }

    /// Reads `u(n)`: `n` bits, most significant first; at most 32. `what` names the field in an
    /// error.
    pub fn bits(&mut self, n: u32, what: &'static str) -> Result<u32, ParseError> {
        debug_assert!(n <= 32);
        let mut wanted = n.min(32);
        let mut value = 0u64;
        while wanted > 0 {
            if self.left == 0 {
                self.load(what)?;
            }
            let taken = wanted.min(self.left);
            let chunk = (u32::from(self.current) >> (self.left - taken)) & ((1 << taken) - 1);
            value = (value << taken) | u64::from(chunk);
            self.left -= taken;
            wanted -= taken;
        }
        // At most 32 bits were shifted in.
        Ok(value as u32)
    }

    /// Reads `u(1)` as a `bool`.
    pub fn flag(&mut self, what: &'static str) -> Result<bool, ParseError> {
        Ok(self.bits(1, what)? == 1)
    }

    /// Skips `n` bits.
    pub fn skip(&mut self, n: u32, what: &'static str) -> Result<(), ParseError> {
        let mut left = n;
        while left > 0 {
            let step = left.min(32);
            self.bits(step, what)?;
            left -= step;
        }
        Ok(())
    }

    /// Reads `ue(v)`: an unsigned Exp-Golomb code.
    pub fn ue(&mut self, what: &'static str) -> Result<u32, ParseError> {
        let mut zeros = 0;
        while !self.flag(what)? {
            zeros += 1;
            if zeros > 31 {
                return Err(self.invalid(what));
            }
        }
        // (2^31 - 1) + (2^31 - 1) still fits.
        Ok(((1u32 << zeros) - 1) + self.bits(zeros, what)?)
    }

    /// Reads `ue(v)`; a value above `max` is an error.
    pub fn ue_max(&mut self, max: u32, what: &'static str) -> Result<u32, ParseError> {
        let value = self.ue(what)?;
        if value > max { Err(self.invalid(what)) } else { Ok(value) }
    }

    /// Reads `se(v)`: a signed Exp-Golomb code.
    pub fn se(&mut self, what: &'static str) -> Result<i32, ParseError> {
        let code = self.ue(what)?;
        let magnitude = code.div_ceil(2) as i32;
        Ok(if code % 2 == 1 { magnitude } else { -magnitude })
    }

    /// Returns an [`Invalid`](ParseError::Invalid) error at the present position.
    pub const fn invalid(&self, what: &'static str) -> ParseError {
        ParseError::Invalid { what, at: self.position }
    }
}

/// Returns the raw byte sequence payload: `nal` without its `emulation_prevention_three_byte`s.
pub fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_across_bytes() {
        let mut r = BitReader::new(&[0b1010_0101, 0xff, 0x00, 0xff, 0x80]);
        assert_eq!(r.bits(3, "a"), Ok(0b101));
        assert_eq!(r.bits(32, "b"), Ok(0b0010_1111_1111_1000_0000_0111_1111_1100));
        assert_eq!(r.skip(5, "c"), Ok(()));
        assert_eq!(r.bits(1, "d"), Err(ParseError::Incomplete { what: "d" }));
    }

    #[test]
    fn reads_exp_golomb_codes_of_the_standard_s_table() {
        // 1, 010, 011, 00100, 00101, 00110 then padding
        let mut r = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1001_1000]);
        for value in 0..=5 {
            assert_eq!(r.ue("v"), Ok(value));
        }
        let mut r = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1001_1000]);
        for value in [0, 1, -1, 2, -2, 3] {
            assert_eq!(r.se("v"), Ok(value));
        }
    }

    #[test]
    fn longest_code_and_one_too_long() {
        let mut longest = vec![0, 0, 3, 0, 1];
        longest.extend([0xff; 4]);
        let mut r = BitReader::new(&longest);
        assert_eq!(r.ue("v"), Ok(u32::MAX - 1));
        assert!(matches!(BitReader::new(&[0; 9]).ue("v"), Err(ParseError::Invalid { .. })));
    }

    #[test]
    fn steps_over_emulation_prevention() {
        let nal = [0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3, 7];
        let plain = without_emulation_prevention(&nal);
        assert_eq!(plain, [0, 0, 1, 0, 0, 0, 0, 3, 7]);
        let mut r = BitReader::new(&nal);
        for byte in plain {
            assert_eq!(r.bits(8, "v"), Ok(u32::from(byte)));
        }
        assert!(r.bits(1, "v").is_err());
        // A three at the very end has nothing behind it.
        assert!(BitReader::new(&[0, 0, 3]).bits(24, "v").is_err());
    }
}
