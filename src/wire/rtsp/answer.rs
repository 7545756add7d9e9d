//! Headers of responses, read as a client should read them: what is malformed is left out and told,
//! and the rest is used. The `FromStr` implementations of the same types are for a server, which
//! answers 400 to a request that two readers could understand differently.

use super::range::Range;
use super::session::SessionHeader;
use super::transport::{Protocol, TransportSpec};
use crate::wire::Oddities;
use crate::wire::text::{digits, parameter, split_unquoted, unquote};
use std::str::FromStr;

/// Most parameters of a header that are read.
const MAX_PARAMETERS: usize = 64;

impl TransportSpec {
    /// Reads the `Transport` header of a response: what the server has chosen. `None` if the value
    /// is empty.
    ///
    /// The protocol may stand at any place. Where it lacks, or names no lower transport, channels
    /// mean TCP. Pairs may lack their second number, which is the successor of the first then, and
    /// the second may be the lower one. Ports that are 0 are unknown, and malformed values are left
    /// out.
    ///
    /// ```
    /// use riverrun::wire::Oddities;
    /// use riverrun::wire::rtsp::TransportSpec;
    /// let mut odd = Oddities::new();
    /// let value = "unicast; interleaved=2; ssrc= 0xaB; RTP/AVP/TCP";
    /// let chosen = TransportSpec::of_answer(value, &mut odd).unwrap();
    /// assert!(chosen.protocol.is_tcp());
    /// assert_eq!((chosen.interleaved, chosen.ssrc), (Some((2, 3)), Some(0xab)));
    /// assert!(!odd.is_empty());
    /// ```
    pub fn of_answer(value: &str, odd: &mut Oddities) -> Option<Self> {
        let mut specs = split_unquoted(value, ',').map(str::trim).filter(|spec| !spec.is_empty());
        let first = specs.next()?;
        if specs.next().is_some() {
            odd.note("Transport: several alternatives, of which the first counts");
        }
        let parts = || split_unquoted(first, ';').take(MAX_PARAMETERS).map(str::trim);
        let at = parts().position(|part| part.contains('/') && !part.contains('='));
        let protocol = at.and_then(|at| parts().nth(at)).unwrap_or("RTP/AVP");
        match at {
            Some(0) => {}
            Some(_) => odd.note("Transport: the protocol does not stand first"),
            None => odd.note("Transport: the protocol lacks"),
        }
        let mut spec = Self::of_protocol(Protocol::from(protocol));
        for (n, part) in parts().enumerate() {
            let (name, value) = parameter(part);
            if Some(n) == at || name.is_empty() || spec.set(name, value).is_ok() {
                continue;
            }
            odd.note(format_args!("Transport: {name}={}", value.unwrap_or_default()));
            spec.set_leniently(name, value.map(unquote).unwrap_or_default());
        }
        for ports in [&mut spec.server_port, &mut spec.client_port, &mut spec.port] {
            if ports.is_some_and(|(rtp, _)| rtp == 0) {
                odd.note("Transport: a port is 0");
                *ports = None;
            }
        }
        let has_ports = spec.server_port.is_some() || spec.client_port.is_some();
        let names_none = [Protocol::RtpAvp, Protocol::RtpSavp, Protocol::RtpSavpf];
        if names_none.contains(&spec.protocol) && spec.interleaved.is_some() && !has_ports {
            odd.note("Transport: channels, but not TCP");
            spec.protocol = spec.protocol.over_tcp();
        }
        Some(spec)
    }

    /// Sets a pair that is malformed, if its first number can be read.
    fn set_leniently(&mut self, name: &str, text: &str) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("interleaved") {
            self.interleaved = lenient_pair(text, |n: u8| n.checked_add(1));
            return;
        }
        let ports = if is("server_port") {
            &mut self.server_port
        } else if is("client_port") {
            &mut self.client_port
        } else if is("port") {
            &mut self.port
        } else {
            return;
        };
        *ports = lenient_pair(text, |n: u16| n.checked_add(1));
    }
}

