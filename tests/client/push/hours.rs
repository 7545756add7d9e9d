//! Hours of a server that goes away again and again.

use super::{FAR_HOST, Push, push_config, serve_far};
use crate::world::{SERVER, World, secs};
use allocation_counter::measure;
use riverrun::client::TransportPolicy;
use riverrun::codec::OtherCodec;
use riverrun::payload::FormatRegistry;
use riverrun::server::LiveTrackOptions;
use std::time::Duration;

/// Hours of simulated time; `RIVERRUN_SOAK_HOURS` says another number.
const HOURS: u64 = 1;
/// One frame, so that hours take seconds.
const INTERVAL: Duration = Duration::from_secs(1);
/// Longest delay between two attempts.
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn a_stream_is_pushed_through_hours_of_cuts() {
    let hours = std::env::var("RIVERRUN_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok());
    let time = Duration::from_secs(3600 * hours.unwrap_or(HOURS));
    for (seed, transport) in [(1, TransportPolicy::Tcp), (2, TransportPolicy::Udp)] {
        let mut world = World::new(seed);
        world.set_profile(|profile| {
            (profile.latency_min, profile.latency_max) = (secs(0.02), secs(0.06));
        });
        let codec = OtherCodec::new("audio", "X-TEST", 8000);
        let track = LiveTrackOptions::new(codec.into()).with_formats(FormatRegistry::opaque());
        let device = world.serve_track(track, INTERVAL);
        let mut config = push_config(transport);
        config.reconnect.longest_delay = LONGEST;
        let mut push = Push::with(world, device, "live", config);
        push.waits_for(10.0, "pushing");
        let mut cuts = Cuts::default();
        cuts.pass(&mut push, time.min(secs(3600.0)));
        let (timers, sockets) = cuts.held(&mut push);
        let memory = measure(|| cuts.pass(&mut push, time));
        println!("{transport:?}: {cuts:?}");
        assert_eq!(cuts.held(&mut push), (timers, sockets), "timers, sockets");
        assert!(memory.bytes_current.abs() < 128 * 1024, "{memory:?}");
        assert!(cuts.number.iter().all(|number| *number > 0), "{cuts:?}");
    }
}

#[derive(Debug, Default)]
struct Cuts {
    /// The server is closed; it vanishes; its connections are reset.
    number: [u32; 3],
    /// Longest time until it was pushed again.
    longest: Duration,
}

impl Cuts {
    /// Timers of all, and sockets of the device, in the middle of the quiet.
    fn held(&self, push: &mut Push) -> (usize, usize) {
        push.run(30.0);
        let host = SERVER.split(':').next().unwrap().parse().unwrap();
        (push.world.env.delayed_tasks(), push.world.network().open_sockets(host))
    }

    fn pass(&mut self, push: &mut Push, time: Duration) {
        let chance = |push: &mut Push| f64::from(push.world.env.random_u32()) / f64::from(u32::MAX);
        let end = push.world.env.now() + time;
        let host = FAR_HOST.parse().unwrap();
        while push.world.env.now() < end {
            let quiet = 5.5 + 300.0 * chance(push);
            push.run(quiet);
            let off = 200.0 * chance(push).powi(3);
            let which = (chance(push) * 2.999) as usize;
            self.number[which] += 1;
            push.told.clear();
            match which {
                0 => {
                    push.world.env.close(push.far);
                    push.run(off);
                    push.far = serve_far(&mut push.world);
                }
                1 => {
                    push.world.network().vanish(host);
                    push.run(off);
                    push.world.network().come_back(host);
                }
                _ => push.world.network().reset_connections(host),
            }
            self.comes_back(push, which);
        }
    }

    /// The server is back, and takes the stream within the longest delay and five seconds. One that
    /// has vanished may have to be found out to be away first.
    fn comes_back(&mut self, push: &mut Push, which: usize) {
        let back = push.world.env.now();
        let within = LONGEST + secs(5.0) + if which == 1 { secs(70.0) } else { secs(0.0) };
        loop {
            push.run(0.2);
            let before = push.taken();
            push.run(1.2);
            let is_recording = push.world.env.medium(push.pusher).unwrap().is_recording();
            if is_recording && push.taken() > before {
                break;
            }
            let passed = push.world.env.now() - back;
            assert!(passed < within, "{which}: {:?}", push.told);
        }
        if which != 1 {
            self.longest = self.longest.max(push.world.env.now() - back);
        }
    }
}
