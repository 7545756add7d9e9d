//! MPEG-1, MPEG-2 and MPEG-2.5 audio (.mp3, .mp2).

use super::elementary::{Elementary, ElementaryProbe};
use super::{Probe, ProbeError};
use crate::codec::CodecParameters;
use crate::codec::mpeg_audio::FrameHeader;
use crate::framer::mpeg_audio::info;
use crate::framer::sync::{SyncFramer, Unit};
use std::path::Path;

impl Elementary for FrameHeader {
    const NAME: &'static str = "MPEG audio";
    type Framer = SyncFramer<Self>;
    const CAN_SKIP: bool = true;

    fn parameters(_first: &Unit<Self>) -> Result<CodecParameters, String> {
        Ok(CodecParameters::MpegAudio)
    }

    /// Its frames bring their own headers, and the RTP clock is 90 kHz whatever they say (RFC 3551
    /// section 4.5.13).
    fn same_parameters(&self, _other: &Self) -> bool {
        true
    }

    fn is_info(first: &Unit<Self>) -> bool {
        info(first).is_some()
    }

    fn complaint(start: &[u8]) -> Option<&'static str> {
        Self::is_free_format(start).then_some("free format is not supported")
    }
}

/// Starts a probe of an MPEG audio file.
pub fn probe_mpeg_audio(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(ElementaryProbe::<FrameHeader>::new(path)?))
}