/// Reads `a-b`, `a-`, `a` or `a-` and anything.
fn lenient_pair<T: FromStr + Copy>(text: &str, successor: fn(T) -> Option<T>) -> Option<(T, T)> {
    let (first, second) = text.split_once('-').unwrap_or((text, ""));
    let first = digits(first.trim())?;
    Some((first, digits(second.trim()).or_else(|| successor(first))?))
}

impl<'a> SessionHeader<'a> {
    /// Reads the `Session` header of a response. `None` if it has no id.
    ///
    /// The id may consist of anything, since the client only repeats it; so it is told as received,
    /// quotes included. A time-out may be followed by its unit; one of 0 is taken for none.
    pub fn of_answer(value: &'a str, odd: &mut Oddities) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let id = parts.next().filter(|id| !id.is_empty())?;
        let timeout = parts
            .take(MAX_PARAMETERS)
            .map(parameter)
            .find(|(name, _)| name.eq_ignore_ascii_case("timeout"))
            .and_then(|(_, seconds)| seconds);
        let seconds = timeout.and_then(|text| {
            let number = unquote(text);
            let len = number.bytes().take_while(u8::is_ascii_digit).count();
            digits(number.get(..len)?).filter(|seconds| *seconds > 0)
        });
        if Self::parse(value) != Ok(Self::new(id, seconds))
            || seconds.is_some() != timeout.is_some()
        {
            odd.note(format_args!("Session: {value}"));
        }
        Some(Self::new(id, seconds))
    }
}

