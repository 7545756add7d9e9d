//! `rtsp_probe` against servers: what it tells, what it checks, and its exit status. `cargo test`
//! builds the programs; before `cargo test --test probe` alone run `cargo build --examples`.

#[path = "support/process.rs"]
mod process;
#[path = "support/secrets.rs"]
mod secrets;

use process::{Server, example, testdata};
use serde_json::Value;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

/// The password in these tests, which nobody is to tell.
const PASSWORD: &str = "s3cret-open";

fn probe(arguments: &[&str]) -> Output {
    let output =
        Command::new(example("rtsp_probe")).args(arguments).env("RUST_LOG", "trace").output();
    let output = output.expect("it runs");
    for told in [&output.stdout, &output.stderr] {
        let told = String::from_utf8_lossy(told);
        assert!(!secrets::has_secret(&told), "{told}");
    }
    output
}

fn exit_of(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

/// Runs it with `--json`, and compares its exit status with the one in the JSON.
fn probe_json(arguments: &[&str]) -> Value {
    let output = probe(&[&["--json"], arguments].concat());
    let json: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {output:?}"));
    assert_eq!(json["exit"], exit_of(&output), "{json}");
    json
}

#[test]
fn tells_what_a_film_is() {
    let server = Server::start(&testdata("media"), &["--loop"]);
    for (option, transport) in [("--udp", "UDP"), ("--tcp", "TCP")] {
        let json = probe_json(&[option, "--seconds", "2", &server.url("h264_aac.mkv")]);
        assert_eq!((&json["status"], &json["error"]), (&"plays".into(), &Value::Null), "{json}");
        assert_eq!(json["transport"], transport);
        assert_eq!(json["server"]["address"], server.address.to_string());
        assert!(json["server"]["software"].as_str().unwrap().starts_with("riverrun/"), "{json}");
        assert_eq!(json["server"]["session_timeout_s"], 60);
        let methods = json["server"]["methods"].as_array().unwrap();
        assert!(methods.contains(&"GET_PARAMETER".into()), "{json}");
        assert_eq!(json["session"]["info"], "h264_aac.mkv");
        assert_eq!((&json["odd"], &json["attempts"]), (&Value::Array(vec![]), &json["odd"]));
        let times = &json["times_ms"];
        let order = ["connected", "described", "playing", "first_frame", "first_key_frame"];
        let order: Vec<_> = order.iter().map(|name| times[name].as_f64().unwrap()).collect();
        assert!(order.is_sorted() && order[0] > 0.0, "{times}");

        let [video, audio] = &json["tracks"].as_array().unwrap()[..] else { panic!("{json}") };
        assert_eq!((&video["kind"], &video["codec"]), (&"video".into(), &"H264".into()));
        assert_eq!((&video["payload_type"], &video["clock_rate"]), (&96.into(), &90_000.into()));
        let facts = &video["video"];
        assert_eq!((&facts["width"], &facts["height"]), (&320.into(), &180.into()));
        assert_eq!((&facts["profile"], &facts["level"]), (&"High".into(), &"1.2".into()));
        assert_eq!(facts["frame_rate"], 25.0);
        let sets = &video["parameter_sets"];
        assert_eq!(sets["pps"], Value::from(["68ebe112c8b0"].as_slice()));
        assert!(sets["sps"][0].as_str().unwrap().starts_with("676400"), "{sets}");
        let received = &video["received"];
        assert_eq!((&received["transport"], &received["lost"]), (&transport.into(), &0.into()));
        let rate = received["frame_rate"].as_f64().unwrap();
        assert!((24.5..25.5).contains(&rate), "{received}");
        let frames = received["frames"].as_u64().unwrap();
        assert!((45..70).contains(&frames), "{received}");
        assert!(received["key_frames"].as_u64().unwrap() >= 2, "{received}");
        assert_eq!(received["synchronized"], true, "{received}");
        assert!(received["cname"].as_str().unwrap().contains('@'), "{received}");

        assert_eq!((&audio["kind"], &audio["channels"]), (&"audio".into(), &2.into()));
        assert_eq!(audio["audio"]["coding"], "AAC-LC");
        assert_eq!(audio["audio"]["sampling_rate"], 44_100);
        assert_eq!(audio["parameter_sets"]["config"][0], "121056e500");
        let bits = audio["received"]["bit_rate"].as_f64().unwrap();
        assert!((60e3..70e3).contains(&bits), "{audio}");
        assert_eq!(audio["video"], Value::Null);
    }
}

#[test]
fn tells_what_other_files_are() {
    let server = Server::start(&testdata("media"), &["--loop"]);
    let of = |name: &str| probe_json(&["--tcp", "--seconds", "0.5", &server.url(name)]);
    let json = of("bframes.h265");
    let facts = &json["tracks"][0]["video"];
    assert_eq!((&facts["profile"], &facts["level"]), (&"Main".into(), &"2".into()), "{json}");
    assert_eq!((&facts["chroma"], &facts["bit_depth"]), (&"4:2:0".into(), &8.into()), "{json}");
    let sets = &json["tracks"][0]["parameter_sets"];
    assert!(["vps", "sps", "pps"].iter().all(|kind| sets[kind][0].is_string()), "{json}");
    let json = of("cbr.mp3");
    assert_eq!(json["tracks"][0]["codec"], "MPA", "{json}");
    let coding = json["tracks"][0]["audio"]["coding"].as_str().unwrap();
    assert!(coding.starts_with("layer III, "), "{coding}");
    let json = of("alaw.wav");
    assert_eq!(json["tracks"][0]["payload_type"], 8, "{json}");
    assert_eq!(json["tracks"][0]["audio"]["sampling_rate"], 8000, "{json}");
    let json = of("program.ts");
    assert_eq!(json["tracks"][0]["codec"], "MP2T", "{json}");
}

#[test]
fn tells_people_the_same_in_lines() {
    let server = Server::start(&testdata("media"), &["--loop"]);
    let address = server.url("h264_aac.mkv").replace("rtsp://", "rtsp://bob:open5esame@");
    let output = probe(&["-t", "--seconds", "0.5", &address]);
    assert_eq!(exit_of(&output), 0, "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.starts_with(&format!("{}\n", server.url("h264_aac.mkv"))), "{text}");
    for line in [
        "  transport     TCP\n",
        "  track 1       video H264, payload type 96, 90000 Hz\n",
        "    picture     320x180, 25.00 frames/s, High profile, level 1.2, 4:2:0 8 bits\n",
        "  track 2       audio MPEG4-GENERIC, payload type 97, 44100 Hz, 2 channels\n",
        "    sound       AAC-LC, 44100 Hz, 2 channels\n",
        "    pps         68ebe112c8b0\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert!(text.lines().skip(1).all(|line| line.starts_with("  ")), "{text}");
}

#[test]
fn the_end_of_a_presentation_is_told() {
    let server = Server::start(&testdata("media"), &[]);
    let json = probe_json(&["--tcp", "--seconds", "60", &server.url("alaw.wav")]);
    assert_eq!((&json["ended"], &json["status"]), (&true.into(), &"plays".into()), "{json}");
    let (stated, received) = (&json["session"]["duration_s"], &json["tracks"][0]["received"]);
    let seconds = received["bytes"].as_f64().unwrap() / 8000.0;
    assert!((seconds - stated.as_f64().unwrap()).abs() < 0.001, "{json}");
}

#[test]
fn our_server_passes_each_check() {
    let server = Server::start(&testdata("media"), &["--loop"]);
    let film = server.url("h264_aac.mkv");
    let json = probe_json(&["--check", "--seconds", "6.5", &film]);
    assert_eq!((&json["failed"], &json["noted"]), (&0.into(), &0.into()), "{json:#}");
    assert_eq!(json["status"], "plays");
    let checks = json["checks"].as_array().unwrap();
    assert!(checks.len() > 40, "{json:#}");
    for check in checks {
        let section = check["section"].as_str().unwrap();
        assert!(section.starts_with("RFC "), "{check}");
        assert_eq!(check["verdict"], "ok", "{check}");
    }
    let udp = probe_json(&["--check", "--udp", "--seconds", "1", &server.url("stereo.aac")]);
    assert_eq!((&udp["failed"], &udp["noted"]), (&0.into(), &0.into()), "{udp:#}");
    let output = probe(&["--check", "--tcp", "--seconds", "0.5", &server.url("slices.265")]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(exit_of(&output), 0, "{text}");
    assert!(text.ends_with(" ok, 0 failed, 0 noted\n"), "{text}");
}

#[test]
fn the_exit_status_tells_why_it_does_not_play() {
    let server = Server::start(&testdata("media"), &[]);
    for check in [&[][..], &["--check"]] {
        let status = |address: &str| exit_of(&probe(&[check, &[address]].concat()));
        assert_eq!(status(&server.url("no-such-film")), 4);
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).unwrap();
        assert_eq!(status(&format!("rtsp://{closed}/x")), 2);
        assert_eq!(status(&format!("rtsp://{}/x", impostor(not_rtsp))), 2);
        assert_eq!(status("http://127.0.0.1/"), 1);
    }
}

#[test]
fn who_is_not_let_in_is_told_and_no_password_is() {
    let mut camera = Command::new(example("camera"));
    camera.args(["--bind", "127.0.0.1", "--port", "0", "--user", &format!("bob:{PASSWORD}")]);
    camera.current_dir(env!("CARGO_MANIFEST_DIR")).env("RUST_LOG", "trace");
    let mut camera = camera.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut log = camera.stderr.take().expect("piped");
    let log = thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).map(|_| text)
    });
    let mut line = String::new();
    let out = camera.stdout.take().expect("piped");
    BufReader::new(out).read_line(&mut line).expect("it prints its URL");
    let url = line.trim();
    let wrong = url.replace("rtsp://", &format!("rtsp://bob:{PASSWORD}X@"));
    let right = url.replace("rtsp://", &format!("rtsp://bob:{PASSWORD}@"));
    // The sensor of the camera sends once a second.
    let seconds = ["--tcp", "--seconds", "1.5"];
    let told = RefCell::new(Vec::new());
    let status = |more: &[&str]| {
        let output = probe(&[&seconds, more].concat());
        told.borrow_mut().push(String::from_utf8_lossy(&output.stdout).into_owned());
        exit_of(&output)
    };
    let statuses = [
        status(&[url]),
        status(&[&wrong]),
        status(&["--check", url]),
        status(&["--check", &wrong]),
        status(&["--json", "-u", "bob", "wrong", url]),
        status(&["-u", "bob", PASSWORD, url]),
        status(&["--json", &right]),
        status(&["--check", &right]),
    ];
    let _ = camera.kill();
    let _ = camera.wait();
    let log = log.join().expect("it is read").expect("text");
    assert!(log.contains("DESCRIBE") && !secrets::has_secret(&log), "{log}");
    assert_eq!(statuses, [3, 3, 3, 3, 3, 0, 0, 0], "{}", told.borrow().join("\n"));
}

