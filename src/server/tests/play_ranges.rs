//! Which range is played and what is said of it: tracks of unlike lengths, presentation times,
//! ranges that are cut to what there is, and pause points.

use super::client::Answer;
use super::media::{TestTrack, film, session};
use super::play::{assert_continuous, assert_rtptime, play_and_check_info, range};
use super::world::{C, World, secs};
use crate::server::FastStart;

/// 20 s of sound and 40 s of video, each a file of its own.
fn unlike() -> World {
    let mut w = World::new();
    w.add(
        session("unlike")
            .with_subsession(TestTrack::audio().frames(1000).alone())
            .with_subsession(TestTrack::video().frames(1000).alone()),
    );
    w
}

#[track_caller]
fn rtptime(answer: &Answer, entry: usize) -> u32 {
    answer.rtp_info().entries[entry].rtptime.expect("rtptime")
}

#[test]
fn behind_the_end_of_the_short_track_the_long_one_plays() {
    for tcp in [false, true] {
        let mut w = unlike();
        let c = w.client();
        w.setup_over(c, "/unlike", 1, tcp);
        w.setup_over(c, "/unlike", 2, tcp);
        for played in [false, true] {
            w[c].forget_media();
            let answer = w.play_range(c, "/unlike", "npt=30-").expect(200);
            assert_eq!(range(&answer), (secs(30.0), Some(secs(40.0))), "played: {played}");
            w.run_secs(1.0);
            assert!(w[c].track(2).frames().starts_with(&[750, 751, 752]));
            let info = answer.rtp_info();
            assert_eq!(info.entries.len(), 2);
            assert!(info.entries[0].seq.is_some() && info.entries[0].rtptime.is_some());
            assert_rtptime(&answer, rtptime(&answer, 1), &w[c].track(2).rtp[0], 0.04, 90_000.0);
            assert!(w[c].track(1).rtp.is_empty(), "nothing is left of the short one");
            assert_eq!(w[c].track(1).byes(), 1, "which is told");
        }
        // Back to where both play.
        w[c].forget_media();
        let answer = w.play_range(c, "/unlike", "npt=5-").expect(200);
        w.run_secs(1.0);
        assert_eq!(range(&answer), (secs(5.0), Some(secs(40.0))));
        assert_eq!(w[c].track(1).frames()[0], 250);
        assert_eq!(w[c].track(2).frames()[0], 125);
        w.expect_nothing_left();
    }
}

#[test]
fn behind_the_end_of_all_that_was_set_up_nothing_plays() {
    let mut w = unlike();
    let c = w.client();
    w.setup_udp(c, "/unlike", 1);
    w.play_range(c, "/unlike", "npt=30-").expect(457);
    w.play_range(c, "/unlike", "npt=19-").expect(200);
}

#[test]
fn a_play_that_is_refused_moves_no_track() {
    for (first, tcp) in [(false, false), (true, true)] {
        let mut w = World::new();
        let stiff = || TestTrack::audio().not_seekable().alone();
        let x = session("x");
        let x = if first { x.with_subsession(stiff()) } else { x };
        let x = x.with_subsession(TestTrack::video().alone());
        let x = if first { x } else { x.with_subsession(stiff()) };
        w.add(x);
        let c = w.playing("/x", 2, tcp);
        w.run_secs(1.0);
        w.play_range(c, "/x", "npt=5-").expect(457);
        w.play_range(c, "/x", "npt=5-4").expect(457);
        w.play_range(c, "/x", "furlongs=5-").expect(501);
        w.run_secs(8.0);
        for track in [1, 2] {
            let frames = w[c].track(track).frames();
            assert_eq!(frames, (0..frames.len() as u32).collect::<Vec<_>>(), "track {track}");
            assert!(frames.len() > 200);
            assert_continuous(&w[c].track(track).rtp);
        }
        w.expect_nothing_left();
    }
}

