//! [`FrameMaker`]: makes pictures and sounds of the stored frames of one track, whatever the
//! container: in the form of [`crate::Frame`], with their parameter sets, and from a key frame on.

use super::audio_clock::AudioClock;
use super::coding::Coding;
use super::nal_units::annexb_in_place;
use super::pictures::{PictureCodec, temporal_unit};
use super::sounds::{FrameLengths, Sampled, SoundCodec};
use crate::codec::CodecParameters;
use crate::codec::aac::AdtsHeader;
use crate::codec::av1::sequence_header_range;
use crate::frame::{Frame, FrameFlags};
use crate::media::FrameMemory;
use crate::media::access_unit::{self, LeadingUnits, NalCodec, SetsInForce};
use bytes::{Buf, Bytes, BytesMut};
use std::time::Duration;

/// Changes of parameter sets that are remembered for when a track is sought.
const MAX_CHANGES: usize = 64;

/// The state of a track while it plays.
#[derive(Debug)]
pub(crate) struct FrameMaker {
    is_video: bool,
    audio: AudioClock,
    pub(crate) lengths: FrameLengths,
    /// Of H.264 and H.265, the parameter sets in force.
    pub(crate) sets: Option<SetsInForce>,
    /// Where in the file they changed, as far as it was played, and what was in force then; the
    /// beginning comes first.
    changes: Vec<(u64, SetsInForce)>,
    /// Of AV1, the sequence header that the container has, for key frames without one.
    sequence_header: Bytes,
    /// Frames are dropped up to a key frame.
    wants_key: bool,
    /// Frames that are over by then are dropped.
    pub(crate) from: Duration,
    /// Something is missing before the next frame.
    pub(crate) gap: bool,
    /// Of audio: when the last frame was due.
    last_due: Duration,
}

/// A picture without its times.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) data: Bytes,
    pub(crate) flags: FrameFlags,
}

impl FrameMaker {
    /// The start of a track.
    pub(crate) fn new(parameters: &CodecParameters, coding: Coding) -> Self {
        let sets = SetsInForce::new(parameters);
        let is_video = coding.is_video();
        Self {
            is_video,
            audio: AudioClock::default(),
            lengths: FrameLengths::new(parameters),
            changes: sets.clone().map(|sets| (0, sets)).into_iter().collect(),
            wants_key: is_video,
            sets,
            sequence_header: match parameters {
                CodecParameters::Av1 { sequence_header } => sequence_header.clone(),
                _ => Bytes::new(),
            },
            from: Duration::ZERO,
            gap: false,
            last_due: Duration::ZERO,
        }
    }

    /// Whether pictures are left out up to a key frame.
    #[cfg(feature = "mp4")]
    pub(crate) const fn wants_key(&self) -> bool {
        self.wants_key
    }

    /// When a frame of sound is due that the container has at `pts`.
    #[cfg(feature = "mp4")]
    pub(crate) fn sound_due(&self, pts: Duration) -> Duration {
        self.audio.foresee(pts)
    }

    /// Bytes of the parameter sets in force.
    pub(crate) fn sets_len(&self) -> usize {
        self.sets.as_ref().map_or(0, |sets| sets.annexb().len())
    }

