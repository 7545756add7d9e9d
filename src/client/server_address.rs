//! [`ServerAddress`]: which server a URL names.

use crate::client::event::Disconnection;
use crate::wire::auth::UserCredentials;
use crate::wire::url::{RtspUrl, Scheme, UrlError};
use std::borrow::Cow;

/// A server, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl ServerAddress {
    pub(crate) fn of(url: &RtspUrl<'_>) -> Self {
        Self { scheme: url.scheme, host: url.host.to_owned(), port: url.port() }
    }

    /// Whether this client can speak to the server: `rtsps` wants the feature `tls`.
    pub(crate) fn check_scheme(&self) -> Result<(), Disconnection> {
        match self.scheme {
            Scheme::Rtsp => Ok(()),
            Scheme::Rtsps if cfg!(feature = "tls") => Ok(()),
            other => Err(Disconnection::Scheme(other.as_str().to_owned())),
        }
    }
}

/// The user name and the password in a URL, percent-decoded.
///
/// # Errors
/// The percent encoding is malformed.
pub(crate) fn credentials_in(url: &RtspUrl<'_>) -> Result<Option<UserCredentials>, UrlError> {
    let Some(user) = url.user else { return Ok(None) };
    let user = decode(user)?;
    let password = decode(url.password.unwrap_or_default())?;
    Ok(Some(UserCredentials::new(user, password)))
}

/// Decodes what may have any character, unlike a segment of a path.
fn decode(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        if b != b'%' {
            bytes.push(b);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(UrlError::Escape);
        };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| UrlError::NotUtf8)
}

/// A URL that a server names relative to another: resolved in the simplest way, as a whole URL or
/// as a path of the same server.
pub(crate) fn resolve<'a>(base: &RtspUrl<'_>, location: &'a str) -> Cow<'a, str> {
    if location.starts_with('/') {
        let server = RtspUrl { path: Default::default(), ..*base };
        return Cow::Owned(format!("{server}{location}"));
    }
    Cow::Borrowed(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_decoded() {
        let of = |url| credentials_in(&RtspUrl::parse(url).unwrap());
        let some = |user, password| Ok(Some(UserCredentials::new(user, password)));
        assert_eq!(of("rtsp://h/"), Ok(None));
        assert_eq!(of("rtsp://a@h/"), some("a", ""));
        assert_eq!(of("rtsp://admin:p%40ss%2f%3A@h/"), some("admin", "p@ss/:"));
        assert_eq!(of("rtsp://admin:p@ss@h/"), some("admin", "p@ss"));
        assert_eq!(of("rtsp://a:%4@h/"), Err(UrlError::Escape));
        assert_eq!(of("rtsp://a:%FF@h/"), Err(UrlError::NotUtf8));
    }

    #[test]
    fn locations_are_whole_or_paths() {
        let base = RtspUrl::parse("rtsp://u:p@h:8554/a?b").unwrap();
        assert_eq!(resolve(&base, "/c"), "rtsp://h:8554/c");
        assert_eq!(resolve(&base, "rtsp://i/c"), "rtsp://i/c");
    }
}
