//! NTP timestamps (RFC 3550 section 4).

use std::time::Duration;

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// An NTP timestamp: seconds since 1900 in 32.32 fixed point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3550 section 4")]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Converts from the time since the Unix epoch. The seconds wrap in 2036 (the end of NTP era
    /// 0).
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(UNIX_EPOCH) & 0xFFFF_FFFF;
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        Self(seconds << 32 | fraction)
    }

    /// Converts to the time since the Unix epoch; timestamps before 1970 are taken as ones after
    /// 2036.
    pub fn to_unix(self) -> Duration {
        let seconds = (self.0 >> 32).wrapping_sub(UNIX_EPOCH) & 0xFFFF_FFFF;
        // Rounded up, so that a nanosecond survives the way there and back.
        let nanos = ((self.0 & 0xFFFF_FFFF) * 1_000_000_000).div_ceil(1 << 32);
        Duration::from_secs(seconds) + Duration::from_nanos(nanos)
    }

    /// The middle 32 bits (16.16 seconds), as in LSR.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// Converts a delay to the units of DLSR, 1/65536 second; at most about 18 hours.
    pub fn short_delay(delay: Duration) -> u32 {
        let units = (delay.as_nanos() << 16) / 1_000_000_000;
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// Converts from the units of DLSR, 1/65536 second.
    pub const fn short_to_duration(units: u32) -> Duration {
        Duration::from_nanos((units as u64 * 1_000_000_000) >> 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;

    #[test]
    fn there_and_back() {
        let mut random = Random::new(19);
        for _ in 0..10_000 {
            let unix = Duration::new(u64::from(random.u32()), random.u32() % 1_000_000_000);
            assert_eq!(NtpTime::from_unix(unix).to_unix(), unix);
        }
        assert_eq!(NtpTime::from_unix(Duration::ZERO).0, 0x83AA_7E80_0000_0000);
        assert_eq!(NtpTime(0xB705_2000_8000_0000).middle(), 0x2000_8000);
    }

    #[test]
    fn short_delays() {
        // RFC 3550 figure 2: 5.25 s is 0x0005:4000.
        assert_eq!(NtpTime::short_delay(Duration::from_millis(5250)), 0x0005_4000);
        assert_eq!(NtpTime::short_to_duration(0x0005_4000), Duration::from_millis(5250));
        assert_eq!(NtpTime::short_delay(Duration::MAX), u32::MAX);
    }
}
