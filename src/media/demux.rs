//! [`DemuxTable`]: producers that feed several sources, named by id.
//!
//! A demultiplexer of a file has a reader for each track that is set up, a replicator a reader for
//! each replica. None of them owns the others, so the producer is in a table, with a bounded
//! [`FrameQueue`] for each of its readers (an *outlet*). When a reader is polled and its outlet is
//! empty, the producer continues, which also fills the outlets of the others as far as there is
//! room: see [`Producer::poll_produce`]. The producer is moved out of its slot while it works, so
//! that it can be given the whole table.

use super::queue::{FrameQueue, Overflow, QueueLimits};
use super::scale::find_key_frame_after;
use super::{Ending, FrameMemory, FramePoll, FramedSource, SeekError, SourceContext, Wait, within};
use crate::arena::{Arena, Id};
use crate::debug::debug_by_name;
use crate::frame::Frame;
use slab::Slab;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Steps of a producer in one poll of a source.
const STEPS_A_POLL: usize = 16;
/// A reader that was asked for a frame this recently still plays: nothing may be lost that is
/// stored between the frames of a sibling which runs ahead.
const STILL_READING: Duration = Duration::from_secs(1);
/// Longest time until its next frame is due that a reader may let pass beyond that.
const MAX_GAP: Duration = Duration::from_secs(60);
/// How long such a sibling waits.
const SIBLING_WAIT: Duration = Duration::from_millis(20);

/// Reads a demultiplexed input and distributes its frames to [`Outlets`].
pub trait Producer {
    /// Takes a bounded step towards the next frame of `track`, which a reader requests, and puts
    /// the frames that result, including those of other tracks, into `outlets`. If
    /// [`Outlets::has_room`] reports that there is no room for the latter, it leaves them to a
    /// later step and continues with `track` only: the distance between a file's tracks is
    /// unbounded. [`Produced::Ended`] refers to `track`.
    fn poll_produce(
        &mut self,
        track: usize,
        outlets: &mut Outlets,
        cx: &mut SourceContext<'_>,
    ) -> Produced;

    /// Returns the position to which [`seek`](Self::seek) would move.
    fn locate(&self, npt: Duration) -> Result<Duration, SeekError> {
        let _ = npt;
        Err(SeekError::NotSeekable)
    }

    /// Seeks like [`FramedSource::seek`], for all outlets. These are empty when it is called.
    fn seek(&mut self, npt: Duration, cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let _ = (npt, cx);
        Err(SeekError::NotSeekable)
    }

    /// Releases what the producer holds in tables of `cx`. Called when the last reader has closed.
    fn close(&mut self, cx: &mut SourceContext<'_>) {
        let _ = cx;
    }
}

debug_by_name!(dyn Producer);

/// The result of a step of a [`Producer`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers handle every outcome")]
pub enum Produced {
    /// The producer has continued; an outlet may have new frames.
    Progress,
    /// The producer cannot continue yet.
    Pending(Wait),
    /// The requested track has ended.
    Ended(Ending),
}

/// The id of a producer in its table.
pub type ProducerId = Id<SharedProducer>;

/// The key by which sources share a producer: the identities of the file and of the consumer.
pub type ShareKey = (u64, u64);

/// A producer in the table, with its outlets.
#[derive(Debug)]
pub struct SharedProducer {
    key: Option<ShareKey>,
    /// `None` while it is being called.
    producer: Option<Box<dyn Producer>>,
    outlets: Outlets,
    /// Outlets, and handles such as a replicator.
    users: usize,
    last_seek: Option<LastSeek>,
}

#[derive(Clone, Copy, Debug)]
struct LastSeek {
    npt: Duration,
    landed: Duration,
    generation: u64,
}

/// The queues of a producer's readers.
#[derive(Debug, Default)]
pub struct Outlets {
    outlets: Slab<Outlet>,
}

#[derive(Debug)]
struct Outlet {
    track: usize,
    queue: FrameQueue,
    /// Until when the reader counts as one that plays, though it asks for nothing; `None` if it
    /// never has.
    plays_until: Option<Instant>,
    /// When the frame that the reader took last was due.
    last_dts: Option<Duration>,
    /// Generation of the seek that this outlet's reader asked for or joined.
    seek_generation: u64,
    /// A frame was taken or dropped since the producer's last seek.
    moved_on: bool,
    /// The reader has been told to wait for input.
    waiting: bool,
    /// What the reader has been told of the end; holds until it seeks.
    ended: Option<Ending>,
    /// The reader has sought this place, but its siblings have not played to the end yet.
    pending_seek: Option<Duration>,
}

impl Outlet {
    fn is_read(&self, now: Instant) -> bool {
        self.plays_until.is_some_and(|until| now < until)
    }

