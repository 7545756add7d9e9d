//! Players and the crate's own server.

use crate::liar::{Act, Liar};
use crate::world::{FRAME, PLAYER_HOST, SERVER, Told, World, config, secs};
use riverrun::client::{PlayerConfig, ReconnectPolicy, TransportPolicy};
use riverrun::net::UdpSocket;
use std::sync::mpsc::channel;
use std::time::Duration;

fn over(transport: TransportPolicy) -> PlayerConfig {
    let mut config = config();
    config.transport = transport;
    config
}

fn url(name: &str) -> String {
    format!("rtsp://{SERVER}/{name}")
}

#[test]
fn a_file_is_played_to_its_end() {
    for (transport, way) in [(TransportPolicy::Udp, "UDP"), (TransportPolicy::Tcp, "TCP")] {
        let mut world = World::new(1);
        world.serve();
        world.play(&url("h264_aac.mkv"), over(transport));
        world.run_secs(12.0);
        let playing = Told::Playing(way.to_owned());
        let expected = [Told::Connected, Told::Described(2), playing, Told::EndOfStream];
        assert_eq!(world.told(), expected);
        let log = &world.log;
        let count = |track| log.frames.iter().filter(|f| f.track == track).count();
        assert_eq!((count(1), count(2)), (FRAMES_OF_VIDEO, FRAMES_OF_AUDIO));
        let steps = log.frames.iter().filter(|f| f.track == 2).map(|f| f.pts).collect::<Vec<_>>();
        assert!(steps.is_sorted());
        assert!(steps.last().is_some_and(|last| last.abs_diff(secs(5.0)) < secs(0.1)));
        assert!(log.frames.iter().all(|frame| !frame.discontinuity));
        // Each track has told what was received of it, to the last packet.
        let [video, audio] = log.ended[..] else { panic!("{:?}", log.ended) };
        assert_eq!((video.track, video.frames), (1, FRAMES_OF_VIDEO as u64));
        assert_eq!((audio.track, audio.frames), (2, FRAMES_OF_AUDIO as u64));
        assert!(video.packets >= video.frames && audio.packets > 0, "{:?}", log.ended);
    }
}

const FRAMES_OF_VIDEO: usize = 125;
const FRAMES_OF_AUDIO: usize = 217;

#[test]
fn a_live_stream_that_is_cut_goes_on_after_the_first_delay() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut world = World::new(2);
        let served = world.serve();
        world.play(&url("live"), over(transport));
        world.run_secs(20.0);
        let before = world.frames();
        assert!(before > 900, "{before}");
        world.env.close(served);
        let lost = world.wait_for(secs(15.0), |told| matches!(told, Told::Lost(_)));
        world.serve();
        let again = world.wait_for(secs(3.0), |told| matches!(told, Told::Playing(_)));
        assert!(again - lost < secs(2.5), "{:?}", world.told());
        world.run_secs(5.0);
        let log = &world.log;
        let after: Vec<_> = log.frames.iter().filter(|frame| frame.at > again).collect();
        assert!(after.len() > 200 && after[0].discontinuity);
        let number = |frame: &[u8]| u32::from_be_bytes(frame[..4].try_into().unwrap());
        let numbers: Vec<_> = after.iter().map(|frame| number(&frame.data)).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "none is missing");
        // The time line goes on by the clock, through the gap.
        let pts: Vec<_> = log.frames.iter().map(|frame| frame.pts).collect();
        assert!(pts.is_sorted());
        let (first, last) = (log.frames.first().unwrap(), log.frames.last().unwrap());
        let (by_pts, by_clock) = (last.pts - first.pts, last.at - first.at);
        assert!(by_pts.abs_diff(by_clock) < FRAME * 5, "{by_pts:?} {by_clock:?}");
    }
}

