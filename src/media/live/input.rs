//! [`InputError`]: errors in the frames that an encoder sends.

use super::forms::Form;
use crate::codec::aac::AdtsHeader;
use crate::codec::{CodecParameters, mpeg_audio};
use crate::framer::adts;
use crate::framer::leading::NalCodec;
use crate::payload::mp2t::TS_PACKET_LEN;
use bytes::Bytes;
use std::fmt;

/// Most bytes of a frame.
const MAX_FRAME_LEN: usize = 16 << 20;
/// So many frames in a row that count on like RTP packets are some.
const RTP_RUN: u8 = 2;

/// The reason for which a [`LiveSender`](super::LiveSender) refused a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputError {
    /// The frame is empty.
    Empty,
    /// The frame has more than 16 MiB.
    TooLong {
        /// Its length.
        len: usize,
    },
    /// H.264 or H.265 with a length before each NAL unit (as in MP4) instead of a start code.
    LengthPrefixed,
    /// H.264 or H.265 that does not begin with a start code.
    NoStartCode,
    /// NAL units of another codec than the stream's.
    OtherCodec,
    /// A picture that does not begin with its first slice, although the frame before ended its
    /// access unit.
    ContinuedPicture,
    /// The data are RTP packets instead of their payload.
    RtpPackets,
    /// AAC in a transport format (LOAS, ADIF), or several ADTS frames, or a part of one.
    AacTransport,
    /// MPEG audio that does not begin with a frame's header.
    NotMpegAudio,
    /// The data are a part of a frame of MPEG audio, or more than one.
    NotOneFrame {
        /// What was given, in bytes.
        len: usize,
        /// The length that the frame's header tells.
        frame_len: usize,
    },
    /// The samples are incomplete, or not of all channels.
    PartialSamples {
        /// What was given, in bytes.
        len: usize,
        /// Bytes of one sample of all channels.
        block: usize,
    },
    /// The data are not a sequence of whole transport stream packets of 188 bytes.
    NotTransportPackets,
    /// The data do not have the form that frames of the stream's codec have.
    OtherForm {
        /// The form that is wanted.
        wanted: &'static str,
    },
}

impl InputError {
    /// Which kind it is, for what is told once a kind.
    pub(super) const fn kind(self) -> u32 {
        match self {
            Self::Empty => 0,
            Self::TooLong { .. } => 1,
            Self::LengthPrefixed => 2,
            Self::NoStartCode => 3,
            Self::OtherCodec => 4,
            Self::ContinuedPicture => 5,
            Self::RtpPackets => 6,
            Self::AacTransport => 7,
            Self::NotMpegAudio => 8,
            Self::NotOneFrame { .. } => 9,
            Self::PartialSamples { .. } => 10,
            Self::NotTransportPackets => 11,
            Self::OtherForm { .. } => 12,
        }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty frame"),
            Self::TooLong { len } => {
                write!(f, "a frame of {len} bytes; at most {MAX_FRAME_LEN} are taken")
            }
            Self::LengthPrefixed => f.write_str(
                "NAL units with a length in front; wanted is Annex B, a start code (00 00 00 01) in \
                 front of each",
            ),
            Self::NoStartCode => f.write_str(
                "video that does not begin with a start code; wanted is Annex B (00 00 00 01 in \
                 front of each NAL unit)",
            ),
            Self::OtherCodec => f.write_str("NAL units of another codec than the stream's"),
            Self::ContinuedPicture => f.write_str(
                "a further slice of a picture; wanted are whole access units, or, piece by piece, \
                 frames without FrameFlags::ends_access_unit up to the last",
            ),
            Self::RtpPackets => f.write_str("RTP packets; wanted is what they carry"),
            Self::AacTransport => f.write_str(
                "AAC in a transport format or a part of a frame; wanted is one access unit, bare or \
                 with its ADTS header",
            ),
            Self::NotMpegAudio => f.write_str("what is no frame of MPEG audio"),
            Self::NotOneFrame { len, frame_len } => {
                write!(f, "{len} bytes of MPEG audio; wanted is one frame, which has {frame_len}")
            }
            Self::PartialSamples { len, block } => {
                write!(f, "{len} bytes of audio; wanted are whole samples, in blocks of {block} bytes")
            }
            Self::NotTransportPackets => {
                f.write_str("what is no run of transport stream packets of 188 bytes")
            }
            Self::OtherForm { wanted } => write!(f, "a frame of another form; wanted is {wanted}"),
        }
    }
}

