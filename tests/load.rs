//! Very many clients at once: all stay connected, each gets its packets, and one that stalls is
//! nobody else's affair.
//!
//! `RIVERRUN_LOAD` is the number of clients (200); half of them take TCP, half UDP. 2,000 need a
//! release build.
#![cfg(target_os = "linux")] // `/proc`
#![allow(clippy::print_stderr)]

mod support {
    pub(crate) mod dialogue;
    pub(crate) mod process;
}

use mio::unix::SourceFd;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use support::dialogue::{Talk, port_of, port_pair};
use support::process::{Server, extent, testdata};

/// How long the packets of all clients are watched.
const WATCHED: Duration = Duration::from_secs(5);
/// The longest that a client may wait for its next packet. Packets are some tens of milliseconds
/// apart; other programs may be busy on the machine.
const LONGEST_GAP: Duration = Duration::from_secs(2);

/// What a client has got.
#[derive(Debug)]
struct Receiver {
    packets: usize,
    /// The sequence number that came first, and how far beyond it the highest is.
    first: Option<u16>,
    beyond: usize,
    heard_at: Instant,
    gap: Duration,
}

impl Receiver {
    fn new(now: Instant) -> Self {
        Self { packets: 0, first: None, beyond: 0, heard_at: now, gap: Duration::ZERO }
    }

    fn take(&mut self, packet: &[u8], now: Instant) {
        assert!(packet.len() >= 12 && packet[0] >> 6 == 2, "not RTP: {packet:02x?}");
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let first = *self.first.get_or_insert(sequence);
        // A busy machine may deliver datagrams that it took on different processors out of order.
        let highest = first.wrapping_add(self.beyond as u16);
        let ahead = sequence.wrapping_sub(highest);
        if ahead < 1 << 15 {
            self.beyond += usize::from(ahead);
        }
        self.packets += 1;
        self.gap = self.gap.max(now - self.heard_at);
        self.heard_at = now;
    }

    /// How many packets there should have been (RFC 3550 appendix A.3).
    const fn expected(&self) -> usize {
        if self.first.is_some() { self.beyond + 1 } else { 0 }
    }
}

/// A client over TCP.
struct Stream {
    talk: Talk,
    session: String,
    input: Vec<u8>,
    receiver: Receiver,
}

impl Stream {
    /// Reads all there is; false at the end of the connection.
    fn read(&mut self, now: Instant) -> bool {
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.talk.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(n) => self.input.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            let mut at = 0;
            while let [b'$', channel, high, low, ref rest @ ..] = self.input[at..] {
                let length = usize::from(u16::from_be_bytes([high, low]));
                let Some(packet) = rest.get(..length) else { break };
                if channel == 0 {
                    self.receiver.take(packet, now);
                }
                at += 4 + length;
            }
            self.input.drain(..at);
        }
    }
}

/// A client over UDP.
struct Ports {
    talk: Talk,
    session: String,
    rtp: UdpSocket,
    /// Nobody reads it.
    _rtcp: UdpSocket,
    receiver: Receiver,
}

impl Ports {
    /// Reads all there is.
    fn read(&mut self, now: Instant) {
        let mut buffer = [0; 2048];
        while let Ok(n) = self.rtp.recv(&mut buffer) {
            self.receiver.take(&buffer[..n], now);
        }
    }
}

/// All clients of a run.
#[derive(Default)]
struct Crowd {
    streams: Vec<Stream>,
    ports: Vec<Ports>,
}

impl Crowd {
    fn join(&mut self, server: &Server, url: &str, count: usize) {
        for number in 0..count {
            let mut talk = Talk::connect(server.address, 0).expect("connect");
            if number % 2 == 0 {
                let session = talk.set_up_tcp(url).session().to_owned();
                assert_eq!(talk.play(url, &session).status, 200);
                let input = talk.take_input();
                let receiver = Receiver::new(Instant::now());
                self.streams.push(Stream { talk, input, receiver, session });
                continue;
            }
            let (rtp, rtcp) = port_pair(talk.host());
            let set_up = talk.set_up_udp(url, port_of(&rtp));
            // What others still send to whoever had the port before is not for this client.
            let from = SocketAddr::new(server.address.ip(), set_up.server_ports().0);
            rtp.connect(from).expect("connect");
            assert_eq!(talk.play(url, set_up.session()).status, 200);
            let session = set_up.session().to_owned();
            let receiver = Receiver::new(Instant::now());
            self.ports.push(Ports { talk, rtp, _rtcp: rtcp, receiver, session });
        }
    }

    /// All leave, so that nothing is sent to their ports any more, which others may get.
    fn leave(self, url: &str) {
        for mut stream in self.streams {
            stream.talk.put_input(stream.input);
            stream.talk.tear_down(url, &stream.session);
        }
        for mut ports in self.ports {
            ports.talk.tear_down(url, &ports.session);
        }
    }

