//! LATM, the multiplex of MPEG-4 audio in RTP: StreamMuxConfig and AudioMuxElement.
//!
//! Reference: ISO/IEC 14496-3 sections 1.7.3.1 and 1.7.3.2.

use super::aac::AudioSpecificConfig;
use super::bits::{BitWriter, PlainBits};
use crate::wire::ParseError;
use bytes::Bytes;
use std::fmt;

const WHAT: &str = "StreamMuxConfig";
/// Length of an AudioSpecificConfig in bytes, at most: a program_config_element may have a comment.
const MAX_CONFIG: usize = 512;

/// The reason for which a StreamMuxConfig cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MuxError {
    /// The bytes are malformed.
    Malformed(ParseError),
    /// The multiplex uses a part of LATM that this crate does not support.
    Unsupported(&'static str),
}

impl From<ParseError> for MuxError {
    fn from(e: ParseError) -> Self {
        Self::Malformed(e)
    }
}

impl fmt::Display for MuxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(e) => write!(f, "{e}"),
            Self::Unsupported(what) => write!(f, "LATM: {what} is not supported"),
        }
    }
}

impl std::error::Error for MuxError {}

/// The configuration of a multiplex with one stream of AAC (section 1.7.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamMuxConfig {
    /// The configuration of the stream.
    pub audio: AudioSpecificConfig,
    /// Number of access units in an AudioMuxElement, 1 to 64.
    pub sub_frames: u8,
    /// Length of every access unit in bytes; `None` if each states its own.
    pub frame_length: Option<u16>,
    /// Number of bits of other data behind the access units.
    pub other_data_bits: u32,
    /// The bits of the AudioSpecificConfig: the first, and their number.
    audio_bits: (usize, usize),
    /// `audioMuxVersion`.
    version: u32,
}

impl StreamMuxConfig {
    /// Parses a configuration, as a description has it. Some senders let it end behind the
    /// AudioSpecificConfig, and with the extension for which there is no room in it; what is missing
    /// is taken for that of a multiplex whose access units state their lengths.
    ///
    /// # Errors
    /// The configuration is malformed, or has several programs, layers or framings, another codec
    /// than AAC, or an AudioSpecificConfig whose end is not known.
    pub fn parse(bytes: &[u8]) -> Result<Self, MuxError> {
        let mut b = PlainBits::new(bytes, WHAT);
        let head = Self::read_head(&mut b)?;
        match head.read_rest(&mut b) {
            Err(MuxError::Malformed(ParseError::Incomplete { .. })) => Ok(head),
            result => result,
        }
    }

    /// Reads a configuration at the present position.
    pub(crate) fn read(b: &mut PlainBits<'_>) -> Result<Self, MuxError> {
        Self::read_head(b)?.read_rest(b)
    }

    /// Reads a configuration up to the AudioSpecificConfig.
    fn read_head(b: &mut PlainBits<'_>) -> Result<Self, MuxError> {
        let version = b.take(1)?;
        if version == 1 {
            if b.flag()? {
                return Err(MuxError::Unsupported("audioMuxVersionA 1"));
            }
            value(b)?; // taraBufferFullness
        }
        if !b.flag()? {
            return Err(MuxError::Unsupported("a framing of its own for each stream"));
        }
        let sub_frames = b.take(6)? as u8 + 1;
        if b.take(4)? != 0 {
            return Err(MuxError::Unsupported("more than one program"));
        }
        if b.take(3)? != 0 {
            return Err(MuxError::Unsupported("more than one layer"));
        }
        let (audio, audio_bits) = if version == 0 {
            let start = b.position();
            let audio = AudioSpecificConfig::parse_within(b)?
                .ok_or(MuxError::Unsupported("an audio object type other than AAC"))?;
            (audio, (start, b.position() - start))
        } else {
            let bits = value(b)? as usize;
            let start = b.position();
            let config = bits_to_bytes(b, bits)?;
            (AudioSpecificConfig::parse(&config)?, (start, bits))
        };
        let (frame_length, other_data_bits) = (None, 0);
        Ok(Self { audio, sub_frames, frame_length, other_data_bits, audio_bits, version })
    }

    /// Reads what follows the AudioSpecificConfig.
    fn read_rest(self, b: &mut PlainBits<'_>) -> Result<Self, MuxError> {
        let frame_length = match b.take(3)? {
            0 => {
                b.take(8)?; // latmBufferFullness
                None
            }
            1 => Some(b.take(9)? as u16 + 20),
            _ => return Err(MuxError::Unsupported("a frameLengthType of CELP or HVXC")),
        };
        let mut other_data_bits = 0;
        if b.flag()? {
            other_data_bits = if self.version == 1 { value(b)? } else { escaped_value(b)? };
        }
        if b.flag()? {
            b.take(8)?; // crcCheckSum
        }
        Ok(Self { frame_length, other_data_bits, ..self })
    }

