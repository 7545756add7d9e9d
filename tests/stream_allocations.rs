//! Streams that run allocate nothing: not for a frame, not for a packet, not for a report.
//!
//! Servers of the operating system's world play files of every kind, and live input, to receivers
//! over UDP and TCP on the loopback interface. After a warm-up each turn of their loops is
//! measured; the receivers, which allocate, read between the turns. Files are played at several
//! times their speed, over and over, and reports are made to be due often. The counters are the
//! thread's own, so nothing that other tests do disturbs them.
//!
//! `RIVERRUN_ALLOCATIONS_OF` picks the files whose names contain it.
#![allow(clippy::print_stderr)]

mod support {
    pub(crate) mod dialogue;
    pub(crate) mod process;
}

use bytes::Bytes;
use riverrun::Error;
use riverrun::codec::CodecParameters;
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::media::file::{ProbePoll, probe};
use riverrun::media::live::{LiveSender, live_stream};
use riverrun::media::queue::QueueLimits;
use riverrun::media::{FramePoll, FrameTimes, FramedSource, SeekError, SourceContext};
use riverrun::payload::PayloadFormat;
use riverrun::rtp::rtcp::NtpTime;
use riverrun::rtp::{ReceivedPacket, RtcpConfig, RtcpInstance};
use riverrun::server::{
    FastStart, FileTrack, InputId, LiveTrack, OnDemandServerMediaSubsession, RelayedStreamId,
    RelayedStreamOptions, RelayedTrack, RtspServer, ServerConfig, ServerMediaSession,
    StreamFactory, StreamRequest,
};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::dialogue::{port_of, port_pair};
use support::process::testdata;

/// How much faster than they are meant to files are played.
const SPEED: u32 = 4;
/// The files are about five seconds long: each comes to its end once in the warm-up, and in each
/// of the times that are measured.
const PASS: Duration = Duration::from_millis(1500);
/// In the warm-up nothing is done for so long: when much is due at once, more frames are under way
/// at a time.
const STALL: Duration = Duration::from_millis(300);
/// Times that are measured at most. Where another program had the processor for longer than the
/// stall of the warm-up, a stream may need more than it did before; it does not each time. Those that
/// needed nothing leave, and the others have more of the processor.
const MOST_PASSES: usize = 10;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time from one report of a stream to the next, about.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Time from one frame of the live input to the next.
const LIVE_INTERVAL: Duration = Duration::from_millis(10);

/// One test at a time: what takes the processor from the other makes it allocate.
static ALONE: Mutex<()> = Mutex::new(());

/// A receiver's report and its name.
const REPORT: [u8; 20] = [
    0x80, 201, 0, 1, 1, 2, 3, 4, // RR
    0x81, 202, 0, 2, 1, 2, 3, 4, 1, 1, b'x', 0, // SDES, CNAME
];

/// A source that is played fast.
struct Fast(Box<dyn FramedSource>);

impl FramedSource for Fast {
    fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
        match self.0.poll_frame(cx) {
            FramePoll::Ready(mut frame) => {
                frame.pts /= SPEED;
                frame.dts /= SPEED;
                frame.duration /= SPEED;
                FramePoll::Ready(frame)
            }
            other => other,
        }
    }
    fn next_times(&self) -> Option<FrameTimes> {
        let FrameTimes { pts, dts } = self.0.next_times()?;
        Some(FrameTimes { pts: pts / SPEED, dts: dts / SPEED })
    }
    fn seek(&mut self, npt: Duration, cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        self.0.seek(npt * SPEED, cx).map(|npt| npt / SPEED)
    }
    fn begin_anew(
        &mut self,
        period: Duration,
        cx: &mut SourceContext<'_>,
    ) -> Result<(), SeekError> {
        self.0.begin_anew(period * SPEED, cx)
    }
    fn close(&mut self, cx: &mut SourceContext<'_>) {
        self.0.close(cx);
    }
}

/// A track that is played fast, with reports every now and then instead of every five seconds.
struct Hurried<T>(T);

