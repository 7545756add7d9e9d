//! Running players: whether they are there, a few at a time, none for ever.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Players that run at the same time, over all tests of this program.
const AT_ONCE: usize = 4;
/// Recorders of the crate's own that run besides.
const RECORDERS_AT_ONCE: usize = 12;

/// How much is asked for, by `RIVERRUN_INTEROP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// No player.
    Skip,
    /// Players that are installed, a few files.
    Some,
    /// All players, all files.
    All,
    /// Players that are installed, the files that are named.
    Named(String),
}

pub(crate) fn extent() -> Extent {
    match std::env::var("RIVERRUN_INTEROP").as_deref() {
        Ok("require" | "all") => Extent::All,
        Ok("skip" | "0") => Extent::Skip,
        Ok(names) if names.contains('.') => Extent::Named(names.to_owned()),
        _ => Extent::Some,
    }
}

/// Whether a player can be used; `probe` is a command that succeeds if it is there. Says why not,
/// or panics if it must be there.
pub(crate) fn have(what: &str, probe: &[&str]) -> bool {
    let there = have_optional(what, probe);
    let required = extent() == Extent::All;
    assert!(there || !required, "{what} is not installed and RIVERRUN_INTEROP=require");
    there
}

/// The same for one that need not be there.
pub(crate) fn have_optional(what: &str, probe: &[&str]) -> bool {
    if extent() == Extent::Skip {
        eprintln!("SKIPPED: {what}: RIVERRUN_INTEROP=skip");
        return false;
    }
    let there = Command::new(probe[0])
        .args(&probe[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        eprintln!("SKIPPED: {what} is not installed");
    }
    there
}

/// What a player left behind.
pub(crate) struct Played {
    pub(crate) succeeded: bool,
    /// A signal has ended it that nobody had sent.
    pub(crate) crashed: bool,
    pub(crate) stdout: String,
    /// The end of what it wrote to standard error.
    pub(crate) complaints: String,
}

/// Runs a command to its end, or kills it after `patience`. Waits for its turn first.
pub(crate) fn run(command: &mut Command, folder: &Path, patience: Duration) -> Played {
    let _turn = turn_of_player();
    run_now(command, folder, patience)
}

/// Over UDP what a busy machine does not read in time is lost: plays once more then, and says so. A fault
/// that is always there fails twice.
pub(crate) fn once_more_over_udp(
    over: &str,
    play: impl Fn() -> Result<(), String>,
) -> Result<(), String> {
    match play() {
        Err(e) if over == "udp" => {
            eprintln!("over UDP, once more: {e}");
            play()
        }
        result => result,
    }
}

/// Waits until another player may run, as long as what is returned is kept: for what must be done
/// between that and its start.
pub(crate) fn turn_of_player() -> Turn<'static> {
    PLAYERS.wait()
}

/// The same for a program of the crate's own, which takes little of the machine.
pub(crate) fn run_light(command: &mut Command, folder: &Path, patience: Duration) -> Played {
    let _turn = RECORDERS.wait();
    run_now(command, folder, patience)
}

/// Runs a command that needs no turn (it plays nothing).
pub(crate) fn run_now(command: &mut Command, folder: &Path, patience: Duration) -> Played {
    // Into files: a pipe that nobody reads would stop the player.
    let (out, err) = (folder.join("stdout"), folder.join("stderr"));
    let file = |path: &Path| std::fs::File::create(path).expect("make a file");
    let mut process = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&err))
        .spawn()
        .unwrap_or_else(|e| panic!("{:?}: {e}", command.get_program()));
    let until = Instant::now() + patience;
    let status = loop {
        match process.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = process.kill();
                let _ = process.wait();
                break None;
            }
        }
    };
    let text = |path: &Path| {
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    };
    let complaints = text(&err);
    let lines: Vec<&str> = complaints.lines().collect();
    let mut complaints = lines[lines.len().saturating_sub(12)..].join("\n");
    match status {
        None => complaints.push_str("\n(killed: it did not end by itself)"),
        Some(status) if !status.success() => complaints.push_str(&format!("\n({status})")),
        Some(_) => {}
    }
    let succeeded = status.is_some_and(|s| s.success());
    let crashed = status.is_some_and(|s| s.signal().is_some());
    Played { succeeded, crashed, stdout: text(&out), complaints }
}

static PLAYERS: Turns = Turns::new(AT_ONCE);
static RECORDERS: Turns = Turns::new(RECORDERS_AT_ONCE);

/// So many may run at the same time.
pub(crate) struct Turns {
    most: usize,
    running: Mutex<usize>,
    ended: Condvar,
}

pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    const fn new(most: usize) -> Self {
        Self { most, running: Mutex::new(0), ended: Condvar::new() }
    }

    fn wait(&self) -> Turn<'_> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = (self.ended)
            .wait_while(running, |running| *running >= self.most)
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_one();
    }
}

/// Does all jobs side by side, and fails with all that went wrong.
pub(crate) fn all<J: Send>(jobs: Vec<(String, J)>, job: impl Fn(J) -> Result<(), String> + Sync) {
    let count = jobs.len();
    let faults: Vec<String> = std::thread::scope(|scope| {
        let job = &job;
        let running: Vec<_> =
            jobs.into_iter().map(|(name, input)| (name, scope.spawn(move || job(input)))).collect();
        running
            .into_iter()
            .filter_map(|(name, thread)| match thread.join() {
                Ok(Ok(())) => None,
                Ok(Err(fault)) => Some(format!("{name}: {fault}")),
                Err(_) => Some(format!("{name}: panicked")),
            })
            .collect()
    });
    assert!(faults.is_empty(), "{} of {count} failed:\n{}", faults.len(), faults.join("\n\n"));
}

/// A folder for a job's files, which anybody may write to (VLC runs as nobody).
pub(crate) fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("make a folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let anybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), anybody).expect("open the folder to all");
    }
    let path = folder.path().to_owned();
    (folder, path)
}
