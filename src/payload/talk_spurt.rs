//! [`TalkSpurts`]: where audio begins again after silence that was not sent.

use crate::frame::Frame;
use std::time::Duration;

/// Finds the first frames of talk spurts, whose packets have the marker bit (RFC 3551 section 4.1).
#[derive(Debug, Default)]
pub(super) struct TalkSpurts {
    /// When a frame that follows the last without a gap begins at the latest.
    due: Option<Duration>,
}

impl TalkSpurts {
    pub(super) const fn new() -> Self {
        Self { due: None }
    }

    /// Whether `frame` begins a talk spurt: it is the first, or at least one frame like the last one
    /// is missing before it. Smaller gaps are the rounding and the jitter of frames' times.
    pub(super) fn handle_frame(&mut self, frame: &Frame) -> bool {
        let begins = frame.flags.discontinuity || self.due.is_none_or(|due| frame.pts >= due);
        // Where durations are unknown gaps are, too.
        let known = !frame.duration.is_zero();
        self.due = Some(if known { frame.pts + 2 * frame.duration } else { Duration::MAX });
        begins
    }

    /// The next frame begins a talk spurt.
    pub(super) const fn reset(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talk_spurt_begins_after_a_gap_of_a_frame() {
        let ms = Duration::from_millis;
        let mut spurts = TalkSpurts::new();
        let mut begins =
            |at, duration| spurts.handle_frame(&Frame::new(vec![0], ms(at), ms(duration)));
        let frames = [(0, 20), (20, 20), (45, 20), (84, 20), (124, 20), (144, 0), (900, 20)];
        let marked = frames.map(|(at, duration)| begins(at, duration));
        assert_eq!(marked, [true, false, false, false, true, false, false]);
        spurts.reset();
        assert!(spurts.handle_frame(&Frame::new(vec![0], ms(920), ms(20))));
        let mut frame = Frame::new(vec![0], ms(940), ms(20));
        frame.flags.discontinuity = true;
        assert!(spurts.handle_frame(&frame));
    }
}
