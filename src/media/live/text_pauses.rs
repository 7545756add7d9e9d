//! [`TextPauses`]: what follows the last text before a pause (RFC 4103 section 5.2).

use crate::frame::Frame;
use crate::media::{FramePoll, FramedFilter, FramedSource, SourceContext, Wait};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Time without text after which a pause begins.
const INTERVAL: Duration = Duration::from_millis(300);
/// Frames without text in a pause: the packets of two repeat the last text.
const FRAMES: u32 = 2;

/// Adds frames without text where the text of a live source pauses, with which its packets repeat the
/// last text: one every 0.3 s, two of them.
#[derive(Debug)]
pub struct TextPauses<S> {
    source: S,
    /// When the last text was read, and its presentation time.
    last: Option<(Instant, Duration)>,
    /// Number of frames since then.
    added: u32,
}

impl<S: FramedSource> TextPauses<S> {
    /// Creates a filter of a source whose frames are read when they are due.
    pub const fn new(source: S) -> Self {
        Self { source, last: None, added: 0 }
    }
}

impl<S: FramedSource> FramedSource for TextPauses<S> {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        let poll = self.source.poll_frame(cx);
        match (&poll, self.last) {
            (FramePoll::Ready(frame), _) => {
                (self.last, self.added) = (Some((cx.now, frame.pts)), 0);
                poll
            }
            (FramePoll::Pending(Wait::Input), Some((read, pts))) if self.added < FRAMES => {
                let later = INTERVAL * (self.added + 1);
                if cx.now < read + later {
                    // Input wakes the stream before.
                    return FramePoll::Pending(Wait::Until(read + later));
                }
                self.added += 1;
                FramePoll::Ready(Frame::new(Bytes::new(), pts + later, Duration::ZERO))
            }
            _ => poll,
        }
    }

    fn request_key_frame(&mut self) {
        self.source.request_key_frame();
    }

    fn close(&mut self, cx: &mut SourceContext<'_>) {
        self.source.close(cx);
    }
}

impl<S: FramedSource> FramedFilter for TextPauses<S> {
    fn input(&self) -> &dyn FramedSource {
        &self.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::demux::DemuxTable;

    /// Gives the frames whose times have come.
    struct Typist(Vec<(Instant, Frame)>);

    impl FramedSource for Typist {
        fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
            match self.0.first() {
                Some((at, _)) if *at <= cx.now => FramePoll::Ready(self.0.remove(0).1),
                _ => FramePoll::Pending(Wait::Input),
            }
        }
    }

    #[test]
    fn two_frames_without_text_follow_the_last_text() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let typed = [0, 200, 600, 5000]
            .map(|at| (start + ms(at), Frame::new(b"x".as_slice(), ms(1000 + at), Duration::ZERO)));
        let mut text = TextPauses::new(Typist(typed.to_vec()));
        let mut demuxers = DemuxTable::default();
        let mut given = Vec::new();
        for at in (0..8000).step_by(50) {
            let mut cx = SourceContext::new(start + ms(at), &mut demuxers);
            loop {
                match text.poll_frame(&mut cx) {
                    FramePoll::Ready(frame) => {
                        given.push((at, frame.data.len(), frame.pts.as_millis() as u64));
                    }
                    FramePoll::Pending(Wait::Until(due)) => {
                        assert!(due > cx.now && due <= cx.now + INTERVAL);
                        break;
                    }
                    _ => break,
                }
            }
        }
        let expected = [
            (0, 1, 1000),
            (200, 1, 1200),
            (500, 0, 1500),
            (600, 1, 1600),
            (900, 0, 1900),
            (1200, 0, 2200),
            (5000, 1, 6000),
            (5300, 0, 6300),
            (5600, 0, 6600),
        ];
        assert_eq!(given, expected);
    }
}
