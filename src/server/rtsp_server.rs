//! [`RtspServer`]: its tables, and which part handles which event.

use crate::arena::{Id, RawId};
use crate::env::turn_budget::TurnBudget;
use crate::env::{
    Event, EventKey, Interest, Medium, MediumHandle, MediumId, Timer, UsageEnvironment,
};
use crate::error::Error;
use crate::ids::{ClientSessionId, StreamId};
use crate::ids::{
    KEY_ACCEPT, KEY_CATCH_UP, KEY_CONNECTION, KEY_ENDINGS, KEY_INPUT, KEY_LISTENER, KEY_POOL,
    KEY_RTCP_SOCKET, KEY_RTP_SOCKET, KEY_STREAM, KEY_STREAM_RTCP, KEY_WORK,
};
use crate::media::Wake;
use crate::net::TcpListener;
use crate::rtsp::connections::Connections;
use crate::server::client_requests::ClientRequests;
use crate::server::config::ServerConfig;
use crate::server::endings::Endings;
use crate::server::hooks::{NoHooks, ServerHooks};
use crate::server::method::answer::StandingFields;
use crate::server::method::lookup::Lookups;
use crate::server::method::outcome::Until;
use crate::server::waiting::Waiting;
use crate::session::client_media::SessionMedia;
use crate::session::media_sessions::MediaSessions;
use crate::session::pool::{PoolWatch, RemovalReason, SessionPool};
use crate::session::provider::SessionProvider;
use crate::session::release::{EndedSession, SessionTables};
use crate::stream::state::StreamState;
use crate::stream::statistics::StreamEvent;
use crate::stream::streams::Streams;
use crate::warned::{Breach, Warned};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// Bytes that are read from one connection in one turn.
const READ_CHUNK: usize = 16 * 1024;

/// An RTSP server (RFC 2326). It finds media sessions by name, manages client sessions and sends
/// streams.
///
/// It is a [`Medium`]: [`new`](Self::new) puts it in an environment, whose loop then serves by
/// itself; [`UsageEnvironment::with`] lends it to the application.
///
/// # Example
///
/// ```
/// use riverrun::env::UsageEnvironment;
/// use riverrun::server::{FileSessionOptions, FolderProvider, RtspServer, ServerConfig};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut env = UsageEnvironment::new()?;
/// let mut config = ServerConfig::default();
/// config.pool.max_sessions = 100;
/// let server = RtspServer::new(&mut env, config, &["127.0.0.1:0".parse()?])?;
/// let folder = FolderProvider::new("testdata/media".as_ref(), FileSessionOptions::default())?;
/// env.with(server, |server, _| server.set_session_provider(folder))?;
/// env.turn(Some(Duration::ZERO))?; // or do_event_loop
/// let served = env.medium(server).expect("nobody has closed it");
/// assert_eq!((served.local_addrs().len(), served.connection_count()), (1, 0));
/// env.close(server); // clients would be told
/// # Ok(())
/// # }
/// ```
pub struct RtspServer {
    pub(crate) config: ServerConfig,
    pub(crate) me: Option<MediumHandle>,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) accept_paused: bool,
    pub(crate) accept_timer: Timer,
    /// When the log was last warned that descriptors have run out.
    pub(crate) accept_warned_at: Option<Instant>,
    /// Breaches of peers that the log was warned of.
    pub(crate) warned: Warned<(IpAddr, Breach)>,
    pub(crate) connections: Connections,
    pub(crate) media_sessions: MediaSessions,
    pub(crate) streams: Streams,
    pub(crate) pool: SessionPool<SessionMedia>,
    /// When the next client session expires.
    pub(crate) pool_watch: Option<PoolWatch>,
    pub(crate) lookups: Lookups,
    pub(crate) hooks: Box<dyn ServerHooks>,
    pub(crate) waiting: Waiting,
    pub(crate) client_requests: ClientRequests,
    pub(crate) endings: Endings,
    /// PLAYs of this turn that read in files.
    pub(crate) seeks: TurnBudget,
    pub(crate) read_buffer: Vec<u8>,
    /// The answer that is being written.
    pub(crate) answer: Vec<u8>,
    pub(crate) standing_fields: StandingFields,
}

