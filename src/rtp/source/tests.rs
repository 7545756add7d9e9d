//! Tests of [`RtpSource`] and its parts.

use super::*;
use crate::rtp::rtcp::SenderInfo;
use crate::rtp::testing::{Random, TestDepacketizer, ms, some_instant};

mod others;
mod passing;
mod reorder;
mod times;

const SSRC: u32 = 0xabcd_0001;

fn config() -> RtpSourceConfig {
    RtpSourceConfig::new(96, 90_000)
}

fn source_of(config: RtpSourceConfig) -> RtpSource {
    RtpSource::new(config, Box::<TestDepacketizer>::default()).unwrap()
}

fn source() -> RtpSource {
    source_of(config())
}

/// A packet that is a whole frame of one octet, the low octet of its sequence number.
fn packet_of(ssrc: u32, sequence: u16, timestamp: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0x80 | 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, sequence as u8]);
    packet
}

fn packet(sequence: u16) -> Vec<u8> {
    packet_of(SSRC, sequence, u32::from(sequence).wrapping_mul(3600))
}

/// The octets of the frames there are, with a mark `!` (0xff) before one that follows a loss.
fn frames(source: &mut RtpSource) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(frame) = source.poll_frame() {
        if frame.discontinuity {
            all.push(0xff);
        }
        all.extend(&frame.data);
    }
    all
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let fault = |change: fn(&mut RtpSourceConfig)| {
        let mut config = config();
        change(&mut config);
        RtpSource::new(config, Box::<TestDepacketizer>::default()).err().map(|e| e.to_string())
    };
    assert_eq!(fault(|_| ()), None);
    assert_eq!(fault(|c| c.max_delay = ms(0)), None, "where the transport keeps the order");
    assert_eq!(fault(|c| c.payload_type = 127), None);
    type Change = fn(&mut RtpSourceConfig);
    let faults: [(&str, Change); 8] = [
        ("clock", |c| c.clock_rate = 0),
        ("payload type", |c| c.payload_type = 128),
        ("RTCP", |c| c.payload_type = 72),
        ("room", |c| c.max_packets = 0),
        ("room", |c| c.max_bytes = 0),
        ("room", |c| c.max_frames = 0),
        ("room", |c| c.max_frame_bytes = 0),
        ("minute", |c| c.max_delay = Duration::MAX),
    ];
    for (named, change) in faults {
        let said = fault(change).unwrap();
        assert!(said.contains(named), "{said}");
    }
}

mod statistics_of {
    use super::*;

    fn of(sequences: &[u16]) -> Statistics {
        let mut statistics = Statistics::new(90_000, 0);
        for &sequence in sequences {
            statistics.handle_sequence(sequence);
        }
        statistics
    }

