//! The `Transport` header (RFC 2326 section 12.39).

use crate::wire::ParseError;
use crate::wire::text::{
    ParameterValue, digits, hex32, invalid, is_token, parameter, split_unquoted,
    strip_prefix_ignore_case, unquote,
};
use std::fmt;
use std::str::FromStr;

/// Most alternatives that are read from one header.
const MAX_ALTERNATIVES: usize = 32;

/// The transport protocol, profile and lower transport.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// `RTP/AVP`, which means UDP.
    RtpAvp,
    /// `RTP/AVP/UDP`.
    RtpAvpUdp,
    /// `RTP/AVP/TCP`.
    RtpAvpTcp,
    /// `RTP/SAVP` (RFC 3711 section 12), which means UDP.
    RtpSavp,
    /// `RTP/SAVP/UDP`.
    RtpSavpUdp,
    /// `RTP/SAVP/TCP`.
    RtpSavpTcp,
    /// `RTP/SAVPF` (RFC 5124), which means UDP.
    RtpSavpf,
    /// `RTP/SAVPF/UDP`.
    RtpSavpfUdp,
    /// `RTP/SAVPF/TCP`.
    RtpSavpfTcp,
    /// Any other value, as received.
    Unsupported(String),
}

impl Protocol {
    const KNOWN: [Self; 9] = [
        Self::RtpAvp,
        Self::RtpAvpUdp,
        Self::RtpAvpTcp,
        Self::RtpSavp,
        Self::RtpSavpUdp,
        Self::RtpSavpTcp,
        Self::RtpSavpf,
        Self::RtpSavpfUdp,
        Self::RtpSavpfTcp,
    ];

    /// Returns the value as it is written in the header.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RtpAvp => "RTP/AVP",
            Self::RtpAvpUdp => "RTP/AVP/UDP",
            Self::RtpAvpTcp => "RTP/AVP/TCP",
            Self::RtpSavp => "RTP/SAVP",
            Self::RtpSavpUdp => "RTP/SAVP/UDP",
            Self::RtpSavpTcp => "RTP/SAVP/TCP",
            Self::RtpSavpf => "RTP/SAVPF",
            Self::RtpSavpfUdp => "RTP/SAVPF/UDP",
            Self::RtpSavpfTcp => "RTP/SAVPF/TCP",
            Self::Unsupported(text) => text,
        }
    }

    /// Returns whether packets are sent over UDP.
    pub const fn is_udp(&self) -> bool {
        matches!(
            self,
            Self::RtpAvp
                | Self::RtpSavp
                | Self::RtpSavpf
                | Self::RtpAvpUdp
                | Self::RtpSavpUdp
                | Self::RtpSavpfUdp
        )
    }

    /// Returns whether packets are sent over the RTSP connection.
    pub const fn is_tcp(&self) -> bool {
        matches!(self, Self::RtpAvpTcp | Self::RtpSavpTcp | Self::RtpSavpfTcp)
    }

    /// Returns whether packets are protected (SRTP).
    pub const fn is_secure(&self) -> bool {
        matches!(
            self,
            Self::RtpSavp
                | Self::RtpSavpUdp
                | Self::RtpSavpTcp
                | Self::RtpSavpf
                | Self::RtpSavpfUdp
                | Self::RtpSavpfTcp
        )
    }

    /// Returns the protocol of the same profile over the RTSP connection.
    #[must_use]
    pub fn over_tcp(&self) -> Self {
        match self {
            Self::RtpAvp | Self::RtpAvpUdp | Self::RtpAvpTcp => Self::RtpAvpTcp,
            Self::RtpSavp | Self::RtpSavpUdp | Self::RtpSavpTcp => Self::RtpSavpTcp,
            Self::RtpSavpf | Self::RtpSavpfUdp | Self::RtpSavpfTcp => Self::RtpSavpfTcp,
            Self::Unsupported(text) => Self::Unsupported(text.clone()),
        }
    }
}

