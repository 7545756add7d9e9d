//! SETUP of a track that a client publishes (RFC 2326 section 12.39, `mode=record`).

use crate::ids::{ClientSessionId, PacketOwner, PublicationId};
use crate::net::with_port;
use crate::rtp::transform::PacketTransform;
use crate::server::access::Action;
use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::outcome::{AfterAnswer, Served};
use crate::server::method::refusal::Refusal;
use crate::server::method::server_part::complete_transport;
use crate::server::method::transport::{
    AgreedTransport, ChosenTransport, Profiles, answer_spec, choose, recordable,
};
use crate::server::publish::Phase;
use crate::server::publish::control::Named;
use crate::server::publish::track::{PublishedTrack, receiver, receiver_config};
use crate::session::new_stream::cname;
use crate::stream::destination::DestinationTransport;
use crate::wire::rtsp::StatusCode;
use crate::wire::rtsp::transport::alternatives;
use std::sync::Arc;

/// The publication that a SETUP belongs to: that of its session or, for a publisher that does not name
/// the session which ANNOUNCE has created, one that was announced over the same connection.
pub(crate) fn publication_for(
    cx: &Context<'_>,
    request: &AdmittedRequest<'_>,
    session: Option<ClientSessionId>,
) -> Option<PublicationId> {
    if let Some(session) = session {
        return cx.publications.of_session(session);
    }
    if cx.publications.len() == 0 {
        return None;
    }
    let header = request.request.headers.joined("Transport")?;
    let is_record = alternatives(&header).flatten().any(|spec| spec.is_record());
    let sessions = &cx.connections.get(request.connection).filter(|_| is_record)?.sessions;
    let url = request.request.url.as_str();
    let is_meant = |id: &PublicationId| {
        let publication = cx.publications.get(*id);
        publication
            .is_some_and(|p| p.connection == Some(request.connection) && p.named(url).is_some())
    };
    sessions.iter().filter_map(|session| cx.publications.of_session(session)).find(is_meant)
}

/// Sets up a track of a publication. On a refusal nothing has changed.
pub(crate) fn set_up_published(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    id: PublicationId,
    answer: &mut Answer<'_>,
) -> Served {
    let publication = cx.publications.get(id).ok_or(StatusCode::SESSION_NOT_FOUND)?;
    let named = publication.named(request.request.url.as_str());
    let track = match named.ok_or(StatusCode::NOT_FOUND)? {
        Named::Track(track) => track,
        // The aggregate stands for its only track, as old clients have it.
        Named::Presentation if publication.tracks.len() == 1 => 0,
        Named::Presentation => return Err(StatusCode::AGGREGATE_OPERATION_NOT_ALLOWED.into()),
    };
    let (session, name) = (publication.session, Arc::clone(&publication.name));
    let is_recording = publication.phase == Phase::Recording;
    cx.check_permission(request, Action::Publish, &name)?;
    if is_recording {
        return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
    }
    let header = request.request.headers.joined("Transport").ok_or(StatusCode::BAD_REQUEST)?;
    let plain_udp = !request.is_encrypted || cx.config.allow_plain_udp_over_tls;
    let publication = cx.publications.get(id).ok_or(StatusCode::SESSION_NOT_FOUND)?;
    let described = publication.description.subsessions.get(track).ok_or(StatusCode::NOT_FOUND)?;
    #[cfg(feature = "srtp")]
    let protection = cx.publisher_protection(request, described)?;
    #[cfg(not(feature = "srtp"))]
    let protection = None;
    let secure = protection.is_some();
    let profiles = Profiles { plain: !described.profile.is_secure(), plain_udp, secure };
    let can_record = |spec: &_| recordable(spec, request.peer);
    let (mut spec, chosen) = choose(&header, profiles, can_record)?;
    if matches!(chosen, ChosenTransport::Udp { .. }) {
        cx.check_descriptors(request)?;
    }
    let protection = protection.filter(|_| spec.protocol.is_secure());
    let agreed = set_up_track(cx, request, (id, track), &chosen, protection)?;
    spec.mode.get_or_insert_with(|| "RECORD".to_owned());
    let ends = (request.peer, request.local);
    answer.field("Transport", answer_spec(spec, (&agreed, None), ends));
    cx.name_session(answer, session);
    Ok(AfterAnswer::Nothing)
}

/// Makes the receiver of a track, and has the packets that arrive over the chosen transport go to it.
fn set_up_track(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    (id, track): (PublicationId, usize),
    chosen: &ChosenTransport,
    protection: Option<Box<dyn PacketTransform>>,
) -> Result<AgreedTransport, Refusal> {
    let gone = || Refusal::from(StatusCode::SESSION_NOT_FOUND);
    let mut random = [0; 12];
    cx.env.fill_random(&mut random);
    let publication = cx.publications.get(id).ok_or_else(gone)?;
    let session = publication.session;
    let described = publication.description.subsessions.get(track).ok_or_else(gone)?;
    let is_udp = matches!(chosen, ChosenTransport::Udp { .. });
    let max_delay = cx.config.publish.max_delay;
    let config = receiver_config(described, cname(request.local.ip()), is_udp, max_delay);
    let receiver =
        receiver(config, cx.env.now(), random).map_err(|_| StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
    let own = publication.tracks.get(track).and_then(Option::as_ref).map(|t| t.transport);
    let (transport, agreed) = prepare_transport(cx, request, own, chosen)?;
    release_published(cx, id, track);
    let owner = PacketOwner::Published(id, track);
    cx.streams.bind_publisher(cx.connections, transport, owner);
    if let DestinationTransport::Tcp { connection, .. } = transport {
        if let Some(connection) = cx.connections.get_mut(connection) {
            connection.sessions.insert(session);
        }
    }
    let now = cx.env.now();
    if let Some(publication) = cx.publications.get_mut(id) {
        publication.heard_at = now;
        if let Some(slot) = publication.tracks.get_mut(track) {
            let place = track;
            let track = PublishedTrack { transport, receiver, protection, refused: 0, place };
            *slot = Some(Box::new(track));
        }
    }
    cx.publications.arm(cx.env, id, &cx.config.publish);
    Ok(agreed)
}

/// Completes the transport that a client that sends has chosen with the server's part: its ports, or
/// free channels, or its `own` of before.
pub(super) fn prepare_transport(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    own: Option<DestinationTransport>,
    chosen: &ChosenTransport,
) -> Result<(DestinationTransport, AgreedTransport), Refusal> {
    let local = with_port(request.local, 0);
    complete_transport(cx, request, own, chosen, |cx| {
        cx.streams.sockets_for_publisher(cx.env, local)
    })
}

/// Takes a track out of a publication, with its sockets or channels. Returns whether it was set up.
pub(crate) fn release_published(cx: &mut Context<'_>, id: PublicationId, track: usize) -> bool {
    let publication = cx.publications.get_mut(id);
    let slot = publication.and_then(|p| p.tracks.get_mut(track));
    let Some(released) = slot.and_then(Option::take) else { return false };
    let owner = PacketOwner::Published(id, track);
    cx.streams.unbind_publisher(cx.env, cx.connections, released.transport, owner);
    true
}
