//! The RTSP client alone: requests, authentication, redirections, and how it connects.

use crate::camera::Camera;
use crate::liar::{Act, Liar};
use crate::secrets::{has_secret, record, recorded};
use crate::world::{SERVER, Told, World, client_config, config, secs};
use riverrun::client::{
    ClientEvent, Disconnection, RequestFailure, RequestId, RtspClient, RtspClientConfig,
};
use riverrun::env::{Event, Medium, MediumHandle, MediumId, UsageEnvironment};
use riverrun::wire::auth::{
    Challenge, Credentials, DigestAlgorithm, DigestChallenge, UserCredentials,
};
use riverrun::wire::rtsp::{Method, Request};
use riverrun::wire::url::RtspUrl;
use std::net::IpAddr;
use std::sync::mpsc::channel;
use std::time::Duration;

/// The owner of a client, which keeps its news.
struct Owner {
    client: Option<RtspClient>,
    config: RtspClientConfig,
    news: Vec<ClientEvent>,
}

impl Medium for Owner {
    fn kind(&self) -> &'static str {
        "Owner"
    }

    fn on_added(&mut self, _: &mut UsageEnvironment, me: MediumHandle) {
        self.client = Some(RtspClient::new(self.config.clone(), me).unwrap());
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        let Some(client) = &mut self.client else { return };
        assert!(client.handle_event(env, event, &mut |_, _| {}));
        self.take_news();
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        if let Some(client) = &mut self.client {
            client.close(env);
        }
    }
}

impl Owner {
    fn take_news(&mut self) {
        self.news.extend(std::iter::from_fn(|| self.client.as_mut()?.poll_event()));
    }
}

/// A world with one client.
pub(crate) struct Asking {
    pub(crate) world: World,
    owner: MediumId<Owner>,
}

pub(crate) fn asking(config: RtspClientConfig) -> Asking {
    let mut world = World::new(11);
    let owner = world.env.add(Owner { client: None, config, news: Vec::new() });
    Asking { world, owner }
}

impl Asking {
    pub(crate) fn server(&mut self, url: &str) {
        self.with(|client, env| client.set_server(env, &RtspUrl::parse(url).unwrap()).unwrap());
    }

    pub(crate) fn with<R>(
        &mut self,
        f: impl FnOnce(&mut RtspClient, &mut UsageEnvironment) -> R,
    ) -> R {
        let with = |owner: &mut Owner, env: &mut UsageEnvironment| {
            let result = f(owner.client.as_mut().unwrap(), env);
            owner.take_news();
            result
        };
        self.world.env.with(self.owner, with).unwrap()
    }

    fn ask(&mut self, method: Method, url: &str) -> RequestId {
        let request = Request::new(method, url.to_owned());
        self.with(|client, env| client.send(env, request))
    }

    /// The news of the time that passes.
    pub(crate) fn news(&mut self, seconds: f64) -> Vec<ClientEvent> {
        self.world.run_secs(seconds);
        std::mem::take(&mut self.world.env.medium_mut(self.owner).unwrap().news)
    }

    /// The status of each response, and what has failed.
    fn outcomes(&mut self, seconds: f64) -> Vec<(RequestId, Result<u16, RequestFailure>)> {
        let outcome = |news| match news {
            ClientEvent::Response { request, response } => {
                Some((request, Ok(response.status.code())))
            }
            ClientEvent::Failed { request, why } => Some((request, Err(why))),
            _ => None,
        };
        self.news(seconds).into_iter().filter_map(outcome).collect()
    }

