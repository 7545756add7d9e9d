//! Messages as others write them, as they are written here, and malformed.

use super::*;
use crate::wire::testing::Random;

fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| Some(c.to_digit(16)? as u8)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// As GStreamer 1.22 writes it for `aes-128-icm` and `hmac-sha1-80`: the length of the tag stands
/// where that of the key for authentication belongs.
const GSTREAMER: &str = "01 00 05 00 12345678 01 00  00 cafebabe 00000002
    0b 00 e4b1a0c000000000
    0a 10 000102030405060708090a0b0c0d0e0f
    01 00 00 0015  00 01 01  01 01 10  02 01 01  03 01 0a  07 01 01  08 01 01  0a 01 01
    00 00 0022  00 20 001e 101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d
    00";

#[test]
fn messages_of_gstreamer_are_read() {
    let message = MikeyMessage::parse(&octets(GSTREAMER)).unwrap();
    let session = CryptoSession { policy: 0, ssrc: 0xcafe_babe, roll_over: 2 };
    assert_eq!((message.bundle, &message.sessions[..]), (0x1234_5678, &[session][..]));
    assert_eq!(message.timestamp >> 32, 0xe4b1_a0c0);
    assert_eq!(message.random, (0..16).collect::<Vec<u8>>());
    assert_eq!(message.suite_of(Some(&session)), Some(CryptoSuite::AesCm128HmacSha1_80));
    assert_eq!(message.keys, [KeyData::new((0x10..0x2e).collect(), vec![])]);
    let short = GSTREAMER.replace("03 01 0a", "03 01 04");
    let message = MikeyMessage::parse(&octets(&short)).unwrap();
    assert_eq!(message.suite_of(None), Some(CryptoSuite::AesCm128HmacSha1_32));
}

#[test]
fn a_salt_of_its_own_follows_the_key() {
    // Key and salt apart, with an SPI; identities, an extension and a verification beside them.
    let text = "01 00 06 80 00000001 00 00
        06 00 0003 616263   05 01 0001 64   15 00 e4b1a0c000000000   09 07 0002 aabb   01 00
        00 00 0027  00 31 0010 000102030405060708090a0b0c0d0e0f
            000e 101112131415161718191a1b1c1d  02 beef  00";
    let message = MikeyMessage::parse(&octets(text)).unwrap();
    assert_eq!(message.keys, [KeyData::new((0..0x1e).collect(), vec![0xbe, 0xef])]);
    assert_eq!(message.suite_of(None), Some(CryptoSuite::AesCm128HmacSha1_80), "the default");
}

#[test]
fn what_is_not_supported_is_refused() {
    for (from, to) in [
        ("01 00 05 00 1234", "02 00 05 00 1234"), // version
        ("01 00 05 00 1234", "01 02 05 00 1234"), // public keys
        ("01 00  00 cafe", "01 01  00 cafe"),     // another map
        ("01 00 00 0015", "01 00 01 0015"),       // not SRTP
        ("00 00 0022", "00 01 0022"),             // encrypted
        ("2c2d\n    00", "2c2d\n    01"),         // authenticated
        ("00 20 001e", "00 00 001e"),             // a TGK
        ("00 20 001e", "01 20 001e"),             // something after the key
        ("00 20 001e", "00 24 001e"),             // validity
        ("0b 00 e4b1", "0c 00 e4b1"),             // an error message
    ] {
        let text = GSTREAMER.replace(from, to);
        assert_ne!(text, GSTREAMER, "{from}");
        assert!(MikeyMessage::parse(&octets(&text)).is_err(), "{from}");
    }
    for policy in ["00 01 00", "01 01 18", "02 01 00", "03 01 0a  0b 01 08", "08 01 00", "06 01 01"]
    {
        let policy = format!("{policy}  {}", "09 01 00  ".repeat(3));
        let policy = octets(&policy);
        let mut text = octets(GSTREAMER);
        let at = text.windows(3).position(|w| w == [0x00, 0x15, 0x00]).unwrap();
        text[at + 1] = u8::try_from(policy.len()).unwrap();
        text.splice(at + 2..at + 2 + 21, policy.clone());
        let message = MikeyMessage::parse(&text).unwrap();
        assert_eq!(message.suite_of(None), None, "{policy:x?}");
    }
}

