//! Tests of [`RtcpInstance`]: what it writes and reads, byte by byte.

use super::*;
use crate::rtp::testing::{Random, ms, some_instant};
use std::time::Instant;

mod feedback;

const OURS: u32 = 0x1111_2222;
const THEIRS: u32 = 0x3333_4444;
/// 2026-01-01 00:00:00.25 UTC.
const NTP: NtpTime = NtpTime(0xED00_5000_4000_0000);

fn config() -> RtcpConfig {
    RtcpConfig { cname: "abc".into(), ..RtcpConfig::default() }
}

fn sender(now: Instant) -> RtcpInstance {
    RtcpInstance::new(config(), OURS, now, 7)
}

const fn facts(packet_count: u32) -> SenderFacts {
    SenderFacts { rtp_timestamp_now: 0x0102_0304, packet_count, octet_count: 0x0a0b }
}

/// Words in network byte order.
fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn block(fraction: u8, lost: i32, last_sr: u32, delay: u32) -> [u32; 6] {
    let loss = u32::from(fraction) << 24 | (lost as u32 & 0xff_ffff);
    [OURS, loss, 0x0001_0009, 77, last_sr, delay]
}

fn receiver_report(block: [u32; 6]) -> Vec<u8> {
    let mut packet = words(&[0x81c9_0007, THEIRS]);
    packet.extend(words(&block));
    packet
}

/// SDES with the CNAME `abc`: 2 + 3 octets of item, and zeros to the end of the word.
fn description() -> Vec<u8> {
    let mut packet = words(&[0x81ca_0003, OURS]);
    packet.extend(b"\x01\x03abc\0\0\0");
    packet
}

/// What the last packet said of our stream.
fn events(rtcp: &mut RtcpInstance) -> Vec<RtcpEvent> {
    std::iter::from_fn(|| rtcp.poll_event()).collect()
}

/// Lets the instance write the report that is due next.
fn next_report(rtcp: &mut RtcpInstance, facts: Option<SenderFacts>) -> (Instant, Vec<u8>) {
    let mut out = Vec::new();
    for _ in 0..100 {
        let now = rtcp.poll_timeout().unwrap();
        rtcp.handle_timeout(now, 1);
        if rtcp.poll_report(now, NTP, facts, &mut out) {
            return (now, out);
        }
        assert!(rtcp.poll_timeout().unwrap() > now, "no busy loop");
    }
    panic!("never due");
}

#[test]
fn sender_report_says_what_it_is_told() {
    let start = some_instant();
    let mut rtcp = sender(start);
    let mut out = b"left alone".to_vec();
    assert!(!rtcp.poll_report(start, NTP, Some(facts(1)), &mut out), "not due");
    assert_eq!(out, b"left alone");

    let (at, out) = next_report(&mut rtcp, Some(facts(9)));
    assert!(at > start + ms(1000) && at < start + ms(3100));
    let mut expected =
        words(&[0x80c8_0006, OURS, 0xED00_5000, 0x4000_0000, 0x0102_0304, 9, 0x0a0b]);
    expected.extend(description());
    assert_eq!(out, expected);
    assert!(!rtcp.poll_report(at, NTP, Some(facts(9)), &mut Vec::new()), "once");
    assert!(rtcp.poll_timeout().unwrap() > at + ms(2000));
}

#[test]
fn sender_that_falls_silent_becomes_a_receiver_and_a_sender_again() {
    let mut rtcp = sender(some_instant());
    let mut kind = |count| next_report(&mut rtcp, Some(facts(count))).1[1];
    // It has sent since the last report or the one before that, or not.
    let counts =
        [(5, 200), (9, 200), (9, 200), (9, 201), (9, 201), (10, 200), (10, 200), (10, 201)];
    for (i, (count, packet_type)) in counts.into_iter().enumerate() {
        assert_eq!(kind(count), packet_type, "report {i}");
    }
}

/// Lets a receiver write the report that is due next, with these blocks.
fn next_receiver_report(rtcp: &mut RtcpInstance, blocks: &[ReportBlock]) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..100 {
        let now = rtcp.poll_timeout().unwrap();
        rtcp.handle_timeout(now, 1);
        if rtcp.poll_report_with(now, NTP, None, |_| blocks.iter().copied(), &mut out) {
            return out;
        }
    }
    panic!("never due");
}

