//! What the pool promises, sentence by sentence; `model` compares it with a naive one.

use super::*;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;

mod expiry;
mod limits;
mod model;
mod session;

pub(crate) type Pool = SessionPool<&'static str>;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A small generator (xorshift) with a fixed seed.
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) const fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    pub(crate) fn fill(&mut self, buf: &mut [u8]) {
        buf.fill_with(|| (self.next() >> 32) as u8);
    }
}

pub(crate) fn peer(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 5000))
}

/// A pool, its clock and its randomness.
pub(crate) struct World {
    pub(crate) pool: Pool,
    pub(crate) now: Instant,
    pub(crate) random: Generator,
}

pub(crate) fn world(config: PoolConfig) -> World {
    World { pool: Pool::new(config), now: Instant::now(), random: Generator::new(7) }
}

impl World {
    pub(crate) fn try_create(&mut self, n: u8, stream: &str) -> Result<SessionId, CreateError> {
        self.pool.create(self.now, peer(n), stream, &mut |buf| self.random.fill(buf))
    }

    pub(crate) fn create(&mut self) -> SessionId {
        self.try_create(1, "film").unwrap()
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(crate) fn id(&self, key: SessionId) -> String {
        self.pool.session(key).unwrap().id().to_owned()
    }

    pub(crate) fn find(&mut self, id: &str) -> Option<SessionId> {
        self.pool.find(id, self.now)
    }

    pub(crate) fn peek(&self, id: &str) -> Option<SessionId> {
        self.pool.peek(id, self.now)
    }

    pub(crate) fn drain(&mut self) -> Vec<PoolEvent<&'static str>> {
        std::iter::from_fn(|| self.pool.poll_event()).collect()
    }
}

pub(crate) fn limit_of(result: Result<SessionId, CreateError>) -> (Limit, usize, Duration) {
    match result {
        Err(CreateError::AtLimit { which, limit, retry_after }) => (which, limit, retry_after),
        other => panic!("not at a limit: {other:?}"),
    }
}

/// The steps of GStreamer's own test of its pool, in this pool's terms.
#[test]
fn upstream_steps() {
    let mut w = world(PoolConfig::unlimited());
    assert_eq!((w.pool.len(), w.pool.max_sessions()), (0, 0));
    w.pool.set_max_sessions(3);
    assert_eq!(w.pool.max_sessions(), 3);
    let one = w.create();
    assert_eq!(w.pool.len(), 1);
    let two = w.create();
    assert_eq!(w.pool.len(), 2);
    let three = w.create();
    assert_eq!(w.pool.len(), 3);
    assert_eq!(limit_of(w.try_create(1, "film")).0, Limit::Sessions);
    let ids = [one, two, three].map(|key| w.id(key));
    assert_eq!(ids.each_ref().map(|id| w.find(id)), [Some(one), Some(two), Some(three)]);
    assert_eq!(w.find(""), None);
    assert!(w.pool.remove(two, RemovalReason::Removed).is_some());
    assert_eq!(w.pool.len(), 2);
    w.pool.set_max_sessions(2);
    assert_eq!((w.pool.max_sessions(), w.pool.len()), (2, 2));
    assert!(w.try_create(1, "film").is_err());
    let mut all = w.pool.keys();
    all.sort();
    assert_eq!(all, [one, three]);
    assert_eq!(w.pool.filter(|_, _| FilterResult::Keep), []);
    let only_one =
        |_: &mut Pool, key| if key == one { FilterResult::Reference } else { FilterResult::Keep };
    assert_eq!(w.pool.filter(only_one), [one]);
    let drop_three =
        |_: &mut Pool, key| if key == three { FilterResult::Remove } else { FilterResult::Keep };
    assert_eq!(w.pool.filter(drop_three), []);
    assert_eq!(ids.each_ref().map(|id| w.find(id)), [Some(one), None, None]);
    assert_eq!(w.pool.max_sessions(), 2);
    w.pool.set_max_sessions(3);
    assert_eq!(w.pool.max_sessions(), 3);
    assert_eq!(w.pool.cleanup(w.now), 0);
    assert!(w.pool.set_timeout(one, SECOND));
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now + 6 * SECOND));
}

#[test]
fn a_removed_session_leaves_nothing_behind() {
    let mut w = world(PoolConfig::unlimited());
    for n in 0..200 {
        w.try_create(n, "film").unwrap();
    }
    for key in w.pool.keys() {
        assert!(w.pool.remove(key, RemovalReason::TornDown).is_some());
        assert!(w.pool.remove(key, RemovalReason::TornDown).is_none());
        assert!(!w.pool.close(key, RemovalReason::TornDown));
    }
    assert!(w.pool.is_empty() && w.pool.by_id.is_empty() && w.pool.deadlines.is_empty());
    assert_eq!(w.pool.census.keys(), 0);
    assert_eq!(w.pool.next_timeout(w.now), None);
    assert_eq!(w.pool.next_wakeup(), None);
}

