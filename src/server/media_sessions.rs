//! The application's access to the media sessions.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::MediaSessionId;
use crate::server::rtsp_server::RtspServer;
use crate::session::media_session::ServerMediaSession;

impl RtspServer {
    /// Adds a media session. An existing session of the same name is removed first: its clients
    /// continue to receive it, and newcomers find the new one.
    ///
    /// # Errors
    /// The session has no subsession, or its name cannot be the path of a URL, or
    /// [`ServerMediaSubsession::check`](super::ServerMediaSubsession::check) refuses one of its
    /// subsessions.
    pub fn add_server_media_session(
        &mut self,
        env: &mut UsageEnvironment,
        session: ServerMediaSession,
    ) -> Result<MediaSessionId, Error> {
        self.media_sessions.add(env, &mut self.streams, session)
    }

    /// Returns the media session that clients find under a name.
    pub fn lookup_server_media_session(&self, name: &str) -> Option<MediaSessionId> {
        self.media_sessions.by_name(name)
    }

    /// Returns a media session that clients can find, or that was removed and is still in use.
    pub fn media_session(&self, id: MediaSessionId) -> Option<&ServerMediaSession> {
        self.media_sessions.get(id)
    }

    /// Iterates over the media sessions that clients can find.
    pub fn media_sessions(&self) -> impl Iterator<Item = (MediaSessionId, &ServerMediaSession)> {
        self.media_sessions.findable()
    }

    /// Removes a media session: newcomers no longer find it, existing clients continue to receive
    /// it, and it is dropped with the last of them. Returns false if clients could not find it.
    pub fn remove_server_media_session(
        &mut self,
        env: &mut UsageEnvironment,
        id: MediaSessionId,
    ) -> bool {
        self.media_sessions.remove(env, &mut self.streams, id)
    }

    /// Removes a media session and ends the client sessions that use it; a large number ends over
    /// the next turns of the loop. Returns false if there was no such media session.
    pub fn delete_server_media_session(
        &mut self,
        env: &mut UsageEnvironment,
        id: MediaSessionId,
    ) -> bool {
        let existed = self.media_sessions.contains(id);
        self.remove_server_media_session(env, id);
        self.close_all_client_sessions(env, id);
        existed
    }
}
