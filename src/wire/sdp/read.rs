//! [`SessionDescription::read`]: reads the descriptions that devices send, of which not all follow
//! RFC 4566. Read `parse.rs` first, which holds the parser of a server.

use super::parse::{bandwidth_line, connection_line, media_line, origin_line, time_line};
use super::{Attribute, MediaDescription, SdpLimits, SessionDescription};
use crate::wire::Oddities;
use crate::wire::text::{digits, is_number};
use std::borrow::Cow;

/// Most formats of an `m=` line that are read.
const MAX_FORMATS: usize = 64;

/// Attributes of a payload type that also count if they stand before the `m=` line.
const OF_A_PAYLOAD_TYPE: [&str; 3] = ["rtpmap", "fmtp", "rtcp-fb"];

impl SessionDescription {
    /// Reads a description as a client should: nothing is an error, and `odd` is told what was
    /// passed over or put right. [`parse`](Self::parse) is the reader of a server, which refuses a
    /// description that it would pass on.
    ///
    /// In addition to what `parse` accepts, lines may end with CR alone, be indented, begin with a
    /// capital letter or lack; lines of the session may follow those of media, and `a=rtpmap`,
    /// `a=fmtp` and `a=rtcp-fb` may precede the `m=` line of their payload type; the parts of an
    /// `m=` line may lack or be malformed (the port is 0 then, the protocol `RTP/AVP`); text that
    /// is not UTF-8 is taken as ISO 8859-1; NUL bytes at the end are dropped. What exceeds `limits`
    /// is left out.
    pub fn read(text: &[u8], limits: &SdpLimits, odd: &mut Oddities) -> Self {
        let mut text = text;
        if let Some(rest) = text.strip_prefix(b"\xEF\xBB\xBF") {
            odd.note("a byte order mark precedes the description");
            text = rest;
        }
        let end = text.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        if end < text.len() {
            odd.note("NUL bytes follow the description");
            text = text.get(..end).unwrap_or(text);
        }
        if text.len() > limits.bytes {
            odd.note(format_args!("only {} of {} bytes were read", limits.bytes, text.len()));
            text = text.get(..limits.bytes).unwrap_or(text);
        }
        let mut reading = Reading { odd, sdp: Self::default(), seen: Vec::new() };
        for (number, line) in lines(text).enumerate() {
            if number >= limits.lines {
                reading.odd.note(format_args!("only {number} lines were read"));
                break;
            }
            if !reading.line(line, limits) {
                break;
            }
        }
        reading.end()
    }
}

/// Iterates over the lines that are not empty, however they end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| matches!(b, b'\r' | b'\n')).filter(|line| !line.trim_ascii().is_empty())
}

/// A description of which the first lines have been read.
struct Reading<'o> {
    odd: &'o mut Oddities,
    sdp: SessionDescription,
    /// Types of the lines of the session that have been read.
    seen: Vec<u8>,
}

