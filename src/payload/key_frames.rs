//! [`KeyFrameTest`]: recognizes by the bytes of a frame whether decoding can start with it.

use crate::framer::leading::{NalCodec, leading_units};

/// Facts about the picture in a frame, or in a piece of an access unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureFacts {
    /// Whether the bytes permit a start of decoding. A frame that its source does not flag as a key
    /// frame is none nevertheless.
    pub can_start: bool,
    /// Whether the bytes contain a part of the picture, so that decoding cannot start at a later
    /// piece of the access unit.
    pub has_picture: bool,
}

impl PictureFacts {
    /// Creates the facts about bytes that contain a part of a picture.
    pub const fn picture(can_start: bool) -> Self {
        Self { can_start, has_picture: true }
    }
}

/// A function that examines the bytes of a frame. It is called for every frame of a stream, so its
/// cost must not grow with the frame.
pub type KeyFrameTest = fn(&[u8]) -> PictureFacts;

/// Facts about the payload of one RTP packet of a video stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PayloadFacts {
    /// Whether decoding can start with the picture to which the payload belongs.
    pub can_start: bool,
    /// Whether the payload contains a part of the picture. What is at the beginning of that part
    /// decides whether decoding can start.
    pub has_picture: bool,
    /// Whether the part of the picture refers to no other picture. Decoding can start with it if
    /// parameter sets precede it.
    pub is_intra: bool,
    /// Whether the payload contains parameter sets for the picture that follows. Most encoders send
    /// them before pictures only with which decoding can start.
    pub has_parameter_sets: bool,
}

/// A function that examines the payload of an RTP packet. It is called for the first packets of
/// each frame of a stream that is relayed, so its cost must not grow with the frame.
pub type PayloadTest = fn(&[u8]) -> PayloadFacts;

pub(super) fn h264(data: &[u8]) -> PictureFacts {
    of_nal_units(NalCodec::H264, data)
}

pub(super) fn h265(data: &[u8]) -> PictureFacts {
    of_nal_units(NalCodec::H265, data)
}

/// Pictures of I slices without any other mark are accepted too: the flag of the source, which may
/// know more about later pictures, decides.
fn of_nal_units(codec: NalCodec, data: &[u8]) -> PictureFacts {
    let found = leading_units(codec, data);
    PictureFacts { can_start: found.key || found.intra, has_picture: found.slice }
}
