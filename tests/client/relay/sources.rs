//! What sources do.

use super::{PROXY_HOST, Relay, camera_url, over, proxy_config};
use crate::camera::{Camera, SDP};
use crate::world::{SERVER, World, secs};
use riverrun::client::TransportPolicy;
use riverrun::env::MediumId;
use riverrun::wire::rtsp::Method;
use std::time::Duration;

/// Sound, alone.
const SOUND: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=Camera\r\nt=0 0\r\na=control:*\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:track1\r\n";

fn with_camera(relay: &mut Relay, camera: MediumId<Camera>, change: impl FnOnce(&mut Camera)) {
    change(relay.world.env.medium_mut(camera).expect("it is there"));
}

#[test]
fn a_camera_that_begins_anew_is_followed_and_viewers_stay() {
    for (seed, transport) in [(11, TransportPolicy::Udp), (12, TransportPolicy::Tcp)] {
        let mut config = proxy_config();
        config.player.transport = transport;
        let mut relay = Relay::new(seed, &camera_url(), config);
        let mut camera = relay.world.serve();
        let mut viewers = [TransportPolicy::Udp, TransportPolicy::Tcp].map(|t| relay.watch(t));
        relay.run(5.0);
        for _ in 0..3 {
            viewers.iter_mut().for_each(|viewer| drop(viewer.new_frames()));
            relay.world.env.close(camera);
            relay.waits_for(15.0, "lost");
            relay.run(5.0);
            camera = relay.world.serve();
            relay.waits_for(20.0, "back");
            let back = relay.world.env.now();
            relay.run(2.0);
            for viewer in &mut viewers {
                let frames = viewer.new_frames();
                let after: Vec<_> = frames.iter().filter(|frame| frame.at > back).collect();
                assert!(after.len() > 80, "{} {:?}", after.len(), viewer.told);
            }
        }
        for viewer in &mut viewers {
            viewer.goes_on();
            assert_eq!(viewer.told, ["playing"], "it was never told of anything");
        }
    }
}

#[test]
fn a_camera_that_is_not_there_is_found_when_it_is() {
    let mut relay = Relay::new(13, &camera_url(), proxy_config());
    let mut viewer = relay.watch(TransportPolicy::Tcp);
    relay.run(60.0);
    assert!(viewer.new_frames().is_empty());
    assert!(relay.told_of("cannot be opened") > 2, "{:?}", relay.told);
    relay.world.serve();
    relay.run(130.0);
    assert!(viewer.new_frames().len() > 300, "{:?} {:?}", viewer.told, relay.told);
}

#[test]
fn a_camera_that_refuses_lies_or_hangs_is_tried_until_it_does_not() {
    type Fault = fn(Method) -> bool;
    let faults: [(&str, Fault); 4] = [
        ("401", |method| method == Method::Describe),
        ("silence", |method| method == Method::Setup),
        ("close", |method| method == Method::Play),
        ("lie", |method| method == Method::Describe),
    ];
    for (seed, (what, when)) in (20..).zip(faults) {
        let mut world = World::new(seed);
        let mut faulty = 6;
        Camera::open(&mut world.env, SERVER, move |request, reply| {
            if when(request.method.clone()) && faulty > 0 {
                faulty -= 1;
                match what {
                    "401" => reply.refuse("401 Unauthorized"),
                    "silence" => reply.is_silent = true,
                    "close" => reply.closes = true,
                    _ => reply.body = b"<html>".to_vec(),
                }
            }
        });
        let mut config = proxy_config();
        config.player.client.answer_timeout = secs(2.0);
        config.player.reconnect.longest_delay = secs(5.0);
        let mut relay = Relay::in_world(world, &camera_url(), config);
        let mut viewer = relay.watch(TransportPolicy::Tcp);
        relay.run(80.0);
        assert!(viewer.new_frames().len() > 300, "{what}: {:?} {:?}", viewer.told, relay.told);
        assert!(relay.with(|p| p.is_up()), "{what}");
    }
}

#[test]
fn another_ssrc_and_silence_are_no_news_for_viewers() {
    let mut world = World::new(30);
    let camera = Camera::open(&mut world.env, SERVER, |_, _| {});
    with_sound(&mut world, camera);
    let mut relay = Relay::in_world(world, &camera_url(), proxy_config());
    let mut patient = over(TransportPolicy::Tcp);
    patient.stall_timeout = Duration::MAX;
    let mut viewer = relay.watch_with(patient);
    relay.run(3.0);
    // An encoder that begins anew.
    with_camera(&mut relay, camera, |camera| camera.dead = vec![1]);
    relay.run(2.0);
    with_camera(&mut relay, camera, |camera| (camera.dead, camera.ssrc) = (Vec::new(), 0x7000));
    relay.run(3.0);
    assert!(viewer.new_frames().len() > 250, "{:?}", viewer.told);
    // Silence: the source is lost, and comes back when the camera does.
    with_camera(&mut relay, camera, |camera| camera.dead = vec![1]);
    relay.waits_for(12.0, "lost");
    with_camera(&mut relay, camera, |camera| camera.dead.clear());
    relay.waits_for(10.0, "back");
    relay.run(3.0);
    assert!(viewer.new_frames().len() > 100, "{:?}", viewer.told);
    viewer.goes_on();
    assert_eq!(viewer.told, ["playing"]);
}

