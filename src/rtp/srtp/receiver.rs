//! [`SrtpReceiver`]: checks and decrypts the packets of one stream's senders.

use super::cipher::SessionKeys;
use super::keys::{IdentifiedKey, SrtpKeys};
use super::packet::{Clear, rtcp_ssrc};
use super::replay::{ReplayWindow, nearest};
use crate::rtp::transform::Refusal;
use crate::wire::rtp::PacketKind;
use std::collections::VecDeque;
use std::rc::Rc;

/// The receiving side: the master keys of a stream, told apart by their identifiers, and the SSRCs
/// from which authentic packets have come.
#[derive(Debug)]
pub(super) struct SrtpReceiver {
    keys: Vec<ReceiverKey>,
    /// Length of the identifiers.
    mki_len: usize,
    /// What was told of them, roll-over counters among it.
    told: SrtpKeys,
    sources: Vec<Source>,
    /// Sources that had to make room for others. Nothing more is accepted of them: without their
    /// windows, all that they have sent could be sent again.
    ended: VecDeque<u32>,
    limits: SourceLimits,
}

/// How many SSRCs a receiver knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceLimits {
    /// Those that may send at the same time; a further one takes the place of the one that came
    /// first.
    pub(super) present: usize,
    /// Those that have made room and do not come back; 0 where they may.
    pub(super) ended: usize,
}

/// A master key of a receiver.
#[derive(Clone, Debug)]
struct ReceiverKey {
    session: Rc<SessionKeys>,
    /// The identifier in its packets.
    mki: Box<[u8]>,
    /// The first and the last index of packets that it is good for.
    interval: (u64, u64),
}

/// What a packet is unprotected with.
struct Used {
    session: Rc<SessionKeys>,
    interval: (u64, u64),
}

impl ReceiverKey {
    fn used(&self) -> Used {
        Used { session: Rc::clone(&self.session), interval: self.interval }
    }
}

impl Used {
    const fn is_good_for(&self, index: u64) -> bool {
        let (first, last) = self.interval;
        first <= index && index <= last
    }
}

/// What has come from one SSRC.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    rtp: Option<ReplayWindow>,
    rtcp: Option<ReplayWindow>,
}

impl SrtpReceiver {
    /// A receiver of packets from several SSRCs. `derived` are the session keys of `keys`, in the
    /// same order.
    pub(super) fn new(keys: &SrtpKeys, derived: &[Rc<SessionKeys>], limits: SourceLimits) -> Self {
        let mki_len = keys.keys().first().map_or(0, |key| key.mki.len());
        let key = |(session, key): (&Rc<_>, &IdentifiedKey)| ReceiverKey {
            session: Rc::clone(session),
            mki: key.mki.clone(),
            interval: key.interval,
        };
        Self {
            keys: derived.iter().zip(keys.keys()).map(key).collect(),
            mki_len,
            told: keys.clone(),
            sources: Vec::new(),
            ended: VecDeque::new(),
            limits,
        }
    }

    /// Checks an SRTP packet and takes its protection off. Returns the length of the RTP packet.
    pub(super) fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        let Clear { seq, ssrc, len: header } = Clear::of(packet).ok_or(Refusal::NotAuthentic)?;
        let key = self.key_of(packet, PacketKind::Rtp).ok_or(Refusal::NotAuthentic)?;
        let mki_len = self.mki_len;
        if self.ended.contains(&ssrc) {
            return Err(Refusal::Replayed);
        }
        let window = self.source(ssrc).and_then(|source| source.rtp.as_mut());
        if let Some(window) = window {
            let index = window.index_of(seq).ok_or(Refusal::NotAuthentic)?;
            if !window.is_new(index) {
                return Err(Refusal::Replayed);
            }
            if !key.is_good_for(index) {
                return Err(Refusal::NotAuthentic);
            }
            let len = key.session.unprotect_rtp(packet, header, (ssrc, index), mki_len);
            let len = len.ok_or(Refusal::NotAuthentic)?;
            window.accept(index);
            return Ok(len);
        }
        // The counter may have gone on since it was told, and the packet be from before that.
        let told = u64::from(self.told.roll_over(ssrc)) << 16;
        let border = if seq < 0x8000 { told + 0xFFFF } else { told };
        let candidates = [Some(told | u64::from(seq)), nearest(border, seq)];
        for index in candidates.into_iter().flatten().filter(|index| key.is_good_for(*index)) {
            if let Some(len) = key.session.unprotect_rtp(packet, header, (ssrc, index), mki_len) {
                self.note(ssrc, |source| source.rtp = Some(ReplayWindow::new(index)));
                return Ok(len);
            }
        }
        Err(Refusal::NotAuthentic)
    }

    /// As [`unprotect_rtp`](Self::unprotect_rtp), for SRTCP.
    pub(super) fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        let ssrc = rtcp_ssrc(packet).ok_or(Refusal::NotAuthentic)?;
        let key = self.key_of(packet, PacketKind::Rtcp).ok_or(Refusal::NotAuthentic)?;
        let mki_len = self.mki_len;
        let word = key.session.rtcp_index(packet, mki_len);
        let (index, encrypted) = word.ok_or(Refusal::NotAuthentic)?;
        if self.ended.contains(&ssrc) {
            return Err(Refusal::Replayed);
        }
        if let Some(source) = self.source(ssrc) {
            if source.rtcp.as_ref().is_some_and(|window| !window.is_new(index.into())) {
                return Err(Refusal::Replayed);
            }
            // SRTCP goes with the SRTP that was heard last (RFC 3711 section 8.1.1).
            if source.rtp.as_ref().is_some_and(|window| !key.is_good_for(window.highest())) {
                return Err(Refusal::NotAuthentic);
            }
        }
        let len = key.session.unprotect_rtcp(packet, ssrc, (index, encrypted), mki_len);
        let len = len.ok_or(Refusal::NotAuthentic)?;
        self.note(ssrc, |source| match &mut source.rtcp {
            Some(window) => window.accept(index.into()),
            rtcp => *rtcp = Some(ReplayWindow::new(index.into())),
        });
        Ok(len)
    }

    /// The key that a packet names. The identifier stands before the tag of HMAC, and behind that
    /// of AES-GCM (RFC 3711 section 3.1, RFC 7714 section 4).
    fn key_of(&self, packet: &[u8], kind: PacketKind) -> Option<Used> {
        let first = self.keys.first()?;
        if self.mki_len == 0 {
            return Some(first.used());
        }
        let suite = first.session.suite();
        let behind = match kind {
            _ if suite.is_aead() => 0,
            PacketKind::Rtp => suite.tag_len(),
            PacketKind::Rtcp => suite.rtcp_tag_len(),
        };
        let end = packet.len().checked_sub(behind)?;
        let mki = packet.get(end.checked_sub(self.mki_len)?..end)?;
        self.keys.iter().find(|key| *key.mki == *mki).map(ReceiverKey::used)
    }

    fn source(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.ssrc == ssrc)
    }

    /// The source of an authentic packet, changed by `change`.
    fn note(&mut self, ssrc: u32, change: impl FnOnce(&mut Source)) {
        if let Some(source) = self.source(ssrc) {
            return change(source);
        }
        if self.sources.len() >= self.limits.present.max(1) {
            let oldest = self.sources.remove(0);
            self.ended.push_back(oldest.ssrc);
            if self.ended.len() > self.limits.ended {
                self.ended.pop_front();
            }
        }
        let mut source = Source { ssrc, rtp: None, rtcp: None };
        change(&mut source);
        self.sources.push(source);
    }
}
