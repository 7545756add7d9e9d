//! What names reach, and what is remembered about files.

use super::*;
use crate::media::file::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use crate::media::{FramedSource, SourceContext};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use tempfile::TempDir;

/// A folder `media` with files, beside a folder `outside`.
fn folder() -> (TempDir, ServedFolder) {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("media");
    for folder in ["media/sub/deeper", "media/.hidden", "media/folder.ts", "outside"] {
        fs::create_dir_all(temp.path().join(folder)).unwrap();
    }
    for file in [
        "media/a file.mkv",
        "media/B.TS",
        "media/100%.ts",
        "media/größe.ts",
        "media/sub/c.mp3",
        "media/sub/deeper/d.wav",
        "media/notes.txt",
        "media/ts",
        "media/.hidden.ts",
        "media/.hidden/e.ts",
        "outside/secret.ts",
        "secret.ts",
    ] {
        fs::write(temp.path().join(file), file).unwrap();
    }
    let served = ServedFolder::new(&root).unwrap();
    (temp, served)
}

#[test]
fn known_files_are_found() {
    let (_temp, served) = folder();
    for (name, content) in [
        ("a file.mkv", "media/a file.mkv"),
        ("B.TS", "media/B.TS"),
        ("100%.ts", "media/100%.ts"),
        ("größe.ts", "media/größe.ts"),
        ("sub/c.mp3", "media/sub/c.mp3"),
        ("sub/deeper/d.wav", "media/sub/deeper/d.wav"),
    ] {
        let path = served.resolve(name).unwrap_or_else(|| panic!("{name} is served"));
        assert_eq!(fs::read_to_string(path).unwrap(), content);
    }
}

#[test]
fn nothing_else_is_found() {
    let (temp, served) = folder();
    let absolute = served.root().join("B.TS");
    let elsewhere = temp.path().join("secret.ts");
    let deep = format!("{}B.TS", "sub/".repeat(1_000));
    let long = format!("{}.ts", "x".repeat(100_000));
    for name in [
        "",
        "/",
        ".",
        "..",
        "/B.TS",
        "//B.TS",
        "./B.TS",
        "sub//c.mp3",
        "sub/../B.TS",
        "../secret.ts",
        "../media/B.TS",
        "sub/../../secret.ts",
        "..\\secret.ts",
        "B.TS/",
        "B.TS/.",
        "B.TS\0",
        "B.TS\0.ts",
        "\0",
        "B.TS\n",
        "no such.ts",
        "no such/B.TS",
        "B.TS/B.TS",
        "notes.txt",
        "ts",
        ".ts",
        "sub",
        "folder.ts",
        ".hidden.ts",
        ".hidden/e.ts",
        "%2e%2e/secret.ts",
        "..%2fsecret.ts",
        "a%20file.mkv",
        absolute.to_str().unwrap(),
        elsewhere.to_str().unwrap(),
        &deep,
        &long,
    ] {
        assert_eq!(served.resolve(name), None, "{name:?}");
    }
}

#[test]
fn an_encoded_slash_separates_nothing() {
    let (_temp, served) = folder();
    assert!(served.resolve_segments(["sub", "c.mp3"]).is_some());
    for segments in [&["sub/c.mp3"][..], &["sub/deeper", "d.wav"], &["", "B.TS"], &[]] {
        assert_eq!(served.resolve_segments(segments.iter().copied()), None, "{segments:?}");
    }
}

#[test]
fn only_a_folder_can_be_served() {
    let (_temp, served) = folder();
    assert!(ServedFolder::new(&served.root().join("B.TS")).is_err());
    assert!(ServedFolder::new(&served.root().join("no such")).is_err());
}

#[test]
fn a_folder_that_goes_away_serves_nothing() {
    let (temp, served) = folder();
    fs::remove_dir_all(temp.path().join("media")).unwrap();
    assert_eq!(served.resolve("B.TS"), None);
    assert!(served.files().is_empty());
}

#[test]
fn files_lists_what_resolve_finds() {
    let (_temp, served) = folder();
    let names = served.files();
    let expected = ["100%.ts", "B.TS", "a file.mkv", "größe.ts", "sub/c.mp3", "sub/deeper/d.wav"];
    assert_eq!(names, expected);
    assert!(names.iter().all(|name| served.resolve(name).is_some()));
}

