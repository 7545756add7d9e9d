//! [`RelayedTrack`]: a track whose packets are passed on, as its source describes it.

use crate::codec::{CodecParameters, OtherCodec};
use crate::error::Error;
use crate::ids::InputId;
use crate::media::{FramePoll, FramedSource, SourceContext, Wait};
use crate::payload::{FormatError, FormatRegistry, PayloadFormat};
use crate::session::subsession::{StreamFactory, StreamRequest};
use crate::wire::sdp::{Attribute, MediaDescription, fmtp_parameters};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

/// All formats are described word for word as the source does it.
static FORMATS: FormatRegistry = FormatRegistry::opaque();

/// Attributes of the source's description that are passed on to viewers. All others concern the
/// source's own transport, or are written by the server.
const PASSED_ON: [&str; 15] = [
    "cliprect",
    "content",
    "framerate",
    "framesize",
    "imageattr",
    "label",
    "lang",
    "maxptime",
    "orient",
    "ptime",
    "quality",
    "sdplang",
    "x-dimensions",
    "x-framerate",
    "x-onvif-track",
];
/// Most attributes of a track that are passed on.
const MAX_PASSED_ON: usize = 16;
/// Longest value of an attribute that is passed on, in bytes.
const MAX_VALUE: usize = 256;

/// Format parameters of video that may change while viewers watch: they describe the parameter sets,
/// which the stream brings with its next key frame.
const MAY_CHANGE: [&str; 6] = [
    "profile-level-id",
    "sprop-parameter-sets",
    "sprop-vps",
    "sprop-sps",
    "sprop-pps",
    "sprop-level-parameter-sets",
];

/// A track of a [relayed stream](crate::server::RtspServer::add_relayed_stream): its payload format,
/// known or unknown to this crate, as its source describes it.
///
/// ```
/// use riverrun::server::RelayedTrack;
/// use riverrun::wire::sdp::SessionDescription;
///
/// let sdp = b"v=0\r\nm=video 0 RTP/AVP 35\r\na=rtpmap:35 X-NEW/90000\r\na=fmtp:35 depth=10\r\n";
/// let sdp = SessionDescription::parse(sdp)?;
/// let track = RelayedTrack::from_media(&sdp.media[0])?;
/// assert_eq!((&*track.format().encoding_name, track.format().payload_type), ("X-NEW", 35));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayedTrack {
    format: PayloadFormat,
    bandwidth_kbps: Option<u32>,
    /// Further lines for viewers.
    lines: String,
}

impl RelayedTrack {
    /// Creates a track of `format`. Its payload type is that of the source; viewers get one of the
    /// server's.
    pub const fn new(format: PayloadFormat) -> Self {
        Self { format, bandwidth_kbps: None, lines: String::new() }
    }

    /// Creates a track from its description by the source: its first payload type with a format,
    /// its bandwidth, and [those attributes](Self::with_attributes) that concern viewers too.
    ///
    /// # Errors
    /// None of the payload types is described.
    pub fn from_media(media: &MediaDescription) -> Result<Self, FormatError> {
        let mut track = Self::new(FORMATS.format_in(media)?);
        let bandwidth = media.bandwidths.iter().find(|b| b.kind.eq_ignore_ascii_case("AS"));
        track.bandwidth_kbps = bandwidth.and_then(|b| u32::try_from(b.value).ok());
        Ok(track.with_attributes(&media.attributes))
    }

