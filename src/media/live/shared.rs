//! [`Shared`]: the common state of both ends of a live stream: the sources' queues behind one lock.

use super::clock::Clock;
use super::input::{InputError, InputKind, RtpLook, continues_picture, is_length_prefixed};
use crate::codec::{CodecParameters, av1, mpeg4_video, vp9};
use crate::frame::Frame;
use crate::media::Wake;
use crate::media::access_unit::{self, LeadingUnits, NalCodec, RefreshCycle, SetsInForce};
use crate::media::queue::{FrameQueue, Overflow, Pushed, QueueLimits};
use bytes::Bytes;
use slab::Slab;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// The result of sending a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "tells the encoder whether the loop is behind"]
#[expect(clippy::exhaustive_enums, reason = "encoders handle every outcome")]
pub enum Sent {
    /// All sources have received the frame.
    Accepted,
    /// A source's queue is full; that source skips frames up to the next key frame.
    Dropped,
    /// There is no viewer at the moment. Parameter sets have been stored.
    NoReceiver,
    /// The receiving end no longer exists, so there will be no viewers.
    Closed,
    /// The frame does not fit the stream's codec and was dropped. Each kind of error is logged
    /// once.
    Refused(InputError),
}

/// Counters of a live stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveStats {
    /// Frames passed to [`LiveSender::send`](super::LiveSender::send).
    pub sent: u64,
    /// Number of those that every source accepted.
    pub accepted: u64,
    /// Number of those that at least one source dropped.
    pub dropped: u64,
    /// Number of those that were refused ([`Sent::Refused`]).
    pub refused: u64,
    /// Number of frames in the queue of the source that is furthest behind.
    pub queued: usize,
    /// Number of sources that read the stream.
    pub sources: usize,
}

/// What every sender, the stream and every source of it hold.
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) kind: InputKind,
    pub(super) wake: Wake,
    /// The other streams whose times are of the same clock.
    pub(super) clocks: OnceLock<Vec<Weak<Self>>>,
    pub(super) key_frame_wanted: AtomicBool,
}

pub(super) struct State {
    pub(super) parameters: CodecParameters,
    /// Of video, the parameter sets of `parameters`.
    sets: Option<SetsInForce>,
    limits: QueueLimits,
    pub(super) sources: Slab<Reader>,
    pub(super) senders: usize,
    /// The receiving end exists.
    pub(super) open: bool,
    /// What came last was not the end of its access unit.
    inside_unit: bool,
    /// Of the access unit that came last, a slice has come.
    had_slice: bool,
    clock: Option<Clock>,
    /// Finds key frames that do not look it.
    refresh: RefreshCycle,
    /// An SPS has come since the picture that came last.
    sps_before: bool,
    rtp_look: RtpLook,
    /// Kinds of refusal that the log was told, a bit each.
    told: u32,
    stats: LiveStats,
}

/// What is kept for a source.
pub(super) struct Reader {
    pub(super) queue: FrameQueue,
    /// It has been asked for a frame. Until then it gets none, or a client between SETUP and PLAY
    /// would be sent what has grown old meanwhile.
    pub(super) asked: bool,
    /// It has got its first frame.
    started: bool,
    /// It has been told to wait for input.
    pub(super) waiting: bool,
    /// The clock was set, and no frame has told it.
    clock_is_due: bool,
}

impl Shared {
    pub(super) fn new(parameters: CodecParameters, limits: QueueLimits, wake: Wake) -> Self {
        let kind = InputKind::of(&parameters);
        let state = State {
            sets: SetsInForce::new(&parameters),
            parameters,
            limits,
            sources: Slab::new(),
            senders: 1,
            open: true,
            inside_unit: false,
            had_slice: false,
            clock: None,
            refresh: RefreshCycle::default(),
            sps_before: false,
            rtp_look: RtpLook::default(),
            told: 0,
            stats: LiveStats::default(),
        };
        let (state, clocks) = (Mutex::new(state), OnceLock::new());
        Self { state, kind, wake, clocks, key_frame_wanted: AtomicBool::new(false) }
    }

    /// No code that can panic runs under the lock, so a poisoned lock's content is sound.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_clock(&self, pts: Duration, wall_clock: Duration) {
        let mut state = self.lock();
        state.clock = Some(Clock::new(pts, wall_clock));
        state.sources.iter_mut().for_each(|(_, reader)| reader.clock_is_due = true);
    }
}
/// What is to become of a frame of video.
pub(super) enum Noted {
    /// It had parameter sets alone.
    Kept(Sent),
    /// It is sent, with these in front.
    Send { missing: Option<Bytes> },
}

impl State {
    pub(super) fn stats(&self) -> LiveStats {
        let queued = self.sources.iter().map(|(_, r)| r.queue.len()).max().unwrap_or(0);
        LiveStats { queued, sources: self.sources.len(), ..self.stats }
    }

    /// Makes room for a source, which begins at a key frame, and tells its key in `sources`.
    pub(super) fn add_source(&mut self) -> usize {
        let queue = FrameQueue::new(self.limits, Overflow::DropNewest).start_at_key_frame();
        let reader =
            Reader { queue, asked: false, started: false, waiting: false, clock_is_due: true };
        self.sources.insert(reader)
    }

