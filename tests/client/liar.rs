//! [`Liar`]: an RTSP server that does what a test tells it to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use riverrun::arena::RawId;
use riverrun::env::{
    Event, EventKey, Interest, Medium, MediumHandle, MediumId, Timer, UsageEnvironment,
};
use riverrun::net::{TcpListener, TcpStream, UdpSocket};
use riverrun::wire::interleaved;
use riverrun::wire::rtsp::{Incoming, Limits, Request, parse};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

const KEY_LISTENER: u32 = 1;
const KEY_CONNECTION: u32 = 2;
const KEY_MEDIA: u32 = 3;
/// Answers that are remembered.
const MAX_ANSWERS: usize = 10_000;
/// Where media over UDP come from.
const UDP: &str = "10.0.0.1:7000";

/// What the server does about a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// What an honest server does.
    Honest,
    /// An answer with that status line and those header lines; `CSeq` is added.
    Answer(String),
    /// The answer of an honest server, with another header line in place of its own.
    Changed(String),
    /// These bytes as they are.
    Bytes(Vec<u8>),
    /// No answer.
    Silence,
    /// The connection is closed.
    Close,
    /// These bytes, one a second.
    Slowly(Vec<u8>),
    /// The first bytes, and then the second every 20 ms for ever.
    Endless(Vec<u8>, Vec<u8>),
}

/// What it sends, when the honest server would send media.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Media {
    Honest,
    Nothing,
    /// Only this track.
    Track(usize),
    /// Nothing after so many packets of each track.
    Until(u32),
    /// What a lie makes of each track's packet of a number.
    Made(fn(usize, u32) -> Vec<Packet>),
}

/// A packet that is sent.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Rtp(Vec<u8>),
    Rtcp(Vec<u8>),
}

