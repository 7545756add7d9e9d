//! Other servers: the `open_rtsp` example records from GStreamer's and from live555's, compared
//! with the file.

use crate::ffmpeg::{self, tracks_of_file};
use crate::gstreamer::PYTHON;
use crate::live555::arrived;
use crate::media::{Media, of_file};
use crate::recording::{compare_tracks, open_rtsp, record, transport};
use crate::server::{read_lines, testdata};
use crate::streams::{but_the_last, same};
use crate::tools::{all, have, have_optional, run_light, scratch};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// A server that runs; it ends when this is dropped.
pub(crate) struct Running {
    process: Child,
    lines: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the server starts");
        let out: Box<dyn Read + Send> = Box::new(process.stdout.take().expect("piped"));
        Self { process, lines: read_lines(out) }
    }

    /// The first thing that `find` finds in a line that the server prints.
    pub(crate) fn find<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let next = || self.lines.recv_timeout(Duration::from_secs(20));
        std::iter::from_fn(|| next().ok()).find_map(|line| find(&line)).expect("the server runs")
    }
}

/// How GStreamer is to serve a file: the demultiplexer, and the payloader of each track.
const PIPELINES: [(&str, &str, &[&str]); 4] = [
    (
        "h264_aac.mkv",
        "matroskademux",
        &["video_0 ! queue ! h264parse ! rtph264pay", "audio_0 ! queue ! aacparse ! rtpmp4gpay"],
    ),
    (
        "h265_mp3.mkv",
        "matroskademux",
        &[
            "video_0 ! queue ! h265parse ! rtph265pay",
            "audio_0 ! queue ! mpegaudioparse ! rtpmpapay",
        ],
    ),
    (
        "h264_pcm.mkv",
        "matroskademux",
        &[
            "video_0 ! queue ! h264parse ! rtph264pay",
            "audio_0 ! queue ! audioconvert ! audio/x-raw,format=S16BE ! rtpL16pay",
        ],
    ),
    ("mulaw.wav", "wavparse", &["src ! queue ! rtppcmupay"]),
];

/// GStreamer's server of these files, and the URL of its root.
pub(crate) fn gstreamer(digest: &str) -> (Running, String) {
    let (server, port) = gstreamer_with(&[digest]);
    (server, format!("rtsp://127.0.0.1:{port}/"))
}

/// GStreamer's server of these pipelines, each after its name, and the URL of its root.
pub(crate) fn gstreamer_of(mounts: &[String]) -> (Running, String) {
    let server = Running::start(gstreamer_command(&[""]).args(mounts));
    let port: u16 = server.find(|line| line.trim().parse().ok());
    (server, format!("rtsp://127.0.0.1:{port}/"))
}

fn gstreamer_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PYTHON);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/serve.py")).args(arguments);
    command
}

/// GStreamer's server of all files, with these arguments before them; and its port.
fn gstreamer_with(arguments: &[&str]) -> (Running, u16) {
    let mut command = gstreamer_command(arguments);
    for (file, demultiplexer, tracks) in PIPELINES {
        let path = testdata("media").join(file);
        let source = format!("filesrc location=\"{}\" ! {demultiplexer} name=d", path.display());
        let track = |(n, track): (usize, &&str)| format!(" d.{track} name=pay{n} pt={}", 96 + n);
        let tracks: String = tracks.iter().enumerate().map(track).collect();
        command.arg(format!("{file}={source}{tracks}"));
    }
    let server = Running::start(&mut command);
    let port: u16 = server.find(|line| line.trim().parse().ok());
    (server, port)
}

pub(crate) fn gstreamer_is_there() -> bool {
    const IMPORT: &str = "import gi; gi.require_version('GstRtspServer', '1.0')";
    have("GStreamer's RTSP server for Python", &[PYTHON, "-c", IMPORT])
        && ["rtph264pay", "rtph265pay", "aacparse", "mpegaudioparse", "wavparse", "rtppcmupay"]
            .iter()
            .all(|e| have(&format!("GStreamer's {e}"), &["gst-inspect-1.0", "--exists", e]))
        && ffmpeg::there()
}

