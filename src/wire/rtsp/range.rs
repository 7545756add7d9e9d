//! The `Range` header (RFC 2326 sections 3.5 to 3.7 and 12.29).

use super::date::UtcTime;
use super::numbers::{fraction_nanos, write_fraction};
use crate::wire::text::{digits, strip_prefix_ignore_case};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The reason for which a `Range` header cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RangeError {
    /// The value is malformed; answered 400.
    Invalid,
    /// The unit is unknown; answered 501 (RFC 2326 section 12.29).
    Unsupported,
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "malformed Range",
            Self::Unsupported => "Range in an unknown unit",
        })
    }
}

impl std::error::Error for RangeError {}

/// The start of a range in normal play time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 2326 section 3.6")]
pub enum NptTime {
    /// `now`: the live edge.
    Now,
    /// A time since the beginning of the presentation.
    At(Duration),
}

/// The kind of a SMPTE time code (RFC 2326 section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 2326 section 3.5")]
pub enum SmpteType {
    /// `smpte`, the default: the same as `smpte-30-drop`.
    Smpte,
    /// `smpte-30-drop`: 29.97 frames per second; two frame numbers are dropped each minute except
    /// every tenth.
    Smpte30Drop,
    /// `smpte-25`: 25 frames per second.
    Smpte25,
}

impl SmpteType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Smpte => "smpte",
            Self::Smpte30Drop => "smpte-30-drop",
            Self::Smpte25 => "smpte-25",
        }
    }
}

/// A SMPTE time code relative to the start of the clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 2326 section 3.5")]
pub struct SmpteTime {
    /// Hours, below 100.
    pub hours: u8,
    /// Minutes, below 60.
    pub minutes: u8,
    /// Seconds, below 60.
    pub seconds: u8,
    /// Frames, below 30 or 25.
    pub frames: u8,
    /// Hundredths of a frame.
    pub subframes: u8,
}

impl SmpteTime {
    fn parse(text: &str) -> Option<Self> {
        let two = |text: Option<&str>| {
            let text = text?;
            if text.len() > 2 { None } else { digits::<u8>(text) }
        };
        let mut parts = text.trim().split(':');
        let mut time = Self {
            hours: two(parts.next())?,
            minutes: two(parts.next()).filter(|&m| m < 60)?,
            seconds: two(parts.next()).filter(|&s| s < 60)?,
            ..Self::default()
        };
        if let Some(frames) = parts.next() {
            let (frames, subframes) = frames.split_once('.').unwrap_or((frames, "0"));
            time.frames = two(Some(frames)).filter(|&f| f < 30)?;
            time.subframes = two(Some(subframes))?;
        }
        parts.next().is_none().then_some(time)
    }

    /// Converts to the time since the start of the clip.
    pub fn duration(self, kind: SmpteType) -> Duration {
        let minutes = u64::from(self.hours) * 60 + u64::from(self.minutes);
        let seconds = minutes * 60 + u64::from(self.seconds);
        let (nominal, numerator, denominator, dropped) = match kind {
            SmpteType::Smpte | SmpteType::Smpte30Drop => {
                (30, 30_000, 1001, 2 * (minutes - minutes / 10))
            }
            SmpteType::Smpte25 => (25, 25, 1, 0),
        };
        let frames = (seconds * nominal + u64::from(self.frames)).saturating_sub(dropped);
        let hundredths = frames * 100 + u64::from(self.subframes);
        // At most 100 h · 30 · 100 · 1001 · 10^7, which fits.
        Duration::from_nanos(hundredths * 10_000_000 * denominator / numerator)
    }

