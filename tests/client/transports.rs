//! How media come: ports, groups, time limits, what changes from one connection to the next.

use crate::camera::{Camera, FIRST_SEQUENCE, FIRST_TIMESTAMP, SDP, rtp};
use crate::control::{Case, case, over};
use crate::world::{PLAYER_HOST, SERVER, Told, World, secs};
#[cfg(not(feature = "tls"))]
use riverrun::Error;
use riverrun::client::{
    MediaKind, Player, PlayerConfig, PlayerEvent, TrackChoice, TransportPolicy,
};
use riverrun::net::UdpSocket;
use riverrun::rtp::rtcp::NtpTime;
use riverrun::wire::rtsp::Method;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::channel;
use std::time::Duration;

/// The ports of a track that the client has asked for.
fn client_ports(case: &mut Case, track: usize) -> (u16, u16) {
    let transports = case.values("SETUP", "Transport");
    let transport = transports[track - 1].as_deref().unwrap();
    let ports = transport.split_once("client_port=").unwrap().1;
    let (rtp, rtcp) = ports.split(';').next().unwrap().split_once('-').unwrap();
    (rtp.parse().unwrap(), rtcp.parse().unwrap())
}

fn player_sockets(case: &mut Case) -> usize {
    case.world.network().open_sockets(PLAYER_HOST.parse::<IpAddr>().unwrap())
}

fn multiplexed() -> String {
    SDP.replace("a=control:track1", "a=rtcp-mux\r\na=control:track1")
}

#[test]
fn rtcp_shares_the_port_of_rtp_where_that_is_offered() {
    let mut case = case(over(TransportPolicy::Udp), |request, reply| {
        if request.method == Method::Describe {
            reply.body = multiplexed().into_bytes();
        }
    });
    case.waits_for_playing();
    case.world.run_secs(20.0);
    let ((rtp, rtcp), second) = (client_ports(&mut case, 1), client_ports(&mut case, 2));
    assert_eq!(rtp, rtcp);
    assert_eq!(second.1, second.0 + 1, "of the other it is not offered");
    assert_eq!(player_sockets(&mut case), 1 + 1 + 2);
    assert!(case.frames_of(1) > 900);
    let reports = |case: &mut Case, port| {
        let camera = case.camera();
        let is_report = |packet: &[u8]| packet[1] == 201;
        let of_port = camera.datagrams.iter().filter(|(at, ..)| *at == port);
        of_port.filter(|(_, from, packet)| is_report(packet) && from.port() == rtp).count()
    };
    assert!(reports(&mut case, 7002) >= 2, "to the port of RTP, and from it");
    assert_eq!(reports(&mut case, 7003), 0);
}

#[test]
fn a_server_that_does_not_multiplex_what_it_offered_is_followed() {
    let mut case = case(over(TransportPolicy::Udp), |request, reply| match request.method {
        Method::Describe => reply.body = multiplexed().into_bytes(),
        Method::Setup if request.url.as_str().ends_with("track1") => {
            let asked = request.headers.value("Transport").unwrap();
            let port = asked.split_once("client_port=").unwrap().1.split('-').next().unwrap();
            let next = port.parse::<u16>().unwrap() + 1;
            let ports = format!("client_port={port}-{next};server_port=7002-7003");
            reply.set("Transport", format!("RTP/AVP;unicast;{ports}"));
        }
        _ => {}
    });
    case.waits_for_playing();
    case.world.run_secs(5.0);
    assert_eq!(player_sockets(&mut case), 1 + 2 + 2);
    assert!(case.frames_of(1) > 200);
}

#[test]
fn the_way_through_a_firewall_is_opened() {
    let mut case = case(over(TransportPolicy::Udp), |_, _| {});
    case.waits_for_playing();
    for track in [1, 2] {
        let (rtp, rtcp) = client_ports(&mut case, track);
        for (own, to) in [(rtp, 7000 + 2 * track as u16), (rtcp, 7001 + 2 * track as u16)] {
            let camera = case.camera();
            let came =
                camera.datagrams.iter().find(|(at, from, _)| *at == to && from.port() == own);
            let (.., packet) = came.expect("a datagram from each port to its other end");
            assert_eq!(packet.len(), 12, "a header alone");
        }
    }
}