    /// Sets the attributes of the source's description that viewers are told: those that concern
    /// them, such as `framerate`, `ptime`, `label` and `x-onvif-track`. Others are left out, as are
    /// values of more than 256 bytes or with control characters, and what follows the 16th.
    pub fn with_attributes<'a>(
        mut self,
        attributes: impl IntoIterator<Item = &'a Attribute>,
    ) -> Self {
        let is_named =
            |name: &str| PASSED_ON.iter().any(|passed_on| name.eq_ignore_ascii_case(passed_on));
        let is_passed_on = |attribute: &&Attribute| {
            is_named(&attribute.name)
                && attribute.value.as_deref().is_some_and(|value| {
                    (1..=MAX_VALUE).contains(&value.len()) && !value.contains(char::is_control)
                })
        };
        let passed_on = attributes.into_iter().filter(is_passed_on).take(MAX_PASSED_ON);
        self.lines = passed_on.map(ToString::to_string).collect();
        self
    }

    /// Sets the bandwidth in kbit/s that viewers are told (SDP `b=AS`); RTCP intervals depend on it.
    pub const fn with_bandwidth_kbps(mut self, kbps: u32) -> Self {
        self.bandwidth_kbps = Some(kbps);
        self
    }

    /// Returns the payload format.
    pub const fn format(&self) -> &PayloadFormat {
        &self.format
    }

    /// Returns whether viewers of this track can go on with the packets of the other: it has the same
    /// codec with the same parameters, except those that H.264 and H.265 bring in the stream.
    pub fn has_codec_of(&self, other: &Self) -> bool {
        let (one, two) = (&self.format, &other.format);
        let is_video = one.media == "video";
        let parameters = |format: &PayloadFormat| {
            let fmtp = format.fmtp.as_deref().unwrap_or_default();
            let all = fmtp_parameters(fmtp)
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .filter(|(name, _)| !is_video || !MAY_CHANGE.contains(&&**name));
            all.collect::<HashSet<_>>()
        };
        one.media == two.media
            && one.encoding_name.eq_ignore_ascii_case(&two.encoding_name)
            && one.clock_rate == two.clock_rate
            && one.channels.unwrap_or(1) == two.channels.unwrap_or(1)
            && parameters(one) == parameters(two)
    }

    /// Checks that the track can be described to viewers.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.codec().check()
    }

    fn codec(&self) -> CodecParameters {
        let PayloadFormat { media, encoding_name, clock_rate, channels, fmtp, .. } =
            self.format.clone();
        CodecParameters::Other(OtherCodec { media, encoding_name, clock_rate, channels, fmtp })
    }
}

impl From<PayloadFormat> for RelayedTrack {
    fn from(format: PayloadFormat) -> Self {
        Self::new(format)
    }
}

/// Makes the streams of a relayed track. Without a track: of one whose source has not been described
/// yet.
#[derive(Debug)]
pub(super) struct RelayedFactory {
    pub(super) track: Option<(RelayedTrack, InputId)>,
    pub(super) payload_type: u8,
}

impl StreamFactory for RelayedFactory {
    fn parameters(&self) -> Option<CodecParameters> {
        Some(self.track.as_ref()?.0.codec())
    }

    fn dynamic_payload_type(&self) -> u8 {
        self.payload_type
    }

    fn formats(&self) -> &FormatRegistry {
        &FORMATS
    }

    fn payload_format(&self) -> Option<PayloadFormat> {
        let (track, _) = self.track.as_ref()?;
        let format = FORMATS.format(&track.codec(), self.payload_type).ok()?;
        Some(PayloadFormat { repeated: track.format.repeated.clone(), ..format })
    }

