//! Digest and Basic, as clients answer them and as attackers do.

use super::client::Answer;
use super::secrets::SECRET;
use super::world::{C, UDP, World, secs};
use crate::server::access::{
    AccessConfig, AccessStatistics, Authenticator, SlowHash, User, UserAccess, UserTable,
};
use crate::wire::auth::{
    Challenge, Credentials, DigestAlgorithm, DigestChallenge, DigestCredentials, UserCredentials,
};

/// A password of the tests.
pub(super) fn password() -> String {
    format!("{SECRET}-9")
}

pub(super) fn ann() -> UserCredentials {
    UserCredentials::new("ann", password())
}

/// The users ann and bob, who have the same password.
pub(super) fn users() -> UserTable {
    let mut table = UserTable::new();
    for name in ["ann", "bob"] {
        table.add_user(User::with_password(name, "riverrun", &password())).unwrap();
    }
    table
}

pub(super) fn guarded(config: AccessConfig, table: UserTable) -> World {
    let mut w = World::with_film_and_camera();
    let access = UserAccess::new(config, table).unwrap();
    w.serve(|server, _| server.set_authenticator(access));
    w
}

pub(super) fn statistics(w: &mut World) -> AccessStatistics {
    w.serve(|server, _| server.authenticator_mut::<UserAccess>().unwrap().statistics())
}

/// The Digest challenges of an answer.
pub(super) fn challenges(answer: &Answer) -> Vec<DigestChallenge> {
    let values = answer.0.headers.values("WWW-Authenticate").flat_map(Challenge::parse_list);
    let digest = |challenge| match challenge {
        Challenge::Digest(digest) => Some(digest),
        _ => None,
    };
    values.filter_map(digest).collect()
}

pub(super) const MD5: Option<DigestAlgorithm> = Some(DigestAlgorithm::Md5);

/// A client that logs in.
pub(super) struct Login {
    pub(super) c: C,
    pub(super) user: UserCredentials,
    pub(super) challenge: DigestChallenge,
    pub(super) count: u32,
}

impl Login {
    /// Connects and asks for a challenge with this algorithm.
    #[track_caller]
    pub(super) fn new(w: &mut World, user: UserCredentials) -> Self {
        let c = w.client();
        Self::on(w, c, user)
    }

    #[track_caller]
    pub(super) fn on(w: &mut World, c: C, user: UserCredentials) -> Self {
        let answer = w.describe(c, "/film").expect(401);
        let challenge = challenges(&answer).into_iter().find(|c| c.algorithm == MD5).unwrap();
        Self { c, user, challenge, count: 0 }
    }

    pub(super) fn credentials(&mut self, method: &str, uri: &str) -> DigestCredentials {
        self.count += 1;
        self.challenge.answer(&self.user, method, uri, ("0a4f", self.count))
    }

    /// A request with credentials for its URL.
    #[track_caller]
    pub(super) fn ask(
        &mut self,
        w: &mut World,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let uri = format!("rtsp://10.0.0.1{path}");
        let credentials = self.credentials(method, &uri).to_string();
        let all: Vec<_> =
            headers.iter().copied().chain([("Authorization", &*credentials)]).collect();
        let answer = w.request(self.c, method, path, &all);
        if let (200, Some(id)) = (answer.status(), answer.value("Session")) {
            w[self.c].session = id.split(';').next().map(str::to_owned);
        }
        answer
    }

    #[track_caller]
    pub(super) fn describe(&mut self, w: &mut World, path: &str) -> Answer {
        self.ask(w, "DESCRIBE", path, &[])
    }

    #[track_caller]
    pub(super) fn setup(&mut self, w: &mut World, path: &str) -> Answer {
        self.ask(w, "SETUP", &format!("{path}/track1"), &[("Transport", UDP)])
    }
}

/// Sends a DESCRIBE with this value of `Authorization`.
#[track_caller]
pub(super) fn describe_with(w: &mut World, c: C, authorization: &str) -> Answer {
    w.request(c, "DESCRIBE", "/film", &[("Authorization", authorization)])
}

