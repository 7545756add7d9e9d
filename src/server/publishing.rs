//! The server's side of a publication: from the packets of its publisher to the stream that viewers
//! watch, and what becomes of both when one of them ends.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{ClientSessionId, KEY_PUBLISHED_STREAMS, PublicationId, RelayedStreamId};
use crate::provide::RelayedStreamOptions;
use crate::rtp::StreamReceiver;
use crate::rtp::rtcp::NtpTime;
use crate::server::config::PublishConfig;
use crate::server::method::outcome::{AfterAnswer, Served};
use crate::server::method::refusal::Refusal;
use crate::server::publish::Phase;
use crate::server::publish::track::relayed_track;
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::session::pool::RemovalReason;
use crate::wire::rtp::PacketKind;
use crate::wire::rtsp::StatusCode;
use std::sync::Arc;

impl RtspServer {
    /// Returns the policy and the limits of publishers for changes. A change applies to new requests;
    /// present publishers go on.
    pub const fn publish_config_mut(&mut self) -> &mut PublishConfig {
        &mut self.config.publish
    }

    /// Returns the client session that publishes a stream; `None` if nobody does.
    /// [`end_client_session`](Self::end_client_session) ends it.
    pub fn publisher_of(&self, stream: RelayedStreamId) -> Option<ClientSessionId> {
        let publication = self.publications.of_stream(stream)?;
        Some(self.publications.get(publication)?.session)
    }

    /// Iterates over the tracks that a client session publishes: the number of each in the description
    /// that was announced, from 0, and its receiver, which has counted what arrived and what was lost.
    /// Empty if the session publishes nothing.
    pub fn published_tracks(
        &self,
        session: ClientSessionId,
    ) -> impl Iterator<Item = (usize, &StreamReceiver)> {
        let publication = self.publications.of_session(session);
        let publication = publication.and_then(|id| self.publications.get(id));
        publication.into_iter().flat_map(|publication| {
            publication.set_up().map(|(number, track)| (number, &track.receiver))
        })
    }

    /// Carries out a RECORD before it is answered.
    pub(crate) fn start_recording(&mut self, env: &mut UsageEnvironment, served: Served) -> Served {
        match served {
            Ok(AfterAnswer::Record(id)) => {
                self.record(env, id)?;
                Ok(AfterAnswer::Nothing)
            }
            other => other,
        }
    }

    /// Describes the stream that viewers watch by what its publisher has announced and set up, and
    /// passes the publisher's packets on to it from now on.
    fn record(&mut self, env: &mut UsageEnvironment, id: PublicationId) -> Result<(), Refusal> {
        let Some(publication) = self.publications.get(id) else {
            return Err(StatusCode::SESSION_NOT_FOUND.into());
        };
        let (session, name) = (publication.session, Arc::clone(&publication.name));
        let set_up: Vec<usize> = publication.set_up().map(|(n, _)| n).collect();
        let described = &publication.description.subsessions;
        let tracks = set_up.iter().filter_map(|n| described.get(*n));
        let tracks = tracks.map(relayed_track).collect();
        let own = self.publications.stream_of(&name);
        let own = own.filter(|stream| self.relayed_stream(*stream).is_some());
        let of_application = self.stream_of_application(&name);
        let stream = match own.or(of_application) {
            Some(stream) => stream,
            None => {
                let PublishConfig { kept_for, fast_start, .. } = self.config.publish;
                let mut options = RelayedStreamOptions::new(&name).with_kept_for(kept_for);
                if let Some(fast_start) = fast_start {
                    options = options.with_fast_start(fast_start);
                }
                self.add_relayed_stream(env, options).map_err(|e| refusal(&name, &e))?
            }
        };
        if let Err(e) = self.relayed_source_described(env, stream, tracks) {
            if own.or(of_application).is_none() {
                self.remove_relayed_stream(env, stream);
            }
            return Err(refusal(&name, &e));
        }
        // One that the application has added stays whether or not it is published.
        if of_application.is_none() {
            self.publications.streams.note_publisher(&name, stream);
        }
        let now = env.now();
        let Some(publication) = self.publications.get_mut(id) else { return Ok(()) };
        publication.phase = Phase::Recording;
        publication.stream = Some(stream);
        publication.heard_at = now;
        for (place, n) in set_up.into_iter().enumerate() {
            if let Some(Some(track)) = publication.tracks.get_mut(n) {
                track.place = place;
            }
        }
        self.publications.arm(env, id, &self.config.publish);
        self.arm_streams_timer(env);
        if let Some(session) = self.pool.session(session) {
            let info = session.info();
            let level = self.pool.level_for_line(info.peer, now);
            log::log!(level, "session {} of {} publishes {:?}", info.id, info.peer, info.stream);
            self.hooks.recorded(&info);
        }
        Ok(())
    }

    /// The stream of a name that the application has added for publishers.
    fn stream_of_application(&self, name: &str) -> Option<RelayedStreamId> {
        let id = self.relayed_stream_by_name(name)?;
        self.relayed_stream(id).filter(|stream| stream.options.takes_publishers).map(|_| id)
    }

