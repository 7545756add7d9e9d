//! MPEG-1 and MPEG-2 video in SDP (RFC 3555 section 4.1.8, static payload type 32) and in the
//! registry.

use super::depacketizer::MpvDepacketizer;
use super::header::{picture_type, split};
use super::packetizer::MpvPacketizer;
use crate::codec::CodecParameters;
use crate::codec::mpeg_video::{Headers, PictureType};
use crate::payload::key_frames::{PayloadFacts, PictureFacts};
use crate::payload::plain_entry::PlainEntry;

const CLOCK_RATE: u32 = 90_000;

/// The registry entry of MPEG-1 and MPEG-2 video.
pub(in crate::payload) const ENTRY: PlainEntry = PlainEntry {
    media: "video",
    names: &["MPV"],
    clock_rate: CLOCK_RATE,
    fmtp: |parameters| matches!(parameters, CodecParameters::MpegVideo).then_some(None),
    parameters: |_| CodecParameters::MpegVideo,
    packetizer: |_| Box::new(MpvPacketizer::new()),
    depacketizer: |_| Box::new(MpvDepacketizer::new()),
    key_frame_test: Some(picture_facts),
    payload_test: Some(payload_facts),
};

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
