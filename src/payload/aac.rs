//! AAC in mode AAC-hbr: several access units in a packet, or a fragment of one.
//!
//! Read RFC 3640, sections 3.2.1 (AU headers), 3.2.3 (fragments), 3.3.6 (AAC-hbr) and 4.1
//! (parameters).

use super::gather::Gather;
use super::{DepacketizedFrame, Depacketizer, PacketBuffer, Packetizer, PayloadFormat};
use crate::codec::aac::AudioSpecificConfig;
use crate::frame::Frame;
use crate::wire::{ParseError, Reader};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt::Write;

/// `AU-headers-length`, in front of the AU headers.
const LENGTH_LEN: usize = 2;
/// One AU header: 13 bits of size, 3 of index.
const AU_HEADER_LEN: usize = 2;
/// Largest access unit that 13 bits can state.
const MAX_AU: usize = 0x1fff;

/// SDP parameters. `sampling_rate` becomes the RTP clock; `config` is the AudioSpecificConfig.
pub fn format(config: &Bytes, sampling_rate: u32, channels: u8, dynamic: u8) -> PayloadFormat {
    let mut fmtp = String::from(
        "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;\
         indexdeltalength=3",
    );
    let _ = write!(fmtp, ";constantDuration={}", samples_per_unit(config, sampling_rate));
    fmtp.push_str(";config=");
    for byte in config {
        let _ = write!(fmtp, "{byte:02X}");
    }
    PayloadFormat {
        media: "audio",
        payload_type: dynamic,
        encoding_name: "MPEG4-GENERIC",
        clock_rate: sampling_rate,
        channels: Some(channels),
        fmtp: Some(fmtp),
    }
}

/// Length of an access unit in units of a clock of `clock_rate`: twice the core's 1024 where the
/// clock is that of the output of spectral band replication.
pub fn samples_per_unit(config: &[u8], clock_rate: u32) -> u32 {
    let Ok(config) = AudioSpecificConfig::parse(config) else { return 1024 };
    let units =
        u64::from(config.frame_length) * u64::from(clock_rate) / u64::from(config.sampling_rate);
    u32::try_from(units).unwrap_or(1024)
}

/// Cuts access units into payloads: as many in a packet as fit and span at most 0.1 s.
///
/// ```
/// use riverrun::Frame;
/// use riverrun::payload::aac::AacPacketizer;
/// use riverrun::payload::{PacketBuffer, Packetizer};
/// use std::time::Duration;
///
/// let mut packetizer = AacPacketizer::new(48_000);
/// let mut packets = PacketBuffer::new(1400);
/// let unit = Frame::new(vec![0; 300], Duration::ZERO, Duration::from_nanos(21_333_333));
/// packetizer.packetize(&unit, &mut packets);
/// assert!(packets.is_empty() && packetizer.holds_back());
/// packetizer.flush(&mut packets);
/// assert_eq!(packets.payload(0).unwrap().len(), 2 + 2 + 300);
/// ```
#[derive(Debug)]
pub struct AacPacketizer {
    gather: Gather,
}

impl AacPacketizer {
    /// For an RTP clock of `sampling_rate`.
    pub const fn new(sampling_rate: u32) -> Self {
        Self { gather: Gather::new(sampling_rate) }
    }

    fn put_units(&mut self, out: &mut PacketBuffer) {
        if self.gather.is_empty() {
            return;
        }
        out.begin_packet();
        let bits = self.gather.count() * AU_HEADER_LEN * 8;
        out.put(&(bits as u16).to_be_bytes());
        for len in self.gather.lengths() {
            // AU-Index of the first and AU-Index-delta of the others are 0: no interleaving.
            out.put(&au_header(len));
        }
        out.put(self.gather.bytes());
        out.finish_packet(true, self.gather.lag());
        self.gather.clear();
    }

    /// All fragments have the header of the whole, its size and timestamp; the last is marked.
    fn put_fragments(frame: &Frame, out: &mut PacketBuffer) {
        let room = out.max_payload().saturating_sub(LENGTH_LEN + AU_HEADER_LEN).max(1);
        for fragment in frame.data.chunks(room) {
            out.begin_packet();
            out.put(&(AU_HEADER_LEN as u16 * 8).to_be_bytes());
            out.put(&au_header(frame.data.len()));
            out.put(fragment);
            out.finish_packet(false, 0);
        }
        out.mark_last();
    }
}

