//! RTSP URLs and Request-URIs (RFC 2326 section 3.2, RFC 3986).
//!
//! Kept raw, because a server compares and echoes URLs as the client wrote them; decoded on
//! request, strictly: what decodes to a slash, a NUL or something other than UTF-8 names no
//! resource.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::wire::text::{OneLine, digits, strip_prefix_ignore_case};

/// Why a URL or a path cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Neither `*`, nor a path, nor a URL of a known scheme.
    Scheme,
    /// The host is missing or malformed.
    Host,
    /// The port is not a number below 65,536.
    Port,
    /// A control character.
    Control,
    /// `%` without two hexadecimal digits.
    Escape,
    /// `%2F`: a segment would contain a slash.
    EncodedSlash,
    /// `%00`.
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

/// Scheme of an [`RtspUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `rtsp`: over TCP.
    Rtsp,
    /// `rtspu`: over UDP.
    Rtspu,
    /// `rtsps`: over TLS.
    Rtsps,
}

impl Scheme {
    /// As written before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::Rtspu => "rtspu",
            Self::Rtsps => "rtsps",
        }
    }

    /// The port if the URL names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Rtsp | Self::Rtspu => 554,
            Self::Rtsps => 322,
        }
    }
}

/// A path and a query, percent-encoded as received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UrlPath {
    path: String,
    query: Option<String>,
}

impl UrlPath {
    /// Splits `/path?query`.
    ///
    /// # Errors
    /// [`UrlError::Control`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.chars().any(|c| c.is_control()) {
            return Err(UrlError::Control);
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (text, None),
        };
        Ok(Self { path: path.to_owned(), query })
    }

    /// The path as received, with its leading slash; may be empty.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// What follows the `?`, as received.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The segments as received, without slashes; empty ones (`//`, a trailing `/`) are left out.
    pub fn path_segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.path.split('/').filter(|segment| !segment.is_empty())
    }

    /// The segments, decoded. `.` and `..` are left as they are: what they may mean is for
    /// whoever opens files to decide.
    ///
    /// # Errors
    /// See [`decode_segment`].
    pub fn decoded_segments(&self) -> Result<Vec<String>, UrlError> {
        self.path_segments().map(decode_segment).collect()
    }

    /// The path, decoded, without slashes at the ends or doubled ones.
    ///
    /// # Errors
    /// See [`decode_segment`].
    pub fn decoded_path(&self) -> Result<String, UrlError> {
        self.decoded_segments().map(|segments| segments.join("/"))
    }
}

impl fmt::Display for UrlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// Decodes the percent encoding of one path segment.
///
/// # Errors
/// A malformed escape, a slash, a NUL, or bytes that are not UTF-8.
pub fn decode_segment(segment: &str) -> Result<String, UrlError> {
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
    String::from_utf8(decoded).map_err(|_| UrlError::NotUtf8)
}

/// Encodes a name as one path segment: all but letters, digits and `-._~!$&'()*+,;=:@` become
/// percent escapes (RFC 3986 section 3.3), and of these `,` and `;` too, which separate the
/// entries of `RTP-Info`.
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

/// An absolute URL.
///
/// ```
/// use riverrun::wire::url::RtspUrl;
/// let url: RtspUrl = "rtsp://[::1]:8554/a%20file.mkv?x=1".parse()?;
/// assert_eq!((url.host.as_str(), url.port()), ("::1", 8554));
/// assert_eq!(url.path.decoded_path()?, "a file.mkv");
/// # Ok::<(), riverrun::wire::url::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RtspUrl {
    /// Scheme.
    pub scheme: Scheme,
    /// User name, as received.
    pub user: Option<String>,
    /// Password, as received; not shown by `Debug` and `Display`.
    pub password: Option<String>,
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// The port, if the URL names one.
    pub explicit_port: Option<u16>,
    /// Path and query.
    pub path: UrlPath,
}

impl RtspUrl {
    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.explicit_port.unwrap_or_else(|| self.scheme.default_port())
    }
}

impl fmt::Debug for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtspUrl({self})")
    }
}

/// Without user and password: what goes into a request line and a log.
impl fmt::Display for RtspUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        if self.host.contains(':') {
            write!(f, "[{}]", OneLine(&self.host))?;
        } else {
            write!(f, "{}", OneLine(&self.host))?;
        }
        if let Some(port) = self.explicit_port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.path)
    }
}

