//! Units of data that are cut at any byte. All fragments of a unit follow each other, and the last one
//! has the marker bit: KLV (RFC 6597) and ONVIF metadata.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::frame_buffers;
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use crate::frame::Frame;
use crate::wire::ParseError;

/// Size of the largest unit that is assembled, in bytes.
const MAX_UNIT: usize = 4 << 20;
/// Most bytes that are allocated for a unit before they have come.
const MAX_AHEAD: usize = 32 << 10;

/// Cuts units of data into RTP payloads that fill a packet. The last one of a unit has the marker
/// bit.
#[derive(Debug, Default)]
pub struct UnitPacketizer {
    _private: (),
}

impl UnitPacketizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl Packetizer for UnitPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        for fragment in frame.data.chunks(out.max_payload().max(1)) {
            out.begin_packet();
            out.put(fragment);
            out.finish_packet(false, 0);
        }
        if frame.flags.ends_access_unit && !frame.data.is_empty() {
            out.mark_last();
        }
    }
}

/// Whether bytes are the beginning of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    Certain,
    Possible,
    No,
}

/// The differences between the formats.
#[derive(Debug)]
pub(super) struct UnitRules {
    /// Name of a payload in errors.
    pub(super) payload: &'static str,
    /// Whether all fragments of a unit have the same timestamp.
    pub(super) has_one_timestamp: bool,
    /// Recognizes the first fragment of a unit.
    pub(super) beginning: fn(&[u8]) -> Beginning,
}

/// Where the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between two units. The fragments before the next packet may be missing.
    Between { uncertain: bool },
    /// In a unit. Its beginning may be missing.
    Inside { uncertain: bool },
    /// In a unit of which a fragment is missing: its rest is dropped.
    Broken,
}

/// Assembles units from fragments. A unit of which a fragment is known to be missing is dropped; one
/// whose beginning may be missing, because packets before it are, is marked as damaged.
#[derive(Debug)]
pub struct UnitDepacketizer {
    rules: &'static UnitRules,
    bytes: Vec<u8>,
    timestamp: u32,
    place: Place,
    last_len: usize,
    deviations: u64,
}

impl UnitDepacketizer {
    pub(super) const fn new(rules: &'static UnitRules) -> Self {
        Self {
            rules,
            bytes: Vec::new(),
            timestamp: 0,
            place: Place::Between { uncertain: false },
            last_len: 0,
            deviations: 0,
        }
    }

    /// Drops what has come of a unit.
    fn drop_unit(&mut self, out: &mut DepacketizedFrames) {
        self.bytes.clear();
        out.note_loss();
    }

    /// Packets before this one are missing.
    fn handle_loss(&mut self, is_same: bool, out: &mut DepacketizedFrames) {
        self.place = match self.place {
            Place::Inside { .. } | Place::Broken if is_same => Place::Broken,
            _ => Place::Between { uncertain: true },
        };
        self.drop_unit(out);
    }

    /// The unit ends here.
    fn finish(&mut self, out: &mut DepacketizedFrames) {
        let place = std::mem::replace(&mut self.place, Place::Between { uncertain: false });
        let Place::Inside { uncertain } = place else { return };
        self.last_len = self.bytes.len();
        let data = frame_buffers::share(std::mem::take(&mut self.bytes));
        let frame = DepacketizedFrame::new(data, self.timestamp);
        out.push(DepacketizedFrame { damaged: uncertain, ..frame });
    }
}

impl Depacketizer for UnitDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let RtpPayload { data, marker, timestamp, lost, .. } = *payload;
        let beginning = (self.rules.beginning)(data);
        let is_other = self.rules.has_one_timestamp && timestamp != self.timestamp;
        let begins = beginning == Beginning::Certain || is_other;
        if lost {
            self.handle_loss(!begins, out);
        } else if begins && !matches!(self.place, Place::Between { .. }) {
            // The sender has not marked the last fragment.
            self.deviations += 1;
            self.finish(out);
        }
        if let Place::Between { uncertain } = self.place {
            if data.is_empty() {
                return Err(ParseError::Incomplete { what: self.rules.payload });
            }
            self.timestamp = timestamp;
            self.place = Place::Inside {
                uncertain: match beginning {
                    Beginning::Certain => false,
                    Beginning::Possible => uncertain,
                    // A receiver may have joined in the middle of a unit.
                    Beginning::No => true,
                },
            };
            if self.bytes.capacity() == 0 {
                self.bytes = frame_buffers::take(data.len().max(self.last_len.min(MAX_AHEAD)));
            }
        }
        let len = self.bytes.len().saturating_add(data.len());
        let fits = len <= MAX_UNIT;
        if !fits {
            self.drop_unit(out);
            self.place = Place::Broken;
        } else if self.place != Place::Broken {
            self.bytes.extend_from_slice(data);
        }
        if marker {
            self.finish(out);
        }
        if fits { Ok(()) } else { Err(ParseError::Invalid { what: self.rules.payload, at: 0 }) }
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        // Nothing tells whether it is whole.
        if matches!(self.place, Place::Inside { .. }) {
            self.drop_unit(out);
        }
        self.place = Place::Between { uncertain: false };
    }

    fn deviations(&self) -> u64 {
        self.deviations
    }
}

#[cfg(test)]
mod tests;
