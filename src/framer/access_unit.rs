//! [`Splitter`]: cuts an Annex B byte stream into access units (H.264 clause 7.4.1.2.3, H.265
//! clause 7.4.2.4.4), without copying and without examining any byte twice.

use super::annexb;
use super::timeline::PictureTime;
use crate::debug::debug_by_name;
use bytes::{Bytes, BytesMut};

/// The role of a NAL unit in its access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the splitter handles every role")]
pub enum NalRole {
    /// The NAL unit begins a picture, and so an access unit.
    Picture(Picture),
    /// The NAL unit continues the picture.
    Continues {
        /// Whether it may refer to other pictures; see [`Picture::intra`].
        inter: bool,
    },
    /// The NAL unit continues the picture and states how long it is shown.
    Lasts {
        /// See [`PictureTime::repeated`].
        repeated: (u32, u32),
    },
    /// The NAL unit begins an access unit if it follows the slices of the previous one.
    Leads,
    /// The NAL unit belongs to the access unit before it.
    Trails,
}

/// Properties of a picture, from its first slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Picture {
    /// Position in output order among the pictures of its coded video sequence; `None` if parameter
    /// sets are missing.
    pub order: Option<i64>,
    /// Whether all earlier pictures are output before this one and before those that follow.
    pub restart: bool,
    /// Whether decoding can start with this picture.
    pub key: bool,
    /// Whether the slices seen so far refer to no other picture. Later pictures may still refer to
    /// earlier ones.
    pub intra: bool,
    /// Largest number of pictures that may precede another in decoding order and follow it in
    /// output order.
    pub reorder_depth: u32,
    /// Timing that the bitstream states.
    pub time: PictureTime,
    /// Whether `time.output` counts from a new origin.
    pub restarts_clock: bool,
}

/// The rules of a coding standard.
pub trait Syntax {
    /// Processes the next NAL unit of the stream, and returns its role.
    fn handle_nal(&mut self, nal: &[u8]) -> NalRole;

    /// Prepares for a stream that continues at another position. Parameter sets stay in force.
    fn reset(&mut self);

    /// Returns the timing that all pictures have, from the first parameter sets.
    fn picture_time(&self) -> PictureTime;

    /// Returns the parameter sets in force, in the order in which a decoder expects them.
    fn parameter_sets(&self) -> Vec<Bytes>;
}

debug_by_name!(dyn Syntax + Send + Sync);

/// An access unit in decoding order.
#[derive(Debug)]
pub(super) struct AccessUnit {
    pub(super) data: Bytes,
    /// Offset in the stream.
    pub(super) offset: u64,
    pub(super) picture: Picture,
    /// Parameter sets in force at the picture; recorded on request, for key pictures and intra
    /// pictures.
    pub(super) parameter_sets: Vec<Bytes>,
}

/// The result of polling the splitter.
#[derive(Debug)]
pub(super) enum Split {
    Unit(AccessUnit),
    NeedsInput,
    Ended,
    TooLarge,
}

/// A NAL unit whose end has not been found; offsets into the buffer.
#[derive(Clone, Copy, Debug)]
struct OpenNal {
    /// Start of its start code, including a preceding zero byte.
    code: usize,
    /// Its first byte.
    begin: usize,
}

/// A state machine that takes bytes and returns access units.
#[derive(Debug)]
pub(super) struct Splitter<S: ?Sized> {
    /// Bytes from the beginning of the access unit on, once there is a start code.
    buffer: BytesMut,
    /// Offset of the buffer in the stream.
    base: u64,
    /// No start code begins before this offset and after the open NAL unit.
    scanned: usize,
    nal: Option<OpenNal>,
    /// Picture of the access unit at the front of the buffer.
    picture: Option<Picture>,
    /// Parameter sets in force at that picture.
    parameter_sets: Vec<Bytes>,
    record_sets: bool,
    /// Start of the next access unit, if the next slice starts a picture.
    lead: Option<usize>,
    ended: bool,
    /// Whether all input has been examined.
    drained: bool,
    max_access_unit: usize,
    /// The last, so that its type can be left open.
    pub(super) syntax: S,
}

impl<S: Syntax + Default> Splitter<S> {
    pub(super) fn new(max_access_unit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            base: 0,
            scanned: 0,
            nal: None,
            picture: None,
            parameter_sets: Vec::new(),
            record_sets: false,
            lead: None,
            ended: false,
            drained: false,
            max_access_unit,
            syntax: S::default(),
        }
    }
}

