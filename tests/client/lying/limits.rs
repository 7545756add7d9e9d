//! Servers that cannot be reached, and answers with numbers that are absurd.

use super::{Case, answer_limit, config, lie, lie_to, limit};
use crate::liar::{Act, Liar, SDP};
use crate::world::{PLAYER_HOST, SERVER, Told, World, secs};
use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;

#[test]
fn a_connection_that_is_never_made() {
    let mut world = World::new(7);
    let host: IpAddr = SERVER.split(':').next().unwrap().parse().unwrap();
    let liar = Liar::open(&mut world.env, SERVER, |_| Act::Honest);
    world.network().vanish(host);
    let player = world.play(&format!("rtsp://{SERVER}/x"), config());
    let mut case = Case { world, liar, is_honest: Rc::new(Cell::new(true)), player };
    let within = limit(config().client.connect_timeout);
    assert_eq!(case.loss(within), "the connection was not made in time");
    case.world.network().come_back(host);
    case.recovers();
}

#[test]
fn a_name_that_is_never_resolved() {
    let mut world = World::new(7);
    let liar = Liar::open(&mut world.env, SERVER, |_| Act::Honest);
    world.network().set_unanswered_name("camera");
    let player = world.play("rtsp://camera/x", config());
    let mut case = Case { world, liar, is_honest: Rc::new(Cell::new(true)), player };
    let within = limit(config().client.resolve_timeout);
    assert_eq!(case.loss(within), "the host name was not resolved in time");
    case.world.network().set_name("camera", &["10.0.0.1".parse().unwrap()]);
    case.recovers();
}

#[test]
fn a_name_that_is_unknown() {
    let mut world = World::new(7);
    let liar = Liar::open(&mut world.env, SERVER, |_| Act::Honest);
    let player = world.play("rtsp://camera/x", config());
    let mut case = Case { world, liar, is_honest: Rc::new(Cell::new(true)), player };
    let why = case.loss(secs(0.1));
    assert_eq!(why, "the host name cannot be resolved: the host name is not known");
    case.world.network().set_name("camera", &["10.0.0.1".parse().unwrap()]);
    case.recovers();
}

#[test]
fn a_connection_that_is_made_and_closed_again() {
    lie("OPTIONS", Act::Close).loses(secs(0.1), "the server has closed the connection");
}

#[test]
fn absurd_session_timeouts() {
    for timeout in ["0", "1", "4294967295", "99999999999999999999", "-5", "x"] {
        let mut case = lie_to(config(), "SETUP", move |_, _| {
            Act::Changed(format!("Session: 12345678;timeout={timeout}"))
        });
        case.plays_on(70.0);
        let asked = case.liar().asked.iter().filter(|method| *method == "GET_PARAMETER").count();
        // Not more often than once a second, whatever the server says.
        let expected = match timeout {
            "1" => 60..=71,
            "4294967295" => 0..=0,
            _ => 1..=2,
        };
        assert!(expected.contains(&asked), "{timeout}: {asked}");
    }
}

#[test]
fn keep_alive_requests_that_are_not_answered() {
    let mut case = lie("GET_PARAMETER", Act::Silence);
    for _ in 0..10 {
        case.plays_on(60.0);
        case.world.log.frames.clear();
    }
    let mut case = lie("GET_PARAMETER", Act::Answer("RTSP/1.0 500 Oops".to_owned()));
    case.plays_on(70.0);
    // A session that is gone is no error of a request.
    let gone = Act::Answer("RTSP/1.0 454 Session Not Found".to_owned());
    lie("GET_PARAMETER", gone).loses(secs(25.0), "the server has ended the session");
}

#[test]
fn a_description_of_thousands_of_tracks() {
    let body = format!("v=0\r\n{}", "m=audio 0 RTP/AVP 0\r\n".repeat(3000));
    let head = "RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\n";
    let mut case = lie_to(config(), "DESCRIBE", move |request, _| {
        let cseq = request.headers.value("CSeq").unwrap();
        let head = format!("{head}CSeq: {cseq}\r\nContent-Length: {}\r\n\r\n", body.len());
        Act::Bytes(format!("{head}{body}").into_bytes())
    });
    case.world.env.with(case.liar, Liar::serve_udp).unwrap();
    case.watched(|world| world.run_secs(3.0));
    let open = case.world.network().open_sockets(PLAYER_HOST.parse().unwrap());
    assert!(open <= 2 * 64 + 1, "{open}");
}

#[test]
fn no_description_at_all() {
    for (body, why) in [
        ("", "DESCRIBE: the server describes no media"),
        (SDP.split("m=").next().unwrap(), "DESCRIBE: the server describes no media"),
        ("\0\u{1}\u{2}", "DESCRIBE: the server describes no media"),
    ] {
        let case = lie_to(config(), "DESCRIBE", move |request, _| {
            let cseq = request.headers.value("CSeq").unwrap();
            let head = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n");
            Act::Bytes(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
        });
        case.loses(secs(1.0), why);
    }
}

#[test]
fn tracks_that_are_all_refused() {
    let within = answer_limit();
    let mut case = lie("SETUP", Act::Answer("RTSP/1.0 404 Not Found".to_owned()));
    assert_eq!(case.loss(within), "SETUP: SETUP: the server says 404 Not Found");
    let failed = |told: &Told| matches!(told, Told::TrackFailed(_));
    assert_eq!(case.world.told().iter().filter(|told| failed(told)).count(), 2);
    case.recovers();
}

#[test]
fn redirections_to_nowhere_and_to_and_fro() {
    let to = |location: &'static str| {
        let head = format!("RTSP/1.0 302 Moved\r\nLocation: {location}");
        lie("DESCRIBE", Act::Answer(head))
    };
    to("http://10.0.0.1/x").loses(secs(1.0), "DESCRIBE: redirected to http://10.0.0.1/x");
    to("").loses(secs(1.0), "DESCRIBE: redirected to ");
    // A port at which nobody is.
    let mut case = to("rtsp://10.0.0.1:9/x");
    assert!(case.loss(secs(1.0)).starts_with("cannot connect: "));
    case.recovers();
    // Each sends the client to the other.
    let mut case =
        lie("DESCRIBE", Act::Answer("RTSP/1.0 301 X\r\nLocation: rtsp://10.0.0.1:8554/".into()));
    Liar::open(&mut case.world.env, "10.0.0.1:8554", |request| match request.method.as_str() {
        "DESCRIBE" => Act::Answer(format!("RTSP/1.0 301 X\r\nLocation: rtsp://{SERVER}/")),
        _ => Act::Honest,
    });
    case.loses(secs(1.0), "DESCRIBE: too many redirections");
}
