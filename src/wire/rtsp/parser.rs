//! Parses a connection's input buffer into messages and interleaved packets as the bytes arrive
//! (RFC 2326 sections 4, 6, 7 and 10.12).
//!
//! Accepted, because devices send it: line ends without CR, folded header lines, empty lines before
//! a message, header names in any case, white space around the colon, spaces in the Request-URI.
//! Rejected, because two parsers could read it differently: NUL, bare CR, several `Content-Length`
//! headers, a `Content-Length` that is not a number. [`ResyncDecoder`] is for clients, which skip
//! what is no message.

mod resync;

pub use resync::{ResyncDecoder, Skipped};

use super::headers::{self, Headers};
use super::message::{Method, Request, RequestUri, Response, Version};
use super::status::StatusCode;
use crate::wire::interleaved;
use crate::wire::text::{digits, has_control, is_number, is_token, is_token_byte};
use std::borrow::Cow;
use std::fmt;

/// Bytes in which the end of a line is looked for at a time.
const LINE: usize = 1024;

/// Limits on the messages that the parser accepts from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the request or status line; a longer one is answered 414. Default: 4096.
    pub request_line: usize,
    /// Number of header lines, folded ones included; more are answered 400. Default: 64.
    pub header_count: usize,
    /// Bytes of all header lines together; more are answered 400. Default: 16 KiB.
    pub header_bytes: usize,
    /// Bytes of the body; a longer one is answered 413. Default: 64 KiB.
    pub body: usize,
    /// Bytes of empty lines before a message; more are answered 400. Default: 1024.
    pub leading_blank: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line: 4096,
            header_count: 64,
            header_bytes: 16 * 1024,
            body: 64 * 1024,
            leading_blank: 1024,
        }
    }
}

impl Limits {
    /// Returns the size of an input buffer with which [`Incoming::NeedMore`] cannot occur once the
    /// buffer is full.
    pub fn buffer_bound(&self) -> usize {
        let message = self
            .request_line
            .saturating_add(self.header_bytes)
            .saturating_add(self.body)
            .saturating_add(2);
        message.max(interleaved::MAX_FRAME_LEN).max(self.leading_blank).saturating_add(1)
    }
}

/// The message or packet at the start of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming<'a> {
    /// No complete message or packet. Empty lines may have been consumed nevertheless.
    NeedMore,
    /// A binary packet between messages.
    Interleaved {
        /// Channel, as agreed in `Transport`.
        channel: u8,
        /// An RTP or RTCP packet.
        data: &'a [u8],
    },
    /// A request.
    Request(Request<'a>),
    /// A response.
    Response(Response<'a>),
}

/// The reason for which a message cannot be parsed. The start of the next message is unknown: the
/// receiver should answer, then close the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadError {
    /// Class of the error, which determines the status code of the answer.
    pub kind: HeadErrorKind,
    /// The `CSeq` to echo, as received, if it was found.
    pub cseq: Option<Box<str>>,
    /// Description of the error, for logging.
    pub what: &'static str,
}

/// The classes of [`HeadError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadErrorKind {
    /// The message is malformed: 400 Bad Request.
    BadRequest,
    /// The body is too long: 413 Request Entity Too Large.
    EntityTooLarge,
    /// The request line is too long: 414 Request-URI Too Long.
    UriTooLong,
    /// The protocol version is not supported: 505 RTSP Version Not Supported.
    VersionNotSupported,
}

impl HeadError {
    /// Returns the status code of the answer.
    pub const fn status(&self) -> StatusCode {
        match self.kind {
            HeadErrorKind::BadRequest => StatusCode::BAD_REQUEST,
            HeadErrorKind::EntityTooLarge => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            HeadErrorKind::UriTooLong => StatusCode::REQUEST_URI_TOO_LONG,
            HeadErrorKind::VersionNotSupported => StatusCode::RTSP_VERSION_NOT_SUPPORTED,
        }
    }

    const fn bad(what: &'static str) -> Self {
        Self { kind: HeadErrorKind::BadRequest, cseq: None, what }
    }

    const fn of(kind: HeadErrorKind, what: &'static str) -> Self {
        Self { kind, cseq: None, what }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.what, self.status().code())?;
        match &self.cseq {
            Some(cseq) => write!(f, ", CSeq {cseq})"),
            None => f.write_str(")"),
        }
    }
}

impl std::error::Error for HeadError {}

