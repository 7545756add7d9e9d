//! Finds the media session or track that a URL names.

use crate::ids::{ClientSessionId, MediaSessionId};
use crate::server::access::Action;
use crate::server::method::address::{Address, Reading};
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::lookup::Lookup;
use crate::server::method::outcome::{Awaited, NotServed, Until};
use crate::server::method::refusal::Refusal;
use crate::session::client_media::SessionMedia;
use crate::wire::rtsp::StatusCode;
use std::borrow::Cow;

/// A media session, and one of its tracks if the URL contains a control.
#[derive(Debug)]
pub(crate) struct FoundTrack<'a> {
    pub(crate) media_session: MediaSessionId,
    pub(crate) name: Cow<'a, str>,
    pub(crate) track: Option<usize>,
    /// Whether the control is appended to the query.
    pub(crate) control_in_query: bool,
}

/// Finds the media session that a URL names as a whole.
pub(crate) fn find_presentation(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
) -> Result<MediaSessionId, NotServed> {
    let address = Address::parse(request.request.url.as_str())?;
    cx.check_permission(request, Action::Describe, &address.path)?;
    match look_up(cx, request, &address.path)? {
        Lookup::Found(media_session) => Ok(media_session),
        Lookup::Pending(until) => Err(wait_for(&address.path, until)),
        Lookup::Unusable => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into()),
        Lookup::NotFound => Err(StatusCode::NOT_FOUND.into()),
    }
}

/// Finds the track or media session that a URL names. If the client has a session, a name refers to
/// the media session that it referred to when the session was made, even if that has been replaced.
pub(crate) fn find_track<'a>(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'a>,
    session: Option<ClientSessionId>,
) -> Result<FoundTrack<'a>, NotServed> {
    let address = Address::parse(request.request.url.as_str())?;
    let may_have = |cx: &Context<'_>, name_len| {
        let name = address.path.get(..name_len).unwrap_or_default();
        cx.permits(request, Action::Play, name)
    };
    if !address.readings().any(|reading| may_have(cx, reading.name_len)) {
        let likeliest = address.readings().next().map_or(0, |reading| reading.name_len);
        let name = address.path.get(..likeliest).unwrap_or_default();
        cx.check_permission(request, Action::Play, name)?;
    }
    let mut refused = StatusCode::NOT_FOUND;
    let mut has_no_such_track = false;
    let mut found = None;
    for Reading { name_len, control, in_query } in address.readings() {
        let name = address.path.get(..name_len).unwrap_or_default();
        // What has no track of that number is not meant as a whole instead.
        if has_no_such_track && control.is_none() || !may_have(cx, name_len) {
            continue;
        }
        let of_session = session
            .and_then(|session| cx.pool.session(session)?.media_at(name))
            .map(SessionMedia::media_session);
        let media_session = match of_session {
            Some(media_session) => Lookup::Found(media_session),
            None => look_up(cx, request, name)?,
        };
        let media_session = match media_session {
            Lookup::Found(media_session) => media_session,
            Lookup::Pending(until) => return Err(wait_for(name, until)),
            Lookup::Unusable => {
                refused = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                continue;
            }
            Lookup::NotFound => continue,
        };
        let state = cx.media_sessions.get(media_session);
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

/// Looks a name up in the table and then with the application's provider, unless the provider has
/// answered already while the request waited.
pub(super) fn look_up(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    name: &str,
) -> Result<Lookup, Refusal> {
    if let Some((_, known)) = cx.known.iter().find(|(known, _)| known == name) {
        return Ok(*known);
    }
    if cx.lookups.has_provider() && cx.media_sessions.by_name(name).is_none() {
        // It may open a file.
        cx.check_descriptors(request)?;
    }
    let share = if cx.has_queue { None } else { Some(cx.lookups.bytes_left(cx.env)) };
    Ok(cx.lookups.look_up(cx.env, (cx.media_sessions, cx.streams), name, share))
}

pub(super) fn wait_for(name: &str, until: Until) -> NotServed {
    NotServed::MustWait(Awaited::Session { name: name.to_owned(), until })
}
