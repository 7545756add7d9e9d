use super::*;
use crate::wire::testing::Random;

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

/// As a camera with an ONVIF face sends it: LF alone, odd numbers, unknown lines.
const CAMERA: &str = "v=0\no=- 1109162014219182 0x1109162014219192 IN IP4 192.168.1.64\n\
    s=Media Presentation\ne=NONE\nb=AS:5100\nt=0 0\nz=what\nnonsense\n\
    a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/\n\
    m=video 0 RTP/AVP 96\nc=IN IP4 0.0.0.0\nb=AS:5000\na=recvonly\na=x-dimensions:1920,1080\n\
    a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1\n\
    a=rtpmap:96 H264/90000\n\
    a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z00A==,aO48gA==\n\
    m=audio 0 RTP/AVP 8\na=rtpmap:8 PCMA/8000/1\n";

#[test]
fn a_camera() {
    let sdp = parse(CAMERA);
    assert_eq!(sdp.origin.address, "192.168.1.64");
    assert_eq!((sdp.origin.session_id, sdp.origin.session_version), (1_109_162_014_219_182, 0));
    assert_eq!(sdp.name, "Media Presentation");
    assert_eq!(sdp.emails, ["NONE"]);
    let [video, audio] = &sdp.media[..] else { panic!("{sdp:?}") };
    assert_eq!(video.payload_type(), Some(96));
    let map = video.rtpmap(96).unwrap();
    assert_eq!((map.encoding_name.as_str(), map.clock_rate), ("H264", 90_000));
    assert_eq!(
        fmtp_parameters(video.fmtp(96).unwrap()).collect::<Vec<_>>(),
        [
            ("profile-level-id", "420029"),
            ("packetization-mode", "1"),
            ("sprop-parameter-sets", "Z00A==,aO48gA==")
        ]
    );
    assert_eq!(
        video.attribute("control"),
        Some("rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1")
    );
    assert_eq!(video.bandwidths, [Bandwidth { kind: "AS".into(), value: 5000 }]);
    assert_eq!(audio.rtpmap(8).unwrap().channels, Some(1));
    assert_eq!(audio.rtpmap(96), None);
    assert_eq!(audio.fmtp(8), None);
}

#[test]
fn multicast_connections() {
    let sdp = parse(
        "v=0\r\nc=IN IP4 232.1.1.1/127/3\r\nm=video 18888/2 RTP/AVP 33\r\nc=IN IP6 FF15::1/4\r\n",
    );
    let connection = sdp.connection.unwrap();
    assert_eq!((connection.ttl, connection.count), (Some(127), Some(3)));
    assert_eq!(sdp.media[0].port_count, Some(2));
    assert_eq!(
        (sdp.media[0].connections[0].ttl, sdp.media[0].connections[0].count),
        (None, Some(4))
    );
    let connection = Connection::new("232.1.1.1".parse().unwrap(), Some(255));
    assert_eq!(connection.to_string(), "c=IN IP4 232.1.1.1/255\r\n");
}

#[test]
fn a_description_may_lack_its_beginning() {
    for text in [
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n",
        "\u{feff}m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
        "a=range:npt=0-\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "s=Camera\nt=0 0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ] {
        let sdp = SessionDescription::parse(text.as_bytes()).unwrap();
        assert_eq!(sdp.media.len(), 1);
        assert_eq!(sdp.media[0].rtpmap(96).unwrap().encoding_name, "H264", "{text:?}");
        // What is written of it is whole.
        let again = SessionDescription::parse(sdp.to_string().as_bytes()).unwrap();
        assert_eq!(again.media, sdp.media);
    }
}

