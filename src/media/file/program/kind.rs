//! [`Kind`]: what an elementary stream is, as the program map says or as its first bytes show.

use super::carrier::StreamId;
use super::stream::{Audio, ElementaryStream, Video};
use crate::codec::aac::AdtsHeader;
use crate::codec::ac3::SyncFrame;
use crate::codec::mpeg_audio::FrameHeader;
use crate::codec::start_codes::start_codes;
use crate::framer::ac3::Ac3;
use crate::framer::adts::Adts;
use crate::framer::mpeg_audio::MpegAudio;
use crate::media::access_unit::NalCodec;
use crate::media::file::mpeg_video::MpegVideo;
use crate::wire::Reader;

/// Streams of a program that are served.
pub(super) const MAX_STREAMS: usize = 16;

/// The codec of an elementary stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media::file) enum Kind {
    H264,
    H265,
    MpegVideo,
    Aac,
    MpegAudio,
    /// AC-3 or Enhanced AC-3.
    Ac3,
}

impl Kind {
    pub(super) fn stream(self) -> Box<dyn ElementaryStream> {
        match self {
            Self::H264 => Box::new(Video::new(&NalCodec::H264)),
            Self::H265 => Box::new(Video::new(&NalCodec::H265)),
            Self::MpegVideo => Box::new(Video::new(&MpegVideo)),
            Self::Aac => Box::new(Audio::new(&Adts)),
            Self::MpegAudio => Box::new(Audio::new(&MpegAudio)),
            Self::Ac3 => Box::new(Audio::new(&Ac3)),
        }
    }

    /// The codec of video that begins with `payload`, if it shows.
    pub(super) fn of_video(payload: &[u8]) -> Option<Self> {
        start_codes(payload).find_map(|(_, code)| match code {
            0xb3 => Some(Self::MpegVideo),
            // A sequence parameter set, or an access unit delimiter.
            0x27 | 0x47 | 0x67 | 0x09 => Some(Self::H264),
            _ => None,
        })
    }

    /// The codec of audio that begins with `payload`, if it shows.
    pub(super) fn of_audio(payload: &[u8]) -> Option<Self> {
        let at = memchr::memchr(0xff, payload)?;
        let frame = payload.get(at..)?;
        if AdtsHeader::parse(frame).is_ok() {
            return Some(Self::Aac);
        }
        FrameHeader::parse(frame).is_ok().then_some(Self::MpegAudio)
    }

    /// The codec of private stream 1 of a program stream, and the number of the substream whose
    /// header of so many bytes `payload` begins with, if it is one: as on a DVD, where the header
    /// says where the first frame begins, or without.
    pub(super) fn of_private(payload: &[u8], header: usize) -> Option<(Option<u8>, Self)> {
        if SyncFrame::parse(payload).is_ok() {
            return Some((None, Self::Ac3));
        }
        let (&[number, _, p0, p1], frames) = payload.split_first_chunk::<4>()?;
        let behind = usize::from(u16::from_be_bytes([p0, p1])).checked_sub(1)?;
        let is_ac3 = matches!(number, 0x80..=0x87 | 0xc0..=0xcf) && header == 4;
        let begins = SyncFrame::parse(frames.get(behind..)?).is_ok();
        (is_ac3 && begins).then_some((Some(number), Self::Ac3))
    }
}

