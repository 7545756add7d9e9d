//! From a connection's input buffer to messages and interleaved data (RFC 2326 sections 4, 6, 7
//! and 10.12), as the bytes come.
//!
//! Tolerated, because devices send it: line ends without CR, folded header lines, empty lines
//! before a message, any case of header names, white space around the colon, spaces in the
//! Request-URI. Refused, because two readers would understand it differently: NUL and bare CR,
//! several `Content-Length`s, a `Content-Length` that is not a number.

use super::message::{Headers, Method, Request, RequestUri, Response, Version};
use super::status::StatusCode;
use crate::wire::interleaved;
use crate::wire::text::{digits, is_token, is_token_byte};
use bytes::Bytes;
use std::fmt;

/// What a peer may make the parser hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request or status line. Beyond: 414.
    pub request_line: usize,
    /// Header lines, folded ones included. Beyond: 400.
    pub header_count: usize,
    /// Bytes of all header lines. Beyond: 400.
    pub header_bytes: usize,
    /// Bytes of the body. Beyond: 413.
    pub body: usize,
    /// Bytes of empty lines before a message. Beyond: 400.
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
    /// An input buffer of this size always gets an answer other than [`Incoming::NeedMore`].
    pub fn buffer_bound(&self) -> usize {
        let message = self
            .request_line
            .saturating_add(self.header_bytes)
            .saturating_add(self.body)
            .saturating_add(2);
        message.max(interleaved::MAX_FRAME_LEN).max(self.leading_blank).saturating_add(1)
    }
}

/// What stands at the front of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// Not yet a whole anything. Empty lines may have been consumed nevertheless.
    NeedMore,
    /// Binary data between the messages.
    Interleaved {
        /// Channel, as agreed by `Transport`.
        channel: u8,
        /// A whole RTP or RTCP packet.
        data: &'a [u8],
    },
    /// A whole request.
    Request(Request),
    /// A whole response.
    Response(Response),
}

/// Why a message cannot be understood. What follows it in the input has no known start: answer,
/// then close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadError {
    /// Which answer it gets.
    pub kind: HeadErrorKind,
    /// The sequence number to echo, if it could be found.
    pub cseq: Option<u32>,
    /// What is wrong, for the log.
    pub what: &'static str,
}

/// Classes of [`HeadError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadErrorKind {
    /// 400.
    BadRequest,
    /// 413.
    EntityTooLarge,
    /// 414.
    UriTooLong,
    /// 505.
    VersionNotSupported,
}

impl HeadError {
    /// The status to answer.
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
        match self.cseq {
            Some(cseq) => write!(f, ", CSeq {cseq})"),
            None => f.write_str(")"),
        }
    }
}

impl std::error::Error for HeadError {}

/// Reads what stands at the front of `input` and says how many bytes it takes. For input that
/// grows, use a [`Decoder`], which does not start over each time.
///
/// # Errors
/// See [`HeadError`].
pub fn parse<'a>(input: &'a [u8], limits: &Limits) -> Result<(Incoming<'a>, usize), HeadError> {
    Decoder::new().decode(input, limits)
}

/// Reads messages from input that grows, looking at each byte once.
///
/// Between calls of [`decode`](Self::decode) the caller drops the bytes that were consumed from
/// the front of its buffer and appends what arrives; nothing else.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Blank bytes consumed since the last message.
    blank: usize,
    /// Bytes of the head that were searched for its end.
    scanned: usize,
    /// Start of the line that is not yet complete.
    line_start: usize,
    /// End of the request line; 0 while it is not complete.
    first_line_end: usize,
    /// Complete header lines.
    lines: usize,
    /// A message whose body is awaited: head, bytes of the head, bytes of the body.
    head: Option<(Head, usize, usize)>,
}

#[derive(Debug)]
enum Head {
    Request(Request),
    Response(Response),
}

impl Decoder {
    /// At the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a message has begun and is not complete (for time-outs of half requests).
    pub const fn is_inside_message(&self) -> bool {
        self.scanned > 0 || self.head.is_some()
    }

    /// Reads what stands at the front of `input` and says how many bytes it takes.
    ///
    /// # Errors
    /// See [`HeadError`]; the decoder is not to be used after one.
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
        let (head, head_len, body_len) = match self.head.take() {
            Some(awaiting) => awaiting,
            None => match self.scan(input, limits) {
                Ok(None) => return Ok((Incoming::NeedMore, consumed)),
                Ok(Some(len)) => {
                    let text = input.get(..len).unwrap_or_default();
                    let with_cseq = |e| HeadError { cseq: find_cseq(text), ..e };
                    let head = parse_head(text).map_err(with_cseq)?;
                    let body_len = body_len(head.headers(), limits).map_err(with_cseq)?;
                    (head, len, body_len)
                }
                Err(e) => return Err(HeadError { cseq: find_cseq(input), ..e }),
            },
        };
        let Some(body) = input.get(head_len..).and_then(|rest| rest.get(..body_len)) else {
            self.head = Some((head, head_len, body_len));
            return Ok((Incoming::NeedMore, consumed));
        };
        *self = Self::default();
        let body = Bytes::copy_from_slice(body);
        let incoming = match head {
            Head::Request(request) => Incoming::Request(Request { body, ..request }),
            Head::Response(response) => Incoming::Response(Response { body, ..response }),
        };
        Ok((incoming, consumed + head_len + body_len))
    }

    /// Looks for the empty line that ends the head, from where the last call stopped. The limits
    /// are checked in order of bytes, so that the outcome does not depend on how they arrive.
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

