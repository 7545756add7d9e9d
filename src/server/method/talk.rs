//! The back channel of a media session: its description, and its SETUP (ONVIF Streaming
//! Specification section 5.3.2).

use crate::ids::{BackChannelId, ClientSessionId, MediaSessionId};
use crate::server::access::Action;
use crate::server::method::address::{Address, Reading};
use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::new_session::{abandon_session, announce_session, create_session};
use crate::server::method::outcome::{AfterAnswer, Awaited, NotServed, Served};
use crate::server::method::publisher::prepare_transport;
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::method::transport::{
    AgreedTransport, ChosenTransport, Profiles, answer_spec, choose, talkable,
};
use crate::server::talk::channel::Turn;
use crate::server::talk::description::{media_description, with_back_channel};
use crate::server::talk::talker::Talker;
use crate::session::client_media::{SessionMedia, TalkSetup, media_of, media_of_mut};
use crate::session::new_stream::cname;
use crate::stream::destination::DestinationTransport;
use crate::stream::sockets::SocketsOwner;
use crate::wire::rtsp::StatusCode;
use crate::wire::rtsp::accept::BACK_CHANNEL;
use std::borrow::Cow;

/// A back channel that a URL names.
#[derive(Debug)]
pub(crate) struct FoundChannel<'a> {
    channel: BackChannelId,
    media_session: MediaSessionId,
    name: Cow<'a, str>,
    /// Its number, from 0, behind the tracks: as many as they are.
    track: usize,
}

/// Whether a request asks for the back channel.
pub(crate) fn asks_to_talk(request: &AdmittedRequest<'_>) -> bool {
    request.request.headers.lists("Require", BACK_CHANNEL)
}

/// The description of a media session for a client that asks for its back channel; `None` if there
/// is none, or the user may not talk. Fails with 401 if nobody has said who asks, and that is needed.
pub(crate) fn describe_for_talker(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    media_session: MediaSessionId,
    sdp: &str,
) -> Result<Option<String>, Refusal> {
    let Some(session) = cx.media_sessions.get(media_session) else { return Ok(None) };
    let Some(channel) = session.back_channel else { return Ok(None) };
    if cx.back_channels.get(channel).is_none() {
        return Ok(None);
    }
    let (name, track) = (session.stream_name().to_owned(), session.num_subsessions());
    if !may_talk(cx, request, &name)? {
        return Ok(None);
    }
    let (plain, secure) = ways(cx, request);
    if !plain && !secure {
        return Ok(None);
    }
    let keys = if secure { offer(cx, request, (media_session, track)) } else { None };
    let Some(channel) = cx.back_channels.get(channel) else { return Ok(None) };
    let is_ipv6 = request.local.ip().to_canonical().is_ipv6();
    let media = media_description(channel.options.formats(), track, is_ipv6, keys);
    Ok(Some(with_back_channel(sdp, &media)))
}

/// Whether a requester may talk to a stream that has a back channel. Fails if nobody has said who
/// asks, and it would be permitted to some; to a user without the right there is no back channel.
fn may_talk(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    name: &str,
) -> Result<bool, Refusal> {
    if cx.permits(request, Action::Talk, name) {
        return Ok(true);
    }
    if request.user.is_none() {
        cx.check_permission(request, Action::Talk, name)?;
    }
    Ok(false)
}

/// Whether a client may talk without SRTP, and with it.
fn ways(cx: &Context<'_>, request: &AdmittedRequest<'_>) -> (bool, bool) {
    #[cfg(feature = "srtp")]
    return cx.plain_and_secure_talk(request);
    #[cfg(not(feature = "srtp"))]
    {
        let _ = (cx, request);
        (true, false)
    }
}

/// The keys of a protected back channel, as a description states them.
fn offer(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    track: (MediaSessionId, usize),
) -> Option<String> {
    #[cfg(feature = "srtp")]
    return cx.talk_keys_attribute(request, track);
    #[cfg(not(feature = "srtp"))]
    {
        let _ = (cx, request, track);
        None
    }
}

/// The back channel that a URL names, if the requester may talk to it. Fails if nobody has said who
/// asks, and that is needed.
pub(crate) fn find_back_channel<'a>(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'a>,
    session: Option<ClientSessionId>,
) -> Result<Option<FoundChannel<'a>>, Refusal> {
    if cx.back_channels.is_empty() {
        return Ok(None);
    }
    let address = Address::parse(request.request.url.as_str())?;
    let mut found = None;
    for Reading { name_len, control, .. } in address.readings() {
        let (Some(control), Some(name)) = (control, address.path.get(..name_len)) else { continue };
        let of_session = session
            .and_then(|session| cx.pool.session(session)?.media_at(name))
            .map(SessionMedia::media_session);
        let media_session = of_session.or_else(|| cx.media_sessions.by_name(name));
        let state = media_session.and_then(|id| Some((id, cx.media_sessions.get(id)?)));
        let Some((id, state)) = state else { continue };
        let Some(channel) = state.back_channel_at(control) else { continue };
        if cx.back_channels.get(channel).is_some() {
            found = Some((channel, id, state.num_subsessions(), name_len));
            break;
        }
    }
    let Some((channel, media_session, track, name_len)) = found else { return Ok(None) };
    if !may_talk(cx, request, address.path.get(..name_len).unwrap_or_default())? {
        return Ok(None);
    }
    let name = address.into_name(name_len);
    Ok(Some(FoundChannel { channel, media_session, name, track }))
}

