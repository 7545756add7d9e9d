//! Date formats: RFC 1123 for `Date` (RFC 2068 section 3.3.1), ISO 8601 basic for `Range: clock=`
//! (RFC 2326 section 3.7). Proleptic Gregorian calendar, without leap seconds; nothing here reads a
//! clock.

use std::fmt;
use std::time::Duration;

/// Seconds from the Unix epoch to the end of the year 9999, the last with four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: u64,
    pub(super) month: u64,
    pub(super) day: u64,
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: u64,
}

/// Days from 1 March of year 0 to 1 January 1970.
const EPOCH_FROM_MARCH_0: u64 = 719_468;
const DAYS_IN_400_YEARS: u64 = 146_097;

impl Civil {
    /// Converts from seconds since the Unix epoch; times after the year 9999 become its last
    /// second.
    pub(super) const fn from_unix(seconds: u64) -> Self {
        let seconds = if seconds > LAST_SECOND { LAST_SECOND } else { seconds };
        // Counting from 1 March puts the leap day at the end of the year.
        let days = seconds / 86_400 + EPOCH_FROM_MARCH_0;
        let era = days / DAYS_IN_400_YEARS;
        let of_era = days % DAYS_IN_400_YEARS;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Self {
            year: era * 400 + year_of_era + (month <= 2) as u64,
            month,
            day: of_year - (153 * march_month + 2) / 5 + 1,
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }

    /// Converts to seconds since the Unix epoch; `None` for a date that does not exist or lies
    /// before 1970.
    pub(super) fn to_unix(self) -> Option<u64> {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let month_days = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        let valid = (1970..=9999).contains(&self.year)
            && (1..=month_days).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            // A leap second is taken for the second after it.
            && self.second <= 60;
        if !valid {
            return None;
        }
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let march_month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let of_year = (153 * march_month + 2) / 5 + self.day - 1;
        let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year;
        let days = days.checked_sub(EPOCH_FROM_MARCH_0)?;
        Some(days * 86_400 + self.hour * 3600 + self.minute * 60 + self.second)
    }
}

/// Displays seconds since the Unix epoch in the form `Sun, 06 Nov 1994 08:49:37 GMT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a number with a notation")]
pub struct Rfc1123(pub u64);

impl fmt::Display for Rfc1123 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.min(LAST_SECOND);
        let Civil { year, month, day, hour, minute, second } = Civil::from_unix(seconds);
        // 1 January 1970 was a Thursday.
        let weekday = match (seconds / 86_400) % 7 {
            0 => "Thu",
            1 => "Fri",
            2 => "Sat",
            3 => "Sun",
            4 => "Mon",
            5 => "Tue",
            _ => "Wed",
        };
        let month = match month {
            1 => "Jan",
            2 => "Feb",
            3 => "Mar",
            4 => "Apr",
            5 => "May",
            6 => "Jun",
            7 => "Jul",
            8 => "Aug",
            9 => "Sep",
            10 => "Oct",
            11 => "Nov",
            _ => "Dec",
        };
        write!(f, "{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

/// A UTC time since the Unix epoch, displayed as in `Range: clock=`: `19961108T142300.25Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a time with a notation")]
pub struct UtcTime(pub Duration);

impl UtcTime {
    /// Parses `YYYYMMDDTHHMMSS[.fraction]Z`; `None` if the text is malformed or before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't'])?;
        let time = time.strip_suffix(['Z', 'z'])?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
        if date.len() != 8 || time.len() != 6 {
            return None;
        }
        let number = |text: &str, from: usize, to: usize| {
            crate::wire::text::digits::<u64>(text.get(from..to)?)
        };
        let civil = Civil {
            year: number(date, 0, 4)?,
            month: number(date, 4, 6)?,
            day: number(date, 6, 8)?,
            hour: number(time, 0, 2)?,
            minute: number(time, 2, 4)?,
            second: number(time, 4, 6)?,
        };
        Some(Self(Duration::new(civil.to_unix()?, super::numbers::fraction_nanos(fraction)?)))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = Civil::from_unix(self.0.as_secs());
        write!(f, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}")?;
        super::numbers::write_fraction(f, self.0.subsec_nanos(), 0)?;
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;

    #[test]
    fn known_dates() {
        assert_eq!(Rfc1123(784_111_777).to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(Rfc1123(951_782_400).to_string(), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(Rfc1123(u64::MAX).to_string(), "Fri, 31 Dec 9999 23:59:59 GMT");
        let text = "19961108T142300.25Z";
        let time = UtcTime::parse(text).unwrap();
        assert_eq!(time.0, Duration::from_millis(847_462_980_250));
        assert_eq!(time.to_string(), text);
    }

    #[test]
    fn every_second_survives() {
        let mut random = Random::new(1);
        for _ in 0..20_000 {
            let seconds = random.u64() % (LAST_SECOND + 1);
            assert_eq!(Civil::from_unix(seconds).to_unix(), Some(seconds));
        }
    }

    #[test]
    fn impossible_dates_are_refused() {
        for text in [
            "19990229T000000Z",
            "19991301T000000Z",
            "19991201T240000Z",
            "19691231T235959Z",
            "19991201T000000",
            "19991201T0000é0Z",
            "1999120é00000Z",
            "T",
            "",
        ] {
            assert_eq!(UtcTime::parse(text), None, "{text}");
        }
    }
}
