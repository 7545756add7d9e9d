//! [`Demuxer`]: reads blocks and turns them into frames for the tracks that are read.

use super::cursors::Cursors;
use super::ebml::{Lacing, laced_frames};
use super::headers::TrackInfo;
use super::media::MatroskaMedia;
use super::track::{LookBack, TrackState};
use super::walker::{Block, Step, Walker};
use crate::media::access_unit::SetsInForce;
use crate::media::demux::{Outlets, Produced, Producer};
use crate::media::file::container::MAX_FRAME;
use crate::media::file::container::coding::Coding;
use crate::media::file::container::frame_maker::put;
use crate::media::{Ending, FrameMemory, SeekError, SourceContext};
use bytes::BytesMut;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Elements passed over, and bytes read, in one step.
const ELEMENTS_A_STEP: usize = 64;
const BYTES_A_STEP: u64 = 64 << 10;
/// A timestamp further behind the end of the file is taken for damaged; waiting for it would
/// stop the stream.
const BEYOND_THE_END: Duration = Duration::from_secs(10);
/// A track whose first block after a seek lies later than this, or is further away in the file, is
/// looked for in front of the place.
const LATE: Duration = Duration::from_millis(500);
const FAR: u64 = 16 << 20;
/// Most frames of a laced block.
const MAX_LACES: usize = 256;
/// PCM goes out in frames of this length.
const PCM_FRAMES_A_SECOND: u32 = 50;
/// PCM frames that go out in one step.
const PCM_FRAMES_A_STEP: usize = 16;

/// Reads a file for one consumer.
#[derive(Debug)]
pub(super) struct Demuxer {
    media: Arc<MatroskaMedia>,
    cursors: Cursors,
    tracks: Vec<TrackState>,
    /// Where the frames of a block lie.
    laces: Vec<Range<usize>>,
}

/// A place to start from.
struct Place {
    cluster: u64,
    /// The key frame's time as the file has it, rounded.
    rounded: Duration,
    /// The same with the rounding taken off.
    landed: Duration,
}

impl Demuxer {
    pub(super) fn new(media: Arc<MatroskaMedia>) -> io::Result<Self> {
        let cursors = Cursors::new(&media)?;
        let tracks =
            media.infos.iter().enumerate().map(|(i, t)| TrackState::new(&media, t, i)).collect();
        Ok(Self { media, cursors, tracks, laces: Vec::new() })
    }

    /// Where to go for `npt`.
    fn place(&self, npt: Duration) -> Result<Place, SeekError> {
        if self.media.duration.is_some_and(|duration| npt > duration) {
            return Err(SeekError::OutOfRange);
        }
        let entry = self.media.index.find(npt);
        let cluster = entry.map_or(self.media.first_cluster, |e| e.at);
        let Some(video) = self.media.infos.iter().position(TrackInfo::is_video) else {
            // Every frame of audio is one to start at.
            return Ok(Place { cluster, rounded: npt, landed: npt });
        };
        let rounded = entry.map_or(Duration::ZERO, |e| e.npt);
        let landed = self.tracks.get(video).map_or(rounded, |t| t.grid.snap(rounded));
        Ok(Place { cluster, rounded, landed })
    }

    /// Goes on towards the next frame of `wanted`.
    fn step(
        &mut self,
        wanted: usize,
        outlets: &mut Outlets,
        cx: &mut SourceContext<'_>,
    ) -> io::Result<Produced> {
        if self.cut_pcm(wanted, outlets) {
            return Ok(Produced::Progress);
        }
        if self.cursors.has_own(wanted) {
            self.join(wanted, outlets, cx.now);
        }
        let until = self.cursors.of(wanted).window.bytes_read().saturating_add(BYTES_A_STEP);
        for _ in 0..ELEMENTS_A_STEP {
            let before = self.cursors.of(wanted).walker.clone();
            match self.cursors.step(wanted)? {
                Step::End if self.look_back(wanted)? => return Ok(Produced::Progress),
                Step::End => return Ok(Produced::Ended(Ending::EndOfStream)),
                Step::Other => {}
                Step::Block(block) => {
                    if self.come_upon(&block, wanted, before, outlets, cx)? {
                        return Ok(Produced::Progress);
                    }
                }
            }
            if self.is_far(wanted) {
                self.look_back(wanted)?;
                return Ok(Produced::Progress);
            }
            if self.cursors.of(wanted).window.bytes_read() >= until {
                break;
            }
        }
        Ok(Produced::Progress)
    }

