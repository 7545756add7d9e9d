//! [`FrameTap`]: frames of a presentation whose packets are passed on.

use super::rtcp::{SenderInfo, SenderReport};
use super::session_clock::SessionClock;
use super::source::{ReceivedPacket, RtpSource, RtpSourceConfig};
use crate::frame::Frame;
use crate::payload::{FormatRegistry, PayloadFormat};
use std::time::{Duration, Instant};

/// Payload type of the packets that sources are given here.
const PAYLOAD_TYPE: u8 = 96;
/// How often the capture time is passed on to the clock of the session.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// More lost packets than this are a new beginning.
const MAX_LOST: u64 = 1000;

/// Makes frames of the packets of a presentation that are received in
/// [pass-through](RtpSource::pass_through) mode: for a recorder beside a relay. All frames are on one
/// time line, which is that of the tracks' capture times once they are known.
///
/// ```
/// use riverrun::payload::{FormatRegistry, PayloadFormat};
/// use riverrun::rtp::{FrameTap, RtpSource, RtpSourceConfig};
/// use std::time::Instant;
///
/// let pcmu = PayloadFormat::new("audio", "PCMU", 8000, 0);
/// let mut tap = FrameTap::new(FormatRegistry::standard(), [&pcmu]);
/// let mut source = RtpSource::pass_through(RtpSourceConfig::new(0, 8000))?;
/// let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
/// packet.extend([0xff; 160]);
/// let mut frames = Vec::new();
/// source
///     .handle_packet_with(&packet, Instant::now(), |packet| {
///         tap.handle_packet(0, packet, |frame| frames.push(frame));
///     })
///     .expect("it is one of the stream's");
/// assert_eq!(frames[0].data.len(), 160);
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Debug)]
pub struct FrameTap {
    tracks: Vec<Option<Track>>,
    clock: SessionClock,
    /// The packet that a source is given.
    memory: Vec<u8>,
}

#[derive(Debug)]
struct Track {
    source: RtpSource,
    /// SSRC and sequence number of the next packet.
    ssrc: u32,
    sequence: u16,
    reported_at: Option<Instant>,
}

impl FrameTap {
    /// Creates a tap for tracks of these formats, which are numbered from 0. A track whose format has
    /// no depacketizer in the registry has no frames.
    pub fn new<'a>(
        registry: &FormatRegistry,
        formats: impl IntoIterator<Item = &'a PayloadFormat>,
    ) -> Self {
        let track = |format: &PayloadFormat| {
            let depacketizer = registry.depacketizer(format).ok()?;
            let mut config = RtpSourceConfig::new(PAYLOAD_TYPE, format.clock_rate);
            // They come in order.
            config.max_delay = Duration::ZERO;
            let mut source = RtpSource::new(config, depacketizer).ok()?;
            let ssrc = 1;
            source.expect_ssrc(ssrc);
            Some(Track { source, ssrc, sequence: 0, reported_at: None })
        };
        let tracks: Vec<_> = formats.into_iter().map(track).collect();
        let clock = SessionClock::new(tracks.len());
        Self { tracks, clock, memory: Vec::new() }
    }

    /// Returns whether frames are made of a track's packets.
    pub fn has_frames(&self, track: usize) -> bool {
        self.tracks.get(track).is_some_and(Option::is_some)
    }

    /// Processes the next packet of a track, and calls `take` with each frame that it completes. The
    /// decoding time of a frame is its presentation time.
    pub fn handle_packet(
        &mut self,
        track: usize,
        packet: &ReceivedPacket<'_>,
        mut take: impl FnMut(Frame),
    ) {
        let Self { tracks, clock, memory } = self;
        let Some(Some(tapped)) = tracks.get_mut(track) else { return };
        tapped.write(packet, memory);
        let now = packet.arrived_at;
        tapped.report(packet, now);
        if let Err(why) = tapped.source.handle_packet(memory, now) {
            log::trace!("track {track}: a packet makes no frame: {why}");
        }
        while let Some(mut frame) = tapped.source.poll_frame() {
            clock.place(track, &mut frame);
            let pts = frame.pts;
            take(frame.into_frame(pts));
        }
        // What it says of them is known to who has received them.
        while tapped.source.poll_event().is_some() {}
    }
}