/// Parses the message or packet at the start of `input`, and returns it with the number of bytes
/// consumed. For input that grows, use a [`Decoder`], which does not start over each time.
///
/// # Errors
/// See [`HeadError`].
pub fn parse<'a>(input: &'a [u8], limits: &Limits) -> Result<(Incoming<'a>, usize), HeadError> {
    Decoder::new().decode(input, limits)
}

/// An incremental parser, which looks at each byte once.
///
/// Between calls of [`decode`](Self::decode) the caller removes the consumed bytes from the front
/// of its buffer and appends the bytes that arrive; it must not change the buffer otherwise.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes of empty lines consumed since the last message.
    blank: usize,
    /// Bytes of the head searched for its end.
    scanned: usize,
    /// Start of the incomplete line.
    line_start: usize,
    /// End of the request line; 0 while it is incomplete.
    first_line_end: usize,
    /// Number of complete header lines.
    lines: usize,
    /// Lengths of a validated head and of the body, while the body is incomplete.
    awaited: Option<(usize, usize)>,
}

#[derive(Debug)]
enum Head<'a> {
    Request(Request<'a>),
    Response(Response<'a>),
}

impl Decoder {
    /// Creates a decoder for the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether a message has begun and is incomplete, for time-outs of partial requests.
    pub const fn is_inside_message(&self) -> bool {
        self.scanned > 0 || self.awaited.is_some()
    }

    /// Parses the message or packet at the start of `input`, and returns it with the number of
    /// bytes consumed.
    ///
    /// # Errors
    /// See [`HeadError`]; the decoder must not be used after an error.
    pub fn decode<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
    ) -> Result<(Incoming<'a>, usize), HeadError> {
        let mut consumed = 0;
        let mut input = input;
        if !self.is_inside_message() {
            consumed = leading_blank(input);
            self.blank = self.blank.saturating_add(consumed);
            if self.blank > limits.leading_blank {
                return Err(HeadError::bad("too many empty lines"));
            }
            input = input.get(consumed..).unwrap_or_default();
            match input.first() {
                None | Some(b'\r') if input.len() <= 1 => {
                    return Ok((Incoming::NeedMore, consumed));
                }
                Some(&interleaved::MAGIC) => {
                    return Ok(match interleaved::decode(input) {
                        Some((frame, len)) => {
                            self.blank = 0;
                            let interleaved::Frame { channel, data } = frame;
                            (Incoming::Interleaved { channel, data }, consumed + len)
                        }
                        None => (Incoming::NeedMore, consumed),
                    });
                }
                Some(&first) if is_token_byte(first) => {}
                _ => return Err(HeadError::bad("no message starts like this")),
            }
        }
        let (head_len, awaited) = match self.awaited {
            Some((head_len, body_len)) => (head_len, Some(body_len)),
            None => match self.scan(input, limits) {
                Ok(None) => return Ok((Incoming::NeedMore, consumed)),
                Ok(Some(head_len)) => (head_len, None),
                Err(e) => return Err(HeadError { cseq: find_cseq(input), ..e }),
            },
        };
        let text = input.get(..head_len).unwrap_or_default();
        let with_cseq = |e| HeadError { cseq: find_cseq(text), ..e };
        let rest = input.get(head_len..).unwrap_or_default();
        if awaited.is_some_and(|len| rest.len() < len) {
            return Ok((Incoming::NeedMore, consumed));
        }
        // A head whose body was awaited is read again: it borrows from input that has moved.
        let head = parse_head(text).map_err(with_cseq)?;
        let body_len = match awaited {
            Some(len) => len,
            None => body_len(&head, limits).map_err(with_cseq)?,
        };
        let Some(body) = rest.get(..body_len).map(Cow::Borrowed) else {
            self.awaited = Some((head_len, body_len));
            return Ok((Incoming::NeedMore, consumed));
        };
        *self = Self::default();
        let incoming = match head {
            Head::Request(request) => Incoming::Request(Request { body, ..request }),
            Head::Response(response) => Incoming::Response(Response { body, ..response }),
        };
        Ok((incoming, consumed + head_len + body_len))
    }

    /// Returns how many of the bytes `more`, which follow `input`, to append to it for the next call,
    /// after [`decode`](Self::decode) has found it incomplete: as many as complete a packet or a
    /// body, or the next line of a head. 0 if there are none.
    pub(crate) fn missing(&self, input: &[u8], more: &[u8]) -> usize {
        let whole = match (self.awaited, input) {
            (Some((head_len, body_len)), _) => head_len + body_len,
            (None, [interleaved::MAGIC, _, high, low, rest @ ..]) => {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                // First what tells whether it is a packet.
                let len = if rest.len() < resync::PACKET_HEAD {
                    len.min(resync::PACKET_HEAD)
                } else {
                    len
                };
                interleaved::PREFIX_LEN + len
            }
            (None, [interleaved::MAGIC, ..]) => interleaved::PREFIX_LEN,
            _ => {
                let line = more.get(..LINE).unwrap_or(more);
                return memchr::memchr(b'\n', line).map_or(line.len(), |end| end + 1);
            }
        };
        whole.saturating_sub(input.len()).max(1).min(more.len())
    }

    /// Searches for the empty line that ends the head, from where the last call stopped. Limits are
    /// checked byte by byte, so that the result does not depend on how the bytes arrive.
    fn scan(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, HeadError> {
        loop {
            let fresh = input.get(self.scanned..).unwrap_or_default();
            let line_end = memchr::memchr(b'\n', fresh).map(|i| self.scanned + i);
            let seen = line_end.map_or(input.len(), |end| end + 1);
            if self.first_line_end == 0 {
                // The line feed itself does not count.
                if line_end.unwrap_or(seen) > limits.request_line {
                    return Err(HeadError::of(HeadErrorKind::UriTooLong, "request line too long"));
                }
            } else if seen - self.first_line_end > limits.header_bytes {
                return Err(HeadError::bad("headers too long"));
            }
            self.scanned = seen;
            let Some(end) = line_end else { return Ok(None) };
            let line = input.get(self.line_start..end).unwrap_or_default();
            self.line_start = seen;
            if matches!(line, [] | [b'\r']) {
                return Ok(Some(seen));
            }
            if self.first_line_end == 0 {
                self.first_line_end = seen;
            } else {
                self.lines += 1;
                if self.lines > limits.header_count {
                    return Err(HeadError::bad("too many headers"));
                }
            }
        }
    }
}

impl<'a> Head<'a> {
    const fn headers(&self) -> &Headers<'a> {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    fn into_owned(self) -> Head<'static> {
        match self {
            Self::Request(request) => Head::Request(request.into_owned()),
            Self::Response(response) => Head::Response(response.into_owned()),
        }
    }
}

/// Length of the complete empty lines at the start.
fn leading_blank(input: &[u8]) -> usize {
    let mut rest = input;
    while let [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] = rest {
        rest = after;
    }
    input.len() - rest.len()
}

/// Iterates over the lines without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Finds the `CSeq` of a head that may be malformed or incomplete.
fn find_cseq(head: &[u8]) -> Option<Box<str>> {
    // Bounded, since a faulty head may be followed by a great deal of anything.
    let head = head.get(..8192).unwrap_or(head);
    lines(head).skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let name = line.get(..colon)?.trim_ascii();
        let value = line.get(colon + 1..)?.trim_ascii();
        let value = name.eq_ignore_ascii_case(b"cseq").then_some(value)?;
        std::str::from_utf8(value).ok().filter(|value| is_number(value)).map(Box::from)
    })
}

