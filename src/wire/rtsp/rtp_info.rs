//! The `RTP-Info` header (RFC 2326 section 12.33): the first packet of each stream after PLAY.

use super::transport::ssrc;
use crate::wire::text::{OneLine, digits, strip_prefix_ignore_case, unquote};
use std::fmt;

/// Most entries that are read from one header.
const MAX_ENTRIES: usize = 64;

/// The entry of one stream in [`RtpInfo`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtpInfoEntry<'a> {
    /// Control URL of the stream, as in SETUP; empty if the entry has none.
    pub url: &'a str,
    /// Sequence number of the first packet.
    pub seq: Option<u16>,
    /// RTP timestamp that corresponds to the start of the range.
    pub rtptime: Option<u32>,
    /// SSRC of the stream, in hexadecimal as in `Transport`. RFC 2326 does not define this
    /// parameter; many clients read it, and others ignore it.
    pub ssrc: Option<u32>,
}

/// The `RTP-Info` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the header is a list")]
pub struct RtpInfo<'a> {
    /// One entry for each stream.
    pub entries: Vec<RtpInfoEntry<'a>>,
}

impl<'a> RtpInfo<'a> {
    /// Parses an `RTP-Info` header. Nothing is an error: malformed entries and parameters are
    /// skipped, since servers deviate so much that a client must not depend on the header. URLs may
    /// contain commas and semicolons.
    pub fn parse(value: &'a str) -> Self {
        let mut entries = Vec::new();
        let mut rest = value.trim();
        while !rest.is_empty() && entries.len() < MAX_ENTRIES {
            let end = next_entry(rest);
            let (entry, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            entries.extend(RtpInfoEntry::parse(entry));
            rest = after.trim_start_matches([',', ' ', '\t']);
        }
        Self { entries }
    }
}

/// Length of the first entry: it ends at a comma that is followed by a parameter.
fn next_entry(text: &str) -> usize {
    text.match_indices(',')
        .map(|(at, _)| at)
        .find(|&at| {
            let after = text.get(at + 1..).unwrap_or_default().trim_start();
            ["url=", "seq=", "rtptime="]
                .iter()
                .any(|name| strip_prefix_ignore_case(after, name).is_some())
        })
        .unwrap_or(text.len())
}

impl<'a> RtpInfoEntry<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut entry = Self::default();
        let mut url = text.trim().trim_end_matches(',');
        let mut has_parameters = false;
        // Parameters in front of the URL.
        while let Some((first, after)) = url.split_once(';') {
            if !entry.set(first) {
                break;
            }
            has_parameters = true;
            url = after.trim_start();
        }
        // The others are taken from the end, since the URL may contain semicolons.
        while let Some((before, last)) = url.rsplit_once(';') {
            if !last.trim().is_empty() && !entry.set(last) {
                break;
            }
            has_parameters |= !last.trim().is_empty();
            url = before;
        }
        let url = url.trim();
        entry.url = match strip_prefix_ignore_case(url, "url=") {
            Some(url) => unquote(url.trim()),
            None if entry.set(url) => "",
            // Without its name.
            None if has_parameters => unquote(url),
            None => return None,
        };
        Some(entry)
    }

    /// Takes a parameter other than `url`; false if it is none.
    fn set(&mut self, parameter: &str) -> bool {
        let value = |name| strip_prefix_ignore_case(parameter.trim(), name).map(str::trim);
        if let Some(seq) = value("seq=") {
            self.seq = digits(seq);
        } else if let Some(rtptime) = value("rtptime=") {
            self.rtptime = digits(rtptime);
        } else if let Some(text) = value("ssrc=") {
            self.ssrc = ssrc(text);
        } else {
            return false;
        }
        true
    }
}

impl fmt::Display for RtpInfoEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "url={}", OneLine(self.url))?;
        if let Some(seq) = self.seq {
            write!(f, ";seq={seq}")?;
        }
        if let Some(rtptime) = self.rtptime {
            write!(f, ";rtptime={rtptime}")?;
        }
        match self.ssrc {
            Some(ssrc) => write!(f, ";ssrc={ssrc:08X}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RtpInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.entries.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{entry}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;

    #[test]
    fn what_is_written_is_read() {
        let mut random = Random::new(7);
        for _ in 0..300 {
            let urls: Vec<_> = (0..random.below(5))
                .map(|_| format!("rtsp://h/{},a;b/{}", random.word(8), random.word(8)))
                .collect();
            let entries = urls
                .iter()
                .map(|url| RtpInfoEntry {
                    url,
                    seq: random.option(Random::u16),
                    rtptime: random.option(Random::u32),
                    ssrc: random.option(Random::u32),
                })
                .collect();
            let info = RtpInfo { entries };
            assert_eq!(RtpInfo::parse(&info.to_string()), info);
        }
    }

    #[test]
    fn servers_are_inventive() {
        let info = RtpInfo::parse(
            "url=rtsp://h/a/track1;seq=1;rtptime=2;ssrc=AB, URL=track2 ; rtptime=99999999999 ; seq=7;,",
        );
        assert_eq!(info.entries.len(), 2);
        assert_eq!(info.entries[0].rtptime, Some(2));
        assert_eq!(info.entries[0].ssrc, Some(0xab));
        let second = RtpInfoEntry { url: "track2", seq: Some(7), ..RtpInfoEntry::default() };
        assert_eq!(info.entries[1], second);
        assert_eq!(RtpInfo::parse(",,,;;;").entries, []);
    }

    #[test]
    fn the_url_may_lack_and_stand_anywhere() {
        let entry = |url, seq, rtptime| RtpInfoEntry { url, seq: Some(seq), rtptime, ssrc: None };
        for (text, expected) in [
            ("seq=1;rtptime=2", vec![entry("", 1, Some(2))]),
            ("rtsp://h/a;seq=1;rtptime=-1;", vec![entry("rtsp://h/a", 1, None)]),
            (
                "seq=1;rtptime=2;url=a, seq=3 ; rtptime=4294967296;url=b;c",
                vec![entry("a", 1, Some(2)), entry("b;c", 3, None)],
            ),
            ("rtptime=7;url=\"a\";seq=1", vec![entry("a", 1, Some(7))]),
        ] {
            assert_eq!(RtpInfo::parse(text).entries, expected, "{text}");
        }
        assert_eq!(RtpInfo::parse("rtsp://h/a").entries, []);
        assert_eq!(RtpInfo::parse("url=a").entries[0].url, "a");
    }
}
