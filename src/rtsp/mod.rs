//! The RTSP connection, for servers and clients: input, output, deadlines and the send queue.
//!
//! A [`Connection`](connection::Connection) is a byte stream
//! ([`ByteStream`](crate::net::ByteStream): TCP, and the place for TLS and tunnels), a
//! [`MessageMachine`](machine::MessageMachine), which does no input or output, and a registration
//! with the event loop. [`Connections`](connections::Connections) is the server's table of them.
//! This module names client sessions and streams by their [ids](crate::ids) and knows nothing of
//! methods: it passes requests, responses and interleaved packets to its owner and sends what the
//! owner gives it.

pub(crate) mod budget;
pub(crate) mod channels;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod machine;
pub(crate) mod out_queue;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod testing;
mod unanswered;
