//! TEARDOWN (RFC 2326 section 10.7) of one track, of one presentation, or of the session.

use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::outcome::{AfterAnswer, Served};
use crate::server::method::record::{publication_of, tear_down_published};
use crate::server::method::selection::Selection;
use crate::server::method::talk::release_talk;
use crate::session::client_media::media_of_mut;
use crate::session::pool::RemovalReason;
use crate::stream::destination::Goodbye;
use crate::wire::rtsp::StatusCode;

pub(crate) fn teardown(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    if let Some(publication) = publication_of(cx, request)? {
        return tear_down_published(cx, request, publication, answer);
    }
    let Selection { session, media_session, track, tracks, talk, .. } = Selection::of(cx, request)?;
    let talks_only = talk.filter(|_| tracks.is_empty());
    let state = cx.pool.session_mut(session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
    let has_others = state.media_len() > 1;
    let media = media_of_mut(state, media_session).ok_or(StatusCode::NOT_FOUND)?;
    if let Some(channel) = talks_only.filter(|_| media.set_up_count() > 1) {
        media.talk = None;
        release_talk(cx, session, channel);
        cx.name_session(answer, session);
    } else if let Some(track) = track.filter(|_| media.set_up_count() > 1) {
        if let Some(setup) = media.take_track(track) {
            cx.release_track(&setup, Goodbye::BeforeAnswer);
        }
        cx.name_session(answer, session);
    } else if has_others {
        for media in state.retain_media(|_, media| media.media_session() != media_session) {
            if let Some(talk) = media.talk {
                release_talk(cx, session, talk.channel);
            }
            cx.release_media(media, Goodbye::BeforeAnswer);
        }
    } else {
        cx.end_session(session, RemovalReason::TornDown);
    }
    Ok(AfterAnswer::Nothing)
}
