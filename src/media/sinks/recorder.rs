//! [`MediaSink`] and [`Recorder`]: what takes the frames of one track, and of several.

use crate::codec::CodecParameters;
use crate::error::Error;
use crate::frame::Frame;

/// Takes the frames of one track.
///
/// A closure that takes a frame is a sink too:
///
/// ```
/// use riverrun::media::sinks::MediaSink;
/// use riverrun::{Error, Frame};
///
/// let mut bytes = 0;
/// let mut count = |frame: &Frame| -> Result<(), Error> {
///     bytes += frame.data.len();
///     Ok(())
/// };
/// count.handle_frame(&Frame::new(&b"abc"[..], Default::default(), Default::default()))?;
/// assert_eq!(bytes, 3);
/// # Ok::<(), Error>(())
/// ```
pub trait MediaSink {
    /// Takes the next frame of the track, in decoding order.
    ///
    /// # Errors
    /// The sink has ended with this frame: its file could not be written, or the frame cannot be a
    /// part of it. Further calls do nothing.
    fn handle_frame(&mut self, frame: &Frame) -> Result<(), Error>;

    /// The frames that follow have other parameters, by the description of the stream (a source
    /// that was connected to again may have been configured anew). Parameter sets that stand in the
    /// frames themselves need not be told.
    ///
    /// # Errors
    /// The sink has ended: it cannot go on with these.
    fn handle_parameters(&mut self, parameters: &CodecParameters) -> Result<(), Error> {
        let _ = parameters;
        Ok(())
    }

    /// Completes what was begun: no frame follows. Calling it again does nothing.
    ///
    /// # Errors
    /// The file could not be completed.
    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: FnMut(&Frame) -> Result<(), Error>> MediaSink for F {
    fn handle_frame(&mut self, frame: &Frame) -> Result<(), Error> {
        self(frame)
    }
}

/// Takes the frames of all tracks of a presentation, the times of which lie on one time line.
///
/// The owner adds the tracks, hands over the frames as they come, each with the number that
/// [`add_track`](Self::add_track) gave for its track, and calls [`finish`](Self::finish) at the end.
/// Tracks may be added later; what becomes of them then, each recorder says.
pub trait Recorder {
    /// Adds a track and returns its number: 0 for the first, and one more for each further.
    ///
    /// # Errors
    /// The recorder has no form for a track with these parameters, or cannot open its file. It goes
    /// on with the tracks that it has.
    fn add_track(&mut self, parameters: &CodecParameters) -> Result<usize, Error>;

    /// Takes the next frame of a track, in decoding order. A frame of a track that was never added
    /// is left out.
    ///
    /// # Errors
    /// A file could not be written. A recorder that writes one file for all tracks has ended, and
    /// one that writes a file for each track goes on with the others. Further calls for what has
    /// ended do nothing.
    fn handle_frame(&mut self, track: usize, frame: &Frame) -> Result<(), Error>;

    /// As [`MediaSink::handle_parameters`], for one track.
    ///
    /// # Errors
    /// As [`handle_frame`](Self::handle_frame).
    fn handle_parameters(
        &mut self,
        track: usize,
        parameters: &CodecParameters,
    ) -> Result<(), Error>;

    /// No further frame of this track comes, so that the others need not wait for it.
    ///
    /// # Errors
    /// As [`handle_frame`](Self::handle_frame).
    fn finish_track(&mut self, track: usize) -> Result<(), Error>;

    /// Completes all files: no frame follows. Calling it again does nothing.
    ///
    /// # Errors
    /// A file could not be completed. The others have been.
    fn finish(&mut self) -> Result<(), Error>;
}

/// A [`Recorder`] with one track, as a [`MediaSink`].
#[derive(Debug)]
pub struct TrackSink<R> {
    recorder: R,
    track: usize,
}

impl<R: Recorder> TrackSink<R> {
    /// Adds a track with these parameters to `recorder`.
    ///
    /// # Errors
    /// As [`Recorder::add_track`].
    pub fn new(mut recorder: R, parameters: &CodecParameters) -> Result<Self, Error> {
        let track = recorder.add_track(parameters)?;
        Ok(Self { recorder, track })
    }

    /// The recorder with the track.
    pub fn into_recorder(self) -> R {
        self.recorder
    }
}

impl<R: Recorder> MediaSink for TrackSink<R> {
    fn handle_frame(&mut self, frame: &Frame) -> Result<(), Error> {
        self.recorder.handle_frame(self.track, frame)
    }

    fn handle_parameters(&mut self, parameters: &CodecParameters) -> Result<(), Error> {
        self.recorder.handle_parameters(self.track, parameters)
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.recorder.finish()
    }
}
