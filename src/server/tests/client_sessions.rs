//! What the application does with client sessions: ending, filtering, extending them, and keeping
//! data of its own with them.

use super::media::{camera, film};
use super::world::{C, World, secs};
use crate::server::ClientSessionId;
use crate::server::ServerHooks;
use crate::server::pool::{FilterResult, RemovalReason, SessionInfo};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Notes which sessions have ended, and why.
#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Vec<(ClientSessionId, RemovalReason)>>>);

impl ServerHooks for Ended {
    fn session_removed(&mut self, session: &SessionInfo, reason: RemovalReason) {
        self.0.lock().unwrap().push((session.session, reason));
    }
}

fn world() -> (World, Ended) {
    let mut w = World::new();
    let ended = Ended::default();
    let hooks = ended.clone();
    w.serve(|server, _| server.set_hooks(hooks));
    w.add(camera("camera"));
    w.add(film("film"));
    (w, ended)
}

fn id(w: &World, c: C) -> ClientSessionId {
    w.session_of(c).0
}

fn is_there(w: &World, id: ClientSessionId) -> bool {
    w.server().client_session(id).is_some()
}

#[test]
fn one_client_is_sent_away_and_the_others_stream_on() {
    for tcp in [false, true] {
        let (mut w, ended) = world();
        let (a, b) = (w.playing("/film", 2, tcp), w.playing("/film", 2, tcp));
        w.run_secs(1.0);
        let gone = id(&w, a);
        assert!(w.serve(|server, env| server.end_client_session(env, gone)));
        w.run_secs(0.2);
        assert!(!w.serve(|server, env| server.end_client_session(env, gone)), "it has ended");
        assert_eq!(*ended.0.lock().unwrap(), [(gone, RemovalReason::Removed)]);
        w.check();
        assert_eq!((w[a].track(1).byes(), w[a].track(2).byes()), (1, 1));
        let frames = [a, b].map(|c| w[c].track(1).frames().len());
        w.run_secs(1.0);
        let later = [a, b].map(|c| w[c].track(1).frames().len());
        assert_eq!(later[0], frames[0]);
        assert!(later[1] > frames[1]);
        // The client hears of it, and may begin anew on its connection.
        w.request(a, "PAUSE", "/film", &[]).expect(454);
        w[a].session = None;
        w.setup_over(a, "/film", 1, tcp);
        w.play(a, "/film");
        w.expect_nothing_left();
    }
}

#[test]
fn a_filter_ends_some_and_names_others() {
    let (mut w, ended) = world();
    let clients = [
        w.playing("/camera", 1, false),
        w.playing("/film", 2, true),
        w.playing("/film", 2, false),
        w.playing("/camera", 1, true),
    ];
    let ids = clients.map(|c| id(&w, c));
    let mut asked = Vec::new();
    let referenced = w.serve(|server, env| {
        server.filter_client_sessions(env, |session| {
            asked.push(session.key());
            match session.stream() {
                "film" => FilterResult::Remove,
                _ if session.key() == ids[3] => FilterResult::Reference,
                _ => FilterResult::Keep,
            }
        })
    });
    assert_eq!(asked.len(), 4);
    assert!(ids.iter().all(|id| asked.contains(id)));
    assert_eq!(referenced, [ids[3]]);
    assert_eq!(ids.map(|id| is_there(&w, id)), [true, false, false, true]);
    let mut removed = ended.0.lock().unwrap().clone();
    removed.sort_unstable_by_key(|(id, _)| *id);
    let mut expected = [ids[1], ids[2]].map(|id| (id, RemovalReason::Removed));
    expected.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(removed, expected);
    w.expect_nothing_left();
}

#[test]
fn a_crowd_that_a_filter_ends_goes_over_several_turns() {
    let (mut w, ended) = world();
    for _ in 0..20 {
        let c = w.client();
        for _ in 0..15 {
            w[c].session = None;
            w.setup_tcp(c, "/camera", 1);
        }
    }
    w.serve(|server, env| server.filter_client_sessions(env, |_| FilterResult::Remove));
    let at_once = ended.0.lock().unwrap().len();
    assert!(0 < at_once && at_once < 300, "{at_once}");
    w.run_secs(0.1);
    assert_eq!(ended.0.lock().unwrap().len(), 300);
    w.expect_nothing_left();
}

