//! SRTP in ANNOUNCE, and in the answers to DESCRIBE and SETUP: which transports a client may choose,
//! and the keys (RFC 4567).

use crate::description::{MediaSession, MediaSubsession};
use crate::ids::{BackChannelId, ConnectionId, DestinationId, MediaSessionId, StreamId};
use crate::rtp::srtp::transform::DerivedKeys;
use crate::rtp::srtp::{SrtpKeys, SrtpTransform};
use crate::rtp::transform::PacketTransform;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::refusal::Refusal;
use crate::session::srtp::{KeyOf, STREAMS_PER_KEY, SrtpConfig, StreamKeys};
use crate::session::subsession::Distribution;
use crate::wire::mikey::{KeyMgmt, MikeyMessage, to_attribute};
use crate::wire::rtcp::NtpTime;
use crate::wire::rtsp::StatusCode;
use std::fmt::Write as _;

/// A track of a media session.
type TrackOf = (MediaSessionId, usize);

impl Context<'_> {
    fn srtp(&self) -> Option<(&SrtpConfig, &StreamKeys)> {
        Some((self.config.srtp.as_ref()?, self.stream_keys))
    }

    /// Whether keys may be told to a requester.
    fn may_tell(&self, request: &AdmittedRequest<'_>) -> bool {
        let config = self.config.srtp.as_ref();
        config.is_some_and(|config| config.allow_plain_connections || request.is_encrypted)
    }

    /// Whether a requester may have a track without SRTP, and with it.
    pub(crate) fn plain_and_secure(
        &self,
        request: &AdmittedRequest<'_>,
        distribution: &Distribution,
    ) -> (bool, bool) {
        let (secure, plain) = match distribution {
            Distribution::Multicast(group) => {
                let is_secure = self.streams.get(group.stream).is_some_and(|s| s.is_secure());
                (is_secure, !is_secure)
            }
            // What leaves this process is protected by whoever sends it on.
            Distribution::OnDemand { .. } if request.is_inside => (false, true),
            Distribution::OnDemand { .. } => {
                let config = self.config.srtp.as_ref();
                (config.is_some(), config.is_none_or(|config| !config.required))
            }
        };
        (plain, secure && self.may_tell(request))
    }

    /// The keys of a track for the client at a connection, with what is known of its stream.
    fn keys_of(&self, connection: ConnectionId, track: TrackOf) -> Option<SrtpKeys> {
        let (config, stream_keys) = self.srtp()?;
        let session = self.media_sessions.get(track.0)?;
        let (key, stream) = match session.subsession(track.1)?.distribution() {
            Distribution::Multicast(group) => (KeyOf::Multicast(group.stream), Some(group.stream)),
            Distribution::OnDemand { reuse_first_source: false, .. } => {
                (KeyOf::Client(connection, track), None)
            }
            Distribution::OnDemand { .. } => {
                let running = self.streams.shared_stream(track, true);
                let before = session.secure_streams(track.1);
                let before = before.saturating_sub(running.is_some().into());
                (KeyOf::Shared(track, before / STREAMS_PER_KEY), running)
            }
        };
        let keys = stream_keys.of(config, key);
        Some(match stream.and_then(|id| self.streams.get(id)) {
            Some(stream) => keys.with_session(stream.ssrc(), stream.roll_over()),
            None => keys.with_session(0, 0),
        })
    }

    fn message(&mut self, keys: &SrtpKeys) -> MikeyMessage {
        let mut random = [0; 20];
        self.env.fill_random(&mut random);
        keys.to_message(&random, NtpTime::from_unix(self.env.wall_clock()).0)
    }

    /// The description for a client, with SRTP and its keys where a track has them.
    ///
    /// # Errors
    /// 403: there is nothing but SRTP, and the connection is not secure.
    pub(crate) fn secure_description(
        &mut self,
        request: &AdmittedRequest<'_>,
        media_session: MediaSessionId,
        sdp: &str,
    ) -> Result<String, Refusal> {
        let mut out = String::with_capacity(sdp.len() + 512);
        let mut tracks = 0..;
        let mut offered: Option<MikeyMessage> = None;
        for line in sdp.split_inclusive('\n') {
            let Some(rest) = line.strip_prefix("m=") else {
                out.push_str(line);
                continue;
            };
            finish_media(&mut out, offered.take());
            let track = (media_session, tracks.next().unwrap_or(usize::MAX));
            let subsession = self.media_sessions.get(media_session);
            let subsession = subsession.and_then(|session| session.subsession(track.1));
            let distribution = subsession.ok_or(StatusCode::NOT_FOUND)?.distribution();
            let (plain, secure) = self.plain_and_secure(request, &distribution);
            if !secure && !plain {
                return Err(StatusCode::FORBIDDEN.into());
            }
            if secure {
                let keys = self.keys_of(request.connection, track);
                offered = keys.map(|keys| self.message(&keys));
            }
            out.push_str("m=");
            match &offered {
                Some(_) => out.push_str(&rest.replacen(" RTP/AVP ", " RTP/SAVP ", 1)),
                None => out.push_str(rest),
            }
        }
        finish_media(&mut out, offered);
        Ok(out)
    }

    /// Lets what a track's stream sends be protected, if it is a new stream.
    ///
    /// # Errors
    /// 500: its packets are too small.
    pub(crate) fn protect_stream(
        &mut self,
        connection: ConnectionId,
        track: TrackOf,
        stream: StreamId,
    ) -> Result<(), Refusal> {
        let Some(state) = self.streams.get(stream).filter(|s| !s.has_transform()) else {
            return Ok(());
        };
        let is_shared = state.is_shared();
        // Before its key is looked up: that goes by the streams before this one, which runs already.
        if let Some(session) = self.media_sessions.get_mut(track.0).filter(|_| is_shared) {
            session.note_secure_stream(track.1);
        }
        let keys = self.keys_of(connection, track).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        let derived = DerivedKeys::new(keys);
        let transform = if is_shared {
            SrtpTransform::for_group(&derived)
        } else {
            SrtpTransform::new(&derived, &derived)
        };
        if let Err(e) = self.streams.set_transform(stream, Box::new(transform)) {
            log::warn!("stream {stream} cannot be protected: {e}");
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into());
        }
        Ok(())
    }

    /// The keys that a client's receiver sends with, if it states them.
    ///
    /// # Errors
    /// 463: they cannot be read, or not be used.
    pub(crate) fn client_keys(
        &self,
        request: &AdmittedRequest<'_>,
    ) -> Result<Option<DerivedKeys>, Refusal> {
        let Some(value) = request.request.headers.joined("KeyMgmt") else { return Ok(None) };
        let header = KeyMgmt::parse(&value, request.request.url.as_str());
        let header = header.map_err(|e| key_failure(request, &e.to_string()))?;
        let keys = SrtpKeys::of_message(&header.message);
        let keys = keys.map_err(|e| key_failure(request, &e.to_string()))?;
        Ok(Some(DerivedKeys::new(keys)))
    }

    /// Fails with 403 if a description that is announced has keys, or demands some, over a connection
    /// where everybody on the way can read them; with 463 if they cannot be used.
    pub(crate) fn check_announced_keys(
        &self,
        request: &AdmittedRequest<'_>,
        description: &MediaSession,
    ) -> Result<(), Refusal> {
        let secure = || description.subsessions.iter().filter(|track| track.profile.is_secure());
        if self.config.srtp.is_none() || secure().next().is_none() {
            return Ok(());
        }
        if !self.may_tell(request) {
            log::debug!("{}: SRTP is published over TLS only", request.peer);
            return Err(StatusCode::FORBIDDEN.into());
        }
        for track in secure() {
            SrtpKeys::described(track.keys.iter()).map_err(|e| key_failure(request, &e))?;
        }
        Ok(())
    }

    /// What takes the protection off the packets of a track that is published, and protects the
    /// reports to its publisher. The publisher's keys are those of its description, or of the request
    /// to set the track up; where both have some, the latter are for the reports. `None`: the track
    /// cannot be protected.
    ///
    /// # Errors
    /// 463: the track is described as a protected one and there are no keys, or they cannot be used.
    pub(crate) fn publisher_protection(
        &self,
        request: &AdmittedRequest<'_>,
        track: &MediaSubsession,
    ) -> Result<Option<Box<dyn PacketTransform>>, Refusal> {
        if !self.may_tell(request) {
            return Ok(None);
        }
        let asked = self.client_keys(request)?;
        let described =
            SrtpKeys::described(track.keys.iter()).map_err(|e| key_failure(request, &e))?;
        let described = described.map(DerivedKeys::new);
        let keys = (asked.as_ref().or(described.as_ref()), described.as_ref().or(asked.as_ref()));
        let (Some(sent), Some(received)) = keys else {
            let is_demanded = track.profile.is_secure();
            let failure = || key_failure(request, "no keys are stated");
            return if is_demanded { Err(failure()) } else { Ok(None) };
        };
        Ok(Some(Box::new(SrtpTransform::new(sent, received))))
    }

    /// Lets what a client's receiver sends be unprotected with its keys.
    pub(crate) fn set_client_keys(
        &mut self,
        (stream, destination): (StreamId, DestinationId),
        keys: &DerivedKeys,
    ) {
        if let Some(stream) = self.streams.get_mut(stream) {
            let transform = Box::new(SrtpTransform::incoming(keys));
            stream.set_incoming_transform(destination, transform);
        }
    }

    /// Whether a requester may talk to a back channel without SRTP, and with it.
    pub(crate) fn plain_and_secure_talk(&self, request: &AdmittedRequest<'_>) -> (bool, bool) {
        let config = self.config.srtp.as_ref();
        let plain = config.is_none_or(|config| !config.required);
        (plain, config.is_some() && self.may_tell(request))
    }

    /// The keys with which reports to a talker are protected, and its packets if it states none.
    fn talk_keys(&self, connection: ConnectionId, track: TrackOf) -> Option<SrtpKeys> {
        let (config, stream_keys) = self.srtp()?;
        Some(stream_keys.of(config, KeyOf::Client(connection, track)).with_session(0, 0))
    }

    /// The value of the attribute that states the keys of a back channel.
    pub(crate) fn talk_keys_attribute(
        &mut self,
        request: &AdmittedRequest<'_>,
        track: TrackOf,
    ) -> Option<String> {
        let keys = self.talk_keys(request.connection, track)?;
        Some(to_attribute(&self.message(&keys)))
    }

    /// Has what a talker sends unprotected, with its own keys if it has stated some. Returns the header
    /// field with the server's keys.
    pub(crate) fn protect_talk(
        &mut self,
        request: &AdmittedRequest<'_>,
        channel: BackChannelId,
        track: TrackOf,
        client_keys: Option<&DerivedKeys>,
    ) -> Option<KeyMgmt> {
        let keys = self.talk_keys(request.connection, track)?;
        let message = self.message(&keys);
        let own = DerivedKeys::new(keys);
        let transform = SrtpTransform::new(&own, client_keys.unwrap_or(&own));
        let talker = self.back_channels.get_mut(channel)?.talker.as_mut()?;
        talker.set_transform(Box::new(transform));
        Some(KeyMgmt { url: Some(request.request.url.as_str().to_owned()), message })
    }

    /// The header field with the keys of a track that is set up.
    pub(crate) fn key_answer(
        &mut self,
        request: &AdmittedRequest<'_>,
        track: TrackOf,
        stream: StreamId,
    ) -> Option<KeyMgmt> {
        let mut keys = self.keys_of(request.connection, track)?;
        let state = self.streams.get(stream)?;
        keys.sessions = vec![(state.ssrc(), state.roll_over())];
        let message = self.message(&keys);
        Some(KeyMgmt { url: Some(request.request.url.as_str().to_owned()), message })
    }
}

/// The refusal of keys that cannot be used.
fn key_failure(request: &AdmittedRequest<'_>, why: &str) -> Refusal {
    log::debug!("{}: keys: {why}", request.peer);
    StatusCode::KEY_MANAGEMENT_FAILURE.into()
}

/// Adds the keys to the description of a track.
fn finish_media(sdp: &mut String, offered: Option<MikeyMessage>) {
    if let Some(message) = offered {
        // Writing to a String cannot fail.
        let _ = write!(sdp, "a=key-mgmt:{}\r\n", to_attribute(&message));
    }
}
