//! Viewers of a proxy who talk to the camera behind it.

use super::{PROXY, Relay, over, proxy_config};
use crate::camera::{Camera, rtp};
use crate::world::{FRAME, SERVER, World, client_config, feed, secs};
use riverrun::client::{Player, PlayerConfig, PlayerEvent, TrackChoice, TransportPolicy};
use riverrun::codec::{CodecParameters, PcmEncoding};
use riverrun::env::MediumId;
use riverrun::relay::{ProxyBackChannel, ProxyConfig};
use riverrun::rtp::ReceivedFrame;
use riverrun::server::{
    Admission, BackChannelOptions, BackChannelSink, DecideLater, Decision, LiveStreamOptions,
    LiveTrackOptions, RequestInfo, RtspServer, ServerConfig, ServerHooks,
};
use riverrun::wire::rtp::PacketKind;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};

const URL: &str = "rtsp://10.0.0.1:554/door";

/// What a camera hears.
struct Loudspeaker(Sender<Vec<u8>>);

impl BackChannelSink for Loudspeaker {
    fn frame(&mut self, frame: ReceivedFrame) {
        self.0.send(frame.data.to_vec()).expect("the test listens");
    }
}

/// Tells of each request the method, and whether it requires something.
struct Log(Sender<(String, bool)>);

impl ServerHooks for Log {
    fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
        let requires = request.request.headers.contains("Require");
        self.0.send((request.request.method.to_string(), requires)).expect("the test listens");
        Admission::Allow(None).into()
    }
}

/// A camera with sound, and a loudspeaker for one codec if it has one.
struct Door {
    server: MediumId<RtspServer>,
    heard: Receiver<Vec<u8>>,
    asked: Receiver<(String, bool)>,
}

fn pcm(encoding: PcmEncoding) -> CodecParameters {
    CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 }
}

impl Door {
    fn new(world: &mut World, loudspeaker: Option<PcmEncoding>) -> Self {
        let address = [SERVER.parse().unwrap()];
        let server = RtspServer::new(&mut world.env, ServerConfig::default(), &address).unwrap();
        let ((sender, heard), (teller, asked)) = (channel(), channel());
        let added = world.env.with(server, |server, env| {
            server.set_hooks(Log(teller));
            let mut stream = LiveStreamOptions::new("door");
            if let Some(encoding) = loudspeaker {
                let options = BackChannelOptions::for_codecs(&[pcm(encoding)])?;
                let speaker = server.add_back_channel(options, Loudspeaker(sender))?;
                stream = stream.with_back_channel(speaker);
            }
            server.add_live_stream(env, stream, [LiveTrackOptions::new(pcm(PcmEncoding::Pcmu))])
        });
        let [sound] = added.expect("the server is there").expect("a stream");
        feed(&mut world.env, sound, FRAME, 0);
        Self { server, heard, asked }
    }

    /// How many requests came that require something, and how many did not.
    fn requests(&self) -> (usize, usize) {
        let all: Vec<_> = self.asked.try_iter().collect();
        let required = all.iter().filter(|(_, requires)| *requires).count();
        (required, all.len() - required)
    }

    fn sessions(&self, world: &World) -> usize {
        world.env.medium(self.server).expect("the camera is there").pool().len()
    }
}

fn talkative() -> ProxyConfig {
    let mut config = proxy_config();
    config.back_channel = Some(ProxyBackChannel::default());
    config
}

fn talking(transport: TransportPolicy) -> PlayerConfig {
    let mut config = over(transport);
    config.client = client_config();
    config.tracks = TrackChoice::all().back_channel();
    config
}

/// A viewer who wants to talk, and what the player tells.
fn talker(relay: &mut Relay, transport: TransportPolicy) -> (MediumId<Player>, Receiver<String>) {
    let (teller, news) = channel();
    let url = format!("rtsp://{PROXY}/door");
    let player = Player::open(&mut relay.world.env, &url, talking(transport), move |_, event| {
        let told = match event {
            PlayerEvent::Playing { .. } => "playing".to_owned(),
            PlayerEvent::TrackFailed { why, .. } => why.to_string(),
            PlayerEvent::Lost(why) => format!("lost: {why}"),
            _ => return,
        };
        teller.send(told).unwrap();
    });
    (player.unwrap(), news)
}

