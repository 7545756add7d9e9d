//! [`Publications`]: the publications of a server, by client session and by name.

use crate::arena::{Arena, shrink_map};
use crate::env::{EventKey, MediumHandle, Timer, UsageEnvironment};
use crate::ids::{
    ClientSessionId, ConnectionId, KEY_PUBLICATION, OfPublication, PacketOwner, PublicationId,
    RelayedStreamId,
};
use crate::rtsp::connections::Connections;
use crate::server::config::PublishConfig;
use crate::server::publish::publication::Publication;
use crate::server::publish::streams::PublishedStreams;
use crate::stream::streams::Streams;
use crate::wire::rtcp::NtpTime;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The publications of a server. A client session has one at most, and a name has one at most.
#[derive(Debug, Default)]
pub(crate) struct Publications {
    table: Arena<Publication, OfPublication>,
    by_session: HashMap<ClientSessionId, PublicationId>,
    by_name: HashMap<Arc<str>, PublicationId>,
    /// What viewers watch.
    pub(crate) streams: PublishedStreams,
    /// Streams whose publisher is gone, until that is [polled](Self::poll_lost).
    lost: VecDeque<RelayedStreamId>,
    /// Tracks of streams of which a viewer needs a key frame, until that is
    /// [polled](Self::poll_key_frame_wanted).
    wanted: VecDeque<(RelayedStreamId, usize)>,
    /// The medium whose events run the publications.
    owner: Option<MediumHandle>,
    /// Expires when a stream without a publisher ends.
    pub(crate) streams_timer: Timer,
    /// Memory for a report.
    report: Vec<u8>,
    /// Memory for a packet without its protection.
    pub(crate) unprotected: Vec<u8>,
}

impl Publications {
    /// Names the medium that hands on the events of publications.
    pub(crate) const fn set_owner(&mut self, owner: MediumHandle) {
        self.owner = Some(owner);
    }

    /// Adds a publication, whose session and name have none.
    pub(crate) fn insert(&mut self, publication: Publication) -> PublicationId {
        let (session, name) = (publication.session, Arc::clone(&publication.name));
        let id = self.table.insert(publication);
        self.by_session.insert(session, id);
        self.by_name.insert(name, id);
        id
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn get(&self, id: PublicationId) -> Option<&Publication> {
        self.table.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: PublicationId) -> Option<&mut Publication> {
        self.table.get_mut(id)
    }

    /// The publication of a client session.
    pub(crate) fn of_session(&self, session: ClientSessionId) -> Option<PublicationId> {
        self.by_session.get(&session).copied()
    }

    /// The publication of a name.
    pub(crate) fn by_name(&self, name: &str) -> Option<PublicationId> {
        self.by_name.get(name).copied()
    }

    /// The publication that feeds a stream.
    pub(crate) fn of_stream(&self, stream: RelayedStreamId) -> Option<PublicationId> {
        let mut publications = self.table.iter();
        publications.find(|(_, publication)| publication.stream == Some(stream)).map(|(id, _)| id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PublicationId, &Publication)> {
        self.table.iter()
    }

    /// Arms the timer of a publication for what it wants next, unless it is armed for an earlier time.
    pub(crate) fn arm(
        &mut self,
        env: &mut UsageEnvironment,
        id: PublicationId,
        config: &PublishConfig,
    ) {
        let (Some(publication), Some(owner)) = (self.table.get_mut(id), self.owner) else { return };
        let Some(at) = publication.poll_timeout(config.timeout) else { return };
        let timer = &mut publication.timer;
        let is_early = timer.armed_at().is_some_and(|armed| armed <= at) && env.is_armed(timer);
        if !is_early {
            let key = EventKey { kind: KEY_PUBLICATION, id: id.raw() };
            env.arm_timer(timer, owner, key, at);
        }
    }

    /// Sends the RTCP of a track that is due.
    pub(crate) fn send_rtcp(
        &mut self,
        env: &mut UsageEnvironment,
        (streams, connections): (&mut Streams, &mut Connections),
        (id, track): (PublicationId, usize),
    ) {
        let Some(publication) = self.table.get_mut(id) else { return };
        let Some(Some(track)) = publication.tracks.get_mut(track) else { return };
        let (now, ntp) = (env.now(), NtpTime::from_unix(env.wall_clock()));
        let transport = track.transport;
        self.report.clear();
        if track.receiver.has_collision() {
            let ssrc = env.random_u32().max(1);
            track.receiver.change_ssrc(ssrc, ntp, &mut self.report);
        }
        loop {
            track.protect_report(&mut self.report);
            if !self.report.is_empty() {
                streams.send_rtcp_to_publisher(env, connections, transport, &self.report);
            }
            self.report.clear();
            if !track.receiver.poll_rtcp(now, ntp, &mut self.report) {
                return;
            }
        }
    }

    /// Releases the publication of a client session that has ended: its sockets, channels and timer.
    /// Returns whether it had been recorded.
    pub(crate) fn release(
        &mut self,
        env: &mut UsageEnvironment,
        (streams, connections): (&mut Streams, &mut Connections),
        session: ClientSessionId,
    ) -> bool {
        let Some(id) = self.by_session.remove(&session) else { return false };
        let Some(mut publication) = self.table.remove(id) else { return false };
        self.by_name.remove(&publication.name);
        shrink_map(&mut self.by_session);
        shrink_map(&mut self.by_name);
        env.disarm_timer(&mut publication.timer);
        let ntp = NtpTime::from_unix(env.wall_clock());
        for (n, track) in publication.tracks.iter_mut().enumerate() {
            let Some(mut track) = track.take() else { continue };
            let connection = track.connection();
            self.report.clear();
            // Over the connection nothing may follow the answer to TEARDOWN.
            if connection.is_none() && track.receiver.bye(ntp, &mut self.report) {
                track.protect_report(&mut self.report);
                let report = &self.report;
                streams.send_rtcp_to_publisher(env, connections, track.transport, report);
            }
            let owner = PacketOwner::Published(id, n);
            streams.unbind_publisher(env, connections, track.transport, owner);
            if let Some(connection) = connection {
                connections.unbind(env, connection, session);
            }
        }
        self.lost.extend(publication.stream);
        publication.stream.is_some()
    }

    /// Notes that a connection has ended, without which the publication goes on.
    pub(crate) fn note_connection_lost(
        &mut self,
        env: &mut UsageEnvironment,
        id: PublicationId,
        connection: ConnectionId,
        config: &PublishConfig,
    ) {
        let publication = self.table.get_mut(id).filter(|p| p.connection == Some(connection));
        if let Some(publication) = publication {
            publication.note_connection_lost(env.now());
            self.arm(env, id, config);
        }
    }

    /// Returns a stream whose publisher is gone, each once.
    pub(crate) fn poll_lost(&mut self) -> Option<RelayedStreamId> {
        self.lost.pop_front()
    }

    /// Notes that a viewer needs a key frame of a track, if the stream has a publisher.
    pub(crate) fn note_key_frame_wanted(&mut self, stream: RelayedStreamId, track: usize) {
        if self.of_stream(stream).is_some() {
            self.wanted.push_back((stream, track));
        }
    }

    /// Returns a track of a stream of which a viewer needs a key frame.
    pub(crate) fn poll_key_frame_wanted(&mut self) -> Option<(RelayedStreamId, usize)> {
        self.wanted.pop_front()
    }

    /// The stream that viewers watch of a name that is published, or was just now.
    pub(crate) fn stream_of(&self, name: &str) -> Option<RelayedStreamId> {
        self.streams.get(name)
    }
}
