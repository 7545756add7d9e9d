//! Somebody pulls the server's plug, again and again.

use crate::world::{Log, PLAYER_HOST, SERVER, Told, World, config, secs};
use allocation_counter::measure;
use riverrun::client::{Player, PlayerConfig, TransportPolicy};
use riverrun::codec::OtherCodec;
use riverrun::env::MediumId;
use riverrun::payload::FormatRegistry;
use riverrun::server::{LiveTrackOptions, RtspServer};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Hours of simulated time for each transport; `RIVERRUN_SOAK_HOURS` says another number.
const HOURS: u64 = 20;
const URL: &str = "rtsp://10.0.0.1/live";
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

/// A player, its server whose plug is pulled, and what was counted.
struct Plug {
    world: World,
    config: PlayerConfig,
    server: MediumId<RtspServer>,
    player: MediumId<Player>,
    server_host: IpAddr,
    player_host: IpAddr,
    /// Timers before there was a player.
    tasks: usize,
    /// Cuts, by the state in which the player was.
    cuts: BTreeMap<String, u32>,
    /// Longest time from the return of the server until the player plays again.
    longest: Duration,
}

#[test]
fn after_each_cut_it_plays_again_within_the_longest_delay() {
    let hours = std::env::var("RIVERRUN_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok());
    let time = Duration::from_secs(3600 * hours.unwrap_or(HOURS));
    for (seed, transport) in [(1, TransportPolicy::Udp), (2, TransportPolicy::Tcp)] {
        let begun = Instant::now();
        let mut plug = Plug::new(seed, transport);
        plug.world.run_secs(60.0);
        // Some cuts of each kind, after which all that is kept is there.
        plug.pull_for(time.min(secs(36_000.0)));
        // What the test itself keeps of a quiet hour.
        plug.world.log.frames.reserve(4096);
        plug.world.log.told.reserve(1024);
        let before = plug.open();
        let memory = measure(|| plug.pull_for(time));
        let Plug { cuts, longest, .. } = &plug;
        println!("{transport:?}: cuts {cuts:?}, back after {longest:?}; {:?}", begun.elapsed());
        assert!(memory.bytes_current.abs() < 64 * 1024, "{memory:?}");
        assert!(memory.count_current.abs() < 32, "{memory:?}");
        assert!(memory.bytes_max < 4 << 20, "{memory:?}");
        assert_eq!(plug.open(), before, "descriptors and media");
        // In some hours chance may leave a state out.
        let states = ["Asking", "Describing", "SettingUp", "Starting", "Playing", "Stopping"];
        let seen = states.iter().filter(|state| plug.cuts.contains_key(**state)).count();
        let least = if time > secs(360_000.0) { states.len() } else { 3 };
        assert!(seen >= least, "{:?}", plug.cuts);
        plug.world.env.close(plug.player);
        plug.world.run_secs(600.0);
        assert_eq!(plug.world.network().open_sockets(plug.player_host), 0, "descriptors");
        assert_eq!(plug.world.env.delayed_tasks(), plug.tasks, "timers");
    }
}

impl Plug {
    fn new(seed: u64, transport: TransportPolicy) -> Self {
        let mut world = World::new(seed);
        // Slow enough that cuts happen between any two messages.
        world.set_profile(|profile| {
            (profile.latency_min, profile.latency_max) = (secs(0.02), secs(0.06));
        });
        let server = serve(&mut world);
        world.run_secs(60.0);
        let tasks = world.env.delayed_tasks();
        let config = player_config(transport);
        let player = world.play(URL, config.clone());
        Self {
            world,
            config,
            tasks,
            server,
            player,
            server_host: SERVER.split(':').next().unwrap().parse().unwrap(),
            player_host: PLAYER_HOST.parse().unwrap(),
            cuts: BTreeMap::new(),
            longest: Duration::ZERO,
        }
    }

    /// What is open: sockets and media. How many timers there are depends on what both ends have last
    /// said to each other; that none is left is seen at the end.
    fn open(&mut self) -> (usize, String) {
        let sockets = self.world.network().open_sockets(self.player_host);
        let env = format!("{:?}", self.world.env);
        let media = env.split("media: ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
        (sockets, media.to_owned())
    }

    /// From 0 to 1.
    fn chance(&mut self) -> f64 {
        f64::from(self.world.env.random_u32()) / f64::from(u32::MAX)
    }

    fn pull_for(&mut self, time: Duration) {
        let end = self.world.env.now() + time;
        while self.world.env.now() < end {
            let quiet = secs(3000.0 * self.chance());
            self.world.run(quiet);
            self.forget();
            match self.chance() {
                0.0..0.4 => self.pull(),
                0.4..0.9 => {
                    // The player has begun anew when the plug is pulled once more.
                    let from = self.world.log.told.len();
                    self.restart(Duration::ZERO);
                    let lost = self.world.env.now() + secs(30.0);
                    self.world.run_until(lost, |log| {
                        let mut told = log.told.iter().skip(from);
                        told.any(|(_, told)| matches!(told, Told::Reconnecting(_)))
                    });
                    let delay = self.world.told().into_iter().rev().find_map(|told| match told {
                        Told::Reconnecting(delay) => Some(delay),
                        _ => None,
                    });
                    let within = secs(0.6 * self.chance());
                    self.world.run(delay.expect("the server was gone") + within);
                    self.pull();
                }
                _ => {
                    self.world.env.with(self.player, |player, env| player.stop(env)).unwrap();
                    let within = secs(0.1 * self.chance());
                    self.world.run(within);
                    let from = self.world.env.now();
                    self.cut();
                    let stopped = |log: &Log| log.told.iter().any(|(_, t)| *t == Told::Stopped);
                    assert!(self.world.run_until(from + secs(2.5), stopped));
                    self.world.env.close(self.player);
                    self.world.log.told.clear();
                    self.player = self.world.play(URL, self.config.clone());
                    self.comes_back();
                }
            }
        }
    }

    /// Pulls the plug, and waits until it plays again.
    fn pull(&mut self) {
        self.cut();
        self.comes_back();
    }

    /// Pulls the plug, and puts it back.
    fn cut(&mut self) {
        let player = format!("{:?}", self.world.env.medium(self.player).expect("it is there"));
        let state = player.split("phase: ").nth(1).expect("a phase");
        let state = state.split(|c: char| !c.is_alphabetic()).next().unwrap().to_owned();
        *self.cuts.entry(state).or_default() += 1;
        let cut = [Cut::Program, Cut::Host, Cut::Connections][(self.chance() * 2.999) as usize];
        let off = secs(300.0 * self.chance().powi(3));
        match cut {
            Cut::Program => self.restart(off),
            Cut::Host => {
                self.world.network().vanish(self.server_host);
                self.world.run(off);
                self.world.network().come_back(self.server_host);
            }
            Cut::Connections => self.world.network().reset_connections(self.player_host),
        }
    }

    fn restart(&mut self, off: Duration) {
        self.world.env.close(self.server);
        self.world.run(off);
        self.server = serve(&mut self.world);
    }

    /// The server is back. Something of before may still come, and be lost: it counts when the last
    /// session begins. The first frame comes when the encoder has the next.
    fn comes_back(&mut self) {
        let limit = self.config.reconnect.longest_delay + secs(5.0);
        let (frame_limit, back) = (INTERVAL + secs(0.2), self.world.env.now());
        self.world.run(limit + frame_limit);
        let log = &self.world.log;
        let told = self.world.told();
        let last = told.get(told.len().saturating_sub(8)..);
        let ended = |told: &&Told| matches!(told, Told::EndOfStream | Told::Failed(_));
        assert_eq!(told.iter().find(ended), None);
        let is_loss = |(_, told): &&(Instant, Told)| matches!(told, Told::Lost(_));
        let is_back = |(_, told): &&(Instant, Told)| matches!(told, Told::Playing(_));
        let lost = log.told.iter().rposition(|told| is_loss(&told));
        // One that was opened after the cut has nothing to lose.
        let playing = log.told.iter().skip(lost.unwrap_or_default()).find(is_back);
        assert!(lost.is_none() || playing.is_some(), "it does not come back: {last:?}");
        let since = playing.map_or(back, |(at, _)| back.max(*at));
        assert!(since - back <= limit, "after {:?}: {last:?}", since - back);
        self.longest = self.longest.max(since - back);
        let first = log.frames.iter().find(|frame| frame.at >= since).expect("a frame");
        assert!(first.at - since <= frame_limit, "after {:?}: {last:?}", first.at - since);
        self.forget();
        let end = self.world.env.now() + INTERVAL * 2;
        assert!(self.world.run_until(end, |log| !log.frames.is_empty()), "it stops again");
    }

    fn forget(&mut self) {
        // A delay of a second at least is between two failures.
        let told = self.world.log.told.len();
        assert!(told < 300, "{told} events");
        self.world.log.told.clear();
        self.world.log.frames.clear();
        self.world.log.ended.clear();
    }
}