    /// Reads `wanted` where the others are read again, if it may be.
    fn join(&mut self, wanted: usize, outlets: &Outlets, now: Instant) {
        let shares = |track: usize| {
            track != wanted && !self.cursors.has_own(track) && outlets.is_read(track, now)
        };
        let is_alone = !(0..self.tracks.len()).any(shares);
        if self.cursors.join(wanted, is_alone) {
            for (track, state) in self.tracks.iter_mut().enumerate() {
                state.idle |= track != wanted && !self.cursors.has_own(track);
            }
        }
    }

    /// Takes the block that was found where `wanted` is read, if it is one to take there and now.
    /// Returns whether the step is over.
    fn come_upon(
        &mut self,
        block: &Block,
        wanted: usize,
        before: Walker,
        outlets: &mut Outlets,
        cx: &mut SourceContext<'_>,
    ) -> io::Result<bool> {
        let number = |t: &TrackInfo| t.number == block.track;
        let Some(track) = self.media.infos.iter().position(number) else { return Ok(false) };
        if self.cursors.has_own(wanted) {
            if track != wanted {
                return Ok(false);
            }
        } else if self.cursors.is_read_elsewhere(track) {
            return Ok(false);
        }
        let Some(state) = self.tracks.get_mut(track) else { return Ok(false) };
        if !outlets.wants(track) {
            state.idle = true;
            return Ok(false);
        }
        if let Some(back) = state.look_back {
            if self.npt(block, track) > back.npt.saturating_add(LATE) && self.look_back(track)? {
                return Ok(true);
            }
            self.tracks.get_mut(track).into_iter().for_each(|state| state.look_back = None);
        }
        if track != wanted && !self.has_room(track, block, outlets, cx.now) {
            self.cursors.fork(wanted, before)?;
            return Ok(true);
        }
        self.block(track, wanted, block, outlets, cx.frame_memory())?;
        Ok(true)
    }

    /// Whether what `block` becomes can be put in the queue of `track`.
    fn has_room(&self, track: usize, block: &Block, outlets: &Outlets, now: Instant) -> bool {
        let both = self.tracks.get(track).zip(self.media.infos.get(track));
        let Some((state, info)) = both else { return true };
        let len = usize::try_from(block.len).unwrap_or(usize::MAX);
        let (frames, bytes) = match (block.lacing, info.coding) {
            (Lacing::None, Coding::Pcm { .. }) => (PCM_FRAMES_A_STEP, len),
            // Start codes may be longer than lengths are.
            (Lacing::None, Coding::Nal { length_size, .. }) if length_size != 4 => {
                (1, len.saturating_mul(3))
            }
            (Lacing::None, _) => (1, len),
            _ => (MAX_LACES, len),
        };
        let more = frames * info.stripped.len() + state.maker.sets_len();
        (state.pcm.is_empty() || !outlets.is_read(track, now))
            && outlets.has_room(track, frames, bytes.saturating_add(more), now)
    }

    fn npt(&self, block: &Block, track: usize) -> Duration {
        let delay = self.media.infos.get(track).map_or(Duration::ZERO, |info| info.codec_delay);
        self.media.time_line.npt(block.time, delay)
    }

    /// Whether the first block of `track` after a seek is too far away to be waited for.
    fn is_far(&mut self, track: usize) -> bool {
        let Some(back) = self.tracks.get(track).and_then(|state| state.look_back) else {
            return false;
        };
        self.cursors.of(track).walker.position() > back.cluster.saturating_add(FAR)
    }

