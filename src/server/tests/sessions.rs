//! Media sessions: their life, removal and replacement while clients watch, references, and
//! sessions that are made on demand.

use super::media::{TestTrack, camera, film, session};
use super::world::{C, UDP, World, secs};
use crate::error::Error;
use crate::server::{Lifecycle, MediaSessionId, SessionPoll, SessionProvider};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

fn lifecycle(w: &World, id: MediaSessionId) -> Option<Lifecycle> {
    w.server().media_session(id).map(|s| s.lifecycle())
}

fn references(w: &World, id: MediaSessionId) -> usize {
    w.server().media_session(id).map_or(0, |s| s.reference_count())
}

#[test]
fn a_session_goes_through_its_states() {
    let mut w = World::new();
    let created = session("film");
    assert_eq!(created.lifecycle(), Lifecycle::Created);
    let refused = w.serve(|server, env| server.add_server_media_session(env, created));
    assert!(matches!(refused, Err(Error::Usage(_))));
    let configured = film("film");
    assert_eq!(configured.lifecycle(), Lifecycle::Configured);
    let id = w.add(configured);
    assert_eq!(lifecycle(&w, id), Some(Lifecycle::Active));
    let a = w.client();
    w.describe(a, "/film").expect(200);
    assert_eq!(lifecycle(&w, id), Some(Lifecycle::Active), "a look alone is no use");
    w.setup_udp(a, "/film", 1);
    assert_eq!((lifecycle(&w, id), references(&w, id)), (Some(Lifecycle::InUse), 1));
    w.setup_udp(a, "/film", 2);
    let b = w.playing("/film", 2, true);
    assert_eq!(references(&w, id), 2);
    w.teardown(a, "/film");
    w.leave(b);
    w.run_secs(0.1);
    assert_eq!((lifecycle(&w, id), references(&w, id)), (Some(Lifecycle::Active), 0));
    w.expect_nothing_left();
    assert_eq!(w.server().lookup_server_media_session("film"), Some(id), "it is kept");
}

#[test]
fn an_unnamed_session_is_refused() {
    let mut w = World::new();
    let result = w.serve(|server, env| server.add_server_media_session(env, film("//")));
    assert!(matches!(result, Err(Error::Usage(_))));
}

#[test]
fn delete_when_unreferenced_deletes_with_the_last_client() {
    let mut w = World::new();
    let id = w.add(film("film").with_delete_when_unreferenced(true));
    let (a, b) = (w.playing("/film", 2, false), w.playing("/film", 1, true));
    w.teardown(a, "/film");
    w.describe(a, "/film").expect(200);
    w.leave(b);
    w.run_secs(0.1);
    assert_eq!(lifecycle(&w, id), None);
    w.describe(a, "/film").expect(404);
    w.expect_nothing_left();
}

#[test]
fn a_session_that_expires_takes_an_unreferenced_media_session_along() {
    let mut w = World::new();
    let id = w.add(camera("camera").with_delete_when_unreferenced(true));
    let c = w.playing("/camera", 1, false);
    w.run_secs(64.0);
    assert!(lifecycle(&w, id).is_some());
    w.run_secs(2.0);
    assert_eq!(lifecycle(&w, id), None);
    w[c].session = None;
    w.describe(c, "/camera").expect(404);
    w.expect_nothing_left();
}

#[test]
fn a_removed_session_is_not_found_and_streams_on() {
    let mut w = World::new();
    let id = w.add(film("film"));
    let (c, late) = (w.playing("/film", 2, false), w.client());
    w.run_secs(1.0);
    assert!(w.serve(|server, env| server.remove_server_media_session(env, id)));
    assert!(!w.serve(|server, env| server.remove_server_media_session(env, id)));
    assert_eq!(lifecycle(&w, id), Some(Lifecycle::Removed));
    w.describe(late, "/film").expect(404);
    w.setup(late, "/film", 1, UDP).expect(404);
    w.run_secs(2.0);
    // Its client may control it as ever.
    w.pause(c, "/film");
    w.play_range(c, "/film", "npt=5-").expect(200);
    w.run_secs(1.0);
    assert!(w[c].track(1).frames().len() >= 95);
    w.check();
    w.teardown(c, "/film");
    assert_eq!(lifecycle(&w, id), None, "it goes with the last of them");
    w.expect_nothing_left();
}

