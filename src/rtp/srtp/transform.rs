//! [`SrtpTransform`]: SRTP as a [`PacketTransform`].

use super::cipher::SessionKeys;
use super::keys::SrtpKeys;
use super::receiver::{SourceLimits, SrtpReceiver};
use super::sender::SrtpSender;
use crate::rtp::transform::{PacketTransform, Refusal};
use std::rc::Rc;

/// SSRCs of which a transform knows what has come, where one peer sends.
const SOURCES_OF_PEER: SourceLimits = SourceLimits { present: 8, ended: 256 };
/// The same, where all members of a group send reports: of more, each comes back.
const SOURCES_OF_GROUP: SourceLimits = SourceLimits { present: 256, ended: 0 };

/// Protects what one stream sends, and unprotects what comes for it.
#[derive(Debug)]
pub(crate) struct SrtpTransform {
    sender: Option<SrtpSender>,
    receiver: SrtpReceiver,
}

/// The session keys of some master keys, which several transforms can share.
#[derive(Clone, Debug)]
pub(crate) struct DerivedKeys {
    keys: SrtpKeys,
    derived: Vec<Rc<SessionKeys>>,
}

impl DerivedKeys {
    pub(crate) fn new(keys: SrtpKeys) -> Self {
        let derived = keys.keys().iter().map(|key| Rc::new(SessionKeys::new(&key.master)));
        Self { derived: derived.collect(), keys }
    }

    fn sender(&self) -> Option<SrtpSender> {
        Some(SrtpSender::new(Rc::clone(self.derived.first()?), self.keys.keys().first()?))
    }

    fn receiver(&self, limits: SourceLimits) -> SrtpReceiver {
        SrtpReceiver::new(&self.keys, &self.derived, limits)
    }
}

impl SrtpTransform {
    /// Protects what is sent with the first of `sent`, and unprotects what comes with `received`.
    pub(crate) fn new(sent: &DerivedKeys, received: &DerivedKeys) -> Self {
        Self { sender: sent.sender(), receiver: received.receiver(SOURCES_OF_PEER) }
    }

    /// For a stream that is sent to many, all of whom answer with the same keys.
    pub(crate) fn for_group(keys: &DerivedKeys) -> Self {
        Self { sender: keys.sender(), receiver: keys.receiver(SOURCES_OF_GROUP) }
    }

    /// Unprotects what comes from one peer, and protects nothing.
    pub(crate) fn incoming(keys: &DerivedKeys) -> Self {
        Self { sender: None, receiver: keys.receiver(SOURCES_OF_PEER) }
    }

    #[cfg(test)]
    pub(super) const fn sender_mut(&mut self) -> Option<&mut SrtpSender> {
        self.sender.as_mut()
    }
}

impl PacketTransform for SrtpTransform {
    fn max_growth(&self) -> usize {
        self.sender.as_ref().map_or(0, SrtpSender::max_growth)
    }

    fn protect_rtp(&mut self, packet: &mut [u8], len: usize) -> Option<usize> {
        self.sender.as_mut()?.protect_rtp(packet, len)
    }

    fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        self.sender.as_mut().is_some_and(|sender| sender.protect_rtcp(packet))
    }

    fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        self.receiver.unprotect_rtp(packet)
    }

    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        self.receiver.unprotect_rtcp(packet)
    }

    fn is_nearly_used_up(&self) -> bool {
        self.sender.as_ref().is_some_and(SrtpSender::is_nearly_used_up)
    }

    #[cfg(test)]
    fn age(&mut self, rtp_left: u64, rtcp_index: u32) {
        if let Some(sender) = &mut self.sender {
            sender.age(rtp_left, rtcp_index);
        }
    }

    fn roll_over(&self, ssrc: u32) -> u32 {
        self.sender.as_ref().map_or(0, |sender| sender.roll_over(ssrc))
    }
}