/// `size` is at most [`MAX_AU`].
const fn au_header(size: usize) -> [u8; 2] {
    ((size as u16) << 3).to_be_bytes()
}

impl Packetizer for AacPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        self.gather.handle_frame(frame);
        let len = frame.data.len();
        if len == 0 || len > MAX_AU {
            self.put_units(out);
            log::debug!("an access unit of {len} bytes cannot be sent in AAC-hbr");
            return;
        }
        let header = LENGTH_LEN + (self.gather.count() + 1) * AU_HEADER_LEN;
        if !self.gather.continues_with(frame)
            || header + self.gather.bytes().len() + len > out.max_payload()
        {
            self.put_units(out);
        }
        if LENGTH_LEN + AU_HEADER_LEN + len > out.max_payload() {
            Self::put_fragments(frame, out);
            return;
        }
        self.gather.push(frame);
        if self.gather.is_full() {
            self.put_units(out);
        }
    }

    fn flush(&mut self, out: &mut PacketBuffer) {
        self.put_units(out);
    }

    fn reset(&mut self) {
        self.gather.clear();
    }

    fn holds_back(&self) -> bool {
        !self.gather.is_empty()
    }
}

/// Puts access units together.
#[derive(Debug)]
pub struct AacDepacketizer {
    unit_duration: u32,
    frames: VecDeque<DepacketizedFrame>,
    /// Fragments of an access unit: size of the whole, timestamp, bytes so far.
    partial: Option<(usize, u32, Vec<u8>)>,
    discontinuity: bool,
}

impl AacDepacketizer {
    /// `unit_duration`: RTP units from one access unit to the next (`constantDuration`, or
    /// [`samples_per_unit`]).
    pub const fn new(unit_duration: u32) -> Self {
        Self { unit_duration, frames: VecDeque::new(), partial: None, discontinuity: false }
    }

    fn push(&mut self, data: Bytes, timestamp: u32) {
        let discontinuity = std::mem::take(&mut self.discontinuity);
        self.frames.push_back(DepacketizedFrame { data, timestamp, key: true, discontinuity });
    }

    fn drop_partial(&mut self) {
        if self.partial.take().is_some() {
            self.discontinuity = true;
        }
    }

    /// Payload of one packet that carries a fragment, of an access unit of `size` bytes.
    fn handle_fragment(&mut self, size: usize, data: &[u8], marker: bool, timestamp: u32) {
        if self.partial.as_ref().is_some_and(|p| (p.0, p.1) != (size, timestamp)) {
            self.drop_partial();
        }
        let (_, _, bytes) = self.partial.get_or_insert_with(|| (size, timestamp, Vec::new()));
        bytes.extend_from_slice(data);
        if bytes.len() >= size || marker {
            let whole = bytes.len() == size;
            match self.partial.take() {
                Some((_, _, bytes)) if whole => self.push(bytes.into(), timestamp),
                _ => self.discontinuity = true,
            }
        }
    }
}

