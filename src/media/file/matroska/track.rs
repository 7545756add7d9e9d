//! [`TrackState`]: what a demultiplexer knows of a track while it plays, and how its blocks become
//! pictures and sounds with their times.

use super::headers::TrackInfo;
use super::media::MatroskaMedia;
use super::nal_units::annexb_in_place;
use super::timing::{AudioClock, DecodeClock, FrameGrid};
use crate::frame::{Frame, FrameFlags};
use crate::media::FrameMemory;
use crate::media::access_unit::{self, LeadingUnits, NalCodec, SetsInForce};
use bytes::{Buf, Bytes, BytesMut};
use std::time::Duration;

/// Changes of parameter sets that a demultiplexer remembers for when it seeks.
const MAX_CHANGES: usize = 64;

#[derive(Debug)]
pub(super) struct TrackState {
    pub(super) audio: AudioClock,
    pub(super) decode: DecodeClock,
    pub(super) grid: FrameGrid,
    /// Of video, the parameter sets in force.
    pub(super) sets: Option<SetsInForce>,
    /// Where in the file they changed, as far as it was played, and what was in force then; the
    /// beginning comes first.
    pub(super) changes: Vec<(u64, SetsInForce)>,
    /// Frames are dropped up to a key frame.
    pub(super) wants_key: bool,
    /// Frames that are over by then are dropped.
    pub(super) from: Duration,
    /// Something is missing before the next frame.
    pub(super) gap: bool,
    /// Of audio: when the last frame was due.
    pub(super) last_due: Duration,
    /// Blocks were passed over because nobody read the track.
    pub(super) idle: bool,
    /// What is left of a block of PCM that is only partly cut up.
    pub(super) pcm: Bytes,
    /// After a seek, until its first block is found.
    pub(super) look_back: Option<LookBack>,
}

/// A track may be stored apart from that whose key frames are sought: what is played at the place
/// then lies in front of it in the file, and where is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookBack {
    /// What was sought.
    pub(super) npt: Duration,
    /// The cluster from which on it is looked for.
    pub(super) cluster: u64,
    /// How many places of the index that is in front of the one of `npt`.
    pub(super) places: usize,
}

impl TrackState {
    pub(super) fn new(media: &MatroskaMedia, info: &TrackInfo, index: usize) -> Self {
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
            pcm: Bytes::new(),
            look_back: None,
        }
    }

    /// Bytes of the parameter sets in force.
    pub(super) fn sets_len(&self) -> usize {
        self.sets.as_ref().map_or(0, |sets| sets.annexb().len())
    }

    /// Puts the parameter sets in force that were when the file was played at `offset`.
    pub(super) fn restore_sets(&mut self, offset: u64) {
        if self.changes.len() < 2 {
            // Nothing has changed: a stream that repeats allocates nothing.
            return;
        }
        let after = self.changes.partition_point(|(at, _)| *at < offset);
        let in_force = after.checked_sub(1).and_then(|i| self.changes.get(i));
        let Some((_, sets)) = in_force else { return };
        // As a rule they never change, and then nothing is copied.
        if self.sets.as_ref().is_none_or(|now| now.annexb() != sets.annexb()) {
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
    pub(super) fn restart(&mut self, info: &TrackInfo) {
        self.audio = AudioClock::default();
        self.decode.restart();
        self.wants_key = info.is_video();
        self.gap = true;
        self.last_due = Duration::ZERO;
        self.idle = false;
        self.pcm.clear();
        self.look_back = None;
    }

    #[expect(clippy::too_many_arguments, reason = "what a block says of a picture")]
    pub(super) fn picture(
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

    pub(super) fn sound(
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
