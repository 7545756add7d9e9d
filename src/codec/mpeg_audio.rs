//! MPEG-1, MPEG-2 and MPEG-2.5 audio, layers I to III: the frame header, and the Xing, Info and
//! VBRI headers that encoders put into the first frame.
//!
//! References: ISO/IEC 11172-3 section 2.4.2.3 and ISO/IEC 13818-3 section 2.4.2.3. The information
//! headers and MPEG-2.5 are not standardized, but common among encoders.

use crate::wire::{ParseError, Reader};

/// The version of the standard, which determines the possible sampling rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by the standards")]
pub enum Version {
    /// ISO/IEC 11172-3: 32, 44.1, 48 kHz.
    Mpeg1,
    /// ISO/IEC 13818-3: 16, 22.05, 24 kHz.
    Mpeg2,
    /// The unofficial extension: 8, 11.025, 12 kHz.
    Mpeg25,
}

/// The layer, which determines the coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by the standards")]
pub enum Layer {
    /// Layer I.
    I,
    /// Layer II (.mp2).
    II,
    /// Layer III (.mp3).
    III,
}

/// Header of an MPEG audio frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHeader {
    /// Version of the standard.
    pub version: Version,
    /// Layer.
    pub layer: Layer,
    /// Bit rate in bit/s.
    pub bitrate: u32,
    /// Sampling rate in Hz.
    pub sampling_rate: u32,
    /// Number of channels: 1 or 2.
    pub channels: u8,
    /// Whether a CRC follows the header.
    pub crc: bool,
    /// Length of the frame in bytes, header included.
    pub frame_len: usize,
}

impl FrameHeader {
    /// Length of a header in bytes.
    pub const LEN: usize = 4;

    /// Parses the header at the start of `bytes`. A free-format frame, whose header does not state
    /// its length, is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "MPEG audio header";
        let Some(&[b0, b1, b2, b3]) = bytes.first_chunk::<4>() else {
            return Err(ParseError::Incomplete { what: WHAT });
        };
        let invalid = |at| ParseError::Invalid { what: WHAT, at };
        if b0 != 0xff || b1 & 0xe0 != 0xe0 {
            return Err(invalid(0));
        }
        let version = match b1 >> 3 & 3 {
            0 => Version::Mpeg25,
            2 => Version::Mpeg2,
            3 => Version::Mpeg1,
            _ => return Err(invalid(1)),
        };
        let layer = match b1 >> 1 & 3 {
            1 => Layer::III,
            2 => Layer::II,
            3 => Layer::I,
            _ => return Err(invalid(1)),
        };
        let kilobits = bitrate(version, layer, b2 >> 4).ok_or_else(|| invalid(2))?;
        let rate: u32 = match b2 >> 2 & 3 {
            0 => 44_100,
            1 => 48_000,
            2 => 32_000,
            _ => return Err(invalid(2)),
        };
        let sampling_rate = match version {
            Version::Mpeg1 => rate,
            Version::Mpeg2 => rate / 2,
            Version::Mpeg25 => rate / 4,
        };
        // Emphasis 2 is reserved; refusing it tells headers from garbage a little better.
        if b3 & 3 == 2 {
            return Err(invalid(3));
        }
        let bitrate = u32::from(kilobits) * 1000;
        let padding = u32::from(b2 >> 1 & 1);
        let mut header = Self {
            version,
            layer,
            bitrate,
            sampling_rate,
            channels: if b3 >> 6 == 3 { 1 } else { 2 },
            crc: b1 & 1 == 0,
            frame_len: 0,
        };
        let bytes_at = |slots: u32| slots * bitrate / sampling_rate + padding;
        header.frame_len = match layer {
            // A slot of layer I has four bytes.
            Layer::I => bytes_at(12) * 4,
            Layer::II | Layer::III => bytes_at(header.samples() / 8),
        } as usize;
        Ok(header)
    }

    /// Returns the number of samples per frame and channel.
    pub const fn samples(&self) -> u32 {
        match (self.layer, self.version) {
            (Layer::I, _) => 384,
            (Layer::III, Version::Mpeg2 | Version::Mpeg25) => 576,
            _ => 1152,
        }
    }

    /// Returns whether frames with these two headers can belong to the same stream; the bit rate
    /// may vary.
    pub fn same_stream(&self, other: &Self) -> bool {
        self.version == other.version
            && self.layer == other.layer
            && self.sampling_rate == other.sampling_rate
    }

    /// Returns whether `bytes` start with a header of a free-format frame.
    pub fn is_free_format(bytes: &[u8]) -> bool {
        let Some(&[b0, b1, b2, b3]) = bytes.first_chunk::<4>() else { return false };
        // The same header with the lowest bit rate must be valid.
        b2 >> 4 == 0 && Self::parse(&[b0, b1, b2 | 0x10, b3]).is_ok()
    }

    /// Length in bytes of the side information of layer III, which lies between header (and CRC)
    /// and Xing header.
    const fn side_information_len(&self) -> usize {
        match (self.version, self.channels) {
            (Version::Mpeg1, 1) => 17,
            (Version::Mpeg1, _) => 32,
            (_, 1) => 9,
            (_, _) => 17,
        }
    }
}

