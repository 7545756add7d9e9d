//! [`FolderProvider`]: makes media sessions from the files of a folder.

use crate::error::Error;
#[cfg(feature = "more-files")]
use crate::media::file::probe_tracks;
use crate::provide::file_track::{FileSessionOptions, can_be_sent, file_media_session};
#[cfg(feature = "more-files")]
use crate::provide::served_folder::FileLimits;
use crate::provide::served_folder::{FileSessionPoll, FileSessions, ServedFolder};
use crate::session::provider::{SessionPoll, SessionProvider};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A [`SessionProvider`] that makes media sessions from the files of a folder, by name.
pub struct FolderProvider {
    folder: ServedFolder,
    files: FileSessions,
    options: FileSessionOptions,
    /// Files that are being probed, by stream name: a name is resolved when its probe begins, not
    /// in each turn.
    probing: HashMap<String, PathBuf>,
}

impl fmt::Debug for FolderProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderProvider").field("root", &self.folder.root()).finish_non_exhaustive()
    }
}

impl FolderProvider {
    /// Creates a provider for the files of the folder `root`.
    ///
    /// # Errors
    /// The folder does not exist, or cannot be read.
    pub fn new(root: &Path, options: FileSessionOptions) -> Result<Self, Error> {
        let folder = ServedFolder::new(root)?;
        let files = FileSessions::default();
        #[cfg(feature = "more-files")]
        let files = if options.ts_tracks {
            FileSessions::with_prober(FileLimits::default(), Box::new(probe_tracks))
        } else {
            files
        };
        Ok(Self { folder, files, options, probing: HashMap::new() })
    }

    /// Returns the names of the files that can be served. Lists the folder, which may block: do not
    /// call it from the event loop.
    pub fn names(&self) -> Vec<String> {
        self.folder.files()
    }

    /// The file with a stream name.
    fn resolve(&self, name: &str) -> Option<PathBuf> {
        let probing = self.probing.get(name).filter(|path| self.files.is_probing(path));
        probing.cloned().or_else(|| self.folder.resolve(name))
    }

    /// Records the file of a name while it is being probed.
    fn note_probing(&mut self, name: &str, path: PathBuf) {
        if !self.probing.contains_key(name) {
            let files = &self.files;
            self.probing.retain(|_, path| files.is_probing(path));
            self.probing.insert(name.to_owned(), path);
        }
    }
}

impl SessionProvider for FolderProvider {
    fn poll_session(&mut self, name: &str, budget: &mut usize) -> SessionPoll {
        let Some(path) = self.resolve(name) else { return SessionPoll::NotFound };
        let poll = self.files.poll(&path, *budget);
        if let FileSessionPoll::Pending = poll {
            // A probe reads about what it may; one that waits for its turn reads nothing.
            if self.files.is_probing(&path) {
                *budget = 0;
                self.note_probing(name, path);
            }
            return SessionPoll::Pending;
        }
        self.probing.remove(name);
        match poll {
            FileSessionPoll::Pending => SessionPoll::Pending,
            FileSessionPoll::Ready(file) if !file.tracks().iter().any(can_be_sent) => {
                SessionPoll::Unusable("no track that has a payload format here".into())
            }
            FileSessionPoll::Ready(file) => {
                SessionPoll::Found(Box::new(file_media_session(name, &file, self.options)))
            }
            FileSessionPoll::Failed(e) => SessionPoll::Unusable(e.to_string()),
        }
    }

    fn identity(&mut self, name: &str) -> Option<u64> {
        self.folder.resolve(name).and_then(|path| FileSessions::identity(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provide::served_folder::FileLimits;
    use std::fs;

    /// Turns that a probe takes that reads so much in each, and the tracks that it finds.
    #[cfg(feature = "more-files")]
    fn probed(folder: &Path, ts_tracks: bool) -> (usize, usize) {
        let options = FileSessionOptions::default().with_ts_tracks(ts_tracks);
        let mut provider = FolderProvider::new(folder, options).unwrap();
        for turn in 1..10_000 {
            let mut budget = 1 << 16;
            if let SessionPoll::Found(session) = provider.poll_session("long.ts", &mut budget) {
                let tracks = (0..).take_while(|&n| session.subsession(n).is_some());
                return (turn, tracks.count());
            }
        }
        panic!("the probe does not end");
    }

    #[test]
    #[cfg(feature = "more-files")]
    fn the_streams_of_a_transport_stream_are_only_looked_at_where_they_are_offered() {
        let temp = tempfile::tempdir().unwrap();
        let media = fs::read("testdata/media/program.ts").unwrap();
        fs::write(temp.path().join("long.ts"), media.repeat(16)).unwrap();
        let (whole, tracks) = (probed(temp.path(), false), probed(temp.path(), true));
        assert_eq!((whole.1, tracks.1), (1, 2));
        assert!(tracks.0 > whole.0 + 10, "{whole:?} {tracks:?}");
    }

    #[test]
    fn a_file_that_waits_for_its_turn_takes_no_share_and_a_probe_resolves_its_name_once() {
        let temp = tempfile::tempdir().unwrap();
        let media = fs::read("testdata/media/program.ts").unwrap();
        for name in ["a.ts", "b.ts"] {
            fs::write(temp.path().join(name), &media).unwrap();
        }
        let limits = FileLimits { max_probes: 1, ..FileLimits::default() };
        let mut provider = FolderProvider::new(temp.path(), FileSessionOptions::default()).unwrap();
        provider.files = FileSessions::new(limits).unwrap();
        let poll = |provider: &mut FolderProvider, name| {
            let mut budget = 200;
            let poll = provider.poll_session(name, &mut budget);
            (matches!(poll, SessionPoll::Pending), budget)
        };
        assert_eq!(poll(&mut provider, "a.ts"), (true, 0));
        assert_eq!(poll(&mut provider, "b.ts"), (true, 200), "it is not its turn");
        assert_eq!(provider.probing.len(), 1);
        // The probe goes on with the file that it has opened, without a look at the folder.
        fs::rename(temp.path().join("a.ts"), temp.path().join("c.ts")).unwrap();
        assert_eq!(poll(&mut provider, "a.ts"), (true, 0));
        let turns = (0..100_000).find(|_| !poll(&mut provider, "a.ts").0);
        assert!(turns.is_some(), "the probe ends");
        assert_eq!(provider.probing.len(), 0);
        let polled = provider.poll_session("a.ts", &mut 200);
        assert!(matches!(polled, SessionPoll::NotFound), "now it is looked for: {polled:?}");
        assert_eq!(poll(&mut provider, "b.ts"), (true, 0), "now it is its turn");
    }
}
