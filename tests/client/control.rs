//! What a player asks for while it plays: pauses, other places, keep-alive, its own header fields.

use crate::camera::{Camera, Reply};
use crate::world::{SERVER, Told, World, config, secs};
use riverrun::client::requests::PlayParameters;
use riverrun::client::{Player, PlayerConfig, TransportPolicy};
use riverrun::env::MediumId;
use riverrun::wire::rtsp::{Headers, Method, Range, Request};
use std::time::Duration;

pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) camera: MediumId<Camera>,
    pub(crate) player: MediumId<Player>,
}

pub(crate) fn over(transport: TransportPolicy) -> PlayerConfig {
    let mut config = config();
    config.transport = transport;
    config
}

/// A player of a camera whose answers are changed so.
pub(crate) fn case(
    config: PlayerConfig,
    change: impl FnMut(&Request<'_>, &mut Reply) + 'static,
) -> Case {
    let mut world = World::new(21);
    let camera = Camera::open(&mut world.env, SERVER, change);
    let player = world.play("rtsp://10.0.0.1/x", config);
    Case { world, camera, player }
}

impl Case {
    pub(crate) fn camera(&mut self) -> &mut Camera {
        self.world.env.medium_mut(self.camera).expect("the camera is there")
    }

    pub(crate) fn with<R>(
        &mut self,
        f: impl FnOnce(&mut Player, &mut riverrun::env::UsageEnvironment) -> R,
    ) -> R {
        self.world.env.with(self.player, f).expect("the player is there")
    }

    fn pause(&mut self) {
        self.with(|player, env| player.pause(env));
    }

    fn play(&mut self, parameters: PlayParameters) {
        self.with(|player, env| player.play(env, &parameters)).expect("parameters that can be");
    }

    fn position(&mut self) -> Duration {
        self.with(|player, _| player.position())
    }

    /// The values of a header field in the requests of a method.
    pub(crate) fn values(&mut self, method: &str, name: &str) -> Vec<Option<String>> {
        let requests = self.camera().asked_for(method);
        requests.iter().map(|request| request.headers.value(name).map(str::to_owned)).collect()
    }

    pub(crate) fn urls(&mut self, method: &str) -> Vec<String> {
        let requests = self.camera().asked_for(method);
        requests.iter().map(|request| request.url.as_str().to_owned()).collect()
    }

    /// Frames of a track.
    pub(crate) fn frames_of(&self, track: usize) -> usize {
        self.world.log.frames.iter().filter(|frame| frame.track == track).count()
    }

    #[track_caller]
    pub(crate) fn waits_for_playing(&mut self) {
        self.world.wait_for(secs(5.0), |told| matches!(told, Told::Playing(_)));
    }
}

fn npt(start: u64) -> PlayParameters {
    PlayParameters::of_range(Range::npt(Duration::from_secs(start), None))
}

#[test]
fn a_player_pauses_and_plays_on() {
    for (transport, way) in [(TransportPolicy::Udp, "UDP"), (TransportPolicy::Tcp, "TCP")] {
        let mut case = case(over(transport), |_, _| {});
        case.waits_for_playing();
        case.world.run_secs(2.0);
        case.pause();
        case.world.wait_for(secs(1.0), |told| *told == Told::Paused);
        case.world.run_secs(1.0);
        let before = case.world.frames();
        // Longer than the time-out of the session, and than that of silence.
        case.world.run_secs(300.0);
        assert_eq!(case.world.frames(), before, "{way}");
        let kept_alive = case.camera().asked_for("GET_PARAMETER").len();
        assert!((7..=8).contains(&kept_alive), "every 40 s: {kept_alive}");
        case.play(PlayParameters::default());
        case.waits_for_playing();
        case.world.run_secs(30.0);
        assert!(case.world.frames() > before + 2900, "{way}: {}", case.world.frames());
        let playing = || Told::Playing(way.to_owned());
        let expected = [Told::Connected, Told::Described(2), playing(), Told::Paused, playing()];
        assert_eq!(case.world.told(), expected);
        let ranges = case.values("PLAY", "Range");
        assert_eq!(ranges, [Some("npt=0.000-".to_owned()), None], "where it was paused");
        let frames = &case.world.log.frames;
        let times: Vec<_> = frames.iter().filter(|f| f.track == 1).map(|f| f.pts).collect();
        assert!(times.is_sorted(), "{way}");
    }
}

#[test]
fn another_place_is_played_after_a_pause() {
    let mut case = case(over(TransportPolicy::Tcp), |_, _| {});
    case.waits_for_playing();
    case.world.run_secs(2.0);
    assert!(case.position().abs_diff(secs(2.0)) < secs(0.2), "{:?}", case.position());
    case.play(npt(30));
    case.waits_for_playing();
    case.world.run_secs(1.0);
    assert!(case.position().abs_diff(secs(31.0)) < secs(0.2), "{:?}", case.position());
    case.play(npt(5));
    case.waits_for_playing();
    case.world.run_secs(1.0);
    assert!(case.position().abs_diff(secs(6.0)) < secs(0.2), "{:?}", case.position());
    let methods = case.camera().methods().split_off(4);
    assert_eq!(methods, ["PLAY", "PAUSE", "PLAY", "PAUSE", "PLAY"]);
    let ranges = case.values("PLAY", "Range");
    assert_eq!(ranges[1..], [Some("npt=30.000-".into()), Some("npt=5.000-".into())]);
    let frames = &case.world.log.frames;
    let of = |track| frames.iter().filter(move |frame| frame.track == track);
    for track in [1, 2] {
        assert!(of(track).map(|f| f.pts).is_sorted(), "one time line");
        assert_eq!(of(track).filter(|f| f.discontinuity).count(), 2, "track {track}");
    }
    assert!(!case.world.told().contains(&Told::Paused));
}

#[test]
fn a_file_is_played_from_another_place() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut world = World::new(22);
        world.serve();
        let player = world.play(&format!("rtsp://{SERVER}/h264_aac.mkv"), over(transport));
        world.wait_for(secs(2.0), |told| matches!(told, Told::Playing(_)));
        world.run_secs(1.0);
        let parameters = npt(4);
        world.env.with(player, |player, env| player.play(env, &parameters)).unwrap().unwrap();
        // A second is left of its five.
        world.wait_for(secs(4.5), |told| *told == Told::EndOfStream);
        let told = world.told();
        assert_eq!(told.iter().filter(|told| matches!(told, Told::Lost(_))).count(), 0);
    }
}

