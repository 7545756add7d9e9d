//! Media with known content: every frame says its number and whose it is.

use super::world::World;
use crate::codec::{CodecParameters, PcmEncoding};
use crate::error::Error;
use crate::frame::{Frame, FrameFlags};
use crate::media::{Ending, FramePoll, FramedSource, SeekError, SourceContext};
use crate::payload::PayloadFormat;
use crate::payload::testing::outgoing;
use crate::rtp::sink::RtpSink;
use crate::server::{
    FastStart, OnDemandServerMediaSubsession, ServerMediaSession, StreamFactory, StreamRequest,
};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a test track is made of.
#[derive(Clone, Debug)]
pub(super) struct TestTrack {
    parameters: CodecParameters,
    interval: Duration,
    /// `None`: without end, without duration, not seekable.
    frames: Option<u32>,
    size: usize,
    key_every: u32,
    seekable: bool,
    repeat: bool,
    empty: bool,
    all_are_key: bool,
    /// Presentation time of the first frame.
    late: Duration,
    /// Two B pictures follow each P picture that is shown behind them.
    reordered: bool,
    /// Seeking fails, though nothing tells so before.
    broken: bool,
    open: Arc<AtomicUsize>,
    sought: Arc<AtomicUsize>,
    tag: u8,
}

impl TestTrack {
    /// H.264, 25 frames a second, each small enough for one packet, a key frame a second.
    pub(super) fn video() -> Self {
        Self {
            parameters: CodecParameters::H264 {
                sps: vec![Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1e, 0xd9])],
                pps: vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])],
            },
            interval: Duration::from_millis(40),
            frames: Some(250),
            size: 200,
            key_every: 25,
            seekable: true,
            repeat: false,
            empty: false,
            all_are_key: false,
            late: Duration::ZERO,
            reordered: false,
            broken: false,
            open: Arc::default(),
            sought: Arc::default(),
            tag: 1,
        }
    }

    /// L16, 8 kHz, mono, 20 ms a frame.
    pub(super) fn audio() -> Self {
        Self {
            parameters: CodecParameters::Pcm {
                encoding: PcmEncoding::L16,
                sampling_rate: 8000,
                channels: 1,
            },
            interval: Duration::from_millis(20),
            frames: Some(500),
            size: 320,
            key_every: 1,
            ..Self::video()
        }
    }

    /// AAC, 32 kHz, 32 ms a frame: three frames share a packet.
    pub(super) fn aac() -> Self {
        Self {
            parameters: CodecParameters::Aac {
                config: Bytes::from_static(&[0x12, 0x88]),
                sampling_rate: 32_000,
                channels: 1,
            },
            interval: Duration::from_millis(32),
            frames: Some(320),
            size: 100,
            key_every: 1,
            ..Self::video()
        }
    }

    pub(super) fn frames(mut self, frames: u32) -> Self {
        self.frames = Some(frames);
        self
    }

    pub(super) fn endless(mut self) -> Self {
        self.frames = None;
        self.seekable = false;
        self
    }

    pub(super) fn interval_ms(mut self, ms: u64) -> Self {
        self.interval = Duration::from_millis(ms);
        self
    }

    pub(super) fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    pub(super) fn key_every(mut self, frames: u32) -> Self {
        self.key_every = frames;
        self
    }

    pub(super) fn not_seekable(mut self) -> Self {
        self.seekable = false;
        self
    }

    pub(super) fn repeating(mut self) -> Self {
        self.repeat = true;
        self
    }

    /// Repeats every second what has no frames (a file that was cut while it was served).
    pub(super) fn empty_repeating(mut self) -> Self {
        (self.frames, self.repeat, self.empty) = (Some(25), true, true);
        self
    }

    /// Says of every frame that it is a key frame, as [`Frame::new`] does.
    pub(super) fn that_calls_all_frames_key(mut self) -> Self {
        self.all_are_key = true;
        self
    }

    /// Its first frame is presented so long after the start.
    pub(super) fn late_ms(mut self, ms: u64) -> Self {
        self.late = Duration::from_millis(ms);
        self
    }

    /// With B pictures: decoded two frames before they are presented.
    pub(super) fn reordered(mut self) -> Self {
        self.reordered = true;
        self
    }

    /// Seeks are promised, and fail.
    pub(super) fn broken(mut self) -> Self {
        self.broken = true;
        self
    }

    pub(super) fn tag(mut self, tag: u8) -> Self {
        self.tag = tag;
        self
    }

    /// Counts the sources that are open.
    pub(super) fn counted_by(mut self, open: &Arc<AtomicUsize>) -> Self {
        self.open = Arc::clone(open);
        self
    }

    /// Counts the seeks.
    pub(super) fn sought_counted_by(mut self, sought: &Arc<AtomicUsize>) -> Self {
        self.sought = Arc::clone(sought);
        self
    }

    fn length(&self) -> Option<Duration> {
        Some(self.interval * self.frames?)
    }

    pub(super) fn alone(self) -> OnDemandServerMediaSubsession {
        OnDemandServerMediaSubsession::new(self)
    }

    /// All clients share one stream; a newcomer gets the next packet, whatever it is.
    pub(super) fn shared(self) -> OnDemandServerMediaSubsession {
        let track = OnDemandServerMediaSubsession::new(self).with_reuse_first_source(true);
        track.with_fast_start(FastStart::Off)
    }
}

