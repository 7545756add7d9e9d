//! Players with a password: FFmpeg, GStreamer and openRTSP against a server that asks for Digest.

use crate::gstreamer;
use crate::media::Kind;
use crate::server::{Server, testdata};
use crate::tools::{have, have_optional, run, scratch};
use riverrun::server::access::{User, users_file};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const FILE: &str = "slices.264";
const PASSWORD: &str = "s3cret-9";

/// A server for the user ann.
fn guarded(folder: &Path) -> Server {
    let user = User::with_password("ann", "cameras", PASSWORD);
    let realm = users_file::realm_entry("cameras");
    let text = format!("{realm}\n{}\n", users_file::user_entry(&user));
    let file = folder.join("users");
    std::fs::write(&file, text).expect("write the users file");
    Server::start(&testdata("media"), &["--users", file.to_str().expect("UTF-8")])
}

/// Runs a player with the right password and with a wrong one, and expects it to notice.
fn knows(server: &Server, what: &str, folder: &Path, command: impl Fn(&str) -> Command) {
    for (password, is_right) in [(PASSWORD, true), ("wrong", false)] {
        let url = format!("rtsp://ann:{password}@{}/{FILE}", server.address);
        let played = run(&mut command(&url), folder, Duration::from_secs(40));
        assert_eq!(played.succeeded, is_right, "{what} with {password}: {}", played.complaints);
    }
}

#[test]
fn ffmpeg_logs_in() {
    if !have("ffprobe", &["ffprobe", "-version"]) {
        return;
    }
    let (_folder, folder) = scratch();
    let server = guarded(&folder);
    for over in ["tcp", "udp"] {
        knows(&server, "ffprobe", &folder, |url| {
            let mut command = Command::new("ffprobe");
            command.args(["-loglevel", "warning", "-rtsp_transport", over, url]);
            command
        });
    }
}

#[test]
fn gstreamer_logs_in() {
    if !gstreamer::there() {
        return;
    }
    let (_folder, folder) = scratch();
    let server = guarded(&folder);
    let video = format!("video={}", gstreamer::depayloader(Kind::H264));
    for over in ["tcp", "udp"] {
        knows(&server, "rtspsrc", &folder, |url| {
            let mut command = Command::new(gstreamer::PYTHON);
            command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/receive.py"));
            command.args([url, over, &video]);
            command
        });
    }
}

#[test]
fn openrtsp_logs_in() {
    if !have_optional("openRTSP", &["sh", "-c", "command -v openRTSP"]) {
        return;
    }
    let (_folder, folder) = scratch();
    let server = guarded(&folder);
    for (password, is_right) in [(PASSWORD, true), ("wrong", false)] {
        let mut command = Command::new("openRTSP");
        command.args(["-u", "ann", password, "-d", "2", &server.url(FILE)]);
        let played = run(&mut command, &folder, Duration::from_secs(40));
        assert_eq!(played.succeeded, is_right, "openRTSP with {password}: {}", played.complaints);
    }
}