    /// The reader goes on from where the producer was moved to.
    fn join(&mut self, generation: u64) {
        self.seek_generation = generation;
        self.ended = None;
        self.pending_seek = None;
    }

    /// The reader plays, and `more` beyond the usual.
    fn reads(&mut self, now: Instant, more: Duration) {
        let until = now + STILL_READING + more.min(MAX_GAP);
        self.plays_until = Some(self.plays_until.map_or(until, |known| known.max(until)));
    }

    fn pop(&mut self, now: Instant) -> Option<Frame> {
        let frame = self.queue.pop()?;
        self.moved_on = true;
        // It asks again when this one is due.
        let last = self.last_dts.replace(frame.dts);
        self.reads(now, last.map_or(Duration::ZERO, |last| frame.dts.saturating_sub(last)));
        Some(frame)
    }
}

impl Outlets {
    /// Returns whether a source reads `track`.
    pub fn wants(&self, track: usize) -> bool {
        self.outlets.iter().any(|(_, o)| o.track == track)
    }

    /// Appends `frame` to the queues of all sources that read `track`. Returns whether one of them
    /// was waiting for input.
    pub fn push(&mut self, track: usize, frame: Frame) -> bool {
        let mut wake = false;
        let mut frame = Some(frame);
        let mut readers = self.outlets.iter_mut().filter(|(_, o)| o.track == track).peekable();
        while let Some((_, outlet)) = readers.next() {
            // The last takes the frame itself: as a rule there is but one.
            let own = if readers.peek().is_some() { frame.clone() } else { frame.take() };
            let Some(own) = own else { break };
            let before = outlet.queue.dropped();
            outlet.queue.push(own);
            outlet.moved_on |= outlet.queue.dropped() != before;
            wake |= !outlet.queue.is_empty() && std::mem::take(&mut outlet.waiting);
        }
        wake
    }

    /// Returns whether this number of further frames and bytes of `track` fits into the queues of
    /// the sources that play it. Sources that have stopped lose their oldest frames instead.
    pub fn has_room(&self, track: usize, frames: usize, bytes: usize, now: Instant) -> bool {
        let mut playing = self.outlets.iter().filter(|(_, o)| o.track == track && o.is_read(now));
        playing.all(|(_, o)| o.queue.has_room_for(frames, bytes))
    }

    /// Returns whether a source plays `track` at present.
    pub fn is_read(&self, track: usize, now: Instant) -> bool {
        self.outlets.iter().any(|(_, o)| o.track == track && o.is_read(now))
    }

    /// Takes note of a reader that asks for a frame. Where it had stopped, those that stopped when
    /// it did, or have not begun either, go on with it: they are of one presentation.
    fn note_reader(&mut self, own: usize, now: Instant) {
        let Some(outlet) = self.outlets.get_mut(own) else { return };
        outlet.waiting = false;
        let before = outlet.plays_until;
        outlet.reads(now, Duration::ZERO);
        if before.is_some_and(|until| now < until) {
            return;
        }
        let with_it = |other: Option<Instant>| match (before, other) {
            (Some(own), Some(other)) => other + STILL_READING >= own,
            (_, other) => other.is_none(),
        };
        for (_, other) in self.outlets.iter_mut().filter(|(_, o)| with_it(o.plays_until)) {
            other.reads(now, Duration::ZERO);
        }
    }

    /// Whether an outlet other than `own` still plays what is left before the end.
    fn a_reader_finishes(&self, own: usize, now: Instant) -> bool {
        self.outlets.iter().any(|(key, o)| {
            key != own && o.ended.is_none() && o.pending_seek.is_none() && o.is_read(now)
        })
    }
}

/// The producers in use, and the memory for frames.
#[derive(Debug, Default)]
pub struct DemuxTable {
    shared: Arena<SharedProducer>,
    by_key: HashMap<ShareKey, ProducerId>,
    memory: FrameMemory,
}

impl DemuxTable {
    /// Returns the number of producers in use.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Returns whether no producer is in use.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// See [`SourceContext::frame_memory`].
    pub const fn frame_memory(&mut self) -> &mut FrameMemory {
        &mut self.memory
    }

    /// Returns the number of sources and handles that use producers.
    pub fn users(&self) -> usize {
        self.shared.iter().map(|(_, s)| s.users).sum()
    }

    /// Finds or creates the producer for `key`, and counts a user, until
    /// [`release`](Self::release).
    pub fn acquire(
        &mut self,
        key: Option<ShareKey>,
        make: impl FnOnce() -> Box<dyn Producer>,
    ) -> ProducerId {
        let found = key.and_then(|k| self.by_key.get(&k)).copied();
        if let Some(id) = found {
            if let Some(shared) = self.shared.get_mut(id) {
                shared.users += 1;
                return id;
            }
        }
        let id = self.shared.insert(SharedProducer {
            key,
            producer: Some(make()),
            outlets: Outlets::default(),
            users: 1,
            last_seek: None,
        });
        if let Some(key) = key {
            self.by_key.insert(key, id);
        }
        id
    }