impl Depacketizer for AacDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &[u8],
        marker: bool,
        timestamp: u32,
        lost: bool,
    ) -> Result<(), ParseError> {
        const WHAT: &str = "AAC-hbr payload";
        if lost {
            self.partial = None;
            self.discontinuity = true;
        }
        let mut r = Reader::new(payload);
        let bits = usize::from(r.u16(WHAT)?);
        if bits == 0 || bits % (AU_HEADER_LEN * 8) != 0 {
            return Err(r.invalid(WHAT));
        }
        let mut headers = r.sub(bits / 8, WHAT)?;
        let mut first = true;
        let mut at = timestamp;
        while !headers.is_empty() {
            let header = headers.u16(WHAT)?;
            let size = usize::from(header >> 3);
            // Interleaving (section 3.2.3.2) is never offered in SDP that we make or accept.
            if header & 7 != 0 || size == 0 {
                return Err(headers.invalid(WHAT));
            }
            if first && headers.is_empty() && size > r.remaining().len() {
                // What precedes a fragment of another unit, or a unit's end that never came, is
                // found out there.
                if r.is_empty() {
                    return Err(r.invalid(WHAT));
                }
                self.handle_fragment(size, r.rest(), marker, at);
                return Ok(());
            }
            self.drop_partial();
            first = false;
            let data = Bytes::copy_from_slice(r.take(size, WHAT)?);
            self.push(data, at);
            at = at.wrapping_add(self.unit_duration);
        }
        Ok(())
    }

    fn poll_frame(&mut self) -> Option<DepacketizedFrame> {
        self.frames.pop_front()
    }

    fn handle_end(&mut self) {
        self.partial = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::{audio_frames, round_trip};

    const CONFIG: &[u8] = &[0x12, 0x10];

    #[test]
    fn what_goes_in_comes_out() {
        for max_payload in [20, 60, 333, 1000, 1400, 9000] {
            for max_len in [10, 300, 1500, 8191] {
                let frames = audio_frames(200, max_len, 1024, 44_100, max_payload as u64);
                let mut p = AacPacketizer::new(44_100);
                let mut d = AacDepacketizer::new(1024);
                round_trip(&mut p, &mut d, &frames, 44_100, max_payload);
            }
        }
    }

    #[test]
    fn small_frames_share_a_packet_but_not_for_long() {
        let mut p = AacPacketizer::new(48_000);
        let mut out = PacketBuffer::new(1400);
        let frames = audio_frames(8, 1, 1024, 48_000, 1);
        for frame in &frames {
            p.packetize(frame, &mut out);
        }
        // Four frames of 21.3 ms are 85 ms; a fifth would make 107.
        assert_eq!(out.spans().len(), 2);
        assert!(!p.holds_back());
        assert_eq!(out.spans()[0].timestamp_lag, 3 * 1024);
        assert!(out.spans().iter().all(|s| s.marker));
        assert_eq!(out.payload(0).unwrap()[..2], [0, 64]);
    }

    #[test]
    fn flush_gives_what_waits_with_its_lag() {
        let mut p = AacPacketizer::new(44_100);
        let mut out = PacketBuffer::new(1400);
        let frames = audio_frames(2, 100, 1024, 44_100, 1);
        p.packetize(&frames[0], &mut out);
        p.packetize(&frames[1], &mut out);
        assert!(out.is_empty() && p.holds_back());
        p.flush(&mut out);
        assert_eq!(out.spans()[0].timestamp_lag, 1024);
        assert!(!p.holds_back());
    }

    #[test]
    fn a_jump_in_time_ends_the_packet() {
        let mut p = AacPacketizer::new(44_100);
        let mut out = PacketBuffer::new(1400);
        let frames = audio_frames(9, 20, 1024, 44_100, 1);
        p.packetize(&frames[0], &mut out);
        p.packetize(&frames[8], &mut out);
        assert_eq!(out.spans().len(), 1);
        assert_eq!(out.spans()[0].timestamp_lag, 8 * 1024);
    }

    #[test]
    fn a_lost_fragment_drops_the_unit_and_marks_the_next() {
        let frames = audio_frames(3, 8191, 1024, 44_100, 5);
        let mut p = AacPacketizer::new(44_100);
        let mut d = AacDepacketizer::new(1024);
        let mut out = PacketBuffer::new(100);
        p.packetize(&frames[0], &mut out);
        let first = out.spans().len();
        p.packetize(&frames[1], &mut out);
        p.flush(&mut out);
        assert!(first > 2);
        for i in (0..out.spans().len()).filter(|&i| i != 1) {
            let at = if i < first { 0 } else { 1024 };
            d.handle_payload(out.payload(i).unwrap(), out.spans()[i].marker, at, i == 2).unwrap();
        }
        let frame = d.poll_frame().unwrap();
        assert_eq!(frame.data, frames[1].data);
        assert!(frame.discontinuity);
        assert_eq!(d.poll_frame(), None);
    }

    #[test]
    fn garbage_is_an_error() {
        let mut d = AacDepacketizer::new(1024);
        for payload in [&[][..], &[0], &[0, 0], &[0, 15, 0, 8, 1], &[0, 16, 0], &[0, 16, 0, 9, 1]] {
            assert!(d.handle_payload(payload, true, 0, false).is_err(), "{payload:?}");
        }
        // Two units promised, one there.
        assert!(d.handle_payload(&[0, 32, 0, 8, 0, 8, 1], true, 0, false).is_err());
    }

    #[test]
    fn sdp() {
        let format = format(&Bytes::from_static(CONFIG), 44_100, 2, 96);
        assert_eq!(
            format.fmtp.as_deref(),
            Some(
                "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;\
                 indexdeltalength=3;constantDuration=1024;config=1210"
            )
        );
        // A 24 kHz core with 48 kHz output and clock.
        assert_eq!(samples_per_unit(&[0x2b, 0x11, 0x88, 0x00], 48_000), 2048);
    }
}
