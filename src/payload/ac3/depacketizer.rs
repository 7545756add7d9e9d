//! [`Ac3Depacketizer`]: RFC 4184 section 4, RFC 4598 section 4.

use super::header::{HEADER_LEN, Kind};
use crate::codec::ac3::SyncFrame;
use crate::payload::depacketizer::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload,
};
use crate::wire::{ParseError, Reader};

const WHAT: &str = "AC-3 payload";
/// Most bytes of an access unit: eight programs, each with the longest frame and as many of
/// dependent substreams.
const MAX_UNIT: usize = 8 * 9 * 4096;

/// Fragments of a synchronization frame.
#[derive(Debug)]
struct Partial {
    timestamp: u32,
    /// Length of the whole frame, as its header tells.
    len: usize,
    bytes: Vec<u8>,
}

/// An access unit whose last frame may not have come.
#[derive(Debug)]
struct Unit {
    timestamp: u32,
    samples: u32,
    sampling_rate: u32,
    frames: usize,
    bytes: Vec<u8>,
    damaged: bool,
}

/// Assembles access units of AC-3 or Enhanced AC-3 from RTP payloads. The frames' own headers tell
/// their lengths and where an access unit begins.
///
/// The substreams of Enhanced AC-3 may come in packets of their own, with the timestamp of the access
/// unit. Of a stream with several substreams an access unit is therefore returned when the next one
/// begins; of a stream with one it is returned at once, once that is known.
#[derive(Debug)]
pub struct Ac3Depacketizer {
    clock_rate: u32,
    enhanced: bool,
    partial: Option<Partial>,
    unit: Option<Unit>,
    /// Number of synchronization frames in an access unit, as far as it is known.
    frames_per_unit: Option<usize>,
}

impl Ac3Depacketizer {
    /// Creates a depacketizer for one stream of AC-3 with an RTP clock of `clock_rate` Hz.
    pub const fn new(clock_rate: u32) -> Self {
        Self { clock_rate, enhanced: false, partial: None, unit: None, frames_per_unit: Some(1) }
    }

    /// Creates a depacketizer for one stream of Enhanced AC-3 with an RTP clock of `clock_rate` Hz.
    pub const fn enhanced(clock_rate: u32) -> Self {
        Self { clock_rate, enhanced: true, partial: None, unit: None, frames_per_unit: None }
    }

    /// Takes a whole synchronization frame. `at` is the time of the payload's first access unit, and
    /// then of the frames behind it.
    fn handle_frame(
        &mut self,
        frame: &[u8],
        header: &SyncFrame,
        at: &mut u32,
        out: &mut DepacketizedFrames,
    ) {
        if header.begins_unit {
            if let Some(unit) = self.end_unit(out) {
                // The next unit of the same payload.
                if unit.timestamp == *at {
                    *at = at.wrapping_add(unit.duration(self.clock_rate));
                }
            }
            self.unit = Some(Unit {
                timestamp: *at,
                samples: header.samples,
                sampling_rate: header.sampling_rate,
                frames: 1,
                bytes: frame.to_vec(),
                damaged: false,
            });
            return;
        }
        match self.unit.as_mut().filter(|unit| unit.timestamp == *at) {
            Some(unit) if unit.bytes.len() < MAX_UNIT => {
                unit.bytes.extend_from_slice(frame);
                unit.frames += 1;
            }
            Some(unit) => {
                unit.damaged = true;
                out.note_loss();
            }
            None => {
                // Of a unit whose beginning is lost, or was returned since it seemed to be whole.
                self.frames_per_unit = self.frames_per_unit.map(|frames| frames.max(2));
                out.note_loss();
            }
        }
    }

    /// Returns the access unit that has been assembled.
    fn end_unit(&mut self, out: &mut DepacketizedFrames) -> Option<Unit> {
        let mut unit = self.unit.take()?;
        let is_short = self.frames_per_unit.is_some_and(|frames| unit.frames < frames);
        let damaged = unit.damaged || is_short;
        if !unit.damaged {
            self.frames_per_unit = Some(unit.frames);
        }
        let bytes = std::mem::take(&mut unit.bytes);
        out.push(DepacketizedFrame { damaged, ..DepacketizedFrame::new(bytes, unit.timestamp) });
        Some(unit)
    }

