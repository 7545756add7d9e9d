//! FFmpeg publishes into the relay and watches from it, and accepts what is recorded.

use crate::peers::Relay;
use crate::process::testdata;
use crate::tools::{have, run_now};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is killed when this is dropped.
struct Process(Child);

/// FFmpeg that publishes a file over and over.
fn publish(url: &str, transport: &str) -> Process {
    let file = testdata("media").join("h264_aac.mkv");
    let child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i"])
        .arg(file)
        .args(["-c", "copy", "-f", "rtsp", "-rtsp_transport", transport, url])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Process(child.expect("start ffmpeg"))
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn have_ffmpeg() -> bool {
    have("ffmpeg", &["ffmpeg", "-version"]) && have("ffprobe", &["ffprobe", "-version"])
}

/// What ffprobe finds: codec, and number of packets, of each stream.
fn probed(input: &str, folder: &Path, options: &[&str]) -> Vec<(String, u32)> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-count_packets"]).args(options);
    command.args(["-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0", input]);
    let played = run_now(&mut command, folder, PATIENCE);
    assert!(played.succeeded, "{input}: {}", played.complaints);
    assert!(played.complaints.is_empty(), "{input}: {}", played.complaints);
    let stream = |line: &str| {
        let (codec, count) = line.trim().split_once(',')?;
        Some((codec.to_owned(), count.parse().ok()?))
    };
    played.stdout.lines().filter_map(stream).collect()
}

#[test]
fn ffmpeg_publishes_and_ffprobe_watches() {
    if !have_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for transport in ["tcp", "udp"] {
        let relay = Relay::start(&["--port", "0"]);
        let url = relay.url("cam");
        let _publisher = publish(&url, transport);
        relay.await_log("cam: source up", 1);
        let options = ["-rtsp_transport", transport, "-read_intervals", "%+2"];
        let streams = probed(&url, folder.path(), &options);
        let codecs: Vec<_> = streams.iter().map(|(codec, _)| codec.as_str()).collect();
        assert_eq!(codecs, ["h264", "aac"], "{transport}");
        assert!(streams.iter().all(|(_, count)| *count > 10), "{transport}: {streams:?}");
    }
}

#[test]
fn a_player_goes_on_when_the_publisher_is_killed_and_started_again() {
    if !have_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let relay = Relay::start(&["--port", "0"]);
    let url = relay.url("cam");
    let publisher = publish(&url, "tcp");
    relay.await_log("cam: source up", 1);
    // A line for each picture and sound that was decoded: track, times, sum.
    let film = folder.path().join("film.txt");
    let mut viewer = Command::new("ffmpeg");
    viewer.args(["-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i", &url]);
    viewer.args(["-fps_mode", "passthrough", "-flush_packets", "1", "-f", "framecrc"]).arg(&film);
    let viewer = viewer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut viewer = Process(viewer.expect("start ffmpeg"));
    let pictures = || -> Vec<i64> {
        let text = fs::read_to_string(&film).unwrap_or_default();
        let times = text.lines().filter(|line| line.starts_with("0,"));
        times.filter_map(|line| line.split(',').nth(2)?.trim().parse().ok()).collect()
    };
    let begin = Instant::now();
    let mut await_pictures = |count: usize| {
        while pictures().len() < count {
            let ended = viewer.0.try_wait().expect("it is our child");
            assert!(ended.is_none() && begin.elapsed() < PATIENCE, "{ended:?}\n{}", relay.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    await_pictures(20);
    drop(publisher);
    relay.await_log("cam: source lost", 1);
    let before = pictures().len();
    let _publisher = publish(&url, "tcp");
    relay.await_log("cam: source back after", 1);
    await_pictures(before + 50);
    let times = pictures();
    assert!(times.windows(2).all(|two| two[0] <= two[1]), "{times:?}");
    let log = relay.log();
    assert_eq!(log.matches("one more").count(), 1, "{log}");
}

#[test]
fn ffprobe_accepts_what_is_recorded() {
    if !have_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (file, records) = (folder.path().join("relay.toml"), folder.path().join("records"));
    fs::create_dir(&records).expect("make a folder");
    let text = "[[listen]]\naddress = \"127.0.0.1:0\"\n\
                [stream.cam]\nrecord.folder = \"records\"\nrecord.segment_time = 2\n";
    fs::write(&file, text).expect("write the configuration");
    let relay = Relay::start(&[file.to_str().expect("text")]);
    let publisher = publish(&relay.url("cam"), "tcp");
    relay.await_log("recording begins", 3);
    drop(publisher);
    relay.await_log("recording ends", 3);
    let (status, log) = relay.end();
    assert!(status.success(), "{log}");
    let mut segments = 0;
    for entry in fs::read_dir(&records).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let streams = probed(path.to_str().expect("text"), folder.path(), &[]);
        let codecs: Vec<_> = streams.iter().map(|(codec, _)| codec.as_str()).collect();
        assert_eq!(codecs, ["h264", "aac"], "{}", path.display());
        segments += 1;
    }
    assert!(segments >= 3, "{log}");
}
