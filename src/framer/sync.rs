//! [`SyncFramer`]: the common part of the framers of audio whose frames begin with a header that
//! states their length; tags and garbage may lie between them. As a rule the header has a sync word.
//!
//! A header is accepted without confirmation only directly after a frame with which it agrees.
//! Elsewhere (at the start, after garbage, where the parameters change), the headers that must
//! follow it are checked too: sync words are short enough to occur in any data.

use super::input::read_behind;
use crate::debug::debug_by_name;
use bytes::{Buf, Bytes, BytesMut};
use std::fmt::Debug;
use std::io;

/// What the header of a frame says of its stream and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitHeader {
    /// Length of the frame in bytes, header included; at least [`SyncFormat::header_len`].
    pub(crate) frame_len: usize,
    pub(crate) sampling_rate: u32,
    /// Samples of an access unit.
    pub(crate) samples: u32,
    /// Number of access units in the frame.
    pub(crate) blocks: u8,
    /// Beside the sampling rate, what is the same in all frames of a stream.
    pub(crate) kind: u32,
    /// Whether the frame is of the same time as the one before and belongs to it.
    pub(crate) joins: bool,
}

impl UnitHeader {
    /// Whether both state the same parameters.
    pub(crate) const fn same_parameters(&self, other: &Self) -> bool {
        self.sampling_rate == other.sampling_rate && self.kind == other.kind
    }

    /// Whether frames with these headers can belong to the same stream: what joins a frame may be of
    /// another kind.
    pub(crate) const fn same_stream(&self, other: &Self) -> bool {
        self.sampling_rate == other.sampling_rate
            && (self.kind == other.kind || self.joins != other.joins)
    }
}

/// A self-framing audio format.
pub(crate) trait SyncFormat: Send + Sync {
    /// Length of a header in bytes.
    fn header_len(&self) -> usize;
    /// Whether further frames may belong to one, which [`UnitHeader::joins`] tells.
    fn has_joined(&self) -> bool {
        false
    }
    fn parse(&self, bytes: &[u8]) -> Option<UnitHeader>;
    /// The first byte with which a header may begin.
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memchr(0xff, bytes)
    }
    /// What stands where a frame or a tag has ended, or at the beginning.
    fn tag(&self, bytes: &[u8]) -> Tag {
        tag(bytes)
    }
}

/// Cuts a byte stream into frames; see [`SyncFramer`].
pub(crate) trait UnitFramer: Send + Sync {
    /// Continues at `offset`, where a frame of the same stream begins.
    fn resume(&mut self, offset: u64, stream: UnitHeader);
    fn handle_bytes(&mut self, bytes: &[u8]);
    /// Lets `read` write up to `len` bytes directly behind the buffered input, and returns their
    /// number.
    fn handle_read(
        &mut self,
        len: usize,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize>;
    /// Number of buffered bytes that were not returned.
    fn buffered(&self) -> usize;
    fn handle_end(&mut self);
    /// Returns the number of bytes that come next and need not be read (the rest of a tag); the
    /// caller must skip them.
    fn take_skip(&mut self) -> u64;
    /// Returns the next frame; `None` until more bytes arrive.
    fn poll_unit(&mut self) -> Option<Unit>;
}

debug_by_name!(dyn SyncFormat, dyn UnitFramer);

/// Most bytes of frames that belong together.
const MAX_JOINED: usize = 64 * 1024;

/// A frame and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) header: UnitHeader,
    /// Offset in the stream of its first byte.
    pub(crate) offset: u64,
    /// The frame, header included.
    pub(crate) data: Bytes,
    /// Whether bytes before it were skipped that belong to no frame and no tag.
    pub(crate) gap: bool,
}

