//! RTP and RTCP between the RTSP messages of a TCP connection: `$`, channel, length, packet
//! (RFC 2326 section 10.12).

/// First byte of a frame; no RTSP message begins with it.
pub const MAGIC: u8 = b'$';
/// Length of the prefix before a packet, in bytes.
pub const PREFIX_LEN: usize = 4;
/// Length of the longest frame, prefix included, in bytes.
pub const MAX_FRAME_LEN: usize = PREFIX_LEN + u16::MAX as usize;

/// A packet and its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 2326 section 10.12")]
pub struct Frame<'a> {
    /// Channel, as agreed in `Transport`.
    pub channel: u8,
    /// The packet.
    pub data: &'a [u8],
}

/// Returns the four bytes that precede a packet of `len` bytes.
pub const fn prefix(channel: u8, len: u16) -> [u8; PREFIX_LEN] {
    let [high, low] = len.to_be_bytes();
    [MAGIC, channel, high, low]
}

/// Appends a frame. Returns false, and appends nothing, if the packet is longer than 65,535 bytes.
#[must_use]
pub fn write(channel: u8, data: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(len) = u16::try_from(data.len()) else { return false };
    out.extend_from_slice(&prefix(channel, len));
    out.extend_from_slice(data);
    true
}

/// Reads the frame at the start of `input`, and returns it with its length in bytes. `None` if the
/// frame is incomplete, or if `input` does not begin with [`MAGIC`].
pub fn decode(input: &[u8]) -> Option<(Frame<'_>, usize)> {
    let [MAGIC, channel, high, low, rest @ ..] = input else { return None };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let data = rest.get(..len)?;
    Some((Frame { channel: *channel, data }, PREFIX_LEN + len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;

    #[test]
    fn what_is_written_is_read() {
        let mut random = Random::new(3);
        for _ in 0..200 {
            let (channel, data) = (random.u8(), random.bytes(300));
            let mut out = Vec::new();
            assert!(write(channel, &data, &mut out));
            let whole = out.len();
            assert_eq!(decode(&out), Some((Frame { channel, data: &data }, whole)));
            assert_eq!(decode(&out[..random.below(whole)]), None);
        }
    }

    #[test]
    fn a_packet_too_long_is_not_written() {
        let mut out = Vec::new();
        assert!(!write(0, &[0; 65_536], &mut out));
        assert!(out.is_empty());
        assert!(write(0, &[0; 65_535], &mut out));
        assert_eq!(out.len(), MAX_FRAME_LEN);
    }
}