impl From<&str> for Protocol {
    fn from(text: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|p| p.as_str().eq_ignore_ascii_case(text))
            .unwrap_or_else(|| Self::Unsupported(text.to_owned()))
    }
}

/// Delivery to one client or to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 2326 section 12.39")]
pub enum Delivery {
    /// `unicast`.
    Unicast,
    /// `multicast`.
    Multicast,
}

/// One alternative of a [`Transport`] header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportSpec {
    /// Transport protocol.
    pub protocol: Protocol,
    /// `unicast` or `multicast`, if present; [`delivery`](Self::delivery) supplies the default.
    pub explicit_delivery: Option<Delivery>,
    /// Destination address.
    pub destination: Option<String>,
    /// Source address.
    pub source: Option<String>,
    /// Channels of RTP and RTCP on the RTSP connection.
    pub interleaved: Option<(u8, u8)>,
    /// Multicast ports of RTP and RTCP.
    pub port: Option<(u16, u16)>,
    /// Unicast ports of the client for RTP and RTCP.
    pub client_port: Option<(u16, u16)>,
    /// Unicast ports of the server for RTP and RTCP.
    pub server_port: Option<(u16, u16)>,
    /// Multicast time to live.
    pub ttl: Option<u8>,
    /// Multicast layers.
    pub layers: Option<u8>,
    /// SSRC of the packets.
    pub ssrc: Option<u32>,
    /// Methods of the session without quotes, such as `PLAY` or `RECORD`.
    pub mode: Option<String>,
    /// Whether recorded media are appended to the resource.
    pub append: bool,
    /// Parameters that RFC 2326 does not define, in order.
    pub other: Vec<(String, Option<String>)>,
}

impl TransportSpec {
    /// Creates a specification without parameters.
    pub const fn new(protocol: Protocol, delivery: Delivery) -> Self {
        Self {
            protocol,
            explicit_delivery: Some(delivery),
            destination: None,
            source: None,
            interleaved: None,
            port: None,
            client_port: None,
            server_port: None,
            ttl: None,
            layers: None,
            ssrc: None,
            mode: None,
            append: false,
            other: Vec::new(),
        }
    }

    /// A specification of which only the protocol is stated.
    pub(super) const fn of_protocol(protocol: Protocol) -> Self {
        let mut spec = Self::new(protocol, Delivery::Unicast);
        spec.explicit_delivery = None;
        spec
    }

    /// Returns the delivery. RFC 2326's default is multicast; an alternative that names client
    /// ports or channels, or TCP, is taken as unicast.
    pub fn delivery(&self) -> Delivery {
        self.explicit_delivery.unwrap_or_else(|| {
            let unicast =
                self.protocol.is_tcp() || self.client_port.is_some() || self.interleaved.is_some();
            if unicast { Delivery::Unicast } else { Delivery::Multicast }
        })
    }

    /// Returns whether the mode includes `PLAY`, the default.
    pub fn is_play(&self) -> bool {
        self.mode.is_none() || self.has_mode("PLAY")
    }

    /// Returns whether the mode includes `RECORD` (or `RECEIVE`, which some senders use).
    pub fn is_record(&self) -> bool {
        self.has_mode("RECORD") || self.has_mode("RECEIVE")
    }

