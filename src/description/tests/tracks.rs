//! What else a description says of tracks, and the choice among them.

use super::*;
use crate::wire::sdp::{RtcpFeedback, RtcpPort};
use std::net::IpAddr;

const CAMERA: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Hall\r\nt=0 0\r\nb=AS:5100\r\n\
    a=control:*\r\na=tool:Cam 1.0\r\n\
    m=video 0 RTP/AVPF 96\r\nb=AS:5000\r\nb=RR:750\r\nb=RS:250\r\na=framerate:25.0\r\n\
    a=x-dimensions:1920,1080\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:96 nack pli\r\na=rtcp-mux\r\n\
    a=recvonly\r\na=control:t1\r\n\
    m=audio 0 RTP/AVP 8\r\na=recvonly\r\na=rtcp:5005\r\na=control:t2\r\n\
    m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:t3\r\n\
    m=audio 0 RTP/AVP 0\r\na=sendonly\r\na=control:t4\r\n";

#[test]
fn what_a_camera_tells_of_its_tracks() {
    let session = session(CAMERA);
    assert_eq!((session.tool.as_deref(), session.bandwidth), (Some("Cam 1.0"), Some(5_100_000)));
    let video = session.subsession(1).unwrap();
    assert_eq!((video.profile, video.bandwidth), (RtpProfile::Avpf, Some(5_000_000)));
    assert_eq!(video.rtcp_bandwidth, (Some(250), Some(750)));
    assert_eq!((video.frame_rate, video.dimensions), (Some(25.0), Some((1920, 1080))));
    assert_eq!(video.feedback, RtcpFeedback { pli: true, ..RtcpFeedback::default() });
    assert!(video.rtcp_mux && video.rtcp_port.is_none() && video.multicast.is_none());
    let audio = session.subsession(2).unwrap();
    assert_eq!(audio.rtcp_port, Some(RtcpPort { port: 5005, address: None }));
    assert_eq!(audio.feedback, RtcpFeedback::default());
    assert!(session.subsession(0).is_none() && session.subsession(5).is_none());
}

#[test]
fn tracks_are_chosen_by_kind_codec_and_number() {
    let session = session(CAMERA);
    let of = |choice: TrackChoice| choice.chosen(&session).map(|s| s.number).collect::<Vec<_>>();
    assert_eq!(of(TrackChoice::all()), [1, 2, 3]);
    assert_eq!(of(TrackChoice::all().kind(MediaKind::Audio)), [2]);
    assert_eq!(of(TrackChoice::all().codec("h264").codec("PCMU")), [1]);
    assert_eq!(of(TrackChoice::all().number(3).kind(MediaKind::Video)), [1, 3]);
    assert_eq!(of(TrackChoice::all().number(9)), [0; 0]);
    assert_eq!(of(TrackChoice::all().at_most(2)), [1, 2]);
    assert_eq!(of(TrackChoice::all().kind(MediaKind::Audio).at_most(1)), [2]);
    // The back channel is set up on request only.
    assert_eq!(of(TrackChoice::all().number(4)), [0; 0]);
    assert_eq!(of(TrackChoice::all().kind(MediaKind::Video).back_channel()), [1, 4]);
    assert_eq!(of(TrackChoice::back_channel_alone()), [4]);
    assert_eq!(of(TrackChoice::back_channel_alone().back_channel_codec("pcmu")), [4]);
    assert_eq!(of(TrackChoice::back_channel_alone().back_channel_codec("PCMA")), [0; 0]);
    assert!(!TrackChoice::all().wants_back_channel());
}

#[test]
fn a_server_that_calls_what_it_sends_sendonly() {
    let session =
        odd(PLAIN.replace("a=control:track1", "a=sendonly\r\na=control:track1"), "sendonly");
    assert_plain(&session);
    assert!(!session.subsessions[0].is_back_channel);
    let whole = odd(PLAIN.replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n"), "sendonly");
    assert!(!whole.subsessions[0].is_back_channel);
}

#[test]
fn multicast_with_ttl_and_source_filter() {
    let session = session(media(
        "a=source-filter: incl IN IP4 * 192.0.2.10\r\n\
         m=video 5000 RTP/AVP 33\r\nc=IN IP4 232.3.4.5/127\r\n\
         a=source-filter: incl IN IP4 232.3.4.5 192.0.2.10 192.0.2.11\r\n\
         m=audio 5002 RTP/AVP 0\r\nc=IN IP4 232.3.4.6\r\n\
         m=audio 5004 RTP/AVP 0\r\nc=IN IP6 FF15::1/3\r\n\
         m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0",
    ));
    let groups: Vec<_> = session.subsessions.iter().map(|s| s.multicast.clone()).collect();
    let sources = |last: &[u8]| last.iter().map(|n| IpAddr::from([192, 0, 2, *n])).collect();
    let group = |address: &str, ttl, sources| {
        Some(MulticastGroup { group: address.parse().unwrap(), ttl, sources })
    };
    assert_eq!(groups[0], group("232.3.4.5", Some(127), sources(&[10, 11])));
    assert_eq!(groups[1], group("232.3.4.6", None, sources(&[10])));
    assert_eq!(groups[2], group("ff15::1", None, sources(&[10])));
    assert_eq!(groups[3], None);
    assert_eq!(session.subsessions[0].port, 5000);
}

#[test]
fn keys_are_told_and_not_shown() {
    let session = session(media(
        "m=video 0 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\na=key-mgmt:mikey secret",
    ));
    let track = &session.subsessions[0];
    assert!(track.profile.is_secure());
    let names: Vec<_> = track.keys.iter().map(|key| &*key.name).collect();
    assert_eq!(names, ["crypto", "key-mgmt"]);
    assert!(!format!("{session:?}").contains("secret"));
}

#[test]
fn profiles() {
    for (protocol, profile) in [
        ("RTP/AVP", RtpProfile::Avp),
        ("rtp/avp/tcp", RtpProfile::Avp),
        ("TCP/RTP/AVPF", RtpProfile::Avpf),
        ("UDP/TLS/RTP/SAVPF", RtpProfile::Savpf),
        ("udp", RtpProfile::Other),
    ] {
        assert_eq!(RtpProfile::of_protocol(protocol), profile, "{protocol}");
    }
    odd(PLAIN.replace("RTP/AVP", "RAW/RAW/UDP"), "no RTP profile");
}

#[test]
fn numbers_that_are_none_are_left_out() {
    let session = session(media(
        "b=AS:many\r\nm=video 0 RTP/AVP 33\r\nb=AS:18446744073709551615\r\na=framerate:fast\r\n\
         a=x-dimensions:1920x1080\r\na=rtcp:none\r\nc=IN IP4",
    ));
    let track = &session.subsessions[0];
    assert_eq!((session.bandwidth, track.bandwidth), (None, Some(u64::MAX)));
    assert_eq!((track.frame_rate, track.dimensions), (None, None));
    assert_eq!((&track.rtcp_port, &track.connection), (&None, &None));
    assert!(session.odd.iter().any(|line| line.contains("malformed c=")));
    for rate in ["inf", "NaN", "-25", "0"] {
        let sdp = media(&format!("m=video 0 RTP/AVP 33\r\na=framerate:{rate}"));
        assert_eq!(super::session(sdp).subsessions[0].frame_rate, None, "{rate}");
    }
}
