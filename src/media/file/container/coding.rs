//! [`Coding`]: the form in which a container has the frames of a track, and what these tell of it.

use super::nal_units::annexb_in_place;
use super::pictures::PictureCodec;
use super::sounds::SoundCodec;
use crate::codec::CodecParameters;
use crate::media::access_unit::{self, NalCodec, SetsInForce};
use bytes::BytesMut;

/// The form in which a container has the frames of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// NAL units, each with its length in front in so many bytes, or in Annex B form.
    Nal { codec: NalCodec, length_size: usize },
    /// Pictures of other codecs.
    Picture(PictureCodec),
    /// Frames of sound, whose length their codec tells.
    Sound(SoundCodec),
    /// Samples. The bytes of one of one channel are turned around where `little_endian`.
    Pcm { little_endian: bool, sample: usize, channels: usize, rate: u32 },
}

impl Coding {
    pub(crate) const fn is_video(self) -> bool {
        matches!(self, Self::Nal { .. } | Self::Picture(_))
    }
}

/// The description of a codec, and the coding of its frames.
pub(crate) type Codec = (CodecParameters, Coding);

/// Whether `parameters` hold without a look at the frames of the track.
pub(crate) fn is_known(parameters: &CodecParameters, coding: Coding) -> bool {
    match (parameters, coding) {
        (_, Coding::Nal { .. }) => access_unit::is_complete(parameters),
        (CodecParameters::Mpeg4Video { config }, _) => !config.is_empty(),
        (CodecParameters::Av1 { sequence_header }, _) => !sequence_header.is_empty(),
        // Of JPEG, a picture tells that it can be sent.
        (CodecParameters::Jpeg | CodecParameters::Vp9 { profile: None }, _)
        | (_, Coding::Sound(SoundCodec::Ac3)) => false,
        _ => true,
    }
}

/// Completes `parameters` by `data`, a stored frame. Returns whether they hold now.
///
/// # Errors
/// The track cannot be streamed; says why.
pub(crate) fn learn(
    parameters: &mut CodecParameters,
    coding: Coding,
    data: BytesMut,
) -> Result<bool, String> {
    match coding {
        Coding::Nal { codec, length_size } => {
            let Some((data, _)) = annexb_in_place(data, 0, length_size) else { return Ok(false) };
            let found = access_unit::leading_units(codec, &data);
            if let Some(mut sets) = SetsInForce::new(parameters) {
                sets.note(&data, &found, false);
                *parameters = sets.parameters();
            }
            Ok(access_unit::is_complete(parameters))
        }
        Coding::Picture(codec) => codec.learn(parameters, &data),
        Coding::Sound(codec) => codec.learn(parameters, &data),
        Coding::Pcm { .. } => Ok(true),
    }
}

/// Bits a second of a track, where its codec tells.
pub(crate) fn bitrate(parameters: &CodecParameters) -> Option<u32> {
    let CodecParameters::Pcm { encoding, sampling_rate, channels } = parameters else {
        return None;
    };
    let sample = u32::try_from(encoding.bytes_per_sample()).ok()?.checked_mul(8)?;
    sampling_rate.checked_mul(u32::from(*channels))?.checked_mul(sample)
}
