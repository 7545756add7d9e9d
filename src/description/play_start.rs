//! [`PlayStart`]: where the tracks of a session start, from the `RTP-Info` of a response to PLAY
//! (RFC 2326 section 12.33).

use super::{MediaSession, MediaSubsession};
use crate::wire::Oddities;
use crate::wire::rtsp::{RtpInfo, RtpInfoEntry};
use crate::wire::url::RtspUrl;

/// Packets by which the first that arrives may be away from the one that was announced.
const MAX_PACKETS: i32 = 3000;
/// Seconds by which the timestamp of the first packet may be away from the one that was announced.
const MAX_SECONDS: u32 = 10;

/// The packet with which a track starts after PLAY, as the server announces it. Many servers
/// announce what does not come: [`is_plausible`](Self::is_plausible) tells by the first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlayStart {
    /// Number of the subsession.
    pub number: usize,
    /// Sequence number of the first packet.
    pub seq: Option<u16>,
    /// RTP timestamp that corresponds to the start of the range.
    pub rtptime: Option<u32>,
    /// SSRC, if the server adds it.
    pub ssrc: Option<u32>,
}

impl PlayStart {
    /// The start of a track of which the server says nothing.
    pub(crate) const fn unknown(number: usize) -> Self {
        Self { number, seq: None, rtptime: None, ssrc: None }
    }

    /// Returns whether the announcement can be of a stream whose first packet is this one: the
    /// sequence number is at most 3,000 packets away, and the timestamp 10 seconds.
    pub fn is_plausible(&self, seq: u16, timestamp: u32, clock_rate: u32) -> bool {
        let packets = self.seq.map(|own| i32::from(seq.wrapping_sub(own) as i16));
        let units = self.rtptime.map(|own| timestamp.wrapping_sub(own) as i32);
        let limit = clock_rate.saturating_mul(MAX_SECONDS);
        packets.is_none_or(|packets| packets.abs() <= MAX_PACKETS)
            && units.is_none_or(|units| units.unsigned_abs() <= limit)
    }
}

impl MediaSession {
    /// Assigns the entries of an `RTP-Info` header to the subsessions that are set up, of which
    /// `is_set_up` tells.
    ///
    /// An entry belongs to the subsession that has its URL; else to the only one whose URL ends as
    /// it does, or whose path it has on another host. If entries remain, and as many subsessions,
    /// they belong together in their order. Others are left out, and what is odd is told to `odd`.
    pub fn play_starts(
        &self,
        rtp_info: &str,
        is_set_up: impl Fn(&MediaSubsession) -> bool,
        odd: &mut Oddities,
    ) -> Vec<PlayStart> {
        let mut entries = RtpInfo::parse(rtp_info).entries;
        if entries.is_empty() {
            odd.note("there is no RTP-Info");
        }
        let mut tracks: Vec<_> = self.subsessions.iter().filter(|s| is_set_up(s)).collect();
        let mut starts = Vec::new();
        let base = &self.control_url;
        let tests: [fn(&str, &str, &str) -> bool; 3] = [is_equal, is_equal_path, is_suffix];
        for (n, is_same) in tests.into_iter().enumerate() {
            entries.retain(|entry| {
                let mut same = (0..tracks.len()).filter(|&at| {
                    tracks.get(at).is_some_and(|t| is_same(entry.url, &t.control_url, base))
                });
                // Of several with the same URL the first is meant, of several that end alike none.
                let Some(at) = same.next().filter(|_| n == 0 || same.next().is_none()) else {
                    return true;
                };
                if n > 0 {
                    odd.note(format_args!("RTP-Info: url={}", entry.url));
                }
                starts.push(start(tracks.remove(at), entry));
                false
            });
        }
        if !entries.is_empty() {
            odd.note(format_args!("RTP-Info: {rtp_info}"));
            if entries.len() == tracks.len() {
                starts.extend(tracks.into_iter().zip(&entries).map(|(t, entry)| start(t, entry)));
            }
        }
        starts.sort_by_key(|start| start.number);
        starts
    }
}

fn start(track: &MediaSubsession, entry: &RtpInfoEntry<'_>) -> PlayStart {
    let RtpInfoEntry { seq, rtptime, ssrc, .. } = *entry;
    PlayStart { number: track.number, seq, rtptime, ssrc }
}

/// Whether a URL, absolute or relative to the base, is that of a track.
fn is_equal(url: &str, track: &str, base: &str) -> bool {
    let Ok(track_url) = RtspUrl::parse(track) else { return false };
    if let Ok(url) = RtspUrl::parse(url) {
        return url.host.eq_ignore_ascii_case(track_url.host)
            && url.port() == track_url.port()
            && has_path(&url, &track_url);
    }
    let relative = without_slashes(url);
    let rest = without_slashes(track).strip_prefix(without_slashes(base));
    !relative.is_empty() && rest.is_some_and(|rest| without_slashes(rest) == relative)
}

/// Whether a URL has the path of a track, on whatever host.
fn is_equal_path(url: &str, track: &str, _base: &str) -> bool {
    match (RtspUrl::parse(url), RtspUrl::parse(track)) {
        (Ok(url), Ok(track)) => has_path(&url, &track),
        (Err(_), Ok(track)) if url.starts_with('/') => {
            without_slashes(&track.path.to_string()) == without_slashes(url)
        }
        _ => false,
    }
}

/// Whether the URL of a track ends as another does, by whole segments.
fn is_suffix(url: &str, track: &str, _base: &str) -> bool {
    let last = |url: &str| {
        let url = without_slashes(url);
        url.rsplit_once('/').map_or(url, |(_, last)| last).to_owned()
    };
    let name = last(url);
    !name.is_empty() && name.eq_ignore_ascii_case(&last(track))
}

fn has_path(a: &RtspUrl<'_>, b: &RtspUrl<'_>) -> bool {
    without_slashes(&a.path.to_string()) == without_slashes(&b.path.to_string())
}

fn without_slashes(text: &str) -> &str {
    text.trim_matches('/')
}