    /// Converts from the time since the start of the clip, rounded to a hundredth of a frame;
    /// `None` from 100 hours on, which a time code cannot represent.
    pub fn from_duration(time: Duration, kind: SmpteType) -> Option<Self> {
        let (rate, second) = match kind {
            SmpteType::Smpte | SmpteType::Smpte30Drop => (30_000, 1001),
            SmpteType::Smpte25 => (25, 1),
        };
        let unit = 10_000_000 * second;
        let hundredths = (time.as_nanos() * rate + unit / 2) / unit;
        let hundredths = u64::try_from(hundredths).ok().filter(|n| *n < 100 * 3600 * 30 * 100)?;
        let (frames, subframes) = (hundredths / 100, hundredths % 100);
        let (nominal, dropped) = match kind {
            SmpteType::Smpte | SmpteType::Smpte30Drop => (30, dropped_before(frames)),
            SmpteType::Smpte25 => (25, 0),
        };
        let number = frames + dropped;
        let seconds = number / nominal;
        let (minutes, hours) = (seconds / 60, seconds / 3600);
        let part = |n: u64| u8::try_from(n).ok();
        Some(Self {
            hours: part(hours).filter(|&h| h < 100)?,
            minutes: part(minutes % 60)?,
            seconds: part(seconds % 60)?,
            frames: part(number % nominal)?,
            subframes: part(subframes)?,
        })
    }
}

/// Number of frame numbers dropped before frame `frame` of a drop-frame time code: two at the start
/// of each minute except every tenth.
const fn dropped_before(frame: u64) -> u64 {
    /// Frames of a minute with dropped numbers, and of ten minutes.
    const MINUTE: u64 = 1800 - 2;
    const TEN_MINUTES: u64 = 18_000 - 9 * 2;
    let (tens, rest) = (frame / TEN_MINUTES, frame % TEN_MINUTES);
    18 * tens + 2 * (rest.saturating_sub(2) / MINUTE)
}

impl fmt::Display for SmpteTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hours, minutes, seconds, frames, subframes } = self;
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}")?;
        if *subframes > 0 {
            write!(f, ":{frames:02}.{subframes:02}")
        } else if *frames > 0 {
            write!(f, ":{frames:02}")
        } else {
            Ok(())
        }
    }
}

/// A time range of the presentation. At least one end is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Range {
    /// Normal play time.
    Npt {
        /// Start; `None`: the present position (`npt=-20`).
        start: Option<NptTime>,
        /// End; `None`: the end of the presentation.
        end: Option<Duration>,
    },
    /// SMPTE time codes.
    Smpte {
        /// Type of the time codes.
        kind: SmpteType,
        /// Start.
        start: SmpteTime,
        /// End; `None`: the end of the presentation.
        end: Option<SmpteTime>,
    },
    /// Universal time.
    Clock {
        /// Start.
        start: UtcTime,
        /// End; `None`: the end of the presentation.
        end: Option<UtcTime>,
    },
}

impl Range {
    /// Creates a range in normal play time from `start` to `end` or the end of the presentation.
    pub const fn npt(start: Duration, end: Option<Duration>) -> Self {
        Self::Npt { start: Some(NptTime::At(start)), end }
    }

    /// Returns start and end in normal play time, converting SMPTE time codes; `None` for a range
    /// in universal time. A start of `None` is the present position or the live edge.
    pub fn as_npt(&self) -> Option<(Option<Duration>, Option<Duration>)> {
        match self {
            Self::Npt { start: Some(NptTime::At(start)), end } => Some((Some(*start), *end)),
            Self::Npt { end, .. } => Some((None, *end)),
            Self::Smpte { kind, start, end } => {
                Some((Some(start.duration(*kind)), end.map(|end| end.duration(*kind))))
            }
            Self::Clock { .. } => None,
        }
    }

    /// Creates a range from `start` to `end` in the unit of `like`: SMPTE time codes if `like` has
    /// them and they can represent both ends, normal play time otherwise. The second value is
    /// `start` as the range states it: a time code may differ by up to half a hundredth of a frame.
    pub fn in_unit_of(
        like: Option<&Self>,
        start: Duration,
        end: Option<Duration>,
    ) -> (Self, Duration) {
        let npt = (Self::npt(start, end), start);
        let Some(Self::Smpte { kind, .. }) = like else { return npt };
        let kind = *kind;
        let Some(code) = SmpteTime::from_duration(start, kind) else { return npt };
        let range = match end.map(|end| SmpteTime::from_duration(end, kind)) {
            None => Self::Smpte { kind, start: code, end: None },
            Some(Some(end)) => Self::Smpte { kind, start: code, end: Some(end) },
            Some(None) => return npt,
        };
        (range, code.duration(kind))
    }

