//! Servers that refuse, lie or hang: each is told of, and tried again until it does not.

use super::{FAR_HOST, far_url, push, push_config};
use crate::camera::{Camera, Reply};
use crate::relay::PROXY;
use crate::world::World;
use riverrun::client::TransportPolicy;
use riverrun::env::MediumId;
use riverrun::relay::{PushConfig, Pusher};
use riverrun::wire::auth::UserCredentials;
use std::sync::mpsc::Receiver;
use std::time::Duration;

struct Case {
    world: World,
    camera: MediumId<Camera>,
    pusher: MediumId<Pusher>,
    events: Receiver<String>,
    told: Vec<String>,
}

impl Case {
    /// A server that misbehaves when it is asked for `method`, so many times.
    fn new(
        seed: u64,
        method: &'static str,
        mut times: u32,
        config: PushConfig,
        mut fault: impl FnMut(&mut Reply) + 'static,
    ) -> Self {
        let mut world = World::new(seed);
        let device = world.serve();
        let camera = Camera::open(&mut world.env, PROXY, move |request, reply| {
            if request.method.as_str() == "OPTIONS" {
                reply.set("Public", "OPTIONS, ANNOUNCE, SETUP, RECORD, TEARDOWN, GET_PARAMETER");
            }
            if request.method.as_str() == method && times > 0 {
                times -= 1;
                fault(reply);
            }
        });
        let (pusher, events) = push(&mut world, device, "live", &far_url(), config);
        Self { world, camera, pusher, events, told: Vec::new() }
    }

    fn run(&mut self, seconds: f64) {
        self.world.run_secs(seconds);
        self.told.extend(self.events.try_iter());
    }

    fn camera(&mut self) -> &mut Camera {
        self.world.env.medium_mut(self.camera).expect("the server")
    }

    fn told_of(&self, what: &str) -> usize {
        self.told.iter().filter(|told| told.contains(what)).count()
    }

    /// Packets come to the server.
    #[track_caller]
    fn is_pushed(&mut self) {
        assert!(self.world.env.medium(self.pusher).unwrap().is_recording(), "{:?}", self.told);
        self.camera().packets.clear();
        self.run(1.0);
        let packets = self.camera().packets.len();
        assert!((48..56).contains(&packets), "{packets}");
    }
}

#[test]
fn whatever_a_server_does_is_told_and_tried_again() {
    type Fault = fn(&mut Reply);
    let silence: Fault = |reply| reply.is_silent = true;
    let closing: Fault = |reply| reply.closes = true;
    let faults: [(&str, Fault, &str); 14] = [
        ("OPTIONS", silence, "cannot push: OPTIONS: no response in time"),
        ("ANNOUNCE", silence, "cannot push: ANNOUNCE: no response in time"),
        ("SETUP", silence, "cannot push: SETUP: no response in time"),
        ("RECORD", silence, "cannot push: RECORD: no response in time"),
        ("ANNOUNCE", closing, "cannot push: the server has closed the connection"),
        ("SETUP", closing, "cannot push: the server has closed the connection"),
        ("RECORD", closing, "cannot push: the server has closed the connection"),
        ("ANNOUNCE", |r| r.refuse("406 Not Acceptable"), "ANNOUNCE: the server says 406"),
        ("ANNOUNCE", |r| r.refuse("415 Unsupported Media Type"), "ANNOUNCE: the server says 415"),
        ("SETUP", |r| r.refuse("461 Unsupported Transport"), "SETUP: the server says 461"),
        ("RECORD", |r| r.refuse("455 Method Not Valid in This State"), "RECORD: the server says"),
        ("SETUP", |r| r.set("Transport", "RTP/AVP;multicast"), "SETUP: Transport: no group"),
        ("SETUP", |r| r.raw = Some(b"RTSP/1.0 nonsense\r\n\r\n".to_vec()), "cannot push: "),
        (
            "ANNOUNCE",
            |r| {
                r.refuse("302 Found");
                r.set("Location", format!("rtsp://{PROXY}/door"));
            },
            "ANNOUNCE: too many redirections",
        ),
    ];
    for (seed, (method, fault, told)) in (1..).zip(faults) {
        // Six redirections are one failure.
        let times = if told.contains("redirections") { 18 } else { 3 };
        let config = push_config(TransportPolicy::Tcp);
        let mut case = Case::new(seed, method, times, config, fault);
        case.run(70.0);
        assert!(case.told_of(told) >= 3, "{method}: no {told:?} in {:?}", case.told);
        assert_eq!(case.told_of("cannot push"), case.told_of("trying again"), "{:?}", case.told);
        assert_eq!((case.told_of("pushing"), case.told_of("lost")), (1, 0), "{:?}", case.told);
        case.is_pushed();
    }
}

