//! The send queue of a connection: messages, and interleaved packets (RFC 2326 section 10.12).
//!
//! Media is written straight from the shared packet buffer; only what the socket did not take is
//! copied here. An answer goes ahead of queued media, but never into the middle of an interleaved
//! packet. When the bound is reached a whole frame is refused, never half a packet.

use crate::rtsp::budget::{BufferBudget, BufferShare};
use crate::wire::Reader;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::iter::once;

/// Bytes beyond the bound that packets which must be delivered (RTCP) may take: a last report and a
/// BYE for as many tracks as a connection has channels for.
const MUST_ROOM: usize = 16 << 10;

/// Bytes that a connection may always hold, whatever others hold.
pub(crate) const LITTLE: usize = 4 << 10;

/// Pieces of the queue that one vectored write covers.
const GATHERED: usize = 16;

/// The output of a connection: a non-blocking writer.
pub(crate) trait Write {
    /// Writes as many of `bytes` as possible; `WouldBlock` if none can be written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes as many bytes of the pieces as possible, in order.
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = pieces.iter().find(|piece| !piece.is_empty());
        self.write(first.map_or(&[], |piece| piece))
    }

    /// Whether all accepted bytes have been transmitted.
    fn is_flushed(&self) -> bool {
        true
    }
}

/// The result of sending a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteOutcome {
    /// The socket has accepted all of it.
    Whole,
    /// Part or all of it is queued.
    Queued,
    /// The queue was full: none of it will be sent.
    Dropped,
}

/// The send queue of one connection.
#[derive(Debug)]
pub(crate) struct OutQueue {
    control: VecDeque<Chunk>,
    media: VecDeque<Chunk>,
    media_bytes: usize,
    control_bytes: usize,
    max_media_bytes: usize,
    /// What is queued here, of the bytes that connections may queue together.
    share: BufferShare,
}

/// Queued bytes; `boundary` is the first packet boundary at or after `position`.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    position: usize,
    boundary: usize,
}

impl Chunk {
    const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, position: 0, boundary: 0 }
    }

    fn advance(&mut self, n: usize) {
        self.position += n;
        while self.boundary < self.position {
            self.boundary += packet_len(self.bytes.get(self.boundary..).unwrap_or_default());
        }
    }

    fn is_done(&self) -> bool {
        self.position >= self.bytes.len()
    }

    const fn in_packet(&self) -> bool {
        self.position < self.boundary
    }

    /// Number of bytes left of the packet that is partly sent.
    const fn left_of_packet(&self) -> usize {
        self.boundary - self.position
    }

    fn unsent(&self) -> &[u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }
}

/// Length of the interleaved packet at the start of `bytes`, including its prefix.
fn packet_len(bytes: &[u8]) -> usize {
    let mut reader = Reader::new(bytes);
    let len = reader
        .take(2, "interleaved prefix")
        .and_then(|_| reader.u16("interleaved length"))
        .map_or(bytes.len(), |n| usize::from(n) + 4);
    len.max(1)
}

impl OutQueue {
    /// Creates a queue that holds at most `max_media_bytes` of media. (Messages are bounded by the
    /// number of requests that are read while some are unanswered.)
    pub(crate) fn new(max_media_bytes: usize) -> Self {
        Self {
            control: VecDeque::new(),
            media: VecDeque::new(),
            media_bytes: 0,
            control_bytes: 0,
            max_media_bytes,
            share: BufferShare::new(BufferBudget::unlimited()),
        }
    }

    /// Has the queue share a budget with others.
    pub(crate) fn share_buffers(&mut self, budget: &BufferBudget) {
        self.share = BufferShare::new(budget.clone());
        self.note_held();
    }

    fn note_held(&mut self) {
        self.share.set(self.media_bytes + self.control_bytes);
    }

    /// Whether all queues together hold too much, and this one messages that its peer does not read.
    pub(crate) fn must_shrink(&self) -> bool {
        self.control_bytes > LITTLE && self.share.is_too_much(LITTLE)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.media.is_empty()
    }

