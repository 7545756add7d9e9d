//! Sinks: what becomes of received frames. Files of each kind, one for a track or one for all.
//!
//! * [`MediaSink`] takes the frames of one track, [`Recorder`] those of several.
//! * [`FileSink`] writes a track into a file, in the form that players know it by ([`FileForm`]);
//!   [`FramePerFileSink`] writes each frame into a file of its own. [`FileRecorder`] does either for
//!   all tracks, and names the files as openRTSP does.
//! * [`Mp4Recorder`] writes all tracks into one fragmented MP4 file, or one after the other, which a
//!   [`SegmentFolder`] keeps for so long.
//! * [`TrackSink`] makes a [`MediaSink`] of a [`Recorder`] that has one track.
//!
//! Whoever drives a sink hands it every frame of the track in the order in which frames came, and
//! calls `finish` at the end. A call that fails has ended the sink, which says so once: calls after
//! it do nothing and return `Ok`. What was written until then can be played, whether the disk is full
//! or the program was killed. Writing takes as long as the file system does; nothing else waits.
//!
//! ```no_run
//! use riverrun::codec::CodecParameters;
//! use riverrun::media::sinks::{FileSink, MediaSink};
//! # fn frames() -> Vec<riverrun::Frame> { Vec::new() }
//!
//! # fn main() -> Result<(), riverrun::Error> {
//! let parameters = CodecParameters::H264 { sps: vec![], pps: vec![] }; // of the SDP
//! let mut sink = FileSink::create("front door.h264".as_ref(), &parameters)?;
//! for frame in frames() {
//!     sink.handle_frame(&frame)?;
//! }
//! sink.finish()
//! # }
//! ```

mod annexb;
mod file_form;
mod file_recorder;
mod file_sink;
mod mp4;
mod output;
mod recorder;
mod segment_folder;
mod wav;

pub use file_form::FileForm;
pub use file_recorder::{FileRecorder, FileRecorderConfig};
pub use file_sink::{FileSink, FramePerFileSink};
pub use mp4::{Mp4Config, Mp4Recorder, NumberedFiles, OneFile, SegmentFiles};
pub use output::Pipe;
pub use recorder::{MediaSink, Recorder, TrackSink};
pub use segment_folder::{Retention, SegmentFolder};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use mp4::reader as mp4_reader;

#[cfg(test)]
mod testing;
