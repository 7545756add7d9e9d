//! AAC in ADTS: cuts a byte stream into access units.
//!
//! Reference: ISO/IEC 14496-3 section 1.A.3.2.

use super::sync::{FrameClock, SyncFormat, SyncFramer, UnitFramer, UnitHeader};
use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::frame::Frame;
use bytes::Bytes;

/// AAC in ADTS.
#[derive(Debug)]
pub(crate) struct Adts;

impl SyncFormat for Adts {
    fn header_len(&self) -> usize {
        AdtsHeader::LEN
    }
    fn parse(&self, bytes: &[u8]) -> Option<UnitHeader> {
        let header = AdtsHeader::parse(bytes).ok()?;
        Some(UnitHeader {
            frame_len: header.frame_len,
            sampling_rate: header.sampling_rate,
            samples: AdtsHeader::SAMPLES,
            blocks: header.raw_data_blocks,
            kind: u32::from_be_bytes([0, 0, header.object_type, header.channel_configuration]),
            joins: false,
        })
    }
}

/// Returns the access unit in an ADTS frame. `None` if it is empty, or if there are several: their
/// boundaries can then be found only by decoding.
pub(crate) fn access_unit(frame: &Bytes) -> Option<Bytes> {
    let header = AdtsHeader::parse(frame).ok()?;
    let single = header.raw_data_blocks == 1 && frame.len() > header.header_len;
    single.then(|| frame.slice(header.header_len..))
}

/// Cuts an ADTS byte stream into access units. [`Frame::data`] is an access unit without the ADTS
/// header; times count from the first. Frames with another configuration than the first are
/// skipped, because one [`config`](Self::config) cannot describe both, and so are frames with
/// several raw data blocks; their time elapses (see [`refused`](Self::refused)).
///
/// Call [`handle_bytes`](Self::handle_bytes), then [`poll_frame`](Self::poll_frame) until it
/// returns `None`; [`handle_end`](Self::handle_end) makes the last frames available.
///
/// ```
/// use riverrun::framer::adts::AdtsFramer;
///
/// let mut framer = AdtsFramer::new();
/// for unit in [[1u8, 2, 3], [4, 5, 6]] {
///     framer.handle_bytes(&[0xff, 0xf1, 0x50, 0x80, 0x01, 0x5f, 0xfc]); // 44.1 kHz stereo
///     framer.handle_bytes(&unit);
/// }
/// framer.handle_end();
/// assert_eq!(framer.poll_frame().unwrap().data, &[1, 2, 3][..]);
/// let second = framer.poll_frame().unwrap();
/// assert_eq!(second.pts.as_nanos(), 1024 * 1_000_000_000 / 44_100);
/// ```
#[derive(Debug)]
pub struct AdtsFramer {
    sync: SyncFramer,
    first: Option<AdtsHeader>,
    clock: FrameClock,
    refused: u64,
    gap: bool,
}

impl Default for AdtsFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl AdtsFramer {
    /// Creates a framer for the beginning of a stream.
    pub fn new() -> Self {
        Self {
            sync: SyncFramer::new(&Adts),
            first: None,
            clock: FrameClock::default(),
            refused: 0,
            gap: false,
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

    /// Returns the next access unit.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        loop {
            let unit = self.sync.poll_unit()?;
            let Ok(header) = AdtsHeader::parse(&unit.data) else { continue };
            self.gap |= unit.gap && self.first.is_some();
            let first = *self.first.get_or_insert(header);
            let blocks = u64::from(header.raw_data_blocks);
            let at = self.clock.pass(blocks, AdtsHeader::SAMPLES, header.sampling_rate);
            let data = access_unit(&unit.data);
            if let Some(data) = data.filter(|_| first.same_stream(&header)) {
                let mut frame = Frame::new(data, at, self.clock.now() - at);
                frame.flags.discontinuity = std::mem::take(&mut self.gap);
                return Some(frame);
            }
            self.refused += 1;
            self.gap = true;
        }
    }

    /// Returns the configuration of the stream, once its first frame is known.
    pub fn config(&self) -> Option<AudioSpecificConfig> {
        self.first.map(|header| header.config())
    }

    /// Returns the number of frames that were skipped because they are empty, have several raw data
    /// blocks, or have another configuration than the first.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::framer::drive::frames_of;
    use crate::framer::sync::frame_time;
    use crate::payload::testing::XorShift;

