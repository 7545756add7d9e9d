//! Bodies for the `rtp` layer: what arrives, in any order and at any time, and what is sent of
//! whatever frames.

use crate::codec::{CodecParameters, PcmEncoding};
use crate::frame::Frame;
use crate::payload::opaque::OpaqueDepacketizer;
use crate::payload::{FormatRegistry, PacketBuffer, RTP_HEADER_LEN, TCP_PREFIX_LEN};
use crate::rtp::receiver::KeyFrameMessage;
use crate::rtp::rtcp::NtpTime;
use crate::rtp::source::Rejected;
use crate::rtp::{
    ReceivedPacket, RtcpConfig, RtcpInstance, RtpSink, RtpSource, RtpSourceConfig, SenderFacts,
    SessionClock, SourceEvent, StreamReceiver, StreamReceiverConfig,
};
use crate::wire::Reader;
use crate::wire::rtcp::Compound;
use crate::wire::rtp::RtpPacket;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// What arrives at a receiver: each step is a number of milliseconds, a length and a packet.
pub fn source(data: &[u8]) {
    let config = RtpSourceConfig {
        max_packets: 8,
        max_bytes: 400,
        max_frames: 10,
        min_sequential: u16::from(data.first().is_some_and(|b| b & 1 == 1)) * 2,
        ..RtpSourceConfig::new(96, 90_000)
    };
    let mut source =
        RtpSource::new(config, Box::new(OpaqueDepacketizer::new())).expect("it can work");
    let mut now = Instant::now();
    let mut r = Reader::new(data.get(1..).unwrap_or_default());
    let mut taken = 0u64;
    while let (Ok(delay), Ok(len)) = (r.u8("delay"), r.u8("length")) {
        now += Duration::from_millis(delay.into());
        let len = usize::from(len % 64).min(r.remaining().len());
        let packet = r.take(len, "packet").unwrap_or_default();
        let _ = source.handle_packet(packet, now);
        match delay % 16 {
            0 => source.handle_timeout(now),
            1 => drop(source.report_block(now)),
            2 => source.handle_bye(source.ssrc().unwrap_or(0), now),
            4 => source.expect_ssrc(len as u32),
            5 => source.set_reference(u32::from(delay) << 24, Duration::from_secs(len as u64)),
            6 => while source.poll_event().is_some() {},
            7 => assert!(source.missing().count() <= 8 * 3000, "as many as a sequence may jump"),
            3 => {
                while let Some(frame) = source.poll_frame() {
                    assert!(frame.data.len() < 64);
                    taken += 1;
                }
            }
            _ => {}
        }
        if delay % 16 == 0 {
            assert!(source.poll_timeout().is_none_or(|at| at > now), "a timer that stands still");
        }
    }
    now += config.max_delay;
    source.handle_timeout(now);
    assert_eq!(source.poll_timeout(), None, "all waiting has an end");
    while source.poll_frame().is_some() {
        taken += 1;
    }
    let counters = source.counters();
    assert!(counters.frames <= counters.packets);
    assert_eq!(taken + counters.dropped_frames, counters.frames);
}

/// What a receiver should make of numbers that arrive in any order, in the simplest way.
struct OrderModel {
    next: Option<u64>,
    /// Numbers that wait, and when they arrived.
    kept: Vec<(u64, Instant)>,
    missing: u64,
}

impl OrderModel {
    const MAX_PACKETS: usize = 8;

    /// A number arrives; returns whether it is of use.
    fn offer(&mut self, number: u64, now: Instant) -> Result<(), Rejected> {
        if number < *self.next.get_or_insert(number) {
            return Err(Rejected::Late);
        }
        if self.kept.iter().any(|(kept, _)| *kept == number) {
            return Err(Rejected::Duplicate);
        }
        self.kept.push((number, now));
        Ok(())
    }

