//! [`Walker`]: goes through the clusters of a segment block by block (RFC 9559 section 5.1.3).
//!
//! It only ever moves forward, each step by at least one byte, and believes no size that the
//! file or the enclosing cluster does not back. Where it finds nonsense it looks for the next
//! cluster.

use super::ebml::{BlockHeader, ElementHeader, Lacing, id, unsigned};
use crate::media::file::container::window::Window;
use crate::wire::ParseError;
use memchr::memmem;
use std::io;

/// Children of a block group that are looked at.
const MAX_GROUP_CHILDREN: usize = 64;
/// Bytes searched in one step for a cluster.
const SEARCH: usize = 16 << 10;

/// A block, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) track: u64,
    /// Timestamp in units of the timestamp scale.
    pub(super) time: i64,
    /// Refers to no other block.
    pub(super) key: bool,
    pub(super) lacing: Lacing,
    /// Position of what follows the block's header.
    pub(super) data: u64,
    pub(super) len: u64,
    /// In units of the timestamp scale.
    pub(super) duration: Option<u64>,
    /// Position of the cluster.
    pub(super) cluster: u64,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Block(Block),
    /// Something else.
    Other,
    End,
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    at: u64,
    end: Option<u64>,
    time: i64,
}

/// A position in a segment.
#[derive(Clone, Debug)]
pub(super) struct Walker {
    at: u64,
    end: u64,
    cluster: Option<Cluster>,
    lost: bool,
}

impl Walker {
    /// Starts at `at`, where a cluster or another child of the segment is, and goes to `end`.
    pub(super) const fn new(at: u64, end: u64) -> Self {
        Self { at, end, cluster: None, lost: false }
    }

    /// Where it stands.
    pub(super) const fn position(&self) -> u64 {
        self.at
    }

    /// Goes on to the next element.
    pub(super) fn step(&mut self, window: &mut Window) -> io::Result<Step> {
        if self.at >= self.end {
            return Ok(Step::End);
        }
        if self.lost {
            return self.find_cluster(window);
        }
        if self.cluster.is_some_and(|c| c.end.is_some_and(|end| self.at >= end)) {
            self.cluster = None;
        }
        let header = match ElementHeader::parse(window.peek(self.at, ElementHeader::MAX_LEN)?) {
            Ok(header) => header,
            Err(ParseError::Incomplete { .. }) => return Ok(self.finish()),
            Err(ParseError::Invalid { .. }) => return Ok(self.lose()),
        };
        let data = self.at.saturating_add(header.len);
        if header.id == id::CLUSTER {
            // A size of zero was never filled in.
            let size = header.size.filter(|&size| size > 0);
            let end = size.map(|size| data.saturating_add(size));
            self.cluster = Some(Cluster { at: self.at, end, time: 0 });
            self.at = data;
            return Ok(Step::Other);
        }
        if matches!(header.id, id::EBML | id::SEGMENT) {
            // Another file behind this one, with its own tracks and time line.
            return Ok(self.finish());
        }
        let Some(size) = header.size else {
            // What is in it is looked at as if it stood beside it.
            self.at = data;
            return Ok(Step::Other);
        };
        let end = data.saturating_add(size);
        let Some(cluster) = self.cluster else {
            // Cues, tags and the like. An end beyond the segment's ends the walk.
            self.at = end;
            return Ok(Step::Other);
        };
        if cluster.end.is_some_and(|cluster_end| end > cluster_end) {
            log::trace!("matroska: element at {} overruns its cluster", self.at);
            return Ok(self.lose());
        }
        if end > self.end || end > window.len() {
            return Ok(self.finish());
        }
        self.at = end;
        let block = match header.id {
            id::TIMESTAMP => {
                let time = unsigned(window.peek(data, small(size))?).unwrap_or(0);
                let time = i64::try_from(time).unwrap_or(i64::MAX);
                self.cluster = Some(Cluster { time, ..cluster });
                None
            }
            // A block outside of a group belongs to one of unknown size.
            id::SIMPLE_BLOCK | id::BLOCK => block(window, cluster, data, end)?,
            id::BLOCK_GROUP => group(window, cluster, data, end)?,
            _ => None,
        };
        Ok(block.map_or(Step::Other, Step::Block))
    }

    fn finish(&mut self) -> Step {
        self.at = self.end;
        Step::End
    }

    /// Here is no element. The next place where one can be is behind this cluster, or the next
    /// that looks like a cluster.
    fn lose(&mut self) -> Step {
        let after = self.cluster.take().and_then(|c| c.end).filter(|&end| end > self.at);
        self.at = after.filter(|&end| end < self.end).unwrap_or_else(|| self.at.saturating_add(1));
        self.lost = true;
        Step::Other
    }

    fn find_cluster(&mut self, window: &mut Window) -> io::Result<Step> {
        let id = id::CLUSTER.to_be_bytes();
        let bytes = window.peek(self.at, SEARCH)?;
        if let Some(found) = memmem::find(bytes, &id) {
            self.at = self.at.saturating_add(found as u64);
            self.lost = false;
            return Ok(Step::Other);
        }
        if bytes.len() < SEARCH {
            return Ok(self.finish());
        }
        self.at = self.at.saturating_add((bytes.len() - (id.len() - 1)) as u64);
        Ok(Step::Other)
    }
}

/// Sizes of integers; more is read of none.
fn small(size: u64) -> usize {
    usize::try_from(size.min(9)).unwrap_or(9)
}

fn block(window: &mut Window, cluster: Cluster, at: u64, end: u64) -> io::Result<Option<Block>> {
    let Ok(header) = BlockHeader::parse(window.peek(at, BlockHeader::MAX_LEN)?) else {
        return Ok(None);
    };
    let data = at.saturating_add(header.len);
    let Some(len) = end.checked_sub(data) else { return Ok(None) };
    Ok(Some(Block {
        track: header.track,
        time: cluster.time.saturating_add(header.time.into()),
        key: header.key,
        lacing: header.lacing,
        data,
        len,
        duration: None,
        cluster: cluster.at,
    }))
}

fn group(
    window: &mut Window,
    cluster: Cluster,
    mut at: u64,
    end: u64,
) -> io::Result<Option<Block>> {
    let mut found = None;
    let mut duration = None;
    let mut key = true;
    for _ in 0..MAX_GROUP_CHILDREN {
        if at >= end {
            break;
        }
        let Ok(header) = ElementHeader::parse(window.peek(at, ElementHeader::MAX_LEN)?) else {
            break;
        };
        let data = at.saturating_add(header.len);
        let Some(size) = header.size else { break };
        at = data.saturating_add(size);
        if at > end {
            break;
        }
        match header.id {
            id::BLOCK => found = block(window, cluster, data, at)?,
            id::BLOCK_DURATION => {
                let units = unsigned(window.peek(data, small(size))?);
                duration = units.filter(|&units| units > 0);
            }
            id::REFERENCE_BLOCK => key = false,
            _ => {}
        }
    }
    Ok(found.map(|block| Block { key, duration, ..block }))
}
