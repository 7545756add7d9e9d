//! [`RtspServer`]: the tables of the server, and the end of its client sessions.

use crate::arena::RawId;
use crate::env::turn_budget::TurnBudget;
use crate::env::{EventKey, MediumHandle, MediumId, Timer, UsageEnvironment};
use crate::error::Error;
use crate::ids::{ClientSessionId, StreamId};
use crate::media::Wake;
use crate::rtsp::budget::BufferBudget;
use crate::rtsp::connections::Connections;
use crate::server::access::Authenticator;
use crate::server::client_requests::ClientRequests;
use crate::server::config::ServerConfig;
use crate::server::endings::Endings;
use crate::server::hooks::{NoHooks, ServerHooks};
use crate::server::listener::Listener;
use crate::server::method::answer::StandingFields;
use crate::server::method::lookup::Lookups;
use crate::server::publish::Publications;
use crate::server::relayed_table::RelayedStreams;
use crate::server::statistics::ServerStatistics;
use crate::server::talk::BackChannels;
use crate::server::tunnels::Tunnels;
use crate::server::waiting::Waiting;
use crate::session::client_media::SessionMedia;
use crate::session::media_sessions::MediaSessions;
use crate::session::pool::{Limit, PoolWatch, RemovalReason, SessionPool};
use crate::session::provider::SessionProvider;
use crate::session::release::{EndedSession, SessionTables};
#[cfg(feature = "srtp")]
use crate::session::srtp::StreamKeys;
use crate::stream::state::StreamState;
use crate::stream::streams::Streams;
use crate::warned::{Breach, Warned};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// Bytes read from one connection at a time.
const READ_CHUNK: usize = 16 * 1024;

/// An RTSP server (RFC 2326). It finds media sessions by name, manages client sessions and sends
/// streams.
///
/// It is a [`Medium`](crate::env::Medium): [`new`](Self::new) adds it to an environment, whose loop drives it, and
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
    pub(crate) listeners: Vec<Listener>,
    pub(crate) accept_paused: bool,
    pub(crate) accept_timer: Timer,
    /// When the last warning about descriptors was logged.
    pub(crate) accept_warned_at: Option<Instant>,
    /// Peers whose violations have been logged.
    pub(crate) warned: Warned<(IpAddr, Breach)>,
    pub(crate) connections: Connections,
    pub(crate) tunnels: Tunnels,
    /// What connections may hold together.
    pub(crate) buffers: BufferBudget,
    /// Counters of what has been accepted and refused where no table counts it.
    pub(crate) counters: ServerStatistics,
    pub(crate) media_sessions: MediaSessions,
    pub(crate) streams: Streams,
    /// The streams that outlive their sources.
    pub(crate) relayed: RelayedStreams,
    pub(crate) pool: SessionPool<SessionMedia>,
    /// Timer for the next expiry of a client session.
    pub(crate) pool_watch: Option<PoolWatch>,
    pub(crate) publications: Publications,
    pub(crate) back_channels: BackChannels,
    pub(crate) lookups: Lookups,
    pub(crate) hooks: Box<dyn ServerHooks>,
    pub(crate) authenticator: Option<Box<dyn Authenticator>>,
    pub(crate) waiting: Waiting,
    pub(crate) client_requests: ClientRequests,
    pub(crate) endings: Endings,
    /// Budget of this turn for PLAYs that read from files.
    pub(crate) seeks: TurnBudget,
    #[cfg(feature = "srtp")]
    pub(crate) stream_keys: StreamKeys,
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
        #[cfg(feature = "srtp")]
        let stream_keys = {
            let mut secret = [0; 32];
            env.fill_random(&mut secret);
            StreamKeys::new(secret)
        };
        let mut listeners = Vec::with_capacity(addresses.len());
        for &address in addresses {
            listeners.push(Listener::bind(env, address)?);
        }
        let buffers = match config.max_buffered {
            0 => BufferBudget::unlimited(),
            max => BufferBudget::new(max),
        };
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
            tunnels: Tunnels::default(),
            buffers,
            counters: ServerStatistics::default(),
            media_sessions: MediaSessions::default(),
            relayed: RelayedStreams::default(),
            pool_watch: None,
            publications: Publications::default(),
            back_channels: BackChannels::default(),
            hooks: Box::new(NoHooks),
            authenticator: None,
            waiting: Waiting::default(),
            client_requests: ClientRequests::default(),
            endings: Endings::default(),
            seeks: TurnBudget::default(),
            #[cfg(feature = "srtp")]
            stream_keys,
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

    /// Sets the authenticator, which is asked on whose behalf each request is made and what each user
    /// may do. Sessions that exist go on: they belong to the users who made them.
    /// [`end_unpermitted_sessions`](Self::end_unpermitted_sessions) ends those that it does not
    /// permit.
    pub fn set_authenticator(&mut self, authenticator: impl Authenticator) {
        self.authenticator = Some(Box::new(authenticator));
    }

    /// Returns the authenticator, if there is one of this type: for example to hand a
    /// [`UserAccess`](super::access::UserAccess) other users.
    pub fn authenticator_mut<A: Authenticator>(&mut self) -> Option<&mut A> {
        let authenticator = self.authenticator.as_deref_mut()?;
        authenticator.as_any_mut().downcast_mut()
    }

    /// Returns the addresses on which the server listens for RTSP over TCP.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        let plain = self.listeners.iter().filter(|listener| !listener.is_tls());
        plain.filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Returns counters of what the server has accepted and refused.
    pub fn statistics(&self) -> ServerStatistics {
        ServerStatistics {
            sessions_refused: self.pool.refused(Limit::Sessions),
            sessions_of_peer_refused: self.pool.refused(Limit::SessionsOfPeer),
            sessions_of_stream_refused: self.pool.refused(Limit::SessionsOfStream),
            streams_refused: self.streams.refused(),
            buffered: self.buffers.used(),
            buffers_refused: self.buffers.refused(),
            access: self.authenticator.as_ref().map(|a| a.statistics()).unwrap_or_default(),
            ..self.counters
        }
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
        let existed = ended.is_some();
        self.follow_ends(env, ended);
        existed
    }

    /// Releases sessions that the pool has removed by itself.
    pub(crate) fn release_removed_sessions(&mut self, env: &mut UsageEnvironment) {
        let ended = self.session_tables().release_removed_sessions(env);
        self.follow_ends(env, ended);
    }

    /// Releases what ended sessions published and talked to, and notifies the application.
    fn follow_ends(
        &mut self,
        env: &mut UsageEnvironment,
        ended: impl IntoIterator<Item = EndedSession>,
    ) {
        let mut told = Vec::new();
        for ended in ended {
            let tables = (&mut self.streams, &mut self.connections);
            self.back_channels.release_session(env, tables, ended.info.session);
            let tables = (&mut self.streams, &mut self.connections);
            let published = self.publications.release(env, tables, ended.info.session);
            told.push((ended, published));
        }
        self.follow_up(env);
        self.update_pool_watch(env);
        for (EndedSession { info, reason }, published) in told {
            if published {
                self.hooks.publisher_lost(&info, reason);
            }
            self.hooks.session_removed(&info, reason);
        }
    }
}

pub(crate) fn plain_key(kind: u32) -> EventKey {
    EventKey { kind, id: RawId::default() }
}
