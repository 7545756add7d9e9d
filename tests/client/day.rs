//! A day of two tracks, from the encoder through server and player to the sink, over a network that
//! loses and reorders. The server is restarted ten times, and the wall clock is set twice.

mod check;
mod encoder;

use crate::world::{PLAYER_HOST, SERVER, Told, World, config, secs};
use allocation_counter::measure;
use check::Check;
use encoder::Encoder;
use riverrun::client::{Player, TransportPolicy};
use riverrun::codec::OtherCodec;
use riverrun::env::MediumId;
use riverrun::payload::FormatRegistry;
use riverrun::server::{LiveTrackOptions, RtspServer, ServerConfig};
use std::net::IpAddr;
use std::time::Duration;

/// Hours of simulated time for each transport; `RIVERRUN_SOAK_HOURS` says another number, up to 24.
const HOURS: u64 = 1;
const RESTARTS: u32 = 10;
/// When the wall clock is set, as a fraction of the day, and by how many seconds.
const STEPS: [(f64, i64); 2] = [(0.33, 37 * 60), (0.71, -7200)];
/// Longest time after a restart for which the player may be away: its delays add up to half a minute
/// while the server is.
const AWAY: Duration = Duration::from_secs(40);
/// Of what is sent over UDP.
const LOSS: f64 = 0.02;

struct Day {
    world: World,
    encoder: MediumId<Encoder>,
    server: MediumId<RtspServer>,
    player: MediumId<Player>,
    check: Check,
}

impl Day {
    fn new(seed: u64, transport: TransportPolicy) -> Self {
        let mut world = World::new(seed);
        world.set_profile(|profile| {
            profile.latency_min = secs(0.005);
            profile.latency_max = secs(0.025);
            profile.udp_loss = LOSS;
            profile.reordering = 0.02;
            profile.duplication = 0.01;
            profile.partial = 0.1;
        });
        let check = Check::new(&world.env);
        let encoder = Encoder::open(&mut world.env);
        let server = serve(&mut world, encoder);
        let mut config = config();
        config.transport = transport;
        let player = world.play(&format!("rtsp://{SERVER}/day"), config);
        Self { world, encoder, server, player, check }
    }

    /// Lets time pass, and looks at each frame that has come in it.
    fn pass(&mut self, time: Duration) {
        let end = self.world.env.now() + time;
        while self.world.env.now() < end {
            let left = end - self.world.env.now();
            self.world.run(left.min(secs(60.0)));
            for frame in self.world.log.frames.drain(..) {
                self.check.frame(&frame);
            }
        }
    }

    /// Compares what has come with what was told of it.
    fn compare(&mut self) {
        let now = self.world.env.now();
        let player = self.world.env.medium(self.player).expect("it is there");
        for track in player.tracks() {
            self.check.compare(track.number, track.receiver.source(), now);
        }
        assert_eq!(player.tracks().count(), 2);
    }

    /// The server goes for a while; whatever of its frames is under way comes.
    fn restart(&mut self) {
        self.compare();
        self.world.env.close(self.server);
        let off = secs(1.0 + f64::from(self.world.env.random_u32() % 29));
        self.pass(off);
        self.check.end_session();
        let from = self.world.log.told.len();
        self.server = serve(&mut self.world, self.encoder);
        self.pass(AWAY);
        let told = self.world.told().split_off(from);
        assert!(matches!(told.last(), Some(Told::Playing(_))), "{told:?}");
        self.check.plays_again(self.world.env.now());
    }

    fn run(&mut self, time: Duration, steps: &[(f64, i64)]) {
        let mut pieces: Vec<_> = (1..=RESTARTS)
            .map(|n| (f64::from(n) / f64::from(RESTARTS + 1), None))
            .chain(steps.iter().map(|(at, seconds)| (*at, Some(*seconds))))
            .collect();
        pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
        let begun = self.world.env.now();
        for (at, step) in pieces {
            let at = begun + time.mul_f64(at);
            self.pass(at.saturating_duration_since(self.world.env.now()));
            match step {
                Some(seconds) => {
                    self.world.env.jump_wall_clock(seconds);
                    self.check.note_clock_step(self.world.env.now(), seconds);
                }
                None => self.restart(),
            }
        }
        self.pass((begun + time).saturating_duration_since(self.world.env.now()));
    }
}

fn serve(world: &mut World, encoder: MediumId<Encoder>) -> MediumId<RtspServer> {
    let address = [SERVER.parse().expect("an address")];
    let env = &mut world.env;
    let server = RtspServer::new(env, ServerConfig::default(), &address).expect("a server");
    let sound = OtherCodec::new("audio", "X-TEST", 8000);
    let sound = LiveTrackOptions::new(sound.into()).with_formats(FormatRegistry::opaque());
    let tracks = [LiveTrackOptions::h264(), sound];
    let added = env.with(server, |server, env| server.add_live_stream(env, "day", tracks));
    let senders = added.expect("the server is there").expect("a live stream");
    env.medium_mut(encoder).expect("it is there").feed(senders);
    server
}

#[test]
fn what_comes_is_what_was_sent_less_what_is_told_to_be_lost() {
    let hours = std::env::var("RIVERRUN_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok());
    let time = Duration::from_secs(3600 * hours.unwrap_or(HOURS).min(24));
    for (seed, transport) in [(1, TransportPolicy::Udp), (2, TransportPolicy::Tcp)] {
        let begun = std::time::Instant::now();
        let mut day = Day::new(seed, transport);
        // The first sessions come and go: what is kept from then on is kept for good.
        day.run(time / 24, &[]);
        let host: IpAddr = PLAYER_HOST.parse().unwrap();
        let sockets = |world: &mut World| world.network().open_sockets(host);
        let before = (sockets(&mut day.world), day.world.env.delayed_tasks());
        day.world.log.told = Vec::with_capacity(1024);
        let memory = measure(|| day.run(time, &STEPS));
        day.compare();
        assert_eq!((sockets(&mut day.world), day.world.env.delayed_tasks()), before);
        assert!(memory.bytes_current.abs() < 64 * 1024, "{memory:?}");
        assert!(memory.bytes_max < 4 << 20, "{memory:?}");
        day.check.summary(transport == TransportPolicy::Udp);
        let lost = day.world.told().iter().filter(|told| matches!(told, Told::Playing(_))).count();
        assert_eq!(lost, RESTARTS as usize, "each restart and nothing else ends a session");
        day.world.env.with(day.player, |player, env| player.stop(env)).unwrap();
        day.world.run_secs(3.0);
        day.world.env.close(day.player);
        day.world.run_secs(3.0);
        assert_eq!(sockets(&mut day.world), 0);
        println!("{transport:?}: {} in {:?}, {memory:?}", day.check, begun.elapsed());
    }
}
