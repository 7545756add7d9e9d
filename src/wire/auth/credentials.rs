//! [`Credentials`]: how a client says who it is.

use super::digest::{DigestAlgorithm, ResponseInput, is_same, response};
use super::params::{Quoted, schemes};
use crate::wire::ParseError;
use crate::wire::text::invalid;
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use std::fmt;

/// Name and password of a user. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCredentials {
    user: String,
    password: String,
}

impl UserCredentials {
    /// The user `user` with the password `password`.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// Name of the user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password in plain text.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The value of `Authorization` in the scheme Basic: both in plain text (RFC 7617). A colon
    /// in the name ends it there.
    pub fn to_basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

impl fmt::Debug for UserCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCredentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The value of `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Name and password in plain text (RFC 7617).
    Basic(UserCredentials),
    /// A proof that the client knows the password.
    Digest(DigestCredentials),
}

/// Credentials of the Digest scheme (RFC 7616 section 3.4).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DigestCredentials {
    /// Name of the user.
    pub user: String,
    /// Realm of the challenge.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// What the request is for. It should be the URL in the request line; where a proxy, or a
    /// client that shortens it, has come between, a server decides whether to accept it.
    pub uri: String,
    /// The hash that proves the password.
    pub response: String,
    /// As it stood in the challenge.
    pub opaque: Option<String>,
    /// The algorithm, if the credentials name one; MD5 otherwise.
    pub algorithm: Option<DigestAlgorithm>,
    /// The client's nonce and how often the server's nonce was used, where the quality of
    /// protection is `auth`.
    pub client_nonce: Option<(String, u32)>,
}

impl Credentials {
    /// Reads the value of `Authorization`.
    ///
    /// # Errors
    /// The scheme or the algorithm is not known, or something that belongs to it is missing.
    pub fn parse(value: &str) -> Result<Self, ParseError> {
        let params = schemes(value).next().ok_or(invalid("Authorization"))?;
        if params.scheme.eq_ignore_ascii_case("Basic") {
            return basic(params.word).map(Self::Basic);
        }
        if !params.scheme.eq_ignore_ascii_case("Digest") {
            return Err(invalid("Authorization: scheme"));
        }
        let needed = |name| params.owned(name).ok_or(invalid("Authorization: Digest"));
        let algorithm = match params.value("algorithm") {
            Some(name) => {
                let known = DigestAlgorithm::from_name(&name);
                Some(known.ok_or(invalid("Authorization: algorithm"))?)
            }
            None => None,
        };
        let client_nonce = match params.value("qop") {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let count = u32::from_str_radix(&needed("nc")?, 16);
                Some((needed("cnonce")?, count.map_err(|_| invalid("Authorization: nc"))?))
            }
            Some(_) => return Err(invalid("Authorization: qop")),
            None => None,
        };
        Ok(Self::Digest(DigestCredentials {
            user: needed("username")?,
            realm: needed("realm")?,
            nonce: needed("nonce")?,
            uri: needed("uri")?,
            response: needed("response")?,
            opaque: params.owned("opaque"),
            algorithm,
            client_nonce,
        }))
    }
}

/// Padding is optional: clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn basic(word: &str) -> Result<UserCredentials, ParseError> {
    let error = || invalid("Authorization: Basic");
    let plain = BASE64.decode(word).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let plain = plain.ok_or_else(error)?;
    let (user, password) = plain.split_once(':').ok_or_else(error)?;
    Ok(UserCredentials::new(user, password))
}

impl DigestCredentials {
    /// Whether the response is that of somebody who knows the password of `user`, for a request
    /// with the method `method`. Realm, nonce, its count and URI are the caller's to check.
    pub fn is_proven_by(&self, user: &UserCredentials, method: &str) -> bool {
        let algorithm = self.algorithm.unwrap_or(DigestAlgorithm::Md5);
        let hash = algorithm.hash_user(user.user(), &self.realm, user.password());
        user.user() == self.user && self.is_proven_by_hash(&hash, method)
    }

    /// As [`is_proven_by`](Self::is_proven_by), where a server keeps
    /// [`DigestAlgorithm::hash_user`] instead of the password.
    pub fn is_proven_by_hash(&self, user_hash: &str, method: &str) -> bool {
        let algorithm = self.algorithm.unwrap_or(DigestAlgorithm::Md5);
        let client_nonce = self.client_nonce.as_ref().map(|(cnonce, n)| (cnonce.as_str(), *n));
        let input = ResponseInput { nonce: &self.nonce, client_nonce, method, uri: &self.uri };
        let expected = response(algorithm, user_hash, &input);
        is_same(&expected, &self.response.to_ascii_lowercase())
    }
}

/// Without the response, with which others could repeat the request.
impl fmt::Debug for DigestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestCredentials")
            .field("user", &self.user)
            .field("realm", &self.realm)
            .field("uri", &self.uri)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DigestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username={}, realm={}, nonce={}, uri={}, response={}",
            Quoted(&self.user),
            Quoted(&self.realm),
            Quoted(&self.nonce),
            Quoted(&self.uri),
            Quoted(&self.response),
        )?;
        if let Some(algorithm) = self.algorithm {
            write!(f, ", algorithm={algorithm}")?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if let Some((cnonce, count)) = &self.client_nonce {
            write!(f, ", qop=auth, nc={count:08x}, cnonce={}", Quoted(cnonce))?;
        }
        Ok(())
    }
}
