//! Rights of users, tokens, and to whom a session belongs.

use super::access::{Login, ann, challenges, guarded, password, statistics, users};
use super::client::Answer;
use super::media::{PCMU, film};
use super::publisher::{SDP, open_world};
use super::world::{UDP, World, secs};
use crate::server::access::{
    AccessConfig, AccessContext, Action, Actions, Authenticator, Pattern, Permission, Rule,
    TokenKey, TokenScope, User, UserAccess, UserTable, Who,
};
use crate::server::{Admission, BackChannelOptions, BackChannelSink, Decision, RequestInfo};
use crate::wire::auth::UserCredentials;
use crate::wire::rtsp::StatusCode;
use std::time::Duration;

fn bob() -> UserCredentials {
    UserCredentials::new("bob", password())
}

/// Ann may watch the film and see that there is a camera, whose watcher is bob; anyone may watch
/// the lobby.
fn table() -> UserTable {
    let mut table = users();
    let user = |name: &str| Who::User(name.into());
    for rule in [
        Rule::allow(Who::Anyone, Actions::VIEW, Pattern::new("lobby")),
        Rule::allow(user("ann"), Actions::VIEW, Pattern::new("film")),
        Rule::allow(user("ann"), Action::Describe.into(), Pattern::new("camera")),
        Rule::allow(user("bob"), Actions::ALL, Pattern::new("cam*")),
    ] {
        table.add_rule(rule);
    }
    table.set_token_key(TokenKey::new([9; 32]));
    table
}

/// The text of an answer without what differs from one to the next.
fn text(answer: &Answer) -> String {
    let differs = ["CSeq", "Date"];
    let fields = answer.0.headers.iter().filter(|(name, _)| !differs.contains(name));
    let nonces = challenges(answer);
    let mut text =
        format!("{} {:?} {:?}", answer.status(), fields.collect::<Vec<_>>(), answer.0.body);
    for challenge in nonces {
        text = text.replace(&challenge.nonce, "NONCE");
    }
    text
}

#[test]
fn who_may_not_see_a_stream_cannot_tell_whether_it_exists() {
    let mut w = guarded(AccessConfig::default(), table());
    w.add(film("lobby"));
    let mut ann = Login::new(&mut w, ann());
    let c = w.client();
    w.describe(c, "/lobby").expect(200);
    let anonymous = |w: &mut World, method: &str, path: &str| {
        text(&w.request(c, method, path, &[("Transport", UDP)]))
    };
    for (method, there, not_there) in [
        ("DESCRIBE", "/camera", "/nothing"),
        ("SETUP", "/camera/track1", "/nothing/track1"),
        ("SETUP", "/camera/track9", "/nothing/track9"),
        ("SETUP", "/camera", "/nothing"),
        ("DESCRIBE", "/camera/track1", "/nothing/track1"),
    ] {
        let answer = anonymous(&mut w, method, there);
        assert!(answer.starts_with("401 "), "{answer}");
        assert_eq!(answer, anonymous(&mut w, method, not_there), "{method}");
    }
    // To bob, the film is as little there as what is not.
    let mut bob = Login::new(&mut w, bob());
    for (method, there, not_there) in [
        ("DESCRIBE", "/film", "/nothing"),
        ("SETUP", "/film/track1", "/nothing/track1"),
        ("SETUP", "/film", "/nothing"),
    ] {
        let transport = [("Transport", UDP)];
        let answer = text(&bob.ask(&mut w, method, there, &transport));
        assert!(answer.starts_with("404 "), "{answer}");
        assert_eq!(answer, text(&bob.ask(&mut w, method, not_there, &transport)), "{method}");
    }
    bob.describe(&mut w, "/camera").expect(200);
    bob.setup(&mut w, "/camera").expect(200);
    // What may be seen and not be played is forbidden.
    ann.describe(&mut w, "/camera").expect(200);
    ann.setup(&mut w, "/camera").expect(403);
    ann.setup(&mut w, "/film").expect(200);
    w.expect_nothing_left();
}

