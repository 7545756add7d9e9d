//! DESCRIBE (RFC 2326 section 10.2): answers with the SDP of a presentation.

use crate::server::method::address::ContentBase;
use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::find::find_presentation;
use crate::server::method::outcome::{AfterAnswer, Awaited, NotServed, Served};
use crate::server::method::talk::{asks_to_talk, describe_for_talker};
use crate::session::relayed::Demand;
use crate::wire::rtsp::StatusCode;
use crate::wire::rtsp::accept::accepts;

pub(crate) fn describe(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    cx.session_of(request)?;
    if let Some(accept) = request.request.headers.joined("Accept") {
        if !accepts(&accept, "application/sdp") {
            return Err(StatusCode::NOT_ACCEPTABLE.into());
        }
    }
    let url = request.request.url.as_str();
    let media_session = find_presentation(cx, request)?;
    cx.media_sessions.note_demand(media_session, Demand::Described);
    let session = cx.media_sessions.get_mut(media_session).ok_or(StatusCode::NOT_FOUND)?;
    if session.awaits_source() {
        return Err(NotServed::MustWait(Awaited::Description));
    }
    let Some(sdp) = session.describe(request.local.ip()) else {
        // It is refused when its time is over.
        return Err(NotServed::MustWait(Awaited::Description));
    };
    #[cfg(feature = "srtp")]
    let sdp = if cx.config.srtp.is_some() {
        let plain = sdp.into_owned();
        cx.secure_description(request, media_session, &plain)?.into()
    } else {
        sdp
    };
    let sdp = if asks_to_talk(request) {
        let plain = sdp.into_owned();
        describe_for_talker(cx, request, media_session, &plain)?.unwrap_or(plain).into()
    } else {
        sdp
    };
    answer.field("Content-Base", ContentBase(url));
    answer.body("application/sdp", sdp.as_bytes());
    Ok(AfterAnswer::Nothing)
}
