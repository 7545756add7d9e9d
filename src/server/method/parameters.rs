//! GET_PARAMETER and SET_PARAMETER (RFC 2326 sections 10.8 and 10.9). Without a body, both only
//! extend the session.

use crate::server::access::Action;
use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::outcome::{AfterAnswer, Served};
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::method::selection::Selection;
use crate::wire::rtsp::StatusCode;

pub(crate) fn get_parameter(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    keep_alive(cx, request, answer)?;
    let body = String::from_utf8_lossy(&request.request.body);
    if body.trim().is_empty() {
        return Ok(AfterAnswer::Nothing);
    }
    let names = || body.lines().map(|l| l.trim().trim_end_matches(':')).filter(|l| !l.is_empty());
    let is_own = |name: &str| name.eq_ignore_ascii_case("position");
    if !names().all(is_own) {
        let stream = stream_of(cx, request);
        cx.check_permission(request, Action::Describe, &stream)?;
    }
    let info = cx.request_info(request);
    let mut values = String::new();
    for name in names() {
        if is_own(name) {
            let npt = Selection::of(cx, request)?.position(cx.streams);
            values.push_str(&format!("{name}: {:.3}\r\n", npt.as_secs_f64()));
        } else if let Some(value) = cx.hooks.parameter(&info, name) {
            // One line, whatever the application returns.
            let value = value.replace(char::is_control, " ");
            values.push_str(&format!("{name}: {value}\r\n"));
        } else {
            let refused = Refused::new(StatusCode::PARAMETER_NOT_UNDERSTOOD);
            return Err(Refusal::from(refused.parameters(format!("{name}\r\n"))).into());
        }
    }
    answer.body("text/parameters", values.as_bytes());
    Ok(AfterAnswer::Nothing)
}

pub(crate) fn set_parameter(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    keep_alive(cx, request, answer)?;
    let body = &request.request.body;
    let is_empty = String::from_utf8_lossy(body).trim().is_empty();
    if is_empty {
        return Ok(AfterAnswer::Nothing);
    }
    let stream = stream_of(cx, request);
    cx.check_permission(request, Action::Control, &stream)?;
    let info = cx.request_info(request);
    if cx.hooks.set_parameter(&info, body) {
        Ok(AfterAnswer::Nothing)
    } else {
        Err(StatusCode::PARAMETER_NOT_UNDERSTOOD.into())
    }
}

/// The name of the stream whose parameters are meant: that of the URL, or that of the session.
fn stream_of(cx: &Context<'_>, request: &AdmittedRequest<'_>) -> String {
    let info = cx.request_info(request);
    let session = info.session.and_then(|session| cx.pool.session(session));
    match session.filter(|_| info.stream.is_empty()) {
        Some(session) => session.shared_stream().to_string(),
        None => info.stream.into_owned(),
    }
}

/// Finds and extends the session, and adds its header to the answer.
fn keep_alive(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Result<(), Refusal> {
    if let Some(session) = cx.session_of(request)? {
        cx.name_session(answer, session);
    }
    Ok(())
}
