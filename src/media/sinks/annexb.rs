//! [`AnnexB`]: access units as a byte stream that a decoder can start with.

use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::media::access_unit::{NalCodec, SetsInForce, leading_units, put_parameter_sets};
use bytes::{Bytes, BytesMut};

/// Puts the parameter sets that the description of a stream states in front of the first access
/// unit, unless that has them itself. Frames are a byte stream already (Annex B of ITU-T H.264 and
/// H.265).
#[derive(Debug)]
pub(super) struct AnnexB {
    codec: NalCodec,
    sets: SetsInForce,
    /// No slice has been written, or none since other parameters were told.
    at_front: bool,
}

impl AnnexB {
    /// `None` for codecs without NAL units.
    pub(super) fn new(parameters: &CodecParameters) -> Option<Self> {
        let codec = NalCodec::of(parameters)?;
        Some(Self { codec, sets: SetsInForce::new(parameters)?, at_front: true })
    }

    /// The parameter sets in force.
    pub(super) fn parameters(&self) -> CodecParameters {
        self.sets.parameters()
    }

    /// What is to be written for a frame.
    pub(super) fn frame(&mut self, frame: &Frame) -> Bytes {
        let found = leading_units(self.codec, &frame.data);
        // Parameter sets may come by themselves, before the first picture: these count as its own.
        self.sets.note(&frame.data, &found, self.at_front);
        if !self.at_front || !found.slice {
            return frame.data.clone();
        }
        self.at_front = false;
        match self.sets.missing() {
            Some(missing) => {
                let memory = BytesMut::with_capacity(frame.data.len() + missing.len());
                put_parameter_sets(memory, &frame.data, &found, missing)
            }
            None => frame.data.clone(),
        }
    }
}
