//! [`LiveSender`]: the end of a live stream on the encoder's thread.

use super::input::InputError;
use super::shared::{LiveStats, Noted, Sent, Shared};
use crate::frame::Frame;
use crate::media::access_unit;
use bytes::Bytes;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The sending end of a live stream: `Send` and cloneable. The stream ends when the last clone is
/// dropped.
///
/// [`RtspServer::add_live_stream`](crate::server::RtspServer::add_live_stream) makes one for each
/// track of a live stream; [`live_stream`](super::live_stream) makes one without a server.
///
/// # Example
///
/// A camera whose encoder responds to its viewers' needs:
///
/// ```no_run
/// use riverrun::env::UsageEnvironment;
/// use riverrun::media::live::Sent;
/// use riverrun::server::{LiveTrackOptions, RtspServer, ServerConfig};
/// use std::sync::atomic::AtomicBool;
/// use std::time::Duration;
///
/// # fn encode(_key_frame: bool) -> (Vec<u8>, Duration) { (vec![0], Duration::ZERO) }
/// # fn lower_the_rate() {}
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut env = UsageEnvironment::new()?;
/// let server = RtspServer::new(&mut env, ServerConfig::default(), &["0.0.0.0:8554".parse()?])?;
/// // The parameter sets are picked up from the stream.
/// let tracks = [LiveTrackOptions::h264()];
/// let added = env.with(server, |server, env| server.add_live_stream(env, "camera", tracks))?;
/// let [sender] = added?;
///
/// std::thread::spawn(move || {
///     loop {
///         let (access_unit, pts) = encode(sender.key_frame_wanted()); // in Annex B form
///         match sender.send_access_unit(access_unit, pts) {
///             Sent::Dropped => lower_the_rate(),
///             Sent::Accepted | Sent::NoReceiver => {}
///             Sent::Refused(error) => panic!("not in Annex B form? {error}"),
///             Sent::Closed => break,
///         }
///     }
/// });
/// env.do_event_loop(&AtomicBool::new(false))?;
/// # Ok(())
/// # }
/// ```
pub struct LiveSender {
    shared: Arc<Shared>,
}

impl LiveSender {
    /// The first sender of what is `shared`, which counts it already.
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Sends a frame. This blocks only while the loop takes a frame from a queue, for a few
    /// instructions. `pts` and `dts` refer to a clock of the encoder's choice, which all tracks of
    /// a presentation share.
    ///
    /// H.264 and H.265 must be in Annex B form, see [`Frame`]. Whether a frame is a key frame is
    /// detected from its bytes; [`FrameFlags::key`](crate::frame::FrameFlags) is used only for
    /// pieces of an access unit without a slice. Parameter sets sent by themselves are stored and
    /// sent with the next key frame. An access unit of AAC may have an ADTS header, which is
    /// removed. PCM must be in whole samples of all channels, MPEG audio in single frames, a
    /// transport stream in whole packets, and frames of other codecs as
    /// [`CodecParameters`](crate::codec::CodecParameters) says; of video it is detected which are key
    /// frames. Other frames are [refused](Sent::Refused). Frames of an
    /// application's own codec ([`CodecParameters::Other`](crate::codec::CodecParameters::Other))
    /// are sent as they are, with their flags.
    pub fn send(&self, frame: Frame) -> Sent {
        match self.accept(frame) {
            Ok(sent) => sent,
            Err(error) => self.refuse(error),
        }
    }

    /// Sends a whole access unit of video or a frame of audio, like [`send`](Self::send), as a [key
    /// frame](crate::frame::FrameFlags) of unknown duration.
    pub fn send_access_unit(&self, data: impl Into<Bytes>, pts: Duration) -> Sent {
        self.send(Frame::new(data, pts, Duration::ZERO))
    }

