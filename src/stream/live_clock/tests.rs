use super::*;

/// An encoder whose clock runs at another rate than the server's.
struct Encoder {
    begin: Instant,
    /// The encoder's nanoseconds in one of the server's.
    rate: f64,
    random: u64,
    /// Most that a frame takes.
    jitter_ms: f64,
}

impl Encoder {
    fn new(rate: f64, jitter_ms: f64) -> Self {
        Self { begin: Instant::now(), rate, random: 0x9e37_79b9_7f4a_7c15, jitter_ms }
    }

    fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The frame that is captured so many seconds after the begin, and when it arrives.
    fn frame(&mut self, seconds: f64) -> (Frame, Instant) {
        let frame = frame(seconds * self.rate);
        let delay = self.random() * self.jitter_ms / 1e3;
        (frame, self.begin + Duration::from_secs_f64(seconds + delay))
    }
}

fn frame(pts: f64) -> Frame {
    Frame::new(vec![0], Duration::from_secs_f64(pts), Duration::ZERO)
}

fn seconds(at: Duration) -> f64 {
    at.as_secs_f64() - LEAD as f64 / 1e9
}

const WALL: f64 = 1_700_000_000.0;

fn wall(seconds: f64) -> Duration {
    Duration::from_secs_f64(WALL + seconds)
}

/// What a report made `now` seconds after the begin tells: when the frame at position `p` was
/// captured, by the line through that report.
fn captured_at(place: &LivePlace, begin: Instant, now: f64, p: f64, rate: f64) -> f64 {
    let (ntp, line) = place.report(begin + Duration::from_secs_f64(now), wall(now));
    ntp.as_secs_f64() - WALL + (p - seconds(line)) / rate
}

#[test]
fn a_day_of_drift_is_followed_within_a_millisecond() {
    for (rate, jitter_ms, hours) in [
        (1.0 + 50e-6, 15.0, 24.0),
        (1.0 - 50e-6, 0.0, 1.0),
        (1.0 - 50e-6, 15.0, 1.0),
        (1.02, 5.0, 0.2),
        (0.98, 5.0, 0.2),
    ] {
        let mut encoder = Encoder::new(rate, jitter_ms);
        let mut clock = LiveClock::new(encoder.begin);
        let mut place = None;
        let (mut worst, mut last) = (0.0_f64, None);
        for n in 0..(hours * 3600.0 * 10.0) as u64 {
            let captured = n as f64 / 10.0;
            let (frame, now) = encoder.frame(captured);
            let placed = clock.place(&mut place, &frame, now, true);
            assert!(!placed.jumped && !placed.is_odd_one);
            // The line follows the encoder's clock to the nanosecond.
            let offset = nanos(placed.at) - nanos(frame.pts);
            assert_eq!(*last.get_or_insert(offset), offset);
            if n % 50 == 49 && captured > 20.0 {
                let place = place.as_ref().unwrap();
                let by_report =
                    captured_at(place, encoder.begin, captured + 0.02, seconds(placed.at), rate);
                // The first frame's delay is in all positions, and none of them in the truth.
                worst = worst.max((by_report - captured).abs());
            }
        }
        assert!(worst < 1e-3, "{rate}, {jitter_ms} ms: {worst}");
    }
}