#[test]
fn packets_of_strangers_are_dropped_and_counted() {
    let mut case = case(over(TransportPolicy::Udp), |_, _| {});
    case.waits_for_playing();
    case.world.run_secs(1.0);
    let (port, _) = client_ports(&mut case, 1);
    let to = SocketAddr::new(PLAYER_HOST.parse().unwrap(), port);
    // Another host, and another port of the server.
    for from in ["10.0.0.66:7002", "10.0.0.1:9999"] {
        let mut stranger = UdpSocket::bind(&mut case.world.env, from.parse().unwrap()).unwrap();
        let mut packet = rtp(96, FIRST_SEQUENCE + 60, FIRST_TIMESTAMP, 0x1001);
        packet.extend_from_slice(b"forged");
        for _ in 0..5 {
            stranger.send_to(&mut case.world.env, &packet, to).unwrap();
        }
        case.world.run_secs(2.0);
        stranger.close(&mut case.world.env);
    }
    let foreign = case.with(|player, _| player.tracks().next().unwrap().counters.foreign);
    assert_eq!(foreign, 10);
    assert!(case.world.log.frames.iter().all(|frame| frame.data != b"forged"));
}

#[test]
fn a_server_that_sends_from_another_port_than_it_says_is_heard() {
    let mut case = case(over(TransportPolicy::Udp), |_, _| {});
    case.camera().lies_about_ports = true;
    case.waits_for_playing();
    case.world.run_secs(5.0);
    assert!(case.frames_of(1) > 200);
    assert_eq!(case.world.told().len(), 3);
}

#[test]
fn a_group_is_received() {
    let mut case = case(over(TransportPolicy::Multicast), |request, reply| {
        if request.method == Method::Setup {
            let port = if request.url.as_str().ends_with("track1") { 5000 } else { 5002 };
            let ports = format!("port={port}-{}", port + 1);
            reply
                .set("Transport", format!("RTP/AVP;multicast;destination=239.1.2.3;{ports};ttl=2"));
        }
    });
    case.world.wait_for(secs(1.0), |told| *told == Told::Playing("multicast".into()));
    let env = &mut case.world.env;
    let mut sender = UdpSocket::bind(env, "10.0.0.1:0".parse().unwrap()).unwrap();
    for sequence in 0..50u16 {
        let mut packet = rtp(96, sequence, u32::from(sequence) * 1800, 7);
        packet.extend([1; 100]);
        let env = &mut case.world.env;
        sender.send_to(env, &packet, "239.1.2.3:5000".parse().unwrap()).unwrap();
        case.world.run(Duration::from_millis(20));
    }
    case.world.run_secs(0.5);
    assert_eq!(case.frames_of(1), 50);
    sender.close(&mut case.world.env);
    let transports = case.values("SETUP", "Transport");
    assert!(transports.iter().flatten().all(|t| t.starts_with("RTP/AVP;multicast")));
}

