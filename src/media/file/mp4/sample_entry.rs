//! Sample entries: the codecs of a track (ISO/IEC 14496-12 sections 8.5.2 and 12, ISO/IEC 14496-14
//! section 6.7, ISO/IEC 14496-15, ISO/IEC 23003-5, the bindings of Opus, AV1, VP8 and VP9, ETSI TS
//! 102 366 annex F, 3GPP TS 26.244 section 6, and QuickTime's sound descriptions).

use super::boxes::{Kind, boxes_in, version_and_flags};
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::opus::OpusHead;
use crate::codec::{CodecParameters, PcmEncoding};
use crate::media::access_unit::NalCodec;
use crate::media::file::container::coding::Codec;
use crate::media::file::container::descriptions::{
    aac, ac3, av1, mpeg4_video, nal, opus, pcm, picture, sound as framed,
};
use crate::media::file::container::pictures::PictureCodec;
use crate::media::file::container::sounds::SoundCodec;
use crate::wire::{ParseError, Reader};

/// Sample entries of a track that are looked at.
const MAX_ENTRIES: usize = 16;
/// Descriptors within each other that are looked at.
const MAX_DESCRIPTORS: usize = 16;

/// The codec of a sample entry, or the reason for which it cannot be streamed.
pub(super) type Entry = Result<Codec, String>;

/// Reads the content of an `stsd` box.
pub(super) fn entries(stsd: &[u8], is_quicktime: bool) -> Vec<Entry> {
    let version = stsd.first().copied().unwrap_or(0);
    let entries = boxes_in(stsd.get(8..).unwrap_or_default()).take(MAX_ENTRIES);
    entries.map(|(kind, entry)| codec(kind, entry, is_quicktime || version == 0)).collect()
}

fn codec(kind: Kind, entry: &[u8], is_quicktime: bool) -> Entry {
    const VIDEO_FIELDS: usize = 78;
    let record = |kind: &Kind| {
        let boxes = entry.get(VIDEO_FIELDS..).unwrap_or_default();
        boxes_in(boxes).find(|(k, _)| k == kind).map(|(_, content)| content).unwrap_or_default()
    };
    match &kind {
        b"avc1" | b"avc3" | b"AVC1" => Ok(nal(NalCodec::H264, record(b"avcC"))),
        b"hvc1" | b"hev1" => Ok(nal(NalCodec::H265, record(b"hvcC"))),
        b"av01" => Ok(av1(record(b"av1C"))),
        b"vp08" => Ok(picture(CodecParameters::Vp8, PictureCodec::Vp8)),
        b"vp09" => {
            // Version and flags, profile.
            let profile = record(b"vpcC").get(4).copied();
            Ok(picture(CodecParameters::Vp9 { profile }, PictureCodec::Vp9))
        }
        b"jpeg" => Ok(picture(CodecParameters::Jpeg, PictureCodec::Jpeg)),
        b"mp4v" => mpeg4_visual(record(b"esds")),
        b"mp4a" | b".mp3" | b"ms\0\x55" | b"Opus" | b"ac-3" | b"ec-3" | b"samr" | b"sawb"
        | b"twos" | b"sowt" | b"raw " | b"NONE" | b"in24" | b"lpcm" | b"ipcm" | b"ulaw"
        | b"alaw" => {
            let sound = Sound::parse(entry, is_quicktime).map_err(|e| e.to_string())?;
            audio(&kind, &sound)
        }
        _ => Err(format!("{}: no RTP payload format for it here", name_of(kind))),
    }
}

/// For messages.
pub(super) fn name_of(kind: Kind) -> String {
    kind.escape_ascii().to_string()
}

/// An audio sample entry.
#[derive(Clone, Copy, Debug)]
struct Sound<'a> {
    channels: u64,
    bits: u32,
    rate: f64,
    /// Of QuickTime's version 2: the format of its `lpcm`.
    flags: u32,
    boxes: &'a [u8],
}

