//! A connection over streams that are as awkward as TLS and tunnels may be.

use super::*;
use crate::env::{Event, LinkProfile, Medium, MediumId};
use crate::net::{Hostile, Hostility, TcpListener, TcpStream};
use crate::wire::rtsp::{Incoming, Limits, Method, parse};
use std::io::ErrorKind;

const HERE: &str = "10.0.0.1:554";
const THERE: &str = "10.0.0.2:0";
const REQUESTS: u32 = 40;

/// Answers requests, sends packets back, and asks a thing of its own.
struct Owner {
    stream: Option<ByteStream>,
    connection: Option<Connection<u8>>,
    buffer: Vec<u8>,
    /// What its own request has led to.
    answered: Option<u16>,
    /// Events and timers.
    calls: usize,
}

impl Owner {
    fn read(&mut self, env: &mut UsageEnvironment) {
        let Some(connection) = self.connection.as_mut().filter(|c| c.wants_input()) else { return };
        match connection.read(env, &mut self.buffer) {
            Ok(n) => self.process(env, n),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => panic!("{e}"),
        }
    }

    fn process(&mut self, env: &mut UsageEnvironment, n: usize) {
        let Some(connection) = &mut self.connection else { return };
        let mut input = connection.begin_input(&self.buffer[..n]);
        while let Some(received) = connection.poll_message(&mut input, env.now()).unwrap() {
            match received {
                Received::Request(request) => {
                    let answer = format!("RTSP/1.0 200 OK\r\n{}\r\n", cseq(&request.headers));
                    connection.send_answer(env, answer.as_bytes()).unwrap();
                    if request.method == Method::Pause {
                        connection.hold_input(Some(env.now() + Duration::from_millis(50)));
                    }
                }
                Received::Interleaved { channel: 9, .. } => {}
                Received::Interleaved { channel, data } => {
                    let mut packet = Vec::new();
                    assert!(crate::wire::interleaved::write(channel, data, &mut packet));
                    connection.send_media(env, &packet, false).unwrap();
                }
                Received::Response(1, response) => self.answered = Some(response.status.code()),
                other => panic!("{other:?}"),
            }
        }
        connection.end_input(input, env.now());
    }
}

fn cseq(headers: &crate::wire::rtsp::Headers<'_>) -> String {
    headers.value("CSeq").map(|cseq| format!("CSeq: {cseq}\r\n")).unwrap_or_default()
}

impl Medium for Owner {
    fn kind(&self) -> &'static str {
        "Owner"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        let stream = self.stream.take().unwrap();
        let ends = (THERE.parse().unwrap(), HERE.parse().unwrap());
        let config = ConnectionConfig { max_queued_media: 1 << 20, ..ConnectionConfig::of_tests() };
        let mut connection =
            Connection::new(stream, ends, me, EventKey::default(), config, env.now());
        connection.open(env).unwrap();
        let mut request = Request::new(Method::GetParameter, "rtsp://h/s");
        connection.send_request(env, &mut request, Duration::from_secs(60)).unwrap();
        self.connection = Some(connection);
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        self.calls += 1;
        let Some(connection) = &mut self.connection else { return };
        match event {
            Event::Readiness { readiness, .. } => {
                let ready = connection.handle_readiness(env, readiness).unwrap();
                if ready.writable {
                    connection.flush(env).unwrap();
                }
                if ready.readable {
                    self.read(env);
                }
            }
            _ => {
                assert_eq!(connection.overdue(env.now()), None);
                if connection.is_hold_over(env.now()) {
                    connection.release_input();
                    self.process(env, 0);
                } else if connection.has_backlog() {
                    self.process(env, 0);
                } else if connection.can_read_more() {
                    self.read(env);
                }
            }
        }
        let connection = self.connection.as_mut().unwrap();
        connection.update(env);
        if connection.is_finished() {
            self.connection.take().unwrap().close(env);
        }
    }
}

/// The far end: what it has to say, and what it has heard.
struct Peer {
    outgoing: TcpStream,
    incoming: Option<TcpStream>,
    to_send: Vec<u8>,
    heard: Vec<u8>,
    ended: bool,
}

impl Peer {
    /// Sends and reads what it can.
    fn pump(&mut self, env: &mut UsageEnvironment) {
        if !self.to_send.is_empty() {
            match self.outgoing.write(env, &self.to_send) {
                Ok(n) => drop(self.to_send.drain(..n)),
                Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
            }
        }
        let incoming = self.incoming.as_mut().unwrap_or(&mut self.outgoing);
        let mut buffer = [0; 999];
        loop {
            match incoming.read(env, &mut buffer) {
                Ok(0) => return self.ended = true,
                Ok(n) => self.heard.extend_from_slice(&buffer[..n]),
                Err(e) => return assert_eq!(e.kind(), ErrorKind::WouldBlock),
            }
        }
    }

    /// What it has heard: `CSeq`s of answers and of requests, lengths of packets.
    fn understood(&self) -> Vec<String> {
        let mut rest = &self.heard[..];
        let mut all = Vec::new();
        while !rest.is_empty() {
            let (incoming, n) = parse(rest, &Limits::default()).unwrap();
            match incoming {
                Incoming::Request(r) => all.push(format!("asked {}", r.headers.cseq().unwrap())),
                Incoming::Response(r) => all.push(format!("told {}", r.headers.cseq().unwrap())),
                Incoming::Interleaved { data, .. } => all.push(format!("packet {}", data.len())),
                Incoming::NeedMore => return all,
            }
            rest = &rest[n..];
        }
        all
    }
}

