//! Each method and each status code (RFC 2326 sections 7, 10 and 11).

use super::media::{TestTrack, camera, film, session};
use super::world::{UDP, World};
use crate::wire::sdp::SessionDescription;

#[test]
fn options_names_the_methods_of_the_server() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    for url in ["*", "/film", "/unknown"] {
        let answer = w.request(c, "OPTIONS", url, &[]).expect(200);
        let public: Vec<_> = answer.header("Public").split(", ").collect();
        for method in ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER"]
        {
            assert!(public.contains(&method), "{public:?}");
        }
        assert!(!public.contains(&"RECORD"));
    }
}

#[test]
fn describe_answers_sdp_with_a_base() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    let answer = w.describe(c, "/film").expect(200);
    assert_eq!(answer.header("Content-Base"), "rtsp://10.0.0.1/film/");
    assert_eq!(answer.header("Content-Type"), "application/sdp");
    let text = answer.body();
    let sdp = SessionDescription::parse(text.as_bytes()).unwrap();
    assert_eq!(sdp.attribute("control"), Some("*"));
    assert_eq!(sdp.attribute("range"), Some("npt=0-10.000"));
    assert_eq!(sdp.attribute("type"), Some("broadcast"));
    assert!(sdp.attribute("tool").is_some_and(|t| t.starts_with("riverrun")));
    assert_eq!((sdp.name.as_str(), sdp.info.as_deref()), ("description", Some("info")));
    let controls: Vec<_> = sdp.media.iter().map(|m| m.attribute("control").unwrap()).collect();
    assert_eq!(controls, ["track1", "track2"]);
    assert_eq!(sdp.media[0].attribute("rtpmap"), Some("96 H264/90000"));
    assert!(sdp.media[0].attribute("fmtp").unwrap().contains("sprop-parameter-sets="));
    // The origin is stable, and another stream's is another.
    assert_eq!(w.describe(c, "/film").expect(200).body(), text);
    let other = w.describe(c, "/camera").expect(200).body();
    assert_ne!(text.lines().nth(1), other.lines().nth(1));
    assert!(other.contains("a=range:npt=0-\r\n"), "live: {other}");
}

#[test]
fn tracks_of_different_lengths_have_ranges_of_their_own() {
    let mut w = World::new();
    w.add(
        session("x")
            .with_subsession(TestTrack::video().frames(50).alone())
            .with_subsession(TestTrack::audio().frames(50).alone()),
    );
    let c = w.client();
    let sdp = w.describe(c, "/x").expect(200).body();
    let (head, tracks) = sdp.split_once("m=").unwrap();
    assert!(!head.contains("a=range"));
    assert!(tracks.contains("a=range:npt=0-2.000") && tracks.contains("a=range:npt=0-1.000"));
}

#[test]
fn every_answer_echoes_cseq_as_it_was_sent() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    for cseq in ["0", "7", "4294967295"] {
        let n = cseq.parse().unwrap();
        w.raw(c, format!("OPTIONS * RTSP/1.0\r\ncseq:{cseq}\r\n\r\n"), Some(n)).expect(200);
        w.raw(c, format!("DESCRIBE rtsp://h/no RTSP/1.0\r\nCSEQ : {cseq}\r\n\r\n"), Some(n))
            .expect(404);
        w.raw(c, format!("FROB * RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n"), Some(n)).expect(501);
    }
}