fn with_sound(world: &mut World, camera: MediumId<Camera>) {
    world.env.medium_mut(camera).unwrap().sdp = SOUND.to_owned();
}

#[test]
fn with_another_codec_viewers_are_ended_and_see_the_new_description() {
    let mut world = World::new(31);
    let camera = Camera::open(&mut world.env, SERVER, |_, _| {});
    with_sound(&mut world, camera);
    let mut relay = Relay::in_world(world, &camera_url(), proxy_config());
    let mut viewer = relay.watch(TransportPolicy::Tcp);
    relay.run(3.0);
    assert!(viewer.new_frames().iter().all(|frame| frame.track == 1));
    with_camera(&mut relay, camera, |camera| camera.sdp = SDP.to_owned());
    relay
        .world
        .env
        .with(camera, |camera, env| {
            camera.close_connections(env);
            camera.dead = vec![1, 2];
        })
        .unwrap();
    relay.waits_for(15.0, "lost");
    with_camera(&mut relay, camera, |camera| camera.dead.clear());
    relay.waits_for(10.0, "back");
    relay.run(10.0);
    let frames = viewer.new_frames();
    assert!(frames.iter().filter(|frame| frame.track == 2).count() > 100, "{:?}", viewer.told);
    assert_eq!(
        viewer.told.iter().filter(|told| *told == "playing").count(),
        2,
        "{:?}",
        viewer.told
    );
}

#[test]
fn a_source_that_ends_is_opened_again_while_it_is_watched() {
    let mut relay = Relay::new(32, &format!("rtsp://{SERVER}/mulaw.wav"), proxy_config());
    relay.world.serve();
    let mut viewer = relay.watch(TransportPolicy::Tcp);
    relay.run(40.0);
    assert!(relay.told_of("source ended") > 1, "{:?}", relay.told);
    assert!(!viewer.new_frames().is_empty());
    viewer.goes_on();
    relay.world.env.close(viewer.player);
    relay.run(60.0);
    let ends = relay.told_of("source ended");
    relay.run(60.0);
    assert_eq!((relay.told_of("source ended"), relay.sockets_of(PROXY_HOST)), (ends, 1));
}

#[test]
fn a_tunnel_is_asked_for_by_the_url_and_no_credentials_are_told() {
    let mut world = World::new(33);
    world.serve();
    let url = format!("rtsph://admin:s3cret@{SERVER}/live");
    let mut config = proxy_config();
    config.player.transport = TransportPolicy::Auto;
    let mut relay = Relay::in_world(world, &url, config);
    let mut viewer = relay.watch(TransportPolicy::Udp);
    relay.run(3.0);
    assert!(viewer.new_frames().len() > 100, "{:?} {:?}", viewer.told, relay.told);
    assert_eq!(relay.told_of("source up over TCP"), 1, "{:?}", relay.told);
    let shown = relay.with(|proxy| format!("{proxy:?}"));
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(relay.told.iter().all(|told| !told.contains("s3cret")));
}

#[test]
fn viewers_are_told_what_the_camera_says_of_its_tracks() {
    let mut world = World::new(34);
    let camera = Camera::open(&mut world.env, SERVER, |_, _| {});
    let lines = "a=framerate:25\r\na=x-onvif-track:AUDIO001\r\na=range:npt=0-9\r\na=extmap:1 x\r\n";
    world.env.medium_mut(camera).unwrap().sdp = format!("{SOUND}{lines}");
    let mut relay = Relay::in_world(world, &camera_url(), proxy_config());
    let mut viewer = relay.watch(TransportPolicy::Tcp);
    relay.run(3.0);
    assert!(!viewer.new_frames().is_empty());
    let server = relay.world.env.medium(relay.server).unwrap();
    let stream = server.relayed_stream_by_name("door").and_then(|id| server.relayed_stream(id));
    let session = server.media_session(stream.unwrap().media_session()).unwrap();
    let sdp = session.sdp(PROXY_HOST.parse().unwrap()).unwrap();
    assert!(sdp.contains("a=framerate:25\r\na=x-onvif-track:AUDIO001\r\n"), "{sdp}");
    assert!(!sdp.contains("npt=0-9") && !sdp.contains("extmap"), "{sdp}");
}
