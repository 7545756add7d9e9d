//! Opus: each packet is one payload.
//!
//! Reference: RFC 7587. Streams of more than two channels are described as `multiopus`, which
//! libwebrtc has made up; their payload is the packet of RFC 7845 section 5.1.1.

use super::depacketizer::Depacketizer;
use super::entry::FormatEntry;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::packetizer::Packetizer;
use super::whole::{WholeDepacketizer, WholePacketizer};
use crate::codec::{CodecParameters, OpusMapping, opus};
use std::fmt::Write;

/// The clock runs at 48 kHz whatever the bandwidth of the sound is (RFC 7587 section 4.1).
const CLOCK_RATE: u32 = 48_000;
const NAME: &str = "opus";
const SEVERAL_CHANNELS: &str = "multiopus";

/// The registry entry of Opus.
pub(super) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "audio"
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME, SEVERAL_CHANNELS]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::Opus { channels, mapping } = parameters else { return None };
        let named = |name| PayloadFormat::new("audio", name, CLOCK_RATE, payload_type);
        let Some(OpusMapping { streams, coupled, channels: map }) = mapping else {
            // The number of channels is always 2 here (section 7); parameters tell of mono.
            let fmtp = format!("sprop-stereo={}", u8::from(*channels > 1));
            return Some(named(NAME).with_channels(2).with_fmtp(fmtp));
        };
        let mut fmtp = String::from("channel_mapping=");
        for (i, channel) in map.iter().enumerate() {
            let _ = write!(fmtp, "{}{channel}", if i == 0 { "" } else { "," });
        }
        let _ = write!(fmtp, ";coupled_streams={coupled};num_streams={streams}");
        Some(named(SEVERAL_CHANNELS).with_channels(*channels).with_fmtp(fmtp))
    }

    /// Without `sprop-stereo` and `stereo` the channels of the rtpmap count, although RFC 7587 means
    /// mono then: decoded as stereo, mono loses nothing.
    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        if format.encoding_name.eq_ignore_ascii_case(SEVERAL_CHANNELS) {
            return several_channels(format);
        }
        let stated = ["sprop-stereo", "stereo"].into_iter().find_map(|name| format.parameter(name));
        let channels = match stated {
            Some("0") => 1,
            Some("1") => 2,
            _ => format.channels.unwrap_or(1).min(2),
        };
        Ok(CodecParameters::Opus { channels, mapping: None })
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(WholePacketizer::new())
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        let streams = match self.parameters(format)? {
            CodecParameters::Opus { mapping: Some(mapping), .. } => mapping.streams,
            _ => 1,
        };
        let is_packet = move |data: &[u8]| opus::is_packet(data, streams);
        Ok(Box::new(WholeDepacketizer::new("Opus packet", is_packet)))
    }
}

