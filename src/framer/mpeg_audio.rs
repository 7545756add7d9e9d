//! MPEG-1, MPEG-2 and MPEG-2.5 audio: cuts elementary streams into frames.
//!
//! References: ISO/IEC 11172-3 section 2.4; for ID3 and APE tags the documents of their authors.

use super::sync::{FrameClock, SyncFormat, SyncFramer, Unit, UnitFramer, UnitHeader};
use crate::codec::mpeg_audio::{FrameHeader, InfoHeader};
use crate::frame::Frame;

/// MPEG audio.
#[derive(Debug)]
pub(crate) struct MpegAudio;

impl SyncFormat for MpegAudio {
    fn header_len(&self) -> usize {
        FrameHeader::LEN
    }
    fn parse(&self, bytes: &[u8]) -> Option<UnitHeader> {
        let header = FrameHeader::parse(bytes).ok()?;
        Some(UnitHeader {
            frame_len: header.frame_len,
            sampling_rate: header.sampling_rate,
            samples: header.samples(),
            blocks: 1,
            kind: u32::from_be_bytes([0, 0, header.version as u8, header.layer as u8]),
            joins: false,
        })
    }
}

/// Returns the information header of the first frame of a stream, if it has one.
pub(crate) fn info(unit: &Unit) -> Option<InfoHeader> {
    InfoHeader::parse(&unit.data, &FrameHeader::parse(&unit.data).ok()?)
}

/// Cuts a byte stream into frames, which keep their headers; times count from the first. Tags, the
/// frame with the Xing, Info or VBRI header, and free-format frames are skipped. Version, layer and
/// sampling rate may change from frame to frame.
///
/// Call [`handle_bytes`](Self::handle_bytes), then [`poll_frame`](Self::poll_frame) until it
/// returns `None`; [`handle_end`](Self::handle_end) makes the last frames available.
#[derive(Debug)]
pub struct MpegAudioFramer {
    sync: SyncFramer,
    first: Option<FrameHeader>,
    clock: FrameClock,
    frames: u64,
    info: Option<InfoHeader>,
}

impl Default for MpegAudioFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl MpegAudioFramer {
    /// Creates a framer for the beginning of a stream.
    pub fn new() -> Self {
        Self {
            sync: SyncFramer::new(&MpegAudio),
            first: None,
            clock: FrameClock::default(),
            frames: 0,
            info: None,
        }
    }

