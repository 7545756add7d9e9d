//! A server that does not keep up.

use super::{FAR_HOST, Push, add_camera, picture};
use crate::relay::{over, watch, watch_at};
use crate::world::{SERVER, World};
use allocation_counter::measure;
use riverrun::client::TransportPolicy;
use riverrun::env::LinkProfile;
use riverrun::server::ServerConfig;

#[test]
fn a_slow_server_loses_whole_frames_and_nobody_else_does() {
    let mut world = World::new(1);
    let mut config = ServerConfig::default();
    config.max_queued_media = 128 * 1024;
    let device = world.serve_with(config);
    // 8 kB every 40 ms.
    add_camera(&mut world, device, "camera", 8000);
    let mut push = Push::of(world, device, "camera", TransportPolicy::Tcp);
    push.waits_for(5.0, "pushing 1 track");
    push.run(5.0);
    let host = FAR_HOST.parse().unwrap();
    let mut slow = LinkProfile::default();
    (slow.bandwidth, slow.tcp_window) = (Some(60_000), 32 * 1024);
    push.world.network().set_host_profile(host, slow);
    push.run(20.0);
    let memory = measure(|| push.run(60.0));
    assert!(memory.bytes_max < 2 << 20, "{memory:?}");
    assert!(memory.bytes_current.abs() < 1 << 20, "{memory:?}");
    let before = push.taken();
    push.run(20.0);
    assert!(push.taken() > before + 200, "it goes on: {} {before}", push.taken());
    assert_eq!(push.told_of("lost"), 0, "{:?}", push.told);
    // What is watched here is not touched by that.
    let url = format!("rtsp://{SERVER}/camera");
    let mut here = watch_at(&mut push.world, &url, over(TransportPolicy::Tcp));
    push.run(8.0);
    let frames = here.new_frames();
    let pictures: Vec<_> = frames.iter().map(|frame| picture(&frame.data)).collect();
    assert!(pictures.len() > 150, "{} {:?}", pictures.len(), here.told);
    assert!(pictures.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1));
    // And it is all there again when the server keeps up.
    push.world.network().set_host_profile(host, LinkProfile::default());
    push.run(10.0);
    let mut there = watch(&mut push.world, "door", over(TransportPolicy::Tcp));
    push.run(6.0);
    let frames = there.new_frames();
    let pictures: Vec<_> = frames.iter().map(|frame| picture(&frame.data)).collect();
    assert!(pictures.len() > 100 && pictures[0].1, "{} {:?}", pictures.len(), there.told);
    assert!(pictures.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{pictures:?}");
}
