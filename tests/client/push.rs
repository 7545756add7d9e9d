//! A device that pushes its streams to a server elsewhere, where they are watched: the crate's own
//! server twice, and servers that lie.

mod faults;
mod hours;
#[cfg(feature = "tls")]
mod secure;
mod slow;
mod streams;

use crate::relay::{PROXY, Viewer, over, watch};
use crate::world::{SERVER, World, secs};
use riverrun::client::TransportPolicy;
use riverrun::env::MediumId;
use riverrun::media::live::{LiveSender, Sent};
use riverrun::relay::{PushConfig, Pusher};
use riverrun::server::{LiveTrackOptions, PublishPolicy, RtspServer, ServerConfig};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Host of the server that takes what is pushed.
const FAR_HOST: &str = "10.0.0.9";
/// Time between two pictures of the [encoder](encode).
const PICTURE: Duration = Duration::from_millis(40);

/// A world with a device, its pusher, and a server elsewhere.
struct Push {
    world: World,
    device: MediumId<RtspServer>,
    far: MediumId<RtspServer>,
    pusher: MediumId<Pusher>,
    events: Receiver<String>,
    told: Vec<String>,
}

fn push_config(transport: TransportPolicy) -> PushConfig {
    let mut config = PushConfig::default();
    config.client.local_address = SERVER.split(':').next().and_then(|host| host.parse().ok());
    config.transport = transport;
    config
}

/// A server that anybody may publish to.
fn serve_far(world: &mut World) -> MediumId<RtspServer> {
    let mut config = ServerConfig::default();
    config.publish.policy = PublishPolicy::Anybody;
    RtspServer::new(&mut world.env, config, &[PROXY.parse().unwrap()]).unwrap()
}

fn far_url() -> String {
    format!("rtsp://{PROXY}/door")
}

fn push(
    world: &mut World,
    device: MediumId<RtspServer>,
    stream: &str,
    url: &str,
    config: PushConfig,
) -> (MediumId<Pusher>, Receiver<String>) {
    let (teller, events) = channel();
    let pusher = Pusher::open(&mut world.env, device, stream, url, config, move |_, event| {
        teller.send(event.to_string()).unwrap();
    });
    (pusher.unwrap(), events)
}

impl Push {
    /// Pushes a stream of a device that has a live one, "live", and the files of `testdata/media`.
    fn new(seed: u64, stream: &str, transport: TransportPolicy) -> Self {
        let mut world = World::new(seed);
        let device = world.serve();
        Self::of(world, device, stream, transport)
    }

    fn of(
        world: World,
        device: MediumId<RtspServer>,
        stream: &str,
        transport: TransportPolicy,
    ) -> Self {
        Self::with(world, device, stream, push_config(transport))
    }

    fn with(
        mut world: World,
        device: MediumId<RtspServer>,
        stream: &str,
        config: PushConfig,
    ) -> Self {
        let far = serve_far(&mut world);
        let (pusher, events) = push(&mut world, device, stream, &far_url(), config);
        Self { world, device, far, pusher, events, told: Vec::new() }
    }

    fn run(&mut self, seconds: f64) {
        self.world.run_secs(seconds);
        self.told.extend(self.events.try_iter());
    }

    /// Runs until the pusher tells what is looked for, from now on.
    #[track_caller]
    fn waits_for(&mut self, within: f64, what: &str) {
        let end = self.world.env.now() + secs(within);
        let from = self.told.len();
        while !self.told[from..].iter().any(|told| told.contains(what)) {
            assert!(self.world.env.now() < end, "no {what:?} in {:?}", self.told);
            self.run(0.02);
        }
    }

    fn told_of(&self, what: &str) -> usize {
        self.told.iter().filter(|told| told.contains(what)).count()
    }

    /// Watches what has been pushed.
    fn watch(&mut self) -> Viewer {
        watch(&mut self.world, "door", over(TransportPolicy::Tcp))
    }

    /// Packets that the server elsewhere has taken.
    fn taken(&self) -> u64 {
        let far = self.world.env.medium(self.far).expect("the server");
        let stream = far.relayed_stream_by_name("door").and_then(|id| far.relayed_stream(id));
        stream.map_or(0, |stream| stream.packets())
    }
}

/// Adds a stream of video to a server: a picture of `size` bytes every 40 ms, of which only those
/// that are asked for can be decoded alone, and the first.
fn add_camera(world: &mut World, server: MediumId<RtspServer>, name: &str, size: usize) {
    let added = world
        .env
        .with(server, |server, env| server.add_live_stream(env, name, [LiveTrackOptions::h264()]));
    let [sender] = added.expect("the server").expect("a live stream");
    encode(&mut world.env, sender, size, 0);
}

/// The parameter sets of a file, in Annex B form.
fn parameter_sets() -> Vec<u8> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/media/slices.264");
    let file = std::fs::read(file).expect("a file");
    let starts: Vec<_> =
        (0..file.len() - 4).filter(|at| file[*at..].starts_with(&[0, 0, 1])).collect();
    let mut sets = Vec::new();
    for (start, end) in starts.iter().zip(starts.iter().skip(1)) {
        let nal = &file[start + 3..*end];
        let nal = &nal[..nal.len() - nal.iter().rev().take_while(|b| **b == 0).count()];
        if matches!(nal[0] & 0x1F, 7 | 8) && sets.len() < 200 {
            sets.extend([0, 0, 0, 1]);
            sets.extend(nal);
        }
    }
    sets
}

/// A number in bytes that look like no start code.
fn written(number: u32) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| 0x80 | (number >> shift & 0x7F) as u8)
}

fn encode(env: &mut riverrun::env::UsageEnvironment, sender: LiveSender, size: usize, number: u32) {
    let is_key = sender.key_frame_wanted() || number == 0;
    let mut picture = if is_key { parameter_sets() } else { Vec::new() };
    picture.extend([0, 0, 0, 1]);
    picture.extend(if is_key { [0x65, 0x88] } else { [0x41, 0x9A] });
    picture.extend(written(number));
    picture.resize(size.max(picture.len()), 0xFF);
    if sender.send_access_unit(picture, PICTURE * number) != Sent::Closed {
        env.schedule_delayed_task(PICTURE, move |env| encode(env, sender, size, number + 1));
    }
}

/// The number of a picture, and whether it can be decoded alone.
fn picture(data: &[u8]) -> (u32, bool) {
    let is_key = data.windows(5).any(|w| w == [0, 0, 0, 1, 0x65]);
    let head = if is_key { 0x65 } else { 0x41 };
    let at = data.windows(5).position(|w| w == [0, 0, 0, 1, head]).expect("a picture") + 6;
    let number = data[at..at + 4].iter().fold(0, |n, byte| n << 7 | u32::from(byte & 0x7F));
    (number, is_key)
}