#[test]
fn a_server_that_says_yes_to_all_and_sends_nothing_is_seen_through() {
    let url = format!("rtsp://{}/x", impostor(yes));
    let json = probe_json(&["--tcp", &url]);
    assert_eq!((&json["status"], &json["exit"]), (&"no_media".into(), &5.into()), "{json}");
    assert_eq!(json["tracks"][0]["codec"], "PCMU", "{json}");
    let json = probe_json(&["--tcp", "--check", "--seconds", "0.2", &url]);
    assert_eq!((&json["status"], &json["exit"]), (&"check_failed".into(), &6.into()), "{json:#}");
    for (section, verdicts) in [
        ("RFC 2326 10, 12.28", &["FAIL"][..]),
        ("RFC 2326 12.17", &["ok"]),
        ("RFC 2326 10", &["FAIL"]),
        ("RFC 2326 12.32", &["FAIL"]),
        ("RFC 2326 9.1", &["ok"]),
        ("RFC 2326 7.1.1", &["note"]),
        ("RFC 2326 12.1", &["note"]),
        ("RFC 2326 12.16", &["ok"]),
        ("RFC 4566 5", &["FAIL", "note"]),
        ("RFC 2326 11.3.12", &["FAIL"]),
        ("RFC 2326 11.3.5", &["FAIL", "FAIL"]),
        ("RFC 2326 12.33", &["note"]),
        ("RFC 2326 10.7", &["ok"]),
    ] {
        assert_eq!(verdicts_of(&json, section), verdicts, "{section}: {json:#}");
    }
}

