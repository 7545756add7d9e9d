//! The program: publishers and viewers, recordings, and a configuration that changes.

use crate::config_file::SAMPLE;
use crate::peers::{PATIENCE, Publisher, Relay, Viewer, command};
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LISTEN: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n";

/// A folder with a configuration.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(text: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        place.write(text);
        place
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), format!("{LISTEN}{text}")).expect("write the configuration");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("relay.toml")
    }

    fn start(&self) -> Relay {
        Relay::start(&[self.file().to_str().expect("its path is text")])
    }

    /// A folder in it.
    fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).expect("make a folder");
        path
    }
}

/// The files in a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// What the program says, and its exit status.
fn output(arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(arguments).output().expect("run relay");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_viewer_goes_on_when_its_publisher_comes_back() {
    let relay = Relay::start(&["--port", "0"]);
    let publisher = Publisher::start(&relay, "cam", 5_000_000);
    let mut viewer = Viewer::play(&relay, "cam");
    let mut last = viewer.rtp().expect("it is published");
    relay.await_log("cam: 1 viewer", 1);
    for _ in 0..2 {
        let next = viewer.rtp().expect("it goes on");
        assert_eq!((next.ssrc, next.timestamp), (last.ssrc, last.timestamp.wrapping_add(160)));
        last = next;
    }
    drop(publisher);
    relay.await_log("cam: source lost", 1);
    // Timestamps of its own, which lie before the others.
    let again = Publisher::start(&relay, "cam", 77);
    relay.await_log("cam: source back after", 1);
    // What was on the way when the publisher went comes first.
    let begin = Instant::now();
    loop {
        let next = viewer.rtp().expect("the viewer stays");
        assert_eq!(next.ssrc, last.ssrc);
        let (step, ahead) = (
            next.sequence.wrapping_sub(last.sequence),
            next.timestamp.wrapping_sub(last.timestamp),
        );
        assert!((1..10).contains(&step), "{last:?} {next:?}");
        assert!((1..8000 * 60).contains(&ahead), "{last:?} {next:?}");
        last = next;
        // The time that has passed is not that of a packet.
        if ahead != 160 {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "there was no gap");
    }
    let next = viewer.rtp().expect("it goes on");
    assert_eq!(next.timestamp, last.timestamp.wrapping_add(160));
    drop(viewer);
    relay.await_log("cam: 0 viewers", 1);
    drop(again);
    let (status, log) = relay.end();
    assert!(status.success(), "{log}");
    assert!(log.contains("cam: source up"), "{log}");
}

#[test]
fn a_second_publisher_is_refused_or_takes_over() {
    let relay = Relay::start(&["--port", "0"]);
    let _first = Publisher::start(&relay, "cam", 0);
    assert!(Publisher::refused(&relay, "cam").is_some());
    let place = Place::new("[publishers]\ntakeover = true\n[stream.own]\ntakeover = \"no\"\n");
    let relay = place.start();
    let _own = Publisher::start(&relay, "own", 0);
    assert!(Publisher::refused(&relay, "own").is_some(), "the stream says otherwise");
    let _first = Publisher::start(&relay, "cam", 0);
    let mut viewer = Viewer::play(&relay, "cam");
    let ssrc = viewer.rtp().expect("it is published").ssrc;
    let _second = Publisher::start(&relay, "cam", 0);
    relay.await_log("cam: source up", 1);
    relay.await_log("cam: source lost", 1);
    relay.await_log("cam: source back after", 1);
    for _ in 0..50 {
        assert_eq!(viewer.rtp().expect("the viewer stays").ssrc, ssrc);
    }
}

#[test]
fn who_may_not_publish_is_refused() {
    let place = Place::new(
        "[unlisted]\npublished_by = []\n[stream.open]\n\
         [stream.far]\npublished_from = [\"10.0.0.0/8\"]\n\
         [stream.camera]\npull.url = \"rtsp://127.0.0.1:9/x\"\n",
    );
    let relay = place.start();
    for name in ["other", "far", "camera"] {
        assert!(Publisher::refused(&relay, name).is_some(), "{name}");
    }
    assert_eq!(Publisher::refused(&relay, "open"), None);
}

#[test]
fn a_stream_is_pulled_from_another_relay_while_somebody_watches() {
    let camera = Relay::start(&["--port", "0"]);
    let mut publisher = Some(Publisher::start(&camera, "lens", 9000));
    let url = camera.url("lens");
    let text = format!("[stream.\"cam/1\"]\npull = {{ url = \"{url}\", transport = \"tcp\" }}\n");
    let place = Place::new(&text);
    let relay = place.start();
    let mut viewer = Viewer::play(&relay, "cam/1");
    let mut last = viewer.rtp().expect("it is pulled");
    relay.await_log("cam/1: source up", 1);
    publisher.take();
    camera.await_log("lens: source lost", 1);
    publisher.replace(Publisher::start(&camera, "lens", 0));
    for _ in 0..100 {
        let next = viewer.rtp().expect("the viewer stays");
        assert_eq!(next.ssrc, last.ssrc);
        assert!(next.timestamp.wrapping_sub(last.timestamp) < 8000 * 30, "{last:?} {next:?}");
        last = next;
    }
}

#[test]
fn what_is_recorded_is_complete_and_does_not_stay_for_ever() {
    let place = Place::new("");
    let folder = place.folder("records");
    place.write(
        "[stream.\"hall/1\"]\nrecord.folder = \"records\"\nrecord.segment_time = 1\n\
         record.keep_size = 1\n",
    );
    fs::write(folder.join("notes.txt"), "keep").expect("write a file");
    let relay = place.start();
    let publisher = Publisher::start(&relay, "hall/1", 0);
    relay.await_log("recording begins", 3);
    relay.await_log("removed for the size of all", 2);
    drop(publisher);
    relay.await_log("recording ends", 3);
    let (status, log) = relay.end();
    assert!(status.success(), "{log}");
    let files = files(&folder);
    assert!(files.len() <= 2 && files.iter().any(|file| file.ends_with("notes.txt")), "{files:?}");
    for file in files.iter().filter(|file| !file.ends_with("notes.txt")) {
        let name = file.file_name().and_then(|name| name.to_str()).expect("text");
        assert!(name.starts_with("hall%2F1-") && name.ends_with(".mp4"), "{name}");
        let bytes = fs::read(file).expect("read a segment");
        assert_eq!(bytes.get(4..8), Some(&b"ftyp"[..]), "{name}");
    }
}

#[test]
fn a_folder_that_vanishes_is_a_line_of_the_log_and_no_more() {
    let place = Place::new("");
    let folder = place.folder("records");
    place.write("[stream.hall]\nrecord.folder = \"records\"\nrecord.segment_time = 1\n");
    let relay = place.start();
    let _publisher = Publisher::start(&relay, "hall", 0);
    let mut viewer = Viewer::play(&relay, "hall");
    relay.await_log("recording begins", 1);
    fs::remove_dir_all(&folder).expect("remove the folder");
    relay.await_log("nothing is recorded", 1);
    for _ in 0..50 {
        viewer.rtp().expect("the viewer has no part in it");
    }
}

#[test]
fn a_new_configuration_leaves_alone_what_it_does_not_change() {
    let place = Place::new("[stream.hall]\n[stream.stage]\n");
    let records = place.folder("records");
    let relay = place.start();
    let _publisher = Publisher::start(&relay, "hall", 0);
    let mut viewer = Viewer::play(&relay, "hall");
    let ssrc = viewer.rtp().expect("it is published").ssrc;
    // What is wrong is told, and changes nothing.
    place.write("[stream.hall]\n[unlisted]\npublished_by = 5\n");
    relay.signal(Signal::SIGHUP);
    relay.await_log("everything stays as it was", 1);
    relay.await_log("line 5: unlisted.published_by", 1);
    assert_eq!(Publisher::refused(&relay, "stage"), None);
    // Another stream goes, one comes, one is recorded from now on, and rights change.
    place.write(
        "[unlisted]\npublished_by = []\n[stream.hall]\nrecord.folder = \"records\"\n[stream.door]\n",
    );
    relay.signal(Signal::SIGHUP);
    relay.await_log("streams: 1 gone, 1 new, 1 changed", 1);
    assert!(Publisher::refused(&relay, "stage").is_some());
    assert_eq!(Publisher::refused(&relay, "door"), None);
    relay.await_log("recording begins", 1);
    for _ in 0..50 {
        assert_eq!(viewer.rtp().expect("the viewer stays").ssrc, ssrc);
    }
    place.write("[unlisted]\npublished_by = []\n[stream.hall]\n[stream.door]\n");
    relay.signal(Signal::SIGHUP);
    relay.await_log("recording ends", 1);
    assert_eq!(files(&records).len(), 1);
    assert_eq!(viewer.rtp().expect("the viewer stays").ssrc, ssrc);
    let log = relay.log();
    assert!(!log.contains("source lost") && log.matches("source up").count() == 1, "{log}");
}

#[test]
fn a_wrong_configuration_is_told_with_its_lines() {
    let place = Place::new("[limits]\nsesions = 5\n[stream.a]\npush = [\"rtsp://b/c\"]\n");
    let file = place.file();
    let file = file.to_str().expect("its path is text");
    for arguments in [&[file][..], &["--check-config", file]] {
        let (status, said) = output(arguments);
        assert_eq!(status, Some(1), "{said}");
        let section = "line 6: stream.a.push: is a section";
        for what in ["line 4: limits.sesions: unknown key", section, file] {
            assert!(said.contains(what), "{what}: {said}");
        }
    }
    place.write("[access]\nusers = \"nobody\"\n");
    let (status, said) = output(&["--check-config", file]);
    assert!(status == Some(1) && said.contains("nobody"), "{said}");
    let (status, said) = output(&["--check-config", "no/such/file"]);
    assert!(status == Some(1) && said.contains("no/such/file"), "{said}");
    for arguments in [&["--check-config"][..], &["--port", "0", file], &[file, file]] {
        assert_eq!(output(arguments).0, Some(1), "{arguments:?}");
    }
    fs::write(place.file(), SAMPLE).expect("write the sample");
    let (status, said) = output(&["--check-config", file]);
    assert!(status == Some(0) && said.contains("1 listeners, 0 streams"), "{said}");
}

#[test]
fn users_of_the_configuration_are_let_in() {
    let hash = "0a".repeat(32);
    let place = Place::new(&format!("[access]\nentries = [\"user ann sha-256={hash}\"]\n"));
    let relay = place.start();
    // This host may publish all the same; who watches has to be a user.
    let _publisher = Publisher::start(&relay, "cam", 0);
    let mut stranger = std::net::TcpStream::connect(relay.address).expect("it listens");
    stranger.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
    let url = relay.url("cam");
    write!(stranger, "DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n").expect("it reads");
    let mut answer = [0; 12];
    stranger.read_exact(&mut answer).expect("a response");
    assert_eq!(&answer, b"RTSP/1.0 401");
}

#[test]
fn who_may_publish_no_more_is_ended() {
    let place = Place::new("[stream.hall]\n");
    let relay = place.start();
    let _publisher = Publisher::start(&relay, "hall", 0);
    relay.await_log("source up", 1);
    place.write("[stream.hall]\npublished_by = []\n");
    relay.signal(Signal::SIGHUP);
    relay.await_log("source lost: no longer permitted", 1);
    assert!(Publisher::refused(&relay, "hall").is_some());
}
