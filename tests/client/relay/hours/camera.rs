//! [`Camera`]: the crate's server with one live stream, whose encoder goes with it.

use super::picture::{CameraClock, INTERVAL, KEY_EVERY, PPS, Picture, SPS};
use crate::world::{SERVER, World};
use riverrun::Frame;
use riverrun::codec::OtherCodec;
use riverrun::env::{Event, EventKey, Medium, MediumHandle, MediumId, Timer, UsageEnvironment};
use riverrun::media::live::LiveSender;
use riverrun::payload::FormatRegistry;
use riverrun::server::{LiveTrackOptions, RtspServer, ServerConfig};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    H264,
    /// One that no registry has: each picture is for itself.
    Unknown,
}

pub(super) struct Camera {
    pub(super) server: MediumId<RtspServer>,
    encoder: MediumId<Encoder>,
    pub(super) codec: Codec,
}

impl Camera {
    pub(super) fn open(world: &mut World, codec: Codec, clock: &CameraClock) -> Self {
        let env = &mut world.env;
        let address = [SERVER.parse().expect("an address")];
        let server = RtspServer::new(env, ServerConfig::default(), &address).expect("a server");
        let track = match codec {
            Codec::H264 => LiveTrackOptions::h264(),
            Codec::Unknown => {
                let codec = OtherCodec::new("video", "X-TEST", 90_000);
                LiveTrackOptions::new(codec.into()).with_formats(FormatRegistry::opaque())
            }
        };
        let added = env.with(server, |server, env| server.add_live_stream(env, "live", [track]));
        let [sender] = added.expect("the server is there").expect("a live stream");
        let encoder = env.add(Encoder {
            sender,
            codec,
            clock: clock.clone(),
            begun: env.now(),
            number: 0,
            since_key: 0,
            timer: Timer::new(),
            me: MediumHandle::default(),
        });
        Self { server, encoder, codec }
    }

    pub(super) fn close(&self, world: &mut World) {
        world.env.close(self.encoder);
        world.env.close(self.server);
    }
}

struct Encoder {
    sender: LiveSender,
    codec: Codec,
    clock: CameraClock,
    begun: Instant,
    number: u32,
    since_key: u32,
    timer: Timer,
    me: MediumHandle,
}

impl Encoder {
    fn encode(&mut self, env: &mut UsageEnvironment) {
        let is_wanted = self.sender.key_frame_wanted();
        let key = self.since_key == 0 || is_wanted || self.codec == Codec::Unknown;
        self.since_key = if key { 1 } else { self.since_key + 1 } % KEY_EVERY;
        let picture = Picture { captured: self.clock.now(env), key };
        let data = match (self.codec, key) {
            (Codec::Unknown, _) => picture.digits().to_vec(),
            (Codec::H264, true) => annex_b(&[&SPS, &PPS, &picture.unit()]),
            (Codec::H264, false) => annex_b(&[&picture.unit()]),
        };
        let mut frame = Frame::new(data, INTERVAL * self.number, Duration::ZERO);
        frame.flags.key = key;
        frame.wall_clock = Some(Duration::from_micros(picture.captured));
        // Whoever closes the server closes this, too.
        let _ = self.sender.send(frame);
        self.number += 1;
        self.arm(env);
    }

    fn arm(&mut self, env: &mut UsageEnvironment) {
        let at = self.begun + INTERVAL * self.number;
        env.arm_timer(&mut self.timer, self.me, EventKey::default(), at);
    }
}

fn annex_b(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect()
}

impl Medium for Encoder {
    fn kind(&self) -> &'static str {
        "Encoder"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
        self.arm(env);
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, _: Event) {
        self.encode(env);
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
    }
}
