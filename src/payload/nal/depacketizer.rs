//! [`NalDepacketizer`]: RFC 6184 sections 5.6 to 5.8, RFC 7798 section 4.4.

use super::assembler::{Assembler, NalClass};
use super::packetizer::{FU_END, FU_START, header};
use super::rules::{NalRules, Structure};
use crate::payload::depacketizer::{DepacketizedFrames, Depacketizer, RtpPayload};
use crate::wire::{ParseError, Reader};
use std::marker::PhantomData;

/// Assembles access units from RTP payloads in decoding order: of H.264 packetization modes 0 and
/// 1, and of H.265 without decoding order numbers (`sprop-max-don-diff` is 0 or absent). An access
/// unit ends with the marker bit or with a change of timestamp. A NAL unit with a lost fragment is
/// dropped; the rest of its access unit is returned, marked as damaged.
#[derive(Debug)]
pub struct NalDepacketizer<R> {
    assembler: Assembler,
    rules: PhantomData<R>,
}

impl<R: NalRules> Default for NalDepacketizer<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: NalRules> NalDepacketizer<R> {
    /// Creates a depacketizer for one stream.
    pub fn new() -> Self {
        Self { assembler: Assembler::default(), rules: PhantomData }
    }

    /// Expects parameter sets in the stream, because its description has none: until one of each kind
    /// has come, a key frame is marked as damaged. Those of the first key frame may have been lost
    /// before any packet arrived, which no gap in the sequence numbers tells.
    #[must_use]
    pub const fn expecting_parameter_sets(mut self) -> Self {
        self.assembler.expect_parameter_sets(R::PARAMETER_SETS);
        self
    }

    fn handle_structure(&mut self, payload: &[u8]) -> Result<(), ParseError> {
        let mut r = Reader::new(payload);
        let payload_header = r.take(R::HEADER_LEN, R::PAYLOAD)?;
        match R::structure(payload_header) {
            Structure::Single if is_known::<R>(payload_header, r.remaining()) => {
                self.assembler.push_nal(payload, classify::<R>);
            }
            Structure::Single => return Err(r.invalid(R::PAYLOAD)),
            Structure::Aggregate => {
                // All or nothing: a length that is wrong makes those before it doubtful too.
                let mut check = r.clone();
                let mut count = 0;
                while count == 0 || !is_padding(check.remaining()) {
                    next_aggregated::<R>(&mut check)?;
                    count += 1;
                }
                for _ in 0..count {
                    self.assembler.push_nal(next_aggregated::<R>(&mut r)?, classify::<R>);
                }
                if !r.is_empty() {
                    self.assembler.count_deviation();
                }
            }
            Structure::Fragment => {
                let fu_header = r.u8("FU header")?;
                let start = fu_header & FU_START != 0;
                let end = fu_header & FU_END != 0;
                let body = r.rest();
                if start {
                    let nal_header = R::nal_header(payload_header, fu_header & R::FU_TYPE);
                    let nal_header = header::<R>(&nal_header);
                    if !is_known::<R>(nal_header, body) {
                        return Err(r.invalid("FU header"));
                    }
                    self.assembler.start_fragment(nal_header, body);
                } else {
                    self.assembler.continue_fragment(body);
                }
                if end {
                    self.assembler.end_fragment(classify::<R>);
                }
                // A fragment is never the whole NAL unit (RFC 6184 section 5.8, RFC 7798 section
                // 4.4.3).
                if start && end {
                    self.assembler.count_deviation();
                }
            }
            Structure::Other(what) => return Err(r.invalid(what)),
        }
        Ok(())
    }
}

/// Whether a NAL unit is allowed in RTP, with a valid header or after a start code.
pub(super) fn is_known<R: NalRules>(header: &[u8], body: &[u8]) -> bool {
    R::is_nal(header) || R::is_behind_start_code(header, body)
}

/// Reads the next NAL unit of an aggregation packet.
pub(super) fn next_aggregated<'a, R: NalRules>(r: &mut Reader<'a>) -> Result<&'a [u8], ParseError> {
    let len = r.u16("size of an aggregated NAL unit")?;
    let nal = r.take(usize::from(len), "aggregated NAL unit")?;
    let known = nal
        .split_at_checked(R::HEADER_LEN)
        .is_some_and(|(header, body)| is_known::<R>(header, body));
    if known { Ok(nal) } else { Err(r.invalid("aggregated NAL unit")) }
}

/// See [`Classify`](super::assembler::Classify).
pub(super) fn classify<R: NalRules>(nal: &[u8]) -> Option<NalClass> {
    R::is_nal(nal).then(|| NalClass {
        key: R::starts_decoding(nal),
        is_slice: R::is_slice(nal),
        parameter_set: R::parameter_set(nal),
    })
}

/// Whether bytes are empty or all zero.
pub(super) fn is_padding(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

impl<R: NalRules> Depacketizer for NalDepacketizer<R> {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        self.assembler.handle_packet(payload.timestamp, payload.lost, out);
        let result = self.handle_structure(payload.data);
        if result.is_err() {
            self.assembler.handle_damage();
        }
        if payload.marker {
            self.assembler.finish_marked(out);
        }
        result
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.assembler.handle_end(out);
    }

    fn deviations(&self) -> u64 {
        self.assembler.deviations()
    }
}