    #[test]
    fn loss_in_a_report_is_that_since_the_last_one() {
        let mut s = of(&[10, 11, 13, 14, 19]);
        // 10 to 19 are ten, five came.
        let block = s.take_report(1).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (128, 5));
        assert_eq!(block.highest_sequence, 19);
        // Three more of four: a quarter lost since.
        for sequence in [20, 21, 23] {
            s.handle_sequence(sequence);
        }
        let block = s.take_report(1).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (64, 6));
        // Nothing at all since: a report tells only of sources heard since the last one (6.4).
        assert_eq!(s.take_report(1), None);
        // Stragglers make it less than nothing, which is told as nothing.
        for sequence in [12, 22, 15, 16, 24] {
            s.handle_sequence(sequence);
        }
        let block = s.take_report(1).unwrap();
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 2));
    }

    #[test]
    fn duplicates_may_outnumber_losses() {
        let mut s = of(&[1, 2, 2, 2, 3]);
        assert_eq!(s.take_report(1).unwrap().cumulative_lost, -2);
    }

    #[test]
    fn nearly_all_lost_fits_in_an_octet() {
        let mut s = of(&[0]);
        s.take_report(1);
        s.handle_sequence(2900);
        assert_eq!(s.take_report(1).unwrap().fraction_lost, 255);
    }

    #[test]
    fn nothing_received_is_not_reported() {
        assert_eq!(Statistics::new(90_000, 0).take_report(1), None);
        let mut s = Statistics::new(90_000, 2);
        s.handle_sequence(5);
        assert_eq!(s.take_report(1), None, "on probation");
    }

    #[test]
    fn extended_number_counts_the_wraps() {
        let mut s = Statistics::new(90_000, 0);
        let mut expected = None;
        for i in 0..200_000u32 {
            let Placed::At(at) = s.handle_sequence((65_000 + i) as u16) else { panic!("{i}") };
            assert_eq!(at, expected.unwrap_or(at));
            expected = Some(at + 1);
        }
        let block = s.take_report(1).unwrap();
        assert_eq!(block.highest_sequence, 65_000 + 199_999);
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 0));
    }

    #[test]
    fn stragglers_across_the_wrap_have_the_cycle_before() {
        let mut s = of(&[65_534]);
        let Placed::At(first) = s.handle_sequence(65_535) else { panic!() };
        assert_eq!(s.handle_sequence(1), Placed::At(first + 2));
        assert_eq!(s.handle_sequence(0), Placed::At(first + 1));
        assert_eq!(s.handle_sequence(65_500), Placed::At(first - 35));
        assert_eq!(s.handle_sequence(2), Placed::At(first + 3));
        // Before the very first packet.
        let mut s = of(&[0]);
        let Placed::At(next) = s.handle_sequence(1) else { panic!() };
        assert_eq!(s.handle_sequence(65_535), Placed::At(next - 2));
    }

    #[test]
    fn a_jump_must_be_confirmed() {
        let mut s = of(&[100]);
        let Placed::At(before) = s.handle_sequence(101) else { panic!() };
        // One stray number is none.
        assert_eq!(s.handle_sequence(40_000), Placed::Unconfirmed);
        assert_eq!(s.handle_sequence(102), Placed::At(before + 1));
        assert_eq!(s.handle_sequence(50_000), Placed::Unconfirmed);
        let Placed::Restarted(after) = s.handle_sequence(50_001) else { panic!() };
        assert!(after > before + 1, "numbers rise all the same");
        assert_eq!(s.take_report(1).unwrap().cumulative_lost, 0, "counted anew");
        // Far back is a jump too.
        assert_eq!(s.handle_sequence(49_000), Placed::Unconfirmed);
        assert!(matches!(s.handle_sequence(49_001), Placed::Restarted(at) if at > after));
        // 2,999 ahead is loss, 99 back is reordering.
        assert!(matches!(s.handle_sequence(52_000), Placed::At(_)));
        assert!(matches!(s.handle_sequence(51_901), Placed::At(_)));
        assert_eq!(s.handle_sequence(51_900), Placed::Unconfirmed);
        assert_eq!(s.handle_sequence(55_000), Placed::Unconfirmed);
    }

    #[test]
    fn probation_wants_packets_in_sequence() {
        let mut s = Statistics::new(90_000, 2);
        assert_eq!(s.handle_sequence(5), Placed::Unconfirmed);
        assert_eq!(s.handle_sequence(9), Placed::Unconfirmed);
        assert_eq!(s.handle_sequence(11), Placed::Unconfirmed);
        assert!(matches!(s.handle_sequence(12), Placed::At(_)));
        assert_eq!(s.expected(), 1);
    }

    #[test]
    fn jitter_by_hand() {
        let start = some_instant();
        let mut s = of(&[0]);
        // Every packet 40 ms after the other: 3,600 units.
        s.handle_arrival(start, 0);
        s.handle_arrival(start + ms(40), 3600);
        assert_eq!(s.jitter(), 0);
        // 16 ms late, 1,440 units: J = 1,440/16 = 90.
        s.handle_arrival(start + ms(96), 7200);
        assert_eq!(s.jitter(), 90);
        // In time again, again a difference of 1,440: 90 + (1,440 − 90)/16 = 174.4.
        s.handle_arrival(start + ms(120), 10_800);
        assert_eq!(s.jitter(), 174);
    }

    #[test]
    fn jitter_survives_the_wrap_of_the_timestamp() {
        let start = some_instant();
        let mut s = of(&[0]);
        for i in 0..10u32 {
            let timestamp = (i * 3600).wrapping_sub(18_000);
            s.handle_arrival(start + ms(u64::from(i) * 40), timestamp);
        }
        assert_eq!(s.jitter(), 0);
    }

    #[test]
    fn wild_timestamps_do_not_overflow() {
        let start = some_instant();
        let mut s = of(&[0]);
        for i in 0..1000u32 {
            s.handle_arrival(start, (i % 2) * 0x8000_0000);
        }
    }
}

