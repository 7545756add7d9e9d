//! [`SrtpConfig`], and the keys of a server's streams.

use crate::arena::RawId;
use crate::ids::{ConnectionId, MediaSessionId, StreamId};
use crate::rtp::srtp::keys::{MAX_MATERIAL, MasterKey};
use crate::rtp::srtp::{CryptoSuite, SrtpKeys};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// Longest identifier of a master key, in octets.
pub(crate) const MAX_MKI: usize = 16;

/// Shared streams of a track, one after the other, that have the same key. Each has an SSRC of its
/// own, so that the key encrypts nothing twice; with so few they do not have the same by chance.
pub(crate) const STREAMS_PER_KEY: u64 = 64;

/// SRTP for the streams of a server: encrypted and authenticated RTP and RTCP (RFC 3711), with keys
/// that the description and the answers to SETUP state (MIKEY, RFC 3830 and RFC 4567).
///
/// Whoever reads the RTSP connection knows the keys. They are therefore told, and SRTP is served,
/// over secure connections (`rtsps://`) only.
///
/// A stream that several clients share is encrypted once for all of them, with one key. A stream of
/// one client has a key of its own. RTSP has no message with which to tell a client that plays
/// another key: a stream ends, with a BYE, shortly before its key has protected 2^48 RTP packets or
/// 2^31 RTCP packets (RFC 3711 section 9.2), and a client that connects again gets another stream,
/// with another key. Clients that send RTCP with keys of their own choice state them
/// in the request (header field `KeyMgmt`); others use the key of the stream.
///
/// ```
/// use riverrun::rtp::srtp::CryptoSuite;
/// use riverrun::server::{ServerConfig, SrtpConfig};
///
/// let mut srtp = SrtpConfig::default();
/// srtp.suite = CryptoSuite::AeadAes128Gcm;
/// srtp.required = true;
/// let mut config = ServerConfig::default();
/// config.srtp = Some(srtp);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SrtpConfig {
    /// Cipher and authentication. Default: `AES_CM_128_HMAC_SHA1_80`, which all clients have.
    pub suite: CryptoSuite,
    /// Length of the master key identifier (MKI) in each packet, at most 16; 0: none. ONVIF demands
    /// one, and GStreamer (1.22 was tried) receives nothing then. Default: 0.
    pub mki_len: usize,
    /// Whether media are sent by SRTP only: other transports are refused with 461, and over a
    /// connection that is not secure a description with 403; multicast streams are encrypted. If
    /// not, clients may ask for either, and multicast streams are not encrypted. Default: `false`.
    pub required: bool,
    /// Whether keys are told over connections that are not secure, where everybody on the way can
    /// read them: for tests, and for networks that are secured otherwise. Default: `false`.
    pub allow_plain_connections: bool,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOf {
    /// The streams of a track that a client sets up over a connection, which are its own.
    Client(ConnectionId, (MediaSessionId, usize)),
    /// The stream of a track that clients share. The number changes with it from time to time.
    Shared((MediaSessionId, usize), u64),
    Multicast(StreamId),
}

/// The keys of a server's streams. They are all made from one secret, so that a key that a
/// description has stated needs no memory until its stream is set up.
pub(crate) struct StreamKeys {
    secret: [u8; 32],
}

impl fmt::Debug for StreamKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamKeys").finish_non_exhaustive()
    }
}

impl StreamKeys {
    pub(crate) const fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    pub(crate) fn of(&self, config: &SrtpConfig, key: KeyOf) -> SrtpKeys {
        let mut material = [0; MAX_MATERIAL];
        for (n, part) in (0u8..).zip(material.chunks_mut(32)) {
            let octets = self.octets(key, n);
            part.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
        }
        let master = MasterKey::from_random(config.suite, &material);
        // The first key of a stream, and the only one.
        let mki = 1u128.to_be_bytes();
        SrtpKeys::new(master, mki.get(16usize.saturating_sub(config.mki_len)..).unwrap_or_default())
    }

    /// A pseudo-random function of the secret.
    fn octets(&self, key: KeyOf, part: u8) -> [u8; 32] {
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.secret) else {
            // HMAC takes keys of any length.
            return self.secret;
        };
        let (kind, ids) = match key {
            KeyOf::Client(connection, (media_session, track)) => {
                (0, [number(connection.raw()), number(media_session.raw()), track as u64])
            }
            KeyOf::Shared((media_session, track), epoch) => {
                (1, [epoch, number(media_session.raw()), track as u64])
            }
            KeyOf::Multicast(stream) => (2, [number(stream.raw()), 0, 0]),
        };
        mac.update(&[kind, part]);
        ids.iter().for_each(|id| mac.update(&id.to_be_bytes()));
        mac.finalize().into_bytes().into()
    }
}

fn number(id: RawId) -> u64 {
    u64::from(id.generation) << 32 | u64::from(id.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_has_a_key_of_its_own() {
        let id = |index, generation| RawId { index, generation };
        let connection = |i, g| ConnectionId::from_raw(id(i, g));
        let session = |i| MediaSessionId::from_raw(id(i, 0));
        let all = [
            KeyOf::Client(connection(1, 0), (session(1), 0)),
            KeyOf::Client(connection(1, 1), (session(1), 0)),
            KeyOf::Client(connection(2, 0), (session(1), 0)),
            KeyOf::Client(connection(1, 0), (session(2), 0)),
            KeyOf::Client(connection(1, 0), (session(1), 1)),
            KeyOf::Shared((session(1), 0), 1),
            KeyOf::Shared((session(1), 0), 2),
            KeyOf::Multicast(StreamId::from_raw(id(1, 0))),
        ];
        let config = SrtpConfig { mki_len: 4, ..SrtpConfig::default() };
        let keys = |secret: u8| all.map(|of| StreamKeys::new([secret; 32]).of(&config, of));
        let (one, other) = (keys(1), keys(2));
        assert_eq!(one, keys(1));
        for (n, key) in one.iter().enumerate() {
            assert!(!one[..n].contains(key) && !other.contains(key), "{n}");
            assert_eq!(*key.keys()[0].mki, [0, 0, 0, 1]);
        }
    }
}
