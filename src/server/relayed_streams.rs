//! Relayed streams: adding them, what their sources do, and passing packets on.

use crate::env::{EventKey, UsageEnvironment};
use crate::error::Error;
use crate::ids::{KEY_RELAYED, KEY_RELAYED_PACKETS, MediaSessionId, RelayedStreamId};
use crate::provide::{RelayedStreamOptions, RelayedTrack, relayed_session, relayed_subsession};
use crate::rtp::ReceivedPacket;
use crate::server::method::outcome::Until;
use crate::server::relayed_table::{RelayedSource, RelayedStream, Unsent};
use crate::server::relayed_tap::{RelayTap, Tap};
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::session::RelayedEvent;
use crate::session::new_stream::stream_before_viewers;
use crate::session::relayed::Demand;
use std::time::Duration;

/// Time after a packet of a video frame for which the packets so far wait for the next.
const PACKET_PATIENCE: Duration = Duration::from_micros(200);
/// Longest time for which the first packets of a video frame wait for the last one.
const FRAME_PATIENCE: Duration = Duration::from_millis(1);

/// What the description of a source means for viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceChange {
    /// The stream is described for the first time.
    First,
    /// Viewers go on with the next key frame.
    SameCodecs,
    /// Viewers of the earlier source get a BYE; the stream is described anew.
    OtherCodecs,
}

