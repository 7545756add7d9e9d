//! [`SessionClock`]: the common time line of the streams of a session. Read RFC 3550 section 6.4.1
//! before changing it, and RFC 2326 section 12.33 for the times that RTSP tells.

#[cfg(test)]
mod tests;

use super::rtcp::NtpTime;
use super::source::{Line, ReceivedFrame};
use std::time::{Duration, Instant};

/// What a relation may change by without moving the frames: a report's wall-clock time and timestamp
/// are rounded, and read one after the other.
const DEAD_BAND: i64 = 1_000_000;
/// By how much streams may be moved against each other. What is more is another clock, or a clock that
/// was set.
const LARGEST_CORRECTION: i64 = 10_000_000_000;

/// Converts the presentation times of several streams to one time line, by the sender's reports.
///
/// The owner of the streams owns the clock, and passes each polled frame to [`place`](Self::place).
/// Every stream starts with a time line of its own. On that of the session, the streams are related
/// * at first by the time of arrival of their first frames, or by RTSP's `RTP-Info`
///   ([`RtpSource::set_reference`](super::RtpSource::set_reference)): times are then normal play times;
/// * by their wall-clock times, once the sender has reported them. The first stream with a report
///   keeps its times, and those of the others are corrected: to later times in one step, to earlier
///   ones gradually, by at most half of the time that passes. Times never decrease (except of
///   pictures that are not sent in presentation order).
///
/// A step of the sender's wall clock changes no presentation time.
///
/// ```
/// use riverrun::payload::mp2t::Mp2tDepacketizer;
/// use riverrun::rtp::{RtpSource, RtpSourceConfig, SessionClock};
/// use std::time::Instant;
///
/// let mut clock = SessionClock::new(1);
/// let config = RtpSourceConfig::new(33, 90_000);
/// let mut source = RtpSource::new(config, Box::new(Mp2tDepacketizer::new()))?;
/// let mut packet = vec![0x80, 33, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
/// packet.extend([0x47; 188]);
/// source.handle_packet(&packet, Instant::now()).expect("it is one of the stream's");
/// while let Some(mut frame) = source.poll_frame() {
///     clock.place(0, &mut frame);
///     println!("{:?}, synchronized: {}", frame.pts, frame.synchronized);
/// }
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionClock {
    tracks: Vec<Track>,
    /// The wall clock at time zero, in nanoseconds since 1970, by the first report.
    base: Option<i64>,
    /// By how much the wall clock has been set since.
    shift: i64,
    /// The frame placed last: when it arrived and where it lies.
    latest: Option<(Instant, i64)>,
}

/// One stream. Times are in nanoseconds, `own` ones on the line that the stream has by itself.
#[derive(Clone, Debug, Default)]
struct Track {
    line: Line,
    offset: Option<Offset>,
    /// The latest frame placed.
    highest: Option<i64>,
    /// The wall-clock time at zero of its own line, as the sender has told last.
    relation: Option<i64>,
    /// The shift of the wall clock that `relation` has in it.
    shift: i64,
    /// Its clock is that of the others.
    shares_clock: bool,
}

/// What is added to a stream's own times. It does not depend on the order in which frames come, and
/// leaves theirs as it is.
#[derive(Clone, Copy, Debug)]
struct Offset {
    /// Up to this time it is `before`; then it goes to `target`.
    from: i64,
    before: i64,
    target: i64,
}

impl Offset {
    fn at(&self, own: i64) -> i64 {
        if own <= self.from {
            return self.before;
        }
        let less = own.saturating_sub(self.from) / 2;
        self.target.max(self.before.saturating_sub(less))
    }
}

impl SessionClock {
    /// Creates the clock of a session of `tracks` streams, which are numbered from 0.
    pub fn new(tracks: usize) -> Self {
        let tracks = vec![Track::default(); tracks];
        Self { tracks, base: None, shift: 0, latest: None }
    }

