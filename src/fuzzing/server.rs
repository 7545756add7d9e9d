//! Bodies for the `server` layer: a server in a simulated world, to which clients say and do what
//! the input tells.

use crate::codec::{CodecParameters, PcmEncoding};
use crate::env::{LinkProfile, MediumId, UsageEnvironment};
use crate::error::Error;
use crate::frame::{Frame, FrameFlags};
use crate::ids::BackChannelId;
use crate::media::{Ending, FramePoll, FramedSource, SeekError, SourceContext};
use crate::net::{TcpStream, UdpSocket};
use crate::rtp::ReceivedFrame;
use crate::server::{
    BackChannelOptions, BackChannelSink, IncomingPacket, OnDemandServerMediaSubsession,
    PublishPolicy, RtspServer, SecondPublisher, ServerConfig, ServerHooks, ServerMediaSession,
    StreamFactory, StreamRequest,
};
use crate::wire::Reader;
use crate::wire::rtcp::Compound;
use crate::wire::rtp::{HEADER_LEN, PacketKind, RtpPacket};
use crate::wire::rtsp::{Incoming, Limits, parse};
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const SERVER: SocketAddr = SocketAddr::new(HOST, 554);
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENTS: usize = 4;
const NAMES: [&str; 4] = ["a", "b", "c", "track1"];
/// What is published: the first name is taken.
const PUBLISHED: [&str; 4] = ["a", "p", "p/q", "track1/p"];
/// What publishers announce.
const ANNOUNCED: [&str; 4] = [
    "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n\
     m=audio 0 RTP/AVP 0\r\na=control:streamid=1\r\n",
    "v=0\r\nm=video 0 RTP/AVPF 96\r\na=rtpmap:96 X-NEW/90000\r\na=rtcp-fb:96 nack pli\r\n",
    "m=audio 5004 RTP/AVP 96 0\r\na=control:rtsp://10.0.0.1/p/streamid=1\r\n",
    "",
];
/// Where clients listen for media.
const CLIENT_PORT: u16 = 5000;

/// Ten seconds of noise.
#[derive(Clone)]
struct Noise {
    next: u32,
    frames: Option<u32>,
    /// A transport stream, by its looks, which is played at any scale.
    is_video: bool,
}

impl Noise {
    const fn parameters_of_all() -> CodecParameters {
        let encoding = PcmEncoding::Pcmu;
        CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 }
    }
}

impl StreamFactory for Noise {
    fn parameters(&self) -> Option<CodecParameters> {
        Some(if self.is_video { CodecParameters::Mp2t } else { Self::parameters_of_all() })
    }

    fn create_new_stream_source(
        &mut self,
        _: &StreamRequest,
        _: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error> {
        Ok(Box::new(self.clone()))
    }

    fn duration(&self) -> Option<Duration> {
        Some(FRAME * self.frames?)
    }
}

const FRAME: Duration = Duration::from_millis(200);

impl FramedSource for Noise {
    fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
        if self.frames.is_some_and(|n| self.next >= n) {
            return FramePoll::Ended(Ending::EndOfStream);
        }
        let number = self.next;
        self.next += 1;
        let flags = FrameFlags { key: number % 5 == 0, ..FrameFlags::default() };
        let frame = Frame::new(Bytes::from_static(&[0x55; 1600]), FRAME * number, FRAME);
        FramePoll::Ready(Frame { flags, ..frame })
    }

    fn duration(&self) -> Option<Duration> {
        Some(FRAME * self.frames?)
    }

    fn seek(&mut self, npt: Duration, _: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let number = u32::try_from(npt.as_millis() / FRAME.as_millis()).unwrap_or(u32::MAX);
        match self.frames {
            None => Err(SeekError::NotSeekable),
            Some(n) if number > n => Err(SeekError::OutOfRange),
            Some(_) => {
                self.next = number;
                Ok(FRAME * number)
            }
        }
    }
}

fn media(name: &str) -> ServerMediaSession {
    let shared = name != "a";
    let track = |frames, is_video| {
        let factory = Noise { next: 0, frames, is_video };
        OnDemandServerMediaSubsession::new(factory).with_reuse_first_source(shared)
    };
    ServerMediaSession::new(name, "", "")
        .with_subsession(track((name != "b").then_some(50), !shared))
        .with_subsession(track((name != "b").then_some(25), false))
        .with_delete_when_unreferenced(name == "c")
}

/// Takes nothing on trust that clients have sent.
struct Listener {
    now: Instant,
}

