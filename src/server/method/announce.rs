//! ANNOUNCE (RFC 2326 section 10.3) from a client to the server: describes what the client is about
//! to publish, and creates its session.

use crate::description::{ContentFacts, MediaSession};
use crate::ids::{ClientSessionId, MediaSessionId, PublicationId};
use crate::payload::FormatRegistry;
use crate::server::access::Action;
use crate::server::config::SecondPublisher;
use crate::server::method::address::Address;
use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::find::{look_up, wait_for};
use crate::server::method::lookup::Lookup;
use crate::server::method::new_session::{announce_session, create_session};
use crate::server::method::outcome::{AfterAnswer, NotServed, Served};
use crate::server::method::publisher::release_published;
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::publish::track::receiver_config;
use crate::server::publish::{Phase, Publication};
use crate::session::pool::RemovalReason;
use crate::wire::rtsp::StatusCode;
use std::time::Duration;

pub(crate) fn announce(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    let session = cx.session_of(request)?;
    let name = Address::parse(request.request.url.as_str())?.path;
    if name.is_empty() {
        return Err(not_to_be_published(cx).into());
    }
    cx.check_permission(request, Action::Publish, &name)?;
    let description = read_description(cx, request)?;
    #[cfg(feature = "srtp")]
    cx.check_announced_keys(request, &description)?;
    if let Some(session) = session {
        return announce_again(cx, session, &name, description, answer);
    }
    check_name(cx, request, &name)?;
    let limit = cx.config.publish.max_publishers;
    if limit != 0 && cx.publications.len() >= limit {
        log::debug!("{}: too many publishers", request.peer);
        let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE);
        return Err(Refusal::from(refused.field("Retry-After", 1)).into());
    }
    let session = create_session(cx, request, &name)?;
    let (by, now) = (request.connection, cx.env.now());
    let publication = Publication::new(session, &name, by, description, now);
    let id = cx.publications.insert(publication);
    cx.publications.arm(cx.env, id, &cx.config.publish);
    announce_session(cx, session);
    cx.name_session(answer, session);
    Ok(AfterAnswer::Nothing)
}

/// The refusal for a URL under which nothing can be published.
fn not_to_be_published(cx: &Context<'_>) -> Refusal {
    let allowed = cx.methods.without_publishing();
    Refused::new(StatusCode::METHOD_NOT_ALLOWED).field("Allow", allowed).into()
}

/// Reads the description in the body. Fails with 411, 413, 415 or 400, and with 453 if it has too many
/// tracks.
fn read_description(
    cx: &Context<'_>,
    request: &AdmittedRequest<'_>,
) -> Result<MediaSession, Refusal> {
    let (body, config) = (&request.request.body, &cx.config.publish);
    let content_type = request.header("Content-Type").filter(|value| !value.is_empty());
    let is_sdp = |value: &str| {
        let name = value.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("application/sdp")
    };
    if !content_type.is_none_or(is_sdp) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into());
    }
    if body.len() > config.max_description {
        return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE.into());
    }
    let url = request.request.url.as_str();
    // A request may give the path alone.
    let absolute = url.starts_with('/').then(|| format!("rtsp://{}{url}", request.local));
    let mut facts = ContentFacts::new(absolute.as_deref().unwrap_or(url));
    facts.content_type = content_type;
    facts.base = request.header("Content-Base").filter(|value| !value.is_empty());
    let description = MediaSession::new(body, &facts, FormatRegistry::standard());
    let description = description.map_err(|e| {
        log::debug!("{}: cannot publish: {e}", request.peer);
        StatusCode::BAD_REQUEST
    })?;
    for oddity in description.odd.iter() {
        log::debug!("{}: announces: {oddity}", request.peer);
    }
    if description.subsessions.len() > config.max_tracks {
        return Err(StatusCode::NOT_ENOUGH_BANDWIDTH.into());
    }
    for track in &description.subsessions {
        let receiver = receiver_config(track, String::new(), false, Duration::ZERO);
        if let Err(e) = receiver.check() {
            log::debug!("{}: cannot publish track {}: {e}", request.peer, track.number);
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into());
        }
    }
    Ok(description)
}

/// Fails if something of this name exists that no publisher may replace: with 405 for what is not
/// published, with 455 if another client publishes it.
fn check_name(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    name: &str,
) -> Result<(), NotServed> {
    let other = cx.publications.by_name(name).and_then(|id| cx.publications.get(id));
    if let Some(other) = other {
        let second = cx.config.publish.second_publisher_of(name);
        let takes_over = second == SecondPublisher::TakeOver;
        if !takes_over && !other.gives_way() {
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        let session = other.session;
        cx.end_session(session, RemovalReason::TakenOver);
        // What was published may be again. A declared stream has its source until the end is told.
        return Ok(());
    }
    if cx.publications.stream_of(name).is_some() {
        return Ok(());
    }
    match look_up(cx, request, name)? {
        Lookup::NotFound => Ok(()),
        Lookup::Found(id) if awaits_publisher(cx, id) => Ok(()),
        Lookup::Pending(until) => Err(wait_for(name, until)),
        Lookup::Found(_) | Lookup::Unusable => Err(not_to_be_published(cx).into()),
    }
}

/// Whether a media session is a relayed stream without a source, which may be published.
fn awaits_publisher(cx: &Context<'_>, id: MediaSessionId) -> bool {
    let relayed = cx.media_sessions.get(id).and_then(|session| session.relayed.as_ref());
    relayed.is_some_and(|relayed| relayed.takes_publishers && !relayed.has_source)
}

/// A further ANNOUNCE in a session that publishes (RFC 2326 section 10.3: the whole description is
/// sent again). Fails with 455 in a session that plays, for another stream, and if a description in
/// use would get other tracks.
fn announce_again(
    cx: &mut Context<'_>,
    session: ClientSessionId,
    name: &str,
    description: MediaSession,
    answer: &mut Answer<'_>,
) -> Served {
    let not_now = || Refusal::from(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE);
    let id = cx.publications.of_session(session).ok_or_else(not_now)?;
    let publication = cx.publications.get(id).ok_or_else(not_now)?;
    if *publication.name != *name {
        return Err(not_now().into());
    }
    cx.name_session(answer, session);
    if publication.phase == Phase::Announced {
        replace_description(cx, id, description);
        return Ok(AfterAnswer::Nothing);
    }
    let format = |m: &MediaSession| -> Vec<_> {
        m.subsessions.iter().map(|t| (t.format.payload_type, t.format.clock_rate)).collect()
    };
    if format(&publication.description) != format(&description) {
        return Err(not_now().into());
    }
    let is_recording = publication.phase == Phase::Recording;
    if let Some(publication) = cx.publications.get_mut(id) {
        publication.description = description;
    }
    Ok(if is_recording { AfterAnswer::Record(id) } else { AfterAnswer::Nothing })
}

/// Replaces a description before RECORD; tracks are to be set up anew.
fn replace_description(cx: &mut Context<'_>, id: PublicationId, description: MediaSession) {
    let tracks = cx.publications.get(id).map_or(0, |p| p.tracks.len());
    for track in 0..tracks {
        release_published(cx, id, track);
    }
    if let Some(publication) = cx.publications.get_mut(id) {
        publication.describe(description);
    }
}
