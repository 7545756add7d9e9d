//! [`Carried`]: packets that lie across pages.

use super::page::{Page, PieceCursor};
use crate::media::file::container::sounds::{FrameLengths, SoundCodec};

/// Most bytes of a packet. Packets of sound have a few hundred; larger ones are left out.
pub(super) const MAX_PACKET: usize = 256 << 10;

/// The beginning of a packet that goes on in the next page.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    bytes: Vec<u8>,
    /// There is one, and its beginning is there.
    is_open: bool,
    /// The number of the page before.
    sequence: Option<u32>,
}

impl Carried {
    /// What follows does not continue what was.
    pub(super) fn restart(&mut self) {
        self.drop_packet();
        self.sequence = None;
    }

    /// Forgets the packet; its rest is left out.
    pub(super) fn drop_packet(&mut self) {
        self.bytes.clear();
        self.is_open = false;
    }

    /// Begins with a page. Returns whether none is missing in front of it.
    pub(super) fn begin(&mut self, page: &Page) -> bool {
        let before = self.sequence.replace(page.sequence);
        let follows = before.is_none_or(|before| before.wrapping_add(1) == page.sequence);
        if !(page.is_continued && follows) {
            self.drop_packet();
        }
        follows
    }

    /// The beginning of the packet that a page begins with the rest of; `None` if it is not there.
    pub(super) fn packet(&self) -> Option<&[u8]> {
        self.is_open.then_some(&self.bytes[..])
    }

    /// Room for `len` further bytes of the packet; `None` if it becomes too long.
    pub(super) fn extend(&mut self, len: usize) -> Option<&mut [u8]> {
        let had = self.bytes.len();
        if had + len > MAX_PACKET {
            log::debug!("ogg: a packet that is too long is left out");
            self.drop_packet();
            return None;
        }
        self.is_open = true;
        self.bytes.resize(had + len, 0);
        self.bytes.get_mut(had..)
    }

    /// Keeps what goes on in the next page.
    pub(super) fn keep_rest(&mut self, page: &Page, content: &[u8]) {
        let mut cursor = PieceCursor::default();
        while let Some(piece) = page.next_piece(&mut cursor) {
            if !piece.goes_on {
                self.drop_packet();
            }
            if piece.is_last {
                self.drop_packet();
            } else if !piece.goes_on || self.is_open {
                let rest = content.get(piece.range).unwrap_or_default();
                if let Some(room) = self.extend(rest.len()) {
                    room.copy_from_slice(rest);
                }
            }
        }
    }

    /// The samples of all packets that end on `page`, whose content this is.
    pub(super) fn samples(
        &self,
        page: &Page,
        content: &[u8],
        lengths: &mut FrameLengths,
        codec: SoundCodec,
    ) -> i64 {
        let (mut cursor, mut sum) = (PieceCursor::default(), 0_i64);
        while let Some(piece) = page.next_piece(&mut cursor).filter(|piece| piece.is_last) {
            let packet = match piece.goes_on {
                // Its first bytes tell.
                true => self.packet(),
                false => content.get(piece.range),
            };
            let sampled = packet.and_then(|packet| lengths.next(codec, packet));
            sum = sum.saturating_add_unsigned(sampled.map_or(0, |(samples, _)| samples));
        }
        sum
    }
}
