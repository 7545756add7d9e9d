//! What the URL of a request says to authentication: the stream that it may mean, its token, and
//! whether Digest credentials are for it.

use crate::session::names::{is_control, split_query, split_url};
use crate::wire::url::RequestTarget;

/// The names of the streams that a URL may mean: without the control of a track first, if it ends
/// with one. None for `*` and for what is no valid path.
pub(super) fn stream_names(url: &str) -> Vec<String> {
    let target = RequestTarget::parse(url).ok();
    let path = target.and_then(|target| target.path()?.decoded_path().ok());
    let Some(path) = path else { return Vec::new() };
    let base = path.rsplit_once('/').filter(|(_, last)| is_control(last)).map(|(name, _)| name);
    base.into_iter().chain([&*path]).map(str::to_owned).collect()
}

/// The value of `token` in the query of a URL, without what a client has appended: the control of a
/// track, or a publisher's name for one. Of several the first counts.
pub(super) fn token_of(url: &str) -> Option<&str> {
    let query = split_url(url).1.strip_prefix('?')?;
    let query = split_query(query).map_or(query, |(query, _)| query);
    let tokens = query.split(['&', '?']).filter_map(|item| item.strip_prefix("token="));
    tokens.map(|token| token.split('/').next().unwrap_or_default()).next()
}

/// Whether the `uri` of Digest credentials is for a request with the URL `url`.
///
/// It should be the same (RFC 7616 section 3.4.6). Clients are known to leave out scheme and host or
/// to write the host otherwise, to add or drop a slash at the end, and, for a request about a track,
/// to give the URL of the presentation (live555, VLC).
pub(super) fn is_for(uri: &str, url: &str) -> bool {
    let (path, query) = path_and_query(url);
    let (uri_path, uri_query) = path_and_query(uri);
    let track = path.rsplit_once('/').filter(|(_, last)| is_control(last));
    let of_presentation = track.map(|(base, _)| base.trim_end_matches('/'));
    let base_query = split_query(query).map(|(base, _)| base.trim_end_matches('/'));
    (uri_path == path || Some(uri_path) == of_presentation)
        && (uri_query == query || Some(uri_query) == base_query)
}

/// Path and query of a URL without slashes at their ends.
fn path_and_query(url: &str) -> (&str, &str) {
    let (place, query) = split_url(url);
    let path = match place.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => place,
    };
    (path.trim_end_matches('/'), query.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_the_request_or_its_presentation() {
        let base = "rtsp://h:554/a/film/";
        for (uri, url) in [
            ("rtsp://h/a", "rtsp://h/a"),
            ("rtsp://h/a/", "rtsp://h/a"),
            ("rtsp://h/a", "rtsp://h/a/"),
            ("rtsp://other:554/a", "rtsp://h/a"),
            ("/a", "rtsp://h/a"),
            ("rtsp://h", "rtsp://h/"),
            ("*", "*"),
            (base, "rtsp://h:554/a/film/track1"),
            ("rtsp://h:554/a/film", "rtsp://h:554/a/film/track1"),
            ("rtsp://h/a?x=1", "rtsp://h/a/?x=1/track1"),
            ("rtsp://h/a/?x=1", "rtsp://h/a/track1?x=1"),
        ] {
            assert!(is_for(uri, url), "{uri} {url}");
        }
        for (uri, url) in [
            ("rtsp://h/a", "rtsp://h/b"),
            ("rtsp://h/a/track1", "rtsp://h/a"),
            ("rtsp://h/a/track1", "rtsp://h/a/track2"),
            ("rtsp://h/a", "rtsp://h/a/b"),
            ("rtsp://h", "rtsp://h/a"),
            ("*", "rtsp://h/a"),
            ("rtsp://h/a", "rtsp://h/a?x=1"),
            ("", "rtsp://h/a"),
        ] {
            assert!(!is_for(uri, url), "{uri} {url}");
        }
    }

    #[test]
    fn a_url_names_streams_and_a_token() {
        assert_eq!(stream_names("rtsp://h/a%20b/track1?x"), ["a b", "a b/track1"]);
        assert_eq!(stream_names("/a"), ["a"]);
        assert!(stream_names("*").is_empty() && stream_names("rtsp://h/%zz").is_empty());
        for (url, token) in [
            ("rtsp://h/a?token=x", Some("x")),
            ("rtsp://h/a/?b=1&token=x/track1", Some("x")),
            ("rtsp://h/a/?token=x/track1/", Some("x")),
            ("rtsp://h/a/?token=x/", Some("x")),
            ("rtsp://h/a?token=x/streamid=0", Some("x")),
            ("rtsp://h/a?token=x&token=y", Some("x")),
            ("rtsp://h/token=x", None),
            ("rtsp://h/a?Token=x", None),
            ("*", None),
        ] {
            assert_eq!(token_of(url), token, "{url}");
        }
    }
}