fn body_len(head: &Head<'_>, limits: &Limits) -> Result<usize, HeadError> {
    let mut values = head.headers().values("Content-Length");
    let Some(value) = values.next() else { return Ok(0) };
    // Devices repeat it in responses.
    let is_response = matches!(head, Head::Response(_));
    if values.any(|other| !is_response || other != value) {
        return Err(HeadError::bad("several Content-Lengths"));
    }
    let length: u64 = digits(value).ok_or(HeadError::bad("Content-Length is no number"))?;
    match usize::try_from(length) {
        Ok(length) if length <= limits.body => Ok(length),
        _ => Err(HeadError::of(HeadErrorKind::EntityTooLarge, "body too long")),
    }
}

/// Parses a head including its empty line. Bytes that are not UTF-8 become U+FFFD.
fn parse_head(head: &[u8]) -> Result<Head<'_>, HeadError> {
    match std::str::from_utf8(head) {
        Ok(text) => parse_text(text),
        Err(_) => parse_text(&String::from_utf8_lossy(head)).map(Head::into_owned),
    }
}

fn parse_text(text: &str) -> Result<Head<'_>, HeadError> {
    let first = headers::lines(text).next().unwrap_or_default();
    let fields = text.get(first.len() + 1..).unwrap_or_default();
    let first = first.strip_suffix('\r').unwrap_or(first);
    let fields = fields.strip_suffix("\n").unwrap_or(fields);
    let fields = fields.strip_suffix("\r").unwrap_or(fields);
    let mut head = parse_first_line(first)?;
    match &mut head {
        Head::Request(request) => request.headers = parse_fields(fields, false)?,
        // A device's odd response line harms nobody; a client cannot ask for a better one.
        Head::Response(response) => response.headers = parse_fields(fields, true)?,
    }
    Ok(head)
}

