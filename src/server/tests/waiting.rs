//! Requests that wait for what a session provider finds out: fairly, once, and asleep.

use super::media::{TestTrack, camera, session};
use super::world::{World, secs};
use crate::media::Wake;
use crate::server::{
    Admission, DecideLater, Decision, RequestInfo, ServerConfig, ServerHooks, ServerMediaSession,
    SessionPoll, SessionProvider,
};
use crate::wire::rtsp::Method;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn track(name: &str) -> ServerMediaSession {
    session(name).with_subsession(TestTrack::video().alone())
}

/// Files that have to be read whole before they can be served.
#[derive(Clone, Default)]
struct Library {
    /// Bytes that are left to read.
    left: Arc<Mutex<HashMap<String, usize>>>,
    /// Names in the order in which they were found, and what was left of all others then.
    found: Arc<Mutex<Vec<(String, usize)>>>,
    polls: Arc<AtomicUsize>,
}

impl SessionProvider for Library {
    fn poll_session(&mut self, name: &str, budget: &mut usize) -> SessionPoll {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let mut files = self.left.lock().unwrap();
        let Some(left) = files.get_mut(name) else { return SessionPoll::NotFound };
        let read = (*left).min(*budget);
        (*left, *budget) = (*left - read, *budget - read);
        if *left > 0 {
            return SessionPoll::Pending;
        }
        self.found.lock().unwrap().push((name.to_owned(), files.values().sum()));
        SessionPoll::Found(Box::new(track(name)))
    }

    fn identity(&mut self, _: &str) -> Option<u64> {
        Some(0)
    }
}

impl Library {
    fn put(&self, name: &str, bytes: usize) {
        self.left.lock().unwrap().insert(name.to_owned(), bytes);
    }

    fn left(&self, name: &str) -> usize {
        self.left.lock().unwrap()[name]
    }

    fn world() -> (World, Self) {
        let library = Self::default();
        let mut w = World::providing(library.clone());
        w.add(camera("camera"));
        (w, library)
    }
}

#[test]
fn a_small_file_does_not_wait_for_a_large_one() {
    let (mut w, library) = Library::world();
    let budget = ServerConfig::unlimited().probe_budget;
    library.put("large.264", 4000 * budget);
    library.put("small.264", 8 * budget);
    let (large, small) = (w.client(), w.client());
    w.run_secs(0.1);
    w.ask(large, "DESCRIBE", "/large.264", &[]);
    w.ask(small, "DESCRIBE", "/small.264", &[]);
    w.answer(small).expect(200);
    w.answer(large).expect(200);
    let found = library.found.lock().unwrap().clone();
    assert_eq!((&*found[0].0, &*found[1].0), ("small.264", "large.264"));
    let read = 4000 * budget - found[0].1;
    assert!(read <= 3000 * budget, "{read} bytes of the large one were read first");
    w.expect_nothing_left();
}

#[test]
fn a_crowd_shares_the_budget() {
    let (mut w, library) = Library::world();
    let budget = ServerConfig::unlimited().probe_budget;
    let crowd: Vec<_> = (0..100).map(|_| w.client()).collect();
    w.run_secs(0.1);
    for (i, &c) in crowd.iter().enumerate() {
        library.put(&format!("{i}.264"), 4 * budget);
        w.ask(c, "DESCRIBE", &format!("/{i}.264"), &[]);
    }
    w.run(Duration::from_millis(3));
    let least_left = (0..100).map(|i| library.left(&format!("{i}.264"))).min().unwrap();
    let most_left = (0..100).map(|i| library.left(&format!("{i}.264"))).max().unwrap();
    assert!(most_left < 4 * budget, "everybody has had a share");
    assert!(most_left - least_left <= budget + budget / 8, "{least_left} to {most_left}");
    for c in crowd {
        w.answer(c).expect(200);
    }
    w.expect_nothing_left();
}

/// Counts what it is asked about, by method; lets each user in.
#[derive(Clone, Default)]
struct Doorman(Arc<Mutex<Vec<Method>>>);

impl ServerHooks for Doorman {
    fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
        self.0.lock().unwrap().push(request.request.method.clone());
        Admission::Allow(Some("alice".to_owned())).into()
    }
}

#[test]
fn a_request_that_waits_is_admitted_once_and_keeps_its_user() {
    let (mut w, library) = Library::world();
    library.put("film.264", 300 << 20);
    let doorman = Doorman::default();
    let hooks = doorman.clone();
    w.serve(|server, _| server.set_hooks(hooks));
    let c = w.client();
    w.ask(c, "DESCRIBE", "/film.264", &[]);
    w.answer(c).expect(200);
    library.put("other.264", 300 << 20);
    // Asks for "other.264" and for "other.264/track9", one after the other.
    w.ask(c, "SETUP", "/other.264/track1", &[("Transport", "RTP/AVP/TCP;unicast")]);
    w.answer(c).expect(200);
    let asked = doorman.0.lock().unwrap().clone();
    assert_eq!(asked, [Method::Describe, Method::Setup]);
    assert!(library.polls.load(Ordering::Relaxed) > 500);
    let users: Vec<_> =
        w.server().pool().iter().map(|(_, s)| s.user().map(str::to_owned)).collect();
    assert_eq!(users, [Some("alice".to_owned())]);
    w.serve(|server, _| server.set_hooks(crate::server::NoHooks));
    w.expect_nothing_left();
}

