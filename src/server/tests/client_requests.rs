//! What the server asks its clients (RFC 2326 section 10).

use super::media::film;
use super::world::{C, World};
use crate::server::{ClientSessionId, RequestOutcome};
use crate::wire::rtsp::{Method, Request};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// What came of requests, in words.
type Outcomes = (Sender<String>, Receiver<String>);

/// A client that watches a film over its connection.
fn watching() -> (World, C, ClientSessionId, Outcomes) {
    let mut w = World::new();
    w.add(film("film"));
    let c = w.playing("/film", 1, true);
    w.run_secs(0.5);
    let session = w.session_of(c).0;
    (w, c, session, channel())
}

/// Asks the client of a session; what comes of it is noted.
fn ask(w: &mut World, session: ClientSessionId, outcomes: &Outcomes) -> Result<(), String> {
    let to = outcomes.0.clone();
    let mut request = Request::new(Method::GetParameter, "rtsp://10.0.0.1/film");
    request.body = b"x\r\n"[..].into();
    let sent = w.serve(|server, env| {
        server.send_request(env, session, request, Duration::from_secs(5), move |_, _, outcome| {
            let word = match outcome {
                RequestOutcome::Response(response) => response.status.code().to_string(),
                RequestOutcome::TimedOut => "timed out".to_owned(),
                RequestOutcome::ConnectionLost => "lost".to_owned(),
            };
            to.send(word).expect("the test listens");
        })
    });
    sent.map_err(|e| e.to_string())
}

/// What has come of requests since this was asked last.
fn told(outcomes: &Outcomes) -> Vec<String> {
    outcomes.1.try_iter().collect()
}

#[test]
fn a_client_is_asked_and_its_answer_is_handed_back() {
    let (mut w, c, session, outcomes) = watching();
    for cseq in 1..=2 {
        ask(&mut w, session, &outcomes).unwrap();
        w.run_secs(0.2);
        let asked = w[c].requested.remove(0);
        assert_eq!(asked.method, Method::GetParameter);
        assert_eq!(asked.headers.cseq(), Some(cseq));
        assert_eq!(asked.headers.value("Session"), w[c].session.as_deref());
        assert_eq!(&asked.body[..], b"x\r\n");
    }
    assert_eq!(told(&outcomes), [""; 0]);
    // A provisional answer is none yet, and one that answers nothing is nobody's.
    w.send(c, "RTSP/1.0 100 Continue\r\nCSeq: 2\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n");
    w.send(c, "RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\nRTSP/1.0 451 No\r\nCSeq: 1\r\n\r\n");
    w.run_secs(0.2);
    assert_eq!(told(&outcomes), ["200", "451"]);
    w.options(c).expect(200);
    assert!(w[c].track(1).frames().len() > 10, "and it streams on");
    w.expect_nothing_left();
}

#[test]
fn who_asks_hears_of_silence_and_of_the_end() {
    let (mut w, c, session, outcomes) = watching();
    ask(&mut w, session, &outcomes).unwrap();
    w.run_secs(4.9);
    assert_eq!(told(&outcomes), [""; 0]);
    w.run_secs(0.2);
    assert_eq!(told(&outcomes), ["timed out"]);
    w.send(c, "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n");
    w.run_secs(0.2);
    for _ in 0..16 {
        ask(&mut w, session, &outcomes).unwrap();
    }
    assert!(ask(&mut w, session, &outcomes).unwrap_err().contains("unanswered"));
    w.leave(c);
    w.run_secs(0.5);
    assert_eq!(told(&outcomes), ["lost"; 16]);
    assert!(ask(&mut w, session, &outcomes).unwrap_err().contains("no such client session"));
    w.expect_nothing_left();
}
