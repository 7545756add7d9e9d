//! [`SegmentFolder`]: the segments of a stream's recordings in a folder, and how long they stay
//! there.

use super::mp4::SegmentFiles;
use crate::error::Error;
use crate::wire::rtsp::date::UtcTime;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Names that are tried for a segment before its folder is given up.
const TRIES: u32 = 100;
/// Longest stem of a name: file systems take names of 255 bytes.
const MAX_STEM: usize = 200;
const EXTENSION: &str = ".mp4";

/// How long the segments of a recording are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Removes a segment when so much time has passed since it was last written to. Default:
    /// `None`, never.
    pub max_age: Option<Duration>,
    /// Removes the oldest segments while all of a stream's have more bytes than this together.
    /// Default: `None`, never.
    pub max_bytes: Option<u64>,
}

/// The files of a stream's recordings in a folder, which other streams may record into as well.
///
/// A segment is called `<stem>-<time>-<number>.mp4`, for example
/// `door-20261129T132210Z-00001.mp4`: the stem is that of the stream, the time, in UTC, is when the
/// segment began, and the number counts the segments of a recording. Names of one stream sort in
/// the order of time. A file that is there is never written over.
///
/// Whenever a segment begins, those that the [`Retention`] does not keep are
/// [removed](Self::remove_old).
/// What begins, is complete and is removed is logged (`info`).
///
/// ```no_run
/// use riverrun::media::sinks::{Mp4Config, Mp4Recorder, Retention, SegmentFolder};
/// use std::time::{Duration, SystemTime};
///
/// # fn main() -> Result<(), riverrun::Error> {
/// let mut retention = Retention::default();
/// retention.max_age = Some(Duration::from_secs(7 * 86_400));
/// let folder = SegmentFolder::new("recordings", "door", retention, SystemTime::now)?;
/// let mut config = Mp4Config::default();
/// config.segment_duration = Some(Duration::from_secs(600));
/// let recorder = Mp4Recorder::new(folder, config)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SegmentFolder<C = fn() -> SystemTime> {
    folder: PathBuf,
    stem: String,
    retention: Retention,
    clock: C,
    /// The segment that is being written.
    open: Option<PathBuf>,
}

/// A segment that is there.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    modified: SystemTime,
    bytes: u64,
}

impl<C: FnMut() -> SystemTime> SegmentFolder<C> {
    /// Segments in `folder`, which has to be there when the first one begins. `clock` tells the
    /// time of day.
    ///
    /// # Errors
    /// The stem is empty or longer than 200 bytes, begins with a dot, or has a slash or a control
    /// character.
    pub fn new(
        folder: impl Into<PathBuf>,
        stem: impl Into<String>,
        retention: Retention,
        clock: C,
    ) -> Result<Self, Error> {
        let (folder, stem) = (folder.into(), stem.into());
        let is_bad = |c: char| c == '/' || c == '\\' || c.is_control();
        if stem.is_empty()
            || stem.len() > MAX_STEM
            || stem.starts_with('.')
            || stem.contains(is_bad)
        {
            return Err(Error::Usage("the stem of a segment's name is no part of a file's name"));
        }
        Ok(Self { folder, stem, retention, clock, open: None })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Changes how long segments are kept, from the next one on.
    pub const fn set_retention(&mut self, retention: Retention) {
        self.retention = retention;
    }

    /// Removes the segments that are not kept any longer, the oldest first, and returns how many
    /// there were. The segment that is being written is never removed, nor is a file whose name is
    /// not that of a segment of this stream, nor a folder or a symbolic link.
    ///
    /// # Errors
    /// The folder could not be read, or a segment not be removed; the error is that of the first,
    /// and the others have been removed.
    pub fn remove_old(&mut self) -> Result<usize, Error> {
        let Retention { max_age, max_bytes } = self.retention;
        if max_age.is_none() && max_bytes.is_none() {
            return Ok(0);
        }
        let now = (self.clock)();
        let found = self.segments().map_err(|e| named(&self.folder, &e))?;
        let mut bytes: u64 = found.iter().map(|segment| segment.bytes).sum();
        let (mut removed, mut failed) = (0, None);
        for segment in found {
            // A clock that was set back makes nothing older.
            let age = now.duration_since(segment.modified).unwrap_or_default();
            let is_old = max_age.is_some_and(|most| age > most);
            let is_too_much = max_bytes.is_some_and(|most| bytes > most);
            if !(is_old || is_too_much) || self.open.as_ref() == Some(&segment.path) {
                continue;
            }
            let path = segment.path.display();
            match fs::remove_file(&segment.path) {
                Ok(()) => {
                    removed += 1;
                    let why = if is_old { "its age" } else { "the size of all" };
                    log::info!("{path}: removed for {why}");
                }
                // Somebody else has.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    failed = failed.or_else(|| Some(named(&segment.path, &e)));
                    continue;
                }
            }
            bytes = bytes.saturating_sub(segment.bytes);
        }
        failed.map_or(Ok(removed), Err)
    }

