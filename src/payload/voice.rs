//! Codecs of telephony whose frames or samples have one size: G.722, G.726, GSM full rate and iLBC.
//!
//! References: RFC 3551 sections 4.5.2 (G.722), 4.5.4 (G.726) and 4.5.8 (GSM); RFC 3952 (iLBC).

use super::blocks::{BlockDepacketizer, BlockPacketizer, Blocks};
use super::depacketizer::Depacketizer;
use super::entry::FormatEntry;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::packetizer::Packetizer;
use crate::codec::CodecParameters;

/// The RTP clock of all of them. That of G.722 is a mistake of RFC 1890 that has been kept.
const CLOCK_RATE: u32 = 8_000;

/// The names of G.726 by bits per sample; code words are packed from the least significant bit, and
/// from the most significant one as for AAL2 (RFC 3551 section 4.5.4).
const G726: [(u8, &str, &str); 4] = [
    (2, "G726-16", "AAL2-G726-16"),
    (3, "G726-24", "AAL2-G726-24"),
    (4, "G726-32", "AAL2-G726-32"),
    (5, "G726-40", "AAL2-G726-40"),
];

/// Returns the blocks of which a payload of a codec consists, or `None` if it is none of these codecs.
pub fn blocks(parameters: &CodecParameters) -> Option<Blocks> {
    Some(match *parameters {
        // A byte for two samples at 16 kHz, for each channel.
        CodecParameters::G722 { channels } => Blocks::new(channels.into(), 1, CLOCK_RATE),
        // As few samples as fill whole bytes.
        CodecParameters::G726 { bits: bits @ (2 | 4), .. } => {
            Blocks::new(1, 8 / u32::from(bits), CLOCK_RATE)
        }
        CodecParameters::G726 { bits, .. } => Blocks::new(bits.into(), 8, CLOCK_RATE),
        CodecParameters::Gsm => Blocks::frames(33, 160, CLOCK_RATE),
        CodecParameters::Ilbc { mode: 20 } => Blocks::frames(38, 160, CLOCK_RATE),
        CodecParameters::Ilbc { .. } => Blocks::frames(50, 240, CLOCK_RATE),
        _ => return None,
    })
}

