//! Hours of a camera and publishers that are cut off again and again, and of a relay that is started
//! anew now and then, with viewers who stay.
//!
//! `RIVERRUN_SOAK_HOURS` and `RIVERRUN_SOAK_VIEWERS` say how long and how many.

mod camera;
mod picture;
mod publisher;
mod viewer;

use super::{PROXY, PROXY_HOST, proxy_config};
use crate::world::{PLAYER_HOST, SERVER, World, secs};
use allocation_counter::measure;
use camera::{Camera, Codec};
use picture::{CameraClock, GROUP_TIME};
use publisher::{PUBLISHER_HOST, Publisher};
use riverrun::client::TransportPolicy;
use riverrun::env::{LinkProfile, MediumId};
use riverrun::relay::ProxyServerMediaSession;
use riverrun::server::{PublishPolicy, RelayedStreamOptions, RtspServer, ServerConfig};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use viewer::Viewer;

/// Hours of simulated time.
const HOURS: u64 = 1;
const VIEWERS: usize = 6;
/// Longest delay between two attempts of the relay, and of a viewer.
const LONGEST: Duration = Duration::from_secs(20);
const LONGEST_OF_VIEWERS: Duration = Duration::from_secs(4);
/// What of a delay comes at random.
const JITTER: f64 = 1.125;
/// Requests and responses of one attempt.
const ATTEMPT: Duration = Duration::from_secs(2);
/// What was under way when a host vanished is still to be given up: a request after 10 s, or a
/// silent stream after 20 s.
const GIVING_UP: Duration = Duration::from_secs(30);
/// Longer than any source is away.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// The streams of the relay: one camera pulled in two ways, and what is published in two ways.
const STREAMS: [&str; 4] = ["udp", "tcp", "push", "push-udp"];
/// The first of those that are published.
const PUBLISHED: usize = 2;

/// What happens to the sources, and to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Restart,
    Vanish,
    Reset,
    OtherCodec,
    ClockStep,
    PublisherEnds,
    PublisherVanishes,
    RelayRestarts,
}

const FAULTS: [Fault; 8] = [
    Fault::Restart,
    Fault::Vanish,
    Fault::Reset,
    Fault::OtherCodec,
    Fault::ClockStep,
    Fault::PublisherEnds,
    Fault::PublisherVanishes,
    Fault::RelayRestarts,
];

struct Hours {
    world: World,
    relay: MediumId<RtspServer>,
    proxies: Vec<MediumId<ProxyServerMediaSession>>,
    clock: CameraClock,
    camera: Camera,
    /// Over the RTSP connection, and over UDP.
    publishers: [MediumId<Publisher>; 2],
    /// With the number of the stream that each watches.
    viewers: Vec<(usize, Viewer)>,
    faults: [u32; FAULTS.len()],
    /// Longest time from the return of a source to a key frame, for each fault.
    longest: [Duration; FAULTS.len()],
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

fn host(host: &str) -> IpAddr {
    host.split(':').next().and_then(|host| host.parse().ok()).expect("an address")
}

#[test]
fn viewers_stay_through_hours_of_cuts() {
    let hours = number("RIVERRUN_SOAK_HOURS", HOURS);
    let viewers = number("RIVERRUN_SOAK_VIEWERS", VIEWERS as u64) as usize;
    let begun = Instant::now();
    let mut soak = Hours::new(1);
    soak.world.run_secs(30.0);
    let timers = soak.world.env.delayed_tasks();
    soak.open_viewers(viewers);
    // Some faults of each kind, after which all that is kept is there.
    soak.pass(Duration::from_secs(3600 * hours.min(2)));
    let before = soak.census();
    let memory = measure(|| {
        for hour in 1..=hours {
            soak.pass(Duration::from_secs(3600));
            if hour % 50 == 0 {
                println!("{hour} hours in {:?}: {:?}", begun.elapsed(), soak.faults);
            }
        }
    });
    println!("{hours} hours, {viewers} viewers: {:?}, {memory:?}", begun.elapsed());
    for ((fault, count), longest) in FAULTS.iter().zip(soak.faults).zip(soak.longest) {
        println!("{fault:?}: {count}, a key frame after {longest:?} at most");
    }
    let frames = soak.viewers.iter().map(|(_, viewer)| viewer.seen().frames());
    println!("frames: {}", frames.sum::<u64>());
    let timed: u64 = soak.viewers.iter().map(|(_, viewer)| viewer.seen().timed()).sum();
    println!("of these with a capture time that is right within a millisecond: {timed}");
    assert_eq!(soak.census(), before, "descriptors and sessions");
    let allowed = 128 * 1024 + 8 * 1024 * viewers as i64;
    assert!(memory.bytes_current.abs() < allowed, "{memory:?}");
    assert!(memory.bytes_max < 8 << 20, "{memory:?}");
    soak.end(timers);
}

impl Hours {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let clock = CameraClock::default();
        let camera = Camera::open(&mut world, Codec::H264, &clock);
        let (relay, proxies) = open_relay(&mut world);
        let publishers = open_publishers(&mut world, &clock);
        let mut soak = Self {
            world,
            relay,
            proxies,
            clock,
            camera,
            publishers,
            viewers: Vec::new(),
            faults: [0; FAULTS.len()],
            longest: [Duration::ZERO; FAULTS.len()],
        };
        soak.lose(0.0);
        soak
    }

