//! [`VideoFramer`]: what the framers of H.264 and H.265 have in common: access units in, frames
//! with times out.

use super::access_unit::{AccessUnit, Split, Splitter};
use super::order::OutputOrder;
use crate::error::Error;
use crate::frame::{Frame, FrameFlags};
use bytes::Bytes;
use std::time::Duration;

pub use super::access_unit::{NalRole, Picture, Syntax};

/// Largest access unit that a framer accepts by default, in bytes.
pub const DEFAULT_MAX_ACCESS_UNIT: usize = 16 << 20;

/// How long a picture lasts, as an exact number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureDuration {
    numerator: u64,
    denominator: u64,
}

impl PictureDuration {
    /// One second in 25, where the stream does not say.
    pub const DEFAULT: Self = Self { numerator: 1, denominator: 25 };

    /// `numerator / denominator` seconds; `None` outside of a thousandth of a second to ten
    /// seconds, which no sensible stream means.
    pub const fn new(numerator: u64, denominator: u64) -> Option<Self> {
        let too_short = numerator.saturating_mul(1000) < denominator;
        let too_long = denominator.saturating_mul(10) < numerator;
        if numerator == 0 || denominator == 0 || too_short || too_long {
            return None;
        }
        Some(Self { numerator, denominator })
    }

    /// How long `n` pictures last, rounded down to a nanosecond; rounding does not add up.
    pub fn times(self, n: u64) -> Duration {
        // Every frame asks several times, and long division is slow.
        if let Some(units) = n.checked_mul(self.numerator) {
            if let Some(billionths) = (units % self.denominator).checked_mul(1_000_000_000) {
                let nanoseconds = billionths / self.denominator;
                return Duration::new(units / self.denominator, nanoseconds as u32);
            }
        }
        let units = u128::from(n) * u128::from(self.numerator);
        let denominator = u128::from(self.denominator);
        let seconds = u64::try_from(units / denominator).unwrap_or(u64::MAX);
        let nanoseconds = (units % denominator) * 1_000_000_000 / denominator;
        Duration::new(seconds, nanoseconds as u32)
    }

    /// Number of the picture that is presented at `time`, counted from zero.
    pub fn index_at(self, time: Duration) -> u64 {
        let units = time.as_nanos().saturating_mul(u128::from(self.denominator));
        let guess = units / (u128::from(self.numerator) * 1_000_000_000);
        let guess = u64::try_from(guess).unwrap_or(u64::MAX);
        // `times` rounds down, so the picture may begin a fraction of a nanosecond earlier.
        if self.times(guess.saturating_add(1)) <= time { guess.saturating_add(1) } else { guess }
    }
}

/// Where an access unit lies in its stream and its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicturePosition {
    /// Offset of its first byte in the stream.
    pub offset: u64,
    /// How many pictures precede it in decoding order.
    pub decode_index: u64,
    /// How many pictures precede it in output order.
    pub output_index: u64,
    /// The parameter sets in force, if the picture is one that decoding can start with and
    /// [`VideoFramer::record_parameter_sets`] was called.
    pub parameter_sets: Vec<Bytes>,
}

/// Cuts an Annex B byte stream into access units and gives them times.
///
/// Call [`handle_bytes`](Self::handle_bytes) and, after the last, [`handle_end`](Self::handle_end);
/// after each, call [`poll_frame`](Self::poll_frame) until it gives nothing.
///
/// Times count pictures of equal length, which the sequence parameter set tells (1/25 s if it
/// does not): the presentation time is the picture's place in output order, the first is zero.
/// The decoding time is the place in decoding order less the reorder depth, but not below zero;
/// so where pictures are reordered, as many as that depth are due at once at the beginning, and
/// none is due after its presentation.
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
pub struct VideoFramer<S> {
    splitter: Splitter<S>,
    order: OutputOrder,
    duration: Option<PictureDuration>,
    /// By how many pictures decoding precedes presentation; taken from the first picture.
    reorder_delay: Option<u64>,
    decode_index: u64,
    last_dts: Duration,
    discontinuity: bool,
    max_access_unit: usize,
}

impl<S: Syntax> Default for VideoFramer<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Syntax> VideoFramer<S> {
    /// A framer at the beginning of a stream.
    pub fn new() -> Self {
        Self::with_max_access_unit(DEFAULT_MAX_ACCESS_UNIT)
    }

    /// A framer that takes the input for broken if an access unit exceeds about
    /// `max_access_unit` bytes.
    pub fn with_max_access_unit(max_access_unit: usize) -> Self {
        Self {
            splitter: Splitter::new(max_access_unit),
            order: OutputOrder::default(),
            duration: None,
            reorder_delay: None,
            decode_index: 0,
            last_dts: Duration::ZERO,
            discontinuity: false,
            max_access_unit,
        }
    }

