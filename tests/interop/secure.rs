//! Players through HTTP tunnels and over TLS.

use crate::ffmpeg::{compare, ffmpeg, outputs, read_all, tracks_of_file};
use crate::gstreamer;
use crate::media::{Media, to_play};
use crate::server::Server;
#[cfg(feature = "tls")]
use crate::server::testdata;
use crate::tools::{all, have, run, run_now, scratch};
use std::process::Command;
use std::time::Duration;

/// Those with which it decrypts what MIKEY announces.
#[cfg(all(feature = "tls", feature = "srtp"))]
const SUITES_OF_GSTREAMER: [&str; 2] = ["AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80"];

/// A few are enough: what is in the stream does not matter here.
fn files() -> Vec<Media> {
    let files = ["bframes.h264", "h264_aac.mkv"];
    to_play().into_iter().filter(|media| files.contains(&media.file)).collect()
}

/// Receives with FFmpeg, and compares with the file.
fn ffmpeg_receives(media: &Media, over: &[&str], url: &str) -> Result<(), String> {
    let (_folder, folder) = scratch();
    let sent = tracks_of_file(media, &folder)?;
    let mut command = ffmpeg();
    command.args(over).args(["-i", url]);
    outputs(&mut command, media.tracks, "arrived");
    let played = run(&mut command, &folder, Duration::from_secs(40));
    if !played.succeeded {
        return Err(format!("ffmpeg: {}", played.complaints));
    }
    let arrived = read_all(&folder, "arrived", media.tracks.len())?;
    compare_all(media, &sent, &arrived, &played.complaints)
}

fn gstreamer_receives(media: &Media, over: &str, url: &str) -> Result<(), String> {
    let (_folder, folder) = scratch();
    let (arrived, complaints) = gstreamer::receive(media, url, over, &folder)?;
    let sent = tracks_of_file(media, &folder)?;
    let expected = media.tracks.iter().zip(sent).map(|(&k, sent)| gstreamer::expected(k, sent));
    let expected = expected.collect::<Result<Vec<_>, _>>()?;
    compare_all(media, &expected, &arrived, &complaints)
}

fn compare_all(
    media: &Media,
    sent: &[Vec<u8>],
    arrived: &[Vec<u8>],
    complaints: &str,
) -> Result<(), String> {
    for ((&kind, sent), arrived) in media.tracks.iter().zip(sent).zip(arrived) {
        let verdict = if kind.is_video() {
            compare(media, kind, sent, arrived)
        } else {
            crate::streams::same_bytes(sent, arrived)
        };
        verdict.map_err(|e| format!("{kind:?}: {e}\n{complaints}"))?;
    }
    Ok(())
}

fn there() -> bool {
    have("FFmpeg", &["ffmpeg", "-version"])
}

#[test]
fn players_receive_files_whole_through_http() {
    if !there() {
        return;
    }
    let server = Server::of_media();
    let mut jobs = Vec::new();
    for player in
        ["FFmpeg", "GStreamer"].into_iter().filter(|p| *p == "FFmpeg" || gstreamer::there())
    {
        jobs.extend(files().into_iter().map(|m| (format!("{player}, {}", m.file), (player, m))));
    }
    all(jobs, |(player, media)| {
        let url = server.url(media.file);
        match player {
            "FFmpeg" => ffmpeg_receives(&media, &["-rtsp_transport", "http"], &url),
            // This scheme asks for a tunnel.
            _ => gstreamer_receives(&media, "tcp", &url.replace("rtsp:", "rtsph:")),
        }
    });
}

#[test]
fn curl_is_answered_in_http() {
    if !have("curl", &["curl", "--version"]) {
        return;
    }
    let server = Server::of_media();
    let (_folder, folder) = scratch();
    let url = format!("http://{}/bframes.h264", server.address);
    let mut command = Command::new("curl");
    command.args(["-s", "-i", "--max-time", "10", &url]);
    let played = run_now(&mut command, &folder, Duration::from_secs(20));
    assert!(played.succeeded, "{}", played.complaints);
    assert!(played.stdout.starts_with("HTTP/1.0 404 "), "{}", played.stdout);
    assert!(played.stdout.contains("RTSP server"), "{}", played.stdout);
}

/// A server that has the test certificate, and its port for TLS.
#[cfg(feature = "tls")]
fn server_with_tls() -> (Server, u16) {
    server_with_tls_and(&[])
}

#[cfg(feature = "tls")]
fn server_with_tls_and(more: &[&str]) -> (Server, u16) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let tls = testdata("tls");
    let pem = |name: &str| tls.join(name).to_string_lossy().into_owned();
    let (certificate, key) = (pem("server.pem"), pem("server.key"));
    let port_text = port.to_string();
    let options = ["--tls-cert", &certificate, "--tls-key", &key, "--tls-port", &port_text];
    (Server::start(&testdata("media"), &[&options, more].concat()), port)
}

#[cfg(feature = "tls")]
#[test]
fn players_receive_files_whole_over_tls() {
    if !there() {
        return;
    }
    let (_server, port) = server_with_tls();
    let mut players = vec!["FFmpeg", "FFmpeg through HTTPS"];
    if gstreamer_has_tls() {
        players.push("GStreamer");
    }
    let mut jobs = Vec::new();
    for player in players {
        jobs.extend(files().into_iter().map(|m| (format!("{player}, {}", m.file), (player, m))));
    }
    all(jobs, |(player, media)| {
        let url = format!("rtsps://127.0.0.1:{port}/{}", media.file);
        match player {
            "FFmpeg" => ffmpeg_receives(&media, &[], &url),
            "FFmpeg through HTTPS" => ffmpeg_receives(&media, &["-rtsp_transport", "https"], &url),
            _ => gstreamer_receives(&media, "tcp", &url),
        }
    });
}