#[test]
fn bad_requests_are_answered_400() {
    let w = &mut World::with_film_and_camera();
    for (bytes, cseq) in [
        ("OPTIONS * RTSP/1.0\r\n\r\n", None),
        ("OPTIONS * RTSP/1.0\r\nCSeq: x\r\n\r\n", None),
        ("OPTIONS *\r\nCSeq: 3\r\n\r\n", Some(3)),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 3\r\nno colon\r\n\r\n", Some(3)),
        ("\u{1}\u{2}\r\n\r\n", None),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 3\r\nContent-Length: -1\r\n\r\n", Some(3)),
        (
            "OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\nCSeq: 3\r\n\r\n",
            Some(3),
        ),
    ] {
        let c = w.client();
        w[c].lenient = true; // Whether CSeq is echoed when it is garbage is not the question.
        let answer = w.raw(c, bytes, cseq);
        assert!([400, 505].contains(&answer.status()), "{bytes:?}: {answer:?}");
        assert_eq!(answer.value("CSeq").and_then(|v| v.parse().ok()), cseq, "{bytes:?}");
    }
    let c = w.client();
    w.request(c, "SETUP", "/film/track1", &[]).expect(400);
    w.request(c, "SETUP", "/film/track1", &[("Transport", ";;;")]).expect(400);
    w.setup_udp(c, "/film", 1);
    w.play_range(c, "/film", "npt=hello").expect(400);
    w.check();
}

#[test]
fn a_malformed_request_ends_its_connection_and_no_other() {
    let mut w = World::with_film_and_camera();
    let (good, bad) = (w.playing("/camera", 1, true), w.client());
    w[bad].lenient = true;
    w.raw(bad, "\0\0\0\0\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", None).expect(400);
    w.run_secs(1.0);
    assert!(w[bad].ended && w[bad].answers.is_empty(), "what follows is not answered");
    assert!(!w[good].ended);
    w.options(good).expect(200);
}

#[test]
fn limits_are_answered_413_and_414_and_close() {
    let mut w = World::with_film_and_camera();
    let long = "x".repeat(5000);
    let many: String = (0..100).map(|i| format!("X-{i}: y\r\n")).collect();
    for (bytes, status) in [
        (format!("OPTIONS rtsp://h/{long} RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 414),
        (format!("OPTIONS rtsp://h/{long}{long}"), 414),
        (format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n{many}\r\n"), 400),
        (format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: {long}{long}{long}{long}\r\n\r\n"), 400),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n".to_owned(), 413),
        ("\r\n".repeat(2000), 400),
    ] {
        let c = w.client();
        w[c].lenient = true;
        w.raw(c, bytes, None).expect(status);
        w.run_secs(0.1);
        assert!(w[c].ended || w[c].failed);
    }
    w.expect_nothing_left();
}

#[test]
fn another_version_is_answered_505() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    w.raw(c, "OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", Some(1)).expect(505);
}

#[test]
fn unknown_files_and_tracks_are_answered_404() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    for path in ["/unknown", "/", "", "/film/track3", "/film/track0", "/film/track01", "/film/x"] {
        w.request(c, "DESCRIBE", &format!("rtsp://10.0.0.1{path}"), &[]).expect(404);
        if path != "/film/x" {
            w.setup(c, path.trim_end_matches("/track3"), 9, UDP).expect(404);
        }
    }
    w.setup_udp(c, "/film", 1);
    w.request(c, "PLAY", "/camera", &[]).expect(404);
    w.request(c, "PLAY", "/film/track7", &[]).expect(404);
    w.expect_nothing_left();
}

#[test]
fn methods_of_others_are_answered_405_or_501() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    for method in ["ANNOUNCE", "RECORD", "REDIRECT"] {
        let answer = w.request(c, method, "/film", &[]).expect(405);
        assert!(answer.header("Allow").contains("DESCRIBE"));
    }
    let answer = w.request(c, "describe", "/film", &[]).expect(501);
    assert!(answer.header("Public").contains("DESCRIBE"), "methods are case-sensitive");
    w.request(c, "FROBNICATE", "/film", &[]).expect(501);
}

#[test]
fn describe_in_another_format_is_answered_406() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    w.request(c, "DESCRIBE", "/film", &[("Accept", "text/html")]).expect(406);
    for good in ["application/sdp", "*/*", "application/*", "text/html, application/sdp;q=0.5", ""]
    {
        w.request(c, "DESCRIBE", "/film", &[("Accept", good)]).expect(200);
    }
}

