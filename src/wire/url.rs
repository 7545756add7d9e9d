//! RTSP URLs and Request-URIs (RFC 2326 section 3.2, RFC 3986).
//!
//! The types are views of the text and copy nothing. Components stay percent-encoded as received,
//! because a server compares and echoes URLs as the client wrote them. Decoding is strict: a
//! segment that decodes to a slash, a NUL or bytes that are not UTF-8 is an error.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use crate::wire::text::{OneLine, digits, strip_prefix_ignore_case};

/// The reason for which a URL or a path cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The text is neither `*`, nor a path, nor a URL with a known scheme.
    Scheme,
    /// The host is missing or malformed.
    Host,
    /// The port is not a number below 65,536.
    Port,
    /// The text contains a control character.
    Control,
    /// A `%` is not followed by two hexadecimal digits.
    Escape,
    /// A segment contains `%2F`, an encoded slash.
    EncodedSlash,
    /// A segment contains `%00`.
    Nul,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "URL of an unknown scheme",
            Self::Host => "malformed host in URL",
            Self::Port => "malformed port in URL",
            Self::Control => "control character in URL",
            Self::Escape => "malformed percent encoding in URL",
            Self::EncodedSlash => "encoded slash in URL",
            Self::Nul => "NUL in URL",
            Self::NotUtf8 => "URL does not decode to UTF-8",
        })
    }
}

impl std::error::Error for UrlError {}

/// The scheme of an [`RtspUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `rtsp`: over TCP.
    Rtsp,
    /// `rtspu`: over UDP.
    Rtspu,
    /// `rtsps`: over TLS.
    Rtsps,
}

impl Scheme {
    /// Returns the scheme as it is written before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::Rtspu => "rtspu",
            Self::Rtsps => "rtsps",
        }
    }

    /// Returns the port of URLs that name none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Rtsp | Self::Rtspu => 554,
            Self::Rtsps => 322,
        }
    }
}

/// Returns whether a text contains a control character, including those of Latin-1.
fn has_control(text: &str) -> bool {
    text.bytes().fold(false, |found, b| found | b.is_ascii_control())
        || !text.is_ascii() && text.chars().any(char::is_control)
}

/// A path and a query, percent-encoded as received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UrlPath<'a> {
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> UrlPath<'a> {
    /// Parses `/path?query`.
    ///
    /// # Errors
    /// [`UrlError::Control`]: the text contains a control character.
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        if has_control(text) {
            return Err(UrlError::Control);
        }
        Ok(match text.split_once('?') {
            Some((path, query)) => Self { path, query: Some(query) },
            None => Self { path: text, query: None },
        })
    }

    /// Returns the path as received, with its leading slash; may be empty.
    pub const fn as_str(&self) -> &'a str {
        self.path
    }

    /// Returns the query, as received, without the `?`.
    pub const fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// Iterates over the segments as received, without slashes. Empty segments (`//`, a trailing
    /// `/`) are skipped.
    pub fn path_segments(&self) -> impl DoubleEndedIterator<Item = &'a str> + use<'a> {
        self.path.split('/').filter(|segment| !segment.is_empty())
    }

    /// Iterates over the decoded segments. `.` and `..` are not resolved; the caller that opens
    /// files must handle them.
    ///
    /// Each segment may be an error; see [`decode_segment`].
    pub fn decoded_segments(
        &self,
    ) -> impl DoubleEndedIterator<Item = Result<Cow<'a, str>, UrlError>> + use<'a> {
        self.path_segments().map(decode_segment)
    }

    /// Returns the decoded path without leading, trailing and doubled slashes; borrowed where it
    /// equals the text.
    ///
    /// # Errors
    /// See [`decode_segment`].
    pub fn decoded_path(&self) -> Result<Cow<'a, str>, UrlError> {
        let path = self.path.trim_matches('/');
        // Nothing encoded, no slash after a slash.
        let plain = |(before, b)| b != b'%' && (b, before) != (b'/', b'/');
        if std::iter::once(b' ').chain(path.bytes()).zip(path.bytes()).all(plain) {
            return Ok(Cow::Borrowed(path));
        }
        let mut decoded = String::with_capacity(path.len());
        for segment in self.decoded_segments() {
            if !decoded.is_empty() {
                decoded.push('/');
            }
            decoded.push_str(&segment?);
        }
        Ok(Cow::Owned(decoded))
    }
}

