//! AAC: AudioSpecificConfig and the ADTS header.
//!
//! References: ISO/IEC 14496-3, sections 1.6.2.1 (AudioSpecificConfig), 4.4.1 (GASpecificConfig and
//! program_config_element) and 1.A.3.2 (ADTS).

use super::bits::{BitWriter, PlainBits};
use crate::wire::ParseError;
use bytes::Bytes;

const WHAT: &str = "AudioSpecificConfig";

/// Sampling rates in Hz by `samplingFrequencyIndex` (ISO/IEC 14496-3 table 1.18).
const SAMPLING_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// `audioObjectType` of AAC low complexity (AAC-LC), the most common one.
pub const AAC_LC: u8 = 2;
const SBR: u8 = 5;
const PARAMETRIC_STEREO: u8 = 29;
const ESCAPE: u8 = 31;

/// The decoder configuration that precedes the first access unit (ISO/IEC 14496-3 section 1.6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioSpecificConfig {
    /// `audioObjectType` of the core: 2 for AAC-LC, even if SBR is signalled.
    pub object_type: u8,
    /// Sampling rate of the core in Hz; with SBR the output has twice this rate.
    pub sampling_rate: u32,
    /// `channelConfiguration`; 0 if a program_config_element lists the channels.
    pub channel_configuration: u8,
    /// Number of channels of the core; parametric stereo turns one into two.
    pub channels: u8,
    /// Core samples per access unit and channel: 1024 or 960 (512 or 480 for low delay).
    pub frame_length: u16,
    /// Output sampling rate in Hz if spectral band replication is signalled. ADTS cannot signal it;
    /// decoders then detect it in the access units ("implicit signalling").
    pub sbr: Option<u32>,
    /// Whether parametric stereo is signalled.
    pub ps: bool,
}

impl AudioSpecificConfig {
    /// Creates a configuration of AAC-LC with 1024 samples per frame.
    pub const fn lc(sampling_rate: u32, channel_configuration: u8) -> Self {
        Self {
            object_type: AAC_LC,
            sampling_rate,
            channel_configuration,
            channels: channels_of(channel_configuration),
            frame_length: 1024,
            sbr: None,
            ps: false,
        }
    }

