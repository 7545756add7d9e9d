//! Files of pictures that follow each other: [`PictureProbe`] and the sources of IVF and OBU files.
//!
//! The probe goes through all pictures once; sources then read them one by one.

use super::container::MAX_FRAME;
use super::container::coding::{Codec, Coding, is_known, learn};
use super::container::frame_maker::{FrameMaker, Picture};
use super::container::index::{Entry, Index};
use super::container::steps::{Steps, poll_steps};
use super::container::window::{Input, PLAY_CHUNK, SEARCH_CHUNK, Window};
use super::shared::CUT_SHORT;
use super::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use crate::debug::debug_by_name;
use crate::frame::Frame;
use crate::media::{
    Ending, FrameMemory, FramePoll, FrameTimes, FramedSource, SeekError, SourceContext, Wait,
};
use bytes::BytesMut;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Pictures of one poll that may be left out.
const PICTURES_A_POLL: usize = 64;
/// Pictures at the front that are looked at where parameters are missing.
const MAX_LOOKS: u64 = 64;

/// The structure of a kind of file.
pub(super) trait Layout: Send + Sync {
    /// For messages.
    fn name(&self) -> &'static str;

    /// Takes note of what a picture at the front shows.
    fn note(&mut self, picture: &[u8]) {
        let _ = picture;
    }

    /// Reads where the picture at `at` is, the `n`th of the file; `None` at the end.
    fn picture(&self, window: &mut Window, at: u64, n: u64) -> io::Result<Option<Stored>>;

    /// The time of a tick.
    fn time_of(&self, tick: u64) -> Duration;

    /// The number of the picture that is presented at that time, where ticks are numbers.
    fn number_at(&self, time: Duration) -> u64 {
        let _ = time;
        0
    }
}

debug_by_name!(dyn Layout);

/// The layout of a file, the codec, and the position of the first picture; or why the file cannot be
/// sent: it may be of another kind.
pub(super) type Begun = Result<(Box<dyn Layout>, Codec, u64), String>;

/// The place of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    /// Position of its data, and their length.
    pub(super) data: u64,
    pub(super) len: u64,
    /// Position of the next one.
    pub(super) next: u64,
    pub(super) tick: u64,
}

/// A probe under way.
#[derive(Debug)]
pub(super) struct PictureProbe {
    window: Window,
    /// Reads the beginning of a file.
    begin: fn(&mut Window) -> io::Result<Begun>,
    found: Option<Found>,
}

/// A file as far as it was read.
#[derive(Debug)]
struct Found {
    layout: Box<dyn Layout>,
    codec: Codec,
    is_known: bool,
    /// Position of the first picture.
    first: u64,
    /// Position and number of the next one.
    at: u64,
    n: u64,
    /// Ticks of the first picture and of the latest, and the least between two.
    origin: u64,
    last: u64,
    step: u64,
    bytes: u64,
    index: Index,
    /// Memory for a picture.
    picture: BytesMut,
}

impl PictureProbe {
    pub(super) fn new(
        input: Input,
        begin: fn(&mut Window) -> io::Result<Begun>,
    ) -> Result<Self, ProbeError> {
        Ok(Self { window: Window::new(input, SEARCH_CHUNK)?, begin, found: None })
    }
}

impl Steps for PictureProbe {
    fn bytes_read(&self) -> u64 {
        self.window.bytes_read()
    }

    fn step(&mut self) -> Result<Option<Arc<dyn MediaFile>>, ProbeError> {
        let Some(mut found) = self.found.take() else {
            let begun = (self.begin)(&mut self.window)?;
            let (layout, codec, first) = begun.map_err(ProbeError::Content)?;
            self.found = Some(Found {
                is_known: is_known(&codec.0, codec.1),
                layout,
                codec,
                first,
                at: first,
                n: 0,
                origin: 0,
                last: 0,
                step: u64::MAX,
                bytes: 0,
                index: Index::default(),
                picture: BytesMut::new(),
            });
            return Ok(None);
        };
        match found.layout.picture(&mut self.window, found.at, found.n)? {
            Some(stored) => {
                found.handle_picture(&stored, &mut self.window)?;
                self.found = Some(found);
                Ok(None)
            }
            None => Ok(Some(found.finish(self.window.input())?)),
        }
    }
}