impl Reading<'_> {
    /// Takes a line; false if no more lines are to be read.
    fn line(&mut self, raw: &[u8], limits: &SdpLimits) -> bool {
        let text = match std::str::from_utf8(raw) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => {
                self.odd.note("text that is not UTF-8 was taken as ISO 8859-1");
                Cow::Owned(raw.iter().map(|&b| char::from(b)).collect())
            }
        };
        if text.starts_with([' ', '\t']) {
            self.odd.note("lines are indented");
        }
        let Some((kind, value)) = split_line(text.trim()) else {
            self.odd.note(format_args!("a line that is none was skipped: {}", text.trim()));
            return true;
        };
        if kind.is_ascii_uppercase() {
            self.odd
                .note(format_args!("a line begins with the capital letter {}", char::from(kind)));
        }
        match (kind.to_ascii_lowercase(), self.sdp.media.last_mut()) {
            (b'm', _) => {
                if self.sdp.media.len() >= limits.media {
                    self.odd.note(format_args!("only {} media were read", limits.media));
                    return false;
                }
                self.sdp.media.push(read_media_line(value, self.odd));
            }
            (kind @ (b'v' | b'o' | b's' | b'u' | b'e' | b'p' | b't'), Some(_)) => {
                self.odd.note(format_args!("{}= stands behind an m= line", char::from(kind)));
                self.session_line(kind, value);
            }
            (kind, None) => self.session_line(kind, value),
            (b'a', Some(media)) => media.attributes.push(read_attribute(value)),
            (kind, Some(media)) => {
                if !is_well_formed(kind, value) {
                    self.odd.note(format_args!("malformed {}={value}", char::from(kind)));
                }
                media.handle_line(kind, value);
            }
        }
        true
    }

    fn session_line(&mut self, kind: u8, value: &str) {
        // What comes later belongs to media that lack it, not in the place of what is known.
        let is_first = !self.seen.contains(&kind);
        if is_first {
            self.seen.push(kind);
        }
        match kind {
            b'v' if value.trim() != "0" => self.odd.note(format_args!("version {value}, not 0")),
            b'v' => {}
            b'a' => self.sdp.attributes.push(read_attribute(value)),
            b'o' | b's' | b'u' if !is_first => {
                self.odd.note(format_args!("a second {}= was skipped", char::from(kind)));
            }
            _ => {
                if !is_well_formed(kind, value) {
                    self.odd.note(format_args!("malformed {}={value}", char::from(kind)));
                }
                self.sdp.handle_line(kind, value);
            }
        }
    }

    /// What only the whole description shows.
    fn end(mut self) -> SessionDescription {
        for kind in [b'v', b'o', b's', b't'] {
            if !self.seen.contains(&kind) {
                self.odd.note(format_args!("there is no {}= line", char::from(kind)));
            }
        }
        let Self { odd, sdp: SessionDescription { attributes, media, .. }, .. } = &mut self;
        for media in media {
            let of_media = attributes.iter().filter(|attribute| {
                let (name, format) = of_a_payload_type(attribute);
                OF_A_PAYLOAD_TYPE.iter().any(|known| known.eq_ignore_ascii_case(name))
                    && media.formats.iter().any(|own| own == format)
                    && !media.attributes.iter().any(|own| {
                        let (own_name, own_format) = of_a_payload_type(own);
                        own_name.eq_ignore_ascii_case(name) && own_format == format
                    })
            });
            let of_media: Vec<_> = of_media.take(MAX_FORMATS).cloned().collect();
            for attribute in &of_media {
                odd.note(format_args!(
                    "{} stands before its m= line",
                    attribute.to_string().trim()
                ));
            }
            media.attributes.extend(of_media);
        }
        self.sdp
    }
}

/// The name of an attribute, and the payload type that its value begins with.
fn of_a_payload_type(attribute: &Attribute) -> (&str, &str) {
    let value = attribute.value.as_deref().unwrap_or_default().trim_start();
    (&attribute.name, value.split([' ', '\t']).next().unwrap_or_default())
}

/// Splits `k=value`, with blanks on either side of the sign.
fn split_line(line: &str) -> Option<(u8, &str)> {
    let (kind, value) = line.split_once('=')?;
    match kind.trim_end().as_bytes() {
        [kind] if kind.is_ascii_alphabetic() => Some((*kind, value)),
        _ => None,
    }
}

/// Returns whether the value of a line other than `a=` and `m=` is what RFC 4566 has there.
fn is_well_formed(kind: u8, value: &str) -> bool {
    let word = |number| value.split_ascii_whitespace().nth(number).unwrap_or_default();
    match kind {
        b'o' => {
            origin_line(value).is_some()
                && digits::<u64>(word(1)).is_some()
                && digits::<u64>(word(2)).is_some()
        }
        b'c' => connection_line(value).is_some(),
        b'b' => bandwidth_line(value).is_some(),
        b't' => time_line(value).is_some(),
        b'u' => value.contains(':') && !value.trim().contains(char::is_whitespace),
        _ => b"sieprzk".contains(&kind),
    }
}

fn read_attribute(value: &str) -> Attribute {
    match value.split_once(':') {
        Some((name, value)) => Attribute::new(name.trim(), value.trim()),
        None => Attribute::flag(value.trim()),
    }
}

/// An `m=` line of which parts may lack.
fn read_media_line(value: &str, odd: &mut Oddities) -> MediaDescription {
    let mut media = match media_line(value) {
        // A number in the place of a word: the word lacks.
        Some(media) if !is_number(&media.media) && !is_number(&media.protocol) => media,
        _ => {
            odd.note(format_args!("malformed m={value}"));
            mend_media_line(value)
        }
    };
    media.formats.truncate(MAX_FORMATS);
    media
}

