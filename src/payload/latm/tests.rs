use super::{LatmDepacketizer, LatmEntry, LatmPacketizer};
use crate::codec::CodecParameters;
use crate::codec::bits::BitWriter;
use crate::codec::latm::StreamMuxConfig;
use crate::payload::testing::{Received, audio_frames, outgoing, packets_of, timed, transmits_by};
use crate::payload::{DepacketizedFrame, Depacketizer, FormatRegistry, PayloadFormat};
use bytes::Bytes;

/// AAC-LC, 44.1 kHz, stereo, one access unit in an element.
const CONFIG: &[u8] = &[0x40, 0x00, 0x24, 0x20, 0x3f, 0xc0];

fn aac() -> CodecParameters {
    let config = Bytes::from_static(&[0x12, 0x10]);
    CodecParameters::Aac { config, sampling_rate: 44_100, channels: 2 }
}

fn described(fmtp: &str) -> PayloadFormat {
    PayloadFormat::new("audio", "MP4A-LATM", 44_100, 96).with_channels(2).with_fmtp(fmtp)
}

fn given<D: Depacketizer>(d: &mut Received<D>) -> Vec<DepacketizedFrame> {
    std::iter::from_fn(|| d.poll_frame()).collect()
}

#[test]
fn aac_is_transmitted() {
    let formats = FormatRegistry::new().with(LatmEntry::new());
    for (max_payload, max_len) in
        [(20, 10), (20, 300), (255, 600), (256, 1200), (1400, 700), (1400, 3000)]
    {
        let frames = audio_frames(12, max_len, 1024, 44_100, max_payload as u64 + max_len);
        transmits_by(&formats, &aac(), &frames, max_payload, 0);
    }
}

#[test]
fn only_an_application_sends_it() {
    assert_eq!(outgoing(&aac()).0.encoding_name, "MPEG4-GENERIC");
    let format = FormatRegistry::new().with(LatmEntry::new()).format(&aac(), 97).unwrap();
    let fmtp = "profile-level-id=1;cpresent=0;config=400024203FC0";
    assert_eq!(format.fmtp.as_deref(), Some(fmtp));
    assert_eq!(FormatRegistry::standard().parameters(&format), Ok(aac()));
    assert!(FormatRegistry::standard().depacketizer(&format).is_ok());
}

/// ISO/IEC 14496-3 section 1.7.3.1, PayloadLengthInfo.
#[test]
fn lengths_have_a_byte_for_each_255() {
    for (len, prefix) in [(254, &[254][..]), (255, &[255, 0]), (600, &[255, 255, 90])] {
        let frames = [timed(vec![7; len], 0, 1024, 44_100)];
        let packets = packets_of(&mut LatmPacketizer::new(), &frames, 44_100, 1400);
        assert_eq!((packets.len(), packets[0].marker), (1, true));
        assert!(packets[0].payload.starts_with(prefix) && packets[0].payload[prefix.len()] == 7);
        assert_eq!(packets[0].payload.len(), prefix.len() + len);
    }
}

#[test]
fn an_element_may_have_several_access_units() {
    let mut config = CONFIG.to_vec();
    config[0] |= 0b10; // numSubFrames in bits 2 to 7
    let mux = StreamMuxConfig::parse(&config).unwrap();
    assert_eq!(mux.sub_frames, 3);
    let mut d = Received::new(LatmDepacketizer::new(mux, false, 44_100));
    d.handle_payload(&[2, 8, 9, 0, 1, 7], true, 5000, false).unwrap();
    let frames = given(&mut d);
    let frames: Vec<_> = frames.iter().map(|f| (&f.data[..], f.timestamp)).collect();
    assert_eq!(frames, [(&[8, 9][..], 5000), (&[7], 5000 + 2048)]);
    assert!(d.handle_payload(&[2, 8, 9, 0, 1], true, 5000, false).is_err());
    assert!(d.handle_payload(&[2, 8, 9, 0, 1, 7, 7], true, 5000, false).is_err());
}

/// An element with its own configuration, or a bit that tells that it is as before.
fn element(config: Option<&[u8]>, config_bits: u32, unit: &[u8]) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.put(u32::from(config.is_none()), 1);
    let mut left = config_bits;
    for byte in config.unwrap_or_default() {
        let n = left.min(8);
        w.put(u32::from(*byte) >> (8 - n), n);
        left -= n;
    }
    w.put(unit.len() as u32, 8);
    unit.iter().for_each(|byte| w.put(u32::from(*byte), 8));
    w.finish().to_vec()
}

#[test]
fn the_configuration_may_be_in_the_stream() {
    // Seen in both: told in the description, or assumed by clock rate and channels.
    for fmtp in ["cpresent=1;config=400024203fc0", "object=2", "profile-level-id=15;cpresent=1"] {
        let format = described(fmtp);
        assert_eq!(FormatRegistry::standard().parameters(&format), Ok(aac()));
        let mut d = Received::new(FormatRegistry::standard().depacketizer(&format).unwrap());
        let early = d.handle_payload(&element(None, 0, b"abc"), true, 0, false);
        assert_eq!(early.is_ok(), fmtp.contains("config="), "{fmtp}");
        given(&mut d);
        d.handle_payload(&element(Some(CONFIG), 44, b"defg"), true, 1024, false).unwrap();
        d.handle_payload(&element(None, 0, b"hi"), true, 2048, false).unwrap();
        let frames = given(&mut d);
        assert!(frames.iter().map(|f| &f.data[..]).eq([&b"defg"[..], b"hi"]));
        // 48 kHz, mono: not what the description has told.
        let other = [0x40, 0x00, 0x23, 0x10, 0x3f, 0xc0];
        let result = d.handle_payload(&element(Some(&other), 44, b"jk"), true, 3072, false);
        assert!(result.unwrap_err().to_string().contains("another stream"));
        assert!(given(&mut d).is_empty());
    }
}

