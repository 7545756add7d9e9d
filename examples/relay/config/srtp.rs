//! What the configuration says of SRTP.

use super::reader::{Reader, Section};
use super::values;
use riverrun::server::ServerConfig;

/// The names of the cipher suites, whether or not they are built in; the default comes first.
pub(crate) const SUITES: [&str; 6] = [
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM",
];

/// Longest identifier of a key.
const MAX_MKI: usize = 16;

/// Whether media are encrypted for those who come over TLS, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Srtp {
    /// Whether it is required; `None`: it is off.
    pub(crate) required: Option<bool>,
    /// One of [`SUITES`].
    pub(crate) suite: &'static str,
    pub(crate) mki: usize,
}

impl Default for Srtp {
    fn default() -> Self {
        Self { required: None, suite: SUITES[0], mki: 0 }
    }
}

impl Srtp {
    pub(super) fn read<'a>(mut s: Section<'a>, reader: &mut Reader<'a>) -> Self {
        let default = Self::default();
        let srtp = Self {
            required: s.value(reader, "mode", default.required, |value| {
                let words = [("off", None), ("offer", Some(false)), ("require", Some(true))];
                values::word(value, &words)
            }),
            suite: s.value(reader, "suite", default.suite, |value| {
                values::word(value, &SUITES.map(|suite| (suite, suite)))
            }),
            mki: s.value(reader, "mki", default.mki, |value| match values::count(value)? {
                length if length <= MAX_MKI => Ok(length),
                _ => Err(format!("is no more than {MAX_MKI}")),
            }),
        };
        if srtp.required.is_some() && cfg!(not(feature = "srtp")) {
            let line = s.line_of(reader, "mode");
            reader.fault(line, "srtp: this program was built without SRTP (cargo --features srtp)");
        }
        s.end(reader);
        srtp
    }

    pub(super) fn configure(self, config: &mut ServerConfig) {
        #[cfg(feature = "srtp")]
        if let Some(required) = self.required {
            use riverrun::rtp::srtp::CryptoSuite;
            let suite = CryptoSuite::ALL.into_iter().find(|suite| suite.as_str() == self.suite);
            let mut srtp = riverrun::server::SrtpConfig::default();
            srtp.suite = suite.unwrap_or_default();
            (srtp.required, srtp.mki_len) = (required, self.mki);
            config.srtp = Some(srtp);
        }
        let _ = config;
    }
}
