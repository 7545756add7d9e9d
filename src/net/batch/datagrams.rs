//! [`Datagrams`]: the packets of a frame, as they lie in memory.

use std::ops::Range;

/// Datagrams as they lie in one buffer, perhaps with gaps: the packets of one frame.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a view of a buffer, which callers make")]
pub struct Datagrams<'a> {
    /// The buffer that the spans lie in.
    pub buffer: &'a [u8],
    /// Where each datagram lies in the buffer; one that reaches beyond it is left out.
    pub spans: &'a [Range<usize>],
}

impl<'a> Datagrams<'a> {
    /// The datagrams.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let buffer = self.buffer;
        self.spans.iter().filter_map(move |span| buffer.get(span.clone()))
    }
}
