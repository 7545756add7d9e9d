//! Session descriptions (RFC 4566): [`SessionDescription::parse`] reads them for a server,
//! [`SessionDescription::read`] for a client, and `Display` writes them.
//!
//! No value, whatever its origin, can end its line in the output.

mod attributes;
mod fmtp;
mod lines;
mod parse;
mod read;

pub use attributes::{Direction, RtcpFeedback, RtcpPort, SourceFilter};
pub use fmtp::{RtpMap, fmtp_parameters};
pub use lines::{ExtraLines, SdpLevel};
pub(crate) use lines::{format_fault, has_breaks};
pub use parse::SdpLimits;

use super::text::OneLine;
use std::fmt;

/// A session description.
///
/// ```
/// use riverrun::wire::sdp::{Attribute, MediaDescription, Origin, SessionDescription};
/// let mut sdp = SessionDescription::new(Origin::new(1, 1, "192.0.2.1".parse().unwrap()), "News");
/// sdp.attributes.push(Attribute::new("control", "*"));
/// let mut video = MediaDescription::new("video", 0, "RTP/AVP", 96);
/// video.push_rtpmap(96, "H264", 90_000, None);
/// video.attributes.push(Attribute::new("control", "track1"));
/// sdp.media.push(video);
/// assert_eq!(
///     sdp.to_string(),
///     "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=News\r\nt=0 0\r\na=control:*\r\n\
///      m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n"
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionDescription {
    /// `o=`: originator and version.
    pub origin: Origin,
    /// `s=`: session name.
    pub name: String,
    /// `i=`: session information.
    pub info: Option<String>,
    /// `u=`: URI of a description.
    pub uri: Option<String>,
    /// `e=`: email addresses.
    pub emails: Vec<String>,
    /// `p=`: phone numbers.
    pub phones: Vec<String>,
    /// `c=`: connection address.
    pub connection: Option<Connection>,
    /// `b=`: bandwidths.
    pub bandwidths: Vec<Bandwidth>,
    /// `t=`: active times; an empty list is written as `t=0 0`.
    pub times: Vec<Time>,
    /// `a=`: session-level attributes.
    pub attributes: Vec<Attribute>,
    /// `m=`: media descriptions.
    pub media: Vec<MediaDescription>,
}

/// `o=`: the originator of the session, and the version of its description.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 4566 section 5.2")]
pub struct Origin {
    /// User name; `-` if the host has no user names.
    pub username: String,
    /// Session id.
    pub session_id: u64,
    /// Session version, which increases with each change of the description.
    pub session_version: u64,
    /// Address type: `IP4` or `IP6`.
    pub address_type: String,
    /// Address or host name.
    pub address: String,
}

impl Origin {
    /// Creates an origin without a user name.
    pub fn new(session_id: u64, session_version: u64, address: std::net::IpAddr) -> Self {
        Self {
            username: "-".into(),
            session_id,
            session_version,
            address_type: address_type(address).into(),
            address: address.to_string(),
        }
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self::new(0, 0, std::net::Ipv4Addr::UNSPECIFIED.into())
    }
}

const fn address_type(address: std::net::IpAddr) -> &'static str {
    if address.is_ipv4() { "IP4" } else { "IP6" }
}

/// `c=`: the address to which the media are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 4566 section 5.7")]
pub struct Connection {
    /// Address type: `IP4` or `IP6`.
    pub address_type: String,
    /// Address or host name.
    pub address: String,
    /// Multicast time to live; only with IPv4.
    pub ttl: Option<u8>,
    /// Number of contiguous multicast addresses.
    pub count: Option<u32>,
}

impl Connection {
    /// Creates a connection with one address; `ttl` is for IPv4 multicast.
    pub fn new(address: std::net::IpAddr, ttl: Option<u8>) -> Self {
        Self {
            address_type: address_type(address).into(),
            address: address.to_string(),
            ttl: if address.is_ipv4() { ttl } else { None },
            count: None,
        }
    }
}

/// `b=`: bandwidth.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 4566 section 5.8")]
pub struct Bandwidth {
    /// Bandwidth type: `AS`, `CT`, `RR`, `RS`, …
    pub kind: String,
    /// Bandwidth: in kbit/s for `AS` and `CT`, in bit/s for `RR` and `RS`.
    pub value: u64,
}

/// `t=`: the time for which the session is active, in seconds since 1900; 0 is unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Time {
    /// Start.
    pub start: u64,
    /// End.
    pub stop: u64,
}

/// An attribute: `a=name` or `a=name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 4566 section 5.13")]
pub struct Attribute {
    /// Name, before the colon.
    pub name: String,
    /// Value, after the colon.
    pub value: Option<String>,
}

impl Attribute {
    /// Creates an attribute with a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }

    /// Creates an attribute without a value.
    pub fn flag(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None }
    }
}

