use super::*;
use crate::codec::{OtherCodec, PcmEncoding};
use crate::payload::opaque::OpaquePacketizer;
use crate::payload::testing::XorShift;
use crate::payload::{DepacketizedFrames, PacketBuffer, PictureFacts, RtpPayload};
use crate::wire::sdp::SessionDescription;
use bytes::Bytes;
use std::time::Duration;

fn media(line: &str, attributes: &[&str]) -> MediaDescription {
    let mut text = format!("v=0\r\nm={line}\r\n");
    attributes.iter().for_each(|attribute| text += &format!("a={attribute}\r\n"));
    SessionDescription::parse(text.as_bytes()).unwrap().media.remove(0)
}

/// What the standard registry makes of a description.
fn read(line: &str, attributes: &[&str]) -> Result<CodecParameters, FormatError> {
    let formats = FormatRegistry::standard();
    let format = formats.format_in(&media(line, attributes))?;
    let parameters = formats.parameters(&format)?;
    assert!(parameters.check().is_ok(), "{parameters:?}");
    formats.depacketizer(&format)?;
    Ok(parameters)
}

#[track_caller]
fn refused(line: &str, attributes: &[&str], why: &str) {
    let said = read(line, attributes).unwrap_err().to_string();
    assert!(said.contains(why), "{said}");
}

fn pcm(encoding: PcmEncoding, sampling_rate: u32, channels: u8) -> CodecParameters {
    CodecParameters::Pcm { encoding, sampling_rate, channels }
}

fn nal(bytes: &'static [u8]) -> Vec<Bytes> {
    vec![Bytes::from_static(bytes)]
}

const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 1];
const PPS: &[u8] = &[0x68, 2];

fn every_codec() -> Vec<CodecParameters> {
    let config = Bytes::from_static(&[0x12, 0x10]);
    vec![
        CodecParameters::H264 { sps: nal(SPS), pps: nal(PPS) },
        CodecParameters::H264 { sps: vec![], pps: vec![] },
        CodecParameters::H265 {
            vps: nal(&[0x40, 1, 1]),
            sps: nal(&[0x42, 1, 2]),
            pps: nal(&[0x44, 1, 3]),
        },
        CodecParameters::H265 { vps: vec![], sps: vec![], pps: vec![] },
        CodecParameters::Aac { config, sampling_rate: 44_100, channels: 2 },
        // A 24 kHz core with 48 kHz output and clock.
        CodecParameters::Aac {
            config: Bytes::from_static(&[0x2b, 0x11, 0x88, 0x00]),
            sampling_rate: 48_000,
            channels: 2,
        },
        CodecParameters::MpegAudio,
        CodecParameters::Mp2t,
        pcm(PcmEncoding::L8, 11_025, 1),
        pcm(PcmEncoding::L16, 44_100, 1),
        pcm(PcmEncoding::L16, 44_100, 2),
        pcm(PcmEncoding::L24, 96_000, 6),
        pcm(PcmEncoding::Pcmu, 8_000, 1),
        pcm(PcmEncoding::Pcma, 16_000, 2),
        CodecParameters::Klv { clock_rate: 90_000 },
        CodecParameters::Klv { clock_rate: 1000 },
        CodecParameters::OnvifMetadata,
        CodecParameters::Text,
    ]
}

