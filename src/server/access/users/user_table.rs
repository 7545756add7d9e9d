//! [`UserTable`]: the users of a server, and the rules for what they may do.

use super::passwords::SlowHash;
use super::rights::Rule;
use super::token::{BEARER, TokenKey};
use crate::error::Error;
use crate::server::access::action::Action;
use crate::wire::auth::DigestAlgorithm;
use crate::wire::text::{from_hex, to_hex};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

/// Longest name of a user in bytes. With all hashes it fits into a line of a users file, where each of
/// them may take three.
const MAX_NAME: usize = 255;

/// A user, with what is kept of the password: hashes, never the password. `Debug` shows none.
///
/// A Digest hash lets its user in as the password would, to this server and to others with the same
/// realm, so it has to be kept as a password is. It is tied to name, realm and algorithm: all three
/// stay as they are for as long as the password does. A [`SlowHash`] can be told to others more
/// safely, but serves Basic only.
#[derive(Clone)]
pub struct User {
    name: Box<str>,
    md5: Option<[u8; 16]>,
    sha256: Option<[u8; 32]>,
    slow: Option<SlowHash>,
}

impl User {
    /// A user without a password, whom nobody can prove to be.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self { name: name.into(), md5: None, sha256: None, slow: None }
    }

    /// A user with the Digest hashes of a password, for MD5 and SHA-256.
    pub fn with_password(name: &str, realm: &str, password: &str) -> Self {
        let hash = |algorithm: DigestAlgorithm| algorithm.hash_user(name, realm, password);
        Self {
            name: name.into(),
            md5: from_hex(&hash(DigestAlgorithm::Md5)),
            sha256: from_hex(&hash(DigestAlgorithm::Sha256)),
            slow: None,
        }
    }

    /// Sets the MD5 Digest hash (`HA1` of RFC 7616 section 3.4.2).
    #[must_use]
    pub const fn with_md5(mut self, hash: [u8; 16]) -> Self {
        self.md5 = Some(hash);
        self
    }

    /// Sets the SHA-256 Digest hash.
    #[must_use]
    pub const fn with_sha256(mut self, hash: [u8; 32]) -> Self {
        self.sha256 = Some(hash);
        self
    }

    /// Sets a slow hash.
    #[must_use]
    pub fn with_slow_hash(mut self, hash: SlowHash) -> Self {
        self.slow = Some(hash);
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Digest hash for an algorithm, in hexadecimal.
    pub(super) fn digest_hash(&self, algorithm: DigestAlgorithm) -> Option<String> {
        match algorithm {
            DigestAlgorithm::Md5 | DigestAlgorithm::Md5Sess => self.md5.map(|hash| to_hex(&hash)),
            DigestAlgorithm::Sha256 | DigestAlgorithm::Sha256Sess => {
                self.sha256.map(|hash| to_hex(&hash))
            }
        }
    }

    pub(super) const fn slow_hash(&self) -> Option<&SlowHash> {
        self.slow.as_ref()
    }

    /// The best algorithm for which there is a Digest hash.
    pub(super) fn digest_algorithm(&self) -> Option<DigestAlgorithm> {
        let md5 = self.md5.map(|_| DigestAlgorithm::Md5);
        self.sha256.map(|_| DigestAlgorithm::Sha256).or(md5)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The users of a server, the rules for what they may do, and the key of its tokens.
///
/// Without any rule, users may do everything and others nothing.
#[derive(Clone, Debug, Default)]
pub struct UserTable {
    realm: Option<Box<str>>,
    users: HashMap<Box<str>, User>,
    rules: Vec<Rule>,
    token_key: Option<TokenKey>,
}

impl UserTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the realm that the Digest hashes were made for.
    pub fn set_realm(&mut self, realm: impl Into<Box<str>>) {
        self.realm = Some(realm.into());
    }

    /// Returns the realm that the Digest hashes were made for, if it is known.
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// Adds a user.
    ///
    /// # Errors
    /// The name is empty or longer than 255 bytes, has a colon or a control character (which Basic and
    /// Digest cannot carry), begins with `token:`, is `anyone` or `users`, or is that of another user.
    pub fn add_user(&mut self, user: User) -> Result<(), Error> {
        let name = user.name();
        let is_reserved = matches!(name, "anyone" | "users") || name.starts_with(BEARER);
        let is_long = name.len() > MAX_NAME;
        let cannot_be_sent = name.contains(|c: char| c == ':' || c.is_control());
        if name.is_empty() || is_long || is_reserved || cannot_be_sent {
            return Err(Error::Usage("a name that no user can have"));
        }
        if self.users.contains_key(name) {
            return Err(Error::Usage("a user of this name is there already"));
        }
        self.users.insert(name.into(), user);
        Ok(())
    }

    /// Adds a rule behind the others.
    pub fn add_rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Sets the key of tokens. Without one, `token` in a URL has no meaning.
    pub fn set_token_key(&mut self, key: TokenKey) {
        self.token_key = Some(key);
    }

    /// Returns the key of tokens.
    pub const fn token_key(&self) -> Option<&TokenKey> {
        self.token_key.as_ref()
    }

    /// Returns a user by name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// Iterates over the users, in no order.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// Returns how many users have a [`SlowHash`] and no Digest hash. They log in by Basic: over
    /// `rtsps`, or over plain RTSP only if
    /// [`basic_in_the_clear`](super::AccessConfig::basic_in_the_clear) is set.
    pub fn users_without_digest(&self) -> usize {
        let has_none = |user: &&User| user.slow.is_some() && user.digest_algorithm().is_none();
        self.users().filter(has_none).count()
    }

    /// Returns the rules in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns whether a user (`None`: anyone) may do something with a stream from an address.
    pub fn permits(
        &self,
        user: Option<&str>,
        action: Action,
        stream: &str,
        address: IpAddr,
    ) -> bool {
        let is_known = user.is_some_and(|user| self.users.contains_key(user));
        if self.rules.is_empty() {
            return is_known;
        }
        let mut rules = self.rules.iter();
        rules
            .find(|rule| rule.fits((user, is_known), action, stream, address))
            .is_some_and(|rule| rule.permits)
    }
}
