//! What of a packet is readable without its keys.

/// The header of an RTP packet (RFC 3550 section 5.1), as far as SRTP needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clear {
    pub(super) seq: u16,
    pub(super) ssrc: u32,
    /// Length of the header with CSRCs and extension, which are not encrypted.
    pub(super) len: usize,
}

impl Clear {
    /// Reads the header of a packet; `None` if it is none, or longer than the packet.
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        let &[first, _, high, low, _, _, _, _, a, b, c, d] = packet.first_chunk::<12>()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut len = 12 + usize::from(first & 0x0F) * 4;
        if first & 0x10 != 0 {
            let &[_, _, high, low] = packet.get(len..)?.first_chunk::<4>()?;
            len += 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
        }
        let (seq, ssrc) = (u16::from_be_bytes([high, low]), u32::from_be_bytes([a, b, c, d]));
        (len <= packet.len()).then_some(Self { seq, ssrc, len })
    }
}

/// The SSRC of the sender of an RTCP compound packet.
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let &[first, _, _, _, a, b, c, d] = packet.first_chunk::<8>()?;
    (first >> 6 == 2).then_some(u32::from_be_bytes([a, b, c, d]))
}