fn sound(number: u16) -> Vec<u8> {
    let mut sound = vec![0xD5; 160];
    sound[..2].copy_from_slice(&number.to_be_bytes());
    sound
}

fn talk(relay: &mut Relay, player: MediumId<Player>, numbers: Range<u16>) {
    for number in numbers {
        let mut packet = rtp(0, number, u32::from(number) * 160, 0x77);
        packet.extend(sound(number));
        let sent = relay
            .world
            .env
            .with(player, |player, env| player.send_to_back_channel(env, PacketKind::Rtp, &packet));
        sent.expect("the player is there").expect("it is set up");
        relay.run(0.02);
    }
}

#[test]
fn what_a_viewer_says_goes_to_the_camera_and_viewers_see_nothing_of_it() {
    for (seed, transport, camera_transport) in [
        (1, TransportPolicy::Udp, TransportPolicy::Udp),
        (2, TransportPolicy::Tcp, TransportPolicy::Auto),
        (3, TransportPolicy::Udp, TransportPolicy::Tcp),
    ] {
        let mut config = talkative();
        config.player.transport = camera_transport;
        let mut relay = Relay::new(seed, URL, config);
        let door = Door::new(&mut relay.world, Some(PcmEncoding::Pcmu));
        let mut viewer = relay.watch(TransportPolicy::Tcp);
        relay.run(30.0);
        let (required, others) = door.requests();
        assert!(required == 0 && others > 3, "{others}");
        assert_eq!(door.sessions(&relay.world), 1);
        for turn in 0..2 {
            let (player, news) = talker(&mut relay, transport);
            relay.run(2.0);
            assert_eq!(news.try_iter().collect::<Vec<_>>(), ["playing"], "{:?}", relay.told);
            assert_eq!(door.sessions(&relay.world), 2, "one for the picture, one for the talk");
            talk(&mut relay, player, 0..200);
            relay.run(0.5);
            let heard: Vec<_> = door.heard.try_iter().collect();
            assert_eq!(heard, (0..200).map(sound).collect::<Vec<_>>(), "{turn}");
            // It pauses for a minute, which ends nothing.
            relay.run(60.0);
            talk(&mut relay, player, 200..250);
            relay.run(0.5);
            assert_eq!(door.heard.try_iter().count(), 50);
            relay.world.env.close(player);
            relay.run(8.0);
            assert_eq!((door.sessions(&relay.world), relay.told_of("nobody talks")), (2, turn));
            relay.run(4.0);
            assert_eq!((door.sessions(&relay.world), relay.told_of("nobody talks")), (1, turn + 1));
        }
        assert!(door.requests().0 > 0);
        viewer.goes_on();
        assert_eq!(viewer.told, ["playing"]);
        let frames = viewer.seen.len();
        let numbers = viewer.seen.windows(2).all(|p| p[1].number() == p[0].number() + 1);
        assert!(numbers && frames > 5000, "{frames}");
        // All that belongs to it ends with it.
        relay.world.env.close(relay.session);
        relay.world.env.close(viewer.player);
        relay.run(1.0);
        assert_eq!(door.sessions(&relay.world), 0);
    }
}

#[test]
fn a_viewer_who_asks_and_does_not_talk_is_none_of_the_cameras_business() {
    let mut relay = Relay::new(4, URL, talkative());
    let door = Door::new(&mut relay.world, Some(PcmEncoding::Pcmu));
    // It asks with `Require`, and sets up the sound alone.
    let mut config = talking(TransportPolicy::Tcp);
    config.tracks = TrackChoice::all().back_channel().back_channel_codec("none");
    let mut viewer = relay.watch_with(config);
    relay.run(10.0);
    assert!(viewer.new_frames().len() > 300);
    assert_eq!((door.requests().0, door.sessions(&relay.world)), (0, 1));
}