/// Cuts a byte stream into frames.
#[derive(Debug)]
pub(crate) struct SyncFramer {
    format: &'static dyn SyncFormat,
    buffer: BytesMut,
    /// Offset in the stream of the first byte of `buffer`.
    offset: u64,
    /// Bytes of a tag that are still to be discarded.
    skip: u64,
    /// Header of a frame of the present stream: a header that does not agree with it must be
    /// confirmed by further ones.
    stream: Option<UnitHeader>,
    /// Whether the byte at `offset` follows a frame or a tag, or begins the stream.
    boundary: bool,
    /// Whether a frame ended at `offset`.
    synced: bool,
    gap: bool,
    ended: bool,
}

enum Candidate {
    Frame(UnitHeader),
    No,
    NeedMore,
}

/// The content of a place where a tag may lie.
pub(crate) enum Tag {
    /// Something other than audio, of this length in bytes.
    Skip(u64),
    No,
    NeedMore,
}

impl SyncFramer {
    pub(crate) fn new(format: &'static dyn SyncFormat) -> Self {
        Self {
            format,
            buffer: BytesMut::new(),
            offset: 0,
            skip: 0,
            stream: None,
            boundary: true,
            synced: false,
            gap: false,
            ended: false,
        }
    }

    fn next_unit(&mut self) -> Option<Unit> {
        loop {
            if self.skip > 0 {
                let n = self.skip.min(self.buffer.len() as u64);
                self.advance(n as usize);
                self.skip -= n;
            }
            if self.buffer.is_empty() {
                return None;
            }
            if self.boundary {
                match self.format.tag(&self.buffer) {
                    Tag::Skip(n) => {
                        self.skip = n;
                        self.synced = false;
                        continue;
                    }
                    Tag::NeedMore if !self.ended => return None,
                    Tag::NeedMore | Tag::No => {}
                }
            }
            match self.candidate() {
                Candidate::NeedMore if !self.ended => return None,
                Candidate::Frame(header) => {
                    let len = self.len_with_joined(header)?;
                    return Some(self.cut(header, len));
                }
                Candidate::NeedMore | Candidate::No => {
                    self.boundary = false;
                    self.synced = false;
                    self.gap = true;
                    let rest = self.buffer.get(1..).unwrap_or_default();
                    let next = self.format.find(rest).map_or(self.buffer.len(), |i| i + 1);
                    self.advance(next);
                }
            }
        }
    }

    fn advance(&mut self, n: usize) {
        self.buffer.advance(n);
        self.offset += n as u64;
    }

    /// Length of the frame at the start of the buffer with those that belong to it; `None` until
    /// that is known.
    fn len_with_joined(&self, header: UnitHeader) -> Option<usize> {
        let mut len = header.frame_len;
        if !self.format.has_joined() {
            return Some(len);
        }
        while len < MAX_JOINED {
            let rest = self.buffer.get(len..).unwrap_or_default();
            if rest.len() < self.format.header_len() {
                return self.ended.then_some(len);
            }
            let Some(next) = self.format.parse(rest).filter(|n| n.joins && n.same_stream(&header))
            else {
                break;
            };
            if rest.len() < next.frame_len {
                return self.ended.then_some(len);
            }
            len += next.frame_len;
        }
        Some(len)
    }

    fn cut(&mut self, header: UnitHeader, len: usize) -> Unit {
        let offset = self.offset;
        let len = len.min(self.buffer.len());
        let data = self.buffer.split_to(len).freeze();
        self.offset += data.len() as u64;
        if self.stream.is_none_or(|stream| !stream.same_stream(&header)) {
            self.stream = Some(header);
        }
        self.boundary = true;
        self.synced = true;
        Unit { header, offset, data, gap: std::mem::take(&mut self.gap) }
    }

