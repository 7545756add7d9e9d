//! [`Mp4Source`]: reads one track of a file. The tables say where its frames are, so each track is
//! read by itself, wherever the others are.

use super::following::Following;
use super::fragments::{FragmentCursor, Step};
use super::media::{Mp4Media, Place, Spot, TrackInfo};
use super::sample::Sample;
use super::sample_cursor::{Next, SampleCursor};
use crate::frame::Frame;
use crate::media::access_unit::SetsInForce;
use crate::media::file::container::MAX_FRAME;
use crate::media::file::container::audio_clock::samples_to_time;
use crate::media::file::container::coding::Coding;
use crate::media::file::container::frame_maker::{FrameMaker, Picture, put};
use crate::media::file::container::window::{PLAY_CHUNK, Window};
use crate::media::file::shared::CUT_SHORT;
use crate::media::scale::find_key_frame_after;
use crate::media::{
    Ending, FrameMemory, FramePoll, FrameTimes, FramedSource, SeekError, SourceContext, Wait,
    within,
};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Steps of one poll: samples, boxes, or entries that are passed over.
const STEPS_A_POLL: usize = 64;
/// Steps on the way to the times of the next frame.
const STEPS_AHEAD: usize = 16;
/// PCM goes out in frames of this length.
const PCM_FRAMES_A_SECOND: u32 = 50;
/// A place of an index may be off by this.
const INDEX_TOLERANCE: Duration = Duration::from_millis(5);

/// Reads a track.
#[derive(Debug)]
pub(super) struct Mp4Source {
    media: Arc<Mp4Media>,
    track: usize,
    cursor: Cursor,
    window: Window,
    maker: FrameMaker,
    /// The next sample, and how many of its PCM samples were played.
    next: Option<Sample>,
    played: u64,
    /// Pictures of a fragment that are presented before this tick are passed over.
    skip_to: Option<i64>,
    /// Where the next sample is, after a seek, decides on the parameter sets in force.
    restores_sets: bool,
    /// The sample entry of the last sample.
    description: Option<u32>,
    /// Bytes of the samples found since the last seek, played or not.
    bytes: u64,
    /// When the last frame was due.
    last_due: Duration,
    /// Waits at the end of the file for what it gets yet.
    following: Option<Following>,
    ended: Option<Ending>,
}

/// The place at which a track is read.
#[derive(Debug)]
enum Cursor {
    Samples(Box<SampleCursor>),
    Fragments(Box<FragmentCursor>),
}

/// The result of a step.
enum Stepped {
    Frame(Frame),
    /// Nothing yet.
    Work,
    /// The file has no more, at present.
    OutOfFile,
    End,
}

impl Mp4Source {
    /// At the beginning of `track`.
    pub(super) fn new(media: Arc<Mp4Media>, track: usize) -> io::Result<Self> {
        let info = media.infos.get(track);
        let info = info.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such track"))?;
        let mut source = Self {
            cursor: Cursor::new(&media, track, info.begin.spot)?,
            window: Window::new(media.input.clone(), PLAY_CHUNK)?,
            maker: FrameMaker::new(&info.parameters, info.coding),
            next: None,
            played: 0,
            skip_to: None,
            restores_sets: false,
            description: None,
            bytes: 0,
            last_due: Duration::ZERO,
            following: None,
            ended: None,
            track,
            media,
        };
        source.look_ahead();
        Ok(source)
    }

    /// Has the source wait at the end of the file until that has not grown for `patience`.
    pub(super) const fn following(mut self, patience: Duration) -> Self {
        self.following = Some(Following::new(patience));
        self
    }

    fn info(&self) -> Option<&TrackInfo> {
        self.media.infos.get(self.track)
    }

    /// Goes to `place`, from which all that ends before `from` is left out.
    fn go_to(&mut self, place: Place, from: Duration) -> io::Result<()> {
        let media = Arc::clone(&self.media);
        let Some(info) = media.infos.get(self.track) else { return Ok(()) };
        match (&mut self.cursor, place.spot) {
            (Cursor::Samples(cursor), Spot::Sample(sample)) => {
                cursor.seek(&info.samples, sample, &media.input)?;
            }
            (Cursor::Fragments(cursor), Spot::Fragment { at, dts }) => {
                cursor.seek(at, self.track, dts);
            }
            (cursor, spot) => *cursor = Cursor::new(&media, self.track, spot)?,
        }
        let in_fragment = matches!(place.spot, Spot::Fragment { .. }) && info.is_video();
        let tolerance = info.time.ticks(INDEX_TOLERANCE);
        self.skip_to = in_fragment.then(|| place.pts.saturating_sub(tolerance));
        (self.next, self.played, self.bytes) = (None, 0, 0);
        (self.restores_sets, self.description) = (true, None);
        (self.last_due, self.ended) = (Duration::ZERO, None);
        self.following.iter_mut().for_each(Following::go_on);
        self.maker.restart();
        self.maker.from = from;
        Ok(())
    }

