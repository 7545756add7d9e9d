//! Servers that lie: each lie ends in its event within its limit, and playing goes on when the
//! server becomes honest.

mod control;
mod endless;
mod limits;
mod media;

use crate::liar::{Act, Liar, Media};
use crate::world::{PLAYER_HOST, SERVER, Told, World, config, secs};
use allocation_counter::measure;
use riverrun::client::{Player, PlayerConfig, TransportPolicy};
use riverrun::env::MediumId;
use riverrun::wire::rtsp::Request;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

struct Case {
    world: World,
    liar: MediumId<Liar>,
    is_honest: Rc<Cell<bool>>,
    player: MediumId<Player>,
}

/// What a lie may cost: the buffers of the client, and those of the simulated network.
const MEMORY: u64 = 3 << 20;
/// Turns of the loop in a second, beyond which it is said to spin.
const TURNS_A_SECOND: u64 = 5_000;

/// A player of a server that acts so on a method, and is honest about the others.
fn lie(method: &'static str, act: Act) -> Case {
    lie_to(config(), method, move |_, _| act.clone())
}

fn lie_to(
    config: PlayerConfig,
    method: &'static str,
    mut act: impl FnMut(&Request<'_>, u32) -> Act + 'static,
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
        act(request, count)
    });
    let player = world.play(&format!("rtsp://{SERVER}/x"), config);
    Case { world, liar, is_honest, player }
}

/// A player of a server whose answers are honest, and whose media are not.
fn lie_with(transport: TransportPolicy, media: Media) -> Case {
    let mut config = config();
    config.transport = transport;
    let mut case = lie_to(config, "NOTHING", |_, _| Act::Silence);
    if transport == TransportPolicy::Udp {
        case.world.env.with(case.liar, Liar::serve_udp).unwrap();
    }
    case.liar().media = media;
    case
}

impl Case {
    fn liar(&mut self) -> &mut Liar {
        self.world.env.medium_mut(self.liar).unwrap()
    }

    /// Lets time pass in which the loop does not spin and little memory is taken.
    fn watched<R>(&mut self, pass: impl FnOnce(&mut World) -> R) -> R {
        let (turns, since) = (self.world.env.statistics().turns, self.world.env.now());
        let mut result = None;
        let memory = measure(|| result = Some(pass(&mut self.world)));
        assert!(memory.bytes_max < MEMORY, "{memory:?}");
        let turns = self.world.env.statistics().turns - turns;
        let seconds = (self.world.env.now() - since).as_secs() + 1;
        assert!(turns < seconds * TURNS_A_SECOND, "{turns} turns in {seconds} s");
        result.unwrap()
    }

    /// Waits for the loss, and looks at what is told; then the server becomes honest.
    #[track_caller]
    fn loses(mut self, within: Duration, why: &str) {
        assert_eq!(self.loss(within), why, "{:?}", self.world.told());
        self.recovers();
    }

    /// Waits for the loss.
    #[track_caller]
    fn loss(&mut self, within: Duration) -> String {
        let from = self.world.log.told.len();
        self.watched(|world| world.wait_for(within, |told| matches!(told, Told::Lost(_))));
        let told = self.world.told().split_off(from);
        let why = told.into_iter().find_map(|told| match told {
            Told::Lost(why) => Some(why),
            _ => None,
        });
        why.unwrap()
    }

    /// Plays for so long without a loss.
    #[track_caller]
    fn plays_on(&mut self, seconds: f64) {
        let before = self.world.frames();
        self.watched(|world| world.run_secs(seconds));
        let lost = self.world.told().into_iter().find(|told| matches!(told, Told::Lost(_)));
        assert_eq!(lost, None);
        let frames = self.world.frames() - before;
        assert!(frames as f64 > seconds * 40.0, "{frames}");
    }

    #[track_caller]
    fn recovers(mut self) {
        self.is_honest.set(true);
        self.liar().media = Media::Honest;
        let before = self.world.frames();
        self.world.wait_for(secs(5.0), |told| matches!(told, Told::Playing(_)));
        self.world.run_secs(1.0);
        assert!(self.world.frames() > before + 80, "{:?}", self.world.told());
        let udp = self.world.told().contains(&Told::Playing("UDP".to_owned()));
        let sockets = self.world.network().open_sockets(PLAYER_HOST.parse().unwrap());
        assert_eq!(sockets, if udp { 5 } else { 1 }, "the connection, and the tracks' sockets");
    }
}

/// A little more than a time-out that was configured.
fn limit(timeout: Duration) -> Duration {
    timeout + secs(0.2)
}

/// The longest wait for an answer.
fn answer_limit() -> Duration {
    limit(config().client.answer_timeout)
}

/// The longest silence of a track.
fn stall_limit() -> Duration {
    limit(config().stall_timeout)
}

#[test]
fn silence_instead_of_an_answer() {
    for method in ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"] {
        lie(method, Act::Silence).loses(answer_limit(), &format!("{method}: no response in time"));
    }
}

#[test]
fn half_an_answer() {
    let half = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 100\r\n\r\nv=0".to_vec();
    lie("DESCRIBE", Act::Bytes(half)).loses(answer_limit(), "DESCRIBE: no response in time");
}

#[test]
fn an_answer_to_something_else() {
    let other = b"RTSP/1.0 200 OK\r\nCSeq: 4711\r\n\r\n".to_vec();
    lie("SETUP", Act::Bytes(other)).loses(answer_limit(), "SETUP: no response in time");
}

#[test]
fn no_rtsp_at_all() {
    // The client looks for the next message, and none comes.
    let case = lie("DESCRIBE", Act::Bytes(b"\x01\x02\x03\x04".to_vec()));
    case.loses(answer_limit(), "DESCRIBE: no response in time");
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
    let case = lie_to(config, "DESCRIBE", |_, n| {
        let stale = format!("Digest realm=\"x\", nonce=\"{n}\", stale=true");
        Act::Answer(format!("RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: {stale}"))
    });
    case.loses(secs(1.0), "DESCRIBE: the server does not accept the user name or the password");
}

#[test]
fn a_loop_of_redirections() {
    let case = lie_to(config(), "DESCRIBE", |_, n| {
        Act::Answer(format!("RTSP/1.0 302 Moved\r\nLocation: rtsp://{SERVER}/{n}"))
    });
    case.loses(secs(1.0), "DESCRIBE: too many redirections");
}

#[test]
fn garbage_between_packets() {
    let mut case = lie("NOTHING", Act::Silence);
    case.world.run_secs(2.0);
    case.world.env.with(case.liar, |liar, env| liar.say(env, b"\x01\xFFnot a packet")).unwrap();
    case.world.run_secs(2.0);
    let told = case.world.told();
    assert_eq!(told, [Told::Connected, Told::Described(2), Told::Playing("TCP".into())]);
    assert!(case.world.frames() >= 395, "{}", case.world.frames());
    let player = case.world.env.medium(case.player).unwrap();
    assert_eq!((player.skipped().bytes, player.skipped().times), (14, 1));
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
