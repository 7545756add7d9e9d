//! TLS (RFC 8446, RFC 5246) under RTSP, as `rtsps` URLs name it: [`TlsAcceptor`] for servers,
//! [`TlsTrust`] for clients. Cargo feature `tls`.
//!
//! The only module that names [rustls], which is re-exported for applications that bring a
//! configuration of their own. rustls works on memory: the connections of this crate hand it what
//! they read, and write what it makes. It judges the dates of certificates by the clock of the
//! operating system, in a simulated environment too, and draws the operating system's random numbers.
//!
//! Cryptography comes from the [`CryptoProvider`] that the application has installed as the process's
//! default, else from ring. TLS 1.2 and 1.3 are spoken.

mod acceptor;
mod pem;
mod stream;
mod trust;
mod verifiers;

pub use acceptor::{TlsAcceptor, TlsFiles};
pub use rustls;
pub(crate) use stream::TlsStream;
pub(crate) use trust::TlsConnector;
pub use trust::TlsTrust;

use crate::error::Error;
use rustls::crypto::{CryptoProvider, ring};
use std::fmt::Display;
use std::sync::Arc;

/// The application's cryptography, or else ring's.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()))
}

/// An error that says what it was about.
fn failed(about: impl Display, why: impl Display) -> Error {
    Error::Tls(format!("{about}: {why}"))
}
