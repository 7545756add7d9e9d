//! Transport stream packets and the clock references in them (ISO/IEC 13818-1 sections 2.4.3.2 to
//! 2.4.3.5).

use std::time::Duration;

/// Length of a packet as sent, in bytes.
pub const PACKET_LEN: usize = 188;
/// Distance between packets in an .m2ts file, in bytes.
pub const M2TS_STRIDE: usize = 192;
/// Distance between packets that are followed by Reed-Solomon bytes, in bytes (ETSI EN 300 421
/// section 4.4.2).
pub const REED_SOLOMON_STRIDE: usize = 204;
/// The possible distances between packets, in bytes.
pub(crate) const STRIDES: [usize; 3] = [PACKET_LEN, M2TS_STRIDE, REED_SOLOMON_STRIDE];
pub(super) const SYNC: u8 = 0x47;
/// Modulus of PCR values, which count units of 1/27 µs.
pub(crate) const PCR_MODULUS: u64 = (1 << 33) * 300;
/// A program clock reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pcr {
    /// PID of the packet that carries it.
    pub pid: u16,
    /// Value in units of 1/27 µs, modulo 2³³ × 300.
    pub value: u64,
    /// `discontinuity_indicator`: the time base changes with this packet.
    pub discontinuity: bool,
    /// `random_access_indicator`: decoding can start with this packet.
    pub random_access: bool,
}

impl Pcr {
    /// Returns the PCR of a packet, if it has one.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let &[sync, p0, p1, flags, len, adaptation, b0, b1, b2, b3, b4, b5] =
            packet.first_chunk::<12>()?;
        // transport_error_indicator clear, adaptation field there and long enough, PCR_flag set.
        if sync != SYNC || p0 & 0x80 != 0 || flags & 0x20 == 0 || len < 7 || adaptation & 0x10 == 0
        {
            return None;
        }
        let base = u64::from(u32::from_be_bytes([b0, b1, b2, b3])) << 1 | u64::from(b4 >> 7);
        let extension = u64::from(b4 & 1) << 8 | u64::from(b5);
        Some(Self {
            pid: u16::from(p0 & 0x1f) << 8 | u16::from(p1),
            value: (base * 300 + extension) % PCR_MODULUS,
            discontinuity: adaptation & 0x80 != 0,
            random_access: adaptation & 0x40 != 0,
        })
    }

    /// Returns the difference from `earlier` to this value in units of 1/27 µs, across a wrap.
    pub const fn since(&self, earlier: u64) -> u64 {
        (self.value + PCR_MODULUS - earlier) % PCR_MODULUS
    }
}

/// Converts units of 1/27 µs to a duration.
pub(crate) fn ticks_to_duration(ticks: u64) -> Duration {
    Duration::from_micros(ticks / 27) + Duration::from_nanos(ticks % 27 * 1000 / 27)
}

/// Converts a duration to units of 1/27 µs.
pub(crate) fn duration_to_ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() * 27 / 1000).unwrap_or(u64::MAX)
}