#[test]
fn parameters_that_are_unknown_are_answered_451() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    w.request(c, "GET_PARAMETER", "/film", &[]).expect(200);
    w.request_with_body(c, "SET_PARAMETER", "/film", &[], "volume: 11\r\n").expect(451);
    w.request_with_body(c, "GET_PARAMETER", "/film", &[], "position\r\n").expect(454);
    w.setup_udp(c, "/film", 1);
    let answer = w.request_with_body(c, "GET_PARAMETER", "/film", &[], "volume\r\n").expect(451);
    assert_eq!(answer.body().trim(), "volume");
    w.play(c, "/film");
    w.run_secs(3.0);
    let answer = w.request_with_body(c, "GET_PARAMETER", "/film", &[], "position\r\n").expect(200);
    let body = answer.body();
    let seconds: f64 = body.trim().strip_prefix("position: ").unwrap().parse().unwrap();
    assert!((2.9..3.2).contains(&seconds), "{body}");
}

#[test]
fn sessions_that_are_unknown_are_answered_454() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    for method in ["PLAY", "PAUSE", "TEARDOWN"] {
        w.request(c, method, "/film", &[]).expect(454);
    }
    for method in
        ["PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER", "OPTIONS", "DESCRIBE"]
    {
        w.request(c, method, "/film", &[("Session", "12345678")]).expect(454);
        w.request(c, method, "/film", &[("Session", ";;")]).expect(454);
    }
    let headers = [("Session", "12345678"), ("Transport", UDP)];
    w.request(c, "SETUP", "/film/track1", &headers).expect(454);
    w.setup_udp(c, "/film", 1);
    let session = w[c].session.clone().unwrap();
    w.teardown(c, "/film");
    w.request(c, "PLAY", "/film", &[("Session", &session)]).expect(454);
    w.expect_nothing_left();
}

#[test]
fn methods_that_the_state_forbids_are_answered_455() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    w.setup_udp(c, "/film", 1);
    w.request(c, "PAUSE", "/film", &[]).expect(455);
    w.request(c, "PLAY", "/film/track2", &[]).expect(455);
    w.request(c, "TEARDOWN", "/film/track2", &[]).expect(455);
    w.play(c, "/film");
    w.setup(c, "/film", 1, UDP).expect(455);
    w.run_secs(1.0);
    assert!(w[c].track(1).frames().len() >= 25, "what was refused changes nothing");
    w.pause(c, "/film");
    w.pause(c, "/film");
    // Not playing, it may be set up anew.
    w.setup_tcp(c, "/film", 1);
    w.play(c, "/film");
    w.run_secs(1.0);
    assert!(w[c].track(1).frames().len() >= 20);
    w.expect_nothing_left();
}

#[test]
fn setup_of_several_tracks_at_once_is_answered_459() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    w.request(c, "SETUP", "/film", &[("Transport", UDP)]).expect(459);
    w.request(c, "SETUP", "/camera", &[("Transport", UDP)]).expect(200);
    w.expect_nothing_left();
}

#[test]
fn control_of_one_track_of_an_aggregate_is_answered_460() {
    let mut w = World::new();
    w.add(film("film").with_aggregate_control_only());
    let c = w.client();
    w.setup_udp(c, "/film", 1);
    w.play(c, "/film/track1");
    w.pause(c, "/film/track1");
    w.setup_udp(c, "/film", 2);
    w.request(c, "PLAY", "/film/track1", &[]).expect(460);
    w.play(c, "/film");
    w.request(c, "PAUSE", "/film/track2", &[]).expect(460);
    w.pause(c, "/film");
}

#[test]
fn tracks_can_be_controlled_one_by_one() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    w.setup_udp(c, "/film", 1);
    w.setup_tcp(c, "/film", 2);
    let answer = w.play(c, "/film/track2");
    assert_eq!(answer.rtp_info().entries.len(), 1);
    w.run_secs(1.0);
    assert!(w[c].track(1).rtp.is_empty() && w[c].track(2).rtp.len() >= 50);
    w.play(c, "/film/track1");
    w.pause(c, "/film/track2");
    w.run_secs(0.1);
    w[c].forget_media();
    w.run_secs(1.0);
    assert!(w[c].track(1).rtp.len() >= 25 && w[c].track(2).rtp.is_empty());
}