    /// Makes the times of the next frame known, if that takes little. What fails here fails again
    /// when the frame is read.
    fn look_ahead(&mut self) {
        for _ in 0..STEPS_AHEAD {
            match self.find() {
                Ok(Next::Sample(sample)) => {
                    self.next = Some(sample);
                    return;
                }
                Ok(Next::Work) => {}
                Ok(Next::OutOfFile | Next::End) | Err(_) => return,
            }
        }
    }

    /// Goes on towards the next sample that is to be played.
    fn find(&mut self) -> io::Result<Next> {
        let media = &*self.media;
        let Some(info) = media.infos.get(self.track) else { return Ok(Next::End) };
        let next = match &mut self.cursor {
            Cursor::Samples(cursor) => {
                let together = together(info);
                match cursor.next(&info.samples, together, &media.input)? {
                    Next::End => {
                        let Some(at) = media.first_fragment else { return Ok(Next::End) };
                        let spot = Spot::Fragment { at, dts: info.samples.ticks };
                        self.cursor = Cursor::new(media, self.track, spot)?;
                        Next::Work
                    }
                    other => other,
                }
            }
            Cursor::Fragments(cursor) => match cursor.step(&media.defaults, together(info))? {
                Step::Sample(_, sample) => Next::Sample(sample),
                Step::Other => Next::Work,
                // A recording may have gone on.
                Step::End if cursor.look_for_more()? => Next::Work,
                Step::End => Next::OutOfFile,
            },
        };
        let Next::Sample(sample) = next else { return Ok(next) };
        if info.time.is_over(sample.dts) || is_more_than_the_file(self.bytes, &mut self.window)? {
            return Ok(Next::End);
        }
        self.bytes = self.bytes.saturating_add(sample.len);
        let is_before = if info.is_video() {
            self.skip_to.is_some_and(|tick| sample.pts < tick)
        } else {
            let end = sample.pts.saturating_add_unsigned(sample.duration);
            info.time.npt(end) <= self.maker.from && sample.duration > 0
        };
        if is_before {
            return Ok(Next::Work);
        }
        self.skip_to = None;
        Ok(next)
    }

    /// When a picture is decoded and presented.
    fn picture_times(&self, info: &TrackInfo, sample: &Sample) -> FrameTimes {
        let pts = info.time.npt(sample.pts);
        let dts = info.time.npt(sample.dts.saturating_sub(info.time.ahead));
        FrameTimes { pts, dts: dts.min(pts).max(self.last_due) }
    }

    /// When the file has a sound.
    fn sound_time(&self, info: &TrackInfo, sample: &Sample) -> Duration {
        let rate = match info.coding {
            Coding::Pcm { rate, .. } => rate,
            _ => 1,
        };
        info.time.npt(sample.pts).saturating_add(samples_to_time(self.played, rate))
    }

    fn step(&mut self, memory: &mut FrameMemory) -> io::Result<Stepped> {
        let sample = match self.next.take() {
            Some(sample) => sample,
            None => match self.find()? {
                Next::Sample(sample) => sample,
                Next::Work => return Ok(Stepped::Work),
                Next::OutOfFile => return Ok(Stepped::OutOfFile),
                Next::End => return Ok(Stepped::End),
            },
        };
        let media = Arc::clone(&self.media);
        let Some(info) = media.infos.get(self.track) else { return Ok(Stepped::End) };
        if sample.len == 0 {
            return Ok(Stepped::Work);
        }
        let end = sample.at.saturating_add(sample.len);
        if end > self.window.len() {
            self.window.look_for_more()?;
        }
        if end > self.window.len() {
            if matches!(self.cursor, Cursor::Fragments(_)) {
                // Its data is on the way into the file.
                self.next = Some(sample);
                return Ok(Stepped::OutOfFile);
            }
            log::debug!("mp4: track {} goes on beyond the end of the file", info.id);
            return Ok(Stepped::End);
        }
        if std::mem::take(&mut self.restores_sets) {
            self.maker.restore_sets(sample.at);
        }
        let Some(coding) = self.describe(info, &sample) else {
            self.maker.gap = true;
            return Ok(Stepped::Work);
        };
        if sample.len > MAX_FRAME && !matches!(info.coding, Coding::Pcm { .. }) {
            log::warn!("mp4: a sample of {} bytes is left out", sample.len);
            self.maker.gap = true;
            return Ok(Stepped::Work);
        }
        let frame = self.frame(info, sample, coding, memory)?;
        if let Some(frame) = &frame {
            self.last_due = frame.dts;
        }
        Ok(frame.map_or(Stepped::Work, Stepped::Frame))
    }