#[test]
fn a_removed_session_that_nobody_uses_goes_at_once() {
    let mut w = World::new();
    let id = w.add(film("film"));
    assert!(w.serve(|server, env| server.remove_server_media_session(env, id)));
    assert_eq!(lifecycle(&w, id), None);
    let id = w.add(film("film"));
    assert!(w.serve(|server, env| server.delete_server_media_session(env, id)));
    assert!(!w.serve(|server, env| server.delete_server_media_session(env, id)));
    assert_eq!(lifecycle(&w, id), None);
    w.expect_nothing_left();
}

#[test]
fn close_all_ends_clients_and_keeps_the_session() {
    let mut w = World::new();
    let id = w.add(film("film"));
    w.add(camera("camera"));
    let clients: Vec<C> = (0..4).map(|i| w.playing("/film", 2, i % 2 == 0)).collect();
    let other = w.playing("/camera", 1, false);
    w.run_secs(1.0);
    assert_eq!(w.serve(|server, env| server.close_all_client_sessions(env, id)), 4);
    w.run_secs(0.1);
    for &c in &clients {
        assert_eq!(w[c].track(1).byes(), 1);
        let answer = w.request(c, "PLAY", "/film", &[]);
        answer.expect(454);
        w[c].session = None;
    }
    assert_eq!((references(&w, id), w.census().0), (0, 1));
    w.run_secs(1.0);
    assert!(w[other].track(1).frames().len() >= 50);
    w.setup_udp(clients[0], "/film", 1);
    w.expect_nothing_left();
}

#[test]
fn delete_does_both() {
    let mut w = World::new();
    let id = w.add(film("film"));
    let (a, b) = (w.playing("/film", 2, false), w.playing("/film", 2, true));
    assert!(w.serve(|server, env| server.delete_server_media_session(env, id)));
    assert_eq!(lifecycle(&w, id), None);
    w.run_secs(0.1);
    assert_eq!((w[a].track(2).byes(), w[b].track(2).byes()), (1, 1));
    w[a].session = None;
    w.describe(a, "/film").expect(404);
    w.expect_nothing_left();
}

#[test]
fn a_session_may_be_replaced_while_clients_watch_the_old_one() {
    for shared in [false, true] {
        let make = |tag| {
            let track = TestTrack::video().tag(tag);
            let track = if shared { track.shared() } else { track.alone() };
            session("film").with_subsession(track).with_subsession(TestTrack::audio().alone())
        };
        let mut w = World::new();
        let old = w.add(make(1));
        let a = w.client();
        w.setup_udp(a, "/film", 1);
        let (b, between) = (w.playing("/film", 2, true), w.client());
        let sdp = w.describe(between, "/film").body();
        w.play(a, "/film");
        w.run_secs(1.0);
        let new = w.add(make(2));
        assert_ne!(old, new);
        let late = w.playing("/film", 2, false);
        w.run_secs(2.0);
        let tags = |w: &World, c: C| {
            let mut tags: Vec<_> =
                w[c].track(1).rtp.iter().filter_map(|p| p.frame).map(|f| f.1).collect();
            tags.dedup();
            tags
        };
        assert_eq!(tags(&w, a), [1]);
        assert_eq!(tags(&w, b), [1]);
        assert_eq!(tags(&w, late), [2]);
        assert_ne!(w.describe(between, "/film").body(), sdp, "another origin");
        // The old one is controlled by name still, and has its other tracks; the new one is not
        // mixed into its session.
        w.pause(a, "/film");
        w.setup_udp(a, "/film", 2);
        w.play(a, "/film");
        w.run_secs(0.2);
        assert!(!w[a].track(2).rtp.is_empty());
        w.check();
        assert_eq!((references(&w, old), references(&w, new)), (2, 1));
        w.teardown(a, "/film");
        w.leave(b);
        w.run_secs(0.1);
        assert_eq!(lifecycle(&w, old), None);
        assert_eq!(w.server().lookup_server_media_session("film"), Some(new));
        w.run_secs(1.0);
        assert!(w[late].track(1).frames().len() >= 70);
        w.expect_nothing_left();
    }
}

