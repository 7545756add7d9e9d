//! The `RTP-Info` header (RFC 2326 section 12.33): the first packet of each stream after PLAY.

use crate::wire::text::{OneLine, digits, strip_prefix_ignore_case, unquote};
use std::fmt;

/// Most entries that are read from one header.
const MAX_ENTRIES: usize = 64;

/// The entry of one stream in [`RtpInfo`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpInfoEntry<'a> {
    /// Control URL of the stream, as in SETUP.
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

/// Length of the first entry: it ends at a comma that is followed by `url=`.
fn next_entry(text: &str) -> usize {
    text.match_indices(',')
        .map(|(at, _)| at)
        .find(|&at| {
            let after = text.get(at + 1..).unwrap_or_default().trim_start();
            strip_prefix_ignore_case(after, "url=").is_some()
        })
        .unwrap_or(text.len())
}

impl<'a> RtpInfoEntry<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut entry = Self::default();
        let mut url = text.trim().trim_end_matches(',');
        // The parameters are taken from the end, since the URL may contain semicolons.
        while let Some((before, last)) = url.rsplit_once(';') {
            let last = last.trim();
            if let Some(seq) = strip_prefix_ignore_case(last, "seq=") {
                entry.seq = digits(seq.trim());
            } else if let Some(rtptime) = strip_prefix_ignore_case(last, "rtptime=") {
                entry.rtptime = digits(rtptime.trim());
            } else if let Some(ssrc) = strip_prefix_ignore_case(last, "ssrc=") {
                entry.ssrc = u32::from_str_radix(ssrc.trim(), 16).ok();
            } else if !last.is_empty() {
                break;
            }
            url = before;
        }
        let url = strip_prefix_ignore_case(url.trim(), "url=")?;
        entry.url = unquote(url.trim());
        Some(entry)
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
}