#[test]
fn a_track_that_cannot_follow_the_others_ends() {
    let mut w = World::new();
    w.add(
        session("x")
            .with_subsession(TestTrack::video().alone())
            .with_subsession(TestTrack::audio().broken().alone()),
    );
    w.add(session("y").with_subsession(TestTrack::audio().broken().alone()));
    let c = w.playing("/x", 2, false);
    w.run_secs(1.0);
    w[c].forget_media();
    w.play_range(c, "/x", "npt=5-").expect(200);
    w.run_secs(1.0);
    assert_eq!(w[c].track(1).frames()[0], 125);
    assert_eq!(w[c].track(2).byes(), 1);
    // Where nothing has moved yet it is refused.
    let c = w.playing("/y", 1, true);
    w.run_secs(1.0);
    w.play_range(c, "/y", "npt=5-").expect(500);
    w.run_secs(1.0);
    assert_continuous(&w[c].track(1).rtp);
    assert!(w[c].track(1).frames().len() > 95);
    w.expect_nothing_left();
}

#[test]
fn the_range_is_what_will_be_played() {
    let mut w = World::new();
    w.add(film("film"));
    w.add(session("shared").with_subsession(TestTrack::video().shared()));
    let c = w.client();
    w.setup_udp(c, "/film", 1);
    for (asked, end) in [("npt=0-99999", 10.0), ("npt=2-10.001", 10.0), ("npt=2-9.5", 9.5)] {
        let answer = w.play_range(c, "/film", asked).expect(200);
        assert_eq!(range(&answer).1, Some(secs(end)), "{asked}");
    }
    let c = w.client();
    w.setup_udp(c, "/shared", 1);
    let answer = w.play_range(c, "/shared", "npt=0-3").expect(200);
    assert_eq!(range(&answer).1, Some(secs(10.0)), "nobody stops what others watch");
}

#[test]
fn the_range_starts_with_a_presentation_time() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(session("b").with_subsession(TestTrack::video().reordered().alone()));
        let c = w.client();
        w.setup_over(c, "/b", 1, tcp);
        for from in [0.0, 5.0, 7.0] {
            w[c].forget_media();
            let answer = w.play_range(c, "/b", &format!("npt={from}-")).expect(200);
            assert_eq!(range(&answer).0, secs(from));
            w.run_secs(1.0);
            let first = w[c].track(1).rtp[0];
            assert_eq!(rtptime(&answer, 0), first.timestamp, "the key frame");
            // In the middle of it, none of those that follow is presented before.
            w.pause(c, "/b");
            w[c].forget_media();
            let answer = w.play(c, "/b");
            w.run_secs(1.0);
            let at = rtptime(&answer, 0);
            assert!(w[c].track(1).rtp.iter().all(|p| p.timestamp.wrapping_sub(at) < 1 << 31));
        }
        w.expect_nothing_left();
    }
}

#[test]
fn rtptime_is_that_of_the_start_also_of_a_track_that_begins_later() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(
            session("late")
                .with_subsession(TestTrack::video().alone())
                .with_subsession(TestTrack::audio().late_ms(1000).alone()),
        );
        let c = w.client();
        w.setup_over(c, "/late", 1, tcp);
        w.setup_over(c, "/late", 2, tcp);
        let answer = w.play(c, "/late");
        w.run_secs(2.0);
        assert_eq!(range(&answer).0, secs(0.0));
        let (video, sound) = (w[c].track(1).rtp[0], w[c].track(2).rtp[0]);
        assert_eq!(rtptime(&answer, 0), video.timestamp);
        assert_eq!(sound.timestamp.wrapping_sub(rtptime(&answer, 1)), 8000);
        w.expect_nothing_left();
    }
}

#[test]
fn ranges_in_time_codes_are_answered_in_time_codes() {
    let mut w = World::new();
    w.add(film("film"));
    let c = w.client();
    w.setup_udp(c, "/film", 1);
    let answer = w.play_range(c, "/film", "smpte-25=0:00:02:00-0:00:04:12").expect(200);
    assert_eq!(answer.header("Range"), "smpte-25=00:00:02-00:00:04:12");
    w.run_secs(1.0);
    let answer = w.request(c, "PAUSE", "/film", &[("Range", "smpte-25=0:00:03:05")]).expect(200);
    assert_eq!(answer.header("Range"), "smpte-25=00:00:03:05-");
    let answer = w.play_range(c, "/film", "smpte-30-drop=0:00:04:00-").expect(200);
    // The key frame at 4 s.
    assert_eq!(answer.header("Range"), "smpte-30-drop=00:00:03:29.88-00:00:09:29.70");
    w.play_range(c, "/film", "parsec=0-").expect(501);
}

