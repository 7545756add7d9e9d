//! [`TlsTrust`]: which servers a client believes.

use super::verifiers::{Anyone, Pinned};
use super::{TlsStream, failed, pem, provider};
use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::net::tcp::TcpStream;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Which server a client of `rtsps` URLs believes to be the one that it wants.
///
/// Except with [`Fingerprint`](Self::Fingerprint) and [`InsecureAnyone`](Self::InsecureAnyone), the
/// certificate must be valid today, be issued by an authority that is trusted, and be for the host
/// that the URL names: a DNS name or an IP address in its `subjectAltName` (RFC 9525). The name is
/// sent in the handshake too (SNI, RFC 6066 section 3).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum TlsTrust {
    /// The authorities that the operating system trusts. They are read once in an environment.
    #[default]
    SystemRoots,
    /// The authorities in a PEM file, which is read for each connection.
    AuthorityFile(PathBuf),
    /// Only the server with this certificate: the SHA-256 of its DER form, as `openssl x509
    /// -fingerprint -sha256` shows it. Its name, its date and its issuer do not matter.
    Fingerprint([u8; 32]),
    /// Any server. What is sent is encrypted, but whoever sits between the client and the server
    /// can pass for the server, and read and change everything.
    InsecureAnyone,
    /// What a configuration of the application's own says.
    Config(Arc<ClientConfig>),
}

impl TlsTrust {
    /// Reads a fingerprint: 64 hexadecimal digits, with or without colons between the bytes.
    ///
    /// # Errors
    /// [`Error::Usage`]: the text is something else.
    pub fn fingerprint(text: &str) -> Result<Self, Error> {
        let wrong = Error::Usage("a fingerprint has 64 hexadecimal digits: the SHA-256");
        let digits: Vec<u8> = text.bytes().filter(|&b| b != b':').collect();
        let mut sum = [0; 32];
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        if digits.len() != 2 * sum.len() {
            return Err(wrong);
        }
        for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
            let mut pair = pair.iter().copied().map(digit);
            match (pair.next().flatten(), pair.next().flatten()) {
                (Some(high), Some(low)) => *byte = high << 4 | low,
                _ => return Err(wrong),
            }
        }
        Ok(Self::Fingerprint(sum))
    }

    /// What connections to `host`, a name or an IP address, are made with.
    pub(crate) fn connector(
        &self,
        env: &mut UsageEnvironment,
        host: &str,
    ) -> Result<TlsConnector, Error> {
        // A scope is of this host, no part of what a certificate is for.
        let host = host.split('%').next().unwrap_or_default();
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| failed(host, "neither a host name nor an address"))?;
        let config = match self {
            Self::Config(config) => Arc::clone(config),
            Self::SystemRoots => system(env)?,
            Self::AuthorityFile(path) => {
                let roots = pem::authorities(&pem::read(path)?, &path.display().to_string())?;
                of_roots(roots)?
            }
            Self::Fingerprint(sum) => of_verifier(Arc::new(Pinned::new(*sum, &provider())))?,
            Self::InsecureAnyone => of_verifier(Arc::new(Anyone::new(&provider())))?,
        };
        Ok(TlsConnector { config, name })
    }
}

/// Authorities that the operating system trusts, once they are read.
#[derive(Default)]
struct SystemRoots(Option<Arc<ClientConfig>>);

fn system(env: &mut UsageEnvironment) -> Result<Arc<ClientConfig>, Error> {
    if let Some(config) = &env.extension::<SystemRoots>().0 {
        return Ok(Arc::clone(config));
    }
    let found = rustls_native_certs::load_native_certs();
    for e in &found.errors {
        log::debug!("the system's certificates: {e}");
    }
    let mut roots = RootCertStore::empty();
    // Some are of kinds that nothing can be checked with any more.
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        return Err(failed("the system's certificates", "there is none: name a file of them"));
    }
    let config = of_roots(roots)?;
    env.extension::<SystemRoots>().0 = Some(Arc::clone(&config));
    Ok(config)
}

fn of_roots(roots: RootCertStore) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| failed("TLS", e))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn of_verifier(verifier: Arc<dyn ServerCertVerifier>) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| failed("TLS", e))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// What connections to one host are made with.
#[derive(Clone)]
pub(crate) struct TlsConnector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TlsConnector {
    /// Begins TLS on a connection that is made or in the making.
    ///
    /// # Errors
    /// The configuration cannot be used.
    #[allow(clippy::result_large_err, reason = "the error gives the connection back")]
    pub(crate) fn connect(&self, stream: TcpStream) -> Result<TlsStream, (TcpStream, Error)> {
        match ClientConnection::new(Arc::clone(&self.config), self.name.clone()) {
            Ok(tls) => Ok(TlsStream::of_client(stream, tls)),
            Err(e) => Err((stream, failed("TLS", e))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_openssl_writes_them() {
        let plain = "00".repeat(31) + "fE";
        let colons = "00:".repeat(31) + "Fe";
        for text in [&plain, &colons] {
            let Ok(TlsTrust::Fingerprint(sum)) = TlsTrust::fingerprint(text) else {
                panic!("{text}")
            };
            assert_eq!((sum[0], sum[31]), (0, 0xfe));
        }
        for wrong in ["", "00", &"0g".repeat(32), &"00".repeat(33), &format!("+{}", &plain[1..])] {
            assert!(TlsTrust::fingerprint(wrong).is_err(), "{wrong}");
        }
    }
}