#[test]
fn a_camera_that_refuses_is_told_of_and_asked_again_after_a_while() {
    for (seed, loudspeaker, status) in [(5, None, "551"), (6, Some(PcmEncoding::Pcma), "415")] {
        let mut relay = Relay::new(seed, URL, talkative());
        let door = Door::new(&mut relay.world, loudspeaker);
        let mut viewer = relay.watch(TransportPolicy::Tcp);
        relay.run(3.0);
        let (player, news) = talker(&mut relay, TransportPolicy::Tcp);
        relay.run(3.0);
        let told: Vec<_> = news.try_iter().collect();
        assert!(told.len() == 2 && told[0].contains(status), "{told:?}");
        assert_eq!(told[1], "playing", "it watches all the same");
        assert_eq!(relay.told_of(status), 1, "{:?}", relay.told);
        assert_eq!((door.requests().0, door.sessions(&relay.world)), (1, 1));
        relay.world.env.close(player);
        // At once: the answer is known. Later the camera may have changed its mind.
        for (wait, asked) in [(0.0, 0), (11.0, 1)] {
            relay.run(wait);
            let (player, news) = talker(&mut relay, TransportPolicy::Tcp);
            relay.run(3.0);
            assert!(news.try_iter().any(|told| told.contains(status)));
            assert_eq!(door.requests().0, asked, "{status} {wait}");
            relay.world.env.close(player);
        }
        viewer.goes_on();
        assert_eq!(viewer.told, ["playing"]);
    }
}

#[test]
fn a_camera_that_is_silent_hangs_up_or_is_away_keeps_nobody_waiting() {
    for (seed, what) in [(7, "silent"), (8, "closes"), (9, "away"), (10, "refuses SETUP")] {
        let mut world = World::new(seed);
        if what != "away" {
            Camera::open(&mut world.env, SERVER, move |request, reply| {
                let requires = request.headers.contains("Require");
                match what {
                    "silent" => reply.is_silent = requires,
                    "closes" => reply.closes = requires,
                    _ if !requires => {}
                    _ if request.method.as_str() == "DESCRIBE" => {
                        let back = "m=audio 0 RTP/AVP 0\r\na=sendonly\r\na=control:track3\r\n";
                        reply.body.extend_from_slice(back.as_bytes());
                    }
                    _ => reply.refuse("453 Not Enough Bandwidth"),
                }
            });
        }
        let mut relay = Relay::in_world(world, URL, talkative());
        let mut viewer = relay.watch(TransportPolicy::Tcp);
        relay.run(3.0);
        let (_, news) = talker(&mut relay, TransportPolicy::Tcp);
        relay.run(30.0);
        if what == "away" {
            continue; // DESCRIBE has not been answered: there is nothing to talk to.
        }
        let told: Vec<_> = news.try_iter().collect();
        let status = if what == "refuses SETUP" { "502" } else { "551" };
        assert!(told.len() == 2 && told[0].contains(status), "{what}: {told:?} {:?}", relay.told);
        assert_eq!(relay.told_of("back channel cannot"), 1, "{what}: {:?}", relay.told);
        viewer.new_frames();
        assert_eq!(viewer.told, ["playing"], "{what}");
        assert!(viewer.seen.len() > 1000, "{what}");
    }
}

#[test]
fn a_camera_that_comes_back_hears_who_still_talks() {
    // With a limit to the failures, too, after which players end.
    for (seed, max_failures) in [(11, None), (12, Some(1))] {
        let mut config = talkative();
        config.player.reconnect.max_failures = max_failures;
        config.player.reconnect.longest_delay = secs(3.0);
        let mut relay = Relay::new(seed, URL, config);
        let door = Door::new(&mut relay.world, Some(PcmEncoding::Pcmu));
        let (player, news) = talker(&mut relay, TransportPolicy::Tcp);
        relay.run(3.0);
        talk(&mut relay, player, 0..50);
        relay.world.env.close(door.server);
        talk(&mut relay, player, 50..100);
        relay.run(5.0);
        let door = Door::new(&mut relay.world, Some(PcmEncoding::Pcmu));
        relay.run(20.0);
        talk(&mut relay, player, 100..150);
        relay.run(0.5);
        let heard: Vec<_> = door.heard.try_iter().collect();
        let all = (100..150).map(sound).collect::<Vec<_>>();
        assert!(heard == all, "{} {:?}", heard.len(), relay.told);
        assert!(news.try_iter().all(|told| told == "playing"));
    }
}
