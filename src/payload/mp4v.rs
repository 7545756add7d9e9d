//! MPEG-4 part 2 video: a video object plane (VOP) with the headers before it in a packet, or a
//! fragment.
//!
//! Reference: RFC 6416, sections 5 (packets) and 7.1 (parameters).

use super::depacketizer::{DepacketizedFrames, Depacketizer, RtpPayload};
use super::fmtp::{find, from_hex, push_hex};
use super::format::PayloadFormat;
use super::key_frames::{PayloadFacts, PictureFacts};
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use super::pictures::{Content, PictureAssembler};
use super::plain_entry::PlainEntry;
use crate::codec::CodecParameters;
use crate::codec::mpeg4_video::{Headers, config, profile_and_level, start_code};
use crate::codec::start_codes::start_codes;
use crate::frame::Frame;
use crate::wire::ParseError;

const NAME: &str = "MP4V-ES";
const CLOCK_RATE: u32 = 90_000;

/// Cuts VOPs of MPEG-4 video into RTP payloads. A packet begins with a header or within a VOP; a VOP
/// that is larger than a packet is cut into fragments that fill it.
#[derive(Debug, Default)]
pub struct Mp4vPacketizer {
    _private: (),
}

impl Mp4vPacketizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl Packetizer for Mp4vPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let room = out.max_payload().max(1);
        let before = out.spans().len();
        // A frame may have several VOPs. Headers are not split, and not put behind a VOP.
        let mut rest = &frame.data[..];
        while !rest.is_empty() {
            let is_vop = |(_, code): &(usize, u8)| *code == start_code::VOP;
            let mut behind = start_codes(rest).skip_while(|code| !is_vop(code)).skip(1);
            let len = behind.next().map_or(rest.len(), |(at, _)| at);
            let (vop, next) = rest.split_at(len.min(rest.len()));
            for fragment in vop.chunks(room) {
                out.begin_packet();
                out.put(fragment);
                out.finish_packet(false, 0);
            }
            rest = next;
        }
        if frame.flags.ends_access_unit && out.spans().len() > before {
            out.mark_last();
        }
    }
}

/// Assembles VOPs of MPEG-4 video from RTP payloads, each with the headers before it. A VOP ends with
/// the marker bit or with a change of timestamp. If a packet is lost, what follows it is dropped up to
/// the next header or video packet; the rest of the VOP is returned, marked as damaged.
#[derive(Debug)]
pub struct Mp4vDepacketizer {
    assembler: PictureAssembler,
}

impl Default for Mp4vDepacketizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Mp4vDepacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new() -> Self {
        Self { assembler: PictureAssembler::new(examine) }
    }

    /// Expects the configuration in the stream, because its description has none: until it has come, a
    /// key frame is marked as damaged.
    #[must_use]
    pub const fn expecting_config(mut self) -> Self {
        self.assembler.expect_config();
        self
    }
}

fn examine(bytes: &[u8]) -> Content {
    let headers = Headers::read(bytes);
    match headers.vop {
        Some(_) => Content::Picture { key: headers.is_key(), has_config: headers.has_layer },
        None if bytes.starts_with(&[0, 0, 1]) && headers.is_all => Content::Headers,
        None => Content::Rest,
    }
}

impl Depacketizer for Mp4vDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        self.assembler.handle_packet(payload.timestamp, payload.lost, out);
        let is_empty = payload.data.is_empty();
        if is_empty {
            self.assembler.handle_damage();
        // Headers and the markers of video packets begin with at least sixteen zero bits.
        } else if self.assembler.push(payload.data, payload.data.starts_with(&[0, 0])) {
            self.assembler.note_whole();
        }
        if payload.marker {
            self.assembler.handle_marker(out);
        }
        let empty = ParseError::Incomplete { what: "MPEG-4 video payload" };
        if is_empty { Err(empty) } else { Ok(()) }
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.assembler.handle_end(out);
    }
}

/// The configuration in a description; `None` if there is none that can be used.
fn config_of(format: &PayloadFormat) -> Option<bytes::Bytes> {
    let bytes = find(format.fmtp.as_deref()?, "config").and_then(from_hex)?;
    config(&bytes).is_some().then_some(bytes)
}

