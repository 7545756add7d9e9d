//! AAC in SDP (RFC 3640 section 4.1) and in the registry.

use super::depacketizer::AacDepacketizer;
use super::packetizer::AacPacketizer;
use super::parameters::{AacParameters, NAME, samples_per_unit};
use crate::codec::CodecParameters;
use crate::codec::aac::AudioSpecificConfig;
use crate::payload::depacketizer::Depacketizer;
use crate::payload::entry::FormatEntry;
use crate::payload::error::FormatError;
use crate::payload::fmtp::{find, push_hex};
use crate::payload::format::PayloadFormat;
use crate::payload::packetizer::Packetizer;
use bytes::Bytes;
use std::fmt::Write;

/// Returns the SDP format; `sampling_rate` becomes the RTP clock rate, `config` is the
/// AudioSpecificConfig.
pub(super) fn format(
    config: &[u8],
    sampling_rate: u32,
    channels: u8,
    dynamic: u8,
) -> PayloadFormat {
    let mut fmtp = String::from(
        "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;\
         indexdeltalength=3",
    );
    let _ = write!(fmtp, ";constantDuration={}", samples_per_unit(config, sampling_rate));
    fmtp.push_str(";config=");
    push_hex(&mut fmtp, config);
    let format = PayloadFormat::new("audio", NAME, sampling_rate, dynamic);
    format.with_channels(channels).with_fmtp(fmtp)
}

/// The codec parameters of a stream with this AudioSpecificConfig, as the format describes it. If the
/// clock rate is not the configuration's sampling rate, the latter is returned. `None` if there is no
/// such stream.
pub(in crate::payload) fn described(
    config: &Bytes,
    format: &PayloadFormat,
) -> Option<CodecParameters> {
    let audio = AudioSpecificConfig::parse(config).ok()?;
    // Parametric stereo makes two channels of one.
    let of_config = audio.channels.saturating_mul(1 + u8::from(audio.ps)).max(1);
    let channels = format.channels.unwrap_or(of_config);
    let of_rate = |sampling_rate| {
        let config = config.clone();
        CodecParameters::Aac { config, sampling_rate, channels }
    };
    [format.clock_rate, audio.sampling_rate]
        .map(of_rate)
        .into_iter()
        .find(|parameters| parameters.check().is_ok())
}

/// The registry entry of AAC.
pub(in crate::payload) struct Entry;

impl FormatEntry for Entry {
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
        Some(format(config, *sampling_rate, *channels, payload_type))
    }

    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        let fmtp = format.fmtp.as_deref().unwrap_or_default();
        let AacParameters { config, .. } = AacParameters::checked(fmtp)?;
        let bad_config =
            || FormatError::parameter(NAME, "config", find(fmtp, "config").unwrap_or_default());
        described(&config, format).ok_or_else(bad_config)
    }

    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer> {
        let sampling_rate = match *parameters {
            CodecParameters::Aac { sampling_rate, .. } => sampling_rate,
            _ => 1,
        };
        Box::new(AacPacketizer::new(sampling_rate))
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        let parameters = AacParameters::checked(format.fmtp.as_deref().unwrap_or_default())?;
        Ok(Box::new(AacDepacketizer::with_parameters(&parameters, format.clock_rate)))
    }
}