/// The elementary streams that a program map section names, as far as they are known (ISO/IEC
/// 13818-1 section 2.4.4.8, and for private ones ETSI EN 300 468 annex D and ATSC A/52 annex A).
pub(in crate::media::file) fn streams_of(section: &[u8]) -> Vec<(StreamId, Kind)> {
    const WHAT: &str = "program map";
    let mut streams = Vec::new();
    let body = section.get(..section.len().saturating_sub(4)).unwrap_or_default();
    let mut r = Reader::new(body);
    let mut read = || -> Result<(), crate::wire::ParseError> {
        r.take(10, WHAT)?;
        let info = r.u16(WHAT)?;
        r.take(usize::from(info & 0x0fff), WHAT)?;
        while !r.is_empty() && streams.len() < MAX_STREAMS {
            let stream_type = r.u8(WHAT)?;
            let pid = r.u16(WHAT)? & 0x1fff;
            let info = r.u16(WHAT)?;
            let descriptors = r.take(usize::from(info & 0x0fff), WHAT)?;
            match kind_of(stream_type, descriptors) {
                Some(kind) => streams.push((StreamId::Pid(pid), kind)),
                None => log::debug!("PID {pid}: stream type {stream_type:#04x} is not known"),
            }
        }
        Ok(())
    };
    if let Err(e) = read() {
        log::debug!("{e}");
    }
    streams
}

/// The kind by `stream_type` (table 2-34) and descriptors.
fn kind_of(stream_type: u8, descriptors: &[u8]) -> Option<Kind> {
    match stream_type {
        0x01 | 0x02 => Some(Kind::MpegVideo),
        0x03 | 0x04 => Some(Kind::MpegAudio),
        0x0f => Some(Kind::Aac),
        0x1b => Some(Kind::H264),
        0x24 => Some(Kind::H265),
        0x81 | 0x87 => Some(Kind::Ac3),
        // Private data, which DVB uses for AC-3.
        0x06 if has_ac3(descriptors) => Some(Kind::Ac3),
        _ => None,
    }
}

/// Whether there is a descriptor of AC-3 or Enhanced AC-3, or a registration of them.
fn has_ac3(mut descriptors: &[u8]) -> bool {
    while let &[tag, len, ref rest @ ..] = descriptors {
        let Some((content, behind)) = rest.split_at_checked(usize::from(len)) else { return false };
        match tag {
            0x6a | 0x7a => return true,
            5 if content.starts_with(b"AC-3") || content.starts_with(b"EAC3") => return true,
            _ => descriptors = behind,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_maps_name_streams() {
        // Table 2-33: PCR on PID 0x100; H.264, AC-3 as in DVB and as in ATSC, subtitles.
        let mut section = vec![2, 0xb0, 0, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 2, 9, 0];
        section.extend([0x1b, 0xe1, 0, 0xf0, 0]);
        section.extend([0x06, 0xe1, 1, 0xf0, 6, 10, 2, b'd', b'e', 0x6a, 0]);
        section.extend([0x06, 0xe1, 2, 0xf0, 2, 0x59, 0]);
        section.extend([0x81, 0xe1, 3, 0xf0, 0]);
        section.extend([0, 0, 0, 0]);
        let found = streams_of(&section);
        let expected = [(0x100, Kind::H264), (0x101, Kind::Ac3), (0x103, Kind::Ac3)];
        assert_eq!(found, expected.map(|(pid, kind)| (StreamId::Pid(pid), kind)));
        for cut in 0..section.len() {
            assert!(streams_of(&section[..cut]).len() <= 3);
        }
    }

    #[test]
    fn private_streams_of_discs_have_numbers() {
        // ATSC A/52 section 5.4: 48 kHz, 64 kbit/s, two channels.
        let frame = [0x0b, 0x77, 0, 0, 8, 0x40, 0x43, 0, 0];
        assert_eq!(Kind::of_private(&frame, 4), Some((None, Kind::Ac3)));
        let numbered = [&[0x81, 1, 0, 4, 9, 9, 9][..], &frame].concat();
        assert_eq!(Kind::of_private(&numbered, 4), Some((Some(0x81), Kind::Ac3)));
        let subtitles = [&[0x20, 1, 0, 4, 9, 9, 9][..], &frame].concat();
        assert_eq!(Kind::of_private(&subtitles, 4), None);
        assert_eq!(Kind::of_private(&[0x80, 1, 0, 0], 4), None);
    }
}
