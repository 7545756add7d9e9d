//! [`MpegVideoFramer`]: cuts MPEG-1 and MPEG-2 video into pictures.
//!
//! References: ISO/IEC 11172-2 section 2.4, ISO/IEC 13818-2 sections 6.2 and 6.3.

use super::video::{NalRole, Picture, PictureTime, Syntax, VideoFramer};
use crate::codec::bits::PlainBits;
use crate::codec::mpeg_video::{
    PICTURE_CODING_EXTENSION, PictureCoding, PictureHeader, PictureType, SEQUENCE_EXTENSION,
    SequenceHeader, start_code,
};
use bytes::Bytes;

/// Cuts an MPEG-1 or MPEG-2 video stream into frames: a picture, or both fields of a frame, with the
/// headers before it.
pub type MpegVideoFramer = VideoFramer<MpegVideoSyntax>;

/// `picture_structure` of a frame picture.
const FRAME: u8 = 3;
/// Extensions of a sequence header that are kept.
const MAX_HEADERS: usize = 4;
/// Most bytes of a sequence header or of an extension of it.
const MAX_HEADER: usize = 256;

/// The rules of MPEG-1 and MPEG-2 video.
#[derive(Debug)]
pub struct MpegVideoSyntax {
    /// The sequence header in force and its extensions, without start code prefixes.
    headers: Vec<Bytes>,
    /// Whether a sequence header is followed by its extensions.
    in_headers: bool,
    sequence: Option<SequenceHeader>,
    /// Whether a group of pictures begins with the next picture.
    new_group: bool,
    /// Order and `temporal_reference` of the previous picture.
    previous: Option<(i64, u16)>,
    highest: i64,
    /// Structure of the previous picture, if the other field of its frame is still to come.
    first_field: Option<u8>,
    /// Whether the picture is the second field of a frame.
    second_field: bool,
}

impl Default for MpegVideoSyntax {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            in_headers: false,
            sequence: None,
            new_group: true,
            previous: None,
            highest: -1,
            first_field: None,
            second_field: false,
        }
    }
}

/// The beginning of a header behind its start code. Zero bytes at its end count as bytes of the stream
/// behind it, and are put there again.
fn header(nal: &[u8]) -> [u8; 16] {
    let mut header = [0; 16];
    for (to, from) in header.iter_mut().zip(nal.iter().skip(1)) {
        *to = *from;
    }
    header
}

impl MpegVideoSyntax {
    fn sequence_header(&mut self, nal: &[u8]) {
        self.headers.clear();
        self.in_headers = true;
        self.sequence = SequenceHeader::parse(&header(nal)).ok();
        self.keep_header(nal);
    }

    fn keep_header(&mut self, nal: &[u8]) {
        if self.headers.len() < MAX_HEADERS && nal.len() <= MAX_HEADER {
            self.headers.push(Bytes::copy_from_slice(nal));
        }
    }

    fn extension(&mut self, nal: &[u8]) -> NalRole {
        let bytes = header(nal);
        let mut b = PlainBits::new(&bytes, "MPEG extension");
        let identifier = b.take(4).unwrap_or(0);
        if self.in_headers {
            if let Some(sequence) =
                self.sequence.as_mut().filter(|_| identifier == SEQUENCE_EXTENSION)
            {
                let _ = sequence.extend(&mut b);
            }
            self.keep_header(nal);
            return NalRole::Leads;
        }
        if identifier != PICTURE_CODING_EXTENSION || std::mem::take(&mut self.second_field) {
            return NalRole::Trails;
        }
        match PictureCoding::parse(&mut b) {
            Ok(coding) => self.picture_coding(coding),
            Err(_) => NalRole::Trails,
        }
    }