/// RFC 6416 section 7.3: without `cpresent` it is 1. Senders whose description has a configuration and
/// whose stream has none exist too.
#[test]
fn without_cpresent_the_first_element_tells_whether_the_stream_has_a_configuration() {
    let format = described("profile-level-id=1;config=400024203fc0");
    let receiver = || Received::new(FormatRegistry::standard().depacketizer(&format).unwrap());
    for len in 0..=240 {
        let unit = vec![0x91; len];
        for config in [None, Some(CONFIG)] {
            let mut d = receiver();
            d.handle_payload(&element(config, 44, &unit), true, 0, false).unwrap();
            d.handle_payload(&element(None, 0, b"abc"), true, 1024, false).unwrap();
            let frames = given(&mut d);
            let expected = [&unit[..], b"abc"].into_iter().filter(|unit| !unit.is_empty());
            assert!(frames.iter().map(|f| &f.data[..]).eq(expected), "{len} bytes");
        }
        let mut d = receiver();
        d.handle_payload(&[&[len as u8][..], &unit].concat(), true, 0, false).unwrap();
        d.handle_payload(&[2, 8, 9, 1, 7], true, 1024, false).unwrap();
        assert_eq!(given(&mut d).len(), if len == 0 { 2 } else { 3 }, "{len} bytes");
        // It is decided.
        assert!(d.handle_payload(&element(Some(CONFIG), 44, b"de"), true, 0, false).is_err());
    }
}

#[test]
fn what_cannot_be_received_is_named() {
    let refused = |fmtp: &str, why: &str| {
        let said = FormatRegistry::standard().parameters(&described(fmtp)).unwrap_err();
        assert!(said.to_string().contains(why), "{said}");
    };
    refused("cpresent=0", "needs the format parameter config");
    refused("cpresent=0;config=40", "config=40");
    refused("cpresent=0;config=xyz", "config=xyz");
    refused("cpresent=0;config=C00024203fc0", "audioMuxVersionA");
    refused("cpresent=0;config=000024203fc0", "framing");
    refused("cpresent=0;config=401024203fc0", "program");
    refused("cpresent=0;config=400224203fc0", "layer");
    refused("object=8;cpresent=1", "config");
    // The example of section 7.4.1.1, whose clock is none of samples.
    let format = PayloadFormat::new("audio", "MP4A-LATM", 90_000, 96);
    let said = FormatRegistry::standard().parameters(&format.with_fmtp("object=2; cpresent=1"));
    assert!(said.unwrap_err().to_string().contains("the stream alone"));
    // With a space and in another case, without cpresent.
    let format = described("Profile-Level-Id=15; Config=\"400024203FC0\" ;");
    assert_eq!(FormatRegistry::standard().parameters(&format), Ok(aac()));
}

#[test]
fn the_end_of_an_element_whose_beginning_is_lost_is_none() {
    let mux = StreamMuxConfig::parse(CONFIG).unwrap();
    let mut d = Received::new(LatmDepacketizer::new(mux, false, 44_100));
    d.handle_payload(&[1, 7], true, 0, false).unwrap();
    assert_eq!(given(&mut d).len(), 1);
    // It looks like an element of two bytes, but lies where the lost one must be.
    assert!(d.handle_payload(&[2, 8, 9], true, 1025, true).is_err());
    // After this one nothing is certain, but no element in fragments has been seen.
    d.handle_payload(&[2, 8, 9], true, 3 * 1024, true).unwrap();
    assert!(given(&mut d).iter().all(|f| f.discontinuity && !f.damaged));
    d.handle_payload(&[3, 8, 9], false, 4 * 1024, false).unwrap();
    d.handle_payload(&[5], true, 4 * 1024, false).unwrap();
    assert_eq!(given(&mut d)[0].data, [8, 9, 5][..]);
    d.handle_payload(&[2, 8, 9], true, 7 * 1024, true).unwrap();
    assert!(given(&mut d).iter().all(|f| f.damaged));
}

#[test]
fn an_element_ends_with_its_timestamp_if_nothing_is_marked() {
    let mux = StreamMuxConfig::parse(CONFIG).unwrap();
    let mut d = Received::new(LatmDepacketizer::new(mux, false, 44_100));
    for n in 0..3 {
        d.handle_payload(&[2, 8, 9], false, n * 1024, false).unwrap();
        assert_eq!(given(&mut d).len(), usize::from(n > 0));
    }
    d.handle_end();
    assert_eq!(given(&mut d).len(), 1);
    // Two elements in a packet.
    d.handle_payload(&[2, 8, 9, 1, 7], true, 9 * 1024, false).unwrap();
    assert!(given(&mut d).iter().map(|f| f.timestamp).eq([9 * 1024, 10 * 1024]));
}
