//! [`ProxyServerMediaSession`]: a URL that is pulled, always or while somebody watches.
//!
//! The [`Player`] deals with whatever a camera does: it connects again after every failure. What is
//! left here is when there is to be a player at all. There is no state that waits for the source: each
//! has a deadline, or ends when viewers come or go.

use crate::arena::RawId;
use crate::client::{
    AttemptError, MediaSession, MediaSubsession, MediaTransport, Player, PlayerEnd, PlayerOutput,
};
use crate::env::{Event, EventKey, Medium, MediumError, MediumId, Timer, UsageEnvironment};
use crate::error::Error;
use crate::relay::config::{ProxyConfig, Pull};
use crate::relay::event::ProxyEvent;
use crate::relay::feed::Feed;
use crate::relay::speaker::Speaker;
use crate::relay::url::source_url;
use crate::server::publish::track::relayed_track;
use crate::server::{RelayedEvent, RelayedStreamId, RelayedStreamOptions, RtspServer};
use crate::wire::url::Redacted;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The server has an event for the stream.
const KEY_DEMAND: u32 = 1;
const KEY_TIMER: u32 = 2;

type Handler = Box<dyn FnMut(&mut UsageEnvironment, ProxyEvent<'_>)>;

/// A stream of an [`RtspServer`] whose packets are pulled from a URL.
///
/// It is a medium of the server's environment. When it is closed there, the source is closed and the
/// stream is removed from the server. Viewers are the server's: it authenticates them, and what is
/// configured for the source, credentials above all, is not told to them.
///
/// ```no_run
/// use riverrun::env::UsageEnvironment;
/// use riverrun::relay::{ProxyConfig, ProxyServerMediaSession};
/// use riverrun::server::{RtspServer, ServerConfig};
/// use std::sync::atomic::AtomicBool;
///
/// let mut env = UsageEnvironment::new()?;
/// let server = RtspServer::new(&mut env, ServerConfig::default(), &["0.0.0.0:8554".parse()?])?;
/// let (url, config) = ("rtsp://admin:secret@192.0.2.9/live", ProxyConfig::default());
/// ProxyServerMediaSession::open(&mut env, server, "door", url, config, |_, event| {
///     println!("door: {event}");
/// })?;
/// env.do_event_loop(&AtomicBool::new(false))?; // rtsp://this-host:8554/door
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ProxyServerMediaSession {
    name: String,
    /// As the player takes it, with credentials if there are any.
    url: String,
    config: ProxyConfig,
    handler: Handler,
    server: MediumId<RtspServer>,
    stream: Option<RelayedStreamId>,
    me: Option<MediumId<Self>>,
    /// What takes viewers' audio to the source.
    speaker: Option<MediumId<Speaker>>,
    source: Source,
    timer: Timer,
    /// There are viewers, or one who waits for the description.
    is_watched: bool,
    /// The numbers of the source's tracks, in the order of the stream's.
    tracks: Vec<usize>,
    transport: Option<MediaTransport>,
    /// When the source was lost, until it is back.
    lost_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Nobody watches.
    Closed,
    Open {
        player: MediumId<Player>,
        /// Packets come.
        is_up: bool,
        /// When it is closed, if nobody comes.
        close_at: Option<Instant>,
    },
    /// The source came to its end.
    Resting { until: Instant },
}

impl fmt::Debug for ProxyServerMediaSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyServerMediaSession")
            .field("name", &self.name)
            .field("url", &format_args!("{}", Redacted(&self.url)))
            .field("source", &self.source)
            .field("is_watched", &self.is_watched)
            .finish_non_exhaustive()
    }
}

