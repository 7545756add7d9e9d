//! What comes of each track: its RTP and RTCP packets (RFC 3550 sections 5 and 6), and whether they
//! are those that RTSP has announced.

use super::Verdict;
use super::list::List;
use super::record::{Report, TrackRecord};
use riverrun::client::PlayStart;
use std::collections::BTreeSet;
use std::time::Duration;

/// Time within which a sender reports: 5 s, at most half as long again and divided by e - 1.5
/// (RFC 3550 section 6.3.1).
const REPORT_INTERVAL: Duration = Duration::from_millis(6_200);
/// Seconds by which the time of a report may be away from that of the packets: what a server sends
/// ahead, and what is on its way.
const TOLERANCE: f64 = 2.0;
/// Packets by which the count of a report may be away from those that have come before it.
const COUNT_TOLERANCE: u64 = 64;

/// Packets that may be lost over UDP before the first that comes.
const LOST_AT_FIRST: i32 = 64;

/// What RTSP says of a track.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) number: u32,
    pub(crate) payload_types: Vec<u8>,
    pub(crate) clock_rate: u32,
    pub(crate) ssrc: Option<u32>,
    pub(crate) start: Option<PlayStart>,
}

type Tracks<'a> = [(&'a Expected, &'a TrackRecord)];

/// Checks what has come in `duration`.
pub(super) fn check_media(list: &mut List, tracks: &Tracks<'_>, is_tcp: bool, duration: Duration) {
    let heard: Vec<_> = tracks.iter().filter(|(_, r)| r.packets > 0).copied().collect();
    list.must(
        heard.len() == tracks.len(),
        ("packets of each track come", "RFC 2326 10.5"),
        per_track(tracks, |_, record| format!("{} packets", record.packets)),
    );
    if heard.is_empty() {
        return;
    }
    packets(list, &heard, is_tcp);
    announcements(list, &heard, is_tcp);
    reports(list, &heard, duration);
}

/// RFC 3550 section 5.1.
fn packets(list: &mut List, heard: &Tracks<'_>, is_tcp: bool) {
    let none = |of: fn(&TrackRecord) -> u64| heard.iter().all(|(_, record)| of(record) == 0);
    list.must(
        none(|record| record.malformed),
        ("RTP packets are well formed", "RFC 3550 5.1"),
        per_track(heard, |_, record| format!("{} malformed", record.malformed)),
    );
    list.must(
        heard.iter().all(|(e, r)| r.payload_types.iter().all(|pt| e.payload_types.contains(pt))),
        ("payload types are those described", "RFC 2326 C.1.3, RFC 3550 5.1"),
        per_track(heard, |_, record| {
            record.payload_types.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
        }),
    );
    let is_whole = none(|record| record.missing) && none(|record| record.behind);
    let verdict = match (is_whole, is_tcp) {
        (true, _) => Verdict::Ok,
        // Over UDP it may be the network's.
        (false, false) => Verdict::Note,
        (false, true) => Verdict::Fail,
    };
    list.add(
        verdict,
        ("sequence numbers go up by one", "RFC 3550 5.1"),
        per_track(heard, |_, r| match (r.missing, r.behind) {
            (0, 0) => format!("{} in a row", r.packets),
            (missing, behind) => format!("{missing} missing, {behind} out of order"),
        }),
    );
}

