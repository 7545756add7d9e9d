//! [`Demuxer`]: reads blocks and turns them into frames for the tracks that are read.

use super::ebml::laced_frames;
use super::headers::{Coding, TrackInfo, without_adts};
use super::nal_units::annexb_in_place;
use super::timing::{AudioClock, DecodeClock, FrameGrid};
use super::walker::{Block, Step, Walker};
use super::window::{PLAY_CHUNK, Window};
use super::{MAX_BLOCK, MatroskaMedia};
use crate::codec::mpeg_audio;
use crate::frame::{Frame, FrameFlags};
use crate::media::access_unit::{self, LeadingUnits, NalCodec, SetsInForce};
use crate::media::demux::{Outlets, Produced, Producer};
use crate::media::{Ending, FrameMemory, SeekError, SourceContext};
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Elements passed over, and bytes read, in one step.
const ELEMENTS_A_STEP: usize = 64;
const BYTES_A_STEP: u64 = 64 << 10;
/// A timestamp further behind the end of the file is taken for damaged; waiting for it would
/// stop the stream.
const BEYOND_THE_END: Duration = Duration::from_secs(10);
/// Changes of parameter sets that a demultiplexer remembers for when it seeks.
const MAX_CHANGES: usize = 64;
/// PCM goes out in frames of this length.
const PCM_FRAMES_A_SECOND: u32 = 50;
/// PCM frames that go out in one step.
const PCM_FRAMES_A_STEP: usize = 16;

/// A position in a file, for one consumer.
#[derive(Debug)]
pub(super) struct Demuxer {
    media: Arc<MatroskaMedia>,
    window: Window,
    walker: Walker,
    tracks: Vec<TrackState>,
    /// A block of PCM that is only partly cut up: its track, and what is left.
    pcm: Option<(usize, Bytes)>,
    /// Where the frames of a block lie.
    laces: Vec<Range<usize>>,
}

/// Where to start from.
struct Place {
    cluster: u64,
    /// The key frame's time as the file has it, rounded.
    rounded: Duration,
    /// The same with the rounding taken off.
    landed: Duration,
}

#[derive(Debug)]
struct TrackState {
    audio: AudioClock,
    decode: DecodeClock,
    grid: FrameGrid,
    /// Of video, the parameter sets in force.
    sets: Option<SetsInForce>,
    /// Where in the file they changed, as far as it was played, and what was in force then; the
    /// beginning comes first.
    changes: Vec<(u64, SetsInForce)>,
    /// Frames are dropped up to a key frame.
    wants_key: bool,
    /// Frames that are over by then are dropped.
    from: Duration,
    /// Something is missing before the next frame.
    gap: bool,
    /// Of audio: when the last frame was due.
    last_due: Duration,
    /// Blocks were passed over because nobody read the track.
    idle: bool,
}

impl TrackState {
    fn new(media: &MatroskaMedia, info: &TrackInfo, index: usize) -> Self {
        let start = media.starts.get(index).copied().unwrap_or_default();
        Self {
            audio: AudioClock::default(),
            decode: DecodeClock::new(start.reorder, start.frame_duration),
            grid: FrameGrid {
                origin: start.first,
                step: info.default_duration.unwrap_or_default(),
                tolerance: media.time_line.span(1).min(Duration::from_millis(1)),
            },
            sets: SetsInForce::new(&info.parameters),
            changes: SetsInForce::new(&info.parameters).map(|sets| (0, sets)).into_iter().collect(),
            wants_key: info.is_video(),
            from: Duration::ZERO,
            gap: false,
            last_due: Duration::ZERO,
            idle: false,
        }
    }

    /// Puts the parameter sets in force that were when the file was played at `offset`.
    fn restore_sets(&mut self, offset: u64) {
        let after = self.changes.partition_point(|(at, _)| *at < offset);
        let in_force = after.checked_sub(1).and_then(|i| self.changes.get(i));
        if let Some((_, sets)) = in_force {
            self.sets = Some(sets.clone());
        }
    }

    /// Takes note of the parameter sets of the block at `offset` of the file.
    fn note_sets(&mut self, data: &[u8], found: &LeadingUnits, offset: u64) {
        let Some(sets) = &mut self.sets else { return };
        if !sets.note(data, found, false) {
            return;
        }
        match self.changes.binary_search_by_key(&offset, |(at, _)| *at) {
            Ok(at) => self.changes.get_mut(at).into_iter().for_each(|known| known.1 = sets.clone()),
            Err(at) if self.changes.len() < MAX_CHANGES => {
                self.changes.insert(at, (offset, sets.clone()));
            }
            Err(_) => {}
        }
    }

    /// What follows does not continue what was.
    fn restart(&mut self, info: &TrackInfo) {
        self.audio = AudioClock::default();
        self.decode.restart();
        self.wants_key = info.is_video();
        self.gap = true;
        self.last_due = Duration::ZERO;
        self.idle = false;
    }
}

