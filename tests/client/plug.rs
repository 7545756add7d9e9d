//! Somebody pulls the server's plug, again and again.

use crate::world::{PLAYER_HOST, SERVER, Told, World, config, secs};
use riverrun::client::{PlayerConfig, TransportPolicy};
use riverrun::codec::OtherCodec;
use riverrun::env::MediumId;
use riverrun::payload::FormatRegistry;
use riverrun::server::{LiveTrackOptions, RtspServer};
use std::net::IpAddr;
use std::time::Duration;

/// Hours of simulated time for each transport; `RIVERRUN_SOAK_HOURS` says another number.
const HOURS: u64 = 20;
/// One frame, so that hours take seconds.
const INTERVAL: Duration = Duration::from_secs(5);

fn serve(world: &mut World) -> MediumId<RtspServer> {
    let codec = OtherCodec::new("video", "X-TEST", 90_000);
    let track = LiveTrackOptions::new(codec.into()).with_formats(FormatRegistry::opaque());
    world.serve_track(track, INTERVAL)
}

fn player_config(transport: TransportPolicy) -> PlayerConfig {
    let mut config = config();
    config.transport = transport;
    config.first_packet_timeout = secs(15.0);
    config.stall_timeout = secs(20.0);
    config
}

/// What is pulled.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The program ends; the system closes its connections.
    Program,
    /// The host is off, without a word.
    Host,
    /// All connections are reset.
    Connections,
}

#[test]
fn after_each_cut_it_plays_again_within_the_longest_delay() {
    let hours = std::env::var("RIVERRUN_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok());
    let end = Duration::from_secs(3600 * hours.unwrap_or(HOURS));
    for (seed, transport) in [(1, TransportPolicy::Udp), (2, TransportPolicy::Tcp)] {
        pull(seed, transport, end);
    }
}

fn pull(seed: u64, transport: TransportPolicy, time: Duration) {
    let mut world = World::new(seed);
    let (server_host, player_host): (IpAddr, IpAddr) =
        (SERVER.split(':').next().unwrap().parse().unwrap(), PLAYER_HOST.parse().unwrap());
    let config = player_config(transport);
    let limit = config.reconnect.longest_delay + secs(5.0) + INTERVAL;
    let mut server = serve(&mut world);
    world.run_secs(60.0);
    let tasks = world.env.delayed_tasks();
    let player = world.play(&format!("rtsp://{SERVER}/live"), config);
    world.run_secs(60.0);
    let sockets = world.network().open_sockets(player_host);
    let end = world.env.now() + time;
    let mut cuts = 0;
    while world.env.now() < end {
        let mut random = || f64::from(world.env.random_u32()) / f64::from(u32::MAX);
        let (quiet, off) = (secs(3600.0 * random()), secs(300.0 * random().powi(3)));
        let cut = [Cut::Program, Cut::Host, Cut::Connections][(random() * 2.999) as usize];
        world.run(quiet);
        cuts += 1;
        match cut {
            Cut::Program => {
                world.env.close(server);
                world.run(off);
                server = serve(&mut world);
            }
            Cut::Host => {
                world.network().vanish(server_host);
                world.run(off);
                world.network().come_back(server_host);
            }
            Cut::Connections => world.network().reset_connections(player_host),
        }
        // The news of the past are not needed any more.
        world.log.frames.clear();
        let back = world.env.now();
        // What was under way when the host came back may still arrive; the proof is what comes
        // when that is over.
        let settled = back + limit;
        world.run_until(settled, |_| false);
        world.log.frames.clear();
        let plays = world.run_until(settled + INTERVAL * 2, |log| !log.frames.is_empty());
        let told = world.told();
        let last = told.get(told.len().saturating_sub(8)..);
        assert!(plays, "cut {cuts}, {cut:?} for {off:?}: {last:?}");
        let ended = |told: &&Told| matches!(told, Told::EndOfStream | Told::Failed(_));
        assert_eq!(told.iter().find(ended), None);
        world.log.told.clear();
    }
    assert!(cuts > time.as_secs() / 3600, "{cuts}");
    world.run_secs(600.0);
    assert_eq!(world.network().open_sockets(player_host), sockets, "descriptors");
    world.env.close(player);
    world.run_secs(600.0);
    assert_eq!(world.network().open_sockets(player_host), 0, "descriptors");
    assert_eq!(world.env.delayed_tasks(), tasks, "timers");
}
