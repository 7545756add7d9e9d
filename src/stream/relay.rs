//! [`Relay`]: what a stream knows of the packets that it passes on.

use crate::codec::CodecParameters;
use crate::payload::{FormatRegistry, PacketBuffer, Packetizer, PayloadFormat};
use crate::rtp::ReceivedPacket;
use crate::rtp::rtcp::NtpTime;
use crate::stream::key_frames::FramePart;
use crate::stream::packet_watch::PacketWatch;
use crate::stream::repacketizer::Repacketizer;
use crate::stream::source_clock::{Captured, SourceClock};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Sequence numbers that are left out at most. Receivers take a larger step for the beginning of
/// another stream (`MAX_DROPOUT` in RFC 3550 appendix A.1).
const MAX_GAP: u32 = 1000;

/// The format of a stream whose packets are passed on, as its source describes it, and the formats
/// in which it is looked up.
#[derive(Clone, Debug)]
pub(crate) struct RelayParts {
    pub(crate) format: PayloadFormat,
    pub(crate) formats: FormatRegistry,
}

/// Where a timestamp of the source lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// The time on the source's line.
    pub(crate) pts: Duration,
    /// The running time of the stream that belongs to it.
    pub(crate) running_time: Duration,
}

/// The packets that a stream passes on.
pub(crate) struct Relay {
    parts: RelayParts,
    watch: PacketWatch,
    clock: SourceClock,
    /// The last timestamp of the source, and where it lies.
    last: Option<(u32, Placed)>,
    /// The latest arrival of a packet.
    arrived: Option<Instant>,
    captured: Option<Captured>,
    /// Nothing is sent before the next key frame.
    awaits_key_frame: bool,
    /// Packets that were lost since the last one that was sent.
    gap: u32,
    has_sent: bool,
    /// Parameter sets of the source's new description, the last first, which go out before the next
    /// key frame: viewers have those of an earlier one.
    sets: Vec<Bytes>,
    /// The packets that go out next.
    pending: Option<(PacketBuffer, FramePart)>,
    /// Packets are too large for the viewers: frames are packetized anew.
    repacketizer: Option<Repacketizer>,
    /// The registry does not have the format: packets that are too large are dropped.
    is_stuck: bool,
}

impl Relay {
    /// `waits`: the first viewer is sent nothing before a key frame.
    pub(crate) fn new(parts: RelayParts, waits: bool) -> Self {
        let test = parts.formats.payload_test(&parts.format);
        let watch = PacketWatch::new(test, parts.format.media == "video");
        Self {
            watch,
            clock: SourceClock::new(parts.format.clock_rate),
            parts,
            last: None,
            arrived: None,
            captured: None,
            awaits_key_frame: waits && watch.finds_key_frames(),
            gap: 0,
            has_sent: false,
            sets: Vec::new(),
            pending: None,
            repacketizer: None,
            is_stuck: false,
        }
    }

    /// The source begins anew, or is another one: viewers go on with its next key frame.
    pub(crate) fn begin_anew(&mut self) {
        // Receivers do not take what came of the last frame for all of it.
        self.gap = self.gap.max(u32::from(self.has_sent && self.watch.is_inside()));
        self.watch.reset();
        self.clock.begin_anew();
        (self.last, self.captured) = (None, None);
        self.awaits_key_frame = self.watch.finds_key_frames();
        self.repacketizer = None;
    }

    /// The source is described by another format of the same codec.
    pub(crate) fn set_format(&mut self, format: PayloadFormat) {
        if self.parts.format.fmtp != format.fmtp {
            self.sets = match self.parts.formats.parameters(&format) {
                Ok(CodecParameters::H264 { sps, pps }) => sps.into_iter().chain(pps).collect(),
                Ok(CodecParameters::H265 { vps, sps, pps }) => {
                    vps.into_iter().chain(sps).chain(pps).collect()
                }
                _ => Vec::new(),
            };
            self.sets.reverse();
        }
        self.parts.format = format;
    }

    /// Whether parameter sets go out before the next key frame.
    pub(crate) fn has_sets(&self) -> bool {
        !self.sets.is_empty()
    }

    /// The next parameter set that goes out.
    pub(crate) fn next_set(&mut self) -> Option<Bytes> {
        self.sets.pop()
    }