impl fmt::Display for UrlPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)?;
        match self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// Decodes the percent encoding of one path segment.
///
/// # Errors
/// The segment contains a malformed escape, an encoded slash or NUL, or bytes that are not UTF-8.
pub fn decode_segment(segment: &str) -> Result<Cow<'_, str>, UrlError> {
    if !segment.contains(['%', '\0']) {
        return Ok(Cow::Borrowed(segment));
    }
    let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let high = bytes.next().and_then(hex).ok_or(UrlError::Escape)?;
            let low = bytes.next().and_then(hex).ok_or(UrlError::Escape)?;
            match high << 4 | low {
                b'/' => return Err(UrlError::EncodedSlash),
                byte => byte,
            }
        } else {
            byte
        };
        if byte == 0 {
            return Err(UrlError::Nul);
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| UrlError::NotUtf8)
}

/// Encodes a name as one path segment: all characters except letters, digits and `-._~!$&'()*+=:@`
/// become percent escapes (RFC 3986 section 3.3). The sub-delimiters `,` and `;` are escaped too,
/// because they separate the entries of `RTP-Info`.
pub fn encode_segment(name: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |n: u8| HEX.get(usize::from(n)).map_or('0', |&d| char::from(d));
    let mut encoded = String::with_capacity(name.len());
    for b in name.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~!$&'()*+=:@".contains(&b) {
            encoded.push(char::from(b));
        } else {
            encoded.extend(['%', digit(b >> 4), digit(b & 15)]);
        }
    }
    encoded
}

/// An absolute RTSP URL.
///
/// ```
/// use riverrun::wire::url::RtspUrl;
/// let url = RtspUrl::parse("rtsp://[::1]:8554/a%20file.mkv?x=1")?;
/// assert_eq!((url.host, url.port()), ("::1", 8554));
/// assert_eq!(url.path.decoded_path()?, "a file.mkv");
/// # Ok::<(), riverrun::wire::url::UrlError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 2326 section 3.2")]
pub struct RtspUrl<'a> {
    /// Scheme.
    pub scheme: Scheme,
    /// User name, as received.
    pub user: Option<&'a str>,
    /// Password, as received; `Debug` and `Display` do not show it.
    pub password: Option<&'a str>,
    /// Host name or address; an IPv6 address without its brackets.
    pub host: &'a str,
    /// The port, if the URL names one.
    pub explicit_port: Option<u16>,
    /// Path and query.
    pub path: UrlPath<'a>,
}

impl<'a> RtspUrl<'a> {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// The text is not an absolute URL, or its scheme is not one of [`Scheme`].
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::Scheme)?;
        let rest = rest.strip_prefix("//").ok_or(UrlError::Scheme)?;
        let scheme = [Scheme::Rtsp, Scheme::Rtspu, Scheme::Rtsps]
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(scheme))
            .ok_or(UrlError::Scheme)?;
        let end = memchr::memchr2(b'/', b'?', rest.as_bytes()).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(UrlError::Host)?;
        // The last `@`: passwords with one in them are common, hosts with one do not exist.
        let (user_info, host_port) = match authority.rsplit_once('@') {
            Some((user_info, host_port)) => (Some(user_info), host_port),
            None => (None, authority),
        };
        let (user, password) = match user_info.map(|u| u.split_once(':').ok_or(u)) {
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
            None => (None, None),
        };
        if has_control(authority) {
            return Err(UrlError::Control);
        }
        let (host, port) = split_host(host_port)?;
        let explicit_port = match port {
            None | Some("") => None,
            Some(port) => Some(digits(port).ok_or(UrlError::Port)?),
        };
        let path = UrlPath::parse(path)?;
        Ok(Self { scheme, user, password, host, explicit_port, path })
    }

    /// Returns the port to connect to: the explicit one, or the default of the scheme.
    pub fn port(&self) -> u16 {
        self.explicit_port.unwrap_or_else(|| self.scheme.default_port())
    }
}

