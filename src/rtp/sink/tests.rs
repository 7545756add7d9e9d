//! What sinks make of frames, and refuse.

use super::*;
use crate::codec::CodecParameters;
use crate::payload::testing::outgoing;
use crate::rtp::testing::{FORMAT, TestPacketizer, frame, ms};

/// SSRC 0xa1b2c3d4, timestamp base 2³² − 90, first sequence number 0x7ffe.
const RANDOM: [u8; 12] = [0xa1, 0xb2, 0xc3, 0xd4, 0xff, 0xff, 0xff, 0xa6, 0xff, 0xfe, 0, 0];

fn sink(max_packet: usize) -> RtpSink {
    RtpSink::new(&FORMAT, Box::<TestPacketizer>::default(), max_packet, RANDOM).unwrap()
}

impl RtpSink {
    /// The packets of a frame, in a buffer of their own.
    fn batch_of(&mut self, frame: &Frame, running_time: Duration) -> PacketBuffer {
        let mut batch = PacketBuffer::default();
        self.handle_frame(frame, running_time, &mut batch);
        batch
    }

    fn flushed(&mut self) -> PacketBuffer {
        let mut batch = PacketBuffer::default();
        self.flush(&mut batch);
        batch
    }
}

#[test]
fn what_no_packet_could_carry_is_refused() {
    let refused = |format: &PayloadFormat, max_packet| {
        let packetizer = Box::<TestPacketizer>::default();
        matches!(RtpSink::new(format, packetizer, max_packet, RANDOM), Err(Error::Usage(_)))
    };
    assert!(refused(&FORMAT, 5));
    assert!(refused(&FORMAT, 75));
    assert!(!refused(&FORMAT, 76));
    assert!(!refused(&FORMAT, 65_535));
    assert!(refused(&FORMAT, 65_536));
    assert!(refused(&PayloadFormat { payload_type: 200, ..FORMAT }, 1448));
    assert!(refused(&PayloadFormat { clock_rate: 0, ..FORMAT }, 1448));
}

#[test]
fn headers_and_prefixes_are_filled_in() {
    let mut sink = sink(100);
    let batch = sink.batch_of(&frame(150, ms(0)), ms(1));
    assert_eq!(batch.spans().len(), 2);
    let bytes = batch.bytes();
    assert_eq!(bytes[..4], [b'$', 0, 0, 100]);
    // Version 2, no marker, type 96; sequence 0x7ffe; base + 90 = 0 after the wrap.
    let header = [0x80, 96, 0x7f, 0xfe, 0, 0, 0, 0, 0xa1, 0xb2, 0xc3, 0xd4];
    assert_eq!(bytes[4..16], header);
    // The second packet has 150 − 87 octets and the format's own.
    assert_eq!(bytes[104..108], [b'$', 0, 0, 12 + 64]);
    assert_eq!(bytes[108..112], [0x80, 0x80 | 96, 0x7f, 0xff]);
    assert_eq!(bytes.len(), 104 + 4 + 12 + 64);
    assert_eq!((sink.packet_count(), sink.octet_count()), (2, 152));
    assert_eq!(sink.next_sequence(), 0x8000);
}

#[test]
fn sequence_number_wraps() {
    let mut sink = sink(1448);
    for i in 0..0x1_0000u32 {
        assert_eq!(sink.next_sequence(), (0x7ffe + i) as u16);
        let batch = sink.batch_of(&frame(1, ms(0)), ms(0));
        let header = batch.packet(0).unwrap();
        assert_eq!(BigEndian::read_u16(&header[2..]), (0x7ffe + i) as u16);
    }
    assert_eq!(sink.next_sequence(), 0x7ffe);
}

#[test]
fn timestamps_are_rounded_to_the_nearest_unit_and_wrap() {
    let sink = sink(1448);
    let base = 0u32.wrapping_sub(90);
    assert_eq!(sink.timestamp_at(Duration::ZERO), base);
    assert_eq!(sink.timestamp_at(ms(1)), 0);
    assert_eq!(sink.timestamp_at(Duration::from_nanos(33_333_333)), 3000 - 90);
    assert_eq!(sink.timestamp_at(Duration::from_nanos(66_666_666)), 6000 - 90);
    // 2³² units are 47,721 s and 76,960,000/90,000 ms; ten years are some times more.
    let years = Duration::from_secs(315_360_000);
    let units = (315_360_000u64 * 90_000) as u32;
    assert_eq!(sink.timestamp_at(years), base.wrapping_add(units));
    // No running time is so long that this panics.
    let _ = sink.timestamp_at(Duration::MAX);
}

#[test]
fn audio_frames_are_contiguous() {
    let format = PayloadFormat { clock_rate: 44_100, ..FORMAT };
    let sink = RtpSink::new(&format, Box::<TestPacketizer>::default(), 1448, RANDOM).unwrap();
    for i in 0..100_000u64 {
        let at = Duration::from_nanos(i * 1024 * 1_000_000_000 / 44_100);
        let expected = sink.timestamp_base.wrapping_add((i * 1024) as u32);
        assert_eq!(sink.timestamp_at(at), expected, "frame {i}");
    }
}