impl ProxyServerMediaSession {
    /// Adds a stream to `server` whose packets are pulled from `url`: `rtsp`, `rtsps`, or `rtsph` for
    /// an HTTP tunnel at the port of the URL (80 if it has none). A user name and a password may be in
    /// the URL, percent-encoded, or in the configuration. `stream` is the name of the stream, or
    /// [`RelayedStreamOptions`], whose waker is replaced. `handler` is called with each
    /// [`ProxyEvent`].
    ///
    /// # Errors
    /// Those of [`Player::check`] and of [`RtspServer::add_relayed_stream`], and [`Error::Usage`] if
    /// the server has been closed. What happens to the source later is an event.
    pub fn open(
        env: &mut UsageEnvironment,
        server: MediumId<RtspServer>,
        stream: impl Into<RelayedStreamOptions>,
        url: &str,
        mut config: ProxyConfig,
        handler: impl FnMut(&mut UsageEnvironment, ProxyEvent<'_>) + 'static,
    ) -> Result<MediumId<Self>, Error> {
        let (url, tunnel) = source_url(url);
        config.player.output = PlayerOutput::Packets;
        if tunnel.is_some() {
            config.player.client.http_tunnel_port = tunnel;
        }
        config.check()?;
        Player::check(&url, &config.player)?;
        let options = stream.into();
        let session = env.add(Self {
            name: options.presentation.name.clone(),
            url: url.into_owned(),
            config,
            handler: Box::new(handler),
            server,
            stream: None,
            me: None,
            speaker: None,
            source: Source::Closed,
            timer: Timer::new(),
            is_watched: false,
            tracks: Vec::new(),
            transport: None,
            lost_at: None,
        });
        let begun = env.with(session, |this, env| this.begin(env, session, options));
        match begun.map_err(Error::from).and_then(|begun| begun) {
            Ok(()) => Ok(session),
            Err(e) => {
                env.close(session);
                Err(e)
            }
        }
    }

    fn begin(
        &mut self,
        env: &mut UsageEnvironment,
        me: MediumId<Self>,
        options: RelayedStreamOptions,
    ) -> Result<(), Error> {
        let key = EventKey { kind: KEY_DEMAND, id: RawId::default() };
        let trigger = env.create_medium_trigger(me.handle(), key);
        // In a turn of its own, so that the caller has the id before the first event.
        trigger.trigger();
        let mut options = options.with_wake(Arc::new(move || trigger.trigger()));
        if let Some(config) = self.config.back_channel.clone() {
            let source = (&*self.url, &self.config.player);
            let tell = move |env: &mut UsageEnvironment, event: ProxyEvent<'_>| {
                let _ = env.with(me, |proxy, env| proxy.tell(env, event));
            };
            let speaker = Speaker::open(env, self.server, source, config, tell)?;
            self.speaker = Some(speaker);
            if let Some(channel) = env.medium(speaker).and_then(Speaker::channel) {
                options = options.with_back_channel(channel);
            }
        }
        let added = env.with(self.server, |server, env| server.add_relayed_stream(env, options))?;
        (self.me, self.stream) = (Some(me), Some(added?));
        Ok(())
    }

    /// Returns the name of the stream.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the id of the stream in its server.
    pub const fn stream(&self) -> Option<RelayedStreamId> {
        self.stream
    }

    /// Returns the player of the source; `None` while the source is closed. It has the statistics of
    /// the tracks.
    pub const fn player(&self) -> Option<MediumId<Player>> {
        match self.source {
            Source::Open { player, .. } => Some(player),
            _ => None,
        }
    }

    /// Returns whether packets of the source arrive.
    pub const fn is_up(&self) -> bool {
        matches!(self.source, Source::Open { is_up: true, .. })
    }

    /// Returns whether there are viewers, or one who waits for the description.
    pub const fn is_watched(&self) -> bool {
        self.is_watched
    }

    fn tell(&mut self, env: &mut UsageEnvironment, event: ProxyEvent<'_>) {
        log::debug!("{}: {event}", self.name);
        (self.handler)(env, event);
    }

    // Viewers

    /// Whether the source is to be open.
    fn is_wanted(&self) -> bool {
        match self.config.pull {
            Pull::Always => true,
            Pull::OnDemand { close_after: Some(_) } => self.is_watched,
            Pull::OnDemand { close_after: None } => {
                self.is_watched || self.source != Source::Closed
            }
        }
    }

