//! SDP parameters of H.265 (RFC 7798 section 7.1).

use super::rules::{H265Depacketizer, H265DonDepacketizer, H265Packetizer, H265Rules};
use crate::codec::CodecParameters;
use crate::codec::h265::Sps;
use crate::framer::leading::NalCodec;
use crate::payload::depacketizer::Depacketizer;
use crate::payload::entry::FormatEntry;
use crate::payload::error::FormatError;
use crate::payload::format::PayloadFormat;
use crate::payload::key_frames::{self, KeyFrameTest, PayloadTest};
use crate::payload::nal::payload_facts;
use crate::payload::nal::sdp::{base64_list, from_base64_list};
use crate::payload::packetizer::Packetizer;
use crate::wire::sdp::fmtp_parameters;
use bytes::Bytes;

const NAME: &str = "H265";
/// Greatest value of `sprop-max-don-diff`.
const MAX_DON_DIFF: u32 = 32_767;

/// The format parameters of an H.265 stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct H265Parameters {
    /// `sprop-vps`.
    pub vps: Vec<Bytes>,
    /// `sprop-sps`.
    pub sps: Vec<Bytes>,
    /// `sprop-pps`.
    pub pps: Vec<Bytes>,
    /// `sprop-max-don-diff`; a value other than 0 means that packets contain decoding order numbers,
    /// for which [`H265DonDepacketizer`](super::H265DonDepacketizer) is there.
    pub max_don_diff: u32,
    /// `sprop-depack-buf-nalus`: the most NAL units that wait for others before them in decoding
    /// order.
    pub depack_buf_nalus: Option<u16>,
}

/// Returns the payload format of a stream with these parameter sets; the fmtp omits those that are
/// unknown.
pub(super) fn format(vps: &[Bytes], sps: &[Bytes], pps: &[Bytes], dynamic: u8) -> PayloadFormat {
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
    let format = PayloadFormat::new("video", NAME, 90_000, dynamic);
    if parameters.is_empty() { format } else { format.with_fmtp(parameters.join(";")) }
}

/// Parses the value of an `a=fmtp`, without its payload type. Malformed parameters and parameter
/// sets are skipped.
pub fn parameters_from_fmtp(fmtp: &str) -> H265Parameters {
    let mut parameters = H265Parameters::default();
    for (name, value) in fmtp_parameters(fmtp) {
        match name.to_ascii_lowercase().as_str() {
            "sprop-vps" => parameters.vps.extend(from_base64_list(value)),
            "sprop-sps" => parameters.sps.extend(from_base64_list(value)),
            "sprop-pps" => parameters.pps.extend(from_base64_list(value)),
            "sprop-max-don-diff" => parameters.max_don_diff = value.parse().unwrap_or(0),
            "sprop-depack-buf-nalus" => parameters.depack_buf_nalus = value.parse().ok(),
            _ => {}
        }
    }
    parameters
}

/// The registry entry of H.265.
pub(in crate::payload) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "video"
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(90_000)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::H265 { vps, sps, pps } = parameters else { return None };
        Some(format(vps, sps, pps, payload_type))
    }

    /// Malformed parameter sets are skipped, since the stream usually contains them.
    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        let H265Parameters { max_don_diff, mut vps, mut sps, mut pps, .. } =
            parameters_from_fmtp(format.fmtp.as_deref().unwrap_or_default());
        if max_don_diff > MAX_DON_DIFF {
            let value = max_don_diff.to_string();
            return Err(FormatError::parameter(NAME, "sprop-max-don-diff", &value));
        }
        let alone = |vps, sps, pps| CodecParameters::H265 { vps, sps, pps }.check().is_ok();
        vps.retain(|nal| alone(vec![nal.clone()], Vec::new(), Vec::new()));
        sps.retain(|nal| alone(Vec::new(), vec![nal.clone()], Vec::new()));
        pps.retain(|nal| alone(Vec::new(), Vec::new(), vec![nal.clone()]));
        Ok(CodecParameters::H265 { vps, sps, pps })
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(H265Packetizer::new())
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        let H265Parameters { max_don_diff, depack_buf_nalus, .. } =
            parameters_from_fmtp(format.fmtp.as_deref().unwrap_or_default());
        let has_all = match self.parameters(format) {
            Ok(CodecParameters::H265 { vps, sps, pps }) => {
                !vps.is_empty() && !sps.is_empty() && !pps.is_empty()
            }
            _ => false,
        };
        if max_don_diff == 0 {
            let d = H265Depacketizer::new();
            return Ok(Box::new(if has_all { d } else { d.expecting_parameter_sets() }));
        }
        let max_don_diff = u16::try_from(max_don_diff).unwrap_or(u16::MAX);
        let d = H265DonDepacketizer::new(max_don_diff, depack_buf_nalus);
        Ok(Box::new(if has_all { d } else { d.expecting_parameter_sets() }))
    }

    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        Some(key_frames::h265)
    }

    fn payload_test(&self, format: &PayloadFormat) -> Option<PayloadTest> {
        let parameters = parameters_from_fmtp(format.fmtp.as_deref().unwrap_or_default());
        Some(match parameters.max_don_diff {
            0 => |payload| payload_facts::<H265Rules>(NalCodec::H265, payload, false),
            _ => |payload| payload_facts::<H265Rules>(NalCodec::H265, payload, true),
        })
    }
}
