//! Presentation and capture times: jumps, references, and reports that are not to be believed.

use super::*;

const SECOND: u64 = 1 << 32;
const NTP: u64 = 0xED00_5000_0000_0000;

fn report(ntp: u64, timestamp: u32) -> SenderReport {
    let info =
        SenderInfo { ntp: NtpTime(ntp), rtp_timestamp: timestamp, packet_count: 1, octet_count: 1 };
    SenderReport { ssrc: SSRC, info }
}

/// Gives a source frames: timestamps and arrivals in milliseconds; their times.
fn times(source: &mut RtpSource, start: Instant, frames: &[(i64, u64)]) -> Vec<Duration> {
    let mut sequence = source.counters().packets as u16;
    let mut times = Vec::new();
    for (timestamp, at) in frames {
        let timestamp = (timestamp * 90) as u32;
        source.handle_packet(&packet_of(SSRC, sequence, timestamp), start + ms(*at)).unwrap();
        times.extend(std::iter::from_fn(|| source.poll_frame()).map(|f| f.pts));
        sequence = sequence.wrapping_add(1);
    }
    times
}

#[test]
fn timestamps_that_jump_or_spike_do_not_move_the_line() {
    let start = some_instant();
    let mut source = source();
    // A spike of an hour, a jump of twenty minutes back, and both ways of going on from there.
    let frames = [
        (0, 0),
        (40, 40),
        (3_600_080, 80),
        (120, 120),
        (160, 160),
        (-1_200_000, 200),
        (-1_199_960, 240),
    ];
    assert_eq!(times(&mut source, start, &frames), [0, 40, 80, 120, 160, 200, 240].map(ms));
    assert_eq!(source.counters().restarts, 3);
    let restarts = std::iter::from_fn(|| source.poll_event());
    assert!(restarts.into_iter().eq([SourceEvent::Restarted; 3]));
}

#[test]
fn a_sender_that_stops_or_sends_ahead_is_followed() {
    let start = some_instant();
    let mut source = source();
    // Twenty seconds at once; then it waits five minutes and goes on where it was.
    let frames = [(0, 0), (20_000, 10), (20_040, 300_000), (20_080, 300_040)];
    assert_eq!(times(&mut source, start, &frames), [0, 20_000, 20_040, 20_080].map(ms));
    // Silent for longer than timestamps take to wrap (13 hours and a quarter), and on as time does.
    let day = 86_400_000;
    let frames = [(day, day as u64 + 280_000), (day + 40, day as u64 + 280_040)];
    assert_eq!(times(&mut source, start, &frames), [day as u64, day as u64 + 40].map(ms));
    assert_eq!(source.counters().restarts, 0);
}

#[test]
fn times_do_not_go_back_when_a_sender_that_was_ahead_begins_anew() {
    let start = some_instant();
    let mut source = source();
    assert_eq!(times(&mut source, start, &[(0, 0), (5000, 0)]), [0, 5000].map(ms));
    source.expect_ssrc(4);
    source.handle_packet(&packet_of(4, 9, 1_000_000), start + ms(100)).unwrap();
    // Shown before the first of the new line.
    source.handle_packet(&packet_of(4, 10, 1_000_000 - 7200), start + ms(100)).unwrap();
    let after: Vec<_> = std::iter::from_fn(|| source.poll_frame()).map(|f| f.pts).collect();
    assert_eq!(after[0], ms(5100));
    assert!(after[1] >= ms(5000), "{after:?}");
}

#[test]
fn a_reference_is_for_the_frames_that_it_is_about() {
    let start = some_instant();
    let mut source = source();
    assert_eq!(times(&mut source, start, &[(0, 0), (40, 40)]), [0, 40].map(ms));
    // The sender seeks to 500 s and takes another time line; one frame was still under way.
    source.set_reference(90 * 9_000_000, ms(500_000));
    let frames = [(80, 80), (9_000_000, 100), (9_000_040, 140)];
    assert_eq!(times(&mut source, start, &frames), [80, 500_000, 500_040].map(ms));
    assert_eq!(source.counters().restarts, 0);
    // Back to 20 s.
    source.set_reference(90 * 9_000_080, ms(20_000));
    assert_eq!(
        times(&mut source, start, &[(9_000_080, 180), (9_000_120, 220)]),
        [20_000, 20_040].map(ms)
    );
}

#[test]
fn a_reference_with_a_wrong_timestamp_is_that_of_the_next_frame() {
    let start = some_instant();
    let mut source = source();
    source.set_reference(0, ms(30_000));
    assert_eq!(
        times(&mut source, start, &[(7_000_000, 0), (7_000_040, 40)]),
        [30_000, 30_040].map(ms)
    );
    source.set_reference(0, ms(60_000));
    let frames = [(7_000_080, 80), (7_000_120, 560), (7_000_160, 600)];
    assert_eq!(times(&mut source, start, &frames), [30_080, 30_120, 60_000].map(ms));
}

