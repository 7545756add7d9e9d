//! Players that talk to the crate's own server, over every transport.

use crate::camera::rtp;
use crate::world::{SERVER, Told, World, config, secs};
use riverrun::client::{Player, PlayerConfig, TrackChoice, TransportPolicy};
use riverrun::codec::{CodecParameters, PcmEncoding};
use riverrun::env::MediumId;
use riverrun::rtp::ReceivedFrame;
use riverrun::server::{
    BackChannelOptions, BackChannelSink, LiveStreamOptions, LiveTrackOptions, RtspServer,
    ServerConfig,
};
use riverrun::wire::rtp::PacketKind;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};

struct Speaker(Sender<(Vec<u8>, bool)>);

impl BackChannelSink for Speaker {
    fn frame(&mut self, frame: ReceivedFrame) {
        self.0.send((frame.data.to_vec(), frame.discontinuity)).expect("the test listens");
    }
}

/// Opens a server with a stream `door` that can be talked to; what is heard comes out.
fn serve(
    world: &mut World,
    config: ServerConfig,
) -> (MediumId<RtspServer>, Receiver<(Vec<u8>, bool)>) {
    let server = world.serve_with(config);
    let (sender, heard) = channel();
    let sound =
        CodecParameters::Pcm { encoding: PcmEncoding::Pcmu, sampling_rate: 8000, channels: 1 };
    let added = world.env.with(server, |server, env| {
        let options = BackChannelOptions::for_codecs(std::slice::from_ref(&sound))?;
        let speaker = server.add_back_channel(options, Speaker(sender))?;
        let stream = LiveStreamOptions::new("door").with_back_channel(speaker);
        server.add_live_tracks(env, stream, vec![LiveTrackOptions::new(sound)])
    });
    added.expect("the server is there").expect("a stream");
    (server, heard)
}

fn talking(transport: TransportPolicy) -> PlayerConfig {
    let mut config = config();
    config.transport = transport;
    config.tracks = TrackChoice::back_channel_alone();
    config
}

fn sound(number: u16) -> Vec<u8> {
    let mut sound = vec![0xD5; 160];
    sound[..2].copy_from_slice(&number.to_be_bytes());
    sound
}

fn talk(world: &mut World, player: MediumId<Player>, numbers: Range<u16>) {
    for number in numbers {
        let mut packet = rtp(0, number, u32::from(number) * 160, 0x77);
        packet.extend(sound(number));
        let sent = world
            .env
            .with(player, |player, env| player.send_to_back_channel(env, PacketKind::Rtp, &packet));
        sent.expect("the player is there").expect("it is set up");
        world.run_secs(0.02);
    }
}

#[track_caller]
fn talks_without_loss(config: ServerConfig, player: PlayerConfig) {
    let mut world = World::new(41);
    let served = serve(&mut world, config);
    talks_to(world, served, &format!("rtsp://{SERVER}/door"), player);
}

#[track_caller]
fn talks_to(
    mut world: World,
    (server, heard): (MediumId<RtspServer>, Receiver<(Vec<u8>, bool)>),
    url: &str,
    player: PlayerConfig,
) {
    let player = world.play(url, player);
    world.wait_for(secs(5.0), |told| matches!(told, Told::Playing(_)));
    talk(&mut world, player, 0..200);
    world.run_secs(0.5);
    let all: Vec<_> = heard.try_iter().collect();
    assert!(all.iter().map(|(data, _)| data).eq(&(0..200).map(sound).collect::<Vec<_>>()));
    // It is silent for minutes, and keeps its session by itself; nothing wakes up for it meanwhile.
    let turns = world.env.statistics().turns;
    world.run_secs(300.0);
    let turns = world.env.statistics().turns - turns;
    assert!(turns < 50_000, "{turns} turns, 15,000 of them of the live stream");
    talk(&mut world, player, 200..210);
    world.run_secs(0.5);
    assert_eq!(heard.try_iter().count(), 10);
    assert!(world.told().iter().all(|told| !matches!(told, Told::Lost(_))), "{:?}", world.told());
    world.env.close(player);
    world.run_secs(1.0);
    let server = world.env.medium(server).expect("it is there");
    assert_eq!((server.pool().len(), server.connection_count()), (0, 0));
}

