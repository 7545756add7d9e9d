//! Tests of [`SessionClock`]; `rtp::simulation` has one of a whole day.

use super::*;
use crate::rtp::rtcp::{SenderInfo, SenderReport};
use crate::rtp::testing::{TestDepacketizer, ms, some_instant};
use crate::rtp::{RtpSource, RtpSourceConfig};

/// Unix time at which everything starts, in milliseconds.
const WALL: u64 = 1_700_000_000_000;
const RATES: [u64; 2] = [90_000, 8000];

/// Two streams and their clock. Times are milliseconds since the start; timestamps begin anywhere.
struct Session {
    start: Instant,
    clock: SessionClock,
    sources: [RtpSource; 2],
    sequences: [u16; 2],
    first: [u32; 2],
}

impl Session {
    fn new() -> Self {
        let source = |rate: u64| {
            let config = RtpSourceConfig::new(96, rate as u32);
            RtpSource::new(config, Box::<TestDepacketizer>::default()).unwrap()
        };
        Self {
            start: some_instant(),
            clock: SessionClock::new(2),
            sources: RATES.map(source),
            sequences: [7, 65_530],
            first: [0xffff_f000, 12_345],
        }
    }

    fn timestamp(&self, track: usize, at: i64) -> u32 {
        let units = at * RATES[track] as i64 / 1000;
        self.first[track].wrapping_add(units as u32)
    }

    /// A frame that was captured at one time and arrives at another: where it is put.
    fn frame(&mut self, track: usize, captured: i64, arrives: u64) -> (f64, bool) {
        let mut packet = vec![0x80, 0x80 | 96];
        packet.extend(self.sequences[track].to_be_bytes());
        packet.extend(self.timestamp(track, captured).to_be_bytes());
        packet.extend([0, 0, 0, track as u8, 1, 9]);
        self.sequences[track] = self.sequences[track].wrapping_add(1);
        let source = &mut self.sources[track];
        source.handle_packet(&packet, self.start + ms(arrives)).unwrap();
        let mut frame = source.poll_frame().unwrap();
        self.clock.place(track, &mut frame);
        (frame.pts.as_secs_f64() * 1000.0, frame.synchronized)
    }

    /// A report of what was captured at one time, by a wall clock that is `off`, and which arrives at
    /// another.
    fn report(&mut self, track: usize, captured: i64, off: i64, arrives: u64) {
        let wall = Duration::from_millis(WALL.wrapping_add_signed(captured + off));
        let info = SenderInfo {
            ntp: NtpTime::from_unix(wall),
            rtp_timestamp: self.timestamp(track, captured),
            packet_count: 1,
            octet_count: 1,
        };
        let report = SenderReport { ssrc: track as u32, info };
        self.sources[track].handle_sender_report(&report, self.start + ms(arrives));
    }
}

#[track_caller]
fn assert_near(placed: (f64, bool), at: f64, synchronized: bool) {
    assert!((placed.0 - at).abs() < 1.1, "{placed:?} is not {at}");
    assert_eq!(placed.1, synchronized, "{placed:?}");
}

#[test]
fn without_reports_streams_relate_by_their_arrival() {
    let mut s = Session::new();
    assert_near(s.frame(0, 0, 100), 0.0, false);
    assert_near(s.frame(0, 40, 140), 40.0, false);
    assert_near(s.frame(1, 0, 160), 60.0, false);
    assert_near(s.frame(1, 20, 170), 80.0, false);
}

#[test]
fn by_the_reports_later_at_once_and_earlier_little_by_little() {
    let mut s = Session::new();
    // Both begin at once on arrival; what is said was captured 300 ms before what is shown, or after.
    for (said, at_once) in [(-300, false), (300, true)] {
        let mut s2 = Session::new();
        std::mem::swap(&mut s, &mut s2);
        s.frame(0, 0, 0);
        s.frame(1, said, 0);
        s.report(0, 10, 0, 10);
        assert_near(s.frame(0, 40, 40), 40.0, true);
        s.report(1, said + 15, 0, 15);
        let mut before = 0.0;
        for i in 1..40 {
            let (captured, arrives) = (said + 20 * i, 20 * i as u64);
            let placed = s.frame(1, captured, arrives);
            assert!(placed.0 >= before + 9.0, "{placed:?} after {before}");
            before = placed.0;
            if at_once || i > 30 {
                assert_near(placed, captured as f64, true);
            } else if i < 29 {
                assert!(!placed.1, "{placed:?}: on its way");
            }
        }
    }
}