impl fmt::Debug for RtspServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtspServer")
            .field("connections", &self.connections.len())
            .field("client_sessions", &self.pool.len())
            .field("media_sessions", &self.media_sessions.len())
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}

impl RtspServer {
    /// Listens on `addresses` (port 0: any) and adds the server to the environment.
    ///
    /// # Errors
    /// [`Error::Usage`]: a server with this configuration could not serve; the message names the
    /// setting. [`Error::Io`]: an address cannot be listened on.
    pub fn new(
        env: &mut UsageEnvironment,
        config: ServerConfig,
        addresses: &[SocketAddr],
    ) -> Result<MediumId<Self>, Error> {
        config.check()?;
        let mut listeners = Vec::with_capacity(addresses.len());
        for &address in addresses {
            listeners.push(TcpListener::bind(env, address)?);
        }
        Ok(env.add(Self {
            pool: SessionPool::new(config.pool.clone()),
            answer: Vec::new(),
            standing_fields: StandingFields::new(&config.server_name),
            lookups: Lookups::new(config.probe_budget),
            streams: Streams::new(config.streams()),
            config,
            me: None,
            listeners,
            accept_paused: false,
            accept_timer: Timer::default(),
            accept_warned_at: None,
            warned: Warned::new(),
            connections: Connections::default(),
            media_sessions: MediaSessions::default(),
            pool_watch: None,
            hooks: Box::new(NoHooks),
            waiting: Waiting::default(),
            client_requests: ClientRequests::default(),
            endings: Endings::default(),
            seeks: TurnBudget::default(),
            read_buffer: vec![0; READ_CHUNK],
        }))
    }

    /// Sets the provider, which makes media sessions for names that no media session has.
    pub fn set_session_provider(&mut self, provider: impl SessionProvider + 'static) {
        let trigger = self.waiting.trigger.clone();
        let wake = trigger.map(|trigger| Arc::new(move || trigger.trigger()) as Wake);
        self.lookups.set_provider(Box::new(provider), wake);
    }

    /// Sets the application's hooks.
    pub fn set_hooks(&mut self, hooks: impl ServerHooks + 'static) {
        self.hooks = Box::new(hooks);
    }

    /// The addresses that the server listens on.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|l| l.local_addr().ok()).collect()
    }

    /// Number of connections that are open.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Number of streams.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// The stream of an id, if it still exists.
    pub fn stream(&self, id: StreamId) -> Option<&StreamState> {
        self.streams.get(id)
    }

    // Streams

    /// Keeps the sessions alive that streams have heard from, and ends the connections that cannot
    /// be written to. Tells the application of key frames that are wanted.
    pub(crate) fn follow_up(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        while let Some(session) = self.streams.poll_heard() {
            self.pool.touch(session, now);
        }
        while let Some(connection) = self.connections.poll_broken() {
            self.end_connection(env, connection, "cannot be written to");
        }
        while let Some(StreamEvent::KeyFrameWanted { stream }) = self.streams.poll_event() {
            self.hooks.key_frame_wanted(stream);
        }
    }

    // Client sessions

    /// Ends the sessions whose time has come, a bounded number in a turn.
    fn expire_sessions(&mut self, env: &mut UsageEnvironment) {
        let Some(watch) = &mut self.pool_watch else { return };
        if watch.handle_timer(env, &mut self.pool) > 0 {
            self.release_removed_sessions(env);
        }
    }

    /// Follows a change of the pool: the next session may expire at another time.
    pub(crate) fn update_pool_watch(&mut self, env: &mut UsageEnvironment) {
        if let Some(watch) = &mut self.pool_watch {
            watch.update(env, &self.pool);
        }
    }

    /// The client sessions, and the tables of what they hold.
    pub(crate) const fn session_tables(&mut self) -> SessionTables<'_> {
        SessionTables {
            pool: &mut self.pool,
            media_sessions: &mut self.media_sessions,
            streams: &mut self.streams,
            connections: &mut self.connections,
        }
    }

    /// Ends a client session, for whatever reason, and releases all that it holds. Returns whether
    /// there was one.
    pub(crate) fn end_session(
        &mut self,
        env: &mut UsageEnvironment,
        session: ClientSessionId,
        reason: RemovalReason,
    ) -> bool {
        let ended = self.session_tables().end_session(env, session, reason);
        self.follow_up(env);
        self.update_pool_watch(env);
        let existed = ended.is_some();
        ended.into_iter().for_each(|ended| self.tell_of_end(&ended));
        existed
    }

    /// Releases what the pool took out by itself.
    pub(crate) fn release_removed_sessions(&mut self, env: &mut UsageEnvironment) {
        let ended = self.session_tables().release_removed_sessions(env);
        self.follow_up(env);
        self.update_pool_watch(env);
        ended.iter().for_each(|ended| self.tell_of_end(ended));
    }

    fn tell_of_end(&mut self, EndedSession { info, reason }: &EndedSession) {
        self.hooks.session_removed(info, *reason);
    }
}

