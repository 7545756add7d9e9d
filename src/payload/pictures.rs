//! [`PictureAssembler`]: puts pictures of MPEG-1, MPEG-2 or MPEG-4 video together, which are sent as
//! pieces of their elementary stream.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames};
use super::frame_buffers;

/// Size of the largest picture that a depacketizer assembles, in bytes.
const MAX_PICTURE: usize = 16 << 20;
/// Most bytes that are allocated for a picture before they have come.
const MAX_AHEAD: usize = 32 << 10;

/// The content of the bytes of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Headers alone, which belong to the picture that follows.
    Headers,
    /// A picture with its header.
    Picture {
        /// Whether decoding can start with it.
        key: bool,
        /// Whether the configuration of the decoder precedes it.
        has_config: bool,
    },
    /// Parts of a picture, which cannot be decoded without its header.
    Rest,
}

/// Assembles pictures. What is missing in the middle of one is cut out, up to the first piece that can
/// be decoded by itself.
#[derive(Debug)]
pub(super) struct PictureAssembler {
    examine: fn(&[u8]) -> Content,
    bytes: Vec<u8>,
    /// Length of the part of `bytes` that remains if what follows is lost.
    whole: usize,
    timestamp: Option<u32>,
    /// Whether pieces are dropped until one can be decoded by itself.
    skips: bool,
    /// Where bytes go on behind what is missing.
    resumed_at: Option<usize>,
    /// Whether something was lost since the last picture was returned.
    lossy: bool,
    /// Whether a part of the present picture is missing, or may be.
    damaged: bool,
    /// Whether the sender marks the ends of pictures.
    marks: bool,
    /// Whether decoding cannot start, since the configuration has not come.
    expects_config: bool,
    /// Lengths of the last two pictures.
    last_lens: [usize; 2],
}

impl PictureAssembler {
    pub(super) const fn new(examine: fn(&[u8]) -> Content) -> Self {
        Self {
            examine,
            bytes: Vec::new(),
            whole: 0,
            timestamp: None,
            skips: true,
            resumed_at: None,
            lossy: false,
            damaged: false,
            marks: false,
            expects_config: false,
            last_lens: [0; 2],
        }
    }

    /// Takes key frames for damaged until the configuration has come.
    pub(super) const fn expect_config(&mut self) {
        self.expects_config = true;
    }

    /// Announces a packet with its `timestamp`; `lost` if packets before it are missing. Returns
    /// whether the packet begins a picture, as far as its timestamp tells.
    pub(super) fn handle_packet(
        &mut self,
        timestamp: u32,
        lost: bool,
        out: &mut DepacketizedFrames,
    ) -> bool {
        if lost {
            self.handle_damage();
        }
        let is_other = self.timestamp.is_some_and(|current| current != timestamp);
        if is_other {
            // The marked packet was lost, or the sender marks none.
            self.finish(out);
            // The loss may reach into this picture too.
            if lost {
                self.handle_damage();
            }
        }
        self.timestamp = Some(timestamp);
        is_other
    }

    /// Records that something behind the bytes so far is missing.
    pub(super) fn handle_damage(&mut self) {
        self.bytes.truncate(self.whole);
        self.skips = true;
        self.lossy = true;
        self.damaged = true;
    }

    /// Appends a piece; `begins` if it can be decoded without the piece before it. Returns whether it
    /// was not dropped.
    pub(super) fn push(&mut self, data: &[u8], begins: bool) -> bool {
        if self.skips && !begins {
            self.lossy = true;
            self.damaged = true;
            return false;
        }
        if std::mem::take(&mut self.skips) && self.damaged {
            self.resumed_at = Some(self.bytes.len());
        }
        if self.bytes.len().saturating_add(data.len()) > MAX_PICTURE {
            self.whole = 0;
            self.handle_damage();
            return false;
        }
        if self.bytes.capacity() == 0 {
            // Pictures are of a size, mostly: a little more than the smaller of the last two.
            let [last, before] = self.last_lens;
            let len = last.min(before).min(MAX_AHEAD);
            self.bytes = frame_buffers::take(len + len / 4);
        }
        self.bytes.extend_from_slice(data);
        true
    }

    /// Keeps what there is if what follows is lost.
    pub(super) fn note_whole(&mut self) {
        self.whole = self.bytes.len();
    }

    /// The bytes of the present picture.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Ends the picture before byte `at`. The rest belongs to the next one, of whose time no more is
    /// known.
    pub(super) fn split_at(&mut self, at: usize, out: &mut DepacketizedFrames) {
        let next = self.bytes.get(at..).unwrap_or_default();
        let mut bytes = frame_buffers::take(next.len());
        bytes.extend_from_slice(next);
        let (timestamp, whole) = (self.timestamp, self.whole.saturating_sub(at));
        // Headers before those with which the bytes go on may be missing.
        let damaged = self.resumed_at == Some(at);
        self.bytes.truncate(at);
        self.finish(out);
        (self.bytes, self.timestamp, self.whole, self.skips) = (bytes, timestamp, whole, false);
        self.damaged = damaged;
        self.lossy |= damaged;
    }

    /// Ends the picture with its marked packet.
    pub(super) fn handle_marker(&mut self, out: &mut DepacketizedFrames) {
        self.marks = true;
        self.finish(out);
    }

    /// Ends the stream.
    pub(super) fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        // The marked packet of the last picture has not come.
        self.damaged |= self.marks && !self.bytes.is_empty();
        self.finish(out);
    }

    /// Ends the picture. Headers without a picture are kept for the next one.
    fn finish(&mut self, out: &mut DepacketizedFrames) {
        let timestamp = self.timestamp.take();
        let content = (self.examine)(&self.bytes);
        if content == Content::Headers && !self.damaged {
            return;
        }
        self.whole = 0;
        self.skips = true;
        self.resumed_at = None;
        let damaged = std::mem::take(&mut self.damaged);
        let (Content::Picture { key, has_config }, Some(timestamp)) = (content, timestamp) else {
            self.lossy |= !self.bytes.is_empty();
            self.bytes.clear();
            return;
        };
        self.expects_config &= !has_config;
        let damaged = damaged || key && self.expects_config;
        self.last_lens = [self.bytes.len(), self.last_lens[0]];
        let data = frame_buffers::share(std::mem::take(&mut self.bytes));
        let discontinuity = std::mem::take(&mut self.lossy);
        out.push(DepacketizedFrame {
            key,
            discontinuity,
            damaged,
            ..DepacketizedFrame::new(data, timestamp)
        });
    }
}
