//! Reads PEM files (RFC 7468): certificates and private keys.

use super::failed;
use crate::error::Error;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longest file that is read: the bundle of a whole system's authorities has some 200 KiB.
const MAX_FILE: u64 = 4 << 20;

/// Reads a file, of a bounded size. The error names the file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| failed(path.display(), e))?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| failed(path.display(), e))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(failed(path.display(), "longer than 4 MiB"));
    }
    Ok(bytes)
}

/// The certificates in a PEM text, at least one. `of` names the text in errors.
pub(super) fn certificates(pem: &[u8], of: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(failed(of, "no certificate in it")),
        Ok(certificates) => Ok(certificates),
        Err(e) => Err(failed(of, e)),
    }
}

/// The first private key in a PEM text: PKCS #8, PKCS #1 or SEC 1. Errors show nothing of it.
pub(super) fn private_key(pem: &[u8], of: &str) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|e| failed(of, format_args!("no private key: {e}")))
}

/// The certificates in a PEM text as authorities.
pub(super) fn authorities(pem: &[u8], of: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, of)? {
        roots.add(certificate).map_err(|e| failed(of, e))?;
    }
    Ok(roots)
}