#[test]
fn policies_are_kept_to() {
    let mut udp = case(over(TransportPolicy::Udp), |_, _| {});
    udp.camera().dead = vec![1, 2];
    let lost = Told::Lost("no packet has come over UDP".into());
    udp.world.wait_for(secs(11.0), |told| *told == lost);
    udp.waits_for_playing();
    assert_eq!(udp.world.told().last(), Some(&Told::Playing("UDP".into())), "UDP again");
    let mut tcp = case(over(TransportPolicy::Tcp), |_, _| {});
    tcp.waits_for_playing();
    let transports = tcp.values("SETUP", "Transport");
    assert!(transports.iter().flatten().all(|transport| transport.contains("interleaved=")));
    // What UDP alone is allowed for is not received over TCP.
    let mut refused = case(over(TransportPolicy::Udp), |request, reply| {
        if request.method == Method::Setup {
            reply.set("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");
        }
    });
    refused.world.wait_for(secs(1.0), |told| *told == Told::TrackFailed(1));
    // And what a server answers with TCP comes over TCP, without a change of mind.
    let mut auto = case(over(TransportPolicy::Auto), |request, reply| {
        if request.method == Method::Setup {
            let channel = if request.url.as_str().ends_with("track1") { 0 } else { 2 };
            let channels = format!("interleaved={channel}-{}", channel + 1);
            reply.set("Transport", format!("RTP/AVP/TCP;unicast;{channels}"));
        }
    });
    auto.world.wait_for(secs(1.0), |told| *told == Told::Playing("TCP".into()));
    auto.world.run_secs(2.0);
    assert!(auto.frames_of(1) > 90 && auto.frames_of(2) > 90);
    assert_eq!(player_sockets(&mut auto), 1);
}

#[test]
fn media_over_udp_go_on_without_the_connection() {
    let mut case = case(over(TransportPolicy::Udp), |_, _| {});
    case.waits_for_playing();
    let camera = case.camera;
    let closed = case.world.env.now();
    case.world.env.with(camera, |camera, env| camera.close_connections(env)).unwrap();
    case.world.run_secs(100.0);
    assert!(case.frames_of(1) > 4900);
    let told = case.world.told();
    assert_eq!(told.iter().filter(|told| matches!(told, Told::Lost(_))).count(), 0, "{told:?}");
    // Over other connections: at once, since the server may have gone, and then as ever.
    let asked = case.camera().seconds_of("GET_PARAMETER", closed);
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[0] < 1.5 && asked[1] > 30.0, "{asked:?}");
}

#[test]
fn a_server_that_closes_connections_is_asked_twice_in_an_interval() {
    // Each after a response, or those that are idle.
    for seconds in [0.1, 5.0] {
        let mut case = case(over(TransportPolicy::Udp), |_, _| {});
        case.waits_for_playing();
        let begun = case.world.env.now();
        while case.world.env.now() < begun + secs(120.0) {
            case.world.run_secs(seconds);
            let camera = case.camera;
            case.world.env.with(camera, |camera, env| camera.close_connections(env)).unwrap();
        }
        let asked = case.camera().seconds_of("GET_PARAMETER", begun);
        assert!((4..=6).contains(&asked.len()), "{asked:?}");
        let told = case.world.told();
        assert_eq!(told.iter().filter(|told| matches!(told, Told::Lost(_))).count(), 0, "{told:?}");
    }
}

#[test]
fn a_session_that_has_ended_with_its_connection_is_noticed_without_a_goodbye() {
    let mut config = over(TransportPolicy::Udp);
    config.stall_timeout = Duration::MAX;
    let mut case = case(config, |request, reply| {
        if request.method == Method::GetParameter {
            reply.refuse("454 Session Not Found");
        }
    });
    case.waits_for_playing();
    let camera = case.camera;
    case.world.env.with(camera, |camera, env| camera.close_connections(env)).unwrap();
    let ended = Told::Lost("the server has ended the session".into());
    case.world.wait_for(secs(2.0), |told| *told == ended);
}

#[test]
fn a_server_that_has_gone_is_noticed_without_a_goodbye() {
    let mut config = over(TransportPolicy::Udp);
    config.stall_timeout = Duration::MAX;
    let mut case = case(config, |_, _| {});
    case.waits_for_playing();
    let camera = case.camera;
    case.world.env.close(camera);
    case.world.wait_for(secs(5.0), |told| matches!(told, Told::Lost(_)));
}

