//! [`PacketTransform`]: protects packets between packetizing and sending, and takes the protection off
//! packets that come in, as SRTP does.

use crate::payload::PacketBuffer;
use crate::wire::rtp::PacketKind;
use std::fmt;
use std::ops::Range;

/// Protects the packets of a stream before they are sent, and takes the protection off the packets
/// that its receivers send (RFC 3711 section 3, for one).
///
/// RTP and RTCP headers stay readable: the fixed header of an RTP packet (RFC 3550 section 5.1), and
/// the first eight octets of an RTCP compound packet.
pub(crate) trait PacketTransform: fmt::Debug {
    /// The largest number of bytes that a packet grows by. It does not change.
    fn max_growth(&self) -> usize;

    /// Protects an RTP packet: the first `len` bytes of `packet`, which has
    /// [`max_growth`](Self::max_growth) bytes more. Returns the packet's new length. `None`: the
    /// packet cannot be protected, and is not sent at all.
    fn protect_rtp(&mut self, packet: &mut [u8], len: usize) -> Option<usize>;

    /// Protects an RTCP compound packet. `false`: the packet cannot be protected, and is not sent.
    fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> bool;

    /// Checks an RTP packet that has come in and takes its protection off, in place. Returns the
    /// length of the packet that is left; a packet that is refused is dropped.
    fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal>;

    /// As [`unprotect_rtp`](Self::unprotect_rtp), for an RTCP compound packet.
    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal>;

    /// Whether it can protect few more packets: what is sent with it is to end now, while that can be
    /// told.
    fn is_nearly_used_up(&self) -> bool {
        false
    }

    /// Lets it be able to protect that many more RTP packets, and have protected so many RTCP packets.
    #[cfg(all(test, feature = "srtp"))]
    fn age(&mut self, _rtp_left: u64, _rtcp_index: u32) {}

    /// How often the sequence number has begun anew in what was sent with an SSRC, for a receiver
    /// that joins (RFC 3711 section 3.3.1).
    #[cfg(feature = "srtp")]
    fn roll_over(&self, _ssrc: u32) -> u32 {
        0
    }
}

/// Why a packet that has come in is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not what its sender sent, or its key is not known.
    NotAuthentic,
    /// It has come before, or is too old to tell.
    #[cfg_attr(not(feature = "srtp"), expect(dead_code, reason = "of SRTP"))]
    Replayed,
}

impl dyn PacketTransform + '_ {
    /// Appends some packets of `from` to `to`, each protected once.
    pub(crate) fn protect_batch(
        &mut self,
        from: &PacketBuffer,
        packets: Range<usize>,
        to: &mut PacketBuffer,
    ) {
        let growth = self.max_growth();
        for &span in from.spans().get(packets).unwrap_or_default() {
            to.append_changed(from, span, growth, |packet| self.protect_rtp(packet, span.len));
        }
    }

    /// Protects an RTCP compound packet, if there is one; what cannot be protected is emptied.
    pub(crate) fn protect_report(&mut self, packet: &mut Vec<u8>) {
        if !packet.is_empty() && !self.protect_rtcp(packet) {
            packet.clear();
        }
    }

    /// Protects a copy of a packet in `memory`. `None`: the packet cannot be protected.
    pub(crate) fn protect<'a>(
        &mut self,
        kind: PacketKind,
        packet: &[u8],
        memory: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        memory.clear();
        memory.extend_from_slice(packet);
        match kind {
            PacketKind::Rtp => {
                memory.resize(packet.len() + self.max_growth(), 0);
                let len = self.protect_rtp(memory, packet.len())?;
                memory.get(..len)
            }
            PacketKind::Rtcp => self.protect_rtcp(memory).then_some(memory),
        }
    }

    /// Takes the protection off a copy of a packet in `memory`.
    pub(crate) fn unprotect<'a>(
        &mut self,
        kind: PacketKind,
        packet: &[u8],
        memory: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], Refusal> {
        memory.clear();
        memory.extend_from_slice(packet);
        let len = match kind {
            PacketKind::Rtp => self.unprotect_rtp(memory),
            PacketKind::Rtcp => self.unprotect_rtcp(memory),
        };
        memory.get(..len?).ok_or(Refusal::NotAuthentic)
    }
}