    fn create_new_stream_source(
        &mut self,
        _: &StreamRequest,
        _: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error> {
        match self.track {
            Some(_) => Ok(Box::new(NoFrames)),
            None => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
        }
    }

    fn aux_sdp_line(&self) -> Option<String> {
        let (track, _) = self.track.as_ref()?;
        let source = format!(":{} ", track.format.payload_type);
        // The payload type is the server's.
        let own = format!(":{} ", self.payload_type_of(track));
        let lines = track.lines.lines().map(|line| match line.split_once(&source) {
            Some((name, rest)) if !name.contains(':') => format!("{name}{own}{rest}\r\n"),
            _ => format!("{line}\r\n"),
        });
        Some(lines.collect()).filter(|lines: &String| !lines.is_empty())
    }

    fn live_input(&self) -> Option<InputId> {
        self.track.as_ref().map(|(_, input)| *input)
    }

    fn bandwidth_kbps(&self) -> Option<u32> {
        self.track.as_ref()?.0.bandwidth_kbps
    }

    fn revision(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        let (track, _) = self.track.as_ref()?;
        (&track.format.encoding_name, &track.format.fmtp, track.format.clock_rate)
            .hash(&mut hasher);
        (track.format.channels, track.bandwidth_kbps, &track.lines).hash(&mut hasher);
        Some(hasher.finish())
    }
}

impl RelayedFactory {
    fn payload_type_of(&self, track: &RelayedTrack) -> u8 {
        let format = FORMATS.format(&track.codec(), self.payload_type);
        format.map_or(self.payload_type, |format| format.payload_type)
    }
}

/// The source of a stream whose packets come by themselves.
struct NoFrames;

impl FramedSource for NoFrames {
    fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
        FramePoll::Pending(Wait::Input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sdp::{ExtraLines, SdpLevel, SessionDescription};

    fn track(media: &str) -> RelayedTrack {
        let sdp = SessionDescription::parse(format!("v=0\r\n{media}").as_bytes()).unwrap();
        RelayedTrack::from_media(&sdp.media[0]).unwrap()
    }

    #[test]
    fn what_concerns_viewers_is_passed_on_under_our_own_payload_type() {
        let source = track(
            "m=video 0 RTP/AVP 26\r\nb=AS:4000\r\na=control:x/trackID=0\r\na=framesize:26 640-480\r\n\
             a=framerate:25\r\na=range:npt=0-\r\na=ssrc:7 cname:x\r\na=recvonly\r\na=ptime:\r\n",
        );
        let (id, payload_type) = (InputId::from_raw(crate::arena::RawId::default()), 99);
        let factory = RelayedFactory { track: Some((source.clone(), id)), payload_type };
        let lines = "a=framesize:26 640-480\r\na=framerate:25\r\n";
        assert_eq!(factory.aux_sdp_line().as_deref(), Some(lines), "JPEG has a number of its own");
        assert_eq!(factory.bandwidth_kbps(), Some(4000));
        let format = factory.payload_format().unwrap();
        assert_eq!((&*format.encoding_name, format.payload_type), ("JPEG", 26));
        let other = track(
            "m=video 0 RTP/AVP 97\r\na=rtpmap:97 VP9/90000\r\na=fmtp:97 profile-id=2\r\n\
             a=framesize:97 640-480\r\n",
        );
        let factory = RelayedFactory { track: Some((other, id)), payload_type };
        assert_eq!(factory.aux_sdp_line().as_deref(), Some("a=framesize:99 640-480\r\n"));
        let format = factory.payload_format().unwrap();
        assert_eq!((format.payload_type, format.fmtp.as_deref()), (99, Some("profile-id=2")));
    }

    #[test]
    fn what_a_source_says_reaches_viewers_only_where_it_is_harmless() {
        let video = || RelayedTrack::new(PayloadFormat::new("video", "H264", 90_000, 96));
        let lines = |attributes: &[Attribute]| video().with_attributes(attributes).lines;
        let long = "9".repeat(MAX_VALUE + 1);
        let attributes = [
            Attribute::new("FrameRate", "25"),
            Attribute::new("framerate", "25\r\nm=audio 0 RTP/AVP 0"),
            Attribute::new("label", "a\rb"),
            Attribute::new("label", "a\0"),
            Attribute::new("label", long.as_str()),
            Attribute::new("framerate:1\r\na=x", "1"),
            Attribute::flag("framerate"),
            Attribute::new("range", "npt=0-"),
            Attribute::new("control", "x"),
            Attribute::new("key-mgmt", "mikey x"),
            Attribute::new("x-onvif-track", "VIDEO001"),
        ];
        assert_eq!(lines(&attributes), "a=FrameRate:25\r\na=x-onvif-track:VIDEO001\r\n");
        let many = vec![Attribute::new("label", "x"); 1000];
        assert_eq!(lines(&many).lines().count(), MAX_PASSED_ON);
        let track = video().with_attributes(&many);
        let (id, payload_type) = (InputId::from_raw(crate::arena::RawId::default()), 96);
        let factory = RelayedFactory { track: Some((track, id)), payload_type };
        let text = factory.aux_sdp_line().unwrap();
        assert_eq!(ExtraLines::new(SdpLevel::Media).add(&text), Ok(()));
    }

    #[test]
    fn a_codec_is_the_same_though_its_parameter_sets_differ() {
        let h264 = |fmtp: &str| {
            track(&format!(
                "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 {fmtp}\r\n"
            ))
        };
        let one = h264("packetization-mode=1;sprop-parameter-sets=Z0I,aM4");
        let two =
            h264("profile-level-id=42C01E; packetization-mode=1; sprop-parameter-sets=Z0L,aM5");
        assert!(one.has_codec_of(&two));
        assert!(!one.has_codec_of(&h264("packetization-mode=2")));
        let sound = |rest: &str| track(&format!("m=audio 0 RTP/AVP {rest}"));
        let aac = |config| {
            sound(&format!(
                "96\r\na=rtpmap:96 MPEG4-GENERIC/48000/2\r\na=fmtp:96 config={config}\r\n"
            ))
        };
        assert!(aac("1190").has_codec_of(&aac("1190")) && !aac("1190").has_codec_of(&aac("1210")));
        assert!(sound("0\r\n").has_codec_of(&sound("99\r\na=rtpmap:99 pcmu/8000/1\r\n")));
        assert!(!sound("0\r\n").has_codec_of(&sound("8\r\n")));
        assert!(!aac("1190").has_codec_of(&one));
    }
}
