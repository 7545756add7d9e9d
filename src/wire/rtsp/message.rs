//! Requests and responses as values, and their way to bytes (RFC 2326 sections 4 to 7).
//!
//! Nothing that is put in a header can end its line: control characters become spaces on the way
//! out, so a value taken from a peer or a file name cannot split a response.

use super::date::Rfc1123;
use super::status::StatusCode;
use crate::wire::text::{OneLine, digits, is_token_byte};
use crate::wire::url::{RequestTarget, UrlError};
use bytes::Bytes;
use std::fmt::{self, Display, Write as _};
use std::io::Write as _;

/// A method (RFC 2326 section 10). Case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Section 10.1.
    Options,
    /// Section 10.2.
    Describe,
    /// Section 10.3.
    Announce,
    /// Section 10.4.
    Setup,
    /// Section 10.5.
    Play,
    /// Section 10.6.
    Pause,
    /// Section 10.11.
    Record,
    /// Section 10.7.
    Teardown,
    /// Section 10.8.
    GetParameter,
    /// Section 10.9.
    SetParameter,
    /// Section 10.10.
    Redirect,
    /// A token that the RFC does not name.
    Other(String),
}

impl Method {
    /// As it stands in the request line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Announce => "ANNOUNCE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Pause => "PAUSE",
            Self::Record => "RECORD",
            Self::Teardown => "TEARDOWN",
            Self::GetParameter => "GET_PARAMETER",
            Self::SetParameter => "SET_PARAMETER",
            Self::Redirect => "REDIRECT",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        match name {
            "OPTIONS" => Self::Options,
            "DESCRIBE" => Self::Describe,
            "ANNOUNCE" => Self::Announce,
            "SETUP" => Self::Setup,
            "PLAY" => Self::Play,
            "PAUSE" => Self::Pause,
            "RECORD" => Self::Record,
            "TEARDOWN" => Self::Teardown,
            "GET_PARAMETER" => Self::GetParameter,
            "SET_PARAMETER" => Self::SetParameter,
            "REDIRECT" => Self::Redirect,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The protocol version; others are refused by the parser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// `RTSP/1.0`.
    #[default]
    Rtsp10,
}

impl Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RTSP/1.0")
    }
}

/// The Request-URI exactly as it was received; [`target`](Self::target) interprets it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestUri(String);

impl RequestUri {
    /// A URI to send.
    pub fn new(uri: impl Into<String>) -> Self {
        Self(uri.into())
    }

    /// The raw text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it names.
    ///
    /// # Errors
    /// It is neither `*` nor a path nor an RTSP URL.
    pub fn target(&self) -> Result<RequestTarget, UrlError> {
        self.0.parse()
    }
}