impl<T: StreamFactory> StreamFactory for Hurried<T> {
    fn parameters(&self) -> Option<CodecParameters> {
        self.0.parameters()
    }
    fn dynamic_payload_type(&self) -> u8 {
        self.0.dynamic_payload_type()
    }
    fn create_new_stream_source(
        &mut self,
        request: &StreamRequest,
        cx: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error> {
        Ok(Box::new(Fast(self.0.create_new_stream_source(request, cx)?)))
    }
    fn live_input(&self) -> Option<InputId> {
        self.0.live_input()
    }
    fn repeat_period(&self) -> Option<Duration> {
        self.0.repeat_period().map(|period| period / SPEED)
    }
    fn create_rtcp(
        &mut self,
        mut config: RtcpConfig,
        ssrc: u32,
        now: Instant,
        seed: u64,
    ) -> RtcpInstance {
        config.minimum_interval = REPORT_INTERVAL;
        config.session_bandwidth_bps = 1_000_000_000;
        RtcpInstance::new(config, ssrc, now, seed)
    }
}

/// One receiver of all tracks of a presentation.
struct Client {
    control: TcpStream,
    /// The RTP profile that it asks for.
    profile: &'static str,
    input: Vec<u8>,
    session: String,
    /// RTP, RTCP, and where the server expects reports.
    sockets: Vec<(UdpSocket, UdpSocket, SocketAddr)>,
    packets: u64,
    reports: u64,
}

impl Client {
    fn connect(to: SocketAddr, profile: &'static str) -> Self {
        let control = TcpStream::connect(to).expect("connect");
        control.set_nonblocking(true).expect("make it non-blocking");
        Self {
            control,
            profile,
            input: Vec::new(),
            session: String::new(),
            sockets: Vec::new(),
            packets: 0,
            reports: 0,
        }
    }

    /// Sends a request and takes turns until its answer is here.
    fn ask(&mut self, env: &mut UsageEnvironment, request: &str, headers: &str) -> String {
        let session = match &*self.session {
            "" => String::new(),
            id => format!("Session: {id}\r\n"),
        };
        let request = format!("{request} RTSP/1.0\r\nCSeq: 1\r\n{session}{headers}\r\n");
        self.control.write_all(request.as_bytes()).expect("send a request");
        let until = Instant::now() + PATIENCE;
        loop {
            env.turn(Some(Duration::from_millis(1))).expect("a turn");
            self.fill();
            if let Some(end) = self.input.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8(self.input.drain(..end + 4).collect());
                let head = head.expect("an answer without a body");
                assert!(head.starts_with("RTSP/1.0 200 "), "{request}{head}");
                return head;
            }
            assert!(Instant::now() < until, "{request}: no answer");
        }
    }

    fn set_up(&mut self, env: &mut UsageEnvironment, url: &str, track: usize, over_tcp: bool) {
        let profile = self.profile;
        let (transport, sockets) = if over_tcp {
            let channel = 2 * track;
            (format!("RTP/{profile}/TCP;unicast;interleaved={channel}-{}", channel + 1), None)
        } else {
            let (rtp, rtcp) = port_pair(Ipv4Addr::LOCALHOST.into());
            let port = port_of(&rtp);
            (format!("RTP/{profile};unicast;client_port={port}-{}", port + 1), Some((rtp, rtcp)))
        };
        let request = format!("SETUP {url}/track{}", track + 1);
        let answer = self.ask(env, &request, &format!("Transport: {transport}\r\n"));
        let header = |name| answer.lines().find_map(|line| line.strip_prefix(name));
        let session = header("Session: ").and_then(|s| s.split(';').next()).expect("a session");
        self.session = session.to_owned();
        if let Some((rtp, rtcp)) = sockets {
            rtp.set_nonblocking(true).expect("make it non-blocking");
            rtcp.set_nonblocking(true).expect("make it non-blocking");
            let transport = header("Transport: ").expect("a transport");
            let ports = transport.split(';').find_map(|p| p.strip_prefix("server_port="));
            let (_, port) = ports.and_then(|p| p.split_once('-')).expect("server_port");
            let to = (Ipv4Addr::LOCALHOST, port.parse().expect("a port")).into();
            self.sockets.push((rtp, rtcp, to));
        }
    }

    fn fill(&mut self) {
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.control.read(&mut buffer) {
                Ok(0) => panic!("the server has closed the connection"),
                Ok(n) => self.input.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) => panic!("{e}"),
            }
        }
    }

    /// Takes what has come.
    fn receive(&mut self) {
        self.fill();
        let mut at = 0;
        while let [b'$', channel, high, low, ref rest @ ..] = self.input[at..] {
            let len = usize::from(u16::from_be_bytes([high, low]));
            if rest.len() < len {
                break;
            }
            if channel % 2 == 0 {
                self.packets += 1
            } else {
                self.reports += 1
            }
            at += 4 + len;
        }
        self.input.drain(..at);
        let mut buffer = [0; 2048];
        for (rtp, rtcp, _) in &self.sockets {
            while rtp.recv(&mut buffer).is_ok() {
                self.packets += 1;
            }
            while rtcp.recv(&mut buffer).is_ok() {
                self.reports += 1;
            }
        }
    }

    /// Sends receiver reports.
    fn report(&mut self) {
        for (_, rtcp, to) in &self.sockets {
            rtcp.send_to(&REPORT, to).expect("send a report");
        }
        // After a connection's input a debug build checks the server's tables, and allocates.
        if self.sockets.is_empty() && !cfg!(debug_assertions) {
            let whole = [&[b'$', 1, 0, REPORT.len() as u8], &REPORT[..]].concat();
            self.control.write_all(&whole).expect("send a report");
        }
    }
}