    /// When one that is missing is given up.
    fn due_at(&self) -> Option<Instant> {
        Some(self.kept.iter().map(|(_, arrived)| *arrived).min()? + MODEL_DELAY)
    }

    /// Takes what is next, with the number of those missing before it.
    fn take(&mut self, now: Instant) -> Option<(u64, u64)> {
        let (first, _) = *self.kept.iter().min()?;
        let next = self.next.unwrap_or(first);
        let is_full = self.kept.len() > Self::MAX_PACKETS;
        if first != next && !is_full && self.due_at().is_some_and(|at| at > now) {
            return None;
        }
        self.kept.retain(|(kept, _)| *kept != first);
        self.next = Some(first + 1);
        self.missing += first - next;
        Some((first, first - next))
    }

    /// The numbers that are missing and still awaited.
    fn awaited(&self) -> Vec<u64> {
        let last = self.kept.iter().map(|(kept, _)| *kept).max().unwrap_or_default();
        let is_kept = |number: &u64| self.kept.iter().any(|(kept, _)| kept == number);
        (self.next.unwrap_or_default()..last).filter(|number| !is_kept(number)).collect()
    }
}

/// How long a packet is awaited in [`reorder`].
const MODEL_DELAY: Duration = Duration::from_millis(100);

/// Packets of one sender in any order, held against a model: each step is a number of milliseconds,
/// and how far the packet is from the one that was to come. What is passed on is what frames are made
/// of.
pub fn reorder(data: &[u8]) {
    let config = RtpSourceConfig {
        max_packets: OrderModel::MAX_PACKETS,
        max_delay: MODEL_DELAY,
        ..RtpSourceConfig::new(96, 90_000)
    };
    let mut source =
        RtpSource::new(config, Box::new(OpaqueDepacketizer::new())).expect("it can work");
    let mut passing = RtpSource::pass_through(config).expect("it can work");
    let mut model = OrderModel { next: None, kept: Vec::new(), missing: 0 };
    let mut now = Instant::now();
    // The sequence numbers wrap on the way.
    let mut to_come = 65_500u64;
    let mut r = Reader::new(data);
    let mut told = 0;
    while let (Ok(delay), Ok(step)) = (r.u8("delay"), r.u8("step")) {
        now += Duration::from_millis(u64::from(delay & 0x3F));
        // Most are in order.
        let number = match step {
            0..128 => to_come,
            128..192 => to_come + u64::from(step % 32),
            _ => to_come - u64::from(step % 64),
        };
        to_come = to_come.max(number + 1);
        let mut packet = vec![0x80, 96];
        packet.extend_from_slice(&(number as u16).to_be_bytes());
        packet.extend_from_slice(&(number as u32).wrapping_mul(3000).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 9]);
        packet.extend_from_slice(&number.to_be_bytes());
        source.handle_timeout(now);
        let mut passed = Vec::new();
        let mut pass = |p: &ReceivedPacket<'_>| {
            let number = p.payload.try_into().map_or(0, u64::from_be_bytes);
            assert_eq!(p.sequence as u16, number as u16);
            passed.push((number, p.lost_before));
        };
        passing.handle_timeout_with(now, &mut pass);
        let taken = passing.handle_packet_with(&packet, now, &mut pass);
        let is_taken = source.handle_packet(&packet, now);
        assert_eq!(taken, is_taken);
        let mut expected: Vec<_> = std::iter::from_fn(|| model.take(now)).collect();
        assert_eq!(is_taken, model.offer(number, now), "{number}");
        expected.extend(std::iter::from_fn(|| model.take(now)));
        assert_eq!(passed, expected, "packets are passed on as frames are made");
        for (number, missing) in expected {
            let frame = source.poll_frame().expect("a packet that is next");
            assert_eq!(frame.data, number.to_be_bytes()[..], "in order");
            assert_eq!(frame.discontinuity, missing > 0, "{missing} are missing before {number}");
        }
        assert_eq!(source.poll_frame(), None);
        while let Some(SourceEvent::PacketsLost { count, .. }) = source.poll_event() {
            told += count;
        }
        assert_eq!((source.counters().missing, told), (model.missing, model.missing));
        let awaited = model.awaited().into_iter().map(|number| number as u16);
        assert!(source.missing().eq(awaited), "what is awaited");
        let due_at = model.due_at().filter(|_| !model.kept.is_empty());
        assert_eq!(source.poll_timeout(), due_at);
    }
    assert_eq!(source.counters().restarts, 0);
}