impl ServerHooks for Listener {
    fn packet_received(&mut self, packet: &IncomingPacket<'_>) {
        let is_valid = match packet.kind {
            PacketKind::Rtp => RtpPacket::parse(packet.data).is_ok(),
            PacketKind::Rtcp => Compound::parse(packet.data).is_ok(),
        };
        assert!(is_valid, "an invalid packet came through");
        assert!((0..CLIENTS).any(|i| packet.from.ip() == host(i)), "a stranger's packet");
        assert!(packet.at >= self.now, "time goes on");
        self.now = packet.at;
    }
}

#[derive(Default)]
struct Client {
    stream: Option<TcpStream>,
    input: Vec<u8>,
    cseq: u32,
    session: String,
    stalled: bool,
    speaks: Protocol,
}

/// What a connection carries towards its client.
#[derive(Clone, Copy, Default, PartialEq)]
enum Protocol {
    #[default]
    Unknown,
    Rtsp,
    /// An alert to TLS or a response to HTTP, after which the server closes.
    Foreign,
}

impl Client {
    /// Takes the beginning of a connection that is not RTSP off the input.
    fn take_foreign(&mut self) {
        const ALERT: u8 = 0x15;
        if self.speaks == Protocol::Unknown && self.input.len() >= b"HTTP/1.0 200 ".len() {
            self.speaks = Protocol::Rtsp;
            if self.input.starts_with(b"HTTP/1.0 200 ") {
                let head = self.input.windows(4).position(|w| w == b"\r\n\r\n");
                assert!(head.is_some(), "the head of a tunnel comes whole");
                self.input.drain(..head.unwrap_or_default() + 4);
            } else if self.input.starts_with(b"HTTP/1.0 ") {
                self.speaks = Protocol::Foreign;
            }
        } else if self.speaks == Protocol::Unknown && self.input.first() == Some(&ALERT) {
            self.speaks = Protocol::Foreign;
        }
        if self.speaks == Protocol::Foreign {
            self.input.clear();
        }
    }
}

/// Where one client at a time may talk to.
fn back_channel(server: &mut RtspServer) -> Option<BackChannelId> {
    let options = BackChannelOptions::for_codecs(&[Noise::parameters_of_all()]);
    server.add_back_channel(options.ok()?, Hearer).ok()
}

struct Hearer;

impl BackChannelSink for Hearer {
    fn frame(&mut self, frame: ReceivedFrame) {
        assert!(frame.data.len() <= usize::from(u16::MAX), "a packet is a frame");
    }
}

struct World {
    env: UsageEnvironment,
    server: MediumId<RtspServer>,
    clients: Vec<Client>,
    /// The first client's sockets for RTP and RTCP.
    udp: [Option<UdpSocket>; 2],
}

fn host(client: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 1, client as u8 + 1).into()
}

impl World {
    fn new(options: u8) -> Option<Self> {
        let mut env = UsageEnvironment::simulated(options.into());
        let mut config = ServerConfig {
            max_queued_media: 8 << 10,
            max_queued_answers: 8 << 10,
            max_burst: usize::from(options >> 4 & 1),
            destinations_per_turn: usize::from(options >> 7),
            end_udp_sessions_on_disconnect: options & 1 != 0,
            ..ServerConfig::default()
        };
        config.pool.max_sessions = usize::from(options >> 1 & 7);
        config.publish.policy = PublishPolicy::Anybody;
        config.publish.max_publishers = 2;
        config.publish.max_tracks = 3;
        config.publish.kept_for = Duration::from_secs(5);
        if options & 2 != 0 {
            config.publish.second = SecondPublisher::TakeOver;
        }
        if options & 32 != 0 {
            config.udp_ports = crate::server::UdpPorts::Shared { port: 0 };
        }
        if options & 64 != 0 {
            let profile = LinkProfile { reset: 0.01, tcp_window: 4 << 10, ..LinkProfile::mobile() };
            env.simulation()?.set_profile(profile);
        }
        let server = RtspServer::new(&mut env, config, &[SERVER]).ok()?;
        env.with(server, |server, env| {
            server.set_hooks(Listener { now: env.now() });
            let channel = back_channel(server);
            for name in NAMES {
                let session = channel
                    .iter()
                    .fold(media(name), |session, channel| session.with_back_channel(*channel));
                let added = server.add_server_media_session(env, session);
                assert!(added.is_ok());
            }
        })
        .ok()?;
        let clients = (0..CLIENTS).map(|_| Client::default()).collect();
        let udp = [CLIENT_PORT, CLIENT_PORT + 1]
            .map(|port| UdpSocket::bind(&mut env, SocketAddr::new(host(0), port)).ok());
        Some(Self { env, server, clients, udp })
    }

