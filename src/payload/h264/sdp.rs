//! SDP parameters of H.264 (RFC 6184 section 8.1).

use crate::codec::h264::{nal_type, nal_unit_type};
use crate::payload::PayloadFormat;
use crate::payload::access_unit::{base64_list, fmtp_parameters, from_base64_list};
use bytes::Bytes;

/// What an fmtp says of a stream of H.264.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct H264Parameters {
    /// `profile-level-id`: profile_idc, constraint flags and level_idc.
    pub profile_level_id: Option<[u8; 3]>,
    /// `packetization-mode`; 0 if absent.
    pub packetization_mode: u8,
    /// Sequence parameter sets of `sprop-parameter-sets`.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets of `sprop-parameter-sets`.
    pub pps: Vec<Bytes>,
}

/// The payload format for a stream with these parameter sets; those that are not known yet are
/// left out of the fmtp.
pub fn format(sps: &[Bytes], pps: &[Bytes], dynamic: u8) -> PayloadFormat {
    let mut fmtp = String::from("packetization-mode=1");
    if let Some([profile, constraints, level]) = sps.first().and_then(|nal| nal.get(1..4)) {
        fmtp += &format!(";profile-level-id={profile:02X}{constraints:02X}{level:02X}");
    }
    if !sps.is_empty() && !pps.is_empty() {
        fmtp += ";sprop-parameter-sets=";
        fmtp += &base64_list(sps.iter().chain(pps));
    }
    PayloadFormat {
        media: "video",
        payload_type: dynamic,
        encoding_name: "H264",
        clock_rate: 90_000,
        channels: None,
        fmtp: Some(fmtp),
    }
}

/// Reads the value of an `a=fmtp`, without its payload type. What cannot be read is left out.
pub fn parameters_from_fmtp(fmtp: &str) -> H264Parameters {
    let mut parameters = H264Parameters::default();
    for (name, value) in fmtp_parameters(fmtp) {
        match name.to_ascii_lowercase().as_str() {
            "profile-level-id" => {
                let number = u32::from_str_radix(value, 16).ok().filter(|_| value.len() == 6);
                parameters.profile_level_id = number.map(|n| {
                    let [_, profile, constraints, level] = n.to_be_bytes();
                    [profile, constraints, level]
                });
            }
            "packetization-mode" => parameters.packetization_mode = value.parse().unwrap_or(0),
            "sprop-parameter-sets" => {
                for nal in from_base64_list(value) {
                    match nal_unit_type(&nal) {
                        nal_type::SPS => parameters.sps.push(nal),
                        nal_type::PPS => parameters.pps.push(nal),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    parameters
}