/// The parameters of `multiopus`.
fn several_channels(format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
    let bad = |name| {
        let value = format.parameter(name).unwrap_or_default();
        FormatError::parameter(&format.encoding_name, name, value)
    };
    let number = |name| {
        let value = format.parameter(name).and_then(|value| value.parse::<u8>().ok());
        value.ok_or_else(|| bad(name))
    };
    let (streams, coupled) = (number("num_streams")?, number("coupled_streams")?);
    let map = format.parameter("channel_mapping").unwrap_or_default();
    let map: Option<Vec<u8>> = map.split(',').map(|number| number.trim().parse().ok()).collect();
    let map = map.ok_or_else(|| bad("channel_mapping"))?;
    let channels = format.channels.unwrap_or(1);
    let mapping = Some(OpusMapping::new(streams, coupled, map));
    let parameters = CodecParameters::Opus { channels, mapping };
    parameters.check().map_err(|_| bad("channel_mapping"))?;
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::payload::testing::{XorShift, outgoing, packets_of, timed, transmits};
    use std::time::Duration;

    fn opus(channels: u8) -> CodecParameters {
        CodecParameters::Opus { channels, mapping: None }
    }

    fn surround() -> CodecParameters {
        let mapping = Some(OpusMapping::new(4, 2, vec![0, 4, 1, 2, 3, 5]));
        CodecParameters::Opus { channels: 6, mapping }
    }

    fn frames(count: u64) -> Vec<Frame> {
        frames_of(count, 1)
    }

    /// Packets of so many streams.
    fn frames_of(count: u64, streams: usize) -> Vec<Frame> {
        let mut random = XorShift::new(count);
        let packet = |n| {
            let len = random.below(200) as usize;
            // CELT, 20 ms, stereo, one frame; of all streams but the last without bytes.
            let before = [0xfc, 0].repeat(streams - 1);
            timed([before, vec![0xfc], random.bytes(len)].concat(), n, 960, CLOCK_RATE)
        };
        (0..count).map(packet).collect()
    }

    #[test]
    fn what_goes_in_comes_out_and_losses_are_seen() {
        for (parameters, streams) in [(opus(1), 1), (opus(2), 1), (surround(), 4)] {
            for max_payload in [210, 1400] {
                transmits(&parameters, &frames_of(40, streams), max_payload, 0);
            }
        }
    }

    #[test]
    fn a_talk_spurt_begins_with_the_marker() {
        // RFC 7587 section 4.1. The encoder makes no packets of silence (DTX).
        let mut frames = frames(10);
        frames.drain(4..7);
        let (_, mut packetizer) = outgoing(&opus(2));
        let packets = packets_of(&mut *packetizer, &frames, CLOCK_RATE, 1400);
        let marked: Vec<_> = packets.iter().map(|packet| packet.marker).collect();
        assert_eq!(marked, [true, false, false, false, true, false, false]);
        assert!(packets.iter().zip(&frames).all(|(packet, frame)| packet.payload == frame.data));
    }

    #[test]
    fn a_packet_that_does_not_fit_is_not_sent() {
        let (_, mut packetizer) = outgoing(&opus(2));
        let long = Frame::new(vec![0xfc; 101], Duration::ZERO, Duration::from_millis(20));
        assert!(packets_of(&mut *packetizer, &[long], CLOCK_RATE, 100).is_empty());
    }

    fn read(name: &str, channels: Option<u8>, fmtp: &str) -> Result<CodecParameters, FormatError> {
        let format = PayloadFormat::new("audio", name.to_owned(), CLOCK_RATE, 111).with_fmtp(fmtp);
        Entry.parameters(&PayloadFormat { channels, ..format })
    }

    #[test]
    fn descriptions_of_mono_and_stereo() {
        let line = |channels| {
            let format = outgoing(&opus(channels)).0;
            (format.encoding_name, format.channels, format.fmtp.unwrap_or_default())
        };
        assert_eq!(line(1), ("opus".into(), Some(2), "sprop-stereo=0".into()));
        assert_eq!(line(2), ("opus".into(), Some(2), "sprop-stereo=1".into()));
        for (channels, fmtp, expected) in [
            (Some(2), "minptime=10; useinbandfec=1", 2),
            (Some(2), "maxplaybackrate=16000; sprop-stereo=1; stereo=0", 2),
            (Some(2), "stereo=1", 2),
            (Some(2), "stereo=0;sprop-maxcapturerate=8000", 1),
            (Some(2), "sprop-stereo=\"0\"", 1),
            // Devices that do not know that the number is always 2.
            (None, "", 1),
            (Some(1), "sprop-stereo=1", 2),
            (Some(1), "", 1),
            (Some(6), "", 2),
        ] {
            assert_eq!(read("OPUS", channels, fmtp), Ok(opus(expected)), "{fmtp}");
        }
    }

    #[test]
    fn descriptions_of_several_channels() {
        let (format, _) = outgoing(&surround());
        assert_eq!((&*format.encoding_name, format.channels), ("multiopus", Some(6)));
        let fmtp = "channel_mapping=0,4,1,2,3,5;coupled_streams=2;num_streams=4";
        assert_eq!(format.fmtp.as_deref(), Some(fmtp));
        // As libwebrtc's own descriptions have it.
        let chrome = "channel_mapping=0,4,1,2,3,5;coupled_streams=2;minptime=10;num_streams=4;useinbandfec=1";
        assert_eq!(read("MultiOpus", Some(6), chrome), Ok(surround()));
        for (fmtp, why) in [
            ("coupled_streams=2;num_streams=4", "needs the format parameter channel_mapping"),
            ("channel_mapping=0,4,1,2,3;coupled_streams=2;num_streams=4", "channel_mapping=0,4,1"),
            ("channel_mapping=0,4,1,2,3,9;coupled_streams=2;num_streams=4", "channel_mapping=0"),
            ("channel_mapping=0,4,1,2,3,5;coupled_streams=2", "num_streams"),
            ("channel_mapping=0,4,1,2,3,5;coupled_streams=x;num_streams=4", "coupled_streams=x"),
        ] {
            let said = read("multiopus", Some(6), fmtp).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn payloads_that_are_no_packets_are_refused() {
        let mut depacketizer = Entry.depacketizer(&outgoing(&opus(2)).0).unwrap();
        let mut frames = crate::payload::DepacketizedFrames::new();
        // RFC 6716 section 3.4: requirements R1, R5 and R3.
        for payload in [&[][..], &[0xff], &[0xff, 0], &[0xfd, 1]] {
            let payload = crate::payload::RtpPayload::new(payload, 0);
            assert!(depacketizer.handle_payload(&payload, &mut frames).is_err());
        }
        assert!(frames.is_empty());
    }
}
