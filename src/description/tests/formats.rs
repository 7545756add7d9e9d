//! Payload types, `a=rtpmap` and `a=fmtp`.

use super::*;
use crate::codec::{CodecParameters, PcmEncoding};

/// Encoding name, clock rate, payload type and whether it is raw, of the first track.
fn format(session: &MediaSession) -> (String, u32, u8, bool) {
    let track = &session.subsessions[0];
    let format = &track.format;
    (format.encoding_name.to_string(), format.clock_rate, track.payload_type(), track.is_raw)
}

fn is(name: &str, clock_rate: u32, payload_type: u8, is_raw: bool) -> (String, u32, u8, bool) {
    (name.to_owned(), clock_rate, payload_type, is_raw)
}

#[test]
fn fmtp_with_nothing_after_it() {
    for fmtp in ["a=fmtp:96", "a=fmtp:96 ", "a=fmtp", "a=fmtp:"] {
        let session =
            session(PLAIN.replace("a=control:track1", &format!("{fmtp}\r\na=control:track1")));
        assert_plain(&session);
        assert_eq!(session.subsessions[0].format.fmtp, None, "{fmtp}");
    }
}

#[test]
fn fmtp_that_ends_in_a_semicolon() {
    let session = session(media(
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\na=fmtp:97 streamtype=5; \
         mode=AAC-hbr; config=1408;SizeLength=13; IndexLength=3;IndexDeltaLength=3; ;",
    ));
    let CodecParameters::Aac { sampling_rate: 16_000, channels: 1, .. } =
        session.subsessions[0].parameters
    else {
        panic!("{session:?}")
    };
}

#[test]
fn a_text_in_the_place_of_a_payload_type() {
    let session = odd(PLAIN.replace("RTP/AVP 96", "RTP/AVP H264"), "\"H264\" in the place");
    assert_plain(&session);
    let session = odd(media("m=video 0 RTP/AVP H265\r\na=control:t"), "in the place");
    assert_eq!(format(&session), is("H265", 90_000, 96, false));
    let session = odd(media("m=application 0 RTP/AVP smart/1/90000"), "in the place");
    assert_eq!(format(&session), is("smart", 90_000, 96, true));
    let session = odd(media("m=video 0 RTP/AVP *"), "in the place");
    assert_eq!(format(&session), is("*", 90_000, 96, true));
    let session = odd(media("m=video 0 RTP/AVP"), "in the place");
    assert_eq!(format(&session), is("unknown", 90_000, 96, true));
}

#[test]
fn a_static_payload_type_that_rtpmap_maps_anew() {
    let session = session(media("m=video 0 RTP/AVP 26\r\na=rtpmap:26 H264/90000"));
    assert_eq!(format(&session), is("H264", 90_000, 26, false));
    let session = super::session(media("m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMA/16000"));
    let expected =
        CodecParameters::Pcm { encoding: PcmEncoding::Pcma, sampling_rate: 16_000, channels: 1 };
    assert_eq!(session.subsessions[0].parameters, expected);
}

#[test]
fn static_payload_types_without_rtpmap() {
    for (line, expected) in [
        ("m=audio 0 RTP/AVP 0", is("PCMU", 8_000, 0, false)),
        ("m=audio 0 RTP/AVP 8", is("PCMA", 8_000, 8, false)),
        ("m=audio 0 RTP/AVP 14", is("MPA", 90_000, 14, false)),
        ("m=video 0 RTP/AVP 33", is("MP2T", 90_000, 33, false)),
        ("m=video 0 RTP/AVP 26", is("JPEG", 90_000, 26, !cfg!(feature = "video-formats"))),
        ("m=audio 0 RTP/AVP 4", is("G723", 8_000, 4, true)),
        ("m=audio 0 RTP/AVP 16", is("DVI4", 11_025, 16, true)),
        ("m=audio 0 RTP/AVP 18", is("G729", 8_000, 18, true)),
        ("m=video 0 RTP/AVP 31", is("H261", 90_000, 31, true)),
        ("m=video 0 RTP/AVP 34", is("H263", 90_000, 34, true)),
        // The word is wrong, and the number tells.
        ("m=sound 0 RTP/AVP 8", is("PCMA", 8_000, 8, false)),
        ("m=application 0 RTP/AVP 33", is("MP2T", 90_000, 33, false)),
    ] {
        assert_eq!(format(&session(media(line))), expected, "{line}");
    }
}