/// What RTSP has announced.
fn announcements(list: &mut List, heard: &Tracks<'_>, is_tcp: bool) {
    let told = heard.iter().filter(|(expected, _)| expected.ssrc.is_some()).count();
    let is_same = heard.iter().all(|(expected, record)| {
        expected.ssrc.is_none_or(|ssrc| record.ssrcs.first() == Some(&ssrc))
    });
    let verdict = match (told == heard.len(), is_same) {
        (_, false) => Verdict::Fail,
        (true, true) => Verdict::Ok,
        (false, true) => Verdict::Note,
    };
    list.add(
        verdict,
        ("SSRC is the one in Transport", "RFC 2326 12.39"),
        per_track(heard, |expected, record| {
            let ssrcs: Vec<_> = record.ssrcs.iter().map(|ssrc| format!("{ssrc:08x}")).collect();
            let told =
                expected.ssrc.map_or_else(|| "none".to_owned(), |ssrc| format!("{ssrc:08x}"));
            format!("{}, announced {told}", ssrcs.join(" "))
        }),
    );
    let check = ("RTP-Info has the seq of the first packet", "RFC 2326 12.33");
    let differences: Vec<Option<i32>> = heard
        .iter()
        .map(|(expected, record)| {
            let seq = expected.start?.seq?;
            let first = record.first?;
            Some(i32::from(first.sequence.wrapping_sub(seq) as i16))
        })
        .collect();
    // Over UDP the first may be lost.
    let is_ok = |n: &i32| *n == 0 || !is_tcp && (1..=LOST_AT_FIRST).contains(n);
    announced(list, check, &differences, is_ok, |n| format!("{n:+} packets"), heard);
    let check = ("RTP-Info has the rtptime of the Range's start", "RFC 2326 12.33");
    let differences: Vec<Option<f64>> = heard
        .iter()
        .map(|(expected, record)| {
            let rtptime = expected.start?.rtptime?;
            let first = record.first?;
            let units = first.timestamp.wrapping_sub(rtptime) as i32;
            Some(f64::from(units) / f64::from(expected.clock_rate.max(1)))
        })
        .collect();
    let is_near = |seconds: &f64| seconds.abs() <= TOLERANCE;
    announced(list, check, &differences, is_near, |s| format!("{s:+.3} s"), heard);
}

/// Adds a check of the difference to what was announced, of each track.
fn announced<T>(
    list: &mut List,
    check: (&'static str, &'static str),
    differences: &[Option<T>],
    is_ok: impl Fn(&T) -> bool,
    text: impl Fn(&T) -> String,
    heard: &Tracks<'_>,
) {
    let known = || differences.iter().flatten();
    let verdict = match (known().all(is_ok), known().count() == differences.len()) {
        (false, _) => Verdict::Fail,
        (true, true) => Verdict::Ok,
        (true, false) => Verdict::Note,
    };
    let told = heard.iter().zip(differences).map(|((expected, _), difference)| {
        let text = difference.as_ref().map_or_else(|| "not announced".to_owned(), &text);
        format!("{}: {text}", expected.number)
    });
    list.add(verdict, check, told.collect::<Vec<_>>().join("; "));
}