struct World {
    env: UsageEnvironment,
    owner: MediumId<Owner>,
    peer: Peer,
}

impl World {
    /// `None`: plain TCP.
    fn new(seed: u64, how: Option<Hostility>) -> Self {
        let mut env = UsageEnvironment::simulated(seed);
        let profile = LinkProfile { tcp_window: 512, ..LinkProfile::default() };
        env.simulation().unwrap().set_profile(profile);
        let mut listener = TcpListener::bind(&mut env, HERE.parse().unwrap()).unwrap();
        let mut pair = |env: &mut UsageEnvironment| {
            let from = Some(THERE.parse().unwrap());
            let far = TcpStream::connect_from(env, from, HERE.parse().unwrap()).unwrap();
            let near = loop {
                env.turn(Some(Duration::from_millis(5))).unwrap();
                match listener.accept(env) {
                    Ok((near, _)) => break near,
                    Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
                }
            };
            (far, near)
        };
        let (outgoing, near) = pair(&mut env);
        let (stream, incoming) = match how {
            None => (ByteStream::from(near), None),
            Some(how) => {
                let (far, second) = pair(&mut env);
                (Hostile::new(near, second, how).into(), Some(far))
            }
        };
        listener.close(&mut env);
        let owner = Owner {
            stream: Some(stream),
            connection: None,
            buffer: vec![0; 4096],
            answered: None,
            calls: 0,
        };
        let owner = env.add(owner);
        let (to_send, heard) = (Vec::new(), Vec::new());
        Self { env, owner, peer: Peer { outgoing, incoming, to_send, heard, ended: false } }
    }

    /// Goes on until the peer has understood so many, or the time is over; with `chatter` the peer
    /// sends something to ignore all the time.
    fn run_until(&mut self, understood: usize, chatter: bool) {
        for turn in 0..30_000 {
            if turn % 64 == 0 && self.peer.understood().len() >= understood {
                return;
            }
            if chatter && self.peer.to_send.is_empty() {
                self.peer.to_send.extend([b'$', 9, 0, 0]);
            }
            self.peer.pump(&mut self.env);
            self.env.turn(Some(Duration::from_millis(1))).unwrap();
        }
        panic!("understood only {:?}", self.peer.understood());
    }

    /// The whole dialogue over one stream.
    fn talk(mut self, chatter: bool) -> (Vec<String>, usize) {
        let peer = &mut self.peer;
        peer.to_send.extend(b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n");
        for n in 1..=REQUESTS {
            let method = if n % 10 == 5 { "PAUSE" } else { "OPTIONS" };
            let request = format!("{method} rtsp://h/s RTSP/1.0\r\nCSeq: {n}\r\n\r\n");
            peer.to_send.extend(request.as_bytes());
            let packet = vec![0x80; n as usize];
            assert!(crate::wire::interleaved::write(1, &packet, &mut peer.to_send));
        }
        self.run_until(1 + 2 * REQUESTS as usize, chatter);
        assert_eq!(self.env.medium(self.owner).unwrap().answered, Some(404));
        while !self.peer.to_send.is_empty() {
            self.peer.pump(&mut self.env);
            self.env.turn(Some(Duration::from_millis(1))).unwrap();
        }
        self.peer.outgoing.shutdown(&mut self.env).unwrap();
        for _ in 0..4_000 {
            self.peer.pump(&mut self.env);
            self.env.turn(Some(Duration::from_millis(1))).unwrap();
        }
        assert!(self.peer.ended, "the connection closes behind its last answer");
        let owner = self.env.medium(self.owner).unwrap();
        assert!(owner.connection.is_none());
        let calls = owner.calls;
        let quiet = self.env.statistics().turns;
        self.env.turn(Some(Duration::from_secs(100))).unwrap();
        assert!(self.env.statistics().turns - quiet <= 2);
        (self.peer.understood(), calls)
    }
}

/// In the order in which they were sent.
fn sorted(heard: &[String], kind: &str) -> Vec<String> {
    heard.iter().filter(|word| word.starts_with(kind)).cloned().collect()
}

#[test]
fn every_kind_of_stream_carries_the_same_dialogue() {
    let hostile = [
        Hostility::default(),
        Hostility { buffered: 100, ..Hostility::default() },
        Hostility { read_wants_write: 3, ..Hostility::default() },
        Hostility { read_wants_write: 2, buffered: 7, ..Hostility::default() },
    ];
    let stubborn = [
        Hostility { write_wants_read: 4, ..Hostility::default() },
        Hostility { read_wants_write: 5, write_wants_read: 7, buffered: 300 },
    ];
    let plain = [(None, false)].into_iter();
    let hostile = hostile.map(|how| (Some(how), false)).into_iter();
    let stubborn = stubborn.map(|how| (Some(how), true)).into_iter();
    for (seed, (how, chatter)) in plain.chain(hostile).chain(stubborn).enumerate() {
        let (heard, calls) = World::new(seed as u64 + 1, how).talk(chatter);
        assert_eq!(sorted(&heard, "asked"), ["asked 1"], "{how:?}");
        let numbers =
            |kind: &str| (1..=REQUESTS).map(|n| format!("{kind} {n}")).collect::<Vec<_>>();
        assert_eq!(sorted(&heard, "told"), numbers("told"), "{how:?}");
        assert_eq!(sorted(&heard, "packet"), numbers("packet"), "{how:?}");
        assert!(calls < 60_000, "{how:?}: {calls} calls");
    }
}
