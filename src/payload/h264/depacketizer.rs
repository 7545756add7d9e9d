//! [`H264Depacketizer`]: RFC 6184 sections 5.6 to 5.8.

use super::{FU_A, FU_END, FU_START, STAP_A};
use crate::codec::h264::{has_recovery_point, nal_type, nal_unit_type};
use crate::payload::access_unit::Assembler;
use crate::payload::{DepacketizedFrame, Depacketizer};
use crate::wire::{ParseError, Reader};

/// Puts access units together from RTP payloads of packetization modes 0 and 1. An access unit
/// ends with the marker bit or with a change of timestamp. A NAL unit of which a fragment is lost
/// is dropped; its access unit is given out with what came of it, marked.
#[derive(Debug, Default)]
pub struct H264Depacketizer {
    assembler: Assembler,
}

impl H264Depacketizer {
    /// A depacketizer for one stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn handle_structure(&mut self, payload: &[u8]) -> Result<(), ParseError> {
        let mut r = Reader::new(payload);
        let indicator = r.u8("H.264 payload")?;
        match indicator & 0x1f {
            1..=23 => self.assembler.push_nal(payload, starts_decoding(payload)),
            STAP_A => {
                // All or nothing: a length that is wrong makes those before it doubtful too.
                let mut check = r.clone();
                while !check.is_empty() {
                    next_aggregated(&mut check)?;
                }
                while !r.is_empty() {
                    let nal = next_aggregated(&mut r)?;
                    self.assembler.push_nal(nal, starts_decoding(nal));
                }
            }
            FU_A => {
                let header = r.u8("FU header")?;
                let start = header & FU_START != 0;
                let end = header & FU_END != 0;
                let nal_type = header & 0x1f;
                // A fragment is never the whole NAL unit (section 5.8).
                if (start && end) || !matches!(nal_type, 1..=23) {
                    return Err(r.invalid("FU header"));
                }
                let body = r.rest();
                if start {
                    self.assembler.start_fragment(&[(indicator & 0xe0) | nal_type], body);
                } else {
                    self.assembler.continue_fragment(body);
                }
                if end && self.assembler.end_fragment().is_some_and(starts_decoding) {
                    self.assembler.mark_key();
                }
            }
            25..=27 | 29 => return Err(r.invalid("H.264 payload of interleaved mode")),
            _ => return Err(r.invalid("H.264 payload type")),
        }
        Ok(())
    }
}

/// The next NAL unit of a STAP-A.
fn next_aggregated<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], ParseError> {
    let len = r.u16("STAP-A NAL unit size")?;
    let nal = r.take(usize::from(len), "STAP-A NAL unit")?;
    match nal_unit_type(nal) {
        1..=23 => Ok(nal),
        _ => Err(r.invalid("STAP-A NAL unit")),
    }
}

/// Whether decoding can start with the access unit that has this NAL unit.
fn starts_decoding(nal: &[u8]) -> bool {
    match nal_unit_type(nal) {
        nal_type::IDR => true,
        nal_type::SEI => has_recovery_point(nal),
        _ => false,
    }
}

impl Depacketizer for H264Depacketizer {
    fn handle_payload(
        &mut self,
        payload: &[u8],
        marker: bool,
        timestamp: u32,
        lost: bool,
    ) -> Result<(), ParseError> {
        self.assembler.handle_packet(timestamp, lost);
        let result = self.handle_structure(payload);
        if result.is_err() {
            self.assembler.handle_damage();
        }
        if marker {
            self.assembler.finish();
        }
        result
    }

    fn poll_frame(&mut self) -> Option<DepacketizedFrame> {
        self.assembler.poll()
    }

    fn handle_end(&mut self) {
        self.assembler.finish();
    }
}