#[test]
fn what_is_no_description_is_refused() {
    for bad in [
        "",
        "v=1\r\n",
        "o=- 0 0 IN IP4 0.0.0.0\r\n",
        "hello",
        "x=1\nm=video 0 RTP/AVP 96",
        "v=1\nm=video 0 RTP/AVP 96",
        "m=video",
        "v=0\nm=video",
        "v=0\nm=video 99999 RTP/AVP 96",
    ] {
        assert!(SessionDescription::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
    let limits = SdpLimits { bytes: 1000, lines: 20, media: 2 };
    let within = |text: String| SessionDescription::parse_within(text.as_bytes(), &limits);
    assert!(within(format!("v=0\n{}", "m=a 0 b 0\n".repeat(2))).is_ok());
    assert!(within(format!("v=0\n{}", "m=a 0 b 0\n".repeat(3))).is_err());
    assert!(within(format!("v=0\n{}", "\n".repeat(20))).is_err());
    assert!(within(format!("v=0\ns={}", "x".repeat(1000))).is_err());
}

#[test]
fn no_value_ends_a_line() {
    let evil = "x\r\na=evil\r\nm=audio 0 RTP/AVP 0\n";
    let mut sdp =
        SessionDescription::new(Origin { username: evil.into(), ..Origin::default() }, evil);
    sdp.info = Some(evil.into());
    sdp.attributes.push(Attribute::new(evil, evil));
    let mut media = MediaDescription::new(evil, 0, evil, 96);
    media.push_rtpmap(96, evil, 90_000, None);
    media.push_fmtp(96, evil);
    media.formats.push(evil.into());
    sdp.media.push(media);
    let text = sdp.to_string();
    assert_eq!(text.lines().count(), 9, "{text}");
    let read = parse(&text);
    assert_eq!(read.media.len(), 1);
    assert_eq!(read.attributes.len(), 1);
}

#[test]
fn lines_of_an_application_are_taken_in() {
    let mut media = MediaDescription::new("video", 0, "RTP/AVP", 96);
    media.push_lines("a=framerate:25\r\nb=AS:500\r\nm=audio 0 RTP/AVP 0\r\nrubbish\r\n");
    assert_eq!(media.attribute("framerate"), Some("25"));
    assert_eq!(media.to_string(), "m=video 0 RTP/AVP 96\r\nb=AS:500\r\na=framerate:25\r\n");
}

#[test]
fn what_is_written_is_read() {
    let mut random = Random::new(41);
    for _ in 0..300 {
        let sdp = random_description(&mut random);
        assert_eq!(parse(&sdp.to_string()), sdp, "{sdp}");
        assert_eq!(parse(&sdp.to_string().replace("\r\n", "\n")), sdp);
    }
}

#[test]
fn mutations_never_panic() {
    let mut random = Random::new(43);
    for _ in 0..5000 {
        let mut text = if random.chance(2) {
            CAMERA.as_bytes().to_vec()
        } else {
            random_description(&mut random).to_string().into_bytes()
        };
        random.mutate(&mut text);
        crate::fuzzing::wire::sdp(&text);
    }
}

fn random_attributes(random: &mut Random) -> Vec<Attribute> {
    (0..random.below(6))
        .map(|_| Attribute {
            name: random.word(8),
            value: random.option(|r| format!("{} {}:{}", r.word(5), r.word(5), r.word(3))),
        })
        .collect()
}

fn random_connection(random: &mut Random) -> Connection {
    let mut connection = if random.chance(2) {
        Connection::new("239.1.2.3".parse().unwrap(), random.option(Random::u8))
    } else {
        Connection::new("ff15::1".parse().unwrap(), Some(9))
    };
    if connection.ttl.is_some() || connection.address_type == "IP6" {
        connection.count = random.option(Random::u32);
    }
    connection
}

fn random_bandwidths(random: &mut Random) -> Vec<Bandwidth> {
    (0..random.below(3)).map(|_| Bandwidth { kind: random.word(3), value: random.u64() }).collect()
}

fn random_description(random: &mut Random) -> SessionDescription {
    let words = |r: &mut Random| format!("{} {}", r.word(6), r.word(6));
    SessionDescription {
        origin: Origin::new(random.u64(), random.u64(), "2001:db8::1".parse().unwrap()),
        name: random.option(words).unwrap_or_default(),
        info: random.option(words),
        uri: random.option(|_| "http://example.com/?a=b".into()),
        emails: (0..random.below(2)).map(|_| random.word(8)).collect(),
        phones: (0..random.below(2)).map(|_| random.word(8)).collect(),
        connection: random.option(random_connection),
        bandwidths: random_bandwidths(random),
        times: (0..=random.below(2))
            .map(|_| Time { start: random.u64(), stop: random.u64() })
            .collect(),
        attributes: random_attributes(random),
        media: (0..random.below(4))
            .map(|_| MediaDescription {
                media: random.word(6),
                port: random.u16(),
                port_count: random.option(Random::u16),
                protocol: "RTP/AVP".into(),
                formats: (0..random.below(4)).map(|_| random.u8().to_string()).collect(),
                info: random.option(words),
                connections: (0..random.below(3)).map(|_| random_connection(random)).collect(),
                bandwidths: random_bandwidths(random),
                attributes: random_attributes(random),
            })
            .collect(),
    }
}
