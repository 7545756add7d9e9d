//! [`Authenticator`]: answers a server's challenges in the name of one user (RFC 2617 section 3.3,
//! RFC 7616 section 3.3).

use crate::wire::auth::{Challenge, DigestAlgorithm, DigestChallenge, UserCredentials};
use crate::wire::rtsp::Headers;

/// Times that one request is sent with credentials before they count as wrong. Twice, because a
/// server may replace its nonce between two requests without saying that the old one was stale.
const MAX_ATTEMPTS: u32 = 2;

/// The authentication schemes that a client uses when a server offers them. Among those that are
/// offered and allowed it takes the strongest: Digest with SHA-256, Digest with MD5, Basic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthSchemes {
    /// Basic, which sends the password in plain text. Allowed by default.
    pub basic: bool,
    /// Digest with MD5. Allowed by default.
    pub digest_md5: bool,
    /// Digest with SHA-256. Allowed by default; to be turned off for a device that offers it and
    /// computes it wrongly.
    pub digest_sha256: bool,
}

impl Default for AuthSchemes {
    fn default() -> Self {
        Self { basic: true, digest_md5: true, digest_sha256: true }
    }
}

impl AuthSchemes {
    /// How strong a challenge is; `None` if it is not allowed.
    const fn strength(self, challenge: &Challenge) -> Option<u32> {
        let (is_allowed, strength) = match challenge {
            Challenge::Basic { .. } => (self.basic, 1),
            Challenge::Digest(digest) => match digest.algorithm {
                None | Some(DigestAlgorithm::Md5 | DigestAlgorithm::Md5Sess) => {
                    (self.digest_md5, 2)
                }
                Some(DigestAlgorithm::Sha256 | DigestAlgorithm::Sha256Sess) => {
                    (self.digest_sha256, 3)
                }
            },
            Challenge::Unsupported(_) => (false, 0),
        };
        if is_allowed { Some(strength) } else { None }
    }
}

/// What follows from a 401 response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthVerdict {
    /// The request is to be sent again, with [`Authenticator::authorization`].
    SendAgain,
    /// The server does not accept the user's credentials.
    Refused,
    /// The server asks who the client is, and no user is configured.
    NoUser,
    /// The server offers nothing that is known and allowed; names what it offers.
    Unsupported(String),
}

/// The credentials of one user and the challenge that they answer.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    user: Option<UserCredentials>,
    schemes: AuthSchemes,
    accepted: Option<Accepted>,
    /// Number of challenges accepted.
    generation: u32,
}

/// The challenge in use.
#[derive(Clone, Debug)]
enum Accepted {
    Basic,
    Digest { challenge: DigestChallenge, cnonce: String, count: u32 },
}

/// The credentials that a request was sent with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Times that it was sent with credentials.
    count: u32,
    /// Which challenge the last ones answered.
    generation: u32,
}

impl Authenticator {
    pub(crate) const fn new(user: Option<UserCredentials>, schemes: AuthSchemes) -> Self {
        Self { user, schemes, accepted: None, generation: 0 }
    }

    /// Returns the value of `Authorization` for a request, once the server has sent a challenge,
    /// and records in `attempt` that the request has it.
    pub(crate) fn authorization(
        &mut self,
        method: &str,
        uri: &str,
        attempt: &mut Attempt,
    ) -> Option<String> {
        let user = self.user.as_ref()?;
        let value = match self.accepted.as_mut()? {
            Accepted::Basic => user.to_basic(),
            Accepted::Digest { challenge, cnonce, count } => {
                *count = count.wrapping_add(1);
                challenge.answer(user, method, uri, (cnonce, *count)).to_string()
            }
        };
        *attempt = Attempt { count: attempt.count + 1, generation: self.generation };
        Some(value)
    }

    /// Takes a 401 response to a request that was sent with `attempt`. `cnonce` is a fresh random
    /// text.
    pub(crate) fn handle_unauthorized(
        &mut self,
        headers: &Headers<'_>,
        attempt: Attempt,
        cnonce: String,
    ) -> AuthVerdict {
        if self.user.is_none() {
            return AuthVerdict::NoUser;
        }
        let challenges: Vec<_> =
            headers.values("WWW-Authenticate").flat_map(Challenge::parse_list).collect();
        // Of equals the first: the server prefers it.
        let best = challenges.iter().rev().max_by_key(|c| self.schemes.strength(c));
        let Some(best) = best.filter(|c| self.schemes.strength(c).is_some()) else {
            return AuthVerdict::Unsupported(names_of(&challenges));
        };
        let is_current = attempt.count > 0 && attempt.generation == self.generation;
        let is_same = match (&self.accepted, best) {
            (Some(Accepted::Basic), Challenge::Basic { .. }) => true,
            (Some(Accepted::Digest { challenge, .. }), Challenge::Digest(new)) => {
                challenge.nonce == new.nonce && !new.is_stale
            }
            _ => false,
        };
        if attempt.count >= MAX_ATTEMPTS || is_current && is_same {
            return AuthVerdict::Refused;
        }
        if !is_same {
            self.accepted = Some(match best {
                Challenge::Digest(challenge) => {
                    Accepted::Digest { challenge: challenge.clone(), cnonce, count: 0 }
                }
                _ => Accepted::Basic,
            });
            self.generation = self.generation.wrapping_add(1);
        }
        AuthVerdict::SendAgain
    }
}

