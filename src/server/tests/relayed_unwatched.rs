//! Relayed streams that nobody watches: what is kept for the first viewer while the source is there.

use super::relayed::{Camera, number_steps};
use super::world::{C, World};
use crate::payload::PayloadFormat;
use crate::rtp::ReceivedPacket;
use crate::server::{FastStart, RelayedStreamOptions, RelayedTrack, ServerConfig, SourceChange};
use allocation_counter::measure;

fn options() -> RelayedStreamOptions {
    RelayedStreamOptions::new("cam").with_fast_start(FastStart::KeyFrameCache)
}

/// How many streams go on without viewers.
fn resting(w: &World) -> usize {
    w.server().streams.all_inputs().resting().count()
}

/// The numbers of the pictures that a new viewer is sent, before the source sends more.
fn at_once(w: &mut World, tcp: bool) -> (C, Vec<u32>) {
    let c = w.playing("/cam", 1, tcp);
    w.run_secs(0.03);
    (c, w[c].track(1).frames())
}

#[test]
fn the_first_viewer_begins_with_the_last_key_picture() {
    for tcp in [false, true] {
        let mut w = World::new();
        let mut camera = Camera::new(&mut w, options(), false);
        camera.delays = Some([0.1, 0.1]);
        camera.run(&mut w, 13);
        w.check();
        assert_eq!((w.census(), resting(&w)), ((0, 0, 0), 1));
        let (c, since) = (w.client(), w.now());
        w.describe(c, "/cam").expect(200);
        w.setup_over(c, "/cam", 1, tcp).expect(200);
        let answer = w.play(c, "/cam").expect(200);
        let info = answer.rtp_info();
        w.run_secs(0.03);
        assert_eq!(w[c].track(1).frames(), [10, 11, 12], "tcp {tcp}");
        let first = w[c].track(1).rtp[0];
        assert_eq!(info.entries[0].seq, Some(first.sequence));
        // The camera's clock has gone on meanwhile.
        let units = ((w.now() - since).as_secs_f64() * 90_000.0) as u32;
        camera.timestamps[0] = camera.timestamps[0].wrapping_add(units);
        camera.run(&mut w, 200);
        let track = w[c].track(1);
        assert_eq!(track.frames(), (10..213).collect::<Vec<_>>());
        assert!(number_steps(&track.rtp).iter().all(|step| *step == 1));
        // It is told when the first was captured, too.
        let report = track.rtcp.iter().rev().find_map(|r| r.info).expect("a report");
        let units = report.rtp_timestamp.wrapping_sub(first.timestamp) as i32;
        let told = report.ntp.to_unix().as_secs_f64() - f64::from(units) / 90_000.0;
        // A key picture has five packets, and the others have one.
        let sent = camera.sent[0][5 + 9].0;
        let wall = w.env.wall_clock().as_secs_f64() - (w.now() - sent).as_secs_f64();
        assert!((told - (wall - 0.1)).abs() < 1e-3, "{told} {wall}");
        // The next viewer, and the one after, who is not the only one.
        w.teardown(c, "/cam");
        w.check();
        assert_eq!((w.census().1, resting(&w)), (0, 1));
        camera.run(&mut w, 10);
        let (next, pictures) = at_once(&mut w, tcp);
        assert_eq!(pictures, [220, 221, 222]);
        let ssrcs = [c, next].map(|c| w[c].track(1).rtp[0].ssrc);
        assert_eq!(ssrcs[0], ssrcs[1], "it is one stream");
        let step = w[next].track(1).rtp[0].sequence.wrapping_sub(first.sequence);
        assert_eq!(usize::from(step), 21 * (5 + 9), "with all its numbers");
        let (other, pictures) = at_once(&mut w, !tcp);
        assert_eq!(pictures, [220, 221, 222]);
        assert_eq!((w.census().1, resting(&w)), (1, 0));
        // Who asks for the description alone, or sets up and does not play, changes nothing.
        w.teardown(next, "/cam");
        w.teardown(other, "/cam");
        w.describe(c, "/cam").expect(200);
        w[c].session = None;
        w.setup_over(c, "/cam", 1, tcp).expect(200);
        camera.run(&mut w, 1);
        w.teardown(c, "/cam");
        camera.run(&mut w, 1);
        assert_eq!(at_once(&mut w, tcp).1, [220, 221, 222, 223, 224]);
        w.expect_nothing_left();
    }
}

