//! [`SegmentFiles`]: the files that a recording is written to, one after the other.

use super::super::output::Pipe;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;

/// Opens the files of a recording.
pub trait SegmentFiles {
    /// What a file is written to.
    type File: Write + Seek;

    /// Opens the file of a segment and says what errors are to call it. Segments are counted from 1.
    ///
    /// # Errors
    /// The recording has ended with this.
    fn open_segment(&mut self, number: u32) -> io::Result<(Self::File, String)>;

    /// Nothing more is written to a segment: it is complete, or could not be written.
    fn segment_closed(&mut self, number: u32, file: Self::File) {
        let _ = (number, file);
    }

    /// Whether there can be more than one.
    fn may_be_several(&self) -> bool {
        true
    }
}

/// Files in a folder. `door.mp4` becomes `door-00001.mp4`, `door-00002.mp4` and so on where a
/// recording is cut into segments. Where it is not, the first file has the name that was given, and
/// another follows only if the stream changes.
#[derive(Debug)]
pub struct NumberedFiles {
    path: PathBuf,
    first_has_number: bool,
}

impl NumberedFiles {
    /// Files that are called like `path`, and numbered, the first as well or not.
    pub fn new(path: impl Into<PathBuf>, first_has_number: bool) -> Self {
        Self { path: path.into(), first_has_number }
    }

    fn path(&self, number: u32) -> PathBuf {
        if number == 1 && !self.first_has_number {
            return self.path.clone();
        }
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{number:05}"));
        if let Some(ending) = self.path.extension() {
            name.push(".");
            name.push(ending);
        }
        self.path.with_file_name(name)
    }
}

impl SegmentFiles for NumberedFiles {
    type File = File;

    fn open_segment(&mut self, number: u32) -> io::Result<(File, String)> {
        let path = self.path(number);
        let name = path.display().to_string();
        let file =
            File::create(&path).map_err(|e| io::Error::new(e.kind(), format!("{name}: {e}")));
        Ok((file?, name))
    }
}

/// One writer, for a recording that must not be cut. What it wrote is
/// [taken out](crate::media::sinks::Mp4Recorder::into_files) at the end.
#[derive(Debug)]
pub struct OneFile<W> {
    file: Option<W>,
    name: String,
}

impl<W: Write + Seek> OneFile<W> {
    /// Writes to `file`, which errors call `name`.
    pub fn new(file: W, name: impl Into<String>) -> Self {
        Self { file: Some(file), name: name.into() }
    }

    /// The writer, once the recording has ended.
    pub fn into_file(self) -> Option<W> {
        self.file
    }
}

impl<W: Write> OneFile<Pipe<W>> {
    /// Writes to what does not seek, such as standard output.
    pub fn pipe(writer: W, name: impl Into<String>) -> Self {
        Self { file: Some(Pipe(writer)), name: name.into() }
    }
}

impl<W: Write + Seek> SegmentFiles for OneFile<W> {
    type File = W;

    fn open_segment(&mut self, _: u32) -> io::Result<(W, String)> {
        let name = self.name.clone();
        let file = self.file.take().ok_or_else(|| io::Error::other("there is one file only"));
        Ok((file?, name))
    }

    fn segment_closed(&mut self, _: u32, file: W) {
        self.file = Some(file);
    }

    fn may_be_several(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn segments_are_numbered() {
        let name = |path: &str, first, number| NumberedFiles::new(path, first).path(number);
        assert_eq!(name("a/door.mp4", true, 1), Path::new("a/door-00001.mp4"));
        assert_eq!(name("a/door.mp4", false, 1), Path::new("a/door.mp4"));
        assert_eq!(name("a/door.mp4", false, 2), Path::new("a/door-00002.mp4"));
        assert_eq!(name("door", true, 123_456), Path::new("door-123456"));
    }
}
