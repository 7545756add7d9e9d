//! RECORD (RFC 2326 section 10.11), and what PAUSE and TEARDOWN mean for a publisher.

use crate::ids::PublicationId;
use crate::server::access::Action;
use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::outcome::{AfterAnswer, Served};
use crate::server::method::publisher::release_published;
use crate::server::method::refusal::Refusal;
use crate::server::publish::control::Named;
use crate::server::publish::{Phase, Publication};
use crate::session::pool::RemovalReason;
use crate::wire::rtsp::StatusCode;
use std::sync::Arc;

pub(crate) fn record(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    let id = publication_of(cx, request)?.ok_or(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE)?;
    let publication = cx.publications.get(id).ok_or(StatusCode::SESSION_NOT_FOUND)?;
    check_whole(publication, request)?;
    let (session, name) = (publication.session, Arc::clone(&publication.name));
    let can_begin = publication.set_up_count() > 0;
    cx.check_permission(request, Action::Publish, &name)?;
    if !can_begin {
        return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
    }
    cx.name_session(answer, session);
    Ok(AfterAnswer::Record(id))
}

/// The publication of the session that a request names. Fails with 454 without a session.
pub(crate) fn publication_of(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
) -> Result<Option<PublicationId>, Refusal> {
    let session = cx.session_of(request)?.ok_or(StatusCode::SESSION_NOT_FOUND)?;
    Ok(cx.publications.of_session(session))
}

/// Fails with 404 if the URL is not of the publication, with 460 if it names one of several tracks.
fn check_whole(publication: &Publication, request: &AdmittedRequest<'_>) -> Result<(), Refusal> {
    let url = request.request.url.as_str();
    if publication.is_presentation(url) {
        return Ok(());
    }
    match publication.named(url) {
        None => Err(StatusCode::NOT_FOUND.into()),
        Some(Named::Track(_)) if publication.set_up_count() > 1 => {
            Err(StatusCode::ONLY_AGGREGATE_OPERATION_ALLOWED.into())
        }
        Some(_) => Ok(()),
    }
}

/// PAUSE: what arrives is not passed on until the next RECORD. Viewers stay.
pub(crate) fn pause_published(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    id: PublicationId,
    answer: &mut Answer<'_>,
) -> Served {
    let publication = cx.publications.get_mut(id).ok_or(StatusCode::SESSION_NOT_FOUND)?;
    check_whole(publication, request)?;
    if publication.phase == Phase::Announced {
        return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
    }
    publication.phase = Phase::Paused;
    let session = publication.session;
    cx.name_session(answer, session);
    if let Some(session) = cx.pool.session(session) {
        cx.hooks.paused(&session.info());
    }
    Ok(AfterAnswer::Nothing)
}

/// TEARDOWN of one of several tracks, or of the whole with its session.
pub(crate) fn tear_down_published(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    id: PublicationId,
    answer: &mut Answer<'_>,
) -> Served {
    let publication = cx.publications.get(id).ok_or(StatusCode::SESSION_NOT_FOUND)?;
    let (session, url) = (publication.session, request.request.url.as_str());
    let several = publication.set_up_count() > 1;
    let named = match publication.named(url) {
        _ if publication.is_presentation(url) => Named::Presentation,
        named => named.ok_or(StatusCode::NOT_FOUND)?,
    };
    match named {
        Named::Track(track) if several => {
            if !release_published(cx, id, track) {
                return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
            }
            cx.name_session(answer, session);
        }
        _ => cx.end_session(session, RemovalReason::TornDown),
    }
    Ok(AfterAnswer::Nothing)
}