#[test]
fn references_count_client_sessions() {
    let mut w = World::new();
    let id = w.add(film("film"));
    let c = w.client();
    for round in 1..=5 {
        w[c].session = None;
        w.setup_udp(c, "/film", 1);
        w.setup_udp(c, "/film", 2);
        w.setup_tcp(c, "/film", 1);
        assert_eq!(references(&w, id), round, "one for each, however many tracks");
    }
    w.check();
    w.expect_nothing_left();
    assert_eq!(references(&w, id), 0);
}

#[test]
fn subsessions_are_refused_once_a_client_uses_the_session() {
    let mut unused = film("film");
    unused.add_subsession(TestTrack::audio().alone()).unwrap();
    assert_eq!(unused.num_subsessions(), 3);
}

#[test]
fn sessions_of_many_names_do_not_mix() {
    let mut w = World::new();
    for i in 0..20u8 {
        let track = TestTrack::video().tag(i).shared();
        w.add(session(&format!("s{i}")).with_subsession(track));
    }
    let clients: Vec<C> = (0..20).map(|i| w.playing(&format!("/s{i}"), 1, i % 2 == 0)).collect();
    w.run_secs(1.0);
    for (i, &c) in clients.iter().enumerate() {
        assert!(w[c].track(1).rtp.len() >= 24);
        assert!(w[c].track(1).rtp.iter().all(|p| p.frame.unwrap().1 == i as u8));
    }
    w.expect_nothing_left();
}

/// Names with the polls that they take, and what stands behind them.
#[derive(Clone, Default)]
struct Shelf {
    files: Arc<Mutex<HashMap<String, (u32, u64)>>>,
    polls: Arc<AtomicUsize>,
}

impl SessionProvider for Shelf {
    fn poll_session(&mut self, name: &str, budget: &mut usize) -> SessionPoll {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let mut files = self.files.lock().unwrap();
        let Some((left, identity)) = files.get_mut(name) else { return SessionPoll::NotFound };
        if *left > 0 {
            *left -= 1;
            *budget = 0;
            return SessionPoll::Pending;
        }
        let track = TestTrack::video().tag(*identity as u8);
        SessionPoll::Found(Box::new(session(name).with_subsession(track.alone())))
    }

    fn identity(&mut self, name: &str) -> Option<u64> {
        self.files.lock().unwrap().get(name).map(|f| f.1)
    }
}

impl Shelf {
    fn put(&self, name: &str, polls: u32, identity: u64) {
        self.files.lock().unwrap().insert(name.to_owned(), (polls, identity));
    }

    fn world() -> (World, Self) {
        let shelf = Self::default();
        let mut w = World::providing(shelf.clone());
        w.add(camera("camera"));
        (w, shelf)
    }
}

