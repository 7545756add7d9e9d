//! SDP parameters of H.265 (RFC 7798 section 7.1).

use crate::codec::h265::Sps;
use crate::payload::PayloadFormat;
use crate::payload::access_unit::{base64_list, fmtp_parameters, from_base64_list};
use bytes::Bytes;

/// What an fmtp says of a stream of H.265.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct H265Parameters {
    /// `sprop-vps`.
    pub vps: Vec<Bytes>,
    /// `sprop-sps`.
    pub sps: Vec<Bytes>,
    /// `sprop-pps`.
    pub pps: Vec<Bytes>,
    /// `sprop-max-don-diff`; other than 0 means decoding order numbers in the packets, which
    /// [`H265Depacketizer`](super::H265Depacketizer) does not read.
    pub max_don_diff: u32,
}

/// The payload format for a stream with these parameter sets; those that are not known yet are
/// left out of the fmtp.
pub fn format(vps: &[Bytes], sps: &[Bytes], pps: &[Bytes], dynamic: u8) -> PayloadFormat {
    let mut parameters = Vec::new();
    if let Some(Ok(sps)) = sps.first().map(|nal| Sps::parse(nal)) {
        let profile = sps.profile;
        parameters.push(format!("profile-space={}", profile.profile_space));
        parameters.push(format!("profile-id={}", profile.profile_idc));
        parameters.push(format!("tier-flag={}", u8::from(profile.high_tier)));
        parameters.push(format!("level-id={}", profile.level_idc));
        parameters.push(format!("interop-constraints={:012X}", profile.constraint_flags));
    }
    for (name, nals) in [("sprop-vps", vps), ("sprop-sps", sps), ("sprop-pps", pps)] {
        if !nals.is_empty() {
            parameters.push(format!("{name}={}", base64_list(nals.iter())));
        }
    }
    PayloadFormat {
        media: "video",
        payload_type: dynamic,
        encoding_name: "H265",
        clock_rate: 90_000,
        channels: None,
        fmtp: (!parameters.is_empty()).then(|| parameters.join(";")),
    }
}

/// Reads the value of an `a=fmtp`, without its payload type. What cannot be read is left out.
pub fn parameters_from_fmtp(fmtp: &str) -> H265Parameters {
    let mut parameters = H265Parameters::default();
    for (name, value) in fmtp_parameters(fmtp) {
        match name.to_ascii_lowercase().as_str() {
            "sprop-vps" => parameters.vps.extend(from_base64_list(value)),
            "sprop-sps" => parameters.sps.extend(from_base64_list(value)),
            "sprop-pps" => parameters.pps.extend(from_base64_list(value)),
            "sprop-max-don-diff" => parameters.max_don_diff = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    parameters
}
