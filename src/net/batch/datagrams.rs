//! [`Datagrams`]: the packets of a frame in one buffer.

use std::ops::Range;

/// Datagrams in one buffer, with or without gaps: the packets of one frame.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a view of a buffer, which callers make")]
pub struct Datagrams<'a> {
    /// The buffer that contains the datagrams.
    pub buffer: &'a [u8],
    /// Position of each datagram in the buffer; one that reaches beyond it is skipped.
    pub spans: &'a [Range<usize>],
}

impl<'a> Datagrams<'a> {
    /// Iterates over the datagrams.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let buffer = self.buffer;
        self.spans.iter().filter_map(move |span| buffer.get(span.clone()))
    }
}
