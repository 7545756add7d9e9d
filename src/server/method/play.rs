//! PLAY (RFC 2326 section 10.5): where to start, what RTP-Info says, and starting.
//!
//! It has two phases: first all tracks are asked whether they can go where they are to, then all are
//! moved.

use crate::env::UsageEnvironment;
use crate::ids::MediaSessionId;
use crate::media::{SeekError, SourceContext};
use crate::server::method::answer::{Answer, Refusal, Then};
use crate::server::method::targets::{Scope, media_of, media_of_mut};
use crate::server::requests::{Call, Outcome};
use crate::server::rtsp_server::RtspServer;
use crate::server::waiting::Awaited;
use crate::session::client_media::TrackSetup;
use crate::wire::rtsp::numbers::{Scale, parse_scale};
use crate::wire::rtsp::{Range, RangeError, RangeHeader, RtpInfoEntry, StatusCode};
use std::time::Duration;

/// PLAYs of one turn that read in files: each may read some megabytes.
const SEEKS_PER_TURN: usize = 4;

/// What a PLAY asks for, in normal play time.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// `None`: go on.
    start: Option<Duration>,
    /// `None`: to the end.
    stop: Option<Duration>,
    /// All tracks have ended; those that others share begin anew too.
    all_over: bool,
}

/// What a PLAY does to the position of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Stay,
    To(Duration),
    /// Other tracks are longer: this one has nothing to play there.
    BehindEnd(Duration),
}

/// Where tracks begin.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    /// Start of the range: when the first frame is presented.
    npt: Duration,
    /// When it is decoded.
    due: Duration,
}

impl Beginning {
    fn earlier(self, other: Self) -> Self {
        Self { npt: self.npt.min(other.npt), due: self.due.min(other.due) }
    }
}

impl From<RangeError> for Refusal {
    fn from(error: RangeError) -> Self {
        Self::from(match error {
            RangeError::Invalid => StatusCode::BAD_REQUEST,
            RangeError::Unsupported => StatusCode::NOT_IMPLEMENTED,
        })
    }
}

