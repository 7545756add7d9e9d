//! [`Headers`]: the header fields of a message (RFC 2068 section 4.2).
//!
//! A header value cannot end its line: control characters are written as spaces, so a value taken
//! from a peer or a file name cannot split a message.

use crate::wire::text::{digits, has_control, is_token, is_token_byte, strip_prefix_ignore_case};
use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

/// Header fields in order of appearance. Names are compared without regard to case.
///
/// The fields are stored as text, one field a line; those of a received message are the received
/// bytes. Each look-up searches the text: a message has few fields, of which few are looked up, and
/// an index would cost more.
///
/// `Debug` shows the names of fields with credentials, and not their values.
#[derive(Clone, Default)]
pub struct Headers<'a> {
    /// Each line is `name: value`, without control characters, and ends with LF or CR LF.
    lines: Cow<'a, str>,
}

impl<'a> Headers<'a> {
    /// Creates an empty list of headers.
    pub const fn new() -> Self {
        Self { lines: Cow::Borrowed("") }
    }

    /// Wraps lines that are already in the stored form.
    pub(super) const fn of_lines(lines: &'a str) -> Self {
        Self { lines: Cow::Borrowed(lines) }
    }

    /// Converts into headers that do not borrow from the received bytes.
    pub fn into_owned(self) -> Headers<'static> {
        Headers { lines: Cow::Owned(self.lines.into_owned()) }
    }

    /// Returns the first value of `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// Iterates over all values of `name`, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        lines(&self.lines).filter_map(move |line| {
            let rest = strip_prefix_ignore_case(line, name)?;
            Some(rest.trim_start().strip_prefix(':')?.trim())
        })
    }

    /// Returns all values of `name` joined into one comma-separated list (RFC 2068 section 4.2).
    pub fn joined(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.values(name);
        let mut list = Cow::Borrowed(values.next()?);
        for value in values {
            list.to_mut().push_str(", ");
            list.to_mut().push_str(value);
        }
        Some(list)
    }

    /// Returns whether there is a field `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Returns whether the list `name` contains `token`, without regard to case (RFC 2068 section
    /// 14.10).
    pub fn lists(&self, name: &str, token: &str) -> bool {
        let tokens = self.values(name).flat_map(|list| list.split(','));
        tokens.map(str::trim).any(|other| other.eq_ignore_ascii_case(token))
    }

    /// Appends a field.
    pub fn push(&mut self, name: &str, value: impl Display) {
        let lines = self.lines.to_mut();
        lines.extend(token_pieces(name));
        lines.push_str(": ");
        // Writing to a String cannot fail.
        let _ = write!(OneLiner(lines), "{value}");
        lines.push('\n');
    }

    /// Removes all fields `name`.
    pub fn remove(&mut self, name: &str) {
        let mut kept = Self::new();
        for (other, value) in self.iter().filter(|(other, _)| !other.eq_ignore_ascii_case(name)) {
            kept.push(other, value);
        }
        *self = Self { lines: Cow::Owned(kept.lines.into_owned()) };
    }

    /// Iterates over the names and values of all fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        lines(&self.lines)
            .filter_map(|line| line.split_once(':'))
            .map(|(n, v)| (n.trim(), v.trim()))
    }

    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the `CSeq` (RFC 2326 section 12.17); `None` if it is missing, not a number, or
    /// greater than `u32::MAX`.
    pub fn cseq(&self) -> Option<u32> {
        self.value("CSeq").and_then(digits)
    }

    /// Appends to the value of the last field (a folded line); the text has no control characters.
    pub(super) fn extend_last(&mut self, continuation: &str) -> bool {
        if self.lines.is_empty() {
            return false;
        }
        if !continuation.is_empty() {
            let lines = self.lines.to_mut();
            lines.truncate(lines.trim_end_matches(['\r', '\n']).len());
            lines.extend([" ", continuation, "\n"]);
        }
        true
    }

    /// Writes the fields and the empty line. `CSeq` is written first; `Content-Length` states
    /// `body_len`, whatever the fields say.
    pub(super) fn write(&self, out: &mut Vec<u8>, body_len: usize) {
        let is_cseq = |name: &str| name.eq_ignore_ascii_case("CSeq");
        if let Some(cseq) = self.value("CSeq") {
            write_text(out, "CSeq", cseq);
        }
        for (name, value) in self.iter() {
            if !is_cseq(name) && !name.eq_ignore_ascii_case("Content-Length") {
                write_text(out, name, value);
            }
        }
        if body_len > 0 {
            write_field(out, "Content-Length", body_len);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Fields with which others could make a request in somebody's name.
const SECRET_FIELDS: [&str; 3] = ["Authorization", "Proxy-Authorization", "KeyMgmt"];

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_secret = |name: &str| SECRET_FIELDS.iter().any(|s| s.eq_ignore_ascii_case(name));
        let shown = |(name, value)| (name, if is_secret(name) { "…" } else { value });
        f.debug_map().entries(self.iter().map(shown)).finish()
    }
}

