//! What a URL names: streams by whatever name, and their tracks wherever clients put the control
//! (RFC 2326 appendix C.1.1, RFC 3986 section 5).

use super::media::{TestTrack, film, session};
use super::world::{C, World};
use crate::server::{FileSessionOptions, FolderProvider};
use crate::wire::sdp::SessionDescription;
use crate::wire::url::encode_segment;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const TCP: &str = "RTP/AVP/TCP;unicast";

fn media(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media").join(name)
}

/// A world that serves a folder.
fn serving(folder: &Path) -> World {
    let provider = FolderProvider::new(folder, FileSessionOptions::default()).unwrap();
    World::providing(provider)
}

/// How many tracks of a client get packets, counted anew.
fn alive(w: &mut World, c: C) -> Vec<usize> {
    w.run_secs(0.1);
    w[c].forget_media();
    w.run_secs(0.3);
    w[c].tracks.iter().filter(|t| !t.rtp.is_empty()).map(|t| t.number).collect()
}

/// Sets up both tracks of what is asked for as `join` makes their URLs of the base, and controls
/// them together and one by one.
fn control(w: &mut World, url: &str, join: &dyn Fn(&str, &str) -> String) {
    let c = w.client();
    let answer = w.describe(c, url).expect(200);
    let base = answer.header("Content-Base").to_owned();
    let sdp = SessionDescription::parse(answer.body().as_bytes()).unwrap();
    let controls: Vec<_> = sdp.media.iter().map(|m| m.attribute("control").unwrap()).collect();
    let urls: Vec<_> = controls.iter().map(|control| join(&base, control)).collect();
    for (i, url) in urls.iter().enumerate() {
        let answer = w.request(c, "SETUP", url, &[("Transport", TCP)]).expect(200);
        w[c].session = answer.header("Session").split(';').next().map(str::to_owned);
        let (rtp, rtcp) = answer.transport().interleaved.unwrap();
        w.add_track(c, i + 1, super::client::Way::Tcp { rtp, rtcp });
    }
    let played = w.request(c, "PLAY", &base, &[]).expect(200);
    let named: Vec<_> = played.rtp_info().entries.iter().map(|e| e.url.to_owned()).collect();
    assert_eq!(named, urls, "of {base}");
    assert_eq!(alive(w, c), [1, 2], "{base}");
    w.request(c, "PAUSE", &urls[0], &[]).expect(200);
    assert_eq!(alive(w, c), [2], "{}", urls[0]);
    w.request(c, "PLAY", &urls[0], &[]).expect(200);
    assert_eq!(alive(w, c), [1, 2]);
    w.request(c, "TEARDOWN", &urls[1], &[]).expect(200);
    assert_eq!(alive(w, c), [1]);
    w.request(c, "PLAY", &urls[1], &[]).expect(455);
    assert_eq!(w.census().0, 1);
    w.request(c, "TEARDOWN", &base, &[]).expect(200);
    assert_eq!(w.census().0, 0);
    w.leave(c);
}

/// As RFC 3986 section 5.2 resolves a relative path.
fn resolve(base: &str, control: &str) -> String {
    let path = base.split('?').next().unwrap();
    format!("{}/{control}", path.rsplit_once('/').unwrap().0)
}

/// As FFmpeg and live555, and what is built on it, do.
fn append(base: &str, control: &str) -> String {
    format!("{base}{}{control}", if base.ends_with('/') { "" } else { "/" })
}

/// As GStreamer does.
fn insert(base: &str, control: &str) -> String {
    let (path, query) = base.split_once('?').unwrap_or((base, ""));
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{mark}{query}", append(path, control))
}

/// As who takes what was asked for as the base, and appends.
fn append_to_request(base: &str, control: &str) -> String {
    append(&base.replacen("/?", "?", 1), control)
}

#[test]
fn a_control_is_found_wherever_clients_put_it() {
    let mut w = World::new();
    for name in ["soundtrack1", "cams/track2", "a b?c/track1"] {
        w.add(film(name));
        let path: Vec<_> = name.split('/').map(encode_segment).collect();
        for query in ["", "?x=y", "?x=/y/track", "?u=/track1", "?", "?a?b/"] {
            let url = format!("rtsp://10.0.0.1/{}{query}", path.join("/"));
            for join in [&resolve as &dyn Fn(&str, &str) -> String, &append, &insert] {
                // What drops a query that itself ends like a control leaves two meanings.
                if query != "?u=/track1" || join("h/?q", "c").contains('q') {
                    control(&mut w, &url, join);
                }
            }
            control(&mut w, &url, &append_to_request);
        }
    }
    w.expect_nothing_left();
}

