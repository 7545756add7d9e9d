//! AMR and AMR-WB in SDP (RFC 4867 section 8) and in the registry.

use super::{AmrDepacketizer, AmrMode, AmrPacketizer};
use crate::codec::{CodecParameters, amr};
use crate::payload::depacketizer::Depacketizer;
use crate::payload::entry::FormatEntry;
use crate::payload::error::FormatError;
use crate::payload::format::PayloadFormat;
use crate::payload::packetizer::Packetizer;

const NAMES: [&str; 2] = ["AMR", "AMR-WB"];
/// Parts of the format that are not supported.
const UNSUPPORTED: [(&str, &str); 3] = [
    ("crc", "CRCs (crc)"),
    ("robust-sorting", "robust sorting (robust-sorting)"),
    ("interleaving", "interleaving (interleaving)"),
];

/// Returns the mode in which a codec is sent octet-aligned, or `None` if it is another codec.
fn mode_of(parameters: &CodecParameters) -> Option<AmrMode> {
    let CodecParameters::Amr { wideband, channels } = *parameters else { return None };
    Some(AmrMode::new(wideband).with_channels(channels))
}

fn format_of(mode: AmrMode, payload_type: u8) -> PayloadFormat {
    let [narrow, wide] = NAMES;
    let name = if mode.wideband { wide } else { narrow };
    let clock_rate = amr::sampling_rate(mode.wideband);
    let format = PayloadFormat::new("audio", name, clock_rate, payload_type);
    format.with_channels(mode.channels)
}

/// Returns the mode that SDP describes.
fn described(format: &PayloadFormat) -> Result<AmrMode, FormatError> {
    let name = &*format.encoding_name;
    for (parameter, what) in UNSUPPORTED {
        if format.parameter(parameter).is_some_and(|value| value != "0") {
            return Err(FormatError::unsupported(name, what));
        }
    }
    let [_, wide] = NAMES;
    let mode = AmrMode::new(name.eq_ignore_ascii_case(wide));
    let mode = mode.with_channels(format.channels.unwrap_or(1));
    match format.parameter("octet-align") {
        // Some leave out the value.
        Some("1" | "") => Ok(mode),
        None | Some("0") => Ok(mode.bandwidth_efficient()),
        Some(value) => Err(FormatError::parameter(name, "octet-align", value)),
    }
}

/// The registry entry of AMR and AMR-WB, which sends octet-aligned.
pub(in crate::payload) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "audio"
    }

    fn encoding_names(&self) -> &[&str] {
        &NAMES
    }

    fn handles(&self, media: &str, encoding_name: &str, clock_rate: u32) -> bool {
        let own = NAMES.iter().position(|name| name.eq_ignore_ascii_case(encoding_name));
        self.media().eq_ignore_ascii_case(media)
            && own.is_some_and(|own| amr::sampling_rate(own == 1) == clock_rate)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        Some(format_of(mode_of(parameters)?, payload_type).with_fmtp("octet-align=1"))
    }

    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        let AmrMode { wideband, channels, .. } = described(format)?;
        Ok(CodecParameters::Amr { wideband, channels })
    }

    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(AmrPacketizer::new(mode_of(parameters).unwrap_or(AmrMode::new(false))))
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(AmrDepacketizer::new(described(format)?)))
    }
}

/// The registry entry of AMR and AMR-WB that sends bandwidth-efficient, which saves up to 6 bits a
/// frame; fewer players can read it. It receives both modes, as the standard entry does.
///
/// ```
/// use riverrun::codec::CodecParameters;
/// use riverrun::payload::FormatRegistry;
/// use riverrun::payload::amr::BandwidthEfficient;
///
/// let formats = FormatRegistry::new().with(BandwidthEfficient);
/// let amr = CodecParameters::Amr { wideband: false, channels: 1 };
/// assert_eq!(formats.format(&amr, 97)?.fmtp, None);
/// # Ok::<(), riverrun::payload::FormatError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to say")]
pub struct BandwidthEfficient;

impl FormatEntry for BandwidthEfficient {
    fn media(&self) -> &str {
        Entry.media()
    }

    fn encoding_names(&self) -> &[&str] {
        &NAMES
    }

    fn handles(&self, media: &str, encoding_name: &str, clock_rate: u32) -> bool {
        Entry.handles(media, encoding_name, clock_rate)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        Some(format_of(mode_of(parameters)?, payload_type))
    }

    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Entry.parameters(format)
    }

    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer> {
        let mode = mode_of(parameters).unwrap_or(AmrMode::new(false));
        Box::new(AmrPacketizer::new(mode.bandwidth_efficient()))
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Entry.depacketizer(format)
    }
}