    /// Takes the next bytes of the stream, in pieces of any size.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.splitter.handle_bytes(bytes);
    }

    /// As [`handle_bytes`](Self::handle_bytes), without a copy: lets `fill` write up to `max`
    /// bytes into the framer's own buffer and say how many it did.
    pub fn handle_input_with<E>(
        &mut self,
        max: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.splitter.handle_input_with(max, fill)
    }

    /// The stream has ended: what is left becomes available.
    pub fn handle_end(&mut self) {
        self.splitter.handle_end();
    }

    /// The next access unit in decoding order; `None` if more input is needed, or all was given.
    /// Fails with [`Error::Limit`] if an access unit is too large, and then for good.
    pub fn poll_frame(&mut self) -> Result<Option<Frame>, Error> {
        Ok(self.poll_positioned()?.map(|(frame, _)| frame))
    }

    /// As [`poll_frame`](Self::poll_frame), and where the access unit lies.
    pub fn poll_positioned(&mut self) -> Result<Option<(Frame, PicturePosition)>, Error> {
        loop {
            if let Some((unit, rank)) = self.order.poll() {
                return Ok(Some(self.timed(unit, rank)));
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
                    return Ok(self.order.poll().map(|(unit, rank)| self.timed(unit, rank)));
                }
                Split::TooLarge => {
                    let limit = self.max_access_unit;
                    return Err(Error::Limit { what: "bytes of an access unit", limit });
                }
            }
        }
    }

    fn timed(&mut self, unit: AccessUnit, rank: u64) -> (Frame, PicturePosition) {
        let position = PicturePosition {
            offset: unit.offset,
            decode_index: self.decode_index,
            output_index: rank,
            parameter_sets: unit.parameter_sets,
        };
        let duration = self.picture_duration();
        let delay = self.reorder_delay.unwrap_or(0);
        // The delay is not known before the first parameter sets, and their depth may be exceeded
        // later: the order holds all the same.
        let dts = duration.times(self.decode_index.saturating_sub(delay)).max(self.last_dts);
        self.last_dts = dts;
        let pts = duration.times(rank).max(dts);
        self.decode_index += 1;
        let frame = Frame {
            data: unit.data,
            pts,
            dts,
            duration: duration.times(rank + 1).saturating_sub(duration.times(rank)),
            flags: FrameFlags {
                key: unit.picture.key,
                ends_access_unit: true,
                discontinuity: std::mem::take(&mut self.discontinuity),
            },
        };
        (frame, position)
    }

    /// How long a picture lasts. Settled with the first picture that is given out, so that the
    /// time line of a stream is one.
    pub fn picture_duration(&mut self) -> PictureDuration {
        *self.duration.get_or_insert_with(|| {
            let told = self.splitter.syntax.picture_duration();
            told.and_then(|(n, d)| PictureDuration::new(n, d)).unwrap_or(PictureDuration::DEFAULT)
        })
    }

    /// Sets how long a picture lasts, whatever the stream says.
    pub fn set_picture_duration(&mut self, duration: PictureDuration) {
        self.duration = Some(duration);
    }

    /// Sets by how many pictures decoding precedes presentation, where it is known to be less
    /// than what the parameter sets allow for.
    pub fn set_reorder_delay(&mut self, pictures: u32) {
        self.reorder_delay = Some(u64::from(pictures));
    }

    /// Most pictures so far that preceded another in decoding order and followed it in output
    /// order.
    pub fn reorder_depth_seen(&self) -> u32 {
        self.order.depth_seen()
    }

    /// The parameter sets in force after the last NAL unit that was looked at.
    pub fn parameter_sets(&self) -> Vec<Bytes> {
        self.splitter.syntax.parameter_sets()
    }

    /// From now on, [`poll_positioned`](Self::poll_positioned) tells the parameter sets too.
    pub fn record_parameter_sets(&mut self) {
        self.splitter.record_parameter_sets();
    }

    /// Takes in parameter sets that are not in the stream, or no longer.
    pub fn handle_parameter_sets<'a>(&mut self, nals: impl IntoIterator<Item = &'a [u8]>) {
        for nal in nals {
            self.splitter.syntax.handle_nal(nal);
        }
        self.splitter.syntax.reset();
    }

    /// Whether a start code has been found.
    pub fn has_nal_units(&self) -> bool {
        self.splitter.has_nal_units()
    }

    /// Forgets what is half read: input goes on with the key picture at `offset` of the stream,
    /// which has `decode_index` pictures before it. Parameter sets stay in force.
    pub fn handle_seek(&mut self, offset: u64, decode_index: u64) {
        self.splitter.reset(offset);
        // All pictures that precede a key picture in decoding order precede it and its leading
        // pictures in output order; so those go on with the same count.
        self.order.reset(decode_index);
        self.decode_index = decode_index;
        self.last_dts = Duration::ZERO;
        self.discontinuity = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_division_give_the_same() {
        let rates = [(1, 25), (1001, 30_000), (1001, 60_000), (1 << 35, (1 << 34) + 7)];
        for (numerator, denominator) in rates {
            let duration = PictureDuration::new(numerator, denominator).unwrap();
            for n in (0..60).map(|bits| (1_u64 << bits) | 5) {
                let nanoseconds =
                    u128::from(n) * u128::from(numerator) * 1_000_000_000 / u128::from(denominator);
                let told = duration.times(n).as_nanos();
                assert_eq!(told, nanoseconds, "{n} × {numerator}/{denominator}");
            }
        }
    }
}
