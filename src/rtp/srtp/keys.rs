//! [`MasterKey`], and [`SrtpKeys`]: what MIKEY tells of keys, and what is told of ours.

use crate::wire::mikey::{
    CryptoSession, CryptoSuite, KeyData, MikeyMessage, SecurityPolicy, from_attribute,
};
use crate::wire::sdp::Attribute;
use std::fmt;

/// Longest master key, in octets.
const MAX_KEY: usize = 32;
/// Longest master salt, in octets.
const MAX_SALT: usize = 14;
/// Longest master key identifier (MKI) that is accepted, in octets.
const MAX_MKI: usize = 16;
/// The interval of a key that is good for all packets.
const ALL: (u64, u64) = (0, u64::MAX);
/// Most master keys of one stream.
const MAX_KEYS: usize = 8;
/// Octets of a master key and a salt, at most.
pub(crate) const MAX_MATERIAL: usize = MAX_KEY + MAX_SALT;

/// A master key with its salt (RFC 3711 section 3.2.1). `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MasterKey {
    suite: CryptoSuite,
    key: [u8; MAX_KEY],
    salt: [u8; MAX_SALT],
}

impl MasterKey {
    /// Creates a master key from `material`: the key, followed by the salt. `None` if `material`
    /// does not have the length that the suite wants.
    pub(crate) fn new(suite: CryptoSuite, material: &[u8]) -> Option<Self> {
        let (key_len, salt_len) = (suite.key_len(), suite.salt_len());
        if material.len() != key_len + salt_len {
            return None;
        }
        let (mut key, mut salt) = ([0; MAX_KEY], [0; MAX_SALT]);
        let (from_key, from_salt) = material.split_at_checked(key_len)?;
        key.get_mut(..key_len)?.copy_from_slice(from_key);
        salt.get_mut(..salt_len)?.copy_from_slice(from_salt);
        Some(Self { suite, key, salt })
    }

    /// Creates a master key from random octets, of which as many are used as the suite wants.
    pub(crate) fn from_random(suite: CryptoSuite, random: &[u8; MAX_MATERIAL]) -> Self {
        let len = suite.key_len() + suite.salt_len();
        let key = random.get(..len).and_then(|material| Self::new(suite, material));
        key.unwrap_or(Self { suite, key: [0; MAX_KEY], salt: [0; MAX_SALT] })
    }

    /// Returns the suite.
    pub(crate) const fn suite(&self) -> CryptoSuite {
        self.suite
    }

    /// Returns the key without the salt.
    pub(crate) fn key(&self) -> &[u8] {
        self.key.get(..self.suite.key_len()).unwrap_or_default()
    }

    /// Returns the salt.
    pub(crate) fn salt(&self) -> &[u8] {
        self.salt.get(..self.suite.salt_len()).unwrap_or_default()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// A master key, and the identifier that its packets have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentifiedKey {
    pub(crate) master: MasterKey,
    /// Empty: the packets have none.
    pub(crate) mki: Box<[u8]>,
    /// The first and the last index of packets that it is good for.
    pub(crate) interval: (u64, u64),
}

/// The keys of one stream, and the roll-over counters of what is sent with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SrtpKeys {
    /// One at least; all of the same suite, and with identifiers of the same length.
    keys: Vec<IdentifiedKey>,
    /// SSRCs that are known, and their roll-over counters.
    pub(crate) sessions: Vec<(u32, u32)>,
}

/// Why the keys of a message cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnusableKeys(&'static str);

impl fmt::Display for UnusableKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl SrtpKeys {
    pub(crate) fn new(master: MasterKey, mki: &[u8]) -> Self {
        let mki = mki.get(..MAX_MKI).unwrap_or(mki).into();
        Self { keys: vec![IdentifiedKey { master, mki, interval: ALL }], sessions: Vec::new() }
    }

    /// Adds an SSRC with its roll-over counter; 0 stands for one that is not known yet.
    pub(crate) fn with_session(mut self, ssrc: u32, roll_over: u32) -> Self {
        self.sessions.push((ssrc, roll_over));
        self
    }