#[test]
fn open_rtsp_records_from_gstreamers_server() {
    if !gstreamer_is_there() {
        return;
    }
    let (_open, open) = gstreamer("");
    let (_guarded, guarded) = gstreamer("bob:secret");
    let mut jobs = Vec::new();
    for (file, ..) in PIPELINES {
        for over in ["udp", "tcp"] {
            let mut options = vec![transport(over)];
            jobs.push((format!("{file} over {over}"), (file, &open, options.clone())));
            if file == "h264_aac.mkv" {
                options.extend(["-u", "bob", "secret"]);
                jobs.push((format!("{file} over {over} with Digest"), (file, &guarded, options)));
            }
        }
    }
    all(jobs, |(file, server, options)| {
        let (_folder, folder) = scratch();
        record(&options, &format!("{server}{file}"), &folder)?;
        compare_tracks(&of_file(file), &folder)
    });
    let (_folder, folder) = scratch();
    for (user, why) in [(None, "asks for a user"), (Some("wrong"), "does not accept the user")] {
        let mut command = open_rtsp(&[]);
        if let Some(secret) = user {
            command.args(["-u", "bob", secret]);
        }
        command.arg(format!("{guarded}mulaw.wav"));
        let refused = run_light(&mut command, &folder, Duration::from_secs(20));
        assert!(!refused.succeeded && refused.complaints.contains(why), "{}", refused.complaints);
    }
}

/// Over TLS, media by SRTP with keys that the server chooses.
#[cfg(all(feature = "tls", feature = "srtp"))]
#[test]
fn open_rtsp_records_by_srtp_from_gstreamers_server() {
    if !gstreamer_is_there() || !crate::secure::gstreamer_has_srtp() {
        return;
    }
    let pem = |name: &str| testdata("tls").join(name).to_string_lossy().into_owned();
    let (_server, port) = gstreamer_with(&["", "--secure", &pem("server.pem"), &pem("server.key")]);
    let mut jobs = Vec::new();
    for (file, ..) in PIPELINES {
        for over in ["udp", "tcp"] {
            jobs.push((format!("{file} over {over}"), (file, over)));
        }
    }
    let authority = pem("ca.pem");
    all(jobs, |(file, over)| {
        let (_folder, folder) = scratch();
        let options = [transport(over), "--ca", &authority];
        record(&options, &format!("rtsps://127.0.0.1:{port}/{file}"), &folder)?;
        compare_tracks(&of_file(file), &folder)
    });
}

/// live555's server knows files by these endings. Of MPEG audio it leaves frames out.
const FILES_OF_LIVE555: [&str; 8] = [
    "bframes.h264",
    "slices.264",
    "slices.265",
    "stereo.aac",
    "h264_aac.mkv",
    "program.ts",
    "pcm16.wav",
    "mulaw.wav",
];

/// Few systems have a package of it, so it is never required.
pub(crate) fn live555_is_there() -> bool {
    let there = ["sh", "-c", "command -v live555MediaServer"];
    have_optional("live555MediaServer", &there) && ffmpeg::there()
}

/// live555's server of the files of `testdata/media`, its port, and that of its HTTP tunnels.
pub(crate) fn live555() -> (Running, u16, String) {
    // It takes port 554 or 8554, and 80, 8000 or 8080 for HTTP.
    let mut command = Command::new("sh");
    command.args(["-c", "exec live555MediaServer 2>&1"]).current_dir(testdata("media"));
    let server = Running::start(&mut command);
    let port = server.find(|line| {
        let host = line.split_once("rtsp://")?.1.split('/').next()?.to_owned();
        Some(host.rsplit_once(':').map_or(554, |(_, port)| port.parse().unwrap_or(554)))
    });
    let tunnel = server.find(|line| {
        let rest = line.split_once("We use port ")?.1;
        rest.split(' ').next().map(str::to_owned)
    });
    (server, port, tunnel)
}

#[test]
fn open_rtsp_records_from_live555s_server() {
    if !live555_is_there() {
        return;
    }
    let (_server, port, tunnel) = live555();
    let mut jobs: Vec<(String, (Media, Vec<&str>))> = Vec::new();
    for file in FILES_OF_LIVE555 {
        for (over, options) in
            [("UDP", vec!["--udp"]), ("TCP", vec!["-t"]), ("HTTP", vec!["-T", &tunnel])]
        {
            jobs.push((format!("{file} over {over}"), (of_file(file), options)));
        }
    }
    all(jobs, |(media, options)| {
        let (_folder, folder) = scratch();
        record(&options, &format!("rtsp://127.0.0.1:{port}/{}", media.file), &folder)?;
        match compare_tracks(&media, &folder) {
            // Of a file without a container it does not send the last NAL unit.
            Err(_) if media.is_annex_b() => {
                let sent = tracks_of_file(&media, &folder)?;
                same(media.tracks[0], but_the_last(&sent[0]), &arrived(&folder)[0])
            }
            compared => compared,
        }
    });
}
