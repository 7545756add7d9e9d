//! [`Publisher`]: a client that publishes pictures, over its RTSP connection or over UDP, and begins
//! anew whenever it cannot.

use super::picture::{CameraClock, INTERVAL, KEY_EVERY, PPS, Picture, SPS};
use crate::relay::PROXY;
use riverrun::client::{ClientEvent, RtspClient, RtspClientConfig, requests};
use riverrun::env::{Event, EventKey, Medium, MediumHandle, MediumId, Timer, UsageEnvironment};
use riverrun::net::PortPair;
use riverrun::rtp::rtcp::NtpTime;
use riverrun::wire::rtcp::{SenderInfo, write_sdes_cname, write_sr};
use riverrun::wire::rtp::write_header;
use riverrun::wire::rtsp::{Delivery, Protocol, Request, Response, TransportSpec};
use riverrun::wire::url::RtspUrl;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(super) const PUBLISHER_HOST: &str = "10.0.0.5";
/// Time from a failure to the next attempt.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// Longest time after which it finds that the server does not take its packets: that between two
/// requests, and that for a response.
pub(super) const GIVING_UP: Duration = Duration::from_secs(15);
/// Between two requests that ask whether the server is there.
const ASKS: Duration = Duration::from_secs(5);

const SDP: &str = "v=0\r\no=- 0 0 IN IP4 10.0.0.5\r\ns=Publisher\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n\
    a=control:streamid=0\r\n";

const KEY_PICTURE: u32 = 100;
const KEY_RETRY: u32 = 101;

/// The request whose response comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Announce,
    Setup,
    Record,
    Recording,
}

pub(super) struct Publisher {
    stream: &'static str,
    /// Packets go over UDP.
    over_udp: bool,
    /// The sockets of an attempt, and where its packets go.
    sockets: Option<PortPair>,
    to: Option<(SocketAddr, SocketAddr)>,
    client: Option<RtspClient>,
    step: Step,
    clock: CameraClock,
    session: Option<String>,
    begun: Instant,
    asked: Instant,
    /// Of the next picture.
    number: u32,
    ssrc: u32,
    sequence: u16,
    packets: u32,
    timer: Timer,
    me: MediumHandle,
}

impl Publisher {
    pub(super) fn open(
        env: &mut UsageEnvironment,
        stream: &'static str,
        over_udp: bool,
        clock: &CameraClock,
    ) -> MediumId<Self> {
        let now = env.now();
        env.add(Self {
            stream,
            over_udp,
            sockets: None,
            to: None,
            client: None,
            step: Step::Announce,
            clock: clock.clone(),
            session: None,
            begun: now,
            asked: now,
            number: 0,
            ssrc: 0,
            sequence: 0,
            packets: 0,
            timer: Timer::new(),
            me: MediumHandle::default(),
        })
    }

    fn url(&self, track: &str) -> String {
        format!("rtsp://{PROXY}/{}{track}", self.stream)
    }

    /// Begins as one that has just been started.
    fn begin(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        let mut config = RtspClientConfig::default();
        config.local_address = PUBLISHER_HOST.parse().ok();
        let mut client = RtspClient::new(config, self.me).expect("a client");
        let url = self.url("");
        client.set_server(env, &RtspUrl::parse(&url).expect("a URL")).expect("a server");
        client.send(env, requests::announce(&url, None, SDP));
        self.client = Some(client);
        (self.session, self.step) = (None, Step::Announce);
    }

    /// Closes all that the attempt has opened. The server is not told: it has to find out.
    fn close(&mut self, env: &mut UsageEnvironment) {
        if let Some(mut client) = self.client.take() {
            client.close(env);
        }
        if let Some(sockets) = self.sockets.take() {
            sockets.close(env);
        }
        (self.session, self.to) = (None, None);
    }

    fn fail(&mut self, env: &mut UsageEnvironment) {
        self.close(env);
        let key = EventKey { kind: KEY_RETRY, ..EventKey::default() };
        let at = env.now() + RETRY;
        env.arm_timer(&mut self.timer, self.me, key, at);
    }

    /// The transport that is asked for.
    fn transport(&mut self, env: &mut UsageEnvironment) -> TransportSpec {
        let mut transport = if self.over_udp {
            let host = SocketAddr::new(PUBLISHER_HOST.parse().expect("an address"), 0);
            let sockets = PortPair::open(env, host, 6000, 100).expect("free ports");
            let port = sockets.rtp.local_addr().expect("an address").port();
            self.sockets = Some(sockets);
            let mut transport = TransportSpec::new(Protocol::RtpAvp, Delivery::Unicast);
            transport.client_port = Some((port, port + 1));
            transport
        } else {
            let mut transport = TransportSpec::new(Protocol::RtpAvpTcp, Delivery::Unicast);
            transport.interleaved = Some((0, 1));
            transport
        };
        transport.mode = Some("record".to_owned());
        transport
    }

    /// Where packets go over UDP, as the server has answered.
    fn note_ports(&mut self, response: &Response<'_>) {
        let transport = response.headers.value("Transport").expect("a transport");
        let spec: TransportSpec = transport.parse().expect("a transport as it should be");
        let (rtp, rtcp) = spec.server_port.expect("the ports of the server");
        let server: SocketAddr = PROXY.parse().expect("an address");
        self.to = Some((SocketAddr::new(server.ip(), rtp), SocketAddr::new(server.ip(), rtcp)));
    }

