//! Players that pass packets on, for relays.

use crate::camera::{Camera, FIRST_SEQUENCE, FIRST_TIMESTAMP, SDP};
use crate::world::{SERVER, World, config, secs};
use riverrun::client::{Player, PlayerConfig, PlayerEvent, PlayerOutput, TransportPolicy};
use riverrun::env::MediumId;
use riverrun::rtp::rtcp::NtpTime;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A packet that a player passed on.
#[derive(Debug)]
struct Passed {
    track: usize,
    sequence: u64,
    timestamp: u32,
    lost_before: u64,
    restarted: bool,
    captured: Option<Duration>,
    payload: Vec<u8>,
    at: Instant,
}

fn over(transport: TransportPolicy) -> PlayerConfig {
    let mut config = config();
    config.transport = transport;
    config.output = PlayerOutput::Packets;
    config
}

/// Plays; what comes out are packets, and in words what else is told.
fn pass(
    world: &mut World,
    name: &str,
    config: PlayerConfig,
) -> (MediumId<Player>, Receiver<Passed>, Receiver<String>) {
    let ((packets, passed), (teller, told)) = (channel(), channel());
    let url = format!("rtsp://{SERVER}/{name}");
    let player = Player::open(&mut world.env, &url, config, move |env, event| match event {
        PlayerEvent::Packet { track, packet } => {
            let passed = Passed {
                track,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                lost_before: packet.lost_before,
                restarted: packet.restarted,
                captured: packet.capture_time.map(NtpTime::to_unix),
                payload: packet.payload.to_vec(),
                at: env.now(),
            };
            packets.send(passed).unwrap();
        }
        PlayerEvent::Frame { .. } | PlayerEvent::FirstFrame { .. } => panic!("no frames"),
        PlayerEvent::Lost(why) => teller.send(why.to_string()).unwrap(),
        PlayerEvent::Playing { transport, .. } => teller.send(transport.to_string()).unwrap(),
        PlayerEvent::Ended(why) => teller.send(why.to_string()).unwrap(),
        _ => {}
    });
    (player.unwrap(), passed, told)
}

/// The number of a live frame; each is a packet.
fn number(passed: &Passed) -> u32 {
    u32::from_be_bytes(passed.payload[..4].try_into().unwrap())
}

#[test]
fn a_live_stream_comes_packet_by_packet_and_again_after_a_cut() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut world = World::new(31);
        let served = world.serve();
        let (_, passed, told) = pass(&mut world, "live", over(transport));
        world.run_secs(10.0);
        let before: Vec<_> = passed.try_iter().collect();
        assert!(before.len() > 450, "{}", before.len());
        for pair in before.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence + 1);
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
            assert_eq!(number(&pair[1]), number(&pair[0]) + 1);
        }
        assert!(before.iter().all(|p| p.lost_before == 0 && !p.restarted && p.track == 1));
        // The wall clock of this world is that of the server, which has told it.
        let last = before.last().unwrap();
        let wall = world.env.wall_clock() - (world.env.now() - last.at);
        assert!(last.captured.unwrap().abs_diff(wall) < secs(0.1), "{last:?} {wall:?}");
        world.env.close(served);
        world.run_secs(15.0);
        world.serve();
        world.run_secs(20.0);
        let after: Vec<_> = passed.try_iter().collect();
        assert!(after.len() > 200, "{}", after.len());
        let told: Vec<_> = told.try_iter().collect();
        assert!(told.len() >= 3 && told[0] == told[told.len() - 1], "{told:?}");
    }
}

#[test]
fn loss_is_told_and_what_is_reordered_is_put_in_order() {
    let mut world = World::new(32);
    world.set_profile(|profile| {
        profile.udp_loss = 0.05;
        (profile.reordering, profile.duplication) = (0.1, 0.1);
    });
    world.serve();
    let mut config = over(TransportPolicy::Udp);
    config.nack = false;
    let (player, passed, _told) = pass(&mut world, "live", config);
    world.run_secs(60.0);
    let passed: Vec<_> = passed.try_iter().collect();
    for pair in passed.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1 + pair[1].lost_before);
        assert_eq!(u64::from(number(&pair[1]) - number(&pair[0])), 1 + pair[1].lost_before);
    }
    let lost: u64 = passed.iter().map(|p| p.lost_before).sum();
    let counters = world.env.medium(player).unwrap().tracks().next().unwrap().receiver.source();
    assert_eq!((counters.counters().missing, counters.counters().frames), (lost, 0));
    assert!((90..230).contains(&lost), "{lost}");
}

