//! Players with a password: FFmpeg, GStreamer and openRTSP against a server that asks for Digest.

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
    let elements = ["rtspsrc", "fakesink"];
    let there = |e: &&str| have(&format!("GStreamer's {e}"), &["gst-inspect-1.0", "--exists", e]);
    if !elements.iter().all(there) {
        return;
    }
    let (_folder, folder) = scratch();
    let server = guarded(&folder);
    for protocols in ["tcp", "udp"] {
        knows(&server, "rtspsrc", &folder, |url| {
            let mut command = Command::new("gst-launch-1.0");
            let location = format!("location={url}");
            let protocols = format!("protocols={protocols}");
            command.args([
                "-q",
                "rtspsrc",
                &location,
                &protocols,
                "!",
                "fakesink",
                "num-buffers=20",
            ]);
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
