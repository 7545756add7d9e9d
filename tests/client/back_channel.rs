//! The ONVIF back channel: asked for on request alone, and gone on without where it is refused.

use crate::camera::{Reply, SDP, rtp};
use crate::control::{Case, case, over};
use crate::world::{Told, secs};
use riverrun::client::{PlayerConfig, TrackChoice, TransportPolicy};
use riverrun::wire::rtp::PacketKind;
use riverrun::wire::rtsp::{Method, Request};

const TAG: &str = "www.onvif.org/ver20/backchannel";

fn talking(transport: TransportPolicy) -> PlayerConfig {
    let mut config = over(transport);
    config.tracks = TrackChoice::all().back_channel();
    config
}

/// What a camera does that has a back channel.
fn offer(request: &Request<'_>, reply: &mut Reply) {
    let is_wanted = request.headers.value("Require") == Some(TAG);
    if request.method == Method::Describe && is_wanted {
        let back =
            "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track3\r\na=sendonly\r\n";
        reply.body = format!("{SDP}{back}").into_bytes();
    }
}

#[track_caller]
fn plays_without(case: &mut Case, within: f64) {
    case.world.wait_for(secs(within), |told| matches!(told, Told::Playing(_)));
    case.world.run_secs(1.0);
    assert!(case.frames_of(1) > 40 && case.frames_of(2) > 40, "{:?}", case.world.told());
    assert_eq!(case.with(|player, _| player.back_channel()), None);
    let error = case.with(|player, env| player.send_to_back_channel(env, PacketKind::Rtp, &[]));
    assert!(error.is_err());
}

#[test]
fn packets_are_sent_over_it() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp, TransportPolicy::Auto] {
        let mut case = case(talking(transport), offer);
        case.waits_for_playing();
        let some = || Some(TAG.to_owned());
        assert_eq!(case.values("DESCRIBE", "Require"), [some()]);
        assert_eq!(case.values("SETUP", "Require"), [None, None, some()]);
        assert_eq!(case.values("PLAY", "Require"), [some()]);
        assert_eq!(case.with(|player, _| player.back_channel()), Some(3));
        for sequence in 0..3 {
            let mut packet = rtp(0, sequence, u32::from(sequence) * 160, 77);
            packet.extend([0xD5; 160]);
            case.with(|player, env| {
                player.send_to_back_channel(env, PacketKind::Rtp, &packet).unwrap();
                player.send_to_back_channel(env, PacketKind::Rtcp, &[0x80, 201, 0, 1]).unwrap();
            });
        }
        case.world.run_secs(1.0);
        let is_tcp = transport == TransportPolicy::Tcp;
        let camera = case.camera();
        let of_udp = |port| camera.datagrams.iter().filter(move |(at, ..)| *at == port).count();
        let of_tcp = |channel| camera.packets.iter().filter(move |(c, _)| *c == channel).count();
        if is_tcp {
            assert_eq!((of_tcp(4), of_tcp(5)), (3, 3));
        } else {
            // One datagram more opens the way at each port of the other tracks.
            assert_eq!((of_udp(7006), of_udp(7007)), (3, 3));
        }
        assert!(case.frames_of(1) > 40 && case.frames_of(2) > 40 && case.frames_of(3) == 0);
        case.with(|player, env| player.stop(env));
        case.world.wait_for(secs(1.0), |told| *told == Told::Stopped);
        let player = case.player;
        case.world.env.close(player);
        case.world.run_secs(1.0);
        assert_eq!(case.world.network().open_sockets("10.0.0.2".parse().unwrap()), 0);
    }
}

#[test]
fn it_is_not_asked_for_without_a_request() {
    let mut case = case(over(TransportPolicy::Tcp), offer);
    case.waits_for_playing();
    for method in ["DESCRIBE", "SETUP", "PLAY"] {
        assert!(case.values(method, "Require").iter().all(Option::is_none), "{method}");
    }
}

#[test]
fn a_refusal_is_no_loss() {
    for status in ["551 Option Not Supported", "400 Bad Request", "500 Internal Server Error"] {
        let mut case = case(talking(TransportPolicy::Tcp), move |request, reply| {
            if request.headers.contains("Require") {
                reply.refuse(status);
            }
        });
        plays_without(&mut case, 1.0);
        assert_eq!(case.camera().asked_for("DESCRIBE").len(), 2, "{status}");
        assert!(case.world.told().iter().all(|told| !matches!(told, Told::Lost(_))));
    }
}

#[test]
fn silence_is_no_loss() {
    let mut case = case(talking(TransportPolicy::Tcp), |request, reply| {
        reply.is_silent = request.headers.contains("Require");
    });
    plays_without(&mut case, 3.5);
    assert!(case.world.told().iter().all(|told| !matches!(told, Told::Lost(_))));
}

#[test]
fn a_closed_connection_leads_to_another_at_once() {
    let mut case = case(talking(TransportPolicy::Tcp), |request, reply| {
        reply.closes = request.headers.contains("Require");
    });
    plays_without(&mut case, 0.5);
}

#[test]
fn a_camera_that_refuses_its_setup_plays_all_the_same() {
    for is_silent in [false, true] {
        let mut case = case(talking(TransportPolicy::Auto), move |request, reply| {
            offer(request, reply);
            if request.method == Method::Setup && request.headers.contains("Require") {
                reply.refuse("461 Unsupported Transport");
                reply.is_silent = is_silent;
            }
        });
        plays_without(&mut case, 11.0);
        assert!(case.world.told().contains(&Told::TrackFailed(3)));
        assert_eq!(case.values("PLAY", "Require"), [None]);
    }
}

#[test]
fn a_camera_that_loses_it_gets_it_back() {
    // It is away, and when it comes back it does not answer at first what it does not know yet.
    let mut count = 0;
    let mut case = case(talking(TransportPolicy::Tcp), move |request, reply| {
        offer(request, reply);
        count +=
            u32::from(request.headers.contains("Require") && request.method == Method::Describe);
        reply.closes = count == 1 && request.headers.contains("Require");
    });
    plays_without(&mut case, 1.0);
    let camera = case.camera;
    case.world.env.with(camera, |camera, env| camera.close_connections(env)).unwrap();
    case.waits_for_playing();
    assert_eq!(case.with(|player, _| player.back_channel()), Some(3));
}