    fn liar(
        &mut self,
        address: &str,
        script: impl FnMut(&Request<'_>) -> Act + 'static,
    ) -> MediumId<Liar> {
        Liar::open(&mut self.world.env, address, script)
    }
}

const URL: &str = "rtsp://10.0.0.1/x";

#[test]
fn requests_are_pipelined_and_answers_matched() {
    let mut asking = asking(client_config());
    let mut held = Vec::new();
    asking.liar(SERVER, move |request| {
        held.push(request.headers.value("CSeq").unwrap().to_owned());
        // All are answered with the third, the last first.
        if held.len() < 3 {
            return Act::Silence;
        }
        let answer = |(i, cseq)| format!("RTSP/1.0 {} X\r\nCSeq: {cseq}\r\n\r\n", 200 + i);
        Act::Bytes(held.iter().enumerate().rev().map(answer).collect::<String>().into_bytes())
    });
    asking.server(URL);
    let ids = [(); 3].map(|()| asking.ask(Method::Options, URL));
    let expected: Vec<_> =
        ids.into_iter().zip([200, 201, 202]).map(|(id, s)| (id, Ok(s))).collect();
    assert_eq!(asking.outcomes(1.0), expected.into_iter().rev().collect::<Vec<_>>());
}

/// Answers a request whose credentials are right, and asks for them otherwise.
fn guarded(
    challenges: &'static [&'static str],
    user: UserCredentials,
) -> impl FnMut(&Request<'_>) -> Act {
    move |request| {
        let given = request.headers.value("Authorization").map(Credentials::parse);
        let is_right = match given {
            Some(Ok(Credentials::Basic(given))) => given == user,
            Some(Ok(Credentials::Digest(digest))) => {
                digest.uri == request.url.as_str()
                    && digest.is_proven_by(&user, request.method.as_str())
                    && challenges
                        .iter()
                        .flat_map(|c| Challenge::parse_list(c))
                        .any(|c| matches!(c, Challenge::Digest(c) if c.nonce == digest.nonce))
            }
            _ => false,
        };
        if is_right {
            return Act::Honest;
        }
        let lines: Vec<_> =
            challenges.iter().map(|c| format!("\r\nWWW-Authenticate: {c}")).collect();
        Act::Answer(format!("RTSP/1.0 401 Unauthorized{}", lines.concat()))
    }
}

#[test]
fn it_authenticates() {
    for challenges in [
        &["Basic realm=\"x\""][..],
        &["Digest realm=\"x\", nonce=\"1\""],
        &["Digest realm=\"x\", nonce=\"1\", qop=\"auth\", algorithm=MD5", "Basic realm=\"x\""],
        &["Basic realm=\"x\", Digest realm=\"x\", nonce=\"1\", algorithm=SHA-256, qop=\"auth\""],
    ] {
        let mut asking = asking(client_config());
        asking.liar(SERVER, guarded(challenges, UserCredentials::new("admin", "s3cret:p@ss/rd")));
        asking.server("rtsp://admin:s3cret%3Ap%40ss%2Frd@10.0.0.1/x");
        let first = asking.ask(Method::Describe, URL);
        let second = asking.ask(Method::Setup, "rtsp://10.0.0.1/x/track1");
        let outcomes = asking.outcomes(1.0);
        assert_eq!(outcomes, [(first, Ok(200)), (second, Ok(461))], "{challenges:?}");
        // Later ones carry credentials at once.
        asking.ask(Method::Options, URL);
        assert_eq!(asking.outcomes(1.0).len(), 1);
    }
}

#[test]
fn wrong_and_missing_credentials() {
    for (url, why) in [
        (URL, RequestFailure::NoCredentials),
        ("rtsp://admin:guess@10.0.0.1/x", RequestFailure::WrongCredentials),
    ] {
        let mut asking = asking(client_config());
        let challenges = &["Digest realm=\"x\", nonce=\"1\", qop=auth"];
        asking.liar(SERVER, guarded(challenges, UserCredentials::new("admin", "s3cret")));
        asking.server(url);
        let id = asking.ask(Method::Describe, URL);
        assert_eq!(asking.outcomes(1.0), [(id, Err(why))]);
    }
    let mut asking = asking(client_config());
    let challenges = &["Digest realm=\"x\", nonce=\"1\", algorithm=SHA-512-256"];
    asking.liar(SERVER, guarded(challenges, UserCredentials::new("a", "b")));
    asking.server("rtsp://a:b@10.0.0.1/x");
    let id = asking.ask(Method::Describe, URL);
    let why = RequestFailure::NoScheme("Digest with SHA-512-256".to_owned());
    assert_eq!(asking.outcomes(1.0), [(id, Err(why))]);
}

#[test]
fn a_redirection_is_followed_and_takes_no_credentials_along() {
    let mut asking = asking(client_config());
    asking.liar(SERVER, |_| {
        let location = "Location: rtsp://10.0.0.3:8554/y";
        Act::Answer(format!("RTSP/1.0 301 Moved Permanently\r\n{location}"))
    });
    let (keep, seen) = channel();
    asking.liar("10.0.0.3:8554", move |request| {
        keep.send(request.clone().into_owned()).unwrap();
        let challenge = "WWW-Authenticate: Basic realm=\"x\"";
        Act::Answer(format!("RTSP/1.0 401 Unauthorized\r\n{challenge}"))
    });
    asking.server("rtsp://u:p@10.0.0.1/x");
    let id = asking.ask(Method::Describe, URL);
    assert_eq!(asking.outcomes(1.0), [(id, Err(RequestFailure::NoCredentials))]);
    let seen: Vec<_> = seen.try_iter().collect();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].url.as_str(), "rtsp://10.0.0.3:8554/y");
    assert_eq!(seen[0].headers.value("Authorization"), None);
}