#[test]
fn what_cannot_be_paused_is_left_and_come_back_to() {
    let mut case = case(over(TransportPolicy::Tcp), |request, reply| {
        if request.method == Method::Pause {
            reply.refuse("501 Not Implemented");
        }
    });
    case.waits_for_playing();
    case.pause();
    case.world.wait_for(secs(1.0), |told| *told == Told::Paused);
    case.world.run_secs(100.0);
    assert_eq!(case.camera().methods().last().map(String::as_str), Some("TEARDOWN"));
    case.play(PlayParameters::default());
    case.waits_for_playing();
    case.world.run_secs(1.0);
    assert_eq!(case.camera().asked_for("DESCRIBE").len(), 2);
    assert!(case.frames_of(1) > 40);
}

#[test]
fn what_is_lost_in_a_pause_is_begun_anew_by_play() {
    let mut case = case(over(TransportPolicy::Tcp), |_, _| {});
    case.waits_for_playing();
    case.pause();
    case.world.wait_for(secs(1.0), |told| *told == Told::Paused);
    let camera = case.camera;
    case.world.env.with(camera, |camera, env| camera.close_connections(env)).unwrap();
    case.world.wait_for(secs(1.0), |told| matches!(told, Told::Lost(_)));
    case.world.run_secs(100.0);
    assert!(matches!(case.world.told().last(), Some(Told::Lost(_))), "{:?}", case.world.told());
    case.play(PlayParameters::default());
    case.waits_for_playing();
}