    /// What was asked is answered: goes on.
    fn go_on(&mut self, env: &mut UsageEnvironment, response: &Response<'_>) {
        let session = response.headers.value("Session");
        let session = session.and_then(|s| s.split(';').next()).map(str::to_owned);
        let session = self.session.take().or(session);
        self.session.clone_from(&session);
        let Some(session) = session else { return };
        match self.step {
            Step::Announce => {
                let transport = self.transport(env);
                let setup = requests::setup(&self.url("/streamid=0"), Some(&session), &transport);
                self.ask(env, setup);
                self.step = Step::Setup;
            }
            Step::Setup => {
                if self.over_udp {
                    self.note_ports(response);
                }
                self.ask(env, requests::record(&self.url(""), Some(&session), None));
                self.step = Step::Record;
            }
            Step::Record => {
                self.step = Step::Recording;
                self.start(env);
            }
            Step::Recording => {}
        }
    }

    fn ask(&mut self, env: &mut UsageEnvironment, request: Request<'static>) {
        if let Some(client) = &mut self.client {
            client.send(env, request);
        }
    }

    /// Sends a packet of RTP, or of RTCP.
    fn send(&mut self, env: &mut UsageEnvironment, is_rtcp: bool, packet: &[u8]) {
        match (&mut self.sockets, self.to, &mut self.client) {
            (Some(sockets), Some((rtp, rtcp)), _) => {
                let way = if is_rtcp { (&mut sockets.rtcp, rtcp) } else { (&mut sockets.rtp, rtp) };
                // What the network does not take is lost.
                let _ = way.0.send_to(env, packet, way.1);
                // Reports of the server are not looked at.
                let mut buf = [0; 2048];
                while way.0.recv_from(env, &mut buf).is_ok() {}
            }
            (_, _, Some(client)) => client.send_packet(env, u8::from(is_rtcp), packet),
            _ => {}
        }
    }

    fn start(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        (self.begun, self.asked, self.number, self.packets) = (now, now, 0, 0);
        self.ssrc = env.random_u32().max(1);
        self.sequence = env.random_u32() as u16;
        self.capture(env);
    }

    fn capture(&mut self, env: &mut UsageEnvironment) {
        let (now, captured) = (env.now(), self.clock.now(env));
        let key = self.number % KEY_EVERY == 0;
        let picture = Picture { captured, key };
        // Microseconds to units of 90 kHz.
        let units = (now - self.begun).as_micros() as u64 * 9 / 100;
        let timestamp = self.ssrc.wrapping_add(units as u32);
        let unit = picture.unit();
        let units: &[&[u8]] = if key { &[&SPS, &PPS, &unit] } else { &[&unit] };
        let mut report = Vec::new();
        if self.number % 5 == 0 {
            let info = SenderInfo {
                ntp: NtpTime::from_unix(Duration::from_micros(captured)),
                rtp_timestamp: timestamp,
                packet_count: self.packets,
                octet_count: 0,
            };
            write_sr(&mut report, self.ssrc, &info, &[]);
            write_sdes_cname(&mut report, self.ssrc, "publisher");
        }
        if self.client.is_none() {
            return;
        }
        if !report.is_empty() {
            self.send(env, true, &report);
        }
        for (n, unit) in units.iter().enumerate() {
            let mut header = [0; 12];
            let marker = n + 1 == units.len();
            write_header(&mut header, marker, 96, self.sequence, timestamp, self.ssrc);
            self.sequence = self.sequence.wrapping_add(1);
            self.packets += 1;
            self.send(env, false, &[&header[..], unit].concat());
        }
        if now - self.asked >= ASKS {
            self.asked = now;
            let session = self.session.as_deref();
            let request = requests::get_parameter(&self.url(""), session, &[]);
            self.ask(env, request);
        }
        self.number += 1;
        let key = EventKey { kind: KEY_PICTURE, ..EventKey::default() };
        let at = self.begun + INTERVAL * self.number;
        env.arm_timer(&mut self.timer, self.me, key, at);
    }

    fn take_news(&mut self, env: &mut UsageEnvironment) {
        while let Some(news) = self.client.as_mut().and_then(RtspClient::poll_event) {
            match news {
                ClientEvent::Response { response, .. } if response.status.code() == 200 => {
                    self.go_on(env, &response);
                }
                ClientEvent::Response { .. }
                | ClientEvent::Failed { .. }
                | ClientEvent::Disconnected(_) => self.fail(env),
                _ => {}
            }
        }
    }
}

impl Medium for Publisher {
    fn kind(&self) -> &'static str {
        "Publisher"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
        self.begin(env);
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        match event {
            Event::Timer { key } if key.kind == KEY_PICTURE => self.capture(env),
            Event::Timer { key } if key.kind == KEY_RETRY => self.begin(env),
            event => {
                if let Some(client) = &mut self.client {
                    client.handle_event(env, event, &mut |_, _| {});
                }
            }
        }
        self.take_news(env);
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        self.close(env);
    }
}
