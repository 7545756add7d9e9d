//! [`Check`]: what the sink has got, held against what the encoder has sent.

use super::LOSS;
use super::encoder::{INTERVALS, KEY_EVERY, number};
use crate::world::Got;
use riverrun::env::UsageEnvironment;
use riverrun::rtp::RtpSource;
use std::fmt;
use std::time::{Duration, Instant};

/// Most that tracks may be apart that are said to be synchronized, in microseconds.
const APART: i64 = 5_000;
/// Most that a capture time may be wrong, in microseconds.
const CAPTURE: i64 = 5_000;
/// How long after the wall clock was set capture times may be by the old one: the reports that tell
/// of it may be lost, and one alone is not believed.
const GRACE: Duration = Duration::from_secs(90);
/// Most that the time line may be away from the clock, after all restarts, in microseconds.
const LINE: i64 = 1_000_000;

#[derive(Default)]
struct Track {
    /// The last whole frame of this session.
    last: Option<u32>,
    /// Frames of this session that did not come, and those that came damaged.
    lost: u64,
    damaged: u64,
    /// Damage that was told since the last whole frame.
    was_told: bool,
    latest: Duration,
    /// By how much the frame that came last is put later than it was captured, if it is said to be
    /// synchronized.
    error: Option<i64>,
    // Of the whole day.
    whole: u64,
    synchronized: u64,
    with_clock: u64,
    all_lost: u64,
    missing: u64,
    packets: u64,
}

pub(super) struct Check {
    begun: Instant,
    wall: Duration,
    /// When the wall clock was set, and by how many seconds.
    steps: Vec<(Instant, i64)>,
    tracks: [Track; 2],
    apart: i64,
    capture: i64,
    line: i64,
    ends: u32,
}

impl Check {
    pub(super) fn new(env: &UsageEnvironment) -> Self {
        Self {
            begun: env.now(),
            wall: env.wall_clock(),
            steps: Vec::with_capacity(8),
            tracks: Default::default(),
            apart: 0,
            capture: 0,
            line: 0,
            ends: 0,
        }
    }

    pub(super) fn note_clock_step(&mut self, now: Instant, seconds: i64) {
        self.steps.push((now, seconds));
    }

    /// The wall-clock time of a moment, in microseconds.
    fn wall(&self, at: Instant) -> i64 {
        let steps = self.steps.iter().filter(|(since, _)| *since <= at).map(|(_, by)| by);
        micros(self.wall + (at - self.begun)) + steps.sum::<i64>() * 1_000_000
    }

    pub(super) fn frame(&mut self, got: &Got) {
        let index = got.track - 1;
        let track = &mut self.tracks[index];
        assert!(got.pts >= track.latest, "track {}: back to {:?}", got.track, got.pts);
        track.latest = got.pts;
        track.was_told |= got.discontinuity;
        track.was_told |= got.damaged;
        // Of two frames, between which a packet is missing, either may be damaged.
        let Some(number) = number(index, &got.data) else {
            // What is missing in front of the first packet of all is not known to be.
            let is_known = got.damaged || track.last.is_none();
            assert!(is_known, "a frame is as it was sent, or said to be damaged");
            track.damaged += 1;
            return;
        };
        if let Some(last) = track.last {
            assert!(number > last, "{number} after {last}");
            track.lost += u64::from(number - last - 1);
            assert!(number == last + 1 || track.was_told, "{last} is followed by {number}");
        } else if index == 0 && track.damaged == 0 {
            assert_eq!(number % KEY_EVERY, 0, "a session begins with a key frame");
        }
        (track.last, track.was_told) = (Some(number), false);
        track.whole += 1;
        let captured = self.begun + INTERVALS[index] * number;
        assert!(got.at >= captured);
        let error = micros(got.pts) - micros(captured - self.begun);
        self.line = self.line.max(error.abs());
        let track = &mut self.tracks[index];
        track.error = got.synchronized.then_some(error);
        track.synchronized += u64::from(got.synchronized);
        if let [Some(video), Some(sound)] = [self.tracks[0].error, self.tracks[1].error] {
            self.apart = self.apart.max((video - sound).abs());
        }
        if let Some(wall) = got.wall_clock {
            self.tracks[index].with_clock += 1;
            let is_new = |(since, _): &(Instant, i64)| {
                captured >= *since && captured.saturating_duration_since(*since) < GRACE
            };
            if !self.steps.iter().any(is_new) {
                self.capture = self.capture.max((micros(wall) - self.wall(captured)).abs());
            }
        }
    }

    /// Compares with what the player's source tells of the session so far.
    pub(super) fn compare(&mut self, number: usize, source: &RtpSource, now: Instant) {
        let index = number - 1;
        let track = &mut self.tracks[index];
        let counters = source.counters();
        // A frame of sound is a packet, one of video several.
        if index == 1 {
            assert_eq!(track.lost, counters.missing, "sound that is lost and told to be");
            assert_eq!(track.damaged, 0);
        } else {
            assert!(track.lost <= counters.missing, "{} {counters:?}", track.lost);
            // What is damaged before the first that is whole leaves no gap between two of these.
            assert!(counters.missing == 0 || track.lost > 0 || track.damaged > 0);
        }
        assert_eq!((counters.rejected, counters.restarts), (0, 0), "{counters:?}");
        track.all_lost += track.lost;
        track.missing += counters.missing;
        track.packets += counters.packets;
        // It has come so far: but for what is under way, and a few that are lost just now.
        let last = self.begun + INTERVALS[index] * track.last.expect("frames");
        assert!(now - last < INTERVALS[index] * 5, "{:?} ago", now - last);
    }

    /// The server is gone.
    pub(super) fn end_session(&mut self) {
        for track in &mut self.tracks {
            (track.last, track.lost, track.damaged, track.was_told) = (None, 0, 0, false);
            track.error = None;
        }
        self.ends += 1;
    }

    pub(super) fn plays_again(&self, now: Instant) {
        for (track, interval) in self.tracks.iter().zip(INTERVALS) {
            let last = self.begun + interval * track.last.expect("it plays again");
            assert!(now - last < interval * 5, "{:?} ago", now - last);
        }
    }

    /// Looks at the whole day.
    pub(super) fn summary(&self, is_udp: bool) {
        assert!(self.apart <= APART, "{self}");
        assert!(self.capture <= CAPTURE, "{self}");
        assert!(self.line <= LINE, "{self}");
        for track in &self.tracks {
            let loss = track.missing as f64 / (track.packets + track.missing) as f64;
            let expected = if is_udp { LOSS * 0.8..=LOSS * 1.2 } else { 0.0..=0.0 };
            assert!(expected.contains(&loss), "{self}");
            // Two reports are awaited at each beginning, and after each step.
            assert!(track.with_clock * 100 > track.whole * 90, "{self}");
            assert!(track.synchronized * 100 > track.whole * 80, "{self}");
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (track, name) in self.tracks.iter().zip(["video", "sound"]) {
            write!(
                f,
                "{name}: {} frames whole, {} lost, {} of {} packets missing, {} synchronized, {} with \
                 a capture time; ",
                track.whole,
                track.all_lost,
                track.missing,
                track.packets + track.missing,
                track.synchronized,
                track.with_clock
            )?;
        }
        let Self { apart, capture, line, ends, .. } = self;
        write!(
            f,
            "{apart} µs apart, {capture} µs from the capture time, {line} µs from the clock; {ends} \
             restarts"
        )
    }
}

fn micros(time: Duration) -> i64 {
    time.as_micros() as i64
}
