//! [`SrtpReceiver`]: checks and decrypts the packets of one stream's senders.

use super::cipher::SessionKeys;
use super::keys::{IdentifiedKey, SrtpKeys};
use super::packet::{Clear, rtcp_ssrc};
use super::replay::{ReplayWindow, nearest};
use crate::rtp::transform::Refusal;
use crate::wire::rtp::PacketKind;
use std::rc::Rc;

/// The receiving side: the master keys of a stream, told apart by their identifiers, and the SSRCs
/// from which authentic packets have come.
#[derive(Debug)]
pub(super) struct SrtpReceiver {
    /// Session keys and the identifier in the packets.
    keys: Vec<(Rc<SessionKeys>, Box<[u8]>)>,
    /// Length of the identifiers.
    mki_len: usize,
    /// What was told of them, roll-over counters among it.
    told: SrtpKeys,
    sources: Vec<Source>,
    max_sources: usize,
}

/// What has come from one SSRC.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    rtp: Option<ReplayWindow>,
    rtcp: Option<ReplayWindow>,
}

impl SrtpReceiver {
    /// A receiver of packets from up to `max_sources` SSRCs; a further one takes the place of the
    /// one that came first. `derived` are the session keys of `keys`, in the same order.
    pub(super) fn new(keys: &SrtpKeys, derived: &[Rc<SessionKeys>], max_sources: usize) -> Self {
        let mki_len = keys.keys().first().map_or(0, |key| key.mki.len());
        let pair = |(derived, key): (&Rc<_>, &IdentifiedKey)| (Rc::clone(derived), key.mki.clone());
        Self {
            keys: derived.iter().zip(keys.keys()).map(pair).collect(),
            mki_len,
            told: keys.clone(),
            sources: Vec::new(),
            max_sources,
        }
    }

    /// Checks an SRTP packet and takes its protection off. Returns the length of the RTP packet.
    pub(super) fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        let Clear { seq, ssrc, len: header } = Clear::of(packet).ok_or(Refusal::NotAuthentic)?;
        let keys = self.keys_of(packet, PacketKind::Rtp).ok_or(Refusal::NotAuthentic)?;
        let mki_len = self.mki_len;
        let window = self.source(ssrc).and_then(|source| source.rtp.as_mut());
        if let Some(window) = window {
            let index = window.index_of(seq).ok_or(Refusal::NotAuthentic)?;
            if !window.is_new(index) {
                return Err(Refusal::Replayed);
            }
            let len = keys.unprotect_rtp(packet, header, (ssrc, index), mki_len);
            let len = len.ok_or(Refusal::NotAuthentic)?;
            window.accept(index);
            return Ok(len);
        }
        // The counter may have gone on since it was told, and the packet be from before that.
        let told = u64::from(self.told.roll_over(ssrc)) << 16;
        let border = if seq < 0x8000 { told + 0xFFFF } else { told };
        let candidates = [Some(told | u64::from(seq)), nearest(border, seq)];
        for index in candidates.into_iter().flatten() {
            if let Some(len) = keys.unprotect_rtp(packet, header, (ssrc, index), mki_len) {
                self.note(ssrc, |source| source.rtp = Some(ReplayWindow::new(index)));
                return Ok(len);
            }
        }
        Err(Refusal::NotAuthentic)
    }

    /// As [`unprotect_rtp`](Self::unprotect_rtp), for SRTCP.
    pub(super) fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        let ssrc = rtcp_ssrc(packet).ok_or(Refusal::NotAuthentic)?;
        let keys = self.keys_of(packet, PacketKind::Rtcp).ok_or(Refusal::NotAuthentic)?;
        let mki_len = self.mki_len;
        let (index, encrypted) = keys.rtcp_index(packet, mki_len).ok_or(Refusal::NotAuthentic)?;
        let window = self.source(ssrc).and_then(|source| source.rtcp.as_ref());
        if window.is_some_and(|window| !window.is_new(index.into())) {
            return Err(Refusal::Replayed);
        }
        let len = keys.unprotect_rtcp(packet, ssrc, (index, encrypted), mki_len);
        let len = len.ok_or(Refusal::NotAuthentic)?;
        self.note(ssrc, |source| match &mut source.rtcp {
            Some(window) => window.accept(index.into()),
            rtcp => *rtcp = Some(ReplayWindow::new(index.into())),
        });
        Ok(len)
    }

    /// The keys that a packet names. The identifier stands before the tag of HMAC, and behind that
    /// of AES-GCM (RFC 3711 section 3.1, RFC 7714 section 4).
    fn keys_of(&self, packet: &[u8], kind: PacketKind) -> Option<Rc<SessionKeys>> {
        let (first, _) = self.keys.first()?;
        if self.mki_len == 0 {
            return Some(Rc::clone(first));
        }
        let suite = first.suite();
        let behind = match kind {
            _ if suite.is_aead() => 0,
            PacketKind::Rtp => suite.tag_len(),
            PacketKind::Rtcp => suite.rtcp_tag_len(),
        };
        let end = packet.len().checked_sub(behind)?;
        let mki = packet.get(end.checked_sub(self.mki_len)?..end)?;
        self.keys.iter().find(|(_, of)| **of == *mki).map(|(keys, _)| Rc::clone(keys))
    }

    fn source(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.ssrc == ssrc)
    }

    /// The source of an authentic packet, changed by `change`.
    fn note(&mut self, ssrc: u32, change: impl FnOnce(&mut Source)) {
        if let Some(source) = self.source(ssrc) {
            return change(source);
        }
        if self.sources.len() >= self.max_sources {
            self.sources.remove(0);
        }
        let mut source = Source { ssrc, rtp: None, rtcp: None };
        change(&mut source);
        self.sources.push(source);
    }
}
