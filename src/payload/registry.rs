//! [`FormatRegistry`]: the payload formats, found by SDP name and by codec.

use super::depacketizer::Depacketizer;
use super::entry::{self, FormatEntry};
use super::error::FormatError;
use super::format::PayloadFormat;
use super::key_frames::{KeyFrameTest, PayloadTest};
use super::packetizer::Packetizer;
use super::{aac, h264, h265, mp2t, mpa, opaque, pcm, static_types};
#[cfg(feature = "audio-formats")]
use super::{ac3, amr, latm, opus, speex, voice, vorbis};
#[cfg(feature = "video-formats")]
use super::{av1, jpeg, mp4v, mpv, vp8, vp9};
#[cfg(feature = "data-formats")]
use super::{klv, onvif_metadata, text};
use crate::codec::CodecParameters;
use crate::wire::sdp::MediaDescription;
use std::fmt;
use std::sync::Arc;

/// The formats of this crate.
const STANDARD: &[&dyn FormatEntry] = &[
    &h264::Entry,
    &h265::Entry,
    &aac::Entry,
    &mpa::ENTRY,
    &pcm::Entry,
    &mp2t::ENTRY,
    #[cfg(feature = "video-formats")]
    &vp8::ENTRY,
    #[cfg(feature = "video-formats")]
    &vp9::ENTRY,
    #[cfg(feature = "video-formats")]
    &av1::ENTRY,
    #[cfg(feature = "video-formats")]
    &jpeg::ENTRY,
    #[cfg(feature = "video-formats")]
    &mpv::ENTRY,
    #[cfg(feature = "video-formats")]
    &mp4v::ENTRY,
    #[cfg(feature = "audio-formats")]
    &opus::Entry,
    #[cfg(feature = "audio-formats")]
    &vorbis::Entry,
    #[cfg(feature = "audio-formats")]
    &voice::Entry,
    #[cfg(feature = "audio-formats")]
    &amr::Entry,
    #[cfg(feature = "audio-formats")]
    &speex::Entry,
    #[cfg(feature = "audio-formats")]
    &ac3::AC3,
    #[cfg(feature = "audio-formats")]
    &ac3::EAC3,
    #[cfg(feature = "audio-formats")]
    &latm::RECEIVED,
    #[cfg(feature = "data-formats")]
    &klv::Entry,
    #[cfg(feature = "data-formats")]
    &onvif_metadata::ENTRY,
    #[cfg(feature = "data-formats")]
    &text::RedundantEntry,
    #[cfg(feature = "data-formats")]
    &text::PlainText,
];

/// Most payload types of a media description that are examined.
const MAX_PAYLOAD_TYPES: usize = 32;

/// The RTP payload formats that a server, a client or a relay supports.
///
/// It works in two directions. A sender has codec parameters and gets the [`format`](Self::format)
/// for SDP and a [`packetizer`](Self::packetizer). A receiver has a media description and gets the
/// [offered format](Self::format_in), the codec [`parameters`](Self::parameters) and a
/// [`depacketizer`](Self::depacketizer).
///
/// The standard registry contains H.264, H.265, AAC, MPEG audio, PCM and MPEG-2 transport streams,
/// and the formats of the cargo features `video-formats`, `audio-formats` and `data-formats`, which
/// are on by default. [`with`](Self::with) adds an application's own formats.
///
/// # Example
///
/// ```
/// use riverrun::codec::{CodecParameters, PcmEncoding};
/// use riverrun::payload::FormatRegistry;
/// use riverrun::wire::sdp::SessionDescription;
///
/// let sdp = b"v=0\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 L16/48000/2\r\n";
/// let sdp = SessionDescription::parse(sdp)?;
/// let formats = FormatRegistry::standard();
///
/// let format = formats.format_in(&sdp.media[0])?;
/// let parameters = formats.parameters(&format)?;
/// let encoding = PcmEncoding::L16;
/// let expected = CodecParameters::Pcm { encoding, sampling_rate: 48_000, channels: 2 };
/// assert_eq!(parameters, expected);
/// let depacketizer = formats.depacketizer(&format)?;
///
/// assert_eq!(formats.format(&parameters, 97)?, format);
/// let packetizer = formats.packetizer(&parameters)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct FormatRegistry {
    own: Vec<Arc<dyn FormatEntry>>,
    has_no_standard: bool,
    passes_unknown: bool,
}

static SHARED: FormatRegistry = FormatRegistry::new();

