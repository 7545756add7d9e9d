//! H.264: byte stream → frames → RTP packets → frames.

use criterion::{Criterion, Throughput};
use riverrun::Frame;
use riverrun::framer::h264::H264Framer;
use riverrun::payload::h264::{H264Depacketizer, H264Packetizer};
use riverrun::payload::{
    DepacketizedFrames, Depacketizer, PacketBuffer, PayloadFormat, RtpPayload,
};
use riverrun::rtp::sink::{DEFAULT_MAX_PACKET, RtpSink};
use std::hint::black_box;
use std::time::Duration;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/media/slices.264");
/// What a file source reads at a time.
const PIECE: usize = 64 * 1024;

fn frames_of(stream: &[u8], mut each: impl FnMut(Frame)) {
    let mut framer = H264Framer::new();
    for piece in stream.chunks(PIECE) {
        framer.handle_bytes(piece);
        while let Ok(Some(frame)) = framer.poll_frame() {
            each(frame);
        }
    }
    framer.handle_end();
    while let Ok(Some(frame)) = framer.poll_frame() {
        each(frame);
    }
}

/// A frame of 4 Mbit/s at 25 frames a second: one slice that makes fourteen packets.
pub(crate) fn frame() -> Frame {
    let mut data = vec![0xa7; 20_000];
    data[..5].copy_from_slice(&[0, 0, 0, 1, 0x41]);
    Frame::new(data, Duration::from_millis(40), Duration::from_millis(40))
}

/// A sink for H.264.
pub(crate) fn sink() -> RtpSink {
    let packetizer = Box::new(H264Packetizer::new());
    let format = PayloadFormat::new("video", "H264", 90_000, 96);
    RtpSink::new(&format, packetizer, DEFAULT_MAX_PACKET, [7; 12]).expect("a sink")
}

pub(crate) fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("H.264");
    let stream = std::fs::read(FILE).expect("test data");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("byte stream to frames", |b| {
        b.iter(|| frames_of(black_box(&stream), |frame| _ = black_box(frame)));
    });

    let frame = frame();
    group.throughput(Throughput::Bytes(frame.data.len() as u64));
    let (mut sink, mut packets) = (sink(), PacketBuffer::default());
    group.bench_function("frame to packets", |b| {
        b.iter(|| {
            sink.handle_frame(black_box(&frame), frame.pts, &mut packets);
            packets.spans().len()
        });
    });

    let mut depacketizer = H264Depacketizer::new();
    let mut frames = DepacketizedFrames::new();
    sink.handle_frame(&frame, frame.pts, &mut packets);
    group.bench_function("packets to frame", |b| {
        b.iter(|| {
            for (i, span) in packets.spans().iter().enumerate() {
                let payload = black_box(packets.payload(i).expect("a payload"));
                let payload = RtpPayload::new(payload, 0).with_marker(span.marker);
                depacketizer.handle_payload(&payload, &mut frames).expect("well formed");
            }
            frames.pop().expect("a frame")
        });
    });
    group.finish();
}