impl Found {
    fn handle_picture(&mut self, stored: &Stored, window: &mut Window) -> Result<(), ProbeError> {
        let at = std::mem::replace(&mut self.at, stored.next);
        if self.n == 0 {
            (self.origin, self.last) = (stored.tick, stored.tick);
        }
        if let Some(step @ 1..) = stored.tick.checked_sub(self.last) {
            self.step = self.step.min(step);
        }
        self.last = self.last.max(stored.tick);
        self.n += 1;
        self.bytes = self.bytes.saturating_add(stored.len);
        if stored.len > MAX_FRAME {
            return Ok(());
        }
        self.picture.resize(usize::try_from(stored.len).unwrap_or(0), 0);
        window.read(stored.data, &mut self.picture)?;
        let (parameters, coding) = &mut self.codec;
        if self.n <= MAX_LOOKS {
            self.layout.note(&self.picture);
            if !self.is_known {
                let picture = BytesMut::from(&self.picture[..]);
                let learnt = learn(parameters, *coding, picture);
                self.is_known = learnt.map_err(ProbeError::Content)?;
            }
        }
        if matches!(coding, Coding::Picture(codec) if codec.is_key(&self.picture)) {
            let npt = self.layout.time_of(stored.tick.saturating_sub(self.origin));
            self.index.insert(Entry { npt, at });
        }
        Ok(())
    }

    fn finish(mut self, input: &Input) -> Result<Arc<PictureMedia>, ProbeError> {
        self.index.finish();
        if self.index.find(Duration::MAX).is_none() {
            return Err(ProbeError::Content(format!("{}: no key frame found", self.layout.name())));
        }
        let step = if self.step == u64::MAX { 1 } else { self.step };
        let ticks = self.last.saturating_sub(self.origin).saturating_add(step);
        let duration = self.layout.time_of(ticks);
        let bits = u128::from(self.bytes) * 8_000_000;
        let track = Track {
            parameters: self.codec.0.clone(),
            duration: Some(duration),
            seekable: true,
            bitrate: u32::try_from(bits / duration.as_micros().max(1)).ok(),
        };
        Ok(Arc::new(PictureMedia {
            input: input.clone(),
            frame_duration: self.layout.time_of(step),
            layout: self.layout,
            coding: self.codec.1,
            tracks: [track],
            first: self.first,
            origin: self.origin,
            index: self.index,
            duration,
        }))
    }
}

impl Probe for PictureProbe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        poll_steps(self, budget)
    }
}

/// The results of a probe.
#[derive(Debug)]
struct PictureMedia {
    input: Input,
    layout: Box<dyn Layout>,
    coding: Coding,
    tracks: [Track; 1],
    first: u64,
    origin: u64,
    frame_duration: Duration,
    index: Index,
    duration: Duration,
}

impl PictureMedia {
    /// The last key frame at or before `npt`, or the first.
    fn place(&self, npt: Duration) -> Result<Entry, SeekError> {
        if npt >= self.duration {
            return Err(SeekError::OutOfRange);
        }
        Ok(self.index.find(npt).unwrap_or(Entry { npt: Duration::ZERO, at: self.first }))
    }
}

impl MediaFile for PictureMedia {
    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn open_track(
        self: Arc<Self>,
        track: usize,
        _consumer: u64,
        _cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        let [Track { parameters, .. }] = &self.tracks;
        if track != 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut source = PictureSource {
            window: Window::new(self.input.clone(), PLAY_CHUNK)?,
            maker: FrameMaker::new(parameters, self.coding),
            at: self.first,
            n: 0,
            next: None,
            last_due: Duration::ZERO,
            ended: None,
            media: self,
        };
        source.look_ahead()?;
        Ok(Box::new(source))
    }
}

