//! What a URL names: a media session in the table or made on demand, and a track of it.

use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, MediaSessionId};
use crate::server::method::answer::Refusal;
use crate::server::requests::Call;
use crate::server::rtsp_server::RtspServer;
use crate::server::waiting::{Awaited, Until};
use crate::session::client_media::{SessionMedia, TrackSetup};
use crate::session::pool::Session;
use crate::session::provider::SessionPoll;
use crate::wire::rtsp::StatusCode;
use crate::wire::url::RequestTarget;
use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

/// How long a provider's word that nothing has changed holds.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What a URL names.
#[derive(Debug)]
pub(crate) enum Target<T> {
    Found(T),
    Pending(Awaited),
}

/// A media session, and the track of it if the URL has the control of one.
#[derive(Debug)]
pub(crate) struct Found<'a> {
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

/// Tracks of one media session that a request is about.
pub(crate) struct Scope {
    pub(crate) session: ClientSessionId,
    pub(crate) media_session: MediaSessionId,
    pub(crate) track: Option<usize>,
    pub(crate) tracks: Vec<(usize, TrackSetup)>,
    pub(crate) was_played: bool,
}

impl RtspServer {
    /// The media session that a URL names as a whole.
    pub(crate) fn find_presentation(
        &mut self,
        env: &mut UsageEnvironment,
        url: &str,
    ) -> Result<Target<MediaSessionId>, Refusal> {
        let address = Address::parse(url)?;
        match self.look_up(env, &address.path) {
            Lookup::Found(media_session) => Ok(Target::Found(media_session)),
            Lookup::Pending(until) => {
                let name = address.path.into_owned();
                Ok(Target::Pending(Awaited::Session { name, until }))
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
    ) -> Result<Target<Found<'a>>, Refusal> {
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
                    return Ok(Target::Pending(Awaited::Session { name, until }));
                }
                Lookup::Unusable => {
                    refused = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                    continue;
                }
                Lookup::NotFound => continue,
            };
            let state = self.media_sessions.table.get(media_session);
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
        Ok(Target::Found(Found { media_session, name, track, control_in_query }))
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
        if let Some(&id) = self.media_sessions.names.get(name) {
            if self.is_current(id, name, now) {
                self.note_use(env, id);
                return Lookup::Found(id);
            }
            log::info!("what stands behind {name:?} has changed: who watches the old streams on");
            self.remove_server_media_session(env, id);
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
            SessionPoll::Found(mut session) => {
                session.provided = self.provider.as_mut().and_then(|p| p.identity(name));
                session.checked_at = Some(now);
                match self.add_server_media_session(env, *session) {
                    Ok(id) if self.media_sessions.names.get(name) == Some(&id) => {
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
                let level = self.unusable.level(name.into());
                log::log!(level, "{name:?} cannot be streamed: {why}");
                Lookup::Unusable
            }
            SessionPoll::Pending => Lookup::Pending(Until::NextTurn),
            SessionPoll::Waiting => Lookup::Pending(Until::Woken),
        }
    }

    /// Whether a media session is still what its provider would make. Asked of the provider once
    /// in a while only: it may mean several system calls, and every DESCRIBE and SETUP wants it.
    fn is_current(&mut self, id: MediaSessionId, name: &str, now: Instant) -> bool {
        let Some(session) = self.media_sessions.table.get_mut(id) else { return false };
        let Some(made_from) = session.provided else { return true };
        let checked = session.checked_at.map(|at| now.saturating_duration_since(at));
        if checked.is_some_and(|ago| ago < CHECK_INTERVAL) {
            return true;
        }
        session.checked_at = Some(now);
        self.provider.as_mut().and_then(|p| p.identity(name)) == Some(made_from)
    }

    /// What a request with a session is about.
    pub(crate) fn scope(
        &mut self,
        env: &UsageEnvironment,
        call: &Call<'_>,
    ) -> Result<Scope, Refusal> {
        let session = self.session_of(env, call)?.ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let state = self.pool.session(session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let url = call.request.url.as_str();
        let address = if url == "*" { None } else { Some(Address::parse(url)?) };
        let (media, control) = match &address {
            None => (state.media().next().ok_or(StatusCode::NOT_FOUND)?.1, None),
            // The name of a stream may itself end like a control.
            Some(address) => match state.media_at(&address.path) {
                Some(media) => {
                    let asked = address.query.map(|query| query.trim_end_matches('/'));
                    let mut of_tracks = media.base_queries();
                    let own = of_tracks.any(|of| of.map(|q| q.trim_end_matches('/')) == asked);
                    let control = address.control_in_query().filter(|_| !own);
                    (media, control.map(|(_, control)| control))
                }
                None => {
                    let (name, control) = address.control_in_path().ok_or(StatusCode::NOT_FOUND)?;
                    (state.media_at(name).ok_or(StatusCode::NOT_FOUND)?, Some(control))
                }
            },
        };
        let media_state =
            self.media_sessions.table.get(media.media_session).ok_or(StatusCode::NOT_FOUND)?;
        let index = |control| media_state.track_index(control).ok_or(StatusCode::NOT_FOUND);
        let track = control.map(index).transpose()?;
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
    pub(crate) fn check_aggregate(&self, scope: &Scope) -> Result<(), Refusal> {
        let only = self
            .media_sessions
            .table
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
pub(crate) fn media_of(
    session: &Session<SessionMedia>,
    media_session: MediaSessionId,
) -> Option<&SessionMedia> {
    session.media().map(|(_, media)| media).find(|media| media.media_session() == media_session)
}

/// As [`media_of`], for a change.
pub(crate) fn media_of_mut(
    session: &mut Session<SessionMedia>,
    media_session: MediaSessionId,
) -> Option<&mut SessionMedia> {
    session.media_mut().map(|(_, media)| media).find(|media| media.media_session() == media_session)
}

/// The name and the query of a URL. Where the control of a track stands in it depends on how the
/// client joins it to the base: clients that resolve as RFC 3986 has it, or put it where it would
/// stand without a query, have it at the end of the path; those that append it have it behind
/// whatever the base ends in.
struct Address<'a> {
    /// Decoded, without the outer slashes.
    path: Cow<'a, str>,
    query: Option<&'a str>,
}

/// One way to understand a URL.
struct Reading<'a> {
    /// How much of the path is the name.
    name_len: usize,
    control: Option<&'a str>,
    in_query: bool,
}

impl<'a> Address<'a> {
    /// 404 where a segment could be taken for more than one, 400 where there is no path.
    fn parse(url: &'a str) -> Result<Self, Refusal> {
        let target = RequestTarget::parse(url).map_err(|_| StatusCode::BAD_REQUEST)?;
        let url = target.path().ok_or(StatusCode::BAD_REQUEST)?;
        let path = url.decoded_path().map_err(|_| StatusCode::NOT_FOUND)?;
        if !path.split('/').all(is_plain_segment) && !path.is_empty() {
            return Err(StatusCode::NOT_FOUND.into());
        }
        Ok(Self { path, query: url.query() })
    }

    /// The path before its last segment, and that segment, if it is a control.
    fn control_in_path(&self) -> Option<(&str, &str)> {
        self.path.rsplit_once('/').filter(|(_, last)| is_control(last))
    }

    /// The query as it was before a control was appended to it, and the control.
    fn control_in_query(&self) -> Option<(&'a str, &'a str)> {
        split_query(self.query?)
    }

    /// What the URL may mean, the likelier first: a stream may itself be called "track1".
    fn readings(&self) -> impl Iterator<Item = Reading<'_>> {
        let whole = self.path.len();
        let in_query = self.control_in_query().map(|(_, control)| (whole, control, true));
        let in_path = self.control_in_path().map(|(name, control)| (name.len(), control, false));
        let tracks =
            [in_query, in_path].into_iter().flatten().map(|(name_len, control, in_query)| {
                Reading { name_len, control: Some(control), in_query }
            });
        tracks.chain([Reading { name_len: whole, control: None, in_query: false }])
    }

    fn into_name(self, len: usize) -> Cow<'a, str> {
        match self.path {
            Cow::Borrowed(path) => Cow::Borrowed(path.get(..len).unwrap_or(path)),
            Cow::Owned(mut path) => {
                path.truncate(len);
                Cow::Owned(path)
            }
        }
    }
}

/// Splits off what stands behind the last slash of a query, if it is a control.
pub(crate) fn split_query(query: &str) -> Option<(&str, &str)> {
    query.trim_end_matches('/').rsplit_once('/').filter(|(_, last)| is_control(last))
}

/// Whether a segment reads `track` and a number.
fn is_control(segment: &str) -> bool {
    let number = segment.strip_prefix("track").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a decoded segment of a path can be a part of a stream's name: not where it leads
/// elsewhere, or could be taken for more than one segment.
pub(crate) fn is_plain_segment(segment: &str) -> bool {
    // What separates segments of a path in this system's files.
    let separator = |c| c == '\0' || std::path::is_separator(c);
    !segment.is_empty() && segment != "." && segment != ".." && !segment.contains(separator)
}

/// The `Content-Base` of a description: the URL that was asked for, with a slash at the end of its
/// path, so that a relative control resolves below it (RFC 3986 section 5.2.3). Its query stays,
/// for clients that append a control to whatever there is or put it before the query.
pub(crate) struct ContentBase<'a>(pub(crate) &'a str);

impl fmt::Display for ContentBase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = split_url(self.0);
        write!(f, "{}/{query}", path.trim_end_matches('/'))
    }
}

