//! Servers that lie: each lie ends in its event within its limit, and playing goes on when the
//! server becomes honest.

use crate::liar::{Act, Liar, Media};
use crate::world::{SERVER, Told, World, config, secs};
use riverrun::client::{Player, PlayerConfig};
use riverrun::env::MediumId;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

struct Case {
    world: World,
    liar: MediumId<Liar>,
    is_honest: Rc<Cell<bool>>,
    player: MediumId<Player>,
}

/// A player of a server that acts so on a method, and is honest about the others.
fn lie(method: &'static str, act: Act) -> Case {
    lie_to(config(), method, move |_| act.clone())
}

fn lie_to(
    config: PlayerConfig,
    method: &'static str,
    mut act: impl FnMut(u32) -> Act + 'static,
) -> Case {
    let mut world = World::new(7);
    let is_honest = Rc::new(Cell::new(false));
    let honest = Rc::clone(&is_honest);
    let mut count = 0;
    let liar = Liar::open(&mut world.env, SERVER, move |request| {
        if request.method.as_str() != method || honest.get() {
            return Act::Honest;
        }
        count += 1;
        act(count)
    });
    let player = world.play(&format!("rtsp://{SERVER}/x"), config);
    Case { world, liar, is_honest, player }
}

impl Case {
    /// Waits for the loss, and looks at what is told; then the server becomes honest.
    #[track_caller]
    fn loses(mut self, within: Duration, why: &str) {
        self.world.wait_for(within, |told| matches!(told, Told::Lost(_)));
        let told = self.world.told();
        let lost = told.iter().find_map(|told| match told {
            Told::Lost(why) => Some(why.clone()),
            _ => None,
        });
        assert_eq!(lost.as_deref(), Some(why), "{told:?}");
        self.recovers();
    }

    #[track_caller]
    fn recovers(mut self) {
        self.is_honest.set(true);
        self.world.env.medium_mut(self.liar).unwrap().media = Media::Honest;
        let before = self.world.frames();
        self.world.wait_for(secs(5.0), |told| matches!(told, Told::Playing(_)));
        self.world.run_secs(1.0);
        assert!(self.world.frames() > before + 80, "{:?}", self.world.told());
        let host = "10.0.0.2".parse().unwrap();
        assert_eq!(self.world.network().open_sockets(host), 1, "the connection alone");
    }
}

const ANSWER: Duration = Duration::from_millis(10_500);

#[test]
fn silence_instead_of_an_answer() {
    for method in ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"] {
        lie(method, Act::Silence).loses(ANSWER, &format!("{method}: no response in time"));
    }
}

#[test]
fn half_an_answer() {
    let half = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 100\r\n\r\nv=0".to_vec();
    lie("DESCRIBE", Act::Bytes(half)).loses(ANSWER, "DESCRIBE: no response in time");
}

#[test]
fn an_answer_to_something_else() {
    let other = b"RTSP/1.0 200 OK\r\nCSeq: 4711\r\n\r\n".to_vec();
    lie("SETUP", Act::Bytes(other)).loses(ANSWER, "SETUP: no response in time");
}

#[test]
fn no_rtsp_at_all() {
    // The client looks for the next message, and none comes.
    let case = lie("DESCRIBE", Act::Bytes(b"\x01\x02\x03\x04".to_vec()));
    case.loses(ANSWER, "DESCRIBE: no response in time");
}

#[test]
fn errors_and_nonsense() {
    for (method, answer, why) in [
        ("DESCRIBE", "RTSP/1.0 404 Not Found", "DESCRIBE: the server says 404 Not Found"),
        ("PLAY", "RTSP/1.0 500 Oops", "PLAY: the server says 500 Internal Server Error"),
        ("SETUP", "RTSP/1.0 453 No", "SETUP: SETUP: the server says 453 Not Enough Bandwidth"),
        (
            "SETUP",
            "RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;interleaved=0-1",
            "SETUP: SETUP: there is no session",
        ),
    ] {
        lie(method, Act::Answer(answer.to_owned())).loses(secs(1.0), why);
    }
}

#[test]
fn unauthorized_for_ever() {
    let mut config = config();
    config.client.credentials = Some(riverrun::wire::auth::UserCredentials::new("u", "p"));
    let case = lie_to(config, "DESCRIBE", |n| {
        let stale = format!("Digest realm=\"x\", nonce=\"{n}\", stale=true");
        Act::Answer(format!("RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: {stale}"))
    });
    case.loses(secs(1.0), "DESCRIBE: the server does not accept the user name or the password");
}

#[test]
fn a_loop_of_redirections() {
    let case = lie_to(config(), "DESCRIBE", |n| {
        Act::Answer(format!("RTSP/1.0 302 Moved\r\nLocation: rtsp://{SERVER}/{n}"))
    });
    case.loses(secs(1.0), "DESCRIBE: too many redirections");
}

#[test]
fn no_media_after_play() {
    let mut case = lie("NOTHING", Act::Silence);
    case.world.env.medium_mut(case.liar).unwrap().media = Media::Nothing;
    case.loses(secs(10.5), "no packet has come over TCP");
}

#[test]
fn a_track_that_was_never_there() {
    let mut case = lie("NOTHING", Act::Silence);
    case.world.env.medium_mut(case.liar).unwrap().media = Media::Until(0);
    case.loses(secs(10.5), "no packet has come over TCP");
}

#[test]
fn media_that_stop() {
    let mut case = lie("NOTHING", Act::Silence);
    case.world.env.medium_mut(case.liar).unwrap().media = Media::Until(50);
    case.loses(secs(11.5), "track 1 has stopped");
}

#[test]
fn one_track_that_is_silent() {
    // Sound may be announced and not there; the video plays on.
    let mut case = lie("NOTHING", Act::Silence);
    case.world.env.medium_mut(case.liar).unwrap().media = Media::FirstTrack;
    case.world.run_secs(60.0);
    let told = case.world.told();
    assert_eq!(told, [Told::Connected, Told::Described(2), Told::Playing("TCP".into())]);
    assert!(case.world.frames() > 2900);
}

#[test]
fn garbage_between_packets() {
    let mut case = lie("NOTHING", Act::Silence);
    case.world.run_secs(2.0);
    case.world.env.with(case.liar, |liar, env| liar.babble(env)).unwrap();
    case.world.run_secs(2.0);
    let told = case.world.told();
    assert_eq!(told, [Told::Connected, Told::Described(2), Told::Playing("TCP".into())]);
    assert!(case.world.frames() >= 395, "{}", case.world.frames());
    let player = case.world.env.medium(case.player).unwrap();
    assert_eq!((player.skipped().bytes, player.skipped().times), (13, 1));
}

#[test]
fn closed_connections() {
    for method in ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"] {
        let why = "the server has closed the connection";
        lie(method, Act::Close).loses(secs(1.0), why);
    }
    let mut case = lie("NOTHING", Act::Silence);
    case.world.run_secs(3.0);
    assert!(case.world.frames() > 200);
    case.world.env.with(case.liar, |liar, env| liar.cut(env)).unwrap();
    case.loses(secs(1.0), "the server has closed the connection");
}