/// A session without tracks.
pub(super) fn session(name: &str) -> ServerMediaSession {
    ServerMediaSession::new(name, "info", "description")
}

pub(super) const PCMU: CodecParameters =
    CodecParameters::Pcm { encoding: PcmEncoding::Pcmu, sampling_rate: 8000, channels: 1 };

/// Video and audio of ten seconds, each client its own.
pub(super) fn film(name: &str) -> ServerMediaSession {
    session(name)
        .with_subsession(TestTrack::video().alone())
        .with_subsession(TestTrack::audio().alone())
}

/// One endless video for all clients.
pub(super) fn camera(name: &str) -> ServerMediaSession {
    session(name).with_subsession(TestTrack::video().endless().shared())
}

impl World {
    /// A world with a [`film`] and a [`camera`] of these names.
    pub(super) fn with_film_and_camera() -> Self {
        let mut w = Self::new();
        w.add(film("film"));
        w.add(camera("camera"));
        w
    }
}

impl StreamFactory for TestTrack {
    fn payload_format(&self) -> Option<PayloadFormat> {
        Some(outgoing(&self.parameters).0)
    }

    fn create_new_stream_source(
        &mut self,
        _: &StreamRequest,
        _: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(TestSource { track: self.clone(), next: 0 }))
    }

    fn create_new_rtp_sink(
        &mut self,
        max_packet: usize,
        random: [u8; 12],
    ) -> Result<RtpSink, Error> {
        let (format, packetizer) = outgoing(&self.parameters);
        RtpSink::new(&format, packetizer, max_packet, random)
    }

    fn duration(&self) -> Option<Duration> {
        if self.repeat { None } else { self.length() }
    }

    fn repeat_period(&self) -> Option<Duration> {
        self.length().filter(|_| self.repeat)
    }
}

struct TestSource {
    track: TestTrack,
    next: u32,
}