#[cfg(unix)]
mod links {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_do_not_leave_the_folder() {
        let (temp, served) = folder();
        let root = served.root();
        symlink(temp.path().join("secret.ts"), root.join("link.ts")).unwrap();
        symlink("../secret.ts", root.join("relative.ts")).unwrap();
        symlink(temp.path().join("outside"), root.join("out")).unwrap();
        symlink("/", root.join("slash")).unwrap();
        symlink("loop.ts", root.join("loop.ts")).unwrap();
        symlink("gone.ts", root.join("dangling.ts")).unwrap();
        for name in ["link.ts", "relative.ts", "out/secret.ts", "loop.ts", "dangling.ts"] {
            assert_eq!(served.resolve(name), None, "{name}");
        }
        assert_eq!(served.files().len(), 6);
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_outside() {
        let (temp, served) = folder();
        fs::create_dir(temp.path().join("media2")).unwrap();
        fs::write(temp.path().join("media2/f.ts"), "f").unwrap();
        symlink("../media2/f.ts", served.root().join("f.ts")).unwrap();
        assert_eq!(served.resolve("f.ts"), None);
    }

    #[test]
    fn links_within_the_folder_reach_what_may_be_served() {
        let (_temp, served) = folder();
        let root = served.root();
        symlink("B.TS", root.join("link.ts")).unwrap();
        symlink("sub", root.join("other")).unwrap();
        symlink(".hidden/e.ts", root.join("peek.ts")).unwrap();
        symlink("notes.txt", root.join("notes.ts")).unwrap();
        symlink(".", root.join("again")).unwrap();
        assert_eq!(served.resolve("link.ts"), Some(root.join("B.TS")));
        assert_eq!(served.resolve("other/c.mp3"), Some(root.join("sub/c.mp3")));
        assert_eq!(served.resolve("peek.ts"), None);
        assert_eq!(served.resolve("notes.ts"), None);
        // Each folder is listed once, however it is reached, so that a loop ends.
        let names = served.files();
        assert_eq!(names.iter().filter(|name| name.ends_with("c.mp3")).count(), 1);
        assert_eq!(names.iter().filter(|name| name.ends_with("B.TS")).count(), 1);
    }

    #[test]
    fn the_folder_itself_may_be_a_link() {
        let (temp, served) = folder();
        let link = temp.path().join("link");
        symlink(served.root(), &link).unwrap();
        let linked = ServedFolder::new(&link).unwrap();
        assert_eq!(linked.root(), served.root());
        assert!(linked.resolve("B.TS").is_some());
    }

    #[test]
    fn what_is_no_regular_file_is_not_served() {
        let (_temp, served) = folder();
        let socket = served.root().join("socket.ts");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        symlink("/dev/zero", served.root().join("zero.ts")).unwrap();
        assert_eq!(served.resolve("socket.ts"), None);
        assert_eq!(served.resolve("zero.ts"), None);
    }

    #[test]
    fn a_backslash_is_a_character_like_others() {
        let (_temp, served) = folder();
        fs::write(served.root().join("a\\b.ts"), "x").unwrap();
        assert!(served.resolve("a\\b.ts").is_some());
    }
}

#[derive(Debug)]
struct FakeFile;

impl MediaFile for FakeFile {
    fn tracks(&self) -> &[Track] {
        &[]
    }

