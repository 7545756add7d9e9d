//! [`FormatEntry`]: the implementation of one RTP payload format.

use super::depacketizer::Depacketizer;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::key_frames::{KeyFrameTest, PayloadTest};
use super::packetizer::Packetizer;
use crate::codec::{CodecParameters, OtherCodec};

/// The entry of one RTP payload format in a [`FormatRegistry`](super::FormatRegistry): its names in
/// SDP, the conversion between format parameters and codec parameters, its packetizer and
/// depacketizer, and the recognition of key frames.
///
/// An entry for an application's own codec needs [`media`](Self::media),
/// [`encoding_names`](Self::encoding_names) and [`packetizer`](Self::packetizer); tracks that use
/// it have the parameters [`CodecParameters::Other`].
///
/// # Example
///
/// Telemetry whose records fit into a packet each:
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
    /// Returns the media type of the `m=` line, such as `video`.
    fn media(&self) -> &str;

    /// Returns the encoding names of the format in `a=rtpmap`, compared without regard to case.
    fn encoding_names(&self) -> &[&str];

    /// Returns the RTP clock rate in Hz, if it is the same for every stream of the format.
    fn clock_rate(&self) -> Option<u32> {
        None
    }

    /// Returns whether the entry handles a stream that SDP describes in this way.
    fn handles(&self, media: &str, encoding_name: &str, clock_rate: u32) -> bool {
        self.media().eq_ignore_ascii_case(media)
            && self.encoding_names().iter().any(|name| name.eq_ignore_ascii_case(encoding_name))
            && self.clock_rate().is_none_or(|own| own == clock_rate)
    }

    /// Returns the SDP format of a track with these parameters, or `None` if they belong to another
    /// format. `payload_type` is dynamic (96–127); if RFC 3551 section 6 assigns a static one to
    /// the format, the registry replaces it.
    ///
    /// The parameters are not checked; use [`CodecParameters::check`]. The default handles
    /// [`CodecParameters::Other`] with one of the entry's names.
    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::Other(codec) = parameters else { return None };
        let is_own = self.handles(&codec.media, &codec.encoding_name, codec.clock_rate);
        is_own.then(|| described(codec, payload_type))
    }

    /// Returns the codec parameters of a track that SDP describes. The default returns
    /// [`CodecParameters::Other`].
    ///
    /// # Errors
    /// A format parameter has an impossible value, or the stream uses an unsupported part of the
    /// format.
    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(other(format))
    }

    /// Returns a packetizer for a track whose parameters [`format`](Self::format) accepts.
    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer>;

    /// Returns a depacketizer for a track that SDP describes and whose parameters
    /// [`parameters`](Self::parameters) accepts.
    ///
    /// # Errors
    /// The stream uses an unsupported part of the format. The default always fails: the format can
    /// only be sent.
    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Err(FormatError::unsupported(&format.encoding_name, "receiving"))
    }

    /// Returns the test that recognizes key frames by their bytes. With the default, `None`, the
    /// flag [`key`](crate::FrameFlags::key) set by the source is used.
    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        None
    }

    /// Returns the test that recognizes key frames by the payloads of their RTP packets, for streams
    /// that are relayed packet by packet. With the default, `None`, every frame counts as one.
    fn payload_test(&self, format: &PayloadFormat) -> Option<PayloadTest> {
        let _ = format;
        None
    }
}

/// The SDP format of a codec that is known by name only.
pub(super) fn described(codec: &OtherCodec, payload_type: u8) -> PayloadFormat {
    let OtherCodec { media, encoding_name, clock_rate, channels, fmtp } = codec.clone();
    let format = PayloadFormat::new(media, encoding_name, clock_rate, payload_type);
    PayloadFormat { channels, fmtp, ..format }
}

/// The codec parameters of a format that is known by its SDP only.
pub(super) fn other(format: &PayloadFormat) -> CodecParameters {
    let PayloadFormat { media, encoding_name, clock_rate, channels, fmtp, .. } = format.clone();
    CodecParameters::Other(OtherCodec { media, encoding_name, clock_rate, channels, fmtp })
}
