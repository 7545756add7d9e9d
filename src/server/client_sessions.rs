//! The application's access to the client sessions.

use crate::arena::Id;
use crate::env::UsageEnvironment;
use crate::ids::ClientSessionId;
use crate::server::access::{Action, Permission};
use crate::server::rtsp_server::RtspServer;
use crate::session::client_media::SessionMedia;
use crate::session::pool::{
    CreateSessionId, ExpireGuard, FilterResult, PoolConfig, RemovalReason, Session, SessionPool,
};
use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// Mutable access to a client session of an [`RtspServer`].
///
/// It dereferences to the [`Session`] for reading. It can change the application's data, the user,
/// and the expiry. It cannot change what the client has set up and plays;
/// [`RtspServer::end_client_session`] ends the session.
pub struct ClientSessionMut<'a> {
    server: &'a mut RtspServer,
    env: &'a mut UsageEnvironment,
    id: ClientSessionId,
}

impl<'a> ClientSessionMut<'a> {
    fn new(
        server: &'a mut RtspServer,
        env: &'a mut UsageEnvironment,
        id: ClientSessionId,
    ) -> Option<Self> {
        server.pool.session(id)?;
        Some(Self { server, env, id })
    }

    /// Replaces the application's own data and returns the previous data; `None` removes it. The
    /// data is dropped with the session.
    pub fn set_user_data(&mut self, data: Option<Box<dyn Any>>) -> Option<Box<dyn Any>> {
        self.server.pool.session_mut(self.id)?.set_user_data(data)
    }

    /// Returns the application's own data, if it is of type `T`.
    pub fn user_data_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.server.pool.session_mut(self.id)?.user_data_mut()
    }

    /// Changes the user to whom the session belongs
    /// ([`Entitlement::User`](super::pool::Entitlement::User)).
    pub fn set_user(&mut self, user: Option<String>) {
        if let Some(session) = self.server.pool.session_mut(self.id) {
            session.set_user(user);
        }
    }

    /// Extends the session, as a request of its client does. Returns false if the session has
    /// expired.
    pub fn touch(&mut self) -> bool {
        self.server.pool.touch(self.id, self.env.now())
    }

    /// Changes the time-out, which counts from the last sign of life of the client; zero: the
    /// session never expires. The next answer with a `Session` header tells the client. Returns
    /// false if the session has expired.
    pub fn set_timeout(&mut self, timeout: Duration) -> bool {
        let is_alive = self.server.pool.set_timeout(self.id, timeout);
        self.server.update_pool_watch(self.env);
        is_alive
    }

    /// Changes the grace period, for which the session outlives its time-out. Clients do not learn
    /// it. Returns false if the session has expired.
    pub fn set_grace(&mut self, grace: Duration) -> bool {
        let is_alive = self.server.pool.set_grace(self.id, grace);
        self.server.update_pool_watch(self.env);
        is_alive
    }

    /// Keeps the session from expiring until all its guards are dropped, on any thread, or returned
    /// with [`RtspServer::allow_expire`]. `None` if the session has expired.
    pub fn prevent_expire(&mut self) -> Option<ExpireGuard> {
        self.server.pool.prevent_expire(self.id, self.env.now())
    }
}

impl Deref for ClientSessionMut<'_> {
    type Target = Session<SessionMedia>;

    fn deref(&self) -> &Self::Target {
        self.server.pool.session(self.id).expect("it was there, and nothing here removes it")
    }
}

impl fmt::Debug for ClientSessionMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl RtspServer {
    /// Returns the client sessions, read-only: for counting, iterating, and look-ups by the id that
    /// the client knows.
    pub const fn pool(&self) -> &SessionPool<SessionMedia> {
        &self.pool
    }

    /// Returns the limits, time-outs and entitlement of client sessions for changes. A change
    /// applies to new sessions and requests: existing sessions keep their time-outs, and a limit
    /// below their number removes none.
    pub const fn pool_config_mut(&mut self) -> &mut PoolConfig {
        self.pool.config_mut()
    }

    /// Changes the limit on client sessions; 0: no limit.
    pub const fn set_max_sessions(&mut self, limit: usize) {
        self.pool.set_max_sessions(limit);
    }

    /// Replaces the generator of session ids; see [`SessionPool::set_create_session_id`].
    pub fn set_create_session_id(&mut self, create: Option<CreateSessionId>) {
        self.pool.set_create_session_id(create);
    }

    /// Returns a client session; `None` if it has ended.
    pub fn client_session(&self, id: ClientSessionId) -> Option<&Session<SessionMedia>> {
        self.pool.session(id)
    }