impl std::error::Error for InputError {}

/// What a stream's frames are to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum InputKind {
    Nal(NalCodec),
    Aac,
    MpegAudio,
    /// Samples in blocks of so many bytes.
    Samples {
        block: usize,
    },
    TransportStream,
    Form(&'static Form),
    /// Of a codec that only the application knows.
    Other,
}

impl InputKind {
    pub(super) fn of(parameters: &CodecParameters) -> Self {
        if let Some(codec) = NalCodec::of(parameters) {
            return Self::Nal(codec);
        }
        match *parameters {
            CodecParameters::MpegAudio => Self::MpegAudio,
            CodecParameters::Pcm { encoding, channels, .. } => {
                let block = encoding.bytes_per_sample() * usize::from(channels.max(1));
                Self::Samples { block }
            }
            CodecParameters::G722 { channels } => {
                Self::Samples { block: usize::from(channels.max(1)) }
            }
            // A whole number of bytes has a whole number of samples (RFC 3551 section 4.5.4).
            CodecParameters::G726 { bits: bits @ (3 | 5), .. } => {
                Self::Samples { block: usize::from(bits) }
            }
            CodecParameters::G726 { .. } | CodecParameters::Speex { .. } => {
                Self::Samples { block: 1 }
            }
            CodecParameters::Ilbc { mode } => {
                Self::Samples { block: if mode == 20 { 38 } else { 50 } }
            }
            CodecParameters::Mp2t => Self::TransportStream,
            CodecParameters::Aac { .. } => Self::Aac,
            _ => Form::of(parameters).map_or(Self::Other, Self::Form),
        }
    }

    pub(super) const fn nal_codec(self) -> Option<NalCodec> {
        if let Self::Nal(codec) = self { Some(codec) } else { None }
    }

    /// Tells whether decoding can start with a frame; `None` if it can with every frame, or the frame
    /// is examined otherwise.
    pub(super) const fn key_test(self) -> Option<fn(&[u8]) -> bool> {
        if let Self::Form(form) = self { form.is_key } else { None }
    }

    /// Whether decoding can start with some frames only.
    pub(super) const fn has_key_frames(self) -> bool {
        self.nal_codec().is_some() || self.key_test().is_some()
    }

    /// Checks what can be told of a frame by itself; returns it as it is to be sent, without its
    /// ADTS header.
    pub(super) fn check(self, data: Bytes) -> Result<Bytes, InputError> {
        let len = data.len();
        if len == 0 {
            return Err(InputError::Empty);
        }
        if len > MAX_FRAME_LEN {
            return Err(InputError::TooLong { len });
        }
        match self {
            Self::Nal(codec) => check_annexb(codec, &data)?,
            Self::Aac => return without_adts(data),
            Self::MpegAudio => match mpeg_audio::FrameHeader::parse(&data) {
                Ok(header) if header.frame_len != len => {
                    return Err(InputError::NotOneFrame { len, frame_len: header.frame_len });
                }
                Ok(_) => {}
                Err(_) if mpeg_audio::FrameHeader::is_free_format(&data) => {}
                Err(_) => return Err(InputError::NotMpegAudio),
            },
            Self::Samples { block } if len % block != 0 => {
                return Err(InputError::PartialSamples { len, block });
            }
            Self::TransportStream
                if len % TS_PACKET_LEN != 0
                    || data.chunks(TS_PACKET_LEN).any(|p| p.first() != Some(&0x47)) =>
            {
                return Err(InputError::NotTransportPackets);
            }
            Self::Form(form) if !(form.fits)(&data) => {
                return Err(InputError::OtherForm { wanted: form.wanted });
            }
            Self::Samples { .. } | Self::TransportStream | Self::Form(_) | Self::Other => {}
        }
        Ok(data)
    }
}