impl FormatRegistry {
    /// Creates a registry with the standard formats, to which others can be added.
    pub const fn new() -> Self {
        Self { own: Vec::new(), has_no_standard: false, passes_unknown: false }
    }

    /// Returns a shared registry with the standard formats only.
    pub fn standard() -> &'static Self {
        &SHARED
    }

    /// Creates a registry for relays, which forwards every format unchanged: the codec parameters
    /// are [`CodecParameters::Other`] with the format parameters word for word, and payloads are
    /// not interpreted (see [`opaque`]).
    pub const fn opaque() -> Self {
        Self { own: Vec::new(), has_no_standard: true, passes_unknown: true }
    }

    /// Adds an entry. If several entries handle a format, the one added last is used; the standard
    /// ones come last.
    pub fn with(mut self, entry: impl FormatEntry + 'static) -> Self {
        self.own.push(Arc::new(entry));
        self
    }

    /// Forwards formats without an entry unchanged, like [`opaque`](Self::opaque).
    pub const fn pass_unknown(mut self) -> Self {
        self.passes_unknown = true;
        self
    }

    fn entries(&self) -> impl Iterator<Item = &dyn FormatEntry> {
        let own = self.own.iter().rev().map(|entry| &**entry);
        let standard = STANDARD.iter().take(if self.has_no_standard { 0 } else { STANDARD.len() });
        let fallback: Option<&dyn FormatEntry> = self.passes_unknown.then_some(&opaque::Entry);
        own.chain(standard.copied()).chain(fallback)
    }

    /// The entry of a format that SDP describes.
    fn entry_of(&self, format: &PayloadFormat) -> Result<&dyn FormatEntry, FormatError> {
        let PayloadFormat { media, encoding_name, clock_rate, .. } = format;
        let mut entries = self.entries();
        let entry = entries.find(|entry| entry.handles(media, encoding_name, *clock_rate));
        entry.ok_or_else(|| FormatError::unknown(media, encoding_name, *clock_rate))
    }

    /// The entry of a codec, and its SDP format.
    fn entry_for(
        &self,
        parameters: &CodecParameters,
        payload_type: u8,
    ) -> Result<(&dyn FormatEntry, PayloadFormat), FormatError> {
        let mut entries = self.entries();
        let found =
            entries.find_map(|entry| Some((entry, entry.format(parameters, payload_type)?)));
        let (entry, mut format) = found.ok_or_else(|| unknown(parameters))?;
        format.payload_type = static_types::payload_type_of(&format).unwrap_or(payload_type);
        Ok((entry, format))
    }

    /// Returns the payload format of a track. `payload_type` (96–127) is used unless RFC 3551
    /// section 6 assigns a static one to the format. The parameters are not checked; use
    /// [`CodecParameters::check`].
    ///
    /// # Errors
    /// [`FormatError::Unknown`] or [`FormatError::UnknownCodec`]: there is no entry for the codec.
    pub fn format(
        &self,
        parameters: &CodecParameters,
        payload_type: u8,
    ) -> Result<PayloadFormat, FormatError> {
        self.entry_for(parameters, payload_type).map(|(_, format)| format)
    }

    /// Returns a packetizer for a track.
    ///
    /// # Errors
    /// [`FormatError::Unknown`] or [`FormatError::UnknownCodec`]: there is no entry for the codec.
    pub fn packetizer(
        &self,
        parameters: &CodecParameters,
    ) -> Result<Box<dyn Packetizer>, FormatError> {
        self.sender(parameters, 96).map(|(_, packetizer)| packetizer)
    }

    /// Returns the payload format of a track and a packetizer for it, like [`format`](Self::format)
    /// and [`packetizer`](Self::packetizer).
    ///
    /// # Errors
    /// [`FormatError::Unknown`] or [`FormatError::UnknownCodec`]: there is no entry for the codec.
    pub fn sender(
        &self,
        parameters: &CodecParameters,
        payload_type: u8,
    ) -> Result<(PayloadFormat, Box<dyn Packetizer>), FormatError> {
        let (entry, format) = self.entry_for(parameters, payload_type)?;
        Ok((format, entry.packetizer(parameters)))
    }

    /// Returns the format that a media description offers: the first of its payload types for which
    /// the registry has an entry. A payload type without `a=rtpmap` has the meaning assigned by RFC
    /// 3551 section 6. Text with redundancy (`red`) is taken wherever it stands: plain text stands
    /// before it, and is not what is sent (RFC 4103 sections 4 and 7.2).
    ///
    /// # Errors
    /// There is no entry for any of the payload types; the error describes the first.
    pub fn format_in(&self, media: &MediaDescription) -> Result<PayloadFormat, FormatError> {
        let (mut found, mut first) = (None, None);
        for payload_type in media.payload_types().take(MAX_PAYLOAD_TYPES) {
            let read = described(media, payload_type)
                .and_then(|format| self.entry_of(&format).map(|_| format));
            match read {
                Ok(format) if text_is_repeated(&format) => return Ok(with_repeated(format, media)),
                Ok(format) => _ = found.get_or_insert(format),
                Err(e) => _ = first.get_or_insert(e),
            }
        }
        found.ok_or_else(|| first.unwrap_or(FormatError::NoPayloadType))
    }

    /// Returns the codec parameters of a track that SDP describes. They pass
    /// [`CodecParameters::check`].
    ///
    /// # Errors
    /// There is no entry for the format, a format parameter has an impossible value, or the stream
    /// uses an unsupported part of the format.
    pub fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        self.entry_of(format)?.parameters(format)
    }

    /// Returns a depacketizer for a track that SDP describes.
    ///
    /// # Errors
    /// As [`parameters`](Self::parameters).
    pub fn depacketizer(
        &self,
        format: &PayloadFormat,
    ) -> Result<Box<dyn Depacketizer>, FormatError> {
        let entry = self.entry_of(format)?;
        entry.parameters(format)?;
        entry.depacketizer(format)
    }

    /// Returns the test that recognizes key frames of a format by their bytes; `None` if the flag
    /// set by the source is used.
    pub fn key_frame_test(&self, format: &PayloadFormat) -> Option<KeyFrameTest> {
        self.entry_of(format).ok()?.key_frame_test()
    }

    /// Returns the test that recognizes key frames of a format by the payloads of their packets;
    /// `None` if there is none.
    pub fn payload_test(&self, format: &PayloadFormat) -> Option<PayloadTest> {
        self.entry_of(format).ok()?.payload_test(format)
    }
}

