//! PLAY, PAUSE and TEARDOWN: what is sent, when, and what RTP-Info and sender reports say of it.

use super::client::{Answer, Rtp};
use super::media::{TestTrack, camera, film, session};
use super::world::{C, World, secs};
use crate::wire::rtsp::RangeHeader;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A film with AAC, whose frames share packets.
fn world() -> World {
    let mut w = World::new();
    w.add(film("film"));
    w.add(
        session("aac")
            .with_subsession(TestTrack::video().alone())
            .with_subsession(TestTrack::aac().alone()),
    );
    w.add(
        session("shared")
            .with_subsession(TestTrack::video().shared())
            .with_subsession(TestTrack::aac().shared()),
    );
    w
}

/// Where the answer to PLAY or PAUSE says that it starts and ends.
#[track_caller]
pub(super) fn range(answer: &Answer) -> (Duration, Option<Duration>) {
    let header: RangeHeader = answer.header("Range").parse().unwrap();
    let (start, end) = header.range.as_npt().unwrap();
    (start.unwrap(), end)
}

/// Checks an `rtptime` of RTP-Info: it is as far from the first packet as the start of the range is
/// from the frame in it.
#[track_caller]
pub(super) fn assert_rtptime(answer: &Answer, rtptime: u32, first: &Rtp, each: f64, clock: f64) {
    let (number, _) = first.frame.expect("a frame begins in the first packet");
    let expected = (f64::from(number) * each - range(answer).0.as_secs_f64()) * clock;
    let units = f64::from(first.timestamp.wrapping_sub(rtptime) as i32);
    assert!((units - expected).abs() <= 1.5, "{units} units, {expected} expected: {answer:?}");
}

/// Forgets what came before, plays, and checks that RTP-Info names the first packet that follows
/// and the timestamp of the range's start.
#[track_caller]
pub(super) fn play_and_check_info(w: &mut World, c: C, path: &str, range: &str) -> Answer {
    w.run_secs(0.2);
    w[c].forget_media();
    let answer = w.play_range(c, path, range).expect(200);
    w.run_secs(1.0);
    let info = answer.rtp_info();
    assert_eq!(info.entries.len(), w[c].tracks.len());
    for entry in &info.entries {
        let number: usize = entry.url.rsplit_once("track").unwrap().1.parse().unwrap();
        assert_eq!(entry.url, format!("rtsp://10.0.0.1{path}/track{number}"));
        let track = w[c].track(number);
        let first = track.rtp.first().unwrap_or_else(|| panic!("media of track {number}"));
        assert_eq!(entry.seq, Some(first.sequence), "seq of track {number}");
        let (each, clock) = match (number, path) {
            (1, _) if w[c].tracks.len() > 1 || path == "/film" => (0.04, 90_000.0),
            (_, "/film") => (0.02, 8_000.0),
            _ => (0.032, 32_000.0),
        };
        let rtptime = entry.rtptime.expect("rtptime");
        assert_rtptime(&answer, rtptime, first, each, clock);
        assert_continuous(&track.rtp);
    }
    answer
}

#[track_caller]
pub(super) fn assert_continuous(packets: &[Rtp]) {
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "sequence numbers");
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
    }
}

#[test]
fn rtp_info_names_the_first_packet_that_follows() {
    for (path, tcp) in [("/film", false), ("/film", true), ("/aac", false), ("/aac", true)] {
        let mut w = world();
        let c = w.client();
        w.setup_over(c, path, 1, tcp);
        w.setup_over(c, path, 2, tcp);
        let answer = play_and_check_info(&mut w, c, path, "");
        assert_eq!(range(&answer).0, Duration::ZERO);
        w.pause(c, path);
        play_and_check_info(&mut w, c, path, "");
        w.run_secs(0.33);
        w.pause(c, path);
        play_and_check_info(&mut w, c, path, "npt=now-");
        // Seeking while playing, to a key frame and behind one, and back.
        let answer = play_and_check_info(&mut w, c, path, "npt=5-");
        assert!(range(&answer).0.abs_diff(secs(5.0)) < secs(0.032));
        let answer = play_and_check_info(&mut w, c, path, "npt=7.5-");
        assert!(range(&answer).0 <= secs(7.5));
        play_and_check_info(&mut w, c, path, "npt=0-");
        w.teardown(c, path);
        w.expect_nothing_left();
    }
}