#[test]
fn a_password_that_is_refused_for_ever_is_tried_for_ever_at_the_longest_delay() {
    for (seed, user, told) in [
        (1, None, "ANNOUNCE: the server asks for a user name and a password"),
        (2, Some("door"), "ANNOUNCE: the server does not accept the user name or the password"),
    ] {
        let mut config = push_config(TransportPolicy::Tcp);
        config.client.credentials = user.map(|user| UserCredentials::new(user, "wrong"));
        config.reconnect.longest_delay = Duration::from_secs(8);
        let mut case = Case::new(seed, "ANNOUNCE", u32::MAX, config, |reply| {
            reply.refuse("401 Unauthorized");
            reply.set("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\"");
        });
        case.run(120.0);
        let tries = case.told_of(told);
        assert!((14..25).contains(&tries), "{tries}: {:?}", case.told);
        let retried = case.told.iter().rev().find(|told| told.contains("trying again"));
        let retried = retried.expect("it is tried again");
        assert!(retried.contains("after") && !retried.contains("in 1."), "{retried}");
    }
}

#[test]
fn udp_that_is_refused_gives_way_to_tcp() {
    let config = push_config(TransportPolicy::Auto);
    let mut case = Case::new(1, "SETUP", 1, config, |r| r.refuse("461 Unsupported Transport"));
    case.run(3.0);
    assert_eq!(case.told_of("pushing 1 track over TCP"), 1, "{:?}", case.told);
    assert_eq!(case.told_of("cannot"), 0);
    case.is_pushed();
    let asked: Vec<_> = (case.camera().asked_for("SETUP").iter())
        .map(|setup| setup.headers.value("Transport").unwrap().to_owned())
        .collect();
    assert!(asked[0].starts_with("RTP/AVP;unicast;client_port="), "{asked:?}");
    assert_eq!(asked[1], "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record");
    let host = crate::world::SERVER.split(':').next().unwrap().parse().unwrap();
    assert_eq!(case.world.network().open_sockets(host), 2, "the listener and the connection");
    // Where it is to be UDP alone, it is not.
    let config = push_config(TransportPolicy::Udp);
    let mut case = Case::new(2, "SETUP", 3, config, |r| r.refuse("461 Unsupported Transport"));
    case.run(30.0);
    assert_eq!(case.told_of("SETUP: the server says 461"), 3, "{:?}", case.told);
    assert_eq!(case.told_of("pushing 1 track over UDP"), 1);
}

#[test]
fn a_server_that_goes_away_in_the_middle_is_found_again() {
    let mut case = Case::new(1, "nothing", 0, push_config(TransportPolicy::Tcp), |_| {});
    case.run(10.0);
    case.is_pushed();
    for round in 1..=5 {
        // In the middle of a packet, wherever that is; at times it says so.
        case.run(7.0 + 0.0131 * f64::from(round));
        let last_words: &[u8] = match round % 2 {
            0 => b"TEARDOWN rtsp://10.0.0.1/door RTSP/1.0\r\nCSeq: 9\r\n\r\n",
            _ => b"$\0\x01\0half",
        };
        let said = case.world.env.with(case.camera, |camera, env| {
            camera.say(env, last_words);
            camera.close_connections(env);
        });
        said.unwrap();
        case.run(1.6);
        assert_eq!(case.told_of("the server is lost"), round as usize, "{:?}", case.told);
        assert_eq!(case.told_of("back after"), round as usize, "{:?}", case.told);
        case.is_pushed();
    }
    let host: std::net::IpAddr = FAR_HOST.parse().unwrap();
    assert_eq!(case.world.network().open_sockets(host), 2);
}

#[test]
fn a_server_that_answers_no_more_is_left_and_one_that_never_did_is_not() {
    // The first keep-alive request is answered, and then none.
    let mut answered = 0;
    let mut case =
        Case::new(1, "GET_PARAMETER", u32::MAX, push_config(TransportPolicy::Udp), move |reply| {
            answered += 1;
            reply.is_silent = answered > 1;
        });
    case.run(40.0);
    assert_eq!((case.told_of("pushing"), case.told_of("lost")), (1, 0), "{:?}", case.told);
    case.run(40.0);
    assert_eq!(case.told_of("the server is lost: GET_PARAMETER: no response"), 1);
    let silent = |reply: &mut Reply| reply.is_silent = true;
    let config = push_config(TransportPolicy::Tcp);
    let mut case = Case::new(2, "GET_PARAMETER", u32::MAX, config, silent);
    case.run(300.0);
    assert_eq!((case.told_of("pushing"), case.told_of("lost")), (1, 0), "{:?}", case.told);
    case.is_pushed();
}
