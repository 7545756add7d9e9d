//! Lies about what is asked for while a session is under way: PAUSE, another PLAY, keep-alive.

use super::{Case, answer_limit, config, lie, lie_to, limit};
use crate::liar::{Act, Liar, Media, SDP};
use crate::world::{PLAYER_HOST, SERVER, Told, World, secs};
use riverrun::client::requests::PlayParameters;
use riverrun::client::{Player, TransportPolicy};
use riverrun::env::UsageEnvironment;
use riverrun::wire::rtsp::{Range, Request};
use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

const AGGREGATE: &str = "RTSP/1.0 459 Aggregate Operation Not Allowed";

impl Case {
    fn with<R>(&mut self, f: impl FnOnce(&mut Player, &mut UsageEnvironment) -> R) -> R {
        self.world.env.with(self.player, f).expect("the player is there")
    }

    #[track_caller]
    fn plays_first(&mut self) {
        self.world.wait_for(secs(1.0), |told| matches!(told, Told::Playing(_)));
        self.world.run_secs(1.0);
    }

    fn pause(&mut self) {
        self.with(Player::pause);
    }

    fn play(&mut self, parameters: PlayParameters) {
        self.with(|player, env| player.play(env, &parameters)).expect("parameters that can be");
    }

    fn seek(&mut self) {
        self.play(PlayParameters::of_range(Range::npt(Duration::from_secs(30), None)));
    }
}

fn is_of_track(request: &Request<'_>, number: usize) -> bool {
    request.url.as_str().ends_with(&format!("track{number}"))
}

fn is_aggregate(request: &Request<'_>) -> bool {
    !request.url.as_str().contains("track")
}

#[test]
fn a_pause_that_is_not_answered() {
    let mut case = lie("PAUSE", Act::Silence);
    case.plays_first();
    case.pause();
    assert_eq!(case.loss(answer_limit()), "PAUSE: no response in time");
    // It stays paused, and plays when it is told to.
    case.world.run_secs(100.0);
    assert!(matches!(case.world.told().last(), Some(Told::Lost(_))), "{:?}", case.world.told());
    case.play(PlayParameters::default());
    case.recovers();
}

#[test]
fn another_place_of_which_the_pause_is_not_answered() {
    let mut case = lie("PAUSE", Act::Silence);
    case.plays_first();
    case.seek();
    case.loses(answer_limit(), "PAUSE: no response in time");
}

#[test]
fn another_place_that_is_not_answered() {
    let mut case = lie_to(config(), "PLAY", |_, n| if n == 1 { Act::Honest } else { Act::Silence });
    case.plays_first();
    case.seek();
    case.loses(answer_limit(), "PLAY: no response in time");
}

#[test]
fn one_track_of_several_that_is_not_answered() {
    for silent in 1..=2 {
        let case = lie_to(config(), "PLAY", move |request, _| match request {
            _ if is_aggregate(request) => Act::Answer(AGGREGATE.to_owned()),
            _ if is_of_track(request, silent) => Act::Silence,
            _ => Act::Honest,
        });
        case.loses(answer_limit(), "PLAY: no response in time");
        let mut case = lie_to(config(), "PAUSE", move |request, _| match request {
            _ if is_aggregate(request) => Act::Answer(AGGREGATE.to_owned()),
            _ if is_of_track(request, silent) => Act::Silence,
            _ => Act::Honest,
        });
        case.plays_first();
        case.seek();
        case.loses(answer_limit(), "PAUSE: no response in time");
    }
    // A server that takes no second track into its session, and is silent when asked for another.
    let case = lie_to(config(), "SETUP", |request, _| match request.headers.value("Session") {
        _ if !request.headers.value("Transport").unwrap_or_default().contains("TCP") => Act::Honest,
        Some(_) => Act::Answer(AGGREGATE.to_owned()),
        None if is_of_track(request, 2) => Act::Silence,
        None => Act::Honest,
    });
    case.loses(answer_limit(), "SETUP: no response in time");
}