#[test]
fn packets_in_order_are_frames_at_once() {
    let now = some_instant();
    let mut source = source();
    for sequence in 10..20 {
        source.handle_packet(&packet(sequence), now).unwrap();
    }
    assert_eq!(frames(&mut source), (10..20).collect::<Vec<u8>>());
    assert_eq!(source.poll_timeout(), None);
    assert_eq!(source.ssrc(), Some(SSRC));
    assert_eq!((source.counters().packets, source.counters().octets), (10, 20));
}

#[test]
fn order_is_restored_within_the_delay() {
    let now = some_instant();
    let mut source = source();
    for sequence in [1, 3, 5, 4, 2, 6] {
        source.handle_packet(&packet(sequence), now).unwrap();
    }
    assert_eq!(frames(&mut source), [1, 2, 3, 4, 5, 6]);
    assert_eq!(source.poll_timeout(), None);
    assert_eq!(source.counters().missing, 0);
}

#[test]
fn a_missing_packet_is_given_up_after_the_delay() {
    let now = some_instant();
    let mut source = source();
    source.handle_packet(&packet(1), now).unwrap();
    source.handle_packet(&packet(3), now + ms(10)).unwrap();
    source.handle_packet(&packet(6), now + ms(50)).unwrap();
    assert_eq!(source.poll_timeout(), Some(now + ms(110)));
    source.handle_timeout(now + ms(109));
    assert_eq!(frames(&mut source), [1]);
    source.handle_timeout(now + ms(110));
    assert_eq!(frames(&mut source), [0xff, 3]);
    assert_eq!(source.poll_timeout(), Some(now + ms(150)), "the next gap has its own time");
    assert_eq!(source.handle_packet(&packet(2), now + ms(120)), Err(Rejected::Late));
    source.handle_packet(&packet(4), now + ms(121)).unwrap();
    source.handle_timeout(now + ms(150));
    assert_eq!(frames(&mut source), [4, 0xff, 6]);
    assert_eq!(source.counters().missing, 2);
    assert_eq!(source.counters().late, 1);
}

#[test]
fn without_delay_a_gap_is_a_loss_at_once() {
    let now = some_instant();
    let mut source = source_of(RtpSourceConfig { max_delay: ms(0), ..config() });
    source.handle_packet(&packet(1), now).unwrap();
    source.handle_packet(&packet(3), now).unwrap();
    assert_eq!(frames(&mut source), [1, 0xff, 3]);
}

#[test]
fn kept_packets_are_bounded_in_number_and_bytes() {
    let now = some_instant();
    for config in [
        RtpSourceConfig { max_packets: 4, ..config() },
        RtpSourceConfig { max_bytes: 4 * 14, ..config() },
    ] {
        let mut source = source_of(config);
        source.handle_packet(&packet(1), now).unwrap();
        for sequence in [3, 5, 7, 9] {
            source.handle_packet(&packet(sequence), now).unwrap();
        }
        assert_eq!(frames(&mut source), [1]);
        source.handle_packet(&packet(11), now).unwrap();
        assert_eq!(frames(&mut source), [0xff, 3], "only as much as is too much");
    }
}

#[test]
fn duplicates_are_dropped() {
    let now = some_instant();
    let mut source = source();
    source.handle_packet(&packet(1), now).unwrap();
    assert_eq!(source.handle_packet(&packet(1), now), Err(Rejected::Late));
    source.handle_packet(&packet(3), now).unwrap();
    assert_eq!(source.handle_packet(&packet(3), now), Err(Rejected::Duplicate));
    source.handle_packet(&packet(2), now).unwrap();
    assert_eq!(frames(&mut source), [1, 2, 3]);
    assert_eq!(source.counters().late, 2);
}

