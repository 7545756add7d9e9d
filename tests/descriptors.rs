//! The limit on open descriptors, in a process of its own: to raise it changes the whole process,
//! which other tests are not to notice.

use riverrun::arena::RawId;
use riverrun::env::{Event, EventKey, Interest, Medium, UsageEnvironment};
use riverrun::net::{UdpSocket, raise_descriptor_limit};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// More than `select` could wait for.
const SOCKETS: u32 = 1500;
/// The sockets, and what else the test has open.
const DESCRIPTORS: u64 = SOCKETS as u64 + 100;

/// Keeps what it is told.
#[derive(Default)]
struct Listener(Vec<Event>);

impl Medium for Listener {
    fn kind(&self) -> &'static str {
        "listener"
    }

    fn handle_event(&mut self, _: &mut UsageEnvironment, event: Event) {
        self.0.push(event);
    }
}

#[test]
fn the_loop_waits_for_more_than_1024_descriptors() {
    let limit = raise_descriptor_limit().expect("the soft limit may be raised to the hard one");
    assert_eq!(raise_descriptor_limit().expect("it is raised"), limit);
    assert!(limit >= DESCRIPTORS, "the hard limit is {limit}; the test needs {DESCRIPTORS}");
    let mut env = UsageEnvironment::new().expect("an environment");
    let listener = env.add(Listener::default());
    let localhost = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut sockets: Vec<UdpSocket> = (0..SOCKETS)
        .map(|kind| {
            let mut socket = UdpSocket::bind(&mut env, localhost).expect("a socket");
            let key = EventKey { kind, id: RawId::default() };
            socket.watch(&mut env, listener.handle(), key, Interest::READABLE).expect("watched");
            socket
        })
        .collect();
    let sender = std::net::UdpSocket::bind(localhost).expect("a socket");
    for socket in &sockets {
        sender.send_to(b"x", socket.local_addr().expect("bound")).expect("sent");
    }
    let mut heard = vec![false; sockets.len()];
    let end = Instant::now() + Duration::from_secs(20);
    while heard.contains(&false) {
        assert!(Instant::now() < end, "some sockets are never told of");
        env.turn(Some(Duration::from_millis(20))).expect("a turn");
        for event in std::mem::take(&mut env.medium_mut(listener).expect("it is there").0) {
            let Event::Readiness { key, .. } = event else { continue };
            let socket = key.kind as usize;
            heard[socket] = true;
            while sockets[socket].recv_from(&mut env, &mut [0; 4]).is_ok() {}
        }
    }
}