/// Finds out which words of a malformed line are there.
fn mend_media_line(value: &str) -> MediaDescription {
    let mut words = value.split_ascii_whitespace().peekable();
    let is_port = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let is_protocol = |word: &&str| word.contains('/') && !is_port(word);
    let media = words.next_if(|word| !is_port(word) && !is_protocol(word)).unwrap_or_default();
    let ports = words.next_if(|word| !is_protocol(word)).unwrap_or_default();
    let (port, count) = ports.split_once('/').unwrap_or((ports, ""));
    MediaDescription {
        media: media.to_owned(),
        port: digits(port).unwrap_or(0),
        port_count: digits(count),
        protocol: words.next_if(|word| !is_number(word)).unwrap_or("RTP/AVP").to_owned(),
        formats: words.map(str::to_owned).collect(),
        ..MediaDescription::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], limits: &SdpLimits) -> (SessionDescription, Oddities) {
        let mut odd = Oddities::new();
        let sdp = SessionDescription::read(text, limits, &mut odd);
        (sdp, odd)
    }

    #[test]
    fn what_a_server_accepts_is_read_alike_and_is_not_odd() {
        let text = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=Film\r\ni=of the year\r\n\
            u=http://example.org/\r\ne=a@b\r\np=+1\r\nc=IN IP4 239.1.1.1/9\r\nb=AS:5\r\n\
            t=0 0\r\na=control:*\r\na=range:npt=0-5\r\nm=video 5000/2 RTP/AVP 96 97\r\n\
            i=left\r\nc=IN IP4 239.1.1.2/9\r\nb=TIAS:5000\r\na=rtpmap:96 H264/90000\r\n\
            a=recvonly\r\nm=audio 0 RTP/AVP 0\r\n";
        let (sdp, odd) = read(text.as_bytes(), &SdpLimits::default());
        assert_eq!(Ok(&sdp), SessionDescription::parse(text.as_bytes()).as_ref());
        assert_eq!(odd, Oddities::new());
    }

    #[test]
    fn the_words_of_an_m_line_may_lack() {
        for (line, expected) in [
            ("", ("", 0, "RTP/AVP", "")),
            ("video", ("video", 0, "RTP/AVP", "")),
            ("video 5 96", ("video", 5, "RTP/AVP", "96")),
            ("video RTP/AVP 96", ("video", 0, "RTP/AVP", "96")),
            (" 5 RTP/AVP 96 97", ("", 5, "RTP/AVP", "96 97")),
            ("video zero RTP/AVP 96", ("video", 0, "RTP/AVP", "96")),
            ("video 99999 RTP/AVPF 96", ("video", 0, "RTP/AVPF", "96")),
            ("video 5/x RTP/AVP 96", ("video", 5, "RTP/AVP", "96")),
            ("5", ("", 5, "RTP/AVP", "")),
            ("RTP/AVP 96", ("", 0, "RTP/AVP", "96")),
        ] {
            let mut odd = Oddities::new();
            let media = read_media_line(line, &mut odd);
            let formats = media.formats.join(" ");
            let words = (&*media.media, media.port, &*media.protocol, &*formats);
            assert_eq!(words, expected, "m={line}");
            assert!(!odd.is_empty());
        }
    }

    #[test]
    fn what_exceeds_the_limits_is_left_out_and_told() {
        let limits = SdpLimits { bytes: 1000, lines: 20, media: 2 };
        let (sdp, odd) = read(&b"m=a 0 b 0\n".repeat(3), &limits);
        assert_eq!(sdp.media.len(), 2);
        assert!(odd.iter().any(|line| line.contains("2 media")));
        let (sdp, odd) = read(&b"a=x\n".repeat(30), &limits);
        assert_eq!(sdp.attributes.len(), 20);
        assert!(odd.iter().any(|line| line.contains("20 lines")));
        let (sdp, odd) = read(format!("s={}", "x".repeat(2000)).as_bytes(), &limits);
        assert_eq!(sdp.name.len(), 998);
        assert!(odd.iter().any(|line| line.contains("1000 of 2002 bytes")));
        let m = format!("m=a 0 RTP/AVP{}", " 1".repeat(200));
        assert_eq!(read(m.as_bytes(), &limits).0.media[0].formats.len(), MAX_FORMATS);
    }

    #[test]
    fn what_is_no_description_has_no_media() {
        for text in
            [&b""[..], b"\0\0", b"<html><body>no</body></html>", b"=\n==\na\n", b"\xff\xfe="]
        {
            let (sdp, odd) = read(text, &SdpLimits::default());
            assert!(sdp.media.is_empty() && !odd.is_empty(), "{text:?}");
        }
    }
}
