//! [`ServerFacts`]: what a server tells of itself on the way to PLAY.

use crate::wire::Oddities;
use crate::wire::rtsp::{Method, Response, SessionHeader};
use std::time::Duration;

/// Longest text that is kept of a header field, in bytes.
const MAX_TEXT: usize = 256;
/// Most methods that are kept.
const MAX_METHODS: usize = 32;

/// What a server has told of itself in the responses to a player.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerFacts {
    /// The program (`Server`, RFC 2326 section 12.36).
    pub software: Option<String>,
    /// The methods that it offers (`Public`, RFC 2326 section 12.28), in its order; empty if it
    /// does not tell.
    pub methods: Vec<String>,
    /// Time without requests after which it ends the session (`Session`, RFC 2326 section 12.37),
    /// as stated; `None` before the session, or if it states none.
    pub session_timeout: Option<Duration>,
}

impl ServerFacts {
    /// Returns whether the server says that it offers a method.
    pub fn offers(&self, method: &Method) -> bool {
        self.methods.iter().any(|name| name.eq_ignore_ascii_case(method.as_str()))
    }

    /// Takes note of what the header of a response tells.
    pub(super) fn note(&mut self, response: &Response<'_>) {
        if let Some(software) = response.headers.value("Server") {
            if self.software.as_deref() != Some(software) {
                self.software = text(software);
            }
        }
        if let Some(methods) = response.headers.joined("Public") {
            let words = methods.split(',').map(str::trim).filter(|word| !word.is_empty());
            self.methods = words.filter_map(text).take(MAX_METHODS).collect();
        }
        let session = response.headers.value("Session");
        let session = session.and_then(|s| SessionHeader::of_answer(s, &mut Oddities::new()));
        if let Some(seconds) = session.and_then(|session| session.timeout) {
            self.session_timeout = Some(Duration::from_secs(seconds.into()));
        }
    }
}

/// One line of what a peer has sent, without what could move a terminal's cursor.
fn text(value: &str) -> Option<String> {
    let kept = value.chars().filter(|c| !c.is_control());
    let mut text = String::new();
    for c in kept {
        if text.len() + c.len_utf8() > MAX_TEXT {
            break;
        }
        text.push(c);
    }
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtsp::StatusCode;

    #[test]
    fn what_is_told_last_counts_and_is_bounded() {
        let mut facts = ServerFacts::default();
        let mut response = Response::new(StatusCode::OK);
        facts.note(&response);
        assert_eq!(facts, ServerFacts::default());
        response.headers.push("Server", format!("camera {}", "x".repeat(1000)));
        response.headers.push("Public", "OPTIONS, DESCRIBE,,SETUP");
        response.headers.push("public", "PLAY ");
        response.headers.push("Session", "17 ; timeout = 30");
        facts.note(&response);
        assert_eq!(facts.session_timeout, Some(Duration::from_secs(30)));
        let software = facts.software.clone().unwrap();
        assert!(software.starts_with("camera xx") && software.len() == MAX_TEXT, "{software}");
        assert_eq!(facts.methods, ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]);
        assert!(facts.offers(&Method::Play) && !facts.offers(&Method::GetParameter));
        // A response without them changes nothing.
        assert_eq!(text("a\u{1b}[2Jb").as_deref(), Some("a[2Jb"));
        assert_eq!(text("\u{7}"), None);
        let before = facts.clone();
        facts.note(&Response::new(StatusCode::OK));
        assert_eq!(facts, before);
    }
}
