//! [`VideoFramer`]: the common part of the framers of H.264 and H.265, which cut byte streams into
//! access units with times.

use super::access_unit::{AccessUnit, Split, Splitter};
use super::order::{OutputOrder, Place};
use crate::error::Error;
use crate::frame::{Frame, FrameFlags};
use bytes::Bytes;
use std::time::Duration;

pub use super::access_unit::{NalRole, Picture, Syntax};
pub use super::timeline::{PictureDuration, PictureTime};

/// Largest access unit that a framer accepts by default, in bytes.
pub const DEFAULT_MAX_ACCESS_UNIT: usize = 16 << 20;

/// The position of an access unit in its stream, in decoding order and in output order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PicturePosition {
    /// Offset of its first byte in the stream.
    pub offset: u64,
    /// Number of pictures that precede it in decoding order.
    pub decode_index: u64,
    /// Number of pictures that precede it in output order.
    pub output_index: u64,
    /// Presentation time in units of [`VideoFramer::time_unit`].
    pub time: u64,
    /// Duration in units of [`VideoFramer::time_unit`].
    pub duration: u64,
    /// Whether the picture refers to no other.
    pub intra: bool,
    /// The parameter sets in force, if [`VideoFramer::record_parameter_sets`] was called and the
    /// picture is `intra` or one with which decoding can start.
    pub parameter_sets: Vec<Bytes>,
}

/// Cuts an Annex B byte stream into access units and assigns times to them.
///
/// Call [`handle_bytes`](Self::handle_bytes) and, after the last, [`handle_end`](Self::handle_end);
/// after each, call [`poll_frame`](Self::poll_frame) until it returns `None`.
///
/// Presentation times follow the output order; the first is zero. The sequence parameter set states
/// the duration of a picture (1/25 s if it states none, or an implausible one), and picture timing
/// messages repeat fields and frames. If the stream describes a hypothetical reference decoder, or
/// if H.265 makes times proportional to order counts, output times are those that it states. The
/// decoding time is the presentation time of the picture at the same position in output order, less
/// the reorder depth, but not below zero: if pictures are reordered, the first ones up to that
/// depth are due at once, and none is due after its presentation time.
///
/// ```
/// use riverrun::framer::h264::H264Framer;
/// let mut framer = H264Framer::new();
/// framer.handle_bytes(&[0, 0, 0, 1, 0x65, 0xb8, 0x40]);
/// framer.handle_bytes(&[0, 0, 1, 0x65, 0xb8, 0x41]);
/// let first = framer.poll_frame()?;
/// assert!(first.is_none(), "it may go on");
/// framer.handle_end();
/// let first = framer.poll_frame()?.expect("an access unit");
/// assert_eq!(first.data, &[0, 0, 0, 1, 0x65, 0xb8, 0x40][..]);
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Debug)]
pub struct VideoFramer<S: ?Sized> {
    order: OutputOrder,
    /// Pictures that refer to no other count as key pictures.
    intra_is_key: bool,
    /// By how many pictures decoding precedes presentation; taken from the first picture.
    reorder_delay: Option<u64>,
    decode_index: u64,
    last_dts: Duration,
    discontinuity: bool,
    max_access_unit: usize,
    /// The last, so that its type can be left open.
    splitter: Splitter<S>,
}

/// A framer of one of the codecs.
pub(crate) type AnyVideoFramer = VideoFramer<dyn Syntax + Send + Sync>;

impl<S: Syntax + Default> Default for VideoFramer<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Syntax + Default> VideoFramer<S> {
    /// Creates a framer for the beginning of a stream.
    pub fn new() -> Self {
        Self::with_max_access_unit(DEFAULT_MAX_ACCESS_UNIT)
    }

    /// Creates a framer that fails if an access unit exceeds about `max_access_unit` bytes.
    pub fn with_max_access_unit(max_access_unit: usize) -> Self {
        Self {
            order: OutputOrder::default(),
            intra_is_key: false,
            reorder_delay: None,
            decode_index: 0,
            last_dts: Duration::ZERO,
            discontinuity: false,
            max_access_unit,
            splitter: Splitter::new(max_access_unit),
        }
    }
}

