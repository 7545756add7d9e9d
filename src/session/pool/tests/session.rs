//! What a session knows, its media, and who may use it.

use super::*;

#[test]
fn header_has_no_space_and_no_grace() {
    let mut w = world(PoolConfig::unlimited());
    let key = w.create();
    let id = w.id(key);
    let mut header = |timeout| {
        assert!(w.pool.set_timeout(key, timeout));
        w.pool.session(key).unwrap().header().to_string()
    };
    assert_eq!(header(60 * SECOND), format!("{id};timeout=60"));
    assert_eq!(header(20 * SECOND), format!("{id};timeout=20"));
    assert_eq!(header(SECOND / 2), format!("{id};timeout=1"));
    assert_eq!(header(Duration::MAX), format!("{id};timeout=2147483647"));
    assert_eq!(header(Duration::ZERO), id);
}

#[test]
fn a_session_knows_its_client() {
    let mut w = world(PoolConfig::unlimited());
    let created_at = w.now;
    let key = w.try_create(9, "film").unwrap();
    w.pass(SECOND);
    let session = w.pool.session_mut(key).unwrap();
    assert_eq!((session.peer(), session.stream()), (peer(9), "film"));
    assert_eq!((session.created_at(), session.key()), (created_at, key));
    assert_eq!((session.timeout(), session.grace()), (60 * SECOND, 5 * SECOND));

    assert!(session.set_user_data(Some(Box::new(41_u32))).is_none());
    *session.user_data_mut::<u32>().unwrap() += 1;
    assert_eq!(session.user_data::<u32>(), Some(&42));
    assert_eq!(session.user_data::<String>(), None);
    assert!(session.set_user_data(None).unwrap().is::<u32>());

    session.count_sent(2, 2_800);
    session.count_sent(1, 28);
    session.count_dropped(7);
    let expected = Counters { packets: 3, bytes: 2_828, dropped_frames: 7 };
    assert_eq!(session.counters(), expected);
    assert_eq!(session.info().counters.bytes, 2_828);
    assert!(!format!("{session:?}").contains(session.id()), "ids stay out of logs");
}

#[test]
fn media_are_found_by_the_longest_path() {
    let mut w = world(PoolConfig::unlimited());
    let key = w.create();
    let session = w.pool.session_mut(key).unwrap();
    assert!(session.lookup("/a").is_none());
    for path in ["/a", "/a/b", "/slash/"] {
        *session.manage_media(path, "?").unwrap() = path;
    }
    let found = |session: &Session<_>, path: &str| {
        session.lookup(path).map(|m| {
            assert_eq!(m.path, *m.media);
            (*m.media, m.matched)
        })
    };
    for (path, expected) in [
        ("/a", Some(("/a", 2))),
        ("/a/", Some(("/a", 2))),
        ("/a/track1", Some(("/a", 2))),
        ("/a/b", Some(("/a/b", 4))),
        ("/a/b/track1", Some(("/a/b", 4))),
        ("/a/bc", Some(("/a", 2))),
        ("/ab", None),
        ("/", None),
        ("", None),
        ("/slash/", Some(("/slash/", 7))),
        ("/slash/track1", Some(("/slash/", 7))),
        ("/slashed", None),
        ("/A", None),
    ] {
        assert_eq!(found(session, path), expected, "{path}");
    }
    session.manage_media("/", "/").unwrap();
    assert_eq!(found(session, "/anything/else"), Some(("/", 1)));
    assert_eq!(found(session, "/a/track1"), Some(("/a", 2)));
    let (media, matched) = session.lookup_mut("/a/b/track2").unwrap();
    assert_eq!(std::mem::replace(media, "/changed"), "/a/b");
    assert_eq!(matched, 4);
}

#[test]
fn releasing_media_tells_whether_others_remain() {
    let mut w = world(PoolConfig { max_media_per_session: 2, ..PoolConfig::unlimited() });
    let key = w.create();
    let session = w.pool.session_mut(key).unwrap();
    session.manage_media("/a", "first").unwrap();
    let twice = session.manage_media("/a", "second").unwrap_err();
    assert_eq!((twice.media, twice.reason), ("second", ManageError::AlreadyManaged));
    session.manage_media("/b", "third").unwrap();
    let full = session.manage_media("/c", "fourth").unwrap_err();
    assert_eq!(full.reason, ManageError::AtLimit { limit: 2 });
    assert!(session.release_media("/no such"));
    assert!(session.release_media("/a"));
    assert_eq!(session.media().collect::<Vec<_>>(), [("/b", &"third")]);
    assert!(!session.release_media("/b"));
    assert!(!session.release_media("/b"));
    assert_eq!(session.media_len(), 0);
}

#[test]
fn media_can_be_taken_and_sorted_out() {
    let mut w = world(PoolConfig::unlimited());
    let key = w.create();
    let session = w.pool.session_mut(key).unwrap();
    for path in ["/a", "/b", "/c", "/d"] {
        session.manage_media(path, "media").unwrap();
    }
    assert_eq!(session.take_media("/a/track1"), None, "only the exact path is released");
    assert_eq!(session.take_media("/c"), Some("media"));
    session.media_mut().for_each(|(path, media)| *media = if path == "/b" { "b" } else { "x" });
    assert_eq!(session.retain_media(|_, media| *media == "x"), ["b"]);
    let session = w.pool.remove(key, RemovalReason::TornDown).unwrap();
    assert_eq!(session.into_media().collect::<Vec<_>>(), ["x", "x"]);
}

#[test]
fn strangers_are_not_entitled() {
    let from = |n, connection: u32, user| Requester {
        peer: peer(n),
        connection: Some(crate::arena::RawId { index: connection, generation: 0 }),
        user,
    };
    let owner = from(1, 1, Some("ann"));
    let elsewhere = from(2, 2, Some("ann"));
    let neighbour = from(1, 3, Some("bob"));
    let nobody = from(2, 4, None);
    let all = [owner, elsewhere, neighbour, nobody];
    for (entitlement, expected) in [
        (Entitlement::default(), [true, false, false, false]),
        (Entitlement::Connection, [true, false, false, false]),
        (Entitlement::User, [true, true, false, false]),
        (Entitlement::Anyone, [true; 4]),
    ] {
        let mut w = world(PoolConfig { entitlement, ..PoolConfig::unlimited() });
        let key = w.create();
        w.pool.session_mut(key).unwrap().bind(&owner);
        let id = w.id(key);
        w.pass(SECOND);
        for (requester, expected) in all.iter().zip(expected) {
            let before = w.pool.session(key).unwrap().touched_at();
            w.pass(SECOND);
            let found = w.pool.find_entitled(&id, requester, w.now);
            assert_eq!(found.is_some(), expected, "{entitlement:?} {requester:?}");
            let touched = w.pool.session(key).unwrap().touched_at() > before;
            assert_eq!(touched, expected, "a stranger keeps nothing alive");
        }
    }
}

#[test]
fn without_users_the_address_decides() {
    let mut w = world(PoolConfig { entitlement: Entitlement::User, ..PoolConfig::unlimited() });
    let key = w.create();
    let id = w.id(key);
    for (n, expected) in [(1, Some(key)), (2, None)] {
        let requester = Requester { peer: peer(n), connection: None, user: Some("ann") };
        assert_eq!(w.pool.find_entitled(&id, &requester, w.now), expected);
    }
    // A session without a connection belongs to none, not to every request that names none.
    w.pool.config_mut().entitlement = Entitlement::Connection;
    let requester = Requester { peer: peer(1), connection: None, user: None };
    assert_eq!(w.pool.find_entitled(&id, &requester, w.now), None);
}
