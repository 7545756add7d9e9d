//! Sets up a track: finds or makes its stream, adds a destination to it, and records both in the
//! client session.

use crate::error::Error;
use crate::ids::{ClientSessionId, DestinationId, MediaSessionId, StreamId};
use crate::net::{PortPair, is_out_of_descriptors, with_port};
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::refusal::Refusal;
use crate::server::method::server_part::{channels_over, complete_transport};
use crate::server::method::transport::{AgreedTransport, ChosenTransport};
use crate::session::client_media::{SessionMedia, Track, TrackSetup, media_of, media_of_mut};
use crate::session::new_stream::stream_for;
use crate::session::subsession::StreamRequest;
use crate::stream::destination::{DestinationTransport, Goodbye};
use crate::stream::sockets::SocketsId;
use crate::warned::Breach;
use crate::wire::rtsp::StatusCode;
use std::borrow::Cow;
use std::io;

/// A track to set up, and the client.
#[derive(Debug)]
pub(crate) struct TrackRequest<'a> {
    pub(crate) by: &'a AdmittedRequest<'a>,
    pub(crate) session: ClientSessionId,
    pub(crate) media_session: MediaSessionId,
    pub(crate) name: &'a str,
    pub(crate) track: usize,
    /// Whether its packets are to be protected.
    pub(crate) is_secure: bool,
    /// The present setup of the track in the session.
    pub(crate) current: Option<TrackSetup>,
    /// The track's control URL.
    pub(crate) url: Cow<'a, str>,
    pub(crate) control_in_query: bool,
}

/// A transport, and the SSRC of the packets sent over it.
type WithSsrc = (AgreedTransport, Option<u32>);

/// The present transport of a track, if the requested one would get the same answer.
pub(crate) fn present_transport(
    cx: &Context<'_>,
    request: &AdmittedRequest<'_>,
    current: &TrackSetup,
    (chosen, is_secure): (&ChosenTransport, bool),
) -> Option<WithSsrc> {
    let stream = cx.streams.get(current.stream).filter(|s| s.is_secure() == is_secure)?;
    let transport = || cx.streams.transport_of(current.stream, current.destination);
    let agreed = match *chosen {
        ChosenTransport::Multicast(ref group) => {
            current.is_multicast.then(|| AgreedTransport::Multicast(group.clone()))?
        }
        ChosenTransport::Udp { rtp, rtcp } => {
            let DestinationTransport::Udp { sockets, rtp: to, rtcp: to_rtcp } = transport()? else {
                return None;
            };
            let local = with_port(request.local, 0);
            let sockets = cx.streams.sockets(sockets).filter(|s| s.local == local)?;
            ((to, to_rtcp) == (rtp, rtcp)).then(|| AgreedTransport::over_udp(sockets, rtp, rtcp))?
        }
        ChosenTransport::Tcp { channels } => {
            let own = channels_over(request.connection, &transport()?)?;
            let connection = cx.connections.get(request.connection)?;
            let allotted = connection.channels.allot(channels, Some(own));
            (allotted == Some(own)).then_some(AgreedTransport::Tcp { channels: own })?
        }
    };
    Some((agreed, Some(stream.ssrc())))
}

/// Sets up a track. On a refusal nothing has changed.
pub(crate) fn set_up_track(
    cx: &mut Context<'_>,
    wanted: &TrackRequest<'_>,
    chosen: ChosenTransport,
) -> Result<WithSsrc, Refusal> {
    let peer = wanted.by.peer;
    if let ChosenTransport::Multicast(group) = chosen {
        let setup = TrackSetup {
            stream: group.stream,
            destination: DestinationId::from_raw(Default::default()),
            is_multicast: true,
            connection: None,
            member: Some((peer.ip(), wanted.session)),
        };
        put_track(cx, wanted, setup)?;
        cx.streams.add_member(group.stream, peer.ip(), wanted.session);
        let ssrc = cx.streams.get(group.stream).map(|s| s.ssrc());
        return Ok((AgreedTransport::Multicast(group), ssrc));
    }
    // Set up otherwise, a track stays the stream that it is, where it stands.
    let stays = |current: &TrackSetup| {
        let stream = cx.streams.get(current.stream);
        !current.is_multicast && stream.is_some_and(|s| s.is_secure() == wanted.is_secure)
    };
    #[cfg(feature = "srtp")]
    let client_keys = if wanted.is_secure { cx.client_keys(wanted.by)? } else { None };
    let stream = match wanted.current.filter(stays) {
        Some(current) => current.stream,
        None => stream_of_track(cx, wanted)?,
    };
    #[cfg(feature = "srtp")]
    if wanted.is_secure {
        let track = (wanted.media_session, wanted.track);
        cx.protect_stream(wanted.by.connection, track, stream).inspect_err(|_| {
            cx.streams.remove_if_unused(cx.env, cx.connections, stream);
        })?;
    }
    let present = wanted
        .current
        .and_then(|current| cx.streams.transport_of(current.stream, current.destination));
    let prepared =
        complete_transport(cx, wanted.by, present, &chosen, |cx| sockets_for(cx, wanted, stream));
    let (transport, agreed) = prepared.inspect_err(|_| {
        cx.streams.remove_if_unused(cx.env, cx.connections, stream);
    })?;
    let destination = cx
        .streams
        .add_destination(cx.connections, stream, wanted.session, transport)
        .ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    #[cfg(feature = "srtp")]
    if let Some(keys) = &client_keys {
        cx.set_client_keys((stream, destination), keys);
    }
    let mut setup =
        TrackSetup { stream, destination, is_multicast: false, connection: None, member: None };
    if let DestinationTransport::Tcp { connection, .. } = transport {
        setup.connection = Some(connection);
        if let Some(connection) = cx.connections.get_mut(connection) {
            connection.sessions.insert(wanted.session);
        }
    }
    if let Err(refusal) = put_track(cx, wanted, setup) {
        cx.release_track(&setup, Goodbye::None);
        return Err(refusal);
    }
    let ssrc = cx.streams.get(stream).map(|s| s.ssrc());
    Ok((agreed, ssrc))
}

