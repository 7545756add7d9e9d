//! Players of streams with SRTP, from the crate's own server.

use crate::world::{SERVER, Told, World, config, secs};
use riverrun::client::{Player, PlayerConfig, TransportPolicy};
use riverrun::env::MediumId;
use riverrun::rtp::srtp::CryptoSuite;
use riverrun::server::{ServerConfig, SrtpConfig};

fn server(change: impl FnOnce(&mut SrtpConfig)) -> ServerConfig {
    let mut srtp = SrtpConfig::default();
    (srtp.required, srtp.allow_plain_connections) = (true, true);
    change(&mut srtp);
    let mut config = ServerConfig::default();
    config.srtp = Some(srtp);
    config
}

fn player(transport: TransportPolicy) -> PlayerConfig {
    let mut config = config();
    config.transport = transport;
    config.srtp.allow_plain_connections = true;
    config
}

fn url(name: &str) -> String {
    format!("rtsp://{SERVER}/{name}")
}

/// Packets that were refused: those that are not authentic, and those that came again.
fn refused(world: &World, player: MediumId<Player>) -> (u64, u64) {
    let player = world.env.medium(player).expect("the player is there");
    player
        .tracks()
        .map(|t| (t.counters.not_authentic, t.counters.replayed))
        .fold((0, 0), |(forged, again), (not_authentic, replayed)| {
            (forged + not_authentic, again + replayed)
        })
}

#[test]
fn files_and_live_streams_are_played_by_every_suite() {
    for (n, suite) in CryptoSuite::ALL.into_iter().enumerate() {
        for (transport, way) in [(TransportPolicy::Udp, "UDP"), (TransportPolicy::Tcp, "TCP")] {
            let mut world = World::new(1);
            let served = world.serve_with(server(|srtp| {
                (srtp.suite, srtp.mki_len) = (suite, if n % 2 == 0 { 0 } else { 4 });
            }));
            let live = world.play(&url("live"), player(transport));
            world.run_secs(3.0);
            assert_eq!(world.told().last(), Some(&Told::Playing(way.to_owned())), "{suite}");
            assert!(world.frames() > 130, "{suite}: {}", world.frames());
            // They tell the server how they receive.
            world.run_secs(8.0);
            let server = world.env.medium(served).expect("the server is there");
            let session = server.pool().iter().next().expect("a session").0;
            let track = server.client_statistics(session).next().expect("a track");
            assert!(track.delivery.packets > 300 && track.delivery.reception.is_some());
            assert_eq!(refused(&world, live), (0, 0));
            if n > 0 {
                continue;
            }
            world.env.close(live);
            world.run_secs(0.5);
            world.log.frames.clear();
            let file = world.play(&url("h264_aac.mkv"), player(transport));
            world.run_secs(4.0);
            assert_eq!(refused(&world, file), (0, 0));
            world.run_secs(8.0);
            assert_eq!(world.told().last(), Some(&Told::EndOfStream));
            let video = world.log.frames.iter().filter(|frame| frame.track == 1);
            assert_eq!(video.count(), 125, "{suite} {way}");
        }
    }
}

#[test]
fn repeated_and_reordered_packets_are_told_apart() {
    let mut world = World::new(2);
    world.set_profile(|profile| {
        (profile.duplication, profile.reordering) = (0.1, 0.1);
    });
    world.serve_with(server(|_| {}));
    let player = world.play(&url("live"), player(TransportPolicy::Udp));
    world.run_secs(20.0);
    let (forged, again) = refused(&world, player);
    assert_eq!(forged, 0);
    assert!(again > 50, "{again}");
    let numbers: Vec<_> = world.log.frames.iter().map(|frame| frame.data[..4].to_vec()).collect();
    assert!(numbers.len() > 900 && numbers.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn keys_are_not_told_over_a_connection_that_is_not_secure() {
    let mut world = World::new(3);
    let served = world.serve_with(server(|_| {}));
    let mut plain = player(TransportPolicy::Tcp);
    plain.srtp.allow_plain_connections = false;
    plain.reconnect.max_failures = Some(1);
    world.play(&url("live"), plain);
    world.run_secs(1.0);
    let why = "DESCRIBE: SRTP over a connection that is not secure".to_owned();
    let expected = [Told::Connected, Told::Described(1), Told::TrackFailed(1), Told::Failed(why)];
    assert_eq!(world.told(), expected);
    assert_eq!(world.env.medium(served).unwrap().stream_count(), 0, "nothing was set up");
}

#[test]
fn a_server_that_begins_anew_is_followed_with_its_new_keys() {
    let mut world = World::new(4);
    let served = world.serve_with(server(|_| {}));
    world.play(&url("live"), player(TransportPolicy::Udp));
    world.run_secs(5.0);
    world.env.close(served);
    world.wait_for(secs(15.0), |told| matches!(told, Told::Lost(_)));
    world.serve_with(server(|srtp| srtp.suite = CryptoSuite::AeadAes128Gcm));
    let again = world.wait_for(secs(3.0), |told| matches!(told, Told::Playing(_)));
    world.run_secs(3.0);
    let after = world.log.frames.iter().filter(|frame| frame.at > again).count();
    assert!(after > 100, "{after}");
}

#[test]
fn keys_of_the_clients_choice_are_for_servers_that_take_them() {
    // This one does not: it sends with its own.
    let mut world = World::new(5);
    world.serve_with(server(|_| {}));
    let mut config = player(TransportPolicy::Tcp);
    config.srtp.client_keys = true;
    let player = world.play(&url("live"), config);
    world.run_secs(2.0);
    assert!(refused(&world, player).0 > 50);
    assert_eq!(world.frames(), 0);
}
