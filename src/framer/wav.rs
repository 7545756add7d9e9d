//! WAV (RIFF, RF64 and BW64): cuts files into runs of samples in network byte order.
//!
//! References: "Multimedia Programming Interface and Data Specifications 1.0" (RIFF), the
//! description of WAVE_FORMAT_EXTENSIBLE, and EBU Tech 3306 (RF64).

use super::sync::{Tag, frame_time, id3v2};
use crate::codec::PcmEncoding;
use crate::frame::Frame;
use crate::wire::ParseError;
use bytes::{Buf, BytesMut};

const WHAT: &str = "WAV header";
/// Most chunks before `data`; no program writes as many.
const MAX_CHUNKS: u32 = 1000;
/// Bytes of a `fmt ` chunk that are evaluated: WAVE_FORMAT_EXTENSIBLE.
const MAX_FORMAT_LEN: u64 = 40;
/// Chunk identifiers by which the padding of the previous chunk is detected.
const KNOWN_CHUNKS: [&[u8; 4]; 12] = [
    b"fmt ", b"data", b"LIST", b"fact", b"bext", b"cue ", b"JUNK", b"junk", b"PAD ", b"id3 ",
    b"iXML", b"smpl",
];
/// Bytes of a `ds64` chunk that are evaluated: the sizes of file and data.
const DS64_LEN: u64 = 16;

/// The format and position of the samples in a WAV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WavHeader {
    /// Encoding of the samples as sent, in network byte order.
    pub encoding: PcmEncoding,
    /// Sampling rate in Hz.
    pub sampling_rate: u32,
    /// Number of channels.
    pub channels: u8,
    /// Offset of the first sample in the file.
    pub data_offset: u64,
    /// Length of the samples in bytes; `None` if they extend to the end of the file.
    pub data_len: Option<u64>,
}

impl WavHeader {
    /// Returns the size in bytes of one sample of all channels.
    pub fn block_len(&self) -> usize {
        self.encoding.bytes_per_sample() * usize::from(self.channels)
    }

    /// Returns the number of samples per channel in a frame: 20 ms, the packet time of RFC 3551
    /// section 4.2, or less if that exceeded 64 KiB.
    pub fn samples_per_frame(&self) -> u32 {
        const MAX_FRAME: usize = 64 * 1024;
        let most = MAX_FRAME / self.block_len().max(1);
        (self.sampling_rate / 50).min(most as u32).max(1)
    }

    /// Converts samples in place from the file's byte order to network byte order.
    pub fn reorder(&self, samples: &mut [u8]) {
        match self.encoding {
            PcmEncoding::L8 | PcmEncoding::Pcmu | PcmEncoding::Pcma => {}
            PcmEncoding::L16 => samples.chunks_exact_mut(2).for_each(|s| s.swap(0, 1)),
            PcmEncoding::L24 => samples.chunks_exact_mut(3).for_each(|s| s.swap(0, 2)),
        }
    }
}

/// Finds the samples of a WAV file. Call [`handle_bytes`](Self::handle_bytes) with the bytes of the
/// file, except those that [`take_skip`](Self::take_skip) returns, until
/// [`poll_header`](Self::poll_header) returns the header.
#[derive(Debug, Default)]
pub struct WavParser {
    buffer: BytesMut,
    /// Offset in the file of the first byte of `buffer`.
    offset: u64,
    skip: u64,
    /// Whether the previous chunk had an odd length, so that a padding byte is expected.
    padding: bool,
    riff: bool,
    rf64: bool,
    format: Option<Format>,
    ds64_data: Option<u64>,
    chunks: u32,
}

#[derive(Clone, Copy, Debug)]
struct Format {
    encoding: PcmEncoding,
    sampling_rate: u32,
    channels: u8,
}

impl WavParser {
    /// Creates a parser for the start of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the next bytes of the file.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the number of bytes that come next and need not be read. The caller must skip them.
    pub fn take_skip(&mut self) -> u64 {
        if !self.buffer.is_empty() {
            return 0;
        }
        let skip = std::mem::take(&mut self.skip);
        self.offset = self.offset.saturating_add(skip);
        skip
    }