#[test]
fn one_track_of_several_that_is_redirected() {
    let mut case = lie_to(config(), "PLAY", |request, _| match request {
        _ if is_aggregate(request) => Act::Answer(AGGREGATE.to_owned()),
        _ if is_of_track(request, 1) => {
            Act::Answer("RTSP/1.0 302 X\r\nLocation: rtsp://10.0.0.1:8554/x/track1".to_owned())
        }
        _ => Act::Silence,
    });
    Liar::open(&mut case.world.env, "10.0.0.1:8554", |_| Act::Honest);
    case.loses(answer_limit(), "PLAY: the client was redirected to another server");
}

#[test]
fn a_request_that_fails_at_once_when_the_caller_makes_it() {
    let host: IpAddr = PLAYER_HOST.parse().unwrap();
    let requests: [fn(&mut Case); 2] = [Case::pause, Case::seek];
    for request in requests {
        let mut config = config();
        config.transport = TransportPolicy::Udp;
        let mut case = lie_to(config, "NOTHING", |_, _| Act::Silence);
        case.world.env.with(case.liar, Liar::serve_udp).unwrap();
        case.plays_first();
        // Media go on without the connection, and there is no descriptor for another.
        case.world.env.with(case.liar, Liar::cut).unwrap();
        case.world.run_secs(0.1);
        let open = case.world.network().open_sockets(host);
        case.world.network().set_host_descriptor_limit(host, Some(open));
        request(&mut case);
        let why = case.loss(secs(0.1));
        assert!(why.starts_with("cannot connect: "), "{why}");
        case.world.network().set_host_descriptor_limit(host, None);
        case.play(PlayParameters::default());
        case.recovers();
    }
}

/// The longest time in which a server that answers no keep-alive may send nothing, with the time-out
/// of 30 s that the liar states.
fn silence_limit() -> Duration {
    limit(3 * Duration::from_secs(20) + config().client.answer_timeout)
}

#[test]
fn a_server_that_dies_in_a_pause() {
    let mut case = lie("GET_PARAMETER", Act::Silence);
    case.plays_first();
    case.liar().media = Media::Nothing;
    case.pause();
    case.world.wait_for(secs(1.0), |told| *told == Told::Paused);
    assert_eq!(case.loss(silence_limit()), "GET_PARAMETER: no response in time");
    case.play(PlayParameters::default());
    case.recovers();
}

#[test]
fn a_server_that_dies_without_audio_and_video() {
    let sdp = SDP.split("m=video").next().unwrap().to_owned()
        + "m=application 0 RTP/AVP 96\r\na=rtpmap:96 vnd.onvif.metadata/90000\r\n\
           a=control:track1\r\n";
    let is_dead = Rc::new(Cell::new(false));
    let dead = Rc::clone(&is_dead);
    let mut world = World::new(7);
    let liar = Liar::open(&mut world.env, SERVER, move |request| match request.method.as_str() {
        "DESCRIBE" => {
            let cseq = request.headers.value("CSeq").unwrap();
            let head = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n");
            Act::Bytes(format!("{head}Content-Length: {}\r\n\r\n{sdp}", sdp.len()).into_bytes())
        }
        "GET_PARAMETER" if dead.get() => Act::Silence,
        _ => Act::Honest,
    });
    let player = world.play(&format!("rtsp://{SERVER}/x"), config());
    let mut case = Case { world, liar, is_honest: Rc::default(), player };
    case.liar().media = Media::Until(10);
    case.plays_first();
    // Nothing happens that there is to tell.
    case.world.run_secs(600.0);
    assert_eq!(case.world.told().len(), 3, "{:?}", case.world.told());
    is_dead.set(true);
    let why = case.loss(silence_limit() + Duration::from_secs(20));
    assert_eq!(why, "GET_PARAMETER: no response in time");
    is_dead.set(false);
    case.world.wait_for(secs(5.0), |told| matches!(told, Told::Playing(_)));
}