impl<S: Syntax + ?Sized> VideoFramer<S> {
    /// Appends the next bytes of the stream, in pieces of any size.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.splitter.handle_bytes(bytes);
    }

    /// Like [`handle_bytes`](Self::handle_bytes), but without a copy: `fill` writes up to `max`
    /// bytes into the framer's buffer and returns their number.
    ///
    /// # Errors
    /// The error of `fill`.
    pub fn handle_input_with<E>(
        &mut self,
        max: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.splitter.handle_input_with(max, fill)
    }

    /// Ends the stream: the remaining access units become available.
    pub fn handle_end(&mut self) {
        self.splitter.handle_end();
    }

    /// Returns the next access unit in decoding order, or `None` if more input is needed or the
    /// stream has ended.
    ///
    /// # Errors
    /// [`Error::Limit`]: an access unit is too large. All later calls fail too.
    pub fn poll_frame(&mut self) -> Result<Option<Frame>, Error> {
        Ok(self.poll_positioned()?.map(|(frame, _)| frame))
    }

    /// Like [`poll_frame`](Self::poll_frame), with the position of the access unit.
    ///
    /// # Errors
    /// Those of [`poll_frame`](Self::poll_frame).
    pub fn poll_positioned(&mut self) -> Result<Option<(Frame, PicturePosition)>, Error> {
        loop {
            if let Some((unit, place)) = self.order.poll() {
                return Ok(Some(self.timed(unit, place)));
            }
            match self.splitter.poll() {
                Split::Unit(unit) => {
                    if self.reorder_delay.is_none() && unit.picture.order.is_some() {
                        self.reorder_delay = Some(u64::from(unit.picture.reorder_depth));
                    }
                    self.order.push(unit);
                }
                Split::NeedsInput => return Ok(None),
                Split::Ended => {
                    self.order.flush();
                    return Ok(self.order.poll().map(|(unit, place)| self.timed(unit, place)));
                }
                Split::TooLarge => {
                    let limit = self.max_access_unit;
                    return Err(Error::Limit { what: "bytes of an access unit", limit });
                }
            }
        }
    }

    fn timed(&mut self, unit: AccessUnit, place: Place) -> (Frame, PicturePosition) {
        let Place { rank, time, duration } = place;
        let picture = unit.picture;
        let position = PicturePosition {
            offset: unit.offset,
            decode_index: self.decode_index,
            output_index: rank,
            time,
            duration,
            intra: picture.intra,
            parameter_sets: unit.parameter_sets,
        };
        let unit_of_time = self.time_unit();
        let delay = self.reorder_delay.unwrap_or(0);
        let due = match self.decode_index.checked_sub(delay) {
            Some(rank) => self.order.time_of(rank),
            None => 0,
        };
        // The delay is not known before the first parameter sets, and their depth may be exceeded
        // later: the order holds all the same.
        let dts = unit_of_time.times(due).max(self.last_dts);
        self.last_dts = dts;
        let pts = unit_of_time.times(time).max(dts);
        let end = unit_of_time.times(time.saturating_add(duration));
        self.decode_index += 1;
        let frame = Frame {
            data: unit.data,
            pts,
            dts,
            duration: end.saturating_sub(unit_of_time.times(time)),
            wall_clock: None,
            flags: FrameFlags {
                key: picture.key || (self.intra_is_key && picture.intra),
                ends_access_unit: true,
                discontinuity: std::mem::take(&mut self.discontinuity),
            },
        };
        (frame, position)
    }

    /// Returns the duration of a picture that is not repeated, by the first parameter sets.
    pub fn picture_duration(&mut self) -> PictureDuration {
        let time = self.splitter.syntax.picture_time();
        self.order.line.duration(&time).0
    }

    /// Sets the duration of all pictures, instead of the one that the stream states.
    pub fn set_picture_duration(&mut self, duration: PictureDuration) {
        self.order.line.force(duration);
    }

    /// Returns the unit in which times are counted. It does not change after the first picture.
    pub fn time_unit(&self) -> PictureDuration {
        self.order.line.unit().unwrap_or(PictureDuration::DEFAULT)
    }

    /// Sets the unit in which times are counted.
    pub fn set_time_unit(&mut self, unit: PictureDuration) {
        self.order.line.set_unit(unit);
    }

    /// Counts pictures that refer to no other picture as key pictures from now on, for streams that
    /// mark hardly any picture as one with which decoding can start.
    pub const fn count_intra_pictures_as_key(&mut self) {
        self.intra_is_key = true;
    }

    /// Returns the presentation time, in units of [`time_unit`](Self::time_unit), of a recently
    /// returned picture with `output_index` pictures before it in output order.
    pub fn time_of(&self, output_index: u64) -> u64 {
        self.order.time_of(output_index)
    }

    /// Sets the number of pictures by which decoding precedes presentation, if it is known to be
    /// less than the parameter sets allow.
    pub fn set_reorder_delay(&mut self, pictures: u32) {
        self.reorder_delay = Some(u64::from(pictures));
    }

    /// Returns the largest number of pictures so far that preceded another picture in decoding
    /// order and followed it in output order.
    pub fn reorder_depth_seen(&self) -> u32 {
        self.order.depth_seen()
    }

    /// Returns the parameter sets in force after the last NAL unit processed.
    pub fn parameter_sets(&self) -> Vec<Bytes> {
        self.splitter.syntax.parameter_sets()
    }

    /// From now on, [`poll_positioned`](Self::poll_positioned) returns the parameter sets too.
    pub fn record_parameter_sets(&mut self) {
        self.splitter.record_parameter_sets();
    }

    /// Stores parameter sets that are not in the stream, or not in the rest of it.
    pub fn handle_parameter_sets<'a>(&mut self, nals: impl IntoIterator<Item = &'a [u8]>) {
        for nal in nals {
            self.splitter.syntax.handle_nal(nal);
        }
        self.splitter.syntax.reset();
    }

    /// Returns whether a start code has been found.
    pub fn has_nal_units(&self) -> bool {
        self.splitter.has_nal_units()
    }

    /// Discards buffered input. The next input begins with the key picture at `offset` of the
    /// stream, which has `decode_index` pictures before it, none of them repeated. Parameter sets
    /// stay in force.
    pub fn handle_seek(&mut self, offset: u64, decode_index: u64) {
        let time = self.splitter.syntax.picture_time();
        let time = self.order.line.time_after(decode_index, &time);
        self.handle_seek_to(offset, decode_index, time);
    }

    /// Like [`handle_seek`](Self::handle_seek), for a position at which the picture with
    /// `decode_index` pictures before it in output order is presented at `time`, in units of
    /// [`time_unit`](Self::time_unit).
    pub fn handle_seek_to(&mut self, offset: u64, decode_index: u64, time: u64) {
        self.splitter.reset(offset);
        // All pictures that precede a key picture in decoding order precede it and its leading
        // pictures in output order; so those go on with the same count.
        self.order.reset(decode_index, time);
        self.decode_index = decode_index;
        self.last_dts = Duration::ZERO;
        self.discontinuity = true;
    }
}
