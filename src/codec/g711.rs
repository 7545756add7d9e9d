//! G.711: mu-law and A-law samples as linear ones.
//!
//! Read ITU-T G.711, tables 1a to 2b. Linear samples have 16 bits here, as in all software, with the
//! standard's 14 (mu-law) and 13 bits (A-law) on top.

/// The linear sample of a mu-law sample.
pub const fn from_mulaw(sample: u8) -> i16 {
    const BIAS: i16 = 0x84;
    // All bits are sent inverted.
    let bits = !sample;
    let (segment, step) = ((bits >> 4) & 7, (bits & 0xf) as i16);
    let magnitude = (((step << 3) + BIAS) << segment) - BIAS;
    if bits & 0x80 != 0 { -magnitude } else { magnitude }
}

/// The linear sample of an A-law sample.
pub const fn from_alaw(sample: u8) -> i16 {
    // Even bits are sent inverted.
    let bits = sample ^ 0x55;
    let (segment, step) = ((bits >> 4) & 7, (bits & 0xf) as i16);
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if bits & 0x80 != 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_tables() {
        // Values of the standard's tables, brought to 16 bits.
        assert_eq!([0x80, 0x00, 0xff, 0x7f].map(from_mulaw), [32_124, -32_124, 0, 0]);
        assert_eq!([0xf0, 0xef, 0x8f].map(from_mulaw), [120, 132, 16_764]);
        assert_eq!([0xaa, 0x2a, 0xd5, 0x55].map(from_alaw), [32_256, -32_256, 8, -8]);
        assert_eq!([0xda, 0xc5, 0xf5].map(from_alaw), [248, 264, 528]);
    }

    #[test]
    fn values_rise_with_the_code() {
        let rises = |values: Vec<i16>| values.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(rises((0x80..=0xff).rev().map(from_mulaw).collect()));
        assert!(rises((0..=0x7f).map(from_mulaw).collect()));
        let mut positive: Vec<_> = (0x80..=0xff).map(|code: u8| from_alaw(code)).collect();
        positive.sort_unstable();
        assert!(rises(positive), "no two are alike");
    }
}
