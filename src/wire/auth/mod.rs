//! HTTP authentication as RTSP uses it (RFC 2326 section 1.3): the challenge of a server and the
//! credentials of a client, in the schemes Basic (RFC 7617) and Digest (RFC 7616, and the older
//! forms of RFC 2617 and RFC 2069).
//!
//! [`Challenge`] is a value of `WWW-Authenticate`, [`Credentials`] the value of `Authorization`,
//! and [`UserCredentials`] the name and password of a user. A client answers a
//! [`DigestChallenge`] with [`DigestChallenge::answer`]; a server compares what it got with
//! [`DigestCredentials::is_proven_by`]. Neither end keeps state here: nonces, counts of their use
//! and the choice among several challenges are the caller's.
//!
//! ```
//! use riverrun::wire::auth::{Challenge, Credentials, UserCredentials};
//!
//! let header = r#"Digest realm="camera", nonce="8f2c41", qop="auth", Basic realm="camera""#;
//! let user = UserCredentials::new("admin", "secret");
//! let Some(Challenge::Digest(challenge)) = Challenge::parse_list(header).next() else { panic!() };
//! let answer = challenge.answer(&user, "DESCRIBE", "rtsp://10.0.0.9/live", ("0a4f", 1));
//! assert!(answer.is_proven_by(&user, "DESCRIBE"));
//!
//! let Ok(Credentials::Digest(read)) = Credentials::parse(&answer.to_string()) else { panic!() };
//! assert!(!read.is_proven_by(&UserCredentials::new("admin", "guess"), "DESCRIBE"));
//! ```

mod challenge;
mod credentials;
mod digest;
mod params;
#[cfg(test)]
mod tests;

pub use challenge::{Challenge, DigestChallenge};
pub use credentials::{Credentials, DigestCredentials, UserCredentials};
pub use digest::DigestAlgorithm;
