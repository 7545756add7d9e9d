//! SETUP (RFC 2326 section 10.4): chooses a transport, creates a session if the request names none,
//! and sets up the track in it.

#[cfg(feature = "srtp")]
use crate::ids::StreamId;
use crate::ids::{ClientSessionId, MediaSessionId};
use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::find::{FoundTrack, find_track};
use crate::server::method::new_session::{abandon_session, announce_session, create_session};
use crate::server::method::outcome::{AfterAnswer, Served};
use crate::server::method::predecessor::end_predecessors;
use crate::server::method::publisher::{publication_for, set_up_published};
use crate::server::method::refusal::Refusal;
use crate::server::method::talk::{find_back_channel, set_up_back_channel};
use crate::server::method::track::{TrackRequest, present_transport, set_up_track};
use crate::server::method::transport::{ChosenTransport, Profiles, answer_spec, choose, playable};
use crate::session::client_media::{TrackSetup, media_of};
use crate::session::names::split_url;
use crate::session::subsession::Distribution;
use crate::wire::rtsp::StatusCode;
use std::borrow::Cow;

pub(crate) fn setup(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    let existing = cx.session_of(request)?;
    if let Some(publication) = publication_for(cx, request, existing) {
        return set_up_published(cx, request, publication, answer);
    }
    if let Some(found) = find_back_channel(cx, request, existing)? {
        return set_up_back_channel(cx, request, existing, &found, answer);
    }
    let url = request.request.url.as_str();
    let found = find_track(cx, request, existing)?;
    let FoundTrack { media_session, ref name, control_in_query, .. } = found;
    let state = cx.media_sessions.get(media_session).ok_or(StatusCode::NOT_FOUND)?;
    let track = match found.track {
        Some(track) => track,
        // The aggregate stands for its only track, as old clients have it.
        None if state.num_subsessions() == 1 => 0,
        None => return Err(StatusCode::AGGREGATE_OPERATION_NOT_ALLOWED.into()),
    };
    let distribution = state.subsession(track).ok_or(StatusCode::NOT_FOUND)?.distribution();
    let ends = (request.peer, request.local);
    let header = request.request.headers.joined("Transport").ok_or(StatusCode::BAD_REQUEST)?;
    let profiles = profiles(cx, request, &distribution);
    let can_play = |spec: &_| playable(spec, &distribution, request.peer);
    let (spec, chosen) = choose(&header, profiles, can_play)?;
    let is_secure = spec.protocol.is_secure();
    let current = existing.and_then(|session| track_of(cx, session, media_session, track));
    if let (Some(session), Some(current)) = (existing, current) {
        // Asked for once more, what is agreed on stays agreed on.
        let present = present_transport(cx, request, &current, (&chosen, is_secure));
        if let Some((agreed, ssrc)) = present {
            #[cfg(feature = "srtp")]
            if is_secure {
                tell_keys(cx, request, (media_session, track), current.stream, answer);
            }
            answer.field("Transport", answer_spec(spec, (&agreed, ssrc), ends));
            cx.name_session(answer, session);
            return Ok(AfterAnswer::Nothing);
        }
        check_renegotiation(cx, session, media_session)?;
    }
    let opens_file = cx.media_sessions.get(media_session).is_some_and(|m| m.provided.is_some());
    if opens_file || matches!(chosen, ChosenTransport::Udp { .. }) {
        cx.check_descriptors(request)?;
    }
    let session = match existing {
        Some(session) => session,
        None => create_session(cx, request, name)?,
    };
    let is_new = existing.is_none();
    let wanted = TrackRequest {
        by: request,
        session,
        media_session,
        name,
        track,
        is_secure,
        current,
        url: if found.track.is_some() { url.into() } else { track_url(url, track) },
        control_in_query,
    };
    let client_port = match &chosen {
        ChosenTransport::Udp { rtp, .. } => Some(*rtp),
        _ => None,
    };
    match set_up_track(cx, &wanted, chosen) {
        Ok((agreed, ssrc)) => {
            if let Some(rtp) = client_port {
                end_predecessors(cx, request, session, rtp);
            }
            #[cfg(feature = "srtp")]
            if let Some(set_up) = track_of(cx, session, media_session, track) {
                if is_secure {
                    tell_keys(cx, request, (media_session, track), set_up.stream, answer);
                }
            }
            answer.field("Transport", answer_spec(spec, (&agreed, ssrc), ends));
            cx.name_session(answer, session);
            if is_new {
                announce_session(cx, session);
            }
            Ok(AfterAnswer::Nothing)
        }
        Err(refusal) => {
            if is_new {
                abandon_session(cx, request.connection, session);
            }
            Err(refusal.into())
        }
    }
}

/// The profiles by which the requester may have a track.
fn profiles(
    cx: &Context<'_>,
    request: &AdmittedRequest<'_>,
    distribution: &Distribution,
) -> Profiles {
    #[cfg(feature = "srtp")]
    let (plain, secure) = cx.plain_and_secure(request, distribution);
    #[cfg(not(feature = "srtp"))]
    let ((plain, secure), _) = ((true, false), distribution);
    let plain_udp = !request.is_encrypted || cx.config.allow_plain_udp_over_tls;
    Profiles { plain, plain_udp, secure }
}

/// Tells the keys of a protected track.
#[cfg(feature = "srtp")]
fn tell_keys(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    track: (MediaSessionId, usize),
    stream: StreamId,
    answer: &mut Answer<'_>,
) {
    if let Some(header) = cx.key_answer(request, track, stream) {
        answer.field("KeyMgmt", header);
    }
}

/// The track as the client has set it up, if it has.
fn track_of(
    cx: &Context<'_>,
    session: ClientSessionId,
    media_session: MediaSessionId,
    track: usize,
) -> Option<TrackSetup> {
    let media = media_of(cx.pool.session(session)?, media_session)?;
    media.selected(Some(track)).next().map(|(_, setup)| *setup)
}

/// Fails with 455 if a track of the presentation is playing: the transport can be changed only
/// while none is.
fn check_renegotiation(
    cx: &Context<'_>,
    session: ClientSessionId,
    media_session: MediaSessionId,
) -> Result<(), Refusal> {
    let media = cx.pool.session(session).and_then(|s| media_of(s, media_session));
    let plays = |t: &TrackSetup| cx.streams.is_playing(t.stream, t.destination);
    if media.is_some_and(|media| media.tracks().any(plays)) {
        return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
    }
    Ok(())
}

/// The control URL of a track of the requested presentation, for `RTP-Info`.
fn track_url(requested: &str, track: usize) -> Cow<'_, str> {
    let (path, query) = split_url(requested);
    format!("{}/track{}{query}", path.trim_end_matches('/'), track + 1).into()
}
