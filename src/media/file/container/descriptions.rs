//! Descriptions of codecs, as containers have them: the records that several containers share.

use super::coding::{Codec, Coding};
use super::pictures::PictureCodec;
use super::sounds::SoundCodec;
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::opus::OpusHead;
use crate::codec::{CodecParameters, PcmEncoding, av1, h264, h265, mpeg4_video, vorbis};
use crate::media::access_unit::{self, NalCodec, SetsInForce};
use crate::wire::ParseError;
use bytes::Bytes;

/// H.264 or H.265 with the parameter sets in `private`, an `avcC` or `hvcC` record or Annex B, as
/// far as they are there. The others are in the stream.
pub(crate) fn nal(codec: NalCodec, private: &[u8]) -> Codec {
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
            Err(e) => log::debug!("goes on without avcC: {e}"),
        },
        NalCodec::H265 => match h265::parse_hvcc(private) {
            Ok((size, vps, sps, pps)) => {
                length_size = size;
                parameters = CodecParameters::H265 { vps, sps, pps };
            }
            Err(e) => log::debug!("goes on without hvcC: {e}"),
        },
    }
    (parameters, Coding::Nal { codec, length_size })
}

/// AAC with the AudioSpecificConfig in `private`. Where there is none (the old names such as
/// A_AAC/MPEG4/LC came without), `audio` tells the sampling rate and the channels.
pub(crate) fn aac(private: &[u8], audio: impl Fn() -> (f64, u64)) -> Result<Codec, String> {
    let written = AudioSpecificConfig::parse(private);
    let config = match &written {
        Ok(config) => *config,
        Err(e) => {
            if !private.is_empty() {
                log::debug!("goes on without AudioSpecificConfig: {e}");
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
    let codec = SoundCodec::Aac { samples: config.frame_length, rate: config.sampling_rate };
    Ok((parameters, Coding::Sound(codec)))
}

pub(crate) fn pcm(
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

/// A codec of video that needs no description.
pub(crate) const fn picture(parameters: CodecParameters, codec: PictureCodec) -> Codec {
    (parameters, Coding::Picture(codec))
}

/// AV1 with an AV1CodecConfigurationRecord (AV1 Codec ISO Media File Format Binding, section 2.3)
/// as far as it is there.
pub(crate) fn av1(record: &[u8]) -> Codec {
    const FIELDS: usize = 4;
    let units = Bytes::copy_from_slice(record.get(FIELDS..).unwrap_or_default());
    let sequence_header = av1::sequence_header(&units).unwrap_or_default();
    picture(CodecParameters::Av1 { sequence_header }, PictureCodec::Av1)
}

/// MPEG-4 part 2 video with the headers in `private`, as far as they are there.
pub(crate) fn mpeg4_video(private: &[u8]) -> Codec {
    let config = mpeg4_video::config(private).map(Bytes::copy_from_slice).unwrap_or_default();
    picture(CodecParameters::Mpeg4Video { config }, PictureCodec::Mpeg4Video)
}

/// A codec of sound whose frames say everything.
pub(crate) const fn sound(parameters: CodecParameters, codec: SoundCodec) -> Codec {
    (parameters, Coding::Sound(codec))
}

/// AC-3 or E-AC-3. The first frame tells its sampling rate and channels.
pub(crate) const fn ac3(enhanced: bool) -> Codec {
    let (sampling_rate, channels) = (0, 0);
    let parameters = match enhanced {
        false => CodecParameters::Ac3 { sampling_rate, channels },
        true => CodecParameters::Eac3 { sampling_rate, channels },
    };
    sound(parameters, SoundCodec::Ac3)
}

/// Opus with its identification header (RFC 7845 section 5.1), or without one, which have one or two
/// channels.
pub(crate) fn opus(
    head: Option<Result<OpusHead, ParseError>>,
    channels: u64,
) -> Result<Codec, String> {
    let parameters = match head {
        Some(head) => head.map_err(|e| e.to_string())?.parameters(),
        None => {
            let channels = u8::try_from(channels).ok().filter(|n| (1..=2).contains(n));
            let channels = channels.ok_or("Opus of several channels without a mapping")?;
            CodecParameters::Opus { channels, mapping: None }
        }
    };
    Ok(sound(parameters, SoundCodec::Opus))
}

/// Vorbis with its three headers, if these could be told apart. The comments, which may be long, are
/// left out: a decoder does not need them.
pub(crate) fn vorbis(headers: Option<[Bytes; 3]>) -> Result<Codec, String> {
    // Vorbis I specification section 5.2.1: no vendor, no comments, the framing bit.
    const NO_COMMENTS: &[u8] = b"\x03vorbis\0\0\0\0\0\0\0\0\x01";
    let [identification, _, setup] = headers.ok_or("its headers cannot be told apart")?;
    let headers = [identification, Bytes::from_static(NO_COMMENTS), setup];
    let read = vorbis::Headers::parse(&headers).map_err(|e| e.to_string())?;
    let (sampling_rate, channels) = (read.sampling_rate, read.channels);
    let parameters = CodecParameters::Vorbis { sampling_rate, channels, headers };
    Ok(sound(parameters, SoundCodec::Vorbis))
}
