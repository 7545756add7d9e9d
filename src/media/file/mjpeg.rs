//! Concatenated JPEG images (`.mjpeg`, `.mjpg`), 25 a second.

use super::elementary::{Elementary, ElementaryProbe};
use super::{Probe, ProbeError};
use crate::codec::{CodecParameters, jpeg};
use crate::framer::mjpeg::{JpegPicture, MjpegFramer};
use crate::framer::sync::Unit;
use std::path::Path;

impl Elementary for JpegPicture {
    const NAME: &'static str = "JPEG";
    const READ_LEN: usize = 32 * 1024;
    type Framer = MjpegFramer;

    fn parameters(unit: &Unit<Self>) -> Result<CodecParameters, String> {
        let header = jpeg::Header::parse(&unit.data).map_err(|e| e.to_string());
        header.map(|_| CodecParameters::Jpeg)
    }
}

/// Starts a probe of a file of concatenated JPEG images.
pub fn probe_mjpeg(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(ElementaryProbe::<JpegPicture>::new(path)?))
}
