//! What an application decides and is told.

use super::media::camera;
use super::world::{UDP, World, secs};
use crate::server::pool::{RemovalReason, SessionInfo};
use crate::server::{Admission, DecideLater, Decision, DecisionSender, RequestInfo, ServerHooks};
use crate::wire::rtsp::{Method, StatusCode};
use std::sync::{Arc, Mutex};

#[test]
fn hooks_refuse_and_accept() {
    struct Guard;
    impl ServerHooks for Guard {
        fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
            if request.request.method == Method::Describe {
                return Admission::refuse(StatusCode::UNAUTHORIZED).into();
            }
            Admission::Allow(None).into()
        }
        fn set_parameter(&mut self, _: &RequestInfo<'_>, body: &[u8]) -> bool {
            body.starts_with(b"good")
        }
    }
    let mut w = World::with_film_and_camera();
    w.serve(|server, _| server.set_hooks(Guard));
    let c = w.client();
    w.describe(c, "/film").expect(401);
    w.options(c).expect(200);
    w.request_with_body(c, "SET_PARAMETER", "/film", &[], "good: 1\r\n").expect(200);
    w.request_with_body(c, "SET_PARAMETER", "/film", &[], "bad: 1\r\n").expect(451);
}

#[test]
fn a_refusal_carries_the_challenges_of_the_application() {
    struct Guard;
    impl ServerHooks for Guard {
        fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
            let evil = "x\r\n\r\nRTSP/1.0 200 OK\r\nSession: 1";
            let admission = match request.request.method {
                Method::Describe => Admission::refuse(StatusCode::UNAUTHORIZED)
                    .header("WWW-Authenticate", "Digest realm=\"r\", nonce=\"1\"")
                    .header("WWW-Authenticate", "Basic realm=\"r\""),
                Method::Setup => Admission::refuse(StatusCode::FORBIDDEN)
                    .header("X-Why", evil)
                    .header("X\r\nEvil: a", "b")
                    .header("cseq", 77)
                    .header("Content-Length", 500)
                    .header("\r\n", "c"),
                Method::Play => {
                    Admission::refuse(StatusCode::UNAUTHORIZED).header("Connection", "close")
                }
                _ => Admission::Allow(None),
            };
            admission.into()
        }
    }
    let mut w = World::with_film_and_camera();
    w.serve(|server, _| server.set_hooks(Guard));
    let c = w.client();
    let answer = w.describe(c, "/film").expect(401);
    let challenges: Vec<_> = answer.0.headers.values("WWW-Authenticate").collect();
    assert_eq!(challenges, ["Digest realm=\"r\", nonce=\"1\"", "Basic realm=\"r\""]);
    // The client reads answers strictly: what could be injected would fail here.
    let answer = w.setup(c, "/film", 1, UDP).expect(403);
    assert_eq!(answer.header("X-Why"), "x    RTSP/1.0 200 OK  Session: 1");
    assert_eq!((answer.value("Session"), answer.value("Content-Length")), (None, None));
    assert_eq!(answer.header("XEvila"), "b");
    w.options(c).expect(200);
    assert!(!w[c].ended);
    w.ask(c, "PLAY", "/film", &[]);
    w.ask(c, "OPTIONS", "*", &[]);
    w.answer(c).expect(401);
    w.run_secs(0.1);
    assert!(w[c].ended && w[c].answers.is_empty());
}

/// Leaves all decisions to somebody else.
#[derive(Clone, Default)]
struct Porter {
    asked: Arc<Mutex<Vec<(Method, DecisionSender)>>>,
}

impl Porter {
    fn world() -> (World, Self) {
        let porter = Self::default();
        let hooks = porter.clone();
        let mut w = World::with_film_and_camera();
        w.serve(|server, _| server.set_hooks(hooks));
        (w, porter)
    }

