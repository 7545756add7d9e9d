//! MPEG-1 and MPEG-2 video in SDP (RFC 3555 section 4.1.8, static payload type 32) and in the
//! registry.

use super::depacketizer::MpvDepacketizer;
use super::header::{picture_type, split};
use super::packetizer::MpvPacketizer;
use crate::codec::CodecParameters;
use crate::codec::mpeg_video::{Headers, PictureType};
use crate::payload::depacketizer::Depacketizer;
use crate::payload::entry::FormatEntry;
use crate::payload::error::FormatError;
use crate::payload::format::PayloadFormat;
use crate::payload::key_frames::{KeyFrameTest, PayloadFacts, PayloadTest, PictureFacts};
use crate::payload::packetizer::Packetizer;

const CLOCK_RATE: u32 = 90_000;

/// The registry entry of MPEG-1 and MPEG-2 video.
pub(in crate::payload) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "video"
    }

    fn encoding_names(&self) -> &[&str] {
        &["MPV"]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let is_own = matches!(parameters, CodecParameters::MpegVideo);
        is_own.then(|| PayloadFormat::new("video", "MPV", CLOCK_RATE, payload_type))
    }

    fn parameters(&self, _: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(CodecParameters::MpegVideo)
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(MpvPacketizer::new())
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(MpvDepacketizer::new()))
    }

    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        Some(picture_facts)
    }

    fn payload_test(&self, _: &PayloadFormat) -> Option<PayloadTest> {
        Some(payload_facts)
    }
}

/// An I picture whose sequence header came before is accepted too: the flag of the source decides.
fn picture_facts(data: &[u8]) -> PictureFacts {
    let headers = Headers::read(data);
    PictureFacts { can_start: headers.is_intra(), has_picture: headers.first_slice.is_some() }
}

fn payload_facts(payload: &[u8]) -> PayloadFacts {
    let Ok((header, data)) = split(payload) else { return PayloadFacts::default() };
    let headers = Headers::read(data);
    PayloadFacts {
        can_start: headers.is_key(),
        // A fragment of a slice begins anywhere.
        has_picture: headers.first_slice.is_some() || !data.starts_with(&[0, 0, 1]),
        is_intra: headers.is_intra() || picture_type(header) == PictureType::I as u8,
        has_parameter_sets: headers.sequence.is_some(),
    }
}
