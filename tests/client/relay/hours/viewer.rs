//! [`Viewer`]: a player of what the relay serves, which looks at each frame.

use super::LONGEST_OF_VIEWERS;
use super::picture::{CameraClock, Picture};
use crate::relay::over;
use riverrun::client::{Player, PlayerEvent, TransportPolicy};
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::rtp::ReceivedFrame;
use riverrun::rtp::rtcp::NtpTime;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub(super) struct Viewer {
    pub(super) player: MediumId<Player>,
    seen: Rc<Seen>,
}

/// Events of a player that are kept for messages.
const TOLD: usize = 12;

/// What a viewer has seen.
#[derive(Default)]
pub(super) struct Seen {
    frames: Cell<u64>,
    timed: Cell<u64>,
    /// How often it has begun to play since that was asked.
    sessions: Cell<u32>,
    /// From when on a key frame is waited for, and when one has come.
    awaited_from: Cell<Option<Instant>>,
    key_frame: Cell<Option<Instant>>,
    /// What the player has told last, for messages.
    told: RefCell<VecDeque<(Instant, String)>>,
}

impl Seen {
    pub(super) fn frames(&self) -> u64 {
        self.frames.get()
    }

    /// Frames whose capture time was right.
    pub(super) fn timed(&self) -> u64 {
        self.timed.get()
    }

    pub(super) fn take_sessions(&self) -> u32 {
        self.sessions.take()
    }

    /// What the player has told last, with the seconds from `since`.
    pub(super) fn told(&self, since: Instant) -> Vec<(f64, String)> {
        let seconds = |at: Instant| match at.checked_duration_since(since) {
            Some(after) => after.as_secs_f64(),
            None => -(since - at).as_secs_f64(),
        };
        self.told.borrow().iter().map(|(at, what)| (seconds(*at), what.clone())).collect()
    }

    fn tell(&self, now: Instant, what: String) {
        let mut told = self.told.borrow_mut();
        if told.len() == TOLD {
            told.pop_front();
        }
        told.push_back((now, what));
    }

    pub(super) fn await_key_frame(&self, from: Instant) {
        self.awaited_from.set(Some(from));
        self.key_frame.set(None);
    }

    pub(super) fn key_frame(&self) -> Option<Instant> {
        self.key_frame.get()
    }
}

/// The last frame.
#[derive(Clone, Copy, Debug)]
struct Last {
    pts: Duration,
    timestamp: u32,
    /// The player has lost the stream since.
    is_old: bool,
}

impl Viewer {
    pub(super) fn open(
        env: &mut UsageEnvironment,
        url: &str,
        transport: TransportPolicy,
        clock: &CameraClock,
    ) -> Self {
        let mut config = over(transport);
        (config.stall_timeout, config.first_packet_timeout) = (Duration::MAX, Duration::MAX);
        config.reconnect.longest_delay = LONGEST_OF_VIEWERS;
        let seen = Rc::new(Seen::default());
        let (notes, clock) = (Rc::clone(&seen), clock.clone());
        let mut last = None;
        let player = Player::open(env, url, config, move |env, event| match event {
            PlayerEvent::Frame { frame, .. } => look(&notes, &clock, &mut last, env, &frame),
            PlayerEvent::Playing { .. } => {
                notes.tell(env.now(), "plays".to_owned());
                notes.sessions.set(notes.sessions.get() + 1);
            }
            PlayerEvent::Lost(why) => {
                notes.tell(env.now(), why.to_string());
                if let Some(last) = &mut last {
                    last.is_old = true;
                }
            }
            PlayerEvent::Reconnecting { delay, .. } => {
                notes.tell(env.now(), format!("tries again after {delay:?}"));
            }
            _ => {}
        });
        let player = player.expect("a player");
        Self { player, seen }
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// Times never go back, no frame comes twice, and capture times are those of the camera.
fn look(
    seen: &Seen,
    clock: &CameraClock,
    last: &mut Option<Last>,
    env: &UsageEnvironment,
    frame: &ReceivedFrame,
) {
    let now = env.now();
    if let Some(before) = last {
        // The first frame of a new session may be put where the last one of the session before was.
        let goes_on = frame.pts > before.pts || before.is_old && frame.pts == before.pts;
        assert!(goes_on, "{before:?} {frame:?}");
        let step = frame.timestamp.wrapping_sub(before.timestamp) as i32;
        assert!(before.is_old || step > 0, "{before:?} {frame:?}");
    }
    *last = Some(Last { pts: frame.pts, timestamp: frame.timestamp, is_old: false });
    let Some(picture) = Picture::read(&frame.data) else {
        assert!(frame.damaged || frame.discontinuity, "{frame:?}");
        return;
    };
    seen.frames.set(seen.frames.get() + 1);
    if picture.key && seen.awaited_from.get().is_some_and(|from| from <= now) {
        seen.awaited_from.set(None);
        seen.key_frame.set(Some(now));
    }
    let told = frame.wall_clock.map(NtpTime::to_unix);
    let Some(told) = told.filter(|_| clock.is_settled(now)) else { return };
    let off = told.as_micros() as i128 - i128::from(picture.captured);
    assert!(off.abs() <= 1000, "the capture time is off by {off} us: {frame:?}");
    seen.timed.set(seen.timed.get() + 1);
}