/// Reads the pictures of a file.
#[derive(Debug)]
struct PictureSource {
    media: Arc<PictureMedia>,
    window: Window,
    maker: FrameMaker,
    /// Position and number of the picture behind the next.
    at: u64,
    n: u64,
    next: Option<Stored>,
    last_due: Duration,
    ended: Option<Ending>,
}

impl PictureSource {
    /// Finds the next picture.
    fn look_ahead(&mut self) -> io::Result<()> {
        self.next = self.media.layout.picture(&mut self.window, self.at, self.n)?;
        if let Some(stored) = &self.next {
            self.at = stored.next;
            self.n += 1;
        }
        Ok(())
    }

    fn times(&self, stored: &Stored) -> FrameTimes {
        let pts = self.media.layout.time_of(stored.tick.saturating_sub(self.media.origin));
        // Pictures are stored in the order of presentation; a broken file may go back.
        FrameTimes { pts, dts: pts.max(self.last_due) }
    }

    /// Reads the next picture. `Ok(None)` if it is left out.
    fn frame(&mut self, stored: &Stored, memory: &mut FrameMemory) -> io::Result<Option<Frame>> {
        if stored.len > MAX_FRAME {
            let name = self.media.layout.name();
            log::warn!("{name}: a picture of {} bytes is left out", stored.len);
            self.maker.gap = true;
            return Ok(None);
        }
        let mut data = memory.take(usize::try_from(stored.len).unwrap_or(0));
        self.window.read(stored.data, &mut data)?;
        let FrameTimes { pts, dts } = self.times(stored);
        let place = (stored.data, 0);
        let made = self.maker.picture(self.media.coding, data, place, pts, false, memory);
        let Some(Picture { data, flags }) = made else { return Ok(None) };
        self.last_due = dts;
        let duration = self.media.frame_duration;
        Ok(Some(Frame { data, pts, dts, duration, wall_clock: None, flags }))
    }

    fn step(&mut self, memory: &mut FrameMemory) -> Result<Option<Frame>, Ending> {
        let failed = |e: io::Error| match e.kind() {
            io::ErrorKind::UnexpectedEof => Ending::Failed(CUT_SHORT.into()),
            _ => Ending::Failed(e.to_string()),
        };
        let Some(stored) = self.next.take() else {
            let is_short = self.window.input().len().map_err(failed)? < self.window.len();
            return Err(if is_short {
                Ending::Failed(CUT_SHORT.into())
            } else {
                Ending::EndOfStream
            });
        };
        let frame = self.frame(&stored, memory).map_err(failed)?;
        self.look_ahead().map_err(failed)?;
        Ok(frame)
    }
}

impl FramedSource for PictureSource {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        if let Some(ending) = &self.ended {
            return FramePoll::Ended(ending.clone());
        }
        for _ in 0..PICTURES_A_POLL {
            match self.step(cx.frame_memory()) {
                Ok(Some(frame)) => return FramePoll::Ready(frame),
                Ok(None) => {}
                Err(ending) => {
                    self.ended = Some(ending.clone());
                    return FramePoll::Ended(ending);
                }
            }
        }
        FramePoll::Pending(Wait::Work)
    }

    fn next_times(&self) -> Option<FrameTimes> {
        // Behind a seek the next is the key frame that was sought.
        self.next.as_ref().map(|stored| self.times(stored))
    }

    fn check_seek(&self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<(), SeekError> {
        self.media.place(npt).map(drop)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let Entry { npt: landed, at } = self.media.place(npt)?;
        (self.at, self.n) = (at, self.media.layout.number_at(landed));
        (self.last_due, self.ended) = (Duration::ZERO, None);
        self.maker.restart();
        self.maker.from = landed;
        self.look_ahead().map_err(|e| SeekError::Failed(e.to_string()))?;
        Ok(landed)
    }

    fn duration(&self) -> Option<Duration> {
        Some(self.media.duration)
    }
}

/// The time of a tick of `unit`, a fraction of a second.
pub(super) fn time_of(tick: u64, (numerator, denominator): (u64, u64)) -> Duration {
    let nanos = u128::from(tick) * u128::from(numerator) * 1_000_000_000;
    let nanos = nanos / u128::from(denominator.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