#[test]
fn control_of_one_track_of_a_stream_named_like_its_control_is_of_that_track() {
    let mut w = World::new();
    w.add(film("soundtrack1").with_aggregate_control_only());
    let c = w.client();
    w.setup_tcp(c, "/soundtrack1", 1);
    w.setup_tcp(c, "/soundtrack1", 2);
    for method in ["PLAY", "PAUSE"] {
        w.request(c, method, "/soundtrack1/track1", &[]).expect(460);
        w.request(c, method, "/soundtrack1", &[]).expect(200);
        w.request(c, method, "/soundtrack1/track1", &[]).expect(460);
    }
    w.request(c, "TEARDOWN", "/soundtrack1/track1", &[]).expect(200);
    w.play(c, "/soundtrack1");
    assert_eq!(alive(&mut w, c), [2]);
    w.expect_nothing_left();
}

#[test]
fn a_stream_may_have_the_name_of_a_track_of_another() {
    let mut w = World::new();
    w.add(film("cams"));
    w.add(session("cams/track1").with_subsession(TestTrack::video().tag(9).alone()));
    w.add(session("cams/track7").with_subsession(TestTrack::video().tag(7).alone()));
    w.add(session("lone/track1").with_subsession(TestTrack::video().alone()));
    let c = w.client();
    let tracks = |sdp: &str| sdp.matches("\r\nm=").count();
    assert_eq!(tracks(&w.describe(c, "/cams/track1").expect(200).body()), 1);
    assert_eq!(tracks(&w.describe(c, "/cams").expect(200).body()), 2);
    w.describe(c, "/cams/track2").expect(404);
    let tag = |w: &mut World, path: &str, track: &str| {
        let c = w.client();
        let answer = w.request(c, "SETUP", &format!("{path}{track}"), &[("Transport", TCP)]);
        let answer = answer.expect(200);
        w[c].session = answer.header("Session").split(';').next().map(str::to_owned);
        let (rtp, rtcp) = answer.transport().interleaved.unwrap();
        w.add_track(c, 1, super::client::Way::Tcp { rtp, rtcp });
        w.play(c, path);
        w.run_secs(0.5);
        w[c].track(1).rtp[0].frame.unwrap().1
    };
    assert_eq!(tag(&mut w, "/cams", "/track1"), 1);
    assert_eq!(tag(&mut w, "/cams/track1", "/track1"), 9);
    assert_eq!(tag(&mut w, "/cams/track7", "/track1"), 7);
    // Its only track, without a control.
    assert_eq!(tag(&mut w, "/cams/track7", ""), 7);
    assert_eq!(tag(&mut w, "/lone/track1", ""), 1);
    for unknown in ["/cams/track3", "/cams/track7/track2", "/lone/track1?x=y/track2", "/lone"] {
        let c = w.client();
        w.request(c, "SETUP", unknown, &[("Transport", TCP)]).expect(404);
    }
    // One session may have both.
    let c = w.client();
    w.setup_tcp(c, "/cams", 1);
    w.setup_tcp(c, "/cams/track1", 1);
    w.setup_tcp(c, "/cams", 2);
    assert_eq!(w.session_of(c).1.media_len(), 2);
    w.expect_nothing_left();
}

#[test]
fn whatever_file_is_announced_is_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("track1")).unwrap();
    let mut made = Vec::new();
    let every = (b' '..=b'~').map(char::from).filter(|&c| c != '/').map(|c| format!("a{c}b.ulaw"));
    let odd =
        ["track1/track2.ulaw", "%41.ulaw", "%.ulaw", "%2e%2e.ulaw", "ä€𝄞.ulaw", "a\u{301}.ulaw"];
    let odd = odd.map(str::to_owned);
    for name in every.chain(odd).chain([" .ulaw".into(), "\\..\\x.ulaw".into(), "*.ulaw".into()]) {
        // What the system has no name for is not announced.
        let name = name.replace(".ulaw", ".mp3");
        if fs::copy(media("cbr.mp3"), folder.path().join(&name)).is_ok() {
            made.push(name);
        }
    }
    let names = FolderProvider::new(folder.path(), FileSessionOptions::default()).unwrap().names();
    made.sort();
    assert_eq!(names, made);
    let mut w = serving(folder.path());
    let c = w.client();
    for name in names {
        let path: Vec<_> = name.split('/').map(encode_segment).collect();
        let path = format!("/{}", path.join("/"));
        let sdp = w.describe(c, &path).expect(200).body();
        assert!(sdp.contains(&format!("\r\ni={name}\r\n")), "{sdp}");
        w.setup_tcp(c, &path, 1);
        w.request(c, "TEARDOWN", &path, &[]).expect(200);
        w[c].session = None;
    }
    w.expect_nothing_left();
}