    /// Returns the AudioSpecificConfig in `bytes`, from which this was parsed.
    pub fn audio_specific_config(&self, bytes: &[u8]) -> Bytes {
        let (start, bits) = self.audio_bits;
        let mut b = PlainBits::new(bytes, WHAT);
        b.skip(start).and_then(|()| bits_to_bytes(&mut b, bits)).unwrap_or_default()
    }

    /// Whether the access units mean the same as those of another multiplex.
    pub fn same_stream(&self, other: &Self) -> bool {
        self.audio == other.audio
    }

    /// Reads the length of the next access unit (PayloadLengthInfo).
    pub(crate) fn read_length(&self, b: &mut PlainBits<'_>) -> Result<usize, ParseError> {
        if let Some(len) = self.frame_length {
            return Ok(usize::from(len));
        }
        let mut len = 0;
        loop {
            let byte = b.take(8)?;
            len += byte as usize;
            if byte != 255 {
                return Ok(len);
            }
        }
    }

    /// Reads the end of an AudioMuxElement that began at bit `start`: other data and the rest of
    /// the last byte.
    pub(crate) fn read_end(&self, b: &mut PlainBits<'_>, start: usize) -> Result<(), ParseError> {
        b.skip(self.other_data_bits as usize)?;
        b.align_to(start);
        Ok(())
    }
}

/// Serializes the StreamMuxConfig of a multiplex that has one access unit of this configuration in
/// each element. An extension behind the configuration, which `audioMuxVersion` 0 has no room for,
/// is left out; decoders detect SBR in the access units.
///
/// # Errors
/// `config` is no AudioSpecificConfig.
pub fn stream_mux_config(config: &[u8]) -> Result<Bytes, ParseError> {
    AudioSpecificConfig::parse(config)?;
    let mut b = PlainBits::new(config, WHAT);
    let has_end = matches!(AudioSpecificConfig::parse_core_within(&mut b), Ok(Some(_)));
    let bits = if has_end { b.position() } else { config.len() * 8 };
    let mut w = BitWriter::default();
    if !has_end {
        w.put(0b10, 2); // audioMuxVersion 1, A 0
        w.put(0, 2 + 8); // taraBufferFullness
    } else {
        w.put(0, 1);
    }
    w.put(1, 1);
    w.put(0, 6 + 4 + 3);
    if !has_end {
        w.put(1, 2);
        w.put(u32::from(u16::try_from(bits).unwrap_or(u16::MAX)), 16);
    }
    w.copy(&mut PlainBits::new(config, WHAT), bits)?;
    w.put(0, 3);
    w.put(0xff, 8); // latmBufferFullness of a variable rate
    w.put(0, 1 + 1);
    Ok(w.finish())
}

/// LatmGetValue.
fn value(b: &mut PlainBits<'_>) -> Result<u32, ParseError> {
    let bytes = b.take(2)? + 1;
    b.take(8 * bytes)
}

/// The number of bits of other data in `audioMuxVersion` 0.
fn escaped_value(b: &mut PlainBits<'_>) -> Result<u32, ParseError> {
    let mut value = 0u32;
    for _ in 0..4 {
        let goes_on = b.flag()?;
        value = value << 8 | b.take(8)?;
        if !goes_on {
            return Ok(value);
        }
    }
    Err(b.invalid())
}