/// Names the schemes of challenges that are not used.
fn names_of(challenges: &[Challenge]) -> String {
    let names: Vec<_> = challenges
        .iter()
        .map(|challenge| match challenge {
            Challenge::Basic { .. } => "Basic".to_owned(),
            Challenge::Digest(digest) => {
                format!("Digest with {}", digest.algorithm.unwrap_or(DigestAlgorithm::Md5))
            }
            Challenge::Unsupported(what) => what.clone(),
        })
        .collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::auth::Credentials;

    const MD5: &str = "Digest realm=\"r\", nonce=\"m1\"";
    const SHA: &str = "Digest realm=\"r\", nonce=\"s1\", algorithm=SHA-256, qop=\"auth\"";
    const BASIC: &str = "Basic realm=\"r\"";

    fn challenges(values: &[&str]) -> Headers<'static> {
        let mut headers = Headers::new();
        values.iter().for_each(|value| headers.push("WWW-Authenticate", value));
        headers
    }

    fn authenticator(schemes: AuthSchemes) -> Authenticator {
        Authenticator::new(Some(UserCredentials::new("u", "p")), schemes)
    }

    /// What the next request carries.
    fn sent(authenticator: &mut Authenticator, attempt: &mut Attempt) -> Credentials {
        let value = authenticator.authorization("PLAY", "rtsp://h/x", attempt).unwrap();
        Credentials::parse(&value).unwrap()
    }

    fn nonce_and_count(credentials: Credentials) -> (String, u32) {
        let Credentials::Digest(digest) = credentials else { panic!("{credentials:?}") };
        (digest.nonce, digest.client_nonce.map_or(0, |(_, count)| count))
    }

    #[test]
    fn the_strongest_that_is_allowed_is_used() {
        let all = AuthSchemes::default();
        let no_sha = AuthSchemes { digest_sha256: false, ..all };
        let basic = AuthSchemes { digest_md5: false, ..no_sha };
        for (schemes, expected) in [(all, "s1"), (no_sha, "m1"), (basic, "")] {
            let mut a = authenticator(schemes);
            let mut attempt = Attempt::default();
            assert_eq!(a.authorization("PLAY", "*", &mut attempt), None, "nobody asked");
            let offered = challenges(&[BASIC, MD5, SHA]);
            let verdict = a.handle_unauthorized(&offered, attempt, "c".to_owned());
            assert_eq!(verdict, AuthVerdict::SendAgain);
            let credentials = sent(&mut a, &mut attempt);
            match expected {
                "" => assert_eq!(credentials, Credentials::Basic(UserCredentials::new("u", "p"))),
                nonce => assert_eq!(nonce_and_count(credentials).0, nonce),
            }
        }
        let none = AuthSchemes { basic: false, ..basic };
        let offered = challenges(&[BASIC, MD5, "Negotiate"]);
        assert_eq!(
            authenticator(none).handle_unauthorized(&offered, Attempt::default(), String::new()),
            AuthVerdict::Unsupported("Basic, Digest with MD5, Negotiate".to_owned())
        );
        let mut nobody = Authenticator::new(None, all);
        let verdict = nobody.handle_unauthorized(&offered, Attempt::default(), String::new());
        assert_eq!(verdict, AuthVerdict::NoUser);
    }

    #[test]
    fn a_wrong_password_is_found_out_after_one_try() {
        for offered in [BASIC, MD5, SHA] {
            let mut a = authenticator(AuthSchemes::default());
            let mut attempt = Attempt::default();
            let headers = challenges(&[offered]);
            let mut verdict = || a.handle_unauthorized(&headers, attempt, "c".to_owned());
            assert_eq!(verdict(), AuthVerdict::SendAgain);
            sent(&mut a, &mut attempt);
            let verdict = a.handle_unauthorized(&headers, attempt, "c".to_owned());
            assert_eq!(verdict, AuthVerdict::Refused, "{offered}");
        }
    }

    #[test]
    fn a_server_that_has_a_new_nonce_each_time_is_not_asked_for_ever() {
        let mut a = authenticator(AuthSchemes::default());
        let mut attempt = Attempt::default();
        let mut verdicts = Vec::new();
        for nonce in 0..4 {
            let value = format!("Digest realm=\"r\", nonce=\"{nonce}\", stale=true");
            verdicts.push(a.handle_unauthorized(&challenges(&[&value]), attempt, String::new()));
            if verdicts.last() == Some(&SendAgain) {
                sent(&mut a, &mut attempt);
            }
        }
        use AuthVerdict::{Refused, SendAgain};
        assert_eq!(verdicts, [SendAgain, SendAgain, Refused, Refused]);
    }

    #[test]
    fn the_nonce_may_change_in_mid_session_and_is_counted() {
        let mut a = authenticator(AuthSchemes::default());
        let mut first = Attempt::default();
        a.handle_unauthorized(&challenges(&[SHA]), first, "c".to_owned());
        assert_eq!(nonce_and_count(sent(&mut a, &mut first)), ("s1".to_owned(), 1));
        let (mut second, mut third) = (Attempt::default(), Attempt::default());
        assert_eq!(nonce_and_count(sent(&mut a, &mut second)), ("s1".to_owned(), 2));
        assert_eq!(nonce_and_count(sent(&mut a, &mut third)), ("s1".to_owned(), 3));
        // Both requests were pipelined, and both find the nonce changed.
        let changed = challenges(&["Digest realm=\"r\", nonce=\"s2\", qop=auth"]);
        for attempt in [&mut second, &mut third] {
            let verdict = a.handle_unauthorized(&changed, *attempt, "d".to_owned());
            assert_eq!(verdict, AuthVerdict::SendAgain);
            let (nonce, _) = nonce_and_count(sent(&mut a, attempt));
            assert_eq!(nonce, "s2");
        }
        let mut fourth = Attempt::default();
        assert_eq!(nonce_and_count(sent(&mut a, &mut fourth)).1, 3, "counted anew");
    }
}
