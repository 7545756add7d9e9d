//! [`MpvDepacketizer`]: RFC 2250 sections 3.3 and 3.4.

use super::header::{B, E, split};
use crate::codec::mpeg_video::{Headers, begins_picture, is_slice, start_code};
use crate::codec::start_codes::start_codes;
use crate::payload::depacketizer::{DepacketizedFrames, Depacketizer, RtpPayload};
use crate::payload::pictures::{Content, PictureAssembler};
use crate::wire::ParseError;

/// Bytes from a start code to the end of the temporal reference.
const LOOK_AHEAD: usize = 6;

/// Assembles pictures of MPEG-1 or MPEG-2 video from RTP payloads, each with the headers before it. A
/// picture ends with the marker bit, with a change of timestamp, or where another one begins: some
/// senders put several pictures into a packet and fill in no video-specific header. If a packet is
/// lost, the slices of which a part is missing are dropped; the rest of the picture is returned, marked
/// as damaged.
#[derive(Debug)]
pub struct MpvDepacketizer {
    assembler: PictureAssembler,
    /// Bytes of the present picture that were searched for start codes.
    scanned: usize,
    has_slice: bool,
    /// Temporal reference of the present picture.
    temporal_reference: Option<u16>,
}

impl Default for MpvDepacketizer {
    fn default() -> Self {
        Self::new()
    }
}

impl MpvDepacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new() -> Self {
        Self {
            assembler: PictureAssembler::new(examine),
            scanned: 0,
            has_slice: false,
            temporal_reference: None,
        }
    }

    fn begin_picture(&mut self) {
        // Headers may have been kept.
        self.scanned = self.assembler.bytes().len();
        self.has_slice = false;
        self.temporal_reference = None;
    }

    /// Finds where other pictures begin in the bytes that have come.
    fn scan(&mut self, out: &mut DepacketizedFrames) {
        while let Some(at) = self.next_picture() {
            self.assembler.split_at(at, out);
            self.begin_picture();
            self.scanned = 0;
        }
    }

    fn next_picture(&mut self) -> Option<usize> {
        let (bytes, from) = (self.assembler.bytes(), self.scanned);
        for (at, code) in start_codes(bytes.get(from..).unwrap_or_default()) {
            let at = from + at;
            let Some(&[.., high, low]) = bytes.get(at..at + LOOK_AHEAD) else { break };
            let temporal_reference = u16::from_be_bytes([high, low]) >> 6;
            self.scanned = at + 4;
            if is_slice(code) {
                self.has_slice = true;
            } else if code == start_code::PICTURE {
                // The second field of a frame has the reference of the first.
                if self.has_slice && self.temporal_reference != Some(temporal_reference) {
                    return Some(at);
                }
                self.temporal_reference = Some(temporal_reference);
            } else if begins_picture(code) && self.has_slice {
                return Some(at);
            }
        }
        self.scanned = self.scanned.max((bytes.len() + 1).saturating_sub(LOOK_AHEAD));
        None
    }
}

fn examine(bytes: &[u8]) -> Content {
    let headers = Headers::read(bytes);
    match (headers.picture, headers.first_slice) {
        (Some(_), Some(_)) => {
            let (key, has_config) = (headers.is_key(), headers.sequence.is_some());
            Content::Picture { key, has_config }
        }
        (None, None) if bytes.starts_with(&[0, 0, 1]) && headers.is_all => Content::Headers,
        _ => Content::Rest,
    }
}

impl Depacketizer for MpvDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if self.assembler.handle_packet(payload.timestamp, payload.lost, out) {
            self.begin_picture();
        }
        // After a loss there may be fewer bytes than before.
        self.scanned = self.scanned.min(self.assembler.bytes().len());
        let result = split(payload.data);
        match result {
            Ok((header, data)) => {
                let begins = header & B != 0 || data.starts_with(&[0, 0, 1]);
                if self.assembler.push(data, begins) {
                    self.scan(out);
                    if header & E != 0 || !self.has_slice {
                        self.assembler.note_whole();
                    }
                }
            }
            Err(_) => self.assembler.handle_damage(),
        }
        if payload.marker {
            self.assembler.handle_marker(out);
            self.begin_picture();
        }
        result.map(|_| ())
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.assembler.handle_end(out);
        self.begin_picture();
    }
}
