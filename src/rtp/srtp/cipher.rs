//! Session keys and what is done with them: AES in counter mode with HMAC-SHA1 (RFC 3711 section 4,
//! RFC 6188), AES-GCM (RFC 7714), and the key derivation that both use (RFC 3711 section 4.3).

use crate::rtp::srtp::keys::MasterKey;
use crate::wire::mikey::CryptoSuite;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::fmt;

/// Octets of an AES-GCM authentication tag.
const GCM_TAG_LEN: usize = 16;
/// Octets of the salt of the counter mode, and of the input of the key derivation.
const SALT_LEN: usize = 14;
/// Octets of an HMAC-SHA1 key.
const AUTH_KEY_LEN: usize = 20;
/// Octets of the word with the SRTCP index and the E flag.
const INDEX_LEN: usize = 4;
/// The fixed header of RTCP, which is never encrypted.
const RTCP_CLEAR: usize = 8;
/// The flag that says that an SRTCP packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// The keys of one master key for SRTP and SRTCP.
pub(super) struct SessionKeys {
    suite: CryptoSuite,
    rtp: Keys,
    rtcp: Keys,
}

/// The keys for SRTP, or those for SRTCP.
enum Keys {
    Cm128(Box<CounterMode<Aes128Enc>>),
    Cm256(Box<CounterMode<Aes256Enc>>),
    Gcm128(Box<Gcm<Aes128Gcm>>),
    Gcm256(Box<Gcm<Aes256Gcm>>),
}

struct CounterMode<C> {
    cipher: C,
    salt: [u8; SALT_LEN],
    mac: Hmac<Sha1>,
}

struct Gcm<C> {
    cipher: C,
    salt: [u8; 12],
}

/// A packet's place in its stream, from which its initialization vector is made.
#[derive(Clone, Copy)]
struct Place {
    ssrc: u32,
    /// The 48-bit index of an SRTP packet, the 31-bit index of an SRTCP packet.
    index: u64,
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionKeys").field(&self.suite).finish()
    }
}

impl SessionKeys {
    /// Derives the session keys of a master key; the key derivation rate is 0.
    pub(super) fn new(master: &MasterKey) -> Self {
        let suite = master.suite();
        let keys = |first_label| {
            let Derived { key, auth, salt } = Derived::new(master, first_label);
            Keys::new(suite, &key, &auth, &salt)
        };
        Self { suite, rtp: keys(0), rtcp: keys(3) }
    }

    pub(super) const fn suite(&self) -> CryptoSuite {
        self.suite
    }

    /// Protects the RTP packet of `len` bytes at the start of `packet`, of which the first `header`
    /// stay readable. Returns its new length; `None` if there is no room.
    pub(super) fn protect_rtp(
        &self,
        packet: &mut [u8],
        (header, len): (usize, usize),
        (ssrc, index): (u32, u64),
        mki: &[u8],
    ) -> Option<usize> {
        let place = Place { ssrc, index };
        let (body, rest) = packet.split_at_mut_checked(len)?;
        let mut rest = Rest { rest, written: 0 };
        if self.suite.is_aead() {
            let (aad, text) = body.split_at_mut_checked(header)?;
            let tag = self.rtp.seal(place.rtp_gcm(), aad, text)?;
            rest.push(&tag)?;
            rest.push(mki)?;
        } else {
            self.rtp.apply_keystream(place, body.get_mut(header..)?);
            let roll_over = u32::try_from(index >> 16).ok()?.to_be_bytes();
            let mac = self.rtp.mac([body, &roll_over])?;
            rest.push(mki)?;
            rest.push(mac.get(..self.suite.tag_len())?)?;
        }
        Some(len + rest.written)
    }

