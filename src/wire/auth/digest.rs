//! The hashes of the Digest scheme (RFC 7616 section 3.4).

use crate::wire::text::to_hex;
use md5::Md5;
use sha2::Sha256;
use sha2::digest::Digest;
use std::fmt;

/// The hash of a Digest challenge, and what it is taken over (RFC 7616 section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// `MD5`, which is also meant where a challenge names none.
    Md5,
    /// `MD5-sess`: the hash of the password is bound to the first nonce.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
}

impl DigestAlgorithm {
    const ALL: [Self; 4] = [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess];

    /// The algorithm of that name, without regard to case; `None` if it is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// As it stands in a challenge.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
        }
    }

    const fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess)
    }

    /// The hash of `parts` with colons between them, in hexadecimal.
    fn hash(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => hash::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => hash::<Sha256>(parts),
        }
    }

    /// The hash of user name, realm and password (`A1` without what a `-sess` algorithm adds): all
    /// that a server has to keep to check a password.
    pub fn hash_user(self, user: &str, realm: &str, password: &str) -> String {
        self.hash(&[user, realm, password])
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn hash<D: Digest>(parts: &[&str]) -> String {
    let mut hasher = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hasher.update(b":");
        }
        hasher.update(part.as_bytes());
    }
    to_hex(hasher.finalize().as_slice())
}

/// What a response is computed from, beside the hash of the password.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseInput<'a> {
    pub(super) nonce: &'a str,
    /// `cnonce` and `nc`, where the quality of protection is `auth`.
    pub(super) client_nonce: Option<(&'a str, u32)>,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
}

/// The `response` of credentials (RFC 7616 section 3.4.1); without a client's nonce that of
/// RFC 2069.
pub(super) fn response(
    algorithm: DigestAlgorithm,
    user_hash: &str,
    input: &ResponseInput<'_>,
) -> String {
    let ResponseInput { nonce, client_nonce, method, uri } = *input;
    let cnonce = client_nonce.map_or("", |(cnonce, _)| cnonce);
    let session;
    let a1 = if algorithm.is_session() {
        session = algorithm.hash(&[user_hash, nonce, cnonce]);
        &session
    } else {
        user_hash
    };
    let a2 = algorithm.hash(&[method, uri]);
    match client_nonce {
        Some((cnonce, count)) => {
            algorithm.hash(&[a1, nonce, &format!("{count:08x}"), cnonce, "auth", &a2])
        }
        None => algorithm.hash(&[a1, nonce, &a2]),
    }
}

/// Compares two hashes in a time that does not depend on where they differ.
pub(super) fn is_same(a: &str, b: &str) -> bool {
    let differing = a.bytes().zip(b.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && differing == 0
}