    /// The request that was asked about first and has not been decided.
    fn next(&self) -> (Method, DecisionSender) {
        self.asked.lock().unwrap().remove(0)
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl ServerHooks for Porter {
    fn admit(&mut self, request: &RequestInfo<'_>, later: &DecideLater<'_>) -> Decision {
        let (decision, sender) = later.decide_later();
        self.asked.lock().unwrap().push((request.request.method.clone(), sender));
        decision
    }
}

#[test]
fn a_decision_may_come_later_and_from_another_thread() {
    let (mut w, porter) = Porter::world();
    let (c, other) = (w.client(), w.client());
    w.ask(c, "SETUP", "/film/track1", &[("Transport", UDP)]);
    w.ask(c, "OPTIONS", "*", &[]);
    w.run_secs(1.0);
    // What comes behind a request that waits is not looked at yet.
    assert_eq!(porter.asked(), 1);
    w.ask(other, "OPTIONS", "*", &[]);
    w.run_secs(0.1);
    assert_eq!(porter.asked(), 2);
    let (setup, options) = (porter.next(), porter.next());
    assert_eq!((&setup.0, &options.0), (&Method::Setup, &Method::Options));
    // The later one first: nobody waits for another's decision.
    options.1.decide(Admission::Allow(None));
    w.answer(other).expect(200);
    assert!(w[c].answers.is_empty());
    std::thread::scope(|s| {
        s.spawn(move || setup.1.decide(Admission::Allow(Some("alice".to_owned()))));
    });
    w.answer(c).expect(200);
    let users: Vec<_> =
        w.server().pool().iter().map(|(_, s)| s.user().map(str::to_owned)).collect();
    assert_eq!(users, [Some("alice".to_owned())]);
    w.run_secs(0.1);
    assert_eq!(porter.next().0, Method::Options, "the SETUP was asked about once");
    w.answer(c).expect(503);
}

#[test]
fn a_later_decision_may_refuse_or_never_come() {
    let (mut w, porter) = Porter::world();
    let c = w.client();
    w.ask(c, "DESCRIBE", "/film", &[]);
    w.run_secs(0.1);
    let challenge = Admission::refuse(StatusCode::UNAUTHORIZED);
    porter.next().1.decide(challenge.header("WWW-Authenticate", "Basic realm=\"r\""));
    assert_eq!(w.answer(c).expect(401).header("WWW-Authenticate"), "Basic realm=\"r\"");
    w.ask(c, "DESCRIBE", "/film", &[]);
    w.run_secs(0.1);
    drop(porter.next());
    w.answer(c).expect(503);
    w.ask(c, "DESCRIBE", "/film", &[]);
    w.run_secs(59.0);
    assert!(w[c].answers.is_empty());
    w.run_secs(2.0);
    w.answer(c).expect(503);
    // Too late, and about nobody.
    porter.next().1.decide(Admission::Allow(None));
    w.run_secs(0.1);
    assert!(w[c].answers.is_empty());
    w.ask(c, "DESCRIBE", "/film", &[]);
    w.run_secs(0.1);
    w.leave(c);
    w.run_secs(0.1);
    porter.next().1.decide(Admission::Allow(None));
    w.serve(|server, _| server.set_hooks(crate::server::NoHooks));
    w.expect_nothing_left();
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str, session: &SessionInfo) {
        let user = session.user.as_deref().unwrap_or("-");
        self.0.lock().unwrap().push(format!("{what} {} {user}", session.stream));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl ServerHooks for Diary {
    fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
        let (method, stream) = (&request.request.method, &request.stream);
        let has_session = request.session.is_some();
        let user = request.user.unwrap_or("-");
        let line = format!("{method} {stream} {} {has_session} {user}", request.peer.ip());
        self.0.lock().unwrap().push(line);
        Admission::Allow(Some("alice".to_owned())).into()
    }
    fn parameter(&mut self, request: &RequestInfo<'_>, name: &str) -> Option<String> {
        let user = request.user.unwrap_or_default();
        (name == "temperature").then(|| format!("21\r\nof {} for {user}", request.stream))
    }
    fn set_parameter(&mut self, request: &RequestInfo<'_>, body: &[u8]) -> bool {
        body == b"zoom: 2\r\n" && request.stream == "camera" && request.session.is_some()
    }
    fn session_created(&mut self, session: &SessionInfo) {
        self.note("created", session);
    }
    fn played(&mut self, session: &SessionInfo) {
        self.note("played", session);
    }
    fn paused(&mut self, session: &SessionInfo) {
        self.note("paused", session);
    }
    fn session_removed(&mut self, session: &SessionInfo, reason: RemovalReason) {
        self.note(&format!("{reason}:"), session);
    }
}

#[test]
fn hooks_are_told_who_asks_for_what_and_what_becomes_of_it() {
    let mut w = World::with_film_and_camera();
    w.add(camera("a b"));
    let diary = Diary::default();
    let hooks = diary.clone();
    w.serve(|server, _| server.set_hooks(hooks));
    let c = w.client();
    w.describe(c, "/a%20b/?token=1").expect(200);
    w.describe(c, "/elsewhere/track1").expect(404);
    w.options(c).expect(200);
    assert_eq!(
        diary.take(),
        [
            "DESCRIBE a b 10.0.1.2 false -",
            "DESCRIBE elsewhere/track1 10.0.1.2 false -",
            "OPTIONS  10.0.1.2 false -"
        ]
    );
    w.setup(c, "/film", 1, UDP).expect(200);
    w.play(c, "/film").expect(200);
    w.pause(c, "/film").expect(200);
    w.play(c, "/film").expect(200);
    w.teardown(c, "/film");
    assert_eq!(
        diary.take(),
        [
            "SETUP film 10.0.1.2 false -",
            "created film alice",
            "PLAY film 10.0.1.2 true alice",
            "played film alice",
            "PAUSE film 10.0.1.2 true alice",
            "paused film alice",
            "PLAY film 10.0.1.2 true alice",
            "played film alice",
            "TEARDOWN film 10.0.1.2 true alice",
            "torn down: film alice"
        ]
    );
    w.run(secs(0.1));
}

#[test]
fn parameters_are_of_a_stream_and_of_who_asks() {
    let mut w = World::with_film_and_camera();
    w.serve(|server, _| server.set_hooks(Diary::default()));
    let c = w.playing("/camera", 1, false);
    let answer =
        w.request_with_body(c, "GET_PARAMETER", "/camera", &[], "temperature\r\nposition\r\n");
    let body = String::from_utf8(answer.expect(200).0.body.to_vec()).unwrap();
    let lines: Vec<_> = body.lines().collect();
    assert_eq!(lines[0], "temperature: 21  of camera for alice");
    assert!(lines[1].starts_with("position: "), "{body}");
    w.request_with_body(c, "GET_PARAMETER", "/camera", &[], "humidity\r\n").expect(451);
    w.request_with_body(c, "SET_PARAMETER", "/camera", &[], "zoom: 2\r\n").expect(200);
    w.request_with_body(c, "SET_PARAMETER", "/film", &[], "zoom: 2\r\n").expect(451);
    let stranger = w.client();
    w.request_with_body(stranger, "SET_PARAMETER", "/camera", &[], "zoom: 2\r\n").expect(451);
}