#[test]
fn packets_of_others_are_dropped() {
    let now = some_instant();
    let mut source = source();
    source.expect_ssrc(SSRC);
    assert_eq!(source.handle_packet(b"", now), Err(Rejected::Malformed));
    assert_eq!(source.handle_packet(&packet(1)[..11], now), Err(Rejected::Malformed));
    let mut other = packet(1);
    other[1] = 97;
    assert_eq!(source.handle_packet(&other, now), Err(Rejected::PayloadType));
    assert_eq!(source.handle_packet(&packet_of(9, 1, 0), now), Err(Rejected::Ssrc));
    source.handle_packet(&packet(1), now).unwrap();
    // Whoever takes turns with the one in use does not get in.
    for i in 0..100 {
        assert_eq!(source.handle_packet(&packet_of(9, 7 + i, 0), now), Err(Rejected::Ssrc));
        source.handle_packet(&packet(2 + i), now).unwrap();
    }
    assert_eq!(source.ssrc(), Some(SSRC));
}

#[test]
fn another_ssrc_takes_over_when_the_first_is_silent() {
    let now = some_instant();
    let mut source = source();
    source.handle_packet(&packet_of(1, 10, 0), now).unwrap();
    source.handle_packet(&packet_of(1, 11, 3600), now + ms(40)).unwrap();
    source.handle_packet(&packet_of(1, 13, 10_800), now + ms(120)).unwrap();
    let other = |sequence| packet_of(2, sequence, u32::from(sequence) * 3600 + 77_777);
    assert_eq!(source.handle_packet(&other(500), now + ms(200)), Err(Rejected::Ssrc));
    assert_eq!(source.handle_packet(&other(501), now + ms(240)), Err(Rejected::Ssrc));
    assert_eq!(source.handle_packet(&other(503), now + ms(720)), Err(Rejected::Ssrc));
    source.handle_packet(&other(504), now + ms(1120)).unwrap();
    source.handle_packet(&other(505), now + ms(1160)).unwrap();
    assert_eq!(source.ssrc(), Some(2));
    let got: Vec<_> = std::iter::from_fn(|| source.poll_frame()).collect();
    let octets: Vec<_> = got.iter().map(|f| f.data[0]).collect();
    // What was kept of the first is given out; 504 and 505 modulo 256.
    assert_eq!(octets, [10, 11, 13, 248, 249]);
    let lost: Vec<_> = got.iter().map(|f| f.discontinuity).collect();
    assert_eq!(lost, [false, false, true, true, false]);
    // The time line goes on by the time that has passed.
    let times: Vec<_> = got.iter().map(|f| f.pts).collect();
    assert_eq!(times, [ms(0), ms(40), ms(120), ms(1120), ms(1160)]);
    assert_eq!(source.cumulative_lost(), 0);
    assert_eq!(source.counters().restarts, 1);
}

#[test]
fn a_restarted_sequence_gives_out_what_was_kept() {
    let now = some_instant();
    let mut source = source();
    for sequence in [1, 3] {
        source.handle_packet(&packet(sequence), now).unwrap();
    }
    assert_eq!(source.handle_packet(&packet(30_000), now), Err(Rejected::Unconfirmed));
    source.handle_packet(&packet(30_001), now).unwrap();
    source.handle_packet(&packet(30_002), now).unwrap();
    // 30,001 is 49 modulo 256.
    assert_eq!(frames(&mut source), [1, 0xff, 3, 0xff, 49, 50]);
    assert_eq!(source.poll_timeout(), None);
}

#[test]
fn presentation_times_unwrap_and_may_go_back_a_little() {
    let now = some_instant();
    let mut source = source();
    let base = 0u32.wrapping_sub(3600);
    // Decoding order of frames with two that are shown before those they refer to.
    for (i, at) in [0u32, 3, 1, 2, 6, 4, 5].into_iter().enumerate() {
        let packet = packet_of(SSRC, i as u16, base.wrapping_add(at * 3600));
        source.handle_packet(&packet, now).unwrap();
    }
    let times: Vec<_> = std::iter::from_fn(|| source.poll_frame()).map(|f| f.pts).collect();
    assert_eq!(times, [0, 120, 40, 80, 240, 160, 200].map(ms));
}

