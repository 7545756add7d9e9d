//! [`DonDepacketizer`]: restores the decoding order of NAL units that are sent in another one, with
//! their decoding order numbers (RFC 7798 sections 4.4 and 6).

use super::assembler::{Assembler, MAX_ACCESS_UNIT};
use super::depacketizer::{classify, is_known, is_padding, next_aggregated};
use super::packetizer::{FU_END, FU_START, header};
use super::rules::{NalRules, Structure};
use crate::payload::depacketizer::{DepacketizedFrames, Depacketizer, RtpPayload};
use crate::payload::frame_buffers;
use crate::wire::{ParseError, Reader};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::marker::PhantomData;

const DON: &str = "decoding order number";

/// A NAL unit that waits for those that come before it.
#[derive(Debug)]
struct Waiting {
    /// Decoding order number without wrap-around (`AbsDon`).
    don: i64,
    /// Number of the NAL unit in the order of arrival.
    number: u64,
    timestamp: u32,
    nal: Vec<u8>,
}

impl Ord for Waiting {
    /// The greatest is the next in decoding order.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.don, other.number).cmp(&(self.don, self.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

/// Assembles access units of a stream whose packets contain decoding order numbers
/// (`sprop-max-don-diff` is above 0). An access unit ends where the next one begins in decoding
/// order. One of which a NAL unit may be missing is marked as damaged.
#[derive(Debug)]
pub struct DonDepacketizer<R> {
    assembler: Assembler,
    max_don_diff: i64,
    max_waiting: usize,
    waiting: BinaryHeap<Waiting>,
    /// Bytes of the waiting NAL units.
    bytes: usize,
    /// Number of NAL units so far.
    count: u64,
    /// Number of the last NAL unit that arrived.
    last: Option<i64>,
    /// Greatest number so far.
    greatest: i64,
    /// Number of the last NAL unit that was given to the assembler.
    given: Option<i64>,
    /// The NAL unit of which fragments have arrived.
    fragment: Option<Waiting>,
    /// Something was lost after the last NAL unit that arrived.
    is_after_loss: bool,
    /// What was lost has at most this number.
    lost_to: Option<i64>,
    rules: PhantomData<R>,
}

impl<R: NalRules> DonDepacketizer<R> {
    /// Creates a depacketizer for one stream with these format parameters (RFC 7798 section 7.1):
    /// `sprop-max-don-diff`, the most by which the number of a NAL unit exceeds that of one sent
    /// after it, and `sprop-depack-buf-nalus`, the most NAL units that wait.
    pub fn new(max_don_diff: u16, depack_buf_nalus: Option<u16>) -> Self {
        Self {
            assembler: Assembler::default(),
            max_don_diff: i64::from(max_don_diff),
            max_waiting: usize::from(depack_buf_nalus.unwrap_or(0x7fff)),
            waiting: BinaryHeap::new(),
            bytes: 0,
            count: 0,
            last: None,
            greatest: 0,
            given: None,
            fragment: None,
            is_after_loss: false,
            lost_to: None,
            rules: PhantomData,
        }
    }

    /// As [`NalDepacketizer::expecting_parameter_sets`](super::NalDepacketizer::expecting_parameter_sets).
    #[must_use]
    pub fn expecting_parameter_sets(mut self) -> Self {
        self.assembler.expect_parameter_sets(R::PARAMETER_SETS);
        self
    }

    /// A packet is missing, or was malformed. It may belong to what is being assembled and to all that
    /// waits.
    fn handle_loss(&mut self) {
        self.drop_fragment();
        self.assembler.handle_damage();
        self.is_after_loss = true;
        self.lost_to = self.lost_to.max(Some(self.greatest));
    }

    fn drop_fragment(&mut self) {
        if self.fragment.take().is_some() {
            self.assembler.handle_damage();
            self.is_after_loss = true;
        }
    }

    /// The number without wrap-around of what follows the last (RFC 7798 section 6).
    fn absolute(&self, don: u16) -> i64 {
        let Some(last) = self.last else { return i64::from(don) };
        last.saturating_add(i64::from(don.wrapping_sub(last as u16) as i16))
    }

    fn unit(&mut self, don: i64, timestamp: u32, parts: [&[u8]; 2]) -> Waiting {
        let mut nal = frame_buffers::take(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| nal.extend_from_slice(part));
        self.last = Some(don);
        self.count += 1;
        Waiting { don, number: self.count, timestamp, nal }
    }

    fn push(&mut self, unit: Waiting, out: &mut DepacketizedFrames) {
        let is_before = |given: i64| unit.don < given.saturating_sub(self.max_don_diff);
        if self.given.is_some_and(is_before) {
            // The sender has begun anew.
            self.release_all(out);
            (self.greatest, self.given, self.lost_to) = (unit.don, None, None);
        }
        self.greatest = self.greatest.max(unit.don);
        if std::mem::take(&mut self.is_after_loss) {
            // What was sent before this has no greater number.
            let most = unit.don.saturating_add(self.max_don_diff);
            self.lost_to = self.lost_to.max(Some(most));
        }
        self.bytes = self.bytes.saturating_add(unit.nal.len());
        self.waiting.push(unit);
        while self.has_next() {
            self.release(out);
        }
    }