/// The registry entry of these codecs.
pub(super) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "audio"
    }

    fn encoding_names(&self) -> &[&str] {
        &[
            "G722",
            "G726-16",
            "G726-24",
            "G726-32",
            "G726-40",
            "AAL2-G726-16",
            "AAL2-G726-24",
            "AAL2-G726-32",
            "AAL2-G726-40",
            "GSM",
            "iLBC",
        ]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let named = |name| PayloadFormat::new("audio", name, CLOCK_RATE, payload_type);
        Some(match *parameters {
            CodecParameters::G722 { channels } => named("G722").with_channels(channels),
            CodecParameters::G726 { bits, aal2 } => {
                let (_, name, name_of_aal2) = G726.iter().find(|(known, ..)| *known == bits)?;
                named(if aal2 { *name_of_aal2 } else { *name })
            }
            CodecParameters::Gsm => named("GSM"),
            CodecParameters::Ilbc { mode } => named("iLBC").with_fmtp(format!("mode={mode}")),
            _ => return None,
        })
    }

    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        let name = &*format.encoding_name;
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let channels = format.channels.unwrap_or(1);
        if is("G722") {
            return Ok(CodecParameters::G722 { channels });
        }
        if channels != 1 {
            return Err(FormatError::unsupported(name, "more than one channel"));
        }
        if is("GSM") {
            return Ok(CodecParameters::Gsm);
        }
        let g726 = G726.iter().find(|(_, plain, aal2)| is(plain) || is(aal2));
        if let Some((bits, _, aal2)) = g726 {
            return Ok(CodecParameters::G726 { bits: *bits, aal2: is(aal2) });
        }
        // Early implementations have frames of 30 ms and state no mode (RFC 3952 section 5).
        let mode = format.parameter("mode").unwrap_or("30");
        match mode {
            "20" => Ok(CodecParameters::Ilbc { mode: 20 }),
            "30" => Ok(CodecParameters::Ilbc { mode: 30 }),
            _ => Err(FormatError::parameter(name, "mode", mode)),
        }
    }

    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer> {
        let blocks = blocks(parameters).unwrap_or(Blocks::new(1, 1, CLOCK_RATE));
        Box::new(BlockPacketizer::new(blocks))
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        let blocks = blocks(&self.parameters(format)?).unwrap_or(Blocks::new(1, 1, CLOCK_RATE));
        Ok(Box::new(BlockDepacketizer::new(blocks)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::payload::testing::{XorShift, outgoing, packets_of, timed, transmits};

    fn all() -> Vec<CodecParameters> {
        let g726 =
            [2, 3, 4, 5].map(|bits| [false, true].map(|aal2| CodecParameters::G726 { bits, aal2 }));
        let others = [
            CodecParameters::G722 { channels: 1 },
            CodecParameters::G722 { channels: 2 },
            CodecParameters::Gsm,
            CodecParameters::Ilbc { mode: 20 },
            CodecParameters::Ilbc { mode: 30 },
        ];
        g726.into_iter().flatten().chain(others).collect()
    }

    /// Frames of so many blocks each.
    fn frames(blocks: Blocks, each: usize, count: u64) -> Vec<Frame> {
        let mut random = XorShift::new(blocks.units.into());
        let units = blocks.units * each as u32;
        (0..count).map(|n| timed(random.bytes(blocks.len * each), n, units, CLOCK_RATE)).collect()
    }

    #[test]
    fn what_goes_in_comes_out_and_losses_are_seen() {
        for parameters in all() {
            let own = blocks(&parameters).unwrap();
            // 20 ms, or a frame.
            let each = if own.are_frames { 1 } else { 160 / own.units as usize };
            for max_payload in [own.len * each, 400, 1400] {
                transmits(&parameters, &frames(own, each, 30), max_payload, 0);
            }
        }
    }

    #[test]
    fn short_frames_share_packets_and_long_ones_are_cut() {
        let packets = |parameters: &CodecParameters, each, count, max_payload| {
            let frames = frames(blocks(parameters).unwrap(), each, count);
            let (_, mut packetizer) = outgoing(parameters);
            let packets = packets_of(&mut *packetizer, &frames, CLOCK_RATE, max_payload);
            let sent: Vec<u8> = packets.iter().flat_map(|p| p.payload.clone()).collect();
            assert_eq!(sent, frames.iter().flat_map(|f| f.data.to_vec()).collect::<Vec<_>>());
            let first = packets[0].timestamp;
            let times = packets.iter().map(|packet| packet.timestamp.wrapping_sub(first));
            let lengths: Vec<_> = packets.iter().map(|packet| packet.payload.len()).collect();
            assert!(packets.iter().skip(1).all(|packet| !packet.marker) && packets[0].marker);
            (lengths, times.collect::<Vec<_>>())
        };
        // 5 ms of G.722 each: packets of 20 ms.
        let g722 = CodecParameters::G722 { channels: 1 };
        assert_eq!(packets(&g722, 40, 9, 1400), (vec![160, 160, 40], vec![0, 160, 320]));
        // A quarter of a second, of which 0.1 s are in a packet, or what fits.
        assert_eq!(packets(&g722, 2000, 1, 1400), (vec![667, 667, 666], vec![0, 667, 1334]));
        assert_eq!(packets(&g722, 2000, 1, 501).0, [500; 4]);
        // Frames of GSM and groups of 8 samples are never cut: there are 5 frames in 0.1 s.
        assert_eq!(packets(&CodecParameters::Gsm, 8, 1, 1400), (vec![132, 132], vec![0, 640]));
        assert_eq!(packets(&CodecParameters::Gsm, 2, 2, 1400), (vec![66, 66], vec![0, 320]));
        assert_eq!(packets(&CodecParameters::Gsm, 3, 1, 40).0, [33; 3]);
        let g726 = CodecParameters::G726 { bits: 3, aal2: false };
        assert_eq!(packets(&g726, 20, 1, 32), (vec![30, 30], vec![0, 80]));
    }

    #[test]
    fn each_frame_of_a_payload_has_its_time() {
        // RFC 3551 section 4.4: the frames of a packet are in the order of their time.
        let format = outgoing(&CodecParameters::Ilbc { mode: 30 }).0;
        let mut depacketizer = Entry.depacketizer(&format).unwrap();
        let mut frames = crate::payload::DepacketizedFrames::new();
        let data: Vec<u8> = (0..150).collect();
        let payload = crate::payload::RtpPayload::new(&data, u32::MAX - 200);
        depacketizer.handle_payload(&payload, &mut frames).unwrap();
        for n in 0..3u32 {
            let frame = frames.pop().unwrap();
            assert_eq!(frame.data[..], data[n as usize * 50..][..50]);
            assert_eq!(frame.timestamp, (u32::MAX - 200).wrapping_add(n * 240));
        }
        for len in [0, 38, 49, 51] {
            let payload = crate::payload::RtpPayload::new(&data[..len], 0);
            assert!(depacketizer.handle_payload(&payload, &mut frames).is_err());
        }
    }

    #[test]
    fn descriptions() {
        let read = |name: &'static str, channels, fmtp: Option<&str>| {
            let format = PayloadFormat::new("audio", name, CLOCK_RATE, 97);
            let fmtp = fmtp.map(str::to_owned);
            Entry.parameters(&PayloadFormat { channels, fmtp, ..format })
        };
        let line = |parameters: &CodecParameters| {
            let format = outgoing(parameters).0;
            (format.payload_type, format.encoding_name.into_owned(), format.fmtp)
        };
        assert_eq!(line(&CodecParameters::G722 { channels: 1 }), (9, "G722".into(), None));
        assert_eq!(line(&CodecParameters::Gsm), (3, "GSM".into(), None));
        let mode = |mode| Some(format!("mode={mode}"));
        assert_eq!(line(&CodecParameters::Ilbc { mode: 20 }), (96, "iLBC".into(), mode(20)));
        let aal2 = CodecParameters::G726 { bits: 5, aal2: true };
        assert_eq!(line(&aal2), (96, "AAL2-G726-40".into(), None));
        assert_eq!(read("aal2-g726-40", None, None), Ok(aal2));
        let ilbc = |mode| Ok(CodecParameters::Ilbc { mode });
        assert_eq!(read("ILBC", Some(1), None), ilbc(30));
        assert_eq!(read("iLBC", None, Some("Mode=20")), ilbc(20));
        let refused = |name, channels, fmtp, why: &str| {
            let said = read(name, channels, fmtp).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        };
        refused("iLBC", None, Some("mode=25"), "mode=25");
        refused("GSM", Some(2), None, "more than one channel");
    }
}
