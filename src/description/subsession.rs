//! [`MediaSubsession`]: one track of a session.

use super::control::BaseUrl;
use super::format::{ReadFormat, read_format};
use super::kind::{MediaKind, RtpProfile};
use crate::codec::CodecParameters;
use crate::payload::opaque::OpaqueDepacketizer;
use crate::payload::{Depacketizer, FormatRegistry, PayloadFormat};
use crate::wire::Oddities;
use crate::wire::rtsp::Range;
use crate::wire::sdp::{
    Attribute, Bandwidth, Connection, Direction, MediaDescription, RtcpFeedback, RtcpPort,
    SessionDescription, SourceFilter,
};
use std::fmt;
use std::net::IpAddr;

/// Most key attributes of a track that are kept.
const MAX_KEYS: usize = 16;
/// Most attributes of a track that are kept.
const MAX_ATTRIBUTES: usize = 64;

/// One track of a [`MediaSession`](super::MediaSession): an `m=` line of the description and what
/// follows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MediaSubsession {
    /// Position in the description, counted from 1.
    pub number: usize,
    /// Kind of media.
    pub kind: MediaKind,
    /// Title (`i=`).
    pub title: Option<String>,
    /// The URL for SETUP, absolute and without credentials.
    pub control_url: String,
    /// Transport protocol of the `m=` line, as received.
    pub protocol: String,
    /// RTP profile that the protocol names.
    pub profile: RtpProfile,
    /// Port of the `m=` line; 0 if SETUP chooses it.
    pub port: u16,
    /// Connection address (`c=`) of the track, or else of the session.
    pub connection: Option<Connection>,
    /// The group, if the connection address is one.
    pub multicast: Option<MulticastGroup>,
    /// Payload format, the payload type included. Of several in the `m=` line this is the first
    /// whose codec is known and whose parameters can be used; else the first.
    pub format: PayloadFormat,
    /// Parameters of the codec; those of a codec that is not known repeat the description.
    pub parameters: CodecParameters,
    /// Whether the format is not known, and the payloads are received as they are.
    pub is_raw: bool,
    /// Direction, as the description states it.
    pub direction: Direction,
    /// Whether the track is an ONVIF back channel: audio to which the client sends, `a=sendonly`
    /// among tracks that are not.
    pub is_back_channel: bool,
    /// Bandwidth in bit/s (`b=TIAS`, `b=AS`).
    pub bandwidth: Option<u64>,
    /// RTCP bandwidth in bit/s of senders and of receivers (`b=RS`, `b=RR`, RFC 3556).
    pub rtcp_bandwidth: (Option<u64>, Option<u64>),
    /// Whether RTCP may share the port of RTP (`a=rtcp-mux`, RFC 5761).
    pub rtcp_mux: bool,
    /// Port of RTCP, if the description states it (`a=rtcp`, RFC 3605).
    pub rtcp_port: Option<RtcpPort>,
    /// Feedback messages that the client may send (`a=rtcp-fb`, RFC 4585).
    pub feedback: RtcpFeedback,
    /// Whether the client may measure the round-trip time with extended reports, which the server
    /// answers (`a=rtcp-xr:rcvr-rtt=all`, RFC 3611 section 5).
    pub round_trip_reports: bool,
    /// Frames per second (`a=framerate`).
    pub frame_rate: Option<f64>,
    /// Width and height in pixels (`a=x-dimensions`, `a=framesize`).
    pub dimensions: Option<(u32, u32)>,
    /// Range of the track (`a=range`).
    pub range: Option<Range>,
    /// Keys for SRTP.
    pub keys: KeyAttributes,
    /// All attributes of the `m=` line but keys, as received; at most 64.
    pub attributes: Vec<Attribute>,
}

/// A multicast group to which a track is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MulticastGroup {
    /// Address of the group.
    pub group: IpAddr,
    /// Time to live, if the description states it.
    pub ttl: Option<u8>,
    /// The sources from which packets are accepted (RFC 4570); empty: all.
    pub sources: Vec<IpAddr>,
}

/// `a=key-mgmt` (RFC 4567) and `a=crypto` (RFC 4568), those of the track first. They hold keys, so
/// `Debug` shows only their number.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyAttributes(Vec<Attribute>);

impl KeyAttributes {
    /// Iterates over the attributes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Attribute> {
        self.0.iter()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for KeyAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyAttributes({})", self.0.len())
    }
}

