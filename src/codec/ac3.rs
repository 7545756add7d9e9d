//! AC-3 and Enhanced AC-3: synchronization frames, and the access units that they form.
//!
//! Reference: ATSC A/52, sections 5.3 and 5.4 (AC-3), E.1.2.1 and E.1.2.2 (Enhanced AC-3).

use super::bits::PlainBits;
use crate::wire::ParseError;

const WHAT: &str = "AC-3 synchronization frame";
/// Bit rates in kbit/s by half of `frmsizecod` (table 5.18).
const BIT_RATES: [u16; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
/// Sampling rates in Hz by `fscod` (table 5.6).
const SAMPLING_RATES: [u32; 3] = [48_000, 44_100, 32_000];
/// Channels by `acmod` (table 5.8); both of two independent ones are counted.
const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
/// Samples of a channel in an audio block.
const BLOCK: u32 = 256;
/// Synchronization frames of an access unit, at most: of each of 8 independent substreams, and each
/// has up to 8 dependent ones.
const MAX_FRAMES: usize = 8 * 9;

/// The header of a synchronization frame of AC-3 or Enhanced AC-3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncFrame {
    /// Length of the frame in bytes, header included.
    pub frame_len: usize,
    /// Sampling rate in Hz.
    pub sampling_rate: u32,
    /// Number of channels in the frame, with the low-frequency one.
    pub channels: u8,
    /// Number of samples of each channel.
    pub samples: u32,
    /// Whether it is a frame of Enhanced AC-3.
    pub enhanced: bool,
    /// Whether an access unit begins with the frame: a frame of AC-3, or of the first independent
    /// substream. Further substreams are of the same time and belong to the same unit.
    pub begins_unit: bool,
    /// Version of the syntax (`bsid`): up to 10 is AC-3, above it Enhanced AC-3.
    pub bitstream_id: u8,
    /// Kind of service (`bsmod`); 0 in Enhanced AC-3, whose header has it further behind.
    pub bitstream_mode: u8,
    /// Arrangement of the channels without the low-frequency one (`acmod`).
    pub coding_mode: u8,
    /// Whether there is a low-frequency channel (`lfeon`).
    pub low_frequency: bool,
    /// Code of the sampling rate (`fscod`); 3 if it is one of the half rates of Enhanced AC-3.
    pub rate_code: u8,
    /// Code of the bit rate: half of `frmsizecod`; 0 in Enhanced AC-3.
    pub bit_rate_code: u8,
}

impl SyncFrame {
    /// Number of bytes that [`parse`](Self::parse) needs.
    pub const LEN: usize = 7;

    /// Parses the header at the start of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let head = bytes.get(..Self::LEN).ok_or(ParseError::Incomplete { what: WHAT })?;
        let mut b = PlainBits::new(head, WHAT);
        if b.take(16)? != 0x0b77 {
            return Err(ParseError::Invalid { what: WHAT, at: 0 });
        }
        // bsid has the same place in both.
        let mut ahead = b.clone();
        ahead.skip(24)?;
        match ahead.take(5)? as u8 {
            id @ ..=10 => Self::parse_ac3(b, id),
            id @ 11..=16 => Self::parse_enhanced(b, id),
            _ => Err(b.invalid()),
        }
    }

    fn parse_ac3(mut b: PlainBits<'_>, bitstream_id: u8) -> Result<Self, ParseError> {
        b.take(16)?; // crc1
        let rate_code = b.take(2)? as u8;
        let size_code = b.take(6)?;
        b.take(5)?;
        let bitstream_mode = b.take(3)? as u8;
        let coding_mode = b.take(3)? as u8;
        if coding_mode & 1 != 0 && coding_mode != 1 {
            b.take(2)?; // cmixlev
        }
        if coding_mode & 4 != 0 {
            b.take(2)?; // surmixlev
        }
        if coding_mode == 2 {
            b.take(2)?; // dsurmod
        }
        let low_frequency = b.flag()?;
        let kilobits = BIT_RATES.get(size_code as usize / 2).copied().ok_or_else(|| b.invalid())?;
        let base = *SAMPLING_RATES.get(usize::from(rate_code)).ok_or_else(|| b.invalid())?;
        // A frame lasts 1536 samples; at 44.1 kHz it is of one of two lengths, in words of 16 bits.
        let words = u32::from(kilobits) * 1000 / 16 * 1536 / base;
        let odd = if base == 44_100 { size_code & 1 } else { 0 };
        // Half and a quarter of the rates, which are not in the standard but in use.
        let sampling_rate = base >> bitstream_id.saturating_sub(8);
        Ok(Self {
            frame_len: 2 * (words + odd) as usize,
            sampling_rate,
            channels: channels(coding_mode, low_frequency),
            samples: 6 * BLOCK,
            enhanced: false,
            begins_unit: true,
            bitstream_id,
            bitstream_mode,
            coding_mode,
            low_frequency,
            rate_code,
            bit_rate_code: (size_code / 2) as u8,
        })
    }

    fn parse_enhanced(mut b: PlainBits<'_>, bitstream_id: u8) -> Result<Self, ParseError> {
        const DEPENDENT: u32 = 1;
        let stream_type = b.take(2)?;
        let substream = b.take(3)?;
        let frame_len = 2 * (b.take(11)? as usize + 1);
        let rate_code = b.take(2)? as u8;
        let half_rate_or_blocks = b.take(2)? as usize;
        let invalid = b.invalid();
        let (sampling_rate, blocks) = match SAMPLING_RATES.get(usize::from(rate_code)) {
            Some(rate) => (*rate, [1, 2, 3, 6].get(half_rate_or_blocks)),
            None => (SAMPLING_RATES.get(half_rate_or_blocks).ok_or(invalid)? / 2, Some(&6)),
        };
        let coding_mode = b.take(3)? as u8;
        let low_frequency = b.flag()?;
        if stream_type == 3 || frame_len < Self::LEN {
            return Err(invalid);
        }
        Ok(Self {
            frame_len,
            sampling_rate,
            channels: channels(coding_mode, low_frequency),
            samples: blocks.ok_or(invalid)? * BLOCK,
            enhanced: true,
            begins_unit: stream_type != DEPENDENT && substream == 0,
            bitstream_id,
            bitstream_mode: 0,
            coding_mode,
            low_frequency,
            rate_code,
            bit_rate_code: 0,
        })
    }

    /// Returns whether frames with these two headers can belong to the same stream.
    pub const fn same_stream(&self, other: &Self) -> bool {
        self.sampling_rate == other.sampling_rate
            && (self.enhanced == other.enhanced || self.begins_unit != other.begins_unit)
    }
}

