//! Opus: durations of packets (RFC 6716 section 3.1), and the identification header with which files
//! describe a stream (RFC 7845 section 5.1).

use super::parameters::{CodecParameters, OpusMapping};
use crate::wire::{ParseError, Reader};
use std::time::Duration;

/// The rate in Hz in which durations are counted, whatever the encoder's input was.
pub const SAMPLING_RATE: u32 = 48_000;
/// Longest duration of a packet in samples: 120 ms.
const MAX_SAMPLES: u32 = 5_760;
/// Longest frame in bytes.
const MAX_FRAME: usize = 1275;

/// Returns the number of samples of each channel, at 48 kHz, in a packet; `None` if it is malformed.
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let configuration = toc >> 3;
    let frame: u32 = match (configuration, configuration & 3) {
        // SILK: 10, 20, 40 and 60 ms.
        (0..=11, 0) => 480,
        (0..=11, 1) => 960,
        (0..=11, 2) => 1_920,
        (0..=11, _) => 2_880,
        // Hybrid: 10 and 20 ms.
        (12..=15, size) => 480 << (size & 1),
        // CELT: 2.5, 5, 10 and 20 ms.
        (_, size) => 120 << size,
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1)? & 0x3f,
    };
    let samples = frame * u32::from(frames);
    (1..=MAX_SAMPLES).contains(&samples).then_some(samples)
}

/// Returns whether bytes are a packet of so many streams (RFC 6716 section 3.4). The packets of all
/// streams but the last state their lengths (RFC 7845 section 5.1.1, RFC 6716 appendix B).
pub fn is_packet(bytes: &[u8], streams: u8) -> bool {
    let mut r = Reader::new(bytes);
    let lengths = (1..streams).try_for_each(|_| skip_stream(&mut r, true));
    lengths.and_then(|()| skip_stream(&mut r, false)).is_ok()
}

/// Skips the packet of one stream: all that is left, unless it states its length.
fn skip_stream(r: &mut Reader<'_>, states_length: bool) -> Result<(), ParseError> {
    const WHAT: &str = "Opus packet";
    if packet_samples(r.remaining()).is_none() {
        return Err(r.invalid(WHAT));
    }
    let (mut padding, mut is_variable) = (0, false);
    let frames = match r.u8(WHAT)? & 3 {
        0 => 1,
        1 => 2,
        2 => {
            is_variable = true;
            2
        }
        _ => {
            let byte = r.u8(WHAT)?;
            is_variable = byte & 0x80 != 0;
            let mut has_more = byte & 0x40 != 0;
            while has_more {
                let len = r.u8(WHAT)?;
                has_more = len == 255;
                padding += usize::from(len.min(254));
            }
            usize::from(byte & 0x3f)
        }
    };
    // The lengths of frames that are stated, and the number of frames that share what is left.
    let (stated, sharing) = match (is_variable, states_length) {
        (true, true) => (frames, 0),
        (true, false) => (frames - 1, 1),
        (false, true) => (1, 0),
        (false, false) => (0, frames),
    };
    let mut len = padding;
    for _ in 0..stated {
        let frame = frame_len(r)?;
        len += if is_variable { frame } else { frame * frames };
    }
    if sharing == 0 {
        return r.take(len, WHAT).map(|_| ());
    }
    let left = r.remaining().len().checked_sub(len).ok_or(ParseError::Incomplete { what: WHAT })?;
    if left % sharing != 0 || left / sharing > MAX_FRAME {
        return Err(r.invalid(WHAT));
    }
    Ok(())
}

/// Reads the length of a frame (RFC 6716 section 3.2.1).
fn frame_len(r: &mut Reader<'_>) -> Result<usize, ParseError> {
    let first = r.u8("length of an Opus frame")?;
    let more = if first < 252 { 0 } else { r.u8("length of an Opus frame")? };
    Ok(usize::from(first) + 4 * usize::from(more))
}

/// Returns the duration of a packet; `None` if it is malformed. The streams of a packet of several
/// channels have the same duration.
///
/// ```
/// use riverrun::codec::opus::packet_duration;
/// use std::time::Duration;
///
/// assert_eq!(packet_duration(&[0xfc, 0xff, 0xfe]), Some(Duration::from_millis(20)));
/// assert_eq!(packet_duration(&[]), None);
/// ```
pub fn packet_duration(packet: &[u8]) -> Option<Duration> {
    let nanoseconds = u64::from(packet_samples(packet)?) * 1_000_000_000 / 48_000;
    Some(Duration::from_nanos(nanoseconds))
}

