//! MPEG-4 part 2 video streams (`.m4e`, as live555 names them).

use super::h26x::{Codec, H26xProbe, behind_headers};
use super::{Probe, ProbeError};
use crate::codec::CodecParameters;
use crate::codec::mpeg4_video::Headers;
use crate::framer::annexb;
use crate::framer::mpeg4_video::Mpeg4VideoSyntax;
use crate::media::FrameMemory;
use bytes::Bytes;
use std::path::Path;

/// Starts a probe of an MPEG-4 part 2 video file.
pub fn probe_mpeg4_video(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(H26xProbe::<Mpeg4VideoSyntax>::open(path)?))
}

impl Codec for Mpeg4VideoSyntax {
    const NAME: &'static str = "MPEG-4 video";

    fn parameters(sets: Vec<Bytes>) -> CodecParameters {
        let config = annexb::from_nal_units(sets.iter().map(|set| &set[..]));
        CodecParameters::Mpeg4Video { config: config.into() }
    }

    fn after_seek(data: Bytes, sets: &[Bytes], memory: &mut FrameMemory) -> Bytes {
        match Headers::read(&data).has_layer {
            true => data,
            false => behind_headers(data, sets, memory),
        }
    }
}
