//! Helpers of this layer's tests: a payload format of a few lines, and instants.

use crate::frame::Frame;
use crate::payload::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, PacketBuffer, Packetizer, PayloadFormat,
    RtpPayload,
};
use crate::wire::ParseError;
pub(crate) use crate::wire::testing::Random;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// Some instant; which one does not matter.
pub(crate) fn some_instant() -> Instant {
    Instant::now() + Duration::from_secs(100_000)
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) const FORMAT: PayloadFormat = PayloadFormat {
    media: Cow::Borrowed("video"),
    payload_type: 96,
    encoding_name: Cow::Borrowed("TEST"),
    clock_rate: 90_000,
    channels: None,
    fmtp: None,
    repeated: None,
    dimensions: None,
};

pub(crate) fn frame(len: usize, at: Duration) -> Frame {
    let data: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
    Frame::new(data, at, Duration::ZERO)
}

/// The first octet of a payload is 1 in the first packet of a frame; the last has the marker.
#[derive(Default)]
pub(crate) struct TestPacketizer {
    /// Keeps each frame until the next comes.
    pub(crate) holds: bool,
    pub(crate) held: Option<Frame>,
}

impl TestPacketizer {
    fn put(frame: &Frame, lag: u32, out: &mut PacketBuffer) {
        let room = out.max_payload() - 1;
        for (i, part) in frame.data.chunks(room).enumerate() {
            out.begin_packet();
            out.put(&[u8::from(i == 0)]);
            out.put(part);
            out.finish_packet(false, lag);
        }
        out.mark_last();
    }
}

impl Packetizer for TestPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        if !self.holds {
            return Self::put(frame, 0, out);
        }
        if let Some(held) = self.held.replace(frame.clone()) {
            let lag = frame.pts.saturating_sub(held.pts).as_millis() as u32 * 90;
            Self::put(&held, lag, out);
        }
    }

    fn flush(&mut self, out: &mut PacketBuffer) {
        if let Some(held) = self.held.take() {
            Self::put(&held, 0, out);
        }
    }

    fn reset(&mut self) {
        self.held = None;
    }

    fn holds_back(&self) -> bool {
        self.held.is_some()
    }
}

/// Undoes [`TestPacketizer`].
#[derive(Default)]
pub(crate) struct TestDepacketizer {
    open: Option<Vec<u8>>,
}

impl Depacketizer for TestDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if payload.lost {
            out.note_loss();
            self.open = None;
        }
        let (&first, part) =
            payload.data.split_first().ok_or(ParseError::Incomplete { what: "payload" })?;
        if first == 1 {
            self.open = Some(Vec::new());
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.extend_from_slice(part);
        if payload.marker {
            let data = self.open.take().unwrap_or_default();
            out.push(DepacketizedFrame::new(data, payload.timestamp));
        }
        Ok(())
    }
}