#[test]
fn where_udp_does_not_arrive_tcp_is_used_and_remembered() {
    let mut world = World::new(3);
    let served = world.serve();
    world.play(&url("live"), config());
    world.set_profile(|profile| profile.udp_loss = 1.0);
    world.run_secs(8.0);
    let told = world.told();
    assert!(told.contains(&Told::Playing("UDP".into())), "{told:?}");
    assert!(told.contains(&Told::Lost("no packet has come over UDP".into())), "{told:?}");
    assert_eq!(told.last(), Some(&Told::Playing("TCP".into())), "{told:?}");
    assert!(world.frames() > 150);
    // After a restart it is not tried again.
    world.env.close(served);
    world.run_secs(1.0);
    world.serve();
    let from = world.told().len();
    world.run_secs(5.0);
    let told = world.told().split_off(from);
    let playing: Vec<_> = told.iter().filter(|t| matches!(t, Told::Playing(_))).collect();
    assert_eq!(playing, [&Told::Playing("TCP".into())]);
}

#[test]
fn a_server_that_changes_its_mind_about_transports_is_followed() {
    let mut world = World::new(10);
    let liar = Liar::open(&mut world.env, SERVER, |_| Act::Honest);
    world.play(&url("live"), config());
    world.run_secs(3.0);
    assert_eq!(world.told().last(), Some(&Told::Playing("TCP".into())), "it has TCP alone");
    world.env.close(liar);
    world.run_secs(0.5);
    // The next one has UDP alone.
    let mut refuses = Liar::udp_alone();
    Liar::open(&mut world.env, SERVER, move |request| refuses(request));
    world.wait_for(secs(3.0), |told| *told == Told::Playing("UDP".into()));
}

#[test]
fn time_outs_that_never_come() {
    let mut world = World::new(12);
    world.serve();
    let mut config = config();
    config.stall_timeout = Duration::MAX;
    config.first_packet_timeout = Duration::MAX;
    config.client.answer_timeout = Duration::MAX;
    config.client.connect_timeout = Duration::MAX;
    config.reconnect.first_delay = Duration::MAX;
    config.reconnect.longest_delay = Duration::MAX;
    world.play(&url("live"), config.clone());
    world.play("rtsp://10.0.0.1:9/nobody", config);
    world.run_secs(5.0);
    assert!(world.frames() > 200);
    let delays = world.told().into_iter().filter(|told| matches!(told, Told::Reconnecting(_)));
    assert_eq!(delays.count(), 1);
}

#[test]
fn a_server_that_is_not_there_is_tried_again_with_growing_delays() {
    let mut world = World::new(4);
    world.play(&url("live"), config());
    world.run_secs(100.0);
    let delays: Vec<_> = world
        .told()
        .into_iter()
        .filter_map(|told| match told {
            Told::Reconnecting(delay) => Some(delay),
            _ => None,
        })
        .collect();
    for (delay, seconds) in delays.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]) {
        let ratio = delay.as_secs_f64() / seconds;
        assert!((0.87..=1.13).contains(&ratio), "{delays:?}");
    }
    assert!(delays.len() >= 6, "{delays:?}");
    world.serve();
    world.wait_for(secs(61.0), |told| matches!(told, Told::Playing(_)));
    world.run_secs(1.0);
    assert!(world.frames() > 20);
}

#[test]
fn it_is_stopped_in_order() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut world = World::new(5);
        let served = world.serve();
        let player = world.play(&url("live"), over(transport));
        world.run_secs(3.0);
        world.env.with(player, |player, env| player.stop(env)).unwrap();
        world.wait_for(secs(0.5), |told| *told == Told::Stopped);
        let sessions = world.env.medium(served).unwrap().pool().len();
        assert_eq!(sessions, 0, "TEARDOWN has ended the session");
        world.env.close(player);
        world.run_secs(1.0);
        let open = world.network().open_sockets("10.0.0.2".parse().unwrap());
        assert_eq!(open, 0, "nothing is left open");
    }
}

#[test]
fn the_session_is_kept_alive() {
    let mut world = World::new(6);
    world.serve();
    world.play(&url("live"), over(TransportPolicy::Udp));
    // Reports would keep it alive too.
    world.run(Duration::from_secs(400));
    let told = world.told();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(world.frames() > 19_000);
}