#[test]
fn a_recording_goes_on_in_another_session_where_it_was_paused() {
    let mut case = case(over(TransportPolicy::Tcp), |request, reply| {
        if request.method == Method::Describe {
            let sdp = String::from_utf8(reply.body.clone()).unwrap();
            reply.body = sdp.replace("npt=0-", "npt=0-60").into_bytes();
        }
    });
    case.waits_for_playing();
    case.world.run_secs(10.0);
    case.pause();
    case.world.wait_for(secs(1.0), |told| *told == Told::Paused);
    let camera = case.camera;
    case.world.env.with(camera, |camera, env| camera.close_connections(env)).unwrap();
    case.world.run_secs(1.0);
    case.play(PlayParameters::default());
    case.waits_for_playing();
    let range = case.values("PLAY", "Range").pop().flatten().expect("a range");
    let Ok(Range::Npt { .. }) = range.parse() else { panic!("{range}") };
    let start = range.parse::<Range>().unwrap().as_npt().unwrap().0.unwrap();
    assert!(start.abs_diff(secs(10.0)) < secs(0.2), "{range}");
}

#[test]
fn a_player_may_pause_before_it_plays() {
    let mut case = case(over(TransportPolicy::Tcp), |_, _| {});
    case.pause();
    case.world.run_secs(5.0);
    assert_eq!(case.world.told(), [Told::Paused], "and does not even connect");
    case.play(PlayParameters::default());
    case.world.wait_for(secs(1.0), |told| *told == Told::Connected);
    case.pause();
    case.world.run_secs(100.0);
    let expected = [Told::Paused, Told::Connected, Told::Described(2), Told::Paused];
    assert_eq!(case.world.told(), expected);
    assert_eq!(case.camera().asked_for("PLAY").len(), 0);
    assert_eq!(case.camera().asked_for("GET_PARAMETER").len(), 2, "kept alive");
    case.play(npt(7));
    case.waits_for_playing();
    assert_eq!(case.values("PLAY", "Range"), [Some("npt=7.000-".to_owned())]);
}

#[test]
fn tracks_are_played_one_by_one_where_the_server_wants_that() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut case = case(over(transport), |request, reply| {
            let is_aggregate = !request.url.as_str().contains("track");
            if is_aggregate && matches!(request.method, Method::Play | Method::Pause) {
                reply.refuse("459 Aggregate Operation Not Allowed");
            }
        });
        case.waits_for_playing();
        case.world.run_secs(2.0);
        let urls = ["rtsp://10.0.0.1/x/", "rtsp://10.0.0.1/x/track1", "rtsp://10.0.0.1/x/track2"];
        assert_eq!(case.urls("PLAY"), urls);
        assert!(case.frames_of(1) > 90 && case.frames_of(2) > 90);
        case.pause();
        case.world.wait_for(secs(1.0), |told| *told == Told::Paused);
        case.play(PlayParameters::default());
        case.waits_for_playing();
        assert_eq!(case.urls("PAUSE"), urls[1..], "it is known by now");
        case.with(|player, env| player.stop(env));
        case.world.wait_for(secs(1.0), |told| *told == Told::Stopped);
        assert_eq!(case.urls("TEARDOWN"), urls[1..]);
    }
}

#[test]
fn teardown_alone_may_be_wanted_for_each_track() {
    let mut case = case(over(TransportPolicy::Tcp), |request, reply| {
        let is_aggregate = !request.url.as_str().contains("track");
        if is_aggregate && request.method == Method::Teardown {
            reply.refuse("459 Aggregate Operation Not Allowed");
        }
    });
    case.waits_for_playing();
    case.with(|player, env| player.stop(env));
    case.world.wait_for(secs(1.0), |told| *told == Told::Stopped);
    let urls = ["rtsp://10.0.0.1/x/", "rtsp://10.0.0.1/x/track1", "rtsp://10.0.0.1/x/track2"];
    assert_eq!(case.urls("TEARDOWN"), urls);
}

#[test]
fn a_server_that_contradicts_itself_about_tracks_is_lost() {
    let mut case = case(over(TransportPolicy::Tcp), |request, reply| {
        let is_aggregate = !request.url.as_str().contains("track");
        match (&request.method, is_aggregate) {
            (Method::Play, true) => reply.refuse("459 Aggregate Operation Not Allowed"),
            (Method::Play, false) => reply.refuse("460 Only Aggregate Operation Allowed"),
            _ => {}
        }
    });
    let lost = |told: &Told| matches!(told, Told::Lost(why) if why.starts_with("PLAY: "));
    case.world.wait_for(secs(1.0), lost);
}

