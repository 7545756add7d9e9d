//! Control URLs: which URL a request is for (RFC 2326 sections C.1.1 and C.3).
//!
//! A relative `a=control` is appended to the base, as every client does and as servers expect, and
//! not resolved as RFC 3986 section 5 says: `track1` of `rtsp://h/live` is `rtsp://h/live/track1`,
//! and that of `rtsp://h/live?channel=1` is `rtsp://h/live?channel=1/track1`.

use super::facts::ContentFacts;
use crate::wire::Oddities;
use crate::wire::url::{RtspUrl, UrlError};

/// The absolute URL that relative ones are appended to. It has no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseUrl(String);

impl BaseUrl {
    /// The base of a description: `Content-Base`, else `Content-Location`, else the URL of the
    /// request (RFC 2326 section C.1.1).
    ///
    /// # Errors
    /// The URL of the request is none.
    pub(super) fn of(facts: &ContentFacts<'_>, odd: &mut Oddities) -> Result<Self, UrlError> {
        let request = RtspUrl::parse(facts.request_url)?;
        let named = [("Content-Base", facts.base), ("Content-Location", facts.location)];
        for (name, value) in named {
            let Some(value) = value else { continue };
            let value = unwrapped(value);
            if let Ok(url) = RtspUrl::parse(value) {
                return Ok(Self(url.to_string()));
            }
            // It is not repeated: it may hold a password.
            if let Some(url) = absolute(value, &request) {
                odd.note(format_args!("{name} is no absolute URL"));
                return Ok(Self(url));
            }
            odd.note(format_args!("{name} is no URL"));
        }
        Ok(Self(request.to_string()))
    }

    /// The URL of an `a=control`: absolute, or appended to this one, or this one itself (`*`).
    pub(super) fn join(&self, control: &str, odd: &mut Oddities) -> Self {
        let control = unwrapped(control);
        if control.is_empty() || control == "*" {
            return self.clone();
        }
        if let Ok(url) = RtspUrl::parse(control) {
            return Self(url.to_string());
        }
        let Ok(base) = RtspUrl::parse(&self.0) else { return self.clone() };
        let origin = origin(&base);
        if let Some((scheme, rest)) = control.split_once("://") {
            let url = format!("{}://{rest}", base.scheme.as_str());
            if let Ok(url) = RtspUrl::parse(&url) {
                odd.note(format_args!("a control URL of the scheme {scheme}"));
                return Self(url.to_string());
            }
        }
        if names_host(control, &base) {
            odd.note("a control URL without its scheme");
            if let Some(url) = absolute(control, &base) {
                return Self(url);
            }
        }
        let base_path = base.path.as_str().trim_end_matches('/');
        let joined = if control.starts_with('?') {
            format!("{origin}{}{control}", base.path.as_str())
        } else if control.starts_with('/') && is_below(control, base_path) {
            format!("{origin}{control}")
        } else {
            format!("{}/{}", self.0.trim_end_matches('/'), control.trim_start_matches('/'))
        };
        match RtspUrl::parse(&joined) {
            Ok(url) => Self(url.to_string()),
            Err(e) => {
                odd.note(format_args!("a control attribute: {e}"));
                self.clone()
            }
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value without white space, quotes and angle brackets around it.
fn unwrapped(value: &str) -> &str {
    value.trim().trim_matches(['"', '<', '>']).trim()
}

/// Scheme and authority, without credentials.
fn origin(url: &RtspUrl<'_>) -> String {
    RtspUrl { path: Default::default(), ..*url }.to_string()
}

/// Whether a path that is not empty contains another.
fn is_below(path: &str, of: &str) -> bool {
    let rest = path.strip_prefix(of).filter(|_| !of.is_empty());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// Whether a text begins with a host, and not with a segment of a path.
fn names_host(text: &str, like: &RtspUrl<'_>) -> bool {
    let end = text.find(['/', '?']).unwrap_or(text.len());
    let first = text.get(..end).unwrap_or_default();
    let (host, port) = first.rsplit_once(':').unwrap_or((first, ""));
    let is_port = !port.is_empty() && port.parse::<u16>().is_ok();
    (host.eq_ignore_ascii_case(like.host) && (is_port || host == first))
        || host.parse::<std::net::Ipv4Addr>().is_ok()
        || (is_port && !host.is_empty())
        || first.starts_with('[')
}

/// A URL that lacks its scheme, or its host too; what lacks is that of `like`.
fn absolute(text: &str, like: &RtspUrl<'_>) -> Option<String> {
    if text.is_empty() || text.contains("://") {
        return None;
    }
    let scheme = like.scheme.as_str();
    let url = if let Some(rest) = text.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if text.starts_with('/') {
        format!("{}{text}", origin(like))
    } else if names_host(text, like) {
        format!("{scheme}://{text}")
    } else {
        // RFC 3986 section 5.2.3.
        let folder = like.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{}{folder}/{text}", origin(like))
    };
    RtspUrl::parse(&url).ok().map(|url| url.to_string())
}