#[test]
fn the_round_trip_of_requests_is_measured() {
    let mut case = case(over(TransportPolicy::Udp), |_, _| {});
    case.world.set_profile(|profile| {
        (profile.latency_min, profile.latency_max) = (secs(0.05), secs(0.05));
    });
    case.waits_for_playing();
    let round_trip = case.with(|player, _| player.round_trip()).expect("PLAY is answered");
    assert!(round_trip.abs_diff(secs(0.1)) < secs(0.005), "{round_trip:?}");
}

#[test]
fn the_description_and_the_ssrc_may_change_from_one_connection_to_the_next() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut case = case(over(transport), |_, _| {});
        case.waits_for_playing();
        case.world.run_secs(2.0);
        let camera = case.camera;
        case.world.env.close(camera);
        case.world.wait_for(secs(11.0), |told| matches!(told, Told::Lost(_)));
        case.camera = Camera::open(&mut case.world.env, SERVER, |_, _| {});
        case.camera().ssrc = 0x9000;
        case.camera().sdp = "v=0\r\nm=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n\
            a=control:track1\r\n"
            .to_owned();
        case.world.wait_for(secs(5.0), |told| *told == Told::Described(1));
        let before = case.world.frames();
        case.waits_for_playing();
        case.world.run_secs(2.0);
        let frames = &case.world.log.frames;
        let after: Vec<_> = frames[before..].iter().filter(|frame| frame.track == 1).collect();
        assert!(after.len() > 90 && after[0].discontinuity);
        let ssrc = case.with(|player, _| player.tracks().next().unwrap().receiver.source().ssrc());
        assert_eq!(ssrc, Some(0x9001));
        assert!(case.world.log.frames.iter().map(|f| f.pts).is_sorted_by(|a, b| {
            // The two tracks are handed out one after the other.
            *b + Duration::from_millis(100) >= *a
        }));
    }
}

#[test]
fn each_time_limit_can_be_set() {
    /// Sets the limits of a configuration to two seconds.
    type Limit = fn(&mut PlayerConfig);
    let limits: [(&str, Limit, &str); 5] = [
        ("", |c| c.client.connect_timeout = secs(2.0), "the connection was not made in time"),
        ("OPTIONS", |c| c.client.answer_timeout = secs(2.0), "OPTIONS: no response in time"),
        ("PLAY", |c| c.client.answer_timeout = secs(2.0), "PLAY: no response in time"),
        ("RTP", |c| c.first_packet_timeout = secs(2.0), "no packet has come over UDP"),
        ("video", |c| c.stall_timeout = secs(2.0), "track 1 has stopped"),
    ];
    for (what, limit, why) in limits {
        let mut config = over(TransportPolicy::Auto);
        limit(&mut config);
        let mut world = World::new(23);
        if what.is_empty() {
            world.network().vanish("10.0.0.1".parse().unwrap());
        }
        let camera = Camera::open(&mut world.env, SERVER, move |request, reply| {
            reply.is_silent = request.method.as_str() == what;
        });
        let player = world.play(&format!("rtsp://{SERVER}/x"), config);
        if matches!(what, "RTP" | "video") {
            world.wait_for(secs(1.0), |told| matches!(told, Told::Playing(_)));
            if what == "RTP" {
                world.env.medium_mut(camera).unwrap().dead = vec![1, 2];
                // What was under way has come.
                world.env.close(player);
                world.log.told.clear();
                let mut config = over(TransportPolicy::Auto);
                limit(&mut config);
                world.play(&format!("rtsp://{SERVER}/x"), config);
            } else {
                world.run_secs(1.0);
                world.env.medium_mut(camera).unwrap().dead = vec![1];
            }
        }
        let from = world.env.now();
        let lost = world.wait_for(secs(2.3), |told| *told == Told::Lost(why.to_owned()));
        assert!(lost - from > secs(1.8), "{what}: {:?}", lost - from);
    }
}