impl<'a> Sound<'a> {
    fn parse(entry: &'a [u8], is_quicktime: bool) -> Result<Self, ParseError> {
        const WHAT: &str = "sound description";
        let mut r = Reader::new(entry);
        r.take(8, WHAT)?; // reserved, data_reference_index
        let version = r.u16(WHAT)?;
        r.take(6, WHAT)?;
        let channels = r.u16(WHAT)?;
        let bits = r.u16(WHAT)?;
        r.take(4, WHAT)?;
        let rate = r.u32(WHAT)?;
        let mut sound = Self {
            channels: channels.into(),
            bits: bits.into(),
            rate: f64::from(rate) / 65_536.0,
            flags: 0,
            boxes: &[],
        };
        match version {
            1 if is_quicktime => {
                r.take(16, WHAT)?;
            }
            2 if is_quicktime => {
                r.take(4, WHAT)?;
                sound.rate = f64::from_bits(r.u64(WHAT)?);
                sound.channels = r.u32(WHAT)?.into();
                r.take(4, WHAT)?;
                sound.bits = r.u32(WHAT)?;
                sound.flags = r.u32(WHAT)?;
                r.take(8, WHAT)?;
            }
            _ => {}
        }
        sound.boxes = r.rest();
        // Rates above 65,535 Hz do not fit into the fixed field.
        if let Some((_, content)) = boxes_in(sound.boxes).find(|(kind, _)| kind == b"srat") {
            let mut r = Reader::new(content);
            version_and_flags(&mut r)?;
            sound.rate = f64::from(r.u32("srat")?);
        }
        Ok(sound)
    }

    /// A box of the entry, or of the `wave` box in it, where QuickTime puts them.
    fn find(&self, kind: &Kind) -> Option<&'a [u8]> {
        let mut all = boxes_in(self.boxes);
        let within = |content| boxes_in(content).find(|(k, _)| k == kind).map(|(_, found)| found);
        all.find_map(|(k, content)| match &k {
            k if k == kind => Some(content),
            b"wave" => within(content),
            _ => None,
        })
    }
}

fn audio(kind: &Kind, sound: &Sound<'_>) -> Entry {
    let samples =
        |encoding, little_endian| pcm(encoding, little_endian, sound.rate.round(), sound.channels);
    let unknown = || format!("{} of {} bits", name_of(*kind), sound.bits);
    match kind {
        b"mp4a" => mpeg4(sound),
        b".mp3" | b"ms\0\x55" => Ok(framed(CodecParameters::MpegAudio, SoundCodec::MpegAudio)),
        b"Opus" => opus(sound.find(b"dOps").map(OpusHead::parse_mp4), sound.channels),
        b"ac-3" | b"ec-3" => Ok(ac3(kind == b"ec-3")),
        b"samr" | b"sawb" => {
            let wideband = kind == b"sawb";
            let parameters = CodecParameters::Amr { wideband, channels: 1 };
            Ok(framed(parameters, SoundCodec::Amr { wideband }))
        }
        b"ulaw" => samples(PcmEncoding::Pcmu, false),
        b"alaw" => samples(PcmEncoding::Pcma, false),
        b"twos" | b"sowt" if sound.bits == 16 => samples(PcmEncoding::L16, kind == b"sowt"),
        b"twos" | b"sowt" if sound.bits == 24 => samples(PcmEncoding::L24, kind == b"sowt"),
        b"raw " | b"NONE" if sound.bits == 8 => samples(PcmEncoding::L8, false),
        b"raw " | b"NONE" if sound.bits == 16 => samples(PcmEncoding::L16, false),
        b"in24" => {
            let little = sound.find(b"enda").and_then(<[u8]>::last).is_some_and(|&byte| byte == 1);
            samples(PcmEncoding::L24, little)
        }
        b"lpcm" => {
            const FLOAT: u32 = 1;
            const BIG_ENDIAN: u32 = 2;
            let little = sound.flags & BIG_ENDIAN == 0;
            match sound.bits {
                _ if sound.flags & FLOAT != 0 => Err("lpcm of floating-point numbers".into()),
                16 => samples(PcmEncoding::L16, little),
                24 => samples(PcmEncoding::L24, little),
                _ => Err(unknown()),
            }
        }
        b"ipcm" => {
            let config = sound.find(b"pcmC").and_then(|c| c.get(4..)).and_then(<[u8]>::first_chunk);
            let &[flags, bits] = config.ok_or("ipcm without pcmC")?;
            match bits {
                16 => samples(PcmEncoding::L16, flags & 1 == 1),
                24 => samples(PcmEncoding::L24, flags & 1 == 1),
                _ => Err(format!("ipcm of {bits} bits")),
            }
        }
        _ => Err(unknown()),
    }
}

