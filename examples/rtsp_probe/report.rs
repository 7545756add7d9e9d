//! What a probe has found out, as text for people: aligned, and short.

use crate::check::{Check, Checked};
use crate::findings::Findings;
use crate::track::TrackFindings;
use riverrun::codec::CodecParameters;
use riverrun::wire::Oddities;
use std::fmt::Write as _;
use std::time::Duration;

/// Width of the column of labels.
const LABELS: usize = 14;
/// Longest value of a parameter set that is written out, in bytes.
const LONGEST_SET: usize = 64;

/// Lines of a label and a value each.
struct Page(String);

impl Page {
    fn title(&mut self, text: &str) {
        self.0.push_str(&one_line(text));
        self.0.push('\n');
    }

    /// A line; none if there is no value.
    fn line(&mut self, label: &str, value: impl AsRef<str>) {
        let value = one_line(value.as_ref());
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(self.0, "  {label:LABELS$}{value}");
        }
    }

    /// A line that belongs to the one before.
    fn detail(&mut self, label: &str, value: impl AsRef<str>) {
        self.line(&format!("  {label}"), value);
    }
}

/// A text of a server's without what moves a terminal's cursor.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Joins what there is.
fn list(parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// What was found out of a presentation.
pub(crate) fn found(found: &Findings) -> String {
    let mut page = Page(String::new());
    page.title(&found.url);
    let server = [found.server.software.clone(), found.peer.map(|peer| format!("at {peer}"))];
    page.line("server", server.into_iter().flatten().collect::<Vec<_>>().join(" "));
    page.line("methods", found.server.methods.join(", "));
    page.line("session", session(found));
    page.line("transport", found.transport().map(|t| t.to_string()).unwrap_or_default());
    for attempt in &found.attempts {
        page.detail("before", attempt);
    }
    page.line("times", times(found));
    oddities(&mut page, &found.odd);
    if found.skipped > 0 {
        page.line("skipped", format!("{} bytes between messages", found.skipped));
    }
    for track in &found.tracks {
        describe(&mut page, track);
    }
    page.0
}

fn session(found: &Findings) -> String {
    let Some(media) = &found.media else { return String::new() };
    let name = Some(format!("{:?}", media.name)).filter(|_| !media.name.trim().is_empty());
    let duration = media.duration().map(|d| format!("{:.3} s", d.as_secs_f64()));
    let time_out = found.server.session_timeout.map(|t| format!("time-out {} s", t.as_secs()));
    let tool = media.tool.as_ref().map(|tool| format!("made by {tool}"));
    let ended = found.has_ended.then(|| "came to its end".to_owned());
    list([name, duration.or_else(|| Some("without an end".to_owned())), time_out, tool, ended])
}

fn times(found: &Findings) -> String {
    let time = |what: &str, time: Option<Duration>| Some(format!("{what} {}", millis(time?)));
    list([
        time("connected", found.connected),
        time("described", found.described),
        time("plays", found.playing),
        time("first frame", found.first_frame()),
        time("first key frame", found.first_key_frame()),
    ])
}

fn oddities(page: &mut Page, odd: &Oddities) {
    for line in odd.iter() {
        page.line("odd", line);
    }
    if odd.omitted() > 0 {
        page.line("odd", format!("and {} more", odd.omitted()));
    }
}

fn describe(page: &mut Page, track: &TrackFindings) {
    let described = &track.described;
    let format = &described.format;
    let channels = format.channels.map(|n| format!("{n} channels"));
    let kind = Some(format!("{} {}", described.kind, format.encoding_name));
    let payload_type = Some(format!("payload type {}", format.payload_type));
    let rate = Some(format!("{} Hz", format.clock_rate));
    let raw = described.is_raw.then(|| "an unknown format".to_owned());
    let back = described.is_back_channel.then(|| "a back channel".to_owned());
    let parts = [kind, payload_type, rate, channels, raw, back];
    page.line(&format!("track {}", described.number), list(parts));
    page.detail("picture", picture(track));
    page.detail("sound", sound(track));
    if let Some((_, why)) = &track.failure {
        page.detail("failed", why);
    }
    if track.transport.is_some() {
        page.detail("received", received(track));
        page.detail("packets", packets(track));
        page.detail("clock", clock(track));
    }
    for (name, sets) in parameter_sets(&track.parameters()) {
        for set in sets {
            page.detail(name, hex(&set));
        }
    }
}

fn picture(track: &TrackFindings) -> String {
    let described = &track.described;
    let facts = track.video();
    let size = facts.as_ref().map(|f| (f.width, f.height)).or(described.dimensions);
    let stated = facts.as_ref().and_then(|f| f.frame_rate).or(described.frame_rate);
    let profile = facts.as_ref().map(|f| match f.profile {
        Some(name) => format!("{name} profile"),
        None => format!("profile {}", f.profile_idc),
    });
    let level = facts.as_ref().map(|f| {
        let tier = if f.high_tier { ", high tier" } else { "" };
        format!("level {}{tier}", f.level)
    });
    let coding = facts.as_ref().map(|f| format!("{} {} bits", f.chroma, f.bit_depth));
    list([
        size.map(|(width, height)| format!("{width}x{height}")),
        stated.map(|rate| format!("{rate:.2} frames/s")),
        profile,
        level,
        coding,
    ])
}

fn sound(track: &TrackFindings) -> String {
    let Some(facts) = track.audio() else { return String::new() };
    let channels = if facts.channels == 1 { "channel" } else { "channels" };
    let rate = Some(format!("{} Hz", facts.sampling_rate));
    list([facts.coding, rate, Some(format!("{} {channels}", facts.channels))])
}

fn received(track: &TrackFindings) -> String {
    let keys = (track.described.kind.as_str() == "video").then_some(track.key_frames);
    let keys = keys.map(|keys| format!(" ({keys} key)")).unwrap_or_default();
    list([
        Some(format!("{} frames{keys}", track.frames)),
        (track.damaged > 0).then(|| format!("{} damaged", track.damaged)),
        track.frame_rate().map(|rate| format!("{rate:.2} frames/s")),
        track.bit_rate().map(|rate| format!("{:.1} kbit/s", rate as f64 / 1000.0)),
    ])
}

fn packets(track: &TrackFindings) -> String {
    let r = &track.reception;
    list([
        Some(format!("{} packets", r.packets)),
        Some(format!("{} lost", r.lost)),
        (r.late > 0).then(|| format!("{} late", r.late)),
        (r.rejected > 0).then(|| format!("{} refused", r.rejected)),
        Some(format!("jitter {}", millis(r.jitter))),
        r.round_trip.map(|trip| format!("round trip {}", millis(trip))),
        r.ssrc.map(|ssrc| format!("SSRC {ssrc:08x}")),
    ])
}

fn clock(track: &TrackFindings) -> String {
    let r = &track.reception;
    let heard = match (r.reports, track.synchronized) {
        (0, _) => "no RTCP came",
        (_, true) => "synchronised by RTCP",
        (_, false) => "RTCP came, not synchronised",
    };
    let reports = (r.reports > 0).then(|| format!("{} reports", r.reports));
    list([Some(heard.to_owned()), reports, r.cname.as_ref().map(|name| format!("CNAME {name}"))])
}

/// The parameter sets of a codec, by kind.
pub(crate) fn parameter_sets(parameters: &CodecParameters) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let of = |name, sets: &[bytes::Bytes]| (name, sets.iter().map(|set| set.to_vec()).collect());
    match parameters {
        CodecParameters::H264 { sps, pps } => vec![of("sps", sps), of("pps", pps)],
        CodecParameters::H265 { vps, sps, pps } => {
            vec![of("vps", vps), of("sps", sps), of("pps", pps)]
        }
        CodecParameters::Aac { config, .. } => vec![("config", vec![config.to_vec()])],
        _ => Vec::new(),
    }
}

/// The beginning of a parameter set.
fn hex(bytes: &[u8]) -> String {
    let shown = bytes.get(..LONGEST_SET).unwrap_or(bytes);
    let mut text = hex_digits(shown);
    if shown.len() < bytes.len() {
        let _ = write!(text, "... ({} bytes)", bytes.len());
    }
    text
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex_digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The list of checks, a line each, and how many there are of each kind.
pub(crate) fn checked(checked: &Checked) -> String {
    let width = |of: fn(&Check) -> usize| checked.checks.iter().map(of).max().unwrap_or(0);
    let what = width(|check| check.what.chars().count());
    let section = width(|check| check.section.chars().count());
    let mut text = format!("{}\n", one_line(&checked.url));
    for check in &checked.checks {
        let verdict = check.verdict.as_str();
        let line = format!(
            "  {verdict:4}  {:what$}  {:section$}  {}",
            check.what,
            check.section,
            one_line(&check.seen)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let (ok, failed, notes) = checked.counts();
    let _ = writeln!(text, "  {ok} ok, {failed} failed, {notes} noted");
    text
}