/// Codecs of the feature `audio-formats`.
#[cfg(feature = "audio-formats")]
fn further_audio() -> Vec<CodecParameters> {
    let mapping = crate::codec::OpusMapping::new(4, 2, vec![0, 4, 1, 2, 3, 5]);
    let headers = crate::codec::vorbis::tests::headers(48_000, 6);
    let amr = |wideband, channels| CodecParameters::Amr { wideband, channels };
    vec![
        CodecParameters::Opus { channels: 1, mapping: None },
        CodecParameters::Opus { channels: 2, mapping: None },
        CodecParameters::Opus { channels: 6, mapping: Some(mapping) },
        CodecParameters::Vorbis { sampling_rate: 48_000, channels: 6, headers },
        CodecParameters::Speex { sampling_rate: 32_000 },
        CodecParameters::G722 { channels: 1 },
        CodecParameters::G722 { channels: 2 },
        CodecParameters::G726 { bits: 3, aal2: false },
        CodecParameters::G726 { bits: 3, aal2: true },
        CodecParameters::Gsm,
        CodecParameters::Ilbc { mode: 20 },
        CodecParameters::Ilbc { mode: 30 },
        amr(false, 1),
        amr(true, 1),
        amr(true, 2),
        CodecParameters::Ac3 { sampling_rate: 48_000, channels: 6 },
        CodecParameters::Ac3 { sampling_rate: 44_100, channels: 2 },
        CodecParameters::Eac3 { sampling_rate: 32_000, channels: 8 },
    ]
}

#[cfg(not(feature = "audio-formats"))]
fn further_audio() -> Vec<CodecParameters> {
    Vec::new()
}

/// Codecs of the feature `video-formats`.
#[cfg(feature = "video-formats")]
fn further_video() -> Vec<CodecParameters> {
    vec![
        CodecParameters::Vp8,
        CodecParameters::Vp9 { profile: None },
        CodecParameters::Vp9 { profile: Some(2) },
        CodecParameters::Av1 { sequence_header: Bytes::new() },
        CodecParameters::Jpeg,
        CodecParameters::MpegVideo,
        CodecParameters::Mpeg4Video {
            config: Bytes::from_static(&[0, 0, 1, 0xb0, 1, 0, 0, 1, 0x20, 7]),
        },
    ]
}

#[cfg(not(feature = "video-formats"))]
fn further_video() -> Vec<CodecParameters> {
    Vec::new()
}

#[test]
fn what_is_described_is_understood_again() {
    for formats in [FormatRegistry::new(), FormatRegistry::new().pass_unknown()] {
        for parameters in every_codec().into_iter().chain(further_audio()).chain(further_video()) {
            let format = formats.format(&parameters, 97).unwrap();
            let mut described =
                MediaDescription::new(&*format.media, 0, "RTP/AVP", format.payload_type);
            format.write_to(&mut described);
            let text = format!("v=0\r\n{described}");
            let described = SessionDescription::parse(text.as_bytes()).unwrap().media.remove(0);
            let back = formats.format_in(&described).unwrap();
            assert_eq!(formats.parameters(&back), Ok(parameters.clone()), "{text}");
            assert!(formats.depacketizer(&back).is_ok());
            assert_eq!(formats.format(&parameters, 97), Ok(format.clone()));
            assert!(formats.packetizer(&parameters).is_ok());
            let names = ["H264", "H265", "VP8", "VP9", "AV1", "MPV", "MP4V-ES"];
            let has_test = names.contains(&&*format.encoding_name);
            assert_eq!(formats.key_frame_test(&format).is_some(), has_test);
            assert_eq!(formats.payload_test(&format).is_some(), has_test);
        }
    }
}

#[test]
fn static_payload_types_need_no_rtpmap_and_are_given_out() {
    assert_eq!(read("audio 0 RTP/AVP 0", &[]), Ok(pcm(PcmEncoding::Pcmu, 8_000, 1)));
    assert_eq!(read("audio 0 RTP/AVP 8", &[]), Ok(pcm(PcmEncoding::Pcma, 8_000, 1)));
    assert_eq!(read("audio 0 RTP/AVP 10", &[]), Ok(pcm(PcmEncoding::L16, 44_100, 2)));
    assert_eq!(read("audio 0 RTP/AVP 14", &[]), Ok(CodecParameters::MpegAudio));
    assert_eq!(read("video 0 RTP/AVP 33", &[]), Ok(CodecParameters::Mp2t));
    let given =
        |parameters| FormatRegistry::standard().format(parameters, 99).unwrap().payload_type;
    let expected = [99, 99, 99, 99, 99, 99, 14, 33, 99, 11, 10, 99, 0, 99, 99, 99, 99, 99];
    assert_eq!(every_codec().iter().map(given).collect::<Vec<_>>(), expected);
    refused("audio 0 RTP/AVP 33", &[], "no rtpmap");
    refused("audio 0 RTP/AVP 96", &[], "payload type 96 has no rtpmap");
    refused("audio 0 RTP/AVP", &[], "names no payload type");
    refused("application 0 RTP/AVP x y", &[], "names no payload type");
}

