//! Scales (RFC 2326 section 12.34): which there are, and what they do to times.

use std::time::Duration;

/// The greatest factor, in either direction, and the inverse of the least.
const MAX_SCALE: f32 = 32.0;
/// Least time of the clock between two key frames: a decoder has to follow, and the network to
/// carry pictures that are each many times as large as the others.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// The scale nearest to `scale` that video can follow: by its key frames, or all frames more slowly.
pub(super) fn nearest(scale: f32) -> f32 {
    match scale {
        s if s <= -1.0 => s.max(-MAX_SCALE),
        s if s < 0.0 => -1.0,
        s if s > 0.0 && s < 1.0 => s.max(1.0 / MAX_SCALE),
        s if s >= 2.0 => s.min(MAX_SCALE),
        s if s >= 1.5 => 2.0,
        // Also what is 0, or no number.
        _ => 1.0,
    }
}

/// The scale nearest to `scale` that sound can follow of which parts are skipped or repeated.
pub(super) fn nearest_of_sound(scale: f32) -> f32 {
    if scale == 0.0 || !scale.is_finite() {
        return 1.0;
    }
    scale.abs().clamp(1.0 / MAX_SCALE, MAX_SCALE).copysign(scale)
}

/// Normal play time that passes while `time` is presented.
pub(super) fn scaled(time: Duration, scale: f32) -> Duration {
    let factor = f64::from(scale.abs());
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// The earliest time after `npt` at which decoding can start, where `locate` finds the last at or
/// before a time, if that is within the media. `None` if there is none before `end`.
pub(super) fn find_key_frame_after<E>(
    npt: Duration,
    end: Duration,
    mut locate: impl FnMut(Duration) -> Result<Option<Duration>, E>,
) -> Result<Option<Duration>, E> {
    let last = end.saturating_sub(Duration::from_nanos(1));
    let (mut low, mut reach) = (npt, Duration::from_millis(250));
    // Twice as far each time.
    let mut found = loop {
        let target = npt.saturating_add(reach).min(last);
        match locate(target)? {
            Some(landed) if landed > npt => break landed,
            Some(_) if target < last => low = low.max(target),
            _ => return Ok(None),
        }
        reach = reach.saturating_mul(2);
    };
    // There may be others in front of it.
    while found.saturating_sub(low) > LEAST_INTERVAL / 4 {
        let middle = low + (found - low) / 2;
        match locate(middle)? {
            Some(landed) if landed > npt && landed < found => found = landed,
            _ => low = middle,
        }
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_not_supported_becomes_the_nearest_that_is() {
        for (wanted, video, sound) in [
            (1.0, 1.0, 1.0),
            (4.0, 4.0, 4.0),
            (2.5, 2.5, 2.5),
            (100.0, 32.0, 32.0),
            (1.2, 1.0, 1.2),
            (1.7, 2.0, 1.7),
            (0.5, 0.5, 0.5),
            (0.001, 1.0 / 32.0, 1.0 / 32.0),
            (0.0, 1.0, 1.0),
            (-0.5, -1.0, -0.5),
            (-2.0, -2.0, -2.0),
            (-1e6, -32.0, -32.0),
        ] {
            assert_eq!((nearest(wanted), nearest_of_sound(wanted)), (video, sound), "{wanted}");
        }
    }

    #[test]
    fn the_next_key_frame_is_found_by_few_questions() {
        for every in [1, 40, 333, 1000, 9999, 60_000] {
            let end = ms(200_000);
            let mut asked = 0;
            let mut locate = |npt: Duration| {
                asked += 1;
                let landed = npt.as_millis() as u64 / every * every;
                Ok::<_, ()>((npt < end).then_some(ms(landed)))
            };
            let mut at = Duration::ZERO;
            let mut count = 0;
            while let Some(next) = find_key_frame_after(at, end, &mut locate).unwrap() {
                let due = ms(at.as_millis() as u64 / every * every + every);
                // One so soon behind another may be passed over.
                assert!(next >= due && next - due <= LEAST_INTERVAL / 4, "{next:?} {due:?}");
                at = next;
                count += 1;
            }
            assert!(at + ms(every) + LEAST_INTERVAL / 4 >= end, "{at:?} of {every}");
            assert!(asked <= (count + 1) * 24, "{asked} questions for {count}");
        }
        let none = find_key_frame_after(ms(5), ms(9), |_| Ok::<_, ()>(None));
        assert_eq!(none, Ok(None));
        assert_eq!(find_key_frame_after(ms(5), ms(9), |_| Err(7)), Err(7));
    }
}
