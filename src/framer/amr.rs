//! AMR and AMR-WB in the storage format: what the common framer of self-framing audio must know of
//! them. Nothing marks the beginning of a frame but what follows it.
//!
//! Reference: RFC 4867 section 5.

use super::sync::{SyncHeader, Tag, UnitHeader};
use crate::codec::amr::{MAGIC, MAGIC_WB, frame_len, frame_samples, sampling_rate};

/// The header byte of a frame of AMR, or of AMR-WB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AmrFrame<const WIDEBAND: bool> {
    frame_len: usize,
}

/// Bits of a header byte that are zero.
const PADDING: u8 = 0x83;

impl<const WIDEBAND: bool> UnitHeader for AmrFrame<WIDEBAND> {
    fn same_stream(&self, _other: &Self) -> bool {
        true
    }
    fn sampling_rate(&self) -> u32 {
        sampling_rate(WIDEBAND)
    }
    fn samples(&self) -> u32 {
        frame_samples(WIDEBAND)
    }
}

impl<const WIDEBAND: bool> SyncHeader for AmrFrame<WIDEBAND> {
    const LEN: usize = 1;

    fn parse(bytes: &[u8]) -> Option<Self> {
        let header = *bytes.first().filter(|header| **header & PADDING == 0)?;
        Some(Self { frame_len: frame_len(header, WIDEBAND)? })
    }
    fn frame_len(&self) -> usize {
        self.frame_len
    }
    fn find(bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| byte & PADDING == 0)
    }
    /// The beginning of a file, which is that of no frame.
    fn tag(bytes: &[u8]) -> Tag {
        let magic = if WIDEBAND { MAGIC_WB } else { MAGIC };
        match bytes.starts_with(magic) {
            true => Tag::Skip(magic.len() as u64),
            false if magic.starts_with(bytes) => Tag::NeedMore,
            false => Tag::No,
        }
    }
}