/// Parses the header fields. They are copied only if lines are folded or left out.
fn parse_fields(text: &str, lenient: bool) -> Result<Headers<'_>, HeadError> {
    let lines = || headers::lines(text).map(|line| line.strip_suffix('\r').unwrap_or(line));
    if lines().all(is_field) {
        return Ok(Headers::of_lines(text));
    }
    let mut headers = Headers::new();
    for line in lines() {
        let added = parse_line(line).and_then(|line| match line {
            Line::Field(name, value) => {
                headers.push(name, value);
                Ok(())
            }
            Line::Folded(rest) if headers.extend_last(rest) => Ok(()),
            Line::Folded(_) => Err(HeadError::bad("first header line is folded")),
        });
        match added {
            Err(e) if !lenient => return Err(e),
            _ => {}
        }
    }
    Ok(headers)
}

fn parse_first_line(line: &str) -> Result<Head<'_>, HeadError> {
    if has_control(line) {
        return Err(CONTROL);
    }
    let line = line.trim_matches([' ', '\t']);
    let malformed = || HeadError::bad("malformed request line");
    let (first, rest) = line.split_once([' ', '\t']).ok_or_else(malformed)?;
    if first.get(..5).is_some_and(|p| p.eq_ignore_ascii_case("RTSP/")) {
        version(first)?;
        let rest = rest.trim_start();
        let (code, reason) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let status =
            digits(code).and_then(StatusCode::new).ok_or(HeadError::bad("malformed status"))?;
        let reason = Cow::Borrowed(reason.trim());
        return Ok(Head::Response(Response { reason, ..Response::new(status) }));
    }
    // Some players send a URL with spaces as it was typed, so the last word is the version.
    let (uri, last) = rest.rsplit_once([' ', '\t']).ok_or_else(malformed)?;
    let uri = uri.trim();
    if uri.is_empty() || !is_token(first.as_bytes()) {
        return Err(malformed());
    }
    Ok(Head::Request(Request {
        method: Method::from(first),
        url: RequestUri::new(uri),
        version: version(last)?,
        headers: Headers::new(),
        body: Cow::Borrowed(&[]),
    }))
}

fn version(text: &str) -> Result<Version, HeadError> {
    if text == "RTSP/1.0" {
        return Ok(Version::Rtsp10);
    }
    let number = crate::wire::text::strip_prefix_ignore_case(text, "RTSP/")
        .ok_or(HeadError::bad("not RTSP"))?;
    match number.split_once('.') {
        Some(("1", "0")) => Ok(Version::Rtsp10),
        Some((major, minor))
            if digits::<u32>(major).is_some() && digits::<u32>(minor).is_some() =>
        {
            Err(HeadError::of(HeadErrorKind::VersionNotSupported, "RTSP version"))
        }
        _ => Err(HeadError::bad("malformed RTSP version")),
    }
}

const CONTROL: HeadError = HeadError::bad("control character in head");

/// A header line without its end.
enum Line<'a> {
    Field(&'a str, &'a str),
    /// Continues the field before.
    Folded(&'a str),
}

/// Returns whether [`parse_line`] takes a line for a field.
fn is_field(line: &str) -> bool {
    let name = memchr::memchr(b':', line.as_bytes()).and_then(|colon| line.get(..colon));
    name.is_some_and(|name| is_token(name.trim_end().as_bytes())) && !has_control(line)
}

fn parse_line(line: &str) -> Result<Line<'_>, HeadError> {
    if has_control(line) {
        return Err(CONTROL);
    }
    if line.starts_with([' ', '\t']) {
        return Ok(Line::Folded(line.trim()));
    }
    let (name, value) = line.split_once(':').ok_or(HeadError::bad("header without colon"))?;
    let name = name.trim_end();
    if !is_token(name.as_bytes()) {
        return Err(HeadError::bad("header name is no token"));
    }
    Ok(Line::Field(name, value.trim()))
}

#[cfg(test)]
mod tests;