    /// Checks the SRTP packet and takes its protection off. Returns the length of the RTP packet;
    /// `None` if it is not authentic.
    pub(super) fn unprotect_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        (ssrc, index): (u32, u64),
        mki_len: usize,
    ) -> Option<usize> {
        let place = Place { ssrc, index };
        let tag_len = self.suite.tag_len();
        let len = packet.len().checked_sub(tag_len + mki_len).filter(|len| *len >= header)?;
        let (body, rest) = packet.split_at_mut_checked(len)?;
        if self.suite.is_aead() {
            let (aad, text) = body.split_at_mut_checked(header)?;
            self.rtp.open(place.rtp_gcm(), aad, text, rest.get(..tag_len)?)?;
        } else {
            let roll_over = u32::try_from(index >> 16).ok()?.to_be_bytes();
            self.rtp.verify([body, &roll_over], rest.get(mki_len..)?)?;
            self.rtp.apply_keystream(place, body.get_mut(header..)?);
        }
        Some(len)
    }

    /// Protects the RTCP packet of `len` bytes at the start of `packet`, as
    /// [`protect_rtp`](Self::protect_rtp). With `encrypts` false it is authenticated only.
    pub(super) fn protect_rtcp(
        &self,
        packet: &mut [u8],
        len: usize,
        (ssrc, index): (u32, u32),
        mki: &[u8],
        encrypts: bool,
    ) -> Option<usize> {
        let place = Place { ssrc, index: index.into() };
        let word = (index | if encrypts { ENCRYPTED } else { 0 }).to_be_bytes();
        let (body, rest) = packet.split_at_mut_checked(len)?;
        let mut rest = Rest { rest, written: 0 };
        if self.suite.is_aead() {
            if encrypts {
                let (clear, text) = body.split_at_mut_checked(RTCP_CLEAR)?;
                let tag = self.rtcp.seal(place.rtcp_gcm(), &with_index(clear, word)?, text)?;
                rest.push(&tag)?;
            } else {
                // Its associated data are the packet and the index, which follows here for a moment.
                rest.push(&word)?;
                let (aad, _) = packet.split_at_checked(len + INDEX_LEN)?;
                let tag = self.rtcp.seal(place.rtcp_gcm(), aad, &mut [])?;
                rest = Rest { rest: packet.get_mut(len..)?, written: 0 };
                rest.push(&tag)?;
            }
            rest.push(&word)?;
            rest.push(mki)?;
        } else {
            if encrypts {
                self.rtcp.apply_keystream(place, body.get_mut(RTCP_CLEAR..)?);
            }
            let mac = self.rtcp.mac([body, &word])?;
            rest.push(&word)?;
            rest.push(mki)?;
            rest.push(mac.get(..self.suite.rtcp_tag_len())?)?;
        }
        Some(len + rest.written)
    }

    /// The index that an SRTCP packet states, and whether it is encrypted.
    pub(super) fn rtcp_index(&self, packet: &[u8], mki_len: usize) -> Option<(u32, bool)> {
        let behind = if self.suite.is_aead() { 0 } else { self.suite.rtcp_tag_len() } + mki_len;
        let at = packet.len().checked_sub(behind + INDEX_LEN)?;
        let word = packet.get(at..)?.first_chunk::<INDEX_LEN>()?;
        let word = u32::from_be_bytes(*word);
        Some((word & !ENCRYPTED, word & ENCRYPTED != 0))
    }

    /// As [`unprotect_rtp`](Self::unprotect_rtp), for SRTCP.
    pub(super) fn unprotect_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        (index, encrypted): (u32, bool),
        mki_len: usize,
    ) -> Option<usize> {
        let place = Place { ssrc, index: index.into() };
        let tag_len = self.suite.rtcp_tag_len();
        let word = (index | if encrypted { ENCRYPTED } else { 0 }).to_be_bytes();
        let len = packet.len().checked_sub(tag_len + INDEX_LEN + mki_len)?;
        if len < RTCP_CLEAR {
            return None;
        }
        let (body, rest) = packet.split_at_mut_checked(len)?;
        if !self.suite.is_aead() {
            self.rtcp.verify([body, &word], rest.get(INDEX_LEN + mki_len..)?)?;
            if encrypted {
                self.rtcp.apply_keystream(place, body.get_mut(RTCP_CLEAR..)?);
            }
        } else if encrypted {
            let (clear, text) = body.split_at_mut_checked(RTCP_CLEAR)?;
            let aad = with_index(clear, word)?;
            self.rtcp.open(place.rtcp_gcm(), &aad, text, rest.get(..tag_len)?)?;
        } else {
            let tag: [u8; GCM_TAG_LEN] = *rest.first_chunk()?;
            rest.get_mut(..INDEX_LEN)?.copy_from_slice(&word);
            let (aad, _) = packet.split_at_checked(len + INDEX_LEN)?;
            self.rtcp.open(place.rtcp_gcm(), aad, &mut [], &tag)?;
        }
        Some(len)
    }

    /// Keys that are not derived, as test vectors have them.
    #[cfg(test)]
    pub(super) fn of_session(suite: CryptoSuite, key: &[u8], salt: &[u8]) -> Self {
        let mut padded = [0; SALT_LEN];
        padded[..salt.len()].copy_from_slice(salt);
        let mut whole = [0; 32];
        whole[..key.len()].copy_from_slice(key);
        let keys = || Keys::new(suite, &whole, &[0; AUTH_KEY_LEN], &padded);
        Self { suite, rtp: keys(), rtcp: keys() }
    }

    /// Encryption key, authentication key and salt that are derived for SRTP.
    #[cfg(test)]
    pub(super) fn derived(master: &MasterKey) -> [Vec<u8>; 3] {
        let Derived { key, auth, salt } = Derived::new(master, 0);
        [key[..master.suite().key_len()].to_vec(), auth.to_vec(), salt.to_vec()]
    }

    /// What the packet of index 0 and SSRC 0 is encrypted with.
    #[cfg(test)]
    pub(super) fn keystream(&self, len: usize) -> Vec<u8> {
        let mut zeros = vec![0; len];
        self.rtp.apply_keystream(Place { ssrc: 0, index: 0 }, &mut zeros);
        zeros
    }
}

