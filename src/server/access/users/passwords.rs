//! [`SlowHash`]: a password hash that takes long to compute, and the thread that computes it.
//!
//! Whoever reads a file of such hashes cannot try many passwords in a given time. The loop cannot
//! compute one either without keeping everybody waiting, so a thread does, with a bounded queue.

use crate::server::hooks::{Admission, DecisionSender};
use crate::wire::text::{from_hex, to_hex};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

/// Most rounds of a hash. A second or more on small processors.
const MAX_ROUNDS: u32 = 10_000_000;

/// PBKDF2 with HMAC-SHA-256 (RFC 8018 section 5.2) of a password, with a salt of 16 bytes.
///
/// Its text is `ROUNDS:SALT:HASH`, the last two in hexadecimal. `Debug` shows the rounds only.
///
/// ```
/// use riverrun::server::access::SlowHash;
///
/// let hash = SlowHash::new("secret", 1000, *b"sixteen bytes 00").unwrap();
/// let read: SlowHash = hash.to_text().parse().unwrap();
/// assert!(read.is_of("secret") && !read.is_of("Secret"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SlowHash {
    rounds: u32,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl SlowHash {
    /// Hashes a password, which takes long. The salt should be random. 600,000 rounds are common;
    /// a small device may need fewer. `None` without rounds, or with more than 10 million.
    pub fn new(password: &str, rounds: u32, salt: [u8; 16]) -> Option<Self> {
        (1..=MAX_ROUNDS).contains(&rounds).then(|| Self::compute(password, rounds, salt))
    }

    fn compute(password: &str, rounds: u32, salt: [u8; 16]) -> Self {
        let mut hash = [0; 32];
        pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password.as_bytes(), &salt, rounds, &mut hash);
        Self { rounds, salt, hash }
    }

    /// A hash that no password has, and that takes as long to compare with as this one.
    pub(super) const fn of_nobody(&self, salt: [u8; 16]) -> Self {
        Self { rounds: self.rounds, salt, hash: [0; 32] }
    }

    /// Returns whether this is the hash of `password`, which takes long.
    pub fn is_of(&self, password: &str) -> bool {
        let other = Self::compute(password, self.rounds, self.salt);
        is_same(&other.hash, &self.hash)
    }

    /// Returns the number of rounds.
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// Returns the text of the hash. It is a secret: who has it can try passwords.
    pub fn to_text(&self) -> String {
        format!("{}:{}:{}", self.rounds, to_hex(&self.salt), to_hex(&self.hash))
    }
}

impl FromStr for SlowHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a malformed pbkdf2-sha256";
        let (rounds, rest) = text.split_once(':').ok_or(wrong)?;
        let (salt, hash) = rest.split_once(':').ok_or(wrong)?;
        let rounds: u32 = crate::wire::text::digits(rounds).ok_or(wrong)?;
        if !(1..=MAX_ROUNDS).contains(&rounds) {
            return Err("a pbkdf2-sha256 with too few or too many rounds");
        }
        let (salt, hash) = (from_hex(salt).ok_or(wrong)?, from_hex(hash).ok_or(wrong)?);
        Ok(Self { rounds, salt, hash })
    }
}

impl fmt::Debug for SlowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowHash").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

/// Compares two hashes in a time that does not depend on where they differ.
pub(super) fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    std::hint::black_box(a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b))) == 0
}

/// A password to check.
pub(super) struct Check {
    pub(super) password: String,
    pub(super) hash: SlowHash,
    /// What is known already of a user without a slow hash, for whom as much time is taken.
    pub(super) known: Option<bool>,
    pub(super) sender: DecisionSender,
    pub(super) accepted: Admission,
    /// The refusal, and the time after which it is sent.
    pub(super) refused: (Admission, Duration),
    pub(super) about: Subject,
}

/// What a check is about.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) user: Box<str>,
    pub(super) address: IpAddr,
    /// A keyed hash of user and password, by which the next request is recognized.
    pub(super) tag: [u8; 32],
    /// Which table of users the hash is of.
    pub(super) table: u64,
}

/// The queue of the thread, and what it has found out.
pub(super) struct PasswordChecks {
    queue: Option<SyncSender<Check>>,
    found: Sender<(Subject, bool)>,
    finished: Receiver<(Subject, bool)>,
}

impl PasswordChecks {
    pub(super) fn new() -> Self {
        let (found, finished) = channel();
        Self { queue: None, found, finished }
    }

    /// Hands a check to the thread, which makes the decision. Returns the check if `max` others
    /// wait, or there can be no thread.
    pub(super) fn begin(&mut self, check: Check, max: usize) -> Result<(), Box<Check>> {
        if self.queue.is_none() {
            let (queue, checks) = sync_channel(max.max(1));
            let found = self.found.clone();
            // It ends when the queue is dropped.
            let thread = std::thread::Builder::new().name("passwords".to_owned());
            match thread.spawn(move || work(&checks, &found)) {
                Ok(_) => self.queue = Some(queue),
                Err(e) => {
                    log::error!("no thread to check passwords: {e}");
                    return Err(Box::new(check));
                }
            }
        }
        let Some(queue) = &self.queue else { return Ok(()) };
        match queue.try_send(check) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(check) | TrySendError::Disconnected(check)) => {
                Err(Box::new(check))
            }
        }
    }

    /// The next result that the thread has found.
    pub(super) fn poll_found(&self) -> Option<(Subject, bool)> {
        self.finished.try_recv().ok()
    }
}

fn work(checks: &Receiver<Check>, found: &Sender<(Subject, bool)>) {
    while let Ok(check) = checks.recv() {
        let Check { password, hash, known, sender, accepted, refused, about } = check;
        let is_of = hash.is_of(&password);
        let is_right = known.unwrap_or(is_of);
        drop(password);
        // First what has been found, so that a request which follows the answer finds it.
        let told = found.send((about, is_right));
        if is_right {
            sender.decide(accepted);
        } else {
            sender.decide_after(refused.0, refused.1);
        }
        if told.is_err() {
            return;
        }
    }
}

impl fmt::Debug for PasswordChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordChecks").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7914 section 11.
    #[test]
    fn the_hash_is_that_of_the_rfc() {
        let mut hash = [0; 64];
        pbkdf2::pbkdf2_hmac::<sha2::Sha256>(b"passwd", b"salt", 1, &mut hash);
        let expected = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
                        49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783";
        assert_eq!(to_hex(&hash), expected);
    }

    #[test]
    fn a_text_is_read_as_it_was_written() {
        let hash = SlowHash::new("päss", 2, [7; 16]).unwrap();
        let text = hash.to_text();
        assert_eq!(text.parse(), Ok(hash.clone()));
        assert!(hash.is_of("päss") && !hash.is_of("pass") && !hash.of_nobody([1; 16]).is_of("x"));
        assert!(!format!("{hash:?}").contains(&text[40..]));
        for bad in ["", "1", "1:2:3", &text[..text.len() - 1], &text.replacen('2', "0", 1)] {
            assert!(bad.parse::<SlowHash>().is_err(), "{bad}");
        }
        assert!(text.replacen('2', "99999999", 1).parse::<SlowHash>().is_err());
        assert_eq!(SlowHash::new("a", 0, [0; 16]), None);
    }
}