#[test]
fn a_right_to_a_stream_is_none_to_one_that_is_called_like_its_track() {
    let mut w = guarded(AccessConfig::default(), table());
    // Of the film only the first track; the other is a stream of somebody else's.
    w.add(film("film/track7"));
    let mut ann = Login::new(&mut w, ann());
    ann.describe(&mut w, "/film/track7").expect(404);
    ann.ask(&mut w, "SETUP", "/film/track7", &[("Transport", UDP)]).expect(404);
    ann.ask(&mut w, "SETUP", "/film/track7/track1", &[("Transport", UDP)]).expect(404);
    ann.setup(&mut w, "/film").expect(200);
}

#[test]
fn control_is_a_right_of_its_own() {
    struct Zoom;
    impl crate::server::ServerHooks for Zoom {
        fn set_parameter(&mut self, _: &RequestInfo<'_>, _: &[u8]) -> bool {
            true
        }
    }
    let mut w = guarded(AccessConfig::default(), table());
    w.serve(|server, _| server.set_hooks(Zoom));
    let set = |w: &mut World, login: &mut Login, path: &str| {
        let uri = format!("rtsp://10.0.0.1{path}");
        let credentials = login.credentials("SET_PARAMETER", &uri).to_string();
        let headers = [("Authorization", &*credentials)];
        w.request_with_body(login.c, "SET_PARAMETER", path, &headers, "zoom: 2\r\n").status()
    };
    let (mut ann, mut bob) = (Login::new(&mut w, ann()), Login::new(&mut w, bob()));
    assert_eq!(set(&mut w, &mut bob, "/camera"), 200);
    assert_eq!(set(&mut w, &mut ann, "/camera"), 403);
    assert_eq!(set(&mut w, &mut ann, "/nothing"), 404);
    let c = w.client();
    w.request_with_body(c, "SET_PARAMETER", "/camera", &[], "zoom: 2\r\n").expect(401);
    w.request_with_body(c, "GET_PARAMETER", "/camera", &[], "zoom\r\n").expect(401);
}

#[test]
fn a_session_belongs_to_its_user() {
    let mut w = guarded(AccessConfig::default(), users());
    let mut owner = Login::new(&mut w, ann());
    owner.setup(&mut w, "/film").expect(200);
    owner.ask(&mut w, "PLAY", "/film", &[]).expect(200);
    let id = w[owner.c].session.clone();
    let beside = w.beside(owner.c);
    let mut bob = Login::on(&mut w, beside, bob());
    w[beside].session = id.clone();
    for method in ["PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "DESCRIBE", "SETUP", "OPTIONS"] {
        let path = if method == "SETUP" { "/film/track1" } else { "/film" };
        bob.ask(&mut w, method, path, &[("Transport", UDP)]).expect(454);
    }
    let nobody = w.beside(owner.c);
    w[nobody].session = id;
    let answer = w.request(nobody, "TEARDOWN", "/film", &[]).expect(401);
    assert_eq!(challenges(&answer).len(), 2);
    w.options(nobody).expect(401);
    // Another connection of the owner's will do.
    let elsewhere = w.beside(owner.c);
    let mut again = Login::on(&mut w, elsewhere, ann());
    w[elsewhere].session = w[owner.c].session.clone();
    again.ask(&mut w, "TEARDOWN", "/film", &[]).expect(200);
    w.expect_nothing_left();
}