    /// Parses a configuration. Trailing bytes that are not an extension are ignored.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut b = PlainBits::new(bytes, WHAT);
        let mut config = Self::parse_core(&mut b)?;
        config.parse_extension(&mut b)?;
        if config.sampling_rate == 0 || config.sbr == Some(0) || config.object_type == 0 {
            return Err(b.invalid());
        }
        Ok(config)
    }

    /// Reads a configuration without the extension behind it. Of object types that this crate does
    /// not know more of, only the beginning is read.
    fn parse_core(b: &mut PlainBits<'_>) -> Result<Self, ParseError> {
        let start = b.position();
        let mut object_type = object_type(b)?;
        let sampling_rate = sampling_rate(b)?;
        let channel_configuration = b.take(4)? as u8;
        let mut sbr = None;
        let mut ps = false;
        if object_type == SBR || object_type == PARAMETRIC_STEREO {
            ps = object_type == PARAMETRIC_STEREO;
            sbr = Some(self::sampling_rate(b)?);
            object_type = self::object_type(b)?;
        }
        let mut channels = channels_of(channel_configuration);
        let mut frame_length = 1024;
        if is_general_audio(object_type) {
            let short = b.flag()?;
            frame_length = match (object_type == 23, short) {
                (false, false) => 1024,
                (false, true) => 960,
                (true, false) => 512,
                (true, true) => 480,
            };
            if b.flag()? {
                b.take(14)?; // coreCoderDelay
            }
            let extension = b.flag()?;
            if channel_configuration == 0 {
                channels = program_config_element(b)?;
                let comment = comment(b, start)?;
                b.skip(comment * 8)?;
            }
            if matches!(object_type, 6 | 20) {
                b.take(3)?; // layerNr
            }
            if extension {
                match object_type {
                    22 => drop(b.take(16)?),               // numOfSubFrame, layer_length
                    17 | 19 | 20 | 23 => drop(b.take(3)?), // resilience flags
                    _ => {}
                }
                b.take(1)?; // extensionFlag3
            }
        }
        Ok(Self {
            object_type,
            sampling_rate,
            channel_configuration,
            channels,
            frame_length,
            sbr,
            ps,
        })
    }

    /// Reads the extension behind a configuration, if there is one. The error resilient types have
    /// their protection configuration before it, and are left as they are.
    fn parse_extension(&mut self, b: &mut PlainBits<'_>) -> Result<(), ParseError> {
        let can_have = is_general_audio(self.object_type) && self.object_type < 17;
        if !can_have || self.sbr.is_some() || b.peek(11) != Some(0x2b7) {
            return Ok(());
        }
        b.take(11)?;
        if object_type(b)? == SBR && b.flag()? {
            self.sbr = Some(sampling_rate(b)?);
            if b.peek(11) == Some(0x548) {
                b.take(11)?;
                self.ps = b.flag()?;
            }
        }
        Ok(())
    }

    /// Reads a configuration that something else follows, whose length is told by itself alone, as
    /// in a multiplex. `None` if its end is not known to this crate.
    #[cfg(feature = "audio-formats")]
    pub(super) fn parse_core_within(b: &mut PlainBits<'_>) -> Result<Option<Self>, ParseError> {
        let config = Self::parse_core(b)?;
        if config.sampling_rate == 0 || config.sbr == Some(0) || config.object_type == 0 {
            return Err(b.invalid());
        }
        // The error resilient types end in epConfig; what belongs to 2 and 3 is not known.
        let is_resilient = config.object_type >= 17;
        let is_known =
            is_general_audio(config.object_type) && (!is_resilient || matches!(b.take(2)?, 0 | 1));
        Ok(is_known.then_some(config))
    }

    /// The same with the extension, if there is one, which some senders put into a multiplex too.
    #[cfg(feature = "audio-formats")]
    pub(super) fn parse_within(b: &mut PlainBits<'_>) -> Result<Option<Self>, ParseError> {
        let mut config = Self::parse_core_within(b)?;
        if let Some(config) = &mut config {
            config.parse_extension(b)?;
            if config.sbr == Some(0) {
                return Err(b.invalid());
            }
        }
        Ok(config)
    }

    /// Serializes the configuration; SBR and PS in the form that decoders without them can read
    /// ("backward compatible explicit signalling", section 1.6.5). A configuration whose channels
    /// are listed in a program_config_element cannot be serialized from these fields: keep its
    /// bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut w = BitWriter::default();
        put_object_type(&mut w, self.object_type);
        put_sampling_rate(&mut w, self.sampling_rate);
        w.put(u32::from(self.channel_configuration), 4);
        w.put(u32::from(matches!(self.frame_length, 960 | 480)), 1);
        w.put(0, 2); // dependsOnCoreCoder, extensionFlag
        if let Some(rate) = self.sbr {
            w.put(0x2b7, 11);
            put_object_type(&mut w, SBR);
            w.put(1, 1);
            put_sampling_rate(&mut w, rate);
            if self.ps {
                w.put(0x548, 11);
                w.put(1, 1);
            }
        }
        w.finish()
    }

    /// Returns the sampling rate of the decoder's output in Hz.
    pub const fn output_sampling_rate(&self) -> u32 {
        match self.sbr {
            Some(rate) => rate,
            None => self.sampling_rate,
        }
    }
}

/// Returns the number of channels of a `channelConfiguration` (table 1.19); 0 if the table does not
/// define it.
pub const fn channels_of(configuration: u8) -> u8 {
    match configuration {
        n @ 1..=6 => n,
        7 | 12 | 14 => 8,
        11 => 7,
        _ => 0,
    }
}

/// Whether the configuration of an object type is a GASpecificConfig (section 1.6.2.1).
const fn is_general_audio(object_type: u8) -> bool {
    matches!(object_type, 1..=4 | 6 | 7 | 17 | 19..=23)
}

/// Fixed and variable header of an ADTS frame (ISO/IEC 14496-3 section 1.A.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdtsHeader {
    /// `audioObjectType`: the header's profile plus one.
    pub object_type: u8,
    /// Sampling rate of the core in Hz.
    pub sampling_rate: u32,
    /// `channel_configuration`; 0 if a program_config_element in the frame lists the channels.
    pub channel_configuration: u8,
    /// Length of the header in bytes: 9 with a CRC, 7 without.
    pub header_len: usize,
    /// Length of the frame in bytes, header included.
    pub frame_len: usize,
    /// Number of raw data blocks (access units) in the frame: 1 to 4.
    pub raw_data_blocks: u8,
}