    /// Converts a frame's time to the session's time line: sets [`pts`](ReceivedFrame::pts) and
    /// [`synchronized`](ReceivedFrame::synchronized). Pass every frame of a stream once, in the order
    /// in which [`poll_frame`](super::StreamReceiver::poll_frame) returned them. A frame of a stream
    /// with another number is not changed.
    pub fn place(&mut self, track: usize, frame: &mut ReceivedFrame) {
        let Self { tracks, base, shift, latest } = self;
        let Some(track) = tracks.get_mut(track) else { return };
        let own = nanos(frame.pts);
        let line = std::mem::replace(&mut track.line, frame.line);
        let is_told = track.line.references != line.references;
        if is_told || track.offset.is_none() {
            // By what RTSP tells all streams have the same line, else by the time of arrival.
            let arrival = latest
                .map(|(at, time)| time.saturating_add(difference(frame.arrived_at, at)))
                .filter(|_| !is_told);
            let offset = arrival.map_or(0, |time| time.saturating_sub(own));
            track.offset = Some(Offset { from: i64::MIN, before: offset, target: offset });
            track.highest = None;
        }
        let steps = is_told || track.line.clock_steps != line.clock_steps;
        if let Some(reported) = frame.reported {
            track.relate(wall(reported).saturating_sub(own), steps, base, shift);
        }
        let offset = track.offset.map_or(0, |offset| offset.at(own));
        let target = track.offset.map_or(0, |offset| offset.target);
        track.highest = Some(track.highest.unwrap_or(own).max(own));
        let time = own.saturating_add(offset);
        frame.pts = Duration::from_nanos(u64::try_from(time).unwrap_or(0));
        frame.synchronized = frame.reported.is_some()
            && track.shares_clock
            && offset.abs_diff(target) <= DEAD_BAND.unsigned_abs();
        *latest = Some((frame.arrived_at, time));
    }
}

impl Track {
    /// The sender has told the stream's wall clock. `steps`: it or the line is another than before.
    fn relate(&mut self, relation: i64, steps: bool, base: &mut Option<i64>, shift: &mut i64) {
        let Some(offset) = self.offset else { return };
        let base = *base.get_or_insert(relation.saturating_sub(offset.target));
        match self.relation.replace(relation) {
            None => self.shift = *shift,
            Some(before) if relation == before && !steps => return,
            Some(before) => {
                let change = relation.saturating_sub(before);
                let is_step = steps || change.abs() > LARGEST_CORRECTION;
                // What another stream has told of the clock, and this one has not yet.
                let known = shift.saturating_sub(self.shift);
                if is_step && known != 0 && differ_little(change, known) {
                    self.shift = *shift;
                } else if is_step {
                    self.shift = self.shift.saturating_add(change);
                    *shift = self.shift;
                }
            }
        }
        let target = relation.saturating_sub(base).saturating_sub(self.shift);
        self.shares_clock = differ_little(target, offset.target);
        if self.shares_clock {
            self.move_to(offset, target);
        } else {
            // Stays where it is, by a clock of its own.
            self.relation = None;
        }
    }

    fn move_to(&mut self, offset: Offset, target: i64) {
        if target.abs_diff(offset.target) <= DEAD_BAND.unsigned_abs() {
            return;
        }
        self.offset = Some(match self.highest {
            Some(highest) => Offset { from: highest, before: offset.at(highest), target },
            None => Offset { from: i64::MIN, before: target, target },
        });
    }
}

fn differ_little(one: i64, other: i64) -> bool {
    one.abs_diff(other) <= LARGEST_CORRECTION.unsigned_abs()
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

fn wall(ntp: NtpTime) -> i64 {
    nanos(ntp.to_unix())
}

/// How much later one instant is than another.
fn difference(one: Instant, other: Instant) -> i64 {
    let later = nanos(one.saturating_duration_since(other));
    later.saturating_sub(nanos(other.saturating_duration_since(one)))
}
