//! The setup header, which is read only to find its last part, the modes (section 4.2.4).

use super::{Modes, WHAT};
use crate::wire::ParseError;

/// Returns what follows the type and the magic of a header.
pub(super) fn content(header: &[u8], kind: u8) -> Result<&[u8], ParseError> {
    let (begin, content) =
        header.split_at_checked(7).ok_or(ParseError::Incomplete { what: WHAT })?;
    match begin {
        [first, b'v', b'o', b'r', b'b', b'i', b's'] if *first == kind => Ok(content),
        _ => Err(ParseError::Invalid { what: WHAT, at: 0 }),
    }
}

/// Returns the modes of a setup header.
pub(super) fn modes(setup: &[u8], channels: u8) -> Result<Modes, ParseError> {
    let mut bits = Bits { bytes: setup, position: 0 };
    for _ in 0..=bits.take(8)? {
        codebook(&mut bits)?;
    }
    // Time domain transforms: placeholders.
    for _ in 0..=bits.take(6)? {
        bits.expect(16, 0)?;
    }
    for _ in 0..=bits.take(6)? {
        floor(&mut bits)?;
    }
    for _ in 0..=bits.take(6)? {
        residue(&mut bits)?;
    }
    for _ in 0..=bits.take(6)? {
        mapping(&mut bits, channels)?;
    }
    let mut modes = Modes::default();
    for _ in 0..=bits.take(6)? {
        modes.long |= u64::from(bits.take(1)?) << modes.count;
        modes.count += 1;
        bits.expect(16, 0)?; // window type
        bits.expect(16, 0)?; // transform type
        bits.skip(8)?; // mapping
    }
    bits.expect(1, 1)?;
    Ok(modes)
}

/// Section 3.2.1.
fn codebook(bits: &mut Bits<'_>) -> Result<(), ParseError> {
    bits.expect(24, 0x56_4342)?;
    let (dimensions, entries) = (bits.take(16)?, bits.take(24)?);
    if dimensions == 0 {
        return Err(bits.invalid());
    }
    if bits.flag()? {
        bits.skip(5)?;
        let mut entry = 0;
        while entry < entries {
            entry += bits.take(width(entries - entry))?;
        }
        if entry > entries {
            return Err(bits.invalid());
        }
    } else if bits.flag()? {
        for _ in 0..entries {
            if bits.flag()? {
                bits.skip(5)?;
            }
        }
    } else {
        bits.skip(5 * u64::from(entries))?;
    }
    let lookup = bits.take(4)?;
    if lookup == 0 {
        return Ok(());
    }
    bits.skip(32 + 32)?; // minimum, delta
    let value = u64::from(bits.take(4)? + 1);
    bits.skip(1)?;
    match lookup {
        1 => bits.skip(value * root(entries, dimensions)),
        2 => bits.skip(value * u64::from(entries) * u64::from(dimensions)),
        _ => Err(bits.invalid()),
    }
}

/// The greatest integer whose `dimensions`th power is at most `entries` (section 9.2.3).
fn root(entries: u32, dimensions: u32) -> u64 {
    let (mut least, mut above) = (0, u64::from(entries) + 1);
    while above - least > 1 {
        let middle = (least + above) / 2;
        let fits = middle.checked_pow(dimensions).is_some_and(|power| power <= u64::from(entries));
        *(if fits { &mut least } else { &mut above }) = middle;
    }
    least
}

/// Sections 6.2.1 and 7.2.2.
fn floor(bits: &mut Bits<'_>) -> Result<(), ParseError> {
    match bits.take(16)? {
        0 => {
            bits.skip(8 + 16 + 16 + 6 + 8)?;
            let books = u64::from(bits.take(4)? + 1);
            bits.skip(8 * books)
        }
        1 => {
            let partitions = bits.take(5)? as usize;
            let mut classes = [0; 31];
            for class in classes.iter_mut().take(partitions) {
                *class = bits.take(4)?;
            }
            let used = classes.get(..partitions).unwrap_or_default();
            let mut dimensions = [0; 16];
            let count = used.iter().max().map_or(0, |most| *most as usize + 1);
            for dimension in dimensions.iter_mut().take(count) {
                *dimension = bits.take(3)? + 1;
                let subclasses = bits.take(2)?;
                if subclasses > 0 {
                    bits.skip(8)?;
                }
                bits.skip(8 << subclasses)?;
            }
            bits.skip(2)?;
            let range = bits.take(4)?;
            let values = used.iter().filter_map(|class| dimensions.get(*class as usize));
            bits.skip(values.map(|count| u64::from(count * range)).sum())
        }
        _ => Err(bits.invalid()),
    }
}

/// Section 8.6.1.
fn residue(bits: &mut Bits<'_>) -> Result<(), ParseError> {
    if bits.take(16)? > 2 {
        return Err(bits.invalid());
    }
    bits.skip(24 + 24 + 24)?;
    let classifications = bits.take(6)? + 1;
    bits.skip(8)?;
    let mut books = 0;
    for _ in 0..classifications {
        books += bits.take(3)?.count_ones();
        if bits.flag()? {
            books += bits.take(5)?.count_ones();
        }
    }
    bits.skip(8 * u64::from(books))
}

fn mapping(bits: &mut Bits<'_>, channels: u8) -> Result<(), ParseError> {
    bits.expect(16, 0)?;
    let submaps = if bits.flag()? { bits.take(4)? + 1 } else { 1 };
    if bits.flag()? {
        let steps = u64::from(bits.take(8)? + 1);
        bits.skip(steps * 2 * u64::from(width(u32::from(channels) - 1)))?;
    }
    bits.expect(2, 0)?;
    if submaps > 1 {
        bits.skip(4 * u64::from(channels))?;
    }
    bits.skip(u64::from(submaps) * (8 + 8 + 8))
}

/// The number of bits that `value` needs: `ilog` of section 9.2.1.
const fn width(value: u32) -> u32 {
    u32::BITS - value.leading_zeros()
}

/// Reads bits as section 2 packs them: the least significant bit of a byte comes first.
struct Bits<'a> {
    bytes: &'a [u8],
    position: u64,
}

impl Bits<'_> {
    const fn invalid(&self) -> ParseError {
        ParseError::Invalid { what: WHAT, at: (self.position / 8) as usize }
    }

    fn skip(&mut self, count: u64) -> Result<(), ParseError> {
        let end = self.position.saturating_add(count);
        if end > self.bytes.len() as u64 * 8 {
            return Err(ParseError::Incomplete { what: WHAT });
        }
        self.position = end;
        Ok(())
    }

    /// Reads at most 32 bits.
    fn take(&mut self, count: u32) -> Result<u32, ParseError> {
        let begin = self.position;
        self.skip(u64::from(count))?;
        let mut value = 0;
        for (bytes, at) in (begin / 8..self.position.div_ceil(8)).zip((0u32..).step_by(8)) {
            let byte = self.bytes.get(bytes as usize).copied().unwrap_or_default();
            value |= u64::from(byte) << at;
        }
        let value = value >> (begin % 8) & ((1 << count) - 1);
        Ok(value as u32)
    }

    fn flag(&mut self) -> Result<bool, ParseError> {
        Ok(self.take(1)? == 1)
    }

    fn expect(&mut self, count: u32, value: u32) -> Result<(), ParseError> {
        if self.take(count)? == value { Ok(()) } else { Err(self.invalid()) }
    }
}
