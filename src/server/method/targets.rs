//! What a URL names: a media session in the table or made on demand, and a track of it.

use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, MediaSessionId};
use crate::server::method::address::{Address, Reading};
use crate::server::method::outcome::{Awaited, NotServed, Until};
use crate::server::rtsp_server::RtspServer;
use crate::session::client_media::SessionMedia;
use crate::session::provider::SessionPoll;
use crate::wire::rtsp::StatusCode;
use std::borrow::Cow;
use std::time::Instant;

/// A media session, and the track of it if the URL has the control of one.
#[derive(Debug)]
pub(crate) struct FoundTrack<'a> {
    pub(crate) media_session: MediaSessionId,
    pub(crate) name: Cow<'a, str>,
    pub(crate) track: Option<usize>,
    /// The control stands behind the query.
    pub(crate) control_in_query: bool,
}

/// What there is of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lookup {
    Found(MediaSessionId),
    NotFound,
    Unusable,
    Pending(Until),
}

impl RtspServer {
    /// The media session that a URL names as a whole.
    pub(crate) fn find_presentation(
        &mut self,
        env: &mut UsageEnvironment,
        url: &str,
    ) -> Result<MediaSessionId, NotServed> {
        let address = Address::parse(url)?;
        match self.look_up(env, &address.path) {
            Lookup::Found(media_session) => Ok(media_session),
            Lookup::Pending(until) => {
                let name = address.path.into_owned();
                Err(NotServed::MustWait(Awaited::Session { name, until }))
            }
            Lookup::Unusable => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into()),
            Lookup::NotFound => Err(StatusCode::NOT_FOUND.into()),
        }
    }

    /// The track that a URL names, or the media session. For a client with a session a name means
    /// what it meant when the session began, whatever stands behind it now.
    pub(crate) fn find_track<'a>(
        &mut self,
        env: &mut UsageEnvironment,
        url: &'a str,
        session: Option<ClientSessionId>,
    ) -> Result<FoundTrack<'a>, NotServed> {
        let address = Address::parse(url)?;
        let mut refused = StatusCode::NOT_FOUND;
        let mut has_no_such_track = false;
        let mut found = None;
        for Reading { name_len, control, in_query } in address.readings() {
            let name = address.path.get(..name_len).unwrap_or_default();
            // What has no track of that number is not meant as a whole instead.
            if has_no_such_track && control.is_none() {
                continue;
            }
            let of_session = session
                .and_then(|session| self.pool.session(session)?.media_at(name))
                .map(SessionMedia::media_session);
            let media_session = match of_session {
                Some(media_session) => Lookup::Found(media_session),
                None => self.look_up(env, name),
            };
            let media_session = match media_session {
                Lookup::Found(media_session) => media_session,
                Lookup::Pending(until) => {
                    let name = name.to_owned();
                    return Err(NotServed::MustWait(Awaited::Session { name, until }));
                }
                Lookup::Unusable => {
                    refused = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                    continue;
                }
                Lookup::NotFound => continue,
            };
            let state = self.media_sessions.get(media_session);
            let track = control.map(|control| state.and_then(|s| s.track_index(control)));
            if track == Some(None) {
                has_no_such_track |= in_query;
                continue;
            }
            found = Some((media_session, name_len, track.flatten(), in_query));
            break;
        }
        let (media_session, name_len, track, control_in_query) = found.ok_or(refused)?;
        let name = address.into_name(name_len);
        Ok(FoundTrack { media_session, name, track, control_in_query })
    }

    /// By name in the table, then through the application's provider. `share` is what it may read
    /// for a request that has waited for its turn.
    pub(crate) fn look_up_with(
        &mut self,
        env: &mut UsageEnvironment,
        name: &str,
        share: Option<usize>,
    ) -> Lookup {
        let now = env.now();
        if let Some(id) = self.media_sessions.by_name(name) {
            if self.is_current(id, name, now) {
                self.media_sessions.note_use(env, &mut self.streams, id);
                return Lookup::Found(id);
            }
            log::info!("what stands behind {name:?} has changed: who watches the old streams on");
            self.media_sessions.remove(env, &mut self.streams, id);
        }
        if name.is_empty() || self.provider.is_none() {
            return Lookup::NotFound;
        }
        let Some(share) = share.or_else(|| self.first_share(env)) else {
            return Lookup::Pending(Until::NextTurn);
        };
        let Some(provider) = &mut self.provider else { return Lookup::NotFound };
        let mut left = share;
        let poll = provider.poll_session(name, &mut left);
        self.note_probing(share.saturating_sub(left));
        match poll {
            SessionPoll::Found(session) => {
                let identity = self.provider.as_mut().and_then(|p| p.identity(name));
                let streams = &mut self.streams;
                match self.media_sessions.add_provided(env, streams, *session, identity) {
                    Ok(id) if self.media_sessions.by_name(name) == Some(id) => {
                        self.media_sessions.note_use(env, &mut self.streams, id);
                        Lookup::Found(id)
                    }
                    Ok(_) => Lookup::NotFound,
                    Err(e) => {
                        log::error!("{name:?}: {e}");
                        Lookup::Unusable
                    }
                }
            }
            SessionPoll::NotFound => Lookup::NotFound,
            SessionPoll::Unusable(why) => {
                let level = self.unusable.level(name.into());
                log::log!(level, "{name:?} cannot be streamed: {why}");
                Lookup::Unusable
            }
            SessionPoll::Pending => Lookup::Pending(Until::NextTurn),
            SessionPoll::Waiting => Lookup::Pending(Until::ProviderWakes),
        }
    }

    /// Whether a media session is still what its provider would make.
    fn is_current(&mut self, id: MediaSessionId, name: &str, now: Instant) -> bool {
        let Some(made_from) = self.media_sessions.identity_to_check(id, now) else { return true };
        self.provider.as_mut().and_then(|p| p.identity(name)) == Some(made_from)
    }
}
