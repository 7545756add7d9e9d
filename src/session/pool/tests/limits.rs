//! How many sessions there may be.

use super::*;

#[test]
fn zero_is_unlimited() {
    let mut w = world(PoolConfig::unlimited());
    for _ in 0..10_000 {
        w.create();
    }
    assert_eq!(w.pool.len(), 10_000);
}

#[test]
fn lowering_the_limit_evicts_nobody() {
    let mut w = world(PoolConfig { max_sessions: 4, ..PoolConfig::unlimited() });
    let keys = [(); 4].map(|()| w.create());
    w.pool.set_max_sessions(2);
    assert_eq!(w.pool.len(), 4);
    for key in &keys[..3] {
        assert_eq!(limit_of(w.try_create(1, "film")).1, 2);
        assert!(w.pool.close(*key, RemovalReason::TornDown));
    }
    w.create();
    assert_eq!(w.pool.len(), 2);
}

#[test]
fn a_full_pool_says_when_to_come_back() {
    let mut w = world(PoolConfig { max_sessions: 2, ..PoolConfig::unlimited() });
    w.create();
    w.pass(Duration::from_millis(30_500));
    w.create();
    assert_eq!(limit_of(w.try_create(1, "film")), (Limit::Sessions, 2, 35 * SECOND));
    w.pass(Duration::from_millis(34_400));
    assert_eq!(limit_of(w.try_create(1, "film")).2, SECOND);
}

#[test]
fn a_crowd_that_has_expired_makes_room_in_steps() {
    let per_peer = PoolConfig { max_sessions_per_peer: 1, ..PoolConfig::default() };
    let mut w = world(PoolConfig { max_sessions: 1000, ..per_peer.clone() });
    w.pool.config_mut().max_sessions_per_peer = 0;
    for _ in 0..1000 {
        w.create();
    }
    w.pass(200 * SECOND);
    w.create();
    assert_eq!(w.pool.len(), 1000 - 256 + 1);
    // The peer's own have expired, and go behind those of others: it may come back soon.
    *w.pool.config_mut() = per_peer;
    assert_eq!(limit_of(w.try_create(1, "film")), (Limit::SessionsOfPeer, 1, SECOND));
    assert_eq!(w.pool.len(), 1000 - 2 * 256 + 1);
}

#[test]
fn retry_after_is_bounded_and_never_zero() {
    let endless = PoolConfig {
        max_sessions: 1,
        timeout: Duration::ZERO,
        grace: Duration::ZERO,
        ..PoolConfig::unlimited()
    };
    let mut w = world(endless);
    w.create();
    assert_eq!(limit_of(w.try_create(1, "film")).2, SECOND);
    w.pool.config_mut().timeout = Duration::MAX;
    assert_eq!(limit_of(w.try_create(1, "film")).2, 3_600 * SECOND);
}

#[test]
fn limits_hold_by_peer_address() {
    let mut w = world(PoolConfig { max_sessions_per_peer: 2, ..PoolConfig::unlimited() });
    let first = w.try_create(1, "a").unwrap();
    w.try_create(1, "b").unwrap();
    assert_eq!(limit_of(w.try_create(1, "c")).0, Limit::SessionsOfPeer);
    // The port does not tell peers apart, nor does the socket's family.
    let other_port = SocketAddr::new(peer(1).ip(), 9);
    let mapped: SocketAddr = "[::ffff:10.0.0.1]:7".parse().unwrap();
    for same in [other_port, mapped] {
        let random = &mut |buf: &mut [u8]| w.random.fill(buf);
        assert_eq!(limit_of(w.pool.create(w.now, same, "a", random)).0, Limit::SessionsOfPeer);
    }
    w.try_create(2, "a").unwrap();
    assert_eq!((w.pool.len_of_peer(peer(1)), w.pool.len_of_peer(peer(2))), (2, 1));
    assert!(w.pool.remove(first, RemovalReason::ConnectionLost).is_some());
    w.try_create(1, "c").unwrap();
}

#[test]
fn limits_hold_by_stream() {
    let mut w = world(PoolConfig { max_sessions_per_stream: 1, ..PoolConfig::unlimited() });
    let first = w.try_create(1, "a").unwrap();
    assert_eq!(limit_of(w.try_create(2, "a")).0, Limit::SessionsOfStream);
    w.try_create(2, "b").unwrap();
    assert!(w.pool.close(first, RemovalReason::TornDown));
    assert_eq!(w.pool.len_of_stream("a"), 0);
    w.try_create(2, "a").unwrap();
}

#[test]
fn expired_sessions_make_room() {
    let mut w = world(PoolConfig { max_sessions: 3, ..PoolConfig::unlimited() });
    for _ in 0..3 {
        w.create();
    }
    w.pass(65 * SECOND);
    w.create();
    assert_eq!(w.pool.len(), 1);
}