#[test]
fn two_media_with_the_same_payload_type() {
    let session = session(media(
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:v\r\n\
         m=audio 0 RTP/AVP 96\r\na=rtpmap:96 L16/48000/2\r\na=control:a",
    ));
    let names = session.subsessions.iter().map(|s| &*s.format.encoding_name).collect::<Vec<_>>();
    assert_eq!(names, ["H264", "L16"]);
    assert!(session.odd.is_empty());
}

#[test]
fn an_unknown_codec_is_received_as_raw_payloads() {
    let session = session(media(
        "m=application 0 RTP/AVP 107\r\na=rtpmap:107 X-WEATHER/90000\r\na=fmtp:107 x",
    ));
    assert_eq!(format(&session), is("X-WEATHER", 90_000, 107, true));
    let track = &session.subsessions[0];
    let CodecParameters::Other(codec) = &track.parameters else { panic!("{track:?}") };
    assert_eq!(codec.fmtp.as_deref(), Some("x"));
    let mut frames = crate::payload::DepacketizedFrames::new();
    let payload = crate::payload::RtpPayload::new(b"<xml/>", 9).with_marker(true);
    let mut depacketizer = track.depacketizer(FormatRegistry::standard());
    depacketizer.handle_payload(&payload, &mut frames).unwrap();
    assert_eq!(&frames.pop().unwrap().data[..], b"<xml/>");
}

#[test]
fn a_dynamic_payload_type_without_rtpmap() {
    let session = odd(media("m=video 0 RTP/AVP 96"), "payload type 96 has no rtpmap");
    assert_eq!(format(&session), is("unknown", 90_000, 96, true));
    assert_eq!(session.subsessions[0].kind, MediaKind::Video);
}

#[test]
fn the_first_payload_type_that_is_known_is_received() {
    let session = session(media(
        "m=video 0 RTP/AVP 98 96\r\na=rtpmap:98 X-CODEC/90000\r\na=rtpmap:96 H264/90000",
    ));
    assert_eq!(format(&session), is("H264", 90_000, 96, false));
}

#[test]
fn of_several_formats_the_first_that_can_be_received_is() {
    // Dual tones beside the voice, in either order, and a codec whose parameters no stream has.
    let tones = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15";
    let aac = "a=rtpmap:97 MPEG4-GENERIC/44100\r\na=fmtp:97 mode=AAC-hbr;config=zz";
    let of = |m: &str, lines: &str| session(media(&format!("{m}\r\n{lines}")));
    for m in ["m=audio 0 RTP/AVP 0 101", "m=audio 0 RTP/AVP 101 0"] {
        assert_eq!(format(&of(m, tones)), is("PCMU", 8_000, 0, false), "{m}");
    }
    assert_eq!(format(&of("m=audio 0 RTP/AVP 8 0", "")), is("PCMA", 8_000, 8, false));
    let text = media(&format!("m=audio 0 RTP/AVP 97 8 0\r\n{aac}"));
    assert_eq!(format(&odd(text, "another format is received")), is("PCMA", 8_000, 8, false));
    let text = media(&format!("m=audio 0 RTP/AVP 97 101\r\n{aac}\r\n{tones}"));
    let session = odd(text, "received as raw payloads");
    assert_eq!(format(&session), is("MPEG4-GENERIC", 44_100, 97, true));
    // None is known: the first.
    let session = of("m=video 0 RTP/AVP 99 98", "a=rtpmap:98 CelB/90000\r\na=rtpmap:99 nv/90000");
    assert_eq!(format(&session), is("nv", 90_000, 99, true));
}

