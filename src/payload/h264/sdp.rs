//! SDP parameters of H.264 (RFC 6184 section 8.1).

use super::rules::{H264Depacketizer, H264Packetizer, H264Rules};
use crate::codec::CodecParameters;
use crate::codec::h264::{nal_type, nal_unit_type};
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

const NAME: &str = "H264";

/// The format parameters of an H.264 stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

/// Returns the payload format of a stream with these parameter sets; the fmtp omits those that are
/// unknown.
pub(super) fn format(mode: u8, sps: &[Bytes], pps: &[Bytes], dynamic: u8) -> PayloadFormat {
    let mut fmtp = format!("packetization-mode={mode}");
    if let Some([profile, constraints, level]) = sps.first().and_then(|nal| nal.get(1..4)) {
        fmtp += &format!(";profile-level-id={profile:02X}{constraints:02X}{level:02X}");
    }
    if !sps.is_empty() && !pps.is_empty() {
        fmtp += ";sprop-parameter-sets=";
        fmtp += &base64_list(sps.iter().chain(pps));
    }
    PayloadFormat::new("video", NAME, 90_000, dynamic).with_fmtp(fmtp)
}

/// Parses the value of an `a=fmtp`, without its payload type. Malformed parameters and parameter
/// sets are skipped.
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

/// The registry entry of H.264.
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
        let CodecParameters::H264 { sps, pps } = parameters else { return None };
        Some(format(1, sps, pps, payload_type))
    }

    /// Malformed parameter sets are skipped, since the stream usually contains them.
    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        let H264Parameters { packetization_mode, mut sps, mut pps, .. } =
            parameters_from_fmtp(format.fmtp.as_deref().unwrap_or_default());
        if packetization_mode > 1 {
            return Err(FormatError::unsupported(NAME, "packetization-mode 2 (interleaved)"));
        }
        let alone = |sps, pps| CodecParameters::H264 { sps, pps }.check().is_ok();
        sps.retain(|nal| alone(vec![nal.clone()], Vec::new()));
        pps.retain(|nal| alone(Vec::new(), vec![nal.clone()]));
        Ok(CodecParameters::H264 { sps, pps })
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(H264Packetizer::new())
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        let depacketizer = H264Depacketizer::new();
        let has_all = match self.parameters(format) {
            Ok(CodecParameters::H264 { sps, pps }) => !sps.is_empty() && !pps.is_empty(),
            _ => false,
        };
        Ok(Box::new(if has_all { depacketizer } else { depacketizer.expecting_parameter_sets() }))
    }

    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        Some(key_frames::h264)
    }

    fn payload_test(&self, _: &PayloadFormat) -> Option<PayloadTest> {
        Some(|payload| payload_facts::<H264Rules>(NalCodec::H264, payload, false))
    }
}

/// An entry for a [`FormatRegistry`](crate::payload::FormatRegistry) that sends H.264 in packetization
/// mode 0, for receivers that know no other (RFC 6184 section 6.2): each NAL unit has a packet of its
/// own, and one that does not fit is dropped and [counted](Packetizer::unsent). The encoder has to
/// make slices that fit. Streams of either mode are received.
///
/// ```
/// use riverrun::codec::CodecParameters;
/// use riverrun::payload::FormatRegistry;
/// use riverrun::payload::h264::SingleNalUnitMode;
///
/// let formats = FormatRegistry::new().with(SingleNalUnitMode::new());
/// let track = CodecParameters::H264 { sps: vec![], pps: vec![] };
/// let format = formats.format(&track, 96)?;
/// assert_eq!(format.fmtp.as_deref(), Some("packetization-mode=0"));
/// # Ok::<(), riverrun::payload::FormatError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SingleNalUnitMode {
    _private: (),
}

impl SingleNalUnitMode {
    /// Creates the entry.
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl FormatEntry for SingleNalUnitMode {
    fn media(&self) -> &str {
        Entry.media()
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME]
    }

    fn clock_rate(&self) -> Option<u32> {
        Entry.clock_rate()
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::H264 { sps, pps } = parameters else { return None };
        Some(format(0, sps, pps, payload_type))
    }

    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Entry.parameters(format)
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(H264Packetizer::single_nal_units())
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Entry.depacketizer(format)
    }

    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        Entry.key_frame_test()
    }

    fn payload_test(&self, format: &PayloadFormat) -> Option<PayloadTest> {
        Entry.payload_test(format)
    }
}
