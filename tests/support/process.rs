//! A `media_server` of one's own on a free port of the loopback interface, and what it uses of
//! the machine: descriptors, memory, processor time (Linux' `/proc`).
#![allow(dead_code)] // not every test uses all of it
#![allow(clippy::print_stderr)] // of the server's log, where a test fails

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Lines of the server's log that are kept for a failing test.
const KEPT_LINES: usize = 40;
/// `/proc` counts processor time in these.
const TICK: Duration = Duration::from_millis(10);

/// The folder of test data, e.g. `media`.
pub(crate) fn testdata(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder)
}

/// A number from the environment.
pub(crate) fn extent(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

/// What the server wrote to its standard error.
#[derive(Debug, Default)]
struct Log {
    lines: usize,
    last: VecDeque<String>,
    /// A line that no log may have.
    forbidden: Option<String>,
}

/// What a test's clients need that all come from one host.
const NO_LIMITS: [&str; 10] = [
    "--max-sessions",
    "0",
    "--max-connections",
    "0",
    "--max-per-address",
    "0",
    "--max-streams",
    "0",
    "--max-buffered",
    "0",
];

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

impl Server {
    /// Serves `folder` with further options.
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        Self::run(Command::new(example("media_server")), folder, options, ("info", |_| false))
    }

    /// The same with a log of most detail, in which no line may be forbidden.
    pub(crate) fn start_watched(
        folder: &Path,
        options: &[&str],
        is_forbidden: fn(&str) -> bool,
    ) -> Self {
        let command = Command::new(example("media_server"));
        Self::run(command, folder, options, ("trace", is_forbidden))
    }

    /// The same with at most so many descriptors.
    pub(crate) fn start_with_descriptors(limit: usize, folder: &Path, options: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {limit} && exec \"$0\" \"$@\""));
        command.arg(example("media_server"));
        Self::run(command, folder, options, ("info", |_| false))
    }

    fn run(
        mut command: Command,
        folder: &Path,
        options: &[&str],
        (level, is_forbidden): (&str, fn(&str) -> bool),
    ) -> Self {
        let mut process = command
            .args(["--bind", "127.0.0.1", "--port", "0"])
            .args(NO_LIMITS)
            .args(options)
            .arg(folder)
            .env("RUST_LOG", level)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start media_server");
        let log = Arc::new(Mutex::new(Log::default()));
        let kept = Arc::clone(&log);
        each_line(process.stderr.take().expect("stderr is a pipe"), move |line| {
            let mut log = kept.lock().unwrap_or_else(PoisonError::into_inner);
            log.lines += 1;
            if is_forbidden(&line) {
                log.forbidden = Some(line.clone());
            }
            log.last.push_back(line);
            if log.last.len() > KEPT_LINES {
                log.last.pop_front();
            }
        });
        let (sender, urls) = mpsc::channel();
        each_line(process.stdout.take().expect("stdout is a pipe"), move |line| {
            // Nobody may listen any more; the pipe is emptied all the same.
            let _ = sender.send(line);
        });
        let address = loop {
            let line = urls.recv_timeout(Duration::from_secs(20)).expect("a URL is printed");
            if let Some((_, url)) = line.split_once("rtsp://") {
                let host = url.split('/').next().unwrap_or_default();
                break host.parse().expect("an address and a port");
            }
        };
        Self { process, address, log }
    }

    /// The URL of a file.
    pub(crate) fn url(&self, file: &str) -> String {
        format!("rtsp://{}/{}", self.address, file.replace(' ', "%20"))
    }

    /// Fails the test if it has ended.
    pub(crate) fn assert_alive(&mut self) {
        let status = self.process.try_wait().expect("ask for the server's end");
        assert!(status.is_none(), "the server has ended: {status:?}");
    }

    /// Whether one of the last lines of its log has this in it.
    pub(crate) fn has_logged(&self, text: &str) -> bool {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.last.iter().any(|line| line.contains(text))
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Lines that it has logged so far.
    pub(crate) fn logged(&self) -> usize {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).lines
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.process.id().to_string()).join(file)
    }

    /// Descriptors that are open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("list the server's descriptors").count()
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> usize {
        let status = std::fs::read_to_string(self.proc("status")).expect("read /proc");
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Processor time, in user and kernel mode.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(self.proc("stat")).expect("read /proc");
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // The 14th and 15th, of which the first two are left of the parenthesis.
        let ticks: u32 = fields[11..13].iter().map(|f| f.parse::<u32>().expect("ticks")).sum();
        TICK * ticks
    }

    /// Share of a processor that it uses during `time`, in percent.
    pub(crate) fn load_over(&self, time: Duration) -> f64 {
        let (before, begin) = (self.processor_time(), Instant::now());
        std::thread::sleep(time);
        let used = self.processor_time() - before;
        100.0 * used.as_secs_f64() / begin.elapsed().as_secs_f64()
    }

    /// Waits until it has no more than `baseline` descriptors open; returns how long that took.
    pub(crate) fn await_descriptors(&mut self, baseline: usize, patience: Duration) -> Duration {
        let begin = Instant::now();
        loop {
            self.assert_alive();
            let now = self.descriptors();
            if now <= baseline {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < patience, "{now} descriptors are open, {baseline} before");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::thread::panicking() {
            assert_eq!(log.forbidden, None, "in the log");
        } else {
            for line in &log.last {
                eprintln!("media_server: {line}");
            }
        }
    }
}

/// Reads lines on a thread of its own, so that the pipe never fills up.
fn each_line(pipe: impl Read + Send + 'static, mut f: impl FnMut(String) + Send + 'static) {
    std::thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).for_each(&mut f));
}

/// Where cargo puts an example: beside the folder of the running test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo test` builds it, `cargo test --test …` does not; \
         run `cargo build --example {name}` first",
        path.display()
    );
    path
}
