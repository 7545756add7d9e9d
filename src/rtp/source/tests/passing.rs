//! A source that passes packets on.

use super::*;
use crate::payload::PacketBuffer;
use crate::rtp::RtpSink;
use crate::rtp::testing::{FORMAT, TestPacketizer};

/// What is told of a packet: the octet of its payload, how many are lost before it, and whether the
/// sender has begun anew.
type Told = (u8, u64, bool);

fn passing() -> RtpSource {
    RtpSource::pass_through(config()).unwrap()
}

#[derive(Debug, Default)]
struct Taken {
    told: Vec<Told>,
    sequences: Vec<u64>,
    times: Vec<Duration>,
    captured: Vec<Option<NtpTime>>,
}

impl Taken {
    fn take(&mut self, packet: &ReceivedPacket<'_>) {
        assert!(packet.marker && packet.payload.len() == 2);
        self.told.push((packet.payload[1], packet.lost_before, packet.restarted));
        self.sequences.push(packet.sequence);
        self.times.push(packet.pts);
        self.captured.push(packet.capture_time);
    }
}

#[test]
fn packets_come_out_in_order_with_what_is_lost_before_them() {
    let now = some_instant();
    let (mut source, mut taken) = (passing(), Taken::default());
    for number in [0, 2, 1, 5, 5, 8] {
        let packet = packet_of(SSRC, 65_534u16.wrapping_add(number), u32::from(number) * 3600);
        let _ = source.handle_packet_with(&packet, now, |p| taken.take(p));
    }
    assert_eq!(taken.told, [(254, 0, false), (255, 0, false), (0, 0, false)]);
    source.handle_timeout_with(now + ms(99), |_| panic!("two are awaited"));
    source.handle_timeout_with(now + ms(100), |p| {
        assert_eq!(p.arrived_at, now);
        taken.take(p);
    });
    assert_eq!(taken.told[3..], [(3, 2, false), (6, 2, false)]);
    let first = taken.sequences[0];
    assert_eq!(first as u16, 65_534);
    assert_eq!(taken.sequences, [0, 1, 2, 5, 8].map(|n| first + n));
    assert_eq!((source.counters().packets, source.counters().missing), (5, 4));
    assert_eq!((source.counters().late, source.counters().frames), (1, 0));
    assert_eq!(source.poll_frame(), None);
}

#[test]
fn a_packet_in_order_is_not_copied() {
    let now = some_instant();
    let mut source = passing();
    for sequence in 1..4 {
        let packet = packet(sequence);
        let taken = source.handle_packet_with(&packet, now, |p| {
            assert!(std::ptr::eq(p.payload, &packet[12..]));
        });
        taken.unwrap();
    }
    assert_eq!(source.counters().octets, 6);
}

#[test]
fn a_source_of_frames_passes_nothing_on() {
    let mut source = source();
    let now = some_instant();
    source.handle_packet_with(&packet(1), now, |_| panic!("it assembles frames")).unwrap();
    assert_eq!(frames(&mut source), [1]);
}

#[test]
fn numbers_and_times_rise_where_the_sender_begins_anew() {
    let now = some_instant();
    let (mut source, mut taken) = (passing(), Taken::default());
    let mut at = now;
    let mut give = |source: &mut RtpSource, ssrc, sequence: u16, timestamp| {
        at += ms(40);
        let packet = packet_of(ssrc, sequence, timestamp);
        let _ = source.handle_packet_with(&packet, at, |p| taken.take(p));
    };
    give(&mut source, 1, 60_000, 1_000_000);
    give(&mut source, 1, 60_001, 1_003_600);
    // Another SSRC, in the place of one that has said BYE.
    source.handle_bye(1, now + ms(80));
    give(&mut source, 2, 5, 7);
    give(&mut source, 2, 6, 3607);
    // The sequence numbers jump: two in a row are believed.
    give(&mut source, 2, 30_000, 7207);
    give(&mut source, 2, 30_001, 10_807);
    // The timestamps jump.
    give(&mut source, 2, 30_002, 3_000_000_000);
    give(&mut source, 2, 30_003, 3_000_003_600);
    let restarts: Vec<_> = taken.told.iter().map(|(number, _, anew)| (*number, *anew)).collect();
    let expected = [(96, false), (97, false), (5, true), (6, false), (49, true), (50, true)];
    assert_eq!(restarts[..6], expected);
    assert_eq!(restarts[6..], [(51, false)]);
    assert!(taken.sequences.windows(2).all(|w| w[0] < w[1]), "{:?}", taken.sequences);
    assert!(taken.times.windows(2).all(|w| w[0] < w[1]), "{:?}", taken.times);
    assert_eq!(taken.times[6], ms(280));
}