    fn accept(&self, mut frame: Frame) -> Result<Sent, InputError> {
        frame.data = self.shared.kind.check(frame.data)?;
        let Some(codec) = self.shared.kind.nal_codec() else {
            if self.shared.lock().is_rtp(self.shared.kind, &frame.data) {
                return Err(InputError::RtpPackets);
            }
            if let Some(is_key) = self.shared.kind.key_test() {
                frame.flags.key = is_key(&frame.data);
                if frame.flags.key {
                    self.learn(&frame.data);
                }
            }
            return Ok(self.distribute(frame));
        };
        let found = access_unit::leading_units(codec, &frame.data);
        let (noted, is_described) = {
            let mut state = self.shared.lock();
            let was_described = state.is_described();
            let noted = state.note_video(codec, &mut frame, &found);
            (noted, !was_described && state.is_described())
        };
        if is_described {
            // Nobody reads yet, but somebody may wait to be told what there is to read.
            (self.shared.wake)();
        }
        let missing = match noted? {
            Noted::Kept(sent) => return Ok(sent),
            Noted::Send { missing } => missing,
        };
        // Copied outside the lock: a key frame may be large.
        if let Some(sets) = missing {
            frame.data = access_unit::with_parameter_sets(&frame.data, &found, &sets);
        }
        Ok(self.distribute(frame))
    }

    /// Takes what the description of the stream is to say from a key frame.
    fn learn(&self, frame: &Bytes) {
        let is_described = {
            let mut state = self.shared.lock();
            let was_described = state.is_described();
            state.learn(frame);
            !was_described && state.is_described()
        };
        if is_described {
            (self.shared.wake)();
        }
    }

    fn refuse(&self, error: InputError) -> Sent {
        let is_news = self.shared.lock().refuse(error);
        // Outside the lock: a logger is the application's code.
        if is_news {
            log::warn!("live input refused: {error}");
        }
        Sent::Refused(error)
    }

    /// Sets the wall-clock time (since the Unix epoch) at which the frame with `pts` was captured.
    /// It applies to the next frame without a [`Frame::wall_clock`] of its own. Sender reports then
    /// relate RTP timestamps to that clock, which synchronizes tracks whose times come from
    /// different clocks.
    ///
    /// Call it repeatedly, each second or with each key frame, because the encoder's clock drifts
    /// against the wall clock, and after the encoder's times have started over. In between, the
    /// server follows the drift by the arrival of frames; a viewer who joins after more than ten
    /// seconds of media without a call gets the server's own wall clock.
    ///
    /// For the tracks of [`add_live_stream`](crate::server::RtspServer::add_live_stream), one call
    /// sets the clock of all tracks, unless the options say that each has its own.
    pub fn set_clock(&self, pts: Duration, wall_clock: Duration) {
        self.shared.set_clock(pts, wall_clock);
        for other in self.shared.clocks.get().into_iter().flatten().filter_map(Weak::upgrade) {
            other.set_clock(pts, wall_clock);
        }
    }

    /// Returns whether the encoder should make its next frame a key frame: viewers have joined,
    /// have requested one (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1), or were sent nothing
    /// for a while. True at most twice a second for each stream of the server. Takes no lock.
    #[must_use]
    pub fn key_frame_wanted(&self) -> bool {
        self.shared.key_frame_wanted.swap(false, Ordering::Relaxed)
    }

    /// Returns the counters.
    pub fn stats(&self) -> LiveStats {
        self.shared.lock().stats()
    }

    fn distribute(&self, frame: Frame) -> Sent {
        let (sent, wake) = self.shared.lock().distribute(frame);
        if wake {
            (self.shared.wake)();
        }
        sent
    }
}

impl Clone for LiveSender {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for LiveSender {
    fn drop(&mut self) {
        let ended = {
            let mut state = self.shared.lock();
            state.senders = state.senders.saturating_sub(1);
            state.senders == 0
        };
        if ended {
            (self.shared.wake)();
        }
    }
}

impl fmt::Debug for LiveSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSender").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Lets the clock that is set on one of these senders count for all. They are new: none has been
/// given such a clock before.
pub(crate) fn share_clock(senders: &[LiveSender]) {
    for sender in senders {
        let others = senders.iter().filter(|other| !Arc::ptr_eq(&other.shared, &sender.shared));
        let others = others.map(|other| Arc::downgrade(&other.shared)).collect();
        let was_unset = sender.shared.clocks.set(others).is_ok();
        debug_assert!(was_unset, "clocks are shared once");
    }
}
