//! Live streams that are added in one call: what comes out, removal, the end of the senders.

use super::media::{PCMU, encoded_picture};
use super::world::{World, secs};
use crate::media::live::{LiveSender, Sent};
use crate::media::queue::QueueLimits;
use crate::server::{FastStart, LiveStreamOptions, LiveTrackOptions};
use std::time::Duration;

/// A picture of 40 ms; each tenth is a key picture with its parameter sets.
fn send(sender: &LiveSender, n: u32) -> Sent {
    sender.send_access_unit(encoded_picture(n, 10), Duration::from_millis(40) * n)
}

fn run(w: &mut World, sender: &LiveSender, frames: std::ops::Range<u32>) {
    for n in frames {
        let _ = send(sender, n);
        w.run(Duration::from_millis(40));
    }
}

fn sound() -> LiveTrackOptions {
    PCMU.into()
}

/// A camera of one track.
fn camera(w: &mut World, options: LiveStreamOptions) -> LiveSender {
    let tracks = [LiveTrackOptions::h264()];
    let [sender] = w.serve(|server, env| server.add_live_stream(env, options, tracks)).unwrap();
    sender
}

#[test]
fn frames_before_any_viewer_describe_the_stream_and_a_newcomer_begins_at_once() {
    let mut w = World::new();
    let sender = camera(&mut w, "door/camera".into());
    assert_eq!(send(&sender, 0), Sent::NoReceiver);
    let c = w.client();
    let sdp = w.describe(c, "/door/camera").expect(200).body();
    assert!(sdp.contains("sprop-parameter-sets=Z0"), "picked up from the stream: {sdp}");
    let first = w.playing("/door/camera", 1, false);
    run(&mut w, &sender, 10..18);
    let second = w.playing("/door/camera", 1, true);
    run(&mut w, &sender, 18..19);
    // The number of a key frame stands behind its parameter sets.
    let all: Vec<_> = (11..19).collect();
    assert_eq!(w[first].track(1).frames(), all);
    assert_eq!(w[second].track(1).frames(), all, "from the last key frame on");
    let packets = [first, second].map(|c| w[c].track(1).rtp.len());
    assert_eq!(packets[0], packets[1]);
    assert_eq!(w.server().stream_count(), 1, "all clients share it");
    w.expect_nothing_left();
}

#[test]
fn a_stream_has_what_its_options_say() {
    let mut w = World::new();
    let options = LiveStreamOptions::new("camera")
        .with_description("At the door", "Camera 7")
        .with_queue_limits(QueueLimits::new(3, 1000).unwrap())
        .with_fast_start(FastStart::WaitForKeyFrame)
        .with_shared_streams(false);
    let tracks = [LiveTrackOptions::h264().with_bandwidth_kbps(777), sound()];
    let [video, _sound] =
        w.serve(|server, env| server.add_live_stream(env, options, tracks)).unwrap();
    let _ = send(&video, 0);
    let c = w.client();
    let sdp = w.describe(c, "/camera").expect(200).body();
    for line in ["s=Camera 7", "i=At the door", "b=AS:777", "a=rtpmap:0 PCMU/8000"] {
        assert!(sdp.contains(&format!("{line}\r\n")), "{line}: {sdp}");
    }
    let (a, b) = (w.playing("/camera", 1, true), w.playing("/camera", 1, true));
    assert_eq!(w.server().stream_count(), 2);
    let sent: Vec<_> = (10..15).map(|n| send(&video, n)).collect();
    assert_eq!(sent[..3], [Sent::Accepted; 3]);
    assert_eq!(sent[3..], [Sent::Dropped; 2]);
    w.run_secs(0.1);
    for c in [a, b] {
        assert_eq!(w[c].track(1).frames(), [11, 12]);
    }
    w.expect_nothing_left();
}

#[test]
fn one_clock_counts_for_all_tracks_unless_each_has_its_own() {
    for one_clock in [true, false] {
        let mut w = World::new();
        let options = LiveStreamOptions::new("camera").with_one_clock(one_clock);
        let tracks = [LiveTrackOptions::h264(), sound()];
        let [video, sound] =
            w.serve(|server, env| server.add_live_stream(env, options, tracks)).unwrap();
        let _ = send(&video, 0);
        let c = w.playing("/camera", 2, true);
        // The encoder's wall clock is a day ahead of the server's.
        let day = 24.0 * 3600.0;
        let begin = w.env.wall_clock() + secs(day);
        video.set_clock(Duration::ZERO, begin);
        // Tracks with a clock each have times that have nothing in common.
        let offset = if one_clock { Duration::ZERO } else { secs(9000.0) };
        if !one_clock {
            sound.set_clock(offset, begin);
        }
        for n in 0..300 {
            let _ = send(&video, n);
            let pts = offset + Duration::from_millis(40) * n;
            let _ = sound.send_access_unit(vec![0x55; 320], pts);
            w.run(Duration::from_millis(40));
        }
        for track in [1, 2] {
            let report = w[c].track(track).rtcp.iter().rev().find(|r| r.info.is_some()).unwrap();
            let told = report.info.unwrap().ntp.to_unix().as_secs_f64();
            let shown = w.env.wall_clock().as_secs_f64() - (w.now() - report.at).as_secs_f64();
            let error = told - shown - day;
            assert!(error.abs() < 0.05, "one clock: {one_clock}, track {track}: {error} s");
        }
        w.expect_nothing_left();
    }
}