#[test]
fn receiver_report_carries_its_blocks() {
    let mut rtcp =
        RtcpInstance::new(RtcpConfig { is_sender: false, ..config() }, OURS, some_instant(), 7);
    let block = ReportBlock {
        ssrc: THEIRS,
        fraction_lost: 64,
        cumulative_lost: -2,
        highest_sequence: 0x0001_0005,
        jitter: 3,
        last_sr: 4,
        delay_since_last_sr: 5,
    };
    let out = next_receiver_report(&mut rtcp, &[block]);
    let mut expected = words(&[0x81c9_0007, OURS, THEIRS, 0x40ff_fffe, 0x0001_0005, 3, 4, 5]);
    expected.extend(description());
    assert_eq!(out, expected);
    let out = next_receiver_report(&mut rtcp, &[]);
    assert_eq!(out[..8], words(&[0x80c9_0001, OURS]), "blocks are told once");
    let out = next_receiver_report(&mut rtcp, &[block; 40]);
    assert_eq!(out[0], 0x9f, "31 blocks");
    assert_eq!(out.len(), 8 + 31 * 24 + description().len());
}

/// A block belongs to the report that it is made for: if the report is put off (6.3.6), no block is
/// made, or the next report would tell of an interval that is over.
#[test]
fn no_block_is_made_for_a_report_that_is_put_off() {
    let start = some_instant();
    let config = RtcpConfig { is_sender: false, session_bandwidth_bps: 64_000, ..config() };
    let mut rtcp = RtcpInstance::new(config, OURS, start, 7);
    let (mut asked, mut put_off, mut out) = (0, 0, Vec::new());
    for _ in 0..50 {
        let now = rtcp.poll_timeout().unwrap();
        // A hundred have come since the interval was drawn: it grows.
        rtcp.handle_timeout(now, 100);
        let blocks = |_| {
            asked += 1;
            Some(ReportBlock { ssrc: THEIRS, ..ReportBlock::default() })
        };
        if rtcp.poll_report_with(now, NTP, None, blocks, &mut out) {
            break;
        }
        put_off += 1;
    }
    assert!(put_off > 0 && !out.is_empty());
    assert_eq!(asked, 1);
    assert_eq!(out[0], 0x81, "one block");
}

#[test]
fn bye_ends_it() {
    let mut rtcp = sender(some_instant());
    let mut out = Vec::new();
    assert!(!rtcp.bye(NTP, Some(facts(0)), None, &mut out), "nobody has heard of us");
    assert!(rtcp.bye(NTP, Some(facts(1)), Some("gone"), &mut out));
    let at = 28 + description().len();
    let mut bye = words(&[0x81cb_0003, OURS]);
    bye.extend(b"\x04gone\0\0\0");
    assert_eq!(out[at..], bye);
    assert_eq!(rtcp.poll_timeout(), None);
    let len = out.len();
    assert!(!rtcp.bye(NTP, Some(facts(1)), None, &mut out), "once");
    rtcp.report_now(NTP, Some(facts(1)), &mut out);
    assert_eq!(out.len(), len);
}

#[test]
fn bye_to_one_of_several_ends_nothing() {
    let mut rtcp = sender(some_instant());
    let mut out = Vec::new();
    rtcp.bye_for_now(NTP, Some(facts(0)), &mut out);
    assert!(out.is_empty(), "nobody has heard of us");
    rtcp.bye_for_now(NTP, Some(facts(1)), &mut out);
    assert_eq!(out[28 + description().len()..], words(&[0x81cb_0001, OURS]));
    assert!(rtcp.poll_timeout().is_some());
    assert!(!next_report(&mut rtcp, Some(facts(1))).1.is_empty());
}

#[test]
fn long_texts_are_cut_to_what_fits() {
    let config = RtcpConfig { cname: "é".repeat(300), ..config() };
    let mut rtcp = RtcpInstance::new(config, OURS, some_instant(), 7);
    let mut out = Vec::new();
    assert!(rtcp.bye(NTP, Some(facts(1)), Some(&"ü".repeat(300)), &mut out));
    let mut other = RtcpInstance::new(self::config(), THEIRS, some_instant(), 7);
    let outcome = other.handle_packet(&out, 1, some_instant(), NTP);
    assert!(outcome.valid && outcome.bye == Some(OURS));
    let cname = outcome.cname.unwrap();
    assert!(cname.len() <= 255 && cname.starts_with("ééé"));
    assert_eq!(out.len() % 4, 0);
}

