//! [`Pusher`]: a stream of a server in this process, sent to another server, again after every
//! failure.
//!
//! One attempt asks the other server what it can do (OPTIONS), asks the server in this process for
//! the stream as a viewer does, announces it to the other (ANNOUNCE, a SETUP for each track, RECORD;
//! RFC 2326 section 10) and passes on what the first sends. Whatever fails on the way ends the
//! attempt, with its reason as an event, and the next begins after a delay. There is no state but
//! that of the attempt, so there is none that only a restart could mend.

mod announced;
mod attempt;
mod config;
mod event;
mod pass_on;
mod phase;
mod prepare;
mod setup;
mod viewer;
mod watch;

pub use config::PushConfig;
pub use event::PushEvent;

use crate::client::keep_alive::KeepAlive;
use crate::client::{Player, PlayerConfig, RtspClient};
use crate::env::{Event, EventKey, Medium, MediumHandle, MediumId, Timer, UsageEnvironment};
use crate::error::Error;
use crate::relay::url::source_url;
use crate::server::RtspServer;
use crate::wire::rtp::PacketKind;
use crate::wire::rtsp::Request;
use crate::wire::url::{Redacted, RtspUrl};
use phase::{Phase, PushedTrack};
use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};
use viewer::{KEY_STREAM, LocalViewer};

/// The timer of the pusher.
const KEY_PUSHER: u32 = 65;
/// A track's socket for RTP; the id is the index of the track.
const KEY_RTP: u32 = 66;
/// A track's socket for RTCP.
const KEY_RTCP: u32 = 67;

type Handler = Box<dyn FnMut(&mut UsageEnvironment, PushEvent<'_>)>;

/// Pushes a stream of an [`RtspServer`] to another server (ANNOUNCE and RECORD, RFC 2326): a device
/// behind an address translator, which nobody can connect to, serves its stream there.
///
/// The pusher is a viewer of the stream, within the process. Any stream that a client could watch can
/// be pushed: a live one, a file, one that is relayed, from wherever. A key frame that the other
/// server asks for is asked of the stream's source, and sender reports keep the capture time. A
/// connection that does not keep up loses whole frames up to a key frame, and takes nobody else's
/// time or memory. A file is pushed again when it has come to its end.
///
/// It is a medium of the server's environment. When it is closed there, it sends TEARDOWN. Until
/// then it connects again after every failure, as its
/// [configuration](PushConfig::reconnect) says.
///
/// ```no_run
/// use riverrun::env::UsageEnvironment;
/// use riverrun::relay::{PushConfig, Pusher};
/// use riverrun::server::{RtspServer, ServerConfig};
/// use std::sync::atomic::AtomicBool;
///
/// let mut env = UsageEnvironment::new()?;
/// let server = RtspServer::new(&mut env, ServerConfig::default(), &[])?;
/// // ... a live stream "door" is added to the server ...
/// let url = "rtsp://door:secret@relay.example/door";
/// Pusher::open(&mut env, server, "door", url, PushConfig::default(), |_, event| {
///     println!("door: {event}");
/// })?;
/// env.do_event_loop(&AtomicBool::new(false))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pusher {
    /// As the client takes it, with credentials if there are any.
    url: String,
    config: PushConfig,
    handler: Handler,
    me: MediumHandle,
    client: Option<RtspClient>,
    viewer: LocalViewer,
    timer: Timer,
    phase: Phase,
    /// The server has answered OPTIONS in this attempt.
    has_asked: bool,
    /// It has named GET_PARAMETER among its methods.
    takes_get_parameter: bool,
    /// The stream could not be watched at the last attempt: the server is left alone until it can.
    stream_first: bool,
    /// The description as viewers get it.
    described: Vec<u8>,
    /// As it is announced; empty before the stream is described.
    announced: String,
    /// The URL that it is announced under, after redirections, without credentials.
    announced_url: String,
    tracks: Vec<PushedTrack>,
    session: Option<String>,
    session_timeout: Option<Duration>,
    keep_alive: KeepAlive,
    /// The server has answered such a request in this session.
    answers_keep_alive: bool,
    /// When RTCP of the server came last.
    heard_at: Option<Instant>,
    /// Media go over TCP, once that is known.
    over_tcp: Option<bool>,
    /// Attempts in succession that have failed.
    failures: u32,
    /// Attempts in succession to watch the stream that have failed.
    absences: u32,
    /// When the server was lost, until it takes the stream again.
    lost_at: Option<Instant>,
    /// Packets that were passed on.
    packets: u64,
    /// Memory of what is read from the server in this process, and of where packets lie in it.
    read: Vec<u8>,
    spans: Vec<Range<usize>>,
}