#[test]
fn rtp_info_is_about_tracks_that_were_set_up() {
    let mut w = world();
    let c = w.client();
    w.setup_udp(c, "/film", 2);
    let answer = play_and_check_info(&mut w, c, "/film", "");
    assert_eq!(answer.rtp_info().entries.len(), 1);
}

#[test]
fn rtp_info_is_right_for_newcomers_to_a_shared_stream() {
    for tcp in [false, true] {
        let mut w = world();
        let first = w.client();
        w.setup_over(first, "/shared", 1, tcp);
        w.setup_over(first, "/shared", 2, tcp);
        play_and_check_info(&mut w, first, "/shared", "");
        for wait in [0.013, 0.2, 0.47] {
            w.run_secs(wait);
            let late = w.client();
            w.setup_over(late, "/shared", 1, tcp);
            w.setup_over(late, "/shared", 2, !tcp);
            w.run_secs(0.3);
            assert!(w[late].track(1).rtp.is_empty(), "no media before PLAY");
            play_and_check_info(&mut w, late, "/shared", "npt=0-");
        }
        for track in [1, 2] {
            assert_continuous(&w[first].track(track).rtp);
            assert_eq!(w[first].track(1).rtp[0].ssrc, w[C(1)].track(1).rtp[0].ssrc, "one stream");
        }
        w.expect_nothing_left();
    }
}

#[test]
fn media_come_after_the_answer_and_at_their_pace() {
    for tcp in [false, true] {
        let mut w = world();
        let c = w.client();
        w.setup_over(c, "/film", 1, tcp);
        w.setup_over(c, "/film", 2, tcp);
        w.run_secs(1.0);
        assert!(w[c].track(1).rtp.is_empty() && w[c].track(1).rtcp.is_empty());
        w.play(c, "/film");
        assert!(w[c].track(1).rtp.len() <= 1, "answers go first");
        let start = w.now();
        w.run_secs(5.0);
        for (track, each) in [(1, 0.04), (2, 0.02)] {
            for (i, packet) in w[c].track(track).rtp.iter().enumerate() {
                let due = start + secs(i as f64 * each);
                let off = packet.at.max(due) - packet.at.min(due);
                assert!(off < secs(0.012), "packet {i} of track {track} is off by {off:?}");
            }
        }
        let stamps: Vec<_> = w[c].track(1).rtp.iter().map(|p| p.timestamp).collect();
        assert!(stamps.windows(2).all(|s| s[1].wrapping_sub(s[0]) == 3600));
        assert!(w[c].track(1).rtp.iter().all(|p| p.marker));
    }
}

#[test]
fn sender_reports_relate_media_and_wall_clock() {
    let mut w = world();
    let c = w.playing("/film", 2, false);
    let wall = w.env.wall_clock();
    w.env.jump_wall_clock(-100_000);
    w.run_secs(10.0);
    let mut cnames = Vec::new();
    for (number, rate) in [(1, 90_000.0), (2, 8_000.0)] {
        let track = w[c].track(number);
        assert!(track.rtcp.len() >= 2, "one at the start and one each 5 s or so");
        let first = (track.rtp[0].at, track.rtcp[0].at, track.rtcp[0].info.unwrap().packet_count);
        assert!(first.1 <= first.0 + secs(0.01), "the first comes at once");
        assert!(first.1 >= first.0 && first.2 >= 1, "but not before the first packet: {first:?}");
        for report in &track.rtcp {
            assert_eq!(report.ssrc, track.rtp[0].ssrc);
            let info = report.info.expect("a sender report");
            let packet = track.rtp.iter().min_by_key(|p| p.at.max(report.at) - p.at.min(report.at));
            let packet = packet.unwrap();
            let since = info.rtp_timestamp.wrapping_sub(packet.timestamp) as i32;
            assert!((f64::from(since) / rate).abs() < 0.1, "{since} units from its neighbour");
            cnames.push(report.cname.clone().expect("a CNAME"));
        }
        let sent = track.rtp.iter().filter(|p| p.at < track.rtcp[1].at).count() as u32;
        let told = track.rtcp[1].info.unwrap().packet_count;
        assert!(told.abs_diff(sent) <= 2, "{told} packets are said to be sent, {sent} came");
    }
    assert!(cnames.windows(2).all(|n| n[0] == n[1]), "the tracks belong together: {cnames:?}");
    assert!(wall > Duration::ZERO);
}