fn fmtp(config: &[u8]) -> String {
    // Simple profile at level 1, if it is not known.
    let mut fmtp = format!("profile-level-id={}", profile_and_level(config).unwrap_or(1));
    if !config.is_empty() {
        fmtp.push_str(";config=");
        push_hex(&mut fmtp, config);
    }
    fmtp
}

/// The registry entry of MPEG-4 video.
pub(super) const ENTRY: PlainEntry = PlainEntry {
    media: "video",
    names: &[NAME],
    clock_rate: CLOCK_RATE,
    fmtp: |parameters| {
        let CodecParameters::Mpeg4Video { config } = parameters else { return None };
        Some(Some(fmtp(config)))
    },
    // A malformed configuration is left out, since the stream usually contains one.
    parameters: |format| CodecParameters::Mpeg4Video {
        config: config_of(format).unwrap_or_default(),
    },
    packetizer: |_| Box::new(Mp4vPacketizer::new()),
    depacketizer: |format| {
        let depacketizer = Mp4vDepacketizer::new();
        let has_config = config_of(format).is_some();
        Box::new(if has_config { depacketizer } else { depacketizer.expecting_config() })
    },
    key_frame_test: Some(|data| {
        let headers = Headers::read(data);
        PictureFacts { can_start: headers.is_key(), has_picture: headers.vop.is_some() }
    }),
    payload_test: Some(|payload| {
        let headers = Headers::read(payload);
        PayloadFacts {
            can_start: headers.is_key() && headers.has_layer,
            has_picture: headers.vop.is_some() || !payload.starts_with(&[0, 0, 1]),
            is_intra: headers.is_key(),
            has_parameter_sets: headers.has_layer,
        }
    }),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::FormatRegistry;
    use crate::payload::testing::{Received, XorShift, packets_of, timed, transmits};
    use bytes::Bytes;

    const CONFIG: &[u8] = &[
        0, 0, 1, 0xb0, 0xf5, 0, 0, 1, 0xb5, 0x89, 0x13, 0, 0, 1, 0, 0, 0, 1, 0x20, 0, 0xc4, 0x8d,
        0x88, 0, 0xcd, 0x0b, 0x04, 0x24, 0x14, 0x43,
    ];

    fn parameters() -> CodecParameters {
        CodecParameters::Mpeg4Video { config: Bytes::from_static(CONFIG) }
    }

    /// A VOP of this type whose data look like no start code.
    fn vop(kind: u8, len: usize, random: &mut XorShift) -> Vec<u8> {
        let mut vop = vec![0, 0, 1, 0xb6, kind << 6 | 0x10];
        vop.extend(random.bytes(len).iter().map(|byte| byte | 0x10));
        vop
    }

    fn frames(max_len: u64) -> Vec<Frame> {
        let mut random = XorShift::new(max_len);
        (0..15)
            .map(|n| {
                let len = random.below(max_len) as usize;
                let vop = vop((n % 5).min(2) as u8, len, &mut random);
                let data = if n == 5 {
                    [CONFIG, &[0, 0, 1, 0xb3, 0, 0x10, 7], &vop].concat()
                } else {
                    vop
                };
                let mut frame = timed(data, n, 3600, 90_000);
                frame.flags.key = n % 5 == 0;
                frame
            })
            .collect()
    }

    #[test]
    fn mpeg_4_video_is_transmitted() {
        for (max_payload, max_len) in [(50, 300), (1400, 500), (1400, 9000)] {
            transmits(&parameters(), &frames(max_len), max_payload, 0);
        }
        let unknown = CodecParameters::Mpeg4Video { config: Bytes::new() };
        transmits(&unknown, &frames(700)[5..10], 300, 0);
    }

    #[test]
    fn the_description_has_the_configuration() {
        let formats = FormatRegistry::standard();
        let format = formats.format(&parameters(), 96).unwrap();
        let hex = "000001B0F5000001B58913000001000000012000C48D8800CD0B04241443";
        assert_eq!(format.fmtp, Some(format!("profile-level-id=245;config={hex}")));
        assert_eq!(formats.parameters(&format), Ok(parameters()));
        for (fmtp, config) in [
            (format!("Config=\"{}\" ; profile-level-id=1", hex.to_lowercase()), CONFIG),
            ("profile-level-id=3".to_owned(), &[]),
            ("config=00000".to_owned(), &[]),
            ("config=000001B0F5".to_owned(), &[]),
        ] {
            let config = Bytes::from_static(config);
            let read = formats.parameters(&format.clone().with_fmtp(&fmtp));
            assert_eq!(read, Ok(CodecParameters::Mpeg4Video { config }), "{fmtp}");
        }
    }

    #[test]
    fn a_key_frame_needs_a_configuration() {
        let mut random = XorShift::new(1);
        let format = PayloadFormat::new("video", NAME, 90_000, 96);
        let mut d = Received::new(FormatRegistry::standard().depacketizer(&format).unwrap());
        let key = vop(0, 50, &mut random);
        let with_config = [CONFIG, &key].concat();
        for (data, damaged) in
            [(&key, true), (&vop(1, 9, &mut random), false), (&with_config, false), (&key, false)]
        {
            d.handle_payload(data, true, 0, false).unwrap();
            let frame = d.poll_frame().unwrap();
            assert_eq!((&frame.data[..], frame.damaged), (&data[..], damaged));
            assert_eq!(frame.key, data[4] != 0x50);
        }
        // In a packet of its own it belongs to what follows.
        d.handle_payload(CONFIG, true, 1, false).unwrap();
        assert_eq!(d.poll_frame(), None);
        d.handle_payload(&key, true, 2, false).unwrap();
        let frame = d.poll_frame().unwrap();
        assert_eq!((&frame.data[..], frame.timestamp), (&with_config[..], 2));
    }

    #[test]
    fn each_vop_begins_a_packet() {
        let mut random = XorShift::new(2);
        let [p, b] = [vop(1, 100, &mut random), vop(2, 30, &mut random)];
        let frames = [timed([&p[..], &b].concat(), 0, 3600, 90_000)];
        let packets = packets_of(&mut Mp4vPacketizer::new(), &frames, 90_000, 80);
        let lens: Vec<_> = packets.iter().map(|p| (p.payload.len(), p.marker)).collect();
        assert_eq!(lens, [(80, false), (25, false), (35, true)]);
    }

    #[test]
    fn after_a_loss_a_video_packet_goes_on() {
        let mut d = Received::new(Mp4vDepacketizer::new());
        let mut random = XorShift::new(3);
        let first = vop(1, 40, &mut random);
        d.handle_payload(&first, false, 0, false).unwrap();
        d.handle_payload(&[9; 20], false, 0, true).unwrap();
        // resync_marker: sixteen zeros and a one (ISO/IEC 14496-2 section 6.3.5.2).
        let video_packet = [&[0, 0, 0x80, 7][..], &[9; 10]].concat();
        d.handle_payload(&video_packet, true, 0, false).unwrap();
        let frame = d.poll_frame().unwrap();
        assert_eq!(frame.data, [&first[..], &video_packet].concat());
        assert!(frame.damaged);
        // The beginning of a VOP is lost.
        d.handle_payload(&video_packet, true, 1, true).unwrap();
        assert_eq!(d.poll_frame(), None);
        assert!(d.handle_payload(&[], true, 2, false).is_err());
    }

    #[test]
    fn facts_of_payloads() {
        let mut random = XorShift::new(4);
        let facts = ENTRY.payload_test.unwrap();
        let key = facts(&[CONFIG, &vop(0, 9, &mut random)].concat());
        assert!(key.can_start && key.has_picture && key.is_intra && key.has_parameter_sets);
        let intra = facts(&vop(0, 9, &mut random));
        assert!(!intra.can_start && intra.is_intra && intra.has_picture);
        let other = facts(&vop(1, 9, &mut random));
        assert!(!other.is_intra && other.has_picture);
        assert!(facts(CONFIG).has_parameter_sets && !facts(CONFIG).has_picture);
        assert!(facts(&[7, 7]).has_picture && !facts(&[7, 7]).is_intra);
    }
}
