//! A stand-in for an encoder, on a thread of its own: a file at its frame rate, over and over.

use riverrun::media::demux::DemuxTable;
use riverrun::media::file::MediaFile;
use riverrun::media::live::{LiveSender, Sent};
use riverrun::media::{FramePoll, SourceContext, Wait};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What an encoder is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Frame,
    /// It begins anew, with a key frame.
    KeyFrame,
}

/// Hands the frames of the file's first track over when they are due, until nobody will take them
/// any more. After each, `next` says how it goes on.
pub(crate) fn encode(
    file: Arc<dyn MediaFile>,
    sender: &LiveSender,
    mut next: impl FnMut(&LiveSender) -> Next,
) {
    let mut demuxers = DemuxTable::default();
    let mut cx = SourceContext::new(Instant::now(), &mut demuxers);
    let mut source = match file.open_track(0, 0, &mut cx) {
        Ok(source) => source,
        Err(e) => return log::error!("the encoder has no input: {e}"),
    };
    let start = Instant::now();
    // Where the time line of the present round begins, and where it ends by what came so far.
    let (mut offset, mut end) = (Duration::ZERO, Duration::ZERO);
    loop {
        cx.now = Instant::now();
        let mut is_over = None;
        match source.poll_frame(&mut cx) {
            FramePoll::Ready(mut frame) => {
                frame.pts += offset;
                frame.dts += offset;
                end = end.max(frame.pts + frame.duration);
                let due = start + frame.dts;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                match sender.send(frame) {
                    // An encoder would lower its rate here, or make a key frame.
                    Sent::Dropped => log::debug!("the loop is behind: frame dropped"),
                    Sent::Accepted | Sent::NoReceiver => {}
                    Sent::Refused(error) => return log::error!("refused: {error}"),
                    Sent::Closed => return,
                }
                if next(sender) == Next::KeyFrame {
                    is_over = Some("a key frame is wanted".to_owned());
                }
            }
            FramePoll::Pending(Wait::Until(at)) => {
                thread::sleep(at.saturating_duration_since(Instant::now()));
            }
            FramePoll::Pending(Wait::Work) => {}
            FramePoll::Pending(Wait::Input) => return log::error!("a file waits for nothing"),
            FramePoll::Ended(ending) => is_over = Some(format!("{ending:?}")),
        }
        if let Some(why) = is_over {
            if end == offset || source.seek(Duration::ZERO, &mut cx).is_err() {
                return log::error!("the encoder cannot begin anew: {why}");
            }
            offset = end;
        }
    }
}
