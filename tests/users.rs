//! `rtsp_users` makes a users file, and `media_server` lets in whom it names. `cargo test` builds
//! the programs; before `cargo test --test users` alone run `cargo build --examples`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::process::{Server, example, testdata};
use support::secrets::has_secret;

mod support {
    pub(crate) mod process;
    pub(crate) mod secrets;
}

const PASSWORD: &str = "s3cret-9";

/// Runs `rtsp_users` with this on its standard input.
fn users(file: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(example("rtsp_users"))
        .arg(file)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[track_caller]
fn fails(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(why), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
}

/// Whether a client that plays the URL gets frames.
fn plays(server: &Server, user: &str, path: &str) -> bool {
    let url = format!("rtsp://{user}{}/{path}", server.address);
    let mut client = Command::new(example("rtsp_client"))
        .args(["--tcp", &url])
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut log = client.stderr.take().expect("piped");
    let log = std::thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).map(|_| text)
    });
    let lines = BufReader::new(client.stdout.take().expect("piped")).lines();
    // Where it is not let in, it ends or says that it tries again.
    let first = lines
        .map_while(Result::ok)
        .find(|line| [" bytes", "again in"].iter().any(|what| line.contains(what)));
    let _ = client.kill();
    let _ = client.wait();
    let log = log.join().expect("it is read").expect("text");
    assert!(!has_secret(&log), "{log}");
    first.is_some_and(|line| line.contains(" bytes"))
}

/// Waits for what another process or thread does.
#[track_caller]
fn awaits(expected: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !expected() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn whom_the_file_names_may_watch() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users");
    let line = format!("{PASSWORD}\n");
    fails(&users(&file, &["remove", "ann"], ""), "No such file");
    succeeds(&users(&file, &["--realm", "cams", "set", "ann"], &line));
    let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it is secret");
    succeeds(&users(&file, &["set", "b ob"], "s3cret-other\n"));
    succeeds(&users(&file, &["--slow", "--rounds", "1000", "set", "cleo"], &line));
    succeeds(&users(&file, &["key"], ""));
    fails(&users(&file, &["set", "dan"], ""), "no password");
    fails(&users(&file, &["set", "an:n"], &line), "line ");
    fails(&users(&file, &["set", "dan", PASSWORD], ""), "argument");
    assert_eq!(succeeds(&users(&file, &["check"], "")), "3 users, 0 rules\n");
    let text = std::fs::read_to_string(&file).expect("it is there");
    assert!(text.starts_with("realm cams\nuser ann md5=") && !text.contains(PASSWORD), "{text}");
    assert!(
        text.contains("\nuser b%20ob md5=") && text.contains("\nuser cleo pbkdf2-sha256=1000:")
    );

    let path = file.to_str().expect("text");
    let options = ["--loop", "--users", path];
    let server = Server::start_watched(&testdata("media"), &options, has_secret);
    awaits(|| server.has_logged("1 of 3 users have no hash but pbkdf2-sha256"));
    let (ann, wrong) = (format!("ann:{PASSWORD}@"), "ann:guess@");
    assert!(plays(&server, &ann, "alaw.wav") && !plays(&server, wrong, "alaw.wav"));
    assert!(plays(&server, "b%20ob:s3cret-other@", "alaw.wav") && !plays(&server, "", "alaw.wav"));
    let token = succeeds(&users(&file, &["token", "alaw.wav"], ""));
    let token = token.trim();
    assert!(plays(&server, "", &format!("alaw.wav?token={token}")));
    assert!(!plays(&server, "", &format!("mulaw.wav?token={token}")));

    // Other passwords and rules, for a server that runs, and one who watches and soon may not.
    let url = format!("rtsp://b%20ob:s3cret-other@{}/alaw.wav", server.address);
    let mut watching = Command::new(example("rtsp_client"))
        .args(["--tcp", &url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(watching.stdout.take().expect("piped")).lines();
    assert!(lines.any(|line| line.expect("text").contains(" bytes")), "he watches");
    succeeds(&users(&file, &["set", "ann"], "s3cret-new\n"));
    succeeds(&users(&file, &["remove", "b ob"], ""));
    let text = std::fs::read_to_string(&file).expect("it is there");
    std::fs::write(&file, text + "allow ann describe,play alaw.wav\n").expect("written");
    fails(&users(&file, &["remove", "ann"], ""), "line ");
    let pid = Pid::from_raw(i32::try_from(server.id()).expect("a process id"));
    let hang_up = |expected: &dyn Fn() -> bool| {
        kill(pid, Signal::SIGHUP).expect("it runs");
        awaits(expected);
    };
    hang_up(&|| server.has_logged("ends: no longer permitted"));
    let _ = watching.kill();
    let _ = watching.wait();
    assert!(plays(&server, "ann:s3cret-new@", "alaw.wav"));
    assert!(!plays(&server, "b%20ob:s3cret-other@", "alaw.wav"));
    assert!(!plays(&server, "ann:s3cret-new@", "mulaw.wav"), "there is a rule now");
    // A file with a fault changes nothing, and the log says where it is.
    std::fs::write(&file, "realm cams\nallow anyone * *\nuser x\n").expect("written");
    hang_up(&|| server.has_logged("line 3: a user without a hash"));
    assert!(!plays(&server, "", "alaw.wav") && plays(&server, "ann:s3cret-new@", "alaw.wav"));
    assert!(!server.has_logged(PASSWORD) && !server.has_logged(token));
}

#[test]
fn what_a_server_cannot_use_it_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users");
    std::fs::write(&file, "realm cams\nusr ann\n").expect("written");
    let path = file.to_str().expect("text");
    for (options, why) in [
        (&["--users", path][..], "line 2: "),
        (&["--users", "no/such/file"], "no/such/file"),
        (&["--realm", "cams"], "--users"),
    ] {
        let output = Command::new(example("media_server"))
            .args(["--bind", "127.0.0.1", "--port", "0"])
            .args(options)
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        fails(&output, why);
    }
    succeeds(&users(&folder.path().join("new"), &["set", "ann"], "x\n"));
    let path = folder.path().join("new");
    let output = Command::new(example("media_server"))
        .args(["--bind", "127.0.0.1", "--port", "0", "--realm", "garden", "--users"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    fails(&output, "another realm");
}
