//! Live input: an encoder's thread hands frames over with a [`LiveSender`], the event loop's
//! thread reads them from a [`LiveSource`].
//!
//! Between them is a bounded [`FrameQueue`] for each source. When the loop is behind, what
//! arrives is dropped up to the next key frame that fits: the encoder learns of it from each
//! call ([`Sent::Dropped`]) and can lower its rate or make a key frame; the frames are counted.
//! Parameter sets are picked up from the stream (H.264: ITU-T H.264 section 7.4.1.2.1, H.265:
//! ITU-T H.265 section 7.4.2.4) and put in front of key frames that come without them, so that a
//! viewer can start at any key frame.

mod clock;
mod input;

pub(crate) use clock::share_clock;
pub use input::InputError;

use super::access_unit::{self, LeadingUnits, NalCodec, RefreshCycle, SetsInForce};
use super::queue::{FrameQueue, Overflow, Pushed, QueueLimits};
use super::{Ending, FramePoll, FramedSource, SourceContext, Wait, Wake};
use crate::codec::CodecParameters;
use crate::frame::Frame;
use bytes::{Bytes, BytesMut};
use clock::Clock;
use input::{InputKind, RtpLook, continues_picture, is_length_prefixed};
use slab::Slab;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// Makes a live stream: the sending end for the encoder's thread and the receiving end for the
/// loop's thread. `parameters` name the codec, with the parameter sets if they are known already.
/// `wake` is called on the sender's thread when a source that waits gets a frame or the end of the
/// stream.
///
/// ```
/// use riverrun::codec::CodecParameters;
/// use riverrun::media::live::{Sent, live_stream};
/// use riverrun::media::queue::QueueLimits;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// // The parameter sets will be seen in the stream.
/// let h264 = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
/// let wake = Arc::new(|| { /* an event trigger's trigger() */ });
/// let (sender, stream) = live_stream(h264, QueueLimits::default(), wake);
/// let encoder = std::thread::spawn(move || {
///     let access_unit = vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0x88];
///     sender.send_access_unit(access_unit, Duration::ZERO)
/// });
/// assert_eq!(encoder.join().unwrap(), Sent::NoReceiver);
/// assert!(stream.is_described());
/// let source = stream.create_source(); // Starts at a key frame.
/// ```
pub fn live_stream(
    parameters: CodecParameters,
    limits: QueueLimits,
    wake: Wake,
) -> (LiveSender, LiveStream) {
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
    let key_frame_wanted = AtomicBool::new(false);
    let shared = Arc::new(Shared { state, kind, wake, clocks, key_frame_wanted });
    (LiveSender { shared: Arc::clone(&shared) }, LiveStream { shared })
}

/// The result of sending a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "tells the encoder whether the loop is behind"]
pub enum Sent {
    /// Every source has it.
    Accepted,
    /// A source's queue is full; that source skips frames up to the next key frame.
    Dropped,
    /// There is no viewer at the moment. Parameter sets were stored.
    NoReceiver,
    /// The receiving end of the stream is gone, so that there will be no viewer.
    Closed,
    /// The frame does not fit the stream's codec and was dropped. Each kind of error is logged
    /// once.
    Refused(InputError),
}

/// Counters of a live stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveStats {
    /// Frames handed to [`LiveSender::send`].
    pub sent: u64,
    /// Of these, those that every source took.
    pub accepted: u64,
    /// Of these, those that at least one source dropped.
    pub dropped: u64,
    /// Of these, those that were refused ([`Sent::Refused`]).
    pub refused: u64,
    /// Number of frames in the queue of the source that is furthest behind.
    pub queued: usize,
    /// Number of sources that read the stream.
    pub sources: usize,
}

struct Shared {
    state: Mutex<State>,
    kind: InputKind,
    wake: Wake,
    /// The other streams whose times are of the same clock.
    clocks: OnceLock<Vec<Weak<Self>>>,
    key_frame_wanted: AtomicBool,
}

