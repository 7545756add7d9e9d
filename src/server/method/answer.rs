//! [`Answer`]: writes the answer to a request field by field into a reused buffer.

use crate::server::method::refusal::Refused;
use crate::wire::rtsp::date::Rfc1123;
use crate::wire::rtsp::{HeadError, Request, ResponseWriter, StatusCode};
use std::fmt::Display;
use std::time::Duration;

/// The parts of a request that its answer repeats.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Echo<'r> {
    cseq: Option<&'r str>,
    timestamp: Option<&'r str>,
    /// Time for which the request waited before it was answered, if it did.
    waited: Option<Duration>,
    /// Whether the client asks for the connection to be closed (RFC 2068 section 14.10).
    pub(crate) closes: bool,
}

impl<'r> Echo<'r> {
    pub(crate) fn of(request: &'r Request<'_>, waited: Option<Duration>) -> Self {
        let headers = &request.headers;
        Self {
            cseq: headers.value("CSeq"),
            timestamp: headers.value("Timestamp"),
            waited,
            closes: headers.lists("Connection", "close"),
        }
    }

    /// The answer's fields for input that is not a request; the connection is closed after it.
    pub(crate) fn of_malformed(error: &'r HeadError) -> Self {
        Self { cseq: error.cseq.as_deref(), closes: true, ..Self::default() }
    }

    fn write(&self, response: &mut ResponseWriter<'_>) {
        if let Some(cseq) = self.cseq {
            response.text("CSeq", cseq);
        }
        // "MUST echo the exact same value and MAY […] add a floating point number indicating the
        // number of seconds that has elapsed" (RFC 2326 section 12.38).
        match (self.timestamp, self.waited) {
            (Some(timestamp), Some(waited)) if !timestamp.contains(' ') => {
                let delay = waited.as_secs_f64();
                response.field("Timestamp", format_args!("{timestamp} {delay:.3}"));
            }
            (Some(timestamp), _) => response.text("Timestamp", timestamp),
            (None, _) => {}
        }
        if self.closes {
            response.text("Connection", "close");
        }
    }
}

/// The serialized fields that all answers have. They are rewritten once a second.
#[derive(Debug)]
pub(crate) struct StandingFields {
    server_name: String,
    /// Second of the `Date` field.
    second: Option<u64>,
    lines: Vec<u8>,
}

impl StandingFields {
    pub(crate) fn new(server_name: &str) -> Self {
        Self { server_name: server_name.to_owned(), second: None, lines: Vec::new() }
    }

    /// Returns the lines for a second since the Unix epoch.
    pub(crate) fn at(&mut self, second: u64) -> &[u8] {
        if self.second != Some(second) {
            self.second = Some(second);
            self.lines.clear();
            let mut response = ResponseWriter::resume(&mut self.lines);
            response.field("Date", Rfc1123(second));
            response.text("Server", &self.server_name);
        }
        &self.lines
    }
}

/// An answer under construction.
#[derive(Debug)]
pub(crate) struct Answer<'o> {
    response: ResponseWriter<'o>,
    /// Whether the body has been written, after which nothing can follow.
    ended: bool,
}

impl<'o> Answer<'o> {
    /// Begins an answer with the fields that all answers have: status, those repeated from the
    /// request, `Date`, `Server`.
    pub(crate) fn begin(
        out: &'o mut Vec<u8>,
        status: StatusCode,
        echo: &Echo<'_>,
        standing: &[u8],
    ) -> Self {
        out.clear();
        let mut response = ResponseWriter::new(out, status);
        echo.write(&mut response);
        response.lines(standing);
        Self { response, ended: false }
    }

    /// Adds a field.
    pub(crate) fn field(&mut self, name: &str, value: impl Display) {
        debug_assert!(!self.ended, "a field after the body");
        self.response.field(name, value);
    }

    /// Adds a field whose value is a string.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        debug_assert!(!self.ended, "a field after the body");
        self.response.text(name, value);
    }

    /// Adds a field with a comma-separated list.
    pub(crate) fn list(&mut self, name: &str, entries: impl Iterator<Item = impl Display>) {
        debug_assert!(!self.ended, "a field after the body");
        self.response.list(name, entries);
    }

    /// Adds the body and completes the answer.
    pub(crate) fn body(&mut self, content_type: &str, body: &[u8]) {
        debug_assert!(!self.ended, "a second body");
        self.response.end_with(content_type, body);
        self.ended = true;
    }

    /// Adds the header fields and the body of a refusal.
    pub(crate) fn refuse(&mut self, refusal: &Refused) {
        for (name, value) in refusal.fields.iter() {
            self.text(name, value);
        }
        if let Some(body) = &refusal.body {
            self.body("text/parameters", body.as_bytes());
        }
    }

    /// Completes the answer.
    pub(crate) fn end(mut self) {
        if !self.ended {
            self.response.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standing_fields_follow_the_clock() {
        let mut standing = StandingFields::new("a\r\nb");
        let first = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: a  b\r\n";
        let second = b"Date: Thu, 01 Jan 1970 00:00:01 GMT\r\nServer: a  b\r\n";
        for (at, expected) in [(0, first), (0, first), (1, second), (0, first)] {
            assert_eq!(standing.at(at), expected);
        }
    }

    #[test]
    fn bytes_of_the_last_answer_are_gone() {
        let mut out = Vec::new();
        let echo = Echo { cseq: Some("1"), ..Echo::default() };
        let mut answer = Answer::begin(&mut out, StatusCode::OK, &echo, b"");
        answer.field("Session", 7);
        answer.body("text/parameters", b"x");
        answer.end();
        let (status, echo) = (StatusCode::NOT_FOUND, Echo::default());
        let mut answer = Answer::begin(&mut out, status, &echo, b"A: b\r\n");
        answer.refuse(&Refused::new(StatusCode::NOT_FOUND).field("Retry-After", 1));
        answer.end();
        assert_eq!(out, b"RTSP/1.0 404 Not Found\r\nA: b\r\nRetry-After: 1\r\n\r\n");
    }
}