#[test]
fn rtsp_and_media_go_through_an_http_tunnel() {
    let mut world = World::new(8);
    world.set_profile(|profile| profile.partial = 0.3);
    let liar = Liar::open(&mut world.env, "10.0.0.1:80", |_| Act::Honest);
    world.env.medium_mut(liar).unwrap().is_tunnelled = true;
    let mut config = config();
    config.client.http_tunnel_port = Some(80);
    let player = world.play("rtsp://10.0.0.1/x", config);
    world.run_secs(10.0);
    let told = world.told();
    assert_eq!(told, [Told::Connected, Told::Described(2), Told::Playing("TCP".into())]);
    assert!(world.frames() > 900, "{}", world.frames());
    world.env.with(player, |player, env| player.stop(env)).unwrap();
    world.run_secs(1.0);
    assert_eq!(world.told().last(), Some(&Told::Stopped));
    assert_eq!(world.env.medium(liar).unwrap().asked.last().map(String::as_str), Some("TEARDOWN"));
    world.env.close(player);
    world.run_secs(1.0);
    assert_eq!(world.network().open_sockets("10.0.0.2".parse().unwrap()), 0);
}

#[test]
fn a_server_without_a_tunnel_is_told_as_such() {
    let mut world = World::new(9);
    Liar::open(&mut world.env, "10.0.0.1:80", |_| Act::Honest);
    let mut config = config();
    config.client.http_tunnel_port = Some(80);
    config.reconnect = ReconnectPolicy::never();
    world.play("rtsp://10.0.0.1/x", config);
    world.run_secs(1.0);
    let why =
        "the connection cannot be used: the server opens no HTTP tunnel: HTTP/1.1 404 Not Found";
    assert_eq!(world.told(), [Told::Failed(why.to_owned())]);
}

#[test]
fn options_are_left_out_on_request() {
    for (first, expected) in [(true, "OPTIONS"), (false, "DESCRIBE")] {
        let mut world = World::new(13);
        let liar = Liar::open(&mut world.env, SERVER, |_| Act::Honest);
        let mut config = over(TransportPolicy::Tcp);
        config.options_first = first;
        world.play(&url("live"), config);
        world.wait_for(secs(1.0), |told| *told == Told::Playing("TCP".into()));
        let asked = world.env.with(liar, |liar, _| liar.asked.clone()).expect("it is there");
        assert_eq!(asked.first().map(String::as_str), Some(expected), "{asked:?}");
        assert_eq!(asked.iter().filter(|method| *method == "OPTIONS").count(), usize::from(first));
    }
}

#[test]
fn each_track_has_the_ports_behind_the_first() {
    let mut world = World::new(14);
    let (teller, transports) = channel();
    let mut udp_alone = Liar::udp_alone();
    Liar::open(&mut world.env, SERVER, move |request| {
        if let Some(transport) = request.headers.value("Transport") {
            teller.send(transport.to_owned()).expect("the test waits");
        }
        udp_alone(request)
    });
    let mut config = over(TransportPolicy::Udp);
    config.first_port = Some(7_100);
    config.reconnect.first_delay = secs(1.0);
    world.play(&url("live"), config);
    world.run_secs(12.0);
    let asked: Vec<_> = transports.try_iter().collect();
    assert!(asked.len() >= 4, "nothing comes, so it is tried again: {asked:?}");
    for (n, transport) in asked.iter().enumerate() {
        let ports = ["client_port=7100-7101", "client_port=7102-7103"][n % 2];
        assert!(transport.contains(ports), "{transport}");
    }
}

#[test]
fn ports_that_others_have_are_told() {
    let mut world = World::new(15);
    world.serve();
    let taken = format!("{PLAYER_HOST}:7101").parse().expect("an address");
    let _taken = UdpSocket::bind(&mut world.env, taken).expect("it is free");
    let mut config = over(TransportPolicy::Udp);
    config.first_port = Some(7_100);
    config.reconnect = ReconnectPolicy::never();
    world.play(&url("live"), config);
    world.run_secs(1.0);
    let told = world.told();
    let Some(Told::Failed(why)) = told.last() else { panic!("{told:?}") };
    assert!(why.starts_with("UDP ports 7100 and 7101: "), "{why}");
}
