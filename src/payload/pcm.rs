//! Uncompressed and G.711 audio: L8, L16, L24, PCMU, PCMA.
//!
//! Read RFC 3551, sections 4.1, 4.2, 4.5.10, 4.5.11 and 4.5.14, and RFC 3190 section 4 (L24).

use super::{DepacketizedFrame, Depacketizer, PacketBuffer, Packetizer, PayloadFormat};
use crate::codec::PcmEncoding;
use crate::frame::Frame;
use crate::wire::ParseError;
use bytes::Bytes;
use std::collections::VecDeque;

/// SDP parameters: a static payload type where RFC 3551 has one, else `dynamic`.
pub const fn format(
    encoding: PcmEncoding,
    sampling_rate: u32,
    channels: u8,
    dynamic: u8,
) -> PayloadFormat {
    let payload_type = match (encoding, sampling_rate, channels) {
        (PcmEncoding::Pcmu, 8_000, 1) => 0,
        (PcmEncoding::Pcma, 8_000, 1) => 8,
        (PcmEncoding::L16, 44_100, 2) => 10,
        (PcmEncoding::L16, 44_100, 1) => 11,
        _ => dynamic,
    };
    PayloadFormat {
        media: "audio",
        payload_type,
        encoding_name: match encoding {
            PcmEncoding::L8 => "L8",
            PcmEncoding::L16 => "L16",
            PcmEncoding::L24 => "L24",
            PcmEncoding::Pcmu => "PCMU",
            PcmEncoding::Pcma => "PCMA",
        },
        clock_rate: sampling_rate,
        channels: Some(channels),
        fmtp: None,
    }
}

/// Cuts runs of samples into payloads; all channels of a sampling instant stay together.
#[derive(Debug)]
pub struct PcmPacketizer {
    /// Bytes of one sampling instant.
    block: usize,
}

impl PcmPacketizer {
    /// For `channels` interleaved channels. The RTP clock is the sampling rate, so that offsets
    /// in samples are offsets in RTP units.
    pub fn new(encoding: PcmEncoding, channels: u8, sampling_rate: u32) -> Self {
        let _ = sampling_rate;
        Self { block: encoding.bytes_per_sample() * usize::from(channels.max(1)) }
    }
}

impl Packetizer for PcmPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let blocks = frame.data.len() / self.block;
        let most = out.max_payload() / self.block;
        if blocks == 0 || most == 0 {
            log::debug!("no sample of {} bytes fits in a packet", self.block);
            return;
        }
        // Packets of one size, but for the last: 20 ms become 3 × 6.7, not 2 × 8 and a rest.
        let each = blocks.div_ceil(blocks.div_ceil(most));
        let whole = frame.data.get(..blocks * self.block).unwrap_or_default();
        let mut offset: u32 = 0;
        for payload in whole.chunks(each * self.block) {
            out.begin_packet();
            out.put(payload);
            // Without silence suppression the marker stays zero (RFC 3551 section 4.1).
            out.finish_packet(false, offset.wrapping_neg());
            offset = offset.wrapping_add(each as u32);
        }
    }
}

/// Gives out the samples of each payload.
#[derive(Debug)]
pub struct PcmDepacketizer {
    block: usize,
    frames: VecDeque<DepacketizedFrame>,
    discontinuity: bool,
}

impl PcmDepacketizer {
    /// For `channels` interleaved channels.
    pub fn new(encoding: PcmEncoding, channels: u8) -> Self {
        Self {
            block: encoding.bytes_per_sample() * usize::from(channels.max(1)),
            frames: VecDeque::new(),
            discontinuity: false,
        }
    }
}

impl Depacketizer for PcmDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &[u8],
        _marker: bool,
        timestamp: u32,
        lost: bool,
    ) -> Result<(), ParseError> {
        self.discontinuity |= lost;
        if payload.is_empty() || payload.len() % self.block != 0 {
            self.discontinuity = true;
            return Err(ParseError::Invalid { what: "PCM payload", at: payload.len() });
        }
        let discontinuity = std::mem::take(&mut self.discontinuity);
        let data = Bytes::copy_from_slice(payload);
        self.frames.push_back(DepacketizedFrame {
            data,
            timestamp,
            key: true,
            discontinuity,
            damaged: false,
        });
        Ok(())
    }

    fn poll_frame(&mut self) -> Option<DepacketizedFrame> {
        self.frames.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::{XorShift, timed};

    #[test]
    fn what_goes_in_comes_out_and_no_sample_is_cut() {
        let mut random = XorShift::new(7);
        let encodings = [PcmEncoding::L8, PcmEncoding::L16, PcmEncoding::L24, PcmEncoding::Pcmu];
        for encoding in encodings {
            for channels in 1..=6u8 {
                for max_payload in [20, 160, 1000, 1400] {
                    let block = encoding.bytes_per_sample() * usize::from(channels);
                    let mut p = PcmPacketizer::new(encoding, channels, 48_000);
                    let mut d = PcmDepacketizer::new(encoding, channels);
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
        let mut p = PcmPacketizer::new(PcmEncoding::L16, 2, 44_100);
        let mut out = PacketBuffer::new(1400);
        p.packetize(&timed(vec![0; 882 * 4], 0, 882, 44_100), &mut out);
        assert_eq!(out.spans().iter().map(|s| s.len - 12).collect::<Vec<_>>(), [1176; 3]);
    }

    #[test]
    fn static_payload_types() {
        let pt = |e, r, c| format(e, r, c, 97).payload_type;
        assert_eq!(pt(PcmEncoding::Pcmu, 8_000, 1), 0);
        assert_eq!(pt(PcmEncoding::Pcma, 8_000, 1), 8);
        assert_eq!(pt(PcmEncoding::Pcma, 8_000, 2), 97);
        assert_eq!(pt(PcmEncoding::L16, 44_100, 2), 10);
        assert_eq!(pt(PcmEncoding::L16, 44_100, 1), 11);
        assert_eq!(pt(PcmEncoding::L16, 48_000, 2), 97);
    }

    #[test]
    fn cut_samples_are_refused() {
        let mut d = PcmDepacketizer::new(PcmEncoding::L24, 2);
        assert!(d.handle_payload(&[0; 7], false, 0, false).is_err());
        assert!(d.handle_payload(&[], false, 0, false).is_err());
    }
}
