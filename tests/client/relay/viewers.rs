//! Viewers come and go.

use super::{PROXY_HOST, Relay, add, camera_url, over, proxy_config, watch};
use crate::camera::Camera;
use crate::world::{World, secs};
use riverrun::client::TransportPolicy;
use riverrun::relay::Pull;
use std::time::Duration;

#[test]
fn a_source_is_opened_for_the_first_viewer_and_closed_after_the_last() {
    let mut relay = Relay::new(1, &camera_url(), proxy_config());
    let camera = relay.world.serve();
    relay.run(20.0);
    assert_eq!(relay.told, [""; 0], "nobody watches");
    let served = |relay: &Relay| relay.world.env.medium(camera).unwrap().pool().len();
    assert_eq!((served(&relay), relay.with(|p| p.player().is_none())), (0, true));
    let mut viewers = [TransportPolicy::Udp, TransportPolicy::Tcp].map(|t| relay.watch(t));
    relay.run(3.0);
    for viewer in &mut viewers {
        let frames = viewer.new_frames();
        assert!(frames.len() > 100, "{} {:?}", frames.len(), relay.told);
        assert!(frames.windows(2).all(|pair| pair[1].number() == pair[0].number() + 1));
        viewer.goes_on();
    }
    assert_eq!(
        (served(&relay), relay.with(|p| p.is_watched())),
        (1, true),
        "one connection for all"
    );
    relay.world.env.close(viewers[0].player);
    relay.run(30.0);
    assert_eq!((served(&relay), relay.told_of("closed")), (1, 0));
    relay.world.env.close(viewers[1].player);
    relay.run(8.0);
    assert_eq!((served(&relay), relay.with(|p| p.is_up())), (1, true), "for ten seconds more");
    relay.run(4.0);
    assert_eq!((served(&relay), relay.told_of("closed"), relay.with(|p| p.is_up())), (0, 1, false));
    // And again.
    let mut viewer = relay.watch(TransportPolicy::Udp);
    relay.run(3.0);
    assert!(viewer.new_frames().len() > 100, "{:?}", viewer.told);
    assert_eq!(relay.told_of("opening"), 2);
}

#[test]
fn a_viewer_who_comes_back_in_time_finds_the_source_open() {
    let mut relay = Relay::new(2, &camera_url(), proxy_config());
    relay.world.serve();
    for _ in 0..5 {
        let mut viewer = relay.watch(TransportPolicy::Tcp);
        relay.run(2.0);
        assert!(viewer.new_frames().len() > 40);
        relay.world.env.close(viewer.player);
        relay.run(8.0);
    }
    assert_eq!((relay.told_of("opening"), relay.told_of("source up")), (1, 1));
}

#[test]
fn sources_may_be_pulled_always_or_kept_warm() {
    for (pull, before, after) in
        [(Pull::Always, true, true), (Pull::OnDemand { close_after: None }, false, true)]
    {
        let mut config = proxy_config();
        config.pull = pull;
        let mut relay = Relay::new(3, &camera_url(), config);
        relay.world.serve();
        relay.run(5.0);
        assert_eq!(relay.with(|p| p.is_up()), before, "{pull:?}");
        let mut viewer = relay.watch(TransportPolicy::Udp);
        relay.run(2.0);
        assert!(viewer.new_frames().len() > 50);
        relay.world.env.close(viewer.player);
        relay.run(300.0);
        assert_eq!(relay.with(|p| p.is_up()), after, "{pull:?}");
        relay.world.env.close(relay.session);
        relay.run(3.0);
        // The listener is what is left.
        assert_eq!(relay.sockets_of(PROXY_HOST), 1);
        let sessions = relay.world.env.medium(relay.server).unwrap().pool().len();
        assert_eq!(sessions, 0);
    }
}

#[test]
fn while_one_describe_waits_others_are_served() {
    let mut world = World::new(4);
    world.serve();
    // A camera that accepts connections, and says nothing.
    let silent = "10.0.0.3:554";
    Camera::open(&mut world.env, silent, |_, reply| reply.is_silent = true);
    let mut relay = Relay::in_world(world, &camera_url(), proxy_config());
    let url = format!("rtsp://{silent}/live");
    let (_, _events) = add(&mut relay.world, relay.server, "silent", &url, proxy_config());
    let mut waits = watch(&mut relay.world, "silent", over(TransportPolicy::Tcp));
    relay.run(0.5);
    let mut viewer = relay.watch(TransportPolicy::Tcp);
    relay.run(2.0);
    assert!(viewer.new_frames().len() > 80, "{:?}", viewer.told);
    relay.run(30.0);
    assert!(waits.new_frames().is_empty() && !waits.told.is_empty(), "{:?}", waits.told);
}

#[test]
fn a_viewer_who_does_not_read_delays_nobody() {
    let mut relay = Relay::new(5, &camera_url(), proxy_config());
    relay.world.serve();
    let stuck = "10.0.0.77";
    let mut config = over(TransportPolicy::Tcp);
    config.client.local_address = stuck.parse().ok();
    let _stalls = relay.watch_with(config);
    let mut viewers = [TransportPolicy::Udp, TransportPolicy::Tcp].map(|t| relay.watch(t));
    relay.run(3.0);
    relay.world.network().vanish(stuck.parse().unwrap());
    viewers.iter_mut().for_each(|viewer| drop(viewer.new_frames()));
    relay.run(60.0);
    for viewer in &mut viewers {
        let frames = viewer.new_frames();
        assert!(frames.len() > 2950, "{}", frames.len());
        let gap = frames.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
        assert!(gap < Duration::from_millis(80), "{gap:?}");
        viewer.goes_on();
    }
    assert_eq!(relay.told_of("lost"), 0, "nor is it the source's fault");
}

#[test]
fn capture_times_are_those_of_the_camera() {
    let mut relay = Relay::new(6, &camera_url(), proxy_config());
    relay.world.serve();
    let mut viewer = relay.watch(TransportPolicy::Udp);
    relay.run(40.0);
    let wall = relay.world.env.wall_clock();
    let now = relay.world.env.now();
    let frames = viewer.new_frames();
    let last = frames.iter().rev().take(100);
    for frame in last {
        let captured = frame.captured.expect("the camera has told its clock");
        // From encoder to viewer it takes some milliseconds.
        let at = wall - (now - frame.at);
        assert!(captured <= at && at - captured < secs(0.1), "{captured:?} {at:?}");
    }
}