#[test]
fn what_is_written_is_read() {
    let mut random = Random::new(3830);
    for _ in 0..500 {
        let number = |r: &mut Random| r.below(4);
        let message = MikeyMessage {
            bundle: random.u32(),
            sessions: (0..number(&mut random))
                .map(|_| CryptoSession {
                    policy: random.u8(),
                    ssrc: random.u32(),
                    roll_over: random.u32(),
                })
                .collect(),
            timestamp: random.u64(),
            random: random.bytes(32),
            policies: (0..number(&mut random))
                .map(|_| SecurityPolicy {
                    number: random.u8(),
                    suite: Some(*random.pick(&CryptoSuite::ALL)),
                })
                .collect(),
            keys: (0..=number(&mut random))
                .map(|_| {
                    let interval = random.chance(3).then(|| (random.u64(), random.u64()));
                    let mki = if interval.is_some() { vec![] } else { random.bytes(4) };
                    KeyData { interval, ..KeyData::new(random.bytes(46), mki) }
                })
                .collect(),
        };
        assert_eq!(MikeyMessage::parse(&message.to_bytes()), Ok(message.clone()));
        assert_eq!(from_attribute(&to_attribute(&message)), Ok(message.clone()));
        let header = KeyMgmt { url: Some("rtsp://h/a,b;c/track1".to_owned()), message };
        assert_eq!(KeyMgmt::parse(&header.to_string(), "rtsp://h/"), Ok(header));
    }
}

#[test]
fn any_prefix_and_any_change_is_read_or_refused() {
    let whole = octets(GSTREAMER);
    for len in 0..whole.len() {
        assert!(MikeyMessage::parse(&whole[..len]).is_err(), "{len}");
    }
    let mut random = Random::new(1);
    for _ in 0..5000 {
        let mut message = whole.clone();
        random.mutate(&mut message);
        if let Ok(parsed) = MikeyMessage::parse(&message) {
            assert!(parsed.keys.len() <= MAX_ENTRIES && parsed.sessions.len() <= MAX_ENTRIES);
        }
    }
    // As many sessions as the field can state, and payloads without end.
    let many = [&octets("01 00 05 00 00000000 ff 00")[..], &[0; 9 * 255]].concat();
    assert!(MikeyMessage::parse(&many).is_err());
    let endless = [&octets("01 00 0b 00 00000000 00 00")[..], &[0x0b, 0].repeat(3000)].concat();
    assert!(MikeyMessage::parse(&endless).is_err());
}

#[test]
fn headers_of_others() {
    let message = MikeyMessage::parse(&octets(GSTREAMER)).unwrap();
    let data = to_attribute(&message).replace("mikey ", "");
    for value in [
        format!("prot=mikey;uri=\"rtsp://h/t\";data=\"{data}\""),
        format!("prot=mikey; data=\"{data}\""),
        format!("PROT=\"MIKEY\"; Data={data}"),
        format!("prot=other;data=\"AAAA\", prot=mikey;uri=\"rtsp://h/t\";data=\"{data}\""),
        format!(
            "prot=mikey;uri=\"rtsp://h/x\";data=\"!\",prot=mikey;uri=\"rtsp://h/t\";data=\"{data}\""
        ),
    ] {
        let read = KeyMgmt::parse(&value, "rtsp://h/t").unwrap();
        assert_eq!(read.message, message, "{value}");
    }
    for bad in
        ["", "prot=mikey", "data=\"AAAA\"", "prot=sdes;data=\"AAAA\"", "prot=mikey;data=\"*\""]
    {
        assert!(KeyMgmt::parse(bad, "").is_err(), "{bad}");
    }
    assert!(from_attribute("sdes AAAA").is_err() && from_attribute("mikeyAAAA").is_err());
    assert!(from_attribute(&format!("mikey {}", "A".repeat(MAX_MESSAGE * 2))).is_err());
    let shown = format!("{message:?}");
    assert!(!shown.contains("16, 17, 18") && !shown.contains("material"), "no key: {shown}");
}