#[test]
fn audio_frames_stay_contiguous_wherever_the_time_line_begins() {
    let format = PayloadFormat { clock_rate: 44_100, ..FORMAT };
    let parameters = CodecParameters::Aac {
        config: bytes::Bytes::from_static(&[0x12, 0x10]),
        sampling_rate: 44_100,
        channels: 2,
    };
    let (_, packetizer) = outgoing(&parameters);
    let mut sink = RtpSink::new(&format, packetizer, 1448, RANDOM).unwrap();
    // 11,338 ns are half a sample, where the nearest unit is a matter of the last digit.
    for offset in (0..20).map(|i| Duration::from_nanos(11_338 + i * 100_123_000_000)) {
        let mut expected = None;
        sink.reset();
        for i in 0..4000u64 {
            let at = |i: u64| Duration::from_nanos(i * 1024 * 1_000_000_000 / 44_100);
            let frame = Frame::new(vec![0; 300], at(i), at(i + 1) - at(i));
            let now = sink.timestamp_of(at(i), at(i) + offset);
            let nearest = sink.timestamp_at(at(i) + offset);
            assert!(now.wrapping_sub(nearest).wrapping_add(1) <= 2);
            let batch = sink.batch_of(&frame, at(i) + offset);
            for span in batch.spans() {
                let packet = batch.bytes().get(span.range()).unwrap();
                let timestamp = BigEndian::read_u32(&packet[4..]);
                assert_eq!(timestamp, expected.unwrap_or(timestamp), "frame {i}");
                // Two octets of length, and two for each unit's header.
                let units = BigEndian::read_u16(&packet[12..]) / 16;
                expected = Some(timestamp.wrapping_add(u32::from(units) * 1024));
                assert!(now.wrapping_sub(timestamp) < 5000);
            }
        }
    }
}

#[test]
fn held_back_frames_keep_their_own_timestamp() {
    let packetizer = TestPacketizer { holds: true, ..TestPacketizer::default() };
    let mut sink = RtpSink::new(&FORMAT, Box::new(packetizer), 1448, RANDOM).unwrap();
    let timestamp = |batch: &PacketBuffer| BigEndian::read_u32(&batch.packet(0).unwrap()[4..]);
    assert!(sink.batch_of(&frame(9, ms(0)), ms(1)).is_empty());
    assert!(sink.holds_back());
    assert_eq!(sink.held_timestamp(), Some(0));
    assert_eq!(timestamp(&sink.batch_of(&frame(9, ms(40)), ms(41))), 0);
    assert_eq!(sink.held_timestamp(), Some(3600));
    assert_eq!(timestamp(&sink.flushed()), 3600);
    assert_eq!(sink.held_timestamp(), None);
    assert!(sink.flushed().is_empty());
    sink.batch_of(&frame(9, ms(80)), ms(81));
    sink.reset();
    assert!(!sink.holds_back());
    assert!(sink.flushed().is_empty());
    assert_eq!(sink.packet_count(), 2, "what was forgotten has no number");
    assert_eq!(sink.next_sequence(), 0x8000);
}

#[test]
fn what_is_held_back_keeps_its_timestamp_where_the_time_line_begins_anew() {
    let aac = CodecParameters::Aac {
        config: bytes::Bytes::from_static(&[0x12, 0x88]),
        sampling_rate: 32_000,
        channels: 1,
    };
    // Frames of 32 ms and of 24 ms; four of either wait for company at the most.
    for (parameters, each) in [(aac, ms(32)), (CodecParameters::MpegAudio, ms(24))] {
        let (format, packetizer) = outgoing(&parameters);
        let mut sink = RtpSink::new(&format, packetizer, 1448, RANDOM).unwrap();
        let clock = u64::from(sink.clock_rate());
        let first = sink.timestamp_at(Duration::ZERO);
        let mut ends = 0;
        for pass in 0..5u32 {
            // The presentation is a little longer than its sound, and sought once.
            let begins = each * 10 * pass + ms(u64::from(pass) * 11);
            let from = if pass == 3 { ms(100_000) } else { ms(0) };
            for i in 0..10 {
                let frame = Frame::new(vec![0xff; 100], from + each * i, each);
                let batch = sink.batch_of(&frame, begins + each * i);
                for span in 0..batch.spans().len() {
                    let packet = batch.packet(span).unwrap();
                    let timestamp = BigEndian::read_u32(&packet[4..]).wrapping_sub(first);
                    let time = ms(u64::from(timestamp) * 1000 / clock);
                    assert!(time >= ms(ends), "{time:?} follows {ends}");
                    assert!(time <= begins + each * i, "{time:?} in pass {pass}");
                    let bytes = packet.len() - 12;
                    let frames = (bytes - 2) / 100;
                    ends = (time + each * frames as u32).as_millis() as u64;
                }
            }
        }
        assert!(ends > 1000, "{ends} ms of sound went out");
    }
}

