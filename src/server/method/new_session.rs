//! Creates the client session for a SETUP request that names none.

use crate::ids::{ClientSessionId, ConnectionId};
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::refusal::{Refusal, Refused};
use crate::session::pool::{CreateError, RemovalReason};
use crate::wire::rtsp::StatusCode;

/// Creates a session that belongs to the requester's connection. Fails with 503 if a limit is
/// reached.
pub(crate) fn create_session(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    name: &str,
) -> Result<ClientSessionId, Refusal> {
    let (now, peer) = (cx.env.now(), request.peer);
    let created = cx.pool.create(now, peer, name, &mut |bytes| cx.env.fill_random(bytes));
    // A full pool takes out those whose time has come; their media are released here.
    cx.release_removed_sessions();
    let session = created.map_err(|e| match e {
        CreateError::AtLimit { which, retry_after, .. } => {
            log::debug!("{peer}: no session: {which:?}");
            let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE);
            Refusal::from(refused.field("Retry-After", retry_after.as_secs().max(1)))
        }
        CreateError::NoUniqueId => StatusCode::INTERNAL_SERVER_ERROR.into(),
    })?;
    if let Some(state) = cx.pool.session_mut(session) {
        state.bind(&request.requester());
    }
    if let Some(connection) = cx.connections.get_mut(request.connection) {
        connection.sessions.insert(session);
    }
    Ok(session)
}

/// Removes a session again in which no track was set up, and which thus has no media to release.
pub(crate) fn abandon_session(
    cx: &mut Context<'_>,
    connection: ConnectionId,
    session: ClientSessionId,
) {
    drop(cx.pool.remove(session, RemovalReason::Removed));
    if let Some(connection) = cx.connections.get_mut(connection) {
        connection.sessions.remove(session);
    }
}

/// Notifies the application of a new session, and logs it.
pub(crate) fn announce_session(cx: &mut Context<'_>, session: ClientSessionId) {
    if let Some(state) = cx.pool.session(session) {
        let info = state.info();
        let level = cx.pool.level_for_line(info.peer, cx.env.now());
        log::log!(level, "session {} of {} starts: {:?}", info.id, info.peer, info.stream);
        cx.hooks.session_created(&info);
    }
}
