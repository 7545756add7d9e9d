//! [`Coding`]: how the frames that a container stores become those of [`crate::Frame`].

use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::codec::{CodecParameters, PcmEncoding, h264, h265};
use crate::media::access_unit::{self, NalCodec, SetsInForce};
use bytes::Bytes;

/// How the frames of a track become those of [`crate::Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// NAL units, each with its length in front in so many bytes, or in Annex B form.
    Nal { codec: NalCodec, length_size: usize },
    /// AAC; samples a frame and a second.
    Aac { samples: u16, rate: u32 },
    /// Frames with their own headers.
    MpegAudio,
    /// Bytes a sample of one channel are turned around where `little_endian`.
    Pcm { little_endian: bool, sample: usize, channels: usize, rate: u32 },
}

/// How a codec is described and its frames are coded.
pub(crate) type Codec = (CodecParameters, Coding);

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
    let coding = Coding::Aac { samples: config.frame_length, rate: config.sampling_rate };
    Ok((parameters, coding))
}

/// An access unit of AAC without the ADTS header that some muxers leave on it.
pub(crate) fn without_adts(unit: &mut Bytes) {
    if let Ok(header) = AdtsHeader::parse(unit) {
        if header.frame_len == unit.len() && header.raw_data_blocks == 1 {
            let _ = unit.split_to(header.header_len);
        }
    }
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

/// Bits a second of a track, where its codec tells.
pub(crate) fn bitrate(parameters: &CodecParameters) -> Option<u32> {
    let CodecParameters::Pcm { encoding, sampling_rate, channels } = parameters else {
        return None;
    };
    let sample = u32::try_from(encoding.bytes_per_sample()).ok()?.checked_mul(8)?;
    sampling_rate.checked_mul(u32::from(*channels))?.checked_mul(sample)
}
