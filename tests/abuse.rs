//! Clients that break the rules, against the `media_server` example on the real system. After
//! each kind of abuse a well-behaved client gets what it asks for within a bounded time, the
//! descriptors are back at what they were, and in the end the memory is too.
//!
//! `RIVERRUN_ABUSE` is the number of abusive connections (3,000); 100,000 takes a minute or two
//! with a release build. `RIVERRUN_ABUSE_KIND` picks the kinds that have it in their names.
#![cfg(target_os = "linux")] // `/proc`
#![allow(clippy::print_stderr)]

mod support {
    pub(crate) mod dialogue;
    pub(crate) mod process;
}

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};
use support::dialogue::{CONNECTIONS_AN_ADDRESS, PATIENCE, Talk, port_of, port_pair};
use support::process::{Server, extent, testdata};

/// Abusive connections, unless more are asked for.
const SOME: usize = 3000;
/// How long a well-behaved client may take for everything it does. It is some milliseconds on an
/// idle machine; others may be busy on this one.
const SERVICE: Duration = Duration::from_secs(5);
/// After this time the sessions of those who vanished have ended.
const VANISHED: Duration = Duration::from_millis(2500);
/// UDP clients that vanish in one go: each leaves two descriptors until its session ends.
const VANISHING_AT_ONCE: usize = 1000;
/// Descriptors of its own that the test, or the server, may need beside the connections.
const SPARE_DESCRIPTORS: usize = 500;

/// The server, those who abuse it, and its baseline.
struct Scene {
    server: Server,
    /// Connections made so far.
    number: usize,
    random: u64,
}

impl Scene {
    fn new(folder: &Path, options: &[&str]) -> Self {
        Self { server: Server::start(folder, options), number: 0, random: 0x9e37_79b9_7f4a_7c15 }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.random() % limit as u64) as usize
    }

    fn garbage(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.random() as u8).collect()
    }

    fn connect(&mut self) -> Talk {
        self.number += 1;
        Talk::connect(self.server.address, self.number).expect("connect to the server")
    }

    /// What a client that keeps the rules gets: the description and packets, over TCP and UDP.
    /// Returns how long all of it took.
    fn assert_serves(&mut self, after: &str) -> Duration {
        self.server.assert_alive();
        let begin = Instant::now();
        let url = self.server.url("alaw.wav");
        let mut talk = self.connect();
        assert_eq!(talk.ask("OPTIONS", &url, "").status, 200, "after {after}");
        let described = talk.ask("DESCRIBE", &url, "Accept: application/sdp\r\n");
        assert_eq!(described.status, 200, "after {after}");
        let set_up = talk.set_up_tcp(&url);
        assert_eq!(set_up.status, 200, "after {after}: {set_up:?}");
        assert_eq!(talk.play(&url, set_up.session()).status, 200, "after {after}");
        assert!(talk.await_packets(4), "no packets over TCP after {after}");
        let session = format!("Session: {}\r\n", set_up.session());
        assert_eq!(talk.ask("TEARDOWN", &url, &session).status, 200, "after {after}");

        let (rtp, rtcp) = port_pair(talk.host());
        let set_up = talk.set_up_udp(&url, port_of(&rtp));
        assert_eq!(set_up.status, 200, "after {after}: {set_up:?}");
        assert_eq!(talk.play(&url, set_up.session()).status, 200, "after {after}");
        let mut buffer = [0; 2048];
        for socket in [&rtp, &rtp, &rtp, &rtcp] {
            let n = socket.recv(&mut buffer).expect("packets over UDP");
            assert!(n >= 12 && buffer[0] >> 6 == 2, "after {after}: {:02x?}", &buffer[..n]);
        }
        let session = format!("Session: {}\r\n", set_up.session());
        assert_eq!(talk.ask("TEARDOWN", &url, &session).status, 200, "after {after}");
        drop(talk);
        let took = begin.elapsed();
        assert!(took < SERVICE, "a good client took {took:?} after {after}");
        took
    }
}

