//! The loop on the operating system, and what both worlds have in common.

mod descriptors;
mod media;
mod running;
mod sockets;
mod strangers;
mod timers;
mod triggers;

use super::*;
use crate::arena::RawId;
use crate::net::{TcpListener, TcpStream, UdpSocket};
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn key(kind: u32) -> EventKey {
    EventKey { kind, id: RawId::default() }
}

fn localhost() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Takes turns until `done` says so; fails after five seconds.
fn turn_until(env: &mut UsageEnvironment, mut done: impl FnMut(&mut UsageEnvironment) -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !done(env) {
        assert!(Instant::now() < end, "it never happened");
        env.turn(Some(millis(20))).unwrap();
    }
}

/// A medium that does what its closures say and remembers its events.
type Reaction = Box<dyn FnMut(&mut Vec<Event>, &mut UsageEnvironment, Event)>;

struct Probe {
    events: Vec<Event>,
    reaction: Reaction,
    closed: Rc<Cell<u32>>,
    me: MediumHandle,
}

impl Probe {
    fn new(reaction: impl FnMut(&mut Vec<Event>, &mut UsageEnvironment, Event) + 'static) -> Self {
        Self {
            events: Vec::new(),
            reaction: Box::new(reaction),
            closed: Rc::default(),
            me: MediumHandle::default(),
        }
    }

    fn quiet() -> Self {
        Self::new(|_, _, _| {})
    }
}

impl Medium for Probe {
    fn kind(&self) -> &'static str {
        "probe"
    }
    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        self.events.push(event);
        (self.reaction)(&mut self.events, env, event);
    }
    fn on_added(&mut self, _: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
    }
    fn on_close(&mut self, env: &mut UsageEnvironment) {
        assert!(!env.contains(self.me));
        self.closed.set(self.closed.get() + 1);
    }
}