#[test]
fn a_removed_stream_ends_its_senders_with_its_last_viewer() {
    let mut w = World::new();
    let sender = camera(&mut w, "camera".into());
    let other = sender.clone();
    let _ = send(&sender, 0);
    let c = w.playing("/camera", 1, true);
    run(&mut w, &sender, 10..20);
    let id = w.server().lookup_server_media_session("camera").unwrap();
    assert!(w.serve(|server, env| server.remove_server_media_session(env, id)));
    let late = w.client();
    w.describe(late, "/camera").expect(404);
    assert_eq!(send(&sender, 20), Sent::Accepted, "who watches, watches on");
    run(&mut w, &sender, 21..30);
    assert_eq!(w[c].track(1).frames().last(), Some(&29));
    assert_eq!(w.server().streams.all_inputs().len(), 1);
    w.teardown(c, "/camera");
    assert_eq!((send(&sender, 30), send(&other, 30)), (Sent::Closed, Sent::Closed));
    assert_eq!(w.server().streams.all_inputs().len(), 0, "the input goes too");
    // What is sent, or ends, after that is nothing to anybody.
    drop((sender, other));
    w.expect_nothing_left();
}

#[test]
fn a_deleted_stream_ends_at_once() {
    let mut w = World::new();
    let sender = camera(&mut w, "camera".into());
    let _ = send(&sender, 0);
    let c = w.playing("/camera", 1, false);
    run(&mut w, &sender, 10..20);
    let id = w.server().lookup_server_media_session("camera").unwrap();
    assert!(w.serve(|server, env| server.delete_server_media_session(env, id)));
    assert_eq!(send(&sender, 20), Sent::Closed);
    w.run_secs(0.2);
    assert_eq!(w[c].track(1).byes(), 1);
    // The name is free again.
    let again = camera(&mut w, "camera".into());
    let _ = send(&again, 0);
    w[c].session = None;
    w.describe(c, "/camera").expect(200);
    w.expect_nothing_left();
}

#[test]
fn the_stream_ends_when_its_sender_is_dropped() {
    let mut w = World::new();
    let tracks = [LiveTrackOptions::h264(), sound()];
    let [video, sound] =
        w.serve(|server, env| server.add_live_stream(env, "camera", tracks)).unwrap();
    let _ = send(&video, 0);
    let c = w.playing("/camera", 2, true);
    run(&mut w, &video, 10..15);
    drop(video);
    w.run_secs(1.0);
    assert_eq!((w[c].track(1).byes(), w[c].track(2).byes()), (1, 0));
    drop(sound);
    w.run_secs(1.0);
    assert_eq!((w[c].track(1).byes(), w[c].track(2).byes()), (1, 1));
    w.expect_nothing_left();
}

#[test]
fn what_cannot_be_added_leaves_nothing_behind() {
    let mut w = World::new();
    let present = camera(&mut w, "camera".into());
    let mut add = |name: &str, tracks| {
        w.serve(|server, env| server.add_live_tracks(env, name, tracks)).map(|_| ())
    };
    let h264 = LiveTrackOptions::h264;
    let stranger = crate::codec::OtherCodec::new("audio", "X-STRANGER", 8000);
    for (name, tracks) in [
        ("camera", vec![h264()]),
        ("/camera/", vec![h264()]),
        ("..", vec![h264()]),
        ("", vec![h264()]),
        ("none", vec![]),
        ("stranger", vec![h264(), LiveTrackOptions::new(stranger.into())]),
    ] {
        assert!(add(name, tracks).is_err(), "{name}");
    }
    assert_eq!(w.server().media_sessions().count(), 1);
    assert_eq!(w.server().streams.all_inputs().len(), 1);
    assert_eq!(send(&present, 0), Sent::NoReceiver, "the one that has the name stays");
    w.expect_nothing_left();
}

/// RFC 4103 sections 5.2 and 7.2.
#[cfg(feature = "data-formats")]
#[test]
fn text_is_sent_with_redundancy_also_where_it_pauses() {
    let mut w = World::new();
    let tracks = [LiveTrackOptions::text()];
    let [sender] = w.serve(|server, env| server.add_live_stream(env, "talk", tracks)).unwrap();
    let c = w.client();
    let sdp = w.describe(c, "/talk").expect(200).body();
    let lines = "a=rtpmap:96 red/1000\r\na=fmtp:96 127/127/127\r\na=rtpmap:127 t140/1000\r\n";
    assert!(sdp.contains("m=text 0 RTP/AVP 96 127\r\n") && sdp.contains(lines), "{sdp}");
    let viewer = w.playing("/talk", 1, false);
    let typed = |at| crate::frame::Frame::new(b"x".as_slice(), secs(at), Duration::ZERO);
    assert_eq!(sender.send(typed(1.0)), Sent::Accepted);
    w.run(Duration::from_millis(200));
    assert_eq!(w[viewer].track(1).rtp.len(), 1);
    w.run(secs(3.0));
    assert_eq!(w[viewer].track(1).rtp.len(), 3, "two repeat it");
    assert_eq!(sender.send(typed(5.0)), Sent::Accepted);
    w.run(secs(3.0));
    assert_eq!(w[viewer].track(1).rtp.len(), 6);
}