    fn open_track(
        self: Arc<Self>,
        _track: usize,
        _consumer: u64,
        _cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Takes three calls; ends as the file's content says.
#[derive(Debug)]
struct FakeProbe {
    path: PathBuf,
    calls: u32,
    alive: Rc<()>,
}

impl Probe for FakeProbe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        assert_eq!(budget, BUDGET);
        assert!(Rc::strong_count(&self.alive) > 1);
        self.calls += 1;
        if self.calls < 3 {
            return ProbePoll::Pending;
        }
        match fs::read_to_string(&self.path) {
            Ok(text) if text.contains("bad") => {
                ProbePoll::Failed(ProbeError::Content("bad".to_owned()))
            }
            Ok(_) => ProbePoll::Ready(Arc::new(FakeFile)),
            Err(e) => ProbePoll::Failed(e.into()),
        }
    }
}

const BUDGET: usize = 1 << 16;

/// A cache over fake probes, which are counted: those started and those alive.
struct Bench {
    temp: TempDir,
    sessions: FileSessions,
    started: Rc<Cell<u64>>,
    alive: Rc<()>,
}

fn bench(limits: FileLimits) -> Bench {
    let started = Rc::new(Cell::new(0));
    let alive = Rc::new(());
    let (count, token) = (Rc::clone(&started), Rc::clone(&alive));
    let prober = move |path: &Path| {
        count.set(count.get() + 1);
        let alive = Rc::clone(&token);
        let probe = FakeProbe { path: path.to_owned(), calls: 0, alive };
        Ok(Box::new(probe) as Box<dyn Probe>)
    };
    let sessions = FileSessions::with_prober(limits, Box::new(prober));
    Bench { temp: tempfile::tempdir().unwrap(), sessions, started, alive }
}

impl Bench {
    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.temp.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn poll(&mut self, path: &Path) -> FileSessionPoll {
        self.sessions.poll(path, BUDGET)
    }

    /// Polls until the file is known.
    fn finish(&mut self, path: &Path) -> FileSessionPoll {
        for _ in 0..3 {
            match self.poll(path) {
                FileSessionPoll::Pending => {}
                outcome => return outcome,
            }
        }
        panic!("takes no longer than three calls");
    }