    /// Returns the header once the `data` chunk has begun, and `None` before that.
    ///
    /// # Errors
    /// The file is not a WAV file, or RTP has no payload format for its samples. All later calls
    /// fail too.
    pub fn poll_header(&mut self) -> Result<Option<WavHeader>, ParseError> {
        loop {
            if self.skip > 0 {
                let n = self.skip.min(self.buffer.len() as u64);
                self.consume(n);
                self.skip -= n;
                if self.skip > 0 {
                    return Ok(None);
                }
            }
            if !self.riff {
                match id3v2(&self.buffer) {
                    Tag::Skip(n) => {
                        self.skip = n;
                        continue;
                    }
                    Tag::NeedMore => return Ok(None),
                    Tag::No => {}
                }
                let Some(head) = self.buffer.first_chunk::<12>() else { return Ok(None) };
                match (&head[..4], &head[8..]) {
                    (b"RIFF", b"WAVE") => {}
                    (b"RF64" | b"BW64", b"WAVE") => self.rf64 = true,
                    _ => return Err(self.invalid("WAV file (RIFF, RF64 or BW64)")),
                }
                self.riff = true;
                self.consume(12);
            }
            if self.padding {
                let Some(is_padded) = self.is_padded() else { return Ok(None) };
                self.padding = false;
                self.consume(u64::from(is_padded));
            }
            let Some(&[i0, i1, i2, i3, s0, s1, s2, s3]) = self.buffer.first_chunk::<8>() else {
                return Ok(None);
            };
            let size = u32::from_le_bytes([s0, s1, s2, s3]);
            match &[i0, i1, i2, i3] {
                b"data" => return self.data(size).map(Some),
                b"fmt " if self.format.is_none() => {
                    let len = u64::from(size).min(MAX_FORMAT_LEN);
                    let Some(body) = self.body(len) else { return Ok(None) };
                    self.format = Some(Format::parse(body).ok_or_else(|| {
                        self.invalid("WAV format (PCM of 8, 16 or 24 bits, mu-law or A-law)")
                    })?);
                }
                b"ds64" if self.rf64 && u64::from(size) >= DS64_LEN => {
                    let Some(body) = self.body(DS64_LEN) else { return Ok(None) };
                    self.ds64_data = body
                        .get(8..16)
                        .and_then(|b| b.first_chunk().map(|&bytes| u64::from_le_bytes(bytes)));
                }
                _ => {}
            }
            self.chunks += 1;
            if self.chunks > MAX_CHUNKS {
                return Err(self.invalid("WAV file (too many chunks before the samples)"));
            }
            self.consume(8);
            self.skip = u64::from(size);
            self.padding = size % 2 == 1;
        }
    }

    fn data(&self, size: u32) -> Result<WavHeader, ParseError> {
        let format = self.format.ok_or_else(|| self.invalid("WAV file (samples before format)"))?;
        // Programs that write to a pipe cannot come back to fill the size in.
        let data_len = match size {
            u32::MAX if self.rf64 => self.ds64_data.filter(|&n| n != 0 && n != u64::MAX),
            0 | u32::MAX => None,
            n => Some(u64::from(n)),
        };
        Ok(WavHeader {
            encoding: format.encoding,
            sampling_rate: format.sampling_rate,
            channels: format.channels,
            data_offset: self.offset + 8,
            data_len,
        })
    }

    /// Whether the expected padding byte is present: chunks are padded to an even length that is
    /// not counted, but some programs omit the padding. `None`: more bytes are needed.
    fn is_padded(&self) -> Option<bool> {
        let known = |at: usize| {
            let id = self.buffer.get(at..)?.first_chunk::<4>()?;
            Some(KNOWN_CHUNKS.contains(&id))
        };
        Some(known(1)? || !known(0)?)
    }