#[test]
fn each_track_may_have_a_session_of_its_own() {
    let mut number = 0;
    let mut case = case(over(TransportPolicy::Tcp), move |request, reply| {
        let session = request.headers.value("Session");
        match (&request.method, session) {
            (Method::Setup, Some(_)) => reply.refuse("459 Aggregate Operation Not Allowed"),
            (Method::Setup, None) => {
                number += 1;
                reply.set("Session", format!("s{number};timeout=30"));
            }
            (_, Some(id)) => reply.set("Session", id),
            (_, None) => {}
        }
    });
    case.waits_for_playing();
    case.world.run_secs(45.0);
    let ids = |case: &mut Case, method| case.values(method, "Session");
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(ids(&mut case, "PLAY"), [some("s1"), some("s2")]);
    let kept = ids(&mut case, "GET_PARAMETER");
    assert_eq!(kept, [some("s1"), some("s2"), some("s1"), some("s2")]);
    assert!(case.frames_of(1) > 2000 && case.frames_of(2) > 2000);
}

// Keep-alive

/// Seconds between requests of a method, after the first.
fn intervals(case: &mut Case, method: &str) -> Vec<u64> {
    let camera = case.camera();
    let at = camera.asked.iter().zip(&camera.asked_at);
    let of_method = at.filter(|(request, _)| request.method.as_str() == method);
    let times: Vec<_> = of_method.map(|(_, at)| *at).collect();
    times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64().round() as u64).collect()
}

#[test]
fn the_session_is_kept_alive_at_two_thirds_of_a_time_out_that_may_change() {
    let mut case = case(over(TransportPolicy::Udp), |request, reply| match request.method {
        Method::Setup => reply.set("Session", "12345678;timeout=30"),
        Method::GetParameter => reply.set("Session", "12345678;timeout=90"),
        _ => {}
    });
    case.waits_for_playing();
    case.world.run_secs(170.0);
    assert_eq!(intervals(&mut case, "GET_PARAMETER"), [60, 60]);
    let first = case.camera().asked_for("GET_PARAMETER")[0].clone();
    assert_eq!(first.headers.value("Session"), Some("12345678"));
    assert_eq!(first.url.as_str(), "rtsp://10.0.0.1/x/");
    let times = case.camera().asked_at.clone();
    assert!(
        (times[5] - times[4]).abs_diff(secs(20.0)) < secs(0.1),
        "PLAY, then two thirds of 30 s"
    );
    assert_eq!(case.world.told().len(), 3);
}

#[test]
fn options_keep_a_session_alive_where_get_parameter_is_unknown() {
    let lacks = |request: &Request<'_>, reply: &mut Reply| {
        if request.method == Method::Options {
            reply.set("Public", "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN");
        }
    };
    let mut without = case(over(TransportPolicy::Tcp), lacks);
    without.world.run_secs(130.0);
    assert_eq!(without.camera().asked_for("GET_PARAMETER").len(), 0);
    assert_eq!(intervals(&mut without, "OPTIONS"), [40, 40, 40]);
    let mut refused = case(over(TransportPolicy::Tcp), |request, reply| {
        if request.method == Method::GetParameter {
            reply.refuse("501 Not Implemented");
        }
    });
    refused.world.run_secs(130.0);
    assert_eq!(refused.camera().asked_for("GET_PARAMETER").len(), 1);
    assert_eq!(refused.camera().asked_for("OPTIONS").len(), 3);
    assert_eq!(refused.world.told().len(), 3);
}

#[test]
fn a_keep_alive_without_an_answer_does_not_stop_the_stream() {
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut case = case(over(transport), |request, reply| {
            reply.is_silent = request.method == Method::GetParameter;
        });
        case.world.run_secs(300.0);
        assert_eq!(case.world.told().len(), 3, "{:?}", case.world.told());
        assert!(case.frames_of(1) > 14_000);
        assert!(case.camera().asked_for("GET_PARAMETER").len() >= 7);
    }
}