/// Frames that were made before.
struct Live {
    sender: LiveSender,
    frames: Vec<Bytes>,
    sent: u32,
}

impl Live {
    fn new(sender: LiveSender) -> Self {
        let picture = |nal: u8, len: usize| {
            let head = [0, 0, 0, 1, 0x67, 66, 0, 10, 0, 0, 0, 1, 0x68, 1, 0, 0, 0, 1, nal];
            let head = if nal == 0x65 { &head[..] } else { &head[14..] };
            Bytes::from([head, &vec![0xaa; len]].concat())
        };
        let frames = (0..10).map(|i| match i {
            0 => picture(0x65, 40_000),
            i => picture(0x41, 700 * i),
        });
        Self { sender, frames: frames.collect(), sent: 0 }
    }

    fn send(&mut self) {
        let frame = self.frames[self.sent as usize % self.frames.len()].clone();
        let _ = self.sender.send_access_unit(frame, LIVE_INTERVAL * self.sent);
        self.sent += 1;
    }
}

/// The payloads of ten pictures of a camera, with which nobody makes frames.
fn relayed_pictures() -> Vec<Vec<Vec<u8>>> {
    let fragment = |head: [u8; 2], len: usize| [&head[..], &vec![0xaa; len]].concat();
    let picture = |n: usize| match n {
        0 => vec![
            vec![0x67, 66, 0, 10],
            vec![0x68, 1],
            fragment([0x7c, 0x85], 1400),
            fragment([0x7c, 0x05], 1400),
            fragment([0x7c, 0x05], 1400),
            fragment([0x7c, 0x45], 700),
        ],
        n if n % 2 == 0 => vec![fragment([0x5c, 0x81], 1400), fragment([0x5c, 0x41], 100 * n)],
        n => vec![fragment([0x41, 0x9a], 100 * n)],
    };
    (0..10).map(picture).collect()
}

/// A server, its receivers, and what was counted.
struct World {
    name: String,
    env: UsageEnvironment,
    server: MediumId<RtspServer>,
    profile: &'static str,
    clients: Vec<Client>,
    live: Option<Live>,
    allocations: u64,
    bytes: u64,
}

impl World {
    fn new(name: &str, config: ServerConfig) -> Self {
        let mut env = UsageEnvironment::new().expect("an environment");
        #[cfg(feature = "srtp")]
        let profile = if config.srtp.is_some() { "SAVP" } else { "AVP" };
        #[cfg(not(feature = "srtp"))]
        let profile = "AVP";
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let server = RtspServer::new(&mut env, config, &[address]).expect("a server");
        let (clients, live) = (Vec::new(), None);
        let name = name.to_owned();
        Self { name, env, server, profile, clients, live, allocations: 0, bytes: 0 }
    }

    /// Plays a file's tracks to a receiver over UDP and one over TCP.
    fn of_file(file: &str, shared: bool, config: ServerConfig) -> Self {
        let mut world =
            Self::new(&format!("{file}{}", if shared { ", shared" } else { "" }), config);
        let mut probe = probe(&testdata("media").join(file)).expect("a known kind of file");
        let file = loop {
            match probe.poll_probe(usize::MAX) {
                ProbePoll::Pending => {}
                ProbePoll::Ready(file) => break file,
                ProbePoll::Failed(e) => panic!("{}: {e}", world.name),
            }
        };
        let mut session = ServerMediaSession::new("s", "", "");
        let tracks = file.tracks().len();
        for track in 0..tracks {
            let track = Hurried(FileTrack::new(file.clone(), track).with_repeat(true));
            session = session.with_subsession(
                OnDemandServerMediaSubsession::new(track)
                    .with_reuse_first_source(shared)
                    .with_fast_start(FastStart::KeyFrameCache),
            );
        }
        world.play(session, tracks);
        world
    }