impl Demuxer {
    pub(super) fn new(media: Arc<MatroskaMedia>) -> io::Result<Self> {
        let window = Window::new(media.input.clone(), PLAY_CHUNK)?;
        let walker = Walker::new(media.first_cluster, media.segment_end);
        let tracks =
            media.infos.iter().enumerate().map(|(i, t)| TrackState::new(&media, t, i)).collect();
        Ok(Self { media, window, walker, tracks, pcm: None, laces: Vec::new() })
    }

    /// Where to go for `npt`.
    fn place(&self, npt: Duration) -> Result<Place, SeekError> {
        if self.media.duration.is_some_and(|duration| npt > duration) {
            return Err(SeekError::OutOfRange);
        }
        let entry = self.media.index.find(npt);
        let cluster = entry.map_or(self.media.first_cluster, |e| e.cluster);
        let Some(video) = self.media.infos.iter().position(TrackInfo::is_video) else {
            // Every frame of audio is one to start at.
            return Ok(Place { cluster, rounded: npt, landed: npt });
        };
        let rounded = entry.map_or(Duration::ZERO, |e| e.npt);
        let landed = self.tracks.get(video).map_or(rounded, |t| t.grid.snap(rounded));
        Ok(Place { cluster, rounded, landed })
    }

    fn step(&mut self, outlets: &mut Outlets, memory: &mut FrameMemory) -> io::Result<Produced> {
        if self.cut_pcm(outlets) {
            return Ok(Produced::Progress);
        }
        let until = self.window.bytes_read().saturating_add(BYTES_A_STEP);
        for _ in 0..ELEMENTS_A_STEP {
            match self.walker.step(&mut self.window)? {
                Step::End => return Ok(Produced::Ended(Ending::EndOfStream)),
                Step::Other => {}
                Step::Block(block) => {
                    let number = |t: &TrackInfo| t.number == block.track;
                    let Some(track) = self.media.infos.iter().position(number) else { continue };
                    if outlets.wants(track) {
                        self.block(track, &block, outlets, memory)?;
                        return Ok(Produced::Progress);
                    }
                    if let Some(state) = self.tracks.get_mut(track) {
                        state.idle = true;
                    }
                }
            }
            if self.window.bytes_read() >= until {
                break;
            }
        }
        Ok(Produced::Progress)
    }

    fn block(
        &mut self,
        track: usize,
        block: &Block,
        outlets: &mut Outlets,
        memory: &mut FrameMemory,
    ) -> io::Result<()> {
        let media = Arc::clone(&self.media);
        let Some(info) = media.infos.get(track) else { return Ok(()) };
        let Some(state) = self.tracks.get_mut(track) else { return Ok(()) };
        if state.idle {
            state.restart(info);
        }
        if block.len > MAX_BLOCK {
            log::warn!("matroska: a block of {} bytes is left out", block.len);
            state.gap = true;
            return Ok(());
        }
        let len = block.len as usize; // Not above MAX_BLOCK.
        let npt = media.time_line.npt(block.time, info.codec_delay);
        if media.duration.is_some_and(|end| npt > end.saturating_add(BEYOND_THE_END)) {
            log::debug!("matroska: a block at {npt:?} lies beyond the end");
            state.gap = true;
            return Ok(());
        }
        let duration = block.duration.map(|d| media.time_line.span(d));
        // Room in front for the parameter sets, so that putting them there copies nothing.
        let sets = state.sets.as_ref().map(SetsInForce::annexb).filter(|_| block.key);
        let sets = sets.cloned().unwrap_or_default();
        let room = sets.len();
        if block.lacing == super::ebml::Lacing::None {
            let head = room + info.stripped.len();
            let mut data = memory.take(head + len);
            put(&mut data, 0, &sets);
            put(&mut data, room, &info.stripped);
            self.window.read(block.data, data.get_mut(head..).unwrap_or_default())?;
            let place = (block.data, room);
            self.frame(track, data, place, npt, true, block.key, duration, outlets, memory);
            return Ok(());
        }
        let mut data = memory.take(len);
        self.window.read(block.data, &mut data)?;
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
            state.gap = true;
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
            Coding::Nal { codec, length_size } => {
                let start = self.media.starts.get(track).copied().unwrap_or_default();
                let duration = duration.or(info.default_duration).unwrap_or(start.frame_duration);
                let picture = state.picture(codec, length_size, data, place, npt, key, memory);
                if let Some(mut frame) = picture {
                    frame.duration = duration;
                    outlets.push(track, frame);
                }
            }
            Coding::Aac { samples, rate } => {
                let sampled = (u64::from(samples), rate);
                let mut unit = data.freeze();
                without_adts(&mut unit);
                if let Some(frame) = state.sound(unit, npt_if_first, sampled) {
                    outlets.push(track, frame);
                }
            }
            Coding::MpegAudio => {
                let Ok(header) = mpeg_audio::FrameHeader::parse(&data) else {
                    state.gap = true;
                    return;
                };
                let sampled = (u64::from(header.samples()), header.sampling_rate);
                if let Some(frame) = state.sound(data.freeze(), npt_if_first, sampled) {
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
                while self.cut_pcm(outlets) {}
                let Some(state) = self.tracks.get_mut(track) else { return };
                // Sets the clock right; the cut-up frames then follow by counting.
                state.audio.synchronize(npt_if_first, rate, &mut state.gap);
                self.pcm = Some((track, data.freeze()));
                self.cut_pcm(outlets);
            }
        }
    }

