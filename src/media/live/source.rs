//! [`LiveStream`] and [`LiveSource`]: the end of a live stream on the event loop's thread.

use super::shared::{LiveStats, Shared};
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::media::access_unit;
use crate::media::{Ending, FramePoll, FramedSource, SourceContext, Wait};
use bytes::BytesMut;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The receiving end of a live stream, which creates any number of sources.
pub struct LiveStream {
    shared: Arc<Shared>,
}

impl LiveStream {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Creates a source with its own queue. It begins with the first key frame that is sent after
    /// the source was first polled.
    pub fn create_source(&self) -> LiveSource {
        let key = Some(self.shared.lock().add_source());
        LiveSource { shared: Arc::clone(&self.shared), key }
    }

    /// Returns the codec parameters, as far as they are known.
    pub fn parameters(&self) -> CodecParameters {
        self.shared.lock().parameters.clone()
    }

    /// Returns a hash of the codec parameters, which changes when they do.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.shared.lock().parameters.hash(&mut hasher);
        hasher.finish()
    }

    /// Returns whether the codec parameters are complete, so that SDP can state them: whether the
    /// parameter sets of H.264 and H.265, and the configuration of MPEG-4 video, are known.
    pub fn is_described(&self) -> bool {
        self.shared.lock().is_described()
    }

    /// Returns whether all senders have been dropped.
    pub fn has_ended(&self) -> bool {
        self.shared.lock().senders == 0
    }

    /// Returns the counters.
    pub fn stats(&self) -> LiveStats {
        self.shared.lock().stats()
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        self.shared.lock().open = false;
    }
}

impl fmt::Debug for LiveStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveStream").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A source of the frames of a live stream. Frames are ready at once, whatever their times. Without
/// a frame the source waits for input, and the stream's [`Wake`](crate::media::Wake) is called when
/// a frame arrives. It ends when the last sender has been dropped and all frames are read.
pub struct LiveSource {
    shared: Arc<Shared>,
    key: Option<usize>,
}

impl LiveSource {
    /// Returns the codec parameters, as far as they are known.
    pub fn parameters(&self) -> CodecParameters {
        self.shared.lock().parameters.clone()
    }

    /// Returns the number of frames dropped because this source was not read in time.
    pub fn dropped(&self) -> u64 {
        let state = self.shared.lock();
        self.key.and_then(|key| state.sources.get(key)).map_or(0, |r| r.queue.dropped())
    }

    /// The frame, with what a decoder must be told if some before it are missing.
    fn after_break(&self, mut frame: Frame) -> Frame {
        let Some(codec) = self.shared.kind.nal_codec().filter(|_| frame.flags.discontinuity) else {
            return frame;
        };
        let found = access_unit::leading_units(codec, &frame.data);
        let first = access_unit::after_break(&found);
        if !first.is_empty() {
            let memory = BytesMut::with_capacity(first.len() + frame.data.len());
            frame.data = access_unit::put_in_front(memory, first, &frame.data, &found, &[]);
        }
        frame
    }

    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            self.shared.lock().sources.try_remove(key);
        }
    }
}

impl FramedSource for LiveSource {
    fn poll_frame(&mut self, _cx: &mut SourceContext<'_>) -> FramePoll {
        let mut state = self.shared.lock();
        let ended = state.senders == 0;
        let Some(reader) = self.key.and_then(|key| state.sources.get_mut(key)) else {
            return FramePoll::Ended(Ending::EndOfStream);
        };
        if !std::mem::replace(&mut reader.asked, true) && self.shared.kind.has_key_frames() {
            self.shared.key_frame_wanted.store(true, Ordering::Relaxed);
        }
        if let Some(frame) = reader.queue.pop() {
            drop(state);
            return FramePoll::Ready(self.after_break(frame));
        }
        if ended {
            return FramePoll::Ended(Ending::EndOfStream);
        }
        reader.waiting = true;
        FramePoll::Pending(Wait::Input)
    }

    fn request_key_frame(&mut self) {
        self.shared.key_frame_wanted.store(true, Ordering::Relaxed);
    }

    fn close(&mut self, _cx: &mut SourceContext<'_>) {
        self.leave();
    }
}

impl Drop for LiveSource {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for LiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSource").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}
