//! Attributes with a syntax of their own: direction (RFC 4566 section 6), `a=rtcp` (RFC 3605),
//! `a=rtcp-fb` (RFC 4585 section 4.2, RFC 5104 section 7.1), `a=rtcp-xr` (RFC 3611 section 5) and
//! `a=source-filter` (RFC 4570).

use super::{Attribute, MediaDescription, SessionDescription};
use crate::wire::text::digits;
use std::net::IpAddr;

/// Most source addresses of a filter that are read.
const MAX_SOURCES: usize = 16;

/// The direction of media, from the point of view of the end that the description is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 4566 section 6")]
pub enum Direction {
    /// `a=sendrecv`, the default.
    #[default]
    SendRecv,
    /// `a=sendonly`.
    SendOnly,
    /// `a=recvonly`.
    RecvOnly,
    /// `a=inactive`.
    Inactive,
}

/// The direction that the last of these attributes states, if one does.
fn direction(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().rev().find_map(|attribute| {
        [
            ("sendrecv", Direction::SendRecv),
            ("sendonly", Direction::SendOnly),
            ("recvonly", Direction::RecvOnly),
            ("inactive", Direction::Inactive),
        ]
        .into_iter()
        .find_map(|(name, known)| attribute.name.eq_ignore_ascii_case(name).then_some(known))
    })
}

/// The value of `a=rtcp`: where RTCP packets are sent if not to the port after that of RTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3605 section 2.1")]
pub struct RtcpPort {
    /// Port.
    pub port: u16,
    /// Address, if it differs from that of RTP.
    pub address: Option<IpAddr>,
}

impl RtcpPort {
    /// Parses `53020` or `53020 IN IP4 192.0.2.1`; an address that is none is left out.
    pub fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let port = digits(words.next()?)?;
        Some(Self { port, address: words.nth(2).and_then(|address| address.parse().ok()) })
    }
}

/// The feedback messages that `a=rtcp-fb` allows for a payload type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RtcpFeedback {
    /// `nack`: generic negative acknowledgements (RFC 4585 section 6.2.1).
    pub nack: bool,
    /// `nack pli`: picture loss indications (RFC 4585 section 6.3.1).
    pub pli: bool,
    /// `ccm fir`: full intra requests (RFC 5104 section 4.3.1).
    pub fir: bool,
}

impl RtcpFeedback {
    /// Adds what the value of one `a=rtcp-fb` allows for `payload_type`: `96 nack pli`,
    /// `* ccm fir`.
    fn add(&mut self, value: &str, payload_type: u8) {
        let mut words = value.split_ascii_whitespace();
        let format = words.next().unwrap_or_default();
        if format != "*" && digits(format) != Some(payload_type) {
            return;
        }
        let mut word = || words.next().unwrap_or_default().to_ascii_lowercase();
        match (&*word(), &*word()) {
            ("nack", "") => self.nack = true,
            ("nack", "pli") => self.pli = true,
            ("ccm", "fir") => self.fir = true,
            _ => {}
        }
    }
}

/// The value of `a=source-filter`: the sources from which packets of a group are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 4570 section 3")]
pub struct SourceFilter {
    /// Whether packets of these sources are accepted (`incl`), or those of all others (`excl`).
    pub includes: bool,
    /// The group that the filter is for; `None`: all (`*`, or a name).
    pub destination: Option<IpAddr>,
    /// Addresses of sources, at most 16. Names are left out.
    pub sources: Vec<IpAddr>,
}

impl SourceFilter {
    /// Parses ` incl IN IP4 232.3.4.5 192.0.2.10`.
    pub fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let mode = words.next()?;
        let includes = mode.eq_ignore_ascii_case("incl");
        if !includes && !mode.eq_ignore_ascii_case("excl") {
            return None;
        }
        let (_net_type, _address_type, destination) = (words.next()?, words.next()?, words.next()?);
        let sources: Vec<_> =
            words.filter_map(|source| source.parse().ok()).take(MAX_SOURCES).collect();
        (!sources.is_empty()).then(|| Self {
            includes,
            destination: destination.parse().ok(),
            sources,
        })
    }

    /// Returns whether the filter is for a group.
    pub fn is_for(&self, group: IpAddr) -> bool {
        self.destination.is_none_or(|destination| destination == group)
    }
}

