//! [`BitReader`]: bit fields and Exp-Golomb codes of H.264 (ISO/IEC 14496-10) and H.265 (ISO/IEC
//! 23008-2) NAL units. References: clauses 7.2, 7.4.1 and 9.1 (9.2 in H.265). [`PlainBits`]: bit
//! fields of all other bitstreams.

use crate::wire::ParseError;
use bytes::Bytes;

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

/// Reads bit fields, most significant bit first, of a bitstream without emulation prevention.
#[derive(Clone, Debug)]
pub struct PlainBits<'a> {
    bytes: &'a [u8],
    /// Number of bits that were read.
    position: usize,
    /// Number of bits that there are.
    end: usize,
    what: &'static str,
}

impl<'a> PlainBits<'a> {
    /// Creates a reader at the first bit of `bytes`. `what` names the structure in errors.
    pub const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, position: 0, end: bytes.len().saturating_mul(8), what }
    }

    /// Ends the input after `bits` bits, if there are so many.
    pub fn limited_to(mut self, bits: usize) -> Self {
        self.end = self.end.min(bits);
        self
    }

    /// Number of bits that were read.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Number of bits that were not read.
    pub const fn left(&self) -> usize {
        self.end.saturating_sub(self.position)
    }

    /// Returns the next `n` bits without reading them. `None` if there are fewer, or `n` is above 32.
    pub fn peek(&self, n: u32) -> Option<u32> {
        let end =
            self.position.checked_add(n as usize).filter(|end| *end <= self.end && n <= 32)?;
        let (mut value, mut at) = (0u64, self.position);
        while at < end {
            let byte = u64::from(*self.bytes.get(at / 8)?);
            let in_byte = 8 - at % 8;
            let taken = in_byte.min(end - at);
            value = value << taken | byte >> (in_byte - taken) & ((1 << taken) - 1);
            at += taken;
        }
        // At most 32 bits were shifted in.
        Some(value as u32)
    }

    /// Reads `n` bits, at most 32.
    pub fn take(&mut self, n: u32) -> Result<u32, ParseError> {
        let value = self.peek(n).ok_or(ParseError::Incomplete { what: self.what })?;
        self.position += n as usize;
        Ok(value)
    }

    /// Reads a bit as a `bool`.
    pub fn flag(&mut self) -> Result<bool, ParseError> {
        Ok(self.take(1)? == 1)
    }

    /// Skips `n` bits.
    pub fn skip(&mut self, n: usize) -> Result<(), ParseError> {
        if n > self.left() {
            return Err(ParseError::Incomplete { what: self.what });
        }
        self.position += n;
        Ok(())
    }

    /// Skips to the next bit that is a multiple of eight bits behind bit `start`.
    pub fn align_to(&mut self, start: usize) {
        let read = self.position.saturating_sub(start);
        self.position += read.next_multiple_of(8) - read;
    }

    /// Reads `n` bytes, which may begin at any bit, and appends them to `to`.
    pub fn append_bytes(&mut self, n: usize, to: &mut Vec<u8>) -> Result<(), ParseError> {
        let bits = n.checked_mul(8).filter(|bits| *bits <= self.left());
        let bits = bits.ok_or(ParseError::Incomplete { what: self.what })?;
        let (first, shift) = (self.position / 8, self.position % 8);
        let bytes = self.bytes.get(first..).unwrap_or_default();
        if shift == 0 {
            to.extend_from_slice(bytes.get(..n).unwrap_or_default());
        } else {
            let next = bytes.iter().skip(1);
            let shifted = bytes.iter().zip(next).map(|(a, b)| a << shift | b >> (8 - shift));
            to.extend(shifted.take(n));
        }
        self.position += bits;
        Ok(())
    }

    /// Returns an [`Invalid`](ParseError::Invalid) error at the present position.
    pub const fn invalid(&self) -> ParseError {
        ParseError::Invalid { what: self.what, at: self.position / 8 }
    }
}

/// Writes bit fields, most significant bit first.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    bits: usize,
}

impl BitWriter {
    /// Creates a writer without bits.
    #[cfg(feature = "audio-formats")]
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), bits: 0 }
    }

    /// Appends the lower `n` bits of a value.
    pub(crate) fn put(&mut self, value: u32, n: u32) {
        for i in (0..n).rev() {
            if self.bits % 8 == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> i & 1) as u8) << (7 - self.bits % 8);
            }
            self.bits += 1;
        }
    }

    /// Appends zeros up to the end of the byte.
    pub(crate) fn align(&mut self) {
        self.bits = self.bits.next_multiple_of(8);
    }

    /// Appends the next `n` bits that a reader has.
    pub(crate) fn copy(&mut self, from: &mut PlainBits<'_>, n: usize) -> Result<(), ParseError> {
        for _ in 0..n {
            self.put(from.take(1)?, 1);
        }
        Ok(())
    }

    /// Returns the bytes so far; the last ends in zeros if its bits are not all written.
    #[cfg(feature = "audio-formats")]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Removes all bits and keeps the memory.
    #[cfg(feature = "audio-formats")]
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bits = 0;
    }

    /// Returns the bytes; the last ends in zeros if its bits are not all written.
    pub(crate) fn finish(self) -> Bytes {
        self.bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_fields_begin_and_end_anywhere() {
        let bytes = [0b1010_0101, 0, 0, 3, 0xff, 0x81];
        let mut b = PlainBits::new(&bytes, "v");
        assert_eq!((b.take(3), b.flag(), b.peek(4)), (Ok(0b101), Ok(false), Some(0b0101)));
        let mut of_byte = Vec::new();
        b.append_bytes(2, &mut of_byte).unwrap();
        assert_eq!(of_byte, [0b0101_0000, 0]);
        // A three behind two zeros is a byte like others.
        assert_eq!((b.take(28), b.left()), (Ok(0x003_ff81), 0));
    }

    #[test]
    fn plain_bits_end_where_they_end() {
        let mut b = PlainBits::new(&[0xff, 0xff], "v").limited_to(12);
        assert_eq!((b.take(5), b.left(), b.peek(8)), (Ok(31), 7, None));
        assert!(b.skip(8).is_err() && b.append_bytes(1, &mut Vec::new()).is_err());
        b.align_to(1);
        assert_eq!(b.position(), 9);
        b.align_to(1);
        assert_eq!((b.position(), b.take(3), b.take(1).is_err()), (9, Ok(7), true));
        b.align_to(0);
        assert_eq!((b.position(), b.left(), b.peek(0)), (16, 0, None));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut w = BitWriter::default();
        w.put(0b101, 3);
        w.copy(&mut PlainBits::new(&[0xa5, 0x5a], "v"), 11).unwrap();
        w.align();
        w.put(u32::MAX, 32);
        let bytes = w.finish();
        let mut b = PlainBits::new(&bytes, "v");
        assert_eq!((b.take(3), b.take(11), b.take(2)), (Ok(5), Ok(0xa55a >> 5), Ok(0)));
        assert_eq!((b.take(32), b.left()), (Ok(u32::MAX), 0));
    }

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
