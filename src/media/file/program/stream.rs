//! [`ElementaryStream`]: makes frames of the payload of PES packets.

use super::stamps::{Line, Stamps, is_near};
use crate::codec::CodecParameters;
use crate::codec::mpeg_video::{begins_picture, start_code};
use crate::codec::start_codes::start_codes;
use crate::debug::debug_by_name;
use crate::frame::{Frame, FrameFlags};
use crate::framer::sync::{UnitFramer, UnitHeader, frame_time};
use crate::framer::video::AnyVideoFramer;
use crate::media::access_unit::NalCodec;
use crate::media::file::container::coding::Coding;
use crate::media::file::container::frame_maker::FrameMaker;
use crate::media::file::container::sounds::SoundCodec;
use crate::media::file::elementary::Elementary;
use crate::media::file::h26x::Codec;
use crate::media::file::mpeg_video::MpegVideo;
use crate::media::{FrameMemory, FrameTimes};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// Largest access unit of video.
const MAX_ACCESS_UNIT: usize = 8 << 20;
/// Pictures without one at which decoding can start, after which it starts with any.
const PATIENCE: u32 = 300;
/// Pictures that wait for one with a time stamp.
const MAX_WAITING: usize = 32;
/// What the time of the picture that was sought may differ by.
const SAME: Duration = Duration::from_millis(1);
/// Frames of sound without a time before which there must be one with it.
const MAX_UNSTAMPED: u32 = 100;

/// Where a stream is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The first place at which decoding can start.
    Key,
    /// A place that was sought: frames that are over before this time are left out.
    At(Duration),
    /// Anything that comes, whether it can be decoded or not.
    Anywhere,
}

/// A stream of one codec. Its frames count from the first clock reference of the file.
pub(super) trait ElementaryStream: Send + Sync {
    /// The same stream at its beginning.
    fn begin(&self) -> Box<dyn ElementaryStream>;
    /// Another place follows.
    fn restart(&mut self, start: Start);
    /// A PES packet begins.
    fn handle_packet(&mut self, times: Option<FrameTimes>);
    fn handle_payload(&mut self, bytes: &[u8]);
    /// Something is missing here.
    fn handle_gap(&mut self);
    fn handle_end(&mut self);
    fn poll_frame(&mut self, memory: &mut FrameMemory) -> Option<Frame>;
    /// What a receiver must know, once it is known, or why the stream cannot be served.
    fn parameters(&self) -> Option<Result<CodecParameters, String>>;
    fn is_video(&self) -> bool;
}

/// What differs between the codecs of video here.
pub(super) trait PesVideo: Codec {
    /// What begins an access unit for time stamps: the offset in it. A zero byte in front of a start
    /// code may be one of the access unit before.
    fn mark(&self, _data: &[u8]) -> usize {
        3
    }

    /// Bytes at the front of what was read from the middle on that belong to a picture before.
    fn stray(&self, _data: &[u8]) -> usize {
        0
    }
}

debug_by_name!(dyn ElementaryStream, dyn PesVideo);

impl PesVideo for NalCodec {}

impl PesVideo for MpegVideo {
    fn mark(&self, data: &[u8]) -> usize {
        start_codes(data).find(|&(_, code)| code == start_code::PICTURE).map_or(3, |(at, _)| at)
    }

    fn stray(&self, data: &[u8]) -> usize {
        start_codes(data).find(|&(_, code)| begins_picture(code)).map_or(0, |(at, _)| at)
    }
}

/// A stream of video.
#[derive(Debug)]
pub(super) struct Video {
    codec: &'static dyn PesVideo,
    framer: Box<AnyVideoFramer>,
    stamps: Stamps,
    line: Line,
    /// Bytes of the stream since it was begun.
    received: u64,
    /// The parameter sets at the start of the file.
    sets: Vec<Bytes>,
    /// Pictures are left out up to one with which decoding can start; how many were.
    wants_key: Option<u32>,
    /// Pictures before this time are left out.
    from: Duration,
    /// Pictures, and their time stamps, that wait for one that has any.
    waiting: VecDeque<(Frame, Option<FrameTimes>)>,
    after_seek: bool,
    /// The front of the first picture may be that of another.
    stray: bool,
    gap: bool,
}

impl Video {
    pub(super) fn new(codec: &'static dyn PesVideo) -> Self {
        Self::with_sets(codec, Vec::new())
    }

