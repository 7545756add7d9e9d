//! Says what an RTSP server offers under a URL, and how it arrives; or checks how the server keeps
//! to the RFCs.

mod check;
mod dialogue;
mod findings;
mod json;
mod probe;
mod report;
mod status;
#[path = "../support/mod.rs"]
mod support;
mod track;

use riverrun::client::{PlayerConfig, ReconnectPolicy, TransportPolicy};
use riverrun::wire::auth::UserCredentials;
use riverrun::wire::url::RtspUrl;
use status::Status;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;
use support::{Arguments, Failure, Stop};

const HELP: &str = "\
Says what an RTSP server offers under a URL, and how it arrives: the server and its methods, the
tracks with their codecs, picture sizes and parameter sets, the time to the first frame and to the
first key frame, rates, loss and jitter.

Usage: rtsp_probe [OPTIONS] URL       rtsp://USER:SECRET@host/path, percent-encoded

  --seconds N           listen for so many seconds (default: 3; with --check: 8)
  -t, --tcp             receive over the RTSP connection (default: over UDP, and TCP where that fails)
  --udp                 receive over UDP alone
  -u USER SECRET        name and password
  --ca FILE             of rtsps servers, trust those that an authority in this PEM file knows
                        (default: those that an authority knows that the system trusts)
  --fingerprint SHA256  trust only the server with this certificate
  --insecure            trust any server: who sits on the way can read and change everything
  --check               check how the server keeps to RFC 2326 and RFC 3550: a line each, with ok,
                        FAIL or note, what was checked, the section, and what was seen
  --json                print JSON; the names of its members stay the same
  --help                this text

Exit status: 0 it plays (with --check: nothing fails); 1 wrong arguments, or anything else; 2 not
reached: no connection, or no RTSP server there; 3 refused (401, 403); 4 not found (404); 5 no media
came, or they stopped; 6 a check fails. RUST_LOG sets what is logged.
";

/// Seconds without --check: the time for some key frames and a jitter that means something.
const USUAL: Duration = Duration::from_secs(3);
/// Seconds with --check: a sender's first report comes within seven (RFC 3550 section 6.2).
const USUAL_OF_CHECK: Duration = Duration::from_secs(8);
/// Longest wait for anything of the server's.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be found out, and how.
#[derive(Clone, Debug)]
struct Options {
    url: String,
    config: PlayerConfig,
    duration: Duration,
    checks: bool,
    json: bool,
}

fn main() -> ExitCode {
    support::run("rtsp_probe", HELP, options, run)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut config = PlayerConfig::default();
    config.reconnect = ReconnectPolicy::never();
    config.stall_timeout = PATIENCE;
    let client = &mut config.client;
    for timeout in [
        &mut client.resolve_timeout,
        &mut client.connect_timeout,
        &mut client.answer_timeout,
        &mut client.write_timeout,
    ] {
        *timeout = PATIENCE;
    }
    let (mut url, mut duration, mut checks, mut json) = (None, None, false, false);
    while let Some(argument) = arguments.next_of_client()? {
        match argument.name() {
            Some("-t" | "--tcp") => config.transport = TransportPolicy::Tcp,
            Some("--udp") => config.transport = TransportPolicy::Udp,
            Some("-u") => {
                let user: String = arguments.parsed("-u", "text")?;
                let secret: String = arguments.parsed("-u", "text")?;
                config.client.credentials = Some(UserCredentials::new(user, secret));
            }
            Some(name) if support::takes_trust(&mut config.client, name, arguments)? => {}
            Some("--seconds") => duration = Some(seconds(arguments, "--seconds")?),
            Some("--check") => checks = true,
            Some("--json") => json = true,
            None if url.is_none() => {
                url = Some(argument.into_value().to_string_lossy().into_owned());
            }
            _ => return Err(argument.unexpected()),
        }
    }
    let url = url.ok_or_else(|| support::wrong("URL is missing"))?;
    // The text is not repeated: a password may stand in it.
    RtspUrl::parse(&url).map_err(|e| support::wrong(format!("URL: {e}")))?;
    let usual = if checks { USUAL_OF_CHECK } else { USUAL };
    Ok(Options { url, config, duration: duration.unwrap_or(usual), checks, json })
}

/// The value of an option in seconds, with a fraction.
fn seconds(arguments: &mut Arguments, option: &str) -> Result<Duration, Stop> {
    let seconds: f64 = arguments.parsed(option, "a number of seconds")?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|e| support::wrong(format!("{option}: {seconds}: {e}")))
}

fn run(options: Options) -> Result<ExitCode, Failure> {
    let (text, status, error) = if options.checks {
        let checked = check::run(&options)?;
        let text = if options.json { json::checked(&checked) } else { report::checked(&checked) };
        (text, checked.status(), checked.error.map(|(_, why)| why))
    } else {
        let found = probe::run(&options)?;
        let text = if options.json { json::found(&found) } else { report::found(&found) };
        (text, found.status(), found.failure.map(|(_, why)| why))
    };
    stdout().write_all(text.as_bytes())?;
    if let Some(error) = error {
        writeln!(stderr(), "rtsp_probe: {}", report::one_line(&error))?;
    }
    Ok(status.into())
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}