/// What arrives at a receiver of one of a session's streams: each step is a number of milliseconds, what
/// happens, a length and a packet, RTP or RTCP.
pub fn receiver(data: &[u8]) {
    let mut config = StreamReceiverConfig::new(96, 90_000, "fuzz");
    config.key_frame_message = Some(KeyFrameMessage::FullIntra);
    config.nack = true;
    (config.source.max_packets, config.source.max_bytes) = (8, 400);
    let mut now = Instant::now();
    let depacketizer = Box::new(OpaqueDepacketizer::new());
    let receiver = StreamReceiver::new(config, depacketizer, now, [7; 12]);
    let mut receiver = receiver.expect("it can work");
    let mut clock = SessionClock::new(1);
    let mut r = Reader::new(data);
    let (mut out, mut frames) = (Vec::new(), 0);
    while let (Ok(delay), Ok(what), Ok(len)) = (r.u8("delay"), r.u8("what"), r.u8("length")) {
        now += Duration::from_millis(delay.into());
        let ntp = NtpTime(u64::from(delay) << 40);
        let len = usize::from(len).min(r.remaining().len());
        let packet = r.take(len, "packet").unwrap_or_default();
        match what % 8 {
            0 => receiver.expect_ssrc(len as u32),
            1 => receiver.set_reference(u32::from(what) << 24, Duration::from_secs(len as u64)),
            2 => receiver.want_key_frame(),
            _ => receiver.handle_packet(packet, now, ntp),
        }
        receiver.handle_timeout(now);
        while let Some(mut frame) = receiver.poll_frame() {
            clock.place(0, &mut frame);
            frames += 1;
        }
        while receiver.poll_event().is_some() {}
        let mut written = 0;
        while receiver.poll_rtcp(now, ntp, &mut out) {
            assert!(Compound::parse(&out).is_ok());
            out.clear();
            written += 1;
        }
        assert!(written <= 3, "a report, and a request of each kind");
        assert!(receiver.poll_timeout().is_none_or(|at| at > now), "a timer that stands still");
        if receiver.has_collision() {
            receiver.change_ssrc(receiver.rtcp().ssrc().wrapping_add(1), ntp, &mut out);
            out.clear();
        }
    }
    assert_eq!(frames, receiver.source().counters().frames);
}

/// RTCP that arrives at a sender: each step is a number of seconds, a length and a packet.
pub fn rtcp_instance(data: &[u8]) {
    const OURS: u32 = 0x0101_0101;
    let mut now = Instant::now();
    let config = RtcpConfig {
        cname: "fuzz".into(),
        max_destinations: 4,
        reduced_size: data.first().is_some_and(|b| b & 1 == 1),
        ..RtcpConfig::default()
    };
    let mut rtcp = RtcpInstance::new(config, OURS, now, 1);
    let mut r = Reader::new(data.get(1..).unwrap_or_default());
    let mut out = Vec::new();
    let mut packets = 0;
    while let (Ok(delay), Ok(len)) = (r.u8("delay"), r.u8("length")) {
        now += Duration::from_secs(delay.into());
        let ntp = NtpTime(u64::from(delay) << 40);
        let len = usize::from(len).min(r.remaining().len());
        let packet = r.take(len, "packet").unwrap_or_default();
        let outcome = rtcp.handle_packet(packet, u64::from(delay % 8), now, ntp);
        packets += 1;
        assert!(outcome.valid || outcome == crate::rtp::RtcpOutcome::default());
        assert!(std::iter::from_fn(|| rtcp.poll_event()).count() <= 64);
        rtcp.handle_timeout(now, usize::from(delay));
        let sender = SenderFacts {
            rtp_timestamp_now: delay.into(),
            packet_count: packets,
            octet_count: packets,
        };
        out.clear();
        if rtcp.poll_report(now, ntp, Some(sender), &mut out) {
            assert!(Compound::parse(&out).is_ok());
        }
        assert!(rtcp.poll_timeout().is_some_and(|at| at > now), "a timer that stands still");
        assert!(rtcp.all_statistics().count() <= 4);
    }
    let counters = rtcp.counters();
    assert_eq!(counters.received + counters.invalid, u64::from(packets));
}

