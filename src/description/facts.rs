//! [`ContentFacts`]: what a response to DESCRIBE says of its body.

use crate::wire::rtsp::Response;
use std::fmt;

/// What a client knows of a description besides its text: the URL that it asked for, and the
/// headers of the response. `Debug` shows none of it, since URLs may hold passwords.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ContentFacts<'a> {
    /// The URL of the request, absolute.
    pub request_url: &'a str,
    /// `Content-Base`.
    pub base: Option<&'a str>,
    /// `Content-Location`.
    pub location: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
}

impl<'a> ContentFacts<'a> {
    /// Creates facts without headers.
    pub const fn new(request_url: &'a str) -> Self {
        Self { request_url, base: None, location: None, content_type: None }
    }

    /// The facts of a response to DESCRIBE.
    pub fn of_response(request_url: &'a str, response: &'a Response<'_>) -> Self {
        let header = |name| response.headers.value(name).filter(|value| !value.is_empty());
        Self {
            request_url,
            base: header("Content-Base"),
            location: header("Content-Location"),
            content_type: header("Content-Type"),
        }
    }
}

impl fmt::Debug for ContentFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentFacts").finish_non_exhaustive()
    }
}