#[test]
fn rights_that_are_taken_away_are_gone_at_once() {
    let mut w = guarded(AccessConfig::default(), table());
    let mut ann = Login::new(&mut w, ann());
    ann.setup(&mut w, "/film").expect(200);
    ann.ask(&mut w, "PLAY", "/film", &[]).expect(200);
    ann.ask(&mut w, "PAUSE", "/film", &[]).expect(200);
    let set = |w: &mut World, table| {
        w.serve(|server, _| {
            server.authenticator_mut::<UserAccess>().unwrap().set_users(table).unwrap();
        });
    };
    let mut less = users();
    less.add_rule(Rule::allow(Who::Users, Actions::VIEW, Pattern::new("camera")));
    set(&mut w, less);
    ann.ask(&mut w, "PLAY", "/film", &[]).expect(404);
    set(&mut w, table());
    ann.ask(&mut w, "PLAY", "/film", &[]).expect(200);
    set(&mut w, UserTable::new());
    ann.ask(&mut w, "PLAY", "/film", &[]).expect(401);
    // What cannot be used changes nothing.
    let mut other = UserTable::new();
    other.set_realm("garden");
    let refused = w.serve(|server, _| {
        let access = server.authenticator_mut::<UserAccess>().unwrap();
        access.set_users(table()).unwrap();
        let realm = Some("riverrun".to_owned());
        let config = AccessConfig { realm, ..AccessConfig::default() };
        *access = UserAccess::new(config, table()).unwrap();
        access.set_users(other)
    });
    assert!(refused.is_err());
    let mut login = Login::new(&mut w, super::access::ann());
    login.describe(&mut w, "/film").expect(200);
}

#[test]
fn sessions_of_who_may_watch_no_more_are_ended_where_that_is_asked_for() {
    let mut w = guarded(AccessConfig::default(), table());
    w.add(film("lobby"));
    let mut watching = Vec::new();
    for (user, path) in [(ann(), "/film"), (bob(), "/camera")] {
        let mut login = Login::new(&mut w, user);
        login.setup(&mut w, path).expect(200);
        login.ask(&mut w, "PLAY", path, &[]).expect(200);
        watching.push(login);
    }
    let visitor = w.client();
    w.setup(visitor, "/lobby", 1, UDP).expect(200);
    let bearer = w.client();
    let url = format!("/camera/track1?token={}", mint(&w, "camera", 60));
    w.request(bearer, "SETUP", &url, &[("Transport", UDP)]).expect(200);
    let replace = |w: &mut World, table: Option<UserTable>| {
        let before = w.census().0;
        let ended = w.serve(|server, env| {
            if let Some(table) = table {
                server.authenticator_mut::<UserAccess>().unwrap().set_users(table).unwrap();
            }
            server.end_unpermitted_sessions(env)
        });
        assert_eq!(before - w.census().0, ended);
        ended
    };
    assert_eq!(replace(&mut w, None), 0);
    // Other passwords are no reason, nor that a token's time is over.
    w.run_secs(61.0);
    let mut other = table();
    other.set_realm("riverrun");
    assert_eq!(replace(&mut w, Some(other)), 0);
    // Bob loses the camera, and ann all.
    let mut less = UserTable::new();
    less.add_user(User::with_password("bob", "riverrun", &password())).unwrap();
    less.add_rule(Rule::allow(Who::Anyone, Actions::VIEW, Pattern::new("lobby")));
    less.add_rule(Rule::allow(Who::User("bob".into()), Actions::VIEW, Pattern::new("film")));
    less.set_token_key(TokenKey::new([9; 32]));
    assert_eq!(replace(&mut w, Some(less.clone())), 2);
    assert_eq!(w.census().1, 2, "streams of the visitor and of the token's bearer");
    watching[0].ask(&mut w, "PLAY", "/film", &[]).expect(401);
    // Another key ends what tokens of the old one have opened.
    less.set_token_key(TokenKey::new([10; 32]));
    assert_eq!(replace(&mut w, Some(less)), 1);
    // And without a rule there is nothing for those whom nobody knows.
    assert_eq!(replace(&mut w, Some(users())), 1);
    w.expect_nothing_left();
}

fn mint(w: &World, stream: &str, seconds: u64) -> String {
    let expires = w.env.wall_clock() + Duration::from_secs(seconds);
    TokenKey::new([9; 32]).mint(&TokenScope::new(stream, expires))
}

