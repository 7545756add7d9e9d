//! AC-3 and Enhanced AC-3: what the common framer of self-framing audio must know of them. A frame is
//! an access unit: a synchronization frame, with those of its dependent and further substreams.
//!
//! Reference: ATSC A/52 section 5.3 and annex E.

use super::sync::{SyncHeader, UnitHeader};
use crate::codec::ac3::SyncFrame;

impl UnitHeader for SyncFrame {
    fn same_stream(&self, other: &Self) -> bool {
        self.same_stream(other)
    }
    fn sampling_rate(&self) -> u32 {
        self.sampling_rate
    }
    fn samples(&self) -> u32 {
        self.samples
    }
}

impl SyncHeader for SyncFrame {
    const LEN: usize = Self::LEN;
    const JOINS: bool = true;

    fn parse(bytes: &[u8]) -> Option<Self> {
        Self::parse(bytes).ok()
    }
    fn frame_len(&self) -> usize {
        self.frame_len
    }
    fn joins(&self) -> bool {
        !self.begins_unit
    }
    fn find(bytes: &[u8]) -> Option<usize> {
        memchr::memchr(0x0b, bytes)
    }
}