    /// Parses the `Range` of a PAUSE request, which is a single pause point: `npt=14` or `npt=14-`
    /// (RFC 2326 section 10.6).
    ///
    /// # Errors
    /// [`RangeError::Invalid`] if the value is malformed or has an end, [`RangeError::Unsupported`]
    /// if its unit is unknown.
    pub fn pause_point(value: &str) -> Result<Self, RangeError> {
        let point = value.split(';').next().unwrap_or_default().trim();
        let point = point.strip_suffix('-').unwrap_or(point);
        let range = format!("{point}-").parse()?;
        match range {
            Self::Npt { end: None, .. }
            | Self::Smpte { end: None, .. }
            | Self::Clock { end: None, .. } => Ok(range),
            _ => Err(RangeError::Invalid),
        }
    }

    /// Returns whether the range lies within a presentation of length `duration` and starts before
    /// it ends. Always false for a range in universal time.
    pub fn is_within(&self, duration: Duration) -> bool {
        let Some((start, end)) = self.as_npt() else { return false };
        let start_within = start.is_none_or(|start| start <= duration);
        start_within && end.is_none_or(|end| start.is_none_or(|start| start <= end))
    }
}

/// The `Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 2326 section 12.29")]
pub struct RangeHeader {
    /// The time range.
    pub range: Range,
    /// The time at which the operation takes effect.
    pub time: Option<UtcTime>,
}

impl From<Range> for RangeHeader {
    fn from(range: Range) -> Self {
        Self { range, time: None }
    }
}

impl FromStr for RangeHeader {
    type Err = RangeError;

    fn from_str(value: &str) -> Result<Self, RangeError> {
        let mut parts = value.split(';');
        let range = parts.next().unwrap_or_default().parse()?;
        let mut time = None;
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            if let Some(at) = strip_prefix_ignore_case(part, "time=") {
                time = Some(UtcTime::parse(at.trim()).ok_or(RangeError::Invalid)?);
            }
        }
        Ok(Self { range, time })
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (unit, range) = text.split_once('=').ok_or(RangeError::Invalid)?;
        let (unit, range) = (unit.trim(), range.trim());
        let is = |name: &str| unit.eq_ignore_ascii_case(name);
        let smpte = [SmpteType::Smpte, SmpteType::Smpte30Drop, SmpteType::Smpte25];
        if is("npt") {
            npt_range(range).ok_or(RangeError::Invalid)
        } else if is("clock") {
            clock_range(range).ok_or(RangeError::Invalid)
        } else if let Some(&kind) = smpte.iter().find(|kind| is(kind.as_str())) {
            smpte_range(kind, range).ok_or(RangeError::Invalid)
        } else if unit.is_empty() {
            Err(RangeError::Invalid)
        } else {
            Err(RangeError::Unsupported)
        }
    }
}

/// Splits `start-[end]`.
fn ends(text: &str) -> Option<(&str, Option<&str>)> {
    let (start, end) = text.split_once('-')?;
    let end = end.trim();
    Some((start.trim(), (!end.is_empty()).then_some(end)))
}

fn npt_range(text: &str) -> Option<Range> {
    let (start, end) = ends(text)?;
    let end = match end {
        Some(end) => Some(npt_time(end)?),
        None => None,
    };
    let start = match start {
        "" if end.is_none() => return None,
        "" => None,
        now if now.eq_ignore_ascii_case("now") => Some(NptTime::Now),
        time => Some(NptTime::At(npt_time(time)?)),
    };
    Some(Range::Npt { start, end })
}

/// Parses `seconds[.fraction]` or `hours:minutes:seconds[.fraction]`.
fn npt_time(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos = fraction_nanos(fraction)?;
    let seconds = match whole.split_once(':') {
        None => digits::<u64>(whole)?,
        Some((hours, rest)) => {
            let (minutes, seconds) = rest.split_once(':')?;
            let minutes: u64 = digits(minutes).filter(|&m| m < 60)?;
            let seconds: u64 = digits(seconds).filter(|&s| s < 60)?;
            digits::<u64>(hours)?.checked_mul(3600)?.checked_add(minutes * 60 + seconds)?
        }
    };
    // Centuries are enough, and what uses the time need not fear to overflow.
    (seconds <= u64::from(u32::MAX)).then(|| Duration::new(seconds, nanos))
}