    /// Returns the role of a packet in its access unit; `None` if it is not sent, because nothing is
    /// before a key frame.
    pub(crate) fn admit(&mut self, packet: &ReceivedPacket<'_>) -> Option<FramePart> {
        if packet.restarted {
            self.begin_anew();
        }
        let mut part = self.watch.handle_packet(packet);
        if self.awaits_key_frame {
            if !part.key {
                return None;
            }
            self.awaits_key_frame = false;
            part.starts_unit = true;
        } else {
            let lost = u32::try_from(packet.lost_before).unwrap_or(u32::MAX);
            self.gap = self.gap.saturating_add(lost);
        }
        Some(part)
    }

    /// Whether nothing is sent before the next key frame.
    pub(crate) const fn awaits_key_frame(&self) -> bool {
        self.awaits_key_frame
    }

    /// Takes the sequence numbers that are to be left out before the next packet.
    pub(crate) fn take_gap(&mut self) -> u16 {
        let gap = if self.has_sent { std::mem::take(&mut self.gap).min(MAX_GAP) } else { 0 };
        self.gap = 0;
        self.has_sent = true;
        u16::try_from(gap).unwrap_or(0)
    }

    /// A packet could not be sent.
    pub(crate) const fn note_dropped(&mut self) {
        self.gap = self.gap.saturating_add(1);
    }

    // Time

    /// Where a timestamp of the source lies, if it is that of the packet before.
    pub(crate) fn known_place(&self, timestamp: u32) -> Option<Placed> {
        self.last.filter(|(known, _)| *known == timestamp).map(|(_, placed)| placed)
    }

    /// The time of a timestamp on the source's line, and when its packet arrived: not before those
    /// that were placed already.
    pub(crate) fn time_of(&mut self, timestamp: u32, arrived: Instant) -> (Duration, Instant) {
        let arrived = self.arrived.map_or(arrived, |latest| latest.max(arrived));
        self.arrived = Some(arrived);
        (self.clock.time_of(timestamp, arrived), arrived)
    }

    /// Notes where a timestamp of the source lies.
    pub(crate) const fn note_place(&mut self, timestamp: u32, placed: Placed) {
        self.last = Some((timestamp, placed));
    }

    /// Notes when that was captured to which viewers' `timestamp` belongs.
    pub(crate) fn note_captured(&mut self, time: NtpTime, timestamp: u32, arrived: Instant) {
        self.captured = Some(Captured { time: time.to_unix(), timestamp, arrived });
    }

    /// What the source has told last of its clock.
    pub(crate) const fn captured(&self) -> Option<&Captured> {
        self.captured.as_ref()
    }

    // Packets that go out next

    pub(crate) const fn has_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// The packets that go out next, with the role of the first.
    pub(crate) const fn pending_mut(&mut self) -> Option<&mut (PacketBuffer, FramePart)> {
        self.pending.as_mut()
    }

    pub(crate) fn set_pending(&mut self, batch: PacketBuffer, part: FramePart) {
        self.pending = Some((batch, part));
    }

    pub(crate) const fn take_pending(&mut self) -> Option<(PacketBuffer, FramePart)> {
        self.pending.take()
    }

    /// Whether a packet cannot go out with those that wait, because a viewer may begin with it, or
    /// with what waits, and not with both.
    pub(crate) fn ends_batch(&self, part: FramePart) -> bool {
        let is_video = self.watch.is_video();
        self.pending.as_ref().is_some_and(|(_, first)| {
            is_video && (part.starts_unit || part.key && !first.starts_unit)
        })
    }

    // Packets that are too large

    pub(crate) const fn repacketizer(&mut self) -> Option<&mut Repacketizer> {
        self.repacketizer.as_mut()
    }

    /// Begins to packetize anew. Returns the packetizer; `None` if that is not possible.
    pub(crate) fn begin_repacketizing(
        &mut self,
        payload_len: usize,
        ssrc: u32,
    ) -> Option<Box<dyn Packetizer>> {
        if self.is_stuck {
            return None;
        }
        let RelayParts { format, formats } = &self.parts;
        let name = &format.encoding_name;
        match Repacketizer::new(format, formats) {
            Ok((repacketizer, packetizer)) => {
                log::info!(
                    "stream {ssrc:08x}: payloads of {payload_len} bytes do not fit: {name} is \
                     packetized anew"
                );
                self.repacketizer = Some(repacketizer);
                Some(packetizer)
            }
            Err(e) => {
                log::warn!(
                    "stream {ssrc:08x}: {name} with payloads of {payload_len} bytes, which do not \
                     fit, are dropped: {e}"
                );
                self.is_stuck = true;
                None
            }
        }
    }
}