struct State {
    parameters: CodecParameters,
    /// Of video, the parameter sets of `parameters`.
    sets: Option<SetsInForce>,
    limits: QueueLimits,
    sources: Slab<Reader>,
    senders: usize,
    /// The receiving end exists.
    open: bool,
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

struct Reader {
    queue: FrameQueue,
    /// It has been asked for a frame. Until then it gets none, or a client between SETUP and PLAY
    /// would be sent what has grown old meanwhile.
    asked: bool,
    /// It has got its first frame.
    started: bool,
    /// It has been told to wait for input.
    waiting: bool,
    /// The clock was set, and no frame has told it.
    clock_is_due: bool,
}

impl Shared {
    /// No code that can panic runs under the lock, so a poisoned lock's content is sound.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_clock(&self, pts: Duration, wall_clock: Duration) {
        let mut state = self.lock();
        state.clock = Some(Clock::new(pts, wall_clock));
        state.sources.iter_mut().for_each(|(_, reader)| reader.clock_is_due = true);
    }
}

/// The sending end: `Send` and cloneable. The stream ends when the last clone is dropped.
///
/// [`RtspServer::add_live_stream`](crate::server::RtspServer::add_live_stream) makes one for each
/// track of a live stream; [`live_stream`] makes one without a server.
///
/// # Example
///
/// A camera, whose encoder heeds what its viewers need:
///
/// ```no_run
/// use riverrun::env::UsageEnvironment;
/// use riverrun::media::live::Sent;
/// use riverrun::server::{LiveTrackOptions, RtspServer, ServerConfig};
/// use std::sync::atomic::AtomicBool;
/// use std::time::Duration;
///
/// # fn encode(_key_frame: bool) -> (Vec<u8>, Duration) { (vec![0], Duration::ZERO) }
/// # fn lower_the_rate() {}
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut env = UsageEnvironment::new()?;
/// let server = RtspServer::new(&mut env, ServerConfig::default(), &["0.0.0.0:8554".parse()?])?;
/// // The parameter sets are picked up from the stream.
/// let tracks = [LiveTrackOptions::h264()];
/// let added = env.with(server, |server, env| server.add_live_stream(env, "camera", tracks))?;
/// let [sender] = added?;
///
/// std::thread::spawn(move || {
///     loop {
///         let (access_unit, pts) = encode(sender.key_frame_wanted()); // in Annex B form
///         match sender.send_access_unit(access_unit, pts) {
///             Sent::Dropped => lower_the_rate(),
///             Sent::Accepted | Sent::NoReceiver => {}
///             Sent::Refused(error) => panic!("not in Annex B form? {error}"),
///             Sent::Closed => break,
///         }
///     }
/// });
/// env.do_event_loop(&AtomicBool::new(false))?;
/// # Ok(())
/// # }
/// ```
pub struct LiveSender {
    shared: Arc<Shared>,
}

impl LiveSender {
    /// Hands a frame over. It waits only while the loop takes a frame out of a queue, which is a
    /// few instructions. `pts` and `dts` are on a clock of the encoder's choice, which all tracks
    /// of a presentation share.
    ///
    /// H.264 and H.265 are in Annex B form, see [`Frame`]. Whether a frame is a key frame is read
    /// from its bytes; [`FrameFlags::key`](crate::frame::FrameFlags) counts only for pieces of an
    /// access unit that have no slice. Parameter sets by themselves are stored and sent with the
    /// next key frame. An access unit of AAC is bare or has its ADTS header, which is removed. PCM
    /// comes in whole samples of all channels, MPEG audio frame by frame, a transport stream in
    /// whole packets. Other frames are [refused](Sent::Refused). Frames of an application's own
    /// codec ([`CodecParameters::Other`]) are taken as they are, with the flags that they have.
    pub fn send(&self, frame: Frame) -> Sent {
        match self.accept(frame) {
            Ok(sent) => sent,
            Err(error) => self.refuse(error),
        }
    }

    /// Hands a whole access unit of video or a frame of audio over, like [`send`](Self::send), as a
    /// [key frame](crate::frame::FrameFlags) of unknown duration.
    pub fn send_access_unit(&self, data: impl Into<Bytes>, pts: Duration) -> Sent {
        self.send(Frame::new(data, pts, Duration::ZERO))
    }

