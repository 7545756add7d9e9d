//! A camera, a proxy in front of it, and viewers of the proxy: the crate's own server twice.

mod hours;
mod sources;
mod talk;
mod viewers;

use crate::world::{SERVER, World, client_config, secs};
use riverrun::client::{Player, PlayerConfig, PlayerEvent, TransportPolicy};
use riverrun::env::MediumId;
use riverrun::relay::{ProxyConfig, ProxyServerMediaSession};
use riverrun::rtp::rtcp::NtpTime;
use riverrun::server::{RelayedStreamOptions, RtspServer, ServerConfig};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub(crate) const PROXY: &str = "10.0.0.9:554";
const PROXY_HOST: &str = "10.0.0.9";

/// A world with a proxy in it.
struct Relay {
    world: World,
    server: MediumId<RtspServer>,
    session: MediumId<ProxyServerMediaSession>,
    events: Receiver<String>,
    /// What was told of the source so far.
    told: Vec<String>,
}

/// A player of what the proxy serves.
pub(crate) struct Viewer {
    pub(crate) player: MediumId<Player>,
    frames: Receiver<Seen>,
    news: Receiver<String>,
    seen: Vec<Seen>,
    pub(crate) told: Vec<String>,
}

/// A frame that a viewer has got.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) track: usize,
    timestamp: u32,
    pts: Duration,
    pub(crate) captured: Option<Duration>,
    pub(crate) data: Vec<u8>,
}

impl Seen {
    /// The number of a live frame.
    pub(crate) fn number(&self) -> u32 {
        u32::from_be_bytes(self.data[..4].try_into().unwrap())
    }
}

/// The configuration of a proxy on its own host.
fn proxy_config() -> ProxyConfig {
    let mut config = ProxyConfig::default();
    config.player.client.local_address = PROXY_HOST.parse().ok();
    config.player.transport = TransportPolicy::Udp;
    config
}

pub(crate) fn over(transport: TransportPolicy) -> PlayerConfig {
    let mut config = PlayerConfig::default();
    config.client = client_config();
    config.transport = transport;
    config
}

impl Relay {
    fn new(seed: u64, url: &str, config: ProxyConfig) -> Self {
        Self::in_world(World::new(seed), url, config)
    }

    fn in_world(mut world: World, url: &str, config: ProxyConfig) -> Self {
        let address = [PROXY.parse().unwrap()];
        let server = RtspServer::new(&mut world.env, ServerConfig::default(), &address).unwrap();
        let (session, events) = add(&mut world, server, "door", url, config);
        Self { world, server, session, events, told: Vec::new() }
    }

    fn watch(&mut self, transport: TransportPolicy) -> Viewer {
        self.watch_with(over(transport))
    }

    fn watch_with(&mut self, config: PlayerConfig) -> Viewer {
        watch(&mut self.world, "door", config)
    }

    fn run(&mut self, seconds: f64) {
        self.world.run_secs(seconds);
        self.told.extend(self.events.try_iter());
    }

    /// Runs until the source's life has come to what is looked for, from now on.
    #[track_caller]
    fn waits_for(&mut self, within: f64, what: &str) {
        let end = self.world.env.now() + secs(within);
        let from = self.told.len();
        while !self.told[from..].iter().any(|told| told.contains(what)) {
            assert!(self.world.env.now() < end, "no {what:?} in {:?}", self.told);
            self.run(0.05);
        }
    }

    fn told_of(&self, what: &str) -> usize {
        self.told.iter().filter(|told| told.contains(what)).count()
    }

    fn sockets_of(&mut self, host: &str) -> usize {
        let host: IpAddr = host.parse().unwrap();
        self.world.network().open_sockets(host)
    }

    fn with<R>(&self, f: impl FnOnce(&ProxyServerMediaSession) -> R) -> R {
        f(self.world.env.medium(self.session).expect("the proxy is there"))
    }
}

pub(crate) fn add(
    world: &mut World,
    server: MediumId<RtspServer>,
    name: &str,
    url: &str,
    config: ProxyConfig,
) -> (MediumId<ProxyServerMediaSession>, Receiver<String>) {
    let (teller, events) = channel();
    let opened = ProxyServerMediaSession::open(
        &mut world.env,
        server,
        RelayedStreamOptions::new(name).with_kept_for(secs(600.0)),
        url,
        config,
        move |_, event| teller.send(event.to_string()).unwrap(),
    );
    (opened.unwrap(), events)
}

pub(crate) fn watch(world: &mut World, name: &str, config: PlayerConfig) -> Viewer {
    watch_at(world, &format!("rtsp://{PROXY}/{name}"), config)
}

pub(crate) fn watch_at(world: &mut World, url: &str, config: PlayerConfig) -> Viewer {
    let ((sender, frames), (teller, news)) = (channel(), channel());
    let player = Player::open(&mut world.env, url, config, move |env, event| match event {
        PlayerEvent::Frame { track, frame } => {
            let seen = Seen {
                at: env.now(),
                track,
                timestamp: frame.timestamp,
                pts: frame.pts,
                captured: frame.wall_clock.map(NtpTime::to_unix),
                data: frame.data.to_vec(),
            };
            sender.send(seen).unwrap();
        }
        PlayerEvent::Playing { .. } => teller.send("playing".to_owned()).unwrap(),
        PlayerEvent::Lost(why) => teller.send(why.to_string()).unwrap(),
        _ => {}
    });
    Viewer { player: player.unwrap(), frames, news, seen: Vec::new(), told: Vec::new() }
}

impl Viewer {
    /// The frames that have come since the last call.
    pub(crate) fn new_frames(&mut self) -> Vec<Seen> {
        self.told.extend(self.news.try_iter());
        let new: Vec<_> = self.frames.try_iter().collect();
        self.seen.extend(new.iter().cloned());
        new
    }

    /// Timestamps and times never go back, and no frame comes twice.
    #[track_caller]
    pub(crate) fn goes_on(&mut self) {
        self.new_frames();
        for pair in self.seen.windows(2) {
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32;
            assert!(step > 0, "{pair:?}");
            assert!(pair[1].pts > pair[0].pts, "{pair:?}");
        }
    }
}

fn camera_url() -> String {
    format!("rtsp://{SERVER}/live")
}