    /// The segments of the stream, the oldest first.
    fn segments(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| self.is_segment(name)) {
                continue;
            }
            // Of the entry itself: a link leads elsewhere.
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => found.push(Found {
                    path: entry.path(),
                    modified: metadata.modified()?,
                    bytes: metadata.len(),
                }),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        found.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        Ok(found)
    }

    /// Whether a file of this name is a segment of the stream.
    fn is_segment(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&*self.stem).and_then(|rest| rest.strip_prefix('-'));
        let fields = rest.and_then(|rest| rest.strip_suffix(EXTENSION)?.split_once('-'));
        fields.is_some_and(|(time, number)| {
            let is_number = number.len() >= 5 && number.bytes().all(|b| b.is_ascii_digit());
            // As `open_segment` writes it.
            let is_whole = |utc: &UtcTime| utc.0.subsec_nanos() == 0 && utc.to_string() == time;
            let is_time = UtcTime::parse(time).as_ref().is_some_and(is_whole);
            is_time && is_number && number.parse::<u32>().is_ok()
        })
    }

    /// The path of a segment that begins at a time since the Unix epoch.
    fn path(&self, time: Duration, number: u32) -> PathBuf {
        let time = UtcTime(Duration::from_secs(time.as_secs()));
        self.folder.join(format!("{}-{time}-{number:05}{EXTENSION}", self.stem))
    }
}

impl<C: FnMut() -> SystemTime> SegmentFiles for SegmentFolder<C> {
    type File = File;

    /// Makes a file, then [removes](SegmentFolder::remove_old) what is not kept; if that fails, an
    /// error is logged, and the recording goes on.
    fn open_segment(&mut self, number: u32) -> io::Result<(File, String)> {
        // A clock before 1970 is not set.
        let time = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        for number in (number..=u32::MAX).take(TRIES as usize) {
            let path = self.path(time, number);
            match options.open(&path) {
                // Of a recording that began in the same second, or before the clock was set back.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(io::Error::new(e.kind(), format!("{}: {e}", path.display())));
                }
                Ok(file) => {
                    let name = path.display().to_string();
                    log::info!("{name}: recording begins");
                    self.open = Some(path);
                    if let Err(e) = self.remove_old() {
                        log::error!("old segments stay: {e}");
                    }
                    return Ok((file, name));
                }
            }
        }
        let path = self.path(time, number);
        let why = format!("{}: {TRIES} segments of this second are there", path.display());
        Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
    }

    /// Removes the file if nothing was written to it.
    fn segment_closed(&mut self, _: u32, file: File) {
        let Some(path) = self.open.take() else { return };
        let name = path.display();
        match file.metadata().map(|metadata| metadata.len()) {
            Ok(0) => {
                log::info!("{name}: recording ends, empty");
                if let Err(e) = fs::remove_file(&path) {
                    log::error!("{name}: {e}");
                }
            }
            Ok(bytes) => log::info!("{name}: recording ends, {bytes} bytes"),
            Err(e) => log::error!("{name}: {e}"),
        }
    }
}

fn named(path: &Path, e: &io::Error) -> Error {
    Error::Io(io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

#[cfg(test)]
mod tests;