#[test]
fn packets_that_are_not_what_was_announced_are_seen() {
    let url = format!("rtsp://{}/x", impostor(lie));
    let json = probe_json(&["--tcp", "--check", "--seconds", "0.2", &url]);
    assert_eq!(json["exit"], 6, "{json:#}");
    for (section, verdicts) in [
        ("RFC 2326 10.8", &["ok"][..]),
        ("RFC 2326 10.6", &["ok"]),
        ("RFC 3550 5.1", &["FAIL", "FAIL"]),
        ("RFC 2326 C.1.3, RFC 3550 5.1", &["FAIL"]),
        ("RFC 2326 12.39", &["FAIL"]),
        ("RFC 2326 12.33", &["ok", "FAIL", "FAIL"]),
        ("RFC 3550 6.2, 6.3.1", &["ok"]),
        ("RFC 3550 6.1", &["FAIL"]),
        ("RFC 3550 6.4.1", &["FAIL", "FAIL", "ok"]),
    ] {
        assert_eq!(verdicts_of(&json, section), verdicts, "{section}: {json:#}");
    }
}

fn verdicts_of<'j>(json: &'j Value, section: &str) -> Vec<&'j str> {
    let checks = json["checks"].as_array().expect("a list").iter();
    let of_section = checks.filter(|check| check["section"] == section);
    of_section.map(|check| check["verdict"].as_str().expect("a word")).collect()
}