/// What `a=rtcp-xr` says of the round-trip time of receivers; `None` if there is no such attribute.
fn round_trip_reports(attributes: &[Attribute]) -> Option<bool> {
    let mut of_name = attributes.iter().filter(|a| a.name.eq_ignore_ascii_case("rtcp-xr"));
    let allows = |a: &Attribute| {
        let mut formats = a.value.as_deref().unwrap_or_default().split_ascii_whitespace();
        formats.any(|format| {
            // "rcvr-rtt=all", or "rcvr-rtt=all:1200" with a size that no answer reaches.
            let mode =
                format.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("rcvr-rtt"));
            let mode = mode.and_then(|(_, mode)| mode.split(':').next());
            mode.is_some_and(|mode| mode.eq_ignore_ascii_case("all"))
        })
    };
    let first = allows(of_name.next()?);
    Some(first || of_name.any(allows))
}

/// The values of the attributes of a name.
fn values<'a>(attributes: &'a [Attribute], name: &'a str) -> impl Iterator<Item = &'a str> {
    let of_name = attributes.iter().filter(move |a| a.name.eq_ignore_ascii_case(name));
    of_name.filter_map(|a| a.value.as_deref())
}

impl SessionDescription {
    /// Returns the direction that the session states, if it does.
    pub fn direction(&self) -> Option<Direction> {
        direction(&self.attributes)
    }

    /// Returns whether a participant that only receives may measure the round-trip time (RFC 3611
    /// section 5); `None` if the session states nothing about extended reports.
    pub fn round_trip_reports(&self) -> Option<bool> {
        round_trip_reports(&self.attributes)
    }

    /// Iterates over the source filters of the session.
    pub fn source_filters(&self) -> impl Iterator<Item = SourceFilter> {
        values(&self.attributes, "source-filter").filter_map(SourceFilter::parse)
    }
}

impl MediaDescription {
    /// Returns whether there is an attribute `name`, with or without a value.
    pub fn has_attribute(&self, name: &str) -> bool {
        self.attributes.iter().any(|a| a.name.eq_ignore_ascii_case(name))
    }

    /// Returns the direction that the media state, if they do.
    pub fn direction(&self) -> Option<Direction> {
        direction(&self.attributes)
    }

    /// Returns width and height in pixels of a payload type, if the media state them: by
    /// `a=x-dimensions` as ONVIF devices and GStreamer write it, or by `a=framesize` (3GPP TS 26.234
    /// section 5.3.3.2).
    pub fn dimensions(&self, payload_type: u8) -> Option<(u32, u32)> {
        let pair = |value: &str, between| {
            let (width, height) = value.split_once(between)?;
            Some((digits(width.trim())?, digits(height.trim())?))
        };
        let framesizes =
            self.attributes.iter().filter(|a| a.name.eq_ignore_ascii_case("framesize"));
        let mut framesizes = framesizes.filter_map(|a| a.value.as_deref()?.trim().split_once(' '));
        let framesize = framesizes.find(|(of, _)| digits(of) == Some(payload_type));
        let dimensions = self.attribute("x-dimensions").and_then(|value| pair(value, ','));
        dimensions.or_else(|| pair(framesize?.1, '-'))
    }

    /// Returns the port of RTCP, if an `a=rtcp` states it.
    pub fn rtcp_port(&self) -> Option<RtcpPort> {
        self.attribute("rtcp").and_then(RtcpPort::parse)
    }

    /// Returns the feedback messages that are allowed for a payload type.
    pub fn rtcp_feedback(&self, payload_type: u8) -> RtcpFeedback {
        let mut feedback = RtcpFeedback::default();
        for value in values(&self.attributes, "rtcp-fb") {
            feedback.add(value, payload_type);
        }
        feedback
    }