    fn drop_partial(&mut self, out: &mut DepacketizedFrames) {
        if self.partial.take().is_some() {
            if let Some(unit) = &mut self.unit {
                unit.damaged = true;
            }
            out.note_loss();
        }
    }

    fn handle_fragment(
        &mut self,
        kind: Kind,
        data: &[u8],
        timestamp: u32,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let goes_on = self.partial.as_ref().is_some_and(|partial| partial.timestamp == timestamp);
        let is_first = matches!(kind, Kind::First { .. }) || kind == Kind::Fragment && !goes_on;
        if is_first {
            self.drop_partial(out);
            let header = SyncFrame::parse(data)?;
            let bytes = Vec::with_capacity(header.frame_len);
            self.partial = Some(Partial { timestamp, len: header.frame_len, bytes });
        }
        let Some(mut partial) = self.partial.take().filter(|p| p.timestamp == timestamp) else {
            return Err(ParseError::Invalid { what: WHAT, at: 0 });
        };
        partial.bytes.extend_from_slice(data);
        match partial.bytes.len() {
            len if len < partial.len => self.partial = Some(partial),
            len if len == partial.len => {
                let header = SyncFrame::parse(&partial.bytes)?;
                self.handle_frame(&partial.bytes, &header, &mut { timestamp }, out);
            }
            _ => return Err(ParseError::Invalid { what: WHAT, at: partial.len }),
        }
        Ok(())
    }

    fn handle_data(
        &mut self,
        data: &[u8],
        timestamp: u32,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let mut r = Reader::new(data);
        let kind = Kind::of_byte(r.u8(WHAT)?, self.enhanced);
        r.u8(WHAT)?; // number of frames or fragments: their headers tell more
        debug_assert_eq!(r.position(), HEADER_LEN);
        match kind {
            _ if r.is_empty() => Err(r.invalid(WHAT)),
            Kind::Frames => self.handle_frames(r.rest(), timestamp, out),
            kind => self.handle_fragment(kind, r.rest(), timestamp, out),
        }
    }

    fn handle_frames(
        &mut self,
        mut data: &[u8],
        mut at: u32,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        self.drop_partial(out);
        while !data.is_empty() {
            let header = SyncFrame::parse(data)?;
            let Some((frame, rest)) = data.split_at_checked(header.frame_len) else {
                return Err(ParseError::Incomplete { what: WHAT });
            };
            self.handle_frame(frame, &header, &mut at, out);
            data = rest;
        }
        Ok(())
    }
}

impl Unit {
    /// Duration in units of the RTP clock.
    fn duration(&self, clock_rate: u32) -> u32 {
        let units = u64::from(self.samples) * u64::from(clock_rate);
        (units / u64::from(self.sampling_rate.max(1))) as u32
    }
}

impl Depacketizer for Ac3Depacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let RtpPayload { data, timestamp, lost, .. } = *payload;
        if lost {
            self.partial = None;
            // What is lost may be a part of the unit.
            if let Some(unit) = &mut self.unit {
                unit.damaged = true;
            }
        }
        if self.unit.as_ref().is_some_and(|unit| unit.timestamp != timestamp) {
            // The unit's last frame is whole, unless its fragments are still coming.
            self.drop_partial(out);
            self.end_unit(out);
        }
        if lost {
            out.note_loss();
        }
        let result = self.handle_data(data, timestamp, out);
        if result.is_err() {
            // It may have had a part of the unit.
            self.partial = None;
            out.note_loss();
            if let Some(unit) = &mut self.unit {
                unit.damaged = true;
            }
        }
        if self.frames_per_unit == Some(1) && self.partial.is_none() {
            self.end_unit(out);
        }
        result
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.drop_partial(out);
        self.end_unit(out);
    }
}
