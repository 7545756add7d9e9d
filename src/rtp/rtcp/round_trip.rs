//! The round-trip time as a receiver measures it (RFC 3611 sections 4.4 and 4.5).

use super::NtpTime;
use crate::wire::rtcp::Dlrr;
use std::time::{Duration, Instant};

/// A reference time that a receiver has stated, as
/// [`RtcpOutcome::reference_time`](super::RtcpOutcome::reference_time) tells it to a sender, which
/// answers with [`RtcpInstance::answer_reference_time`](super::RtcpInstance::answer_reference_time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReferenceTime {
    /// SSRC of the receiver.
    pub ssrc: u32,
    /// The receiver's wall-clock time when it sent the packet.
    pub time: NtpTime,
}

/// Longest plausible round-trip time; a longer one indicates an answer that does not mean ours.
const LONGEST: Duration = Duration::from_secs(3600);
/// Both ends round to 1/65536 s: on a short path the difference may fall below zero by as much.
const ROUNDING: Duration = Duration::from_micros(31);

/// The reference times that we have stated last.
#[derive(Debug, Default)]
pub(super) struct StatedTimes {
    /// The middle 32 bits of each, and when it was sent: those of the last two, because an answer to
    /// the first may cross the second. Our own clock measures the time between, since the wall clock
    /// may be set in the meantime.
    last: [Option<(u32, Instant)>; 2],
}

impl StatedTimes {
    /// Records a reference time that is sent now.
    pub(super) const fn note(&mut self, time: NtpTime, now: Instant) {
        self.last = [Some((time.middle(), now)), self.last[0]];
    }

    /// The round-trip time, from the answer to one of them that arrives now; `None` if it is none, or
    /// states more delay than there was time.
    pub(super) fn round_trip(&self, answer: &Dlrr, now: Instant) -> Option<Duration> {
        if answer.last_rr == 0 {
            return None;
        }
        let stated = self.last.iter().flatten().find(|(middle, _)| *middle == answer.last_rr)?;
        let since = now.saturating_duration_since(stated.1) + ROUNDING;
        let trip = since.checked_sub(NtpTime::short_to_duration(answer.delay_since_last_rr))?;
        let trip = trip.saturating_sub(ROUNDING);
        (trip <= LONGEST).then_some(trip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::{ms, some_instant};

    #[test]
    fn an_answer_tells_the_round_trip_of_the_time_that_it_names() {
        let start = some_instant();
        let [first, second] = [NtpTime(0x1_0000_0000), NtpTime(0x6_0000_0000)];
        let answer = |time: NtpTime, delay| Dlrr {
            ssrc: 1,
            last_rr: time.middle(),
            delay_since_last_rr: NtpTime::short_delay(delay),
        };
        let mut stated = StatedTimes::default();
        assert_eq!(stated.round_trip(&answer(first, ms(0)), start), None, "nothing was asked");
        stated.note(first, start);
        let trip = stated.round_trip(&answer(first, ms(250)), start + ms(300)).unwrap();
        assert!(trip.abs_diff(ms(50)) < ms(1), "{trip:?}");
        stated.note(second, start + ms(5000));
        let late = stated.round_trip(&answer(first, ms(4900)), start + ms(5100)).unwrap();
        assert!(late.abs_diff(ms(200)) < ms(1), "of the one before: {late:?}");
        let trip = stated.round_trip(&answer(second, ms(0)), start + ms(5010)).unwrap();
        assert!(trip.abs_diff(ms(10)) < ms(1), "{trip:?}");
    }

    #[test]
    fn answers_that_cannot_be_are_none() {
        let start = some_instant();
        let mut stated = StatedTimes::default();
        stated.note(NtpTime(0x1_0000_0000), start);
        let of = |last_rr, delay, at| {
            let answer = Dlrr { ssrc: 1, last_rr, delay_since_last_rr: delay };
            stated.round_trip(&answer, start + at)
        };
        assert_eq!(of(0x1_0000, 0, ms(0)), Some(ms(0)));
        assert_eq!(of(0x1_0000, 2, ms(0)), Some(ms(0)), "rounded");
        assert_eq!(of(0x1_0000, 3, ms(0)), None, "more delay than time");
        assert_eq!(of(0x1_0000, u32::MAX, ms(1000)), None);
        assert_eq!(of(0x1_0001, 0, ms(10)), None, "never stated");
        assert_eq!(of(0, 0, ms(10)), None, "the sender has received none");
        assert_eq!(of(0x1_0000, 0, ms(3_600_001)), None, "an hour ago");
    }
}
