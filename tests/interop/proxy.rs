//! The `proxy_server` example between other servers and other players, and other proxies in front of
//! `media_server`.

use crate::ffmpeg::{ffmpeg, outputs, read_all, tracks_of_file};
use crate::media::{Kind, Media, of_file};
use crate::server::{Server, example};
use crate::servers::{
    Running, gstreamer, gstreamer_is_there, gstreamer_of, live555, live555_is_there,
};
use crate::streams::part_of;
use crate::tools::{all, have_optional, run, run_now, scratch};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Seconds that a player watches; the files are longer.
const WATCHED: &str = "2";
/// Slices of video that arrive in that time, at least.
const LEAST: usize = 20;

/// A proxy of these URLs, and the URL of each stream without its name.
fn proxy(options: &[&str], urls: &[String]) -> (Running, String) {
    let mut command = Command::new(example("proxy_server"));
    command.env("RUST_LOG", "warn").args(["--bind", "127.0.0.1", "-p", "0"]);
    let running = Running::start(command.args(options).args(urls));
    let url = running.find(|line| {
        let url = line.split_whitespace().next().filter(|url| url.starts_with("rtsp://"))?;
        Some(url.rsplit_once('/')?.0.to_owned())
    });
    (running, url)
}

/// FFmpeg watches for a while; what has come is a part of the file.
fn watch(media: &Media, url: &str, over: &str, folder: &Path) -> Result<(), String> {
    let mut command = ffmpeg();
    command.args(["-rtsp_transport", over, "-i", url, "-t", WATCHED]);
    outputs(&mut command, &media.tracks[..1], "arrived");
    let played = run(&mut command, folder, Duration::from_secs(40));
    if !played.succeeded {
        return Err(format!("ffmpeg: {}", played.complaints));
    }
    let sent = tracks_of_file(media, folder)?;
    let arrived = read_all(folder, "arrived", 1)?;
    match media.tracks[0] {
        kind @ (Kind::H264 | Kind::H265) => part_of(kind, &sent[0], &arrived[0], LEAST),
        _ => {
            let found = sent[0].windows(arrived[0].len()).any(|part| part == arrived[0]);
            if found && arrived[0].len() > 8000 {
                Ok(())
            } else {
                Err(format!("{} bytes that are no part of the file", arrived[0].len()))
            }
        }
    }
}

/// Each way to the source, and both transports from the proxy. Each has a proxy of its own, which
/// opens the source for it: the files are short.
fn watch_all(ways: &[&[&str]], files: &[(&str, String)]) {
    let mut jobs = Vec::new();
    for way in ways {
        for (file, url) in files {
            for over in ["udp", "tcp"] {
                jobs.push((format!("{way:?}: {file} over {over}"), (*way, file, url, over)));
            }
        }
    }
    all(jobs, |(way, file, url, over)| {
        let (_folder, folder) = scratch();
        let (_proxy, proxy) = proxy(way, std::slice::from_ref(url));
        watch(&of_file(file), &format!("{proxy}/proxyStream"), over, &folder)
    });
}

/// What ffprobe finds is what the source describes.
fn finds(url: &str, expected: &str) {
    let (_folder, folder) = scratch();
    let mut command = Command::new("ffprobe");
    command
        .args(["-loglevel", "warning", "-rtsp_transport", "tcp", "-analyzeduration", "2000000"])
        .args(["-show_entries", "stream=codec_name", "-of", "csv=p=0", url]);
    let probed = run_now(&mut command, &folder, Duration::from_secs(30));
    assert!(probed.succeeded, "{}", probed.complaints);
    for codec in expected.split(' ') {
        assert!(probed.stdout.contains(codec), "{:?}", probed.stdout);
    }
}

#[test]
fn ffmpeg_watches_gstreamers_server_through_the_proxy() {
    if !gstreamer_is_there() {
        return;
    }
    let (_server, server) = gstreamer("bob:secret");
    let files = ["h264_aac.mkv", "h265_mp3.mkv", "mulaw.wav"];
    let files = files.map(|file| (file, format!("{server}{file}")));
    let ways = [&["-u", "bob", "secret", "--udp"][..], &["-u", "bob", "secret", "-t"]];
    watch_all(&ways, &files);
    let (_proxy, proxy) = proxy(ways[0], &files.map(|(_, url)| url));
    finds(&format!("{proxy}/proxyStream-1"), "h264 aac");
    finds(&format!("{proxy}/proxyStream-2"), "hevc mp3");
}

#[test]
fn ffmpeg_watches_live555s_server_through_the_proxy() {
    if !live555_is_there() {
        return;
    }
    let (_server, port, tunnel) = live555();
    let file = "h264_aac.mkv";
    let url = format!("rtsp://127.0.0.1:{port}/{file}");
    watch_all(&[&["--udp"][..], &["-t"], &["-T", &tunnel]], &[(file, url.clone())]);
    let (_proxy, proxy) = proxy(&[], &[url]);
    finds(&format!("{proxy}/proxyStream"), "h264 aac");
}

/// live555's proxy of a URL, and the URL of its stream.
fn live555s_proxy(options: &[&str], url: &str) -> (Running, String) {
    let free = std::net::TcpListener::bind("0.0.0.0:0").expect("a free port");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let mut command = Command::new("sh");
    let script = format!("exec live555ProxyServer -p {port} \"$@\" 2>&1");
    command.args(["-c", &script, "sh"]).args(options).arg(url);
    let running = Running::start(&mut command);
    running.find(|line| line.contains("Play this stream").then_some(()));
    (running, format!("rtsp://127.0.0.1:{port}/proxyStream"))
}

/// Few systems have a package of it, so it is never required.
#[test]
fn ffmpeg_watches_our_server_through_live555s_proxy() {
    let probe = ["sh", "-c", "command -v live555ProxyServer"];
    if !have_optional("live555ProxyServer", &probe) || !crate::ffmpeg::there() {
        return;
    }
    let server = Server::of_media();
    let mut jobs = Vec::new();
    for file in ["h264_aac.mkv", "bframes.h264", "mulaw.wav"] {
        for (way, options) in [("UDP", &[][..]), ("TCP", &["-t"][..])] {
            for over in ["udp", "tcp"] {
                jobs.push((format!("{file} by {way}, watched by {over}"), (file, options, over)));
            }
        }
    }
    all(jobs, |(file, options, over)| {
        let (_folder, folder) = scratch();
        let (_proxy, url) = live555s_proxy(options, &server.url(file));
        watch(&of_file(file), &url, over, &folder)
    });
}

#[test]
fn ffmpeg_watches_our_server_through_gstreamers() {
    if !gstreamer_is_there() {
        return;
    }
    let server = Server::of_media();
    let mut jobs = Vec::new();
    for by in ["tcp", "udp"] {
        for over in ["udp", "tcp"] {
            jobs.push((format!("by {by}, watched by {over}"), (by, over)));
        }
    }
    all(jobs, |(by, over)| {
        let (_folder, folder) = scratch();
        let source = format!("rtspsrc location={} protocols={by}", server.url("bframes.h264"));
        let (_between, url) = gstreamer_of(&[format!(
            "film={source} ! rtph264depay ! h264parse ! rtph264pay name=pay0 pt=96"
        )]);
        watch(&of_file("bframes.h264"), &format!("{url}film"), over, &folder)
    });
}
