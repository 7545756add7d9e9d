//! Lists of tokens: `Accept` (RFC 2326 section 12.1), `Require` (12.32), `Proxy-Require`.

use crate::wire::text::{parameter, split_unquoted};

/// The option tag of the back channel, by which a client sends audio to the server (ONVIF Streaming
/// Specification section 5.3.1).
pub const BACK_CHANNEL: &str = "www.onvif.org/ver20/backchannel";

/// Iterates over the elements of a comma-separated list, such as the option tags of `Require`;
/// empty elements are skipped.
pub fn words(value: &str) -> impl Iterator<Item = &str> {
    split_unquoted(value, ',').map(str::trim).filter(|word| !word.is_empty())
}

/// Iterates over the option tags of a `Require` header that are not in `supported`: the value of
/// `Unsupported` in a 551 response.
pub fn unsupported<'a>(value: &'a str, supported: &'a [&str]) -> impl Iterator<Item = &'a str> {
    words(value).filter(|tag| !supported.iter().any(|s| s.eq_ignore_ascii_case(tag)))
}

/// Returns whether an `Accept` header admits `media_type`, such as `application/sdp`.
pub fn accepts(value: &str, media_type: &str) -> bool {
    let (kind, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    words(value).any(|range| {
        let mut parts = split_unquoted(range, ';');
        let range = parts.next().unwrap_or_default().trim();
        let refused = parts.map(parameter).any(|(name, value)| {
            name.eq_ignore_ascii_case("q")
                && value.is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
        });
        let wild = |r: &str| {
            r.split_once('/')
                .is_some_and(|(k, s)| s == "*" && (k == "*" || k.eq_ignore_ascii_case(kind)))
        };
        !refused && (range == "*" || range.eq_ignore_ascii_case(media_type) || wild(range))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_knows_wildcards_and_refusals() {
        let sdp = "application/sdp";
        for yes in [
            "application/sdp",
            "application/rtsl, application/SDP;level=-2",
            "*/*",
            "application/*;q=0.5",
            "text/html, */*;q=0.1",
        ] {
            assert!(accepts(yes, sdp), "{yes}");
        }
        for no in ["", "text/html", "application/sdp;q=0", "text/*", "application"] {
            assert!(!accepts(no, sdp), "{no}");
        }
    }

    #[test]
    fn unknown_options_are_listed() {
        let tags: Vec<_> = unsupported("play.basic, funky-feature,,", &["Play.Basic"]).collect();
        assert_eq!(tags, ["funky-feature"]);
    }
}
