//! [`PublishedStreams`]: the streams that viewers watch of what is, or was just now, published.

use crate::arena::shrink_map;
use crate::ids::RelayedStreamId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// The streams that publishers feed, by name. Each stays for a time after its publisher is gone.
#[derive(Debug, Default)]
pub(crate) struct PublishedStreams {
    by_name: HashMap<Arc<str>, PublishedStream>,
}

#[derive(Clone, Copy, Debug)]
struct PublishedStream {
    id: RelayedStreamId,
    /// When it ends; `None` while there is a publisher.
    ends_at: Option<Instant>,
}

impl PublishedStreams {
    /// The stream of a name.
    pub(crate) fn get(&self, name: &str) -> Option<RelayedStreamId> {
        self.by_name.get(name).map(|stream| stream.id)
    }

    /// Notes that the stream of a name has a publisher.
    pub(crate) fn note_publisher(&mut self, name: &Arc<str>, id: RelayedStreamId) {
        self.by_name.insert(Arc::clone(name), PublishedStream { id, ends_at: None });
    }

    /// Notes that the publisher of a stream is gone, and when the stream ends unless another comes.
    /// `None`: it does not end.
    pub(crate) fn note_loss(&mut self, id: RelayedStreamId, ends_at: Option<Instant>) {
        let mut streams = self.by_name.values_mut();
        if let Some(stream) = streams.find(|stream| stream.id == id) {
            stream.ends_at = ends_at;
        }
    }

    /// Takes out a stream that has ended.
    pub(crate) fn poll_ended(&mut self, now: Instant) -> Option<(Arc<str>, RelayedStreamId)> {
        let is_over = |s: &PublishedStream| s.ends_at.is_some_and(|at| at <= now);
        let mut streams = self.by_name.iter();
        let name = Arc::clone(streams.find(|(_, stream)| is_over(stream))?.0);
        let stream = self.by_name.remove(&name)?;
        shrink_map(&mut self.by_name);
        Some((name, stream.id))
    }

    /// When [`poll_ended`](Self::poll_ended) is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.by_name.values().filter_map(|stream| stream.ends_at).min()
    }
}