impl fmt::Debug for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher")
            .field("stream", &self.viewer.name())
            .field("url", &format_args!("{}", Redacted(&self.url)))
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl Pusher {
    /// Begins to push the stream of a name to `url`: `rtsp`, `rtsps`, or `rtsph` for an HTTP tunnel
    /// at the port of the URL (80 if it has none). A user name and a password may be in the URL,
    /// percent-encoded, or in the configuration. The stream need not exist yet. `handler` is called
    /// with each [`PushEvent`]; it may close the pusher.
    ///
    /// # Errors
    /// [`Error::Usage`]: the URL is none, or its scheme is not supported, or as
    /// [`PushConfig::check`]. Whatever happens later is an event.
    pub fn open(
        env: &mut UsageEnvironment,
        server: MediumId<RtspServer>,
        stream: &str,
        url: &str,
        mut config: PushConfig,
        handler: impl FnMut(&mut UsageEnvironment, PushEvent<'_>) + 'static,
    ) -> Result<MediumId<Self>, Error> {
        Self::check(url, &config)?;
        let (url, tunnel) = source_url(url);
        if tunnel.is_some() {
            config.client.http_tunnel_port = tunnel;
        }
        let now = env.now();
        let id = env.add(Self {
            url: url.into_owned(),
            config,
            handler: Box::new(handler),
            me: MediumHandle::default(),
            client: None,
            viewer: LocalViewer::new(server, stream),
            timer: Timer::new(),
            phase: Phase::Waiting { until: Some(now) },
            has_asked: false,
            takes_get_parameter: false,
            stream_first: false,
            described: Vec::new(),
            announced: String::new(),
            announced_url: String::new(),
            tracks: Vec::new(),
            session: None,
            session_timeout: None,
            keep_alive: KeepAlive::default(),
            answers_keep_alive: false,
            heard_at: None,
            over_tcp: None,
            failures: 0,
            absences: 0,
            lost_at: None,
            packets: 0,
            read: Vec::new(),
            spans: Vec::new(),
        });
        let begun = env.with(id, |pusher, env| {
            pusher.client = Some(RtspClient::new(pusher.config.client.clone(), pusher.me)?);
            // In a turn of its own, so that the caller has the id before the first event.
            pusher.arm(env);
            Ok(())
        })?;
        match begun {
            Ok(()) => Ok(id),
            Err(e) => {
                env.close(id);
                Err(e)
            }
        }
    }

    /// Checks that [`open`](Self::open) takes this URL and this configuration.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn check(url: &str, config: &PushConfig) -> Result<(), Error> {
        config.check()?;
        let (url, _) = source_url(url);
        Player::check(&url, &PlayerConfig::default())?;
        let has_stream = RtspUrl::parse(&url).is_ok_and(|url| url.path.as_str().len() > 1);
        if has_stream { Ok(()) } else { Err(Error::Usage("the URL names no stream")) }
    }

    /// Ends the delay before the next attempt, if there is one: the stream has become available, or
    /// the other server has.
    pub fn hurry(&mut self, env: &mut UsageEnvironment) {
        if let Phase::Waiting { until } = &mut self.phase {
            *until = Some(env.now());
        }
        self.arm(env);
    }

    /// Returns the name of the stream that is pushed.
    pub fn stream(&self) -> &str {
        self.viewer.name()
    }

    /// Returns whether the other server takes the stream at present.
    pub const fn is_recording(&self) -> bool {
        matches!(self.phase, Phase::Recording { .. })
    }

    /// Returns the number of packets that were passed on, RTP and RTCP.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    fn tell(&mut self, env: &mut UsageEnvironment, event: PushEvent<'_>) {
        log::debug!("{} is pushed: {event}", self.viewer.name());
        (self.handler)(env, event);
    }

    fn send(
        &mut self,
        env: &mut UsageEnvironment,
        request: Request<'static>,
    ) -> Option<crate::client::RequestId> {
        Some(self.client.as_mut()?.send(env, request))
    }

    /// Takes what the client and the server in this process have, and does what is due.
    fn follow_up(&mut self, env: &mut UsageEnvironment) {
        self.handle_news(env);
        self.handle_deadlines(env);
        self.read_stream(env);
        // What was begun may have failed at once: of that no further event comes.
        self.handle_news(env);
        self.arm(env);
    }

    fn handle_news(&mut self, env: &mut UsageEnvironment) {
        while let Some(event) = self.client.as_mut().and_then(RtspClient::poll_event) {
            self.handle_client_event(env, event);
        }
    }
}

impl Medium for Pusher {
    fn kind(&self) -> &'static str {
        "Pusher"
    }

    fn on_added(&mut self, _: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        let Self { client: Some(client), viewer, heard_at, .. } = self else { return };
        match event {
            Event::Readiness { key: EventKey { kind: KEY_RTP, id }, .. } => {
                self.receive(env, id.index as usize, PacketKind::Rtp);
            }
            Event::Readiness { key: EventKey { kind: KEY_RTCP, id }, .. } => {
                self.receive(env, id.index as usize, PacketKind::Rtcp);
            }
            Event::Timer { key: EventKey { kind: KEY_PUSHER | KEY_STREAM, .. } } => {}
            _ => {
                client.handle_event(env, event, &mut |env, packet| {
                    if PacketKind::of(packet.data, Some(packet.kind)) == PacketKind::Rtcp {
                        *heard_at = Some(env.now());
                        viewer.report(env, packet.track as usize, packet.data);
                    }
                });
            }
        }
        self.follow_up(env);
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        // Who closes it knows, and is not called in the middle of that.
        self.handler = Box::new(|_, _| {});
        self.hang_up(env);
    }
}
