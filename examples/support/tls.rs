//! TLS: the options of servers and of clients, and a server that listens for it.

use super::{Arguments, Failure, Listen, Program, Stop, wrong};
use riverrun::client::RtspClientConfig;
use std::path::PathBuf;

/// The options of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    certificates: Option<PathBuf>,
    key: Option<PathBuf>,
    port: Option<u16>,
}

impl Tls {
    /// Takes an option and its value, if it is one of TLS.
    pub(crate) fn takes(&mut self, name: &str, arguments: &mut Arguments) -> Result<bool, Stop> {
        match name {
            "--tls-cert" => self.certificates = Some(arguments.value()?.into()),
            "--tls-key" => self.key = Some(arguments.value()?.into()),
            "--tls-port" => self.port = Some(arguments.number(name)?),
            _ => return Ok(false),
        }
        is_built_in(name).map(|()| true)
    }

    /// Lets the server listen for TLS too, if that is asked for. SIGHUP has it read the files again.
    #[cfg(feature = "tls")]
    pub(crate) fn listen(&self, program: &mut Program, listen: Listen) -> Result<(), Failure> {
        use riverrun::net::tls::{TlsAcceptor, TlsFiles};
        let (certificates, key) = match (&self.certificates, &self.key) {
            (Some(certificates), Some(key)) => (certificates, key),
            (None, None) if self.port.is_none() => return Ok(()),
            _ => return Err("TLS wants both --tls-cert and --tls-key".into()),
        };
        let acceptor = TlsAcceptor::from_files(TlsFiles::new(certificates, key))?;
        // Where the server listens for RTSP, it does for RTSPS.
        let port = self.port.unwrap_or(8322);
        for address in listen.at_port(port).addresses(program)? {
            let acceptor = acceptor.clone();
            program
                .with(|server, env| server.listen_tls(env, address, acceptor))?
                .map_err(|e| format!("cannot listen on {address}: {e}"))?;
        }
        let server = program.server;
        let on_hangup = program.env.create_event_pipe(move |env, _| {
            match env.with(server, |server, _| server.reload_tls()) {
                Ok(Ok(_)) => log::info!("the certificates are read again"),
                Ok(Err(e)) => log::error!("the certificates stay as they were: {e}"),
                Err(e) => log::error!("{e}"),
            }
        })?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGHUP, on_hangup)?;
        Ok(())
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    pub(crate) fn listen(&self, _: &mut Program, _: Listen) -> Result<(), Failure> {
        Ok(())
    }
}

/// Takes an option of a client and its value, if it says which servers are trusted.
pub(crate) fn takes_trust(
    config: &mut RtspClientConfig,
    name: &str,
    arguments: &mut Arguments,
) -> Result<bool, Stop> {
    if !["--ca", "--fingerprint", "--insecure"].contains(&name) {
        return Ok(false);
    }
    is_built_in(name)?;
    #[cfg(feature = "tls")]
    {
        use riverrun::net::tls::TlsTrust;
        config.tls_trust = match name {
            "--ca" => TlsTrust::AuthorityFile(arguments.value()?.into()),
            "--insecure" => TlsTrust::InsecureAnyone,
            _ => {
                let text: String = arguments.parsed(name, "text")?;
                TlsTrust::fingerprint(&text).map_err(|e| wrong(format!("{name}: {e}")))?
            }
        };
    }
    let _ = (config, arguments);
    Ok(true)
}

/// Fails where the program was built without TLS.
fn is_built_in(name: &str) -> Result<(), Stop> {
    if cfg!(feature = "tls") {
        Ok(())
    } else {
        Err(wrong(format!("{name}: this program was built without TLS (cargo --features tls)")))
    }
}
