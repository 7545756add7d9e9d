//! [`Dialogue`]: requests and their answers one after the other, on an [`RtspClient`].

use crate::check::TrackRecord;
use crate::support::Failure;
use riverrun::client::{ClientEvent, RequestFailure, RequestId, RtspClient, RtspClientConfig};
use riverrun::env::{
    Event, EventKey, Interest, Medium, MediumHandle, MediumId, Timer, UsageEnvironment,
};
use riverrun::net::{PortPair, with_port};
use riverrun::wire::rtp::PacketKind;
use riverrun::wire::rtsp::{Request, Response};
use riverrun::wire::url::RtspUrl;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Kinds of the line's own events: sockets for RTP and RTCP, by track, and the timer that ends a
/// time of listening.
const KEY_RTP: u32 = *RtspClient::EVENT_KINDS.end() + 1;
const KEY_RTCP: u32 = KEY_RTP + 1;
const KEY_LISTENING: u32 = KEY_RTP + 2;
/// Start of the search for ports.
const FIRST_PORT: u16 = 50_000;
/// Pairs of ports that are tried.
const TRIES: u16 = 500;
/// Datagrams that are taken from a socket in one turn.
const DATAGRAMS: usize = 256;

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub(crate) struct NoAnswer(pub(crate) RequestFailure);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer: {}", self.0)
    }
}

pub(crate) type Answer = Result<Response<'static>, NoAnswer>;

/// A connection, and what comes over it.
struct Line {
    url: String,
    config: RtspClientConfig,
    client: Option<RtspClient>,
    news: VecDeque<ClientEvent>,
    records: BTreeMap<u32, TrackRecord>,
    pairs: BTreeMap<u32, PortPair>,
    timer: Timer,
    is_listening: bool,
    me: MediumHandle,
}

impl Line {
    fn take(records: &mut BTreeMap<u32, TrackRecord>, env: &UsageEnvironment, packet: Packet<'_>) {
        if let Some(record) = records.get_mut(&packet.track) {
            record.take(packet.kind, packet.data, env.now());
        }
    }

    fn receive(&mut self, env: &mut UsageEnvironment, track: u32, kind: PacketKind) {
        let Some(pair) = self.pairs.get_mut(&track) else { return };
        let socket = if kind == PacketKind::Rtp { &mut pair.rtp } else { &mut pair.rtcp };
        let mut datagram = [0; 2048];
        for _ in 0..DATAGRAMS {
            match socket.recv_from(env, &mut datagram) {
                Ok((n, _)) => {
                    let data = datagram.get(..n).unwrap_or_default();
                    Self::take(&mut self.records, env, Packet { track, kind, data });
                }
                Err(_) => return,
            }
        }
    }
}

struct Packet<'a> {
    track: u32,
    kind: PacketKind,
    data: &'a [u8],
}

impl Medium for Line {
    fn kind(&self) -> &'static str {
        "Line"
    }

    fn on_added(&mut self, _: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        match event {
            Event::Readiness { key: EventKey { kind: KEY_RTP, id }, .. } => {
                self.receive(env, id.index, PacketKind::Rtp);
            }
            Event::Readiness { key: EventKey { kind: KEY_RTCP, id }, .. } => {
                self.receive(env, id.index, PacketKind::Rtcp);
            }
            Event::Timer { key: EventKey { kind: KEY_LISTENING, .. } } => {
                self.is_listening = false;
            }
            _ => {
                let Self { client: Some(client), records, news, .. } = self else { return };
                client.handle_event(env, event, &mut |env, packet| {
                    let (track, kind, data) = (packet.track, packet.kind, packet.data);
                    Self::take(records, env, Packet { track, kind, data });
                });
                news.extend(std::iter::from_fn(|| client.poll_event()));
            }
        }
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        for (_, pair) in std::mem::take(&mut self.pairs) {
            pair.close(env);
        }
        if let Some(client) = &mut self.client {
            client.close(env);
        }
    }
}

/// Requests and their answers one after the other, with what comes in the meantime.
pub(crate) struct Dialogue {
    env: UsageEnvironment,
    stop: Arc<AtomicBool>,
    line: MediumId<Line>,
    /// Why there was no connection at last.
    pub(crate) disconnection: Option<String>,
}

impl Dialogue {
    /// With the server of a URL, which may have credentials in it.
    pub(crate) fn new(url: &str, config: &RtspClientConfig) -> Result<Self, Failure> {
        let mut env = UsageEnvironment::new()?;
        let stop = crate::support::stop_on_signal(&mut env)?;
        let line = env.add(Line {
            url: url.to_owned(),
            config: config.clone(),
            client: None,
            news: VecDeque::new(),
            records: BTreeMap::new(),
            pairs: BTreeMap::new(),
            timer: Timer::new(),
            is_listening: false,
            me: MediumHandle::default(),
        });
        env.with(line, |line, env| {
            let mut client = RtspClient::new(line.config.clone(), line.me)?;
            client.set_server(env, &RtspUrl::parse(&line.url)?)?;
            line.client = Some(client);
            Ok::<_, Failure>(())
        })??;
        Ok(Self { env, stop, line, disconnection: None })
    }