pub(crate) type Script = Box<dyn FnMut(&Request<'_>) -> Act>;

/// A server of two tracks, a packet every 20 ms each, over TCP alone unless told otherwise.
pub(crate) struct Liar {
    script: Script,
    pub(crate) media: Media,
    /// Where it sends media from, if UDP is served.
    udp: Option<UdpSocket>,
    /// RTSP is spoken in an HTTP tunnel.
    pub(crate) is_tunnelled: bool,
    listener: TcpListener,
    connections: BTreeMap<u32, Connection>,
    next: u32,
    /// Connections of GETs, by their cookies.
    tunnels: BTreeMap<String, u32>,
    timer: Timer,
    me: MediumHandle,
    /// Requests that came, by method.
    pub(crate) asked: Vec<String>,
    /// Responses to its own requests: `CSeq` and status.
    pub(crate) answers: Vec<(u32, u16)>,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    /// Of a tunnel's POST: the connection of its GET.
    answers_go_to: Option<u32>,
    ways: Vec<Way>,
    is_playing: bool,
    sent: u32,
    flow: Option<Flow>,
}

/// How a track goes to a client: by channels, or to the ports of an address.
#[derive(Clone, Copy)]
enum Way {
    Tcp(u8),
    Udp(SocketAddr),
}

/// Bytes that go on by themselves.
enum Flow {
    Slow(Vec<u8>, u32),
    Endless(Vec<u8>),
}

pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=Liar\r\nt=0 0\r\na=control:*\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 X-TEST/90000\r\na=control:track1\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:track2\r\n";

impl Liar {
    pub(crate) fn open(
        env: &mut UsageEnvironment,
        address: &str,
        script: impl FnMut(&Request<'_>) -> Act + 'static,
    ) -> MediumId<Self> {
        let listener = TcpListener::bind(env, address.parse().unwrap()).unwrap();
        env.add(Self {
            script: Box::new(script),
            media: Media::Honest,
            udp: None,
            is_tunnelled: false,
            listener,
            connections: BTreeMap::new(),
            next: 1,
            tunnels: BTreeMap::new(),
            timer: Timer::new(),
            me: MediumHandle::default(),
            asked: Vec::new(),
            answers: Vec::new(),
        })
    }

    /// Reads no more of what its clients send over the connections that there are.
    pub(crate) fn stop_listening(&mut self, env: &mut UsageEnvironment) {
        for (id, connection) in &mut self.connections {
            let key = EventKey { kind: KEY_CONNECTION, id: RawId { index: *id, generation: 0 } };
            connection.stream.watch(env, self.me, key, Interest::default()).unwrap();
        }
    }

    /// Serves UDP too.
    pub(crate) fn serve_udp(&mut self, env: &mut UsageEnvironment) {
        self.udp = Some(UdpSocket::bind(env, UDP.parse().unwrap()).unwrap());
    }

    /// The script of a server that has UDP alone (and sends nothing there).
    pub(crate) fn udp_alone() -> impl FnMut(&Request<'_>) -> Act {
        |request| {
            if request.method.as_str() != "SETUP" {
                return Act::Honest;
            }
            let transport = request.headers.value("Transport").unwrap_or_default();
            if transport.contains("interleaved") {
                return Act::Answer("RTSP/1.0 461 Unsupported Transport".to_owned());
            }
            let transport = format!("{transport};server_port=7000-7001");
            Act::Answer(format!("RTSP/1.0 200 OK\r\nSession: 1\r\nTransport: {transport}"))
        }
    }

    fn read(&mut self, env: &mut UsageEnvironment, id: u32) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let mut buffer = [0; 4096];
        loop {
            match connection.stream.read(env, &mut buffer) {
                Ok(0) => return self.close_connection(env, id),
                Ok(n) => connection.input.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return self.close_connection(env, id),
            }
        }
        let Some(id) = (if self.is_tunnelled { self.read_tunnel(env, id) } else { Some(id) })
        else {
            return;
        };
        loop {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let input = std::mem::take(&mut connection.input);
            if input.starts_with(b"GET ") {
                return send(&mut connection.stream, env, b"HTTP/1.1 404 Not Found\r\n\r\n");
            }
            let (incoming, n) = parse(&input, &Limits::default()).expect("a client's message");
            connection.input = input[n..].to_vec();
            match incoming {
                Incoming::NeedMore => return,
                Incoming::Request(request) => self.answer(env, id, &request),
                Incoming::Response(response) => {
                    let cseq = response.headers.cseq().expect("the number of a request");
                    if self.answers.len() < MAX_ANSWERS {
                        self.answers.push((cseq, response.status.code()));
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the connection of the GET, if what came in its POST is to be looked at.
    fn read_tunnel(&mut self, env: &mut UsageEnvironment, id: u32) -> Option<u32> {
        let connection = self.connections.get_mut(&id)?;
        if connection.answers_go_to.is_none() {
            let end = connection.input.windows(4).position(|w| w == b"\r\n\r\n")?;
            let head = String::from_utf8(connection.input.drain(..end + 4).collect()).unwrap();
            let cookie = head.lines().find_map(|line| line.strip_prefix("x-sessioncookie: "));
            let cookie = cookie.expect("a cookie").to_owned();
            if head.starts_with("GET /x HTTP/1.0\r\n") {
                let ok = b"HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n";
                send(&mut connection.stream, env, ok);
                self.tunnels.insert(cookie, id);
                return None;
            }
            assert!(head.starts_with("POST /x HTTP/1.0\r\n"), "{head}");
            connection.answers_go_to = self.tunnels.get(&cookie).copied();
        }
        let get = connection.answers_go_to?;
        let whole = connection.input.len() / 4 * 4;
        let text: Vec<u8> = connection.input.drain(..whole).collect();
        let quads = text.chunks(4).map(|quad| STANDARD.decode(quad).unwrap());
        let plain = quads.collect::<Vec<_>>().concat();
        self.connections.get_mut(&get)?.input.extend(plain);
        Some(get)
    }

    fn answer(&mut self, env: &mut UsageEnvironment, id: u32, request: &Request<'_>) {
        self.asked.push(request.method.to_string());
        let act = (self.script)(request);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let cseq = request.headers.value("CSeq").unwrap_or_default();
        let bytes = match act {
            Act::Honest => honest(connection, request, self.udp.is_some()),
            Act::Changed(line) => {
                let answer = honest(connection, request, self.udp.is_some());
                let answer = String::from_utf8(answer).unwrap();
                let name = &line[..=line.find(':').unwrap()];
                let mut lines =
                    answer.split("\r\n").map(|own| if own.starts_with(name) { &line } else { own });
                let first = lines.next().unwrap_or_default();
                lines.fold(first.to_owned(), |all, line| all + "\r\n" + line).into_bytes()
            }
            Act::Answer(head) => format!("{head}\r\nCSeq: {cseq}\r\n\r\n").into_bytes(),
            Act::Bytes(bytes) => bytes,
            Act::Silence => return,
            Act::Close => return self.close_connection(env, id),
            Act::Slowly(bytes) => {
                connection.flow = Some(Flow::Slow(bytes, 0));
                return;
            }
            Act::Endless(first, then) => {
                connection.flow = Some(Flow::Endless(then));
                first
            }
        };
        send(&mut connection.stream, env, &bytes);
    }

    fn close_connection(&mut self, env: &mut UsageEnvironment, id: u32) {
        if let Some(connection) = self.connections.remove(&id) {
            connection.stream.close(env);
        }
    }

    /// Closes all connections, in the middle of a packet.
    pub(crate) fn cut(&mut self, env: &mut UsageEnvironment) {
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            if let Some(connection) = self.connections.get_mut(&id) {
                send(&mut connection.stream, env, b"$\0\x05\xdchalf");
            }
            self.close_connection(env, id);
        }
    }

    /// Sends these bytes on all connections, whatever they are.
    pub(crate) fn say(&mut self, env: &mut UsageEnvironment, bytes: &[u8]) {
        for connection in self.connections.values_mut() {
            send(&mut connection.stream, env, bytes);
        }
    }

    /// Sends these bytes on all connections every 20 ms.
    pub(crate) fn flood(&mut self, bytes: &[u8]) {
        for connection in self.connections.values_mut() {
            connection.flow = Some(Flow::Endless(bytes.to_vec()));
        }
    }

    fn send_media(&mut self, env: &mut UsageEnvironment) {
        let Self { media, udp, connections, .. } = self;
        for connection in connections.values_mut() {
            match &mut connection.flow {
                Some(Flow::Slow(bytes, ticks)) => {
                    *ticks += 1;
                    if *ticks % 50 == 1 && !bytes.is_empty() {
                        send(&mut connection.stream, env, &[bytes.remove(0)]);
                    }
                }
                Some(Flow::Endless(bytes)) => send(&mut connection.stream, env, bytes),
                None => {}
            }
            if !connection.is_playing {
                continue;
            }
            let number = connection.sent;
            connection.sent += 1;
            for (track, way) in connection.ways.iter().enumerate() {
                let packets = match *media {
                    Media::Honest => vec![honest_packet(track, number)],
                    Media::Track(only) if track == only => vec![honest_packet(track, number)],
                    Media::Until(most) if number < most => vec![honest_packet(track, number)],
                    Media::Nothing | Media::Track(_) | Media::Until(_) => Vec::new(),
                    Media::Made(make) => make(track, number),
                };
                for packet in packets {
                    send_packet(&mut connection.stream, env, udp, *way, &packet);
                }
            }
        }
        let key = EventKey { kind: KEY_MEDIA, ..EventKey::default() };
        let at = env.now() + Duration::from_millis(20);
        env.arm_timer(&mut self.timer, self.me, key, at);
    }
}

fn send_packet(
    stream: &mut TcpStream,
    env: &mut UsageEnvironment,
    udp: &mut Option<UdpSocket>,
    way: Way,
    packet: &Packet,
) {
    let (bytes, offset) = match packet {
        Packet::Rtp(bytes) => (bytes, 0),
        Packet::Rtcp(bytes) => (bytes, 1),
    };
    match (way, udp) {
        (Way::Tcp(channel), _) => {
            let mut framed = Vec::new();
            assert!(interleaved::write(channel + offset, bytes, &mut framed));
            send(stream, env, &framed);
        }
        (Way::Udp(to), Some(udp)) => {
            let port = to.port() + u16::from(offset);
            udp.send_to(env, bytes, SocketAddr::new(to.ip(), port)).unwrap();
        }
        (Way::Udp(_), None) => {}
    }
}

/// Writes all, unless the client does not read.
fn send(stream: &mut TcpStream, env: &mut UsageEnvironment, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.write(env, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(_) => return,
        }
    }
}

fn honest_packet(track: usize, number: u32) -> Packet {
    Packet::Rtp(rtp(track, number as u16, number.wrapping_mul(UNITS[track % 2])))
}

/// Units of timestamps in 20 ms, for each track.
pub(crate) const UNITS: [u32; 2] = [1800, 160];

/// The SSRC of a track.
pub(crate) const fn ssrc(track: usize) -> u32 {
    track as u32 + 7
}

/// An RTP packet of a track.
pub(crate) fn rtp(track: usize, sequence: u16, timestamp: u32) -> Vec<u8> {
    let mut rtp = vec![0x80, if track == 0 { 96 } else { 0 }];
    rtp.extend_from_slice(&sequence.to_be_bytes());
    rtp.extend_from_slice(&timestamp.to_be_bytes());
    rtp.extend_from_slice(&ssrc(track).to_be_bytes());
    rtp.extend_from_slice(&[0xFF; 160]);
    rtp
}

/// What an honest server answers.
fn honest(connection: &mut Connection, request: &Request<'_>, has_udp: bool) -> Vec<u8> {
    let cseq = request.headers.value("CSeq").unwrap_or_default();
    let mut head = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n");
    let mut body = "";
    match request.method.as_str() {
        "DESCRIBE" => {
            body = SDP;
            head += &format!(
                "Content-Base: {}/\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n",
                request.url.as_str().trim_end_matches('/'),
                body.len()
            );
        }
        "SETUP" => {
            let transport = request.headers.value("Transport").unwrap_or_default();
            let port = transport.split(';').find_map(|p| p.strip_prefix("client_port="));
            let session = "Session: 12345678;timeout=30";
            if transport.contains("interleaved") {
                let channel = connection.ways.len() as u8 * 2;
                connection.ways.push(Way::Tcp(channel));
                let channels = format!("{channel}-{}", channel + 1);
                head += &format!(
                    "{session}\r\nTransport: RTP/AVP/TCP;unicast;interleaved={channels}\r\n"
                );
            } else if let (Some(ports), true) = (port, has_udp) {
                let port = ports.split('-').next().unwrap().parse().unwrap();
                connection
                    .ways
                    .push(Way::Udp(SocketAddr::new(connection.stream.peer_addr().ip(), port)));
                head += &format!("{session}\r\nTransport: {transport};server_port=7000-7001\r\n");
            } else {
                head = head.replace("200 OK", "461 Unsupported Transport");
            }
        }
        "PLAY" => {
            connection.is_playing = true;
            head += "Session: 12345678\r\nRange: npt=0-\r\n";
        }
        "TEARDOWN" => connection.is_playing = false,
        _ => head += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n",
    }
    format!("{head}\r\n{body}").into_bytes()
}

impl Medium for Liar {
    fn kind(&self) -> &'static str {
        "Liar"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
        let key = EventKey { kind: KEY_LISTENER, ..EventKey::default() };
        self.listener.watch(env, me, key, Interest::READABLE).unwrap();
        self.send_media(env);
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        match event {
            Event::Readiness { key: EventKey { kind: KEY_LISTENER, .. }, .. } => {
                while let Ok((mut stream, _)) = self.listener.accept(env) {
                    let id = self.next;
                    self.next += 1;
                    let key =
                        EventKey { kind: KEY_CONNECTION, id: RawId { index: id, generation: 0 } };
                    stream.watch(env, self.me, key, Interest::READABLE).unwrap();
                    let connection = Connection {
                        stream,
                        input: Vec::new(),
                        answers_go_to: None,
                        ways: Vec::new(),
                        is_playing: false,
                        sent: 0,
                        flow: None,
                    };
                    self.connections.insert(id, connection);
                }
            }
            Event::Readiness { key: EventKey { kind: KEY_CONNECTION, id }, .. } => {
                self.read(env, id.index);
            }
            Event::Timer { .. } => self.send_media(env),
            _ => {}
        }
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        self.udp.take().into_iter().for_each(|udp| udp.close(env));
        for (_, connection) in std::mem::take(&mut self.connections) {
            connection.stream.close(env);
        }
    }
}