#[test]
fn ids_are_legal_distinct_and_long() {
    let mut w = world(PoolConfig::unlimited());
    let mut ids: Vec<String> = (0..5_000)
        .map(|_| {
            let key = w.create();
            w.id(key)
        })
        .collect();
    assert!(ids.iter().all(|id| id.len() == 22 && id::is_valid(id)));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5_000);
}

#[test]
fn collisions_are_tried_again_a_bounded_number_of_times() {
    let mut w = world(PoolConfig::unlimited());
    let calls = Rc::new(Cell::new(0));
    let seen = Rc::clone(&calls);
    w.pool.set_create_session_id(Some(Box::new(move |_| {
        seen.set(seen.get() + 1);
        Some("constant".to_owned())
    })));
    let key = w.create();
    assert_eq!((w.id(key).as_str(), calls.get()), ("constant", 1));
    assert_eq!(w.try_create(1, "film"), Err(CreateError::NoUniqueId));
    assert_eq!(calls.get(), 1 + MAX_TRIES);
    assert_eq!(w.pool.len(), 1);

    let mut turn = 0;
    w.pool.set_create_session_id(Some(Box::new(move |_| {
        turn += 1;
        Some(if turn < MAX_TRIES { "constant" } else { "another" }.to_owned())
    })));
    let key = w.create();
    assert_eq!(w.id(key), "another");
}

#[test]
fn ids_that_break_a_header_are_refused() {
    for bad in ["", "a b", "a;timeout=1", "a\r\nX: y", "ä"] {
        let mut w = world(PoolConfig::unlimited());
        w.pool.set_create_session_id(Some(Box::new(move |_| Some(bad.to_owned()))));
        assert_eq!(w.try_create(1, "film"), Err(CreateError::NoUniqueId), "{bad:?}");
        assert_eq!(w.pool.census.keys(), 0);
    }
    let mut w = world(PoolConfig::unlimited());
    w.pool.set_create_session_id(Some(Box::new(|_| None)));
    assert_eq!(w.try_create(1, "film"), Err(CreateError::NoUniqueId));
    w.pool.set_create_session_id(None);
    w.create();
}

#[test]
fn constant_randomness_collides_and_ends() {
    let mut w = world(PoolConfig::unlimited());
    assert!(w.pool.create(w.now, peer(1), "film", &mut |buf| buf.fill(1)).is_ok());
    let again = w.pool.create(w.now, peer(1), "film", &mut |buf| buf.fill(1));
    assert_eq!(again, Err(CreateError::NoUniqueId));
}

#[test]
fn names_match_exactly() {
    let mut w = world(PoolConfig::unlimited());
    w.pool.set_create_session_id(Some(Box::new(|_| Some("AbCdEfGh".to_owned()))));
    let key = w.create();
    assert_eq!(w.find("AbCdEfGh"), Some(key));
    for wrong in ["abcdefgh", "AbCdEfG", "AbCdEfGh ", "AbCdEfGh;timeout=60", ""] {
        assert_eq!(w.find(wrong), None);
        assert_eq!(w.peek(wrong), None);
    }
}

#[test]
fn a_stale_name_does_not_reach_the_next_session() {
    let mut w = world(PoolConfig::unlimited());
    let old = w.create();
    assert!(w.pool.close(old, RemovalReason::TornDown));
    let new = w.create();
    assert_eq!(old.raw().index, new.raw().index);
    assert!(w.pool.session(old).is_none() && w.pool.session_mut(old).is_none());
    assert!(!w.pool.touch(old, w.now));
    assert!(!w.pool.set_timeout(old, SECOND) && !w.pool.set_grace(old, SECOND));
    assert!(w.pool.prevent_expire(old, w.now).is_none());
    assert!(!w.pool.close(old, RemovalReason::Expired));
    assert_eq!(w.pool.session(new).unwrap().timeout(), 60 * SECOND);
    assert_eq!(SessionId::from_raw(new.raw()), new);
}

#[test]
fn filter_sees_a_snapshot_and_ends() {
    let mut w = world(PoolConfig::unlimited());
    for _ in 0..4 {
        w.create();
    }
    let mut visits = 0;
    let (now, mut random) = (w.now, Generator::new(3));
    let referenced = w.pool.filter(|pool, _| {
        visits += 1;
        pool.create(now, peer(1), "film", &mut |buf| random.fill(buf)).unwrap();
        FilterResult::Reference
    });
    assert_eq!((visits, referenced.len(), w.pool.len()), (4, 4, 8));
}

