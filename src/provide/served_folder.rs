//! A folder whose media files are served, and the results of probing them.
//!
//! [`ServedFolder`] resolves the name of a stream to a file; a name never leads out of the folder
//! (see RFC 3986 section 7.3 on decoded paths). [`FileSessions`] probes the files step by step, and
//! keeps the results.

use crate::media::file::is_known;
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

mod file_sessions;
#[cfg(test)]
mod tests;

pub use file_sessions::{FileLimits, FileSessionPoll, FileSessions};

/// Most folders on the path from the root to a file.
const MAX_DEPTH: usize = 16;
/// Most folder entries that one listing examines.
const MAX_LISTED: usize = 100_000;

/// A folder of media files.
#[derive(Clone, Debug)]
pub struct ServedFolder {
    /// The root, without symbolic links.
    root: PathBuf,
}

impl ServedFolder {
    /// Creates a served folder for `root`, which may be a symbolic link.
    ///
    /// # Errors
    /// `root` does not exist, cannot be entered, or is not a folder.
    pub fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder"));
        }
        Ok(Self { root })
    }

    /// Returns the folder's path, without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the file with a stream name: the path of a URL without its leading slash, decoded
    /// segment by segment as [`UrlPath::decoded_path`](crate::wire::url::UrlPath::decoded_path)
    /// does.
    ///
    /// `None` unless it is a regular, visible file of a known type, in this folder or below, and
    /// reached through no symbolic link that leaves the folder.
    pub fn resolve(&self, name: &str) -> Option<PathBuf> {
        self.resolve_segments(name.split('/'))
    }

    /// Like [`resolve`](Self::resolve), for the decoded segments of a path. A segment that contains
    /// a slash (an encoded one) is never found.
    pub fn resolve_segments<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> Option<PathBuf> {
        let mut path = self.root.clone();
        let mut depth = 0;
        for segment in segments {
            depth += 1;
            if depth > MAX_DEPTH + 1 || !is_plain_name(segment) {
                return None;
            }
            path.push(segment);
        }
        self.admit(&path)
    }

    /// The file at `path`, which starts with the root, if it may be served.
    fn admit(&self, path: &Path) -> Option<PathBuf> {
        if !is_known(path) {
            return None;
        }
        let file = path.canonicalize().ok()?;
        // Links within the folder are followed, but not to what could not be named directly.
        let inner = file.strip_prefix(&self.root).ok()?;
        let visible = |component| match component {
            Component::Normal(name) => name.to_str().is_some_and(is_plain_name),
            _ => false,
        };
        let allowed = inner.components().all(visible) && is_known(&file);
        // Only now, so that nothing outside is looked at: a FIFO or a device is not opened.
        (allowed && fs::metadata(&file).is_ok_and(|metadata| metadata.is_file())).then_some(file)
    }

    /// Returns the names of all files that [`resolve`](Self::resolve) finds, sorted, except in very
    /// deep or very large trees. Files whose names are not UTF-8 are skipped. Each real folder is
    /// listed once, whatever links lead to it. Slow: do not call it from the event loop.
    pub fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut left = MAX_LISTED;
        let mut entered = HashSet::new();
        let mut folders = vec![(self.root.clone(), String::new(), 0)];
        while let Some((folder, prefix, depth)) = folders.pop() {
            let Ok(real) = folder.canonicalize() else { continue };
            if !real.starts_with(&self.root) || !entered.insert(real) {
                continue;
            }
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(e) => {
                    log::debug!("{} cannot be listed: {e}", folder.display());
                    continue;
                }
            };
            for entry in entries.flatten() {
                if left == 0 {
                    log::warn!("{} has too many files to list", self.root.display());
                    names.sort_unstable();
                    return names;
                }
                left -= 1;
                let Ok(name) = entry.file_name().into_string() else { continue };
                if !is_plain_name(&name) {
                    continue;
                }
                let path = entry.path();
                let name = format!("{prefix}{name}");
                if path.is_dir() {
                    if depth < MAX_DEPTH {
                        folders.push((path, format!("{name}/"), depth + 1));
                    }
                } else if self.admit(&path).is_some() {
                    names.push(name);
                }
            }
        }
        names.sort_unstable();
        names
    }
}

/// Whether a decoded segment of a URL is the name of a folder entry and nothing else.
fn is_plain_name(segment: &str) -> bool {
    // `\` and `:` separate, name drives and name streams of a file on Windows.
    let separators: &[char] = if cfg!(windows) { &['/', '\\', ':'] } else { &['/'] };
    // A leading dot hides; `.` and `..` have one too.
    !segment.is_empty()
        && !segment.starts_with('.')
        && !segment.contains(separators)
        && !segment.contains(char::is_control)
}