    /// Goes back to look for what `track` plays at the place that was sought; `false` if that is
    /// not to be done, or no more.
    fn look_back(&mut self, track: usize) -> io::Result<bool> {
        let Some(state) = self.tracks.get_mut(track) else { return Ok(false) };
        let Some(back) = state.look_back.take() else { return Ok(false) };
        let places = (back.places * 2).max(1);
        let cluster = match self.media.index.before(back.npt, places) {
            Some(entry) => {
                state.look_back = Some(LookBack { cluster: entry.at, places, ..back });
                entry.at
            }
            // From the beginning the track is read to wherever it begins.
            None => self.media.first_cluster,
        };
        self.cursors.go_back(track, cluster)?;
        Ok(true)
    }

    /// Takes the block of `track` that was found where `wanted` is read.
    fn block(
        &mut self,
        track: usize,
        wanted: usize,
        block: &Block,
        outlets: &mut Outlets,
        memory: &mut FrameMemory,
    ) -> io::Result<()> {
        let media = Arc::clone(&self.media);
        let Some(info) = media.infos.get(track) else { return Ok(()) };
        let Some(state) = self.tracks.get_mut(track) else { return Ok(()) };
        if state.idle {
            state.restart();
        }
        if block.len > MAX_FRAME {
            log::warn!("matroska: a block of {} bytes is left out", block.len);
            state.maker.gap = true;
            return Ok(());
        }
        let len = block.len as usize; // Not above MAX_FRAME.
        let npt = media.time_line.npt(block.time, info.codec_delay);
        if media.duration.is_some_and(|end| npt > end.saturating_add(BEYOND_THE_END)) {
            log::debug!("matroska: a block at {npt:?} lies beyond the end");
            state.maker.gap = true;
            return Ok(());
        }
        let duration = block.duration.map(|d| media.time_line.span(d));
        // Room in front for the parameter sets, so that putting them there copies nothing.
        let sets = state.maker.sets.as_ref().map(SetsInForce::annexb).filter(|_| block.key);
        let sets = sets.cloned().unwrap_or_default();
        let room = sets.len();
        if block.lacing == Lacing::None {
            let head = room + info.stripped.len();
            let mut data = memory.take(head + len);
            put(&mut data, 0, &sets);
            put(&mut data, room, &info.stripped);
            self.cursors
                .of(wanted)
                .window
                .read(block.data, data.get_mut(head..).unwrap_or_default())?;
            let place = (block.data, room);
            self.frame(track, data, place, npt, true, block.key, duration, outlets, memory);
            return Ok(());
        }
        let mut data = memory.take(len);
        self.cursors.of(wanted).window.read(block.data, &mut data)?;
        let mut laces = std::mem::take(&mut self.laces);
        if laced_frames(&data, block.lacing, &mut laces).is_ok() {
            let each = duration.map(|d| d / u32::try_from(laces.len()).unwrap_or(1).max(1));
            for (i, range) in laces.iter().enumerate() {
                let piece = data.get(range.clone()).unwrap_or_default();
                let mut one = memory.take(info.stripped.len() + piece.len());
                put(&mut one, 0, &info.stripped);
                put(&mut one, info.stripped.len(), piece);
                let place = (block.data, 0);
                self.frame(track, one, place, npt, i == 0, block.key, each, outlets, memory);
            }
        } else {
            log::debug!("matroska: broken lacing");
            state.maker.gap = true;
        }
        self.laces = laces;
        memory.give_back(data.freeze());
        Ok(())
    }

