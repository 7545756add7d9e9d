//! [`TokenKey`]: short-lived tokens in URLs, which let their bearer have one stream.
//!
//! A token is the letters of its actions, its expiry in seconds since the Unix epoch, and an
//! HMAC-SHA-256 over these, the stream and, if the token is bound to one, the address of the
//! client: `dp.6cf3a8b0.…`. The server keeps the key and nothing of the tokens.

use super::nonces::keyed;
use super::rights::Actions;
use crate::server::access::action::Action;
use crate::wire::text::{from_hex, to_hex};
use hmac::Mac;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What a token is good for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TokenScope<'a> {
    /// Name of the stream.
    pub stream: &'a str,
    /// The actions.
    pub actions: Actions,
    /// Time since the Unix epoch from which on the token opens nothing; in whole seconds.
    pub expires: Duration,
    /// Address of the only client that may use it; `None`: any client.
    pub address: Option<IpAddr>,
}

impl<'a> TokenScope<'a> {
    /// A token for any client to watch a stream.
    pub const fn new(stream: &'a str, expires: Duration) -> Self {
        Self { stream, actions: Actions::VIEW, expires, address: None }
    }

    /// Sets the actions.
    #[must_use]
    pub const fn with_actions(mut self, actions: Actions) -> Self {
        self.actions = actions;
        self
    }

    /// Binds the token to the address of a client.
    #[must_use]
    pub const fn with_address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }
}

/// The secret with which tokens are minted and checked. `Debug` does not show it.
///
/// ```
/// use riverrun::server::access::{TokenKey, TokenScope};
/// use std::time::Duration;
///
/// let key: TokenKey = "6b".repeat(32).parse()?;
/// let expires = Duration::from_secs(1_900_000_000);
/// let token = key.mint(&TokenScope::new("lobby", expires));
/// println!("rtsp://camera.example/lobby?token={token}");
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey([u8; 32]);

/// The result of checking a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// It is for the stream; whoever bears it is named.
    Good { actions: Actions, expires: Duration, bearer: String },
    /// It was, and its time is over.
    Expired { actions: Actions, bearer: String },
    /// It is not for the stream, or nobody has minted it.
    Wrong,
}

/// Beginning of the name of a token's bearer. No user has a name like that.
pub(super) const BEARER: &str = "token:";

impl TokenKey {
    /// A key of 32 random bytes.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Returns the key in hexadecimal, as a users file has it.
    pub fn to_text(&self) -> String {
        to_hex(&self.0)
    }

    /// Makes a token. It holds no character that would have to be encoded in a URL.
    pub fn mint(&self, scope: &TokenScope<'_>) -> String {
        let (actions, expires) = (scope.actions, scope.expires.as_secs());
        let letters: String = actions.letters().collect();
        let bound = if scope.address.is_some() { "a" } else { "" };
        let hash = self.hash(scope.stream, actions, expires, scope.address);
        format!("{letters}{bound}.{expires:x}.{}", to_hex(&hash.finalize().into_bytes()))
    }

    /// Checks a token of a client at `address` for a stream.
    pub(super) fn check(
        &self,
        token: &str,
        stream: &str,
        address: IpAddr,
        wall_clock: Duration,
    ) -> Checked {
        let Some((actions, is_bound, expires, hash)) = split(token) else {
            return Checked::Wrong;
        };
        let address = is_bound.then_some(address);
        if self.hash(stream, actions, expires, address).verify_slice(&hash).is_err() {
            return Checked::Wrong;
        }
        let bearer = format!("{}{}", self.bearers(), self.short(&[b"bearer", &hash]));
        let expires = Duration::from_secs(expires);
        if wall_clock >= expires {
            return Checked::Expired { actions, bearer };
        }
        Checked::Good { actions, expires, bearer }
    }

    /// Whether a name is that of the bearer of a token of this key.
    pub(super) fn is_bearer(&self, name: &str) -> bool {
        name.starts_with(&self.bearers())
    }

    /// Beginning of the names of all bearers.
    fn bearers(&self) -> String {
        format!("{BEARER}{}-", self.short(&[b"key"]))
    }

    /// Sixteen digits that tell nothing of the key.
    fn short(&self, of: &[&[u8]]) -> String {
        let mut hash = keyed(&self.0);
        of.iter().for_each(|part| hash.update(part));
        to_hex(hash.finalize().into_bytes().get(..8).unwrap_or_default())
    }

    fn hash(
        &self,
        stream: &str,
        actions: Actions,
        expires: u64,
        address: Option<IpAddr>,
    ) -> hmac::Hmac<sha2::Sha256> {
        let mut hash = keyed(&self.0);
        hash.update(b"riverrun token 1");
        hash.update(&expires.to_be_bytes());
        for letter in actions.letters() {
            hash.update(&[u8::try_from(letter).unwrap_or_default()]);
        }
        match address.map(|address| address.to_canonical()) {
            None => hash.update(&[0]),
            Some(IpAddr::V4(ip)) => {
                hash.update(&[4]);
                hash.update(&ip.octets());
            }
            Some(IpAddr::V6(ip)) => {
                hash.update(&[6]);
                hash.update(&ip.octets());
            }
        }
        hash.update(stream.as_bytes());
        hash
    }
}

