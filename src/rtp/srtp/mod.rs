//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714): the `PacketTransform` that encrypts and
//! authenticates packets in place, and checks and decrypts those that come in.
//!
//! `SrtpKeys` are master keys; `SrtpTransform` derives the session keys of them (the key
//! derivation rate is 0) and has the state of each stream: roll-over counter, replay window, SRTCP
//! index. Nothing is allocated for a packet.

mod cipher;
pub(crate) mod keys;
mod packet;
mod receiver;
mod replay;
mod sender;
#[cfg(test)]
mod tests;
pub(crate) mod transform;
#[cfg(test)]
mod vectors;

pub use crate::wire::mikey::CryptoSuite;
pub(crate) use keys::SrtpKeys;
pub(crate) use transform::SrtpTransform;
