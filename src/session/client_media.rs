//! [`SessionMedia`]: the tracks of one media session that a client session has set up.

use crate::ids::{
    BackChannelId, ClientSessionId, ConnectionId, DestinationId, MediaSessionId, StreamId,
};
use crate::session::names::{split_query, split_url};
use crate::session::pool::Session;
use std::fmt;
use std::net::IpAddr;

/// The tracks of one media session that a client session has set up.
#[derive(Debug)]
pub struct SessionMedia {
    pub(crate) media_session: MediaSessionId,
    pub(crate) tracks: Vec<Option<Track>>,
    /// The back channel, if it is set up.
    pub(crate) talk: Option<TalkSetup>,
    /// Whether PLAY has been answered at least once.
    pub(crate) was_played: bool,
}

/// A back channel that a client has set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TalkSetup {
    pub(crate) channel: BackChannelId,
    /// The RTSP connection over which the client talks, if it does not over UDP.
    pub(crate) connection: Option<ConnectionId>,
    /// Whether the talk comes to ports of its own.
    pub(crate) has_ports: bool,
}

pub(crate) struct Track {
    pub(crate) setup: TrackSetup,
    /// The track's URL as in SETUP, for `RTP-Info`.
    pub(crate) url: Box<str>,
    /// Whether the control is appended to the query of that URL.
    pub(crate) control_in_query: bool,
}

/// Without the URL, in which there may be a token.
impl fmt::Debug for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track").field("setup", &self.setup).finish_non_exhaustive()
    }
}

/// A track that a client has set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrackSetup {
    pub(crate) stream: StreamId,
    pub(crate) destination: DestinationId,
    /// Whether the stream is multicast; its destination is shared by all clients.
    pub(crate) is_multicast: bool,
    pub(crate) connection: Option<ConnectionId>,
    /// For a multicast stream: the address whose receiver reports extend the session.
    pub(crate) member: Option<(IpAddr, ClientSessionId)>,
}

impl SessionMedia {
    pub(crate) fn new(media_session: MediaSessionId, tracks: usize) -> Self {
        let tracks = std::iter::repeat_with(|| None).take(tracks).collect();
        Self { media_session, tracks, talk: None, was_played: false }
    }

    /// Returns the media session that the tracks belong to.
    pub const fn media_session(&self) -> MediaSessionId {
        self.media_session
    }

    /// Iterates over the tracks that are set up.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = &TrackSetup> {
        self.tracks.iter().flatten().map(|track| &track.setup)
    }

    /// The URL under which a track was set up.
    pub(crate) fn url(&self, track: usize) -> Option<&str> {
        self.tracks.get(track)?.as_ref().map(|track| &*track.url)
    }

    /// The queries of the tracks' URLs, without controls.
    pub(crate) fn base_queries(&self) -> impl Iterator<Item = Option<&str>> {
        self.tracks.iter().flatten().map(|track| {
            let query = split_url(&track.url).1.strip_prefix('?')?;
            let control = split_query(query).filter(|_| track.control_in_query);
            Some(control.map_or(query, |(base, _)| base))
        })
    }

    /// Iterates over all tracks that are set up, or over the one with a number.
    pub(crate) fn selected(
        &self,
        track: Option<usize>,
    ) -> impl Iterator<Item = (usize, &TrackSetup)> {
        self.tracks
            .iter()
            .enumerate()
            .filter_map(|(index, track)| Some((index, &track.as_ref()?.setup)))
            .filter(move |(index, _)| track.is_none_or(|t| t == *index))
    }

    pub(crate) fn take_track(&mut self, track: usize) -> Option<TrackSetup> {
        Some(self.tracks.get_mut(track)?.take()?.setup)
    }

    /// Number of what is set up: the tracks and the back channel.
    pub(crate) fn set_up_count(&self) -> usize {
        self.tracks().count() + usize::from(self.talk.is_some())
    }

    /// The RTSP connections that the tracks are sent over, and the client talks over.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        let talk = self.talk.and_then(|talk| talk.connection);
        self.tracks().filter_map(|track| track.connection).chain(talk)
    }
}

/// The tracks that a client session has of a media session.
pub(crate) fn media_of(
    session: &Session<SessionMedia>,
    media_session: MediaSessionId,
) -> Option<&SessionMedia> {
    session.media().map(|(_, media)| media).find(|media| media.media_session() == media_session)
}

/// Like [`media_of`], mutable.
pub(crate) fn media_of_mut(
    session: &mut Session<SessionMedia>,
    media_session: MediaSessionId,
) -> Option<&mut SessionMedia> {
    session.media_mut().map(|(_, media)| media).find(|media| media.media_session() == media_session)
}

/// Whether a track of a client session is sent over an RTSP connection.
pub(crate) fn is_streamed_over(session: &Session<SessionMedia>, connection: ConnectionId) -> bool {
    session.media().any(|(_, media)| media.connections().any(|c| c == connection))
}