/// The identification header of an Opus stream in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpusHead {
    /// Number of channels of the decoded audio.
    pub channels: u8,
    /// Number of samples, at 48 kHz, that a decoder makes and does not play at the start.
    pub pre_skip: u16,
    /// The streams of which a packet consists; `None` for one stream of one or two channels.
    pub mapping: Option<OpusMapping>,
}

impl OpusHead {
    /// Parses the header of Ogg files, which is also the `CodecPrivate` of Matroska: it begins with
    /// `OpusHead`.
    ///
    /// # Errors
    /// It is no such header, its version is unknown, or its mapping is impossible or of a family
    /// whose channels are mixed by a matrix (RFC 8486).
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "OpusHead";
        let mut r = Reader::new(bytes);
        if r.take(8, WHAT)? != b"OpusHead" || r.u8(WHAT)? >> 4 != 0 {
            return Err(r.invalid(WHAT));
        }
        let channels = r.u8(WHAT)?;
        let pre_skip = u16::from_le_bytes(r.array(WHAT)?);
        r.take(4 + 2, WHAT)?; // sampling rate of the input, output gain
        Self::with_mapping(channels, pre_skip, r)
    }

    /// Parses the content of a `dOps` box of MP4 files ("Encapsulation of Opus in ISO Base Media File
    /// Format" section 4.3.2): the same in network byte order, without the magic.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_mp4(bytes: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "dOps box";
        let mut r = Reader::new(bytes);
        if r.u8(WHAT)? != 0 {
            return Err(r.invalid(WHAT));
        }
        let channels = r.u8(WHAT)?;
        let pre_skip = r.u16(WHAT)?;
        r.take(4 + 2, WHAT)?;
        Self::with_mapping(channels, pre_skip, r)
    }

    /// Parses the mapping family and the table that follows (section 5.1.1).
    fn with_mapping(channels: u8, pre_skip: u16, mut r: Reader<'_>) -> Result<Self, ParseError> {
        const WHAT: &str = "Opus channel mapping";
        let mapping = match r.u8(WHAT)? {
            0 => None,
            3 => return Err(r.invalid(WHAT)),
            _ => {
                let (streams, coupled) = (r.u8(WHAT)?, r.u8(WHAT)?);
                let map = r.take(usize::from(channels), WHAT)?;
                // The only way to decode one stream of one or two channels needs no table.
                let plain = matches!((streams, coupled, map), (1, 0, [0]) | (1, 1, [0, 1]));
                (!plain).then(|| OpusMapping::new(streams, coupled, map.to_vec()))
            }
        };
        let head = Self { channels, pre_skip, mapping };
        head.parameters().check().map_err(|_| r.invalid(WHAT))?;
        Ok(head)
    }

    /// Returns the codec parameters of the stream.
    pub fn parameters(&self) -> CodecParameters {
        CodecParameters::Opus { channels: self.channels, mapping: self.mapping.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_every_configuration() {
        // RFC 6716 table 2, in units of 2.5 ms.
        let silk = [4, 8, 16, 24];
        let celt = [1, 2, 4, 8];
        let all = [&silk[..], &silk, &silk, &[4, 8, 4, 8], &celt, &celt, &celt, &celt].concat();
        for (configuration, quarters) in (0..32u8).zip(all) {
            let toc = configuration << 3;
            assert_eq!(packet_samples(&[toc, 1]), Some(quarters * 120));
            assert_eq!(packet_samples(&[toc | 4 | 1, 1]), Some(quarters * 240));
            assert_eq!(packet_samples(&[toc | 2, 1]), Some(quarters * 240));
            for count in 0..64u8 {
                let samples = quarters * 120 * u32::from(count);
                let expected = (1..=5_760).contains(&samples).then_some(samples);
                assert_eq!(packet_samples(&[toc | 3, count | 0xc0]), expected);
            }
            assert_eq!(packet_samples(&[toc | 3]), None);
        }
        assert_eq!(packet_duration(&[0x80]), Some(Duration::from_micros(2_500)));
        assert_eq!(packet_duration(&[]), None);
    }

    /// RFC 6716 section 3.4, requirements R1 to R7, and appendix B.
    #[test]
    fn lengths_of_frames_must_fit() {
        let packet = |head: &[u8], len| [head, &vec![7; len]].concat();
        for (head, len) in [
            (&[0xfc][..], 0),
            (&[0xfc], 1275),
            (&[0xfd], 2550),
            (&[0xfe, 4], 4),
            (&[0xfe, 252, 1], 257),
            (&[0xff, 3], 9),
            (&[0xff, 0x83, 1, 2], 7),
            (&[0xff, 0x43, 255, 1], 9 + 255),
            (&[0xff, 0xc2, 3, 5], 5 + 4 + 3),
        ] {
            assert!(is_packet(&packet(head, len), 1), "{head:?}");
        }
        for (head, len) in [
            (&[][..], 0),
            (&[0xfc], 1276),
            (&[0xfd], 3),
            (&[0xfd], 2552),
            (&[0xfe], 0),
            (&[0xfe, 4], 3),
            (&[0xfe, 252], 0),
            (&[0xff], 0),
            (&[0xff, 0], 0),
            (&[0xff, 3], 10),
            (&[0xff, 0x83, 1, 2], 2),
            (&[0xff, 0x43, 255], 0),
            (&[0xff, 0x43, 9], 8),
            (&[0xff, 0x43, 1], 9),
        ] {
            assert!(!is_packet(&packet(head, len), 1), "{head:?}");
        }
        // Two streams: of the first, one frame, two of one size, two of two sizes.
        for head in [&[0xfc, 2][..], &[0xfd, 1], &[0xfe, 1, 1], &[0xff, 1, 2], &[0xff, 0x41, 1, 1]]
        {
            let first = packet(head, 2);
            assert!(is_packet(&[&first[..], &[0xfc, 9]].concat(), 2), "{head:?}");
            assert!(is_packet(&[&first[..], &first, &[0xfc]].concat(), 3), "{head:?}");
            assert!(!is_packet(&first, 2), "{head:?}");
            assert!(!is_packet(&first[..first.len() - 1], 2), "{head:?}");
        }
    }

    /// RFC 7845 figure 2.
    fn ogg(channels: u8, tail: &[u8]) -> Vec<u8> {
        [&b"OpusHead\x01"[..], &[channels, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0], tail].concat()
    }

    #[test]
    fn identification_headers_of_ogg_and_mp4() {
        let stereo = OpusHead::parse(&ogg(2, &[0])).unwrap();
        assert_eq!(stereo, OpusHead { channels: 2, pre_skip: 312, mapping: None });
        let surround = [1, 4, 2, 0, 4, 1, 2, 3, 5];
        let six = OpusHead::parse(&ogg(6, &surround)).unwrap();
        let mapping = OpusMapping::new(4, 2, vec![0, 4, 1, 2, 3, 5]);
        assert_eq!(six.mapping, Some(mapping.clone()));
        let boxed = [&[0, 6, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0][..], &surround].concat();
        assert_eq!(OpusHead::parse_mp4(&boxed), Ok(six));
        for cut in 0..boxed.len() {
            assert!(OpusHead::parse_mp4(&boxed[..cut]).is_err());
        }
        // A table that says nothing.
        assert_eq!(OpusHead::parse(&ogg(2, &[1, 1, 1, 0, 1])).unwrap().mapping, None);
        assert_eq!(OpusHead::parse(&ogg(1, &[1, 1, 0, 0])).unwrap().mapping, None);
        let swapped = OpusHead::parse(&ogg(2, &[1, 1, 1, 1, 0])).unwrap().mapping.unwrap();
        assert_eq!(&swapped.channels[..], [1, 0]);
    }

    #[test]
    fn headers_that_cannot_be_are_refused() {
        for (channels, tail) in [
            (3, &[0][..]),
            (0, &[0]),
            (2, &[]),
            (2, &[1, 0, 0, 0, 1]),
            (2, &[1, 1, 1, 0, 2]),
            (2, &[1, 1, 2, 0, 1]),
            (6, &[1, 4, 2, 0, 4, 1]),
            (2, &[3, 1, 1, 0, 1]),
        ] {
            assert!(OpusHead::parse(&ogg(channels, tail)).is_err(), "{channels} {tail:?}");
        }
        let mut newer = ogg(2, &[0]);
        newer[8] = 0x10;
        assert!(OpusHead::parse(&newer).is_err());
        assert!(OpusHead::parse(b"OpusTags\x01\x02aaaaaaaaaaaaaa").is_err());
    }
}