#[test]
fn app_goes_and_comes() {
    let now = some_instant();
    let (mut a, mut b) = (sender(now), RtcpInstance::new(config(), THEIRS, now, 7));
    let mut out = Vec::new();
    a.app(NTP, None, 5, *b"test", b"12345678", &mut out).unwrap();
    let outcome = b.handle_packet(&out, 1, now, NTP);
    let app = App { ssrc: OURS, subtype: 5, name: *b"test", data: b"12345678".to_vec() };
    assert_eq!(outcome.app, Some(app));
    assert_eq!(outcome.cname.as_deref(), Some("abc"));
    for (subtype, data) in [(32, &b"1234"[..]), (0, b"123"), (0, &[0; 2000])] {
        assert!(a.app(NTP, None, subtype, *b"test", data, &mut out).is_err());
    }
}

#[test]
fn receiver_reports_become_statistics() {
    let now = some_instant();
    let mut rtcp = sender(now);
    // LSR is the middle of an SR of a second before; half a second passed at the receiver.
    let last_sr = NtpTime(NTP.0 - (1 << 32)).middle();
    let packet = receiver_report(block(64, -3, last_sr, 0x8000));
    let outcome = rtcp.handle_packet(&packet, 42, now, NTP);
    assert!(outcome.valid && outcome.is_receiver_report);
    assert!(outcome.bye.is_none() && !outcome.collision);
    let expected = ReceptionStatistics {
        reporter: THEIRS,
        fraction_lost: 64,
        cumulative_lost: -3,
        highest_sequence: 0x0001_0009,
        // 77 units of 1/90,000 s.
        jitter: Duration::from_nanos(855_555),
        round_trip: Some(ms(500)),
        last_report_at: now,
        reports: 1,
    };
    assert_eq!(rtcp.statistics(42), Some(&expected));
    let event = RtcpEvent::ReceptionReport { from: 42, statistics: expected };
    assert_eq!(events(&mut rtcp), [event]);
    assert!((expected.lost_share() - 0.25).abs() < 1e-9);
    assert_eq!(rtcp.statistics(43), None);

    // A report that has seen no SR keeps the round trip that is known.
    let packet = receiver_report(block(0, 1, 0, 0));
    rtcp.handle_packet(&packet, 42, now + ms(5), NTP);
    let statistics = rtcp.statistics(42).unwrap();
    assert_eq!((statistics.reports, statistics.round_trip), (2, Some(ms(500))));
    assert_eq!(statistics.last_report_at, now + ms(5));

    rtcp.remove_destination(42);
    assert_eq!(rtcp.statistics(42), None);
    assert_eq!(rtcp.counters().received, 2);
}

#[test]
fn blocks_about_others_are_none_of_ours() {
    let now = some_instant();
    let mut rtcp = sender(now);
    let mut about_other = block(1, 1, 0, 0);
    about_other[0] = 99;
    let outcome = rtcp.handle_packet(&receiver_report(about_other), 1, now, NTP);
    assert!(outcome.is_receiver_report, "but it is alive");
    assert_eq!(events(&mut rtcp), []);
    assert_eq!(rtcp.statistics(1), None);
}

#[test]
fn round_trips_are_plausible_or_none() {
    let trip = |last_sr, delay| {
        let b = ReportBlock { last_sr, delay_since_last_sr: delay, ..ReportBlock::default() };
        reception::round_trip(NTP, &b)
    };
    let now = NTP.middle();
    assert_eq!(trip(0, 0), None, "no SR seen");
    assert_eq!(trip(now, 0), Some(ms(0)));
    assert_eq!(trip(now, 2), Some(ms(0)), "rounding");
    assert_eq!(trip(now, 0x1_0000), None, "held longer than it can have had it");
    assert_eq!(trip(now.wrapping_sub(0x1_4000), 0x1_0000), Some(ms(250)));
    assert_eq!(trip(now.wrapping_sub(0x7000_0000), 0), None, "hours");
    // RFC 3550, figure 2: A = 0xb7108000, LSR = 0xb7052000, DLSR = 5.25 s; 6.125 s.
    let b = ReportBlock {
        last_sr: 0xb705_2000,
        delay_since_last_sr: 0x0005_4000,
        ..ReportBlock::default()
    };
    let arrival = NtpTime(0xb710_8000 << 16);
    assert_eq!(reception::round_trip(arrival, &b), Some(ms(6125)));
}

