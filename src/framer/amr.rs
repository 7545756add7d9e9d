//! AMR and AMR-WB in the storage format: what the common framer of self-framing audio must know of
//! them. Nothing marks the beginning of a frame but what follows it.
//!
//! Reference: RFC 4867 section 5.

use super::sync::{SyncFormat, Tag, UnitHeader};
use crate::codec::amr::{MAGIC, MAGIC_WB, frame_len, frame_samples, sampling_rate};

/// AMR, or AMR-WB.
#[derive(Debug)]
pub(crate) struct Amr {
    pub(crate) wideband: bool,
}

impl Amr {
    pub(crate) const NB: Self = Self { wideband: false };
    pub(crate) const WB: Self = Self { wideband: true };
}

/// Bits of a header byte that are zero.
const PADDING: u8 = 0x83;

impl SyncFormat for Amr {
    fn header_len(&self) -> usize {
        1
    }
    fn parse(&self, bytes: &[u8]) -> Option<UnitHeader> {
        let header = *bytes.first().filter(|header| **header & PADDING == 0)?;
        Some(UnitHeader {
            frame_len: frame_len(header, self.wideband)?,
            sampling_rate: sampling_rate(self.wideband),
            samples: frame_samples(self.wideband),
            blocks: 1,
            kind: 0,
            joins: false,
        })
    }
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| byte & PADDING == 0)
    }
    /// The beginning of a file, which is that of no frame.
    fn tag(&self, bytes: &[u8]) -> Tag {
        let magic = if self.wideband { MAGIC_WB } else { MAGIC };
        match bytes.starts_with(magic) {
            true => Tag::Skip(magic.len() as u64),
            false if magic.starts_with(bytes) => Tag::NeedMore,
            false => Tag::No,
        }
    }
}