/// Finds nothing by itself: somebody else puts answers in, and wakes the server.
#[derive(Clone, Default)]
struct Desk {
    answers: Arc<Mutex<HashMap<String, bool>>>,
    wake: Arc<Mutex<Option<Wake>>>,
    polls: Arc<AtomicUsize>,
}

impl SessionProvider for Desk {
    fn set_waker(&mut self, wake: Wake) {
        *self.wake.lock().unwrap() = Some(wake);
    }

    fn poll_session(&mut self, name: &str, _: &mut usize) -> SessionPoll {
        self.polls.fetch_add(1, Ordering::Relaxed);
        // Said once: whoever forgets it has to wait again.
        match self.answers.lock().unwrap().remove(name) {
            None => SessionPoll::Waiting,
            Some(true) => SessionPoll::Found(Box::new(track(name))),
            Some(false) => SessionPoll::NotFound,
        }
    }

    fn identity(&mut self, _: &str) -> Option<u64> {
        Some(0)
    }
}

impl Desk {
    fn world(config: ServerConfig) -> (World, Self) {
        let (mut w, desk) = (World::with(config), Self::default());
        let provider = desk.clone();
        w.serve(|server, _| server.set_session_provider(provider));
        w.add(camera("camera"));
        (w, desk)
    }

    fn say(&self, name: &str, found: bool) {
        self.answers.lock().unwrap().insert(name.to_owned(), found);
        let wake = self.wake.lock().unwrap().clone().expect("the server has given a waker");
        std::thread::spawn(move || wake()).join().unwrap();
    }
}

#[test]
fn who_waits_for_another_thread_sleeps_until_it_is_woken() {
    let (mut w, desk) = Desk::world(ServerConfig::unlimited());
    let (c, other) = (w.client(), w.client());
    w.ask(c, "DESCRIBE", "/far/away", &[]);
    w.ask(c, "OPTIONS", "*", &[]);
    w.run_secs(0.1);
    assert_eq!(desk.polls.load(Ordering::Relaxed), 1);
    // Nobody looks, nothing happens.
    w.tick = secs(10.0);
    let before = w.env.statistics();
    w.run_secs(30.0);
    let turns = w.env.statistics().turns - before.turns;
    assert!(turns <= 4, "{turns} turns of a loop that has nothing to do");
    assert_eq!(desk.polls.load(Ordering::Relaxed), 1, "asked in vain");
    w.tick = secs(0.005);
    w.options(other).expect(200);
    assert!(w[c].answers.is_empty(), "answers come in order");
    desk.say("far/away", true);
    w.answer(c).expect(200);
    w.answer(c).expect(200).header("Public");
    w.ask(c, "SETUP", "/near/track1", &[("Transport", "RTP/AVP/TCP;unicast")]);
    w.run_secs(0.1);
    // Both names that the URL may mean are asked for, and each answer is heard once.
    desk.say("near", false);
    w.run_secs(0.1);
    desk.say("near/track1", true);
    w.answer(c).expect(200);
    w.expect_nothing_left();
}

#[test]
fn who_waits_for_ever_is_answered_503() {
    let config = ServerConfig { lookup_timeout: secs(20.0), ..ServerConfig::unlimited() };
    let (mut w, desk) = Desk::world(config);
    let (patient, gone) = (w.client(), w.client());
    for c in [patient, gone] {
        w.ask(c, "DESCRIBE", "/never", &[("Timestamp", "42.5")]);
        w.ask(c, "OPTIONS", "*", &[]);
    }
    w.run_secs(0.1);
    w.leave(gone);
    w.run_secs(19.0);
    assert!(w[patient].answers.is_empty());
    w.run_secs(1.0);
    let answer = w.answer(patient).expect(503);
    assert_eq!(answer.header("Retry-After"), "1");
    let (value, delay) = answer.header("Timestamp").split_once(' ').unwrap();
    assert_eq!(value, "42.5");
    assert!((19.9..20.2).contains(&delay.parse::<f64>().unwrap()), "{delay}");
    w.answer(patient).expect(200);
    // Nobody is left to be asked about.
    let polls = desk.polls.load(Ordering::Relaxed);
    desk.say("never", true);
    w.run_secs(0.1);
    assert_eq!(desk.polls.load(Ordering::Relaxed), polls);
    w.expect_nothing_left();
}