#[test]
fn a_clock_that_is_followed_does_not_cut_packets_short() {
    let parameters = CodecParameters::MpegAudio;
    let (format, packetizer) = outgoing(&parameters);
    let mut sink = RtpSink::new(&format, packetizer, 1448, RANDOM).unwrap();
    let mut packets = 0;
    for i in 0..400u64 {
        let frame = Frame::new(vec![0xff; 100], ms(i * 24), ms(24));
        let drift = Duration::from_micros(i * 2);
        packets += sink.batch_of(&frame, ms(i * 24) + drift).spans().len();
    }
    assert_eq!(packets, 100);
}

#[test]
fn set_channel_writes_every_prefix_and_nothing_else() {
    let mut sink = sink(100);
    let mut batch = sink.batch_of(&frame(500, ms(0)), ms(0));
    let before = batch.bytes().to_vec();
    RtpSink::set_channel(&mut batch, 6);
    let starts: Vec<_> = batch.spans().iter().map(|s| s.start - 3).collect();
    assert_eq!(starts.len(), 6);
    for (i, (&was, &is)) in before.iter().zip(batch.bytes()).enumerate() {
        assert_eq!(is, if starts.contains(&i) { 6 } else { was }, "byte {i}");
    }
    RtpSink::set_channel(&mut batch, 0);
    assert_eq!(batch.bytes(), before);
    RtpSink::set_channel(&mut PacketBuffer::new(10), 1);
}

#[test]
fn buffers_do_not_grow_after_the_largest_frame() {
    let mut sink = sink(DEFAULT_MAX_PACKET);
    let largest = frame(200_000, ms(0));
    let small = frame(3_000, ms(0));
    let mut batch = PacketBuffer::default();
    sink.handle_frame(&largest, ms(0), &mut batch);
    let memory = |batch: &PacketBuffer| (batch.bytes().as_ptr(), batch.spans().as_ptr());
    let before = memory(&batch);
    for i in 0..2_000 {
        let frame = if i % 50 == 0 { &largest } else { &small };
        sink.handle_frame(frame, ms(i * 40), &mut batch);
        assert_eq!(memory(&batch), before);
    }
}

#[test]
fn sinks_can_fill_the_same_buffer_in_turn() {
    let mut batch = PacketBuffer::default();
    let mut sinks: Vec<_> = (0..3).map(|i| sink(1000 + i)).collect();
    let mut memory = Vec::new();
    for i in 0..30 {
        sinks[i % 3].handle_frame(&frame(100_000, ms(0)), ms(0), &mut batch);
        assert_eq!(batch.spans()[0].len, 1000 + i % 3, "each keeps its own packet size");
        let held = (batch.bytes().as_ptr(), batch.spans().as_ptr());
        memory.push(held);
    }
    memory.dedup();
    assert_eq!(memory.len(), 1);
    sinks[0].flush(&mut batch);
    assert!(batch.is_empty(), "the packets of another are not sent again");
}

/// Takes each frame's first byte for what to do with the rest.
struct Careless;

impl Packetizer for Careless {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let Some((how, data)) = frame.data.split_first() else { return };
        match how {
            b'2' => {
                out.begin_packet();
                out.begin_packet();
            }
            b'u' => {
                out.begin_packet();
                out.finish_packet(false, 0);
                out.begin_packet();
                return out.put(data);
            }
            b'p' => return out.put(data),
            _ => out.begin_packet(),
        }
        out.put(data);
        out.finish_packet(true, 0);
    }
}

#[test]
fn what_a_packetizer_gets_wrong_is_dropped_and_counted() {
    let mut sink = RtpSink::new(&FORMAT, Box::new(Careless), 1448, RANDOM).unwrap();
    let frame = |how: u8, len: usize| Frame::new([vec![how], vec![7; len]].concat(), ms(0), ms(40));
    let largest = 1448 - RTP_HEADER_LEN;
    let mut dropped = 0;
    for (how, len, is_sent) in [
        (b'x', largest, true),
        (b'x', largest + 1, false),
        (b'x', 70_000, false),
        (b'2', 10, false),
        (b'u', 10, false),
        (b'p', 10, false),
        (b'x', 10, true),
    ] {
        let sequence = sink.next_sequence();
        let batch = sink.batch_of(&frame(how, len), ms(0));
        assert_eq!(batch.spans().len(), usize::from(is_sent), "{how} {len}");
        assert_eq!(batch.bytes().len(), if is_sent { 16 + len } else { 0 });
        // What is dropped has no number: a receiver sees no loss in what it gets.
        assert_eq!(sink.next_sequence().wrapping_sub(sequence), u16::from(is_sent));
        dropped += u64::from(!is_sent);
        assert_eq!(sink.dropped_batches(), dropped);
    }
    assert_eq!(sink.packet_count(), 2);
}

#[test]
fn packets_fill_the_size_that_was_asked_for() {
    for max in [76, 1448, 65_535] {
        let mut sink = sink(max);
        let batch = sink.batch_of(&frame(70_000, ms(0)), ms(0));
        assert_eq!(batch.spans()[0].len, max);
        assert_eq!(batch.max_payload(), max - RTP_HEADER_LEN);
    }
}
