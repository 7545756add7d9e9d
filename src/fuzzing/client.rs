//! Bodies for the `client` layer.

use crate::client::requests::PlayParameters;
use crate::client::{ContentFacts, MediaSession, Player, PlayerConfig, PlayerEvent, TrackChoice};
use crate::env::UsageEnvironment;
use crate::net::{TcpListener, TcpStream};
use crate::payload::FormatRegistry;
use crate::wire::Oddities;
use crate::wire::Reader;
use crate::wire::rtsp::{Incoming, Limits, Range, TransportSpec, parse};
use crate::wire::url::RtspUrl;
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

/// What a server describes. The first four lines are the URL of the request, `Content-Base`,
/// `Content-Location` and `RTP-Info`; the description follows.
pub fn media_session(data: &[u8]) {
    let mut parts = data.splitn(5, |&b| b == b'\n');
    let mut line = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (url, base, location, rtp_info) = (line(), line(), line(), line());
    let sdp = parts.next().unwrap_or_default();
    let url = if RtspUrl::parse(&url).is_ok() { url } else { "rtsp://u:p@h/a?b".to_owned() };
    let mut facts = ContentFacts::new(&url);
    facts.base = Some(&base);
    facts.location = Some(&location);
    let unknown = FormatRegistry::new().pass_unknown();
    for formats in [FormatRegistry::standard(), &FormatRegistry::opaque(), &unknown] {
        let Ok(session) = MediaSession::new(sdp, &facts, formats) else { continue };
        is_absolute(&session.control_url);
        assert!(session.odd.iter().len() <= 32);
        assert!(session.odd.iter().all(|line| !line.contains(char::is_control)));
        for (number, subsession) in (1..).zip(&session.subsessions) {
            assert_eq!(subsession.number, number);
            is_absolute(&subsession.control_url);
            assert!(subsession.payload_type() < 128 && subsession.format.clock_rate > 0);
            if !subsession.is_raw {
                assert!(subsession.format.check().is_ok());
                assert!(subsession.parameters.check().is_ok());
            }
            let _ = subsession.depacketizer(formats);
        }
        let everything = TrackChoice::all().back_channel();
        assert_eq!(everything.chosen(&session).count(), session.subsessions.len());
        let mut odd = Oddities::new();
        let starts = session.play_starts(&rtp_info, |s| s.number != 2, &mut odd);
        let pairs = starts.iter().zip(starts.iter().skip(1));
        assert!(pairs.into_iter().all(|(a, b)| a.number < b.number));
        assert!(starts.iter().all(|start| session.subsession(start.number).is_some()));
        let _ = (session.duration(), TransportSpec::of_answer(&rtp_info, &mut odd));
    }
}

/// What is sent requests is an absolute URL, and names no user.
fn is_absolute(url: &str) {
    let parsed = RtspUrl::parse(url).unwrap_or_else(|e| panic!("{e}: {url:?}"));
    assert!(parsed.user.is_none() && parsed.password.is_none());
}

pub(super) const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 554);
const SDP: &str = "v=0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=control:t1\r\nm=audio 0 RTP/AVP 0\r\na=control:t2\r\n";

/// A server that a player has connected to.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    input: Vec<u8>,
    /// `CSeq` and method of the requests that were not answered.
    asked: Vec<(String, String)>,
}

impl Peer {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream, input: Vec::new(), asked: Vec::new() }
    }

    pub(super) fn read(&mut self, env: &mut UsageEnvironment) {
        let mut buffer = [0; 2048];
        while let Ok(n @ 1..) = self.stream.read(env, &mut buffer) {
            self.input.extend_from_slice(buffer.get(..n).unwrap_or_default());
        }
        loop {
            let (incoming, n) = match parse(&self.input, &Limits::default()) {
                Ok((Incoming::NeedMore, _)) => return,
                Ok(parsed) => parsed,
                Err(e) => panic!("a client writes RTSP: {e}"),
            };
            if let Incoming::Request(request) = incoming {
                let cseq = request.headers.value("CSeq").expect("a number");
                self.asked.push((cseq.to_owned(), request.method.to_string()));
            }
            self.input.drain(..n);
        }
    }

    /// Answers the oldest request, honestly but for what `how` says.
    fn answer(&mut self, env: &mut UsageEnvironment, how: u8) {
        if self.asked.is_empty() {
            return;
        }
        let (cseq, method) = self.asked.remove(0);
        let mut head = match how % 16 {
            1 => {
                "RTSP/1.0 401 X\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\r\n".to_owned()
            }
            2 => "RTSP/1.0 302 X\r\nLocation: /y\r\n".to_owned(),
            3 => "RTSP/1.0 454 X\r\n".to_owned(),
            4 => "RTSP/1.0 461 X\r\n".to_owned(),
            _ => "RTSP/1.0 200 OK\r\n".to_owned(),
        };
        if how % 32 != 31 {
            head += &format!("CSeq: {cseq}\r\n");
        }
        let mut body = "";
        match (&*method, how / 32) {
            ("DESCRIBE", _) => body = SDP,
            ("SETUP", 0) => head += "Session: 1\r\nTransport: RTP/AVP;server_port=9-10\r\n",
            ("SETUP", 1) => head += "Session: 1\r\n",
            ("SETUP", _) => {
                head += "Session: 1;timeout=2\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n"
            }
            ("PLAY", 0..4) => head += "Range: npt=0-3\r\nRTP-Info: url=t1;seq=0;rtptime=0\r\n",
            _ => {}
        }
        let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.send(env, answer.as_bytes());
    }

    /// Does what the input tells: one of seven things that servers do.
    pub(super) fn act(
        &mut self,
        env: &mut UsageEnvironment,
        (what, with): (u8, u8),
        r: &mut Reader<'_>,
    ) {
        match what % 8 {
            0..=2 => self.answer(env, with),
            3 => {
                let len = usize::from(with).min(r.remaining().len());
                let bytes = r.take(len, "bytes").unwrap_or_default();
                self.send(env, bytes);
            }
            4 | 5 => {
                let mut packet = vec![0x80, if what % 8 == 4 { 96 } else { 0 }, 0, with];
                packet.extend([0, 0, with, 0, 0, 0, 0, what & 8, 0x65, with]);
                let mut framed = Vec::new();
                assert!(crate::wire::interleaved::write(what & 48 >> 4, &packet, &mut framed));
                self.send(env, &framed);
            }
            _ => {
                let kind = if with & 1 == 0 { 203 } else { 200 };
                let bye = [b'$', 1, 0, 8, 0x81, kind, 0, 1, 0, 0, 0, what & 8];
                self.send(env, &bye);
            }
        }
    }

    /// What the connection does not take is not sent.
    fn send(&mut self, env: &mut UsageEnvironment, bytes: &[u8]) {
        let _ = self.stream.write(env, bytes);
    }
}

