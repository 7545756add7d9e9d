//! The programs that measure: `rtsp_load` and `receive_limit`, against a server of one's own.

#[path = "support/process.rs"]
mod process;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process::{Server, example, testdata};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A program that takes longer is taken to hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a program prints and says, and its status.
fn run(program: &str, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = Command::new(example(program)).args(arguments).env_remove("RUST_LOG").output();
    texts(output.expect("it runs"))
}

fn texts(output: Output) -> (String, String, Option<i32>) {
    let [out, log] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
    (out, log, output.status.code())
}

/// A figure of a JSON object, as it stands there.
fn figure<'a>(json: &'a str, name: &str) -> &'a str {
    let after = json.split_once(&format!("\"{name}\": ")).map(|(_, after)| after);
    let after = after.unwrap_or_else(|| panic!("no {name}: {json}"));
    after.split([',', '}']).next().unwrap_or_default()
}

fn number(json: &str, name: &str) -> f64 {
    figure(json, name).parse().unwrap_or_else(|_| panic!("{name} is none: {json}"))
}

#[test]
fn a_load_is_measured() {
    let server = Server::start(&testdata("media"), &["--loop"]);
    let urls = ["h264_aac.mkv", "slices.264", "nothing"].map(|file| server.url(file));
    let pid = server.id().to_string();
    let load = |options: &[&str]| {
        let always = ["--json", "--seconds", "1", "--warm-up", "0.1", "--clients", "3"];
        run("rtsp_load", &[&always, options].concat())
    };
    for transport in ["udp", "tcp", "auto"] {
        let options = ["--transport", transport, "--pid", &pid, &urls[0], &urls[1]];
        let (json, log, status) = load(&options);
        assert_eq!(status, Some(0), "{json}{log}");
        assert!(["up", "clients"].iter().all(|name| figure(&json, name) == "3"), "{json}");
        assert!(["silent", "lost"].iter().all(|name| figure(&json, name) == "0"), "{json}");
        for name in ["packets", "mbit_per_s", "late_ms_max", "load_ns_per_packet", "server_kib"] {
            assert!(number(&json, name) > 0.0, "{name}: {json}");
        }
        assert!(number(&json, "first_packet_ms_p50") >= 0.0, "{json}");
    }
    let (json, log, status) = load(&["--churn", "--pid", &pid, &urls[1]]);
    assert_eq!(status, Some(0), "{json}{log}");
    assert!(number(&json, "cycles") > 1.0 && number(&json, "cycle_ms_p99") > 0.0, "{json}");
    assert!(number(&json, "server_us_per_cycle") > 0.0, "{json}");
    // One of two is not there.
    let (json, log, status) = load(&[&urls[1], &urls[2]]);
    assert_eq!((status, figure(&json, "up")), (Some(1), "2"), "{json}{log}");
    assert!(json.contains("404") && log.contains("1 failures, 1 clients not up"), "{json}{log}");
}

#[test]
fn a_load_that_is_interrupted_leaves_in_order() {
    let server = Server::start(&testdata("media"), &["--loop"]);
    let url = server.url("h264_aac.mkv");
    let child = Command::new(example("rtsp_load"))
        .args(["--transport", "tcp", "--seconds", "1000", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    wait_until("it plays", || server.has_logged("starts: "));
    let pid = i32::try_from(child.id()).expect("process ids are small");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("it runs");
    let (figures, log, status) = texts(child.wait_with_output().expect("it ends"));
    assert!(figures.contains("clients  1\n") && figures.contains("failures  {}"), "{figures}");
    assert!(status.is_some(), "{log}");
    wait_until("its session ends", || server.has_logged("ends: "));
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waits in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_limit_of_receiving_is_measured() {
    let server = Server::start(&testdata("media"), &["--loop"]);
    let url = server.url("slices.264");
    for transport in [&[][..], &["--tcp"]] {
        let always = ["--json", "--seconds", "1", "--warm-up", "0.1", "--clients", "2", &url];
        let (json, log, status) = run("receive_limit", &[transport, &always].concat());
        assert_eq!(status, Some(0), "{json}{log}");
        assert_eq!(figure(&json, "silent"), "0", "{json}");
        assert!(number(&json, "load_ns_per_packet") > 0.0, "{json}");
    }
}