    /// Returns whether a participant that only receives may measure the round-trip time, with
    /// receiver reference times that the sender answers (`a=rtcp-xr:rcvr-rtt=all`, RFC 3611 section
    /// 5); `None` if the media state nothing about extended reports, and what the session states
    /// holds. In the mode `sender` only those may that send media.
    pub fn round_trip_reports(&self) -> Option<bool> {
        round_trip_reports(&self.attributes)
    }

    /// Iterates over the source filters of the media.
    pub fn source_filters(&self) -> impl Iterator<Item = SourceFilter> {
        values(&self.attributes, "source-filter").filter_map(SourceFilter::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(lines: &str) -> MediaDescription {
        let mut media = MediaDescription::new("video", 0, "RTP/AVPF", 96);
        media.push_lines(lines);
        media
    }

    #[test]
    fn directions() {
        assert_eq!(media("a=control:x").direction(), None);
        assert_eq!(media("a=sendrecv\na=SendOnly").direction(), Some(Direction::SendOnly));
        assert_eq!(media("a=inactive").direction(), Some(Direction::Inactive));
    }

    #[test]
    fn the_port_of_rtcp() {
        let port = media("a=rtcp:53020 IN IP6 2001:db8::1").rtcp_port().unwrap();
        assert_eq!((port.port, port.address), (53_020, "2001:db8::1".parse().ok()));
        assert_eq!(media("a=rtcp: 7").rtcp_port(), Some(RtcpPort { port: 7, address: None }));
        let odd = media("a=rtcp:7 IN IP4 host.example").rtcp_port();
        assert_eq!(odd, Some(RtcpPort { port: 7, address: None }));
        assert_eq!(media("a=rtcp:99999").rtcp_port(), None);
    }

    #[test]
    fn feedback_is_for_a_payload_type() {
        let media = media(
            "a=rtcp-fb:96 nack\na=rtcp-fb:* NACK pli\na=rtcp-fb:97 ccm fir\n\
            a=rtcp-fb:96 nack rpsi\na=rtcp-fb:96 ack\na=rtcp-fb:\na=rtcp-fb",
        );
        let allowed = |nack, pli, fir| RtcpFeedback { nack, pli, fir };
        assert_eq!(media.rtcp_feedback(96), allowed(true, true, false));
        assert_eq!(media.rtcp_feedback(97), allowed(false, true, true));
    }

    #[test]
    fn round_trips_may_be_measured_by_all_or_by_senders() {
        for (lines, allowed) in [
            ("a=rtpmap:96 H264/90000", None),
            ("a=rtcp-xr", Some(false)),
            ("a=rtcp-xr:pkt-loss-rle stat-summary=loss,jitt", Some(false)),
            ("a=rtcp-xr:rcvr-rtt=sender", Some(false)),
            ("a=rtcp-xr:rcvr-rtt", Some(false)),
            ("a=rtcp-xr:rcvr-rtt=all", Some(true)),
            ("a=rtcp-xr:voip-metrics RCVR-RTT=ALL:10 ", Some(true)),
            ("a=rtcp-xr:voip-metrics\na=rtcp-xr:rcvr-rtt=all", Some(true)),
        ] {
            assert_eq!(media(lines).round_trip_reports(), allowed, "{lines}");
        }
    }

    #[test]
    fn source_filters() {
        let group = "232.3.4.5".parse().unwrap();
        let parse = |value| SourceFilter::parse(value).unwrap();
        let filter = parse(" incl IN IP4 232.3.4.5 192.0.2.10 host 192.0.2.11");
        assert!(filter.includes && filter.is_for(group));
        assert_eq!(
            filter.sources,
            ["192.0.2.10", "192.0.2.11"].map(|s| s.parse::<IpAddr>().unwrap())
        );
        let filter = parse("EXCL IN * * 192.0.2.10");
        assert!(!filter.includes && filter.is_for(group));
        assert!(!parse("incl IN IP4 232.3.4.6 192.0.2.10").is_for(group));
        assert_eq!(parse(&format!("incl IN IP4 *{}", " 1.2.3.4".repeat(99))).sources.len(), 16);
        for bad in ["", "incl", "incl IN IP4 232.3.4.5", "some IN IP4 * 1.2.3.4"] {
            assert_eq!(SourceFilter::parse(bad), None, "{bad}");
        }
    }
}
