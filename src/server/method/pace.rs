//! `Scale` and `Speed` of a PLAY (RFC 2326 sections 12.34 and 12.35): what a presentation supports of
//! what is asked for, and playing it like that.
//!
//! A presentation is played at the scale of its video, or of the first track that supports a scale
//! other than 1. Its other tracks are silent meanwhile, and go on with it when it is played normally
//! again. What others watch too is played at scale and speed 1.

use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::refusal::Refusal;
use crate::server::method::selection::Selection;
use crate::session::client_media::TrackSetup;
use crate::stream::pace::Pace;
use crate::wire::rtsp::StatusCode;
use crate::wire::rtsp::numbers::{Scale, parse_scale};

/// The greatest speed, and the inverse of the least.
const MAX_SPEED: f32 = 16.0;

/// What a PLAY asks for, and what it gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlayPace {
    pub(crate) pace: Pace,
    asked_scale: Option<f32>,
    asked_speed: Option<f32>,
}

impl PlayPace {
    /// Chooses what is nearest to what is asked for; normal play, if nothing is. Fails with 400 where
    /// that is no number, or a speed that is not positive.
    pub(crate) fn of(
        cx: &mut Context<'_>,
        selection: &Selection,
        request: &AdmittedRequest<'_>,
    ) -> Result<Self, Refusal> {
        let number = |name| request.header(name).map(parse_scale).transpose();
        let asked_scale = number("Scale").map_err(|_| StatusCode::BAD_REQUEST)?;
        let asked_speed = number("Speed").map_err(|_| StatusCode::BAD_REQUEST)?;
        if asked_speed.is_some_and(|speed| speed <= 0.0) {
            return Err(StatusCode::BAD_REQUEST.into());
        }
        let mut pace = Pace::NORMAL;
        if selection.tracks.iter().all(|(_, track)| is_own(cx, track)) {
            pace.scale = asked_scale.map_or(1.0, |scale| choose(cx, selection, scale));
            pace.speed = asked_speed.unwrap_or(1.0).clamp(1.0 / MAX_SPEED, MAX_SPEED);
        }
        Ok(Self { pace, asked_scale, asked_speed })
    }

    /// Whether it is to be played backwards, and is not.
    pub(crate) fn refuses_backwards(&self) -> bool {
        self.asked_scale.is_some_and(|scale| scale < 0.0) && !self.pace.is_backwards()
    }

    /// Tells what was chosen, of what was asked for.
    pub(crate) fn write(&self, answer: &mut Answer<'_>) {
        if self.asked_scale.is_some() {
            answer.field("Scale", Scale(self.pace.scale));
        }
        if self.asked_speed.is_some() {
            answer.field("Speed", Scale(self.pace.speed));
        }
    }
}

/// Whether the client is alone with the stream of a track, and it is no live one.
fn is_own(cx: &Context<'_>, track: &TrackSetup) -> bool {
    let stream = cx.streams.get(track.stream);
    !track.is_multicast && stream.is_none_or(|s| !s.is_shared() && !s.is_live())
}

/// The scale at which the presentation is played.
fn choose(cx: &mut Context<'_>, selection: &Selection, wanted: f32) -> f32 {
    let mut chosen = (1.0, false);
    for (index, track) in &selection.tracks {
        let Some((scale, is_video)) = test(cx, selection, (*index, track), wanted) else {
            continue;
        };
        if scale != 1.0 && (chosen.0 == 1.0 || is_video && !chosen.1) {
            chosen = (scale, is_video);
        }
    }
    chosen.0
}

/// What is nearest to `wanted` for a track, and whether that is video.
fn test(
    cx: &mut Context<'_>,
    selection: &Selection,
    (index, track): (usize, &TrackSetup),
    wanted: f32,
) -> Option<(f32, bool)> {
    let stream = cx.streams.get(track.stream)?;
    let session = cx.media_sessions.get_mut(selection.media_session)?;
    let factory = session.subsession_mut(index)?.factory()?;
    Some((factory.test_scale_factor(stream.source(), wanted), stream.is_video()))
}

/// Plays the tracks that are the client's own like that from now on. Returns how each was played; nothing
/// if that is the same.
pub(crate) fn set_pace(cx: &mut Context<'_>, selection: &Selection, pace: Pace) -> Vec<Pace> {
    let now = cx.env.now();
    let tracks = &selection.tracks;
    let is_so = |track: &TrackSetup| cx.streams.get(track.stream).is_none_or(|s| s.pace() == pace);
    if tracks.iter().all(|(_, track)| is_so(track)) {
        return Vec::new();
    }
    tracks.iter().map(|track| set_pace_of(cx, selection, track, pace, now)).collect()
}

/// Plays the tracks as they were played before [`set_pace`].
pub(crate) fn restore(cx: &mut Context<'_>, selection: &Selection, before: &[Pace]) {
    let now = cx.env.now();
    for (track, &pace) in selection.tracks.iter().zip(before) {
        set_pace_of(cx, selection, track, pace, now);
    }
}

fn set_pace_of(
    cx: &mut Context<'_>,
    selection: &Selection,
    (index, track): &(usize, TrackSetup),
    pace: Pace,
    now: std::time::Instant,
) -> Pace {
    if !is_own(cx, track) {
        return Pace::NORMAL;
    }
    let tested = test(cx, selection, (*index, track), pace.scale);
    let supported = tested.map(|(scale, _)| scale).filter(|scale| *scale == pace.scale);
    let session = cx.media_sessions.get_mut(selection.media_session);
    let factory = session.and_then(|s| s.subsession_mut(*index)?.factory());
    let Some(stream) = cx.streams.get_mut(track.stream) else { return Pace::NORMAL };
    let before = stream.pace();
    let wanted = supported.unwrap_or(1.0);
    let used = match factory {
        // What others may have written for it is not called for what is so anyway.
        Some(factory) if before.scale != pace.scale => {
            factory.set_stream_source_scale(stream.source_mut(), wanted)
        }
        Some(_) if stream.is_silent() => 1.0,
        _ => wanted,
    };
    stream.set_pace(pace, used != pace.scale, now);
    before
}