    fn with<R>(
        &mut self,
        f: impl FnOnce(&mut Line, &mut RtspClient, &mut UsageEnvironment) -> R,
    ) -> Result<R, Failure> {
        self.env.with(self.line, |line, env| {
            let mut client = line.client.take().ok_or("there is no client")?;
            let result = f(line, &mut client, env);
            line.news.extend(std::iter::from_fn(|| client.poll_event()));
            line.client = Some(client);
            Ok(result)
        })?
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: Request<'static>) -> Result<RequestId, Failure> {
        self.with(|_, client, env| client.send(env, request))
    }

    /// Waits for the next answer, to whichever request.
    pub(crate) fn next_answer(&mut self) -> Result<(RequestId, Answer), Failure> {
        loop {
            let news = self.with(|line, _, _| line.news.pop_front())?;
            match news {
                Some(ClientEvent::Response { request, response }) => {
                    return Ok((request, Ok(response)));
                }
                Some(ClientEvent::Failed { request, why }) => {
                    // Why there is no connection is told next.
                    let rest = self.with(|line, _, _| line.news.drain(..).collect::<Vec<_>>())?;
                    for news in rest {
                        self.note(news)?;
                    }
                    return Ok((request, Err(NoAnswer(why))));
                }
                Some(other) => self.note(other)?,
                None => self.turn()?,
            }
        }
    }

    /// Takes news that is no answer; an answer is kept.
    fn note(&mut self, news: ClientEvent) -> Result<(), Failure> {
        match news {
            ClientEvent::Disconnected(why) => {
                self.disconnection = Some(why.to_string());
            }
            ClientEvent::Response { .. } | ClientEvent::Failed { .. } => {
                self.with(|line, _, _| line.news.push_back(news))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends a request, and waits for its answer.
    pub(crate) fn ask(&mut self, request: Request<'static>) -> Result<Answer, Failure> {
        let id = self.send(request)?;
        loop {
            let (of, answer) = self.next_answer()?;
            if of == id {
                return Ok(answer);
            }
        }
    }

    fn turn(&mut self) -> Result<(), Failure> {
        if self.stop.load(Ordering::Relaxed) {
            return Err("interrupted".into());
        }
        Ok(self.env.turn(None)?)
    }

    /// Takes what comes for so long.
    pub(crate) fn listen(&mut self, duration: Duration) -> Result<(), Failure> {
        let at = self.env.now().checked_add(duration).ok_or("too long a time")?;
        let key = EventKey { kind: KEY_LISTENING, ..EventKey::default() };
        self.with(|line, _, env| {
            line.is_listening = true;
            env.arm_timer(&mut line.timer, line.me, key, at);
        })?;
        while self.with(|line, _, _| line.is_listening)? {
            self.turn()?;
        }
        Ok(())
    }

    /// The addresses of both ends of the connection, the server's first.
    pub(crate) fn ends(&mut self) -> Result<Option<(SocketAddr, SocketAddr)>, Failure> {
        self.with(|_, client, _| client.ends())
    }

    /// Opens a pair of ports for a track; returns the numbers.
    pub(crate) fn open_ports(&mut self, track: u32) -> Result<(u16, u16), Failure> {
        let (_, local) = self.ends()?.ok_or("there is no connection")?;
        let ports = self.with(|line, _, env| {
            let mut pair = PortPair::open(env, with_port(local, 0), FIRST_PORT, TRIES)?;
            let key = |kind| {
                let mut key = EventKey { kind, ..EventKey::default() };
                key.id.index = track;
                key
            };
            pair.rtp.watch(env, line.me, key(KEY_RTP), Interest::READABLE)?;
            pair.rtcp.watch(env, line.me, key(KEY_RTCP), Interest::READABLE)?;
            let ports = (pair.rtp.local_addr()?.port(), pair.rtcp.local_addr()?.port());
            if let Some(before) = line.pairs.insert(track, pair) {
                before.close(env);
            }
            Ok::<_, io::Error>(ports)
        })??;
        Ok(ports)
    }

    /// Closes the ports of a track.
    pub(crate) fn close_ports(&mut self, track: u32) -> Result<(), Failure> {
        self.with(|line, _, env| {
            if let Some(pair) = line.pairs.remove(&track) {
                pair.close(env);
            }
        })
    }

    /// Takes what comes on two channels for a track's.
    pub(crate) fn bind_channels(&mut self, channels: (u8, u8), track: u32) -> Result<(), Failure> {
        self.with(|_, client, _| client.bind_channels(channels, track))?;
        Ok(())
    }

    /// Begins to record what comes of a track.
    pub(crate) fn record(&mut self, track: u32) -> Result<(), Failure> {
        self.with(|line, _, _| _ = line.records.insert(track, TrackRecord::default()))
    }

    /// What has come of a track.
    pub(crate) fn recorded(&mut self, track: u32) -> Result<TrackRecord, Failure> {
        self.with(|line, _, _| line.records.get(&track).cloned().unwrap_or_default())
    }
}