const fn channels(coding_mode: u8, low_frequency: bool) -> u8 {
    CHANNELS[(coding_mode & 7) as usize] + low_frequency as u8
}

/// An access unit: a synchronization frame with which one begins, and those of other substreams
/// behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessUnit {
    /// Length in bytes.
    pub len: usize,
    /// Number of synchronization frames.
    pub frames: usize,
    /// Header of the first one.
    pub first: SyncFrame,
}

/// Finds the access unit at the start of `bytes`: it ends before the next frame that begins one, at
/// the end of the bytes, or before bytes that are no frame.
///
/// # Errors
/// The first synchronization frame is malformed, begins no unit, or is not whole.
pub fn access_unit(bytes: &[u8]) -> Result<AccessUnit, ParseError> {
    let first = SyncFrame::parse(bytes)?;
    if !first.begins_unit {
        return Err(ParseError::Invalid { what: WHAT, at: 2 });
    }
    let mut rest = bytes.get(first.frame_len..).ok_or(ParseError::Incomplete { what: WHAT })?;
    let (mut len, mut frames) = (first.frame_len, 1);
    while frames < MAX_FRAMES {
        let Ok(frame) = SyncFrame::parse(rest) else { break };
        let Some(behind) = rest.get(frame.frame_len..).filter(|_| !frame.begins_unit) else {
            break;
        };
        rest = behind;
        len += frame.frame_len;
        frames += 1;
    }
    Ok(AccessUnit { len, frames, first })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A frame of AC-3 with zeros behind its header: `fscod`, `frmsizecod`, `acmod`, `lfeon`.
    pub(crate) fn ac3(rate: u8, size: u8, mode: u8, low_frequency: bool) -> Vec<u8> {
        let mut mixes = 0;
        mixes += u32::from(mode & 1 != 0 && mode != 1) * 2;
        mixes += u32::from(mode & 4 != 0) * 2 + u32::from(mode == 2) * 2;
        let last = mode << 5 | u8::from(low_frequency) << (4 - mixes);
        let mut frame = vec![0x0b, 0x77, 0, 0, rate << 6 | size, 8 << 3, last];
        let len = SyncFrame::parse(&frame).unwrap().frame_len;
        frame.resize(len, 0);
        frame
    }

    /// A frame of Enhanced AC-3 with zeros behind its header: type and number of the substream,
    /// length, code of the number of blocks; 48 kHz, 5.1 channels.
    pub(crate) fn enhanced(kind: u8, substream: u8, len: usize, blocks: u8) -> Vec<u8> {
        let words = (len / 2 - 1) as u16;
        let [high, low] = words.to_be_bytes();
        let mut frame = vec![0x0b, 0x77, kind << 6 | substream << 3 | high, low];
        frame.extend([blocks << 4 | 7 << 1 | 1, 16 << 3, 0]);
        frame.resize(len, 0);
        frame
    }

    #[test]
    fn lengths_of_table_5_18() {
        let len = |rate, size| ac3(rate, size, 2, false).len();
        // In words: 32 kbit/s, 96 kbit/s, 448 kbit/s, 640 kbit/s.
        for (size, of_48, of_44, of_32) in
            [(0, 64, 69, 96), (12, 192, 208, 288), (30, 896, 975, 1344), (36, 1280, 1393, 1920)]
        {
            assert_eq!((len(0, size), len(0, size + 1)), (2 * of_48, 2 * of_48));
            assert_eq!((len(1, size), len(1, size + 1)), (2 * of_44, 2 * of_44 + 2));
            assert_eq!((len(2, size), len(2, size + 1)), (2 * of_32, 2 * of_32));
        }
        assert!(SyncFrame::parse(&[0x0b, 0x77, 0, 0, 38, 0x40, 0x40]).is_err(), "no such length");
        assert!(SyncFrame::parse(&[0x0b, 0x77, 0, 0, 0xc0, 0x40, 0x40]).is_err(), "no such rate");
    }

    #[test]
    fn channels_of_each_mode() {
        for mode in 0..8 {
            for low_frequency in [false, true] {
                let frame = SyncFrame::parse(&ac3(0, 20, mode, low_frequency)).unwrap();
                let expected = [2, 1, 2, 3, 3, 4, 4, 5][usize::from(mode)];
                assert_eq!(frame.channels, expected + u8::from(low_frequency), "{mode}");
                assert_eq!((frame.samples, frame.sampling_rate), (1536, 48_000));
                assert!(frame.begins_unit && !frame.enhanced);
            }
        }
        let half = [0x0b, 0x77, 0, 0, 20, 9 << 3, 0x40];
        assert_eq!(SyncFrame::parse(&half).unwrap().sampling_rate, 24_000);
    }

    #[test]
    fn enhanced_frames_have_one_to_six_blocks_and_may_have_half_the_rate() {
        for (code, samples) in [(0, 256), (1, 512), (2, 768), (3, 1536)] {
            let frame = SyncFrame::parse(&enhanced(0, 0, 400, code)).unwrap();
            assert_eq!((frame.samples, frame.frame_len, frame.channels), (samples, 400, 6));
            assert!(frame.enhanced && frame.begins_unit);
        }
        let mut half = enhanced(0, 0, 400, 0);
        half[4] = 0b1101_0100; // fscod 3, fscod2 1, acmod 2
        let frame = SyncFrame::parse(&half).unwrap();
        assert_eq!((frame.sampling_rate, frame.samples, frame.channels), (22_050, 1536, 2));
        half[4] = 0b1111_0100;
        assert!(SyncFrame::parse(&half).is_err());
        assert!(SyncFrame::parse(&enhanced(3, 0, 400, 3)).is_err(), "reserved type");
        assert!(SyncFrame::parse(&enhanced(0, 0, 4, 3)).is_err(), "shorter than its header");
        assert_eq!(SyncFrame::parse(&enhanced(0, 0, 4096, 3)).unwrap().frame_len, 4096);
    }

    #[test]
    fn a_unit_has_the_frames_of_all_its_substreams() {
        let parts = [
            enhanced(0, 0, 400, 3),
            enhanced(1, 0, 100, 3),
            enhanced(0, 1, 60, 3),
            enhanced(0, 0, 300, 3),
        ];
        let bytes = parts.concat();
        let unit = access_unit(&bytes).unwrap();
        assert_eq!((unit.len, unit.frames, unit.first.frame_len), (560, 3, 400));
        assert_eq!(access_unit(&bytes[560..]).unwrap().len, 300);
        // A frame that is cut off is none of it.
        assert_eq!(access_unit(&bytes[..559]).unwrap().len, 500);
        assert!(access_unit(&bytes[..399]).is_err());
        assert!(access_unit(&bytes[400..]).is_err());
        // The core of AC-3 with a dependent substream of Enhanced AC-3.
        let mixed = [ac3(0, 20, 7, true), enhanced(1, 0, 100, 3), ac3(0, 20, 7, true)].concat();
        assert_eq!(access_unit(&mixed).unwrap().frames, 2);
        let (first, other) = (SyncFrame::parse(&mixed), SyncFrame::parse(&parts[1]));
        assert!(first.unwrap().same_stream(&other.unwrap()));
    }
}
