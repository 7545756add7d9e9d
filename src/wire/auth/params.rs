//! Schemes and their parameters, as `WWW-Authenticate` and `Authorization` list them (RFC 7235
//! section 2.1).

use crate::wire::text::{is_token, parameter};
use std::borrow::Cow;
use std::fmt;

/// A scheme, and either a single word or parameters behind it.
#[derive(Debug, Default)]
pub(super) struct SchemeParams<'a> {
    pub(super) scheme: &'a str,
    /// What follows the scheme, where that is no parameter: the `token68` of Basic.
    pub(super) word: &'a str,
    params: Vec<(&'a str, &'a str)>,
}

impl<'a> SchemeParams<'a> {
    /// The value of a parameter, without quotes and escapes; of several the first.
    pub(super) fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        let of_name = |(n, _): &&(&str, &str)| n.eq_ignore_ascii_case(name);
        self.params.iter().find(of_name).map(|(_, value)| unescape(value))
    }

    /// As [`value`](Self::value), owned.
    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.value(name).map(Cow::into_owned)
    }
}

/// Splits a list of schemes with their parameters.
///
/// A comma separates both schemes and parameters. An item that begins with two words, or that is
/// a word alone, begins a scheme; another belongs to the scheme before it.
pub(super) fn schemes(list: &str) -> impl Iterator<Item = SchemeParams<'_>> {
    let mut items = Items { rest: list }.map(str::trim).filter(|item| !item.is_empty()).peekable();
    std::iter::from_fn(move || {
        let (scheme, first) = loop {
            // What stands in front of the first scheme is no one's parameter.
            if let Some(found) = split_scheme(items.next()?) {
                break found;
            }
        };
        let mut found = SchemeParams { scheme, ..SchemeParams::default() };
        match parameter(first) {
            (name, Some(value))
                if is_token(name.as_bytes()) && !value.trim_matches('=').is_empty() =>
            {
                found.params.push((name, value));
            }
            _ => found.word = first,
        }
        while let Some(item) = items.next_if(|item| split_scheme(item).is_none()) {
            let (name, value) = parameter(item);
            found.params.push((name, value.unwrap_or_default()));
        }
        Some(found)
    })
}

/// The scheme that an item begins, and what stands behind it.
fn split_scheme(item: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = item.split_once([' ', '\t']).unwrap_or((item, ""));
    let rest = rest.trim_start();
    // `name = value` is a parameter with blanks around its sign.
    (is_token(scheme.as_bytes()) && !rest.starts_with('=')).then_some((scheme, rest))
}

/// Splits at commas that do not stand in a quoted string (RFC 7230 section 3.2.6).
struct Items<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = self.rest.find(|c| {
            let was_escaped = std::mem::take(&mut is_escaped);
            match c {
                '"' if !was_escaped => is_quoted = !is_quoted,
                '\\' if is_quoted && !was_escaped => is_escaped = true,
                _ => {}
            }
            c == ',' && !is_quoted
        });
        let (item, rest) = match end.and_then(|end| self.rest.split_at_checked(end)) {
            Some((item, rest)) => (item, rest.strip_prefix(',').unwrap_or(rest)),
            None => (self.rest, ""),
        };
        self.rest = rest;
        Some(item)
    }
}

/// The content of a quoted string, or a token as it is.
fn unescape(value: &str) -> Cow<'_, str> {
    let Some(quoted) = value.strip_prefix('"') else { return Cow::Borrowed(value) };
    let quoted = quoted.strip_suffix('"').unwrap_or(quoted);
    if !quoted.contains('\\') {
        return Cow::Borrowed(quoted);
    }
    let mut plain = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(plain)
}

/// Writes a value as a quoted string. Control characters, which no quoted string has, become
/// spaces.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_ascii_control() => f.write_char(' ')?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