#[test]
fn a_file_ends_as_it_does_for_frames() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut world = World::new(33);
        world.serve();
        let (_, passed, told) = pass(&mut world, "h264_aac.mkv", over(transport));
        world.run_secs(12.0);
        let told: Vec<_> = told.try_iter().collect();
        assert_eq!(told.last().map(|t| &**t), Some("the end of the presentation"), "{told:?}");
        let passed: Vec<_> = passed.try_iter().collect();
        for track in [1, 2] {
            let of_it: Vec<_> = passed.iter().filter(|p| p.track == track).collect();
            assert!(of_it.len() > 50, "{}", of_it.len());
            assert!(of_it.iter().all(|p| p.lost_before == 0 && !p.payload.is_empty()));
        }
    }
}

#[test]
fn where_udp_brings_no_packet_tcp_is_used() {
    let mut world = World::new(34);
    world.serve();
    let (_, passed, told) = pass(&mut world, "live", over(TransportPolicy::Auto));
    world.set_profile(|profile| profile.udp_loss = 1.0);
    world.run_secs(8.0);
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told, ["UDP", "no packet has come over UDP", "TCP"]);
    assert!(passed.try_iter().count() > 150);
}

#[test]
fn a_track_that_stops_is_missed_and_another_ssrc_is_not() {
    let mut world = World::new(35);
    let camera = Camera::open(&mut world.env, SERVER, |_, _| {});
    let (_, passed, told) = pass(&mut world, "live", over(TransportPolicy::Udp));
    world.run_secs(2.0);
    let first: Vec<_> = passed.try_iter().filter(|p| p.track == 1).collect();
    assert_eq!(first[0].sequence as u16, FIRST_SEQUENCE);
    assert_eq!(first[0].timestamp, FIRST_TIMESTAMP);
    // The camera's encoder begins anew.
    world.env.medium_mut(camera).unwrap().dead = vec![1, 2];
    world.run_secs(2.0);
    let camera_now = world.env.medium_mut(camera).unwrap();
    (camera_now.dead, camera_now.ssrc) = (Vec::new(), 0x2000);
    world.run_secs(2.0);
    let second: Vec<_> = passed.try_iter().filter(|p| p.track == 1).collect();
    let anew: Vec<_> = second.iter().filter(|p| p.restarted).collect();
    assert_eq!(anew.len(), 1, "{:?}", second.iter().map(|p| p.sequence).collect::<Vec<_>>());
    assert!(second.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    world.env.medium_mut(camera).unwrap().dead = vec![1];
    world.run_secs(11.0);
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told.get(..2), Some(&["UDP".to_owned(), "track 1 has stopped".to_owned()][..]));
}

#[test]
fn a_key_frame_is_asked_for_where_the_description_allows_it() {
    for (feedback, asks) in [("a=rtcp-fb:96 nack pli\r\n", true), ("", false)] {
        let mut world = World::new(36);
        let camera = Camera::open(&mut world.env, SERVER, |_, _| {});
        let sdp = SDP.replace("a=control:track1\r\n", &format!("a=control:track1\r\n{feedback}"));
        world.env.medium_mut(camera).unwrap().sdp = sdp;
        let (player, _passed, _told) = pass(&mut world, "live", over(TransportPolicy::Tcp));
        world.run_secs(2.0);
        // A feedback message (206) whose format is PLI (1), as RFC 4585 has them.
        let plis = |world: &World| {
            let packets = &world.env.medium(camera).unwrap().packets;
            let is_pli = |data: &[u8]| data.windows(2).any(|pair| pair == [0x81, 206]);
            packets.iter().filter(|(channel, data)| *channel == 1 && is_pli(data)).count()
        };
        assert_eq!(plis(&world), 0);
        for _ in 0..3 {
            let asked = world.env.with(player, |player, env| player.request_key_frame(env, 1));
            asked.unwrap();
        }
        world.run_secs(5.0);
        // One at once, and one for those that came within a second of it.
        assert_eq!(plis(&world), if asks { 2 } else { 0 });
    }
}
