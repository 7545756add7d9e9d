//! Pictures that tell when they were captured, and the clock of those who capture them.

use riverrun::env::UsageEnvironment;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// From picture to picture: few, so that many hours take little time.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// Pictures from one key frame to the next.
pub(super) const KEY_EVERY: u32 = 5;
pub(super) const GROUP_TIME: Duration = Duration::from_secs(5);
/// After this time all reports tell the clock as it is now.
const SETTLES: Duration = Duration::from_secs(40);
/// Bytes that tell when a picture was captured; they are its last.
const DIGITS: usize = 9;

pub(super) const SPS: [u8; 5] = [0x67, 0x42, 0xc0, 0x1e, 0xd9];
pub(super) const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

/// What a picture says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// Microseconds since the Unix epoch.
    pub(super) captured: u64,
    pub(super) key: bool,
}

impl Picture {
    /// The last bytes of the picture. None of them is 0.
    pub(super) fn digits(self) -> [u8; DIGITS] {
        let number = self.captured << 1 | u64::from(self.key);
        std::array::from_fn(|n| 0x80 | (number >> (7 * (DIGITS - 1 - n)) & 0x7f) as u8)
    }

    /// The NAL unit of the picture.
    pub(super) fn unit(self) -> Vec<u8> {
        let head = if self.key { [0x65, 0x88] } else { [0x41, 0x9a] };
        [&head[..], &self.digits()].concat()
    }

    /// Reads the picture in a frame.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let digits = frame.last_chunk::<DIGITS>()?;
        if digits.iter().any(|digit| digit & 0x80 == 0) {
            return None;
        }
        let number = digits.iter().fold(0, |n: u64, digit| n << 7 | u64::from(digit & 0x7f));
        Some(Self { captured: number >> 1, key: number & 1 == 1 })
    }
}

/// The wall clock of camera and publisher, which is set now and then.
#[derive(Clone, Debug, Default)]
pub(super) struct CameraClock(Rc<State>);

#[derive(Debug, Default)]
struct State {
    /// By how many microseconds it is ahead.
    ahead: Cell<i64>,
    settled_at: Cell<Option<Instant>>,
}

impl CameraClock {
    /// What it shows, in microseconds since the Unix epoch.
    pub(super) fn now(&self, env: &UsageEnvironment) -> u64 {
        let wall = env.wall_clock().as_micros() as u64;
        wall.saturating_add_signed(self.0.ahead.get())
    }

    pub(super) fn step(&self, seconds: f64) {
        let ahead = self.0.ahead.get() + (seconds * 1e6) as i64;
        // It does not run away.
        self.0.ahead.set(ahead % 86_400_000_000);
    }

    /// Something has happened of which reports tell later.
    pub(super) fn disturb(&self, now: Instant) {
        self.0.settled_at.set(Some(now + SETTLES));
    }

    /// Whether everything that viewers are told of the clock is to be right.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        self.0.settled_at.get().is_none_or(|at| at <= now)
    }
}
