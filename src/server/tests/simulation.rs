//! A seeded simulation of the whole server: players who do what they like over networks of every
//! quality, and an application that changes what is served meanwhile. After every step what must
//! always be true is checked, and at the end that nothing is left.
//!
//! `RIVERRUN_SEEDS=100` runs the seeds 1 to 100, `RIVERRUN_SEEDS=7-7` the seventh alone.

use super::client::AskedSetup;
use super::media::{TestTrack, session};
use super::world::{C, World, secs};
use crate::env::LinkProfile;
use crate::net::TcpStream;
use crate::server::{ServerConfig, ServerMediaSession, UdpPorts};
use crate::wire::testing::Random;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PLAYERS: usize = 10;
/// Simulated time of one seed.
const LENGTH: Duration = Duration::from_secs(45 * 60);
/// Steps that are told when a seed fails.
const TRAIL: usize = 12;
/// Paths that players ask for; not all exist at any time.
const PATHS: [&str; 7] =
    ["/film", "/camera", "/heavy", "/radio", "/gone", "/film/track1/track1", "/%66ilm"];

type Trail = Arc<Mutex<VecDeque<String>>>;

struct Simulated {
    w: World,
    random: Random,
    players: Vec<C>,
    trail: Trail,
    tag: u8,
    /// What each player set up last.
    watching: Vec<String>,
    /// Client sessions after the last step.
    sessions: usize,
    /// RTP packets that arrived, and answers by status.
    packets: usize,
    answers: BTreeMap<u16, usize>,
}

fn media(name: &str, tag: u8) -> ServerMediaSession {
    let video = || TestTrack::video().interval_ms(400).frames(150).key_every(5).tag(tag);
    let audio = || TestTrack::aac().interval_ms(300).frames(200).tag(tag);
    match name {
        "film" => session(name).with_subsession(video().alone()).with_subsession(audio().alone()),
        "camera" => session(name)
            .with_subsession(video().endless().shared().with_multiplexed_rtcp(true))
            .with_subsession(audio().repeating().shared()),
        "heavy" => session(name)
            .with_subsession(video().size(10_000).repeating().shared())
            .with_aggregate_control_only(),
        _ => session(name)
            .with_subsession(TestTrack::audio().interval_ms(500).frames(60).tag(tag).alone())
            .with_delete_when_unreferenced(true),
    }
}

impl Simulated {
    fn new(seed: u64, trail: Trail) -> Self {
        let mut random = Random::new(seed);
        let mut config = ServerConfig::unlimited();
        if random.chance(3) {
            config.udp_ports = UdpPorts::Shared { port: 0 };
        }
        config.end_udp_sessions_on_disconnect = random.chance(4);
        config.max_queued_media = *random.pick(&[20_000, 100_000, 1 << 20]);
        config.max_queued_answers = 64 << 10;
        config.max_burst = *random.pick(&[0, 8, 64]);
        config.destinations_per_turn = *random.pick(&[0, 1, 3, 512]);
        config.max_connections_per_peer = *random.pick(&[0, 3]);
        config.pool.max_media_per_session = 1 + random.below(3);
        config.pool.max_sessions = *random.pick(&[0, 5, 30]);
        config.pool.max_sessions_per_peer = *random.pick(&[0, 4]);
        let mut w = World::seeded(seed, config);
        w.tick = secs(0.25);
        for name in ["film", "camera", "heavy", "radio"] {
            w.add(media(name, 1));
        }
        let players = (0..PLAYERS).map(|i| match i % 5 {
            4 => w.client_at(&format!("[fd00::{}]:0", 2 + i)),
            _ => w.client(),
        });
        let players = players.collect();
        let (sessions, packets, answers) = (0, 0, BTreeMap::new());
        let watching = vec![PATHS[0].to_owned(); PLAYERS];
        Self { w, random, players, trail, tag: 1, watching, sessions, packets, answers }
    }