    /// Counts another user of `id`. Returns false if the producer no longer exists.
    pub fn retain(&mut self, id: ProducerId) -> bool {
        self.shared.get_mut(id).map(|s| s.users += 1).is_some()
    }

    /// Ends a use. With the last one, the producer is closed and removed.
    pub fn release(cx: &mut SourceContext<'_>, id: ProducerId) {
        let Some(shared) = cx.demuxers.shared.get_mut(id) else { return };
        shared.users = shared.users.saturating_sub(1);
        if shared.users > 0 {
            return;
        }
        let Some(shared) = cx.demuxers.shared.remove(id) else { return };
        if let Some(key) = shared.key {
            cx.demuxers.by_key.remove(&key);
        }
        if let Some(mut producer) = shared.producer {
            producer.close(cx);
        }
    }

    /// Moves producer `id` for outlet `own`, and for those that wait to go to the same place.
    fn seek(
        cx: &mut SourceContext<'_>,
        id: ProducerId,
        own: usize,
        npt: Duration,
    ) -> Result<Duration, SeekError> {
        let gone = || SeekError::Failed("the producer has gone".into());
        let moved = Self::with(cx, id, |producer, _, cx| producer.seek(npt, cx));
        let landed = moved.unwrap_or_else(|| Err(gone()))?;
        let shared = cx.demuxers.shared.get_mut(id).ok_or_else(gone)?;
        let generation = shared.last_seek.map_or(0, |l| l.generation) + 1;
        shared.last_seek = Some(LastSeek { npt, landed, generation });
        for (key, outlet) in &mut shared.outlets.outlets {
            outlet.queue.clear();
            outlet.moved_on = false;
            if key == own || outlet.pending_seek == Some(npt) {
                outlet.join(generation);
            }
        }
        Ok(landed)
    }

    /// Calls `f` with the producer and its outlets, taken out of the table meanwhile.
    fn with<R>(
        cx: &mut SourceContext<'_>,
        id: ProducerId,
        f: impl FnOnce(&mut dyn Producer, &mut Outlets, &mut SourceContext<'_>) -> R,
    ) -> Option<R> {
        let shared = cx.demuxers.shared.get_mut(id)?;
        let mut producer = shared.producer.take()?;
        let mut outlets = std::mem::take(&mut shared.outlets);
        let result = f(&mut *producer, &mut outlets, cx);
        if let Some(shared) = cx.demuxers.shared.get_mut(id) {
            shared.producer = Some(producer);
            shared.outlets = outlets;
        }
        Some(result)
    }
}

/// A source that reads one outlet of a producer in a [`DemuxTable`]: a track of a file, or a
/// replica.
#[derive(Debug)]
pub struct OutletSource {
    /// Producer and outlet, until closed.
    at: Option<(ProducerId, usize)>,
    duration: Option<Duration>,
    seekable: bool,
}

impl OutletSource {
    /// Opens track `track` of producer `id`. It takes over the caller's use of `id` from
    /// [`DemuxTable::acquire`] or [`DemuxTable::retain`]; [`FramedSource::close`] ends it.
    pub fn open(
        table: &mut DemuxTable,
        id: ProducerId,
        track: usize,
        queue: FrameQueue,
        duration: Option<Duration>,
        seekable: bool,
    ) -> Self {
        let at = table.shared.get_mut(id).map(|shared| {
            let outlet = Outlet {
                track,
                queue,
                plays_until: None,
                last_dts: None,
                seek_generation: 0,
                // The seeks that there were are not this reader's.
                moved_on: true,
                waiting: false,
                ended: None,
                pending_seek: None,
            };
            (id, shared.outlets.outlets.insert(outlet))
        });
        Self { at, duration, seekable }
    }

    /// Creates a queue for a track of a file. It drops the oldest frames of a source that has
    /// stopped.
    pub fn track_queue() -> FrameQueue {
        FrameQueue::new(QueueLimits::default(), Overflow::DropOldest)
    }

