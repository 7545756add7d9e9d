//! PLAY (RFC 2326 section 10.5): determines the range, writes `RTP-Info`, starts the tracks.

use crate::server::access::Action;
use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::outcome::{AfterAnswer, Awaited, NotServed, Served};
use crate::server::method::pace::{self, PlayPace};
use crate::server::method::refusal::Refusal;
use crate::server::method::seek::{SeekTo, check_moves, move_tracks};
use crate::server::method::selection::{Selection, is_track_playing};
use crate::session::client_media::{SessionMedia, TrackSetup, media_of, media_of_mut};
use crate::wire::rtsp::date::UtcTime;
use crate::wire::rtsp::{Range, RangeHeader, RtpInfoEntry, StatusCode};
use std::time::Duration;

/// PLAYs per turn that read from files; each may read some megabytes.
const SEEKS_PER_TURN: usize = 4;

/// The start of the range being played.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    /// Presentation time of the first frame: the start of the range.
    npt: Duration,
    /// Decoding time of the first frame.
    due: Duration,
}

impl Beginning {
    /// What is played first of both.
    fn first(self, other: Self, is_backwards: bool) -> Self {
        let first = if is_backwards { Duration::max } else { Duration::min };
        Self { npt: first(self.npt, other.npt), due: first(self.due, other.due) }
    }
}

pub(crate) fn play(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    let selection = Selection::of(cx, request)?;
    check_right(cx, request, &selection)?;
    selection.check_aggregate(cx.media_sessions, cx.pool)?;
    if !has_room_to_seek(cx, &selection) {
        return Err(NotServed::MustWait(Awaited::Room));
    }
    let play_pace = PlayPace::of(cx, &selection, request)?;
    let is_backwards = play_pace.pace.is_backwards();
    let range = request.header("Range").map(str::parse::<RangeHeader>).transpose();
    let range = range.map_err(Refusal::from)?.map(|header| header.range);
    let (to, stop) = wanted(cx, &selection, range.as_ref(), &play_pace)?;
    check_moves(cx, &selection, to)?;
    // What is refused changes nothing.
    let before = pace::set_pace(cx, &selection, play_pace.pace);
    if let Err(refusal) = move_tracks(cx, &selection, to) {
        pace::restore(cx, &selection, &before);
        return Err(refusal.into());
    }
    // From here on it is not refused.
    let begin = prepare_tracks(cx, &selection, is_backwards);
    let end = if is_backwards {
        Some(stop.unwrap_or_default().min(begin.npt))
    } else {
        range_end(cx, &selection, stop).map(|end| end.max(begin.npt))
    };
    let asked = range;
    let (mut range, start) = Range::in_unit_of(asked.as_ref(), begin.npt, end);
    let captured = capture_of_start(cx, &selection, (start, begin.due));
    if let (Some(Range::Clock { .. }), Some(at)) = (asked, captured) {
        range = Range::Clock { start: UtcTime(at), end: None };
    }
    for (_, track) in &selection.tracks {
        if let Some(stream) = cx.streams.get_mut(track.stream).filter(|s| !s.is_shared()) {
            stream.set_range(start, stop);
        }
    }
    if let Some(session) = cx.pool.session_mut(selection.session) {
        if let Some(media) = media_of_mut(session, selection.media_session) {
            media.was_played = true;
        }
    }
    if let Some(channel) = selection.talk {
        cx.back_channels.set_playing(channel, selection.session, true);
    }
    answer.field("Range", RangeHeader::from(range));
    play_pace.write(answer);
    cx.name_session(answer, selection.session);
    write_rtp_info(cx, &selection, (start, begin.due), captured, answer);
    if let Some(session) = cx.pool.session(selection.session) {
        cx.hooks.played(&session.info());
    }
    let tracks = selection.tracks.into_iter().map(|(_, track)| track).collect();
    Ok(AfterAnswer::StartTracks { tracks, due: begin.due })
}

