//! [`ExtraLines`]: SDP lines that an application adds to a description (RFC 4566 sections 5 and 9).

use crate::wire::text::{digits, is_token};

/// The level of a description to which lines are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 4566 section 5")]
pub enum SdpLevel {
    /// Session level: before the first `m=`.
    #[default]
    Session,
    /// Media level: after an `m=`.
    Media,
}

impl SdpLevel {
    /// The types of the lines that may be added, in the order of RFC 4566. The server writes the
    /// other types itself: origin, time, and where the media are sent.
    const fn types(self) -> &'static str {
        match self {
            Self::Session => "uepba",
            Self::Media => "iba",
        }
    }

    /// Attributes that the server writes itself.
    const fn reserved(self) -> &'static [&'static str] {
        match self {
            Self::Session => &["control", "range", "tool", "type"],
            Self::Media => &["control", "range"],
        }
    }
}

/// Validated lines for a description, each a letter, `=` and a value.
///
/// ```
/// use riverrun::wire::sdp::{ExtraLines, SdpLevel};
/// let mut lines = ExtraLines::new(SdpLevel::Session);
/// lines.add("a=x-place:hall\r\nu=http://example.org/\r\n")?;
/// assert_eq!(lines.before_attributes().collect::<Vec<_>>(), ["u=http://example.org/"]);
/// assert_eq!(lines.attributes().collect::<Vec<_>>(), ["a=x-place:hall"]);
/// assert!(lines.add("m=audio 9 RTP/AVP 0").is_err());
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraLines {
    level: SdpLevel,
    lines: Vec<String>,
}

impl ExtraLines {
    /// Creates an empty list for a level.
    pub const fn new(level: SdpLevel) -> Self {
        Self { level, lines: Vec::new() }
    }

    /// Adds lines, each ended by CR LF or LF.
    ///
    /// # Errors
    /// The reason for which a line is malformed or not allowed at the level. No line is added then.
    pub fn add(&mut self, text: &str) -> Result<(), &'static str> {
        let mut lines = self.lines.clone();
        for line in text.lines() {
            self.check(line)?;
            // In the order of their types (RFC 4566 section 5); those of one type stay in the order
            // in which they were added.
            let rank = self.rank(line);
            let at = lines.partition_point(|other| self.rank(other) <= rank);
            lines.insert(at, line.to_owned());
        }
        let of = |kind: char| lines.iter().filter(|line| line.starts_with(kind)).count();
        if of('u') > 1 || of('i') > 1 {
            return Err("a description has one `u=` line, and a track one `i=` line");
        }
        self.lines = lines;
        Ok(())
    }

    fn rank(&self, line: &str) -> Option<usize> {
        self.level.types().find(line.chars().next()?)
    }

    fn check(&self, line: &str) -> Result<(), &'static str> {
        if has_breaks(line) {
            return Err("an SDP line contains no CR, LF or NUL");
        }
        let (kind, value) = line.split_once('=').unwrap_or_default();
        if kind.len() != 1 || !kind.bytes().all(|b| b.is_ascii_lowercase()) || value.is_empty() {
            return Err("an SDP line is a small letter, '=' and a value");
        }
        if self.rank(line).is_none() {
            return Err(match self.level {
                SdpLevel::Session => "only u=, e=, p=, b= and a= lines can be added to a session",
                SdpLevel::Media => "only i=, b= and a= lines can be added to a track",
            });
        }
        match kind {
            "a" => self.check_attribute(value),
            "b" => match value.split_once(':') {
                Some((kind, rate))
                    if is_token(kind.as_bytes()) && digits::<u64>(rate).is_some() =>
                {
                    Ok(())
                }
                _ => Err("a `b=` line is a type, ':' and a number"),
            },
            "u" if value.contains(char::is_whitespace) => Err("a URI contains no white space"),
            _ => Ok(()),
        }
    }

    fn check_attribute(&self, attribute: &str) -> Result<(), &'static str> {
        let (name, value) = match attribute.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (attribute, None),
        };
        if !is_token(name.as_bytes()) || value == Some("") {
            return Err("an `a=` line is a token, or a token, ':' and a value");
        }
        if self.level.reserved().contains(&name) {
            return Err("the server writes this attribute itself");
        }
        Ok(())
    }

    /// Iterates over the lines that precede the attributes (and, at session level, `t=`).
    pub fn before_attributes(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str).filter(|line| !line.starts_with('a'))
    }

    /// Iterates over the attribute lines.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str).filter(|line| line.starts_with('a'))
    }
}

