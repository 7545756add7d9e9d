//! Requests and responses, and their serialization (RFC 2326 sections 4 to 7).
//!
//! A received message borrows from the received bytes; [`into_owned`](Request::into_owned) makes it
//! independent of them.

use super::headers::{Headers, LineWriter, write_field, write_list, write_text};
use super::status::StatusCode;
use crate::wire::text::OneLine;
use crate::wire::url::{Redacted, RequestTarget, UrlError};
use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::Write as _;

/// An RTSP method (RFC 2326 section 10). Methods are case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// `OPTIONS` (section 10.1).
    Options,
    /// `DESCRIBE` (section 10.2).
    Describe,
    /// `ANNOUNCE` (section 10.3).
    Announce,
    /// `SETUP` (section 10.4).
    Setup,
    /// `PLAY` (section 10.5).
    Play,
    /// `PAUSE` (section 10.6).
    Pause,
    /// `RECORD` (section 10.11).
    Record,
    /// `TEARDOWN` (section 10.7).
    Teardown,
    /// `GET_PARAMETER` (section 10.8).
    GetParameter,
    /// `SET_PARAMETER` (section 10.9).
    SetParameter,
    /// `REDIRECT` (section 10.10).
    Redirect,
    /// A method that RFC 2326 does not define.
    Other(String),
}

impl Method {
    /// Returns the method as it is written in the request line.
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

/// The protocol version. The parser refuses all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
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

/// A Request-URI, exactly as received; [`target`](Self::target) parses it.
/// `Debug` shows no password and no token.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RequestUri<'a>(Cow<'a, str>);

impl<'a> RequestUri<'a> {
    /// Creates a Request-URI from text.
    pub fn new(uri: impl Into<Cow<'a, str>>) -> Self {
        Self(uri.into())
    }

    /// Returns the text as received.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the URI.
    ///
    /// # Errors
    /// The URI is neither `*`, nor a path, nor an RTSP URL.
    pub fn target(&self) -> Result<RequestTarget<'_>, UrlError> {
        RequestTarget::parse(&self.0)
    }
}

impl fmt::Debug for RequestUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestUri({})", Redacted(&self.0))
    }
}

impl Display for RequestUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request (RFC 2326 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 2326 section 6")]
pub struct Request<'a> {
    /// Method.
    pub method: Method,
    /// Request-URI: the resource that the request is for.
    pub url: RequestUri<'a>,
    /// Protocol version.
    pub version: Version,
    /// Header fields.
    pub headers: Headers<'a>,
    /// Message body; its length is sent as `Content-Length`.
    pub body: Cow<'a, [u8]>,
}

impl<'a> Request<'a> {
    /// Creates a request without headers and body.
    pub fn new(method: Method, url: impl Into<Cow<'a, str>>) -> Self {
        Self {
            method,
            url: RequestUri::new(url),
            version: Version::default(),
            headers: Headers::new(),
            body: Cow::Borrowed(&[]),
        }
    }

    /// Converts into a request that does not borrow from the received bytes.
    pub fn into_owned(self) -> Request<'static> {
        Request {
            method: self.method,
            url: RequestUri(Cow::Owned(self.url.0.into_owned())),
            version: self.version,
            headers: self.headers.into_owned(),
            body: Cow::Owned(self.body.into_owned()),
        }
    }

    /// Appends the serialized request. `Content-Length` is derived from the body.
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

    /// Returns the serialized request.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.body.len());
        self.write(&mut out);
        out
    }
}

/// A response (RFC 2326 section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 2326 section 7")]
pub struct Response<'a> {
    /// Status code.
    pub status: StatusCode,
    /// Reason phrase: the status as text.
    pub reason: Cow<'a, str>,
    /// Header fields.
    pub headers: Headers<'a>,
    /// Message body; its length is sent as `Content-Length`.
    pub body: Cow<'a, [u8]>,
}

impl Response<'_> {
    /// Creates a response without headers and body.
    pub const fn new(status: StatusCode) -> Self {
        Self {
            status,
            reason: Cow::Borrowed(status.reason()),
            headers: Headers::new(),
            body: Cow::Borrowed(&[]),
        }
    }

    /// Converts into a response that does not borrow from the received bytes.
    pub fn into_owned(self) -> Response<'static> {
        Response {
            status: self.status,
            reason: Cow::Owned(self.reason.into_owned()),
            headers: self.headers.into_owned(),
            body: Cow::Owned(self.body.into_owned()),
        }
    }

    /// Appends the serialized response: status line, `CSeq`, the other headers in order,
    /// `Content-Length` derived from the body, body.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_status_line(out, self.status, &self.reason);
        self.headers.write(out, self.body.len());
        out.extend_from_slice(&self.body);
    }

    /// Returns the serialized response.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.body.len());
        self.write(&mut out);
        out
    }
}

