//! [`World`]: a server, its media and its clients in a simulated environment, and the words in
//! which the tests are written.

use super::client::{Answer, Client, Security, Track, Way};
use crate::env::{LinkProfile, MediumId, Simulation, UsageEnvironment};
use crate::net::{TcpStream, UdpSocket, with_port};
use crate::server::SessionMedia;
use crate::server::{
    ClientSessionId, MediaSessionId, RtspServer, ServerConfig, ServerMediaSession, SessionProvider,
};
use crate::session::pool::Session;
use crate::wire::rtp::PacketKind;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Index, IndexMut};
use std::time::{Duration, Instant};

const SERVER: &str = "10.0.0.1:554";
/// A transport of unicast over UDP.
pub(super) const UDP: &str = "RTP/AVP;unicast;client_port=5000-5001";
const SERVER_V6: &str = "[fd00::1]:554";
const SERVER_ON_LINK: &str = "[fe80::1%2]:554";

/// How long a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Turns in one second of virtual time, beyond which the loop is said to spin.
const TURNS_A_SECOND: u64 = 50_000;

/// Names a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct C(pub(super) usize);

pub(super) struct World {
    pub(super) env: UsageEnvironment,
    pub(super) server: MediumId<RtspServer>,
    pub(super) clients: Vec<Client>,
    /// How often clients look at their sockets.
    pub(super) tick: Duration,
    hosts: u8,
}

impl Index<C> for World {
    type Output = Client;
    fn index(&self, c: C) -> &Client {
        &self.clients[c.0]
    }
}

impl IndexMut<C> for World {
    fn index_mut(&mut self, c: C) -> &mut Client {
        &mut self.clients[c.0]
    }
}

/// The server's address for clients of a family.
pub(super) fn server_for(client: SocketAddr) -> SocketAddr {
    let server = match client.ip() {
        IpAddr::V4(_) => SERVER,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => SERVER_ON_LINK,
        IpAddr::V6(_) => SERVER_V6,
    };
    server.parse().unwrap()
}

