//! [`PayloadFormat`]: the SDP description of a stream's payload.

use super::fmtp;
use crate::error::Error;
use crate::wire::sdp::{MediaDescription, format_fault};
use std::borrow::Cow;

/// A payload format as SDP states it: media type and payload type of the `m=` line, `a=rtpmap` and
/// `a=fmtp` of a track (RFC 4566 section 6).
///
/// ```
/// use riverrun::payload::PayloadFormat;
/// use riverrun::wire::sdp::MediaDescription;
///
/// let format = PayloadFormat::new("audio", "OPUS", 48_000, 97).with_channels(2);
/// let mut media = MediaDescription::new("audio", 0, "RTP/AVP", 97);
/// format.write_to(&mut media);
/// assert_eq!(media.attribute("rtpmap"), Some("97 OPUS/48000/2"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PayloadFormat {
    /// Media type of the `m=` line: `audio`, `video`, `application` or `text`.
    pub media: Cow<'static, str>,
    /// RTP payload type: static (RFC 3551) or dynamic (96–127).
    pub payload_type: u8,
    /// Encoding name as registered, for example `H264`. Names are compared without regard to case.
    pub encoding_name: Cow<'static, str>,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Number of audio channels; `None` omits it from the rtpmap.
    pub channels: Option<u8>,
    /// Value of `a=fmtp` after the payload type.
    pub fmtp: Option<String>,
    /// Payload type and encoding name of what the payloads repeat, if the format is redundancy (RFC
    /// 2198). The clock rate is the same.
    pub repeated: Option<(u8, Cow<'static, str>)>,
    /// Width and height in pixels, if a description that was read states them (`a=x-dimensions`,
    /// `a=framesize`). They are not written.
    pub dimensions: Option<(u32, u32)>,
}

impl PayloadFormat {
    /// Creates a format without channels and format parameters.
    pub fn new(
        media: impl Into<Cow<'static, str>>,
        encoding_name: impl Into<Cow<'static, str>>,
        clock_rate: u32,
        payload_type: u8,
    ) -> Self {
        Self {
            media: media.into(),
            payload_type,
            encoding_name: encoding_name.into(),
            clock_rate,
            channels: None,
            fmtp: None,
            repeated: None,
            dimensions: None,
        }
    }

    /// Sets the number of audio channels.
    pub fn with_channels(mut self, channels: u8) -> Self {
        self.channels = Some(channels);
        self
    }

    /// Sets the format parameters: the value of `a=fmtp` after the payload type.
    pub fn with_fmtp(mut self, fmtp: impl Into<String>) -> Self {
        self.fmtp = Some(fmtp.into());
        self
    }

    /// Sets what the payloads repeat: its payload type and encoding name.
    pub fn with_repeated(
        mut self,
        payload_type: u8,
        encoding_name: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.repeated = Some((payload_type, encoding_name.into()));
        self
    }

    /// What the payloads repeat, where the format has `payload_type`.
    pub(crate) fn repeated_beside(&self, payload_type: u8) -> Option<(u8, &str)> {
        let (repeated, name) = self.repeated.as_ref()?;
        (*repeated != payload_type).then_some((*repeated, &**name))
    }

    /// Returns the value of a format parameter (`name=value` between semicolons), without quotation
    /// marks; it is empty if the parameter has none. Names are compared without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        Some(fmtp::find(self.fmtp.as_deref()?, name)?.trim_matches('"'))
    }

    /// Checks that RTP packets and session descriptions can express this format.
    ///
    /// # Errors
    /// [`Error::Usage`] names the first field that they cannot express.
    pub fn check(&self) -> Result<(), Error> {
        self.fault().map_or(Ok(()), |why| Err(Error::Usage(why)))
    }

    /// The reason for which RTP packets or session descriptions cannot express this format.
    pub(super) fn fault(&self) -> Option<&'static str> {
        match self.payload_type {
            // With the marker these are the types of RTCP packets.
            72..=76 => Some("payload types 72 to 76 cannot be told from RTCP (RFC 3551 section 6)"),
            128.. => Some("an RTP payload type is a number up to 127"),
            _ => {
                let Self { media, encoding_name, clock_rate, channels, fmtp, .. } = self;
                format_fault(media, encoding_name, *clock_rate, *channels, fmtp.as_deref())
            }
        }
    }

    /// Adds `a=rtpmap` and `a=fmtp` of the format to a media description, and those of what it
    /// [repeats](Self::repeated).
    pub fn write_to(&self, media: &mut MediaDescription) {
        // One channel is what is meant without a number (RFC 4566 section 6).
        let channels = self.channels.filter(|channels| *channels > 1);
        media.push_rtpmap(self.payload_type, &self.encoding_name, self.clock_rate, channels);
        if let Some(fmtp) = &self.fmtp {
            media.push_fmtp(self.payload_type, fmtp);
        }
        if let Some((payload_type, name)) = self.repeated_beside(self.payload_type) {
            media.formats.push(payload_type.to_string());
            media.push_rtpmap(payload_type, name, self.clock_rate, channels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_name() {
        let format = PayloadFormat::new("audio", "X-TONE", 8_000, 96);
        assert_eq!(format.parameter("mode"), None);
        let format = format.with_fmtp("a=1; Mode = \"x=y\";flag;");
        assert_eq!(format.parameter("mode"), Some("x=y"));
        assert_eq!(format.parameter("flag"), Some(""));
        assert_eq!(format.parameter("b"), None);
    }

    #[test]
    fn formats_that_no_description_can_state_are_refused() {
        let good = || PayloadFormat::new("audio", "X-TONE", 8_000, 96).with_fmtp("a=1; b");
        assert!(good().check().is_ok());
        for (bad, why) in [
            (PayloadFormat { payload_type: 72, ..good() }, "RTCP"),
            (PayloadFormat { payload_type: 128, ..good() }, "127"),
            (PayloadFormat { media: "a b".into(), ..good() }, "tokens"),
            (PayloadFormat { encoding_name: "".into(), ..good() }, "tokens"),
            (PayloadFormat { clock_rate: 0, ..good() }, "rate"),
            (good().with_channels(0), "channel"),
            (good().with_fmtp("a\r\nm=video"), "one line"),
        ] {
            let said = bad.check().unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }
}