    /// Whether a frame begins at the start of the buffer.
    fn candidate(&self) -> Candidate {
        let bytes = &self.buffer[..];
        if self.format.find(bytes.get(..1).unwrap_or_default()).is_none() {
            return Candidate::No;
        }
        if bytes.len() < self.format.header_len() {
            return Candidate::NeedMore;
        }
        let Some(header) = self.format.parse(bytes) else { return Candidate::No };
        let agrees = self.stream.map(|stream| stream.same_stream(&header));
        let Some(mut next) = bytes.get(header.frame_len..) else { return Candidate::NeedMore };
        let confirmations = match (self.synced, agrees) {
            (true, Some(true)) => 0,
            (false, Some(true)) => 1,
            (true, Some(false)) | (_, None) => 2,
            // In garbage nothing speaks for it.
            (false, Some(false)) => 3,
        };
        for _ in 0..confirmations {
            if next.len() < self.format.header_len() {
                // Behind the last frame there is nothing, or a tag.
                return match (self.ended, next.is_empty()) {
                    (false, _) => Candidate::NeedMore,
                    (true, true) => break,
                    (true, false) => Candidate::No,
                };
            }
            match self.format.tag(next) {
                Tag::Skip(_) => break,
                Tag::NeedMore if !self.ended => return Candidate::NeedMore,
                Tag::NeedMore | Tag::No => {}
            }
            let Some(follower) = self.format.parse(next).filter(|f| f.same_stream(&header)) else {
                return Candidate::No;
            };
            match next.get(follower.frame_len..) {
                Some(rest) => next = rest,
                // The last frame may be cut short.
                None if self.ended => break,
                None => return Candidate::NeedMore,
            }
        }
        Candidate::Frame(header)
    }
}

impl UnitFramer for SyncFramer {
    fn resume(&mut self, offset: u64, stream: UnitHeader) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let stream = Some(stream);
        *self = Self { buffer, offset, stream, synced: true, ..Self::new(self.format) };
    }
    fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
    fn handle_read(
        &mut self,
        len: usize,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        read_behind(&mut self.buffer, len, read)
    }
    fn buffered(&self) -> usize {
        self.buffer.len()
    }
    fn handle_end(&mut self) {
        self.ended = true;
    }
    fn take_skip(&mut self) -> u64 {
        if !self.buffer.is_empty() {
            return 0;
        }
        let skip = std::mem::take(&mut self.skip);
        self.offset += skip;
        skip
    }
    fn poll_unit(&mut self) -> Option<Unit> {
        self.next_unit()
    }
}

/// Recognizes an ID3v2 tag (with its footer) at the start of `bytes`.
pub(crate) fn id3v2(bytes: &[u8]) -> Tag {
    match bytes {
        &[b'I', b'D', b'3', major, minor, flags, s0, s1, s2, s3, ..] => {
            if major == 0xff || minor == 0xff || (s0 | s1 | s2 | s3) & 0x80 != 0 {
                return Tag::No;
            }
            let size = [s0, s1, s2, s3].iter().fold(0u64, |size, &s| size << 7 | u64::from(s));
            let footer = if flags & 0x10 != 0 { 10 } else { 0 };
            Tag::Skip(10 + size + footer)
        }
        _ if bytes.starts_with(b"ID3") || b"ID3".starts_with(bytes) => Tag::NeedMore,
        _ => Tag::No,
    }
}

/// Recognizes a tag at the start of `bytes`: ID3v2, ID3v1, APE.
fn tag(bytes: &[u8]) -> Tag {
    const ID3V1_LEN: u64 = 128;
    const APE: &[u8] = b"APETAGEX";
    const APE_HEADER_LEN: u64 = 32;
    match bytes.first() {
        Some(b'I') => id3v2(bytes),
        Some(b'T') if b"TAG".starts_with(bytes) => Tag::NeedMore,
        Some(b'T') if bytes.starts_with(b"TAG") => Tag::Skip(ID3V1_LEN),
        Some(b'A') if APE.starts_with(bytes) => Tag::NeedMore,
        Some(b'A') if bytes.starts_with(APE) => {
            let Some(header) = bytes.first_chunk::<32>() else { return Tag::NeedMore };
            let &[_, _, _, _, _, _, _, _, _, _, _, _, s0, s1, s2, s3, _, _, _, _, _, _, _, f, ..] =
                header;
            // The size counts items and footer. Bit 29 of the flags: this is the header, and the
            // rest follows; else it is the footer of a tag whose items were taken for garbage.
            let size = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
            Tag::Skip(APE_HEADER_LEN + if f & 0x20 != 0 { size } else { 0 })
        }
        _ => Tag::No,
    }
}