#[test]
fn presentation_times_go_on_for_days() {
    let start = some_instant();
    let mut timeline = Timeline::new(90_000);
    for second in 0..200_000u32 {
        let timestamp = 123u32.wrapping_add(second.wrapping_mul(90_000));
        let at = start + Duration::from_secs(second.into());
        let place = timeline.presentation(timestamp, timestamp, at);
        assert_eq!(place.pts, Duration::from_secs(second.into()));
        assert!(!place.jumps);
    }
}

#[test]
fn a_reference_shifts_the_time_line() {
    let now = some_instant();
    let mut source = source();
    source.set_reference(90_000, Duration::from_secs(30));
    source.handle_packet(&packet_of(SSRC, 1, 90_000 + 45_000), now).unwrap();
    source.handle_packet(&packet_of(SSRC, 2, 0), now).unwrap();
    assert_eq!(source.poll_frame().unwrap().pts, ms(30_500));
    assert_eq!(source.poll_frame().unwrap().pts, ms(29_000));
}

#[test]
fn wall_clock_follows_from_the_senders_report() {
    let now = some_instant();
    let mut source = source();
    source.handle_packet(&packet_of(SSRC, 1, 0xffff_fff0), now).unwrap();
    assert_eq!(source.poll_frame().unwrap().wall_clock, None, "not known yet");
    let ntp = 0xED00_5000_0000_0000u64;
    let info = SenderInfo {
        ntp: NtpTime(ntp),
        rtp_timestamp: 0xffff_fff0,
        packet_count: 1,
        octet_count: 1,
    };
    let wrong = SenderInfo { ntp: NtpTime(1), ..info };
    source.handle_sender_report(&SenderReport { ssrc: 7, info: wrong }, now);
    source.handle_sender_report(&SenderReport { ssrc: SSRC, info }, now);
    let second = 1u64 << 32;
    for (sequence, distance, expected) in
        [(2, 45_000, ntp + second / 2), (3, -90_000, ntp - second), (4, 0, ntp)]
    {
        let timestamp = 0xffff_fff0u32.wrapping_add_signed(distance);
        source.handle_packet(&packet_of(SSRC, sequence, timestamp), now).unwrap();
        assert_eq!(source.poll_frame().unwrap().wall_clock, Some(NtpTime(expected)));
    }
    // LSR is the middle of the report's time, DLSR what has passed since: 1.5 s.
    let block = source.report_block(now + ms(1500)).unwrap();
    assert_eq!((block.last_sr, block.delay_since_last_sr), (0x5000_0000, 0x0001_8000));
    assert_eq!(block.ssrc, SSRC);
    let much_later = now + Duration::from_secs(1_000_000);
    source.handle_packet(&packet_of(SSRC, 5, 0), much_later).unwrap();
    assert_eq!(source.report_block(much_later).unwrap().delay_since_last_sr, u32::MAX);
}

#[test]
fn a_source_that_has_stopped_is_not_reported() {
    let now = some_instant();
    let mut source = source();
    source.handle_packet(&packet(1), now).unwrap();
    assert!(source.report_block(now + ms(5000)).is_some());
    assert_eq!(source.report_block(now + ms(10_000)), None, "nothing has come since");
    source.handle_packet(&packet(3), now + ms(11_000)).unwrap();
    let block = source.report_block(now + ms(15_000)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (128, 1), "since the last block");
    source.handle_packet(&packet(4), now + ms(16_000)).unwrap();
    source.handle_bye(SSRC, now + ms(16_000));
    assert_eq!(source.report_block(now + ms(20_000)), None, "it is no member any more");
}

#[test]
fn bye_ends_when_stragglers_had_their_time() {
    let now = some_instant();
    let mut source = source();
    source.handle_packet(&packet(1), now).unwrap();
    source.handle_bye(99, now);
    assert_eq!(source.poll_timeout(), None);
    source.handle_packet(&packet(3), now).unwrap();
    source.handle_bye(SSRC, now + ms(50));
    source.handle_packet(&packet(2), now + ms(60)).unwrap();
    source.handle_packet(&packet(5), now + ms(60)).unwrap();
    assert_eq!(source.poll_timeout(), Some(now + ms(150)));
    source.handle_timeout(now + ms(150));
    assert!(!source.is_ended(), "frames are left");
    assert_eq!(frames(&mut source), [1, 2, 3, 0xff, 5]);
    assert!(source.is_ended());
    assert_eq!(source.poll_timeout(), None);
}