/// What follows a packet's body.
struct Rest<'a> {
    rest: &'a mut [u8],
    written: usize,
}

impl Rest<'_> {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest.get_mut(self.written..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.written += bytes.len();
        Some(())
    }
}

/// The associated data of an encrypted SRTCP packet (RFC 7714 section 9.2).
fn with_index(clear: &[u8], word: [u8; INDEX_LEN]) -> Option<[u8; RTCP_CLEAR + INDEX_LEN]> {
    let mut aad = [0; RTCP_CLEAR + INDEX_LEN];
    aad.first_chunk_mut::<RTCP_CLEAR>()?.copy_from_slice(clear);
    aad.last_chunk_mut::<INDEX_LEN>()?.copy_from_slice(&word);
    Some(aad)
}

impl Place {
    /// RFC 7714 section 8.1, before the salt.
    fn rtp_gcm(self) -> [u8; 12] {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&self.ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&self.index.to_be_bytes()[2..]);
        iv
    }

    /// RFC 7714 section 9.1, before the salt.
    fn rtcp_gcm(self) -> [u8; 12] {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&self.ssrc.to_be_bytes());
        iv[8..].copy_from_slice(&self.index.to_be_bytes()[4..]);
        iv
    }
}

impl Keys {
    fn new(
        suite: CryptoSuite,
        key: &[u8; 32],
        auth: &[u8; AUTH_KEY_LEN],
        salt: &[u8; SALT_LEN],
    ) -> Self {
        let short = key.first_chunk::<16>().copied().unwrap_or_default();
        let gcm_salt = salt.first_chunk::<12>().copied().unwrap_or_default();
        let mac = || {
            <Hmac<Sha1> as KeyInit>::new_from_slice(auth).unwrap_or_else(|_| {
                // HMAC takes keys of any length.
                <Hmac<Sha1> as KeyInit>::new(&Default::default())
            })
        };
        match (suite.is_aead(), suite.key_len()) {
            (false, 16) => {
                let cipher = Aes128Enc::new(&short.into());
                Self::Cm128(Box::new(CounterMode { cipher, salt: *salt, mac: mac() }))
            }
            (false, _) => {
                let cipher = Aes256Enc::new(&(*key).into());
                Self::Cm256(Box::new(CounterMode { cipher, salt: *salt, mac: mac() }))
            }
            (true, 16) => {
                let cipher = Aes128Gcm::new(&short.into());
                Self::Gcm128(Box::new(Gcm { cipher, salt: gcm_salt }))
            }
            (true, _) => {
                let cipher = Aes256Gcm::new(&(*key).into());
                Self::Gcm256(Box::new(Gcm { cipher, salt: gcm_salt }))
            }
        }
    }

    fn apply_keystream(&self, place: Place, data: &mut [u8]) {
        match self {
            Self::Cm128(keys) => apply_keystream(&keys.cipher, &counter(&keys.salt, place), data),
            Self::Cm256(keys) => apply_keystream(&keys.cipher, &counter(&keys.salt, place), data),
            Self::Gcm128(_) | Self::Gcm256(_) => {}
        }
    }

    fn keyed_mac(&self, parts: [&[u8]; 2]) -> Option<Hmac<Sha1>> {
        let mut mac = match self {
            Self::Cm128(keys) => keys.mac.clone(),
            Self::Cm256(keys) => keys.mac.clone(),
            Self::Gcm128(_) | Self::Gcm256(_) => return None,
        };
        parts.iter().for_each(|part| mac.update(part));
        Some(mac)
    }

    fn mac(&self, parts: [&[u8]; 2]) -> Option<[u8; AUTH_KEY_LEN]> {
        Some(self.keyed_mac(parts)?.finalize().into_bytes().into())
    }