fn clock_range(text: &str) -> Option<Range> {
    let (start, end) = ends(text)?;
    let end = match end {
        Some(end) => Some(UtcTime::parse(end)?),
        None => None,
    };
    Some(Range::Clock { start: UtcTime::parse(start)?, end })
}

fn smpte_range(kind: SmpteType, text: &str) -> Option<Range> {
    let (start, end) = ends(text)?;
    let end = match end {
        Some(end) => Some(SmpteTime::parse(end)?),
        None => None,
    };
    Some(Range::Smpte { kind, start: SmpteTime::parse(start)?, end })
}

/// Displays a normal play time in seconds with at least three decimals, as players expect.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a time with a notation")]
pub struct NptSeconds(pub Duration);

impl fmt::Display for NptSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs())?;
        write_fraction(f, self.0.subsec_nanos(), 3)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Npt { start, end } => {
                f.write_str("npt=")?;
                match start {
                    Some(NptTime::Now) => f.write_str("now")?,
                    Some(NptTime::At(start)) => write!(f, "{}", NptSeconds(*start))?,
                    None => {}
                }
                f.write_str("-")?;
                end.map_or(Ok(()), |end| write!(f, "{}", NptSeconds(end)))
            }
            Self::Smpte { kind, start, end } => {
                write!(f, "{}={start}-", kind.as_str())?;
                end.map_or(Ok(()), |end| write!(f, "{end}"))
            }
            Self::Clock { start, end } => {
                write!(f, "clock={start}-")?;
                end.map_or(Ok(()), |end| write!(f, "{end}"))
            }
        }
    }
}

