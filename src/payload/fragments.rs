//! [`Fragments`]: a frame that is put together from the payloads of consecutive packets, and
//! [`put_fragments`], which cuts one.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, RtpPayload};
use super::frame_buffers;
use super::packet_buffer::PacketBuffer;

/// Size of the largest frame that is put together, in bytes.
const MAX_FRAME: usize = 16 << 20;

/// Appends packets with fragments of `data` that fill them; `marker` is for the last. `head` writes
/// what precedes a fragment, and is told the offset of that in the data.
pub(super) fn put_fragments(
    data: &[u8],
    marker: bool,
    out: &mut PacketBuffer,
    mut head: impl FnMut(usize, &mut PacketBuffer),
) {
    let mut offset = 0;
    while offset < data.len() {
        out.begin_packet();
        head(offset, out);
        let end = (offset + out.room().max(1)).min(data.len());
        out.put(data.get(offset..end).unwrap_or_default());
        offset = end;
        out.finish_packet(marker && end == data.len(), 0);
    }
}

/// Puts frames together whose fragments come in order. A frame of which a fragment is missing is
/// dropped.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    bytes: Vec<u8>,
    /// Timestamp of the frame that has been begun.
    timestamp: Option<u32>,
    /// Lengths of the last two frames.
    last_lens: [usize; 2],
}

impl Fragments {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), timestamp: None, last_lens: [0; 2] }
    }

    /// Announces a packet, before which the frame that has been begun is dropped if packets are
    /// missing. Returns whether that frame has ended without a marker: the packet belongs to the
    /// next.
    pub(super) fn handle_packet(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> bool {
        if payload.lost {
            self.drop_frame();
            out.note_loss();
        }
        self.timestamp.is_some_and(|timestamp| timestamp != payload.timestamp)
    }

    /// Whether a frame has been begun and none of its fragments is missing.
    pub(super) const fn is_begun(&self) -> bool {
        self.timestamp.is_some()
    }

    /// The timestamp of the frame that has been begun.
    pub(super) const fn timestamp(&self) -> Option<u32> {
        self.timestamp
    }

    /// Begins a frame. One that has not ended is dropped.
    pub(super) fn begin(&mut self, timestamp: u32, out: &mut DepacketizedFrames) {
        if self.is_begun() {
            self.abandon(out);
        }
        self.timestamp = Some(timestamp);
        if self.bytes.capacity() == 0 {
            self.bytes = frame_buffers::take_like(self.last_lens);
        }
    }

    /// Appends a fragment. Without the beginning of its frame, or if the frame gets too large, it is
    /// dropped, and the frame with it.
    pub(super) fn push(&mut self, fragment: &[u8], out: &mut DepacketizedFrames) {
        if !self.is_begun() || self.bytes.len().saturating_add(fragment.len()) > MAX_FRAME {
            return self.abandon(out);
        }
        self.bytes.extend_from_slice(fragment);
    }

    /// The bytes of the frame so far.
    pub(super) const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Drops the frame that has been begun, and tells of it.
    pub(super) fn abandon(&mut self, out: &mut DepacketizedFrames) {
        self.drop_frame();
        out.note_loss();
    }

    fn drop_frame(&mut self) {
        self.timestamp = None;
        self.bytes.clear();
    }

    /// Ends the stream. Nothing tells whether a frame without a marker is whole.
    pub(super) fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        if self.is_begun() {
            self.abandon(out);
        }
    }

    /// Ends the frame that has been begun, and returns it if it has any bytes.
    pub(super) fn finish(&mut self) -> Option<DepacketizedFrame> {
        let timestamp = self.timestamp.take()?;
        if self.bytes.is_empty() {
            return None;
        }
        self.last_lens = [self.bytes.len(), self.last_lens[0]];
        let data = frame_buffers::share(std::mem::take(&mut self.bytes));
        Some(DepacketizedFrame::new(data, timestamp))
    }
}