    /// Whether no NAL unit that has yet to arrive comes before those that wait (RFC 7798 section 6), or
    /// they are too many.
    fn has_next(&self) -> bool {
        self.waiting.len() > self.max_waiting
            || self.bytes > MAX_ACCESS_UNIT
            || self
                .waiting
                .peek()
                .is_some_and(|first| self.greatest.saturating_sub(first.don) >= self.max_don_diff)
    }

    fn release(&mut self, out: &mut DepacketizedFrames) {
        let Some(Waiting { don, timestamp, nal, .. }) = self.waiting.pop() else { return };
        self.bytes = self.bytes.saturating_sub(nal.len());
        self.assembler.handle_packet(timestamp, false, out);
        if self.given.is_some_and(|given| don < given) {
            // It comes later than was announced.
            self.assembler.handle_damage();
        }
        if let Some(limit) = self.lost_to {
            // The first behind may belong to the access unit of what was lost.
            self.assembler.handle_damage();
            self.lost_to = Some(limit).filter(|limit| don <= *limit);
        }
        self.given = self.given.max(Some(don));
        self.assembler.push_nal(&nal, classify::<R>);
        // The memory is used again.
        drop(frame_buffers::share(nal));
    }

    fn release_all(&mut self, out: &mut DepacketizedFrames) {
        while !self.waiting.is_empty() {
            self.release(out);
        }
    }

    fn handle_structure(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let timestamp = payload.timestamp;
        let mut r = Reader::new(payload.data);
        let payload_header = r.take(R::HEADER_LEN, R::PAYLOAD)?;
        let structure = R::structure(payload_header);
        if structure != Structure::Fragment {
            self.drop_fragment();
        }
        match structure {
            Structure::Single => {
                let don = r.u16(DON)?;
                if !is_known::<R>(payload_header, r.remaining()) {
                    return Err(r.invalid(R::PAYLOAD));
                }
                let unit = self.unit(self.absolute(don), timestamp, [payload_header, r.rest()]);
                self.push(unit, out);
            }
            Structure::Aggregate => {
                let first = self.absolute(r.u16(DON)?);
                // All or nothing: a length that is wrong makes those before it doubtful too.
                let mut check = r.clone();
                let mut count = 0;
                while count == 0 || !is_padding(check.remaining()) {
                    next_numbered::<R>(&mut check, count == 0)?;
                    count += 1;
                }
                let mut don = first;
                for at in 0..count {
                    let (step, nal) = next_numbered::<R>(&mut r, at == 0)?;
                    don = don.saturating_add(step);
                    let unit = self.unit(don, timestamp, [nal, &[]]);
                    self.push(unit, out);
                }
                if !r.is_empty() {
                    self.assembler.count_deviation();
                }
            }
            Structure::Fragment => {
                let fu_header = r.u8("FU header")?;
                if fu_header & FU_START != 0 {
                    self.drop_fragment();
                    let don = r.u16(DON)?;
                    let nal_header = R::nal_header(payload_header, fu_header & R::FU_TYPE);
                    let nal_header = header::<R>(&nal_header);
                    if !is_known::<R>(nal_header, r.remaining()) {
                        return Err(r.invalid("FU header"));
                    }
                    let unit = self.unit(self.absolute(don), timestamp, [nal_header, r.rest()]);
                    self.fragment = Some(unit);
                } else {
                    let fragment = self.fragment.as_mut().ok_or_else(|| r.invalid("FU header"))?;
                    if fragment.timestamp != timestamp {
                        return Err(r.invalid("timestamp of a fragment"));
                    }
                    if fragment.nal.len().saturating_add(r.remaining().len()) > MAX_ACCESS_UNIT {
                        return Err(r.invalid("length of a fragmented NAL unit"));
                    }
                    fragment.nal.extend_from_slice(r.rest());
                }
                if fu_header & FU_END != 0 {
                    if let Some(unit) = self.fragment.take() {
                        self.push(unit, out);
                    }
                }
            }
            Structure::Other(what) => return Err(r.invalid(what)),
        }
        Ok(())
    }
}

/// Reads the next NAL unit of an aggregation packet, and by how much its number exceeds that of the
/// one before it.
fn next_numbered<'a, R: NalRules>(
    r: &mut Reader<'a>,
    is_first: bool,
) -> Result<(i64, &'a [u8]), ParseError> {
    let step = if is_first { 0 } else { i64::from(r.u8(DON)?) + 1 };
    Ok((step, next_aggregated::<R>(r)?))
}

impl<R: NalRules> Depacketizer for DonDepacketizer<R> {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if payload.lost {
            self.handle_loss();
        }
        let result = self.handle_structure(payload, out);
        if result.is_err() {
            self.handle_loss();
        }
        result
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.drop_fragment();
        self.release_all(out);
        self.assembler.handle_end(out);
    }

    fn deviations(&self) -> u64 {
        self.assembler.deviations()
    }
}

#[cfg(test)]
mod tests;