#[test]
fn what_is_required_and_unknown_is_answered_551() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    for header in ["Require", "Proxy-Require"] {
        let answer = w.request(c, "OPTIONS", "*", &[(header, "play.scale, funky")]).expect(551);
        assert_eq!(answer.header("Unsupported"), "play.scale, funky");
    }
    w.options(c).expect(200);
}

#[test]
fn what_cannot_be_streamed_is_answered_415() {
    use crate::server::{SessionPoll, SessionProvider};
    struct Broken;
    impl SessionProvider for Broken {
        fn poll_session(&mut self, name: &str, _: &mut usize) -> SessionPoll {
            match name {
                "broken" => SessionPoll::Unusable("no moov".to_owned()),
                _ => SessionPoll::NotFound,
            }
        }
        fn identity(&mut self, _: &str) -> Option<u64> {
            None
        }
    }
    let mut w = World::providing(Broken);
    let c = w.client();
    w.describe(c, "/broken").expect(415);
    w.setup(c, "/broken", 1, UDP).expect(415);
    w.describe(c, "/other").expect(404);
}

#[test]
fn names_are_decoded_and_queries_are_not_part_of_them() {
    let mut w = World::new();
    w.add(camera("a file.mkv"));
    w.add(camera("dir/sub/x"));
    let c = w.client();
    for path in [
        "/a%20file.mkv",
        "/a%20file.mkv?token=1&x=/y",
        "/a%20file.mkv/",
        "/a file.mkv",
        "/dir/sub/x",
        "/dir/sub/x/",
        "/%64ir/sub/x",
    ] {
        w.describe(c, path).expect(200);
    }
    for path in ["/dir%2fsub/x", "/dir/../dir/sub/x", "/dir/%2e%2e/dir/sub/x", "/a%00", "/a%zz"] {
        w.describe(c, path).expect(404);
    }
    let answer = w.describe(c, "/a%20file.mkv?token=1").expect(200);
    assert_eq!(answer.header("Content-Base"), "rtsp://10.0.0.1/a%20file.mkv/?token=1");
    // Players put the control behind the query; some take what they asked for as the base.
    w.setup_udp(c, "/a%20file.mkv?token=1", 1);
    let answer = w.play(c, "/a%20file.mkv?token=1");
    let info = answer.rtp_info();
    assert_eq!(info.entries[0].url, "rtsp://10.0.0.1/a%20file.mkv?token=1/track1");
    w.run_secs(1.0);
    assert!(w[c].track(1).rtp.len() >= 25);
    w.teardown(c, "/a%20file.mkv?token=1/");
    w.expect_nothing_left();
}

#[test]
fn line_feeds_alone_and_folded_lines_are_understood() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    w.raw(c, "OPTIONS * RTSP/1.0\nCSeq: 1\n\n", Some(1)).expect(200);
    let folded = "DESCRIBE rtsp://h/film RTSP/1.0\r\nCSEQ\t:\r\n  2\r\naccept: text/html,\r\n\t\
                  application/sdp\r\n\r\n";
    w.raw(c, folded, Some(2)).expect(200);
    w.raw(c, "\r\n\r\n\nOPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n", Some(3)).expect(200);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    // More than one turn takes, the last with a body.
    for i in 0..100 {
        let method = ["OPTIONS", "DESCRIBE", "FROB", "PLAY"][i % 4];
        w.ask(c, method, "/film", &[]);
    }
    let last = w.write_request(c, "SET_PARAMETER", "/film", &[], "x: y");
    w.send(c, last);
    w.run_secs(1.0);
    let statuses: Vec<_> = w[c].answers.iter().map(|a| a.status()).collect();
    let expected: Vec<_> =
        [200, 200, 501, 454].into_iter().cycle().take(100).chain([451]).collect();
    assert_eq!(statuses, expected);
}

#[test]
fn requests_may_come_byte_by_byte() {
    let mut w = World::with_film_and_camera();
    w.set_profile(|p| p.partial = 1.0);
    let c = w.playing("/film", 2, true);
    w.run_secs(2.0);
    assert!(w[c].track(1).rtp.len() >= 40);
    w.teardown(c, "/film");
    w.expect_nothing_left();
}