    /// The first `len` bytes of the chunk at the start of the buffer.
    fn body(&self, len: u64) -> Option<&[u8]> {
        self.buffer.get(8..8 + usize::try_from(len).ok()?)
    }

    fn consume(&mut self, n: u64) {
        self.buffer.advance(n as usize);
        self.offset = self.offset.saturating_add(n);
    }

    fn invalid(&self, what: &'static str) -> ParseError {
        ParseError::Invalid { what, at: usize::try_from(self.offset).unwrap_or(usize::MAX) }
    }
}

impl Format {
    fn parse(body: &[u8]) -> Option<Self> {
        const PCM: u16 = 1;
        const A_LAW: u16 = 6;
        const MU_LAW: u16 = 7;
        const EXTENSIBLE: u16 = 0xfffe;
        /// The sub-format's GUID after the format code: sound, and ambisonic sound.
        const GUID_TAILS: [[u8; 14]; 2] = [
            [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71],
            [0, 0, 0x21, 7, 0xd3, 0x11, 0x86, 0x44, 0xc8, 0xc1, 0xca, 0, 0, 0],
        ];
        let u16_at = |at: usize| Some(u16::from_le_bytes(*body.get(at..)?.first_chunk()?));
        let mut code = u16_at(0)?;
        let channels = u16_at(2)?;
        let sampling_rate = u32::from_le_bytes(*body.get(4..)?.first_chunk()?);
        let block = u16_at(12)?;
        if code == EXTENSIBLE {
            if !GUID_TAILS.iter().any(|tail| body.get(26..40) == Some(tail)) {
                return None;
            }
            code = u16_at(24)?;
        }
        let channels = u8::try_from(channels).ok().filter(|&n| n > 0)?;
        // Samples of, say, 20 bits lie left-justified in containers of whole bytes. The bits and
        // the channels say how long a block is; its own field (and the bytes a second) only repeat
        // that, or are wrong. It is looked at where there are no bits.
        let bytes = match u16_at(14).unwrap_or(0) {
            0 => block / u16::from(channels),
            bits => bits.div_ceil(8),
        };
        let encoding = match (code, bytes) {
            (PCM, 1) => PcmEncoding::L8,
            (PCM, 2) => PcmEncoding::L16,
            (PCM, 3) => PcmEncoding::L24,
            (A_LAW, _) => PcmEncoding::Pcma,
            (MU_LAW, _) => PcmEncoding::Pcmu,
            _ => return None,
        };
        let ok = (1..=768_000).contains(&sampling_rate);
        ok.then_some(Self { encoding, sampling_rate, channels })
    }
}

/// Cuts a WAV byte stream into frames of 20 ms in network byte order.
///
/// Call [`handle_bytes`](Self::handle_bytes), then [`poll_frame`](Self::poll_frame) until it
/// returns `None`; [`handle_end`](Self::handle_end) makes the last, shorter frame available.
#[derive(Debug, Default)]
pub struct WavFramer {
    parser: WavParser,
    header: Option<WavHeader>,
    error: Option<ParseError>,
    buffer: BytesMut,
    /// Bytes of samples that are still expected; `None`: up to the end.
    left: Option<u64>,
    samples: u64,
    ended: bool,
}