    /// Cuts some frames off the PCM block that waits; `false` if none does.
    fn cut_pcm(&mut self, outlets: &mut Outlets) -> bool {
        let Some((track, mut data)) = self.pcm.take() else { return false };
        let Some(state) = self.tracks.get_mut(track) else { return false };
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
            if let Some(frame) = state.sound(bytes, None, (take as u64, rate)) {
                outlets.push(track, frame);
            }
        }
        if !data.is_empty() {
            self.pcm = Some((track, data));
        }
        true
    }
}

impl TrackState {
    #[expect(clippy::too_many_arguments, reason = "what a block says of a picture")]
    fn picture(
        &mut self,
        codec: NalCodec,
        length_size: usize,
        data: BytesMut,
        (offset, room): (u64, usize),
        npt: Duration,
        key: bool,
        memory: &mut FrameMemory,
    ) -> Option<Frame> {
        let pts = self.grid.snap(npt);
        let whole = annexb_in_place(data, room, length_size);
        let Some((mut whole, intact)) = whole else {
            log::debug!("matroska: a picture without a whole NAL unit is left out");
            self.gap = true;
            return None;
        };
        let found = access_unit::leading_units(codec, whole.get(room..).unwrap_or_default());
        let key = key || found.key;
        // Also of pictures that are not sent: what comes later refers to them.
        self.note_sets(whole.get(room..).unwrap_or_default(), &found, offset);
        // After a seek also the pictures that precede the key frame in presentation are left
        // out: they may refer to what comes before it.
        if (self.wants_key && !key) || npt < self.from {
            return None;
        }
        if std::mem::take(&mut self.wants_key) && self.gap {
            self.from = self.from.max(npt);
        }
        let first: &[u8] = if self.gap { access_unit::after_break(&found) } else { &[] };
        let missing = self.sets.as_ref().and_then(SetsInForce::missing).filter(|_| key);
        let in_place = |sets: &Bytes| whole.get(..room) == Some(&sets[..]) && found.insert_at == 0;
        if !first.is_empty() || !missing.is_some_and(in_place) {
            whole.advance(room.min(whole.len()));
            let sets = missing.map(|sets| &sets[..]).unwrap_or_default();
            if !first.is_empty() || !sets.is_empty() {
                let bare = whole;
                let to = memory.take(first.len() + bare.len() + sets.len());
                whole = access_unit::put_in_front(to, first, &bare, &found, sets);
                memory.give_back(bare);
            }
        }
        let data = whole;
        let dts = self.decode.dts(pts);
        let discontinuity = std::mem::replace(&mut self.gap, !intact);
        Some(Frame {
            data,
            pts,
            dts,
            duration: Duration::ZERO,
            wall_clock: None,
            flags: FrameFlags { key, ends_access_unit: true, discontinuity },
        })
    }

    fn sound(
        &mut self,
        data: Bytes,
        npt: Option<Duration>,
        (samples, rate): (u64, u32),
    ) -> Option<Frame> {
        let stamp = self.audio.stamp(npt, samples, rate);
        if data.is_empty() || stamp.pts.saturating_add(stamp.duration) <= self.from {
            return None;
        }
        let discontinuity = std::mem::take(&mut self.gap) | stamp.jump;
        let flags = FrameFlags { discontinuity, ..FrameFlags::default() };
        // A broken file may go back in time.
        self.last_due = self.last_due.max(stamp.pts);
        Some(Frame { dts: self.last_due, flags, ..Frame::new(data, stamp.pts, stamp.duration) })
    }
}

impl Producer for Demuxer {
    fn poll_produce(&mut self, outlets: &mut Outlets, cx: &mut SourceContext<'_>) -> Produced {
        let memory = cx.frame_memory();
        self.step(outlets, memory)
            .unwrap_or_else(|e| Produced::Ended(Ending::Failed(e.to_string())))
    }

    fn locate(&self, npt: Duration) -> Result<Duration, SeekError> {
        self.place(npt).map(|place| place.landed)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let Place { cluster, rounded, landed } = self.place(npt)?;
        self.walker = Walker::new(cluster, self.media.segment_end);
        self.pcm = None;
        for (state, info) in self.tracks.iter_mut().zip(&self.media.infos) {
            state.restart(info);
            state.restore_sets(cluster);
            state.from = if info.is_video() { rounded } else { landed };
        }
        Ok(landed)
    }
}

/// Writes `bytes` at `at`, where there is room for them.
fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