    fn has_mode(&self, method: &str) -> bool {
        self.mode
            .as_deref()
            .is_some_and(|m| m.split(',').any(|m| unquote(m.trim()).eq_ignore_ascii_case(method)))
    }

    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), ParseError> {
        let text = value.map(unquote).unwrap_or_default();
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let owned = || (!text.is_empty()).then(|| text.to_owned());
        if is("unicast") {
            self.explicit_delivery = Some(Delivery::Unicast);
        } else if is("multicast") {
            self.explicit_delivery = Some(Delivery::Multicast);
        } else if is("client_port") {
            self.client_port = Some(ports(text).ok_or(invalid("Transport: client_port"))?);
        } else if is("interleaved") {
            let pair = pair(text, |n: u8| n.checked_add(1));
            self.interleaved = Some(pair.ok_or(invalid("Transport: interleaved"))?);
        } else if is("mode") {
            self.mode = owned();
        } else if is("destination") {
            // Without a value it stands for the peer in some requests.
            self.destination = owned();
        } else if is("source") {
            self.source = owned();
        } else if is("port") {
            self.port = Some(ports(text).ok_or(invalid("Transport: port"))?);
        } else if is("server_port") {
            self.server_port = Some(ports(text).ok_or(invalid("Transport: server_port"))?);
        } else if is("ttl") {
            self.ttl = Some(digits(text).ok_or(invalid("Transport: ttl"))?);
        } else if is("layers") {
            self.layers = Some(digits(text).ok_or(invalid("Transport: layers"))?);
        } else if is("ssrc") {
            // Devices write it in many ways, and no client depends on it.
            self.ssrc = ssrc(text);
        } else if is("append") {
            self.append = true;
        } else if is_token(name.as_bytes()) {
            // What is no token is dropped: written without its odd characters it might be a
            // parameter with a meaning.
            self.other.push((name.to_owned(), value.map(str::to_owned)));
        }
        Ok(())
    }
}

/// Reads an SSRC in hexadecimal, also with `0x` in front and with more zeros than it needs.
pub(super) fn ssrc(text: &str) -> Option<u32> {
    let text = text.trim();
    let number = strip_prefix_ignore_case(text, "0x").unwrap_or(text);
    let short = number.trim_start_matches('0');
    hex32(if short.is_empty() { number } else { short })
}

fn ports(text: &str) -> Option<(u16, u16)> {
    pair(text, |n: u16| n.checked_add(1))
}

/// Parses `a-b` with `a <= b`, or `a`, which stands for `a` and its successor.
fn pair<T: FromStr + PartialOrd + Copy>(
    text: &str,
    successor: impl Fn(T) -> Option<T>,
) -> Option<(T, T)> {
    match text.split_once('-') {
        Some((first, second)) => {
            let pair: (T, T) = (digits(first.trim())?, digits(second.trim())?);
            (pair.0 <= pair.1).then_some(pair)
        }
        None => {
            let first = digits(text.trim())?;
            Some((first, successor(first)?))
        }
    }
}

impl FromStr for TransportSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut parts = split_unquoted(text, ';');
        let protocol = parts.next().unwrap_or_default().trim();
        if protocol.is_empty() {
            return Err(invalid("Transport: protocol"));
        }
        let mut spec = Self::of_protocol(Protocol::from(protocol));
        for part in parts {
            let (name, value) = parameter(part);
            if !name.is_empty() {
                spec.set(name, value)?;
            }
        }
        Ok(spec)
    }
}

impl fmt::Display for TransportSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ParameterValue(self.protocol.as_str()))?;
        match self.explicit_delivery {
            Some(Delivery::Unicast) => f.write_str(";unicast")?,
            Some(Delivery::Multicast) => f.write_str(";multicast")?,
            None => {}
        }
        if let Some(destination) = &self.destination {
            write!(f, ";destination={}", ParameterValue(destination))?;
        }
        if let Some(source) = &self.source {
            write!(f, ";source={}", ParameterValue(source))?;
        }
        if let Some((rtp, rtcp)) = self.interleaved {
            write!(f, ";interleaved={rtp}-{rtcp}")?;
        }
        let ports = [
            ("port", self.port),
            ("client_port", self.client_port),
            ("server_port", self.server_port),
        ];
        for (name, ports) in ports {
            if let Some((rtp, rtcp)) = ports {
                write!(f, ";{name}={rtp}-{rtcp}")?;
            }
        }
        if let Some(ttl) = self.ttl {
            write!(f, ";ttl={ttl}")?;
        }
        if let Some(layers) = self.layers {
            write!(f, ";layers={layers}")?;
        }
        if let Some(ssrc) = self.ssrc {
            write!(f, ";ssrc={ssrc:08X}")?;
        }
        if let Some(mode) = &self.mode {
            f.write_str(";mode=\"")?;
            let unfit = |c: char| c.is_ascii_control() || c == '"';
            mode.split(unfit).try_for_each(|piece| f.write_str(piece))?;
            f.write_str("\"")?;
        }
        if self.append {
            f.write_str(";append")?;
        }
        for (name, value) in &self.other {
            write!(f, ";{}", ParameterValue(name))?;
            match value {
                // A quoted value keeps what its quotes protect.
                Some(value) if is_quoted(value) => write!(f, "={value}")?,
                Some(value) => write!(f, "={}", ParameterValue(value))?,
                None => {}
            }
        }
        Ok(())
    }
}