fn pause_at(w: &mut World, c: C, path: &str, point: &str) -> Answer {
    w.request(c, "PAUSE", path, &[("Range", point)])
}

#[test]
fn a_pause_point_to_come_stops_all_tracks_there() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(film("film"));
        let c = w.playing("/film", 2, tcp);
        w.run_secs(1.0);
        let answer = pause_at(&mut w, c, "/film", "npt=3").expect(200);
        assert_eq!(range(&answer).0, secs(3.0));
        w.run_secs(5.0);
        assert_eq!(w[c].track(1).frames(), (0..75).collect::<Vec<_>>());
        assert_eq!(w[c].track(2).frames(), (0..150).collect::<Vec<_>>());
        assert_eq!(w[c].track(1).byes(), 0);
        let answer = play_and_check_info(&mut w, c, "/film", "");
        assert_eq!(range(&answer).0, secs(3.0));
        assert_eq!((w[c].track(1).frames()[0], w[c].track(2).frames()[0]), (75, 150));
        // A PLAY in between takes it back.
        pause_at(&mut w, c, "/film", "npt=6-").expect(200);
        w.play(c, "/film");
        w.run_secs(7.0);
        assert_eq!(w[c].track(1).frames().last(), Some(&249));
        w.expect_nothing_left();
    }
}

#[test]
fn a_pause_point_that_has_gone_by_stops_at_once_and_is_gone_on_from() {
    let mut w = World::new();
    w.add(film("film"));
    let c = w.playing("/film", 2, true);
    w.run_secs(4.5);
    let answer = pause_at(&mut w, c, "/film", "npt=2-").expect(200);
    assert_eq!(range(&answer).0, secs(2.0));
    w.run_secs(0.1);
    w[c].forget_media();
    w.run_secs(2.0);
    assert!(w[c].track(1).rtp.is_empty());
    let answer = play_and_check_info(&mut w, c, "/film", "");
    assert_eq!(range(&answer).0, secs(2.0));
    assert_eq!(w[c].track(1).frames()[0], 50);
}

#[test]
fn a_pause_point_outside_what_is_played_is_refused() {
    let mut w = World::new();
    w.add(film("film"));
    w.add(session("shared").with_subsession(TestTrack::video().shared()));
    let c = w.client();
    w.setup_udp(c, "/film", 1);
    w.play_range(c, "/film", "npt=2-5").expect(200);
    w.run_secs(1.0);
    for (point, status) in [
        ("npt=1", 457),
        ("npt=5.1", 457),
        ("npt=11", 457),
        ("clock=19961108T142300Z", 457),
        ("npt=3-4", 400),
        ("npt=", 400),
        ("parsecs=1", 501),
    ] {
        pause_at(&mut w, c, "/film", point).expect(status);
    }
    w.run_secs(1.0);
    assert!(w[c].track(1).frames().len() >= 49, "it plays on");
    pause_at(&mut w, c, "/film", "npt=now-").expect(200);
    pause_at(&mut w, c, "/film", "npt=3").expect(457);
    let other = w.playing("/shared", 1, false);
    w.run_secs(1.0);
    pause_at(&mut w, other, "/shared", "npt=3").expect(457);
    w.pause(other, "/shared");
}

#[test]
fn rtp_info_is_left_out_where_nothing_is_known_of_a_track() {
    let mut w = World::new();
    let track = TestTrack::video().shared().with_fast_start(FastStart::WaitForKeyFrame);
    w.add(session("wait").with_subsession(track));
    w.playing("/wait", 1, false);
    w.run_secs(1.5);
    let c = w.playing("/wait", 1, true);
    let answer = w.play(c, "/wait");
    let info = answer.header("RTP-Info");
    assert!(info.contains(";rtptime=") || info.contains(";seq="), "1*parameter: {info}");
}