    /// Returns the number of frames dropped because this source was not read in time.
    pub fn dropped(&self, table: &DemuxTable) -> u64 {
        self.at
            .and_then(|(id, outlet)| table.shared.get(id)?.outlets.outlets.get(outlet))
            .map_or(0, |o| o.queue.dropped())
    }
}

impl FramedSource for OutletSource {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        let gone = || FramePoll::Ended(Ending::Failed("the producer has gone".into()));
        let Some((id, own)) = self.at else { return gone() };
        let now = cx.now;
        let Some(shared) = cx.demuxers.shared.get_mut(id) else { return gone() };
        shared.outlets.note_reader(own, now);
        for _ in 0..STEPS_A_POLL {
            let Some(shared) = cx.demuxers.shared.get_mut(id) else { return gone() };
            let Some(outlet) = shared.outlets.outlets.get_mut(own) else { return gone() };
            if let Some(npt) = outlet.pending_seek {
                if shared.outlets.a_reader_finishes(own, now) {
                    return FramePoll::Pending(Wait::Until(now + SIBLING_WAIT));
                }
                if let Err(e) = DemuxTable::seek(cx, id, own, npt) {
                    return FramePoll::Ended(Ending::Failed(format!("{e:?}")));
                }
                continue;
            }
            if let Some(frame) = outlet.pop(now) {
                return FramePoll::Ready(frame);
            }
            if let Some(ending) = &outlet.ended {
                return FramePoll::Ended(ending.clone());
            }
            let track = outlet.track;
            match DemuxTable::with(cx, id, |p, outlets, cx| p.poll_produce(track, outlets, cx)) {
                Some(Produced::Progress) => {}
                Some(Produced::Ended(ending)) => {
                    let Some(shared) = cx.demuxers.shared.get_mut(id) else { return gone() };
                    let Some(outlet) = shared.outlets.outlets.get_mut(own) else { return gone() };
                    outlet.ended = Some(ending);
                }
                Some(Produced::Pending(wait)) => {
                    let Some(shared) = cx.demuxers.shared.get_mut(id) else { return gone() };
                    let Some(outlet) = shared.outlets.outlets.get_mut(own) else { return gone() };
                    if let Some(frame) = outlet.pop(now) {
                        return FramePoll::Ready(frame);
                    }
                    outlet.waiting = wait == Wait::Input;
                    return FramePoll::Pending(wait);
                }
                None => return FramePoll::Ended(Ending::Failed("a source feeds itself".into())),
            }
        }
        FramePoll::Pending(Wait::Work)
    }

    fn check_seek(&self, npt: Duration, cx: &mut SourceContext<'_>) -> Result<(), SeekError> {
        let gone = || SeekError::Failed("the producer has gone".into());
        if !self.seekable {
            return Err(SeekError::NotSeekable);
        }
        let (id, _) = self.at.ok_or_else(gone)?;
        let shared = cx.demuxers.shared.get(id).ok_or_else(gone)?;
        shared.producer.as_ref().ok_or_else(gone)?.locate(npt).map(drop)
    }

    fn seek(&mut self, npt: Duration, cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let gone = || SeekError::Failed("the producer has gone".into());
        if !self.seekable {
            return Err(SeekError::NotSeekable);
        }
        let (id, own) = self.at.ok_or_else(gone)?;
        let shared = cx.demuxers.shared.get_mut(id).ok_or_else(gone)?;
        let outlet = shared.outlets.outlets.get_mut(own).ok_or_else(gone)?;
        // The tracks of a presentation are sought one after the other to the same place. The
        // first moves the producer; the others join, as long as they have missed nothing.
        if let Some(last) = shared.last_seek {
            if last.npt == npt && outlet.seek_generation != last.generation && !outlet.moved_on {
                outlet.join(last.generation);
                return Ok(last.landed);
            }
        }
        outlet.queue.clear();
        // A stream that repeats: its tracks come to their ends one after the other, and the
        // first must not take from the others what they have not played yet.
        let ended = outlet.ended.is_some();
        if ended && shared.outlets.a_reader_finishes(own, cx.now) {
            let landed = shared.producer.as_ref().ok_or_else(gone)?.locate(npt)?;
            if let Some(outlet) = shared.outlets.outlets.get_mut(own) {
                outlet.pending_seek = Some(npt);
            }
            return Ok(landed);
        }
        DemuxTable::seek(cx, id, own, npt)
    }

    fn key_frame_after(
        &mut self,
        npt: Duration,
        cx: &mut SourceContext<'_>,
    ) -> Result<Option<Duration>, SeekError> {
        let gone = || SeekError::Failed("the producer has gone".into());
        let end = self.duration.filter(|_| self.seekable).ok_or(SeekError::NotSeekable)?;
        let (id, _) = self.at.ok_or_else(gone)?;
        let shared = cx.demuxers.shared.get(id).ok_or_else(gone)?;
        let producer = shared.producer.as_ref().ok_or_else(gone)?;
        find_key_frame_after(npt, end, |npt| within(producer.locate(npt)))
    }

    fn duration(&self) -> Option<Duration> {
        self.duration
    }

    fn close(&mut self, cx: &mut SourceContext<'_>) {
        let Some((id, outlet)) = self.at.take() else { return };
        if let Some(shared) = cx.demuxers.shared.get_mut(id) {
            shared.outlets.outlets.try_remove(outlet);
        }
        DemuxTable::release(cx, id);
    }
}

#[cfg(test)]
mod tests;
