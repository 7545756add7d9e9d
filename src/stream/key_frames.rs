//! [`KeyFrameWatch`]: finds the frames of a stream with which a viewer can begin. A source may call
//! frames key frames that are none ([`Frame::new`](crate::Frame::new) does for every frame), and a
//! viewer that begins with such a frame shows damage until the next key frame. So the bytes are
//! looked at.

use crate::frame::Frame;
use crate::payload::{FormatRegistry, KeyFrameTest, PayloadFormat};

/// The role of a frame in its access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FramePart {
    /// The frame is the first of its access unit.
    pub(crate) starts_unit: bool,
    /// Decoding can start with its access unit, and no part of the picture came before the frame.
    pub(crate) key: bool,
}

/// Watches the frames of one stream.
#[derive(Debug)]
pub(crate) struct KeyFrameWatch {
    test: Option<KeyFrameTest>,
    is_video: bool,
    /// The access unit goes on with the next frame.
    inside: bool,
    /// The present access unit has a part of its picture.
    had_picture: bool,
}

impl KeyFrameWatch {
    /// A watch for a stream of that format. Where the format has no test of its own, the source is
    /// believed.
    pub(crate) fn new(format: Option<&PayloadFormat>, formats: &FormatRegistry) -> Self {
        let test = format.and_then(|format| formats.key_frame_test(format));
        let is_video = format.is_some_and(|f| f.media == "video");
        Self { test, is_video, inside: false, had_picture: false }
    }

    /// Notes that the next frame has no relation to those before (a seek).
    pub(crate) const fn reset(&mut self) {
        self.inside = false;
    }

    /// The role of the packets that a packetizer held back: the rest of earlier frames, for audio,
    /// where each is a beginning.
    pub(crate) const fn of_what_was_held_back(&self) -> FramePart {
        FramePart { starts_unit: !self.is_video, key: !self.is_video }
    }

    /// Returns the role of `frame`, the next of the stream.
    pub(crate) fn handle_frame(&mut self, frame: &Frame) -> FramePart {
        let flags = frame.flags;
        let starts_unit = !self.inside || flags.discontinuity;
        self.inside = !flags.ends_access_unit;
        if starts_unit {
            self.had_picture = false;
        }
        let Some(test) = self.test else {
            return FramePart { starts_unit, key: flags.key && starts_unit };
        };
        let is_whole = starts_unit && flags.ends_access_unit;
        // The picture of a whole access unit that is no key frame is nobody's beginning.
        if is_whole && !flags.key {
            return FramePart { starts_unit, key: false };
        }
        let found = test(&frame.data);
        let key = flags.key && !self.had_picture && found.can_start;
        self.had_picture |= found.has_picture;
        FramePart { starts_unit, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::CodecParameters;
    use std::time::Duration;

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 66, 0, 10];
    const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 1];
    const DELIMITER: &[u8] = &[0, 0, 0, 1, 9, 0xf0];
    const RECOVERY_POINT: &[u8] = &[0, 0, 0, 1, 6, 6, 1, 0x84, 0x80];
    const IDR: &[u8] = &[0, 0, 0, 1, 0x65, 0x88, 0x80];
    /// first_mb_in_slice 0 (1), slice_type 7 (0001000) or 5 (00110).
    const I_SLICE: &[u8] = &[0, 0, 0, 1, 0x41, 0b1000_1000, 0x80];
    const P_SLICE: &[u8] = &[0, 0, 0, 1, 0x41, 0b1001_1010, 0x80];

    fn watch(parameters: &CodecParameters) -> KeyFrameWatch {
        let formats = FormatRegistry::standard();
        KeyFrameWatch::new(formats.format(parameters, 96).ok().as_ref(), formats)
    }

    fn h264() -> KeyFrameWatch {
        let parameters = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
        watch(&parameters)
    }

    fn frame(units: &[&[u8]], key: bool, ends: bool) -> Frame {
        let mut frame = Frame::new(units.concat(), Duration::ZERO, Duration::ZERO);
        (frame.flags.key, frame.flags.ends_access_unit) = (key, ends);
        frame
    }

    #[test]
    fn what_a_source_says_is_checked_by_the_bytes() {
        for (units, says, key) in [
            (&[P_SLICE][..], true, false),
            (&[DELIMITER, P_SLICE], true, false),
            (&[PPS, P_SLICE], true, false),
            (&[], true, false),
            (&[IDR], true, true),
            (&[DELIMITER, SPS, PPS, IDR], true, true),
            (&[SPS, PPS, P_SLICE], true, false),
            (&[SPS, PPS], true, false),
            (&[RECOVERY_POINT, P_SLICE], true, true),
            (&[I_SLICE], true, true),
            // The source knows more: what follows may refer to what was before.
            (&[I_SLICE], false, false),
            (&[IDR], false, false),
        ] {
            let part = h264().handle_frame(&frame(units, says, true));
            assert_eq!(part, FramePart { starts_unit: true, key }, "{units:?}");
        }
        let parameters = CodecParameters::H265 { vps: vec![], sps: vec![], pps: vec![] };
        let mut h265 = watch(&parameters);
        for (header, key) in [(2 << 1, false), (19 << 1, true), (21 << 1, true)] {
            let unit: &[u8] = &[0, 0, 1, header, 1, 0x80];
            assert_eq!(h265.handle_frame(&frame(&[unit], true, true)).key, key);
        }
        let mut others = KeyFrameWatch::new(None, FormatRegistry::standard());
        assert!(others.handle_frame(&frame(&[P_SLICE], true, true)).key);
        assert!(!others.handle_frame(&frame(&[P_SLICE], false, true)).key);
    }

    #[test]
    fn an_access_unit_in_parts_begins_with_its_first_and_no_slice_but_the_first_is_a_beginning() {
        let mut watch = h264();
        let parts: Vec<_> = [
            (DELIMITER, false, false),
            (SPS, true, false),
            (PPS, false, false),
            (IDR, true, false),
            (IDR, true, false),
            (IDR, true, true),
            (P_SLICE, true, false),
            (P_SLICE, true, true),
            (IDR, true, false),
        ]
        .map(|(unit, key, ends)| watch.handle_frame(&frame(&[unit], key, ends)))
        .map(|part| (part.starts_unit, part.key))
        .into();
        assert_eq!(
            parts,
            [
                (true, false),
                (false, false),
                (false, false),
                (false, true),
                (false, false),
                (false, false),
                (true, false),
                (false, false),
                (true, true),
            ]
        );
        // The rest of the access unit was left behind by a seek.
        watch.reset();
        assert!(watch.handle_frame(&frame(&[IDR], true, true)).starts_unit);
    }
}
