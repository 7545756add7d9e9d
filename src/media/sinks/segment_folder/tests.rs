use super::*;
use crate::media::sinks::testing::{h264_parameters, idr, inter, unit};
use crate::media::sinks::{Mp4Config, Mp4Recorder, Recorder, mp4_reader};
use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;

/// 29 November 2026, 13:22:10 UTC.
const BEGIN: u64 = 1_795_958_530;

/// A clock that a test sets, in seconds from [`BEGIN`].
#[derive(Clone, Debug, Default)]
struct Clock(Rc<Cell<i64>>);

impl Clock {
    fn set(&self, seconds: i64) {
        self.0.set(seconds);
    }

    fn at(seconds: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(BEGIN.checked_add_signed(seconds).unwrap())
    }

    fn reader(&self) -> impl FnMut() -> SystemTime + use<> {
        let clock = self.clone();
        move || Self::at(clock.0.get())
    }
}

struct World {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Clock::default() }
    }

    fn segments(&self, retention: Retention) -> SegmentFolder<impl FnMut() -> SystemTime + use<>> {
        let clock = self.clock.reader();
        SegmentFolder::new(self.folder.path(), "door", retention, clock).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let name = |e: io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    /// A file that was last written to at a time.
    fn file(&self, name: &str, bytes: usize, modified: i64) {
        let mut file = File::create(self.folder.path().join(name)).unwrap();
        file.write_all(&vec![7; bytes]).unwrap();
        file.set_modified(Clock::at(modified)).unwrap();
    }
}

fn keeping(age: Option<u64>, max_bytes: Option<u64>) -> Retention {
    Retention { max_age: age.map(Duration::from_secs), max_bytes }
}

#[test]
fn names_sort_in_the_order_of_time_and_nothing_is_written_over() {
    let w = World::new();
    let mut first = w.segments(Retention::default());
    let mut open = |number| first.open_segment(number).unwrap().1;
    let mut names = vec![open(1), open(2)];
    w.clock.set(50);
    // The program was started again, and once more within the second.
    for _ in 0..2 {
        names.push(w.segments(Retention::default()).open_segment(1).unwrap().1);
    }
    let told: Vec<_> = names.iter().map(|name| name.rsplit_once('/').unwrap().1).collect();
    let expected = [
        "door-20261129T132210Z-00001.mp4",
        "door-20261129T132210Z-00002.mp4",
        "door-20261129T132300Z-00001.mp4",
        "door-20261129T132300Z-00002.mp4",
    ];
    assert_eq!(told, expected);
    assert_eq!(w.names(), expected);
}

#[test]
fn a_second_with_too_many_segments_is_an_error() {
    let w = World::new();
    let mut segments = w.segments(Retention::default());
    for _ in 0..TRIES {
        segments.open_segment(1).unwrap();
    }
    let e = segments.open_segment(1).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::AlreadyExists);
    assert!(e.to_string().contains("door-20261129T132210Z"), "{e}");
}

#[test]
fn what_is_too_old_is_removed_but_never_what_is_being_written() {
    let w = World::new();
    for (second, modified) in [(1, -200), (2, -101), (3, -100), (4, 100)] {
        w.file(&format!("door-20261129T13000{second}Z-00001.mp4"), 5, modified);
    }
    let mut segments = w.segments(keeping(Some(100), None));
    let (file, name) = segments.open_segment(1).unwrap();
    let name = name.rsplit_once('/').unwrap().1;
    // The first two were removed as it began. The last is of a time that is still to come.
    assert_eq!(
        w.names(),
        ["door-20261129T130003Z-00001.mp4", "door-20261129T130004Z-00001.mp4", name]
    );
    w.clock.set(100_000);
    w.file(name, 5, -100);
    assert_eq!(segments.remove_old().unwrap(), 2);
    assert_eq!(w.names(), [name]);
    // Once it is complete it grows old like the others.
    segments.segment_closed(1, file);
    assert_eq!(segments.remove_old().unwrap(), 1);
    assert!(w.names().is_empty());
}

#[test]
fn the_oldest_go_while_all_are_too_large() {
    let w = World::new();
    // Not in the order of their names: the clock was wrong when they began.
    w.file("door-20261129T130001Z-00001.mp4", 40, -10);
    w.file("door-20261129T130002Z-00001.mp4", 40, -30);
    w.file("door-20261129T130003Z-00001.mp4", 40, -20);
    let mut segments = w.segments(keeping(None, Some(120)));
    assert_eq!(segments.remove_old().unwrap(), 0);
    segments.set_retention(keeping(None, Some(119)));
    assert_eq!(segments.remove_old().unwrap(), 1);
    assert_eq!(w.names(), ["door-20261129T130001Z-00001.mp4", "door-20261129T130003Z-00001.mp4"]);
    // What is being written counts, and stays though it alone is more.
    let (mut file, name) = segments.open_segment(1).unwrap();
    file.write_all(&[7; 500]).unwrap();
    assert_eq!(segments.remove_old().unwrap(), 2);
    assert_eq!(w.names(), [name.rsplit_once('/').unwrap().1]);
}

