//! What real devices say: each oddity in a dialogue that ends with frames.

use crate::camera::{FIRST_SEQUENCE, FIRST_TIMESTAMP, Reply, SDP, framed, rtp};
use crate::control::{Case, case, over};
use crate::world::secs;
use riverrun::client::TransportPolicy;
use riverrun::wire::rtsp::{Method, Request};

/// Plays over TCP what a camera answers that is changed so; both tracks are to give frames.
#[track_caller]
fn plays(change: impl FnMut(&Request<'_>, &mut Reply) + 'static) -> Case {
    let case = plays_over(TransportPolicy::Tcp, change);
    assert!(case.frames_of(2) > 40, "{:?}", case.world.told());
    case
}

#[track_caller]
fn plays_over(
    transport: TransportPolicy,
    change: impl FnMut(&Request<'_>, &mut Reply) + 'static,
) -> Case {
    let mut case = case(over(transport), change);
    case.waits_for_playing();
    case.world.run_secs(1.0);
    assert!(case.frames_of(1) > 40, "{:?}", case.world.told());
    case
}

/// Plays what a camera describes so.
#[track_caller]
fn plays_sdp(sdp: impl Into<String>) -> Case {
    let sdp = sdp.into().into_bytes();
    plays(move |request, reply| {
        if request.method == Method::Describe {
            reply.body = sdp.clone();
        }
    })
}

/// Plays what a camera answers to a method with another header field.
#[track_caller]
fn plays_with(method: Method, name: &'static str, value: impl Into<String>) -> Case {
    let value = value.into();
    plays(move |request, reply| {
        if request.method == method {
            reply.set(name, value.clone());
        }
    })
}

fn is_odd(case: &mut Case) -> bool {
    case.with(|player, _| !player.odd().is_empty())
}

const MEDIA: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:track2\r\n";

/// The video of [`MEDIA`] with a line in the place of its rtpmap.
fn with_line(line: &str) -> String {
    format!("v=0\r\n{MEDIA}").replace("a=rtpmap:96 H264/90000", line)
}

// Descriptions

#[test]
fn no_origin_no_time_and_no_name() {
    plays_sdp(format!("v=0\r\n{MEDIA}"));
    plays_sdp(MEDIA);
}

#[test]
fn a_uri_that_is_none() {
    plays_sdp(SDP.replace("t=0 0", "u=not a uri\r\nt=0 0"));
}

#[test]
fn lines_in_the_wrong_order() {
    plays_sdp(format!("a=control:*\r\nt=0 0\r\ns=x\r\no=- 1 1 IN IP4 0.0.0.0\r\nv=0\r\n{MEDIA}"));
}

#[test]
fn no_final_line_end() {
    plays_sdp(SDP.trim_end());
}

#[test]
fn trailing_blanks_and_tabs() {
    plays_sdp(SDP.replace("\r\n", " \t\r\n"));
}

#[test]
fn a_range_with_inner_spaces() {
    let sdp = SDP.replace("a=range:npt=0-", "a=range: npt = 0 - 60.5 ");
    let mut case = plays_sdp(sdp);
    let duration = case.with(|player, _| player.media().unwrap().duration());
    assert_eq!(duration, Some(secs(60.5)));
}

#[test]
fn fmtp_with_nothing_after_it() {
    plays_sdp(with_line("a=rtpmap:96 H264/90000\r\na=fmtp:96"));
}

#[test]
fn fmtp_that_ends_in_a_semicolon() {
    plays_sdp(with_line("a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;"));
}

#[test]
fn unknown_and_empty_media_kinds() {
    plays_sdp(SDP.replace("m=video", "m=vendor"));
    plays_sdp(SDP.replace("m=video 0", "m= 0"));
}

#[test]
fn a_text_where_a_payload_type_belongs() {
    plays_sdp(SDP.replace("RTP/AVP 96", "RTP/AVP X-TEST"));
}

#[test]
fn a_static_payload_type_that_is_mapped_anew() {
    let sdp = format!("v=0\r\n{MEDIA}").replace("RTP/AVP 96", "RTP/AVP 26");
    let mut case = plays_sdp(sdp.replace("rtpmap:96", "rtpmap:26"));
    let name =
        case.with(|player, _| player.media().unwrap().subsessions[0].format.encoding_name.clone());
    assert_eq!(name, "H264", "not JPEG");
}

#[test]
fn static_payload_types_without_rtpmap() {
    for payload_type in ["0", "8", "11"] {
        plays_sdp(SDP.replace("m=audio 0 RTP/AVP 0", &format!("m=audio 0 RTP/AVP {payload_type}")));
    }
}

#[test]
fn two_media_with_the_same_payload_type() {
    let both =
        MEDIA.replace("m=audio 0 RTP/AVP 0", "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000");
    plays_sdp(format!("v=0\r\n{both}"));
}

#[test]
fn a_codec_that_nobody_knows() {
    let case = plays_sdp(SDP);
    assert_eq!(case.world.log.frames[0].data, [0x65; 160], "its payloads as they are");
}

// Control URLs

/// The URLs of SETUP and PLAY.
#[track_caller]
fn asks(mut case: Case, setup: [&str; 2], play: &str) {
    assert_eq!(case.urls("SETUP"), setup.map(|url| format!("rtsp://10.0.0.1/{url}")));
    assert_eq!(case.urls("PLAY"), [format!("rtsp://10.0.0.1/{play}")]);
}

#[test]
fn absolute_and_relative_controls() {
    let sdp = SDP.replace("control:track1", "control:rtsp://10.0.0.1/media/track1");
    asks(plays_sdp(sdp), ["media/track1", "x/track2"], "x/");
    let sdp = SDP.replace("control:track1", "control:/x/track1");
    asks(plays_sdp(sdp), ["x/track1", "x/track2"], "x/");
}

#[test]
fn a_session_control_that_differs_from_content_base() {
    let sdp = SDP.replace("control:*", "control:rtsp://10.0.0.1/all");
    asks(plays_sdp(sdp), ["all/track1", "all/track2"], "all");
}

#[test]
fn bases_with_a_query_without_a_scheme_and_without_a_slash() {
    for (base, url) in [
        ("rtsp://10.0.0.1/x?channel=1", "x?channel=1"),
        ("10.0.0.1/y/", "y/"),
        ("//10.0.0.1/y/", "y/"),
        ("/y/", "y/"),
        ("rtsp://10.0.0.1/y", "y"),
    ] {
        let tracks = [1, 2].map(|n| format!("{}/track{n}", url.trim_end_matches('/')));
        let case = plays_with(Method::Describe, "Content-Base", base);
        asks(case, [&tracks[0], &tracks[1]], url);
    }
}

#[test]
fn missing_content_base_and_content_type() {
    let case = plays(|request, reply| {
        if request.method == Method::Describe {
            reply.remove("Content-Base");
            reply.remove("Content-Type");
        }
    });
    asks(case, ["x/track1", "x/track2"], "x");
}

// Header fields

/// Writes all answers so.
#[track_caller]
fn plays_written(write: fn(&str, &str) -> String) {
    plays(move |request, reply| {
        let cseq = request.headers.value("CSeq").unwrap();
        let mut head = format!("RTSP/1.0 {}\r\n{}", reply.status, write("CSeq", cseq));
        reply.headers.iter().for_each(|(name, value)| head += &write(name, value));
        if !reply.body.is_empty() {
            head += &write("Content-Length", &reply.body.len().to_string());
        }
        let mut raw = (head + "\r\n").into_bytes();
        raw.extend_from_slice(&reply.body);
        reply.raw = Some(raw);
    });
}

#[test]
fn header_names_in_any_case() {
    plays_written(|name, value| format!("{}: {value}\r\n", name.to_lowercase()));
    plays_written(|name, value| format!("{}: {value}\r\n", name.to_uppercase()));
    plays_written(|name, value| {
        format!("{}: {value}\r\n", if name == "CSeq" { "Cseq" } else { name })
    });
}

#[test]
fn spaces_before_values_and_none() {
    plays_written(|name, value| format!("{name}:   {value}\r\n"));
    plays_written(|name, value| format!("{name} : {value} \r\n"));
    plays_written(|name, value| format!("{name}:{value}\r\n"));
}

#[test]
fn a_session_with_spaces_around_its_time_out() {
    let mut case = plays_with(Method::Setup, "Session", " 12345678 ; timeout = 30 ");
    assert_eq!(case.values("PLAY", "Session"), [Some("12345678".to_owned())]);
}

#[test]
fn session_ids_of_any_kind() {
    for id in ["0x1F2E3D", "DEADBEEF", "1234567890123456789012345678901234567890", "-17", "a_b.c+$"]
    {
        let mut case = plays_with(Method::Setup, "Session", format!("{id};timeout=60"));
        assert_eq!(case.values("PLAY", "Session"), [Some(id.to_owned())]);
    }
}

#[test]
fn transport_parameters_in_any_order() {
    plays_over(TransportPolicy::Udp, |request, reply| {
        if request.method == Method::Setup {
            let asked = request.headers.value("Transport").unwrap();
            let ports = asked.split(';').find(|part| part.starts_with("client_port")).unwrap();
            let port = if request.url.as_str().ends_with("track1") { 7002 } else { 7004 };
            let all = format!("mode=play;server_port={port}-{};{ports};unicast;RTP/AVP", port + 1);
            reply.set("Transport", all);
        }
    });
}

#[test]
fn ssrcs_in_any_form() {
    // Those of the packets are 1001 and 1002; the last ones are wrong.
    for forms in [
        ["1001", "1002"],
        ["00001001", " 1002"],
        ["0x1001", "0X1002"],
        ["0", "00000000"],
        ["abcdef01", "ABCDEF02"],
        ["", "none"],
    ] {
        let case = plays(move |request, reply| {
            if request.method == Method::Setup {
                let number = usize::from(request.url.as_str().ends_with("track2"));
                let channel = 2 * number;
                let ssrc = forms[number];
                let channels = format!("interleaved={channel}-{}", channel + 1);
                reply.set("Transport", format!("RTP/AVP/TCP;unicast;{channels};ssrc={ssrc}"));
            }
        });
        // A wrong one costs no packet.
        assert!(case.frames_of(1) > 45, "{forms:?}: {}", case.frames_of(1));
    }
}

#[test]
fn channels_that_the_server_has_changed_or_left_out() {
    plays(|request, reply| {
        if request.method == Method::Setup {
            let first = request.url.as_str().ends_with("track1");
            let channels = if first { "8-9" } else { "4-5" };
            reply.set("Transport", format!("RTP/AVP/TCP;unicast;interleaved={channels}"));
        }
    });
    plays(|request, reply| {
        if request.method == Method::Setup {
            reply.set("Transport", "RTP/AVP/TCP;unicast");
        }
    });
    plays(|request, reply| {
        if request.method == Method::Setup {
            reply.remove("Transport");
        }
    });
}

/// Plays from the 30th second, with the `RTP-Info` that is made of one entry of each track.
#[track_caller]
fn plays_from(info: impl Fn([u16; 2], [u32; 2]) -> Option<String> + 'static) -> Case {
    let mut config = over(TransportPolicy::Tcp);
    config.play.range = "npt=30-".parse().ok();
    let mut case = case(config, move |request, reply| {
        if request.method == Method::Play {
            match info([FIRST_SEQUENCE; 2], [FIRST_TIMESTAMP; 2]) {
                Some(info) => reply.set("RTP-Info", info),
                None => reply.remove("RTP-Info"),
            }
        }
    });
    case.waits_for_playing();
    case.world.run_secs(1.0);
    for track in [1, 2] {
        let of_track = case.world.log.frames.iter().filter(|frame| frame.track == track);
        let times: Vec<_> = of_track.map(|frame| frame.pts).collect();
        assert!(times.len() > 40, "{:?}", case.world.told());
        assert!(times[0].abs_diff(secs(30.0)) < secs(0.05), "track {track}: {:?}", times[0]);
        assert!(times.is_sorted());
    }
    case
}

#[test]
fn rtp_info_in_any_form() {
    let url = |n: usize| format!("rtsp://10.0.0.1/x/track{n}");
    plays_from(move |seq, time| {
        let of = |n: usize| format!("url={};seq={};rtptime={}", url(n), seq[n - 1], time[n - 1]);
        Some(format!("{},{}", of(1), of(2)))
    });
    plays_from(|seq, time| {
        let of = |n: usize| format!("url=track{n};seq={};rtptime={}", seq[n - 1], time[n - 1]);
        Some(format!("{}, {};", of(1), of(2)))
    });
    plays_from(move |seq, time| {
        // The one relative and the other absolute.
        let of = |url: &str, n: usize| format!("url={url};seq={};rtptime={}", seq[n], time[n]);
        Some(format!("{},{}", of("track1", 0), of(&url(2), 1)))
    });
    plays_from(|seq, time| {
        let of = |n: usize| {
            format!("url=rtsp://192.168.1.10:554/x/track{n};seq={};rtptime={};", seq[0], time[0])
        };
        Some(format!("{},{}", of(1), of(2)))
    });
}

#[test]
fn rtp_info_that_is_missing_or_wrong() {
    plays_from(|_, _| None);
    plays_from(|_, _| Some(String::new()));
    plays_from(|_, _| Some("url=track1;seq=0;rtptime=-1,url=track2;seq=0;rtptime=-1".to_owned()));
    plays_from(|_, _| Some("url=rtsp://10.0.0.1/x;seq=60000;rtptime=4000000000".to_owned()));
    // Of one track alone.
    plays_from(|seq, time| Some(format!("url=track2;seq={};rtptime={}", seq[1], time[1])));
}

#[test]
fn a_range_that_begins_now() {
    plays_with(Method::Play, "Range", "npt=now-");
    plays(|request, reply| {
        if request.method == Method::Play {
            reply.remove("Range");
        }
    });
}

#[test]
fn packets_before_the_answer_to_play() {
    let mut case = plays(|request, reply| {
        if request.method == Method::Play {
            for sequence in 0..3u16 {
                let at = FIRST_SEQUENCE - 3 + sequence;
                let time = FIRST_TIMESTAMP - 3 * 1800 + u32::from(sequence) * 1800;
                let mut packet = rtp(96, at, time, 0x1001);
                packet.extend_from_slice(b"early");
                reply.before.extend(framed(0, &packet));
            }
        }
    });
    let early = case.world.log.frames.iter().filter(|frame| frame.data == b"early");
    assert_eq!(early.count(), 3, "none is lost");
    assert_eq!(case.with(|player, _| player.skipped().times), 0);
}

#[test]
fn garbage_between_packets_and_answers() {
    let mut case = plays(|request, reply| {
        if request.method == Method::Play {
            reply.before = b"\x00\x01garbage\xFE".to_vec();
        }
    });
    assert_eq!(case.with(|player, _| player.skipped().times), 1);
}

// Parameter sets

/// Parameter sets that can be used, as `sprop-parameter-sets`.
const SPROP: &str = "Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==";

#[track_caller]
fn plays_h264(sprop: &str) -> Case {
    let fmtp = format!("a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sprop}");
    plays_sdp(with_line(&format!("a=rtpmap:96 H264/90000\r\n{fmtp}")))
}

#[test]
fn parameter_sets_that_carry_start_codes() {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let with_code = |set: &str| {
        let set = engine.decode(set).unwrap();
        engine.encode([&[0, 0, 0, 1], &set[..]].concat())
    };
    let sets: Vec<_> = SPROP.split(',').map(with_code).collect();
    let mut case = plays_h264(&sets.join(","));
    let parameters =
        case.with(|player, _| player.media().unwrap().subsessions[0].parameters.clone());
    let riverrun::codec::CodecParameters::H264 { sps, pps } = parameters else {
        panic!("{parameters:?}")
    };
    assert_eq!((sps[0][0], pps[0][0]), (0x67, 0x68), "without them");
}

#[test]
fn parameter_sets_that_are_missing_or_wrong() {
    for sprop in ["", "AAAA", "not base64!", "Z0LA,", ",,"] {
        let mut case = plays_h264(sprop);
        let is_odd = is_odd(&mut case);
        assert!(is_odd || sprop.is_empty(), "{sprop}");
    }
}