#[test]
fn a_pause_stops_and_play_goes_on_where_it_stood() {
    for (path, tcp) in [("/film", false), ("/film", true), ("/aac", true)] {
        let mut w = world();
        let c = w.playing(path, 2, tcp);
        let mut last = Duration::ZERO;
        for wait in [1.0, 0.51, 0.037, 1.1] {
            w.run_secs(wait);
            let at = range(&w.pause(c, path)).0;
            assert!(at > last, "the position is told: {at:?}");
            last = at;
            w.run_secs(0.1);
            let before = w[c].packets + w[c].track(1).rtp.len();
            w.run_secs(20.0);
            let reports = w[c].tracks.iter().map(|t| t.rtcp.len()).sum::<usize>();
            let after = w[c].packets + w[c].track(1).rtp.len();
            assert!(after <= before + reports, "nothing comes while it pauses");
            let play = w.play(c, path);
            let again = range(&play).0;
            assert!(again.abs_diff(at) <= secs(0.2), "{again:?}, paused at {at:?}");
        }
        w.run_secs(1.0);
        for track in [1, 2] {
            assert_continuous(&w[c].track(track).rtp);
        }
        let frames = w[c].track(1).frames();
        assert_eq!(frames, (0..frames.len() as u32).collect::<Vec<_>>(), "no frame is lost");
        if path == "/film" {
            let frames = w[c].track(2).frames();
            assert_eq!(frames, (0..frames.len() as u32).collect::<Vec<_>>());
        }
        w.expect_nothing_left();
    }
}

#[test]
fn frames_that_wait_for_company_are_not_lost_by_a_pause() {
    let mut w = World::new();
    w.add(session("aac").with_subsession(TestTrack::aac().alone()));
    let c = w.playing("/aac", 1, true);
    for wait in [0.5, 0.213, 0.05, 0.47, 0.301] {
        w.run_secs(wait);
        w.pause(c, "/aac");
        play_and_check_info(&mut w, c, "/aac", "");
    }
    w.run_secs(15.0);
    let report = w[c].track(1).rtcp.iter().rfind(|r| r.info.is_some()).unwrap();
    let octets = report.info.unwrap().octet_count;
    // 320 access units of 100 bytes, each with a header of two, and two bytes for each packet.
    let packets = report.info.unwrap().packet_count;
    assert_eq!(octets, 320 * 102 + packets * 2);
}

#[test]
fn playing_ends_with_bye_when_the_source_ends() {
    for tcp in [false, true] {
        let mut w = world();
        let c = w.playing("/film", 2, tcp);
        w.run_secs(9.5);
        assert_eq!(w[c].track(1).byes() + w[c].track(2).byes(), 0);
        w.run_secs(1.5);
        for (track, frames) in [(1, 250), (2, 500)] {
            let track = w[c].track(track);
            assert_eq!(track.frames(), (0..frames).collect::<Vec<_>>());
            assert_eq!(track.byes(), 1);
            assert!(track.rtcp.last().unwrap().bye);
        }
        // The session stays, and may be played again from the start.
        assert_eq!(w.census().0, 1);
        let answer = play_and_check_info(&mut w, c, "/film", "");
        assert_eq!(range(&answer).0, Duration::ZERO);
        assert_eq!(w[c].track(1).frames()[0], 0);
        w.run_secs(10.0);
        assert_eq!(w[c].track(1).byes(), 1);
        w.teardown(c, "/film");
        w.expect_nothing_left();
    }
}

