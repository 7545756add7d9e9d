//! [`FileSink`] and [`FramePerFileSink`]: the frames of one track in a file, or in a file each.

use super::file_form::{FileForm, FormWriter};
use super::output::Output;
use super::recorder::MediaSink;
use crate::codec::CodecParameters;
use crate::error::Error;
use crate::frame::Frame;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Writes the frames of one track into one file, each with one call of the system.
#[derive(Debug)]
pub struct FileSink<W = File> {
    writer: FormWriter,
    output: Output<W>,
    /// For frames that are put together.
    memory: Vec<u8>,
}

impl FileSink {
    /// A file in the form in which a track with these parameters can be played. A file that is
    /// there is replaced.
    ///
    /// # Errors
    /// The file cannot be made; or [`Error::Media`]: the track has no such form.
    pub fn create(path: &Path, parameters: &CodecParameters) -> Result<Self, Error> {
        Self::create_as(FileForm::of(parameters), path, parameters)
    }

    /// The same in another form.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_as(
        form: FileForm,
        path: &Path,
        parameters: &CodecParameters,
    ) -> Result<Self, Error> {
        // Nothing is replaced by a file that cannot be written.
        let writer = FormWriter::new(form, parameters);
        let writer = writer.map_err(|why| Error::Media(format!("{}: {why}", path.display())))?;
        Self::begun(writer, Output::create(path)?)
    }
}

impl<W: Write + Seek> FileSink<W> {
    /// Writes to `output`, which errors call `name`. [`Pipe`](super::Pipe) makes one of a writer
    /// that does not seek.
    ///
    /// # Errors
    /// As [`create`](FileSink::create).
    pub fn new(
        form: FileForm,
        output: W,
        name: impl Into<String>,
        parameters: &CodecParameters,
    ) -> Result<Self, Error> {
        let name = name.into();
        let writer = FormWriter::new(form, parameters);
        let writer = writer.map_err(|why| Error::Media(format!("{name}: {why}")))?;
        Self::begun(writer, Output::new(output, name))
    }

    fn begun(mut writer: FormWriter, mut output: Output<W>) -> Result<Self, Error> {
        writer.begin(&mut output)?;
        Ok(Self { writer, output, memory: Vec::new() })
    }

    /// The writer, with what has been written. [`finish`](MediaSink::finish) comes before.
    pub fn into_output(self) -> W {
        self.output.into_writer()
    }

    /// The parameters of the track, if frames have told others than were described.
    pub(super) fn parameters(&self) -> Option<CodecParameters> {
        self.writer.parameters()
    }
}

impl<W: Write + Seek> MediaSink for FileSink<W> {
    fn handle_frame(&mut self, frame: &Frame) -> Result<(), Error> {
        self.writer.frame(frame, &mut self.memory, &mut self.output)
    }

    fn handle_parameters(&mut self, parameters: &CodecParameters) -> Result<(), Error> {
        if self.output.is_ended() {
            return Ok(());
        }
        let changed = self.writer.change(parameters);
        changed.map_err(|why| {
            let completed = self.finish();
            completed.err().unwrap_or_else(|| self.output.refuse(why))
        })
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.output.is_ended() {
            return Ok(());
        }
        self.writer.complete(&mut self.output)?;
        self.output.flush()?;
        self.output.end();
        Ok(())
    }
}

/// Writes each frame of one track into a file of its own.
///
/// As with openRTSP's option `-m` the files are called `<prefix>-<seconds>.<microseconds>` by the
/// frame's presentation time, and frames of one time after the first get `-1`, `-2` and so on behind
/// that. The pieces of an access unit that comes in pieces are one frame.
#[derive(Debug)]
pub struct FramePerFileSink {
    writer: FormWriter,
    prefix: PathBuf,
    output: Option<Output<File>>,
    /// Presentation time of the last file, and files of this time before it.
    last: Option<(Duration, u32)>,
    ended: bool,
    memory: Vec<u8>,
}

impl FramePerFileSink {
    /// A sink whose files are called `prefix` and more.
    ///
    /// # Errors
    /// [`Error::Media`]: a track with these parameters has no such form.
    pub fn new(
        form: FileForm,
        prefix: impl Into<PathBuf>,
        parameters: &CodecParameters,
    ) -> Result<Self, Error> {
        let prefix = prefix.into();
        let writer = FormWriter::new(form, parameters);
        let writer = writer.map_err(|why| Error::Media(format!("{}: {why}", prefix.display())))?;
        Ok(Self { writer, prefix, output: None, last: None, ended: false, memory: Vec::new() })
    }

    fn next_path(&mut self, pts: Duration) -> PathBuf {
        let mut name = OsString::from(&self.prefix);
        name.push(format!("-{}.{:06}", pts.as_secs(), pts.subsec_micros()));
        let same = match self.last {
            Some((last, n)) if last.as_micros() == pts.as_micros() => n.saturating_add(1),
            _ => 0,
        };
        if same > 0 {
            name.push(format!("-{same}"));
        }
        self.last = Some((pts, same));
        name.into()
    }

    fn write(&mut self, frame: &Frame) -> Result<(), Error> {
        let mut output = match self.output.take() {
            Some(output) => output,
            None => {
                self.writer.restart();
                let mut output = Output::create(&self.next_path(frame.pts))?;
                self.writer.begin(&mut output)?;
                output
            }
        };
        self.writer.frame(frame, &mut self.memory, &mut output)?;
        if frame.flags.ends_access_unit {
            self.writer.complete(&mut output)?;
        } else {
            self.output = Some(output);
        }
        Ok(())
    }
}

impl MediaSink for FramePerFileSink {
    fn handle_frame(&mut self, frame: &Frame) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        let written = self.write(frame);
        self.ended = written.is_err();
        written
    }

    fn handle_parameters(&mut self, parameters: &CodecParameters) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        self.writer.restart();
        self.writer.change(parameters).map_err(|why| {
            self.ended = true;
            Error::Media(format!("{}: {why}", self.prefix.display()))
        })
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.ended = true;
        match self.output.take() {
            Some(mut output) => self.writer.complete(&mut output),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
