//! The media sessions of a server, as the application adds, finds and removes them.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::MediaSessionId;
use crate::server::rtsp_server::RtspServer;
use crate::session::media_session::ServerMediaSession;

impl RtspServer {
    /// Adds a media session. One of the same name is removed first: its clients stream on, and
    /// newcomers find the new one.
    ///
    /// # Errors
    /// The session has no subsession or a name that no URL can have, or
    /// [`ServerMediaSubsession::check`](super::ServerMediaSubsession::check) refuses one of its
    /// subsessions.
    pub fn add_server_media_session(
        &mut self,
        env: &mut UsageEnvironment,
        session: ServerMediaSession,
    ) -> Result<MediaSessionId, Error> {
        self.media_sessions.add(env, &mut self.streams, session)
    }

    /// The media session that clients find under a name.
    pub fn lookup_server_media_session(&self, name: &str) -> Option<MediaSessionId> {
        self.media_sessions.by_name(name)
    }

    /// A media session that clients can find, or that was removed and is still in use.
    pub fn media_session(&self, id: MediaSessionId) -> Option<&ServerMediaSession> {
        self.media_sessions.get(id)
    }

    /// The media sessions that clients can find.
    pub fn media_sessions(&self) -> impl Iterator<Item = (MediaSessionId, &ServerMediaSession)> {
        self.media_sessions.findable()
    }

    /// Removes a media session: newcomers do not find it any more, present clients stream on, and it
    /// goes with the last of them. Returns whether clients could find it before.
    pub fn remove_server_media_session(
        &mut self,
        env: &mut UsageEnvironment,
        id: MediaSessionId,
    ) -> bool {
        self.media_sessions.remove(env, &mut self.streams, id)
    }

    /// Removes a media session and ends its clients' sessions; a great number of sessions ends over
    /// the next turns of the loop. Returns whether there was such a media session.
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