    /// Takes note of the sample entry of `sample`. `None` if its samples are left out, or else the
    /// form that they have.
    fn describe(&mut self, info: &TrackInfo, sample: &Sample) -> Option<Coding> {
        let one = matches!(info.descriptions[..], [_]);
        let index = if one { 0 } else { sample.description };
        let found = info.descriptions.get(usize::try_from(index).unwrap_or(usize::MAX));
        let Some(Some(description)) = found else { return None };
        let other = self.description.replace(index) != Some(index);
        if other && !one {
            // They go out in front of the key frame with which its samples begin.
            self.maker.sets.clone_from(&description.sets);
        }
        Some(description.coding)
    }

    fn frame(
        &mut self,
        info: &TrackInfo,
        sample: Sample,
        coding: Coding,
        memory: &mut FrameMemory,
    ) -> io::Result<Option<Frame>> {
        let len = usize::try_from(sample.len).unwrap_or(usize::MAX);
        match coding {
            Coding::Nal { .. } | Coding::Picture(_) => {
                // Room in front for the parameter sets, so that putting them there copies nothing.
                let sets = self.maker.sets.as_ref().map(SetsInForce::annexb);
                let sets = sets.filter(|_| sample.key).cloned().unwrap_or_default();
                let room = sets.len();
                let mut data = memory.take(room + len);
                put(&mut data, 0, &sets);
                read(&mut self.window, sample.at, data.get_mut(room..).unwrap_or_default())?;
                let FrameTimes { pts, dts } = self.picture_times(info, &sample);
                let place = (sample.at, room);
                let made = self.maker.picture(coding, data, place, pts, sample.key, memory);
                let Some(Picture { data, flags }) = made else { return Ok(None) };
                let duration = info.time.span(sample.duration);
                Ok(Some(Frame { data, pts, dts, duration, wall_clock: None, flags }))
            }
            Coding::Sound(codec) => {
                let mut data = memory.take(len);
                read(&mut self.window, sample.at, &mut data)?;
                let pts = self.sound_time(info, &sample);
                Ok(self.maker.framed_sound(codec, data.freeze(), Some(pts)))
            }
            Coding::Pcm { .. } => self.pcm(info, sample, memory),
        }
    }

    /// Takes a frame off the front of a sample of PCM, which may be as long as the file.
    fn pcm(
        &mut self,
        info: &TrackInfo,
        sample: Sample,
        memory: &mut FrameMemory,
    ) -> io::Result<Option<Frame>> {
        let Coding::Pcm { little_endian, sample: width, channels, rate } = info.coding else {
            return Ok(None);
        };
        let block = (width * channels).max(1);
        let usual = (rate / PCM_FRAMES_A_SECOND).max(1) as usize;
        let left = usize::try_from(sample.len / block as u64).unwrap_or(usize::MAX);
        // The rest of a sample goes along with its last frame rather than as a tiny one.
        let take = if left < usual + usual / 2 { left } else { usual };
        let len = take * block;
        let mut data = memory.take(len);
        read(&mut self.window, sample.at, &mut data)?;
        if little_endian && width > 1 {
            data.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        let pts = self.sound_time(info, &sample);
        let frame = self.maker.sound(data.freeze(), Some(pts), (take as u64, rate));
        if take < left {
            let (at, len) = (sample.at + len as u64, sample.len - len as u64);
            self.next = Some(Sample { at, len, ..sample });
            self.played += take as u64;
        } else {
            self.played = 0;
        }
        Ok(frame)
    }

    /// Waits for more of the file, or ends.
    fn out_of_file(&mut self, now: Instant) -> FramePoll {
        let Some(following) = &mut self.following else { return self.end(Ending::EndOfStream) };
        if let Err(e) = self.window.look_for_more() {
            return self.end(Ending::Failed(e.to_string()));
        }
        match following.look_again(self.window.len(), now) {
            Some(at) => FramePoll::Pending(Wait::Until(at)),
            None => self.end(Ending::EndOfStream),
        }
    }

    fn end(&mut self, ending: Ending) -> FramePoll {
        self.ended = Some(ending.clone());
        FramePoll::Ended(ending)
    }
}

impl Cursor {
    fn new(media: &Mp4Media, track: usize, spot: Spot) -> io::Result<Self> {
        match spot {
            Spot::Sample(sample) => {
                let none = || io::Error::new(io::ErrorKind::NotFound, "no such track");
                let table = &media.infos.get(track).ok_or_else(none)?.samples;
                Ok(Self::Samples(Box::new(SampleCursor::new(table, sample, &media.input)?)))
            }
            Spot::Fragment { at, dts } => {
                let (input, dts) = (media.input.clone(), vec![dts; media.infos.len()]);
                let cursor = FragmentCursor::new(input, Some(track), at, dts)?;
                Ok(Self::Fragments(Box::new(cursor)))
            }
        }
    }
}

/// Whether samples of so many bytes are more than the file has room for: those that lie upon each
/// other could go on for ever.
fn is_more_than_the_file(bytes: u64, window: &mut Window) -> io::Result<bool> {
    if bytes <= window.len() {
        return Ok(false);
    }
    // A recording may have gone on.
    window.look_for_more()?;
    let is_more = bytes > window.len();
    if is_more {
        log::debug!("mp4: a track has more samples than the file");
    }
    Ok(is_more)
}

/// Reads what the tables say is there.
fn read(window: &mut Window, at: u64, out: &mut [u8]) -> io::Result<()> {
    window.read(at, out).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::other(CUT_SHORT),
        _ => e,
    })
}

