//! Which track of a publication a URL names. Publishers choose the controls of their tracks
//! (`streamid=0`, `stream=0`, `trackID=1`), and join them to the URL of the presentation in different
//! ways.

use crate::server::publish::publication::Publication;
use crate::wire::url::RequestTarget;

/// What a URL names of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// The presentation as a whole.
    Presentation,
    /// The track of a number, from 0.
    Track(usize),
}

impl Publication {
    /// What a URL names, if it is of this publication.
    pub(crate) fn named(&self, url: &str) -> Option<Named> {
        let controls: Vec<&str> =
            self.description.subsessions.iter().map(|track| &*track.control_url).collect();
        let is_set_up = |n: usize| self.tracks.get(n).is_some_and(Option::is_some);
        named(&self.name, &controls, url, is_set_up)
    }

    /// Whether a URL names the presentation, or the whole session (`*`).
    pub(crate) fn is_presentation(&self, url: &str) -> bool {
        let is_track = || matches!(self.named(url), Some(Named::Track(_)));
        let is_whole =
            |place: Place| place.path == *self.name && (place.query.is_empty() || !is_track());
        url == "*" || place(url).is_some_and(is_whole)
    }
}

/// Finds the track that `url` names of the presentation `name`, by the control URLs of all tracks. Of
/// tracks with the same control URL the first that is not set up is meant.
fn named(
    name: &str,
    controls: &[&str],
    url: &str,
    is_set_up: impl Fn(usize) -> bool,
) -> Option<Named> {
    let asked = place(url)?;
    let matching = |is_meant: &dyn Fn(&Place) -> bool| {
        let places = controls.iter().enumerate();
        let mut found = places.filter(|(_, c)| place(c).is_some_and(|c| is_meant(&c)));
        let first = found.next()?.0;
        let later = found.map(|(n, _)| n).find(|n| !is_set_up(*n));
        Some(if is_set_up(first) { later.unwrap_or(first) } else { first })
    };
    let is_presentation = asked.path == name;
    let exact = matching(&|control| *control == asked);
    if let Some(track) = exact.filter(|_| !is_presentation || !asked.query.is_empty()) {
        return Some(Named::Track(track));
    }
    // The control was inserted before the query, or appended behind it.
    if let Some(tail) = asked.tail_below(name) {
        if let Some(track) = matching(&|control| control.tail_below(name) == Some(tail)) {
            return Some(Named::Track(track));
        }
    }
    if !is_presentation {
        return None;
    }
    // Tracks without a control of their own.
    Some(exact.map_or(Named::Presentation, Named::Track))
}

/// Decoded path and query of a URL, without slashes at their ends.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    path: String,
    query: String,
}

fn place(url: &str) -> Option<Place> {
    // The host does not count: publishers know the server by different names.
    let url = RequestTarget::parse(url).ok()?.path()?;
    let query = url.query().unwrap_or_default().trim_end_matches('/').to_owned();
    Some(Place { path: url.decoded_path().ok()?.into_owned(), query })
}

impl Place {
    /// What follows the name in the path, or else the last slash in the query.
    fn tail_below(&self, name: &str) -> Option<&str> {
        let below = self.path.strip_prefix(name)?;
        let in_path = below.strip_prefix('/').filter(|tail| !tail.is_empty());
        let in_query = || self.query.rsplit_once('/').map(|(_, tail)| tail);
        in_path.or_else(|| if below.is_empty() { in_query() } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_found_however_its_control_is_joined() {
        let none = |_| false;
        let plain = ["rtsp://h/cam/streamid=0", "rtsp://h/cam/streamid=1"];
        let query = ["rtsp://h/cam?k=a/b/streamid=0", "rtsp://h/cam?k=a/b/streamid=1"];
        for (controls, url, track) in [
            (plain, "rtsp://h/cam/streamid=1", Some(Named::Track(1))),
            (plain, "rtsp://other:8554/cam/streamid=1/", Some(Named::Track(1))),
            (plain, "/cam/streamid%3D1", Some(Named::Track(1))),
            (plain, "rtsp://h/cam/streamid=2", None),
            (plain, "rtsp://h/cam", Some(Named::Presentation)),
            (plain, "rtsp://h/cam/", Some(Named::Presentation)),
            (plain, "rtsp://h/camera/streamid=1", None),
            (plain, "*", None),
            (plain, "rtsp://h/%zz", None),
            (query, "rtsp://h/cam?k=a/b/streamid=1", Some(Named::Track(1))),
            (query, "rtsp://h/cam/streamid=1?k=a/b", Some(Named::Track(1))),
            (query, "rtsp://h/cam/streamid=1", Some(Named::Track(1))),
            (query, "rtsp://h/cam?k=a/b", Some(Named::Presentation)),
        ] {
            assert_eq!(named("cam", &controls, url, none), track, "{url}");
        }
        let absolute = ["rtsp://h/cam/a", "rtsp://elsewhere/x/b"];
        assert_eq!(named("cam", &absolute, "rtsp://elsewhere/x/b", none), Some(Named::Track(1)));
        let one = ["rtsp://h/cam"];
        assert_eq!(named("cam", &one, "rtsp://h/cam", none), Some(Named::Track(0)));
        assert_eq!(named("cam", &["rtsp://h/cam/only"], "/cam", none), Some(Named::Presentation));
    }

    #[test]
    fn tracks_that_cannot_be_told_apart_are_set_up_in_their_order() {
        let same = ["rtsp://h/cam", "rtsp://h/cam"];
        let set_up = |count: usize| move |n: usize| n < count;
        assert_eq!(named("cam", &same, "rtsp://h/cam", set_up(0)), Some(Named::Track(0)));
        assert_eq!(named("cam", &same, "rtsp://h/cam", set_up(1)), Some(Named::Track(1)));
        assert_eq!(named("cam", &same, "rtsp://h/cam", set_up(2)), Some(Named::Track(0)));
    }
}