#[test]
fn sender_report_of_another_is_handed_on() {
    let now = some_instant();
    let mut rtcp = RtcpInstance::new(RtcpConfig { is_sender: false, ..config() }, OURS, now, 7);
    let packet = words(&[0x80c8_0006, THEIRS, 1, 2, 3, 4, 5]);
    let outcome = rtcp.handle_packet(&packet, 1, now, NTP);
    let info = SenderInfo {
        ntp: NtpTime(0x1_0000_0002),
        rtp_timestamp: 3,
        packet_count: 4,
        octet_count: 5,
    };
    let report = SenderReport { ssrc: THEIRS, info };
    assert_eq!(outcome.sender_report, Some(report));
    assert!(!outcome.is_receiver_report);
    assert_eq!(rtcp.members(), 2);
}

#[test]
fn bye_counts_only_for_him_who_says_it() {
    let now = some_instant();
    let mut rtcp = sender(now);
    let report = receiver_report(block(0, 0, 0, 0));
    rtcp.handle_packet(&report, 1, now, NTP);
    let with = |bye: &[u32]| [report.clone(), words(bye)].concat();
    let mut bye = |words: &[u32]| {
        let outcome = rtcp.handle_packet(&with(words), 1, now, NTP);
        (outcome.bye, rtcp.statistics(1).is_some())
    };
    assert_eq!(bye(&[0x81cb_0001, OURS]), (None, true));
    assert_eq!(bye(&[0x80cb_0000]), (None, true));
    assert_eq!(bye(&[0x82cb_0002, 9, THEIRS]), (Some(THEIRS), false));
}

#[test]
fn bye_of_the_sender_names_its_ssrc_and_needs_no_report_where_none_is_asked_for() {
    let now = some_instant();
    let config = RtcpConfig { is_sender: false, reduced_size: true, ..config() };
    let mut rtcp = RtcpInstance::new(config, OURS, now, 7);
    let bye = words(&[0x81cb_0001, THEIRS]);
    assert_eq!(rtcp.handle_packet(&bye, 1, now, NTP).bye, None, "nobody knows it");
    rtcp.handle_packet(&words(&[0x80c8_0006, THEIRS, 1, 2, 3, 4, 5]), 1, now, NTP);
    assert_eq!(rtcp.members(), 2);
    let other = words(&[0x81cb_0001, 99]);
    assert_eq!(rtcp.handle_packet(&other, 1, now, NTP).bye, None);
    assert_eq!(rtcp.handle_packet(&bye, 1, now, NTP).bye, Some(THEIRS));
    assert_eq!(rtcp.members(), 1);
}

#[test]
fn own_ssrc_from_others_is_a_collision_and_from_us_a_loop() {
    let now = some_instant();
    let mut rtcp = sender(now);
    let mut report = Vec::new();
    rtcp.report_now(NTP, Some(facts(1)), &mut report);
    let outcome = rtcp.handle_packet(&report, 1, now, NTP);
    assert!(!outcome.collision && outcome.sender_report.is_none());
    let mut stranger =
        RtcpInstance::new(RtcpConfig { cname: "stranger".into(), ..config() }, OURS, now, 7);
    report.clear();
    stranger.report_now(NTP, Some(facts(1)), &mut report);
    assert!(rtcp.handle_packet(&report, 1, now, NTP).collision);
    rtcp.change_ssrc(5);
    assert!(!rtcp.handle_packet(&report, 1, now, NTP).collision);
    assert_eq!(rtcp.ssrc(), 5);
}

#[test]
fn invalid_packets_are_counted_and_change_nothing() {
    let now = some_instant();
    let good = receiver_report(block(9, 9, 0, 0));
    let mut cases: Vec<Vec<u8>> = vec![
        vec![],
        vec![0x81],
        good[..good.len() - 1].to_vec(),
        [good.clone(), vec![0]].concat(),
        // Version 1; padding in the first of two; SDES first; length beyond the end.
        words(&[0x41c9_0007, THEIRS, OURS, 0, 0, 0, 0, 0]),
        [words(&[0xa0c9_0002, THEIRS, 4]), good.clone()].concat(),
        words(&[0x80ca_0000]),
        words(&[0x80c9_0002, THEIRS]),
        // A second packet of another version.
        [good.clone(), words(&[0x00cb_0000])].concat(),
    ];
    cases.push(b"GET / HTTP/1.1\r\n\r\n".to_vec());
    let mut rtcp = sender(now);
    for (i, case) in cases.iter().enumerate() {
        let outcome = rtcp.handle_packet(case, 1, now, NTP);
        assert_eq!(outcome, RtcpOutcome::default(), "case {i}");
        assert_eq!(rtcp.statistics(1), None, "case {i}");
    }
    assert_eq!(rtcp.counters().invalid, cases.len() as u64);
    assert_eq!(rtcp.counters().received, 0);
}