#[test]
fn a_track_that_has_stopped_counts_as_lost_whatever_the_other_does() {
    for (dead, why) in [(1, "track 1 has stopped"), (2, "track 2 has stopped")] {
        let mut case = case(over(TransportPolicy::Tcp), |_, _| {});
        case.waits_for_playing();
        case.world.run_secs(3.0);
        case.camera().dead = vec![dead];
        let lost = Told::Lost(why.to_owned());
        case.world.wait_for(secs(10.5), |told| *told == lost);
        case.camera().dead.clear();
        case.waits_for_playing();
    }
    // Video that never comes, beside sound that does.
    let mut case = case(over(TransportPolicy::Tcp), |_, _| {});
    case.camera().dead = vec![1];
    case.waits_for_playing();
    case.world.wait_for(secs(10.5), |told| *told == Told::Lost("track 1 has stopped".into()));
}

#[test]
fn a_redirection_leads_to_another_camera_and_a_loss_back_to_the_first() {
    let mut case = case(over(TransportPolicy::Tcp), |request, reply| {
        if request.method == Method::Describe {
            reply.refuse("302 Found");
            reply.set("Location", "rtsp://10.0.0.3/y");
        }
    });
    let other = Camera::open(&mut case.world.env, "10.0.0.3:554", |_, _| {});
    case.waits_for_playing();
    case.world.run_secs(1.0);
    assert!(case.frames_of(1) > 40);
    case.world.env.with(other, |camera, env| camera.close_connections(env)).unwrap();
    case.waits_for_playing();
    assert_eq!(case.camera().asked_for("DESCRIBE").len(), 2);
}

#[test]
fn tracks_are_chosen() {
    for (choice, expected) in [
        (TrackChoice::all().kind(MediaKind::Audio), "track2"),
        (TrackChoice::all().codec("x-test"), "track1"),
        (TrackChoice::all().number(2), "track2"),
    ] {
        let mut config = over(TransportPolicy::Tcp);
        config.tracks = choice;
        let mut case = case(config, |_, _| {});
        case.waits_for_playing();
        assert_eq!(case.urls("SETUP"), [format!("rtsp://10.0.0.1/x/{expected}")]);
    }
    let mut config = over(TransportPolicy::Tcp);
    config.tracks = TrackChoice::all().codec("AV1");
    let mut none = case(config, |_, _| {});
    let lost = Told::Lost("there is no track to play".into());
    none.world.wait_for(secs(1.0), |told| *told == lost);
}