    fn note(&self, what: impl FnOnce(&mut String)) {
        let mut line = String::new();
        what(&mut line);
        let mut trail = self.trail.lock().unwrap();
        if trail.len() == TRAIL {
            trail.pop_front();
        }
        trail.push_back(line);
    }

    fn run(&mut self) {
        let end = self.w.now() + LENGTH;
        while self.w.now() < end {
            if self.random.chance(40) {
                self.change_the_world();
            } else {
                let c = self.players[self.random.below(PLAYERS)];
                self.act(c);
            }
            let pause = match self.random.below(10) {
                0 => 0.0,
                1..7 => self.random.below(1000) as f64 / 1000.0,
                7..9 => self.random.below(5000) as f64 / 1000.0,
                _ => self.random.below(15_000) as f64 / 1000.0,
            };
            self.w.run_secs(pause);
            self.check();
        }
        self.note(|s| s.push_str("the end"));
        for c in self.players.clone() {
            let host = self.w[c].address.ip();
            self.w.network().come_back(host);
        }
        self.w.network().set_host_descriptor_limit("10.0.0.1".parse().unwrap(), None);
        self.w.set_profile(|_| {});
        self.w.serve(|server, _| server.set_max_sessions(0));
        self.w.expect_nothing_left();
        // That something happened at all.
        assert!(self.packets > 5000, "{} packets", self.packets);
        for status in [200, 404, 454, 461, 501] {
            assert!(self.answers.contains_key(&status), "{status}: {:?}", self.answers);
        }
        log::info!("{} packets, answers {:?}", self.packets, self.answers);
    }

    fn check(&mut self) {
        self.w.check();
        let server = self.w.server();
        let max = server.pool().max_sessions();
        let sessions = server.pool().len();
        assert!(max == 0 || sessions <= max.max(self.sessions), "{sessions}, at most {max}");
        self.sessions = sessions;
        assert!(server.connection_count() <= 4 * PLAYERS);
        assert!(server.stream_count() <= server.pool().len() * 6);
        for &c in &self.players {
            for track in &mut self.w.clients[c.0].tracks {
                if matches!(track.way, super::client::Way::Tcp { .. }) {
                    for pair in track.rtp.windows(2).filter(|p| p[0].ssrc == p[1].ssrc) {
                        let step = pair[1].sequence.wrapping_sub(pair[0].sequence);
                        assert!((1..0x8000).contains(&step), "TCP keeps the order");
                    }
                }
                let keep = track.rtp.len().saturating_sub(1);
                self.packets += keep;
                track.rtp.drain(..keep);
                track.rtcp.clear();
            }
            for answer in self.w.clients[c.0].answers.drain(..) {
                *self.answers.entry(answer.status()).or_default() += 1;
            }
        }
    }

    fn change_the_world(&mut self) {
        let host: IpAddr = "10.0.0.1".parse().unwrap();
        let what = self.random.below(12);
        self.note(|s| _ = write!(s, "the world changes: {what}"));
        let Self { w, random, .. } = self;
        let name = *random.pick(&["film", "camera", "heavy", "radio"]);
        let found = w.server().lookup_server_media_session(name);
        match (what, found) {
            (0, _) => w.env.jump_wall_clock(random.u32() as i32 as i64),
            (1, _) => {
                let limit = random.chance(3).then(|| 5 + random.below(30));
                w.network().set_host_descriptor_limit(host, limit);
            }
            (2, _) => {
                let limit = *random.pick(&[0, 0, 20, 3]);
                w.serve(|server, _| server.set_max_sessions(limit));
            }
            (3, Some(id)) => drop(w.serve(|s, env| s.remove_server_media_session(env, id))),
            (4, Some(id)) => drop(w.serve(|s, env| s.delete_server_media_session(env, id))),
            (5, Some(id)) => drop(w.serve(|s, env| s.close_all_client_sessions(env, id))),
            (6, _) => {
                let mut profile = match random.below(3) {
                    0 => LinkProfile::default(),
                    1 => LinkProfile::mobile(),
                    _ => LinkProfile { reset: 0.002, partial: 0.5, ..LinkProfile::mobile() },
                };
                profile.tcp_window = *random.pick(&[4 << 10, 32 << 10, 256 << 10]);
                w.network().set_profile(profile);
            }
            _ => {
                self.tag = self.tag % 100 + 1;
                let tag = self.tag;
                w.add(media(name, tag));
            }
        }
    }

