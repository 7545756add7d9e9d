//! OPTIONS (RFC 2326 section 10.1): which methods there are.

use crate::server::method::answer::{Answer, PUBLIC};
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::outcome::{AfterAnswer, Served};

pub(crate) fn options(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    answer: &mut Answer<'_>,
) -> Served {
    let session = cx.session_of(request)?;
    answer.text("Public", PUBLIC);
    if let Some(session) = session {
        cx.name_session(answer, session);
    }
    Ok(AfterAnswer::Nothing)
}
