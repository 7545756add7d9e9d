//! RTSP over TLS on sockets of the operating system: what a connection takes at rest.
#![cfg(feature = "tls")]
#![allow(clippy::print_stderr, reason = "figures of a measurement")]

use allocation_counter::measure;
use riverrun::client::{ClientEvent, RtspClient, RtspClientConfig};
use riverrun::env::{Event, Medium, MediumHandle, UsageEnvironment};
use riverrun::net::tls::{TlsAcceptor, TlsFiles, TlsTrust};
use riverrun::server::{RtspServer, ServerConfig};
use riverrun::wire::rtsp::{Method, Request};
use riverrun::wire::url::RtspUrl;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[path = "support/secrets.rs"]
mod secrets;

const CLIENTS: usize = 64;
/// What a connection may take, by issue and by README.
const MOST: u64 = 40 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks once, and stays.
struct Asker {
    url: String,
    client: Option<RtspClient>,
    answered: Arc<AtomicUsize>,
}

impl Medium for Asker {
    fn kind(&self) -> &'static str {
        "Asker"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        let mut config = RtspClientConfig::default();
        config.tls_trust = TlsTrust::InsecureAnyone;
        config.handshake_timeout = PATIENCE;
        let mut client = RtspClient::new(config, me).expect("fit to use");
        client.set_server(env, &RtspUrl::parse(&self.url).expect("a URL")).expect("a server");
        client.send(env, Request::new(Method::Options, "*"));
        self.client = Some(client);
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        let Some(client) = &mut self.client else { return };
        client.handle_event(env, event, &mut |_, _| {});
        while let Some(news) = client.poll_event() {
            match news {
                ClientEvent::Connected { .. } => {}
                ClientEvent::Response { .. } => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Clients in a thread of their own, whose memory is counted apart.
fn ask(
    url: &str,
    answered: &Arc<AtomicUsize>,
    stop: &Arc<AtomicBool>,
) -> std::thread::JoinHandle<()> {
    let (url, answered, stop) = (url.to_owned(), Arc::clone(answered), Arc::clone(stop));
    std::thread::spawn(move || {
        let mut env = UsageEnvironment::new().expect("an environment");
        for _ in 0..CLIENTS {
            let (url, answered) = (url.clone(), Arc::clone(&answered));
            env.add(Asker { url, client: None, answered });
        }
        while !stop.load(Ordering::Relaxed) {
            env.turn(Some(Duration::from_millis(20))).expect("the loop goes on");
        }
    })
}

/// Bytes that each connection takes at rest.
fn at_rest(scheme: &str) -> u64 {
    secrets::search_the_log();
    let mut env = UsageEnvironment::new().unwrap();
    let local = "127.0.0.1:0".parse().unwrap();
    let server = RtspServer::new(&mut env, ServerConfig::default(), &[local]).unwrap();
    let pem = |name: &str| format!("{}/testdata/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let files = TlsFiles::new(pem("server.pem"), pem("server.key"));
    let acceptor = TlsAcceptor::from_files(files).unwrap();
    let addresses = env.with(server, |server, env| {
        let tls = server.listen_tls(env, local, acceptor).unwrap();
        [server.local_addrs()[0], tls]
    });
    let [plain, tls] = addresses.unwrap();
    let address = if scheme == "rtsps" { tls } else { plain };
    let (answered, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    // What is shared by all connections is there before.
    let (mut taken, mut threads) = (0, Vec::new());
    for round in 1..=2 {
        threads.push(ask(&format!("{scheme}://{address}/"), &answered, &stop));
        let clients = measure(|| {
            let begun = Instant::now();
            while answered.load(Ordering::Relaxed) < CLIENTS * round {
                assert!(
                    begun.elapsed() < PATIENCE,
                    "{} are answered",
                    answered.load(Ordering::Relaxed)
                );
                env.turn(Some(Duration::from_millis(20))).unwrap();
            }
        });
        taken = u64::try_from(clients.bytes_current).unwrap();
    }
    assert_eq!(env.medium(server).unwrap().connection_count(), 2 * CLIENTS);
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().expect("nobody was cut off"));
    taken / CLIENTS as u64
}

#[test]
fn a_connection_at_rest_takes_little() {
    let (plain, tls) = (at_rest("rtsp"), at_rest("rtsps"));
    eprintln!("a connection at rest: {plain} bytes over TCP, {tls} bytes over TLS");
    assert!(tls <= MOST, "{tls} bytes");
    assert!(plain < 4096, "{plain} bytes");
}
