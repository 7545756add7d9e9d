//! Boxes: the structure of the ISO base media file format (ISO/IEC 14496-12 section 4.2).

use byteorder::{BigEndian, ByteOrder};

/// Appends big-endian fields.
pub(super) trait Put {
    fn bytes(&mut self, bytes: &[u8]);

    fn zeros(&mut self, n: usize) {
        for _ in 0..n {
            self.bytes(&[0]);
        }
    }

    fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }
}

impl Put for Vec<u8> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Writes over the 32 bits at `at`.
pub(super) fn put_over(out: &mut [u8], at: usize, value: u32) {
    if let Some(field) = out.get_mut(at..at.saturating_add(4)) {
        BigEndian::write_u32(field, value);
    }
}

/// Appends a box with what `content` appends.
pub(super) fn put_box(out: &mut Vec<u8>, kind: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.u32(0);
    out.bytes(kind);
    content(out);
    let len = out.len() - at;
    put_over(out, at, len as u32);
}

/// The same with version and flags (a "full box").
pub(super) fn put_full_box(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    content: impl FnOnce(&mut Vec<u8>),
) {
    put_box(out, kind, |out| {
        out.u32(u32::from(version) << 24 | flags & 0xff_ffff);
        content(out);
    });
}