/// Returns whether a text contains CR, LF or NUL, which no `byte-string` contains (RFC 4566 section
/// 9).
pub(crate) fn has_breaks(text: &str) -> bool {
    text.contains(['\r', '\n', '\0'])
}

/// Why `m=`, `a=rtpmap` and `a=fmtp` cannot state such a format (RFC 4566 sections 6 and 9).
pub(crate) fn format_fault(
    media: &str,
    encoding_name: &str,
    clock_rate: u32,
    channels: Option<u8>,
    fmtp: Option<&str>,
) -> Option<&'static str> {
    if !is_token(media.as_bytes()) || !is_token(encoding_name.as_bytes()) {
        return Some("media and encoding name are tokens (RFC 4566 section 9)");
    }
    match (clock_rate, channels) {
        (0, _) => Some("an RTP clock has a rate"),
        (_, Some(0)) => Some("audio has at least one channel"),
        _ => fmtp.is_some_and(has_breaks).then_some("an fmtp is one line"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_stand_there_is_taken() {
        let takes = |level, text| ExtraLines::new(level).add(text).is_ok();
        for good in
            ["a=recvonly", "a=x:y: z", "a=x:\u{e9}\r\n", "b=X-Q:7", "u=h\ne=x y\np=+1\n", ""]
        {
            assert!(takes(SdpLevel::Session, good), "{good:?}");
        }
        for bad in [
            "v=0",
            "o=- 1 1 IN IP4 0",
            "s=x",
            "i=x",
            "c=IN IP4 1.2.3.4",
            "t=0 0",
            "r=1 2 3",
            "z=0 0",
            "k=prompt",
            "m=audio 0 RTP/AVP 0",
            "x=y",
            "a",
            "a=",
            "=x",
            "a=:x",
            "a=x y",
            "a=x:",
            "A=x",
            "aa=x",
            "ä=x",
            "a=x\r\n\r\na=y",
            "a=x\r\n\nm=y",
            "a=x\ry",
            "a=x\0",
            "b=AS",
            "b=AS:",
            "b=AS:-1",
            "b=AS:1 2",
            "b=:1",
            "u=a b",
            "u=a\nu=b",
            "a=control:*",
            "a=range:npt=0-",
            "a=tool:x",
            "a=type:x",
            "plain",
            " a=x",
            "a=good\r\nm=video 0 RTP/AVP 96",
        ] {
            assert!(!takes(SdpLevel::Session, bad), "{bad:?}");
        }
        for good in ["i=x", "b=TIAS:7", "a=fmtp:96 x", "a=type:x"] {
            assert!(takes(SdpLevel::Media, good), "{good:?}");
        }
        for bad in
            ["u=x", "e=x", "i=a\ni=b", "m=audio 0 RTP/AVP 0", "a=control:x", "c=IN IP4 1.2.3.4"]
        {
            assert!(!takes(SdpLevel::Media, bad), "{bad:?}");
        }
    }

    #[test]
    fn lines_stand_in_order_and_what_is_refused_adds_nothing() {
        let mut lines = ExtraLines::new(SdpLevel::Session);
        lines.add("a=x\nb=AS:1\na=y\n").unwrap();
        lines.add("e=a\nu=b\ne=c\n").unwrap();
        assert!(lines.add("p=d\nm=e\n").is_err());
        assert_eq!(lines.before_attributes().collect::<Vec<_>>(), ["u=b", "e=a", "e=c", "b=AS:1"]);
        assert_eq!(lines.attributes().collect::<Vec<_>>(), ["a=x", "a=y"]);
    }
}