    fn of_live_input() -> Self {
        let mut world = Self::new("live input", ServerConfig::default());
        let made = world.env.with(world.server, |server, env| {
            let (input, wake) = server.create_live_input(env);
            let parameters = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
            let (sender, stream) = live_stream(parameters, QueueLimits::default(), wake);
            let mut live = Live::new(sender);
            live.send(); // so that the parameter sets are known
            let track = Hurried(LiveTrack::new(stream, input));
            let track = OnDemandServerMediaSubsession::new(track)
                .with_reuse_first_source(true)
                .with_fast_start(FastStart::KeyFrameCache);
            (live, ServerMediaSession::new("s", "", "").with_subsession(track))
        });
        let (live, session) = made.expect("the server is there");
        world.live = Some(live);
        world.play(session, 1);
        world
    }

    fn play(&mut self, session: ServerMediaSession, tracks: usize) {
        let added = self.env.with(self.server, |server, env| {
            server.add_server_media_session(env, session).expect("a new name");
        });
        added.expect("the server is there");
        self.watch(tracks);
    }

    /// Sends the tracks of "s" to a receiver over UDP and one over TCP.
    fn watch(&mut self, tracks: usize) {
        let address = self.env.medium(self.server).expect("the server is there").local_addrs()[0];
        let url = format!("rtsp://{address}/s");
        for over_tcp in [false, true] {
            let mut client = Client::connect(address, self.profile);
            for track in 0..tracks {
                client.set_up(&mut self.env, &url, track, over_tcp);
            }
            client.ask(&mut self.env, &format!("PLAY {url}"), "");
            self.clients.push(client);
        }
    }

    /// One turn of the loop, counted or not, and what the receivers do in the meantime.
    fn turn(&mut self, counted: bool) {
        let made = allocation_counter::measure(|| {
            self.env.turn(Some(Duration::ZERO)).expect("a turn");
        });
        if counted {
            self.allocations += made.count_total;
            self.bytes += made.bytes_total;
        }
        self.clients.iter_mut().for_each(Client::receive);
    }

    /// Says what was counted, and sees to it that something was sent meanwhile.
    fn check(&self, before: (u64, u64)) {
        let (packets, reports) = self.received_since(before);
        let Self { name, allocations, bytes, .. } = self;
        eprintln!(
            "{name}: {allocations} allocations of {bytes} bytes with {packets} packets and \
             {reports} reports"
        );
        assert!(self.plays(before), "{name}: it does not play");
    }

    /// Whether as much was received as a stream sends in a pass.
    fn plays(&self, before: (u64, u64)) -> bool {
        let (packets, reports) = self.received_since(before);
        packets > 50 && reports > 8
    }

    fn received_since(&self, before: (u64, u64)) -> (u64, u64) {
        let (packets, reports) = self.received();
        (packets - before.0, reports - before.1)
    }

    fn received(&self) -> (u64, u64) {
        let sum = |of: fn(&Client) -> u64| self.clients.iter().map(of).sum();
        (sum(|c| c.packets), sum(|c| c.reports))
    }
}

