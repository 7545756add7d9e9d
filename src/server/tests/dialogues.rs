//! What real players say, word for word, recorded between them and this server: FFmpeg 5.1,
//! GStreamer 1.22, VLC 3.0 (with the live555 library).
//!
//! In `dialogues/*.txt` only what is the server's to choose, or the system's, is left open:
//! `{session}`, `{ports}`, and the host. `$interleaved` stands for a receiver report that the
//! player sent over the connection.

use super::client::Way;
use super::media::film;
use super::world::{C, World};

struct Replay {
    w: World,
    c: C,
}

impl Replay {
    /// Says what the player said; every request must succeed, and media must come while it plays.
    fn run(dialogue: &str, line_end: &str, tcp: bool) {
        let mut w = World::new();
        w.add(film("film"));
        let c = w.client();
        let mut replay = Self { w, c };
        for message in dialogue.split("\n\n").filter(|m| !m.trim().is_empty()) {
            if message == "$interleaved" {
                replay.w.send_report(c, 1);
            } else {
                replay.request(message, line_end);
            }
        }
        let Self { mut w, .. } = replay;
        let octets: usize = w[c].tracks.iter().flat_map(|t| &t.rtp).map(|p| p.len).sum();
        assert_eq!(w[c].packets > 0, tcp);
        assert!(octets > 20_000);
        w.check();
        w.expect_nothing_left();
    }

    fn request(&mut self, message: &str, line_end: &str) {
        let Self { w, c } = self;
        let c = *c;
        let pair = message.contains("{ports}").then(|| w.udp_pair(c));
        let session = w[c].session.clone().unwrap_or_default();
        let ports = pair.as_ref().map_or("", |p| p.2.as_str());
        let text = message.replace("{session}", &session).replace("{ports}", ports) + "\n\n";
        let cseq = text.split_once("CSeq: ").unwrap().1.lines().next().unwrap().parse().unwrap();
        let answer = w.raw(c, text.replace('\n', line_end), Some(cseq)).expect(200);
        let mut words = text.split(' ');
        match words.next().unwrap() {
            "OPTIONS" => assert!(answer.header("Public").contains("PLAY")),
            "DESCRIBE" => assert_eq!(answer.header("Content-Base"), "rtsp://10.0.0.1/film/"),
            "SETUP" => {
                let url = words.next().unwrap();
                let number = url.rsplit_once("track").unwrap().1.parse().unwrap();
                let id = answer.header("Session").split(';').next().unwrap();
                w[c].session = Some(id.to_owned());
                let spec = answer.transport();
                let way = match pair {
                    Some((rtp, rtcp, _)) => Way::Udp { rtp, rtcp, server: None },
                    None => {
                        let (rtp, rtcp) = spec.interleaved.unwrap();
                        Way::Tcp { rtp, rtcp }
                    }
                };
                w.add_track(c, number, way);
            }
            "PLAY" => {
                assert_eq!(answer.rtp_info().entries.len(), 2);
                w.run_secs(1.0);
                w[c].forget_media();
                w.run_secs(1.0);
                assert!(w[c].track(1).rtp.len() >= 24 && w[c].track(2).rtp.len() >= 48);
            }
            "PAUSE" => w.run_secs(0.5),
            "TEARDOWN" => {
                assert_eq!(w.census().0, 0);
                w[c].session = None;
            }
            other => panic!("{other}"),
        }
    }
}

macro_rules! dialogues {
    ($($name:ident $tcp:literal)*) => {
        $(#[test]
        fn $name() {
            let dialogue = include_str!(concat!("dialogues/", stringify!($name), ".txt"));
            Replay::run(dialogue, "\r\n", $tcp);
            Replay::run(dialogue, "\n", $tcp);
        })*
    };
}

dialogues! {
    ffmpeg_udp false
    ffmpeg_tcp true
    ffmpeg_seek true
    gstreamer_udp false
    gstreamer_tcp true
    vlc_udp false
    vlc_tcp true
}