    fn accept(&self, mut frame: Frame) -> Result<Sent, InputError> {
        frame.data = self.shared.kind.check(frame.data)?;
        let Some(codec) = self.shared.kind.nal_codec() else {
            if self.shared.lock().is_rtp(self.shared.kind, &frame.data) {
                return Err(InputError::RtpPackets);
            }
            return Ok(self.distribute(frame));
        };
        let found = access_unit::leading_units(codec, &frame.data);
        let (noted, is_described) = {
            let mut state = self.shared.lock();
            let was_described = access_unit::is_complete(&state.parameters);
            let noted = state.note_video(codec, &mut frame, &found);
            (noted, !was_described && access_unit::is_complete(&state.parameters))
        };
        if is_described {
            // Nobody reads yet, but somebody may wait to be told what there is to read.
            (self.shared.wake)();
        }
        let missing = match noted? {
            Noted::Kept(sent) => return Ok(sent),
            Noted::Send { missing } => missing,
        };
        // Copied outside the lock: a key frame may be large.
        if let Some(sets) = missing {
            frame.data = access_unit::with_parameter_sets(&frame.data, &found, &sets);
        }
        Ok(self.distribute(frame))
    }

    fn refuse(&self, error: InputError) -> Sent {
        let is_news = {
            let mut state = self.shared.lock();
            state.stats.sent += 1;
            state.stats.refused += 1;
            let told = state.told;
            state.told |= 1 << error.kind();
            told >> error.kind() & 1 == 0
        };
        // Outside the lock: a logger is the application's code.
        if is_news {
            log::warn!("live input refused: {error}");
        }
        Sent::Refused(error)
    }

    /// States the wall-clock time (since the Unix epoch) at which the frame of `pts` was captured.
    /// It goes with the next frame that has no [`Frame::wall_clock`] of its own. Sender reports
    /// then relate RTP timestamps to that clock, which synchronizes tracks whose times are on
    /// different clocks.
    ///
    /// Call it again, each second or with each key frame, as the encoder's clock drifts against
    /// the wall clock, and after the encoder's times have begun anew. In between the server follows
    /// the drift by the frames' arrival; a viewer who comes when more than ten seconds of media
    /// have passed begins with the server's own wall clock.
    ///
    /// For the tracks of [`add_live_stream`](crate::server::RtspServer::add_live_stream) one call
    /// sets the clock of all, unless the application said that they have one each.
    pub fn set_clock(&self, pts: Duration, wall_clock: Duration) {
        self.shared.set_clock(pts, wall_clock);
        for other in self.shared.clocks.get().into_iter().flatten().filter_map(Weak::upgrade) {
            other.set_clock(pts, wall_clock);
        }
    }

    /// Whether the encoder should make its next frame a key frame: viewers have joined, ask for one
    /// (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1), or were sent nothing for a while. At most
    /// twice a second for each stream of the server. Takes no lock.
    #[must_use]
    pub fn key_frame_wanted(&self) -> bool {
        self.shared.key_frame_wanted.swap(false, Ordering::Relaxed)
    }

    /// The counters.
    pub fn stats(&self) -> LiveStats {
        self.shared.lock().stats()
    }

    fn distribute(&self, frame: Frame) -> Sent {
        let (sent, wake) = self.shared.lock().distribute(frame);
        if wake {
            (self.shared.wake)();
        }
        sent
    }
}

impl Clone for LiveSender {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for LiveSender {
    fn drop(&mut self) {
        let ended = {
            let mut state = self.shared.lock();
            state.senders = state.senders.saturating_sub(1);
            state.senders == 0
        };
        if ended {
            (self.shared.wake)();
        }
    }
}

impl fmt::Debug for LiveSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSender").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// What is to become of a frame of video.
enum Noted {
    /// It had parameter sets alone.
    Kept(Sent),
    /// It is sent, with these in front.
    Send { missing: Option<Bytes> },
}

impl State {
    fn stats(&self) -> LiveStats {
        let queued = self.sources.iter().map(|(_, r)| r.queue.len()).max().unwrap_or(0);
        LiveStats { queued, sources: self.sources.len(), ..self.stats }
    }