impl Head {
    const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }
}

/// Bytes of whole empty lines at the front.
fn leading_blank(input: &[u8]) -> usize {
    let mut rest = input;
    while let [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] = rest {
        rest = after;
    }
    input.len() - rest.len()
}

/// Lines without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The sequence number of a head that may be faulty or cut.
fn find_cseq(head: &[u8]) -> Option<u32> {
    // Bounded, since a faulty head may be followed by a great deal of anything.
    let head = head.get(..8192).unwrap_or(head);
    lines(head).skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let name = line.get(..colon)?.trim_ascii();
        let value = line.get(colon + 1..)?.trim_ascii();
        let value = name.eq_ignore_ascii_case(b"cseq").then_some(value)?;
        digits(std::str::from_utf8(value).ok()?)
    })
}

fn body_len(headers: &Headers, limits: &Limits) -> Result<usize, HeadError> {
    let mut values = headers.values("Content-Length");
    let Some(value) = values.next() else { return Ok(0) };
    if values.next().is_some() {
        return Err(HeadError::bad("several Content-Lengths"));
    }
    let length: u64 = digits(value).ok_or(HeadError::bad("Content-Length is no number"))?;
    match usize::try_from(length) {
        Ok(length) if length <= limits.body => Ok(length),
        _ => Err(HeadError::of(HeadErrorKind::EntityTooLarge, "body too long")),
    }
}

fn parse_head(text: &[u8]) -> Result<Head, HeadError> {
    let mut lines = lines(text);
    let first = lines.next().unwrap_or_default();
    let mut head = parse_first_line(first)?;
    let (headers, lenient) = match &mut head {
        Head::Request(request) => (&mut request.headers, false),
        // A device's odd response line harms nobody; a client cannot ask for a better one.
        Head::Response(response) => (&mut response.headers, true),
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        match parse_header_line(line, headers) {
            Ok(()) => {}
            Err(_) if lenient => {}
            Err(e) => return Err(e),
        }
    }
    Ok(head)
}

/// Text of a line; bytes that are not UTF-8 become U+FFFD.
fn text(line: &[u8]) -> Result<std::borrow::Cow<'_, str>, HeadError> {
    if line.iter().any(|&b| b.is_ascii_control() && b != b'\t') {
        return Err(HeadError::bad("control character in head"));
    }
    Ok(String::from_utf8_lossy(line))
}

fn parse_first_line(line: &[u8]) -> Result<Head, HeadError> {
    let line = text(line)?;
    let line = line.trim_matches([' ', '\t']);
    let malformed = HeadError::bad("malformed request line");
    let (first, rest) = line.split_once([' ', '\t']).ok_or(malformed)?;
    if first.get(..5).is_some_and(|p| p.eq_ignore_ascii_case("RTSP/")) {
        version(first)?;
        let rest = rest.trim_start();
        let (code, reason) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let status =
            digits(code).and_then(StatusCode::new).ok_or(HeadError::bad("malformed status"))?;
        let reason = reason.trim().to_owned();
        return Ok(Head::Response(Response { reason, ..Response::new(status) }));
    }
    // Some players send a URL with spaces as it was typed, so the last word is the version.
    let (uri, last) = rest.rsplit_once([' ', '\t']).ok_or(malformed)?;
    let uri = uri.trim();
    if uri.is_empty() || !is_token(first.as_bytes()) {
        return Err(malformed);
    }
    Ok(Head::Request(Request {
        method: Method::from(first),
        url: RequestUri::new(uri),
        version: version(last)?,
        headers: Headers::new(),
        body: Bytes::new(),
    }))
}

fn version(text: &str) -> Result<Version, HeadError> {
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

fn parse_header_line(line: &[u8], headers: &mut Headers) -> Result<(), HeadError> {
    let line = text(line)?;
    if line.starts_with([' ', '\t']) {
        return if headers.extend_last(line.trim()) {
            Ok(())
        } else {
            Err(HeadError::bad("first header line is folded"))
        };
    }
    let (name, value) = line.split_once(':').ok_or(HeadError::bad("header without colon"))?;
    let name = name.trim_end();
    if !is_token(name.as_bytes()) {
        return Err(HeadError::bad("header name is no token"));
    }
    headers.push(name, value.trim());
    Ok(())
}

#[cfg(test)]
mod tests;
