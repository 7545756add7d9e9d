//! MPEG-1, MPEG-2 and MPEG-2.5 audio (.mp3, .mp2).

use super::elementary::{Elementary, ElementaryProbe};
use super::{Probe, ProbeError};
use crate::codec::CodecParameters;
use crate::codec::mpeg_audio::FrameHeader;
use crate::framer::mpeg_audio::{MpegAudio, info};
use crate::framer::sync::{SyncFramer, Unit, UnitFramer};
use std::path::Path;

/// Its frames bring their own headers, and the RTP clock is 90 kHz whatever they say (RFC 3551
/// section 4.5.13): parameters may change.
impl Elementary for MpegAudio {
    fn name(&self) -> &'static str {
        "MPEG audio"
    }

    fn framer(&self) -> Box<dyn UnitFramer> {
        Box::new(SyncFramer::new(&Self))
    }

    fn parameters(&self, _first: &Unit) -> Result<CodecParameters, String> {
        Ok(CodecParameters::MpegAudio)
    }

    fn is_info(&self, first: &Unit) -> bool {
        info(first).is_some()
    }

    fn can_skip(&self) -> bool {
        true
    }

    fn complaint(&self, start: &[u8]) -> Option<&'static str> {
        FrameHeader::is_free_format(start).then_some("free format is not supported")
    }
}

/// Starts a probe of an MPEG audio file.
pub fn probe_mpeg_audio(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(ElementaryProbe::new(path, &MpegAudio)?))
}
