//! OPTIONS (RFC 2326 section 10.1): lists the implemented methods.

use crate::server::method::answer::Answer;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::outcome::{AfterAnswer, Served};

pub(crate) fn options(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    let session = cx.session_of(request)?;
    answer.field("Public", cx.methods);
    if let Some(session) = session {
        cx.name_session(answer, session);
    }
    Ok(AfterAnswer::Nothing)
}