#[test]
fn a_token_opens_its_stream_and_no_other() {
    let mut w = guarded(AccessConfig::default(), table());
    let token = mint(&w, "camera", 60);
    let url = format!("/camera?token={token}");
    for keeps_query in [true, false] {
        let c = w.client();
        let answer = w.describe(c, &url).expect(200);
        assert!(answer.header("Content-Base").ends_with(&format!("/camera/?token={token}")));
        let track = if keeps_query {
            format!("/camera/?token={token}/track1")
        } else {
            "/camera/track1".to_owned()
        };
        let answer = w.request(c, "SETUP", &track, &[("Transport", UDP)]).expect(200);
        w[c].session = answer.header("Session").split(';').next().map(str::to_owned);
        let base = if keeps_query { url.clone() } else { "/camera".to_owned() };
        w.request(c, "PLAY", &base, &[]).expect(200);
        w.request(c, "GET_PARAMETER", "*", &[]).expect(200);
        let bearer = w.session_of(c).1.user().unwrap().to_owned();
        assert!(bearer.starts_with("token:") && !token.contains(&bearer[6..]));
        // The session goes on after the time of the token, and only that.
        w.run_secs(40.0);
        w.request(c, "GET_PARAMETER", &base, &[]).expect(200);
        w.run_secs(40.0);
        w.request(c, "GET_PARAMETER", &base, &[]).expect(200);
        w.request(c, "PAUSE", &base, &[]).expect(200);
        w.request(c, "PLAY", &base, &[]).expect(200);
        let stranger = w.beside(c);
        w[stranger].session = w[c].session.clone();
        w.request(stranger, "PAUSE", "/camera", &[]).expect(401);
        w.request(c, "TEARDOWN", &base, &[]).expect(200);
        w[c].session = None;
        w.describe(c, &base).expect(401);
        if keeps_query {
            // The second client needs one that is good for as long.
            w = guarded(AccessConfig::default(), table());
        }
    }
}

/// Hears nothing.
struct Deaf;

impl BackChannelSink for Deaf {}

#[test]
fn a_token_lets_its_bearer_talk_only_if_it_says_so() {
    let mut w = guarded(AccessConfig::default(), table());
    let options = BackChannelOptions::for_codecs(&[PCMU]).unwrap();
    let channel = w.serve(|server, _| server.add_back_channel(options, Deaf)).unwrap();
    w.add(film("door").with_back_channel(channel));
    let expires = w.env.wall_clock() + secs(60.0);
    let tag = ("Require", "www.onvif.org/ver20/backchannel");
    for (actions, talks) in [(Actions::VIEW, false), (Actions::VIEW.with(Action::Talk), true)] {
        let scope = TokenScope::new("door", expires).with_actions(actions);
        let token = TokenKey::new([9; 32]).mint(&scope);
        let c = w.client();
        let url = format!("/door?token={token}");
        let body = w.request(c, "DESCRIBE", &url, &[tag]).expect(200).body();
        assert_eq!(body.contains("sendonly"), talks, "{body}");
        let track = format!("/door/track3?token={token}");
        let answer = w.request(c, "SETUP", &track, &[("Transport", UDP), tag]);
        assert_eq!(answer.status(), if talks { 200 } else { 404 });
    }
    w.expect_nothing_left();
}

#[test]
fn a_token_is_no_use_for_anything_else() {
    let mut w = guarded(AccessConfig::default(), table());
    let c = w.client();
    let (camera, film) = (mint(&w, "camera", 60), mint(&w, "film", 60));
    w.describe(c, &format!("/film?token={film}")).expect(200);
    w.describe(c, "/camera").expect(401);
    w.request_with_body(c, "SET_PARAMETER", &format!("/camera?token={camera}"), &[], "a: 1")
        .expect(401);
    assert_eq!(statistics(&mut w).failed, 0);
    // Wrong ones are counted as wrong passwords are.
    let mut changed = camera.clone().into_bytes();
    *changed.last_mut().unwrap() ^= 1;
    let changed = String::from_utf8(changed).unwrap();
    for wrong in [&changed, &film, "", "dp.1."] {
        let url = format!("/camera?token={wrong}");
        w.ask(c, "DESCRIBE", &url, &[]);
        w.answer_within(c, secs(10.0)).unwrap().expect(401);
    }
    assert_eq!(statistics(&mut w).failed, 4);
    let expired = mint(&w, "camera", 0);
    w.describe(c, &format!("/camera?token={expired}")).expect(401);
    assert_eq!(statistics(&mut w).failed, 4, "whoever had it meant no harm");
}

