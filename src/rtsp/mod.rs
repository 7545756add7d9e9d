//! The RTSP connection: bytes in and out, time-outs, what waits to be sent.

pub(crate) mod channels;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod machine;
pub(crate) mod out_queue;
mod unanswered;
