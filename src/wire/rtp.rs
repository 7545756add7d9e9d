//! RTP packets (RFC 3550 section 5.1), and how to distinguish them from RTCP (RFC 5761 section 4).

use super::{ParseError, Reader};
use std::ops::Range;

/// Length of the number and the length of a header extension, in bytes.
pub(crate) const EXTENSION_HEADER_LEN: usize = 4;
/// Length of a header without CSRCs and extension, in bytes.
pub const HEADER_LEN: usize = 12;

/// A received packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// Marker bit; the payload format defines its meaning.
    pub marker: bool,
    /// Payload type, below 128.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence_number: u16,
    /// Timestamp, in units of the payload format's clock rate.
    pub timestamp: u32,
    /// SSRC: the synchronization source that the packet comes from.
    pub ssrc: u32,
    /// Payload: the bytes after the header, without padding.
    pub payload: &'a [u8],
    /// Range of the payload in the packet, for slicing shared bytes.
    pub payload_range: Range<usize>,
    /// Header extension: the number that the profile defines, and the data.
    pub extension: Option<(u16, &'a [u8])>,
    csrcs: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Parses a whole packet.
    ///
    /// # Errors
    /// The packet is shorter than its fields say, has another version than 2, or has more padding
    /// than payload.
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        if packet.first().is_some_and(|first| first >> 6 != 2) {
            return Err(ParseError::Invalid { what: "RTP version", at: 0 });
        }
        let mut r = Reader::new(packet);
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] =
            r.array::<HEADER_LEN>("RTP header")?;
        let sequence_number = u16::from_be_bytes([s0, s1]);
        let timestamp = u32::from_be_bytes([t0, t1, t2, t3]);
        let ssrc = u32::from_be_bytes([c0, c1, c2, c3]);
        let csrcs = r.take(usize::from(first & 0x0F) * 4, "RTP CSRCs")?;
        let extension = if first & 0x10 != 0 {
            let profile = r.u16("RTP header extension")?;
            let words = usize::from(r.u16("RTP header extension")?);
            Some((profile, r.take(words * 4, "RTP header extension")?))
        } else {
            None
        };
        let start = r.position();
        let mut payload = r.rest();
        if first & 0x20 != 0 {
            let invalid = ParseError::Invalid { what: "RTP padding", at: packet.len() };
            let padding = payload.last().map_or(0, |&n| usize::from(n));
            if padding == 0 {
                return Err(invalid);
            }
            let len = payload.len().checked_sub(padding).ok_or(invalid)?;
            payload = payload.get(..len).unwrap_or_default();
        }
        Ok(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7F,
            sequence_number,
            timestamp,
            ssrc,
            payload,
            payload_range: start..start + payload.len(),
            extension,
            csrcs,
        })
    }

    /// Iterates over the contributing sources, at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> {
        self.csrcs.chunks_exact(4).filter_map(|c| Some(u32::from_be_bytes(c.try_into().ok()?)))
    }
}

/// Writes a header of version 2 without padding, extension and CSRCs.
pub const fn write_header(
    header: &mut [u8; HEADER_LEN],
    marker: bool,
    payload_type: u8,
    sequence_number: u16,
    timestamp: u32,
    ssrc: u32,
) {
    let [s0, s1] = sequence_number.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    let [c0, c1, c2, c3] = ssrc.to_be_bytes();
    let second = (marker as u8) << 7 | (payload_type & 0x7F);
    *header = [0x80, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3];
}

/// RTP or RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 3550")]
pub enum PacketKind {
    /// An RTP packet (RFC 3550 section 5).
    Rtp,
    /// An RTCP packet, or several as a compound packet (RFC 3550 section 6).
    Rtcp,
}

