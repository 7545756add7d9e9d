//! Hours of a camera that is cut off again and again, with viewers who stay.

use super::{PROXY_HOST, Relay, Viewer, over, proxy_config};
use crate::world::{SERVER, World, secs};
use allocation_counter::measure;
use riverrun::client::TransportPolicy;
use riverrun::codec::OtherCodec;
use riverrun::env::MediumId;
use riverrun::payload::FormatRegistry;
use riverrun::server::{LiveTrackOptions, RtspServer};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Hours of simulated time for each transport; `RIVERRUN_SOAK_HOURS` says another number.
const HOURS: u64 = 1;
/// One frame, so that hours take seconds.
const INTERVAL: Duration = Duration::from_secs(5);
/// Longest delay between two attempts.
const LONGEST: Duration = Duration::from_secs(20);

fn serve(world: &mut World) -> MediumId<RtspServer> {
    let codec = OtherCodec::new("audio", "X-TEST", 8000);
    let track = LiveTrackOptions::new(codec.into()).with_formats(FormatRegistry::opaque());
    world.serve_track(track, INTERVAL)
}

struct Hours {
    relay: Relay,
    camera: MediumId<RtspServer>,
    viewers: Vec<Viewer>,
    /// Timers before there were viewers.
    timers: usize,
    cuts: [u32; 3],
    longest: Duration,
}

#[test]
fn viewers_stay_through_hours_of_cuts() {
    let hours = std::env::var("RIVERRUN_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok());
    let time = Duration::from_secs(3600 * hours.unwrap_or(HOURS));
    for (seed, transport) in [(1, TransportPolicy::Udp), (2, TransportPolicy::Tcp)] {
        let begun = Instant::now();
        let mut hours = Hours::new(seed, transport);
        // Some cuts of each kind, after which all that is kept is there.
        hours.pass(time.min(secs(7200.0)));
        let before = hours.open();
        let memory = measure(|| hours.pass(time));
        assert!(memory.bytes_current.abs() < 128 * 1024, "{memory:?}");
        assert!(memory.bytes_max < 4 << 20, "{memory:?}");
        println!(
            "{transport:?}: cuts {:?}, {:?} away; {:?}",
            hours.cuts,
            hours.longest,
            begun.elapsed()
        );
        assert_eq!(hours.open(), before, "descriptors");
        let Hours { mut relay, viewers, timers, .. } = hours;
        for viewer in viewers {
            assert_eq!(viewer.told, ["playing"], "none had to begin again");
            relay.world.env.close(viewer.player);
        }
        // Longer than the relay would keep viewers without the source.
        relay.run(700.0);
        assert!(relay.with(|proxy| proxy.player().is_none()), "nobody watches");
        assert_eq!(relay.sockets_of(PROXY_HOST), 1, "the listener");
        assert_eq!(relay.world.env.delayed_tasks(), timers, "timers");
    }
}

impl Hours {
    fn new(seed: u64, transport: TransportPolicy) -> Self {
        let mut world = World::new(seed);
        world.set_profile(|profile| {
            (profile.latency_min, profile.latency_max) = (secs(0.02), secs(0.06));
        });
        let camera = serve(&mut world);
        let mut config = proxy_config();
        let player = &mut config.player;
        player.transport = transport;
        player.first_packet_timeout = secs(15.0);
        player.stall_timeout = secs(20.0);
        player.reconnect.longest_delay = LONGEST;
        let mut relay = Relay::in_world(world, &format!("rtsp://{SERVER}/live"), config);
        relay.run(60.0);
        let timers = relay.world.env.delayed_tasks();
        let viewers = [TransportPolicy::Udp, TransportPolicy::Tcp].map(|transport| {
            let mut config = over(transport);
            (config.stall_timeout, config.first_packet_timeout) = (Duration::MAX, Duration::MAX);
            relay.watch_with(config)
        });
        let viewers = viewers.into();
        let (cuts, longest) = ([0; 3], Duration::ZERO);
        let mut hours = Self { relay, camera, viewers, timers, cuts, longest };
        hours.relay.run(60.0);
        hours
    }

    /// Number of sockets of the proxy.
    fn open(&mut self) -> usize {
        self.relay.sockets_of(PROXY_HOST)
    }

    /// From 0 to 1.
    fn chance(&mut self) -> f64 {
        f64::from(self.relay.world.env.random_u32()) / f64::from(u32::MAX)
    }

    fn pass(&mut self, time: Duration) {
        let end = self.relay.world.env.now() + time;
        while self.relay.world.env.now() < end {
            let quiet = 600.0 * self.chance();
            self.relay.run(quiet);
            self.cut();
            self.comes_back();
        }
    }

    fn cut(&mut self) {
        let host: IpAddr = SERVER.split(':').next().unwrap().parse().unwrap();
        let off = 300.0 * self.chance().powi(3);
        let which = (self.chance() * 2.999) as usize;
        self.cuts[which] += 1;
        match which {
            0 => {
                self.relay.world.env.close(self.camera);
                self.relay.run(off);
                self.camera = serve(&mut self.relay.world);
            }
            1 => {
                self.relay.world.network().vanish(host);
                self.relay.run(off);
                self.relay.world.network().come_back(host);
            }
            _ => self.relay.world.network().reset_connections(host),
        }
    }

    /// The camera is back. What was under way may still be lost by its time limits: 10 s for a
    /// request, 20 s for silence.
    fn comes_back(&mut self) {
        let back = self.relay.world.env.now();
        let within = LONGEST + secs(35.0) + INTERVAL;
        self.relay.run(within.as_secs_f64());
        for viewer in &mut self.viewers {
            viewer.goes_on();
            let frames = std::mem::take(&mut viewer.seen);
            let first = frames.iter().find(|frame| frame.at > back + secs(0.2));
            let first = first.unwrap_or_else(|| panic!("nothing: {:?}", self.relay.told));
            self.longest = self.longest.max(first.at - back);
            // The last one is that from which the next go on.
            viewer.seen.extend(frames.last().cloned());
        }
        self.relay.told.clear();
    }
}