/// The wall clock of the next frame, in milliseconds from [`NTP`].
fn wall_clock(source: &mut RtpSource, at: Instant, timestamp: i64) -> Option<i64> {
    let sequence = source.counters().packets as u16;
    source.handle_packet(&packet_of(SSRC, sequence, (timestamp * 90) as u32), at).unwrap();
    let told = source.poll_frame().unwrap().wall_clock?.0.wrapping_sub(NTP) as i64;
    let rounded = i128::from(told) * 1000 + i128::from(SECOND / 2);
    Some(rounded.div_euclid(i128::from(SECOND)) as i64)
}

#[test]
fn reports_that_lie_are_not_believed() {
    let start = some_instant();
    let mut source = source();
    let at = |t: u64| start + ms(t);
    assert_eq!(wall_clock(&mut source, at(0), 0), None);
    // Without a wall clock; and with a timestamp of nobody knows what.
    source.handle_sender_report(&report(0, 900), at(10));
    source.handle_sender_report(&report(NTP, 0x7000_0000), at(10));
    assert_eq!(wall_clock(&mut source, at(40), 40), None);
    assert_eq!(source.counters().doubted_reports, 2);
    source.handle_sender_report(&report(NTP, 3600), at(40));
    assert_eq!(wall_clock(&mut source, at(80), 80), Some(40));
    // Two seconds off, once: by the next one it was wrong.
    source.handle_sender_report(&report(NTP + 7 * SECOND, 5 * 90_000 + 3600), at(5040));
    assert_eq!(wall_clock(&mut source, at(5080), 5080), Some(5040));
    source.handle_sender_report(&report(NTP + 10 * SECOND, 10 * 90_000 + 3600), at(10_040));
    assert_eq!(wall_clock(&mut source, at(10_080), 10_080), Some(10_040));
    // One that was overtaken says nothing new, nor does it become the last one.
    source.handle_sender_report(&report(NTP + 9 * SECOND, 9 * 90_000 + 3600), at(10_090));
    let block = source.report_block(at(10_540)).unwrap();
    let last = NtpTime(NTP + 10 * SECOND).middle();
    assert_eq!((block.last_sr, block.delay_since_last_sr), (last, 1 << 15));
}

#[test]
fn a_clock_that_was_set_is_believed_when_it_is_said_twice() {
    let start = some_instant();
    let mut source = source();
    let at = |t: u64| start + ms(t);
    wall_clock(&mut source, at(0), 0);
    source.handle_sender_report(&report(NTP, 0), at(0));
    assert_eq!(wall_clock(&mut source, at(40), 40), Some(40));
    let set = NTP + 3600 * SECOND;
    source.handle_sender_report(&report(set + 5 * SECOND, 5 * 90_000), at(5000));
    assert_eq!(wall_clock(&mut source, at(5040), 5040), Some(5040));
    source.handle_sender_report(&report(set + 10 * SECOND, 10 * 90_000), at(10_000));
    assert_eq!(wall_clock(&mut source, at(10_040), 10_040), Some(3_610_040));
    // A clock that drifts is followed all along: 1 ms in five seconds.
    for i in 3..2000u64 {
        let ntp = set + i * 5 * SECOND + i * SECOND / 1000;
        source.handle_sender_report(&report(ntp, (i * 450_000) as u32), at(i * 5000));
        let told = wall_clock(&mut source, at(i * 5000), i as i64 * 5000).unwrap();
        assert!(told.abs_diff(3_600_000 + 5001 * i as i64) <= 1, "{i}: {told}");
    }
}

#[test]
fn a_report_that_was_ahead_is_held_against_the_packets() {
    let start = some_instant();
    let mut source = source();
    source.expect_ssrc(SSRC);
    source.handle_sender_report(&report(NTP, 0x4000_0000), start);
    assert_eq!(wall_clock(&mut source, start + ms(10), 10), None);
    let mut source = super::source();
    source.expect_ssrc(SSRC);
    source.handle_sender_report(&report(NTP, 0), start);
    assert_eq!(wall_clock(&mut source, start + ms(10), 10), Some(10));
}

#[test]
fn the_capture_time_that_a_packet_tells_is_the_frames() {
    let start = some_instant();
    let mut source = source();
    let mut packet = packet(1);
    packet[0] |= 0x10;
    let payload = packet.split_off(12);
    packet.extend([0xab, 0xac, 0, 3]);
    packet.extend((NTP + 5).to_be_bytes());
    packet.extend([0x80, 0, 0, 0]);
    packet.extend(payload);
    source.handle_packet(&packet, start).unwrap();
    source.handle_packet(&super::packet(2), start + ms(40)).unwrap();
    let frame = source.poll_frame().unwrap();
    assert_eq!(frame.wall_clock, Some(NtpTime(NTP + 5)));
    assert!(frame.into_frame(ms(0)).wall_clock.is_some());
    assert_eq!(source.poll_frame().unwrap().wall_clock, None);
}