fn write_status_line(out: &mut Vec<u8>, status: StatusCode, reason: &str) {
    out.extend_from_slice(b"RTSP/1.0 ");
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{} ", status.code());
    let _ = LineWriter(out).write_str(reason);
    out.extend_from_slice(b"\r\n");
}

/// Writes a response field by field into the caller's buffer.
///
/// ```
/// use riverrun::wire::rtsp::date::Rfc1123;
/// use riverrun::wire::rtsp::{ResponseWriter, StatusCode};
/// let mut bytes = Vec::new();
/// let mut response = ResponseWriter::new(&mut bytes, StatusCode::OK);
/// response.field("CSeq", 2);
/// response.field("Date", Rfc1123(784_111_777));
/// response.field("Session", "12345678;timeout=60");
/// response.end();
/// assert_eq!(
///     bytes,
///     b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
///       Session: 12345678;timeout=60\r\n\r\n"
/// );
/// ```
#[derive(Debug)]
pub struct ResponseWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> ResponseWriter<'o> {
    /// Appends the status line to `out`.
    pub fn new(out: &'o mut Vec<u8>, status: StatusCode) -> Self {
        write_status_line(out, status, status.reason());
        Self { out }
    }

    /// Continues a response at the end of `out`.
    pub(crate) const fn resume(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Appends a field.
    pub fn field(&mut self, name: &str, value: impl Display) {
        write_field(self.out, name, value);
    }

    /// Appends a field whose value is a string.
    pub fn text(&mut self, name: &str, value: &str) {
        write_text(self.out, name, value);
    }

    /// Appends a field with a list, whose entries are separated by commas without spaces.
    pub fn list(&mut self, name: &str, entries: impl Iterator<Item = impl Display>) {
        write_list(self.out, name, entries);
    }

    /// Appends serialized fields, each with its line end.
    pub(crate) fn lines(&mut self, lines: &[u8]) {
        self.out.extend_from_slice(lines);
    }

    /// Ends a response without a body.
    pub fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    /// Ends a response with a body: writes `Content-Type`, `Content-Length` (unless the body is
    /// empty) and the body.
    pub fn end_with(&mut self, content_type: &str, body: &[u8]) {
        self.text("Content-Type", content_type);
        if !body.is_empty() {
            self.field("Content-Length", body.len());
        }
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtsp::date::Rfc1123;

    #[test]
    fn cseq_goes_first_and_content_length_last() {
        let mut response = Response::new(StatusCode::OK);
        response.headers.push("Server", "riverrun");
        response.headers.push("CSeq", 7);
        response.body = Cow::Borrowed(b"v=0\r\n");
        assert_eq!(
            String::from_utf8(response.to_bytes()).unwrap(),
            "RTSP/1.0 200 OK\r\nCSeq: 7\r\nServer: riverrun\r\nContent-Length: 5\r\n\r\nv=0\r\n"
        );
        let mut bytes = Vec::new();
        let mut writer = ResponseWriter::new(&mut bytes, StatusCode::OK);
        writer.field("CSeq", 7);
        writer.field("Date", Rfc1123(0));
        writer.list("RTP-Info", ["a", "b"].into_iter());
        writer.end_with("application/sdp", b"v=0\r\n");
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "RTSP/1.0 200 OK\r\nCSeq: 7\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             RTP-Info: a,b\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
        );
    }

    #[test]
    fn no_header_splits_a_response() {
        let evil = "a\r\n\r\nRTSP/1.0 200 OK\r\nfoo: bar\n";
        let mut response = Response::new(StatusCode::NOT_FOUND);
        response.reason = "No\r\nX: y".into();
        response.headers.push("Location: x\r\nEvil", evil);
        response.headers.push("Content-Length", "12");
        let text = String::from_utf8(response.to_bytes()).unwrap();
        assert_eq!(text.matches('\n').count(), 3, "{text:?}");
        assert!(!text.contains("Content-Length"));
        let mut bytes = Vec::new();
        let mut writer = ResponseWriter::new(&mut bytes, StatusCode::NOT_FOUND);
        writer.field("Location: x\r\nEvil", evil);
        writer.list("Other\r\n", [evil, evil].into_iter());
        writer.end();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\n').count(), 4, "{text:?}");
    }
}