impl fmt::Debug for RtspUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtspUrl({self})")
    }
}

/// Displays no user and no password, as suits a request line or a log.
impl fmt::Display for RtspUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        if self.host.contains(':') {
            write!(f, "[{}]", OneLine(self.host))?;
        } else {
            write!(f, "{}", OneLine(self.host))?;
        }
        if let Some(port) = self.explicit_port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.path)
    }
}

/// Displays a Request-URI for a log: without the user and the password, and without the values of
/// `token` in the query.
pub(crate) struct Redacted<'a>(pub(crate) &'a str);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, query) = match self.0.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (self.0, None),
        };
        match place.split_once("://") {
            Some((scheme, rest)) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                write!(f, "{scheme}://{}{}", OneLine(host), OneLine(path))?;
            }
            None => write!(f, "{}", OneLine(place))?,
        }
        let Some(query) = query else { return Ok(()) };
        for (i, item) in query.split(['&', '?']).enumerate() {
            f.write_str(if i == 0 { "?" } else { "&" })?;
            match item.split_once('=') {
                // As a server may read it: the name may be encoded.
                Some((name, _)) if !is_harmless(name) => write!(f, "{}=…", OneLine(name))?,
                _ => write!(f, "{}", OneLine(item))?,
            }
        }
        Ok(())
    }
}

/// Whether a parameter of a query is certainly no token.
fn is_harmless(name: &str) -> bool {
    decode_segment(name).is_ok_and(|name| !name.eq_ignore_ascii_case("token"))
}

/// Splits `host[:port]`; the host is returned without brackets.
fn split_host(text: &str) -> Result<(&str, Option<&str>), UrlError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(UrlError::Host)?;
        let (address, _zone) = host.split_once('%').unwrap_or((host, ""));
        address.parse::<Ipv6Addr>().map_err(|_| UrlError::Host)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(UrlError::Host),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '[' | ']' | '"' | '<' | '>' | '\\');
    if host.is_empty() || !host.chars().all(plain) {
        return Err(UrlError::Host);
    }
    Ok((host, port))
}