#[test]
fn capture_times_are_those_of_the_reports_until_the_timestamps_jump() {
    let now = some_instant();
    let (mut source, mut taken) = (passing(), Taken::default());
    let ntp = |ms: u64| NtpTime((1000 << 32) + (ms << 32) / 1000);
    let report = |ntp, rtp_timestamp| SenderReport {
        ssrc: SSRC,
        info: SenderInfo { ntp, rtp_timestamp, packet_count: 0, octet_count: 0 },
    };
    let mut give = |source: &mut RtpSource, sequence, timestamp, at| {
        let packet = packet_of(SSRC, sequence, timestamp);
        source.handle_packet_with(&packet, now + ms(at), |p| taken.take(p)).unwrap();
    };
    give(&mut source, 1, 9000, 0);
    source.handle_sender_report(&report(ntp(0), 9000), now);
    give(&mut source, 2, 18_000, 100);
    give(&mut source, 3, 2_000_000_000, 200);
    source.handle_sender_report(&report(ntp(200), 2_000_000_000), now + ms(200));
    give(&mut source, 4, 2_000_009_000, 300);
    assert_eq!(taken.captured, [None, Some(ntp(100)), None, Some(ntp(300))]);
}

#[test]
fn a_goodbye_brings_out_what_has_waited() {
    let now = some_instant();
    let (mut source, mut taken) = (passing(), Taken::default());
    for sequence in [1, 3] {
        source.handle_packet_with(&packet(sequence), now, |p| taken.take(p)).unwrap();
    }
    source.handle_bye(SSRC, now);
    source.handle_timeout_with(now + ms(100), |p| taken.take(p));
    assert_eq!(taken.told, [(1, 0, false), (3, 1, false)]);
    assert!(source.is_ended());
}

#[test]
fn the_header_extension_of_jpeg_is_passed_on_and_others_are_not() {
    let now = some_instant();
    let mut source = passing();
    let packetizer = Box::new(TestPacketizer::default());
    let mut sink = RtpSink::new(&FORMAT, packetizer, 1448, [0; 12]).unwrap();
    let mut passed = 0;
    for (number, profile) in (1..).zip([0xffd8_u16, 0xabac, 0xffd8]) {
        let mut packet = packet(number);
        packet[0] |= 0x10;
        packet.splice(12..12, [profile.to_be_bytes(), [0, 1], [7, 7], [7, 7]].concat());
        let result = source.handle_packet_with(&packet, now, |packet| {
            let expected = (profile == 0xffd8).then_some((0xffd8, &[7; 4][..]));
            assert_eq!((packet.extension, packet.payload.len()), (expected, 2));
            let mut batch = PacketBuffer::default();
            sink.begin_relay(&mut batch);
            sink.relay(packet, &mut batch);
            let sent = RtpPacket::parse(batch.packet(0).unwrap()).unwrap();
            assert_eq!((sent.extension, sent.payload), (expected, packet.payload));
            passed += 1;
        });
        assert!(result.is_ok());
    }
    assert_eq!(passed, 3);
}
