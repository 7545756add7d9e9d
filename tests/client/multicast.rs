//! Players of a multicast group, to which the crate's own server sends.

use crate::world::{PLAYER_HOST, SERVER, Told, World, config, secs};
use riverrun::client::{MediaTransport, PlayerConfig, TransportPolicy};
use riverrun::codec::{CodecParameters, OtherCodec};
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::media::live::{LiveSender, Sent, live_stream};
use riverrun::media::queue::QueueLimits;
use riverrun::net::{Groupsock, MulticastInterface};
use riverrun::payload::FormatRegistry;
use riverrun::server::{LiveTrack, MulticastTrack, RtspServer, ServerConfig, ServerMediaSession};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(20);
const GROUP: [u8; 4] = [232, 0, 0, 9];

/// A server that sends two tracks to a group, whoever listens.
fn serve(world: &mut World, source: Option<IpAddr>) -> MediumId<RtspServer> {
    let address = [SERVER.parse().expect("an address")];
    let env = &mut world.env;
    let server = RtspServer::new(env, ServerConfig::default(), &address).expect("a server");
    let mut senders = Vec::new();
    let mut tracks = Vec::new();
    for (number, kind) in [(0, "video"), (1, "audio")] {
        let made = env.with(server, |server, env| server.create_live_input(env));
        let (input, wake) = made.expect("the server is there");
        let codec = CodecParameters::from(OtherCodec::new(kind, "X-TEST", 8000));
        let (sender, stream) = live_stream(codec, QueueLimits::default(), wake);
        let factory = LiveTrack::new(stream, input)
            .with_formats(FormatRegistry::opaque())
            .with_payload_type(96 + number);
        let mut open = |port| {
            let group = SocketAddr::from((GROUP, port));
            Groupsock::open(env, group, 7, MulticastInterface::Any, None).expect("a socket")
        };
        let port = 5004 + u16::from(number) * 2;
        let (rtp, rtcp) = (open(port), open(port + 1));
        tracks.push(MulticastTrack::new(factory, rtp, rtcp));
        senders.push(sender);
    }
    let added = env.with(server, |server, env| {
        let passive = server.add_multicast_streams(env, tracks).expect("streams");
        let mut session = ServerMediaSession::new("group", "", "");
        if let Some(source) = source {
            session = session.with_source_specific_multicast(source);
        }
        let session = passive.into_iter().fold(session, ServerMediaSession::with_subsession);
        server.add_server_media_session(env, session)
    });
    added.expect("the server is there").expect("a session");
    feed(env, senders, 0);
    server
}

fn feed(env: &mut UsageEnvironment, senders: Vec<LiveSender>, number: u32) {
    let mut open = true;
    for sender in &senders {
        let frame = [&number.to_be_bytes()[..], &[0x55; 96]].concat();
        open &= sender.send_access_unit(frame, INTERVAL * number) != Sent::Closed;
    }
    if open {
        env.schedule_delayed_task(INTERVAL, move |env| feed(env, senders, number + 1));
    }
}

fn over_multicast() -> PlayerConfig {
    let mut config = config();
    config.transport = TransportPolicy::Multicast;
    config
}

fn numbers(world: &World, track: usize) -> Vec<u32> {
    let frames = world.log.frames.iter().filter(|frame| frame.track == track);
    frames.map(|frame| u32::from_be_bytes(frame.data[..4].try_into().unwrap())).collect()
}

#[test]
fn a_group_is_joined_and_left() {
    for source in [None, Some(IpAddr::from([10, 0, 0, 1]))] {
        let mut world = World::new(1);
        serve(&mut world, source);
        world.run_secs(1.0);
        let server_host: IpAddr = SERVER.split(':').next().unwrap().parse().unwrap();
        let sockets = |world: &mut World| {
            let hosts = [server_host, PLAYER_HOST.parse().unwrap()];
            hosts.map(|host| world.network().open_sockets(host)).into_iter().sum::<usize>()
        };
        let before = sockets(&mut world);
        let player = world.play(&format!("rtsp://{SERVER}/group"), over_multicast());
        world.run_secs(60.0);
        let told = world.told();
        assert_eq!(told, [Told::Connected, Told::Described(2), Told::Playing("multicast".into())]);
        for track in [1, 2] {
            let numbers = numbers(&world, track);
            assert!(numbers.len() > 2900, "{}", numbers.len());
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
        }
        let playing = world.env.medium(player).unwrap();
        for track in playing.tracks() {
            assert_eq!(track.transport, MediaTransport::Multicast);
            // It hears its own reports, and does not take them for another's.
            let (rtcp, source) = (track.receiver.rtcp(), track.receiver.source().counters());
            assert_eq!(rtcp.members(), 2, "the sender and itself");
            assert_eq!((source.missing, source.rejected), (0, 0));
        }
        world.env.with(player, |player, env| player.stop(env)).unwrap();
        world.run_secs(3.0);
        assert_eq!(world.told().last(), Some(&Told::Stopped));
        world.env.close(player);
        world.run_secs(1.0);
        assert_eq!(sockets(&mut world), before);
    }
}

#[test]
fn two_players_of_a_group_get_the_same() {
    let mut world = World::new(2);
    let served = serve(&mut world, None);
    for _ in 0..2 {
        world.play(&format!("rtsp://{SERVER}/group"), over_multicast());
    }
    world.run_secs(10.0);
    let mut all = numbers(&world, 1);
    all.sort_unstable();
    let twice = all.chunks(2).skip(2).take(400).all(|pair| pair[0] == pair[1]);
    assert!(twice && all.len() > 900, "{}", all.len());
    // The end of one server is the end of both, and both come to the next.
    world.env.close(served);
    world.run_secs(1.0);
    serve(&mut world, None);
    world.run_secs(5.0);
    let playing = world.told().into_iter().filter(|told| matches!(told, Told::Playing(_)));
    assert_eq!(playing.count(), 4);
    let before = world.frames();
    world.run_secs(1.0);
    assert!(world.frames() - before >= 190, "two tracks, two players");
}

#[test]
fn a_group_from_which_nothing_comes() {
    let mut world = World::new(3);
    serve(&mut world, None);
    world.set_profile(|profile| profile.udp_loss = 1.0);
    world.play(&format!("rtsp://{SERVER}/group"), over_multicast());
    let limit = over_multicast().stall_timeout + secs(0.5);
    world.wait_for(limit, |told| *told == Told::Lost("no packet has come over multicast".into()));
    world.set_profile(|_| {});
    world.wait_for(secs(3.0), |told| *told == Told::Playing("multicast".into()));
    world.run_secs(1.0);
    assert!(world.frames() > 80);
}

#[test]
fn a_session_that_is_no_group_is_told_as_such() {
    let mut world = World::new(4);
    world.serve();
    world.play(&format!("rtsp://{SERVER}/live"), over_multicast());
    world.wait_for(
        secs(1.0),
        |told| matches!(told, Told::Lost(why) if why.contains("461 Unsupported Transport")),
    );
}