#[cfg(feature = "tls")]
fn gstreamer_has_tls() -> bool {
    let backend = "from gi.repository import Gio\n\
        assert Gio.TlsBackend.get_default().supports_tls()";
    gstreamer::there() && have("GIO's TLS", &[gstreamer::PYTHON, "-c", backend])
}

#[cfg(all(feature = "tls", feature = "srtp"))]
pub(crate) fn gstreamer_has_srtp() -> bool {
    let has = |e| have(&format!("GStreamer's {e}"), &["gst-inspect-1.0", "--exists", e]);
    gstreamer_has_tls() && has("srtpdec") && has("srtpenc")
}

/// Keys by MIKEY, in the description and in the answer to SETUP.
#[cfg(all(feature = "tls", feature = "srtp"))]
#[test]
fn gstreamer_receives_files_whole_by_srtp() {
    if !there() || !gstreamer_has_srtp() {
        return;
    }
    let mut servers = Vec::new();
    for suite in SUITES_OF_GSTREAMER {
        let options = ["--srtp", "require", "--srtp-suite", suite];
        servers.push((suite, server_with_tls_and(&options)));
    }
    let mut jobs = Vec::new();
    for (suite, (_, port)) in &servers {
        for over in ["udp", "tcp"] {
            jobs.extend(files().into_iter().map(|media| {
                (format!("{} over {over} with {suite}", media.file), (media, over, *port))
            }));
        }
    }
    all(jobs, |(media, over, port)| {
        let url = format!("rtsps://127.0.0.1:{port}/{}", media.file);
        gstreamer_receives(&media, over, &url)
    });
}

/// Its RTSP client reads of a MIKEY message what its own server may write: no GCM, no short tag where
/// RFC 3830 has it, no identifier of a key. Its decoder knows them all.
#[cfg(all(feature = "tls", feature = "srtp"))]
#[test]
fn gstreamer_decrypts_every_suite_and_packets_with_key_identifiers() {
    if !there() || !gstreamer_has_srtp() {
        return;
    }
    let (icm, icm_256, short) = ("aes-128-icm", "aes-256-icm", "hmac-sha1-32");
    let ways = [
        ("AES_CM_128_HMAC_SHA1_80", icm, "hmac-sha1-80", "4"),
        ("AES_CM_128_HMAC_SHA1_32", icm, short, "0"),
        ("AES_CM_128_HMAC_SHA1_32", icm, short, "1"),
        ("AES_256_CM_HMAC_SHA1_32", icm_256, short, "16"),
        ("AEAD_AES_128_GCM", "aes-128-gcm", "null", "0"),
        ("AEAD_AES_128_GCM", "aes-128-gcm", "null", "4"),
        ("AEAD_AES_256_GCM", "aes-256-gcm", "null", "0"),
        ("AEAD_AES_256_GCM", "aes-256-gcm", "null", "4"),
    ];
    let name =
        |way: &(&str, &str, &str, &str)| format!("{} with an identifier of {}", way.0, way.3);
    let jobs = ways.iter().map(|way| (name(way), *way)).collect();
    all(jobs, |(suite, cipher, auth, mki)| {
        let media = crate::media::of_file("mulaw.wav");
        let options = ["--srtp", "require", "--srtp-suite", suite, "--srtp-mki", mki];
        let (_server, port) = server_with_tls_and(&options);
        let (_folder, folder) = scratch();
        let mut command = Command::new(gstreamer::PYTHON);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/decrypt.py"));
        command.arg(format!("rtsps://127.0.0.1:{port}/{}", media.file)).args([cipher, auth, mki]);
        let played = run(command.arg("arrived"), &folder, Duration::from_secs(40));
        if !played.succeeded {
            return Err(played.complaints);
        }
        let arrived = std::fs::read(folder.join("arrived")).map_err(|e| e.to_string())?;
        crate::streams::same_bytes(&tracks_of_file(&media, &folder)?[0], &arrived)
    });
}

#[cfg(feature = "tls")]
#[test]
fn openssl_shakes_hands_with_either_version() {
    if !have("openssl", &["openssl", "version"]) {
        return;
    }
    let (server, port) = server_with_tls();
    let (_folder, folder) = scratch();
    let talk = |address: &str, version: &str| {
        let ca = testdata("tls").join("ca.pem");
        let script = format!(
            "{{ printf 'OPTIONS * RTSP/1.0\\r\\nCSeq: 1\\r\\n\\r\\n'; sleep 1; }} | timeout 10 \
             openssl s_client -quiet -verify_return_error -verify_ip 127.0.0.1 {version} \
             -CAfile {} -connect {address}",
            ca.display()
        );
        run_now(Command::new("sh").args(["-c", &script]), &folder, Duration::from_secs(20))
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let played = talk(&format!("127.0.0.1:{port}"), version);
        let answer = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n";
        assert!(played.stdout.starts_with(answer), "{version}: {}", played.complaints);
    }
    let old = talk(&format!("127.0.0.1:{port}"), "-tls1_1");
    assert!(!old.stdout.contains("200 OK"), "{}", old.stdout);
    // The plain port says that it is none.
    let plain = talk(&server.address, "-tls1_3");
    assert!(plain.complaints.contains("alert protocol version"), "{}", plain.complaints);
}
