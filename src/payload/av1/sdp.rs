//! SDP parameters of AV1 (section 7) and its registry entry.

use super::{Av1Depacketizer, Av1Packetizer, Elements};
use crate::codec::CodecParameters;
use crate::codec::av1::{self, Obu, ObuFacts, SequenceHeader};
use crate::payload::key_frames::{PayloadFacts, PictureFacts};
use crate::payload::plain_entry::PlainEntry;
use bytes::Bytes;

/// The fmtp of a stream with this sequence header.
fn fmtp(sequence_header: &[u8]) -> Option<String> {
    let obu = Obu::parse(sequence_header).ok()?;
    let header = SequenceHeader::parse(obu.payload).ok()?;
    let SequenceHeader { profile, level_idx, tier, .. } = header;
    Some(format!("profile={profile};level-idx={level_idx};tier={tier}"))
}

/// What the OBU elements of a payload tell. Decoding can start with a packet that begins a coded video
/// sequence, and with a key frame behind a sequence header.
pub(super) fn payload_facts(payload: &[u8]) -> PayloadFacts {
    let mut facts = PayloadFacts::default();
    let Ok(elements) = Elements::of(payload) else { return facts };
    facts.can_start = elements.begins_sequence();
    let mut reduced = false;
    for element in elements.map_while(Result::ok) {
        if element.goes_on {
            // Only large OBUs are cut, which are frames and tile groups.
            facts.has_picture = true;
            continue;
        }
        let Ok(obu) = Obu::parse_beginning(element.data) else { break };
        let found = ObuFacts::of(&obu, reduced);
        if found.is_sequence_header {
            reduced = SequenceHeader::is_reduced(obu.payload);
            facts.has_parameter_sets = true;
        }
        if found.is_frame && !facts.has_picture {
            facts.is_intra = found.is_key;
            facts.can_start |= found.is_key && facts.has_parameter_sets;
        }
        facts.has_picture |= found.is_frame || obu.obu_type() == av1::obu_type::TILE_GROUP;
    }
    facts
}

/// The registry entry of AV1. The second name was used before the specification was final.
pub(in crate::payload) const ENTRY: PlainEntry = PlainEntry {
    media: "video",
    names: &["AV1", "AV1X"],
    clock_rate: 90_000,
    fmtp: |parameters| {
        let CodecParameters::Av1 { sequence_header } = parameters else { return None };
        Some(fmtp(sequence_header))
    },
    // The sequence header comes with the stream; what SDP states is what a receiver must be able to do.
    parameters: |_| CodecParameters::Av1 { sequence_header: Bytes::new() },
    packetizer: |parameters| {
        let sequence_header = match parameters {
            CodecParameters::Av1 { sequence_header } => sequence_header.clone(),
            _ => Bytes::new(),
        };
        Box::new(Av1Packetizer::new(sequence_header))
    },
    depacketizer: |_| Box::new(Av1Depacketizer::new()),
    key_frame_test: Some(|data| PictureFacts::picture(av1::is_key(data))),
    payload_test: Some(payload_facts),
};
