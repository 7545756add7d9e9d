//! [`Backlog`]: datagrams that wait for room in the socket's buffer.
//!
//! A frame for many destinations often exceeds a socket's buffer, and the program is faster than
//! the network card. Dropping the rest would affect the same destinations every time.

use super::datagrams::Datagrams;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that may wait: 34 ms at 1 Gbit/s.
const LIMIT: usize = 4 << 20;

/// Waiting datagrams, in order.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    queue: VecDeque<Late>,
    bytes: usize,
    dropped: u64,
}

#[derive(Debug)]
struct Late {
    to: SocketAddr,
    batch: Arc<Batch>,
    /// The first datagram of the batch that waits.
    from: usize,
}

/// A copy of a batch, shared by the destinations that it reaches late.
#[derive(Debug)]
struct Batch {
    buffer: Vec<u8>,
    spans: Vec<Range<usize>>,
}

impl Batch {
    fn rest(&self, from: usize) -> Datagrams<'_> {
        Datagrams { buffer: &self.buffer, spans: self.spans.get(from..).unwrap_or_default() }
    }
}

fn length(datagrams: &Datagrams<'_>) -> usize {
    datagrams.iter().map(<[u8]>::len).sum()
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Number of datagrams that were dropped because the backlog was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds, for each entry of `late`, the datagrams from a number on for the destination with an
    /// index.
    pub(crate) fn push(
        &mut self,
        datagrams: &Datagrams<'_>,
        destinations: &[SocketAddr],
        late: impl Iterator<Item = (usize, usize)>,
    ) {
        let mut copy: Option<Arc<Batch>> = None;
        for (index, from) in late {
            let (Some(to), Some(spans)) = (destinations.get(index), datagrams.spans.get(from..))
            else {
                continue;
            };
            let bytes = length(&Datagrams { spans, ..*datagrams });
            if bytes.saturating_add(self.bytes) > LIMIT {
                self.dropped = self.dropped.saturating_add(spans.len() as u64);
                continue;
            }
            let batch = copy.get_or_insert_with(|| {
                let (buffer, spans) = (datagrams.buffer.to_vec(), datagrams.spans.to_vec());
                Arc::new(Batch { buffer, spans })
            });
            self.bytes += bytes;
            self.queue.push_back(Late { to: *to, batch: batch.clone(), from });
        }
    }

    /// Sends waiting datagrams through `send`, which returns how many are done with, until one is
    /// not.
    pub(crate) fn flush(&mut self, mut send: impl FnMut(&Datagrams<'_>, SocketAddr) -> usize) {
        while let Some(first) = self.queue.front_mut() {
            let rest = first.batch.rest(first.from);
            let done = send(&rest, first.to).min(rest.spans.len());
            let gone = Datagrams { spans: rest.spans.get(..done).unwrap_or_default(), ..rest };
            self.bytes = self.bytes.saturating_sub(length(&gone));
            if done < rest.spans.len() {
                first.from += done;
                return;
            }
            self.queue.pop_front();
        }
    }
}
