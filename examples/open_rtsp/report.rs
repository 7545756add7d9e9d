//! What the user is told while it plays and at the end.

use riverrun::client::{MediaSubsession, PlayedTrack, Player};
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::rtp::source::PacketGaps;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Takes away what is in the terminal's line.
const CLEAR: &str = "\r\x1B[K";

/// A line on standard error, in the place of the progress line if there is one.
pub(crate) fn say(what: &dyn fmt::Display) {
    let clear = if stderr().is_terminal() { CLEAR } else { "" };
    // Where standard error is closed there is nobody left to tell.
    let _ = writeln!(stderr(), "{clear}{what}");
}

/// The line on the terminal that is written again and again, since `begun`.
pub(crate) fn show_progress(env: &UsageEnvironment, player: MediumId<Player>, begun: Instant) {
    let Some(player) = env.medium(player).filter(|player| player.is_playing()) else { return };
    let now = env.now();
    let mut line = format!("{:.1} s", now.saturating_duration_since(begun).as_secs_f64());
    for track in player.tracks() {
        let source = track.receiver.source();
        let (rate, reception) = (source.rate(now), source.reception());
        let name = name_of(player, track.number);
        let (packets, kilobits) = (source.counters().packets, rate.bits / 1000);
        let _ = write!(
            line,
            "  {name}: {packets} packets, {} lost, {kilobits} kbit/s",
            reception.lost.max(0)
        );
    }
    // What does not fit into the terminal's line is cut off, and what is written next begins where
    // this line does.
    let _ = write!(stderr(), "{CLEAR}\x1B[?7l{line}\x1B[?7h\r");
}

/// Takes the progress line away.
pub(crate) fn end_progress() {
    let _ = write!(stderr(), "{CLEAR}");
}

/// Medium and codec of a track.
fn name_of(player: &Player, number: usize) -> String {
    let subsession = player.media().and_then(|media| media.subsession(number));
    subsession.map_or_else(|| format!("track {number}"), name)
}

fn name(subsession: &MediaSubsession) -> String {
    format!("{}/{}", subsession.kind, subsession.format.encoding_name)
}

/// What was received of a track until some moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    frames: u64,
    packets: u64,
    octets: u64,
    expected: u64,
    late: u64,
    foreign: u64,
    jitter: Duration,
    round_trip: Option<Duration>,
    gaps: PacketGaps,
}

impl Counts {
    /// Whether something was received that can be used.
    pub(crate) const fn has_frames(&self) -> bool {
        self.frames > 0
    }

    pub(crate) fn of(track: &PlayedTrack<'_>) -> Self {
        let source = track.receiver.source();
        let (counters, reception) = (source.counters(), source.reception());
        Self {
            frames: track.frames,
            packets: counters.packets,
            octets: counters.octets,
            expected: reception.expected,
            late: counters.late,
            foreign: track.counters.foreign,
            jitter: reception.jitter,
            round_trip: reception.round_trip,
            gaps: reception.gaps,
        }
    }

    /// What has come since `before`; all of it if counting has begun anew.
    fn since(&self, before: &Self) -> Self {
        if self.packets < before.packets {
            return *self;
        }
        Self {
            frames: self.frames.saturating_sub(before.frames),
            packets: self.packets - before.packets,
            octets: self.octets.saturating_sub(before.octets),
            // After a change of its source a stream is counted anew.
            expected: self.expected.checked_sub(before.expected).unwrap_or(self.expected),
            late: self.late.saturating_sub(before.late),
            foreign: self.foreign.saturating_sub(before.foreign),
            jitter: self.jitter,
            round_trip: self.round_trip,
            gaps: self.gaps,
        }
    }

    fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.packets += other.packets;
        self.octets += other.octets;
        self.expected += other.expected;
        self.late += other.late;
        self.foreign += other.foreign;
        self.jitter = other.jitter;
        self.round_trip = other.round_trip.or(self.round_trip);
    }

    fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.packets)
    }

    fn loss_percent(&self) -> f64 {
        if self.expected == 0 { 0.0 } else { 100.0 * self.lost() as f64 / self.expected as f64 }
    }
}

/// The rate at which octets came, in kbit/s.
fn kilobits(octets: u64, time: Duration) -> f64 {
    octets as f64 * 8.0 / 1000.0 / time.as_secs_f64().max(1e-9)
}

/// Statistics of all tracks, measured interval by interval, as openRTSP has them.
#[derive(Debug)]
pub(crate) struct Quality {
    interval: Duration,
    /// When the present interval ends; `None` while nothing plays.
    next: Option<Instant>,
    tracks: BTreeMap<usize, TrackQuality>,
}

#[derive(Debug, Default)]
struct TrackQuality {
    name: String,
    /// When the present interval began, while the track plays.
    since: Option<Instant>,
    /// What had come by then.
    before: Counts,
    total: Counts,
    /// The gaps between packets before the present count of them.
    gaps: PacketGaps,
    /// Octets that came in the intervals that count, and how long these were together.
    measured: (u64, Duration),
    kilobits: Extremes,
    loss: Extremes,
}