/// Frames to send: the first byte chooses the format, the second the size of packets; then each
/// step is a length, a time step and the frame.
pub fn sink(data: &[u8]) {
    let mut r = Reader::new(data);
    let (Ok(kind), Ok(size)) = (r.u8("format"), r.u8("size")) else { return };
    let pcm = |encoding| CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 2 };
    let parameters = match kind % 7 {
        0 => CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() },
        1 => CodecParameters::H265 { vps: Vec::new(), sps: Vec::new(), pps: Vec::new() },
        2 => CodecParameters::Aac {
            config: Bytes::from_static(&[0x12, 0x10]),
            sampling_rate: 44_100,
            channels: 2,
        },
        3 => CodecParameters::MpegAudio,
        4 => pcm(PcmEncoding::L24),
        5 => pcm(PcmEncoding::Pcmu),
        _ => CodecParameters::Mp2t,
    };
    let formats = FormatRegistry::standard();
    let (Ok(format), Ok(packetizer)) =
        (formats.format(&parameters, 96), formats.packetizer(&parameters))
    else {
        panic!("no entry for {parameters:?}")
    };
    let max_packet = 220 + usize::from(size) * 8;
    let sink = RtpSink::new(&format, packetizer, max_packet, [0xff; 12]);
    let Ok(mut sink) = sink else { return };
    let mut batch = PacketBuffer::default();
    let mut at = Duration::ZERO;
    while let (Ok(len), Ok(step)) = (r.u16("length"), r.u8("step")) {
        at += Duration::from_millis(step.into());
        let len = usize::from(len % 4096).min(r.remaining().len());
        let bytes = Bytes::copy_from_slice(r.take(len, "frame").unwrap_or_default());
        let mut frame = Frame::new(bytes, at, Duration::ZERO);
        frame.flags.discontinuity = step & 0x40 != 0;
        let expected = sink.next_sequence();
        sink.handle_frame(&frame, at, &mut batch);
        check_batch(&sink, &batch, expected, max_packet);
        if step & 0x80 != 0 {
            let expected = sink.next_sequence();
            sink.flush(&mut batch);
            check_batch(&sink, &batch, expected, max_packet);
            assert!(!sink.holds_back());
        }
        if step == 0 {
            sink.reset();
            assert!(!sink.holds_back());
        }
    }
}