/// The stream of a track: the shared one, or a new one.
fn stream_of_track(cx: &mut Context<'_>, wanted: &TrackRequest<'_>) -> Result<StreamId, Refusal> {
    let (raw, peer) = (wanted.session.raw(), wanted.by.peer);
    let request = StreamRequest {
        // Never 0, which stands for the clients of a shared stream.
        client_session: (u64::from(raw.generation) << 32 | u64::from(raw.index)) + 1,
        peer,
        local: wanted.by.local,
    };
    let track = (wanted.media_session, wanted.track);
    let config = (cx.config.max_packet, wanted.is_secure);
    stream_for(cx.env, cx.streams, cx.media_sessions, track, &request, config).map_err(|e| {
        if !matches!(e, Error::Limit { .. }) {
            // Whatever it was made from is looked at again before it is used again.
            cx.media_sessions.distrust(wanted.media_session);
        }
        let level = cx.warned.level_for(peer.ip(), Breach::NoStream);
        log::log!(level, "{peer}: no stream: {e}");
        refusal(&e)
    })
}

/// The sockets from which a stream is sent, on the local address that the client uses.
fn sockets_for(
    cx: &mut Context<'_>,
    wanted: &TrackRequest<'_>,
    stream: StreamId,
) -> io::Result<SocketsId> {
    let session = cx.media_sessions.get_mut(wanted.media_session);
    let factory = session.and_then(|s| s.subsession_mut(wanted.track)?.factory());
    let local = wanted.by.local;
    cx.streams.sockets_for(cx.env, stream, local, |env, local, base, tries| match factory {
        Some(factory) => factory.create_groupsock(env, local, base, tries),
        None => PortPair::open(env, local, base, tries),
    })
}

/// Records a track in the client session, and releases its previous setup.
fn put_track(
    cx: &mut Context<'_>,
    wanted: &TrackRequest<'_>,
    setup: TrackSetup,
) -> Result<(), Refusal> {
    let media_session = wanted.media_session;
    let tracks = cx.media_sessions.get(media_session).map_or(0, |s| s.num_subsessions());
    let state = cx.pool.session_mut(wanted.session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
    if media_of(state, media_session).is_none() {
        state
            .manage_media(wanted.name, SessionMedia::new(media_session, tracks))
            .map_err(|_| StatusCode::NOT_ENOUGH_BANDWIDTH)?;
        cx.media_sessions.reference(media_session);
    }
    let slot = media_of_mut(state, media_session).and_then(|m| m.tracks.get_mut(wanted.track));
    let url = wanted.url.as_ref().into();
    let control_in_query = wanted.control_in_query;
    let old = slot.and_then(|slot| slot.replace(Track { setup, url, control_in_query }));
    if let Some(old) = old {
        cx.release_track(&old.setup, Goodbye::None);
    }
    Ok(())
}

/// The status code for an error in making a stream.
fn refusal(e: &Error) -> Refusal {
    let status = match e {
        Error::Malformed(_) | Error::Peer(_) => StatusCode::BAD_REQUEST,
        Error::Limit { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Io(e) if is_out_of_descriptors(e) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Io(e) if e.kind() == io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
        Error::Io(e) if e.kind() == io::ErrorKind::NotConnected => StatusCode::SERVICE_UNAVAILABLE,
        Error::Media(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    status.into()
}