    /// Appends the next bytes of the stream. Frames that are not polled stay available.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.sync.handle_bytes(bytes);
    }

    /// Ends the stream: the remaining frames become available.
    pub fn handle_end(&mut self) {
        self.sync.handle_end();
    }

    /// Returns the next frame.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        let mut unit = self.sync.poll_unit()?;
        if self.first.is_none() {
            self.first = FrameHeader::parse(&unit.data).ok();
        }
        if self.frames == 0 && self.info.is_none() {
            self.info = info(&unit);
            if self.info.is_some() {
                unit = self.sync.poll_unit()?;
            }
        }
        let header = unit.header;
        let at = self.clock.pass(1, header.samples, header.sampling_rate);
        let mut frame = Frame::new(unit.data, at, self.clock.now() - at);
        frame.flags.discontinuity = unit.gap && self.frames > 0;
        self.frames += 1;
        Some(frame)
    }

    /// Returns the header of the first frame, once it is known.
    pub const fn header(&self) -> Option<FrameHeader> {
        self.first
    }

    /// Returns the information header of the first frame, if it has one.
    pub const fn info(&self) -> Option<&InfoHeader> {
        self.info.as_ref()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::framer::drive::frames_of;
    use crate::framer::sync::frame_time;
    use crate::payload::testing::XorShift;

    /// `n` frames of layer III at 44.1 kHz and any bit rate.
    pub(crate) fn stream(n: usize, seed: u64) -> Vec<Vec<u8>> {
        let mut random = XorShift::new(seed);
        (0..n)
            .map(|_| {
                let head = [0xff, 0xfb, (random.below(14) as u8 + 1) << 4, 0x44];
                let mut frame = random.bytes(FrameHeader::parse(&head).unwrap().frame_len);
                frame[..4].copy_from_slice(&head);
                frame
            })
            .collect()
    }

    pub(crate) fn xing() -> Vec<u8> {
        let mut frame = vec![0u8; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x44]);
        frame[36..40].copy_from_slice(b"Xing");
        frame
    }

    fn whole(bytes: &[u8]) -> Vec<Frame> {
        frames_of(&mut MpegAudioFramer::new(), bytes, usize::MAX)
    }

    #[test]
    fn tags_and_information_frame_are_not_played() {
        let frames = stream(30, 1);
        let mut bytes = b"ID3\x04\0\x10\0\0\x01\x00".to_vec();
        bytes.extend_from_slice(&[0xff; 128 + 10]);
        bytes.extend_from_slice(&xing());
        bytes.extend_from_slice(&frames.concat());
        let mut ape = b"APETAGEX\xd0\x07\0\0\x28\0\0\0\0\0\0\0\0\0\0\xa0".to_vec();
        ape.resize(32 + 40, 0);
        bytes.extend_from_slice(&ape);
        bytes.extend_from_slice(b"TAG");
        bytes.resize(bytes.len() + 125, 0xff);
        let got = whole(&bytes);
        assert_eq!(got.len(), frames.len());
        for (n, (got, frame)) in got.iter().zip(&frames).enumerate() {
            assert_eq!(&got.data[..], &frame[..]);
            assert_eq!(got.pts, frame_time(n as u64, 1152, 44_100));
            assert!(!got.flags.discontinuity);
        }
        // And the same in any pieces.
        for piece in [1, 2, 7, 1000] {
            let mut framer = MpegAudioFramer::new();
            let mut pieces = Vec::new();
            for bytes in bytes.chunks(piece) {
                framer.handle_bytes(bytes);
                pieces.extend(std::iter::from_fn(|| framer.poll_frame()));
            }
            framer.handle_end();
            pieces.extend(std::iter::from_fn(|| framer.poll_frame()));
            assert_eq!(pieces, got);
        }
    }

    /// `n` frames that begin with `head`.
    pub(crate) fn frames_with(head: [u8; 4], n: usize) -> Vec<Vec<u8>> {
        let mut frame = vec![0x11; FrameHeader::parse(&head).unwrap().frame_len];
        frame[..4].copy_from_slice(&head);
        vec![frame; n]
    }

    /// 48 kHz stereo; 22.05 kHz mono (MPEG-2); 48 kHz layer II.
    pub(crate) const OTHERS: [([u8; 4], u32, u32); 3] = [
        ([0xff, 0xfb, 0x94, 0x44], 1152, 48_000),
        ([0xff, 0xf3, 0x80, 0xc4], 576, 22_050),
        ([0xff, 0xfd, 0x84, 0x04], 1152, 48_000),
    ];

    #[test]
    fn parameters_may_change_with_any_frame() {
        for (head, samples, rate) in OTHERS {
            let (before, others, after) = (stream(9, 4), frames_with(head, 12), stream(5, 5));
            let all = [before, others, after].concat();
            let got = whole(&all.concat());
            assert_eq!(got.len(), all.len(), "{rate}");
            assert!(got.iter().zip(&all).all(|(got, frame)| got.data == frame));
            assert!(!got.iter().any(|frame| frame.flags.discontinuity));
            let change = frame_time(9, 1152, 44_100);
            assert_eq!(got[9].pts, change);
            assert_eq!(got[12].pts, change + frame_time(3, samples, rate));
            let back = change + frame_time(12, samples, rate);
            assert_eq!(got[22].pts, back + frame_time(1, 1152, 44_100));
            for pair in got.windows(2) {
                assert_eq!(pair[0].pts + pair[0].duration, pair[1].pts);
            }
        }
    }

    #[test]
    fn one_header_that_differs_is_no_change() {
        let mut frames = stream(10, 6);
        // Where a frame is due something stands that looks like another stream, but nothing of
        // it follows.
        let lonely = frames_with(OTHERS[0].0, 1).concat();
        frames.insert(5, lonely[..200].to_vec());
        let got = whole(&frames.concat());
        assert_eq!(got.len(), 10);
        assert_eq!(got[5].pts, frame_time(5, 1152, 44_100));
        assert!(got[5].flags.discontinuity);
    }

    #[test]
    fn garbage_between_frames_is_skipped_and_told() {
        let frames = stream(10, 2);
        let mut bytes = frames[..5].concat();
        bytes.extend_from_slice(&[0xff, 0xfb, 0x90, 0x44, 0, 0, 0xff, 0xff]);
        // That header is believed, as it stands where one is due; its frame swallows the start of
        // the next one, and sync is found again behind it.
        bytes.extend_from_slice(&frames[5..].concat());
        let got = whole(&bytes);
        assert!(got.len() >= 8, "{}", got.len());
        assert!(got.iter().any(|frame| frame.flags.discontinuity));
        assert_eq!(&got.last().unwrap().data[..], &frames[9][..]);
    }

    #[test]
    fn free_format_and_garbage_give_nothing() {
        assert!(whole(&[0xff, 0xfb, 0x00, 0x44].repeat(500)).is_empty());
        assert!(whole(&XorShift::new(1).bytes(10_000)).is_empty());
        assert!(whole(&[0xff; 3000]).is_empty());
    }

    #[test]
    fn a_truncated_last_frame_is_dropped() {
        let frames = stream(5, 3).concat();
        assert_eq!(whole(&frames[..frames.len() - 1]).len(), 4);
    }
}