/// Bit rate in kbit/s (ISO/IEC 11172-3 and 13818-3, table of `bitrate_index`).
fn bitrate(version: Version, layer: Layer, index: u8) -> Option<u16> {
    const V1_L1: [u16; 14] = [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
    const V1_L2: [u16; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
    const V1_L3: [u16; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const V2_L1: [u16; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
    const V2_L23: [u16; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let table = match (version, layer) {
        (Version::Mpeg1, Layer::I) => &V1_L1,
        (Version::Mpeg1, Layer::II) => &V1_L2,
        (Version::Mpeg1, Layer::III) => &V1_L3,
        (_, Layer::I) => &V2_L1,
        (_, _) => &V2_L23,
    };
    table.get(usize::from(index.checked_sub(1)?)).copied()
}

/// The kind of an information header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfoKind {
    /// `Xing`: variable bit rate.
    Xing,
    /// `Info`: the same header in a file of constant bit rate.
    Info,
    /// `VBRI`, written by the Fraunhofer encoder.
    Vbri,
}

/// The information header (Xing, Info or VBRI) in the first frame of a file, which contains no
/// sound. Its numbers are the file's claims and must be checked against it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InfoHeader {
    /// Kind of the header.
    pub kind: InfoKind,
    /// Number of frames that follow.
    pub frames: Option<u32>,
    /// Number of bytes from the first byte of this frame to the end of the last.
    pub bytes: Option<u32>,
    /// Seek table (Xing): for each percent of the duration, its position in 256ths of `bytes`.
    pub toc: Option<[u8; 100]>,
}

impl InfoHeader {
    /// Searches for an information header in `frame`, which begins with `header`.
    pub fn parse(frame: &[u8], header: &FrameHeader) -> Option<Self> {
        Self::parse_xing(frame, header).or_else(|| Self::parse_vbri(frame))
    }

    fn parse_xing(frame: &[u8], header: &FrameHeader) -> Option<Self> {
        if header.layer != Layer::III {
            return None;
        }
        let side = header.side_information_len();
        // Encoders disagree on whether a CRC moves the header.
        let at = |skip: usize| {
            let rest = frame.get(skip..)?;
            match rest.first_chunk::<4>()? {
                b"Xing" => Some((InfoKind::Xing, rest)),
                b"Info" => Some((InfoKind::Info, rest)),
                _ => None,
            }
        };
        let (kind, rest) = at(FrameHeader::LEN + side)
            .or_else(|| header.crc.then(|| at(FrameHeader::LEN + 2 + side)).flatten())?;
        let mut r = Reader::new(rest);
        const WHAT: &str = "Xing header";
        r.take(4, WHAT).ok()?;
        let flags = r.u32(WHAT).ok()?;
        let mut field = |bit: u32| (flags & bit != 0).then(|| r.u32(WHAT).ok()).flatten();
        let frames = field(1);
        let bytes = field(2);
        let toc = (flags & 4 != 0)
            .then(|| r.take(100, WHAT).ok().and_then(|toc| toc.first_chunk().copied()))
            .flatten();
        Some(Self { kind, frames, bytes, toc })
    }

    /// Parses a VBRI header, which is always 32 bytes after the frame header.
    fn parse_vbri(frame: &[u8]) -> Option<Self> {
        let mut r = Reader::new(frame);
        const WHAT: &str = "VBRI header";
        r.take(FrameHeader::LEN + 32, WHAT).ok()?;
        if r.take(4, WHAT).ok()? != b"VBRI" {
            return None;
        }
        r.take(2 + 2 + 2, WHAT).ok()?; // version, delay, quality
        let bytes = r.u32(WHAT).ok()?;
        let frames = r.u32(WHAT).ok()?;
        Some(Self { kind: InfoKind::Vbri, frames: Some(frames), bytes: Some(bytes), toc: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_rates_of_known_headers() {
        // (header, version, layer, bit rate, rate, channels, samples, length)
        let cases = [
            ([0xff, 0xfb, 0x90, 0x00], 44_100, 128_000, 2, 1152, 417),
            ([0xff, 0xfb, 0x92, 0x00], 44_100, 128_000, 2, 1152, 418),
            ([0xff, 0xf3, 0x84, 0xc0], 24_000, 64_000, 1, 576, 192),
            ([0xff, 0xe3, 0x48, 0xc0], 8_000, 32_000, 1, 576, 288),
            ([0xff, 0xfd, 0xa4, 0x00], 48_000, 192_000, 2, 1152, 576),
            ([0xff, 0xff, 0xc4, 0x00], 48_000, 384_000, 2, 384, 384),
        ];
        for (bytes, rate, bitrate, channels, samples, len) in cases {
            let h = FrameHeader::parse(&bytes).unwrap();
            assert_eq!(
                (h.sampling_rate, h.bitrate, h.channels, h.samples(), h.frame_len),
                (rate, bitrate, channels, samples, len),
                "{bytes:02x?}"
            );
        }
    }

    #[test]
    fn every_header_is_refused_or_has_a_sane_length() {
        for n in 0..=0x00ff_ffffu32 {
            let [_, b1, b2, b3] = n.to_be_bytes();
            if b1 < 0xe0 {
                continue;
            }
            if let Ok(h) = FrameHeader::parse(&[0xff, b1, b2, b3]) {
                assert!((24..=2881).contains(&h.frame_len), "{h:?}");
            }
        }
    }

    #[test]
    fn free_format_is_told_apart() {
        assert!(FrameHeader::parse(&[0xff, 0xfb, 0x00, 0x00]).is_err());
        assert!(FrameHeader::is_free_format(&[0xff, 0xfb, 0x00, 0x00]));
        assert!(!FrameHeader::is_free_format(&[0xff, 0xfb, 0x90, 0x00]));
        assert!(!FrameHeader::is_free_format(&[0xff, 0xfb, 0x0c, 0x00]));
    }

    #[test]
    fn xing_and_vbri() {
        let mut frame = vec![0u8; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
        let header = FrameHeader::parse(&frame).unwrap();
        assert_eq!(InfoHeader::parse(&frame, &header), None);
        let mut xing = frame.clone();
        xing[36..40].copy_from_slice(b"Xing");
        xing[43] = 3;
        xing[47] = 99;
        xing[50] = 1;
        let info = InfoHeader::parse(&xing, &header).unwrap();
        assert_eq!((info.kind, info.frames, info.bytes), (InfoKind::Xing, Some(99), Some(256)));
        assert_eq!(info.toc, None);
        frame[36..40].copy_from_slice(b"VBRI");
        frame[53] = 7;
        assert_eq!(InfoHeader::parse(&frame, &header).unwrap().frames, Some(7));
        for cut in 0..60 {
            let _ = InfoHeader::parse(&xing[..cut], &header);
            let _ = InfoHeader::parse(&frame[..cut], &header);
        }
    }
}
