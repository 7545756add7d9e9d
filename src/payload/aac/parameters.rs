//! SDP format parameters of AAC (RFC 3640 section 4.1).

use super::headers::AuHeaderLayout;
use crate::codec::aac::AudioSpecificConfig;
use crate::payload::error::FormatError;
use crate::payload::fmtp::{self, from_hex};
use bytes::Bytes;

/// The encoding name.
pub(super) const NAME: &str = "MPEG4-GENERIC";
/// The parameters that state the length of a field in bits.
const LENGTHS: [&str; 7] = [
    "sizeLength",
    "indexLength",
    "indexDeltaLength",
    "CTSDeltaLength",
    "DTSDeltaLength",
    "streamStateIndication",
    "auxiliaryDataSizeLength",
];

/// The format parameters of an AAC stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AacParameters {
    /// `config`: the AudioSpecificConfig; empty if the parameter is missing or not hexadecimal.
    pub config: Bytes,
    /// The layout of AU headers.
    pub layout: AuHeaderLayout,
    /// `constantDuration`: duration of every access unit in RTP units.
    pub constant_duration: Option<u32>,
}

impl AacParameters {
    /// Returns the duration of an access unit in RTP units, for a clock of `clock_rate` Hz.
    pub fn unit_duration(&self, clock_rate: u32) -> u32 {
        self.constant_duration.unwrap_or_else(|| samples_per_unit(&self.config, clock_rate))
    }

    /// Like [`parameters_from_fmtp`], but fails if a parameter is missing or malformed without
    /// which access units cannot be found.
    pub(super) fn checked(fmtp: &str) -> Result<Self, FormatError> {
        let find = fmtp::find;
        let mode = find(fmtp, "mode").unwrap_or("generic");
        if !["generic", "AAC-hbr", "AAC-lbr"].iter().any(|known| known.eq_ignore_ascii_case(mode)) {
            return Err(FormatError::parameter(NAME, "mode", mode));
        }
        for name in LENGTHS {
            if let Some(value) = find(fmtp, name).filter(|value| field_length(value).is_none()) {
                return Err(FormatError::parameter(NAME, name, value));
            }
        }
        if find(fmtp, "maxDisplacement").is_some_and(|value| value.parse() != Ok(0_u32)) {
            return Err(FormatError::unsupported(NAME, "interleaving (maxDisplacement)"));
        }
        Ok(parameters_from_fmtp(fmtp))
    }
}

/// Returns the duration of an access unit in units of a clock of `clock_rate` Hz: usually 1024, or
/// twice that if the clock is that of the output of spectral band replication.
pub fn samples_per_unit(config: &[u8], clock_rate: u32) -> u32 {
    let Ok(config) = AudioSpecificConfig::parse(config) else { return 1024 };
    let units =
        u64::from(config.frame_length) * u64::from(clock_rate) / u64::from(config.sampling_rate);
    u32::try_from(units).unwrap_or(1024)
}

/// Parses the length of a field in bits.
fn field_length(value: &str) -> Option<u8> {
    value.parse().ok().filter(|bits| *bits <= 32)
}

/// Parses the value of an `a=fmtp`, without its payload type. Malformed parameters are skipped.
/// Missing lengths are those of the `mode`; if it is missing too, those of AAC-hbr, which nearly
/// all streams use.
pub fn parameters_from_fmtp(fmtp: &str) -> AacParameters {
    let find = |name| fmtp::find(fmtp, name);
    let number = |name| find(name)?.parse::<u32>().ok();
    let length = |name| find(name).and_then(field_length);
    let told = ["sizeLength", "indexLength", "indexDeltaLength", "constantSize"];
    let modes = match find("mode").map(str::to_ascii_lowercase).as_deref() {
        Some("aac-lbr") => AuHeaderLayout::AAC_LBR,
        Some("aac-hbr") => AuHeaderLayout::AAC_HBR,
        _ if told.iter().any(|name| find(name).is_some()) => AuHeaderLayout::default(),
        _ => AuHeaderLayout::AAC_HBR,
    };
    let layout = AuHeaderLayout {
        size_length: length("sizeLength").unwrap_or(modes.size_length),
        index_length: length("indexLength").unwrap_or(modes.index_length),
        index_delta_length: length("indexDeltaLength").unwrap_or(modes.index_delta_length),
        cts_delta_length: length("CTSDeltaLength").unwrap_or(0),
        dts_delta_length: length("DTSDeltaLength").unwrap_or(0),
        random_access_indication: number("randomAccessIndication") == Some(1),
        stream_state_length: length("streamStateIndication").unwrap_or(0),
        auxiliary_size_length: length("auxiliaryDataSizeLength").unwrap_or(0),
        constant_size: number("constantSize").filter(|size| *size > 0),
    };
    AacParameters {
        config: find("config").and_then(from_hex).unwrap_or_default(),
        layout,
        constant_duration: number("constantDuration").filter(|duration| *duration > 0),
    }
}