const FILM: &str = "rtsp://10.0.0.1/film";

#[test]
fn every_kind_of_digest_opens_the_film() {
    let mut w = guarded(AccessConfig::default(), users());
    let c = w.client();
    w.options(c).expect(200);
    let answer = w.describe(c, "/film").expect(401);
    let offered = challenges(&answer);
    let algorithms: Vec<_> = offered.iter().map(|c| c.algorithm).collect();
    assert_eq!(algorithms, [Some(DigestAlgorithm::Sha256), MD5]);
    assert_eq!(answer.0.headers.values("WWW-Authenticate").count(), 2, "no Basic in the clear");
    assert_eq!(offered[0].nonce, offered[1].nonce);
    for challenge in offered {
        for has_qop in [true, false] {
            for is_named in [true, false] {
                let mut challenge = challenge.clone();
                if !is_named && challenge.algorithm != MD5 {
                    continue;
                }
                challenge.has_qop = has_qop;
                challenge.algorithm = challenge.algorithm.filter(|_| is_named);
                let fresh = w.client();
                let nonce = challenges(&w.describe(fresh, "/film"))[0].nonce.clone();
                challenge.nonce = nonce;
                let mut login = Login { c: fresh, user: ann(), challenge, count: 0 };
                login.describe(&mut w, "/film").expect(200);
                login.setup(&mut w, "/film").expect(200);
                login.ask(&mut w, "PLAY", "/film", &[]).expect(200);
                assert_eq!(w.session_of(fresh).1.user(), Some("ann"));
                login.ask(&mut w, "GET_PARAMETER", "/film", &[]).expect(200);
                login.ask(&mut w, "TEARDOWN", "/film", &[]).expect(200);
                w[fresh].session = None;
            }
        }
    }
    assert_eq!(statistics(&mut w).failed, 0);
    assert_eq!(statistics(&mut w).accepted, 6 * 5);
    w.expect_nothing_left();
}

#[test]
fn what_is_offered_is_what_the_users_have_and_in_the_configured_order() {
    let names = |config: AccessConfig, table: UserTable| {
        let mut w = guarded(config, table);
        let c = w.client();
        let answer = w.describe(c, "/film").expect(401);
        let values = answer.0.headers.values("WWW-Authenticate").flat_map(Challenge::parse_list);
        let name = |challenge| match challenge {
            Challenge::Digest(d) => {
                format!("{}{}", d.algorithm.unwrap(), if d.has_qop { "" } else { "!" })
            }
            Challenge::Basic { realm } => format!("Basic {realm}"),
            Challenge::Unsupported(_) => panic!(),
        };
        values.map(name).collect::<Vec<_>>()
    };
    let mut config = AccessConfig::default();
    config.algorithms.reverse();
    config.offers_qop = false;
    assert_eq!(names(config.clone(), users()), ["MD5!", "SHA-256!"]);
    config.basic_in_the_clear = true;
    config.realm = Some("cams".to_owned());
    let mut table = UserTable::new();
    let hash = SlowHash::new("x", 1, [0; 16]).unwrap();
    table.add_user(User::new("ann").with_slow_hash(hash.clone())).unwrap();
    assert_eq!(names(config.clone(), table.clone()), ["Basic cams"]);
    table.add_user(User::new("bob").with_md5([1; 16])).unwrap();
    assert_eq!(names(config.clone(), table), ["MD5!", "Basic cams"]);
    assert_eq!(names(config.clone(), UserTable::new()), ["MD5!", "SHA-256!", "Basic cams"]);
    let mut other = UserTable::new();
    other.set_realm("garden");
    assert!(UserAccess::new(config, other).is_err());
}

