//! Names of media sessions and controls of their tracks, as parts of URLs (RFC 2326 section 3.2,
//! RFC 3986 section 3.3).
//!
//! The name of a media session is the path of its URL. A track is named by an additional segment,
//! its *control*: `track` and a number from 1. Clients append it to the path or, if the URL has a
//! query, to the query.

/// Splits a URL before its query, which keeps its question mark.
pub(crate) fn split_url(url: &str) -> (&str, &str) {
    url.find('?').and_then(|at| url.split_at_checked(at)).unwrap_or((url, ""))
}

/// Splits off the text after the last slash of a query, if it is a control.
pub(crate) fn split_query(query: &str) -> Option<(&str, &str)> {
    query.trim_end_matches('/').rsplit_once('/').filter(|(_, last)| is_control(last))
}

/// Returns whether a segment is `track` followed by a number.
pub(crate) fn is_control(segment: &str) -> bool {
    let number = segment.strip_prefix("track").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// Returns the index, from 0, of the track with a control.
pub(crate) fn control_index(control: &str) -> Option<usize> {
    let digits = control.strip_prefix("track").filter(|_| is_control(control))?;
    // "track01" is not a name that was given out.
    if digits.starts_with('0') {
        return None;
    }
    digits.parse::<usize>().ok()?.checked_sub(1)
}

/// Returns whether a decoded segment of a path can be a part of a media session's name: it must not
/// be `.` or `..`, nor contain a separator.
pub(crate) fn is_plain_segment(segment: &str) -> bool {
    // What separates segments of a path in the operating system's file names.
    let separator = |c| c == '\0' || std::path::is_separator(c);
    !segment.is_empty() && segment != "." && segment != ".." && !segment.contains(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_is_the_number_that_was_given_out() {
        for (control, index) in [
            ("track1", Some(0)),
            ("track10", Some(9)),
            ("track0", None),
            ("track01", None),
            ("track", None),
            ("track+1", None),
            ("Track1", None),
            ("track99999999999999999999999", None),
        ] {
            assert_eq!(control_index(control), index, "{control}");
        }
    }

    #[test]
    fn a_query_is_split_at_its_last_control() {
        assert_eq!(split_query("a=b/track2/"), Some(("a=b", "track2")));
        assert_eq!(split_query("a=b/c"), None);
        assert_eq!(split_url("rtsp://h/a?b?c"), ("rtsp://h/a", "?b?c"));
        assert_eq!(split_url("rtsp://h/a"), ("rtsp://h/a", ""));
    }
}
