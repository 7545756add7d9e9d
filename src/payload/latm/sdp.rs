//! AAC in LATM in SDP (RFC 6416 section 7.3) and in the registry.

use super::depacketizer::LatmDepacketizer;
use super::packetizer::LatmPacketizer;
use crate::codec::CodecParameters;
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::latm::{MuxError, StreamMuxConfig, stream_mux_config};
use crate::payload::aac::described;
use crate::payload::depacketizer::Depacketizer;
use crate::payload::entry::FormatEntry;
use crate::payload::error::FormatError;
use crate::payload::fmtp::{find, from_hex, push_hex};
use crate::payload::format::PayloadFormat;
use crate::payload::packetizer::Packetizer;
use bytes::Bytes;

const NAME: &str = "MP4A-LATM";
/// The RTP clock rate of descriptions that do not tell the sampling rate (section 7.4.1.1).
const NO_SAMPLING_RATE: u32 = 90_000;

/// The registry entry of AAC in LATM, for an application that sends AAC as LATM:
///
/// ```
/// use riverrun::codec::CodecParameters;
/// use riverrun::payload::FormatRegistry;
/// use riverrun::payload::latm::LatmEntry;
///
/// let config = [0x12, 0x10].as_slice().into();
/// let aac = CodecParameters::Aac { config, sampling_rate: 44_100, channels: 2 };
/// let formats = FormatRegistry::new().with(LatmEntry::new());
/// assert_eq!(formats.format(&aac, 96)?.encoding_name, "MP4A-LATM");
/// # Ok::<(), riverrun::payload::FormatError>(())
/// ```
#[derive(Debug, Default)]
pub struct LatmEntry {
    /// Whether AAC is sent by another entry.
    only_receives: bool,
}

impl LatmEntry {
    /// Creates an entry that sends and receives.
    pub const fn new() -> Self {
        Self { only_receives: false }
    }
}

/// The entry of the standard registry.
pub(in crate::payload) const RECEIVED: LatmEntry = LatmEntry { only_receives: true };

/// What a description tells of a stream.
struct Described {
    mux: StreamMuxConfig,
    audio: Bytes,
    /// Whether the configuration is from the description and not only assumed.
    is_told: bool,
    /// Whether the stream has a configuration, if the description says it.
    is_present: Option<bool>,
}

impl Described {
    fn read(format: &PayloadFormat) -> Result<Self, FormatError> {
        let fmtp = format.fmtp.as_deref().unwrap_or_default();
        let config = find(fmtp, "config");
        let is_present = find(fmtp, "cpresent").map(|value| value != "0");
        let bad_config = || FormatError::parameter(NAME, "config", config.unwrap_or_default());
        let bytes = match config {
            Some(text) => from_hex(text).ok_or_else(bad_config)?,
            None if is_present == Some(false) => return Err(bad_config()),
            None if format.clock_rate == NO_SAMPLING_RATE => {
                let what = "a sampling rate that the stream alone tells";
                return Err(FormatError::unsupported(NAME, what));
            }
            None => assumed(fmtp, format).ok_or_else(bad_config)?,
        };
        let mux = StreamMuxConfig::parse(&bytes).map_err(|e| match e {
            MuxError::Malformed(_) => bad_config(),
            MuxError::Unsupported(what) => FormatError::unsupported(NAME, what),
        })?;
        let audio = mux.audio_specific_config(&bytes);
        Ok(Self { mux, audio, is_told: config.is_some(), is_present })
    }
}

/// The configuration of a stream that alone has one: as the clock rate, the number of channels and
/// the parameter `object` tell.
fn assumed(fmtp: &str, format: &PayloadFormat) -> Option<Bytes> {
    let mut config = AudioSpecificConfig::lc(format.clock_rate, format.channels.unwrap_or(1));
    if let Some(object) = find(fmtp, "object") {
        config.object_type = object.parse().ok().filter(|object| matches!(object, 1..=4))?;
    }
    stream_mux_config(&config.to_bytes()).ok()
}

impl FormatEntry for LatmEntry {
    fn media(&self) -> &str {
        "audio"
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME]
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::Aac { config, sampling_rate, channels } = parameters else {
            return None;
        };
        let mux = if self.only_receives { None } else { stream_mux_config(config).ok() }?;
        let mut fmtp = String::from("profile-level-id=1;cpresent=0;config=");
        push_hex(&mut fmtp, &mux);
        // An extension that tells of SBR has no place in the configuration.
        if AudioSpecificConfig::parse(config).is_ok_and(|config| config.sbr.is_some()) {
            fmtp.push_str(";SBR-enabled=1");
        }
        let format = PayloadFormat::new("audio", NAME, *sampling_rate, payload_type);
        Some(format.with_channels(*channels).with_fmtp(fmtp))
    }

    /// Without a configuration in the description the stream must be AAC-LC, or of the type that the
    /// parameter `object` tells, with the clock rate as sampling rate.
    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        let Described { audio, .. } = Described::read(format)?;
        let fmtp = format.fmtp.as_deref().unwrap_or_default();
        let bad_config =
            || FormatError::parameter(NAME, "config", find(fmtp, "config").unwrap_or_default());
        described(&audio, format).ok_or_else(bad_config)
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(LatmPacketizer::new())
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        let Described { mux, is_told, is_present, .. } = Described::read(format)?;
        // The default of `cpresent` is 1 (section 7.3).
        let is_present_or_default = is_present.unwrap_or(true);
        let depacketizer = LatmDepacketizer::new(mux, is_present_or_default, format.clock_rate);
        Ok(Box::new(match (is_told, is_present) {
            (true, None) => depacketizer.finding_config(),
            (true, _) => depacketizer.knowing_config(),
            (false, _) => depacketizer,
        }))
    }
}
