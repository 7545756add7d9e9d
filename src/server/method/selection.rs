//! [`Selection`]: the tracks of one media session that a request refers to.

use crate::ids::{BackChannelId, ClientSessionId, MediaSessionId};
use crate::server::method::address::Address;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::refusal::Refusal;
use crate::session::client_media::{SessionMedia, TrackSetup, media_of};
use crate::session::media_sessions::MediaSessions;
use crate::session::pool::{Session, SessionPool};
use crate::stream::streams::Streams;
use crate::wire::rtsp::StatusCode;
use std::time::Duration;

/// What a request refers to of one media session: all that is set up, or one track, or the back
/// channel.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) session: ClientSessionId,
    pub(crate) media_session: MediaSessionId,
    /// Number of the single track, if the URL names one.
    pub(crate) track: Option<usize>,
    /// The tracks with their numbers in the media session.
    pub(crate) tracks: Vec<(usize, TrackSetup)>,
    /// The back channel.
    pub(crate) talk: Option<BackChannelId>,
    pub(crate) was_played: bool,
}

impl Selection {
    /// Determines the tracks of a request. Fails with 454 without a session, 404 for a URL of which
    /// the session has nothing, 455 for a track that is not set up, and in a session that publishes.
    pub(crate) fn of(cx: &mut Context<'_>, request: &AdmittedRequest<'_>) -> Result<Self, Refusal> {
        let session = cx.session_of(request)?.ok_or(StatusCode::SESSION_NOT_FOUND)?;
        if cx.publications.of_session(session).is_some() {
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        let state = cx.pool.session(session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let url = request.request.url.as_str();
        let address = if url == "*" { None } else { Some(Address::parse(url)?) };
        let (media, control) = match &address {
            None => (state.media().next().ok_or(StatusCode::NOT_FOUND)?.1, None),
            Some(address) => media_and_control(state, address).ok_or(StatusCode::NOT_FOUND)?,
        };
        let media_state =
            cx.media_sessions.get(media.media_session).ok_or(StatusCode::NOT_FOUND)?;
        let set_up = media.talk.map(|talk| talk.channel);
        let is_talk =
            control.is_some_and(|c| set_up.is_some() && media_state.back_channel_at(c) == set_up);
        let index = |control| media_state.track_index(control).ok_or(StatusCode::NOT_FOUND);
        let track = control.filter(|_| !is_talk).map(index).transpose()?;
        let tracks: Vec<_> =
            media.selected(track).filter(|_| !is_talk).map(|(i, t)| (i, *t)).collect();
        let talk = set_up.filter(|_| track.is_none());
        if tracks.is_empty() && talk.is_none() {
            // The track was not set up.
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        Ok(Self {
            session,
            media_session: media.media_session,
            track,
            tracks,
            talk,
            was_played: media.was_played,
        })
    }

    /// Fails with 460 if a track would be controlled without the others that come from the same
    /// demultiplexer.
    pub(crate) fn check_aggregate(
        &self,
        media_sessions: &MediaSessions,
        pool: &SessionPool<SessionMedia>,
    ) -> Result<(), Refusal> {
        let only = media_sessions
            .get(self.media_session)
            .is_some_and(|session| session.aggregate_control_only());
        let set_up = pool
            .session(self.session)
            .and_then(|session| media_of(session, self.media_session))
            .map_or(0, |media| media.tracks().count());
        if only && self.track.is_some() && set_up > 1 {
            return Err(StatusCode::ONLY_AGGREGATE_OPERATION_ALLOWED.into());
        }
        Ok(())
    }

    /// The present position of the tracks, in normal play time: of those that are played.
    pub(crate) fn position(&self, streams: &Streams) -> Duration {
        let all = || self.tracks.iter().filter_map(|(_, t)| streams.get(t.stream));
        let played = all().filter(|s| !s.is_silent()).map(|s| s.npt());
        let first = if self.is_backwards(streams) { played.max() } else { played.min() };
        first.or_else(|| all().map(|s| s.npt()).min()).unwrap_or_default()
    }

    /// Whether the tracks are played backwards.
    pub(crate) fn is_backwards(&self, streams: &Streams) -> bool {
        let of = |t: &TrackSetup| streams.get(t.stream);
        self.tracks.iter().filter_map(|(_, t)| of(t)).any(|s| s.pace().is_backwards())
    }

    /// The end of a track, or the earlier point at which it is to stop. A shared stream is not
    /// stopped.
    pub(crate) fn track_end(
        &self,
        (streams, media_sessions): (&Streams, &MediaSessions),
        (index, track): (usize, &TrackSetup),
        stop: Option<Duration>,
    ) -> Option<Duration> {
        let session = media_sessions.get(self.media_session);
        let duration = session.and_then(|s| s.subsession(index)?.duration());
        let is_shared = streams.get(track.stream).is_none_or(|s| s.is_shared());
        let stop = stop.filter(|_| !is_shared && !track.is_multicast);
        duration.into_iter().chain(stop).min()
    }
}

/// The media that a session has set up under a URL, and the control of a track if the URL ends with
/// one. The name of a stream may itself look like a control.
fn media_and_control<'a>(
    session: &'a Session<SessionMedia>,
    address: &'a Address<'_>,
) -> Option<(&'a SessionMedia, Option<&'a str>)> {
    let Some(media) = session.media_at(&address.path) else {
        let (name, control) = address.control_in_path()?;
        return Some((session.media_at(name)?, Some(control)));
    };
    let asked = address.query.map(|query| query.trim_end_matches('/'));
    let is_own = media.base_queries().any(|of| of.map(|q| q.trim_end_matches('/')) == asked);
    let control = address.control_in_query().filter(|_| !is_own);
    Some((media, control.map(|(_, control)| control)))
}

/// Whether a track is being sent to its client.
pub(crate) fn is_track_playing(streams: &Streams, track: &TrackSetup) -> bool {
    streams.is_playing(track.stream, track.destination)
}