    pub(crate) fn keys(&self) -> &[IdentifiedKey] {
        &self.keys
    }

    /// The roll-over counter of an SSRC, as far as it was told.
    pub(crate) fn roll_over(&self, ssrc: u32) -> u32 {
        self.sessions.iter().find(|(of, _)| *of == ssrc).map_or(0, |(_, roll_over)| *roll_over)
    }

    /// Reads the keys of a message.
    ///
    /// # Errors
    /// The suite is not supported, or the keys are not as long as it wants, or their identifiers do
    /// not tell them apart.
    pub(crate) fn of_message(message: &MikeyMessage) -> Result<Self, UnusableKeys> {
        let suite = message.suite_of(message.sessions.first());
        let suite = suite.ok_or(UnusableKeys("the cipher or its use is not supported"))?;
        if message.sessions.iter().any(|session| message.suite_of(Some(session)) != Some(suite)) {
            return Err(UnusableKeys("the streams are protected in different ways"));
        }
        if message.keys.is_empty() || message.keys.len() > MAX_KEYS {
            return Err(UnusableKeys("there is no key, or there are too many"));
        }
        let mut keys: Vec<IdentifiedKey> = Vec::new();
        for KeyData { material, mki, interval } in &message.keys {
            let master = MasterKey::new(suite, material);
            let master = master.ok_or(UnusableKeys("the key has not the length of its suite"))?;
            if mki.len() > MAX_MKI {
                return Err(UnusableKeys("the key identifier is too long"));
            }
            let fits = |key: &IdentifiedKey| key.mki.len() == mki.len() && *key.mki != mki[..];
            if !keys.iter().all(fits) {
                return Err(UnusableKeys("the key identifiers do not tell the keys apart"));
            }
            let interval = interval.unwrap_or(ALL);
            keys.push(IdentifiedKey { master, mki: mki[..].into(), interval });
        }
        let sessions = message.sessions.iter().map(|s| (s.ssrc, s.roll_over)).collect();
        Ok(Self { keys, sessions })
    }

    /// The keys that a description states; of several the first that can be used. `None`: it states
    /// none in this way.
    ///
    /// # Errors
    /// None of them can be used; says why.
    pub(crate) fn described<'a>(
        attributes: impl IntoIterator<Item = &'a Attribute>,
    ) -> Result<Option<Self>, String> {
        let mut refused = None;
        let attributes = attributes.into_iter();
        for attribute in attributes.filter(|a| a.name.eq_ignore_ascii_case("key-mgmt")) {
            let message = from_attribute(attribute.value.as_deref().unwrap_or_default());
            let message = message.map_err(|e| e.to_string());
            let keys = message.and_then(|m| Self::of_message(&m).map_err(|e| e.to_string()));
            match keys {
                Ok(keys) => return Ok(Some(keys)),
                Err(why) => refused = Some(why),
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// The message that tells the keys. `random` makes its bundle and its random octets, `timestamp`
    /// is the NTP time.
    pub(crate) fn to_message(&self, random: &[u8; 20], timestamp: u64) -> MikeyMessage {
        let (bundle, random) = random.split_at(4);
        let suite = self.keys.first().map(|key| key.master.suite());
        let session = |&(ssrc, roll_over): &_| CryptoSession { policy: 0, ssrc, roll_over };
        let key = |key: &IdentifiedKey| {
            let material = [key.master.key(), key.master.salt()].concat();
            let interval = Some(key.interval).filter(|interval| *interval != ALL);
            KeyData { interval, ..KeyData::new(material, key.mki.to_vec()) }
        };
        MikeyMessage {
            bundle: u32::from_be_bytes(bundle.try_into().unwrap_or_default()),
            sessions: self.sessions.iter().map(session).collect(),
            timestamp,
            random: random.to_vec(),
            policies: vec![SecurityPolicy { number: 0, suite }],
            keys: self.keys.iter().map(key).collect(),
        }
    }
}