#[test]
fn the_first_payload_type_that_is_known_is_taken() {
    let both = ["rtpmap:96 H261/90000", "rtpmap:97 h264/90000", "fmtp:97 packetization-mode=0"];
    let h264 = CodecParameters::H264 { sps: vec![], pps: vec![] };
    assert_eq!(read("video 0 RTP/AVP 96 97 33", &both), Ok(h264));
    refused("video 0 RTP/AVP 96 98", &both, "no payload format for video H261/90000");
    // The clock is a part of the name.
    refused("video 0 RTP/AVP 96", &["rtpmap:96 H264/48000"], "video H264/48000");
    refused("audio 0 RTP/AVP 96", &["rtpmap:96 H264/90000"], "audio H264/90000");
}

#[test]
fn a_codec_without_a_format_is_told_as_such() {
    let said = |parameters: &CodecParameters| {
        FormatRegistry::standard().format(parameters, 96).unwrap_err().to_string()
    };
    assert!(said(&CodecParameters::G726 { bits: 9, aal2: false }).contains("impossible"));
    #[cfg(not(feature = "video-formats"))]
    assert!(said(&CodecParameters::Jpeg).contains("feature is off"));
}

#[test]
fn text_with_redundancy_is_received_as_text() {
    let both = ["rtpmap:98 t140/1000", "rtpmap:100 red/1000", "fmtp:100 98/98/98"];
    assert_eq!(read("text 0 RTP/AVP 100 98", &both), Ok(CodecParameters::Text));
    let formats = FormatRegistry::standard();
    // The order of the example in RFC 4103 section 7.2, and the other. A relay passes it on too.
    for line in ["text 0 RTP/AVP 98 100", "text 0 RTP/AVP 100 98"] {
        for formats in [formats, &FormatRegistry::opaque()] {
            let format = formats.format_in(&media(line, &both)).unwrap();
            assert_eq!((format.payload_type, &*format.encoding_name), (100, "red"));
        }
    }
    let format = formats.format_in(&media("text 0 RTP/AVP 98 100", &both)).unwrap();
    let mut d = formats.depacketizer(&format).unwrap();
    let mut frames = DepacketizedFrames::new();
    d.handle_payload(&RtpPayload::new(&[98, b'x'], 0), &mut frames).unwrap();
    assert_eq!(&frames.pop().unwrap().data[..], b"x");
    // Redundancy of audio is another matter.
    refused("audio 0 RTP/AVP 100", &["rtpmap:100 red/8000"], "no payload format for audio red");
}

#[test]
fn parameter_sets_that_cannot_be_read_are_left_out() {
    let sets = "fmtp:96 sprop-parameter-sets=Z0LAHgE=,aAI=,aAME,Z0I=,AAAA,!!,;packetization-mode=1";
    let h264 = read("video 0 RTP/AVP 96", &["rtpmap:96 H264/90000", sets]).unwrap();
    let pps = vec![Bytes::from_static(PPS), Bytes::from_static(&[0x68, 3, 4])];
    assert_eq!(h264, CodecParameters::H264 { sps: nal(SPS), pps });
    let sets = "fmtp:96 sprop-vps=QAEB; sprop-sps=QAEB,QgEC; sprop-pps=RA==,RAED;x";
    let h265 = read("video 0 RTP/AVP 96", &["rtpmap:96 H265/90000", sets]).unwrap();
    let (vps, sps) = (nal(&[0x40, 1, 1]), nal(&[0x42, 1, 2]));
    assert_eq!(h265, CodecParameters::H265 { vps, sps, pps: nal(&[0x44, 1, 3]) });
}