impl Display for RequestUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Header fields in order of appearance. Names are compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The first value of `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// All values of `name`, in order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The values of `name` as the one list that RFC 2068 section 4.2 says they are.
    pub fn joined(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        let mut list = values.next()?.to_owned();
        for value in values {
            list.push_str(", ");
            list.push_str(value);
        }
        Some(list)
    }

    /// Whether there is a `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Removes every `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Name and value of each field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `CSeq` (RFC 2326 section 12.17); `None` too if it is not a number.
    pub fn cseq(&self) -> Option<u32> {
        self.value("CSeq").and_then(|v| digits(v.trim()))
    }

    /// Continues the value of the last field (a folded line).
    pub(super) fn extend_last(&mut self, continuation: &str) -> bool {
        let Some((_, value)) = self.0.last_mut() else { return false };
        if !value.is_empty() && !continuation.is_empty() {
            value.push(' ');
        }
        value.push_str(continuation);
        true
    }

    /// Writes the fields and the empty line; `CSeq` goes first, and `Content-Length` follows the
    /// body and not the fields.
    fn write(&self, out: &mut Vec<u8>, body_len: usize) {
        let is_cseq = |name: &str| name.eq_ignore_ascii_case("CSeq");
        if let Some(cseq) = self.value("CSeq") {
            write_field(out, "CSeq", cseq);
        }
        for (name, value) in self.iter() {
            if !is_cseq(name) && !name.eq_ignore_ascii_case("Content-Length") {
                write_field(out, name, value);
            }
        }
        if body_len > 0 {
            write_field(out, "Content-Length", body_len);
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn write_field(out: &mut Vec<u8>, name: &str, value: impl Display) {
    out.extend(name.bytes().filter(|&b| is_token_byte(b)));
    out.extend_from_slice(b": ");
    let mut line = LineWriter(out);
    // Writing to a Vec cannot fail.
    let _ = write!(line, "{value}");
    out.extend_from_slice(b"\r\n");
}

/// Writes text with control characters replaced by spaces.
struct LineWriter<'a>(&'a mut Vec<u8>);

impl fmt::Write for LineWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let clean = |b: u8| if b.is_ascii_control() && b != b'\t' { b' ' } else { b };
        self.0.extend(text.bytes().map(clean));
        Ok(())
    }
}

/// A request (RFC 2326 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// Of which resource.
    pub url: RequestUri,
    /// In which protocol version.
    pub version: Version,
    /// Header fields.
    pub headers: Headers,
    /// `Content-Length` bytes.
    pub body: Bytes,
}

impl Request {
    /// A request without headers.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: RequestUri::new(url),
            version: Version::default(),
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// Appends the bytes to send. `Content-Length` is made from the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        // White space inside the URI would move the version; parsers take the last word for it.
        let _ = write!(
            out,
            "{} {} {}\r\n",
            OneLine(self.method.as_str()),
            OneLine(self.url.as_str()),
            self.version
        );
        self.headers.write(out, self.body.len());
        out.extend_from_slice(&self.body);
    }

    /// The bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.body.len());
        self.write(&mut out);
        out
    }
}

/// A response (RFC 2326 section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The outcome.
    pub status: StatusCode,
    /// The same for people.
    pub reason: String,
    /// Header fields.
    pub headers: Headers,
    /// `Content-Length` bytes.
    pub body: Bytes,
}

impl Response {
    /// A response without headers.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: status.reason().to_owned(),
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// Starts a response with the headers that every response has.
    pub fn builder(status: StatusCode) -> ResponseBuilder {
        ResponseBuilder { response: Self::new(status) }
    }

    /// Appends the bytes to send: status line, `CSeq`, the other headers in order,
    /// `Content-Length` made from the body, body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let _ = write!(out, "RTSP/1.0 {} {}\r\n", self.status.code(), OneLine(&self.reason));
        self.headers.write(out, self.body.len());
        out.extend_from_slice(&self.body);
    }

    /// The bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.body.len());
        self.write(&mut out);
        out
    }
}

/// Builds a [`Response`] by chaining.
///
/// ```
/// use riverrun::wire::rtsp::{Response, StatusCode};
/// let bytes = Response::builder(StatusCode::OK)
///     .cseq(Some(2))
///     .date(784_111_777)
///     .header("Session", "12345678;timeout=60")
///     .build()
///     .to_bytes();
/// assert_eq!(
///     bytes,
///     b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
///       Session: 12345678;timeout=60\r\n\r\n"
/// );
/// ```
#[derive(Clone, Debug)]
pub struct ResponseBuilder {
    response: Response,
}

impl ResponseBuilder {
    /// The request's sequence number; nothing if the request had none.
    #[must_use]
    pub fn cseq(self, cseq: Option<u32>) -> Self {
        match cseq {
            Some(cseq) => self.header("CSeq", cseq),
            None => self,
        }
    }

    /// When the response is made, in seconds since the Unix epoch.
    #[must_use]
    pub fn date(self, unix_seconds: u64) -> Self {
        self.header("Date", Rfc1123(unix_seconds))
    }

    /// What answers, e.g. `riverrun/0.1`.
    #[must_use]
    pub fn server(self, product: &str) -> Self {
        self.header("Server", product)
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Display) -> Self {
        let mut text = String::new();
        let _ = write!(text, "{value}");
        self.response.headers.push(name, text);
        self
    }

    /// Sets the body and its `Content-Type`.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.response.headers.push("Content-Type", content_type);
        self.response.body = body.into();
        self
    }

    /// The response.
    #[must_use]
    pub fn build(self) -> Response {
        self.response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseq_goes_first_and_content_length_last() {
        let response = Response::builder(StatusCode::OK)
            .date(0)
            .server("riverrun")
            .body("application/sdp", "v=0\r\n")
            .cseq(Some(7))
            .build();
        assert_eq!(
            String::from_utf8(response.to_bytes()).unwrap(),
            "RTSP/1.0 200 OK\r\nCSeq: 7\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             Server: riverrun\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
        );
    }

    #[test]
    fn no_header_splits_a_response() {
        let mut response = Response::new(StatusCode::NOT_FOUND);
        response.reason = "No\r\nX: y".into();
        response.headers.push("Location: x\r\nEvil", "a\r\n\r\nRTSP/1.0 200 OK\r\nfoo: bar\n");
        response.headers.push("Content-Length", "12");
        let text = String::from_utf8(response.to_bytes()).unwrap();
        assert_eq!(text.matches('\n').count(), 3, "{text:?}");
        assert!(!text.contains("Content-Length"));
    }

    #[test]
    fn names_are_compared_without_case() {
        let mut headers = Headers::new();
        headers.push("session", "1");
        headers.push("Require", "a");
        headers.push("REQUIRE", "b");
        headers.push("cseq", " 12 ");
        assert_eq!(headers.value("Session"), Some("1"));
        assert_eq!(headers.values("require").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(headers.joined("Require").as_deref(), Some("a, b"));
        assert_eq!(headers.cseq(), Some(12));
        headers.remove("require");
        assert!(!headers.contains("Require"));
        assert_eq!(headers.len(), 2);
    }
}