    fn with_sets(codec: &'static dyn PesVideo, sets: Vec<Bytes>) -> Self {
        let mut framer = codec.framer(MAX_ACCESS_UNIT);
        framer.handle_parameter_sets(sets.iter().map(|set| &set[..]));
        Self {
            codec,
            framer,
            stamps: Stamps::default(),
            line: Line::default(),
            received: 0,
            sets,
            wants_key: Some(0),
            from: Duration::ZERO,
            waiting: VecDeque::new(),
            after_seek: false,
            stray: true,
            gap: false,
        }
    }

    /// Discards what was received.
    fn clear(&mut self) {
        self.framer.handle_seek(0, 0);
        self.stamps.clear();
        self.received = 0;
        self.stray = true;
    }

    /// The next picture of the stream, from one on with which decoding can start.
    fn next_picture(&mut self) -> Option<(Frame, Option<FrameTimes>)> {
        loop {
            let (mut frame, position) = match self.framer.poll_positioned() {
                Ok(found) => found?,
                Err(e) => {
                    log::debug!("{}: {e}", self.codec.name());
                    self.clear();
                    self.gap = true;
                    return None;
                }
            };
            if std::mem::take(&mut self.stray) {
                let stray = self.codec.stray(&frame.data);
                frame.data.advance(stray.min(frame.data.len()));
            }
            let start = position.offset;
            let stamp = self.stamps.take(start, start + self.codec.mark(&frame.data) as u64);
            if let Some(left_out) = self.wants_key.filter(|_| !frame.flags.key) {
                if left_out < PATIENCE {
                    self.wants_key = Some(left_out + 1);
                    continue;
                }
            }
            self.wants_key = None;
            return Some((frame, stamp));
        }
    }

    /// The picture with its times; `None` if it is left out.
    fn finish(
        &mut self,
        frame: Frame,
        stamp: Option<FrameTimes>,
        memory: &mut FrameMemory,
    ) -> Option<Frame> {
        let FrameTimes { pts, dts } = self.line.place(own_times(&frame), stamp);
        if pts.saturating_add(SAME) < self.from {
            return None;
        }
        // A copy, so that the framer's memory is free again.
        let mut data = memory.take(frame.data.len());
        data.copy_from_slice(&frame.data);
        let mut data = data.freeze();
        if std::mem::take(&mut self.after_seek) {
            data = self.codec.after_seek(data, &self.sets, memory);
        }
        let discontinuity = std::mem::take(&mut self.gap);
        let flags = FrameFlags { key: frame.flags.key, ends_access_unit: true, discontinuity };
        Some(Frame { data, pts, dts, flags, ..frame })
    }
}

/// The times that a stream of video gives a picture.
const fn own_times(frame: &Frame) -> FrameTimes {
    FrameTimes { pts: frame.pts, dts: frame.dts }
}

impl ElementaryStream for Video {
    fn begin(&self) -> Box<dyn ElementaryStream> {
        let sets = match self.sets.is_empty() {
            true => self.framer.parameter_sets(),
            false => self.sets.clone(),
        };
        Box::new(Self::with_sets(self.codec, sets))
    }

    fn restart(&mut self, start: Start) {
        self.clear();
        self.line = Line::default();
        self.wants_key = (start != Start::Anywhere).then_some(0);
        self.from = match start {
            Start::At(from) => from,
            Start::Key | Start::Anywhere => Duration::ZERO,
        };
        self.waiting.clear();
        self.after_seek = true;
        self.gap = true;
    }

    fn handle_packet(&mut self, times: Option<FrameTimes>) {
        self.stamps.push(self.received, times);
    }

    fn handle_payload(&mut self, bytes: &[u8]) {
        self.framer.handle_bytes(bytes);
        self.received += bytes.len() as u64;
    }

    fn handle_gap(&mut self) {
        self.gap = true;
    }

    fn handle_end(&mut self) {
        self.framer.handle_end();
    }

    fn poll_frame(&mut self, memory: &mut FrameMemory) -> Option<Frame> {
        loop {
            while self.line.is_anchored() {
                let Some((frame, stamp)) = self.waiting.pop_front() else { break };
                if let Some(frame) = self.finish(frame, stamp, memory) {
                    return Some(frame);
                }
            }
            let (frame, stamp) = self.next_picture()?;
            if !self.line.is_anchored() && (stamp.is_some() || self.waiting.len() >= MAX_WAITING) {
                let own = own_times(&frame);
                self.line.anchor(own, stamp.unwrap_or(own));
            }
            self.waiting.push_back((frame, stamp));
        }
    }