#[test]
fn the_table_is_bounded() {
    let now = some_instant();
    let config = RtcpConfig { max_destinations: 10, ..config() };
    let mut rtcp = RtcpInstance::new(config, OURS, now, 7);
    let report = receiver_report(block(0, 0, 0, 0));
    for from in 0..1000 {
        assert!(rtcp.handle_packet(&report, from, now, NTP).is_receiver_report);
    }
    assert_eq!(rtcp.all_statistics().count(), 10);
    assert_eq!(rtcp.counters().not_remembered, 990);
    rtcp.handle_packet(&report, 3, now + ms(1), NTP);
    assert_eq!(rtcp.statistics(3).unwrap().reports, 2, "those known are still heard");
}

#[test]
fn silent_receivers_are_forgotten_after_five_intervals() {
    let now = some_instant();
    let mut rtcp = sender(now);
    let report = receiver_report(block(0, 0, 0, 0));
    rtcp.handle_packet(&report, 1, now, NTP);
    rtcp.handle_packet(&report, 2, now + ms(20_000), NTP);
    rtcp.handle_timeout(now + ms(24_000), 0);
    assert_eq!(rtcp.members(), 3);
    rtcp.handle_timeout(now + ms(26_000), 0);
    assert!(rtcp.statistics(1).is_none() && rtcp.statistics(2).is_some());
    assert_eq!(rtcp.members(), 2);
}

#[test]
fn interval_of_a_receiver_grows_with_the_session() {
    let now = some_instant();
    let config = RtcpConfig { is_sender: false, session_bandwidth_bps: 64_000, ..config() };
    let mut rtcp = RtcpInstance::new(config, OURS, now, 7);
    // 9,999 receivers of about 70 octets share 300 octets a second: 39 minutes, × 0.41 at least.
    let mut out = Vec::new();
    let mut at = now;
    for _ in 0..20 {
        at = rtcp.poll_timeout().unwrap();
        rtcp.handle_timeout(at, 10_000);
        if rtcp.poll_report(at, NTP, None, &mut out) {
            break;
        }
    }
    assert!(!out.is_empty());
    assert!(at - now > ms(800_000), "{:?}", at - now);
}

#[test]
fn giants_do_not_stretch_the_interval() {
    let now = some_instant();
    let mut rtcp = sender(now);
    let mut giant = receiver_report(block(0, 0, 0, 0));
    giant.extend(words(&[0x80cc_2fff]));
    giant.extend(vec![0; 0x2fff * 4]);
    for _ in 0..200 {
        assert!(rtcp.handle_packet(&giant, 1, now, NTP).valid);
    }
    // 49,000 octets at 1,562 a second would be half a minute.
    next_report(&mut rtcp, Some(facts(1)));
    let (first, _) = next_report(&mut rtcp, Some(facts(2)));
    let (second, _) = next_report(&mut rtcp, Some(facts(3)));
    assert!(second - first < ms(6200), "{:?}", second - first);
}

#[test]
fn garbage_neither_panics_nor_grows() {
    let now = some_instant();
    let mut rtcp = RtcpInstance::new(
        RtcpConfig { max_destinations: 16, reduced_size: true, ..config() },
        OURS,
        now,
        7,
    );
    let mut seed_packets = vec![receiver_report(block(1, 2, 3, 4))];
    let mut out = Vec::new();
    let mut other = RtcpInstance::new(config(), THEIRS, now, 7);
    other.app(NTP, Some(facts(1)), 1, *b"abcd", b"1234", &mut out).unwrap();
    seed_packets.push(out.clone());
    out.clear();
    other.bye(NTP, Some(facts(1)), Some("why"), &mut out);
    seed_packets.push(out);
    seed_packets.push(words(&[0x81cd_0003, THEIRS, OURS, 0x0010_8001]));
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let packet = if random.chance(3) {
            random.bytes(200)
        } else {
            let mut packet = random.pick(&seed_packets).clone();
            random.mutate(&mut packet);
            packet
        };
        let from = random.u64();
        rtcp.handle_packet(&packet, from, now, NTP);
    }
    let counters = rtcp.counters();
    assert_eq!(counters.received + counters.invalid, 20_000);
    assert!(counters.received > 100 && counters.invalid > 100);
    assert!(rtcp.all_statistics().count() <= 16);
}
