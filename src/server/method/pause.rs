//! PAUSE (RFC 2326 section 10.6): immediately, or at a later point of the range being played.

use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::outcome::{AfterAnswer, Served};
use crate::server::method::record::{pause_published, publication_of};
use crate::server::method::refusal::Refusal;
use crate::server::method::selection::{Selection, is_track_playing};
use crate::wire::rtsp::{NptTime, Range, RangeHeader, StatusCode};
use std::time::Duration;

pub(crate) fn pause(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    if let Some(publication) = publication_of(cx, request)? {
        return pause_published(cx, request, publication, answer);
    }
    let selection = Selection::of(cx, request)?;
    selection.check_aggregate(cx.media_sessions, cx.pool)?;
    if !selection.was_played {
        return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
    }
    let range = request.header("Range").map(Range::pause_point).transpose();
    let range = range.map_err(Refusal::from)?;
    let point = pause_point(cx, &selection, range.as_ref())?;
    let position = selection.position(cx.streams);
    let is_to_come = point.is_some_and(|point| match selection.is_backwards(cx.streams) {
        true => point < position,
        false => point > position,
    });
    for (_, track) in selection.tracks.iter().filter(|(_, t)| !t.is_multicast) {
        if is_to_come {
            if let Some(stream) = cx.streams.get_mut(track.stream) {
                stream.set_pause_point(point);
            }
            continue;
        }
        cx.streams.pause(cx.env, cx.connections, (track.stream, track.destination), point);
    }
    if let Some(channel) = selection.talk.filter(|_| !is_to_come) {
        cx.back_channels.set_playing(channel, selection.session, false);
    }
    let npt = point.unwrap_or_else(|| selection.position(cx.streams));
    let (range, _) = Range::in_unit_of(range.as_ref(), npt, None);
    answer.field("Range", RangeHeader::from(range));
    cx.name_session(answer, selection.session);
    if let Some(session) = cx.pool.session(selection.session) {
        cx.hooks.paused(&session.info());
    }
    Ok(AfterAnswer::Nothing)
}

/// The pause point that the client names, if any. Fails with 457 if the point is outside the range
/// being played, or if the stream is shared and cannot pause for one client alone.
fn pause_point(
    cx: &Context<'_>,
    selection: &Selection,
    range: Option<&Range>,
) -> Result<Option<Duration>, Refusal> {
    let Some(range) = range else { return Ok(None) };
    if matches!(range, Range::Npt { start: Some(NptTime::Now), .. }) {
        return Ok(None);
    }
    let invalid = || Refusal::from(StatusCode::INVALID_RANGE);
    let point = range.as_npt().and_then(|(start, _)| start).ok_or_else(invalid)?;
    for (index, track) in &selection.tracks {
        let stream = cx.streams.get(track.stream).ok_or_else(invalid)?;
        if stream.is_shared() || track.is_multicast || stream.is_live() {
            return Err(invalid());
        }
        let (start, stop) = (stream.range().start(), stream.range().stop_at());
        if stream.pace().is_backwards() {
            let is_within = (stop.unwrap_or_default()..=start).contains(&point);
            if !is_within && !stream.has_ended() {
                return Err(invalid());
            }
            continue;
        }
        let tables = (&*cx.streams, &*cx.media_sessions);
        let end = selection.track_end(tables, (*index, track), stop);
        let is_over = stream.has_ended() || end.is_some_and(|end| end <= start);
        let is_within = point >= start && end.is_none_or(|end| point <= end);
        if !is_within && !is_over {
            return Err(invalid());
        }
    }
    let is_playing = selection.tracks.iter().any(|(_, track)| is_track_playing(cx.streams, track));
    if is_playing { Ok(Some(point)) } else { Err(invalid()) }
}