    /// Keeps the frame's parameter sets, and tells those that must be put in front of it.
    fn note_video(
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

    /// Whether frames of audio are RTP packets.
    fn is_rtp(&mut self, kind: InputKind, data: &[u8]) -> bool {
        matches!(kind, InputKind::Aac | InputKind::Pcm { .. }) && self.rtp_look.sees_packet(data)
    }

    /// Gives the frame to every source. Also tells whether one of them waited for it.
    fn distribute(&mut self, frame: Frame) -> (Sent, bool) {
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

/// The receiving end of a live stream, which makes any number of sources.
pub struct LiveStream {
    shared: Arc<Shared>,
}

impl LiveStream {
    /// Makes a source with its own queue. It begins with the first key frame that is sent after the
    /// source was first polled.
    pub fn create_source(&self) -> LiveSource {
        let mut state = self.shared.lock();
        let queue = FrameQueue::new(state.limits, Overflow::DropNewest).start_at_key_frame();
        let reader =
            Reader { queue, asked: false, started: false, waiting: false, clock_is_due: true };
        let key = Some(state.sources.insert(reader));
        drop(state);
        LiveSource { shared: Arc::clone(&self.shared), key }
    }

    /// The parameters of the codec, as far as they are known now.
    pub fn parameters(&self) -> CodecParameters {
        self.shared.lock().parameters.clone()
    }

    /// A hash of the parameters, which changes when they do.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.shared.lock().parameters.hash(&mut hasher);
        hasher.finish()
    }

    /// Whether the parameters are complete, so that SDP can state them: for H.264 and H.265,
    /// whether the parameter sets are known.
    pub fn is_described(&self) -> bool {
        access_unit::is_complete(&self.shared.lock().parameters)
    }

    /// Whether all senders are gone.
    pub fn has_ended(&self) -> bool {
        self.shared.lock().senders == 0
    }

    /// The counters.
    pub fn stats(&self) -> LiveStats {
        self.shared.lock().stats()
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        self.shared.lock().open = false;
    }
}

impl fmt::Debug for LiveStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveStream").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A source of the frames that the senders of a live stream send. Frames are ready at once,
/// whatever their times. Without a frame the source waits for input, and the stream's [`Wake`] is
/// called when there is some. It ends when the last sender is gone and all frames are read.
pub struct LiveSource {
    shared: Arc<Shared>,
    key: Option<usize>,
}

impl LiveSource {
    /// The parameters of the codec, as far as they are known now.
    pub fn parameters(&self) -> CodecParameters {
        self.shared.lock().parameters.clone()
    }

    /// Number of frames that were dropped because this source was not read in time.
    pub fn dropped(&self) -> u64 {
        let state = self.shared.lock();
        self.key.and_then(|key| state.sources.get(key)).map_or(0, |r| r.queue.dropped())
    }

    /// The frame, with what a decoder must be told if some before it are missing.
    fn after_break(&self, mut frame: Frame) -> Frame {
        let Some(codec) = self.shared.kind.nal_codec().filter(|_| frame.flags.discontinuity) else {
            return frame;
        };
        let found = access_unit::leading_units(codec, &frame.data);
        let first = access_unit::after_break(&found);
        if !first.is_empty() {
            let memory = BytesMut::with_capacity(first.len() + frame.data.len());
            frame.data = access_unit::put_in_front(memory, first, &frame.data, &found, &[]);
        }
        frame
    }

    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            self.shared.lock().sources.try_remove(key);
        }
    }
}

impl FramedSource for LiveSource {
    fn poll_frame(&mut self, _cx: &mut SourceContext<'_>) -> FramePoll {
        let mut state = self.shared.lock();
        let ended = state.senders == 0;
        let Some(reader) = self.key.and_then(|key| state.sources.get_mut(key)) else {
            return FramePoll::Ended(Ending::EndOfStream);
        };
        if !std::mem::replace(&mut reader.asked, true) && self.shared.kind.nal_codec().is_some() {
            self.shared.key_frame_wanted.store(true, Ordering::Relaxed);
        }
        if let Some(frame) = reader.queue.pop() {
            drop(state);
            return FramePoll::Ready(self.after_break(frame));
        }
        if ended {
            return FramePoll::Ended(Ending::EndOfStream);
        }
        reader.waiting = true;
        FramePoll::Pending(Wait::Input)
    }

    fn request_key_frame(&mut self) {
        self.shared.key_frame_wanted.store(true, Ordering::Relaxed);
    }

    fn close(&mut self, _cx: &mut SourceContext<'_>) {
        self.leave();
    }
}

impl Drop for LiveSource {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for LiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSource").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