/// `mp4a`, by its elementary stream descriptor.
fn mpeg4(sound: &Sound<'_>) -> Entry {
    // What the sample entry says is not needed where there is a configuration.
    let audio = || (sound.rate.round(), sound.channels);
    let Some(esds) = sound.find(b"esds") else {
        return aac(&[], audio);
    };
    let config = decoder_config(esds).map_err(|e| e.to_string())?;
    let is_layered = matches!(object_type(config.specific), Some(32..=34));
    match config.object_type {
        // MPEG-4, and MPEG-2 AAC.
        0x40 | 0x66..=0x68 if !is_layered => {
            if !config.specific.is_empty() {
                AudioSpecificConfig::parse(config.specific).map_err(|e| e.to_string())?;
            }
            aac(config.specific, audio)
        }
        // MPEG-2 and MPEG-1 audio of any layer.
        0x40 | 0x69 | 0x6b => Ok(framed(CodecParameters::MpegAudio, SoundCodec::MpegAudio)),
        0xa5 => Ok(ac3(false)),
        0xa6 => Ok(ac3(true)),
        other => {
            Err(format!("mp4a with object type {other:#04x}: no RTP payload format for it here"))
        }
    }
}

/// `mp4v`, by its elementary stream descriptor.
fn mpeg4_visual(esds: &[u8]) -> Entry {
    let config = decoder_config(esds).map_err(|e| e.to_string())?;
    match config.object_type {
        0x20 => Ok(mpeg4_video(config.specific)),
        // MPEG-2 of any profile, and MPEG-1.
        0x60..=0x65 | 0x6a => Ok(picture(CodecParameters::MpegVideo, PictureCodec::MpegVideo)),
        0x6c => Ok(picture(CodecParameters::Jpeg, PictureCodec::Jpeg)),
        other => {
            Err(format!("mp4v with object type {other:#04x}: no RTP payload format for it here"))
        }
    }
}

/// The audio object type of an AudioSpecificConfig.
fn object_type(config: &[u8]) -> Option<u8> {
    let &[first, second] = config.first_chunk()?;
    Some(match first >> 3 {
        31 => 32 + ((first & 7) << 3 | second >> 5),
        short => short,
    })
}

/// A DecoderConfigDescriptor.
#[derive(Clone, Copy, Debug)]
struct DecoderConfig<'a> {
    object_type: u8,
    specific: &'a [u8],
}

/// Reads an `esds` box (ISO/IEC 14496-1 section 7.2.6).
fn decoder_config(esds: &[u8]) -> Result<DecoderConfig<'_>, ParseError> {
    let mut r = Reader::new(esds);
    version_and_flags(&mut r)?;
    let mut object_type = None;
    for _ in 0..MAX_DESCRIPTORS {
        let (tag, mut content) = descriptor(&mut r)?;
        match tag {
            // ES_Descriptor: what is in it follows some fields.
            3 => {
                content.u16("ES_ID")?;
                let flags = content.u8("flags of ES_Descriptor")?;
                if flags & 0x80 != 0 {
                    content.u16("dependsOn_ES_ID")?;
                }
                if flags & 0x40 != 0 {
                    let len = content.u8("URLlength")?;
                    content.take(len.into(), "URLstring")?;
                }
                if flags & 0x20 != 0 {
                    content.u16("OCR_ES_Id")?;
                }
                r = content;
            }
            4 => {
                object_type = Some(content.u8("objectTypeIndication")?);
                content.take(12, "DecoderConfigDescriptor")?;
                r = content;
                if r.is_empty() {
                    break;
                }
            }
            5 => {
                let object_type = object_type.ok_or_else(|| r.invalid("esds"))?;
                return Ok(DecoderConfig { object_type, specific: content.rest() });
            }
            _ => {}
        }
        if r.is_empty() {
            break;
        }
    }
    let object_type = object_type.ok_or_else(|| r.invalid("esds"))?;
    Ok(DecoderConfig { object_type, specific: &[] })
}

/// The next descriptor. One that claims more than there is has what there is.
fn descriptor<'a>(r: &mut Reader<'a>) -> Result<(u8, Reader<'a>), ParseError> {
    let tag = r.u8("descriptor tag")?;
    let mut len = 0_usize;
    for _ in 0..4 {
        let byte = r.u8("descriptor length")?;
        len = len << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let len = len.min(r.remaining().len());
    Ok((tag, r.sub(len, "descriptor")?))
}
