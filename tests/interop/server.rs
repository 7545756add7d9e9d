//! A `media_server` of one's own on a free port of the loopback interface.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// The folder of test data, e.g. `media`.
pub(crate) fn testdata(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder)
}

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    /// What it has written to its standard error since.
    log: Mutex<mpsc::Receiver<String>>,
}

impl Server {
    /// Serves `folder` with further options.
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        let program = example("media_server");
        let more = std::env::var("RIVERRUN_SERVER_OPTIONS").unwrap_or_default();
        let mut process = Command::new(&program)
            .args(["--bind", "127.0.0.1", "--port", "0"])
            .args(options)
            .args(more.split_whitespace())
            .arg(folder)
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let lines = read_lines(process.stdout.take().expect("stdout is a pipe"));
        let log = read_lines(process.stderr.take().expect("stderr is a pipe"));
        let until = Instant::now() + Duration::from_secs(20);
        let address = loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = lines.recv_timeout(left) else {
                let _ = process.kill();
                let said: Vec<String> = log.iter().collect();
                panic!("media_server printed no URL; it said:\n{}", said.join("\n"));
            };
            if let Some(at) = line.find("rtsp://") {
                let url = &line[at + "rtsp://".len()..];
                break url.split('/').next().unwrap_or_default().to_owned();
            }
        };
        Self { process, address, log: Mutex::new(log) }
    }

    /// Serves `testdata/media`.
    pub(crate) fn of_media() -> Self {
        Self::start(&testdata("media"), &[])
    }

    /// The URL of a file.
    pub(crate) fn url(&self, file: &str) -> String {
        format!("rtsp://{}/{}", self.address, file.replace(' ', "%20"))
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Interrupts it as Ctrl-C does and waits for its end.
    pub(crate) fn interrupt(&mut self, patience: Duration) -> Option<ExitStatus> {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().expect("run kill");
        assert!(sent.success());
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A failing test shows what the server had to say.
        if std::thread::panicking() {
            let log = self.log.get_mut().unwrap_or_else(PoisonError::into_inner);
            let lines: Vec<String> = log.iter().collect();
            for line in &lines[lines.len().saturating_sub(20)..] {
                eprintln!("media_server: {line}");
            }
        }
    }
}

/// Reads lines on a thread of its own, so that the pipe never fills up.
pub(crate) fn read_lines(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { break };
            // Nobody may listen any more; the pipe is emptied all the same.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Where cargo puts an example: beside the folder of the running test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo test` builds it, `cargo test --test interop` does not; \
         run `cargo build --example {name}` first",
        path.display()
    );
    path
}