/// The resource that a Request-URI names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 2326 section 6.1")]
pub enum RequestTarget<'a> {
    /// `*`: the server itself.
    Asterisk,
    /// An absolute URL.
    Url(RtspUrl<'a>),
    /// A path alone, which RFC 2326 does not allow but some clients send.
    Path(UrlPath<'a>),
}

impl<'a> RequestTarget<'a> {
    /// Parses a Request-URI.
    ///
    /// # Errors
    /// The text is neither `*`, nor a path, nor an RTSP URL.
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        if text == "*" {
            Ok(Self::Asterisk)
        } else if text.starts_with('/') {
            UrlPath::parse(text).map(Self::Path)
        } else if strip_prefix_ignore_case(text, "rtsp").is_some() {
            RtspUrl::parse(text).map(Self::Url)
        } else {
            Err(UrlError::Scheme)
        }
    }

    /// Returns the path and query; `None` for `*`.
    pub const fn path(&self) -> Option<UrlPath<'a>> {
        match self {
            Self::Asterisk => None,
            Self::Url(url) => Some(url.path),
            Self::Path(path) => Some(*path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;

    #[test]
    fn urls_in_all_their_parts() {
        let url = RtspUrl::parse("RTSP://admin:p@ss:w@cam.local:10554/live/ch0?a=b?c").unwrap();
        assert_eq!(url.scheme, Scheme::Rtsp);
        assert_eq!(url.user, Some("admin"));
        assert_eq!(url.password, Some("p@ss:w"));
        assert_eq!((url.host, url.port()), ("cam.local", 10554));
        assert_eq!(url.path.as_str(), "/live/ch0");
        assert_eq!(url.path.query(), Some("a=b?c"));
        assert_eq!(url.to_string(), "rtsp://cam.local:10554/live/ch0?a=b?c");
        assert!(!format!("{url:?}").contains("p@ss"));

        let url = RtspUrl::parse("rtsps://[fe80::1%25eth0]").unwrap();
        assert_eq!((url.port(), url.path.as_str()), (322, ""));
        assert_eq!(url.to_string(), "rtsps://[fe80::1%25eth0]");
    }

    #[test]
    fn what_is_logged_of_a_url_has_no_secret() {
        for (url, logged) in [
            ("rtsp://ann:s3@cr@h:554/a/b?x=1", "rtsp://h:554/a/b?x=1"),
            ("rtsp://ann:s3cr@h?token=abc", "rtsp://h?token=…"),
            ("/a?x=1&token=abc&y=2", "/a?x=1&token=…&y=2"),
            ("/a?TOKEN=abc/track1", "/a?TOKEN=…"),
            ("/a?x?%74oken=abc", "/a?x&%74oken=…"),
            ("/a?x?%zz=abc", "/a?x&%zz=…"),
            ("rtsp://h/a?b", "rtsp://h/a?b"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(Redacted(url).to_string(), logged, "{url}");
        }
    }

    #[test]
    fn request_targets() {
        assert_eq!(RequestTarget::parse("*"), Ok(RequestTarget::Asterisk));
        let path = RequestTarget::parse("/a/b%20c//d/?q").unwrap().path().unwrap();
        assert_eq!(path.path_segments().collect::<Vec<_>>(), ["a", "b%20c", "d"]);
        assert_eq!(path.decoded_path().unwrap(), "a/b c/d");
        for bad in [
            "",
            "**",
            "http://x/",
            "rtsp:/x",
            "rtsp://",
            "rtsp:///x",
            "rtsp://:554/x",
            "rtsp://h:99999/",
            "rtsp://h:+1/",
            "rtsp://[::1/x",
            "rtsp://[zz]/x",
            "rtsp://[::1]x/",
            "rtsp://h/a\0b",
            "rtsp://h/a\tb",
            "rtsp://h/a\u{85}b",
            "rtsp://h\u{85}/a",
            "rtsp://a b/",
        ] {
            assert!(RequestTarget::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_decoded_strictly() {
        fn decode(path: &str) -> Result<Cow<'_, str>, UrlError> {
            UrlPath::parse(path).unwrap().decoded_path()
        }
        assert_eq!(decode("/%E2%82%AC.mkv"), Ok("€.mkv".into()));
        assert_eq!(decode("/a%"), Err(UrlError::Escape));
        assert_eq!(decode("/a%2"), Err(UrlError::Escape));
        assert_eq!(decode("/a%+1"), Err(UrlError::Escape));
        assert_eq!(decode("/a%2Fb"), Err(UrlError::EncodedSlash));
        assert_eq!(decode("/a%00b"), Err(UrlError::Nul));
        assert_eq!(decode("/a%ffb"), Err(UrlError::NotUtf8));
        assert_eq!(decode("/%252F"), Ok("%2F".into()), "decoded once, not twice");
        assert_eq!(decode("/../x"), Ok("../x".into()));
        assert_eq!(decode("//a//b///c//"), Ok("a/b/c".into()));
        assert!(matches!(decode("/a/b/"), Ok(Cow::Borrowed("a/b"))), "without a copy");
    }

    #[test]
    fn an_encoded_name_decodes_to_itself() {
        let mut random = Random::new(5);
        for _ in 0..500 {
            let name: String = (0..random.below(20))
                .map(|_| char::from_u32(1 + random.u32() % 0x2000).unwrap_or('x'))
                .filter(|&c| c != '/')
                .collect();
            let encoded = encode_segment(&name);
            assert!(encoded.is_ascii() && !encoded.contains([' ', '/', '?', ',', ';', '#']));
            assert_eq!(decode_segment(&encoded), Ok(name.into()));
        }
    }
}