#[test]
fn each_kind_of_redirection_is_followed() {
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "305 Use Proxy"] {
        let mut asking = asking(client_config());
        asking.liar(SERVER, move |_| {
            Act::Answer(format!("RTSP/1.0 {status}\r\nLocation: rtsp://10.0.0.3/y"))
        });
        asking.liar("10.0.0.3:554", |_| Act::Honest);
        asking.server(URL);
        let id = asking.ask(Method::Describe, URL);
        assert_eq!(asking.outcomes(1.0), [(id, Ok(200))], "{status}");
    }
    // Others are responses, and so is one without a place to go to.
    for head in ["300 Multiple Choices\r\nLocation: rtsp://10.0.0.3/y", "302 Found"] {
        let mut asking = asking(client_config());
        asking.liar(SERVER, move |_| Act::Answer(format!("RTSP/1.0 {head}")));
        asking.server(URL);
        let id = asking.ask(Method::Describe, URL);
        let status = head[..3].parse().unwrap();
        assert_eq!(asking.outcomes(1.0), [(id, Ok(status))]);
    }
}

#[test]
fn a_redirection_within_the_server_keeps_the_user() {
    let mut asking = asking(client_config());
    let mut guard = guarded(&["Basic realm=\"x\""], UserCredentials::new("u", "p"));
    asking.liar(SERVER, move |request| match guard(request) {
        Act::Honest if request.url.as_str() == URL => {
            Act::Answer("RTSP/1.0 302 Found\r\nLocation: /y?z".to_owned())
        }
        act => act,
    });
    asking.server("rtsp://u:p@10.0.0.1/x");
    let id = asking.ask(Method::Describe, URL);
    let news = asking.news(1.0);
    let redirected = news.iter().find_map(|news| match news {
        ClientEvent::Redirected { request, url } if *request == id => Some(url.as_str()),
        _ => None,
    });
    assert_eq!(redirected, Some("rtsp://10.0.0.1/y?z"));
    assert!(
        matches!(news.last(), Some(ClientEvent::Response { response, .. }) if response.status.is_success()),
        "{news:?}"
    );
}

