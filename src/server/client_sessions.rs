//! The client sessions, as the application sees and steers them.

use crate::env::UsageEnvironment;
use crate::ids::ClientSessionId;
use crate::server::rtsp_server::RtspServer;
use crate::session::client_media::SessionMedia;
use crate::session::pool::{
    CreateSessionId, ExpireGuard, FilterResult, PoolConfig, RemovalReason, Session, SessionPool,
};
use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// A client session of an [`RtspServer`], lent to the application for a change.
///
/// It dereferences to the [`Session`] for everything that can be asked. It changes what an
/// application may change: data, user, signs of life, time-outs. What the session plays is the
/// client's business; [`RtspServer::end_client_session`] ends it.
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

    /// Sets the application's own data, or with `None` takes it away; returns the data that the
    /// session had. The data is dropped with the session.
    pub fn set_user_data(&mut self, data: Option<Box<dyn Any>>) -> Option<Box<dyn Any>> {
        self.server.pool.session_mut(self.id)?.set_user_data(data)
    }

    /// The application's own data, if it is a `T`.
    pub fn user_data_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.server.pool.session_mut(self.id)?.user_data_mut()
    }

    /// Changes the user whom the session belongs to
    /// ([`Entitlement::User`](super::pool::Entitlement::User)).
    pub fn set_user(&mut self, user: Option<String>) {
        if let Some(session) = self.server.pool.session_mut(self.id) {
            session.set_user(user);
        }
    }

    /// Extends the session as a sign of life of its client does. Returns false if it has expired.
    pub fn touch(&mut self) -> bool {
        self.server.pool.touch(self.id, self.env.now())
    }

    /// Changes the time-out, counted from the client's last sign of life; zero for never. The
    /// client is told with the next answer that names the session. Returns false if the session
    /// has expired.
    pub fn set_timeout(&mut self, timeout: Duration) -> bool {
        let is_alive = self.server.pool.set_timeout(self.id, timeout);
        self.server.update_pool_watch(self.env);
        is_alive
    }

    /// Changes the time that the session lives on after its time-out. The client is not told.
    /// Returns false if the session has expired.
    pub fn set_grace(&mut self, grace: Duration) -> bool {
        let is_alive = self.server.pool.set_grace(self.id, grace);
        self.server.update_pool_watch(self.env);
        is_alive
    }

    /// Keeps the session from expiring until all its guards are dropped, on whatever thread, or
    /// given back with [`RtspServer::allow_expire`]. `None` if the session has expired.
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
    /// The client sessions, to be looked at: their number, all of them, one by the id that its
    /// client knows.
    pub const fn pool(&self) -> &SessionPool<SessionMedia> {
        &self.pool
    }

    /// The limits, time-outs and entitlement of client sessions, for a change: new sessions and
    /// requests follow it, present sessions keep their time-outs, and a limit below their number
    /// removes none of them.
    pub const fn pool_config_mut(&mut self) -> &mut PoolConfig {
        self.pool.config_mut()
    }

    /// Changes the limit on client sessions at once; 0 for no limit.
    pub const fn set_max_sessions(&mut self, limit: usize) {
        self.pool.set_max_sessions(limit);
    }

    /// Replaces the generator of session ids; see [`SessionPool::set_create_session_id`].
    pub fn set_create_session_id(&mut self, create: Option<CreateSessionId>) {
        self.pool.set_create_session_id(create);
    }

    /// A client session. `None` if it has ended.
    pub fn client_session(&self, id: ClientSessionId) -> Option<&Session<SessionMedia>> {
        self.pool.session(id)
    }

    /// A client session, for a change. `None` if it has ended.
    ///
    /// # Example
    ///
    /// A session that may stay for an hour without a sign of life, with a note of why:
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

    /// Gives back a guard that kept a client session from expiring. If it was the session's last,
    /// the session's full time-out starts now.
    pub fn allow_expire(&mut self, env: &mut UsageEnvironment, guard: ExpireGuard) {
        self.pool.allow_expire(guard, env.now());
        self.update_pool_watch(env);
    }

    /// Ends a client session and stops what it plays, with a BYE. Its connection stays open.
    /// Returns false if the session has ended before.
    pub fn end_client_session(&mut self, env: &mut UsageEnvironment, id: ClientSessionId) -> bool {
        self.end_session(env, id, RemovalReason::Removed)
    }

    /// Calls `decide` with each client session, ends those that it removes, and returns those
    /// that it references. A great number of sessions ends over the next turns of the loop.
    ///
    /// # Example
    ///
    /// End all sessions of one host:
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
