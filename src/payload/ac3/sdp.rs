//! AC-3 (RFC 4184 section 5) and Enhanced AC-3 (RFC 4598 section 5) in SDP and in the registry.

use super::depacketizer::Ac3Depacketizer;
use super::packetizer::Ac3Packetizer;
use crate::codec::CodecParameters;
use crate::payload::depacketizer::Depacketizer;
use crate::payload::entry::FormatEntry;
use crate::payload::error::FormatError;
use crate::payload::format::PayloadFormat;
use crate::payload::packetizer::Packetizer;

/// Number of channels of a stream whose description tells none: as many as AC-3 can have.
const MOST_CHANNELS: u8 = 6;

/// The registry entry of AC-3 or of Enhanced AC-3.
pub(in crate::payload) struct Entry {
    names: [&'static str; 1],
    enhanced: bool,
}

/// The registry entry of AC-3.
pub(in crate::payload) const AC3: Entry = Entry { names: ["ac3"], enhanced: false };
/// The registry entry of Enhanced AC-3.
pub(in crate::payload) const EAC3: Entry = Entry { names: ["eac3"], enhanced: true };

impl Entry {
    /// Sampling rate and number of channels, if the parameters are of this format.
    const fn audio(&self, parameters: &CodecParameters) -> Option<(u32, u8)> {
        match *parameters {
            CodecParameters::Ac3 { sampling_rate, channels } if !self.enhanced => {
                Some((sampling_rate, channels))
            }
            CodecParameters::Eac3 { sampling_rate, channels } if self.enhanced => {
                Some((sampling_rate, channels))
            }
            _ => None,
        }
    }
}

const SUBSTREAMS: &str = "bitStreamConfig";

/// The substreams of Enhanced AC-3, each with the number of channels that a decoder has with it (RFC
/// 4598 section 5.1): an independent one, and a dependent one for those that it has no room for. The
/// rtpmap has no number of channels (section 5.2).
fn substreams_of(channels: u8) -> String {
    if channels > MOST_CHANNELS {
        format!("{SUBSTREAMS}=i{MOST_CHANNELS}d{channels}")
    } else {
        format!("{SUBSTREAMS}=i{channels}")
    }
}

/// The number of channels of the first program. The example of section 5.2 has a space for the equals
/// sign.
fn channels_of(fmtp: &str) -> Option<u8> {
    let (name, value) = fmtp.trim().split_at_checked(SUBSTREAMS.len())?;
    let value = value.trim_start_matches([' ', '=', '"']);
    let program = value.strip_prefix('i').filter(|_| name.eq_ignore_ascii_case(SUBSTREAMS))?;
    let end = program.find(|c: char| c != 'd' && !c.is_ascii_digit()).unwrap_or(program.len());
    let last = program.get(..end)?.rsplit('d').next()?;
    last.parse().ok().filter(|channels| *channels > 0)
}

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "audio"
    }

    fn encoding_names(&self) -> &[&str] {
        &self.names
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let (sampling_rate, channels) = self.audio(parameters)?;
        let [name] = self.names;
        let format = PayloadFormat::new("audio", name, sampling_rate, payload_type);
        Some(if self.enhanced {
            format.with_fmtp(substreams_of(channels))
        } else {
            format.with_channels(channels)
        })
    }

    /// Descriptions often tell no number of channels, which need not mean one.
    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        let sampling_rate = format.clock_rate;
        let substreams = format.fmtp.as_deref().filter(|_| self.enhanced).and_then(channels_of);
        let channels = substreams.or(format.channels).unwrap_or(MOST_CHANNELS);
        let parameters = if self.enhanced {
            CodecParameters::Eac3 { sampling_rate, channels }
        } else {
            CodecParameters::Ac3 { sampling_rate, channels }
        };
        let [name] = self.names;
        match sampling_rate {
            // Half the rates are those of Enhanced AC-3, and in use with AC-3 too.
            48_000 | 44_100 | 32_000 | 24_000 | 22_050 | 16_000 => Ok(parameters),
            _ => Err(FormatError::unsupported(name, "an RTP clock other than the sampling rate")),
        }
    }

    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer> {
        let (sampling_rate, _) = self.audio(parameters).unwrap_or((1, 1));
        Box::new(if self.enhanced {
            Ac3Packetizer::enhanced(sampling_rate)
        } else {
            Ac3Packetizer::new(sampling_rate)
        })
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(if self.enhanced {
            Ac3Depacketizer::enhanced(format.clock_rate)
        } else {
            Ac3Depacketizer::new(format.clock_rate)
        }))
    }
}
