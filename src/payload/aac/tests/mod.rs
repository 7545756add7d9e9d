mod depacketizer;
mod layouts;

use super::sdp::format;
use super::{AacDepacketizer, AacPacketizer, samples_per_unit};
use crate::payload::testing::{Received, audio_frames, round_trip};
use crate::payload::{PacketBuffer, Packetizer};

const CONFIG: &[u8] = &[0x12, 0x10];

#[test]
fn what_goes_in_comes_out() {
    for max_payload in [20, 60, 333, 1000, 1400, 9000] {
        for max_len in [10, 300, 1500, 8191] {
            let frames = audio_frames(200, max_len, 1024, 44_100, max_payload as u64);
            let mut p = AacPacketizer::new(44_100);
            let d = AacDepacketizer::new(1024);
            round_trip(&mut p, d, &frames, 44_100, max_payload);
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
    let mut d = Received::new(AacDepacketizer::new(1024));
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
    let mut d = Received::new(AacDepacketizer::new(1024));
    for payload in [&[][..], &[0], &[0, 0], &[0, 15, 0, 8, 1], &[0, 16, 0], &[0, 16, 0, 0, 1]] {
        assert!(d.handle_payload(payload, true, 0, false).is_err(), "{payload:?}");
    }
    // Interleaved: the second is not the next. The index of the first alone says nothing.
    assert!(d.handle_payload(&[0, 32, 0, 8, 0, 9, 1, 2], true, 0, false).is_err());
    let mut other = Received::new(AacDepacketizer::new(1024));
    other.handle_payload(&[0, 16, 0, 9, 1], true, 0, false).unwrap();
    assert_eq!((other.poll_frame().unwrap().data.len(), other.deviations()), (1, 1));
    // Two units promised, one there.
    assert!(d.handle_payload(&[0, 32, 0, 8, 0, 8, 1], true, 0, false).is_err());
}

#[test]
fn sdp() {
    let format = format(CONFIG, 44_100, 2, 96);
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