impl WavFramer {
    /// Creates a framer for the start of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the next bytes of the stream. Frames that are not polled stay available.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if self.error.is_some() || self.left == Some(0) {
            return;
        }
        if self.header.is_some() {
            self.handle_samples(bytes);
            return;
        }
        self.parser.handle_bytes(bytes);
        match self.parser.poll_header() {
            Ok(None) => {}
            Err(e) => self.error = Some(e),
            Ok(Some(header)) => {
                self.left = header.data_len;
                self.header = Some(header);
                let parser = std::mem::take(&mut self.parser);
                self.handle_samples(parser.buffer.get(8..).unwrap_or_default());
            }
        }
    }

    /// Appends the bytes that are samples.
    fn handle_samples(&mut self, bytes: &[u8]) {
        let most = self.left.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let taken = bytes.get(..most).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        self.left = self.left.map(|n| n - taken.len() as u64);
    }

    /// Ends the stream: the remaining frames become available.
    pub fn handle_end(&mut self) {
        self.ended = true;
    }

    /// Returns the next frame.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        let header = self.header?;
        let block = header.block_len();
        let mut samples = header.samples_per_frame() as usize;
        if self.buffer.len() < samples * block {
            if !self.ended && self.left != Some(0) {
                return None;
            }
            samples = self.buffer.len() / block;
            if samples == 0 {
                return None;
            }
        }
        let mut data = self.buffer.split_to(samples * block);
        header.reorder(&mut data);
        let time = |n| frame_time(n, 1, header.sampling_rate);
        let at = time(self.samples);
        self.samples += samples as u64;
        Some(Frame::new(data.freeze(), at, time(self.samples) - at))
    }

    /// Returns the header of the file, once it is known.
    pub const fn header(&self) -> Option<&WavHeader> {
        self.header.as_ref()
    }

    /// Returns the error that prevents any frame.
    pub fn error(&self) -> Option<ParseError> {
        self.error.or_else(|| {
            (self.ended && self.header.is_none()).then_some(ParseError::Incomplete { what: WHAT })
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::framer::drive::frames_of;

    /// A file of `chunks`; the last may claim any length.
    pub(crate) fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut bytes = b"RIFF\xff\xff\xff\xffWAVE".to_vec();
        for (id, body) in chunks {
            bytes.extend_from_slice(*id);
            bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
            bytes.extend_from_slice(body);
            if body.len() % 2 == 1 {
                bytes.push(0);
            }
        }
        bytes
    }

    pub(crate) fn fmt(
        code: u16,
        channels: u16,
        rate: u32,
        bits: u16,
    ) -> (&'static [u8; 4], Vec<u8>) {
        let block = channels * bits / 8;
        let mut body = Vec::new();
        body.extend_from_slice(&code.to_le_bytes());
        body.extend_from_slice(&channels.to_le_bytes());
        body.extend_from_slice(&rate.to_le_bytes());
        body.extend_from_slice(&(rate * u32::from(block)).to_le_bytes());
        body.extend_from_slice(&block.to_le_bytes());
        body.extend_from_slice(&bits.to_le_bytes());
        (b"fmt ", body)
    }

    fn whole(bytes: &[u8], piece: usize) -> (Vec<Frame>, Option<ParseError>) {
        let mut framer = WavFramer::new();
        let frames = frames_of(&mut framer, bytes, piece);
        (frames, framer.error())
    }

    #[test]
    fn chunks_anywhere_odd_sizes_and_what_follows_the_samples() {
        let samples: Vec<u8> = (0..=255).cycle().take(8000 * 2 * 2 / 10 + 4).collect();
        let bytes = riff(&[
            (b"LIST", b"odd".to_vec()),
            fmt(1, 2, 8000, 16),
            (b"junk", vec![0x64; 77]),
            (b"data", samples.clone()),
            (b"LIST", vec![1; 500]),
        ]);
        let (frames, error) = whole(&bytes, usize::MAX);
        assert_eq!(error, None);
        assert_eq!(frames.len(), 6);
        assert_eq!(frames[0].data.len(), 160 * 4);
        assert_eq!(frames[5].data.len(), 4);
        let back: Vec<u8> = frames.iter().flat_map(|f| f.data.to_vec()).collect();
        let swapped: Vec<u8> = samples.chunks(2).flat_map(|s| [s[1], s[0]]).collect();
        assert_eq!(back, swapped);
        for piece in [1, 3, 100] {
            assert_eq!(whole(&bytes, piece).0, frames);
        }
    }

    #[test]
    fn a_size_of_zero_or_all_ones_means_to_the_end() {
        for size in [0u32, u32::MAX, 5000] {
            let mut bytes = riff(&[fmt(7, 1, 8000, 8), (b"data", vec![])]);
            let at = bytes.len() - 4;
            bytes[at..].copy_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(&[0x55; 1000]);
            let (frames, _) = whole(&bytes, 64);
            assert_eq!(frames.iter().map(|f| f.data.len()).sum::<usize>(), 1000, "{size}");
        }
    }

    #[test]
    fn rf64_has_its_size_elsewhere() {
        let mut ds64 = vec![0u8; 28];
        ds64[8] = 200;
        let mut bytes = riff(&[(b"ds64", ds64), fmt(1, 1, 8000, 8), (b"data", vec![])]);
        bytes[..4].copy_from_slice(b"RF64");
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&[0xff; 4]);
        bytes.extend_from_slice(&[9; 300]);
        let (frames, _) = whole(&bytes, 7);
        assert_eq!(frames.iter().map(|f| f.data.len()).sum::<usize>(), 200);
    }

    #[test]
    fn extensible() {
        let (_, mut body) = fmt(0xfffe, 6, 48_000, 24);
        body.extend_from_slice(&[22, 0, 24, 0, 0x3f, 0, 0, 0, 1, 0]);
        body.extend_from_slice(&[0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
        let mut parser = WavParser::new();
        parser.handle_bytes(&riff(&[(b"fmt ", body.clone()), (b"data", vec![1; 18])]));
        let header = parser.poll_header().unwrap().unwrap();
        assert_eq!(header.encoding, PcmEncoding::L24);
        assert_eq!((header.channels, header.sampling_rate), (6, 48_000));
        assert_eq!((header.data_offset, header.data_len), (68, Some(18)));
        body[24] = 3; // floating point
        assert!(whole(&riff(&[(b"fmt ", body)]), 10).1.is_some());
    }

    /// The only samples of a file, as sent.
    fn sent(bytes: &[u8]) -> (WavHeader, Vec<u8>) {
        let mut framer = WavFramer::new();
        framer.handle_bytes(bytes);
        framer.handle_end();
        let sent = std::iter::from_fn(|| framer.poll_frame()).flat_map(|f| f.data.to_vec());
        let sent = sent.collect();
        (*framer.header().unwrap_or_else(|| panic!("{:?}", framer.error())), sent)
    }

    #[test]
    fn block_align_and_byte_rate_are_claims_that_follow_from_the_rest() {
        let samples: Vec<u8> = (0..144).collect();
        for (code, channels, bits) in [(1, 2, 16), (1, 1, 8), (1, 6, 24), (7, 2, 8), (6, 1, 8)] {
            let (_, good) = fmt(code, channels, 8000, bits);
            let expected = sent(&riff(&[(b"fmt ", good.clone()), (b"data", samples.clone())]));
            assert_eq!(expected.1.len(), 144);
            for wrong in [[0, 0], [1, 0], [3, 0], [0xff, 0xff]] {
                let mut bad = good.clone();
                bad[12..14].copy_from_slice(&wrong);
                bad[8..12].copy_from_slice(&[9, 9, 9, wrong[0]]);
                let file = riff(&[(b"fmt ", bad), (b"data", samples.clone())]);
                assert_eq!(sent(&file), expected, "{code} {channels} {bits} {wrong:?}");
            }
        }
    }

    #[test]
    fn bits_that_are_missing_or_that_companding_knows_better() {
        let samples = vec![5; 80];
        // Sixteen-bit bookkeeping for what is eight bits in the file.
        let (_, mut companded) = fmt(7, 1, 8000, 8);
        companded[14] = 16;
        let (header, data) = sent(&riff(&[(b"fmt ", companded), (b"data", samples.clone())]));
        assert_eq!((header.encoding, data.len()), (PcmEncoding::Pcmu, 80));
        // A writer that left the bits out: the block says them.
        let (_, mut blank) = fmt(1, 2, 8000, 16);
        blank[14..16].fill(0);
        let (header, _) = sent(&riff(&[(b"fmt ", blank), (b"data", samples.clone())]));
        assert_eq!(header.encoding, PcmEncoding::L16);
        // The oldest form, WAVEFORMAT, has no bits.
        let (_, mut short) = fmt(6, 1, 8000, 8);
        short.truncate(14);
        let (header, _) = sent(&riff(&[(b"fmt ", short), (b"data", samples)]));
        assert_eq!(header.encoding, PcmEncoding::Pcma);
    }

    #[test]
    fn tags_in_front_are_passed_over() {
        let file = riff(&[fmt(1, 1, 8000, 8), (b"data", (0..100).collect())]);
        let (header, expected) = sent(&file);
        let tag = [&b"ID3\x04\0\0\0\0\x01\x05"[..], &[b'R'; 133]].concat();
        let with_footer = [&b"ID3\x04\0\x10\0\0\0\x03"[..], &[b'F'; 13]].concat();
        for tags in [tag.clone(), with_footer.clone(), [tag, with_footer].concat()] {
            let tagged = [&tags[..], &file].concat();
            let (found, data) = sent(&tagged);
            assert_eq!(found.data_offset, header.data_offset + tags.len() as u64);
            assert_eq!(data, expected);
            assert_eq!(whole(&tagged, 1), whole(&tagged, 1000));
        }
        assert!(whole(b"ID3\xff\0\0\0\0\0\0RIFF", 3).1.is_some());
    }

    #[test]
    fn odd_chunks_without_their_padding() {
        let data = (b"data", vec![7; 60]);
        let padded = riff(&[(b"LIST", vec![9; 5]), fmt(1, 1, 8000, 8), data.clone()]);
        let expected = sent(&padded).1;
        let at = 12 + 8 + 5;
        let mut bare = padded.clone();
        bare.remove(at);
        // And a pad byte that is not zero.
        let mut odd = padded.clone();
        odd[at] = b'x';
        for file in [bare, odd] {
            assert_eq!(sent(&file).1, expected);
            assert_eq!(whole(&file, 1), whole(&file, 1000));
        }
        // The format itself may have an odd length.
        let (_, mut long) = fmt(1, 1, 8000, 8);
        long.extend_from_slice(&[0; 3]);
        let mut file = riff(&[(b"fmt ", long), data]);
        file.remove(12 + 8 + 19);
        assert_eq!(sent(&file).1, expected);
    }

    #[test]
    fn ambisonic_samples_are_samples() {
        let (_, mut body) = fmt(0xfffe, 4, 48_000, 16);
        body.extend_from_slice(&[22, 0, 16, 0, 0, 0, 0, 0, 1, 0]);
        body.extend_from_slice(&[0, 0, 0x21, 7, 0xd3, 0x11, 0x86, 0x44, 0xc8, 0xc1, 0xca, 0, 0, 0]);
        let (header, _) = sent(&riff(&[(b"fmt ", body), (b"data", vec![1; 16])]));
        assert_eq!((header.encoding, header.channels), (PcmEncoding::L16, 4));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let data = || (b"data", vec![0; 100]);
        for bytes in [
            riff(&[data()]),
            riff(&[fmt(1, 2, 44_100, 32), data()]),
            riff(&[fmt(3, 2, 44_100, 32), data()]),
            riff(&[fmt(1, 0, 44_100, 16), data()]),
            riff(&[fmt(1, 300, 44_100, 8), data()]),
            riff(&[fmt(1, 2, 0, 16), data()]),
            riff(&[fmt(1, 1, 8000, 16)]),
            riff(&[(b"fmt ", vec![1, 0, 1]), data()]),
            riff(&vec![(b"junk", vec![]); 2000]),
            b"RIFX\0\0\0\0WAVE".to_vec(),
            vec![],
        ] {
            let (frames, error) = whole(&bytes, 50);
            assert!(frames.is_empty() && error.is_some(), "{bytes:?}");
        }
    }
}