#[test]
fn with_a_wall_clock_the_report_tells_when_it_was_captured() {
    // Half a second passes between capture and arrival; the encoder's clock is right, or is an
    // hour off. It is told with each frame, once a second, or once.
    for off in [0.0, 3600.0, -3600.0] {
        for every in [1, 10, u64::MAX] {
            let mut encoder = Encoder::new(1.0 + 50e-6, 10.0);
            let mut clock = LiveClock::new(encoder.begin);
            let mut place = None;
            for n in 0..10 * 1200 {
                let captured = n as f64 / 10.0;
                let (mut frame, now) = encoder.frame(captured);
                let now = now + Duration::from_millis(500);
                frame.wall_clock = (n % every == 0).then(|| wall(captured + off));
                let at = clock.place(&mut place, &frame, now, true).at;
                if n % 50 == 49 {
                    let place = place.as_ref().unwrap();
                    let at = seconds(at);
                    let told = captured_at(place, encoder.begin, captured + 0.52, at, encoder.rate);
                    let error = (told - captured - off).abs();
                    assert!(error < 1e-3 || captured < 20.0, "{off}, {every}, {n}: {error}");
                }
            }
            // The report of a right clock is of this moment, as round-trip times want it.
            let (ntp, _) = place.unwrap().report(encoder.begin + secs(1200), wall(1200.0));
            assert_eq!(ntp == wall(1200.0), off == 0.0);
        }
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Video of 25 and audio of 50 frames a second with one clock for so long, which begins at `pts`
/// for the one and the other.
fn play(
    clock: &mut LiveClock,
    tracks: &mut [Option<LivePlace>; 2],
    at: Instant,
    length: f64,
    pts: [f64; 2],
) -> (usize, usize) {
    let (mut jumps, mut odd) = (0, 0);
    for n in 0..(length * 50.0) as u32 {
        let time = f64::from(n) / 50.0;
        for track in [0, 1] {
            if track == 0 && n % 2 == 1 {
                continue;
            }
            let frame = frame(pts[track] + time);
            let before = tracks[track].as_ref().map(|t| t.furthest);
            let now = at + Duration::from_secs_f64(time);
            let placed = clock.place(&mut tracks[track], &frame, now, track == 0);
            let step = before.map_or(0.0, |b| seconds(placed.at) - (b - LEAD) as f64 / 1e9);
            assert!((0.0..0.5).contains(&step), "track {track} at {time}: {step}");
            jumps += usize::from(placed.jumped);
            odd += usize::from(placed.is_odd_one);
        }
    }
    (jumps, odd)
}

/// How far the tracks' frames of the same time are apart on the line, seconds.
fn apart(tracks: &[Option<LivePlace>; 2], pts: [f64; 2]) -> f64 {
    let line = |track: usize| {
        let offset = tracks[track].as_ref().unwrap().offset;
        (nanos(Duration::from_secs_f64(pts[track])) + offset) as f64 / 1e9
    };
    line(1) - line(0)
}

#[test]
fn a_restart_goes_on_where_time_is_and_keeps_the_tracks_together() {
    let begin = Instant::now();
    for (pause, starts) in [
        (0.0, [0.0, 0.0]),
        (0.2, [0.0, 0.0]),
        (0.2, [0.02, 0.0]),
        (0.0, [0.08, 0.0]),
        (0.2, [50_000.0, 50_000.0]),
        (0.0, [15.0, 15.0]),
    ] {
        let mut clock = LiveClock::new(begin);
        let mut tracks = [None, None];
        assert_eq!(play(&mut clock, &mut tracks, begin, 10.0, [3.0; 2]), (0, 0));
        let at = begin + Duration::from_secs_f64(10.0 + pause);
        let (jumps, odd) = play(&mut clock, &mut tracks, at, 10.0, starts);
        assert_eq!((jumps, odd), (2, 0), "{pause}, {starts:?}");
        assert!(apart(&tracks, [0.0, 0.0]).abs() < 1e-9, "{pause}, {starts:?}");
        let end = begin + Duration::from_secs_f64(20.0 + pause);
        let (_, line) = tracks[0].as_ref().unwrap().report(end, wall(0.0));
        assert!((seconds(line) - 20.0 - pause).abs() < 0.2, "{}", seconds(line));
    }
}

#[test]
fn tracks_of_different_clocks_are_brought_together_and_told_once() {
    let begin = Instant::now();
    for other in [10_000.0, 0.0, 3_600.0 * 30.0] {
        let mut clock = LiveClock::new(begin);
        let mut tracks = [None, None];
        assert_eq!(play(&mut clock, &mut tracks, begin, 10.0, [5_000.0, other]), (0, 1));
        assert!(apart(&tracks, [5_000.0, other]).abs() < 1e-6, "{other}");
        // Who joins later is told nothing, and finds the same.
        let mut joined = [None, None];
        let pts = [5_010.0, other + 10.0];
        assert_eq!(play(&mut clock, &mut joined, begin + secs(10), 5.0, pts), (0, 0));
        assert_eq!(joined[1].unwrap().offset, tracks[1].unwrap().offset);
    }
}

#[test]
fn wall_clocks_bring_tracks_of_different_clocks_together_to_the_frame() {
    let begin = Instant::now();
    let mut clock = LiveClock::new(begin);
    let mut tracks = [None, None];
    for n in 0..500 {
        for (track, delay) in [(0, 0.4), (1, 0.03)] {
            let time = f64::from(n) / 50.0;
            let mut frame = frame(time + [700.0, 9.0][track]);
            frame.wall_clock = Some(wall(time));
            let now = begin + Duration::from_secs_f64(time + delay);
            let placed = clock.place(&mut tracks[track], &frame, now, track == 0);
            assert!(!placed.jumped);
        }
    }
    assert!(apart(&tracks, [700.0, 9.0]).abs() < 1e-4, "{}", apart(&tracks, [700.0, 9.0]));
}

#[test]
fn frames_that_were_held_up_are_no_jump() {
    let begin = Instant::now();
    let mut clock = LiveClock::new(begin);
    let mut place = None;
    for n in 0..3000_u32 {
        let time = f64::from(n) / 25.0;
        // Nothing comes through for four seconds, and part of it is lost.
        let held_up = (40.0..44.0).contains(&time);
        if held_up && n % 7 == 0 {
            continue;
        }
        let mut frame = frame(time);
        frame.flags.discontinuity = held_up && n % 7 == 1;
        let now = begin + Duration::from_secs_f64(if held_up { 44.0 } else { time });
        let placed = clock.place(&mut place, &frame, now, true);
        assert!(!placed.jumped, "{time}");
        assert!((seconds(placed.at) - time).abs() < 1e-6);
        let (_, line) = place.unwrap().report(now, wall(0.0));
        let is = now.duration_since(begin).as_secs_f64();
        assert!((seconds(line) - is).abs() < 2e-3, "{time}");
    }
}

#[test]
fn pictures_in_decoding_order_are_no_jump() {
    let begin = Instant::now();
    let mut clock = LiveClock::new(begin);
    let mut place = None;
    for group in 0..100_u32 {
        for (i, shown) in [3, 1, 0, 2].into_iter().enumerate() {
            let mut frame = frame(f64::from(group * 4 + shown) / 10.0);
            frame.flags.key = i == 0;
            let now = begin + Duration::from_millis(u64::from(group * 400 + i as u32 * 100));
            let placed = clock.place(&mut place, &frame, now, true);
            assert!(!placed.jumped);
            assert_eq!(seconds(placed.at) as f32, seconds(position_of(&frame, &place)) as f32);
        }
    }
}

fn position_of(frame: &Frame, place: &Option<LivePlace>) -> Duration {
    duration(position(frame.pts, place.unwrap().offset))
}

#[test]
fn whatever_an_encoder_says_the_line_of_audio_never_goes_back_nor_far_from_the_clock() {
    let mut random = Encoder::new(1.0, 0.0);
    for round in 0..200 {
        let begin = random.begin;
        let mut clock = LiveClock::new(begin);
        let mut place = None;
        let (mut time, mut pts, mut last) = (0.0, 0.0, Duration::ZERO);
        for _ in 0..300 {
            let step = random.random() * 0.04;
            time += step;
            pts += step;
            if random.random() < 0.05 {
                pts = match (random.random() * 6.0) as u32 {
                    0 => 0.0,
                    1 => pts * random.random(),
                    2 => pts + 1e5 * random.random(),
                    3 => pts + 10.0 * random.random(),
                    4 => 1.8e19,
                    _ => pts + random.random(),
                };
            }
            let mut frame = frame(0.0);
            frame.pts = Duration::try_from_secs_f64(pts).unwrap_or(Duration::MAX);
            frame.dts = frame.pts;
            frame.wall_clock = (random.random() < 0.3)
                .then(|| Duration::from_secs_f64(1e12 * random.random() * random.random()));
            frame.flags.discontinuity = random.random() < 0.1;
            let now = begin + Duration::from_secs_f64(time);
            let placed = clock.place(&mut place, &frame, now, false);
            assert!(placed.at >= last, "round {round}");
            // A step forward below the limit is the encoder's word.
            assert!(seconds(placed.at) < time + 350.0, "round {round}: {}", seconds(placed.at));
            last = placed.at;
            let _ = place.unwrap().report(now, wall(time));
        }
    }
}