    /// Puts the parameter sets in force that were when the file was played at `offset`.
    pub(crate) fn restore_sets(&mut self, offset: u64) {
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
    pub(crate) fn restart(&mut self) {
        self.audio = AudioClock::default();
        self.lengths.restart();
        self.wants_key = self.is_video;
        self.gap = true;
        self.last_due = Duration::ZERO;
    }

    /// Whether a picture that is presented at `pts` is left out. After a seek these are also the
    /// ones that precede the key frame in presentation: they may refer to what comes before it.
    fn leaves_out(&mut self, key: bool, pts: Duration) -> bool {
        if (self.wants_key && !key) || pts < self.from {
            return true;
        }
        if std::mem::take(&mut self.wants_key) && self.gap {
            self.from = self.from.max(pts);
        }
        false
    }

    /// Makes a picture of `data`, which is at `offset` of the file and begins with `room` bytes of
    /// parameter sets; `None` if it is left out. `pts` is its presentation time, `key` is set if
    /// the container says that it is a key frame.
    pub(crate) fn picture(
        &mut self,
        coding: Coding,
        data: BytesMut,
        (offset, room): (u64, usize),
        pts: Duration,
        key: bool,
        memory: &mut FrameMemory,
    ) -> Option<Picture> {
        match coding {
            Coding::Nal { codec, length_size } => {
                let form = (codec, length_size);
                self.nal_picture(form, data, (offset, room), pts, key, memory)
            }
            Coding::Picture(codec) => self.whole_picture(codec, data, pts, memory),
            Coding::Sound(_) | Coding::Pcm { .. } => None,
        }
    }

    fn whole_picture(
        &mut self,
        codec: PictureCodec,
        data: BytesMut,
        pts: Duration,
        memory: &mut FrameMemory,
    ) -> Option<Picture> {
        let data = if codec == PictureCodec::Av1 { temporal_unit(data) } else { Some(data) };
        let Some(data) = data.filter(|data| !data.is_empty()) else {
            log::debug!("a picture that cannot be read is left out");
            self.gap = true;
            return None;
        };
        // What the container says of it is not always true.
        let key = codec.is_key(&data);
        if self.leaves_out(key, pts) {
            return None;
        }
        let mut data = data.freeze();
        if key && !self.sequence_header.is_empty() && sequence_header_range(&data).is_none() {
            let mut whole = memory.take(self.sequence_header.len() + data.len());
            put(&mut whole, 0, &self.sequence_header);
            put(&mut whole, self.sequence_header.len(), &data);
            memory.give_back(std::mem::replace(&mut data, whole.freeze()));
        }
        let discontinuity = std::mem::take(&mut self.gap);
        Some(Picture { data, flags: FrameFlags { key, ends_access_unit: true, discontinuity } })
    }

    fn nal_picture(
        &mut self,
        (codec, length_size): (NalCodec, usize),
        data: BytesMut,
        (offset, room): (u64, usize),
        pts: Duration,
        key: bool,
        memory: &mut FrameMemory,
    ) -> Option<Picture> {
        let whole = annexb_in_place(data, room, length_size);
        let Some((mut whole, intact)) = whole else {
            log::debug!("a picture without a whole NAL unit is left out");
            self.gap = true;
            return None;
        };
        let found = access_unit::leading_units(codec, whole.get(room..).unwrap_or_default());
        let key = key || found.key;
        // Also of pictures that are not sent: what comes later refers to them.
        self.note_sets(whole.get(room..).unwrap_or_default(), &found, offset);
        if self.leaves_out(key, pts) {
            return None;
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
        let discontinuity = std::mem::replace(&mut self.gap, !intact);
        let flags = FrameFlags { key, ends_access_unit: true, discontinuity };
        Some(Picture { data: whole, flags })
    }

    /// What follows is counted from `pts`.
    pub(crate) fn synchronize(&mut self, pts: Option<Duration>, rate: u32) {
        self.gap |= self.audio.stamp(pts, 0, rate).jump;
    }

    /// Makes a frame of sound of a stored one; `None` if it is left out. `pts` is the time that the
    /// container gives it, if it gives one.
    pub(crate) fn framed_sound(
        &mut self,
        codec: SoundCodec,
        mut data: Bytes,
        pts: Option<Duration>,
    ) -> Option<Frame> {
        if let SoundCodec::Aac { .. } = codec {
            without_adts(&mut data);
        }
        let Some(sampled) = self.lengths.next(codec, &data) else {
            log::debug!("a frame of sound that cannot be read is left out");
            self.gap = true;
            return None;
        };
        self.sound(data, pts, sampled)
    }

    /// Makes a frame of sound of these samples; `None` if it is left out. `pts` is the time that
    /// the container gives it, if it gives one.
    pub(crate) fn sound(
        &mut self,
        data: Bytes,
        pts: Option<Duration>,
        (samples, rate): Sampled,
    ) -> Option<Frame> {
        let stamp = self.audio.stamp(pts, samples, rate);
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

/// Takes off an access unit of AAC the ADTS header that some muxers leave on it.
fn without_adts(unit: &mut Bytes) {
    if let Ok(header) = AdtsHeader::parse(unit) {
        if header.frame_len == unit.len() && header.raw_data_blocks == 1 {
            let _ = unit.split_to(header.header_len);
        }
    }
}

/// Writes `bytes` at `at`, where there is room for them.
pub(crate) fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
