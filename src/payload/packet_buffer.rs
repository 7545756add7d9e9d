//! [`PacketBuffer`]: the packets of one frame, packetized once for all destinations.

use std::ops::Range;

/// Length of an RTP header without CSRCs and extension, in bytes (RFC 3550 section 5.1).
pub const RTP_HEADER_LEN: usize = 12;
/// Length of the interleaving prefix in bytes (RFC 2326 section 10.12).
pub const TCP_PREFIX_LEN: usize = 4;

/// The position of a packet in a [`PacketBuffer`], and fields of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketSpan {
    /// Offset of the RTP header; the interleaving prefix lies directly before it.
    pub start: usize,
    /// Length of RTP header and payload in bytes.
    pub len: usize,
    /// Marker bit.
    pub marker: bool,
    /// Number of RTP units by which the packet's timestamp lies *before* the frame's (wrapping; for
    /// a packet of later samples, the two's complement of the difference).
    pub timestamp_lag: u32,
    /// Length of the header extension in bytes, which follows the RTP header; 0 if there is none.
    pub extension_len: usize,
}

impl PacketSpan {
    /// Returns the range from RTP header to the end of the payload.
    pub const fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// RTP packets in one buffer, each preceded by room for the interleaving prefix, so that the whole
/// can be sent in one TCP write and each packet as one UDP segment:
///
/// ```text
/// | prefix 4 | RTP header 12 | payload | prefix 4 | RTP header 12 | payload | …
/// ```
///
/// A packetizer calls [`begin_packet`](Self::begin_packet), [`put`](Self::put) and
/// [`finish_packet`](Self::finish_packet), in this order; the RTP sink fills in the headers. If a
/// packet has more than [`max_payload`](Self::max_payload) bytes, or the order is violated, the
/// sink drops all packets of the frame.
#[derive(Clone, Debug, Default)]
pub struct PacketBuffer {
    bytes: Vec<u8>,
    spans: Vec<PacketSpan>,
    max_payload: usize,
    open: Option<usize>,
    /// Length of the header extension of the open packet.
    extension_len: usize,
}

impl PacketBuffer {
    /// Creates a buffer for packets of at most `max_payload` bytes after the RTP header.
    pub const fn new(max_payload: usize) -> Self {
        Self { bytes: Vec::new(), spans: Vec::new(), max_payload, open: None, extension_len: 0 }
    }

    /// Returns the most bytes of payload in a packet.
    pub const fn max_payload(&self) -> usize {
        self.max_payload
    }

    /// Removes all packets, keeps the memory, and sets [`max_payload`](Self::max_payload) for the
    /// following packets. The RTP sink calls this before each frame with its configured value.
    pub fn begin(&mut self, max_payload: usize) {
        self.clear();
        self.max_payload = max_payload;
    }

    /// Begins a packet.
    pub fn begin_packet(&mut self) {
        self.extension_len = 0;
        self.open = Some(self.bytes.len() + TCP_PREFIX_LEN);
        self.bytes.resize(self.bytes.len() + TCP_PREFIX_LEN + RTP_HEADER_LEN, 0);
    }

    /// Gives the open packet a header extension (RFC 3550 section 5.3.1), before its payload: the
    /// number that the profile defines, and data, whose length must be a multiple of 4. It takes
    /// room from the payload.
    pub fn put_extension(&mut self, profile: u16, data: &[u8]) {
        debug_assert!(self.payload_len() == 0 && data.len() % 4 == 0);
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&profile.to_be_bytes());
        self.bytes.extend_from_slice(&((data.len() / 4) as u16).to_be_bytes());
        self.bytes.extend_from_slice(data);
        self.extension_len = self.bytes.len() - before;
    }

    /// Appends to the payload of the open packet.
    pub fn put(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
    }

    /// Returns the number of payload bytes in the open packet; 0 if none is open.
    pub fn payload_len(&self) -> usize {
        self.open.map_or(0, |start| self.bytes.len() - start - RTP_HEADER_LEN - self.extension_len)
    }

    /// Returns the number of bytes that still fit into the open packet.
    pub fn room(&self) -> usize {
        self.max_payload.saturating_sub(self.extension_len + self.payload_len())
    }

    /// Ends the open packet. For `timestamp_lag` see [`PacketSpan::timestamp_lag`]; it is 0 for a
    /// packet of the frame being packetized.
    pub fn finish_packet(&mut self, marker: bool, timestamp_lag: u32) {
        if let Some(start) = self.open.take() {
            let (len, extension_len) = (self.bytes.len() - start, self.extension_len);
            self.spans.push(PacketSpan { start, len, marker, timestamp_lag, extension_len });
        }
    }

    /// Sets the marker bit of the packet finished last.
    pub fn mark_last(&mut self) {
        if let Some(last) = self.spans.last_mut() {
            last.marker = true;
        }
    }

    /// Returns the finished packets.
    pub fn spans(&self) -> &[PacketSpan] {
        &self.spans
    }

    /// Returns whether there is no finished packet.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether the buffer consists of whole packets, none with more than
    /// [`max_payload`](Self::max_payload) bytes: only then may an interleaved write send the whole.
    pub(crate) fn is_well_formed(&self) -> bool {
        let most = self.max_payload + RTP_HEADER_LEN;
        let end = self.spans.iter().try_fold(0, |end, span| {
            let follows = span.start == end + TCP_PREFIX_LEN && span.len <= most;
            follows.then_some(span.start + span.len)
        });
        self.open.is_none() && end == Some(self.bytes.len())
    }