/// RFC 3550 section 6.
fn reports(list: &mut List, heard: &Tracks<'_>, duration: Duration) {
    let reporting: Vec<_> = heard.iter().filter(|(_, r)| !r.reports.is_empty()).copied().collect();
    let is_complete = reporting.len() == heard.len();
    // What has come to its end reports no more.
    let is_missed = heard.iter().any(|(_, r)| r.reports.is_empty() && !r.has_bye);
    let verdict = match (is_complete, duration >= REPORT_INTERVAL && is_missed) {
        (true, _) => Verdict::Ok,
        (false, false) => Verdict::Note,
        (false, true) => Verdict::Fail,
    };
    list.add(
        verdict,
        ("a sender report of each track comes in 6.2 s", "RFC 3550 6.2, 6.3.1"),
        per_track(heard, |_, r| format!("{} in {:.1} s", r.reports.len(), duration.as_secs_f64())),
    );
    let compounds: u64 = heard.iter().map(|(_, record)| record.compounds).sum();
    if compounds > 0 {
        let count = |of: fn(&TrackRecord) -> u64| heard.iter().map(|(_, r)| of(r)).sum::<u64>();
        let without = (count(|r| r.without_report), count(|r| r.without_cname));
        list.must(
            without == (0, 0),
            ("RTCP begins with a report, and has a CNAME", "RFC 3550 6.1"),
            format!(
                "{compounds} packets, {} without report, {} without CNAME",
                without.0, without.1
            ),
        );
        let names: BTreeSet<_> = heard.iter().filter_map(|(_, r)| r.cname.as_deref()).collect();
        list.should(
            names.len() == 1,
            ("tracks have the same CNAME", "RFC 3550 6.5.1"),
            names.into_iter().collect::<Vec<_>>().join(", "),
        );
    }
    if reporting.is_empty() {
        return;
    }
    list.must(
        reporting.iter().all(|(_, r)| r.reports.iter().all(|s| r.ssrcs.contains(&s.ssrc))),
        ("sender reports have the SSRC of the packets", "RFC 3550 6.4.1"),
        per_track(&reporting, |_, r| {
            r.reports.last().map_or(String::new(), |report| format!("{:08x}", report.ssrc))
        }),
    );
    let worst = |expected: &Expected, record: &TrackRecord| {
        let of = |report: &Report| report.difference(expected.clock_rate);
        let differences = record.reports.iter().filter_map(of);
        differences.fold(None, |worst: Option<f64>, seconds| match worst {
            Some(worst) if worst.abs() >= seconds.abs() => Some(worst),
            _ => Some(seconds),
        })
    };
    let is_near = |seconds: Option<f64>| seconds.is_none_or(|seconds| seconds.abs() <= TOLERANCE);
    list.must(
        reporting.iter().all(|(expected, record)| is_near(worst(expected, record))),
        ("RTP times of reports are those of the packets", "RFC 3550 6.4.1"),
        per_track(&reporting, |expected, record| match worst(expected, record) {
            Some(seconds) => format!("{seconds:+.3} s"),
            None => "before the first packet".to_owned(),
        }),
    );
    rates(list, &reporting);
    // A shared stream was counted before this receiver came.
    let steps = |record: &TrackRecord| match (record.reports.first(), record.reports.last()) {
        (Some(first), Some(last)) => {
            let counted = last.info.packet_count.wrapping_sub(first.info.packet_count);
            u64::from(counted).abs_diff(last.packets - first.packets)
        }
        _ => 0,
    };
    list.should(
        reporting.iter().all(|(_, record)| steps(record) <= COUNT_TOLERANCE),
        ("reports count the packets that are sent", "RFC 3550 6.4.1"),
        per_track(&reporting, |_, record| {
            format!("{} reports, {} apart", record.reports.len(), steps(record))
        }),
    );
}

/// Whether the two clocks in the reports run at the same pace.
fn rates(list: &mut List, reporting: &Tracks<'_>) {
    let rate = |record: &TrackRecord| {
        let (first, last) = (record.reports.first()?, record.reports.last()?);
        let passed = last.info.ntp.to_unix().checked_sub(first.info.ntp.to_unix())?;
        let units = last.info.rtp_timestamp.wrapping_sub(first.info.rtp_timestamp);
        (passed >= Duration::from_secs(1)).then(|| f64::from(units) / passed.as_secs_f64())
    };
    let known: Vec<_> =
        reporting.iter().filter_map(|(expected, r)| Some((*expected, rate(r)?))).collect();
    if known.is_empty() {
        return;
    }
    let is_near = |(expected, rate): &(&Expected, f64)| {
        (rate / f64::from(expected.clock_rate.max(1)) - 1.0).abs() < 0.01
    };
    let told = known.iter().map(|(expected, rate)| format!("{}: {rate:.1} Hz", expected.number));
    list.must(
        known.iter().all(is_near),
        ("RTP and NTP times of reports run alike", "RFC 3550 6.4.1"),
        told.collect::<Vec<_>>().join("; "),
    );
}

/// A text for each track, with its number.
fn per_track(tracks: &Tracks<'_>, text: impl Fn(&Expected, &TrackRecord) -> String) -> String {
    let texts = tracks
        .iter()
        .map(|(expected, record)| format!("{}: {}", expected.number, text(expected, record)));
    texts.collect::<Vec<_>>().join("; ")
}
