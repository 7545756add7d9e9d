//! `Scale` and `Speed`: which frames are sent, when, with which RTP times, and what the answers say.

use super::client::{Answer, Rtp};
use super::media::{TestTrack, camera, film, session};
use super::play::{assert_continuous, assert_rtptime, play_and_check_info, range};
use super::world::{C, World, secs};

fn world() -> World {
    let mut w = World::new();
    w.add(film("film"));
    w.add(camera("camera"));
    w.add(
        session("shared")
            .with_subsession(TestTrack::video().shared())
            .with_subsession(TestTrack::audio().shared()),
    );
    w
}

/// A client that has set up both tracks of the film.
fn viewer(w: &mut World, tcp: bool) -> C {
    let c = w.client();
    w.setup_over(c, "/film", 1, tcp);
    w.setup_over(c, "/film", 2, tcp);
    c
}

fn play(w: &mut World, c: C, headers: &[(&str, &str)]) -> Answer {
    w[c].forget_media();
    w.request(c, "PLAY", "/film", headers).expect(200)
}

/// Checks the times of video packets: so many units from one to the next, and as long a time apart, in
/// seconds.
#[track_caller]
fn assert_spaced(packets: &[Rtp], units: u32, apart: f64) {
    assert_continuous(packets);
    for pair in packets.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32;
        assert!(step.abs_diff(units as i32) <= 1, "{step} units, {units} expected");
        let off = (pair[1].at - pair[0].at).abs_diff(secs(apart));
        assert!(off < secs(0.02), "off by {off:?}");
    }
}

/// Checks that RTP-Info of the video says the first packet, which begins the range.
#[track_caller]
fn assert_info_is_first(w: &World, c: C, answer: &Answer) {
    let entry = answer.rtp_info().entries.remove(0);
    let first = &w[c].track(1).rtp[0];
    assert_eq!(entry.seq, Some(first.sequence));
    let off = entry.rtptime.expect("rtptime").wrapping_sub(first.timestamp) as i32;
    assert!(off.abs() <= 1, "{off} units");
}

fn every(from: u32, step: i32, count: usize) -> Vec<u32> {
    (0..count as i32).map(|n| from.wrapping_add_signed(n * step)).collect()
}

#[test]
fn fast_forward_sends_key_frames_at_the_pace_of_the_scale_and_no_sound() {
    for tcp in [false, true] {
        let mut w = world();
        let c = viewer(&mut w, tcp);
        let answer = play(&mut w, c, &[("Scale", "4"), ("Range", "npt=2-")]);
        assert_eq!(answer.header("Scale"), "4.0");
        assert_eq!(range(&answer), (secs(2.0), Some(secs(10.0))));
        w.run_secs(1.9);
        assert_info_is_first(&w, c, &answer);
        assert_eq!(w[c].track(1).frames(), every(50, 25, 8));
        assert_spaced(&w[c].track(1).rtp, 22_500, 0.25);
        assert!(w[c].track(2).rtp.is_empty());
        assert_eq!((w[c].track(1).byes(), w[c].track(2).byes()), (0, 0));
        // The last key frame is the picture of its second.
        w.run_secs(0.4);
        assert_eq!((w[c].track(1).byes(), w[c].track(2).byes()), (1, 1));
        // The session goes on; normal play is the default.
        let answer = play_and_check_info(&mut w, c, "/film", "npt=3-");
        assert_eq!(range(&answer).0, secs(3.0));
        assert_eq!(w[c].track(1).frames()[..3], [75, 76, 77]);
        w.teardown(c, "/film");
        w.expect_nothing_left();
    }
}

#[test]
fn reports_go_on_while_a_track_is_silent() {
    let mut w = World::new();
    let frames = 25 * 120;
    w.add(
        session("film")
            .with_subsession(TestTrack::video().frames(frames).alone())
            .with_subsession(TestTrack::audio().frames(2 * frames).alone()),
    );
    let c = viewer(&mut w, false);
    play(&mut w, c, &[("Scale", "2")]);
    w.run_secs(30.0);
    let sound = w[c].track(2);
    assert!(sound.rtp.is_empty() && sound.rtcp.len() >= 3, "{} reports", sound.rtcp.len());
    assert_eq!(w[c].track(1).frames(), every(0, 25, 61)[..w[c].track(1).rtp.len()]);
}

