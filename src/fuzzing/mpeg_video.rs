//! Bodies for MPEG-1, MPEG-2 and MPEG-4 video.

use super::audio::depacketizer;
use crate::codec::{mpeg_video, mpeg4_video};
use crate::frame::Frame;
use crate::payload::mp4v::{Mp4vDepacketizer, Mp4vPacketizer};
use crate::payload::mpv::{MpvDepacketizer, MpvPacketizer};
use crate::payload::{FormatRegistry, PacketBuffer, Packetizer, PayloadFormat};
use bytes::Bytes;
use std::time::Duration;

/// Headers: what they tell lies in the bytes.
pub fn headers(data: &[u8]) {
    let headers = mpeg_video::Headers::read(data);
    assert!(headers.first_slice.is_none_or(|at| at + 4 <= data.len()));
    assert!(headers.sequence.is_none_or(|s| s.frame_rate.0 > 0 && s.frame_rate.1 > 0));
    let config = mpeg4_video::config(data);
    assert!(config.is_none_or(|config| config.len() <= data.len()));
    let _ = mpeg4_video::Layer::of_config(config.unwrap_or(data));
    let _ = mpeg4_video::profile_and_level(data);
    for name in ["MPV", "MP4V-ES"] {
        let format = PayloadFormat::new("video", name, 90_000, 96);
        let formats = FormatRegistry::standard();
        let facts = formats.payload_test(&format).map(|test| test(data));
        assert!(facts.is_some_and(|facts| !facts.can_start || facts.is_intra));
        let _ = formats.key_frame_test(&format).map(|test| test(data));
    }
}

/// RFC 2250, MPV; and the bytes as a picture to be sent.
pub fn mpv_depacketizer(data: &[u8]) {
    depacketizer(data, &mut MpvDepacketizer::new());
    let sent = sent(data, &mut MpvPacketizer::new(), 4);
    assert!(sent.is_empty() || sent == data);
}

/// RFC 6416, MP4V-ES; and the bytes as a VOP to be sent.
pub fn mp4v_depacketizer(data: &[u8]) {
    depacketizer(data, &mut Mp4vDepacketizer::new().expecting_config());
    assert_eq!(sent(data, &mut Mp4vPacketizer::new(), 0), data);
}

/// What is in the packets of a frame behind their headers.
fn sent(data: &[u8], packetizer: &mut dyn Packetizer, header: usize) -> Vec<u8> {
    let data = Bytes::copy_from_slice(data);
    let mut out = PacketBuffer::new(120);
    packetizer.packetize(&Frame::new(data, Duration::ZERO, Duration::ZERO), &mut out);
    assert!(out.is_empty() || out.is_well_formed());
    let payloads = (0..out.spans().len()).filter_map(|i| out.payload(i)?.get(header..));
    payloads.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::XorShift;

    /// Start codes among random bytes.
    #[test]
    fn noise() {
        let mut random = XorShift::new(5);
        for n in 0..400 {
            let mut data = Vec::new();
            while data.len() < n {
                let len = random.below(60) as usize;
                data.extend(random.bytes(len));
                if random.below(3) > 0 {
                    data.extend([0, 0, 1, [0, 1, 7, 0x20, 0xb0, 0xb3, 0xb5, 0xb6, 0xb8][len % 9]]);
                }
            }
            for body in [headers, mpv_depacketizer, mp4v_depacketizer] {
                body(&data);
            }
        }
    }
}