#[test]
fn half_closed_connections_get_their_answers() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    w.ask(c, "DESCRIBE", "/film", &[]);
    w.ask(c, "OPTIONS", "*", &[]);
    w.run_secs(0.004);
    let World { env, clients, .. } = &mut w;
    clients[c.0].pump(env);
    clients[c.0].stream.as_mut().unwrap().shutdown(env).unwrap();
    w.answer(c).expect(200);
    w.answer(c).expect(200);
    w.run_secs(0.1);
    assert!(w[c].ended);
    w.expect_nothing_left();
}

#[test]
fn answers_that_nobody_takes_end_the_connection() {
    let mut w = World::new();
    w.add(film("film"));
    w.set_profile(|p| p.tcp_window = 10_000);
    let c = w.client();
    w[c].stalled = true;
    for _ in 0..5_000 {
        w.ask(c, "DESCRIBE", "/film", &[]);
    }
    w.run_secs(0.5);
    w.check();
    w.run_secs(30.0);
    assert_eq!(w.census(), (0, 0, 0));
    w.expect_nothing_left();
}

#[test]
fn what_a_request_names_itself_by_is_echoed() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    let long = "9".repeat(300);
    for cseq in ["4294967296", "00000000000000000007", "18446744073709551616", &long] {
        w[c].lenient = true;
        for (method, status) in [("OPTIONS", 200), ("DESCRIBE", 404), ("FROB", 501)] {
            let request = format!(
                "{method} rtsp://h/none RTSP/1.0\r\nCSeq: {cseq}\r\nTimestamp: 003.140\r\n\r\n"
            );
            let answer = w.raw(c, request, None).expect(status);
            assert_eq!(answer.header("CSeq"), cseq);
            assert_eq!(answer.header("Timestamp"), "003.140");
        }
    }
    for bad in ["", "-1", "1 2", "0x1", "1.0"] {
        let request = format!("OPTIONS * RTSP/1.0\r\nCSeq: {bad}\r\n\r\n");
        w.raw(c, request, None).expect(400);
    }
    // The number of a request that cannot be read stands in the answer as it came.
    let answer = w.raw(c, "OPTIONS * RTSP/7.0\r\nCSeq: 00099999999999999\r\n\r\n", None);
    assert_eq!(answer.expect(505).header("CSeq"), "00099999999999999");
}

#[test]
fn a_connection_is_closed_behind_the_answer_where_the_client_asks_for_it() {
    let mut w = World::with_film_and_camera();
    for (value, closes) in [
        ("close", true),
        ("Close", true),
        ("keep-alive, CLOSE", true),
        ("keep-alive", false),
        ("closed", false),
    ] {
        let c = w.client();
        let headers = [("Connection", value), ("Accept", "application/sdp")];
        w.ask(c, "DESCRIBE", "/film", &headers);
        w.ask(c, "OPTIONS", "*", &[]);
        let answer = w.answer(c).expect(200);
        assert_eq!(answer.value("Connection"), closes.then_some("close"));
        w.run_secs(0.1);
        assert_eq!((w[c].ended, w[c].answers.len()), (closes, usize::from(!closes)), "{value}");
    }
    // A refusal closes too.
    let c = w.client();
    w.request(c, "DESCRIBE", "/none", &[("Connection", "close")]).expect(404);
    w.run_secs(0.1);
    assert!(w[c].ended);
    // What is streamed over UDP goes on, what is streamed over the connection ends with it.
    for tcp in [false, true] {
        let c = w.client();
        w.setup_over(c, "/film", 1, tcp);
        w.request(c, "PLAY", "/film", &[("Connection", "close")]).expect(200);
        w.run_secs(1.0);
        assert!(w[c].ended);
        let frames = w[c].track(1).frames().len();
        assert!(if tcp { frames < 3 } else { frames > 20 }, "{frames} frames, tcp {tcp}");
    }
    w.expect_nothing_left();
}
