//! [`SharedFile`]: one descriptor for all readers of a file, each with its own offset; it stays
//! open as long as there are readers.

use super::{ProbeError, open_regular};
use std::fs::{File, Metadata};
use std::io;
#[cfg(unix)]
use std::os::unix::fs::{FileExt, MetadataExt};
#[cfg(windows)]
use std::os::windows::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

/// Names a file and tells it from another that has taken its name.
#[derive(Debug)]
pub(super) struct SharedFile {
    path: PathBuf,
    len: u64,
    identity: Identity,
    open: Mutex<Weak<File>>,
}

/// The last of what was found in a file, for the tracks of a session, which seek one after the other.
#[cfg(feature = "more-files")]
#[derive(Debug)]
pub(super) struct LastFound<K, V>(Mutex<Option<(K, V)>>);

#[cfg(feature = "more-files")]
impl<K: PartialEq, V: Copy> LastFound<K, V> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns what was found last, if that was for `key`; else what `find` finds.
    pub(super) fn get_or_find<E>(
        &self,
        key: K,
        find: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = last.as_ref().filter(|(of, _)| *of == key) {
            return Ok(*found);
        }
        let found = find()?;
        *last = Some((key, found));
        Ok(found)
    }
}

/// What tells a file from another that has taken its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: (u64, u64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: (metadata.dev(), metadata.ino()),
        }
    }
}

impl SharedFile {
    /// Opens a file for a probe.
    pub(super) fn open_first(path: &Path) -> Result<(Self, Arc<File>), ProbeError> {
        let file = Arc::new(open_regular(path)?);
        let metadata = file.metadata()?;
        let shared = Self {
            path: path.to_owned(),
            len: metadata.len(),
            identity: Identity::of(&metadata),
            open: Mutex::new(Arc::downgrade(&file)),
        };
        Ok((shared, file))
    }

    /// For messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file when it was first opened.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Whether what was found out about the file still holds. One that was written to is another,
    /// unless it has grown: what is recorded while it is watched grows all the time, and what was
    /// there is there still.
    fn is_same(&self, metadata: &Metadata) -> bool {
        let identity = Identity::of(metadata);
        #[cfg(unix)]
        if identity.inode == self.identity.inode && metadata.len() > self.len {
            return true;
        }
        identity == self.identity
    }

    /// The file, opened anew only if nobody reads it.
    pub(super) fn open(&self) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.upgrade() {
            return Ok(file);
        }
        let file = open_regular(&self.path).map_err(|e| match e {
            ProbeError::Io(e) => e,
            other => io::Error::other(other.to_string()),
        })?;
        if !self.is_same(&file.metadata()?) {
            return Err(io::Error::other("the file has changed since it was probed"));
        }
        let file = Arc::new(file);
        *open = Arc::downgrade(&file);
        Ok(file)
    }
}

/// Reads at `offset`; 0 at the end of the file.
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let got = file.read_at(bytes, offset);
        #[cfg(windows)]
        let got = file.seek_read(bytes, offset);
        match got {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Fills `bytes` from `offset` on, or a part of it if the file ends before; tells how much.
pub(super) fn fill_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_at(file, rest, offset.saturating_add(filled as u64))? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// Reads `len` bytes at `offset`, or fewer if the file ends before.
pub(super) fn read_window(file: &File, len: usize, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let filled = fill_at(file, &mut bytes, offset)?;
    bytes.truncate(filled);
    Ok(bytes)
}

/// What to say of a file that ends before the place where it ended when it was probed.
pub(super) const CUT_SHORT: &str = "the file has become shorter since it was probed";