    /// Number of queued bytes.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) const fn len(&self) -> usize {
        self.media_bytes + self.control_bytes
    }

    /// Number of queued bytes of messages.
    pub(crate) const fn control_len(&self) -> usize {
        self.control_bytes
    }

    /// Sends a message now or later, and returns the number of bytes sent, queued ones included.
    /// Only the part that the socket does not accept is copied.
    pub(crate) fn send_control(
        &mut self,
        bytes: &[u8],
        socket: &mut impl Write,
    ) -> io::Result<usize> {
        let was_empty = self.is_empty();
        let taken = if was_empty { write_all(bytes, socket)? } else { 0 };
        let rest = bytes.get(taken..).unwrap_or_default();
        if !rest.is_empty() {
            self.control_bytes += rest.len();
            self.control.push_back(Chunk::new(rest.to_vec()));
            self.note_held();
        }
        if was_empty { Ok(taken) } else { self.flush(socket) }
    }

    /// Sends interleaved packets (`bytes` holds any number of whole ones) now or later. With `must`
    /// they are queued even if the queue is full (a BYE): some room is reserved for that, and it
    /// counts as media.
    pub(crate) fn send_media(
        &mut self,
        bytes: &[u8],
        must: bool,
        socket: &mut impl Write,
    ) -> io::Result<WriteOutcome> {
        if bytes.is_empty() {
            return Ok(WriteOutcome::Whole);
        }
        if !self.is_empty() {
            let room = self.max_media_bytes.saturating_add(if must { MUST_ROOM } else { 0 });
            let is_full = self.media_bytes + bytes.len() > room;
            if is_full || !must && !self.share.has_room(bytes.len()) {
                return Ok(WriteOutcome::Dropped);
            }
            self.queue_media(Chunk::new(bytes.to_vec()));
            return Ok(WriteOutcome::Queued);
        }
        let taken = write_all(bytes, socket)?;
        if taken >= bytes.len() {
            return Ok(WriteOutcome::Whole);
        }
        let fits = bytes.len() <= self.max_media_bytes;
        if taken == 0 && !must && !(fits && self.share.has_room(bytes.len())) {
            return Ok(WriteOutcome::Dropped);
        }
        let start = last_boundary(bytes, taken);
        let mut rest = Chunk::new(bytes.get(start..).unwrap_or_default().to_vec());
        rest.advance(taken - start);
        self.queue_media(rest);
        Ok(WriteOutcome::Queued)
    }

    fn queue_media(&mut self, chunk: Chunk) {
        self.media_bytes += chunk.bytes.len() - chunk.position;
        self.media.push_back(chunk);
        self.note_held();
    }

    /// Writes until the socket accepts no more or the queue is empty; returns the number of bytes
    /// written.
    pub(crate) fn flush(&mut self, socket: &mut impl Write) -> io::Result<usize> {
        let mut written = 0;
        while !self.is_empty() {
            let mut pieces = [IoSlice::new(&[]); GATHERED];
            let mut count = 0;
            for (piece, bytes) in pieces.iter_mut().zip(self.pieces()) {
                *piece = IoSlice::new(bytes);
                count += 1;
            }
            match socket.write_vectored(pieces.get(..count).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    written += n;
                    self.advance(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        self.note_held();
        Ok(written)
    }

    /// The queued pieces in the order in which they are sent. While a message is queued: the rest
    /// of a partly sent packet, then the messages, then the other packets.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let (begun, rest) = self.media.front().map_or((&[][..], &[][..]), |front| {
            let unsent = front.unsent();
            let begun = if self.control.is_empty() { 0 } else { front.left_of_packet() };
            unsent.split_at_checked(begun).unwrap_or((unsent, &[]))
        });
        let answers = self.control.iter().map(Chunk::unsent);
        let others = self.media.iter().skip(1).map(Chunk::unsent);
        let all = once(begun).chain(answers).chain(once(rest)).chain(others);
        all.filter(|piece| !piece.is_empty())
    }

    /// Removes `n` bytes that were written from the [pieces](Self::pieces).
    fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let answer_waits = !self.control.is_empty();
            let packet_first = self.media.front().is_some_and(Chunk::in_packet) || !answer_waits;
            let queue = if packet_first { &mut self.media } else { &mut self.control };
            let Some(chunk) = queue.front_mut() else { return };
            let whole = chunk.unsent().len();
            let taken = if packet_first {
                let most = if answer_waits { chunk.left_of_packet().min(whole) } else { whole };
                let taken = n.min(most);
                chunk.advance(taken);
                self.media_bytes -= taken;
                taken
            } else {
                let taken = n.min(whole);
                chunk.position += taken;
                self.control_bytes -= taken;
                taken
            };
            if chunk.is_done() {
                queue.pop_front();
            } else if taken == 0 {
                return;
            }
            n -= taken;
        }
    }

    /// Drops the media queued on a pair of channels, except a packet that is partly sent (TEARDOWN
    /// of one track). Packets of other channels in the same chunk stay.
    pub(crate) fn forget_channels(&mut self, channels: [u8; 2]) {
        for chunk in &mut self.media {
            if chunk.bytes.get(chunk.boundary + 1).is_some_and(|c| channels.contains(c)) {
                // A chunk is one frame of one stream, so all its packets have the same channel.
                self.media_bytes -= chunk.bytes.len() - chunk.boundary;
                chunk.bytes.truncate(chunk.boundary);
            }
        }
        self.media.retain(|chunk| !chunk.is_done());
        self.note_held();
    }
}