/// SETUP of a back channel.
pub(crate) fn set_up_back_channel(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    existing: Option<ClientSessionId>,
    found: &FoundChannel<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    let header = request.request.headers.joined("Transport").ok_or(StatusCode::BAD_REQUEST)?;
    let (plain, secure) = ways(cx, request);
    let plain_udp = !request.is_encrypted || cx.config.allow_plain_udp_over_tls;
    let profiles = Profiles { plain, plain_udp, secure };
    let can_talk = |spec: &_| talkable(spec, request.peer);
    let (spec, chosen) = choose(&header, profiles, can_talk)?;
    check_turn(cx, existing, found.channel)?;
    if matches!(chosen, ChosenTransport::Udp { .. }) {
        cx.check_descriptors(request)?;
    }
    #[cfg(feature = "srtp")]
    let client_keys = if spec.protocol.is_secure() { cx.client_keys(request)? } else { None };
    let session = match existing {
        Some(session) => session,
        None => create_session(cx, request, &found.name)?,
    };
    let agreed = match let_talk(cx, request, session, found, &chosen) {
        Ok(agreed) => agreed,
        Err(refusal) => {
            if existing.is_none() {
                abandon_session(cx, request.connection, session);
            }
            return Err(refusal.into());
        }
    };
    #[cfg(feature = "srtp")]
    if spec.protocol.is_secure() {
        let track = (found.media_session, found.track);
        if let Some(header) = cx.protect_talk(request, found.channel, track, client_keys.as_ref()) {
            answer.field("KeyMgmt", header);
        }
    }
    let ends = (request.peer, request.local);
    answer.field("Transport", answer_spec(spec, (&agreed, None), ends));
    cx.name_session(answer, session);
    if existing.is_none() {
        announce_session(cx, session);
    }
    Ok(AfterAnswer::Nothing)
}

/// Fails unless the client may talk now: it waits for a channel that is being opened, and is refused
/// with 453 while another client talks, with 455 while it plays, and as the channel's owner says.
fn check_turn(
    cx: &mut Context<'_>,
    session: Option<ClientSessionId>,
    id: BackChannelId,
) -> Result<(), NotServed> {
    let now = cx.env.now();
    let channel = cx.back_channels.get_mut(id).ok_or(StatusCode::NOT_FOUND)?;
    if channel.talker.as_ref().is_some_and(|t| t.is_playing && Some(t.session) == session) {
        return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
    }
    match channel.turn_of(session, now) {
        Turn::Now => Ok(()),
        Turn::Later => Err(NotServed::MustWait(Awaited::BackChannel)),
        Turn::Taken => Err(StatusCode::NOT_ENOUGH_BANDWIDTH.into()),
        Turn::Refused(StatusCode::OPTION_NOT_SUPPORTED) => {
            let refused = Refused::new(StatusCode::OPTION_NOT_SUPPORTED);
            Err(Refusal::from(refused.field("Unsupported", BACK_CHANNEL)).into())
        }
        Turn::Refused(status) => Err(status.into()),
    }
}

/// Makes the client the one that talks. On a refusal nothing has changed.
fn let_talk(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    session: ClientSessionId,
    found: &FoundChannel<'_>,
    chosen: &ChosenTransport,
) -> Result<AgreedTransport, Refusal> {
    let (id, media_session) = (found.channel, found.media_session);
    let own = cx.back_channels.get(id).and_then(|channel| channel.talker.as_ref());
    let own = own.map(|talker| talker.transport);
    let (transport, agreed) = prepare_transport(cx, request, own, chosen)?;
    if let Err(refusal) = note_setup(cx, session, found, transport) {
        if let DestinationTransport::Udp { sockets, .. } = transport {
            cx.streams.close_sockets_of_publisher(cx.env, sockets);
        }
        return Err(refusal);
    }
    if let DestinationTransport::Tcp { connection, .. } = transport {
        if let Some(connection) = cx.connections.get_mut(connection) {
            connection.sessions.insert(session);
        }
    }
    let (info, now) = (cx.pool.session(session).map(|s| s.info()), cx.env.now());
    let options = cx.back_channels.get(id).map(|channel| &channel.options);
    if let (Some(info), Some(options)) = (info, options) {
        let name = cname(request.local.ip());
        let talker = Talker::new(info, transport, name, options, now);
        let tables = (&mut *cx.streams, &mut *cx.connections);
        cx.back_channels.set_talker(cx.env, tables, id, talker);
    }
    log::debug!("{}: talks to {:?} ({media_session})", request.peer, found.name);
    Ok(agreed)
}

/// Notes in the client session that it has set up the channel.
fn note_setup(
    cx: &mut Context<'_>,
    session: ClientSessionId,
    found: &FoundChannel<'_>,
    transport: DestinationTransport,
) -> Result<(), Refusal> {
    let id = found.media_session;
    let (connection, has_ports) = match transport {
        DestinationTransport::Tcp { connection, .. } => (Some(connection), false),
        DestinationTransport::Udp { sockets, .. } => {
            let owner = cx.streams.sockets(sockets).map(|sockets| sockets.owner);
            (None, owner == Some(SocketsOwner::Published))
        }
    };
    let state = cx.pool.session_mut(session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
    if media_of(state, id).is_none() {
        state
            .manage_media(&found.name, SessionMedia::new(id, found.track))
            .map_err(|_| StatusCode::NOT_ENOUGH_BANDWIDTH)?;
        cx.media_sessions.reference(id);
    }
    if let Some(media) = media_of_mut(state, id) {
        media.talk = Some(TalkSetup { channel: found.channel, connection, has_ports });
    }
    Ok(())
}

/// Ends the talk of a client session to a channel.
pub(crate) fn release_talk(cx: &mut Context<'_>, session: ClientSessionId, id: BackChannelId) {
    let tables = (&mut *cx.streams, &mut *cx.connections);
    cx.back_channels.release(cx.env, tables, (session, id));
}