#[test]
fn what_cannot_be_received_is_named() {
    let video = |name: &str, fmtp: &str, why: &str| {
        let (map, fmtp) = (format!("rtpmap:96 {name}/90000"), format!("fmtp:96 {fmtp}"));
        refused("video 0 RTP/AVP 96", &[&map, &fmtp], why);
    };
    video("H264", "packetization-mode=2", "interleaved");
    video("H265", "sprop-max-don-diff=32768", "sprop-max-don-diff=32768");
    let aac = |fmtp: &str, why: &str| {
        let fmtp = format!("fmtp:96 {fmtp}");
        refused("audio 0 RTP/AVP 96", &["rtpmap:96 mpeg4-generic/44100/2", &fmtp], why);
    };
    aac("mode=AAC-hbr", "needs the format parameter config");
    aac("mode=AAC-hbr;config=12", "config=12");
    aac("mode=AAC-hbr;config=xyz", "config=xyz");
    aac("mode=CELP-vbr;config=1210", "mode=CELP-vbr");
    aac("mode=generic;sizeLength=33;config=1210", "sizeLength=33");
    aac("mode=generic;indexLength=-1;config=1210", "indexLength=-1");
    aac("mode=AAC-hbr;config=1210;maxDisplacement=5", "interleaving");
    let long = format!("mode={};config=1210", "\u{1}".repeat(9000));
    let said =
        read("audio 0 RTP/AVP 96", &["rtpmap:96 mpeg4-generic/8000", &format!("fmtp:96 {long}")]);
    let said = said.unwrap_err().to_string();
    assert!(said.len() < 600 && said.chars().all(|c| !c.is_control()), "{said}");
    refused("audio 0 RTP/AVP 96", &["rtpmap:96 L16/44100/0"], "at least one channel");
    refused("audio 0 RTP/AVP 96", &["rtpmap:96 L16/7/1"], "sampling rate");
    refused("audio 0 RTP/AVP 72", &["rtpmap:72 L16/8000/1"], "RTCP");
}

#[test]
fn audio_is_read_with_the_faults_of_devices() {
    let aac = |map: &str, config| read("audio 0 RTP/AVP 96", &[map, &format!("fmtp:96 {config}")]);
    let lc = |sampling_rate, channels| {
        let config = Bytes::from_static(&[0x12, 0x10]);
        Ok(CodecParameters::Aac { config, sampling_rate, channels })
    };
    // No channels, and a clock that is not the sampling rate.
    assert_eq!(aac("rtpmap:96 MPEG4-GENERIC/44100", "Mode=aac-HBR; Config=1210"), lc(44_100, 2));
    assert_eq!(aac("rtpmap:96 mpeg4-generic/90000/2", "config=\"1210\""), lc(44_100, 2));
    let l16 = read("audio 0 RTP/AVP 96", &["rtpmap:96 l16/16000"]);
    assert_eq!(l16, Ok(pcm(PcmEncoding::L16, 16_000, 1)));
}

struct Tone;

impl FormatEntry for Tone {
    fn media(&self) -> &str {
        "audio"
    }

    fn encoding_names(&self) -> &[&str] {
        &["X-TONE", "PCMU"]
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(OpaquePacketizer::new())
    }

    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        Some(|data| PictureFacts::picture(data.first() == Some(&1)))
    }
}

