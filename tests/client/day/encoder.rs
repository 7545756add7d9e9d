//! [`Encoder`]: it goes on whether or not there is a server to send to.

use riverrun::Frame;
use riverrun::env::{Event, EventKey, Medium, MediumHandle, MediumId, Timer, UsageEnvironment};
use riverrun::media::live::LiveSender;
use std::time::{Duration, Instant};

/// Time from frame to frame, for video and sound.
pub(super) const INTERVALS: [Duration; 2] =
    [Duration::from_millis(500), Duration::from_millis(250)];
/// Pictures from one key frame to the next.
pub(super) const KEY_EVERY: u32 = 10;
/// Bytes of a frame that have its number; they are its last.
const NUMBER: usize = 5;

pub(super) struct Encoder {
    begun: Instant,
    senders: Option<[LiveSender; 2]>,
    next: [u32; 2],
    timers: [Timer; 2],
    me: MediumHandle,
}

/// What frames are filled with, from a place that follows from their number.
static FILLER: [u8; 8192] = {
    let mut filler = [0x80; 8192];
    let mut at = 0;
    while at < filler.len() {
        filler[at] |= (at * 7 + at / 251) as u8;
        at += 1;
    }
    filler
};

/// The frame of a number: its bytes follow from it, and no three of them are a start code.
pub(super) fn frame(track: usize, number: u32) -> Vec<u8> {
    let mut frame = Vec::with_capacity(4096);
    let is_key = number % KEY_EVERY == 0;
    let len = match track {
        0 if is_key => {
            frame.extend([0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9]);
            frame.extend([0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80]);
            frame.extend([0, 0, 0, 1, 0x65]);
            4000
        }
        0 => {
            frame.extend([0, 0, 0, 1, 0x41]);
            1000 + number as usize * 37 % 1500
        }
        _ => 160 + number as usize % 40,
    };
    frame.extend_from_slice(&FILLER[number as usize * 31 % 4096..][..len]);
    frame.extend((0..NUMBER as u32).rev().map(|i| 0x80 | (number >> (7 * i) & 0x7f) as u8));
    frame
}

/// The number in a frame; `None` if it is not whole.
pub(super) fn number(track: usize, bytes: &[u8]) -> Option<u32> {
    let digits = bytes.last_chunk::<NUMBER>()?;
    let number = digits.iter().fold(0, |number, digit| number << 7 | u32::from(digit & 0x7f));
    (frame(track, number) == bytes).then_some(number)
}

impl Encoder {
    pub(super) fn open(env: &mut UsageEnvironment) -> MediumId<Self> {
        env.add(Self {
            begun: env.now(),
            senders: None,
            next: [0; 2],
            timers: [Timer::new(), Timer::new()],
            me: MediumHandle::default(),
        })
    }

    /// Sends to a new server from now on.
    pub(super) fn feed(&mut self, senders: [LiveSender; 2]) {
        self.senders = Some(senders);
    }

    /// A frame of a track is due.
    fn encode(&mut self, env: &mut UsageEnvironment, track: usize) {
        let number = self.next[track];
        self.next[track] += 1;
        let pts = INTERVALS[track] * number;
        if let Some(senders) = &self.senders {
            let mut frame = Frame::new(frame(track, number), pts, Duration::ZERO);
            let late = env.now().saturating_duration_since(self.begun + pts);
            frame.flags.key = track == 1 || number % KEY_EVERY == 0;
            frame.wall_clock = Some(env.wall_clock() - late);
            let _ = senders[track].send(frame);
        }
        self.arm(env, track);
    }

    fn arm(&mut self, env: &mut UsageEnvironment, track: usize) {
        let key = EventKey { kind: track as u32, ..EventKey::default() };
        let at = self.begun + INTERVALS[track] * self.next[track];
        env.arm_timer(&mut self.timers[track], self.me, key, at);
    }
}

impl Medium for Encoder {
    fn kind(&self) -> &'static str {
        "Encoder"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
        [0, 1].into_iter().for_each(|track| self.arm(env, track));
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        if let Event::Timer { key } = event {
            self.encode(env, key.kind as usize);
        }
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        self.timers.iter_mut().for_each(|timer| env.disarm_timer(timer));
    }
}
