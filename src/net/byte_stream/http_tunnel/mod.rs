//! RTSP in HTTP, as QuickTime introduced it and cameras, players and proxies know it: a byte stream
//! in two HTTP connections. The response to a GET that does not end carries what the server sends,
//! and a POST that does not end carries what the client sends, in base64. A cookie tells the server
//! that the two belong together.
//!
//! [`HttpTunnel`] is the client's end and [`ServedTunnel`] the server's; [`HttpFront`] is a
//! connection of a server until its HTTP request has arrived.

mod base64_input;
mod client;
mod front;
mod served;
mod words;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use base64_input::Base64Input;
pub(crate) use client::HttpTunnel;
pub(crate) use front::{HttpFront, HttpHead};
pub(crate) use served::{Post, ServedTunnel};
pub(crate) use words::{HttpMethod, HttpRequest};