impl Range {
    /// Reads the `Range` header of a response, or the value of `a=range`. `None` if it states no
    /// time that can be read, which is no error: the range is unknown then.
    ///
    /// There may be white space anywhere. A malformed end is taken for none.
    pub fn of_answer(value: &str, odd: &mut Oddities) -> Option<Self> {
        let text: String = value.chars().filter(|c| !c.is_whitespace()).take(128).collect();
        let range = text.split(';').next().unwrap_or_default();
        if let Ok(range) = range.parse() {
            return Some(range);
        }
        odd.note(format_args!("range: {value}"));
        let start = range.split('-').next().unwrap_or_default();
        format!("{start}-").parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn transport(value: &str) -> (TransportSpec, usize) {
        let mut odd = Oddities::new();
        let spec = TransportSpec::of_answer(value, &mut odd);
        (spec.unwrap_or_else(|| panic!("{value}")), odd.iter().len())
    }

    #[test]
    fn what_is_well_formed_is_read_as_by_a_server_and_is_not_odd() {
        for value in [
            "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;ssrc=0A1B2C3D",
            "RTP/AVP/TCP;unicast;interleaved=0-1;mode=\"PLAY\"",
            "RTP/AVP/UDP;multicast;destination=232.1.1.1;port=18888-18889;ttl=255;x-y=\"a;b\"",
        ] {
            let (spec, odd) = transport(value);
            assert_eq!((Ok(spec), odd), (value.parse(), 0), "{value}");
        }
        let mut odd = Oddities::new();
        let header = SessionHeader::of_answer("12345678;timeout=60", &mut odd);
        assert_eq!(header, Some(SessionHeader::new("12345678", Some(60))));
        let range = Range::of_answer("npt=0-12.5", &mut odd);
        assert_eq!(range, "npt=0-12.5".parse().ok());
        assert!(odd.is_empty());
    }

    #[test]
    fn transport_parameters_in_any_order() {
        let (spec, odd) = transport("ssrc=1;server_port=6970-6971;RTP/AVP/UDP;unicast");
        assert!(spec.protocol.is_udp());
        assert_eq!((spec.server_port, spec.ssrc, odd), (Some((6970, 6971)), Some(1), 1));
        let (spec, _) = transport("unicast;interleaved=0-1");
        assert!(spec.protocol.is_tcp(), "where the protocol lacks, channels tell it");
        let (spec, _) = transport("RTP/AVP;interleaved=0-1;unicast");
        assert!(spec.protocol.is_tcp());
        let (spec, odd) = transport("RTP/AVP;unicast;client_port=2-3,RTP/AVP/TCP;interleaved=0-1");
        assert_eq!((spec.protocol, spec.interleaved, odd), (Protocol::RtpAvp, None, 1));
        assert_eq!(TransportSpec::of_answer(" , ", &mut Oddities::new()), None);
    }

    #[test]
    fn ssrc_in_lower_case_short_with_a_leading_space_or_zero() {
        for (text, ssrc) in [
            ("deadbeef", Some(0xdead_beef)),
            ("abc", Some(0xabc)),
            (" 1234", Some(0x1234)),
            ("0x1A2B", Some(0x1a2b)),
            ("0X1a2b", Some(0x1a2b)),
            ("00deadbeef", Some(0xdead_beef)),
            ("\"ab\"", Some(0xab)),
            ("1deadbeef", None),
            ("none", None),
            ("", None),
        ] {
            let (spec, _) = transport(&format!("RTP/AVP;unicast;ssrc={text}"));
            assert_eq!(spec.ssrc, ssrc, "{text:?}");
        }
    }

    #[test]
    fn malformed_channels_and_ports() {
        for (text, channels) in [
            ("0", Some((0, 1))),
            ("0-", Some((0, 1))),
            ("3-2", Some((3, 2))),
            ("4-x", Some((4, 5))),
            (" 4 - 6 ", Some((4, 6))),
            ("255", None),
            ("256-257", None),
            ("-1", None),
            ("", None),
        ] {
            let (spec, _) = transport(&format!("RTP/AVP/TCP;unicast;interleaved={text};ttl=x"));
            assert_eq!(spec.interleaved, channels, "{text:?}");
        }
        for (text, ports) in [
            ("6970", Some((6970, 6971))),
            ("6971-6970", Some((6971, 6970))),
            ("6970-", Some((6970, 6971))),
            ("6970-99999", Some((6970, 6971))),
            ("65535", None),
            ("0-0", None),
            ("0", None),
            ("x", None),
        ] {
            let (spec, _) = transport(&format!("RTP/AVP;unicast;server_port={text}"));
            assert_eq!(spec.server_port, ports, "{text:?}");
        }
    }

    #[test]
    fn session_with_spaces_and_odd_ids() {
        for (value, id, timeout) in [
            (" 12345678 ; timeout=60 ", "12345678", Some(60)),
            ("12345678;Timeout = 30;x", "12345678", Some(30)),
            ("0x1F2E;timeout=60s", "0x1F2E", Some(60)),
            ("DEADbeef;timeout=\"60\"", "DEADbeef", Some(60)),
            ("a b,c\u{e9};timeout=-1", "a b,c\u{e9}", None),
            ("1;timeout=0", "1", None),
            ("1;timeout", "1", None),
            ("-1", "-1", None),
        ] {
            let read = SessionHeader::of_answer(value, &mut Oddities::new());
            assert_eq!(read, Some(SessionHeader::new(id, timeout)), "{value}");
        }
        assert_eq!(SessionHeader::of_answer(" ;timeout=60", &mut Oddities::new()), None);
    }

    #[test]
    fn ranges_with_spaces_and_without_an_end() {
        let secs = |n| Some(Duration::from_secs(n));
        for (value, expected) in [
            ("npt= 0-", Some((secs(0), None))),
            (" npt = 0.0 - 12 ", Some((secs(0), secs(12)))),
            ("npt=now-", Some((None, None))),
            ("npt=0-now", Some((secs(0), None))),
            ("npt=3-inf", Some((secs(3), None))),
            ("npt=5", Some((secs(5), None))),
            ("npt=0-5;time=x", Some((secs(0), secs(5)))),
            ("npt=", None),
            ("npt=-", None),
            ("bytes=0-5", None),
            ("", None),
        ] {
            let range = Range::of_answer(value, &mut Oddities::new());
            assert_eq!(range.and_then(|range| range.as_npt()), expected, "{value:?}");
        }
        let clock = "clock=20240101T000000Z-";
        assert_eq!(Range::of_answer(clock, &mut Oddities::new()), clock.parse().ok());
    }
}