/// A URL's text up to its query, and the query with its question mark.
pub(crate) fn split_url(url: &str) -> (&str, &str) {
    url.find('?').and_then(|at| url.split_at_checked(at)).unwrap_or((url, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, control and whether it stands in the query, of each way to read a URL.
    fn readings(url: &str) -> Vec<(String, Option<String>, bool)> {
        let address = Address::parse(url).unwrap();
        let owned = |r: Reading<'_>| {
            let name = address.path[..r.name_len].to_owned();
            (name, r.control.map(str::to_owned), r.in_query)
        };
        address.readings().map(owned).collect()
    }

    #[test]
    fn a_control_is_found_wherever_clients_put_it() {
        let whole = |name: &str| (name.to_owned(), None, false);
        let path = |name: &str, c: &str| (name.to_owned(), Some(c.to_owned()), false);
        let query = |name: &str, c: &str| (name.to_owned(), Some(c.to_owned()), true);
        let track2 = path("a.mkv", "track2");
        assert_eq!(readings("rtsp://h/a.mkv/track2"), [track2.clone(), whole("a.mkv/track2")]);
        assert_eq!(readings("rtsp://h/a.mkv/track2/?x=y"), [track2, whole("a.mkv/track2")]);
        assert_eq!(
            readings("rtsp://h/a%20b/track%31"),
            [path("a b", "track1"), whole("a b/track1")]
        );
        for appended in ["rtsp://h/a?x=1/track1/", "rtsp://h/a/?x=1/track1", "/a?x=1/track1"] {
            assert_eq!(readings(appended), [query("a", "track1"), whole("a")], "{appended}");
        }
        let both = [query("a/track1", "track3"), path("a", "track1"), whole("a/track1")];
        assert_eq!(readings("rtsp://h/a/track1?x=/y/track3"), both);
        for none in ["rtsp://h/tracks", "rtsp://h/track", "rtsp://h/track1", "rtsp://h/a?x=track1"]
        {
            assert_eq!(readings(none).len(), 1, "{none}");
        }
    }

    #[test]
    fn names_do_not_smuggle_separators() {
        let name = |url| Address::parse(url).map(|address| address.path.into_owned());
        assert_eq!(name("rtsp://h/a%20file.mkv").unwrap(), "a file.mkv");
        assert_eq!(name("rtsp://h/dir/x.ts?q").unwrap(), "dir/x.ts");
        for bad in ["rtsp://h/..%2fx", "rtsp://h/a%00", "rtsp://h/%2e%2e/x", "rtsp://h/a/../b"] {
            let status = name(bad).unwrap_err().status;
            assert_eq!(status, StatusCode::NOT_FOUND, "{bad}");
        }
        assert_eq!(name("rtsp://h/..%5cx").is_err(), cfg!(windows));
    }

    #[test]
    fn a_base_ends_its_path_with_a_slash() {
        for (asked, base) in [
            ("rtsp://h/a.mkv", "rtsp://h/a.mkv/"),
            ("rtsp://h/a.mkv/", "rtsp://h/a.mkv/"),
            ("rtsp://h/a.mkv?x=y", "rtsp://h/a.mkv/?x=y"),
            ("rtsp://h/a.mkv/?x=/y/?", "rtsp://h/a.mkv/?x=/y/?"),
        ] {
            assert_eq!(ContentBase(asked).to_string(), base);
        }
    }
}
