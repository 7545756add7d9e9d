//! [`H26xFile`]: what a probe found out about a byte stream file.

use super::index::{Index, Point};
use super::times::Times;
use super::units::Units;
use crate::codec::{CodecParameters, h264, h265};
use crate::framer::annexb;
use crate::framer::h264::H264Syntax;
use crate::framer::h265::H265Syntax;
use crate::framer::video::{PictureDuration, Syntax};
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
pub(in crate::media::file) trait Codec:
    Syntax + Send + Sync + 'static
{
    const NAME: &'static str;

    /// The parameters of a track with these parameter sets.
    fn parameters(sets: Vec<Bytes>) -> CodecParameters;

    /// `data`, which is played after a seek, with `sets` in front unless it brings all of them, and
    /// with what else a decoder must be told.
    fn after_seek(data: Bytes, sets: &[Bytes], memory: &mut FrameMemory) -> Bytes;
}

impl Codec for H264Syntax {
    const NAME: &'static str = "H.264";

    fn parameters(sets: Vec<Bytes>) -> CodecParameters {
        let (sps, pps) =
            sets.into_iter().partition(|nal| h264::nal_unit_type(nal) == h264::nal_type::SPS);
        CodecParameters::H264 { sps, pps }
    }

    fn after_seek(data: Bytes, sets: &[Bytes], memory: &mut FrameMemory) -> Bytes {
        after_seek(NalCodec::H264, data, sets, memory)
    }
}

impl Codec for H265Syntax {
    const NAME: &'static str = "H.265";

    fn parameters(sets: Vec<Bytes>) -> CodecParameters {
        let of = |wanted| -> Vec<Bytes> {
            sets.iter().filter(|nal| h265::nal_unit_type(nal) == wanted).cloned().collect()
        };
        let (vps, sps) = (of(h265::nal_type::VPS), of(h265::nal_type::SPS));
        let pps = of(h265::nal_type::PPS);
        CodecParameters::H265 { vps, sps, pps }
    }

    fn after_seek(data: Bytes, sets: &[Bytes], memory: &mut FrameMemory) -> Bytes {
        after_seek(NalCodec::H265, data, sets, memory)
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
pub(super) struct H26xFile<S> {
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
    pub(super) syntax: std::marker::PhantomData<S>,
}

impl<S: Codec> H26xFile<S> {
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
