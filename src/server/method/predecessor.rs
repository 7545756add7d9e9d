//! Sessions that a client has left behind: it was ended without TEARDOWN, and is back at the same port.

use crate::arena::Id;
use crate::ids::ClientSessionId;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::session::client_media::SessionMedia;
use crate::session::pool::{RemovalReason, Session};
use crate::stream::destination::DestinationTransport;
use std::net::SocketAddr;
use std::time::Duration;

/// Receivers report every five seconds or so (RFC 3550 section 6.2).
const SILENCE: Duration = Duration::from_secs(15);

/// Ends the sessions whose packets would come in between: they are sent to `rtp`, which is where the
/// packets of `session` go from now on, and their client is gone. It had the same address and was the
/// same user, and its connection is closed, or it has been silent. A client that is there keeps its
/// session, whatever port another one names: behind an address translator there may be several.
pub(crate) fn end_predecessors(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    session: ClientSessionId,
    rtp: SocketAddr,
) {
    let sessions = cx.pool.iter().filter(|(key, state)| {
        *key != session
            && state.peer().ip() == request.peer.ip()
            && state.user() == request.user
            && is_gone(cx, request, state)
            && is_sent_to(cx, state, rtp)
    });
    let left: Vec<_> = sessions.map(|(key, _)| key).collect();
    for session in left {
        log::debug!("{}: back at {rtp}, which it has left a session for", request.peer);
        // Without a BYE: whoever is at the port now is somebody else.
        cx.end_session(session, RemovalReason::ConnectionLost);
    }
}

fn is_gone(
    cx: &Context<'_>,
    request: &AdmittedRequest<'_>,
    session: &Session<SessionMedia>,
) -> bool {
    let Some(connection) = session.connection().map(Id::from_raw) else { return true };
    if connection == request.connection {
        return false;
    }
    let is_open = cx.connections.get(connection).is_some_and(|c| !c.has_ended());
    !is_open || cx.env.now().saturating_duration_since(session.touched_at()) >= SILENCE
}

/// Whether a track of a session is sent over UDP to an address.
fn is_sent_to(cx: &Context<'_>, session: &Session<SessionMedia>, address: SocketAddr) -> bool {
    session.media().flat_map(|(_, media)| media.tracks()).any(|track| {
        let transport = cx.streams.transport_of(track.stream, track.destination);
        matches!(transport, Some(DestinationTransport::Udp { rtp, .. }) if rtp == address)
    })
}