impl<S: Syntax + ?Sized> Splitter<S> {
    /// Discards the buffered input; input continues at `offset`.
    pub(super) fn reset(&mut self, offset: u64) {
        self.syntax.reset();
        // A new buffer: the old one may still be shared with frames, and may be large.
        self.buffer = BytesMut::new();
        self.base = offset;
        self.scanned = 0;
        self.nal = None;
        self.picture = None;
        self.parameter_sets = Vec::new();
        self.lead = None;
        self.ended = false;
        self.drained = false;
    }

    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Lets `fill` write up to `max` bytes of input directly into the buffer and return their
    /// number.
    pub(super) fn handle_input_with<E>(
        &mut self,
        max: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let before = self.buffer.len();
        self.buffer.resize(before + max, 0);
        let result = fill(self.buffer.get_mut(before..).unwrap_or_default());
        let filled = result.as_ref().map_or(0, |&n| n.min(max));
        self.buffer.truncate(before + filled);
        result
    }

    pub(super) fn record_parameter_sets(&mut self) {
        self.record_sets = true;
    }

    pub(super) fn handle_end(&mut self) {
        self.ended = true;
    }

    /// Whether anything that looks like a NAL unit has been found.
    pub(super) fn has_nal_units(&self) -> bool {
        self.nal.is_some()
    }

    pub(super) fn poll(&mut self) -> Split {
        if self.drained {
            return self.poll_end();
        }
        loop {
            let found = annexb::find_start_code(&self.buffer, self.scanned);
            let Some(at) = found else {
                // The last two bytes may be the beginning of a start code.
                self.scanned = self.scanned.max(self.buffer.len().saturating_sub(2));
                if self.nal.is_none() {
                    // And a third the zero byte in front of it.
                    self.discard(self.buffer.len().saturating_sub(3));
                }
                return self.poll_end();
            };
            self.scanned = at + 3;
            let zero_before = at.checked_sub(1).and_then(|i| self.buffer.get(i)) == Some(&0);
            let Some(nal) = self.nal else {
                self.discard(if zero_before { at - 1 } else { at });
                self.nal = Some(OpenNal { code: 0, begin: self.scanned });
                continue;
            };
            let code = if zero_before && at > nal.begin { at - 1 } else { at };
            let unit = self.close_nal(nal, at);
            let cut = unit.as_ref().map_or(0, |unit| unit.data.len());
            self.nal = Some(OpenNal { code: code - cut, begin: at + 3 - cut });
            self.scanned = at + 3 - cut;
            if let Some(unit) = unit {
                return Split::Unit(unit);
            }
        }
    }

    fn poll_end(&mut self) -> Split {
        if !self.ended {
            let full = self.buffer.len() > self.max_access_unit;
            return if full { Split::TooLarge } else { Split::NeedsInput };
        }
        self.drained = true;
        if let Some(nal) = self.nal.take() {
            let len = self.buffer.len();
            if let Some(unit) = self.close_nal(nal, len) {
                return Split::Unit(unit);
            }
        }
        match self.picture.take() {
            // What follows the last slice stays with it.
            Some(picture) => Split::Unit(self.cut(self.buffer.len(), picture)),
            None => Split::Ended,
        }
    }

    /// Processes the NAL unit that ends at `end`; returns the access unit before it if it starts
    /// one.
    fn close_nal(&mut self, nal: OpenNal, end: usize) -> Option<AccessUnit> {
        let bytes = self.buffer.get(nal.begin..end).unwrap_or_default();
        let len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let bytes = bytes.get(..len).filter(|bytes| !bytes.is_empty())?;
        match self.syntax.handle_nal(bytes) {
            NalRole::Picture(picture) => {
                let boundary = self.lead.take().unwrap_or(nal.code);
                let unit = self.picture.take().map(|before| self.cut(boundary, before));
                self.picture = Some(picture);
                if self.record_sets && (picture.key || picture.intra) {
                    self.parameter_sets = self.syntax.parameter_sets();
                }
                return unit;
            }
            NalRole::Continues { inter } => {
                self.lead = None;
                if let Some(picture) = self.picture.as_mut().filter(|_| inter) {
                    picture.intra = false;
                }
            }
            NalRole::Lasts { repeated } => {
                if let Some(picture) = self.picture.as_mut() {
                    picture.time.repeated = repeated;
                }
            }
            NalRole::Leads if self.picture.is_some() => {
                self.lead.get_or_insert(nal.code);
            }
            NalRole::Leads | NalRole::Trails => {}
        }
        None
    }

    /// Removes and returns the access unit up to `boundary`.
    fn cut(&mut self, boundary: usize, picture: Picture) -> AccessUnit {
        let offset = self.base;
        let data = self.buffer.split_to(boundary.min(self.buffer.len())).freeze();
        self.base += data.len() as u64;
        let parameter_sets = std::mem::take(&mut self.parameter_sets);
        AccessUnit { data, offset, picture, parameter_sets }
    }

    /// Drops the first `n` bytes, which precede the first start code.
    fn discard(&mut self, n: usize) {
        let _ = self.buffer.split_to(n.min(self.buffer.len()));
        self.base += n as u64;
        self.scanned = self.scanned.saturating_sub(n);
    }
}
