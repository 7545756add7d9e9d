//! When a receiver needs a key frame, and when it requests one (RFC 4585 section 6.3.1, RFC 5104
//! section 4.3.1).

use super::config::KeyFrameMessage;
use crate::rtp::rtcp::KeyFrameRequest;
use crate::rtp::{ReceivedFrame, ReceivedPacket};
use std::time::{Duration, Instant};

/// Whether a key frame is needed, and the requests for it.
#[derive(Debug)]
pub(super) struct KeyFrameNeed {
    message: Option<KeyFrameMessage>,
    interval: Duration,
    /// A request ends the need: whether a key frame arrives is not seen.
    is_blind: bool,
    /// Whether a complete key frame has arrived, so that later frames can be decoded.
    begun: bool,
    /// When the need for a key frame was detected.
    since: Option<Instant>,
    asked_at: Option<Instant>,
    /// Number of the next full intra request.
    sequence: u8,
    requests: u64,
}

impl KeyFrameNeed {
    /// `is_blind`: packets are passed on, and no frame is seen.
    pub(super) const fn new(
        message: Option<KeyFrameMessage>,
        interval: Duration,
        is_blind: bool,
    ) -> Self {
        Self {
            message,
            interval,
            is_blind,
            begun: false,
            since: None,
            asked_at: None,
            sequence: 0,
            requests: 0,
        }
    }

    /// Processes a frame that is returned to the caller.
    pub(super) fn on_frame(&mut self, frame: &ReceivedFrame, now: Instant) {
        if frame.key && !frame.damaged {
            self.begun = true;
            self.since = None;
        } else if frame.discontinuity || frame.damaged || !self.begun {
            self.want(now);
        }
    }

    /// Processes a packet that is passed on.
    pub(super) fn on_packet(&mut self, packet: &ReceivedPacket<'_>, now: Instant) {
        if packet.lost_before > 0 {
            self.want(now);
        }
    }

    pub(super) fn want(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.since.is_some()
    }

    pub(super) const fn requests(&self) -> u64 {
        self.requests
    }

    /// Time of the next request.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let since = self.since.filter(|_| self.message.is_some())?;
        Some(self.asked_at.map_or(since, |at| since.max(at + self.interval)))
    }

    /// The request to send now. If a request brings no key frame within the interval, a new command
    /// follows, not a repetition: the sender may have answered, and its answer may have been lost.
    pub(super) fn poll_request(&mut self, now: Instant) -> Option<KeyFrameRequest> {
        self.due_at().filter(|at| *at <= now)?;
        self.asked_at = Some(now);
        if self.is_blind {
            self.since = None;
        }
        self.requests += 1;
        match self.message? {
            KeyFrameMessage::PictureLoss => Some(KeyFrameRequest::PictureLoss),
            KeyFrameMessage::FullIntra => {
                let sequence = self.sequence;
                self.sequence = sequence.wrapping_add(1);
                Some(KeyFrameRequest::FullIntra { sequence })
            }
        }
    }
}