#[test]
fn where_nobody_can_log_in_nobody_is_asked_to() {
    let mut table = UserTable::new();
    let hash = SlowHash::new(&password(), 1, [0; 16]).unwrap();
    table.add_user(User::new("ann").with_slow_hash(hash)).unwrap();
    assert_eq!((table.users_without_digest(), users().users_without_digest()), (1, 0));
    let mut w = guarded(AccessConfig::default(), table.clone());
    let c = w.client();
    for path in ["/film", "/nothing"] {
        let answer = w.describe(c, path).expect(403);
        assert!(answer.value("WWW-Authenticate").is_none());
    }
    let basic = ann().to_basic();
    describe_with(&mut w, c, &basic).expect(403);
    assert_eq!(statistics(&mut w).basic_in_the_clear, 1);
    // One who has a Digest hash is asked, and with him everybody.
    table.add_user(User::with_password("bob", "riverrun", &password())).unwrap();
    assert_eq!(table.users_without_digest(), 1);
    w.serve(|server, _| {
        server.authenticator_mut::<UserAccess>().unwrap().set_users(table).unwrap();
    });
    assert_eq!(challenges(&w.describe(c, "/film").expect(401)).len(), 2);
}

#[test]
fn a_wrong_password_is_refused_three_times_then_slowly_then_not_heard() {
    let mut w = guarded(AccessConfig::default(), users());
    let mut good = Login::new(&mut w, ann());
    good.describe(&mut w, "/film").expect(200);
    let c = w.beside(good.c);
    let mut bad = Login::on(&mut w, c, UserCredentials::new("ann", "guess"));
    let mut took = Vec::new();
    for _ in 0..10 {
        let asked = w.now();
        bad.describe_slowly(&mut w).expect(401);
        took.push((w.now() - asked).as_secs_f64().round());
    }
    assert_eq!(took, [0.0, 0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]);
    let answer = bad.describe(&mut w, "/film").expect(403);
    assert!(answer.header("Retry-After").parse::<u32>().unwrap() <= 60);
    w.run_secs(0.1);
    assert!(w[c].ended, "nobody keeps a connection for that");
    // Even the right password is not looked at, but who was in before stays in.
    let c = w.beside(good.c);
    let mut late = Login::on(&mut w, c, ann());
    late.describe(&mut w, "/film").expect(403);
    good.describe(&mut w, "/film").expect(200);
    let mut elsewhere = Login::new(&mut w, ann());
    elsewhere.describe(&mut w, "/film").expect(200);
    w.run_secs(60.0);
    let c = w.beside(good.c);
    Login::on(&mut w, c, ann()).describe(&mut w, "/film").expect(200);
    let counted = statistics(&mut w);
    assert_eq!((counted.failed, counted.refused, counted.accepted), (10, 2, 4));
}

impl Login {
    /// DESCRIBE, whose answer may take some seconds.
    #[track_caller]
    fn describe_slowly(&mut self, w: &mut World) -> Answer {
        let credentials = self.credentials("DESCRIBE", FILM).to_string();
        w.ask(self.c, "DESCRIBE", "/film", &[("Authorization", &credentials)]);
        w.answer_within(self.c, secs(10.0)).expect("an answer")
    }
}

#[test]
fn what_was_overheard_is_of_no_use() {
    let mut w = guarded(AccessConfig::default(), users());
    let mut login = Login::new(&mut w, ann());
    let overheard = login.credentials("DESCRIBE", FILM).to_string();
    let c = login.c;
    describe_with(&mut w, c, &overheard).expect(200);
    // From anywhere, the count of the nonce's use is over; from elsewhere, so is the nonce.
    let (beside, other) = (w.beside(c), w.client());
    for (from, replayed, stale) in [(c, 1, 0), (beside, 2, 0), (other, 2, 1)] {
        let answer = describe_with(&mut w, from, &overheard).expect(401);
        assert!(challenges(&answer).iter().all(|c| c.is_stale), "asked for a new nonce");
        let counted = statistics(&mut w);
        assert_eq!((counted.replayed_nonces, counted.stale_nonces), (replayed, stale));
    }
    // The same credentials for something else.
    let next = login.credentials("DESCRIBE", FILM).to_string();
    w.request(c, "DESCRIBE", "/camera", &[("Authorization", &next)]).expect(400);
    w.request(c, "SETUP", "/film/track1", &[("Transport", UDP), ("Authorization", &next)])
        .expect(401);
    let counted = statistics(&mut w);
    assert_eq!((counted.wrong_uris, counted.failed), (1, 1));
    // Without a count there is only the address and the time.
    login.challenge.has_qop = false;
    let plain = login.credentials("DESCRIBE", FILM).to_string();
    describe_with(&mut w, c, &plain).expect(200);
    describe_with(&mut w, c, &plain).expect(200);
    describe_with(&mut w, other, &plain).expect(401);
    w.run_secs(301.0);
    let c = w.beside(c);
    let answer = describe_with(&mut w, c, &plain).expect(401);
    login.challenge = challenges(&answer).remove(1);
    assert!(login.challenge.is_stale);
    (login.c, login.count) = (c, 0);
    login.describe(&mut w, "/film").expect(200);
}

