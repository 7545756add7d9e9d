//! MIKEY (RFC 3830): the messages in which keys for SRTP are told, and how RTSP carries them (RFC
//! 4567).
//!
//! Of the methods of RFC 3830 this is the pre-shared key without encryption: the message is
//! protected by the connection that it is sent over, which has to be secure. Other messages are
//! refused.

mod header;
mod parse;
mod suite;
#[cfg(test)]
mod tests;
mod write;

pub use header::{KeyMgmt, from_attribute, to_attribute};
pub use suite::CryptoSuite;

use std::fmt;

/// Longest message that is read, in octets. One with two keys has about 150.
pub const MAX_MESSAGE: usize = 4096;
/// Most crypto sessions, policies and keys of each message that are read.
pub const MAX_ENTRIES: usize = 32;

/// A message that states keys: that of an initiator, by the method of the pre-shared key (RFC 3830
/// section 3.1), without encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MikeyMessage {
    /// Identifies the crypto session bundle.
    pub bundle: u32,
    /// The streams that are protected.
    pub sessions: Vec<CryptoSession>,
    /// When the message was made: seconds since 1900 in the upper 32 bits, fractions in the lower.
    pub timestamp: u64,
    /// Random octets of the initiator.
    pub random: Vec<u8>,
    /// How streams are protected, by number.
    pub policies: Vec<SecurityPolicy>,
    /// The keys.
    pub keys: Vec<KeyData>,
}

/// One stream: an entry of the SRTP-ID map (RFC 3830 section 6.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3830 section 6.1.1")]
pub struct CryptoSession {
    /// Number of the policy.
    pub policy: u8,
    /// SSRC of the stream; 0 while it is not known.
    pub ssrc: u32,
    /// Roll-over counter of the stream.
    pub roll_over: u32,
}

/// How a stream is protected (RFC 3830 section 6.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a policy that needs more is not supported")]
pub struct SecurityPolicy {
    /// Number of the policy.
    pub number: u8,
    /// Cipher and authentication; `None` if they are not supported, or if something is not to be
    /// encrypted or not to be authenticated.
    pub suite: Option<CryptoSuite>,
}

/// A key that protects traffic (RFC 3830 section 6.13). `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyData {
    /// The master key, followed by its salt.
    pub material: Vec<u8>,
    /// The master key identifier that is in each packet; empty if there is none.
    pub mki: Vec<u8>,
    /// The first and the last index of SRTP packets that the key is good for (RFC 3711 section
    /// 8.1.1); `None`: it is good for all. A key has this or an identifier.
    pub interval: Option<(u64, u64)>,
}

impl KeyData {
    /// Creates a key from its parts: the master key, followed by its salt, and the identifier.
    pub const fn new(material: Vec<u8>, mki: Vec<u8>) -> Self {
        Self { material, mki, interval: None }
    }
}

impl fmt::Debug for KeyData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyData").field("mki", &self.mki).finish_non_exhaustive()
    }
}

impl MikeyMessage {
    /// Returns the suite of a crypto session: that of its policy, else that of the only policy, else
    /// the default of RFC 3711.
    pub fn suite_of(&self, session: Option<&CryptoSession>) -> Option<CryptoSuite> {
        let number = session.map_or(0, |session| session.policy);
        match &self.policies[..] {
            [] => Some(CryptoSuite::default()),
            [only] => only.suite,
            several => several.iter().find(|policy| policy.number == number)?.suite,
        }
    }
}

/// Numbers of payloads (RFC 3830 section 6.1).
mod payload {
    pub(super) const LAST: u8 = 0;
    pub(super) const KEMAC: u8 = 1;
    pub(super) const TIMESTAMP: u8 = 5;
    pub(super) const ID: u8 = 6;
    pub(super) const VERIFICATION: u8 = 9;
    pub(super) const POLICY: u8 = 10;
    pub(super) const RANDOM: u8 = 11;
    pub(super) const KEY_DATA: u8 = 20;
    pub(super) const EXTENSION: u8 = 21;
}

/// Types of parameters of an SRTP policy (RFC 3830 section 6.10.1, RFC 7714 section 14.3).
mod parameter {
    pub(super) const ENCRYPTION: u8 = 0;
    pub(super) const KEY_LEN: u8 = 1;
    pub(super) const AUTHENTICATION: u8 = 2;
    pub(super) const AUTH_KEY_LEN: u8 = 3;
    pub(super) const SALT_LEN: u8 = 4;
    pub(super) const PRF: u8 = 5;
    pub(super) const DERIVATION_RATE: u8 = 6;
    pub(super) const ENCRYPTS_RTP: u8 = 7;
    pub(super) const ENCRYPTS_RTCP: u8 = 8;
    pub(super) const FEC_ORDER: u8 = 9;
    pub(super) const AUTHENTICATES: u8 = 10;
    pub(super) const TAG_LEN: u8 = 11;
    pub(super) const PREFIX_LEN: u8 = 12;
    pub(super) const AEAD_TAG_LEN: u8 = 20;
}

/// Encryption algorithms of an SRTP policy.
mod encryption {
    pub(super) const AES_CM: u8 = 1;
    pub(super) const AES_GCM: u8 = 6;
}