impl fmt::Debug for FormatRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries().flat_map(FormatEntry::encoding_names)).finish()
    }
}

fn unknown(parameters: &CodecParameters) -> FormatError {
    let standard = || STANDARD.iter().find_map(|entry| entry.format(parameters, 96));
    let format = match parameters {
        CodecParameters::Other(codec) => Some(entry::described(codec, 96)),
        _ => standard(),
    };
    format.map_or(
        FormatError::UnknownCodec,
        |PayloadFormat { media, encoding_name, clock_rate, .. }| {
            FormatError::unknown(&media, &encoding_name, clock_rate)
        },
    )
}

/// Whether payloads of the format repeat text.
fn text_is_repeated(format: &PayloadFormat) -> bool {
    format.media.eq_ignore_ascii_case("text") && format.encoding_name.eq_ignore_ascii_case("red")
}

/// Adds the text that a format with redundancy repeats.
fn with_repeated(format: PayloadFormat, media: &MediaDescription) -> PayloadFormat {
    let fmtp = format.fmtp.as_deref().unwrap_or_default();
    let first = fmtp.split('/').next().and_then(|first| first.trim().parse().ok());
    match first.and_then(|first| media.rtpmap(first)) {
        Some(map) => format.with_repeated(map.payload_type, map.encoding_name),
        None => format,
    }
}

/// The format that a media description states for one of its payload types.
fn described(media: &MediaDescription, payload_type: u8) -> Result<PayloadFormat, FormatError> {
    let mut format = match media.rtpmap(payload_type) {
        Some(map) => PayloadFormat {
            channels: map.channels,
            ..PayloadFormat::new(
                media.media.clone(),
                map.encoding_name,
                map.clock_rate,
                payload_type,
            )
        },
        None => static_types::format_of(payload_type)
            .filter(|format| format.media.eq_ignore_ascii_case(&media.media))
            .ok_or(FormatError::Unmapped { payload_type })?,
    };
    format.dimensions = media.dimensions(payload_type);
    format.fmtp = media.fmtp(payload_type).filter(|fmtp| !fmtp.is_empty()).map(str::to_owned);
    match format.fault() {
        Some(why) => Err(FormatError::Malformed { payload_type, why }),
        None => Ok(format),
    }
}

#[cfg(test)]
mod tests;