    /// Lets time pass, while clients read.
    fn run(&mut self, time: Duration) {
        let end = self.env.now() + time;
        let turns = self.env.statistics().turns;
        while self.env.now() < end {
            for i in 0..CLIENTS {
                self.read(i);
            }
            let step = Duration::from_millis(500).min(end - self.env.now());
            let until = self.env.now() + step;
            while self.env.now() < until {
                let left = until - self.env.now();
                assert!(self.env.turn(Some(left)).is_ok());
            }
        }
        let turns = self.env.statistics().turns - turns;
        assert!(turns < 20_000 + 5_000 * (time.as_secs() + 1), "the loop spins");
    }

    fn connect(&mut self, i: usize) {
        let from = Some(SocketAddr::new(host(i), 0));
        self.close(i);
        if let Some(client) = self.clients.get_mut(i) {
            client.stream = TcpStream::connect_from(&mut self.env, from, SERVER).ok();
            client.input.clear();
            client.speaks = Protocol::Unknown;
        }
        // SYN and answer.
        self.run(Duration::from_millis(300));
    }

    fn close(&mut self, i: usize) {
        let stream = self.clients.get_mut(i).and_then(|client| client.stream.take());
        if let Some(stream) = stream {
            stream.close(&mut self.env);
        }
    }

    fn send(&mut self, i: usize, bytes: &[u8]) {
        if self.clients.get(i).is_some_and(|client| client.stream.is_none()) {
            self.connect(i);
        }
        if let Some(stream) = self.clients.get_mut(i).and_then(|client| client.stream.as_mut()) {
            // What the connection does not take at once is not said.
            let _ = stream.write(&mut self.env, bytes);
        }
    }

    /// Whatever the client has said, what it reads is answers and packets.
    fn read(&mut self, i: usize) {
        let Some(client) = self.clients.get_mut(i).filter(|client| !client.stalled) else { return };
        let Some(stream) = &mut client.stream else { return };
        let mut buf = [0; 4096];
        while let Ok(n) = stream.read(&mut self.env, &mut buf) {
            if n == 0 {
                break;
            }
            client.input.extend_from_slice(buf.get(..n).unwrap_or_default());
        }
        client.take_foreign();
        let mut taken = 0;
        loop {
            let rest = client.input.get(taken..).unwrap_or_default();
            match parse(rest, &Limits::default()) {
                Ok((Incoming::NeedMore, _)) => break,
                Ok((Incoming::Interleaved { data, .. }, n)) => {
                    assert!(data.first().is_some_and(|b| b >> 6 == 2), "a packet of version 2");
                    taken += n;
                }
                Ok((Incoming::Response(response), n)) => {
                    let session = response.headers.value("Session").unwrap_or_default();
                    if let Some(id) = session.split(';').next().filter(|id| !id.is_empty()) {
                        client.session = id.to_owned();
                    }
                    taken += n;
                }
                other => unreachable!("the server said {other:?}"),
            }
        }
        client.input.drain(..taken);
    }

    fn request(&mut self, i: usize, method: &str, path: &str, header: &str) {
        let Some(client) = self.clients.get_mut(i) else { return };
        client.cseq += 1;
        let session = match client.session.as_str() {
            "" => String::new(),
            id => format!("Session: {id}\r\n"),
        };
        let cseq = client.cseq;
        let text = format!(
            "{method} rtsp://10.0.0.1/{path} RTSP/1.0\r\nCSeq: {cseq}\r\n{session}{header}\r\n"
        );
        self.send(i, text.as_bytes());
    }

    /// Everybody leaves, and nothing may be left.
    fn end(mut self) {
        if let Some(simulation) = self.env.simulation() {
            for i in 0..CLIENTS {
                simulation.come_back(host(i));
            }
            simulation.set_host_descriptor_limit(HOST, None);
        }
        for i in 0..CLIENTS {
            self.close(i);
        }
        self.run(Duration::from_secs(90));
        if let Some(server) = self.env.medium(self.server) {
            assert_eq!(server.pool().len(), 0, "sessions");
            assert_eq!(server.stream_count(), 0, "streams");
            assert_eq!(server.connection_count(), 0, "connections");
        }
        assert_eq!(self.env.delayed_tasks(), 0, "timers");
        self.env.close(self.server);
        let open = self.env.simulation().map(|simulation| simulation.open_sockets(HOST));
        assert_eq!(open, Some(0), "sockets");
    }
}

