//! PLAY again after an end: who has said BYE is gone, and what repeats goes on without a jump.

use super::client::Answer;
use super::live::Encoder;
use super::media::{TestTrack, film, session};
use super::world::{World, secs};
use crate::wire::rtsp::Transport;

fn announced(answer: &Answer, entry: usize) -> Option<u32> {
    answer.rtp_info().entries[entry].ssrc
}

#[test]
fn a_play_after_bye_has_another_ssrc_and_says_so() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(film("film"));
        let c = w.playing("/film", 2, tcp);
        w.run_secs(11.0);
        let gone = [1, 2].map(|track| w[c].track(track).rtp[0].ssrc);
        for again in 0..2 {
            w[c].forget_media();
            let answer = w.play(c, "/film");
            w.run_secs(11.0);
            for (entry, track) in [1, 2].into_iter().enumerate() {
                let track = w[c].track(track);
                let ssrc = track.rtp[0].ssrc;
                assert_ne!(ssrc, gone[entry], "a source that has said BYE is gone");
                assert_eq!(announced(&answer, entry), Some(ssrc));
                let mut reports = track.rtcp.iter();
                assert!(reports.all(|r| r.ssrc == ssrc), "{again}");
                let count = track.rtcp[0].info.expect("a sender report").packet_count;
                assert!((1..5).contains(&count), "counted anew: {count}");
                assert_eq!(track.byes(), 1);
            }
        }
        w.expect_nothing_left();
    }
}

#[test]
fn a_range_whose_end_the_client_names_may_be_played_again_and_again() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(film("film"));
        let c = w.client();
        w.setup_over(c, "/film", 1, tcp);
        w.setup_over(c, "/film", 2, tcp);
        let mut ssrc = None;
        // To the end of the file, too: that is how openRTSP asks for all of it.
        for (asked, frames) in [("npt=0-10", 250), ("npt=0-10", 250), ("npt=8-9", 25)] {
            w[c].forget_media();
            let answer = w.play_range(c, "/film", asked).expect(200);
            assert_eq!(announced(&answer, 0), None, "it is the one of SETUP");
            w.run_secs(13.0);
            let track = w[c].track(1);
            assert_eq!((track.frames().len(), track.byes()), (frames, 0), "{asked}");
            assert_eq!(*ssrc.get_or_insert(track.rtp[0].ssrc), track.rtp[0].ssrc);
        }
        w.teardown(c, "/film");
        w.expect_nothing_left();
    }
}

#[test]
fn setup_after_the_end_of_a_shared_stream_tells_its_new_ssrc() {
    let mut w = World::new();
    w.add(session("shared").with_subsession(TestTrack::video().shared()));
    let first = w.playing("/shared", 1, false);
    w.run_secs(11.0);
    assert_eq!(w[first].track(1).byes(), 1);
    w.play(first, "/shared");
    w.run_secs(1.0);
    let late = w.client();
    let answer = w.setup_tcp(late, "/shared", 1);
    w.play(late, "/shared");
    w.run_secs(1.0);
    let transport: Transport = answer.header("Transport").parse().unwrap();
    assert_eq!(transport.specs[0].ssrc, Some(w[late].track(1).rtp[0].ssrc));
    assert_eq!(w[late].track(1).rtp[0].ssrc, w[first].track(1).rtp.last().unwrap().ssrc);
}

#[test]
fn a_track_without_a_packet_says_bye_behind_a_report() {
    let mut w = World::new();
    w.add(session("x").with_subsession(TestTrack::video().frames(0).alone()));
    for tcp in [false, true] {
        let c = w.playing("/x", 1, tcp);
        w.run_secs(1.0);
        let rtcp = &w[c].track(1).rtcp;
        assert_eq!(rtcp.iter().map(|r| r.bye).collect::<Vec<_>>(), [false, true]);
        assert!(rtcp[0].info.is_none(), "who has sent nothing is no sender");
    }
}

#[test]
fn newcomers_get_a_report_behind_their_first_packet() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(session("shared").with_subsession(TestTrack::video().shared()));
        w.playing("/shared", 1, false);
        for _ in 0..3 {
            w.run_secs(0.713);
            let late = w.playing("/shared", 1, tcp);
            w.run_secs(0.5);
            let track = w[late].track(1);
            let (media, report) = (track.rtp[0].at, track.rtcp[0].at);
            assert!(report >= media && report < media + secs(0.02));
            assert!(track.rtcp[0].info.unwrap().packet_count > 10);
        }
    }
}

#[test]
fn a_stream_that_waits_for_input_sends_no_sender_report() {
    let mut w = World::new();
    let mut encoder = Encoder::new(&mut w, true);
    encoder.run(&mut w, 1.0);
    let c = w.playing("/live", 1, false);
    w.run_secs(20.0);
    assert!(w[c].track(1).rtp.is_empty());
    assert!(w[c].track(1).rtcp.iter().all(|r| r.info.is_none()), "nothing was sent");
    encoder.run(&mut w, 1.0);
    let track = w[c].track(1);
    let first = track.rtcp.iter().find(|r| r.info.is_some()).expect("a sender report");
    assert!(first.at >= track.rtp[0].at && first.at < track.rtp[0].at + secs(0.02));
}

#[test]
fn play_of_a_live_stream_that_has_ended_is_refused() {
    for shared in [false, true] {
        let mut w = World::new();
        let mut encoder = Encoder::new(&mut w, shared);
        encoder.run(&mut w, 1.0);
        let c = w.playing("/live", 1, false);
        encoder.run(&mut w, 1.0);
        drop(encoder);
        w.run_secs(1.0);
        assert_eq!(w[c].track(1).byes(), 1);
        w.request(c, "PLAY", "/live", &[]).expect(410);
        w.teardown(c, "/live");
    }
}

#[test]
fn sound_that_shares_packets_repeats_without_a_jump() {
    for (frames, tcp) in [(50, true), (51, false), (49, true), (1, false)] {
        let mut w = World::new();
        w.add(
            session("loop").with_subsession(TestTrack::aac().frames(frames).repeating().shared()),
        );
        let c = w.playing("/loop", 1, tcp);
        w.run_secs(10.0);
        let track = w[c].track(1);
        assert!(track.rtp.len() > 90, "{}", track.rtp.len());
        for pair in track.rtp.windows(2) {
            // 100 bytes and a header of two each, two for all, and the RTP header.
            let frames = (pair[0].len as u32 - 14) / 102;
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            assert_eq!(step, frames * 1024, "{frames} frames in the packet before");
        }
        w.expect_nothing_left();
    }
}
