//! The real payload formats from sink to source: packets reordered, frames as they were.

use super::testing::{Random, ms, some_instant};
use super::{RtpSink, RtpSource, RtpSourceConfig};
use crate::codec::{CodecParameters, PcmEncoding};
use crate::frame::Frame;
use crate::payload::aac::AacDepacketizer;
use crate::payload::h264::H264Depacketizer;
use crate::payload::h265::H265Depacketizer;
use crate::payload::mp2t::Mp2tDepacketizer;
use crate::payload::pcm::PcmDepacketizer;
use crate::payload::testing::outgoing;
use crate::payload::{Depacketizer, PacketBuffer};
use bytes::Bytes;
use std::time::Duration;

/// An access unit of a few NAL units whose bytes look like no start code.
fn access_unit(random: &mut Random, header: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    for _ in 0..1 + random.below(3) {
        data.extend([0, 0, 0, 1]);
        data.extend(header);
        let len = 1 + random.below(4000);
        data.extend((0..len).map(|_| random.u8() | 0x10));
    }
    data
}

/// Sends `frames` through sink and source, with packets swapped on the way; the bytes that come
/// out one behind the other, and their presentation times.
fn through(
    parameters: &CodecParameters,
    depacketizer: Box<dyn Depacketizer>,
    frames: &[Frame],
    random: &mut Random,
) -> (Vec<u8>, Vec<Duration>) {
    let (format, packetizer) = outgoing(parameters);
    let mut seed = [0xff; 12];
    seed[8] = 0x7f;
    let mut sink = RtpSink::new(&format, packetizer, 1448, seed).unwrap();
    let config = RtpSourceConfig::new(sink.payload_type(), sink.clock_rate());
    let mut source = RtpSource::new(config, depacketizer).unwrap();
    let mut packets = Vec::new();
    let mut batch = PacketBuffer::default();
    let mut take = |batch: &PacketBuffer| {
        packets.extend((0..batch.spans().len()).map(|i| batch.packet(i).unwrap().to_vec()));
    };
    for frame in frames {
        sink.handle_frame(frame, frame.pts + ms(777), &mut batch);
        take(&batch);
    }
    sink.flush(&mut batch);
    take(&batch);
    assert!(packets.len() > 20);
    for i in 2..packets.len() - 1 {
        if random.chance(3) {
            packets.swap(i, i + 1);
        }
    }
    let now = some_instant();
    let (mut bytes, mut times) = (Vec::new(), Vec::new());
    source.set_reference(sink.timestamp_at(ms(777)), Duration::ZERO);
    for packet in packets {
        source.handle_packet(&packet, now).unwrap();
        while let Some(frame) = source.poll_frame() {
            assert!(!frame.discontinuity);
            bytes.extend_from_slice(&frame.data);
            times.push(frame.pts);
        }
    }
    source.handle_bye(sink.ssrc(), now);
    source.handle_timeout(now + ms(1000));
    while let Some(frame) = source.poll_frame() {
        bytes.extend_from_slice(&frame.data);
        times.push(frame.pts);
    }
    assert!(source.is_ended());
    assert_eq!(source.counters().malformed_payloads + source.counters().missing, 0);
    (bytes, times)
}

fn concat(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|f| f.data.iter().copied()).collect()
}

fn near(a: Duration, b: Duration) -> bool {
    a.abs_diff(b) < Duration::from_micros(30)
}

#[test]
fn video_access_units_arrive_whole() {
    let h264 = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
    let h265 = CodecParameters::H265 { vps: Vec::new(), sps: Vec::new(), pps: Vec::new() };
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let frames = |header: &[u8]| -> Vec<_> {
            let mut random = Random::new(seed + 100);
            (0..60)
                .map(|i| Frame::new(access_unit(&mut random, header), ms(i * 40), ms(40)))
                .collect()
        };
        let cases: [(_, Box<dyn Depacketizer>, Vec<Frame>); 2] = [
            (&h264, Box::new(H264Depacketizer::new()), frames(&[0x65, 0x88])),
            (&h265, Box::new(H265Depacketizer::new()), frames(&[0x26, 0x01, 0x90])),
        ];
        for (parameters, depacketizer, frames) in cases {
            let (bytes, times) = through(parameters, depacketizer, &frames, &mut random);
            assert!(bytes == concat(&frames), "seed {seed}");
            assert_eq!(times.len(), 60);
            for (time, frame) in times.iter().zip(&frames) {
                assert!(near(*time, frame.pts), "seed {seed}: {time:?}");
            }
        }
    }
}

#[test]
fn audio_arrives_byte_by_byte() {
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let aac = CodecParameters::Aac {
            config: Bytes::from_static(&[0x12, 0x10]),
            sampling_rate: 44_100,
            channels: 2,
        };
        let at = |i: u64| Duration::from_nanos(i * 1024 * 1_000_000_000 / 44_100);
        let frames: Vec<_> = (0..200)
            .map(|i| Frame::new([&[1][..], &random.bytes(700)].concat(), at(i), at(i + 1) - at(i)))
            .collect();
        let depacketizer = Box::new(AacDepacketizer::new(1024));
        let (bytes, times) = through(&aac, depacketizer, &frames, &mut random);
        assert!(bytes == concat(&frames), "seed {seed}");
        assert_eq!(times.len(), frames.len());
        assert!(times.iter().zip(&frames).all(|(time, frame)| near(*time, frame.pts)));

        let encoding = PcmEncoding::L16;
        let pcm = CodecParameters::Pcm { encoding, sampling_rate: 48_000, channels: 2 };
        let frames: Vec<_> = (0..50)
            .map(|i| {
                Frame::new((0..3840).map(|_| random.u8()).collect::<Vec<_>>(), ms(i * 20), ms(20))
            })
            .collect();
        let depacketizer = Box::new(PcmDepacketizer::new(encoding, 2));
        let (bytes, times) = through(&pcm, depacketizer, &frames, &mut random);
        assert!(bytes == concat(&frames), "seed {seed}");
        assert!(times.windows(2).all(|w| w[0] < w[1]));
    }
}

#[test]
fn a_transport_stream_arrives_byte_by_byte() {
    let mut random = Random::new(3);
    let frames: Vec<_> = (0..50)
        .map(|i| {
            let mut data: Vec<_> = (0..188 * 10).map(|_| random.u8()).collect();
            data.iter_mut().step_by(188).for_each(|sync| *sync = 0x47);
            Frame::new(data, ms(i * 10), ms(10))
        })
        .collect();
    let depacketizer = Box::new(Mp2tDepacketizer::new());
    let (bytes, _) = through(&CodecParameters::Mp2t, depacketizer, &frames, &mut random);
    assert!(bytes == concat(&frames));
}