    fn open_viewers(&mut self, count: usize) {
        let begun = self.world.env.now();
        // Until the sources have told their clocks.
        self.clock.disturb(self.world.env.now());
        for n in 0..count {
            // The camera has more viewers than the publishers.
            let stream = [0, 1, 0, 1, 2, 3][n % 6];
            let transport = [TransportPolicy::Udp, TransportPolicy::Tcp][n / 2 % 2];
            let viewer = self.watch(stream, transport);
            self.viewers.push((stream, viewer));
        }
        self.world.run_secs(60.0);
        for (_, viewer) in &self.viewers {
            assert_eq!(viewer.seen().take_sessions(), 1, "{:?}", viewer.seen().told(begun));
        }
    }

    fn watch(&mut self, stream: usize, transport: TransportPolicy) -> Viewer {
        let url = format!("rtsp://{PROXY}/{}", STREAMS[stream]);
        Viewer::open(&mut self.world.env, &url, transport, &self.clock)
    }

    /// Sets how many packets are lost, on the way from the sources and to the viewers.
    fn lose(&mut self, loss: f64) {
        let mut profile = LinkProfile::default();
        (profile.latency_min, profile.latency_max) = (secs(0.02), secs(0.06));
        (profile.loss, profile.reordering, profile.duplication) = (loss, loss / 2.0, loss / 4.0);
        for name in [SERVER, PUBLISHER_HOST, PLAYER_HOST] {
            self.world.network().set_host_profile(host(name), profile);
        }
        self.world.network().set_profile(profile);
    }

    /// Sockets of all hosts, and client sessions of both servers.
    fn census(&mut self) -> [usize; 6] {
        let sockets = [SERVER, PROXY_HOST, PLAYER_HOST, PUBLISHER_HOST]
            .map(|name| self.world.network().open_sockets(host(name)));
        let sessions = [self.camera.server, self.relay]
            .map(|server| self.world.env.medium(server).expect("a server").pool().len());
        let [camera, relay, players, publisher] = sockets;
        [camera, relay, players, publisher, sessions[0], sessions[1]]
    }

    /// From 0 to 1.
    fn chance(&mut self) -> f64 {
        f64::from(self.world.env.random_u32()) / f64::from(u32::MAX)
    }

    /// A number below `count`.
    fn chosen(&mut self, count: usize) -> usize {
        (self.chance() * (count as f64 - 0.001)) as usize
    }

    fn pass(&mut self, time: Duration) {
        let end = self.world.env.now() + time;
        while self.world.env.now() < end {
            let loss = 0.05 * self.chance().powi(2);
            self.lose(loss);
            let quiet = 600.0 * self.chance();
            // Somebody looks in.
            let stream = self.chosen(STREAMS.len());
            let visitor = self.watch(stream, TransportPolicy::Tcp);
            self.world.run_secs(quiet);
            self.world.env.close(visitor.player);
            let which = self.chosen(FAULTS.len());
            self.faults[which] += 1;
            self.cause(FAULTS[which]);
            self.lose(0.0);
            self.comes_back(which);
        }
    }

    fn cause(&mut self, fault: Fault) {
        let off = 300.0 * self.chance().powi(3);
        let (camera, publisher) = (host(SERVER), host(PUBLISHER_HOST));
        // What is told of the clock is wrong for as long as reports take.
        match fault {
            Fault::Restart | Fault::OtherCodec => {
                let codec = match (fault, self.camera.codec) {
                    (Fault::OtherCodec, Codec::H264) => Codec::Unknown,
                    (Fault::OtherCodec, Codec::Unknown) => Codec::H264,
                    (_, codec) => codec,
                };
                self.camera.close(&mut self.world);
                self.world.run_secs(off);
                self.camera = Camera::open(&mut self.world, codec, &self.clock);
            }
            Fault::Vanish => {
                self.world.network().vanish(camera);
                self.world.run_secs(off);
                self.world.network().come_back(camera);
            }
            Fault::Reset => self.world.network().reset_connections(camera),
            Fault::ClockStep => {
                let seconds = (self.chance() - 0.5) * [2.0, 7200.0][(off as usize) % 2];
                self.clock.step(seconds);
            }
            Fault::PublisherEnds => {
                for publisher in self.publishers {
                    self.world.env.close(publisher);
                }
                self.world.run_secs(off);
                self.publishers = open_publishers(&mut self.world, &self.clock);
            }
            Fault::PublisherVanishes => {
                self.world.network().vanish(publisher);
                self.world.run_secs(off);
                self.world.network().come_back(publisher);
            }
            Fault::RelayRestarts => {
                for proxy in self.proxies.drain(..) {
                    self.world.env.close(proxy);
                }
                self.world.env.close(self.relay);
                self.world.run_secs(off);
                (self.relay, self.proxies) = open_relay(&mut self.world);
            }
        }
        self.clock.disturb(self.world.env.now());
    }

