//! [`MpvPacketizer`]: RFC 2250 sections 3.1 and 3.4.

use super::header::{B, E, HEADER_LEN, S, of_picture};
use crate::codec::mpeg_video::{Headers, begins_picture, is_slice, start_code};
use crate::codec::start_codes::start_codes;
use crate::frame::Frame;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::Packetizer;
use std::ops::Range;

/// Least room for the first fragment of a slice behind headers.
const LEAST_FRAGMENT: usize = 64;

/// Cuts pictures of MPEG-1 or MPEG-2 video into RTP payloads. A packet begins with headers, if there
/// are any, and ends with a slice; a slice that is larger than a packet is cut into fragments that fill
/// it.
#[derive(Debug, Default)]
pub struct MpvPacketizer {
    /// The fields of the present picture.
    picture: u32,
    /// The headers and slices of a frame. The memory is reused.
    units: Vec<Unit>,
}

/// Headers, or a slice.
#[derive(Clone, Debug)]
struct Unit {
    range: Range<usize>,
    is_slice: bool,
    /// Whether there is a sequence header.
    has_sequence: bool,
}

/// A packet that is being filled with units that follow each other.
#[derive(Clone, Debug)]
struct Open {
    range: Range<usize>,
    flags: u32,
    has_slice: bool,
}

impl Open {
    const fn at(start: usize) -> Self {
        Self { range: start..start, flags: 0, has_slice: false }
    }
}

impl MpvPacketizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { picture: 0, units: Vec::new() }
    }

    fn put(&self, data: &[u8], range: Range<usize>, flags: u32, out: &mut PacketBuffer) {
        let Some(data) = data.get(range).filter(|data| !data.is_empty()) else { return };
        out.begin_packet();
        out.put(&(self.picture | flags).to_be_bytes());
        out.put(data);
        out.finish_packet(false, 0);
    }

    /// Appends the packet that has been filled, and begins another one behind it.
    fn end(&self, data: &[u8], open: &mut Open, out: &mut PacketBuffer) {
        let flags = open.flags | if open.has_slice { E } else { 0 };
        self.put(data, open.range.clone(), flags, out);
        *open = Open::at(open.range.end);
    }

    /// Appends a part of the stream in packets that it fills: the first has `first` as flags, the last
    /// has `last` too.
    fn put_fragments(
        &self,
        data: &[u8],
        range: Range<usize>,
        (first, last): (u32, u32),
        out: &mut PacketBuffer,
    ) {
        let room = out.max_payload().saturating_sub(HEADER_LEN).max(1);
        let mut flags = first;
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + room);
            let ends = if end == range.end { last } else { 0 };
            self.put(data, at..end, flags | ends, out);
            (flags, at) = (0, end);
        }
    }

    /// Finds the headers and slices of a frame. Bytes before the first one belong to it.
    fn scan(&mut self, data: &[u8]) {
        self.units.clear();
        let codes = start_codes(data).filter(|(_, code)| is_slice(*code) || begins_picture(*code));
        for (at, code) in codes {
            let (is_slice, has_sequence) = (is_slice(code), code == start_code::SEQUENCE);
            match self.units.last_mut() {
                Some(headers) if !is_slice && !headers.is_slice => {
                    headers.has_sequence |= has_sequence;
                }
                last => {
                    let start = if last.is_some() { at } else { 0 };
                    if let Some(last) = last {
                        last.range.end = at;
                    }
                    self.units.push(Unit { range: start..data.len(), is_slice, has_sequence });
                }
            }
        }
    }
}

impl Packetizer for MpvPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let data = &frame.data[..];
        let room = out.max_payload().saturating_sub(HEADER_LEN).max(1);
        let before = out.spans().len();
        self.scan(data);
        if self.units.is_empty() {
            log::debug!("{} bytes without a start code are no picture", data.len());
        }
        let mut open = Open::at(0);
        for index in 0..self.units.len() {
            let Some(Unit { range, is_slice, has_sequence }) = self.units.get(index).cloned()
            else {
                break;
            };
            if !is_slice {
                self.end(data, &mut open, out);
                let headers = data.get(range.clone()).map(Headers::read);
                if let Some(picture) = headers.and_then(|headers| headers.picture) {
                    self.picture = of_picture(&picture);
                }
                let flags = if has_sequence { S } else { 0 };
                if range.len() > room {
                    self.put_fragments(data, range.clone(), (flags, 0), out);
                    open = Open::at(range.end);
                } else {
                    open = Open { range, flags, has_slice: false };
                }
                continue;
            }
            if open.range.len() + range.len() > room {
                let is_large = range.len() > room;
                let left = room.saturating_sub(open.range.len());
                if open.has_slice || !is_large || left < LEAST_FRAGMENT {
                    self.end(data, &mut open, out);
                }
                if is_large {
                    let from = open.range.start..range.end;
                    self.put_fragments(data, from, (open.flags | B, E), out);
                    open = Open::at(range.end);
                    continue;
                }
            }
            if !open.has_slice {
                open.flags |= B;
            }
            open.range.end = range.end;
            open.has_slice = true;
        }
        self.end(data, &mut open, out);
        if frame.flags.ends_access_unit && out.spans().len() > before {
            out.mark_last();
        }
    }
}