    /// `n` frames of 44.1 kHz stereo, and their access units.
    pub(crate) fn stream(n: usize, seed: u64) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut random = XorShift::new(seed);
        let mut bytes = Vec::new();
        let mut units = Vec::new();
        for _ in 0..n {
            let len = random.below(700) as usize + 1;
            let unit = random.bytes(len);
            bytes.extend_from_slice(&header(unit.len() + 7));
            bytes.extend_from_slice(&unit);
            units.push(unit);
        }
        (bytes, units)
    }

    fn header(len: usize) -> [u8; 7] {
        [
            0xff,
            0xf1,
            0x50,
            0x80 | (len >> 11) as u8,
            (len >> 3) as u8,
            (len << 5) as u8 | 0x1f,
            0xfc,
        ]
    }

    fn whole(bytes: &[u8]) -> Vec<Frame> {
        frames_of(&mut AdtsFramer::new(), bytes, usize::MAX)
    }

    #[test]
    fn frames_without_headers_and_with_exact_times() {
        let (bytes, units) = stream(50, 1);
        let frames = whole(&bytes);
        assert_eq!(frames.len(), 50);
        for (i, (frame, unit)) in frames.iter().zip(&units).enumerate() {
            assert_eq!(&frame.data[..], &unit[..]);
            let nanos = i as u128 * 1024 * 1_000_000_000 / 44_100;
            assert_eq!(frame.pts.as_nanos(), nanos);
        }
    }

    #[test]
    fn byte_by_byte_is_the_same() {
        let (mut bytes, _) = stream(20, 2);
        bytes.splice(0..0, *b"ID3\x03\0\0\0\0\0\x05hello");
        let at = bytes.len() / 2;
        bytes.splice(at..at, XorShift::new(3).bytes(300));
        bytes.extend_from_slice(&[b'T'; 2]);
        let expected = whole(&bytes);
        let got = frames_of(&mut AdtsFramer::new(), &bytes, 1);
        assert_eq!(got, expected);
        assert!(got.len() >= 19);
    }

    #[test]
    fn a_sync_word_in_garbage_is_not_believed() {
        let (bytes, units) = stream(5, 4);
        let mut garbage = vec![0u8; 100];
        garbage[40..47].copy_from_slice(&header(30));
        garbage.extend_from_slice(&bytes);
        let frames = whole(&garbage);
        assert_eq!(frames.len(), 5);
        assert_eq!(&frames[0].data[..], &units[0][..]);
    }

    #[test]
    fn a_crc_is_skipped_and_several_blocks_are_refused() {
        let mut with_crc = header(9 + 4).to_vec();
        with_crc[1] = 0xf0;
        with_crc.extend_from_slice(&[0xaa, 0xbb, 1, 2, 3, 4]);
        let mut several = header(7 + 4).to_vec();
        several[6] |= 1;
        several.extend_from_slice(&[1, 2, 3, 4]);
        let bytes = [&with_crc[..], &several, &with_crc].concat();
        let mut framer = AdtsFramer::new();
        let frames = frames_of(&mut framer, &bytes, usize::MAX);
        assert_eq!(frames.len(), 2);
        assert_eq!(&frames[0].data[..], &[1, 2, 3, 4]);
        // The refused frame had two access units, whose time passes.
        assert_eq!(frames[1].pts, frame_time(3, 1024, 44_100));
        assert!(frames[1].flags.discontinuity);
        assert_eq!(framer.refused(), 1);
    }

    /// The frames of `bytes` with these two bytes in the header: profile, rate, channels.
    pub(crate) fn configured(bytes: &[u8], b2: u8, b3: u8) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let mut at = 0;
        while let Ok(header) = AdtsHeader::parse(&bytes[at..]) {
            bytes[at + 2] = b2;
            bytes[at + 3] = bytes[at + 3] & 0x3f | b3;
            at += header.frame_len;
        }
        bytes
    }

    #[test]
    fn what_another_configuration_has_is_left_out_and_its_time_passes() {
        let (stereo, units) = stream(10, 5);
        let mono_22 = configured(&stream(7, 6).0, 0x5c, 0x40);
        let bytes = [&stereo[..], &mono_22, &stereo].concat();
        let mut framer = AdtsFramer::new();
        let frames = frames_of(&mut framer, &bytes, usize::MAX);
        assert_eq!(framer.config().unwrap().channels, 2);
        assert_eq!((frames.len(), framer.refused()), (20, 7));
        assert_eq!(&frames[10].data[..], &units[0][..]);
        let change = frame_time(10, 1024, 44_100) + frame_time(7, 1024, 22_050);
        assert_eq!(frames[10].pts, change);
        assert!(frames[10].flags.discontinuity);
        assert_eq!(frames.iter().filter(|f| f.flags.discontinuity).count(), 1);
    }

    #[test]
    fn garbage_gives_nothing_and_ends() {
        for seed in 0..20 {
            let mut bytes = XorShift::new(seed).bytes(20_000);
            for byte in bytes.iter_mut().step_by(3) {
                *byte |= 0xf0;
            }
            whole(&bytes);
        }
        assert!(whole(&[]).is_empty());
        assert!(whole(&[0xff; 5000]).is_empty());
    }
}
