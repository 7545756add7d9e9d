//! [`Address`]: the possible meanings of a request's URL: the name of a stream, and the control of
//! a track.

use crate::server::method::refusal::Refusal;
use crate::session::names::{is_control, is_plain_segment, split_query, split_url};
use crate::wire::rtsp::StatusCode;
use crate::wire::url::RequestTarget;
use std::borrow::Cow;
use std::fmt;

/// The path and query of a URL. The place of a track's control depends on how the client joins it
/// to the base URL: a client that resolves it as in RFC 3986, or inserts it before the query, has
/// it at the end of the path; a client that appends it has it at the end of the query.
pub(crate) struct Address<'a> {
    /// The decoded path without leading and trailing slashes.
    pub(crate) path: Cow<'a, str>,
    pub(crate) query: Option<&'a str>,
}

/// One interpretation of a URL.
pub(crate) struct Reading<'a> {
    /// Length of the part of the path that is the stream's name.
    pub(crate) name_len: usize,
    pub(crate) control: Option<&'a str>,
    /// Whether the control is appended to the query.
    pub(crate) in_query: bool,
}

impl<'a> Address<'a> {
    /// Parses a URL. Fails with 404 if a decoded segment would be ambiguous, with 400 if there is
    /// no path.
    pub(crate) fn parse(url: &'a str) -> Result<Self, Refusal> {
        let target = RequestTarget::parse(url).map_err(|_| StatusCode::BAD_REQUEST)?;
        let url = target.path().ok_or(StatusCode::BAD_REQUEST)?;
        let path = url.decoded_path().map_err(|_| StatusCode::NOT_FOUND)?;
        if !path.split('/').all(is_plain_segment) && !path.is_empty() {
            return Err(StatusCode::NOT_FOUND.into());
        }
        Ok(Self { path, query: url.query() })
    }

    /// Splits the path into the part before its last segment and that segment, if the latter is a
    /// control.
    pub(crate) fn control_in_path(&self) -> Option<(&str, &str)> {
        self.path.rsplit_once('/').filter(|(_, last)| is_control(last))
    }

    /// Splits the query into the original query and the control appended to it.
    pub(crate) fn control_in_query(&self) -> Option<(&'a str, &'a str)> {
        split_query(self.query?)
    }

    /// Iterates over the interpretations, the more likely first; a stream may itself be called
    /// "track1".
    pub(crate) fn readings(&self) -> impl Iterator<Item = Reading<'_>> {
        let whole = self.path.len();
        let in_query = self.control_in_query().map(|(_, control)| (whole, control, true));
        let in_path = self.control_in_path().map(|(name, control)| (name.len(), control, false));
        let tracks =
            [in_query, in_path].into_iter().flatten().map(|(name_len, control, in_query)| {
                Reading { name_len, control: Some(control), in_query }
            });
        tracks.chain([Reading { name_len: whole, control: None, in_query: false }])
    }

    pub(crate) fn into_name(self, len: usize) -> Cow<'a, str> {
        match self.path {
            Cow::Borrowed(path) => Cow::Borrowed(path.get(..len).unwrap_or(path)),
            Cow::Owned(mut path) => {
                path.truncate(len);
                Cow::Owned(path)
            }
        }
    }
}

/// The `Content-Base` of a description: the requested URL with a slash at the end of its path, so
/// that a relative control resolves below it (RFC 3986 section 5.2.3). The query stays, for clients
/// that append the control to the whole base URL or insert it before the query.
pub(crate) struct ContentBase<'a>(pub(crate) &'a str);

impl fmt::Display for ContentBase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = split_url(self.0);
        write!(f, "{}/{query}", path.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, control and place of the control, for each interpretation of a URL.
    fn readings(url: &str) -> Vec<(String, Option<String>, bool)> {
        let address = Address::parse(url).unwrap();
        let owned = |r: Reading<'_>| {
            let name = address.path[..r.name_len].to_owned();
            (name, r.control.map(str::to_owned), r.in_query)
        };
        address.readings().map(owned).collect()
    }

    #[test]
    fn a_control_is_found_wherever_clients_put_it() {
        let whole = |name: &str| (name.to_owned(), None, false);
        let path = |name: &str, c: &str| (name.to_owned(), Some(c.to_owned()), false);
        let query = |name: &str, c: &str| (name.to_owned(), Some(c.to_owned()), true);
        let track2 = path("a.mkv", "track2");
        assert_eq!(readings("rtsp://h/a.mkv/track2"), [track2.clone(), whole("a.mkv/track2")]);
        assert_eq!(readings("rtsp://h/a.mkv/track2/?x=y"), [track2, whole("a.mkv/track2")]);
        assert_eq!(
            readings("rtsp://h/a%20b/track%31"),
            [path("a b", "track1"), whole("a b/track1")]
        );
        for appended in ["rtsp://h/a?x=1/track1/", "rtsp://h/a/?x=1/track1", "/a?x=1/track1"] {
            assert_eq!(readings(appended), [query("a", "track1"), whole("a")], "{appended}");
        }
        let both = [query("a/track1", "track3"), path("a", "track1"), whole("a/track1")];
        assert_eq!(readings("rtsp://h/a/track1?x=/y/track3"), both);
        for none in ["rtsp://h/tracks", "rtsp://h/track", "rtsp://h/track1", "rtsp://h/a?x=track1"]
        {
            assert_eq!(readings(none).len(), 1, "{none}");
        }
    }

    #[test]
    fn names_do_not_smuggle_separators() {
        let name = |url| Address::parse(url).map(|address| address.path.into_owned());
        assert_eq!(name("rtsp://h/a%20file.mkv").unwrap(), "a file.mkv");
        assert_eq!(name("rtsp://h/dir/x.ts?q").unwrap(), "dir/x.ts");
        for bad in ["rtsp://h/..%2fx", "rtsp://h/a%00", "rtsp://h/%2e%2e/x", "rtsp://h/a/../b"] {
            let status = name(bad).unwrap_err().status;
            assert_eq!(status, StatusCode::NOT_FOUND, "{bad}");
        }
        assert_eq!(name("rtsp://h/..%5cx").is_err(), cfg!(windows));
    }

    #[test]
    fn a_base_ends_its_path_with_a_slash() {
        for (asked, base) in [
            ("rtsp://h/a.mkv", "rtsp://h/a.mkv/"),
            ("rtsp://h/a.mkv/", "rtsp://h/a.mkv/"),
            ("rtsp://h/a.mkv?x=y", "rtsp://h/a.mkv/?x=y"),
            ("rtsp://h/a.mkv/?x=/y/?", "rtsp://h/a.mkv/?x=/y/?"),
        ] {
            assert_eq!(ContentBase(asked).to_string(), base);
        }
    }
}
