//! Track entries (RFC 9559 section 5.1.4) and what they mean for RTP.
//!
//! Only what streaming needs is read. An element that is missing, empty or cannot be read has the
//! default of RFC 9559 where there is one, and no other element of the entry matters: its size,
//! its language, its name may be anything.

use super::ebml::{child, children, id, number, positive, positive_real, text};
use super::foreign;
use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::codec::{CodecParameters, PcmEncoding, h264, h265};
use crate::media::access_unit::{self, NalCodec, SetsInForce};
use bytes::Bytes;
use std::time::Duration;

/// Most bytes that header stripping may put in front of each frame.
const MAX_STRIPPED: usize = 1024;

/// How the frames of a track become those of [`crate::Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// NAL units, each with its length in front in so many bytes, or in Annex B form.
    Nal { codec: NalCodec, length_size: usize },
    /// AAC; samples a frame and a second.
    Aac { samples: u16, rate: u32 },
    /// Frames with their own headers.
    MpegAudio,
    /// Bytes a sample of one channel are turned around where `little_endian`.
    Pcm { little_endian: bool, sample: usize, channels: usize, rate: u32 },
}

/// A track that can be streamed.
#[derive(Clone, Debug)]
pub(super) struct TrackInfo {
    pub(super) number: u64,
    pub(super) parameters: CodecParameters,
    pub(super) coding: Coding,
    /// What the muxer took off the front of each frame.
    pub(super) stripped: Bytes,
    /// Of one frame, if constant.
    pub(super) default_duration: Option<Duration>,
    /// Comes off each timestamp.
    pub(super) codec_delay: Duration,
}

impl TrackInfo {
    pub(super) const fn is_video(&self) -> bool {
        matches!(self.coding, Coding::Nal { .. })
    }
}

/// How a codec is described and its frames are coded.
pub(super) type Codec = (CodecParameters, Coding);

/// Reads the data of a `TrackEntry`. The error says why the track cannot be streamed.
pub(super) fn track(entry: &[u8]) -> Result<TrackInfo, String> {
    let number_of = number(entry, id::TRACK_NUMBER).ok_or("it has no number")?;
    let (parameters, coding) = codec(entry)?;
    Ok(TrackInfo {
        number: number_of,
        parameters,
        coding,
        stripped: stripped(entry)?,
        default_duration: positive(entry, id::DEFAULT_DURATION).map(Duration::from_nanos),
        codec_delay: Duration::from_nanos(number(entry, id::CODEC_DELAY).unwrap_or(0)),
    })
}

/// RFC 9559 section 5.1.4.1.31.
fn stripped(entry: &[u8]) -> Result<Bytes, String> {
    const FRAMES: u64 = 1;
    const ENCRYPTION: u64 = 1;
    const STRIPPING: u64 = 3;
    let encodings = child(entry, id::CONTENT_ENCODINGS).unwrap_or_default();
    let mut encodings = children(encodings).filter(|(id, _)| *id == id::CONTENT_ENCODING);
    let Some((_, encoding)) = encodings.next() else { return Ok(Bytes::new()) };
    if encodings.next().is_some() {
        return Err("encoded several times".into());
    }
    match number(encoding, id::CONTENT_ENCODING_TYPE).unwrap_or(0) {
        0 => {}
        ENCRYPTION => return Err("encrypted".into()),
        _ => return Err("encoded in an unknown way".into()),
    }
    let compression = child(encoding, id::CONTENT_COMPRESSION).unwrap_or_default();
    if number(compression, id::CONTENT_COMP_ALGO).unwrap_or(0) != STRIPPING {
        return Err("compressed".into());
    }
    let scope = positive(encoding, id::CONTENT_ENCODING_SCOPE);
    let settings = child(compression, id::CONTENT_COMP_SETTINGS).unwrap_or_default();
    // Other scopes are the CodecPrivate, which nobody strips.
    if scope.unwrap_or(FRAMES) != FRAMES || settings.len() > MAX_STRIPPED {
        return Err("unusual header stripping".into());
    }
    Ok(Bytes::copy_from_slice(settings))
}

/// The CodecID says what the track is; its TrackType is not needed for that.
fn codec(entry: &[u8]) -> Result<Codec, String> {
    let name = text(entry, id::CODEC_ID).unwrap_or_default();
    let private = child(entry, id::CODEC_PRIVATE).unwrap_or_default();
    match name {
        "V_MPEG4/ISO/AVC" => Ok(nal(NalCodec::H264, private)),
        "V_MPEGH/ISO/HEVC" => Ok(nal(NalCodec::H265, private)),
        "V_MS/VFW/FOURCC" => foreign::video(private),
        "A_MS/ACM" => foreign::audio(private),
        "A_MPEG/L1" | "A_MPEG/L2" | "A_MPEG/L3" => {
            Ok((CodecParameters::MpegAudio, Coding::MpegAudio))
        }
        "A_PCM/INT/LIT" => integer_pcm(entry, true),
        "A_PCM/INT/BIG" => integer_pcm(entry, false),
        _ if name.starts_with("A_AAC") => aac(private, || audio(entry)),
        _ => Err(format!("{name}: no RTP payload format for it here")),
    }
}