#[test]
fn an_application_may_authenticate_in_its_own_way_and_time() {
    /// Admits after a second who says a word.
    struct Doorman;
    impl Authenticator for Doorman {
        fn authenticate(
            &mut self,
            request: &RequestInfo<'_>,
            _: &mut AccessContext<'_>,
        ) -> Decision {
            let word = request.request.headers.value("X-Word");
            let admission = match word {
                Some("friend") => Admission::Allow(Some("friend".to_owned())),
                Some(_) => Admission::refuse(StatusCode::FORBIDDEN),
                None => Admission::Allow(None),
            };
            Decision::after(admission, Duration::from_secs(1))
        }
        fn permits(&self, wanted: &Permission<'_>) -> bool {
            wanted.user == Some("friend") || wanted.stream == "camera"
        }
    }
    let mut w = World::with_film_and_camera();
    w.serve(|server, _| server.set_authenticator(Doorman));
    let c = w.client();
    let asked = w.now();
    w.describe(c, "/film").expect(403);
    assert!(w.now() - asked >= Duration::from_secs(1));
    w.describe(c, "/camera").expect(200);
    w.request(c, "DESCRIBE", "/film", &[("X-Word", "friend")]).expect(200);
    w.request(c, "DESCRIBE", "/camera", &[("X-Word", "foe")]).expect(403);
    // Whoever leaves meanwhile is not waited for.
    w.ask(c, "DESCRIBE", "/film", &[]);
    w.run_secs(0.1);
    w.leave(c);
    w.run_secs(2.0);
    assert_eq!(w.census(), (0, 0, 0));
}

#[test]
fn users_publish_what_they_have_the_right_to() {
    let mut w = open_world(|_| {});
    let mut users = UserTable::new();
    let publish = Actions::VIEW.with(Action::Publish);
    users.add_rule(Rule::allow(Who::Anyone, Actions::VIEW, Pattern::new("*")));
    users.add_rule(Rule::allow(Who::Anyone, publish, Pattern::new("open/*")));
    let access = UserAccess::new(AccessConfig::default(), users).unwrap();
    w.serve(|server, _| server.set_authenticator(access));
    let c = w.client();
    let refused = w.announce(c, "/cam", SDP).expect(401);
    assert!(refused.value("WWW-Authenticate").is_some());
    assert_eq!(w.census().0, 0);
    w.record(c, "/open/cam", true);
    w.publish(c, 0..3);
    w.leave(c);
    w.expect_nothing_left();
}

#[test]
fn a_token_lets_its_bearer_publish() {
    let mut w = open_world(|_| {});
    let mut users = UserTable::new();
    users.set_token_key(TokenKey::new([9; 32]));
    let access = UserAccess::new(AccessConfig::default(), users).unwrap();
    w.serve(|server, _| server.set_authenticator(access));
    let expires = w.env.wall_clock() + secs(60.0);
    let token = |actions: Actions| {
        TokenKey::new([9; 32]).mint(&TokenScope::new("cam", expires).with_actions(actions))
    };
    let c = w.client();
    w.announce(c, &format!("/cam?token={}", token(Actions::VIEW)), SDP).expect(401);
    w.leave(c);
    for keeps_query in [true, false] {
        let c = w.client();
        let url = format!("/cam?token={}", token(Action::Publish.into()));
        w.announce(c, &url, SDP).expect(200);
        let base = if keeps_query { &url } else { "/cam" };
        w.setup_record(c, &format!("{base}/streamid=0"), 1, true);
        w.setup_record(c, &format!("{base}/streamid=1"), 2, true);
        w.request(c, "RECORD", base, &[]).expect(200);
        w.publish(c, 0..3);
        // It opens nothing else.
        w.describe(c, base).expect(401);
        w.request(c, "TEARDOWN", base, &[]).expect(200);
        w.leave(c);
        w.run_secs(0.2);
    }
    w.expect_nothing_left();
}