#[test]
fn after_fast_forward_sound_and_picture_go_on_together() {
    for pause in [true, false] {
        let mut w = world();
        let c = viewer(&mut w, false);
        play(&mut w, c, &[("Scale", "4.0")]);
        w.run_secs(1.1);
        assert_eq!(w[c].track(1).frames(), every(0, 25, 5));
        let before = w[c].track(1).rtp[4].timestamp;
        if pause {
            // The picture that is seen.
            assert_eq!(range(&w.pause(c, "/film")).0, secs(4.0));
            w.run_secs(5.0);
        }
        let answer = if pause {
            play_and_check_info(&mut w, c, "/film", "")
        } else {
            let answer = play(&mut w, c, &[("Scale", "1.0")]);
            assert_eq!(answer.header("Scale"), "1.0");
            w.run_secs(1.0);
            answer
        };
        assert_eq!(range(&answer).0, secs(4.0));
        let (video, sound) = (w[c].track(1), w[c].track(2));
        assert_eq!(video.frames()[..5], [100, 101, 102, 103, 104]);
        assert_eq!(sound.frames()[..5], [200, 201, 202, 203, 204]);
        assert_spaced(&video.rtp, 3600, 0.04);
        for (entry, (track, each, clock)) in
            answer.rtp_info().entries.iter().zip([(video, 0.04, 90_000.0), (sound, 0.02, 8_000.0)])
        {
            assert_eq!(entry.seq, Some(track.rtp[0].sequence));
            assert_rtptime(&answer, entry.rtptime.unwrap(), &track.rtp[0], each, clock);
        }
        let onwards = video.rtp[0].timestamp.wrapping_sub(before) as i32;
        assert!(onwards > 0, "RTP time goes on: {onwards}");
        w.expect_nothing_left();
    }
}

#[test]
fn a_pause_keeps_the_scale_only_if_it_is_asked_for_again() {
    let mut w = world();
    let c = viewer(&mut w, true);
    play(&mut w, c, &[("Scale", "4.0")]);
    w.run_secs(1.1);
    w.pause(c, "/film");
    w.run_secs(3.0);
    let answer = play(&mut w, c, &[("Scale", "4.0")]);
    assert_eq!((answer.header("Scale"), range(&answer).0), ("4.0", secs(4.0)));
    w.run_secs(0.7);
    assert_eq!(w[c].track(1).frames(), every(125, 25, 3));
    assert_spaced(&w[c].track(1).rtp, 22_500, 0.25);
    // Another one, from where it is.
    let answer = play(&mut w, c, &[("Scale", "-2")]);
    assert_eq!(range(&answer), (secs(7.0), Some(secs(0.0))));
    w.run_secs(1.2);
    assert_eq!(w[c].track(1).frames(), every(175, -25, 3));
}

#[test]
fn backwards_the_key_frames_come_from_the_start_of_the_range_to_its_end() {
    for (asked, from, end) in [
        ("npt=8-", 8.0, 0.0),
        ("npt=8-0", 8.0, 0.0),
        ("npt=8.5-5", 8.0, 5.0),
        ("npt=5-8.5", 8.0, 5.0),
        ("npt=10-", 9.0, 0.0),
        ("npt=0-", 9.0, 0.0),
        ("", 9.0, 0.0),
    ] {
        let mut w = world();
        let c = viewer(&mut w, false);
        let headers = [("Scale", "-2.0"), ("Range", asked)];
        let answer = play(&mut w, c, &headers[..if asked.is_empty() { 1 } else { 2 }]);
        assert_eq!(answer.header("Scale"), "-2.0");
        assert_eq!(range(&answer), (secs(from), Some(secs(end))), "{asked}");
        w.run_secs(6.0);
        assert_info_is_first(&w, c, &answer);
        let count = (from - end) as usize + 1;
        assert_eq!(w[c].track(1).frames(), every(from as u32 * 25, -25, count), "{asked}");
        assert_spaced(&w[c].track(1).rtp, 45_000, 0.5);
        // What ends at the beginning is told; the end that the client named is known to it.
        let byes = usize::from(end == 0.0);
        assert_eq!((w[c].track(1).byes(), w[c].track(2).byes()), (byes, byes), "{asked}");
        assert!(w[c].track(2).rtp.is_empty());
        w.expect_nothing_left();
    }
}