impl Track {
    /// Writes the packet as it is numbered here.
    fn write(&mut self, packet: &ReceivedPacket<'_>, memory: &mut Vec<u8>) {
        if packet.restarted || packet.lost_before > MAX_LOST {
            self.ssrc = self.ssrc.wrapping_add(1);
            self.source.expect_ssrc(self.ssrc);
            self.reported_at = None;
        } else {
            self.sequence = self.sequence.wrapping_add(packet.lost_before as u16);
        }
        memory.clear();
        let has_extension = if packet.extension.is_some() { 0x10 } else { 0 };
        memory.extend([0x80 | has_extension, PAYLOAD_TYPE | if packet.marker { 0x80 } else { 0 }]);
        memory.extend(self.sequence.to_be_bytes());
        memory.extend(packet.timestamp.to_be_bytes());
        memory.extend(self.ssrc.to_be_bytes());
        if let Some((profile, data)) = packet.extension {
            memory.extend(profile.to_be_bytes());
            memory.extend(((data.len() / 4) as u16).to_be_bytes());
            memory.extend_from_slice(data);
        }
        memory.extend_from_slice(packet.payload);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Passes the capture time on as a sender's report would.
    fn report(&mut self, packet: &ReceivedPacket<'_>, now: Instant) {
        let Some(ntp) = packet.capture_time else { return };
        let is_due =
            self.reported_at.is_none_or(|at| now.saturating_duration_since(at) >= REPORT_INTERVAL);
        if !is_due {
            return;
        }
        self.reported_at = Some(now);
        let rtp_timestamp = packet.timestamp;
        let info = SenderInfo { ntp, rtp_timestamp, packet_count: 0, octet_count: 0 };
        self.source.handle_sender_report(&SenderReport { ssrc: self.ssrc, info }, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::rtcp::NtpTime;
    use crate::rtp::testing::some_instant;

    const MS: Duration = Duration::from_millis(1);

    fn packet(payload: &[u8], timestamp: u32, arrived_at: Instant) -> ReceivedPacket<'_> {
        ReceivedPacket {
            payload,
            extension: None,
            marker: false,
            timestamp,
            sequence: 0,
            ssrc: 9,
            lost_before: 0,
            restarted: false,
            pts: Duration::ZERO,
            capture_time: None,
            arrived_at,
        }
    }

    fn tap(formats: &[&PayloadFormat]) -> FrameTap {
        FrameTap::new(FormatRegistry::standard(), formats.iter().copied())
    }

    fn pcmu() -> PayloadFormat {
        PayloadFormat::new("audio", "PCMU", 8000, 0)
    }

    fn frames(tap: &mut FrameTap, track: usize, packet: &ReceivedPacket<'_>) -> Vec<Frame> {
        let mut frames = Vec::new();
        tap.handle_packet(track, packet, |frame| frames.push(frame));
        frames
    }

    /// ONVIF Streaming Specification, section "JPEG over RTP".
    #[cfg(feature = "video-formats")]
    #[test]
    fn the_header_extension_of_a_large_picture_counts() {
        use crate::codec::jpeg::{size, tests::Picture};
        use crate::payload::{PacketBuffer, Packetizer, jpeg::JpegPacketizer};
        let now = some_instant();
        let mut tap = tap(&[&PayloadFormat::new("video", "JPEG", 90_000, 26)]);
        let file = Picture::new(3840, 2160, &[5; 4000]).file();
        let mut out = PacketBuffer::new(1400);
        let frame = Frame::new(file, Duration::ZERO, Duration::ZERO);
        JpegPacketizer::new().packetize(&frame, &mut out);
        let mut given = Vec::new();
        for (i, span) in out.spans().iter().enumerate() {
            let mut packet = packet(out.payload(i).unwrap(), 0, now);
            (packet.extension, packet.marker) = (out.extension(i), span.marker);
            given.extend(frames(&mut tap, 0, &packet));
        }
        assert_eq!(given.len(), 1);
        assert_eq!(size(&given[0].data), Some((3840, 2160)));
    }

    #[test]
    fn frames_are_put_together_and_losses_told() {
        let now = some_instant();
        let mut tap = tap(&[&PayloadFormat::new("video", "H264", 90_000, 97)]);
        // A picture in two fragments, of which the marker ends the second.
        let key = |end: &[u8]| [&[0x7c, 0x85][..], end].concat();
        let rest = [0x7c, 0x45, 7, 7];
        assert!(frames(&mut tap, 0, &packet(&key(&[0x88]), 0, now)).is_empty());
        let last = ReceivedPacket { marker: true, ..packet(&rest, 0, now) };
        let whole = frames(&mut tap, 0, &last);
        assert_eq!(&*whole[0].data, [0, 0, 0, 1, 0x65, 0x88, 7, 7]);
        assert!(whole[0].flags.key && !whole[0].flags.discontinuity);
        let inter = [0x41, 0x9a, 1];
        let lossy = ReceivedPacket { lost_before: 3, marker: true, ..packet(&inter, 3600, now) };
        let after = frames(&mut tap, 0, &lossy);
        assert!(after[0].flags.discontinuity && !after[0].flags.key);
        assert_eq!(after[0].pts, whole[0].pts + 40 * MS);
    }

    #[test]
    fn tracks_share_the_time_line_of_their_capture() {
        let now = some_instant();
        let (audio, payload) = (pcmu(), [0xff; 160]);
        let mut tap = tap(&[&audio, &audio]);
        // The second track arrives 80 ms after the first, and was captured at the same time.
        let captured = |ms: u32| Some(NtpTime::from_unix(Duration::from_secs(1_000_000) + ms * MS));
        for n in 0..200u32 {
            let at = now + n * 20 * MS;
            let capture_time = captured(n * 20);
            let first = ReceivedPacket { capture_time, ..packet(&payload, n * 160, at) };
            let second =
                ReceivedPacket { capture_time, ..packet(&payload, 77_000 + n * 160, at + 80 * MS) };
            let first = frames(&mut tap, 0, &first).remove(0);
            let second = frames(&mut tap, 1, &second).remove(0);
            assert_eq!(first.pts, n * 20 * MS);
            let told = captured(n * 20).map_or(Duration::ZERO, NtpTime::to_unix);
            assert!(first.wall_clock.is_some_and(|wall| wall.abs_diff(told) < MS / 100));
            if n >= 20 {
                let apart = first.pts.abs_diff(second.pts);
                assert!(apart <= MS, "packet {n}: {apart:?}");
            }
        }
    }

    #[test]
    fn time_goes_on_where_the_sender_begins_anew() {
        let now = some_instant();
        let mut tap = tap(&[&pcmu()]);
        let payload = [0xff; 160];
        let mut last = Duration::ZERO;
        for n in 0..50 {
            last = frames(&mut tap, 0, &packet(&payload, n * 160, now + n * 20 * MS))[0].pts;
        }
        let anew =
            ReceivedPacket { restarted: true, ..packet(&payload, 0x8000_0000, now + 2000 * MS) };
        let next = frames(&mut tap, 0, &anew).remove(0);
        assert!(next.flags.discontinuity);
        let step = next.pts - last;
        assert!((900 * MS..1200 * MS).contains(&step), "{step:?}");
        let lossy = ReceivedPacket {
            lost_before: 1 << 40,
            ..packet(&payload, 0x8000_00a0, now + 2020 * MS)
        };
        assert!(frames(&mut tap, 0, &lossy)[0].flags.discontinuity);
    }

    #[test]
    fn what_has_no_depacketizer_has_no_frames() {
        let now = some_instant();
        let mut tap = tap(&[&PayloadFormat::new("application", "X-ODD", 1000, 98), &pcmu()]);
        assert!(!tap.has_frames(0) && tap.has_frames(1) && !tap.has_frames(2));
        for track in [0, 2] {
            assert!(frames(&mut tap, track, &packet(&[1], 0, now)).is_empty());
        }
        assert_eq!(frames(&mut tap, 1, &packet(&[1], 0, now)).len(), 1);
        // Nothing of a packet is believed.
        for payload in [&[][..], &[0; 3], &[0x7c]] {
            let _ = frames(&mut tap, 1, &packet(payload, 5, now));
        }
    }
}