#[test]
fn what_is_no_segment_of_the_stream_stays() {
    let w = World::new();
    let others = [
        "door.mp4",
        "door-00001.mp4",
        "door-20261129T130001Z.mp4",
        "door-20261129T130001Z-1.mp4",
        "door-20261129T130001Z-0000x.mp4",
        "door-20261129T130001Z-99999999999.mp4",
        "door-20261129T130001Z-00001.mp4.part",
        "door-20261129T130001Z-00001.MP4",
        "door-20261129T130001.5Z-00001.mp4",
        "door-20261339T130001Z-00001.mp4",
        "door-20261129t130001z-00001.mp4",
        "door2-20261129T130001Z-00001.mp4",
        "door-a-20261129T130001Z-00001.mp4",
        "a-door-20261129T130001Z-00001.mp4",
        "-20261129T130001Z-00001.mp4",
        "notes.txt",
    ];
    for name in others {
        w.file(name, 500, -1000);
    }
    w.file("door-20261129T130009Z-00001.mp4", 500, -1000);
    let at = |name: &str| w.folder.path().join(name);
    fs::create_dir(at("door-20261129T130002Z-00001.mp4")).unwrap();
    std::os::unix::fs::symlink(at("notes.txt"), at("door-20261129T130003Z-00001.mp4")).unwrap();
    let mut segments = w.segments(keeping(Some(1), Some(1)));
    assert_eq!(segments.remove_old().unwrap(), 1);
    let left = w.names();
    assert_eq!(left.len(), others.len() + 2);
    assert!(!left.iter().any(|name| name == "door-20261129T130009Z-00001.mp4"), "{left:?}");
}

#[test]
fn a_folder_that_has_vanished_is_an_error_that_names_it() {
    let w = World::new();
    let mut segments = w.segments(keeping(Some(1), None));
    let (mut file, _) = segments.open_segment(1).unwrap();
    fs::remove_dir_all(w.folder.path()).unwrap();
    let gone = w.folder.path().display().to_string();
    let e = segments.remove_old().unwrap_err().to_string();
    assert!(e.contains(&gone), "{e}");
    // What is open can be written to until it is closed, and the next cannot be made.
    file.write_all(&[7; 5]).unwrap();
    segments.segment_closed(1, file);
    let e = segments.open_segment(2).unwrap_err().to_string();
    assert!(e.contains(&gone), "{e}");
    assert!(Mp4Recorder::new(segments, Mp4Config::default()).is_err());
}

#[test]
fn a_segment_in_which_nothing_is_leaves_no_file() {
    let w = World::new();
    let mut recorder =
        Mp4Recorder::new(w.segments(Retention::default()), Mp4Config::default()).unwrap();
    assert_eq!(w.names().len(), 1);
    recorder.finish().unwrap();
    assert!(w.names().is_empty());
}

#[test]
fn a_stem_is_a_part_of_a_name() {
    let long = "x".repeat(MAX_STEM + 1);
    for stem in ["", ".", "..", ".hidden", "a/b", "a\\b", "a\nb", "a\0", &long] {
        let made = SegmentFolder::new("x", stem, Retention::default(), SystemTime::now);
        assert!(made.is_err(), "{stem:?}");
    }
    for stem in ["door", "front door", "a%2Fb", "tür"] {
        assert!(SegmentFolder::new("x", stem, Retention::default(), SystemTime::now).is_ok());
    }
}

#[test]
fn a_recording_keeps_its_last_segments() {
    let w = World::new();
    let segment_duration = Some(Duration::from_secs(1));
    let config = Mp4Config { segment_duration, ..Mp4Config::default() };
    let mut recorder = Mp4Recorder::new(w.segments(keeping(None, Some(1))), config).unwrap();
    recorder.add_track(&h264_parameters()).unwrap();
    for n in 0..100 {
        w.clock.set(n as i64 / 25);
        let (nal, key) = if n % 25 == 0 { (idr(), true) } else { (inter(), false) };
        recorder.handle_frame(0, &unit(&[&nal], n * 40, key)).unwrap();
    }
    recorder.finish().unwrap();
    let names = w.names();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].ends_with("-00004.mp4"), "{names:?}");
    let bytes = fs::read(w.folder.path().join(&names[0])).unwrap();
    let file = mp4_reader::read(&bytes).unwrap();
    assert!(!file.is_cut && file.tracks[0].samples.len() == 25);
}