    /// Takes the server's events of the stream.
    fn follow_demand(&mut self, env: &mut UsageEnvironment) {
        let Some(stream) = self.stream else { return };
        loop {
            let event = env.with(self.server, |server, _| server.poll_relayed_event(stream));
            match event {
                Ok(Some(RelayedEvent::Wanted)) => self.note_watched(env, true),
                Ok(Some(RelayedEvent::Unwanted)) => self.note_watched(env, false),
                Ok(Some(RelayedEvent::KeyFrameWanted { track, .. })) => {
                    self.request_key_frame(env, track);
                }
                // The server has ended, and with it all that is for it.
                Err(MediumError::Ended) => return self.close_with_server(env),
                Ok(None) | Err(_) => break,
            }
        }
        let is_wanted = self.is_wanted();
        match (&mut self.source, is_wanted) {
            (Source::Closed, true) => self.open_source(env),
            (Source::Open { close_at, .. }, true) => *close_at = None,
            (Source::Open { close_at, .. }, false) => {
                if let Pull::OnDemand { close_after: Some(stay) } = self.config.pull {
                    *close_at = close_at.or_else(|| env.now().checked_add(stay));
                }
            }
            (Source::Closed | Source::Resting { .. }, _) => {}
        }
        self.arm(env);
    }

    fn note_watched(&mut self, env: &mut UsageEnvironment, is_watched: bool) {
        if self.is_watched != is_watched {
            self.is_watched = is_watched;
            let event = if is_watched { ProxyEvent::Watched } else { ProxyEvent::Unwatched };
            self.tell(env, event);
        }
    }

    fn request_key_frame(&self, env: &mut UsageEnvironment, track: usize) {
        let (Source::Open { player, .. }, Some(&track)) = (self.source, self.tracks.get(track))
        else {
            return;
        };
        // A player that has ended has nobody to ask.
        let _ = env.with(player, |player, env| player.request_key_frame(env, track));
    }

    fn close_with_server(&self, env: &mut UsageEnvironment) {
        if let Some(me) = self.me {
            env.close(me);
        }
    }

    fn handle_deadline(&mut self, env: &mut UsageEnvironment) {
        let (now, is_wanted) = (env.now(), self.is_wanted());
        match self.source {
            Source::Open { close_at: Some(at), .. } if now >= at => {
                self.close_source(env);
                self.lost_at = None;
                self.tell(env, ProxyEvent::Closed);
            }
            Source::Resting { until } if now >= until && is_wanted => self.open_source(env),
            Source::Resting { until } if now >= until => self.source = Source::Closed,
            _ => {}
        }
        self.arm(env);
    }

    fn arm(&mut self, env: &mut UsageEnvironment) {
        let at = match self.source {
            Source::Open { close_at, .. } => close_at,
            Source::Resting { until } => Some(until),
            Source::Closed => None,
        };
        let key = EventKey { kind: KEY_TIMER, id: RawId::default() };
        match (at, self.me) {
            (Some(at), Some(me)) => env.arm_timer(&mut self.timer, me.handle(), key, at),
            _ => env.disarm_timer(&mut self.timer),
        }
    }

    // The source

    fn open_source(&mut self, env: &mut UsageEnvironment) {
        let (Some(me), Some(stream)) = (self.me, self.stream) else { return };
        let mut feed = Feed::new(me, self.server, stream);
        let config = self.config.player.clone();
        let opened = Player::open(env, &self.url, config, move |env, event| {
            feed.handle(env, event);
        });
        match opened {
            Ok(player) => {
                self.source = Source::Open { player, is_up: false, close_at: None };
                self.tell(env, ProxyEvent::Opening);
            }
            Err(e) => {
                self.rest(env, self.config.player.reconnect.longest_delay);
                self.tell(env, ProxyEvent::Unusable(&e));
            }
        }
    }

    fn close_source(&mut self, env: &mut UsageEnvironment) {
        if let Source::Open { player, .. } = self.source {
            env.close(player);
            self.note_lost_source(env);
        }
        self.source = Source::Closed;
    }