impl FramedSource for TestSource {
    fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
        let track = &self.track;
        if track.empty || track.frames.is_some_and(|n| self.next >= n) {
            return FramePoll::Ended(Ending::EndOfStream);
        }
        let number = self.next;
        self.next += 1;
        let key = number % track.key_every == 0;
        let begins = track.late + track.interval * number;
        let (pts, dts) = match (number % track.key_every).checked_sub(1) {
            _ if !track.reordered => (begins, begins),
            None => (begins, begins.saturating_sub(2 * track.interval)),
            Some(n) if n % 3 == 0 => {
                (begins + 2 * track.interval, begins.saturating_sub(2 * track.interval))
            }
            Some(_) => (begins - track.interval, begins.saturating_sub(2 * track.interval)),
        };
        let data = frame_data(&track.parameters, number, key, track.tag, track.size);
        let flags = FrameFlags { key: key || track.all_are_key, ..FrameFlags::default() };
        FramePoll::Ready(Frame { flags, dts, ..Frame::new(data, pts, track.interval) })
    }

    fn check_seek(&self, npt: Duration, _: &mut SourceContext<'_>) -> Result<(), SeekError> {
        match self.track.length() {
            _ if !self.track.seekable && !npt.is_zero() => Err(SeekError::NotSeekable),
            Some(length) if npt >= length => Err(SeekError::OutOfRange),
            _ => Ok(()),
        }
    }

    fn seek(&mut self, npt: Duration, _: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let track = &self.track;
        track.sought.fetch_add(1, Ordering::Relaxed);
        if !track.seekable && !npt.is_zero() {
            return Err(SeekError::NotSeekable);
        }
        if track.broken {
            return Err(SeekError::Failed("input/output error".into()));
        }
        let npt = npt.saturating_sub(track.late);
        let number = (npt.as_nanos() / track.interval.as_nanos()) as u32;
        if track.frames.is_some_and(|n| number > n) {
            return Err(SeekError::OutOfRange);
        }
        self.next = number - number % track.key_every;
        Ok(track.interval * self.next)
    }

    fn duration(&self) -> Option<Duration> {
        self.track.length()
    }
}

impl Drop for TestSource {
    fn drop(&mut self) {
        self.track.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What an encoder of H.264 makes of picture `number`: each `key_every`th is a key picture with its
/// parameter sets.
pub(super) fn encoded_picture(number: u32, key_every: u32) -> Vec<u8> {
    let mut unit = Vec::new();
    let key = number % key_every == 0;
    if key {
        unit.extend([0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9]);
        unit.extend([0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80]);
    }
    unit.extend([0, 0, 0, 1, if key { 0x65 } else { 0x41 }]);
    unit.extend(mark(number, 1));
    unit
}

/// Number and tag in bytes that no parser takes for a start code.
pub(super) fn mark(number: u32, tag: u8) -> [u8; 6] {
    let part = |shift: u32| 0x80 | (number >> shift & 0x7f) as u8;
    [part(28), part(21), part(14), part(7), part(0), 0x80 | tag]
}

fn frame_data(parameters: &CodecParameters, number: u32, key: bool, tag: u8, size: usize) -> Bytes {
    let mut data = Vec::with_capacity(size + 5);
    if let CodecParameters::H264 { .. } = parameters {
        data.extend([0, 0, 0, 1, if key { 0x65 } else { 0x41 }]);
    }
    data.extend(mark(number, tag));
    data.resize(data.len().max(size), 0x55);
    data.into()
}

/// Number and tag of the frame that begins in an RTP payload of a test track, if one does.
pub(super) fn frame_in(payload: &[u8]) -> Option<(u32, u8)> {
    let marked = match payload {
        // A single NAL unit, the first fragment of one (FU-A), one access unit of AAC-hbr.
        [0x65 | 0x41, rest @ ..] => rest,
        [first, second, rest @ ..] if first & 0x1f == 28 && second & 0x80 != 0 => rest,
        [0x7c | 0x5c, ..] => return None,
        [0, bits, rest @ ..] if *bits != 0 && bits % 16 == 0 => {
            rest.get(usize::from(*bits) / 8..)?
        }
        rest => rest,
    };
    let bytes = marked.get(..6)?;
    let number = bytes[..5].iter().fold(0u32, |n, b| n << 7 | u32::from(b & 0x7f));
    bytes.iter().all(|b| b & 0x80 != 0).then_some((number, bytes[5] & 0x7f))
}