impl AdtsHeader {
    /// Number of bytes that [`parse`](Self::parse) needs.
    pub const LEN: usize = 7;
    /// Samples per access unit and channel.
    pub const SAMPLES: u32 = 1024;

    /// Parses the header at the start of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "ADTS header";
        let Some(&[b0, b1, b2, b3, b4, b5, b6]) = bytes.first_chunk::<7>() else {
            return Err(ParseError::Incomplete { what: WHAT });
        };
        let invalid = |at| ParseError::Invalid { what: WHAT, at };
        // Twelve bits of sync word; layer is always 0.
        if b0 != 0xff || b1 & 0xf6 != 0xf0 {
            return Err(invalid(0));
        }
        let sampling_rate =
            *SAMPLING_RATES.get(usize::from(b2 >> 2 & 0xf)).ok_or_else(|| invalid(2))?;
        let header_len = if b1 & 1 == 1 { 7 } else { 9 };
        let frame_len = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
        if frame_len < header_len {
            return Err(invalid(3));
        }
        Ok(Self {
            object_type: (b2 >> 6) + 1,
            sampling_rate,
            channel_configuration: (b2 & 1) << 2 | b3 >> 6,
            header_len,
            frame_len,
            raw_data_blocks: (b6 & 3) + 1,
        })
    }

    /// Returns the header of a frame with one access unit of `unit_len` bytes, without CRC. `None` if
    /// ADTS cannot express it: it supports object types 1 to 4, the sampling rates of table 1.18,
    /// frames of 1024 samples, and lengths below 8,192 bytes with the header.
    pub fn of_unit(config: &AudioSpecificConfig, unit_len: usize) -> Option<Self> {
        let frame_len = unit_len.checked_add(Self::LEN).filter(|&len| len < 1 << 13)?;
        let expressible = matches!(config.object_type, 1..=4)
            && SAMPLING_RATES.contains(&config.sampling_rate)
            && config.channel_configuration < 8
            && config.frame_length == 1024;
        expressible.then_some(Self {
            object_type: config.object_type,
            sampling_rate: config.sampling_rate,
            channel_configuration: config.channel_configuration,
            header_len: Self::LEN,
            frame_len,
            raw_data_blocks: 1,
        })
    }

    /// Serializes the header, without CRC.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let index = SAMPLING_RATES.iter().position(|&rate| rate == self.sampling_rate);
        let index = index.unwrap_or(0) as u8;
        let profile = self.object_type.saturating_sub(1) & 3;
        let (channels, len) = (self.channel_configuration & 7, self.frame_len as u16 & 0x1fff);
        [
            0xff,
            // MPEG-4, layer 0, no CRC.
            0xf1,
            profile << 6 | index << 2 | channels >> 2,
            channels << 6 | (len >> 11) as u8,
            (len >> 3) as u8,
            // The buffer's fullness is that of a variable rate: all ones.
            (len << 5) as u8 | 0x1f,
            0xfc | self.raw_data_blocks.saturating_sub(1) & 3,
        ]
    }

    /// Returns the equivalent AudioSpecificConfig.
    pub const fn config(&self) -> AudioSpecificConfig {
        let mut config = AudioSpecificConfig::lc(self.sampling_rate, self.channel_configuration);
        config.object_type = self.object_type;
        config
    }

    /// Returns whether frames with these two headers can belong to the same stream.
    pub const fn same_stream(&self, other: &Self) -> bool {
        self.object_type == other.object_type
            && self.sampling_rate == other.sampling_rate
            && self.channel_configuration == other.channel_configuration
    }
}

/// Returns the configuration and the number of channels of the stream that starts with `unit`, the
/// access unit of a frame with `header`. If the header refers to a program_config_element at the
/// start of the access unit, it is moved into the configuration. `None` if it is missing.
pub fn config_from_unit(header: &AdtsHeader, unit: &[u8]) -> Option<(Bytes, u8)> {
    /// id_syn_ele of a program_config_element.
    const ID_PCE: u32 = 5;
    if header.channel_configuration != 0 {
        return Some((header.config().to_bytes(), channels_of(header.channel_configuration)));
    }
    let mut b = PlainBits::new(unit, WHAT);
    if b.take(3).ok()? != ID_PCE {
        return None;
    }
    let mut element = b.clone();
    let start = b.position();
    let channels = program_config_element(&mut b).ok().filter(|&n| n > 0)?;
    let len = b.position() - start;
    // In an access unit, bytes are aligned to its beginning.
    let comment = comment(&mut b, 0).ok()?;
    let mut w = BitWriter::default();
    put_object_type(&mut w, header.object_type);
    put_sampling_rate(&mut w, header.sampling_rate);
    w.put(0, 4 + 3);
    w.copy(&mut element, len).ok()?;
    w.align();
    w.copy(&mut b, comment * 8).ok()?;
    Some((w.finish(), channels))
}