/// The number of samples of a track that may be taken together.
fn together(info: &TrackInfo) -> u64 {
    match info.coding {
        Coding::Pcm { rate, .. } => (rate / PCM_FRAMES_A_SECOND).max(1).into(),
        _ => 1,
    }
}

impl FramedSource for Mp4Source {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        if let Some(ending) = &self.ended {
            return FramePoll::Ended(ending.clone());
        }
        for _ in 0..STEPS_A_POLL {
            match self.step(cx.frame_memory()) {
                Ok(Stepped::Frame(frame)) => {
                    self.following.iter_mut().for_each(Following::go_on);
                    if self.next.is_none() {
                        self.look_ahead();
                    }
                    return FramePoll::Ready(frame);
                }
                Ok(Stepped::Work) => {}
                Ok(Stepped::OutOfFile) => return self.out_of_file(cx.now),
                Ok(Stepped::End) => return self.end(Ending::EndOfStream),
                Err(e) => return self.end(Ending::Failed(e.to_string())),
            }
        }
        FramePoll::Pending(Wait::Work)
    }

    fn next_times(&self) -> Option<FrameTimes> {
        let (sample, info) = (self.next.as_ref()?, self.info()?);
        if self.ended.is_some() {
            return None;
        }
        if info.is_video() {
            let is_left_out = self.maker.wants_key() && !sample.key;
            return (!is_left_out).then(|| self.picture_times(info, sample));
        }
        let pts = self.maker.sound_due(self.sound_time(info, sample));
        Some(FrameTimes { pts, dts: pts.max(self.last_due) })
    }

    fn check_seek(&self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<(), SeekError> {
        self.media.landing(npt).map(drop)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let landed = self.media.landing(npt)?;
        let media = Arc::clone(&self.media);
        let Some(info) = media.infos.get(self.track) else { return Err(SeekError::NotSeekable) };
        // A stream that repeats looks nothing up.
        let place = match landed.is_zero() {
            true => Ok(info.begin),
            false => media.place(info, info.time.tick(landed)),
        };
        let moved = place.and_then(|place| {
            // The key frame that was sought, wherever exactly it is; and nothing that leads it.
            let is_own = info.time.npt(place.pts).abs_diff(landed) <= INDEX_TOLERANCE;
            let from = if info.is_video() && is_own { Duration::ZERO } else { landed };
            self.go_to(place, from)
        });
        moved.map_err(|e| SeekError::Failed(e.to_string()))?;
        self.look_ahead();
        Ok(landed)
    }

    fn key_frame_after(
        &mut self,
        npt: Duration,
        _cx: &mut SourceContext<'_>,
    ) -> Result<Option<Duration>, SeekError> {
        let end = self.media.duration.ok_or(SeekError::NotSeekable)?;
        find_key_frame_after(npt, end, |npt| within(self.media.landing(npt)))
    }

    fn duration(&self) -> Option<Duration> {
        self.media.duration
    }
}
