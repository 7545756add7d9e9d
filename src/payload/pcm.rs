//! Uncompressed and G.711 audio: L8, L16, L24, PCMU, PCMA.
//!
//! References: RFC 3551, sections 4.1, 4.2, 4.5.10, 4.5.11 and 4.5.14, and RFC 3190 section 4
//! (L24).

use super::blocks::{BlockDepacketizer, BlockPacketizer, Blocks};
use super::depacketizer::{DepacketizedFrames, Depacketizer, RtpPayload};
use super::entry::FormatEntry;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use crate::codec::{CodecParameters, PcmEncoding};
use crate::frame::Frame;
use crate::wire::ParseError;

/// The encodings and their names.
const ENCODINGS: [(PcmEncoding, &str); 5] = [
    (PcmEncoding::L8, "L8"),
    (PcmEncoding::L16, "L16"),
    (PcmEncoding::L24, "L24"),
    (PcmEncoding::Pcmu, "PCMU"),
    (PcmEncoding::Pcma, "PCMA"),
];

/// Cuts frames of samples into RTP payloads. The samples of all channels at one instant stay
/// together.
#[derive(Debug)]
pub struct PcmPacketizer(BlockPacketizer);

impl PcmPacketizer {
    /// Creates a packetizer for one stream of `channels` interleaved channels. The RTP clock rate
    /// is the sampling rate, so offsets in samples are offsets in RTP units.
    pub fn new(encoding: PcmEncoding, channels: u8) -> Self {
        Self(BlockPacketizer::of_samples(blocks(encoding, channels)))
    }
}

impl Packetizer for PcmPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        self.0.packetize(frame, out);
    }
}

/// Returns the samples of each RTP payload as a frame.
#[derive(Debug)]
pub struct PcmDepacketizer(BlockDepacketizer);

impl PcmDepacketizer {
    /// Creates a depacketizer for one stream of `channels` interleaved channels.
    pub fn new(encoding: PcmEncoding, channels: u8) -> Self {
        Self(BlockDepacketizer::new(blocks(encoding, channels)))
    }
}

impl Depacketizer for PcmDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        self.0.handle_payload(payload, out)
    }
}

/// The samples of all channels at one instant. Their clock rate, which is that of the stream, matters
/// to nothing here.
fn blocks(encoding: PcmEncoding, channels: u8) -> Blocks {
    Blocks::new(encoding.bytes_per_sample() * usize::from(channels.max(1)), 1, 1)
}

/// The registry entry of PCM.
pub(super) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "audio"
    }

    fn encoding_names(&self) -> &[&str] {
        &["L8", "L16", "L24", "PCMU", "PCMA"]
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::Pcm { encoding, sampling_rate, channels } = *parameters else {
            return None;
        };
        let (_, name) = ENCODINGS.iter().find(|(known, _)| *known == encoding)?;
        let format = PayloadFormat::new("audio", *name, sampling_rate, payload_type);
        Some(format.with_channels(channels))
    }

    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        let (encoding, channels) = layout(format)?;
        let sampling_rate = format.clock_rate;
        let parameters = CodecParameters::Pcm { encoding, sampling_rate, channels };
        if parameters.check().is_err() {
            return Err(FormatError::unsupported(&format.encoding_name, "that sampling rate"));
        }
        Ok(parameters)
    }

    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer> {
        let (encoding, channels) = match *parameters {
            CodecParameters::Pcm { encoding, channels, .. } => (encoding, channels),
            _ => (PcmEncoding::L8, 1),
        };
        Box::new(PcmPacketizer::new(encoding, channels))
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        let (encoding, channels) = layout(format)?;
        Ok(Box::new(PcmDepacketizer::new(encoding, channels)))
    }
}

/// Returns encoding and channels; one channel if no number is stated (RFC 4566 section 6).
fn layout(format: &PayloadFormat) -> Result<(PcmEncoding, u8), FormatError> {
    let name = &*format.encoding_name;
    let mut known = ENCODINGS.iter();
    let known = known.find(|(_, known)| known.eq_ignore_ascii_case(name));
    let (encoding, _) =
        known.ok_or_else(|| FormatError::unknown(&format.media, name, format.clock_rate))?;
    Ok((*encoding, format.channels.unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::{Received, XorShift, timed};

    #[test]
    fn what_goes_in_comes_out_and_no_sample_is_cut() {
        let mut random = XorShift::new(7);
        let encodings = [PcmEncoding::L8, PcmEncoding::L16, PcmEncoding::L24, PcmEncoding::Pcmu];
        for encoding in encodings {
            for channels in 1..=6u8 {
                for max_payload in [20, 160, 1000, 1400] {
                    let block = encoding.bytes_per_sample() * usize::from(channels);
                    let mut p = PcmPacketizer::new(encoding, channels);
                    let mut d = Received::new(PcmDepacketizer::new(encoding, channels));
                    let samples = random.below(2000) as usize + 1;
                    let data = random.bytes(samples * block);
                    let mut out = PacketBuffer::new(max_payload);
                    p.packetize(&timed(data.clone(), 3, samples as u32, 48_000), &mut out);
                    let mut back = Vec::new();
                    for (i, span) in out.spans().iter().enumerate() {
                        let at = 1000u32.wrapping_sub(span.timestamp_lag);
                        assert_eq!(at as usize, 1000 + back.len() / block);
                        assert!(out.payload(i).unwrap().len() <= max_payload);
                        d.handle_payload(out.payload(i).unwrap(), span.marker, at, false).unwrap();
                        back.extend_from_slice(&d.poll_frame().unwrap().data);
                    }
                    assert_eq!(back, data);
                }
            }
        }
    }

    #[test]
    fn twenty_milliseconds_of_cd_audio_are_three_equal_packets() {
        let mut p = PcmPacketizer::new(PcmEncoding::L16, 2);
        let mut out = PacketBuffer::new(1400);
        p.packetize(&timed(vec![0; 882 * 4], 0, 882, 44_100), &mut out);
        assert_eq!(out.spans().iter().map(|s| s.len - 12).collect::<Vec<_>>(), [1176; 3]);
    }

    #[test]
    fn cut_samples_are_refused() {
        let mut d = Received::new(PcmDepacketizer::new(PcmEncoding::L24, 2));
        assert!(d.handle_payload(&[0; 7], false, 0, false).is_err());
        assert!(d.handle_payload(&[], false, 0, false).is_err());
    }
}
