//! [`Challenge`]: how a server asks who a client is.

use super::credentials::{DigestCredentials, UserCredentials};
use super::digest::{DigestAlgorithm, ResponseInput, response};
use super::params::{Quoted, SchemeParams, schemes};
use std::fmt;

/// One challenge of `WWW-Authenticate`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Challenge {
    /// User name and password in plain text are asked for (RFC 7617).
    Basic {
        /// What the password is for, to be shown to a person.
        realm: String,
    },
    /// A proof that the client knows the password is asked for.
    Digest(DigestChallenge),
    /// A scheme, an algorithm or a quality of protection that is not known.
    Unsupported(String),
}

/// A challenge of the Digest scheme (RFC 7616 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DigestChallenge {
    /// What the password is for. Part of what is hashed.
    pub realm: String,
    /// Chosen by the server, and part of what is hashed.
    pub nonce: String,
    /// Sent back as it came.
    pub opaque: Option<String>,
    /// The algorithm, if the challenge names one. Without a name it is MD5, and the answer names
    /// none either: some servers refuse what they did not ask for.
    pub algorithm: Option<DigestAlgorithm>,
    /// The challenge offers the quality of protection `auth`, so that the answer has a nonce of the
    /// client's. Without, the answer is that of RFC 2069.
    pub has_qop: bool,
    /// The nonce of the request was too old, and its credentials were right otherwise.
    pub is_stale: bool,
}

impl Challenge {
    /// The challenges in a value of `WWW-Authenticate`, which may hold several. Never fails: what
    /// cannot be read is [`Unsupported`](Self::Unsupported).
    pub fn parse_list(value: &str) -> impl Iterator<Item = Self> {
        schemes(value).map(|scheme| Self::of(&scheme))
    }

    fn of(params: &SchemeParams<'_>) -> Self {
        if params.scheme.eq_ignore_ascii_case("Basic") {
            return Self::Basic { realm: params.owned("realm").unwrap_or_default() };
        }
        if !params.scheme.eq_ignore_ascii_case("Digest") {
            return Self::Unsupported(params.scheme.to_owned());
        }
        let algorithm = params.value("algorithm");
        let known = algorithm.as_deref().map(DigestAlgorithm::from_name);
        let qop = params.value("qop");
        let is_auth = |offered: &str| offered.trim().eq_ignore_ascii_case("auth");
        match (known, qop.as_deref(), params.owned("nonce")) {
            (Some(None), ..) => {
                Self::Unsupported(format!("Digest with {}", algorithm.unwrap_or_default()))
            }
            (_, Some(qop), _) if !qop.trim().is_empty() && !qop.split(',').any(is_auth) => {
                Self::Unsupported(format!("Digest with qop={qop}"))
            }
            (.., None) => Self::Unsupported("Digest without a nonce".to_owned()),
            (known, qop, Some(nonce)) => Self::Digest(DigestChallenge {
                realm: params.owned("realm").unwrap_or_default(),
                nonce,
                opaque: params.owned("opaque"),
                algorithm: known.flatten(),
                has_qop: qop.is_some_and(|qop| !qop.trim().is_empty()),
                is_stale: params
                    .value("stale")
                    .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            }),
        }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { realm } => write!(f, "Basic realm={}", Quoted(realm)),
            Self::Digest(digest) => digest.fmt(f),
            Self::Unsupported(what) => f.write_str(what),
        }
    }
}

impl DigestChallenge {
    /// A challenge with the quality of protection `auth`.
    pub fn new(realm: &str, nonce: &str, algorithm: DigestAlgorithm) -> Self {
        Self {
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            opaque: None,
            algorithm: Some(algorithm),
            has_qop: true,
            is_stale: false,
        }
    }

    /// The credentials that answer the challenge for one request. `uri` is what stands in the
    /// request line. Where the challenge [has a `qop`](Self::has_qop) the answer carries
    /// `client_nonce`: a random text of the client's, and how often the server's nonce has been
    /// used with this request, from 1.
    pub fn answer(
        &self,
        user: &UserCredentials,
        method: &str,
        uri: &str,
        (cnonce, count): (&str, u32),
    ) -> DigestCredentials {
        let algorithm = self.algorithm.unwrap_or(DigestAlgorithm::Md5);
        let client_nonce = self.has_qop.then_some((cnonce, count));
        let input = ResponseInput { nonce: &self.nonce, client_nonce, method, uri };
        let user_hash = algorithm.hash_user(user.user(), &self.realm, user.password());
        DigestCredentials {
            user: user.user().to_owned(),
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            uri: uri.to_owned(),
            response: response(algorithm, &user_hash, &input),
            opaque: self.opaque.clone(),
            algorithm: self.algorithm,
            client_nonce: client_nonce.map(|(cnonce, count)| (cnonce.to_owned(), count)),
        }
    }
}

impl fmt::Display for DigestChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", Quoted(&self.realm), Quoted(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if let Some(algorithm) = self.algorithm {
            write!(f, ", algorithm={algorithm}")?;
        }
        if self.has_qop {
            f.write_str(", qop=\"auth\"")?;
        }
        if self.is_stale {
            f.write_str(", stale=true")?;
        }
        Ok(())
    }
}
