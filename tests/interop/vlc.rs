//! VLC: every file, both transports; what it writes must have the tracks and the length of the
//! file. VLC begins and ends its output where it likes, so nothing is compared bit by bit.
//!
//! VLC plays RTSP with a module made of live555. Debian builds its VLC without it: such a VLC
//! opens no RTSP URL at all, and this test says that it was skipped.

use crate::media::{Carriage, Kind, Media, jobs};
use crate::server::Server;
use crate::tools::{all, have, run, run_now, scratch};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// VLC refuses to run as root.
fn vlc(folder: &Path) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "cvlc"]);
        command
    } else {
        Command::new("cvlc")
    };
    command.env("HOME", folder).args(["-I", "dummy", "--no-color"]);
    command
}

fn there() -> bool {
    if !have("VLC", &["sh", "-c", "command -v cvlc"]) {
        return false;
    }
    let (_folder, folder) = scratch();
    let listed = run_now(vlc(&folder).arg("--list"), &folder, Duration::from_secs(30));
    let module = listed.stdout.lines().any(|line| line.trim_start().starts_with("live555"));
    if !module {
        eprintln!("SKIPPED: this VLC was built without its live555 module and opens no RTSP URL");
    }
    module
}

/// Codecs and seconds of what VLC has written.
fn look(file: &Path, folder: &Path) -> Result<(Vec<String>, f64), String> {
    let mut command = Command::new("ffprobe");
    command.args(["-loglevel", "error", "-show_entries", "stream=codec_name:format=duration"]);
    command.args(["-of", "default=noprint_wrappers=1"]).arg(file);
    let probed = run_now(&mut command, folder, Duration::from_secs(20));
    let value = |line: &str, key: &str| line.strip_prefix(key).map(str::to_owned);
    let mut codecs: Vec<String> =
        probed.stdout.lines().filter_map(|l| value(l, "codec_name=")).collect();
    codecs.sort();
    codecs.dedup();
    let seconds = probed.stdout.lines().find_map(|l| value(l, "duration=")?.parse().ok());
    Ok((codecs, seconds.ok_or_else(|| format!("nothing was written: {}", probed.complaints))?))
}

fn job(server: &Server, media: &Media, over: &str) -> Result<(), String> {
    let (_folder, folder) = scratch();
    // A container that takes these codecs.
    let pcm = |kind: &Kind| matches!(kind, Kind::Pcm(_) | Kind::Mulaw | Kind::Alaw);
    let mux = match media.tracks {
        [only] if pcm(only) => "wav",
        tracks if tracks.iter().any(pcm) => "avformat{mux=matroska}",
        _ => "ts",
    };
    let file = folder.join("out");
    let mut command = vlc(&folder);
    if over == "tcp" {
        command.arg("--rtsp-tcp");
    }
    // VLC writes WAV in the byte order of the wire under a number that no reader knows.
    let turn = if mux == "wav" { "transcode{acodec=s16l}:" } else { "" };
    let output = format!("#{turn}standard{{access=file,mux={mux},dst={}}}", file.display());
    command.arg("--sout").arg(output);
    command.arg(server.url(media.file)).arg("vlc://quit");
    let played = run(&mut command, &folder, Duration::from_secs(40));
    if !played.succeeded {
        return Err(format!("VLC: {}", played.complaints));
    }
    let (found, seconds) =
        look(&file, &folder).map_err(|e| format!("{e}\n{}", played.complaints))?;
    let family = |kind: &Kind| match kind {
        // MPEG audio of either layer has one number in MPEG-2.
        Kind::Mp2 => "mp3",
        _ if mux == "wav" => "pcm_s16le",
        Kind::Pcm(_) => "pcm_s16be",
        kind => kind.codec_name(),
    };
    let mut expected: Vec<&str> = media.tracks.iter().map(family).collect();
    if media.file.ends_with("m2ts") {
        // VLC does not find AAC in such a file itself either.
        expected.retain(|name| *name == "h264");
    }
    expected.sort_unstable();
    let found: Vec<&str> =
        found.iter().map(|name| if name == "mp2" { "mp3" } else { name.as_str() }).collect();
    let order = |name: &str| name.replace("s16be", "s16").replace("s16le", "s16");
    if !found.iter().map(|n| order(n)).eq(expected.iter().map(|n| order(n))) {
        return Err(format!("found {found:?}, not {expected:?}"));
    }
    let least = match media.file {
        "a file.mkv" => 1.0,
        "video.webm" => 2.0,
        _ => 3.0,
    };
    let transport_stream = media.carriage != Carriage::Tracks;
    if seconds < least || (seconds > 6.5 && !transport_stream) {
        return Err(format!("{seconds} s were written\n{}", played.complaints));
    }
    Ok(())
}

#[test]
fn vlc_plays_every_file() {
    if !there() || !have("ffprobe", &["ffprobe", "-version"]) {
        return;
    }
    let server = Server::of_media();
    all(jobs(), |(media, over)| job(&server, &media, over));
}
