//! [`AacDepacketizer`]: RFC 3640 with any layout of AU headers, without interleaving.

use super::headers::{AuHeaderLayout, AuHeaders};
use super::parameters::AacParameters;
use crate::payload::depacketizer::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload,
};
use crate::wire::ParseError;
use bytes::Bytes;

const WHAT: &str = "AAC payload";
/// Size of the largest access unit that is assembled from fragments without a stated total size.
const MAX_UNIT: usize = 64 << 10;

/// Fragments of an access unit.
#[derive(Debug)]
struct Partial {
    /// Total size in bytes; `None` if each fragment states its own size, or none.
    size: Option<usize>,
    timestamp: u32,
    bytes: Vec<u8>,
    fragments: u64,
    /// Whether packets before the first fragment are missing.
    after_loss: bool,
}

/// Assembles access units of AAC from RTP payloads.
///
/// The AU header of a fragment states the size of the whole access unit (section 3.2.3). Streams of
/// devices that state the fragment's size are accepted too: the end is found by the marker bit,
/// which only the last fragment has.
#[derive(Debug)]
pub struct AacDepacketizer {
    unit_duration: u32,
    layout: AuHeaderLayout,
    partial: Option<Partial>,
    /// Whether the sender does not even mark packets of whole access units.
    marks_nothing: bool,
    /// Whether the sender has sent fragments that state their own size, so that the first fragment
    /// of an access unit cannot be recognized.
    states_own_sizes: bool,
    deviations: u64,
}

impl AacDepacketizer {
    /// Creates a depacketizer for mode AAC-hbr. `unit_duration` is the duration of an access unit
    /// in RTP units (`constantDuration`, or [`samples_per_unit`](super::samples_per_unit)).
    pub const fn new(unit_duration: u32) -> Self {
        Self::with_layout(unit_duration, AuHeaderLayout::AAC_HBR)
    }

    /// Creates a depacketizer for a stream with these format parameters and an RTP clock of
    /// `clock_rate` Hz.
    pub fn with_parameters(parameters: &AacParameters, clock_rate: u32) -> Self {
        Self::with_layout(parameters.unit_duration(clock_rate), parameters.layout)
    }

    /// Creates a depacketizer for this layout of AU headers; `unit_duration` as in
    /// [`new`](Self::new).
    pub const fn with_layout(unit_duration: u32, layout: AuHeaderLayout) -> Self {
        Self {
            unit_duration,
            layout,
            partial: None,
            marks_nothing: false,
            states_own_sizes: false,
            deviations: 0,
        }
    }

    /// Ends the partial access unit, which will not be completed. A single fragment without a
    /// stated size, after which nothing is missing, was a whole access unit of a sender that marks
    /// nothing.
    fn end_partial(&mut self, out: &mut DepacketizedFrames) {
        let Some(partial) = self.partial.take() else { return };
        if partial.size.is_none() && partial.fragments == 1 {
            self.marks_nothing = true;
            out.push(DepacketizedFrame::new(partial.bytes, partial.timestamp));
        } else {
            out.note_loss();
        }
    }

    /// Handles a payload with one access unit, of which `size` is stated, or with a fragment of it.
    fn handle_single(
        &mut self,
        size: Option<usize>,
        unit: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) {
        let RtpPayload { data, marker, timestamp, lost, .. } = *unit;
        let total = size.filter(|size| *size > data.len());
        let goes_on = self.partial.as_ref().is_some_and(|p| {
            p.timestamp == timestamp && p.size.is_none_or(|of_whole| size == Some(of_whole))
        });
        if !goes_on {
            self.end_partial(out);
            if total.is_none() && (marker || self.marks_nothing) {
                self.deviations += u64::from(!marker);
                // What is known not to be whole has been dropped; this may lack its beginning.
                let damaged = lost && self.states_own_sizes;
                let data = Bytes::copy_from_slice(data);
                out.push(DepacketizedFrame { damaged, ..DepacketizedFrame::new(data, timestamp) });
                return;
            }
        }
        let new =
            Partial { size: total, timestamp, bytes: Vec::new(), fragments: 0, after_loss: lost };
        let partial = self.partial.get_or_insert(new);
        partial.bytes.extend_from_slice(data);
        partial.fragments += 1;
        let len = partial.bytes.len();
        let is_whole = match partial.size {
            Some(size) if len == size => true,
            Some(size) if len < size && !marker => return,
            None if len <= MAX_UNIT && !marker => return,
            None => len <= MAX_UNIT,
            Some(_) => false,
        };
        let Some(partial) = self.partial.take() else { return };
        if is_whole {
            if partial.size.is_none() {
                self.deviations += partial.fragments;
                self.states_own_sizes = true;
            }
            let damaged = partial.after_loss && partial.size.is_none();
            let frame = DepacketizedFrame::new(partial.bytes, timestamp);
            out.push(DepacketizedFrame { damaged, ..frame });
        } else {
            out.note_loss();
        }
    }