    /// Receives for `time`.
    fn receive(&mut self, time: Duration) {
        let mut poll = mio::Poll::new().expect("make a poll");
        let mut events = mio::Events::with_capacity(4096);
        let udp = self.streams.len();
        let watch = |fd, token| {
            let registry = poll.registry();
            let readable = mio::Interest::READABLE;
            registry.register(&mut SourceFd(&fd), mio::Token(token), readable).expect("watch");
        };
        for (i, stream) in self.streams.iter().enumerate() {
            stream.talk.stream.set_nonblocking(true).expect("make it non-blocking");
            watch(stream.talk.stream.as_raw_fd(), i);
        }
        for (i, ports) in self.ports.iter().enumerate() {
            ports.rtp.set_nonblocking(true).expect("make it non-blocking");
            watch(ports.rtp.as_raw_fd(), udp + i);
        }
        let begin = Instant::now();
        // What came while clients joined is no measure.
        let now = begin;
        self.receivers().for_each(|r| r.heard_at = now);
        while begin.elapsed() < time {
            poll.poll(&mut events, Some(Duration::from_millis(50))).expect("poll");
            for event in &events {
                let index = event.token().0;
                let now = Instant::now();
                match self.streams.get_mut(index) {
                    Some(stream) => assert!(stream.read(now), "client {index} lost its connection"),
                    None => self.ports[index - udp].read(now),
                }
            }
        }
    }

    fn receivers(&mut self) -> impl Iterator<Item = &mut Receiver> {
        let over_tcp = self.streams.iter_mut().map(|s| &mut s.receiver);
        over_tcp.chain(self.ports.iter_mut().map(|p| &mut p.receiver))
    }

    /// Checks that all got what they should; what they got.
    fn assert_all_are_served(&mut self, what: &str) {
        let now = Instant::now();
        let (mut clients, mut packets, mut lost, mut gap) = (0, 0, 0, Duration::ZERO);
        for receiver in self.receivers() {
            receiver.gap = receiver.gap.max(now - receiver.heard_at);
            clients += 1;
            packets += receiver.packets;
            // What comes twice, or is another's, is as wrong as what is lost.
            lost += receiver.expected().abs_diff(receiver.packets);
            gap = gap.max(receiver.gap);
            assert!(receiver.packets > 0, "{what}: a client got nothing");
            assert!(receiver.gap < LONGEST_GAP, "{what}: a gap of {:?}", receiver.gap);
        }
        eprintln!("{what}: {clients} clients, {packets} packets, {lost} lost, longest gap {gap:?}");
        assert!(lost * 100 <= packets, "{what}: {lost} of {packets} packets are lost");
    }

    /// Each connection still answers.
    fn assert_all_are_connected(self) {
        for mut stream in self.streams {
            stream.talk.stream.set_nonblocking(false).expect("make it blocking");
            stream.talk.put_input(stream.input);
            assert_eq!(stream.talk.ask("OPTIONS", "*", "").status, 200);
        }
        for mut ports in self.ports {
            assert_eq!(ports.talk.ask("OPTIONS", "*", "").status, 200);
        }
    }
}

fn many_clients(what: &str, file: &str, options: &[&str]) {
    let count = extent("RIVERRUN_LOAD", 200);
    riverrun::net::raise_descriptor_limit().expect("raise the limit");
    let mut server = Server::start(&testdata("media"), options);
    let url = server.url(file);
    let mut warm = Crowd::default();
    warm.join(&server, &url, 2);
    warm.leave(&url);
    let empty = server.memory();
    // Two who never read. What is sent to them fills their small windows and then the queue.
    let mut stalled = Vec::new();
    for number in 0..2 {
        let small = |socket: &socket2::Socket| socket.set_recv_buffer_size(4096);
        let mut talk = Talk::connect_with(server.address, number, small).expect("connect");
        let url = server.url("pcm16.wav");
        let session = talk.set_up_tcp(&url).session().to_owned();
        assert_eq!(talk.play(&url, &session).status, 200);
        stalled.push(talk);
    }
    let mut crowd = Crowd::default();
    let begin = Instant::now();
    crowd.join(&server, &url, count);
    let joined = begin.elapsed();
    // What has piled up meanwhile is taken first: the more, the longer many have been joining.
    crowd.receive(Duration::from_secs(1) + Duration::from_micros(500) * count as u32);
    crowd.receivers().for_each(|r| *r = Receiver::new(Instant::now()));
    let before = server.processor_time();
    crowd.receive(WATCHED);
    let used = server.processor_time() - before;
    crowd.assert_all_are_served(what);
    eprintln!(
        "{what}: joined in {:.2} s; the server takes {:.1} % of a processor, {:.2} KiB a client, \
         {} descriptors",
        joined.as_secs_f32(),
        100.0 * used.as_secs_f64() / WATCHED.as_secs_f64(),
        server.memory().saturating_sub(empty) as f64 / count as f64,
        server.descriptors(),
    );
    crowd.assert_all_are_connected();
    server.assert_alive();
}

#[test]
fn very_many_clients_with_a_stream_each_are_served() {
    many_clients("a stream each", "vbr.mp3", &["--loop"]);
}

#[test]
fn very_many_clients_of_one_stream_are_served() {
    let options = ["--loop", "--reuse-first-source", "--shared-ports"];
    many_clients("one stream", "stereo.aac", &options);
}