#[test]
fn the_source_that_goes_takes_what_was_kept_with_it() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, options(), false);
    camera.run(&mut w, 13);
    camera.vanish(&mut w);
    w.check();
    assert_eq!(resting(&w), 0);
    let (c, pictures) = at_once(&mut w, true);
    assert_eq!(pictures, [0; 0]);
    w.teardown(c, "/cam");
    assert_eq!(resting(&w), 0, "there is nothing to keep");
    // Back, with other parameter sets: what was sent before is for nobody.
    camera.restart(&mut w, 1.0);
    camera.run(&mut w, 12);
    let format = PayloadFormat::new("video", "H264", 90_000, 98).with_fmtp(
        "packetization-mode=1;profile-level-id=640028;sprop-parameter-sets=Z0LAH9k=,aM48gQ==",
    );
    camera.tracks = vec![RelayedTrack::new(format)];
    assert_eq!(camera.describe(&mut w), SourceChange::SameCodecs);
    let (c, pictures) = at_once(&mut w, true);
    assert_eq!(pictures, [0; 0]);
    w.teardown(c, "/cam");
    camera.run(&mut w, 10);
    let (_, pictures) = at_once(&mut w, false);
    assert_eq!(pictures.first().map(|n| n % 10), Some(0), "{pictures:?}");
    // Another codec is another stream; so is none.
    let h265 = RelayedTrack::new(PayloadFormat::new("video", "H265", 90_000, 96));
    camera.tracks = vec![h265];
    assert_eq!(camera.describe(&mut w), SourceChange::OtherCodecs);
    w.run_secs(0.5);
    w.check();
    assert_eq!((w.census().1, resting(&w)), (0, 1));
    let id = camera.id;
    assert!(w.serve(|server, env| server.remove_relayed_stream(env, id)));
    assert_eq!(w.server().streams.all_inputs().len(), 0);
    w.expect_nothing_left();
}

#[test]
fn as_much_is_kept_as_the_limit_says_and_only_where_newcomers_get_it() {
    for (fast_start, max_cached, begins) in [
        (FastStart::KeyFrameCache, 4 << 20, Some(10)),
        (FastStart::KeyFrameCache, 6000, None),
        (FastStart::WaitForKeyFrame, 4 << 20, None),
        (FastStart::Off, 4 << 20, None),
    ] {
        let mut w = World::configured(|config| config.max_cached = max_cached);
        let mut camera = Camera::new(&mut w, options().with_fast_start(fast_start), true);
        camera.run(&mut w, 15);
        let is_kept = fast_start == FastStart::KeyFrameCache;
        assert_eq!(resting(&w), usize::from(is_kept), "of sound nothing is");
        let c = w.playing("/cam", 2, true);
        w.run_secs(0.03);
        assert_eq!(w[c].track(1).frames().first().copied(), begins, "{fast_start:?} {max_cached}");
        camera.run(&mut w, 10);
        assert!(!w[c].track(1).rtp.is_empty() && !w[c].track(2).rtp.is_empty());
        w.expect_nothing_left();
    }
}

#[test]
fn streams_without_viewers_count_as_none_and_wake_nobody() {
    let mut config = ServerConfig::unlimited();
    config.max_streams = 1;
    let mut w = World::with(config);
    let cameras = ["cam", "other", "third"].map(|name| {
        let options = RelayedStreamOptions::new(name).with_fast_start(FastStart::KeyFrameCache);
        Camera::new(&mut w, options, false)
    });
    assert_eq!((w.census(), resting(&w)), ((0, 0, 0), 3));
    assert_eq!(w.env.delayed_tasks(), 0);
    w.playing("/cam", 1, true);
    let c = w.client();
    w.setup(c, "/other", 1, "RTP/AVP/TCP;unicast").expect(503);
    assert_eq!((w.census().1, resting(&w)), (1, 2));
    drop(cameras);
    w.expect_nothing_left();
}

#[test]
fn a_packet_that_nobody_watches_is_copied_once_and_allocates_nothing() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, options(), false);
    // Until the memory for a group of pictures is there.
    camera.run(&mut w, 42);
    let id = camera.id;
    let payload = [0x41; 1300];
    let memory = w.serve(|server, env| {
        measure(|| {
            for n in 0..5 {
                let packet = ReceivedPacket::new(&payload, n * 3600, env.now());
                server.relay_packet(env, id, 0, &packet);
            }
            server.send_relayed_packets(env);
        })
    });
    assert_eq!(memory.count_total, 0, "{memory:?}");
    assert!(w.server().relayed.unsent.is_empty(), "nothing waits for the end of the turn");
    w.expect_nothing_left();
}
