//! The RTSP connection, for either end of it: bytes in and out, deadlines, what waits to be sent.
//!
//! A [`Connection`](connection::Connection) is a byte stream
//! ([`ByteStream`](crate::net::ByteStream): TCP, and the place for TLS and tunnels), a
//! [`MessageMachine`](machine::MessageMachine), which does no input or output, and a registration
//! with the event loop. [`Connections`](connections::Connections) is the server's table of them.
//! This room names client sessions and streams by their [ids](crate::ids) and knows nothing of
//! methods: it hands requests, responses and interleaved packets up and sends what it is given.

pub(crate) mod channels;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod machine;
pub(crate) mod out_queue;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod testing;
mod unanswered;
