//! [`Nonces`]: the nonces of Digest challenges (RFC 7616 section 3.3), and the counts of their use.
//!
//! A nonce is its time of issue, random bytes and a keyed hash of both and of the client's address,
//! so that one that has been given out takes no memory: whoever asks without credentials can ask as
//! often as they like. Only a nonce with which a user has been proven is kept, in a bounded table.
//! Whatever has to be dropped from the table is older than all that is accepted from then on, so a
//! request cannot be repeated by filling the table either.

use crate::wire::text::{from_hex, to_hex};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Bytes of a nonce: time of issue in milliseconds, random bytes, hash.
const TIME: usize = 8;
const RANDOM: usize = 8;
const HASH: usize = 16;

/// Counts below the highest that are told apart.
const WINDOW: u32 = 64;

/// A nonce of this server's that is not too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nonce {
    issued: u64,
    random: [u8; RANDOM],
}

/// The use of a nonce by a user.
#[derive(Debug)]
struct Use {
    user: Box<str>,
    highest: u32,
    /// Bit n: the count `highest - n` has been used.
    seen: u64,
}

/// The nonces of a server.
pub(super) struct Nonces {
    key: Option<[u8; 32]>,
    began: Option<Instant>,
    used: BTreeMap<Nonce, Use>,
    /// Nonces up to this time of issue are accepted only if they are in the table.
    horizon: Option<u64>,
}

impl Nonces {
    pub(super) const fn new() -> Self {
        Self { key: None, began: None, used: BTreeMap::new(), horizon: None }
    }

    /// A new nonce for a client at `address`.
    pub(super) fn issue(
        &mut self,
        address: IpAddr,
        now: Instant,
        fill_random: &mut dyn FnMut(&mut [u8]),
    ) -> String {
        let key = *self.key.get_or_insert_with(|| {
            let mut key = [0; 32];
            fill_random(&mut key);
            key
        });
        let mut random = [0; RANDOM];
        fill_random(&mut random);
        let nonce = Nonce { issued: self.millis(now), random };
        let mut text = to_hex(&nonce.issued.to_be_bytes());
        text.push_str(&to_hex(&random));
        let hash = nonce.hash(&key, address).finalize().into_bytes();
        text.push_str(&to_hex(hash.get(..HASH).unwrap_or_default()));
        text
    }

    /// Reads a nonce that a client at `address` has sent. `None`: it is too old, or was not issued
    /// to that address by this server.
    pub(super) fn check(
        &self,
        text: &str,
        address: IpAddr,
        now: Instant,
        lifetime: Duration,
    ) -> Option<Nonce> {
        let bytes: [u8; TIME + RANDOM + HASH] = from_hex(text)?;
        let (issued, rest) = bytes.split_first_chunk::<TIME>()?;
        let (random, hash) = rest.split_first_chunk::<RANDOM>()?;
        let nonce = Nonce { issued: u64::from_be_bytes(*issued), random: *random };
        nonce.hash(&self.key?, address).verify_truncated_left(hash).ok()?;
        let began = self.began?;
        let age = u64::try_from(now.saturating_duration_since(began).as_millis())
            .unwrap_or(u64::MAX)
            .saturating_sub(nonce.issued);
        let is_recent = u128::from(age) < lifetime.as_millis();
        let is_past = self.horizon.is_some_and(|horizon| nonce.issued <= horizon);
        (is_recent && (!is_past || self.used.contains_key(&nonce))).then_some(nonce)
    }

    /// Records that a user has been proven with a nonce, and with a count of its use where the
    /// quality of protection is `auth`. Returns false if that count has been used before.
    pub(super) fn note_use(
        &mut self,
        nonce: Nonce,
        user: &str,
        count: Option<u32>,
        (now, lifetime, max): (Instant, Duration, usize),
    ) -> bool {
        if !self.used.contains_key(&nonce) {
            self.make_room(now, lifetime, max.max(1));
            let fresh = Use { user: user.into(), highest: 0, seen: 0 };
            self.used.insert(nonce, fresh);
        }
        let Some(used) = self.used.get_mut(&nonce) else { return false };
        if *used.user != *user {
            used.user = user.into();
        }
        count.is_none_or(|count| used.take(count))
    }

    /// Whether this user has been proven with the nonce before.
    pub(super) fn has_proven(&self, nonce: Nonce, user: &str) -> bool {
        self.used.get(&nonce).is_some_and(|used| *used.user == *user)
    }

    fn make_room(&mut self, now: Instant, lifetime: Duration, max: usize) {
        let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let oldest = self.millis(now).saturating_sub(lifetime);
        // What is too old is refused for that alone.
        while let Some(entry) = self.used.first_entry().filter(|e| e.key().issued < oldest) {
            entry.remove();
        }
        while self.used.len() >= max {
            let Some((nonce, _)) = self.used.pop_first() else { break };
            self.horizon = Some(nonce.issued);
        }
    }

