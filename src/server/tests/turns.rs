//! What one turn of the loop does at most, however much peers ask for and however many they are.

use super::media::{TestTrack, session};
use super::publisher::{open_world, packet};
use super::world::World;
use crate::codec::CodecParameters;
use crate::media::live::live_stream;
use crate::media::queue::QueueLimits;
use crate::server::{LiveTrack, OnDemandServerMediaSubsession, ServerMediaSession};
use crate::wire::rtp::PacketKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn plays_that_read_in_files_share_the_turns() {
    let mut w = World::new();
    let sought = Arc::new(AtomicUsize::new(0));
    let track = TestTrack::video().sought_counted_by(&sought);
    w.add(session("film").with_subsession(track.alone()));
    let clients: Vec<_> = (0..4)
        .map(|i| {
            let c = w.client();
            w.setup_over(c, "/film", 1, i % 2 == 0);
            c
        })
        .collect();
    for i in 0..16 {
        for &c in &clients {
            w.ask(c, "PLAY", "/film", &[("Range", &format!("npt={}-", i % 8 + 1))]);
        }
    }
    for &c in &clients {
        w.ask(c, "OPTIONS", "*", &[]);
    }
    w.run(Duration::ZERO);
    let (mut most, mut before) = (0, 0);
    for _ in 0..200 {
        w.env.turn(Some(Duration::from_millis(1))).unwrap();
        let now = sought.load(Ordering::Relaxed);
        most = most.max(now - before);
        before = now;
    }
    assert_eq!(before, 64, "all are done");
    assert!(most <= 4, "{most} in one turn");
    w.run_secs(0.1);
    for c in clients {
        let starts: Vec<_> = (0..16)
            .map(|_| w.answer(c).expect(200).header("Range").to_owned())
            .map(|range| range.split('.').next().unwrap().to_owned())
            .collect();
        let expected: Vec<_> = (0..16).map(|i| format!("npt={}", i % 8 + 1)).collect();
        assert_eq!(starts, expected, "in their order");
        w.answer(c).expect(200).header("Public");
    }
    w.expect_nothing_left();
}

#[test]
fn a_live_frame_goes_to_a_crowd_of_streams_over_several_turns() {
    const CROWD: usize = 600;
    let mut w = World::new();
    let (input, wake) = w.serve(|server, env| server.create_live_input(env));
    let parameters = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
    let (sender, stream) = live_stream(parameters, QueueLimits::default(), wake);
    let track = OnDemandServerMediaSubsession::new(LiveTrack::new(stream, input));
    w.add(ServerMediaSession::new("live", "", "").with_subsession(track));
    let first = w.client();
    let viewers: Vec<_> = (0..CROWD)
        .map(|i| {
            let c = if i == 0 { first } else { w.beside(first) };
            w.setup_tcp(c, "/live", 1);
            w.play(c, "/live");
            c
        })
        .collect();
    let send = |n: u8| {
        let mut unit = vec![0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9];
        unit.extend([0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65]);
        unit.extend([0x80, 0x80, 0x80, 0x80, 0x80 | n, 0x81]);
        let _ = sender.send_access_unit(unit, Duration::from_millis(40) * u32::from(n));
    };
    let sent = |w: &World| {
        let streams = w.server().streams.iter();
        streams.map(|(_, s)| s.packet_count()).filter(|&n| n > 0).count()
    };
    send(0);
    let (mut most, mut before, mut turns) = (0, 0, 0);
    while before < CROWD && turns < 50 {
        w.env.turn(Some(Duration::from_micros(10))).unwrap();
        let now = sent(&w);
        most = most.max(now - before);
        (before, turns) = (now, turns + 1);
        // Another frame in the middle of it.
        if turns == 3 {
            send(1);
        }
    }
    assert_eq!(before, CROWD);
    assert!((50..=128).contains(&most), "{most} in one turn");
    w.run_secs(0.2);
    for &c in &viewers {
        let ends = w[c].track(1).rtp.iter().filter(|p| p.marker).count();
        assert_eq!(ends, 2, "nobody has lost a frame");
    }
    drop(sender);
    w.run_secs(1.0);
    assert!(viewers.iter().all(|&c| w[c].track(1).byes() == 1));
    w.serve(|server, env| server.delete_live_input(env, input));
    w.expect_nothing_left();
}

/// What is there of a picture goes out together: relaying it in two parts costs twice as much.
#[test]
fn a_picture_that_a_publisher_has_sent_is_read_in_one_turn() {
    let mut w = open_world(|_| {});
    let c = w.publisher("/cam", true);
    let passed = |w: &mut World| {
        w.serve(|server, _| {
            let id = server.relayed_stream_by_name("cam").unwrap();
            server.relayed_stream(id).unwrap().packets
        })
    };
    let mut numbers = 0..;
    let mut send = |w: &mut World, packets: u64| {
        for number in numbers.by_ref().take(packets as usize) {
            w.send_packet(c, 1, PacketKind::Rtp, &packet(96, number, 0, &[0x41; 1400]));
        }
        w.run(Duration::ZERO);
    };
    for packets in [2, 11, 30, 40] {
        let before = passed(&mut w);
        send(&mut w, packets);
        let mut turns = Vec::new();
        while passed(&mut w) < before + packets {
            let before = passed(&mut w);
            w.env.turn(Some(Duration::from_millis(1))).unwrap();
            turns.push(passed(&mut w) - before);
        }
        turns.retain(|passed| *passed > 0);
        assert_eq!(turns, [packets]);
    }
    // But no more than 64 KiB, so that others have their turn.
    let before = passed(&mut w);
    send(&mut w, 60);
    while passed(&mut w) == before {
        w.env.turn(Some(Duration::from_millis(1))).unwrap();
    }
    assert_eq!(passed(&mut w) - before, 64 * 1024 / (4 + 12 + 1400));
    w.run_secs(0.1);
    assert_eq!(passed(&mut w) - before, 60);
}