fn check_annexb(codec: NalCodec, data: &[u8]) -> Result<(), InputError> {
    // Zero bytes may stand in front of a start code (ITU-T H.264 section B.1.1).
    let zeros = data.iter().take(64).take_while(|b| **b == 0).count();
    let rest = data.get(zeros..).unwrap_or_default();
    let (true, [1, nal @ ..]) = (zeros >= 2, rest) else {
        return Err(if is_length_prefixed(data) {
            InputError::LengthPrefixed
        } else {
            InputError::NoStartCode
        });
    };
    let Some(&header) = nal.first() else { return Ok(()) };
    let is_one = match codec {
        // The types from 24 on are of RTP (RFC 6184 section 5.2).
        NalCodec::H264 => header & 0x80 == 0 && (1..24).contains(&(header & 0x1f)),
        NalCodec::H265 => {
            header & 0x80 == 0 && header >> 1 <= 40 && nal.get(1).is_none_or(|b| b & 7 != 0)
        }
    };
    if is_one { Ok(()) } else { Err(InputError::OtherCodec) }
}

/// Whether lengths of four bytes, each in front of as many others, make up all of it.
pub(super) fn is_length_prefixed(data: &[u8]) -> bool {
    let mut rest = data;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        match behind.get(length..) {
            Some(next) if length > 0 => rest = next,
            _ => return false,
        }
    }
    rest.is_empty() && !data.is_empty()
}

/// Whether the first slice of a frame is not the first of its picture. The first bit of its header
/// tells: `first_mb_in_slice` of H.264 is 0 if it is set, and H.265 has
/// `first_slice_segment_in_pic_flag` there.
pub(super) fn continues_picture(codec: NalCodec, slice: &[u8]) -> bool {
    let at = match codec {
        NalCodec::H264 => 1,
        NalCodec::H265 => 2,
    };
    slice.get(at).is_some_and(|b| b & 0x80 == 0)
}

/// Takes the ADTS header off an access unit that comes with one. No access unit begins as ADTS
/// does: its first element would be the end.
fn without_adts(data: Bytes) -> Result<Bytes, InputError> {
    let is_loas = |data: &[u8]| matches!(data, [0x56, second, ..] if second & 0xe0 == 0xe0);
    if data.starts_with(b"ADIF") || is_loas(&data) && is_loas_frame(&data) {
        return Err(InputError::AacTransport);
    }
    if !matches!(data[..], [0xff, second, ..] if second & 0xf6 == 0xf0) {
        return Ok(data);
    }
    let header = AdtsHeader::parse(&data).ok().filter(|h| h.frame_len == data.len());
    header.and_then(|_| adts::access_unit(&data)).ok_or(InputError::AacTransport)
}

/// Whether what begins with the sync word of LOAS has the length that follows (ISO/IEC 14496-3
/// section 1.7.2).
fn is_loas_frame(data: &[u8]) -> bool {
    let Some(&[_, high, low]) = data.first_chunk() else { return false };
    usize::from(u16::from_be_bytes([high & 0x1f, low])) + 3 == data.len()
}

/// Notices frames of audio that are RTP packets: they look like anything, but count on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RtpLook {
    /// Payload type, sequence number and SSRC, if it were one.
    last: Option<(u8, u16, [u8; 4])>,
    run: u8,
}

impl RtpLook {
    /// Whether `data` and those before are packets.
    pub(super) fn sees_packet(&mut self, data: &[u8]) -> bool {
        let packet = match *data {
            [first, kind, high, low, _, _, _, _, a, b, c, d, _, ..] if first >> 6 == 2 => {
                Some((kind & 0x7f, u16::from_be_bytes([high, low]), [a, b, c, d]))
            }
            _ => None,
        };
        let follows = self.last.zip(packet).is_some_and(|(last, this)| {
            (this.0, this.2) == (last.0, last.2) && this.1 == last.1.wrapping_add(1)
        });
        self.run = if follows { self.run.saturating_add(1) } else { 0 };
        self.last = packet;
        self.run >= RTP_RUN
    }
}