    /// Compares a tag, which may be truncated, in constant time.
    fn verify(&self, parts: [&[u8]; 2], tag: &[u8]) -> Option<()> {
        self.keyed_mac(parts)?.verify_truncated_left(tag).ok()
    }

    fn seal(&self, iv: [u8; 12], aad: &[u8], text: &mut [u8]) -> Option<[u8; GCM_TAG_LEN]> {
        let tag = match self {
            Self::Gcm128(keys) => {
                keys.cipher.encrypt_inout_detached(&keys.nonce(iv).into(), aad, text.into()).ok()?
            }
            Self::Gcm256(keys) => {
                keys.cipher.encrypt_inout_detached(&keys.nonce(iv).into(), aad, text.into()).ok()?
            }
            Self::Cm128(_) | Self::Cm256(_) => return None,
        };
        Some(tag.into())
    }

    /// Decrypts `text` if the tag fits, and leaves it as it is if not.
    fn open(&self, iv: [u8; 12], aad: &[u8], text: &mut [u8], tag: &[u8]) -> Option<()> {
        let tag: [u8; GCM_TAG_LEN] = tag.try_into().ok()?;
        match self {
            Self::Gcm128(keys) => {
                let nonce = keys.nonce(iv).into();
                keys.cipher.decrypt_inout_detached(&nonce, aad, text.into(), &tag.into()).ok()
            }
            Self::Gcm256(keys) => {
                let nonce = keys.nonce(iv).into();
                keys.cipher.decrypt_inout_detached(&nonce, aad, text.into(), &tag.into()).ok()
            }
            Self::Cm128(_) | Self::Cm256(_) => None,
        }
    }
}

impl<C> Gcm<C> {
    fn nonce(&self, mut iv: [u8; 12]) -> [u8; 12] {
        iv.iter_mut().zip(self.salt).for_each(|(iv, salt)| *iv ^= salt);
        iv
    }
}

/// The first counter block of a packet (RFC 3711 section 4.1.1): the salt, the SSRC and the index,
/// each at its place, and 16 bits that count blocks.
fn counter(salt: &[u8; SALT_LEN], place: Place) -> [u8; 16] {
    let mut block = [0; 16];
    let place = u128::from(place.ssrc) << 64 | u128::from(place.index) << 16;
    let place = place.to_be_bytes();
    block.iter_mut().zip(salt).for_each(|(block, salt)| *block = *salt);
    block.iter_mut().zip(place).for_each(|(block, place)| *block ^= place);
    block
}

fn apply_keystream<C>(cipher: &C, counter: &[u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let core = ctr::CtrCore::<&C, ctr::flavors::Ctr128BE>::inner_iv_init(cipher, counter.into());
    StreamCipherCoreWrapper::from_core(core).apply_keystream(data);
}

/// What is derived of a master key.
struct Derived {
    key: [u8; 32],
    auth: [u8; AUTH_KEY_LEN],
    salt: [u8; SALT_LEN],
}

impl Derived {
    /// Derives a key, an authentication key and a salt, by this label and the two that follow it.
    fn new(master: &MasterKey, first_label: u8) -> Self {
        let mut new = Self { key: [0; 32], auth: [0; AUTH_KEY_LEN], salt: [0; SALT_LEN] };
        let outs: [&mut [u8]; 3] = [&mut new.key, &mut new.auth, &mut new.salt];
        for (label, out) in (first_label..).zip(outs) {
            derive_into(master, label, out);
        }
        new
    }
}

/// Fills `out`, which is zeros, with the key of a label.
fn derive_into(master: &MasterKey, label: u8, out: &mut [u8]) {
    let block = derivation_block(master.salt(), label);
    if let Ok(cipher) = Aes256Enc::new_from_slice(master.key()) {
        apply_keystream(&cipher, &block, out);
    } else if let Ok(cipher) = Aes128Enc::new_from_slice(master.key()) {
        apply_keystream(&cipher, &block, out);
    }
}

/// The key of a label, as long as it is wanted.
#[cfg(test)]
pub(super) fn derive(master: &MasterKey, label: u8, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    derive_into(master, label, &mut out);
    out
}

/// The counter block with which the pseudo-random function AES-CM derives the key of a label (RFC
/// 3711 section 4.3.3, RFC 6188 section 3). A salt that is shorter than 112 bits is padded at its
/// end (RFC 7714 section 11).
fn derivation_block(salt: &[u8], label: u8) -> [u8; 16] {
    let mut block = [0; 16];
    block.iter_mut().take(SALT_LEN).zip(salt).for_each(|(block, salt)| *block = *salt);
    block[7] ^= label;
    block
}
