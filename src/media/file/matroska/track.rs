//! [`TrackState`]: what a demultiplexer knows of a track while it plays, and how its blocks become
//! pictures with their times.

use super::headers::TrackInfo;
use super::media::MatroskaMedia;
use super::timing::{DecodeClock, FrameGrid};
use crate::frame::Frame;
use crate::media::FrameMemory;
use crate::media::file::container::coding::Coding;
use crate::media::file::container::frame_maker::{FrameMaker, Picture};
use bytes::{Bytes, BytesMut};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct TrackState {
    pub(super) maker: FrameMaker,
    pub(super) decode: DecodeClock,
    pub(super) grid: FrameGrid,
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
            maker: FrameMaker::new(&info.parameters, info.coding),
            decode: DecodeClock::new(start.reorder, start.frame_duration),
            grid: FrameGrid {
                origin: start.first,
                step: info.default_duration.unwrap_or_default(),
                tolerance: media.time_line.span(1).min(Duration::from_millis(1)),
            },
            idle: false,
            pcm: Bytes::new(),
            look_back: None,
        }
    }

    /// What follows does not continue what was.
    pub(super) fn restart(&mut self) {
        self.maker.restart();
        self.decode.restart();
        self.idle = false;
        self.pcm.clear();
        self.look_back = None;
    }

    pub(super) fn picture(
        &mut self,
        coding: Coding,
        data: BytesMut,
        place: (u64, usize),
        npt: Duration,
        key: bool,
        memory: &mut FrameMemory,
    ) -> Option<Frame> {
        let made = self.maker.picture(coding, data, place, npt, key, memory);
        let Picture { data, flags } = made?;
        let pts = self.grid.snap(npt);
        let dts = self.decode.dts(pts);
        Some(Frame { data, pts, dts, duration: Duration::ZERO, wall_clock: None, flags })
    }
}
