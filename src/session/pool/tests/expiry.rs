//! When sessions expire, and what keeps them.

use super::*;

#[test]
fn expires_exactly_at_timeout_plus_grace() {
    let mut w = world(PoolConfig::unlimited());
    let key = w.create();
    let id = w.id(key);
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now + 65 * SECOND));
    w.pass(65 * SECOND - Duration::from_nanos(1));
    assert_eq!((w.pool.cleanup(w.now), w.peek(&id)), (0, Some(key)));
    w.pass(Duration::from_nanos(1));
    assert_eq!(w.peek(&id), None);
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now));
    assert_eq!(w.pool.cleanup(w.now), 1);
    assert_eq!(w.pool.next_timeout(w.now), None);
}

#[test]
fn an_expired_session_is_never_found_again() {
    let mut w = world(PoolConfig::unlimited());
    let key = w.create();
    let id = w.id(key);
    w.pass(65 * SECOND);
    assert_eq!(w.pool.len(), 1);
    assert_eq!(w.find(&id), None);
    assert!(!w.pool.touch(key, w.now));
    assert!(!w.pool.set_timeout(key, 3_600 * SECOND));
    assert!(!w.pool.set_grace(key, 3_600 * SECOND));
    assert!(w.pool.prevent_expire(key, w.now).is_none());
    assert!(!w.pool.session_mut(key).unwrap().touch(w.now));
    assert_eq!(w.find(&id), None);
    // Not even if the clock should go back.
    w.now -= 60 * SECOND;
    assert_eq!((w.find(&id), w.peek(&id)), (None, None));
    assert_eq!(w.pool.cleanup(w.now), 1);
}

#[test]
fn find_touches_and_peek_does_not() {
    let mut w = world(PoolConfig::unlimited());
    let (found, peeked) = (w.create(), w.create());
    let (found_id, peeked_id) = (w.id(found), w.id(peeked));
    for _ in 0..64 {
        w.pass(SECOND);
        assert_eq!(w.find(&found_id), Some(found));
        assert_eq!(w.peek(&peeked_id), Some(peeked));
    }
    w.pass(SECOND);
    assert_eq!(w.pool.cleanup(w.now), 1);
    assert_eq!((w.peek(&found_id), w.peek(&peeked_id)), (Some(found), None));
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now + 64 * SECOND));
}

#[test]
fn an_earlier_time_does_not_undo_a_later_touch() {
    let mut w = world(PoolConfig::unlimited());
    let key = w.create();
    let late = w.now + 30 * SECOND;
    assert!(w.pool.touch(key, late));
    assert!(w.pool.touch(key, w.now));
    assert!(w.pool.session_mut(key).unwrap().touch(w.now));
    assert_eq!(w.pool.next_timeout(w.now), Some(late + 65 * SECOND));
}

#[test]
fn timeout_zero_never_expires_and_hides_nobody() {
    let mut w = world(PoolConfig::unlimited());
    let mut finite = Vec::new();
    for n in 0..20 {
        let key = w.create();
        if n % 2 == 0 {
            assert!(w.pool.set_timeout(key, Duration::ZERO));
        } else {
            assert!(w.pool.set_timeout(key, u32::from(n as u8) * SECOND));
            finite.push(key);
        }
    }
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now + 6 * SECOND));
    w.pass(3_650 * 86_400 * SECOND);
    assert_eq!(w.pool.cleanup(w.now), finite.len());
    assert_eq!((w.pool.len(), w.pool.next_timeout(w.now)), (10, None));
    // Becoming mortal again counts from the last sign of life, which is long ago.
    let key = w.pool.keys()[0];
    assert!(w.pool.set_timeout(key, SECOND));
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now));
    assert_eq!(w.pool.cleanup(w.now), 1);
}

#[test]
fn timeouts_of_years_and_beyond_time_itself() {
    let year = 365 * 86_400 * SECOND;
    let mut w = world(PoolConfig::unlimited());
    let keys = [(); 4].map(|()| w.create());
    for (key, timeout) in keys.iter().zip([100 * year, 3 * year, Duration::MAX, 20 * SECOND]) {
        assert!(w.pool.set_timeout(*key, timeout));
    }
    assert!(w.pool.set_grace(keys[2], Duration::MAX));
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now + 25 * SECOND));
    w.pass(25 * SECOND);
    assert_eq!(w.pool.cleanup(w.now), 1);
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now + 3 * year - 20 * SECOND));
    w.pass(101 * year);
    assert_eq!(w.pool.cleanup(w.now), 2);
    assert_eq!((w.pool.keys(), w.pool.next_timeout(w.now)), (vec![keys[2]], None));
}