/// Bytes that come over one connection, in pieces of the length that the second byte says. `~`
/// stands for the id of the session that was made last.
pub fn connection(data: &[u8]) {
    let [options, piece, text @ ..] = data else { return };
    let Some(mut world) = World::new(options & !64) else { return };
    world.connect(0);
    for piece in text.chunks(usize::from(*piece).max(1)).take(200) {
        let session = world.clients.first().map(|c| c.session.clone()).unwrap_or_default();
        let mut bytes = Vec::with_capacity(piece.len());
        for &byte in piece {
            match byte {
                b'~' => bytes.extend_from_slice(session.as_bytes()),
                byte => bytes.push(byte),
            }
        }
        world.send(0, &bytes);
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_secs(3));
    world.end();
}

/// What clients, the network and the application do, each a byte and what it takes.
pub fn operations(data: &[u8]) {
    let mut r = Reader::new(data);
    let Ok(options) = r.u8("options") else { return };
    let Some(mut world) = World::new(options) else { return };
    for _ in 0..100 {
        let (Ok(what), Ok(with)) = (r.u8("operation"), r.u8("argument")) else { break };
        operate(&mut world, what, with, &mut r);
    }
    world.end();
}

fn operate(world: &mut World, what: u8, with: u8, r: &mut Reader<'_>) {
    const TRANSPORTS: [&str; 4] = [
        "RTP/AVP;unicast;client_port=5000-5001",
        "RTP/AVP/TCP;unicast;interleaved=0-1",
        "RTP/SAVP;unicast,RTP/AVP/TCP",
        "RTP/AVP;multicast,RTP/AVP;unicast;client_port=0-0",
    ];
    const RANGES: [&str; 4] = ["", "Range: npt=2-\r\n", "Range: npt=1-2\r\n", "Range: npt=9-\r\n"];
    const PACES: [&str; 4] = ["", "Scale: 4\r\n", "Scale: -2\r\n", "Scale: 0.5\r\nSpeed: 3\r\n"];
    let i = usize::from(with) % CLIENTS;
    let pick = |from: [&'static str; 4], by: u8| from[usize::from(by) % 4];
    let path = pick(NAMES, with >> 2);
    let track = if what & 64 == 0 { 1 + (with >> 4 & 1) } else { 3 };
    let track = format!("{path}/track{track}");
    let aggregate = if with & 32 == 0 { path } else { &track };
    let mut bytes = |most: u8| {
        let len = usize::from(r.u8("length").unwrap_or(0) % most).min(r.remaining().len());
        r.take(len, "bytes").unwrap_or_default()
    };
    if what & 128 != 0 {
        let name = pick(PUBLISHED, with >> 2);
        return publish(world, (what, with), (i, name), bytes(255));
    }
    match what % 16 {
        0 => world.connect(i),
        1 => world.close(i),
        2..=4 => {
            let transport = format!("Transport: {}\r\n", pick(TRANSPORTS, with >> 6));
            if what & 16 != 0 {
                if let Some(client) = world.clients.get_mut(i) {
                    client.session.clear();
                }
            }
            world.request(i, "SETUP", &track, &transport);
        }
        5 => {
            let pace = pick(PACES, what >> 4 & 1 | what >> 5 & 2);
            let headers = format!("{}{pace}", pick(RANGES, with >> 6));
            world.request(i, "PLAY", aggregate, &headers);
        }
        6 => world.request(i, "PAUSE", aggregate, ""),
        7 => world.request(i, "TEARDOWN", aggregate, ""),
        8 => {
            let methods = ["OPTIONS", "DESCRIBE", "GET_PARAMETER", "FROB"];
            let tag = "Require: www.onvif.org/ver20/backchannel\r\n";
            let headers = if what & 64 == 0 { "" } else { tag };
            world.request(i, pick(methods, with >> 6), aggregate, headers);
        }
        9 => world.send(i, bytes(64)),
        10 => {
            let mut packet = Vec::new();
            let data = as_media(what, bytes(64));
            let _ = crate::wire::interleaved::write(with >> 2 & 7, &data, &mut packet);
            world.send(i, &packet);
        }
        11 | 12 => world.run(Duration::from_millis(u64::from(with) * u64::from(with))),
        13 => {
            let packet = as_media(what, bytes(64));
            let [rtp, rtcp] = &mut world.udp;
            if let Some(socket) = if with & 32 == 0 { rtcp } else { rtp } {
                let to = SocketAddr::new(
                    HOST,
                    6971 - u16::from(with >> 4 & 1) + u16::from(with & 15) * 2,
                );
                // A full buffer is the network's loss.
                let _ = socket.send_to(&mut world.env, &packet, to);
            }
        }
        14 => {
            if let Some(client) = world.clients.get_mut(i) {
                client.stalled = !client.stalled;
            }
        }
        _ => change(world, with, path),
    }
    if what & 32 != 0 {
        world.run(Duration::from_millis(30));
    }
}

/// What publishers and their viewers do: requests, and packets in a connection or over UDP.
fn publish(world: &mut World, (what, with): (u8, u8), (i, name): (usize, &str), bytes: &[u8]) {
    const TRANSPORTS: [&str; 4] = [
        "RTP/AVP;unicast;client_port=5000-5001;mode=record",
        "RTP/AVP/TCP;unicast;interleaved=2-3;mode=\"RECORD\"",
        "RTP/AVP/TCP;unicast;mode=receive",
        "RTP/AVP;unicast;client_port=5000-5000",
    ];
    let choice = usize::from(with >> 6);
    let track = format!("{name}/streamid={}", with >> 4 & 1);
    let aggregate = if with & 32 == 0 { name } else { &track };
    match what % 8 {
        0 | 1 => {
            let own = String::from_utf8_lossy(bytes);
            let known = ANNOUNCED.get(choice).copied().unwrap_or_default();
            let sdp = if known.is_empty() { &*own } else { known };
            let header = format!("Content-Length: {}\r\n", sdp.len());
            if what & 16 != 0 {
                if let Some(client) = world.clients.get_mut(i) {
                    client.session.clear();
                }
            }
            world.request(i, "ANNOUNCE", name, &header);
            world.send(i, sdp.as_bytes());
        }
        2 => {
            let transport = TRANSPORTS.get(choice).copied().unwrap_or_default();
            world.request(i, "SETUP", &track, &format!("Transport: {transport}\r\n"));
        }
        3 => {
            let track = format!("{name}/track{}", 1 + (with >> 4 & 1));
            let transport = "Transport: RTP/AVP/TCP;unicast\r\n";
            world.request(i, "SETUP", &track, transport);
        }
        4 => world.request(i, "RECORD", aggregate, ""),
        5 => {
            let methods = ["PAUSE", "TEARDOWN", "DESCRIBE", "PLAY"];
            world.request(i, methods.get(choice).copied().unwrap_or_default(), aggregate, "");
        }
        _ => {
            // In order, as far as the input tells numbers.
            let (number, payload) = bytes.split_first().map_or((0, bytes), |(n, rest)| (*n, rest));
            let mut packet = vec![0x80, if with & 64 == 0 { 96 } else { 0x80 }, 0, number];
            packet.extend([0, 0, number, 0, 0, 0, 0, with >> 7]);
            packet.extend_from_slice(payload);
            if what & 8 == 0 {
                let mut framed = Vec::new();
                let _ = crate::wire::interleaved::write(with >> 2 & 3, &packet, &mut framed);
                world.send(i, &framed);
            } else if let [Some(socket), _] = &mut world.udp {
                let to = SocketAddr::new(HOST, 6970 + u16::from(with >> 2 & 7) * 2);
                // A full buffer is the network's loss.
                let _ = socket.send_to(&mut world.env, &packet, to);
            }
        }
    }
    if what & 32 != 0 {
        world.run(Duration::from_millis(30));
    }
}

/// The bytes as they are, or as the payload of an RTP packet.
fn as_media(what: u8, bytes: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    if what & 64 != 0 {
        packet.extend([0x80, 96]);
        packet.resize(HEADER_LEN, 0);
    }
    packet.extend_from_slice(bytes);
    packet
}

fn change(world: &mut World, with: u8, path: &str) {
    let client = host(usize::from(with) % CLIENTS);
    let limit = usize::from(with >> 2 & 3);
    match with >> 4 {
        0 => world.env.jump_wall_clock(i64::from(with as i8) << 24),
        kind @ 1..4 => {
            if let Some(simulation) = world.env.simulation() {
                match kind {
                    1 => simulation.vanish(client),
                    2 => simulation.come_back(client),
                    _ => simulation.reset_connections(client),
                }
            }
        }
        4 => {
            if let Some(simulation) = world.env.simulation() {
                let limit = (with & 1 == 0).then_some(2 + 4 * limit);
                simulation.set_host_descriptor_limit(HOST, limit);
            }
        }
        kind => {
            let changed = world.env.with(world.server, |server, env| {
                let found = server.lookup_server_media_session(path);
                match (kind, found) {
                    (5, _) => server.set_max_sessions(limit),
                    (6 | 7, Some(id)) => drop(server.remove_server_media_session(env, id)),
                    (8 | 9, Some(id)) => drop(server.delete_server_media_session(env, id)),
                    (10 | 11, Some(id)) => drop(server.close_all_client_sessions(env, id)),
                    _ => drop(server.add_server_media_session(env, media(path))),
                }
            });
            assert!(changed.is_ok());
        }
    }
}
