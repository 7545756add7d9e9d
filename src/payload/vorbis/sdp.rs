//! Vorbis in SDP (RFC 5215 section 7) and in the registry.

use super::configuration::Configuration;
use super::{VorbisDepacketizer, VorbisPacketizer};
use crate::codec::CodecParameters;
use crate::codec::vorbis::Headers;
use crate::payload::depacketizer::Depacketizer;
use crate::payload::entry::FormatEntry;
use crate::payload::error::FormatError;
use crate::payload::format::PayloadFormat;
use crate::payload::nal::sdp::BASE64;
use crate::payload::opaque::OpaquePacketizer;
use crate::payload::packetizer::Packetizer;
use base64::Engine as _;

const NAME: &str = "vorbis";
const CONFIGURATION: &str = "configuration";

/// The registry entry of Vorbis.
pub(in crate::payload) struct Entry;

/// Returns the configuration that SDP states, and what its headers say.
fn described(format: &PayloadFormat) -> Result<(Configuration, Headers), FormatError> {
    let stated = format.parameter(CONFIGURATION).unwrap_or_default();
    let bad = || FormatError::parameter(NAME, CONFIGURATION, stated);
    let packed = BASE64.decode(stated).map_err(|_| bad())?;
    let configuration = Configuration::parse(&packed.into()).map_err(|_| bad())?;
    let headers = Headers::parse(&configuration.headers).map_err(|_| bad())?;
    Ok((configuration, headers))
}

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "audio"
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME]
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::Vorbis { sampling_rate, channels, headers } = parameters else {
            return None;
        };
        let packed = BASE64.encode(Configuration::new(headers).to_bytes());
        let format = PayloadFormat::new("audio", NAME, *sampling_rate, payload_type);
        Some(format.with_channels(*channels).with_fmtp(format!("{CONFIGURATION}={packed}")))
    }

    /// The headers' rate and channels are returned if the rtpmap has others.
    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        let (Configuration { headers, .. }, facts) = described(format)?;
        let Headers { sampling_rate, channels, .. } = facts;
        let parameters = CodecParameters::Vorbis { sampling_rate, channels, headers };
        match parameters.check() {
            Ok(()) => Ok(parameters),
            Err(_) => Err(FormatError::unsupported(NAME, "that sampling rate")),
        }
    }

    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer> {
        match parameters {
            CodecParameters::Vorbis { sampling_rate, headers, .. } => {
                Box::new(VorbisPacketizer::new(headers, *sampling_rate))
            }
            _ => Box::new(OpaquePacketizer::new()),
        }
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        let (configuration, _) = described(format)?;
        let depacketizer = VorbisDepacketizer::with(configuration);
        let bad = |_| FormatError::parameter(NAME, CONFIGURATION, "");
        Ok(Box::new(depacketizer.map_err(bad)?))
    }
}