    fn picture_coding(&mut self, coding: PictureCoding) -> NalRole {
        self.first_field = (coding.structure != FRAME).then_some(coding.structure);
        let (top_first, repeat) = (coding.top_field_first, coding.repeat_first_field);
        let progressive = self.sequence.is_some_and(|sequence| sequence.progressive);
        // 6.3.10, repeat_first_field.
        let repeated = match (progressive, repeat) {
            (_, false) => (1, 1),
            (false, true) => (3, 2),
            (true, true) if top_first => (3, 1),
            (true, true) => (2, 1),
        };
        NalRole::Lasts { repeated }
    }

    fn picture(&mut self, nal: &[u8]) -> NalRole {
        self.in_headers = false;
        let Ok(header) = PictureHeader::parse(&header(nal)) else { return NalRole::Trails };
        let reference = header.temporal_reference;
        let same_frame = self.previous.is_some_and(|(_, previous)| previous == reference);
        if self.first_field.take().is_some() && same_frame && !self.new_group {
            self.second_field = true;
            return NalRole::Continues { inter: false };
        }
        self.second_field = false;
        let restart = std::mem::take(&mut self.new_group);
        let order = match self.previous {
            Some((order, previous)) if !restart => {
                // Modulo 1024, in streams without groups of pictures.
                let step = (i32::from(reference) - i32::from(previous) + 512).rem_euclid(1024);
                order + i64::from(step - 512)
            }
            _ => self.highest + 1 + i64::from(reference),
        };
        self.previous = Some((order, reference));
        self.highest = self.highest.max(order);
        let intra = header.picture_type == PictureType::I;
        let low_delay = self.sequence.is_some_and(|sequence| sequence.low_delay);
        NalRole::Picture(Picture {
            order: Some(order),
            restart,
            key: intra,
            intra,
            reorder_depth: u32::from(!low_delay),
            time: self.picture_time(),
            restarts_clock: false,
        })
    }
}

impl Syntax for MpegVideoSyntax {
    fn handle_nal(&mut self, nal: &[u8]) -> NalRole {
        match nal.first().copied().unwrap_or(0) {
            start_code::SEQUENCE => {
                self.sequence_header(nal);
                NalRole::Leads
            }
            start_code::GROUP => {
                self.in_headers = false;
                self.new_group = true;
                NalRole::Leads
            }
            start_code::PICTURE => self.picture(nal),
            1..=start_code::LAST_SLICE => NalRole::Continues { inter: false },
            start_code::EXTENSION => self.extension(nal),
            _ => NalRole::Trails,
        }
    }

    fn reset(&mut self) {
        *self = Self {
            headers: std::mem::take(&mut self.headers),
            sequence: self.sequence,
            ..Self::default()
        };
    }

    fn picture_time(&self) -> PictureTime {
        let duration = self.sequence.map(|sequence| {
            let (frames, seconds) = sequence.frame_rate;
            (u64::from(seconds), u64::from(frames))
        });
        PictureTime { duration, ..PictureTime::default() }
    }

