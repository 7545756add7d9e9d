//! [`H264Rules`]: RFC 6184 sections 5.2 to 5.8.

use crate::codec::h264::{has_recovery_point, nal_type, nal_unit_type};
use crate::payload::nal::{NalDepacketizer, NalPacketizer, NalRules, Structure};

/// Types of payload structures (RFC 6184 section 5.4).
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Kinds of parameter sets.
const SPS: u8 = 1;
const PPS: u8 = 2;

/// Cuts access units of H.264 into RTP payloads: single NAL units, STAP-A and FU-A.
pub type H264Packetizer = NalPacketizer<H264Rules>;

impl H264Packetizer {
    /// Creates a packetizer for packetization mode 0, which sends single NAL units only. Those that do
    /// not fit into a packet are dropped and [counted](crate::payload::Packetizer::unsent).
    pub const fn single_nal_units() -> Self {
        Self::of_single_units()
    }
}

/// Assembles access units of H.264 from RTP payloads of packetization modes 0 and 1.
pub type H264Depacketizer = NalDepacketizer<H264Rules>;

/// The rules of RFC 6184.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a type without values")]
pub enum H264Rules {}

impl NalRules for H264Rules {
    const HEADER_LEN: usize = 1;
    const PAYLOAD: &'static str = "H.264 payload";
    const FU_TYPE: u8 = 0x1f;
    const PARAMETER_SETS: u8 = SPS | PPS;

    fn structure(header: &[u8]) -> Structure {
        match nal_unit_type(header) {
            0..=23 => Structure::Single,
            STAP_A => Structure::Aggregate,
            FU_A => Structure::Fragment,
            25..=27 | 29 => Structure::Other("H.264 payload of interleaved mode"),
            _ => Structure::Other("H.264 payload type"),
        }
    }

    /// Types 0 and 24 to 31 have another meaning in RTP (section 5.2).
    fn is_nal(nal: &[u8]) -> bool {
        matches!(nal_unit_type(nal), 1..=23)
    }

    fn is_behind_start_code(header: &[u8], body: &[u8]) -> bool {
        let zeros = body.iter().take_while(|&&byte| byte == 0).count();
        header == [0] && (1..=2).contains(&zeros) && body.get(zeros) == Some(&1)
    }

    fn starts_decoding(nal: &[u8]) -> bool {
        match nal_unit_type(nal) {
            nal_type::IDR => true,
            nal_type::SEI => has_recovery_point(nal),
            _ => false,
        }
    }

    fn is_slice(nal: &[u8]) -> bool {
        matches!(nal_unit_type(nal), nal_type::SLICE..=nal_type::IDR)
    }

    fn parameter_set(nal: &[u8]) -> u8 {
        match nal_unit_type(nal) {
            nal_type::SPS => SPS,
            nal_type::PPS => PPS,
            _ => 0,
        }
    }

    /// Section 5.7: F is set if it is set in any NAL unit, NRI is the maximum.
    fn aggregate_header<'a>(nals: impl Iterator<Item = &'a [u8]>) -> [u8; 2] {
        let (forbidden, nri) = nals.fold((0, 0), |(forbidden, nri), nal| {
            let header = nal.first().copied().unwrap_or_default();
            (forbidden | (header & 0x80), nri.max(header & 0x60))
        });
        [forbidden | nri | STAP_A, 0]
    }

    fn fragment_header(nal: &[u8]) -> ([u8; 2], u8) {
        let header = nal.first().copied().unwrap_or_default();
        ([(header & 0xe0) | FU_A, 0], header & 0x1f)
    }

    fn nal_header(payload_header: &[u8], nal_type: u8) -> [u8; 2] {
        let indicator = payload_header.first().copied().unwrap_or_default();
        [(indicator & 0xe0) | nal_type, 0]
    }
}