#[test]
fn filter_survives_any_change_by_its_callback() {
    let mut w = world(PoolConfig::unlimited());
    for _ in 0..6 {
        w.create();
    }
    w.drain();
    let mut visited = Vec::new();
    w.pool.filter(|pool, key| {
        visited.push(key);
        // The first call takes all others away, and this one, and then asks for it again.
        let all = pool.keys();
        pool.filter(|_, _| FilterResult::Remove);
        assert!(pool.is_empty() && all.contains(&key));
        FilterResult::Remove
    });
    assert_eq!(visited.len(), 1);
    let removed = w.drain();
    assert_eq!(removed.len(), 6, "one event for each, however often it was removed");
}

#[test]
fn filter_names_what_it_was_asked_to() {
    let mut w = world(PoolConfig::unlimited());
    let keys = [(); 5].map(|()| w.create());
    let mut turn = 0;
    let referenced = w.pool.filter(|pool, key| {
        turn += 1;
        match turn {
            1 => FilterResult::Keep,
            2 => FilterResult::Remove,
            // Removed by the callback and referenced: named, and the name finds nothing.
            3 => {
                pool.close(key, RemovalReason::Removed);
                FilterResult::Reference
            }
            _ => FilterResult::Reference,
        }
    });
    assert_eq!(referenced, keys[2..]);
    assert!(w.pool.session(keys[2]).is_none());
    assert_eq!(w.pool.len(), 3);
    assert_eq!(w.pool.iter().count(), 3);
}

#[test]
fn events_come_in_order_after_the_change() {
    let mut w = world(PoolConfig::unlimited());
    let (one, two) = (w.create(), w.create());
    assert!(w.pool.close(one, RemovalReason::TornDown));
    w.pass(65 * SECOND);
    assert_eq!(w.pool.cleanup(w.now), 1);
    let text = |event: &PoolEvent<_>| match event {
        PoolEvent::Created(key) => format!("created {key}"),
        PoolEvent::Removed { session, reason } => format!("{} {reason}", session.key()),
    };
    let events: Vec<String> = w.drain().iter().map(text).collect();
    let expected = [
        format!("created {one}"),
        format!("created {two}"),
        format!("{one} torn down"),
        format!("{two} expired"),
    ];
    assert_eq!(events, expected);
    assert!(w.pool.poll_event().is_none());
}

#[test]
fn hooks_are_called_once_for_each_session_with_its_reason() {
    let (tell, told) = mpsc::channel();
    let mut w = world(PoolConfig::unlimited());
    let created = tell.clone();
    w.pool.set_session_created(Some(Box::new(move |info| {
        created.send((info.session, None)).unwrap();
    })));
    w.pool.set_session_removed(Some(Box::new(move |info, reason| {
        tell.send((info.session, Some(reason))).unwrap();
    })));
    let keys = [(); 6].map(|()| w.create());
    let created: Vec<_> = keys.iter().map(|key| (*key, None)).collect();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), created);

    let _ = w.pool.remove(keys[0], RemovalReason::TornDown);
    w.pool.close(keys[1], RemovalReason::ConnectionLost);
    w.pool.filter(|_, key| match key == keys[2] {
        true => FilterResult::Remove,
        false => FilterResult::Keep,
    });
    w.pool.touch(keys[3], w.now + SECOND);
    w.pool.set_timeout(keys[4], Duration::ZERO);
    w.pool.set_timeout(keys[5], Duration::ZERO);
    w.pass(66 * SECOND);
    assert_eq!(w.pool.cleanup(w.now), 1);
    assert_eq!(w.pool.cleanup(w.now), 0);
    drop(w);
    let reasons = [
        RemovalReason::TornDown,
        RemovalReason::ConnectionLost,
        RemovalReason::Removed,
        RemovalReason::Expired,
        RemovalReason::ServerClosing,
        RemovalReason::ServerClosing,
    ];
    let removed: Vec<_> = keys.into_iter().zip(reasons.map(Some)).collect();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), removed);
}

#[test]
fn sessions_that_expire_together_have_all_left_when_the_first_is_told() {
    let mut w = world(PoolConfig::unlimited());
    for _ in 0..3 {
        w.create();
    }
    w.drain();
    w.pass(65 * SECOND);
    assert_eq!(w.pool.cleanup(w.now), 3);
    while let Some(event) = w.pool.poll_event() {
        assert!(matches!(event, PoolEvent::Removed { .. }));
        assert!(w.pool.is_empty());
        // Whoever is told may do what it likes.
        w.pool.cleanup(w.now);
        w.pool.filter(|_, _| FilterResult::Remove);
    }
}

#[test]
fn closing_all_names_the_reason() {
    let mut w = world(PoolConfig::unlimited());
    for _ in 0..3 {
        w.create();
    }
    w.drain();
    assert_eq!(w.pool.close_all(RemovalReason::ServerClosing), 3);
    let reason = RemovalReason::ServerClosing;
    let closing =
        |e: &PoolEvent<_>| matches!(e, PoolEvent::Removed { reason: r, .. } if *r == reason);
    assert!(w.drain().iter().all(closing) && w.pool.is_empty());
}