/// Fails if the requester may not play the stream any more, since the rights have changed.
fn check_right(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    selection: &Selection,
) -> Result<(), Refusal> {
    let of = |media: &SessionMedia| media.media_session() == selection.media_session;
    let session = cx.pool.session(selection.session);
    let media = session.and_then(|session| session.media().find(|(_, media)| of(media)));
    let name = media.map_or("", |(name, _)| name);
    let plays = !selection.tracks.is_empty();
    let actions = [(Action::Play, plays), (Action::Talk, selection.talk.is_some())];
    for (action, _) in actions.into_iter().filter(|(_, is_meant)| *is_meant) {
        if !cx.permits(request, action, name) {
            let name = name.to_owned();
            return cx.check_permission(request, action, &name);
        }
    }
    Ok(())
}

/// Whether this turn has room for a PLAY that reads from a file of its own to find the position and
/// the first frames. Others of this kind wait for the next turn.
fn has_room_to_seek(cx: &mut Context<'_>, selection: &Selection) -> bool {
    let of = |t: &TrackSetup| cx.streams.get(t.stream);
    let mut streams = selection.tracks.iter().filter_map(|(_, t)| of(t));
    let reads = streams.any(|s| !s.is_shared() && !s.is_live());
    !reads || cx.seeks.spend(cx.env, SEEKS_PER_TURN)
}

/// The requested start and end (`None`: the end of the presentation). Fails with 457.
fn wanted(
    cx: &Context<'_>,
    selection: &Selection,
    range: Option<&Range>,
    play_pace: &PlayPace,
) -> Result<(SeekTo, Option<Duration>), Refusal> {
    let is_backwards = play_pace.pace.is_backwards();
    if selection.tracks.is_empty() {
        // Whoever only talks is nowhere in the presentation.
        return Ok((SeekTo { start: None, all_over: false, is_backwards }, None));
    }
    let invalid = || Refusal::from(StatusCode::INVALID_RANGE);
    let streams = || selection.tracks.iter().filter_map(|(_, t)| cx.streams.get(t.stream));
    let all_over = streams().all(|s| s.has_ended());
    if all_over && streams().any(|s| s.is_live()) {
        // There is nothing to go back to.
        return Err(StatusCode::GONE.into());
    }
    // Recorded media have no universal time here. What is relayed has that of its source, and begins
    // now, whatever the time that is asked for.
    let tells_time = streams().any(|s| s.tells_capture_time());
    let range = range.filter(|range| !(tells_time && matches!(range, Range::Clock { .. })));
    let (start, stop) = range.map_or(Some((None, None)), Range::as_npt).ok_or_else(invalid)?;
    let (mut start, stop) = in_direction(start, stop, play_pace);
    let session = cx.media_sessions.get(selection.media_session).ok_or_else(invalid)?;
    if range.is_some() {
        match session.longest_duration() {
            Some(length) if start.is_some_and(|s| s > length) => return Err(invalid()),
            Some(_) => {}
            None if start.is_none_or(|s| s.is_zero()) => start = None,
            // Live: only the beginning, which is now. A recording that is still written can seek.
            None if streams().any(|s| s.is_live() || s.is_shared()) => return Err(invalid()),
            None => {}
        }
    }
    // Without a start: from the pause point, or where it stands; where all has ended, anew.
    let private = || streams().filter(|s| !s.is_shared() && !s.is_multicast());
    let paused = || private().filter_map(|s| s.range().resume_at()).min();
    let is_changed = private().any(|s| s.pace().scale != play_pace.pace.scale);
    let position = selection.position(cx.streams);
    let start = start.or_else(|| if all_over { Some(Duration::ZERO) } else { paused() });
    // At another scale the source gives other frames, and tracks that were silent join the others.
    let start = start.or_else(|| is_changed.then_some(position));
    let from = start.unwrap_or(position);
    if is_backwards {
        // Where nothing lies before the start it is the end that is meant.
        let from_end = session.longest_duration().filter(|_| from.is_zero() && stop.is_none());
        let start = from_end.or(start);
        if stop.is_some_and(|stop| stop > start.unwrap_or(from)) {
            return Err(invalid());
        }
        return Ok((SeekTo { start, all_over, is_backwards }, stop));
    }
    if stop.is_some_and(|stop| stop < from) {
        return Err(invalid());
    }
    Ok((SeekTo { start, all_over, is_backwards }, stop))
}