/// A kind of abuse: makes so many connections.
type Kind = (&'static str, fn(&mut Scene, usize));

const KINDS: [Kind; 14] = [
    ("malformed requests", malformed),
    ("half requests", half_requests),
    ("connections that close at once", connect_and_close),
    ("connections that are reset", connect_and_reset),
    ("answers that nobody reads", unread_answers),
    ("unknown files", unknown_files),
    ("bad files", bad_files),
    ("SETUP over TCP", set_up_tcp_and_vanish),
    ("SETUP over UDP", set_up_udp_and_vanish),
    ("PLAY over TCP that is never read", play_and_never_read),
    ("PLAY over TCP and reset", play_and_reset),
    ("PLAY over UDP and vanish", play_udp_and_vanish),
    ("RTCP garbage", rtcp_garbage),
    ("interleaved garbage", interleaved_garbage),
];

/// What is said, and the status that it gets, if it is known which.
const MALFORMED: [(&[u8], Option<u16>); 30] = [
    (b"\0", Some(400)),
    (b"\0\0\0\0\r\n\r\n", Some(400)),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Some(404)),
    // TLS, which gets an alert.
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", None),
    (b"OPTIONS\r\n\r\n", Some(400)),
    (b"OPTIONS *\r\n\r\n", Some(400)),
    (b"OPTIONS * RTSP/9.9\r\nCSeq: 1\r\n\r\n", Some(505)),
    (b"OPTIONS * RTSP/1.0\r\n\r\n", Some(400)),
    (b"OPTIONS * RTSP/1.0\r\nCSeq: one\r\n\r\n", Some(400)),
    (b"OPTIONS * RTSP/1.0\r\nCSeq: 99999999999999999999\r\n\r\n", None),
    (b"OPTIONS * RTSP/1.0\r\nCSeq 1\r\n\r\n", Some(400)),
    (b"OPTIONS * RTSP/1.0\r\n: 1\r\n\r\n", Some(400)),
    (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\rX: 2\r\n\r\n", Some(400)),
    (b"O\xffTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some(400)),
    (b"DESCRIBE \xff\xfe RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some(400)),
    (b"DESCRIBE rtsp:// RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some(400)),
    (b"DESCRIBE rtsp://[::1/x RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some(400)),
    (b"DESCRIBE rtsp://h/%zz RTSP/1.0\r\nCSeq: 1\r\n\r\n", None),
    (b"DESCRIBE rtsp://h/%00 RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some(404)),
    (b"FLY rtsp://h/alaw.wav RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some(501)),
    (b"RECORD rtsp://h/alaw.wav RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some(405)),
    (b"PLAY rtsp://h/alaw.wav RTSP/1.0\r\nCSeq: 1\r\nSession: x\r\n\r\n", Some(454)),
    (b"PLAY rtsp://h/alaw.wav RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some(454)),
    (b"SETUP rtsp://h/alaw.wav/track1 RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some(400)),
    (b"SETUP rtsp://h/alaw.wav/track1 RTSP/1.0\r\nCSeq: 1\r\nTransport: ;;;\r\n\r\n", None),
    (b"SETUP rtsp://h/alaw.wav/track9 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP\r\n\r\n", Some(404)),
    (b"SETUP rtsp://h/alaw.wav/track1 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;client_port=0-0\r\n\r\n", Some(461)),
    (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n", Some(400)),
    (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 18446744073709551615\r\n\r\n", Some(413)),
    (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nRequire: flight\r\n\r\n", Some(551)),
];

fn malformed(scene: &mut Scene, count: usize) {
    for i in 0..count {
        let mut talk = scene.connect();
        match i % (MALFORMED.len() + 4) {
            i if i < MALFORMED.len() => {
                let (said, status) = MALFORMED[i];
                talk.say(said);
                // Says that nothing follows, so that what could go on does not.
                let _ = talk.stream.shutdown(std::net::Shutdown::Write);
                let text = String::from_utf8_lossy(said);
                let answer = talk.answer();
                if let Some(status) = status {
                    let answer = answer.unwrap_or_else(|| panic!("{text:?} is not answered"));
                    assert_eq!(answer.status, status, "{text:?}");
                }
            }
            i => {
                let length = 1 + scene.below(20_000);
                let long = match i - MALFORMED.len() {
                    0 => [b"OPTIONS rtsp://h/".to_vec(), vec![b'x'; length]].concat(),
                    1 => b"OPTIONS * RTSP/1.0\r\n"
                        .iter()
                        .copied()
                        .chain(b"X: y\r\n".iter().copied().cycle().take(length))
                        .collect(),
                    2 => b"\r\n".iter().copied().cycle().take(length).collect(),
                    _ => scene.garbage(length),
                };
                talk.say(&long);
                talk.say(b"\r\n\r\n");
            }
        }
    }
}

const REQUEST: &[u8] = b"SETUP rtsp://h/alaw.wav/track1 RTSP/1.0\r\nCSeq: 1\r\n\
    Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nContent-Length: 30\r\n\r\n0123456789";

fn half_requests(scene: &mut Scene, count: usize) {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut talk = scene.connect();
        let cut = scene.below(REQUEST.len());
        talk.say(&REQUEST[..cut]);
        // Some stay for a while.
        if scene.below(2) == 0 {
            open.push(talk);
        }
        if open.len() > 100 {
            open.clear();
        }
    }
}

fn connect_and_close(scene: &mut Scene, count: usize) {
    for _ in 0..count {
        drop(scene.connect());
    }
}

fn connect_and_reset(scene: &mut Scene, count: usize) {
    for i in 0..count {
        let mut talk = scene.connect();
        if i % 2 == 0 {
            talk.say(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\nOPTIONS * RTSP/1.0\r\nCSe");
        }
        talk.reset();
    }
}

fn unread_answers(scene: &mut Scene, count: usize) {
    let url = scene.server.url("alaw.wav");
    let requests = format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n").repeat(400);
    for i in 0..count {
        let mut talk = scene.connect();
        // The server may stop reading.
        talk.stream.set_nonblocking(true).expect("make it non-blocking");
        talk.say(requests.as_bytes());
        if i % 2 == 0 { talk.reset() } else { drop(talk) }
    }
}

fn unknown_files(scene: &mut Scene, count: usize) {
    const NAMES: [&str; 10] = [
        "nothing.wav",
        "",
        "/",
        "../Cargo.toml",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "alaw.wav%00.mkv",
        "alaw.wav/alaw.wav",
        "%2fetc%2fpasswd",
        ".hidden.wav",
    ];
    for i in 0..count {
        let name = match NAMES.get(i % (NAMES.len() + 1)) {
            Some(name) => (*name).to_owned(),
            None => format!("{:x}.mkv", scene.random()),
        };
        let url = format!("rtsp://{}/{name}", scene.server.address);
        let mut talk = scene.connect();
        let answer = talk.ask("DESCRIBE", &url, "");
        assert_eq!(answer.status, 404, "{name:?}");
    }
}

fn bad_files(scene: &mut Scene, count: usize) {
    let names: Vec<String> = std::fs::read_dir(testdata("bad"))
        .expect("list the bad files")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    for i in 0..count {
        let url = scene.server.url(&names[i % names.len()]);
        let mut talk = scene.connect();
        let described = talk.ask("DESCRIBE", &url, "");
        if described.status != 200 {
            assert!([404, 415, 503].contains(&described.status), "{url}: {described:?}");
            continue;
        }
        // What is left of it can be played.
        let set_up = talk.set_up_tcp(&url);
        if set_up.status == 200 {
            assert_eq!(talk.play(&url, set_up.session()).status, 200, "{url}");
        }
    }
}

fn set_up_tcp_and_vanish(scene: &mut Scene, count: usize) {
    let url = scene.server.url("slices.264");
    for i in 0..count {
        let mut talk = scene.connect();
        let answer = talk.set_up_tcp(&url);
        assert_eq!(answer.status, 200, "{answer:?}");
        if i % 8 == 0 {
            // Sessions, as many as the channels allow, all without a name.
            for _ in 0..20 {
                talk.set_up_tcp(&url);
            }
        }
        if i % 2 == 0 { talk.reset() } else { drop(talk) }
    }
}

fn set_up_udp_and_vanish(scene: &mut Scene, count: usize) {
    let url = scene.server.url("slices.264");
    for i in 0..count {
        let mut talk = scene.connect();
        let answer = talk.set_up_udp(&url, 9000);
        assert_eq!(answer.status, 200, "{answer:?}");
        if i % 2 == 0 { talk.reset() } else { drop(talk) }
    }
}

fn play_and_never_read(scene: &mut Scene, count: usize) {
    let url = scene.server.url("pcm16.wav");
    let mut open = Vec::new();
    for _ in 0..count {
        let mut talk = scene.connect();
        let session = talk.set_up_tcp(&url).session().to_owned();
        talk.say(
            format!("PLAY {url} RTSP/1.0\r\nCSeq: 9\r\nSession: {session}\r\n\r\n").as_bytes(),
        );
        open.push(talk);
        if open.len() >= 50 {
            open.remove(0);
        }
    }
}

fn play_and_reset(scene: &mut Scene, count: usize) {
    for i in 0..count {
        let url = scene.server.url(["h264_aac.mkv", "program.ts", "stereo.aac"][i % 3]);
        let mut talk = scene.connect();
        let session = talk.set_up_tcp(&url).session().to_owned();
        talk.play(&url, &session);
        talk.reset();
    }
}

fn play_udp_and_vanish(scene: &mut Scene, count: usize) {
    for i in 0..count {
        let url = scene.server.url(["h264_aac.mkv", "slices.264", "alaw.wav"][i % 3]);
        let mut talk = scene.connect();
        let (rtp, _rtcp) = port_pair(talk.host());
        let set_up = talk.set_up_udp(&url, port_of(&rtp));
        assert_eq!(talk.play(&url, set_up.session()).status, 200, "{url}");
    }
}

fn rtcp_garbage(scene: &mut Scene, count: usize) {
    let url = scene.server.url("alaw.wav");
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("bind a port");
    for _ in 0..count {
        let mut talk = scene.connect();
        let (rtp, rtcp) = port_pair(talk.host());
        let set_up = talk.set_up_udp(&url, port_of(&rtp));
        assert_eq!(talk.play(&url, set_up.session()).status, 200, "{url}");
        let (to_rtp, to_rtcp) = set_up.server_ports();
        for _ in 0..10 {
            let length = scene.below(1500);
            let mut garbage = scene.garbage(length);
            if scene.below(2) == 0 {
                // It looks like RTCP at first.
                let kind = 200 + scene.below(8) as u8;
                garbage.splice(..garbage.len().min(4), [0x81, kind, 0, scene.below(40) as u8]);
            }
            for (socket, port) in [(&rtcp, to_rtcp), (&rtp, to_rtp), (&stranger, to_rtcp)] {
                // An error of an earlier one may come back here.
                let _ = socket.send_to(&garbage, ("127.0.0.1", port));
            }
        }
        let session = format!("Session: {}\r\n", set_up.session());
        assert_eq!(talk.ask("TEARDOWN", &url, &session).status, 200);
    }
}

fn interleaved_garbage(scene: &mut Scene, count: usize) {
    let url = scene.server.url("alaw.wav");
    for i in 0..count {
        let mut talk = scene.connect();
        if i % 2 == 0 {
            let session = talk.set_up_tcp(&url).session().to_owned();
            if i % 4 == 0 {
                talk.play(&url, &session);
            }
        }
        for _ in 0..5 {
            let length = scene.below(3000);
            let mut packet = vec![b'$', scene.below(4) as u8];
            packet.extend((length as u16).to_be_bytes());
            packet.extend(scene.garbage(length));
            talk.say(&packet);
        }
        // All that was whole is skipped, and the next request is understood.
        assert_eq!(talk.ask("OPTIONS", "*", "").status, 200);
        talk.say(b"$\x00\xff\xffhalf");
    }
}

/// Good and bad files in one folder.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("make a folder");
    let bad = std::fs::read_dir(testdata("bad")).expect("list the bad files");
    let good = std::fs::read_dir(testdata("media")).expect("list the good files");
    for file in bad.chain(good) {
        let file = file.expect("an entry");
        std::fs::copy(file.path(), folder.path().join(file.file_name())).expect("copy a file");
    }
    folder
}

#[test]
fn abuse_of_every_kind_leaves_nothing_behind() {
    let total = extent("RIVERRUN_ABUSE", SOME);
    let only = std::env::var("RIVERRUN_ABUSE_KIND").unwrap_or_default();
    let kinds: Vec<_> = KINDS.iter().filter(|(what, _)| what.contains(&*only)).collect();
    let each = total.div_ceil(kinds.len());
    let batch = each.div_ceil(2).min(VANISHING_AT_ONCE);
    let folder = folder();
    let mut scene = Scene::new(folder.path(), &["--session-timeout", "1"]);
    scene.assert_serves("the start");
    // Everything is done before it is counted, as many at once as later: what is free inside the
    // allocator depends on the greatest crowd.
    for (what, kind) in &kinds {
        kind(&mut scene, batch);
        scene.assert_serves(what);
    }
    // Files that it knows stay open; sessions of those who vanished end.
    std::thread::sleep(VANISHED);
    let baseline = scene.server.descriptors();
    let warm = scene.server.memory();
    for (what, kind) in &kinds {
        let (before, begin) = (scene.number, Instant::now());
        let mut left = each;
        let (mut service, mut quiet) = (Duration::ZERO, Duration::ZERO);
        while left > 0 {
            let now = left.min(batch);
            kind(&mut scene, now);
            left -= now;
            service = service.max(scene.assert_serves(what));
            quiet = quiet.max(scene.server.await_descriptors(baseline, PATIENCE));
        }
        eprintln!(
            "{:6} × {what}: {:.1} s; then a good client takes {:.2} s at most, descriptors are \
             back after {:.2} s, {} KiB, {} lines logged",
            scene.number - before,
            begin.elapsed().as_secs_f32(),
            service.as_secs_f32(),
            quiet.as_secs_f32(),
            scene.server.memory(),
            scene.server.logged(),
        );
    }
    let after = scene.server.memory();
    eprintln!("{} connections: {warm} KiB after the warm-up, {after} KiB after all", scene.number);
    assert!(after <= warm + warm / 10, "{after} KiB, {warm} KiB after the warm-up");
}

/// Raises the test's own limit; returns how many connections at once that, and the server's
/// equal limit, allow.
fn connections_at_once(wanted: usize) -> usize {
    let limit = riverrun::net::raise_descriptor_limit().expect("raise the limit");
    let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(SPARE_DESCRIPTORS);
    if room < wanted {
        eprintln!("the limit on descriptors allows {room} connections, not {wanted}");
    }
    wanted.min(room)
}

#[test]
fn ten_thousand_connections_at_once_are_answered() {
    let wanted = if extent("RIVERRUN_ABUSE", SOME) > SOME { 10_000 } else { 2000 };
    let count = connections_at_once(wanted);
    let mut scene = Scene::new(&testdata("media"), &[]);
    scene.assert_serves("the start");
    std::thread::sleep(Duration::from_millis(200));
    let (baseline, empty) = (scene.server.descriptors(), scene.server.memory());
    let begin = Instant::now();
    let mut talks: Vec<Talk> = (0..count).map(|_| scene.connect()).collect();
    let connected = begin.elapsed();
    // A part of them has half a request under way.
    for talk in talks.iter_mut().step_by(3) {
        talk.say(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n");
    }
    let service = scene.assert_serves("many connections");
    for (i, talk) in talks.iter_mut().enumerate() {
        let rest: &[u8] =
            if i % 3 == 0 { b"\r\n" } else { b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" };
        talk.say(rest);
    }
    for talk in &mut talks {
        assert_eq!(talk.answer().expect("an answer").status, 200);
    }
    let (answered, full) = (begin.elapsed(), scene.server.memory());
    drop(talks);
    let quiet = scene.server.await_descriptors(baseline, PATIENCE);
    scene.assert_serves("the end of many connections");
    eprintln!(
        "{count} connections at once: connected after {:.2} s, all answered after {:.2} s, a good \
         client in between took {:.2} s; descriptors back after {:.2} s; {empty} KiB before, \
         {full} KiB with them ({:.2} KiB each), {} KiB after",
        connected.as_secs_f32(),
        answered.as_secs_f32(),
        service.as_secs_f32(),
        quiet.as_secs_f32(),
        (full.saturating_sub(empty)) as f64 / count as f64,
        scene.server.memory(),
    );
}

/// Share of a processor, in percent, that players which do not read may cost: what it takes to
/// packetize for them, but a spinning loop would take all.
const STUCK_LOAD: f64 = if cfg!(debug_assertions) { 50.0 } else { 6.0 };

#[test]
fn idle_and_stuck_clients_cost_nothing() {
    let mut scene = Scene::new(&testdata("media"), &["--loop"]);
    let baseline = scene.server.descriptors();
    let idle: Vec<Talk> = (0..connections_at_once(1000)).map(|_| scene.connect()).collect();
    scene.assert_serves("idle connections");
    let load = scene.server.load_over(Duration::from_secs(2));
    eprintln!("{} idle connections: {load:.2} % of a processor", idle.len());
    assert!(load < 1.0, "idle connections take {load} %");

    let url = scene.server.url("pcm16.wav");
    let mut stuck = Vec::new();
    for number in 0..20 {
        // A small window, so that it is soon full.
        let small = |socket: &socket2::Socket| socket.set_recv_buffer_size(4096);
        let mut talk = Talk::connect_with(scene.server.address, number, small).expect("connect");
        let session = talk.set_up_tcp(&url).session().to_owned();
        assert_eq!(talk.play(&url, &session).status, 200);
        stuck.push(talk);
    }
    let load = scene.server.load_over(Duration::from_secs(4));
    eprintln!("and 20 players that do not read: {load:.2} % of a processor");
    assert!(load < STUCK_LOAD, "players that do not read take {load} %");
    scene.assert_serves("players that do not read");
    drop(idle);
    if extent("RIVERRUN_ABUSE", SOME) <= SOME {
        return;
    }
    // They are given up in the end, some time after the system's buffers are full.
    let given_up = scene.server.await_descriptors(baseline, Duration::from_secs(60));
    eprintln!("they are closed after {:.1} s more", given_up.as_secs_f32());
    drop(stuck);
}

#[test]
fn out_of_descriptors_it_neither_spins_nor_forgets_who_waits() {
    const LIMIT: usize = 200;
    let folder = testdata("media");
    let mut server = Server::start_with_descriptors(LIMIT, &folder, &[]);
    let baseline = server.descriptors();
    let mut talks: Vec<Talk> = (0..LIMIT + 100)
        // Each from an address of its own: one alone cannot take the last descriptors.
        .map(|i| Talk::connect(server.address, i * CONNECTIONS_AN_ADDRESS))
        .map(|talk| talk.expect("the system takes the connection"))
        .collect();
    // One that was taken asks for descriptors too.
    let url = server.url("alaw.wav");
    let refused = talks[0].set_up_udp(&url, 9000);
    assert!([503, 404, 415].contains(&refused.status), "{refused:?}");
    assert!(server.descriptors() >= LIMIT);
    let logged = server.logged();
    let load = server.load_over(Duration::from_secs(2));
    eprintln!("out of descriptors: {load:.2} % of a processor");
    assert!(load < 2.0, "out of descriptors it takes {load} %");
    server.assert_alive();
    assert!(server.logged() - logged < 20, "it logs and logs");
    // Room for those who wait.
    talks.drain(..150);
    for talk in &mut talks {
        assert_eq!(talk.ask("OPTIONS", "*", "").status, 200);
    }
    let answer = talks[0].ask("DESCRIBE", &url, "");
    assert_eq!(answer.status, 200, "what was refused for want of descriptors is there again");
    drop(talks);
    server.await_descriptors(baseline + 1, PATIENCE);
}

#[test]
fn a_flood_of_sessions_ends_at_the_limit_and_passes() {
    let mut scene =
        Scene::new(&testdata("media"), &["--max-sessions", "50", "--session-timeout", "1"]);
    let url = scene.server.url("alaw.wav");
    let mut made = 0;
    // Each at ports of its own: at the same ones a session takes the place of the one before.
    for number in 0..200 {
        let mut talk = scene.connect();
        let answer = talk.set_up_udp(&url, 9000 + 2 * number);
        if answer.status == 200 {
            made += 1;
        } else {
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(answer.header("Retry-After").is_some(), "{answer:?}");
        }
    }
    assert!((50..100).contains(&made), "{made} sessions");
    std::thread::sleep(VANISHED);
    scene.assert_serves("a flood of sessions");
}