/// Lets all worlds go on for so long.
fn run(worlds: &mut [World], time: Duration, counted: bool) {
    let began = Instant::now();
    let (mut frames, mut reports) = (0, 0);
    while began.elapsed() < time {
        let sends_frame = began.elapsed() > LIVE_INTERVAL * frames;
        let sends_report = began.elapsed() > REPORT_INTERVAL * reports;
        frames += u32::from(sends_frame);
        reports += u32::from(sends_report);
        for world in &mut *worlds {
            if let Some(live) = world.live.as_mut().filter(|_| sends_frame) {
                live.send();
            }
            if sends_report {
                world.clients.iter_mut().for_each(Client::report);
            }
            world.turn(counted);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn running_streams_allocate_nothing() {
    let _alone = ALONE.lock();
    let files = [
        "slices.264",
        "bframes.h265",
        "stereo.aac",
        "vbr.mp3",
        "layer2.mp2",
        "pcm16.wav",
        "pcm24.wav",
        "program.ts",
        "program.m2ts",
        "h264_aac.mkv",
        "h265_mp3.mkv",
        "h264_pcm.mkv",
        "video.webm",
        "h264_aac.mp4",
        "h264_pcm.mov",
        "index.mp4",
    ];
    let only = std::env::var("RIVERRUN_ALLOCATIONS_OF").unwrap_or_default();
    let files = files.into_iter().filter(|file| file.contains(&only));
    let mut worlds: Vec<_> =
        files.map(|file| World::of_file(file, false, ServerConfig::default())).collect();
    if only.is_empty() {
        worlds.push(World::of_file("slices.264", true, ServerConfig::default()));
        // A frame is sent in several parts.
        let mut config = ServerConfig::default();
        (config.max_burst, config.destinations_per_turn) = (3, 1);
        let mut bursts = World::of_file("bframes.h264", false, config);
        bursts.name += ", in bursts";
        worlds.push(bursts);
        worlds.push(World::of_live_input());
        #[cfg(feature = "srtp")]
        for (shared, suite) in [
            (true, riverrun::rtp::srtp::CryptoSuite::AesCm128HmacSha1_80),
            (false, riverrun::rtp::srtp::CryptoSuite::AeadAes256Gcm),
        ] {
            let mut srtp = riverrun::server::SrtpConfig::default();
            (srtp.suite, srtp.mki_len, srtp.allow_plain_connections) = (suite, 4, true);
            let mut config = ServerConfig::default();
            config.srtp = Some(srtp);
            let mut protected = World::of_file("h264_aac.mkv", shared, config);
            protected.name += ", SRTP";
            worlds.push(protected);
        }
    }
    run(&mut worlds, PASS, false);
    std::thread::sleep(STALL);
    run(&mut worlds, PASS / 5, false);
    for pass in 1..=MOST_PASSES {
        let before: Vec<_> = worlds.iter().map(World::received).collect();
        run(&mut worlds, PASS, true);
        // A busy machine sends less in the same time.
        let since = Instant::now();
        while since.elapsed() < PATIENCE && !worlds.iter().zip(&before).all(|(w, b)| w.plays(*b)) {
            run(&mut worlds, PASS / 5, true);
        }
        for (world, before) in worlds.iter_mut().zip(before) {
            world.check(before);
        }
        worlds.retain(|world| world.allocations > 0);
        if worlds.is_empty() {
            return;
        }
        assert!(pass < MOST_PASSES, "streams allocate while they run");
        worlds.iter_mut().for_each(|world| (world.allocations, world.bytes) = (0, 0));
    }
}

/// Lets a camera send a picture and sound every few milliseconds for a while.
fn relay(world: &mut World, id: RelayedStreamId, sent: &mut u32, time: Duration, counted: bool) {
    let pictures = relayed_pictures();
    let began = Instant::now();
    while began.elapsed() < time {
        let picture = &pictures[*sent as usize % pictures.len()];
        let fed = allocation_counter::measure(|| {
            let fed = world.env.with(world.server, |server, env| {
                let now = env.now();
                for (n, payload) in picture.iter().enumerate() {
                    let mut packet = ReceivedPacket::new(payload, *sent * 900, now);
                    packet.marker = n + 1 == picture.len();
                    packet.capture_time = Some(NtpTime(u64::from(*sent) << 25));
                    server.relay_packet(env, id, 0, &packet);
                }
                server.relay_packet(env, id, 1, &ReceivedPacket::new(&[0x55; 80], *sent * 80, now));
                server.send_relayed_packets(env);
            });
            fed.expect("the server is there");
        });
        if counted {
            world.allocations += fed.count_total;
            world.bytes += fed.bytes_total;
        }
        *sent += 1;
        world.turn(counted);
        std::thread::sleep(LIVE_INTERVAL / 4);
    }
}

#[test]
fn relayed_packets_allocate_nothing() {
    let _alone = ALONE.lock();
    let mut world = World::new("a relayed stream", ServerConfig::default());
    let added = world.env.with(world.server, |server, env| {
        let options = RelayedStreamOptions::new("s").with_fast_start(FastStart::KeyFrameCache);
        let id = server.add_relayed_stream(env, options)?;
        let video = PayloadFormat::new("video", "H264", 90_000, 96);
        let sound = PayloadFormat::new("audio", "PCMU", 8_000, 0);
        let tracks = vec![RelayedTrack::new(video), RelayedTrack::new(sound)];
        server.relayed_source_described(env, id, tracks)?;
        Ok::<_, Error>(id)
    });
    let id = added.expect("the server is there").expect("a new name");
    world.watch(2);
    let mut sent = 0;
    relay(&mut world, id, &mut sent, PASS, false);
    std::thread::sleep(STALL);
    relay(&mut world, id, &mut sent, PASS / 5, false);
    for pass in 1..=MOST_PASSES {
        let before = world.received();
        relay(&mut world, id, &mut sent, PASS, true);
        let (packets, _) = world.received_since(before);
        let World { allocations, bytes, .. } = world;
        eprintln!("relayed: {allocations} allocations of {bytes} bytes with {packets} packets");
        assert!(packets > 200, "it does not play");
        if allocations == 0 {
            return;
        }
        assert!(pass < MOST_PASSES, "packets that are passed on are allocated");
        (world.allocations, world.bytes) = (0, 0);
    }
}
