//! [`Layout`]: where packets and clock references lie in a file, and how a place is found by its
//! time.

use super::timeline::Timeline;
#[cfg(feature = "more-files")]
use crate::framer::mpeg_ps;
#[cfg(feature = "more-files")]
use crate::framer::mpeg_ts::PACKET_LEN;
use crate::framer::mpeg_ts::{Pcr, REED_SOLOMON_STRIDE, packets};
use crate::media::file::shared::read_window;
use std::fs::File;
use std::io;
use std::ops::Range;

/// Bytes looked at at once, in search of a place.
pub(in crate::media::file) const WINDOW: usize = 64 * 1024;
/// What a window has in common with the next: the packet that lies across its end.
pub(in crate::media::file) const OVERLAP: usize = REED_SOLOMON_STRIDE;
/// Windows in which a position must have a PCR behind it.
const WINDOWS_PER_POSITION: u64 = 8;

/// Bytes read in a bisection, after which it has come close enough: where the clock is far from one
/// reference to the next, each step may read some windows.
const MAX_BISECTION: usize = 48 * WINDOW;

/// The kind of a multiplex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media::file) enum Layout {
    /// A transport stream, with so many bytes from packet to packet; 0 until that is known.
    Transport { stride: usize },
    /// A program stream.
    #[cfg(feature = "more-files")]
    Program,
}

impl Layout {
    /// Bytes in which time is counted where there is no clock.
    pub(super) fn unit(self) -> u64 {
        match self {
            Self::Transport { stride } => stride.max(1) as u64,
            #[cfg(feature = "more-files")]
            Self::Program => PACKET_LEN as u64,
        }
    }

    pub(super) const fn is_transport(self) -> bool {
        matches!(self, Self::Transport { .. })
    }

    /// The transport stream packets in a piece of the file; none in a program stream.
    pub(super) fn packets(self, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
        let stride = match self {
            Self::Transport { stride } => stride,
            #[cfg(feature = "more-files")]
            Self::Program => 0,
        };
        packets(bytes, stride)
    }

    /// The clock references in a piece of the file.
    pub(super) fn clocks(self, bytes: &[u8]) -> impl Iterator<Item = (usize, Pcr)> {
        let of_packets =
            self.packets(bytes).filter_map(|(at, packet)| Some((at, Pcr::parse(packet)?)));
        #[cfg(feature = "more-files")]
        let of_packs = mpeg_ps::clocks(if self == Self::Program { bytes } else { &[] });
        #[cfg(not(feature = "more-files"))]
        let of_packs = std::iter::empty();
        of_packets.chain(of_packs)
    }

    /// The first clock reference of `pid` in a range of the file, if it comes soon.
    pub(super) fn first_clock(
        self,
        file: &File,
        pid: u16,
        range: Range<u64>,
        read: &mut usize,
    ) -> io::Result<Option<(u64, Pcr)>> {
        for window in 0..WINDOWS_PER_POSITION {
            let offset = range.start.saturating_add(window * WINDOW as u64);
            if offset >= range.end {
                break;
            }
            let bytes = read_window(file, WINDOW + OVERLAP, offset)?;
            *read += bytes.len();
            let found = self.clocks(&bytes).find(|(_, pcr)| pcr.pid == pid);
            if let Some((at, pcr)) = found {
                let offset = offset + at as u64;
                return Ok((offset < range.end).then_some((offset, pcr)));
            }
            if bytes.len() < WINDOW {
                break;
            }
        }
        Ok(None)
    }

    /// Offset and time of a clock reference not far before `target`, in a file of `len` bytes: a
    /// bisection between two places of the timeline.
    pub(in crate::media::file) fn clock_before(
        self,
        file: &File,
        timeline: &Timeline,
        len: u64,
        target: u64,
    ) -> io::Result<(u64, u64)> {
        let Some((anchor, next)) = timeline.around(target) else { return Ok((0, 0)) };
        let mut low = (anchor.offset, anchor.ticks);
        let mut high = next.unwrap_or(len);
        let mut read = 0;
        while high.saturating_sub(low.0) > WINDOW as u64 && read < MAX_BISECTION {
            let middle = low.0 + (high - low.0) / 2;
            match self.first_clock(file, anchor.pcr.pid, middle..high, &mut read)? {
                Some((offset, pcr)) if anchor.ticks_of(pcr) <= target => {
                    low = (offset, anchor.ticks_of(pcr));
                }
                _ => high = middle,
            }
        }
        Ok(low)
    }
}