impl PacketKind {
    /// Tells whether a packet is RTP or RTCP, by its second octet: the marker and the payload type
    /// of RTP, the packet type of RTCP (RFC 5761 section 4). The packet need not be valid.
    ///
    /// `agreed` is the kind that was agreed on for the port, or for the channel of the RTSP
    /// connection, on which the packet arrived. `None` means that both kinds were; RTP packets then
    /// must not have a payload type from 64 to 95. Some peers send the other kind than the agreed
    /// one. This function recognizes RTCP among RTP by the packet types 200 to 204, which RFC 3551
    /// section 6 keeps free in RTP, and RTP among RTCP by an octet below 192 or above 223. It takes
    /// every other packet for the agreed kind.
    ///
    /// ```
    /// use riverrun::wire::rtp::PacketKind;
    ///
    /// let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    /// assert_eq!(PacketKind::of(&receiver_report, None), PacketKind::Rtcp);
    /// assert_eq!(PacketKind::of(&receiver_report, Some(PacketKind::Rtp)), PacketKind::Rtcp);
    /// ```
    pub fn of(packet: &[u8], agreed: Option<Self>) -> Self {
        let (octet, is_version_2) = match *packet {
            [first, second, ..] => (second, first >> 6 == 2),
            _ => (0, false),
        };
        match agreed {
            None if is_version_2 && matches!(octet, 192..=223) => Self::Rtcp,
            None => Self::Rtp,
            Some(Self::Rtp) if is_version_2 && matches!(octet, 200..=204) => Self::Rtcp,
            Some(Self::Rtcp)
                if is_version_2 && packet.len() >= HEADER_LEN && !matches!(octet, 192..=223) =>
            {
                Self::Rtp
            }
            Some(agreed) => agreed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::Random;

    #[test]
    fn what_is_written_is_read() {
        let mut random = Random::new(17);
        for _ in 0..500 {
            let (marker, pt) = (random.chance(2), random.u8() & 0x7F);
            let (seq, ts, ssrc) = (random.u16(), random.u32(), random.u32());
            let mut header = [0; HEADER_LEN];
            write_header(&mut header, marker, pt, seq, ts, ssrc);
            let payload = random.bytes(40);
            let packet = [&header[..], &payload].concat();
            let p = RtpPacket::parse(&packet).unwrap();
            assert_eq!(
                (p.marker, p.payload_type, p.sequence_number, p.timestamp, p.ssrc),
                (marker, pt, seq, ts, ssrc)
            );
            assert_eq!(p.payload, payload);
            assert_eq!(&packet[p.payload_range.clone()], p.payload);
            assert_eq!(p.csrcs().count(), 0);
            for end in 0..HEADER_LEN {
                assert!(matches!(
                    RtpPacket::parse(&packet[..end]),
                    Err(ParseError::Incomplete { .. })
                ));
            }
        }
    }

    #[test]
    fn csrcs_extension_and_padding() {
        let mut packet = vec![0xB2, 0xE0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend([0, 0, 0, 4, 0, 0, 0, 5]);
        packet.extend([0xBE, 0xDE, 0, 1, 1, 2, 3, 4]);
        packet.extend(b"data\0\0\x03");
        let p = RtpPacket::parse(&packet).unwrap();
        assert_eq!(p.csrcs().collect::<Vec<_>>(), [4, 5]);
        assert_eq!(p.extension, Some((0xBEDE, &[1, 2, 3, 4][..])));
        assert_eq!(p.payload, b"data");
        for padding in [0, 8, 255] {
            *packet.last_mut().unwrap() = padding;
            assert!(RtpPacket::parse(&packet).is_err());
        }
        *packet.last_mut().unwrap() = 7;
        assert_eq!(RtpPacket::parse(&packet).unwrap().payload, b"");
    }

    #[test]
    fn rtcp_is_told_from_rtp_where_both_may_come() {
        use PacketKind::{Rtcp, Rtp};
        let with = |octet: u8| {
            let mut packet = [0; HEADER_LEN];
            (packet[0], packet[1]) = (0x80, octet);
            packet
        };
        let kinds = |octet| [None, Some(Rtp), Some(Rtcp)].map(|a| PacketKind::of(&with(octet), a));
        for octet in 0..=255 {
            let expected = match octet {
                200..=204 => [Rtcp; 3],
                // Either: it is what was agreed on.
                192..=223 => [Rtcp, Rtp, Rtcp],
                _ => [Rtp; 3],
            };
            assert_eq!(kinds(octet), expected, "{octet}");
        }
    }

    #[test]
    fn what_is_neither_is_what_was_agreed_on() {
        use PacketKind::{Rtcp, Rtp};
        let long = [0x41; 40];
        for neither in [&[][..], &[0x80], &[0x40, 200], &[0x80, 96, 0, 1], &long] {
            assert_eq!(PacketKind::of(neither, Some(Rtp)), Rtp);
            assert_eq!(PacketKind::of(neither, Some(Rtcp)), Rtcp, "{neither:?}");
            assert_eq!(PacketKind::of(neither, None), Rtp);
        }
    }
}
