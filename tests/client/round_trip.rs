//! The round-trip time to the sender of a track (RFC 3611 sections 4.4, 4.5 and 5).

use crate::camera::SDP;
use crate::control::{Case, case, over};
use crate::world::{SERVER, Told, World, secs};
use riverrun::client::{Player, TransportPolicy};
use riverrun::codec::{CodecParameters, PcmEncoding};
use riverrun::env::MediumId;
use riverrun::server::LiveTrackOptions;
use riverrun::wire::rtcp::{Compound, Packet};
use riverrun::wire::rtsp::Method;
use std::time::Duration;

/// What each track of a player has measured.
fn measured(world: &World, player: MediumId<Player>) -> Vec<Option<Duration>> {
    let player = world.env.medium(player).expect("the player is there");
    player.tracks().map(|track| track.receiver.source().reception().round_trip).collect()
}

#[test]
fn it_is_what_the_network_makes_it_however_long_the_answer_waits() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        for interval in [secs(0.02), secs(0.7)] {
            let mut world = World::new(27);
            world.set_profile(|profile| {
                (profile.latency_min, profile.latency_max) = (secs(0.05), secs(0.05));
            });
            let (encoding, channels) = (PcmEncoding::Pcmu, 1);
            let sound = CodecParameters::Pcm { encoding, sampling_rate: 8000, channels };
            world.serve_track(LiveTrackOptions::new(sound), interval);
            let player = world.play(&format!("rtsp://{SERVER}/live"), over(transport));
            world.wait_for(secs(5.0), |told| matches!(told, Told::Playing(_)));
            assert_eq!(measured(&world, player), [None], "nothing was asked");
            world.run_secs(20.0);
            let [Some(trip)] = measured(&world, player)[..] else { panic!("{transport:?}") };
            assert!(
                trip.abs_diff(secs(0.1)) < secs(0.002),
                "{transport:?}, {interval:?}: {trip:?}"
            );
            // It follows the network.
            world.set_profile(|profile| {
                (profile.latency_min, profile.latency_max) = (secs(0.15), secs(0.15));
            });
            world.run_secs(20.0);
            let [Some(trip)] = measured(&world, player)[..] else { panic!("{transport:?}") };
            assert!(
                trip.abs_diff(secs(0.3)) < secs(0.002),
                "{transport:?}, {interval:?}: {trip:?}"
            );
        }
    }
}

/// How many reports with extended ones came for each track of a camera that describes its first
/// track, or the session, with these lines.
fn asked(lines: &str, is_of_session: bool) -> [usize; 2] {
    let at = if is_of_session { "a=range:" } else { "a=control:track1" };
    let sdp = SDP.replacen(at, &format!("{lines}{at}"), 1);
    let mut case: Case = case(over(TransportPolicy::Udp), move |request, reply| {
        if request.method == Method::Describe {
            reply.body = sdp.clone().into_bytes();
        }
    });
    case.waits_for_playing();
    case.world.run_secs(20.0);
    assert_eq!(measured(&case.world, case.player), [None, None], "it does not answer");
    let camera = case.camera();
    [7003, 7005].map(|port| {
        let of_port = camera.datagrams.iter().filter(|(at, ..)| *at == port);
        let reports = of_port.filter_map(|(.., packet)| Compound::parse(packet).ok());
        let extends = |packet| matches!(packet, Ok(Packet::ExtendedReport(_)));
        reports.filter(|report| report.packets().any(extends)).count()
    })
}

#[test]
fn a_camera_is_asked_only_where_its_description_allows_that() {
    assert_eq!(asked("", false), [0, 0]);
    assert_eq!(asked("a=rtcp-xr:stat-summary=loss\r\n", false), [0, 0]);
    assert_eq!(asked("a=rtcp-xr:rcvr-rtt=sender\r\n", false), [0, 0], "we send no media");
    let [first, second] = asked("a=rtcp-xr:rcvr-rtt=all\r\n", false);
    assert!(first >= 3 && second == 0, "{first}, {second}");
    let [first, second] = asked("a=rtcp-xr:rcvr-rtt=all\r\n", true);
    assert!(first >= 3 && second >= 3, "{first}, {second}");
}
