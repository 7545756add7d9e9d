//! Probes of media files in progress, and the results of completed ones.

use crate::error::Error;
use crate::media::file::{MediaFile, Probe, ProbeError, ProbePoll, probe};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fmt, fs, io};

/// The properties that distinguish a version of a file from the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    length: u64,
    modified: Option<SystemTime>,
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        #[cfg(unix)]
        let (device, inode) = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let (device, inode) = (0, 0);
        let modified = metadata.modified().ok();
        Ok(Self { length: metadata.len(), modified, device, inode })
    }
}

/// The result of polling [`FileSessions`].
#[derive(Debug)]
#[non_exhaustive]
pub enum FileSessionPoll {
    /// The result is not known yet; poll again in the next turn.
    Pending,
    /// The file can be served.
    Ready(Arc<dyn MediaFile>),
    /// The file cannot be served, for the given reason.
    Failed(ProbeError),
}

/// The limits of [`FileSessions`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FileLimits {
    /// Most files whose results are kept; the least recently used is evicted.
    pub max_known: usize,
    /// Most files that are probed at the same time; others wait.
    pub max_probes: usize,
    /// Most files that wait to be probed.
    pub max_waiting: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self { max_known: 256, max_probes: 16, max_waiting: 1_024 }
    }
}

#[derive(Debug)]
struct Running {
    probe: Box<dyn Probe>,
    identity: Identity,
    asked_at: u64,
}

#[derive(Debug)]
enum Outcome {
    Ready(Arc<dyn MediaFile>),
    /// The content is invalid. Errors of the operating system are not kept, since they may be
    /// temporary.
    Failed(String),
}

#[derive(Debug)]
struct Known {
    outcome: Outcome,
    identity: Identity,
    used_at: u64,
}

/// Starts a probe.
type Prober = Box<dyn FnMut(&Path) -> Result<Box<dyn Probe>, ProbeError>>;

/// The results of probes of files, and the probes in progress.
///
/// A result is valid while the file's length, modification time and inode stay the same; a changed
/// file is probed anew, while streams of the old one keep it. A caller that waits polls in each
/// turn; a probe that nobody polls gives way to others.
pub struct FileSessions {
    limits: FileLimits,
    prober: Prober,
    known: HashMap<PathBuf, Known>,
    running: HashMap<PathBuf, Running>,
    /// Files that found all probes busy, with the time of their last poll.
    waiting: HashMap<PathBuf, u64>,
    /// Time at which files that nobody polls were last removed from `waiting`.
    purged_at: u64,
    /// Number of calls, which serves as a clock.
    calls: u64,
}

impl Default for FileSessions {
    fn default() -> Self {
        Self::with_prober(FileLimits::default(), Box::new(probe))
    }
}

impl FileSessions {
    /// Creates an empty collection with these limits.
    ///
    /// # Errors
    /// [`Error::Usage`]: one of the limits is 0, with which no file could be described.
    pub fn new(limits: FileLimits) -> Result<Self, Error> {
        if [limits.max_known, limits.max_probes, limits.max_waiting].contains(&0) {
            return Err(Error::Usage("a limit of FileLimits is 0: no file would be described"));
        }
        Ok(Self::with_prober(limits, Box::new(probe)))
    }

    /// Like [`new`](Self::new), with another function that starts a probe.
    pub(crate) fn with_prober(limits: FileLimits, prober: Prober) -> Self {
        Self {
            limits,
            prober,
            known: HashMap::new(),
            running: HashMap::new(),
            waiting: HashMap::new(),
            purged_at: 0,
            calls: 0,
        }
    }