fn is_quoted(value: &str) -> bool {
    value.len() >= 2
        && value.starts_with('"')
        && value.ends_with('"')
        && value.matches('"').count() == 2
        && !value.contains(|c: char| c.is_ascii_control())
}

/// The `Transport` header: alternatives in order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the header is a list")]
pub struct Transport {
    /// Alternatives; the parser returns at least one.
    pub specs: Vec<TransportSpec>,
}

/// Parses the alternatives of a `Transport` header one by one. A value without alternatives, or
/// with one that is an error, is malformed as a whole.
pub fn alternatives(value: &str) -> impl Iterator<Item = Result<TransportSpec, ParseError>> {
    let specs = split_unquoted(value, ',').map(str::trim).filter(|spec| !spec.is_empty());
    specs.enumerate().map(|(i, spec)| match i {
        0..MAX_ALTERNATIVES => spec.parse(),
        _ => Err(invalid("Transport: too many alternatives")),
    })
}

impl FromStr for Transport {
    type Err = ParseError;

    fn from_str(value: &str) -> Result<Self, ParseError> {
        let specs = alternatives(value).collect::<Result<Vec<_>, _>>()?;
        if specs.is_empty() { Err(invalid("Transport")) } else { Ok(Self { specs }) }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, spec) in self.specs.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{spec}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;

    fn spec(text: &str) -> TransportSpec {
        text.parse().unwrap()
    }

    #[test]
    fn requests_of_players() {
        // FFmpeg, VLC, GStreamer, an ONVIF client.
        let udp = spec("RTP/AVP/UDP;unicast;client_port=22166-22167");
        assert!(udp.protocol.is_udp() && udp.is_play());
        assert_eq!(udp.client_port, Some((22166, 22167)));
        let tcp = spec("RTP/AVP/TCP;unicast;interleaved=0-1");
        assert!(tcp.protocol.is_tcp());
        assert_eq!(tcp.interleaved, Some((0, 1)));
        let list: Transport = "RTP/AVP/UDP;unicast;client_port=5000-5001;mode=\"PLAY\",\
            RTP/AVP/UDP;multicast;mode=\"PLAY, RECORD\",RTP/AVP/TCP;unicast;interleaved=0-1"
            .parse()
            .unwrap();
        assert_eq!(list.specs.len(), 3);
        assert_eq!(list.specs[1].delivery(), Delivery::Multicast);
        assert!(list.specs[1].is_record());
        let onvif = spec("rtp/avp ; unicast ; client_port = 1234 ;;x-dynamic-rate=\"1;2\"");
        assert_eq!(onvif.protocol, Protocol::RtpAvp);
        assert_eq!(onvif.client_port, Some((1234, 1235)));
        assert_eq!(onvif.other, [("x-dynamic-rate".into(), Some("\"1;2\"".into()))]);
        let secure = spec("rtp/savp;unicast;client_port=5000-5001").protocol;
        assert!(secure.is_secure() && secure.is_udp());
        let tcp = secure.over_tcp();
        assert_eq!((tcp.as_str(), tcp.is_tcp(), tcp.is_secure()), ("RTP/SAVP/TCP", true, true));
        for known in Protocol::KNOWN {
            assert_eq!(Protocol::from(known.as_str()), known);
            assert!(known.is_udp() != known.is_tcp());
            assert_eq!(known.as_str().contains("SAVP"), known.is_secure());
        }
        assert_eq!(
            spec("UDP/TLS/RTP/SAVP").protocol,
            Protocol::Unsupported("UDP/TLS/RTP/SAVP".into())
        );
    }