/// Start and end of a range as they are to be played. Backwards it goes from the later to the earlier,
/// whichever is named first, and 0 is its natural end.
fn in_direction(
    start: Option<Duration>,
    stop: Option<Duration>,
    play_pace: &PlayPace,
) -> (Option<Duration>, Option<Duration>) {
    if play_pace.pace.is_backwards() {
        let (start, stop) = match (start, stop) {
            (Some(start), Some(stop)) => (Some(start.max(stop)), Some(start.min(stop))),
            other => other,
        };
        return (start, stop.filter(|stop| !stop.is_zero()));
    }
    // It cannot be played as it is asked for, and goes on to its natural end instead.
    let is_reversed = start.zip(stop).is_some_and(|(start, stop)| stop < start);
    (start, stop.filter(|_| !(is_reversed && play_pace.refuses_backwards())))
}

/// Obtains the first frame of each track, so that the answer can state where the range begins.
fn prepare_tracks(cx: &mut Context<'_>, selection: &Selection, is_backwards: bool) -> Beginning {
    let mut begin: Option<Beginning> = None;
    // Of tracks that have no frame to start with: they are over, or not there yet.
    let mut elsewhere: Option<Beginning> = None;
    for (_, track) in &selection.tracks {
        let to = (track.stream, track.destination);
        let Some(start) = cx.streams.prepare(cx.env, cx.connections, to) else { continue };
        let at = Beginning { npt: start.npt, due: start.due };
        let of = if start.is_known { &mut begin } else { &mut elsewhere };
        *of = Some(of.map_or(at, |other| other.first(at, is_backwards)));
    }
    begin.or(elsewhere).unwrap_or(Beginning { npt: Duration::ZERO, due: Duration::ZERO })
}

/// The end of the range being played: the end of the last track. `None` if it is unknown.
fn range_end(cx: &Context<'_>, selection: &Selection, stop: Option<Duration>) -> Option<Duration> {
    if selection.tracks.is_empty() {
        // Whoever only talks ends it when it has said all.
        return None;
    }
    let tables = (&*cx.streams, &*cx.media_sessions);
    let mut end = Duration::ZERO;
    for &(index, ref track) in &selection.tracks {
        end = end.max(selection.track_end(tables, (index, track), stop)?);
    }
    Some(end)
}

/// When the start of the range was captured, on the source's wall clock, if the stream is relayed and
/// its source tells.
fn capture_of_start(
    cx: &Context<'_>,
    selection: &Selection,
    (start, due): (Duration, Duration),
) -> Option<Duration> {
    let now = cx.env.now();
    selection.tracks.iter().find_map(|(_, track)| {
        let stream = cx.streams.get(track.stream).filter(|s| s.tells_capture_time())?;
        let joins = !is_track_playing(cx.streams, track);
        stream.capture_time_of(stream.rtp_info(now, start, due, joins).1?)
    })
}

/// Adds `RTP-Info` (RFC 2326 section 12.33): sequence number and timestamp of each track at the
/// start of the range. Where it is known when that was `captured`, the timestamps of all tracks are
/// of that time.
fn write_rtp_info(
    cx: &Context<'_>,
    selection: &Selection,
    (start, due): (Duration, Duration),
    captured: Option<Duration>,
    answer: &mut Answer<'_>,
) {
    let session = cx.pool.session(selection.session);
    let media = session.and_then(|s| media_of(s, selection.media_session));
    let now = cx.env.now();
    let info = selection.tracks.iter().filter_map(|(index, track)| {
        let stream = cx.streams.get(track.stream)?;
        let joins = !is_track_playing(cx.streams, track);
        let (seq, rtptime) = stream.rtp_info(now, start, due, joins);
        let rtptime = captured.and_then(|at| stream.timestamp_of_capture(at)).or(rtptime);
        let ssrc = stream.changed_ssrc();
        // The grammar wants a parameter at least.
        let is_known = seq.is_some() || rtptime.is_some();
        is_known.then_some(RtpInfoEntry { url: media?.url(*index)?, seq, rtptime, ssrc })
    });
    answer.list("RTP-Info", info);
}