#[test]
fn pictures_that_are_reordered_stay_so_on_the_way() {
    let mut s = Session::new();
    s.frame(1, 0, 0);
    s.frame(0, -200, 0);
    s.report(1, 0, 0, 1);
    s.report(0, -200, 0, 1);
    s.frame(1, 20, 20);
    let mut shown = Vec::new();
    for group in 0..20i64 {
        for (order, at) in [3, 1, 2].into_iter().enumerate() {
            let captured = -200 + (group * 3 + at) * 40;
            let arrives = ((group * 3 + order as i64 + 1) * 40) as u64;
            shown.push((captured, s.frame(0, captured, arrives).0));
        }
    }
    shown.sort_by_key(|(captured, _)| *captured);
    assert!(shown.windows(2).all(|w| w[0].1 < w[1].1), "{shown:?}");
    assert!(shown.last().is_some_and(|(captured, at)| (*captured as f64 - at).abs() < 1.1));
}

#[test]
fn a_wall_clock_that_is_set_moves_nothing() {
    for off in [3_600_000i64, -86_400_000, 300] {
        let mut s = Session::new();
        s.frame(0, 0, 0);
        s.frame(1, 0, 0);
        let mut set = [0, 0];
        for i in 1..2000i64 {
            let (at, now) = (i * 20, i as u64 * 20);
            // Reports every five seconds, of each stream at another time.
            for (track, phase) in [(0, 3), (1, 121)] {
                if i % 250 == phase {
                    set[track] = if at > 9000 { off } else { 0 };
                    s.report(track, at, set[track], now);
                }
                let placed = s.frame(track, at, now);
                assert_near(placed, at as f64, i >= phase);
            }
        }
        assert_eq!(set, [off; 2]);
    }
}

#[test]
fn a_stream_with_a_clock_of_its_own_stays_where_it_was() {
    let mut s = Session::new();
    s.frame(0, 0, 0);
    s.frame(1, 0, 0);
    s.report(0, 0, 0, 0);
    s.report(1, 0, -1_600_000_000_000, 0);
    assert_near(s.frame(0, 40, 40), 40.0, true);
    assert_near(s.frame(1, 40, 40), 40.0, false);
    assert_near(s.frame(1, 60, 60), 60.0, false);
}

#[test]
fn references_are_the_line_and_reports_refine_it() {
    let mut s = Session::new();
    let (video, audio) = (s.timestamp(0, 0), s.timestamp(1, 0));
    s.sources[0].set_reference(video, ms(30_000));
    // Told 25 ms late.
    s.sources[1].set_reference(audio, ms(30_025));
    assert_near(s.frame(0, 0, 500), 30_000.0, false);
    assert_near(s.frame(1, 0, 40), 30_025.0, false);
    s.report(0, 20, 0, 520);
    s.report(1, 20, 0, 520);
    assert_near(s.frame(0, 40, 540), 30_040.0, true);
    for i in 1..10 {
        s.frame(1, 20 * i, 520 + 20 * i as u64);
    }
    assert_near(s.frame(1, 200, 700), 30_200.0, true);
    // A seek back by three seconds, with the timestamps going on.
    for (track, at) in [(0, 240), (1, 240)] {
        let timestamp = s.timestamp(track, at);
        s.sources[track].set_reference(timestamp, ms(27_000));
    }
    for track in [0, 1] {
        let placed = s.frame(track, 240, 740);
        assert_near(placed, 27_000.0, true);
    }
    assert_near(s.frame(1, 260, 760), 27_020.0, true);
}

#[test]
fn a_stream_that_begins_anew_is_put_right_by_its_next_report() {
    let mut s = Session::new();
    for track in [0, 1] {
        s.frame(track, 0, 0);
        s.report(track, 0, 0, 0);
        assert_near(s.frame(track, 20, 20), 20.0, true);
    }
    // Timestamps from anywhere, and 80 ms late for once.
    s.first[1] = 0x9000_0000;
    let placed = s.frame(1, 40, 120);
    assert_near(placed, 120.0, false);
    s.report(1, 50, 0, 60);
    let mut last = 120.0;
    for i in 3..30 {
        let placed = s.frame(1, 20 * i, 20 * i as u64 + 10);
        assert!(placed.0 > last, "{placed:?} after {last}");
        last = placed.0;
    }
    assert_near(s.frame(1, 600, 610), 600.0, true);
    assert_near(s.frame(0, 600, 610), 600.0, true);
}

#[test]
fn any_input_is_placed() {
    use crate::rtp::testing::Random;
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut s = Session::new();
        for _ in 0..100 {
            let track = random.below(2);
            let captured = i64::from(random.u32() as i32);
            let now = random.below(100_000) as u64;
            match random.below(4) {
                0 => s.report(track, captured, i64::from(random.u32() as i32) * 300, now),
                1 => {
                    let at = Duration::from_secs(random.u64() >> random.below(64));
                    s.sources[track].set_reference(random.u32(), at);
                }
                _ => drop(s.frame(track, captured, now)),
            }
        }
    }
}