    /// The sources are back: each viewer sees a key frame soon.
    fn comes_back(&mut self, which: usize) {
        let fault = FAULTS[which];
        let back = self.world.env.now();
        for (_, viewer) in &self.viewers {
            viewer.seen().await_key_frame(back);
        }
        self.world.run(allowed(Fault::Vanish, 0).max(allowed(Fault::PublisherVanishes, PUBLISHED)));
        for (stream, viewer) in &self.viewers {
            let allowed = allowed(fault, *stream);
            let seen = viewer.seen();
            let told = || format!("{fault:?}, {:?}: {:?}", STREAMS[*stream], seen.told(back));
            let first = seen.key_frame().unwrap_or_else(|| panic!("nothing after {}", told()));
            let after = first - back;
            assert!(after <= allowed, "{after:?} after {}", told());
            if affects(fault, *stream) {
                self.longest[which] = self.longest[which].max(after);
            }
            let began = seen.take_sessions();
            let may_begin =
                fault == Fault::RelayRestarts || fault == Fault::OtherCodec && *stream < PUBLISHED;
            assert!(began == 0 || may_begin, "{began} sessions after {}", told());
        }
    }

    /// All viewers go, and the relay closes what it has opened for them.
    fn end(mut self, timers: usize) {
        for (_, viewer) in std::mem::take(&mut self.viewers) {
            self.world.env.close(viewer.player);
        }
        // Longer than the relay would keep viewers without the source.
        self.world.run_secs(KEPT_FOR.as_secs_f64() + 100.0);
        for proxy in &self.proxies {
            let proxy = self.world.env.medium(*proxy).expect("the proxy is there");
            assert!(proxy.player().is_none(), "nobody watches");
        }
        assert_eq!(self.world.env.delayed_tasks(), timers, "timers");
        for publisher in self.publishers {
            self.world.env.close(publisher);
        }
        self.world.run_secs(KEPT_FOR.as_secs_f64() + 100.0);
        assert_eq!(self.world.network().open_sockets(host(PROXY_HOST)), 1, "the listener");
    }
}

/// The relay, as it has just been started: nothing of what it was before is left.
fn open_relay(world: &mut World) -> (MediumId<RtspServer>, Vec<MediumId<ProxyServerMediaSession>>) {
    let mut config = ServerConfig::unlimited();
    config.publish.policy = PublishPolicy::Anybody;
    config.publish.kept_for = KEPT_FOR;
    let address = [PROXY.parse().expect("an address")];
    let relay = RtspServer::new(&mut world.env, config, &address).expect("a server");
    let policies = [TransportPolicy::Udp, TransportPolicy::Tcp];
    let proxies = policies.iter().zip(STREAMS).map(|(transport, name)| {
        let mut config = proxy_config();
        let player = &mut config.player;
        player.transport = *transport;
        player.first_packet_timeout = secs(15.0);
        player.stall_timeout = secs(20.0);
        player.reconnect.longest_delay = LONGEST;
        let options = RelayedStreamOptions::new(name).with_kept_for(KEPT_FOR);
        let url = format!("rtsp://{SERVER}/live");
        let env = &mut world.env;
        ProxyServerMediaSession::open(env, relay, options, &url, config, |_, _| {}).unwrap()
    });
    (relay, proxies.collect())
}

fn open_publishers(world: &mut World, clock: &CameraClock) -> [MediumId<Publisher>; 2] {
    [(STREAMS[PUBLISHED], false), (STREAMS[PUBLISHED + 1], true)]
        .map(|(stream, over_udp)| Publisher::open(&mut world.env, stream, over_udp, clock))
}

/// Whether a fault is one of a stream's source.
fn affects(fault: Fault, stream: usize) -> bool {
    match fault {
        Fault::ClockStep | Fault::RelayRestarts => true,
        Fault::PublisherEnds | Fault::PublisherVanishes => stream >= PUBLISHED,
        _ => stream < PUBLISHED,
    }
}

/// Time from the return of the sources within which a viewer sees a key frame: the longest delay
/// between two attempts, and one group of pictures.
fn allowed(fault: Fault, stream: usize) -> Duration {
    let retry = LONGEST.mul_f64(JITTER) + ATTEMPT;
    let viewer_again = LONGEST_OF_VIEWERS.mul_f64(JITTER) + ATTEMPT;
    let away = match fault {
        _ if !affects(fault, stream) => Duration::ZERO,
        Fault::ClockStep => Duration::ZERO,
        Fault::Restart | Fault::Reset => retry,
        Fault::OtherCodec => retry + viewer_again,
        Fault::Vanish => retry + GIVING_UP,
        Fault::PublisherEnds => publisher::RETRY + ATTEMPT,
        // The publishers come first, or the camera is connected to, and then the viewers.
        Fault::RelayRestarts => publisher::RETRY + ATTEMPT + viewer_again,
        Fault::PublisherVanishes => publisher::GIVING_UP + publisher::RETRY + ATTEMPT,
    };
    // What was lost last may be a key frame, and packets are waited for.
    away + GROUP_TIME + secs(1.0)
}