pub(super) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(ServerConfig::unlimited())
    }

    pub(super) fn with(config: ServerConfig) -> Self {
        Self::seeded(1, config)
    }

    /// The configuration, changed by `change`.
    pub(super) fn configured(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::unlimited();
        change(&mut config);
        Self::with(config)
    }

    /// Serves what `provider` makes.
    pub(super) fn providing(provider: impl SessionProvider + 'static) -> Self {
        let mut w = Self::new();
        w.serve(|server, _| server.set_session_provider(provider));
        w
    }

    pub(super) fn seeded(seed: u64, config: ServerConfig) -> Self {
        super::secrets::search_the_log();
        let mut env = UsageEnvironment::simulated(seed);
        let addresses = [SERVER, SERVER_V6, SERVER_ON_LINK].map(|address| address.parse().unwrap());
        let server = RtspServer::new(&mut env, config, &addresses).unwrap();
        let tick = Duration::from_millis(5);
        Self { env, server, clients: Vec::new(), tick, hosts: 1 }
    }

    pub(super) fn now(&self) -> Instant {
        self.env.now()
    }

    /// Calls `f` with the server and its environment.
    pub(super) fn serve<R>(
        &mut self,
        f: impl FnOnce(&mut RtspServer, &mut UsageEnvironment) -> R,
    ) -> R {
        self.env.with(self.server, f).expect("the server is there")
    }

    pub(super) fn server(&self) -> &RtspServer {
        self.env.medium(self.server).expect("the server is there")
    }

    /// The client's session in the server's pool.
    #[track_caller]
    pub(super) fn session_of(&self, c: C) -> (ClientSessionId, &Session<SessionMedia>) {
        let name = self[c].session.as_deref();
        let mut sessions = self.server().pool().iter();
        sessions.find(|(_, s)| Some(s.id()) == name).expect("a session")
    }

    /// Connects from the `i`th of many hosts, without anybody to read what comes.
    pub(super) fn connect(&mut self, i: usize) -> TcpStream {
        let from = format!("10.1.{}.{}:0", i / 200 % 200, i % 200 + 1).parse().unwrap();
        TcpStream::connect_from(&mut self.env, Some(from), SERVER.parse().unwrap()).unwrap()
    }

    pub(super) fn network(&mut self) -> &mut Simulation {
        self.env.simulation().unwrap()
    }

    pub(super) fn set_profile(&mut self, change: impl FnOnce(&mut LinkProfile)) {
        let mut profile = LinkProfile::default();
        change(&mut profile);
        self.network().set_profile(profile);
    }

    pub(super) fn add(&mut self, session: ServerMediaSession) -> MediaSessionId {
        self.serve(|server, env| server.add_server_media_session(env, session)).unwrap()
    }

    /// Lets virtual time pass; clients look at their sockets every tick.
    #[track_caller]
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now() + time;
        self.run_while(end, |_| true);
    }

    #[track_caller]
    pub(super) fn run_secs(&mut self, seconds: f64) {
        self.run(secs(seconds));
    }

    /// Lets time pass until `end`, or `go_on` says no.
    #[track_caller]
    fn run_while(&mut self, end: Instant, go_on: impl Fn(&Self) -> bool) {
        let begun = (self.now(), self.env.statistics().turns);
        let mut look_at = self.now();
        loop {
            let now = self.now();
            if now >= look_at {
                for client in &mut self.clients {
                    client.pump(&mut self.env);
                }
                if !go_on(self) {
                    return;
                }
                look_at = now + self.tick;
            }
            if now >= end {
                return;
            }
            self.env.turn(Some(look_at.min(end) - now)).unwrap();
            let turns = self.env.statistics().turns - begun.1;
            let seconds = (self.now() - begun.0).as_secs() + 1;
            assert!(turns < seconds * TURNS_A_SECOND, "the loop spins");
        }
    }

    // Clients

    /// A client on a host of its own, connected.
    pub(super) fn client(&mut self) -> C {
        self.hosts += 1;
        let host = format!("10.0.1.{}:0", self.hosts);
        self.client_at(&host)
    }

    pub(super) fn client_at(&mut self, address: &str) -> C {
        let from: SocketAddr = address.parse().unwrap();
        let to = server_for(from);
        let stream = TcpStream::connect_from(&mut self.env, Some(from), to).unwrap();
        let address = stream.local_addr().unwrap();
        self.clients.push(Client::new(stream, address));
        C(self.clients.len() - 1)
    }

    /// Another connection from the host of `c`.
    pub(super) fn beside(&mut self, c: C) -> C {
        let host = with_port(self[c].address, 0).to_string();
        self.client_at(&host)
    }

    pub(super) fn leave(&mut self, c: C) {
        self.clients[c.0].leave(&mut self.env);
    }

    /// Sends bytes as they are. Only what is said to ask for something is answered.
    pub(super) fn send(&mut self, c: C, bytes: impl AsRef<[u8]>) {
        self[c].out.extend_from_slice(bytes.as_ref());
    }

    /// Sends bytes that are to be answered with `cseq`, and returns the answer.
    #[track_caller]
    pub(super) fn raw(&mut self, c: C, bytes: impl AsRef<[u8]>, cseq: Option<u32>) -> Answer {
        self[c].asked.push_back(cseq);
        self.send(c, bytes);
        self.answer(c)
    }

    /// Writes a request without waiting for its answer.
    pub(super) fn ask(&mut self, c: C, method: &str, url: &str, headers: &[(&str, &str)]) {
        let bytes = self.write_request(c, method, url, headers, "");
        self.send(c, bytes);
    }

    pub(super) fn write_request(
        &mut self,
        c: C,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let client = &mut self[c];
        client.cseq += 1;
        client.asked.push_back(Some(client.cseq));
        let base = if url.starts_with('/') { "rtsp://10.0.0.1" } else { "" };
        let mut text = format!("{method} {base}{url} RTSP/1.0\r\nCSeq: {}\r\n", client.cseq);
        if let Some(id) = client.session.as_ref().filter(|_| !named(headers, "Session")) {
            text.push_str(&format!("Session: {id}\r\n"));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text + "\r\n" + body
    }

    /// The next answer; the test fails if none comes.
    #[track_caller]
    pub(super) fn answer(&mut self, c: C) -> Answer {
        self.answer_within(c, PATIENCE).expect("an answer")
    }

    #[track_caller]
    pub(super) fn answer_within(&mut self, c: C, time: Duration) -> Option<Answer> {
        let end = self.now() + time;
        self.run_while(end, |w| w[c].answers.is_empty());
        self[c].answers.pop_front()
    }

    #[track_caller]
    pub(super) fn request(
        &mut self,
        c: C,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.ask(c, method, url, headers);
        self.answer(c)
    }

    #[track_caller]
    pub(super) fn request_with_body(
        &mut self,
        c: C,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let bytes = self.write_request(c, method, url, headers, body);
        self.send(c, bytes);
        self.answer(c)
    }

    #[track_caller]
    pub(super) fn options(&mut self, c: C) -> Answer {
        self.request(c, "OPTIONS", "*", &[])
    }

    #[track_caller]
    pub(super) fn describe(&mut self, c: C, path: &str) -> Answer {
        self.request(c, "DESCRIBE", path, &[("Accept", "application/sdp")])
    }

    /// SETUP of a track with a transport as it stands.
    #[track_caller]
    pub(super) fn setup(&mut self, c: C, path: &str, track: usize, transport: &str) -> Answer {
        let url = format!("{path}/track{track}");
        let answer = self.request(c, "SETUP", &url, &[("Transport", transport)]);
        if answer.status() == 200 {
            let session = answer.header("Session");
            let id = session.split(';').next().unwrap_or_default().to_owned();
            self[c].session = Some(id);
        }
        answer
    }

    #[track_caller]
    pub(super) fn setup_tcp(&mut self, c: C, path: &str, track: usize) -> Answer {
        let answer = self.setup(c, path, track, "RTP/AVP/TCP;unicast").expect(200);
        let (rtp, rtcp) = answer.transport().interleaved.unwrap();
        self.add_track(c, track, Way::Tcp { rtp, rtcp });
        answer
    }

    #[track_caller]
    pub(super) fn setup_udp(&mut self, c: C, path: &str, track: usize) -> Answer {
        let (rtp, rtcp, ports) = self.udp_pair(c);
        let transport = format!("RTP/AVP;unicast;client_port={ports}");
        let answer = self.setup(c, path, track, &transport).expect(200);
        let (rtp_port, rtcp_port) = answer.transport().server_port.unwrap();
        let host = server_for(self[c].address);
        let at = |port| with_port(host, port);
        let server = Some((at(rtp_port), at(rtcp_port)));
        self.add_track(c, track, Way::Udp { rtp, rtcp, server });
        answer
    }

    /// SETUP over the one or the other.
    #[track_caller]
    pub(super) fn setup_over(&mut self, c: C, path: &str, track: usize, tcp: bool) -> Answer {
        if tcp { self.setup_tcp(c, path, track) } else { self.setup_udp(c, path, track) }
    }

    pub(super) fn add_track(&mut self, c: C, number: usize, way: Way) {
        let (rtp, rtcp) = (Vec::new(), Vec::new());
        let security = Security::default();
        self[c].tracks.push(Track { number, way, rtp, rtcp, torn_down: false, security });
    }

    /// Two sockets of a client, and their ports as `client_port` has them.
    pub(super) fn udp_pair(&mut self, c: C) -> (UdpSocket, UdpSocket, String) {
        let any = with_port(self[c].address, 0);
        let mut bind = || UdpSocket::bind(&mut self.env, any).unwrap();
        let (rtp, rtcp) = (bind(), bind());
        let port = |s: &UdpSocket| s.local_addr().unwrap().port();
        let ports = format!("{}-{}", port(&rtp), port(&rtcp));
        (rtp, rtcp, ports)
    }

    #[track_caller]
    pub(super) fn play(&mut self, c: C, path: &str) -> Answer {
        self.request(c, "PLAY", path, &[]).expect(200)
    }

    #[track_caller]
    pub(super) fn play_range(&mut self, c: C, path: &str, range: &str) -> Answer {
        self.request(c, "PLAY", path, &[("Range", range)])
    }

    #[track_caller]
    pub(super) fn pause(&mut self, c: C, path: &str) -> Answer {
        self.request(c, "PAUSE", path, &[]).expect(200)
    }

    #[track_caller]
    pub(super) fn teardown(&mut self, c: C, path: &str) -> Answer {
        let answer = self.request(c, "TEARDOWN", path, &[]).expect(200);
        if !path.contains("/track") {
            self[c].session = None;
            self[c].tracks.iter_mut().for_each(|t| t.torn_down = true);
        }
        answer
    }

    /// A client that has set up all tracks, 1 to `tracks`, and plays them.
    #[track_caller]
    pub(super) fn playing(&mut self, path: &str, tracks: usize, tcp: bool) -> C {
        let c = self.client();
        for track in 1..=tracks {
            self.setup_over(c, path, track, tcp);
        }
        self.play(c, path);
        c
    }

    /// A receiver report of a client about a track, sent to where it belongs.
    pub(super) fn send_report(&mut self, c: C, track: usize) {
        let mut report = Vec::new();
        crate::wire::rtcp::write_rr(&mut report, 0x1234_5678, &[]);
        crate::wire::rtcp::write_sdes_cname(&mut report, 0x1234_5678, "client");
        self.send_rtcp(c, track, &report);
    }

    pub(super) fn send_rtcp(&mut self, c: C, track: usize, packet: &[u8]) {
        self.send_packet(c, track, PacketKind::Rtcp, packet);
    }

    /// Sends a packet to where packets of that kind of the track belong.
    pub(super) fn send_packet(&mut self, c: C, track: usize, kind: PacketKind, packet: &[u8]) {
        let client = &mut self.clients[c.0];
        let Some(track) = client.tracks.iter_mut().rfind(|t| t.number == track) else { return };
        match &mut track.way {
            Way::Tcp { rtp, rtcp } => {
                let channel = if kind == PacketKind::Rtp { *rtp } else { *rtcp };
                let _ = crate::wire::interleaved::write(channel, packet, &mut client.out);
            }
            Way::Udp { rtp, rtcp, server } => {
                let to = server.expect("SETUP was answered");
                let (socket, to) = if kind == PacketKind::Rtp { (rtp, to.0) } else { (rtcp, to.1) };
                // A full buffer is the network's loss.
                let _ = socket.send_to(&mut self.env, packet, to);
            }
        }
    }

    // What is left

    /// Sessions, streams and connections of the server.
    pub(super) fn census(&self) -> (usize, usize, usize) {
        let server = self.server();
        (server.pool().len(), server.stream_count(), server.connection_count())
    }

    /// Everybody leaves; nothing may be left but the listener.
    #[track_caller]
    pub(super) fn expect_nothing_left(&mut self) {
        for client in &mut self.clients {
            client.vanish(&mut self.env);
        }
        self.tick = secs(0.1);
        self.run_secs(70.0);
        self.check();
        assert_eq!(self.census(), (0, 0, 0), "sessions, streams, connections");
        assert_eq!(self.env.delayed_tasks(), 0, "timers");
        assert_eq!(self.server().streams.all_members().hosts(), 0, "members of groups");
        let shared = self.server().streams.all_sockets().shared_len();
        let open = self.network().open_sockets("10.0.0.1".parse().unwrap());
        let open_v6 = self.network().open_sockets("fd00::1".parse().unwrap());
        assert_eq!(open + open_v6, 2 + 2 * shared, "sockets");
        let turns = self.env.statistics().turns;
        self.tick = Duration::from_secs(100);
        self.run_secs(1000.0);
        assert!(self.env.statistics().turns - turns <= 11, "an idle server sleeps");
    }
}

fn named(headers: &[(&str, &str)], name: &str) -> bool {
    headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
}
