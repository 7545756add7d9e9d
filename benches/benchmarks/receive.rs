//! Receiving a stream: packets and reports in, frames out.

use super::h264::{frame, sink};
use criterion::{Criterion, Throughput};
use riverrun::Frame;
use riverrun::codec::PcmEncoding;
use riverrun::payload::h264::H264Depacketizer;
use riverrun::payload::pcm::{PcmDepacketizer, PcmPacketizer};
use riverrun::payload::{Depacketizer, PacketBuffer, PayloadFormat};
use riverrun::rtp::rtcp::NtpTime;
use riverrun::rtp::sink::{DEFAULT_MAX_PACKET, RtpSink};
use riverrun::rtp::{StreamReceiver, StreamReceiverConfig};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Packets of a stream, as many as a round has, whose sequence numbers and timestamps go on from round
/// to round.
struct Packets {
    packets: Vec<Vec<u8>>,
    /// Timestamp units from one round to the next.
    period: u32,
    rounds: u32,
}

impl Packets {
    fn new(sink: &mut RtpSink, frames: &[Frame], period: u32) -> Self {
        let (mut buffer, mut packets) = (PacketBuffer::default(), Vec::new());
        for frame in frames {
            sink.handle_frame(frame, frame.pts, &mut buffer);
            let all = (0..buffer.spans().len()).filter_map(|i| buffer.packet(i));
            packets.extend(all.map(<[u8]>::to_vec));
        }
        Self { packets, period, rounds: 0 }
    }

    /// Makes the packets those of the next round.
    fn advance(&mut self) {
        self.rounds += 1;
        let count = self.packets.len() as u16;
        for packet in &mut self.packets {
            let [_, _, s0, s1, t0, t1, t2, t3, ..] = &mut packet[..] else { continue };
            let sequence = u16::from_be_bytes([*s0, *s1]).wrapping_add(count);
            let timestamp = u32::from_be_bytes([*t0, *t1, *t2, *t3]).wrapping_add(self.period);
            [*s0, *s1] = sequence.to_be_bytes();
            [*t0, *t1, *t2, *t3] = timestamp.to_be_bytes();
        }
    }
}

/// Measures a round of packets through a receiver: frames are taken as soon as they are there.
fn measure(
    c: &mut Criterion,
    name: &str,
    config: StreamReceiverConfig,
    depacketizer: Box<dyn Depacketizer>,
    mut packets: Packets,
) {
    let start = Instant::now();
    let mut receiver = StreamReceiver::new(config, depacketizer, start, [7; 12]).expect("it can");
    let mut group = c.benchmark_group("receive");
    group.throughput(Throughput::Elements(packets.packets.len() as u64));
    let (mut now, mut frames) = (start, 0u64);
    group.bench_function(name, |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                packets.advance();
                now += Duration::from_millis(40);
                let began = Instant::now();
                for packet in &packets.packets {
                    receiver.handle_packet(black_box(packet), now, NtpTime::default());
                    while let Some(frame) = receiver.poll_frame() {
                        frames += u64::from(!black_box(frame).data.is_empty());
                    }
                }
                spent += began.elapsed();
            }
            spent
        });
    });
    group.finish();
    let counters = receiver.source().counters();
    assert_eq!((counters.missing, counters.rejected, counters.frames), (0, 0, frames));
    assert!(frames > 0, "{packets} rounds", packets = packets.rounds);
}

pub(crate) fn run(c: &mut Criterion) {
    let config = |payload_type, rate| StreamReceiverConfig::new(payload_type, rate, "viewer@here");
    // A frame of 4 Mbit/s at 25 frames a second: fifteen packets of 1,400 bytes.
    let packets = Packets::new(&mut sink(), &[frame()], 3600);
    let depacketizer = Box::new(H264Depacketizer::new());
    measure(c, "H.264, 1,400-byte fragments", config(96, 90_000), depacketizer, packets);

    // Twenty packets of 20 ms, 160 bytes each.
    let format = PayloadFormat::new("audio", "PCMU", 8000, 0);
    let packetizer = Box::new(PcmPacketizer::new(PcmEncoding::Pcmu, 1));
    let mut sink = RtpSink::new(&format, packetizer, DEFAULT_MAX_PACKET, [7; 12]).expect("a sink");
    let frames: Vec<_> = (0..20)
        .map(|i| Duration::from_millis(20 * i))
        .map(|at| Frame::new(vec![0xff; 160], at, Duration::from_millis(20)))
        .collect();
    let packets = Packets::new(&mut sink, &frames, 20 * 160);
    let depacketizer = Box::new(PcmDepacketizer::new(PcmEncoding::Pcmu, 1));
    measure(c, "PCM, 160-byte packets", config(0, 8000), depacketizer, packets);
}