#[test]
fn a_session_that_the_server_does_not_know_any_more_is_begun_anew() {
    let mut count = 0;
    let mut case = case(over(TransportPolicy::Udp), move |request, reply| {
        if request.method == Method::GetParameter {
            count += 1;
            if count == 1 {
                reply.refuse("454 Session Not Found");
            }
        }
    });
    case.waits_for_playing();
    case.world.wait_for(secs(41.0), |told| matches!(told, Told::Lost(_)));
    case.waits_for_playing();
}

#[test]
fn a_server_that_ends_the_session_is_left_and_asked_again() {
    let mut case = case(over(TransportPolicy::Udp), |_, _| {});
    case.waits_for_playing();
    let camera = case.camera;
    let teardown = b"TEARDOWN rtsp://10.0.0.1/x RTSP/1.0\r\nCSeq: 9\r\nSession: 12345678\r\n\r\n";
    case.world.env.with(camera, |camera, env| camera.say(env, teardown)).unwrap();
    let lost = Told::Lost("the server has ended the session".into());
    case.world.wait_for(secs(1.0), |told| *told == lost);
    case.waits_for_playing();
}

// Header fields

#[test]
fn ranges_in_any_unit_and_factors_are_asked_for() {
    let clock = "clock=20240101T120000Z-20240101T120030Z";
    for range in ["npt=10.000-20.000", "npt=now-", clock, "smpte-25=00:10:00-"] {
        let mut config = over(TransportPolicy::Tcp);
        config.play = PlayParameters::of_range(range.parse().unwrap());
        config.play.scale = Some(2.0);
        config.play.speed = Some(1.5);
        config.play.rate_control = Some(false);
        let mut case = case(config, |_, _| {});
        case.waits_for_playing();
        let some = |value: &str| Some(value.to_owned());
        assert_eq!(case.values("PLAY", "Range"), [some(range)]);
        assert_eq!(case.values("PLAY", "Scale"), [some("2.0")]);
        assert_eq!(case.values("PLAY", "Speed"), [some("1.5")]);
        assert_eq!(case.values("PLAY", "Rate-Control"), [some("no")]);
    }
}

#[test]
fn a_range_of_universal_time_has_an_end() {
    let mut config = over(TransportPolicy::Tcp);
    let range = "clock=20240101T120000Z-20240101T120008Z";
    config.play = PlayParameters::of_range(range.parse().unwrap());
    let mut case = case(config, |_, _| {});
    case.waits_for_playing();
    case.world.run_secs(8.0);
    assert!(case.position().abs_diff(secs(8.0)) < secs(0.2), "{:?}", case.position());
    case.camera().dead = vec![1, 2];
    case.world.wait_for(secs(3.0), |told| *told == Told::EndOfStream);
}

#[test]
fn a_presentation_ends_sooner_at_a_greater_scale() {
    let mut config = over(TransportPolicy::Tcp);
    config.play.scale = Some(4.0);
    let mut case = case(config, |request, reply| match request.method {
        Method::Describe => {
            let sdp = String::from_utf8(reply.body.clone()).unwrap();
            reply.body = sdp.replace("npt=0-", "npt=0-20").into_bytes();
        }
        // Not what was asked for.
        Method::Play => reply.set("Scale", "2.0"),
        _ => {}
    });
    case.waits_for_playing();
    case.world.run_secs(10.0);
    assert!(case.position().abs_diff(secs(20.0)) < secs(0.4), "{:?}", case.position());
    case.camera().dead = vec![1, 2];
    case.world.wait_for(secs(3.0), |told| *told == Told::EndOfStream);
}

#[test]
fn requests_carry_header_fields_of_the_application() {
    let mut config = over(TransportPolicy::Tcp);
    config.client.headers.push("X-Client", "door");
    config.client.user_agent = "doorbell/1".to_owned();
    let mut require = Headers::new();
    require.push("Require", "onvif-replay");
    config.headers = vec![(Method::Setup, require.clone()), (Method::Play, require)];
    let mut case = case(config, |_, _| {});
    case.waits_for_playing();
    for request in &case.camera().asked {
        assert_eq!(request.headers.value("X-Client"), Some("door"));
        assert_eq!(request.headers.value("User-Agent"), Some("doorbell/1"));
        let has = matches!(request.method, Method::Setup | Method::Play);
        assert_eq!(request.headers.contains("Require"), has, "{}", request.method);
    }
}