    /// Milliseconds since the first nonce was issued.
    fn millis(&mut self, now: Instant) -> u64 {
        let began = *self.began.get_or_insert(now);
        u64::try_from(now.saturating_duration_since(began).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Nonce {
    fn hash(&self, key: &[u8; 32], address: IpAddr) -> Hmac<Sha256> {
        let mut hash = keyed(key);
        hash.update(&self.issued.to_be_bytes());
        hash.update(&self.random);
        match address.to_canonical() {
            IpAddr::V4(ip) => hash.update(&ip.octets()),
            IpAddr::V6(ip) => hash.update(&ip.octets()),
        }
        hash
    }
}

/// A hash with a key.
pub(super) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::<Sha256>::new(&block)
}

impl Use {
    /// Takes a count; false if it has been taken, or is too far behind to know.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return count > 0;
        }
        let behind = self.highest - count;
        let bit = 1_u64.checked_shl(behind).filter(|_| behind < WINDOW).unwrap_or(0);
        let is_new = bit != 0 && count > 0 && self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(300);

    struct World {
        nonces: Nonces,
        now: Instant,
        drawn: u8,
    }

    impl World {
        fn new() -> Self {
            Self { nonces: Nonces::new(), now: Instant::now(), drawn: 0 }
        }

        fn issue(&mut self, address: &str) -> String {
            let drawn = &mut self.drawn;
            self.nonces.issue(address.parse().unwrap(), self.now, &mut |bytes| {
                *drawn = drawn.wrapping_add(1);
                bytes.fill(*drawn);
            })
        }

        fn check(&self, text: &str, address: &str) -> Option<Nonce> {
            self.nonces.check(text, address.parse().unwrap(), self.now, LIFE)
        }

        fn note(&mut self, nonce: Nonce, count: Option<u32>) -> bool {
            self.nonces.note_use(nonce, "ann", count, (self.now, LIFE, 4))
        }
    }

    #[test]
    fn a_nonce_is_good_for_its_address_and_its_time() {
        let mut w = World::new();
        let text = w.issue("10.0.0.7");
        assert!(w.check(&text, "10.0.0.7").is_some());
        assert!(w.check(&text, "::ffff:10.0.0.7").is_some());
        assert!(w.check(&text, "10.0.0.8").is_none());
        for i in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[i] = if forged[i] == b'0' { b'1' } else { b'0' };
            assert!(w.check(std::str::from_utf8(&forged).unwrap(), "10.0.0.7").is_none());
        }
        for bad in ["", "00", &text[1..], &format!("{text}00"), "é"] {
            assert!(w.check(bad, "10.0.0.7").is_none());
        }
        w.now += LIFE - Duration::from_millis(1);
        assert!(w.check(&text, "10.0.0.7").is_some());
        w.now += Duration::from_millis(1);
        assert!(w.check(&text, "10.0.0.7").is_none());
    }

    #[test]
    fn each_count_is_good_once_in_any_order() {
        let mut w = World::new();
        let text = w.issue("10.0.0.7");
        let nonce = w.check(&text, "10.0.0.7").unwrap();
        for (count, is_new) in
            [(1, true), (1, false), (3, true), (2, true), (2, false), (3, false), (0, false)]
        {
            assert_eq!(w.note(nonce, Some(count)), is_new, "{count}");
        }
        assert!(w.note(nonce, Some(1000)));
        assert!(w.note(nonce, Some(1000 - WINDOW + 1)) && !w.note(nonce, Some(1000 - WINDOW)));
        assert!(w.note(nonce, Some(u32::MAX)) && !w.note(nonce, Some(u32::MAX)));
        assert!(!w.note(nonce, Some(4)));
        assert!(w.note(nonce, None) && w.note(nonce, None), "without a count there is no telling");
        assert!(w.nonces.has_proven(nonce, "ann") && !w.nonces.has_proven(nonce, "bob"));
    }

    #[test]
    fn nothing_is_repeated_by_filling_the_table() {
        let mut w = World::new();
        let texts: Vec<_> = (0..20)
            .map(|_| {
                w.now += Duration::from_millis(10);
                w.issue("10.0.0.7")
            })
            .collect();
        for text in &texts {
            if let Some(nonce) = w.check(text, "10.0.0.7") {
                assert!(w.note(nonce, Some(1)));
            }
            assert!(w.nonces.used.len() <= 4);
        }
        for text in &texts {
            let nonce = w.check(text, "10.0.0.7");
            assert!(nonce.is_none_or(|nonce| !w.note(nonce, Some(1))), "repeated");
        }
        w.now += LIFE * 2;
        let text = w.issue("10.0.0.7");
        let nonce = w.check(&text, "10.0.0.7").unwrap();
        assert!(w.note(nonce, Some(1)));
        assert_eq!(w.nonces.used.len(), 1, "what is too old is dropped");
    }
}
