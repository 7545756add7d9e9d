//! The parser of [`SessionDescription`]. It is tolerant: any line ends, lines in any order within
//! their section; unknown and malformed lines are skipped. It requires that the text begins with
//! `v=0`, or has media without it (some devices begin with `m=`), and that each `m=` is
//! well-formed.

use super::{Attribute, Bandwidth, Connection, MediaDescription, Origin, SessionDescription, Time};
use crate::wire::ParseError;
use crate::wire::text::digits;

/// Limits on the descriptions that the parser accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SdpLimits {
    /// Length of the text in bytes. Default: 64 KiB.
    pub bytes: usize,
    /// Number of lines. Default: 1024.
    pub lines: usize,
    /// Number of `m=` lines. Default: 32.
    pub media: usize,
}

impl Default for SdpLimits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, lines: 1024, media: 32 }
    }
}

impl SessionDescription {
    /// Parses a description within the default limits.
    ///
    /// # Errors
    /// See [`parse_within`](Self::parse_within).
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        Self::parse_within(text, &SdpLimits::default())
    }

    /// Parses a description. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// The text begins neither with `v=0` nor with another line of a description that has media, an
    /// `m=` is malformed, or a limit is exceeded. Never `Incomplete`: a description has no end
    /// marker.
    pub fn parse_within(text: &[u8], limits: &SdpLimits) -> Result<Self, ParseError> {
        let fault = |what, at| ParseError::Invalid { what, at };
        if text.len() > limits.bytes {
            return Err(fault("SDP: too long", limits.bytes));
        }
        let mut session = Self::default();
        let (mut has_begun, mut has_version) = (false, false);
        let mut at = 0;
        for (number, raw) in text.split(|&b| b == b'\n').enumerate() {
            let start = at;
            at += raw.len() + 1;
            if number >= limits.lines {
                return Err(fault("SDP: too many lines", start));
            }
            let line = raw.trim_ascii_end();
            let line =
                if number == 0 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
            let Some((kind, value)) = split_line(line) else { continue };
            if !std::mem::replace(&mut has_begun, true) {
                match kind {
                    b'v' if value.trim_ascii() == b"0" => {
                        has_version = true;
                        continue;
                    }
                    // Its version 0 is the only one (RFC 4566 section 5.1).
                    kind if b"osiuepcbtrzkam".contains(&kind) => {}
                    _ => return Err(fault("SDP: does not begin with v=0", start)),
                }
            }
            let value = String::from_utf8_lossy(value);
            if kind == b'm' {
                if session.media.len() >= limits.media {
                    return Err(fault("SDP: too many media", start));
                }
                let media = media_line(&value).ok_or_else(|| fault("SDP: m=", start))?;
                session.media.push(media);
            } else if let Some(media) = session.media.last_mut() {
                media.handle_line(kind, &value);
            } else {
                session.handle_line(kind, &value);
            }
        }
        let is_one = has_version || !session.media.is_empty();
        if is_one { Ok(session) } else { Err(fault("SDP: no v=0", text.len())) }
    }

    /// Adds `a=` and other session-level lines as an application writes them (one or several, with
    /// or without line ends); `m=` and malformed lines are skipped.
    pub fn push_lines(&mut self, lines: &str) {
        for (kind, value) in lines.lines().filter_map(|line| split_line(line.as_bytes())) {
            self.handle_line(kind, &String::from_utf8_lossy(value));
        }
    }

    pub(super) fn handle_line(&mut self, kind: u8, value: &str) {
        match kind {
            b'o' => {
                if let Some(origin) = origin_line(value) {
                    self.origin = origin;
                }
            }
            b's' => value.trim().clone_into(&mut self.name),
            b'i' => self.info = Some(value.to_owned()),
            b'u' => self.uri = Some(value.to_owned()),
            b'e' => self.emails.push(value.to_owned()),
            b'p' => self.phones.push(value.to_owned()),
            b'c' => self.connection = connection_line(value).or_else(|| self.connection.take()),
            b'b' => self.bandwidths.extend(bandwidth_line(value)),
            b't' => self.times.extend(time_line(value)),
            b'a' => self.attributes.push(attribute_line(value)),
            _ => {}
        }
    }
}

impl MediaDescription {
    /// Like [`SessionDescription::push_lines`], for media-level lines.
    pub fn push_lines(&mut self, lines: &str) {
        for (kind, value) in lines.lines().filter_map(|line| split_line(line.as_bytes())) {
            self.handle_line(kind, &String::from_utf8_lossy(value));
        }
    }

    pub(super) fn handle_line(&mut self, kind: u8, value: &str) {
        match kind {
            b'i' => self.info = Some(value.to_owned()),
            b'c' => self.connections.extend(connection_line(value)),
            b'b' => self.bandwidths.extend(bandwidth_line(value)),
            b'a' => self.attributes.push(attribute_line(value)),
            _ => {}
        }
    }
}

/// Splits `k=value`.
fn split_line(line: &[u8]) -> Option<(u8, &[u8])> {
    match line {
        [kind, b'=', value @ ..] if kind.is_ascii_alphabetic() => Some((*kind, value)),
        _ => None,
    }
}

pub(super) fn media_line(value: &str) -> Option<MediaDescription> {
    let mut words = value.split_ascii_whitespace();
    let media = words.next()?.to_owned();
    let ports = words.next()?;
    let (port, port_count) = match ports.split_once('/') {
        Some((port, count)) => (port, Some(digits(count)?)),
        None => (ports, None),
    };
    Some(MediaDescription {
        media,
        port: digits(port)?,
        port_count,
        protocol: words.next()?.to_owned(),
        formats: words.map(str::to_owned).collect(),
        ..MediaDescription::default()
    })
}

pub(super) fn origin_line(value: &str) -> Option<Origin> {
    let mut words = value.split_ascii_whitespace();
    let username = words.next()?.to_owned();
    // Devices write numbers here that are none, or too long; nothing depends on them.
    let mut number = || words.next().map(|word| digits(word).unwrap_or(0));
    let (session_id, session_version) = (number()?, number()?);
    let _net_type = words.next()?;
    let address_type = words.next()?.to_owned();
    let address = words.next()?.to_owned();
    Some(Origin { username, session_id, session_version, address_type, address })
}

pub(super) fn connection_line(value: &str) -> Option<Connection> {
    let mut words = value.split_ascii_whitespace();
    let _net_type = words.next()?;
    let address_type = words.next()?.to_owned();
    let mut parts = words.next()?.split('/');
    let address = parts.next().filter(|address| !address.is_empty())?.to_owned();
    let (first, second) = (parts.next(), parts.next());
    // RFC 4566 section 5.7: IPv6 has no TTL, so its only number is the count.
    let (ttl, count) = if address_type == "IP6" { (None, first) } else { (first, second) };
    Some(Connection {
        address_type,
        address,
        ttl: ttl.and_then(digits),
        count: count.and_then(digits),
    })
}

pub(super) fn bandwidth_line(value: &str) -> Option<Bandwidth> {
    let (kind, value) = value.split_once(':')?;
    Some(Bandwidth { kind: kind.trim().to_owned(), value: digits(value.trim())? })
}

pub(super) fn time_line(value: &str) -> Option<Time> {
    let mut words = value.split_ascii_whitespace();
    Some(Time { start: digits(words.next()?)?, stop: digits(words.next()?)? })
}

fn attribute_line(value: &str) -> Attribute {
    match value.split_once(':') {
        Some((name, value)) => Attribute::new(name.trim(), value),
        None => Attribute::flag(value.trim()),
    }
}
