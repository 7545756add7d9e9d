//! [`PictureCodec`]: codecs of video without NAL units, whose pictures containers have as they are
//! sent, or nearly.

use crate::codec::av1::{self, Obu, obu_type};
use crate::codec::{CodecParameters, jpeg, mpeg_video, mpeg4_video, vp8, vp9};
use bytes::{Buf, Bytes, BytesMut};

/// A codec of video without NAL units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PictureCodec {
    Vp8,
    Vp9,
    Av1,
    Jpeg,
    MpegVideo,
    Mpeg4Video,
}

impl PictureCodec {
    /// Whether decoding can start with a picture. Containers say so too, but not reliably.
    pub(crate) fn is_key(self, picture: &[u8]) -> bool {
        match self {
            Self::Vp8 => vp8::is_key(picture),
            Self::Vp9 => vp9::is_key(picture),
            Self::Av1 => av1::is_key(picture),
            Self::Jpeg => true,
            Self::MpegVideo => mpeg_video::is_key(picture),
            Self::Mpeg4Video => mpeg4_video::is_key(picture),
        }
    }

    /// Completes `parameters` by a stored picture. Returns whether they hold now.
    ///
    /// # Errors
    /// Pictures of this kind cannot be sent; says why.
    pub(super) fn learn(
        self,
        parameters: &mut CodecParameters,
        picture: &[u8],
    ) -> Result<bool, String> {
        match parameters {
            CodecParameters::Jpeg => {
                let header = jpeg::Header::parse(picture).map_err(|e| e.to_string())?;
                if header.process != 0 || header.precision != 8 {
                    return Err("its JPEG is not baseline".into());
                }
            }
            CodecParameters::Vp9 { profile: profile @ None } => {
                *profile = vp9::FrameHeader::parse(picture).ok().map(|header| header.profile);
            }
            CodecParameters::Mpeg4Video { config } if config.is_empty() => {
                let found = mpeg4_video::config(picture);
                *config = found.map(Bytes::copy_from_slice).unwrap_or_default();
                return Ok(!config.is_empty());
            }
            CodecParameters::Av1 { sequence_header } if sequence_header.is_empty() => {
                let found = av1::sequence_header(&Bytes::copy_from_slice(picture));
                *sequence_header = found.unwrap_or_default();
            }
            _ => {}
        }
        Ok(true)
    }
}

/// A stored temporal unit of AV1 in the form of [`CodecParameters::Av1`]: without the delimiter in
/// front that some muxers leave there, and with a length in each OBU, which the last need not have.
/// `None` if it cannot be read.
pub(super) fn temporal_unit(mut stored: BytesMut) -> Option<BytesMut> {
    let is_delimiter = |obu: &Obu<'_>| obu.obu_type() == obu_type::TEMPORAL_DELIMITER;
    let delimiters = av1::obus(&stored).map_while(Result::ok).take_while(is_delimiter);
    let front = delimiters.map(|obu| obu.bytes.len()).sum();
    let is_sized = |obu: Result<Obu<'_>, _>| obu.is_ok_and(|obu| obu.has_size());
    stored.advance(front);
    if av1::obus(&stored).all(is_sized) {
        return Some(stored);
    }
    let mut unit = BytesMut::with_capacity(stored.len() + 8);
    for obu in av1::obus(&stored) {
        unit.extend_from_slice(&obu.ok()?.to_sized());
    }
    Some(unit)
}