impl FromStr for RtspUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = [Scheme::Rtsp, Scheme::Rtspu, Scheme::Rtsps]
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(scheme))
            .ok_or(UrlError::Scheme)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(UrlError::Host)?;
        // The last `@`: passwords with one in them are common, hosts with one do not exist.
        let (user_info, host_port) = match authority.rsplit_once('@') {
            Some((user_info, host_port)) => (Some(user_info), host_port),
            None => (None, authority),
        };
        let (user, password) = match user_info.map(|u| u.split_once(':').ok_or(u)) {
            Some(Ok((user, password))) => (Some(user.to_owned()), Some(password.to_owned())),
            Some(Err(user)) => (Some(user.to_owned()), None),
            None => (None, None),
        };
        if authority.chars().any(|c| c.is_control()) {
            return Err(UrlError::Control);
        }
        let (host, port) = split_host(host_port)?;
        let explicit_port = match port {
            None | Some("") => None,
            Some(port) => Some(digits(port).ok_or(UrlError::Port)?),
        };
        let path = UrlPath::parse(path)?;
        Ok(Self { scheme, user, password, host: host.to_owned(), explicit_port, path })
    }
}

/// `host[:port]`, the host without brackets.
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

/// What a Request-URI names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestTarget {
    /// `*`: the server itself.
    Asterisk,
    /// An absolute URL.
    Url(RtspUrl),
    /// A path alone, which RFC 2326 does not allow and some clients send.
    Path(UrlPath),
}

impl RequestTarget {
    /// Path and query, unless it is `*`.
    pub const fn path(&self) -> Option<&UrlPath> {
        match self {
            Self::Asterisk => None,
            Self::Url(url) => Some(&url.path),
            Self::Path(path) => Some(path),
        }
    }
}

impl FromStr for RequestTarget {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text == "*" {
            Ok(Self::Asterisk)
        } else if text.starts_with('/') {
            UrlPath::parse(text).map(Self::Path)
        } else if strip_prefix_ignore_case(text, "rtsp").is_some() {
            text.parse().map(Self::Url)
        } else {
            Err(UrlError::Scheme)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;

    #[test]
    fn urls_in_all_their_parts() {
        let url: RtspUrl = "RTSP://admin:p@ss:w@cam.local:10554/live/ch0?a=b?c".parse().unwrap();
        assert_eq!(url.scheme, Scheme::Rtsp);
        assert_eq!(url.user.as_deref(), Some("admin"));
        assert_eq!(url.password.as_deref(), Some("p@ss:w"));
        assert_eq!((url.host.as_str(), url.port()), ("cam.local", 10554));
        assert_eq!(url.path.as_str(), "/live/ch0");
        assert_eq!(url.path.query(), Some("a=b?c"));
        assert_eq!(url.to_string(), "rtsp://cam.local:10554/live/ch0?a=b?c");
        assert!(!format!("{url:?}").contains("p@ss"));

        let url: RtspUrl = "rtsps://[fe80::1%25eth0]".parse().unwrap();
        assert_eq!((url.port(), url.path.as_str()), (322, ""));
        assert_eq!(url.to_string(), "rtsps://[fe80::1%25eth0]");
    }

    #[test]
    fn request_targets() {
        assert_eq!("*".parse(), Ok(RequestTarget::Asterisk));
        let path: RequestTarget = "/a/b%20c//d/?q".parse().unwrap();
        let path = path.path().unwrap();
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
            "rtsp://a b/",
        ] {
            assert!(bad.parse::<RequestTarget>().is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_decoded_strictly() {
        let decode = |p: &str| UrlPath::parse(p).unwrap().decoded_path();
        assert_eq!(decode("/%E2%82%AC.mkv"), Ok("€.mkv".into()));
        assert_eq!(decode("/a%"), Err(UrlError::Escape));
        assert_eq!(decode("/a%2"), Err(UrlError::Escape));
        assert_eq!(decode("/a%+1"), Err(UrlError::Escape));
        assert_eq!(decode("/a%2Fb"), Err(UrlError::EncodedSlash));
        assert_eq!(decode("/a%00b"), Err(UrlError::Nul));
        assert_eq!(decode("/a%ffb"), Err(UrlError::NotUtf8));
        assert_eq!(decode("/%252F"), Ok("%2F".into()), "decoded once, not twice");
        assert_eq!(decode("/../x"), Ok("../x".into()));
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
            assert_eq!(decode_segment(&encoded), Ok(name));
        }
    }
}
