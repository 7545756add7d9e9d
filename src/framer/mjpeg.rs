//! Motion JPEG: cuts concatenated JPEG images into pictures.
//!
//! Reference: ITU-T T.81 annex B. An image ends where its structure says, not at the first end
//! marker: a thumbnail in a segment has one of its own.

use super::input::read_behind;
use super::sync::{Unit, UnitFramer, UnitHeader};
use crate::codec::jpeg::{marker, scan_end};
use bytes::{Buf, BytesMut};
use std::io;

/// Pictures a second, as nothing in the stream tells; FFmpeg assumes the same.
pub(crate) const FRAME_RATE: u32 = 25;
/// Largest picture, in bytes.
const MAX_PICTURE: usize = 8 << 20;

/// What all pictures have in common: their duration.
const PICTURE: UnitHeader = UnitHeader {
    frame_len: 0,
    sampling_rate: FRAME_RATE,
    samples: 1,
    blocks: 1,
    kind: 0,
    joins: false,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An image has not begun.
    Outside,
    /// A marker is due.
    Marker,
    /// In entropy-coded data.
    Scan,
}

/// Cuts a byte stream into images.
#[derive(Debug)]
pub(crate) struct MjpegFramer {
    /// From the start of an image on, once there is one.
    buffer: BytesMut,
    /// Offset of the buffer in the stream.
    offset: u64,
    state: State,
    /// The image is known up to here.
    at: usize,
    gap: bool,
}

impl MjpegFramer {
    pub(crate) fn new() -> Self {
        Self { buffer: BytesMut::new(), offset: 0, state: State::Outside, at: 0, gap: false }
    }

    fn discard(&mut self, n: usize) {
        self.buffer.advance(n);
        self.offset += n as u64;
        self.gap |= n > 0;
    }

    /// What looked like an image is none.
    fn give_up(&mut self) {
        self.discard(2);
        self.state = State::Outside;
    }

    /// Looks for the start of an image: its marker, and that of a segment behind.
    fn find_start(&mut self) -> bool {
        match memchr::memmem::find(&self.buffer, &[0xff, marker::SOI, 0xff]) {
            Some(at) => {
                self.discard(at);
                (self.state, self.at) = (State::Marker, 2);
                true
            }
            None => {
                let useless = self.buffer.len().saturating_sub(2);
                self.discard(useless);
                false
            }
        }
    }

    /// Passes over a marker and its segment. Returns the length of the image if it ends here; `None`
    /// until there are more bytes.
    fn pass_marker(&mut self) -> Option<Option<usize>> {
        let rest = self.buffer.get(self.at..)?;
        let &[first, code, ..] = rest else { return None };
        match code {
            _ if first != 0xff => self.give_up(),
            // Fill bytes.
            0xff => self.at += 1,
            marker::EOI => return Some(Some(self.at + 2)),
            // Reserved (table B.1): no encoder writes them.
            0 | 0x02..=0xbf | marker::SOI => self.give_up(),
            0x01 | 0xd0..=0xd7 => self.at += 2,
            _ => {
                let &[_, _, l0, l1, ..] = rest else { return None };
                self.at += 2 + usize::from(u16::from_be_bytes([l0, l1])).max(2);
                if code == marker::SOS {
                    self.state = State::Scan;
                }
            }
        }
        Some(None)
    }

    /// Passes over entropy-coded data; `false` until there are more bytes.
    fn pass_scan(&mut self) -> bool {
        match scan_end(&self.buffer, self.at) {
            Some(end) => (self.state, self.at) = (State::Marker, end),
            // The last byte may be the first of a marker.
            None => self.at = self.at.max(self.buffer.len().saturating_sub(1)),
        }
        self.state == State::Marker
    }
}

impl UnitFramer for MjpegFramer {
    fn resume(&mut self, offset: u64, _stream: UnitHeader) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        *self = Self { buffer, offset, ..Self::new() };
    }

    fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn handle_read(
        &mut self,
        len: usize,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        read_behind(&mut self.buffer, len, read)
    }

    fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// What is left is no whole image.
    fn handle_end(&mut self) {}

    fn take_skip(&mut self) -> u64 {
        0
    }

    fn poll_unit(&mut self) -> Option<Unit> {
        loop {
            if self.state != State::Outside && self.at > MAX_PICTURE {
                log::debug!("an image of more than {MAX_PICTURE} bytes is left out");
                self.give_up();
            }
            let state = self.state;
            match state {
                State::Outside if !self.find_start() => return None,
                State::Scan if !self.pass_scan() => return None,
                State::Outside | State::Scan => {}
                State::Marker => {
                    if let Some(len) = self.pass_marker()? {
                        let data = self.buffer.split_to(len.min(self.buffer.len())).freeze();
                        let offset = self.offset;
                        self.offset += data.len() as u64;
                        self.state = State::Outside;
                        let gap = std::mem::take(&mut self.gap);
                        return Some(Unit { header: PICTURE, offset, data, gap });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::XorShift;

    /// An image with a thumbnail in a segment, and end markers that are none.
    fn image(seed: u64) -> Vec<u8> {
        let thumbnail = [0xff, 0xd8, 0xff, 0xd9];
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1, 0, 6];
        bytes.extend(thumbnail);
        bytes.extend([0xff, 0xff, 0xda, 0, 3, 1]);
        for byte in XorShift::new(seed).bytes(50 + seed as usize * 7) {
            bytes.push(byte);
            if byte == 0xff {
                bytes.push(0);
            }
        }
        bytes.extend([0xff, 0xd3, 1, 2, 0xff, 0xd9]);
        bytes
    }

    fn units(bytes: &[u8], piece: usize) -> Vec<Unit> {
        let mut framer = MjpegFramer::new();
        let mut units = Vec::new();
        for piece in bytes.chunks(piece) {
            framer.handle_bytes(piece);
            units.extend(std::iter::from_fn(|| framer.poll_unit()));
        }
        framer.handle_end();
        assert!(framer.poll_unit().is_none());
        units
    }

    #[test]
    fn images_end_where_their_structure_does() {
        let images: Vec<Vec<u8>> = (1..6).map(image).collect();
        let bytes = images.concat();
        for piece in [1, 3, 100, 10_000] {
            let units = units(&bytes, piece);
            assert!(units.iter().map(|unit| &unit.data[..]).eq(images.iter().map(|i| &i[..])));
            assert!(units.iter().all(|unit| !unit.gap));
            assert_eq!(units[1].offset, images[0].len() as u64);
        }
    }

    #[test]
    fn garbage_is_skipped_and_told() {
        let bytes =
            [&[0, 0xff, 0xd8, 0xff, 7, 0xff], &image(1)[..], &[0xff; 9], &image(2)].concat();
        let units = units(&bytes, 7);
        assert_eq!(units.len(), 2);
        assert!(units.iter().all(|unit| unit.gap));
        assert!(units[1].data == image(2));
        for seed in 0..50 {
            let mut noise = XorShift::new(seed).bytes(2000);
            noise.iter_mut().step_by(2).for_each(|byte| *byte |= 0xd0);
            self::units(&noise, 100);
        }
    }

    #[test]
    fn an_image_without_end_does_not_grow() {
        let mut framer = MjpegFramer::new();
        framer.handle_bytes(&[0xff, 0xd8, 0xff, 0xda, 0, 2]);
        for _ in 0..200 {
            framer.handle_read(100_000, &mut |into| Ok(into.len())).unwrap();
            assert!(framer.poll_unit().is_none());
            assert!(framer.buffered() <= MAX_PICTURE + 100_000);
        }
    }
}