    /// Takes a packet that has come for a track of a publication.
    pub(crate) fn receive_published(
        &mut self,
        env: &mut UsageEnvironment,
        (id, n): (PublicationId, usize),
        (kind, data): (PacketKind, &[u8]),
    ) {
        let Some(publication) = self.publications.get_mut(id) else { return };
        let (phase, stream) = (publication.phase, publication.stream);
        let Some(mut track) = publication.tracks.get_mut(n).and_then(Option::take) else { return };
        let now = env.now();
        let (place, session) = (track.place, publication.session);
        let mut memory = std::mem::take(&mut self.publications.unprotected);
        let plain = track.unprotect(kind, data, &mut memory);
        let is_taken = match (plain, kind, stream) {
            (None, ..) => false,
            (Some(data), PacketKind::Rtcp, _) => {
                let ntp = NtpTime::from_unix(env.wall_clock());
                track.receiver.handle_rtcp(data, now, ntp).valid
            }
            (Some(data), PacketKind::Rtp, Some(stream)) if phase == Phase::Recording => {
                let taken = track.receiver.handle_rtp_with(data, now, |packet| {
                    self.relay_packet(env, stream, place, packet);
                });
                taken.is_ok()
            }
            // Before RECORD it opens a path through an address translator; in a pause it is late.
            (Some(_), PacketKind::Rtp, _) => false,
        };
        self.publications.unprotected = memory;
        let is_due = track.receiver.poll_timeout().is_some_and(|at| at <= now);
        let Some(publication) = self.publications.get_mut(id) else { return };
        if let Some(slot) = publication.tracks.get_mut(n) {
            *slot = Some(track);
        }
        if let Some(session) = self.pool.session_mut(session).filter(|_| is_taken) {
            session.count_packet(data.len());
        }
        if is_taken && publication.note_packet(now) {
            self.pool.touch(session, now);
        }
        if is_due {
            let tables = (&mut self.streams, &mut self.connections);
            self.publications.send_rtcp(env, tables, (id, n));
        }
        self.publications.arm(env, id, &self.config.publish);
    }

    /// The timer of a publication has expired: packets that have waited for others go on, reports are
    /// sent, and a silent publisher's session ends.
    pub(crate) fn run_publication(&mut self, env: &mut UsageEnvironment, id: PublicationId) {
        let now = env.now();
        let Some(publication) = self.publications.get(id) else { return };
        let silent_at = publication.silent_at(self.config.publish.timeout);
        if silent_at.is_some_and(|at| at <= now) {
            let (session, name) = (publication.session, Arc::clone(&publication.name));
            log::debug!("the publisher of {name:?} is silent");
            self.end_session(env, session, RemovalReason::Expired);
            return;
        }
        let stream = publication.stream.filter(|_| publication.phase == Phase::Recording);
        for n in 0..publication.tracks.len() {
            let publication = self.publications.get_mut(id);
            let slot = publication.and_then(|p| p.tracks.get_mut(n));
            let Some(mut track) = slot.and_then(Option::take) else { continue };
            let place = track.place;
            track.receiver.handle_timeout_with(now, |packet| {
                if let Some(stream) = stream {
                    self.relay_packet(env, stream, place, packet);
                }
            });
            if let Some(slot) = self.publications.get_mut(id).and_then(|p| p.tracks.get_mut(n)) {
                *slot = Some(track);
            }
            let tables = (&mut self.streams, &mut self.connections);
            self.publications.send_rtcp(env, tables, (id, n));
        }
        self.publications.arm(env, id, &self.config.publish);
    }

    /// Asks the publisher of a stream for a key frame of a track, if there is one and its description
    /// allows that.
    pub(crate) fn ask_publisher_for_key_frame(
        &mut self,
        env: &mut UsageEnvironment,
        stream: RelayedStreamId,
        place: usize,
    ) {
        let Some(id) = self.publications.of_stream(stream) else { return };
        let Some(publication) = self.publications.get_mut(id) else { return };
        let mut tracks = publication.tracks.iter_mut().enumerate();
        let wanted = tracks.find_map(|(n, track)| {
            let track = track.as_mut().filter(|track| track.place == place)?;
            track.receiver.want_key_frame();
            Some(n)
        });
        if let Some(n) = wanted {
            let tables = (&mut self.streams, &mut self.connections);
            self.publications.send_rtcp(env, tables, (id, n));
            self.publications.arm(env, id, &self.config.publish);
        }
    }

    /// The publisher of a stream is gone; viewers stay for a while.
    pub(crate) fn note_publisher_lost(
        &mut self,
        env: &mut UsageEnvironment,
        stream: RelayedStreamId,
    ) {
        self.relayed_source_lost(env, stream);
        let kept_for = self.config.publish.kept_for;
        let ends_at = env.now().checked_add(kept_for);
        self.publications.streams.note_loss(stream, ends_at);
        self.arm_streams_timer(env);
    }

    /// Ends the streams for which no publisher has come back.
    pub(crate) fn end_published_streams(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        while let Some((name, stream)) = self.publications.streams.poll_ended(now) {
            log::debug!("nobody publishes {name:?} any more");
            self.remove_relayed_stream(env, stream);
        }
        self.arm_streams_timer(env);
    }

    fn arm_streams_timer(&mut self, env: &mut UsageEnvironment) {
        let at = self.publications.streams.poll_timeout();
        let timer = &mut self.publications.streams_timer;
        match (at, self.me) {
            (Some(at), Some(me)) => env.arm_timer(timer, me, plain_key(KEY_PUBLISHED_STREAMS), at),
            _ => env.disarm_timer(timer),
        }
    }
}

/// The status code for a stream that cannot be made.
fn refusal(name: &str, error: &Error) -> Refusal {
    log::debug!("{name:?} cannot be published: {error}");
    let status = match error {
        Error::Limit { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Usage(_) => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    status.into()
}