/// The least and the most of some values.
#[derive(Clone, Copy, Debug, Default)]
struct Extremes(Option<(f64, f64)>);

impl Extremes {
    fn take(&mut self, value: f64) {
        let (least, most) = self.0.unwrap_or((value, value));
        self.0 = Some((least.min(value), most.max(value)));
    }
}

impl Quality {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, next: None, tracks: BTreeMap::new() }
    }

    /// When it is to be measured again.
    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Playing has begun.
    pub(crate) fn begin(&mut self, player: &Player, now: Instant) {
        self.next = Some(now + self.interval);
        for track in player.tracks() {
            let known = self.tracks.entry(track.number).or_default();
            known.name = name_of(player, track.number);
            // Not for one that has only paused.
            if known.since.is_none() {
                known.gaps = known.gaps.with(known.before.gaps);
                (known.since, known.before) = (Some(now), Counts::default());
            }
        }
    }

    /// Measures the interval that has ended, if one has.
    pub(crate) fn measure(&mut self, player: &Player, now: Instant) {
        let Some(next) = self.next.filter(|&next| now >= next) else { return };
        for track in player.tracks() {
            if let Some(known) = self.tracks.get_mut(&track.number) {
                known.measure(&Counts::of(&track), now, true);
            }
        }
        self.next = Some(next.max(now - self.interval) + self.interval);
    }

    /// A track has ended; the interval that was begun counts if most of it has passed.
    pub(crate) fn end_track(&mut self, number: usize, counts: &Counts, now: Instant) {
        let Some(known) = self.tracks.get_mut(&number) else { return };
        let passed = known.since.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        // Of a shorter time no rate can be told, except if there is no other.
        let counts_as_interval = passed >= self.interval / 2 || known.kilobits.0.is_none();
        known.measure(counts, now, counts_as_interval);
        known.since = None;
        if self.tracks.values().all(|track| track.since.is_none()) {
            self.next = None;
        }
    }
}

impl TrackQuality {
    fn measure(&mut self, counts: &Counts, now: Instant, is_interval: bool) {
        let Some(since) = self.since else { return };
        let passed = now.saturating_duration_since(since);
        let came = counts.since(&self.before);
        if counts.gaps.count < self.before.gaps.count {
            self.gaps = self.gaps.with(self.before.gaps);
        }
        (self.since, self.before) = (Some(now), *counts);
        self.total.add(&came);
        if is_interval && !passed.is_zero() {
            self.measured.0 += came.octets;
            self.measured.1 += passed;
            self.kilobits.take(kilobits(came.octets, passed));
            self.loss.take(came.loss_percent());
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "begin_QOS_statistics")?;
        for track in self.tracks.values() {
            let TrackQuality { name, total, measured: (octets, elapsed), .. } = track;
            writeln!(f, "subsession\t{name}")?;
            writeln!(f, "num_packets_received\t{}", total.packets)?;
            writeln!(f, "num_packets_lost\t{}", total.lost())?;
            writeln!(f, "elapsed_measurement_time\t{:.6}", elapsed.as_secs_f64())?;
            writeln!(f, "kBytes_received_total\t{:.3}", total.octets as f64 / 1000.0)?;
            writeln!(f, "measurement_sampling_interval_ms\t{}", self.interval.as_millis())?;
            let rates = track.kilobits.0.filter(|_| total.packets > 0);
            let values = rates.map(|(least, most)| [least, kilobits(*octets, *elapsed), most]);
            write_values(f, "kbits_per_second", values)?;
            let values = track.loss.0.map(|(least, most)| [least, total.loss_percent(), most]);
            write_values(f, "packet_loss_percentage", values)?;
            let gaps = track.gaps.with(track.before.gaps);
            let values = gaps.average().map(|average| {
                [gaps.shortest, average, gaps.longest].map(|gap| gap.as_secs_f64() * 1000.0)
            });
            write_values(f, "inter_packet_gap_ms", values)?;
            match total.round_trip {
                Some(trip) => writeln!(f, "round_trip_ms\t{:.3}", trip.as_secs_f64() * 1000.0)?,
                None => writeln!(f, "round_trip_ms\tunavailable")?,
            }
            writeln!(f, "jitter_ms\t{:.3}", total.jitter.as_secs_f64() * 1000.0)?;
            writeln!(f, "num_packets_late\t{}", total.late)?;
            writeln!(f, "num_packets_from_strangers\t{}", total.foreign)?;
            writeln!(f, "num_frames_received\t{}", total.frames)?;
        }
        writeln!(f, "end_QOS_statistics")
    }
}

/// The least, the average and the most of something, a line each.
fn write_values(f: &mut fmt::Formatter<'_>, what: &str, values: Option<[f64; 3]>) -> fmt::Result {
    for (i, which) in ["min", "ave", "max"].into_iter().enumerate() {
        match values.map(|values| values[i]) {
            Some(value) => writeln!(f, "{what}_{which}\t{value:.3}")?,
            None => writeln!(f, "{what}_{which}\tunavailable")?,
        }
    }
    Ok(())
}
