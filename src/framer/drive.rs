//! Drives the framers of audio and transport streams in one way, for tests and fuzzing.

use super::adts::AdtsFramer;
use super::mpeg_audio::MpegAudioFramer;
use super::mpeg_ts::TsFramer;
use super::wav::WavFramer;
use crate::frame::Frame;

/// The methods that all of them have.
pub(crate) trait Framer: Default {
    fn handle_bytes(&mut self, bytes: &[u8]);
    fn handle_end(&mut self);
    fn poll_frame(&mut self) -> Option<Frame>;
}

macro_rules! framer {
    ($framer:ty) => {
        impl Framer for $framer {
            fn handle_bytes(&mut self, bytes: &[u8]) {
                self.handle_bytes(bytes);
            }
            fn handle_end(&mut self) {
                self.handle_end();
            }
            fn poll_frame(&mut self) -> Option<Frame> {
                self.poll_frame()
            }
        }
    };
}
framer!(AdtsFramer);
framer!(MpegAudioFramer);
framer!(WavFramer);
framer!(TsFramer);

/// The frames of a whole stream that comes in pieces of `piece` bytes.
pub(crate) fn frames_of(framer: &mut impl Framer, data: &[u8], piece: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    for piece in data.chunks(piece) {
        framer.handle_bytes(piece);
        frames.extend(std::iter::from_fn(|| framer.poll_frame()));
    }
    framer.handle_end();
    frames.extend(std::iter::from_fn(|| framer.poll_frame()));
    assert!(framer.poll_frame().is_none(), "the end is final");
    frames
}
