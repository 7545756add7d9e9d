//! PLAY (RFC 2326 section 10.5): where to start, what RTP-Info says, and starting.

use super::answer::{Answer, Refusal, Then};
use super::media_session::MediaSessionId;
use super::requests::{Call, Outcome};
use super::rtsp_server::RtspServer;
use super::setup::TrackSetup;
use super::targets::{Scope, media_of, media_of_mut};
use super::waiting::Awaited;
use crate::env::UsageEnvironment;
use crate::media::SeekError;
use crate::wire::rtsp::numbers::{Scale, parse_scale};
use crate::wire::rtsp::{NptTime, Range, RangeError, RangeHeader, RtpInfoEntry, StatusCode};
use std::time::Duration;

/// PLAYs of one turn that read in files: each may read some megabytes.
const SEEKS_PER_TURN: usize = 4;

impl RtspServer {
    pub(super) fn play(
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
            Some(value) => {
                let wanted = parse_scale(value).map_err(|_| StatusCode::BAD_REQUEST)?;
                Some(self.set_scale(&scope, wanted))
            }
        };
        let range = match call.request.headers.value("Range") {
            None => None,
            Some(value) => Some(value.parse::<RangeHeader>().map_err(|e| match e {
                RangeError::Invalid => StatusCode::BAD_REQUEST,
                RangeError::Unsupported => StatusCode::INVALID_RANGE,
            })?),
        };
        let (start, stop) = self.asked_range(&scope, range.as_ref())?;
        let npt = self.position_tracks(env, &scope, start, stop)?;
        let now = env.now();
        for (_, track) in &scope.tracks {
            self.with_stream(env, track.stream, |s, env, w| {
                s.begin_packet(env, w, track.destination);
            });
        }
        if let Some(session) = self.pool.session_mut(scope.session) {
            if let Some(media) = media_of_mut(session, scope.media_session) {
                media.was_played = true;
            }
        }
        let duration = self.media_sessions.get(scope.media_session).and_then(|s| s.duration());
        let end = stop.or(duration);
        answer.field("Range", RangeHeader::from(Range::npt(npt, end)));
        if let Some(scale) = scale {
            answer.field("Scale", Scale(scale));
        }
        self.name_session(answer, scope.session);
        let session = self.pool.session(scope.session);
        let media = session.and_then(|s| media_of(s, scope.media_session));
        let info = scope.tracks.iter().filter_map(|(index, track)| {
            let (seq, rtptime) = self.streams.get(track.stream)?.next_packet(now, npt);
            Some(RtpInfoEntry { url: media?.url(*index)?, seq, rtptime })
        });
        answer.list("RTP-Info", info);
        let tracks = scope.tracks.into_iter().map(|(_, track)| track).collect();
        answer.then = Then::Start { tracks, npt };
        Ok(Outcome::Answered)
    }

    /// Whether there is room in this turn for a PLAY that reads in a file of its own, to find the
    /// position and the first frames. Others of this kind wait for the next turn.
    fn has_room_to_seek(&mut self, env: &UsageEnvironment, scope: &Scope) -> bool {
        let of = |t: &TrackSetup| self.streams.get(t.stream);
        let mut streams = scope.tracks.iter().filter_map(|(_, t)| of(t));
        let reads = streams.any(|s| !s.shared && s.input.is_none());
        !reads || self.seeks.spend(env, SEEKS_PER_TURN)
    }

    /// Start (`None`: where it stands) and end of a Range, or 457.
    fn asked_range(
        &self,
        scope: &Scope,
        range: Option<&RangeHeader>,
    ) -> Result<(Option<Duration>, Option<Duration>), Refusal> {
        let Some(RangeHeader { range, .. }) = range else { return Ok((None, None)) };
        let invalid = || Refusal::from(StatusCode::INVALID_RANGE);
        // Recorded media have no universal time here.
        let (mut start, stop) = range.as_npt().ok_or_else(invalid)?;
        let session = self.media_sessions.get(scope.media_session).ok_or_else(invalid)?;
        let length = session.longest_duration();
        match length {
            Some(length) if start.is_some_and(|s| s > length) => return Err(invalid()),
            // Live: only the beginning, which is now.
            None if start.is_some_and(|s| !s.is_zero()) => return Err(invalid()),
            None => start = None,
            Some(_) => {}
        }
        if stop.is_some_and(|stop| start.is_some_and(|start| stop < start)) {
            return Err(invalid());
        }
        if matches!(range, Range::Npt { start: Some(NptTime::Now), .. }) {
            start = None;
        }
        Ok((start, stop))
    }

    fn set_scale(&mut self, scope: &Scope, wanted: f32) -> f32 {
        let mut used = 1.0;
        for (index, track) in &scope.tracks {
            let Some(stream) = self.streams.get_mut(track.stream).filter(|s| !s.shared) else {
                continue;
            };
            let factory = self
                .media_sessions
                .get_mut(scope.media_session)
                .and_then(|s| s.subsession_mut(*index)?.factory());
            if let Some(factory) = factory {
                used = factory.set_stream_source_scale(stream.source_mut(), wanted);
            }
        }
        used
    }

    /// Brings the tracks to where they are to start, and tells where that is.
    fn position_tracks(
        &mut self,
        env: &mut UsageEnvironment,
        scope: &Scope,
        start: Option<Duration>,
        stop: Option<Duration>,
    ) -> Result<Duration, Refusal> {
        let now = env.now();
        // Where one has ended, all begin anew.
        let over = |s: &Self| {
            scope.tracks.iter().all(|(_, t)| s.streams.get(t.stream).is_none_or(|s| s.has_ended()))
        };
        let all_over = over(self);
        let start = start.or_else(|| all_over.then_some(Duration::ZERO));
        let mut npt: Option<Duration> = None;
        // Of tracks that have no frame to start with: they are over, or not there yet.
        let mut elsewhere: Option<Duration> = None;
        for (index, track) in &scope.tracks {
            let Some(stream) = self.streams.get(track.stream) else { continue };
            if stream.shared || track.is_multicast {
                // Nobody moves or stops what others watch. When all has ended it begins anew.
                let (is_over, begins_anew) = (stream.has_ended(), all_over && !track.is_multicast);
                if begins_anew {
                    let start = Duration::ZERO;
                    self.seek_track(env, scope.media_session, *index, track, start)?;
                }
                self.with_stream(env, track.stream, |s, _, w| s.prepare(w, now));
                if !is_over || begins_anew {
                    let at = self.streams.get(track.stream).map(|s| s.npt());
                    npt = npt.into_iter().chain(at).min();
                }
                continue;
            }
            if let Some(start) = start {
                self.seek_track(env, scope.media_session, *index, track, start)?;
            }
            let at = self.with_stream(env, track.stream, |s, _, w| {
                s.set_stop(stop);
                s.prepare(w, now);
                (s.npt(), s.has_frame())
            });
            let Some((at, has_frame)) = at else { continue };
            let of = if has_frame { &mut npt } else { &mut elsewhere };
            *of = Some(of.map_or(at, |other| other.min(at)));
        }
        Ok(npt.or(elsewhere).unwrap_or_default())
    }

    fn seek_track(
        &mut self,
        env: &mut UsageEnvironment,
        media_session: MediaSessionId,
        index: usize,
        track: &TrackSetup,
        npt: Duration,
    ) -> Result<(), Refusal> {
        let fresh = self.streams.get(track.stream).is_some_and(|s| s.is_fresh());
        if npt.is_zero() && fresh {
            return Ok(());
        }
        let now = env.now();
        let Some(stream) = self.streams.get_mut(track.stream) else { return Ok(()) };
        let session = self.media_sessions.get_mut(media_session);
        let factory = session.and_then(|s| s.subsession_mut(index)?.factory());
        // Where another track is longer, this one is at its end.
        let length = factory.as_ref().and_then(|f| f.duration());
        let npt = length.map_or(npt, |length| npt.min(length));
        let sought = stream.seek_with(&mut self.demuxers, now, |source, cx| match factory {
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
            Err(SeekError::NotSeekable | SeekError::OutOfRange) => {
                Err(StatusCode::INVALID_RANGE.into())
            }
            Err(SeekError::Failed(why)) => {
                log::warn!("seek to {npt:?}: {why}");
                Err(StatusCode::INTERNAL_SERVER_ERROR.into())
            }
        }
    }

    pub(super) fn start_tracks(
        &mut self,
        env: &mut UsageEnvironment,
        tracks: &[TrackSetup],
        npt: Duration,
    ) {
        for track in tracks.iter().filter(|t| !t.is_multicast) {
            self.start_destination(env, track.stream, track.destination, npt);
        }
    }
}