#[test]
fn ranges_that_cannot_be_played_backwards_are_refused_and_change_nothing() {
    let mut w = world();
    let c = viewer(&mut w, false);
    play(&mut w, c, &[("Range", "npt=4-")]);
    w.run_secs(1.0);
    for (scale, range) in [("-2", "npt=11-"), ("-2", "npt=-9"), ("4", "npt=5-4"), ("4", "npt=10-")]
    {
        w.request(c, "PLAY", "/film", &[("Scale", scale), ("Range", range)]).expect(457);
        w.run_secs(0.2);
    }
    for (header, value) in [("Scale", "fast"), ("Speed", "-1"), ("Speed", "0"), ("Speed", "x")] {
        w.request(c, "PLAY", "/film", &[(header, value)]).expect(400);
    }
    w.run_secs(0.5);
    let frames = w[c].track(1).frames();
    assert_eq!(frames, every(100, 1, frames.len()));
    assert_spaced(&w[c].track(1).rtp, 3600, 0.04);
    assert!(w[c].track(2).frames().len() > 100);
}

#[test]
fn a_pause_point_stops_either_way() {
    let mut w = world();
    let c = viewer(&mut w, false);
    play(&mut w, c, &[("Scale", "4")]);
    w.run_secs(0.1);
    w.request(c, "PAUSE", "/film", &[("Range", "npt=3.5")]).expect(200);
    w.run_secs(3.0);
    assert_eq!(w[c].track(1).frames(), every(0, 25, 4));
    play(&mut w, c, &[("Scale", "-4"), ("Range", "npt=9-")]);
    w.run_secs(0.1);
    w.request(c, "PAUSE", "/film", &[("Range", "npt=9.5")]).expect(457);
    w.request(c, "PAUSE", "/film", &[("Range", "npt=6.5")]).expect(200);
    w.run_secs(3.0);
    assert_eq!(w[c].track(1).frames(), every(225, -25, 3));
    assert_eq!(w[c].track(1).byes() + w[c].track(2).byes(), 0);
}

#[test]
fn slow_motion_stretches_the_time_of_every_frame() {
    let mut w = world();
    let c = viewer(&mut w, false);
    let answer = play(&mut w, c, &[("Scale", "0.5"), ("Range", "npt=1-3")]);
    assert_eq!(answer.header("Scale"), "0.5");
    w.run_secs(5.0);
    assert_info_is_first(&w, c, &answer);
    assert_eq!(w[c].track(1).frames(), every(25, 1, 50));
    assert_spaced(&w[c].track(1).rtp, 7200, 0.08);
    assert!(w[c].track(2).rtp.is_empty());
    w.request(c, "PLAY", "/film", &[("Scale", "0.5"), ("Range", "npt=1-")]).expect(200);
    w.run_secs(1.0);
    let at = range(&w.pause(c, "/film")).0;
    assert!(at.abs_diff(secs(1.5)) < secs(0.1), "{at:?}");
}

#[test]
fn a_speed_sends_the_same_sooner() {
    let mut w = world();
    let c = viewer(&mut w, false);
    let answer = play(&mut w, c, &[("Speed", "2.0"), ("Range", "npt=1-")]);
    assert_eq!((answer.header("Speed"), answer.value("Scale")), ("2.0", None));
    w.run_secs(2.0);
    assert_info_is_first(&w, c, &answer);
    let (video, sound) = (w[c].track(1), w[c].track(2));
    assert_spaced(&video.rtp, 3600, 0.02);
    assert_eq!(video.frames(), every(25, 1, video.rtp.len()));
    assert!((99..=102).contains(&video.rtp.len()) && (198..=203).contains(&sound.rtp.len()));
    // Reports tell the same of what is presented at that moment.
    for (track, rate) in [(video, 90_000.0), (sound, 8_000.0)] {
        let report = track.rtcp.first().expect("a report");
        let near = track.rtp.iter().rfind(|p| p.at <= report.at).expect("a packet");
        let off = report.info.unwrap().rtp_timestamp.wrapping_sub(near.timestamp) as i32;
        assert!((f64::from(off) / rate).abs() < 0.1, "{off} units");
    }
    // At normal speed RTP time goes on from there.
    let last = video.rtp.last().unwrap().timestamp;
    assert!(range(&w.pause(c, "/film")).0.abs_diff(secs(5.0)) < secs(0.1));
    let answer = play_and_check_info(&mut w, c, "/film", "");
    assert!(range(&answer).0.abs_diff(secs(5.0)) < secs(0.1));
    let onwards = w[c].track(1).rtp[0].timestamp.wrapping_sub(last) as i32;
    assert!((3600..90_000).contains(&onwards), "{onwards}");
    // Faster and slower while it plays, without a break.
    for (speed, step) in [("4", 0.01), ("0.5", 0.08), ("1.0", 0.04)] {
        let at = w[c].track(1).frames().last().unwrap() + 1;
        w[c].forget_media();
        w.request(c, "PLAY", "/film", &[("Speed", speed)]).expect(200);
        w.run_secs(0.7);
        let frames = w[c].track(1).frames();
        assert_eq!(frames, every(at, 1, frames.len()), "{speed}");
        // Some may have been on their way before it was asked for.
        assert_spaced(&w[c].track(1).rtp[3..], 3600, step);
    }
    w.expect_nothing_left();
}

