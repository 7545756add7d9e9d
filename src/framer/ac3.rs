//! AC-3 and Enhanced AC-3: what the common framer of self-framing audio must know of them. A frame is
//! an access unit: a synchronization frame, with those of its dependent and further substreams.
//!
//! Reference: ATSC A/52 section 5.3 and annex E.

use super::sync::{SyncFormat, UnitHeader};
use crate::codec::ac3::SyncFrame;

/// AC-3 or Enhanced AC-3.
#[derive(Debug)]
pub(crate) struct Ac3;

impl SyncFormat for Ac3 {
    fn header_len(&self) -> usize {
        SyncFrame::LEN
    }
    fn has_joined(&self) -> bool {
        true
    }
    fn parse(&self, bytes: &[u8]) -> Option<UnitHeader> {
        let frame = SyncFrame::parse(bytes).ok()?;
        Some(UnitHeader {
            frame_len: frame.frame_len,
            sampling_rate: frame.sampling_rate,
            samples: frame.samples,
            blocks: 1,
            kind: u32::from(frame.enhanced),
            joins: !frame.begins_unit,
        })
    }
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memchr(0x0b, bytes)
    }
}
