//! [`RtspServer`]: the tables of the server, and the dispatch of events.

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

/// Bytes read from one connection in one turn.
const READ_CHUNK: usize = 16 * 1024;

/// An RTSP server (RFC 2326). It finds media sessions by name, manages client sessions and sends
/// streams.
///
/// It is a [`Medium`]: [`new`](Self::new) adds it to an environment, whose loop drives it, and
/// [`UsageEnvironment::with`] gives the application access to it.
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
    /// When the last warning about descriptors was logged.
    pub(crate) accept_warned_at: Option<Instant>,
    /// Peers whose violations have been logged.
    pub(crate) warned: Warned<(IpAddr, Breach)>,
    pub(crate) connections: Connections,
    pub(crate) media_sessions: MediaSessions,
    pub(crate) streams: Streams,
    pub(crate) pool: SessionPool<SessionMedia>,
    /// Timer for the next expiry of a client session.
    pub(crate) pool_watch: Option<PoolWatch>,
    pub(crate) lookups: Lookups,
    pub(crate) hooks: Box<dyn ServerHooks>,
    pub(crate) waiting: Waiting,
    pub(crate) client_requests: ClientRequests,
    pub(crate) endings: Endings,
    /// Budget of this turn for PLAYs that read from files.
    pub(crate) seeks: TurnBudget,
    pub(crate) read_buffer: Vec<u8>,
    /// Buffer of the answer being written.
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
    /// Listens on `addresses` (port 0: any free port) and adds the server to the environment.
    ///
    /// # Errors
    /// [`Error::Usage`]: a server could not work with this configuration; the message names the
    /// field. [`Error::Io`]: the server cannot listen on an address.
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

    /// Sets the provider that makes media sessions for names that are not in the table.
    pub fn set_session_provider(&mut self, provider: impl SessionProvider + 'static) {
        let trigger = self.waiting.trigger.clone();
        let wake = trigger.map(|trigger| Arc::new(move || trigger.trigger()) as Wake);
        self.lookups.set_provider(Box::new(provider), wake);
    }

    /// Sets the application's hooks.
    pub fn set_hooks(&mut self, hooks: impl ServerHooks + 'static) {
        self.hooks = Box::new(hooks);
    }

    /// Returns the addresses that the server listens on.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|l| l.local_addr().ok()).collect()
    }

    /// Returns the number of open connections.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Returns the number of streams.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Returns a stream by id; `None` if it has ended.
    pub fn stream(&self, id: StreamId) -> Option<&StreamState> {
        self.streams.get(id)
    }

    // Streams

    /// Carries out what streams have reported: extends sessions whose clients have been heard, ends
    /// connections that cannot be written to, and notifies the application of wanted key frames.
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

    /// Ends expired sessions, a bounded number in a turn.
    fn expire_sessions(&mut self, env: &mut UsageEnvironment) {
        let Some(watch) = &mut self.pool_watch else { return };
        if watch.handle_timer(env, &mut self.pool) > 0 {
            self.release_removed_sessions(env);
        }
    }

    /// Adjusts the timer to the pool's next expiry after a change of the pool.
    pub(crate) fn update_pool_watch(&mut self, env: &mut UsageEnvironment) {
        if let Some(watch) = &mut self.pool_watch {
            watch.update(env, &self.pool);
        }
    }

    /// Borrows the client sessions together with the tables of the objects that they hold.
    pub(crate) const fn session_tables(&mut self) -> SessionTables<'_> {
        SessionTables {
            pool: &mut self.pool,
            media_sessions: &mut self.media_sessions,
            streams: &mut self.streams,
            connections: &mut self.connections,
        }
    }

    /// Ends a client session and releases all that it holds. Returns false if there was none.
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

    /// Releases sessions that the pool has removed by itself.
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

    /// Sends a BYE to all clients and closes everything.
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
