//! [`SrtpSender`]: protects the packets of one stream.

use super::cipher::SessionKeys;
use super::packet::{Clear, rtcp_ssrc};
use super::replay::nearest;
use crate::rtp::srtp::keys::IdentifiedKey;
use std::rc::Rc;

/// Most SRTP packets of a master key (RFC 3711 section 9.2).
const MAX_RTP: u64 = 1 << 48;
/// Most SRTCP packets of a master key, and the end of SRTCP indices.
const MAX_RTCP: u32 = 1 << 31;

/// Packets of either kind for which a key is good after it is said to be nearly used up: the rest of a
/// frame, reports, and a BYE.
const RESERVE: u32 = 1 << 16;

/// The sending side: one master key, one SSRC at a time.
#[derive(Debug)]
pub(super) struct SrtpSender {
    keys: Rc<SessionKeys>,
    mki: Box<[u8]>,
    /// The SSRC, and the index of the last packet with it.
    last: Option<(u32, u64)>,
    /// RTP packets that the key may still protect.
    rtp_left: u64,
    /// The index of the next SRTCP packet.
    rtcp_index: u32,
}

impl SrtpSender {
    pub(super) fn new(keys: Rc<SessionKeys>, key: &IdentifiedKey) -> Self {
        let mki = key.mki.clone();
        Self { keys, mki, last: None, rtp_left: MAX_RTP, rtcp_index: 0 }
    }

    /// Bytes that a packet grows by, at most.
    pub(super) fn max_growth(&self) -> usize {
        self.keys.suite().tag_len() + self.mki.len()
    }

    /// The roll-over counter of an SSRC.
    pub(super) fn roll_over(&self, ssrc: u32) -> u32 {
        let last = self.last.filter(|(of, _)| *of == ssrc);
        last.map_or(0, |(_, index)| u32::try_from(index >> 16).unwrap_or(u32::MAX))
    }

    /// Protects an RTP packet. `None`: it is no RTP packet, has been protected before, or the key is
    /// used up; it must not be sent.
    pub(super) fn protect_rtp(&mut self, packet: &mut [u8], len: usize) -> Option<usize> {
        let header = Clear::of(packet.get(..len)?)?;
        let index = match self.last {
            // Never twice the same keystream.
            Some((ssrc, last)) if ssrc == header.ssrc => {
                nearest(last, header.seq).filter(|index| *index > last)?
            }
            // The stream begins, or begins anew with another SSRC.
            _ => header.seq.into(),
        };
        self.rtp_left = self.rtp_left.checked_sub(1)?;
        self.last = Some((header.ssrc, index));
        self.keys.protect_rtp(packet, (header.len, len), (header.ssrc, index), &self.mki)
    }

    /// Protects an RTCP packet. `false`: it is no RTCP packet, or the key is used up; it must not be
    /// sent.
    pub(super) fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        let Some(ssrc) = rtcp_ssrc(packet) else { return false };
        let index = self.rtcp_index;
        if index >= MAX_RTCP {
            return false;
        }
        self.rtcp_index += 1;
        let len = packet.len();
        packet.resize(len + self.keys.suite().rtcp_tag_len() + 4 + self.mki.len(), 0);
        let protected = self.keys.protect_rtcp(packet, len, (ssrc, index), &self.mki, true);
        packet.truncate(protected.unwrap_or(0));
        protected.is_some()
    }

    /// Whether the key is to be replaced or the session ended (RFC 3711 section 9.2), while there is
    /// something left to tell the end with.
    pub(super) fn is_nearly_used_up(&self) -> bool {
        let index = self.last.map_or(0, |(_, index)| index);
        let reserve = u64::from(RESERVE);
        self.rtp_left <= reserve
            || index >= MAX_RTP - reserve
            || self.rtcp_index >= MAX_RTCP - RESERVE
    }

    /// Lets the key be nearly used up.
    #[cfg(test)]
    pub(super) const fn age(&mut self, rtp_left: u64, rtcp_index: u32) {
        (self.rtp_left, self.rtcp_index) = (rtp_left, rtcp_index);
    }

    /// Lets the stream have come that far.
    #[cfg(test)]
    pub(super) const fn forward(&mut self, ssrc: u32, index: u64) {
        self.last = Some((ssrc, index));
    }
}
