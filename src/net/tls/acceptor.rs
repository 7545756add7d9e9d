//! [`TlsAcceptor`]: the certificate of a server, and the TLS that it speaks.

use super::{TlsStream, failed, pem, provider};
use crate::error::Error;
use crate::net::tcp::TcpStream;
use rustls::ServerConfig;
use rustls::server::{ServerConnection, WebPkiClientVerifier};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The PEM files of a [`TlsAcceptor`].
///
/// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365
/// -subj /CN=camera -addext subjectAltName=DNS:camera.example,IP:192.0.2.9 -keyout key.pem
/// -out cert.pem` makes a pair of them for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The server's certificate, followed by the intermediate ones up to its authority.
    pub certificates: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// Authorities of clients: if it is set, only clients that present a certificate of one of them
    /// are served. Default: `None`.
    pub client_authorities: Option<PathBuf>,
}

impl TlsFiles {
    /// Names the certificates and the key of a server.
    pub fn new(certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificates: certificates.into(), key: key.into(), client_authorities: None }
    }
}

/// The server's side of TLS: a certificate with its private key, and what clients must present.
/// Copies share them.
///
/// ```no_run
/// use riverrun::env::UsageEnvironment;
/// use riverrun::net::tls::{TlsAcceptor, TlsFiles};
/// use riverrun::server::{RtspServer, ServerConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut env = UsageEnvironment::new()?;
/// let server = RtspServer::new(&mut env, ServerConfig::default(), &["0.0.0.0:554".parse()?])?;
/// let acceptor = TlsAcceptor::from_files(TlsFiles::new("cert.pem", "key.pem"))?;
/// let address = "0.0.0.0:322".parse()?;
/// env.with(server, |server, env| server.listen_tls(env, address, acceptor))??;
/// // When the files have been renewed; sessions go on.
/// env.with(server, |server, _| server.reload_tls())??;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
    /// Where it comes from, if from files.
    files: Option<TlsFiles>,
}

/// Shows no key.
impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor").field("files", &self.files).finish_non_exhaustive()
    }
}

impl TlsAcceptor {
    /// Reads certificates and key from files.
    ///
    /// # Errors
    /// [`Error::Tls`]: a file cannot be read or is not what it should be, or the key is not that of
    /// the certificate; the message names the file.
    pub fn from_files(files: TlsFiles) -> Result<Self, Error> {
        let certificates = pem::read(&files.certificates)?;
        let key = pem::read(&files.key)?;
        let authorities = files.client_authorities.as_deref().map(pem::read).transpose()?;
        let names = [&files.certificates, &files.key].map(|path| path.display().to_string());
        let [of_certificates, of_key] = &names;
        let config = config(
            (&certificates, of_certificates),
            (&key, of_key),
            authorities.as_deref().map(|pem| (pem, "the authorities of clients")),
        )?;
        Ok(Self { config, files: Some(files) })
    }

    /// Takes certificates and key from PEM texts.
    ///
    /// # Errors
    /// As [`from_files`](Self::from_files).
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let config = config((certificates, "the certificates"), (key, "the key"), None)?;
        Ok(Self { config, files: None })
    }

    /// Uses a configuration of the application's own.
    pub const fn with_config(config: Arc<ServerConfig>) -> Self {
        Self { config, files: None }
    }

    /// Reads the files again, for the connections to come. On an error, what was read before stays
    /// in force. Without files nothing happens.
    ///
    /// # Errors
    /// As [`from_files`](Self::from_files).
    pub fn reload(&mut self) -> Result<(), Error> {
        if let Some(files) = self.files.clone() {
            *self = Self::from_files(files)?;
        }
        Ok(())
    }

    /// Begins TLS on an accepted connection. A peer that does not speak TLS is sent
    /// `answer_to_plain`.
    #[allow(clippy::result_large_err, reason = "the error gives the connection back")]
    pub(crate) fn accept(
        &self,
        stream: TcpStream,
        answer_to_plain: &'static [u8],
    ) -> Result<TlsStream, (TcpStream, io::Error)> {
        match ServerConnection::new(Arc::clone(&self.config)) {
            Ok(tls) => Ok(TlsStream::of_server(stream, tls, answer_to_plain)),
            Err(e) => Err((stream, io::Error::other(e))),
        }
    }
}

/// Each text with its name in errors.
fn config(
    (certificates, of_certificates): (&[u8], &str),
    (key, of_key): (&[u8], &str),
    authorities: Option<(&[u8], &str)>,
) -> Result<Arc<ServerConfig>, Error> {
    let chain = pem::certificates(certificates, of_certificates)?;
    let key = pem::private_key(key, of_key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| failed("TLS", e))?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some((pem, of)) => {
            let roots = Arc::new(pem::authorities(pem, of)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            builder.with_client_cert_verifier(verifier.build().map_err(|e| failed(of, e))?)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|e| failed(format_args!("{of_certificates} and {of_key}"), e))?;
    // One is enough for a client that comes back: it gets another then.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}