    fn handle_units(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let invalid = ParseError::Invalid { what: WHAT, at: payload.data.len() };
        let (mut headers, mut data) = self.layout.split(payload.data)?;
        if data.is_empty() {
            return Err(invalid);
        }
        if !self.layout.has_headers() {
            return self.handle_units_without_headers(&RtpPayload { data, ..*payload }, out);
        }
        if headers.is_empty() {
            return Err(invalid);
        }
        // All or nothing: a size that is wrong makes those before it doubtful too.
        check_units(headers.clone(), data.len())?;
        let mut at = payload.timestamp;
        let mut is_first = true;
        while !headers.is_empty() {
            let header = headers.next()?;
            self.deviations += u64::from(header.index != 0);
            let at_unit =
                header.cts_delta.map_or(at, |delta| payload.timestamp.wrapping_add(delta));
            let size = header.size.unwrap_or(data.len());
            if is_first && headers.is_empty() && size >= data.len() {
                let unit = RtpPayload { data, timestamp: at_unit, ..*payload };
                self.handle_single(header.size, &unit, out);
                return Ok(());
            }
            self.end_partial(out);
            let (unit, rest) =
                data.split_at_checked(size).filter(|(u, _)| !u.is_empty()).ok_or(invalid)?;
            out.push(DepacketizedFrame::new(Bytes::copy_from_slice(unit), at_unit));
            at = at_unit.wrapping_add(self.unit_duration);
            data = rest;
            is_first = false;
        }
        Ok(())
    }

    fn handle_units_without_headers(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let data = payload.data;
        let size = self.layout.constant_size.map(|size| size as usize);
        let Some(size) = size.filter(|size| data.len() > *size) else {
            self.handle_single(size, payload, out);
            return Ok(());
        };
        if data.len() % size != 0 {
            return Err(ParseError::Invalid { what: WHAT, at: data.len() });
        }
        self.end_partial(out);
        let mut at = payload.timestamp;
        for unit in data.chunks(size) {
            out.push(DepacketizedFrame::new(Bytes::copy_from_slice(unit), at));
            at = at.wrapping_add(self.unit_duration);
        }
        Ok(())
    }
}

/// Checks that the access units of these headers, or a fragment of one, are in as many bytes.
fn check_units(mut headers: AuHeaders<'_>, len: usize) -> Result<(), ParseError> {
    let mut left = len;
    let mut is_first = true;
    while !headers.is_empty() {
        let header = headers.next()?;
        let size = header.size.unwrap_or(left);
        let is_alone = is_first && headers.is_empty();
        // Interleaving (section 3.2.3.2) is never offered in SDP that we make or accept. The index of
        // the first alone says nothing.
        let is_interleaved = header.index != 0 && !is_first;
        if size == 0 || is_interleaved || size > left && !is_alone {
            return Err(ParseError::Invalid { what: WHAT, at: len - left });
        }
        left = left.saturating_sub(size);
        is_first = false;
    }
    Ok(())
}

impl Depacketizer for AacDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if payload.lost {
            self.partial = None;
            out.note_loss();
        }
        self.marks_nothing &= !payload.marker;
        self.handle_units(payload, out).inspect_err(|_| {
            // It may have been a fragment.
            self.partial = None;
            out.note_loss();
        })
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.end_partial(out);
    }

    fn deviations(&self) -> u64 {
        self.deviations
    }
}