#[test]
fn playing_ends_in_silence_at_the_end_that_the_client_named() {
    let mut w = world();
    let c = w.client();
    w.setup_udp(c, "/film", 1);
    w.setup_tcp(c, "/film", 2);
    let answer = play_and_check_info(&mut w, c, "/film", "npt=2-3.5");
    assert_eq!(range(&answer), (secs(2.0), Some(secs(3.5))));
    w.run_secs(3.0);
    assert_eq!(w[c].track(1).frames(), (50..88).collect::<Vec<_>>());
    assert_eq!(w[c].track(2).frames(), (100..175).collect::<Vec<_>>());
    assert_eq!((w[c].track(1).byes(), w[c].track(2).byes()), (0, 0));
    // Another range may follow; the end of the last does not hold any more.
    play_and_check_info(&mut w, c, "/film", "npt=8-");
    w.run_secs(3.0);
    assert_eq!(w[c].track(1).frames(), (200..250).collect::<Vec<_>>());
    let answer = w.play_range(c, "/film", "npt=-1").expect(200);
    assert_eq!(range(&answer).0, Duration::ZERO);
    w.expect_nothing_left();
}

#[test]
fn ranges_may_be_written_in_several_ways() {
    let mut w = world();
    let c = w.client();
    w.setup_udp(c, "/film", 1);
    w.setup_udp(c, "/film", 2);
    for (asked, start) in [
        ("npt=4-", 4.0),
        ("npt=0:00:05-", 5.0),
        ("npt=6.000-9", 6.0),
        ("smpte=00:00:03:01-", 3.0),
        ("smpte-25=0:00:02:00-0:00:04:00", 2.0),
        ("npt=1-;time=19970123T143720Z", 1.0),
    ] {
        let answer = play_and_check_info(&mut w, c, "/film", asked);
        assert!(range(&answer).0.abs_diff(secs(start)) < secs(0.0002), "{asked}");
        let unit = |text: &str| text.split('=').next().unwrap().to_owned();
        assert_eq!(unit(answer.header("Range")), unit(asked));
        assert_eq!(w[c].track(1).frames()[0], (start * 25.0) as u32, "{asked}");
    }
    w.expect_nothing_left();
}

#[test]
fn ranges_that_cannot_be_are_answered_457_and_change_nothing() {
    let mut w = world();
    w.add(session("stiff").with_subsession(TestTrack::video().not_seekable().alone()));
    w.add(camera("camera"));
    for (path, bad, status) in [
        ("/film", "npt=11-", 457),
        ("/film", "npt=10-", 457),
        ("/film", "npt=5-4", 457),
        ("/film", "clock=19961108T142300Z-19961108T143520Z", 457),
        ("/film", "smpte=0:10:00-", 457),
        // RFC 2326 section 12.29.
        ("/film", "furlongs=1-2", 501),
        ("/stiff", "npt=5-", 457),
        ("/camera", "npt=5-", 457),
    ] {
        let c = w.client();
        w.setup_udp(c, path, 1);
        w.play_range(c, path, bad).expect(status);
        w.run_secs(0.5);
        assert!(w[c].track(1).rtp.is_empty(), "{path} {bad}");
        w.play(c, path);
        w.run_secs(1.0);
        w.play_range(c, path, bad).expect(status);
        let before = w[c].track(1).rtp.len();
        w.run_secs(1.0);
        let after = w[c].track(1).rtp.len();
        assert!(before >= 24 && after >= before + 24, "{path} {bad}: {before}, {after}");
        assert_continuous(&w[c].track(1).rtp);
    }
    w.expect_nothing_left();
}

#[test]
fn a_range_behind_the_end_of_one_track_plays_the_other() {
    let mut w = World::new();
    w.add(
        session("x")
            .with_subsession(TestTrack::video().alone())
            .with_subsession(TestTrack::audio().frames(100).alone()),
    );
    let c = w.client();
    w.setup_udp(c, "/x", 1);
    w.setup_udp(c, "/x", 2);
    w.play_range(c, "/x", "npt=5-").expect(200);
    w.run_secs(1.0);
    assert!(w[c].track(1).frames().starts_with(&[125, 126]));
    assert!(w[c].track(2).rtp.is_empty());
    assert_eq!(w[c].track(2).byes(), 1);
}

