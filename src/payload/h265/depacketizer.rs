//! [`H265Depacketizer`]: RFC 7798 section 4.4.

use super::{AP, FU, FU_END, FU_START};
use crate::codec::h265::{is_irap, nal_unit_type};
use crate::payload::access_unit::{Assembler, is_padding};
use crate::payload::{DepacketizedFrame, Depacketizer};
use crate::wire::{ParseError, Reader};

/// Puts access units together from RTP payloads without decoding order numbers
/// (`sprop-max-don-diff` 0 or absent). An access unit ends with the marker bit or with a change
/// of timestamp. A NAL unit of which a fragment is lost is dropped; its access unit is given out
/// with what came of it, marked.
#[derive(Debug, Default)]
pub struct H265Depacketizer {
    assembler: Assembler,
}

impl H265Depacketizer {
    /// A depacketizer for one stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn handle_structure(&mut self, payload: &[u8]) -> Result<(), ParseError> {
        let mut r = Reader::new(payload);
        let [first, second] = r.u16("H.265 payload header")?.to_be_bytes();
        match nal_unit_type(payload) {
            0..AP => self.assembler.push_nal(payload, classify),
            AP => {
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
            FU => {
                let header = r.u8("FU header")?;
                let start = header & FU_START != 0;
                let end = header & FU_END != 0;
                let nal_type = header & 0x3f;
                let body = r.rest();
                if start {
                    if nal_type >= AP {
                        return Err(r.invalid("FU header"));
                    }
                    let header = [(first & 0x81) | (nal_type << 1), second];
                    self.assembler.start_fragment(&header, body);
                } else {
                    self.assembler.continue_fragment(body);
                }
                if end {
                    self.assembler.end_fragment(classify);
                }
                // A fragment is never the whole NAL unit (section 4.4.3).
                if start && end {
                    self.assembler.count_deviation();
                }
            }
            50 => return Err(r.invalid("H.265 PACI payload")),
            _ => return Err(r.invalid("H.265 payload type")),
        }
        Ok(())
    }
}

/// The next NAL unit of an aggregation packet.
fn next_aggregated<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], ParseError> {
    let len = r.u16("AP NAL unit size")?;
    let nal = r.take(usize::from(len), "AP NAL unit")?;
    // With a start code in front it looks like one of type 0.
    if classify(nal).is_none() { Err(r.invalid("AP NAL unit")) } else { Ok(nal) }
}

/// See [`Classify`](crate::payload::access_unit::Classify).
fn classify(nal: &[u8]) -> Option<bool> {
    let nal_type = nal_unit_type(nal);
    (nal.len() >= 2 && nal_type < AP).then(|| is_irap(nal_type))
}

impl Depacketizer for H265Depacketizer {
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
