//! [`FormatEntry`]: all that is known of one RTP payload format.

use super::depacketizer::Depacketizer;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::key_frames::KeyFrameTest;
use super::packetizer::Packetizer;
use crate::codec::{CodecParameters, OtherCodec};

/// All that a [`FormatRegistry`](super::FormatRegistry) knows of one RTP payload format: how SDP
/// names it, how its format parameters and the codec's parameters follow from each other, its
/// packetizer and depacketizer, and with which frames decoding can start.
///
/// An entry for an application's own codec needs [`media`](Self::media),
/// [`encoding_names`](Self::encoding_names) and [`packetizer`](Self::packetizer); the tracks that
/// use it have the parameters [`CodecParameters::Other`].
///
/// # Example
///
/// Telemetry whose records fit in a packet each:
///
/// ```
/// use riverrun::codec::{CodecParameters, OtherCodec};
/// use riverrun::payload::opaque::OpaquePacketizer;
/// use riverrun::payload::{FormatEntry, FormatRegistry, Packetizer};
///
/// struct Telemetry;
///
/// impl FormatEntry for Telemetry {
///     fn media(&self) -> &str {
///         "application"
///     }
///
///     fn encoding_names(&self) -> &[&str] {
///         &["X-TELEMETRY"]
///     }
///
///     fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
///         Box::new(OpaquePacketizer::new())
///     }
/// }
///
/// let formats = FormatRegistry::new().with(Telemetry);
/// let track = CodecParameters::Other(OtherCodec::new("application", "X-TELEMETRY", 1000));
/// let format = formats.format(&track, 96)?;
/// assert_eq!((&*format.encoding_name, format.clock_rate), ("X-TELEMETRY", 1000));
/// # Ok::<(), riverrun::payload::FormatError>(())
/// ```
pub trait FormatEntry: Send + Sync {
    /// Media of the `m=` line, for example `video`.
    fn media(&self) -> &str;

    /// The encoding names of the format in `a=rtpmap`, compared without regard to case.
    fn encoding_names(&self) -> &[&str];

    /// RTP timestamp units per second, if the format has the same for every stream.
    fn clock_rate(&self) -> Option<u32> {
        None
    }

    /// Whether the entry is that of a stream which SDP describes so.
    fn handles(&self, media: &str, encoding_name: &str, clock_rate: u32) -> bool {
        self.media().eq_ignore_ascii_case(media)
            && self.encoding_names().iter().any(|name| name.eq_ignore_ascii_case(encoding_name))
            && self.clock_rate().is_none_or(|own| own == clock_rate)
    }

    /// What SDP says of a track with these parameters, or `None` if they are of another format.
    /// `payload_type` is a dynamic one (96–127); where RFC 3551 section 6 assigns a static one to the
    /// format, the registry puts it in its place.
    ///
    /// The parameters are taken as they are: [`CodecParameters::check`] tells whether a stream can
    /// have them. By default an entry is that of [`CodecParameters::Other`] of its name.
    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::Other(codec) = parameters else { return None };
        let is_own = self.handles(&codec.media, &codec.encoding_name, codec.clock_rate);
        is_own.then(|| described(codec, payload_type))
    }

    /// The parameters of the codec, from what SDP says of a track. By default
    /// [`CodecParameters::Other`].
    ///
    /// # Errors
    /// A format parameter has a value that no stream can have, or stands for a part of the format
    /// that is not supported.
    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(other(format))
    }

    /// A packetizer for a track whose parameters [`format`](Self::format) takes.
    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer>;

    /// A depacketizer for a track that SDP describes so, and of which
    /// [`parameters`](Self::parameters) makes something.
    ///
    /// # Errors
    /// The stream uses a part of the format that is not supported. By default the format can only be
    /// sent.
    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Err(FormatError::unsupported(&format.encoding_name, "receiving"))
    }

    /// Tells key frames by their bytes. Where an entry has no test, as by default, the
    /// [`key`](crate::FrameFlags::key) that the source sets is believed.
    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        None
    }
}

/// What SDP says of a codec by its name.
pub(super) fn described(codec: &OtherCodec, payload_type: u8) -> PayloadFormat {
    let OtherCodec { media, encoding_name, clock_rate, channels, fmtp } = codec.clone();
    PayloadFormat { media, payload_type, encoding_name, clock_rate, channels, fmtp }
}

/// A codec of which nothing is known but what SDP says.
pub(super) fn other(format: &PayloadFormat) -> CodecParameters {
    let PayloadFormat { media, payload_type: _, encoding_name, clock_rate, channels, fmtp } =
        format.clone();
    CodecParameters::Other(OtherCodec { media, encoding_name, clock_rate, channels, fmtp })
}