impl RtspServer {
    pub(crate) fn play(
        &mut self,
        env: &mut UsageEnvironment,
        call: &Call<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<Outcome, Refusal> {
        let scope = self.scope(env, call)?;
        self.check_aggregate(&scope)?;
        if !self.has_room_to_seek(env, &scope) {
            return Ok(Outcome::Wait(Awaited::Room));
        }
        let scale = match call.request.headers.value("Scale") {
            None => None,
            Some(value) => Some(parse_scale(value).map_err(|_| StatusCode::BAD_REQUEST)?),
        };
        let range = match call.request.headers.value("Range") {
            None => None,
            Some(value) => Some(value.parse::<RangeHeader>()?.range),
        };
        let wanted = self.wanted(&scope, range.as_ref())?;
        self.check_moves(env, &scope, wanted)?;
        // What is refused changes nothing: from here on it is not.
        self.move_tracks(env, &scope, wanted)?;
        let scale = scale.map(|scale| self.set_scale(&scope, scale));
        let begin = self.prepare_tracks(env, &scope);
        let end = self.range_end(&scope, wanted.stop).map(|end| end.max(begin.npt));
        let (range, start) = Range::in_unit_of(range.as_ref(), begin.npt, end);
        for (_, track) in &scope.tracks {
            if let Some(stream) = self.streams.table.get_mut(track.stream).filter(|s| !s.shared) {
                stream.set_range(start, wanted.stop);
            }
        }
        if let Some(session) = self.pool.session_mut(scope.session) {
            if let Some(media) = media_of_mut(session, scope.media_session) {
                media.was_played = true;
            }
        }
        answer.field("Range", RangeHeader::from(range));
        if let Some(scale) = scale {
            answer.field("Scale", Scale(scale));
        }
        self.name_session(answer, scope.session);
        let session = self.pool.session(scope.session);
        let media = session.and_then(|s| media_of(s, scope.media_session));
        let now = env.now();
        let info = scope.tracks.iter().filter_map(|(index, track)| {
            let stream = self.streams.table.get(track.stream)?;
            let joins = !self.is_track_playing(track);
            let (seq, rtptime) = stream.rtp_info(now, start, begin.due, joins);
            let ssrc = stream.changed_ssrc();
            // The grammar wants a parameter at least.
            let is_known = seq.is_some() || rtptime.is_some();
            is_known.then_some(RtpInfoEntry { url: media?.url(*index)?, seq, rtptime, ssrc })
        });
        answer.list("RTP-Info", info);
        let tracks = scope.tracks.into_iter().map(|(_, track)| track).collect();
        answer.then = Then::Start { tracks, due: begin.due };
        Ok(Outcome::Answered)
    }

    /// Whether there is room in this turn for a PLAY that reads in a file of its own, to find the
    /// position and the first frames. Others of this kind wait for the next turn.
    fn has_room_to_seek(&mut self, env: &UsageEnvironment, scope: &Scope) -> bool {
        let of = |t: &TrackSetup| self.streams.table.get(t.stream);
        let mut streams = scope.tracks.iter().filter_map(|(_, t)| of(t));
        let reads = streams.any(|s| !s.shared && s.input.is_none());
        !reads || self.seeks.spend(env, SEEKS_PER_TURN)
    }

    /// Start and end of what is asked for, or 457.
    fn wanted(&self, scope: &Scope, range: Option<&Range>) -> Result<Wanted, Refusal> {
        let invalid = || Refusal::from(StatusCode::INVALID_RANGE);
        let streams = || scope.tracks.iter().filter_map(|(_, t)| self.streams.table.get(t.stream));
        let all_over = streams().all(|s| s.has_ended());
        if all_over && streams().any(|s| s.live) {
            // There is nothing to go back to.
            return Err(StatusCode::GONE.into());
        }
        // Recorded media have no universal time here.
        let (mut start, stop) =
            range.map_or(Some((None, None)), Range::as_npt).ok_or_else(invalid)?;
        let session = self.media_sessions.table.get(scope.media_session).ok_or_else(invalid)?;
        if range.is_some() {
            match session.longest_duration() {
                Some(length) if start.is_some_and(|s| s > length) => return Err(invalid()),
                // Live: only the beginning, which is now.
                None if start.is_some_and(|s| !s.is_zero()) => return Err(invalid()),
                None => start = None,
                Some(_) => {}
            }
        }
        // Without a start: from the pause point, or where it stands; where all has ended, anew.
        let private = || streams().filter(|s| !s.shared && s.origin.is_some());
        let paused = || private().filter_map(|s| s.resume_at).min();
        let start = start.or_else(|| if all_over { Some(Duration::ZERO) } else { paused() });
        let from = start.or_else(|| private().map(|s| s.npt()).min());
        if stop.is_some_and(|stop| from.is_some_and(|from| stop < from)) {
            return Err(invalid());
        }
        Ok(Wanted { start, stop, all_over })
    }

    /// Finds out what becomes of each track, and refuses what cannot be, before any is moved.
    fn check_moves(
        &mut self,
        env: &UsageEnvironment,
        scope: &Scope,
        wanted: Wanted,
    ) -> Result<(), Refusal> {
        let mut has_something = false;
        for (index, track) in &scope.tracks {
            let there = self.track_move(env, scope, (*index, track), wanted);
            let there = there.map_err(|e| refusal_of(&e))?;
            has_something |= !matches!(there, Move::BehindEnd(_));
        }
        if has_something { Ok(()) } else { Err(StatusCode::INVALID_RANGE.into()) }
    }

    fn track_move(
        &mut self,
        env: &UsageEnvironment,
        scope: &Scope,
        (index, track): (usize, &TrackSetup),
        wanted: Wanted,
    ) -> Result<Move, SeekError> {
        let Some(stream) = self.streams.table.get(track.stream) else { return Ok(Move::Stay) };
        let npt = match wanted.start {
            _ if track.is_multicast => return Ok(Move::Stay),
            // Nobody moves what others watch. When all has ended it begins anew.
            _ if stream.shared && !wanted.all_over => return Ok(Move::Stay),
            _ if stream.shared => Duration::ZERO,
            Some(npt) => npt,
            None => return Ok(Move::Stay),
        };
        if npt.is_zero() && stream.is_fresh() {
            return Ok(Move::Stay);
        }
        let session = self.media_sessions.table.get_mut(scope.media_session);
        let factory = session.and_then(|s| s.subsession_mut(index)?.factory());
        let mut cx = SourceContext { now: env.now(), demuxers: &mut self.streams.demuxers };
        let checked = match factory {
            Some(factory) => factory.check_seek(&*stream.source, npt, &mut cx),
            None => stream.source.check_seek(npt, &mut cx),
        };
        match checked {
            Ok(()) => Ok(Move::To(npt)),
            // It may be able to begin anew all the same.
            Err(SeekError::NotSeekable) if npt.is_zero() => Ok(Move::To(npt)),
            Err(SeekError::OutOfRange) => Ok(Move::BehindEnd(npt)),
            Err(e) => Err(e),
        }
    }

    fn move_tracks(
        &mut self,
        env: &mut UsageEnvironment,
        scope: &Scope,
        wanted: Wanted,
    ) -> Result<(), Refusal> {
        let mut has_moved = false;
        for (index, track) in &scope.tracks {
            let there = self.track_move(env, scope, (*index, track), wanted);
            let moved = match there {
                Ok(Move::Stay) => continue,
                Ok(Move::To(npt)) => self.seek_track(env, scope.media_session, *index, track, npt),
                Ok(Move::BehindEnd(npt)) => {
                    if let Some(stream) = self.streams.table.get_mut(track.stream) {
                        stream.pause(env, track.destination);
                        stream.go_to_end(npt);
                    }
                    Ok(())
                }
                Err(e) => Err(e),
            };
            match moved {
                Ok(()) => has_moved = true,
                Err(e) if !has_moved => return Err(refusal_of(&e)),
                // The others have moved. The track ends, as when its file cannot be read on.
                Err(e) => {
                    log::warn!("a track cannot follow the others of its presentation: {e:?}");
                    if let Some(stream) = self.streams.table.get_mut(track.stream) {
                        stream.pause(env, track.destination);
                        stream.go_to_end(wanted.start.unwrap_or_default());
                    }
                }
            }
        }
        Ok(())
    }

    fn seek_track(
        &mut self,
        env: &mut UsageEnvironment,
        media_session: MediaSessionId,
        index: usize,
        track: &TrackSetup,
        npt: Duration,
    ) -> Result<(), SeekError> {
        let now = env.now();
        let Some(stream) = self.streams.table.get_mut(track.stream) else { return Ok(()) };
        let session = self.media_sessions.table.get_mut(media_session);
        let factory = session.and_then(|s| s.subsession_mut(index)?.factory());
        let sought =
            stream.seek_with(&mut self.streams.demuxers, now, |source, cx| match factory {
                Some(factory) => factory.seek_stream_source(source, npt, cx),
                None => source.seek(npt, cx),
            });
        match sought {
            Ok(_) => {
                // Not before: what is refused changes nothing.
                stream.pause(env, track.destination);
                Ok(())
            }
            Err(SeekError::NotSeekable) if npt.is_zero() => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Makes known what the tracks begin with.
    fn prepare_tracks(&mut self, env: &mut UsageEnvironment, scope: &Scope) -> Beginning {
        let now = env.now();
        let mut begin: Option<Beginning> = None;
        // Of tracks that have no frame to start with: they are over, or not there yet.
        let mut elsewhere: Option<Beginning> = None;
        for (_, track) in &scope.tracks {
            let joins = !self.is_track_playing(track);
            let at = self.with_stream(env, track.stream, |s, env, w| {
                s.renew_identity(env);
                s.prepare(w, now);
                s.begin_packet(env, w, track.destination);
                let at = Beginning { npt: s.first_npt(joins), due: s.next_dts() };
                (at, s.has_frame() || s.shared && s.is_playing())
            });
            let Some((at, has_frame)) = at else { continue };
            let of = if has_frame { &mut begin } else { &mut elsewhere };
            *of = Some(of.map_or(at, |other| other.earlier(at)));
        }
        begin.or(elsewhere).unwrap_or(Beginning { npt: Duration::ZERO, due: Duration::ZERO })
    }

    /// Where the range that is played ends: with the last track. `None` where that is not known.
    fn range_end(&self, scope: &Scope, stop: Option<Duration>) -> Option<Duration> {
        let mut end = Duration::ZERO;
        for (index, track) in &scope.tracks {
            end = end.max(self.track_end(scope, *index, track, stop)?);
        }
        Some(end)
    }

    /// Where a track ends, or is to stop before that. Nobody stops what others watch.
    pub(crate) fn track_end(
        &self,
        scope: &Scope,
        index: usize,
        track: &TrackSetup,
        stop: Option<Duration>,
    ) -> Option<Duration> {
        let session = self.media_sessions.table.get(scope.media_session);
        let duration = session.and_then(|s| s.subsession(index)?.duration());
        let is_shared = self.streams.table.get(track.stream).is_none_or(|s| s.shared);
        let stop = stop.filter(|_| !is_shared && !track.is_multicast);
        duration.into_iter().chain(stop).min()
    }

    fn set_scale(&mut self, scope: &Scope, wanted: f32) -> f32 {
        let mut used = 1.0;
        for (index, track) in &scope.tracks {
            let Some(stream) = self.streams.table.get_mut(track.stream).filter(|s| !s.shared)
            else {
                continue;
            };
            let factory = self
                .media_sessions
                .table
                .get_mut(scope.media_session)
                .and_then(|s| s.subsession_mut(*index)?.factory());
            if let Some(factory) = factory {
                used = factory.set_stream_source_scale(stream.source_mut(), wanted);
            }
        }
        used
    }

    pub(crate) fn start_tracks(
        &mut self,
        env: &mut UsageEnvironment,
        tracks: &[TrackSetup],
        due: Duration,
    ) {
        for track in tracks.iter().filter(|t| !t.is_multicast) {
            self.start_destination(env, track.stream, track.destination, due);
        }
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