    fn act(&mut self, c: C) {
        let client = &self.w[c];
        if client.stream.is_none() || client.ended || client.failed {
            return self.reconnect(c);
        }
        let what = self.random.below(28);
        self.note(|s| _ = write!(s, "{c:?} acts: {what}"));
        match what {
            0..4 => self.setup(c),
            4..7 => {
                let range = *self.random.pick(&["", "", "npt=0-", "npt=10-20", "npt=99-", "x=1"]);
                self.control(c, "PLAY", &[("Range", range)]);
            }
            7 => self.control(c, "PAUSE", &[]),
            8 | 9 => {
                self.control(c, "TEARDOWN", &[]);
                if self.random.chance(2) {
                    self.w[c].session = None;
                }
            }
            10 => self.request(c, "DESCRIBE", &[]),
            11 => self.request(c, "OPTIONS", &[]),
            12 => self.request(c, "GET_PARAMETER", &[]),
            13 | 24.. => self.play_it_through(c),
            14 => {
                for _ in 0..=self.random.below(40) {
                    let method =
                        *self.random.pick(&["OPTIONS", "PLAY", "PAUSE", "DESCRIBE", "FROB"]);
                    self.request(c, method, &[]);
                }
            }
            15 => {
                // A flood of sessions.
                for _ in 0..20 {
                    self.w[c].session = None;
                    self.setup(c);
                }
            }
            16 => {
                self.w[c].lenient = true;
                let garbage = self.random.bytes(200);
                self.w.send(c, garbage);
            }
            17 => {
                let text = self.w.write_request(c, "SET_PARAMETER", "/film", &[], "some: body");
                self.w[c].asked.pop_back();
                let half = self.random.below(text.len());
                // What follows is not what it seems to be.
                self.w[c].lenient = true;
                self.w.send(c, &text[..half]);
            }
            18 => {
                let channel = self.random.u8() % 6;
                let mut packet = Vec::new();
                let _ =
                    crate::wire::interleaved::write(channel, &self.random.bytes(100), &mut packet);
                self.w.send(c, packet);
            }
            19 => {
                let track = 1 + self.random.below(2);
                let garbage = self.random.bytes(100);
                self.w.send_rtcp(c, track, &garbage);
                self.w.send_report(c, track);
            }
            20 => {
                let stalled = &mut self.w[c].stalled;
                *stalled = !*stalled;
            }
            21 => {
                let host = self.w[c].address.ip();
                match self.random.below(4) {
                    0 => self.w.network().vanish(host),
                    1 => self.w.network().reset_connections(host),
                    _ => self.w.network().come_back(host),
                }
            }
            22 => self.look_in_beside(c),
            _ => {
                if self.random.chance(2) {
                    self.w.leave(c);
                } else {
                    self.w.clients[c.0].vanish(&mut self.w.env);
                }
            }
        }
    }

    fn reconnect(&mut self, c: C) {
        self.note(|s| _ = write!(s, "{c:?} connects"));
        let World { env, clients, .. } = &mut self.w;
        let client = &mut clients[c.0];
        client.leave(env);
        if self.random.chance(3) || client.tracks.len() > 6 {
            client.vanish(env);
        }
        let from = Some(SocketAddr::new(client.address.ip(), 0));
        // The refusal of a full server asks for no request; anything else would be one's own.
        let to = super::world::server_for(client.address);
        if let Ok(stream) = TcpStream::connect_from(env, from, to) {
            client.reconnect(stream);
            client.refusable = true;
        }
    }

    fn path(&mut self) -> String {
        let path = if self.random.chance(5) {
            self.random.pick(&PATHS).to_string()
        } else {
            self.random.pick(&PATHS[..4]).to_string()
        };
        if self.random.chance(6) { format!("{path}/track1") } else { path }
    }