pub(crate) fn plain_key(kind: u32) -> EventKey {
    EventKey { kind, id: RawId::default() }
}

impl Medium for RtspServer {
    fn kind(&self) -> &'static str {
        "RtspServer"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        self.me = Some(me);
        self.streams.set_owner(me);
        self.waiting.trigger = Some(env.create_medium_trigger(me, plain_key(KEY_WORK)));
        self.pool_watch = Some(self.pool.create_watch(env, me, plain_key(KEY_POOL)));
        self.watch_listeners(env, Interest::READABLE);
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        let connections = &mut self.connections;
        match event {
            Event::Readiness { key, readiness } => match key.kind {
                KEY_CONNECTION => self.handle_connection(env, Id::from_raw(key.id), readiness),
                KEY_LISTENER => self.accept(env, key.id.index as usize),
                KEY_RTP_SOCKET => self.streams.receive(env, Id::from_raw(key.id), false),
                KEY_RTCP_SOCKET => self.streams.receive(env, Id::from_raw(key.id), true),
                _ => {}
            },
            Event::Timer { key } => match key.kind {
                KEY_STREAM => self.streams.run(env, connections, Id::from_raw(key.id)),
                KEY_STREAM_RTCP => self.run_stream_rtcp(env, Id::from_raw(key.id)),
                KEY_CATCH_UP => self.streams.run_catch_up(env, connections, Id::from_raw(key.id)),
                KEY_CONNECTION => self.handle_connection_timer(env, Id::from_raw(key.id)),
                KEY_POOL => self.expire_sessions(env),
                KEY_WORK => self.resume_requests(env),
                KEY_INPUT => self.streams.run_input(env, connections, Id::from_raw(key.id)),
                KEY_ACCEPT => self.resume_accepting(env),
                // What is over is worked off at the end of every event.
                KEY_ENDINGS => {}
                _ => {}
            },
            Event::Trigger { key, .. } if key.kind == KEY_INPUT => {
                self.handle_input(env, Id::from_raw(key.id));
            }
            Event::Trigger { key, .. } if key.kind == KEY_WORK => {
                self.wake_requests(env, Until::ProviderWakes);
            }
            Event::Trigger { .. } => {}
        }
        self.follow_up(env);
        self.work_off_endings(env);
        self.update_pool_watch(env);
        // Streams and their timers refer to nothing that is counted.
        #[cfg(debug_assertions)]
        if matches!(event, Event::Readiness { key, .. } | Event::Timer { key }
            if matches!(key.kind, KEY_CONNECTION | KEY_POOL | KEY_WORK | KEY_ENDINGS))
        {
            self.media_sessions.check_references(&self.pool);
        }
    }

    /// Says goodbye to all clients and closes everything.
    fn on_close(&mut self, env: &mut UsageEnvironment) {
        self.end_all(env);
        for listener in self.listeners.drain(..) {
            listener.close(env);
        }
        let work_timer = &mut self.waiting.timer;
        for timer in [work_timer, &mut self.accept_timer] {
            env.disarm_timer(timer);
        }
        if let Some(watch) = self.pool_watch.take() {
            watch.close(env);
        }
    }
}
