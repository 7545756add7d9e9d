//! Clients that come back at the port where they were, without having torn down what they had.

use super::media::camera;
use super::world::{C, UDP, World, secs};
use crate::server::{Admission, DecideLater, Decision, RequestInfo, ServerHooks};

/// A world with a camera, and a client at a host who plays it at the port of [`UDP`].
fn playing() -> (World, C) {
    let mut w = World::new();
    w.add(camera("camera"));
    let c = w.client();
    w.setup(c, "/camera", 1, UDP).expect(200);
    w.play(c, "/camera");
    (w, c)
}

fn sessions(w: &World) -> usize {
    w.server().pool().len()
}

#[test]
fn a_crashed_client_that_comes_back_gets_one_stream() {
    let (mut w, c) = playing();
    let again = w.beside(c);
    w.leave(c);
    w.run_secs(0.1);
    assert_eq!(sessions(&w), 1, "it could have closed its connection alone");
    w.setup(again, "/camera", 1, UDP).expect(200);
    assert_eq!(sessions(&w), 1);
    w.play(again, "/camera");
    w.teardown(again, "/camera");
    assert_eq!(sessions(&w), 0);
    w.expect_nothing_left();
}

#[test]
fn a_client_whose_host_was_switched_off_does_too() {
    let (mut w, c) = playing();
    w.run_secs(14.0);
    let early = w.beside(c);
    w.setup(early, "/camera", 1, UDP).expect(200);
    assert_eq!(sessions(&w), 2, "the first was there a short time ago");
    w.teardown(early, "/camera");
    w.run_secs(2.0);
    let again = w.beside(c);
    w.setup(again, "/camera", 1, UDP).expect(200);
    assert_eq!(sessions(&w), 1);
    w[c].session = None;
    w.teardown(again, "/camera");
    w.expect_nothing_left();
}

#[test]
fn whoever_is_there_keeps_its_stream() {
    let (mut w, c) = playing();
    // Another port, another address, and the same connection.
    let other_port = w.beside(c);
    w.setup(other_port, "/camera", 1, "RTP/AVP;unicast;client_port=5002-5003").expect(200);
    let elsewhere = w.client();
    w.setup(elsewhere, "/camera", 1, UDP).expect(200);
    let session = w[c].session.take();
    w.setup(c, "/camera", 1, UDP).expect(200);
    assert_eq!(sessions(&w), 4);
    // Behind the same address somebody else, while the first is there.
    let neighbour = w.beside(c);
    w.setup(neighbour, "/camera", 1, UDP).expect(200);
    assert_eq!(sessions(&w), 5);
    for client in [c, other_port, elsewhere, neighbour] {
        w.teardown(client, "/camera");
    }
    w[c].session = session;
    w.teardown(c, "/camera");
    w.expect_nothing_left();
}

/// The user is whoever the client says it is.
struct Believing;

impl ServerHooks for Believing {
    fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
        let user = request.request.headers.value("From").map(str::to_owned);
        Admission::Allow(user).into()
    }
}

#[test]
fn nobody_ends_the_session_of_another_user() {
    let mut w = World::new();
    w.add(camera("camera"));
    w.serve(|server, _| server.set_hooks(Believing));
    let setup = |w: &mut World, c: C, user: &str| {
        let headers = [("Transport", UDP), ("From", user)];
        w.request(c, "SETUP", "/camera/track1", &headers).expect(200);
    };
    let ann = w.client();
    setup(&mut w, ann, "ann");
    let again = [w.beside(ann), w.beside(ann), w.beside(ann)];
    w.leave(ann);
    w.run_secs(0.1);
    for (c, (user, left)) in again.into_iter().zip([("bob", 2), ("", 3), ("ann", 3)]) {
        setup(&mut w, c, user);
        assert_eq!(sessions(&w), left, "{user:?}");
        w.leave(c);
        w.run_secs(0.1);
    }
    w.run(secs(70.0));
    w.expect_nothing_left();
}
