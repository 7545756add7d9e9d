//! What a URL names: a media session in the table or made on demand, and a track of it.

use super::ClientSessionId;
use super::answer::Refusal;
use super::media_session::MediaSessionId;
use super::pool::Session;
use super::provider::SessionPoll;
use super::requests::Call;
use super::rtsp_server::RtspServer;
use super::setup::{SessionMedia, TrackSetup};
use crate::env::UsageEnvironment;
use crate::wire::rtsp::{Request, StatusCode};
use crate::wire::url::RequestTarget;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// How long a provider's word that nothing has changed holds.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What a URL names.
#[derive(Debug)]
pub(super) enum Target<'a> {
    Found { media_session: MediaSessionId, name: Cow<'a, str>, track: Option<usize> },
    Pending,
}

enum Lookup {
    Found(MediaSessionId),
    NotFound,
    Unusable,
    Pending,
}

/// Tracks of one media session that a request is about.
pub(super) struct Scope {
    pub(super) session: ClientSessionId,
    pub(super) media_session: MediaSessionId,
    pub(super) track: Option<usize>,
    pub(super) tracks: Vec<(usize, TrackSetup)>,
    pub(super) was_played: bool,
}

impl RtspServer {
    /// What a request's URL names, for requests that need no session.
    pub(super) fn find_target<'a>(
        &mut self,
        env: &mut UsageEnvironment,
        request: &'a Request<'_>,
    ) -> Result<Target<'a>, Refusal> {
        let (base, control) = split_control(request.url.as_str());
        let name = stream_name(base)?;
        match self.look_up(env, &name) {
            Lookup::Pending => return Ok(Target::Pending),
            Lookup::Found(media_session) => {
                let track = match control {
                    None => None,
                    Some(control) => {
                        let index = self
                            .media_sessions
                            .get(media_session)
                            .and_then(|s| s.track_index(control));
                        Some(index.ok_or(StatusCode::NOT_FOUND)?)
                    }
                };
                return Ok(Target::Found { media_session, name, track });
            }
            Lookup::Unusable => return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into()),
            Lookup::NotFound => {}
        }
        // A stream may itself be called "track1".
        let Some(control) = control else { return Err(StatusCode::NOT_FOUND.into()) };
        let name = format!("{name}/{control}");
        match self.look_up(env, name.trim_start_matches('/')) {
            Lookup::Found(media_session) => {
                Ok(Target::Found { media_session, name: name.into(), track: None })
            }
            Lookup::Pending => Ok(Target::Pending),
            Lookup::Unusable => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into()),
            Lookup::NotFound => Err(StatusCode::NOT_FOUND.into()),
        }
    }

    /// By name in the table, then through the application's provider.
    fn look_up(&mut self, env: &mut UsageEnvironment, name: &str) -> Lookup {
        let now = env.now();
        if let Some(&id) = self.names.get(name) {
            if self.is_current(id, name, now) {
                self.note_use(env, id);
                return Lookup::Found(id);
            }
            // What stands behind the name has changed: who watches the old one streams on.
            self.remove_server_media_session(env, id);
        }
        let Some(provider) = &mut self.provider else { return Lookup::NotFound };
        if name.is_empty() {
            return Lookup::NotFound;
        }
        match provider.poll_session(name, &mut self.probe_budget) {
            SessionPoll::Found(mut session) => {
                session.provided = provider.identity(name);
                session.checked_at = Some(now);
                match self.add_server_media_session(env, *session) {
                    Ok(id) if self.names.get(name) == Some(&id) => {
                        self.note_use(env, id);
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
                log::warn!("{name:?} cannot be streamed: {why}");
                Lookup::Unusable
            }
            SessionPoll::Pending => Lookup::Pending,
        }
    }

    /// Whether a media session is still what its provider would make. Asked of the provider once
    /// in a while only: it may mean several system calls, and every DESCRIBE and SETUP wants it.
    fn is_current(&mut self, id: MediaSessionId, name: &str, now: Instant) -> bool {
        let Some(session) = self.media_sessions.get_mut(id) else { return false };
        let Some(made_from) = session.provided else { return true };
        let checked = session.checked_at.map(|at| now.saturating_duration_since(at));
        if checked.is_some_and(|ago| ago < CHECK_INTERVAL) {
            return true;
        }
        session.checked_at = Some(now);
        self.provider.as_mut().and_then(|p| p.identity(name)) == Some(made_from)
    }

    /// What a request with a session is about.
    pub(super) fn scope(
        &mut self,
        env: &UsageEnvironment,
        call: &Call<'_>,
    ) -> Result<Scope, Refusal> {
        let session = self.session_of(env, call)?.ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let state = self.pool.session(session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let (base, control) = split_control(call.request.url.as_str());
        let (name, media) = if base == "*" {
            state.media().next().ok_or(StatusCode::NOT_FOUND)?
        } else {
            let path = stream_name(base)?;
            let found = state.media().find(|(name, _)| *name == path);
            let with_control = || {
                let path = format!("{path}/{}", control?);
                state.media().find(|(name, _)| *name == path.trim_start_matches('/'))
            };
            found.or_else(with_control).ok_or(StatusCode::NOT_FOUND)?
        };
        let media_state =
            self.media_sessions.get(media.media_session).ok_or(StatusCode::NOT_FOUND)?;
        let track = match control {
            Some(control) if !name.ends_with(control) => {
                Some(media_state.track_index(control).ok_or(StatusCode::NOT_FOUND)?)
            }
            _ => None,
        };
        let tracks: Vec<_> = media.selected(track).map(|(i, t)| (i, *t)).collect();
        if tracks.is_empty() {
            // The track was not set up.
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        Ok(Scope {
            session,
            media_session: media.media_session,
            track,
            tracks,
            was_played: media.was_played,
        })
    }

    /// 460 where a track would be controlled without the others that come from the same
    /// demultiplexer.
    pub(super) fn check_aggregate(&self, scope: &Scope) -> Result<(), Refusal> {
        let only = self
            .media_sessions
            .get(scope.media_session)
            .is_some_and(|s| s.aggregate_control_only());
        let set_up = self
            .pool
            .session(scope.session)
            .and_then(|s| media_of(s, scope.media_session))
            .map_or(0, |media| media.tracks().count());
        if only && scope.track.is_some() && set_up > 1 {
            return Err(StatusCode::ONLY_AGGREGATE_OPERATION_ALLOWED.into());
        }
        Ok(())
    }
}

/// What a client session has of a media session.
pub(super) fn media_of(
    session: &Session<SessionMedia>,
    media_session: MediaSessionId,
) -> Option<&SessionMedia> {
    session.media().map(|(_, media)| media).find(|media| media.media_session() == media_session)
}

/// As [`media_of`], for a change.
pub(super) fn media_of_mut(
    session: &mut Session<SessionMedia>,
    media_session: MediaSessionId,
) -> Option<&mut SessionMedia> {
    session.media_mut().map(|(_, media)| media).find(|media| media.media_session() == media_session)
}

/// Splits the control of a track off a URL: a last segment `track` and a number. Players append
/// it to the aggregate URL, query and all, so it is looked for in the raw text.
pub(super) fn split_control(url: &str) -> (&str, Option<&str>) {
    let url = url.trim_end_matches('/');
    if let Some((base, last)) = url.rsplit_once('/') {
        let number = last.strip_prefix("track").unwrap_or_default();
        if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            return (base, Some(last));
        }
    }
    (url, None)
}

/// The stream name in a URL: its path, decoded, without the outer slashes. 404 where a segment
/// could be taken for more than one, 400 where there is none.
fn stream_name(url: &str) -> Result<Cow<'_, str>, Refusal> {
    let target = RequestTarget::parse(url).map_err(|_| StatusCode::BAD_REQUEST)?;
    let path = target.path().ok_or(StatusCode::BAD_REQUEST)?;
    let name = path.decoded_path().map_err(|_| StatusCode::NOT_FOUND)?;
    let odd = |s: &str| s.contains(['\\', '\0']) || s == ".." || s == ".";
    if name.split('/').any(odd) {
        return Err(StatusCode::NOT_FOUND.into());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_is_split_off_behind_a_query_too() {
        assert_eq!(split_control("rtsp://h/a.mkv/track2"), ("rtsp://h/a.mkv", Some("track2")));
        assert_eq!(split_control("rtsp://h/a?x=1/track1/"), ("rtsp://h/a?x=1", Some("track1")));
        assert_eq!(split_control("rtsp://h/tracks"), ("rtsp://h/tracks", None));
        assert_eq!(split_control("rtsp://h/track"), ("rtsp://h/track", None));
        assert_eq!(split_control("*"), ("*", None));
    }

    #[test]
    fn names_do_not_smuggle_separators() {
        assert_eq!(stream_name("rtsp://h/a%20file.mkv").unwrap(), "a file.mkv");
        assert_eq!(stream_name("rtsp://h/dir/x.ts?q").unwrap(), "dir/x.ts");
        for bad in ["rtsp://h/..%2fx", "rtsp://h/a%00", "rtsp://h/%2e%2e/x", "rtsp://h/a/../b"] {
            let status = stream_name(bad).unwrap_err().status;
            assert_eq!(status, StatusCode::NOT_FOUND, "{bad}");
        }
    }
}