    fn probes_alive(&self) -> usize {
        // Besides this one, the prober holds one.
        Rc::strong_count(&self.alive) - 2
    }
}

fn is_pending(poll: &FileSessionPoll) -> bool {
    matches!(poll, FileSessionPoll::Pending)
}

fn is_ready(poll: &FileSessionPoll) -> bool {
    matches!(poll, FileSessionPoll::Ready(_))
}

#[test]
fn a_file_is_probed_step_by_step_and_once() {
    let mut b = bench(FileLimits::default());
    let path = b.file("a.ts", "good");
    assert!(is_pending(&b.poll(&path)));
    assert_eq!(b.sessions.running(), 1);
    assert!(is_pending(&b.poll(&path)));
    let FileSessionPoll::Ready(first) = b.poll(&path) else { panic!("three calls") };
    let FileSessionPoll::Ready(second) = b.poll(&path) else { panic!("known") };
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!((b.started.get(), b.probes_alive(), b.sessions.running()), (1, 0, 0));
}

#[test]
fn several_who_wait_share_one_probe() {
    let mut b = bench(FileLimits::default());
    let path = b.file("a.ts", "good");
    let ready = (0..6).filter(|_| is_ready(&b.poll(&path))).count();
    assert_eq!((ready, b.started.get()), (4, 1));
}

#[test]
fn a_changed_file_is_probed_again() {
    let mut b = bench(FileLimits::default());
    let path = b.file("a.ts", "good");
    assert!(is_ready(&b.finish(&path)));
    b.file("a.ts", "longer");
    assert!(is_pending(&b.poll(&path)));
    assert!(is_ready(&b.finish(&path)));
    // Same length, another time.
    let old = fs::metadata(&path).unwrap().modified().unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(old - std::time::Duration::from_secs(10)).unwrap();
    assert!(is_pending(&b.poll(&path)));
    assert!(is_ready(&b.finish(&path)));
    assert_eq!((b.started.get(), b.sessions.known()), (3, 1));
}

#[cfg(unix)]
#[test]
fn a_file_that_was_replaced_is_probed_again() {
    let mut b = bench(FileLimits::default());
    let path = b.file("a.ts", "good");
    assert!(is_ready(&b.finish(&path)));
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let other = b.file("b.ts", "also");
    fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
    fs::rename(&other, &path).unwrap();
    assert!(is_pending(&b.poll(&path)), "same length and time, another inode");
}

#[test]
fn a_file_that_grows_meanwhile_is_ready_and_probed_again_later() {
    let mut b = bench(FileLimits::default());
    let path = b.file("a.ts", "good");
    let mut content = "good".to_owned();
    for round in 1..=3 {
        for turn in 0..3 {
            content.push('+');
            b.file("a.ts", &content);
            assert_eq!(is_ready(&b.poll(&path)), turn == 2);
        }
        content.push('+');
        b.file("a.ts", &content);
        assert_eq!(b.started.get(), round);
    }
}

#[test]
fn a_bad_file_stays_bad_until_it_changes() {
    let mut b = bench(FileLimits::default());
    let path = b.file("a.ts", "bad");
    for _ in 0..4 {
        let outcome = b.finish(&path);
        assert!(matches!(outcome, FileSessionPoll::Failed(ProbeError::Content(_))));
    }
    assert_eq!(b.started.get(), 1);
    b.file("a.ts", "good");
    assert!(is_ready(&b.finish(&path)));
}

#[test]
fn errors_of_the_system_are_not_remembered() {
    let mut b = bench(FileLimits::default());
    let path = b.temp.path().join("a.ts");
    assert!(matches!(b.poll(&path), FileSessionPoll::Failed(ProbeError::Io(_))));
    b.file("a.ts", "good");
    assert!(is_ready(&b.finish(&path)));
    fs::remove_file(&path).unwrap();
    assert!(matches!(b.poll(&path), FileSessionPoll::Failed(ProbeError::Io(_))));
    assert_eq!((b.sessions.known(), b.sessions.running()), (0, 0));
}

#[test]
fn the_least_recently_used_is_forgotten() {
    let mut b = bench(FileLimits { max_known: 3, ..FileLimits::default() });
    let paths = ["a.ts", "b.ts", "c.ts", "d.ts"].map(|name| b.file(name, "good"));
    for path in &paths[..3] {
        assert!(is_ready(&b.finish(path)));
    }
    assert!(is_ready(&b.poll(&paths[0])));
    assert!(is_ready(&b.finish(&paths[3])));
    assert_eq!(b.sessions.known(), 3);
    assert!(is_ready(&b.poll(&paths[0])), "used since");
    assert!(is_pending(&b.poll(&paths[1])), "forgotten");
    assert_eq!(b.started.get(), 5);
}

#[test]
fn probes_at_once_are_bounded_and_all_get_their_turn() {
    let mut b = bench(FileLimits { max_probes: 2, ..FileLimits::default() });
    let mut paths: Vec<_> = (0..20).map(|n| b.file(&format!("{n}.ts"), "good")).collect();
    for _ in 0..40 {
        paths.retain(|path| is_pending(&b.sessions.poll(path, BUDGET)));
        assert!(b.sessions.running() <= 2 && b.probes_alive() <= 2);
    }
    assert!(paths.is_empty(), "{} still wait", paths.len());
    assert_eq!(b.started.get(), 20, "none was stopped while somebody waited for it");
}

#[test]
fn a_probe_that_nobody_waits_for_gives_way() {
    let mut b = bench(FileLimits { max_probes: 1, ..FileLimits::default() });
    let (left, wanted) = (b.file("left.ts", "good"), b.file("wanted.ts", "good"));
    assert!(is_pending(&b.poll(&left)));
    assert!(is_pending(&b.poll(&wanted)));
    assert_eq!(b.started.get(), 1, "the other may still be asked for");
    assert!(is_ready(&b.finish(&wanted)));
    assert_eq!((b.started.get(), b.sessions.running()), (2, 0));
}

#[test]
fn those_who_gave_up_waiting_are_not_kept() {
    let mut b = bench(FileLimits { max_probes: 1, max_waiting: 4, ..FileLimits::default() });
    let busy = b.file("busy.ts", "good");
    for n in 0..200 {
        let path = b.file(&format!("{n}.ts"), "good");
        // Kept busy, and started anew when it ends.
        b.poll(&busy);
        b.file("busy.ts", &"good".repeat(n));
        b.poll(&path);
        assert!(!format!("{:?}", b.sessions).contains("waiting: 5"));
    }
    let wanted = b.file("wanted.ts", "good");
    let done = (0..100).any(|_| is_ready(&b.poll(&wanted)));
    assert!(done, "gets its turn in spite of all who asked before");
}

#[test]
fn what_is_forgotten_is_probed_again() {
    let mut b = bench(FileLimits::default());
    let path = b.file("a.ts", "good");
    assert!(is_ready(&b.finish(&path)));
    b.sessions.forget(&path);
    assert!(is_ready(&b.finish(&path)));
    assert_eq!(b.started.get(), 2);
    b.sessions.forget(&path);
    assert!(is_pending(&b.poll(&path)));
    b.sessions.forget(&path);
    assert_eq!((b.sessions.running(), b.probes_alive()), (0, 0));
}
