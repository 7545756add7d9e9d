//! PAUSE (RFC 2326 section 10.6): at once, or at a point that is still to come.

use crate::env::UsageEnvironment;
use crate::server::method::answer::{Answer, Refusal};
use crate::server::method::targets::Scope;
use crate::server::requests::Call;
use crate::server::rtsp_server::RtspServer;
use crate::session::client_media::TrackSetup;
use crate::wire::rtsp::{NptTime, Range, RangeHeader, StatusCode};
use std::time::Duration;

impl RtspServer {
    pub(crate) fn pause(
        &mut self,
        env: &mut UsageEnvironment,
        call: &Call<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<(), Refusal> {
        let scope = self.scope(env, call)?;
        self.check_aggregate(&scope)?;
        if !scope.was_played {
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        let asked = match call.request.headers.value("Range") {
            None => None,
            Some(value) => Some(Range::pause_point(value)?),
        };
        let point = self.pause_point(&scope, asked.as_ref())?;
        let is_to_come = point.is_some_and(|point| point > self.position(&scope));
        for (_, track) in scope.tracks.iter().filter(|(_, t)| !t.is_multicast) {
            self.with_stream(env, track.stream, |s, env, w| {
                if is_to_come {
                    s.pause_at = point;
                    return;
                }
                s.begin_packet(env, w, track.destination);
                s.pause(env, track.destination);
                s.pause_at = None;
                // What was sent beyond the point, the client has discarded.
                s.resume_at = point;
            });
        }
        let npt = point.unwrap_or_else(|| self.position(&scope));
        let (range, _) = Range::in_unit_of(asked.as_ref(), npt, None);
        answer.field("Range", RangeHeader::from(range));
        self.name_session(answer, scope.session);
        Ok(())
    }

    /// Where to pause, if the client says it. 457 for a point outside the range that is being
    /// played, and where others watch the same stream, which cannot pause for one alone.
    fn pause_point(
        &self,
        scope: &Scope,
        asked: Option<&Range>,
    ) -> Result<Option<Duration>, Refusal> {
        let Some(asked) = asked else { return Ok(None) };
        if matches!(asked, Range::Npt { start: Some(NptTime::Now), .. }) {
            return Ok(None);
        }
        let invalid = || Refusal::from(StatusCode::INVALID_RANGE);
        let point = asked.as_npt().and_then(|(start, _)| start).ok_or_else(invalid)?;
        for (index, track) in &scope.tracks {
            let stream = self.streams.table.get(track.stream).ok_or_else(invalid)?;
            if stream.shared || track.is_multicast || stream.live {
                return Err(invalid());
            }
            let end = self.track_end(scope, *index, track, stream.stop_at);
            let is_over = stream.has_ended() || end.is_some_and(|end| end <= stream.range_start);
            let is_within = point >= stream.range_start && end.is_none_or(|end| point <= end);
            if !is_within && !is_over {
                return Err(invalid());
            }
        }
        let is_playing = scope.tracks.iter().any(|(_, track)| self.is_track_playing(track));
        if is_playing { Ok(Some(point)) } else { Err(invalid()) }
    }

    /// Normal play time that the tracks stand at.
    pub(crate) fn position(&self, scope: &Scope) -> Duration {
        let of = |t: &TrackSetup| self.streams.table.get(t.stream).map(|s| s.npt());
        scope.tracks.iter().filter_map(|(_, t)| of(t)).min().unwrap_or_default()
    }
}