/// The packets lie one behind the other, each whole, of the stream and in sequence.
fn check_batch(sink: &RtpSink, batch: &PacketBuffer, mut sequence: u16, max_packet: usize) {
    let (ssrc, payload_type, next) = (sink.ssrc(), sink.payload_type(), sink.next_sequence());
    let mut end = 0;
    for i in 0..batch.spans().len() {
        let span = batch.spans()[i];
        assert_eq!(span.start, end + TCP_PREFIX_LEN);
        assert!(span.len <= max_packet && span.len > RTP_HEADER_LEN);
        let (_, prefixed) = batch.bytes().split_at(end);
        let [high, low] = (span.len as u16).to_be_bytes();
        assert!(prefixed.starts_with(&[b'$', 0, high, low]));
        let packet = RtpPacket::parse(batch.packet(i).unwrap_or_default());
        let Ok(packet) = packet else { panic!("not RTP: {packet:?}") };
        assert_eq!((packet.ssrc, packet.payload_type), (ssrc, payload_type));
        assert_eq!((packet.sequence_number, packet.marker), (sequence, span.marker));
        sequence = sequence.wrapping_add(1);
        end = span.range().end;
    }
    assert_eq!(end, batch.bytes().len());
    assert_eq!(sequence, next);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtcp::{
        ReportBlock, SenderInfo, write_bye, write_rr, write_sdes_cname, write_sr,
    };
    use crate::wire::testing::Random;

    #[test]
    fn packets_are_put_in_order_as_the_model_does() {
        for seed in 0..2000 {
            reorder(&Random::new(seed).bytes(400));
        }
    }

    #[test]
    fn source_survives_what_arrives() {
        for seed in 0..400 {
            let mut random = Random::new(seed);
            let mut data = vec![random.u8()];
            let mut sequence = random.u16();
            for _ in 0..60 {
                sequence = sequence.wrapping_add(random.below(4) as u16);
                data.extend([random.u8() % 64, 14, 0x80, 96]);
                data.extend(sequence.to_be_bytes());
                data.extend(random.u32().to_be_bytes());
                data.extend([0, 0, 0, u8::from(random.chance(9)), 1, 2]);
            }
            if random.chance(2) {
                random.mutate(&mut data);
            }
            source(&data);
        }
    }

    #[test]
    fn receiver_survives_what_arrives() {
        for seed in 0..400 {
            let mut random = Random::new(seed);
            let mut data = Vec::new();
            let mut sequence = random.u16();
            for _ in 0..60 {
                let mut packet = Vec::new();
                let ssrc = u32::from(random.chance(9));
                if random.chance(6) {
                    let info = SenderInfo {
                        ntp: NtpTime(random.u64()),
                        rtp_timestamp: random.u32(),
                        ..SenderInfo::default()
                    };
                    write_sr(&mut packet, ssrc, &info, &[]);
                    write_sdes_cname(&mut packet, ssrc, "peer");
                    if random.chance(5) {
                        write_bye(&mut packet, &[ssrc], None);
                    }
                } else {
                    sequence = sequence.wrapping_add(random.below(4) as u16);
                    packet.extend([0x80, if random.chance(9) { 13 } else { 96 }]);
                    packet.extend(sequence.to_be_bytes());
                    packet.extend(random.u32().to_be_bytes());
                    packet.extend(ssrc.to_be_bytes());
                    packet.extend([1, 2]);
                }
                data.extend([random.u8() % 64, random.u8(), packet.len() as u8]);
                data.extend(packet);
            }
            if random.chance(2) {
                random.mutate(&mut data);
            }
            receiver(&data);
        }
    }

    #[test]
    fn rtcp_instance_survives_what_arrives() {
        for seed in 0..400 {
            let mut random = Random::new(seed);
            let mut data = vec![random.u8()];
            for _ in 0..20 {
                let mut packet = Vec::new();
                let block = ReportBlock { ssrc: 0x0101_0101, ..ReportBlock::default() };
                write_rr(&mut packet, 7, &[block]);
                write_sdes_cname(&mut packet, 7, "peer");
                if random.chance(3) {
                    write_bye(&mut packet, &[7], None);
                }
                if random.chance(3) {
                    random.mutate(&mut packet);
                }
                data.extend([random.u8(), packet.len() as u8]);
                data.extend(packet);
            }
            rtcp_instance(&data);
        }
    }

    #[test]
    fn sink_survives_every_frame() {
        for seed in 0..700 {
            let mut random = Random::new(seed);
            let mut data = vec![seed as u8, random.u8()];
            for _ in 0..10 {
                let frame = random.bytes(3000);
                data.extend((frame.len() as u16).to_be_bytes());
                data.push(random.u8());
                data.extend(frame);
            }
            sink(&data);
        }
    }
}
