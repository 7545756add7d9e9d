//! Track entries (RFC 9559 section 5.1.4) and their meaning for RTP.
//!
//! Only what streaming needs is read. An element that is missing, empty or cannot be read has the
//! default of RFC 9559 where there is one, and no other element of the entry matters: its size,
//! its language, its name may be anything.

use super::ebml::{child, children, id, number, positive, positive_real, text};
use super::foreign;
use crate::codec::opus::OpusHead;
use crate::codec::vorbis::split_private;
use crate::codec::{CodecParameters, PcmEncoding};
use crate::media::access_unit::NalCodec;
use crate::media::file::container::coding::{Codec, Coding, is_known};
use crate::media::file::container::descriptions::{
    aac, ac3, av1, mpeg4_video, nal, opus, pcm, picture, sound, vorbis,
};
use crate::media::file::container::pictures::PictureCodec;
use crate::media::file::container::sounds::SoundCodec;
use bytes::Bytes;
use std::time::Duration;

/// Most bytes that header stripping may put in front of each frame.
const MAX_STRIPPED: usize = 1024;

/// A track that can be streamed.
#[derive(Clone, Debug)]
pub(super) struct TrackInfo {
    pub(super) number: u64,
    pub(super) parameters: CodecParameters,
    pub(super) coding: Coding,
    /// The parameters hold; otherwise frames have to be looked at.
    pub(super) is_known: bool,
    /// Bytes that the muxer took off the front of each frame.
    pub(super) stripped: Bytes,
    /// Of one frame, if constant.
    pub(super) default_duration: Option<Duration>,
    /// Comes off each timestamp.
    pub(super) codec_delay: Duration,
}

impl TrackInfo {
    pub(super) const fn is_video(&self) -> bool {
        self.coding.is_video()
    }
}

/// Reads the data of a `TrackEntry`. The error says why the track cannot be streamed.
pub(super) fn track(entry: &[u8]) -> Result<TrackInfo, String> {
    let number_of = number(entry, id::TRACK_NUMBER).ok_or("it has no number")?;
    let (parameters, coding) = codec(entry)?;
    Ok(TrackInfo {
        number: number_of,
        is_known: is_known(&parameters, coding),
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
        "V_VP8" => Ok(picture(CodecParameters::Vp8, PictureCodec::Vp8)),
        "V_VP9" => {
            let profile = vp9_profile(private);
            Ok(picture(CodecParameters::Vp9 { profile }, PictureCodec::Vp9))
        }
        "V_AV1" => Ok(av1(private)),
        "V_MJPEG" => Ok(picture(CodecParameters::Jpeg, PictureCodec::Jpeg)),
        "V_MPEG1" | "V_MPEG2" => Ok(picture(CodecParameters::MpegVideo, PictureCodec::MpegVideo)),
        "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => Ok(mpeg4_video(private)),
        "A_OPUS" => {
            let head = (!private.is_empty()).then(|| OpusHead::parse(private));
            opus(head, audio(entry).1)
        }
        "A_VORBIS" => vorbis(split_private(&Bytes::copy_from_slice(private))),
        "A_AC3" | "A_AC3/BSID9" | "A_AC3/BSID10" => Ok(ac3(false)),
        "A_EAC3" => Ok(ac3(true)),
        "A_MPEG/L1" | "A_MPEG/L2" | "A_MPEG/L3" => {
            Ok(sound(CodecParameters::MpegAudio, SoundCodec::MpegAudio))
        }
        "A_PCM/INT/LIT" => integer_pcm(entry, true),
        "A_PCM/INT/BIG" => integer_pcm(entry, false),
        _ if name.starts_with("A_AAC") => aac(private, || audio(entry)),
        _ => Err(format!("{name}: no RTP payload format for it here")),
    }
}

/// The profile, the feature with the id 1 of the VP Codec ISO Media File Format Binding's
/// CodecPrivate (Matroska codec mappings, "V_VP9"): triplets of id, length and value.
fn vp9_profile(private: &[u8]) -> Option<u8> {
    const PROFILE: u8 = 1;
    let mut rest = private;
    while let [id, len, after @ ..] = rest {
        let (value, behind) = after.split_at_checked(usize::from(*len))?;
        if *id == PROFILE {
            return value.first().copied();
        }
        rest = behind;
    }
    None
}

/// Sampling rate and channels.
fn audio(entry: &[u8]) -> (f64, u64) {
    let audio = child(entry, id::AUDIO).unwrap_or_default();
    let rate = positive_real(audio, id::SAMPLING_FREQUENCY).unwrap_or(8000.0);
    let channels = positive(audio, id::CHANNELS).unwrap_or(1);
    (rate.round(), channels)
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