#[cfg(not(feature = "tls"))]
#[test]
fn rtsps_is_refused_without_tls() {
    let mut world = World::new(24);
    let refused =
        Player::open(&mut world.env, "rtsps://10.0.0.1/x", over(TransportPolicy::Auto), |_, _| {});
    let Err(Error::Usage(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("rtsps"), "{why}");
}

#[test]
fn frames_have_the_time_of_their_capture() {
    let mut world = World::new(25);
    world.serve();
    let (teller, told) = channel();
    let url = format!("rtsp://{SERVER}/live");
    Player::open(&mut world.env, &url, over(TransportPolicy::Udp), move |env, event| {
        if let PlayerEvent::Frame { frame, .. } = event {
            let captured = frame.wall_clock.map(NtpTime::to_unix);
            teller.send((captured, env.wall_clock())).unwrap();
        }
    })
    .unwrap();
    world.run_secs(20.0);
    let (captured, arrived): (Option<Duration>, Duration) = told.try_iter().last().unwrap();
    let age = arrived.abs_diff(captured.expect("the sender has reported"));
    assert!(age < secs(0.2), "{age:?}");
}

/// Type and format of the feedback that came to the port of the first track's RTCP (RFC 4585
/// section 6.1).
fn feedback(attributes: &str, nack: bool) -> Vec<(u8, u8)> {
    let mut config = over(TransportPolicy::Udp);
    config.nack = nack;
    let attributes = attributes.to_owned();
    let mut case = case(config, move |request, reply| {
        if request.method == Method::Describe {
            let sdp = SDP.replace("X-TEST", "H264");
            let sdp = sdp.replace("a=control:track1", &format!("{attributes}a=control:track1"));
            reply.body = sdp.into_bytes();
        }
    });
    // No key frame.
    case.camera().payload = 0x61;
    case.camera().dropped = vec![100];
    case.waits_for_playing();
    case.world.run_secs(5.0);
    assert!(case.frames_of(1) > 200);
    let camera = case.camera();
    let to_rtcp = camera.datagrams.iter().filter(|(port, ..)| *port == 7003);
    let mut kinds = Vec::new();
    for (.., datagram) in to_rtcp {
        let mut rest = &datagram[..];
        while rest.len() >= 4 {
            let len = 4 + 4 * usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            if matches!(rest[1], 205 | 206) && !kinds.contains(&(rest[1], rest[0] & 0x1F)) {
                kinds.push((rest[1], rest[0] & 0x1F));
            }
            rest = rest.get(len..).unwrap_or_default();
        }
    }
    kinds.sort_unstable();
    kinds
}

#[test]
fn feedback_is_sent_only_where_the_description_allows_it() {
    assert_eq!(feedback("", true), []);
    assert_eq!(feedback("a=rtcp-fb:96 nack pli\r\n", true), [(206, 1)]);
    assert_eq!(feedback("a=rtcp-fb:* ccm fir\r\n", true), [(206, 4)]);
    assert_eq!(feedback("a=rtcp-fb:96 nack\r\n", true), [(205, 1)]);
    assert_eq!(feedback("a=rtcp-fb:96 nack\r\n", false), []);
    assert_eq!(feedback("a=rtcp-fb:97 nack pli\r\n", true), [], "of another payload type");
}

#[test]
fn key_frames_without_parameter_sets_are_damaged_and_a_better_one_is_asked_for() {
    for (fmtp, damaged) in [
        ("", true),
        ("a=fmtp:96 packetization-mode=1\r\n", true),
        ("a=fmtp:96 sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==\r\n", false),
    ] {
        let attributes = format!("{fmtp}a=rtcp-fb:96 nack pli\r\n");
        let mut case = case(over(TransportPolicy::Udp), move |request, reply| {
            if request.method == Method::Describe {
                let sdp = SDP.replace("X-TEST", "H264");
                let at = "a=control:track1";
                reply.body = sdp.replace(at, &format!("{attributes}{at}")).into_bytes();
            }
        });
        case.waits_for_playing();
        case.world.run_secs(2.0);
        let frames = case.world.log.frames.iter().filter(|frame| frame.track == 1);
        let (bad, all) = frames.fold((0, 0), |(bad, all), f| (bad + u32::from(f.damaged), all + 1));
        assert!(all > 90 && bad == if damaged { all } else { 0 }, "{fmtp}: {bad} of {all}");
        let wants = case.with(|player, _| {
            player.tracks().next().map(|track| track.receiver.is_key_frame_wanted())
        });
        assert_eq!(wants, Some(damaged), "{fmtp}");
    }
}

#[test]
fn losses_and_first_frames_are_told() {
    let mut world = World::new(26);
    let camera = Camera::open(&mut world.env, SERVER, |_, _| {});
    world.env.medium_mut(camera).unwrap().dropped = vec![50, 51];
    let (teller, told) = channel();
    let url = format!("rtsp://{SERVER}/x");
    Player::open(&mut world.env, &url, over(TransportPolicy::Udp), move |_, event| match event {
        PlayerEvent::FirstFrame { track } => teller.send(format!("first of {track}")).unwrap(),
        PlayerEvent::Source { track, event } => {
            teller.send(format!("{track}: {event:?}")).unwrap();
        }
        _ => {}
    })
    .unwrap();
    world.run_secs(5.0);
    let told: Vec<_> = told.try_iter().collect();
    let lost = |track| format!("{track}: PacketsLost {{ count: 2, first: 1050, last: 1051 }}");
    assert_eq!(told, ["first of 1".to_owned(), "first of 2".to_owned(), lost(1), lost(2)]);
}
