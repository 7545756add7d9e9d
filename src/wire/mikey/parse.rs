//! Reads messages. Each length is that of bytes that are there, and the number of entries is bounded.

use super::{
    CryptoSession, CryptoSuite, KeyData, MAX_ENTRIES, MAX_MESSAGE, MikeyMessage, SecurityPolicy,
    encryption, parameter, payload,
};
use crate::wire::{ParseError, Reader};

impl MikeyMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// The message is malformed, is not by the method of the pre-shared key, is encrypted, has a key
    /// from which others are to be generated (TGK), or is longer than [`MAX_MESSAGE`].
    pub fn parse(message: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(message);
        if message.len() > MAX_MESSAGE {
            return Err(r.invalid("MIKEY: length"));
        }
        if r.u8("MIKEY version")? != 1 {
            return Err(r.invalid("MIKEY version"));
        }
        // The initiator's message of the pre-shared key method.
        if r.u8("MIKEY data type")? != 0 {
            return Err(r.invalid("MIKEY data type"));
        }
        let mut next = r.u8("MIKEY header")?;
        // The flag asks for a response that proves that the key is known. RTSP answers anyway.
        let _prf = r.u8("MIKEY header")?;
        let mut parsed = Self { bundle: r.u32("MIKEY header")?, ..Self::default() };
        let sessions = r.u8("MIKEY header")?;
        if usize::from(sessions) > MAX_ENTRIES {
            return Err(r.invalid("MIKEY: crypto sessions"));
        }
        if r.u8("MIKEY map type")? != 0 {
            return Err(r.invalid("MIKEY map type"));
        }
        for _ in 0..sessions {
            let policy = r.u8("MIKEY map")?;
            let (ssrc, roll_over) = (r.u32("MIKEY map")?, r.u32("MIKEY map")?);
            parsed.sessions.push(CryptoSession { policy, ssrc, roll_over });
        }
        while next != payload::LAST {
            next = parsed.read_payload(next, &mut r)?;
        }
        Ok(parsed)
    }

    /// Reads a payload, and returns the type of the next.
    fn read_payload(&mut self, kind: u8, r: &mut Reader<'_>) -> Result<u8, ParseError> {
        let next = r.u8("MIKEY payload")?;
        match kind {
            payload::KEMAC => self.read_kemac(r)?,
            payload::TIMESTAMP => match r.u8("MIKEY timestamp")? {
                0 | 1 => self.timestamp = r.u64("MIKEY timestamp")?,
                // A counter.
                _ => self.timestamp = r.u32("MIKEY timestamp")?.into(),
            },
            payload::ID => {
                r.u8("MIKEY ID")?;
                let len = r.u16("MIKEY ID")?;
                r.take(len.into(), "MIKEY ID")?;
            }
            payload::VERIFICATION => {
                let len = if r.u8("MIKEY verification")? == 0 { 0 } else { 20 };
                r.take(len, "MIKEY verification")?;
            }
            payload::POLICY => {
                let number = r.u8("MIKEY policy")?;
                if r.u8("MIKEY policy")? != 0 {
                    return Err(r.invalid("MIKEY policy: not for SRTP"));
                }
                let len = r.u16("MIKEY policy")?;
                let suite = read_policy(r.sub(len.into(), "MIKEY policy")?)?;
                if self.policies.len() >= MAX_ENTRIES {
                    return Err(r.invalid("MIKEY: policies"));
                }
                self.policies.push(SecurityPolicy { number, suite });
            }
            payload::RANDOM => {
                let len = r.u8("MIKEY RAND")?;
                self.random = r.take(len.into(), "MIKEY RAND")?.to_vec();
            }
            payload::EXTENSION => {
                r.u8("MIKEY extension")?;
                let len = r.u16("MIKEY extension")?;
                r.take(len.into(), "MIKEY extension")?;
            }
            _ => return Err(r.invalid("MIKEY payload type")),
        }
        Ok(next)
    }

    /// Reads the payload with the keys.
    fn read_kemac(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        if r.u8("MIKEY KEMAC")? != 0 {
            return Err(r.invalid("MIKEY KEMAC: encrypted"));
        }
        let len = r.u16("MIKEY KEMAC")?;
        let mut keys = r.sub(len.into(), "MIKEY KEMAC")?;
        if r.u8("MIKEY KEMAC")? != 0 {
            return Err(r.invalid("MIKEY KEMAC: authenticated"));
        }
        // The first is a key, too, though nothing states its type.
        let mut kind = payload::KEY_DATA;
        while kind != payload::LAST {
            if kind != payload::KEY_DATA || self.keys.len() >= MAX_ENTRIES {
                return Err(r.invalid("MIKEY KEMAC"));
            }
            kind = keys.u8("MIKEY key")?;
            let types = keys.u8("MIKEY key")?;
            let len = keys.u16("MIKEY key")?;
            let mut key = KeyData::default();
            key.material.extend_from_slice(keys.take(len.into(), "MIKEY key")?);
            match types >> 4 {
                2 => {}
                3 => {
                    let len = keys.u16("MIKEY salt")?;
                    key.material.extend_from_slice(keys.take(len.into(), "MIKEY salt")?);
                }
                _ => return Err(keys.invalid("MIKEY key: no traffic-encrypting key")),
            }
            match types & 0x0F {
                0 => {}
                1 => {
                    let len = keys.u8("MIKEY SPI")?;
                    key.mki.extend_from_slice(keys.take(len.into(), "MIKEY SPI")?);
                }
                2 => key.interval = Some((read_index(&mut keys)?, read_index(&mut keys)?)),
                _ => return Err(keys.invalid("MIKEY key validity")),
            }
            self.keys.push(key);
        }
        Ok(())
    }
}

