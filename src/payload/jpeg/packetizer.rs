//! [`JpegPacketizer`]: RFC 2435 section 3.

use super::picture::Picture;
use super::{
    HAS_RESTARTS, MAIN_HEADER_LEN, MAX_SIZE, ONVIF_EXTENSION, OWN_TABLES, RESTART_HEADER_LEN,
    TABLE_HEADER_LEN,
};
use crate::codec::jpeg::marker;
use crate::frame::Frame;
use crate::payload::fragments::put_fragments;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::{Packetizer, UnsentData};

/// Restart marker header of fragments that are cut without regard to restart intervals: F, L and a
/// count of ones (section 3.1.7).
const WHOLE_FRAME: [u8; 2] = [0xff, 0xff];
/// Length of the marker segment of a frame header, and of the header extension with it and a fill
/// byte in front.
const FRAME_SEGMENT_LEN: usize = 19;
const EXTENSION_LEN: usize = 4 + FRAME_SEGMENT_LEN + 1;

/// Cuts JPEG files into RTP payloads, each picture with its quantization tables (Q 255).
///
/// The format carries baseline JPEG of 8 bits with three components, 4:2:0 or 4:2:2, and the Huffman
/// tables of the standard; other files are dropped. A receiver is told width and height in units of 8
/// pixels, rounded up, and gets the picture with the pixels by which blocks exceed it. Pictures of
/// more than 2,040 pixels have ONVIF's header extension with their frame header; receivers that do
/// not know it have to be told the size in another way.
#[derive(Debug, Default)]
pub struct JpegPacketizer {
    unsent: UnsentData,
    /// The reasons that have been logged.
    reasons: Vec<&'static str>,
}

impl JpegPacketizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { unsent: UnsentData { too_large: 0, unsupported: 0 }, reasons: Vec::new() }
    }

    fn drop_frame(&mut self, reason: &'static str) {
        let is_new = !self.reasons.contains(&reason);
        let level = if is_new { log::Level::Warn } else { log::Level::Debug };
        if is_new {
            self.reasons.push(reason);
        }
        log::log!(level, "a JPEG picture cannot be sent: {reason}");
        self.unsent.unsupported += 1;
    }
}

impl Packetizer for JpegPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let (picture, scan) = match Picture::of(&frame.data) {
            Ok(found) => found,
            Err(reason) => return self.drop_frame(reason),
        };
        let Picture { kind, width, height, restart_interval, tables } = picture;
        let most = MAIN_HEADER_LEN + RESTART_HEADER_LEN + TABLE_HEADER_LEN + EXTENSION_LEN;
        if most + tables.len() >= out.max_payload() {
            return self.drop_frame("its quantization tables do not fit into a packet");
        }
        let is_large = width > MAX_SIZE || height > MAX_SIZE;
        let units = |size: u16| if is_large { 0 } else { size.div_ceil(8) as u8 };
        let restarts = if restart_interval > 0 { HAS_RESTARTS } else { 0 };
        put_fragments(scan, frame.flags.ends_access_unit, out, |offset, out| {
            if offset == 0 && is_large {
                out.put_extension(ONVIF_EXTENSION, &frame_segment(&picture));
            }
            // Type-specific 0: progressively scanned (section 4.1).
            let [_, o0, o1, o2] = (offset as u32).to_be_bytes();
            out.put(&[0, o0, o1, o2, kind | restarts, OWN_TABLES, units(width), units(height)]);
            if restart_interval > 0 {
                out.put(&restart_interval.to_be_bytes());
                out.put(&WHOLE_FRAME);
            }
            if offset == 0 {
                out.put(&[0, tables.precision]);
                out.put(&(tables.len() as u16).to_be_bytes());
                out.put(tables.luma);
                out.put(tables.chroma);
            }
        });
    }

    fn unsent(&self) -> UnsentData {
        self.unsent
    }
}

/// The frame header as a marker segment, with a fill byte that completes a word.
fn frame_segment(picture: &Picture<'_>) -> [u8; FRAME_SEGMENT_LEN + 1] {
    let mut segment = [0xff; FRAME_SEGMENT_LEN + 1];
    let head = [0xff, 0xff, marker::SOF0, 0, FRAME_SEGMENT_LEN as u8 - 2];
    let bytes = head.into_iter().chain(picture.frame_header());
    segment.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    segment
}