#[test]
fn scale_and_speed_may_be_both() {
    let mut w = world();
    let c = viewer(&mut w, false);
    let answer = play(&mut w, c, &[("Scale", "-1"), ("Speed", "2"), ("Range", "npt=4.2-0")]);
    assert_eq!((answer.header("Scale"), answer.header("Speed")), ("-1.0", "2.0"));
    w.run_secs(4.0);
    assert_eq!(w[c].track(1).frames(), every(100, -25, 5));
    assert_spaced(&w[c].track(1).rtp, 90_000, 0.5);
}

#[test]
fn what_cannot_be_is_answered_with_what_is_nearest() {
    let mut w = world();
    for (path, scale, used) in [
        ("/film", "100", "32.0"),
        ("/film", "-99", "-32.0"),
        ("/film", "1.2", "1.0"),
        ("/film", "0", "1.0"),
        ("/film", "-0.1", "-1.0"),
        ("/shared", "4", "1.0"),
        ("/camera", "4", "1.0"),
        ("/camera", "-1", "1.0"),
    ] {
        let c = w.client();
        w.setup_udp(c, path, 1);
        let answer = w.request(c, "PLAY", path, &[("Scale", scale)]).expect(200);
        assert_eq!(answer.header("Scale"), used, "{path} {scale}");
        w.run_secs(0.2);
        assert!(!w[c].track(1).rtp.is_empty(), "{path} {scale}");
    }
    for (path, speed, used) in
        [("/film", "1000", "16.0"), ("/film", "0.001", "0.0625"), ("/shared", "2", "1.0")]
    {
        let c = w.client();
        w.setup_udp(c, path, 1);
        let answer = w.request(c, "PLAY", path, &[("Speed", speed)]).expect(200);
        assert_eq!(answer.header("Speed"), used, "{path} {speed}");
    }
    // Sound alone is played as it is, forwards, to its end.
    let c = w.client();
    w.setup_udp(c, "/film", 2);
    let headers = [("Scale", "-2"), ("Range", "npt=8-2")];
    let answer = w.request(c, "PLAY", "/film", &headers).expect(200);
    assert_eq!((answer.header("Scale"), range(&answer)), ("1.0", (secs(8.0), Some(secs(10.0)))));
    w.run_secs(1.0);
    assert_eq!(w[c].track(2).frames()[..2], [400, 401]);
}

#[test]
fn a_repeating_film_is_fast_over_its_end() {
    let mut w = World::new();
    w.add(
        session("film")
            .with_subsession(TestTrack::video().repeating().alone())
            .with_subsession(TestTrack::audio().repeating().alone()),
    );
    let c = viewer(&mut w, false);
    play(&mut w, c, &[("Scale", "4")]);
    w.run_secs(4.6);
    let frames = w[c].track(1).frames();
    assert_eq!(frames[..10], every(0, 25, 10));
    assert_eq!(frames[10..18], every(0, 25, 8));
    assert_spaced(&w[c].track(1).rtp, 22_500, 0.25);
    assert!(w[c].track(2).rtp.is_empty());
    assert_eq!(w[c].track(2).byes(), 0);
}