#[test]
fn an_application_adds_its_own_formats_and_replaces_those_of_the_crate() {
    let tone = CodecParameters::from(
        OtherCodec::new("audio", "x-tone", 1000).with_channels(2).with_fmtp("pitch=440"),
    );
    let standard = FormatRegistry::standard();
    let unknown = standard.format(&tone, 96).unwrap_err();
    assert_eq!(unknown.to_string(), "no payload format for audio x-tone/1000");
    assert_eq!(standard.packetizer(&tone).err(), Some(unknown));

    let formats = FormatRegistry::new().with(Tone);
    let format = formats.format(&tone, 96).unwrap();
    let expected =
        PayloadFormat::new("audio", "x-tone", 1000, 96).with_channels(2).with_fmtp("pitch=440");
    assert_eq!(format, expected);
    assert_eq!(formats.parameters(&format).as_ref(), Ok(&tone));
    let test = formats.key_frame_test(&format).unwrap();
    assert!(test(&[1]).can_start && !test(&[2]).can_start);
    let why = formats.depacketizer(&format).err().unwrap().to_string();
    assert_eq!(why, "x-tone: receiving is not supported");
    // A name of this crate is the application's now.
    let pcmu = formats.format_in(&media("audio 0 RTP/AVP 0", &[])).unwrap();
    let other = OtherCodec::new("audio", "PCMU", 8_000).with_channels(1);
    assert_eq!(formats.parameters(&pcmu), Ok(other.clone().into()));
    assert_eq!(formats.format(&other.into(), 96).unwrap().payload_type, 0);
}

#[test]
fn a_relay_passes_every_format_on_word_for_word() {
    let formats = FormatRegistry::opaque();
    for (line, attributes) in [
        ("video 0 RTP/AVP 96", &["rtpmap:96 VP9/90000", "fmtp:96 profile-id=2"][..]),
        ("video 0 RTP/AVP 26", &[]),
        ("audio 0 RTP/AVP 4", &[]),
        ("audio 0 RTP/AVP 16", &[]),
        ("video 0 RTP/AVP 31", &[]),
        ("video 0 RTP/AVP 34", &[]),
        ("audio 0 RTP/AVP 0", &[]),
        ("video 0 RTP/AVP 96", &["rtpmap:96 H264/90000", "fmtp:96 packetization-mode=2"]),
    ] {
        let format = formats.format_in(&media(line, attributes)).unwrap();
        let parameters = formats.parameters(&format).unwrap();
        assert!(matches!(parameters, CodecParameters::Other(_)), "{parameters:?}");
        assert_eq!(formats.format(&parameters, 96).unwrap(), format);
        let mut packetizer = formats.packetizer(&parameters).unwrap();
        let mut depacketizer = formats.depacketizer(&format).unwrap();
        let (mut frames, mut packets) = (DepacketizedFrames::new(), PacketBuffer::new(100));
        let payload = RtpPayload::new(&[7; 50], 5).with_marker(true);
        depacketizer.handle_payload(&payload, &mut frames).unwrap();
        let frame = frames.pop().unwrap();
        packetizer.packetize(
            &crate::Frame::new(frame.data, Duration::ZERO, Duration::ZERO),
            &mut packets,
        );
        assert_eq!((packets.payload(0), packets.spans()[0].marker), (Some(&[7; 50][..]), true));
    }
    // A registry without the fallback knows the standard ones as ever.
    let known = formats.format(&CodecParameters::Mp2t, 96).unwrap_err();
    assert_eq!(known.to_string(), "no payload format for video MP2T/90000");
}

#[test]
fn damaged_descriptions_give_errors() {
    let texts: Vec<String> = every_codec()
        .iter()
        .chain(&further_audio())
        .map(|parameters| {
            let format = FormatRegistry::standard().format(parameters, 97).unwrap();
            let mut media =
                MediaDescription::new(&*format.media, 0, "RTP/AVP", format.payload_type);
            format.write_to(&mut media);
            media.to_string()
        })
        .collect();
    let mut random = XorShift::new(11);
    for round in 0..6000 {
        let mut text = texts[round % texts.len()].clone().into_bytes();
        for _ in 0..random.below(6) {
            let at = random.below(text.len() as u64) as usize;
            match random.below(3) {
                0 => text[at] = b"0123456789abcxAZ;=/, "[random.below(21) as usize],
                1 => drop(text.drain(at..(at + random.below(8) as usize).min(text.len()))),
                _ => {
                    let again = text[at..(at + 9).min(text.len())].to_vec();
                    text.splice(at..at, again);
                }
            }
            if text.is_empty() {
                break;
            }
        }
        crate::fuzzing::wire::sdp(&text);
    }
}
