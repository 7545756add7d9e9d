//! [`Cursor`]: follows the PES packets of some elementary streams through a transport stream or a
//! program stream.

use crate::framer::mpeg_ps::{Element, element, find_pack};
use crate::framer::mpeg_ts::payload_of;
use crate::framer::mpeg_ts::{REED_SOLOMON_STRIDE, packets};
use crate::framer::pes::{MAX_HEADER, PRIVATE_1, Parsed, PesHeader};
use crate::media::FrameTimes;
use crate::media::file::mpeg_ts::layout::Layout;
use crate::media::file::mpeg_ts::timeline::Timeline;

/// Bytes of the header that DVDs have in front of the frames of a substream of private stream 1:
/// the number of the substream, how many frames begin in the packet, and where the first does.
pub(super) const SUBSTREAM_HEADER: usize = 4;

/// Names an elementary stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media::file) enum StreamId {
    /// The PID in a transport stream.
    Pid(u16),
    /// `stream_id` in a program stream.
    Stream(u8),
    /// Number of a substream of private stream 1 of a program stream.
    Substream(u8),
}

/// The beginning of a PES packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    /// Where in the file it begins.
    pub(super) offset: u64,
    /// Time stamps as in its header.
    pub(super) pts: Option<u64>,
    pub(super) dts: Option<u64>,
}

impl Packet {
    /// Returns its times, counted from the first clock reference of the file.
    pub(super) fn times(&self, timeline: &Timeline) -> Option<FrameTimes> {
        let pts = timeline.time_of_stamp(self.offset, self.pts?)?;
        let dts = self.dts.and_then(|dts| timeline.time_of_stamp(self.offset, dts));
        Some(FrameTimes { pts, dts: dts.unwrap_or(pts) })
    }
}

/// Takes what a [`Cursor`] finds; streams are numbered as they were given to it.
pub(super) trait Sink {
    /// A packet begins.
    fn begin(&mut self, stream: usize, packet: &Packet);
    /// A piece of its payload.
    fn payload(&mut self, stream: usize, bytes: &[u8]);
    /// Something of the stream is missing here.
    fn gap(&mut self, stream: usize);
}

/// Reads a multiplex piece by piece, from any place on.
#[derive(Debug)]
pub(super) struct Cursor {
    layout: Layout,
    streams: Vec<Stream>,
    /// In a program stream, what is left of the packet, and of which stream it is.
    left: usize,
    stream: usize,
    /// Whether the next pack must be looked for.
    lost: bool,
}

/// A stream, and in a transport stream where in a PES packet it is.
#[derive(Debug)]
struct Stream {
    id: StreamId,
    state: State,
    counter: Option<u8>,
    /// The header as far as it is here.
    header: Vec<u8>,
    offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until a packet begins.
    Waits,
    InHeader,
    InPayload,
}

impl Cursor {
    pub(super) fn new(layout: Layout, ids: impl Iterator<Item = StreamId>) -> Self {
        let streams = ids.map(|id| Stream {
            id,
            state: State::Waits,
            counter: None,
            header: Vec::new(),
            offset: 0,
        });
        Self { layout, streams: streams.collect(), left: 0, stream: 0, lost: true }
    }

    /// Another place follows.
    pub(super) fn restart(&mut self) {
        for stream in &mut self.streams {
            (stream.state, stream.counter) = (State::Waits, None);
        }
        (self.left, self.lost) = (0, true);
    }