/// Reads bits as bytes, of which the last ends in zeros.
fn bits_to_bytes(b: &mut PlainBits<'_>, bits: usize) -> Result<Bytes, ParseError> {
    if bits > 8 * MAX_CONFIG || bits > b.left() {
        return Err(b.invalid());
    }
    let mut w = BitWriter::default();
    w.copy(b, bits)?;
    Ok(w.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_aac_lc() {
        // Version 0, one framing, one access unit; AAC-LC, 44.1 kHz, stereo (0x1210 shifted by 15
        // bits); frameLengthType 0, fullness 0xff, no other data, no CRC.
        let bytes = [0x40, 0x00, 0x24, 0x20, 0x3f, 0xc0];
        let config = StreamMuxConfig::parse(&bytes).unwrap();
        assert_eq!(config.audio, AudioSpecificConfig::lc(44_100, 2));
        assert_eq!((config.sub_frames, config.frame_length, config.other_data_bits), (1, None, 0));
        assert_eq!(&config.audio_specific_config(&bytes)[..], &[0x12, 0x10]);
        assert_eq!(&stream_mux_config(&[0x12, 0x10]).unwrap()[..], &bytes);
        for end in 0..4 {
            assert!(StreamMuxConfig::parse(&bytes[..end]).is_err());
        }
        assert_eq!(StreamMuxConfig::parse(&bytes[..4]), Ok(config));
        assert!(StreamMuxConfig::read(&mut PlainBits::new(&bytes[..4], WHAT)).is_err());
    }

    #[test]
    fn an_extension_without_an_end_is_read() {
        // GStreamer's rtpmp4apay: 0x1210, and behind it 0x56e500, which tells that there is no SBR.
        let bytes = [0x40, 0x00, 0x24, 0x20, 0xad, 0xca, 0x00];
        let config = StreamMuxConfig::parse(&bytes).unwrap();
        assert_eq!((config.audio, config.frame_length), (AudioSpecificConfig::lc(44_100, 2), None));
        let expected = [0x12, 0x10, 0x56, 0xe5, 0x00];
        assert_eq!(&config.audio_specific_config(&bytes)[..], &expected);
    }

    #[test]
    fn what_is_written_is_read() {
        // HE-AAC in both forms, with an explicit rate, ER AAC-LD, ER AAC-ELD.
        let he = AudioSpecificConfig { sbr: Some(48_000), ..AudioSpecificConfig::lc(24_000, 2) };
        let odd = AudioSpecificConfig::lc(44_056, 1);
        for (config, expected) in [
            (Bytes::from_static(&[0x2b, 0x11, 0x88, 0x00]), &[0x2b, 0x11, 0x88, 0x00][..]),
            (he.to_bytes(), &[0x13, 0x10]),
            (odd.to_bytes(), &odd.to_bytes()),
            (Bytes::from_static(&[0xb9, 0x88, 0x00]), &[0xb9, 0x88, 0x00]),
            // The same without epConfig, whose end is not known.
            (Bytes::from_static(&[0xb9, 0x88]), &[0xb9, 0x88]),
            (Bytes::from_static(&[0xf8, 0xe6, 0x20, 0x00]), &[0xf8, 0xe6, 0x20, 0x00]),
        ] {
            let bytes = stream_mux_config(&config).unwrap();
            let mux = StreamMuxConfig::parse(&bytes).unwrap();
            let back = mux.audio_specific_config(&bytes);
            assert!(expected.starts_with(&back), "{config:?} {back:?}");
            assert_eq!(AudioSpecificConfig::parse(&back), Ok(mux.audio));
        }
        assert!(stream_mux_config(&[0x12]).is_err());
    }

    /// Fields as value and number of bits.
    fn bytes(fields: &[(u32, u32)]) -> Bytes {
        let mut w = BitWriter::default();
        fields.iter().for_each(|(value, n)| w.put(*value, *n));
        w.finish()
    }

    #[test]
    fn every_field_may_be_there() {
        let head = [(1, 1), (0, 1), (0, 2), (7, 8), (1, 1), (3, 6), (0, 4), (0, 3)];
        // ascLen 24 in two bytes, with a byte of filling behind.
        let audio = [(1, 2), (24, 16), (0x1210, 16), (0, 8)];
        let end = [(1, 3), (80, 9), (1, 1), (0, 2), (13, 8), (1, 1), (0xaa, 8)];
        let config = bytes(&[&head[..], &audio, &end].concat());
        let mux = StreamMuxConfig::parse(&config).unwrap();
        assert_eq!((mux.sub_frames, mux.frame_length, mux.other_data_bits), (4, Some(100), 13));
        assert_eq!(&mux.audio_specific_config(&config)[..], &[0x12, 0x10, 0]);
        let escaped = [(0, 1), (1, 1), (0, 6 + 4 + 3), (0x1210, 16), (0, 3 + 8), (1, 1)];
        let escaped = [&escaped[..], &[(1, 1), (1, 8), (0, 1), (2, 8), (0, 1)]].concat();
        assert_eq!(StreamMuxConfig::parse(&bytes(&escaped)).unwrap().other_data_bits, 258);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let refused = |fields: &[(u32, u32)], why: &str| {
            let fields = [fields, &[(0, 32), (0, 32)]].concat();
            let said = StreamMuxConfig::parse(&bytes(&fields)).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        };
        refused(&[(0b11, 2)], "audioMuxVersionA");
        refused(&[(0b00, 2)], "framing");
        refused(&[(0b01, 2), (0, 6), (1, 4)], "program");
        refused(&[(0b01, 2), (0, 6), (0, 4), (1, 3)], "layer");
        // CELP at 8 kHz; AAC with a frame length of HVXC.
        refused(&[(0b01, 2), (0, 13), (8, 5), (11, 4), (1, 4)], "object type");
        refused(&[(0b01, 2), (0, 13), (0x1210, 16), (6, 3)], "HVXC");
        assert!(matches!(StreamMuxConfig::parse(&[]), Err(MuxError::Malformed(_))));
    }
}