impl PartialEq for Headers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers<'_> {}

/// Iterates over the lines, without LF.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest.as_bytes());
        let (line, after) = match end {
            Some(end) => (rest.get(..end)?, rest.get(end + 1..)?),
            None => (rest, ""),
        };
        rest = after;
        Some(line)
    })
}

/// The parts of a field name that consist of token characters.
fn token_pieces(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !u8::try_from(c).is_ok_and(is_token_byte))
}

/// Appends one field.
pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: impl Display) {
    begin_field(out, name);
    // Writing to a Vec cannot fail.
    let _ = write!(LineWriter(out), "{value}");
    out.extend_from_slice(b"\r\n");
}

/// Like [`write_field`], for a value that is a string.
pub(super) fn write_text(out: &mut Vec<u8>, name: &str, value: &str) {
    begin_field(out, name);
    let _ = LineWriter(out).write_str(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a field with a list. No spaces follow the commas: some players take them for a part of
/// the entry.
pub(super) fn write_list(
    out: &mut Vec<u8>,
    name: &str,
    entries: impl Iterator<Item = impl Display>,
) {
    begin_field(out, name);
    for (i, entry) in entries.enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(LineWriter(out), "{comma}{entry}");
    }
    out.extend_from_slice(b"\r\n");
}

fn begin_field(out: &mut Vec<u8>, name: &str) {
    if is_token(name.as_bytes()) {
        out.extend_from_slice(name.as_bytes());
    } else {
        token_pieces(name).for_each(|piece| out.extend_from_slice(piece.as_bytes()));
    }
    out.extend_from_slice(b": ");
}

/// A writer that replaces control characters by spaces.
pub(super) struct LineWriter<'a>(pub(super) &'a mut Vec<u8>);

const fn clean(b: u8) -> u8 {
    if b.is_ascii_control() && b != b'\t' { b' ' } else { b }
}

impl fmt::Write for LineWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if has_control(text) {
            self.0.extend(text.bytes().map(clean));
        } else {
            self.0.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }
}

/// Like [`LineWriter`], for a string.
struct OneLiner<'a>(&'a mut String);

impl fmt::Write for OneLiner<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(
            text.split(|c: char| c.is_ascii_control() && c != '\t')
                .enumerate()
                .flat_map(|(i, piece)| [if i > 0 { " " } else { "" }, piece]),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn debug_output_has_no_credentials() {
        let mut headers = Headers::new();
        headers.push("authorization", "Basic YTpi");
        headers.push("CSeq", 1);
        assert_eq!(format!("{headers:?}"), r#"{"authorization": "…", "CSeq": "1"}"#);
    }

    #[test]
    fn a_name_is_not_the_beginning_of_another() {
        let headers = Headers::of_lines("Sessions: 1\r\nX: Session: 2\r\nSession \t: 3\r\n");
        assert_eq!(headers.values("Session").collect::<Vec<_>>(), ["3"]);
        assert_eq!(headers.value("Sess"), None);
        assert_eq!(headers.value(""), None);
    }

    #[test]
    fn what_is_pushed_stays_one_field() {
        let mut headers = Headers::new();
        headers.push("Location: x\r\nEvil", "a\r\n\r\nRTSP/1.0 200 OK\r\nfoo: bar\n");
        headers.push("B", "");
        assert_eq!(headers.len(), 2);
        let (name, value) = headers.iter().next().unwrap();
        assert_eq!(name, "LocationxEvil");
        assert_eq!(value, "a    RTSP/1.0 200 OK  foo: bar");
        assert_eq!(headers.value("b"), Some(""));
    }
}
