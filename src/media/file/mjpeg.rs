//! Concatenated JPEG images (`.mjpeg`, `.mjpg`), 25 a second.

use super::elementary::{Elementary, ElementaryProbe};
use super::{Probe, ProbeError};
use crate::codec::{CodecParameters, jpeg};
use crate::framer::mjpeg::MjpegFramer;
use crate::framer::sync::{Unit, UnitFramer};
use std::path::Path;

/// Motion JPEG.
#[derive(Debug)]
struct Mjpeg;

impl Elementary for Mjpeg {
    fn name(&self) -> &'static str {
        "JPEG"
    }

    fn read_len(&self) -> usize {
        32 * 1024
    }

    fn framer(&self) -> Box<dyn UnitFramer> {
        Box::new(MjpegFramer::new())
    }

    fn parameters(&self, unit: &Unit) -> Result<CodecParameters, String> {
        let header = jpeg::Header::parse(&unit.data).map_err(|e| e.to_string());
        header.map(|_| CodecParameters::Jpeg)
    }
}

/// Starts a probe of a file of concatenated JPEG images.
pub fn probe_mjpeg(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(ElementaryProbe::new(path, &Mjpeg)?))
}
