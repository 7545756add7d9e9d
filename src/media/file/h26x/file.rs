//! [`H26xFile`]: what a probe found out about a byte stream file.

use super::index::{Index, Point};
use super::times::Times;
use super::units::Units;
use crate::codec::{CodecParameters, h264, h265};
use crate::debug::debug_by_name;
use crate::framer::annexb;
use crate::framer::h264::H264Framer;
use crate::framer::h265::H265Framer;
use crate::framer::video::{AnyVideoFramer, PictureDuration};
use crate::media::access_unit::{NalCodec, after_break, leading_units, put_in_front};
use crate::media::file::media_file::Track;
use crate::media::file::shared::SharedFile;
use crate::media::{FrameMemory, SeekError};
#[cfg(feature = "more-files")]
use bytes::BufMut;
use bytes::Bytes;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// How much is read at once.
pub(super) const CHUNK: usize = 64 << 10;

/// What differs between the codecs here.
pub(in crate::media::file) trait Codec: Send + Sync {
    /// For messages.
    fn name(&self) -> &'static str;

    /// A framer whose access units have at most so many bytes.
    fn framer(&self, max_access_unit: usize) -> Box<AnyVideoFramer>;

    /// The parameters of a track with these parameter sets.
    fn parameters(&self, sets: Vec<Bytes>) -> CodecParameters;

    /// `data`, which is played after a seek, with `sets` in front unless it brings all of them, and
    /// with what else a decoder must be told.
    fn after_seek(&self, data: Bytes, sets: &[Bytes], memory: &mut FrameMemory) -> Bytes;
}

debug_by_name!(dyn Codec);

impl Codec for NalCodec {
    fn name(&self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
        }
    }

    fn framer(&self, max_access_unit: usize) -> Box<AnyVideoFramer> {
        match self {
            Self::H264 => Box::new(H264Framer::with_max_access_unit(max_access_unit)),
            Self::H265 => Box::new(H265Framer::with_max_access_unit(max_access_unit)),
        }
    }

    fn parameters(&self, sets: Vec<Bytes>) -> CodecParameters {
        match self {
            Self::H264 => {
                let is_sps = |nal: &Bytes| h264::nal_unit_type(nal) == h264::nal_type::SPS;
                let (sps, pps) = sets.into_iter().partition(is_sps);
                CodecParameters::H264 { sps, pps }
            }
            Self::H265 => {
                let of = |wanted| -> Vec<Bytes> {
                    sets.iter().filter(|nal| h265::nal_unit_type(nal) == wanted).cloned().collect()
                };
                let (vps, sps) = (of(h265::nal_type::VPS), of(h265::nal_type::SPS));
                let pps = of(h265::nal_type::PPS);
                CodecParameters::H265 { vps, sps, pps }
            }
        }
    }

    fn after_seek(&self, data: Bytes, sets: &[Bytes], memory: &mut FrameMemory) -> Bytes {
        after_seek(*self, data, sets, memory)
    }
}

fn after_seek(codec: NalCodec, data: Bytes, sets: &[Bytes], memory: &mut FrameMemory) -> Bytes {
    let found = leading_units(codec, &data);
    let own = |set: &[u8]| {
        let ranges = found.vps.iter().chain(found.sps.iter()).chain(found.pps.iter());
        ranges.filter_map(|range| data.get(range)).any(|nal| nal == set)
    };
    // All or none: a PPS is read by the SPS before it.
    let complete = sets.iter().all(|set| own(set));
    let sets = if complete { &[] } else { sets };
    let sets = annexb::from_nal_units(sets.iter().map(|set| &set[..]));
    let first = after_break(&found);
    if sets.is_empty() && first.is_empty() {
        return data;
    }
    let whole = memory.take(first.len() + data.len() + sets.len());
    let whole = put_in_front(whole, first, &data, &found, &sets);
    memory.give_back(data);
    whole
}

/// `data` behind the headers `sets`.
#[cfg(feature = "more-files")]
pub(in crate::media::file) fn behind_headers(
    data: Bytes,
    sets: &[Bytes],
    memory: &mut FrameMemory,
) -> Bytes {
    let sets = annexb::from_nal_units(sets.iter().map(|set| &set[..]));
    let mut whole = memory.take(sets.len() + data.len());
    whole.clear();
    whole.put_slice(&sets);
    whole.put_slice(&data);
    memory.give_back(data);
    whole.freeze()
}

/// A byte stream file that was looked at.
#[derive(Debug)]
pub(super) struct H26xFile {
    pub(super) codec: &'static dyn Codec,
    pub(super) file: SharedFile,
    pub(super) len: u64,
    pub(super) tracks: [Track; 1],
    pub(super) index: Index,
    /// Unless there are too many.
    pub(super) units: Option<Arc<Units>>,
    pub(super) times: Times,
    pub(super) time_unit: PictureDuration,
    /// Pictures that refer to no other count as key pictures.
    pub(super) intra_is_key: bool,
    pub(super) reorder_delay: u32,
}

impl H26xFile {
    pub(super) fn duration(&self) -> Duration {
        self.times.total()
    }

    /// Where to start decoding for what is presented at `npt`.
    pub(super) fn point_for(&self, npt: Duration) -> Result<Point, SeekError> {
        if npt >= self.duration() {
            return Err(SeekError::OutOfRange);
        }
        let found = match &self.times {
            Times::Unknown { unit, .. } => self.index.presented_by(|time| unit.times(time) <= npt),
            times => self.index.at_or_before(times.place_at(npt)),
        };
        found.copied().ok_or(SeekError::NotSeekable)
    }

    /// When the first picture behind `npt` with which decoding can start is presented.
    pub(super) fn key_frame_after(&self, npt: Duration) -> Option<Duration> {
        let is_past = |time| self.time_unit.times(time) <= npt;
        self.index.presented_after(is_past).map(|point| self.time_of(point))
    }

    /// When the picture at a point is presented.
    pub(super) fn time_of(&self, point: &Point) -> Duration {
        self.time_unit.times(point.own_time)
    }
}
