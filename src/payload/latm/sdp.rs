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
    /// Whether the stream has a configuration.
    is_present: bool,
}

impl Described {
    fn read(format: &PayloadFormat) -> Result<Self, FormatError> {
        let fmtp = format.fmtp.as_deref().unwrap_or_default();
        let config = find(fmtp, "config");
        // "If this parameter is not present, the default is 1"; senders that tell a configuration
        // forget it, and have none in the stream.
        let is_present = match find(fmtp, "cpresent") {
            Some(value) => value != "0",
            None => config.is_none(),
        };
        let bad_config = || FormatError::parameter(NAME, "config", config.unwrap_or_default());
        let bytes = match config {
            Some(text) => from_hex(text).ok_or_else(bad_config)?,
            None if is_present => assumed(fmtp, format).ok_or_else(bad_config)?,
            None => return Err(bad_config()),
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
        let depacketizer = LatmDepacketizer::new(mux, is_present, format.clock_rate);
        Ok(Box::new(if is_told { depacketizer.knowing_config() } else { depacketizer }))
    }
}