#[test]
fn time_outs_are_changed_and_the_next_expiry_with_them() {
    let (mut w, ended) = world();
    let (short, never, plain) = (
        w.playing("/camera", 1, false),
        w.playing("/camera", 1, false),
        w.playing("/camera", 1, false),
    );
    let ids = [short, never, plain].map(|c| id(&w, c));
    w.serve(|server, env| {
        let mut session = server.client_session_mut(env, ids[0]).unwrap();
        assert!(session.set_timeout(secs(10.0)) && session.set_grace(Duration::ZERO));
        assert!(server.client_session_mut(env, ids[1]).unwrap().set_timeout(Duration::ZERO));
    });
    w.run_secs(9.0);
    assert!(is_there(&w, ids[0]));
    w.run_secs(2.0);
    assert_eq!(ids.map(|id| is_there(&w, id)), [false, true, true]);
    w.run_secs(60.0);
    assert_eq!(ids.map(|id| is_there(&w, id)), [false, true, false]);
    let reasons: Vec<_> = ended.0.lock().unwrap().iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, [RemovalReason::Expired; 2]);
    // It is announced without a time-out.
    let id = w[never].session.clone().unwrap();
    assert_eq!(w.pause(never, "/camera").header("Session"), id);
    w.run_secs(1000.0);
    assert!(is_there(&w, ids[1]));
    assert!(w.serve(|server, env| server.end_client_session(env, ids[1])));
    w.expect_nothing_left();
}

#[test]
fn a_touch_and_a_guard_extend_a_session() {
    let (mut w, _) = world();
    let (touched, guarded) = (w.playing("/camera", 1, false), w.playing("/camera", 1, false));
    let [touched, guarded] = [touched, guarded].map(|c| id(&w, c));
    let guard = w.serve(|server, env| {
        server.client_session_mut(env, guarded).unwrap().prevent_expire().unwrap()
    });
    w.run_secs(60.0);
    assert!(w.serve(|server, env| server.client_session_mut(env, touched).unwrap().touch()));
    w.run_secs(60.0);
    assert!(is_there(&w, touched), "it has 65 s since it was touched");
    w.run_secs(60.0);
    assert!(!is_there(&w, touched) && is_there(&w, guarded));
    w.serve(|server, env| server.allow_expire(env, guard));
    w.run_secs(64.0);
    assert!(is_there(&w, guarded), "its time begins with the end of the guard");
    w.run_secs(2.0);
    assert!(!is_there(&w, guarded));
    w.expect_nothing_left();
}

#[test]
fn data_of_the_application_stays_with_its_session() {
    let (mut w, _) = world();
    let (a, b) = (w.playing("/camera", 1, true), w.playing("/camera", 1, false));
    let ids = [a, b].map(|c| id(&w, c));
    let mark = Rc::new(());
    w.serve(|server, env| {
        let mut session = server.client_session_mut(env, ids[0]).unwrap();
        assert!(session.set_user_data(Some(Box::new(1_u32))).is_none());
        *session.user_data_mut::<u32>().unwrap() += 1;
        assert_eq!(session.user_data::<u32>(), Some(&2));
        assert!(session.user_data_mut::<String>().is_none());
        let before = session.set_user_data(Some(Box::new(Rc::clone(&mark)))).unwrap();
        assert_eq!(before.downcast_ref::<u32>(), Some(&2));
    });
    w.pause(a, "/camera");
    let has_mark = |w: &World, id| {
        w.server().client_session(id).and_then(|s| s.user_data::<Rc<()>>()).is_some()
    };
    assert_eq!(ids.map(|id| has_mark(&w, id)), [true, false]);
    assert_eq!(Rc::strong_count(&mark), 2);
    w.teardown(a, "/camera");
    assert_eq!(Rc::strong_count(&mark), 1, "it goes with the session");
    w.expect_nothing_left();
}

#[test]
fn new_sessions_follow_a_changed_configuration() {
    let (mut w, _) = world();
    let old = w.playing("/camera", 1, false);
    w.serve(|server, _| {
        let config = server.pool_config_mut();
        config.timeout = secs(20.0);
        config.max_sessions = 2;
        let mut n = 0;
        server.set_create_session_id(Some(Box::new(move |_| {
            n += 1;
            Some(format!("session-number-{n}"))
        })));
    });
    let new = w.client();
    let answer = w.setup_tcp(new, "/camera", 1);
    assert_eq!(answer.header("Session"), "session-number-1;timeout=20");
    let refused = w.client();
    w.setup(refused, "/camera", 1, "RTP/AVP/TCP;unicast").expect(503);
    assert!(w.pause(old, "/camera").header("Session").ends_with(";timeout=60"));
    w.expect_nothing_left();
}