/// An end of a key's interval: a number with its length.
fn read_index(r: &mut Reader<'_>) -> Result<u64, ParseError> {
    let len = r.u8("MIKEY key interval")?;
    if len > 8 {
        return Err(r.invalid("MIKEY key interval"));
    }
    let octets = r.take(len.into(), "MIKEY key interval")?;
    Ok(octets.iter().fold(0, |n, octet| n << 8 | u64::from(*octet)))
}

/// The suite that the parameters of a policy make; `None` if there is no such suite.
fn read_policy(mut r: Reader<'_>) -> Result<Option<CryptoSuite>, ParseError> {
    let (mut cipher, mut key_len, mut tag_len, mut auth_key_len) =
        (encryption::AES_CM, 16, None, None);
    let mut is_supported = true;
    while !r.is_empty() {
        let kind = r.u8("MIKEY policy parameter")?;
        let len = r.u8("MIKEY policy parameter")?;
        let value = r.take(len.into(), "MIKEY policy parameter")?;
        // All are numbers, most of one octet.
        let value =
            value.iter().fold(0u64, |n, byte| n.saturating_mul(256).saturating_add((*byte).into()));
        match kind {
            parameter::ENCRYPTION => cipher = u8::try_from(value).unwrap_or(u8::MAX),
            parameter::KEY_LEN => key_len = value,
            parameter::AUTHENTICATION => is_supported &= value == 1,
            parameter::AUTH_KEY_LEN => auth_key_len = Some(value),
            parameter::TAG_LEN | parameter::AEAD_TAG_LEN => tag_len = Some(value),
            parameter::PRF | parameter::DERIVATION_RATE | parameter::PREFIX_LEN => {
                is_supported &= value == 0;
            }
            parameter::ENCRYPTS_RTP | parameter::ENCRYPTS_RTCP | parameter::AUTHENTICATES => {
                is_supported &= value == 1;
            }
            // The salt's is that of the suite, and a sender's FEC comes before or after alike.
            parameter::SALT_LEN | parameter::FEC_ORDER => {}
            _ => {}
        }
    }
    // GStreamer states the length of the tag in the place of that of the key for authentication.
    let tag_len = tag_len.or_else(|| auth_key_len.filter(|len| matches!(len, 4 | 10)));
    Ok(is_supported
        .then_some(match (cipher, key_len, tag_len) {
            (encryption::AES_CM, 16, None | Some(10)) => Some(CryptoSuite::AesCm128HmacSha1_80),
            (encryption::AES_CM, 16, Some(4)) => Some(CryptoSuite::AesCm128HmacSha1_32),
            (encryption::AES_CM, 32, None | Some(10)) => Some(CryptoSuite::AesCm256HmacSha1_80),
            (encryption::AES_CM, 32, Some(4)) => Some(CryptoSuite::AesCm256HmacSha1_32),
            (encryption::AES_GCM, 16, None | Some(16)) => Some(CryptoSuite::AeadAes128Gcm),
            (encryption::AES_GCM, 32, None | Some(16)) => Some(CryptoSuite::AeadAes256Gcm),
            _ => None,
        })
        .flatten())
}