    /// Makes a frame of `data`, which is at this offset of the file and begins with so many bytes
    /// of parameter sets. `first`: `npt`
    /// is this frame's own, not that of an earlier one in the same block.
    #[expect(clippy::too_many_arguments, reason = "what a block says of a frame")]
    fn frame(
        &mut self,
        track: usize,
        data: BytesMut,
        place: (u64, usize),
        npt: Duration,
        first: bool,
        key: bool,
        duration: Option<Duration>,
        outlets: &mut Outlets,
        memory: &mut FrameMemory,
    ) {
        let Some(info) = self.media.infos.get(track) else { return };
        let Some(state) = self.tracks.get_mut(track) else { return };
        let npt_if_first = first.then_some(npt);
        match info.coding {
            Coding::Nal { .. } | Coding::Picture(_) => {
                let start = self.media.starts.get(track).copied().unwrap_or_default();
                let duration = duration.or(info.default_duration).unwrap_or(start.frame_duration);
                let picture = state.picture(info.coding, data, place, npt, key, memory);
                if let Some(mut frame) = picture {
                    frame.duration = duration;
                    outlets.push(track, frame);
                }
            }
            Coding::Sound(codec) => {
                let frame = state.maker.framed_sound(codec, data.freeze(), npt_if_first);
                if let Some(frame) = frame {
                    outlets.push(track, frame);
                }
            }
            Coding::Pcm { little_endian, sample, channels, rate } => {
                let mut data = data;
                if little_endian && sample > 1 {
                    data.chunks_exact_mut(sample).for_each(<[u8]>::reverse);
                }
                let whole = data.len() - data.len() % (sample * channels).max(1);
                data.truncate(whole);
                // Of a laced block, the frame before this one.
                while self.cut_pcm(track, outlets) {}
                let Some(state) = self.tracks.get_mut(track) else { return };
                // Sets the clock right; the cut-up frames then follow by counting.
                state.maker.synchronize(npt_if_first, rate);
                state.pcm = data.freeze();
                self.cut_pcm(track, outlets);
            }
        }
    }

    /// Cuts some frames off the PCM block of `track` that waits; `false` if none does.
    fn cut_pcm(&mut self, track: usize, outlets: &mut Outlets) -> bool {
        let Some(state) = self.tracks.get_mut(track) else { return false };
        let mut data = std::mem::take(&mut state.pcm);
        if data.is_empty() {
            return false;
        }
        let Some(Coding::Pcm { sample, channels, rate, .. }) =
            self.media.infos.get(track).map(|t| t.coding)
        else {
            return false;
        };
        let block_align = (sample * channels).max(1);
        let samples = (rate / PCM_FRAMES_A_SECOND).max(1) as usize;
        for _ in 0..PCM_FRAMES_A_STEP {
            if data.is_empty() {
                break;
            }
            let left = data.len() / block_align;
            // The rest of a block goes along with its last frame rather than as a tiny one.
            let take = if left < samples + samples / 2 { left } else { samples };
            let bytes = data.split_to((take * block_align).min(data.len()));
            if let Some(frame) = state.maker.sound(bytes, None, (take as u64, rate)) {
                outlets.push(track, frame);
            }
        }
        state.pcm = data;
        true
    }
}

impl Producer for Demuxer {
    fn poll_produce(
        &mut self,
        track: usize,
        outlets: &mut Outlets,
        cx: &mut SourceContext<'_>,
    ) -> Produced {
        self.step(track, outlets, cx)
            .unwrap_or_else(|e| Produced::Ended(Ending::Failed(e.to_string())))
    }

    fn locate(&self, npt: Duration) -> Result<Duration, SeekError> {
        self.place(npt).map(|place| place.landed)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let Place { cluster, rounded, landed } = self.place(npt)?;
        self.cursors.seek(cluster);
        let back = LookBack { npt: rounded, cluster, places: 0 };
        let back = (cluster != self.media.first_cluster).then_some(back);
        for (state, info) in self.tracks.iter_mut().zip(&self.media.infos) {
            state.restart();
            state.maker.restore_sets(cluster);
            state.look_back = back.filter(|_| !info.is_video());
            state.maker.from = if info.is_video() { rounded } else { landed };
        }
        Ok(landed)
    }
}
