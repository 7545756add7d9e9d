//! SRTP of a client: the keys that the server states, and those of the client's choice (RFC 4567).

use crate::description::MediaSubsession;
use crate::env::UsageEnvironment;
use crate::rtp::srtp::keys::{MAX_MATERIAL, MasterKey};
use crate::rtp::srtp::transform::DerivedKeys;
use crate::rtp::srtp::{CryptoSuite, SrtpKeys, SrtpTransform};
use crate::rtp::transform::PacketTransform;
use crate::wire::mikey::KeyMgmt;
use crate::wire::rtcp::NtpTime;

/// SRTP of a [`Player`](crate::client::Player), for tracks whose description says `RTP/SAVP` or
/// `RTP/SAVPF`.
///
/// The server states the keys of the media, in the description or in the response to SETUP (MIKEY,
/// RFC 3830 and RFC 4567). The client chooses a key for the RTCP that it sends, and states it in the
/// SETUP request. Where the server states no keys, the client's are those of the media, too.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SrtpClientConfig {
    /// Whether the client chooses the keys of the media even if the server states some, as servers
    /// expect that leave the keys to their clients. Default: `false`.
    pub client_keys: bool,
    /// Whether keys are told and accepted over connections that are not secure, where everybody on
    /// the way can read them. If not, SRTP tracks are not played there. Default: `false`.
    pub allow_plain_connections: bool,
    /// Cipher and authentication of the client's keys where the server names none. Default:
    /// `AES_CM_128_HMAC_SHA1_80`.
    pub suite: CryptoSuite,
}

/// The keys of a track that is being set up.
#[derive(Debug)]
pub(crate) struct TrackKeys {
    /// Those that the description states.
    described: Option<SrtpKeys>,
    own: SrtpKeys,
    /// What the track's receiver takes its SSRC from.
    pub(crate) random: [u8; 12],
    client_keys: bool,
}

impl TrackKeys {
    /// The keys for a track, if it is one with SRTP.
    ///
    /// # Errors
    /// The connection is not secure, or the description's keys cannot be used; says why.
    pub(crate) fn of(
        env: &mut UsageEnvironment,
        track: &MediaSubsession,
        config: SrtpClientConfig,
        is_secure: bool,
    ) -> Result<Option<Self>, String> {
        if !track.profile.is_secure() {
            return Ok(None);
        }
        if !is_secure && !config.allow_plain_connections {
            return Err("SRTP over a connection that is not secure".to_owned());
        }
        let described =
            if config.client_keys { None } else { SrtpKeys::described(track.keys.iter())? };
        let first = described.as_ref().and_then(|keys| keys.keys().first());
        let suite = first.map_or(config.suite, |key| key.master.suite());
        let mki = first.map(|key| key.mki.clone()).unwrap_or_default();
        let (mut material, mut random) = ([0; MAX_MATERIAL], [0; 12]);
        env.fill_random(&mut material);
        env.fill_random(&mut random);
        let ssrc = random.first_chunk().map_or(1, |ssrc| u32::from_be_bytes(*ssrc).max(1));
        let own = SrtpKeys::new(MasterKey::from_random(suite, &material), &mki);
        let own = own.with_session(ssrc, 0);
        Ok(Some(Self { described, own, random, client_keys: config.client_keys }))
    }

    /// The header field with the client's keys.
    pub(crate) fn request(&self, env: &mut UsageEnvironment, url: &str) -> KeyMgmt {
        let mut random = [0; 20];
        env.fill_random(&mut random);
        let message = self.own.to_message(&random, NtpTime::from_unix(env.wall_clock()).0);
        KeyMgmt { url: Some(url.to_owned()), message }
    }

    /// What unprotects the server's packets and protects the client's. `answer` is the header field
    /// of the response to SETUP.
    ///
    /// # Errors
    /// The server's keys cannot be used; says why.
    pub(crate) fn into_transform(
        self,
        answer: Option<&str>,
        url: &str,
    ) -> Result<Box<dyn PacketTransform>, String> {
        let answered = match answer.filter(|_| !self.client_keys) {
            Some(value) => {
                let header = KeyMgmt::parse(value, url).map_err(|e| e.to_string())?;
                Some(SrtpKeys::of_message(&header.message).map_err(|e| e.to_string())?)
            }
            None => None,
        };
        let own = DerivedKeys::new(self.own);
        let received = match answered.or(self.described) {
            Some(keys) => DerivedKeys::new(keys),
            None => own.clone(),
        };
        Ok(Box::new(SrtpTransform::new(&own, &received)))
    }
}
