//! Codecs in the wrappers of Microsoft's formats: `A_MS/ACM` with a WAVEFORMATEX and
//! `V_MS/VFW/FOURCC` with a BITMAPINFOHEADER as CodecPrivate (Matroska codec mappings, sections
//! "A_MS/ACM" and "V_MS/VFW/FOURCC"). Both are little-endian.

use crate::codec::{CodecParameters, PcmEncoding};
use crate::media::access_unit::NalCodec;
use crate::media::file::container::coding::Codec;
use crate::media::file::container::descriptions::{
    aac, ac3, av1, mpeg4_video, nal, opus, pcm, picture, sound,
};
use crate::media::file::container::pictures::PictureCodec;
use crate::media::file::container::sounds::SoundCodec;
use crate::wire::{ParseError, Reader};

/// Bytes of a WAVEFORMATEX that all formats have, without the count of the extra bytes.
const WAVE_FORMAT_LEN: usize = 16;
/// Bytes of a WAVEFORMATEXTENSIBLE in front of the sub-format: valid bits, channel mask.
const BEFORE_SUB_FORMAT: usize = 6;
/// Bytes of a BITMAPINFOHEADER, and of it in front of the compression code.
const BITMAP_INFO_LEN: usize = 40;
const BEFORE_COMPRESSION: usize = 16;

/// Format tags of RFC 2361, and those that it does not know yet.
mod tag {
    pub(super) const PCM: u16 = 1;
    pub(super) const A_LAW: u16 = 6;
    pub(super) const MU_LAW: u16 = 7;
    pub(super) const MPEG: u16 = 0x50;
    pub(super) const MPEG_LAYER_3: u16 = 0x55;
    pub(super) const RAW_AAC: u16 = 0xff;
    pub(super) const ADTS_AAC: u16 = 0x1600;
    pub(super) const HE_AAC: u16 = 0x1610;
    pub(super) const AC3: u16 = 0x2000;
    pub(super) const OPUS: u16 = 0x704f;
    pub(super) const EXTENSIBLE: u16 = 0xfffe;
}

/// The fields of a WAVEFORMATEX that are needed.
#[derive(Clone, Copy, Debug)]
struct WaveFormat<'a> {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
    extra: &'a [u8],
}

impl<'a> WaveFormat<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "WAVEFORMATEX";
        let mut r = Reader::new(bytes);
        let mut fixed = Reader::new(r.take(WAVE_FORMAT_LEN, WHAT)?);
        let mut tag = fixed.u16(WHAT)?.swap_bytes();
        let channels = fixed.u16(WHAT)?.swap_bytes();
        let rate = fixed.u32(WHAT)?.swap_bytes();
        fixed.take(6, WHAT)?; // bytes a second, block align: what others say of it suffices
        let bits = fixed.u16(WHAT)?.swap_bytes();
        // The count of the extra bytes is not needed: they end with the element.
        let extra = r.rest().get(2..).unwrap_or_default();
        if tag == tag::EXTENSIBLE {
            if let Some(&sub) = extra.get(BEFORE_SUB_FORMAT..).and_then(|s| s.first_chunk()) {
                tag = u16::from_le_bytes(sub);
            }
        }
        Ok(Self { tag, channels, rate, bits, extra })
    }
}

/// The codec that a WAVEFORMATEX stands for.
pub(super) fn audio(private: &[u8]) -> Result<Codec, String> {
    let format = WaveFormat::parse(private).map_err(|e| format!("A_MS/ACM: {e}"))?;
    let (rate, channels) = (f64::from(format.rate), u64::from(format.channels.max(1)));
    let samples = |encoding| pcm(encoding, true, rate, channels);
    match (format.tag, format.bits) {
        (tag::PCM, 8) => samples(PcmEncoding::L8),
        (tag::PCM, 16) => samples(PcmEncoding::L16),
        (tag::PCM, 24) => samples(PcmEncoding::L24),
        (tag::A_LAW, _) => samples(PcmEncoding::Pcma),
        (tag::MU_LAW, _) => samples(PcmEncoding::Pcmu),
        (tag::MPEG | tag::MPEG_LAYER_3, _) => {
            Ok(sound(CodecParameters::MpegAudio, SoundCodec::MpegAudio))
        }
        (tag::AC3, _) => Ok(ac3(false)),
        (tag::OPUS, _) => opus(None, channels),
        (tag::RAW_AAC, _) => aac(format.extra, || (rate, channels)),
        // Each frame tells what it is; the extra bytes are no AudioSpecificConfig.
        (tag::ADTS_AAC | tag::HE_AAC, _) => aac(&[], || (rate, channels)),
        (tag, bits) => {
            Err(format!("A_MS/ACM {tag:#06x}, {bits} bits: no RTP payload format for it here"))
        }
    }
}

/// The codec that a BITMAPINFOHEADER stands for.
pub(super) fn video(private: &[u8]) -> Result<Codec, String> {
    let code = private.get(BEFORE_COMPRESSION..).and_then(|rest| rest.first_chunk::<4>());
    let code = code.ok_or("V_MS/VFW/FOURCC: a short BITMAPINFOHEADER")?.to_ascii_uppercase();
    let private = private.get(BITMAP_INFO_LEN..).unwrap_or_default();
    let codec = match &code[..] {
        b"H264" | b"X264" | b"AVC1" | b"AVC3" | b"DAVC" | b"VSSH" | b"Q264" | b"V264" => {
            NalCodec::H264
        }
        b"HEVC" | b"H265" | b"X265" | b"HVC1" | b"HEV1" => NalCodec::H265,
        b"XVID" | b"DIVX" | b"DX50" | b"MP4V" | b"FMP4" | b"M4S2" => {
            return Ok(mpeg4_video(private));
        }
        b"MPG1" | b"MPEG" | b"MPG2" | b"MP2V" => {
            return Ok(picture(CodecParameters::MpegVideo, PictureCodec::MpegVideo));
        }
        b"MJPG" => return Ok(picture(CodecParameters::Jpeg, PictureCodec::Jpeg)),
        b"VP80" => return Ok(picture(CodecParameters::Vp8, PictureCodec::Vp8)),
        b"VP90" => {
            return Ok(picture(CodecParameters::Vp9 { profile: None }, PictureCodec::Vp9));
        }
        b"AV01" => return Ok(av1(private)),
        _ => {
            let code = String::from_utf8_lossy(&code).into_owned();
            return Err(format!("V_MS/VFW/FOURCC {code}: no RTP payload format for it here"));
        }
    };
    Ok(nal(codec, private))
}
