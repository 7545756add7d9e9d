//! [`KeyFrameTest`]: how a payload format tells from the bytes of a frame whether decoding can
//! start with it.

use crate::framer::leading::{NalCodec, leading_units};

/// What the bytes of a frame, or of one piece of an access unit, say of its picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureFacts {
    /// Nothing in the bytes speaks against a start of decoding here. A frame whose source does
    /// not call it a key frame is none all the same.
    pub can_start: bool,
    /// The bytes contain a part of the picture, so that no later piece of the access unit is where
    /// decoding starts.
    pub has_picture: bool,
}

impl PictureFacts {
    /// The facts about bytes that contain a part of a picture, at which decoding can start or not.
    pub const fn picture(can_start: bool) -> Self {
        Self { can_start, has_picture: true }
    }
}

/// Says what a frame's bytes show. It is called for every frame of a stream, so that its cost must
/// not grow with the frame.
pub type KeyFrameTest = fn(&[u8]) -> PictureFacts;

pub(super) fn h264(data: &[u8]) -> PictureFacts {
    of_nal_units(NalCodec::H264, data)
}

pub(super) fn h265(data: &[u8]) -> PictureFacts {
    of_nal_units(NalCodec::H265, data)
}

/// Pictures of I slices that nothing else marks count too: the source, which may know more of what
/// follows, has the last word on them.
fn of_nal_units(codec: NalCodec, data: &[u8]) -> PictureFacts {
    let found = leading_units(codec, data);
    PictureFacts { can_start: found.key || found.intra, has_picture: found.slice }
}