    fn request(&mut self, c: C, method: &str, headers: &[(&str, &str)]) {
        let path = self.path();
        self.note(|s| _ = write!(s, "  {c:?} {method} {path} {headers:?}"));
        self.w.ask(c, method, &path, headers);
    }

    /// Mostly of what was set up.
    fn control(&mut self, c: C, method: &str, headers: &[(&str, &str)]) {
        if self.random.chance(4) {
            return self.request(c, method, headers);
        }
        let mut path = self.watching[c.0].clone();
        if self.random.chance(6) {
            path.push_str("/track1");
        }
        self.note(|s| _ = write!(s, "  {c:?} {method} {path} {headers:?}"));
        self.w.ask(c, method, &path, headers);
    }

    fn setup(&mut self, c: C) {
        let path = self.path();
        let path = path.trim_end_matches("/track1").to_owned();
        let number = 1 + self.random.below(2);
        self.setup_of(c, &path, number);
    }

    fn setup_of(&mut self, c: C, path: &str, number: usize) {
        self.watching[c.0] = path.to_owned();
        let (mut sockets, mut offer) = (None, String::new());
        match self.random.below(8) {
            0..4 => {
                let (rtp, rtcp, ports) = self.w.udp_pair(c);
                offer = format!("RTP/AVP;unicast;client_port={ports}");
                sockets = Some((rtp, rtcp));
            }
            4..7 => offer.push_str("RTP/SAVP;unicast,RTP/AVP/TCP;unicast;interleaved=0-1"),
            _ => {
                let odd = ["RTP/AVP;unicast;client_port=0-0", "x", "a;b;;"];
                offer.push_str(odd[self.random.below(odd.len())]);
            }
        }
        let url = format!("{path}/track{number}");
        self.note(|s| _ = write!(s, "  {c:?} SETUP {url} {offer}"));
        self.w.ask(c, "SETUP", &url, &[("Transport", &offer)]);
        let cseq = self.w[c].cseq;
        self.w[c].setups.push(AskedSetup { cseq, track: number, sockets });
    }

    /// As a well-behaved player does.
    fn play_it_through(&mut self, c: C) {
        self.w[c].session = None;
        let path = PATHS[self.random.below(4)];
        self.w.ask(c, "DESCRIBE", path, &[]);
        self.setup_of(c, path, 1);
        self.w.run_secs(0.5);
        self.setup_of(c, path, 2);
        self.w.run_secs(0.5);
        self.w.ask(c, "PLAY", path, &[]);
    }

    /// Another connection names the session, and closes.
    fn look_in_beside(&mut self, c: C) {
        let Some(session) = self.w[c].session.clone() else { return };
        let other = self.w.beside(c);
        self.w[other].lenient = true;
        self.w.ask(other, "OPTIONS", "*", &[("Session", &session)]);
        self.w.run_secs(0.3);
        self.w.clients.truncate(other.0);
    }
}

/// Seeds to run: `RIVERRUN_SEEDS` is a number or a range.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let text = std::env::var("RIVERRUN_SEEDS").unwrap_or_else(|_| "4".to_owned());
    let number = |text: &str| text.trim().parse().expect("RIVERRUN_SEEDS is N or N-M");
    match text.split_once('-') {
        Some((first, last)) => number(first)..=number(last),
        None => 1..=number(&text),
    }
}

#[test]
fn whatever_players_do_the_server_holds() {
    for seed in seeds() {
        let trail = Trail::default();
        let told = Arc::clone(&trail);
        let result = catch_unwind(AssertUnwindSafe(|| Simulated::new(seed, told).run()));
        if let Err(panic) = result {
            let trail: Vec<_> = trail.lock().unwrap().iter().cloned().collect();
            // Printed even where the first message has scrolled away.
            let told = format!("seed {seed} fails after\n{}\n", trail.join("\n"));
            let _ = std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes());
            resume_unwind(panic);
        }
    }
}