/// Listens, and has a thread of its own answer each request with what `answer` makes of its head.
fn impostor(answer: fn(&str) -> Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || converse(stream, answer));
        }
    });
    address
}

fn converse(stream: TcpStream, answer: fn(&str) -> Vec<u8>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            // What the receiver reports is none of a request's.
            let is_packet = head.is_empty() && skips_packet(&mut stream);
            if !is_packet && stream.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        if stream.get_mut().write_all(&answer(&head)).is_err() {
            return;
        }
    }
}

/// Reads an interleaved packet, if there is one.
fn skips_packet(stream: &mut BufReader<TcpStream>) -> bool {
    let mut prefix = [0; 4];
    if stream.fill_buf().map_or(true, |bytes| bytes.first() != Some(&b'$'))
        || stream.read_exact(&mut prefix).is_err()
    {
        return false;
    }
    let mut packet = vec![0; usize::from(u16::from_be_bytes([prefix[2], prefix[3]]))];
    stream.read_exact(&mut packet).is_ok()
}

fn not_rtsp(_: &str) -> Vec<u8> {
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()
}

fn header<'h>(head: &'h str, name: &str) -> &'h str {
    head.lines().find(|line| line.starts_with(name)).unwrap_or_default()
}

const PCMU: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n";

/// Answers each request with 200, whatever it is.
fn yes(head: &str) -> Vec<u8> {
    let mut answer = format!("RTSP/1.0 200 OK\r\n{}\r\n", header(head, "CSeq: "));
    let mut body = "";
    match head.split(' ').next() {
        Some("OPTIONS") => answer.push_str("Public: OPTIONS, DESCRIBE\r\n"),
        Some("DESCRIBE") => {
            body = PCMU;
            answer.push_str("Content-Type: application/sdp\r\n");
        }
        Some("SETUP") => {
            let transport = header(head, "Transport: ");
            answer.push_str(&format!("Session: 12345678\r\n{transport}\r\n"));
        }
        _ => {}
    }
    format!("{answer}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The same, but announces other packets than it sends.
fn lie(head: &str) -> Vec<u8> {
    let (cseq, transport) = (header(head, "CSeq: "), header(head, "Transport: "));
    let is_played = header(head, "Session: ") == "Session: 12345678";
    let more = match head.split(' ').next() {
        Some("OPTIONS") => {
            "Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER\r\n".to_owned()
        }
        Some("SETUP") if transport.contains("TCP") => {
            format!("Session: 12345678\r\n{transport};ssrc=00000001\r\n")
        }
        Some("PLAY") if is_played && !header(head, "Range: ").is_empty() => {
            let url = head.split(' ').nth(1).unwrap_or_default();
            format!("RTP-Info: url={url};seq=9;rtptime=900000\r\n")
        }
        Some("SETUP" | "PLAY") => {
            return format!("RTSP/1.0 461 No\r\n{cseq}\r\n\r\n").into_bytes();
        }
        _ => return yes(head),
    };
    let mut answer = format!("RTSP/1.0 200 OK\r\n{cseq}\r\n{more}\r\n").into_bytes();
    if more.starts_with("RTP-Info") {
        // Packets of another SSRC and payload type, of which two lack, and one that is none.
        for sequence in [1, 2, 5] {
            answer.extend([b'$', 0, 0, 16, 0x80, 8, 0, sequence, 0, 0, 0, 160 - sequence]);
            answer.extend([0, 0, 0, 2, 1, 2, 3, 4]);
        }
        answer.extend([b'$', 0, 0, 12, 0xBF, 8, 0, 6, 0, 0, 0, 0, 0, 0, 0, 2]);
        // A sender report of a third SSRC, of another time, without a CNAME.
        answer.extend([b'$', 1, 0, 28, 0x80, 200, 0, 6, 0, 0, 0, 3, 0xE0, 0, 0, 0, 0, 0, 0, 0]);
        answer.extend([0, 15, 0, 0, 0, 0, 0, 3, 0, 0, 0, 12]);
    }
    answer
}