    fn parameter_sets(&self) -> Vec<Bytes> {
        self.headers.clone()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::framer::annexb::from_nal_units;
    use std::time::Duration;

    /// A sequence header: 320 × 180, 25 frames a second.
    pub(crate) const SEQUENCE: [u8; 8] = [0xb3, 0x14, 0x00, 0xb4, 0x13, 0xff, 0xff, 0xe1];
    /// Its extension: main profile, not progressive.
    pub(crate) const EXTENSION: [u8; 5] = [0xb5, 0x14, 0x82, 0, 1];
    pub(crate) const GROUP: [u8; 5] = [0xb8, 0, 8, 0, 0x40];

    /// A picture header: type 1 to 3 (I, P, B).
    pub(crate) fn picture(reference: u16, kind: u8) -> Vec<u8> {
        vec![0, (reference >> 2) as u8, (reference << 6) as u8 | kind << 3 | 7, 0xff, 0xf8]
    }

    /// A picture coding extension.
    fn coding(structure: u8, flags: u8) -> Vec<u8> {
        vec![0xb5, 0x8f, 0xff, 0xf0 | structure, flags, 0x80]
    }

    const SLICE: [u8; 6] = [1, 0x0b, 0x22, 0x33, 0x44, 0x55];

    fn frames(nals: &[&[u8]]) -> Vec<Frame> {
        let mut framer = MpegVideoFramer::new();
        framer.handle_bytes(&from_nal_units(nals.iter().copied()));
        framer.handle_end();
        std::iter::from_fn(|| framer.poll_frame().unwrap()).collect()
    }

    fn ms(frames: &[Frame]) -> Vec<u128> {
        frames.iter().map(|frame| frame.pts.as_millis()).collect()
    }

    #[test]
    fn pictures_come_with_their_headers_and_in_time() {
        // I P B B in coded order, and a second, open group: I B B.
        let all = [(2, 1), (5, 2), (3, 3), (4, 3)].map(|(n, kind)| picture(n - 2, kind));
        let open = [(2, 1), (0, 3), (1, 3)].map(|(n, kind)| picture(n, kind));
        let mut nals: Vec<&[u8]> = vec![&SEQUENCE, &EXTENSION, &GROUP];
        for picture in &all {
            nals.extend([&picture[..], &SLICE, &SLICE]);
        }
        nals.push(&GROUP);
        for picture in &open {
            nals.extend([&picture[..], &SLICE]);
        }
        let frames = frames(&nals);
        assert_eq!(ms(&frames), [0, 120, 40, 80, 240, 160, 200]);
        let keys: Vec<bool> = frames.iter().map(|frame| frame.flags.key).collect();
        assert_eq!(keys, [true, false, false, false, true, false, false]);
        assert!(frames[0].data.starts_with(&[0, 0, 0, 1, 0xb3]));
        assert!(frames[4].data.starts_with(&[0, 0, 0, 1, 0xb8]));
        assert!(frames.windows(2).all(|pair| pair[0].dts <= pair[1].dts));
        assert!(frames.iter().all(|frame| frame.dts <= frame.pts));
        let whole: usize = frames.iter().map(|frame| frame.data.len()).sum();
        assert_eq!(whole, from_nal_units(nals).len());
    }

    #[test]
    fn both_fields_are_one_frame_and_repeated_fields_lengthen_it() {
        let (first, second) = (picture(0, 1), picture(0, 2));
        let (top, bottom, repeat) = (coding(1, 0), coding(2, 0), coding(3, 0x82));
        let (next, last) = (picture(1, 2), picture(2, 2));
        let frames = frames(&[
            &SEQUENCE, &EXTENSION, &GROUP, &first, &top, &SLICE, &second, &bottom, &SLICE, &next,
            &repeat, &SLICE, &last, &SLICE,
        ]);
        assert_eq!(ms(&frames), [0, 40, 100]);
        assert!(frames[0].flags.key, "a field that refers to the first is no matter");
    }

    #[test]
    fn streams_without_groups_count_on_over_the_wrap() {
        let pictures: Vec<Vec<u8>> =
            (0..3000).map(|n| picture(n % 1024, if n % 50 == 0 { 1 } else { 2 })).collect();
        let mut nals: Vec<&[u8]> = vec![&SEQUENCE];
        pictures.iter().for_each(|picture| nals.extend([&picture[..], &SLICE]));
        let frames = frames(&nals);
        assert_eq!(frames.len(), 3000);
        assert_eq!(frames.last().unwrap().pts, Duration::from_millis(2999 * 40));
    }

    #[test]
    fn parameters_are_the_sequence_header_and_its_extensions() {
        let mut framer = MpegVideoFramer::new();
        let (first, coding) = (picture(0, 1), coding(3, 0));
        let nals: [&[u8]; 6] = [&SEQUENCE, &EXTENSION, &GROUP, &first, &coding, &SLICE];
        framer.handle_bytes(&from_nal_units(nals));
        framer.handle_end();
        framer.poll_frame().unwrap().unwrap();
        assert_eq!(framer.parameter_sets(), [&SEQUENCE[..], &EXTENSION]);
    }
}