impl MediaSubsession {
    /// What a media description says of the track of this number.
    pub(super) fn new(
        media: &MediaDescription,
        number: usize,
        session: &SessionDescription,
        base: &BaseUrl,
        formats: &FormatRegistry,
        odd: &mut Oddities,
    ) -> Self {
        let ReadFormat { format, parameters, is_raw } = read_format(media, formats, odd);
        let named = MediaKind::from(&*media.media);
        // A known format tells what an odd word stands for.
        let kind = match named {
            MediaKind::Other(_) if !is_raw => MediaKind::from(&*format.media),
            named => named,
        };
        let profile = RtpProfile::of_protocol(&media.protocol);
        if profile == RtpProfile::Other {
            odd.note(format_args!("{} is no RTP profile", media.protocol));
        }
        let connection = media.connections.first().or(session.connection.as_ref()).cloned();
        let dimensions = media.dimensions(format.payload_type);
        let rate_of = |kind| bandwidth(&media.bandwidths, kind);
        Self {
            number,
            kind,
            title: media.info.clone(),
            control_url: base
                .join(media.attribute("control").unwrap_or_default(), odd)
                .as_str()
                .to_owned(),
            protocol: media.protocol.clone(),
            profile,
            attributes: media
                .attributes
                .iter()
                .filter(|attribute| !is_key(&attribute.name))
                .take(MAX_ATTRIBUTES)
                .cloned()
                .collect(),
            port: media.port,
            multicast: connection.as_ref().and_then(|c| multicast(c, media, session)),
            connection,
            feedback: media.rtcp_feedback(format.payload_type),
            round_trip_reports: media
                .round_trip_reports()
                .or_else(|| session.round_trip_reports())
                .unwrap_or(false),
            format,
            parameters,
            is_raw,
            direction: media.direction().or_else(|| session.direction()).unwrap_or_default(),
            is_back_channel: false,
            bandwidth: rate_of("TIAS").or_else(|| Some(rate_of("AS")?.saturating_mul(1000))),
            rtcp_bandwidth: (rate_of("RS"), rate_of("RR")),
            rtcp_mux: media.has_attribute("rtcp-mux"),
            rtcp_port: media.rtcp_port(),
            frame_rate: frame_rate(media),
            dimensions,
            range: media.attribute("range").and_then(|value| Range::of_answer(value, odd)),
            keys: KeyAttributes(
                media
                    .attributes
                    .iter()
                    .chain(&session.attributes)
                    .filter(|a| is_key(&a.name))
                    .take(MAX_KEYS)
                    .cloned()
                    .collect(),
            ),
        }
    }

    /// The payload type of the packets.
    pub const fn payload_type(&self) -> u8 {
        self.format.payload_type
    }

    /// A depacketizer for the track: that of the registry, or one that gives out each payload as it
    /// is if the format is not known.
    pub fn depacketizer(&self, formats: &FormatRegistry) -> Box<dyn Depacketizer> {
        let known = formats.depacketizer(&self.format).ok().filter(|_| !self.is_raw);
        known.unwrap_or_else(|| Box::new(OpaqueDepacketizer::new()))
    }
}

fn is_key(name: &str) -> bool {
    name.eq_ignore_ascii_case("key-mgmt") || name.eq_ignore_ascii_case("crypto")
}

/// The value of the first `b=` of a type.
pub(super) fn bandwidth(bandwidths: &[Bandwidth], kind: &str) -> Option<u64> {
    bandwidths.iter().find(|b| b.kind.eq_ignore_ascii_case(kind)).map(|b| b.value)
}

fn multicast(
    connection: &Connection,
    media: &MediaDescription,
    session: &SessionDescription,
) -> Option<MulticastGroup> {
    let group: IpAddr = connection.address.parse().ok()?;
    if !group.is_multicast() {
        return None;
    }
    // Those of the media take the place of those of the session (RFC 4570 section 3).
    let mut filters: Vec<SourceFilter> = media.source_filters().collect();
    if filters.is_empty() {
        filters.extend(session.source_filters());
    }
    let filter = filters.into_iter().find(|filter| filter.includes && filter.is_for(group));
    let sources = filter.map_or_else(Vec::new, |filter| filter.sources);
    Some(MulticastGroup { group, ttl: connection.ttl, sources })
}

fn frame_rate(media: &MediaDescription) -> Option<f64> {
    let value = media.attribute("framerate").or_else(|| media.attribute("x-framerate"))?;
    let rate: f64 = value.trim().parse().ok()?;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}