#[test]
fn play_again_while_playing_disturbs_nothing() {
    let mut w = world();
    for path in ["/film", "/shared"] {
        let c = w.playing(path, 2, true);
        for _ in 0..5 {
            w.run_secs(0.7);
            w.play(c, path);
        }
        let frames = w[c].track(1).frames();
        assert_eq!(frames, (0..frames.len() as u32).collect::<Vec<_>>());
        assert!((85..92).contains(&frames.len()), "{}", frames.len());
        assert_continuous(&w[c].track(2).rtp);
    }
}

#[test]
fn teardown_of_one_track_leaves_the_others() {
    for tcp in [false, true] {
        let open = Arc::new(AtomicUsize::new(0));
        let mut w = World::new();
        w.add(
            session("film")
                .with_subsession(TestTrack::video().counted_by(&open).alone())
                .with_subsession(TestTrack::audio().counted_by(&open).alone()),
        );
        let c = w.playing("/film", 2, tcp);
        w.run_secs(1.0);
        assert_eq!(open.load(Ordering::Relaxed), 2);
        let answer = w.teardown(c, "/film/track2");
        assert!(answer.value("Session").is_some());
        assert_eq!(open.load(Ordering::Relaxed), 1);
        w[c].tracks[1].torn_down = true;
        w.run_secs(0.1);
        w[c].forget_media();
        w.check();
        w.run_secs(1.0);
        assert!(w[c].track(1).rtp.len() >= 24 && w[c].track(2).rtp.is_empty());
        assert_continuous(&w[c].track(1).rtp);
        // It may be set up again, and go with the last.
        w.setup_over(c, "/film", 2, tcp);
        w.play(c, "/film/track2");
        w.run_secs(1.0);
        assert!(w[c].track(2).rtp.len() >= 48);
        w.teardown(c, "/film/track1");
        assert_eq!(w.census().0, 1);
        w.teardown(c, "/film/track2");
        assert_eq!(w.census(), (0, 0, 1));
        w.expect_nothing_left();
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn teardown_stops_everything_at_once() {
    for tcp in [false, true] {
        let mut w = world();
        let c = w.playing("/film", 2, tcp);
        w.run_secs(1.0);
        w[c].forget_media();
        // Over TCP nothing may come on the channels behind the answer.
        w.teardown(c, "/film");
        assert_eq!(w.census(), (0, 0, 1));
        w.run_secs(0.05);
        assert_eq!((w[c].track(1).byes(), w[c].track(2).byes()), (1, 1));
        w[c].forget_media();
        w.run_secs(2.0);
        assert!(w[c].tracks.iter().all(|t| t.rtp.is_empty() && t.rtcp.is_empty()));
        // The connection may be used for another session.
        w.setup_over(c, "/film", 1, tcp);
        w.play(c, "/film");
        w.run_secs(1.0);
        assert!(w[c].track(1).rtp.len() >= 24);
        w.expect_nothing_left();
    }
}

#[test]
fn a_stream_of_all_repeats_without_a_gap() {
    let mut w = World::new();
    w.add(session("loop").with_subsession(TestTrack::video().frames(50).repeating().shared()));
    let c = w.playing("/loop", 1, true);
    w.run_secs(20.0);
    let frames = w[c].track(1).frames();
    assert!((499..=501).contains(&frames.len()), "{}", frames.len());
    assert!(frames.iter().enumerate().all(|(i, f)| *f == i as u32 % 50));
    let stamps: Vec<_> = w[c].track(1).rtp.iter().map(|p| p.timestamp).collect();
    assert!(stamps.windows(2).all(|s| s[1].wrapping_sub(s[0]) == 3600));
    assert_continuous(&w[c].track(1).rtp);
    w.expect_nothing_left();
}

#[test]
fn a_repeating_source_without_frames_ends() {
    let mut w = World::new();
    w.add(session("x").with_subsession(TestTrack::video().empty_repeating().shared()));
    let c = w.playing("/x", 1, true);
    w.run_secs(10.0);
    assert_eq!(w[c].track(1).byes(), 1);
    w.expect_nothing_left();
}
