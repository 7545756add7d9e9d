//! AMR and AMR-WB: lengths of frames (3GPP TS 26.101 and 26.201 table 1a; RFC 4867 sections 3.6 and
//! 5.3).
//!
//! In the storage form a frame is a header byte (a zero bit, four bits of frame type, a quality bit,
//! two zero bits) and the speech bits, padded to whole bytes. A file begins with [`MAGIC`] or
//! [`MAGIC_WB`].

/// The beginning of a file of AMR with one channel (RFC 4867 section 5.1).
pub const MAGIC: &[u8] = b"#!AMR\n";
/// The beginning of a file of AMR-WB with one channel.
pub const MAGIC_WB: &[u8] = b"#!AMR-WB\n";
/// The frame type of a frame that is not transmitted.
pub const NO_DATA: u8 = 15;

/// Returns the sampling rate, which is also the RTP clock rate, in Hz.
pub const fn sampling_rate(wideband: bool) -> u32 {
    if wideband { 16_000 } else { 8_000 }
}

/// Returns the number of samples in a frame: 20 ms.
pub const fn frame_samples(wideband: bool) -> u32 {
    sampling_rate(wideband) / 50
}

/// Returns the number of speech bits in a frame of a type, 0 to 15. Of reserved types, which a
/// receiver cannot step over, it returns `None`.
pub const fn speech_bits(frame_type: u8, wideband: bool) -> Option<usize> {
    Some(match (wideband, frame_type) {
        (false, 0) => 95,
        (false, 1) => 103,
        (false, 2) => 118,
        (false, 3) => 134,
        (false, 4) => 148,
        (false, 5) => 159,
        (false, 6) => 204,
        (false, 7) => 244,
        (false, 8) => 39, // comfort noise
        (true, 0) => 132,
        (true, 1) => 177,
        (true, 2) => 253,
        (true, 3) => 285,
        (true, 4) => 317,
        (true, 5) => 365,
        (true, 6) => 397,
        (true, 7) => 461,
        (true, 8) => 477,
        (true, 9) => 40, // comfort noise
        (true, 14) => 0, // speech lost
        (_, NO_DATA) => 0,
        _ => return None,
    })
}

/// Returns the frame type of a header byte.
pub const fn frame_type(header_byte: u8) -> u8 {
    header_byte >> 3 & 0xf
}

/// Returns the length in bytes of a frame in storage form, with its header byte; `None` if its type is
/// reserved.
///
/// ```
/// use riverrun::codec::amr::frame_len;
///
/// // AMR at 12.2 kbit/s.
/// assert_eq!(frame_len(0x3c, false), Some(32));
/// ```
pub const fn frame_len(header_byte: u8, wideband: bool) -> Option<usize> {
    match speech_bits(frame_type(header_byte), wideband) {
        Some(bits) => Some(1 + bits.div_ceil(8)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_all_frame_types() {
        let lengths = |wideband| (0..16).map(move |kind| frame_len(kind << 3 | 4, wideband));
        let narrow = [13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1];
        let wide = [18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1];
        let some = |len: usize| (len > 0).then_some(len);
        assert!(lengths(false).eq(narrow.map(some)));
        assert!(lengths(true).eq(wide.map(some)));
        assert_eq!((frame_samples(false), frame_samples(true)), (160, 320));
    }
}
