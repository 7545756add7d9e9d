//! SRTP: the options of servers.

use super::{Arguments, Stop, wrong};
use riverrun::server::ServerConfig;

/// The options of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Srtp {
    required: Option<bool>,
    in_the_clear: bool,
    mki_len: usize,
    #[cfg(feature = "srtp")]
    suite: riverrun::rtp::srtp::CryptoSuite,
}

impl Srtp {
    /// Takes an option and its value, if it is one of SRTP.
    pub(crate) fn takes(&mut self, name: &str, arguments: &mut Arguments) -> Result<bool, Stop> {
        match name {
            "--srtp" => {
                self.required = match arguments.value()?.to_str() {
                    Some("offer") => Some(false),
                    Some("require") => Some(true),
                    _ => return Err(wrong(format!("{name}: offer or require"))),
                };
            }
            "--srtp-mki" => self.mki_len = arguments.number(name)?,
            #[cfg(feature = "srtp")]
            "--srtp-suite" => self.suite = suite(arguments, name)?,
            #[cfg(not(feature = "srtp"))]
            "--srtp-suite" => {}
            "--srtp-keys-in-the-clear" => self.in_the_clear = true,
            _ => return Ok(false),
        }
        if cfg!(feature = "srtp") {
            Ok(true)
        } else {
            let how = "this program was built without SRTP (cargo --features srtp)";
            Err(wrong(format!("{name}: {how}")))
        }
    }

    /// The configuration with what was asked for.
    pub(crate) fn configured(&self, config: ServerConfig) -> ServerConfig {
        #[cfg(feature = "srtp")]
        if let Some(required) = self.required {
            let mut srtp = riverrun::server::SrtpConfig::default();
            (srtp.required, srtp.mki_len, srtp.suite) = (required, self.mki_len, self.suite);
            srtp.allow_plain_connections = self.in_the_clear;
            let mut config = config;
            config.srtp = Some(srtp);
            return config;
        }
        config
    }
}

/// The value of an option as a cipher suite.
#[cfg(feature = "srtp")]
fn suite(
    arguments: &mut Arguments,
    option: &str,
) -> Result<riverrun::rtp::srtp::CryptoSuite, Stop> {
    use riverrun::rtp::srtp::CryptoSuite;
    let wanted: String = arguments.parsed(option, "text")?;
    let suite = CryptoSuite::ALL.into_iter().find(|suite| suite.as_str() == wanted);
    suite.ok_or_else(|| {
        let names = CryptoSuite::ALL.map(CryptoSuite::as_str).join(", ");
        wrong(format!("{option}: one of {names}"))
    })
}
