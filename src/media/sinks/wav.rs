//! [`WavWriter`]: samples as a WAV file.
//!
//! Read "Multimedia Programming Interface and Data Specifications 1.0" (RIFF), "New Multimedia Data
//! Types and Data Techniques" (G.711, `fact`), and EBU Tech 3306 (RF64) before changing it.

use crate::codec::PcmEncoding;
use byteorder::{ByteOrder, LittleEndian};

/// Of a chunk whose end is not known yet: players read on until the file ends.
const UNKNOWN: u32 = u32::MAX;
/// Offset of the `JUNK` chunk, which becomes `ds64` if the file grows that large.
const JUNK: u64 = 12;
const JUNK_LEN: u32 = 28;

/// What stands in front of the samples, and how these are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WavWriter {
    encoding: PcmEncoding,
    sampling_rate: u32,
    channels: u8,
}

impl WavWriter {
    pub(super) const fn new(encoding: PcmEncoding, sampling_rate: u32, channels: u8) -> Self {
        Self { encoding, sampling_rate, channels }
    }

    const fn block(&self) -> usize {
        let channels = if self.channels == 0 { 1 } else { self.channels };
        self.encoding.bytes_per_sample() * channels as usize
    }

    /// WAVE_FORMAT_PCM, _ALAW or _MULAW.
    const fn format_tag(&self) -> u16 {
        match self.encoding {
            PcmEncoding::Pcma => 6,
            PcmEncoding::Pcmu => 7,
            PcmEncoding::L8 | PcmEncoding::L16 | PcmEncoding::L24 => 1,
        }
    }

    const fn is_pcm(&self) -> bool {
        self.format_tag() == 1
    }

    /// The header of a file of which `data_len` bytes are samples; `None` while it is written.
    ///
    /// Sizes are unknown then, as in a file that goes into a pipe, so that a file that is never
    /// completed can be played to its end. A file of 4 GiB or more becomes RF64 when it is completed.
    pub(super) fn header(&self, data_len: Option<u64>) -> Vec<u8> {
        let block = self.block();
        let mut head = Vec::with_capacity(100);
        head.extend(b"RIFF");
        head.extend(UNKNOWN.to_le_bytes());
        head.extend(b"WAVEJUNK");
        head.extend(JUNK_LEN.to_le_bytes());
        head.resize(head.len() + JUNK_LEN as usize, 0);
        head.extend(b"fmt ");
        head.extend(if self.is_pcm() { 16_u32 } else { 18 }.to_le_bytes());
        head.extend(self.format_tag().to_le_bytes());
        head.extend(u16::from(self.channels.max(1)).to_le_bytes());
        head.extend(self.sampling_rate.to_le_bytes());
        head.extend(self.sampling_rate.saturating_mul(block as u32).to_le_bytes());
        head.extend((block as u16).to_le_bytes());
        head.extend((self.encoding.bytes_per_sample() as u16 * 8).to_le_bytes());
        let fact = if self.is_pcm() {
            None
        } else {
            // cbSize, and the number of samples a channel.
            head.extend([0, 0]);
            head.extend(b"fact\x04\0\0\0");
            head.extend(UNKNOWN.to_le_bytes());
            Some(head.len() - 4)
        };
        head.extend(b"data");
        head.extend(UNKNOWN.to_le_bytes());
        let Some(data_len) = data_len else { return head };

        let (data_at, samples) = (head.len() - 4, data_len / block as u64);
        let riff_len = (head.len() as u64 - 8) + data_len + data_len % 2;
        let mut put = |at: usize, value: u32| {
            if let Some(field) = head.get_mut(at..at + 4) {
                LittleEndian::write_u32(field, value);
            }
        };
        if let Some(at) = fact {
            put(at, u32::try_from(samples).unwrap_or(UNKNOWN));
        }
        if let Ok(riff_len) = u32::try_from(riff_len) {
            put(4, riff_len);
            put(data_at, data_len as u32);
            return head;
        }
        if let Some(id) = head.get_mut(..4) {
            id.copy_from_slice(b"RF64");
        }
        let sizes = [riff_len, data_len, samples].map(u64::to_le_bytes).concat();
        let ds64 = [b"ds64", &JUNK_LEN.to_le_bytes()[..], &sizes].concat();
        let at = JUNK as usize;
        if let Some(chunk) = head.get_mut(at..at + ds64.len()) {
            chunk.copy_from_slice(&ds64);
        }
        head
    }

    /// Appends samples in the byte order of the file. What is less than a sample of all channels is
    /// left out.
    pub(super) fn put_samples(&self, data: &[u8], out: &mut Vec<u8>) {
        let whole = data.len() - data.len() % self.block();
        let data = data.get(..whole).unwrap_or_default();
        match self.encoding {
            PcmEncoding::L8 | PcmEncoding::Pcmu | PcmEncoding::Pcma => out.extend_from_slice(data),
            PcmEncoding::L16 => {
                out.extend(data.chunks_exact(2).flat_map(|sample| sample.iter().rev()));
            }
            PcmEncoding::L24 => {
                out.extend(data.chunks_exact(3).flat_map(|sample| sample.iter().rev()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framer::wav::WavParser;

    fn parsed(header: &[u8]) -> crate::framer::wav::WavHeader {
        let mut parser = WavParser::new();
        parser.handle_bytes(header);
        parser.poll_header().unwrap().unwrap()
    }

    #[test]
    fn headers_are_read_as_they_were_meant() {
        for encoding in [
            PcmEncoding::L8,
            PcmEncoding::L16,
            PcmEncoding::L24,
            PcmEncoding::Pcmu,
            PcmEncoding::Pcma,
        ] {
            for channels in [1, 2, 6] {
                let writer = WavWriter::new(encoding, 48_000, channels);
                let header = writer.header(None);
                let read = parsed(&header);
                assert_eq!((read.encoding, read.sampling_rate), (encoding, 48_000));
                assert_eq!((read.channels, read.data_len), (channels, None));
                assert_eq!(read.data_offset, header.len() as u64);
                for len in [7, 5_000_000_000].map(|blocks| blocks * writer.block() as u64) {
                    let completed = writer.header(Some(len));
                    assert_eq!(completed.len(), header.len());
                    assert_eq!(parsed(&completed).data_len, Some(len));
                }
            }
        }
    }

    #[test]
    fn samples_are_turned_and_cut_ones_left_out() {
        let mut out = Vec::new();
        WavWriter::new(PcmEncoding::L16, 8000, 2).put_samples(&[1, 2, 3, 4, 5, 6], &mut out);
        assert_eq!(out, [2, 1, 4, 3]);
        WavWriter::new(PcmEncoding::L24, 8000, 1).put_samples(&[1, 2, 3, 4], &mut out);
        assert_eq!(out, [2, 1, 4, 3, 3, 2, 1]);
    }
}
