//! Players of `rtsps` URLs: whom they trust, and what they do not follow.

use crate::world::{SERVER, Told, World, config, secs};
use riverrun::client::{PlayerConfig, ReconnectPolicy, TransportPolicy};
use riverrun::env::MediumId;
use riverrun::net::TcpListener;
use riverrun::net::tls::{TlsAcceptor, TlsFiles, TlsTrust};
use riverrun::server::{Admission, DecideLater, Decision, RequestInfo, RtspServer, ServerHooks};
use riverrun::wire::rtsp::{Method, StatusCode};
use std::path::{Path, PathBuf};

/// At the port of `rtsps`.
const URL: &str = "rtsps://10.0.0.1/h264_aac.mkv";

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
}

fn once(trust: TlsTrust) -> PlayerConfig {
    let mut config = config();
    config.reconnect = ReconnectPolicy::never();
    config.client.tls_trust = trust;
    config
}

/// Lets a server listen for TLS at a host, with one of the certificates.
pub(crate) fn listen_tls(world: &mut World, server: MediumId<RtspServer>, host: &str, name: &str) {
    let files = TlsFiles::new(pem(&format!("{name}.pem")), pem(&format!("{name}.key")));
    let acceptor = TlsAcceptor::from_files(files).expect("a certificate and its key");
    let address = format!("{host}:322").parse().unwrap();
    let listens = world.env.with(server, |server, env| server.listen_tls(env, address, acceptor));
    listens.expect("the server is there").expect("the port is free");
}

/// A world with the crate's server, which has one of the certificates.
fn world_of(name: &str) -> World {
    let mut world = World::new(1);
    let server = world.serve();
    listen_tls(&mut world, server, "10.0.0.1", name);
    world
}

/// Trust in the certificate `server` alone, whatever the name.
pub(crate) fn pinned() -> TlsTrust {
    let sum = "741DFA81CB28AC5BA7DD1325364FE5D1CB6A076002F7311B574DD2534EE25799";
    TlsTrust::fingerprint(sum).unwrap()
}

pub(crate) fn authorities(name: &str) -> TlsTrust {
    TlsTrust::AuthorityFile(pem(name))
}

#[test]
fn a_film_is_played_to_its_end_over_tls() {
    let mut world = world_of("server");
    world.set_profile(|profile| profile.partial = 0.3);
    for transport in [TransportPolicy::Tcp, PlayerConfig::default().transport] {
        let mut config = once(authorities("ca.pem"));
        config.transport = transport;
        world.log.told.clear();
        let before = world.frames();
        world.play(URL, config);
        world.run_secs(12.0);
        // UDP is asked for first, and refused.
        let playing = Told::Playing("TCP".to_owned());
        assert_eq!(world.told(), [Told::Connected, Told::Described(2), playing, Told::EndOfStream]);
        assert_eq!(world.frames() - before, 125 + 217);
    }
}

/// What a player says in the end.
fn end_of(server: &str, url: &str, trust: TlsTrust) -> String {
    let mut world = world_of(server);
    let mut config = once(trust);
    config.transport = TransportPolicy::Tcp;
    world.play(url, config);
    world.run_secs(8.0);
    match world.told().last() {
        Some(Told::Failed(why)) => why.clone(),
        Some(Told::EndOfStream) => "played".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_who_is_trusted_is_played_from() {
    // Of an authority that the system does not know.
    let why = end_of("server", URL, TlsTrust::default());
    assert!(why.contains("UnknownIssuer") || why.contains("system's certificates"), "{why}");
    // Of another authority; for another name.
    assert!(end_of("other", URL, authorities("ca.pem")).contains("UnknownIssuer"));
    let why = end_of("other", URL, authorities("other.pem"));
    assert!(why.contains("not valid for name"), "{why}");
    assert!(end_of("server", URL, authorities("missing.pem")).contains("missing.pem"));
    assert_eq!(end_of("server", URL, authorities("ca.pem")), "played");
    assert_eq!(end_of("server", URL, pinned()), "played");
    assert!(end_of("other", URL, pinned()).contains("certificate"));
    assert_eq!(end_of("other", URL, TlsTrust::InsecureAnyone), "played");
}

#[test]
fn a_server_that_never_shakes_hands_is_given_up() {
    let mut world = World::new(3);
    let listener = TcpListener::bind(&mut world.env, "10.0.0.1:322".parse().unwrap()).unwrap();
    let mut config = once(TlsTrust::InsecureAnyone);
    config.client.handshake_timeout = secs(3.0);
    let begun = world.env.now();
    world.play(URL, config);
    let ended = world.wait_for(secs(5.0), |told| matches!(told, Told::Failed(_)));
    let took = ended - begun;
    assert!((secs(2.9)..secs(3.3)).contains(&took), "{took:?}");
    let told = world.told();
    assert!(matches!(&told[..], [Told::Failed(why)] if why.contains("in time")), "{told:?}");
    listener.close(&mut world.env);
}

#[test]
fn a_server_that_speaks_no_tls_is_named_as_such() {
    let mut world = World::new(4);
    world.serve();
    world.play(&format!("rtsps://{SERVER}/live"), once(TlsTrust::InsecureAnyone));
    world.run_secs(1.0);
    let told = world.told();
    assert!(matches!(&told[..], [Told::Failed(why)] if why.contains("cannot be used")), "{told:?}");
}

/// Sends everybody away.
struct Elsewhere(&'static str);

impl ServerHooks for Elsewhere {
    fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
        if request.request.method == Method::Describe
            && !request.request.url.as_str().ends_with("live")
        {
            return Admission::refuse(StatusCode::MOVED_TEMPORARILY)
                .header("Location", self.0)
                .into();
        }
        Admission::Allow(None).into()
    }
}

#[test]
fn no_redirection_leads_out_of_tls() {
    for (location, is_followed) in
        [("rtsp://10.0.0.1:554/live", false), ("rtsps://10.0.0.1:322/live", true)]
    {
        let mut world = World::new(5);
        let server = world.serve();
        listen_tls(&mut world, server, "10.0.0.1", "server");
        world.env.with(server, |server, _| server.set_hooks(Elsewhere(location))).unwrap();
        world.play(URL, once(authorities("ca.pem")));
        world.run_secs(3.0);
        let plays = world.told().iter().any(|told| matches!(told, Told::Playing(_)));
        assert_eq!(plays, is_followed, "{location}: {:?}", world.told());
    }
}
