//! [`Form`]: what can be told of a frame by itself, for codecs whose frames have no transport framing.

use crate::codec::{
    CodecParameters, ac3, amr, av1, klv, mpeg_video, mpeg4_video, onvif_metadata, opus, vp8, vp9,
};

/// The form that the frames of a codec have.
#[derive(Debug)]
pub(super) struct Form {
    /// What is wanted, for an error.
    pub(super) wanted: &'static str,
    /// Whether bytes have the form.
    pub(super) fits: fn(&[u8]) -> bool,
    /// Whether decoding can start with a frame; `None` if it can with every frame.
    pub(super) is_key: Option<fn(&[u8]) -> bool>,
}

impl Form {
    /// The form of the frames of a track, if there is one.
    pub(super) fn of(parameters: &CodecParameters) -> Option<&'static Self> {
        Some(match parameters {
            CodecParameters::Vp8 => &Self {
                wanted: "one frame of VP8",
                fits: |data| vp8::FrameHeader::parse(data).is_ok(),
                is_key: Some(vp8::is_key),
            },
            CodecParameters::Vp9 { .. } => &Self {
                wanted: "one frame or superframe of VP9",
                fits: |data| vp9::FrameHeader::parse(data).is_ok(),
                is_key: Some(vp9::is_key),
            },
            CodecParameters::Av1 { .. } => &Self {
                wanted: "a temporal unit of AV1 in the low-overhead format, each OBU with its length",
                fits: is_temporal_unit,
                is_key: Some(av1::is_key),
            },
            CodecParameters::Jpeg => {
                &Self { wanted: "one JPEG file, from FF D8 to FF D9", fits: is_jpeg, is_key: None }
            }
            CodecParameters::MpegVideo => &Self {
                wanted: "one picture of MPEG-1 or MPEG-2 video with the headers before it",
                fits: |data| {
                    has_start_code(data) && mpeg_video::Headers::read(data).picture.is_some()
                },
                is_key: Some(mpeg_video::is_key),
            },
            CodecParameters::Mpeg4Video { .. } => &Self {
                wanted: "one VOP of MPEG-4 video with the headers before it",
                fits: |data| has_start_code(data) && mpeg4_video::Headers::read(data).vop.is_some(),
                is_key: Some(mpeg4_video::is_key),
            },
            CodecParameters::Opus { .. } => &Self {
                wanted: "one packet of Opus, without a container (Ogg)",
                fits: |data| !data.starts_with(b"OggS") && opus::packet_duration(data).is_some(),
                is_key: None,
            },
            CodecParameters::Vorbis { .. } => &Self {
                wanted: "one audio packet of Vorbis, without a container (Ogg)",
                fits: |data| !data.starts_with(b"OggS") && data.first().is_some_and(|b| b & 1 == 0),
                is_key: None,
            },
            CodecParameters::Ac3 { .. } => &Self {
                wanted: "one synchronization frame of AC-3",
                fits: |data| is_ac3(data, false),
                is_key: None,
            },
            CodecParameters::Eac3 { .. } => &Self {
                wanted: "one access unit of Enhanced AC-3",
                fits: |data| is_ac3(data, true),
                is_key: None,
            },
            CodecParameters::Amr { wideband: false, .. } => &Self {
                wanted: "frames of AMR in the storage form: a header byte, and whole bytes of speech",
                fits: |data| is_amr(data, false),
                is_key: None,
            },
            CodecParameters::Amr { wideband: true, .. } => &Self {
                wanted: "frames of AMR-WB in the storage form: a header byte, and whole bytes of speech",
                fits: |data| is_amr(data, true),
                is_key: None,
            },
            CodecParameters::Gsm => &Self {
                wanted: "frames of GSM full rate, 33 bytes each, that begin with a nibble of 13",
                fits: |data| data.len() % 33 == 0 && data.chunks(33).all(begins_with_13),
                is_key: None,
            },
            CodecParameters::Klv { .. } => &Self {
                wanted: "whole items of KLV, each with its universal label and length",
                fits: klv::is_unit,
                is_key: None,
            },
            CodecParameters::OnvifMetadata => &Self {
                wanted: "one XML document in UTF-8",
                fits: onvif_metadata::is_document,
                is_key: None,
            },
            CodecParameters::Text => &Self {
                wanted: "text in UTF-8",
                fits: |data| std::str::from_utf8(data).is_ok(),
                is_key: None,
            },
            _ => return None,
        })
    }
}

fn has_start_code(data: &[u8]) -> bool {
    data.starts_with(&[0, 0, 1])
}

fn is_temporal_unit(data: &[u8]) -> bool {
    av1::obus(data).all(|obu| obu.is_ok_and(|obu| obu.has_size()))
}

/// Fill bytes may follow the end of image.
fn is_jpeg(data: &[u8]) -> bool {
    let end = data.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let data = data.get(..end).unwrap_or_default();
    data.starts_with(&[0xff, 0xd8, 0xff]) && data.ends_with(&[0xff, 0xd9])
}

fn is_ac3(data: &[u8], enhanced: bool) -> bool {
    let unit = ac3::access_unit(data);
    unit.is_ok_and(|unit| unit.len == data.len() && (enhanced || !unit.first.enhanced))
}

fn is_amr(data: &[u8], wideband: bool) -> bool {
    let mut rest = data;
    while let Some(&header) = rest.first() {
        let len = amr::frame_len(header, wideband).filter(|_| header & 0x83 == 0);
        let Some(next) = len.and_then(|len| rest.get(len..)) else { return false };
        rest = next;
    }
    true
}

fn begins_with_13(frame: &[u8]) -> bool {
    frame.first().is_some_and(|byte| byte >> 4 == 13)
}