    /// Returns a client session for changes; `None` if it has ended.
    ///
    /// # Example
    ///
    /// Lets a session stay for an hour without a sign of life, and records why:
    ///
    /// ```
    /// use riverrun::env::UsageEnvironment;
    /// use riverrun::server::{ClientSessionId, RtspServer};
    /// use std::time::Duration;
    ///
    /// fn be_patient(server: &mut RtspServer, env: &mut UsageEnvironment, id: ClientSessionId) {
    ///     if let Some(mut session) = server.client_session_mut(env, id) {
    ///         session.set_timeout(Duration::from_secs(3600));
    ///         session.set_user_data(Some(Box::new("a recorder that sends no reports")));
    ///     }
    /// }
    /// ```
    pub fn client_session_mut<'a>(
        &'a mut self,
        env: &'a mut UsageEnvironment,
        id: ClientSessionId,
    ) -> Option<ClientSessionMut<'a>> {
        ClientSessionMut::new(self, env, id)
    }

    /// Returns a guard that kept a client session from expiring. If it was the session's last
    /// guard, the full time-out of the session starts now.
    pub fn allow_expire(&mut self, env: &mut UsageEnvironment, guard: ExpireGuard) {
        self.pool.allow_expire(guard, env.now());
        self.update_pool_watch(env);
    }

    /// Ends a client session and stops its media with a BYE. Its connection stays open. Returns
    /// false if the session has ended already.
    pub fn end_client_session(&mut self, env: &mut UsageEnvironment, id: ClientSessionId) -> bool {
        self.end_session(env, id, RemovalReason::Removed)
    }

    /// Ends the client sessions that the [`Authenticator`](super::access::Authenticator) no longer
    /// permits, and returns their number: those of users who have left the table of a
    /// [`UserAccess`](super::access::UserAccess) or have lost their right to play, publish or talk
    /// as they do. To be called after [`UserAccess::set_users`](super::access::UserAccess::set_users), where running
    /// streams are not to go on. A large number of sessions ends over the next turns of the loop.
    /// What is watched within the process, to be pushed elsewhere, goes on: no authenticator was asked.
    pub fn end_unpermitted_sessions(&mut self, env: &mut UsageEnvironment) -> usize {
        let Some(authenticator) = &self.authenticator else { return 0 };
        let mut ended = 0;
        for (id, session) in self.pool.iter() {
            let (user, peer) = (session.user(), session.peer());
            let may = |action, stream: &str| {
                authenticator.still_permits(&Permission { user, action, stream, peer })
            };
            let publication = self.publications.of_session(id);
            let published = publication.and_then(|id| self.publications.get(id));
            let is_permitted = session.media().all(|(stream, media)| {
                (media.tracks().next().is_none() || may(Action::Play, stream))
                    && (media.talk.is_none() || may(Action::Talk, stream))
            }) && published
                .is_none_or(|published| may(Action::Publish, &published.name));
            let connection = session.connection().map(Id::from_raw);
            let connection = connection.and_then(|id| self.connections.get(id));
            let is_outlet = connection.is_some_and(|connection| connection.is_inside());
            if !is_permitted && !is_outlet {
                self.endings.add_session(id, RemovalReason::NotPermitted);
                ended += 1;
            }
        }
        self.work_off_endings(env);
        ended
    }

    /// Calls `decide` with each client session, ends those for which it returns
    /// [`FilterResult::Remove`], and returns those for which it returns
    /// [`FilterResult::Reference`]. A large number of sessions ends over the next turns of the loop.
    ///
    /// # Example
    ///
    /// Ends all sessions of one host:
    ///
    /// ```
    /// use riverrun::env::UsageEnvironment;
    /// use riverrun::server::RtspServer;
    /// use riverrun::server::pool::FilterResult;
    /// use std::net::IpAddr;
    ///
    /// fn end_all_of(server: &mut RtspServer, env: &mut UsageEnvironment, host: IpAddr) {
    ///     server.filter_client_sessions(env, |session| {
    ///         let is_of_host = session.peer().ip().to_canonical() == host;
    ///         if is_of_host { FilterResult::Remove } else { FilterResult::Keep }
    ///     });
    /// }
    /// ```
    pub fn filter_client_sessions(
        &mut self,
        env: &mut UsageEnvironment,
        mut decide: impl FnMut(&mut ClientSessionMut<'_>) -> FilterResult,
    ) -> Vec<ClientSessionId> {
        let mut referenced = Vec::new();
        for id in self.pool.keys() {
            let Some(mut session) = ClientSessionMut::new(self, env, id) else { continue };
            match decide(&mut session) {
                FilterResult::Keep => {}
                FilterResult::Reference => referenced.push(id),
                FilterResult::Remove => self.endings.add_session(id, RemovalReason::Removed),
            }
        }
        self.work_off_endings(env);
        referenced
    }
}
