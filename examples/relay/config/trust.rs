//! What the configuration says of servers of `rtsps` URLs.

use super::reader::{Reader, Section, Value};
use super::values;
use riverrun::Error;
use riverrun::client::RtspClientConfig;
use std::path::{Path, PathBuf};

const WITHOUT_TLS: &str = "this program was built without TLS (cargo --features tls)";

/// Which servers are trusted. Neither: those that the system trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) fingerprint: Option<String>,
}

impl Trust {
    /// Reads the keys in whatever section has them.
    pub(super) fn read<'a>(s: &mut Section<'a>, reader: &mut Reader<'a>, folder: &Path) -> Self {
        let trust = Self {
            ca: s.value(reader, "ca", None, values::path_if_any).map(|ca| folder.join(ca)),
            fingerprint: s.value(reader, "fingerprint", None, fingerprint),
        };
        let fault = match (trust.ca.is_some(), trust.fingerprint.is_some()) {
            (false, false) => None,
            (true, true) => Some(("fingerprint", "either ca or fingerprint")),
            _ if cfg!(feature = "tls") => None,
            (true, false) => Some(("ca", WITHOUT_TLS)),
            (false, true) => Some(("fingerprint", WITHOUT_TLS)),
        };
        if let Some((key, why)) = fault {
            let line = s.line_of(reader, key);
            reader.fault(line, format!("{}: {why}", s.full(key)));
        }
        trust
    }

    /// Has a client trust these servers.
    pub(crate) fn configure(&self, client: &mut RtspClientConfig) -> Result<(), Error> {
        #[cfg(feature = "tls")]
        {
            use riverrun::net::tls::TlsTrust;
            if let Some(ca) = &self.ca {
                client.tls_trust = TlsTrust::AuthorityFile(ca.clone());
            }
            if let Some(fingerprint) = &self.fingerprint {
                client.tls_trust = TlsTrust::fingerprint(fingerprint)?;
            }
        }
        let _ = client;
        Ok(())
    }
}

/// The SHA-256 of a certificate; `None` if it is empty.
fn fingerprint(value: &Value<'_>) -> Result<Option<String>, String> {
    let text = values::text_if_any(value)?;
    #[cfg(feature = "tls")]
    if let Some(text) = &text {
        riverrun::net::tls::TlsTrust::fingerprint(text).map_err(|e| e.to_string())?;
    }
    Ok(text)
}
