//! [`H265Rules`]: RFC 7798 section 4.4.

use crate::codec::h265::{is_irap, is_vcl, nal_type, nal_unit_type};
use crate::payload::nal::{DonDepacketizer, NalDepacketizer, NalPacketizer, NalRules, Structure};

/// Types of payload structures (RFC 7798 section 4.4).
const AP: u8 = 48;
const FU: u8 = 49;
const PACI: u8 = 50;

/// Kinds of parameter sets.
const VPS: u8 = 1;
const SPS: u8 = 2;
const PPS: u8 = 4;

/// Cuts access units of H.265 into RTP payloads: single NAL units, aggregation packets and
/// fragmentation units.
pub type H265Packetizer = NalPacketizer<H265Rules>;

/// Assembles access units of H.265 from RTP payloads without decoding order numbers.
pub type H265Depacketizer = NalDepacketizer<H265Rules>;

/// Assembles access units of H.265 from RTP payloads with decoding order numbers.
pub type H265DonDepacketizer = DonDepacketizer<H265Rules>;

/// The rules of RFC 7798.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a type without values")]
pub enum H265Rules {}

impl NalRules for H265Rules {
    const HEADER_LEN: usize = 2;
    const PAYLOAD: &'static str = "H.265 payload";
    const FU_TYPE: u8 = 0x3f;
    const PARAMETER_SETS: u8 = VPS | SPS | PPS;

    fn structure(header: &[u8]) -> Structure {
        match nal_unit_type(header) {
            0..AP => Structure::Single,
            AP => Structure::Aggregate,
            FU => Structure::Fragment,
            PACI => Structure::Other("H.265 PACI payload"),
            _ => Structure::Other("H.265 payload type"),
        }
    }

    /// Types 48 to 63 have another meaning in RTP. Bytes with a start code in front look like a NAL
    /// unit of type 0.
    fn is_nal(nal: &[u8]) -> bool {
        nal.len() >= 2 && nal_unit_type(nal) < AP
    }

    fn starts_decoding(nal: &[u8]) -> bool {
        is_irap(nal_unit_type(nal))
    }

    fn is_slice(nal: &[u8]) -> bool {
        is_vcl(nal_unit_type(nal))
    }

    fn parameter_set(nal: &[u8]) -> u8 {
        match nal_unit_type(nal) {
            nal_type::VPS => VPS,
            nal_type::SPS => SPS,
            nal_type::PPS => PPS,
            _ => 0,
        }
    }

    /// Section 4.4.2: F is set if it is set in any NAL unit, LayerId and TID are the lowest.
    fn aggregate_header<'a>(nals: impl Iterator<Item = &'a [u8]>) -> [u8; 2] {
        let (mut forbidden, mut layer, mut tid) = (0, 0x1f8, 7);
        for nal in nals {
            if let [first, second, ..] = *nal {
                let header = u16::from_be_bytes([first, second]);
                forbidden |= header & 0x8000;
                layer = layer.min(header & 0x1f8);
                tid = tid.min(header & 7);
            }
        }
        (forbidden | (u16::from(AP) << 9) | layer | tid).to_be_bytes()
    }

    fn fragment_header(nal: &[u8]) -> ([u8; 2], u8) {
        (with_type(nal, FU), nal_unit_type(nal))
    }

    fn nal_header(payload_header: &[u8], nal_type: u8) -> [u8; 2] {
        with_type(payload_header, nal_type)
    }
}

/// Returns a header with another type.
fn with_type(header: &[u8], nal_type: u8) -> [u8; 2] {
    match *header {
        [first, second, ..] => [(first & 0x81) | (nal_type << 1), second],
        _ => [nal_type << 1, 1],
    }
}
