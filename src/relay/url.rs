//! The URL of a source. `rtsph` is what GStreamer calls RTSP in an HTTP tunnel.

use std::borrow::Cow;

/// Port of HTTP.
const HTTP_PORT: u16 = 80;

/// The URL that a player takes, and the port of the HTTP tunnel if the URL asks for one.
pub(super) fn source_url(url: &str) -> (Cow<'_, str>, Option<u16>) {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("rtsph") {
        return (Cow::Borrowed(url), None);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // The colons of an IPv6 address are in brackets.
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    let port = after.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    (Cow::Owned(format!("rtsp://{rest}")), Some(port.unwrap_or(HTTP_PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_is_at_the_port_of_the_url() {
        for (url, expected, port) in [
            ("rtsp://h:8554/a", "rtsp://h:8554/a", None),
            ("rtsps://u:p@h/a", "rtsps://u:p@h/a", None),
            ("rtsph://h/a:1", "rtsp://h/a:1", Some(80)),
            ("RTSPH://u:8@h/a", "rtsp://u:8@h/a", Some(80)),
            ("rtsph://h:8000/a", "rtsp://h:8000/a", Some(8000)),
            ("rtsph://u:8@[::1]:81/a?b", "rtsp://u:8@[::1]:81/a?b", Some(81)),
            ("rtsph://[fe80::1]", "rtsp://[fe80::1]", Some(80)),
            ("nothing", "nothing", None),
        ] {
            let (told, tunnel) = source_url(url);
            assert_eq!((&*told, tunnel), (expected, port), "{url}");
        }
    }
}