    /// Counts a frame that is refused. Whether the log has not been told of such an error yet.
    pub(super) fn refuse(&mut self, error: InputError) -> bool {
        self.stats.sent += 1;
        self.stats.refused += 1;
        let told = self.told;
        self.told |= 1 << error.kind();
        told >> error.kind() & 1 == 0
    }

    /// Keeps the frame's parameter sets, and tells those that must be put in front of it.
    pub(super) fn note_video(
        &mut self,
        codec: NalCodec,
        frame: &mut Frame,
        found: &LeadingUnits,
    ) -> Result<Noted, InputError> {
        // A length of 256 to 511 looks like a start code.
        let was_prefixed = self.told >> InputError::LengthPrefixed.kind() & 1 == 1;
        if was_prefixed && is_length_prefixed(&frame.data) {
            return Err(InputError::LengthPrefixed);
        }
        let slice = frame.data.get(found.slice_at..).filter(|_| found.slice && !self.inside_unit);
        if slice.is_some_and(|slice| continues_picture(codec, slice)) {
            return Err(InputError::ContinuedPicture);
        }
        let goes_on = std::mem::replace(&mut self.inside_unit, !frame.flags.ends_access_unit);
        // They go in front of the first slice, whichever piece has it.
        let first_slice = found.slice && !(goes_on && self.had_slice);
        self.had_slice = found.slice || (goes_on && self.had_slice);
        self.sps_before |= !found.sps.is_empty();
        if first_slice {
            let sps = std::mem::take(&mut self.sps_before);
            frame.flags.key = self.refresh.can_start(found.key || found.intra && sps, sps);
        } else if found.slice || frame.flags.ends_access_unit {
            frame.flags.key = found.key;
        }
        let Some(sets) = self.sets.as_mut() else { return Ok(Noted::Send { missing: None }) };
        if sets.note(&frame.data, found, goes_on) {
            self.parameters = sets.parameters();
        }
        let has_sets = !(found.vps.is_empty() && found.sps.is_empty() && found.pps.is_empty());
        if has_sets && !found.slice && !goes_on && frame.flags.ends_access_unit {
            self.stats.sent += 1;
            if !self.sources.iter().any(|(_, reader)| reader.asked) {
                return Ok(Noted::Kept(Sent::NoReceiver));
            }
            self.stats.accepted += 1;
            return Ok(Noted::Kept(Sent::Accepted));
        }
        let wanted = frame.flags.key && first_slice && !self.sources.is_empty();
        let is_complete = access_unit::is_complete(&self.parameters);
        let missing = sets.missing().filter(|_| wanted && is_complete).cloned();
        Ok(Noted::Send { missing })
    }

    /// Whether the description can say all that it has to.
    pub(super) fn is_described(&self) -> bool {
        match &self.parameters {
            CodecParameters::Mpeg4Video { config } => !config.is_empty(),
            others => access_unit::is_complete(others),
        }
    }

    /// Takes what the description is to say from a key frame.
    pub(super) fn learn(&mut self, frame: &Bytes) {
        match &mut self.parameters {
            CodecParameters::Mpeg4Video { config } => {
                let found = mpeg4_video::config(frame).filter(|found| *found != *config);
                if let Some(found) = found {
                    *config = Bytes::copy_from_slice(found);
                }
            }
            CodecParameters::Av1 { sequence_header } => {
                let found = av1::sequence_header(frame).filter(|found| found != sequence_header);
                if let Some(found) = found {
                    *sequence_header = Bytes::copy_from_slice(&found);
                }
            }
            CodecParameters::Vp9 { profile } => {
                *profile = vp9::FrameHeader::parse(frame).ok().map(|header| header.profile);
            }
            _ => {}
        }
    }

    /// Whether frames of audio are RTP packets.
    pub(super) fn is_rtp(&mut self, kind: InputKind, data: &[u8]) -> bool {
        matches!(kind, InputKind::Aac | InputKind::Samples { .. })
            && self.rtp_look.sees_packet(data)
    }

    /// Gives the frame to every source. Also tells whether one of them waited for it.
    pub(super) fn distribute(&mut self, frame: Frame) -> (Sent, bool) {
        self.stats.sent += 1;
        if self.sources.is_empty() && !self.open {
            return (Sent::Closed, false);
        }
        let wall_clock = frame.wall_clock.or_else(|| Clock::tell(&mut self.clock, &frame));
        let mut wake = false;
        let mut dropped = false;
        let mut frame = Some(frame);
        let mut readers = self.sources.iter_mut().map(|(_, r)| r).filter(|r| r.asked).peekable();
        if readers.peek().is_none() {
            return (Sent::NoReceiver, false);
        }
        while let Some(reader) = readers.next() {
            // The last takes the frame itself: as a rule there is but one.
            let own = if readers.peek().is_some() { frame.clone() } else { frame.take() };
            let Some(mut own) = own else { break };
            if reader.clock_is_due {
                own.wall_clock = wall_clock;
            }
            match reader.queue.push(own) {
                Pushed::Queued => {
                    wake |= std::mem::take(&mut reader.waiting);
                    reader.clock_is_due = false;
                }
                // A source that has just been made waits for its first key frame: no loss.
                Pushed::Dropped => dropped |= reader.started,
            }
            reader.started |= !reader.queue.is_empty();
        }
        if dropped {
            self.stats.dropped += 1;
        } else {
            self.stats.accepted += 1;
        }
        (if dropped { Sent::Dropped } else { Sent::Accepted }, wake)
    }
}