#[test]
fn what_a_player_says_is_heard() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        talks_without_loss(ServerConfig::default(), talking(transport));
    }
    let mut tunnel = talking(TransportPolicy::Auto);
    tunnel.client.http_tunnel_port = Some(554);
    talks_without_loss(ServerConfig::default(), tunnel);
}

#[cfg(feature = "srtp")]
#[test]
fn what_a_player_says_is_protected() {
    use riverrun::rtp::srtp::CryptoSuite;
    use riverrun::server::SrtpConfig;
    for suite in CryptoSuite::ALL {
        for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
            let mut srtp = SrtpConfig::default();
            (srtp.required, srtp.allow_plain_connections) = (true, true);
            srtp.suite = suite;
            let mut config = ServerConfig::default();
            config.srtp = Some(srtp);
            let mut player = talking(transport);
            player.srtp.allow_plain_connections = true;
            talks_without_loss(config, player);
        }
    }
}

#[test]
fn over_a_bad_network_little_is_lost_and_nothing_comes_twice() {
    for (transport, seed) in [(TransportPolicy::Udp, 5), (TransportPolicy::Tcp, 6)] {
        let mut world = World::new(seed);
        let (_, heard) = serve(&mut world, ServerConfig::default());
        let player = world.play(&format!("rtsp://{SERVER}/door"), talking(transport));
        world.wait_for(secs(5.0), |told| matches!(told, Told::Playing(_)));
        world.set_profile(|profile| {
            (profile.loss, profile.reordering, profile.duplication) = (0.02, 0.1, 0.05);
        });
        talk(&mut world, player, 0..1000);
        world.run_secs(5.0);
        let all: Vec<_> = heard.try_iter().collect();
        let number = |data: &[u8]| u16::from_be_bytes([data[0], data[1]]);
        let numbers: Vec<_> = all.iter().map(|(data, _)| number(data)).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{transport:?}");
        assert!(all.iter().all(|(data, _)| *data == sound(number(data))));
        let gaps = all.windows(2).filter(|p| number(&p[1].0) != number(&p[0].0) + 1);
        assert!(gaps.clone().all(|pair| pair[1].1), "a gap is told");
        match transport {
            TransportPolicy::Udp => {
                assert!((950..1000).contains(&numbers.len()), "{}", numbers.len())
            }
            _ => assert_eq!((numbers.len(), gaps.count()), (1000, 0)),
        }
    }
}

#[cfg(feature = "tls")]
fn talks_over_tls(config: ServerConfig, mut player: PlayerConfig) {
    let mut world = World::new(43);
    let served = serve(&mut world, config);
    crate::tls::listen_tls(&mut world, served.0, "10.0.0.1", "server");
    world.set_profile(|profile| profile.partial = 0.3);
    player.client.tls_trust = crate::tls::authorities("ca.pem");
    talks_to(world, served, "rtsps://10.0.0.1/door", player);
}

#[cfg(feature = "tls")]
#[test]
fn what_a_player_says_over_tls_is_heard() {
    // UDP is asked for first, and refused.
    for transport in [TransportPolicy::Tcp, TransportPolicy::Auto] {
        talks_over_tls(ServerConfig::default(), talking(transport));
    }
}

#[cfg(all(feature = "tls", feature = "srtp"))]
#[test]
fn what_a_player_says_by_srtp_with_keys_told_over_tls_is_heard() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut srtp = riverrun::server::SrtpConfig::default();
        (srtp.required, srtp.mki_len) = (true, 4);
        let mut config = ServerConfig::default();
        config.srtp = Some(srtp);
        talks_over_tls(config, talking(transport));
    }
}