#[test]
fn counts_may_come_out_of_order_but_each_once() {
    let mut w = guarded(AccessConfig::default(), users());
    let mut login = Login::new(&mut w, ann());
    for (count, status) in [(1, 200), (4, 200), (3, 200), (3, 401), (4, 401), (0, 401), (5, 200)] {
        // The count is part of what is hashed.
        login.count = u32::wrapping_sub(count, 1);
        if count == 0 {
            login.count = u32::MAX;
            let credentials = login.challenge.answer(&login.user, "DESCRIBE", FILM, ("0a4f", 0));
            describe_with(&mut w, login.c, &credentials.to_string()).expect(status);
            continue;
        }
        login.describe(&mut w, "/film").expect(status);
    }
    assert_eq!(statistics(&mut w).failed, 0);
    let mut forged = login.credentials("DESCRIBE", FILM);
    forged.client_nonce = forged.client_nonce.map(|(cnonce, count)| (cnonce, count + 1));
    describe_with(&mut w, login.c, &forged.to_string()).expect(401);
    assert_eq!(statistics(&mut w).failed, 1);
}

#[test]
fn credentials_that_are_cut_or_repeated_open_nothing() {
    let mut config = AccessConfig::default();
    config.attempts.free = u32::MAX;
    config.attempts.refused_after = u32::MAX;
    let mut w = guarded(config, users());
    let mut login = Login::new(&mut w, ann());
    let whole = login.credentials("DESCRIBE", FILM).to_string();
    for end in 1..whole.len() {
        let answer = describe_with(&mut w, login.c, &whole[..end]);
        // Of its last quote a value has no need.
        if answer.status() == 200 {
            assert_eq!(end, whole.len() - 1);
            continue;
        }
        answer.expect(401);
    }
    let fresh = login.credentials("DESCRIBE", FILM).to_string();
    for (first, second) in [(&fresh, &fresh), (&whole, &fresh), (&fresh, &whole)] {
        let twice = [("Authorization", &**first), ("authorization", &**second)];
        w.request(login.c, "DESCRIBE", "/film", &twice).expect(400);
    }
    for scheme in ["Bearer x", "Digest", "Basic", "Basic !", ",", "Digest nonce=\"", "\u{fffd}"] {
        describe_with(&mut w, login.c, scheme).expect(401);
    }
    // A parameter given twice counts as it was given first, for all who read it.
    let twice = format!("{fresh}, username=\"bob\"");
    describe_with(&mut w, login.c, &twice).expect(200);
}

#[test]
fn clients_that_name_the_presentation_are_understood() {
    let mut w = guarded(AccessConfig::default(), users());
    let mut login = Login::new(&mut w, ann());
    for uri in ["rtsp://10.0.0.1/film/", "/film", "rtsp://cam.example:554/film"] {
        let credentials = login.credentials("SETUP", uri).to_string();
        let headers = [("Transport", UDP), ("Authorization", &credentials)];
        w.request(login.c, "SETUP", "/film/track1", &headers).expect(200);
    }
}