#[test]
fn what_the_server_asks_is_answered() {
    let mut asking = asking(client_config());
    let liar = asking.liar(SERVER, |_| {
        let ask = |method, cseq| format!("{method} * RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n");
        let asked = ask("OPTIONS", 1) + &ask("GET_PARAMETER", 2) + &ask("SET_PARAMETER", 3);
        let asked = asked + &ask("REDIRECT", 4) + &ask("ANNOUNCE", 5) + &ask("PLAY", 6);
        Act::Bytes(asked.into_bytes())
    });
    asking.server(URL);
    asking.ask(Method::Options, URL);
    let news = asking.news(1.0);
    let asked: Vec<_> = news
        .iter()
        .filter_map(|news| match news {
            ClientEvent::ServerRequest(request) => Some(request.method.as_str()),
            _ => None,
        })
        .collect();
    let all = ["OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "REDIRECT", "ANNOUNCE", "PLAY"];
    assert_eq!(asked, all);
    let liar = asking.world.env.medium(liar).unwrap();
    assert_eq!(liar.answers, [(1, 200), (2, 200), (3, 501), (4, 501), (5, 501), (6, 501)]);
}

#[test]
fn the_first_address_that_answers_is_used() {
    let v6: IpAddr = "fd00::9".parse().unwrap();
    let v4: IpAddr = "10.0.0.1".parse().unwrap();
    for (is_silent, at_most) in [(true, secs(0.3)), (false, secs(0.1))] {
        let mut asking = asking(RtspClientConfig::default());
        asking.liar(SERVER, |_| Act::Honest);
        let network = asking.world.network();
        network.set_name("camera.test", &[v6, v4]);
        if is_silent {
            network.vanish(v6);
        }
        let start = asking.world.env.now();
        asking.server("rtsp://camera.test/x");
        let id = asking.ask(Method::Options, URL);
        let news = asking.news(at_most.as_secs_f64());
        let is_response = |news: &&ClientEvent| matches!(news, ClientEvent::Response { request, .. } if *request == id);
        assert!(news.iter().any(|news| is_response(&news)), "{is_silent}: {news:?}");
        assert!(asking.world.env.now() - start < secs(0.31));
    }
}

#[test]
fn connections_that_cannot_be_made() {
    let why = |asking: &mut Asking, seconds| {
        let news = asking.news(seconds);
        match news.into_iter().last() {
            Some(ClientEvent::Disconnected(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    let mut unknown = asking(client_config());
    unknown.server("rtsp://nowhere.test/x");
    unknown.ask(Method::Options, URL);
    assert!(matches!(why(&mut unknown, 0.1), Disconnection::Name(_)));
    let mut refused = asking(client_config());
    refused.server(URL);
    let id = refused.ask(Method::Options, URL);
    let news = refused.news(0.1);
    assert!(
        matches!(
            &news[..],
            [
                ClientEvent::Failed { request, why: RequestFailure::Disconnected },
                ClientEvent::Disconnected(Disconnection::Connect(_))
            ] if *request == id
        ),
        "{news:?}"
    );
    let mut silent = asking(client_config());
    silent.world.network().vanish("10.0.0.1".parse().unwrap());
    silent.server(URL);
    silent.ask(Method::Options, URL);
    assert!(silent.news(9.9).is_empty());
    assert!(matches!(why(&mut silent, 0.2), Disconnection::ConnectTimeout));
    let mut udp = asking(client_config());
    udp.server("rtspu://10.0.0.1/x");
    udp.ask(Method::Options, URL);
    assert!(matches!(why(&mut udp, 0.1), Disconnection::Scheme(scheme) if scheme == "rtspu"));
    #[cfg(not(feature = "tls"))]
    {
        let mut tls = asking(client_config());
        tls.server("rtsps://10.0.0.1/x");
        tls.ask(Method::Options, URL);
        assert!(matches!(why(&mut tls, 0.1), Disconnection::Scheme(scheme) if scheme == "rtsps"));
    }
}

#[test]
fn credentials_are_in_no_log_line_error_or_debug_output() {
    record();
    let mut shown = String::new();
    let challenge = DigestChallenge::new("x", "1", DigestAlgorithm::Md5).to_string();
    for challenges in [vec!["Basic realm=\"x\"".to_owned()], vec![challenge], vec![]] {
        let mut asking = asking(client_config());
        let lines: String =
            challenges.iter().map(|c| format!("\r\nWWW-Authenticate: {c}")).collect();
        asking.liar(SERVER, move |_| Act::Answer(format!("RTSP/1.0 401 No{lines}")));
        asking.server("rtsp://operator:s3cret-2@10.0.0.1/x");
        asking.ask(Method::Describe, URL);
        let news = asking.news(1.0);
        let failure = news.iter().find_map(|news| match news {
            ClientEvent::Failed { why, .. } => Some(why.to_string()),
            _ => None,
        });
        asking.with(|client, _| shown += &format!("{client:?} {failure:?} {news:?}"));
        let mut player_config = config();
        player_config.client.credentials = Some(UserCredentials::new("operator", "s3cret-2"));
        shown += &format!("{player_config:?}");
        let player = asking.world.play("rtsp://operator:s3cret-2@10.0.0.1/x", player_config);
        asking.world.run(Duration::from_secs(3));
        shown += &format!("{:?} {:?}", asking.world.env.medium(player), asking.world.told());
    }
    // One who is let in, and plays, and is sent on, and loses the server.
    let mut world = World::new(12);
    let mut guard = guarded(&["Basic realm=\"x\""], UserCredentials::new("operator", "s3cret-2"));
    let camera = Camera::open(&mut world.env, SERVER, move |request, reply| {
        match (guard(request), &request.method) {
            (Act::Honest, Method::Describe) if request.url.as_str() == URL => {
                reply.refuse("302 Found");
                reply.set("Location", "rtsp://operator:s3cret-2@10.0.0.1/y");
            }
            (Act::Honest, Method::Describe) => {
                reply.set("Content-Base", "rtsp://operator:s3cret-2@10.0.0.1/y/");
            }
            (Act::Honest, _) => {}
            _ => {
                reply.refuse("401 Unauthorized");
                reply.set("WWW-Authenticate", "Basic realm=\"x\"");
            }
        }
    });
    let player = world.play("rtsp://operator:s3cret-2@10.0.0.1/x", config());
    world.wait_for(secs(2.0), |told| matches!(told, Told::Playing(_)));
    world.run_secs(50.0);
    shown += &format!("{:?}", world.env.medium(player));
    world.env.close(camera);
    world.run_secs(50.0);
    shown += &format!("{:?} {:?}", world.env.medium(player), world.told());
    assert!(recorded().contains("DESCRIBE"), "something was logged");
    assert!(!has_secret(&shown), "{shown}");
}