fn object_type(b: &mut PlainBits<'_>) -> Result<u8, ParseError> {
    let short = b.take(5)? as u8;
    if short == ESCAPE { Ok(32 + b.take(6)? as u8) } else { Ok(short) }
}

fn sampling_rate(b: &mut PlainBits<'_>) -> Result<u32, ParseError> {
    match b.take(4)? {
        15 => b.take(24),
        index => SAMPLING_RATES.get(index as usize).copied().ok_or_else(|| b.invalid()),
    }
}

/// Reads a program_config_element up to its byte alignment, and returns its number of channels
/// (table 4.2).
fn program_config_element(b: &mut PlainBits<'_>) -> Result<u8, ParseError> {
    b.take(4 + 2 + 4)?;
    let front = b.take(4)?;
    let side = b.take(4)?;
    let back = b.take(4)?;
    let lfe = b.take(2)?;
    let data = b.take(3)?;
    let coupling = b.take(4)?;
    for bits in [4, 4, 3] {
        if b.flag()? {
            b.take(bits)?; // mixdowns
        }
    }
    let mut channels = lfe;
    for _ in 0..front + side + back {
        channels += 1 + b.take(1)?;
        b.take(4)?;
    }
    for _ in 0..lfe + data {
        b.take(4)?;
    }
    for _ in 0..coupling {
        b.take(5)?;
    }
    u8::try_from(channels).map_err(|_| b.invalid())
}

/// Moves to the comment at the end of a program_config_element, whose bytes are aligned to bit
/// `start`, and returns its length with the byte that states it.
fn comment(b: &mut PlainBits<'_>, start: usize) -> Result<usize, ParseError> {
    b.align_to(start);
    b.peek(8).map(|len| 1 + len as usize).ok_or_else(|| b.invalid())
}

fn put_object_type(w: &mut BitWriter, object_type: u8) {
    if object_type < ESCAPE {
        w.put(u32::from(object_type), 5);
    } else {
        w.put(u32::from(ESCAPE), 5);
        w.put(u32::from(object_type) - 32, 6);
    }
}

