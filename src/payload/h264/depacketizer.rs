//! [`H264Depacketizer`]: RFC 6184 sections 5.6 to 5.8.

use super::{FU_A, FU_END, FU_START, STAP_A};
use crate::codec::h264::{has_recovery_point, nal_type, nal_unit_type};
use crate::payload::access_unit::{Assembler, is_padding, starts_with_code};
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
            1..=23 => self.assembler.push_nal(payload, classify),
            STAP_A => {
                // All or nothing: a length that is wrong makes those before it doubtful too.
                let mut check = r.clone();
                let mut count = 0;
                while count == 0 || !is_padding(check.remaining()) {
                    next_aggregated(&mut check)?;
                    count += 1;
                }
                for _ in 0..count {
                    self.assembler.push_nal(next_aggregated(&mut r)?, classify);
                }
                if !r.is_empty() {
                    self.assembler.count_deviation();
                }
            }
            FU_A => {
                let header = r.u8("FU header")?;
                let start = header & FU_START != 0;
                let end = header & FU_END != 0;
                let nal_header = (indicator & 0xe0) | (header & 0x1f);
                let body = r.rest();
                if start {
                    // Of a NAL unit with its start code in front, the header is a zero byte.
                    let is_known = matches!(header & 0x1f, 1..=23)
                        || (nal_header == 0 && starts_with_code(body, 1));
                    if !is_known {
                        return Err(r.invalid("FU header"));
                    }
                    self.assembler.start_fragment(&[nal_header], body);
                } else {
                    self.assembler.continue_fragment(body);
                }
                if end {
                    self.assembler.end_fragment(classify);
                }
                // A fragment is never the whole NAL unit (section 5.8).
                if start && end {
                    self.assembler.count_deviation();
                }
            }
            0 if starts_with_code(payload, 0) => self.assembler.push_nal(payload, classify),
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
        0 if starts_with_code(nal, 0) => Ok(nal),
        _ => Err(r.invalid("STAP-A NAL unit")),
    }
}

/// See [`Classify`](crate::payload::access_unit::Classify).
fn classify(nal: &[u8]) -> Option<bool> {
    matches!(nal_unit_type(nal), 1..=23).then(|| starts_decoding(nal))
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

    fn deviations(&self) -> u64 {
        self.assembler.deviations()
    }
}