/// Writes until the socket accepts no more; returns the number of bytes written.
fn write_all(bytes: &[u8], socket: &mut impl Write) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match socket.write(bytes.get(taken..).unwrap_or_default()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => taken += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            Err(e) => return Err(e),
        }
    }
    Ok(taken)
}

/// Start of the packet that contains byte `at`.
fn last_boundary(bytes: &[u8], at: usize) -> usize {
    let mut start = 0;
    loop {
        let next = start + packet_len(bytes.get(start..).unwrap_or_default());
        if next > at || next >= bytes.len() {
            return start;
        }
        start = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtsp::testing::Pipe;

    fn packet(channel: u8, len: u8) -> Vec<u8> {
        let mut p = vec![b'$', channel, 0, len];
        p.extend((0..len).map(|i| i ^ 0x5a));
        p
    }

    #[test]
    fn answer_goes_between_packets_at_every_cut() {
        let frame = [packet(0, 10), packet(0, 3), packet(0, 20)].concat();
        for cut in 0..frame.len() {
            let mut queue = OutQueue::new(1000);
            let mut pipe = Pipe { room: cut, got: Vec::new() };
            assert_eq!(queue.send_media(&frame, false, &mut pipe).unwrap(), WriteOutcome::Queued);
            assert_eq!(queue.send_control(b"RTSP", &mut pipe).unwrap(), 0);
            // Drips out byte by byte from here.
            while !queue.is_empty() {
                pipe.room = 1;
                queue.flush(&mut pipe).unwrap();
            }
            let at = [0, 14, 21, 45].into_iter().find(|&b| b >= cut).unwrap();
            let mut expected = frame.clone();
            expected.splice(at..at, *b"RTSP");
            assert_eq!(pipe.got, expected, "cut at {cut}");
            assert_eq!(queue.len(), 0);
        }
    }

    /// A writer that counts the calls and accepts everything.
    struct Gatherer(Vec<Vec<u8>>);

    impl Write for Gatherer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.push(pieces.iter().flat_map(|piece| piece.iter().copied()).collect());
            Ok(self.0.last().map_or(0, Vec::len))
        }
    }

    #[test]
    fn what_waits_goes_in_one_write() {
        let mut queue = OutQueue::new(1000);
        let mut pipe = Pipe { room: 5, got: Vec::new() };
        let frame = [packet(0, 10), packet(0, 3)].concat();
        queue.send_media(&frame, false, &mut pipe).unwrap();
        queue.send_media(&packet(2, 7), false, &mut pipe).unwrap();
        queue.send_control(b"RTSP", &mut pipe).unwrap();
        queue.send_control(b"/1.0", &mut pipe).unwrap();
        let mut all = Gatherer(Vec::new());
        assert_eq!(queue.flush(&mut all).unwrap(), 9 + 8 + 7 + 11);
        let expected = [&packet(0, 10)[5..], b"RTSP/1.0", &packet(0, 3), &packet(2, 7)].concat();
        assert_eq!(all.0, [expected]);
        assert!(queue.is_empty());
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn of_an_answer_only_what_is_not_taken_waits() {
        for cut in 0..=4 {
            let mut queue = OutQueue::new(1000);
            let mut pipe = Pipe { room: cut, got: Vec::new() };
            assert_eq!(queue.send_control(b"RTSP", &mut pipe).unwrap(), cut);
            assert_eq!(queue.control_len(), 4 - cut);
            if cut < 4 {
                pipe.room = 1;
                assert_eq!(queue.send_control(b"/1.0", &mut pipe).unwrap(), 1);
                pipe.room = 100;
                queue.flush(&mut pipe).unwrap();
                assert_eq!(pipe.got, b"RTSP/1.0");
            }
            assert_eq!(queue.len(), 0);
        }
    }

    #[test]
    fn full_queue_drops_whole_frames_only() {
        let mut queue = OutQueue::new(60);
        let mut pipe = Pipe { room: 5, got: Vec::new() };
        let frame = packet(0, 40);
        assert_eq!(queue.send_media(&frame, false, &mut pipe).unwrap(), WriteOutcome::Queued);
        assert_eq!(queue.send_media(&frame, false, &mut pipe).unwrap(), WriteOutcome::Dropped);
        assert_eq!(
            queue.send_media(&packet(1, 2), false, &mut pipe).unwrap(),
            WriteOutcome::Queued
        );
        pipe.room = 1000;
        queue.flush(&mut pipe).unwrap();
        assert_eq!(pipe.got, [frame, packet(1, 2)].concat());
    }

    #[test]
    fn queues_that_share_a_budget_leave_room_for_each_other() {
        let budget = BufferBudget::new(1000);
        let mut queues = [(); 3].map(|()| OutQueue::new(10_000));
        queues.iter_mut().for_each(|queue| queue.share_buffers(&budget));
        let mut pipe = Pipe { room: 0, got: Vec::new() };
        let frame = packet(0, 46);
        let fill = |queue: &mut OutQueue, pipe: &mut Pipe| {
            let sent = (0..100).map(|_| queue.send_media(&frame, false, pipe).unwrap());
            sent.filter(|sent| *sent == WriteOutcome::Queued).count()
        };
        let queued: Vec<_> = queues.iter_mut().map(|queue| fill(queue, &mut pipe)).collect();
        assert!(queued[0] >= 8 && queued[1] >= 4 && queued[2] >= 2, "{queued:?}");
        assert_eq!(budget.used(), queued.iter().sum::<usize>() * 50);
        assert!(budget.refused() > 0 && budget.used() < 1000);
        pipe.room = usize::MAX;
        queues[0].flush(&mut pipe).unwrap();
        assert_eq!(budget.used(), (queued[1] + queued[2]) * 50);
        assert!(fill(&mut queues[1], &mut Pipe { room: 0, got: Vec::new() }) > 0);
        // Answers are not refused, but whoever does not read them is noticed.
        let answer = [b'x'; 2000];
        let mut blocked = Pipe { room: 0, got: Vec::new() };
        queues[2].send_control(&answer, &mut blocked).unwrap();
        assert!(!queues[2].must_shrink(), "it is little");
        queues[2].send_control(&[b'x'; 4000], &mut blocked).unwrap();
        assert!(queues[2].must_shrink() && !queues[1].must_shrink());
        drop(queues);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_must_arrive_has_some_room_and_counts_against_the_bound() {
        let mut queue = OutQueue::new(1000);
        let mut pipe = Pipe { room: 0, got: Vec::new() };
        let report = packet(1, 96);
        let sent: Vec<_> =
            (0..100_000).map(|_| queue.send_media(&report, true, &mut pipe).unwrap()).collect();
        let queued = sent.iter().filter(|sent| **sent == WriteOutcome::Queued).count();
        assert_eq!(queued, (1000 + MUST_ROOM) / 100);
        assert_eq!(queue.len(), queued * 100);
        assert_eq!(
            queue.send_media(&packet(0, 1), false, &mut pipe).unwrap(),
            WriteOutcome::Dropped
        );
        // As soon as some is taken there is room again, for each up to its own bound.
        pipe.room = 200;
        queue.flush(&mut pipe).unwrap();
        assert_eq!(queue.send_media(&report, true, &mut pipe).unwrap(), WriteOutcome::Queued);
        assert_eq!(
            queue.send_media(&packet(0, 1), false, &mut pipe).unwrap(),
            WriteOutcome::Dropped
        );
        pipe.room = usize::MAX;
        queue.flush(&mut pipe).unwrap();
        assert_eq!(pipe.got.len(), (queued + 1) * 100, "whole packets, and all that were queued");
    }

    #[test]
    fn forgotten_channel_ends_at_a_packet_boundary() {
        let mut queue = OutQueue::new(1000);
        let mut pipe = Pipe { room: 3, got: Vec::new() };
        let frame = [packet(0, 10), packet(0, 10)].concat();
        queue.send_media(&frame, false, &mut pipe).unwrap();
        queue.send_media(&packet(2, 5), false, &mut pipe).unwrap();
        queue.send_media(&packet(0, 5), false, &mut pipe).unwrap();
        queue.forget_channels([0, 1]);
        pipe.room = 1000;
        queue.flush(&mut pipe).unwrap();
        assert_eq!(pipe.got, [packet(0, 10), packet(2, 5)].concat());
        assert_eq!(queue.len(), 0);
    }
}
