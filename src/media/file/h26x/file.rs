//! [`H26xFile`]: what a probe found out about a byte stream file.

use super::index::{Index, Point};
use super::times::Times;
use super::units::Units;
use crate::codec::{CodecParameters, h264, h265};
use crate::framer::h264::H264Syntax;
use crate::framer::h265::H265Syntax;
use crate::framer::video::{PictureDuration, Syntax};
use crate::media::SeekError;
use crate::media::access_unit::NalCodec;
use crate::media::file::media_file::Track;
use crate::media::file::shared::SharedFile;
use bytes::Bytes;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// How much is read at once.
pub(super) const CHUNK: usize = 64 << 10;

/// What differs between the two codecs here.
pub(super) trait Codec: Syntax + Send + Sync + 'static {
    const NAME: &'static str;
    const NAL_CODEC: NalCodec;

    /// The parameters of a track with these parameter sets.
    fn parameters(sets: Vec<Bytes>) -> CodecParameters;
}

impl Codec for H264Syntax {
    const NAME: &'static str = "H.264";
    const NAL_CODEC: NalCodec = NalCodec::H264;

    fn parameters(sets: Vec<Bytes>) -> CodecParameters {
        let (sps, pps) =
            sets.into_iter().partition(|nal| h264::nal_unit_type(nal) == h264::nal_type::SPS);
        CodecParameters::H264 { sps, pps }
    }
}

impl Codec for H265Syntax {
    const NAME: &'static str = "H.265";
    const NAL_CODEC: NalCodec = NalCodec::H265;

    fn parameters(sets: Vec<Bytes>) -> CodecParameters {
        let of = |wanted| -> Vec<Bytes> {
            sets.iter().filter(|nal| h265::nal_unit_type(nal) == wanted).cloned().collect()
        };
        let (vps, sps) = (of(h265::nal_type::VPS), of(h265::nal_type::SPS));
        let pps = of(h265::nal_type::PPS);
        CodecParameters::H265 { vps, sps, pps }
    }
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

    /// When the picture at a point is presented.
    pub(super) fn time_of(&self, point: &Point) -> Duration {
        self.time_unit.times(point.own_time)
    }
}