    /// The source is to be opened again after a while.
    fn rest(&mut self, env: &mut UsageEnvironment, delay: Duration) {
        self.close_source(env);
        // A delay that the clock cannot count is a long one.
        let until = env.now().checked_add(delay);
        let until = until.unwrap_or_else(|| env.now() + Duration::from_secs(86_400));
        self.source = Source::Resting { until };
        self.arm(env);
    }

    /// Nothing more comes of what was described.
    fn note_lost_source(&mut self, env: &mut UsageEnvironment) {
        self.tracks.clear();
        if let Some(stream) = self.stream {
            let _ = env.with(self.server, |server, env| server.relayed_source_lost(env, stream));
        }
    }

    // What the player tells

    pub(super) fn note_description(&mut self, env: &mut UsageEnvironment, media: &MediaSession) {
        self.tell(env, ProxyEvent::Described(media));
    }

    /// The tracks have been set up.
    pub(super) fn describe(
        &mut self,
        env: &mut UsageEnvironment,
        transport: MediaTransport,
        tracks: &[&MediaSubsession],
    ) {
        self.transport = Some(transport);
        let Some(stream) = self.stream else { return };
        self.tracks = tracks.iter().map(|track| track.number).collect();
        let described = tracks.iter().map(|track| relayed_track(track)).collect();
        let told = env.with(self.server, |server, env| {
            server.relayed_source_described(env, stream, described)
        });
        match told {
            Ok(Ok(change)) => self.tell(env, ProxyEvent::Ready { tracks: tracks.len(), change }),
            Ok(Err(e)) => {
                self.rest(env, self.config.player.reconnect.longest_delay);
                self.tell(env, ProxyEvent::Unusable(&e));
            }
            Err(_) => self.close_with_server(env),
        }
    }

    pub(super) fn note_first_packet(&mut self, env: &mut UsageEnvironment) {
        let Source::Open { is_up, .. } = &mut self.source else { return };
        *is_up = true;
        let after = self.lost_at.take().map(|at| env.now().saturating_duration_since(at));
        let transport = self.transport;
        self.tell(env, ProxyEvent::Up { transport, after });
    }

    pub(super) fn note_loss(&mut self, env: &mut UsageEnvironment, why: &AttemptError) {
        self.note_lost_source(env);
        let Source::Open { is_up, .. } = &mut self.source else { return };
        if std::mem::take(is_up) {
            self.lost_at = Some(env.now());
            self.tell(env, ProxyEvent::Lost(why));
        } else {
            self.tell(env, ProxyEvent::Failed(why));
        }
    }

    pub(super) fn note_delay(
        &mut self,
        env: &mut UsageEnvironment,
        delay: Duration,
        failures: u32,
    ) {
        self.tell(env, ProxyEvent::Retrying { delay, failures });
    }

    pub(super) fn note_end(&mut self, env: &mut UsageEnvironment, why: &PlayerEnd) {
        if self.is_up() {
            self.lost_at = Some(env.now());
        }
        let policy = self.config.player.reconnect;
        let delay = match why {
            PlayerEnd::Failed(_) => policy.longest_delay,
            _ => policy.first_delay,
        };
        self.rest(env, delay);
        self.tell(env, ProxyEvent::Ended(why));
    }
}

impl Medium for ProxyServerMediaSession {
    fn kind(&self) -> &'static str {
        "ProxyServerMediaSession"
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        match event {
            Event::Trigger { key: EventKey { kind: KEY_DEMAND, .. }, .. } => {
                self.follow_demand(env);
            }
            Event::Timer { key: EventKey { kind: KEY_TIMER, .. } } => self.handle_deadline(env),
            _ => {}
        }
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        // Who closes it knows, and is not called in the middle of that.
        self.handler = Box::new(|_, _| {});
        self.close_source(env);
        if let Some(speaker) = self.speaker {
            env.close(speaker);
        }
        if let Some(stream) = self.stream {
            // It may have been closed before.
            let _ = env.with(self.server, |server, env| server.remove_relayed_stream(env, stream));
        }
    }
}