/// H.264 or H.265 with the parameter sets in `private`, an `avcC` or `hvcC` record or Annex B, as
/// far as they are there. The others are in the stream.
pub(super) fn nal(codec: NalCodec, private: &[u8]) -> Codec {
    const USUAL_LENGTH: usize = 4;
    let annexb = private.starts_with(&[0, 0, 1]) || private.starts_with(&[0, 0, 0, 1]);
    let mut parameters = match codec {
        NalCodec::H264 => CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() },
        NalCodec::H265 => {
            CodecParameters::H265 { vps: Vec::new(), sps: Vec::new(), pps: Vec::new() }
        }
    };
    let mut length_size = USUAL_LENGTH;
    match codec {
        _ if private.is_empty() => {}
        _ if annexb => {
            let found = access_unit::leading_units(codec, private);
            if let Some(mut in_force) = SetsInForce::new(&parameters) {
                in_force.note(private, &found, false);
                parameters = in_force.parameters();
            }
        }
        NalCodec::H264 => match h264::parse_avcc(private) {
            Ok((size, sps, pps)) => {
                length_size = size;
                parameters = CodecParameters::H264 { sps, pps };
            }
            Err(e) => log::debug!("matroska: goes on without avcC: {e}"),
        },
        NalCodec::H265 => match h265::parse_hvcc(private) {
            Ok((size, vps, sps, pps)) => {
                length_size = size;
                parameters = CodecParameters::H265 { vps, sps, pps };
            }
            Err(e) => log::debug!("matroska: goes on without hvcC: {e}"),
        },
    }
    (parameters, Coding::Nal { codec, length_size })
}

/// Sampling rate and channels.
fn audio(entry: &[u8]) -> (f64, u64) {
    let audio = child(entry, id::AUDIO).unwrap_or_default();
    let rate = positive_real(audio, id::SAMPLING_FREQUENCY).unwrap_or(8000.0);
    let channels = positive(audio, id::CHANNELS).unwrap_or(1);
    (rate.round(), channels)
}

/// AAC with the AudioSpecificConfig in `private`. Where there is none (the old names such as
/// A_AAC/MPEG4/LC came without), `audio` tells the sampling rate and the channels.
pub(super) fn aac(private: &[u8], audio: impl Fn() -> (f64, u64)) -> Result<Codec, String> {
    let written = AudioSpecificConfig::parse(private);
    let config = match &written {
        Ok(config) => *config,
        Err(e) => {
            if !private.is_empty() {
                log::debug!("matroska: goes on without AudioSpecificConfig: {e}");
            }
            let (rate, channels) = audio();
            let channels = u8::try_from(channels).map_err(|_| "too many channels")?;
            AudioSpecificConfig::lc(rate_of(rate)?, if channels == 8 { 7 } else { channels })
        }
    };
    let bytes = if written.is_ok() { Bytes::copy_from_slice(private) } else { config.to_bytes() };
    let channels = match config.channels {
        0 => u8::try_from(audio().1).unwrap_or(2),
        n => n,
    };
    let parameters =
        CodecParameters::Aac { config: bytes, sampling_rate: config.sampling_rate, channels };
    let coding = Coding::Aac { samples: config.frame_length, rate: config.sampling_rate };
    Ok((parameters, coding))
}

/// An access unit of AAC without the ADTS header that some muxers leave on it.
pub(super) fn without_adts(unit: &mut Bytes) {
    if let Ok(header) = AdtsHeader::parse(unit) {
        if header.frame_len == unit.len() && header.raw_data_blocks == 1 {
            let _ = unit.split_to(header.header_len);
        }
    }
}

fn integer_pcm(entry: &[u8], little_endian: bool) -> Result<Codec, String> {
    let (rate, channels) = audio(entry);
    let bits = child(entry, id::AUDIO).and_then(|audio| number(audio, id::BIT_DEPTH));
    let encoding = match bits {
        Some(8) => PcmEncoding::L8,
        Some(16) => PcmEncoding::L16,
        Some(24) => PcmEncoding::L24,
        Some(other) => return Err(format!("PCM of {other} bits")),
        None => return Err("PCM of an unknown number of bits".into()),
    };
    pcm(encoding, little_endian, rate, channels)
}

pub(super) fn pcm(
    encoding: PcmEncoding,
    little_endian: bool,
    rate: f64,
    channels: u64,
) -> Result<Codec, String> {
    let sampling_rate = rate_of(rate)?;
    let channels = u8::try_from(channels).map_err(|_| "too many channels")?;
    let sample = encoding.bytes_per_sample();
    let coding =
        Coding::Pcm { little_endian, sample, channels: usize::from(channels), rate: sampling_rate };
    Ok((CodecParameters::Pcm { encoding, sampling_rate, channels }, coding))
}

fn rate_of(rate: f64) -> Result<u32, String> {
    if !(1000.0..=768_000.0).contains(&rate) {
        return Err("impossible sampling rate".into());
    }
    // In range, so nothing is lost.
    Ok(rate as u32)
}
