//! Moves the tracks of a PLAY to their starting points: first every track is asked whether it can
//! seek there, then all are moved. A refused PLAY changes nothing.

use crate::media::SeekError;
use crate::server::method::context::Context;
use crate::server::method::refusal::Refusal;
use crate::server::method::selection::Selection;
use crate::session::client_media::TrackSetup;
use crate::wire::rtsp::StatusCode;
use std::time::Duration;

/// The target of a seek, in normal play time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeekTo {
    /// Start; `None`: the tracks stay where they are.
    pub(crate) start: Option<Duration>,
    /// Whether all tracks have ended; shared ones start anew too in that case.
    pub(crate) all_over: bool,
    /// Whether what lies before it is played.
    pub(crate) is_backwards: bool,
}

/// The change that a PLAY makes to the position of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Stay,
    To(Duration),
    /// The track is shorter than others and has nothing to play at the target.
    BehindEnd(Duration),
}

/// Determines the move of each track, and fails if one is impossible, before any track is moved.
pub(crate) fn check_moves(
    cx: &mut Context<'_>,
    selection: &Selection,
    to: SeekTo,
) -> Result<(), Refusal> {
    // Of a back channel alone there is nothing to move.
    let mut has_something = selection.tracks.is_empty();
    for &(index, ref track) in &selection.tracks {
        let there = track_move(cx, selection, (index, track), to).map_err(|e| refusal_of(&e))?;
        has_something |= !matches!(there, Move::BehindEnd(_));
    }
    if has_something { Ok(()) } else { Err(StatusCode::INVALID_RANGE.into()) }
}

/// Moves all tracks. If the first one fails in spite of the check, its error is the answer; later
/// ones end instead, as when their file cannot be read further.
pub(crate) fn move_tracks(
    cx: &mut Context<'_>,
    selection: &Selection,
    to: SeekTo,
) -> Result<(), Refusal> {
    let mut has_moved = false;
    for &(index, ref track) in &selection.tracks {
        let moved = match track_move(cx, selection, (index, track), to) {
            Ok(Move::Stay) => continue,
            Ok(Move::To(npt)) => seek_track(cx, selection, (index, track), npt),
            Ok(Move::BehindEnd(npt)) => {
                end_track(cx, track, npt);
                Ok(())
            }
            Err(e) => Err(e),
        };
        match moved {
            Ok(()) => has_moved = true,
            Err(e) if !has_moved => return Err(refusal_of(&e)),
            Err(e) => {
                log::warn!("a track cannot follow the others of its presentation: {e:?}");
                end_track(cx, track, to.start.unwrap_or_default());
            }
        }
    }
    Ok(())
}

fn track_move(
    cx: &mut Context<'_>,
    selection: &Selection,
    (index, track): (usize, &TrackSetup),
    to: SeekTo,
) -> Result<Move, SeekError> {
    let Some(stream) = cx.streams.get(track.stream) else { return Ok(Move::Stay) };
    let npt = match to.start {
        _ if track.is_multicast => return Ok(Move::Stay),
        // Nobody moves what others watch. When all has ended it begins anew.
        _ if stream.is_shared() && !to.all_over => return Ok(Move::Stay),
        _ if stream.is_shared() => Duration::ZERO,
        Some(npt) => npt,
        None => return Ok(Move::Stay),
    };
    if npt.is_zero() && stream.is_fresh() {
        return Ok(Move::Stay);
    }
    let duration = stream.source().duration().filter(|_| to.is_backwards);
    let session = cx.media_sessions.get_mut(selection.media_session);
    let factory = session.and_then(|s| s.subsession_mut(index)?.factory());
    let checked = cx.streams.check_seek(cx.env, track.stream, |source, cx| match factory {
        Some(factory) => factory.check_seek(source, npt, cx),
        None => source.check_seek(npt, cx),
    });
    match checked {
        Ok(()) => Ok(Move::To(npt)),
        // It may be able to begin anew all the same.
        Err(SeekError::NotSeekable) if npt.is_zero() => Ok(Move::To(npt)),
        Err(SeekError::OutOfRange) => Ok(match duration {
            // Backwards all of it is still to come.
            Some(end) if npt >= end => Move::To(end.saturating_sub(Duration::from_nanos(1))),
            _ => Move::BehindEnd(npt),
        }),
        Err(e) => Err(e),
    }
}

fn seek_track(
    cx: &mut Context<'_>,
    selection: &Selection,
    (index, track): (usize, &TrackSetup),
    npt: Duration,
) -> Result<(), SeekError> {
    let session = cx.media_sessions.get_mut(selection.media_session);
    let factory = session.and_then(|s| s.subsession_mut(index)?.factory());
    let to = (track.stream, track.destination);
    let sought = cx.streams.seek(cx.env, to, |source, cx| match factory {
        Some(factory) => factory.seek_stream_source(source, npt, cx),
        None => source.seek(npt, cx),
    });
    match sought {
        Err(SeekError::NotSeekable) if npt.is_zero() => Ok(()),
        sought => sought,
    }
}

/// Puts a track at its end.
fn end_track(cx: &mut Context<'_>, track: &TrackSetup, npt: Duration) {
    if let Some(stream) = cx.streams.get_mut(track.stream) {
        stream.pause(cx.env, track.destination);
        stream.go_to_end(npt, cx.env.now());
    }
}

fn refusal_of(error: &SeekError) -> Refusal {
    match error {
        SeekError::NotSeekable | SeekError::OutOfRange => StatusCode::INVALID_RANGE.into(),
        SeekError::Failed(why) => {
            log::warn!("seek: {why}");
            StatusCode::INTERNAL_SERVER_ERROR.into()
        }
    }
}
