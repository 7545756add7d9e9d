//! [`Av1Depacketizer`]: sections 4.4, 4.5 and 5.

use super::{Element, Elements};
use crate::codec::av1::{self, Obu, obu_type, write_leb128};
use crate::payload::depacketizer::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload,
};
use crate::payload::fragments::Fragments;
use crate::wire::ParseError;

/// Assembles temporal units of AV1 from RTP payloads: OBUs with their lengths, without temporal
/// delimiters and tile lists. A temporal unit of which a packet is missing is dropped. One whose
/// beginning may be missing is marked as damaged, and so are key frames as long as no sequence header
/// has come, without which nothing can be decoded.
#[derive(Debug)]
pub struct Av1Depacketizer {
    fragments: Fragments,
    /// Where the OBU begins of which the end has not come.
    cut: Option<usize>,
    /// Packets before the temporal unit are missing.
    may_lack_beginning: bool,
    /// Timestamp of a temporal unit of which packets are missing.
    broken: Option<u32>,
    has_started: bool,
    has_sequence_header: bool,
}

impl Default for Av1Depacketizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Av1Depacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new() -> Self {
        Self {
            fragments: Fragments::new(),
            cut: None,
            may_lack_beginning: false,
            broken: None,
            has_started: false,
            has_sequence_header: false,
        }
    }

    fn finish(&mut self, out: &mut DepacketizedFrames) {
        if self.cut.take().is_some() {
            self.fragments.abandon(out);
        }
        let Some(frame) = self.fragments.finish() else { return };
        self.has_sequence_header |= av1::sequence_header_range(&frame.data).is_some();
        let key = av1::is_key(&frame.data);
        let damaged = self.may_lack_beginning || key && !self.has_sequence_header;
        out.push(DepacketizedFrame { key, damaged, ..frame });
    }

    fn handle_elements(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let elements = Elements::of(payload.data)?;
        if !self.fragments.is_begun() {
            if elements.goes_on() || self.broken == Some(payload.timestamp) {
                self.fragments.abandon(out);
                return Ok(());
            }
            self.fragments.begin(payload.timestamp, out);
            let is_beginning = elements.begins_sequence();
            self.may_lack_beginning = (payload.lost || !self.has_started) && !is_beginning;
        } else if elements.goes_on() != self.cut.is_some() {
            return Err(ParseError::Invalid { what: "AV1 aggregation header", at: 0 });
        }
        for element in elements {
            self.handle_element(&element?, out)?;
        }
        Ok(())
    }

    fn handle_element(
        &mut self,
        element: &Element<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let begin = self.cut.take().filter(|_| element.goes_on);
        let begin = begin.unwrap_or_else(|| self.fragments.bytes().len());
        self.fragments.push(element.data, out);
        if element.is_cut {
            self.cut = Some(begin);
            return Ok(());
        }
        complete(self.fragments.bytes(), begin)
    }
}

/// Gives the OBU that begins at `begin` its length, or removes it if receivers ignore it (section 5).
fn complete(bytes: &mut Vec<u8>, begin: usize) -> Result<(), ParseError> {
    // Nothing is there if the unit has become too large, or an element was empty.
    let raw = bytes.get(begin..).unwrap_or_default();
    if raw.is_empty() {
        return Ok(());
    }
    let obu = Obu::parse(raw)?;
    if obu.bytes.len() < raw.len() {
        return Err(ParseError::Invalid { what: "AV1 obu_size", at: obu.bytes.len() });
    }
    if matches!(obu.obu_type(), obu_type::TEMPORAL_DELIMITER | obu_type::TILE_LIST) {
        bytes.truncate(begin);
    } else if !obu.has_size() {
        let (header, len) = (obu.sized_header(), obu.payload.len());
        let at = begin + obu.header_without_size().1;
        let (mut size, mut size_len) = ([0; 5], 0);
        write_leb128(len, |byte| {
            if let Some(place) = size.get_mut(size_len) {
                *place = byte;
                size_len += 1;
            }
        });
        bytes.splice(at..at, size.into_iter().take(size_len));
        if let Some(first) = bytes.get_mut(begin) {
            *first = header;
        }
    }
    Ok(())
}

impl Depacketizer for Av1Depacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if payload.lost && self.fragments.timestamp() == Some(payload.timestamp) {
            self.broken = Some(payload.timestamp);
        }
        if payload.lost {
            self.cut = None;
        }
        if self.fragments.handle_packet(payload, out) {
            self.finish(out);
        }
        let result = self.handle_elements(payload, out);
        if result.is_err() {
            self.cut = None;
            self.fragments.abandon(out);
        }
        if !self.fragments.is_begun() {
            self.broken = Some(payload.timestamp);
        }
        self.has_started = true;
        if payload.marker {
            self.finish(out);
        }
        result
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.fragments.handle_end(out);
    }
}