#[test]
fn basic_passes_only_where_nobody_can_read_it() {
    let basic = ann().to_basic();
    let mut w = guarded(AccessConfig::default(), users());
    let c = w.client();
    describe_with(&mut w, c, &basic).expect(401);
    assert_eq!(statistics(&mut w).basic_in_the_clear, 1);

    let config = AccessConfig { basic_in_the_clear: true, ..AccessConfig::default() };
    let mut w = guarded(config, users());
    let c = w.client();
    describe_with(&mut w, c, &basic).expect(200);
    let wrong = UserCredentials::new("ann", "x").to_basic();
    describe_with(&mut w, c, &wrong).expect(401);
    describe_with(&mut w, c, &UserCredentials::new("eve", password()).to_basic()).expect(401);
    assert_eq!(statistics(&mut w).failed, 2);
}

/// The answer, which a thread works for while no virtual time passes.
#[track_caller]
fn answer_of_thread(w: &mut World, c: C) -> Answer {
    for _ in 0..100_000 {
        if let Some(answer) = w.answer_within(c, secs(0.000_1)) {
            return answer;
        }
        std::thread::yield_now();
    }
    panic!("no answer")
}

#[test]
fn a_slow_hash_keeps_nobody_waiting() {
    let config = AccessConfig {
        basic_in_the_clear: true,
        max_password_checks: 1,
        ..AccessConfig::default()
    };
    let mut table = users();
    let hash = SlowHash::new(&password(), 500, [7; 16]).unwrap();
    table.add_user(User::new("cleo").with_slow_hash(hash)).unwrap();
    let mut w = guarded(config, table);
    w.tick = secs(0.000_1);
    let of = |name: &str, password: &str| UserCredentials::new(name, password).to_basic();
    let cleo = of("cleo", &password());
    let c = w.client();
    let ask = |w: &mut World, c, authorization: &str| {
        w.ask(c, "DESCRIBE", "/film", &[("Authorization", authorization)]);
    };
    ask(&mut w, c, &cleo);
    let other = w.client();
    w.options(other).expect(200);
    answer_of_thread(&mut w, c).expect(200);
    // Once known, it is known at once.
    describe_with(&mut w, c, &cleo).expect(200);
    for (name, password, status) in [
        ("cleo", "x".to_owned(), 401),
        ("ann", password(), 200),
        ("ann", "x".to_owned(), 401),
        ("nobody", password(), 401),
    ] {
        ask(&mut w, c, &of(name, &password));
        answer_of_thread(&mut w, c).expect(status);
    }
    w.options(c).expect(200);
    let counted = statistics(&mut w);
    assert_eq!((counted.accepted, counted.failed), (3, 3));
    // With one at work and one waiting, a third is sent away; the loop goes on all the time.
    let crowd: Vec<_> = (0..20).map(|_| w.client()).collect();
    for &c in &crowd {
        ask(&mut w, c, &of("cleo", "y"));
    }
    let statuses: Vec<_> = crowd.iter().map(|&c| answer_of_thread(&mut w, c).status()).collect();
    assert!(statuses.contains(&503), "{statuses:?}");
    assert_eq!(statistics(&mut w).busy, statuses.iter().filter(|s| **s == 503).count() as u64);
}

#[test]
fn no_value_of_it_shows_a_secret() {
    let config = AccessConfig::default();
    let access = UserAccess::new(config, users()).unwrap();
    let hash = DigestAlgorithm::Md5.hash_user("ann", "riverrun", &password());
    let user = ann();
    let challenge = DigestChallenge::new("r", "n", DigestAlgorithm::Md5);
    let credentials = challenge.answer(&user, "PLAY", "/", ("0a4f", 1));
    let request = crate::wire::rtsp::Request::new("PLAY".into(), "rtsp://ann:s3cret-9@h/?token=x");
    let mut with_header = request.clone();
    with_header.headers.push("Authorization", user.to_basic());
    let shown = [
        format!("{access:?} {:?}", access.users()),
        format!("{user:?} {credentials:?} {:?}", Credentials::Basic(user.clone())),
        format!("{request:?} {with_header:?}"),
    ];
    for shown in shown {
        assert!(!shown.contains(SECRET) && !shown.contains(&hash), "{shown}");
        assert!(!shown.contains(&credentials.response) && !shown.contains("token=x"), "{shown}");
        assert!(!shown.contains("YW5u"), "{shown}");
    }
}