/// The times of the frames of a stream whose parameters may change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrameClock {
    /// Time at which the frames with the present parameters begin.
    since: std::time::Duration,
    /// Frames since then.
    frames: u64,
    samples: u32,
    rate: u32,
}

impl FrameClock {
    /// Advances by `frames` frames of `samples` samples each at `rate` Hz. Returns the time of the
    /// first of them.
    pub(crate) fn pass(&mut self, frames: u64, samples: u32, rate: u32) -> std::time::Duration {
        if (self.samples, self.rate) != (samples, rate) {
            *self = Self { since: self.now(), frames: 0, samples, rate };
        }
        let at = self.now();
        self.frames = self.frames.saturating_add(frames);
        at
    }

    /// Start of the next frame.
    pub(crate) fn now(&self) -> std::time::Duration {
        self.since.saturating_add(frame_time(self.frames, self.samples, self.rate))
    }
}

/// Start of frame `n` of a stream in which every frame has `samples` samples.
pub(crate) fn frame_time(n: u64, samples: u32, rate: u32) -> std::time::Duration {
    let samples = u128::from(n) * u128::from(samples);
    let rate = u128::from(rate.max(1));
    let nanos = samples * 1_000_000_000 / rate;
    std::time::Duration::new(
        u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX),
        (nanos % 1_000_000_000) as u32,
    )
}

/// The last frame that begins at or before `time`; the inverse of [`frame_time`].
pub(crate) fn frame_at(time: std::time::Duration, samples: u32, rate: u32) -> u64 {
    let samples = u128::from(samples.max(1));
    let n = time.as_nanos() * u128::from(rate) / (samples * 1_000_000_000);
    let n = u64::try_from(n).unwrap_or(u64::MAX);
    // The times of frames are cut to nanoseconds, so the next one may begin just here.
    let next = n.saturating_add(1);
    if frame_time(next, samples as u32, rate) <= time { next } else { n }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_number_of_a_frame_agree() {
        for (samples, rate) in [(1024, 44_100), (1152, 48_000), (576, 11_025), (882, 44_100)] {
            for n in (0..1000).chain(10_000_000..10_000_100) {
                let time = frame_time(n, samples, rate);
                assert_eq!(frame_at(time, samples, rate), n);
                if n > 0 {
                    let before = time - std::time::Duration::from_nanos(1);
                    assert_eq!(frame_at(before, samples, rate), n - 1);
                }
            }
        }
    }

    #[test]
    fn tags() {
        let len = |bytes: &[u8]| match tag(bytes) {
            Tag::Skip(n) => Some(n),
            _ => None,
        };
        assert_eq!(len(b"ID3\x04\0\0\0\0\x02\x01"), Some(10 + 257));
        assert_eq!(len(b"ID3\x04\0\x10\0\0\x02\x01"), Some(20 + 257));
        assert_eq!(len(b"ID3\x04\0\x10\0\0\x82\x01"), None);
        assert_eq!(len(b"TAGsomething"), Some(128));
        let mut ape = b"APETAGEX\xd0\x07\0\0\x40\0\0\0".to_vec();
        ape.resize(32, 0);
        assert_eq!(len(&ape), Some(32));
        ape[23] = 0xa0;
        assert_eq!(len(&ape), Some(32 + 64));
        assert!(matches!(tag(&ape[..31]), Tag::NeedMore));
        assert!(matches!(tag(b"I"), Tag::NeedMore));
        assert!(matches!(tag(b"IX"), Tag::No));
    }
}