#[test]
fn changed_timeouts_keep_the_order() {
    let mut w = world(PoolConfig::unlimited());
    let [one, two, three] = [(); 3].map(|()| w.create());
    let start = w.now;
    assert!(w.pool.set_timeout(one, 600 * SECOND));
    assert!(w.pool.set_timeout(three, SECOND));
    assert!(w.pool.set_grace(three, Duration::ZERO));
    assert_eq!(w.pool.next_timeout(w.now), Some(start + SECOND));
    w.pass(SECOND);
    assert_eq!(w.pool.cleanup(w.now), 1);
    assert!(w.pool.session(three).is_none());
    assert_eq!(w.pool.next_timeout(w.now), Some(start + 65 * SECOND));
    // A change does not count as a sign of life.
    assert!(w.pool.set_timeout(two, SECOND));
    assert_eq!(w.pool.next_timeout(w.now), Some(start + 6 * SECOND));
    w.pass(5 * SECOND);
    assert_eq!(w.pool.cleanup(w.now), 1);
    assert_eq!(w.pool.keys(), [one]);
    assert_eq!(w.pool.next_timeout(w.now), Some(start + 605 * SECOND));
}

#[test]
fn sessions_go_in_the_order_of_their_expiry() {
    let mut w = world(PoolConfig::unlimited());
    let keys = [(); 5].map(|()| w.create());
    for (key, seconds) in keys.iter().zip([50, 10, 40, 30, 20]) {
        w.pool.set_timeout(*key, seconds * SECOND);
    }
    w.drain();
    w.pass(100 * SECOND);
    assert_eq!(w.pool.cleanup_at_most(w.now, 2), 2);
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now), "more to do");
    assert_eq!(w.pool.cleanup(w.now), 3);
    let order: Vec<SessionId> = w
        .drain()
        .iter()
        .filter_map(|event| match event {
            PoolEvent::Removed { session, .. } => Some(session.key()),
            PoolEvent::Created(_) => None,
        })
        .collect();
    assert_eq!(order, [keys[1], keys[4], keys[3], keys[2], keys[0]]);
}

#[test]
fn a_guard_prevents_expiry() {
    let mut w = world(PoolConfig::unlimited());
    let key = w.create();
    let id = w.id(key);
    let first = w.pool.prevent_expire(key, w.now).unwrap();
    let second = w.pool.prevent_expire(key, w.now).unwrap();
    assert_eq!(first.session(), key);
    w.pass(3_600 * SECOND);
    assert_eq!((w.pool.cleanup(w.now), w.peek(&id)), (0, Some(key)));
    w.pool.allow_expire(first, w.now);
    w.pass(3_600 * SECOND);
    assert_eq!((w.pool.cleanup(w.now), w.peek(&id)), (0, Some(key)));
    w.pool.allow_expire(second, w.now);
    // The full time from the release on.
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now + 65 * SECOND));
    assert!(!w.pool.session(key).unwrap().is_expiry_prevented());
    w.pass(65 * SECOND);
    assert_eq!((w.peek(&id), w.pool.cleanup(w.now)), (None, 1));
}

#[test]
fn a_dropped_guard_gives_the_full_time_from_the_next_look() {
    let mut w = world(PoolConfig::unlimited());
    let key = w.create();
    let guard = w.pool.prevent_expire(key, w.now).unwrap();
    assert!(w.pool.session(key).unwrap().is_expiry_prevented());
    w.pass(10 * SECOND);
    std::thread::spawn(move || drop(guard)).join().unwrap();
    w.pass(100 * SECOND);
    assert_eq!(w.pool.cleanup(w.now), 0);
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now + 65 * SECOND));
    w.pass(65 * SECOND);
    assert_eq!(w.pool.cleanup(w.now), 1);
}

#[test]
fn a_guard_outlives_its_session_harmlessly() {
    let mut w = world(PoolConfig::unlimited());
    let key = w.create();
    let guard = w.pool.prevent_expire(key, w.now).unwrap();
    assert!(w.pool.close(key, RemovalReason::TornDown));
    let next = w.create();
    assert_eq!(next.raw().index, key.raw().index);
    w.pool.allow_expire(guard, w.now);
    w.pass(65 * SECOND);
    assert_eq!(w.pool.cleanup(w.now), 1);
}

#[test]
fn touching_moves_no_entry() {
    let mut w = world(PoolConfig::unlimited());
    let keys: Vec<SessionId> = (0..100).map(|_| w.create()).collect();
    let before = w.pool.deadlines.clone();
    for _ in 0..60 {
        w.pass(SECOND);
        for key in &keys {
            w.pool.touch(*key, w.now);
        }
    }
    assert_eq!(w.pool.deadlines, before);
    // The old moment comes: everyone is moved, nobody goes, and the next moment is exact.
    assert_eq!(w.pool.next_wakeup(), Some(w.now + 5 * SECOND));
    assert_eq!(w.pool.next_timeout(w.now), Some(w.now + 65 * SECOND));
    assert_eq!(w.pool.next_wakeup(), Some(w.now + 65 * SECOND));
    assert_eq!(w.pool.deadlines.len(), 100);
}