    /// Returns the result for the file at `path`, as [`ServedFolder::resolve`] returned it, or
    /// starts or continues its probe, which reads at most about `budget` bytes.
    ///
    /// [`ServedFolder::resolve`]: super::ServedFolder::resolve
    pub fn poll(&mut self, path: &Path, budget: usize) -> FileSessionPoll {
        self.calls += 1;
        // A file that grows while it is probed is probed to its end all the same, or a recording
        // in progress could never be served; the result holds for those who ask now.
        if !self.running.contains_key(path) {
            let identity = match Identity::of(path) {
                Ok(identity) => identity,
                Err(e) => {
                    self.forget(path);
                    return FileSessionPoll::Failed(e.into());
                }
            };
            if let Some(known) = self.recall(path, identity) {
                return known;
            }
            if !self.may_start(path) {
                return FileSessionPoll::Pending;
            }
            match (self.prober)(path) {
                Ok(probe) => {
                    let running = Running { probe, identity, asked_at: self.calls };
                    self.running.insert(path.to_owned(), running);
                }
                Err(e) => return FileSessionPoll::Failed(e),
            }
        }
        let Some(running) = self.running.get_mut(path) else { return FileSessionPoll::Pending };
        running.asked_at = self.calls;
        let outcome = match running.probe.poll_probe(budget) {
            ProbePoll::Pending => return FileSessionPoll::Pending,
            outcome => outcome,
        };
        let identity = running.identity;
        self.running.remove(path);
        match outcome {
            ProbePoll::Pending => FileSessionPoll::Pending,
            ProbePoll::Ready(file) => {
                self.remember(path, identity, Outcome::Ready(Arc::clone(&file)));
                FileSessionPoll::Ready(file)
            }
            ProbePoll::Failed(e) => {
                if let ProbeError::Content(what) = &e {
                    self.remember(path, identity, Outcome::Failed(what.clone()));
                }
                FileSessionPoll::Failed(e)
            }
        }
    }

    /// Drops the result for `path`, and stops its probe.
    pub fn forget(&mut self, path: &Path) {
        self.known.remove(path);
        self.running.remove(path);
        self.waiting.remove(path);
    }

    /// Returns whether a probe of the file at `path` is in progress.
    pub fn is_probing(&self, path: &Path) -> bool {
        self.running.contains_key(path)
    }

    /// Returns the number of files with results.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Returns a number for the file at `path`, which changes when the file does; `None` if there
    /// is no file.
    pub fn identity(path: &Path) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        Identity::of(path).ok()?.hash(&mut hasher);
        Some(hasher.finish())
    }

    /// Returns the number of probes in progress.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn recall(&mut self, path: &Path, identity: Identity) -> Option<FileSessionPoll> {
        let known = self.known.get_mut(path)?;
        if known.identity != identity {
            log::debug!("{} has changed", path.display());
            self.known.remove(path);
            return None;
        }
        known.used_at = self.calls;
        Some(match &known.outcome {
            Outcome::Ready(file) => FileSessionPoll::Ready(Arc::clone(file)),
            Outcome::Failed(what) => FileSessionPoll::Failed(ProbeError::Content(what.clone())),
        })
    }

    /// Whether a probe may start for `path`, if necessary by replacing one that nobody has polled
    /// since the last poll for `path`: all waiting callers poll in each turn, so that one was
    /// abandoned.
    fn may_start(&mut self, path: &Path) -> bool {
        if self.running.len() >= self.limits.max_probes.max(1) {
            let asked_before = self.waiting.get(path).copied();
            let oldest = self.running.iter().min_by_key(|(_, running)| running.asked_at);
            let given_up = oldest
                .filter(|(_, running)| asked_before.is_some_and(|at| running.asked_at < at))
                .map(|(path, _)| path.clone());
            let Some(given_up) = given_up else {
                self.wait(path);
                return false;
            };
            log::debug!("nobody waits for {} any more", given_up.display());
            self.running.remove(&given_up);
        }
        self.waiting.remove(path);
        true
    }

    fn wait(&mut self, path: &Path) {
        if let Some(asked_at) = self.waiting.get_mut(path) {
            *asked_at = self.calls;
            return;
        }
        if self.waiting.len() >= self.limits.max_waiting {
            // Those who gave up make room, at a cost that is spread over many calls. Who finds
            // none waits all the same, but cannot take the place of a probe that was given up.
            let long_ago = self.purged_at;
            let calls = self.calls.saturating_sub(long_ago);
            if calls < (self.limits.max_waiting as u64).saturating_mul(4) {
                return;
            }
            self.waiting.retain(|_, asked_at| *asked_at > long_ago);
            self.purged_at = self.calls;
        }
        if self.waiting.len() < self.limits.max_waiting {
            self.waiting.insert(path.to_owned(), self.calls);
        }
    }

    fn remember(&mut self, path: &Path, identity: Identity, outcome: Outcome) {
        while self.known.len() >= self.limits.max_known.max(1) {
            let least = self.known.iter().min_by_key(|(_, known)| known.used_at);
            let Some(least) = least.map(|(path, _)| path.clone()) else { break };
            self.known.remove(&least);
        }
        let known = Known { outcome, identity, used_at: self.calls };
        self.known.insert(path.to_owned(), known);
    }
}

impl fmt::Debug for FileSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSessions")
            .field("limits", &self.limits)
            .field("known", &self.known.len())
            .field("running", &self.running.len())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