    fn parameters(&self) -> Option<Result<CodecParameters, String>> {
        let sets = self.framer.parameter_sets();
        (!sets.is_empty()).then(|| Ok(self.codec.parameters(sets)))
    }

    fn is_video(&self) -> bool {
        true
    }
}

/// A stream of self-framing audio.
pub(super) struct Audio {
    format: &'static dyn Elementary,
    sync: Box<dyn UnitFramer>,
    stamps: Stamps,
    maker: FrameMaker,
    received: u64,
    /// Header of a frame of which the parameters are true, and these.
    described: Option<(UnitHeader, CodecParameters)>,
    refused: Option<String>,
    /// When the next frame is expected.
    expected: Option<Duration>,
    unstamped: u32,
}

impl fmt::Debug for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audio").field("received", &self.received).finish_non_exhaustive()
    }
}

impl Audio {
    pub(super) fn new(format: &'static dyn Elementary) -> Self {
        Self::with(format, None)
    }

    fn with(
        format: &'static dyn Elementary,
        described: Option<(UnitHeader, CodecParameters)>,
    ) -> Self {
        Self {
            format,
            sync: format.framer(),
            stamps: Stamps::default(),
            // Of its sound only the times are needed.
            maker: FrameMaker::new(
                &CodecParameters::MpegAudio,
                Coding::Sound(SoundCodec::MpegAudio),
            ),
            received: 0,
            described,
            refused: None,
            expected: None,
            unstamped: 0,
        }
    }
}

impl ElementaryStream for Audio {
    fn begin(&self) -> Box<dyn ElementaryStream> {
        Box::new(Self::with(self.format, self.described.clone()))
    }

    fn restart(&mut self, start: Start) {
        self.sync = self.format.framer();
        self.stamps.clear();
        self.maker.restart();
        self.maker.from = match start {
            Start::At(from) => from,
            Start::Key | Start::Anywhere => Duration::ZERO,
        };
        (self.received, self.expected, self.unstamped) = (0, None, 0);
    }

    fn handle_packet(&mut self, times: Option<FrameTimes>) {
        self.stamps.push(self.received, times);
    }

    fn handle_payload(&mut self, bytes: &[u8]) {
        self.sync.handle_bytes(bytes);
        self.received += bytes.len() as u64;
    }

    fn handle_gap(&mut self) {
        self.maker.gap = true;
    }

    fn handle_end(&mut self) {
        self.sync.handle_end();
    }

    fn poll_frame(&mut self, _memory: &mut FrameMemory) -> Option<Frame> {
        loop {
            let unit = self.sync.poll_unit()?;
            self.maker.gap |= unit.gap;
            let header = unit.header;
            if self.described.is_none() {
                match self.format.parameters(&unit) {
                    Ok(parameters) => self.described = Some((header, parameters)),
                    Err(why) => self.refused = Some(why),
                }
            }
            let stamp = self.stamps.take(unit.offset, unit.offset).map(|times| times.pts);
            let stamp = stamp.filter(|&pts| self.expected.is_none_or(|e| is_near(pts, e)));
            if stamp.is_none() && self.expected.is_none() {
                self.unstamped += 1;
                if self.unstamped < MAX_UNSTAMPED {
                    self.maker.gap = true;
                    continue;
                }
            }
            let (samples, rate) =
                (u64::from(header.samples) * u64::from(header.blocks), header.sampling_rate);
            let pts = stamp.or(self.expected).unwrap_or_default();
            self.expected = Some(pts.saturating_add(frame_time(samples, 1, rate)));
            let known = self.described.as_ref();
            let carried = known.is_some_and(|(of, _)| self.format.same_parameters(&header, of));
            let data = self.format.payload(&unit).filter(|_| carried);
            let is_sent = data.is_some();
            // Also what is left out takes its time.
            let frame = self.maker.sound(data.unwrap_or_default(), stamp, (samples, rate));
            self.maker.gap |= !is_sent;
            if frame.is_some() {
                return frame;
            }
        }
    }

    fn parameters(&self) -> Option<Result<CodecParameters, String>> {
        match (&self.described, &self.refused) {
            (Some((_, parameters)), _) => Some(Ok(parameters.clone())),
            (None, Some(why)) => Some(Err(why.clone())),
            (None, None) => None,
        }
    }

    fn is_video(&self) -> bool {
        false
    }
}