/// `m=`: a media description with its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaDescription {
    /// Media type: `audio`, `video`, `application`, …
    pub media: String,
    /// Port; 0 if RTSP SETUP chooses it.
    pub port: u16,
    /// Number of port pairs.
    pub port_count: Option<u16>,
    /// Transport protocol, such as `RTP/AVP`.
    pub protocol: String,
    /// Formats: RTP payload types.
    pub formats: Vec<String>,
    /// `i=`: media title.
    pub info: Option<String>,
    /// `c=`: connection addresses; layered media have several.
    pub connections: Vec<Connection>,
    /// `b=`: bandwidths.
    pub bandwidths: Vec<Bandwidth>,
    /// `a=`: media-level attributes.
    pub attributes: Vec<Attribute>,
}

/// Returns the value of the first attribute `name`. Names are compared without regard to case,
/// since some devices write them in capitals.
fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name)).and_then(|a| a.value.as_deref())
}

impl SessionDescription {
    /// Creates a description of a permanent session without media.
    pub fn new(origin: Origin, name: impl Into<String>) -> Self {
        Self { origin, name: name.into(), times: vec![Time::default()], ..Self::default() }
    }

    /// Returns the value of the first session-level attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.attributes, name)
    }
}

impl MediaDescription {
    /// Creates a media description with one RTP payload type.
    pub fn new(
        media: impl Into<String>,
        port: u16,
        protocol: impl Into<String>,
        payload_type: u8,
    ) -> Self {
        Self {
            media: media.into(),
            port,
            protocol: protocol.into(),
            formats: vec![payload_type.to_string()],
            ..Self::default()
        }
    }

    /// Returns the value of the first attribute `name` of the media description.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.attributes, name)
    }

    /// Returns the first format of the `m=` line, if it is an RTP payload type.
    pub fn payload_type(&self) -> Option<u8> {
        payload_type(self.formats.first()?)
    }

    /// Iterates over the RTP payload types of the `m=` line, the preferred one first.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.formats.iter().filter_map(|format| payload_type(format))
    }
}

fn payload_type(format: &str) -> Option<u8> {
    super::text::digits(format).filter(|&payload_type| payload_type < 128)
}

/// Displays a field of a line: white space is removed, and an empty field is replaced.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unfit = |c: char| c.is_whitespace() || c.is_control();
        if self.0.chars().all(unfit) {
            return f.write_str("-");
        }
        self.0.split(unfit).try_for_each(|piece| f.write_str(piece))
    }
}

fn line(f: &mut fmt::Formatter<'_>, kind: char, value: &str) -> fmt::Result {
    write!(f, "{kind}={}\r\n", OneLine(value))
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v=0\r\n")?;
        write!(f, "{}", self.origin)?;
        // RFC 4566 section 5.3: a session without a name has a single space.
        line(f, 's', if self.name.is_empty() { " " } else { &self.name })?;
        self.info.iter().try_for_each(|info| line(f, 'i', info))?;
        self.uri.iter().try_for_each(|uri| line(f, 'u', uri))?;
        self.emails.iter().try_for_each(|email| line(f, 'e', email))?;
        self.phones.iter().try_for_each(|phone| line(f, 'p', phone))?;
        self.connection.iter().try_for_each(|connection| write!(f, "{connection}"))?;
        self.bandwidths.iter().try_for_each(|bandwidth| write!(f, "{bandwidth}"))?;
        if self.times.is_empty() {
            write!(f, "{}", Time::default())?;
        }
        self.times.iter().try_for_each(|time| write!(f, "{time}"))?;
        self.attributes.iter().try_for_each(|attribute| write!(f, "{attribute}"))?;
        self.media.iter().try_for_each(|media| write!(f, "{media}"))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o={} {} {}", Word(&self.username), self.session_id, self.session_version)?;
        write!(f, " IN {} {}\r\n", Word(&self.address_type), Word(&self.address))
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c=IN {} {}", Word(&self.address_type), Word(&self.address))?;
        self.ttl.iter().try_for_each(|ttl| write!(f, "/{ttl}"))?;
        self.count.iter().try_for_each(|count| write!(f, "/{count}"))?;
        f.write_str("\r\n")
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b={}:{}\r\n", Word(&self.kind), self.value)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t={} {}\r\n", self.start, self.stop)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a={}", Word(&self.name))?;
        self.value.iter().try_for_each(|value| write!(f, ":{}", OneLine(value)))?;
        f.write_str("\r\n")
    }
}

impl fmt::Display for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", Word(&self.media), self.port)?;
        self.port_count.iter().try_for_each(|count| write!(f, "/{count}"))?;
        write!(f, " {}", Word(&self.protocol))?;
        self.formats.iter().try_for_each(|format| write!(f, " {}", Word(format)))?;
        f.write_str("\r\n")?;
        self.info.iter().try_for_each(|info| line(f, 'i', info))?;
        self.connections.iter().try_for_each(|connection| write!(f, "{connection}"))?;
        self.bandwidths.iter().try_for_each(|bandwidth| write!(f, "{bandwidth}"))?;
        self.attributes.iter().try_for_each(|attribute| write!(f, "{attribute}"))
    }
}

#[cfg(test)]
mod tests;