    /// Returns header, header extension and payload of packet `i`.
    pub fn packet(&self, i: usize) -> Option<&[u8]> {
        self.bytes.get(self.spans.get(i)?.range())
    }

    /// Returns the payload of packet `i`.
    pub fn payload(&self, i: usize) -> Option<&[u8]> {
        self.packet(i)?.get(RTP_HEADER_LEN + self.spans.get(i)?.extension_len..)
    }

    /// Returns the header extension of packet `i`: the number that the profile defines, and the data.
    pub fn extension(&self, i: usize) -> Option<(u16, &[u8])> {
        let extension = self.packet(i)?.get(RTP_HEADER_LEN..)?;
        let extension = extension.get(..self.spans.get(i)?.extension_len)?;
        let (&[high, low, _, _], data) = extension.split_first_chunk()?;
        Some((u16::from_be_bytes([high, low]), data))
    }

    /// Returns all packets with their prefixes: the bytes of one interleaved write.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Like [`bytes`](Self::bytes), mutable, for filling in prefixes and headers.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Creates a buffer with one packet, whose payload is `len` zeros.
    #[cfg(test)]
    pub(crate) fn of_one_packet(len: usize) -> Self {
        let mut buffer = Self::new(len);
        buffer.begin_packet();
        buffer.put(&vec![0; len]);
        buffer.finish_packet(true, 0);
        buffer
    }

    /// Appends bytes that are sent with the packets in an interleaved write, but in no datagram.
    /// Returns their offset.
    pub fn append_interleaved(&mut self, bytes: &[u8]) -> usize {
        debug_assert!(self.open.is_none(), "a packet is not finished");
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        at
    }

    /// Appends a range of the finished packets of another buffer.
    pub fn append(&mut self, other: &Self, packets: Range<usize>) {
        debug_assert!(self.open.is_none(), "the last packet is not finished");
        let spans = other.spans.get(packets).unwrap_or_default();
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
        let begin = first.start - TCP_PREFIX_LEN;
        let to = self.bytes.len();
        self.bytes.extend_from_slice(other.bytes.get(begin..last.range().end).unwrap_or_default());
        let moved = |span: &PacketSpan| PacketSpan { start: span.start - begin + to, ..*span };
        self.spans.extend(spans.iter().map(moved));
    }

    /// Appends a finished packet of another buffer after `change` has rewritten it. `change` is
    /// given the packet with `room` additional bytes behind it, and returns the packet's new
    /// length; `None` omits the packet.
    pub(crate) fn append_changed(
        &mut self,
        other: &Self,
        span: PacketSpan,
        room: usize,
        change: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) {
        debug_assert!(self.open.is_none(), "the last packet is not finished");
        let begin = self.bytes.len();
        let from = span.start - TCP_PREFIX_LEN..span.range().end;
        self.bytes.extend_from_slice(other.bytes.get(from).unwrap_or_default());
        let start = begin + TCP_PREFIX_LEN;
        self.bytes.resize(start + span.len + room, 0);
        let new_len = self.bytes.get_mut(start..).and_then(change);
        let new_len = new_len.filter(|len| *len <= span.len + room);
        let Some(len) = new_len else { return self.bytes.truncate(begin) };
        self.bytes.truncate(start + len);
        if let Some(prefix) = self.bytes.get_mut(begin + 2..start) {
            prefix.copy_from_slice(&(len as u16).to_be_bytes());
        }
        self.spans.push(PacketSpan { start, len, ..span });
    }

    /// Removes the first `packets`; the others move to the front.
    pub(crate) fn drop_front(&mut self, packets: usize) {
        let Some(first) = self.spans.get(packets) else { return self.clear() };
        let moved = first.start - TCP_PREFIX_LEN;
        self.bytes.drain(..moved);
        self.spans.drain(..packets);
        self.spans.iter_mut().for_each(|span| span.start -= moved);
    }

    /// Returns the capacity in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes all packets and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_lie_one_behind_the_other_with_their_prefix() {
        let mut b = PacketBuffer::new(10);
        b.begin_packet();
        b.put(b"abc");
        assert_eq!(b.room(), 7);
        b.finish_packet(false, 0);
        b.begin_packet();
        b.put(b"d");
        b.finish_packet(true, 5);
        assert_eq!(b.payload(0), Some(&b"abc"[..]));
        assert_eq!(b.payload(1), Some(&b"d"[..]));
        assert_eq!(b.spans()[0].start, TCP_PREFIX_LEN);
        assert_eq!(b.spans()[1].start, b.spans()[0].range().end + TCP_PREFIX_LEN);
        assert_eq!(b.bytes().len(), b.spans()[1].range().end);
        let mut c = b.clone();
        c.append(&b, 1..2);
        assert_eq!((c.payload(2), c.spans().len()), (Some(&b"d"[..]), 3));
        assert_eq!(c.spans()[2].start, b.bytes().len() + TCP_PREFIX_LEN);
        assert_eq!(c.bytes().len(), c.spans()[2].range().end);
        c.append(&b, 2..9);
        assert_eq!(c.spans().len(), 3);
        c.drop_front(1);
        assert_eq!((c.payload(0), c.payload(1)), (Some(&b"d"[..]), Some(&b"d"[..])));
        assert!(c.is_well_formed());
        c.drop_front(2);
        assert!(c.is_empty() && c.bytes().is_empty());
    }
}