    /// Takes the bytes at `offset`; returns how many of them, and of those behind, need not be given
    /// again.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8], offset: u64, sink: &mut dyn Sink) -> usize {
        match self.layout {
            Layout::Transport { stride } => self.transport(stride, bytes, offset, sink),
            Layout::Program => self.program(bytes, offset, sink),
        }
    }

    fn transport(
        &mut self,
        stride: usize,
        bytes: &[u8],
        offset: u64,
        sink: &mut dyn Sink,
    ) -> usize {
        let mut end = match bytes.len().checked_sub(REED_SOLOMON_STRIDE) {
            None | Some(0) => bytes.len(),
            Some(whole) => whole,
        };
        for (at, packet) in packets(bytes, stride) {
            end = at + stride;
            let Some((pid, payload)) = payload_of(packet) else { continue };
            let is_it = |stream: &Stream| stream.id == StreamId::Pid(pid);
            if let Some(number) = self.streams.iter().position(is_it) {
                if let Some(stream) = self.streams.get_mut(number) {
                    stream.handle_packet(number, packet, payload, offset + at as u64, sink);
                }
            }
        }
        end
    }

    fn program(&mut self, bytes: &[u8], offset: u64, sink: &mut dyn Sink) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.left > 0 {
                let len = self.left.min(rest.len());
                sink.payload(self.stream, rest.get(..len).unwrap_or_default());
                self.left -= len;
                at += len;
                continue;
            }
            if self.lost {
                let Some(found) = find_pack(rest, 0) else {
                    // A start code may lie across the end.
                    at += rest.len().saturating_sub(3).max(1);
                    break;
                };
                at += found;
                self.lost = false;
                continue;
            }
            let len = match element(rest) {
                Parsed::Done(Element::Pack { len, .. }) => Some(len),
                Parsed::Done(Element::End) => Some(4),
                Parsed::Done(Element::Packet { stream_id, len }) => {
                    let place = (offset + at as u64, stream_id, len);
                    match self.packet(rest, place, sink) {
                        Parsed::Done(len) => Some(len),
                        Parsed::NeedMore => break,
                        Parsed::Invalid => None,
                    }
                }
                Parsed::NeedMore => break,
                Parsed::Invalid => None,
            };
            match len {
                Some(len) => at += len,
                None => {
                    self.lost = true;
                    at += 1;
                    (0..self.streams.len()).for_each(|stream| sink.gap(stream));
                }
            }
        }
        at
    }

    /// Takes the header of a packet of a program stream. Gives the bytes that are done with.
    fn packet(
        &mut self,
        bytes: &[u8],
        (offset, stream_id, len): (u64, u8, usize),
        sink: &mut dyn Sink,
    ) -> Parsed<usize> {
        let of_it = |stream: &Stream| match stream.id {
            StreamId::Stream(id) => id == stream_id,
            StreamId::Substream(_) => stream_id == PRIVATE_1,
            StreamId::Pid(_) => false,
        };
        if !self.streams.iter().any(of_it) {
            return Parsed::Done(len);
        }
        let header = match PesHeader::parse(bytes) {
            Parsed::Done(header) => header,
            Parsed::NeedMore => return Parsed::NeedMore,
            Parsed::Invalid => return Parsed::Invalid,
        };
        let number = if len > header.len { bytes.get(header.len) } else { Some(&0) };
        let Some(&number) = number else { return Parsed::NeedMore };
        let is_it = |stream: &Stream| match stream.id {
            StreamId::Stream(id) => id == stream_id,
            StreamId::Substream(of) => stream_id == PRIVATE_1 && of == number,
            StreamId::Pid(_) => false,
        };
        let Some(stream) = self.streams.iter().position(is_it) else { return Parsed::Done(len) };
        let inner = match self.streams.get(stream).map(|stream| stream.id) {
            Some(StreamId::Substream(_)) => SUBSTREAM_HEADER,
            _ => 0,
        };
        let Some(left) = len.checked_sub(header.len + inner) else { return Parsed::Done(len) };
        if bytes.len() < header.len + inner {
            return Parsed::NeedMore;
        }
        let (pts, dts) = (header.pts, header.dts);
        sink.begin(stream, &Packet { offset, pts, dts });
        (self.left, self.stream) = (left, stream);
        Parsed::Done(header.len + inner)
    }
}

impl Stream {
    /// Takes a transport stream packet of this stream.
    fn handle_packet(
        &mut self,
        number: usize,
        packet: &[u8],
        payload: &[u8],
        offset: u64,
        sink: &mut dyn Sink,
    ) {
        let &[_, b1, _, b3, ..] = packet else { return };
        if b3 & 0xc0 != 0 {
            // Scrambled.
            return;
        }
        let counter = b3 & 0x0f;
        let before = self.counter.replace(counter);
        if before == Some(counter) {
            // Sent twice (2.4.3.3).
            return;
        }
        if before.is_some_and(|before| before.wrapping_add(1) & 0x0f != counter) {
            self.state = State::Waits;
            sink.gap(number);
        }
        if b1 & 0x40 != 0 {
            self.state = State::InHeader;
            self.header.clear();
            self.offset = offset;
        }
        match self.state {
            State::Waits => {}
            State::InPayload => sink.payload(number, payload),
            State::InHeader => {
                self.header.extend_from_slice(payload);
                self.finish_header(number, sink);
            }
        }
    }

    fn finish_header(&mut self, number: usize, sink: &mut dyn Sink) {
        match PesHeader::parse(&self.header) {
            Parsed::Done(header) => {
                let packet = Packet { offset: self.offset, pts: header.pts, dts: header.dts };
                sink.begin(number, &packet);
                sink.payload(number, self.header.get(header.len..).unwrap_or_default());
                self.state = State::InPayload;
            }
            Parsed::NeedMore if self.header.len() < MAX_HEADER => {}
            Parsed::NeedMore | Parsed::Invalid => {
                self.state = State::Waits;
                sink.gap(number);
            }
        }
    }
}
