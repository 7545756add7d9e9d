//! What is pushed arrives as it is: live, from a file, relayed.

use super::{PICTURE, Push, add_camera, far_url, picture, push, push_config, serve_far};
use crate::relay::{PROXY, add, over, watch};
use crate::world::{SERVER, World, secs};
use riverrun::client::{PlayerConfig, TransportPolicy};
use riverrun::relay::{ProxyConfig, Pusher};
use riverrun::server::{RtspServer, ServerConfig};

const TRANSPORTS: [(TransportPolicy, &str); 3] = [
    (TransportPolicy::Tcp, "pushing 1 track over TCP"),
    (TransportPolicy::Udp, "pushing 1 track over UDP"),
    (TransportPolicy::Auto, "pushing 1 track over UDP"),
];

#[test]
fn a_live_stream_is_watched_elsewhere_to_the_bit_and_the_millisecond() {
    for (seed, (transport, pushing)) in (1..).zip(TRANSPORTS) {
        let mut push = Push::new(seed, "live", transport);
        push.waits_for(2.0, pushing);
        assert_eq!(push.told[0], "connecting");
        let mut viewer = push.watch();
        push.run(20.0);
        let frames = viewer.new_frames();
        assert!(frames.len() > 900, "{} {:?}", frames.len(), viewer.told);
        for pair in frames.windows(2) {
            assert_eq!(pair[1].number(), pair[0].number() + 1);
        }
        for frame in &frames {
            let whole = [&frame.number().to_be_bytes()[..], &[0xFF; 156]].concat();
            assert_eq!(frame.data, whole);
        }
        // When it was captured is known far away.
        let captured: Vec<_> = frames.iter().skip(700).filter_map(|f| f.captured).collect();
        assert!(captured.len() > 100, "{}", captured.len());
        let wall_clock = push.world.env.wall_clock();
        let last = wall_clock.abs_diff(*captured.last().unwrap());
        assert!(last < secs(0.1), "{last:?}");
        viewer.goes_on();
        let pusher = push.world.env.medium(push.pusher).unwrap();
        assert!(pusher.is_recording() && pusher.packets() > 900);
        assert_eq!(push.told_of("lost") + push.told_of("cannot"), 0);
        // At its end the session there ends at once, and all that is held here.
        let sessions = |push: &Push| push.world.env.medium(push.device).unwrap().pool().len();
        assert_eq!(sessions(&push), 1);
        push.world.env.close(push.pusher);
        push.run(0.5);
        let far = push.world.env.medium(push.far).unwrap();
        let stream = far.relayed_stream_by_name("door").expect("it is kept for its viewers");
        assert_eq!(far.publisher_of(stream), None);
        assert_eq!(sessions(&push), 0);
        let host = SERVER.split(':').next().unwrap().parse().unwrap();
        assert_eq!(push.world.network().open_sockets(host), 1, "the listener");
    }
}

#[test]
fn a_file_is_pushed_to_its_end_and_again() {
    for (seed, transport) in [(11, TransportPolicy::Tcp), (12, TransportPolicy::Udp)] {
        let mut push = Push::new(seed, "h264_aac.mkv", transport);
        push.waits_for(5.0, "pushing 2 tracks");
        let mut viewer = push.watch();
        let mut config: PlayerConfig = crate::world::config();
        config.transport = TransportPolicy::Tcp;
        push.world.play(&format!("rtsp://{SERVER}/h264_aac.mkv"), config);
        push.waits_for(60.0, "the stream has ended");
        push.run(1.0);
        let seen = viewer.new_frames();
        for track in [1, 2] {
            let of_file = push.world.log.frames.iter().filter(|got| got.track == track);
            let of_file: Vec<_> = of_file.map(|got| &got.data[..]).collect();
            let seen: Vec<_> =
                seen.iter().filter(|s| s.track == track).map(|s| &s.data[..]).collect();
            // All up to the end, but for what had gone before the viewer came.
            let missed =
                of_file.iter().position(|data| *data == seen[0]).expect("it is of the file");
            let rest = &of_file[missed..];
            assert!(missed * 2 < of_file.len(), "{missed} of {}", of_file.len());
            assert_eq!(&seen[..rest.len()], rest, "track {track}");
        }
        assert_eq!(push.told_of("lost"), 0);
        // It begins anew, and its viewers stay.
        push.waits_for(5.0, "pushing 2 tracks");
        push.run(1.0);
        assert!(!viewer.new_frames().is_empty(), "{:?}", viewer.told);
    }
}