#[test]
fn a_sender_that_goes_on_after_its_bye_begins_anew() {
    let now = some_instant();
    let mut source = source();
    source.handle_packet(&packet(1), now).unwrap();
    source.handle_bye(SSRC, now);
    source.handle_timeout(now + ms(100));
    assert_eq!(frames(&mut source), [1]);
    assert!(source.is_ended());
    // One packet may be a straggler; two in sequence are not.
    assert_eq!(source.handle_packet(&packet(2), now + ms(200)), Err(Rejected::Ssrc));
    assert!(source.is_ended());
    assert_eq!(source.handle_packet(&packet(9), now + ms(2000)), Err(Rejected::Ssrc));
    source.handle_packet(&packet(10), now + ms(2040)).unwrap();
    assert!(!source.is_ended());
    let frame = source.poll_frame().unwrap();
    assert_eq!((frame.data[0], frame.discontinuity, frame.pts), (10, true, ms(2040)));
    assert_eq!(source.counters().restarts, 1);
    assert!(source.report_block(now + ms(3000)).is_some());
    source.handle_bye(SSRC, now + ms(4000));
    source.handle_timeout(now + ms(4100));
    assert!(source.is_ended(), "it may say it again");
}

#[test]
fn the_time_line_goes_on_when_a_sender_starts_anew_under_its_ssrc() {
    let now = some_instant();
    // Another first timestamp; and the same line, far on in sequence numbers alone.
    for (timestamp, expected) in [(0x8000_0000u32, 5000), (5040 * 90, 5040)] {
        let mut source = source();
        source.handle_packet(&packet_of(SSRC, 1, 0), now).unwrap();
        assert_eq!(source.poll_frame().unwrap().pts, ms(0));
        let at = now + ms(5000);
        let first = packet_of(SSRC, 30_000, timestamp.wrapping_sub(40 * 90));
        assert_eq!(source.handle_packet(&first, at), Err(Rejected::Unconfirmed));
        source.handle_packet(&packet_of(SSRC, 30_001, timestamp), at).unwrap();
        let frame = source.poll_frame().unwrap();
        assert_eq!((frame.pts, frame.discontinuity), (ms(expected), true));
        source.handle_packet(&packet_of(SSRC, 30_002, timestamp + 3600), at + ms(40)).unwrap();
        assert_eq!(source.poll_frame().unwrap().pts, ms(expected + 40));
    }
}

#[test]
fn frames_that_nobody_polls_are_bounded() {
    let now = some_instant();
    let mut source = source_of(RtpSourceConfig { max_frames: 3, ..config() });
    for sequence in 0..10 {
        source.handle_packet(&packet(sequence), now).unwrap();
    }
    assert_eq!(frames(&mut source), [0xff, 7, 8, 9]);
    assert_eq!(source.counters().dropped_frames, 7);
    let mut source = source_of(RtpSourceConfig { max_frame_bytes: 2, ..config() });
    for sequence in 0..10 {
        source.handle_packet(&packet(sequence), now).unwrap();
    }
    assert_eq!(frames(&mut source), [0xff, 8, 9]);
}

#[test]
fn garbage_neither_panics_nor_hangs() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut now = some_instant();
        let mut source = source_of(RtpSourceConfig { max_packets: 8, ..config() });
        let mut sequence = random.u16();
        for _ in 0..200 {
            sequence = match random.below(20) {
                0 => random.u16(),
                1 => sequence.wrapping_sub(random.below(200) as u16),
                _ => sequence.wrapping_add(1 + random.below(3) as u16 / 2),
            };
            let ssrc = random.below(30) as u32 / 29;
            let mut data = packet_of(ssrc, sequence, random.u32());
            if random.chance(10) {
                random.mutate(&mut data);
            }
            now += ms(random.below(60) as u64);
            let _ = source.handle_packet(&data, now);
            if random.chance(10) {
                source.handle_timeout(now);
                assert!(source.poll_timeout().is_none_or(|at| at > now), "seed {seed}");
            }
            if random.chance(50) {
                source.report_block(now);
                source.handle_bye(ssrc, now);
            }
        }
    }
}