    #[test]
    fn the_default_is_multicast_unless_it_cannot_be_meant() {
        assert_eq!(spec("RTP/AVP").delivery(), Delivery::Multicast);
        assert_eq!(spec("RTP/AVP;client_port=2-3").delivery(), Delivery::Unicast);
        assert_eq!(spec("RTP/AVP/TCP").delivery(), Delivery::Unicast);
    }

    #[test]
    fn malformed_numbers_are_errors() {
        for bad in [
            "",
            ";unicast",
            " , ",
            "RTP/AVP;client_port=",
            "RTP/AVP;client_port=65535",
            "RTP/AVP;client_port=70000-70001",
            "RTP/AVP;client_port=5001-5000",
            "RTP/AVP;client_port=-5000",
            "RTP/AVP/TCP;interleaved=255",
            "RTP/AVP/TCP;interleaved=256-257",
            "RTP/AVP;ttl=256",
        ] {
            assert!(bad.parse::<Transport>().is_err(), "{bad}");
        }
        assert!(vec!["RTP/AVP"; 33].join(",").parse::<Transport>().is_err());
        assert_eq!(spec("RTP/AVP;unicast;ssrc=hello").ssrc, None);
    }

    #[test]
    fn responses_look_as_players_expect() {
        let mut spec = TransportSpec::new(Protocol::RtpAvp, Delivery::Unicast);
        spec.client_port = Some((5000, 5001));
        spec.server_port = Some((6970, 6971));
        spec.ssrc = Some(0x0A1B_2C3D);
        spec.mode = Some("PLAY".into());
        assert_eq!(
            spec.to_string(),
            "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;ssrc=0A1B2C3D;mode=\"PLAY\""
        );
        let mut spec = TransportSpec::new(Protocol::RtpAvp, Delivery::Multicast);
        spec.destination = Some("232.1.1.1".into());
        spec.port = Some((18888, 18889));
        spec.ttl = Some(255);
        assert_eq!(
            spec.to_string(),
            "RTP/AVP;multicast;destination=232.1.1.1;port=18888-18889;ttl=255"
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let mut random = Random::new(11);
        for _ in 0..500 {
            let specs = (0..=random.below(3)).map(|_| random_spec(&mut random)).collect();
            let transport = Transport { specs };
            assert_eq!(transport.to_string().parse(), Ok(transport));
        }
    }

    fn random_spec(random: &mut Random) -> TransportSpec {
        let pair = |r: &mut Random| {
            let (a, b) = (r.u16(), r.u16());
            (a.min(b), a.max(b))
        };
        TransportSpec {
            protocol: Protocol::from(*random.pick(&["RTP/AVP", "RTP/AVP/UDP", "RTP/AVP/TCP", "X"])),
            explicit_delivery: random
                .option(|r| *r.pick(&[Delivery::Unicast, Delivery::Multicast])),
            destination: random.option(|r| r.word(12)),
            source: random.option(|_| "2001:db8::1".to_owned()),
            interleaved: random.option(|r| (r.u8() / 2, 128 + r.u8() / 2)),
            port: random.option(pair),
            client_port: random.option(pair),
            server_port: random.option(pair),
            ttl: random.option(Random::u8),
            layers: random.option(Random::u8),
            ssrc: random.option(Random::u32),
            mode: random.option(|r| r.pick(&["PLAY", "PLAY,RECORD"]).to_string()),
            append: random.chance(2),
            other: (0..random.below(3))
                .map(|_| (format!("x-{}", random.word(5)), random.option(|r| r.word(5))))
                .collect(),
        }
    }
}