#[test]
fn a_slow_probe_stops_nobody_else() {
    let (mut w, shelf) = Shelf::world();
    shelf.put("big.ts", 240_000, 1);
    let watching = w.playing("/camera", 1, true);
    let (asks, other) = (w.client(), w.client());
    w.run_secs(0.5);
    w.ask(asks, "DESCRIBE", "/big.ts", &[]);
    w.ask(asks, "OPTIONS", "*", &[]);
    let second = w.client();
    w.ask(second, "SETUP", "/big.ts/track1", &[("Transport", "RTP/AVP/TCP;unicast")]);
    let frames = w[watching].track(1).frames().len();
    for _ in 0..10 {
        // The probe takes a turn each, a microsecond: time passes slowly.
        w.run(std::time::Duration::from_millis(4));
        w.options(other).expect(200);
    }
    assert!(w[asks].answers.is_empty(), "answers come in order");
    assert!(w[watching].track(1).frames().len() > frames);
    w.answer(asks).expect(200);
    w.answer(asks).expect(200).header("Public");
    w.answer(second).expect(200);
    w.expect_nothing_left();
}

#[test]
fn one_who_gives_up_waiting_is_forgotten() {
    let (mut w, shelf) = Shelf::world();
    shelf.put("big.ts", 20_000, 1);
    let c = w.client();
    w.ask(c, "DESCRIBE", "/big.ts", &[]);
    w.run_secs(0.005);
    w.leave(c);
    w.run_secs(1.0);
    assert_eq!(w.census().2, 0);
    w.expect_nothing_left();
}

#[test]
fn a_session_is_made_once_and_made_anew_when_the_file_changes() {
    let (mut w, shelf) = Shelf::world();
    shelf.put("a", 3, 1);
    let c = w.client();
    let sdp = w.describe(c, "/a").expect(200).body();
    let polls = shelf.polls.load(Ordering::Relaxed);
    assert_eq!(w.describe(c, "/a").expect(200).body(), sdp);
    assert_eq!(shelf.polls.load(Ordering::Relaxed), polls);
    let watching = w.playing("/a", 1, false);
    w.run_secs(1.0);
    shelf.put("a", 3, 2);
    assert_ne!(w.describe(c, "/a").expect(200).body(), sdp);
    let late = w.playing("/a", 1, false);
    w.run_secs(1.0);
    assert_eq!(w[watching].track(1).rtp.last().unwrap().frame.unwrap().1, 1);
    assert_eq!(w[late].track(1).rtp.last().unwrap().frame.unwrap().1, 2);
    shelf.files.lock().unwrap().clear();
    w.describe(c, "/a").expect(404);
    w.run_secs(1.0);
    assert!(w[watching].track(1).frames().len() >= 70);
    w.check();
    w.expect_nothing_left();
    assert_eq!(w.server().media_sessions.len(), 1, "the camera alone");
}

#[test]
fn the_table_wins_over_the_provider() {
    let (mut w, shelf) = Shelf::world();
    shelf.put("camera", 0, 1);
    let c = w.client();
    assert!(w.describe(c, "/camera").expect(200).body().contains("a=range:npt=0-\r\n"));
    assert_eq!(shelf.polls.load(Ordering::Relaxed), 0);
}

#[test]
fn sessions_made_on_demand_do_not_pile_up() {
    let (mut w, shelf) = Shelf::world();
    let c = w.client();
    let used = {
        shelf.put("used", 0, 1);
        w.playing("/used", 1, false)
    };
    for i in 0..600 {
        let name = format!("f{i}");
        shelf.put(&name, 0, 1);
        w.describe(c, &format!("/{name}")).expect(200);
    }
    let kept = w.server().media_sessions.len();
    assert!((100..300).contains(&kept), "{kept}");
    assert!(w[used].track(1).byes() == 0);
    w.teardown(used, "/used");
    w.expect_nothing_left();
}

#[test]
fn many_may_wait_for_the_same_probe() {
    let (mut w, shelf) = Shelf::world();
    shelf.put("big.ts", 2000, 1);
    let clients: Vec<C> = (0..50).map(|_| w.client()).collect();
    for &c in &clients {
        w.ask(c, "DESCRIBE", "/big.ts", &[]);
    }
    for &c in &clients {
        w.answer(c).expect(200);
    }
    assert_eq!(w.server().media_sessions.len(), 2);
    w.tick = secs(0.05);
    w.expect_nothing_left();
}