#[test]
fn a_key_frame_that_is_wanted_elsewhere_is_asked_of_the_encoder() {
    for (seed, transport) in [(21, TransportPolicy::Tcp), (22, TransportPolicy::Udp)] {
        let mut world = World::new(seed);
        let device = world.serve();
        add_camera(&mut world, device, "camera", 3000);
        let mut push = Push::of(world, device, "camera", transport);
        push.waits_for(5.0, "pushing 1 track");
        push.run(10.0);
        for _ in 0..3 {
            let mut viewer = push.watch();
            push.run(4.0);
            let frames = viewer.new_frames();
            assert!(frames.len() > 60, "{} {:?}", frames.len(), viewer.told);
            let pictures: Vec<_> = frames.iter().map(|frame| picture(&frame.data)).collect();
            assert!(pictures[0].1, "the first can be decoded");
            assert!(pictures.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{pictures:?}");
            let wait = frames[0].at.saturating_duration_since(push.world.env.now() - secs(4.0));
            assert!(wait < secs(1.5) + PICTURE, "{wait:?}");
            push.world.env.close(viewer.player);
            push.run(5.0);
        }
        assert_eq!(push.told_of("lost"), 0, "{:?}", push.told);
    }
}

/// The device relays a camera that it opens for the pusher alone.
#[test]
fn a_relayed_stream_is_pushed_and_stays_through_an_absence_of_its_source() {
    const DEVICE: &str = "10.0.0.8:554";
    let mut world = World::new(31);
    let camera = world.serve();
    let address = [DEVICE.parse().unwrap()];
    let device = RtspServer::new(&mut world.env, ServerConfig::default(), &address).unwrap();
    let mut config = ProxyConfig::default();
    config.player.client.local_address = "10.0.0.8".parse().ok();
    let (_, pulled) = add(&mut world, device, "cam", &format!("rtsp://{SERVER}/live"), config);
    world.run_secs(5.0);
    assert_eq!(pulled.try_iter().count(), 0, "nobody watches");
    let far = serve_far(&mut world);
    let mut config = push_config(TransportPolicy::Tcp);
    config.client.local_address = "10.0.0.8".parse().ok();
    let (pusher, events) = push(&mut world, device, "cam", &far_url(), config);
    let mut push = Push { world, device, far, pusher, events, told: Vec::new() };
    push.waits_for(10.0, "pushing 1 track over TCP");
    assert!(pulled.try_iter().any(|told| told.contains("opening")));
    let mut viewer = push.watch();
    push.run(5.0);
    let frames = viewer.new_frames();
    assert!(frames.len() > 200, "{} {:?}", frames.len(), viewer.told);
    assert!(frames.windows(2).all(|pair| pair[1].number() == pair[0].number() + 1));
    push.world.env.close(camera);
    push.run(5.0);
    push.world.serve();
    push.run(20.0);
    assert!(viewer.new_frames().len() > 200, "{:?} {:?}", viewer.told, push.told);
    assert_eq!((push.told_of("pushing"), &viewer.told[..]), (1, &["playing".to_owned()][..]));
    viewer.goes_on();
}

#[test]
fn a_stream_that_is_not_there_is_waited_for_and_keeps_nobody_waiting() {
    let mut push = Push::new(41, "later", TransportPolicy::Tcp);
    push.run(100.0);
    assert_eq!(push.told_of("waiting for the stream: 404"), 1, "{:?}", push.told);
    assert_eq!(push.told_of("connecting"), 1, "the server is left alone");
    assert_eq!(push.world.env.medium(push.far).unwrap().connection_count(), 0);
    add_camera(&mut push.world, push.device, "later", 300);
    push.waits_for(70.0, "pushing 1 track");
}

#[test]
fn other_codecs_are_announced_anew() {
    use riverrun::payload::PayloadFormat;
    use riverrun::rtp::ReceivedPacket;
    use riverrun::server::RelayedTrack;
    let mut world = World::new(51);
    let device = world.serve();
    let added = world.env.with(device, |server, env| server.add_relayed_stream(env, "any"));
    let stream = added.unwrap().unwrap();
    let mut push = Push::of(world, device, "any", TransportPolicy::Tcp);
    push.run(30.0);
    assert_eq!(push.told_of("waiting for the stream: 503"), 1, "{:?}", push.told);
    let formats = [
        PayloadFormat::new("audio", "PCMU", 8000, 0),
        PayloadFormat::new("audio", "OPUS", 48_000, 97),
        PayloadFormat::new("video", "X-ODD", 90_000, 98),
    ];
    for format in formats {
        let name = format.encoding_name.clone();
        let described = push.world.env.with(push.device, |server, env| {
            server.relayed_source_described(env, stream, vec![RelayedTrack::new(format)])
        });
        described.unwrap().unwrap();
        push.waits_for(15.0, "pushing 1 track");
        let before = push.taken();
        for n in 0..50 {
            push.world
                .env
                .with(push.device, |server, env| {
                    let packet = ReceivedPacket::new(&[7; 20], n * 960, env.now());
                    server.relay_packet(env, stream, 0, &packet);
                    server.send_relayed_packets(env);
                })
                .unwrap();
            push.run(0.02);
        }
        push.run(0.1);
        let far = push.world.env.medium(push.far).unwrap();
        let taken = far.relayed_stream_by_name("door").and_then(|id| far.relayed_stream(id));
        let formats: Vec<_> =
            taken.unwrap().tracks().map(|t| t.format().encoding_name.clone()).collect();
        assert_eq!(formats, [name]);
        assert!(push.taken() >= before.min(1) + 45, "{}", push.taken());
    }
    assert_eq!(push.told_of("has other codecs"), 2, "{:?}", push.told);
    assert_eq!(push.told_of("lost"), 0);
}

#[test]
fn two_streams_go_to_one_server() {
    let mut first = Push::new(61, "live", TransportPolicy::Tcp);
    let url = format!("rtsp://{PROXY}/site/two%20b");
    let config = push_config(TransportPolicy::Udp);
    let second = push(&mut first.world, first.device, "/mulaw.wav", &url, config);
    first.run(1.0);
    let mut viewers = ["door", "site/two%20b"]
        .map(|name| watch(&mut first.world, name, over(TransportPolicy::Udp)));
    first.run(2.0);
    for viewer in &mut viewers {
        assert!(viewer.new_frames().len() > 20, "{:?} {:?}", viewer.told, first.told);
    }
    assert_eq!(first.world.env.medium(second.0).unwrap().stream(), "mulaw.wav");
}

#[test]
fn what_cannot_be_pushed_to_is_refused() {
    let error = |url: &str| Pusher::check(url, &push_config(TransportPolicy::Tcp)).is_err();
    assert!(error("http://h/x") && error("rtsp://h/") && error("rtsp://h") && error("door"));
    assert!(!error("rtsp://u:p@h/x") && !error("rtsph://h/x"));
    assert!(Pusher::check("rtsp://h/x", &push_config(TransportPolicy::Multicast)).is_err());
}

#[test]
fn what_only_users_may_watch_is_pushed_all_the_same() {
    use riverrun::server::access::{AccessConfig, UserAccess, UserTable};
    let mut push = Push::new(71, "live", TransportPolicy::Tcp);
    let text = format!("user ann sha-256={}\n", "0a".repeat(32));
    let table: UserTable = riverrun::server::access::users_file::parse(&text).unwrap();
    let access = UserAccess::new(AccessConfig::default(), table).unwrap();
    let device = push.device;
    push.world.env.with(device, |server, _| server.set_authenticator(access)).unwrap();
    push.waits_for(2.0, "pushing 1 track");
    let end = RtspServer::end_unpermitted_sessions;
    assert_eq!(push.world.env.with(device, end), Ok(0));
    let before = push.taken();
    push.run(3.0);
    assert!(push.taken() > before + 100 && push.told_of("pushing") == 1, "{:?}", push.told);
}
