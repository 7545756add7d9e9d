//! MPEG-1 and MPEG-2 video streams (`.m1v`, `.m2v`, `.mpv`). Their sequence headers are to them what
//! parameter sets are to H.264.

use super::h26x::{Codec, H26xProbe, behind_headers};
use super::{Probe, ProbeError};
use crate::codec::CodecParameters;
use crate::codec::mpeg_video::start_code;
use crate::codec::start_codes::start_codes;
use crate::framer::mpeg_video::MpegVideoFramer;
use crate::framer::video::AnyVideoFramer;
use crate::media::FrameMemory;
use bytes::Bytes;
use std::path::Path;

/// Starts a probe of an MPEG-1 or MPEG-2 video file.
pub fn probe_mpeg_video(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(H26xProbe::open(path, &MpegVideo)?))
}

/// MPEG-1 or MPEG-2 video.
#[derive(Debug)]
pub(super) struct MpegVideo;

impl Codec for MpegVideo {
    fn name(&self) -> &'static str {
        "MPEG video"
    }

    fn framer(&self, max_access_unit: usize) -> Box<AnyVideoFramer> {
        Box::new(MpegVideoFramer::with_max_access_unit(max_access_unit))
    }

    fn parameters(&self, _sets: Vec<Bytes>) -> CodecParameters {
        CodecParameters::MpegVideo
    }

    fn after_seek(&self, data: Bytes, sets: &[Bytes], memory: &mut FrameMemory) -> Bytes {
        let headers = start_codes(&data).map(|(_, code)| code);
        let has_sequence = headers
            .take_while(|&code| code != start_code::PICTURE)
            .any(|code| code == start_code::SEQUENCE);
        if has_sequence {
            return data;
        }
        behind_headers(data, sets, memory)
    }
}
