//! [`Camera`]: a server that plays, over UDP and TCP, and whose answers a test can change.

use riverrun::arena::RawId;
use riverrun::env::{
    Event, EventKey, Interest, Medium, MediumHandle, MediumId, Timer, UsageEnvironment,
};
use riverrun::net::{TcpListener, TcpStream, UdpSocket};
use riverrun::wire::interleaved;
use riverrun::wire::rtsp::{Incoming, Limits, Request, parse};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const KEY_LISTENER: u32 = 1;
const KEY_CONNECTION: u32 = 2;
const KEY_MEDIA: u32 = 3;
const KEY_UDP: u32 = 4;

/// Time between two packets of a track.
pub(crate) const INTERVAL: Duration = Duration::from_millis(20);
/// First sequence number and timestamp of each track.
pub(crate) const FIRST_SEQUENCE: u16 = 1000;
pub(crate) const FIRST_TIMESTAMP: u32 = 50_000;

/// Video of an unknown codec, and sound.
pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=Camera\r\nt=0 0\r\n\
    a=control:*\r\na=range:npt=0-\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 X-TEST/90000\r\na=control:track1\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:track2\r\n";

/// What is about to be answered: at first, what an honest server answers.
pub(crate) struct Reply {
    pub(crate) status: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What is written in the place of the rest.
    pub(crate) raw: Option<Vec<u8>>,
    /// What is written in front of it.
    pub(crate) before: Vec<u8>,
    pub(crate) is_silent: bool,
    pub(crate) closes: bool,
}