fn put_sampling_rate(w: &mut BitWriter, rate: u32) {
    match SAMPLING_RATES.iter().position(|&r| r == rate) {
        Some(index) => w.put(index as u32, 4),
        None => {
            w.put(15, 4);
            w.put(rate, 24);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_aac_lc() {
        let config = AudioSpecificConfig::parse(&[0x12, 0x10]).unwrap();
        assert_eq!(config, AudioSpecificConfig::lc(44_100, 2));
        assert_eq!(&config.to_bytes()[..], &[0x12, 0x10]);
    }

    #[test]
    fn explicit_rate() {
        let config = AudioSpecificConfig::lc(44_056, 1);
        let bytes = config.to_bytes();
        assert_eq!(bytes.len(), 5);
        assert_eq!(AudioSpecificConfig::parse(&bytes), Ok(config));
    }

    #[test]
    fn he_aac_in_both_forms_of_signalling() {
        // Hierarchical: object type 5, 24 kHz core, stereo, 48 kHz output, AAC-LC inside.
        let hierarchical = AudioSpecificConfig::parse(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        let beside =
            AudioSpecificConfig { sbr: Some(48_000), ..AudioSpecificConfig::lc(24_000, 2) };
        assert_eq!(hierarchical, beside);
        assert_eq!(AudioSpecificConfig::parse(&beside.to_bytes()), Ok(beside));
        let ps = AudioSpecificConfig { ps: true, channels: 1, channel_configuration: 1, ..beside };
        assert_eq!(AudioSpecificConfig::parse(&ps.to_bytes()), Ok(ps));
        assert_eq!(ps.output_sampling_rate(), 48_000);
    }

    #[test]
    fn escaped_object_type_and_short_frames() {
        let config =
            AudioSpecificConfig { frame_length: 960, ..AudioSpecificConfig::lc(48_000, 2) };
        assert_eq!(AudioSpecificConfig::parse(&config.to_bytes()), Ok(config));
        // Type 39 (ER AAC ELD) = 31 escape + 7.
        let eld = AudioSpecificConfig::parse(&[0xf8, 0xe6, 0x20, 0x00]).unwrap();
        assert_eq!(eld.object_type, 39);
    }

    #[test]
    fn channels_from_a_program_config_element() {
        let mut w = BitWriter::default();
        put_object_type(&mut w, AAC_LC);
        put_sampling_rate(&mut w, 48_000);
        w.put(0, 4 + 3);
        w.put(0, 4 + 2 + 4);
        w.put(2, 4); // front: one single, one pair
        w.put(0, 4);
        w.put(1, 4); // back: a pair
        w.put(1, 2); // one LFE
        w.put(0, 3 + 4 + 3);
        w.put(0, 5); // front: one channel
        w.put(0b1_0000, 5); // front: a pair
        w.put(0b1_0000, 5); // back: a pair
        w.put(0, 4); // LFE
        w.align();
        w.put(1, 8);
        w.put(0x41, 8);
        let bytes = w.finish();
        assert_eq!(AudioSpecificConfig::parse(&bytes).unwrap().channels, 6);
        // The same element at the start of an access unit, at another bit.
        let mut b = PlainBits::new(&bytes, WHAT);
        b.take(16).unwrap();
        let mut unit = BitWriter::default();
        unit.put(5, 3);
        // What follows are the comment and the bits that align it.
        unit.copy(&mut b, bytes.len() * 8 - 21 - 16).unwrap();
        unit.align();
        unit.put(0x0141, 16);
        let header = AdtsHeader {
            object_type: 2,
            sampling_rate: 48_000,
            channel_configuration: 0,
            header_len: 7,
            frame_len: 100,
            raw_data_blocks: 1,
        };
        assert_eq!(config_from_unit(&header, &unit.finish()), Some((bytes.clone(), 6)));
        assert_eq!(config_from_unit(&header, &[0x20]), None);
        assert!(AudioSpecificConfig::parse(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn truncated_or_reserved_configurations_are_errors() {
        for bytes in [&[][..], &[0x12], &[0x16, 0x90], &[0x07, 0x80]] {
            assert!(AudioSpecificConfig::parse(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn adts_header() {
        let bytes = [0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc];
        let header = AdtsHeader::parse(&bytes).unwrap();
        assert_eq!(header.sampling_rate, 44_100);
        assert_eq!(header.channel_configuration, 2);
        assert_eq!((header.header_len, header.frame_len), (7, 371));
        assert_eq!(header.raw_data_blocks, 1);
        assert_eq!(&header.config().to_bytes()[..], &[0x12, 0x10]);
        assert!(matches!(AdtsHeader::parse(&bytes[..6]), Err(ParseError::Incomplete { .. })));
        // Layer bits set: MPEG audio, not ADTS.
        assert!(AdtsHeader::parse(&[0xff, 0xfb, 0x50, 0x80, 0x2e, 0x7f, 0xfc]).is_err());
    }

    #[test]
    fn adts_headers_survive_the_way_there_and_back() {
        for (rate, channels) in [(96_000, 1), (44_100, 2), (7_350, 7), (48_000, 0)] {
            let config = AudioSpecificConfig::lc(rate, channels);
            for len in [0, 1, 371, 8184] {
                let header = AdtsHeader::of_unit(&config, len).unwrap();
                assert_eq!(AdtsHeader::parse(&header.to_bytes()), Ok(header));
                assert_eq!(header.frame_len, len + 7);
            }
        }
        let lc = AudioSpecificConfig::lc(44_100, 2);
        assert_eq!(AdtsHeader::of_unit(&lc, 8185), None);
        for other in [
            AudioSpecificConfig { object_type: 23, ..lc },
            AudioSpecificConfig { sampling_rate: 44_101, ..lc },
            AudioSpecificConfig { frame_length: 960, ..lc },
            AudioSpecificConfig { channel_configuration: 12, ..lc },
        ] {
            assert_eq!(AdtsHeader::of_unit(&other, 100), None);
        }
    }
}