impl RtspServer {
    /// Adds a stream that outlives its source: viewers are attached to the stream, and whoever has a
    /// source (a publisher, a player of another server, an application) feeds it.
    ///
    /// `options` are the name of the stream, or [`RelayedStreamOptions`]. A DESCRIBE waits until a
    /// source has been [described](Self::relayed_source_described), at most for
    /// [`ServerConfig::describe_timeout`](super::ServerConfig::describe_timeout).
    ///
    /// Packets are passed on as they come, without making frames of them, and all viewers of a track
    /// get one RTP stream: its SSRC, sequence numbers and timestamps are the server's, and continue
    /// through losses, restarts and changes of the source. Packets that were lost on the way to the
    /// server are missing in the sequence numbers. Sender reports state the source's capture time as
    /// far as the packets tell it.
    ///
    /// Payload, marker and time of a packet are passed on, and nothing else of it. Header extensions
    /// (RFC 8285) are not: their numbers mean what the description of the source says, and what
    /// viewers need of the extensions of ONVIF, the capture time, is in the sender reports. Nor are
    /// contributing sources (CSRCs), which name streams that viewers do not know.
    ///
    /// # Errors
    /// [`Error::Usage`]: a media session of this name exists, or no URL can have this name.
    ///
    /// # Example
    ///
    /// ```
    /// use riverrun::env::UsageEnvironment;
    /// use riverrun::payload::PayloadFormat;
    /// use riverrun::rtp::ReceivedPacket;
    /// use riverrun::server::{RelayedTrack, RtspServer, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut env = UsageEnvironment::new()?;
    /// let address = "127.0.0.1:0".parse()?;
    /// let server = RtspServer::new(&mut env, ServerConfig::default(), &[address])?;
    /// env.with(server, |server, env| {
    ///     let camera = server.add_relayed_stream(env, "camera")?;
    ///     // When the source is there:
    ///     let video = RelayedTrack::new(PayloadFormat::new("video", "H264", 90_000, 96));
    ///     server.relayed_source_described(env, camera, vec![video])?;
    ///     // For each packet that it sends, and once at the end of a turn:
    ///     let mut packet = ReceivedPacket::new(&[0x65, 0x88, 0x80], 0, env.now());
    ///     packet.marker = true;
    ///     server.relay_packet(env, camera, 0, &packet);
    ///     server.send_relayed_packets(env);
    ///     // When it has gone:
    ///     server.relayed_source_lost(env, camera);
    ///     Ok::<(), riverrun::Error>(())
    /// })??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_relayed_stream(
        &mut self,
        env: &mut UsageEnvironment,
        options: impl Into<RelayedStreamOptions>,
    ) -> Result<RelayedStreamId, Error> {
        let mut options = options.into();
        let random = u64::from(env.random_u32()) << 32 | u64::from(env.random_u32());
        // Players parse it as a signed 64-bit number.
        let origin_id = (random >> 1).max(1);
        let Self { relayed, media_sessions, streams, .. } = self;
        let mut added = Ok(());
        let id = relayed.table.insert_with(|id| {
            let session = relayed_session(&options, id, origin_id, &[]);
            session.stream_name().clone_into(&mut options.presentation.name);
            let mut media_session = MediaSessionId::from_raw(crate::arena::RawId::default());
            added = match media_sessions.by_name(&options.presentation.name) {
                Some(_) => Err(Error::Usage("a media session has this name already")),
                None => media_sessions.add(env, streams, session).map(|id| media_session = id),
            };
            RelayedStream::new(options, media_session, origin_id)
        });
        if let Err(e) = added {
            self.relayed.table.remove(id);
            return Err(e);
        }
        Ok(id)
    }

    /// Returns a relayed stream; `None` if it has been removed.
    pub fn relayed_stream(&self, id: RelayedStreamId) -> Option<&RelayedStream> {
        self.relayed.table.get(id)
    }

    /// Returns the relayed stream of a name.
    pub fn relayed_stream_by_name(&self, name: &str) -> Option<RelayedStreamId> {
        self.relayed.by_name(name)
    }

    /// Returns the number of client sessions that have set up tracks of a relayed stream.
    pub fn relayed_viewers(&self, id: RelayedStreamId) -> usize {
        let session = self.relayed.table.get(id).map(|relayed| relayed.media_session);
        let session = session.and_then(|session| self.media_sessions.get(session));
        session.map_or(0, |session| session.reference_count())
    }

    /// Returns the next event of a relayed stream that has a
    /// [waker](RelayedStreamOptions::with_wake). Several requests for a key frame of one track are
    /// one event.
    pub fn poll_relayed_event(&mut self, id: RelayedStreamId) -> Option<RelayedEvent> {
        self.relayed.table.get_mut(id)?.poll_event()
    }

    /// Tells that the source of a relayed stream is there, or another one, or the same with another
    /// description. Viewers of the same codecs go on with the next key frame; if a codec is another
    /// one, the present viewers get a BYE. Requests for the description that wait are answered.
    ///
    /// # Errors
    /// [`Error::Usage`]: there is no such stream, there are no tracks, or a track cannot be described.
    pub fn relayed_source_described(
        &mut self,
        env: &mut UsageEnvironment,
        id: RelayedStreamId,
        tracks: Vec<RelayedTrack>,
    ) -> Result<SourceChange, Error> {
        let relayed = self.relayed.table.get(id).ok_or(Error::Usage("no such relayed stream"))?;
        if tracks.is_empty() {
            return Err(Error::Usage("a source has a track"));
        }
        tracks.iter().try_for_each(RelayedTrack::check)?;
        let is_known = self.media_sessions.contains(relayed.media_session);
        let change = match relayed.tracks.len() {
            0 => SourceChange::First,
            _ if is_known && relayed.has_codecs_of(&tracks) => SourceChange::SameCodecs,
            _ => SourceChange::OtherCodecs,
        };
        match change {
            SourceChange::SameCodecs => self.go_on_with(env, id, tracks),
            SourceChange::First | SourceChange::OtherCodecs => {
                self.describe_anew(env, id, tracks)?
            }
        }
        if let Some(relayed) = self.relayed.table.get_mut(id) {
            (relayed.source, relayed.kept_until) = (RelayedSource::Present, None);
            log::info!("{:?}: its source is there ({change:?})", relayed.name());
            relayed.tell_tap();
        }
        self.keep_for_newcomers(env, id);
        self.arm_relayed_timer(env, id);
        self.wake_requests(env, Until::InputWakes);
        Ok(change)
    }

    /// Goes on with a source whose codecs are those of the last.
    fn go_on_with(
        &mut self,
        env: &mut UsageEnvironment,
        id: RelayedStreamId,
        tracks: Vec<RelayedTrack>,
    ) {
        let Some(relayed) = self.relayed.table.get_mut(id) else { return };
        if let Some(session) = self.media_sessions.get_mut(relayed.media_session) {
            if let Some(media) = &mut session.relayed {
                media.has_source = true;
                media.tracks = tracks.iter().map(|track| track.format().clone()).collect();
            }
            let count = tracks.len();
            for (index, (place, track)) in relayed.tracks.iter_mut().zip(tracks).enumerate() {
                if place.0 != track {
                    place.0 = track;
                    let of_track = relayed_subsession(&relayed.options, index, count, Some(place));
                    session.replace_subsession(index, of_track);
                }
            }
        }
        for (track, input) in &relayed.tracks {
            let format = Some(track.format());
            self.streams.begin_source_anew(env, &mut self.connections, *input, format);
        }
        self.follow_up(env);
    }

    /// Has the streams of the tracks keep, while the source is there, what newcomers begin with, whether
    /// or not anybody watches.
    fn keep_for_newcomers(&mut self, env: &mut UsageEnvironment, id: RelayedStreamId) {
        let Some(relayed) = self.relayed.table.get(id) else { return };
        let (connections, media_sessions) = (&mut self.connections, &mut self.media_sessions);
        for (n, (_, input)) in relayed.tracks.iter().enumerate() {
            self.streams.set_source(env, *input, true);
            let made = stream_before_viewers(
                env,
                &mut self.streams,
                connections,
                media_sessions,
                (relayed.media_session, n),
                self.config.max_packet,
            );
            if let Err(e) = made {
                log::debug!("{:?}: track {} has no stream yet: {e}", relayed.name(), n + 1);
            }
        }
    }

    /// Makes another media session, and ends the viewers of the one before.
    fn describe_anew(
        &mut self,
        env: &mut UsageEnvironment,
        id: RelayedStreamId,
        tracks: Vec<RelayedTrack>,
    ) -> Result<(), Error> {
        let tracks: Vec<_> =
            tracks.into_iter().map(|track| (track, self.create_live_input(env).0)).collect();
        let relayed = self.relayed.table.get(id).ok_or(Error::Usage("no such relayed stream"))?;
        let (before, origin_id) = (relayed.media_session, relayed.origin_id);
        let session = relayed_session(&relayed.options, id, origin_id, &tracks);
        let added = match self.media_sessions.by_name(session.stream_name()) {
            Some(other) if other != before => {
                Err(Error::Usage("a media session has this name already"))
            }
            _ => self.media_sessions.add(env, &mut self.streams, session),
        };
        let media_session = match added {
            Ok(media_session) => media_session,
            Err(e) => {
                for (_, input) in tracks {
                    self.delete_live_input(env, input);
                }
                return Err(e);
            }
        };
        if let Some(relayed) = self.relayed.table.get_mut(id) {
            (relayed.media_session, relayed.tracks) = (media_session, tracks);
        }
        self.close_all_client_sessions(env, before);
        self.handle_demand(env, id, Demand::Viewers);
        Ok(())
    }

    /// Passes on the next packet of a track, in the order in which the source has sent them. It goes
    /// out with the next call of [`send_relayed_packets`](Self::send_relayed_packets), or in the next
    /// turn of the loop. The first packets of a video frame wait for its last one, the one with the
    /// marker, as long as a further packet comes within 200 µs, and for 1 ms at most: a frame that
    /// goes out whole costs a fraction of its packets one by one. Packets of a source that has not been
    /// [described](Self::relayed_source_described), or is lost, are dropped.
    ///
    /// The payload is copied once, whatever the number of viewers. If there is none, it is copied only
    /// where packets are kept for the first ([`FastStart::KeyFrameCache`](super::FastStart)).
    pub fn relay_packet(
        &mut self,
        env: &mut UsageEnvironment,
        id: RelayedStreamId,
        track: usize,
        packet: &ReceivedPacket<'_>,
    ) {
        let Some(relayed) = self.relayed.table.get_mut(id) else { return };
        if relayed.source != RelayedSource::Present {
            return;
        }
        let Some((described, input)) = relayed.tracks.get(track) else { return };
        let (is_video, input) = (described.format().media == "video", *input);
        relayed.packets += 1;
        relayed.tap.packet(track, packet);
        if !self.streams.relay(env, &mut self.connections, input, packet) {
            return;
        }
        let ends_frame = packet.marker || !is_video;
        let now = env.now();
        let patience = if ends_frame { Duration::ZERO } else { PACKET_PATIENCE };
        let unsent = &mut self.relayed.unsent;
        match unsent.iter_mut().rev().find(|unsent| unsent.input == input) {
            // A frame that is complete, or has waited long enough, does not wait for the next one.
            Some(unsent) if unsent.due <= now => {}
            Some(unsent) => unsent.due = (now + patience).min(unsent.since + FRAME_PATIENCE),
            None => unsent.push(Unsent { input, since: now, due: now + patience }),
        }
        self.arm_relayed_packets(env);
    }

    /// Arms the timer for the packets that are due first.
    fn arm_relayed_packets(&mut self, env: &mut UsageEnvironment) {
        let first = self.relayed.unsent.iter().map(|unsent| unsent.due).min();
        match (first, self.me) {
            (Some(due), Some(me)) if self.relayed.timer.armed_at() != Some(due) => {
                env.arm_timer(&mut self.relayed.timer, me, plain_key(KEY_RELAYED_PACKETS), due);
                if due > env.now() {
                    env.wake_by(due);
                }
            }
            (Some(_), _) => {}
            (None, _) => env.disarm_timer(&mut self.relayed.timer),
        }
    }

    /// Sends the packets of all relayed streams that have been [passed](Self::relay_packet) since the
    /// last call, those of each track together, but for beginnings of video frames, which wait for
    /// the rest. Call it when all packets of a turn have been passed.
    pub fn send_relayed_packets(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        if !self.relayed.unsent.iter().any(|unsent| unsent.due <= now) {
            return;
        }
        let mut unsent = std::mem::take(&mut self.relayed.unsent);
        unsent.retain(|unsent| {
            let is_due = unsent.due <= now;
            if is_due {
                self.streams.send_relayed(env, &mut self.connections, unsent.input);
            }
            !is_due
        });
        self.relayed.unsent = unsent;
        self.arm_relayed_packets(env);
        self.follow_up(env);
    }

    /// Tells that the source of a relayed stream is away. Viewers stay for as long as
    /// [the options](RelayedStreamOptions::with_kept_for) say.
    pub fn relayed_source_lost(&mut self, env: &mut UsageEnvironment, id: RelayedStreamId) {
        self.send_relayed_packets(env);
        let Some(relayed) = self.relayed.table.get_mut(id) else { return };
        if relayed.source != RelayedSource::Present {
            return;
        }
        relayed.source = RelayedSource::Lost;
        relayed.kept_until = env.now().checked_add(relayed.options.kept_for);
        log::info!("{:?}: its source is away", relayed.name());
        relayed.tap.lose();
        if let Some(session) = self.media_sessions.get_mut(relayed.media_session) {
            if let Some(media) = &mut session.relayed {
                media.has_source = false;
            }
        }
        for (_, input) in &relayed.tracks {
            self.streams.begin_source_anew(env, &mut self.connections, *input, None);
            self.streams.set_source(env, *input, false);
        }
        self.expire_relayed(env, id);
    }

    /// Sets who listens to a relayed stream, in place of the tap before, which is dropped. If the
    /// source of the stream is there, the tap is told so at once. Returns false if there is no such
    /// stream.
    pub fn set_relay_tap(
        &mut self,
        stream: RelayedStreamId,
        tap: Option<Box<dyn RelayTap>>,
    ) -> bool {
        let Some(relayed) = self.relayed.table.get_mut(stream) else { return false };
        relayed.tap = Tap(tap);
        if relayed.source == RelayedSource::Present {
            relayed.tell_tap();
        }
        true
    }

    /// Removes a relayed stream. Its viewers get a BYE. Returns false if there was none.
    pub fn remove_relayed_stream(
        &mut self,
        env: &mut UsageEnvironment,
        id: RelayedStreamId,
    ) -> bool {
        let Some(mut relayed) = self.relayed.table.remove(id) else { return false };
        env.disarm_timer(&mut relayed.timer);
        let is_own = |input| relayed.tracks.iter().any(|(_, own)| *own == input);
        self.relayed.unsent.retain(|unsent| !is_own(unsent.input));
        self.delete_server_media_session(env, relayed.media_session);
        true
    }

    /// Does what is due: ends viewers whose source has been away for too long, and tells that nobody
    /// wants the stream any more.
    pub(crate) fn expire_relayed(&mut self, env: &mut UsageEnvironment, id: RelayedStreamId) {
        let now = env.now();
        let Some(relayed) = self.relayed.table.get_mut(id) else { return };
        if relayed.kept_until.is_some_and(|until| until <= now) {
            (relayed.source, relayed.kept_until) = (RelayedSource::Absent, None);
            let (name, media_session) =
                (relayed.options.presentation.name.clone(), relayed.media_session);
            let ended = self.close_all_client_sessions(env, media_session);
            if ended > 0 {
                log::info!("{name:?}: its source stays away, {ended} viewers are ended");
            }
        }
        self.handle_demand(env, id, Demand::Viewers);
    }

    fn arm_relayed_timer(&mut self, env: &mut UsageEnvironment, id: RelayedStreamId) {
        let (Some(relayed), Some(me)) = (self.relayed.table.get_mut(id), self.me) else { return };
        match relayed.next_deadline() {
            Some(at) if relayed.timer.armed_at() == Some(at) => {}
            Some(at) => {
                let key = EventKey { kind: KEY_RELAYED, id: id.raw() };
                env.arm_timer(&mut relayed.timer, me, key, at);
            }
            None => env.disarm_timer(&mut relayed.timer),
        }
    }

    // Facts that go up

    /// Viewers have come or gone, or a client has asked for the description.
    pub(crate) fn handle_demand(
        &mut self,
        env: &mut UsageEnvironment,
        id: RelayedStreamId,
        demand: Demand,
    ) {
        let has_viewers = self.relayed_viewers(id) > 0;
        let (now, least) = (env.now(), self.config.describe_timeout);
        let Some(relayed) = self.relayed.table.get_mut(id) else { return };
        if demand == Demand::Described {
            relayed.note_wish(now);
        }
        if has_viewers {
            relayed.keep_viewers(now, least);
        }
        let event = relayed.update_demand(has_viewers, now);
        self.arm_relayed_timer(env, id);
        if let Some(event) = event {
            self.tell_relayed(id, event);
        }
    }

    /// A viewer of a stream needs a key frame: if the stream is relayed, its source is to be asked.
    pub(crate) fn ask_relayed_source(&mut self, (session, track): (MediaSessionId, usize)) {
        let session = self.media_sessions.get(session);
        let Some(media) = session.and_then(|session| session.relayed.as_ref()) else { return };
        if media.has_source {
            let id = media.id;
            self.tell_relayed(id, RelayedEvent::KeyFrameWanted { track });
        }
    }

    fn tell_relayed(&mut self, id: RelayedStreamId, event: RelayedEvent) {
        if let Some(relayed) = self.relayed.table.get_mut(id) {
            relayed.push_event(event);
            if let RelayedEvent::KeyFrameWanted { track } = event {
                self.publications.note_key_frame_wanted(id, track);
            }
            self.hooks.relayed_event(id, event);
        }
    }
}
