//! MPEG program streams (`.mpg`, `.mpeg`, `.vob`; ISO/IEC 13818-1 section 2.5, ISO/IEC 11172-1): MPEG-1
//! and MPEG-2 video, H.264, MPEG audio, AAC, and AC-3 in private stream 1, as on a DVD or without its
//! substreams.
//!
//! Duration and positions are derived from the clock references at a bounded number of places, as
//! for a transport stream; there is no index file.

use super::mpeg_ts::{TsProbe, probe_mpeg_ts};
use super::mpeg_video::probe_mpeg_video;
use super::shared::read_window;
use super::{Probe, ProbeError, open_regular};
use crate::codec::start_codes::start_codes;
use crate::framer::mpeg_ts::{STRIDES, find_sync};
use std::path::Path;

/// Bytes that show what a file is.
const HEAD: usize = 4096;

/// Starts a probe of a program stream file. Files whose names end in the same way may hold a
/// transport stream, or video alone: the content decides.
pub fn probe_mpeg_ps(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    probe_content(path, probe_mpeg_ts)
}

/// Starts a probe of a program stream file, or another one of a transport stream.
pub(super) fn probe_content(
    path: &Path,
    of_transport_stream: fn(&Path) -> Result<Box<dyn Probe>, ProbeError>,
) -> Result<Box<dyn Probe>, ProbeError> {
    let head = read_window(&open_regular(path)?, HEAD, 0)?;
    let first = start_codes(&head).next().map(|(_, code)| code);
    match first {
        Some(0xb3) => probe_mpeg_video(path),
        Some(0xba) => Ok(Box::new(TsProbe::of_program_stream(path)?)),
        _ if find_sync(&head, &STRIDES, false).is_ok() => of_transport_stream(path),
        _ => Ok(Box::new(TsProbe::of_program_stream(path)?)),
    }
}