#[test]
fn rtpmap_without_a_clock_rate_and_with_no_channels() {
    let session = odd(media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264"), "taken for 96 H264/90000");
    assert_eq!(format(&session), is("H264", 90_000, 96, false));
    let session = odd(media("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 L16/"), "taken for 97 L16/8000");
    assert_eq!(format(&session), is("L16", 8_000, 97, false));
    let session = odd(media("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 L16/44100/0"), "97 L16/44100");
    assert_eq!(format(&session), is("L16", 44_100, 97, false));
    for bad in
        ["a=rtpmap", "a=rtpmap:", "a=rtpmap:96", "a=rtpmap:x H264", "a=rtpmap:200 H264/90000"]
    {
        let session = super::session(media(&format!("m=video 0 RTP/AVP 96\r\n{bad}")));
        assert_eq!(format(&session), is("unknown", 90_000, 96, true), "{bad}");
    }
}

#[test]
fn names_of_attributes_and_codecs_in_any_case() {
    let session = session(PLAIN.replace("rtpmap", "RtpMap").replace("H264", "h264"));
    assert_eq!(format(&session), is("h264", 90_000, 96, false));
}

/// Sequence and picture parameter sets (RFC 6184 section 8.2).
const SPS: &str = "Z0IACpZTBYmI";
const PPS: &str = "aMljiA==";

fn parameter_sets(fmtp: &str) -> (usize, usize) {
    let session = session(media(&format!(
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 {fmtp}"
    )));
    let track = &session.subsessions[0];
    assert!(!track.is_raw, "{fmtp}");
    let CodecParameters::H264 { sps, pps } = &track.parameters else { panic!("{track:?}") };
    for nal in sps.iter().chain(pps) {
        assert!(!nal.starts_with(&[0]), "{nal:?}");
    }
    (sps.len(), pps.len())
}

#[test]
fn parameter_sets_that_carry_start_codes() {
    let plain = parameter_sets(&format!("sprop-parameter-sets={SPS},{PPS}"));
    assert_eq!(plain, (1, 1));
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let with =
        |prefix: &[u8], set: &str| base64.encode([prefix, &base64.decode(set).unwrap()].concat());
    for prefix in [&[0, 0, 0, 1][..], &[0, 0, 1]] {
        let sets = format!("{},{}", with(prefix, SPS), with(prefix, PPS));
        assert_eq!(parameter_sets(&format!("sprop-parameter-sets={sets}")), (1, 1));
    }
}

#[test]
fn parameter_sets_that_are_missing_or_wrong_are_taken_from_the_stream() {
    for (fmtp, sets) in [
        ("packetization-mode=1".to_owned(), (0, 0)),
        ("sprop-parameter-sets=".to_owned(), (0, 0)),
        ("sprop-parameter-sets=,".to_owned(), (0, 0)),
        ("sprop-parameter-sets=%%%,AAAA".to_owned(), (0, 0)),
        (format!("sprop-parameter-sets={SPS}"), (1, 0)),
        (format!("sprop-parameter-sets={PPS},{SPS}"), (1, 1)),
        (format!("sprop-parameter-sets=Z0IA,{PPS}"), (0, 1)),
    ] {
        assert_eq!(parameter_sets(&fmtp), sets, "{fmtp}");
    }
    let sdp =
        media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets=,");
    odd(sdp, "unusable parameter sets");
    let sdp = media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 sprop-vps=QAE=");
    odd(sdp, "unusable parameter sets");
}

#[test]
fn parameters_that_no_stream_can_have_make_it_raw() {
    for lines in [
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1",
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\na=fmtp:97 config=zz",
        "m=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=2",
    ] {
        let session = odd(media(lines), "received as raw payloads");
        assert!(session.subsessions[0].is_raw);
        session.subsessions[0].depacketizer(FormatRegistry::standard());
    }
}