/// Actions, whether it is bound to an address, expiry and hash.
fn split(token: &str) -> Option<(Actions, bool, u64, [u8; 32])> {
    let (letters, rest) = token.split_once('.')?;
    let (expires, hash) = rest.split_once('.')?;
    let (letters, is_bound) = match letters.strip_suffix('a') {
        Some(letters) => (letters, true),
        None => (letters, false),
    };
    // One text for each token: no sign, no leading zero, lower case.
    let is_plain = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if expires.starts_with('0') || !expires.bytes().chain(hash.bytes()).all(is_plain) {
        return None;
    }
    let expires = u64::from_str_radix(expires, 16).ok()?;
    Some((Actions::from_letters(letters)?, is_bound, expires, from_hex(hash)?))
}

impl Checked {
    /// The bearer, if the token is good for an action. One whose time is over still serves the
    /// session that it has opened, which belongs to `owner`.
    pub(super) fn admits(self, action: Option<Action>, owner: Option<&str>) -> Option<String> {
        let (actions, bearer) = match self {
            Self::Good { actions, bearer, .. } => (actions, bearer),
            Self::Expired { actions, bearer } if owner == Some(&*bearer) => (actions, bearer),
            Self::Expired { .. } | Self::Wrong => return None,
        };
        action.is_none_or(|action| actions.contains(action)).then_some(bearer)
    }
}

impl std::str::FromStr for TokenKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        from_hex(text).map(Self).ok_or("a token key of other than 64 hexadecimal digits")
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> TokenKey {
        TokenKey::new([7; 32])
    }

    const NOON: Duration = Duration::from_secs(1_800_000_000);
    const LATER: Duration = Duration::from_secs(1_800_000_060);

    fn check(token: &str, stream: &str, address: &str, at: Duration) -> Checked {
        key().check(token, stream, address.parse().unwrap(), at)
    }

    #[test]
    fn a_token_is_for_one_stream_for_a_time() {
        let token = key().mint(&TokenScope::new("lobby", LATER));
        let good = check(&token, "lobby", "10.0.0.7", NOON);
        let Checked::Good { actions, expires, ref bearer } = good else { panic!("{good:?}") };
        assert_eq!((actions, expires), (Actions::VIEW, LATER));
        assert!(bearer.starts_with(BEARER) && !token.contains(&bearer[BEARER.len()..]));
        assert_eq!(check(&token, "lobby2", "10.0.0.7", NOON), Checked::Wrong);
        let expired = check(&token, "lobby", "10.0.0.7", LATER);
        assert!(matches!(expired, Checked::Expired { .. }));
        assert_eq!(expired.admits(Some(Action::Play), Some("ann")), None);
        let bearer = bearer.clone();
        let expired = check(&token, "lobby", "10.0.0.7", LATER);
        assert_eq!(expired.admits(Some(Action::Play), Some(&bearer)), Some(bearer.clone()));
        assert_eq!(good.admits(Some(Action::Control), None), None);
        let other = TokenKey::new([8; 32]);
        assert!(key().is_bearer(&bearer) && !other.is_bearer(&bearer) && !key().is_bearer("ann"));
        let address = "10.0.0.7".parse().unwrap();
        assert_eq!(other.check(&token, "lobby", address, NOON), Checked::Wrong);
    }

    #[test]
    fn an_address_binds() {
        let scope = TokenScope::new("lobby", LATER).with_address("10.0.0.7".parse().unwrap());
        let token = key().mint(&scope);
        assert!(matches!(check(&token, "lobby", "10.0.0.7", NOON), Checked::Good { .. }));
        assert!(matches!(check(&token, "lobby", "::ffff:10.0.0.7", NOON), Checked::Good { .. }));
        assert_eq!(check(&token, "lobby", "10.0.0.8", NOON), Checked::Wrong);
        assert_eq!(check(&token.replacen('a', "", 1), "lobby", "10.0.0.7", NOON), Checked::Wrong);
    }

    #[test]
    fn one_bit_changed_makes_it_wrong() {
        let token = key().mint(&TokenScope::new("lobby", LATER));
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut changed = token.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(check(&changed, "lobby", "10.0.0.7", NOON), Checked::Wrong, "{changed}");
            }
        }
        for end in 0..token.len() {
            assert_eq!(check(&token[..end], "lobby", "10.0.0.7", NOON), Checked::Wrong);
        }
        assert_eq!(check(&format!("{token}0"), "lobby", "10.0.0.7", NOON), Checked::Wrong);
    }
}