impl fmt::Display for RangeHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.range)?;
        self.time.map_or(Ok(()), |time| write!(f, ";time={time}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;

    fn range(text: &str) -> Result<Range, RangeError> {
        text.parse::<RangeHeader>().map(|header| header.range)
    }

    #[test]
    fn normal_play_time() {
        let ms = Duration::from_millis;
        assert_eq!(range("npt=0.000-"), Ok(Range::npt(Duration::ZERO, None)));
        assert_eq!(range("npt=10.5-20"), Ok(Range::npt(ms(10_500), Some(ms(20_000)))));
        assert_eq!(range("NPT = 1:02:03.25 - "), Ok(Range::npt(ms(3_723_250), None)));
        assert_eq!(range("npt=now-"), Ok(Range::Npt { start: Some(NptTime::Now), end: None }));
        assert_eq!(range("npt=-20"), Ok(Range::Npt { start: None, end: Some(ms(20_000)) }));
        assert_eq!(Range::npt(ms(0), Some(ms(9943))).to_string(), "npt=0.000-9.943");
        assert_eq!(Range::npt(ms(1500), None).to_string(), "npt=1.500-");
    }

    #[test]
    fn malformed_and_unknown_are_told_apart() {
        for bad in [
            "",
            "npt",
            "npt=",
            "npt=-",
            "npt=5",
            "npt=a-",
            "npt=1:60:00-",
            "npt=--5",
            "npt=1e3-",
            "npt=99999999999999999999-",
            "npt=5124095576030431:00:00-",
            "npt=1,5-",
            "npt=now-now",
            "smpte=10:07-",
            "smpte=10:07:99-",
            "smpte=-10:07:00",
            "clock=-",
            "clock=19961308T142300Z-",
            "npt=0-;time=x",
            "=0-",
        ] {
            assert_eq!(range(bad), Err(RangeError::Invalid), "{bad}");
        }
        assert_eq!(range("parsecs=1-2"), Err(RangeError::Unsupported));
        assert_eq!(range("bytes=0-100"), Err(RangeError::Unsupported));
    }

    #[test]
    fn other_units_and_time() {
        let header: RangeHeader =
            "smpte-25=10:07:00-10:07:33:05.01;time=19970123T143720Z".parse().unwrap();
        assert!(header.time.is_some());
        let (start, end) = header.range.as_npt().unwrap();
        assert_eq!(start, Some(Duration::from_secs(36_420)));
        assert_eq!(end, Some(Duration::from_micros(36_453_200_400)));
        // Drop-frame time stays within a few milliseconds of the wall clock over an hour.
        let hour = SmpteTime { hours: 1, ..SmpteTime::default() };
        let drift = hour.duration(SmpteType::Smpte).as_secs_f64() - 3600.0;
        assert!(drift.abs() < 0.005, "{drift}");
        let clock = range("clock=19961108T142300Z-19961108T143520Z").unwrap();
        assert_eq!(clock.as_npt(), None);
        assert_eq!(clock.to_string(), "clock=19961108T142300Z-19961108T143520Z");
    }

    #[test]
    fn time_codes_are_made_of_times() {
        let mut random = Random::new(5);
        for kind in [SmpteType::Smpte, SmpteType::Smpte30Drop, SmpteType::Smpte25] {
            for _ in 0..2000 {
                let time =
                    Duration::new(u64::from(random.u32() % 359_000), random.u32() % 999_999_999);
                let code = SmpteTime::from_duration(time, kind).unwrap();
                let off = code.duration(kind).abs_diff(time);
                assert!(off <= Duration::from_micros(201), "{time:?} as {code} is off by {off:?}");
                assert_eq!(
                    SmpteTime::from_duration(code.duration(kind), kind),
                    Some(code),
                    "{code}"
                );
                // Numbers that are left out are not used.
                let left_out = code.seconds == 0 && code.frames < 2 && code.minutes % 10 != 0;
                assert!(kind == SmpteType::Smpte25 || !left_out, "{code}");
            }
        }
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(SmpteTime::from_duration(day * 5, SmpteType::Smpte25), None);
        let (range, start) = Range::in_unit_of(None, day * 5, None);
        assert_eq!((range, start), (Range::npt(day * 5, None), day * 5));
        let like = "smpte-25=0:00:01-".parse().unwrap();
        let (range, start) = Range::in_unit_of(Some(&like), day, Some(day * 5));
        assert_eq!((range, start), (Range::npt(day, Some(day * 5)), day));
        let (range, _) = Range::in_unit_of(Some(&like), Duration::from_millis(2520), Some(day));
        assert_eq!(range.to_string(), "smpte-25=00:00:02:13-24:00:00");
    }

    #[test]
    fn a_pause_point_is_one_value() {
        let at = |seconds| Ok(Range::npt(Duration::from_secs(seconds), None));
        assert_eq!(Range::pause_point("npt=14"), at(14));
        assert_eq!(Range::pause_point("npt = 14 -;time=19970123T143720Z"), at(14));
        assert_eq!(Range::pause_point("npt=0:00:14-"), at(14));
        assert!(matches!(Range::pause_point("smpte=0:10:00"), Ok(Range::Smpte { .. })));
        for bad in ["npt=10-14", "npt=-14", "npt=", "14", ""] {
            assert_eq!(Range::pause_point(bad), Err(RangeError::Invalid), "{bad}");
        }
        assert_eq!(Range::pause_point("furlongs=14"), Err(RangeError::Unsupported));
    }

    #[test]
    fn comparison() {
        let secs = Duration::from_secs;
        assert!(Range::npt(secs(5), Some(secs(99))).is_within(secs(10)));
        assert!(!Range::npt(secs(11), None).is_within(secs(10)));
        assert!(!Range::npt(secs(5), Some(secs(4))).is_within(secs(10)));
        assert!(Range::Npt { start: Some(NptTime::Now), end: None }.is_within(secs(1)));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut random = Random::new(13);
        let time = |r: &mut Random| Duration::new(u64::from(r.u32()), r.u32() % 1_000_000_000);
        let code = |r: &mut Random| SmpteTime {
            hours: r.u8() % 100,
            minutes: r.u8() % 60,
            seconds: r.u8() % 60,
            frames: r.u8() % 25,
            subframes: r.u8() % 100,
        };
        for _ in 0..1000 {
            let range = match random.below(4) {
                0 => Range::npt(time(&mut random), random.option(time)),
                1 => Range::Npt { start: None, end: Some(time(&mut random)) },
                2 => Range::Smpte {
                    kind: *random.pick(&[SmpteType::Smpte, SmpteType::Smpte25]),
                    start: code(&mut random),
                    end: random.option(code),
                },
                _ => Range::Clock {
                    start: UtcTime(time(&mut random)),
                    end: random.option(|r| UtcTime(time(r))),
                },
            };
            let header = RangeHeader { range, time: random.option(|r| UtcTime(time(r))) };
            assert_eq!(header.to_string().parse(), Ok(header), "{header}");
        }
    }
}