impl Reply {
    /// Sets a header field, at the place of the one that was there.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(field) => *field = (name.to_owned(), value),
            None => self.headers.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
    }

    /// Refuses the request.
    pub(crate) fn refuse(&mut self, status: &str) {
        self.status = status.to_owned();
        self.headers.clear();
        self.body.clear();
    }

    fn is_success(&self) -> bool {
        self.status.starts_with('2') && !self.is_silent && !self.closes
    }

    fn to_bytes(&self, cseq: &str) -> Vec<u8> {
        let mut bytes = self.before.clone();
        if let Some(raw) = &self.raw {
            bytes.extend_from_slice(raw);
            return bytes;
        }
        let mut head = format!("RTSP/1.0 {}\r\nCSeq: {cseq}\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() && self.value("Content-Length").is_none() {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

type Change = Box<dyn FnMut(&Request<'_>, &mut Reply)>;

/// A camera of one viewer at a time.
pub(crate) struct Camera {
    pub(crate) sdp: String,
    /// What was described last.
    described: String,
    change: Change,
    listener: TcpListener,
    connections: BTreeMap<u32, Connection>,
    next: u32,
    tracks: Vec<Track>,
    sockets: BTreeMap<u16, UdpSocket>,
    /// Sends RTP from another port than it has announced.
    pub(crate) lies_about_ports: bool,
    /// Added to the numbers of the tracks to make their SSRCs.
    pub(crate) ssrc: u32,
    /// Numbers of the tracks that send nothing.
    pub(crate) dead: Vec<usize>,
    /// What packets are full of. By default each is a slice of a key frame, in H.264.
    pub(crate) payload: u8,
    /// Positions of packets that no track sends.
    pub(crate) dropped: Vec<u32>,
    timer: Timer,
    me: MediumHandle,
    /// The requests that came, and when.
    pub(crate) asked: Vec<Request<'static>>,
    pub(crate) asked_at: Vec<Instant>,
    /// Datagrams that came: the port to which they did, the sender, the content.
    pub(crate) datagrams: Vec<(u16, SocketAddr, Vec<u8>)>,
    /// Interleaved packets that came.
    pub(crate) packets: Vec<(u8, Vec<u8>)>,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

/// A track that was set up.
struct Track {
    number: usize,
    url: String,
    way: Way,
    is_playing: bool,
    sent: u32,
}

#[derive(Clone, Copy)]
enum Way {
    Tcp { connection: u32, channel: u8 },
    Udp { to: SocketAddr },
}

impl Camera {
    pub(crate) fn open(
        env: &mut UsageEnvironment,
        address: &str,
        change: impl FnMut(&Request<'_>, &mut Reply) + 'static,
    ) -> MediumId<Self> {
        let listener = TcpListener::bind(env, address.parse().unwrap()).unwrap();
        env.add(Self {
            sdp: SDP.to_owned(),
            described: SDP.to_owned(),
            change: Box::new(change),
            listener,
            connections: BTreeMap::new(),
            next: 1,
            tracks: Vec::new(),
            sockets: BTreeMap::new(),
            lies_about_ports: false,
            ssrc: 0x1000,
            dead: Vec::new(),
            payload: 0x65,
            dropped: Vec::new(),
            timer: Timer::new(),
            me: MediumHandle::default(),
            asked: Vec::new(),
            asked_at: Vec::new(),
            datagrams: Vec::new(),
            packets: Vec::new(),
        })
    }

    /// The methods that were asked for, in order.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.asked.iter().map(|request| request.method.to_string()).collect()
    }

    /// The requests of a method.
    pub(crate) fn asked_for(&self, method: &str) -> Vec<&Request<'static>> {
        self.asked.iter().filter(|request| request.method.as_str() == method).collect()
    }

    /// When requests of a method came since a moment, in seconds after it.
    pub(crate) fn seconds_of(&self, method: &str, since: Instant) -> Vec<f64> {
        let asked = self.asked.iter().zip(&self.asked_at);
        let of_method = asked.filter(|(request, _)| request.method.as_str() == method);
        of_method
            .filter_map(|(_, at)| Some(at.checked_duration_since(since)?.as_secs_f64()))
            .collect()
    }

    /// Says something of its own accord.
    pub(crate) fn say(&mut self, env: &mut UsageEnvironment, bytes: &[u8]) {
        for connection in self.connections.values_mut() {
            send(&mut connection.stream, env, bytes);
        }
    }

    pub(crate) fn close_connections(&mut self, env: &mut UsageEnvironment) {
        for (_, connection) in std::mem::take(&mut self.connections) {
            connection.stream.close(env);
        }
    }

    fn read(&mut self, env: &mut UsageEnvironment, id: u32) {
        let mut buffer = [0; 4096];
        let is_over = loop {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            match connection.stream.read(env, &mut buffer) {
                Ok(n @ 1..) => connection.input.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break false,
                _ => break true,
            }
        };
        self.take_input(env, id);
        if is_over {
            self.close_connection(env, id);
        }
    }

    fn take_input(&mut self, env: &mut UsageEnvironment, id: u32) {
        loop {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let input = std::mem::take(&mut connection.input);
            let (incoming, n) = parse(&input, &Limits::default()).expect("a client's message");
            connection.input = input[n..].to_vec();
            match incoming {
                Incoming::NeedMore => return,
                Incoming::Request(request) => self.answer(env, id, &request),
                Incoming::Interleaved { channel, data } => {
                    self.packets.push((channel, data.to_vec()));
                }
                _ => {}
            }
        }
    }

    fn close_connection(&mut self, env: &mut UsageEnvironment, id: u32) {
        if let Some(connection) = self.connections.remove(&id) {
            connection.stream.close(env);
        }
        let is_of_it = |way| matches!(way, Way::Tcp { connection, .. } if connection == id);
        self.tracks.retain(|track| !is_of_it(track.way));
    }

    fn answer(&mut self, env: &mut UsageEnvironment, id: u32, request: &Request<'_>) {
        self.asked.push(request.clone().into_owned());
        self.asked_at.push(env.now());
        let mut reply = self.honest(request);
        (self.change)(request, &mut reply);
        if reply.is_success() {
            self.follow(env, id, request, &reply);
        }
        if reply.closes {
            return self.close_connection(env, id);
        }
        if reply.is_silent {
            return;
        }
        let cseq = request.headers.value("CSeq").unwrap_or_default();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        send(&mut connection.stream, env, &reply.to_bytes(cseq));
    }

    /// The number of a track by its URL, or else the next.
    fn number_of(&self, url: &str) -> usize {
        let known = self.tracks.iter().find(|track| track.url == url).map(|t| t.number);
        let named = || url.rsplit_once("track")?.1.parse().ok();
        known.or_else(named).unwrap_or(self.tracks.len() + 1)
    }

    fn honest(&self, request: &Request<'_>) -> Reply {
        let mut reply = Reply {
            status: "200 OK".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            raw: None,
            before: Vec::new(),
            is_silent: false,
            closes: false,
        };
        let url = request.url.as_str();
        match request.method.as_str() {
            "OPTIONS" => {
                let all = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER";
                reply.set("Public", all);
            }
            "DESCRIBE" => {
                reply.set("Content-Base", format!("{}/", url.trim_end_matches('/')));
                reply.set("Content-Type", "application/sdp");
                reply.body = self.sdp.clone().into_bytes();
            }
            "SETUP" => {
                let number = self.number_of(url);
                let asked = request.headers.value("Transport").unwrap_or_default();
                let port = server_port(number);
                let rtcp = if is_multiplexed(asked) { port } else { port + 1 };
                let own = format!(";server_port={port}-{rtcp}");
                let own = if asked.contains("interleaved") { "" } else { &own };
                reply.set("Transport", format!("{asked}{own};ssrc={:08X}", self.ssrc_of(number)));
                reply.set("Session", "12345678;timeout=60");
            }
            "PLAY" => {
                reply.set("Session", "12345678");
                reply.set("Range", request.headers.value("Range").unwrap_or("npt=now-"));
                let start = |track: &Track| {
                    let url = &track.url;
                    let seq = FIRST_SEQUENCE.wrapping_add(track.sent as u16);
                    format!("url={url};seq={seq};rtptime={}", self.timestamp(track))
                };
                let played = self.tracks.iter().filter(|track| is_for(url, track));
                reply.set("RTP-Info", played.map(start).collect::<Vec<_>>().join(","));
            }
            _ => reply.set("Session", "12345678"),
        }
        reply
    }

    fn follow(
        &mut self,
        env: &mut UsageEnvironment,
        id: u32,
        request: &Request<'_>,
        reply: &Reply,
    ) {
        let url = request.url.as_str();
        match request.method.as_str() {
            "DESCRIBE" => self.described = String::from_utf8_lossy(&reply.body).into_owned(),
            "SETUP" => {
                let asked = request.headers.value("Transport").unwrap_or_default();
                let answered = reply.value("Transport").unwrap_or(asked);
                let number = self.number_of(url);
                let first = |text: &str, name: &str| {
                    let (_, rest) = text.split_once(name)?;
                    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                    rest[..end].parse::<u16>().ok()
                };
                let channel =
                    first(answered, "interleaved=").or_else(|| first(asked, "interleaved="));
                let peer = self.connections[&id].stream.peer_addr();
                let way = match (channel, first(asked, "client_port=")) {
                    (Some(channel), _) => Way::Tcp { connection: id, channel: channel as u8 },
                    (None, Some(port)) => {
                        self.listen(env, server_port(number));
                        self.listen(env, server_port(number) + 1);
                        Way::Udp { to: SocketAddr::new(peer.ip(), port) }
                    }
                    (None, None) => return,
                };
                self.tracks.retain(|track| track.url != url);
                let url = url.to_owned();
                self.tracks.push(Track { number, url, way, is_playing: false, sent: 0 });
            }
            "PLAY" | "PAUSE" => {
                let plays = request.method.as_str() == "PLAY";
                let played = self.tracks.iter_mut().filter(|track| is_for(url, track));
                played.for_each(|track| track.is_playing = plays);
            }
            "TEARDOWN" => self.tracks.retain(|track| !is_for(url, track)),
            _ => {}
        }
    }

    fn listen(&mut self, env: &mut UsageEnvironment, port: u16) {
        if self.sockets.contains_key(&port) {
            return;
        }
        let ip = self.listener.local_addr().unwrap().ip();
        let mut socket = UdpSocket::bind(env, SocketAddr::new(ip, port)).unwrap();
        let id = RawId { index: port.into(), generation: 0 };
        let key = EventKey { kind: KEY_UDP, id };
        socket.watch(env, self.me, key, Interest::READABLE).unwrap();
        self.sockets.insert(port, socket);
    }

    fn ssrc_of(&self, number: usize) -> u32 {
        self.ssrc + number as u32
    }

    /// The `m=` line and what follows it.
    fn media(&self, number: usize) -> &str {
        self.described.split("m=").nth(number).unwrap_or_default()
    }

    fn timestamp(&self, track: &Track) -> u32 {
        let units = if self.media(track.number).starts_with("video") { 1800 } else { 160 };
        FIRST_TIMESTAMP.wrapping_add(track.sent.wrapping_mul(units))
    }

    /// The next packet of a track.
    fn packet(&self, track: &Track) -> Vec<u8> {
        let media = self.media(track.number);
        let words = media.lines().next().unwrap_or_default().split(' ');
        let payload_type = words.skip(3).find_map(|word| word.trim().parse::<u8>().ok());
        let seq = FIRST_SEQUENCE.wrapping_add(track.sent as u16);
        let payload_type = payload_type.unwrap_or(96);
        let mut rtp = rtp(payload_type, seq, self.timestamp(track), self.ssrc_of(track.number));
        rtp.resize(12 + 160, self.payload);
        rtp
    }

    fn send_media(&mut self, env: &mut UsageEnvironment) {
        let mut tracks = std::mem::take(&mut self.tracks);
        for track in tracks.iter_mut().filter(|track| track.is_playing) {
            if !self.dead.contains(&track.number) && !self.dropped.contains(&track.sent) {
                self.send_packet(env, track);
            }
            track.sent += 1;
        }
        self.tracks = tracks;
        let key = EventKey { kind: KEY_MEDIA, ..EventKey::default() };
        let at = env.now() + INTERVAL;
        env.arm_timer(&mut self.timer, self.me, key, at);
    }

    fn send_packet(&mut self, env: &mut UsageEnvironment, track: &Track) {
        let packet = self.packet(track);
        match track.way {
            Way::Tcp { connection, channel } => {
                let Some(connection) = self.connections.get_mut(&connection) else { return };
                send(&mut connection.stream, env, &framed(channel, &packet));
            }
            Way::Udp { to } => {
                let port = server_port(track.number) + u16::from(self.lies_about_ports);
                let Some(socket) = self.sockets.get_mut(&port) else { return };
                socket.send_to(env, &packet, to).unwrap();
            }
        }
    }

    fn hear(&mut self, env: &mut UsageEnvironment, port: u16) {
        let mut buffer = [0; 2048];
        let Some(socket) = self.sockets.get_mut(&port) else { return };
        while let Ok((n, from)) = socket.recv_from(env, &mut buffer) {
            self.datagrams.push((port, from, buffer[..n].to_vec()));
        }
    }
}

/// Whether a request for a URL is for a track.
fn is_for(url: &str, track: &Track) -> bool {
    track.url == url || !url.contains("track")
}

const fn server_port(number: usize) -> u16 {
    7000 + 2 * number as u16
}

fn is_multiplexed(transport: &str) -> bool {
    let ports = transport.split_once("client_port=").map_or("", |(_, ports)| ports);
    let ports = ports.split(';').next().unwrap_or_default();
    ports.split_once('-').is_some_and(|(rtp, rtcp)| rtp == rtcp)
}

/// The header of an RTP packet.
pub(crate) fn rtp(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) -> Vec<u8> {
    let mut rtp = vec![0x80, 0x80 | payload_type];
    rtp.extend_from_slice(&sequence.to_be_bytes());
    rtp.extend_from_slice(&timestamp.to_be_bytes());
    rtp.extend_from_slice(&ssrc.to_be_bytes());
    rtp
}

/// A packet with what goes before it on a connection.
pub(crate) fn framed(channel: u8, packet: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    assert!(interleaved::write(channel, packet, &mut framed));
    framed
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

impl Medium for Camera {
    fn kind(&self) -> &'static str {
        "Camera"
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
                    self.connections.insert(id, Connection { stream, input: Vec::new() });
                }
            }
            Event::Readiness { key: EventKey { kind: KEY_CONNECTION, id }, .. } => {
                self.read(env, id.index);
            }
            Event::Readiness { key: EventKey { kind: KEY_UDP, id }, .. } => {
                self.hear(env, id.index as u16);
            }
            Event::Timer { .. } => self.send_media(env),
            _ => {}
        }
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        self.close_connections(env);
        for (_, socket) in std::mem::take(&mut self.sockets) {
            socket.close(env);
        }
    }
}