/// A player, and a server that says and does what the input tells. Whatever that was, the player
/// comes back to a server that is new, unless the presentation has ended.
pub fn player(data: &[u8]) {
    let mut r = Reader::new(data);
    let mut env = UsageEnvironment::simulated(1);
    let mut listener = TcpListener::bind(&mut env, SERVER).expect("the address is free");
    let mut config = PlayerConfig::default();
    config.client.local_address = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
    let ended = Rc::new(Cell::new(false));
    let ends = Rc::clone(&ended);
    let handler = move |_: &mut UsageEnvironment, event: PlayerEvent<'_>| {
        assert!(!ends.get(), "an end is the last event");
        ends.set(matches!(event, PlayerEvent::Ended(_)));
    };
    let url = "rtsp://u:p@10.0.0.1/x";
    let player = Player::open(&mut env, url, config, handler).expect("it is fit to use");
    let mut peer: Option<Peer> = None;
    for _ in 0..200 {
        let (Ok(what), Ok(with)) = (r.u8("operation"), r.u8("argument")) else { break };
        pass(
            &mut env,
            Duration::from_millis(if what & 128 == 0 { 5 } else { 50 * u64::from(with) }),
        );
        if let Ok((stream, _)) = listener.accept(&mut env) {
            let before = peer.replace(Peer::new(stream));
            before.into_iter().for_each(|before| before.stream.close(&mut env));
        }
        let Some(server) = &mut peer else { continue };
        server.read(&mut env);
        match what % 8 {
            0..=6 => server.act(&mut env, (what, with), &mut r),
            _ if with < 64 => {
                if let Some(server) = peer.take() {
                    server.stream.close(&mut env);
                }
            }
            _ => {
                let range = Range::npt(Duration::from_secs(u64::from(with & 3)), None);
                let steer = |player: &mut Player, env: &mut UsageEnvironment| match with / 64 {
                    1 => {
                        player.pause(env);
                        Ok(())
                    }
                    2 => player.play(env, &PlayParameters::default()),
                    _ => player.play(env, &PlayParameters::of_range(range)),
                };
                env.with(player, steer).expect("the player is there").expect("they are right");
            }
        }
    }
    // It is not to be paused any more.
    let play = |player: &mut Player, env: &mut UsageEnvironment| {
        player.play(env, &PlayParameters::default())
    };
    env.with(player, play).expect("the player is there").expect("they are right");
    // The server goes, and another comes.
    peer.into_iter().for_each(|peer| peer.stream.close(&mut env));
    listener.close(&mut env);
    pass(&mut env, Duration::from_secs(60));
    let mut listener = TcpListener::bind(&mut env, SERVER).expect("the address is free");
    pass(&mut env, Duration::from_secs(75));
    match listener.accept(&mut env) {
        Ok((stream, _)) => stream.close(&mut env),
        Err(_) => assert!(ended.get(), "it comes back"),
    }
    listener.close(&mut env);
    env.close(player);
}

/// Lets time pass; the loop does not spin.
pub(super) fn pass(env: &mut UsageEnvironment, time: Duration) {
    let end = env.now() + time;
    for _ in 0..20_000 {
        let left = end.saturating_duration_since(env.now());
        if left.is_zero() {
            return;
        }
        env.turn(Some(left)).expect("the loop goes on");
    }
    panic!("the loop spins");
}