#[test]
fn names_that_no_url_has_are_refused() {
    let mut w = World::new();
    w.add(film("/a//b///c/"));
    let c = w.client();
    w.describe(c, "/a/b/c").expect(200);
    w.describe(c, "/a//b/c/").expect(200);
    for name in ["", "/", "..", "a/../b", "./a", "a/.", "a\0b"] {
        let added = w.serve(|server, env| server.add_server_media_session(env, film(name)));
        assert!(added.is_err(), "{name:?}");
    }
}

type Change = fn(&Path);

/// What may happen to a file while a client sets up its tracks.
const CHANGES: [(&str, Change); 4] = [
    ("touched", |file| {
        let file = fs::File::options().append(true).open(file).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }),
    ("grown", |file| {
        use std::io::Write;
        let mut file = fs::File::options().append(true).open(file).unwrap();
        file.write_all(&[0xec, 0x83, 1, 2, 3]).unwrap();
    }),
    ("replaced", |file| {
        fs::copy(media("h265_mp3.mkv"), file.with_extension("new")).unwrap();
        fs::rename(file.with_extension("new"), file).unwrap();
    }),
    ("removed", |file| fs::remove_file(file).unwrap()),
];

#[test]
fn a_session_stays_with_its_media_session_whatever_becomes_of_the_file() {
    for (what, change) in CHANGES {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("film.mkv");
        fs::copy(media("h264_aac.mkv"), &file).unwrap();
        let mut w = serving(folder.path());
        let c = w.client();
        w.describe(c, "/film.mkv").expect(200);
        w.setup_tcp(c, "/film.mkv", 1);
        change(&file);
        // Longer than what is known of the file is taken for granted.
        w.run_secs(1.5);
        w.setup_tcp(c, "/film.mkv", 2);
        assert_eq!(w.session_of(c).1.media_len(), 1, "{what}");
        w.play(c, "/film.mkv");
        assert_eq!(alive(&mut w, c), [1, 2], "{what}");
        // Newcomers find what is there now.
        let late = w.client();
        let status = if what == "removed" { 404 } else { 200 };
        let sdp = w.describe(late, "/film.mkv").expect(status).body();
        assert_eq!(sdp.contains("H265"), what == "replaced", "{what}: {sdp}");
        w.pause(c, "/film.mkv");
        w.play(c, "/film.mkv");
        assert_eq!(alive(&mut w, c), [1, 2], "{what}");
        w.teardown(c, "/film.mkv");
        w.expect_nothing_left();
    }
}

#[cfg(unix)]
#[test]
fn a_recording_in_progress_can_be_set_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("film.mkv");
    fs::copy(media("h264_aac.mkv"), &file).unwrap();
    let grow = CHANGES[1].1;
    let mut w = serving(folder.path());
    for pause in [0.1, 2.0] {
        let c = w.client();
        grow(&file);
        w.describe(c, "/film.mkv").expect(200);
        for track in [1, 2] {
            grow(&file);
            w.run_secs(pause);
            w.setup_tcp(c, "/film.mkv", track);
        }
        grow(&file);
        w.play(c, "/film.mkv");
        assert_eq!(alive(&mut w, c), [1, 2], "{pause}");
        w.teardown(c, "/film.mkv");
    }
    w.expect_nothing_left();
}

#[test]
fn a_file_that_was_replaced_before_it_was_set_up_is_looked_at_anew() {
    let folder = tempfile::tempdir().unwrap();
    let replace = |with: &str| {
        fs::copy(media(with), folder.path().join("new")).unwrap();
        fs::rename(folder.path().join("new"), folder.path().join("film.264")).unwrap();
    };
    replace("slices.264");
    let mut w = serving(folder.path());
    let c = w.client();
    let old = w.describe(c, "/film.264").expect(200).body();
    replace("bframes.h264");
    // What was described is no more. Who asks again is told at once what there is.
    w.setup(c, "/film.264", 1, TCP).expect(500);
    assert_ne!(w.describe(c, "/film.264").expect(200).body(), old);
    w.setup_tcp(c, "/film.264", 1);
    w.expect_nothing_left();
}
