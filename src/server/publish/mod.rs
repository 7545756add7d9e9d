//! What clients publish with ANNOUNCE and RECORD (RFC 2326 sections 10.3 and 10.11): the
//! publications of a server, and the receivers of their tracks.
//!
//! A [`Publication`] begins with ANNOUNCE and ends with its client session. The stream that viewers
//! watch is another object, which outlives it.

pub(crate) mod control;
pub(crate) mod publication;
pub(crate) mod publications;
mod streams;
pub(crate) mod track;

pub(crate) use publication::{Phase, Publication};
pub(crate) use publications::Publications;
